//! One buffer into which all that a thread reads is read: a child or a server that says nothing takes no room for what it
//! might say.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// What a pipe holds.
const BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads what is there, at most what a pipe holds, and hands it on, which must not read in its turn. At the end nothing is
/// handed on, which is less than one byte.
pub(super) fn poll_read<T>(
    from: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    hand_on: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.reserve_exact(BYTES);
        // Not zeroed: of its pages only those are touched that are read into.
        let mut buffer = ReadBuf::uninit(scratch.spare_capacity_mut());
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(hand_on(buffer.filled())))
    })
}

/// Reads as [`poll_read`] does, and gives how many bytes it was; none at the end. Cancel-safe.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin), mut hand_on: impl FnMut(&[u8])) -> io::Result<usize> {
    let mut hand_on = |bytes: &[u8]| {
        hand_on(bytes);
        bytes.len()
    };
    std::future::poll_fn(|cx| poll_read(from, cx, &mut hand_on)).await
}

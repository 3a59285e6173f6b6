//! One buffer into which all pipes of a thread are read: a child that says nothing takes no room for what it might say.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// What a pipe holds.
const BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads what is there, at most what a pipe holds, and hands it on, which must not read in its turn. Gives how many bytes it
/// was; none at the end. Cancel-safe.
pub async fn read(from: &mut (impl AsyncRead + Unpin), mut hand_on: impl FnMut(&[u8])) -> io::Result<usize> {
    std::future::poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.reserve_exact(BYTES);
            // Not zeroed: of its pages only those are touched that are read into.
            let mut buffer = ReadBuf::uninit(scratch.spare_capacity_mut());
            ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
            hand_on(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    })
    .await
}

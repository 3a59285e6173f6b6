//! A stream that notes when bytes arrive on it, and which came first: below HTTP/2, whose bytes its own task moves, and below
//! TLS, to see what answers there instead. For HTTP/2 it stands on the plaintext side of TLS, so that session tickets are not
//! taken for an answer.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Enough to recognise what speaks at the other end.
const OPENING_BYTES_MAX: usize = 256;

#[derive(Debug, Default)]
struct Marks {
    last: Option<Instant>,
    opening: Vec<u8>,
}

/// When the latest bytes were read, and what the first were.
#[derive(Debug, Default)]
pub(super) struct Stamps(Mutex<Marks>);

impl Stamps {
    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the latest byte was read; now, where none was.
    pub(super) fn last(&self) -> Instant {
        self.lock().last.unwrap_or_else(Instant::now)
    }

    /// The first bytes that were read, up to a bound.
    pub(super) fn opening(&self) -> Vec<u8> {
        self.lock().opening.clone()
    }

    fn note(&self, read: &[u8]) {
        let now = Instant::now();
        let mut marks = self.lock();
        marks.last = Some(now);
        let room = OPENING_BYTES_MAX - marks.opening.len();
        if room > 0 {
            marks.opening.extend_from_slice(&read[..read.len().min(room)]);
        }
    }
}

/// A stream with a [`Stamps`].
#[derive(Debug)]
pub(super) struct Stamped<S> {
    inner: S,
    stamps: Arc<Stamps>,
}

impl<S> Stamped<S> {
    pub(super) fn new(inner: S, stamps: Arc<Stamps>) -> Self {
        Self { inner, stamps }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stamped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            self.stamps.note(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stamped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

//! A stream that notes when its bytes leave and arrive. The marks sit on the plaintext side of TLS, so that session tickets
//! are not taken for an answer.

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
    written: Option<Instant>,
    first: Option<Instant>,
    last: Option<Instant>,
    bytes: u64,
    opening: Vec<u8>,
}

/// When bytes were written and read since [`Stamps::arm`].
#[derive(Debug, Default)]
pub(super) struct Stamps(Mutex<Marks>);

impl Stamps {
    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything: a request is about to be written.
    pub(super) fn arm(&self) {
        let mut marks = self.lock();
        marks.written = None;
        marks.first = None;
        marks.last = None;
        marks.bytes = 0;
        marks.opening.clear();
    }

    /// The instant just before the latest write that no byte had answered yet: the server may read, and be at work, before
    /// a write returns.
    pub(super) fn written(&self) -> Option<Instant> {
        self.lock().written
    }

    /// When the first byte was read; now, where none was.
    pub(super) fn first(&self) -> Instant {
        self.lock().first.unwrap_or_else(Instant::now)
    }

    /// When the latest byte was read; now, where none was.
    pub(super) fn last(&self) -> Instant {
        self.lock().last.unwrap_or_else(Instant::now)
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// The first bytes that were read, up to a bound.
    pub(super) fn opening(&self) -> Vec<u8> {
        self.lock().opening.clone()
    }

    fn note_write(&self, began: Instant) {
        let mut marks = self.lock();
        if marks.first.is_none() {
            marks.written = Some(began);
        }
    }

    fn note(&self, read: &[u8]) {
        let now = Instant::now();
        let mut marks = self.lock();
        marks.first.get_or_insert(now);
        marks.last = Some(now);
        marks.bytes += read.len() as u64;
        let room = OPENING_BYTES_MAX - marks.opening.len();
        if room > 0 {
            marks.opening.extend_from_slice(&read[..read.len().min(room)]);
        }
    }
}

/// A stream with [`Stamps`].
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
        let began = Instant::now();
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.stamps.note_write(began);
        Poll::Ready(Ok(count))
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
        let began = Instant::now();
        let count = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        self.stamps.note_write(began);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

//! One exchange over HTTP/1.1. What it needs beside the stream lives as long as it does: a connection that waits for its
//! next request is a stream and nothing else, which counts where thousands wait. No task stands behind it: whoever waits
//! for its answer moves its bytes, those of the request too.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncWrite as _, ReadBuf};

use super::connector::Stream;
use super::fault::{Broken, is_gone};
use super::incoming::Incoming;
use super::request::Request;
use crate::transport::{Fault, Head, scratch};

/// A body up to here is copied behind its head, so that both are one write, and, over TLS, one record.
const COPIED_BYTES_MAX: usize = 8 * 1024;
/// Room that a thread keeps for what it writes.
const KEPT_BYTES: usize = 32 * 1024;

thread_local! {
    /// Where requests are put together: most are written at once and need no room of their own.
    static HEADS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is left of the request.
enum Outgoing {
    /// Two parts, the second of which is the body.
    Parts(Bytes, Bytes),
    /// Written, but held back by TLS maybe.
    Flushing,
    Written,
    /// The server may have answered before.
    Failed(io::Error),
}

/// An exchange that goes on.
pub(super) struct Exchange {
    stream: Box<dyn Stream>,
    outgoing: Outgoing,
    incoming: Incoming,
    /// The request said that no other follows it: a server that was told may refuse one that does.
    is_last: bool,
    has_written: bool,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Exchange {
    /// Writes a request, as far as the stream takes it at once, to a stream on which no other exchange goes on. Gives the
    /// instant just before: the server may read, and be at work, before a write returns.
    ///
    /// # Errors
    /// [`Fault`], when it cannot be written at all. What goes wrong with the stream, the answer tells.
    pub(super) async fn begin(stream: Box<dyn Stream>, request: &Request<'_>) -> Result<(Box<Self>, Instant), Fault> {
        let mut exchange = Box::new(Self {
            stream,
            outgoing: Outgoing::Written,
            incoming: Incoming::new(),
            is_last: request.is_last(),
            has_written: false,
            first: None,
            last: None,
        });
        let sent =
            std::future::poll_fn(|cx| Poll::Ready(HEADS.with_borrow_mut(|head| exchange.start(cx, request, head))))
                .await?;
        Ok((exchange, sent))
    }

    fn start(&mut self, cx: &mut Context<'_>, request: &Request<'_>, head: &mut Vec<u8>) -> Result<Instant, Fault> {
        head.clear();
        request.write_head(head)?;
        let mut body = request.body().clone();
        if body.len() <= COPIED_BYTES_MAX {
            head.extend_from_slice(&body);
            body.clear();
        }
        let sent = Instant::now();
        let written = match self.write(cx, head, &body) {
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(error)) => {
                self.outgoing = Outgoing::Failed(error);
                return Ok(sent);
            }
            Poll::Pending => 0,
        };
        self.outgoing = if written == head.len() + body.len() {
            Outgoing::Flushing
        } else {
            let of_head = written.min(head.len());
            body.advance(written - of_head);
            Outgoing::Parts(Bytes::copy_from_slice(&head[of_head..]), body)
        };
        head.shrink_to(KEPT_BYTES);
        self.write_on(cx);
        Ok(sent)
    }

    fn write(&mut self, cx: &mut Context<'_>, head: &[u8], body: &[u8]) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let count = ready!(match (head, body) {
            (head, []) => stream.poll_write(cx, head),
            ([], body) => stream.poll_write(cx, body),
            (head, body) => stream.poll_write_vectored(cx, &[io::IoSlice::new(head), io::IoSlice::new(body)]),
        })?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.has_written = true;
        Poll::Ready(Ok(count))
    }

    /// Writes what the stream takes of what is left.
    fn write_on(&mut self, cx: &mut Context<'_>) {
        loop {
            self.outgoing = match std::mem::replace(&mut self.outgoing, Outgoing::Written) {
                Outgoing::Parts(mut head, mut body) => match self.write(cx, &head, &body) {
                    Poll::Ready(Ok(count)) => {
                        let of_head = count.min(head.len());
                        head.advance(of_head);
                        body.advance(count - of_head);
                        let is_all = head.is_empty() && body.is_empty();
                        if is_all { Outgoing::Flushing } else { Outgoing::Parts(head, body) }
                    }
                    Poll::Ready(Err(error)) => Outgoing::Failed(error),
                    Poll::Pending => {
                        self.outgoing = Outgoing::Parts(head, body);
                        return;
                    }
                },
                Outgoing::Flushing => match Pin::new(&mut self.stream).poll_flush(cx) {
                    Poll::Ready(Ok(())) => Outgoing::Written,
                    Poll::Ready(Err(error)) => Outgoing::Failed(error),
                    Poll::Pending => {
                        self.outgoing = Outgoing::Flushing;
                        return;
                    }
                },
                ended @ (Outgoing::Written | Outgoing::Failed(_)) => {
                    self.outgoing = ended;
                    return;
                }
            };
        }
    }

    /// Reads once. A request that could not be written may have been answered before that.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Self { stream, incoming, first, last, .. } = self;
        let fed = scratch::poll_read(stream, cx, |bytes| {
            if !bytes.is_empty() {
                let now = Instant::now();
                first.get_or_insert(now);
                *last = Some(now);
            }
            incoming.feed(bytes)
        });
        let is_unanswered = self.first.is_none();
        match (fed, &mut self.outgoing) {
            (Poll::Ready(Ok(Err(Broken::Cut))), Outgoing::Failed(error)) if is_unanswered => {
                Poll::Ready(Err(Broken::Io(taken(error))))
            }
            (Poll::Ready(Ok(fed)), _) => Poll::Ready(fed),
            (Poll::Ready(Err(error)), _) => Poll::Ready(Err(Broken::Io(error))),
            // A server that is gone has its end to be read; of any other fault reading tells nothing.
            (Poll::Pending, Outgoing::Failed(error)) if !is_gone(error) => Poll::Ready(Err(Broken::Io(taken(error)))),
            (Poll::Pending, _) => Poll::Pending,
        }
    }

    /// Waits for the head of the final answer. Cancel-safe.
    ///
    /// # Errors
    /// [`Broken`], when there will be none.
    pub(super) async fn head(&mut self) -> Result<Head, Broken> {
        std::future::poll_fn(|cx| {
            loop {
                self.write_on(cx);
                if let Some(head) = self.incoming.take_head() {
                    return Poll::Ready(Ok(head));
                }
                ready!(self.poll_more(cx))?;
            }
        })
        .await
    }

    /// Waits for the next bytes of the body; none at its end. Cancel-safe.
    ///
    /// # Errors
    /// [`Broken`], when the body breaks off.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        std::future::poll_fn(|cx| {
            loop {
                self.write_on(cx);
                if let Some(chunk) = self.incoming.take_body() {
                    return Poll::Ready(chunk);
                }
                ready!(self.poll_more(cx))?;
            }
        })
        .await
    }

    /// Whether no write of the request has succeeded: whatever the server got, it is not all of it.
    pub(super) fn is_unsent(&self) -> bool {
        !self.has_written
    }

    /// When the first and the latest byte of the answer were read; none where none was.
    pub(super) fn read(&self) -> Option<(Instant, Instant)> {
        self.first.zip(self.last)
    }

    /// The first bytes of what should be a head.
    pub(super) fn opening(&self) -> &[u8] {
        self.incoming.opening()
    }

    /// Whether the whole answer has come.
    pub(super) fn is_over(&self) -> bool {
        self.incoming.is_over()
    }

    /// After the whole answer was read: the stream, where another exchange may follow on it.
    pub(super) fn end(mut self) -> Option<Box<dyn Stream>> {
        self.write_on(&mut Context::from_waker(Waker::noop()));
        let is_written = matches!(self.outgoing, Outgoing::Written);
        (is_written && !self.is_last && self.incoming.keeps()).then_some(self.stream)
    }
}

/// The error, of which one like it is left.
fn taken(error: &mut io::Error) -> io::Error {
    let kind = error.kind();
    std::mem::replace(error, kind.into())
}

/// Whether nothing has come on a stream that rests: neither its end, nor bytes that nobody asked for.
pub(super) fn is_silent(stream: &mut dyn Stream) -> bool {
    let mut byte = [0];
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
}

#[cfg(test)]
mod tests;

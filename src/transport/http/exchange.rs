//! One exchange over HTTP/1.1. What it needs beside the stream, its buffers and queues, lives as long as it does: a
//! connection that waits for its next request is a stream and nothing else, which counts where thousands wait.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, ReadBuf};

use super::connector::Stream;
use super::pool::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::stamped::Stamped;

/// What HTTP is spoken over.
pub(super) type Io = TokioIo<Stamped<Box<dyn Stream>>>;

/// The answer to come; an error still holds the request where it was never written.
pub(super) type Sent = BoxFuture<'static, Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>>>;

/// An exchange that goes on. No task stands behind it: whoever waits for its answer moves its bytes.
pub(super) struct Exchange {
    sender: http1::SendRequest<Full<Bytes>>,
    /// None when it has ended, by itself or by a fault, which the answer tells.
    connection: Option<http1::Connection<Io, Full<Bytes>>>,
}

impl Exchange {
    /// Makes ready for one over a stream on which no other goes on.
    pub(super) async fn begin(io: Io) -> hyper::Result<Box<Self>> {
        let mut builder = http1::Builder::new();
        builder.title_case_headers(true).max_headers(HEADERS_MAX).max_header_size(HEAD_BYTES_MAX as usize);
        let (sender, connection) = builder.handshake(io).await?;
        Ok(Box::new(Self { sender, connection: Some(connection) }))
    }

    /// Writes the request, as far as the stream takes it at once.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Sent {
        let sent = Box::pin(self.sender.try_send_request(request));
        std::future::poll_fn(|cx| {
            self.step(cx);
            Poll::Ready(())
        })
        .await;
        sent
    }

    /// Waits for a part of the answer, and moves bytes meanwhile.
    pub(super) async fn drive<F: Future + Unpin>(&mut self, mut part: F) -> F::Output {
        std::future::poll_fn(|cx| {
            self.step(cx);
            Pin::new(&mut part).poll(cx)
        })
        .await
    }

    fn step(&mut self, cx: &mut Context<'_>) {
        if self.connection.as_mut().is_some_and(|connection| connection.poll_without_shutdown(cx).is_ready()) {
            self.connection = None;
        }
    }

    /// After the whole answer was read: the stream, where another exchange may follow on it.
    pub(super) fn end(mut self) -> Option<Io> {
        let mut cx = Context::from_waker(Waker::noop());
        self.step(&mut cx);
        let mut connection = self.connection?;
        // Without anybody who could send more, it ends at once, unless the request is still being written.
        drop(self.sender);
        let Poll::Ready(Ok(())) = connection.poll_without_shutdown(&mut cx) else { return None };
        let http1::Parts { io, read_buf, .. } = connection.into_parts();
        // Bytes behind the answer belong to no request.
        read_buf.is_empty().then_some(io)
    }
}

/// Whether nothing has come on a stream that rests: neither its end, nor bytes that nobody asked for.
pub(super) fn is_silent(io: &mut Io) -> bool {
    let mut byte = [0];
    let mut cx = Context::from_waker(Waker::noop());
    let read: Poll<io::Result<()>> = Pin::new(io.inner_mut()).poll_read(&mut cx, &mut ReadBuf::new(&mut byte));
    read.is_pending()
}

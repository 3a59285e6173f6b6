//! One connection that can carry requests: over HTTP/1.1 one exchange after another, over HTTP/2 a share in many.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio_util::task::AbortOnDropHandle;

use super::client::value_text;
use super::connector::Stream;
use super::exchange::{Exchange, is_silent};
use super::fault::Broken;
use super::pool::{HEAD_BYTES_MAX, HEADERS_MAX, IDLE_MAX, Tasks};
use super::request::Request;
use super::stamped::{Stamped, Stamps};
use crate::event::Reason;
use crate::transport::{Fault, Head};

/// Flow control that lets a large reply arrive without waiting for us.
const H2_WINDOW_BYTES: u32 = 1024 * 1024;

type Sender = http2::SendRequest<Full<Bytes>>;
type Sent = BoxFuture<'static, Result<Response<Incoming>, TrySendError<http::Request<Full<Bytes>>>>>;

/// Where the one exchange is that goes over this share.
enum Stage {
    Idle,
    Sent(Sent),
    Body(Incoming),
}

/// A share in a connection of HTTP/2, which a task drives.
struct Share {
    sender: Sender,
    driver: Arc<AbortOnDropHandle<()>>,
    stamps: Arc<Stamps>,
    stage: Stage,
}

/// What a connection is at the moment.
enum Work {
    /// HTTP/1.1 between two exchanges: the bare stream.
    Resting(Box<dyn Stream>),
    /// HTTP/1.1 in an exchange.
    Busy(Box<Exchange>),
    /// Over, or about to be.
    Ended,
    Shared(Box<Share>),
}

/// One connection; of HTTP/2, a share in one. Dropping it closes it (its last share).
pub(super) struct Connection {
    work: Work,
    /// It has carried an exchange before this one.
    pub(super) reused: bool,
    idle_since: Instant,
}

impl Connection {
    /// Speaks HTTP over a stream that was just connected.
    pub(super) async fn start(stream: Box<dyn Stream>, h2: bool, tasks: &Tasks) -> hyper::Result<Self> {
        let work = if h2 {
            let stamps = Arc::new(Stamps::default());
            let io = TokioIo::new(Stamped::new(stream, Arc::clone(&stamps)));
            let (sender, connection) = http2::Builder::new(tasks.clone())
                .max_header_list_size(HEAD_BYTES_MAX)
                .initial_stream_window_size(H2_WINDOW_BYTES)
                .initial_connection_window_size(H2_WINDOW_BYTES)
                .handshake(io)
                .await?;
            let driver = Arc::new(tasks.spawn(async move {
                // Its exchanges tell how it ended.
                let _ = connection.await;
            }));
            Work::Shared(Box::new(Share { sender, driver, stamps, stage: Stage::Idle }))
        } else {
            Work::Resting(stream)
        };
        Ok(Self { work, reused: false, idle_since: Instant::now() })
    }

    /// Whether exchanges share this connection.
    pub(super) fn is_h2(&self) -> bool {
        matches!(self.work, Work::Shared(_))
    }

    /// Hands a request over. Over HTTP/1.1 it is written when this returns, as far as the stream takes it at once. Gives the
    /// instant of that; where it was not written at once, and over HTTP/2, that at which it was handed over.
    ///
    /// # Errors
    /// [`Fault`], when the request cannot be written as it is.
    pub(super) async fn send(&mut self, request: &Request<'_>) -> Result<Instant, Fault> {
        if let Work::Shared(share) = &mut self.work {
            let sent = Instant::now();
            share.stage = Stage::Sent(Box::pin(share.sender.try_send_request(request.for_h2()?)));
            return Ok(sent);
        }
        let Work::Resting(stream) = std::mem::replace(&mut self.work, Work::Ended) else {
            return Err(Fault::new(Reason::Internal, "a connection carries one exchange at a time"));
        };
        let (exchange, sent) = Exchange::begin(stream, request).await?;
        self.work = Work::Busy(exchange);
        Ok(sent)
    }

    /// Waits for the head of the final answer. Cancel-safe.
    pub(super) async fn head(&mut self) -> Result<Head, Broken> {
        match &mut self.work {
            Work::Busy(exchange) => exchange.head().await,
            Work::Shared(share) => share.head().await,
            Work::Resting(_) | Work::Ended => Err(Broken::Cut),
        }
    }

    /// Waits for the next bytes of the body; none at its end. Cancel-safe.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        match &mut self.work {
            Work::Busy(exchange) => exchange.chunk().await,
            Work::Shared(share) => share.chunk().await,
            Work::Resting(_) | Work::Ended => Err(Broken::Cut),
        }
    }

    /// When the first and the latest byte of the answer were read. Exchanges that share a connection cannot tell the first.
    pub(super) fn read(&self) -> (Instant, Instant) {
        match &self.work {
            Work::Busy(exchange) => exchange.read(),
            Work::Shared(share) => Some((share.stamps.last(), share.stamps.last())),
            Work::Resting(_) | Work::Ended => None,
        }
        .unwrap_or_else(|| (Instant::now(), Instant::now()))
    }

    /// Whether the server may never have seen the request: no byte of an answer came.
    pub(super) fn is_unanswered(&self) -> bool {
        match &self.work {
            Work::Busy(exchange) => exchange.read().is_none(),
            _ => true,
        }
    }

    /// Whether the request, which came to this end, was never written.
    pub(super) fn is_unsent(&self, broken: &Broken) -> bool {
        match &self.work {
            Work::Busy(exchange) => exchange.is_unsent(),
            _ => matches!(broken, Broken::H2(_, true)),
        }
    }

    /// The first bytes of what should be a head.
    pub(super) fn opening(&self) -> &[u8] {
        match &self.work {
            Work::Busy(exchange) => exchange.opening(),
            _ => &[],
        }
    }

    /// Whether the whole answer has come.
    pub(super) fn is_over(&self) -> bool {
        match &self.work {
            Work::Busy(exchange) => exchange.is_over(),
            Work::Shared(share) => matches!(&share.stage, Stage::Body(body) if body.is_end_stream()),
            Work::Resting(_) | Work::Ended => false,
        }
    }

    /// The exchange is complete: the connection as it waits for the next one, where it can carry one.
    pub(super) fn rest(mut self) -> Option<Self> {
        self.work = match self.work {
            Work::Busy(exchange) => Work::Resting(exchange.end()?),
            other => other,
        };
        (self.reused, self.idle_since) = (true, Instant::now());
        Some(self)
    }

    /// Since when it waits for its next exchange.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Whether it looks as if it could carry one more exchange.
    pub(super) async fn is_usable(&mut self) -> bool {
        match &mut self.work {
            Work::Resting(stream) => self.idle_since.elapsed() <= IDLE_MAX && is_silent(stream.as_mut()),
            Work::Shared(share) => !share.sender.is_closed() && share.sender.ready().await.is_ok(),
            Work::Busy(_) | Work::Ended => false,
        }
    }

    /// One more share in a connection of HTTP/2.
    pub(super) fn share(&self) -> Option<Self> {
        let Work::Shared(share) = &self.work else { return None };
        let share = Share {
            sender: share.sender.clone(),
            driver: Arc::clone(&share.driver),
            stamps: Arc::clone(&share.stamps),
            stage: Stage::Idle,
        };
        Some(Self { work: Work::Shared(Box::new(share)), reused: self.reused, idle_since: self.idle_since })
    }

    /// Lets the connection say goodbye (TLS `close_notify`, HTTP/2 `GOAWAY`) before it is closed.
    pub(super) async fn end(self) {
        match self.work {
            Work::Resting(mut stream) => {
                // A server that is gone hears no goodbye.
                let _ = stream.shutdown().await;
            }
            Work::Shared(share) => {
                let Share { sender, driver, stage, .. } = *share;
                drop((sender, stage));
                if let Some(driver) = Arc::into_inner(driver) {
                    let _ = driver.await;
                }
            }
            Work::Busy(_) | Work::Ended => {}
        }
    }

    /// Makes it look older than it is.
    #[cfg(test)]
    pub(super) fn age(&mut self, by: std::time::Duration) {
        self.idle_since = self.idle_since.checked_sub(by).unwrap_or(self.idle_since);
    }
}

impl Share {
    async fn head(&mut self) -> Result<Head, Broken> {
        let Stage::Sent(sent) = &mut self.stage else { return Err(Broken::Cut) };
        let response = sent.await.map_err(|error| {
            let is_unsent = error.message().is_some();
            Broken::H2(error.into_error(), is_unsent)
        })?;
        let (parts, body) = response.into_parts();
        self.stage = Stage::Body(body);
        let headers = parts.headers.iter().take(HEADERS_MAX);
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value_text(value.as_bytes()))).collect();
        Ok(Head { status: parts.status.as_u16(), headers })
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        let Stage::Body(body) = &mut self.stage else { return Err(Broken::Cut) };
        loop {
            match body.frame().await {
                None => return Ok(None),
                // Trailers are no part of the body.
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    return Ok(Some(data));
                }
                Some(Err(error)) => return Err(Broken::H2(error, false)),
            }
        }
    }
}

//! Connections that can carry requests, and the few that wait for their next one. Nothing is sent again here:
//! whether a dead connection may be replaced is for the exchange to say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::connector::Stream;
use super::stamped::{Stamped, Stamps};

/// node and uvicorn close idle connections after 5 s; one that waited longer than this is not used again.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// More idle connections than this are not kept.
const IDLE_COUNT_MAX: usize = 8;
/// A stream that has given its reply usually ends right behind it: worth waiting for before connecting anew.
const DRAIN_WAIT: Duration = Duration::from_millis(5);
/// A connection that was given back becomes ready as soon as its task has run.
const READY_WAIT: Duration = Duration::from_millis(50);
/// A head longer than this is refused.
pub(super) const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// A head with more headers than this is refused.
pub(super) const HEADERS_MAX: usize = 100;
/// Flow control that lets a large reply arrive without waiting for us.
const H2_WINDOW_BYTES: u32 = 1024 * 1024;

/// The answer to come; an error still holds the request where it was never written.
pub(super) type Sent = BoxFuture<'static, Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>>>;

/// The tasks of one link; all end with it.
#[derive(Clone, Default)]
pub(in crate::transport) struct Tasks {
    pub(in crate::transport) tracker: TaskTracker,
    pub(in crate::transport) cancel: CancellationToken,
}

impl Tasks {
    /// Starts a task that ends with the link, or when its handle is dropped.
    pub(in crate::transport) fn spawn<F>(&self, task: F) -> AbortOnDropHandle<()>
    where
        F: Future + Send + 'static,
    {
        let cancel = self.cancel.clone();
        AbortOnDropHandle::new(self.tracker.spawn(async move {
            cancel.run_until_cancelled(task).await;
        }))
    }

    /// Ends every task and waits for that, at most for `grace`.
    pub(in crate::transport) async fn finish(&self, grace: Duration) {
        self.tracker.close();
        self.cancel.cancel();
        let _ = tokio::time::timeout(grace, self.tracker.wait()).await;
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
{
    fn execute(&self, task: F) {
        drop(self.spawn(task).detach());
    }
}

enum Sender {
    /// One exchange at a time.
    H1(http1::SendRequest<Full<Bytes>>),
    /// Any number of exchanges.
    H2(http2::SendRequest<Full<Bytes>>),
}

/// One connection; of HTTP/2, a share in one. Dropping it closes it (its last share).
pub(super) struct Connection {
    sender: Sender,
    /// When bytes came on it.
    pub(super) stamps: Arc<Stamps>,
    /// It has carried an exchange before this one.
    pub(super) reused: bool,
    idle_since: Instant,
    driver: Arc<AbortOnDropHandle<()>>,
}

impl Connection {
    /// Speaks HTTP over a stream that was just connected.
    pub(super) async fn start(stream: Box<dyn Stream>, h2: bool, tasks: &Tasks) -> hyper::Result<Self> {
        let stamps = Arc::new(Stamps::default());
        let io = TokioIo::new(Stamped::new(stream, Arc::clone(&stamps)));
        let (sender, driver) = if h2 {
            let (sender, connection) = http2::Builder::new(tasks.clone())
                .max_header_list_size(HEAD_BYTES_MAX)
                .initial_stream_window_size(H2_WINDOW_BYTES)
                .initial_connection_window_size(H2_WINDOW_BYTES)
                .handshake(io)
                .await?;
            (Sender::H2(sender), tasks.spawn(connection))
        } else {
            let (sender, connection) = http1::Builder::new()
                .title_case_headers(true)
                .max_headers(HEADERS_MAX)
                .max_header_size(HEAD_BYTES_MAX as usize)
                .handshake(io)
                .await?;
            (Sender::H1(sender), tasks.spawn(connection))
        };
        Ok(Self { sender, stamps, reused: false, idle_since: Instant::now(), driver: Arc::new(driver) })
    }

    /// Whether exchanges share this connection.
    pub(super) fn is_h2(&self) -> bool {
        matches!(self.sender, Sender::H2(_))
    }

    /// Hands a request over; it is on its way when this returns.
    pub(super) fn send(&mut self, request: Request<Full<Bytes>>) -> Sent {
        match &mut self.sender {
            Sender::H1(sender) => {
                self.stamps.arm();
                Box::pin(sender.try_send_request(request))
            }
            Sender::H2(sender) => Box::pin(sender.try_send_request(request)),
        }
    }

    async fn usable(&mut self) -> bool {
        match &mut self.sender {
            Sender::H1(sender) => {
                self.idle_since.elapsed() <= IDLE_MAX
                    && !sender.is_closed()
                    && tokio::time::timeout(READY_WAIT, sender.ready()).await.is_ok_and(|ready| ready.is_ok())
            }
            Sender::H2(sender) => !sender.is_closed() && sender.ready().await.is_ok(),
        }
    }

    fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::H1(_) => None,
            Sender::H2(sender) => Some(Self {
                sender: Sender::H2(sender.clone()),
                stamps: Arc::clone(&self.stamps),
                reused: self.reused,
                idle_since: self.idle_since,
                driver: Arc::clone(&self.driver),
            }),
        }
    }

    /// Lets the connection say goodbye (TLS `close_notify`, HTTP/2 `GOAWAY`) before it is closed.
    async fn end(self) {
        let Self { sender, driver, .. } = self;
        drop(sender);
        if let Some(driver) = Arc::into_inner(driver) {
            let _ = driver.await;
        }
    }
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    shared: Option<Connection>,
    /// Exchanges that have given their reply and are about to end.
    draining: usize,
}

/// The connections of one link.
#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    returned: Notify,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that was used before, or opened ahead, and still looks alive.
    pub(super) async fn take(&self) -> Option<Connection> {
        let until = tokio::time::Instant::now() + DRAIN_WAIT;
        loop {
            let returned = self.returned.notified();
            let shared = self.lock().shared.as_ref().and_then(Connection::share);
            if let Some(mut connection) = shared {
                tokio::task::yield_now().await;
                if connection.usable().await {
                    return Some(connection);
                }
                self.lock().shared = None;
            }
            let idle = self.lock().idle.pop();
            if let Some(mut connection) = idle {
                // One look at the sockets first, so that a close that has arrived already is seen.
                tokio::task::yield_now().await;
                if connection.usable().await {
                    return Some(connection);
                }
                continue;
            }
            if self.lock().draining == 0 || tokio::time::timeout_at(until, returned).await.is_err() {
                return None;
            }
        }
    }

    /// Keeps a connection that was just made, so that every exchange can share it.
    pub(super) fn introduce(&self, connection: &Connection) {
        if let Some(share) = connection.share() {
            self.lock().shared = Some(Connection { reused: true, ..share });
        }
    }

    /// Keeps a connection that has never carried an exchange.
    pub(super) fn keep_fresh(&self, connection: Connection) {
        if connection.is_h2() {
            self.lock().shared = Some(connection);
        } else {
            self.lock().idle.push(connection);
        }
    }

    /// Takes back a connection whose exchange is complete.
    pub(super) fn give_back(&self, mut connection: Connection) {
        connection.reused = true;
        connection.idle_since = Instant::now();
        let mut state = self.lock();
        if connection.is_h2() {
            if let Some(shared) = &mut state.shared {
                shared.reused = true;
            }
        } else if state.idle.len() < IDLE_COUNT_MAX {
            state.idle.push(connection);
        }
        drop(state);
        self.returned.notify_waiters();
    }

    /// Counts an exchange that has given its reply and is about to end; the mark is held until it has.
    pub(super) fn drain(self: &Arc<Self>) -> Draining {
        self.lock().draining += 1;
        Draining(Arc::clone(self))
    }

    /// Makes every connection that waits look older than it is.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        for connection in &mut self.lock().idle {
            connection.idle_since = connection.idle_since.checked_sub(by).unwrap_or(connection.idle_since);
        }
    }

    /// Ends every connection that waits.
    pub(super) async fn close(&self, grace: Duration) {
        let connections: Vec<Connection> = {
            let mut state = self.lock();
            let shared = state.shared.take();
            state.idle.drain(..).chain(shared).collect()
        };
        let endings = connections.into_iter().map(Connection::end);
        let _ = tokio::time::timeout(grace, futures_util::future::join_all(endings)).await;
    }
}

/// An exchange that is about to end.
pub(super) struct Draining(Arc<Pool>);

impl Drop for Draining {
    fn drop(&mut self) {
        self.0.lock().draining -= 1;
        self.0.returned.notify_waiters();
    }
}

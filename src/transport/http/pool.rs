//! The few connections of a link that wait for their next request. Nothing is sent again here: whether a dead connection may
//! be replaced is for the exchange to say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::connection::Connection;

/// node and uvicorn close idle connections after 5 s; one that waited longer than this is not used again.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(4);
/// How long a connection that is let go of may take to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_millis(500);
/// More idle connections than this are not kept.
const IDLE_COUNT_MAX: usize = 8;
/// A stream that has given its reply usually ends right behind it: worth waiting for before connecting anew.
const DRAIN_WAIT: Duration = Duration::from_millis(5);
/// A head longer than this is refused.
pub(super) const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// A head with more headers than this is refused.
pub(super) const HEADERS_MAX: usize = 100;

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
        // Each hand that it goes through would copy all of it.
        let (cancel, task) = (self.cancel.clone(), Box::pin(task));
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

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    shared: Option<Connection>,
    /// Exchanges that have given their reply and are about to end.
    draining: usize,
    /// Whether somebody looks after those that wait too long.
    watched: bool,
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
                if connection.is_usable().await {
                    return Some(connection);
                }
                self.lock().shared = None;
            }
            let idle = self.lock().idle.pop();
            if let Some(mut connection) = idle {
                // One look at the sockets first, so that a close that has arrived already is seen.
                tokio::task::yield_now().await;
                if connection.is_usable().await {
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
        if let Some(mut share) = connection.share() {
            share.reused = true;
            self.lock().shared = Some(share);
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

    /// Takes back a connection whose exchange is complete. One that waits for too long is let go of: nobody reads from it, so
    /// that a server which closes it would wait for us to do so.
    pub(super) fn give_back(self: &Arc<Self>, connection: Connection, tasks: &Tasks) {
        if let Some(connection) = connection.rest() {
            let mut state = self.lock();
            if connection.is_h2() {
                if let Some(shared) = &mut state.shared {
                    shared.reused = true;
                }
            } else if state.idle.len() < IDLE_COUNT_MAX {
                state.idle.push(connection);
                if !std::mem::replace(&mut state.watched, true) {
                    drop(tasks.spawn(Arc::clone(self).expire()).detach());
                }
            }
        }
        self.returned.notify_waiters();
    }

    /// As long as connections wait: ends those that have waited too long.
    async fn expire(self: Arc<Self>) {
        loop {
            let (expired, oldest) = {
                let mut state = self.lock();
                let expired: Vec<_> = state.idle.extract_if(.., |one| one.idle_since().elapsed() > IDLE_MAX).collect();
                let oldest = state.idle.iter().map(Connection::idle_since).min();
                state.watched = oldest.is_some() || !expired.is_empty();
                (expired, oldest)
            };
            if expired.is_empty() && oldest.is_none() {
                return;
            }
            for connection in expired {
                let _ = tokio::time::timeout(GOODBYE_MAX, connection.end()).await;
            }
            if let Some(oldest) = oldest {
                tokio::time::sleep_until((oldest + IDLE_MAX + Duration::from_millis(1)).into()).await;
            }
        }
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
            connection.age(by);
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

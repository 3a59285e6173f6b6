//! Legacy sessions over HTTP: their ids, what they agreed on, and the event logs that polling resumes from.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use super::super::dialogue::Peer;
use super::super::perform::Outlet;
use super::super::wire;

/// More sessions than this are not kept: the oldest goes, so that a soak does not fill the memory.
const SESSIONS_MAX: usize = 10_000;
/// Resumable streams kept per session.
const STREAMS_MAX: usize = 64;

/// One session.
#[derive(Debug, Default)]
pub struct Session {
    /// What was agreed on.
    pub peer: tokio::sync::Mutex<Peer>,
    /// The event stream of HTTP+SSE, where replies go.
    pub stream: Option<mpsc::Sender<Vec<u8>>>,
    logs: Mutex<VecDeque<(u64, Arc<Log>)>>,
    opened: AtomicU64,
    listeners: AtomicU64,
}

impl Session {
    /// A session of `peer`; `stream` is the event stream of HTTP+SSE.
    #[must_use]
    pub fn new(peer: Peer, stream: Option<mpsc::Sender<Vec<u8>>>) -> Self {
        Self { peer: tokio::sync::Mutex::new(peer), stream, ..Self::default() }
    }

    /// The number of a new stream of GET.
    pub fn listen(&self) -> u64 {
        self.listeners.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether no stream of GET has been opened since that one: a message goes to one stream only.
    pub fn is_newest(&self, number: u64) -> bool {
        self.listeners.load(Ordering::Relaxed) == number
    }

    /// A new resumable stream and its number.
    pub fn open_log(&self) -> (u64, Arc<Log>) {
        let number = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        let log = Arc::new(Log::default());
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if logs.len() >= STREAMS_MAX {
            logs.pop_front();
        }
        logs.push_back((number, Arc::clone(&log)));
        (number, log)
    }

    /// The stream with this number.
    pub fn log(&self, number: u64) -> Option<Arc<Log>> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.iter().find(|(known, _)| *known == number).map(|(_, log)| Arc::clone(log))
    }
}

/// The events of one stream, kept for who comes back with `Last-Event-ID`.
#[derive(Debug, Default)]
pub struct Log {
    events: Mutex<(Vec<Value>, bool)>,
    news: Notify,
}

impl Log {
    /// Ends the stream.
    pub fn finish(&self) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.news.notify_waiters();
    }

    /// The events from number `from` (counted from 1) on, waiting for at least one; `None` at the end.
    pub async fn after(&self, from: usize) -> Option<Vec<Value>> {
        loop {
            let news = self.news.notified();
            {
                let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
                if events.0.len() > from {
                    return Some(events.0[from..].to_vec());
                }
                if events.1 {
                    return None;
                }
            }
            news.await;
        }
    }
}

/// Writes into a log.
pub struct IntoLog(pub Arc<Log>);

impl Outlet for IntoLog {
    async fn say(&mut self, message: &Value) -> io::Result<()> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).0.push(message.clone());
        self.0.news.notify_waiters();
        Ok(())
    }

    async fn raw(&mut self, _: Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    async fn close(&mut self) {
        self.0.finish();
    }
}

/// Writes events to the stream of HTTP+SSE.
pub struct IntoStream(pub mpsc::Sender<Vec<u8>>);

impl Outlet for IntoStream {
    async fn say(&mut self, message: &Value) -> io::Result<()> {
        self.raw(wire::event(message)).await
    }

    async fn raw(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.0.send(bytes).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    async fn close(&mut self) {}
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<String, Arc<Session>>,
    oldest_first: VecDeque<String>,
    opened: u64,
}

impl Sessions {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.is_empty()
    }

    /// Keeps a session under a new id, random or counted.
    pub fn open(&self, session: Session, counted: bool) -> (String, Arc<Session>) {
        let session = Arc::new(session);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.opened += 1;
        let id = if counted {
            format!("session-{:08}", all.opened)
        } else {
            format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
        };
        if all.oldest_first.len() >= SESSIONS_MAX
            && let Some(oldest) = all.oldest_first.pop_front()
        {
            all.by_id.remove(&oldest);
        }
        all.by_id.insert(id.clone(), Arc::clone(&session));
        all.oldest_first.push_back(id.clone());
        (id, session)
    }

    /// The session with this id.
    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.get(id).cloned()
    }

    /// Forgets a session; whether there was one.
    pub fn close(&self, id: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.oldest_first.retain(|known| known != id);
        all.by_id.remove(id).is_some()
    }
}

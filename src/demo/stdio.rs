//! The demo server over standard input and output. Each line is answered at once where it can be; what takes
//! time runs beside the next lines, so replies may overtake each other as they do on real servers.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dialogue::{Ending, Heard, Peer, Server};
use super::faults::lax::{Lax, is_lax};
use super::perform::{Outlet, next_unasked_change, perform};
use super::script::{Step, failure, line};

/// Longest line that is read; a longer one ends the server, for what follows it cannot be told apart.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Where messages go.
pub struct Output {
    writer: tokio::sync::Mutex<Option<Box<dyn AsyncWrite + Send + Unpin>>>,
    /// Called when a fault closes standard output; lets go of the descriptor itself.
    release: fn(),
}

impl Output {
    /// An output over `writer`.
    #[must_use]
    pub fn new(writer: Box<dyn AsyncWrite + Send + Unpin>, release: fn()) -> Self {
        Self { writer: tokio::sync::Mutex::new(Some(writer)), release }
    }

    /// Writes bytes and flushes them; after the output was closed it does nothing.
    ///
    /// # Errors
    /// When the reader is gone.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.writer.lock().await;
        if let Some(writer) = writer.as_mut() {
            writer.write_all(bytes).await?;
            writer.flush().await?;
        }
        Ok(())
    }

    async fn close(&self) {
        if self.writer.lock().await.take().is_some() {
            (self.release)();
        }
    }
}

/// One conversation over one pair of pipes.
struct Connection {
    server: Arc<Server>,
    output: Arc<Output>,
    running: Arc<Mutex<HashMap<String, CancellationToken>>>,
    tasks: TaskTracker,
    all: CancellationToken,
    /// Set once `initialize` was answered: only such clients hear of changes unasked.
    legacy: Arc<AtomicBool>,
}

/// Answers lines until the input ends (`None`), or until a fault ends the process.
///
/// # Errors
/// When reading or writing fails for another reason than a reader that is gone.
pub async fn serve_on(
    server: Arc<Server>,
    mut input: impl AsyncBufRead + Unpin,
    output: Arc<Output>,
) -> io::Result<Option<Ending>> {
    let connection = Connection {
        server: Arc::clone(&server),
        output,
        running: Arc::default(),
        tasks: TaskTracker::new(),
        all: CancellationToken::new(),
        legacy: Arc::default(),
    };
    let _stop = connection.all.clone().drop_guard();
    let mut endings = server.endings.subscribe();
    connection.announce_changes();
    let mut peer = Peer::default();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = async { (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes).await };
        let count = tokio::select! {
            biased;
            count = read => count?,
            Ok(ending) = endings.recv() => return Ok(Some(ending)),
        };
        if count == 0 || count as u64 == LINE_BYTES_MAX {
            if peer.revision().is_some_and(|revision| !revision.is_modern()) {
                server.stats.sessions_closed.add();
            }
            return Ok(None);
        }
        match connection.hear(&mut peer, &bytes).await {
            Ok(None) => {}
            Ok(Some(ending)) => return Ok(Some(ending)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

impl Connection {
    async fn hear(&self, peer: &mut Peer, bytes: &[u8]) -> io::Result<Option<Ending>> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let message: Value = match serde_json::from_slice(bytes) {
            Ok(message) => message,
            Err(error) => {
                let reply = failure(&Value::Null, -32700, &format!("not JSON: {error}"), &Value::Null);
                return self.start(&Value::Null, self.server.refuse(reply)).await;
            }
        };
        if let Value::Array(batch) = &message
            && self.server.takes_batches(peer.revision())
            && !batch.is_empty()
        {
            let replies = batch_replies(&self.server, peer, batch);
            if !replies.is_empty() {
                self.output.write(&line(&Value::Array(replies))).await?;
            }
            return Ok(None);
        }
        let heard = self.server.hear(peer, &message);
        self.legacy.store(peer.revision().is_some_and(|revision| !revision.is_modern()), Ordering::Relaxed);
        match heard {
            Heard::Answer => Ok(None),
            Heard::Malformed(reply) => self.start(&Value::Null, self.server.refuse(reply)).await,
            Heard::Notification(cancelled) => {
                self.cancel(cancelled);
                Ok(None)
            }
            Heard::Request(steps) => self.start(&message["id"], steps).await,
        }
    }

    fn cancel(&self, id: Option<Value>) {
        let Some(id) = id.filter(|_| !is_lax(&self.server.settings.faults, Lax::Cancel)) else { return };
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id.to_string());
        if let Some(token) = running {
            self.server.stats.cancelled.add();
            token.cancel();
        }
    }

    /// Performs what needs no time here and now, the rest in a task of its own.
    async fn start(&self, id: &Value, steps: Vec<Step>) -> io::Result<Option<Ending>> {
        let mut steps = steps.into_iter();
        for step in steps.by_ref() {
            match step {
                Step::Say(message) => self.output.write(&line(&message)).await?,
                Step::Raw(bytes) => self.output.write(&bytes).await?,
                Step::CloseStdout => self.output.close().await,
                Step::Exit(code) => return Ok(Some(Ending::Exit(code))),
                Step::Kill => return Ok(Some(Ending::Kill)),
                Step::Hang => return Ok(None),
                Step::Pause(_) | Step::Ask(_) | Step::Listen(_) => {
                    let rest: Vec<Step> = std::iter::once(step).chain(steps).collect();
                    self.spawn(id, rest);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn spawn(&self, id: &Value, steps: Vec<Step>) {
        let token = self.all.child_token();
        let key = id.to_string();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), token.clone());
        let (server, output, running) = (Arc::clone(&self.server), Arc::clone(&self.output), Arc::clone(&self.running));
        self.tasks.spawn(async move {
            let mut lines = Lines(output);
            tokio::select! {
                () = token.cancelled() => {}
                // A reader that is gone is noticed by the main loop as well.
                _ = perform(&server, steps, &mut lines) => {}
            }
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        });
    }

    /// Legacy clients are told of changed lists without having asked.
    fn announce_changes(&self) {
        let (output, all, legacy) = (Arc::clone(&self.output), self.all.clone(), Arc::clone(&self.legacy));
        let mut changes = self.server.changes.subscribe();
        self.tasks.spawn(async move {
            loop {
                let message = tokio::select! {
                    () = all.cancelled() => return,
                    message = next_unasked_change(&mut changes) => message,
                };
                let Some(message) = message else { return };
                if legacy.load(Ordering::Relaxed) && output.write(&line(&message)).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Messages as lines.
struct Lines(Arc<Output>);

impl Outlet for Lines {
    async fn say(&mut self, message: &Value) -> io::Result<()> {
        self.0.write(&line(message)).await
    }

    async fn raw(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.0.write(&bytes).await
    }

    async fn close(&mut self) {
        self.0.close().await;
    }
}

/// The replies to a batch (2025-03-26): notifications have none, and what would take time is not waited for.
pub fn batch_replies(server: &Server, peer: &mut Peer, batch: &[Value]) -> Vec<Value> {
    let mut replies = Vec::new();
    for message in batch {
        match server.hear(peer, message) {
            Heard::Request(steps) => replies.extend(steps.into_iter().filter_map(|step| match step {
                Step::Say(message) if message.get("method").is_none() => Some(message),
                _ => None,
            })),
            Heard::Malformed(reply) => replies.push(reply),
            Heard::Notification(_) | Heard::Answer => {}
        }
    }
    replies
}

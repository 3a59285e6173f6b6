//! The stdio transport: a child process, one JSON-RPC message a line on its stdin and stdout. Stdout and stderr are
//! read by tasks of the link from the first moment; the link knows the process and says why nothing more comes.

mod stderr;
mod stdout;

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWrite;
use tokio::process::ChildStdin;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::child::ladder::{self, Descent};
use super::child::{self, Process, Start};
use super::{Dial, Farewell, Fault, Heard, Key, Link, LinkFacts, Outgoing, Rung, What};
use crate::base::ids::RunId;
use crate::base::sanitize;
use crate::event::{Finding, Phase, Phases, Reason, Severity, TransportKind};
use stderr::Stderr;
use stdout::{Inbox, Reader, Stdout};

pub use super::child::Inherit;

/// How long a line may be when nothing else is said.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// Stdout has ended: how long to wait for the process to end too, so that the fault can say how.
const EXIT_AFTER_STDOUT: Duration = Duration::from_millis(200);
/// The process has ended: how long to wait for the end of stdout, which a grandchild may hold.
const STDOUT_AFTER_EXIT: Duration = Duration::from_millis(50);
/// Likewise for stderr. Both together stay below 100 ms.
const STDERR_AFTER_EXIT: Duration = Duration::from_millis(30);
/// Stdin broke: how long to wait for the process to end.
const EXIT_AFTER_STDIN: Duration = Duration::from_millis(100);
/// All processes have ended: how long what they wrote may take to be read.
const REST_MAX: Duration = Duration::from_millis(50);

/// What to start, and how.
#[derive(Clone, Debug)]
pub struct StdioSettings {
    /// The program's word and its arguments. Never holds secrets: everybody on the machine can read it.
    pub argv: Vec<String>,
    /// Variables that are set, over those inherited.
    pub env: Vec<(String, String)>,
    /// Where it runs; ours when absent.
    pub cwd: Option<PathBuf>,
    /// What it inherits of our environment.
    pub inherit: Inherit,
    /// How long a line may be.
    pub line_bytes_max: usize,
    /// The run, with which the child is marked.
    pub run_id: RunId,
    /// Whether a guard ends the child when we are killed.
    pub guard: bool,
}

/// Starts a child for each link.
#[derive(Clone, Debug)]
pub struct StdioDial {
    settings: StdioSettings,
}

impl StdioDial {
    /// A dial that starts this command.
    #[must_use]
    pub fn new(settings: StdioSettings) -> Self {
        Self { settings }
    }

    fn start(&self) -> Result<StdioLink, Fault> {
        let settings = &self.settings;
        let opened = Instant::now();
        let (process, pipes) = Process::spawn(&Start {
            argv: &settings.argv,
            env: &settings.env,
            cwd: settings.cwd.as_ref(),
            inherit: &settings.inherit,
            run_id: settings.run_id,
        })?;
        let spawned = Instant::now();
        let stdout = Arc::new(Stdout::default());
        let stderr = Arc::new(Stderr::default());
        let (reader, inbox) = Reader::new(stdout.clone(), settings.line_bytes_max);
        #[expect(clippy::disallowed_methods, reason = "both tasks are held by the link and end with it")]
        let (reader, drainer) =
            (tokio::spawn(reader.run(pipes.stdout)), tokio::spawn(stderr.clone().drain(pipes.stderr)));
        Ok(StdioLink {
            process,
            stdin: Some(pipes.stdin),
            outbox: Vec::new(),
            written: 0,
            midway: false,
            inbox,
            stdout,
            stderr,
            reader: Task(Some(reader)),
            drainer: Task(Some(drainer)),
            opened,
            spawn_took: spawned - opened,
            guard: settings.guard,
            stdout_ended: None,
            fault: None,
        })
    }
}

impl Dial for StdioDial {
    fn transports(&self) -> &[TransportKind] {
        &[TransportKind::Stdio]
    }

    fn open(&self, _: TransportKind, cancel: CancellationToken) -> BoxFuture<'_, Result<Box<dyn Link>, Fault>> {
        async move {
            if cancel.is_cancelled() {
                return Err(Fault::new(Reason::Cancelled, "cancelled before the server was started"));
            }
            Ok(Box::new(self.start()?) as Box<dyn Link>)
        }
        .boxed()
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task(Option<JoinHandle<()>>);

impl Task {
    /// Waits for its end, at most so long. Cancel-safe.
    async fn ended_within(&mut self, limit: Duration) {
        if let Some(task) = &mut self.0
            && tokio::time::timeout(limit, task).await.is_ok()
        {
            self.0 = None;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

struct StdioLink {
    process: Process,
    stdin: Option<ChildStdin>,
    /// What is to be written. A send that was given up leaves the rest of its line here.
    outbox: Vec<u8>,
    written: usize,
    /// Whether the outbox begins within a line.
    midway: bool,
    inbox: Inbox,
    stdout: Arc<Stdout>,
    stderr: Arc<Stderr>,
    reader: Task,
    drainer: Task,
    opened: Instant,
    spawn_took: Duration,
    guard: bool,
    stdout_ended: Option<Instant>,
    fault: Option<Fault>,
}

impl StdioLink {
    /// The time given is that just before the first write: the child may read, and be at work, before the call
    /// returns. Only when the pipe was full, the line is complete for the server no earlier than its last write,
    /// and the time just before that one is given.
    async fn write(&mut self, body: &[u8]) -> Result<Instant, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        self.settle();
        self.outbox.reserve(body.len() + 1);
        self.outbox.extend_from_slice(body);
        self.outbox.push(b'\n');
        let (outbox, written) = (&self.outbox, &mut self.written);
        let Some(stdin) = &mut self.stdin else {
            return Err(Fault::new(Reason::Closed, "the server's stdin is closed"));
        };
        let flushed = poll_fn(|cx| {
            loop {
                let began = Instant::now();
                match Pin::new(&mut *stdin).poll_write(cx, &outbox[*written..]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => *written += count,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
                if *written == outbox.len() {
                    return Poll::Ready(Ok(began));
                }
            }
        })
        .await;
        match flushed {
            Ok(began) => {
                self.outbox.clear();
                self.written = 0;
                self.midway = false;
                if std::mem::take(&mut self.guard) {
                    child::guard::start_guard();
                }
                Ok(began)
            }
            Err(error) => Err(self.stdin_broke(&error).await),
        }
    }

    /// Of sends that were given up, only the line that the server has seen the beginning of is still written.
    fn settle(&mut self) {
        let written = std::mem::take(&mut self.written);
        if let Some(last) = self.outbox[..written].last() {
            self.midway = *last != b'\n';
        }
        let line = memchr::memchr(b'\n', &self.outbox[written..]).filter(|_| self.midway);
        self.outbox.truncate(line.map_or(written, |at| written + at + 1));
        self.outbox.drain(..written);
    }

    async fn stdin_broke(&mut self, error: &std::io::Error) -> Fault {
        if self.process.ended_within(EXIT_AFTER_STDIN).await {
            return self.exited().await;
        }
        let message = format!("the server closed its stdin but still runs: the message could not be written ({error})");
        Fault { stderr: self.stderr.tail(), ..Fault::new(Reason::Closed, message) }
    }

    async fn next(&mut self) -> Heard {
        loop {
            if let Some(fault) = &self.fault {
                // What came before the end is told before it.
                let now = Instant::now();
                let end = || Heard { key: None, first_byte: now, at: now, what: What::Fault(fault.clone()) };
                return self.inbox.waiting().unwrap_or_else(end);
            }
            if self.stdout_ended.is_some() {
                self.fault = Some(self.stdout_over().await);
            } else if let Some(end) = self.process.end() {
                match tokio::time::timeout_at((end.at + STDOUT_AFTER_EXIT).into(), self.inbox.next()).await {
                    Ok(Some(heard)) => return heard,
                    Ok(None) => self.stdout_ended = Some(Instant::now()),
                    Err(_) => self.fault = Some(self.exited().await),
                }
            } else {
                tokio::select! {
                    biased;
                    heard = self.inbox.next() => match heard {
                        Some(heard) => return heard,
                        None => self.stdout_ended = Some(Instant::now()),
                    },
                    _ = self.process.ended() => {}
                }
            }
        }
    }

    async fn stdout_over(&mut self) -> Fault {
        let since = self.stdout_ended.map_or(Duration::ZERO, |at| at.elapsed());
        if self.process.ended_within(EXIT_AFTER_STDOUT.saturating_sub(since)).await {
            return self.exited().await;
        }
        let message = format!("the server closed its stdout but still runs; nothing more can come{}", self.so_far());
        Fault { stderr: self.stderr.tail(), ..Fault::new(Reason::Closed, message) }
    }

    async fn exited(&mut self) -> Fault {
        self.drainer.ended_within(STDERR_AFTER_EXIT).await;
        let Some(end) = self.process.end() else { return Fault::new(Reason::Exited, "the server's process ended") };
        let after = end.at.saturating_duration_since(self.opened);
        let stderr = self.stderr.tail();
        let hint = match end.status.and_then(|status| status.code()) {
            _ if stderr.is_some() => "",
            Some(126 | 127) => "; a shell gives this code when it cannot find or run a command",
            _ => "; it wrote nothing to stderr: run the command by hand to see why",
        };
        let message = format!(
            "the server's process ended with {} after {}{}{hint}",
            child::describe(end.status),
            brief(after),
            self.so_far(),
        );
        Fault { stderr, ..Fault::new(Reason::Exited, message) }
    }

    /// How far the conversation had come.
    fn so_far(&self) -> String {
        match (self.stdout.broken_off(), self.stdout.messages()) {
            (Some(bytes), _) => format!(", in the middle of a message ({bytes} bytes without a line feed)"),
            (None, 0) => ", without having written a message".into(),
            (None, 1) => ", after 1 message".into(),
            (None, count) => format!(", after {count} messages"),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = self.stdout.findings();
        findings.extend(self.stderr.finding());
        findings
    }

    async fn end(mut self: Box<Self>, grace: Duration) -> Farewell {
        let began = Instant::now();
        // Nobody listens any more, but the child may have to write before it can end.
        self.inbox.close();
        let stdin = self.stdin.take();
        let descent = ladder::descend(&mut self.process, stdin, grace).await;
        self.reader.ended_within(REST_MAX).await;
        self.drainer.ended_within(REST_MAX).await;
        let mut findings = self.findings();
        findings.extend(ladder_findings(&descent, grace));
        Farewell {
            took: began.elapsed(),
            rung: Some(descent.rung),
            exit: self.process.end().map(|end| child::describe(end.status)),
            usage: self.process.usage(),
            stderr: self.stderr.tail(),
            findings,
        }
    }
}

fn ladder_findings(descent: &Descent, grace: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    let needed = match descent.rung {
        Rung::Already | Rung::Stdin => None,
        Rung::Term => Some((Severity::Warning, "it needed SIGTERM")),
        Rung::Kill => Some((Severity::Error, "it ignored SIGTERM too and needed SIGKILL")),
    };
    if let Some((severity, what)) = needed {
        findings.push(Finding::new(
            "stdio.exit_on_eof",
            severity,
            "the server ends when its stdin is closed",
            format!("still running after {}; {what}", brief(grace)),
        ));
    }
    if descent.survivors > 0 {
        let named: Vec<String> = descent.names.iter().map(|name| sanitize::one_line(name, 60)).collect();
        let more = if descent.survivors > named.len() { ", ..." } else { "" };
        findings.push(Finding::new(
            "stdio.survivors",
            Severity::Warning,
            "no process of the server outlives it",
            format!("{} left, and ended by us: {}{more}", descent.survivors, named.join(", ")),
        ));
    }
    findings
}

fn brief(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

impl Link for StdioLink {
    fn send(&mut self, outgoing: Outgoing) -> BoxFuture<'_, Result<Instant, Fault>> {
        async move { self.write(&outgoing.body).await }.boxed()
    }

    fn recv(&mut self) -> BoxFuture<'_, Heard> {
        self.next().boxed()
    }

    fn abandon(&mut self, _: Key) {}

    fn facts(&self) -> LinkFacts {
        let mut phases = Phases::default();
        phases.add(Phase::Spawn, self.spawn_took);
        LinkFacts {
            transport: TransportKind::Stdio,
            phases,
            peer: Some(self.process.program().display().to_string()),
            certificate: None,
            findings: self.findings(),
            pid: Some(self.process.pid()),
            stderr: self.stderr.tail(),
            unfinished_bytes: self.stdout.midway_bytes(),
        }
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = self.stdout.take_findings();
        // How much came there all in all is what blocks the server, whenever it came.
        findings.extend(self.stderr.finding());
        findings
    }

    fn close(self: Box<Self>, grace: Duration) -> BoxFuture<'static, Farewell> {
        self.end(grace).boxed()
    }
}

#[cfg(test)]
mod tests;

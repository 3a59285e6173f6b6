//! The demo server: a small MCP server over stdio or HTTP, in both eras and all five dated revisions, that can be
//! told to misbehave. It is what the tests, the shipped probes and the benchmarks run against.
//!
//! It shares no protocol code with the client on purpose: a server built from the client's parts would share its
//! mistakes.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::base::secret::Secret;

mod authorization;
mod boot;
mod catalog;
mod dialogue;
pub mod faults;
mod features;
mod http;
mod perform;
pub mod revision;
mod script;
mod stats;
mod stdio;
mod tasks;
mod tools;
mod wire;

#[cfg(test)]
mod tests;

use boot::Boot;
use dialogue::{Change, Ending, Server};
use faults::{Act, Fault};
use revision::{Era, Revision};

/// How replies travel over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Responses {
    /// As JSON; as an event stream when there is more to say than the reply.
    #[default]
    Auto,
    /// Always as an event stream.
    Sse,
    /// Always as JSON; notifications are lost.
    Json,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listen {
    /// Standard input and output.
    #[default]
    Stdio,
    /// A TCP address.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

/// Files for TLS (PEM).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Clients must show a certificate of this authority.
    pub client_ca: Option<PathBuf>,
}

/// How the demo server is to behave.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where it listens.
    pub listen: Listen,
    /// TLS, for TCP only.
    pub tls: Option<Tls>,
    /// Eras it answers in.
    pub era: Era,
    /// The only revision it speaks.
    pub protocol: Option<Revision>,
    /// Added to every call.
    pub latency: Duration,
    /// Added to every call, evenly spread from nothing to this.
    pub jitter: Duration,
    /// Share of calls that fail, 0 to 1.
    pub fail_rate: f64,
    /// Seed of all chance.
    pub seed: u64,
    /// Calls after this many are never answered.
    pub hang_after: Option<u64>,
    /// The call after this many ends the process.
    pub crash_after: Option<u64>,
    /// Active faults.
    pub faults: Vec<&'static Fault>,
    /// Methods the faults strike at, in place of their own.
    pub fault_on: Vec<String>,
    /// Calls before the faults begin.
    pub fault_after: u64,
    /// The time of faults that need one.
    pub fault_delay: Duration,
    /// Generated tools.
    pub tools: usize,
    /// Items per page of a list, 0 for all.
    pub page_size: usize,
    /// Legacy HTTP without session ids.
    pub stateless: bool,
    /// How replies travel over HTTP.
    pub responses: Responses,
    /// Event-stream polling of 2025-11-25.
    pub sse_polling: bool,
    /// The bearer token that is required.
    pub token: Option<Secret>,
    /// How often the list of tools is said to have changed.
    pub list_changed: Option<Duration>,
}

/// Runs the server until its input ends, it is told to stop, or a fault ends it; gives the code to exit with.
///
/// # Errors
/// When it cannot listen, a TLS file is no good, or its streams fail.
pub async fn run(settings: Settings) -> anyhow::Result<u8> {
    let mut boot = Boot { fault_delay: settings.fault_delay, ..Boot::default() };
    for fault in &settings.faults {
        if let Act::Boot(change) = fault.act {
            change(&mut boot);
        }
    }
    let listen = settings.listen.clone();
    let tls = settings.tls.clone();
    let server = Arc::new(Server::new(settings));
    let _announcer = announce_changes(&server);
    let ending = match listen {
        Listen::Stdio => run_stdio(server, &boot).await?,
        Listen::Tcp(address) => run_tcp(server, &address, tls.as_ref()).await?,
        Listen::Unix(path) => run_unix(server, &path).await?,
    };
    Ok(match ending {
        Some(Ending::Exit(code)) => code,
        Some(Ending::Kill) => kill_self(),
        None => boot.code,
    })
}

/// Ends the process by SIGKILL, as the kernel would when memory runs out.
fn kill_self() -> u8 {
    // A system that refuses the signal gets the code that a shell would tell of it.
    #[cfg(unix)]
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    137
}

/// `--list-changed`: says again and again that the tools have changed. Dropping the guard ends it.
fn announce_changes(server: &Arc<Server>) -> Option<tokio_util::task::AbortOnDropHandle<()>> {
    let every = server.settings.list_changed?;
    let changes = server.changes.clone();
    #[expect(clippy::disallowed_methods, reason = "the handle ends the task when it is dropped")]
    Some(tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            // Nobody may be listening yet.
            let _ = changes.send(Change::Tools);
        }
    })))
}

async fn run_stdio(server: Arc<Server>, boot: &Boot) -> anyhow::Result<Option<Ending>> {
    boot.ignore_signals()?;
    boot.leave_process().context("cannot start the process that is to be left behind")?;
    boot.flood_stderr();
    if !boot.stderr.is_empty() {
        io::stderr().write_all(boot.stderr.as_bytes())?;
    }
    if let Some(code) = boot.exit {
        return Ok(Some(Ending::Exit(code)));
    }
    let output = Arc::new(stdio::Output::new(pipes::output(), pipes::close_stdout));
    if !boot.stdout.is_empty() {
        output.write(boot.stdout).await?;
    }
    if boot.deaf {
        tokio::time::sleep(boot::LIFE_MAX).await;
        return Ok(None);
    }
    tokio::time::sleep(boot.delay).await;
    let ending = stdio::serve_on(server, tokio::io::BufReader::new(pipes::input()), output).await?;
    if ending.is_none() && boot.ignore_eof {
        tokio::time::sleep(boot::LIFE_MAX).await;
    }
    tokio::time::sleep(boot.linger).await;
    Ok(ending)
}

async fn run_tcp(server: Arc<Server>, address: &str, tls: Option<&Tls>) -> anyhow::Result<Option<Ending>> {
    let acceptor = match tls {
        None => None,
        Some(tls) => Some(http::acceptor(&tls.cert, &tls.key, tls.client_ca.as_deref())?),
    };
    let listener =
        tokio::net::TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    say_where(&format!("{scheme}://{}/mcp", listener.local_addr()?))?;
    let web = http::Web::new(server, acceptor);
    tokio::select! {
        ending = web.serve_tcp(listener) => Ok(Some(ending)),
        () = stopped() => Ok(None),
    }
}

#[cfg(unix)]
async fn run_unix(server: Arc<Server>, path: &std::path::Path) -> anyhow::Result<Option<Ending>> {
    use std::os::unix::fs::FileTypeExt as _;
    // Only a socket that a former run left behind may be replaced.
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener =
        tokio::net::UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    say_where(&format!("unix:{}", path.display()))?;
    let web = http::Web::new(server, None);
    let ending = tokio::select! {
        ending = web.serve_unix(listener) => Some(ending),
        () = stopped() => None,
    };
    std::fs::remove_file(path)?;
    Ok(ending)
}

#[cfg(not(unix))]
async fn run_unix(_: Arc<Server>, _: &std::path::Path) -> anyhow::Result<Option<Ending>> {
    anyhow::bail!("unix sockets do not exist on this system")
}

/// The address on stderr for people, and as the first line of stdout for scripts.
fn say_where(url: &str) -> io::Result<()> {
    writeln!(io::stderr(), "listening on {url}")?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {url}")?;
    stdout.flush()
}

/// Waits for SIGTERM or SIGINT.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a handler the default action of the signal ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Standard streams without the threads of `tokio::io::stdin`, where the system allows it: an answer then costs
/// one wake-up.
mod pipes {
    use tokio::io::{AsyncRead, AsyncWrite};

    #[cfg(unix)]
    fn stream(fd: impl std::os::fd::AsFd) -> Option<Stream> {
        use std::os::unix::fs::FileTypeExt as _;
        let owned = fd.as_fd().try_clone_to_owned().ok()?;
        let file = std::fs::File::from(owned);
        let kind = file.metadata().ok()?.file_type();
        if kind.is_socket() {
            let socket = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(file));
            socket.set_nonblocking(true).ok()?;
            return tokio::net::UnixStream::from_std(socket).ok().map(Stream::Socket);
        }
        kind.is_fifo().then_some(Stream::Pipe(file))
    }

    #[cfg(unix)]
    enum Stream {
        Socket(tokio::net::UnixStream),
        Pipe(std::fs::File),
    }

    pub(super) fn input() -> Box<dyn AsyncRead + Send + Unpin> {
        #[cfg(unix)]
        match stream(std::io::stdin()) {
            Some(Stream::Socket(socket)) => return Box::new(socket),
            Some(Stream::Pipe(file)) => {
                if let Ok(pipe) = tokio::net::unix::pipe::Receiver::from_file(file) {
                    return Box::new(pipe);
                }
            }
            None => {}
        }
        Box::new(tokio::io::stdin())
    }

    pub(super) fn output() -> Box<dyn AsyncWrite + Send + Unpin> {
        #[cfg(unix)]
        match stream(std::io::stdout()) {
            Some(Stream::Socket(socket)) => return Box::new(socket),
            Some(Stream::Pipe(file)) => {
                if let Ok(pipe) = tokio::net::unix::pipe::Sender::from_file(file) {
                    return Box::new(pipe);
                }
            }
            None => {}
        }
        Box::new(tokio::io::stdout())
    }

    /// Lets go of the descriptor itself, so that the reader sees the end.
    pub(super) fn close_stdout() {
        #[cfg(unix)]
        if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
            // Nothing better can be done when it fails; the fault's test would see it.
            let _ = nix::unistd::dup2_stdout(null);
        }
    }
}

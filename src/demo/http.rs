//! The demo server over HTTP: Streamable HTTP of both eras at `/mcp`, HTTP+SSE of 2024-11-05 at `/sse`, and
//! `GET /stats`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::dialogue::{Ending, Server};
use super::faults::Act;
use super::faults::lax::{Lax, is_lax};
use super::wire::{self, Seen, Wire};

mod endpoint;
mod request;
mod rules;
mod sessions;
mod tls;
#[cfg(test)]
mod tests;

pub use tls::acceptor;

use endpoint::{Answer, Body};
use request::{Read, Request};

/// Comments keep idle streams open this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A connection the server can speak over.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {
    /// Makes the end of the connection a reset, where the transport knows such a thing.
    fn reset(&self) {}
}

impl Socket for TcpStream {
    fn reset(&self) {
        // When it fails the connection is closed in the ordinary way, which the client sees as well.
        let _ = self.set_zero_linger();
    }
}

#[cfg(unix)]
impl Socket for tokio::net::UnixStream {}

impl Socket for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

type Stream = Box<dyn Socket>;

/// What all connections share.
pub struct Web {
    /// The server.
    pub server: Arc<Server>,
    sessions: sessions::Sessions,
    tasks: TaskTracker,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Web {
    /// A web server in front of `server`.
    #[must_use]
    pub fn new(server: Arc<Server>, tls: Option<tokio_rustls::TlsAcceptor>) -> Arc<Self> {
        Arc::new(Self { server, sessions: sessions::Sessions::default(), tasks: TaskTracker::new(), tls })
    }

    /// Serves TCP connections until a fault ends the process.
    pub async fn serve_tcp(self: Arc<Self>, listener: TcpListener) -> Ending {
        let mut endings = self.server.endings.subscribe();
        loop {
            let accepted = tokio::select! {
                Ok(ending) = endings.recv() => return ending,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, most likely: the ones in use will be given back.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let web = Arc::clone(&self);
            self.tasks.spawn(async move {
                match &web.tls {
                    None => web.serve(Box::new(stream), false).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => web.serve(Box::new(stream), true).await,
                        Err(_) => Ok(()),
                    },
                }
            });
        }
    }

    /// Serves connections of a unix socket until a fault ends the process.
    #[cfg(unix)]
    pub async fn serve_unix(self: Arc<Self>, listener: tokio::net::UnixListener) -> Ending {
        let mut endings = self.server.endings.subscribe();
        loop {
            let accepted = tokio::select! {
                Ok(ending) = endings.recv() => return ending,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let web = Arc::clone(&self);
            self.tasks.spawn(async move { web.serve(Box::new(stream), false).await });
        }
    }

    async fn serve(self: Arc<Self>, stream: Stream, secure: bool) -> io::Result<()> {
        self.server.stats.connections.add();
        let (read, write) = tokio::io::split(stream);
        let mut connection = Connection {
            web: self,
            read,
            write,
            buffer: Vec::with_capacity(8 << 10),
            secure,
            earlier: 0,
            reset: false,
        };
        while connection.one_request().await? {
            connection.earlier += 1;
        }
        if connection.reset {
            connection.read.unsplit(connection.write).reset();
        }
        Ok(())
    }
}

/// One connection.
struct Connection {
    web: Arc<Web>,
    read: ReadHalf<Stream>,
    write: WriteHalf<Stream>,
    buffer: Vec<u8>,
    secure: bool,
    earlier: u64,
    /// Whether the connection is to end with a reset.
    reset: bool,
}

impl Connection {
    /// Reads and answers one request; whether another may follow.
    async fn one_request(&mut self) -> io::Result<bool> {
        let Self { read, write, buffer, .. } = self;
        let interim = async || write.write_all(&wire::head(100, &[])).await;
        let request = match request::read(read, buffer, interim).await? {
            Read::Gone => return Ok(false),
            Read::Bad(status) => {
                self.write(&wire::full(status, &[("connection", "close")], b"")).await?;
                return Ok(false);
            }
            Read::Request(request) => request,
        };
        self.web.server.stats.http_requests.add();
        let web = Arc::clone(&self.web);
        let message = endpoint::Message::of(&request);
        let method = message.method(&request);
        let stale = self.strike(&request, &message, &method, |act| matches!(act, Act::Instead(_)));
        for (act, seen) in stale {
            if let Act::Instead(answer) = act
                && let Some(wires) = answer(&seen)
            {
                return Ok(self.act(&request, wires).await? && request.keep_alive);
            }
        }
        let answer = endpoint::answer(&web, &request, &message, self.secure).await;
        if !matches!(answer.body, Body::Script(..)) {
            return self.send(answer, &request).await;
        }
        // Only the reply to a request can be sent in another way.
        let mut upon = self.strike(&request, &message, &method, |act| matches!(act, Act::Upon(_)));
        match upon.pop() {
            Some((Act::Upon(rewrite), seen)) => {
                let plain = tokio::select! {
                    plain = answer.plain(&web.server) => plain?,
                    () = closed(&mut self.read, &mut self.buffer) => return Ok(false),
                };
                let wires = rewrite(&seen, &plain);
                Ok(self.act(&request, wires).await? && request.keep_alive)
            }
            _ => self.send(answer, &request).await,
        }
    }

    /// The faults of a kind that strike at this request, each with the request as it sees it.
    fn strike<'a>(
        &self,
        request: &'a Request,
        message: &'a endpoint::Message,
        method: &'a str,
        kind: fn(&Act) -> bool,
    ) -> Vec<(Act, Seen<'a>)> {
        // `/stats` is how tests see what happened; no fault may hide it.
        if request.path == "/stats" {
            return Vec::new();
        }
        let server = &self.web.server;
        // Upon strikes after the dialogue has counted the call.
        let counted = kind(&Act::Upon(|_, _| Vec::new()));
        let seen = |hits| Seen {
            verb: &request.verb,
            path: &request.path,
            method,
            id: message.id(),
            modern: message.is_modern(server, request),
            host: request.header("host").unwrap_or("localhost"),
            authorization: request.header("authorization"),
            secure: self.secure,
            earlier: self.earlier,
            hits,
            delay: server.settings.fault_delay,
        };
        server.strikes(method, counted, kind).into_iter().map(|(act, hits)| (act, seen(hits))).collect()
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write.write_all(bytes).await?;
        self.write.flush().await
    }

    /// Carries out the acts of a fault; whether the connection may go on.
    async fn act(&mut self, request: &Request, wires: Vec<Wire>) -> io::Result<bool> {
        for wire in wires {
            match wire {
                Wire::Write(bytes) => self.write(&bytes).await?,
                Wire::Drip(bytes, every) => {
                    for byte in bytes {
                        self.write(&[byte]).await?;
                        tokio::time::sleep(every).await;
                    }
                }
                Wire::Forever(bytes, every) => {
                    let times = (1_usize << 30) / bytes.len().max(1);
                    for _ in 0..times {
                        self.write(&bytes).await?;
                        if !every.is_zero() {
                            tokio::time::sleep(every).await;
                        }
                    }
                }
                Wire::Pause(time) => tokio::time::sleep(time).await,
                Wire::Hang => {
                    closed(&mut self.read, &mut self.buffer).await;
                    return Ok(false);
                }
                Wire::Close => {
                    self.write.shutdown().await?;
                    return Ok(false);
                }
                Wire::Reset => {
                    self.reset = true;
                    return Ok(false);
                }
                Wire::Forget => {
                    let id = request.header("mcp-session-id").unwrap_or_default();
                    if self.web.sessions.close(id) {
                        self.web.server.stats.sessions_closed.add();
                    }
                }
            }
        }
        Ok(true)
    }

    /// Sends an answer; whether the connection may go on.
    async fn send(&mut self, answer: Answer, request: &Request) -> io::Result<bool> {
        let web = Arc::clone(&self.web);
        let modern = answer.modern;
        let Self { read, write, buffer, .. } = self;
        let done = tokio::select! {
            biased;
            done = answer.write_to(&web.server, write) => done,
            () = closed(read, buffer) => {
                if modern {
                    web.server.stats.cancelled.add();
                }
                if is_lax(&web.server.settings.faults, Lax::Drop) {
                    let _ = web.server.endings.send(Ending::Exit(1));
                }
                return Ok(false);
            }
        };
        done?;
        self.write.flush().await?;
        Ok(request.keep_alive)
    }
}

/// Waits until the client goes; what it sends meanwhile is kept for the next request.
async fn closed(read: &mut ReadHalf<Stream>, buffer: &mut Vec<u8>) {
    loop {
        if buffer.len() > 1 << 20 {
            return std::future::pending().await;
        }
        match read.read_buf(buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// A point in time as the Date header writes it.
#[must_use]
pub fn date(at: SystemTime) -> String {
    let timestamp = jiff::Timestamp::try_from(at).unwrap_or_default();
    timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

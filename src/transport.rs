//! Getting frames to and from one kind of server, each stamped where its bytes are. A transport knows no methods,
//! no versions and no retries of calls; it knows processes, sockets, TLS and HTTP.
//!
//! The contract: a [`Dial`] opens a [`Link`]; `send` hands over one message and tells when it was written;
//! `recv` gives what was heard, in order, with the key of the message it belongs to where the transport knows.

mod ongoing;
mod aside;
mod scratch;
pub mod child;
pub mod stdio;
pub mod http;
pub mod streamable_http;
pub mod legacy_sse;

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use crate::event::Usage;
use crate::event::{Cause, Finding, Phases, Reason, TransportKind};
use crate::protocol::refusal::Answer;
use crate::wire::Frame;

/// Names one outgoing message within a link.
pub type Key = u64;

/// What a message wants from the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A request: an answer follows.
    Request,
    /// A notification: HTTP acknowledges it with 202.
    OneWay,
    /// A one-way message whose acknowledgement nobody waits for, such as an answer to the server. Over HTTP it is sent to
    /// its end also where its sender has stopped waiting, and few are under way at a time.
    Aside,
    /// HTTP only: GET that continues an interrupted stream; what comes belongs to the key given.
    Resume,
    /// HTTP only: GET that listens for messages which belong to no request.
    Listen,
    /// HTTP only: DELETE of the session.
    End,
}

/// The value of a header that is not sent: neither that of the protocol nor the user's own of that name.
pub const LEFT_OUT: &str = "\0";

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Chosen by the sender, unique within the link. `Resume` reuses the key of the stream it continues.
    pub key: Key,
    /// What it wants.
    pub intent: Intent,
    /// One JSON-RPC message without framing; empty for GET and DELETE.
    pub body: Bytes,
    /// Headers of the protocol; stdio ignores them. They win over the user's own headers of the same name.
    pub headers: Vec<(String, String)>,
    /// Whether it may be sent again when a pooled connection turns out to be dead before any byte came back.
    pub repeatable: bool,
}

/// The head of an HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Names in lower case, values as text (not UTF-8: replaced), bounded.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of that (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// With its body, as the protocol judges it.
    #[must_use]
    pub fn answer<'a>(&'a self, body: &'a [u8]) -> Answer<'a> {
        Answer {
            status: self.status,
            content_type: self.header("content-type"),
            location: self.header("location"),
            challenge: self.header("www-authenticate"),
            retry_after: self.header("retry-after"),
            body,
        }
    }
}

/// A document that lies beside an endpoint.
#[derive(Clone, Debug)]
pub struct Document {
    /// The head of the answer.
    pub head: Head,
    /// Its body, bounded.
    pub body: Bytes,
}

/// What came over the wire.
#[derive(Clone, Debug)]
pub enum What {
    /// HTTP: the head of the answer to the message named by the key.
    Head(Head),
    /// A message.
    Frame(Frame),
    /// An event stream told its position (and, maybe, how long to wait before coming back).
    Cursor {
        /// The `id:` of the event.
        id: Option<String>,
        /// The `retry:` of the event.
        retry: Option<Duration>,
        /// The event carries no message.
        alone: bool,
    },
    /// Bytes that are no message: a line of log on stdout, the HTML page of a proxy. Bounded by the transport.
    Noise(Bytes),
    /// Nothing more will come for this key (HTTP: the answer is complete or its stream ended).
    End,
    /// No answer can be had: for the key, or for the whole link when there is none.
    Fault(Fault),
}

/// Something that was heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The message it answers; stdio and HTTP+SSE cannot tell and leave it to the JSON-RPC id.
    pub key: Option<Key>,
    /// When its first byte was read (HTTP: the first byte of the answer).
    pub first_byte: Instant,
    /// When its last byte was read.
    pub at: Instant,
    /// What it is.
    pub what: What,
}

/// No answer could be had: the server's failure as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The closed-set reason.
    pub reason: Reason,
    /// What was expected, what came, what to do. May hold raw server text.
    pub message: String,
    /// The end of the child's stderr, raw, where there is one.
    pub stderr: Option<String>,
}

impl Fault {
    /// A fault without stderr.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), stderr: None }
    }

    /// As the cause of an outcome: the sentence, then the end of stderr on lines of its own.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self.stderr.as_deref().map(str::trim_end) {
            Some(stderr) if !stderr.is_empty() => {
                Cause::new(self.reason, format!("{}\nstderr ends with:\n{stderr}", self.message))
            }
            _ => Cause::new(self.reason, self.message.clone()),
        }
    }
}

/// A server certificate, as far as it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The end of its validity; of the whole chain the earliest.
    pub not_after: jiff::Timestamp,
    /// Its subject, raw.
    pub subject: String,
}

/// What is known about a link.
#[derive(Clone, Debug)]
pub struct LinkFacts {
    /// How messages travel.
    pub transport: TransportKind,
    /// What opening (and any connection since) took: spawn, or resolve, connect, tls.
    pub phases: Phases,
    /// The address that was connected, or the program that was started.
    pub peer: Option<String>,
    /// The server's certificate, on https.
    pub certificate: Option<Certificate>,
    /// What was noticed so far.
    pub findings: Vec<Finding>,
    /// Children: the process.
    pub pid: Option<i32>,
    /// Children: the end of stderr so far, raw and bounded.
    pub stderr: Option<String>,
    /// Children: bytes of a line that has begun and not ended.
    pub unfinished_bytes: u64,
}

/// The rung of the ladder that was needed to end a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// It had ended by itself before we began.
    Already,
    /// It ended when its stdin was closed.
    Stdin,
    /// It needed SIGTERM.
    Term,
    /// It needed SIGKILL.
    Kill,
}

/// How a link ended.
#[derive(Clone, Debug, Default)]
pub struct Farewell {
    /// What closing took.
    pub took: Duration,
    /// Children: the rung that was needed.
    pub rung: Option<Rung>,
    /// Children: the exit, such as `exit code 1` or `signal 9 (SIGKILL)`.
    pub exit: Option<String>,
    /// Children: what the process tree used.
    pub usage: Option<Usage>,
    /// Children: the end of stderr, raw and bounded.
    pub stderr: Option<String>,
    /// What was noticed over the life of the link, with what closing showed.
    pub findings: Vec<Finding>,
}

/// Opens links to one target.
pub trait Dial: Send + Sync {
    /// The transports this target can be reached by, the most likely first.
    fn transports(&self) -> &[TransportKind];

    /// Opens a link: starts the child, or makes the first connection. The caller bounds the time and cancels by
    /// the token or by dropping the future; neither leaves anything behind.
    fn open(&self, transport: TransportKind, cancel: CancellationToken) -> BoxFuture<'_, Result<Box<dyn Link>, Fault>>;

    /// HTTP only: one GET of a document, without any credentials and headers of the user's, over connections of its own.
    /// Redirects are followed within an origin. The caller bounds the time and judges whether the URL may be asked.
    fn fetch<'a>(&'a self, url: &'a str, headers: &'a [(String, String)]) -> BoxFuture<'a, Result<Document, Fault>> {
        let _ = headers;
        let why = format!("{url} cannot be fetched: the target is not reached over HTTP");
        Box::pin(async move { Err(Fault::new(Reason::Internal, why)) })
    }
}

/// An open line to a server. Dropping it without [`Link::close`] ends the child (if any) at once.
pub trait Link: Send {
    /// Hands over one message and gives the time at which it was written. On HTTP, connecting (where needed) comes
    /// before that time; the answer is read as long as somebody waits in `send` or `recv`.
    fn send(&mut self, outgoing: Outgoing) -> BoxFuture<'_, Result<Instant, Fault>>;

    /// The next thing heard. Cancel-safe. After the end of the link it gives the same `Fault` without key again.
    fn recv(&mut self) -> BoxFuture<'_, Heard>;

    /// Stops listening for a key: on HTTP this closes the response stream, which is how 2026-07-28 cancels.
    fn abandon(&mut self, key: Key);

    /// What is known so far.
    fn facts(&self) -> LinkFacts;

    /// What was noticed so far.
    fn findings(&self) -> Vec<Finding> {
        self.facts().findings
    }

    /// The same since this was asked last, and what is still as it was: for one who tells it more than once in the life of
    /// the link.
    fn take_findings(&mut self) -> Vec<Finding>;

    /// The server's certificate, on https.
    fn certificate(&self) -> Option<Certificate> {
        self.facts().certificate
    }

    /// Children: the process.
    fn pid(&self) -> Option<i32> {
        self.facts().pid
    }

    /// Whether nothing can be heard now, because nothing was asked: not even that the server is gone.
    fn is_still(&mut self) -> bool {
        false
    }

    /// Ends the link and leaves nothing behind; takes at most about twice `grace`.
    fn close(self: Box<Self>, grace: Duration) -> BoxFuture<'static, Farewell>;
}

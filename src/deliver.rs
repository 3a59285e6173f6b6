//! Payloads out: HTTP, gRPC, mail, commands; a durable outbox in front of them. It knows no alerts and no formats: what is sent
//! was rendered by others.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::secret::Secret;

mod command;
mod courier;
mod datagram;
mod file;
pub mod former;
mod grpc;
mod http;
mod lanes;
mod mail;
pub mod outbox;
mod partial;
pub mod queue;
mod spool;
mod tls;

pub use courier::Courier;
pub use outbox::{Outbox, OutboxHealth};
pub use spool::{Letter, discard};

/// One delivery, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A request; a status from 200 to 299 is a receipt, where the answer says nothing else.
    Http(HttpPayload),
    /// A unary call of gRPC; status 0 is a receipt.
    Grpc(GrpcPayload),
    /// A message to a mail server.
    Mail(MailPayload),
    /// A program, as argv; exit code 0 is a receipt.
    Command(CommandPayload),
    /// Datagrams; that the system takes them is the receipt.
    Datagrams(DatagramPayload),
    /// A file.
    File(FilePayload),
}

impl Payload {
    /// Whether both go to the same address.
    #[must_use]
    pub fn goes_where(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(one), Self::Http(other)) => one.url == other.url,
            (Self::Grpc(one), Self::Grpc(other)) => (&one.url, one.method) == (&other.url, other.method),
            _ => false,
        }
    }
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPayload {
    /// `GET`, `POST`, `PUT`.
    pub method: &'static str,
    /// Where to; it may hold a secret.
    pub url: Secret,
    /// Headers.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Vec<u8>,
    /// What the answer must say beside its status.
    pub accept: Accept,
    /// After which answers another try may help.
    pub retry: Retry,
    /// Certificates of its own.
    pub tls: Option<Arc<TlsFiles>>,
    /// How long it may take.
    pub timeout: Duration,
}

/// A unary call of gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcPayload {
    /// `http://host:port` or `https://host:port`; what stands behind the port is left out.
    pub url: Secret,
    /// `/package.Service/Method`.
    pub method: &'static str,
    /// Headers; those that gRPC needs are added.
    pub headers: Vec<(String, Secret)>,
    /// The message, compressed where `gzip` says so.
    pub message: Vec<u8>,
    /// Whether it is compressed.
    pub gzip: bool,
    /// Certificates of its own.
    pub tls: Option<Arc<TlsFiles>>,
    /// How long it may take.
    pub timeout: Duration,
}

/// PEM files for one receiver, instead of what holds for the whole system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// Certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// The files of a table `{ ca, cert, key }`; none where it names none.
    #[must_use]
    pub fn named(table: &[(String, Secret)]) -> Option<Arc<Self>> {
        let file = |key: &str| {
            let named = table.iter().find(|(name, _)| name == key);
            named.map(|(_, path)| PathBuf::from(path.reveal()))
        };
        Self { ca: file("ca"), cert: file("cert"), key: file("key") }.shared()
    }

    /// All that are named.
    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.ca, &self.cert, &self.key].into_iter().flatten()
    }

    /// To be shared by requests; none where there are none.
    #[must_use]
    pub fn shared(self) -> Option<Arc<Self>> {
        (self != Self::default()).then(|| Arc::new(self))
    }
}

/// Longer than this nobody is left alone, whatever they ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What an answer with a status from 200 to 299 must say to be a receipt. Some receivers say that something is wrong in
/// the body only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// Nothing.
    #[default]
    Status,
    /// The body is a response of OpenTelemetry's collectors: it may tell of a part that was not taken.
    Export,
    /// The response has this header.
    Header(&'static str),
    /// The body is this word.
    Word(&'static str),
    /// The body is an object with this text under this key.
    Json(&'static str, &'static str),
    /// The body holds none of these words.
    Without {
        /// Trying again will not help.
        refused: &'static [&'static str],
        /// It may.
        later: &'static [&'static str],
    },
}

/// Statuses after which another try may help; after every other one that is no success, the payload is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// 408, 425, 429 and 500 to 599.
    #[default]
    Usual,
    /// 429 and 500 to 599.
    Busy,
    /// These only.
    Only(&'static [u16]),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailPayload {
    /// `smtp://host:port` (STARTTLS where it is offered) or `smtps://host:port`.
    pub server: Secret,
    /// Name and password. They leave in the clear for this very machine only.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same for every message about one alert, so that mail programs keep them together.
    pub thread: String,
    /// How long it may take.
    pub timeout: Duration,
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandPayload {
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<Secret>,
    /// Variables beside the inherited ones.
    pub env: Vec<(String, String)>,
    /// What it reads on stdin.
    pub stdin: Vec<u8>,
    /// How long it may take; then its process group is ended.
    pub timeout: Duration,
}

/// Datagrams to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatagramPayload {
    /// `host:port`, or `unix:PATH`.
    pub address: String,
    /// Each with its content; none larger than the way to the receiver allows.
    pub datagrams: Vec<Vec<u8>>,
}

/// A file that replaces another, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePayload {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds then.
    pub body: Vec<u8>,
}

/// What became of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The receiver has it.
    Delivered,
    /// The receiver has it, and did not take all of it. Nothing of it is to be sent again.
    Partly {
        /// How much was not taken: points, spans, records.
        rejected: u64,
        /// The whole sentence.
        why: String,
    },
    /// The receiver does not want it, and will not want it later: what was expected, what came, what to do.
    Refused {
        /// The whole sentence.
        why: String,
        /// The status of HTTP, where that was the answer.
        status: Option<u16>,
    },
    /// It may work later.
    Failed {
        /// What was expected, what came.
        why: String,
        /// How long the receiver asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It was broken off from our side; the receiver may have it or not.
    Cut,
}

impl Receipt {
    /// A refusal that is no answer of HTTP.
    #[must_use]
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into(), status: None }
    }

    /// A failure of which the receiver said nothing more.
    fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), retry_after: None }
    }
}

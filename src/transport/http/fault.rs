//! What goes wrong with an exchange, in words for the person who has to repair something.

use std::error::Error as _;
use std::fmt;
use std::io;

use super::pool::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::tls::rustls_error;
use super::tls_words::{explain_session, looks_like_tls};
use crate::base::sanitize;
use crate::event::Reason;
use crate::transport::Fault;

const OPENING_CHARS_SHOWN: usize = 60;

/// Why an exchange came to no end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The stream failed.
    Io(io::Error),
    /// The connection was closed before the answer ended.
    Cut,
    /// What came is no head of an answer.
    Head(&'static str),
    /// A head over the limits.
    HeadTooLarge,
    /// The body is not framed as it should be.
    Framing(&'static str),
    /// HTTP/2 failed; with whether the request was never written.
    H2(hyper::Error, bool),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "connection error: {error}"),
            Self::Cut => f.write_str("connection closed before message completed"),
            Self::Head(why) | Self::Framing(why) => f.write_str(why),
            Self::HeadTooLarge => f.write_str("message head is too large"),
            Self::H2(error, _) => f.write_str(&chain(error)),
        }
    }
}

impl Broken {
    fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io(error) => Some(error),
            Self::H2(error, _) => io_error(error),
            _ => None,
        }
    }

    /// Whether it says that the connection is gone, and nothing worse.
    pub(super) fn is_closed(&self) -> bool {
        let ended = match self {
            Self::Cut => true,
            Self::H2(error, _) => {
                let goaway = error.to_string().contains("http2") && !error.is_user();
                goaway || error.is_canceled() || error.is_closed() || error.is_incomplete_message()
            }
            _ => false,
        };
        ended || self.io().is_some_and(is_gone)
    }
}

/// Whether the other end is gone, and nothing worse.
pub(super) fn is_gone(error: &io::Error) -> bool {
    rustls_error(error).is_none()
        && matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::NotConnected
        )
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref::<io::Error>() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}

/// The error with its sources: hyper keeps the telling part below.
fn chain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = inner.source();
    }
    text
}

/// HTTP/2 could not be started on a new connection.
pub(super) fn of_handshake(error: &hyper::Error) -> Fault {
    Fault::new(Reason::Connect, format!("the connection was made, but HTTP could not be started: {}", chain(error)))
}

/// No head came; `opening` is the beginning of what came instead.
pub(super) fn of_exchange(broken: &Broken, opening: &[u8], host: &str) -> Fault {
    if let Some(tls) = broken.io().and_then(rustls_error) {
        return Fault::new(Reason::Tls, explain_session(host, tls));
    }
    if looks_like_tls(opening) {
        let message = format!("not HTTP: {host} answers in TLS on this port: write https:// instead of http://");
        return Fault::new(Reason::Protocol, message);
    }
    let shown = sanitize::one_line(&String::from_utf8_lossy(opening), OPENING_CHARS_SHOWN);
    match broken {
        Broken::HeadTooLarge => {
            let message = format!(
                "the head of the answer is over the limit of {HEADERS_MAX} headers and {} KiB",
                HEAD_BYTES_MAX / 1024
            );
            Fault::new(Reason::TooLarge, message)
        }
        Broken::Head(why) => {
            let message = format!("not HTTP: expected the head of an answer, got \"{shown}\" ({why})");
            Fault::new(Reason::Protocol, message)
        }
        Broken::Cut if !opening.is_empty() => {
            let message = format!("the server closed the connection in the middle of the answer's head: \"{shown}\"");
            Fault::new(Reason::Closed, message)
        }
        _ if broken.is_closed() => {
            let how = match broken.io().map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionReset) => " (reset)",
                _ => "",
            };
            let message = format!(
                "the server closed the connection{how} before it answered: did it crash on this request? \
                 Its log should tell"
            );
            Fault::new(Reason::Closed, message)
        }
        _ => Fault::new(Reason::Closed, format!("the exchange with {host} broke off: {broken}")),
    }
}

/// The body broke off after `received` bytes; `sample` is their beginning.
pub(super) fn of_body(broken: &Broken, received: u64, announced: Option<u64>, sample: &[u8]) -> Fault {
    let of = announced.map_or_else(String::new, |announced| format!(" of {announced}"));
    let (reason, what) = match (broken, broken.io().map(io::Error::kind)) {
        (Broken::Framing(_), _) | (_, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)) => {
            (Reason::Protocol, format!("the framing of the answer is broken ({broken})"))
        }
        (_, Some(io::ErrorKind::ConnectionReset)) => {
            (Reason::Closed, "the connection was reset in the middle of the answer".to_owned())
        }
        _ if broken.is_closed() => {
            (Reason::Closed, "the server closed the connection in the middle of the answer".to_owned())
        }
        _ => (Reason::Closed, format!("the answer broke off ({broken})")),
    };
    let got = if sample.is_empty() {
        String::new()
    } else {
        format!(": \"{}\"", sanitize::one_line(&String::from_utf8_lossy(sample), OPENING_CHARS_SHOWN))
    };
    Fault::new(reason, format!("{what}, after {received}{of} bytes{got}"))
}

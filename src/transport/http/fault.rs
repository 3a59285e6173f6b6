//! What hyper says, in words for the person who has to repair something.

use std::error::Error as _;
use std::io;

use super::pool::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::tls::rustls_error;
use super::tls_words::{explain_session, looks_like_tls};
use crate::base::sanitize;
use crate::event::Reason;
use crate::transport::Fault;

const OPENING_CHARS_SHOWN: usize = 60;

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

/// Whether the error says that the connection is gone, and nothing worse.
pub(super) fn is_closed(error: &hyper::Error) -> bool {
    let cut = io_error(error).is_some_and(|inner| {
        rustls_error(inner).is_none()
            && matches!(
                inner.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::NotConnected
            )
    });
    let goaway = error.to_string().contains("http2") && !error.is_user();
    cut || goaway || error.is_canceled() || error.is_closed() || error.is_incomplete_message()
}

/// HTTP/2 could not be started on a new connection.
pub(super) fn of_handshake(error: &hyper::Error) -> Fault {
    Fault::new(Reason::Connect, format!("the connection was made, but HTTP could not be started: {}", chain(error)))
}

/// No head came.
pub(super) fn of_exchange(error: &hyper::Error, opening: &[u8], host: &str) -> Fault {
    if let Some(tls) = io_error(error).and_then(rustls_error) {
        return Fault::new(Reason::Tls, explain_session(host, tls));
    }
    if looks_like_tls(opening) {
        let message = format!("not HTTP: {host} answers in TLS on this port: write https:// instead of http://");
        return Fault::new(Reason::Protocol, message);
    }
    if error.is_parse_too_large() {
        let message = format!(
            "the head of the answer is over the limit of {HEADERS_MAX} headers and {} KiB",
            HEAD_BYTES_MAX / 1024
        );
        return Fault::new(Reason::TooLarge, message);
    }
    if error.is_parse() {
        let shown = sanitize::one_line(&String::from_utf8_lossy(opening), OPENING_CHARS_SHOWN);
        let message = format!("not HTTP: expected the head of an answer, got \"{shown}\" ({error})");
        return Fault::new(Reason::Protocol, message);
    }
    if error.is_incomplete_message() && !opening.is_empty() {
        let shown = sanitize::one_line(&String::from_utf8_lossy(opening), OPENING_CHARS_SHOWN);
        let message = format!("the server closed the connection in the middle of the answer's head: \"{shown}\"");
        return Fault::new(Reason::Closed, message);
    }
    if is_closed(error) {
        let how = match io_error(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionReset) => " (reset)",
            _ => "",
        };
        let message = format!(
            "the server closed the connection{how} before it answered: did it crash on this request? \
             Its log should tell"
        );
        return Fault::new(Reason::Closed, message);
    }
    Fault::new(Reason::Closed, format!("the exchange with {host} broke off: {}", chain(error)))
}

/// The body broke off after `received` bytes; `sample` is their beginning.
pub(super) fn of_body(error: &hyper::Error, received: u64, announced: Option<u64>, sample: &[u8]) -> Fault {
    let of = announced.map_or_else(String::new, |announced| format!(" of {announced}"));
    let mut reason = Reason::Closed;
    let what = match io_error(error).map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            reason = Reason::Protocol;
            format!("the framing of the answer is broken ({})", chain(error))
        }
        Some(io::ErrorKind::ConnectionReset) => "the connection was reset in the middle of the answer".to_owned(),
        _ if is_closed(error) => "the server closed the connection in the middle of the answer".to_owned(),
        _ => format!("the answer broke off ({})", chain(error)),
    };
    let got = if sample.is_empty() {
        String::new()
    } else {
        format!(": \"{}\"", sanitize::one_line(&String::from_utf8_lossy(sample), OPENING_CHARS_SHOWN))
    };
    Fault::new(reason, format!("{what}, after {received}{of} bytes{got}"))
}

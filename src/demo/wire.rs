//! HTTP answers as acts on a socket. The demo server writes its own HTTP/1.1, because most faults of HTTP are
//! things that a proper library refuses to do.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

/// An HTTP request as a fault sees it.
#[derive(Debug)]
pub struct Seen<'a> {
    /// `POST`, `GET`, ...
    pub verb: &'a str,
    /// Path without the query.
    pub path: &'a str,
    /// JSON-RPC method; `HTTP GET` and the like without one; empty for an answer.
    pub method: &'a str,
    /// JSON-RPC id, `null` without one.
    pub id: &'a Value,
    /// Whether the request is one of 2026-07-28.
    pub modern: bool,
    /// The Host header.
    pub host: &'a str,
    /// The Authorization header.
    pub authorization: Option<&'a str>,
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// How many requests this connection has carried before.
    pub earlier: u64,
    /// How often this fault has struck before.
    pub hits: u64,
    /// `--fault-delay`.
    pub delay: Duration,
}

impl Seen<'_> {
    /// Where this server lives, as the client spelt it.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.host)
    }

    /// The same server under another name, hence another origin.
    #[must_use]
    pub fn other_origin(&self) -> String {
        let (name, port) = self.host.rsplit_once(':').unwrap_or((self.host, "80"));
        let other = if name == "localhost" { "127.0.0.1" } else { "localhost" };
        format!("{}://{other}:{port}", if self.secure { "https" } else { "http" })
    }
}

/// The healthy answer to a request, complete.
#[derive(Debug, Clone, Default)]
pub struct Plain {
    /// Status.
    pub status: u16,
    /// Headers besides `content-type`, `content-length` and `date`.
    pub headers: Vec<(String, String)>,
    /// The messages it carries, the reply last.
    pub messages: Vec<Value>,
}

impl Plain {
    /// The reply as JSON text.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        self.messages.last().map(|reply| reply.to_string().into_bytes()).unwrap_or_default()
    }

    /// All messages as events.
    #[must_use]
    pub fn events(&self) -> Vec<u8> {
        self.messages.iter().flat_map(event).collect()
    }

    /// The status line and headers, with more headers, up to and with the empty line.
    #[must_use]
    pub fn head(&self, more: &[(&str, &str)]) -> Vec<u8> {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
        head(self.status, &all)
    }
}

/// One act on a socket.
#[derive(Debug, Clone)]
pub enum Wire {
    /// Bytes.
    Write(Vec<u8>),
    /// Bytes one by one with a pause between them.
    Drip(Vec<u8>, Duration),
    /// The same bytes again and again until the client goes, a gigabyte at most.
    Forever(Vec<u8>, Duration),
    /// Nothing for a while.
    Pause(Duration),
    /// Nothing more until the client goes.
    Hang,
    /// The connection ends.
    Close,
    /// The connection is reset.
    Reset,
    /// The legacy session of the request is forgotten.
    Forget,
}

/// Status line and headers, with the empty line.
#[must_use]
pub fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// A whole answer with a body.
#[must_use]
pub fn full(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let mut all = headers.to_vec();
    // 204 and 304 have no body, and so no length.
    if !matches!(status, 204 | 304) {
        all.push(("content-length", &length));
    }
    let mut bytes = head(status, &all);
    bytes.extend_from_slice(body);
    bytes
}

/// A whole answer of a given type, as the only act.
#[must_use]
pub fn page(status: u16, kind: &str, body: &str) -> Vec<Wire> {
    vec![Wire::Write(full(status, &[("content-type", kind)], body.as_bytes()))]
}

/// One chunk of a chunked body.
#[must_use]
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut all = format!("{:x}\r\n", bytes.len()).into_bytes();
    all.extend_from_slice(bytes);
    all.extend_from_slice(b"\r\n");
    all
}

/// The end of a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A message as a server-sent event.
#[must_use]
pub fn event(message: &Value) -> Vec<u8> {
    format!("event: message\ndata: {message}\n\n").into_bytes()
}

/// The headers of an event stream whose end is marked by chunks.
pub const STREAM: [(&str, &str); 4] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache"),
    ("x-accel-buffering", "no"),
    ("transfer-encoding", "chunked"),
];

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_plain_http() {
        let bytes = full(404, &[("content-type", "text/plain")], b"no");
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno");
        assert_eq!(chunk(b"0123456789abcdef"), b"10\r\n0123456789abcdef\r\n");
    }
}

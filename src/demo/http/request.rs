//! Reading HTTP/1.1 requests, strictly enough for a fixture: a head, then a body by length or in chunks.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const HEAD_BYTES_MAX: usize = 256 << 10;
const BODY_BYTES_MAX: usize = 64 << 20;

/// A request.
#[derive(Debug, Default)]
pub struct Request {
    /// `POST`, `GET`, ...
    pub verb: String,
    /// Path without the query.
    pub path: String,
    /// What follows `?`.
    pub query: String,
    /// Header names in lower case, values trimmed.
    pub headers: Vec<(String, String)>,
    /// Whether the value of a header of the protocol had spaces around it.
    pub spaced: bool,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
}

impl Request {
    /// The first header of this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn parse(head: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(head).ok()?;
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (verb, target, version) = (first.next()?, first.next()?, first.next()?);
        // A proxy sends the whole address; only the path matters here.
        let target = target.split_once("://").map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = Vec::new();
        let mut spaced = false;
        for line in lines {
            let (name, value) = line.split_once(':')?;
            let name = name.to_ascii_lowercase();
            spaced |= name.starts_with("mcp-") && value.strip_prefix(' ').unwrap_or(value) != value.trim();
            headers.push((name, value.trim().to_owned()));
        }
        let mut request = Self {
            verb: verb.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            spaced,
            body: Vec::new(),
            keep_alive: version == "HTTP/1.1",
        };
        let connection = request.header("connection").unwrap_or_default().to_ascii_lowercase();
        request.keep_alive = (request.keep_alive || connection.contains("keep-alive")) && !connection.contains("close");
        Some(request)
    }
}

/// What reading came to.
#[derive(Debug)]
pub enum Read {
    /// A request.
    Request(Request),
    /// The client went.
    Gone,
    /// Something that is no HTTP, or too much of it: the status to refuse it with.
    Bad(u16),
}

/// Reads one request. What was read beyond it stays in `buffer`; `interim` is written when the client waits for
/// `100 Continue`.
///
/// # Errors
/// When the connection fails.
pub async fn read(
    socket: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    interim: impl AsyncFnOnce() -> io::Result<()>,
) -> io::Result<Read> {
    let end = loop {
        if let Some(at) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break at;
        }
        // No request begins with a control character: a TLS client would wait for its handshake for ever.
        if buffer.first().is_some_and(|first| first.is_ascii_control() && !matches!(first, b'\r' | b'\n')) {
            return Ok(Read::Bad(400));
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return Ok(Read::Bad(431));
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(if buffer.is_empty() { Read::Gone } else { Read::Bad(400) });
        }
    };
    let Some(mut request) = Request::parse(&buffer[..end]) else { return Ok(Read::Bad(400)) };
    buffer.drain(..end + 4);
    if request.header("expect").is_some() {
        interim().await?;
    }
    let chunked = request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    if chunked {
        return read_chunks(socket, buffer, request).await;
    }
    let length = match request.header("content-length").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(length)) if length <= BODY_BYTES_MAX => length,
        Some(Ok(_)) => return Ok(Read::Bad(413)),
        Some(Err(_)) => return Ok(Read::Bad(400)),
    };
    while buffer.len() < length {
        if socket.read_buf(buffer).await? == 0 {
            return Ok(Read::Gone);
        }
    }
    request.body = buffer.drain(..length).collect();
    Ok(Read::Request(request))
}

async fn read_chunks(
    socket: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    mut request: Request,
) -> io::Result<Read> {
    loop {
        let at = loop {
            if let Some(at) = memchr::memmem::find(buffer, b"\r\n") {
                break at;
            }
            if buffer.len() > 1_024 {
                return Ok(Read::Bad(400));
            }
            if socket.read_buf(buffer).await? == 0 {
                return Ok(Read::Gone);
            }
        };
        let size = std::str::from_utf8(&buffer[..at]).ok().and_then(|text| text.split(';').next()).map(str::trim);
        let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else { return Ok(Read::Bad(400)) };
        if size > BODY_BYTES_MAX || request.body.len() + size > BODY_BYTES_MAX {
            return Ok(Read::Bad(413));
        }
        buffer.drain(..at + 2);
        while buffer.len() < size + 2 {
            if socket.read_buf(buffer).await? == 0 {
                return Ok(Read::Gone);
            }
        }
        request.body.extend(buffer.drain(..size));
        buffer.drain(..2);
        if size == 0 {
            return Ok(Read::Request(request));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(mut bytes: &[u8]) -> Read {
        read(&mut bytes, &mut Vec::new(), async || Ok(())).await.unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn bodies_are_read_by_length_and_in_chunks() {
        for text in [
            "POST /mcp?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "POST http://a/mcp?x=1 HTTP/1.1\r\nHost:a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n",
        ] {
            let Read::Request(request) = parsed(text.as_bytes()).await else { panic!("{text}") };
            assert_eq!((request.path.as_str(), request.query.as_str()), ("/mcp", "x=1"));
            assert_eq!(request.body, b"hello");
            assert_eq!(request.header("host"), Some("a"));
            assert!(request.keep_alive);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nonsense_is_refused() {
        assert!(matches!(parsed(b"").await, Read::Gone));
        assert!(matches!(parsed(b"\x16\x03\x01 hello\r\n\r\n").await, Read::Bad(400)));
        let (mut client, mut server) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"\x16\x03\x01").await.unwrap();
        let read = read(&mut server, &mut Vec::new(), async || Ok(())).await.unwrap();
        assert!(matches!(read, Read::Bad(400)), "a TLS client waits for its handshake, so nothing else will come");
        let huge = b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n";
        assert!(matches!(parsed(huge).await, Read::Bad(413)));
    }
}

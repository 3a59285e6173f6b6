//! Against a stream in memory, whose other end writes and reads by hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use url::Url;

use super::*;
use crate::transport::http::client::{Ask, Template};
use crate::transport::http::fields::Fields;

const PATIENCE: Duration = Duration::from_secs(20);

/// An exchange whose request has a body of so many bytes, over a stream that holds so many in each direction.
async fn begun(body_bytes: usize, room: usize) -> (Box<Exchange>, DuplexStream) {
    begun_with(body_bytes, room, Fields::default()).await
}

async fn begun_with(body_bytes: usize, room: usize, fields: Fields) -> (Box<Exchange>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(room);
    let url = Arc::new(Url::parse("http://host.test/mcp").unwrap());
    let template = Template {
        url: Arc::clone(&url),
        authority: HeaderValue::from_static("host.test"),
        headers: HeaderMap::new(),
        asks_gzip: false,
        body_bytes_max: 0,
    };
    let ask = Ask { method: Method::POST, body: vec![b'x'; body_bytes].into(), ..Ask::get(url, fields) };
    let request = Request { template: &template, ask: &ask, is_forwarded: false, proxy_basic: None };
    let before = Instant::now();
    let (exchange, sent) = Exchange::begin(Box::new(ours), &request).await.unwrap();
    assert!(before <= sent && sent <= Instant::now());
    (exchange, theirs)
}

async fn body(exchange: &mut Exchange) -> Result<Vec<u8>, Broken> {
    let mut all = Vec::new();
    while let Some(chunk) = exchange.chunk().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

const HEAD: &[u8] = b"POST /mcp HTTP/1.1\r\nHost: host.test\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_request_and_its_answer() {
    let (mut exchange, mut server) = begun(3, 1 << 16).await;
    let expected = [HEAD, b"Content-Length: 3\r\n\r\nxxx"].concat();
    let mut seen = vec![0; expected.len()];
    let read = server.read(&mut seen).await.unwrap();
    assert_eq!(seen[..read], expected, "in one piece, before anybody waits for the answer");
    assert!(exchange.head().now_or_never().is_none() && exchange.read().is_none());
    server.write_all(ANSWER).await.unwrap();
    let head = exchange.head().await.unwrap();
    let (first, last) = exchange.read().unwrap();
    assert!(first <= last);
    assert_eq!((head.status, body(&mut exchange).await.unwrap()), (200, b"hello".to_vec()));
    assert!(exchange.end().is_some(), "another exchange may follow");
}

#[tokio::test]
async fn nothing_follows_a_request_that_said_so() {
    for (name, value, expected) in [("connection", "x, Close", false), ("Connection", "keep-alive", true)] {
        let mut fields = Fields::default();
        fields.set(name, value).unwrap();
        let (mut exchange, mut server) = begun_with(3, 1 << 16, fields).await;
        server.write_all(ANSWER).await.unwrap();
        assert_eq!((exchange.head().await.unwrap().status, body(&mut exchange).await.unwrap().len()), (200, 5));
        assert_eq!(exchange.end().is_some(), expected, "{value}");
    }
}

#[tokio::test]
async fn a_long_request_is_written_while_its_answer_is_waited_for() {
    for (body_bytes, room) in [(100_000, 1000), (5000, 7), (COPIED_BYTES_MAX, 100), (COPIED_BYTES_MAX + 1, 1 << 20)] {
        let (mut exchange, mut server) = begun(body_bytes, room).await;
        let serving = async {
            let mut seen = vec![0; HEAD.len() + format!("Content-Length: {body_bytes}\r\n\r\n").len() + body_bytes];
            server.read_exact(&mut seen).await.unwrap();
            assert!(seen.starts_with(HEAD) && seen.ends_with(&vec![b'x'; body_bytes]));
            server.write_all(ANSWER).await.unwrap();
        };
        let asking = async {
            assert_eq!(exchange.head().await.unwrap().status, 200);
            assert_eq!(body(&mut exchange).await.unwrap(), b"hello");
        };
        tokio::time::timeout(PATIENCE, futures_util::future::join(serving, asking)).await.unwrap();
        assert!(exchange.end().is_some(), "{body_bytes} {room}");
    }
}

#[tokio::test]
async fn an_answer_counts_before_the_request_was_read() {
    for hangs_up in [false, true] {
        let (mut exchange, mut server) = begun(100_000, 1000).await;
        server.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        let server = if hangs_up { None } else { Some(server) };
        assert_eq!(exchange.head().await.unwrap().status, 413);
        assert_eq!(body(&mut exchange).await.unwrap(), b"no");
        assert!(exchange.end().is_none(), "the rest of the request would be taken for the next one");
        drop(server);
    }
}

#[tokio::test]
async fn waiting_can_be_given_up_at_any_byte() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n";
    let (mut exchange, mut server) = begun(3, 1 << 16).await;
    let (mut head, mut all, mut is_over) = (None, Vec::new(), false);
    for byte in answer {
        server.write_all(&[*byte]).await.unwrap();
        if head.is_none() {
            head = exchange.head().now_or_never().transpose().unwrap();
        }
        while let Some(chunk) = exchange.chunk().now_or_never().filter(|_| head.is_some() && !is_over) {
            match chunk.unwrap() {
                Some(chunk) => all.extend_from_slice(&chunk),
                None => is_over = true,
            }
        }
    }
    assert_eq!((head.unwrap().status, all, is_over), (200, b"helloyou".to_vec(), true));
    assert!(exchange.end().is_some());
}

#[tokio::test]
async fn a_stream_is_not_used_again_after_more_or_less_than_an_answer() {
    for (text, keeps) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..], true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP", false),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", false),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false),
    ] {
        let (mut exchange, mut server) = begun(3, 1 << 16).await;
        server.write_all(text).await.unwrap();
        exchange.head().await.unwrap();
        assert!(!exchange.is_unsent());
        assert_eq!(body(&mut exchange).await.unwrap(), b"hello");
        assert_eq!(exchange.end().is_some(), keeps, "{}", String::from_utf8_lossy(text));
    }
    let (mut exchange, mut server) = begun(3, 1 << 16).await;
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").await.unwrap();
    exchange.head().await.unwrap();
    assert_eq!(exchange.chunk().await.unwrap().unwrap(), "hel");
    assert!(exchange.end().is_none(), "there is more to come");
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_with_what_was_written() {
    let (mut exchange, server) = begun(3, 1 << 16).await;
    drop(server);
    let broken = exchange.head().await.unwrap_err();
    assert!(broken.is_closed() && !exchange.is_unsent() && exchange.read().is_none(), "{broken:?}");
    let (mut exchange, mut server) = begun(3, 1 << 16).await;
    server.write_all(b"HTTP/1.1 20").await.unwrap();
    drop(server);
    assert!(matches!(exchange.head().await, Err(Broken::Cut)));
    assert_eq!(exchange.opening(), b"HTTP/1.1 20");
}

#[tokio::test]
async fn a_stream_that_rests_is_looked_at() {
    let (ours, mut theirs) = tokio::io::duplex(16);
    let mut ours: Box<dyn Stream> = Box::new(ours);
    assert!(is_silent(ours.as_mut()));
    theirs.write_all(b"x").await.unwrap();
    assert!(!is_silent(ours.as_mut()), "bytes that nobody asked for");
    let (ours, theirs) = tokio::io::duplex(16);
    let mut ours: Box<dyn Stream> = Box::new(ours);
    drop(theirs);
    assert!(!is_silent(ours.as_mut()), "its end");
}

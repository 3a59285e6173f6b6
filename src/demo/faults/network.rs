//! Faults of the connection and of HTTP's own framing.

use std::io::Write as _;
use std::time::Duration;

use super::super::wire::{LAST_CHUNK, Plain, Seen, Wire, chunk, full, head};
use super::{Act, Fault, On, Scope, fault};

const JSON: (&str, &str) = ("content-type", "application/json");

pub(super) static FAULTS: &[Fault] = &[
    instead("hang-before-headers", "reads a call and never says a word", |_| Some(vec![Wire::Hang])),
    upon("hang-after-headers", "sends the headers of a reply and no body", |_, plain| {
        let length = plain.json().len().to_string();
        vec![Wire::Write(plain.head(&[JSON, ("content-length", &length)])), Wire::Hang]
    }),
    upon("hang-mid-body", "sends half of a reply and stops", |_, plain| {
        let body = plain.json();
        vec![Wire::Write(part(plain, &body, body.len() / 2)), Wire::Hang]
    }),
    instead("drop-before-headers", "closes the connection instead of answering", |_| Some(vec![Wire::Close])),
    instead("reset-before-headers", "resets the connection instead of answering", |_| Some(vec![Wire::Reset])),
    fault(
        "drop-at-once",
        On::Http,
        Scope::Every,
        "closes the connection instead of answering anything",
        Act::Instead(|_| Some(vec![Wire::Close])),
    ),
    upon("drop-mid-body", "closes the connection in the middle of a reply", |_, plain| {
        let body = plain.json();
        vec![Wire::Write(part(plain, &body, body.len() / 2)), Wire::Close]
    }),
    upon("reset-mid-body", "resets the connection in the middle of a reply", |_, plain| {
        let body = plain.json();
        vec![Wire::Write(part(plain, &body, body.len() / 2)), Wire::Pause(Duration::from_millis(20)), Wire::Reset]
    }),
    upon("slow-drip", "sends a reply one byte every 20 ms", |_, plain| {
        let body = plain.json();
        vec![Wire::Write(part(plain, &body, 0)), Wire::Drip(body, Duration::from_millis(20))]
    }),
    upon("slow-headers", "sends its headers one byte every 20 ms", |_, plain| {
        let body = plain.json();
        vec![Wire::Drip(part(plain, &body, 0), Duration::from_millis(20)), Wire::Write(body)]
    }),
    upon("truncated-content-length", "promises ten bytes more than it sends, then closes", |_, plain| {
        let body = plain.json();
        let length = (body.len() + 10).to_string();
        let mut bytes = plain.head(&[JSON, ("content-length", &length)]);
        bytes.extend_from_slice(&body);
        vec![Wire::Write(bytes), Wire::Close]
    }),
    upon("short-content-length", "sends ten bytes more than it promises", |_, plain| {
        let body = plain.json();
        let length = body.len().saturating_sub(10).to_string();
        let mut bytes = plain.head(&[JSON, ("content-length", &length)]);
        bytes.extend_from_slice(&body);
        vec![Wire::Write(bytes), Wire::Close]
    }),
    upon("no-length", "ends its replies by closing the connection (valid)", |_, plain| {
        let mut bytes = plain.head(&[JSON, ("connection", "close")]);
        bytes.extend_from_slice(&plain.json());
        vec![Wire::Write(bytes), Wire::Close]
    }),
    upon("chunked", "sends its replies in chunks of 7 bytes (valid)", |_, plain| {
        let mut bytes = plain.head(&[JSON, ("transfer-encoding", "chunked")]);
        bytes.extend(plain.json().chunks(7).flat_map(chunk));
        bytes.extend_from_slice(LAST_CHUNK);
        vec![Wire::Write(bytes)]
    }),
    upon("chunked-garbage", "sends chunks whose sizes are no numbers", |_, plain| {
        let mut bytes = plain.head(&[JSON, ("transfer-encoding", "chunked")]);
        bytes.extend_from_slice(b"zz\r\n{\"jsonrpc\"\r\n");
        vec![Wire::Write(bytes), Wire::Close]
    }),
    upon("chunked-truncated", "ends the connection before the last chunk", |_, plain| {
        let mut bytes = plain.head(&[JSON, ("transfer-encoding", "chunked")]);
        bytes.extend(chunk(&plain.json()));
        vec![Wire::Write(bytes), Wire::Close]
    }),
    instead("not-http", "answers with the greeting of another protocol", |_| {
        Some(vec![Wire::Write(b"220 mail.example ESMTP ready\r\n".to_vec()), Wire::Close])
    }),
    fault(
        "clock-skew",
        On::Http,
        Scope::Requests,
        "dates its replies an hour before they are written",
        Act::Upon(|_, plain| {
            let past = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
            let date = past.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let body = plain.json();
            let length = body.len().to_string();
            let mut bytes = plain.head(&[JSON, ("date", &date), ("content-length", &length)]);
            bytes.extend_from_slice(&body);
            vec![Wire::Write(bytes)]
        }),
    ),
    upon("gzip-unasked", "compresses its replies although nobody asked for it", |_, plain| {
        vec![Wire::Write(zipped(plain, &gzip(&plain.json())))]
    }),
    upon("gzip-broken", "says gzip and sends something else", |_, plain| {
        vec![Wire::Write(zipped(plain, b"this is not gzip"))]
    }),
    upon("gzip-bomb", "sends 100 KB that unpack to 100 MB", |_, plain| {
        vec![Wire::Write(zipped(plain, &gzip(&vec![b' '; 100 << 20])))]
    }),
    upon("huge-headers", "sends a megabyte of headers", |_, plain| {
        let value = "x".repeat(1_000);
        let names: Vec<String> = (0..1_000).map(|n| format!("x-padding-{n}")).collect();
        let mut headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        let body = plain.json();
        let length = body.len().to_string();
        headers.extend([JSON, ("content-length", &length)]);
        let mut bytes = plain.head(&headers);
        bytes.extend_from_slice(&body);
        vec![Wire::Write(bytes)]
    }),
    upon("huge-body", "promises and sends a body that does not end within any limit", |_, plain| {
        let bytes = plain.head(&[JSON, ("content-length", "4000000000")]);
        vec![Wire::Write(bytes), Wire::Forever(vec![b' '; 1 << 16], Duration::ZERO)]
    }),
    upon("huge-body-chunked", "sends chunks without end", |_, plain| {
        let bytes = plain.head(&[JSON, ("transfer-encoding", "chunked")]);
        vec![Wire::Write(bytes), Wire::Forever(chunk(&[b' '; 1 << 16]), Duration::ZERO)]
    }),
    upon("keepalive-close", "closes idle connections right after a reply without saying so", |_, plain| {
        let body = plain.json();
        vec![Wire::Write(part(plain, &body, body.len())), Wire::Close]
    }),
    fault(
        "stale",
        On::Http,
        Scope::Every,
        "closes a connection upon its second request, unanswered",
        Act::Instead(|seen| (seen.earlier > 0).then(|| vec![Wire::Close])),
    ),
    upon("continue-first", "sends 100 Continue and 103 Early Hints before a reply (valid)", |_, plain| {
        let body = plain.json();
        let mut bytes = head(100, &[]);
        bytes.extend(head(103, &[("link", "</style.css>; rel=preload")]));
        bytes.extend(part(plain, &body, body.len()));
        vec![Wire::Write(bytes)]
    }),
    instead("two-answers", "sends an answer nobody asked for right behind its own", |_| {
        let mut bytes = full(200, &[JSON], br#"{"jsonrpc":"2.0","id":"other","result":{}}"#);
        bytes.extend(full(200, &[JSON], br#"{"jsonrpc":"2.0","id":"another","result":{}}"#));
        Some(vec![Wire::Write(bytes)])
    }),
    upon("old-date", "sends a Date of an hour ago", |_, plain| {
        let hour = Duration::from_secs(3_600);
        let then = std::time::SystemTime::now().checked_sub(hour).map(super::super::http::date).unwrap_or_default();
        let body = plain.json();
        let length = body.len().to_string();
        let mut bytes = plain.head(&[JSON, ("date", &then), ("content-length", &length)]);
        bytes.extend_from_slice(&body);
        vec![Wire::Write(bytes)]
    }),
];

const fn instead(name: &'static str, about: &'static str, act: fn(&Seen<'_>) -> Option<Vec<Wire>>) -> Fault {
    fault(name, On::Http, Scope::Calls, about, Act::Instead(act))
}

const fn upon(name: &'static str, about: &'static str, act: fn(&Seen<'_>, &Plain) -> Vec<Wire>) -> Fault {
    fault(name, On::Http, Scope::Calls, about, Act::Upon(act))
}

/// The headers of the whole reply and the first `count` bytes of its body.
fn part(plain: &Plain, body: &[u8], count: usize) -> Vec<u8> {
    let length = body.len().to_string();
    let mut bytes = plain.head(&[JSON, ("content-length", &length)]);
    bytes.extend_from_slice(&body[..count]);
    bytes
}

fn zipped(plain: &Plain, body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let mut bytes = plain.head(&[JSON, ("content-encoding", "gzip"), ("content-length", &length)]);
    bytes.extend_from_slice(body);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    // Writing to memory does not fail; an empty body would be seen by the test of this fault.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

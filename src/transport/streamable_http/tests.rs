//! Against servers that write their bytes by hand.

use std::io::Write as _;
use std::time::Duration;

use super::super::http::fixture::{
    REPLY, Server, always, answer, exchange, next, once, one_fault, open, open_with, request, settings, words,
};
use super::*;
use crate::base::secret::Secret;
use crate::event::{Phase, Severity};

fn chunked(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n")
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

const EVENTS: &str = "Content-Type: text/event-stream\r\n";

#[tokio::test]
async fn a_json_reply_and_its_request() {
    let server = always(answer("200 OK", "Content-Type: application/json; charset=utf-8\r\nX-A: b\r\n", REPLY)).await;
    let mut link = open(&server.url()).await;
    assert!(link.facts().peer.is_some(), "opening connects");
    let before = Instant::now();
    let sent = link.send(request(7)).await.unwrap();
    let heads = next(&mut link).await;
    assert_eq!(heads.key, Some(7));
    let What::Head(head) = heads.what else { panic!() };
    assert_eq!((head.status, head.header("x-a")), (200, Some("b")));
    let frame = next(&mut link).await;
    assert!(before <= sent && sent <= frame.first_byte && frame.first_byte <= frame.at);
    assert!(matches!(frame.what, What::Frame(frame) if &frame.raw[..] == REPLY.as_bytes()));
    assert!(matches!(next(&mut link).await.what, What::End));
    assert_eq!(words(&exchange(&mut link, request(8)).await), ["200", "frame", "end"]);
    assert_eq!(server.connections(), 1, "the connection is used again");

    let seen = server.seen().remove(0).to_lowercase();
    assert!(seen.starts_with("post /mcp http/1.1\r\n"), "{seen}");
    for line in [
        format!("host: 127.0.0.1:{}", server.port),
        "accept: application/json, text/event-stream".into(),
        "content-type: application/json".into(),
        format!("user-agent: mcp-probe/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line} in {seen}");
    }
    assert!(!seen.contains("accept-encoding"), "{seen}");
    let facts = link.facts();
    assert_eq!(facts.peer, Some(format!("127.0.0.1:{}", server.port)));
    assert!(facts.phases.get(Phase::Connect).is_some());
    assert!(facts.phases.get(Phase::Resolve).is_none() && facts.phases.get(Phase::Tls).is_none());
    assert!(facts.findings.is_empty(), "{:?}", facts.findings);
    let farewell = link.close(Duration::from_secs(1)).await;
    assert!(farewell.took < Duration::from_secs(1) && farewell.rung.is_none());
}

#[tokio::test]
async fn every_kind_of_body() {
    let page = "<html>Bad Gateway</html>";
    for (bytes, expected) in [
        (answer("202 Accepted", "", ""), &["202", "end"][..]),
        ("HTTP/1.1 204 No Content\r\n\r\n".into(), &["204", "end"]),
        (answer("200 OK", "Content-Type: application/json\r\n", ""), &["200", "end"]),
        (answer("200 OK", "Content-Type: application/vnd.x+json\r\n", REPLY), &["200", "frame", "end"]),
        (answer("404 Not Found", "", REPLY), &["404", "frame", "end"]),
        (answer("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "no token"), &["401", "noise 8", "end"]),
        (answer("502 Bad Gateway", "Content-Type: text/html\r\n", page), &["502", "noise 24", "end"]),
        (
            answer("200 OK", "Content-Type: application/json\r\n", &format!("[{REPLY},{REPLY}]")),
            &["200", "frame", "frame", "end"],
        ),
        (
            answer("400 Bad Request", "Content-Type: application/json\r\n", r#"{"error":"x"}"#),
            &["400", "bad frame: not a JSON-RPC 2.0 message: \"jsonrpc\": \"2.0\" is missing", "end"],
        ),
        (
            answer("400 Bad Request", "", "Client sent an HTTP request to an HTTPS server.\n"),
            &["400", "http: the server says that this port speaks TLS: write https:// instead of http://"],
        ),
    ] {
        let server = always(bytes.clone()).await;
        let mut link = open(&server.url()).await;
        assert_eq!(words(&exchange(&mut link, request(1)).await), expected, "{bytes}");
    }
}

#[tokio::test]
async fn a_stream_split_at_every_byte() {
    let text = format!(
        ": hello\r\nid: 1\r\nretry: 50\r\ndata:\r\n\r\nevent: ping\ndata: x\n\nid: 2\nevent: message\ndata: {REPLY}\n\n"
    );
    let whole = format!("{}{:x}\r\n{text}\r\n0\r\n\r\n", chunked(EVENTS), text.len());
    let start_bytes = chunked(EVENTS).len();
    let server = Server::plain(move |number, mut conn| {
        let whole = whole.clone();
        async move {
            while conn.request().await.is_some() {
                let (start, rest) = whole.as_bytes().split_at(start_bytes + number);
                conn.write(start).await;
                tokio::task::yield_now().await;
                conn.write(rest).await;
            }
        }
    })
    .await;
    for _ in 0..text.len() + 10 {
        let mut link = open(&server.url()).await;
        let heard = exchange(&mut link, request(1)).await;
        assert_eq!(words(&heard), ["200", "cursor 1", "cursor 2", "frame", "end"]);
        assert!(matches!(&heard[1], What::Cursor { retry: Some(retry), .. } if *retry == Duration::from_millis(50)));
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_stream() {
    let body = format!("data: {REPLY}\n\n");
    let server = Server::plain(move |_, mut conn| {
        let body = body.clone();
        async move {
            while conn.request().await.is_some() {
                conn.write(format!("{}{:x}\r\n{body}\r\n", chunked(EVENTS), body.len())).await;
                tokio::task::yield_now().await;
                conn.write("0\r\n\r\n").await;
            }
        }
    })
    .await;
    let mut link = open(&server.url()).await;
    for key in 0..20 {
        link.send(request(key)).await.unwrap();
        while !matches!(next(&mut link).await.what, What::Frame(_)) {}
    }
    // One, unless this machine is so busy that the end of a stream is later than it is waited for.
    assert!(server.connections() < 10, "{}", server.connections());
}

#[tokio::test]
async fn a_connection_on_which_more_came_than_an_answer_is_not_used() {
    let server = Server::plain(|number, mut conn| async move {
        while conn.request().await.is_some() {
            // What is behind the answer must not become that of the next request.
            let more = if number == 0 { answer("500 Internal Server Error", "", "") } else { String::new() };
            conn.write(format!("{}{more}", answer("200 OK", "Content-Type: application/json\r\n", REPLY))).await;
        }
    })
    .await;
    let mut link = open(&server.url()).await;
    for (key, connections) in [(1, 1), (2, 2), (3, 2)] {
        let heard = exchange(&mut link, Outgoing { repeatable: false, ..request(key) }).await;
        assert_eq!((words(&heard), server.connections()), (strings(&["200", "frame", "end"]), connections));
    }
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let (gone, closed) = tokio::sync::oneshot::channel::<()>();
    let gone = Arc::new(std::sync::Mutex::new(Some(gone)));
    let server = Server::plain(move |_, mut conn| {
        let gone = Arc::clone(&gone);
        async move {
            conn.request().await;
            conn.json("200 OK", REPLY).await;
            conn.gone().await;
            let _ = gone.lock().unwrap().take().unwrap().send(());
        }
    })
    .await;
    let mut link = open(&server.url()).await;
    exchange(&mut link, request(1)).await;
    let rested = tokio::time::timeout(Duration::from_secs(20), closed).await;
    assert!(matches!(rested, Ok(Ok(()))), "the server waits for the end of a connection that nobody will use");
    assert!(link.is_still());
}

#[tokio::test]
async fn a_request_that_was_answered_before_it_was_read_takes_its_connection_with_it() {
    let server = Server::plain(|number, mut conn| async move {
        if number == 0 {
            conn.begun().await;
            conn.json("200 OK", REPLY).await;
            // More than a socket holds is still on its way, and nobody reads it.
            std::future::pending::<()>().await;
        }
        while conn.request().await.is_some() {
            conn.json("200 OK", REPLY).await;
        }
    })
    .await;
    let mut link = open(&server.url()).await;
    let long = Outgoing { body: vec![b' '; 16 << 20].into(), ..request(1) };
    assert_eq!(words(&exchange(&mut link, long).await), ["200", "frame", "end"]);
    assert!(link.is_still());
    let heard = exchange(&mut link, Outgoing { repeatable: false, ..request(2) }).await;
    assert_eq!((words(&heard), server.connections()), (strings(&["200", "frame", "end"]), 2));
}

#[tokio::test]
async fn a_link_is_still_when_all_answers_have_ended() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let ended = Arc::new(tokio::sync::Mutex::new(Some(ended)));
    let body = format!("data: {REPLY}\n\n");
    let server = Server::plain(move |_, mut conn| {
        let (body, ended) = (body.clone(), Arc::clone(&ended));
        async move {
            conn.request().await;
            conn.write(format!("{}{:x}\r\n{body}\r\n", chunked(EVENTS), body.len())).await;
            let _ = ended.lock().await.take().unwrap().await;
            conn.write("0\r\n\r\n").await;
            conn.gone().await;
        }
    })
    .await;
    let mut link = open(&server.url()).await;
    assert!(link.is_still());
    link.send(request(1)).await.unwrap();
    assert!(!link.is_still());
    while !matches!(next(&mut link).await.what, What::Frame(_)) {}
    assert!(!link.is_still(), "the server may say more on this stream");
    end.send(()).unwrap();
    let limit = Instant::now() + Duration::from_secs(20);
    while !link.is_still() {
        assert!(Instant::now() < limit, "the stream has ended, and its end is nothing to wait for");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn get_and_delete() {
    let server = always(answer("405 Method Not Allowed", "", "")).await;
    let mut link = open(&server.url()).await;
    let headers = vec![("Last-Event-ID".into(), "5".into()), ("Mcp-Session-Id".into(), "s".into())];
    for (key, intent) in [(1, Intent::Resume), (2, Intent::Listen), (3, Intent::End), (4, Intent::OneWay)] {
        let outgoing = Outgoing { intent, body: Bytes::new(), headers: headers.clone(), ..request(key) };
        assert_eq!(words(&exchange(&mut link, outgoing).await), ["405", "end"]);
    }
    let seen: Vec<String> = server.seen().iter().map(|seen| seen.to_lowercase()).collect();
    for (seen, method) in seen.iter().zip(["get", "get", "delete", "post"]) {
        assert!(seen.starts_with(&format!("{method} /mcp ")), "{seen}");
        assert!(seen.contains("\r\nlast-event-id: 5\r\n") && seen.contains("\r\nmcp-session-id: s\r\n"), "{seen}");
    }
    assert!(seen[0].contains("\r\naccept: text/event-stream\r\n"), "{}", seen[0]);
}

#[tokio::test]
async fn headers_of_the_user_and_of_the_protocol() {
    let server = always(answer("202 Accepted", "", "")).await;
    let mut settings = settings(&server.url().replace("127.0.0.1", "LocalHost"));
    settings.bearer = Some(Secret::new("token"));
    settings.headers = [("X-Team", "a"), ("X-Both", "user"), ("Host", "evil"), ("Content-Type", "text/plain")]
        .into_iter()
        .chain([("Transfer-Encoding", "chunked"), ("MCP-Protocol-Version", "1999"), ("X-Team", "b")])
        .map(|(name, value)| (name.to_owned(), Secret::new(value)))
        .collect();
    let mut link = open_with(&settings, TransportKind::StreamableHttp).await.unwrap();
    let headers = vec![("X-Both".into(), "protocol".into()), ("Mcp-Method".into(), "ping".into())];
    exchange(&mut link, Outgoing { headers, ..request(1) }).await;
    let seen = server.seen().remove(0).to_lowercase();
    for line in ["authorization: bearer token", "x-team: a", "x-team: b", "x-both: protocol", "mcp-method: ping"] {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line} in {seen}");
    }
    for word in ["evil", "text/plain", "chunked", "1999", "x-both: user"] {
        assert!(!seen.contains(word), "{word} in {seen}");
    }
    assert!(server.seen()[0].contains(&format!("\r\nHost: LocalHost:{}\r\n", server.port)), "{seen}");
    let findings = link.facts().findings;
    assert_eq!(findings.iter().filter(|finding| finding.id == "http.header_overridden").count(), 4);
    assert!(link.facts().phases.get(Phase::Resolve).is_some());
}

#[tokio::test]
async fn broken_answers_are_faults_with_a_reason() {
    let json = "Content-Type: application/json\r\n";
    let long = "x".repeat(80 * 1024);
    for (bytes, expected) in [
        (String::new(), "closed: the server closed the connection before it answered"),
        ("HTTP/1.1 200 OK\r\nX-".into(), "closed: the server closed the connection in the middle of the answer's head"),
        (
            format!("HTTP/1.1 200 OK\r\n{json}Content-Length: 50\r\n\r\n{{\"json"),
            "closed: the server closed the connection in the middle of the answer, after 6 of 50 bytes: \"{\"json\"",
        ),
        (
            format!("{}5\r\n{{\"jso\r\n", chunked(json)),
            "closed: the server closed the connection in the middle of the answer, after 5 bytes: \"{\"jso\"",
        ),
        (format!("{}zz\r\n{{", chunked(json)), "protocol: the framing of the answer is broken"),
        (format!("{}8\r\ndata: {{}}\r\n", chunked(EVENTS)), "closed: the server closed the connection in the middle"),
        ("SSH-2.0-OpenSSH_9\r\n".into(), "protocol: not HTTP: expected the head of an answer, got \"SSH-2.0-OpenSSH_9"),
        (
            "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}F".into(),
            "protocol: not HTTP: 127.0.0.1:PORT answers in TLS on this port: write https:// instead of http://",
        ),
        (format!("HTTP/1.1 200 OK\r\nX-Long: {long}\r\n\r\n"), "too_large: the head of the answer is over the limit"),
        (
            format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200)),
            "too_large: the head of the answer is over the limit of 100 headers",
        ),
        (
            answer("200 OK", "Content-Type: application/json\r\nContent-Encoding: br\r\n", "x"),
            "http: the answer is encoded as \"br\"",
        ),
    ] {
        let server = once(bytes.clone()).await;
        let mut link = open(&server.url()).await;
        let heard = words(&exchange(&mut link, request(1)).await).pop().unwrap();
        let expected = expected.replace("PORT", &server.port.to_string());
        assert!(heard.starts_with(&expected), "{}\n{heard}\n{expected}", &bytes[..bytes.len().min(80)]);
    }
}

#[tokio::test]
async fn bodies_and_events_are_bounded() {
    let big = format!("{{{}", "x".repeat(4999));
    let long = format!("{{{}", "x".repeat(99_999));
    let page = format!("<html>{}", "y".repeat(200_000));
    for (bytes, expected) in [
        (answer("200 OK", "Content-Type: application/json\r\n", &big), "too_large: the answer has 5000 bytes"),
        (format!("{}1388\r\n{big}\r\n", chunked("Content-Type: application/json\r\n")), "too_large: "),
        (format!("{}186a0\r\n{long}\r\n", chunked("")), "too_large: "),
        (format!("{EVENTS_HEAD}data: {big}\n\n"), "too_large: "),
        (answer("200 OK", "Content-Type: text/html\r\n", &page), "end"),
    ] {
        let server = always(bytes.clone()).await;
        let mut settings = settings(&server.url());
        settings.body_bytes_max = 1000;
        let mut link = open_with(&settings, TransportKind::StreamableHttp).await.unwrap();
        let heard = words(&exchange(&mut link, request(1)).await);
        let last = heard.last().unwrap();
        assert!(last.starts_with(expected), "{} {heard:?}", &bytes[..60]);
        assert!(last == "end" || last.contains("the limit is 1000 bytes"), "{last}");
        assert!(last != "end" || heard[1] == format!("noise {NOISE_BYTES_MAX}"), "{heard:?}");
    }
}

const EVENTS_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(text: &[u8], kind: &str) -> Vec<u8> {
    let body = gzip(text);
    let mut all = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    all.extend_from_slice(&body);
    all
}

#[tokio::test]
async fn compressed_answers_are_read_and_bounded() {
    for kind in ["application/json", "text/event-stream"] {
        let text = if kind == "application/json" { REPLY.to_owned() } else { format!("data: {REPLY}\n\n") };
        let server = always(gzipped(text.as_bytes(), kind)).await;
        let mut link = open(&server.url()).await;
        assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
        let finding = link.facts().findings.remove(0);
        assert_eq!((finding.id, finding.severity), ("http.gzip_unasked", Severity::Warning));

        let mut settings = settings(&server.url());
        settings.headers = vec![("Accept-Encoding".into(), Secret::new("gzip"))];
        let mut link = open_with(&settings, TransportKind::StreamableHttp).await.unwrap();
        assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
        assert!(link.facts().findings.is_empty());
        assert!(server.seen()[1].to_lowercase().contains("\r\naccept-encoding: gzip\r\n"));
    }
    let bomb = always(gzipped(&vec![b' '; 40_000_000], "application/json")).await;
    let fault = one_fault(&mut open(&bomb.url()).await).await;
    assert_eq!(fault.reason, Reason::TooLarge, "{}", fault.message);
    let broken = always(answer("200 OK", "Content-Encoding: gzip\r\n", "this is not gzip at all")).await;
    assert_eq!(one_fault(&mut open(&broken.url()).await).await.reason, Reason::Protocol);
}

/// The first connection answers once and closes when told by the next request; later ones answer.
async fn closes_on_the_second_request() -> Server {
    Server::plain(|number, mut conn| async move {
        conn.request().await;
        conn.json("200 OK", REPLY).await;
        while conn.request().await.is_some() && number > 0 {
            conn.json("200 OK", REPLY).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_stale_connection_is_replaced_once() {
    let server = closes_on_the_second_request().await;
    let mut link = open(&server.url()).await;
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    assert_eq!(words(&exchange(&mut link, request(2)).await), ["200", "frame", "end"]);
    assert_eq!((server.connections(), server.seen().len()), (2, 3));
    assert_eq!(link.facts().findings[0].id, "http.stale_connection");
}

#[tokio::test]
async fn what_may_not_be_repeated_is_not() {
    let server = closes_on_the_second_request().await;
    let mut link = open(&server.url()).await;
    exchange(&mut link, request(1)).await;
    let heard = exchange(&mut link, Outgoing { repeatable: false, ..request(2) }).await;
    assert!(words(&heard)[0].starts_with("closed: the connection, which had been used before,"), "{heard:?}");
    assert_eq!((server.connections(), server.seen().len()), (1, 2));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_not_used() {
    let (closed, wait) = tokio::sync::oneshot::channel::<()>();
    let closed = std::sync::Mutex::new(Some(closed));
    let closed = Arc::new(closed);
    let server = Server::plain(move |number, mut conn| {
        let closed = Arc::clone(&closed);
        async move {
            conn.request().await;
            conn.json("200 OK", REPLY).await;
            if number == 0 {
                drop(conn);
                let _ = closed.lock().unwrap().take().unwrap().send(());
            } else {
                conn.gone().await;
            }
        }
    })
    .await;
    let mut link = open(&server.url()).await;
    exchange(&mut link, request(1)).await;
    wait.await.unwrap();
    let heard = exchange(&mut link, Outgoing { repeatable: false, ..request(2) }).await;
    assert_eq!(words(&heard), ["200", "frame", "end"]);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_fresh_connection_that_dies_is_the_servers_failure() {
    let server = Server::plain(|_, mut conn| async move {
        conn.request().await;
    })
    .await;
    let fault = one_fault(&mut open(&server.url()).await).await;
    assert_eq!(fault.reason, Reason::Closed);
    assert_eq!(server.seen().len(), 1, "nothing is repeated");
}

fn redirect(status: &str, to: &str) -> String {
    answer(status, &format!("Location: {to}\r\n"), "")
}

#[tokio::test]
async fn a_redirect_on_the_same_origin_is_followed() {
    let server = Server::plain(|_, mut conn| async move {
        while let Some(seen) = conn.request().await {
            if seen.starts_with("POST /mcp/ ") {
                conn.json("200 OK", REPLY).await;
            } else {
                conn.write(redirect("307 Temporary Redirect", "/mcp/")).await;
            }
        }
    })
    .await;
    let mut settings = settings(&server.url());
    settings.bearer = Some(Secret::new("token"));
    let mut link = open_with(&settings, TransportKind::StreamableHttp).await.unwrap();
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    let seen = server.seen();
    assert_eq!((seen.len(), server.connections()), (2, 1));
    assert!(seen[1].contains("Bearer token") && seen[1].ends_with(r#""method":"ping"}"#), "{}", seen[1]);
    let findings = link.facts().findings;
    assert_eq!((findings[0].id, findings[0].severity), ("http.redirect", Severity::Warning));
    assert!(findings[0].actual.contains("/mcp/; followed"), "{}", findings[0].actual);
}

#[tokio::test]
async fn other_redirects_are_only_told() {
    let other = always(answer("200 OK", "Content-Type: application/json\r\n", REPLY)).await;
    for (status, to, why) in [
        ("307 Temporary Redirect", other.url(), "another origin"),
        ("308 Permanent Redirect", "https://127.0.0.1/mcp".into(), "another origin"),
        ("302 Found", "/elsewhere".into(), "does not keep the method"),
        ("308 Permanent Redirect", "/mcp".into(), "in a circle"),
    ] {
        let server = always(redirect(status, &to)).await;
        let mut settings = settings(&server.url());
        settings.bearer = Some(Secret::new("token"));
        let mut link = open_with(&settings, TransportKind::StreamableHttp).await.unwrap();
        let heard = exchange(&mut link, request(1)).await;
        assert_eq!(words(&heard), [&status[..3], "end"]);
        let findings = link.facts().findings;
        assert!(findings.last().unwrap().actual.contains(why), "{findings:?}");
    }
    assert!(other.seen().is_empty() && other.connections() == 0, "nothing reaches another origin");
    let steps = Server::plain(|_, mut conn| async move {
        while let Some(seen) = conn.request().await {
            let path = seen.split(' ').nth(1).unwrap().to_owned();
            conn.write(redirect("307 Temporary Redirect", &format!("{path}x"))).await;
        }
    })
    .await;
    let mut link = open(&steps.url()).await;
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["307", "end"]);
    assert_eq!(steps.seen().len(), 3);
}

#[tokio::test]
async fn an_abandoned_stream_is_closed_and_says_no_more() {
    let (gone, wait) = tokio::sync::oneshot::channel::<()>();
    let gone = Arc::new(std::sync::Mutex::new(Some(gone)));
    let server = Server::plain(move |_, mut conn| {
        let gone = Arc::clone(&gone);
        async move {
            let seen = conn.request().await.unwrap();
            if seen.starts_with("GET") {
                conn.write(format!("{EVENTS_HEAD}: still here\n\n: and here\n\ndata: {REPLY}\n\n")).await;
                conn.gone().await;
                let _ = gone.lock().unwrap().take().unwrap().send(());
            } else {
                conn.json("200 OK", REPLY).await;
                conn.gone().await;
            }
        }
    })
    .await;
    let mut link = open(&server.url()).await;
    let listen = Outgoing { intent: Intent::Listen, body: Bytes::new(), ..request(1) };
    link.send(listen).await.unwrap();
    assert!(matches!(next(&mut link).await.what, What::Head(_)));
    assert!(matches!(next(&mut link).await.what, What::Frame(_)));
    // Another exchange has its own connection meanwhile.
    assert_eq!(words(&exchange(&mut link, request(2)).await), ["200", "frame", "end"]);
    link.abandon(1);
    wait.await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(30), link.recv()).await;
    assert!(waiting.is_err(), "{waiting:?}");
}

#[tokio::test]
async fn comments_never_count_as_an_answer() {
    let server = Server::plain(|_, mut conn| async move {
        conn.request().await;
        conn.write(EVENTS_HEAD).await;
        for _ in 0..1000 {
            conn.write(": ping\n\n").await;
        }
        conn.gone().await;
    })
    .await;
    let mut link = open(&server.url()).await;
    link.send(request(1)).await.unwrap();
    assert!(matches!(next(&mut link).await.what, What::Head(_)));
    assert!(tokio::time::timeout(Duration::from_millis(50), link.recv()).await.is_err());
    let farewell = link.close(Duration::from_secs(5)).await;
    assert!(farewell.took < Duration::from_secs(1), "{farewell:?}");
}

#[tokio::test]
async fn a_dropped_link_closes_everything() {
    let (gone, mut wait) = tokio::sync::mpsc::channel::<()>(8);
    let server = Server::plain(move |_, mut conn| {
        let gone = gone.clone();
        async move {
            conn.request().await;
            conn.gone().await;
            let _ = gone.send(()).await;
        }
    })
    .await;
    let mut link = open(&server.url()).await;
    link.send(request(1)).await.unwrap();
    link.send(request(2)).await.unwrap();
    drop(link);
    wait.recv().await.unwrap();
    wait.recv().await.unwrap();
    assert_eq!(server.connections(), 2);
}

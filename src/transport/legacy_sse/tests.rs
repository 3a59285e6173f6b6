//! Against servers that write their bytes by hand.

use tokio::sync::{Mutex, mpsc};

use super::super::http::fixture::{REPLY, Server, always, answer, next, open_with, request, settings};
use super::*;
use crate::base::secret::Secret;

const SSE: TransportKind = TransportKind::Sse;
const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// GET opens the stream with `opening`; a POST is answered with `receipt` and, on the stream, with a message. A
/// body that holds `bye` ends the stream.
async fn server(opening: &'static str, receipt: String) -> Server {
    let (say, said) = mpsc::channel::<String>(8);
    let said = Arc::new(Mutex::new(said));
    Server::plain(move |_, mut conn| {
        let (say, said, receipt) = (say.clone(), Arc::clone(&said), receipt.clone());
        async move {
            while let Some(seen) = conn.request().await {
                if seen.starts_with("GET") {
                    conn.write(format!("{STREAM}{opening}")).await;
                    let mut said = said.lock().await;
                    while let Some(text) = said.recv().await {
                        if text.is_empty() {
                            return;
                        }
                        conn.write(text).await;
                    }
                } else {
                    conn.write(&receipt).await;
                    let bye = seen.contains("bye");
                    let text = if bye { String::new() } else { format!(": x\n\nevent: message\ndata: {REPLY}\n\n") };
                    let _ = say.send(text).await;
                }
            }
        }
    })
    .await
}

async fn fault_of(server: &Server) -> Fault {
    open_with(&settings(&server.url()), SSE).await.err().expect("it opened")
}

#[tokio::test]
async fn messages_come_on_the_stream() {
    let receipt = answer("202 Accepted", "Content-Type: text/plain\r\n", "Accepted");
    let server = server("event: endpoint\ndata: /messages?session=1\n\n", receipt).await;
    let mut settings = settings(&server.url());
    settings.bearer = Some(Secret::new("token"));
    let mut link = open_with(&settings, SSE).await.unwrap();
    let sent = link.send(request(3)).await.unwrap();
    let heard = next(&mut link).await;
    assert!(heard.key.is_none() && sent <= heard.first_byte && heard.first_byte <= heard.at);
    assert!(matches!(heard.what, What::Frame(frame) if frame.parsed.is_ok()));
    let seen = server.seen();
    assert!(seen[0].starts_with("GET /mcp ") && seen[0].contains("\r\nAccept: text/event-stream\r\n"), "{}", seen[0]);
    assert!(seen[1].starts_with("POST /messages?session=1 ") && seen[1].contains("Bearer token"), "{}", seen[1]);
    assert!(seen[1].ends_with("\"ping\"}"), "{}", seen[1]);
    assert_eq!(link.facts().transport, SSE);

    link.send(Outgoing { intent: Intent::End, ..request(9) }).await.unwrap();
    let heard = next(&mut link).await;
    assert!(heard.key == Some(9) && matches!(heard.what, What::End), "{heard:?}");
    assert_eq!(server.seen().len(), 2, "there is no session to delete");

    let bye = Outgoing { body: Bytes::from_static(b"bye"), ..request(4) };
    link.send(bye).await.unwrap();
    for _ in 0..2 {
        let heard = next(&mut link).await;
        assert!(heard.key.is_none());
        assert!(matches!(heard.what, What::Fault(Fault { reason: Reason::Closed, .. })), "{:?}", heard.what);
    }
    assert_eq!(link.send(request(5)).await.unwrap_err().reason, Reason::Closed);
    assert!(link.send(Outgoing { intent: Intent::End, ..request(6) }).await.is_err());
    let farewell = link.close(Duration::from_secs(1)).await;
    assert!(farewell.took < Duration::from_secs(1));
}

#[tokio::test]
async fn a_taken_notification_ends() {
    let server = server("event: endpoint\ndata: messages\n\n", answer("202 Accepted", "", "")).await;
    let mut link = open_with(&settings(&server.url()), SSE).await.unwrap();
    link.send(Outgoing { intent: Intent::OneWay, ..request(7) }).await.unwrap();
    let heard = loop {
        let heard = next(&mut link).await;
        if heard.key.is_some() {
            break heard;
        }
    };
    assert!(heard.key == Some(7) && matches!(heard.what, What::End), "{heard:?}");
}

#[tokio::test]
async fn a_refused_message_is_a_fault_of_its_key() {
    let server = server("event: endpoint\ndata: messages\n\n", answer("400 Bad Request", "", "no session")).await;
    let mut link = open_with(&settings(&server.url()), SSE).await.unwrap();
    link.send(request(3)).await.unwrap();
    let heard = loop {
        let heard = next(&mut link).await;
        if heard.key.is_some() {
            break heard;
        }
    };
    assert_eq!(heard.key, Some(3));
    let What::Fault(fault) = heard.what else { panic!() };
    assert_eq!(fault.reason, Reason::Http);
    assert!(fault.message.contains("status 400, no content type, \"no session\""), "{}", fault.message);
}

#[tokio::test]
async fn another_origin_gets_nothing() {
    let other = always(answer("202 Accepted", "", "")).await;
    let opening = format!("event: endpoint\ndata: http://127.0.0.1:{}/messages\n\n", other.port);
    let server = server(Box::leak(opening.into_boxed_str()), String::new()).await;
    let fault = fault_of(&server).await;
    assert_eq!(fault.reason, Reason::Protocol);
    assert!(fault.message.contains("is on another origin"), "{}", fault.message);
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn what_is_no_such_stream_is_named() {
    for (bytes, reason, expected) in [
        (
            answer("405 Method Not Allowed", "Content-Type: text/html\r\n", "<p>no</p>"),
            Reason::Http,
            "status 405, text/html, \"<p>no</p>\"",
        ),
        (answer("401 Unauthorized", "", ""), Reason::Auth, "HTTP 401: the server wants credentials"),
        (answer("429 Too Many Requests", "", ""), Reason::RateLimited, "HTTP 429: the server asks to slow down"),
        (answer("200 OK", "Content-Type: application/json\r\n", "{}"), Reason::Http, "status 200, application/json"),
        (format!("{STREAM}data: hello\n\n"), Reason::Protocol, "expected the event \"endpoint\" first"),
        (answer("200 OK", "Content-Type: text/event-stream\r\n", ": x\n\n"), Reason::Closed, "ended before the event"),
        (format!("{STREAM}event: endpoint\ndata: http://[\n\n"), Reason::Protocol, "is no URL"),
    ] {
        let server = always(bytes.clone()).await;
        let fault = fault_of(&server).await;
        assert!(fault.reason == reason && fault.message.contains(expected), "{bytes}\n{fault:?}");
    }
}

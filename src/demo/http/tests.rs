//! The HTTP side over a pipe in memory: the codes of the header rules, sessions, polling, HTTP+SSE.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::super::dialogue::Server;
use super::super::{Settings, faults};
use super::{Socket, Web};

impl Socket for DuplexStream {}

fn web(settings: Settings) -> Arc<Web> {
    Web::new(Arc::new(Server::new(settings)), None)
}

fn connect(web: &Arc<Web>) -> DuplexStream {
    let (near, far) = tokio::io::duplex(1 << 20);
    let web_then = Arc::clone(web);
    web.tasks.spawn(async move { web_then.serve(Box::new(far), false).await });
    near
}

/// Sends one request on a connection of its own; the whole answer until the server closes.
async fn send(web: &Arc<Web>, verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut stream = connect(web);
    let mut text = format!("{verb} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

const MEDIA: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

async fn post(web: &Arc<Web>, headers: &[(&str, &str)], message: &Value) -> (u16, String) {
    send(web, "POST", "/mcp", &[&MEDIA[..], headers].concat(), &message.to_string()).await
}

fn modern(method: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    json!({"jsonrpc": "2.0", "id": "h-1", "method": method, "params": params})
}

async fn open(web: &Arc<Web>, version: &str, capabilities: Value) -> String {
    let params = json!({"protocolVersion": version, "capabilities": capabilities,
        "clientInfo": {"name": "t", "version": "1"}});
    let (status, answer) =
        post(web, &[], &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})).await;
    assert_eq!(status, 200, "{answer}");
    answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "current_thread")]
async fn modern_headers_are_held_against_the_body() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a Value, u16, &'a str);
    let web = web(Settings::default());
    let version = ("mcp-protocol-version", "2026-07-28");
    let list = modern("tools/list", &json!({}));
    let weather = modern("tools/call", &json!({"name": "weather", "arguments": {"city": "Ålesund"}}));
    let call = ("mcp-method", "tools/call");
    let name = ("mcp-name", "weather");
    let city = ("mcp-param-city", "=?base64?w4VsZXN1bmQ=?=");
    let bare = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let cases: &[Case<'_>] = &[
        (&[version, ("mcp-method", "tools/list")], &list, 200, "\"tools\""),
        (&[("mcp-method", "tools/list")], &list, 400, "-32020"),
        (&[version], &list, 400, "-32020"),
        (&[version, ("mcp-method", "tools/call")], &list, 400, "-32020"),
        (&[("mcp-protocol-version", "2099-01-01"), ("mcp-method", "nonsense")], &list, 400, "-32022"),
        (&[version, ("mcp-method", "tools/list")], &bare, 400, "-32602"),
        (&[version, call, name, city], &weather, 200, "celsius"),
        (&[version, call, name], &weather, 400, "-32020"),
        (&[version, call, ("mcp-name", "echo"), city], &weather, 400, "-32020"),
        (&[version, call, name, ("mcp-param-city", "Oslo")], &weather, 400, "-32020"),
        (&[version, ("mcp-method", "demo/nothing")], &modern("demo/nothing", &json!({})), 404, "-32601"),
        (&[version, ("mcp-method", "ping")], &modern("ping", &json!({})), 404, "-32601"),
    ];
    for (headers, message, status, part) in cases {
        let (got, answer) = post(&web, headers, message).await;
        assert_eq!(got, *status, "{headers:?}\n{answer}");
        assert!(answer.contains(part), "{headers:?}\n{answer}");
        assert!(!answer.contains("mcp-session-id"), "{answer}");
    }
    let ask = modern("tools/call", &json!({"name": "ask"}));
    let (status, answer) = post(&web, &[version, call, ("mcp-name", "ask")], &ask).await;
    assert!(status == 400 && answer.contains("-32021") && answer.contains("requiredCapabilities"), "{answer}");
}

#[tokio::test(flavor = "current_thread")]
async fn legacy_sessions_are_opened_used_and_deleted() {
    let web = web(Settings::default());
    let id = open(&web, "2025-06-18", json!({})).await;
    let session = ("mcp-session-id", id.as_str());
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(&web, &[session], &initialized).await.0, 202);
    assert_eq!(post(&web, &[session], &list).await.0, 200);
    assert_eq!(post(&web, &[], &list).await.0, 400);
    assert_eq!(post(&web, &[("mcp-session-id", "unknown")], &list).await.0, 404);
    assert_eq!(post(&web, &[session, ("mcp-protocol-version", "1999-01-01")], &list).await.0, 400);
    assert_eq!(send(&web, "DELETE", "/mcp", &[session], "").await.0, 200);
    assert_eq!(post(&web, &[session], &list).await.0, 404);
    let (_, stats) = send(&web, "GET", "/stats", &[], "").await;
    assert!(stats.contains("\"sessions_live\":0") && stats.contains("\"deletes\":1"), "{stats}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_polling_client_finds_its_reply_with_its_last_event() {
    let web = web(Settings { sse_polling: true, ..Settings::default() });
    let id = open(&web, "2025-11-25", json!({})).await;
    let session = ("mcp-session-id", id.as_str());
    let call = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": {"name": "countdown", "arguments": {"from": 2}, "_meta": {"progressToken": "p"}}});
    let (_, first) = post(&web, &[session], &call).await;
    assert!(first.contains("id: 1-0\nretry: 50\ndata:\n\n") && !first.contains("lift-off"), "{first}");
    let resume = [session, ("accept", "text/event-stream"), ("last-event-id", "1-0")];
    let (_, rest) = send(&web, "GET", "/mcp", &resume, "").await;
    assert!(rest.contains("id: 1-3") && rest.contains("lift-off"), "{rest}");
    let later = [session, ("accept", "text/event-stream"), ("last-event-id", "1-2")];
    let (_, last) = send(&web, "GET", "/mcp", &later, "").await;
    assert!(last.contains("lift-off") && !last.contains("progressToken"), "{last}");
}

/// Reads until `part` has come; all that was read.
async fn until(stream: &mut DuplexStream, part: &str) -> String {
    let mut heard = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "{}", String::from_utf8_lossy(&heard));
        let text = String::from_utf8_lossy(&heard).into_owned();
        if text.contains(part) {
            return text;
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn http_with_sse_answers_on_its_stream() {
    let web = web(Settings::default());
    let mut stream = connect(&web);
    stream.write_all(b"GET /sse HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").await.unwrap();
    let text = until(&mut stream, "\n\n\r\n").await;
    let endpoint = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned();
    let params =
        json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    assert_eq!(send(&web, "POST", &endpoint, &MEDIA, &message.to_string()).await.0, 202);
    assert!(until(&mut stream, "serverInfo").await.contains("\"protocolVersion\":\"2024-11-05\""));
    drop(stream);
    while web.server.stats.sessions_closed.get() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(send(&web, "POST", &endpoint, &MEDIA, &message.to_string()).await.0, 404);
}

#[tokio::test(flavor = "current_thread")]
async fn a_legacy_question_goes_out_on_the_stream_of_the_call() {
    let web = web(Settings::default());
    let id = open(&web, "2025-06-18", json!({"roots": {}})).await;
    let call = json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call",
        "params": {"name": "ask", "arguments": {"kind": "roots"}}})
    .to_string();
    let mut stream = connect(&web);
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nmcp-session-id: {id}\r\ncontent-type: application/json\r\n\
         accept: */*\r\ncontent-length: {}\r\n\r\n{call}",
        call.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(until(&mut stream, "roots/list").await.contains("demo-1"));
    let answer = json!({"jsonrpc": "2.0", "id": "demo-1", "result": {"roots": []}});
    assert_eq!(post(&web, &[("mcp-session-id", &id)], &answer).await.0, 202);
    assert!(until(&mut stream, "the client answered").await.contains("\"id\":4"));
}

#[tokio::test(flavor = "current_thread")]
async fn walls_refuse_before_the_message_is_read() {
    let web = web(Settings { token: Some(crate::base::secret::Secret::new("s3cret")), ..Settings::default() });
    let list = modern("tools/list", &json!({}));
    let (status, answer) = post(&web, &[], &list).await;
    assert!(status == 401 && answer.contains("www-authenticate: Bearer"), "{answer}");
    let headers =
        [("authorization", "Bearer s3cret"), ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    assert_eq!(post(&web, &headers, &list).await.0, 200);
    let open = self::web(Settings::default());
    assert_eq!(post(&open, &[("origin", "https://attacker.invalid")], &list).await.0, 403);
    assert_eq!(send(&open, "POST", "/mcp", &[], "{}").await.0, 406);
    assert_eq!(send(&open, "POST", "/mcp", &MEDIA, "{").await.0, 400);
}

#[tokio::test(flavor = "current_thread")]
async fn a_session_lost_once_can_be_opened_again() {
    let web = web(Settings { faults: vec![faults::find("session-404-once").unwrap()], ..Settings::default() });
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let id = open(&web, "2025-06-18", json!({})).await;
    assert_eq!(post(&web, &[("mcp-session-id", &id)], &list).await.0, 404);
    assert_eq!(post(&web, &[("mcp-session-id", &id)], &list).await.0, 404, "it is really gone");
    let id = open(&web, "2025-06-18", json!({})).await;
    assert_eq!(post(&web, &[("mcp-session-id", &id)], &list).await.0, 200);
}

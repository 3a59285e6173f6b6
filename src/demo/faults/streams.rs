//! Faults of event streams, and of legacy HTTP+SSE.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::script::{Step, notification, replace_replies};
use super::super::wire::{LAST_CHUNK, Plain, STREAM, Seen, Wire, chunk, event, full, head};
use super::{Act, Fault, On, Scope, fault};

pub(super) static FAULTS: &[Fault] = &[
    upon("drop-stream", "ends the event stream of a call without a reply", |_, plain| stream(plain, b"")),
    upon("cut-stream", "closes the connection under the event stream of a call", |_, plain| {
        vec![Wire::Write(plain.head(&STREAM)), Wire::Write(chunk(b": one moment\n\n")), Wire::Close]
    }),
    upon("cut-event", "ends the event stream in the middle of the reply", |_, plain| {
        let events = plain.events();
        stream(plain, &events[..events.len() / 2])
    }),
    upon("no-blank-line", "ends the event stream right after the data line of the reply", |_, plain| {
        stream(plain, plain.events().trim_ascii_end())
    }),
    upon("hang-stream", "opens the event stream of a call and stays silent", |_, plain| {
        vec![Wire::Write(plain.head(&STREAM)), Wire::Hang]
    }),
    upon("open-stream", "leaves the event stream open after the reply", |_, plain| {
        vec![Wire::Write(plain.head(&STREAM)), Wire::Write(chunk(&plain.events())), Wire::Hang]
    }),
    upon("endless-sse", "sends comments for ever and never the reply", |_, plain| {
        vec![Wire::Write(plain.head(&STREAM)), Wire::Forever(chunk(b": keep-alive\n\n"), Duration::from_millis(20))]
    }),
    upon("flood-sse", "sends comments without a pause and never the reply", |_, plain| {
        let many = chunk(&b": keep-alive\n\n".repeat(1 << 16));
        vec![Wire::Write(plain.head(&STREAM)), Wire::Forever(many, Duration::ZERO)]
    }),
    upon("endless-chunk-size", "sends a chunk size that does not end", |_, plain| {
        vec![Wire::Write(plain.head(&STREAM)), Wire::Forever(vec![b'0'; 1 << 20], Duration::ZERO)]
    }),
    fault(
        "flood-behind-initialize",
        On::Http,
        Scope::Methods(&["initialize"]),
        "answers initialize on an event stream that goes on with notifications without a pause (legacy)",
        Act::Upon(|_, plain| {
            let more = event(&notification("notifications/message", &json!({"level": "info", "data": "more"})));
            let more = chunk(&more.repeat(1 << 13));
            vec![
                Wire::Write(plain.head(&STREAM)),
                Wire::Write(chunk(&plain.events())),
                Wire::Forever(more, Duration::ZERO),
            ]
        }),
    ),
    upon("sse-bad-json", "sends an event whose data is not JSON before the reply", |_, plain| {
        let mut bytes = b"event: message\ndata: {not json\n\n".to_vec();
        bytes.extend(plain.events());
        stream(plain, &bytes)
    }),
    upon("sse-only-bad-json", "sends the reply as an event whose data is not JSON", |_, plain| {
        stream(plain, b"event: message\ndata: <html>502 Bad Gateway</html>\n\n")
    }),
    upon("sse-big-event", "sends an event of over 16 MiB", |_, plain| {
        let mut bytes = b"data: ".to_vec();
        bytes.resize((16 << 20) + 4096, b'x');
        bytes.extend_from_slice(b"\n\n");
        bytes.extend(plain.events());
        stream(plain, &bytes)
    }),
    upon("sse-no-event-name", "sends events without a name (valid)", |_, plain| {
        stream(plain, &rewritten(plain, "data: ", "\n\n"))
    }),
    upon("sse-unknown-event", "sends the reply as an event of another name", |_, plain| {
        stream(plain, &rewritten(plain, "event: reply\ndata: ", "\n\n"))
    }),
    upon("sse-crlf", "ends the lines of its events with CR LF (valid)", |_, plain| {
        stream(plain, &rewritten(plain, "event: message\r\ndata: ", "\r\n\r\n"))
    }),
    upon("sse-cr", "ends the lines of its events with CR (valid)", |_, plain| {
        stream(plain, &rewritten(plain, "event: message\rdata: ", "\r\r"))
    }),
    upon("sse-bom", "starts its event stream with a byte order mark (valid)", |_, plain| {
        stream(plain, &[b"\xef\xbb\xbf", plain.events().as_slice()].concat())
    }),
    upon("sse-many-lines", "breaks the data of an event over many lines (valid)", |_, plain| {
        let mut bytes = Vec::new();
        for message in &plain.messages {
            let pretty = serde_json::to_string_pretty(message).unwrap_or_default();
            bytes.extend(pretty.lines().flat_map(|line| format!("data: {line}\n").into_bytes()));
            bytes.push(b'\n');
        }
        stream(plain, &bytes)
    }),
    upon("sse-priming", "starts its event stream with an id, a retry and empty data (valid)", |_, plain| {
        stream(plain, &[b"id: demo-0\nretry: 3000\ndata:\n\n", plain.events().as_slice()].concat())
    }),
    upon("sse-split", "sends its event stream a few bytes at a time (valid)", |_, plain| {
        let mut acts = vec![Wire::Write(plain.head(&STREAM))];
        for part in plain.events().chunks(16) {
            acts.extend([Wire::Write(chunk(part)), Wire::Pause(Duration::from_millis(1))]);
        }
        acts.push(Wire::Write(LAST_CHUNK.to_vec()));
        acts
    }),
    upon("double-content", "sends the reply twice in one event stream", |_, plain| {
        let events = plain.events();
        stream(plain, &[events.as_slice(), events.as_slice()].concat())
    }),
    upon("wrong-id-http", "sends the reply to another request on the stream of this one", |_, plain| {
        let mut other = plain.clone();
        for message in &mut other.messages {
            if message.get("method").is_none() {
                message["id"] = "another-stream".into();
            }
        }
        stream(plain, &other.events())
    }),
    upon("sse-ids", "gives its events ids, without an event to begin with (legacy)", |seen, plain| {
        stream(plain, &rewritten(plain, &format!("id: demo-{}\nevent: message\ndata: ", seen.hits), "\n\n"))
    }),
    upon("sse-same-id", "gives the events of all streams the same id (legacy)", |_, plain| {
        let begin = b"id: demo-0\ndata:\n\n".to_vec();
        stream(plain, &[begin, rewritten(plain, "id: demo-1\nevent: message\ndata: ", "\n\n")].concat())
    }),
    upon("no-accel-header", "streams its replies without X-Accel-Buffering", |_, plain| {
        let headers: Vec<(&str, &str)> = STREAM.into_iter().filter(|(name, _)| *name != "x-accel-buffering").collect();
        let mut bytes = plain.head(&headers);
        bytes.extend([chunk(&plain.events()), LAST_CHUNK.to_vec()].concat());
        vec![Wire::Write(bytes)]
    }),
    get("get-replies", "sends a reply on the stream of GET", |_| {
        Some(told(&json!({"jsonrpc": "2.0", "id": 1, "result": {}})))
    }),
    get("get-broadcast", "sends the same message on every stream of GET", |_| {
        Some(told(&notification("notifications/tools/list_changed", &json!({}))))
    }),
    fault(
        "sse-reply-event",
        On::Http,
        Scope::Calls,
        "sends its replies over HTTP+SSE in events of another name",
        Act::Script(|_, steps| {
            replace_replies(steps, |reply| vec![Step::Raw(format!("event: reply\ndata: {reply}\n\n").into_bytes())]);
        }),
    ),
    fault(
        "list-changed-on-call",
        On::Both,
        Scope::Calls,
        "says that its tools have changed before it answers a call",
        Act::Script(|_, steps| {
            steps.insert(0, Step::Say(notification("notifications/tools/list_changed", &json!({}))));
        }),
    ),
    sse("sse-401", "401 to the event stream of HTTP+SSE", |_| {
        Some(vec![Wire::Write(full(401, &[("www-authenticate", "Bearer realm=\"demo\"")], b""))])
    }),
    sse("sse-404", "404 to the event stream of HTTP+SSE", |_| Some(vec![Wire::Write(full(404, &[], b""))])),
    sse("sse-no-endpoint", "opens the event stream of HTTP+SSE and never names an endpoint", |_| {
        Some(vec![Wire::Write(head(200, &STREAM)), Wire::Write(chunk(b": welcome\n\n")), Wire::Hang])
    }),
    sse("sse-other-event", "sends a message before it names an endpoint", |_| {
        let early = event(&json!({"jsonrpc": "2.0", "method": "notifications/message",
            "params": {"level": "info", "data": "early"}}));
        Some(vec![Wire::Write(head(200, &STREAM)), Wire::Write(chunk(&early)), Wire::Hang])
    }),
    sse("sse-endpoint-other-origin", "names an endpoint on another origin", |seen| {
        let text = format!("event: endpoint\ndata: {}/elsewhere\n\n", seen.other_origin());
        Some(vec![Wire::Write(head(200, &STREAM)), Wire::Write(chunk(text.as_bytes())), Wire::Hang])
    }),
    sse("sse-endpoint-garbage", "names an endpoint that is no address", |_| {
        Some(vec![
            Wire::Write(head(200, &STREAM)),
            Wire::Write(chunk(b"event: endpoint\ndata: http://[::bad\n\n")),
            Wire::Hang,
        ])
    }),
    sse("sse-cut", "closes the event stream of HTTP+SSE right after the endpoint", |_| {
        Some(vec![
            Wire::Write(head(200, &STREAM)),
            Wire::Write(chunk(b"event: endpoint\ndata: /messages?session=gone\n\n")),
            Wire::Close,
        ])
    }),
];

const fn upon(name: &'static str, about: &'static str, act: fn(&Seen<'_>, &Plain) -> Vec<Wire>) -> Fault {
    fault(name, On::Http, Scope::Calls, about, Act::Upon(act))
}

const fn sse(name: &'static str, about: &'static str, act: fn(&Seen<'_>) -> Option<Vec<Wire>>) -> Fault {
    fault(name, On::Http, Scope::Methods(&["HTTP GET /sse"]), about, Act::Instead(act))
}

const fn get(name: &'static str, about: &'static str, act: fn(&Seen<'_>) -> Option<Vec<Wire>>) -> Fault {
    fault(name, On::Http, Scope::Methods(&["HTTP GET"]), about, Act::Instead(act))
}

/// An event stream that says one thing and stays open.
fn told(message: &Value) -> Vec<Wire> {
    vec![Wire::Write(head(200, &STREAM)), Wire::Write(chunk(&event(message))), Wire::Hang]
}

/// A whole event stream with this content.
fn stream(plain: &Plain, content: &[u8]) -> Vec<Wire> {
    let mut bytes = plain.head(&STREAM);
    if !content.is_empty() {
        bytes.extend(chunk(content));
    }
    bytes.extend_from_slice(LAST_CHUNK);
    vec![Wire::Write(bytes)]
}

fn rewritten(plain: &Plain, before: &str, after: &str) -> Vec<u8> {
    plain.messages.iter().flat_map(|message| format!("{before}{message}{after}").into_bytes()).collect()
}

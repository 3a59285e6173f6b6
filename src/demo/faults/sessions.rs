//! Faults of legacy sessions and of the small rules of Streamable HTTP.

use std::time::Duration;

use super::super::wire::{LAST_CHUNK, Plain, STREAM, Seen, Wire, chunk, full, head, page};
use super::{Act, Fault, On, Scope, fault};

const JSON: &str = "application/json";
const LOST: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#;

pub(super) static FAULTS: &[Fault] = &[
    calls("session-404-once", "forgets the session at the first call (legacy)", |seen| {
        (!seen.modern && seen.hits == 0).then(lost)
    }),
    calls("session-always-404", "forgets the session at every call (legacy)", |seen| (!seen.modern).then(lost)),
    calls(
        "session-404-often",
        "does not know the session at every other call, as one of two replicas (legacy)",
        |seen| {
            (!seen.modern && seen.hits % 2 == 1)
                .then(|| vec![Wire::Write(full(404, &[("content-type", JSON)], LOST.as_bytes()))])
        },
    ),
    calls("session-400", "forgets the session and says 400 instead of 404 (legacy)", |seen| {
        (!seen.modern).then(|| vec![Wire::Forget, Wire::Write(full(400, &[("content-type", JSON)], LOST.as_bytes()))])
    }),
    notifications("notification-200", "200 with an empty body to notifications", |_| {
        Some(vec![Wire::Write(full(200, &[], b""))])
    }),
    notifications("notification-204", "204 to notifications", |_| Some(vec![Wire::Write(full(204, &[], b""))])),
    notifications("notification-body", "200 with a JSON-RPC result to notifications", |_| {
        Some(page(200, JSON, r#"{"jsonrpc":"2.0","id":null,"result":{}}"#))
    }),
    notifications("notification-500", "500 to notifications", |_| Some(page(500, "text/plain", "no\n"))),
    notifications("notification-hang", "never answers notifications", |_| Some(vec![Wire::Hang])),
    fault(
        "answer-hang",
        On::Http,
        Scope::Every,
        "takes the client's answers to its own requests, and never acknowledges them",
        Act::Instead(|seen| {
            let is_answer = seen.verb == "POST" && seen.method.is_empty() && !seen.id.is_null();
            is_answer.then(|| vec![Wire::Hang])
        }),
    ),
    verb("delete-405", &["HTTP DELETE"], "405 to DELETE, as the specification allows", |_| {
        Some(vec![Wire::Write(full(405, &[("allow", "GET, POST")], b""))])
    }),
    verb("no-session-delete", &["HTTP DELETE"], "500 to DELETE; the session stays", |_| {
        Some(page(500, "text/plain", "cannot delete\n"))
    }),
    verb("delete-hang", &["HTTP DELETE"], "never answers DELETE", |_| Some(vec![Wire::Hang])),
    verb("get-405", &["HTTP GET"], "405 to the GET stream, as the specification allows", |_| {
        Some(vec![Wire::Write(full(405, &[("allow", "POST, DELETE")], b""))])
    }),
    verb("get-cut", &["HTTP GET"], "closes the GET stream after a moment, as a proxy that finds it idle", |seen| {
        let opened = [Wire::Write(head(200, &STREAM)), Wire::Write(chunk(b": welcome\n\n"))];
        let end = [Wire::Pause(Duration::from_millis(100)), Wire::Write(LAST_CHUNK.to_vec())];
        (seen.path == "/mcp").then(|| opened.into_iter().chain(end).collect())
    }),
    verb("get-500", &["HTTP GET"], "500 to the GET stream", |_| Some(page(500, "text/plain", "no\n"))),
    fault(
        "mint-session-modern",
        On::Http,
        Scope::Requests,
        "gives modern requests a session id",
        Act::Upon(|seen, plain| minted(plain, seen.modern.then_some("demo-uncalled-for"))),
    ),
    fault(
        "session-bad-id",
        On::Http,
        Scope::Methods(&["initialize"]),
        "gives a session id with characters outside visible ASCII",
        Act::Upon(|_, plain| minted(plain, Some("bad id \u{e9}"))),
    ),
    fault(
        "session-changes",
        On::Http,
        Scope::Calls,
        "gives another session id with every reply",
        Act::Upon(|seen, plain| minted(plain, Some(&format!("changed-{}", seen.hits)))),
    ),
];

const fn calls(name: &'static str, about: &'static str, act: fn(&Seen<'_>) -> Option<Vec<Wire>>) -> Fault {
    fault(name, On::Http, Scope::Calls, about, Act::Instead(act))
}

const fn notifications(name: &'static str, about: &'static str, act: fn(&Seen<'_>) -> Option<Vec<Wire>>) -> Fault {
    fault(name, On::Http, Scope::Notifications, about, Act::Instead(act))
}

const fn verb(
    name: &'static str,
    methods: &'static [&'static str],
    about: &'static str,
    act: fn(&Seen<'_>) -> Option<Vec<Wire>>,
) -> Fault {
    fault(name, On::Http, Scope::Methods(methods), about, Act::Instead(act))
}

fn lost() -> Vec<Wire> {
    vec![Wire::Forget, Wire::Write(full(404, &[("content-type", JSON)], LOST.as_bytes()))]
}

/// The answer with a session id in place of its own.
fn minted(plain: &Plain, id: Option<&str>) -> Vec<Wire> {
    let mut plain = plain.clone();
    if let Some(id) = id {
        plain.headers.retain(|(name, _)| name != "mcp-session-id");
        plain.headers.push(("mcp-session-id".to_owned(), id.to_owned()));
    }
    let body = plain.json();
    let length = body.len().to_string();
    let mut bytes = plain.head(&[("content-type", JSON), ("content-length", &length)]);
    bytes.extend_from_slice(&body);
    vec![Wire::Write(bytes)]
}

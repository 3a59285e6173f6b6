//! Exercises about JSON-RPC itself: ids of both types, several requests at once, notifications, methods that nobody has,
//! bytes that are no message.

use serde_json::{Map, Value, json};

use super::super::exercise::{Exercise, Line, Move, SILENCE, Send, Situation};
use super::super::rule::Class;
use crate::event::{Era, TransportKind};
use crate::protocol::{Answers, modern};

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] =
    &[&IDS, &TOGETHER, &NOTIFIED, &UNKNOWN_METHOD, &UNKNOWN_NOTIFICATION, &NO_JSON, &NO_REQUEST, &BATCH];

/// A request that every server of the revision answers: its method and its parameters.
fn plainest(situation: &Situation<'_>) -> (&'static str, Value) {
    match situation.revision.era {
        Era::Legacy => ("ping", Value::Null),
        Era::Modern => ("server/discover", json!({})),
    }
}

/// Such a request.
pub(super) fn plain(situation: &Situation<'_>, label: &'static str) -> Send {
    let (method, params) = plainest(situation);
    Send::request(label, method, params)
}

/// Such a request as an object, for those who write it wrongly.
fn object(situation: &Situation<'_>, id: &str) -> Map<String, Value> {
    let (method, params) = plainest(situation);
    let mut object = Map::new();
    object.insert("jsonrpc".into(), "2.0".into());
    object.insert("id".into(), id.into());
    object.insert("method".into(), method.into());
    if situation.revision.era == Era::Modern {
        let params = modern::envelope(&params, situation.revision, &Answers::default(), &[]);
        object.insert("params".into(), params);
    }
    object
}

/// Bytes of our own. Over HTTP something always comes back; elsewhere silence is usual, and not waited for long.
fn raw(situation: &Situation<'_>, label: &'static str, text: String, id: Option<&str>) -> Send {
    let send = Send::raw(label, text, id.map(Value::from));
    let send =
        if situation.revision.http.method_headers { send.header("Mcp-Method", plainest(situation).0) } else { send };
    if situation.transport == TransportKind::StreamableHttp { send } else { send.listening(SILENCE) }
}

/// The first list of what the server declares.
fn listed(situation: &Situation<'_>) -> Option<&'static str> {
    let lists = ["tools/list", "resources/list", "prompts/list"];
    lists.into_iter().find(|list| situation.declares(list.split('/').next().unwrap_or_default()))
}

/// An ordinary request first, where no handshake has told a server of both eras which of them is spoken. A list, where
/// there is one: after `server/discover` alone some still wait for `initialize`.
pub(super) fn settled(situation: &Situation<'_>, moves: Vec<Move>) -> Vec<Move> {
    let first = (situation.revision.era == Era::Modern).then(|| match listed(situation) {
        Some(list) => Send::request("before", list, json!({})),
        None => plain(situation, "before"),
    });
    first.map(Move::Send).into_iter().chain(moves).collect()
}

/// Ids of both types.
pub static IDS: Exercise =
    Exercise::new("ids", "the same request with a text and with a number as its id", |situation| {
        vec![
            Move::Send(plain(situation, "text").id("mcp-probe-s1")),
            Move::Send(plain(situation, "number").id(900_719_925)),
        ]
    });

/// Three requests in flight.
pub static TOGETHER: Exercise =
    Exercise::new("together", "three requests before the answer to any of them", |situation| {
        let second = match listed(situation) {
            Some(list) => Send::request("second", list, json!({})),
            None => plain(situation, "second"),
        };
        vec![Move::Together(vec![plain(situation, "first"), second, plain(situation, "third")])]
    });

/// A notification that every revision has. Over HTTP 2026-07-28 has none.
pub static NOTIFIED: Exercise =
    Exercise::new("notified", "a cancellation of a request that nobody made, which is to be ignored", |situation| {
        if situation.revision.era == Era::Modern && situation.transport != TransportKind::Stdio {
            return Vec::new();
        }
        let params = json!({"requestId": "mcp-probe-never-sent", "reason": "a test of notifications"});
        vec![Move::Send(Send::notification("cancelled", "notifications/cancelled", params))]
    });

/// A method that no revision has.
pub static UNKNOWN_METHOD: Exercise =
    Exercise::new("unknown-method", "a request for a method that does not exist, then an ordinary one", |situation| {
        vec![Move::Send(Send::request("unknown", "x-mcp-probe/none", json!({}))), Move::Send(plain(situation, "after"))]
    })
    .class(Class::Invasive)
    .line(Line::Own);

/// A notification that no revision has.
pub static UNKNOWN_NOTIFICATION: Exercise = Exercise::new(
    "unknown-notification",
    "a notification that does not exist, then an ordinary request",
    |situation| {
        let unknown = Send::notification("unknown", "notifications/x-mcp-probe/none", json!({}));
        settled(situation, vec![Move::Send(unknown), Move::Send(plain(situation, "after"))])
    },
)
.class(Class::Invasive)
.line(Line::Own);

/// Bytes that are no JSON.
pub static NO_JSON: Exercise =
    Exercise::new("no-json", "half of a JSON object, then an ordinary request", |situation| {
        let half = raw(situation, "half", r#"{"jsonrpc":"#.to_owned(), None);
        settled(situation, vec![Move::Send(half), Move::Send(plain(situation, "after"))])
    })
    .class(Class::Invasive)
    .line(Line::Own);

/// JSON that is no request.
pub static NO_REQUEST: Exercise =
    Exercise::new("no-request", "JSON that is no request of JSON-RPC 2.0, then an ordinary request", |situation| {
        let mut old = object(situation, OLD_ID);
        old.insert("jsonrpc".into(), "1.0".into());
        let mut nameless = object(situation, NAMELESS_ID);
        nameless.shift_remove("method");
        nameless.shift_remove("params");
        let mut null = object(situation, "");
        null.insert("id".into(), Value::Null);
        let moves = vec![
            Move::Send(raw(situation, "old", Value::Object(old).to_string(), Some(OLD_ID))),
            Move::Send(raw(situation, "nameless", Value::Object(nameless).to_string(), Some(NAMELESS_ID))),
            Move::Send(raw(situation, "scalar", r#""mcp-probe""#.to_owned(), None)),
            Move::Send(raw(situation, "null", Value::Object(null).to_string(), None)),
            Move::Send(plain(situation, "after")),
        ];
        settled(situation, moves)
    })
    .class(Class::Invasive)
    .line(Line::Own);

/// The id of the request of JSON-RPC 1.0.
pub const OLD_ID: &str = "mcp-probe-old";
/// The id of the request without a method.
pub const NAMELESS_ID: &str = "mcp-probe-nameless";
/// The ids of the two requests in one array.
pub const BATCH_IDS: [&str; 2] = ["mcp-probe-b1", "mcp-probe-b2"];

/// Two requests in one array.
pub static BATCH: Exercise =
    Exercise::new("batch", "two requests in one array, then an ordinary request", |situation| {
        let array: Vec<Value> = BATCH_IDS.iter().map(|id| Value::Object(object(situation, id))).collect();
        let text = Value::Array(array).to_string();
        let send = if situation.revision.batches {
            Send::raw("batch", text, Some(BATCH_IDS[0].into()))
        } else {
            raw(situation, "batch", text, Some(BATCH_IDS[0]))
        };
        settled(situation, vec![Move::Send(send), Move::Send(plain(situation, "after"))])
    })
    .class(Class::Invasive)
    .line(Line::Own)
    .between("2025-03-26", "9999")
    .over(&[TransportKind::Stdio, TransportKind::StreamableHttp]);

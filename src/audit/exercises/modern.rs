//! Exercises about what only 2026-07-28 has: the `_meta` of every request, versions without a handshake, methods that are no
//! more, independence of what was said before.

use serde_json::{Map, Value, json};

use super::super::exercise::{Envelope, Exercise, Line, Move, Named, Send, Situation};
use super::super::rule::{Class, MODERN_FIRST};
use crate::event::{Era, TransportKind};
use crate::protocol::{Answers, Revision, headers, legacy};

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] =
    &[&OPTIONAL_META, &CAPABLE, &FRESH, &WRONG_META, &REMOVED, &LEGACY_HELLO, &NO_LEVEL, &LOGGING];

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// A version that nobody will ever speak.
pub const NO_VERSION: &str = "v999.0.0";
/// The level that calls ask for, and what is below it.
pub const LEAST_LEVEL: &str = "warning";

/// What is optional in `_meta`, left out and added.
pub static OPTIONAL_META: Exercise = Exercise::new(
    "optional-meta",
    "server/discover without clientInfo, and with trace context and a key of a vendor in _meta",
    |_| {
        let extras = json!({
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "io.github.mcp-probe/audit": {"note": "to be ignored"},
        });
        vec![
            Move::Send(discover("anonymous").envelope(Envelope::Without(&[CLIENT]))),
            Move::Send(discover("extras").envelope(with(&extras))),
        ]
    },
)
.between(MODERN_FIRST, "9999");

/// The lists of capabilities that were not declared; completion, declared or not.
pub static CAPABLE: Exercise =
    Exercise::new("capable", "the lists that the server did not declare, and a completion", |situation| {
        let lists = situation.revision.methods.iter().filter(|method| method.list.is_some());
        let undeclared =
            lists.filter(|method| method.capability.is_some_and(|capability| !situation.declares(capability)));
        let lists = undeclared.map(|method| Send::request(method.name, method.name, json!({})));
        lists.chain(completion(situation)).map(Move::Send).collect()
    })
    .between(MODERN_FIRST, "9999");

/// The same list as the first thing that is said on two new connections, and again on the first of them.
pub static FRESH: Exercise =
    Exercise::new("fresh", "a list as the first request on each of two new connections, and once more", |situation| {
        let Some(method) = FRESH_LISTS.iter().copied().find(|(_, needs)| situation.declares(needs)) else {
            return vec![Move::Send(discover("first"))];
        };
        let list = |label| Send::request(label, method.0, json!({})).all_pages();
        vec![Move::Send(list("first")), Move::Send(list("second").place(1)), Move::Send(list("again"))]
    })
    .line(Line::Own)
    .between(MODERN_FIRST, "9999");

/// Lists that can be asked for on a new connection, and the capability that each needs.
const FRESH_LISTS: &[(&str, &str)] =
    &[("tools/list", "tools"), ("resources/list", "resources"), ("prompts/list", "prompts")];

/// What is required in `_meta`, left out or wrong.
pub static WRONG_META: Exercise = Exercise::new(
    "wrong-meta",
    "server/discover with a version that does not exist, and without each required part of _meta",
    |_| {
        let version = discover("version").envelope(with(&json!({VERSION: NO_VERSION})));
        vec![
            Move::Send(version.header("MCP-Protocol-Version", NO_VERSION)),
            Move::Send(discover("no-meta").envelope(Envelope::None)),
            Move::Send(discover("no-version").envelope(Envelope::Without(&[VERSION]))),
            Move::Send(discover("no-capabilities").envelope(Envelope::Without(&[CAPABILITIES]))),
        ]
    },
)
.class(Class::Invasive)
.line(Line::Own)
.between(MODERN_FIRST, "9999");

/// Methods that the modern era took out. `initialize` is not among them: servers of both eras have it.
pub static REMOVED: Exercise =
    Exercise::new("removed", "requests of the legacy era with the _meta of the modern one", |situation| {
        let uri = situation.list("resources/list").first().and_then(|resource| resource.get("uri"));
        let uri = uri.and_then(Value::as_str).unwrap_or("mcp-probe://none");
        let request = |method: &'static str, params: Value| Move::Send(Send::request(method, method, params));
        // Some servers want the name of the resource in a header before they look at the method.
        let named = |method: &'static str| {
            let send = Send::request(method, method, json!({"uri": uri}));
            Move::Send(send.header("Mcp-Name", headers::encode(uri)))
        };
        vec![
            request("ping", json!({})),
            request("logging/setLevel", json!({"level": "info"})),
            named("resources/subscribe"),
            named("resources/unsubscribe"),
        ]
    })
    .class(Class::Invasive)
    .line(Line::Own)
    .between(MODERN_FIRST, "9999");

/// What a client of the legacy era says first. A session that comes of it is ended.
pub static LEGACY_HELLO: Exercise =
    Exercise::new("legacy-hello", "initialize as a client of the legacy era sends it", |situation| {
        let params = legacy::initialize_params(Revision::newest(Era::Legacy), &Answers::default());
        let mut hello = Send::request("initialize", "initialize", params).envelope(Envelope::None);
        if situation.transport == TransportKind::StreamableHttp {
            hello = hello.without("MCP-Protocol-Version").without("Mcp-Method");
        }
        vec![Move::Send(hello)]
    })
    .class(Class::Invasive)
    .line(Line::Bare)
    .between(MODERN_FIRST, "9999");

/// A log level that does not exist.
pub static NO_LEVEL: Exercise =
    Exercise::new("no-level", "a request whose _meta asks for a log level that does not exist", |situation| {
        if !situation.declares("logging") {
            return Vec::new();
        }
        let method = FRESH_LISTS.iter().copied().find(|(_, needs)| situation.declares(needs));
        let method = method.map_or("server/discover", |(method, _)| method);
        let asked = Send::request("unknown", method, json!({}));
        vec![Move::Send(asked.envelope(with(&json!({LEVEL: "banana"}))))]
    })
    .class(Class::Invasive)
    .line(Line::Own)
    .between(MODERN_FIRST, "9999");

/// The named tools, asked for their log messages from a level on.
pub static LOGGING: Exercise =
    Exercise::new("logging", "each named tool is called and asked for log messages from a level on", |situation| {
        if !situation.declares("logging") {
            return Vec::new();
        }
        let calls = situation.tools.iter().map(|named| call("call", named));
        calls.map(|call| Move::Send(call.envelope(with(&json!({LEVEL: LEAST_LEVEL}))))).collect()
    })
    .class(Class::Calls)
    .line(Line::Own)
    .between(MODERN_FIRST, "9999");

/// The completion of the first argument of a listed prompt.
fn completion(situation: &Situation<'_>) -> Option<Send> {
    let named = |prompt: &Value| {
        let argument = prompt.get("arguments")?.get(0)?.get("name")?.as_str()?.to_owned();
        Some((prompt.get("name")?.as_str()?.to_owned(), argument))
    };
    let (prompt, argument) = situation.list("prompts/list").iter().find_map(named)?;
    let params = json!({"ref": {"type": "ref/prompt", "name": prompt}, "argument": {"name": argument, "value": ""}});
    Some(Send::request("completion/complete", "completion/complete", params))
}

fn discover(label: &'static str) -> Send {
    Send::request(label, "server/discover", json!({}))
}

/// The call of a tool that the user named.
pub(super) fn call(label: &'static str, named: &Named) -> Send {
    Send::request(label, "tools/call", json!({"name": named.name, "arguments": named.arguments}))
}

/// The envelope with these members besides.
pub(super) fn with(members: &Value) -> Envelope {
    Envelope::With(members.as_object().cloned().unwrap_or_else(Map::new))
}

/// The envelope of a client that has these capabilities.
pub(super) fn capable(capabilities: &Value) -> Envelope {
    with(&json!({CAPABILITIES: capabilities}))
}

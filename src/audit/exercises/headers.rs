//! Exercises about the HTTP headers of the protocol: versions that do not exist, and in 2026-07-28 headers against the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::exercise::{Envelope, Exercise, Line, Move, Send, Situation};
use super::super::rule::{Class, HTTP, LEGACY_LAST, MODERN_FIRST};
use super::base::plain;
use crate::protocol::headers;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&UNVERSIONED, &SPELLINGS, &UNKNOWN_VERSIONS, &MISMATCHES, &PARAMETERS];

const VERSION: &str = "MCP-Protocol-Version";
const METHOD: &str = "Mcp-Method";
const NAME: &str = "Mcp-Name";
/// What no prefix of a sentinel decodes to.
const NOT_BASE64: &str = "=?base64?!!!?=";

/// A request as clients sent it before the version had a header.
pub static UNVERSIONED: Exercise =
    Exercise::new("no-version-header", "a request without MCP-Protocol-Version", |situation| {
        vec![Move::Send(plain(situation, "unversioned").without(VERSION))]
    })
    .between("2025-06-18", LEGACY_LAST)
    .over(HTTP);

/// Versions that no server can have agreed on.
pub static UNKNOWN_VERSIONS: Exercise =
    Exercise::new("unknown-versions", "requests with versions in the header that do not exist", |situation| {
        let of = |label, version: &str| Move::Send(plain(situation, label).header(VERSION, version));
        vec![of("word", "foobar"), of("past", "2000-01-01"), of("future", "2099-01-01")]
    })
    .class(Class::Invasive)
    .between("2025-06-18", LEGACY_LAST)
    .over(HTTP)
    .line(Line::Own);

/// Headers that are unusual and right.
pub static SPELLINGS: Exercise = Exercise::new(
    "unusual-headers",
    "requests with spaces around a header, with an encoded name, with headers of the legacy era",
    spellings,
)
.between(MODERN_FIRST, "9999")
.over(HTTP);

fn spellings(situation: &Situation<'_>) -> Vec<Move> {
    let mut moves = Vec::new();
    // HTTP/2, which https may speak, has no spaces there.
    if situation.url.is_none_or(|url| url.starts_with("http://")) {
        moves.push(Move::Send(plain(situation, "spaces").header(METHOD, "  server/discover \t")));
    }
    if let Some((method, member, name)) = readable(situation) {
        let encoded = format!("=?base64?{}?=", STANDARD.encode(&name));
        let read = Send::request("encoded", method, json!({ member: name }));
        moves.push(Move::Send(read.header(NAME, encoded)));
    }
    moves.push(Move::Send(plain(situation, "session").header("Mcp-Session-Id", super::UNKNOWN_SESSION)));
    moves.push(Move::Send(plain(situation, "last-event").header("Last-Event-ID", "mcp-probe-1")));
    moves
}

/// Something with a name that can be read without any effect: a resource, or a prompt that wants no arguments.
fn readable(situation: &Situation<'_>) -> Option<(&'static str, &'static str, String)> {
    if situation.is_dry() {
        return Some(("resources/read", "uri", "the first resource of the list".to_owned()));
    }
    let text = |item: &Value, member: &str| item.get(member).and_then(Value::as_str).map(str::to_owned);
    let resource = situation.list("resources/list").iter().find_map(|item| text(item, "uri"));
    let wants_nothing = |prompt: &&Value| {
        let arguments = prompt.get("arguments").and_then(Value::as_array);
        arguments.is_none_or(|all| all.iter().all(|one| one.get("required") != Some(&Value::Bool(true))))
    };
    let prompts = situation.list("prompts/list").iter();
    let prompt = || prompts.filter(wants_nothing).find_map(|item| text(item, "name"));
    resource.map(|uri| ("resources/read", "uri", uri)).or_else(|| prompt().map(|name| ("prompts/get", "name", name)))
}

/// Headers that are missing, or say something else than the body.
pub static MISMATCHES: Exercise =
    Exercise::new("wrong-headers", "requests whose headers are missing or differ from the body", mismatches)
        .class(Class::Invasive)
        .between(MODERN_FIRST, "9999")
        .over(HTTP)
        .line(Line::Own);

fn mismatches(situation: &Situation<'_>) -> Vec<Move> {
    let method = if situation.declares("tools") { "tools/list" } else { "server/discover" };
    let request = |label| Send::request(label, method, json!({}));
    let mut other = Map::new();
    other.insert("io.modelcontextprotocol/protocolVersion".to_owned(), "v999.0.0".into());
    let mut sends = vec![
        request("version-differs").envelope(Envelope::With(other)),
        request("version-missing").without(VERSION),
        request("method-missing").without(METHOD),
        request("method-differs").header(METHOD, "prompts/list"),
        request("method-case").header(METHOD, method.to_ascii_uppercase()),
    ];
    if let Some((method, member, name)) = readable(situation) {
        let read = |label| Send::request(label, method, json!({ member: name }));
        sends.push(read("name-missing").without(NAME));
        sends.push(read("name-differs").header(NAME, "mcp-probe-another"));
    }
    sends.into_iter().map(Move::Send).collect()
}

/// Calls of tools that mark an argument for a header.
pub static PARAMETERS: Exercise =
    Exercise::new("argument-headers", "calls whose headers repeat an argument well, wrongly or not at all", parameters)
        .class(Class::Calls)
        .between(MODERN_FIRST, "9999")
        .over(HTTP)
        .line(Line::Own);

fn parameters(situation: &Situation<'_>) -> Vec<Move> {
    let mut sends = Vec::new();
    for tool in situation.tools {
        let listed = situation.list("tools/list").iter().find(|listed| listed.get("name") == Some(&json!(tool.name)));
        let Some(schema) = listed.and_then(|listed| listed.get("inputSchema")) else { continue };
        let call = |label| Send::request(label, "tools/call", json!({"name": tool.name, "arguments": tool.arguments}));
        match headers::of_arguments(schema, &tool.arguments).into_iter().next() {
            Some((header, value)) => {
                let plain = value.strip_prefix("=?base64?").is_none();
                if plain {
                    let encoded = format!("=?base64?{}?=", STANDARD.encode(&value));
                    sends.push(call("encoded").header(header.clone(), encoded));
                }
                sends.push(call("missing").without(header.clone()));
                sends.push(call("broken").header(header, NOT_BASE64));
            }
            None if marks_an_argument(schema) => sends.push(call("absent")),
            None => {}
        }
    }
    sends.into_iter().map(Move::Send).collect()
}

/// Whether some property at the top of a schema is marked for a header.
fn marks_an_argument(schema: &Value) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|all| all.values().any(|property| property.get("x-mcp-header").is_some()))
}

//! Exercises about resources, and about the names, cursors and levels that nobody gave: they read one thing that is listed,
//! and ask for things that are not.

use serde_json::{Value, json};

use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::{Class, LEGACY_LAST};

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&READ, &SUBSCRIBE, &NO_SUCH_THING];

/// A resource that nobody has.
pub(in super::super) const NO_SUCH_URI: &str = "x-mcp-probe://no-such-resource";
/// A prompt that nobody has.
pub(in super::super) const NO_SUCH_PROMPT: &str = "x_mcp_probe_no_such_prompt";
/// A cursor that nobody gave.
pub(in super::super) const NO_SUCH_CURSOR: &str = "x-mcp-probe-no-such-cursor";
/// Where a path that climbs out of its folder would lead.
const OUTSIDE: &str = "/etc/passwd";
/// Resources that say they are larger are not read.
const SIZE_MAX: u64 = 1 << 20;
/// How often a path climbs.
const CLIMBS: usize = 12;

/// The first listed resource of a bearable size.
pub static READ: Exercise = Exercise::new("read", "the first resource that is listed", |situation| {
    let send = |uri: &str| vec![Move::Send(Send::request("read", "resources/read", json!({ "uri": uri })))];
    if situation.is_dry() {
        return send("URI");
    }
    let small = |item: &&Value| item.get("size").and_then(Value::as_u64).is_none_or(|size| size <= SIZE_MAX);
    situation.list("resources/list").iter().find(small).and_then(uri_of).map_or_else(Vec::new, send)
});

/// The first listed resource, followed and no longer followed.
pub static SUBSCRIBE: Exercise =
    Exercise::new("subscribe", "subscribes to the first resource that is listed, and no longer", |situation| {
        let uri = if situation.is_dry() { Some("URI") } else { first_uri(situation) };
        let Some(uri) = uri.filter(|_| situation.declares("resources.subscribe")) else { return Vec::new() };
        let send = |label, method: &'static str| Move::Send(Send::request(label, method, json!({ "uri": uri })));
        vec![send("subscribe", "resources/subscribe"), send("unsubscribe", "resources/unsubscribe")]
    })
    .between("2024-11-05", LEGACY_LAST);

/// Resources, prompts, cursors, completions and log levels that do not exist.
pub static NO_SUCH_THING: Exercise = Exercise::new(
    "no-such-thing",
    "a resource, a prompt, a cursor, a completion and a log level that do not exist; a file outside; a prompt without its \
     argument",
    no_such_thing,
)
.class(Class::Invasive)
.line(Line::Own);

fn no_such_thing(situation: &Situation<'_>) -> Vec<Move> {
    let send = |label, method: &'static str, params| Move::Send(Send::request(label, method, params));
    let mut moves = Vec::new();
    if situation.declares("resources") {
        moves.push(send("resource", "resources/read", json!({ "uri": NO_SUCH_URI })));
        let climbing = situation.list("resources/list").iter().filter_map(uri_of).find_map(climbs);
        for (label, uri) in climbing.into_iter().flatten() {
            moves.push(send(label, "resources/read", json!({ "uri": uri })));
        }
    }
    if situation.declares("prompts") {
        moves.push(send("prompt", "prompts/get", json!({ "name": NO_SUCH_PROMPT })));
        if let Some(name) = situation.list("prompts/list").iter().find_map(needing) {
            moves.push(send("argument", "prompts/get", json!({ "name": name, "arguments": {} })));
        }
    }
    let mut lists = situation.revision.methods.iter().filter(|method| method.list.is_some());
    let list = lists.find(|method| method.capability.is_some_and(|capability| situation.declares(capability)));
    if let Some(list) = list {
        moves.push(send("cursor", list.name, json!({ "cursor": NO_SUCH_CURSOR })));
    }
    let completion = json!({"ref": {"type": "ref/prompt", "name": NO_SUCH_PROMPT},
                            "argument": {"name": "x", "value": ""}});
    if situation.revision.version >= "2025-03-26" {
        moves.push(send("completion", "completion/complete", completion));
    }
    if situation.revision.method("logging/setLevel").is_some() && situation.declares("logging") {
        moves.push(send("level", "logging/setLevel", json!({"level": "x-mcp-probe-loud"})));
    }
    moves
}

fn uri_of(item: &Value) -> Option<&str> {
    item.get("uri").and_then(Value::as_str)
}

fn first_uri<'a>(situation: &'a Situation<'_>) -> Option<&'a str> {
    situation.list("resources/list").iter().find_map(uri_of)
}

/// A prompt that needs an argument.
fn needing(prompt: &Value) -> Option<&str> {
    let mut arguments = prompt.get("arguments")?.as_array()?.iter();
    let needs = arguments.any(|argument| argument.get("required") == Some(&Value::Bool(true)));
    prompt.get("name").and_then(Value::as_str).filter(|_| needs)
}

/// Paths that climb out of the folder of a file, as they are and with the dots escaped.
fn climbs(uri: &str) -> Option<[(&'static str, String); 2]> {
    let path = uri.strip_prefix("file://")?;
    let folder = &uri[..uri.len() - path.len() + path.rfind('/')?];
    let climb = |up: &str| format!("{folder}{}{OUTSIDE}", format!("/{up}").repeat(CLIMBS));
    Some([("climb", climb("..")), ("climb-escaped", climb("%2e%2e"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn climbing_starts_from_the_folder_of_a_file() {
        let [(_, plain), (_, escaped)] = climbs("file:///srv/docs/a.md").unwrap();
        assert!(plain.starts_with("file:///srv/docs/../") && plain.ends_with("/../etc/passwd"), "{plain}");
        assert!(escaped.starts_with("file:///srv/docs/%2e%2e/"), "{escaped}");
        assert!(climbs("demo://a/b").is_none());
    }
}

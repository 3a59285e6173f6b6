//! Exercises that call the tools the user named with `--tool`, with the arguments that were given. What goes beyond one such
//! call is sent only to tools that say of themselves that they only read.

use serde_json::{Map, Value, json};

use super::super::exercise::{Exercise, Line, Move, Send};
use super::super::rule::{Class, LEGACY_LAST};
use super::tools::read_only;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&CALLS, &LEFT_OUT, &QUIET_CALL];

/// Every named tool, once, with a progress token; then the first that only reads, as a task, of a server that has not declared
/// that it makes tasks of calls.
pub static CALLS: Exercise = Exercise::new(
    "calls",
    "every tool that was named, with its arguments and a progress token; one that only reads also as a task, where no tasks \
     were declared",
    |situation| {
        let calls = situation.tools.iter().enumerate().map(|(at, named)| {
            let mut params = call(&named.name, &named.arguments);
            params["_meta"] = json!({"progressToken": format!("mcp-probe-progress-{}", at + 1)});
            Move::Send(Send::request("call", "tools/call", params))
        });
        let knows_tasks = situation.revision.version >= "2025-11-25";
        let unasked = knows_tasks && !situation.declares("tasks.requests.tools.call");
        let first = read_only(situation).next().filter(|_| unasked);
        let as_task = first.map(|(name, arguments, _)| {
            let mut params = call(name, arguments);
            params["task"] = json!({"ttl": 60_000});
            Move::Send(Send::request("task", "tools/call", params))
        });
        calls.chain(as_task).collect()
    },
)
.class(Class::Calls);

/// Every named tool that only reads, without one argument that its schema requires.
pub static LEFT_OUT: Exercise =
    Exercise::new("left-out", "named tools that only read, without one required argument each", |situation| {
        let calls = read_only(situation).filter_map(|(name, arguments, tool)| {
            let left_out = required(tool.get("inputSchema")?)?;
            let mut arguments = arguments.as_object().cloned().unwrap_or_default();
            arguments.shift_remove(left_out);
            Some(Move::Send(Send::request("left-out", "tools/call", call(name, &Value::Object(arguments)))))
        });
        calls.collect()
    })
    .class(Class::Calls);

/// The named tools that only read, after the log was asked to tell only of warnings and worse.
pub static QUIET_CALL: Exercise =
    Exercise::new("quiet-call", "named tools that only read, with the log set to warning", |situation| {
        let calls: Vec<Move> = read_only(situation)
            .map(|(name, arguments, _)| Move::Send(Send::request("quiet", "tools/call", call(name, arguments))))
            .collect();
        if calls.is_empty() || !situation.declares("logging") {
            return Vec::new();
        }
        let level = |label, level| Move::Send(Send::request(label, "logging/setLevel", json!({ "level": level })));
        // A server may keep one level for all its clients, so the usual one is set again.
        [level("level", "warning")].into_iter().chain(calls).chain([level("restore", "info")]).collect()
    })
    .class(Class::Calls)
    .line(Line::Own)
    .between("2024-11-05", LEGACY_LAST);

fn call(name: &str, arguments: &Value) -> Value {
    let arguments = if arguments.is_object() { arguments.clone() } else { Value::Object(Map::new()) };
    json!({"name": name, "arguments": arguments})
}

/// The first required parameter that has no default.
pub(in super::super) fn required(schema: &Value) -> Option<&str> {
    let names = schema.get("required")?.as_array()?.iter().filter_map(Value::as_str);
    let defaults = |name: &str| schema.get("properties").and_then(|all| all.get(name)?.get("default")).is_some();
    names.into_iter().find(|name| !defaults(name))
}

//! Exercises about tools: the list once more, and calls that no correct client makes. Nothing here calls a tool that was not
//! named by the user.

use serde_json::{Value, json};

use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::Class;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&LIST_AGAIN, &MISUSED_TOOLS];

/// The name of a tool that nobody has.
pub(in super::super) const NO_SUCH_TOOL: &str = "x_mcp_probe_no_such_tool";

/// The first page of the tools once more.
pub static LIST_AGAIN: Exercise = Exercise::new("list-again", "the first page of the tools once more", |situation| {
    // One tool has no order.
    if !situation.declares("tools") || !(situation.is_dry() || situation.list("tools/list").len() > 1) {
        return Vec::new();
    }
    vec![Move::Send(Send::request("again", "tools/list", json!({})))]
});

/// Calls that can reach no tool, and arguments that are no object, for a tool that the user named and that only reads.
pub static MISUSED_TOOLS: Exercise = Exercise::new(
    "misused-tools",
    "a call of a tool that does not exist, one without a name, and one whose arguments are an array",
    |situation| {
        if !situation.declares("tools") {
            return Vec::new();
        }
        let call = |label, params| Move::Send(Send::request(label, "tools/call", params));
        let mut moves = vec![
            call("unknown", json!({"name": NO_SUCH_TOOL, "arguments": {}})),
            call("nameless", json!({"arguments": {}})),
        ];
        if let Some(tool) = read_only(situation).next() {
            moves.push(call("array", json!({"name": tool.0, "arguments": ["x"]})));
        }
        moves
    },
)
.class(Class::Invasive)
.line(Line::Own);

/// The tools that the user named and that say of themselves that they only read: name, arguments, definition.
pub(super) fn read_only<'a>(situation: &'a Situation<'_>) -> impl Iterator<Item = (&'a str, &'a Value, &'a Value)> {
    let listed = situation.list("tools/list");
    situation.tools.iter().filter_map(|named| {
        let tool = listed.iter().find(|tool| tool.get("name").and_then(Value::as_str) == Some(&named.name))?;
        let reads = tool.get("annotations")?.get("readOnlyHint")? == true;
        reads.then_some((named.name.as_str(), &named.arguments, tool))
    })
}

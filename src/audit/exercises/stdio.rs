//! Exercises about stdio: what is said before the opening, and calls that are cancelled.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::{Class, LEGACY_LAST, STDIO};
use super::base::settled;
use crate::protocol::{Answers, legacy};

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&EARLY_DISCOVER, &CANCEL];

/// Tools that are called to be cancelled.
const CANCELLED_MAX: usize = 3;
/// A tool that takes longer than this is not seen to answer.
const CANCELLED_WAIT: Duration = Duration::from_millis(1_500);

/// What a client of the modern era begins with, then the opening of the legacy era on the same pipe.
pub static EARLY_DISCOVER: Exercise =
    Exercise::new("early-request", "server/discover before initialize, on one pipe", |situation| {
        let params = legacy::initialize_params(situation.revision, &Answers::default());
        vec![
            Move::Send(Send::request("discover", "server/discover", Value::Null).id("mcp-probe-early")),
            Move::Send(Send::request("opening", "initialize", params)),
        ]
    })
    .class(Class::Invasive)
    .between("2024-11-05", LEGACY_LAST)
    .over(STDIO)
    .line(Line::Bare);

/// Calls that are cancelled at once, of a server that has answered something: one that starts finds both in its pipe.
pub static CANCEL: Exercise = Exercise::new("cancelled-calls", "calls that are cancelled at once", cancelled)
    .class(Class::Calls)
    .over(STDIO)
    .line(Line::Own);

fn cancelled(situation: &Situation<'_>) -> Vec<Move> {
    const IDS: [&str; CANCELLED_MAX] = ["mcp-probe-cancel-1", "mcp-probe-cancel-2", "mcp-probe-cancel-3"];
    let tools = situation.tools.iter().zip(IDS);
    let call = |(tool, id): (&super::super::exercise::Named, &str)| {
        let params = json!({"name": tool.name, "arguments": tool.arguments});
        let cancel = json!({"requestId": id, "reason": "no longer needed"});
        Move::Together(vec![
            Send::request("call", "tools/call", params).id(id).listening(CANCELLED_WAIT),
            Send::notification("cancel", "notifications/cancelled", cancel).listening(Duration::ZERO),
        ])
    };
    settled(situation, tools.map(call).collect())
}

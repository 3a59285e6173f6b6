//! Exercises about JSON-RPC itself: ids of both types, methods that nobody has, bytes that are no message.

use serde_json::{Value, json};

use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::Class;
use crate::event::Era;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&IDS, &UNKNOWN_METHOD];

/// A request that every server of the revision answers.
fn plain(situation: &Situation<'_>, label: &'static str) -> Send {
    match situation.revision.era {
        Era::Legacy => Send::request(label, "ping", Value::Null),
        Era::Modern => Send::request(label, "server/discover", json!({})),
    }
}

/// Ids of both types.
pub static IDS: Exercise =
    Exercise::new("ids", "the same request with a text and with a number as its id", |situation| {
        vec![
            Move::Send(plain(situation, "text").id("mcp-probe-s1")),
            Move::Send(plain(situation, "number").id(900_719_925)),
        ]
    });

/// A method that no revision has.
pub static UNKNOWN_METHOD: Exercise =
    Exercise::new("unknown-method", "a request for a method that does not exist, then an ordinary one", |situation| {
        vec![Move::Send(Send::request("unknown", "x-mcp-probe/none", json!({}))), Move::Send(plain(situation, "after"))]
    })
    .class(Class::Invasive)
    .line(Line::Own);

//! Exercises about Streamable HTTP as such: the verbs, what is accepted and sent, streams that are dropped.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::exercise::{Envelope, Exercise, Line, Move, SILENCE, Send, Situation};
use super::super::rule::{Class, HTTP, LEGACY_LAST, MODERN_FIRST};
use super::base::plain;
use crate::protocol::{Answers, Revision, legacy};

/// After so long a request has reached the server.
const BEGUN: Duration = Duration::from_millis(50);

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&VERBS, &DROPPED, &MEDIA];

/// GET and DELETE, which 2026-07-28 has no use for; then `initialize`, which tells whether the server serves older clients
/// that have.
pub static VERBS: Exercise =
    Exercise::new("verbs", "GET and DELETE, then what a client of the legacy era begins with", |_| {
        vec![
            Move::Send(Send::get("get", SILENCE)),
            Move::Send(Send::delete("delete")),
            Move::Send(legacy_opening("legacy")),
        ]
    })
    .between(MODERN_FIRST, "9999")
    .over(HTTP)
    .line(Line::Own);

/// `initialize` as an older client sends it, on a line of the modern era.
fn legacy_opening(label: &'static str) -> Send {
    let revision = Revision::of(LEGACY_LAST);
    let params = revision.map_or(Value::Null, |revision| legacy::initialize_params(revision, &Answers::default()));
    Send::request(label, "initialize", params)
        .envelope(Envelope::None)
        .without("MCP-Protocol-Version")
        .without("Mcp-Method")
}

/// A request that is given up by closing its stream, then one that is not.
pub static DROPPED: Exercise =
    Exercise::new("dropped-stream", "a request that is given up, then one that is waited for", |situation| {
        let method = if situation.declares("tools") { "tools/list" } else { "server/discover" };
        vec![
            Move::Send(Send::request("dropped", method, json!({})).listening(BEGUN)),
            // What the server does about it, it may do only when it writes the answer.
            Move::Listen(SILENCE),
            Move::Send(plain(situation, "after")),
        ]
    })
    .between(MODERN_FIRST, "9999")
    .over(HTTP)
    .line(Line::Own);

/// What a client accepts and sends, wrongly said.
pub static MEDIA: Exercise =
    Exercise::new("media-types", "requests that accept only a web page, and that say they are text", media)
        .class(Class::Invasive)
        .between("2025-03-26", "9999")
        .over(HTTP)
        .line(Line::Own);

fn media(situation: &Situation<'_>) -> Vec<Move> {
    vec![
        Move::Send(plain(situation, "accept").header("Accept", "text/html")),
        Move::Send(plain(situation, "content-type").header("Content-Type", "text/plain")),
    ]
}

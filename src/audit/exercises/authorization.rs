//! Exercises about servers that want credentials: what they say to a request that has none, where that leads, and whether
//! they look at what they are given.

use serde_json::{Value, json};

use super::super::discovery;
use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::{Class, HTTP};
use super::super::shot::Shot;
use crate::event::Era;
use crate::protocol::{Answers, legacy};

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&ANONYMOUS, &ANONYMOUS_LATER, &UNKNOWN_TOKEN];

/// A token that nobody has given out.
pub const TOKEN: &str = "x-mcp-probe";

/// The opening of the era.
fn opening(situation: &Situation<'_>) -> Send {
    match situation.revision.era {
        Era::Modern => Send::request("opening", "server/discover", json!({})),
        Era::Legacy => {
            let params = legacy::initialize_params(situation.revision, &Answers::default());
            Send::request("opening", "initialize", params)
        }
    }
}

/// The opening without credentials, and the documents that the refusal leads to.
pub static ANONYMOUS: Exercise = Exercise::new(
    "anonymous",
    "where a server wants credentials: the opening without any, then the documents that its refusal leads to",
    |situation| {
        if !situation.guarded {
            return Vec::new();
        }
        vec![Move::Trail(opening(situation).anonymous(), following)]
    },
)
.over(HTTP)
.between("2025-03-26", "9999")
.line(Line::Bare)
.of_refused();

fn following(situation: &Situation<'_>, shots: &[Shot]) -> Option<Send> {
    // Who is served needs no way in.
    if shots.first()?.result().is_some() {
        return None;
    }
    discovery::next(situation.revision, situation.url?, shots)
}

/// The lists without credentials, in a session that was opened with them.
pub static ANONYMOUS_LATER: Exercise = Exercise::new(
    "anonymous-later",
    "where a server wants credentials: the lists without any, in a session that was opened with them",
    |situation| {
        if !situation.guarded {
            return Vec::new();
        }
        let ping = (situation.revision.era == Era::Legacy).then(|| Send::request("ping", "ping", Value::Null));
        let lists = ["tools/list", "resources/list", "prompts/list"];
        let offered = lists.into_iter().filter(|method| {
            let capability = method.split('/').next().unwrap_or_default();
            situation.is_dry() || situation.declares(capability)
        });
        // Of a server that refuses everything else nothing is known, and it has one list most likely.
        let offered: Vec<&'static str> = offered.collect();
        let lists = if offered.is_empty() { vec!["tools/list"] } else { offered };
        let lists = lists.into_iter().map(|method| Send::request(method, method, json!({})));
        ping.into_iter().chain(lists).map(|send| Move::Send(send.anonymous())).collect()
    },
)
.over(HTTP)
.between("2025-03-26", "9999")
.line(Line::Own)
.of_refused();

/// The opening with a token that nobody has given out.
pub static UNKNOWN_TOKEN: Exercise = Exercise::new(
    "unknown-token",
    "where a server wants credentials: the opening with a token that nobody has given out",
    |situation| {
        if !situation.guarded {
            return Vec::new();
        }
        vec![Move::Send(opening(situation).anonymous().header("Authorization", format!("Bearer {TOKEN}")))]
    },
)
.class(Class::Invasive)
.over(HTTP)
.between("2025-03-26", "9999")
.line(Line::Bare)
.of_refused();

/// Whether what was said in an exercise was said without the right credentials.
#[must_use]
pub fn is_unauthorized(exercise: &str) -> bool {
    EXERCISES.iter().any(|one| one.name == exercise)
}

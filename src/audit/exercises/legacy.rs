//! Exercises about how the legacy era opens: versions that are known and unknown, what comes before the handshake is over,
//! what is offered without having been declared.

use serde_json::{Value, json};

use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::{Class, LEGACY_LAST};
use super::base::plain;
use crate::event::Era;
use crate::protocol::{Answers, REVISIONS, Revision, legacy};
use std::time::Duration;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&OPENING, &UNDECLARED, &VERSIONS, &EARLY, &AGAIN];

/// A version that no server knows yet.
pub const FUTURE: &str = "2099-01-01";
/// A version that no server ever knew.
pub const PAST: &str = "1999-01-01";
/// What a server says before the client is ready is listened to for so long.
const UNREADY: Duration = Duration::from_millis(200);

/// `initialize` at a version.
fn hello(label: &'static str, version: &str) -> Send {
    let mut params = legacy::initialize_params(Revision::newest(Era::Legacy), &Answers::default());
    params["protocolVersion"] = version.into();
    Send::request(label, "initialize", params)
}

/// A handshake that goes no further than its first half.
pub static OPENING: Exercise = Exercise::new(
    "opening",
    "initialize at a version that does not exist yet, then 200 ms of listening before the client says that it is ready",
    |_| vec![Move::Send(hello("future", FUTURE)), Move::Listen(UNREADY)],
)
.between("2024-11-05", LEGACY_LAST)
.line(Line::Bare);

/// The lists of what was not declared.
pub static UNDECLARED: Exercise =
    Exercise::new("undeclared", "the list of each kind of thing that the server does not declare", |situation| {
        let lists = situation.revision.methods.iter().filter(|method| method.list.is_some());
        let missing = lists.filter(|method| {
            let declared = |capability| !situation.is_dry() && situation.declares(capability);
            // Templates are a part of resources.
            method.name != "resources/templates/list" && !method.capability.is_none_or(declared)
        });
        missing.map(|method| Move::Send(Send::request(method.name, method.name, json!({})))).collect()
    });

/// Every version there is, and one that never was: each on a connection of its own.
pub static VERSIONS: Exercise =
    Exercise::new("versions", "initialize at every version of the era and at one that never was", |_| {
        let known = REVISIONS.iter().filter(|revision| revision.era == Era::Legacy).map(|revision| revision.version);
        let all = known.chain([PAST]).enumerate();
        all.map(|(place, version)| Move::Send(hello(version, version).place(place))).collect()
    })
    .between("2024-11-05", LEGACY_LAST)
    .class(Class::Slow)
    .line(Line::Bare);

/// A list without a handshake.
pub static EARLY: Exercise = Exercise::new("early", "a list is asked for before initialize", |situation| {
    let lists = ["tools/list", "resources/list", "prompts/list"];
    let listed = lists.into_iter().find(|list| situation.declares(list.split('/').next().unwrap_or_default()));
    listed.map(|list| Move::Send(Send::request("early", list, Value::Null))).into_iter().collect()
})
.between("2024-11-05", LEGACY_LAST)
.class(Class::Invasive)
.line(Line::Bare);

/// A second handshake within the first.
pub static AGAIN: Exercise =
    Exercise::new("again", "initialize a second time, then an ordinary request", |situation: &Situation<'_>| {
        vec![Move::Send(hello("again", situation.revision.version)), Move::Send(plain(situation, "after"))]
    })
    .between("2024-11-05", LEGACY_LAST)
    .class(Class::Invasive)
    .line(Line::Own);

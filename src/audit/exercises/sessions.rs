//! Exercises about the sessions of Streamable HTTP, which the legacy era has.

use super::super::exercise::{Exercise, Line, Move, Send};
use super::super::rule::{Class, HTTP, LEGACY_LAST};
use super::base::plain;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&END, &SESSION_IDS];

/// An id that no server has given.
pub const UNKNOWN_SESSION: &str = "3f0c9a52-7d1e-4b86-9c33-5a1f0e8d7b64";

/// A session is ended, then used.
pub static END: Exercise =
    Exercise::new("end-session", "a session that is ended by DELETE, then a request in it", |situation| {
        vec![Move::Send(Send::delete("delete")), Move::Send(plain(situation, "after"))]
    })
    .between("2025-03-26", LEGACY_LAST)
    .over(HTTP)
    .line(Line::Own);

/// Requests outside the session.
pub static SESSION_IDS: Exercise =
    Exercise::new("session-ids", "a request without a session id, and one with an id that nobody has", |situation| {
        vec![
            Move::Send(plain(situation, "without").without("Mcp-Session-Id")),
            Move::Send(plain(situation, "unknown").header("Mcp-Session-Id", UNKNOWN_SESSION)),
        ]
    })
    .class(Class::Invasive)
    .between("2025-03-26", LEGACY_LAST)
    .over(HTTP)
    .line(Line::Own);

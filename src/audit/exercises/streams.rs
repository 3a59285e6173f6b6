//! Exercises about the event streams of Streamable HTTP.

use std::time::Duration;

use super::super::exercise::{Exercise, Line, Move, Send};
use super::super::rule::{HTTP, LEGACY_LAST};
use super::base::plain;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&LISTEN];

/// How long the streams are held.
const HELD: Duration = Duration::from_millis(600);

/// Two streams of GET are held while a request is answered.
pub static LISTEN: Exercise =
    Exercise::new("get-streams", "two event streams by GET, and a request while they are held", |situation| {
        vec![Move::Together(vec![Send::get("first", HELD), Send::get("second", HELD), plain(situation, "beside")])]
    })
    .between("2025-03-26", LEGACY_LAST)
    .over(HTTP)
    .line(Line::Own);

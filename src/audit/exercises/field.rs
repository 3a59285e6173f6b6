//! Exercises about how servers are known to fail in the field: behind a balancer, under calls at once, on streams that are held,
//! at the other spelling of their URL.

use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::{Class, HTTP, LEGACY_LAST, STDIO};
use super::base::plain;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&ACCEPTING, &SPELLING, &RECONNECTED, &AT_ONCE, &MEMORY, &HELD];

/// Calls of one session, and at once.
const CALLS: usize = 8;

/// How often memory is looked at, and after how many requests each time.
pub const WEIGHED: usize = 30;
const BETWEEN: usize = 20;

/// Both types, as other clients write them.
pub static ACCEPTING: Exercise = Exercise::new(
    "accept-spellings",
    "the same request with the two types of Accept the other way round, and with weights",
    |situation| {
        vec![
            Move::Send(plain(situation, "reversed").header("Accept", "text/event-stream, application/json")),
            Move::Send(
                plain(situation, "weighted")
                    .header("Accept", "application/json;q=1.0, text/event-stream;q=0.9, */*;q=0.1"),
            ),
        ]
    },
)
.between("2025-03-26", "9999")
.over(HTTP)
.line(Line::Own);

/// Many requests, and what is left of them in memory.
pub static MEMORY: Exercise = Exercise::new(
    "memory",
    "six hundred requests, with a look at the server's memory after every twentieth",
    |situation| {
        let request = |at: usize| match at % BETWEEN {
            0 => plain(situation, "weighed").weighed(),
            _ => plain(situation, "between"),
        };
        (1..=WEIGHED * BETWEEN).map(|at| Move::Send(request(at))).collect()
    },
)
.class(Class::Slow)
.over(STDIO)
.line(Line::Own);

/// The URL with a slash at its end, or without the one that it has.
pub static SPELLING: Exercise = Exercise::new(
    "other-spelling",
    "GET of the URL with a slash at its end, or without the one that it has; no credentials are sent",
    |situation| {
        let spelled = if situation.is_dry() { Some("the URL, spelled so".to_owned()) } else { respelled(situation) };
        spelled.into_iter().map(|url| Move::Send(Send::document("spelling", url))).collect()
    },
)
.class(Class::Slow)
.over(HTTP)
.line(Line::Bare);

fn respelled(situation: &Situation<'_>) -> Option<String> {
    let url = situation.url?;
    match url.strip_suffix('/') {
        Some(bare) => url::Url::parse(url).is_ok_and(|url| url.path() != "/").then(|| bare.to_owned()),
        None => Some(format!("{url}/")),
    }
}

/// One session, and a connection of its own for each call.
pub static RECONNECTED: Exercise = Exercise::new(
    "fresh-connections",
    "one session, and eight requests in it, each of which closes its connection",
    |situation| (0..CALLS).map(|_| Move::Send(plain(situation, "fresh").header("Connection", "close"))).collect(),
)
.class(Class::Slow)
.between("2025-03-26", LEGACY_LAST)
.over(HTTP)
.line(Line::Own);

/// Requests at once.
pub static AT_ONCE: Exercise =
    Exercise::new("calls-at-once", "eight requests that are written before any is answered", |situation| {
        vec![Move::Together((0..CALLS).map(|_| plain(situation, "beside")).collect())]
    })
    .class(Class::Slow)
    .line(Line::Own);

/// The stream of GET, held though nothing happens.
pub static HELD: Exercise =
    Exercise::new("held-stream", "the event stream by GET, held for the time of --hold", |situation| {
        vec![Move::Send(Send::get("held", situation.hold))]
    })
    .class(Class::Slow)
    .between("2025-03-26", LEGACY_LAST)
    .over(HTTP)
    .line(Line::Own);

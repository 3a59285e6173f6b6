//! Exercises about Origin and Host: what a page in somebody's browser could send to a server on his machine.

use super::super::exercise::{Exercise, Line, Move, Situation};
use super::super::rule::{ANY_HTTP, Class, HTTP};
use super::base::plain;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&OWN_ORIGIN, &FOREIGN_ORIGIN, &REBINDING];

/// A site that cannot exist.
pub const FOREIGN: &str = "attacker.invalid";

/// A request as a page of the server's own origin sends it.
pub static OWN_ORIGIN: Exercise =
    Exercise::new("own-origin", "a request with the origin of the server itself", |situation| {
        let Some(origin) = origin(situation) else { return Vec::new() };
        vec![Move::Send(plain(situation, "own").header("Origin", origin))]
    })
    .over(HTTP);

fn origin(situation: &Situation<'_>) -> Option<String> {
    if situation.is_dry() {
        return Some("http://localhost".to_owned());
    }
    let (scheme, rest) = situation.url?.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{authority}"))
}

/// A request as a page of another site sends it.
pub static FOREIGN_ORIGIN: Exercise =
    Exercise::new("foreign-origin", "a request with the origin of another site, and one with the origin null", |of| {
        vec![
            Move::Send(plain(of, "foreign").header("Origin", format!("https://{FOREIGN}"))),
            Move::Send(plain(of, "null").header("Origin", "null")),
        ]
    })
    .class(Class::Invasive)
    .over(ANY_HTTP)
    .line(Line::Own);

/// A request as a page sends it whose site's name was made to point to this machine.
pub static REBINDING: Exercise =
    Exercise::new("rebinding", "a request whose Host and Origin name another site", |situation| {
        if !situation.loopback || situation.url.is_some_and(|url| !url.starts_with("http://")) {
            return Vec::new();
        }
        let rebound = plain(situation, "rebound").header("Host", FOREIGN).header("Origin", format!("http://{FOREIGN}"));
        vec![Move::Send(rebound)]
    })
    .class(Class::Invasive)
    .over(HTTP)
    .line(Line::Own);

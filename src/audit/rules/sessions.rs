//! Rules of the sessions of Streamable HTTP in the legacy era: their ids, their end, requests outside them.

use std::collections::HashSet;

use super::super::exercises::{END, LISTEN, SESSION_IDS};
use super::super::rule::{HTTP, LEGACY_LAST};
use super::super::{Area, Case, Class, Exercise, Keyword, Rule, Shot, Verdict, Violation};
use super::outcome::{self, Outcome};

const SESSION: &str = "mcp-session-id";
const PAGE: &str = "basic/transports#session-management";
/// Characters that have to differ between two ids; 8 hexadecimal ones are 32 bits.
const DIFFERING_MIN: usize = 8;

pub(super) static RULES: &[Rule] = &[
    of_sessions("session.id_visible", &["H10"], id_visible).says(
        "A session id consists of visible ASCII characters only.",
        "Clients have to repeat it in a header, which can hold no others.",
        "use a UUID or hexadecimal digits.",
    ),
    of_sessions("session.id_unguessable", &["H11"], unguessable)
        .worded(Keyword::Should)
        .needs(Class::Harmless, &[&LISTEN, &END])
        .says(
            "Every session has an id of its own that nobody can guess.",
            "Whoever guesses an id can speak in somebody else's session.",
            "use a random UUID instead of a counter, a time or a constant.",
        ),
    of_sessions("session.required", &["H12"], required)
        .worded(Keyword::Should)
        .needs(Class::Invasive, &[&SESSION_IDS])
        .says(
            "A server that wants a session id answers requests without one with status 400.",
            "Clients take 404 for the end of a session and 401 for a lack of credentials, and do the wrong thing.",
            "answer 400 Bad Request where the header Mcp-Session-Id is missing.",
        ),
    of_sessions("session.delete", &["H13", "F20"], delete).worded(Keyword::May).needs(Class::Harmless, &[&END]).says(
        "DELETE ends a session, or is answered with status 405 where clients cannot end it.",
        "Sessions that are not ended stay in the server's memory.",
        "end the session upon DELETE, or answer 405 Method Not Allowed.",
    ),
    of_sessions("session.ended", &["H14", "F18", "F20"], ended).needs(Class::Harmless, &[&END]).says(
        "Requests in a session that has ended are answered with status 404.",
        "Upon 404 alone a client opens a new session; upon anything else it stays broken until somebody restarts it.",
        "look sessions up by their id, and answer 404 Not Found where there is none.",
    ),
    of_sessions("session.unknown", &["H15", "F18"], unknown).needs(Class::Invasive, &[&SESSION_IDS]).says(
        "Requests with a session id that the server does not know are answered with status 404.",
        "After a restart every session is unknown, and upon 404 alone clients open a new one.",
        "look sessions up by their id, and answer 404 Not Found where there is none.",
    ),
];

const fn of_sessions(id: &'static str, rows: &'static [&'static str], judge: fn(&Case<'_>) -> Verdict) -> Rule {
    Rule::new(id, rows, Area::Transport, judge).since("2025-03-26").until(LEGACY_LAST).over(HTTP).page(PAGE)
}

/// The answers to `initialize`, with the session ids they gave.
fn given<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot, &'a str)> + use<'a> {
    let inside = |shot: &Shot| shot.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(SESSION));
    // A further `initialize` within a session may be answered with the id of that session.
    let opened = case.all().filter(move |(_, shot)| shot.method.as_deref() == Some("initialize") && !inside(shot));
    opened.filter_map(|(place, shot)| Some((place, shot, shot.header(SESSION)?)))
}

/// Why there is nothing to say about sessions in an exercise, if that is so.
fn sessionless(case: &Case<'_>, exercise: &Exercise) -> Option<Verdict> {
    let opened = case.shot(exercise, "initialize");
    match opened {
        Some((_, shot)) if shot.result().is_none() => {
            Some(Verdict::NotExercised("no conversation could be opened for it".into()))
        }
        Some((_, shot)) if shot.header(SESSION).is_some() => None,
        _ => Some(Verdict::NotApplicable("the server gives no session ids".into())),
    }
}

fn id_visible(case: &Case<'_>) -> Verdict {
    let judged = given(case).map(|(place, _, id)| match id.chars().find(|c| !('\u{21}'..='\u{7e}').contains(c)) {
        None => Ok(()),
        Some(wrong) => {
            let actual = format!("{wrong:?} in a session id");
            Err(Violation::new("characters from 0x21 to 0x7E", actual).shown_by(place))
        }
    });
    match Verdict::of_all(judged, "") {
        Verdict::NotExercised(_) => no_ids(case),
        judged => judged,
    }
}

fn no_ids(case: &Case<'_>) -> Verdict {
    if case.all().any(|(_, shot)| shot.method.as_deref() == Some("initialize") && shot.result().is_some()) {
        Verdict::NotApplicable("the server gives no session ids".into())
    } else {
        Verdict::NotExercised("no conversation was opened".into())
    }
}

fn unguessable(case: &Case<'_>) -> Verdict {
    let ids: Vec<(usize, &str)> = given(case).map(|(place, _, id)| (place, id)).collect();
    let [(_, first), others @ ..] = ids.as_slice() else { return no_ids(case) };
    if others.is_empty() {
        return Verdict::NotExercised("only one session was opened".into());
    }
    let mut seen = HashSet::from([*first]);
    // The ids themselves are secrets: what is said about them gives nothing away.
    for (place, id) in others {
        if !seen.insert(*id) {
            let violation = Violation::new("an id for each session", "two sessions have the same id");
            return Verdict::Violates(violation.shown_by(*place));
        }
    }
    for pair in ids.windows(2) {
        let [(_, one), (place, other)] = pair else { continue };
        let differing = differing(one, other);
        if differing < DIFFERING_MIN {
            let actual = format!("two ids differ in no more than {differing} characters in a row");
            let expected = format!("ids of which at least {DIFFERING_MIN} characters are random");
            return Verdict::Violates(Violation::new(expected, actual).shown_by(*place));
        }
    }
    Verdict::Passes
}

/// Characters of the longer id without what both begin and end with.
fn differing(one: &str, other: &str) -> usize {
    let same = |of: &mut dyn Iterator<Item = (u8, u8)>| of.take_while(|(a, b)| a == b).count();
    let shorter = one.len().min(other.len());
    let begin = same(&mut one.bytes().zip(other.bytes()));
    let end = same(&mut one.bytes().rev().zip(other.bytes().rev())).min(shorter - begin);
    one.len().max(other.len()) - begin - end
}

fn required(case: &Case<'_>) -> Verdict {
    sessionless(case, &SESSION_IDS).unwrap_or_else(|| {
        outcome::judge(case, &SESSION_IDS, "without", |shot, outcome| match outcome {
            Outcome::Served => Verdict::NotApplicable("the server serves requests without a session id too".into()),
            Outcome::Refused { status: Some(400), .. } => Verdict::Passes,
            _ => Verdict::Violates(Violation::new("HTTP 400", shot.said())),
        })
    })
}

fn delete(case: &Case<'_>) -> Verdict {
    sessionless(case, &END).unwrap_or_else(|| match case.shot(&END, "delete") {
        Some((place, shot)) => match shot.status() {
            Some(200..300 | 405) => Verdict::Passes,
            Some(_) => Verdict::Violates(Violation::new("a status of the 200s, or 405", shot.said()).shown_by(place)),
            None => Verdict::NotExercised("no answer came to DELETE".into()),
        },
        None => Verdict::unsent(),
    })
}

fn ended(case: &Case<'_>) -> Verdict {
    let deleted = case.shot(&END, "delete").and_then(|(_, shot)| shot.status());
    sessionless(case, &END).unwrap_or_else(|| match deleted {
        Some(200..300) => outcome::judge(case, &END, "after", |shot, outcome| match outcome {
            Outcome::Refused { status: Some(404), .. } => Verdict::Passes,
            Outcome::Served => Verdict::Violates(Violation::new("HTTP 404", "the session that was ended is served")),
            _ => Verdict::Violates(Violation::new("HTTP 404", shot.said())),
        }),
        Some(405) => Verdict::NotApplicable("clients cannot end sessions here".into()),
        _ => Verdict::NotExercised("the session could not be ended".into()),
    })
}

fn unknown(case: &Case<'_>) -> Verdict {
    sessionless(case, &SESSION_IDS).unwrap_or_else(|| {
        outcome::judge(case, &SESSION_IDS, "unknown", |shot, outcome| match outcome {
            Outcome::Refused { status: Some(404), .. } => Verdict::Passes,
            Outcome::Refused { status: Some(400), .. } => {
                Verdict::Violates(Violation::new("HTTP 404", shot.said()).mild())
            }
            Outcome::Served => Verdict::NotApplicable("the server serves requests under any session id".into()),
            _ => Verdict::Violates(Violation::new("HTTP 404", shot.said())),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::differing;

    #[test]
    fn what_differs_between_two_ids() {
        assert_eq!(differing("session-1", "session-2"), 1);
        assert_eq!(differing("session-9", "session-10"), 2);
        assert_eq!(differing("aaa", "aaaa"), 1);
        assert_eq!(differing("x-1-y", "x-22-y"), 2);
        assert!(differing("0193c5a2-7d1e-7b86-9c33-5a1f0e8d7b64", "0193c5a2-7d1f-7ab1-8c01-f2a90b3c4d5e") > 20);
    }
}

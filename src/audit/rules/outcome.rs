//! What became of a request that was sent for a rule: it was served, it was refused, or nobody can say.

use std::borrow::Cow;

use super::super::case::cut;
use super::super::verdict::UNSENT;
use super::super::{Case, Exercise, Shot, Verdict};
use crate::event::Reason;
use crate::wire::RpcError;

/// What became of a request.
pub(super) enum Outcome<'a> {
    /// It has a result.
    Served,
    /// It was turned down, by an error, by a status, or both.
    Refused {
        /// The status, over Streamable HTTP.
        status: Option<u16>,
        /// The error.
        error: Option<&'a RpcError>,
    },
    /// No answer tells, and why.
    Unknown(Cow<'static, str>),
}

impl Outcome<'_> {
    /// The code of the error.
    pub(super) fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { error, .. } => error.map(|error| error.code),
            _ => None,
        }
    }

    /// The status of a refusal.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => *status,
            _ => None,
        }
    }
}

/// Reads a shot.
pub(super) fn of(shot: &Shot) -> Outcome<'_> {
    let status = shot.status();
    // Other statuses that excuse elsewhere may be the refusal that is wanted here.
    if let Some(busy) = shot.busy() {
        return Outcome::Unknown(format!("HTTP {busy}: the server had no time for it").into());
    }
    if shot.result().is_some() || was_not_found(shot) {
        return Outcome::Served;
    }
    if let Some(error) = shot.error() {
        return Outcome::Refused { status, error: Some(error) };
    }
    match (&shot.fault, status) {
        (Some(fault), None) if matches!(fault.reason, Reason::Http | Reason::Auth) => {
            Outcome::Refused { status: None, error: None }
        }
        (Some(fault), _) => Outcome::Unknown(cut(&fault.message).into()),
        (None, Some(status)) if !(200..300).contains(&status) => Outcome::Refused { status: Some(status), error: None },
        (None, Some(status)) => Outcome::Unknown(format!("HTTP {status} and no reply").into()),
        (None, None) => Outcome::Unknown("nothing came".into()),
    }
}

/// Whether the request came through to where methods are looked up: not every server has `ping`.
fn was_not_found(shot: &Shot) -> bool {
    let not_found = matches!(&shot.answer, Some(Err(error)) if error.code == -32601);
    not_found && shot.status().is_none_or(|status| (200..300).contains(&status))
}

/// That a request was served, for `actual`: the result itself stands in the evidence.
pub(super) fn served(shot: &Shot) -> String {
    match (shot.error(), shot.status()) {
        (Some(_), _) => format!("it came through: {}", shot.said()),
        (None, Some(status)) => format!("it was served, with HTTP {status}"),
        (None, None) => "it was served".to_owned(),
    }
}

/// Judges what became of the messages of that label in an exercise; where nobody can say, it could not be exercised.
pub(super) fn judge<'a>(
    case: &Case<'a>,
    exercise: &Exercise,
    label: &str,
    judge: impl Fn(&'a Shot, &Outcome<'a>) -> Verdict,
) -> Verdict {
    let sent = case.of(exercise).filter(|(_, shot)| shot.label == label);
    let judged = sent.map(|(place, shot)| match of(shot) {
        Outcome::Unknown(why) => Verdict::NotExercised(why),
        outcome => match judge(shot, &outcome) {
            Verdict::Violates(violation) => Verdict::Violates(violation.shown_by(place)),
            other => other,
        },
    });
    Verdict::joined(judged, UNSENT)
}

#[cfg(test)]
mod tests {
    use super::super::super::Violation;
    use super::super::modern::unless_silent;
    use super::*;

    #[test]
    fn what_a_proxy_or_a_limit_says_is_not_the_servers_answer() {
        let of_status = |status: u16| Shot::with_status("wrong-meta", "version", status);
        for status in [401, 403, 429, 502, 503, 504] {
            let verdict = unless_silent(Some((0, &of_status(status))), |_| Err(Violation::new("an error", "none")));
            assert_eq!(verdict, Verdict::NotExercised(format!("it was refused with HTTP {status}").into()));
        }
        for status in [200, 400, 404, 500] {
            let verdict = unless_silent(Some((0, &of_status(status))), |_| Err(Violation::new("an error", "none")));
            assert_eq!(verdict.name(), "violates", "{status}");
        }
    }

    #[test]
    fn a_refusal_that_is_wanted_is_not_excused() {
        for status in [401, 403, 404, 502, 504] {
            let shot = Shot::with_status("origin", "foreign", status);
            assert_eq!(of(&shot).status(), Some(status));
        }
        for status in [429, 503] {
            let shot = Shot::with_status("origin", "foreign", status);
            assert!(matches!(of(&shot), Outcome::Unknown(_)), "{status}");
        }
    }
}

//! Rules of progress notifications: only for what was asked, always forward, none after the end.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::super::case::quote;
use super::super::exercises::CALLS;
use super::super::{Area, Case, Class, Item, Rule, Shot, Verdict, Violation};
use crate::wire::Message;

const PROGRESS: &str = "notifications/progress";

pub(super) static RULES: &[Rule] = &[
    Rule::new("progress.asked", &["T27", "T26"], Area::Utilities, asked)
        .says(
            "A progress notification carries a token that the client gave with a request; without a token there is none.",
            "Clients cannot tell what it is about; some end the connection over a token they do not know.",
            "send progress only where the request has `_meta.progressToken`, and repeat it as it came.",
        )
        .page("basic/utilities/progress#behavior-requirements")
        .moved("2026-07-28", "basic/patterns/progress#behavior-requirements"),
    Rule::new("progress.increases", &["T26"], Area::Utilities, increases)
        .needs(Class::Calls, &[&CALLS])
        .says(
            "`progress` grows with every notification, and nothing comes after the response.",
            "A bar that runs backwards or past its end makes users give up on a call, and clients drop what comes late.",
            "count what is done, send only larger values, and wait for the last notification before the response.",
        )
        .page("basic/utilities/progress#progress-flow")
        .moved("2026-07-28", "basic/patterns/progress#progress-flow"),
];

/// The token that a request was sent with.
fn token_of(shot: &Shot) -> Option<Value> {
    let token = shot.params()?.get("_meta")?.get("progressToken")?.clone();
    (!token.is_null()).then_some(token)
}

fn asked(case: &Case<'_>) -> Verdict {
    if case.all().all(|(_, shot)| shot.sent.is_empty()) {
        return Verdict::NotExercised("what was sent is not known here".into());
    }
    let given: Vec<Value> = case.all().filter_map(|(_, shot)| token_of(shot)).collect();
    let judged = case.all().filter(|(_, shot)| shot.id.is_some()).map(|(place, shot)| {
        let tokens = shot.notices().filter(|(method, _)| *method == PROGRESS).map(|(_, params)| token(&params));
        let unknown: Vec<Value> = tokens.filter(|token| !given.contains(token)).collect();
        let Some(first) = unknown.first() else { return Ok(()) };
        let expected = if given.is_empty() {
            "no progress, because no request had a token".to_owned()
        } else {
            "progress for a token that was given".to_owned()
        };
        let wrong = Violation::new(expected, format!("progress for the token {}", quote(first))).shown_by(place);
        Err(Violation { others: unknown.len() - 1, ..wrong })
    });
    Verdict::of_all(judged.collect::<Vec<_>>().into_iter(), "no request was sent")
}

fn token(params: &Value) -> Value {
    params.get("progressToken").cloned().unwrap_or(Value::Null)
}

/// What is known of the calls as they are walked through in order.
#[derive(Default)]
struct Walk {
    /// The tokens of calls that were answered.
    over: HashSet<String>,
    /// How far each token has come.
    last: HashMap<String, f64>,
}

fn increases(case: &Case<'_>) -> Verdict {
    let mut walk = Walk::default();
    let mut judged = Vec::new();
    for (place, shot) in case.of(&CALLS).filter(|(_, shot)| shot.label == "call") {
        let own = token_of(shot).map(|token| token.to_string());
        for came in &shot.came {
            let Item::Frame(frame) = &came.item else { continue };
            match &frame.parsed {
                Ok(Message::Reply { id, .. }) if *id == shot.id => walk.over.extend(own.clone()),
                Ok(Message::Notification { method, params }) if method == PROGRESS => {
                    let params: Value =
                        params.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
                    judged.extend(walk.next(&params).map(|one| one.map_err(|wrong| wrong.shown_by(place))));
                }
                _ => {}
            }
        }
    }
    Verdict::of_all(judged.into_iter(), "the server sent no progress")
}

impl Walk {
    /// Judges the next notification; one whose token or value cannot be read is for other rules.
    fn next(&mut self, params: &Value) -> Option<Result<(), Violation>> {
        let token = token(params);
        let progress = params.get("progress").and_then(Value::as_f64)?;
        let name = token.to_string();
        if self.over.contains(&name) {
            let actual = format!("progress {progress} for {} behind the response", quote(&token));
            return Some(Err(Violation::new("no progress after the response", actual)));
        }
        let before = self.last.insert(name, progress);
        let Some(before) = before.filter(|before| progress <= *before) else { return Some(Ok(())) };
        let wrong = Violation::new(format!("more than {before}"), format!("progress {progress}")).at("$.progress");
        // Equal values are taken by the official tests.
        let stands = progress >= before;
        Some(Err(if stands { wrong.mild() } else { wrong }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn progress_grows_and_ends() {
        let mut walk = Walk::default();
        let mut say = |progress: f64| walk.next(&json!({"progressToken": "t", "progress": progress}));
        assert_eq!(say(0.5), Some(Ok(())));
        assert_eq!(say(1.0), Some(Ok(())));
        assert!(matches!(say(1.0), Some(Err(wrong)) if wrong.milder));
        assert!(matches!(say(0.5), Some(Err(wrong)) if !wrong.milder));
        walk.over.insert("\"t\"".to_owned());
        assert!(matches!(walk.next(&json!({"progressToken": "t", "progress": 9})), Some(Err(_))));
        assert_eq!(walk.next(&json!({"progressToken": "t"})), None);
    }
}

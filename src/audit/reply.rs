//! The rules that a single reply can show: what `expect.rules` holds the step of a probe to, and what every probe looks for
//! in the replies that it gets anyway.

use super::case::{Case, Place};
use super::exercise::Exercise;
use super::rule::Rule;
use super::shot::Shot;
use super::verdict::{Verdict, Violation};
use super::{Judgement, rules};
use crate::event::{Finding, Severity};
use crate::session::{Exchange, ServerFacts};

/// What one rule says of a reply.
#[derive(Clone, Debug)]
pub struct Said {
    /// The rule.
    pub rule: &'static Rule,
    /// How it is violated, and how much that matters; `None` where it is kept.
    pub violated: Option<(Severity, Violation)>,
}

/// Judges a reply by the rules that are wanted. What says nothing about it is left out.
#[must_use]
pub fn judge(facts: &ServerFacts, exchange: &Exchange, wanted: impl Fn(&Rule) -> bool) -> Vec<Said> {
    let mut asked = rules::all().filter(|rule| rule.is_of_steps() && wanted(rule)).peekable();
    if asked.peek().is_none() {
        return Vec::new();
    }
    let (shots, place) = (Shot::of_exchange(exchange), Place::default());
    let case = Case { facts, shots: &shots, place: &place, tools: &[], findings: None };
    let nothing_was_sent = |_: &Exercise| Err(String::new());
    asked
        .filter_map(|rule| {
            let judgement = Judgement::of(rule, &case, &nothing_was_sent);
            let severity = judgement.severity(facts.revision);
            match (judgement.verdict, severity) {
                (Verdict::Violates(violation), Some(severity)) => {
                    Some(Said { rule, violated: Some((severity, violation)) })
                }
                (Verdict::Passes, _) => Some(Said { rule, violated: None }),
                _ => None,
            }
        })
        .collect()
}

/// What every probe notices in a reply.
#[must_use]
pub fn notice(facts: &ServerFacts, exchange: &Exchange) -> Vec<Finding> {
    let said = judge(facts, exchange, |rule| rule.noticed);
    said.into_iter()
        .filter_map(|said| {
            let (severity, violation) = said.violated?;
            let actual = match violation.others {
                0 => violation.actual,
                others => format!("{}; and {others} more", violation.actual),
            };
            Some(Finding { path: violation.path, ..Finding::new(said.rule.id, severity, violation.expected, actual) })
        })
        .collect()
}

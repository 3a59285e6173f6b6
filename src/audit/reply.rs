//! The rules that a single reply can show: what `expect.rules` holds the step of a probe to, and what every probe looks for
//! in the replies that it gets anyway.

use serde_json::Value;

use super::case::{Case, Place};
use super::cost::Budgets;
use super::exercise::Exercise;
use super::offer::Offer;
use super::rule::Rule;
use super::shot::Shot;
use super::topic::Topic;
use super::verdict::{Verdict, Violation};
use super::{Judgement, clients, cost, rules, text};
use crate::check;
use crate::event::{Finding, Severity};
use crate::protocol::revision::array_member;
use crate::session::{Exchange, ServerFacts};

/// A reply that came within this is late for nobody.
pub const IN_TIME: std::time::Duration = rules::WAIT_MAX;

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

/// What every probe notices in a reply: rules of the specification, and in definitions what hides something, costs too much,
/// or makes clients refuse the whole list.
#[must_use]
pub fn notice(facts: &ServerFacts, exchange: &Exchange) -> Vec<Finding> {
    let said = judge(facts, exchange, |rule| rule.noticed);
    let broken = said.into_iter().filter_map(|said| {
        let (severity, violation) = said.violated?;
        let actual = check::more(&violation.actual, violation.others);
        Some(Finding { path: violation.path, ..Finding::new(said.rule.id, severity, violation.expected, actual) })
    });
    broken.chain(advised(facts, exchange)).collect()
}

/// The ids of what every probe looks for in definitions.
pub fn advisable() -> impl Iterator<Item = &'static Topic> {
    let grave = clients::rules().map(|rule| &rule.topic).filter(|topic| topic.severity == Severity::Error);
    grave.chain(&cost::TOPICS).chain(&text::TOPICS)
}

/// One finding for each rule about definitions: the first place, with the others counted. What only some client minds is the
/// audit's to tell.
fn advised(facts: &ServerFacts, exchange: &Exchange) -> Vec<Finding> {
    let Some(result) = exchange.result() else { return Vec::new() };
    let mut offer = Offer::new("server", facts.revision, facts.transport);
    let items = array_member(&exchange.method).and_then(|member| result.get(member)).and_then(Value::as_array);
    match (exchange.method.as_str(), items) {
        ("tools/list", Some(items)) => offer.tools = items,
        ("prompts/list", Some(items)) => offer.prompts = items,
        ("resources/list", Some(items)) => offer.resources = items,
        ("resources/templates/list", Some(items)) => offer.templates = items,
        ("initialize" | "server/discover", _) => offer.instructions = facts.instructions.as_deref(),
        _ => return Vec::new(),
    }
    let mut found = text::judge(&offer);
    if !offer.tools.is_empty() {
        found.absorb(cost::measure(&offer, None, None).judge(&Budgets::default()));
        for survival in clients::survey(&offer) {
            found.absorb(survival.findings);
        }
    }
    let mut told: Vec<Finding> = Vec::new();
    for one in found.shown() {
        let is_wanted = advisable().any(|topic| topic.id == one.topic.id);
        if is_wanted && !told.iter().any(|finding| finding.id == one.topic.id) {
            let mut finding = one.finding();
            let actual = format!("{}: {}", one.about, finding.actual);
            finding.actual = check::more(&actual, found.count(one.topic.id) - 1);
            told.push(finding);
        }
    }
    told
}

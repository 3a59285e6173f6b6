//! What an audit comes to: failed by violations that nobody has accepted, and by accepted ones that are gone.

use crate::event::{AuditOutcome, Cause, Reason, Severity, Status};

/// Settles status and cause of an audit by what was violated. `strict` counts warnings, those of advice included.
pub fn settle(outcome: &mut AuditOutcome, strict: bool) {
    if outcome.status != Status::Healthy {
        return;
    }
    let least = if strict { Severity::Warning } else { Severity::Error };
    let rules = outcome.rules.iter().filter(|rule| rule.violation.is_some() && rule.severity >= least);
    let violated = rules.filter(|rule| rule.accepted.is_none()).count();
    let advice = outcome.advice.iter().filter(|advice| advice.severity >= Severity::Warning);
    let advised = if strict { advice.filter(|advice| advice.accepted.is_none()).count() } else { 0 };
    let mut said = Vec::new();
    match violated {
        0 => {}
        1 => said.push("1 rule is violated".to_owned()),
        many => said.push(format!("{many} rules are violated")),
    }
    match advised {
        0 => {}
        1 => said.push("1 advice is not heeded (--strict)".to_owned()),
        many => said.push(format!("{many} advices are not heeded (--strict)")),
    }
    match outcome.stale.as_slice() {
        [] => {}
        [one] => said.push(format!("`{}` is accepted in {} and no longer violated: take it out", one.rule, one.place)),
        [first, rest @ ..] => said.push(format!(
            "`{}` ({}) and {} more are accepted and no longer violated: take them out",
            first.rule,
            first.place,
            rest.len()
        )),
    }
    if !said.is_empty() {
        outcome.status = Status::Failed;
        outcome.cause = Some(Cause::new(Reason::Protocol, said.join(", ")));
    }
}

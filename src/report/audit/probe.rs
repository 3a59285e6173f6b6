//! An audit as the outcome of a probe, so that every format of reports tells it: a step for each rule that was judged, with
//! one check; advice as findings.

use jiff::Timestamp;

use crate::event::{
    AuditOutcome, Cause, CheckOutcome, CheckStatus, Finding, Observed, ProbeOutcome, Reason, RuleOutcome, RuleVerdict,
    RuleViolation, Severity, Status, StepOutcome,
};

/// What the probe is called.
const NAME: &str = "audit";

/// The outcomes of these audits as those of probes. `place` says where a target is defined.
#[must_use]
pub fn outcomes(
    all: &[AuditOutcome],
    strict: bool,
    started_at: Timestamp,
    place: &dyn Fn(&str) -> Option<String>,
) -> Vec<ProbeOutcome> {
    let several = |target: &str| all.iter().filter(|one| one.target == target).count() > 1;
    all.iter()
        .map(|one| {
            let version = one.protocol.as_ref().filter(|_| several(&one.target)).map(|used| used.version.as_str());
            let name = version.map_or_else(|| NAME.to_owned(), |version| format!("{NAME} {version}"));
            outcome(one, &name, strict, started_at, place(&one.target))
        })
        .collect()
}

fn outcome(one: &AuditOutcome, name: &str, strict: bool, at: Timestamp, place: Option<String>) -> ProbeOutcome {
    let judged = one.rules.iter().filter(|rule| matches!(rule.verdict, RuleVerdict::Passes | RuleVerdict::Violates));
    let advice = one.advice.iter().filter(|advice| advice.accepted.is_none()).map(|advice| Finding {
        id: advice.id,
        severity: advice.severity,
        expected: format!("{}: {}", advice.about, advice.expected),
        actual: advice.actual.clone(),
        path: advice.path.clone(),
    });
    let cause = one.cause.clone().unwrap_or_else(|| Cause::new(Reason::Cancelled, ""));
    ProbeOutcome {
        started_at: at,
        status: one.status,
        cause: one.cause.clone(),
        connected: one.connected,
        server: one.server.clone(),
        protocol: one.protocol.clone(),
        duration: one.duration,
        attempts: vec![crate::event::AttemptOutcome {
            status: one.status,
            cause: one.cause.clone(),
            duration: one.duration,
        }],
        steps: judged.map(|rule| step(rule, strict, place.as_deref())).collect(),
        findings: one.findings.iter().cloned().chain(advice).collect(),
        observed: Observed { place: place.map(Into::into), ..Observed::default() },
        ..ProbeOutcome::not_run(name, &one.target, &std::collections::BTreeMap::new(), cause)
    }
}

fn step(rule: &RuleOutcome, strict: bool, place: Option<&str>) -> StepOutcome {
    let least = if strict { Severity::Warning } else { Severity::Error };
    let (status, check) = match (&rule.violation, &rule.accepted) {
        (None, _) => (Status::Healthy, CheckStatus::Passed),
        (Some(_), Some(_)) => (Status::Healthy, CheckStatus::Skipped),
        (Some(_), None) if rule.severity >= least => (Status::Failed, CheckStatus::Failed),
        (Some(_), None) if rule.severity == Severity::Info => (Status::Healthy, CheckStatus::Passed),
        (Some(_), None) => (Status::Degraded, CheckStatus::Warned),
    };
    let violation = rule.violation.as_ref();
    let cause = violation.filter(|_| status != Status::Healthy).map(|violation| {
        let said = format!("{} ({}): expected {}, got {}", rule.id, rule.keyword, violation.expected, violation.actual);
        Cause::new(Reason::Check, said)
    });
    let actual = match (&rule.accepted, violation) {
        (_, None) => "as it must be".to_owned(),
        (Some(reason), Some(violation)) => format!("{} (accepted: {reason})", violation.actual),
        (None, Some(violation)) => shown(rule, violation),
    };
    let evidence = violation.and_then(|violation| violation.evidence.as_ref());
    StepOutcome {
        name: rule.id.into(),
        method: "audit".into(),
        status,
        cause,
        latency: evidence.map(|evidence| evidence.took),
        first_byte: None,
        request_bytes: 0,
        response_bytes: 0,
        checks: vec![CheckOutcome {
            kind: rule.id,
            status: check,
            expected: violation.map_or_else(|| rule.what.to_owned(), |violation| violation.expected.clone()),
            actual,
            path: violation.and_then(|violation| violation.path.clone()),
            place: None,
        }],
        place: place.map(Into::into),
        span: None,
    }
}

/// What came, with the message that shows it, and what to do.
fn shown(rule: &RuleOutcome, violation: &RuleViolation) -> String {
    let mut said = violation.actual.clone() + &super::more_like_it(violation.others);
    if let Some(evidence) = &violation.evidence {
        for (name, text) in super::violations::shown(evidence) {
            said.push_str(&format!("\n{}{text}", if name.is_empty() { String::new() } else { format!("{name}: ") }));
        }
    }
    format!("{said}\nto mend it: {}\n{}", rule.mend, rule.reference)
}

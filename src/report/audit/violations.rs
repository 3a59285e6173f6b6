//! What was violated: what was expected and came, the message that shows it, how to mend it, and where it is written.

use std::borrow::Cow;
use std::cmp::Reverse;

use serde_json::Value;

use super::{field, filled, ink, more_like_it, row};
use crate::base::duration::human;
use crate::base::sanitize::one_line;
use crate::event::{AuditOutcome, RuleEvidence, RuleOutcome, RuleViolation};
use crate::report::{Ink, Look};

/// Characters of what was expected or came.
const SAID_CHARS_MAX: usize = 300;
/// Characters of a message as evidence.
const EVIDENCE_CHARS_MAX: usize = 280;
/// Things that came, as evidence.
const CAME_MAX: usize = 3;

/// The violations, the worst first.
fn violated(one: &AuditOutcome) -> Vec<(&RuleOutcome, &RuleViolation)> {
    let mut all: Vec<(&RuleOutcome, &RuleViolation)> =
        one.rules.iter().filter_map(|rule| Some((rule, rule.violation.as_ref()?))).collect();
    all.sort_by_key(|(rule, _)| Reverse(rule.severity));
    all
}

/// For a person.
pub(super) fn told(one: &AuditOutcome, look: &Look) -> String {
    violated(one).into_iter().map(|(rule, violation)| full(rule, violation, look)).collect()
}

fn full(rule: &RuleOutcome, violation: &RuleViolation, look: &Look) -> String {
    let severity = look.paint(ink(rule.severity), rule.severity.name());
    let (id, keyword) = (look.paint(Ink::Strong, rule.id), look.paint(Ink::Dim, &format!("({})", rule.keyword)));
    let mut text = format!("\n{severity} {id} {keyword}\n");
    if let Some(reason) = &rule.accepted {
        let reason = if reason.is_empty() { "accepted" } else { reason };
        text.push_str(&field("accepted", &one_line(reason, SAID_CHARS_MAX), look));
        return text;
    }
    text.push_str(&field("expected", &one_line(&violation.expected, SAID_CHARS_MAX), look));
    let others = more_like_it(violation.others);
    let path = violation.path.as_deref().map(|path| format!(" at {}", one_line(path, 120))).unwrap_or_default();
    text.push_str(&field("got", &format!("{}{path}{others}", one_line(&violation.actual, SAID_CHARS_MAX)), look));
    if let Some(evidence) = &violation.evidence {
        for (name, said) in shown(evidence) {
            text.push_str(&filled(name, &said, look));
        }
    }
    text.push_str(&field("to mend", rule.mend, look));
    // A URL that is broken into lines cannot be followed.
    text.push_str(&format!("  {}\n", look.paint(Ink::Dim, &rule.reference)));
    text
}

/// What was sent and what came, each in a line or two.
pub(super) fn shown(evidence: &RuleEvidence) -> Vec<(&'static str, String)> {
    let verb = evidence.verb.filter(|_| evidence.sent.is_empty() || evidence.verb != Some("POST"));
    let sent = [verb.unwrap_or_default(), &shortened(&evidence.sent)].join(" ");
    let mut lines = Vec::new();
    if !sent.trim().is_empty() {
        lines.push(("sent", one_line(&sent, EVIDENCE_CHARS_MAX)));
    }
    let status = evidence.status.map(|status| format!("HTTP {status}"));
    let shown = evidence.came.iter().take(CAME_MAX).map(|came| one_line(came, EVIDENCE_CHARS_MAX));
    let hidden = evidence.came.len().saturating_sub(CAME_MAX) + evidence.more;
    let more = (hidden > 0).then(|| format!("and {hidden} more"));
    let fault = evidence.fault.as_deref().map(|fault| one_line(fault, EVIDENCE_CHARS_MAX));
    let mut came: Vec<String> = status.into_iter().chain(shown).chain(more).chain(fault).collect();
    if came.is_empty() {
        came.push(format!("nothing within {}", human(evidence.took)));
    }
    lines.extend(came.into_iter().enumerate().map(|(at, said)| (if at == 0 { "came" } else { "" }, said)));
    lines
}

/// What was sent, without what every request of the modern era says.
fn shortened(sent: &str) -> Cow<'_, str> {
    const USUAL: [&str; 3] = ["protocolVersion", "clientInfo", "clientCapabilities"];
    let usual = |key: &String| key.strip_prefix("io.modelcontextprotocol/").is_some_and(|key| USUAL.contains(&key));
    let Ok(mut message) = serde_json::from_str::<Value>(sent) else { return Cow::Borrowed(sent) };
    let Some(params) = message.get_mut("params").and_then(Value::as_object_mut) else { return Cow::Borrowed(sent) };
    let meta = params.get("_meta").and_then(Value::as_object);
    if !meta.is_some_and(|meta| meta.len() == USUAL.len() && meta.keys().all(usual)) {
        return Cow::Borrowed(sent);
    }
    params.insert("_meta".to_owned(), "…".into());
    Cow::Owned(message.to_string().replace("\"_meta\":\"…\"", "\"_meta\":{…}"))
}

/// For a pipe.
pub(super) fn rows(one: &AuditOutcome) -> String {
    let told = violated(one).into_iter().filter(|(rule, _)| rule.accepted.is_none());
    told.map(|(rule, violation)| {
        row(one, rule.severity, rule.id, violation.path.as_deref(), &violation.expected, &violation.actual)
    })
    .collect()
}

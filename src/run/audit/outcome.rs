//! What an audit found, put into the words of `event`: each rule with what became of it, and the message that shows it,
//! masked and cut.

use super::Audited;
use crate::audit::{Item, Judgement, Shot, Verb, Verdict, Violation};
use crate::base::sanitize::cut;
use crate::base::secret::Masker;
use crate::event::{AuditOutcome, RuleEvidence, RuleOutcome, RuleVerdict, RuleViolation, TransportKind};
use crate::protocol::Revision;

/// Characters of what was sent, and of one thing that came, in the evidence.
const TEXT_CHARS_MAX: usize = 2_000;
/// Things that came in the evidence.
const CAME_MAX: usize = 20;

impl Audited {
    /// In the words of those who tell it; violations do not count yet.
    #[must_use]
    pub fn outcome(&self, masker: &Masker) -> AuditOutcome {
        let found = &self.found;
        let revision = self.facts.as_ref().map(|facts| facts.revision);
        let http = self.facts.as_ref().is_some_and(|facts| facts.transport != TransportKind::Stdio);
        let rules: Vec<RuleOutcome> = revision
            .into_iter()
            .flat_map(|revision| self.judged.iter().map(move |judged| (revision, judged)))
            .map(|(revision, judged)| self.rule(judged, revision, http, masker))
            .collect();
        AuditOutcome {
            target: found.target.clone(),
            status: found.status,
            cause: found.cause.clone(),
            connected: found.connected,
            server: found.server.clone(),
            protocol: found.protocol.clone(),
            duration: self.took,
            rules,
            clients: Vec::new(),
            cost: None,
            advice: Vec::new(),
            advice_left_out: Vec::new(),
            advised: false,
            stale: Vec::new(),
            findings: found.findings.clone(),
        }
    }

    fn rule(&self, judged: &Judgement, revision: &Revision, http: bool, masker: &Masker) -> RuleOutcome {
        let rule = judged.rule;
        let (verdict, why, violation) = match &judged.verdict {
            Verdict::Passes => (RuleVerdict::Passes, None, None),
            Verdict::Violates(violation) => {
                (RuleVerdict::Violates, None, Some(self.violation(violation, http, masker)))
            }
            Verdict::NotApplicable(why) => (RuleVerdict::NotApplicable, Some(why), None),
            Verdict::NotExercised(why) => (RuleVerdict::NotExercised, Some(why), None),
        };
        RuleOutcome {
            id: rule.id,
            rows: rule.rows,
            area: rule.area.name(),
            keyword: rule.keyword(revision).name(),
            severity: judged.severity(revision).unwrap_or_else(|| rule.keyword(revision).severity()),
            class: rule.class.name(),
            verdict,
            why: why.map(|why| masker.mask(why).into_owned()),
            what: rule.what,
            mend: rule.mend,
            reference: rule.reference(revision),
            violation,
            accepted: None,
        }
    }

    fn violation(&self, violation: &Violation, http: bool, masker: &Masker) -> RuleViolation {
        let shot = violation.shot.and_then(|at| self.shots.get(at));
        RuleViolation {
            expected: masker.mask(&violation.expected).into_owned(),
            actual: masker.mask(&violation.actual).into_owned(),
            path: violation.path.as_deref().map(|path| masker.mask(path).into_owned()),
            others: violation.others,
            evidence: shot.map(|shot| evidence(shot, http, masker)),
        }
    }
}

fn evidence(shot: &Shot, http: bool, masker: &Masker) -> RuleEvidence {
    // Masked first: a secret that is cut is none that is known.
    let text = |bytes: &[u8]| cut(&masker.mask(&String::from_utf8_lossy(bytes)), TEXT_CHARS_MAX);
    let came: Vec<String> = shot
        .came
        .iter()
        .filter_map(|came| match &came.item {
            Item::Frame(frame) => Some(text(&frame.raw)),
            Item::Noise(bytes) => Some(text(bytes)),
            Item::Cursor { .. } | Item::Resumed => None,
        })
        .collect();
    let masked = |(name, value): &(String, String)| (name.clone(), cut(&masker.mask(value), TEXT_CHARS_MAX));
    RuleEvidence {
        exercise: shot.exercise,
        label: shot.label,
        verb: http.then_some(match shot.verb {
            Verb::Post => "POST",
            Verb::Get => "GET",
            Verb::Delete => "DELETE",
        }),
        headers: shot.headers.iter().map(masked).collect(),
        sent: text(&shot.sent),
        status: shot.status(),
        more: came.len().saturating_sub(CAME_MAX),
        came: came.into_iter().take(CAME_MAX).collect(),
        fault: shot.fault.as_ref().map(|fault| masker.mask(&fault.message).into_owned()),
        took: shot.took,
    }
}

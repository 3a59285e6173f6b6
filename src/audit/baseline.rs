//! Violations that somebody has accepted, with a reason: a TOML file that a person reviews. New violations fail, and so does
//! what is accepted and no longer violated.

use std::sync::Arc;

use super::{rules, topic};
use crate::config::suggest::nearest;
use crate::config::tree::{self, Table, Value};
use crate::config::written::quoted;
use crate::config::{Diag, Place, Source};
use crate::event::{AuditOutcome, RuleVerdict, RuleViolation, Severity, StaleEntry};

/// The version of the format.
const VERSION: i64 = 1;

const HEAD: &str = "\
# Violations that are accepted. `mcp-probe audit --baseline FILE` fails on every other one, and on an entry whose rule is no
# longer violated. `--baseline FILE --write-baseline FILE` writes it anew and keeps the reasons.
version = 1
";

/// One violation that is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The target.
    pub target: String,
    /// The rule.
    pub rule: String,
    /// Only in this revision, where it is given.
    pub protocol: Option<String>,
    /// Only there, where it is given: nothing is accepted where the rule is violated elsewhere, too.
    pub path: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// Where it stands: `file:line:column`.
    pub place: String,
}

/// Reads a baseline.
///
/// # Errors
/// Every mistake in it, with its place.
pub fn read(source: &Arc<Source>) -> Result<Vec<Entry>, Vec<Diag>> {
    let (table, mut diags) = tree::parse_foreign(source);
    let mut entries: Vec<Entry> = Vec::new();
    match table.get("version").map(|node| &node.value) {
        Some(Value::Integer(VERSION)) => {}
        _ => {
            let place = table.get("version").map_or_else(|| Place::new(source, 0..0), |node| node.place.clone());
            diags.push(Diag::error(&place, format!("a baseline begins with `version = {VERSION}`")));
        }
    }
    for (key, node) in &table.entries {
        match (key.name.as_str(), &node.value) {
            ("version", _) => {}
            ("accepted", Value::Array(items)) => {
                for item in items {
                    match &item.value {
                        Value::Table(table) => {
                            let entry = entry(table, &item.place, &mut diags);
                            let is_same = |have: &Entry| {
                                Entry { reason: entry.reason.clone(), place: entry.place.clone(), ..have.clone() }
                                    == entry
                            };
                            if !entry.rule.is_empty() && entries.iter().any(is_same) {
                                diags.push(Diag::error(&item.place, format!("`{}` is accepted twice", entry.rule)));
                            }
                            entries.push(entry);
                        }
                        _ => diags.push(Diag::error(&item.place, "`accepted` is a list of tables: [[accepted]]")),
                    }
                }
            }
            ("accepted", _) => diags.push(Diag::error(&node.place, "`accepted` is a list of tables: [[accepted]]")),
            (name, _) => {
                let message = format!("a baseline has no key {name:?}; it has `version` and [[accepted]]");
                diags.push(Diag::error(&key.place, message));
            }
        }
    }
    if diags.is_empty() { Ok(entries) } else { Err(diags) }
}

fn entry(table: &Table, place: &Place, diags: &mut Vec<Diag>) -> Entry {
    let (line, column) = place.line_column();
    let mut entry = Entry { place: format!("{}:{line}:{column}", place.source.name), ..Entry::default() };
    for (key, node) in &table.entries {
        let Value::Text(text) = &node.value else {
            diags.push(Diag::error(&node.place, format!("`{}` must be a string", key.name)));
            continue;
        };
        let text = text.literal().map_or_else(|| text.written(), ToOwned::to_owned);
        match key.name.as_str() {
            "target" => entry.target = text,
            "rule" => {
                if !is_known(&text) {
                    let near =
                        nearest(&text, rules::all().map(|rule| rule.id).chain(topic::all().map(|topic| topic.id)));
                    let help = near.map(|near| format!("did you mean `{near}`?"));
                    diags.push(Diag::error(&node.place, format!("there is no rule `{text}`")).maybe_help(help));
                }
                entry.rule = text;
            }
            "protocol" => entry.protocol = Some(text),
            "path" => entry.path = Some(text),
            "reason" => entry.reason = text,
            name => {
                let message =
                    format!("an accepted violation has no key {name:?}; it has target, rule, protocol, path, reason");
                diags.push(Diag::error(&key.place, message));
            }
        }
    }
    for (have, key) in [(&entry.target, "target"), (&entry.rule, "rule")] {
        if have.is_empty() {
            diags.push(Diag::error(place, format!("an accepted violation needs `{key}`")));
        }
    }
    entry
}

fn is_known(id: &str) -> bool {
    super::rule(id).is_some() || topic::of(id).is_some()
}

/// The text of a baseline.
#[must_use]
pub fn text(entries: &[Entry]) -> String {
    let mut text = HEAD.to_owned();
    for entry in entries {
        text.push_str(&format!("\n[[accepted]]\ntarget = {}\nrule = {}\n", quoted(&entry.target), quoted(&entry.rule)));
        for (key, value) in [("protocol", &entry.protocol), ("path", &entry.path)] {
            if let Some(value) = value {
                text.push_str(&format!("{key} = {}\n", quoted(value)));
            }
        }
        text.push_str(&format!("reason = {}\n", quoted(&entry.reason)));
    }
    text
}

/// Marks what is accepted, and notes what is accepted and no longer violated although it was judged.
pub fn apply(entries: &[Entry], all: &mut [AuditOutcome]) {
    for entry in entries {
        let (mut used, mut judged, mut first) = (false, false, None);
        for (at, one) in all.iter_mut().enumerate().filter(|(_, one)| entry.is_about(one)) {
            first.get_or_insert(at);
            used |= entry.accept(one);
            judged |= entry.was_judged(one);
        }
        if let Some(first) = first.filter(|_| judged && !used) {
            let stale = StaleEntry { rule: entry.rule.clone(), path: entry.path.clone(), place: entry.place.clone() };
            all[first].stale.push(stale);
        }
    }
}

/// What would have to be accepted for nothing to fail, beside what `before` says of targets and rules that were not judged now.
#[must_use]
pub fn renewed(before: &[Entry], all: &[AuditOutcome], strict: bool) -> Vec<Entry> {
    let least = if strict { Severity::Warning } else { Severity::Error };
    let mut entries: Vec<Entry> = before
        .iter()
        .filter(|entry| {
            let mut about = all.iter().filter(|one| entry.is_about(one)).peekable();
            let judged = about.peek().is_some() && about.any(|one| entry.was_judged(one));
            !judged || all.iter().any(|one| entry.matches_any(one))
        })
        .cloned()
        .collect();
    for one in all {
        let rules = one.rules.iter().filter(|rule| rule.accepted.is_none() && rule.severity >= least);
        let rules = rules.filter_map(|rule| Some((rule.id, rule.violation.as_ref()?)));
        let rules = rules.map(|(id, violation)| (id, violation.path.clone().filter(|_| violation.others == 0)));
        let advice = one.advice.iter().filter(|advice| strict && advice.accepted.is_none());
        let advice = advice.filter(|advice| advice.severity >= Severity::Warning);
        for (rule, path) in rules.chain(advice.map(|advice| (advice.id, advice.path.clone()))) {
            let entry = Entry { target: one.target.clone(), rule: rule.to_owned(), path, ..Entry::default() };
            if !entries.iter().any(|have| have.covers(&entry)) {
                entries.push(entry);
            }
        }
    }
    entries
}

impl Entry {
    fn is_about(&self, one: &AuditOutcome) -> bool {
        let spoken = one.protocol.as_ref().map(|used| used.version.as_str());
        self.target == one.target && self.protocol.as_deref().is_none_or(|wanted| spoken == Some(wanted))
    }

    fn is_at(&self, path: Option<&str>) -> bool {
        self.path.as_deref().is_none_or(|wanted| path == Some(wanted))
    }

    fn covers(&self, other: &Self) -> bool {
        (&self.target, &self.rule) == (&other.target, &other.rule)
            && self.is_at(other.path.as_deref())
            && self.protocol.is_none()
    }

    /// Whether it accepts the whole of a violation, of which only the first place is known.
    fn is_all_of(&self, violation: &RuleViolation) -> bool {
        self.is_at(violation.path.as_deref()) && (self.path.is_none() || violation.others == 0)
    }

    /// Whether what it accepts may be a part of a violation.
    fn may_be_in(&self, violation: &RuleViolation) -> bool {
        self.is_at(violation.path.as_deref()) || violation.others > 0
    }

    fn matches_any(&self, one: &AuditOutcome) -> bool {
        let mut rules = one.rules.iter().filter(|rule| rule.id == self.rule);
        let of_rules = rules.any(|rule| rule.violation.as_ref().is_some_and(|violation| self.may_be_in(violation)));
        let mut advice = one.advice.iter().filter(|advice| advice.id == self.rule);
        self.is_about(one) && (of_rules || advice.any(|advice| self.is_at(advice.path.as_deref())))
    }

    /// Marks what it accepts; whether what it names is still there.
    fn accept(&self, one: &mut AuditOutcome) -> bool {
        let mut used = false;
        for rule in one.rules.iter_mut().filter(|rule| rule.id == self.rule) {
            let Some(violation) = &rule.violation else { continue };
            used |= self.may_be_in(violation);
            if self.is_all_of(violation) {
                rule.accepted = Some(self.reason.clone());
            }
        }
        for advice in one.advice.iter_mut().filter(|advice| advice.id == self.rule) {
            if self.is_at(advice.path.as_deref()) {
                advice.accepted = Some(self.reason.clone());
                used = true;
            }
        }
        used
    }

    fn was_judged(&self, one: &AuditOutcome) -> bool {
        let is_judged = |verdict| matches!(verdict, RuleVerdict::Passes | RuleVerdict::Violates);
        let rule = one.rules.iter().find(|rule| rule.id == self.rule);
        rule.map_or(topic::of(&self.rule).is_some() && one.advised, |rule| is_judged(rule.verdict))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{Advice, Era, ProtocolUsed, RuleOutcome, Status, TransportKind};

    const RULE: &str = "tools.shape";

    fn audited(version: &str, rules: Vec<RuleOutcome>) -> AuditOutcome {
        let transport = TransportKind::Stdio;
        AuditOutcome {
            target: "a".to_owned(),
            status: Status::Healthy,
            cause: None,
            connected: true,
            server: None,
            protocol: Some(ProtocolUsed { version: version.into(), era: Era::Legacy, transport }),
            duration: Duration::ZERO,
            rules,
            clients: Vec::new(),
            cost: None,
            advice: Vec::new(),
            advice_left_out: Vec::new(),
            advised: true,
            stale: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// An audit in which the rule came to this, violated at this place and at so many others.
    fn judged(version: &str, verdict: RuleVerdict, violated: Option<(&str, usize)>) -> AuditOutcome {
        let path = |path: &str| Some(path.to_owned());
        let violation =
            violated.map(|(at, others)| RuleViolation { path: path(at), others, ..RuleViolation::default() });
        let rule = RuleOutcome {
            id: RULE,
            rows: &[],
            area: "tools",
            keyword: "MUST",
            severity: Severity::Error,
            class: "passive",
            verdict,
            why: None,
            what: "",
            mend: "",
            reference: String::new(),
            violation,
            accepted: None,
        };
        audited(version, vec![rule])
    }

    fn violated(at: &str, others: usize) -> AuditOutcome {
        judged("2025-11-25", RuleVerdict::Violates, Some((at, others)))
    }

    fn passed(version: &str) -> AuditOutcome {
        judged(version, RuleVerdict::Passes, None)
    }

    fn accepted(path: Option<&str>, protocol: Option<&str>) -> Entry {
        let (path, protocol) = (path.map(str::to_owned), protocol.map(str::to_owned));
        let reason = "known".to_owned();
        Entry { target: "a".to_owned(), rule: RULE.to_owned(), protocol, path, reason, place: "b:3:1".to_owned() }
    }

    /// Of each audit, whether the violation is accepted and how many entries are stale.
    fn applied(entries: &[&Entry], mut all: Vec<AuditOutcome>) -> Vec<(bool, usize)> {
        let entries: Vec<Entry> = entries.iter().map(|entry| (*entry).clone()).collect();
        apply(&entries, &mut all);
        all.iter().map(|one| (one.rules[0].accepted.is_some(), one.stale.len())).collect()
    }

    #[test]
    fn an_entry_with_a_path_accepts_that_place_and_no_other() {
        let there = accepted(Some("$.tools[0]"), None);
        assert_eq!(applied(&[&there], vec![violated("$.tools[0]", 0)]), [(true, 0)]);
        assert_eq!(applied(&[&there], vec![violated("$.tools[1]", 0)]), [(false, 1)], "that place is mended");
        let anywhere = accepted(None, None);
        assert_eq!(applied(&[&anywhere], vec![violated("$.tools[1]", 0)]), [(true, 0)]);
        assert_eq!(applied(&[&anywhere], vec![violated("$.tools[1]", 7)]), [(true, 0)]);
    }

    #[test]
    fn a_new_violation_beside_an_accepted_place_fails() {
        let there = accepted(Some("$.tools[0]"), None);
        assert_eq!(applied(&[&there], vec![violated("$.tools[0]", 1)]), [(false, 0)]);
        // The accepted place may be one of the others.
        assert_eq!(applied(&[&there], vec![violated("$.tools[1]", 1)]), [(false, 0)]);
        let beside = accepted(Some("$.tools[1]"), None);
        assert_eq!(
            applied(&[&there, &beside], vec![violated("$.tools[0]", 1)]),
            [(false, 0)],
            "how many there are may change"
        );
        // Written anew, the file accepts it, and nothing in it is stale.
        let mut all = vec![violated("$.tools[0]", 1)];
        apply(std::slice::from_ref(&there), &mut all);
        let entries = renewed(&[there], &all, false);
        assert_eq!(entries.iter().map(|entry| entry.path.as_deref()).collect::<Vec<_>>(), [Some("$.tools[0]"), None]);
        assert_eq!(applied(&entries.iter().collect::<Vec<_>>(), vec![violated("$.tools[0]", 1)]), [(true, 0)]);
    }

    #[test]
    fn an_entry_with_a_protocol_accepts_in_that_revision_only() {
        let old = accepted(None, Some("2025-06-18"));
        let both = |first: AuditOutcome| vec![first, violated("$.a", 0)];
        assert_eq!(applied(&[&old], both(passed("2025-06-18"))), [(false, 1), (false, 0)]);
        let violates = judged("2025-06-18", RuleVerdict::Violates, Some(("$.a", 0)));
        assert_eq!(applied(&[&old], both(violates)), [(true, 0), (false, 0)]);
        assert_eq!(applied(&[&old], vec![violated("$.a", 0)]), [(false, 0)], "that revision was not spoken");
    }

    #[test]
    fn what_is_gone_is_stale_where_it_was_judged() {
        let entry = accepted(None, None);
        assert_eq!(applied(&[&entry], vec![passed("2025-11-25")]), [(false, 1)]);
        for verdict in [RuleVerdict::NotExercised, RuleVerdict::NotApplicable] {
            assert_eq!(applied(&[&entry], vec![judged("2025-11-25", verdict, None)]), [(false, 0)]);
        }
        // Violated in one revision is not gone.
        let all = vec![passed("2025-06-18"), violated("$.a", 0)];
        assert_eq!(applied(&[&entry], all), [(false, 0), (true, 0)]);
        let elsewhere = Entry { target: "b".to_owned(), ..entry.clone() };
        assert_eq!(applied(&[&elsewhere], vec![passed("2025-11-25")]), [(false, 0)]);
        // Written anew, what is gone is left out and what was not judged is kept.
        let kept = renewed(&[entry, elsewhere.clone()], &[passed("2025-11-25")], false);
        assert_eq!(kept, [elsewhere]);
    }

    #[test]
    fn advice_is_accepted_place_by_place() {
        let advice = |path: &str| Advice {
            id: "sec.control",
            severity: Severity::Warning,
            about: String::new(),
            expected: String::new(),
            actual: String::new(),
            path: Some(path.to_owned()),
            what: "",
            mend: "",
            accepted: None,
        };
        let entry = |path: &str| Entry { rule: "sec.control".to_owned(), ..accepted(Some(path), None) };
        let mut all = [AuditOutcome { advice: vec![advice("$.a"), advice("$.b")], ..passed("2025-11-25") }];
        apply(&[entry("$.b"), entry("$.c")], &mut all);
        let found: Vec<bool> = all[0].advice.iter().map(|advice| advice.accepted.is_some()).collect();
        assert_eq!((found, all[0].stale.len()), (vec![false, true], 1));
        assert_eq!(all[0].stale[0].path.as_deref(), Some("$.c"));
    }
}

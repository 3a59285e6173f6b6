//! Violations that somebody has accepted, with a reason: a TOML file that a person reviews. New violations fail, and so does
//! what is accepted and no longer violated.

use std::sync::Arc;

use super::{rules, topic};
use crate::config::suggest::nearest;
use crate::config::tree::{self, Table, Value};
use crate::config::written::quoted;
use crate::config::{Diag, Place, Source};
use crate::event::{AuditOutcome, RuleVerdict, Severity, StaleEntry};

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
    /// Only there, where it is given.
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

    fn matches_any(&self, one: &AuditOutcome) -> bool {
        let rule = |path: Option<&str>, id: &str| id == self.rule && self.is_at(path);
        let of_rules = one.rules.iter().filter_map(|of| Some((of.id, of.violation.as_ref()?.path.as_deref())));
        let of_advice = one.advice.iter().map(|of| (of.id, of.path.as_deref()));
        self.is_about(one) && of_rules.chain(of_advice).any(|(id, path)| rule(path, id))
    }

    /// Marks what it accepts; whether there was anything.
    fn accept(&self, one: &mut AuditOutcome) -> bool {
        let mut used = false;
        for rule in one.rules.iter_mut().filter(|rule| rule.id == self.rule) {
            if rule.violation.as_ref().is_some_and(|violation| self.is_at(violation.path.as_deref())) {
                rule.accepted = Some(self.reason.clone());
                used = true;
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

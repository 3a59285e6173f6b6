//! What every rule about definitions says of itself, and what is said where one is broken. A topic is a row of a static
//! table, so that it can be explained and listed; what was found points to it.

use std::collections::BTreeMap;

use crate::event::{Finding, Severity};

/// How many of one rule are shown; the rest is counted.
pub const SHOWN_MAX: usize = 20;

/// One rule, as it is explained.
#[derive(Debug, PartialEq, Eq)]
pub struct Topic {
    /// The stable id, such as `lint.undocumented_parameter`.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What was noticed.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What the server's author (or whoever configures it) does about it.
    pub mend: &'static str,
    /// Who says so; empty where it is a judgement of our own.
    pub source: &'static str,
    /// When that was so: limits of clients age. Empty where it does not.
    pub as_of: &'static str,
}

/// Every rule about definitions and configuration: clients, advice, cost, texts, launch.
pub fn all() -> impl Iterator<Item = &'static Topic> {
    let clients = super::clients::rules().map(|rule| &rule.topic);
    let lint = super::lint::rules().map(|rule| &rule.topic);
    clients.chain(lint).chain(&super::cost::TOPICS).chain(&super::text::TOPICS).chain(&super::launch::TOPICS)
}

/// The rule of that id.
#[must_use]
pub fn of(id: &str) -> Option<&'static Topic> {
    all().find(|topic| topic.id == id)
}

/// One place where a rule is broken. Texts of the server are raw and bounded; whoever shows them sanitises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The rule.
    pub topic: &'static Topic,
    /// What it is about, such as ``tool `echo` ``.
    pub about: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub actual: String,
    /// Where, as a JSONPath into the result of the list (or into the result of the handshake).
    pub path: Option<String>,
}

impl Found {
    /// As a finding of a report.
    #[must_use]
    pub fn finding(&self) -> Finding {
        Finding {
            id: self.topic.id,
            severity: self.topic.severity,
            expected: self.expected.clone(),
            actual: self.actual.clone(),
            path: self.path.clone(),
        }
    }
}

/// What was found, at most [`SHOWN_MAX`] of each rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    found: Vec<Found>,
    counts: BTreeMap<&'static str, usize>,
}

impl Findings {
    /// Adds one; beyond the bound it is only counted.
    pub fn add(&mut self, found: Found) {
        let count = self.counts.entry(found.topic.id).or_default();
        *count += 1;
        if *count <= SHOWN_MAX {
            self.found.push(found);
        }
    }

    /// Adds all of another.
    pub fn absorb(&mut self, other: Self) {
        let hidden: Vec<(&'static str, usize)> = other.left_out().collect();
        other.found.into_iter().for_each(|found| self.add(found));
        for (id, more) in hidden {
            *self.counts.entry(id).or_default() += more;
        }
    }

    /// What is shown, in the order in which it was found.
    #[must_use]
    pub fn shown(&self) -> &[Found] {
        &self.found
    }

    /// How many there are of a rule, with those that are not shown.
    #[must_use]
    pub fn count(&self, id: &str) -> usize {
        self.counts.get(id).copied().unwrap_or_default()
    }

    /// The rules of which more was found than is shown, with how many more.
    pub fn left_out(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.counts
            .iter()
            .map(|(id, count)| {
                let shown = self.found.iter().filter(|found| found.topic.id == *id).count();
                (*id, count - shown)
            })
            .filter(|(_, more)| *more > 0)
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TOPIC: Topic =
        Topic { id: "lint.a", severity: Severity::Info, what: "w", why: "y", mend: "m", source: "", as_of: "" };

    fn found(at: usize) -> Found {
        Found { topic: &TOPIC, about: format!("tool {at}"), expected: "e".into(), actual: "a".into(), path: None }
    }

    #[test]
    fn every_rule_has_an_id_of_its_own() {
        let ids: Vec<&str> = all().map(|topic| topic.id).collect();
        let different: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
        assert!(ids.len() >= 60 && ids.len() == different.len(), "{} of {}", different.len(), ids.len());
        assert!(ids.iter().all(|id| of(id).is_some_and(|topic| topic.id == *id)) && of("lint").is_none());
        for topic in all() {
            assert!(!topic.mend.is_empty() && topic.source.is_empty() == topic.as_of.is_empty(), "{}", topic.id);
        }
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let (mut all, mut half) = (Findings::default(), Findings::default());
        assert!(all.is_empty());
        (0..30).for_each(|at| all.add(found(at)));
        (0..3).for_each(|at| half.add(found(at)));
        assert_eq!((all.shown().len(), all.count("lint.a")), (SHOWN_MAX, 30));
        half.absorb(all);
        assert_eq!((half.shown().len(), half.count("lint.a")), (SHOWN_MAX, 33));
        assert_eq!(half.left_out().collect::<Vec<_>>(), [("lint.a", 13)]);
        assert_eq!(half.count("lint.b"), 0);
    }
}

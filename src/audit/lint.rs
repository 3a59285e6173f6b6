//! How definitions read to a model: what is not described, what is said twice, what contradicts itself. All of it is advice:
//! whether a text is good only its author can judge, and length has a price of its own.

mod annotations;
mod descriptions;
mod near;
mod parameters;

use super::names::words;
use super::offer::{Item, Offer};
use super::topic::{Findings, Found, Topic};
use crate::base::sanitize;

/// Characters of a text of the server in what is said.
const SAID_CHARS: usize = 160;
/// Names in what is said.
const NAMES_MAX: usize = 6;
/// Characters of a name in what is said.
const NAME_CHARS: usize = 40;

/// One piece of advice.
#[derive(Debug)]
pub struct LintRule {
    /// What it says.
    pub topic: Topic,
    judge: fn(&Offer<'_>, &mut Misses<'_>),
}

/// Where something could be better.
#[derive(Clone, Debug)]
struct Miss {
    about: String,
    expected: String,
    actual: String,
    path: String,
}

/// Takes in what one rule finds; beyond the bound it is only counted.
struct Misses<'f> {
    topic: &'static Topic,
    findings: &'f mut Findings,
}

impl Misses<'_> {
    fn push(&mut self, miss: Miss) {
        let Miss { about, expected, actual, path } = miss;
        self.findings.add(Found { topic: self.topic, about, expected, actual, path: Some(path) });
    }
}

impl Miss {
    fn of(item: &Item<'_>, path: String, expected: &str, actual: &str) -> Self {
        let actual = sanitize::cut(actual, SAID_CHARS);
        Self { about: item.about(), expected: expected.to_owned(), actual, path }
    }
}

static FAMILIES: [&[LintRule]; 3] = [descriptions::RULES, parameters::RULES, annotations::RULES];

/// Every piece of advice there is.
pub fn rules() -> impl Iterator<Item = &'static LintRule> {
    FAMILIES.iter().copied().flatten()
}

/// What could be better.
#[must_use]
pub fn judge(offer: &Offer<'_>) -> Findings {
    let mut findings = Findings::default();
    for rule in rules() {
        (rule.judge)(offer, &mut Misses { topic: &rule.topic, findings: &mut findings });
    }
    findings
}

/// The first few names, and how many more.
fn names(all: &[&str]) -> String {
    let shown: Vec<String> =
        all.iter().take(NAMES_MAX).map(|name| format!("`{}`", sanitize::cut(name, NAME_CHARS))).collect();
    match all.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;

//! As whom a receiver knows an alert, as far as a notifier's settings say so. Where these change while an alert fires, its end
//! goes to whom its beginning went, and it is opened anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::base::secret::MASK;

/// What of a notifier's settings is part of every alert that its receiver holds. Kept on disk; no secret is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// A digest of the secret that says whose alerts these are; empty where there is none.
    #[serde(default)]
    pub key: String,
    /// Labels of every alert.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether an alert is known by its labels and its severity: with others it is another one.
    #[serde(default)]
    pub by_labels: bool,
}

impl Receiver {
    /// One that tells its alerts apart by this secret.
    #[must_use]
    pub fn of_key(secret: &str) -> Self {
        Self { key: digest(&["mcp-probe/receiver/1", secret]), ..Self::default() }
    }

    /// One that tells its alerts apart by their labels, of which each has these.
    #[must_use]
    pub fn of_labels(labels: BTreeMap<String, String>) -> Self {
        Self { labels, by_labels: true, ..Self::default() }
    }

    /// Whether what one holds is what the other holds. What was masked before it was kept may have been anything.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.is_reached_by(other) && are_same(&self.labels, &other.labels)
    }

    /// Whether what it holds can be ended through the other, given the labels that it has here.
    #[must_use]
    pub fn is_reached_by(&self, other: &Self) -> bool {
        (&self.key, self.by_labels) == (&other.key, other.by_labels)
    }

    /// Tells it from the others that a notifier led to.
    #[must_use]
    pub fn mark(&self) -> String {
        let labels = self.labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let parts: Vec<&str> =
            [self.key.as_str(), if self.by_labels { "labels" } else { "" }].into_iter().chain(labels).collect();
        digest(&parts)
    }
}

/// Whether labels are the same, as far as can be said of those that were masked.
pub(super) fn are_same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> bool {
    let same = |(one, other): (&String, &String)| one == other || one.contains(MASK) || other.contains(MASK);
    one.len() == other.len() && one.keys().eq(other.keys()) && one.values().zip(other.values()).all(same)
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length in front, no two lists of parts are the same text.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_was_masked_is_no_change_and_everything_else_is() {
        let search = Receiver::of_labels(labels(&[("team", "search")]));
        assert!(search.is(&Receiver::of_labels(labels(&[("team", MASK)]))));
        for other in [labels(&[("team", "maps")]), labels(&[("group", "search")]), labels(&[])] {
            let other = Receiver::of_labels(other);
            assert!(!search.is(&other) && search.is_reached_by(&other) && search.mark() != other.mark());
        }
        let (one, other) = (Receiver::of_key("one"), Receiver::of_key("other"));
        assert!(!one.is(&other) && !one.is_reached_by(&other) && !one.is(&Receiver::default()));
        assert!(!format!("{:?}", Receiver::of_key("canary")).contains("canary"));
    }
}

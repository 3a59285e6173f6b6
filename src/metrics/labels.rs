//! Labels of a series, in order. Their texts are shared with the figures that they belong to: ten thousand targets are
//! named once, not once per series.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::family::FAMILIES;
use crate::base::name::Name;

/// Labels that no family has in the table, and that texts have all the same.
const TAKEN: [&str; 4] = ["le", "quantile", "job", "instance"];

/// A text of ours, or one that others hold, too.
#[derive(Clone, Debug)]
pub enum Word {
    /// It is part of the program.
    Fixed(&'static str),
    /// It was read or made.
    Shared(Arc<str>),
}

impl Word {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Word {}

impl From<&'static str> for Word {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl From<&Name> for Word {
    fn from(name: &Name) -> Self {
        Self::Shared(name.clone().into())
    }
}

impl From<&Arc<str>> for Word {
    fn from(text: &Arc<str>) -> Self {
        Self::Shared(Arc::clone(text))
    }
}

impl From<Cow<'static, str>> for Word {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Fixed(text),
            Cow::Owned(text) => text.into(),
        }
    }
}

/// Names and values, raw: who writes them escapes them. A name is a word of ours, or one that was made fit to be a name of
/// a label; each stands once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<(Word, Word)>);

/// Whether a label may be called so by whoever writes files; what begins with `__` is Prometheus' own.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("__")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Labels {
    /// With one label more.
    #[must_use]
    pub fn with(mut self, name: impl Into<Word>, value: impl Into<Word>) -> Self {
        // Two are the usual: probe and target.
        self.0.reserve_exact(1);
        self.0.push((name.into(), value.into()));
        self
    }

    /// With these behind.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.reserve_exact(others.0.len());
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// The labels that a target has in its file, under names that a text may have, each once. One that is called like a label
    /// of any family gets a prefix, as Prometheus does it: the same everywhere.
    #[must_use]
    pub fn of_target(labels: &BTreeMap<String, String>) -> Self {
        let taken = |name: &str| TAKEN.contains(&name) || FAMILIES.iter().any(|family| family.labels.contains(&name));
        let mut named: BTreeMap<String, &str> = BTreeMap::new();
        for (name, value) in labels {
            let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                name.insert(0, '_');
            }
            if taken(&name) || name.starts_with("__") {
                name = format!("exported_{}", name.trim_start_matches('_'));
            }
            named.entry(name).or_insert(value.as_str());
        }
        // Series share them: each is made once.
        let shared = |text: &str| Word::Shared(text.into());
        Self(named.into_iter().map(|(name, value)| (shared(&name), shared(value))).collect())
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

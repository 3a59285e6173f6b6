//! Notifiers: whom alerts tell. The table of kinds with their keys, and the settings of one, filled in.

pub mod keys;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::secret::Secret;
use crate::config::receiver::Filled;

/// The settings of a `[notify.NAME]`, every variable filled in; the keys are those of its kind in [`keys`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, Filled>);

impl Settings {
    /// Settings by key.
    #[must_use]
    pub fn new(settings: BTreeMap<&'static str, Filled>) -> Self {
        Self(settings)
    }

    /// A text; it may hold a secret.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&Secret> {
        match self.0.get(key) {
            Some(Filled::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Several texts, or the words of a command; none where the key is not given.
    #[must_use]
    pub fn texts(&self, key: &str) -> &[Secret] {
        match self.0.get(key) {
            Some(Filled::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// Names and texts; none where the key is not given. `auth` is a table, too, with `bearer`.
    #[must_use]
    pub fn table(&self, key: &str) -> &[(String, Secret)] {
        match self.0.get(key) {
            Some(Filled::Table(entries)) => entries,
            _ => &[],
        }
    }

    /// A duration.
    #[must_use]
    pub fn time(&self, key: &str) -> Option<Duration> {
        match self.0.get(key) {
            Some(Filled::Time(time)) => Some(*time),
            _ => None,
        }
    }

    /// A switch.
    #[must_use]
    pub fn switch(&self, key: &str) -> Option<bool> {
        match self.0.get(key) {
            Some(Filled::Switch(on)) => Some(*on),
            _ => None,
        }
    }
}

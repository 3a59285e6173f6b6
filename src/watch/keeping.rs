//! What the store does not take. Several things are written, each by a way of its own, and on a full disk some go through
//! and some do not: it is said once of each kind that it cannot be kept, and once when all of them can again.

use std::collections::{BTreeMap, BTreeSet};

use super::daemon::Daemon;
use crate::event::Level;

/// What cannot be kept, by its kind, and why.
#[derive(Clone, Debug, Default)]
pub struct Unkept {
    now: BTreeMap<&'static str, String>,
    /// What was said since all was well.
    said: BTreeSet<&'static str>,
    /// How often the file was made anew, as far as that was said.
    remade: u64,
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Something cannot be kept: a sentence.
    Lost(String),
    /// Everything can be kept again.
    Again,
}

impl Unkept {
    /// One kind could be written, or why it could not. Gives what is new about it.
    pub fn heard(&mut self, what: &'static str, unkept: Option<String>) -> Option<Word> {
        match unkept {
            Some(why) => {
                let sentence = format!("{what} cannot be kept: {why}");
                self.now.insert(what, sentence.clone());
                self.said.insert(what).then_some(Word::Lost(sentence))
            }
            None if self.now.remove(what).is_some() && self.now.is_empty() => {
                self.said.clear();
                Some(Word::Again)
            }
            None => None,
        }
    }

    /// What is wrong now, in a sentence.
    #[must_use]
    pub fn trouble(&self) -> Option<&String> {
        self.now.values().next()
    }
}

impl Daemon {
    /// Says where the file of the history is gone, or is another. Alerts are tried at once then: that they cannot be kept
    /// either is what the heartbeat and `/-/healthy` go by.
    pub(super) fn look_at_store(&mut self) {
        let health = self.setup.store.health();
        if health.remade > self.unkept.remade {
            self.unkept.remade = health.remade;
            let path = self.setup.store.path();
            let what = "the file was removed while it was in use; it is there again, with everything that was in it";
            self.note(Level::Warn, "store", format!("{}: {what}", path.display()));
        }
        if health.astray.is_some() && self.acts.next().is_none() {
            self.acts.at_once();
        }
        self.keeping("the history", health.astray.map(|error| error.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_of_each_kind_and_once_of_the_end() {
        let mut unkept = Unkept::default();
        let full = || Some("the disk is full".to_owned());
        assert_eq!(unkept.heard("runs", None), None);
        let mut said = Vec::new();
        for _ in 0..20 {
            // Small things go through now and then.
            said.extend(unkept.heard("runs", full()));
            said.extend(unkept.heard("alerts", full()));
            said.extend(unkept.heard("runs", None));
            said.extend(unkept.heard("runs", Some("the disk is still full".to_owned())));
        }
        let lost =
            |what: &str| said.iter().filter(|word| matches!(word, Word::Lost(said) if said.starts_with(what))).count();
        assert_eq!((lost("runs"), lost("alerts"), said.len()), (1, 1, 2));
        assert!(unkept.trouble().unwrap().contains("alerts cannot be kept: the disk is full"));
        assert_eq!((unkept.heard("runs", None), unkept.heard("alerts", None)), (None, Some(Word::Again)));
        assert_eq!(unkept.trouble(), None);
    }
}

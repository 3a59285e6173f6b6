//! Results that were read before. A server says the same thing run after run, and so do many servers of one kind; to compare
//! two texts costs a hundredth of reading one. What is handed out is what reading this very text gives, and is shared.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;

/// Bytes of a text that is remembered; a longer one is read each time.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Bytes of all texts that are remembered; of more, all are forgotten. Their values take about ten times that.
const TEXTS_BYTES_MAX: usize = 2 << 20;
/// Results that one conversation knows by itself: a probe makes few different calls.
const RECENT_MAX: usize = 4;

/// Results of any number of conversations. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Results(Arc<Mutex<Known>>, RandomState);

/// What one conversation heard last: it is found without a look at all others.
#[derive(Debug, Default)]
pub struct Recent(Vec<Weak<Entry>>);

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<u64, Arc<Entry>>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    text: Box<str>,
    value: Arc<Value>,
}

impl Results {
    /// The value of a text.
    ///
    /// # Errors
    /// The text is no JSON that can be held.
    pub fn read(&self, recent: &mut Recent, text: &str) -> serde_json::Result<Arc<Value>> {
        if text.len() > TEXT_BYTES_MAX {
            return serde_json::from_str(text).map(Arc::new);
        }
        if let Some(value) = recent.find(text) {
            return Ok(value);
        }
        let entry = self.entry(text)?;
        recent.note(&entry);
        Ok(Arc::clone(&entry.value))
    }

    fn entry(&self, text: &str) -> serde_json::Result<Arc<Entry>> {
        // Two texts with one hash do no harm: the older one is forgotten.
        let hash = self.1.hash_one(text);
        if let Some(entry) = self.known().entries.get(&hash).filter(|entry| &*entry.text == text) {
            return Ok(Arc::clone(entry));
        }
        let entry = Arc::new(Entry { text: text.into(), value: Arc::new(serde_json::from_str(text)?) });
        let mut known = self.known();
        if known.bytes + text.len() > TEXTS_BYTES_MAX {
            *known = Known::default();
        }
        known.bytes += text.len();
        if let Some(before) = known.entries.insert(hash, Arc::clone(&entry)) {
            known.bytes -= before.text.len();
        }
        Ok(entry)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn find(&mut self, text: &str) -> Option<Arc<Value>> {
        let said = |entry: &Weak<Entry>| entry.upgrade().filter(|entry| &*entry.text == text);
        self.0.iter().find_map(said).map(|entry| Arc::clone(&entry.value))
    }

    fn note(&mut self, entry: &Arc<Entry>) {
        self.0.retain(|known| known.strong_count() > 0);
        if self.0.len() >= RECENT_MAX {
            self.0.remove(0);
        }
        self.0.push(Arc::downgrade(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_one_value_and_no_others_do() {
        let results = Results::default();
        let (mut one, mut other) = (Recent::default(), Recent::default());
        let text = r#"{"tools":[{"name":"a"}],"ttlMs":0}"#;
        let first = results.read(&mut one, text).unwrap();
        assert!(Arc::ptr_eq(&first, &results.read(&mut one, text).unwrap()));
        assert!(Arc::ptr_eq(&first, &results.clone().read(&mut other, text).unwrap()));
        for differs in [r#"{"tools":[{"name":"b"}],"ttlMs":0}"#, r#"{"ttlMs":0,"tools":[{"name":"a"}]}"#] {
            let value = results.read(&mut one, differs).unwrap();
            assert!(!Arc::ptr_eq(&first, &value));
            assert_eq!(*value, serde_json::from_str::<Value>(differs).unwrap());
        }
        assert_eq!(*results.read(&mut one, text).unwrap(), *first);
    }

    #[test]
    fn what_cannot_be_read_is_not_remembered() {
        let results = Results::default();
        let mut recent = Recent::default();
        for text in ["", "{", r#"{"a":1e999}"#, r#"{"a":}"#] {
            for _ in 0..2 {
                assert!(results.read(&mut recent, text).is_err(), "{text}");
            }
        }
        assert_eq!((results.known().entries.len(), recent.0.len()), (0, 0));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let results = Results::default();
        let mut recent = Recent::default();
        let long = format!("[{:?}]", "x".repeat(TEXT_BYTES_MAX));
        assert!(!Arc::ptr_eq(&results.read(&mut recent, &long).unwrap(), &results.read(&mut recent, &long).unwrap()));
        assert_eq!(results.known().bytes, 0);
        let mut most = 0;
        for number in 0..3 * TEXTS_BYTES_MAX / (32 << 10) {
            let text = format!("[{number},{:?}]", "x".repeat(32 << 10));
            assert_eq!(results.read(&mut recent, &text).unwrap()[0], number);
            most = most.max(results.known().bytes);
        }
        assert!(most <= TEXTS_BYTES_MAX && recent.0.len() <= RECENT_MAX);
        let known = results.known();
        assert_eq!(known.bytes, known.entries.values().map(|entry| entry.text.len()).sum::<usize>());
    }
}

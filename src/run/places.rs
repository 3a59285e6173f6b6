//! What was made of results that runs share (`wire::results`), by their place in memory: to find it, nothing of a result is
//! looked at. While a result stands here its place is given to nothing else, and nobody changes it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::Value;

/// Results that are remembered; of more, all are forgotten.
const PLACES_MAX: usize = 2_000;

/// What was made of results. `K` is what else it depends on.
#[derive(Debug)]
pub(super) struct Places<K, T>(Mutex<Made<K, T>>);

type Made<K, T> = HashMap<(usize, K), (Weak<Value>, T)>;

impl<K, T> Default for Places<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, T: Clone> Places<K, T> {
    /// What was made of it before.
    pub(super) fn get(&self, result: &Arc<Value>, about: K) -> Option<T> {
        self.made().get(&(Arc::as_ptr(result).addr(), about)).map(|(_, made)| made.clone())
    }

    /// Keeps what was made of a result that somebody else has, too; another would not come again.
    pub(super) fn keep(&self, result: &Arc<Value>, about: K, it: &T) {
        if Arc::strong_count(result) < 2 {
            return;
        }
        let mut made = self.made();
        if made.len() >= PLACES_MAX {
            made.clear();
        }
        made.insert((Arc::as_ptr(result).addr(), about), (Arc::downgrade(result), it.clone()));
    }

    fn made(&self) -> MutexGuard<'_, Made<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_stands_for_one_result_only() {
        let places = Places::default();
        let one = Arc::new(json!({"tools": []}));
        places.keep(&one, "a", &1);
        assert_eq!(places.get(&one, "a"), None, "nobody else has it");
        let same = Arc::clone(&one);
        places.keep(&one, "a", &1);
        assert_eq!((places.get(&same, "a"), places.get(&same, "b")), (Some(1), None));
        assert_eq!(places.get(&Arc::new(json!({"tools": []})), "a"), None);
        drop((one, same));
        for _ in 0..100 {
            assert_eq!(places.get(&Arc::new(json!({"tools": []})), "a"), None, "its place is not given away");
        }
    }

    #[test]
    fn places_are_bounded() {
        let places = Places::default();
        for number in 0..2 * PLACES_MAX {
            let one = Arc::new(json!(number));
            let _same = Arc::clone(&one);
            places.keep(&one, (), &number);
        }
        assert!(places.made().len() <= PLACES_MAX);
    }
}

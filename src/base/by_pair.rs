//! What is known by two names, such as those of a probe and of its target, found by two texts without a copy of either.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::name::Name;

/// The two names. Copies share the texts.
pub type Pair = (Arc<str>, Arc<str>);

/// A map by two names; it keeps no order.
#[derive(Clone, Debug)]
pub struct ByPair<V>(HashMap<Pair, V>);

/// What has two names: the key of an entry, and the two texts by which it is found.
trait Two {
    fn two(&self) -> (&str, &str);
}

impl Two for Pair {
    fn two(&self) -> (&str, &str) {
        (&self.0, &self.1)
    }
}

impl Two for (&str, &str) {
    fn two(&self) -> (&str, &str) {
        *self
    }
}

// A key is the same as the two texts in it, and so must be its hash.
impl<'a> Borrow<dyn Two + 'a> for Pair {
    fn borrow(&self) -> &(dyn Two + 'a) {
        self
    }
}

impl Hash for dyn Two + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.two().hash(state);
    }
}

impl PartialEq for dyn Two + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.two() == other.two()
    }
}

impl Eq for dyn Two + '_ {}

/// A text under which something is put: a copy of it, or, of a name, a share in it. Maps that share their names with whoever
/// asks them compare texts that were just looked at, not copies of them somewhere else in memory.
pub trait Text: AsRef<str> {
    /// The text, to be kept.
    fn kept(&self) -> Arc<str>;
}

impl Text for str {
    fn kept(&self) -> Arc<str> {
        self.into()
    }
}

impl Text for String {
    fn kept(&self) -> Arc<str> {
        self.as_str().into()
    }
}

impl Text for Name {
    fn kept(&self) -> Arc<str> {
        self.clone().into()
    }
}

impl<V> Default for ByPair<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V> ByPair<V> {
    /// The entry of these names.
    #[must_use]
    pub fn get(&self, one: &str, other: &str) -> Option<&V> {
        self.0.get(&(one, other) as &dyn Two)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, one: &str, other: &str) -> Option<&mut V> {
        self.0.get_mut(&(one, other) as &dyn Two)
    }

    /// The entry of these names, made where there is none: only then are they copied.
    pub fn get_or_insert_with<T: Text + ?Sized>(&mut self, one: &T, other: &T, make: impl FnOnce() -> V) -> &mut V {
        if !self.0.contains_key(&(one.as_ref(), other.as_ref()) as &dyn Two) {
            self.0.insert((one.kept(), other.kept()), make());
        }
        match self.get_mut(one.as_ref(), other.as_ref()) {
            Some(entry) => entry,
            None => unreachable!("it was there, or has just been put there"),
        }
    }

    /// Puts an entry there; gives what was there before.
    pub fn insert<T: Text + ?Sized>(&mut self, one: &T, other: &T, value: V) -> Option<V> {
        match self.get_mut(one.as_ref(), other.as_ref()) {
            Some(entry) => Some(std::mem::replace(entry, value)),
            None => self.0.insert((one.kept(), other.kept()), value),
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, one: &str, other: &str) -> Option<V> {
        self.0.remove(&(one, other) as &dyn Two)
    }

    /// Takes all out.
    pub fn drain(&mut self) -> impl Iterator<Item = (Pair, V)> {
        self.0.drain()
    }

    /// Keeps those that are like that.
    pub fn retain(&mut self, is_kept: impl Fn(&str, &str) -> bool) {
        self.0.retain(|(one, other), _| is_kept(one, other));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Pair, &V)> {
        self.0.iter()
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }

    /// All of them, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut()
    }

    /// All of them in the order of their names.
    #[must_use]
    pub fn in_order(&self) -> Vec<(&Pair, &V)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by_key(|(names, _)| *names);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_only_look_alike_together_are_two() {
        let mut map = ByPair::default();
        for (number, (one, other)) in [("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", "")].into_iter().enumerate() {
            assert_eq!(map.insert(one, other, number), None);
        }
        assert_eq!((map.len(), map.get("ab", "c"), map.get("abc", "")), (4, Some(&1), Some(&3)));
    }

    #[test]
    fn names_are_shared_and_not_copied() {
        let (one, other) = (Name::from("a"), Name::from("b"));
        let mut map = ByPair::default();
        assert_eq!(map.insert(&one, &other, 1), None);
        let shared = |(kept, _): &Pair| std::ptr::eq(kept.as_ptr(), one.as_ptr());
        assert!(map.iter().all(|(names, _)| shared(names)));
        assert_eq!((map.insert("a", "b", 2), map.get("a", "b")), (Some(1), Some(&2)));
        assert!(map.iter().all(|(names, _)| shared(names)));
    }

    proptest! {
        #[test]
        fn it_is_a_map_by_two_texts(steps in proptest::collection::vec((0_u8..5, "[ab]{0,2}", "[ab]{0,2}", 0_u8..9), 0..60)) {
            let (mut map, mut model) = (ByPair::default(), BTreeMap::new());
            for (what, one, other, value) in steps {
                let key = (one.clone(), other.clone());
                match what {
                    0 => prop_assert_eq!(map.insert(&one, &other, value), model.insert(key, value)),
                    1 => prop_assert_eq!(map.remove(&one, &other), model.remove(&key)),
                    2 => {
                        let made = *map.get_or_insert_with(&one, &other, || value);
                        prop_assert_eq!(made, *model.entry(key).or_insert(value));
                    }
                    3 => {
                        map.retain(|have, _| have != one);
                        model.retain(|(have, _), _| *have != one);
                    }
                    _ => prop_assert_eq!(map.get(&one, &other), model.get(&key)),
                }
                let have: Vec<_> = map.in_order().into_iter().map(|(names, value)| (names.two(), *value)).collect();
                let expected: Vec<_> = model.iter().map(|((one, other), value)| ((&**one, &**other), *value)).collect();
                prop_assert_eq!((have, map.len()), (expected, model.len()));
            }
        }
    }
}

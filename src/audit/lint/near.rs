//! Texts that have nearly the same words. A few hundred are compared in pairs; of more, only those that share the least of
//! their hashed words, so that the work stays in proportion.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Up to so many texts every pair is compared.
const PAIRWISE_MAX: usize = 300;
/// How many that share a hash are compared with one another.
const BUCKET_MAX: usize = 40;
/// How many different hashes a text is put under.
const HASHES: u64 = 6;
/// Fewer words say too little to be near to others.
const WORDS_MIN: usize = 8;
/// More words of a text are not looked at.
const WORDS_MAX: usize = 400;
/// The part of all words that both must have.
const PERCENT_MIN: usize = 85;

/// Two texts that are near to each other, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) one: usize,
    pub(super) other: usize,
    pub(super) percent: usize,
}

/// The texts that are near to an earlier one, each with the first such.
pub(super) fn pairs(texts: &[&str]) -> Vec<Pair> {
    let words: Vec<BTreeSet<u64>> = texts.iter().map(|text| hashed(text)).collect();
    let mut found: BTreeMap<usize, Pair> = BTreeMap::new();
    let mut compare = |one: usize, other: usize| {
        if let Some(percent) = shared(&words[one], &words[other]).filter(|percent| *percent >= PERCENT_MIN) {
            let pair = Pair { one, other, percent };
            let first = found.entry(other).or_insert(pair);
            if one < first.one {
                *first = pair;
            }
        }
    };
    if texts.len() <= PAIRWISE_MAX {
        for other in 0..texts.len() {
            (0..other).for_each(|one| compare(one, other));
        }
    } else {
        for bucket in buckets(&words).values().map(|bucket| &bucket[..bucket.len().min(BUCKET_MAX)]) {
            for (at, other) in bucket.iter().enumerate() {
                bucket[..at].iter().for_each(|one| compare(*one, *other));
            }
        }
    }
    found.into_values().collect()
}

fn hashed(text: &str) -> BTreeSet<u64> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS_MAX).map(|word| hash(word.to_lowercase(), 0)).collect()
}

fn hash(what: impl std::hash::Hash, turn: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    turn.hash(&mut hasher);
    what.hash(&mut hasher);
    hasher.finish()
}

/// Texts under the least of their words, by several orders of all words: near texts nearly always share one.
fn buckets(words: &[BTreeSet<u64>]) -> BTreeMap<(u64, u64), Vec<usize>> {
    let mut buckets: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
    for (at, words) in words.iter().enumerate().filter(|(_, words)| words.len() >= WORDS_MIN) {
        for turn in 1..=HASHES {
            if let Some(least) = words.iter().map(|word| hash(word, turn)).min() {
                buckets.entry((turn, least)).or_default().push(at);
            }
        }
    }
    buckets
}

/// How many of all words both have, in per cent.
fn shared(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> Option<usize> {
    let (least, most) = (one.len().min(other.len()), one.len().max(other.len()));
    if least < WORDS_MIN || least * 100 < most * PERCENT_MIN {
        return None;
    }
    let both = one.intersection(other).count();
    Some(both * 100 / (one.len() + other.len() - both))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Returns the weather of the next days for a city that is given by its English name, in degrees Celsius";

    #[test]
    fn near_texts_are_found_and_others_are_not() {
        let near = TEXT.replace("Celsius", "Fahrenheit");
        let far = "Writes a note that stays until the server ends, and gives back its number and its address";
        assert_eq!(pairs(&[TEXT, far, &near]), [Pair { one: 0, other: 2, percent: 90 }]);
        assert!(pairs(&["Lists all users.", "Lists all teams."]).is_empty());
        assert!(pairs(&["", TEXT, "a a a a a a a a a a"]).is_empty());
    }

    #[test]
    fn many_texts_are_compared_in_proportion() {
        let word = |at: usize, part: usize| format!("w{:x}", hash((at, part), 9) & 0xfff_ffff);
        let text = |at: usize| (0..20).map(|part| word(at, part)).collect::<Vec<_>>().join(" ");
        let mut texts: Vec<String> = (0..3_000).map(text).collect();
        texts.push(format!("{} more", texts[1_234]));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(pairs(&texts), [Pair { one: 1_234, other: 3_000, percent: 95 }]);
        let begun = std::time::Instant::now();
        let same = vec![TEXT; 5_000];
        assert!(!pairs(&same).is_empty() && begun.elapsed().as_secs() < 10);
    }
}

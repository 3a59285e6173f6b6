//! `[fleet]`: which share of the targets is this prober's, where several probers divide a plan. Who has a target follows
//! from its name alone, so that the probers need not know of each other; one prober more takes its part from all the others,
//! and nothing moves between those.

use std::fmt;

use serde_json::{Value, json};

use crate::base::hash::{identity, mix};
use crate::config::grammar::{described, pattern, table, with};
use crate::config::{Diag, Environment, Place, Section, Text};

/// More probers than these do not divide a plan.
const SHARDS_MAX: u32 = 1000;

/// One share of several: of the fleet's probers the which-th.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// Reads `2/8`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || format!("expected a shard such as \"2/8\", from 1/1 to {SHARDS_MAX}/{SHARDS_MAX}, got {text:?}");
        let number = |text: &str| {
            let text = text.trim();
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| is_plain)
        };
        let (index, of) = text.split_once('/').ok_or_else(expected)?;
        let (Some(index), Some(of)) = (number(index), number(of)) else { return Err(expected()) };
        if of == 0 || of > SHARDS_MAX {
            return Err(expected());
        }
        if index == 0 || index > of {
            return Err(format!("there is no shard {index} of {of}: they are counted from 1/{of} to {of}/{of}"));
        }
        Ok(Self { index, of })
    }

    /// Whether this shard has the target of that name: of all shards the one with the largest hash of both (rendezvous).
    #[must_use]
    pub fn has(self, target: &str) -> bool {
        let target = identity([target]);
        let weight = |shard: u32| mix(target ^ mix(u64::from(shard)));
        let own = weight(self.index);
        // Where two weigh the same, the first has it.
        (1..=self.of).all(|other| match other.cmp(&self.index) {
            std::cmp::Ordering::Less => weight(other) < own,
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => weight(other) <= own,
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// What came of dividing a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which share it is.
    pub shard: Shard,
    /// Pairs of probe and target that are its.
    pub pairs: usize,
    /// Pairs that there are.
    pub all: usize,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.all == 1 { "probe" } else { "probes" };
        write!(f, "shard {}: {} of {} {noun}", self.shard, self.pairs, self.all)
    }
}

/// `[fleet]` as it is written.
#[derive(Clone, Debug)]
pub struct FleetDraft {
    shard: Option<Text>,
    /// Where the table stands.
    pub place: Place,
}

impl FleetDraft {
    /// Reads the table.
    #[must_use]
    pub fn parse(section: Section<'_>) -> Self {
        let shard = section.text("shard");
        let literal = shard.as_ref().and_then(|text| Some((text, text.literal()?)));
        if let Some((text, Err(why))) = literal.map(|(text, literal)| (text, Shard::parse(literal))) {
            section.reading().report(Diag::error(&text.place, why));
        }
        let place = section.place().clone();
        section.finish();
        Self { shard, place }
    }

    /// Whether only this machine's variables tell the shard.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.shard.as_ref().is_some_and(|text| text.literal().is_none())
    }

    /// The shard; none where the text is empty, so that a variable without a value means everything.
    ///
    /// # Errors
    /// A variable that is missing, or what it gives is no shard.
    pub fn resolve(&self, environment: &dyn Environment) -> Result<Option<Shard>, Box<Diag>> {
        let Some(text) = &self.shard else { return Ok(None) };
        let said = text.resolve("fleet.shard", environment)?.value;
        if said.is_empty() && text.literal().is_none() {
            return Ok(None);
        }
        Shard::parse(&said).map(Some).map_err(|why| Box::new(Diag::error(&text.place, why)))
    }
}

/// The table as JSON Schema.
pub(super) fn schema() -> Value {
    let shard = with(pattern(r"^[0-9 ]+/[0-9 ]+$"), json!({"examples": ["2/8", "${SHARD:-}"]}));
    table([("shard", described(shard, "Which share of the targets this prober has, where several divide them."))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        (0..10_000).map(|number| format!("server-{number}.example")).collect()
    }

    /// The shard that has a target; exactly one has.
    fn place(target: &str, of: u32) -> u32 {
        let having: Vec<u32> = (1..=of).filter(|index| Shard { index: *index, of }.has(target)).collect();
        assert_eq!(having.len(), 1, "{target} of {of}: {having:?}");
        having[0]
    }

    #[test]
    fn a_shard_is_read() {
        assert_eq!(Shard::parse("2/8"), Ok(Shard { index: 2, of: 8 }));
        assert_eq!(Shard::parse(" 1 / 1 ").unwrap().to_string(), "1/1");
        for wrong in
            ["", "2", "0/8", "9/8", "1/0", "a/b", "1/1001", "-1/8", "+1/8", "1/8/2", "1/", "/8", "99999999999/8"]
        {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_shares_are_alike_and_every_target_is_in_one() {
        let mut counts = [0_u32; 8];
        for name in names() {
            counts[place(&name, 8) as usize - 1] += 1;
        }
        assert_eq!(counts.iter().sum::<u32>(), 10_000);
        assert!(counts.iter().all(|count| (1125..=1375).contains(count)), "{counts:?}");
    }

    #[test]
    fn one_prober_more_takes_its_part_and_moves_nothing_else() {
        let moved: Vec<(u32, u32)> = names()
            .iter()
            .map(|name| (place(name, 8), place(name, 9)))
            .filter(|(before, after)| before != after)
            .collect();
        assert!((1000..=1250).contains(&moved.len()), "{}", moved.len());
        assert!(moved.iter().all(|(_, after)| *after == 9), "moved between the old ones");
    }

    #[test]
    fn who_has_a_target_is_the_same_for_ever() {
        // Other figures here would move every target of every fleet at its next upgrade.
        assert_eq!(["weather", "files", "a", "b", "c"].map(|name| place(name, 8)), [2, 5, 7, 5, 1]);
    }
}

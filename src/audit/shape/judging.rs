//! Holds a value against a shape, in a revision, and keeps what does not fit. The walk goes as deep as the tables do,
//! never as deep as the value.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::grammar::{Bond, Member, Shape, Tagged, Word};
use super::trail::Trail;
use super::{ALIKE_MAX, FLAWS_MAX, Flaw, FlawKind, wording};

/// One walk.
#[derive(Debug)]
pub(super) struct Judging {
    version: &'static str,
    kept: Vec<Flaw>,
    /// For each place of the tables and kind: how many flaws were seen there.
    seen: HashMap<(String, FlawKind), usize>,
    /// The flaws that are not kept, by the place whose last kept flaw is to tell of them.
    left_out: HashMap<(String, FlawKind), usize>,
    overflow: usize,
}

impl Judging {
    pub(super) fn new(version: &'static str) -> Self {
        Self { version, kept: Vec::new(), seen: HashMap::new(), left_out: HashMap::new(), overflow: 0 }
    }

    /// What did not fit.
    pub(super) fn finish(mut self) -> Vec<Flaw> {
        for flaw in self.kept.iter_mut().rev() {
            if let Some(count) = self.left_out.remove(&(flaw.pattern.clone(), flaw.kind)) {
                flaw.more = count;
            }
        }
        if let Some(last) = self.kept.last_mut() {
            last.more += self.overflow;
        }
        self.kept
    }

    /// Holds `value` against `shape`.
    pub(super) fn value(&mut self, shape: &'static Shape, value: &Value, at: &Trail<'_>) {
        match shape {
            Shape::Any => {}
            Shape::Record(groups) => self.record(groups, shape, value, at),
            Shape::Map(item) => match value.as_object() {
                Some(map) => map.iter().for_each(|(name, value)| self.value(item, value, &at.key(name))),
                None => self.mistyped(shape, value, at),
            },
            Shape::List { item, .. } => match value.as_array() {
                Some(items) => {
                    self.leaf(shape, value, at);
                    for (index, value) in items.iter().enumerate() {
                        self.value(item, value, &at.index(index));
                    }
                }
                None => self.mistyped(shape, value, at),
            },
            Shape::Tagged(tagged) => self.tagged(tagged, shape, value, at),
            Shape::Either(shapes) => match shapes.iter().find(|shape| is_of_type(shape, value)) {
                Some(shape) => self.value(shape, value, at),
                None => self.mistyped(shape, value, at),
            },
            Shape::Instead { span, member, of, then, otherwise } => {
                let swapped = value.get(member).is_some() && value.get(of).is_none();
                let shape = if swapped && span.covers(self.version) { then } else { otherwise };
                self.value(shape, value, at);
            }
            Shape::Also(inner, bond) => {
                self.value(inner, value, at);
                if let Some(record) = value.as_object() {
                    self.bond(bond, record, value, at);
                }
            }
            leaf => self.leaf(leaf, value, at),
        }
    }

    fn leaf(&mut self, shape: &'static Shape, value: &Value, at: &Trail<'_>) {
        if !is_of_type(shape, value) {
            self.mistyped(shape, value, at);
        } else if let Shape::Words(words) = shape {
            self.word(words.iter(), value, at);
        } else if !has_good_value(shape, value) {
            self.flaw(at, FlawKind::WrongValue, wording::value(shape, self.version), wording::actual(value));
        }
    }

    fn record(&mut self, groups: &'static [&'static [Member]], shape: &Shape, value: &Value, at: &Trail<'_>) {
        let Some(object) = value.as_object() else { return self.mistyped(shape, value, at) };
        for member in groups.iter().copied().flatten().filter(|member| member.span.covers(self.version)) {
            let at = at.member(member.name);
            match object.get(member.name) {
                Some(Value::Null) if !member.required && !is_of_type(member.shape, &Value::Null) => {
                    let expected = format!("{}, or no such member", wording::value(member.shape, self.version));
                    self.flaw(&at, FlawKind::Null, expected, "null".to_owned());
                }
                Some(value) => self.value(member.shape, value, &at),
                None if member.required => {
                    let expected = wording::value(member.shape, self.version);
                    self.flaw(&at, FlawKind::Missing, expected, "no such member".to_owned());
                }
                None => {}
            }
        }
        self.foreign_members(groups, object, at);
    }

    /// Members that only other revisions know. What no revision knows is the server's own business.
    fn foreign_members(&mut self, groups: &'static [&'static [Member]], object: &Map<String, Value>, at: &Trail<'_>) {
        let rows = || groups.iter().copied().flatten();
        for row in rows().filter(|row| !row.harmless && !row.span.covers(self.version)) {
            let Some(value) = object.get(row.name) else { continue };
            let nearer = |other: &Member| other.name == row.name && other.span.is_nearer(&row.span, self.version);
            if !rows().any(nearer) {
                let (kind, expected) = wording::foreign(row.name, row.span, self.version);
                self.flaw(&at.member(row.name), kind, expected, wording::actual(value));
            }
        }
    }

    fn tagged(&mut self, tagged: &'static Tagged, shape: &Shape, value: &Value, at: &Trail<'_>) {
        let Some(object) = value.as_object() else { return self.mistyped(shape, value, at) };
        // `null` in place of a tag that may be missing is told by its member's row.
        let is_told = |tag: &&Value| tagged.span.covers(self.version) && !(tagged.first_by_default && tag.is_null());
        let tag = object.get(tagged.tag).filter(is_told);
        let Some(tag) = tag else {
            if tagged.first_by_default
                && let Some(first) = tagged.kinds.first()
            {
                self.value(first.shape, value, at);
            } else {
                let words = wording::words(tagged.kinds.iter().map(|kind| &kind.word), self.version);
                self.flaw(&at.member(tagged.tag), FlawKind::Missing, words, "no such member".to_owned());
            }
            return;
        };
        let named = |word: &Word| tag.as_str() == Some(word.text) && word.span.covers(self.version);
        match tagged.kinds.iter().find(|kind| named(&kind.word)) {
            Some(kind) => self.value(kind.shape, value, at),
            None => self.word(tagged.kinds.iter().map(|kind| &kind.word), tag, &at.member(tagged.tag)),
        }
    }

    /// A string that must be one of some words.
    fn word(&mut self, words: impl Iterator<Item = &'static Word> + Clone, value: &Value, at: &Trail<'_>) {
        let known = wording::words(words.clone(), self.version);
        let Some(text) = value.as_str() else {
            return self.flaw(at, FlawKind::WrongType, known, wording::actual(value));
        };
        let mut same = words.filter(|word| word.text == text).peekable();
        let other = same.peek().copied();
        if same.any(|word| word.span.covers(self.version)) {
            return;
        }
        let (kind, expected) = match other {
            Some(word) => {
                let (kind, when) = wording::foreign_word(word.text, word.span, self.version);
                (kind, format!("{known}; {when}"))
            }
            None => (FlawKind::WrongValue, known),
        };
        self.flaw(at, kind, expected, wording::actual(value));
    }

    fn bond(&mut self, bond: &'static Bond, record: &Map<String, Value>, value: &Value, at: &Trail<'_>) {
        match bond {
            Bond::AnyOf(names) => {
                if !names.iter().any(|name| record.get(*name).is_some_and(|value| !value.is_null())) {
                    let expected = format!("{} in this object", names.join(" or "));
                    let first = names.first().copied().unwrap_or_default();
                    self.flaw(&at.member(first), FlawKind::Missing, expected, wording::actual(value));
                }
            }
            Bond::AtLeastCount(number, list) => {
                let count = record.get(*list).and_then(Value::as_array).map_or(0, Vec::len);
                let total = record.get(*number);
                if let Some(total) = total.filter(|total| total.as_f64().is_some_and(|total| total < as_number(count)))
                {
                    let expected = format!("at least {count}, the number of {list}");
                    self.flaw(&at.member(number), FlawKind::WrongValue, expected, wording::actual(total));
                }
            }
        }
    }

    fn mistyped(&mut self, shape: &Shape, value: &Value, at: &Trail<'_>) {
        self.flaw(at, FlawKind::WrongType, wording::value(shape, self.version), wording::actual(value));
    }

    /// Keeps a flaw, or counts it: a few of each place are enough, and room is left for what weighs more.
    pub(super) fn flaw(&mut self, at: &Trail<'_>, kind: FlawKind, expected: String, actual: String) {
        let place = (at.pattern(), kind);
        let seen = self.seen.entry(place.clone()).or_default();
        *seen += 1;
        if *seen > ALIKE_MAX {
            *self.left_out.entry(place).or_default() += 1;
            return;
        }
        if self.kept.len() >= FLAWS_MAX {
            self.overflow += 1;
            let mild = self.kept.iter().rposition(|flaw| flaw.kind.is_mild());
            match mild.filter(|_| !kind.is_mild()) {
                Some(index) => {
                    self.kept.remove(index);
                }
                None => return,
            }
        }
        self.kept.push(Flaw { path: at.path(), pattern: place.0, expected, actual, kind, more: 0 });
    }
}

/// Whether the JSON type of a value is one that the shape has.
pub(super) fn is_of_type(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Null => value.is_null(),
        Shape::Text | Shape::Written { .. } | Shape::Words(_) => value.is_string(),
        Shape::Boolean => value.is_boolean(),
        Shape::Integer { .. } => is_whole(value),
        Shape::Number { .. } => value.is_number(),
        Shape::Record(_) | Shape::Map(_) | Shape::Tagged(_) => value.is_object(),
        Shape::List { .. } => value.is_array(),
        Shape::Either(shapes) => shapes.iter().any(|shape| is_of_type(shape, value)),
        Shape::Instead { otherwise, .. } => is_of_type(otherwise, value),
        Shape::Also(inner, _) => is_of_type(inner, value),
    }
}

/// Whether a leaf of the right type has a value that the shape allows.
fn has_good_value(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Integer { least: Some(least) } => value.as_f64().is_some_and(|number| number >= as_real(*least)),
        Shape::Number { within: Some((least, most)) } => {
            value.as_f64().is_some_and(|number| (*least..=*most).contains(&number))
        }
        Shape::Written { fits, .. } => value.as_str().is_some_and(fits),
        Shape::List { least, most, .. } => {
            value.as_array().is_some_and(|items| (*least..=*most).contains(&items.len()))
        }
        _ => true,
    }
}

/// JSON knows one kind of number: `3.0` is as whole as `3`.
fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

#[expect(clippy::cast_precision_loss, reason = "bounds of the tables are small")]
fn as_real(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "no list has 2^53 items")]
fn as_number(count: usize) -> f64 {
    count as f64
}

//! Every row of every table at work: messages are made from the tables, have no flaw, and are then spoilt one member at
//! a time. The flaw must be found, with its path, in every revision; and no row may be left out.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::grammar::{ALWAYS, Bond, Member, Shape, Span, Tagged};
use super::super::judging::is_of_type;
use super::super::{
    Flaw, FlawKind, asked, error, judge, judge_error, judge_notification, judge_request, notice, results,
};
use crate::protocol::revision::{REVISIONS, Revision};

type Judge = Box<dyn Fn(&'static Revision, &Value) -> Vec<Flaw>>;

/// A kind of message and how it is judged.
struct Subject {
    what: &'static str,
    span: Span,
    shape: &'static Shape,
    /// The code of an error.
    code: Option<i64>,
    /// Whether `null` stands for nothing.
    takes_null: bool,
    judge: Judge,
}

impl Subject {
    fn new(
        what: &'static str,
        span: Span,
        shape: &'static Shape,
        judge: impl Fn(&'static Revision, &Value) -> Vec<Flaw> + 'static,
    ) -> Self {
        Self { what, span, shape, code: None, takes_null: false, judge: Box::new(judge) }
    }
}

fn subjects() -> Vec<Subject> {
    let mut all = vec![
        Subject::new("any result", ALWAYS, &results::ANY_RESULT, |revision, value| {
            judge(revision, "vendor/own", value)
        }),
        Subject::new("any error", ALWAYS, &error::ERROR, judge_error),
    ];
    for row in results::RESULTS {
        all.push(Subject::new(row.method, row.span, row.shape, |revision, value| judge(revision, row.method, value)));
    }
    for row in error::CODED {
        let subject = Subject::new("an error with a code", row.span, row.shape, judge_error);
        all.push(Subject { code: Some(row.code), ..subject });
    }
    for row in notice::NOTICES {
        let judge = |revision, value: &Value| judge_notification(revision, row.method, value);
        all.push(Subject { takes_null: true, ..Subject::new(row.method, row.span, row.shape, judge) });
    }
    for row in asked::REQUESTS {
        let judge = |revision, value: &Value| judge_request(revision, row.method, value);
        all.push(Subject { takes_null: true, ..Subject::new(row.method, row.span, row.shape, judge) });
    }
    all
}

fn rows(groups: &'static [&'static [Member]]) -> impl Iterator<Item = &'static Member> + Clone {
    groups.iter().copied().flatten()
}

/// Good values of a shape: together they show every kind. `full` has all optional members, the others none.
fn samples(shape: &'static Shape, version: &str, full: bool) -> Vec<Value> {
    match shape {
        Shape::Any => vec![json!("anything")],
        Shape::Null => vec![Value::Null],
        Shape::Text => vec![json!("text")],
        Shape::Boolean => vec![json!(true)],
        Shape::Integer { .. } => vec![json!(7)],
        Shape::Number { .. } => vec![json!(0.5)],
        // A URI, a moment and base64, whichever fits.
        Shape::Written { fits, .. } => {
            ["a:b", "2025-01-12T15:00:58Z", "AAAA"].iter().filter(|text| fits(text)).map(|text| json!(text)).collect()
        }
        Shape::Words(words) => {
            words.iter().filter(|word| word.span.covers(version)).map(|word| json!(word.text)).take(1).collect()
        }
        Shape::Map(item) => {
            let named =
                samples(item, version, full).into_iter().enumerate().map(|(n, value)| (format!("key {n}"), value));
            vec![Value::Object(named.collect())]
        }
        Shape::List { item, most, .. } => {
            let mut items = samples(item, version, full);
            items.truncate(*most);
            vec![Value::Array(items)]
        }
        Shape::Either(shapes) if shapes.iter().all(|shape| is_leaf(shape)) => samples(shapes[0], version, full),
        Shape::Either(shapes) => shapes.iter().flat_map(|shape| samples(shape, version, full)).collect(),
        Shape::Instead { span, then, otherwise, .. } => {
            let then = if span.covers(version) { samples(then, version, full) } else { Vec::new() };
            samples(otherwise, version, full).into_iter().chain(then).collect()
        }
        // Each of the members alone.
        Shape::Also(inner, Bond::AnyOf(names)) if !full => {
            let whole = samples(inner, version, true).swap_remove(0);
            let mut all = Vec::new();
            for bare in samples(inner, version, false) {
                for name in *names {
                    let mut one = bare.clone();
                    names.iter().for_each(|other| drop(one.as_object_mut().unwrap().remove(*other)));
                    one[*name] = whole[*name].clone();
                    all.push(one);
                }
            }
            all
        }
        Shape::Also(inner, _) => samples(inner, version, full),
        Shape::Record(groups) => records(groups, version, full),
        Shape::Tagged(tagged) => tagged_samples(tagged, version, full),
    }
}

fn is_leaf(shape: &Shape) -> bool {
    matches!(shape, Shape::Null | Shape::Text | Shape::Integer { .. })
}

fn records(groups: &'static [&'static [Member]], version: &str, full: bool) -> Vec<Value> {
    let known = rows(groups).filter(|row| row.span.covers(version) && (full || row.required));
    let members: Vec<(&str, Vec<Value>)> = known.map(|row| (row.name, samples(row.shape, version, full))).collect();
    let first: Map<String, Value> = members.iter().map(|(name, all)| ((*name).to_owned(), all[0].clone())).collect();
    let mut variants = vec![Value::Object(first.clone())];
    for (name, others) in &members {
        for other in &others[1..] {
            let mut variant = first.clone();
            variant.insert((*name).to_owned(), other.clone());
            variants.push(Value::Object(variant));
        }
    }
    variants
}

fn tagged_samples(tagged: &'static Tagged, version: &str, full: bool) -> Vec<Value> {
    if !tagged.span.covers(version) {
        return samples(tagged.kinds[0].shape, version, full);
    }
    let mut all = Vec::new();
    for (n, kind) in tagged.kinds.iter().enumerate().filter(|(_, kind)| kind.word.span.covers(version)) {
        for mut sample in samples(kind.shape, version, full) {
            // The first kind may leave its tag out, where the tag is optional in its table.
            if n > 0 || sample.get(tagged.tag).is_some() {
                sample[tagged.tag] = kind.word.text.into();
            }
            all.push(sample);
        }
    }
    all
}

#[derive(Clone)]
enum Key {
    Name(String),
    Index(usize),
}

impl Default for Spot {
    fn default() -> Self {
        Self { keys: Vec::new(), identity: String::new(), shape: &Shape::Any, row: None, tag_of: None, may_go: false }
    }
}

/// A place in a message, and what the tables say of it.
struct Spot {
    keys: Vec<Key>,
    /// The row, or the place.
    identity: String,
    shape: &'static Shape,
    row: Option<&'static Member>,
    /// Words that only other revisions know here, and whether the place is a tag.
    tag_of: Option<&'static Tagged>,
    /// Without it the message would be something else.
    may_go: bool,
}

fn path(keys: &[Key]) -> String {
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    keys.iter().fold("$".to_owned(), |path, key| match key {
        Key::Name(name) if plain(name) => format!("{path}.{name}"),
        Key::Name(name) => format!("{path}['{name}']"),
        Key::Index(index) => format!("{path}[{index}]"),
    })
}

fn place<'a>(mut value: &'a mut Value, keys: &[Key]) -> &'a mut Value {
    for key in keys {
        value = match key {
            Key::Name(name) => &mut value[name],
            Key::Index(index) => &mut value[*index],
        };
    }
    value
}

/// All places of a message, from the root down.
struct Walk {
    version: &'static str,
    spots: Vec<Spot>,
}

impl Walk {
    fn go(&mut self, shape: &'static Shape, value: &Value, keys: &[Key], tag: Option<&'static Tagged>, swap: &str) {
        let then = |key: Key| [keys, &[key]].concat();
        match shape {
            Shape::Record(groups) => {
                for row in rows(groups).filter(|row| row.span.covers(self.version)) {
                    let Some(inner) = value.get(row.name) else { continue };
                    let keys = then(Key::Name(row.name.to_owned()));
                    let tag_of = tag.filter(|tag| tag.tag == row.name && tag.span.covers(self.version));
                    let may_go = row.name != swap && tag_of.is_none_or(|tag| !tag.first_by_default || is_needed(tag));
                    let identity = identity(groups, row);
                    let (shape, row) = (row.shape, Some(row));
                    self.spots.push(Spot { keys: keys.clone(), identity, shape, row, tag_of, may_go });
                    self.go(shape, inner, &keys, None, "");
                }
            }
            Shape::Map(item) => {
                for (name, inner) in value.as_object().unwrap() {
                    self.item(item, inner, &then(Key::Name(name.clone())));
                }
            }
            Shape::List { item, .. } => {
                for (index, inner) in value.as_array().unwrap().iter().enumerate() {
                    self.item(item, inner, &then(Key::Index(index)));
                }
            }
            Shape::Tagged(tagged) => {
                let told = value.get(tagged.tag).filter(|_| tagged.span.covers(self.version));
                let of = |told: &Value| tagged.kinds.iter().find(|kind| told == kind.word.text);
                let kind = told.and_then(of).unwrap_or(&tagged.kinds[0]);
                self.go(kind.shape, value, keys, Some(tagged), swap);
            }
            Shape::Either(shapes) => {
                let shape = shapes.iter().find(|shape| is_of_type(shape, value)).unwrap();
                self.go(shape, value, keys, tag, swap);
            }
            Shape::Instead { member, of, then, otherwise, .. } => {
                let swapped = value.get(member).is_some() && value.get(of).is_none();
                let shape = if swapped { then } else { otherwise };
                self.go(shape, value, keys, tag, if swapped { member } else { swap });
            }
            Shape::Also(inner, _) => self.go(inner, value, keys, tag, swap),
            _ => {}
        }
    }

    fn item(&mut self, shape: &'static Shape, value: &Value, keys: &[Key]) {
        self.spots.push(Spot { keys: keys.to_vec(), identity: path(keys), shape, ..Spot::default() });
        self.go(shape, value, keys, None, "");
    }
}

/// Whether the first kind wants the tag too.
fn is_needed(tagged: &'static Tagged) -> bool {
    members(tagged.kinds[0].shape).iter().any(|row| row.name == tagged.tag && row.required)
}

/// The rows of a record, whatever it is wrapped in.
fn members(shape: &'static Shape) -> Vec<&'static Member> {
    match shape {
        Shape::Record(groups) => rows(groups).collect(),
        Shape::Also(inner, _) | Shape::Instead { otherwise: inner, .. } => members(inner),
        _ => Vec::new(),
    }
}

/// What a place may be turned into, and the flaw that is to be found there.
fn spoilt(spot: &Spot, version: &str) -> Vec<(Value, FlawKind)> {
    let mut all = Vec::new();
    // A tag that is `null` counts as left out, so the first kind says what that means.
    let by_default = spot.tag_of.filter(|tagged| tagged.first_by_default);
    let optional = by_default.map_or(spot.row.is_some_and(|row| !row.required), |tagged| !is_needed(tagged));
    for other in [Value::Null, json!(true), json!(7.5), json!("text"), json!([]), json!({})] {
        if !is_of_type(spot.shape, &other) {
            let kind = if other.is_null() && optional { FlawKind::Null } else { FlawKind::WrongType };
            all.push((other, kind));
        }
    }
    let inner = match spot.shape {
        Shape::Also(inner, _) => inner,
        shape => shape,
    };
    match inner {
        Shape::Integer { least: Some(least) } => all.push((json!(least - 1), FlawKind::WrongValue)),
        Shape::Number { within: Some((least, most)) } => {
            all.push((json!(least - 0.1), FlawKind::WrongValue));
            all.push((json!(most + 0.1), FlawKind::WrongValue));
        }
        Shape::Written { .. } => all.push((json!("not so"), FlawKind::WrongValue)),
        Shape::List { least, most, .. } => {
            if *least > 0 {
                all.push((json!([]), FlawKind::WrongValue));
            }
            if *most < usize::MAX {
                all.push((json!(vec!["text"; most + 1]), FlawKind::WrongValue));
            }
        }
        _ => {}
    }
    let words = match (spot.tag_of, inner) {
        (Some(tagged), _) => tagged.kinds.iter().map(|kind| &kind.word).collect(),
        (None, Shape::Words(words)) => words.iter().collect(),
        _ => Vec::new(),
    };
    if !words.is_empty() {
        all.push((json!("no such word"), FlawKind::WrongValue));
    }
    for word in words.iter().filter(|word| !word.span.covers(version)) {
        let kind = if word.span.since > version { FlawKind::NotYet } else { FlawKind::NoLonger };
        all.push((json!(word.text), kind));
    }
    all
}

/// The members that a record does not know in this revision, each with whether that is a flaw.
fn foreign(shape: &'static Shape, version: &str) -> Vec<(&'static str, Option<FlawKind>)> {
    let all = members(shape);
    let known = |name: &str| all.iter().any(|row| row.name == name && row.span.covers(version));
    let strangers = all.iter().filter(|row| !known(row.name));
    strangers
        .map(|row| {
            let later = all.iter().any(|other| other.name == row.name && other.span.since > version);
            let kind = if later { FlawKind::NotYet } else { FlawKind::NoLonger };
            (row.name, (!row.harmless).then_some(kind))
        })
        .collect()
}

/// The shape that the judge sees at a place.
fn seen(shape: &'static Shape, value: &Value, version: &str) -> &'static Shape {
    match shape {
        Shape::Tagged(tagged) => {
            let told = value.get(tagged.tag).filter(|_| tagged.span.covers(version));
            let kind = told.and_then(|told| tagged.kinds.iter().find(|kind| told == kind.word.text));
            seen(kind.unwrap_or(&tagged.kinds[0]).shape, value, version)
        }
        Shape::Either(shapes) => seen(shapes.iter().find(|shape| is_of_type(shape, value)).unwrap(), value, version),
        Shape::Instead { member, of, then, otherwise, .. } => {
            let swapped = value.get(member).is_some() && value.get(of).is_none();
            seen(if swapped { then } else { otherwise }, value, version)
        }
        Shape::Also(inner, _) => seen(inner, value, version),
        shape => shape,
    }
}

/// Tells a row from all others: its own name and span, and the names it stands among. (Addresses would not do: the same
/// table may lie in memory twice.)
fn identity(groups: &'static [&'static [Member]], row: &Member) -> String {
    let name = |row: &Member| match row.shape {
        Shape::Words([word]) => format!("{}={}", row.name, word.text),
        _ => row.name.to_owned(),
    };
    let all: Vec<String> = rows(groups).map(name).collect();
    format!("{} since {} among {}", row.name, row.span.since, all.join(", "))
}

/// The rows that a message of this shape may have in a revision.
fn reach(shape: &'static Shape, version: &str, found: &mut BTreeSet<String>) {
    match shape {
        Shape::Record(groups) => {
            for row in rows(groups).filter(|row| row.span.covers(version)) {
                if found.insert(identity(groups, row)) {
                    reach(row.shape, version, found);
                }
            }
        }
        Shape::Map(inner) | Shape::List { item: inner, .. } | Shape::Also(inner, _) => reach(inner, version, found),
        Shape::Tagged(tagged) if !tagged.span.covers(version) => reach(tagged.kinds[0].shape, version, found),
        Shape::Tagged(tagged) => {
            let known = tagged.kinds.iter().filter(|kind| kind.word.span.covers(version));
            known.for_each(|kind| reach(kind.shape, version, found));
        }
        Shape::Either(shapes) => shapes.iter().for_each(|shape| reach(shape, version, found)),
        Shape::Instead { span, then, otherwise, .. } => {
            reach(otherwise, version, found);
            if span.covers(version) {
                reach(then, version, found);
            }
        }
        _ => {}
    }
}

/// Other good values for a place.
fn alternatives(spot: &Spot, version: &str) -> Vec<Value> {
    match spot.shape {
        Shape::Words(words) if spot.tag_of.is_none() => {
            words.iter().filter(|word| word.span.covers(version)).map(|word| json!(word.text)).collect()
        }
        Shape::Integer { .. } => vec![json!(7.0), json!(1e20)],
        Shape::Number { .. } => vec![json!(1), json!(0)],
        Shape::Either(shapes) if shapes.iter().all(|shape| is_leaf(shape)) => {
            shapes.iter().flat_map(|shape| samples(shape, version, true)).collect()
        }
        _ => Vec::new(),
    }
}

/// What was done, so that every row is done once, and none is left out.
#[derive(Default)]
struct Tally {
    reachable: BTreeSet<String>,
    removed: BTreeSet<String>,
    mistyped: BTreeSet<String>,
    mutations: usize,
}

impl Tally {
    /// Spoils one message in every way.
    fn message(
        &mut self,
        subject: &Subject,
        revision: &'static Revision,
        message: &Value,
        done: &mut BTreeSet<String>,
    ) {
        let version = revision.version;
        assert_eq!((subject.judge)(revision, message), [], "{version} {} {message}", subject.what);
        let mut walk = Walk { version, spots: Vec::new() };
        walk.go(subject.shape, message, &[], None, "");
        walk.spots.push(Spot { shape: subject.shape, ..Spot::default() });
        for spot in walk.spots.into_iter().filter(|spot| done.insert(spot.identity.clone())) {
            self.spot(subject, revision, message, &spot);
        }
    }

    fn spot(&mut self, subject: &Subject, revision: &'static Revision, message: &Value, spot: &Spot) {
        let version = revision.version;
        let here = path(&spot.keys);
        let mut expect = |changed: &Value, path: &str, kind: FlawKind| {
            self.mutations += 1;
            let flaws = (subject.judge)(revision, changed);
            let found = flaws.iter().any(|flaw| flaw.path == path && flaw.kind == kind);
            let what = &subject.what;
            assert!(
                found,
                "{version} {what}: {kind:?} at {path} is not in {flaws:#?}\n{message}\nchanged to {changed}"
            );
        };
        let put = |other: Value| {
            let mut changed = message.clone();
            *place(&mut changed, &spot.keys) = other;
            changed
        };
        for (other, kind) in spoilt(spot, version) {
            if subject.takes_null && spot.keys.is_empty() && other.is_null() {
                continue;
            }
            expect(&put(other), &here, kind);
            self.mistyped.insert(spot.identity.clone());
        }
        if let Some(row) = spot.row.filter(|row| spot.may_go && row.required) {
            let mut changed = message.clone();
            let above = &spot.keys[..spot.keys.len() - 1];
            place(&mut changed, above).as_object_mut().unwrap().remove(row.name);
            expect(&changed, &here, FlawKind::Missing);
            self.removed.insert(spot.identity.clone());
        }
        let value = place(&mut message.clone(), &spot.keys).clone();
        let strangers =
            if value.is_object() { foreign(seen(spot.shape, &value, version), version) } else { Vec::new() };
        for (name, kind) in strangers {
            let mut with_stranger = value.clone();
            with_stranger[name] = json!(7);
            let changed = put(with_stranger);
            match kind {
                Some(kind) => expect(&changed, &path(&[&spot.keys[..], &[Key::Name(name.to_owned())]].concat()), kind),
                None => assert_eq!((subject.judge)(revision, &changed), [], "{version} {} {changed}", subject.what),
            }
        }
        for other in alternatives(spot, version) {
            let changed = put(other);
            assert_eq!((subject.judge)(revision, &changed), [], "{version} {} {changed}", subject.what);
        }
    }
}

#[test]
fn every_row_finds_what_it_is_there_for() {
    let mut tally = Tally::default();
    for subject in subjects() {
        for revision in REVISIONS.iter().filter(|revision| subject.span.covers(revision.version)) {
            reach(subject.shape, revision.version, &mut tally.reachable);
            for full in [true, false] {
                let mut done = BTreeSet::new();
                for mut message in samples(subject.shape, revision.version, full) {
                    if let Some(code) = subject.code {
                        message["code"] = code.into();
                    }
                    tally.message(&subject, revision, &message, &mut done);
                }
            }
        }
    }
    // What may be anything cannot be mistyped.
    let anything = ["data since", "structuredContent since 2026-07-28"];
    let left_out = |row: &&String| !tally.mistyped.contains(*row) && !anything.iter().any(|any| row.starts_with(any));
    assert_eq!(tally.reachable.iter().filter(left_out).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(tally.removed.len() > 60 && tally.mutations > 5_000, "{} {}", tally.removed.len(), tally.mutations);
}

//! The words of a flaw: what a shape wants, and what stands there instead, each short whatever the server wrote.

use serde_json::Value;

use super::FlawKind;
use super::grammar::{Shape, Span, Word};
use crate::base::sanitize;

/// The longest text of a server that is quoted.
const QUOTE_CHARS_MAX: usize = 80;
/// The longest name of a member that is told.
const NAME_CHARS_MAX: usize = 24;
/// Begins what is expected where a whole member is not of the revision.
pub(super) const NO_MEMBER: &str = "no such member";
/// How many members of an object are told.
const NAMES_MAX: usize = 4;

/// What a value of this shape is.
pub(super) fn value(shape: &Shape, version: &str) -> String {
    match shape {
        Shape::Any => "a value".to_owned(),
        Shape::Null => "null".to_owned(),
        Shape::Text => "a string".to_owned(),
        Shape::Boolean => "true or false".to_owned(),
        Shape::Integer { least: None } => "an integer".to_owned(),
        Shape::Integer { least: Some(least) } => format!("an integer of at least {least}"),
        Shape::Number { within: None } => "a number".to_owned(),
        Shape::Number { within: Some((least, most)) } => format!("a number from {least} to {most}"),
        Shape::Written { what, .. } => (*what).to_owned(),
        Shape::Words(known) => words(known.iter(), version),
        Shape::Record(_) | Shape::Map(_) | Shape::Tagged(_) => "an object".to_owned(),
        Shape::List { least: 0, most: usize::MAX, .. } => "an array".to_owned(),
        Shape::List { least: 0, most, .. } => format!("an array of at most {most} items"),
        Shape::List { least, .. } => format!("an array of at least {least} {}", plural(*least, "item")),
        Shape::Either(shapes) => alternatives(shapes.iter().map(|shape| value(shape, version)).collect()),
        Shape::Instead { otherwise, .. } => value(otherwise, version),
        Shape::Also(inner, _) => value(inner, version),
    }
}

/// The words that the revision knows.
pub(super) fn words<'a>(words: impl Iterator<Item = &'a Word>, version: &str) -> String {
    alternatives(words.filter(|word| word.span.covers(version)).map(|word| format!("\"{}\"", word.text)).collect())
}

/// A member that only other revisions know.
pub(super) fn foreign(name: &str, span: Span, version: &str) -> (FlawKind, String) {
    let (kind, when) = foreign_word(name, span, version);
    (kind, format!("{NO_MEMBER}; {when}"))
}

/// A word that only other revisions know.
pub(super) fn foreign_word(name: &str, span: Span, version: &str) -> (FlawKind, String) {
    if span.since > version {
        (FlawKind::NotYet, format!("{name} came with {}, and this is {version}", span.since))
    } else {
        (FlawKind::NoLonger, format!("{name} ended with {}, and this is {version}", span.until))
    }
}

/// What stands there.
pub(super) fn actual(value: &Value) -> String {
    match value {
        Value::String(text) => Value::String(sanitize::cut(text, QUOTE_CHARS_MAX)).to_string(),
        Value::Array(items) if items.is_empty() => "an empty array".to_owned(),
        Value::Array(items) => format!("an array of {} {}", items.len(), plural(items.len(), "item")),
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(members) => {
            let told: Vec<String> =
                members.keys().take(NAMES_MAX).map(|name| sanitize::cut(name, NAME_CHARS_MAX)).collect();
            let rest = if members.len() > NAMES_MAX { ", …" } else { "" };
            format!("an object with {}{rest}", told.join(", "))
        }
        plain => plain.to_string(),
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

/// `a, b or c`.
fn alternatives(mut all: Vec<String>) -> String {
    match all.pop() {
        None => "nothing".to_owned(),
        Some(last) if all.is_empty() => last,
        Some(last) => format!("{} or {last}", all.join(", ")),
    }
}

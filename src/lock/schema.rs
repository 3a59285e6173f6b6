//! Two JSON Schemas: what a change means for the arguments that a tool takes, and for the results that it promises. What
//! narrows an input breaks callers, and so does what widens an output; of what nothing can be proved, that is said.

mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::canonical;
use super::definition::{Spot, said};
use crate::event::ChangeClass;

/// Which way the values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Clients write them.
    In,
    /// The server writes them.
    Out,
}

/// Keywords that are words for people.
const PROSE: &[&str] = &["title", "description", "examples", "$comment", "deprecated"];

/// Keywords that make one schema of others.
const COMPOSING: &[&str] = &["anyOf", "oneOf", "allOf", "$ref", "not", "if"];

/// Keywords in whose reach narrower may mean wider.
const TURNING: &[&str] =
    &["not", "if", "contains", "oneOf", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems"];

/// The member of a path, as JSONPath writes it.
pub(super) fn member(path: &str, name: &str) -> String {
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    let is_plain = name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit());
    if is_plain {
        return format!("{path}.{name}");
    }
    format!("{path}['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Compares two schemas that stand at a path.
pub(super) fn compare(flow: Flow, old: &Value, new: &Value, path: &str) -> Vec<Spot> {
    let mut walk = Walk { flow, turns: turns(old) || turns(new), is_proven: true, found: Vec::new() };
    walk.schemas(old, new, path);
    if walk.found.is_empty() && !canonical::same(old, new) {
        walk.push(ChangeClass::Prose, path, "the schema is said in another way", Some(old), Some(new));
    }
    walk.found
}

/// Whether something in a schema may turn what its definitions mean.
fn turns(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| TURNING.contains(&name.as_str()) || turns(value)),
        Value::Array(items) => items.iter().any(turns),
        _ => false,
    }
}

struct Walk {
    flow: Flow,
    turns: bool,
    /// Whether wider is known to mean wider here.
    is_proven: bool,
    found: Vec<Spot>,
}

impl Walk {
    fn narrower(&self) -> ChangeClass {
        if self.flow == Flow::In { ChangeClass::Breaking } else { ChangeClass::Widening }
    }

    fn wider(&self) -> ChangeClass {
        if self.flow == Flow::In { ChangeClass::Widening } else { ChangeClass::Breaking }
    }

    /// What a property is to those who use the schema.
    fn property(&self) -> &'static str {
        if self.flow == Flow::In { "parameter" } else { "field" }
    }

    fn push(&mut self, class: ChangeClass, path: &str, what: &str, old: Option<&Value>, new: Option<&Value>) {
        let class = if class == ChangeClass::Widening && !self.is_proven { ChangeClass::MayBreak } else { class };
        self.found.push(Spot::of(class, path, what, old, new));
    }

    fn schemas(&mut self, old: &Value, new: &Value, path: &str) {
        if canonical::same(old, new) {
            return;
        }
        let anything = Map::new();
        let keywords = |schema: &Value| match schema {
            Value::Object(keywords) => Some(keywords.clone()),
            Value::Bool(true) => Some(anything.clone()),
            _ => None,
        };
        match (old, new) {
            (Value::Bool(false), Value::Bool(true) | Value::Object(_)) => {
                self.push(self.wider(), path, "values are allowed now", Some(old), Some(new));
            }
            (Value::Bool(true) | Value::Object(_), Value::Bool(false)) => {
                self.push(self.narrower(), path, "no value is allowed any more", Some(old), Some(new));
            }
            _ => match (keywords(old), keywords(new)) {
                (Some(before), Some(after)) => self.keywords(&before, &after, path),
                _ => {
                    self.push(ChangeClass::MayBreak, path, "the schema is another kind of value", Some(old), Some(new));
                }
            },
        }
    }

    fn keywords(&mut self, before: &Map<String, Value>, after: &Map<String, Value>, path: &str) {
        let composed = |keywords: &Map<String, Value>| COMPOSING.iter().any(|name| keywords.contains_key(*name));
        let is_rewritten = composed(before) != composed(after);
        if is_rewritten {
            self.rewritten(before, after, path);
        } else {
            self.at_least(before, after, path, &["properties", "required"], Self::object);
            self.at_least(before, after, path, &["enum", "const"], Self::choices);
        }
        for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
            let is_prose = PROSE.contains(&name.as_str()) || name == "default";
            let is_done = matches!(name.as_str(), "properties" | "required" | "enum" | "const");
            if if is_rewritten { is_prose } else { !is_done } {
                self.at_least(before, after, path, &[name], |walk, before, after, path| {
                    walk.keyword(name, before.get(name), after.get(name), path);
                });
            }
        }
    }

    /// Compares some keywords; where they differ and nothing is found, they say the same in other words.
    fn at_least(
        &mut self,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        path: &str,
        names: &[&str],
        compare: impl FnOnce(&mut Self, &Map<String, Value>, &Map<String, Value>, &str),
    ) {
        let is_same = |name: &&str| match (before.get(*name), after.get(*name)) {
            (Some(old), Some(new)) => canonical::same(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        let Some(other) = names.iter().find(|name| !is_same(name)) else { return };
        let count = self.found.len();
        compare(self, before, after, path);
        if self.found.len() == count {
            let (old, new) = (before.get(*other), after.get(*other));
            let what = format!("{other} says the same in another way");
            self.push(ChangeClass::Prose, &member(path, other), &what, old, new);
        }
    }

    /// One keyword that differs.
    fn keyword(&mut self, name: &str, old: Option<&Value>, new: Option<&Value>, path: &str) {
        let place = member(path, name);
        let anything = Value::Bool(true);
        match name {
            name if PROSE.contains(&name) => self.push(ChangeClass::Prose, &place, &said(name, old, new), old, new),
            "default" => {
                let class = if self.flow == Flow::In { ChangeClass::MayBreak } else { ChangeClass::Prose };
                self.push(class, &place, &said(name, old, new), old, new);
            }
            "type" => self.types(old, new, &place),
            "additionalProperties" => self.openness(old, new, &place),
            "items" => self.schemas(old.unwrap_or(&anything), new.unwrap_or(&anything), &place),
            "$defs" | "definitions" => self.definitions(old, new, &place),
            "anyOf" | "allOf" | "oneOf" => self.composition(name, old, new, &place),
            name => self.constraint(name, old, new, &place),
        }
    }

    fn openness(&mut self, old: Option<&Value>, new: Option<&Value>, path: &str) {
        let anything = Value::Bool(true);
        let (before, after) = (old.unwrap_or(&anything), new.unwrap_or(&anything));
        let what = match (before, after) {
            (_, Value::Bool(false)) => format!("no {}s but those that are named", self.property()),
            (Value::Bool(false), _) => format!("{}s that are not named are possible", self.property()),
            _ => return self.schemas(before, after, path),
        };
        if !canonical::same(before, after) {
            let class = if *after == Value::Bool(false) { self.narrower() } else { self.wider() };
            self.push(class, path, &what, old, new);
        }
    }

    fn object(&mut self, before: &Map<String, Value>, after: &Map<String, Value>, path: &str) {
        let nothing = Map::new();
        let properties = |keywords: &Map<String, Value>| match keywords.get("properties") {
            None => Some(nothing.clone()),
            Some(Value::Object(properties)) => Some(properties.clone()),
            Some(_) => None,
        };
        let required = |keywords: &Map<String, Value>| match keywords.get("required") {
            None => Some(Vec::new()),
            Some(Value::Array(names)) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let (Some(was), Some(is)) = (properties(before), properties(after)) else {
            let (old, new) = (before.get("properties"), after.get("properties"));
            return self.push(
                ChangeClass::MayBreak,
                &member(path, "properties"),
                "the properties are another value",
                old,
                new,
            );
        };
        let place = member(path, "required");
        let (Some(needed), Some(needs)) = (required(before), required(after)) else {
            let (old, new) = (before.get("required"), after.get("required"));
            return self.push(ChangeClass::MayBreak, &place, "required is another value", old, new);
        };
        let (needed_set, needs_set): (BTreeSet<&str>, BTreeSet<&str>) =
            (needed.iter().map(String::as_str).collect(), needs.iter().map(String::as_str).collect());
        self.properties(before, (&was, &is), &needs_set, &member(path, "properties"));
        let what = self.property();
        for name in
            needs_set.difference(&needed_set).filter(|name| was.contains_key(**name) || !is.contains_key(**name))
        {
            let text = format!("the {what} {name} is required now");
            self.push(self.narrower(), &place, &text, None, Some(&Value::from(*name)));
        }
        for name in
            needed_set.difference(&needs_set).filter(|name| is.contains_key(**name) || !was.contains_key(**name))
        {
            let text = format!("the {what} {name} is optional now");
            self.push(self.wider(), &place, &text, Some(&Value::from(*name)), None);
        }
        if needed_set == needs_set && needed != needs {
            let (old, new) = (before.get("required"), after.get("required"));
            self.push(ChangeClass::Order, &place, "required names the same in another order", old, new);
        }
    }

    fn properties(
        &mut self,
        before: &Map<String, Value>,
        (was, is): (&Map<String, Value>, &Map<String, Value>),
        needs: &BTreeSet<&str>,
        path: &str,
    ) {
        let what = self.property();
        for (name, old) in was {
            let place = member(path, name);
            match is.get(name) {
                Some(new) => self.at_least_one(old, new, &place),
                None => {
                    self.push(ChangeClass::Breaking, &place, &format!("the {what} {name} is gone"), Some(old), None);
                }
            }
        }
        // What was free to hold anything of one kind may be something else now.
        let was_limited = before.get("additionalProperties").is_some_and(Value::is_object);
        for (name, new) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
            let (class, how) = match (self.flow, needs.contains(name.as_str())) {
                (Flow::In, true) => (ChangeClass::Breaking, " and required"),
                (_, _) if was_limited => (ChangeClass::MayBreak, ""),
                (Flow::In, false) => (ChangeClass::Widening, " and optional"),
                (Flow::Out, _) => (ChangeClass::Widening, ""),
            };
            self.push(class, &member(path, name), &format!("the {what} {name} is new{how}"), None, Some(new));
        }
    }

    /// Two schemas; where they differ and nothing is found, they say the same in other words.
    fn at_least_one(&mut self, old: &Value, new: &Value, path: &str) {
        let count = self.found.len();
        self.schemas(old, new, path);
        if self.found.len() == count && !canonical::same(old, new) {
            self.push(ChangeClass::Prose, path, "the schema says the same in another way", Some(old), Some(new));
        }
    }

    fn definitions(&mut self, old: Option<&Value>, new: Option<&Value>, path: &str) {
        let nothing = Value::Object(Map::new());
        let (Value::Object(was), Value::Object(is)) = (old.unwrap_or(&nothing), new.unwrap_or(&nothing)) else {
            return self.push(ChangeClass::MayBreak, path, "the definitions are another value", old, new);
        };
        let proven = self.is_proven;
        self.is_proven &= !self.turns;
        for (name, old) in was {
            let place = member(path, name);
            match is.get(name) {
                Some(new) => self.at_least_one(old, new, &place),
                None => {
                    self.push(
                        ChangeClass::MayBreak,
                        &place,
                        &format!("the definition {name} is gone"),
                        Some(old),
                        None,
                    );
                }
            }
        }
        self.is_proven = proven;
        for (name, new) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
            // Whatever uses it was changed as well, and is told.
            self.push(
                ChangeClass::Widening,
                &member(path, name),
                &format!("the definition {name} is new"),
                None,
                Some(new),
            );
        }
    }

    /// `anyOf`, `allOf`, `oneOf`: alternatives or parts, told apart by what they say.
    fn composition(&mut self, name: &str, old: Option<&Value>, new: Option<&Value>, path: &str) {
        let (Some(Value::Array(was)), Some(Value::Array(is))) = (old, new) else {
            return self.push(ChangeClass::MayBreak, path, &said(name, old, new), old, new);
        };
        let (gone, come) = (without(was, is), without(is, was));
        let (gained, lost) = match name {
            "anyOf" => (self.wider(), self.narrower()),
            "allOf" => (self.narrower(), self.wider()),
            _ => (ChangeClass::MayBreak, ChangeClass::MayBreak),
        };
        match (gone.as_slice(), come.as_slice()) {
            ([], []) => {
                self.push(ChangeClass::Order, path, &format!("{name} says the same in another order"), old, new);
            }
            ([], come) => self.push(gained, path, &format!("{name} has {} more", come.len()), old, new),
            (gone, []) => self.push(lost, path, &format!("{name} has {} less", gone.len()), old, new),
            ([(_, one)], [(at, other)]) if name != "oneOf" => self.schemas(one, other, &format!("{path}[{at}]")),
            _ => self.push(ChangeClass::MayBreak, path, &said(name, old, new), old, new),
        }
    }

    /// One of the two is made of others, and the other is not.
    fn rewritten(&mut self, before: &Map<String, Value>, after: &Map<String, Value>, path: &str) {
        let (old, new) = (bare(before), bare(after));
        let holds = |whole: &Map<String, Value>, part: &Map<String, Value>| {
            let branches = whole.get("anyOf").filter(|_| whole.len() == 1).and_then(Value::as_array);
            branches.is_some_and(|branches| {
                let is_part = |branch: &Value| {
                    let branch = branch.as_object().map(bare);
                    branch.is_some_and(|branch| canonical::same(&Value::Object(branch), &Value::Object(part.clone())))
                };
                branches.iter().any(is_part)
            })
        };
        let (class, what) = if holds(&new, &old) {
            (self.wider(), "other values are possible, too")
        } else if holds(&old, &new) {
            (self.narrower(), "other values are not possible any more")
        } else {
            (ChangeClass::MayBreak, "the schema is made in another way")
        };
        let (old, new) = (Value::Object(before.clone()), Value::Object(after.clone()));
        self.push(class, path, what, Some(&old), Some(&new));
    }
}

/// What of a schema limits values.
fn bare(keywords: &Map<String, Value>) -> Map<String, Value> {
    let limits = |name: &str| !PROSE.contains(&name) && name != "default";
    keywords.iter().filter(|(name, _)| limits(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What stands in one array and not in another, with its place; each counts as often as it is there.
fn without<'a>(all: &'a [Value], others: &[Value]) -> Vec<(usize, &'a Value)> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for other in others {
        *known.entry(canonical::text(other)).or_default() += 1;
    }
    let mut is_other = |value: &Value| match known.get_mut(&canonical::text(value)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    all.iter().enumerate().filter(|(_, value)| is_other(value)).collect()
}

#[cfg(test)]
mod tests;

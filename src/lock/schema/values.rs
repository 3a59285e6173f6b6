//! What limits a single value: its type, its choices, its bounds.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Walk;
use super::member;
use crate::event::ChangeClass;
use crate::lock::canonical;
use crate::lock::definition::said;

/// Every type; a number may be an integer.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Bounds from below.
const LEAST: &[&str] = &["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];

/// Bounds from above.
const MOST: &[&str] = &["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];

impl Walk {
    pub(super) fn types(&mut self, old: Option<&Value>, new: Option<&Value>, path: &str) {
        let (Some(was), Some(is)) = (types(old), types(new)) else {
            return self.push(ChangeClass::MayBreak, path, "the type is another value", old, new);
        };
        let shown = |value: Option<&Value>| match value {
            None => "any".to_owned(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            Some(name) => name.as_str().unwrap_or_default().to_owned(),
        };
        let what = format!("the type was {}, is {}", shown(old), shown(new));
        match (is.is_subset(&was), was.is_subset(&is)) {
            // The same in another order, or in another spelling.
            (true, true) => {}
            (true, false) => self.push(self.narrower(), path, &what, old, new),
            (false, true) => self.push(self.wider(), path, &what, old, new),
            (false, false) => self.push(ChangeClass::Breaking, path, &what, old, new),
        }
    }

    /// `enum` and `const`.
    pub(super) fn choices(&mut self, before: &Map<String, Value>, after: &Map<String, Value>, path: &str) {
        let name = if before.contains_key("enum") || after.contains_key("enum") { "enum" } else { "const" };
        let place = member(path, name);
        let (old, new) = (before.get(name), after.get(name));
        let (Some(was), Some(is)) = (choices(before), choices(after)) else {
            return self.push(ChangeClass::MayBreak, &place, "the choices are another value", old, new);
        };
        let (was, is) = match (was, is) {
            (None, None) => return,
            (None, Some(_)) => {
                return self.push(self.narrower(), &place, "only some values are possible now", old, new);
            }
            (Some(_), None) => return self.push(self.wider(), &place, "any value is possible now", old, new),
            (Some(was), Some(is)) => (was, is),
        };
        let list = |set: &[&String]| set.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", ");
        let gone: Vec<&String> = was.difference(&is).collect();
        let come: Vec<&String> = is.difference(&was).collect();
        if !gone.is_empty() {
            self.push(self.narrower(), &place, &format!("no longer possible: {}", list(&gone)), old, new);
        }
        if !come.is_empty() {
            self.push(self.wider(), &place, &format!("possible, too: {}", list(&come)), old, new);
        }
        if gone.is_empty() && come.is_empty() && matches!((old, new), (Some(_), Some(_))) {
            self.push(ChangeClass::Order, &place, "the same choices in another order", old, new);
        }
    }

    /// Every other keyword: bounds and patterns, and those of which nothing is known.
    pub(super) fn constraint(&mut self, name: &str, old: Option<&Value>, new: Option<&Value>, path: &str) {
        let is_least = LEAST.contains(&name);
        let class = match (name, old, new) {
            ("uniqueItems", _, _) => match (flag(old), flag(new)) {
                (Some(false), Some(true)) => self.narrower(),
                (Some(true), Some(false)) => self.wider(),
                // That it is false goes without saying.
                (Some(_), Some(_)) => return,
                _ => ChangeClass::MayBreak,
            },
            // Nobody has to check a format.
            ("format", None, Some(_)) if self.narrower() == ChangeClass::Breaking => ChangeClass::MayBreak,
            ("format", Some(_), None) if self.wider() == ChangeClass::Breaking => ChangeClass::MayBreak,
            (_, None, Some(new)) if can_limit(name, new) => self.narrower(),
            (_, Some(old), None) if can_limit(name, old) => self.wider(),
            (_, Some(old), Some(new)) if is_least || MOST.contains(&name) => match (old.as_f64(), new.as_f64()) {
                (Some(was), Some(is)) if (is > was) == is_least => self.narrower(),
                (Some(_), Some(_)) => self.wider(),
                _ => ChangeClass::MayBreak,
            },
            _ => ChangeClass::MayBreak,
        };
        let what = match (old, new) {
            (Some(old @ Value::Number(_)), Some(new @ Value::Number(_))) => {
                format!("the {name} was {}, is {}", canonical::text(old), canonical::text(new))
            }
            _ => said(name, old, new),
        };
        self.push(class, path, &what, old, new);
    }
}

/// Whether a keyword does nothing but take values away, whatever the others say.
fn can_limit(name: &str, value: &Value) -> bool {
    match name {
        "pattern" | "format" => value.is_string(),
        "multipleOf" => value.is_number(),
        name => (LEAST.contains(&name) || MOST.contains(&name)) && value.is_number(),
    }
}

fn flag(value: Option<&Value>) -> Option<bool> {
    value.map_or(Some(false), Value::as_bool)
}

fn types(value: Option<&Value>) -> Option<BTreeSet<&'static str>> {
    let known = |name: &Value| TYPES.iter().find(|known| name.as_str() == Some(known)).copied();
    let mut set: BTreeSet<&'static str> = match value {
        None => TYPES.into_iter().collect(),
        Some(Value::Array(names)) => names.iter().map(known).collect::<Option<_>>()?,
        Some(name) => BTreeSet::from([known(name)?]),
    };
    if set.contains("number") {
        set.insert("integer");
    }
    Some(set)
}

/// The canonical values that are possible; all of them where nothing is said. `None` where it cannot be read.
#[expect(clippy::option_option, reason = "unreadable, unlimited, limited")]
fn choices(keywords: &Map<String, Value>) -> Option<Option<BTreeSet<String>>> {
    match (keywords.get("enum"), keywords.get("const")) {
        (None, None) => Some(None),
        (Some(Value::Array(values)), None) => Some(Some(values.iter().map(canonical::text).collect())),
        (None, Some(value)) => Some(Some(BTreeSet::from([canonical::text(value)]))),
        _ => None,
    }
}

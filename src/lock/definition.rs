//! Two definitions of the same name: a tool, a prompt, a resource, a template. Each member that differs is one spot or
//! several, with what it means.

use serde_json::Value;

use super::schema::{self, Flow};
use super::{annotations, canonical};
use crate::event::{ChangeClass, Subject};

/// One place where two definitions differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spot {
    pub(super) class: ChangeClass,
    pub(super) path: String,
    pub(super) what: String,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
    pub(super) loud: bool,
}

impl Spot {
    pub(super) fn of(class: ChangeClass, path: &str, what: &str, old: Option<&Value>, new: Option<&Value>) -> Self {
        Self { class, path: path.to_owned(), what: what.to_owned(), old: old.cloned(), new: new.cloned(), loud: false }
    }
}

/// Members that are words for people and models, or pictures.
const PROSE: &[&str] = &["title", "description", "icons", "websiteUrl"];

/// Compares two definitions; nothing is found where they are equal, in whatever order their keys stand.
pub(super) fn compare(subject: Subject, old: &Value, new: &Value) -> Vec<Spot> {
    let mut found = Vec::new();
    if canonical::same(old, new) {
        return found;
    }
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        found.push(Spot::of(ChangeClass::MayBreak, "$", "it is another kind of value", Some(old), Some(new)));
        return found;
    };
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        if !matches!((old, new), (Some(old), Some(new)) if canonical::same(old, new)) {
            member(subject, name, old, new, &mut found);
        }
    }
    found
}

fn member(subject: Subject, name: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Spot>) {
    let path = schema::member("$", name);
    match (subject, name) {
        (_, "annotations") => annotations::compare(old, new, found),
        (Subject::Tool, "inputSchema") => {
            let anything = Value::Bool(true);
            let (old, new) = (old.unwrap_or(&anything), new.unwrap_or(&anything));
            found.extend(schema::compare(Flow::In, old, new, &path));
        }
        (Subject::Tool, "outputSchema") => match (old, new) {
            (Some(old), Some(new)) => found.extend(schema::compare(Flow::Out, old, new, &path)),
            (None, _) => found.push(Spot::of(ChangeClass::Widening, &path, "an output schema is promised", old, new)),
            (_, None) => {
                found.push(Spot::of(ChangeClass::Breaking, &path, "the output schema is gone", old, new));
            }
        },
        (Subject::Prompt, "arguments") => arguments(&path, old, new, found),
        (Subject::Resource | Subject::Template, "name") => {
            found.push(Spot::of(ChangeClass::Prose, &path, &said(name, old, new), old, new));
        }
        (_, name) if PROSE.contains(&name) => {
            found.push(Spot::of(ChangeClass::Prose, &path, &said(name, old, new), old, new));
        }
        _ => found.push(Spot::of(ChangeClass::MayBreak, &path, &said(name, old, new), old, new)),
    }
}

/// That a member is new, gone or another.
pub(super) fn said(name: &str, old: Option<&Value>, new: Option<&Value>) -> String {
    let verb = match (old, new) {
        (None, _) => "new",
        (_, None) => "gone",
        _ => "another",
    };
    format!("the {name} is {verb}")
}

/// The arguments of a prompt: a list of names, each with whether it is required.
fn arguments(path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Spot>) {
    let nothing = Vec::new();
    let list = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Some(nothing.clone()),
        Some(Value::Array(items)) => {
            let is_named = |item: &Value| item.get("name").is_some_and(Value::is_string);
            let mut names: Vec<&Value> = items.iter().filter_map(|item| item.get("name")).collect();
            names.sort_by_key(|name| name.as_str());
            let is_unique = names.windows(2).all(|pair| pair[0] != pair[1]);
            (items.iter().all(is_named) && is_unique).then(|| items.clone())
        }
        Some(_) => None,
    };
    let (Some(before), Some(after)) = (list(old), list(new)) else {
        found.push(Spot::of(ChangeClass::MayBreak, path, "the arguments are another value", old, new));
        return;
    };
    let find = |items: &[Value], name: &Value| items.iter().position(|item| item.get("name") == Some(name));
    let required = |item: &Value| item.get("required") == Some(&Value::Bool(true));
    for (at, old) in before.iter().enumerate() {
        if find(&after, &old["name"]).is_none() {
            let place = format!("{path}[{at}]");
            found.push(Spot::of(ChangeClass::Breaking, &place, &quoted("argument", old, "is gone"), Some(old), None));
        }
    }
    for (at, new) in after.iter().enumerate() {
        let place = format!("{path}[{at}]");
        let Some(old) = find(&before, &new["name"]).map(|at| &before[at]) else {
            let (class, what) = if required(new) {
                (ChangeClass::Breaking, "is new and required")
            } else {
                (ChangeClass::Widening, "is new and optional")
            };
            found.push(Spot::of(class, &place, &quoted("argument", new, what), None, Some(new)));
            continue;
        };
        argument(&place, old, new, found);
    }
    let kept = |items: &[Value], others: &[Value]| -> Vec<Value> {
        items.iter().map(|item| item["name"].clone()).filter(|name| find(others, name).is_some()).collect()
    };
    if kept(&before, &after) != kept(&after, &before) {
        found.push(Spot::of(ChangeClass::Order, path, "the arguments stand in another order", old, new));
    } else if before.is_empty() && after.is_empty() {
        found.push(Spot::of(ChangeClass::Prose, path, "that there are no arguments is said in another way", old, new));
    }
}

fn argument(path: &str, before: &Value, after: &Value, found: &mut Vec<Spot>) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return };
    for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
        let (old, new) = (before.get(name), after.get(name));
        if matches!((old, new), (Some(old), Some(new)) if canonical::same(old, new)) {
            continue;
        }
        let place = schema::member(path, name);
        let is = |value: Option<&Value>| value == Some(&Value::Bool(true));
        let (class, what) = match name.as_str() {
            "required" if is(new) => (ChangeClass::Breaking, "the argument is required now".to_owned()),
            "required" if is(old) => (ChangeClass::Widening, "the argument is optional now".to_owned()),
            "required" => (ChangeClass::Prose, "that the argument is optional is said in another way".to_owned()),
            name if PROSE.contains(&name) => (ChangeClass::Prose, said(name, old, new)),
            name => (ChangeClass::MayBreak, said(name, old, new)),
        };
        found.push(Spot::of(class, &place, &what, old, new));
    }
}

fn quoted(what: &str, item: &Value, verb: &str) -> String {
    format!("the {what} {} {verb}", item["name"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn classes(subject: Subject, old: &Value, new: &Value) -> Vec<(ChangeClass, String)> {
        compare(subject, old, new).into_iter().map(|spot| (spot.class, spot.path)).collect()
    }

    #[test]
    fn each_member_has_its_class_in_both_directions() {
        use ChangeClass::{Annotation, Breaking, MayBreak, Order, Prose, Widening};
        use Subject::{Prompt, Resource, Tool};
        let prompt = |arguments: Value| json!({"name": "p", "arguments": arguments});
        let one = || json!({"name": "a"});
        let rows = [
            (Tool, json!({"description": "x"}), json!({"description": "y"}), "$.description", Prose, Prose),
            (Tool, json!({}), json!({"title": "y"}), "$.title", Prose, Prose),
            (Tool, json!({}), json!({"outputSchema": {"type": "object"}}), "$.outputSchema", Widening, Breaking),
            (Tool, json!({}), json!({"execution": {"taskSupport": "required"}}), "$.execution", MayBreak, MayBreak),
            (
                Tool,
                json!({}),
                json!({"annotations": {"readOnlyHint": true}}),
                "$.annotations.readOnlyHint",
                Annotation,
                Annotation,
            ),
            (Prompt, prompt(json!([])), prompt(json!([one()])), "$.arguments[0]", Widening, Breaking),
            (
                Prompt,
                prompt(json!([])),
                prompt(json!([{"name": "a", "required": true}])),
                "$.arguments[0]",
                Breaking,
                Breaking,
            ),
            (
                Prompt,
                prompt(json!([one()])),
                prompt(json!([{"name": "a", "required": true}])),
                "$.arguments[0].required",
                Breaking,
                Widening,
            ),
            (
                Prompt,
                prompt(json!([one()])),
                prompt(json!([{"name": "a", "required": false}])),
                "$.arguments[0].required",
                Prose,
                Prose,
            ),
            (
                Prompt,
                prompt(json!([one(), {"name": "b"}])),
                prompt(json!([{"name": "b"}, one()])),
                "$.arguments",
                Order,
                Order,
            ),
            (Prompt, json!({"name": "p"}), prompt(json!([])), "$.arguments", Prose, Prose),
            (Prompt, prompt(json!([one()])), prompt(json!(7)), "$.arguments", MayBreak, MayBreak),
            (Prompt, prompt(json!([one()])), prompt(json!([one(), one()])), "$.arguments", MayBreak, MayBreak),
            (Resource, json!({"name": "x"}), json!({"name": "y"}), "$.name", Prose, Prose),
            (Resource, json!({"mimeType": "x"}), json!({"mimeType": "y"}), "$.mimeType", MayBreak, MayBreak),
            (Tool, json!({"name": "a"}), json!(null), "$", MayBreak, MayBreak),
        ];
        for (subject, old, new, path, there, back) in rows {
            assert_eq!(classes(subject, &old, &new), [(there, path.to_owned())], "{old} {new}");
            assert_eq!(classes(subject, &new, &old), [(back, path.to_owned())], "{new} {old}");
            assert!(classes(subject, &old, &old).is_empty() && classes(subject, &new, &new).is_empty());
        }
    }
}

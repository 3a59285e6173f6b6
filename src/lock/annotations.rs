//! Annotations of a definition: hints by which clients decide whether to ask a person first.

use serde_json::{Map, Value};

use super::definition::Spot;
use super::{canonical, schema};
use crate::event::ChangeClass;

/// A hint of a tool.
struct Hint {
    name: &'static str,
    /// What holds where it is not said.
    unsaid: bool,
    /// The value to which a flip is told loudly, of a tool that was said to change nothing, or to destroy nothing; and what
    /// that means.
    loud: Option<(bool, &'static str)>,
}

const HINTS: &[Hint] = &[
    Hint { name: "readOnlyHint", unsaid: false, loud: Some((false, "it may change things now")) },
    Hint { name: "destructiveHint", unsaid: true, loud: Some((true, "it may destroy things now")) },
    Hint { name: "idempotentHint", unsaid: false, loud: None },
    Hint { name: "openWorldHint", unsaid: true, loud: None },
];

/// Compares the annotations of two definitions.
pub(super) fn compare(old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Spot>) {
    let nothing = Map::new();
    let members = |value: Option<&Value>| match value {
        None => Some(nothing.clone()),
        Some(Value::Object(members)) => Some(members.clone()),
        Some(_) => None,
    };
    let (Some(before), Some(after)) = (members(old), members(new)) else {
        found.push(Spot::of(ChangeClass::Annotation, "$.annotations", "the annotations are another value", old, new));
        return;
    };
    let names: Vec<&String> = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))).collect();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        if matches!((old, new), (Some(old), Some(new)) if canonical::same(old, new)) {
            continue;
        }
        let path = schema::member("$.annotations", name);
        if name == "title" {
            found.push(Spot::of(ChangeClass::Prose, &path, "the title is another", old, new));
            continue;
        }
        let alarm = alarm(name, old, new);
        let what = what(name, old, new) + &alarm.map(|alarm| format!(": {alarm}")).unwrap_or_default();
        let spot = Spot::of(ChangeClass::Annotation, &path, &what, old, new);
        found.push(Spot { loud: alarm.is_some(), ..spot });
    }
}

fn what(name: &str, old: Option<&Value>, new: Option<&Value>) -> String {
    let shown = |value: Option<&Value>| value.map_or_else(|| "unsaid".to_owned(), canonical::text);
    let (was, is) = (shown(old), shown(new));
    match HINTS.iter().find(|hint| hint.name == name) {
        Some(hint) if effective(old, hint.unsaid) == effective(new, hint.unsaid) => {
            format!("{name} was {was}, is {is}: the same as before")
        }
        _ => format!("{name} was {was}, is {is}"),
    }
}

fn effective(value: Option<&Value>, unsaid: bool) -> Option<bool> {
    value.map_or(Some(unsaid), Value::as_bool)
}

/// What a flip means that must not be overlooked.
fn alarm(name: &str, old: Option<&Value>, new: Option<&Value>) -> Option<&'static str> {
    let hint = HINTS.iter().find(|hint| hint.name == name)?;
    let (dangerous, alarm) = hint.loud?;
    let is_safe = |value| effective(value, hint.unsaid) == Some(!dangerous);
    (is_safe(old) && !is_safe(new)).then_some(alarm)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spots(old: &Value, new: &Value) -> Vec<(ChangeClass, String, bool)> {
        let mut found = Vec::new();
        compare(Some(old), Some(new), &mut found);
        found.into_iter().map(|spot| (spot.class, spot.what, spot.loud)).collect()
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    #[test]
    fn a_flip_to_the_dangerous_side_is_loud() {
        use ChangeClass::{Annotation, Prose};
        for (old, new, class, what, loud) in [
            (
                json!({"readOnlyHint": true}),
                json!({"readOnlyHint": false}),
                Annotation,
                "readOnlyHint was true, is false: it may change things now",
                true,
            ),
            (
                json!({"readOnlyHint": true}),
                json!({}),
                Annotation,
                "readOnlyHint was true, is unsaid: it may change things now",
                true,
            ),
            (
                json!({"readOnlyHint": false}),
                json!({"readOnlyHint": true}),
                Annotation,
                "readOnlyHint was false, is true",
                false,
            ),
            (
                json!({"readOnlyHint": false}),
                json!({}),
                Annotation,
                "readOnlyHint was false, is unsaid: the same as before",
                false,
            ),
            (
                json!({"destructiveHint": false}),
                json!({"destructiveHint": true}),
                Annotation,
                "destructiveHint was false, is true: it may destroy things now",
                true,
            ),
            (
                json!({"destructiveHint": false}),
                json!({}),
                Annotation,
                "destructiveHint was false, is unsaid: it may destroy things now",
                true,
            ),
            (
                json!({}),
                json!({"destructiveHint": true}),
                Annotation,
                "destructiveHint was unsaid, is true: the same as before",
                false,
            ),
            (
                json!({"openWorldHint": false}),
                json!({"openWorldHint": true}),
                Annotation,
                "openWorldHint was false, is true",
                false,
            ),
            (
                json!({"readOnlyHint": true}),
                json!({"readOnlyHint": "no"}),
                Annotation,
                "readOnlyHint was true, is \"no\": it may change things now",
                true,
            ),
            (json!({"priority": 1}), json!({"priority": 0.5}), Annotation, "priority was 1, is 0.5", false),
            (json!({"title": "A"}), json!({"title": "B"}), Prose, "the title is another", false),
        ] {
            assert_eq!(spots(&old, &new), [(class, what.to_owned(), loud)], "{old} {new}");
            assert_eq!(spots(&new, &old).len(), 1, "{new} {old}");
        }
        assert!(spots(&json!({"priority": 1}), &json!({"priority": 1.0})).is_empty());
        assert_eq!(spots(&json!({}), &json!(7)).len(), 1);
    }
}

//! Readable replies: what a result looks like to a person. One file per shape; an unknown shape is shown as JSON.

pub mod content;
pub mod error;
pub mod latency;
pub mod overview;
pub mod prompts;
pub mod resources;
pub mod summary;
pub mod tools;
pub mod value;

use serde_json::Value;

use super::Look;
use super::grid::Grid;

/// The name of the list that a method or a short form stands for, with the result's key.
pub const LISTS: &[(&str, &str, &str)] = &[
    ("tools/list", "tools", "tool"),
    ("resources/list", "resources", "resource"),
    ("resources/templates/list", "resourceTemplates", "resource template"),
    ("prompts/list", "prompts", "prompt"),
];

/// The items of a list's result: its key, the noun for one of them, and the items.
#[must_use]
pub fn items<'a>(method: &str, result: &'a Value) -> Option<(&'static str, &'static str, &'a [Value])> {
    let (_, key, noun) = LISTS.iter().find(|(name, _, _)| *name == method)?;
    Some((key, noun, result.get(key)?.as_array()?))
}

/// The rows of a list's result, where it is one and has the shape of one.
#[must_use]
pub fn list(method: &str, result: &Value, look: &Look) -> Option<Grid> {
    let (key, _, items) = items(method, result)?;
    if !items.iter().all(Value::is_object) {
        return None;
    }
    Some(match key {
        "tools" => tools::grid(items, look),
        "resources" => resources::grid(items, look),
        "resourceTemplates" => resources::template_grid(items, look),
        _ => prompts::grid(items),
    })
}

/// A result as text, ending in a line feed unless it is empty.
#[must_use]
pub fn result(method: &str, result: &Value, look: &Look) -> String {
    if let Some(grid) = list(method, result, look) {
        return grid.render(look);
    }
    let shown = match method {
        "tools/call" => content::tool_result(result, look),
        "resources/read" => resources::contents(result, look),
        "prompts/get" => prompts::messages(result, look),
        "completion/complete" => prompts::completion(result, look),
        "initialize" | "server/discover" => overview::opening(result, look),
        "ping" if result.as_object().is_some_and(serde_json::Map::is_empty) => {
            look.is_terminal().then(|| "pong\n".to_owned())
        }
        _ => None,
    };
    shown.unwrap_or_else(|| value::pretty(result, look) + "\n")
}

/// A member that is a string.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_an_unexpected_shape_is_shown_as_json() {
        let look = Look::PLAIN;
        assert_eq!(result("tools/list", &json!({"tools": 7}), &look), "{\n  \"tools\": 7\n}\n");
        assert_eq!(result("tools/list", &json!({"tools": ["x"]}), &look), "{\n  \"tools\": [\n    \"x\"\n  ]\n}\n");
        assert_eq!(result("tools/call", &json!({"content": "x"}), &look), "{\n  \"content\": \"x\"\n}\n");
        assert_eq!(result("ping", &json!({}), &look), "{}\n");
        assert_eq!(result("ping", &json!({}), &Look { width: Some(80), colour: false }), "pong\n");
        assert_eq!(result("initialize", &json!(null), &look), "null\n");
    }
}

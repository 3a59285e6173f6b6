//! `tools/list`: what each tool is called, takes, promises and costs.

use serde_json::Value;

use super::text;
use super::value::compact;
use crate::base::sanitize;
use crate::report::Ink;
use crate::report::Look;
use crate::report::grid::{Cell, Column, Fit, Grid};

/// Parameters beyond this many are counted, not named, on a terminal.
const PARAMETERS_MAX: usize = 12;

/// On a terminal a long description ends after so many lines.
const LINES_MAX: usize = 6;

/// On a narrower terminal the hints stand under the name, to leave room for the description.
const HINTS_APART_WIDTH: u16 = 120;

const COLUMNS: &[Column] = &[
    Column { head: "TOOL", fit: Fit::Share(30) },
    Column { head: "PARAMETERS", fit: Fit::Share(33) },
    Column { head: "HINTS", fit: Fit::Whole },
    Column { head: "TOKENS", fit: Fit::Number },
    Column { head: "DESCRIPTION", fit: Fit::Rest },
];

/// One row per tool.
#[must_use]
pub fn grid(tools: &[Value], look: &Look) -> Grid {
    let mut grid = Grid::new(COLUMNS, LINES_MAX);
    let parameters_max = if look.is_terminal() { PARAMETERS_MAX } else { usize::MAX };
    let hints_apart = look.width.is_none_or(|width| width >= HINTS_APART_WIDTH);
    for tool in tools {
        let title = title(tool);
        let description = text(tool, "description").trim();
        let about = match (title, description) {
            ("", description) => description.to_owned(),
            (title, "") => title.to_owned(),
            (title, description) => format!("{title}: {description}"),
        };
        let (name, hints) = match (text(tool, "name"), hints(tool)) {
            (name, hints) if hints_apart || hints.is_empty() => (name.to_owned(), hints),
            (name, hints) => (format!("{name}\n{}", hints.replace("] [", "]\n[")), String::new()),
        };
        grid.row(vec![
            Cell::inked(&name, Ink::Strong),
            Cell::inked(&parameters(tool, parameters_max), Ink::Key),
            Cell::inked(&hints, Ink::Warn),
            Cell::inked(&format!("~{}", tokens(tool)), Ink::Dim),
            Cell::new(&about),
        ]);
    }
    grid
}

/// The approximate tokens a model spends on a tool: characters of name, description and inputSchema, by four.
#[must_use]
pub fn tokens(tool: &Value) -> u64 {
    let schema = tool.get("inputSchema").map(Value::to_string).unwrap_or_default();
    let chars = text(tool, "name").chars().count() + text(tool, "description").chars().count() + schema.chars().count();
    (chars as u64).div_ceil(4)
}

/// A title, where it says more than the name.
fn title(tool: &Value) -> &str {
    let annotated = tool.get("annotations").map_or("", |annotations| text(annotations, "title"));
    let title = Some(text(tool, "title")).filter(|title| !title.is_empty()).unwrap_or(annotated).trim();
    let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_', '.'], "").replace("tool", "");
    let repeats = |other: &str| !title.is_empty() && plain(other).starts_with(&plain(title));
    if repeats(text(tool, "name")) || repeats(text(tool, "description")) { "" } else { title }
}

fn hints(tool: &Value) -> String {
    let hint = |name: &str| tool.get("annotations").and_then(|all| all.get(name)).and_then(Value::as_bool);
    let read_only = hint("readOnlyHint") == Some(true);
    let shown = [
        (read_only, "[read-only]"),
        (!read_only && hint("destructiveHint") == Some(true), "[destructive]"),
        (!read_only && hint("idempotentHint") == Some(true), "[idempotent]"),
    ];
    shown.iter().filter(|(yes, _)| *yes).map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

/// `city: string, days?: integer`.
fn parameters(tool: &Value, most: usize) -> String {
    let Some(schema) = tool.get("inputSchema") else { return String::new() };
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return String::new() };
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut shown: Vec<String> = properties
        .iter()
        .take(most)
        .map(|(name, property)| {
            let optional = if required.contains(&name.as_str()) { "" } else { "?" };
            format!("{}{optional}: {}", sanitize::one_line(name, 64), type_of(property, 0))
        })
        .collect();
    if properties.len() > most {
        shown.push(format!("… {} more", properties.len() - most));
    }
    shown.join(", ")
}

/// The type of a JSON Schema, as short as it can be said.
fn type_of(schema: &Value, depth: usize) -> String {
    const ALTERNATIVES_MAX: usize = 4;
    if depth > 3 {
        return "…".into();
    }
    let alternatives = |items: &[Value], each: &dyn Fn(&Value) -> String| {
        let mut shown: Vec<String> = items.iter().take(ALTERNATIVES_MAX).map(each).collect();
        shown.dedup();
        if items.len() > ALTERNATIVES_MAX {
            shown.push("…".into());
        }
        shown.join(" | ")
    };
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return alternatives(values, &|value| sanitize::one_line(&compact(value), 24));
    }
    if let Some(value) = schema.get("const") {
        return sanitize::one_line(&compact(value), 24);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema.get(key).and_then(Value::as_array) {
            return alternatives(schemas, &|schema| type_of(schema, depth + 1));
        }
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "array" => {
            let of = schema.get("items").map(|items| type_of(items, depth + 1));
            match of {
                None => "array".into(),
                Some(of) if of.contains(' ') => format!("({of})[]"),
                Some(of) => format!("{of}[]"),
            }
        }
        Some(Value::String(name)) => sanitize::one_line(name, 24),
        Some(Value::Array(names)) => alternatives(names, &|name| sanitize::one_line(name.as_str().unwrap_or("?"), 24)),
        _ => "any".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EXPECTED_80: &str = "\
TOOL           PARAMETERS                  TOKENS  DESCRIPTION
forecast       city: string, days?:           ~74  The weather of the coming
[read-only]    integer, unit?: \"C\" | \"F\",          days.
               at?: (string | null)[],             In metric units.
               area?: string | null
wi\\u{1b}[2Jpe                                  ~7
[destructive]
";

    const EXPECTED_160: &str = "\
TOOL           PARAMETERS                                            HINTS          TOKENS  DESCRIPTION
forecast       city: string, days?: integer, unit?: \"C\" | \"F\", at?:  [read-only]       ~74  The weather of the coming days.
               (string | null)[], area?: string | null                                      In metric units.
wi\\u{1b}[2Jpe                                                        [destructive]      ~7
";

    fn forecast() -> Vec<Value> {
        vec![
            json!({"name": "forecast", "title": "Forecast", "description": "The weather of the coming days.\nIn metric units.",
                "annotations": {"readOnlyHint": true},
                "inputSchema": {"type": "object", "required": ["city"], "properties": {
                    "city": {"type": "string"}, "days": {"type": "integer"},
                    "unit": {"enum": ["C", "F"]}, "at": {"type": "array", "items": {"type": ["string", "null"]}},
                    "area": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}),
            json!({"name": "wi\u{1b}[2Jpe", "annotations": {"destructiveHint": true}, "inputSchema": {"type": "object"}}),
        ]
    }

    #[test]
    fn a_pipe_gets_one_row_a_tool() {
        let rows = grid(&forecast(), &Look::PLAIN).render(&Look::PLAIN);
        assert_eq!(
            rows,
            "forecast\tcity: string, days?: integer, unit?: \"C\" | \"F\", at?: (string | null)[], area?: string | null\
             \t[read-only]\t~74\tThe weather of the coming days. In metric units.\n\
             wi\\u{1b}[2Jpe\t\t[destructive]\t~7\t\n"
        );
    }

    #[test]
    fn a_terminal_of_80_columns() {
        let look = Look { width: Some(80), colour: false };
        let expected = EXPECTED_80;
        assert_eq!(grid(&forecast(), &look).render(&look), expected);
    }

    #[test]
    fn a_terminal_of_160_columns() {
        let look = Look { width: Some(160), colour: false };
        let expected = EXPECTED_160;
        assert_eq!(grid(&forecast(), &look).render(&look), expected);
    }

    #[test]
    fn many_parameters_are_counted() {
        let properties: serde_json::Map<String, Value> =
            (0..40).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
        let tool = json!({"name": "x", "inputSchema": {"properties": properties}});
        assert!(parameters(&tool, 12).ends_with("p11?: string, … 28 more"));
        assert_eq!(tokens(&json!({"name": "abcd"})), 1);
    }
}

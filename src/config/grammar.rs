//! The vocabulary in which the keys of a probe file describe themselves as JSON Schema (draft-07, which editors
//! understand best). A string may hold `${VAR}` wherever the parser fills it in, so no pattern here refuses one.

use serde_json::{Map, Value, json};

use super::source::Source;
use super::template::{Saved, Template};
use super::tree;

/// A text with a variable, whose value is not known yet.
const VARIABLE: &str = r"\$\{";

/// A duration as [`crate::base::duration::parse`] reads it: `10s`, `1m30s`, `2 hours`, `PT10S`, `00:01:30`. Editors show
/// it to people, so it is short rather than exact about the names of units.
const DURATION: &str =
    r"^\s*([0-9]+(\.[0-9]+)?\s*(w|d|h|m|s|us|µs|ns)[a-z]*[\s,]*)+$|^\s*\+?[pP][tT]?[0-9]|^\s*[0-9]+:[0-9]";

/// A size as [`crate::base::duration::parse_size`] reads it.
const SIZE: &str = r"^\s*[0-9]+\s*(B|KiB|MiB|GiB|kB|KB|MB|GB)\s*$";

/// The name of an HTTP header.
pub const HEADER: &str = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// The name of a variable, a label, or a saved value.
pub const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// A schema with more members: `default`, `examples`, `minimum`.
#[must_use]
pub fn with(mut schema: Value, more: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut schema, more) {
        members.extend(more);
    }
    schema
}

/// A schema with what it is for.
#[must_use]
pub fn described(schema: Value, description: &str) -> Value {
    let mut members = Map::new();
    members.insert("description".into(), description.into());
    with(Value::Object(members), schema)
}

/// What [`super::names::check_name`] takes for a name, where it is a key.
#[must_use]
pub fn names() -> Value {
    json!({"pattern": r"^[^-*?\s][^*?]*$", "not": {"pattern": "://"}, "maxLength": 100})
}

/// Any string.
#[must_use]
pub fn string() -> Value {
    json!({"type": "string"})
}

/// A string that meets a pattern (ECMA 262, without look-around, so that every validator reads it).
#[must_use]
pub fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": format!("{pattern}|{VARIABLE}")})
}

/// A duration such as `"10s"`.
#[must_use]
pub fn duration() -> Value {
    with(pattern(DURATION), json!({"examples": ["250ms", "10s", "1m30s"]}))
}

/// A size such as `"64KiB"`.
#[must_use]
pub fn size() -> Value {
    with(pattern(SIZE), json!({"examples": ["512B", "64KiB", "16MiB"]}))
}

/// A part of a whole such as `"2%"`.
#[must_use]
pub fn percent() -> Value {
    with(pattern(r"^\s*[0-9.]+\s*%\s*$"), json!({"examples": ["2%"]}))
}

/// One of a few words.
#[must_use]
pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({"anyOf": [{"enum": words}, {"type": "string", "pattern": VARIABLE}]})
}

/// An integer that is not negative.
#[must_use]
pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// `true` or `false`.
#[must_use]
pub fn boolean() -> Value {
    json!({"type": "boolean"})
}

/// An array of strings.
#[must_use]
pub fn strings() -> Value {
    array(string())
}

/// An array.
#[must_use]
pub fn array(items: Value) -> Value {
    let mut schema = json!({"type": "array"});
    schema["items"] = items;
    schema
}

/// One string, or an array of them.
#[must_use]
pub fn one_or_more() -> Value {
    json!({"anyOf": [string(), with(strings(), json!({"minItems": 1}))]})
}

/// A table of exactly these keys.
#[must_use]
pub fn table<const N: usize>(keys: [(&str, Value); N]) -> Value {
    let properties: Map<String, Value> = keys.into_iter().map(|(key, schema)| (key.to_owned(), schema)).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// A table of any keys. It says so: editors that are strict take silence for a no.
#[must_use]
pub fn anything() -> Value {
    json!({"type": "object", "additionalProperties": true})
}

/// A table whose keys the user chooses.
#[must_use]
pub fn map(values: Value, names: Value) -> Value {
    let mut schema = json!({"type": "object"});
    schema["propertyNames"] = names;
    schema["additionalProperties"] = values;
    schema
}

/// A reference to a definition of the whole schema.
#[must_use]
pub fn definition(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

/// The values that lines of a probe file give to a key, as JSON. Lines after `# or` are another way to write it.
#[must_use]
pub fn examples(lines: &str, path: &[&str]) -> Vec<Value> {
    lines.split("# or\n").filter_map(|lines| example(lines, path)).collect()
}

fn example(lines: &str, path: &[&str]) -> Option<Value> {
    let (table, _) = tree::parse(&Source::new("example", lines, "."));
    let (last, before) = path.split_last()?;
    let mut within = &table;
    for key in before {
        let tree::Value::Table(inner) = &within.get(key)?.value else { return None };
        within = inner;
    }
    Template::of(within.get(last)?).fill(&Saved::new()).ok()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::base::duration::{parse, parse_size};

    #[test]
    fn what_the_parser_reads_meets_the_pattern() {
        let (durations, sizes) = (duration(), size());
        let pattern = |schema: &Value| Regex::new(schema["pattern"].as_str().unwrap()).unwrap();
        let (duration, size) = (pattern(&durations), pattern(&sizes));
        for text in [
            "250ms",
            "10s",
            "1m30s",
            "2h",
            "1s 500ms",
            " 10s ",
            "1.5s",
            "2 hours",
            "1 minute, 30 seconds",
            "100us",
            "10 µs",
            "1hr 2min 3sec",
            "PT10S",
            "pt1h30m",
            "00:01:30",
            "5 secs",
            "1h30m0s",
            "3 milliseconds",
            "30d",
            "1 week",
            "P1D",
        ] {
            assert!(parse(text).is_ok() && duration.is_match(text), "{text}");
        }
        for text in ["", "10", "1.5", "fast", "-3s", "10 parsecs", "s", "10s10", "1y"] {
            assert!(parse(text).is_err() && !duration.is_match(text), "{text}");
        }
        for text in ["512B", "64KiB", "16 MiB", " 1GB "] {
            assert!(parse_size(text).is_ok() && size.is_match(text), "{text}");
        }
        for text in ["64", "KiB", "1.5MiB", "-1B", "64 kib"] {
            assert!(parse_size(text).is_err() && !size.is_match(text), "{text}");
        }
        for text in ["${T}", "${T:-10s}", "${MINUTES}m"] {
            assert!(duration.is_match(text) && size.is_match(text), "{text}");
        }
    }

    #[test]
    fn examples_are_read_from_lines_of_a_file() {
        let lines = "method = \"x\"\nexpect.a = \"1s\"\n# or\nexpect.a = { max = 2 }";
        assert_eq!(examples(lines, &["expect", "a"]), [json!("1s"), json!({"max": 2})]);
        assert!(examples(lines, &["expect", "b"]).is_empty());
    }
}

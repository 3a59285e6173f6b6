//! JSON as text: pretty with colours for a person, compact for a pipe. Characters that could steer a terminal are
//! written as `\u` escapes, which is the same JSON.

use std::fmt::Write;

use serde_json::Value;

use crate::base::sanitize;
use crate::report::{Ink, Look};

/// Indented JSON, without a line feed at its end.
#[must_use]
pub fn pretty(value: &Value, look: &Look) -> String {
    let mut text = String::new();
    write(value, look, 0, &mut text);
    text
}

/// JSON on one line.
#[must_use]
pub fn compact(value: &Value) -> String {
    escaped(&value.to_string())
}

/// One document for stdout: indented for a person, on one line for a pipe; ends in a line feed.
#[must_use]
pub fn document(value: &Value, look: &Look) -> String {
    let mut text = if look.is_terminal() || look.colour { pretty(value, look) } else { compact(value) };
    text.push('\n');
    text
}

fn write(value: &Value, look: &Look, depth: usize, text: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                line(text, at, depth + 1);
                write(item, look, depth + 1, text);
            }
            close(text, depth, ']');
        }
        Value::Object(members) if !members.is_empty() => {
            text.push('{');
            for (at, (key, item)) in members.iter().enumerate() {
                line(text, at, depth + 1);
                text.push_str(&look.paint(Ink::Key, &quoted(key)));
                text.push_str(": ");
                write(item, look, depth + 1, text);
            }
            close(text, depth, '}');
        }
        Value::String(string) => text.push_str(&look.paint(Ink::Good, &quoted(string))),
        Value::Number(_) | Value::Bool(_) => text.push_str(&look.paint(Ink::Warn, &value.to_string())),
        Value::Null => text.push_str(&look.paint(Ink::Dim, "null")),
        Value::Array(_) => text.push_str("[]"),
        Value::Object(_) => text.push_str("{}"),
    }
}

fn line(text: &mut String, at: usize, depth: usize) {
    text.push_str(if at == 0 { "\n" } else { ",\n" });
    text.extend(std::iter::repeat_n("  ", depth));
}

fn close(text: &mut String, depth: usize, bracket: char) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
    text.push(bracket);
}

fn quoted(string: &str) -> String {
    escaped(&Value::from(string).to_string())
}

/// Unsafe characters stand only inside strings, so escaping them anywhere in the text is escaping them there.
fn escaped(json: &str) -> String {
    if !json.chars().any(sanitize::is_unsafe) {
        return json.to_owned();
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if sanitize::is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dangerous_text_stays_the_same_json() {
        let value = json!({"k\u{202e}": "\u{1b}[2J\u{9b}x\u{e0001}\n", "n": [1, null, {}, []]});
        for text in [compact(&value), pretty(&value, &Look::PLAIN), document(&value, &Look::PLAIN)] {
            assert!(!text.trim_end().chars().any(|c| sanitize::is_unsafe(c) && c != '\n'), "{text:?}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn a_person_gets_lines_a_pipe_gets_one() {
        let value = json!({"a": [1, "x"], "b": {}});
        let person = Look { width: Some(80), colour: false };
        assert_eq!(document(&value, &person), "{\n  \"a\": [\n    1,\n    \"x\"\n  ],\n  \"b\": {}\n}\n");
        assert_eq!(document(&value, &Look::PLAIN), "{\"a\":[1,\"x\"],\"b\":{}}\n");
        let colour = Look { width: Some(80), colour: true };
        assert!(pretty(&value, &colour).contains("\u{1b}[36m\"a\"\u{1b}[0m"));
    }
}

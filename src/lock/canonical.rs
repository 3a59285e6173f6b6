//! JSON in one form: keys sorted, numbers written in one way, no white space (after RFC 8785), so that neither the order
//! of keys nor white space is a change. And the same value for a reader: over several lines, nothing hidden.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

use crate::base::sanitize;

/// Columns of a value that stands on one line.
const COLUMNS: usize = 100;

/// Whole numbers below this are written without an exponent, as ECMAScript does.
const EXPONENT_FROM: f64 = 1e21;

/// The canonical text.
#[must_use]
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// The SHA-256 of the canonical text, in hexadecimal digits.
#[must_use]
pub fn sha256(value: &Value) -> String {
    let hash = Sha256::digest(text(value).as_bytes());
    hash.iter().fold(String::with_capacity(64), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Whether two values have the same canonical text.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => number(one) == number(other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        (one, other) => one == other,
    }
}

/// For a reader: keys sorted, over several lines where it is long. What would not be seen is written as `\u…`. There are
/// never two `'` in a row.
#[must_use]
pub fn readable(value: &Value) -> String {
    let mut out = String::new();
    spread(value, 0, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push('{');
            for (at, (key, value)) in sorted(members).into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write(item, out);
            }
            out.push(']');
        }
        Value::Number(one) => out.push_str(&number(one)),
        plain => out.push_str(&plain.to_string()),
    }
}

/// By their UTF-16 code units, as the RFC has it.
fn sorted(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    members
}

fn number(number: &Number) -> String {
    match number.as_f64() {
        // Whole numbers beyond what a double holds stay what they are.
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXPONENT_FROM => {
            if float == 0.0 {
                "0".to_owned()
            } else {
                format!("{float}")
            }
        }
        _ => number.to_string(),
    }
}

fn spread(value: &Value, indent: usize, out: &mut String) {
    let mut line = String::new();
    if on_one_line(value, COLUMNS.saturating_sub(indent), &mut line) {
        out.push_str(&line);
        return;
    }
    let pad = |out: &mut String, indent: usize| {
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    };
    match value {
        Value::Object(members) => {
            out.push('{');
            for (at, (key, value)) in sorted(members).into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                pad(out, indent + 2);
                string(key, out);
                out.push_str(": ");
                spread(value, indent + 2, out);
            }
            pad(out, indent);
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                pad(out, indent + 2);
                spread(item, indent + 2, out);
            }
            pad(out, indent);
            out.push(']');
        }
        Value::String(text) => string(text, out),
        plain => write(plain, out),
    }
}

/// Whether it fits; what was written is of no use when it does not.
fn on_one_line(value: &Value, columns: usize, out: &mut String) -> bool {
    match value {
        Value::Object(members) => {
            out.push('{');
            for (at, (key, value)) in sorted(members).into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                string(key, out);
                out.push_str(": ");
                if out.len() > columns || !on_one_line(value, columns, out) {
                    return false;
                }
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                if out.len() > columns || !on_one_line(item, columns, out) {
                    return false;
                }
            }
            out.push(']');
        }
        Value::String(text) if text.len() > columns => return false,
        Value::String(text) => string(text, out),
        plain => write(plain, out),
    }
    out.len() <= columns
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if sanitize::is_unsafe(c) || (c == '\'' && before == '\'') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
        before = c;
    }
    out.push('"');
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Any JSON that is not too large.
    pub(in crate::lock) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            "[\\PC\\n'\"\u{202e}\u{1b}]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-zé'\n]{0,6}", inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The same with the keys of every object the other way round.
    pub(in crate::lock) fn reversed(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                Value::Object(members.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect())
            }
            Value::Array(items) => items.iter().map(reversed).collect(),
            plain => plain.clone(),
        }
    }

    #[test]
    fn neither_order_nor_white_space_nor_the_spelling_of_numbers_counts() {
        let one: Value = serde_json::from_str(r#"{"b": [1, 2.0, 1e2], "a": {"y": "\u00e9", "x": null}}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"a":{"x":null,"y":"é"},"b":[1.0,2,100]}"#).unwrap();
        assert_eq!(text(&one), r#"{"a":{"x":null,"y":"é"},"b":[1,2,100]}"#);
        assert_eq!(text(&one), text(&other));
        assert!(same(&one, &other) && sha256(&one) == sha256(&other));
        assert_eq!(sha256(&json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        for other in [json!({"a": 1}), json!({"a": "1"}), json!({"a": [1, 2]}), json!({"a": [2, 1]}), json!(null)] {
            assert!(!same(&one, &other) && text(&one) != text(&other), "{other}");
        }
        assert_eq!(
            text(&json!([1e300, 0.1, -0.0, u64::MAX, 1e20])),
            "[1e+300,0.1,0,18446744073709551615,100000000000000000000]"
        );
    }

    #[test]
    fn keys_are_sorted_by_their_utf_16() {
        // U+1F600 begins with a surrogate, which comes before U+FB33.
        assert_eq!(text(&json!({"\u{fb33}": 1, "\u{1f600}": 2, "a": 3})), "{\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn a_long_value_is_spread_and_hides_nothing() {
        let value = json!({"type": "object", "properties": {"city": {"type": "string", "description": "Name of the city, don't''guess \u{202e}it."}, "days": {"type": "integer"}}});
        assert_eq!(
            readable(&value),
            "{\n  \"properties\": {\n    \"city\": {\"description\": \"Name of the city, don't'\\u0027guess \\u202eit.\", \
             \"type\": \"string\"},\n    \"days\": {\"type\": \"integer\"}\n  },\n  \"type\": \"object\"\n}"
        );
        assert_eq!(readable(&json!({"type": "object"})), "{\"type\": \"object\"}");
        assert_eq!(readable(&json!("\u{e0041}")), "\"\\udb40\\udc41\"");
    }

    proptest! {
        #[test]
        fn a_value_is_itself_however_it_is_written(value in any_json()) {
            let turned = reversed(&value);
            prop_assert_eq!(text(&value), text(&turned));
            prop_assert!(same(&value, &turned));
            prop_assert_eq!(readable(&value), readable(&turned));
            let read: Value = serde_json::from_str(&readable(&value)).unwrap();
            prop_assert_eq!(text(&read), text(&value));
            prop_assert!(!readable(&value).contains("''"));
        }

        #[test]
        fn same_means_the_same_text(one in any_json(), other in any_json()) {
            prop_assert_eq!(same(&one, &other), text(&one) == text(&other));
        }
    }
}

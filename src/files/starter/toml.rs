//! Values and prose as TOML text. Whatever a server says ends up inside a quoted string or behind a comment sign, with
//! everything made visible that could end either or mislead a reader's eye.

use serde_json::Value;

use crate::base::sanitize;
pub use crate::config::written::{key, quoted};

/// Columns of a line of prose.
const COLUMNS: usize = 100;

/// A string that stands for itself: `${` is written as `$${`.
#[must_use]
pub fn string(text: &str) -> String {
    quoted(&text.replace("${", "$${"))
}

/// A JSON value on one line; none for what TOML cannot say (`null`).
#[must_use]
pub fn value(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(boolean) => boolean.to_string(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.to_string(),
            None => format!("{:?}", number.as_f64().filter(|float| float.is_finite())?),
        },
        Value::String(text) => string(text),
        Value::Array(items) => array(items.iter().filter_map(self::value)),
        Value::Object(members) => {
            let members =
                members.iter().filter_map(|(name, item)| Some(format!("{} = {}", key(name), self::value(item)?)));
            let members: Vec<String> = members.collect();
            if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
        }
    })
}

/// An array of written values.
#[must_use]
pub fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

/// Prose as lines that begin with `## `, at most so many.
#[must_use]
pub fn prose(text: &str, lines_max: usize) -> String {
    let text = sanitize::one_line(text, COLUMNS * lines_max);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.len() > lines_max {
        lines.truncate(lines_max);
        if let Some(last) = lines.last_mut() {
            last.push('…');
        }
    }
    lines.iter().fold(String::new(), |text, line| text + "## " + line + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_say_the_same_and_hide_nothing() {
        assert_eq!(string("a \"b\" \\ ${X} $y"), r#""a \"b\" \\ $${X} $y""#);
        assert_eq!(quoted("${TOKEN}"), "\"${TOKEN}\"");
    }

    #[test]
    fn json_becomes_toml() {
        let given = json!({"a": [1, 2.5, null, true], "b c": {"d": "x", "e": {}}, "n": null, "big": u64::MAX});
        let text = format!("v = {}", value(&given).unwrap());
        let read: Value = ::toml::from_str(&text).unwrap();
        let wanted = json!({"a": [1, 2.5, true], "b c": {"d": "x", "e": {}}, "big": 18_446_744_073_709_551_615.0});
        assert_eq!(read["v"], wanted, "{text}");
        assert_eq!(value(&Value::Null), None);
        assert_eq!(value(&json!(1e300)).as_deref(), Some("1e300"));
        assert_eq!(value(&json!(2.0)).as_deref(), Some("2.0"));
    }

    #[test]
    fn prose_stays_behind_its_sign_and_within_its_bounds() {
        assert_eq!(prose("one\n[target.evil]\r\ncommand = ['x']", 9), "## one [target.evil] command = ['x']\n");
        let long = prose(&"word ".repeat(1000), 3);
        assert!(long.lines().count() == 3 && long.lines().all(|line| line.starts_with("## word")), "{long}");
        assert_eq!(prose(&"x".repeat(10_000), 2).lines().count(), 1);
        assert_eq!(prose("", 3), "");
    }
}

//! `prompts/list`, `prompts/get`, `completion/complete`.

use serde_json::Value;

use super::{content, text};
use crate::base::sanitize;
use crate::report::grid::{Cell, Column, Fit, Grid};
use crate::report::{Ink, Look};

const LINES_MAX: usize = 4;

const COLUMNS: &[Column] = &[
    Column { head: "PROMPT", fit: Fit::Share(35) },
    Column { head: "ARGUMENTS", fit: Fit::Share(35) },
    Column { head: "DESCRIPTION", fit: Fit::Rest },
];

/// One row per prompt.
#[must_use]
pub fn grid(prompts: &[Value]) -> Grid {
    let mut grid = Grid::new(COLUMNS, LINES_MAX);
    for prompt in prompts {
        let arguments: Vec<String> = prompt
            .get("arguments")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|argument| {
                let required = argument.get("required").and_then(Value::as_bool) == Some(true);
                format!("{}{}", sanitize::one_line(text(argument, "name"), 64), if required { "" } else { "?" })
            })
            .collect();
        let about = Some(text(prompt, "description")).filter(|text| !text.is_empty()).unwrap_or(text(prompt, "title"));
        grid.row(vec![
            Cell::inked(text(prompt, "name"), Ink::Strong),
            Cell::inked(&arguments.join(", "), Ink::Key),
            Cell::new(about.trim()),
        ]);
    }
    grid
}

/// The messages of a prompt, each under its role.
#[must_use]
pub fn messages(result: &Value, look: &Look) -> Option<String> {
    let mut shown = String::new();
    let description = text(result, "description").trim();
    if look.is_terminal() && !description.is_empty() {
        shown.push_str(&look.paint(Ink::Dim, &sanitize::printable(description)));
        shown.push_str("\n\n");
    }
    for message in result.get("messages")?.as_array()? {
        let role = sanitize::one_line(text(message, "role"), 40);
        shown.push_str(&look.paint(Ink::Key, &format!("{role}:")));
        shown.push('\n');
        shown.push_str(&content::block(message.get("content")?, look));
    }
    Some(shown)
}

/// The values of a completion, one a line.
#[must_use]
pub fn completion(result: &Value, look: &Look) -> Option<String> {
    let completion = result.get("completion")?;
    let values = completion.get("values")?.as_array()?;
    let mut shown = String::new();
    for value in values {
        shown.push_str(&sanitize::one_line(value.as_str()?, usize::MAX));
        shown.push('\n');
    }
    let total = completion.get("total").and_then(Value::as_u64);
    let more = completion.get("hasMore").and_then(Value::as_bool) == Some(true);
    if look.is_terminal() && (more || total.is_some_and(|total| total > values.len() as u64)) {
        let of = total.map_or_else(|| "more exist".to_owned(), |total| format!("{total} in all"));
        shown.push_str(&look.paint(Ink::Dim, &format!("({} shown, {of})", values.len())));
        shown.push('\n');
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PERSON: Look = Look { width: Some(80), colour: false };

    #[test]
    fn prompts_are_rows_with_their_arguments() {
        let list = [json!({"name": "review", "description": "Reviews code",
            "arguments": [{"name": "code", "required": true}, {"name": "style"}]})];
        assert_eq!(grid(&list).render(&Look::PLAIN), "review\tcode, style?\tReviews code\n");
    }

    #[test]
    fn messages_stand_under_their_role() {
        let result =
            json!({"description": "d", "messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}]});
        assert_eq!(messages(&result, &PERSON).unwrap(), "d\n\nuser:\nhi\n");
        assert_eq!(messages(&result, &Look::PLAIN).unwrap(), "user:\nhi\n");
        assert_eq!(messages(&json!({"messages": [{}]}), &PERSON), None);
    }

    #[test]
    fn completions_are_lines() {
        let result = json!({"completion": {"values": ["Oslo", "Os\u{200b}aka"], "total": 10, "hasMore": true}});
        assert_eq!(completion(&result, &PERSON).unwrap(), "Oslo\nOs\\u{200b}aka\n(2 shown, 10 in all)\n");
    }
}

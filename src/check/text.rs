//! `expect.text`: operators over all text blocks of the result, joined by line feeds.

use serde_json::Value;

use super::operators::{self, Operators};
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote, result_of};
use crate::config::Field;

pub(super) const KIND: Kind = Kind {
    name: "text",
    what: "All text blocks of the result, joined by line feeds, must be equal to a string or meet operators.",
    why: "Most tools answer in text; this asks for the words without naming the block.",
    example: "expect.text = { contains = \"Oslo\" }",
    methods: &["tools/call", "prompts/get", "resources/read"],
    schema: operators::reference,
    parse,
    default: None,
};

#[derive(Debug)]
struct Text(Operators);

fn parse(field: Field<'_>) -> Vec<Expectation> {
    Operators::parse(field).map(|operators| Expectation::new(Text(operators), field.place())).into_iter().collect()
}

/// Tool results hold `content`, prompts hold messages with content, resources hold `contents`.
fn text_of(result: &Value) -> Option<String> {
    fn blocks(value: &Value) -> Vec<&Value> {
        match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(_) => vec![value],
            _ => Vec::new(),
        }
    }
    let mut found = result.get("content").map(blocks).unwrap_or_default();
    found.extend(result.get("contents").map(blocks).unwrap_or_default());
    let messages = result.get("messages").map(blocks).unwrap_or_default();
    found.extend(messages.into_iter().filter_map(|message| message.get("content")).flat_map(blocks));
    let texts: Vec<&str> = found.into_iter().filter_map(|block| block.get("text")?.as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

impl Check for Text {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let result = match result_of(evidence, || self.0.describe()) {
            Ok(result) => result,
            Err(verdict) => return verdict,
        };
        let (passed, actual) = match text_of(result) {
            Some(text) => {
                let actual = quote(&text);
                (self.0.accept(&Value::String(text)), actual)
            }
            None => (self.0.accept_absence(), "the result has no text".to_owned()),
        };
        Verdict::of(passed, Judged::new(self.0.describe(), actual))
    }
}

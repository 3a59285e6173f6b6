//! `expect.is_error`: whether a tool call may say that it failed.

use serde_json::Value;

use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote, result_of};
use crate::config::{Field, grammar};
use crate::event::Reason;

pub(super) const KIND: Kind = Kind {
    name: "is_error",
    what: "Whether the tool says that it failed (`isError` of the result). `false` holds for every tool call that does \
           not ask for something else.",
    why: "A tool that fails answers with a well-formed result; without this a broken tool looks healthy. `true` tests \
          that wrong arguments are refused.",
    example: "tool = \"forecast\"\narguments = { city = \"\" }\nexpect.is_error = true",
    methods: &["tools/call"],
    schema: grammar::boolean,
    parse,
    default: Some(default),
};

#[derive(Debug)]
struct IsError(bool);

fn parse(field: Field<'_>) -> Vec<Expectation> {
    field.bool().map(|expected| Expectation::new(IsError(expected), field.place())).into_iter().collect()
}

fn default(method: &str, asked: &[&str]) -> Option<Box<dyn Check>> {
    (method == "tools/call" && !asked.contains(&"error")).then(|| Box::new(IsError(false)) as Box<dyn Check>)
}

impl Check for IsError {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let expected = format!("isError {}", self.0);
        let result = match result_of(evidence, || expected.clone()) {
            Ok(result) => result,
            Err(verdict) => return verdict,
        };
        let actual = match result.get("isError") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_error)) => *is_error,
            Some(other) => {
                let actual = format!("isError is {}, no boolean", quote(&other.to_string()));
                return Verdict::Fail(Judged::new(expected, actual).at("$.isError"));
            }
        };
        let mut told = format!("isError {actual}");
        if actual && !self.0 {
            let text = result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
            told = if text.is_empty() { told } else { format!("{told}: {}", quote(text)) };
        }
        Verdict::of(actual == self.0, Judged::new(expected, told).at("$.isError"))
    }

    fn reason(&self) -> Reason {
        // An error that nobody expected is the tool's; an expected one that does not come is the check's.
        if self.0 { Reason::Check } else { Reason::ToolError }
    }
}

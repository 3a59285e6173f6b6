//! `expect.tokens`: roughly what the tool definitions cost in a model's context: characters ÷ 4 of name,
//! description and input schema.

use serde_json::Value;

use super::budget::{self, Budget};
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, cut_short, result_of};
use crate::config::{Field, grammar};

pub(super) const KIND: Kind = Kind {
    name: "tokens",
    what: "How many tokens the tool definitions may cost, estimated as characters ÷ 4 of each tool's name, description \
           and input schema.",
    why: "Every definition is sent to the model with every turn; a list that grows makes each conversation dearer.",
    example: "method = \"tools/list\"\nexpect.tokens = { warn = 5000, max = 10000 }",
    methods: &["tools/list"],
    schema: || budget::schema(&grammar::count()),
    parse,
    default: None,
};

#[derive(Debug)]
struct Tokens(Budget<u64>);

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let budget = Budget::parse(field, "`expect.tokens`", Field::count);
    budget.map(|budget| Expectation::new(Tokens(budget), field.place())).into_iter().collect()
}

/// Characters of what a tool puts into a model's context, divided by four.
#[must_use]
pub fn tokens(tools: &[Value]) -> u64 {
    let chars = |tool: &Value| {
        let text = |key: &str| tool.get(key).and_then(Value::as_str).map_or(0, |text| text.chars().count());
        let schema = tool.get("inputSchema").map_or(0, |schema| schema.to_string().chars().count());
        text("name") + text("description") + schema
    };
    (tools.iter().map(chars).sum::<usize>() as u64).div_ceil(4)
}

impl Check for Tokens {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let show = |count: u64| format!("~{count} tokens");
        match result_of(evidence, || self.0.describe(show)) {
            Ok(result) => {
                let tools = result.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let verdict = self.0.judge(tokens(tools), show);
                // Tools that were not read cost more, never less: only what is too much already is decided.
                match (evidence.exchange.cut(), &verdict) {
                    (None, _) | (Some(_), Verdict::Fail(_)) => verdict,
                    (Some(_), Verdict::Warn(_)) if self.0.max().is_none() => verdict,
                    (Some(cut), _) => Verdict::Blocked(Judged::new(self.0.describe(show), cut_short(cut))),
                }
            }
            Err(verdict) => verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::check::tests::judged_when_cut;
    use crate::event::CheckStatus::{Blocked, Failed, Warned};

    #[test]
    fn what_a_list_costs_that_was_cut_is_at_least_what_was_seen() {
        let tools = json!({"tools": [{"name": "abcdefgh"}]});
        for (toml, status) in [
            ("tokens = 2", Blocked),
            ("tokens = 1", Failed),
            ("tokens = { warn = 1, max = 2 }", Blocked),
            ("tokens = { warn = 1 }", Warned),
            ("tokens = { warn = 2 }", Blocked),
        ] {
            let outcome = judged_when_cut("tools/list", &tools, toml);
            assert_eq!(outcome.status, status, "{toml}: {outcome:?}");
            if status == Blocked {
                assert!(outcome.actual.contains("not read to its end"), "{outcome:?}");
            }
        }
    }
}

//! `expect.json`: a path (RFC 9535) from the reply's `result`, and the value or operators it must meet.

use serde_json::Value;

use super::operators::{self, Operators};
use super::path::Path;
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote_json, result_of};
use crate::config::{Diag, Field, grammar};

pub(super) const KIND: Kind = Kind {
    name: "json",
    what: "The value at a JSONPath (RFC 9535) from the reply's `result` must be equal to a value, or meet operators. A \
           singular path gives the value it names, any other path the array of what it matched; no match fails, \
           unless `exists = false` or `len = 0`.",
    why: "A reply can be well-formed and wrong. Name the facts that a client relies on.",
    example: "expect.json.\"$.content[0].type\" = \"text\"\nexpect.json.\"$.structuredContent.days\" = { ge = 1, le = 14 }",
    methods: &[],
    schema,
    parse,
    default: None,
};

fn schema() -> Value {
    let paths = grammar::map(operators::reference(), serde_json::json!({"pattern": r"^\$"}));
    grammar::with(paths, serde_json::json!({"minProperties": 1}))
}

#[derive(Debug)]
struct Json {
    path: Path,
    operators: Operators,
}

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let Some(section) = field.table("`expect.json`") else { return Vec::new() };
    if section.entries().next().is_none() {
        field
            .wrong("`expect.json` expects nothing")
            .help("write a path and its value: `expect.json.\"$.city\" = \"Oslo\"`");
    }
    let mut expectations = Vec::new();
    for (key, value) in section.entries() {
        match Path::parse(&key.name) {
            Ok(path) => {
                let operators = Operators::parse(Field::new(value.node, "expect.json", field.reading()));
                expectations.extend(operators.map(|operators| Expectation::new(Json { path, operators }, &key.place)));
            }
            Err(why) => {
                let mut diag = Diag::error(&key.place, why);
                if !key.name.starts_with('$') {
                    diag = diag.help(format!("write `expect.json.\"$.{}\"`, with the path in quotes", key.name));
                }
                field.reading().report(diag);
            }
        }
    }
    expectations
}

impl Check for Json {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn cannot_fail(&self) -> Option<&'static str> {
        (self.path.text() == "$" && self.operators.only_presence()).then_some("a result is always there")
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let result = match result_of(evidence, || self.operators.describe()) {
            Ok(result) => result,
            Err(Verdict::Blocked(judged)) => return Verdict::Blocked(judged.at(self.path.text())),
            Err(verdict) => return verdict,
        };
        let (passed, actual) = match self.path.find(result) {
            Some(value) => {
                let kind = self.operators.misfit(&value).map(|kind| format!(", which is {kind}")).unwrap_or_default();
                (self.operators.accept(&value), format!("{}{kind}", quote_json(&value)))
            }
            None => (self.operators.accept_absence(), "nothing at this path".to_owned()),
        };
        Verdict::of(passed, Judged::new(self.operators.describe(), actual).at(self.path.text()))
    }
}

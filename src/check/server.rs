//! `expect.server`: what the server calls itself.

use serde_json::{Value, json};

use super::operators::{self, Operators};
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote};
use crate::config::{Field, grammar};

pub(super) const KIND: Kind = Kind {
    name: "server",
    what: "The name and version that the server gives of itself must be equal to values or meet operators.",
    why: "It tells that the release you meant is the one that answers.",
    example: "expect.server = { name = \"weather\", version = { starts_with = \"2.\" } }",
    methods: &[],
    schema,
    parse,
    default: None,
};

fn schema() -> Value {
    let keys = grammar::table([
        ("name", grammar::described(operators::reference(), "What the server calls itself: a string, or operators.")),
        ("version", grammar::described(operators::reference(), "The version it gives: a string, or operators.")),
    ]);
    grammar::with(keys, json!({"minProperties": 1}))
}

#[derive(Debug)]
struct Server {
    member: &'static str,
    operators: Operators,
}

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let Some(section) = field.table("`expect.server`") else { return Vec::new() };
    let mut expectations = Vec::new();
    for member in ["name", "version"] {
        if let Some(field) = section.field(member) {
            let operators = Operators::parse(field);
            expectations
                .extend(operators.map(|operators| Expectation::new(Server { member, operators }, field.place())));
        }
    }
    if !section.has("name") && !section.has("version") {
        field.wrong("`expect.server` expects nothing").help("write `name`, `version`, or both");
    }
    section.finish();
    expectations
}

impl Check for Server {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let expected = format!("{} {}", self.member, self.operators.describe());
        let Some(identity) = &evidence.facts.identity else {
            let passed = self.operators.accept_absence();
            return Verdict::of(passed, Judged::new(expected, "the server does not say what it is"));
        };
        let actual = if self.member == "name" { &identity.name } else { &identity.version };
        let passed = self.operators.accept(&Value::from(actual.as_str()));
        Verdict::of(passed, Judged::new(expected, format!("{} {:?}", self.member, quote(actual))))
    }
}

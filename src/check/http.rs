//! `expect.http`: status and headers of the HTTP answer.

use serde_json::{Value, json};

use super::operators::{self, Operators};
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote};
use crate::config::{Diag, Field, Section, grammar};

pub(super) const KIND: Kind = Kind {
    name: "http",
    what: "The status and the headers of the HTTP answer must be equal to values or meet operators. Over stdio it \
           cannot be judged.",
    why: "Proxies and gateways change what a server sends; what arrives is what counts.",
    example: "expect.http = { status = 200, header.content-type = { starts_with = \"application/json\" } }",
    methods: &[],
    schema,
    parse,
    default: None,
};

fn schema() -> Value {
    let headers = grammar::map(operators::reference(), json!({"pattern": grammar::HEADER}));
    let keys = grammar::table([
        ("status", grammar::described(operators::reference(), "The status of the answer: a number, or operators.")),
        ("header", grammar::described(headers, "Headers of the answer by name: a string, or operators.")),
    ]);
    grammar::with(keys, json!({"minProperties": 1}))
}

#[derive(Debug)]
enum Http {
    Status(Operators),
    Header(String, Operators),
}

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let Some(section) = field.table("`expect.http`") else { return Vec::new() };
    let mut expectations = Vec::new();
    if let Some(status) = section.field("status") {
        let operators = Operators::parse(status);
        expectations.extend(operators.map(|operators| Expectation::new(Http::Status(operators), status.place())));
    }
    let before = field.reading().count();
    let header = section.section("header");
    for (key, value) in header.iter().flat_map(Section::entries) {
        if ::http::HeaderName::from_bytes(key.name.as_bytes()).is_err() {
            field.reading().report(Diag::error(&key.place, format!("`{}` is no header name", key.name)));
            continue;
        }
        let name = key.name.to_ascii_lowercase();
        let operators = Operators::parse(value);
        expectations.extend(operators.map(|operators| Expectation::new(Http::Header(name, operators), &key.place)));
    }
    let nothing = !section.has("status") && header.is_none_or(|header| header.entries().next().is_none());
    if nothing && field.reading().count() == before {
        field.wrong("`expect.http` expects nothing").help("write `status`, `header.NAME`, or both");
    }
    section.finish();
    expectations
}

impl Http {
    fn describe(&self) -> String {
        match self {
            Self::Status(operators) => format!("status {}", operators.describe()),
            Self::Header(name, operators) => format!("{name}: {}", operators.describe()),
        }
    }
}

impl Check for Http {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let expected = self.describe();
        let Some(head) = &evidence.exchange.head else {
            return Verdict::Blocked(Judged::new(expected, "there is no HTTP answer"));
        };
        match self {
            Self::Status(operators) => Verdict::of(
                operators.accept(&head.status.into()),
                Judged::new(expected, format!("status {}", head.status)),
            ),
            Self::Header(name, operators) => match head.header(name) {
                Some(value) => {
                    let judged = Judged::new(expected, format!("{name}: {}", quote(value)));
                    Verdict::of(operators.accept(&Value::from(value)), judged)
                }
                None => Verdict::of(operators.accept_absence(), Judged::new(expected, format!("no header {name}"))),
            },
        }
    }

    fn cannot_fail(&self) -> Option<&'static str> {
        let every = |operators: &Operators| (100..600).all(|status: u16| operators.accept(&status.into()));
        matches!(self, Self::Status(operators) if every(operators)).then_some("every status meets it")
    }

    fn asks_for_status(&self, status: u16) -> bool {
        // What success meets as well (`{ lt = 500 }`) asks for no refusal.
        matches!(self, Self::Status(operators) if operators.accept(&status.into()) && !operators.accept(&200.into()))
    }
}

//! `expect.capabilities`: what the server must declare.

use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, quote_json};
use crate::config::{Field, grammar};

pub(super) const KIND: Kind = Kind {
    name: "capabilities",
    what: "Capabilities that the server must declare, as dotted paths.",
    why: "Clients do not ask for what is not declared: a capability that is gone hides everything behind it.",
    example: "expect.capabilities = [\"tools\", \"resources.subscribe\"]",
    methods: &[],
    schema: || grammar::with(grammar::strings(), serde_json::json!({"minItems": 1})),
    parse,
    default: None,
};

#[derive(Debug)]
struct Capabilities(Vec<String>);

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let Some(names) = field.strings() else { return Vec::new() };
    if names.is_empty() {
        field
            .wrong("`expect.capabilities` expects nothing: it can never fail")
            .help("name a capability: `[\"tools\"]`");
    }
    vec![Expectation::new(Capabilities(names), field.place())]
}

impl Check for Capabilities {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let missing: Vec<&str> =
            self.0.iter().map(String::as_str).filter(|name| !evidence.facts.declares(name)).collect();
        let expected = format!("declares {}", self.0.join(", "));
        let declared = quote_json(&evidence.facts.capabilities);
        if missing.is_empty() {
            return Verdict::Pass(Judged::new(expected, declared));
        }
        Verdict::Fail(Judged::new(expected, format!("{} not declared; declared: {declared}", missing.join(", "))))
    }
}

//! `expect.schema`: the result against a JSON Schema of the user's, in a file or inline.

use std::sync::Arc;

use serde_json::Value;

use super::json_schema::{Compile, Conformance, Patterns, Schema};
use super::{Check, Evidence, Expectation, Judged, Kind, Verdict, more, quote, result_of};
use crate::config::Field;

pub(super) const KIND: Kind = Kind {
    name: "schema",
    what: "The whole result must meet a JSON Schema: the path of a JSON file, relative to the probe file, or the schema \
           itself as a table. The dialect is 2020-12 unless `$schema` names draft 4, 6, 7 or 2019-09; `format` is \
           asserted, patterns are of linear time, and nothing is ever fetched.",
    why: "A shape with many members is described better once than by many paths, and often a schema is there already.",
    example: "expect.schema = { required = [\"content\"], properties.content = { type = \"array\", minItems = 1 } }",
    methods: &[],
    parse,
    default: None,
    schema: || serde_json::json!({"type": ["string", "object"]}),
};

#[derive(Debug)]
struct Meets {
    /// `the schema FILE`, or `the schema`.
    name: String,
    schema: Arc<Schema>,
}

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let Some((name, schema)) = read(field) else { return Vec::new() };
    let how = Compile { patterns: Patterns::Linear, formats: true, ..Compile::default() };
    match Schema::compile(&schema, how) {
        Ok(schema) => vec![Expectation::new(Meets { name, schema: Arc::new(schema) }, field.place())],
        Err(unfit) => {
            let help = match unfit {
                super::json_schema::Unfit::Pattern(..) => Some(
                    "patterns are regexes of linear time: look-around and back-references do not exist here".to_owned(),
                ),
                super::json_schema::Unfit::Outside(_) => Some(
                    "copy what it refers to under `$defs` of this schema, and write `\"$ref\" = \"#/$defs/NAME\"`"
                        .to_owned(),
                ),
                _ => None,
            };
            field.wrong(format!("{name} cannot be used: {unfit}")).maybe_help(help);
            Vec::new()
        }
    }
}

/// The schema and what it is called in messages.
fn read(field: Field<'_>) -> Option<(String, Value)> {
    if field.is_table() {
        return Some(("the schema".to_owned(), field.json()?));
    }
    if !field.is_text() {
        return field.expected("the path of a JSON file, or a table that is the schema");
    }
    let said = field.string()?;
    let name = format!("the schema {said:?}");
    let text = match field.document(&said) {
        Ok(text) => text,
        Err(why) => {
            field.wrong(format!("{name} cannot be read: {why}")).help("paths are relative to the file that says them");
            return None;
        }
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(schema @ (Value::Object(_) | Value::Bool(_))) => Some((name, schema)),
        Ok(other) => {
            field.wrong(format!("{name} is no JSON Schema: it is {}, no object", quote(&other.to_string())));
            None
        }
        Err(error) => {
            field.wrong(format!("{name} is no JSON: {error}"));
            None
        }
    }
}

impl Check for Meets {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let result = match result_of(evidence, || self.name.clone()) {
            Ok(result) => result,
            Err(verdict) => return verdict,
        };
        match self.schema.judge(result) {
            Conformance::Conforms => Verdict::Pass(Judged::new(self.name.clone(), "the result meets it")),
            Conformance::Violates(first, others) => {
                Verdict::Fail(Judged::new(first.expected, more(&first.actual, others)).at(format!("${}", first.path)))
            }
            Conformance::Undecided(why) => {
                Verdict::Blocked(Judged::new(self.name.clone(), format!("it cannot be judged: {why}")))
            }
        }
    }

    fn cannot_fail(&self) -> Option<&'static str> {
        self.schema.takes_every_object().then_some("every result meets this schema")
    }

    fn is_costly(&self, evidence: &Evidence<'_>) -> bool {
        evidence.exchange.result().is_some()
    }
}

//! `expect.output_schema`: a tool's `structuredContent` against the `outputSchema` that the tool declares. The schema is
//! the server's, so it is bounded, and what cannot be judged with it is told as a finding.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::Value;

use super::json_schema::{Compile, Conformance, Patterns, Schema, Unfit, places};
use super::{Called, Check, Evidence, Expectation, Judged, Kind, Verdict, more, quote, result_of};
use crate::config::{Field, grammar};
use crate::event::{Finding, Severity};

/// A server's schema is never larger, in bytes of JSON.
const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// Compiled schemas that are kept.
const KEPT_MAX: usize = 64;

const CONTENT: &str = "structuredContent";
const EXPECTED: &str = "structuredContent that meets the tool's outputSchema";

pub(super) const KIND: Kind = Kind {
    name: "output_schema",
    what: "Whether the tool's `structuredContent` meets the `outputSchema` that the tool list declares for it. `true` \
           holds for every tool call that does not ask for something else, and says nothing where the tool declares no \
           schema, is not listed, or answers with `isError`; written out, it needs a schema that can be judged.",
    why: "Clients that check the schema refuse the answer, others use what is wrong. `false` turns the check off.",
    example: "tool = \"forecast\"\nexpect.output_schema = true",
    methods: &["tools/call"],
    parse,
    default: Some(default),
    schema: grammar::boolean,
};

/// Meets the tool's schema.
#[derive(Debug)]
struct OutputSchema {
    /// Whether the step asks for it; else what cannot be judged is skipped.
    asked: bool,
}

fn parse(field: Field<'_>) -> Vec<Expectation> {
    let wanted = field.bool().filter(|wanted| *wanted);
    wanted.map(|_| Expectation::new(OutputSchema { asked: true }, field.place())).into_iter().collect()
}

fn default(method: &str, asked: &[&str]) -> Option<Box<dyn Check>> {
    let holds = method == "tools/call" && !asked.contains(&"error");
    holds.then(|| Box::new(OutputSchema { asked: false }) as Box<dyn Check>)
}

impl OutputSchema {
    /// What cannot be judged is red only where the step asked.
    fn unjudged(&self, why: impl Into<String>) -> Verdict {
        let why = why.into();
        if self.asked { Verdict::Blocked(Judged::new(EXPECTED, why)) } else { Verdict::NotApplicable(why.into()) }
    }

    /// The declared schema, or what is said instead of a judgement.
    fn declared<'a>(&self, evidence: &Evidence<'a>) -> Result<&'a Value, Verdict> {
        let tool = match evidence.called {
            Called::Listed(tool) => tool,
            Called::NotRead => return Err(self.unjudged("the tools were not listed: the step consents to all")),
            Called::Unlisted => return Err(self.unjudged("the tool is not listed, so it declares no outputSchema")),
            Called::Unreadable(why) => return Err(self.unjudged(format!("the tools could not be listed: {why}"))),
        };
        if !self.asked && !evidence.facts.revision.structured_output {
            return Err(self.unjudged(format!("revision {} has no outputSchema", evidence.facts.revision.version)));
        }
        match tool.get("outputSchema") {
            None | Some(Value::Null) => Err(self.unjudged("the tool declares no outputSchema")),
            Some(schema) => Ok(schema),
        }
    }

    /// The schema and the result, where both are there to be judged.
    fn both<'a>(&self, evidence: &Evidence<'a>) -> Result<(&'a Value, &'a Value), Verdict> {
        let result = result_of(evidence, || EXPECTED.to_owned()).map_err(|blocked| {
            if self.asked { blocked } else { Verdict::NotApplicable("there is no result".into()) }
        })?;
        if result.get("isError") == Some(&Value::Bool(true)) {
            return Err(Verdict::NotApplicable("the tool says that it failed".into()));
        }
        let unfinished = result.get("task").is_some() && evidence.exchange.params.get("task").is_some();
        if unfinished || result.get("resultType").is_some_and(|kind| kind != "complete") {
            return Err(self.unjudged("the result is not there yet"));
        }
        Ok((self.declared(evidence)?, result))
    }
}

impl Check for OutputSchema {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let (schema, result) = match self.both(evidence) {
            Ok(both) => both,
            Err(verdict) => return verdict,
        };
        let Some(content) = result.get(CONTENT) else {
            let expected = format!("{CONTENT}, because the tool declares an outputSchema");
            return Verdict::Fail(Judged::new(expected, format!("the result has no {CONTENT}")).at("$"));
        };
        let at = format!("$.{CONTENT}");
        match compiled(schema).as_ref() {
            Err(unfit) => self.unjudged(format!("the tool's outputSchema cannot be used: {unfit}")),
            Ok(schema) => match schema.judge(content) {
                Conformance::Conforms => Verdict::Pass(Judged::new(EXPECTED, "it does").at(at)),
                Conformance::Violates(first, others) => Verdict::Fail(
                    Judged::new(first.expected, more(&first.actual, others)).at(format!("{at}{}", first.path)),
                ),
                Conformance::Undecided(why) => self.unjudged(format!("it cannot be judged: {why}")),
            },
        }
    }

    fn findings(&self, evidence: &Evidence<'_>) -> Vec<Finding> {
        let Ok((schema, _)) = self.both(evidence) else { return Vec::new() };
        let found = match compiled(schema).as_ref() {
            Err(unfit) => Finding::new(
                "tool.output_schema",
                Severity::Warning,
                "an outputSchema that can be judged with",
                unfit.to_string(),
            ),
            Ok(schema) => match schema.set_aside() {
                [] => return Vec::new(),
                all @ [first, ..] => Finding::new(
                    "tool.schema_pattern",
                    Severity::Warning,
                    "patterns that can be compiled",
                    format!("{:?} cannot be; set aside at {}", quote(&first.pattern), places(all)),
                ),
            },
        };
        let tool = evidence.exchange.params.get("name").and_then(Value::as_str).unwrap_or_default();
        vec![Finding { actual: format!("{}: {}", quote(tool), found.actual), ..found }]
    }

    fn is_costly(&self, evidence: &Evidence<'_>) -> bool {
        self.both(evidence).is_ok()
    }

    fn wants_tool(&self) -> bool {
        self.asked
    }
}

type Compiled = Arc<Result<Schema, Unfit>>;

/// Schemas by their text: a probe that calls a tool again, or many probes of one server, compile each once.
static KEPT: LazyLock<Mutex<HashMap<String, Compiled>>> = LazyLock::new(Mutex::default);

fn compiled(schema: &Value) -> Compiled {
    let text = schema.to_string();
    if text.len() > SCHEMA_BYTES_MAX {
        return Arc::new(Err(Unfit::Bounds(format!("it has {} bytes, over {SCHEMA_BYTES_MAX}", text.len()))));
    }
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = lock().get(&text) {
        return Arc::clone(kept);
    }
    let how = Compile { patterns: Patterns::Backtracking, ..Compile::default() };
    let fresh = Arc::new(Schema::compile(schema, how));
    let mut kept = lock();
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(text, Arc::clone(&fresh));
    fresh
}

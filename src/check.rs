//! Judging: an [`Evidence`] goes in, a [`Verdict`] comes out; no I/O, no clock. Each `expect.` kind is one file and
//! one row in [`KINDS`]. Everything is compiled when the file is read; a kind that cannot be judged is blocked, which
//! is red.

pub mod budget;
pub mod capabilities;
pub mod error;
pub mod http;
pub mod is_error;
pub mod json;
pub mod json_schema;
pub mod latency;
pub mod lists;
pub mod lock;
pub mod notifications;
pub mod operators;
pub mod output_schema;
pub mod path;
pub mod pattern;
pub mod protocol;
pub mod rules;
pub mod schema;
pub mod server;
pub mod size;
pub mod text;
pub mod tokens;

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::sanitize;
use crate::config::{Field, Place, Section, grammar, suggest};
use crate::event::{CheckOutcome, CheckStatus, Finding, Reason};
use crate::session::{Exchange, ServerFacts};
use crate::wire::RpcError;

/// Characters of evidence that a verdict quotes.
const QUOTED_CHARS_MAX: usize = 400;

/// What is judged.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// What the server said of itself.
    pub facts: &'a ServerFacts,
    /// The call and what became of it.
    pub exchange: &'a Exchange,
    /// What the server's list says of the tool that was called.
    pub called: &'a Called,
    /// What came of comparing the reply with the lock file.
    pub locked: &'a lock::Compared,
    /// What the rules of the specification say of the reply.
    pub ruled: &'a rules::Ruled,
}

/// What is known of the tool that was called.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Called {
    /// The list was not read, or no tool was called.
    #[default]
    NotRead,
    /// The list could not be read, and why.
    Unreadable(String),
    /// The list does not have it.
    Unlisted,
    /// Its definition.
    Listed(Value),
}

/// What was expected, and what came. Texts of the server are raw and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What the probe file asked for.
    pub expected: String,
    /// What came.
    pub actual: String,
    /// Where in the reply.
    pub path: Option<String>,
}

impl Judged {
    /// Without a path.
    #[must_use]
    pub fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self { expected: expected.into(), actual: actual.into(), path: None }
    }

    /// With a path.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Pass(Judged),
    /// Over a warning bound.
    Warn(Judged),
    /// Not as expected.
    Fail(Judged),
    /// Could not be judged.
    Blocked(Judged),
    /// Says nothing about this reply, and why.
    NotApplicable(Cow<'static, str>),
}

impl Verdict {
    /// Pass or fail.
    #[must_use]
    pub fn of(passed: bool, judged: Judged) -> Self {
        if passed { Self::Pass(judged) } else { Self::Fail(judged) }
    }

    /// As outcomes tell it.
    #[must_use]
    pub fn into_outcome(self, kind: &'static str, place: Option<&Place>) -> CheckOutcome {
        let (status, judged) = match self {
            Self::Pass(judged) => (CheckStatus::Passed, judged),
            Self::Warn(judged) => (CheckStatus::Warned, judged),
            Self::Fail(judged) => (CheckStatus::Failed, judged),
            Self::Blocked(judged) => (CheckStatus::Blocked, judged),
            Self::NotApplicable(why) => (CheckStatus::Skipped, Judged::new(String::new(), why)),
        };
        let Judged { expected, actual, path } = judged;
        CheckOutcome { kind, status, expected, actual, path, place: place.map(|place| place.to_string().into()) }
    }
}

/// One expectation, compiled.
pub trait Check: Send + Sync + std::fmt::Debug {
    /// The word after `expect.`.
    fn kind(&self) -> &'static str;

    /// Judges a call.
    fn judge(&self, evidence: &Evidence<'_>) -> Verdict;

    /// The reason of a step that fails (or is degraded) by it.
    fn reason(&self) -> Reason {
        Reason::Check
    }

    /// Why no reply can fail it, if that is so: a check that is always green says nothing.
    fn cannot_fail(&self) -> Option<&'static str> {
        None
    }

    /// The bound above which it fails a reply for being late.
    fn latency_max(&self) -> Option<Duration> {
        None
    }

    /// What it notices beside the verdict.
    fn findings(&self, _: &Evidence<'_>) -> Vec<Finding> {
        Vec::new()
    }

    /// Whether judging this may take long or go deep, so that it does not belong on the thread that reads the answers.
    fn is_costly(&self, _: &Evidence<'_>) -> bool {
        false
    }

    /// Whether it needs the definition of the tool that is called, even where nothing else does.
    fn wants_tool(&self) -> bool {
        false
    }

    /// Whether it needs the reply compared with the lock file.
    fn wants_lock(&self) -> bool {
        false
    }

    /// The rules of the specification that it wants the reply judged by.
    fn rules(&self) -> Option<&rules::Selection> {
        None
    }

    /// Whether it asks for this very JSON-RPC error, and not for any.
    fn asks_for_error(&self, _: &RpcError) -> bool {
        false
    }

    /// Whether it asks for an answer of this HTTP status, which refuses the call.
    fn asks_for_status(&self, _: u16) -> bool {
        false
    }
}

/// A check and where it was asked for; defaults have no place.
#[derive(Debug)]
pub struct Expectation {
    /// The check.
    pub check: Box<dyn Check>,
    /// Where it was written.
    pub place: Option<Place>,
}

impl Expectation {
    /// A check written at a place.
    #[must_use]
    pub fn new(check: impl Check + 'static, place: &Place) -> Self {
        Self { check: Box::new(check), place: Some(place.clone()) }
    }

    /// Judges a call and tells the outcome.
    #[must_use]
    pub fn judge(&self, evidence: &Evidence<'_>) -> CheckOutcome {
        self.check.judge(evidence).into_outcome(self.check.kind(), self.place.as_ref())
    }
}

/// A kind of expectation.
pub struct Kind {
    /// The word after `expect.`.
    pub name: &'static str,
    /// What it checks, in one sentence.
    pub what: &'static str,
    /// Why one would want it.
    pub why: &'static str,
    /// How it is written.
    pub example: &'static str,
    /// The methods whose replies it can judge; empty for all.
    pub methods: &'static [&'static str],
    /// Its settings as JSON Schema, for editors.
    pub schema: fn() -> Value,
    /// Reads its settings; records mistakes and gives what could be read.
    pub parse: fn(Field<'_>) -> Vec<Expectation>,
    /// What holds for a method although the step does not ask for it; gets the kinds that it does ask for.
    pub default: Option<Default>,
}

/// The check that holds for a method beside the kinds that a step asks for, if there is one.
pub type Default = fn(method: &str, asked: &[&str]) -> Option<Box<dyn Check>>;

/// Every kind.
pub static KINDS: &[Kind] = &[
    latency::KIND,
    json::KIND,
    text::KIND,
    schema::KIND,
    is_error::KIND,
    output_schema::KIND,
    error::KIND,
    lists::TOOLS,
    lists::RESOURCES,
    lists::PROMPTS,
    server::KIND,
    protocol::KIND,
    capabilities::KIND,
    http::KIND,
    size::KIND,
    tokens::KIND,
    notifications::KIND,
    lock::KIND,
    rules::KIND,
];

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Reads a step's `expect` table and adds the defaults of the method; of a method that is not known (empty) nothing is said,
/// but the table's own mistakes are.
#[must_use]
pub fn parse(section: Option<&Section<'_>>, method: &str) -> Vec<Expectation> {
    let mut expectations = Vec::new();
    let mut asked: Vec<&str> = Vec::new();
    for (key, field) in section.into_iter().flat_map(Section::entries) {
        let Some(kind) = kind(&key.name) else {
            let diag = crate::config::Diag::error(&key.place, format!("`{}` is no kind of expectation", key.name));
            let help = suggest::sentence(&key.name, KINDS.iter().map(|kind| kind.name));
            field.reading().report(diag.maybe_help(help));
            continue;
        };
        asked.push(kind.name);
        let read = (kind.parse)(field);
        if !method.is_empty() && !kind.methods.is_empty() && !kind.methods.contains(&method) {
            let possible = suggest::list(kind.methods).unwrap_or_default();
            field.reading().report(
                crate::config::Diag::error(&key.place, format!("`expect.{}` cannot judge `{method}`", kind.name))
                    .help(format!("it judges {possible}")),
            );
            continue;
        }
        expectations.extend(read);
    }
    let missing = KINDS.iter().filter(|kind| !asked.contains(&kind.name));
    let defaults = missing.filter_map(|kind| kind.default.and_then(|default| default(method, &asked)));
    expectations.extend(defaults.map(|check| Expectation { check, place: None }));
    expectations
}

/// A step's `expect` table as JSON Schema: every kind with what it checks and its example.
#[must_use]
pub fn schema() -> Value {
    let of = |kind: &Kind| {
        let examples = grammar::examples(kind.example, &["expect", kind.name]);
        let schema = grammar::described((kind.schema)(), &format!("{} {}", kind.what, kind.why));
        (kind.name.to_owned(), grammar::with(schema, json!({ "examples": examples })))
    };
    let kinds: serde_json::Map<String, Value> = KINDS.iter().map(of).collect();
    json!({"type": "object", "properties": kinds, "additionalProperties": false})
}

/// The result, or the verdict when there is none to judge.
pub(crate) fn result_of<'a>(evidence: &Evidence<'a>, expected: impl FnOnce() -> String) -> Result<&'a Value, Verdict> {
    match &evidence.exchange.reply {
        Ok(reply) => reply.body.as_deref().map_err(|error| {
            let actual = format!("the server answered with error {}: {}", error.code, quote(&error.message));
            Verdict::Blocked(Judged::new(expected(), actual))
        }),
        Err(fault) => {
            Err(Verdict::Blocked(Judged::new(expected(), format!("there is no reply: {}", quote(&fault.message)))))
        }
    }
}

/// What came where a list broke off before its end, so that what it may hold beyond decides.
pub(crate) fn cut_short(cut: &Finding) -> String {
    format!("a list that was not read to its end (expected {}, got {})", cut.expected, quote(&cut.actual))
}

/// What came, and how many violations there are besides.
pub(crate) fn more(actual: &str, others: usize) -> String {
    if others == 0 { actual.to_owned() } else { format!("{actual}; and {others} more") }
}

/// Raw text, bounded.
pub(crate) fn quote(text: &str) -> String {
    sanitize::cut(text, QUOTED_CHARS_MAX)
}

/// JSON on one line, bounded.
pub(crate) fn quote_json(value: &Value) -> String {
    quote(&value.to_string())
}

#[cfg(test)]
pub(crate) mod tests;

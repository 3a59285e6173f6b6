//! The document of `audit --json`, schema id `mcp-probe/audit/1`: every rule with what became of it, and the evidence of
//! what was violated.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::json::{self, FindingDocument, Protocol, Server, Why};
use super::schema;
use crate::base::duration::millis;
use crate::event::{
    Advice, AuditOutcome, ClientSurvival, CostFigure, DefinitionCost, RuleEvidence, RuleOutcome, RuleVerdict, Severity,
};

/// The schema id.
pub const SCHEMA: &str = "mcp-probe/audit/1";

/// What an audit found.
#[derive(JsonSchema, Serialize)]
pub(super) struct Document<'a> {
    /// The id of this document.
    #[schemars(schema_with = "schema::audit_id")]
    schema: &'static str,
    /// When it began.
    #[schemars(schema_with = "schema::timestamp")]
    started_at: String,
    /// From its start to its end.
    duration_ms: f64,
    /// How many rules came to what, over all targets.
    #[schemars(schema_with = "schema::audit_summary")]
    summary: Map<String, Value>,
    /// Every target, in the order in which they were named; one that was audited in several revisions comes several times.
    targets: Vec<Target<'a>>,
}

/// One target in one revision.
#[derive(JsonSchema, Serialize)]
struct Target<'a> {
    /// Its name.
    #[serde(rename = "target")]
    name: &'a str,
    /// How it ended.
    #[schemars(schema_with = "schema::status")]
    status: &'static str,
    #[serde(flatten)]
    why: Why<'a>,
    /// From its start to its end.
    duration_ms: f64,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server<'a>")]
    server: Option<Server<'a>>,
    /// What was spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Protocol<'a>")]
    protocol: Option<Protocol<'a>>,
    /// Every rule that was chosen.
    rules: Vec<Rule<'a>>,
    /// What is accepted by the baseline and no longer violated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Stale<'a>>")]
    stale: Vec<Stale<'a>>,
    /// What each client would have of the tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Client<'a>>")]
    clients: Vec<Client<'a>>,
    /// What the definitions cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Cost<'a>")]
    cost: Option<Cost<'a>>,
    /// What no specification demands, and would be better otherwise.
    advice: Vec<AdviceDocument<'a>>,
    /// Of which advice there is more than stands here, and how much.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<&'a str, usize>")]
    advice_left_out: BTreeMap<&'a str, usize>,
    /// What was noticed beside.
    findings: Vec<FindingDocument<'a>>,
}

/// A rule of the specification and what became of it.
#[derive(JsonSchema, Serialize)]
struct Rule<'a> {
    /// Its id, which `mcp-probe explain` explains.
    id: &'static str,
    /// The rows of the catalogues that it judges.
    rows: &'static [&'static str],
    /// The part of a server that it is about.
    area: &'static str,
    /// How strictly this revision words it: `MUST`, `schema`, `security`, `SHOULD`, `MAY` or `info`.
    keyword: &'static str,
    /// How much this violation matters; where nothing is violated, how much one would.
    #[schemars(schema_with = "schema::severity")]
    severity: &'static str,
    /// What seeing it does to the server: `passive`, `harmless`, `slow`, `invasive` or `calls`.
    class: &'static str,
    /// What became of it.
    #[schemars(schema_with = "schema::rule_verdict")]
    verdict: &'static str,
    /// Why it does not apply or could not be exercised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    why: Option<&'a str>,
    /// What the rule wants; of violations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    expected: Option<&'a str>,
    /// What came; of violations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    actual: Option<&'a str>,
    /// Where in the reply, as a JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    path: Option<&'a str>,
    /// How many more violations of the same kind there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    others: Option<usize>,
    /// Why that is accepted by the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    accepted: Option<&'a str>,
    /// The message that shows the violation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Evidence<'a>")]
    evidence: Option<Evidence<'a>>,
    /// What to do about it; of violations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    mend: Option<&'static str>,
    /// Where it is written.
    reference: &'a str,
}

/// A violation that was accepted and is gone.
#[derive(JsonSchema, Serialize)]
struct Stale<'a> {
    /// The rule.
    rule: &'a str,
    /// Where it was violated, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    path: Option<&'a str>,
    /// Where it is accepted: file, line and column.
    place: &'a str,
}

/// What is left of the tools in one client.
#[derive(JsonSchema, Serialize)]
struct Client<'a> {
    /// The word for the client.
    id: &'static str,
    /// Its name.
    title: &'static str,
    /// When its limits were last looked at.
    as_of: &'static str,
    /// How many tools the server lists.
    total: usize,
    /// How many of them the client has.
    seen: usize,
    /// The rule by which it has none, where the whole list is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    refused: Option<&'static str>,
    /// Each tool that it has not, or that is why it has none.
    lost: Vec<Lost<'a>>,
}

/// A tool that a client does not have.
#[derive(JsonSchema, Serialize)]
struct Lost<'a> {
    /// Who it is.
    about: &'a str,
    /// Why.
    rule: &'static str,
}

/// What definitions cost of a model's context.
#[derive(JsonSchema, Serialize)]
struct Cost<'a> {
    /// All tools together.
    tools: Figure,
    /// Each tool, the dearest first.
    each: Vec<Dear<'a>>,
    /// The instructions, which come on top.
    instructions: Figure,
    /// The tokens of the tools in the lock file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    locked_tokens: Option<u64>,
    /// By how many per cent the tools cost more than those.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    growth_percent: Option<u64>,
    /// Whose the estimates are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    tokenizer: Option<&'static str>,
}

/// One tool.
#[derive(JsonSchema, Serialize)]
struct Dear<'a> {
    /// Who it is.
    about: &'a str,
    #[serde(flatten)]
    figure: Figure,
}

/// What something costs.
#[derive(JsonSchema, Serialize)]
struct Figure {
    /// Bytes of what a model is shown.
    bytes: u64,
    /// Characters ÷ 4.
    tokens: u64,
    /// By the tokenizer that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    estimate: Option<u64>,
}

/// Something that no specification demands.
#[derive(JsonSchema, Serialize)]
struct AdviceDocument<'a> {
    /// Its id, which `mcp-probe explain` explains.
    id: &'static str,
    /// How much it matters.
    #[schemars(schema_with = "schema::severity")]
    severity: &'static str,
    /// What it is about.
    about: &'a str,
    /// What was expected.
    expected: &'a str,
    /// What came.
    actual: &'a str,
    /// Where, as a JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    path: Option<&'a str>,
    /// What to do about it.
    mend: &'static str,
    /// Why it is accepted by the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    accepted: Option<&'a str>,
}

/// A message that was sent and what came of it, masked and cut.
#[derive(JsonSchema, Serialize)]
struct Evidence<'a> {
    /// The exercise that it was sent for.
    exercise: &'static str,
    /// Its name there.
    label: &'static str,
    /// How it was sent over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    verb: Option<&'static str>,
    /// The protocol's HTTP headers that it was sent with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<&'a str, &'a str>")]
    headers: BTreeMap<&'a str, &'a str>,
    /// What was sent.
    sent: &'a str,
    /// The HTTP status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16")]
    status: Option<u16>,
    /// What came, in order.
    came: &'a [String],
    /// How many more things came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    more: Option<usize>,
    /// Why no more came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    fault: Option<&'a str>,
    /// Until the reply, or until nobody waited any more.
    took_ms: f64,
}

/// The document.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn document(started_at: Timestamp, duration: Duration, all: &[AuditOutcome]) -> Result<Value, serde_json::Error> {
    serde_json::to_value(Document {
        schema: SCHEMA,
        started_at: json::timestamp(started_at),
        duration_ms: millis(duration),
        summary: summary(all),
        targets: all.iter().map(target).collect(),
    })
}

/// How many rules came to what, and how many violations there are of each severity.
pub(super) fn summary(all: &[AuditOutcome]) -> Map<String, Value> {
    let rules = || all.iter().flat_map(|one| &one.rules);
    let verdicts = RuleVerdict::ALL
        .into_iter()
        .map(|verdict| (verdict.name().to_owned(), rules().filter(|rule| rule.verdict == verdict).count().into()));
    let violated = |severity| rules().filter(|rule| rule.violation.is_some() && rule.severity == severity).count();
    let severities = [("errors", Severity::Error), ("warnings", Severity::Warning), ("infos", Severity::Info)];
    verdicts.chain(severities.map(|(name, severity)| (name.to_owned(), violated(severity).into()))).collect()
}

fn target(one: &AuditOutcome) -> Target<'_> {
    Target {
        name: &one.target,
        status: one.status.name(),
        why: json::why(one.status, one.cause.as_ref()),
        duration_ms: millis(one.duration),
        server: one.server.as_ref().map(json::server),
        protocol: one.protocol.as_ref().map(json::protocol),
        rules: one.rules.iter().map(rule).collect(),
        stale: one
            .stale
            .iter()
            .map(|one| Stale { rule: &one.rule, path: one.path.as_deref(), place: &one.place })
            .collect(),
        clients: one.clients.iter().map(client).collect(),
        cost: one.cost.as_ref().map(cost),
        advice: one.advice.iter().map(advice).collect(),
        advice_left_out: one.advice_left_out.iter().copied().collect(),
        findings: one.findings.iter().map(json::finding).collect(),
    }
}

fn client(client: &ClientSurvival) -> Client<'_> {
    Client {
        id: client.id,
        title: client.title,
        as_of: client.as_of,
        total: client.total,
        seen: client.seen,
        refused: client.refused,
        lost: client.lost.iter().map(|(about, rule)| Lost { about, rule }).collect(),
    }
}

fn cost(cost: &DefinitionCost) -> Cost<'_> {
    Cost {
        tools: figure(&cost.tools),
        each: cost.each.iter().map(|(about, one)| Dear { about, figure: figure(one) }).collect(),
        instructions: figure(&cost.instructions),
        locked_tokens: cost.locked_tokens,
        growth_percent: cost.growth_percent,
        tokenizer: cost.tokenizer,
    }
}

fn figure(figure: &CostFigure) -> Figure {
    Figure { bytes: figure.bytes, tokens: figure.tokens, estimate: figure.estimate }
}

fn advice(advice: &Advice) -> AdviceDocument<'_> {
    AdviceDocument {
        id: advice.id,
        severity: advice.severity.name(),
        about: &advice.about,
        expected: &advice.expected,
        actual: &advice.actual,
        path: advice.path.as_deref(),
        mend: advice.mend,
        accepted: advice.accepted.as_deref(),
    }
}

fn rule(rule: &RuleOutcome) -> Rule<'_> {
    let violation = rule.violation.as_ref();
    Rule {
        id: rule.id,
        rows: rule.rows,
        area: rule.area,
        keyword: rule.keyword,
        severity: rule.severity.name(),
        class: rule.class,
        verdict: rule.verdict.name(),
        why: rule.why.as_deref(),
        expected: violation.map(|violation| violation.expected.as_str()),
        actual: violation.map(|violation| violation.actual.as_str()),
        path: violation.and_then(|violation| violation.path.as_deref()),
        others: violation.map(|violation| violation.others).filter(|others| *others > 0),
        accepted: rule.accepted.as_deref(),
        evidence: violation.and_then(|violation| violation.evidence.as_ref()).map(evidence),
        mend: violation.map(|_| rule.mend),
        reference: &rule.reference,
    }
}

fn evidence(evidence: &RuleEvidence) -> Evidence<'_> {
    Evidence {
        exercise: evidence.exercise,
        label: evidence.label,
        verb: evidence.verb,
        headers: evidence.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        sent: &evidence.sent,
        status: evidence.status,
        came: &evidence.came,
        more: Some(evidence.more).filter(|more| *more > 0),
        fault: evidence.fault.as_deref(),
        took_ms: millis(evidence.took),
    }
}

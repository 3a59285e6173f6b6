//! The JSON Schemas (draft-07) of the documents, derived from the types that are written, so that the two cannot drift
//! apart. A new member may come under the same number of a document; what is described here keeps its name and type.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::event::{
    ChangeClass, CheckStatus, Era, Phase, Reason, RuleVerdict, Severity, Status, Subject, TransportKind,
};

/// The schema of the document of `check --json`.
#[must_use]
pub fn report() -> Value {
    of::<super::json::Document<'static>>("mcp-probe report")
}

/// The schema of a line of `check --report jsonl`.
#[must_use]
pub fn report_lines() -> Value {
    of::<super::jsonl::Line<'static>>("a line of mcp-probe report lines")
}

/// The schema of the document of one ad hoc call.
#[must_use]
pub fn call() -> Value {
    of::<super::call_json::One<'static>>("mcp-probe call")
}

/// The schema of the document of ad hoc calls to several targets.
#[must_use]
pub fn calls() -> Value {
    of::<super::call_json::Several<'static>>("mcp-probe calls")
}

/// The schema of the document of `history --json`.
#[must_use]
pub fn history() -> Value {
    of::<super::history::Document<'static>>("mcp-probe history")
}

/// The schema of the document of `report --json`.
#[must_use]
pub fn slo() -> Value {
    of::<super::slo::Document<'static>>("mcp-probe slo")
}

/// The schema of the document of `diff --json` and `lock --json`.
#[must_use]
pub fn diff() -> Value {
    of::<super::changes::Document<'static>>("mcp-probe diff")
}

/// The schema of the document of `audit --json`.
#[must_use]
pub fn audit() -> Value {
    of::<super::audit_json::Document<'static>>("mcp-probe audit")
}

fn of<T: JsonSchema>(title: &str) -> Value {
    let settings = SchemaSettings::draft07().for_serialize().with_transform(RecursiveTransform(without_rust_formats));
    let mut schema = Value::from(settings.into_generator().into_root_schema_for::<T>());
    let mut head = serde_json::Map::new();
    head.insert("$schema".into(), schema["$schema"].take());
    head.insert("title".into(), title.into());
    if let Value::Object(members) = &mut schema {
        members.retain(|name, _| name != "$schema" && name != "title");
        head.append(members);
    }
    Value::Object(head)
}

/// `uint64` and `double` are formats of no JSON Schema.
fn without_rust_formats(schema: &mut Schema) {
    if schema.get("format").is_some_and(|format| format != "date-time") {
        schema.remove("format");
    }
}

fn words(words: impl IntoIterator<Item = &'static str>) -> Schema {
    let words: Vec<&str> = words.into_iter().collect();
    json_schema!({ "type": "string", "enum": words })
}

/// The status of a probe or call.
pub(super) fn status(_: &mut SchemaGenerator) -> Schema {
    words([Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown].map(Status::name))
}

/// The status of a step.
pub(super) fn step_status(_: &mut SchemaGenerator) -> Schema {
    let all = [Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown, Status::Skipped];
    words(all.map(Status::name))
}

/// The status of a check.
pub(super) fn check_status(_: &mut SchemaGenerator) -> Schema {
    use CheckStatus::{Blocked, Failed, Passed, Skipped, Warned};
    words([Passed, Warned, Failed, Blocked, Skipped].map(CheckStatus::name))
}

/// The closed set of reasons.
pub(super) fn reason(_: &mut SchemaGenerator) -> Schema {
    words(Reason::ALL.iter().map(|reason| reason.code()))
}

/// The two eras.
pub(super) fn era(_: &mut SchemaGenerator) -> Schema {
    words([Era::Legacy, Era::Modern].map(Era::name))
}

/// The transports.
pub(super) fn transport(_: &mut SchemaGenerator) -> Schema {
    words([TransportKind::Stdio, TransportKind::StreamableHttp, TransportKind::Sse].map(TransportKind::name))
}

/// The severities of findings.
pub(super) fn severity(_: &mut SchemaGenerator) -> Schema {
    words([Severity::Info, Severity::Warning, Severity::Error].map(Severity::name))
}

/// A wall time, RFC 3339 in UTC.
pub(super) fn timestamp(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// Milliseconds of each phase that happened.
pub(super) fn phases(_: &mut SchemaGenerator) -> Schema {
    let of = |phase: Phase| (phase.name().to_owned(), serde_json::json!({ "type": "number", "minimum": 0 }));
    let phases: serde_json::Map<String, Value> = Phase::ALL.map(of).into_iter().collect();
    json_schema!({ "type": "object", "properties": phases, "additionalProperties": false })
}

/// The classes of changes.
pub(super) fn change_class(_: &mut SchemaGenerator) -> Schema {
    words(ChangeClass::ALL.map(ChangeClass::name))
}

/// What a change is about.
pub(super) fn subject(_: &mut SchemaGenerator) -> Schema {
    words(Subject::ALL.map(Subject::name))
}

/// How many changes there are of each class that there is.
pub(super) fn change_counts(_: &mut SchemaGenerator) -> Schema {
    let of = |class: ChangeClass| (class.name().to_owned(), serde_json::json!({ "type": "integer", "minimum": 1 }));
    let counts: serde_json::Map<String, Value> = ChangeClass::ALL.map(of).into_iter().collect();
    json_schema!({ "type": "object", "properties": counts, "additionalProperties": false })
}

/// The id of a comparison.
pub(super) fn diff_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": super::changes::SCHEMA })
}

/// The id of an audit.
pub(super) fn audit_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": super::audit_json::SCHEMA })
}

/// What becomes of a rule.
pub(super) fn rule_verdict(_: &mut SchemaGenerator) -> Schema {
    words(RuleVerdict::ALL.map(RuleVerdict::name))
}

/// How many rules came to what.
pub(super) fn audit_summary(_: &mut SchemaGenerator) -> Schema {
    let counts: serde_json::Map<String, Value> = super::audit_json::summary(&[])
        .into_iter()
        .map(|(name, _)| (name, serde_json::json!({ "type": "integer", "minimum": 0 })))
        .collect();
    let required: Vec<&String> = counts.keys().collect();
    json_schema!({ "type": "object", "required": required, "properties": counts, "additionalProperties": false })
}

/// The id of the report.
pub(super) fn report_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": super::json::SCHEMA })
}

/// The id of the report in lines.
pub(super) fn report_lines_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": super::jsonl::SCHEMA })
}

/// The id of one call.
pub(super) fn call_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": super::call_json::SCHEMA })
}

/// The id of several calls.
pub(super) fn calls_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": super::call_json::SCHEMA_SEVERAL })
}

/// The id of the history.
pub(super) fn history_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": super::history::SCHEMA })
}

/// The id of the objectives.
pub(super) fn slo_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": super::slo::SCHEMA })
}

/// Whether an objective is met.
pub(super) fn verdict(_: &mut SchemaGenerator) -> Schema {
    words(super::slo::Verdict::ALL.map(super::slo::Verdict::name))
}

//! What happens, as log records of OpenTelemetry: every message on the wire with the ids that correlate it, and what the log
//! of `watch` says. Payloads only where they are asked for; secrets are masked.

use jiff::Timestamp;

use super::points::{hex, nanos, whole};
use super::proto::{Any, AnyValue, KeyValue, LogRecord, LogsRequest, Resource, ResourceLogs, ScopeLogs};
use super::resource::{attribute, scope, text};
use super::spans::shown;
use crate::base::ids::RunId;
use crate::base::secret::Masker;
use crate::event::{AlertChange, Event, EventKind, Level, Note, ProbeOutcome, Status, WireRecord};

/// Bytes of a payload that are sent.
const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// The request that holds these records.
pub(super) fn request(records: Vec<LogRecord>, resource: &Resource) -> LogsRequest {
    let scope_logs = vec![ScopeLogs { scope: Some(scope()), records }];
    LogsRequest { resource_logs: vec![ResourceLogs { resource: Some(resource.clone()), scope_logs }] }
}

/// The record of an event, where it is worth one.
pub(super) fn of_event(event: &Event, payloads: bool, masker: &Masker) -> Option<LogRecord> {
    let record = match &event.kind {
        EventKind::Wire(record) => of_message(record, payloads),
        EventKind::Noted(note) => of_note(note, masker),
        EventKind::AlertChanged(change) => of_alert(change, masker),
        EventKind::ProbeFinished { outcome, .. } if outcome.status != Status::Healthy => of_outcome(outcome, masker),
        EventKind::RunMissed { probe, target, reason, count } => {
            let mut record = said(Level::Warn, "probe", format!("missed {count} runs: {}", reason.name()));
            record.attributes.extend([text("probe", shown(probe, masker)), text("target", shown(target, masker))]);
            record
        }
        EventKind::RunStarted { .. }
        | EventKind::ProbeStarted { .. }
        | EventKind::ProbeFinished { .. }
        | EventKind::RunFinished { .. } => return None,
    };
    Some(dated(record, event.at, event.run_id))
}

fn dated(mut record: LogRecord, at: Timestamp, run: RunId) -> LogRecord {
    record.time = nanos(at);
    record.observed = record.time;
    record.attributes.push(text("run_id", run.to_string()));
    record
}

/// The members of the wire log, as attributes of the same names.
fn of_message(record: &WireRecord, payloads: bool) -> LogRecord {
    let method = record.method.as_deref().unwrap_or("a message");
    let mut attributes = vec![
        text("probe", record.probe.as_str()),
        text("target", record.target.as_str()),
        text("call_id", record.call_id.as_str()),
        text("direction", record.direction.name()),
        whole("bytes", record.bytes),
    ];
    attributes.extend(record.rpc_id.as_ref().map(|id| match id {
        serde_json::Value::String(id) => text("rpc_id", id.as_str()),
        id => text("rpc_id", id.to_string()),
    }));
    attributes.extend(record.method.as_deref().map(|method| text("method", method)));
    attributes.extend(record.status.as_deref().map(|status| text("status", status)));
    if let Some(took) = record.duration {
        attributes.push(attribute("duration_ms", Any::Number(took.as_secs_f64() * 1000.0)));
    }
    let level = match record.status.as_deref() {
        Some("error" | "malformed" | "noise" | "stray") => Level::Warn,
        _ => Level::Info,
    };
    let body = if payloads { payload(&record.payload) } else { format!("{} {method}", record.direction.name()) };
    LogRecord {
        attributes,
        trace_id: hex(&record.trace_id),
        span_id: hex(&record.span_id),
        ..written(level, "message", body)
    }
}

fn payload(payload: &serde_json::Value) -> String {
    let mut text = match payload {
        serde_json::Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let end = (0..=PAYLOAD_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    if end < text.len() {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn of_note(note: &Note, masker: &Masker) -> LogRecord {
    let mut record = said(note.level, note.topic, shown(&note.message, masker));
    record.attributes.extend(note.target.as_deref().map(|target| text("target", shown(target, masker))));
    record
}

fn of_alert(change: &AlertChange, masker: &Masker) -> LogRecord {
    let level = if change.firing { Level::Warn } else { Level::Info };
    let mut record = said(level, "alert", shown(&change.message, masker));
    record.attributes.extend([
        text("alert", shown(&change.alert, masker)),
        text("probe", shown(&change.probe, masker)),
        text("target", shown(&change.target, masker)),
        text("state", change.state),
    ]);
    record
}

fn of_outcome(outcome: &ProbeOutcome, masker: &Masker) -> LogRecord {
    let cause = outcome.cause.as_ref();
    let why = cause.map_or(String::new(), |cause| format!(": {}", shown(&cause.message, masker)));
    let mut record = said(Level::Warn, "probe", format!("{}{why}", outcome.status.name()));
    record.attributes.extend([
        text("probe", shown(&outcome.name, masker)),
        text("target", shown(&outcome.target, masker)),
        text("status", outcome.status.name()),
    ]);
    record.attributes.extend(cause.map(|cause| text("reason", cause.reason.code())));
    if let Some(trace) = &outcome.observed.trace {
        record.trace_id = trace.context.trace_id.bytes().to_vec();
        record.span_id = trace.context.span_id.bytes().to_vec();
        record.flags = 1;
    }
    record
}

fn said(level: Level, topic: &'static str, message: String) -> LogRecord {
    let attributes: Vec<KeyValue> = vec![text("topic", topic)];
    LogRecord { attributes, ..written(level, topic, message) }
}

fn written(level: Level, event: &str, body: String) -> LogRecord {
    LogRecord {
        severity: match level {
            Level::Debug => 5,
            Level::Info => 9,
            Level::Warn => 13,
            Level::Error => 17,
        },
        severity_text: level.name().to_ascii_uppercase(),
        body: Some(AnyValue { value: Some(Any::Text(body)) }),
        event_name: format!("mcp_probe.{event}"),
        ..LogRecord::default()
    }
}

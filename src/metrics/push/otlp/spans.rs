//! A run as spans: one for the run, one for each phase of the opening and the end, one CLIENT span for each call, named and
//! described by OpenTelemetry's conventions for MCP (status: development). Arguments and results are never in them.

use std::time::Duration;

use jiff::Timestamp;

use super::points::{nanos, whole};
use super::proto::{
    CLIENT, ERROR, INTERNAL, KeyValue, Resource, ResourceSpans, ScopeSpans, Span, SpanStatus, TraceRequest,
};
use super::resource::{scope, text};
use crate::base::ids::{SpanContext, SpanId};
use crate::base::sanitize;
use crate::base::secret::Masker;
use crate::event::{CallSpan, Phase, ProbeOutcome, Status, Trace, TransportKind};

/// Longest text of an attribute, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// Phases of the opening, in the order in which they happen.
const OPENING: [Phase; 6] = [Phase::Spawn, Phase::Resolve, Phase::Connect, Phase::Tls, Phase::Detect, Phase::Handshake];

/// The request that holds these spans.
pub(super) fn request(spans: Vec<Span>, resource: &Resource) -> TraceRequest {
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans }];
    TraceRequest { resource_spans: vec![ResourceSpans { resource: Some(resource.clone()), scope_spans }] }
}

/// The spans of a run; the run's own comes last.
pub(super) fn of_run(outcome: &ProbeOutcome, trace: &Trace, masker: &Masker) -> Vec<Span> {
    let shared = shared(outcome, trace, masker);
    let mut spans: Vec<Span> = trace.calls.iter().map(|call| of_call(call, trace, &shared, masker)).collect();
    let end = after(outcome.started_at, outcome.duration);
    if let Some(mut at) = trace.opened_at {
        // How long each took was measured; they are laid end to end from the moment when the opening began.
        for phase in OPENING {
            let Some(took) = outcome.phases.get(phase) else { continue };
            spans.push(of_phase(phase, (at, took), trace));
            at = after(at, took);
        }
    }
    if let Some(took) = outcome.phases.get(Phase::Close) {
        spans.push(of_phase(Phase::Close, (end, took), trace));
    }
    let last = spans.iter().map(|span| span.end).max().unwrap_or(0);
    let mut attributes = shared;
    attributes.push(text("mcp_probe.status", outcome.status.name()));
    attributes.push(whole("mcp_probe.attempts", outcome.attempts.len()));
    let reason = outcome.cause.as_ref().filter(|_| outcome.status != Status::Healthy);
    if let Some(cause) = reason {
        attributes.push(text("mcp_probe.reason", cause.reason.code()));
    }
    let failed = reason.filter(|_| outcome.status == Status::Failed);
    if let Some(cause) = failed {
        attributes.push(text("error.type", cause.reason.code()));
    }
    if trace.dropped > 0 {
        attributes.push(whole("mcp_probe.calls_dropped", trace.dropped));
    }
    let name = format!("probe {} {}", shown(&outcome.name, masker), shown(&outcome.target, masker));
    spans.push(Span {
        parent_span_id: trace.parent.map(id).unwrap_or_default(),
        kind: INTERNAL,
        attributes,
        status: failed.map(|cause| error(&shown(&cause.message, masker))),
        ..span(name, &trace.context, nanos(outcome.started_at), nanos(end).max(last))
    });
    spans
}

/// What all of a run's spans about calls say.
fn shared(outcome: &ProbeOutcome, trace: &Trace, masker: &Masker) -> Vec<KeyValue> {
    let mut attributes =
        vec![text("probe", shown(&outcome.name, masker)), text("target", shown(&outcome.target, masker))];
    for (name, value) in outcome.labels.iter() {
        attributes.push(text(format!("mcp_probe.label.{name}"), shown(value, masker)));
    }
    if let Some(used) = &outcome.protocol {
        attributes.extend(used.dated().map(|version| text("mcp.protocol.version", version)));
        attributes.push(text("network.transport", used.transport.network()));
        if used.transport != TransportKind::Stdio {
            attributes.push(text("network.protocol.name", "http"));
        }
    }
    if let Some((host, port)) = &trace.server {
        attributes.push(text("server.address", shown(host, masker)));
        attributes.push(whole("server.port", *port));
    }
    attributes
}

fn of_call(call: &CallSpan, trace: &Trace, shared: &[KeyValue], masker: &Masker) -> Span {
    let method = shown(&call.method, masker);
    let about = call.about.as_deref().map(|about| shown(about, masker));
    let mut attributes = vec![text("mcp.method.name", method.as_str())];
    if let Some(about) = &about {
        let is_tool = call.method == "tools/call";
        attributes.push(text(if is_tool { "gen_ai.tool.name" } else { "gen_ai.prompt.name" }, about.as_str()));
        if is_tool {
            attributes.push(text("gen_ai.operation.name", "execute_tool"));
        }
    }
    attributes.extend(call.rpc_id.as_deref().map(|id| text("jsonrpc.request.id", id)));
    attributes.extend(call.code.map(|code| text("rpc.response.status_code", code.to_string())));
    attributes.extend(call.error.as_deref().map(|error| text("error.type", error)));
    attributes.extend(call.http_status.map(|status| whole("http.response.status_code", status)));
    attributes.extend_from_slice(shared);
    let name = match about {
        Some(about) => format!("{method} {about}"),
        None => method,
    };
    let end = nanos(after(call.started_at, call.duration));
    Span {
        parent_span_id: id(trace.context.span_id),
        kind: CLIENT,
        attributes,
        status: call.error.as_deref().map(error),
        ..span(name, &call.context, nanos(call.started_at), end)
    }
}

fn of_phase(phase: Phase, (at, took): (Timestamp, Duration), trace: &Trace) -> Span {
    Span {
        parent_span_id: id(trace.context.span_id),
        kind: INTERNAL,
        ..span(phase.name().to_owned(), &trace.context.child(), nanos(at), nanos(after(at, took)))
    }
}

fn span(name: String, context: &SpanContext, start: u64, end: u64) -> Span {
    Span {
        trace_id: context.trace_id.bytes().to_vec(),
        id: id(context.span_id),
        name,
        start,
        end: end.max(start),
        flags: u32::from(context.sampled),
        ..Span::default()
    }
}

fn id(span: SpanId) -> Vec<u8> {
    span.bytes().to_vec()
}

fn error(message: &str) -> SpanStatus {
    SpanStatus { message: message.to_owned(), code: ERROR }
}

fn after(at: Timestamp, took: Duration) -> Timestamp {
    at.saturating_add(took).unwrap_or(at)
}

/// A text that may be a server's, and may hold a secret.
pub(super) fn shown(text: &str, masker: &Masker) -> String {
    sanitize::one_line(&masker.mask(text), TEXT_CHARS_MAX)
}

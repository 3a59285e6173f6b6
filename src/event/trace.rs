//! What a run was, as a trace: one span for the run, one for each call. Kept only where somebody takes traces.

use std::time::Duration;

use jiff::Timestamp;

use crate::base::ids::{SpanContext, SpanId};

/// The trace of one run of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The run's own span.
    pub context: SpanContext,
    /// The span of somebody else that it is part of (`TRACEPARENT`).
    pub parent: Option<SpanId>,
    /// When the last attempt began to open its session; none where it found one open.
    pub opened_at: Option<Timestamp>,
    /// The host and port of the server, over HTTP.
    pub server: Option<(String, u16)>,
    /// Every call of every attempt, the opening included, in the order in which they ended; bounded.
    pub calls: Vec<CallSpan>,
    /// Calls beyond the bound.
    pub dropped: u64,
}

/// One JSON-RPC call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSpan {
    /// Its span, a child of the run's.
    pub context: SpanContext,
    /// The method.
    pub method: String,
    /// The tool or prompt that it names; from the probe file, never from the server.
    pub about: Option<String>,
    /// The JSON-RPC id, as text.
    pub rpc_id: Option<String>,
    /// When it was handed to the transport.
    pub started_at: Timestamp,
    /// From there to its end.
    pub duration: Duration,
    /// OpenTelemetry's `error.type`: the JSON-RPC code, `tool_error`, or our reason; none where all went well.
    pub error: Option<String>,
    /// The code of a JSON-RPC error.
    pub code: Option<i64>,
    /// The HTTP status.
    pub http_status: Option<u16>,
}

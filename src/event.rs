//! The vocabulary that both halves speak: the half that probes writes these values, the half that tells reads
//! them. Status, reason, phases, findings and outcomes are the words of every report, metric and alert.

mod answered;
mod audited;
mod change;
mod masking;
mod observed;
mod replica;
mod stream;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::ids::{SpanContext, TraceId};
use crate::base::name::Name;

pub use audited::{
    Advice, AuditOutcome, ClientSurvival, CostFigure, DefinitionCost, RuleEvidence, RuleOutcome, RuleVerdict,
    RuleViolation, StaleEntry,
};
pub use change::{Change, ChangeClass, Subject};
pub use observed::{Latency, Missed, Observed, Sample, Scheduled, ToolSeen, ToolsSeen};
pub use replica::{replica_name, replica_of, without_replica};
pub use stream::{AlertChange, Consumer, Direction, Event, EventKind, Level, Note, Publisher, TellError, WireRecord};
pub use trace::{CallSpan, Trace};

/// The lifetime of the protocol that was spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// Revisions up to 2025-11-25: a session opened by `initialize`.
    Legacy,
    /// 2026-07-28 and later: stateless, `_meta` on every request.
    Modern,
}

impl Era {
    /// The word used in files and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransportKind {
    /// A child process, one message a line.
    Stdio,
    /// One endpoint, POST per message, JSON or an event stream in reply (2025-03-26 and later).
    StreamableHttp,
    /// The two-endpoint HTTP+SSE of 2024-11-05.
    Sse,
}

impl TransportKind {
    /// The word used in files and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::StreamableHttp => "streamable-http",
            Self::Sse => "sse",
        }
    }

    /// What is below it, in OpenTelemetry's words.
    #[must_use]
    pub fn network(self) -> &'static str {
        match self {
            Self::Stdio => "pipe",
            Self::StreamableHttp | Self::Sse => "tcp",
        }
    }
}

/// How a run, a probe or a step ended. Ordered from best to worst for folding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Not run, because something before it failed. Steps only.
    Skipped,
    /// Everything as expected.
    Healthy,
    /// Works, but something is not as it should be.
    Degraded,
    /// We could not tell, through a fault or an interruption of our own, or because something else explains the failure.
    Unknown,
    /// The server is at fault.
    Failed,
}

impl Status {
    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $variant:ident = $code:literal,)*) => {
        /// Why something is not healthy: a closed set, safe as a metric label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])* $variant,)* }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word used in outputs and as a label.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)*).trim_ascii(),)* }
            }
        }
    };
}

reasons! {
    /// The server's program could not be started.
    Spawn = "spawn",
    /// The server's process ended before it answered.
    Exited = "exited",
    /// The host name could not be resolved.
    Resolve = "resolve",
    /// No connection could be made: refused, unreachable, or cut while connecting.
    Connect = "connect",
    /// The TLS handshake or the certificate was refused.
    Tls = "tls",
    /// The HTTP answer is not one an MCP endpoint gives: a status, a redirect, or a page instead of a message.
    Http = "http",
    /// The server asks for credentials or refused the ones it got.
    Auth = "auth",
    /// The server asked us to slow down (HTTP 429).
    RateLimited = "rate_limited",
    /// No answer within the time allowed.
    Timeout = "timeout",
    /// The connection, stream or pipe was closed before the answer was complete.
    Closed = "closed",
    /// The answer breaks JSON-RPC or the MCP specification.
    Protocol = "protocol",
    /// The server speaks no protocol version that was asked for.
    Incompatible = "incompatible",
    /// The server answered with a JSON-RPC error that nobody expected.
    RpcError = "rpc_error",
    /// A tool answered with isError that nobody expected.
    ToolError = "tool_error",
    /// An expectation of the probe file was not met.
    Check = "check",
    /// The answer came later than the probe file allows.
    Slow = "slow",
    /// The definitions differ from the lock file.
    Drift = "drift",
    /// It passed only on a retry.
    Flaky = "flaky",
    /// An answer was larger than the limit.
    TooLarge = "too_large",
    /// The prober, or the machine under it, stood still during the run.
    Suspended = "suspended",
    /// The run was interrupted, or nobody agreed to start the target.
    Cancelled = "cancelled",
    /// A bug or a lack of resources in mcp-probe itself.
    Internal = "internal",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will hurt some clients.
    Warning,
    /// Breaks the specification or clients in use.
    Error,
}

impl Severity {
    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that was noticed beside, or found by, a check. Texts of a server inside it are raw: whoever shows
/// them sanitises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable id from a closed set, such as `stdio.stdout_clean`.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub actual: String,
    /// Where in the reply, as a JSONPath, where that makes sense.
    pub path: Option<String>,
}

impl Finding {
    /// A finding without a path.
    #[must_use]
    pub fn new(id: &'static str, severity: Severity, expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self { id, severity, expected: expected.into(), actual: actual.into(), path: None }
    }
}

/// The phases of a run, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Starting the child process.
    Spawn,
    /// Looking up the host name.
    Resolve,
    /// The TCP (or Unix socket) connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Finding out which era the server speaks.
    Detect,
    /// `initialize` and `notifications/initialized`, or a pinned `server/discover`.
    Handshake,
    /// The calls.
    Call,
    /// Ending the session and the process.
    Close,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 8] =
        [Self::Spawn, Self::Resolve, Self::Connect, Self::Tls, Self::Detect, Self::Handshake, Self::Call, Self::Close];

    /// The word used in outputs and as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Detect => "detect",
            Self::Handshake => "handshake",
            Self::Call => "call",
            Self::Close => "close",
        }
    }
}

/// How long each phase took. A phase that did not happen is absent, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases([Option<Duration>; 8]);

impl Phases {
    /// The time of one phase.
    #[must_use]
    pub fn get(&self, phase: Phase) -> Option<Duration> {
        self.0[phase as usize]
    }

    /// Adds time to a phase.
    pub fn add(&mut self, phase: Phase, took: Duration) {
        let slot = &mut self.0[phase as usize];
        *slot = Some(slot.unwrap_or_default() + took);
    }

    /// Adds every phase of another record.
    pub fn absorb(&mut self, other: &Self) {
        for (phase, took) in other.iter() {
            self.add(phase, took);
        }
    }

    /// The phases that happened, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, Duration)> + '_ {
        Phase::ALL.into_iter().filter_map(|phase| self.get(phase).map(|took| (phase, took)))
    }
}

/// What the server calls itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerIdentity {
    /// `serverInfo.name`, raw.
    pub name: Name,
    /// `serverInfo.version`, raw.
    pub version: Name,
}

/// What was spoken with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolUsed {
    /// The dated revision, such as `2025-11-25`.
    pub version: Name,
    /// Its era.
    pub era: Era,
    /// How messages travelled.
    pub transport: TransportKind,
}

impl ProtocolUsed {
    /// The revision, where it is a date. What a server says instead may be anything, and is no word for labels.
    #[must_use]
    pub fn dated(&self) -> Option<&str> {
        let is_of_date = |(at, byte): (usize, u8)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        let is_date = self.version.len() == 10 && self.version.bytes().enumerate().all(is_of_date);
        is_date.then_some(self.version.as_str())
    }
}

/// Why something is not healthy, with the sentence for a person: what was expected, what came, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The closed-set reason.
    pub reason: Reason,
    /// One sentence, and on further lines the evidence (the end of stderr, say). Raw server text inside.
    pub message: String,
}

impl Cause {
    /// A cause from its two parts.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// The status of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStatus {
    /// As expected.
    Passed,
    /// Over a warning bound.
    Warned,
    /// Not as expected.
    Failed,
    /// Could not be judged; the step fails.
    Blocked,
    /// Did not apply.
    Skipped,
}

impl CheckStatus {
    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Skipped => "skipped",
        }
    }
}

/// One judged expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOutcome {
    /// The `expect.` kind, such as `latency`.
    pub kind: &'static str,
    /// How it was judged.
    pub status: CheckStatus,
    /// What the probe file asked for.
    pub expected: String,
    /// What came, raw.
    pub actual: String,
    /// Where in the reply.
    pub path: Option<String>,
    /// Where in the probe file: `file:line:column`.
    pub place: Option<Name>,
}

/// One step of a probe.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    /// The step's name; the method when the file gives none.
    pub name: Name,
    /// The JSON-RPC method.
    pub method: Name,
    /// How it ended.
    pub status: Status,
    /// Why, where it is not healthy.
    pub cause: Option<Cause>,
    /// Request written to last byte of the reply.
    pub latency: Option<Duration>,
    /// Request written to first byte of the reply.
    pub first_byte: Option<Duration>,
    /// Size of the request on the wire, without transport framing.
    pub request_bytes: u64,
    /// Size of the reply, likewise.
    pub response_bytes: u64,
    /// What was expected of it.
    pub checks: Vec<CheckOutcome>,
    /// Where in the probe file: `file:line:column`.
    pub place: Option<Name>,
    /// The span of its call; none where nothing was sent.
    pub span: Option<SpanContext>,
}

impl StepOutcome {
    /// The W3C trace id of its call, as it stands in the wire log.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.span.map(|span| span.trace_id)
    }
}

/// One attempt at a probe.
#[derive(Clone, Debug)]
pub struct AttemptOutcome {
    /// How it ended.
    pub status: Status,
    /// Why, where it is not healthy.
    pub cause: Option<Cause>,
    /// From its start to its end.
    pub duration: Duration,
}

/// What one probe of one target found.
#[derive(Clone, Debug)]
pub struct ProbeOutcome {
    /// The probe's name.
    pub name: Name,
    /// The target's name.
    pub target: Name,
    /// The target's labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Which repetition it was, from 1, where everything was run several times.
    pub repetition: Option<u32>,
    /// Wall time at the start.
    pub started_at: jiff::Timestamp,
    /// How it ended.
    pub status: Status,
    /// Why, where it is not healthy.
    pub cause: Option<Cause>,
    /// Whether the handshake (or detection) was complete when it ended; decides the exit code of a time-out.
    pub connected: bool,
    /// What the server calls itself, where it said so.
    pub server: Option<ServerIdentity>,
    /// What was spoken, where that was settled.
    pub protocol: Option<ProtocolUsed>,
    /// All attempts together, with the pauses between them; what the prober itself queued is no part of it.
    pub duration: Duration,
    /// Of the last attempt.
    pub phases: Phases,
    /// Every attempt, in order; none where the probe was not run.
    pub attempts: Vec<AttemptOutcome>,
    /// Of the last attempt.
    pub steps: Vec<StepOutcome>,
    /// What was noticed beside the checks.
    pub findings: Vec<Finding>,
    /// Children: what the process tree used, start and end included.
    pub usage: Option<Usage>,
    /// What was learnt beside the verdict.
    pub observed: Observed,
}

impl ProbeOutcome {
    /// A probe that was not run, and why: nothing is known of its target.
    #[must_use]
    pub fn not_run(name: &str, target: &str, labels: &BTreeMap<String, String>, cause: Cause) -> Self {
        Self {
            name: name.into(),
            target: target.into(),
            labels: labels.clone().into(),
            repetition: None,
            started_at: jiff::Timestamp::now(),
            status: Status::Unknown,
            cause: Some(cause),
            connected: false,
            server: None,
            protocol: None,
            duration: Duration::ZERO,
            phases: Phases::default(),
            attempts: Vec::new(),
            steps: Vec::new(),
            findings: Vec::new(),
            usage: None,
            observed: Observed::default(),
        }
    }

    /// Whether it was run at all.
    #[must_use]
    pub fn was_run(&self) -> bool {
        !self.attempts.is_empty()
    }
}

/// What a server's whole process tree used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time, since its start.
    pub cpu: Duration,
    /// Largest resident memory that was seen, in bytes.
    pub resident_bytes: u64,
}

/// The latencies of a call that was repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencySummary {
    /// How many calls were answered.
    pub count: u64,
    /// How many were sent and failed.
    pub failed: u64,
    /// The smallest.
    pub min: Duration,
    /// The arithmetic mean.
    pub mean: Duration,
    /// Half of the calls were at most this.
    pub p50: Duration,
    /// Nine in ten.
    pub p90: Duration,
    /// Nineteen in twenty.
    pub p95: Duration,
    /// Ninety-nine in a hundred.
    pub p99: Duration,
    /// The largest.
    pub max: Duration,
    /// The histogram: upper bound and how many fell between it and the bound before.
    pub buckets: Vec<(Duration, u64)>,
}

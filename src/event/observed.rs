//! What a run learnt beside its verdict, and its digest for those who look at many runs: history, rules, the page.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Era, ProbeOutcome, Reason, ServerIdentity, Status, Trace, TransportKind, Usage, WireRecord};
use crate::base::name::Name;

/// What a run learnt of its server beside the verdict.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Where the probe stands in its file: `file:line:column`.
    pub place: Option<Name>,
    /// `timeout` of the probe: what a step that did not answer counts as.
    pub timeout: Duration,
    /// When and how it was run by `watch`; none elsewhere.
    pub scheduled: Option<Scheduled>,
    /// The HTTP status of the last exchange, over HTTP.
    pub http_status: Option<u16>,
    /// When the server's certificate, or one above it, ends: the earliest of the chain; on https.
    pub certificate_ends: Option<Timestamp>,
    /// When the token ends that was sent, where it is a JWT that says so.
    pub token_ends: Option<Timestamp>,
    /// The tools, where the run read them all.
    pub tools: Option<Arc<ToolsSeen>>,
    /// The addresses that the target's name has now, where each is a replica.
    pub addresses: Option<Vec<IpAddr>>,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// What was said both ways, masked and bounded; kept of runs that were not healthy, where it was asked for.
    pub transcript: Vec<WireRecord>,
    /// The run as a trace, where traces are wanted.
    pub trace: Option<Box<Trace>>,
}

/// How a run of `watch` came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The wall time of the grid point.
    pub due_at: Timestamp,
    /// From the grid point to the moment when it was taken up: the lag of the timetable.
    pub lag: Duration,
    /// From there to its start: waiting for a free place. No part of any latency.
    pub queued: Duration,
}

/// A list of tools that was read whole.
#[derive(Clone, Debug, Default)]
pub struct ToolsSeen {
    /// Characters ÷ 4 of the canonical name, description and inputSchema of all tools.
    pub tokens: u64,
    /// Each with a digest of its definition, in the order of the server; names raw.
    pub tools: Vec<ToolSeen>,
    /// The digest of them all, once somebody has asked for it.
    pub summed: OnceLock<Name>,
}

impl PartialEq for ToolsSeen {
    fn eq(&self, other: &Self) -> bool {
        (self.tokens, &self.tools) == (other.tokens, &other.tools)
    }
}

impl Eq for ToolsSeen {}

impl ToolsSeen {
    /// The first 16 hexadecimal digits of the SHA-256 of all names and definitions, whatever their order.
    #[must_use]
    pub fn digest(&self) -> Name {
        self.summed.get_or_init(|| self.sum()).clone()
    }

    fn sum(&self) -> Name {
        let mut lines: Vec<String> =
            self.tools.iter().map(|tool| format!("{}\0{}\n", tool.name, tool.digest)).collect();
        lines.sort_unstable();
        let hash = Sha256::digest(lines.concat());
        let first: [u8; 8] = hash.first_chunk().copied().unwrap_or_default();
        format!("{:016x}", u64::from_be_bytes(first)).into()
    }
}

/// One tool of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSeen {
    /// Its name, raw.
    pub name: String,
    /// The first 16 hexadecimal digits of the SHA-256 of its canonical definition.
    pub digest: String,
}

/// Why a grid point passed without a run: a closed set, safe as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Missed {
    /// The run before was still going on.
    Overrun,
    /// The machine slept, or the prober stood still.
    Suspend,
    /// Somebody set the clock, and the slot of a calendar was jumped over.
    Clock,
    /// Waiting for a free place would have taken until the next grid point.
    Backpressure,
}

impl Missed {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Overrun, Self::Suspend, Self::Clock, Self::Backpressure];

    /// The word used in outputs and as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Overrun => "overrun",
            Self::Suspend => "suspend",
            Self::Clock => "clock",
            Self::Backpressure => "backpressure",
        }
    }
}

/// What one run of a probe on a target came to, small enough to be kept for weeks and compared by the thousand.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The probe.
    pub probe: Name,
    /// The target.
    pub target: Name,
    /// The wall time of its grid point, or of its start where it had none.
    pub at: Timestamp,
    /// How it ended.
    pub status: Status,
    /// Why, where it is not healthy.
    pub reason: Option<Reason>,
    /// The sentence of the cause, raw.
    pub message: Option<String>,
    /// All attempts together.
    pub duration: Duration,
    /// Of each step that was answered or timed out, in order; one that timed out counts as the timeout. Of a run that
    /// timed out before its first step: the timeout, once.
    pub latencies: Vec<Latency>,
    /// What the server calls itself, raw.
    pub server: Option<ServerIdentity>,
    /// The dated revision, era and transport, where that was settled.
    pub protocol: Option<(Name, Era, TransportKind)>,
    /// How many tools there are, where the run read them all.
    pub tools: Option<u64>,
    /// A digest of the names and definitions of all of them, whatever their order; of the run itself, not kept in history.
    pub tools_digest: Option<Name>,
    /// The earliest end of a certificate.
    pub certificate_ends: Option<Timestamp>,
    /// The end of the token.
    pub token_ends: Option<Timestamp>,
    /// What the child used.
    pub usage: Option<Usage>,
}

/// The latency of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The JSON-RPC method; empty for an opening that timed out.
    pub method: Name,
    /// Request written to last byte of the reply; the limit where it did not come.
    pub took: Duration,
    /// Whether it is the limit that is told.
    pub timed_out: bool,
}

impl Sample {
    /// The digest of an outcome.
    #[must_use]
    pub fn of(outcome: &ProbeOutcome) -> Self {
        let observed = &outcome.observed;
        let is_late = |cause: Option<&super::Cause>| cause.is_some_and(|cause| cause.reason == Reason::Timeout);
        let mut latencies: Vec<Latency> = outcome
            .steps
            .iter()
            .filter_map(|step| {
                let timed_out = is_late(step.cause.as_ref());
                let took = step.answer_latency().or(timed_out.then_some(observed.timeout))?;
                Some(Latency { method: step.method.clone(), took, timed_out })
            })
            .collect();
        if latencies.is_empty() && is_late(outcome.cause.as_ref()) {
            latencies.push(Latency { method: Name::default(), took: observed.timeout, timed_out: true });
        }
        let protocol = outcome.protocol.as_ref();
        Self {
            probe: outcome.name.clone(),
            target: outcome.target.clone(),
            at: observed.scheduled.map_or(outcome.started_at, |scheduled| scheduled.due_at),
            status: outcome.status,
            reason: outcome.cause.as_ref().map(|cause| cause.reason),
            message: outcome.cause.as_ref().map(|cause| cause.message.clone()),
            duration: outcome.duration,
            latencies,
            server: outcome.server.clone(),
            protocol: protocol.map(|used| (used.version.clone(), used.era, used.transport)),
            tools: observed.tools.as_ref().map(|seen| seen.tools.len() as u64),
            tools_digest: observed.tools.as_ref().map(|seen| seen.digest()),
            certificate_ends: observed.certificate_ends,
            token_ends: observed.token_ends,
            usage: outcome.usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::{Cause, StepOutcome};

    fn step(latency: Option<u64>, reason: Option<Reason>) -> StepOutcome {
        StepOutcome {
            name: "list".into(),
            method: "tools/list".into(),
            status: if reason.is_some() { Status::Failed } else { Status::Healthy },
            cause: reason.map(|reason| Cause::new(reason, "…")),
            latency: latency.map(Duration::from_millis),
            first_byte: None,
            request_bytes: 1,
            response_bytes: 1,
            checks: Vec::new(),
            place: None,
            span: None,
        }
    }

    #[test]
    fn a_time_out_counts_as_its_limit_and_other_failures_do_not_count() {
        let cause = Cause::new(Reason::Timeout, "no answer");
        let mut outcome = ProbeOutcome::not_run("smoke", "weather", &BTreeMap::new(), cause);
        outcome.observed.timeout = Duration::from_secs(5);
        let took = |outcome: &ProbeOutcome| -> Vec<(u128, bool)> {
            let latencies = Sample::of(outcome).latencies;
            latencies.iter().map(|latency| (latency.took.as_millis(), latency.timed_out)).collect()
        };
        assert_eq!(took(&outcome), [(5000, true)]);
        outcome.steps = vec![step(Some(20), None), step(None, Some(Reason::Closed)), step(None, Some(Reason::Timeout))];
        assert_eq!(took(&outcome), [(20, false), (5000, true)]);
        // An error under 401 came quickly, and is no answer; one that was only judged wrong is.
        outcome.steps = vec![step(Some(2), Some(Reason::Auth)), step(Some(3), Some(Reason::Check))];
        assert_eq!(took(&outcome), [(3, false)]);
    }
}

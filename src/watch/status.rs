//! The document of `/api/v1/status`, schema id `mcp-probe/status/1`: what the board shows, for scripts. The same types
//! write it and read it back, so that `status` and `top` show what the daemon said. What is not known is absent.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::board::{AlertState, Board, Operation, PairState, PushState, ToolsChange};
use crate::base::duration::millis;
use crate::event::{ProbeOutcome, Status, StepOutcome};

/// The schema id.
pub const SCHEMA: &str = "mcp-probe/status/1";

/// The state of a daemon and of its fleet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Document {
    /// The id of this document.
    pub schema: String,
    /// When it was written.
    pub at: String,
    /// How the fleet is: the worst status of its probes; `unknown` where one has not run yet.
    pub status: String,
    /// How many probes have which status.
    pub summary: Summary,
    /// The daemon itself.
    pub daemon: Daemon,
    /// Every probe on every target, in the order of the files.
    pub probes: Vec<Probe>,
    /// The alerts that are not at rest.
    pub alerts: Vec<Alert>,
}

/// How many probes have which status.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// All of them.
    pub probes: usize,
    /// As expected.
    pub healthy: usize,
    /// Working, but not as they should.
    pub degraded: usize,
    /// Failed.
    pub failed: usize,
    /// Nobody could tell.
    pub unknown: usize,
    /// Without a result until now.
    pub waiting: usize,
}

/// The daemon itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Daemon {
    /// Its name.
    pub instance: String,
    /// Which share of the plan it has, where several probers divide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// Its version.
    pub version: String,
    /// When it began.
    pub started_at: String,
    /// The probe files.
    pub files: Vec<String>,
    /// When they were last read well.
    pub plan_loaded_at: String,
    /// Why the files as they are now could not be used; the plan before goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_error: Option<String>,
    /// Keys of the files that are other than at the start, and that only a restart carries out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart_needed: Vec<String>,
    /// Runs that wait for a free place.
    pub queue: usize,
    /// Runs that go on.
    pub running: usize,
    /// Runs that may go on at once.
    pub limit: usize,
    /// From grid point to start: half of the runs were at most this late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_p50_ms: Option<f64>,
    /// Ninety-nine in a hundred were at most this late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_p99_ms: Option<f64>,
    /// Messages that wait to be delivered.
    pub outbox_waiting: usize,
    /// The age of the oldest, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox_oldest_seconds: Option<u64>,
    /// Channels that refuse or do not answer, each with the reason.
    pub channels_failing: BTreeMap<String, String>,
    /// How each push does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushes: Vec<Push>,
    /// Why nothing can be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_error: Option<String>,
    /// Whether the loop turns.
    pub alive: bool,
    /// Whether the first plan is at work.
    pub ready: bool,
    /// Whether it is ending.
    pub draining: bool,
}

/// How a push does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Push {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Payloads that arrived since the daemon began.
    pub sent: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Payloads that were given up, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Payloads that wait.
    pub waiting: u64,
    /// When one arrived last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// Why the last try failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}

/// A probe on a target.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Probe {
    /// The name of the probe.
    pub name: String,
    /// The name of the target.
    pub target: String,
    /// The labels of the target.
    pub labels: BTreeMap<String, String>,
    /// Where the server is.
    pub endpoint: String,
    /// When it runs.
    pub schedule: String,
    /// How the last run ended; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Since when the status is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When the last run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_at: Option<String>,
    /// When a run was last healthy or degraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<String>,
    /// When it runs next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<String>,
    /// Whether it runs now.
    pub running: bool,
    /// Why it is not run at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// How long the last run took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// The phases of the last run that happened.
    pub phases_ms: BTreeMap<String, f64>,
    /// The steps of the last run.
    pub steps: Vec<Step>,
    /// What the server calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// What was spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// How many tools it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<usize>,
    /// About how many tokens they take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools_tokens: Option<u64>,
    /// What changed about them, newest first.
    pub changes: Vec<Change>,
    /// Grid points that passed without a run, by reason.
    pub missed: BTreeMap<String, u64>,
    /// When the server's certificate ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_ends: Option<String>,
}

/// A step of the last run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The method that was called.
    pub method: String,
    /// How it ended.
    pub status: String,
    /// Why it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// From the request being written to the last byte of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

/// What a server calls itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What was spoken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Protocol {
    /// The dated revision.
    pub version: String,
    /// Its era.
    pub era: String,
    /// How messages travelled.
    pub transport: String,
}

/// What changed about the tools.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Change {
    /// When it was seen.
    pub at: String,
    /// Tools that are new.
    pub added: Vec<String>,
    /// Tools that are gone.
    pub removed: Vec<String>,
    /// Tools whose definition is another.
    pub changed: Vec<String>,
}

/// An alert that is not at rest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Alert {
    /// The rule.
    pub alert: String,
    /// The probe; empty where it is of the prober as a whole.
    pub probe: String,
    /// The target; likewise.
    pub target: String,
    /// How urgent it is.
    pub severity: String,
    /// `pending`, `firing`, `silenced`, `flapping`, `held`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// One sentence with figures.
    pub summary: String,
    /// The reason of the last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Document {
    /// What the board shows now.
    #[must_use]
    pub fn of(board: &Board, now: Timestamp) -> Self {
        let probes = board.fleet().iter().map(|pair| probe(pair)).collect();
        Self { probes, ..Self::without_probes(board, now) }
    }

    /// The same without the probes one by one: what costs the same however many there are to be told of.
    #[must_use]
    pub fn without_probes(board: &Board, now: Timestamp) -> Self {
        let fleet = board.fleet();
        let mut summary = Summary { probes: fleet.len(), ..Summary::default() };
        for pair in &fleet {
            match pair.status() {
                None => summary.waiting += 1,
                Some(Status::Healthy | Status::Skipped) => summary.healthy += 1,
                Some(Status::Degraded) => summary.degraded += 1,
                Some(Status::Failed) => summary.failed += 1,
                Some(Status::Unknown) => summary.unknown += 1,
            }
        }
        Self {
            schema: SCHEMA.to_owned(),
            at: timestamp(now),
            status: summary.worst().name().to_owned(),
            summary,
            daemon: Daemon { alive: board.is_alive(), ..daemon(&board.operation()) },
            probes: Vec::new(),
            alerts: board.alerts().iter().map(alert).collect(),
        }
    }
}

impl Summary {
    /// The status of the whole fleet. Nobody can tell of what has not run.
    #[must_use]
    pub fn worst(&self) -> Status {
        match self {
            Self { failed: 1.., .. } => Status::Failed,
            Self { unknown: 1.., .. } | Self { waiting: 1.., .. } | Self { probes: 0, .. } => Status::Unknown,
            Self { degraded: 1.., .. } => Status::Degraded,
            _ => Status::Healthy,
        }
    }
}

/// RFC 3339 in UTC with milliseconds.
fn timestamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn push(state: &PushState) -> Push {
    let figures = &state.figures;
    Push {
        name: figures.name.clone(),
        kind: state.kind.to_owned(),
        sent: figures.sent,
        failed: figures.failed,
        dropped: figures.lost.iter().map(|(loss, count)| (loss.name().to_owned(), *count)).collect(),
        waiting: figures.waiting,
        last_success: figures.last_success.map(timestamp),
        failing: state.failing.clone(),
    }
}

fn daemon(operation: &Operation) -> Daemon {
    Daemon {
        instance: operation.instance.clone(),
        share: operation.share.map(|share| share.to_string()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: timestamp(operation.started_at),
        files: operation.files.clone(),
        plan_loaded_at: timestamp(operation.plan_loaded_at),
        plan_error: operation.plan_error.clone(),
        restart_needed: operation.restart_needed.iter().map(ToString::to_string).collect(),
        queue: operation.queue,
        running: operation.running,
        limit: operation.limit,
        lag_p50_ms: operation.lag_p50.map(millis),
        lag_p99_ms: operation.lag_p99.map(millis),
        outbox_waiting: operation.outbox.waiting,
        outbox_oldest_seconds: operation.outbox.oldest.as_ref().map(Duration::as_secs),
        channels_failing: operation.outbox.failing.iter().cloned().collect(),
        pushes: operation.pushes.iter().map(push).collect(),
        store_error: operation.store_error.clone(),
        alive: operation.is_alive,
        ready: operation.is_ready,
        draining: operation.is_draining,
    }
}

fn probe(pair: &PairState) -> Probe {
    let mut probe = Probe {
        name: pair.probe.clone(),
        target: pair.target.clone(),
        labels: pair.labels.clone(),
        endpoint: pair.endpoint.clone(),
        schedule: pair.every_text.clone(),
        since: pair.since.map(timestamp),
        last_success_at: pair.last_success.map(timestamp),
        next_due_at: pair.next_due.map(timestamp),
        running: pair.running,
        withheld: pair.withheld.clone(),
        tools: pair.tools.as_ref().map(|seen| seen.tools.len()),
        tools_tokens: pair.tools.as_ref().map(|seen| seen.tokens),
        changes: pair.changes.iter().map(change).collect(),
        missed: pair.missed.iter().map(|(reason, count)| (reason.name().to_owned(), *count)).collect(),
        ..Probe::default()
    };
    if let Some(outcome) = &pair.last {
        found(&mut probe, outcome);
    }
    probe
}

fn found(probe: &mut Probe, outcome: &ProbeOutcome) {
    probe.status = Some(outcome.status.name().to_owned());
    probe.reason = outcome.cause.as_ref().map(|cause| cause.reason.code().to_owned());
    probe.message = outcome.cause.as_ref().map(|cause| cause.message.clone());
    probe.last_run_at = Some(timestamp(outcome.started_at));
    probe.duration_ms = (!outcome.attempts.is_empty()).then(|| millis(outcome.duration));
    probe.phases_ms = outcome.phases.iter().map(|(phase, took)| (phase.name().to_owned(), millis(took))).collect();
    probe.steps = outcome.steps.iter().map(step).collect();
    probe.server = outcome
        .server
        .as_ref()
        .map(|server| Server { name: server.name.to_string(), version: server.version.to_string() });
    probe.protocol = outcome.protocol.as_ref().map(|used| Protocol {
        version: used.version.to_string(),
        era: used.era.name().to_owned(),
        transport: used.transport.name().to_owned(),
    });
    probe.certificate_ends = outcome.observed.certificate_ends.map(timestamp);
}

fn step(outcome: &StepOutcome) -> Step {
    Step {
        name: outcome.name.to_string(),
        method: outcome.method.to_string(),
        status: outcome.status.name().to_owned(),
        reason: outcome.cause.as_ref().map(|cause| cause.reason.code().to_owned()),
        latency_ms: outcome.latency.map(millis),
    }
}

fn change(change: &ToolsChange) -> Change {
    Change {
        at: timestamp(change.at),
        added: change.added.clone(),
        removed: change.removed.clone(),
        changed: change.changed.clone(),
    }
}

fn alert(state: &AlertState) -> Alert {
    let view = &state.view;
    Alert {
        alert: view.alert.clone(),
        probe: view.probe.clone(),
        target: view.target.clone(),
        severity: view.severity.clone(),
        state: state.state.to_owned(),
        since: timestamp(view.since),
        summary: view.summary.clone(),
        reason: view.reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_its_probes_a_document_is_the_same() {
        let board = Board::new();
        board.set_fleet(vec![PairState { probe: "p".into(), target: "t".into(), ..PairState::default() }]);
        let (whole, bare) =
            (Document::of(&board, Timestamp::UNIX_EPOCH), Document::without_probes(&board, Timestamp::UNIX_EPOCH));
        let cleared = Document { probes: Vec::new(), ..whole.clone() };
        let text = |document: &Document| serde_json::to_string(document).unwrap();
        assert_eq!((whole.probes.len(), text(&bare)), (1, text(&cleared)));
    }

    #[test]
    fn a_fleet_is_as_bad_as_its_worst_probe() {
        let summary = |healthy, degraded, failed, unknown, waiting| {
            let probes = healthy + degraded + failed + unknown + waiting;
            Summary { probes, healthy, degraded, failed, unknown, waiting }.worst()
        };
        assert_eq!(summary(1, 0, 0, 0, 0), Status::Healthy);
        assert_eq!(summary(1, 1, 0, 0, 0), Status::Degraded);
        assert_eq!(summary(1, 1, 0, 0, 1), Status::Unknown);
        assert_eq!(summary(1, 1, 0, 1, 0), Status::Unknown);
        assert_eq!(summary(1, 1, 1, 1, 1), Status::Failed);
        assert_eq!(summary(0, 0, 0, 0, 0), Status::Unknown, "nothing was looked at");
    }
}

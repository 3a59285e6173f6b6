//! Folds events into figures. Each pair of probe and target has its own, behind a reference that readers share: a
//! reader takes the whole state in no time, a writer copies a pair only while somebody reads it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Roster;
use super::histogram::{self, Histogram};
use super::labels::Labels;
use super::snapshot::Exemplar;
use crate::base::by_pair::ByPair;
use crate::base::name::Name;
use crate::event::{
    AlertChange, Era, EventKind, Missed, Phases, ProbeOutcome, Reason, Status, StepOutcome, TransportKind, Usage,
};

/// A pair counts so many combinations of method and outcome by name; what comes after is `_OTHER`. They come from the
/// probe files, where somebody may have generated thousands.
const METHODS_MAX: usize = 64;
/// What stands for all the others.
pub const OTHER: &str = "_OTHER";

/// All figures.
#[derive(Clone, Default)]
pub struct State {
    pub pairs: ByPair<Arc<Pair>>,
    pub targets: HashMap<Arc<str>, Arc<TargetFigures>>,
    pub alerts: BTreeMap<(String, String, String), bool>,
    pub missed: BTreeMap<Missed, u64>,
    pub lag: Option<Arc<Histogram>>,
    pub queued: Option<Arc<Histogram>>,
    pub overflowed: u64,
    /// Targets that are called otherwise elsewhere.
    pub server_ids: Arc<BTreeMap<String, String>>,
    /// How long latencies are kept one by one; none where nobody asks for them.
    pub latencies_for: Option<Duration>,
    roster: Option<Arc<Known>>,
}

#[derive(Default)]
struct Known {
    pairs: ByPair<()>,
    alerts: BTreeSet<String>,
}

/// Of a probe and a target.
#[derive(Clone, Default)]
pub struct Pair {
    /// `probe` and `target`.
    pub labels: Labels,
    /// When the first run began that is counted.
    pub since: Option<Timestamp>,
    pub last: Option<LastRun>,
    /// When the last run began that was one: a probe that could not be run leaves it as it was.
    pub last_run: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub tools: Option<(u64, u64)>,
    pub runs: BTreeMap<(Status, &'static str), u64>,
    pub attempts: BTreeMap<Status, u64>,
    pub requests: BTreeMap<(Name, &'static str), u64>,
    pub operations: BTreeMap<Operation, Arc<Histogram>>,
}

/// Of the last run of a pair.
#[derive(Clone)]
pub struct LastRun {
    pub status: Status,
    pub reason: Option<Reason>,
    /// None of a run that did not begin.
    pub duration: Option<Duration>,
    pub timeout: Duration,
    pub phases: Phases,
    pub http_status: Option<u16>,
    pub certificate_ends: Option<Timestamp>,
    pub token_ends: Option<Timestamp>,
}

/// What the histogram tells apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    pub method: Name,
    /// `pipe` or `tcp`, in OpenTelemetry's words; empty where nothing was spoken.
    pub transport: &'static str,
    /// Empty where all went well.
    pub error: &'static str,
}

/// Of a target, whichever probe found it out.
#[derive(Clone, Default)]
pub struct TargetFigures {
    /// When the first run began that is counted.
    pub since: Option<Timestamp>,
    /// As its file has them.
    labels: Arc<BTreeMap<String, String>>,
    /// The same as series have them.
    pub named: Labels,
    pub spoken: Option<(Era, Name, TransportKind)>,
    pub resident_bytes: Option<u64>,
    /// Since always: restarts of the prober are bridged by whoever keeps it.
    pub counts: Counts,
    /// How many tools it has.
    pub tools: Option<u64>,
    /// Of each request that was answered or timed out, also an opening that did: when its run began, and how long it took.
    /// The newest run that ended comes last.
    pub latencies: VecDeque<(Timestamp, Duration)>,
    pub cpu: Option<Duration>,
    /// What the child of the last run had used by then: a held one goes on from there.
    last_cpu: Duration,
}

/// Latencies that are kept of a target: ten minutes of one request every two seconds and a half.
const LATENCIES_MAX: usize = 256;

/// Requests to a target, and those that came to nothing: an error, no answer in time, or no answer at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// All of them.
    pub requests: u64,
    /// Those that came to nothing.
    pub errors: u64,
}

impl State {
    /// Folds an event.
    pub fn take(&mut self, event: &EventKind) {
        match event {
            EventKind::ProbeFinished { outcome, .. } => self.run_finished(outcome),
            EventKind::RunMissed { reason, count, .. } => *self.missed.entry(*reason).or_default() += count,
            EventKind::AlertChanged(change) => self.alert_changed(change),
            EventKind::RunStarted { .. }
            | EventKind::ProbeStarted { .. }
            | EventKind::Wire(_)
            | EventKind::Noted(_)
            | EventKind::RunFinished { .. } => {}
        }
    }

    /// Drops what is no longer measured.
    pub fn keep(&mut self, roster: Roster) {
        self.server_ids = Arc::new(roster.server_ids);
        let mut pairs = ByPair::default();
        for (probe, target) in &roster.pairs {
            pairs.insert(probe, target, ());
        }
        let known = Known { pairs, alerts: roster.alerts.into_iter().collect() };
        let targets = known.targets();
        self.pairs.retain(|probe, target| known.pairs.get(probe, target).is_some());
        self.targets.retain(|target, _| targets.contains(target.as_ref()));
        self.alerts.retain(|alert, _| known.knows(alert));
        self.roster = Some(Arc::new(known));
    }

    /// Adds what was counted before, of targets that there still are.
    pub fn go_on_from(&mut self, counts: BTreeMap<String, Counts>) {
        let known = self.roster.clone();
        let there = known.as_ref().map(|known| known.targets());
        let still = |target: &str| there.as_ref().is_none_or(|there| there.contains(target));
        for (target, before) in counts.into_iter().filter(|(target, _)| still(target)) {
            let figures = Arc::make_mut(self.targets.entry(target.into()).or_default());
            figures.counts.requests += before.requests;
            figures.counts.errors += before.errors;
        }
    }

    /// Folds a run.
    pub fn run_finished(&mut self, outcome: &ProbeOutcome) {
        let (probe, target) = (&outcome.name, &outcome.target);
        // Whoever has figures stands in the roster: it is asked about those who have none yet.
        if let Some(pair) = self.pairs.get_mut(probe, target) {
            self.overflowed += Arc::make_mut(pair).run_finished(outcome);
        } else {
            if self.roster.as_ref().is_some_and(|known| known.pairs.get(probe, target).is_none()) {
                // It was going on while its probe was taken out of the files.
                return;
            }
            let labels = Labels::default().with("probe", probe).with("target", target);
            let mut pair = Pair { labels, since: Some(outcome.started_at), ..Pair::default() };
            self.overflowed += pair.run_finished(outcome);
            self.pairs.insert(probe, target, Arc::new(pair));
        }
        if let Some(scheduled) = outcome.observed.scheduled {
            for (histogram, took) in [(&mut self.lag, scheduled.lag), (&mut self.queued, scheduled.queued)] {
                let histogram = histogram.get_or_insert_with(|| Arc::new(Histogram::new(histogram::OWN)));
                Arc::make_mut(histogram).add(took, None);
            }
        }
        let figures = match self.targets.get_mut(target.as_str()) {
            Some(figures) => figures,
            None => self.targets.entry(target.clone().into()).or_default(),
        };
        let figures = Arc::make_mut(figures);
        figures.run_finished(outcome);
        figures.count(outcome, self.latencies_for);
    }

    /// These fire since before this process was started.
    pub fn go_on_firing(&mut self, alerts: impl IntoIterator<Item = (String, String, String)>) {
        let known = self.roster.clone();
        let knows = |alert: &(String, String, String)| known.as_ref().is_none_or(|known| known.knows(alert));
        self.alerts.extend(alerts.into_iter().filter(knows).map(|alert| (alert, true)));
    }

    /// The figures of the targets in the order of their names.
    pub fn targets_in_order(&self) -> Vec<(&Arc<str>, &TargetFigures)> {
        let mut all: Vec<_> = self.targets.iter().map(|(name, figures)| (name, figures.as_ref())).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }

    /// Who asked for a run is told what it was allowed to take, and a duration even where nothing could be begun.
    pub fn answer(&mut self, timeout: Duration, took: Duration) {
        for pair in self.pairs.values_mut() {
            if let Some(last) = &mut Arc::make_mut(pair).last {
                last.timeout = timeout;
                last.duration = Some(last.duration.unwrap_or(took));
            }
        }
    }

    fn alert_changed(&mut self, change: &AlertChange) {
        let key = (change.alert.clone(), change.probe.clone(), change.target.clone());
        match &self.roster {
            Some(known) if !known.knows(&key) => self.alerts.remove(&key),
            _ => self.alerts.insert(key, change.firing),
        };
    }
}

impl Known {
    fn targets(&self) -> HashSet<&str> {
        self.pairs.iter().map(|((_, target), ())| target.as_ref()).collect()
    }

    /// Alerts of the prober itself have no probe, and no rule in the files.
    fn knows(&self, (alert, probe, target): &(String, String, String)) -> bool {
        (probe.is_empty() && target.is_empty())
            || (self.alerts.contains(alert) && self.pairs.get(probe, target).is_some())
    }
}

impl Pair {
    /// Folds a run; gives how many figures went to `_OTHER`.
    fn run_finished(&mut self, outcome: &ProbeOutcome) -> u64 {
        let observed = &outcome.observed;
        let reason = outcome.cause.as_ref().map(|cause| cause.reason);
        *self.runs.entry((outcome.status, reason.map_or("", Reason::code))).or_default() += 1;
        for attempt in &outcome.attempts {
            *self.attempts.entry(attempt.status).or_default() += 1;
        }
        if outcome.was_run() {
            self.last_run = Some(outcome.started_at);
        }
        if matches!(outcome.status, Status::Healthy | Status::Degraded) {
            self.last_success = Some(outcome.started_at);
        }
        if let Some(seen) = &observed.tools {
            self.tools = Some((seen.tools.len() as u64, seen.tokens));
        }
        self.last = Some(LastRun {
            status: outcome.status,
            reason,
            duration: outcome.was_run().then_some(outcome.duration),
            timeout: observed.timeout,
            phases: outcome.phases,
            http_status: observed.http_status,
            certificate_ends: observed.certificate_ends,
            token_ends: observed.token_ends,
        });
        let transport = outcome.protocol.as_ref().map_or("", |used| used.transport.network());
        outcome
            .steps
            .iter()
            .map(|step| self.step_finished(step, transport, (observed.timeout, outcome.started_at)))
            .sum()
    }

    fn step_finished(
        &mut self,
        step: &StepOutcome,
        transport: &'static str,
        (timeout, began): (Duration, Timestamp),
    ) -> u64 {
        let Some(came) = came(step) else { return 0 };
        let mut overflowed = 0;
        let key = (step.method.clone(), came);
        let key = if self.requests.len() < METHODS_MAX || self.requests.contains_key(&key) {
            key
        } else {
            overflowed += 1;
            (Name::fixed(OTHER), came)
        };
        *self.requests.entry(key).or_default() += 1;
        let Some(took) = step.answer_latency().or((came == "timeout").then_some(timeout)) else { return overflowed };
        let method = step.method.clone();
        let mut operation = Operation { method, transport, error: error_type(step, came) };
        if self.operations.len() >= METHODS_MAX && !self.operations.contains_key(&operation) {
            operation.method = Name::fixed(OTHER);
            overflowed += 1;
        }
        let fresh = || Arc::new(Histogram::new(histogram::OPERATION));
        // One that nobody keeps cannot be looked up.
        let exemplar = step.span.filter(|span| span.sampled).map(|span| Exemplar {
            trace_id: span.trace_id.to_string(),
            value: took.as_secs_f64(),
            at: began.checked_add(took).unwrap_or(began),
        });
        Arc::make_mut(self.operations.entry(operation).or_insert_with(fresh)).add(took, exemplar);
        overflowed
    }
}

/// What came of a request; none of a step that sent none.
fn came(step: &StepOutcome) -> Option<&'static str> {
    let reason = step.cause.as_ref().map(|cause| cause.reason);
    match (step.status, reason) {
        // A judgement beside the steps is no request.
        _ if step.method.is_empty() => None,
        // It was skipped, or refused before it was sent: because the list of the tools could not be had, say.
        _ if step.request_bytes == 0 => None,
        (Status::Skipped, _) => None,
        (_, Some(Reason::RpcError | Reason::ToolError)) => Some("error"),
        (_, Some(Reason::Timeout)) => Some("timeout"),
        // Before the latency: that something came quickly makes it no answer.
        (_, Some(reason)) if reason.is_no_answer() => Some("failed"),
        // A refusal that was asked for is an answer, and may have no latency.
        (Status::Healthy, None) | (_, Some(Reason::Check | Reason::Slow | Reason::Drift)) => Some("ok"),
        _ if step.latency.is_some() => Some("ok"),
        (Status::Unknown, _) => None,
        _ => Some("failed"),
    }
}

/// Whether no session could be had. What was expected to be refused, and what was broken off, is none of these.
fn could_not_open(outcome: &ProbeOutcome) -> bool {
    outcome.was_run() && !outcome.connected && outcome.status == Status::Failed
}

/// OpenTelemetry's `error.type`: of an answer that came and was only judged wrong there is none.
fn error_type(step: &StepOutcome, came: &'static str) -> &'static str {
    match came {
        "ok" => "",
        _ => step.cause.as_ref().map_or(OTHER, |cause| cause.reason.code()),
    }
}

impl TargetFigures {
    fn run_finished(&mut self, outcome: &ProbeOutcome) {
        self.since.get_or_insert(outcome.started_at);
        if self.labels != outcome.labels {
            self.labels.clone_from(&outcome.labels);
            self.named = Labels::of_target(&self.labels);
        }
        if let Some(used) = &outcome.protocol {
            let version = if used.dated().is_some() { used.version.clone() } else { Name::fixed(OTHER) };
            self.spoken = Some((used.era, version, used.transport));
        }
        let Some(Usage { cpu, resident_bytes }) = outcome.usage else {
            // Of a child that could not be had, nothing is known; of a run that tells nothing, nothing is concluded.
            self.resident_bytes = self.resident_bytes.filter(|_| outcome.status == Status::Unknown);
            return;
        };
        self.resident_bytes = Some(resident_bytes);
        // A run that started its child counts all of it; one that found it there counts what was added.
        let begun =
            if outcome.phases.get(crate::event::Phase::Spawn).is_some() { Duration::ZERO } else { self.last_cpu };
        let added = cpu.checked_sub(begun).unwrap_or(cpu);
        self.cpu = Some(self.cpu.unwrap_or_default() + added);
        self.last_cpu = cpu;
    }
}

impl TargetFigures {
    fn count(&mut self, outcome: &ProbeOutcome, latencies_for: Option<Duration>) {
        if let Some(seen) = &outcome.observed.tools {
            self.tools = Some(seen.tools.len() as u64);
        }
        let (at, limit) = (outcome.started_at, outcome.observed.timeout);
        let before = self.counts.requests;
        for step in &outcome.steps {
            let Some(came) = came(step) else { continue };
            self.counts.requests += 1;
            self.counts.errors += u64::from(came != "ok");
            let took = step.answer_latency().or((came == "timeout").then_some(limit));
            self.latencies.extend(took.map(|took| (at, took)));
        }
        if self.counts.requests == before && could_not_open(outcome) {
            // No step was sent, but the opening was, or was refused: to whoever counts what comes to nothing, a server
            // that is down must not look like one that nobody asks.
            self.counts.requests += 1;
            self.counts.errors += 1;
            self.tools = None;
            let is_late = outcome.cause.as_ref().is_some_and(|cause| cause.reason == Reason::Timeout);
            self.latencies.extend(is_late.then_some((at, limit)));
        }
        let Some(limit) = latencies_for else { return self.latencies.clear() };
        let is_old =
            |at: Timestamp| Duration::try_from(outcome.started_at.duration_since(at)).is_ok_and(|age| age > limit);
        while self.latencies.len() > LATENCIES_MAX || self.latencies.front().is_some_and(|(at, _)| is_old(*at)) {
            self.latencies.pop_front();
        }
    }

    /// The smallest latency that 95 in a hundred of those since then did not exceed.
    pub fn p95(&self, since: Timestamp) -> Option<Duration> {
        let those = self.latencies.iter().filter(|(at, _)| *at >= since);
        let mut took: Vec<Duration> = those.map(|(_, took)| *took).collect();
        took.sort_unstable();
        took.get((took.len() * 95).div_ceil(100).checked_sub(1)?).copied()
    }
}

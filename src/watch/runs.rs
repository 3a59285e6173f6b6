//! One run of a probe, beside the loop: it waits for the pair to be free, runs, takes the secrets out, and hands what it
//! found to the store before it reports. The wait for the store is lag, never loss.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use tokio::sync::Mutex;

use super::compose::Pair;
use super::limits::{Needs, Waiting};
use super::shadows::{Shadows, shadowed};
use super::stalls::Stalls;
use crate::base::clock::Clock;
use crate::event::{Cause, ProbeOutcome, Reason, Sample, Scheduled, Status};
use crate::report::wire_log::json_line;
use crate::run::Context;
use crate::run::held::Held;
use crate::run::reach::Stage;
use crate::run::standstill::{stood_still, suspended};
use crate::schedule::{After, Due, slept_between};
use crate::store::Store;

/// What every run needs.
#[derive(Clone)]
pub struct Runner {
    /// Shared by all runs.
    pub cx: Context,
    /// Programs that targets want started.
    pub stage: Arc<Stage>,
    /// Sessions and children that are kept between runs.
    pub held: Arc<Held>,
    /// Where samples go.
    pub store: Store,
    /// Whether the messages of runs that were not healthy are kept.
    pub transcripts: bool,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// When we stood still.
    pub stalls: Stalls,
    /// What explains failures that are not the target's.
    pub shadows: Shadows,
}

/// A run that has its place.
pub struct Run {
    /// Its place.
    pub waiting: Waiting<()>,
    /// Why it is run now.
    pub due: Due,
    /// What is run.
    pub pair: Arc<Pair>,
    /// One at a time per pair, asked for or by the timetable.
    pub gate: Arc<Mutex<()>>,
    /// When and how it came about.
    pub scheduled: Scheduled,
}

/// A run that has ended.
pub struct Finished {
    /// Its place.
    pub waiting: Waiting<()>,
    /// Why it was run.
    pub due: Due,
    /// What it found; without secrets.
    pub outcome: ProbeOutcome,
    /// The digest of what was seen, for the rules: what they explain by something else is kept as unknown.
    pub sample: Arc<Sample>,
    /// What the timetable concludes.
    pub after: After,
    /// Why it could not be kept.
    pub unkept: Option<String>,
}

impl Runner {
    /// Runs a pair by the timetable.
    pub async fn run(&self, run: Run) -> Finished {
        let _turn = run.gate.lock().await;
        let mut outcome = self.outcome(&run.pair).await;
        outcome.observed.scheduled = Some(run.scheduled);
        let transcript = self.transcript(&outcome);
        let (sample, after) = (Arc::new(Sample::of(&outcome)), after(&outcome));
        let mut kept = Arc::clone(&sample);
        if let Some(why) = self.shadows.over(&sample) {
            let (said, unknown) = shadowed(outcome, &why);
            (outcome, kept) = (said, Arc::new(unknown));
        }
        let kept = self.store.record(kept, transcript).await;
        let unkept = kept.err().map(|error| error.to_string());
        Finished { waiting: run.waiting, due: run.due, outcome, sample, after, unkept }
    }

    /// What a run of a pair finds, without secrets. Whoever calls holds its gate.
    pub async fn outcome(&self, pair: &Pair) -> ProbeOutcome {
        let begun = self.clock.now();
        let still = self.stalls.total(begun.monotonic);
        // Each hand that it goes through would copy all of it.
        let run = Box::pin(self.held.run(&self.cx, &self.stage, &pair.probe, &pair.target));
        let ended = AssertUnwindSafe(run).catch_unwind().await;
        let outcome = ended.unwrap_or_else(|_| broken(pair));
        let ended = self.clock.now();
        // It had begun, or waited for its turn, when the files were read again: nobody else would let go of its session.
        if pair.is_gone.load(Ordering::Relaxed)
            && let Some(letting_go) = self.held.release(&pair.probe.name, &pair.target.name, self.cx.grace)
        {
            letting_go.await;
        }
        let still = self.stalls.total(ended.monotonic).saturating_sub(still);
        let mut outcome = match slept_between(&begun, &ended) {
            // A run that slept says nothing of the server.
            Some(slept) => suspended(outcome, slept),
            None if still.is_zero() => outcome,
            None => stood_still(outcome, still.min(ended.monotonic.saturating_sub(begun.monotonic))),
        };
        outcome.mask(&self.cx.masker);
        outcome
    }

    /// What a run of this pair takes up.
    #[must_use]
    pub fn needs(&self, pair: &Pair) -> Needs {
        let is_warm = pair.is_held_child() && self.held.has_child(&pair.target.name);
        if is_warm { Needs::Nothing } else { pair.needs.clone() }
    }

    /// What was said both ways, as JSON lines; it is kept in the store, not with the outcome.
    fn transcript(&self, outcome: &ProbeOutcome) -> Option<String> {
        let records = &outcome.observed.transcript;
        if records.is_empty() || !self.transcripts {
            return None;
        }
        let (at, run_id) = (outcome.started_at, self.cx.publisher.run_id());
        Some(records.iter().filter_map(|record| json_line(record, at, run_id).ok()).collect())
    }
}

/// What the timetable concludes.
fn after(outcome: &ProbeOutcome) -> After {
    match (outcome.status, outcome.observed.retry_after) {
        (Status::Failed | Status::Degraded, Some(asked)) => After::AskedToWait(asked),
        (Status::Failed, None) => After::Failing,
        (Status::Unknown, _) => After::Unknown,
        _ => After::Settled,
    }
}

/// A bug of ours ends one run, not the daemon.
fn broken(pair: &Pair) -> ProbeOutcome {
    let message = "the run ended by a bug in mcp-probe; please report it";
    let cause = Cause::new(Reason::Internal, message);
    ProbeOutcome::not_run(&pair.probe.name, &pair.target.name, &pair.target.labels, cause)
}

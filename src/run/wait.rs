//! Trying the probes of a plan until each is healthy or the time is over. What is healthy is not run again, a server
//! over stdio that lives is not started again, and what had side effects is not sent again.
//!
//! A server over stdio is one unit: its probes take turns on the one session that is kept between tries. A probe of a
//! URL is a unit of its own, and every try has a fresh session, as clients have.

mod unit;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::reach::Stage;
use crate::event::{Cause, EventKind, ProbeOutcome, Reason, Status};
use crate::plan::{Endpoint, Plan, Probe, Target};
use unit::Unit;

/// With less time than this left no further try is begun.
const TRY_MIN: Duration = Duration::from_millis(20);

/// How to wait.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The end of it.
    pub until: Instant,
    /// The longest pause between two tries.
    pub interval: Duration,
    /// For spawn or connect, detection and handshake of one try, where somebody said so.
    pub startup_timeout: Option<Duration>,
    /// Whether degraded is not good enough.
    pub degraded_fails: bool,
    /// Tries at URLs at the same time.
    pub jobs: usize,
}

/// One try at one probe, as it is told while others go on.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// The place of the probe and its target in the plan.
    pub place: usize,
    /// Whether it need not be tried again, because it is well.
    pub well: bool,
    /// Why it is not.
    pub cause: Option<&'a Cause>,
}

/// What waiting came to.
#[derive(Debug)]
pub struct Waited {
    /// The last outcome of each probe, in the plan's order, with every try as an attempt.
    pub outcomes: Vec<ProbeOutcome>,
    /// Whether all of them are well.
    pub well: bool,
    /// Until the last one was well, or the waiting ended.
    pub after: Duration,
}

/// What the units share.
struct Wait<'a> {
    cx: Context,
    stage: Stage,
    options: Options,
    begun: Instant,
    /// Tries at URLs that go on.
    slots: Semaphore,
    /// Ended when a probe can never be well any more: the others need not be tried further.
    settled: CancellationToken,
    /// When the last probe became well, in nanoseconds since the start.
    well_after: AtomicU64,
    tell: &'a dyn Fn(Tried<'_>),
}

/// Tries until all is well or the time is over; `tell` hears of every try.
pub async fn wait(cx: &Context, plan: &Plan, options: Options, tell: &dyn Fn(Tried<'_>)) -> Waited {
    let settled = cx.cancel.child_token();
    let wait = Wait {
        cx: Context { cancel: settled.clone(), ..cx.clone() },
        stage: Stage::default(),
        options,
        begun: Instant::now(),
        slots: Semaphore::new(options.jobs.max(1)),
        settled,
        well_after: AtomicU64::new(0),
        tell,
    };
    let pairs: Vec<(&Probe, &Target)> = plan.pairs().map(|(probe, target)| (probe, &**target)).collect();
    cx.publisher.publish(EventKind::RunStarted { probes: pairs.len() });
    let units = units(&pairs).into_iter().map(|places| {
        let unit = Unit::new(&wait, places.into_iter().map(|place| (place, pairs[place])).collect());
        Box::pin(unit.run())
    });
    let mut done: Vec<(usize, Option<ProbeOutcome>, bool)> = join_all(units).await.into_iter().flatten().collect();
    done.sort_by_key(|(place, ..)| *place);
    let well = done.iter().all(|(_, _, well)| *well);
    let outcomes =
        done.into_iter().map(|(place, outcome, _)| outcome.unwrap_or_else(|| untried(cx, pairs[place]))).collect();
    let after = match wait.well_after.load(Ordering::Relaxed) {
        nanos if well => Duration::from_nanos(nanos),
        _ => wait.begun.elapsed(),
    };
    wait.stage.strike(cx.grace).await;
    let interrupted = cx.cancel.is_cancelled();
    cx.publisher.publish(EventKind::RunFinished { duration: after, interrupted });
    Waited { outcomes, well, after }
}

/// The places of the pairs that are tried one after the other: those of one server over stdio.
fn units(pairs: &[(&Probe, &Target)]) -> Vec<Vec<usize>> {
    let mut units: Vec<Vec<usize>> = Vec::new();
    for (place, (_, target)) in pairs.iter().enumerate() {
        let same = |unit: &&mut Vec<usize>| {
            let other = pairs[unit[0]].1;
            matches!(target.endpoint, Endpoint::Command(_))
                && other.name == target.name
                && other.endpoint == target.endpoint
        };
        match units.iter_mut().find(same) {
            Some(unit) => unit.push(place),
            None => units.push(vec![place]),
        }
    }
    units
}

fn untried(cx: &Context, (probe, target): (&Probe, &Target)) -> ProbeOutcome {
    let why = if cx.cancel.is_cancelled() {
        "not run: the run was interrupted before its turn"
    } else {
        "not run: the waiting ended before its turn"
    };
    ProbeOutcome::not_run(&probe.name, &target.name, &target.labels, Cause::new(Reason::Cancelled, why))
}

impl Wait<'_> {
    fn left(&self) -> Duration {
        self.options.until.saturating_duration_since(Instant::now())
    }

    fn is_over(&self) -> bool {
        self.cx.cancel.is_cancelled() || self.left() < TRY_MIN
    }

    fn is_well(&self, status: Status) -> bool {
        status == Status::Healthy || (status == Status::Degraded && !self.options.degraded_fails)
    }

    fn note_well(&self) {
        let nanos = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.well_after.fetch_max(nanos, Ordering::Relaxed);
    }
}

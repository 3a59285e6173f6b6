//! Every probe of a plan, side by side within a limit, once or several times over; told in the order in which they end,
//! kept in the order of the plan.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures_util::{StreamExt as _, stream};

use super::Context;
use super::probe::probe;
use super::reach::Stage;
use crate::base::sanitize::one_line;
use crate::event::{Cause, EventKind, ProbeOutcome, Reason, Status};
use crate::plan::Plan;

/// How a plan is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Probes at the same time.
    pub jobs: usize,
    /// How often everything is run; one repetition begins when the one before has ended.
    pub repeat: u32,
    /// With the status that counts as a failure: after the first one no further probe is started.
    pub fail_fast: Option<Status>,
}

/// Runs a plan. Outcomes come in the plan's order, repetition by repetition; what was not run is among them, as unknown.
pub async fn check(cx: &Context, plan: &Plan, options: Options) -> Vec<ProbeOutcome> {
    let begun = Instant::now();
    let stage = Stage::default();
    let stopped: OnceLock<String> = OnceLock::new();
    let pairs = plan.pairs().count();
    cx.publisher.publish(EventKind::RunStarted { probes: pairs.saturating_mul(options.repeat.max(1) as usize) });
    let mut outcomes = Vec::new();
    for repetition in 1..=options.repeat.max(1) {
        let numbered = (options.repeat > 1).then_some(repetition);
        let before = outcomes.len();
        outcomes.extend(round(cx, &stage, plan, options, &stopped, before).await);
        for outcome in &mut outcomes[before..] {
            outcome.repetition = numbered;
        }
    }
    stage.strike(cx.grace).await;
    cx.publisher.publish(EventKind::RunFinished { duration: begun.elapsed(), interrupted: cx.cancel.is_cancelled() });
    outcomes
}

async fn round(
    cx: &Context,
    stage: &Stage,
    plan: &Plan,
    options: Options,
    stopped: &OnceLock<String>,
    before: usize,
) -> Vec<ProbeOutcome> {
    let pairs: Vec<_> = plan.pairs().collect();
    let runs = pairs.into_iter().enumerate().map(|(place, (one, target))| async move {
        if let Some(cause) = prevented(cx, stopped) {
            return (place, ProbeOutcome::not_run(&one.name, &target.name, &target.labels, cause));
        }
        let (index, name, to) = (before + place, one.name.clone(), target.name.clone());
        cx.publisher.publish(EventKind::ProbeStarted { index, probe: name, target: to });
        let outcome = Box::pin(probe(cx, stage, one, target)).await;
        cx.publisher.publish(EventKind::ProbeFinished { index, outcome: Arc::new(outcome.clone()) });
        if is_failure(outcome.status, options.fail_fast) {
            let name = format!("{} on {}", one_line(&outcome.name, 80), one_line(&outcome.target, 80));
            let _ = stopped.set(name);
        }
        (place, outcome)
    });
    let mut outcomes: Vec<(usize, ProbeOutcome)> =
        stream::iter(runs).buffer_unordered(options.jobs.max(1)).collect().await;
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Why no further probe is started.
fn prevented(cx: &Context, stopped: &OnceLock<String>) -> Option<Cause> {
    let message = if cx.cancel.is_cancelled() {
        "not run: the run was interrupted before its turn".to_owned()
    } else {
        format!("not run: {} failed before its turn (--fail-fast)", stopped.get()?)
    };
    Some(Cause::new(Reason::Cancelled, message))
}

fn is_failure(status: Status, fail_fast: Option<Status>) -> bool {
    match fail_fast {
        None => false,
        Some(Status::Degraded) => matches!(status, Status::Failed | Status::Degraded),
        Some(_) => status == Status::Failed,
    }
}

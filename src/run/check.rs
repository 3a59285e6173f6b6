//! Every probe of a plan, once, side by side within a limit; told in the order in which they end, kept in the order of
//! the plan.

use futures_util::StreamExt as _;
use futures_util::stream;
use std::time::Instant;

use super::Context;
use super::probe::probe;
use super::reach::Stage;
use crate::event::{EventKind, ProbeOutcome};
use crate::plan::Plan;

/// Runs a plan. Outcomes come in the plan's order; what an interruption prevented is missing.
pub async fn check(cx: &Context, plan: &Plan, jobs: usize) -> Vec<ProbeOutcome> {
    let begun = Instant::now();
    let stage = Stage::default();
    let pairs: Vec<_> = plan.pairs().collect();
    cx.publisher.publish(EventKind::RunStarted { probes: pairs.len() });
    let mut outcomes: Vec<(usize, ProbeOutcome)> = {
        let stage = &stage;
        let runs = pairs.into_iter().enumerate().map(|(index, (one, target))| async move {
            if cx.cancel.is_cancelled() {
                return None;
            }
            let (name, to) = (one.name.clone(), target.name.clone());
            cx.publisher.publish(EventKind::ProbeStarted { index, probe: name, target: to });
            let outcome = Box::pin(probe(cx, stage, one, target)).await;
            cx.publisher.publish(EventKind::ProbeFinished { index, outcome: Box::new(outcome.clone()) });
            Some((index, outcome))
        });
        stream::iter(runs).buffer_unordered(jobs.max(1)).filter_map(|run| async { run }).collect().await
    };
    stage.strike(cx.grace).await;
    outcomes.sort_by_key(|(index, _)| *index);
    cx.publisher.publish(EventKind::RunFinished { duration: begun.elapsed(), interrupted: cx.cancel.is_cancelled() });
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

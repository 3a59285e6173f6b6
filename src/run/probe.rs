//! One probe of one target: its attempts, and the outcome they add up to.

mod allotted;
pub(super) mod attempt;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::adhoc::note;
use super::held::Seat;
use super::pause::Pauses;
use super::reach::Stage;
use super::{Context, observed, replicas};
use crate::base::duration;
use crate::event::{AttemptOutcome, Cause, Observed, ProbeOutcome, Reason, Status};
use crate::plan::{Effect, Probe, Target};
use attempt::{Attempt, attempt};

/// The longest pause between two attempts, unless the server asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Runs a probe against one of its targets.
pub async fn probe(cx: &Context, stage: &Stage, probe: &Probe, target: &Arc<Target>) -> ProbeOutcome {
    run(&cx.of_one_run(target), stage, probe, target, None).await
}

/// Runs a probe, on sessions of its own or on the one that is held for it.
pub(super) async fn run(
    cx: &Context,
    stage: &Stage,
    probe: &Probe,
    target: &Arc<Target>,
    mut seat: Option<&mut Seat>,
) -> ProbeOutcome {
    let started_at = jiff::Timestamp::now();
    let between = replicas::Between::begin(cx, probe, target);
    let mut history = History::default();
    let mut pauses = Pauses::up_to(PAUSE_MAX);
    let mut last = once(cx, stage, probe, target, seat.as_deref_mut()).await;
    loop {
        history.add(&last);
        let may_retry =
            history.attempts.len() <= probe.retries as usize && !last.had_effects && !cx.cancel.is_cancelled();
        if last.status != Status::Failed || !may_retry {
            break;
        }
        let pause = pauses.next();
        match last.retry_after {
            Some(asked) if asked > probe.timeout => {
                give_in(&mut last, asked, probe.timeout);
                break;
            }
            asked => history.spent += rest(cx, asked.map_or(pause, |asked| asked.max(pause))).await,
        }
        if cx.cancel.is_cancelled() {
            break;
        }
        last = once(cx, stage, probe, target, seat.as_deref_mut()).await;
    }
    let mut outcome = history.outcome(probe, target, started_at, last);
    if let Some(between) = between {
        let (addresses, found) = between.end().await;
        outcome.observed.addresses = addresses;
        note(&mut outcome.findings, &found);
    }
    flaky(&mut outcome);
    heed(&mut outcome, probe);
    if let Some(recorder) = &cx.recorder
        && outcome.status != Status::Healthy
    {
        outcome.observed.transcript = recorder.take(&probe.name, &target.name, &cx.masker);
    }
    outcome.observed.trace = cx.trace_of(target);
    outcome
}

async fn once(cx: &Context, stage: &Stage, probe: &Probe, target: &Arc<Target>, seat: Option<&mut Seat>) -> Attempt {
    if let Some(seat) = seat {
        return Box::pin(seat.attempt(cx, stage, probe, target)).await;
    }
    match stage.reach(cx, target).await {
        Ok(reach) => Box::pin(attempt(cx, &reach, probe)).await,
        Err(cause) => Attempt::unreached(cause),
    }
}

/// Waits, unless the run ends before; gives how long it was.
pub(super) async fn rest(cx: &Context, pause: Duration) -> Duration {
    let begun = std::time::Instant::now();
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = cx.cancel.cancelled() => {}
    }
    begun.elapsed()
}

/// The server asks for more time than there is: to ask again would only do what it asks us not to do.
fn give_in(attempt: &mut Attempt, asked: Duration, timeout: Duration) {
    if let Some(cause) = &mut attempt.cause {
        let (asked, timeout) = (duration::human(asked), duration::written(timeout));
        let why = format!("; not tried again: it asks to be left alone for {asked}, and `timeout` is {timeout}");
        let end = cause.message.find('\n').unwrap_or(cause.message.len());
        cause.message.insert_str(end, &why);
    }
}

/// What the attempts so far came to.
#[derive(Default)]
pub(super) struct History {
    pub(super) attempts: Vec<AttemptOutcome>,
    /// By its place: in which attempt a step failed first, and why.
    failed_steps: BTreeMap<usize, (usize, Option<Reason>)>,
    /// Attempts and pauses.
    pub(super) spent: Duration,
}

impl History {
    pub(super) fn add(&mut self, attempt: &Attempt) {
        self.spent += attempt.duration;
        self.attempts.push(attempt.outcome());
        for (place, step) in attempt.steps.iter().enumerate().filter(|(_, step)| step.status == Status::Failed) {
            let reason = step.cause.as_ref().map(|cause| cause.reason);
            self.failed_steps.entry(place).or_insert((self.attempts.len(), reason));
        }
    }

    /// With the last attempt, what the probe came to. A step that passed only on a retry is degraded.
    fn outcome(self, probe: &Probe, target: &Target, started_at: jiff::Timestamp, mut last: Attempt) -> ProbeOutcome {
        let now = self.attempts.len();
        for (place, (attempt, reason)) in &self.failed_steps {
            let passed = last.steps.get_mut(*place).filter(|step| step.status == Status::Healthy);
            if let Some(step) = passed {
                let reason = reason.map_or("unknown", Reason::code);
                let message = format!("passed on attempt {now}, failed on attempt {attempt} with {reason}");
                step.status = Status::Degraded;
                step.cause = Some(Cause::new(Reason::Flaky, message));
            }
        }
        outcome(probe, target, started_at, self.attempts, self.spent, last)
    }
}

/// An outcome from its last attempt.
pub(super) fn outcome(
    probe: &Probe,
    target: &Target,
    started_at: jiff::Timestamp,
    attempts: Vec<AttemptOutcome>,
    duration: Duration,
    last: Attempt,
) -> ProbeOutcome {
    ProbeOutcome {
        name: probe.name.clone(),
        target: target.name.clone(),
        labels: target.labels.clone(),
        repetition: None,
        started_at,
        status: last.status,
        cause: last.cause,
        connected: last.connected,
        server: last.server,
        protocol: last.protocol,
        duration,
        phases: last.phases,
        attempts,
        steps: last.steps,
        findings: last.findings,
        usage: last.usage,
        observed: Observed {
            place: probe.place.clone(),
            timeout: probe.timeout,
            retry_after: last.retry_after,
            token_ends: observed::token_ends(target),
            ..last.observed
        },
    }
}

/// What passed only on a retry is degraded.
fn flaky(outcome: &mut ProbeOutcome) {
    let failures = outcome.attempts.len() - 1;
    if failures > 0 && outcome.status == Status::Healthy {
        let first = outcome.attempts[0].cause.as_ref().map_or("unknown", |cause| cause.reason.code());
        outcome.status = Status::Degraded;
        let message = format!("passed on attempt {} after {failures} failed, the first with {first}", failures + 1);
        outcome.cause = Some(Cause::new(Reason::Flaky, message));
    }
}

/// Lets findings act where the file says so.
pub(super) fn heed(outcome: &mut ProbeOutcome, probe: &Probe) {
    for finding in &outcome.findings {
        let status = match probe.findings.effect(finding.id) {
            Effect::Report => continue,
            Effect::Degrade => Status::Degraded,
            Effect::Fail => Status::Failed,
        };
        if status > outcome.status && outcome.status != Status::Unknown {
            outcome.status = status;
            let message = format!("{}: expected {}, got {}", finding.id, finding.expected, finding.actual);
            outcome.cause = Some(Cause::new(Reason::Check, message));
        }
    }
}

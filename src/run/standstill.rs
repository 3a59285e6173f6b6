//! What becomes of a run across which we were not there: the machine slept, or this process stood still. A server is not
//! to blame for an answer that nobody could hear in time.

use std::time::Duration;

use crate::base::duration;
use crate::event::{Cause, Phases, ProbeOutcome, Reason, Status};

/// The outcome of a run across which the machine slept: nobody can tell what it means, and its times mean nothing.
#[must_use]
pub fn suspended(mut outcome: ProbeOutcome, slept: Duration) -> ProbeOutcome {
    let message = format!(
        "this machine slept for {} during the run: what it saw says nothing of the server",
        duration::written(Duration::from_secs(slept.as_secs()))
    );
    let cause = Cause::new(Reason::Suspended, message);
    for step in outcome.steps.iter_mut().filter(|step| step.status != Status::Skipped) {
        (step.latency, step.first_byte) = (None, None);
        if matches!(step.status, Status::Failed | Status::Degraded) {
            step.status = Status::Unknown;
            step.cause = Some(cause.clone());
        }
    }
    outcome.status = Status::Unknown;
    outcome.cause = Some(cause);
    outcome
}

/// The outcome of a run during which this process stood still for so long: stopped, frozen, without processor time, or
/// busy with too much. What failed for a reason of time is unknown, and times that have much of the standstill in them are
/// left out; what the server said stays said.
#[must_use]
pub fn stood_still(mut outcome: ProbeOutcome, still: Duration) -> ProbeOutcome {
    let limit = if outcome.connected { outcome.duration.min(outcome.observed.timeout) } else { outcome.duration };
    let retried = outcome.attempts.iter().rev().skip(1).filter_map(|attempt| attempt.cause.as_ref());
    let was_late = retried.into_iter().any(|cause| is_of_time(cause.reason));
    let is_excused = |cause: &Cause, took: Duration| {
        weighs(still, took) && (is_of_time(cause.reason) || cause.reason == Reason::Flaky && was_late)
    };
    let mut is_unknown = false;
    for step in outcome.steps.iter_mut().filter(|step| step.status != Status::Skipped) {
        let took = step.latency.unwrap_or(limit);
        if weighs(still, took) {
            (step.latency, step.first_byte) = (None, None);
        }
        if let Some(cause) = step.cause.take_if(|cause| is_excused(cause, took)) {
            is_unknown |= outcome.cause.as_ref() == Some(&cause);
            (step.status, step.cause) = (Status::Unknown, Some(unknown(&cause, still)));
        }
    }
    let mut phases = Phases::default();
    outcome.phases.iter().filter(|(_, took)| !weighs(still, *took)).for_each(|(phase, took)| phases.add(phase, took));
    outcome.phases = phases;
    if let Some(cause) = outcome.cause.take() {
        // What no step says is of the opening, or of the attempts together.
        let is_of_no_step = outcome.steps.iter().all(|step| step.cause.as_ref() != Some(&cause));
        let is_bad = matches!(outcome.status, Status::Failed | Status::Degraded);
        is_unknown |= is_bad && is_of_no_step && is_excused(&cause, limit);
        outcome.cause = Some(if is_unknown { unknown(&cause, still) } else { cause });
    }
    if is_unknown {
        outcome.status = Status::Unknown;
        // A step that failed for another reason did so by the server's own fault.
        if let Some(step) = outcome.steps.iter().find(|step| step.status == Status::Failed) {
            (outcome.status, outcome.cause) = (step.status, step.cause.clone());
        }
    }
    outcome
}

/// A server that misses a bound by less than this part of it was at the bound anyway.
fn weighs(still: Duration, took: Duration) -> bool {
    still.saturating_mul(10) >= took
}

/// After these the server may have done all that it should: a peer that is not read closes, too.
fn is_of_time(reason: Reason) -> bool {
    matches!(reason, Reason::Timeout | Reason::Slow | Reason::Closed)
}

fn unknown(cause: &Cause, still: Duration) -> Cause {
    let seen = cause.message.lines().next().unwrap_or_default();
    let message = format!(
        "mcp-probe stood still for {} during the run (stopped, frozen, or without processor time), which says nothing of \
         the server; what it saw: {seen}",
        duration::human(still)
    );
    Cause::new(Reason::Suspended, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::{AttemptOutcome, Phase, StepOutcome};

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn step(status: Status, reason: Option<Reason>, latency: Option<u64>) -> StepOutcome {
        StepOutcome {
            name: "list".into(),
            method: "tools/list".into(),
            status,
            cause: reason.map(|reason| Cause::new(reason, "no reply within 3 s\nstderr")),
            latency: latency.map(millis),
            first_byte: latency.map(millis),
            request_bytes: 1,
            response_bytes: 1,
            checks: Vec::new(),
            place: None,
            span: None,
        }
    }

    /// A run with `timeout = "3s"` that took so long.
    fn run(took: u64, steps: Vec<StepOutcome>) -> ProbeOutcome {
        let worst = steps.iter().max_by_key(|step| step.status).unwrap();
        let (status, cause) = (worst.status, worst.cause.clone());
        let mut outcome = ProbeOutcome::not_run("smoke", "weather", &BTreeMap::new(), Cause::new(Reason::Internal, ""));
        (outcome.status, outcome.cause, outcome.connected) = (status, cause, true);
        (outcome.duration, outcome.observed.timeout, outcome.steps) = (millis(took), millis(3000), steps);
        outcome.phases.add(Phase::Call, millis(took));
        outcome
    }

    #[test]
    fn what_failed_for_a_reason_of_time_is_unknown_where_the_standstill_weighs() {
        let late = |still| {
            let steps = vec![step(Status::Healthy, None, Some(5)), step(Status::Failed, Some(Reason::Timeout), None)];
            stood_still(run(3005, steps), millis(still))
        };
        let outcome = late(8000);
        let cause = outcome.cause.unwrap();
        assert_eq!((outcome.status, cause.reason), (Status::Unknown, Reason::Suspended));
        assert!(cause.message.contains("stood still for 8.00 s") && cause.message.ends_with("within 3 s"), "{cause:?}");
        assert_eq!(outcome.steps[1].status, Status::Unknown);
        assert!(outcome.steps[0].latency.is_none() && outcome.phases.get(Phase::Call).is_none());
        let outcome = late(200);
        assert_eq!((outcome.status, outcome.cause.unwrap().reason), (Status::Failed, Reason::Timeout));
        assert!(outcome.phases.get(Phase::Call).is_some(), "a fifteenth of it");
    }

    #[test]
    fn what_the_server_said_stays_said() {
        let refused = run(1500, vec![step(Status::Failed, Some(Reason::RpcError), Some(1500))]);
        let outcome = stood_still(refused, millis(1000));
        assert_eq!((outcome.status, outcome.cause.unwrap().reason), (Status::Failed, Reason::RpcError));
        let outcome = stood_still(run(1500, vec![step(Status::Healthy, None, Some(1500))]), millis(1000));
        assert_eq!((outcome.status, outcome.steps[0].status), (Status::Healthy, Status::Healthy));
        assert!(outcome.steps[0].latency.is_none(), "its latency is no latency of the server");
    }

    #[test]
    fn a_step_that_was_too_slow_by_us_is_unknown_and_a_later_fault_of_the_server_stays() {
        let slow = stood_still(run(900, vec![step(Status::Degraded, Some(Reason::Slow), Some(900))]), millis(150));
        assert_eq!((slow.status, slow.cause.unwrap().reason), (Status::Unknown, Reason::Suspended));
        let steps = vec![
            step(Status::Degraded, Some(Reason::Slow), Some(900)),
            step(Status::Failed, Some(Reason::Check), None),
        ];
        let both = stood_still(run(950, steps), millis(150));
        assert_eq!((both.status, both.cause.unwrap().reason), (Status::Failed, Reason::Check));
        assert_eq!(both.steps[0].status, Status::Unknown);
        let steps = vec![
            step(Status::Failed, Some(Reason::Timeout), None),
            step(Status::Failed, Some(Reason::Check), Some(20)),
        ];
        let mut late_first = run(3050, steps);
        late_first.cause = late_first.steps[0].cause.clone();
        let outcome = stood_still(late_first, millis(3000));
        assert_eq!((outcome.status, outcome.cause.unwrap().reason), (Status::Failed, Reason::Check));
        assert_eq!(outcome.steps[0].status, Status::Unknown);
    }

    #[test]
    fn an_opening_and_a_retry_that_only_we_made_necessary_are_unknown() {
        let mut opening = run(9000, vec![step(Status::Failed, Some(Reason::Timeout), None)]);
        (opening.steps, opening.connected) = (Vec::new(), false);
        assert_eq!(stood_still(opening.clone(), millis(800)).status, Status::Failed, "its limit is another");
        assert_eq!(stood_still(opening, millis(8000)).status, Status::Unknown);
        let mut flaky = run(3100, vec![step(Status::Degraded, Some(Reason::Flaky), Some(90))]);
        let attempt = |status, reason: Option<Reason>| AttemptOutcome {
            status,
            cause: reason.map(|reason| Cause::new(reason, "…")),
            duration: millis(3000),
        };
        flaky.attempts = vec![attempt(Status::Failed, Some(Reason::Timeout)), attempt(Status::Healthy, None)];
        assert_eq!(stood_still(flaky.clone(), millis(2000)).status, Status::Unknown);
        flaky.attempts[0] = attempt(Status::Failed, Some(Reason::ToolError));
        assert_eq!(stood_still(flaky, millis(2000)).status, Status::Degraded);
    }
}

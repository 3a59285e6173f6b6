//! Runs that say nothing of their target: what it needs fails, or the prober's own network. They are told and kept as
//! unknown, so that no uptime suffers from what is not the target's, also those that failed before that was known; the rules
//! see what was seen.

use std::sync::{Arc, PoisonError, RwLock};

use super::daemon::{Daemon, Ended};
use crate::alert::Action;
use crate::alert::explained::{Explained, Explanation, words_before};
use crate::event::{Cause, ProbeOutcome, Sample, Status};

/// What explains failures now. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Shadows(Arc<RwLock<Explanation>>);

impl Shadows {
    /// What explains failures from now on.
    pub fn cast(&self, by: Explanation) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = by;
    }

    /// Why a run says nothing of its target, where it does not.
    #[must_use]
    pub fn over(&self, sample: &Sample) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).of(sample)
    }
}

/// The outcome and the digest of a run that says nothing of its target. What was seen stays in them.
#[must_use]
pub fn shadowed(mut outcome: ProbeOutcome, why: &str) -> (ProbeOutcome, Sample) {
    let unknown = |cause: &Cause| {
        let seen = cause.message.lines().next().unwrap_or_default();
        Cause::new(cause.reason, words_before(why) + seen)
    };
    for step in outcome.steps.iter_mut().filter(|step| step.status == Status::Failed) {
        step.status = Status::Unknown;
    }
    outcome.status = Status::Unknown;
    outcome.cause = outcome.cause.as_ref().map(unknown);
    let mut sample = Sample::of(&outcome);
    // A limit that was reached for that is no latency.
    sample.latencies.retain(|latency| !latency.timed_out);
    (outcome, sample)
}

impl Daemon {
    /// Looks again at what explains failures, where that may be another.
    pub(super) fn cast_shadows(&mut self) {
        if let Some(by) = self.engine.explained_anew() {
            self.runner.shadows.cast(by);
        }
    }

    /// A run that was kept as a failure, and of which it is known now that it says nothing of its target.
    pub(super) fn explained(&self, kept: Status, sample: &Sample) -> Option<Action> {
        let why = self.runner.shadows.over(sample).filter(|_| kept == Status::Failed)?;
        let (probe, target) = (sample.probe.to_string(), sample.target.to_string());
        Some(Action::Explained(Explained { probe, target, between: (sample.at, sample.at), reasons: &[], why }))
    }

    /// Has the history know it, too.
    pub(super) fn keep_explained(&mut self, all: Vec<Explained>) {
        if all.is_empty() {
            return;
        }
        let store = self.setup.store.clone();
        self.tasks.spawn(async move {
            for Explained { probe, target, between, reasons, why } in all {
                // A batch that could not be written is tried again; the loop says so with the next sample.
                let _ = store.explain(&probe, &target, between, reasons, words_before(&why)).await;
            }
            Ended::Nothing
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::event::Reason;

    fn failed(target: &str, reason: Reason) -> ProbeOutcome {
        let mut outcome =
            ProbeOutcome::not_run("smoke", target, &BTreeMap::new(), Cause::new(reason, "refused\nstderr"));
        outcome.status = Status::Failed;
        outcome.observed.timeout = Duration::from_secs(5);
        outcome
    }

    #[test]
    fn what_something_else_explains_is_unknown_and_nothing_else_is() {
        let shadows = Shadows::default();
        let why = |target: &str, reason| shadows.over(&Sample::of(&failed(target, reason)));
        assert!(why("leaf", Reason::Connect).is_none());
        let under = BTreeMap::from([("leaf".to_owned(), "root".to_owned())]);
        shadows.cast(Explanation { outage: false, under });
        assert!(why("leaf", Reason::Check).unwrap().contains("`root`"), "whatever it failed for");
        assert!(why("root", Reason::Check).is_none(), "it is its own");
        shadows.cast(Explanation { outage: true, under: BTreeMap::new() });
        assert!(why("other", Reason::Timeout).unwrap().contains("network"));
        assert!(why("other", Reason::RpcError).is_none(), "it answered");
        let healthy = ProbeOutcome { status: Status::Healthy, ..failed("other", Reason::Timeout) };
        assert!(shadows.over(&Sample::of(&healthy)).is_none());
    }

    #[test]
    fn what_was_seen_stays_and_a_limit_is_no_latency() {
        let (outcome, sample) = shadowed(failed("other", Reason::Timeout), "`root` fails");
        assert_eq!(
            (outcome.status, sample.status, sample.reason),
            (Status::Unknown, Status::Unknown, Some(Reason::Timeout))
        );
        let message = sample.message.unwrap();
        assert!(message.starts_with("`root` fails") && message.ends_with("saw: refused"), "{message}");
        assert!(sample.latencies.is_empty());
    }
}

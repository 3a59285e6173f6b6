//! Runs that say nothing of their target: what it needs fails, or the prober's own network. They are told and kept as
//! unknown, so that no uptime suffers from what is not the target's; the rules see what was seen.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::daemon::Daemon;
use crate::alert::CONNECTIVITY;
use crate::alert::explained::{Explanation, is_of_network};
use crate::event::{Cause, ProbeOutcome, Sample, Status};

/// What is known of them. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Shadows(Arc<RwLock<Cast>>);

#[derive(Debug, Default)]
struct Cast {
    by: Explanation,
    /// Targets, each with those that it depends on.
    needs: BTreeMap<String, Vec<String>>,
}

impl Shadows {
    /// Another plan.
    pub fn plan(&self, needs: BTreeMap<String, Vec<String>>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).needs = needs;
    }

    /// What explains failures from now on.
    pub fn cast(&self, by: Explanation) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).by = by;
    }

    /// Whether anything explains failures now.
    #[must_use]
    pub fn are_any(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by != Explanation::default()
    }

    /// Why a run says nothing of its target, where it does not.
    #[must_use]
    pub fn over(&self, sample: &Sample) -> Option<String> {
        if sample.status != Status::Failed {
            return None;
        }
        let cast = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if cast.by.outage && is_of_network(sample) {
            return Some(format!("the prober itself cannot reach the network (the alert `{CONNECTIVITY}`)"));
        }
        let parent = cast.failing_above(&sample.target)?;
        Some(format!("`{parent}`, which it depends on, fails"))
    }
}

impl Cast {
    /// The nearest of all that a target needs, and what those need, that fails.
    fn failing_above(&self, target: &str) -> Option<&str> {
        let of = |target: &str| self.needs.get(target).into_iter().flatten().map(String::as_str);
        let mut found: Vec<&str> = of(target).collect();
        let mut done = 0;
        while let Some(here) = found.get(done).copied() {
            if here != target && self.by.failing.contains(here) {
                return Some(here);
            }
            done += 1;
            for further in of(here) {
                if !found.contains(&further) {
                    found.push(further);
                }
            }
        }
        None
    }
}

/// The outcome and the digest of a run that says nothing of its target. What was seen stays in them.
#[must_use]
pub fn shadowed(mut outcome: ProbeOutcome, why: &str) -> (ProbeOutcome, Sample) {
    let unknown = |cause: &Cause| {
        let seen = cause.message.lines().next().unwrap_or_default();
        Cause::new(cause.reason, format!("{why}, so this says nothing of the target; what the run saw: {seen}"))
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
    /// Looks again at what explains failures, where a run may have changed it.
    pub(super) fn cast_shadows(&self, by: Option<&Sample>) {
        let may_be_other = by.is_none_or(|sample| sample.status == Status::Failed);
        if may_be_other || self.runner.shadows.are_any() {
            self.runner.shadows.cast(self.engine.explanation());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
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
        let needs = |of: &[(&str, &str)]| -> BTreeMap<String, Vec<String>> {
            of.iter().map(|(target, needed)| ((*target).to_owned(), vec![(*needed).to_owned()])).collect()
        };
        // A ring does not go round for ever.
        shadows.plan(needs(&[("leaf", "branch"), ("branch", "root"), ("root", "leaf")]));
        assert!(why("leaf", Reason::Connect).is_none() && !shadows.are_any());
        shadows.cast(Explanation { outage: false, failing: BTreeSet::from(["root".to_owned()]) });
        assert!(why("leaf", Reason::Check).unwrap().contains("`root`"), "whatever it failed for");
        assert!(why("root", Reason::Check).is_none(), "it is its own");
        assert!(why("other", Reason::Check).is_none() && shadows.are_any());
        shadows.cast(Explanation { outage: true, failing: BTreeSet::new() });
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

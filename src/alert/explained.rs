//! What explains the failures of others now, for whoever records runs: a run that failed for something else than its target
//! says nothing of the target. The rules themselves are told what was seen.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Engine;
use super::engine::CONNECTIVITY;
use super::outage::NETWORK;
use crate::event::{Reason, Sample, Status};

/// What explains failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The prober's own network does not work.
    pub outage: bool,
    /// Targets, each with the nearest of what it needs that fails as a whole.
    pub under: BTreeMap<String, String>,
}

impl Engine {
    /// What explains failures from now on, where that is another than when it was last asked for.
    pub fn explained_anew(&mut self) -> Option<Explanation> {
        if !std::mem::take(&mut self.targets.is_explained_anew) {
            return None;
        }
        let targets = self.targets.list.iter().enumerate();
        let under = targets.filter_map(|(number, target)| {
            self.targets.failing_above(number).map(|above| (target.name.clone(), above.to_owned()))
        });
        Some(Explanation { outage: self.targets.outage.is_some(), under: under.collect() })
    }
}

impl Explanation {
    /// Why a run says nothing of its target, where it does not.
    #[must_use]
    pub fn of(&self, sample: &Sample) -> Option<String> {
        if sample.status != Status::Failed {
            return None;
        }
        if self.outage && sample.reason.is_some_and(|reason| NETWORK.contains(&reason)) {
            return Some(no_network());
        }
        self.under.get(&*sample.target).map(|above| fails_above(above))
    }
}

/// Runs that failed before it was known why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The probe.
    pub probe: String,
    /// The target.
    pub target: String,
    /// The times at which the first and the last of them were due.
    pub between: (Timestamp, Timestamp),
    /// The reasons that are explained; any, where there are none.
    pub reasons: &'static [Reason],
    /// Why they say nothing of the target.
    pub why: String,
}

/// The words before what a run saw that says nothing of its target.
#[must_use]
pub fn words_before(why: &str) -> String {
    format!("{why}, so this says nothing of the target; what the run saw: ")
}

pub(super) fn no_network() -> String {
    format!("the prober itself cannot reach the network (the alert `{CONNECTIVITY}`)")
}

pub(super) fn fails_above(above: &str) -> String {
    format!("`{above}`, which it depends on, fails")
}

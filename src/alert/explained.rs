//! What explains the failures of others now, for whoever records runs: a run that failed for something else than its target
//! says nothing of the target. The rules themselves are told what was seen.

use std::collections::BTreeSet;

use super::Engine;
use super::outage::Run;
use crate::event::Sample;

/// What fails that others need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The prober's own network does not work.
    pub outage: bool,
    /// Targets that fail as a whole, and that others depend on.
    pub failing: BTreeSet<String>,
}

impl Engine {
    /// What explains failures now.
    #[must_use]
    pub fn explanation(&self) -> Explanation {
        let targets = self.targets.list.iter().enumerate();
        let failing = targets.filter(|(number, target)| target.known.failing && self.targets.is_needed(*number));
        Explanation {
            outage: self.targets.outage.is_some(),
            failing: failing.map(|(_, target)| target.name.clone()).collect(),
        }
    }
}

/// Whether a run failed in a way in which the prober's own network fails.
#[must_use]
pub fn is_of_network(sample: &Sample) -> bool {
    Run::of(sample, 0).network
}

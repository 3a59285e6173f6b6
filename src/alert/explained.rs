//! What explains the failures of others now, for whoever records runs: a run that failed for something else than its target
//! says nothing of the target. The rules themselves are told what was seen.

use std::collections::BTreeMap;

use super::Engine;
use super::outage::Run;
use crate::event::Sample;

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

/// Whether a run failed in a way in which the prober's own network fails.
#[must_use]
pub fn is_of_network(sample: &Sample) -> bool {
    Run::of(sample, 0).network
}

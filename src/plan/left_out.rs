//! What files have and nobody looks at here: of it nothing is known, and so nothing is over.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::select::Selection;
use crate::event::without_replica;

/// What files have and a selection leaves out. A share that another prober has is no such choice: it is watched there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Names of probes.
    pub probes: BTreeSet<String>,
    /// Names of targets.
    pub targets: BTreeSet<String>,
}

impl LeftOut {
    /// Whether a probe on a target is left out.
    #[must_use]
    pub fn has(&self, probe: &str, target: &str) -> bool {
        self.probes.contains(probe) || self.targets.contains(without_replica(target))
    }
}

impl Draft {
    /// What a selection leaves out by its words.
    #[must_use]
    pub fn left_out(&self, selection: &Selection) -> LeftOut {
        let built_in = self.unprobed().map(|target| &target.built_in.name);
        let probes = self.probes.iter().map(|probe| &probe.name).chain(built_in);
        let targets = self.targets.iter().filter(|target| !selection.takes_target(target));
        LeftOut {
            probes: probes.filter(|name| !selection.takes_probe(name)).cloned().collect(),
            targets: targets.map(|target| target.name.clone()).collect(),
        }
    }
}

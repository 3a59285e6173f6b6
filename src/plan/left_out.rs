//! What files have and nobody looks at here: of it nothing is known, and so nothing is over.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::select::Selection;

impl Draft {
    /// The names of the probes and of the targets that a selection leaves out by its words. A share that another prober has
    /// is no such choice: it is watched there.
    #[must_use]
    pub fn left_out(&self, selection: &Selection) -> (BTreeSet<String>, BTreeSet<String>) {
        let built_in = self.unprobed().map(|target| &target.built_in.name);
        let probes = self.probes.iter().map(|probe| &probe.name).chain(built_in);
        let targets = self.targets.iter().filter(|target| !selection.takes_target(target));
        (
            probes.filter(|name| !selection.takes_probe(name)).cloned().collect(),
            targets.map(|target| target.name.clone()).collect(),
        )
    }
}

//! Tables → drafts, and what only several files together can get wrong: names given twice, names of nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fleet::FleetDraft;
use super::probe::{Defaults, ProbeDraft};
use super::target_draft::TargetDraft;
use crate::config::names::{only_one, twice, unknown};
use crate::config::{Diag, Section};

/// Everything that was read, variables unresolved.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The targets, in the order of the files.
    pub targets: Vec<TargetDraft>,
    /// The probes, in the order of the files.
    pub probes: Vec<ProbeDraft>,
    /// `[fleet]`, one for all files; a second one is a mistake.
    pub fleets: Vec<FleetDraft>,
    /// Variables that others than targets read as secrets, such as notifiers: no child sees them, no output shows them.
    pub secret_variables: Vec<String>,
    /// Whether the files were found rather than named by the user.
    pub found: bool,
}

impl Draft {
    /// Reads the targets and probes of one file and adds them. The file is finished by whoever knows all its tables.
    pub fn read(&mut self, file: &Section<'_>) {
        let reading = file.reading();
        let defaults = file.field("defaults").and_then(|field| field.table("`[defaults]`"));
        let defaults = defaults.map(Defaults::parse).unwrap_or_default();
        reading.report_all(reading.take_unset());
        for (key, field) in file.section("target").iter().flat_map(Section::entries) {
            self.targets.extend(TargetDraft::parse(key, field, &defaults));
        }
        for section in file.sections("probe", "`[[probe]]`") {
            self.probes.extend(ProbeDraft::parse(section, &defaults));
        }
        self.fleets.extend(file.field("fleet").and_then(|field| field.table("`[fleet]`")).map(FleetDraft::parse));
    }

    /// Adds targets of other files; gives a mistake for each whose name is taken.
    pub fn add_targets(&mut self, targets: impl IntoIterator<Item = TargetDraft>) -> Vec<Diag> {
        let before = self.targets.len();
        self.targets.extend(targets);
        let mut diags = Vec::new();
        twice("target", self.targets.iter().map(|target| (target.name.as_str(), &target.place)), &mut diags);
        let is_added = |diag: &Diag| {
            let added = self.targets[before..].iter().map(|target| &target.place);
            diag.place.as_ref().is_some_and(|place| {
                added.clone().any(|added| Arc::ptr_eq(&added.source, &place.source) && added.span == place.span)
            })
        };
        diags.retain(is_added);
        diags
    }

    /// Mistakes that only all files together can show. `others` are targets of files that are no probe files.
    #[must_use]
    pub fn check_names(&self, others: &[TargetDraft]) -> Vec<Diag> {
        let mut diags = Vec::new();
        twice("target", self.targets.iter().map(|target| (target.name.as_str(), &target.place)), &mut diags);
        twice("probe", self.probes.iter().map(|probe| (probe.name.as_str(), &probe.place)), &mut diags);
        only_one("fleet", self.fleets.iter().map(|fleet| &fleet.place), &mut diags);
        let targets: BTreeSet<&str> = self.targets.iter().chain(others).map(|target| target.name.as_str()).collect();
        for probe in &self.probes {
            unknown("target", &probe.targets, &targets, &mut diags);
        }
        for target in &self.targets {
            unknown("target", &target.depends_on, &targets, &mut diags);
        }
        diags.extend(self.circles());
        diags
    }

    /// Targets, each with those that it depends on.
    #[must_use]
    pub fn dependencies(&self) -> BTreeMap<String, Vec<String>> {
        let depending = self.targets.iter().filter(|target| !target.depends_on.is_empty());
        let names = |target: &TargetDraft| target.depends_on.iter().map(|(name, _)| name.clone()).collect();
        depending.map(|target| (target.name.clone(), names(target))).collect()
    }

    /// A mistake for each `depends_on` that leads back to where it stands: nobody could tell which of them failed first.
    fn circles(&self) -> Vec<Diag> {
        let next: BTreeMap<&str, &TargetDraft> =
            self.targets.iter().map(|target| (target.name.as_str(), target)).collect();
        let mut diags = Vec::new();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for target in &self.targets {
            for (name, place) in &target.depends_on {
                let Some(way) = way(name, &target.name, &next) else { continue };
                // A circle is one mistake, not one for each that is part of it.
                if told.contains(target.name.as_str()) {
                    continue;
                }
                told.extend(way.iter().copied());
                let all: Vec<String> = way.iter().rev().map(|name| format!("`{name}`")).collect();
                let message = match all.as_slice() {
                    [_] => format!("`{}` depends on itself", target.name),
                    all => {
                        format!("`{}` depends on itself, by way of {}", target.name, all[..all.len() - 1].join(", "))
                    }
                };
                diags.push(Diag::error(place, message).help("leave out the one that works without the other"));
            }
        }
        diags
    }
}

/// The names from one target to another along `depends_on`, the last first.
fn way<'a>(from: &'a str, to: &str, next: &BTreeMap<&str, &'a TargetDraft>) -> Option<Vec<&'a str>> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<Vec<&str>> = vec![vec![from]];
    while let Some(way) = open.pop() {
        let here = *way.last()?;
        if here == to {
            return Some(way.into_iter().rev().collect());
        }
        if seen.insert(here) {
            let further = next.get(here).into_iter().flat_map(|target| &target.depends_on);
            open.extend(further.map(|(name, _)| way.iter().copied().chain([name.as_str()]).collect()));
        }
    }
    None
}

//! Tables → drafts, and what only several files together can get wrong: names given twice, names of nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::probe::{Defaults, ProbeDraft};
use super::target_draft::TargetDraft;
use crate::config::names::{twice, unknown};
use crate::config::{Diag, Section};

/// Everything that was read, variables unresolved.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The targets, in the order of the files.
    pub targets: Vec<TargetDraft>,
    /// The probes, in the order of the files.
    pub probes: Vec<ProbeDraft>,
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
            self.targets.extend(TargetDraft::parse(key, field, defaults.startup_timeout));
        }
        for section in file.sections("probe", "`[[probe]]`") {
            self.probes.extend(ProbeDraft::parse(section, &defaults));
        }
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
        let targets: BTreeSet<&str> = self.targets.iter().chain(others).map(|target| target.name.as_str()).collect();
        for probe in &self.probes {
            unknown("target", &probe.targets, &targets, &mut diags);
        }
        diags
    }
}

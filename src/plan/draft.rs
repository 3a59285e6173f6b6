//! Tables → drafts, and what only several files together can get wrong: names given twice, names of nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::probe::{Defaults, ProbeDraft};
use super::target_draft::TargetDraft;
use super::telling::Telling;
use crate::config::{Diag, Place, Reading, Section, Source, Table, suggest};

/// Everything that was read, variables unresolved.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The targets, in the order of the files.
    pub targets: Vec<TargetDraft>,
    /// The probes, in the order of the files.
    pub probes: Vec<ProbeDraft>,
    /// Alerts, notifiers, pushes.
    pub telling: Telling,
    /// Whether the files were found rather than named by the user.
    pub found: bool,
}

impl Draft {
    /// Reads the tables of one file and adds what they hold.
    pub fn read(&mut self, table: &Table, source: &Arc<Source>, reading: &Reading<'_>) {
        let file = Section::new(table, "a probe file", &Place::new(source, 0..0), reading);
        let defaults = file.field("defaults").and_then(|field| field.table("`[defaults]`"));
        let defaults = defaults.map(Defaults::parse).unwrap_or_default();
        reading.report_all(reading.take_unset());
        for (key, field) in file.section("target").iter().flat_map(Section::entries) {
            self.targets.extend(TargetDraft::parse(key, field, defaults.startup_timeout));
        }
        for section in file.sections("probe", "`[[probe]]`") {
            self.probes.extend(ProbeDraft::parse(section, &defaults));
        }
        self.telling.read(&file);
        file.finish();
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
        let alerts = self.telling.alerts.iter();
        twice("alert", alerts.map(|alert| (alert.name.as_str(), &alert.place)), &mut diags);
        let notifiers = self.telling.notifiers.iter();
        twice("notifier", notifiers.map(|notifier| (notifier.name.as_str(), &notifier.place)), &mut diags);
        for pair in self.telling.logs.windows(2) {
            let [first, again] = pair else { continue };
            let diag = Diag::error(&again.place, "`[log]` is defined twice").label("again here");
            diags.push(diag.also(&first.place, "first here").help("there is one log for all files that are read"));
        }
        let targets: HashSet<&str> = self.targets.iter().chain(others).map(|target| target.name.as_str()).collect();
        let probes: HashSet<&str> = self.probes.iter().map(|probe| probe.name.as_str()).collect();
        for probe in &self.probes {
            unknown("target", &probe.targets, &targets, &mut diags);
        }
        for alert in &self.telling.alerts {
            unknown("target", &alert.targets, &targets, &mut diags);
            unknown("probe", &alert.probes, &probes, &mut diags);
        }
        diags.extend(self.telling.unknown_notifiers());
        diags
    }
}

/// The same name at two places.
fn twice<'a>(what: &str, names: impl Iterator<Item = (&'a str, &'a Place)>, diags: &mut Vec<Diag>) {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for (name, place) in names {
        match first.get(name) {
            None => {
                first.insert(name, place);
            }
            Some(before) => diags.push(
                Diag::error(place, format!("the {what} `{name}` is defined twice"))
                    .label("again here")
                    .also(before, "first here"),
            ),
        }
    }
}

/// Names of nothing.
fn unknown(what: &str, named: &[(String, Place)], known: &HashSet<&str>, diags: &mut Vec<Diag>) {
    for (name, place) in named {
        if name != "*" && !known.contains(name.as_str()) {
            let mut known: Vec<&str> = known.iter().copied().collect();
            known.sort_unstable();
            let help =
                suggest::sentence(name, known).unwrap_or_else(|| format!("the files that were read define no {what}"));
            diags.push(Diag::error(place, format!("there is no {what} `{name}`")).help(help));
        }
    }
}

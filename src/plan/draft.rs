//! Tables → drafts, and what only several files together can get wrong: names given twice, names of nothing.

use std::collections::BTreeMap;

use super::probe::{Defaults, ProbeDraft};
use super::target_draft::TargetDraft;
use super::telling::{self, AlertDraft, ReceiverDraft, Telling};
use crate::config::{Diag, Field, Place, Reading, Section, Source, Table, suggest};

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
    pub fn read(&mut self, table: &Table, source: &std::sync::Arc<Source>, reading: &Reading<'_>) {
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
        for section in file.sections("alert", "`[[alert]]`") {
            self.telling.alerts.extend(telling::alert(section));
        }
        for (key, field) in file.section("notify").iter().flat_map(Section::entries) {
            let what = format!("`[notify.{}]`", key.name);
            self.telling.notifiers.extend(telling::receiver(field, &what, Some((&key.name, &key.place))));
        }
        let pushes = file.field("push").and_then(|field| field.items("an array of tables: write `[[push]]`"));
        for field in pushes.into_iter().flatten() {
            let field = Field::new(field.node, "push", reading);
            self.telling.pushes.extend(telling::receiver(field, "`[[push]]`", None));
        }
        let _ = reading.take_unset();
        // The wire log of `watch`.
        let _ = file.section("log");
        file.finish();
    }

    /// Mistakes that only all files together can show.
    #[must_use]
    pub fn check_names(&self) -> Vec<Diag> {
        let mut diags = Vec::new();
        twice("target", self.targets.iter().map(|target| (target.name.as_str(), &target.place)), &mut diags);
        twice("probe", self.probes.iter().map(|probe| (probe.name.as_str(), &probe.place)), &mut diags);
        let alert = |alert: &'_ AlertDraft| -> (String, Place) { (alert.name.clone(), alert.place.clone()) };
        let alerts: Vec<(String, Place)> = self.telling.alerts.iter().map(alert).collect();
        twice("alert", alerts.iter().map(|(name, place)| (name.as_str(), place)), &mut diags);
        let notifier = |notifier: &'_ ReceiverDraft| (notifier.name.clone(), notifier.place.clone());
        let notifiers: Vec<(String, Place)> = self.telling.notifiers.iter().map(notifier).collect();
        twice("notifier", notifiers.iter().map(|(name, place)| (name.as_str(), place)), &mut diags);
        let targets: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let probes: Vec<&str> = self.probes.iter().map(|probe| probe.name.as_str()).collect();
        for probe in &self.probes {
            unknown("target", &probe.targets, &targets, &mut diags);
        }
        for alert in &self.telling.alerts {
            unknown("target", &alert.targets, &targets, &mut diags);
            unknown("probe", &alert.probes, &probes, &mut diags);
        }
        diags.extend(telling::unknown_notifiers(&self.telling));
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
fn unknown(what: &str, named: &[(String, Place)], known: &[&str], diags: &mut Vec<Diag>) {
    for (name, place) in named {
        if name != "*" && !known.contains(&name.as_str()) {
            let help = suggest::sentence(name, known.iter().copied())
                .unwrap_or_else(|| format!("the files that were read define no {what}"));
            diags.push(Diag::error(place, format!("there is no {what} `{name}`")).help(help));
        }
    }
}

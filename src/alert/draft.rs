//! `[[alert]]` as it is written: a condition over the runs of probes on targets, and whom it tells.

use std::collections::BTreeMap;
use std::time::Duration;

use super::condition;
use super::rule::{Condition, Rule, Selector, Urgency};
use crate::base::duration;
use crate::config::names::check_name;
use crate::config::{Diag, Field, Key, Place, Section};

/// Somebody who is reminded more often reads none of it.
const REMIND_MIN: Duration = Duration::from_secs(5 * 60);

/// One `[[alert]]`.
#[derive(Clone, Debug)]
pub struct AlertDraft {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// When it fires, with the place of that key; none where it cannot be read.
    pub condition: Option<(Condition, Place)>,
    /// Where the time is written over which the condition looks: `window` or `within`.
    pub time_place: Option<Place>,
    /// Where `min_samples` is written.
    pub min_samples_place: Option<Place>,
    /// How long the condition must hold (`for`).
    pub lasting: Option<Duration>,
    /// How long it must not hold before the alert ends.
    pub keep_firing_for: Option<Duration>,
    /// How often it is told again.
    pub remind: Option<Duration>,
    /// How urgent it is.
    pub severity: Urgency,
    /// Labels that a target must have.
    pub labels: BTreeMap<String, String>,
    /// Whether the server is restarted, with the place of the key.
    pub restart: Option<Place>,
    /// Whether the end is told, too.
    pub resolved: bool,
    /// The notifiers it tells, with the places of their names.
    pub notify: Vec<(String, Place)>,
    /// Names of probes it looks at; empty for all.
    pub probes: Vec<(String, Place)>,
    /// Names of targets it looks at; empty for all.
    pub targets: Vec<(String, Place)>,
    /// Where the labels are written.
    pub labels_place: Option<Place>,
    /// What is missing: variables of keys that are read at once.
    pub unset: Vec<Diag>,
}

impl AlertDraft {
    /// Reads the table.
    #[must_use]
    pub fn parse(section: Section<'_>) -> Option<Self> {
        let reading = section.reading();
        reading.report_all(reading.take_unset());
        let name = section.string("name");
        if section.lacks("name") {
            section.wrong("", "this alert has no `name`").help("write `name = \"too_many_errors\"`");
        }
        let place = section.field("name").map_or_else(|| section.place().clone(), |field| field.place().clone());
        if let Some(name) = &name {
            check_name(&Key { name: name.clone(), place: place.clone() }, "alert", reading);
        }
        let labels = section.section("labels");
        let text = |(key, field): (&Key, Field<'_>)| Some((key.name.clone(), field.string()?));
        let draft = Self {
            name: name.unwrap_or_default(),
            place,
            condition: condition::read(&section),
            time_place: section.field("window").or(section.field("within")).map(|field| field.place().clone()),
            min_samples_place: section.field("min_samples").map(|field| field.place().clone()),
            lasting: section.duration("for"),
            keep_firing_for: section.duration("keep_firing_for"),
            remind: section.field("remind").and_then(remind),
            severity: section.one_of("severity", Urgency::WORDS).unwrap_or_default(),
            labels: labels.iter().flat_map(Section::entries).filter_map(text).collect(),
            labels_place: section.field("labels").map(|field| field.place().clone()),
            restart: section
                .field("restart")
                .filter(|field| field.bool() == Some(true))
                .map(|field| field.place().clone()),
            resolved: section.bool("resolved").unwrap_or(true),
            notify: section.names("notify"),
            probes: section.names("probe"),
            targets: section.names("target"),
            unset: Vec::new(),
        };
        condition::check_keys(&section);
        section.finish();
        let unset = reading.take_unset();
        (!draft.name.is_empty()).then_some(Self { unset, ..draft })
    }

    /// The rule.
    ///
    /// # Errors
    /// A variable that is missing.
    pub fn resolve(&self) -> Result<Option<Rule>, Vec<Diag>> {
        if !self.unset.is_empty() {
            return Err(self.unset.clone());
        }
        // Without a condition there was a mistake: such files are not used.
        let Some((condition, _)) = self.condition.clone() else { return Ok(None) };
        let names = |names: &[(String, Place)]| names.iter().map(|(name, _)| name.clone()).collect();
        Ok(Some(Rule {
            name: self.name.clone(),
            condition,
            selector: Selector {
                probes: names(&self.probes),
                targets: self.targets.iter().map(|(name, _)| name.clone()).collect(),
                labels: self.labels.clone(),
            },
            lasting: self.lasting.unwrap_or_default(),
            keep_firing_for: self.keep_firing_for.unwrap_or_default(),
            severity: self.severity,
            notify: self.notify.iter().map(|(name, _)| name.clone()).collect(),
            resolved: self.resolved,
            remind: self.remind,
            restart: self.restart.is_some(),
        }))
    }
}

fn remind(field: Field<'_>) -> Option<Duration> {
    let remind = field.duration()?;
    if remind < REMIND_MIN {
        field
            .wrong(format!("`remind` is at least \"{}\"", duration::written(REMIND_MIN)))
            .help("who is told too often stops reading: `remind = \"4h\"` is usual");
        return None;
    }
    Some(remind)
}

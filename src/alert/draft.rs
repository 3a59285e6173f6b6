//! `[[alert]]` as it is written: a condition over the runs of probes on targets, and whom it tells.

use std::collections::BTreeMap;
use std::time::Duration;

use super::condition::{self, Wrong};
use super::rule::{Condition, Rule, Selector, Urgency};
use crate::config::names::check_name;
use crate::config::{Diag, Field, Key, Place, Section};

/// The keys of which an alert has one.
const CONDITIONS: [&str; 3] = ["error_rate", "latency", "consecutive_failures"];

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
            condition: condition(&section),
            time_place: section.field("window").or(section.field("within")).map(|field| field.place().clone()),
            min_samples_place: section.field("min_samples").map(|field| field.place().clone()),
            lasting: section.duration("for"),
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
        check_times(&section);
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
            keep_firing_for: Duration::ZERO,
            severity: self.severity,
            notify: self.notify.iter().map(|(name, _)| name.clone()).collect(),
            resolved: self.resolved,
            remind: None,
            restart: self.restart.is_some(),
        }))
    }
}

/// Times and counts that the condition needs, or has no use for.
fn check_times(section: &Section<'_>) {
    let useless = |key: &'static str, why: &str, help: &str| {
        if section.has(key) {
            section.wrong(key, format!("`{key}` has no effect here: {why}")).help(help);
        }
    };
    let given = CONDITIONS.iter().filter(|key| section.has(key)).count();
    if given != 1 {
        return;
    }
    // Where the condition cannot be read, its key still says which of them it is.
    if section.has("consecutive_failures") {
        useless("window", "failures in a row are counted, not shared out", "the time for them is `within`");
        useless("min_samples", "as many samples are needed as failures", "leave it out");
    } else if section.has("error_rate") || section.has("latency") {
        useless("within", "it goes with `consecutive_failures`", "the time that a rate looks back is `window`");
        if !section.has("window") {
            let key = if section.has("error_rate") { "error_rate" } else { "latency" };
            section
                .wrong(key, format!("`{key}` needs a `window`"))
                .help("write `window = \"5m\"`: how far back it looks");
        }
    }
}

fn condition(section: &Section<'_>) -> Option<(Condition, Place)> {
    const HELP: &str = "write one of `error_rate = \"> 5%\"`, `latency = \"p95 > 2s\"`, `consecutive_failures = 3`";
    let given: Vec<&'static str> = CONDITIONS.into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        [] => drop(section.wrong("", "this alert has no condition").help(HELP)),
        [_] => {}
        [_, second, ..] => {
            drop(section.wrong(second, "this alert has several conditions").help("an alert has one: write two alerts"));
        }
    }
    // All that are given are read, so that every mistake is told.
    let window = time(section, "window");
    let within = time(section, "within");
    let min_samples = min_samples(section);
    let rate = section.field("error_rate").and_then(|field| {
        let bound = written(field, condition::error_rate)?;
        Some((Condition::ErrorRate { bound, window: window?, min_samples, resolve: None }, field.place().clone()))
    });
    let latency = section.field("latency").and_then(|field| {
        let (percentile, bound) = written(field, condition::latency)?;
        let condition = Condition::Latency { percentile, bound, window: window?, min_samples, resolve: None };
        Some((condition, field.place().clone()))
    });
    let failures = section.field("consecutive_failures").and_then(|field| {
        Some((Condition::ConsecutiveFailures { count: consecutive(field)?, within }, field.place().clone()))
    });
    [rate, latency, failures].into_iter().flatten().next()
}

fn written<T>(field: Field<'_>, parse: fn(&str) -> Result<T, Wrong>) -> Option<T> {
    match parse(&field.string()?) {
        Ok(read) => Some(read),
        Err((message, help)) => {
            field.wrong(message).help(help);
            None
        }
    }
}

fn consecutive(field: Field<'_>) -> Option<u64> {
    let count = field.count()?;
    if count == 0 {
        field.wrong("`consecutive_failures` must be at least 1");
        return None;
    }
    Some(count)
}

fn min_samples(section: &Section<'_>) -> Option<u64> {
    let field = section.field("min_samples")?;
    let count = field.count()?;
    if count == 0 {
        field.wrong("`min_samples` must be at least 1").help("without it, one failure alone never fires a rate");
        return None;
    }
    Some(count)
}

fn time(section: &Section<'_>, key: &'static str) -> Option<Duration> {
    section.field(key)?.positive_duration()
}

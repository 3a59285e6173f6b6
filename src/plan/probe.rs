//! Probes as they are written, and the defaults of their file.

use std::collections::BTreeMap;
use std::time::Duration;

use super::advice;
use super::step::{self, Save, Step};
use super::when;
use super::{BUILT_IN, EFFECTS, Effect, FindingsPolicy, SessionChoice, Steps, TIMEOUT, When};
use crate::config::names::check_name;
use crate::config::{Diag, Key, Place, Section};

/// More attempts than this are no retry but load.
pub(super) const RETRIES_MAX: u64 = 100;

/// The words of `session`.
pub(super) const SESSIONS: &[(&str, SessionChoice)] =
    &[("fresh", SessionChoice::Fresh), ("reuse", SessionChoice::Reuse)];

/// `[defaults]` of one file.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    timeout: Option<(Duration, Place)>,
    /// Of targets.
    pub startup_timeout: Option<Duration>,
    /// Of targets: whether they are told which trace a request is part of.
    pub traceparent: Option<bool>,
    when: Option<(When, Place)>,
    retries: Option<u32>,
    session: Option<SessionChoice>,
    findings: Option<Effect>,
}

impl Defaults {
    /// Reads the table.
    #[must_use]
    pub fn parse(section: Section<'_>) -> Self {
        let defaults = Self {
            timeout: timeout(&section),
            startup_timeout: section.duration("startup_timeout"),
            traceparent: section.bool("traceparent"),
            when: when::parse(&section),
            retries: retries(&section),
            session: session(&section),
            findings: section.one_of("findings", EFFECTS),
        };
        section.finish();
        defaults
    }

    /// The probe of a target that no file has one for: open, then the lists that its capabilities announce.
    #[must_use]
    pub(super) fn built_in(&self, target: &Key) -> ProbeDraft {
        let (timeout, timeout_place) = self.timeout.clone().unzip();
        let (when, every_place) = self.when.clone().unzip();
        ProbeDraft {
            name: BUILT_IN.to_owned(),
            place: target.place.clone(),
            targets: vec![(target.name.clone(), target.place.clone())],
            timeout: timeout.unwrap_or(TIMEOUT),
            retries: self.retries.unwrap_or_default(),
            session: self.session.unwrap_or_default(),
            cold_every: None,
            steps: Steps::Lists,
            findings: FindingsPolicy { all: self.findings.unwrap_or_default(), by_id: BTreeMap::new() },
            when: when.unwrap_or_default(),
            unset: Vec::new(),
            places: ProbePlaces { timeout: timeout_place, every: every_place, findings: Vec::new() },
            is_written: false,
        }
    }
}

/// A probe as it was written.
#[derive(Clone, Debug)]
pub struct ProbeDraft {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// The names of its targets, with their places; `*` is all.
    pub targets: Vec<(String, Place)>,
    /// Of one attempt.
    pub timeout: Duration,
    /// More attempts.
    pub retries: u32,
    /// Whether a run opens its own session.
    pub session: SessionChoice,
    /// How old a session becomes that is held between runs.
    pub cold_every: Option<Duration>,
    /// What is done, variables unresolved.
    pub steps: Steps,
    /// What findings do.
    pub findings: FindingsPolicy,
    /// When `watch` runs it.
    pub when: When,
    /// Variables that are missing; mistakes only when it is selected.
    pub unset: Vec<Diag>,
    /// Where parts of it were written.
    pub places: ProbePlaces,
    /// Whether a file has it; else it is the built-in one of a target.
    pub is_written: bool,
}

/// Where parts of a probe were written: in it, or in the `[defaults]` of its file.
#[derive(Clone, Debug, Default)]
pub struct ProbePlaces {
    /// `timeout`.
    pub timeout: Option<Place>,
    /// `every` or `cron`.
    pub every: Option<Place>,
    /// The ids of `findings`.
    pub findings: Vec<(String, Place)>,
}

impl ProbeDraft {
    /// Reads one `[[probe]]`.
    #[must_use]
    pub fn parse(section: Section<'_>, defaults: &Defaults) -> Option<Self> {
        let reading = section.reading();
        let name = section.string("name");
        if section.lacks("name") {
            section.wrong("", "this probe has no `name`").help("write `name = \"smoke\"`");
        }
        let place = section.field("name").map_or_else(|| section.place().clone(), |field| field.place().clone());
        if let Some(name) = &name {
            check_name(&Key { name: name.clone(), place: place.clone() }, "probe", reading);
        }
        let targets = targets(&section);
        let mut saved = Vec::new();
        let sections = section.sections("step", "`[[probe.step]]`");
        let has_steps = section.has("step");
        let steps: Vec<Step> = sections.into_iter().filter_map(|section| step::parse(section, &mut saved)).collect();
        Save::advise(&saved, reading);
        let (timeout, timeout_place) = timeout(&section).or_else(|| defaults.timeout.clone()).unzip();
        let (when, every_place) = when::parse(&section).or_else(|| defaults.when.clone()).unzip();
        let chosen = session(&section).or(defaults.session).unwrap_or_default();
        let draft = Self {
            name: name.unwrap_or_default(),
            place,
            targets,
            timeout: timeout.unwrap_or(TIMEOUT),
            retries: retries(&section).or(defaults.retries).unwrap_or_default(),
            session: chosen,
            cold_every: cold_every(&section, chosen),
            steps: if has_steps { Steps::Given(steps) } else { Steps::Lists },
            findings: findings(&section, defaults.findings.unwrap_or_default()),
            when: when.unwrap_or_default(),
            unset: Vec::new(),
            places: ProbePlaces { timeout: timeout_place, every: every_place, findings: finding_places(&section) },
            is_written: true,
        };
        let retries = section.field("retries").map(|field| field.place().clone());
        advice::of_probe(&draft, retries.as_ref(), reading);
        section.finish();
        let unset = reading.take_unset();
        (!draft.name.is_empty()).then_some(Self { unset, ..draft })
    }
}

fn targets(section: &Section<'_>) -> Vec<(String, Place)> {
    let Some(field) = section.field("target") else {
        if section.lacks("target") {
            section
                .wrong("", "this probe has no `target`")
                .help("write `target = \"name\"`, `target = [\"a\", \"b\"]`, or `target = \"*\"` for all targets");
        }
        return Vec::new();
    };
    let names = field.one_or_more().unwrap_or_default();
    if names.is_empty() && matches!(field.node.value, crate::config::Value::Array(_)) {
        field.wrong("`target` names nothing");
    }
    let mut kept: Vec<(String, Place)> = Vec::new();
    for (name, place) in names {
        if let Some((_, first)) = kept.iter().find(|(have, _)| *have == name) {
            section.reading().report(
                Diag::error(place, format!("`{name}` is named twice")).label("again here").also(first, "first here"),
            );
        } else {
            kept.push((name, place.clone()));
        }
    }
    kept
}

fn timeout(section: &Section<'_>) -> Option<(Duration, Place)> {
    let field = section.field("timeout")?;
    Some((field.positive_duration()?, field.place().clone()))
}

fn retries(section: &Section<'_>) -> Option<u32> {
    let count = section.count("retries")?;
    if count > RETRIES_MAX {
        section.wrong("retries", format!("`retries` can be at most {RETRIES_MAX}"));
    }
    u32::try_from(count.min(RETRIES_MAX)).ok()
}

fn session(section: &Section<'_>) -> Option<SessionChoice> {
    section.one_of("session", SESSIONS)
}

/// Without a session that is held there is nothing that could become old.
fn cold_every(section: &Section<'_>, session: SessionChoice) -> Option<Duration> {
    let field = section.field("cold_every")?;
    let every = field.positive_duration()?;
    if session == SessionChoice::Fresh {
        field
            .wrong("`cold_every` needs a session that is held between runs")
            .help("write `session = \"reuse\"`, or leave `cold_every` out: without it every run starts cold");
        return None;
    }
    Some(every)
}

fn finding_places(section: &Section<'_>) -> Vec<(String, Place)> {
    let table =
        section.field("findings").filter(crate::config::Field::is_table).and_then(|field| field.table("`findings`"));
    table.iter().flat_map(Section::entries).map(|(key, _)| (key.name.clone(), key.place.clone())).collect()
}

/// `"fail"`, or a table of ids.
fn findings(section: &Section<'_>, all: Effect) -> FindingsPolicy {
    let Some(field) = section.field("findings") else { return FindingsPolicy { all, by_id: BTreeMap::new() } };
    if !field.is_table() {
        return FindingsPolicy { all: field.one_of(EFFECTS).unwrap_or(all), by_id: BTreeMap::new() };
    }
    let table = field.table("`findings`");
    let entries = table.iter().flat_map(Section::entries);
    let by_id = entries.filter_map(|(key, field)| Some((key.name.clone(), field.one_of(EFFECTS)?))).collect();
    FindingsPolicy { all, by_id }
}

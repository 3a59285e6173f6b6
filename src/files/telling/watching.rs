//! `[watch]`: how the daemon works. One for all files; every key has a default.

use std::time::Duration;

use serde_json::{Value, json};

use crate::base::duration;
use crate::config::grammar::{self, boolean, count, described, one_or_more, percent, size, string, table, with};
use crate::config::{Diag, Field, Place, Section};

/// More than this around its grid point would no longer be jitter.
const JITTER_MAX: f64 = 0.02;
/// More runs at once than this need more than one process.
const JOBS_MAX: u64 = 10_000;

/// `[watch]`, every variable filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchSettings {
    /// Targets that tell whether our own network works.
    pub reference: Vec<String>,
    /// The prober's name in messages; by default the machine's.
    pub instance: Option<String>,
    /// What spreads the runs over their interval; by default one that is drawn once and kept.
    pub seed: Option<u64>,
    /// Runs at once.
    pub jobs: usize,
    /// Runs at once against one host.
    pub per_host: usize,
    /// Processes being started at once.
    pub spawns: usize,
    /// How far a run may be from its grid point, as a share of its interval.
    pub jitter: f64,
    /// Whether everything is run once when the daemon starts.
    pub run_at_start: bool,
    /// From the first alert of a group to its message.
    pub group_wait: Duration,
    /// Between two messages about a group that changes.
    pub group_interval: Duration,
    /// How often a target is restarted within an hour.
    pub restarts: u32,
    /// The notifier of kind `healthchecks` that hears from each good cycle.
    pub heartbeat: Option<String>,
    /// State older than this brings back only what somebody was told.
    pub outage_tolerance: Duration,
    /// How long history is kept.
    pub retention: Duration,
    /// How large the history may grow, in bytes.
    pub retention_size: u64,
    /// Whether the messages of runs that failed are kept.
    pub transcripts: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            reference: Vec::new(),
            instance: None,
            seed: None,
            jobs: 64,
            per_host: 8,
            spawns: 4,
            jitter: JITTER_MAX,
            run_at_start: false,
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            restarts: 3,
            heartbeat: None,
            outage_tolerance: Duration::from_secs(3600),
            retention: Duration::from_secs(90 * 24 * 3600),
            retention_size: 1 << 30,
            transcripts: true,
        }
    }
}

/// `[watch]` as it is written.
#[derive(Clone, Debug)]
pub struct WatchDraft {
    settings: WatchSettings,
    /// The targets of `reference`, with the places of their names.
    pub reference: Vec<(String, Place)>,
    /// The notifier of `heartbeat`, likewise.
    pub heartbeat: Option<(String, Place)>,
    /// Where the table stands.
    pub place: Place,
    unset: Vec<Diag>,
}

impl WatchDraft {
    /// Reads the table.
    #[must_use]
    pub fn parse(section: Section<'_>) -> Self {
        let default = WatchSettings::default();
        let at_once = |key, default: usize| {
            let count = section.field(key).and_then(|field| between(field, 1, JOBS_MAX));
            count.and_then(|count| usize::try_from(count).ok()).unwrap_or(default)
        };
        let time = |key, default| section.field(key).and_then(|field| field.positive_duration()).unwrap_or(default);
        let reference = section.names("reference");
        let heartbeat = section.field("heartbeat").and_then(|field| Some((field.string()?, field.place().clone())));
        let settings = WatchSettings {
            reference: reference.iter().map(|(name, _)| name.clone()).collect(),
            instance: section.field("instance").and_then(instance),
            seed: section.field("seed").and_then(|field| field.count()),
            jobs: at_once("jobs", default.jobs),
            per_host: at_once("per_host", default.per_host),
            spawns: at_once("spawns", default.spawns),
            jitter: section.field("jitter").and_then(jitter).unwrap_or(default.jitter),
            run_at_start: section.bool("run_at_start").unwrap_or(default.run_at_start),
            group_wait: section.field("group_wait").and_then(|field| field.duration()).unwrap_or(default.group_wait),
            group_interval: time("group_interval", default.group_interval),
            restarts: section.field("restarts").and_then(restarts).unwrap_or(default.restarts),
            heartbeat: heartbeat.as_ref().map(|(name, _)| name.clone()),
            outage_tolerance: time("outage_tolerance", default.outage_tolerance),
            retention: time("retention", default.retention),
            retention_size: section.field("retention_size").and_then(store_size).unwrap_or(default.retention_size),
            transcripts: section.bool("transcripts").unwrap_or(default.transcripts),
        };
        let place = section.place().clone();
        let unset = section.reading().take_unset();
        section.finish();
        Self { settings, reference, heartbeat, place, unset }
    }

    /// The settings.
    ///
    /// # Errors
    /// A variable that is missing.
    pub fn resolve(&self) -> Result<WatchSettings, Vec<Diag>> {
        if self.unset.is_empty() { Ok(self.settings.clone()) } else { Err(self.unset.clone()) }
    }
}

fn between(field: Field<'_>, least: u64, most: u64) -> Option<u64> {
    let count = field.count()?;
    if (least..=most).contains(&count) {
        return Some(count);
    }
    field.wrong(format!("`{}` is between {least} and {most}", field.key));
    None
}

fn restarts(field: Field<'_>) -> Option<u32> {
    u32::try_from(between(field, 0, 100)?).ok()
}

fn instance(field: Field<'_>) -> Option<String> {
    let name = field.string()?;
    if name.trim().is_empty() || name.chars().any(char::is_control) || name.chars().count() > 100 {
        field
            .wrong("`instance` must be a name of at most 100 characters")
            .help("it says in messages which prober sends them; without it, that is the machine's name");
        return None;
    }
    Some(name)
}

fn jitter(field: Field<'_>) -> Option<f64> {
    let share = field.percent()?;
    if share > JITTER_MAX {
        field
            .wrong(format!("`jitter` is at most \"{}%\"", JITTER_MAX * 100.0))
            .help("runs are spread over their interval without it; more would blur when a failure began");
        return None;
    }
    Some(share)
}

fn store_size(field: Field<'_>) -> Option<u64> {
    const LEAST: u64 = 1 << 20;
    let size = field.size()?;
    if size < LEAST {
        field
            .wrong("`retention_size` is at least \"1MiB\"")
            .help("the state of alerts and what is yet to be told has to fit");
        return None;
    }
    Some(size)
}

/// The table as JSON Schema.
#[must_use]
pub fn schema() -> Value {
    let default = WatchSettings::default();
    let time = |default: Duration, what| {
        described(with(grammar::duration(), json!({"default": duration::written(default)})), what)
    };
    let at_once = |default: usize, what| {
        described(with(count(), json!({"minimum": 1, "maximum": JOBS_MAX, "default": default})), what)
    };
    let flag = |default: bool, what| described(with(boolean(), json!({"default": default})), what);
    let jitter = with(percent(), json!({"default": "2%"}));
    let restarts = with(count(), json!({"maximum": 100, "default": default.restarts}));
    let size = with(size(), json!({"default": "1GiB"}));
    table([
        ("reference", described(one_or_more(), "Targets that tell whether the prober's own network works.")),
        ("instance", described(string(), "The prober's name in messages; by default the machine's.")),
        (
            "seed",
            described(count(), "Spreads the runs; two probers of one fleet have two seeds. By default drawn once."),
        ),
        ("jobs", at_once(default.jobs, "Runs at once.")),
        ("per_host", at_once(default.per_host, "Runs at once against one host.")),
        ("spawns", at_once(default.spawns, "Processes being started at once.")),
        ("jitter", described(jitter, "How far a run may be from its point in time, of its interval.")),
        ("run_at_start", flag(default.run_at_start, "Run everything once when the daemon starts.")),
        ("group_wait", time(default.group_wait, "From the first alert of a group to its message.")),
        ("group_interval", time(default.group_interval, "Between two messages about a group that changes.")),
        ("restarts", described(restarts, "How often a target is restarted within an hour, before a person is told.")),
        (
            "heartbeat",
            described(string(), "The notifier of kind `healthchecks` that hears of each cycle that went well."),
        ),
        (
            "outage_tolerance",
            time(default.outage_tolerance, "State older than this counts as none, but for what was told."),
        ),
        ("retention", time(default.retention, "How long history is kept.")),
        ("retention_size", described(size, "How large the history may grow.")),
        ("transcripts", flag(default.transcripts, "Keep the messages of runs that failed.")),
    ])
}

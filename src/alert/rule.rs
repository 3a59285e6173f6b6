//! A rule: which runs it looks at, when it fires, whom it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::burn::pairs;
use crate::event::without_replica;

/// How urgent an alert is: the words that pagers and Alertmanager know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// For the record.
    Info,
    /// Within the day.
    Warning,
    /// Soon.
    #[default]
    Error,
    /// Now.
    Critical,
}

impl Urgency {
    /// The words in files.
    pub const WORDS: &[(&str, Self)] =
        &[("info", Self::Info), ("warning", Self::Warning), ("error", Self::Error), ("critical", Self::Critical)];

    /// The word in files and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What must be exceeded, or reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<T> {
    /// The value.
    pub value: T,
    /// Whether the value itself fires, too (`>=`).
    pub inclusive: bool,
}

/// When an alert fires.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Failed runs over all but unknown ones, in a window of time.
    ErrorRate {
        /// As a share between 0 and 1.
        bound: Bound<f64>,
        /// How far back it looks.
        window: Duration,
        /// Fewer judged runs than these fire nothing; by default so many that one failure alone never fires.
        min_samples: Option<u64>,
        /// It ends at or below this share; by default where it no longer fires.
        resolve: Option<f64>,
    },
    /// A percentile of the latencies of steps, by nearest rank over the raw samples, in a window of time.
    Latency {
        /// Between 0 and 100, both excluded.
        percentile: f64,
        /// The bound.
        bound: Bound<Duration>,
        /// How far back it looks.
        window: Duration,
        /// Fewer latencies than these fire nothing; by default 2.
        min_samples: Option<u64>,
        /// It ends at or below this latency; by default where it no longer fires.
        resolve: Option<Duration>,
    },
    /// So many failed runs in a row.
    ConsecutiveFailures {
        /// How many.
        count: u64,
        /// In which time, from the grid point of the first to that of the last.
        within: Option<Duration>,
    },
    /// No run that could be judged for so long.
    NoData {
        /// How long.
        after: Duration,
    },
    /// The list of tools is not what it was when it was last well known, or a `lock` was not met (reason `drift`).
    Drift,
    /// Something ends soon.
    Expiry {
        /// What.
        what: Expiring,
        /// How long before its end.
        left: Duration,
    },
    /// The error budget of an objective is being used up too fast, over a long and a short window together.
    BurnRate {
        /// The objective as a share, such as 0.999.
        objective: f64,
        /// The time over which the budget counts, such as 30 days.
        period: Duration,
    },
}

impl Condition {
    /// How old the runs are at most that it looks back at, of a probe that is run so often.
    #[must_use]
    pub fn looks_back(&self, every: Duration) -> Duration {
        match self {
            Self::ErrorRate { window, .. } | Self::Latency { window, .. } => *window,
            Self::BurnRate { period, .. } => pairs(*period).iter().map(|pair| pair.long).max().unwrap_or_default(),
            Self::ConsecutiveFailures { count, .. } => {
                every.saturating_mul(u32::try_from(*count).unwrap_or(u32::MAX)).saturating_mul(2)
            }
            Self::NoData { .. } | Self::Drift | Self::Expiry { .. } => Duration::ZERO,
        }
    }
}

/// What can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiring {
    /// The server's certificate.
    Certificate,
    /// Our token.
    Token,
    /// Either.
    Any,
}

/// Which runs a rule looks at; everything empty is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Names of probes.
    pub probes: BTreeSet<String>,
    /// Names of targets.
    pub targets: BTreeSet<String>,
    /// Labels that a target must have.
    pub labels: BTreeMap<String, String>,
}

impl Selector {
    /// Whether it looks at this probe of this target. Who names a target means its replicas, too.
    #[must_use]
    pub fn takes(&self, probe: &str, target: &str, labels: &BTreeMap<String, String>) -> bool {
        let named =
            |names: &BTreeSet<String>, name: &str| names.is_empty() || names.contains("*") || names.contains(name);
        named(&self.probes, probe)
            && (named(&self.targets, target) || named(&self.targets, without_replica(target)))
            && self.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
    }
}

/// An alert of the files, every variable resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, unique.
    pub name: String,
    /// When it fires.
    pub condition: Condition,
    /// What it looks at.
    pub selector: Selector,
    /// How long the condition must hold before it fires (`for`).
    pub lasting: Duration,
    /// How long it must not hold before the alert ends (`keep_firing_for`).
    pub keep_firing_for: Duration,
    /// How urgent it is.
    pub severity: Urgency,
    /// The notifiers it tells.
    pub notify: Vec<String>,
    /// Whether the end is told, too.
    pub resolved: bool,
    /// How often it is told again while it fires (`remind`); at least five minutes.
    pub remind: Option<Duration>,
    /// Whether the server is restarted, where a transport reason fired it.
    pub restart: bool,
}

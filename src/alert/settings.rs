//! What the engine is told beside the rules: what is watched, who depends on whom, when nobody wants to hear of what, and
//! how messages are put together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::receiver::Receiver;
use super::rule::Selector;
use crate::base::name::Name;
use crate::event::without_replica;

/// How the engine tells, holds and repairs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The prober's name in messages and in their keys; probers of one group share it.
    pub instance: String,
    /// From the first alert of a group to its first message: what comes meanwhile goes along.
    pub group_wait: Duration,
    /// Between two messages about a group that changes.
    pub group_interval: Duration,
    /// Targets that tell whether our own network works.
    pub reference: Vec<String>,
    /// How often a target is restarted within `restarts_within`.
    pub restarts_max: u32,
    /// The time in which restarts are counted.
    pub restarts_within: Duration,
    /// A snapshot older than this brings back only what somebody was told.
    pub outage_tolerance: Duration,
    /// When nobody wants to hear of what.
    pub silences: Vec<Silence>,
    /// Targets, each with those that it depends on.
    pub dependencies: BTreeMap<String, Vec<String>>,
    /// Channels, each with whom it leads to.
    pub receivers: BTreeMap<String, Receiver>,
    /// What the files have and is not watched here: nothing is known of it, and so nothing ends.
    pub left_out: LeftOut,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instance: String::new(),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(300),
            reference: Vec::new(),
            restarts_max: 3,
            restarts_within: Duration::from_secs(3600),
            outage_tolerance: Duration::from_secs(3600),
            silences: Vec::new(),
            dependencies: BTreeMap::new(),
            receivers: BTreeMap::new(),
            left_out: LeftOut::default(),
        }
    }
}

/// A probe of a target that is run again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The probe.
    pub probe: Name,
    /// The target.
    pub target: Name,
    /// The target's labels.
    pub labels: BTreeMap<String, String>,
    /// From one run to the next; of a calendar, the usual time between two.
    pub every: Duration,
    /// The shortest time that its timetable leaves between two runs, those aside that come sooner after a failure.
    pub closest: Duration,
    /// The longest.
    pub farthest: Duration,
    /// Whether the target says how it is restarted, or its process is ours.
    pub can_restart: bool,
}

/// What the files have and is not watched here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Names of probes.
    pub probes: BTreeSet<String>,
    /// Names of targets.
    pub targets: BTreeSet<String>,
}

impl LeftOut {
    /// Whether a probe on a target is left out.
    #[must_use]
    pub fn has(&self, probe: &str, target: &str) -> bool {
        self.probes.contains(probe) || self.targets.contains(without_replica(target))
    }
}

/// A time in which some alerts are not told. They are evaluated all the same: what still fires at its end is told then,
/// and the end of what was told before is told at once.
#[derive(Clone, Debug)]
pub struct Silence {
    /// Its name.
    pub name: String,
    /// Which probes and targets.
    pub selector: Selector,
    /// Names of alerts; empty for all.
    pub alerts: BTreeSet<String>,
    /// When.
    pub when: Window,
}

/// When a silence holds.
#[derive(Clone, Debug)]
pub enum Window {
    /// From one time to another, the end excluded.
    Between(Timestamp, Timestamp),
    /// Again and again.
    Recurring {
        /// When it begins.
        cron: Box<croner::Cron>,
        /// In which time zone.
        zone: TimeZone,
        /// How long it lasts.
        duration: Duration,
    },
}

impl Window {
    /// Its end, where it holds at this time.
    #[must_use]
    pub fn holds_until(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Between(from, until) => (*from <= at && at < *until).then_some(*until),
            Self::Recurring { cron, zone, duration } => {
                let begun = cron.find_previous_occurrence(&at.to_zoned(zone.clone()), true).ok()?.timestamp();
                let until = begun.checked_add(*duration).ok()?;
                (at < until).then_some(until)
            }
        }
    }
}

impl Silence {
    /// Its end, where it holds at this time and for this alert.
    #[must_use]
    pub fn silences(
        &self,
        alert: &str,
        probe: &str,
        target: &str,
        labels: &BTreeMap<String, String>,
        at: Timestamp,
    ) -> Option<Timestamp> {
        let is_meant =
            (self.alerts.is_empty() || self.alerts.contains(alert)) && self.selector.takes(probe, target, labels);
        if is_meant { self.when.holds_until(at) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_comes_again_ends_each_time() {
        let cron = Box::new("0 2 * * 7".parse::<croner::Cron>().unwrap());
        let zone = TimeZone::get("Europe/Oslo").unwrap();
        let window = Window::Recurring { cron, zone, duration: Duration::from_secs(3600) };
        let until = |at: &str| window.holds_until(at.parse().unwrap()).map(|until| until.to_string());
        assert_eq!(until("2026-11-22T00:59:59Z"), None);
        assert_eq!(until("2026-11-22T01:00:00Z").as_deref(), Some("2026-11-22T02:00:00Z"));
        assert_eq!(until("2026-11-22T01:59:59Z").as_deref(), Some("2026-11-22T02:00:00Z"));
        assert_eq!(until("2026-11-22T02:00:00Z"), None);
    }
}

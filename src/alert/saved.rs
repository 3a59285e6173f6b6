//! What outlives the prober: the states of alerts, and above all who was told what. The runs themselves are in the history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::engine::{CONNECTIVITY, Engine, Pair};
use super::flap::Flap;
use super::group::Member;
use super::notification::AlertView;
use super::outage::{Known, Target};
use super::receiver::Receiver;
use super::repair::Asker;
use super::said;
use super::state::{Gauge, State};
use super::stretches::Stretches;
use super::window::{Nanos, nanos};
use crate::base::clock::Now;
use crate::base::name::Name;

/// The version of a snapshot.
pub(super) const SCHEMA: &str = "mcp-probe/alert-state/1";

#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    pub schema: String,
    pub at: Timestamp,
    pub outage: Option<Timestamp>,
    pub alerts: Vec<SavedAlert>,
    pub groups: Vec<SavedGroup>,
    pub repairs: Vec<SavedRepair>,
    /// When our own network did not work. Like what follows not in old snapshots.
    #[serde(default)]
    pub outages: Vec<SavedStretch>,
    #[serde(default)]
    pub back_at: Option<Timestamp>,
    #[serde(default)]
    pub targets: Vec<SavedTarget>,
}

/// How a target was, where that says something of others or of our own network.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedTarget {
    pub target: String,
    pub failing: bool,
    pub local: bool,
    pub judged_at: Option<Timestamp>,
    pub good_at: Option<Timestamp>,
    pub recovered_at: Option<Timestamp>,
    pub bad_since: Option<Timestamp>,
    pub failures: Vec<SavedStretch>,
}

/// From a time to another, or to now.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct SavedStretch {
    pub from: Timestamp,
    pub until: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedAlert {
    pub alert: String,
    pub probe: String,
    pub target: String,
    /// What it is about; a rule of the same name may be about something else by now. Not in old snapshots.
    #[serde(default)]
    pub cause: Option<String>,
    pub state: SavedState,
    pub since: Timestamp,
    pub flap: Flap,
    /// The digest of the tools that are known, of a rule that looks for drift.
    #[serde(default)]
    pub known_tools: Option<Name>,
    /// The first run that it knew of. Not in old snapshots.
    #[serde(default)]
    pub seen_from: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SavedState {
    Inactive,
    Pending,
    Firing,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedGroup {
    pub target: String,
    pub cause: String,
    pub channel: String,
    pub flushed: Option<Timestamp>,
    pub told_at: Option<Timestamp>,
    pub members: Vec<SavedMember>,
    /// Like what follows not in old snapshots.
    #[serde(default)]
    pub moved: Option<String>,
    #[serde(default)]
    pub receiver: Option<Receiver>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedMember {
    pub view: AlertView,
    pub wants_end: bool,
    pub remind_seconds: Option<u64>,
    pub told: bool,
    pub flapping: bool,
    #[serde(default)]
    pub again: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedRepair {
    pub target: String,
    pub times: Vec<Timestamp>,
    pub escalated: bool,
    /// For which alert and probe. Not in old snapshots.
    #[serde(default)]
    pub escalated_for: Option<(String, String)>,
}

impl Saved {
    /// A snapshot; none of another version.
    pub fn read(snapshot: &Value) -> Option<Self> {
        Self::deserialize(snapshot).ok().filter(|saved| saved.schema == SCHEMA)
    }
}

/// An alert as a snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The alert.
    pub alert: String,
    /// Its probe; empty where it is of the prober as a whole.
    pub probe: String,
    /// Its target; likewise.
    pub target: String,
    /// Whether it fires; else it is pending.
    pub firing: bool,
    /// Since when.
    pub since: Timestamp,
}

/// When a snapshot was taken, and the alerts that were pending or fired then. None of a snapshot of another version.
#[must_use]
pub fn remembered(snapshot: &Value) -> Option<(Timestamp, Vec<Remembered>)> {
    let saved = Saved::read(snapshot)?;
    let open = saved.alerts.into_iter().filter(|alert| alert.state != SavedState::Inactive);
    let remembered = open.map(|SavedAlert { alert, probe, target, state, since, .. }| {
        let firing = state == SavedState::Firing;
        Remembered { alert, probe, target, firing, since }
    });
    // The alert about our own network has no rule, and is about no target.
    let network = saved.outage.map(|since| {
        let (alert, probe, target) = (CONNECTIVITY.to_owned(), String::new(), String::new());
        Remembered { alert, probe, target, firing: true, since }
    });
    Some((saved.at, network.into_iter().chain(remembered).collect()))
}

impl Engine {
    /// Everything that must outlive the prober, as JSON; times are times of day.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        let now = self.now;
        let wall = |at: Nanos| wall_of(now, at - nanos(now.monotonic));
        let wall_of_boot = |at: Nanos| wall_of(now, at - nanos(now.boot));
        let mut alerts = self.aside.clone();
        alerts.extend(self.pairs.iter().flat_map(|pair| pair.saved_alerts(now)));
        let groups = self.desk.groups.iter().map(|(key, group)| SavedGroup {
            target: key.target.clone(),
            cause: key.cause.clone(),
            channel: key.channel.clone(),
            flushed: group.flushed.map(wall),
            told_at: group.told_at.map(wall_of_boot),
            members: group.members.iter().map(saved_member).collect(),
            moved: key.moved.clone(),
            receiver: group.receiver.clone(),
        });
        let repairs = self.repairs.iter().map(|(target, repair)| SavedRepair {
            target: target.clone(),
            times: repair.times.iter().map(|at| wall(*at)).collect(),
            escalated: repair.escalated,
            escalated_for: repair.escalated_for.clone().map(|Asker { alert, probe }| (alert, probe)),
        });
        let oldest = nanos(now.monotonic) - self.targets.keep;
        let stretches = |all: &Stretches| {
            let since = all.since(oldest);
            since.map(|one| SavedStretch { from: wall(one.from), until: one.until.map(wall) }).collect::<Vec<_>>()
        };
        let tells = self.targets.list.iter().enumerate().filter(|(number, target)| {
            let Known { failing, bad_since, local, .. } = target.known;
            failing || local || bad_since.is_some() || self.targets.is_needed(*number)
        });
        let targets = tells.map(|(_, Target { name, known, .. })| SavedTarget {
            target: name.clone(),
            failing: known.failing,
            local: known.local,
            judged_at: known.judged_at.map(wall),
            good_at: known.good_at.map(wall),
            recovered_at: known.recovered_at.map(wall),
            bad_since: known.bad_since.map(wall),
            failures: stretches(&known.failures),
        });
        let saved = Saved {
            schema: SCHEMA.to_owned(),
            at: now.wall,
            outage: self.targets.outage,
            alerts,
            groups: groups.collect(),
            repairs: repairs.collect(),
            outages: stretches(&self.targets.outages),
            back_at: self.targets.back_at.map(wall),
            targets: targets.collect(),
        };
        serde_json::to_value(saved).unwrap_or_default()
    }
}

impl Pair {
    /// Where its alerts stand, those aside of which there is nothing to say.
    pub(super) fn saved_alerts(&self, now: Now) -> Vec<SavedAlert> {
        let wall = |at: Nanos| wall_of(now, at - nanos(now.monotonic));
        let mut alerts = Vec::new();
        for instance in &self.instances {
            let known_tools = match &instance.gauge {
                Gauge::Drift(drift) => drift.known.clone(),
                _ => None,
            };
            let (state, since) = match instance.state {
                State::Inactive if instance.flap == Flap::default() && known_tools.is_none() => continue,
                State::Inactive => (SavedState::Inactive, now.wall),
                State::Pending(at) => (SavedState::Pending, wall(at)),
                State::Firing(since) | State::Resolving(since, _) => (SavedState::Firing, since),
            };
            let (alert, flap) = (instance.rule.name.clone(), instance.flap);
            let (probe, target) = (self.watched.probe.to_string(), self.watched.target.to_string());
            let cause = Some(said::cause(&instance.rule.condition).to_owned());
            let seen_from = instance.seen_from.into_iter().chain(instance.known_from).min().map(wall);
            alerts.push(SavedAlert { alert, probe, target, cause, state, since, flap, known_tools, seen_from });
        }
        alerts
    }
}

fn saved_member(member: &Member) -> SavedMember {
    SavedMember {
        view: member.view.clone(),
        wants_end: member.wants_end,
        remind_seconds: member.remind.map(|remind| remind.as_secs()),
        told: member.told,
        flapping: member.flapping,
        again: member.again,
    }
}

/// The time of day so far from now.
pub(super) fn wall_of(now: Now, ahead: Nanos) -> Timestamp {
    now.wall.checked_add(jiff::SignedDuration::from_nanos(ahead)).unwrap_or(now.wall)
}

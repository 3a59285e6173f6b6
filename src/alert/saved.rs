//! What outlives a change of the files and a restart of the prober: windows, states, and above all who was told what, so
//! that everybody who heard of a beginning hears of the end.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::engine::{Action, Engine, change, keep};
use super::flap::Flap;
use super::group::{Desk, Group, GroupKey, Member, Who};
use super::notification::AlertView;
use super::outage::{Outage, Run};
use super::repair::Repair;
use super::rule::{Rule, Urgency};
use super::said;
use super::settings::{Settings, Watched};
use super::state::{Gauge, State};
use super::window::{Entry, Nanos, nanos};
use crate::base::clock::Now;
use crate::event::{Reason, Sample};

/// The version of a snapshot.
const SCHEMA: &str = "mcp-probe/alert-state/1";

#[derive(Serialize, Deserialize)]
struct Saved {
    schema: String,
    at: Timestamp,
    outage: Option<Timestamp>,
    alerts: Vec<SavedAlert>,
    groups: Vec<SavedGroup>,
    repairs: Vec<SavedRepair>,
}

#[derive(Serialize, Deserialize)]
struct SavedAlert {
    alert: String,
    probe: String,
    target: String,
    state: SavedState,
    since: Timestamp,
    flap: Flap,
    /// The digest of the tools that are known, of a rule that looks for drift.
    #[serde(default)]
    known_tools: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedState {
    Inactive,
    Pending,
    Firing,
}

#[derive(Serialize, Deserialize)]
struct SavedGroup {
    target: String,
    cause: String,
    channel: String,
    flushed: Option<Timestamp>,
    told_at: Option<Timestamp>,
    members: Vec<SavedMember>,
}

#[derive(Serialize, Deserialize)]
struct SavedMember {
    view: AlertView,
    wants_end: bool,
    remind_seconds: Option<u64>,
    told: bool,
    flapping: bool,
}

#[derive(Serialize, Deserialize)]
struct SavedRepair {
    target: String,
    times: Vec<Timestamp>,
    escalated: bool,
}

/// An alert as a snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The alert.
    pub alert: String,
    /// Its probe.
    pub probe: String,
    /// Its target.
    pub target: String,
    /// Whether it fires; else it is pending.
    pub firing: bool,
    /// Since when.
    pub since: Timestamp,
}

/// When a snapshot was taken, and the alerts that were pending or fired then. None of a snapshot of another version.
#[must_use]
pub fn remembered(snapshot: &Value) -> Option<(Timestamp, Vec<Remembered>)> {
    let saved = Saved::deserialize(snapshot).ok().filter(|saved| saved.schema == SCHEMA)?;
    let open = saved.alerts.into_iter().filter(|alert| alert.state != SavedState::Inactive);
    let remembered = open.map(|SavedAlert { alert, probe, target, state, since, .. }| {
        let firing = state == SavedState::Firing;
        Remembered { alert, probe, target, firing, since }
    });
    Some((saved.at, remembered.collect()))
}

impl Engine {
    /// Takes up new files. What is the same keeps its windows and states; what fires and is gone ends, and says why.
    pub fn reload(&mut self, rules: Vec<Rule>, watched: Vec<Watched>, settings: Settings, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        let mut old = std::mem::replace(self, Self::new(rules, watched, settings, now));
        self.targets.take_over(&old.targets);
        self.desk = std::mem::take(&mut old.desk);
        self.repairs = std::mem::take(&mut old.repairs);
        self.repair_next = old.repair_next;
        for number in 0..self.pairs.len() {
            let pair = &mut self.pairs[number];
            let Some(before) = old.find(&pair.watched.probe, &pair.watched.target) else { continue };
            let before = &mut old.pairs[before];
            pair.ring = std::mem::take(&mut before.ring);
            pair.ring.resize(keep(&pair.instances, pair.watched.every));
            (pair.last_at, pair.data_at, pair.last) = (before.last_at, before.data_at, before.last);
            pair.last_failure = before.last_failure.take();
            let same_grid = pair.watched.every == before.watched.every;
            for instance in &mut pair.instances {
                let known = before.instances.iter().find(|have| have.rule.name == instance.rule.name);
                let known =
                    known.filter(|have| said::cause(&have.rule.condition) == said::cause(&instance.rule.condition));
                if let Some(known) = known.filter(|have| same_grid && have.rule.condition == instance.rule.condition) {
                    (instance.gauge, instance.seen_from) = (known.gauge.clone(), known.seen_from);
                } else {
                    instance.recount(&pair.ring);
                }
                if let Some(known) = known {
                    (instance.state, instance.flap) = (known.state, known.flap);
                }
            }
            self.await_data(number);
        }
        self.end_what_is_gone(now, &mut out);
        for number in 0..self.pairs.len() {
            for place in 0..self.pairs[number].instances.len() {
                if let Some(since) = self.pairs[number].instances[place].state.since() {
                    // Channels that the rule tells from now on hear of it, too.
                    let view = self.view(number, place, since);
                    self.fire(number, place, &view, now);
                }
            }
        }
        for pair in &old.pairs {
            for instance in pair.instances.iter().filter(|instance| instance.state.is_firing()) {
                let (probe, target, rule) = (&pair.watched.probe, &pair.watched.target, &instance.rule.name);
                if !self.is_firing(rule, probe, target) {
                    let message = self.why_gone(rule, probe, target);
                    out.push(Action::Changed(change(rule, probe, target, "resolved", false, message)));
                }
            }
        }
        self.due(now, &mut out);
        out
    }

    /// Ends what channels know of and no rule looks at any more.
    fn end_what_is_gone(&mut self, now: Now, out: &mut Vec<Action>) {
        let _ = out;
        let mut gone = BTreeSet::new();
        for (key, group) in &self.desk.groups {
            for member in
                group.members.iter().filter(|member| member.view.ended.is_none() && !member.view.target.is_empty())
            {
                let AlertView { alert, probe, target, .. } = &member.view;
                if !self.is_firing_for(alert, probe, target, &key.cause) {
                    gone.insert((alert.clone(), probe.clone(), target.clone(), key.cause.clone()));
                }
            }
        }
        for (alert, probe, target, cause) in &gone {
            let because = self.why_gone(alert, probe, target);
            let who = Who { alert, probe, target, cause };
            self.desk.forget(who);
            self.desk.end(who, None, Some(because), Duration::ZERO, now);
        }
    }

    fn is_firing(&self, alert: &str, probe: &str, target: &str) -> bool {
        self.find(probe, target).is_some_and(|number| {
            let mut instances = self.pairs[number].instances.iter();
            instances.any(|instance| instance.rule.name == alert && instance.state.is_firing())
        })
    }

    fn is_firing_for(&self, alert: &str, probe: &str, target: &str, cause: &str) -> bool {
        self.find(probe, target).is_some_and(|number| {
            let mut instances = self.pairs[number].instances.iter();
            instances.any(|instance| {
                instance.rule.name == alert
                    && said::cause(&instance.rule.condition) == cause
                    && instance.state.is_firing()
            })
        })
    }

    fn why_gone(&self, alert: &str, probe: &str, target: &str) -> &'static str {
        match self.find(probe, target) {
            _ if self.targets.find(target).is_none() => "target removed",
            None => "probe removed",
            Some(_) if self.rules.iter().any(|rule| rule.name == alert) => "rule changed",
            Some(_) => "rule removed",
        }
    }

    /// Everything that must outlive the prober, as JSON; times are times of day.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        let now = self.now;
        let wall = |at: Nanos| wall_of(now, at - nanos(now.monotonic));
        let wall_of_boot = |at: Nanos| wall_of(now, at - nanos(now.boot));
        let mut alerts = Vec::new();
        for pair in &self.pairs {
            for instance in &pair.instances {
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
                let (probe, target) = (pair.watched.probe.clone(), pair.watched.target.clone());
                alerts.push(SavedAlert { alert, probe, target, state, since, flap, known_tools });
            }
        }
        let groups = self.desk.groups.iter().map(|(key, group)| SavedGroup {
            target: key.target.clone(),
            cause: key.cause.clone(),
            channel: key.channel.clone(),
            flushed: group.flushed.map(wall),
            told_at: group.told_at.map(wall_of_boot),
            members: group.members.iter().map(saved_member).collect(),
        });
        let repairs = self.repairs.iter().map(|(target, repair)| SavedRepair {
            target: target.clone(),
            times: repair.times.iter().map(|at| wall(*at)).collect(),
            escalated: repair.escalated,
        });
        let saved = Saved {
            schema: SCHEMA.to_owned(),
            at: now.wall,
            outage: self.targets.outage.as_ref().map(|outage| outage.since),
            alerts,
            groups: groups.collect(),
            repairs: repairs.collect(),
        };
        serde_json::to_value(saved).unwrap_or_default()
    }

    /// Goes on from a snapshot and the runs that were recorded. What somebody was told is brought back however old it is;
    /// the rest only from a snapshot that is young. A snapshot of another version is left alone.
    pub fn restore(&mut self, snapshot: &Value, samples: impl Iterator<Item = Sample>, now: Now) -> Vec<Action> {
        self.now = now;
        let mut out = Vec::new();
        self.remember(samples, now);
        let Ok(saved) = Saved::deserialize(snapshot) else { return out };
        if saved.schema != SCHEMA {
            return out;
        }
        let age = now.wall.duration_since(saved.at);
        let is_young = Duration::try_from(age).is_ok_and(|age| age <= self.settings.outage_tolerance);
        let mono = |at: Timestamp| nanos(now.monotonic) - ago(now, at);
        for alert in &saved.alerts {
            let Some(number) = self.find(&alert.probe, &alert.target) else { continue };
            let mut instances = self.pairs[number].instances.iter_mut();
            let Some(instance) = instances.find(|instance| instance.rule.name == alert.alert) else { continue };
            if let Gauge::Drift(drift) = &mut instance.gauge {
                drift.known.clone_from(&alert.known_tools);
            }
            instance.flap = if is_young { alert.flap } else { Flap::default() };
            instance.state = match alert.state {
                SavedState::Firing => State::Firing(alert.since),
                SavedState::Pending if is_young => State::Pending(mono(alert.since)),
                SavedState::Pending | SavedState::Inactive => State::Inactive,
            };
        }
        self.restore_groups(saved.groups, is_young, now);
        for repair in saved.repairs {
            let times = repair.times.into_iter().map(mono).collect();
            self.repairs.insert(repair.target, Repair { times, escalated: repair.escalated, ..Repair::default() });
        }
        if let Some(since) = saved.outage {
            let from = mono(since);
            self.targets.outage = Some(Outage { since, from });
        }
        // What fires without anybody to tell, and is old, is seen anew.
        self.end_what_is_gone(now, &mut out);
        for number in 0..self.pairs.len() {
            self.await_data(number);
        }
        self.desk.look(now);
        self.due(now, &mut out);
        out
    }

    fn restore_groups(&mut self, groups: Vec<SavedGroup>, is_young: bool, now: Now) {
        let mut desk = Desk::default();
        for saved in groups {
            let told = |member: &SavedMember| member.told || is_young;
            let members: Vec<Member> = saved.members.into_iter().filter(told).map(member).collect();
            let waits = members.iter().any(|member| !member.told || member.view.ended.is_some());
            let due = waits.then(|| nanos(now.monotonic) + nanos(self.settings.group_wait));
            let group = Group {
                members,
                due,
                flushed: saved.flushed.map(|at| nanos(now.monotonic) - ago(now, at)),
                told_at: saved.told_at.map(|at| nanos(now.boot) - ago(now, at)),
            };
            let key = GroupKey { target: saved.target, cause: saved.cause, channel: saved.channel };
            if !group.members.is_empty() {
                desk.groups.insert(key, group);
            }
        }
        self.desk = desk;
    }

    /// Fills the windows with runs that were recorded; fires nothing.
    fn remember(&mut self, samples: impl Iterator<Item = Sample>, now: Now) {
        for sample in samples {
            let Some(number) = self.find(&sample.probe, &sample.target) else { continue };
            let at = nanos(now.monotonic) - ago(now, sample.at);
            let pair = &mut self.pairs[number];
            let run = Run::of(&sample, at);
            if !run.judged || sample.at > now.wall || pair.last_at.is_some_and(|last| last > at) {
                continue;
            }
            (pair.last_at, pair.last) = (Some(at), Some(run));
            if run.failed {
                let reason = sample.reason.unwrap_or(Reason::Check);
                pair.last_failure = Some((reason, sample.message.clone().unwrap_or_default()));
            }
            let latencies = sample.latencies.iter().map(|latency| latency.took).collect();
            pair.ring.push(Entry { at, failed: run.failed, network: run.network, voided: false, latencies });
            for instance in &mut pair.instances {
                instance.push(&pair.ring, &sample, run.failed);
            }
            pair.ring.trim();
        }
    }
}

fn saved_member(member: &Member) -> SavedMember {
    SavedMember {
        view: member.view.clone(),
        wants_end: member.wants_end,
        remind_seconds: member.remind.map(|remind| remind.as_secs()),
        told: member.told,
        flapping: member.flapping,
    }
}

fn member(saved: SavedMember) -> Member {
    let word = saved.view.severity.as_str();
    let severity = Urgency::WORDS.iter().find(|(name, _)| *name == word).map(|(_, urgency)| *urgency);
    Member {
        wants_end: saved.wants_end,
        remind: saved.remind_seconds.map(Duration::from_secs),
        told: saved.told,
        flapping: saved.flapping,
        ..Member::new(saved.view, severity.unwrap_or_default())
    }
}

/// How long ago a time of day was; what is yet to come is now.
fn ago(now: Now, at: Timestamp) -> Nanos {
    Nanos::try_from(now.wall.duration_since(at).as_nanos()).unwrap_or(Nanos::MAX / 4).max(0)
}

fn wall_of(now: Now, ahead: Nanos) -> Timestamp {
    now.wall.checked_add(jiff::SignedDuration::from_nanos(ahead)).unwrap_or(now.wall)
}

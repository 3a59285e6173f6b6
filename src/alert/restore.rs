//! An engine that goes on after the prober was away: with what a snapshot says and the runs that were recorded. What
//! somebody was told is brought back however long that was; the rest only after a short time, else it is seen anew.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::engine::{Action, Engine, who};
use super::group::{Desk, Group, GroupKey, Member};
use super::outage::{Known, Run};
use super::repair::{Asker, Repair};
use super::rule::Urgency;
use super::saved::{Saved, SavedAlert, SavedGroup, SavedMember, SavedState, SavedStretch};
use super::state::{Gauge, State};
use super::stretches::{Stretch, Stretches};
use super::window::{Nanos, Streak, nanos};
use crate::base::clock::Now;
use crate::event::Sample;

impl Engine {
    /// The probe and the target of every pair, and how old the runs are that its rules look back at.
    #[must_use]
    pub fn looks_back(&self) -> Vec<(String, String, Duration)> {
        let pairs = self.pairs.iter().map(|pair| {
            let spans = pair.instances.iter().map(|instance| instance.rule.condition.looks_back(pair.watched.every));
            let longest = spans.max().unwrap_or_default().max(self.settings.outage_tolerance);
            (pair.watched.probe.to_string(), pair.watched.target.to_string(), longest)
        });
        pairs.collect()
    }

    /// Goes on from a snapshot and the runs that were recorded. What somebody was told is brought back however old it is;
    /// the rest only from a snapshot that is young. A snapshot of another version is left alone.
    pub fn restore(&mut self, snapshot: &Value, samples: impl Iterator<Item = Sample>, now: Now) -> Vec<Action> {
        self.now = now;
        let mut out = Vec::new();
        let saved = Saved::read(snapshot);
        let Some(saved) = saved else {
            for sample in samples {
                self.remember(&sample, now);
            }
            return out;
        };
        // A clock that was set back does not say how old it is, nor when the runs were.
        let age = Duration::try_from(now.wall.duration_since(saved.at)).ok();
        let is_young = age.is_some_and(|age| age <= self.settings.outage_tolerance);
        self.restore_targets(&saved, now);
        let mut since = Vec::new();
        for sample in samples.filter(|_| age.is_some()) {
            if self.is_news(&sample, saved.at, now) {
                since.push(sample);
            } else {
                self.remember(&sample, now);
            }
        }
        self.restore_groups(saved.groups, is_young, now);
        self.put_aside(saved.alerts, is_young, now);
        since.sort_by_key(|sample| sample.at);
        for sample in since {
            self.catch_up(&sample, now, &mut out);
        }
        self.targets.hold_on(nanos(now.monotonic));
        if !is_young {
            // Windows are times, and know what is missing; a row of failures does not.
            self.forget_rows();
        }
        for repair in saved.repairs {
            let times = repair.times.into_iter().map(|at| past(now, at)).collect();
            let escalated_for = repair.escalated_for.map(|(alert, probe)| Asker { alert, probe });
            let repaired = Repair { times, escalated: repair.escalated, escalated_for, ..Repair::default() };
            self.repairs.insert(repair.target, repaired);
        }
        self.end_what_is_gone(now);
        self.move_on(now);
        self.go_on_with_outage(now);
        self.fire_where_nobody_knows(now, &mut out);
        self.await_all_data();
        self.desk.look(now);
        self.due(now, &mut out);
        out
    }

    /// How targets and our own network were, however long ago: until a target has been looked at, it is taken for what it
    /// was, and then it says for itself. Runs that failed for something else must be known before any are counted.
    fn restore_targets(&mut self, saved: &Saved, now: Now) {
        let past = |at: Timestamp| past(now, at);
        let stretches = |saved: &[SavedStretch]| {
            let mut stretches = Stretches::default();
            for one in saved {
                stretches.add(Stretch { from: past(one.from), until: one.until.map(past) });
            }
            stretches
        };
        self.targets.outage = saved.outage;
        self.targets.outages = stretches(&saved.outages);
        self.targets.back_at = saved.back_at.map(past);
        for saved in &saved.targets {
            let Some(number) = self.targets.find(&saved.target) else { continue };
            self.targets.list[number].known = Known {
                judged_at: saved.judged_at.map(past),
                good_at: saved.good_at.map(past),
                failing: saved.failing,
                stale_at: None,
                asked_at: None,
                recovered_at: saved.recovered_at.map(past),
                bad_since: saved.bad_since.map(past),
                local: saved.local,
                failures: stretches(&saved.failures),
            };
        }
        self.targets.recount(nanos(now.monotonic));
    }

    /// Brings back where alerts stand. What is left out is kept for a time when it is watched again.
    pub(super) fn put_aside(&mut self, alerts: Vec<SavedAlert>, is_young: bool, now: Now) {
        for alert in alerts {
            if self.find(&alert.probe, &alert.target).is_some() {
                self.restore_alert(&alert, is_young, now);
            } else if self.settings.left_out.has(&alert.probe, &alert.target) {
                self.aside.push(alert);
            }
        }
    }

    /// Where an alert stands: as it stood, if that was a short time ago or somebody was told so. The rest is seen anew.
    fn restore_alert(&mut self, saved: &SavedAlert, is_young: bool, now: Now) {
        let Some(number) = self.find(&saved.probe, &saved.target) else { return };
        let pair = &mut self.pairs[number];
        let Some(instance) = pair.instances.iter_mut().find(|instance| instance.rule.name == saved.alert) else {
            return;
        };
        let who = who(&pair.watched, &instance.rule);
        if saved.cause.as_ref().is_some_and(|cause| cause != who.cause) {
            return;
        }
        if let Gauge::Drift(drift) = &mut instance.gauge {
            drift.known.clone_from(&saved.known_tools);
        }
        if !is_young && !self.desk.is_told(who) {
            return;
        }
        instance.flap = saved.flap;
        instance.known_from = saved.seen_from.map(|at| mono_of(now, at));
        instance.state = match saved.state {
            SavedState::Firing => State::Firing(saved.since),
            SavedState::Pending if is_young => State::Pending(past(now, saved.since)),
            SavedState::Pending | SavedState::Inactive => State::Inactive,
        };
    }

    /// Hands what fires to the channels that have not heard of it: those that the rule tells only now, and those that were
    /// still to be told.
    fn fire_where_nobody_knows(&mut self, now: Now, out: &mut Vec<Action>) {
        for number in 0..self.pairs.len() {
            for place in 0..self.pairs[number].instances.len() {
                let pair = &self.pairs[number];
                let Some(since) = pair.instances[place].state.since() else { continue };
                let known = self.desk.channels_of(who(&pair.watched, &pair.instances[place].rule));
                let is_known = pair.instances[place].rule.notify.iter().all(|channel| known.contains(channel));
                let (target, fired) = (pair.target, past(now, since));
                let view = self.view(number, place, since);
                self.fire(number, place, &view, &known, now);
                if !is_known {
                    self.look_for_causes(target, fired, now, out);
                }
            }
        }
    }

    fn restore_groups(&mut self, groups: Vec<SavedGroup>, is_young: bool, now: Now) {
        let mut desk = Desk::default();
        for saved in groups {
            let told = |member: &SavedMember| member.told || is_young;
            let members: Vec<Member> = saved.members.into_iter().filter(told).map(member).collect();
            let waits = members.iter().any(|member| member.waits() || member.has_ended());
            let due = waits.then(|| nanos(now.monotonic) + nanos(self.settings.group_wait));
            let group = Group {
                members,
                due,
                flushed: saved.flushed.map(|at| past(now, at)),
                told_at: saved.told_at.map(|at| nanos(now.boot) - ago(now, at)),
                receiver: saved.receiver,
            };
            let SavedGroup { target, cause, channel, moved, .. } = saved;
            let key = GroupKey { target, cause, channel, moved };
            if !group.members.is_empty() {
                desk.groups.insert(key, group);
            }
        }
        self.desk = desk;
    }

    /// Whether the snapshot does not know of a run yet, as far as it says anything of its target. A run is recorded with the
    /// time at which it was due: it may have ended after the snapshot all the same.
    fn is_news(&self, sample: &Sample, saved_at: Timestamp, now: Now) -> bool {
        let Some(number) = self.find(&sample.probe, &sample.target) else { return false };
        let target = &self.targets.list[self.pairs[number].target];
        let at = past(now, sample.at);
        match target.known.judged_at {
            // Clocks that are read one after the other do not say quite the same.
            Some(judged) => at > judged + target.every / 20,
            None => at > past(now, saved_at) - target.every,
        }
    }

    /// What a run that the snapshot does not know of said of its target, and what follows for others.
    fn catch_up(&mut self, sample: &Sample, now: Now, out: &mut Vec<Action>) {
        let Some((target, run)) = self.remember(sample, now) else { return };
        let fails = self.fails_as_whole(target);
        for turn in self.targets.notice(target, &run, fails, (run.at, sample.at)) {
            self.turn(turn, now, out);
        }
    }

    /// Takes a run that was recorded into the windows; fires nothing. Gives its target, where it could be judged.
    fn remember(&mut self, sample: &Sample, now: Now) -> Option<(usize, Run)> {
        let number = self.find(&sample.probe, &sample.target)?;
        let at = past(now, sample.at);
        let pair = &mut self.pairs[number];
        let run = Run::of(sample, at);
        if !run.judged || sample.at > now.wall || pair.last_at.is_some_and(|last| last > at) {
            return None;
        }
        (pair.last_at, pair.last) = (Some(at), Some(run));
        if run.failed && self.targets.explains(pair.target, at, run.network) {
            return Some((pair.target, run));
        }
        pair.count(&run, sample);
        Some((pair.target, run))
    }

    fn forget_rows(&mut self) {
        for instance in self.pairs.iter_mut().flat_map(|pair| &mut pair.instances) {
            if let Gauge::Streak(streak, _) = &mut instance.gauge {
                *streak = Streak::default();
            }
        }
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
        again: saved.again,
        ..Member::new(saved.view, severity.unwrap_or_default())
    }
}

/// A time of day on the monotonic clock, also one that is yet to come.
fn mono_of(now: Now, at: Timestamp) -> Nanos {
    let ago = Nanos::try_from(now.wall.duration_since(at).as_nanos()).unwrap_or(Nanos::MAX / 4);
    nanos(now.monotonic).saturating_sub(ago)
}

/// A time of day on the monotonic clock; what is yet to come is now.
fn past(now: Now, at: Timestamp) -> Nanos {
    nanos(now.monotonic) - ago(now, at)
}

/// How long ago a time of day was; what is yet to come is now.
fn ago(now: Now, at: Timestamp) -> Nanos {
    Nanos::try_from(now.wall.duration_since(at).as_nanos()).unwrap_or(Nanos::MAX / 4).max(0)
}

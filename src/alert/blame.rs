//! What follows where something else is to blame: failures that are already counted are taken back where another target, or
//! our own network, explains them, and of the latter there is one alert.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::engine::{Action, CONNECTIVITY, Engine, change, who};
use super::explained::{Explained, fails_above, no_network};
use super::group::{GroupKey, Member, Who};
use super::notification::AlertView;
use super::outage::{NETWORK, Run, Turn};
use super::rule::Urgency;
use super::saved::wall_of;
use super::state::{Reading, State};
use super::window::{Nanos, nanos};
use crate::base::clock::Now;

impl Engine {
    /// What another target's or our own failure means for the runs that are already counted.
    pub(super) fn turn(&mut self, turn: Turn, now: Now, out: &mut Vec<Action>) {
        match turn {
            Turn::Fails { targets, from } => {
                for target in targets {
                    self.void(target, from, false, now, out);
                }
            }
            Turn::Lost { from } => {
                for target in 0..self.targets.list.len() {
                    self.void(target, from, true, now, out);
                }
                let summary = self.connectivity(now.wall).summary;
                out.push(Action::Changed(change(CONNECTIVITY, "", "", "firing", true, &summary)));
                self.go_on_with_outage(now);
            }
            Turn::Back => {
                let (alert, probe, target, cause) = (CONNECTIVITY, "", "", "connectivity");
                let summary = "the prober reaches the network again";
                let who = Who { alert, probe, target, cause };
                self.desk.end(who, Some(summary), None, self.settings.group_interval, now);
                out.push(Action::Changed(change(CONNECTIVITY, "", "", "resolved", false, summary)));
            }
        }
    }

    /// Our own network does not work: channels that have not heard of it do.
    pub(super) fn go_on_with_outage(&mut self, now: Now) {
        if let Some(since) = self.targets.outage {
            self.fire_connectivity(since, now);
        }
    }

    /// Hands the alert about our own network to all channels.
    fn fire_connectivity(&mut self, since: Timestamp, now: Now) {
        let view = self.connectivity(since);
        let mut channels: Vec<&String> = self.rules.iter().flat_map(|rule| &rule.notify).collect();
        channels.sort();
        channels.dedup();
        for channel in channels {
            let (target, cause) = (String::new(), "connectivity".to_owned());
            let key = GroupKey { target, cause, channel: channel.clone(), moved: None };
            let view = view.clone();
            let member = Member { wants_end: true, ..Member::new(view, Urgency::Critical) };
            self.desk.fire(key, member, &self.settings, true, nanos(now.monotonic));
        }
    }

    pub(super) fn connectivity(&self, since: Timestamp) -> AlertView {
        let (bad, all) = self.targets.counts();
        let summary = if self.settings.reference.is_empty() {
            format!(
                "{bad} of {all} targets became unreachable at about the same time: the network of the prober, or \
                 something that they share, does not work; their own alerts wait"
            )
        } else {
            format!(
                "no target of `reference` can be reached, {bad} of {all} targets cannot: the network of the prober does \
                 not work; alerts of targets that cannot be reached wait"
            )
        };
        AlertView {
            alert: CONNECTIVITY.to_owned(),
            probe: String::new(),
            target: String::new(),
            severity: Urgency::Critical.name().to_owned(),
            labels: BTreeMap::new(),
            summary,
            reason: None,
            details: None,
            since,
            ended: None,
            ended_because: None,
            told: 0,
        }
    }

    /// Takes back what failed since a time, of a target whose failures something else explains.
    fn void(&mut self, target: usize, from: Nanos, network_only: bool, now: Now, out: &mut Vec<Action>) {
        let above = self.targets.failing_above(target).filter(|_| !network_only);
        let why = above.map_or_else(no_network, fails_above);
        for number in self.targets.list[target].pairs.clone() {
            let pair = &mut self.pairs[number];
            let times = pair.ring.void(from, network_only);
            let (Some(at), Some(newest), Some(oldest)) = (pair.last_at, times.first(), times.last()) else { continue };
            // The nearest other run is much further away.
            let slack = nanos(pair.watched.every) / 4;
            let wall = |at: Nanos| wall_of(now, at - nanos(now.monotonic));
            out.push(Action::Explained(Explained {
                probe: pair.watched.probe.to_string(),
                target: pair.watched.target.to_string(),
                between: (wall(oldest - slack), wall(newest + slack)),
                reasons: if network_only { NETWORK } else { &[] },
                why: why.clone(),
            }));
            for place in 0..self.pairs[number].instances.len() {
                let pair = &mut self.pairs[number];
                let instance = &mut pair.instances[place];
                instance.void(&pair.ring, &times);
                if instance.state == State::Inactive || instance.reading(at, now.wall) == Reading::Holds {
                    continue;
                }
                let who = who(&pair.watched, &instance.rule);
                if self.desk.is_told(who) {
                    continue;
                }
                // Nobody heard of it, and it was not the target's own.
                let was_firing = instance.state.is_firing();
                instance.state = State::Inactive;
                self.desk.forget(who);
                if was_firing {
                    let message = "held: something else fails that explains it";
                    out.push(Action::Changed(change(who.alert, who.probe, who.target, "resolved", false, message)));
                }
            }
        }
    }

    /// A target fails as a whole where it cannot be reached and no probe of it was answered since, or where all of its
    /// probes fail. What a slow probe saw long before the newest run says nothing of now.
    pub(super) fn fails_as_whole(&self, target: usize) -> bool {
        let target = &self.targets.list[target];
        let runs: Vec<Run> = target.pairs.iter().filter_map(|pair| self.pairs[*pair].last).collect();
        let newest = runs.iter().map(|run| run.at).max();
        let is_fresh = |run: &&Run| newest.is_some_and(|newest| newest - run.at <= 2 * target.fastest);
        let last = |transport: bool| {
            runs.iter().filter(is_fresh).filter(|run| run.transport == transport).map(|run| run.at).max()
        };
        let (unreached, answered) = (last(true), last(false));
        unreached.is_some() && unreached >= answered
            || newest.is_some() && runs.iter().filter(is_fresh).all(|run| run.failed && !run.limited)
    }
}

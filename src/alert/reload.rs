//! New files for an engine at work: what is the same keeps its windows and states, and what fires and is gone ends, so that
//! everybody who heard of a beginning hears of the end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::engine::{Action, Engine, Pair, change, keep};
use super::group::Who;
use super::notification::AlertView;
use super::rule::Rule;
use super::said;
use super::settings::{Settings, Watched};
use super::state::Instance;
use super::window::nanos;
use crate::base::clock::Now;

impl Engine {
    /// Takes up new files. What is the same keeps its windows and states; what fires and is gone ends, and says why.
    pub fn reload(&mut self, rules: Vec<Rule>, watched: Vec<Watched>, settings: Settings, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        let mut old = std::mem::replace(self, Self::new(rules, watched, settings, now));
        self.targets.take_over(&old.targets, nanos(now.monotonic));
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
            pair.weighed_at = before.weighed_at;
            let same_grid = pair.watched.every == before.watched.every;
            for instance in &mut pair.instances {
                let known = before.instances.iter().find(|have| have.rule.name == instance.rule.name);
                let known =
                    known.filter(|have| said::cause(&have.rule.condition) == said::cause(&instance.rule.condition));
                let is_same = |have: &Instance| same_grid && have.rule.condition == instance.rule.condition;
                let is_same = known.is_some_and(is_same);
                if !known.is_some_and(|known| instance.adopt(known, is_same)) {
                    instance.recount(&pair.ring);
                }
                if let Some(known) = known {
                    (instance.state, instance.flap) = (known.state, known.flap);
                }
            }
        }
        let mut aside = std::mem::take(&mut old.aside);
        let is_aside = |pair: &&Pair| self.settings.left_out.has(&pair.watched.probe, &pair.watched.target);
        aside.extend(old.pairs.iter().filter(is_aside).flat_map(|pair| pair.saved_alerts(now)));
        self.put_aside(aside, true, now);
        self.await_all_data();
        self.end_what_is_gone(now);
        self.move_on(now);
        self.go_on_with_outage(now);
        for number in 0..self.pairs.len() {
            for place in 0..self.pairs[number].instances.len() {
                if let Some(since) = self.pairs[number].instances[place].state.since() {
                    // Channels that the rule tells from now on hear of it, too.
                    let view = self.view(number, place, since);
                    self.fire(number, place, &view, &[], now);
                }
            }
        }
        for pair in &old.pairs {
            for instance in pair.instances.iter().filter(|instance| instance.state.is_firing()) {
                let (probe, target, rule) = (&pair.watched.probe, &pair.watched.target, &instance.rule.name);
                if !self.is_firing(rule, probe, target) && !self.is_left_out(probe, target) {
                    let message = self.why_gone(rule, probe, target);
                    out.push(Action::Changed(change(rule, probe, target, "resolved", false, message)));
                }
            }
        }
        self.due(now, &mut out);
        out
    }

    /// Ends what channels know of and no rule looks at any more, and settles what no longer flaps.
    pub(super) fn end_what_is_gone(&mut self, now: Now) {
        let (mut gone, mut settled) = (BTreeSet::new(), BTreeSet::new());
        for (key, group) in &self.desk.groups {
            for member in group.members.iter().filter(|member| !member.view.target.is_empty()) {
                let AlertView { alert, probe, target, .. } = &member.view;
                let names = || (alert.clone(), probe.clone(), target.clone(), key.cause.clone());
                let instance = self.looks_at(alert, probe, target, &key.cause);
                let is_firing = instance.is_some_and(|instance| instance.state.is_firing());
                let is_flapping = instance.is_some_and(|instance| instance.flap.is_flapping);
                if self.is_left_out(probe, target) {
                    continue;
                }
                let is_gone = if member.has_ended() { member.flapping && instance.is_none() } else { !is_firing };
                if is_gone {
                    gone.insert(names());
                } else if member.flapping && !is_flapping {
                    settled.insert(names());
                }
            }
        }
        for (alert, probe, target, cause) in &gone {
            let because = self.why_gone(alert, probe, target);
            let who = Who { alert, probe, target, cause };
            self.desk.forget(who);
            self.desk.end(who, None, Some(because), Duration::ZERO, now);
        }
        for (alert, probe, target, cause) in &settled {
            self.desk.settles(Who { alert, probe, target, cause }, nanos(now.monotonic));
        }
    }

    /// Whether the files have it, and nobody looks at it here.
    fn is_left_out(&self, probe: &str, target: &str) -> bool {
        self.find(probe, target).is_none() && self.settings.left_out.has(probe, target)
    }

    fn is_firing(&self, alert: &str, probe: &str, target: &str) -> bool {
        self.find(probe, target).is_some_and(|number| {
            let mut instances = self.pairs[number].instances.iter();
            instances.any(|instance| instance.rule.name == alert && instance.state.is_firing())
        })
    }

    fn looks_at(&self, alert: &str, probe: &str, target: &str, cause: &str) -> Option<&Instance> {
        let mut instances = self.pairs[self.find(probe, target)?].instances.iter();
        instances.find(|instance| instance.rule.name == alert && said::cause(&instance.rule.condition) == cause)
    }

    fn why_gone(&self, alert: &str, probe: &str, target: &str) -> &'static str {
        match self.find(probe, target) {
            _ if self.targets.find(target).is_none() => "target removed",
            None => "probe removed",
            Some(_) if self.rules.iter().any(|rule| rule.name == alert) => "rule changed",
            Some(_) => "rule removed",
        }
    }
}

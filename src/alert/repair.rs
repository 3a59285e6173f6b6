//! Restarting a server that cannot be reached: how often, how far apart, and when to give up and call a person. Carried
//! out by others; here it is decided.

use std::sync::Arc;
use std::time::Duration;

use super::engine::{Action, Engine, change, who};
use super::group::{LOOK_AGAIN, Ready};
use super::notification::{AlertView, Transition};
use super::outage::Run;
use super::said;
use super::settings::Settings;
use super::window::{Nanos, nanos};
use crate::base::clock::Now;
use crate::event::Reason;

/// Between the first restart and the second; each further pause is twice as long.
const SPACING: Duration = Duration::from_secs(60);
/// A server that was restarted gets so long before it is looked at again.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// Restarts of a fleet are spread over this time.
const JITTER_MAX: Duration = Duration::from_secs(5);

/// Whether a server that fails in this way may be back after a restart. A name that cannot be resolved and a certificate
/// that is refused stay as they are; an answer that is wrong came from a server that runs.
#[must_use]
pub fn may_help(reason: Reason) -> bool {
    matches!(reason, Reason::Spawn | Reason::Exited | Reason::Connect | Reason::Closed | Reason::Timeout)
}

/// Which alert asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub alert: String,
    pub probe: String,
}

/// What was done for one target.
#[derive(Clone, Debug, Default)]
pub(super) struct Repair {
    /// When it was restarted, oldest first.
    pub times: Vec<Nanos>,
    /// Who waits for the next one, and when it is.
    pub due: Option<(Nanos, Asker)>,
    /// It is being restarted for this one.
    pub going_on: Option<Asker>,
    /// A failure after this moment means that the last restart did not help.
    pub verify_from: Option<Nanos>,
    /// A person was called; once until the alert ends.
    pub escalated: bool,
    /// For which one that was; not known of what was brought back from an old snapshot.
    pub escalated_for: Option<Asker>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Restart(Nanos),
    GiveUp,
}

impl Repair {
    /// When the next restart may be, if it may.
    pub fn next(&mut self, settings: &Settings, every: Duration, seed: u64, now: Nanos) -> Next {
        let oldest = now - nanos(settings.restarts_within);
        self.times.retain(|at| *at > oldest);
        let done = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        if done >= settings.restarts_max {
            return Next::GiveUp;
        }
        let jitter_max = nanos(JITTER_MAX.min(every)).max(1).unsigned_abs();
        let jitter =
            Nanos::try_from((seed ^ u64::from(done)).wrapping_mul(0x9e37_79b9_7f4a_7c15) % jitter_max).unwrap_or(0);
        let spaced = self.times.last().map_or(now, |last| last + (nanos(SPACING) << (done - 1).min(16)));
        Next::Restart(now.max(spaced) + jitter)
    }
}

impl Engine {
    /// A restart that [`Action::Restart`] asked for was carried out, or could not be.
    pub fn restarted(&mut self, target: &str, result: Result<String, String>, now: Now) -> Vec<Action> {
        self.now = now;
        let mut out = Vec::new();
        let grace = GRACE;
        let Some(repair) = self.repairs.get_mut(target) else { return out };
        let Some(asker) = repair.going_on.take() else { return out };
        let mono = nanos(now.monotonic);
        repair.verify_from = Some(if result.is_ok() { mono + nanos(grace) } else { mono });
        let Some((number, place)) = self.instance(&asker, target) else { return out };
        let times = self.repairs.get(target).map_or(0, |repair| repair.times.len());
        let summary = match &result {
            Ok(_) => format!("restarted for {} ({times} of {} times)", asker.alert, self.settings.restarts_max),
            Err(_) => format!("could not be restarted for {}", asker.alert),
        };
        let helped = result.is_ok();
        let (Ok(said) | Err(said)) = result;
        let mut view = self.firing_view(number, place, now);
        (view.summary, view.details) = (summary, (!said.is_empty()).then_some(said));
        self.say((number, place), (Transition::Restart, "restarted"), &view, now, &mut out);
        if helped {
            out.push(Action::Verify { probe: asker.probe, target: target.to_owned(), after: grace });
        }
        out
    }

    /// An alert that may restart its target fires, or a restart did not help.
    pub(super) fn plan_repair(&mut self, number: usize, place: usize, now: Now, out: &mut Vec<Action>) {
        let pair = &self.pairs[number];
        let helps = pair.last_failure.as_ref().is_some_and(|(reason, _)| may_help(*reason));
        if !pair.watched.can_restart || !helps || !pair.last.is_some_and(|run| run.failed) {
            return;
        }
        let target = pair.watched.target.to_string();
        let asker = Asker { alert: pair.instances[place].rule.name.clone(), probe: pair.watched.probe.to_string() };
        let every = pair.watched.every;
        let seed = seed(&self.settings.instance, &target);
        let was_for = self.repairs.get(&target).and_then(|repair| repair.escalated_for.clone());
        let is_over = was_for.is_some_and(|was_for| !self.fires(&was_for, &target));
        let repair = self.repairs.entry(target).or_default();
        if is_over {
            // Its rule went, or is another by now.
            (repair.escalated, repair.escalated_for) = (false, None);
        }
        if repair.due.is_some() || repair.going_on.is_some() || repair.escalated {
            return;
        }
        match repair.next(&self.settings, every, seed, nanos(now.monotonic)) {
            Next::Restart(at) => {
                repair.due = Some((at, asker));
                self.repair_soon(at);
            }
            Next::GiveUp => self.escalate(number, place, now, out),
        }
    }

    /// Calls a person; where nobody is to be called now, the next failure asks again.
    fn escalate(&mut self, number: usize, place: usize, now: Now, out: &mut Vec<Action>) {
        let mut view = self.firing_view(number, place, now);
        if self.ready(&view, now) != Ready::Tell {
            return;
        }
        if let Some(repair) = self.repairs.get_mut(&view.target) {
            repair.escalated = true;
            repair.escalated_for = Some(Asker { alert: view.alert.clone(), probe: view.probe.clone() });
        }
        let (max, within) = (self.settings.restarts_max, said::span(self.settings.restarts_within));
        view.summary =
            format!("restarting did not help, or was needed too often ({max} times within {within}): {}", view.summary);
        self.say((number, place), (Transition::Escalated, "escalated"), &view, now, out);
    }

    /// A run failed: where that is after a restart, it did not help.
    pub(super) fn look_after_repair(
        &mut self,
        number: usize,
        place: usize,
        run: &Run,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let pair = &self.pairs[number];
        let instance = &pair.instances[place];
        if !instance.rule.restart || !instance.state.is_firing() {
            return;
        }
        let has_failed_again = self
            .repairs
            .get(pair.watched.target.as_str())
            .is_none_or(|repair| repair.verify_from.is_none_or(|from| run.at >= from) && repair.going_on.is_none());
        if has_failed_again {
            self.plan_repair(number, place, now, out);
        }
    }

    /// The alert has ended: nothing is to be done for it any more.
    pub(super) fn end_repair(&mut self, alert: &str, probe: &str, target: &str) {
        if let Some(repair) = self.repairs.get_mut(target) {
            let is_it = |asker: &Asker| asker.alert == alert && asker.probe == probe;
            if repair.due.as_ref().is_some_and(|(_, asker)| is_it(asker)) {
                repair.due = None;
            }
            // Another alert of the target that comes and goes is no reason to call somebody again for this one.
            if repair.escalated_for.as_ref().is_none_or(is_it) {
                (repair.escalated, repair.escalated_for) = (false, None);
            }
        }
    }

    fn fires(&self, asker: &Asker, target: &str) -> bool {
        let instance = self.instance(asker, target);
        instance.is_some_and(|(number, place)| self.pairs[number].instances[place].state.is_firing())
    }

    /// Restarts what is due and still needs it.
    pub(super) fn do_repairs(&mut self, now: Now, out: &mut Vec<Action>) {
        let mono = nanos(now.monotonic);
        let due = self.repairs.iter().filter(|(_, repair)| repair.due.as_ref().is_some_and(|(at, _)| *at <= mono));
        let due: Vec<String> = due.map(|(target, _)| target.clone()).collect();
        for target in due {
            let Some((_, asker)) = self.repairs.get_mut(&target).and_then(|repair| repair.due.take()) else { continue };
            let Some((number, place)) = self.instance(&asker, &target) else { continue };
            let pair = &self.pairs[number];
            let still = pair.instances[place].state.is_firing() && pair.last.is_some_and(|run| run.failed);
            if !still {
                continue;
            }
            let view = self.firing_view(number, place, now);
            // Somebody works on it, or something else is the cause: it waits.
            if self.silenced(&view).is_some() || self.targets.wait(&view, now).is_some() {
                let later = mono + nanos(LOOK_AGAIN);
                if let Some(repair) = self.repairs.get_mut(&target) {
                    repair.due = Some((later, asker));
                }
                continue;
            }
            let alert = asker.alert.clone();
            if let Some(repair) = self.repairs.get_mut(&target) {
                repair.times.push(mono);
                repair.going_on = Some(asker);
            }
            out.push(Action::Changed(change(&alert, &view.probe, &target, "restarting", true, &view.summary)));
            out.push(Action::Restart { target, alert, why: view.summary });
        }
        self.repair_next = self.repairs.values().filter_map(|repair| repair.due.as_ref().map(|(at, _)| *at)).min();
    }

    /// An alert as it is now, since when it fires.
    fn firing_view(&self, number: usize, place: usize, now: Now) -> AlertView {
        let since = self.pairs[number].instances[place].state.since().unwrap_or(now.wall);
        self.view(number, place, since)
    }

    /// A word about a restart, to all that hear of the alert.
    pub(super) fn say(
        &mut self,
        (number, place): (usize, usize),
        (what, state): (Transition, &'static str),
        view: &AlertView,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let firing = self.pairs[number].instances[place].state.is_firing();
        out.push(Action::Changed(change(&view.alert, &view.probe, &view.target, state, firing, &view.summary)));
        let pair = &self.pairs[number];
        let (watched, rule) = (pair.watched.clone(), Arc::clone(&pair.instances[place].rule));
        self.at_the_desk(now, |desk, from| desk.at_once(who(&watched, &rule), (what, view), from, now, out));
    }

    fn repair_soon(&mut self, at: Nanos) {
        self.repair_next = Some(self.repair_next.map_or(at, |have| have.min(at)));
    }
}

/// The same for the same target of the same prober, so that it is known beforehand; different for a fleet.
fn seed(instance: &str, target: &str) -> u64 {
    let bytes = instance.bytes().chain([0]).chain(target.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

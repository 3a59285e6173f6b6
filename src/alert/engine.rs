//! The engine: samples and the time go in, what is to be done comes out. It holds the state of every rule for every
//! probe of every target; it sends nothing, runs nothing and reads no clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::explained::Explained;
use super::group::{Desk, GroupKey, Member, Ready, Telling, Who};
use super::notification::{AlertView, Notification};
use super::outage::{Run, Targets};
use super::repair::{Asker, Repair};
use super::rule::{Condition, Rule};
use super::said;
use super::saved::SavedAlert;
use super::settings::{Settings, Watched};
use super::state::{Instance, Moved, Reading, State};
use super::window::{Entry, Nanos, Ring, nanos};
use crate::base::by_pair::ByPair;
use crate::base::clock::Now;
use crate::event::{AlertChange, Reason, Sample, without_replica};

/// The alert that says that the prober itself cannot reach the network.
pub const CONNECTIVITY: &str = "prober connectivity";
/// Failures are looked back at for so long, where a rule looks back for less.
const KEEP_MIN: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Tell a channel.
    Notify(Notification),
    /// Restart a target, and say how it went ([`Engine::restarted`]).
    Restart {
        /// The target.
        target: String,
        /// The alert that asks for it.
        alert: String,
        /// One sentence.
        why: String,
    },
    /// Run a probe beside its timetable.
    Verify {
        /// The probe.
        probe: String,
        /// The target.
        target: String,
        /// How long from now.
        after: Duration,
    },
    /// Runs that failed say nothing of the target.
    Explained(Explained),
    /// Something changed that is worth an event.
    Changed(AlertChange),
}

/// An alert that is pending or fires, for pages.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenAlert {
    /// The alert.
    pub view: AlertView,
    /// `pending`, `firing`, `resolving`, `silenced`, `flapping`, `held`.
    pub state: &'static str,
    /// Whether it fires, whoever is told.
    pub is_firing: bool,
}

/// A probe of a target and its rules.
#[derive(Debug)]
pub(super) struct Pair {
    pub watched: Watched,
    pub target: usize,
    pub ring: Ring,
    pub instances: Vec<Instance>,
    pub last_at: Option<Nanos>,
    /// The last run that counted in windows.
    pub weighed_at: Option<Nanos>,
    /// When it was last known that runs can be judged, on the monotonic clock.
    pub data_at: Nanos,
    /// Of the last judged run.
    pub last: Option<Run>,
    /// Reason and sentence of the last failure.
    pub last_failure: Option<(Reason, String)>,
    /// Whether a timer for missing data runs.
    queued: bool,
}

impl Pair {
    /// Takes a run that says something of the target into the windows.
    pub fn count(&mut self, run: &Run, sample: &Sample) {
        if run.failed {
            let reason = sample.reason.unwrap_or(Reason::Check);
            self.last_failure = Some((reason, sample.message.clone().unwrap_or_default()));
        }
        let latencies = sample.latencies.iter().map(|latency| latency.took).collect();
        let (at, failed, network, voided) = (run.at, run.failed, run.network, false);
        // What comes sooner after a failure comes by no more than three quarters of the interval later.
        let nearest = nanos(self.watched.closest) / 5 * 4;
        let between = self.weighed_at.is_some_and(|weighed| at - weighed < nearest);
        if !between {
            self.weighed_at = Some(at);
        }
        self.ring.push(Entry { at, failed, network, voided, between, latencies });
        for instance in &mut self.instances {
            instance.push(&self.ring, sample, run.failed);
        }
        self.ring.trim();
    }
}

/// The state of all rules.
#[derive(Debug)]
pub struct Engine {
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) pairs: Vec<Pair>,
    index: ByPair<usize>,
    pub(super) targets: Targets,
    pub(super) desk: Desk,
    pub(super) repairs: BTreeMap<String, Repair>,
    pub(super) settings: Settings,
    /// Alerts of what is left out, as they stood when it was watched.
    pub(super) aside: Vec<SavedAlert>,
    /// When data of a pair may be missing, soonest first.
    timers: BinaryHeap<Reverse<(Nanos, usize)>>,
    /// No restart is due before.
    pub(super) repair_next: Option<Nanos>,
    pub(super) now: Now,
}

impl Engine {
    /// An engine for these rules and what is watched. The runs of the first moments do not fire what needs a window.
    #[must_use]
    pub fn new(rules: Vec<Rule>, watched: Vec<Watched>, settings: Settings, now: Now) -> Self {
        let mut engine = Self {
            rules: rules.into_iter().map(Arc::new).collect(),
            pairs: Vec::new(),
            index: ByPair::default(),
            targets: Targets::new(&watched, &settings),
            desk: Desk::default(),
            repairs: BTreeMap::new(),
            settings,
            aside: Vec::new(),
            timers: BinaryHeap::new(),
            repair_next: None,
            now,
        };
        engine.build(watched, now);
        engine.targets.keep = engine.looks_back().iter().map(|(.., span)| nanos(*span)).max().unwrap_or_default();
        engine
    }

    fn build(&mut self, watched: Vec<Watched>, now: Now) {
        for (number, watched) in watched.into_iter().enumerate() {
            let takes = |rule: &&Arc<Rule>| rule.selector.takes(&watched.probe, &watched.target, &watched.labels);
            let instances: Vec<Instance> =
                self.rules.iter().filter(takes).map(|rule| Instance::new(rule, &watched)).collect();
            self.index.insert(&watched.probe, &watched.target, number);
            let target = self.targets.find(&watched.target).unwrap_or_default();
            self.pairs.push(Pair {
                ring: Ring::new(keep(&instances, watched.every)),
                target,
                instances,
                watched,
                last_at: None,
                weighed_at: None,
                data_at: nanos(now.monotonic),
                last: None,
                last_failure: None,
                queued: false,
            });
            self.await_data(number);
        }
    }

    /// Takes in a run.
    pub fn observe(&mut self, sample: &Sample, now: Now) -> Vec<Action> {
        self.now = now;
        let mut out = Vec::new();
        self.targets.let_go(nanos(now.monotonic));
        if let Some(number) = self.find(&sample.probe, &sample.target) {
            let pair = &mut self.pairs[number];
            let run = Run::of(sample, grid(pair, sample, now));
            pair.last_at = Some(run.at);
            if run.judged {
                self.take_in(number, &run, sample, now, &mut out);
            }
        }
        self.due(now, &mut out);
        out
    }

    /// Does what is due at this time.
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        self.now = now;
        let mut out = Vec::new();
        self.targets.let_go(nanos(now.monotonic));
        self.due(now, &mut out);
        out
    }

    /// When [`Self::tick`] has something to do, on the monotonic clock; never later than that.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let timer = self.timers.peek().map(|Reverse((due, _))| *due);
        let next = [timer, self.repair_next, self.targets.stale_next, self.desk.next()].into_iter().flatten().min()?;
        Some(Duration::from_nanos(u64::try_from(next).unwrap_or(0)))
    }

    /// Nobody was there: the machine slept, or the prober stood still. Nothing that was missed then is missing.
    pub fn gap(&mut self, now: Now) {
        self.now = now;
        let mono = nanos(now.monotonic);
        self.targets.hold_on(mono);
        for number in 0..self.pairs.len() {
            let pair = &mut self.pairs[number];
            pair.data_at = mono;
            for instance in &mut pair.instances {
                if let (Condition::NoData { after }, State::Pending(_)) = (&instance.rule.condition, instance.state) {
                    instance.state = State::Pending(mono + nanos(*after));
                }
            }
            self.await_data(number);
        }
    }

    /// Every alert that is pending or fires.
    #[must_use]
    pub fn open(&self) -> Vec<OpenAlert> {
        let mut open = Vec::new();
        if let Some(since) = self.targets.outage {
            open.push(OpenAlert { view: self.connectivity(since), state: "firing", is_firing: true });
        }
        for (number, pair) in self.pairs.iter().enumerate() {
            for (place, instance) in pair.instances.iter().enumerate() {
                let since = match instance.state {
                    State::Inactive => continue,
                    State::Pending(at) => self.now.wall_at(Duration::from_nanos(u64::try_from(at).unwrap_or(0))),
                    State::Firing(since) | State::Resolving(since, _) => since,
                };
                let view = self.view(number, place, since);
                let state = if self.targets.holds(pair.target) {
                    "held"
                } else if instance.flap.is_flapping {
                    "flapping"
                } else if instance.state.is_firing() && self.silenced(&view).is_some() {
                    "silenced"
                } else {
                    instance.state.word()
                };
                open.push(OpenAlert { view, state, is_firing: instance.state.is_firing() });
            }
        }
        open
    }

    pub(super) fn find(&self, probe: &str, target: &str) -> Option<usize> {
        self.index.get(probe, target).copied()
    }

    fn take_in(&mut self, number: usize, run: &Run, sample: &Sample, now: Now, out: &mut Vec<Action>) {
        let mono = nanos(now.monotonic);
        let pair = &mut self.pairs[number];
        (pair.last, pair.data_at) = (Some(*run), mono);
        let target = pair.target;
        let fails = self.fails_as_whole(target);
        for turn in self.targets.notice(target, run, fails, (mono, now.wall)) {
            self.turn(turn, now, out);
        }
        self.look_at_others(target, now, out);
        let shadowed = self.targets.is_shadowed(target, run);
        let pair = &mut self.pairs[number];
        if !shadowed {
            pair.count(run, sample);
        }
        for place in 0..self.pairs[number].instances.len() {
            let pair = &mut self.pairs[number];
            let instance = &mut pair.instances[place];
            let no_data = matches!(instance.rule.condition, Condition::NoData { .. });
            if shadowed && !no_data {
                continue;
            }
            let reading = instance.reading(run.at, now.wall);
            let moved = instance.state.step(reading, run.at, now.wall, instance.times);
            if let Some(moved) = moved {
                self.follow(number, place, moved, now, out);
            } else if instance.state.is_firing() && reading == Reading::Holds {
                self.refresh(number, place, now);
            }
            self.look_for_flapping(number, place, now, out);
            if !shadowed && run.failed {
                self.look_after_repair(number, place, run, now, out);
            }
        }
        self.await_data(number);
    }

    /// What a change of state brings with it.
    fn follow(&mut self, number: usize, place: usize, moved: Moved, now: Now, out: &mut Vec<Action>) {
        let pair = &self.pairs[number];
        let rule = Arc::clone(&pair.instances[place].rule);
        let since = pair.instances[place].state.since().unwrap_or(now.wall);
        let view = self.view(number, place, since);
        let (state, firing) = match moved {
            Moved::Began => ("pending", false),
            Moved::Fired => ("firing", true),
            Moved::Dropped | Moved::Ended(_) => ("resolved", false),
        };
        out.push(Action::Changed(change(&view.alert, &view.probe, &view.target, state, firing, &view.summary)));
        match moved {
            Moved::Began | Moved::Dropped => {}
            Moved::Fired => {
                self.fire(number, place, &view, &[], now);
                self.look_for_causes(self.pairs[number].target, nanos(now.monotonic), now, out);
                if rule.restart {
                    self.plan_repair(number, place, now, out);
                }
            }
            Moved::Ended(_) => {
                let watched = &self.pairs[number].watched;
                self.desk.end(who(watched, &rule), Some(&view.summary), None, self.settings.group_interval, now);
                self.end_repair(&rule.name, &view.probe, &view.target);
            }
        }
    }

    /// Hands an alert that fires to its channels, but for some.
    pub(super) fn fire(&mut self, number: usize, place: usize, view: &AlertView, but: &[String], now: Now) {
        let pair = &self.pairs[number];
        let instance = &pair.instances[place];
        let rule = &instance.rule;
        for channel in rule.notify.iter().filter(|channel| !but.contains(channel)) {
            let key = GroupKey {
                // What is wrong with the replicas of a name is one message.
                target: without_replica(&pair.watched.target).to_owned(),
                cause: said::cause(&rule.condition).to_owned(),
                channel: channel.clone(),
                moved: None,
            };
            let member = Member {
                wants_end: rule.resolved,
                remind: rule.remind,
                flapping: instance.flap.is_flapping,
                ..Member::new(view.clone(), rule.severity)
            };
            self.desk.fire(key, member, &self.settings, false, nanos(now.monotonic));
        }
    }

    fn refresh(&mut self, number: usize, place: usize, now: Now) {
        let pair = &self.pairs[number];
        let instance = &pair.instances[place];
        let Some(at) = pair.last_at else { return };
        let summary = said::summary(instance, &pair.ring, at, now.wall);
        let cause = pair.last_failure.as_ref().map(|(reason, said)| (reason.code().to_owned(), said.clone()));
        self.desk.refresh(who(&pair.watched, &instance.rule), &summary, cause.as_ref());
    }

    fn look_for_flapping(&mut self, number: usize, place: usize, now: Now, out: &mut Vec<Action>) {
        let pair = &mut self.pairs[number];
        let instance = &mut pair.instances[place];
        if !instance.flap.look(instance.state.is_firing()) {
            return;
        }
        let (begins, firing) = (instance.flap.is_flapping, instance.state.is_firing());
        let (watched, rule) = (pair.watched.clone(), Arc::clone(&instance.rule));
        let who = who(&watched, &rule);
        let (state, message) = if begins {
            self.at_the_desk(now, |desk, from| desk.flaps(who, from, now, out));
            ("flapping", "it comes and goes: nothing more is told until it settles")
        } else {
            self.desk.settles(who, nanos(now.monotonic));
            (if firing { "firing" } else { "resolved" }, "it has settled")
        };
        out.push(Action::Changed(change(who.alert, who.probe, who.target, state, firing, message)));
    }

    /// What the time alone brings: missing data, restarts, messages.
    pub(super) fn due(&mut self, now: Now, out: &mut Vec<Action>) {
        let mono = nanos(now.monotonic);
        while self.timers.peek().is_some_and(|Reverse((due, _))| *due <= mono) {
            let Some(Reverse((_, number))) = self.timers.pop() else { break };
            self.pairs[number].queued = false;
            self.miss_data(number, now, out);
            self.await_data(number);
        }
        if self.repair_next.is_some_and(|due| due <= mono) {
            self.do_repairs(now, out);
        }
        if self.desk.next().is_some_and(|due| due <= mono) {
            self.at_the_desk(now, |desk, from| desk.flush(from, now, out));
        }
    }

    /// Lets the desk ask whether what it has may be told.
    pub(super) fn at_the_desk(&mut self, now: Now, tell: impl FnOnce(&mut Desk, Telling<'_>)) {
        let mut desk = std::mem::take(&mut self.desk);
        tell(&mut desk, Telling { settings: &self.settings, ready: &|view| self.ready(view, now) });
        self.desk = desk;
    }

    fn miss_data(&mut self, number: usize, now: Now, out: &mut Vec<Action>) {
        let mono = nanos(now.monotonic);
        for place in 0..self.pairs[number].instances.len() {
            let pair = &mut self.pairs[number];
            let instance = &mut pair.instances[place];
            let Condition::NoData { after } = instance.rule.condition else { continue };
            if mono < pair.data_at + nanos(after) {
                continue;
            }
            if let Some(moved) = instance.state.step(Reading::Holds, mono, now.wall, instance.times) {
                self.follow(number, place, moved, now, out);
            }
        }
    }

    /// Sets all timers anew.
    pub(super) fn await_all_data(&mut self) {
        self.timers.clear();
        for number in 0..self.pairs.len() {
            self.pairs[number].queued = false;
            self.await_data(number);
        }
    }

    /// Sets the timer for the next moment at which data of a pair may be missing.
    pub(super) fn await_data(&mut self, number: usize) {
        let pair = &mut self.pairs[number];
        if pair.queued {
            return;
        }
        let due = pair.instances.iter().filter_map(|instance| match (&instance.rule.condition, instance.state) {
            (Condition::NoData { after }, State::Inactive) => Some(pair.data_at + nanos(*after)),
            // Never a time at which nothing is missing: it would be looked at without end.
            (Condition::NoData { after }, State::Pending(since)) => {
                Some((since + instance.times.0).max(pair.data_at + nanos(*after)))
            }
            _ => None,
        });
        if let Some(due) = due.min() {
            pair.queued = true;
            self.timers.push(Reverse((due, number)));
        }
    }

    /// Whether a channel may be told of an alert now.
    pub(super) fn ready(&self, view: &AlertView, now: Now) -> Ready {
        if view.target.is_empty() {
            return Ready::Tell;
        }
        if let Some(until) = self.silenced(view) {
            let ahead = Nanos::try_from(until.duration_since(now.wall).as_nanos()).unwrap_or(Nanos::MAX);
            return Ready::Silenced(Some(nanos(now.monotonic).saturating_add(ahead)));
        }
        if view.ended.is_some() {
            // What began and ended while something else was to blame is no news.
            let is_held = self.targets.find(&view.target).is_some_and(|target| self.targets.holds(target));
            return if is_held { Ready::Silenced(None) } else { Ready::Tell };
        }
        self.targets.wait(view, now).map_or(Ready::Tell, Ready::Wait)
    }

    pub(super) fn silenced(&self, view: &AlertView) -> Option<Timestamp> {
        let silences = self.settings.silences.iter();
        let until = silences
            .filter_map(|one| one.silences(&view.alert, &view.probe, &view.target, &view.labels, self.now.wall));
        until.max()
    }

    /// An alert as a channel is told of it.
    pub(super) fn view(&self, number: usize, place: usize, since: Timestamp) -> AlertView {
        let pair = &self.pairs[number];
        let instance = &pair.instances[place];
        // What failed last says nothing of a server that is merely slow.
        let of_failures = said::cause(&instance.rule.condition) == "failing" || pair.last.is_some_and(|run| run.failed);
        let failure = pair.last_failure.as_ref().filter(|_| of_failures);
        AlertView {
            alert: instance.rule.name.clone(),
            probe: pair.watched.probe.to_string(),
            target: pair.watched.target.to_string(),
            severity: instance.rule.severity.name().to_owned(),
            labels: pair.watched.labels.clone(),
            summary: said::summary(instance, &pair.ring, pair.last_at.unwrap_or_default(), self.now.wall),
            reason: failure.map(|(reason, _)| reason.code().to_owned()),
            details: failure.map(|(_, said)| said.clone()).filter(|said| !said.is_empty()),
            since,
            ended: None,
            ended_because: None,
            told: 0,
        }
    }

    pub(super) fn instance(&self, asker: &Asker, target: &str) -> Option<(usize, usize)> {
        let number = self.find(&asker.probe, target)?;
        let mut instances = self.pairs[number].instances.iter();
        Some((number, instances.position(|instance| instance.rule.name == asker.alert)?))
    }
}

pub(super) fn who<'a>(watched: &'a Watched, rule: &'a Rule) -> Who<'a> {
    let (alert, cause) = (rule.name.as_str(), said::cause(&rule.condition));
    Who { alert, probe: &watched.probe, target: &watched.target, cause }
}

pub(super) fn change(
    alert: &str,
    probe: &str,
    target: &str,
    state: &'static str,
    firing: bool,
    message: &str,
) -> AlertChange {
    let (alert, probe, target) = (alert.to_owned(), probe.to_owned(), target.to_owned());
    AlertChange { alert, probe, target, state, firing, message: message.to_owned() }
}

/// For how long raw runs are kept: as long as the longest window, and some intervals to take failures back.
pub(super) fn keep(instances: &[Instance], every: Duration) -> Nanos {
    let windows = instances.iter().map(|instance| match instance.rule.condition {
        Condition::ErrorRate { window, .. } | Condition::Latency { window, .. } => window,
        _ => Duration::ZERO,
    });
    nanos(windows.max().unwrap_or_default().max(every.saturating_mul(3)).max(KEEP_MIN))
}

/// The grid point of a run on the monotonic clock. Where the wall clock was set meanwhile, its distance from now makes no
/// sense, and the start of the run counts instead.
fn grid(pair: &Pair, sample: &Sample, now: Now) -> Nanos {
    let mono = nanos(now.monotonic);
    let lag = Nanos::try_from(now.wall.duration_since(sample.at).as_nanos()).unwrap_or(Nanos::MAX);
    let latest = nanos(sample.duration) + 2 * nanos(pair.watched.every) + nanos(Duration::from_secs(60));
    let lag = if (0..=latest).contains(&lag) { lag } else { nanos(sample.duration) };
    let at = mono - lag;
    pair.last_at.map_or(at, |last| at.max(last))
}

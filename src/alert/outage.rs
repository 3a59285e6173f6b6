//! Whose fault it is: a target that fails while something it needs fails, or while the prober itself cannot reach the
//! network, says nothing of itself. Here is kept how targets are, and who needs whom.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;

use super::notification::AlertView;
use super::settings::{Settings, Watched};
use super::stretches::Stretches;
use super::window::{Nanos, nanos};
use crate::base::clock::Now;
use crate::event::{Reason, Sample, Status, TransportKind, without_replica};

/// Targets that go bad within a longer time than this do not go bad together.
const TOGETHER_MAX: Nanos = 15 * 60 * 1_000_000_000;
pub(super) const SECOND: Nanos = 1_000_000_000;
/// An alert waits so long at most for what may be its cause to be looked at.
pub(super) const LOOK_MAX: Nanos = 30 * SECOND;
/// What was seen of a target holds so long at least.
const HOLDS_MIN: Nanos = 60 * SECOND;
/// How the prober's own network fails.
pub(super) const NETWORK: &[Reason] = &[Reason::Resolve, Reason::Connect, Reason::Tls, Reason::Closed, Reason::Timeout];

/// A run, as far as it says whether its target can be reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Its grid point.
    pub at: Nanos,
    pub judged: bool,
    pub failed: bool,
    /// It failed in a way in which our own network fails.
    pub network: bool,
    /// Nobody was there to answer.
    pub transport: bool,
    /// It was asked to come less often, which is an answer of something that works.
    pub limited: bool,
    /// Whether it starts a process, so that no network is involved; none where it does not say.
    pub local: Option<bool>,
}

impl Run {
    pub fn of(sample: &Sample, at: Nanos) -> Self {
        let failed = sample.status == Status::Failed;
        let judged = failed || matches!(sample.status, Status::Healthy | Status::Degraded);
        let reason = sample.reason.filter(|_| failed);
        let is_of_process = matches!(reason, Some(Reason::Spawn | Reason::Exited));
        let network = reason.is_some_and(|reason| NETWORK.contains(&reason));
        // Who was late after a session was open was there.
        let is_late = reason == Some(Reason::Timeout) && sample.protocol.is_some();
        let over_stdio = sample.protocol.as_ref().map(|(.., kind)| *kind == TransportKind::Stdio);
        let local = if is_of_process { Some(true) } else { over_stdio };
        let limited = reason == Some(Reason::RateLimited);
        Self { at, judged, failed, network, transport: network && !is_late || is_of_process, limited, local }
    }
}

/// One target.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    pub name: String,
    pub pairs: Vec<usize>,
    parents: Vec<usize>,
    children: Vec<usize>,
    /// From one run to the next, of its slowest probe.
    pub every: Nanos,
    /// The same of its fastest.
    pub fastest: Nanos,
    pub known: Known,
    /// A replica of a target that is watched itself. It may be unreachable like any other, but is no other service: it does
    /// not count where it is asked how many cannot be reached.
    is_replica: bool,
    /// It went bad a short time ago.
    pub(super) recent: bool,
}

impl Target {
    /// Whether it says something of our own network.
    pub fn counts(&self) -> bool {
        !self.known.local && !self.is_replica
    }

    /// For how long what its probes say of it holds, where nothing newer comes: of one that is slow to answer longer.
    pub fn holds_for(&self, took: Nanos) -> Nanos {
        (2 * self.fastest + took).max(HOLDS_MIN)
    }
}

/// How a target is.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub judged_at: Option<Nanos>,
    /// When it was last known not to fail.
    pub good_at: Option<Nanos>,
    /// It fails as a whole: what depends on it is not judged.
    pub failing: bool,
    /// Nobody knows whether it still does after this.
    pub stale_at: Option<Nanos>,
    /// When it was last looked at for the sake of others.
    pub asked_at: Option<Nanos>,
    pub recovered_at: Option<Nanos>,
    /// Since when it cannot be reached.
    pub bad_since: Option<Nanos>,
    /// No network is involved.
    pub local: bool,
    /// When it failed, of one that others need.
    pub failures: Stretches,
}

/// What follows from a run for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A target fails: failures of these targets since then are not theirs.
    Fails { targets: Vec<usize>, from: Nanos },
    /// Our own network failed.
    Lost { from: Nanos },
    /// It works again.
    Back,
}

/// All targets.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    pub list: Vec<Target>,
    index: HashMap<String, usize>,
    pub(super) references: Vec<usize>,
    pub(super) together: Nanos,
    /// For so long it is remembered what failed.
    pub keep: Nanos,
    /// Since when our own network does not work.
    pub outage: Option<Timestamp>,
    /// When there were any.
    pub outages: Stretches,
    pub back_at: Option<Nanos>,
    recent: VecDeque<(Nanos, usize)>,
    pub(super) recent_count: usize,
    pub(super) bad_count: usize,
    pub(super) remote_count: usize,
    /// No failure of a target is stale before.
    pub stale_next: Option<Nanos>,
    /// Since it was last asked for, what explains failures has become another.
    pub is_explained_anew: bool,
}

impl Targets {
    pub fn new(watched: &[Watched], settings: &Settings) -> Self {
        let mut this = Self::default();
        for (number, pair) in watched.iter().enumerate() {
            let index = *this.index.entry(pair.target.to_string()).or_insert_with(|| {
                this.list.push(Target { name: pair.target.to_string(), ..Target::default() });
                this.list.len() - 1
            });
            let target = &mut this.list[index];
            let (is_first, every) = (target.pairs.is_empty(), nanos(pair.every));
            target.pairs.push(number);
            target.every = target.every.max(every);
            target.fastest = if is_first { every } else { target.fastest.min(every) };
        }
        for number in 0..this.list.len() {
            let name = &this.list[number].name;
            let of = without_replica(name);
            this.list[number].is_replica = of != name && this.index.contains_key(of);
        }
        this.remote_count = this.list.iter().filter(|target| target.counts()).count();
        this.together = this.list.iter().map(|target| target.every).max().unwrap_or(0);
        this.together = (this.together + this.together / 2).min(TOGETHER_MAX);
        this.references = settings.reference.iter().filter_map(|name| this.index.get(name).copied()).collect();
        this.is_explained_anew = true;
        for name in settings.dependencies.keys() {
            let Some(child) = this.index.get(name).copied() else { continue };
            for parent in this.needed(name, &settings.dependencies) {
                this.list[child].parents.push(parent);
                this.list[parent].children.push(child);
            }
        }
        this
    }

    /// What a target needs, as far as it is watched here: what is not, because nobody agreed to it or another daemon has it,
    /// still needs what it needs.
    fn needed(&self, name: &str, dependencies: &BTreeMap<String, Vec<String>>) -> Vec<usize> {
        let of = |name: &str| dependencies.get(name).into_iter().flatten().map(String::as_str);
        let mut names: Vec<&str> = of(name).collect();
        let mut found = Vec::new();
        let mut done = 0;
        while let Some(here) = names.get(done).copied() {
            done += 1;
            if here == name {
                continue;
            }
            if let Some(number) = self.index.get(here) {
                found.push(*number);
                continue;
            }
            for further in of(here) {
                if !names.contains(&further) {
                    names.push(further);
                }
            }
        }
        found
    }

    /// What is known goes over to the targets of a new plan.
    pub fn take_over(&mut self, old: &Self, now: Nanos) {
        (self.outage, self.back_at, self.outages) = (old.outage, old.back_at, old.outages.clone());
        for target in &mut self.list {
            if let Some(known) = old.index.get(&target.name).map(|index| &old.list[*index].known) {
                target.known = known.clone();
            }
        }
        self.recount(now);
        self.hold_on(now);
    }

    /// Counts what is known of all targets anew.
    pub fn recount(&mut self, now: Nanos) {
        let mut bad = Vec::new();
        for (number, target) in self.list.iter_mut().enumerate() {
            let bad_since = target.known.bad_since.filter(|_| !target.is_replica);
            target.recent = bad_since.is_some_and(|since| now - since <= self.together);
            bad.extend(bad_since.map(|since| (since, number)));
        }
        bad.sort_unstable();
        self.bad_count = bad.len();
        self.recent = bad.into_iter().filter(|(_, number)| self.list[*number].recent).collect();
        self.recent_count = self.recent.len();
        self.remote_count = self.list.iter().filter(|target| target.counts()).count();
        self.is_explained_anew = true;
    }

    /// Nobody looked for a while, or knows of when it was looked: what failed is taken to fail until there was time to look.
    pub fn hold_on(&mut self, now: Nanos) {
        for target in self.list.iter_mut().filter(|target| target.known.failing) {
            let until = now + target.holds_for(0);
            target.known.stale_at = Some(target.known.stale_at.map_or(until, |at| at.max(until)));
            self.stale_next = self.stale_next.into_iter().chain(target.known.stale_at).min();
        }
    }

    /// What failed and has not been looked at since for too long explains nothing more.
    pub fn let_go(&mut self, now: Nanos) {
        if self.stale_next.is_none_or(|at| at > now) {
            return;
        }
        for known in self.list.iter_mut().map(|target| &mut target.known) {
            if known.stale_at.is_some_and(|at| at <= now) {
                (known.failing, known.stale_at, known.recovered_at) = (false, None, Some(now));
                known.failures.end(now);
                self.is_explained_anew = true;
            }
        }
        self.stale_next = self.list.iter().filter_map(|target| target.known.stale_at).min();
    }

    /// Whether something that failed then explains why a target failed at that time.
    pub fn explains(&self, number: usize, at: Nanos, network: bool) -> bool {
        network && self.outages.covers(at) || self.is_under(number, |above| above.known.failures.covers(at))
    }

    /// Whether others may need what is known of a target.
    pub fn is_needed(&self, number: usize) -> bool {
        !self.list[number].children.is_empty() || self.references.contains(&number)
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Takes in a run. `fails_as_whole` is what all probes of the target together say; `seen` is when
    /// the run was seen, on the monotonic clock and as the time of day.
    pub fn notice(&mut self, number: usize, run: &Run, fails_as_whole: bool, seen: (Nanos, Timestamp)) -> Vec<Turn> {
        let mut turns = Vec::new();
        let target = &mut self.list[number];
        target.known.judged_at = Some(run.at);
        let began = fails_as_whole && !target.known.failing;
        if target.known.failing && !fails_as_whole {
            target.known.recovered_at = Some(seen.0);
            target.known.failures.end(seen.0);
        }
        self.is_explained_anew |= target.known.failing != fails_as_whole && !target.children.is_empty();
        target.known.failing = fails_as_whole;
        target.known.stale_at = fails_as_whole.then(|| seen.0 + target.holds_for(seen.0 - run.at));
        self.stale_next = self.stale_next.into_iter().chain(target.known.stale_at).min();
        if began && !target.children.is_empty() {
            let from = target.known.good_at.unwrap_or(run.at - target.every);
            target.known.failures.begin(from);
            turns.push(Turn::Fails { targets: self.below(number), from });
        }
        if !fails_as_whole {
            self.list[number].known.good_at = Some(run.at);
        }
        self.reachable(number, run);
        turns.extend(self.network(run, seen));
        turns
    }

    fn reachable(&mut self, number: usize, run: &Run) {
        let target = &mut self.list[number];
        if let Some(local) = run.local.filter(|local| *local != target.known.local) {
            let before = usize::from(target.counts());
            target.known.local = local;
            self.remote_count = self.remote_count + usize::from(target.counts()) - before;
        }
        let is_bad = run.network && !target.known.local;
        match (target.known.bad_since, is_bad) {
            (None, true) => {
                target.known.bad_since = Some(run.at);
                if !target.is_replica {
                    target.recent = true;
                    self.bad_count += 1;
                    self.recent_count += 1;
                    self.recent.push_back((run.at, number));
                }
            }
            (Some(_), false) => {
                target.known.bad_since = None;
                self.bad_count -= usize::from(!target.is_replica);
                self.recent_count -= usize::from(std::mem::take(&mut target.recent));
            }
            _ => {}
        }
        while let Some((at, old)) = self.recent.front().copied().filter(|(at, _)| run.at - at > self.together) {
            self.recent.pop_front();
            let target = &mut self.list[old];
            if target.recent && target.known.bad_since == Some(at) {
                target.recent = false;
                self.recent_count -= 1;
            }
        }
    }

    /// The nearest of what a target needs that fails.
    pub fn failing_above(&self, number: usize) -> Option<&str> {
        if self.list[number].parents.is_empty() {
            return None;
        }
        let above = self.above(number).into_iter().map(|up| &self.list[up]);
        above.filter(|up| up.known.failing).map(|up| &*up.name).next()
    }

    /// Whether a failed run says nothing of its target.
    pub fn is_shadowed(&self, number: usize, run: &Run) -> bool {
        run.failed && (run.network && self.outage.is_some() || self.is_under(number, |above| above.known.failing))
    }

    /// Whether its alerts are held back now.
    pub fn holds(&self, number: usize) -> bool {
        let target = &self.list[number];
        self.outage.is_some() && target.known.bad_since.is_some() || self.is_under(number, |above| above.known.failing)
    }

    /// How many cannot be reached, of how many.
    pub fn counts(&self) -> (usize, usize) {
        (self.bad_count, self.remote_count)
    }

    /// Until when an alert must wait, because it is not known yet whether something else is the cause.
    pub fn wait(&self, view: &AlertView, now: Now) -> Option<Nanos> {
        let number = self.find(&view.target)?;
        let (target, mono) = (&self.list[number], nanos(now.monotonic));
        if self.holds(number) {
            return Some(mono + SECOND);
        }
        // What was the cause is over: the next run tells whether this is something of its own.
        let back = self
            .back_at
            .into_iter()
            .chain(self.above(number).into_iter().filter_map(|up| self.list[up].known.recovered_at));
        if let Some(back) = back.max()
            && target.known.judged_at.is_none_or(|at| at < back)
            && mono < back + 2 * target.every
        {
            return Some(mono + SECOND);
        }
        // What it needs has not been looked at since. A time of day that was set back says nothing.
        let fired = now.wall.duration_since(view.since);
        let fired = mono - Nanos::try_from(fired.as_nanos()).ok().filter(|ago| *ago >= 0)?;
        let unseen = self.unseen(number, fired).into_iter().map(|up| self.list[up].every);
        let times = unseen.map(|every| every + every / 4).chain(self.is_undecided(number).then_some(self.together));
        let until = fired + times.max()?.min(LOOK_MAX);
        (mono < until).then_some(until.min(mono + SECOND))
    }

    /// What may be the cause of an alert and has not been looked at since a time: what the target needs, and, where it cannot
    /// be reached, the references.
    pub(super) fn unseen(&self, number: usize, since: Nanos) -> Vec<usize> {
        let is_bad = self.list[number].known.bad_since.is_some();
        let references = self.references.iter().copied().filter(|up| is_bad && *up != number);
        let mut unseen: Vec<usize> = self.above(number).into_iter().chain(references).collect();
        unseen.retain(|up| self.list[*up].known.judged_at.is_none_or(|at| at < since));
        unseen
    }

    fn is_under(&self, number: usize, is: impl Fn(&Target) -> bool) -> bool {
        !self.list[number].parents.is_empty() && self.above(number).into_iter().any(|up| is(&self.list[up]))
    }

    /// All that a target needs, and what those need.
    fn above(&self, number: usize) -> Vec<usize> {
        self.reach(number, |target| &target.parents)
    }

    fn below(&self, number: usize) -> Vec<usize> {
        self.reach(number, |target| &target.children)
    }

    fn reach(&self, number: usize, next: impl Fn(&Target) -> &Vec<usize>) -> Vec<usize> {
        let mut found: Vec<usize> = next(&self.list[number]).clone();
        let mut done = 0;
        while let Some(here) = found.get(done).copied() {
            done += 1;
            for further in next(&self.list[here]) {
                if *further != number && !found.contains(further) {
                    found.push(*further);
                }
            }
        }
        found
    }
}

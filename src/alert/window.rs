//! Windows of time over the runs of one probe on one target: a ring of raw runs, and counts of its newest part that are
//! kept up to date run by run. Times are those of grid points on the monotonic clock, so that neither jitter nor a
//! suspend nor a step of the wall clock moves a run into or out of a window.

use std::collections::VecDeque;
use std::time::Duration;

/// Nanoseconds on the monotonic clock of [`crate::base::clock::Now`]; what was before its start is negative.
pub(super) type Nanos = i64;

/// A duration as nanoseconds; the longest are cut at a hundred years, so that sums stay in range.
pub(super) fn nanos(duration: Duration) -> Nanos {
    const CENTURY: Nanos = 100 * 365 * 86_400 * 1_000_000_000;
    Nanos::try_from(duration.as_nanos()).map_or(CENTURY, |nanos| nanos.min(CENTURY))
}

/// One judged run.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub at: Nanos,
    pub failed: bool,
    /// It failed in a way in which our own network fails, too.
    pub network: bool,
    /// It failed while what it needs failed: it says nothing of the target.
    pub voided: bool,
    /// It came sooner than its timetable says, after a failure: it has no weight in a window and makes no row longer, in
    /// which a short fault would else count several times. It can end a row.
    pub between: bool,
    pub latencies: Box<[Duration]>,
}

impl Entry {
    /// Whether it counts in windows.
    pub fn weighs(&self) -> bool {
        !self.voided && !self.between
    }

    /// Whether it makes a row longer, or ends it.
    pub fn is_of_row(&self) -> bool {
        !self.voided && (!self.between || !self.failed)
    }
}

/// The newest runs of a probe on a target, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    /// The number of the front entry; numbers go up by one.
    first: u64,
    keep: Nanos,
}

impl Ring {
    pub fn new(keep: Nanos) -> Self {
        Self { keep, ..Self::default() }
    }

    /// From now on it keeps runs for so long.
    pub fn resize(&mut self, keep: Nanos) {
        self.keep = keep;
    }

    pub fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Drops what is older than every window; after all counts have let go of it.
    pub fn trim(&mut self) {
        let Some(oldest) = self.newest().map(|newest| newest.at - self.keep) else { return };
        while self.entries.front().is_some_and(|front| front.at <= oldest) {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    pub fn newest(&self) -> Option<&Entry> {
        self.entries.back()
    }

    pub fn before_newest(&self) -> Option<&Entry> {
        self.entries.get(self.entries.len().checked_sub(2)?)
    }

    fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// From the one with this number on.
    fn since(&self, number: u64) -> impl Iterator<Item = &Entry> {
        let from = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.iter().skip(from)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Makes nothing of failures from a time on; gives their times, newest first.
    pub fn void(&mut self, from: Nanos, network_only: bool) -> Vec<Nanos> {
        let newest = self.entries.iter_mut().rev().take_while(|entry| entry.at >= from);
        let meant = newest.filter(|entry| entry.failed && !entry.voided && (entry.network || !network_only));
        meant
            .map(|entry| {
                entry.voided = true;
                entry.at
            })
            .collect()
    }
}

/// How far back a window looks, and how many grid points that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub window: Nanos,
    /// Grid points are never exactly where they should be: what is nearer than this to the edge is outside.
    pub slack: Nanos,
    /// So many grid points are in a full window.
    pub full: u64,
}

impl Reach {
    pub fn new(window: Duration, every: Duration) -> Self {
        let (window, every) = (nanos(window), nanos(every).max(1));
        let slack = every.min(window) / 20;
        let full = u64::try_from((window - slack) / every + 1).unwrap_or(1);
        Self { window, slack, full }
    }

    fn begins(&self, newest: Nanos) -> Nanos {
        newest - self.window + self.slack
    }
}

/// Runs of a window by how they ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    tail: u64,
    pub judged: u64,
    pub failed: u64,
}

impl Rate {
    /// Takes in the newest run of the ring.
    pub fn push(&mut self, ring: &Ring, reach: Reach) {
        let Some(newest) = ring.newest() else { return };
        self.judged += u64::from(newest.weighs());
        self.failed += u64::from(newest.failed && newest.weighs());
        let begins = reach.begins(newest.at);
        while let Some(entry) = ring.get(self.tail).filter(|entry| entry.at <= begins) {
            self.judged -= u64::from(entry.weighs());
            self.failed -= u64::from(entry.failed && entry.weighs());
            self.tail += 1;
        }
    }

    pub fn recount(&mut self, ring: &Ring, reach: Reach) {
        *self = Self { tail: ring.first, ..Self::default() };
        let Some(newest) = ring.newest() else { return };
        for entry in ring.iter() {
            if entry.at <= reach.begins(newest.at) {
                self.tail += 1;
            } else if entry.weighs() {
                self.judged += 1;
                self.failed += u64::from(entry.failed);
            }
        }
    }
}

/// Latencies of a window, by how many are above the bound and above that below which the alert ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    tail: u64,
    /// Runs that gave any.
    pub runs: u64,
    pub count: u64,
    pub above: u64,
    pub above_end: u64,
}

/// What latencies are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    pub percentile: f64,
    pub bound: Duration,
    pub inclusive: bool,
    pub end: Option<Duration>,
}

impl Limits {
    fn is_above(&self, took: Duration) -> bool {
        if self.inclusive { took >= self.bound } else { took > self.bound }
    }

    fn is_above_end(&self, took: Duration) -> bool {
        self.end.map_or_else(|| self.is_above(took), |end| took > end)
    }

    /// By nearest rank: the percentile of so many values is above a bound when at least so many of them are.
    pub fn needed(&self, count: u64) -> u64 {
        count.saturating_sub(self.rank(count)) + 1
    }

    /// The nearest rank, from 1.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of runs is far below 2^52, and the rank is between 1 and it"
    )]
    pub fn rank(&self, count: u64) -> u64 {
        // Without the small allowance 0.95 * 20 would come out as a little more than 19.
        let rank = (self.percentile * count as f64 / 100.0 - 1e-9).ceil();
        (rank.max(1.0) as u64).min(count.max(1))
    }
}

impl Latencies {
    pub fn push(&mut self, ring: &Ring, reach: Reach, limits: &Limits) {
        let Some(newest) = ring.newest() else { return };
        self.count_in(newest, limits);
        let begins = reach.begins(newest.at);
        while let Some(entry) = ring.get(self.tail).filter(|entry| entry.at <= begins) {
            self.count_out(entry, limits);
            self.tail += 1;
        }
    }

    pub fn recount(&mut self, ring: &Ring, reach: Reach, limits: &Limits) {
        *self = Self { tail: ring.first, ..Self::default() };
        let Some(newest) = ring.newest() else { return };
        for entry in ring.iter() {
            if entry.at <= reach.begins(newest.at) {
                self.tail += 1;
            } else {
                self.count_in(entry, limits);
            }
        }
    }

    /// The percentile itself, by nearest rank.
    pub fn percentile(&self, ring: &Ring, limits: &Limits) -> Option<Duration> {
        let runs = ring.since(self.tail).filter(|entry| entry.weighs());
        let mut values: Vec<Duration> = runs.flat_map(|entry| entry.latencies.iter().copied()).collect();
        let rank = usize::try_from(limits.rank(values.len() as u64)).ok()?;
        if values.is_empty() {
            return None;
        }
        Some(*values.select_nth_unstable(rank - 1).1)
    }

    fn count_in(&mut self, entry: &Entry, limits: &Limits) {
        let more = counted(entry, limits);
        self.runs += more.runs;
        self.count += more.count;
        self.above += more.above;
        self.above_end += more.above_end;
    }

    fn count_out(&mut self, entry: &Entry, limits: &Limits) {
        let less = counted(entry, limits);
        self.runs -= less.runs;
        self.count -= less.count;
        self.above -= less.above;
        self.above_end -= less.above_end;
    }
}

/// What one run adds.
fn counted(entry: &Entry, limits: &Limits) -> Latencies {
    let mut counted = Latencies::default();
    if !entry.weighs() || entry.latencies.is_empty() {
        return counted;
    }
    counted.runs = 1;
    for took in &entry.latencies {
        counted.count += 1;
        counted.above += u64::from(limits.is_above(*took));
        counted.above_end += u64::from(limits.is_above_end(*took));
    }
    counted
}

/// Failed runs in a row. What could not be judged neither counts nor ends it.
#[derive(Clone, Debug, Default)]
pub(super) struct Streak {
    pub failed: u64,
    /// The times of the last of them, as many as the condition asks for; kept only where it says in which time.
    times: VecDeque<Nanos>,
}

impl Streak {
    pub fn push(&mut self, at: Nanos, failed: bool, count: u64, within: Option<Nanos>) {
        if !failed {
            *self = Self::default();
            return;
        }
        self.failed += 1;
        if let Some(within) = within {
            self.times.push_back(at);
            while self.times.len() as u64 > count || self.times.front().is_some_and(|first| at - first > within) {
                self.times.pop_front();
            }
        }
    }

    /// Whether there are so many, in the time that was given to [`Self::push`].
    pub fn is_long(&self, count: u64, within: Option<Nanos>) -> bool {
        self.failed >= count && (within.is_none() || self.times.len() as u64 >= count)
    }

    /// Makes nothing of the newest failures.
    pub fn void(&mut self, times: &[Nanos]) {
        self.failed = self.failed.saturating_sub(times.len() as u64);
        self.times.retain(|at| !times.contains(at));
    }
}

//! How fast an error budget is used up, over pairs of a long and a short window: the long one says that it matters, the
//! short one that it still goes on. Runs are counted in thirtieths of each window, so that three days of them cost as
//! little memory as five minutes.

use std::collections::VecDeque;
use std::time::Duration;

use super::window::{Nanos, nanos};

/// A long and a short window, in minutes of a period of 30 days, and how many times too fast the budget may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The long window.
    pub long: Duration,
    /// The short one.
    pub short: Duration,
    /// How many times faster than it lasts for the period.
    pub factor: f64,
}

/// Two in a hundred of the budget in an hour, five in six hours, ten in a day, ten in three days: of a period of 30 days;
/// others are scaled.
const PAIRS: [(u64, u64, f64); 4] = [(60, 5, 14.4), (360, 30, 6.0), (1440, 120, 3.0), (4320, 360, 1.0)];
const PERIOD_MINUTES: u32 = 30 * 24 * 60;
/// A window is counted in so many parts.
const PARTS: i64 = 30;

/// The windows for a period.
#[must_use]
pub fn pairs(period: Duration) -> [Pair; 4] {
    let minute = period / PERIOD_MINUTES;
    let scaled = |minutes: u64| minute.saturating_mul(u32::try_from(minutes).unwrap_or(u32::MAX));
    PAIRS.map(|(long, short, factor)| Pair { long: scaled(long), short: scaled(short), factor })
}

/// Counts of one window.
#[derive(Clone, Debug)]
struct Parts {
    width: Nanos,
    /// Number of the part, judged runs, failed ones; only parts in which something happened.
    counts: VecDeque<(i64, u32, u32)>,
    judged: u64,
    failed: u64,
}

impl Parts {
    fn new(window: Duration) -> Self {
        Self { width: (nanos(window) / PARTS).max(1), counts: VecDeque::new(), judged: 0, failed: 0 }
    }

    fn push(&mut self, at: Nanos, failed: bool) {
        let number = at.div_euclid(self.width);
        while let Some(&(_, judged, bad)) = self.counts.front().filter(|(oldest, ..)| *oldest <= number - PARTS) {
            self.judged -= u64::from(judged);
            self.failed -= u64::from(bad);
            self.counts.pop_front();
        }
        match self.counts.back_mut() {
            Some(last) if last.0 == number => (last.1, last.2) = (last.1 + 1, last.2 + u32::from(failed)),
            _ => self.counts.push_back((number, 1, u32::from(failed))),
        }
        self.judged += 1;
        self.failed += u64::from(failed);
    }

    fn void(&mut self, at: Nanos) {
        let number = at.div_euclid(self.width);
        if let Some(part) = self.counts.iter_mut().find(|part| part.0 == number && part.2 > 0) {
            (part.1, part.2) = (part.1 - 1, part.2 - 1);
            (self.judged, self.failed) = (self.judged - 1, self.failed - 1);
        }
    }
}

/// The counts of all windows of one objective.
#[derive(Clone, Debug)]
pub(super) struct Burn {
    windows: Vec<(Pair, Parts, Parts)>,
    /// 1 - objective.
    budget: f64,
    every: Nanos,
}

/// A pair of windows in which the budget goes too fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Burning {
    pub pair: Pair,
    pub judged: u64,
    pub failed: u64,
    /// How many times too fast.
    pub rate: f64,
}

impl Burn {
    pub fn new(objective: f64, period: Duration, every: Duration) -> Self {
        let windows = pairs(period).map(|pair| (pair, Parts::new(pair.long), Parts::new(pair.short)));
        Self { windows: windows.to_vec(), budget: (1.0 - objective).max(f64::EPSILON), every: nanos(every).max(1) }
    }

    /// Goes on with what was counted for another objective or at another interval. Gives whether the windows are the same.
    pub fn adopt(&mut self, have: &Self) -> bool {
        let is_same = self.windows.iter().zip(&have.windows).all(|(own, known)| own.0 == known.0);
        if is_same {
            self.windows.clone_from(&have.windows);
        }
        is_same
    }

    pub fn push(&mut self, at: Nanos, failed: bool) {
        for (_, long, short) in &mut self.windows {
            long.push(at, failed);
            short.push(at, failed);
        }
    }

    pub fn void(&mut self, times: &[Nanos]) {
        for (_, long, short) in &mut self.windows {
            for at in times {
                long.void(*at);
                short.void(*at);
            }
        }
    }

    /// The pair in which the budget goes fastest, of those in which it goes too fast. Until runs have been seen for as
    /// long as a window, those that are not there yet count as healthy ones; one failure alone is never too fast.
    #[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
    pub fn burning(&self, seen_for: Nanos) -> Option<Burning> {
        let share = |parts: &Parts| {
            let full = u64::try_from(parts.width.saturating_mul(PARTS) / self.every).unwrap_or(0);
            let is_warm = seen_for >= parts.width.saturating_mul(PARTS - 1);
            let judged = if is_warm { parts.judged } else { parts.judged.max(full) };
            if judged == 0 { 0.0 } else { parts.failed as f64 / judged as f64 }
        };
        let too_fast = self.windows.iter().filter_map(|(pair, long, short)| {
            let rate = share(long) / self.budget;
            let is_too_fast = long.failed >= 2 && rate > pair.factor && share(short) / self.budget > pair.factor;
            is_too_fast.then_some(Burning { pair: *pair, judged: long.judged, failed: long.failed, rate })
        });
        too_fast.max_by(|one, other| (one.rate / one.pair.factor).total_cmp(&(other.rate / other.pair.factor)))
    }

    /// Whether the budget lasts for certain: of each pair one window is well, and a quarter of what it should hold by now
    /// is there to say so. `known_for` is the time over which there have been runs, whether they are counted or lost.
    #[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
    pub fn lasts(&self, known_for: Nanos) -> bool {
        self.windows.iter().all(|(pair, long, short)| {
            let is_well = |parts: &Parts, failed_min: u64| {
                let span = parts.width.saturating_mul(PARTS).min(known_for.max(0));
                let expected = u64::try_from(span / self.every).unwrap_or(0) + 1;
                let is_seen = parts.judged >= expected.div_ceil(4);
                let share = parts.failed as f64 / parts.judged.max(1) as f64;
                is_seen && (parts.failed < failed_min || share / self.budget <= pair.factor)
            };
            is_well(long, 2) || is_well(short, 1)
        })
    }

    /// Judged and failed runs in the longest window.
    pub fn totals(&self) -> (u64, u64) {
        self.windows.last().map_or((0, 0), |(_, long, _)| (long.judged, long.failed))
    }
}

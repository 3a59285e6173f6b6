//! How long something was up, down or unknown. A result holds until the next one of the same probe, at most as long as
//! its interval promises; what no result covers is a gap and counts as nothing. Stretches that follow each other can be
//! summed, so that hours give the same figures as the runs they were made of.

use std::time::Duration;

use crate::event::Status;

/// Microseconds of an hour.
pub(super) const HOUR: i64 = 3_600_000_000;
/// Microseconds of a day.
pub(super) const DAY: i64 = 24 * HOUR;

/// For how long something was what. The rest of a window is a gap: the prober did not run, or did not look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uptime {
    /// Everything as expected.
    pub up: Duration,
    /// It worked, though not as it should.
    pub degraded: Duration,
    /// The server was at fault.
    pub down: Duration,
    /// A run was made and could not tell.
    pub unknown: Duration,
    /// No run covers it.
    pub gap: Duration,
    /// How often it went down.
    pub outages: u64,
}

impl Uptime {
    /// The time of which something is known.
    #[must_use]
    pub fn known(&self) -> Duration {
        self.up + self.degraded + self.down
    }

    /// The share (0 to 1) of the known time in which it worked; none where nothing is known.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let known = self.known().as_secs_f64();
        (known > 0.0).then(|| (self.up + self.degraded).as_secs_f64() / known)
    }
}

/// One result: from when, how long it may stand, what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) at: i64,
    pub(super) until: i64,
    pub(super) status: Status,
}

/// A stretch of time in one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    from: i64,
    to: i64,
    status: Status,
}

/// What the results of one probe, oldest first, say about a window.
pub(super) fn stretches(seen: &[Seen], from: i64, to: i64) -> Vec<Stretch> {
    let ends = seen.iter().skip(1).map(|next| next.at).chain([i64::MAX]);
    seen.iter()
        .zip(ends)
        .map(|(one, next)| Stretch { from: one.at.max(from), to: one.until.min(next).min(to), status: one.status })
        .filter(|stretch| stretch.from < stretch.to && stretch.status != Status::Skipped)
        .collect()
}

/// Microseconds by status, and streaks of failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) up: i64,
    pub(super) degraded: i64,
    pub(super) down: i64,
    pub(super) unknown: i64,
    /// Streaks of failure; unknown time and gaps do not end one.
    pub(super) streaks: i64,
    /// Whether the first that is known is a failure.
    pub(super) first: Option<bool>,
    /// Whether the last is.
    pub(super) last: Option<bool>,
}

impl Times {
    /// At each moment the worst of what was known of several probes. A gap of one says nothing about the others.
    pub(super) fn of(stretches: &[Stretch]) -> Self {
        let mut turns: Vec<(i64, usize, i32)> = stretches
            .iter()
            .flat_map(|stretch| {
                let at = place(stretch.status);
                [(stretch.from, at, 1), (stretch.to, at, -1)]
            })
            .collect();
        turns.sort_unstable();
        let (mut open, mut times) = ([0_i32; 4], Self::default());
        let mut next = turns.iter().peekable();
        while let Some((at, place, step)) = next.next() {
            open[*place] += step;
            if next.peek().is_some_and(|(following, ..)| following == at) {
                continue;
            }
            if let (Some(worst), Some((until, ..))) = (open.iter().rposition(|count| *count > 0), next.peek()) {
                times.append(&Self::one(worst, until - at));
            }
        }
        times
    }

    fn one(place: usize, long: i64) -> Self {
        let mut times = Self::default();
        match place {
            0 => times.up = long,
            1 => times.degraded = long,
            2 => times.unknown = long,
            _ => times.down = long,
        }
        if place != 2 {
            let is_down = place == 3;
            (times.first, times.last, times.streaks) = (Some(is_down), Some(is_down), i64::from(is_down));
        }
        times
    }

    /// Adds what came after.
    pub(super) fn append(&mut self, later: &Self) {
        self.up += later.up;
        self.degraded += later.degraded;
        self.down += later.down;
        self.unknown += later.unknown;
        self.streaks += later.streaks - i64::from(self.last == Some(true) && later.first == Some(true));
        self.first = self.first.or(later.first);
        self.last = later.last.or(self.last);
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As people are told, for a window of this length.
    pub(super) fn told(&self, window: i64) -> Uptime {
        let micros = |count: i64| Duration::from_micros(u64::try_from(count).unwrap_or(0));
        Uptime {
            up: micros(self.up),
            degraded: micros(self.degraded),
            down: micros(self.down),
            unknown: micros(self.unknown),
            gap: micros(window - self.up - self.degraded - self.down - self.unknown),
            outages: u64::try_from(self.streaks).unwrap_or(0),
        }
    }
}

/// From best to worst, as statuses fold.
fn place(status: Status) -> usize {
    match status {
        Status::Skipped | Status::Healthy => 0,
        Status::Degraded => 1,
        Status::Unknown => 2,
        Status::Failed => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(at: i64, stands: i64, status: Status) -> Seen {
        Seen { at, until: at + stands, status }
    }

    fn of(seen: &[Seen], from: i64, to: i64) -> Times {
        Times::of(&stretches(seen, from, to))
    }

    #[test]
    fn a_result_stands_until_the_next_and_no_longer_than_it_may() {
        use Status::{Degraded, Failed, Healthy, Unknown};
        let runs = [seen(0, 15, Healthy), seen(10, 15, Failed), seen(20, 15, Unknown), seen(50, 15, Degraded)];
        let told = of(&runs, 0, 100).told(100);
        let micros = |duration: Duration| duration.as_micros();
        assert_eq!((micros(told.up), micros(told.down), micros(told.unknown)), (10, 10, 15));
        assert_eq!((micros(told.degraded), micros(told.gap), told.outages), (15, 50, 1));
        assert!((told.share().unwrap() - 25.0 / 35.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_known_is_no_uptime() {
        assert_eq!(of(&[], 0, 100).told(100).share(), None);
        assert_eq!(of(&[seen(0, 50, Status::Unknown)], 0, 100).told(100).share(), None);
    }

    #[test]
    fn neither_a_gap_nor_unknown_time_ends_an_outage() {
        use Status::{Failed, Healthy, Unknown};
        let runs =
            [seen(0, 1, Failed), seen(1, 1, Unknown), seen(5, 1, Failed), seen(6, 1, Healthy), seen(7, 1, Failed)];
        assert_eq!(of(&runs, 0, 10).streaks, 2);
    }

    #[test]
    fn the_worst_of_several_probes_counts() {
        use Status::{Failed, Healthy, Unknown};
        let mut both = stretches(&[seen(0, 100, Healthy)], 0, 100);
        both.extend(stretches(&[seen(10, 10, Failed), seen(20, 10, Unknown)], 0, 100));
        let times = Times::of(&both);
        assert_eq!((times.up, times.down, times.unknown, times.streaks), (80, 10, 10, 1));
    }

    fn statuses() -> impl Strategy<Value = Status> {
        prop::sample::select(vec![Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown])
    }

    proptest! {
        #[test]
        fn parts_make_the_whole(
            gaps in prop::collection::vec((1..40_i64, 1..60_i64, statuses()), 0..30),
            others in prop::collection::vec((1..40_i64, 1..60_i64, statuses()), 0..30), cuts in prop::collection::vec(0..800_i64, 0..6),
        ) {
            let line = |gaps: Vec<(i64, i64, Status)>| {
                let mut at = 0;
                gaps.into_iter().map(|(gap, stands, status)| { at += gap; seen(at, stands, status) }).collect::<Vec<_>>()
            };
            let (one, two) = (line(gaps), line(others));
            let both = |from, to| {
                let mut all = stretches(&one, from, to);
                all.extend(stretches(&two, from, to));
                Times::of(&all)
            };
            let mut cuts = cuts;
            cuts.extend([0, 800]);
            cuts.sort_unstable();
            let mut sum = Times::default();
            for pair in cuts.windows(2) {
                sum.append(&both(pair[0], pair[1]));
            }
            prop_assert_eq!(sum, both(0, 800));
            // Moment by moment, the slow way.
            let state = |line: &[Seen], at: i64| {
                line.iter().rev().find(|seen| seen.at <= at).filter(|seen| at < seen.until).map(|seen| place(seen.status))
            };
            let mut slow = [0_i64; 4];
            for at in 0..800 {
                if let Some(worst) = state(&one, at).max(state(&two, at)) {
                    slow[worst] += 1;
                }
            }
            prop_assert_eq!(slow, [sum.up, sum.degraded, sum.unknown, sum.down]);
        }
    }
}

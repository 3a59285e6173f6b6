//! The points of one slot on the boot clock: where the next is, how many passed. An interval's points have a fixed place in
//! the time of day, from the hash of the slot; after somebody set the clock they move there with the next point, not at once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::clockwork::{Look, nanos, timestamp};
use super::{Grid, JITTER_MAX, Slot, calendar};
use crate::base::hash::{fraction, mix};

/// No point any more.
pub(super) const NEVER: u64 = u64::MAX;
/// Points of a calendar that are counted one by one; a sleep of more is counted as so many.
const COUNTED_MAX: u64 = 10_000;
/// Shorter than this is no interval.
const INTERVAL_MIN: u64 = 1_000_000;

/// Where one slot is in time.
#[derive(Clone, Debug)]
pub(super) struct Points {
    /// The slot's hash with that of the instance: two probers of one fleet interleave.
    scramble: u64,
    /// The wall clock less the boot clock for which `point` was found.
    shift: i64,
    /// The first point that was neither run nor missed.
    pub(super) point: u64,
}

/// Points that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) count: u64,
    /// The last of them.
    pub(super) last: u64,
}

impl Points {
    /// The points of a slot from now on.
    pub(super) fn new(slot: &Slot, seed: u64, now: &Look, anchor: i64) -> Self {
        let mut points = Self { scramble: mix(slot.identity) ^ mix(seed), shift: anchor, point: NEVER };
        points.restart(slot, now, anchor);
        points
    }

    /// Looks for the first point after now.
    pub(super) fn restart(&mut self, slot: &Slot, now: &Look, anchor: i64) {
        match &slot.when {
            Grid::Every(every) => {
                self.shift = anchor;
                self.point = self.first_from(interval(*every), now.boot.saturating_add(1));
            }
            Grid::Cron { .. } => self.follow(slot, now.wall(now.boot), now),
        }
    }

    /// The first point of an interval's grid, at or after a moment.
    fn first_from(&self, interval: u64, from: u64) -> u64 {
        let phase = self.scramble % interval;
        let wall = i128::from(from) + i128::from(self.shift);
        let ahead = (i128::from(phase) - wall).rem_euclid(i128::from(interval));
        u64::try_from(i128::from(from) + ahead).unwrap_or(NEVER)
    }

    /// The first point of a calendar after a time of day.
    fn follow(&mut self, slot: &Slot, after: Timestamp, now: &Look) {
        let Grid::Cron { schedule, zone } = &slot.when else { return };
        self.shift = now.shift;
        self.point = calendar::next(schedule, zone, after)
            .and_then(|next| i64::try_from(next.as_nanosecond()).ok())
            .and_then(|wall| u64::try_from(wall.saturating_sub(self.shift)).ok())
            .unwrap_or(NEVER);
    }

    /// The time of day of the next point.
    fn wall(&self) -> Timestamp {
        timestamp(self.shift.saturating_add_unsigned(self.point))
    }

    /// Leaves every point up to a moment behind.
    pub(super) fn pass(&mut self, slot: &Slot, upto: u64, now: &Look, anchor: i64) -> Passed {
        let mut passed = Passed::default();
        while self.point <= upto && self.point != NEVER {
            passed.last = self.point;
            match &slot.when {
                Grid::Every(every) if self.shift == anchor => {
                    let interval = interval(*every);
                    let more = (upto - self.point) / interval;
                    passed.last = self.point + more * interval;
                    passed.count += more + 1;
                    self.point = passed.last.saturating_add(interval);
                }
                Grid::Every(every) => {
                    // To the new place without two runs in quick succession, and without leaving one out.
                    let interval = interval(*every);
                    self.shift = anchor;
                    self.point = self.first_from(interval, self.point.saturating_add(interval / 2));
                    passed.count += 1;
                }
                Grid::Cron { .. } => {
                    let far = passed.count >= COUNTED_MAX;
                    let after = if far { self.wall().max(now.wall(upto)) } else { self.wall() };
                    self.follow(slot, after, now);
                    passed.count += 1;
                }
            }
        }
        passed
    }

    /// The last point up to a moment, when the next one has come.
    pub(super) fn last_upto(&self, slot: &Slot, upto: u64, now: &Look, anchor: i64) -> u64 {
        let mut ahead = self.clone();
        ahead.pass(slot, upto, now, anchor).last.max(self.point)
    }

    /// Somebody set the clock by so much: a calendar goes by the new time. What was jumped over stands before now; whether
    /// something was.
    pub(super) fn stepped(&mut self, slot: &Slot, now: &Look, by: SignedDuration) -> bool {
        let Grid::Cron { schedule, .. } = &slot.when else { return false };
        if self.point == NEVER {
            self.follow(slot, now.wall(now.boot), now);
            return false;
        }
        let (planned, today) = (self.wall(), now.wall(now.boot));
        if planned <= today {
            let wall = i64::try_from(planned.as_nanosecond()).unwrap_or(i64::MAX);
            self.shift = now.shift;
            self.point = u64::try_from(wall.saturating_sub(now.shift)).unwrap_or(1);
            return true;
        }
        // Put back a little: what names its hours does not have them again.
        let had = by.is_negative() && by.abs() <= BACK_MAX && !calendar::in_every_hour(schedule);
        let after = if had { timestamp_before(planned) } else { today };
        self.follow(slot, after, now);
        false
    }

    /// When the run of the next point is to begin: around it, by a share of the interval.
    pub(super) fn meant(&self, slot: &Slot) -> u64 {
        let Grid::Every(every) = slot.when else { return self.point };
        let share = (self.draw(1) * 2.0 - 1.0) * slot.jitter.clamp(0.0, JITTER_MAX);
        let away = Duration::from_nanos(interval(every)).mul_f64(share.abs());
        if share < 0.0 { self.point.saturating_sub(nanos(away)) } else { self.point.saturating_add(nanos(away)) }
    }

    /// A fraction that depends on the slot, the point and what it is for.
    pub(super) fn draw(&self, purpose: u64) -> f64 {
        fraction(self.scramble ^ mix(self.point).wrapping_add(purpose))
    }
}

/// A clock that is put back by more than this was wrong before: what it said then counts no more.
const BACK_MAX: SignedDuration = SignedDuration::from_hours(3);

fn timestamp_before(at: Timestamp) -> Timestamp {
    at.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(at)
}

/// In nanoseconds.
pub(super) fn interval(every: Duration) -> u64 {
    nanos(every).max(INTERVAL_MIN)
}

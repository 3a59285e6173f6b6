//! What the three clocks say together. The timetable counts on the boot clock, which goes on while the machine sleeps and is
//! never set: its grid keeps its place in the day over a suspend, and does not move when somebody sets the time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Gap;
use crate::base::clock::Now;

/// How long the network gets to come back after a suspend.
pub const NETWORK_GRACE: Duration = Duration::from_secs(10);
/// Clocks are read one after the other, and a machine that hesitates has not slept.
const SLEEP_MIN: u64 = 1_000_000_000;
/// What is less is slewed by the system, or noise.
const STEP_MIN: u64 = 2_000_000_000;

/// How long the machine slept between two moments, where it did: what happened across it says nothing of a server.
#[must_use]
pub fn slept_between(begun: &Now, ended: &Now) -> Option<Duration> {
    let behind = |now: &Now| now.boot.saturating_sub(now.monotonic);
    let slept = behind(ended).saturating_sub(behind(begun));
    (nanos(slept) > SLEEP_MIN).then_some(slept)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Added to the boot clock, so that what was before the machine was started has a place on it too: a clock that is set
/// forward makes points of the past.
const ORIGIN: u64 = 1 << 62;

/// One look at the clocks, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The boot clock.
    pub(super) boot: u64,
    /// How far the monotonic clock is behind it.
    behind: u64,
    /// The wall clock less the boot clock.
    pub(super) shift: i64,
}

impl Look {
    pub(super) fn at(now: &Now) -> Self {
        let boot = nanos(now.boot).saturating_add(ORIGIN);
        let wall = i64::try_from(now.wall.as_nanosecond()).unwrap_or(i64::MAX);
        Self { boot, behind: boot.saturating_sub(nanos(now.monotonic)), shift: wall.saturating_sub_unsigned(boot) }
    }

    /// A moment of the boot clock on the monotonic one.
    pub(super) fn monotonic(&self, boot: u64) -> Duration {
        Duration::from_nanos(boot.saturating_sub(self.behind))
    }

    /// A moment of the monotonic clock on the boot clock.
    pub(super) fn boot_of(&self, monotonic: Duration) -> u64 {
        nanos(monotonic).saturating_add(self.behind)
    }

    /// The time of day at a moment of the boot clock.
    pub(super) fn wall(&self, boot: u64) -> Timestamp {
        timestamp(self.shift.saturating_add_unsigned(boot))
    }
}

/// Nanoseconds since 1970 as a time of day.
pub(super) fn timestamp(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX)
}

/// What is remembered between two looks.
#[derive(Clone, Debug)]
pub(super) struct Clockwork {
    /// The last look.
    pub(super) now: Look,
    /// How far the monotonic clock was behind when that was last told.
    told_behind: u64,
    /// The wall clock less the boot clock to which grids are anchored; it follows steps, not slewing.
    pub(super) anchor: i64,
    /// The last suspend on the boot clock: after this moment the machine slept, or the network was not back yet, ...
    pub(super) slept_from: u64,
    /// ... until this one.
    pub(super) quiet_until: u64,
    /// When this process last stood still on the boot clock: after this moment, until that one.
    stalled: (u64, u64),
}

impl Clockwork {
    pub(super) fn new(now: &Now) -> Self {
        let now = Look::at(now);
        Self { now, told_behind: now.behind, anchor: now.shift, slept_from: 0, quiet_until: 0, stalled: (0, 0) }
    }

    /// This process stood still between two moments of the monotonic clock.
    pub(super) fn stood_still(&mut self, from: Duration, until: Duration) {
        self.stalled = (self.now.boot_of(from), self.now.boot_of(until));
    }

    /// Where a stretch of the boot clock that ends at a moment is to be cut, so that each part was slept through or stood
    /// through as a whole, or not at all: the ends of the parts, and whether they were.
    pub(super) fn parts(&self, upto: u64) -> [(u64, bool); 5] {
        let away = [(self.slept_from, self.quiet_until), self.stalled];
        let is_away = |end: u64| away.iter().any(|(from, until)| (from + 1..=*until).contains(&end));
        let mut ends = [away[0].0, away[0].1, away[1].0, away[1].1, upto].map(|end| end.min(upto));
        ends.sort_unstable();
        ends.map(|end| (end, is_away(end)))
    }

    /// Looks at the clocks: what they did since.
    pub(super) fn look(&mut self, now: &Now) -> [Option<Gap>; 2] {
        let before = std::mem::replace(&mut self.now, Look::at(now));
        // Two looks may be told in the wrong order; the grid only goes on.
        self.now.boot = self.now.boot.max(before.boot);
        let slept = self.now.behind.saturating_sub(self.told_behind);
        let suspended = (slept > SLEEP_MIN).then(|| {
            self.told_behind = self.now.behind;
            // One suspend soon after another is one.
            if before.boot > self.quiet_until {
                self.slept_from = before.boot;
            }
            self.quiet_until = self.now.boot.saturating_add(nanos(NETWORK_GRACE));
            Gap::Suspended(Duration::from_nanos(slept))
        });
        let step = self.now.shift.saturating_sub(self.anchor);
        let stepped = (step.unsigned_abs() > STEP_MIN).then(|| {
            self.anchor = self.now.shift;
            Gap::Stepped(SignedDuration::from_nanos(step))
        });
        [suspended, stepped]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Clock as _, VirtualClock};

    #[test]
    fn sleeping_setting_the_clock_and_slewing_are_told_apart() {
        let clock = VirtualClock::new("2026-01-15T09:32:45Z".parse().unwrap());
        let begun = clock.now();
        let mut clockwork = Clockwork::new(&begun);
        clock.advance(Duration::from_secs(60));
        assert_eq!(clockwork.look(&clock.now()), [None, None]);
        clock.suspend(Duration::from_millis(900));
        clock.step(SignedDuration::from_millis(-1900));
        assert_eq!(clockwork.look(&clock.now()), [None, None]);
        assert_eq!(slept_between(&begun, &clock.now()), None);
        clock.suspend(Duration::from_secs(3600));
        clock.step(SignedDuration::from_hours(24));
        let gaps = clockwork.look(&clock.now());
        let slept = Duration::from_millis(3_600_900);
        assert_eq!(gaps[0], Some(Gap::Suspended(slept)));
        assert_eq!(gaps[1], Some(Gap::Stepped(SignedDuration::from_millis(86_400_000 - 1900))));
        assert_eq!(slept_between(&begun, &clock.now()), Some(slept));
        assert_eq!(clockwork.look(&clock.now()), [None, None]);
        assert_eq!(clockwork.now.monotonic(clockwork.now.boot), clock.now().monotonic);
        assert_eq!(clockwork.now.wall(clockwork.now.boot), clock.now().wall);
    }
}

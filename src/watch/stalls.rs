//! When this process stood still: stopped, frozen, without processor time, or with a loop that has more to do than it can. A
//! task asks to be woken every tenth of a second and sees how much later it is. What is measured meanwhile is no measure of
//! a server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::daemon::Daemon;
use crate::base::clock::{Clock, Now};
use crate::base::duration::human;
use crate::event::{Level, Missed};

/// How often the task asks to be woken.
const TICK: Duration = Duration::from_millis(100);
/// Waking is late by so much only where something is wrong: a busy machine makes a process wait for some hundredths.
const LATE: Duration = Duration::from_millis(100);
/// What is worth a line of the log.
const TOLD: Duration = Duration::from_secs(1);
/// Over this short ones are added up.
const MINUTE: Duration = Duration::from_secs(60);
/// After a longer one, data that is missing is missing for it.
const LONG: Duration = Duration::from_secs(10);

/// What is known of standstills. Clones are the same.
#[derive(Clone, Debug)]
pub struct Stalls(Arc<Mutex<Seen>>);

/// A standstill, on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// The last sign of life before.
    pub from: Duration,
    /// The first after.
    pub until: Duration,
}

#[derive(Debug)]
struct Seen {
    /// The last sign of life; on the monotonic clock.
    ticked: Duration,
    total: Duration,
    last: Option<Stall>,
}

impl Stalls {
    /// Looks for them among the services, until these are to stop.
    pub fn among(services: &mut JoinSet<()>, clock: &Arc<dyn Clock>, stop: &CancellationToken) -> Self {
        let stalls = Self::new(clock.now());
        services.spawn(stalls.clone().watch(Arc::clone(clock), stop.clone()));
        stalls
    }

    /// None until now.
    fn new(now: Now) -> Self {
        Self(Arc::new(Mutex::new(Seen { ticked: now.monotonic, total: Duration::ZERO, last: None })))
    }

    /// Ticks until it is told to stop.
    async fn watch(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => self.tick(clock.now().monotonic),
            }
        }
    }

    /// A sign of life.
    fn tick(&self, now: Duration) {
        let mut seen = self.seen();
        *seen = Seen { total: seen.total + seen.late(now), last: seen.last(now), ticked: now };
    }

    /// For how long the process has stood still since it began; what goes on counts. To be compared with itself.
    #[must_use]
    pub fn total(&self, now: Duration) -> Duration {
        let seen = self.seen();
        seen.total + seen.late(now)
    }

    /// The last standstill, where there was one.
    #[must_use]
    pub fn last(&self, now: Duration) -> Option<Stall> {
        self.seen().last(now)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// How much too late it is: nothing, where that may be noise.
    fn late(&self, now: Duration) -> Duration {
        let late = now.saturating_sub(self.ticked + TICK);
        if late >= LATE { late } else { Duration::ZERO }
    }

    fn last(&self, now: Duration) -> Option<Stall> {
        if self.late(now).is_zero() {
            return self.last;
        }
        // A loop that comes late again and again stands still all the time.
        let goes_on = self.last.filter(|last| last.until == self.ticked);
        Some(Stall { from: goes_on.map_or(self.ticked, |last| last.from), until: now })
    }
}

/// What the loop made of them.
#[derive(Debug, Default)]
pub struct Heeded {
    until: Duration,
    /// The beginning of the one that was told last, and of the last long one.
    told: Option<Duration>,
    long: Option<Duration>,
    /// When a minute began whose short ones are added up, how much there had been of them by then, and whether they were told.
    minute: (Duration, Duration, bool),
}

impl Daemon {
    /// What a standstill means for the timetable and the rules. Comes before anything is concluded from the time.
    pub(super) fn heed_stalls(&mut self, now: Now) {
        let Some(stall) = self.runner.stalls.last(now.monotonic).filter(|stall| stall.until > self.heeded.until) else {
            return;
        };
        self.heeded.until = stall.until;
        self.timetable.stood_still(stall.from, stall.until);
        let still = stall.until.saturating_sub(stall.from);
        if still >= LONG && self.heeded.long.replace(stall.from) != Some(stall.from) {
            self.engine.gap(now);
        }
        if still >= TOLD && self.heeded.told.replace(stall.from) != Some(stall.from) {
            let message = format!(
                "mcp-probe stood still for {} (stopped, frozen, or without processor time): no server is blamed for that time",
                human(still)
            );
            self.note(Level::Warn, "clock", message);
        }
        self.heed_short_stalls(now);
    }

    /// Many short ones excuse as much as a long one: they are told, too, once a minute.
    fn heed_short_stalls(&mut self, now: Now) {
        let total = self.runner.stalls.total(now.monotonic);
        if now.monotonic.saturating_sub(self.heeded.minute.0) >= MINUTE {
            self.heeded.minute = (now.monotonic, total, false);
        }
        let (_, before, is_told) = self.heeded.minute;
        let still = total.saturating_sub(before);
        let is_known = self.heeded.told.is_some_and(|from| from >= self.heeded.minute.0);
        if still < TOLD || is_told || is_known {
            return;
        }
        self.heeded.minute.2 = true;
        let message = format!(
            "mcp-probe stood still for {} in all within a minute: it has too little processor time, or too much to do; what \
             fails for a reason of time then is unknown",
            human(still)
        );
        self.note(Level::Warn, "clock", message);
    }

    /// Why a run found no place in all that time.
    pub(super) fn why_too_late(&self, since: Duration, now: Duration) -> Missed {
        let overlap = |stall: Stall| stall.until.min(now).saturating_sub(stall.from.max(since));
        let still = self.runner.stalls.last(now).map_or(Duration::ZERO, overlap);
        if still * 2 > now.saturating_sub(since) { Missed::Suspend } else { Missed::Backpressure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::VirtualClock;

    #[test]
    fn noise_is_no_standstill_and_each_one_counts_once() {
        let clock = VirtualClock::new("2026-01-15T09:32:45Z".parse().unwrap());
        let stalls = Stalls::new(clock.now());
        let go = |millis| {
            clock.advance(Duration::from_millis(millis));
            clock.now().monotonic
        };
        let begun = clock.now().monotonic;
        for late in [0, 20, 99] {
            stalls.tick(go(100 + late));
        }
        assert_eq!((stalls.total(go(150)), stalls.last(clock.now().monotonic)), (Duration::ZERO, None));
        stalls.tick(clock.now().monotonic);
        let from = clock.now().monotonic;
        // Whoever comes before the tick sees it, too.
        let now = go(8100);
        let stall = Some(Stall { from, until: now });
        assert_eq!((stalls.total(now), stalls.last(now)), (Duration::from_secs(8), stall));
        stalls.tick(now);
        assert_eq!((stalls.total(now), stalls.last(now)), (Duration::from_secs(8), stall));
        let now = go(300);
        stalls.tick(now);
        assert_eq!(stalls.last(now), Some(Stall { from, until: now }), "late again: the same one");
        assert_eq!(stalls.total(go(100)), Duration::from_millis(8200));
        stalls.tick(clock.now().monotonic);
        let (from, now) = (clock.now().monotonic, go(500));
        assert_eq!(stalls.last(now), Some(Stall { from, until: now }), "another one");
        assert!(now > begun);
    }
}

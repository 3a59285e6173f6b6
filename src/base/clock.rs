//! Three clocks, read at one moment. Durations and windows are measured on the monotonic one; the boot clock goes on
//! while the machine sleeps, so that the difference of the two is the time that was slept; the wall clock is for people
//! and for calendars, and may be stepped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// One moment on all three clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since an arbitrary start. Stands still while the machine is suspended, is never stepped.
    pub monotonic: Duration,
    /// Since the machine was started, suspends included. Equal to `monotonic` where a system has no such clock.
    pub boot: Duration,
    /// The time of day.
    pub wall: Timestamp,
}

impl Now {
    /// The wall time of a moment on the monotonic clock, as seen from now.
    #[must_use]
    pub fn wall_at(&self, monotonic: Duration) -> Timestamp {
        let ahead = monotonic.as_nanos().cast_signed() - self.monotonic.as_nanos().cast_signed();
        let nanos =
            (self.wall.as_nanosecond() + ahead).clamp(Timestamp::MIN.as_nanosecond(), Timestamp::MAX.as_nanosecond());
        Timestamp::from_nanosecond(nanos).unwrap_or(self.wall)
    }
}

/// Where the time is read: the system's clocks, or those of a test.
pub trait Clock: Send + Sync {
    /// All three, as close together as possible.
    fn now(&self) -> Now;
}

/// The clocks of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let monotonic = read(nix::time::ClockId::CLOCK_MONOTONIC).unwrap_or_default();
        #[cfg(target_os = "linux")]
        let boot = read(nix::time::ClockId::CLOCK_BOOTTIME).unwrap_or(monotonic);
        #[cfg(not(target_os = "linux"))]
        let boot = monotonic;
        Now { monotonic, boot, wall: Timestamp::now() }
    }
}

fn read(id: nix::time::ClockId) -> Option<Duration> {
    nix::time::clock_gettime(id).ok().map(Duration::from)
}

/// Clocks that stand until they are told to go: for tests, and for replaying history. Clones are the same clocks.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<Mutex<Now>>);

impl VirtualClock {
    /// Clocks that begin at this wall time, an hour after the machine was started.
    #[must_use]
    pub fn new(wall: Timestamp) -> Self {
        let since_start = Duration::from_secs(3600);
        Self(Arc::new(Mutex::new(Now { monotonic: since_start, boot: since_start, wall })))
    }

    /// Time goes by.
    pub fn advance(&self, by: Duration) {
        self.change(|now| {
            now.monotonic += by;
            now.boot += by;
            now.wall += by;
        });
    }

    /// The machine sleeps.
    pub fn suspend(&self, by: Duration) {
        self.change(|now| {
            now.boot += by;
            now.wall += by;
        });
    }

    /// Somebody sets the time of day.
    pub fn step(&self, by: jiff::SignedDuration) {
        self.change(|now| now.wall += by);
    }

    fn change(&self, how: impl FnOnce(&mut Now)) {
        how(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unchecked_time_subtraction, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_the_system_go_forward() {
        let (before, after) = (SystemClock.now(), SystemClock.now());
        assert!(before.monotonic <= after.monotonic && before.boot <= after.boot);
        assert!(after.boot >= after.monotonic);
    }

    #[test]
    fn a_sleep_and_a_step_can_be_told_apart() {
        let clock = VirtualClock::new("2026-01-15T09:32:45Z".parse().unwrap());
        let begun = clock.now();
        clock.advance(Duration::from_secs(10));
        clock.suspend(Duration::from_secs(3600));
        clock.step(jiff::SignedDuration::from_hours(-24));
        let now = clock.now();
        assert_eq!(now.monotonic - begun.monotonic, Duration::from_secs(10));
        assert_eq!(now.boot - begun.boot, Duration::from_secs(3610));
        assert_eq!(now.wall.to_string(), "2026-01-14T10:32:55Z");
        assert_eq!(now.wall_at(now.monotonic + Duration::from_secs(5)).to_string(), "2026-01-14T10:33:00Z");
    }
}

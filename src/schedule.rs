//! When `watch` runs what: a fixed grid per probe and target, spread by a hash, that neither drifts nor bursts. Pure: the
//! time is an argument, so that a day of suspends, clock steps and slow servers is tested in a moment.

mod calendar;
mod clockwork;
mod grid;
#[cfg(test)]
mod tests;
mod timetable;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use crate::base::hash::identity;
pub use clockwork::{NETWORK_GRACE, slept_between};
pub use timetable::Timetable;

use crate::event::Missed;

/// More than this around its grid point would no longer be jitter.
pub const JITTER_MAX: f64 = 0.02;

/// What has a place in the timetable: a probe on one of its targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The probe.
    pub probe: String,
    /// The target.
    pub target: String,
    /// Of the two names and of what they do ([`identity`]): as long as it stays, a reload changes nothing.
    pub identity: u64,
    /// When it is run.
    pub when: Grid,
    /// How far from its grid point a run may begin, as a share of the interval, up to [`JITTER_MAX`]; drawn for each run
    /// and never accumulated. A calendar has none.
    pub jitter: f64,
    /// The longest that a run takes: `startup_timeout + timeout × (1 + retries)`.
    pub span_max: Duration,
}

/// The points at which a slot is run.
#[derive(Clone, Debug, PartialEq)]
pub enum Grid {
    /// So often, the phase from the slot's hash.
    Every(Duration),
    /// By a calendar.
    Cron {
        /// The expression.
        schedule: Box<croner::Cron>,
        /// Whose wall clock it means.
        zone: jiff::tz::TimeZone,
    },
}

/// Names a slot of one timetable for as long as it stays in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId {
    index: u32,
    generation: u32,
}

/// Why a run is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its grid point has come.
    Grid,
    /// The timetable has just begun.
    Start,
    /// The run before failed: sooner than the grid, a bounded number of times.
    Retry,
    /// Somebody asked for it ([`Timetable::soon`], [`Timetable::take`]).
    Asked,
}

/// A run that is to be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of which slot.
    pub id: SlotId,
    /// Why.
    pub kind: Kind,
    /// Its grid point, on the monotonic clock; of a run beside the grid the time that was meant.
    pub grid: Duration,
    /// When it was to begin, with its jitter, on the monotonic clock. What comes later is lag.
    pub meant: Duration,
    /// The wall time of `grid`.
    pub due_at: Timestamp,
    /// The next grid point, on the monotonic clock: what has not begun by then is missed ([`Timetable::gave_up`]).
    pub until: Duration,
}

/// Grid points that passed without a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissedRun {
    /// Of which slot.
    pub id: SlotId,
    /// Why.
    pub reason: Missed,
    /// How many.
    pub count: u64,
    /// The wall time of the last of them.
    pub at: Timestamp,
    /// Whether the point before was not missed: a streak is worth one line of a log.
    pub is_first: bool,
}

/// What the clocks showed since they were looked at before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The machine slept for so long.
    Suspended(Duration),
    /// Somebody set the time of day, by so much.
    Stepped(SignedDuration),
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The runs, the earliest deadline first.
    pub due: Vec<Due>,
    /// What was missed.
    pub missed: Vec<MissedRun>,
    /// What the clocks did.
    pub gaps: Vec<Gap>,
}

/// How a run ended, as far as the timetable is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// As it should: on with the grid.
    Settled,
    /// It failed: looked at again sooner, a bounded number of times, each time a little later.
    Failing,
    /// The server asks to be left alone for so long.
    AskedToWait(Duration),
    /// Nobody can tell: on with the grid, as if it had not been.
    Unknown,
}

/// What a reload did.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The ids of the slots that were given, in their order.
    pub ids: Vec<SlotId>,
    /// How many of them were there before, and go on as if nothing had been.
    pub kept: usize,
    /// Those that are new.
    pub added: Vec<SlotId>,
    /// Those that are gone, with what they were and whether a run was going on.
    pub removed: Vec<(SlotId, Slot, bool)>,
}

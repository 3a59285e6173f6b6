//! All slots in the order in which they come due. What is due is taken out and comes back when its run has ended, so that no
//! two runs of a slot overlap; every grid point is run or told as missed, once, and none is made up for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::clockwork::{Clockwork, nanos};
use super::grid::{NEVER, Passed, Points, interval};
use super::{After, Changes, Due, Gap, Grid, Kind, MissedRun, Slot, SlotId, Turn};
use crate::base::clock::Now;
use crate::event::Missed;

const SECOND: u64 = 1_000_000_000;
/// What is late by more was held up by us, with many others: those are spread, not begun all at once.
const LATE_MAX: u64 = SECOND;
/// Over an interval, or this where that is less; what then has no place before its next point is missed.
const SPREAD_MAX: u64 = 60 * SECOND;
/// `run_at_start` spreads over this, or the interval where that is less.
const START_SPREAD: u64 = 10 * SECOND;
/// After a failure a slot is looked at again after a quarter of its interval, within these; twice as long each time.
const RETRY_MIN: u64 = 5 * SECOND;
const RETRY_MAX: u64 = 60 * SECOND;
/// So often; then the grid is often enough for a server that is down.
const RETRIES: u8 = 3;
/// A server that asks to be left alone for longer is asked again all the same: nobody would notice when it is well.
const WAIT_MAX: u64 = 3600 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    /// Taken out, for this kind of run.
    Taken(Kind),
    Running(Kind),
}

/// A run beside the grid.
#[derive(Clone, Copy, Debug)]
struct Extra {
    at: u64,
    kind: Kind,
}

#[derive(Clone, Debug)]
struct State {
    slot: Slot,
    points: Points,
    stage: Stage,
    /// When the run of the next point is to begin.
    meant: u64,
    /// When it is taken: later, where it is one of many that were held up.
    wake: u64,
    /// The grid point of the run that was taken last.
    taken: u64,
    extra: Option<Extra>,
    /// The server asked to be left alone until then.
    alone_until: u64,
    retries: u8,
    /// The point before was missed.
    in_streak: bool,
    /// The clock was put forward over the point.
    jumped: bool,
    /// Told apart from what the heap still has of it.
    version: u32,
}

struct Place {
    generation: u32,
    state: Option<Box<State>>,
}

/// When each slot is run.
pub struct Timetable {
    seed: u64,
    at_start: bool,
    clocks: Clockwork,
    gaps: Vec<Gap>,
    places: Vec<Place>,
    free: Vec<u32>,
    heap: BinaryHeap<Reverse<(u64, u32, u32)>>,
}

impl Timetable {
    /// A timetable that begins now. The seed tells two probers of one fleet apart: kept, each keeps its phases. With
    /// `run_at_start` every slot has a first run within ten seconds; else its first grid point is its first run.
    #[must_use]
    pub fn new(seed: u64, slots: Vec<Slot>, run_at_start: bool, now: Now) -> Self {
        let mut timetable = Self {
            seed,
            at_start: run_at_start,
            clocks: Clockwork::new(&now),
            gaps: Vec::new(),
            places: Vec::with_capacity(slots.len()),
            free: Vec::new(),
            heap: BinaryHeap::with_capacity(slots.len() * 2),
        };
        for slot in slots {
            timetable.enter(slot);
        }
        timetable
    }

    /// The slots with their ids, in no particular order; those given to [`Timetable::new`] in theirs.
    pub fn slots(&self) -> impl Iterator<Item = (SlotId, &Slot)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let id = SlotId { index: u32::try_from(index).ok()?, generation: place.generation };
            Some((id, &place.state.as_ref()?.slot))
        })
    }

    /// A slot that is in the timetable.
    #[must_use]
    pub fn slot(&self, id: SlotId) -> Option<&Slot> {
        Some(&self.state(id)?.slot)
    }

    /// Whether a run of it was taken and has not ended.
    #[must_use]
    pub fn is_busy(&self, id: SlotId) -> bool {
        self.state(id).is_some_and(|state| state.stage != Stage::Idle)
    }

    /// When to look again, on the monotonic clock as it went when it was looked at last. To notice a suspend in time, look
    /// at least every second.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        // What is out of date comes too early, never too late.
        self.heap.peek().map(|Reverse((wake, ..))| self.clocks.now.monotonic(*wake))
    }

    /// What is to be done now. Each run is to be begun ([`Timetable::started`]) or given up, and then to be finished.
    pub fn take_due(&mut self, now: Now) -> Turn {
        self.look(&now);
        let mut turn = Turn { gaps: std::mem::take(&mut self.gaps), ..Turn::default() };
        while let Some(&Reverse((wake, index, version))) = self.heap.peek() {
            if wake > self.clocks.now.boot {
                break;
            }
            self.heap.pop();
            let place = &mut self.places[index as usize];
            let id = SlotId { index, generation: place.generation };
            let Some(state) = place.state.as_mut().filter(|state| state.version == version) else { continue };
            if let Some(due) = state.come(id, &self.clocks, &mut turn.missed) {
                turn.due.push(due);
            } else if let Some(wake) = state.next_wake() {
                self.heap.push(Reverse((wake, index, version)));
            }
        }
        turn.due.sort_by_key(|due| (due.until, due.meant));
        turn
    }

    /// This process stood still between two moments of the monotonic clock: what could not be run then is missed for it.
    pub fn stood_still(&mut self, from: Duration, until: Duration) {
        self.clocks.stood_still(from, until);
    }

    /// A run begins: what was taken is under way.
    pub fn started(&mut self, id: SlotId) {
        if let Some(state) = self.state_mut(id)
            && let Stage::Taken(kind) = state.stage
        {
            state.stage = Stage::Running(kind);
        }
    }

    /// A run that was taken is not made: its point is missed for this reason, and the slot waits for its next.
    pub fn gave_up(&mut self, id: SlotId, now: Now, reason: Missed) -> Vec<MissedRun> {
        self.look(&now);
        let clocks = self.clocks.clone();
        let mut missed = Vec::new();
        let Some(state) = self.state_mut(id) else { return missed };
        let Stage::Taken(kind) = state.stage else { return missed };
        if kind == Kind::Grid {
            state.miss(id, reason, 1, clocks.now.wall(state.taken), &mut missed);
        }
        state.stage = Stage::Idle;
        state.pass(id, clocks.now.boot, reason, &clocks, &mut missed);
        self.plan(id.index);
        missed
    }

    /// A run has ended: the slot waits for its first point after now. Gives the points that passed meanwhile.
    pub fn finished(&mut self, id: SlotId, now: Now, after: After) -> Vec<MissedRun> {
        self.look(&now);
        let clocks = self.clocks.clone();
        let mut missed = Vec::new();
        let Some(state) = self.state_mut(id) else { return missed };
        if state.stage == Stage::Idle {
            return missed;
        }
        state.stage = Stage::Idle;
        let reason = if state.jumped { Missed::Clock } else { Missed::Overrun };
        state.pass(id, clocks.now.boot, reason, &clocks, &mut missed);
        state.in_streak &= !missed.is_empty();
        state.ended(after, clocks.now.boot);
        self.plan(id.index);
        missed
    }

    /// A run at once, out of turn; none while one of the slot is going on. It is begun and finished like every other.
    pub fn take(&mut self, id: SlotId, now: Now) -> Option<Due> {
        self.look(&now);
        let clocks = self.clocks.clone();
        let state = self.state_mut(id).filter(|state| state.stage == Stage::Idle)?;
        let at = clocks.now.boot;
        state.extra = None;
        state.version = state.version.wrapping_add(1);
        Some(state.take(id, Kind::Asked, at, at, &clocks))
    }

    /// A run beside the grid at that time of the monotonic clock, in place of an earlier wish. While a run of the slot is
    /// going on it waits for its end.
    pub fn soon(&mut self, id: SlotId, at: Duration) {
        let at = self.clocks.now.boot_of(at);
        let Some(state) = self.state_mut(id) else { return };
        state.extra = Some(Extra { at, kind: Kind::Asked });
        if state.stage == Stage::Idle {
            self.plan(id.index);
        }
    }

    /// Takes the slots that are wanted now. Those whose identity was there before keep everything: their phase, the run
    /// that is going on, the pause that a server asked for.
    pub fn reload(&mut self, slots: Vec<Slot>, now: Now) -> Changes {
        self.look(&now);
        let mut before: HashMap<u64, SlotId> = self.slots().map(|(id, slot)| (slot.identity, id)).collect();
        let mut changes = Changes::default();
        // What is gone makes room first; the ids of what stays are known by then.
        let kept: Vec<Option<SlotId>> = slots.iter().map(|slot| before.remove(&slot.identity)).collect();
        let staying: std::collections::HashSet<SlotId> = kept.iter().copied().flatten().collect();
        let gone: Vec<SlotId> = self.slots().map(|(id, _)| id).filter(|id| !staying.contains(id)).collect();
        for id in gone {
            let place = &mut self.places[id.index as usize];
            place.generation = place.generation.wrapping_add(1);
            if let Some(state) = place.state.take() {
                changes.removed.push((id, state.slot, state.stage != Stage::Idle));
            }
            self.free.push(id.index);
        }
        for (slot, kept) in slots.into_iter().zip(kept) {
            let id = match kept {
                Some(id) => {
                    changes.kept += 1;
                    self.renew(id, slot);
                    id
                }
                None => {
                    let id = self.enter(slot);
                    changes.added.push(id);
                    id
                }
            };
            changes.ids.push(id);
        }
        changes
    }

    /// The next grid point of a slot, on the monotonic clock and as a time of day.
    #[must_use]
    pub fn next_of(&self, id: SlotId) -> Option<(Duration, Timestamp)> {
        let point = self.state(id)?.points.point;
        let now = &self.clocks.now;
        (point != NEVER).then(|| (now.monotonic(point), now.wall(point)))
    }

    fn state(&self, id: SlotId) -> Option<&State> {
        let place = self.places.get(id.index as usize)?;
        place.state.as_deref().filter(|_| place.generation == id.generation)
    }

    fn state_mut(&mut self, id: SlotId) -> Option<&mut State> {
        let place = self.places.get_mut(id.index as usize)?;
        place.state.as_deref_mut().filter(|_| place.generation == id.generation)
    }

    fn enter(&mut self, slot: Slot) -> SlotId {
        let clocks = &self.clocks;
        let points = Points::new(&slot, self.seed, &clocks.now, clocks.anchor);
        let mut state = State {
            points,
            stage: Stage::Idle,
            meant: 0,
            wake: 0,
            taken: 0,
            extra: None,
            alone_until: 0,
            retries: 0,
            in_streak: false,
            jumped: false,
            version: 0,
            slot,
        };
        state.aim(clocks.now.boot);
        let now = clocks.now.boot;
        if let Grid::Every(every) = state.slot.when {
            // The first result comes within one interval, whatever its jitter.
            state.meant = state.meant.min(now.saturating_add(interval(every)));
            state.wake = state.meant;
        }
        // A grid point that comes as soon will do.
        if self.at_start && state.meant > now.saturating_add(state.start_spread()) {
            let at = now.saturating_add(share(state.start_spread(), state.points.draw(2)));
            state.extra = Some(Extra { at, kind: Kind::Start });
        }
        let state = Some(Box::new(state));
        let index = match self.free.pop() {
            Some(index) => {
                self.places[index as usize].state = state;
                index
            }
            None => {
                self.places.push(Place { generation: 0, state });
                u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.plan(index);
        SlotId { index, generation: self.places[index as usize].generation }
    }

    /// What the slot says now, where it is not only its identity that stayed.
    fn renew(&mut self, id: SlotId, slot: Slot) {
        let (seed, clocks) = (self.seed, self.clocks.clone());
        let Some(state) = self.state_mut(id) else { return };
        if state.slot.when == slot.when {
            state.slot = slot;
            return;
        }
        state.points = Points::new(&slot, seed, &clocks.now, clocks.anchor);
        state.slot = slot;
        state.aim(clocks.now.boot);
        if state.stage == Stage::Idle {
            self.plan(id.index);
        }
    }

    /// Puts an idle slot where it comes next.
    fn plan(&mut self, index: u32) {
        let Some(state) = self.places[index as usize].state.as_mut() else { return };
        state.version = state.version.wrapping_add(1);
        if let Some(wake) = state.next_wake() {
            self.heap.push(Reverse((wake, index, state.version)));
        }
        if self.heap.len() > 64 + self.places.len() * 4 {
            let places = &self.places;
            let is_current = |index: u32, version| {
                places[index as usize].state.as_ref().is_some_and(|state| state.version == version)
            };
            self.heap.retain(|Reverse((_, index, version))| is_current(*index, *version));
        }
    }

    fn look(&mut self, now: &Now) {
        for gap in self.clocks.look(now).into_iter().flatten() {
            self.gaps.push(gap);
            let Gap::Stepped(by) = gap else { continue };
            for index in 0..u32::try_from(self.places.len()).unwrap_or(u32::MAX) {
                let Some(state) = self.places[index as usize].state.as_mut() else { continue };
                if matches!(state.slot.when, Grid::Every(_)) {
                    continue;
                }
                state.jumped |= state.points.stepped(&state.slot, &self.clocks.now, by);
                state.aim(self.clocks.now.boot);
                if state.stage == Stage::Idle {
                    self.plan(index);
                }
            }
        }
    }
}

impl State {
    /// Its time has come: a run, or nothing and a later time. Every point that passed is told.
    fn come(&mut self, id: SlotId, clocks: &Clockwork, missed: &mut Vec<MissedRun>) -> Option<Due> {
        let now = clocks.now.boot;
        while self.wake <= now {
            if self.points.point <= clocks.quiet_until {
                // It slept through it, or the network is not back yet.
                self.pass(id, clocks.quiet_until, Missed::Suspend, clocks, missed);
                continue;
            }
            if self.meant < self.alone_until {
                let upto = now.min(self.alone_until - 1).max(self.points.point);
                self.pass(id, upto, Missed::Backpressure, clocks, missed);
                continue;
            }
            let last = self.points.last_upto(&self.slot, now, &clocks.now, clocks.anchor);
            if last > self.points.point {
                let reason = if self.jumped { Missed::Clock } else { Missed::Backpressure };
                let is_jumped = std::mem::take(&mut self.jumped);
                self.pass(id, last - 1, reason, clocks, missed);
                self.jumped = is_jumped;
                if is_jumped {
                    // Once, now.
                    (self.meant, self.wake) = (now, now);
                }
                continue;
            }
            if self.was_held_up(now) {
                let place = now.saturating_add(share(self.spread(), self.points.draw(4)).max(1));
                let mut ahead = self.points.clone();
                ahead.pass(&self.slot, last, &clocks.now, clocks.anchor);
                if place < ahead.point {
                    self.wake = place;
                } else {
                    self.pass(id, last, Missed::Backpressure, clocks, missed);
                }
                continue;
            }
            return Some(self.take_point(id, clocks));
        }
        let extra = self.extra.filter(|extra| extra.at <= now)?;
        let from = clocks.quiet_until.saturating_add(1).max(self.alone_until);
        if now < from {
            let at = from.saturating_add(share(self.start_spread(), self.points.draw(3)));
            self.extra = (extra.kind != Kind::Retry).then_some(Extra { at, ..extra });
            return None;
        }
        self.extra = None;
        Some(self.take(id, extra.kind, extra.at, extra.at, clocks))
    }

    /// Whether it is one of many that were held up, and has no place of its own a little later yet.
    fn was_held_up(&self, now: u64) -> bool {
        now.saturating_sub(self.meant) > LATE_MAX && self.wake == self.meant && !self.jumped
    }

    /// Over how long those are spread that were held up: with what is due anyway there are twice as many as usual.
    fn spread(&self) -> u64 {
        match self.slot.when {
            Grid::Every(every) => interval(every).min(SPREAD_MAX),
            Grid::Cron { .. } => SPREAD_MAX,
        }
    }

    fn take_point(&mut self, id: SlotId, clocks: &Clockwork) -> Due {
        let (grid, meant) = (self.points.point, self.meant);
        let jumped = std::mem::take(&mut self.jumped);
        self.points.pass(&self.slot, grid, &clocks.now, clocks.anchor);
        self.aim(clocks.now.boot);
        // What stands for a jump has no place of its own in time any more.
        let grid = if jumped { meant } else { grid };
        self.take(id, Kind::Grid, grid, meant, clocks)
    }

    fn take(&mut self, id: SlotId, kind: Kind, grid: u64, meant: u64, clocks: &Clockwork) -> Due {
        (self.stage, self.taken) = (Stage::Taken(kind), grid);
        let now = &clocks.now;
        self.extra = self.extra.filter(|extra| extra.kind == Kind::Asked && extra.at > now.boot);
        Due {
            id,
            kind,
            grid: now.monotonic(grid),
            meant: now.monotonic(meant),
            due_at: now.wall(grid),
            until: now.monotonic(self.points.point),
        }
    }

    /// Leaves all points up to a moment behind, each with its reason: those of a suspend or a standstill have that one.
    fn pass(&mut self, id: SlotId, upto: u64, reason: Missed, clocks: &Clockwork, missed: &mut Vec<MissedRun>) {
        for (limit, was_away) in clocks.parts(upto) {
            let reason = if was_away { Missed::Suspend } else { reason };
            let Passed { count, last } = self.points.pass(&self.slot, limit, &clocks.now, clocks.anchor);
            if count > 0 {
                self.miss(id, reason, count, clocks.now.wall(last), missed);
                self.jumped = false;
            }
        }
        self.aim(clocks.now.boot);
    }

    fn miss(&mut self, id: SlotId, reason: Missed, count: u64, at: Timestamp, missed: &mut Vec<MissedRun>) {
        missed.push(MissedRun { id, reason, count, at, is_first: !self.in_streak });
        self.in_streak = true;
    }

    /// Aims at the next point.
    fn aim(&mut self, now: u64) {
        self.meant = if self.jumped { now } else { self.points.meant(&self.slot) };
        self.wake = self.meant;
    }

    fn next_wake(&self) -> Option<u64> {
        let wake = self.extra.map_or(self.wake, |extra| extra.at.min(self.wake));
        (wake != NEVER).then_some(wake)
    }

    fn start_spread(&self) -> u64 {
        match self.slot.when {
            Grid::Every(every) => interval(every).min(START_SPREAD),
            Grid::Cron { .. } => START_SPREAD,
        }
    }

    /// What the end of a run means for the next.
    fn ended(&mut self, after: After, now: u64) {
        match after {
            After::Settled => self.retries = 0,
            After::Unknown => {}
            After::AskedToWait(asked) => {
                self.alone_until = now.saturating_add(nanos(asked).min(WAIT_MAX));
                self.extra = self.extra.filter(|extra| extra.kind == Kind::Asked);
            }
            After::Failing if self.retries >= RETRIES || self.extra.is_some() => {}
            After::Failing => {
                let every = match self.slot.when {
                    Grid::Every(every) => interval(every),
                    Grid::Cron { .. } => self.points.point.saturating_sub(now),
                };
                let pause = (every / 4).clamp(RETRY_MIN, RETRY_MAX) << self.retries;
                let at = now.saturating_add(pause);
                let room = nanos(self.slot.span_max).min(pause);
                self.retries += 1;
                // Where the grid is as fast, or would be kept waiting, it will do.
                if at.saturating_add(room) <= self.meant {
                    self.extra = Some(Extra { at, kind: Kind::Retry });
                }
            }
        }
    }
}

/// A share of so many nanoseconds.
fn share(of: u64, fraction: f64) -> u64 {
    nanos(Duration::from_nanos(of).mul_f64(fraction))
}

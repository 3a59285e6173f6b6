//! The state of one rule for one probe of one target: what its condition says of the newest run, and what follows from
//! that. All times of a condition are grid times of runs: what is missing neither fires nor ends anything.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::burn::{self, Burn};
use super::flap::Flap;
use super::rule::{Condition, Expiring, Rule};
use super::settings::Watched;
use super::window::{Latencies, Limits, Nanos, Rate, Reach, Ring, Streak, nanos};
use crate::base::name::Name;
use crate::event::{Reason, Sample};

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It holds.
    Holds,
    /// It does not hold, but is not well enough to end either.
    Between,
    /// All is well.
    Clear,
    /// It cannot be told.
    Silent,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Inactive,
    /// The condition holds since this grid time, not long enough yet.
    Pending(Nanos),
    /// Since this time of day.
    Firing(Timestamp),
    /// It fires, and the condition has not held since this grid time.
    Resolving(Timestamp, Nanos),
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Began,
    Fired,
    /// It was pending and never fired.
    Dropped,
    /// It had fired since this time.
    Ended(Timestamp),
}

impl State {
    pub fn is_firing(self) -> bool {
        matches!(self, Self::Firing(_) | Self::Resolving(..))
    }

    /// When it began to fire.
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Self::Firing(since) | Self::Resolving(since, _) => Some(since),
            Self::Inactive | Self::Pending(_) => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending(_) => "pending",
            Self::Firing(_) => "firing",
            Self::Resolving(..) => "resolving",
        }
    }

    /// Takes in a reading at a grid time. `lasting` and `keep` have an allowance for jitter taken off.
    pub fn step(
        &mut self,
        reading: Reading,
        at: Nanos,
        wall: Timestamp,
        (lasting, keep): (Nanos, Nanos),
    ) -> Option<Moved> {
        use Reading::{Between, Clear, Holds, Silent};
        let (next, moved) = match (*self, reading) {
            (_, Silent) | (Self::Inactive, Between | Clear) | (Self::Firing(_), Holds | Between) => return None,
            (Self::Inactive, Holds) if lasting > 0 => (Self::Pending(at), Some(Moved::Began)),
            (Self::Pending(since), Holds) if at - since < lasting => return None,
            (Self::Inactive | Self::Pending(_), Holds) => (Self::Firing(wall), Some(Moved::Fired)),
            (Self::Pending(_), Between | Clear) => (Self::Inactive, Some(Moved::Dropped)),
            (Self::Firing(since), Clear) if keep > 0 => (Self::Resolving(since, at), None),
            (Self::Resolving(since, _), Holds | Between) => (Self::Firing(since), None),
            (Self::Resolving(_, clear), Clear) if at - clear < keep => return None,
            (Self::Firing(since) | Self::Resolving(since, _), Clear) => (Self::Inactive, Some(Moved::Ended(since))),
        };
        *self = next;
        moved
    }
}

/// What a condition counts.
#[derive(Clone, Debug)]
pub(super) enum Gauge {
    Rate(Rate, Reach),
    Latency(Latencies, Reach, Limits),
    Streak(Streak, Option<Nanos>),
    NoData,
    Drift(Drift),
    Expiry(Ends),
    Burn(Box<Burn>),
}

impl Gauge {
    pub fn new(rule: &Rule, every: Duration) -> Self {
        match &rule.condition {
            Condition::ErrorRate { window, .. } => Self::Rate(Rate::default(), Reach::new(*window, every)),
            Condition::Latency { percentile, bound, window, resolve, .. } => {
                let (percentile, inclusive) = (*percentile, bound.inclusive);
                let limits = Limits { percentile, bound: bound.value, inclusive, end: *resolve };
                Self::Latency(Latencies::default(), Reach::new(*window, every), limits)
            }
            // A grid point is never exactly where it should be: the span is allowed a twentieth of an interval more.
            Condition::ConsecutiveFailures { within, .. } => {
                Self::Streak(Streak::default(), within.map(|within| nanos(within) + nanos(every) / 20))
            }
            Condition::NoData { .. } => Self::NoData,
            Condition::Drift => Self::Drift(Drift::default()),
            Condition::Expiry { .. } => Self::Expiry(Ends::default()),
            Condition::BurnRate { objective, period } => Self::Burn(Box::new(Burn::new(*objective, *period, every))),
        }
    }
}

/// When what expires ends, as it was last seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    certificate: Option<Timestamp>,
    token: Option<Timestamp>,
}

impl Ends {
    fn push(&mut self, sample: &Sample, failed: bool) {
        // A run that could not connect saw no certificate: the last one that was seen counts on.
        self.certificate = sample.certificate_ends.or(self.certificate.filter(|_| failed));
        self.token = sample.token_ends.or(self.token.filter(|_| failed));
    }

    /// When that of these ends which ends first.
    pub fn of(self, what: Expiring) -> Option<Timestamp> {
        match what {
            Expiring::Certificate => self.certificate,
            Expiring::Token => self.token,
            Expiring::Any => self.certificate.into_iter().chain(self.token).min(),
        }
    }
}

/// A list of tools that is another for so long is the one that is known from then on.
const ACCEPTED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Whether definitions are what they were.
#[derive(Clone, Debug, Default)]
pub(super) struct Drift {
    /// The digest of the tools that are known: of the first list that was read.
    pub known: Option<Name>,
    /// Since when the list is another.
    other_since: Option<Nanos>,
    /// What the last run that compared anything said.
    pub drifted: Option<bool>,
}

impl Drift {
    fn push(&mut self, at: Nanos, sample: &Sample, failed: bool) {
        let breaks_lock = sample.reason == Some(Reason::Drift);
        if let Some(list) = &sample.tools_digest {
            let known = self.known.get_or_insert_with(|| list.clone());
            let since = (known != list).then(|| self.other_since.unwrap_or(at));
            self.other_since = since.filter(|since| at - since < nanos(ACCEPTED_AFTER));
            if since.is_some() && self.other_since.is_none() {
                known.clone_from(list);
            }
        } else if failed && !breaks_lock {
            // A failure of another kind did not come so far as to compare anything.
            return;
        }
        self.drifted = Some(breaks_lock || self.other_since.is_some());
    }
}

/// One rule for one probe of one target.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub rule: Arc<Rule>,
    pub gauge: Gauge,
    pub state: State,
    pub flap: Flap,
    /// The grid time of the first run it knows of since a pause that was too long for the window.
    pub seen_from: Option<Nanos>,
    /// The grid time of the first run that it knew of before that pause, or before the prober was started anew: what is
    /// missing since then is lost.
    pub known_from: Option<Nanos>,
    /// A longer pause leaves a hole in the window, and it has to be filled anew.
    patience: Nanos,
    /// `for` and `keep_firing_for`, with an allowance for jitter taken off.
    pub times: (Nanos, Nanos),
}

impl Instance {
    pub fn new(rule: &Arc<Rule>, watched: &Watched) -> Self {
        let every = watched.every;
        let slack = nanos(every) / 20;
        let patience = match rule.condition {
            Condition::ErrorRate { window, .. } | Condition::Latency { window, .. } => nanos(window) / 4,
            Condition::BurnRate { period, .. } => nanos(burn::pairs(period)[0].short) / 4,
            _ => Nanos::MAX,
        };
        let patience = patience.max(nanos(watched.farthest.saturating_mul(2)));
        let less = |time: Nanos| if time == 0 { 0 } else { (time - slack).max(1) };
        let times = (less(nanos(rule.lasting)), less(nanos(rule.keep_firing_for)));
        let (rule, gauge, state, flap) = (Arc::clone(rule), Gauge::new(rule, every), State::Inactive, Flap::default());
        Self { rule, gauge, state, flap, seen_from: None, known_from: None, patience, times }
    }

    /// Takes in a judged run, which is the newest of the ring.
    pub fn push(&mut self, ring: &Ring, sample: &Sample, failed: bool) {
        let Some(newest) = ring.newest() else { return };
        self.see(ring.before_newest().map(|before| before.at), newest.at);
        match &mut self.gauge {
            Gauge::Rate(rate, reach) => rate.push(ring, *reach),
            Gauge::Latency(latencies, reach, limits) => latencies.push(ring, *reach, limits),
            Gauge::Streak(streak, within) if newest.is_of_row() => {
                streak.push(newest.at, failed, count(&self.rule), *within);
            }
            Gauge::Drift(drift) => drift.push(newest.at, sample, failed),
            Gauge::Expiry(ends) => ends.push(sample, failed),
            Gauge::Burn(burn) if newest.weighs() => burn.push(newest.at, failed),
            Gauge::NoData | Gauge::Streak(..) | Gauge::Burn(_) => {}
        }
    }

    /// Takes note that there was a run, after this one.
    fn see(&mut self, before: Option<Nanos>, at: Nanos) {
        if before.is_some_and(|before| at - before > self.patience) {
            self.known_from = self.known_from.into_iter().chain(self.seen_from.take()).min();
        }
        self.seen_from.get_or_insert(at);
    }

    /// Goes on with what another rule of the same kind has counted at another interval, as far as it is still what this one
    /// counts. Nothing of a list or of an end hangs on windows and intervals.
    pub fn adopt(&mut self, have: &Self, is_same: bool) -> bool {
        let is_adopted = match (&mut self.gauge, &have.gauge) {
            (Gauge::Burn(own), Gauge::Burn(known)) => own.adopt(known),
            (Gauge::Drift(own), Gauge::Drift(known)) => {
                own.clone_from(known);
                true
            }
            (Gauge::Expiry(own), Gauge::Expiry(known)) => {
                *own = *known;
                true
            }
            (own, known) if is_same => {
                own.clone_from(known);
                true
            }
            _ => false,
        };
        if is_adopted {
            (self.seen_from, self.known_from) = (have.seen_from, have.known_from);
        } else {
            // What it does not know any more has to be there again before it believes that all is well.
            self.known_from = have.known_from.into_iter().chain(have.seen_from).min();
        }
        is_adopted
    }

    /// Counts the ring anew, for a rule that is new or has changed.
    pub fn recount(&mut self, ring: &Ring) {
        self.seen_from = None;
        let mut before = None;
        for entry in ring.iter() {
            self.see(before.replace(entry.at), entry.at);
        }
        let count = count(&self.rule);
        match &mut self.gauge {
            Gauge::Rate(rate, reach) => rate.recount(ring, *reach),
            Gauge::Latency(latencies, reach, limits) => latencies.recount(ring, *reach, limits),
            Gauge::Streak(streak, within) => {
                let row = ring.iter().filter(|run| run.is_of_row());
                row.for_each(|run| streak.push(run.at, run.failed, count, *within));
            }
            Gauge::Burn(burn) => {
                ring.iter().filter(|run| run.weighs()).for_each(|run| burn.push(run.at, run.failed));
            }
            Gauge::NoData | Gauge::Drift(_) | Gauge::Expiry(_) => {}
        }
    }

    /// Makes nothing of failures at these times, which the ring has voided.
    pub fn void(&mut self, ring: &Ring, times: &[Nanos]) {
        match &mut self.gauge {
            Gauge::Rate(rate, reach) => rate.recount(ring, *reach),
            Gauge::Latency(latencies, reach, limits) => latencies.recount(ring, *reach, limits),
            Gauge::Streak(streak, _) => streak.void(&counted(ring, times)),
            Gauge::Burn(burn) => burn.void(&counted(ring, times)),
            Gauge::NoData | Gauge::Drift(_) | Gauge::Expiry(_) => {}
        }
    }

    /// What the condition says at a grid time.
    pub fn reading(&self, at: Nanos, wall: Timestamp) -> Reading {
        let seen_for = self.seen_from.map_or(0, |from| at - from);
        match (&self.gauge, &self.rule.condition) {
            (Gauge::Rate(rate, reach), Condition::ErrorRate { bound, min_samples, resolve, .. }) => {
                let holds = |failed: u64, judged: u64| {
                    let share = share(failed, judged);
                    if bound.inclusive { share >= bound.value } else { share > bound.value }
                };
                let warmed = warmed(rate.judged, *reach, seen_for);
                match min_samples {
                    Some(needed) if rate.judged < *needed => Reading::Silent,
                    Some(_) if holds(rate.failed, rate.judged) => Reading::Holds,
                    None if rate.failed >= 2 && holds(rate.failed, warmed) => Reading::Holds,
                    None if rate.judged < enough(*reach) => Reading::Silent,
                    _ if resolve.is_none_or(|end| share(rate.failed, rate.judged) <= end) => Reading::Clear,
                    _ => Reading::Between,
                }
            }
            (Gauge::Latency(seen, reach, limits), Condition::Latency { min_samples, .. }) => {
                // With several steps a run gives several latencies: a full window has so many times more.
                let per_run = seen.count.div_ceil(seen.runs.max(1));
                let expected = seen.count.max(warmed(seen.runs, *reach, seen_for) * per_run);
                match min_samples {
                    Some(needed) if seen.count < *needed => Reading::Silent,
                    _ if seen.count == 0 => Reading::Silent,
                    Some(_) if seen.above >= limits.needed(seen.count) => Reading::Holds,
                    None if seen.above >= limits.needed(expected).max(2) => Reading::Holds,
                    None if seen.runs < enough(*reach) => Reading::Silent,
                    // Where no end is given it ends where it does not fire, also where one slow run alone does not.
                    _ if limits.end.is_none() || seen.above_end < limits.needed(seen.count) => Reading::Clear,
                    _ => Reading::Between,
                }
            }
            (Gauge::Streak(streak, within), Condition::ConsecutiveFailures { count, .. }) => {
                if streak.is_long(*count, *within) {
                    Reading::Holds
                } else if streak.failed == 0 {
                    Reading::Clear
                } else {
                    Reading::Between
                }
            }
            // A run was judged: there is data.
            (Gauge::NoData, _) => Reading::Clear,
            (Gauge::Drift(drift), _) => match drift.drifted {
                None => Reading::Silent,
                Some(true) => Reading::Holds,
                Some(false) => Reading::Clear,
            },
            (Gauge::Expiry(ends), Condition::Expiry { what, left }) => match ends.of(*what) {
                None => Reading::Silent,
                Some(ends)
                    if ends.duration_since(wall)
                        <= jiff::SignedDuration::try_from(*left).unwrap_or(jiff::SignedDuration::MAX) =>
                {
                    Reading::Holds
                }
                Some(_) => Reading::Clear,
            },
            (Gauge::Burn(burn), _) => {
                let known_for = self.known_from.map_or(seen_for, |from| seen_for.max(at - from));
                match burn.burning(seen_for) {
                    Some(_) => Reading::Holds,
                    None if burn.lasts(known_for) => Reading::Clear,
                    None => Reading::Silent,
                }
            }
            _ => Reading::Silent,
        }
    }
}

/// Those of these times at which a run counted.
fn counted(ring: &Ring, times: &[Nanos]) -> Vec<Nanos> {
    let counted = ring.iter().filter(|run| !run.between && times.contains(&run.at));
    counted.map(|run| run.at).collect()
}

fn count(rule: &Rule) -> u64 {
    match rule.condition {
        Condition::ConsecutiveFailures { count, .. } => count,
        _ => 0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
pub(super) fn share(failed: u64, judged: u64) -> f64 {
    if judged == 0 { 0.0 } else { failed as f64 / judged as f64 }
}

/// Until runs have been seen for as long as the window, those that are not there yet count as healthy ones: it fires
/// early only where nothing that can still come would change it.
fn warmed(judged: u64, reach: Reach, seen_for: Nanos) -> u64 {
    let is_warm = seen_for >= reach.window - 2 * reach.slack - reach.window / reach.full.max(1).cast_signed();
    if is_warm { judged } else { judged.max(reach.full) }
}

/// A quarter of a window must be there before it is believed that all is well again: after a gap, one healthy run alone
/// ends nothing.
fn enough(reach: Reach) -> u64 {
    reach.full.div_ceil(4).max(2).min(reach.full)
}

//! An alert that fires while nobody knows yet whether something else is its cause need not wait for the next run of that:
//! it is looked at now, beside the timetable.

use std::time::Duration;

use super::engine::{Action, Engine};
use super::outage::{LOOK_MAX, SECOND, Targets};
use super::window::{Nanos, nanos};
use crate::base::clock::Now;

/// What runs within such a time by itself need not be asked for.
const SOON: Nanos = 5 * SECOND;
/// Of the others so many are looked at, to tell whether our own network works.
const OTHERS_MAX: usize = 20;

impl Engine {
    /// Has what may be the cause of what is wrong with a target since then looked at.
    pub(super) fn look_for_causes(&mut self, target: usize, since: Nanos, now: Now, out: &mut Vec<Action>) {
        for asked in self.targets.pick_unseen(target, since, nanos(now.monotonic)) {
            let pairs = self.targets.list[asked].pairs.iter().map(|pair| &self.pairs[*pair].watched);
            if let Some(watched) = pairs.min_by_key(|watched| watched.every) {
                let (probe, target) = (watched.probe.to_string(), watched.target.to_string());
                out.push(Action::Verify { probe, target, after: Duration::ZERO });
            }
        }
    }

    /// A reference cannot be reached: whether that is our own network the others tell.
    pub(super) fn look_at_others(&mut self, reference: usize, now: Now, out: &mut Vec<Action>) {
        let bad_since = self.targets.list[reference].known.bad_since;
        if let Some(since) = bad_since.filter(|_| self.targets.references.contains(&reference)) {
            self.look_for_causes(reference, since, now, out);
        }
    }
}

impl Targets {
    /// Whom to look at, each once in a while.
    fn pick_unseen(&mut self, number: usize, since: Nanos, now: Nanos) -> Vec<usize> {
        if self.holds(number) {
            return Vec::new();
        }
        let is_worth_it = |number: &usize| {
            let target = &self.list[*number];
            let next = target.known.judged_at.map(|at| at + target.fastest);
            let comes_soon = target.fastest <= SOON || next.is_some_and(|next| (now..=now + SOON).contains(&next));
            !comes_soon && target.known.asked_at.is_none_or(|at| now - at >= LOOK_MAX)
        };
        let mut asked: Vec<usize> = self.unseen(number, since).into_iter().filter(is_worth_it).collect();
        asked.extend(self.others_unseen(number).into_iter().filter(is_worth_it).take(OTHERS_MAX));
        asked.sort_unstable();
        asked.dedup();
        for number in &asked {
            self.list[*number].known.asked_at = Some(now);
        }
        asked
    }
}

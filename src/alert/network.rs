//! Whether the prober's own network works, as far as its targets tell: most of them at once, or those of `reference`
//! together with the others. One target that fails alone fails by itself, whatever it is named as and however many replicas
//! it has.

use jiff::Timestamp;

use super::outage::{Known, Run, Targets, Turn};
use super::window::Nanos;

/// Fewer targets than these say nothing of our own network, where none is a reference.
const TARGETS_MIN: usize = 5;
/// Where so many others were lost with the references and next to none answered since, the rest need not be waited for.
const LOST_ENOUGH: usize = 20;
/// Where so many others answered since the references were lost, the rest need not be waited for.
const WELL_ENOUGH: usize = 10;

/// How the targets are that are no references and no replicas, reached over the network, and could be reached until a short time ago.
#[derive(Clone, Copy, Debug, Default)]
struct Others {
    all: usize,
    /// They cannot be reached now.
    lost: usize,
    /// They answered after the references were lost.
    well: usize,
}

impl Targets {
    /// What a run means for what is known of our own network.
    pub(super) fn network(&mut self, run: &Run, seen: (Nanos, Timestamp)) -> Option<Turn> {
        let (begins, goes_on) = if self.references.is_empty() {
            let many = self.remote_count >= TARGETS_MIN;
            (many && self.recent_count * 2 > self.remote_count, many && self.bad_count * 2 > self.remote_count)
        } else {
            self.with_references(run.at)
        };
        if self.outage.is_none() && begins {
            let recent = self.list.iter().filter(|target| target.recent).filter_map(|target| target.known.bad_since);
            let from = recent.min().unwrap_or(run.at).min(run.at);
            (self.outage, self.is_explained_anew) = (Some(seen.1), true);
            self.outages.begin(from);
            return Some(Turn::Lost { from });
        }
        if self.outage.is_some() && !goes_on {
            (self.outage, self.is_explained_anew) = (None, true);
            self.back_at = Some(seen.0);
            self.outages.end(seen.0);
            return Some(Turn::Back);
        }
        None
    }

    /// Whether an outage begins, and whether one goes on. It does while more of the others are lost than answer, so that a
    /// reference which stays away by itself does not keep it up.
    fn with_references(&self, at: Nanos) -> (bool, bool) {
        let Some(since) = self.references_lost() else { return (false, false) };
        let together = at - self.together;
        let others = self.others(self.outages.going_on().unwrap_or(together).min(together), since);
        if others.all == 0 {
            // There is nobody else to ask; one that fails alone says nothing.
            let many = self.references.len() > 1;
            return (many, many);
        }
        let most = others.lost * 2 > others.all || others.lost >= LOST_ENOUGH && others.lost > 3 * others.well;
        (most, others.lost > others.well)
    }

    /// Since when none of the references can be reached.
    fn references_lost(&self) -> Option<Nanos> {
        let lost: Option<Vec<Nanos>> =
            self.references.iter().map(|number| self.list[*number].known.bad_since).collect();
        lost?.into_iter().max()
    }

    /// Those that were lost before `from` were lost for something else, and are left out; an answer counts from `since` on.
    fn others(&self, from: Nanos, since: Nanos) -> Others {
        let mut others = Others::default();
        for (number, target) in self.list.iter().enumerate() {
            let known = &target.known;
            if !target.counts() || known.bad_since.is_some_and(|at| at < from) || self.references.contains(&number) {
                continue;
            }
            others.all += 1;
            others.lost += usize::from(known.bad_since.is_some());
            others.well += usize::from(known.bad_since.is_none() && known.judged_at.is_some_and(|at| at >= since));
        }
        others
    }

    /// Others that have not been looked at since, where it may turn out that our own network is the cause.
    pub(super) fn others_unseen(&self, number: usize) -> Vec<usize> {
        let since = self.references_lost().max(self.list[number].known.bad_since);
        let Some(since) = since.filter(|_| self.is_undecided(number)) else { return Vec::new() };
        let is_unseen = |known: &Known| known.bad_since.is_none() && known.judged_at.is_none_or(|at| at < since);
        let others = self.list.iter().enumerate().filter(|(_, target)| target.counts() && is_unseen(&target.known));
        others.map(|(number, _)| number).filter(|number| !self.references.contains(number)).collect()
    }

    /// Whether it may turn out that our own network is the cause of what a target cannot be reached for: the references are
    /// lost, too, and not enough of the others have been looked at since to tell.
    pub(super) fn is_undecided(&self, number: usize) -> bool {
        let Some(bad_since) = self.list[number].known.bad_since.filter(|_| self.outage.is_none()) else { return false };
        let Some(lost) = self.references_lost() else { return false };
        let since = lost.max(bad_since);
        let others = self.others(since - self.together, since);
        others.well * 2 < others.all && (others.well < WELL_ENOUGH || others.well <= others.lost)
    }
}

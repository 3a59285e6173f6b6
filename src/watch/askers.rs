//! Those who wait for runs that they asked for. Of a pair one run at a time has a place, or waits for one: the others wait
//! here, where they take nothing from what runs by the timetable.

use std::collections::{HashMap, HashSet, VecDeque};

use super::board::ProbeNow;
use super::control::Asked;
use crate::schedule::SlotId;

/// More do not wait for the same pair.
const WAITING_MAX: usize = 16;

/// By pair. One that is known has a run under way.
#[derive(Default)]
pub(super) struct Askers(HashMap<SlotId, VecDeque<Asked>>);

impl Askers {
    /// Gives the wish back where it is its turn at once.
    pub(super) fn ask(&mut self, asked: Asked) -> Option<Asked> {
        let Some(waiting) = self.0.get_mut(&asked.id()) else {
            self.0.insert(asked.id(), VecDeque::new());
            return Some(asked);
        };
        waiting.retain(|asked| !asked.is_over());
        if waiting.len() < WAITING_MAX {
            waiting.push_back(asked);
        } else {
            asked.refuse(ProbeNow::Busy);
        }
        None
    }

    /// The run that was under way is over, or there will be none: whose turn it is.
    pub(super) fn next(&mut self, id: SlotId) -> Option<Asked> {
        let waiting = self.0.get_mut(&id)?;
        while let Some(asked) = waiting.pop_front() {
            if !asked.is_over() {
                return Some(asked);
            }
            asked.refuse(ProbeNow::Busy);
        }
        self.0.remove(&id);
        None
    }

    /// The files do not have these pairs any more.
    pub(super) fn forget(&mut self, gone: &HashSet<SlotId>) {
        for (_, waiting) in self.0.extract_if(|id, _| gone.contains(id)) {
            for asked in waiting {
                asked.refuse(ProbeNow::Unknown);
            }
        }
    }

    /// Nothing is run any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

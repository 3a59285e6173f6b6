//! Times in which something failed that explains the failures of others: of a target that others need, or of our own
//! network. They are remembered for as long as any window looks back, also by a prober that was started anew meanwhile.

use std::collections::VecDeque;

use super::window::Nanos;

/// So many are remembered; what comes and goes more often is a matter of its own.
const STRETCHES_MAX: usize = 1000;

/// From the first grid time that is explained to the moment at which it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub from: Nanos,
    /// None while it goes on.
    pub until: Option<Nanos>,
}

/// Oldest first; only the newest may go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretches(VecDeque<Stretch>);

impl Stretches {
    /// It begins to fail.
    pub fn begin(&mut self, from: Nanos) {
        self.add(Stretch { from, until: None });
    }

    /// It has ended.
    pub fn end(&mut self, at: Nanos) {
        if let Some(last) = self.0.back_mut() {
            last.until.get_or_insert(at);
        }
    }

    /// From when the one that goes on is explained.
    pub fn going_on(&self) -> Option<Nanos> {
        self.0.back().filter(|last| last.until.is_none()).map(|last| last.from)
    }

    /// Takes in one that is later than all others.
    pub fn add(&mut self, stretch: Stretch) {
        self.end(stretch.from);
        self.0.push_back(stretch);
        if self.0.len() > STRETCHES_MAX {
            self.0.pop_front();
        }
    }

    /// Whether it failed at a time.
    pub fn covers(&self, at: Nanos) -> bool {
        self.0.iter().rev().any(|stretch| stretch.from <= at && stretch.until.is_none_or(|until| at < until))
    }

    /// Those that are not over for longer than this time.
    pub fn since(&self, oldest: Nanos) -> impl Iterator<Item = &Stretch> {
        self.0.iter().filter(move |stretch| stretch.until.is_none_or(|until| until >= oldest))
    }
}

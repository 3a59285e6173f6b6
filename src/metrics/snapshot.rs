//! The figures at one moment: what every text and every push is written from. Taking one counts references and copies
//! nothing; its series are made family by family, while they are written.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::family::Family;
use super::fold::State;
use super::histogram::Histogram;
use super::labels::Labels;
use super::{Own, exposition, series};
use crate::event::ProbeOutcome;

/// All figures at one moment.
#[derive(Clone)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Timestamp,
    pub(super) state: State,
    pub(super) own: Own,
    /// Of one run, for whoever asked for it and knows its probe and target.
    pub(super) is_bare: bool,
}

/// The series of a family; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The family, a row of [`super::FAMILIES`].
    pub family: &'static Family,
    /// Its series, each with other labels.
    pub series: Vec<Series>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What tells it from the others of its family.
    pub labels: Labels,
    /// The figure.
    pub value: Value,
    /// Since when it is counted, of counters and histograms where that is known.
    pub started_at: Option<Timestamp>,
}

/// What is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A measure.
    Number(f64),
    /// A whole number.
    Count(u64),
    /// Counts per bucket, with a call for some of them as an example.
    Histogram(Arc<Histogram>),
}

/// A call that a bucket counted, so that somebody can look it up where traces are.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// The id of its trace: 32 hexadecimal digits.
    pub trace_id: String,
    /// What was measured, in seconds.
    pub value: f64,
    /// When.
    pub at: Timestamp,
}

impl Snapshot {
    /// What these runs found, and nothing else. Counters in it are of these runs alone.
    #[must_use]
    pub fn of_runs(outcomes: &[ProbeOutcome], at: Timestamp) -> Self {
        let mut state = State::default();
        for outcome in outcomes {
            state.run_finished(outcome);
        }
        Self { at, state, own: Own::default(), is_bare: false }
    }

    /// What one run found, without the labels `probe` and `target`: whoever asked for it knows them. `timeout` is what
    /// the run was allowed to take.
    #[must_use]
    pub fn of_one_run(outcome: &ProbeOutcome, timeout: Duration) -> Self {
        let mut state = State::default();
        state.run_finished(outcome);
        state.answer(timeout, outcome.duration);
        Self { at: outcome.started_at, state, own: Own::default(), is_bare: true }
    }

    /// Shows every family that has a series, in the order of the table, one after another.
    pub fn each(&self, mut show: impl FnMut(Figures)) {
        series::each(self, &mut |figures| show(figures));
    }

    /// All families at once: for fleets of ten thousand targets [`Snapshot::each`] needs less memory.
    #[must_use]
    pub fn families(&self) -> Vec<Figures> {
        let mut families = Vec::new();
        self.each(|figures| families.push(figures));
        families
    }

    /// As text for Prometheus.
    #[must_use]
    pub fn text(&self, format: exposition::Format) -> String {
        let mut page = exposition::Page::new(format);
        self.each(|figures| page.write(&figures));
        page.finish()
    }
}

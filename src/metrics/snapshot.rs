//! The figures at one moment: what every text and every push is written from. Taking one copies the names of pairs, targets
//! and alerts and shares the figures themselves; its series are made family by family, while they are written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::family::Family;
use super::fold::{Counts, State};
use super::histogram::Histogram;
use super::labels::Labels;
use super::{Own, exposition, series};
use crate::event::ProbeOutcome;

/// How far back the percentile of a target looks.
pub const LATENCIES_FOR: Duration = Duration::from_secs(600);

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

/// What is known of one target altogether, whichever probe found it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing<'a> {
    /// Its name.
    pub target: &'a str,
    /// How it is called elsewhere.
    pub server_id: &'a str,
    /// What was counted; in a snapshot of single runs, of these alone.
    pub counts: Counts,
    /// Of the requests of the last ten minutes, those that timed out with their limit.
    pub p95: Option<Duration>,
    /// How many tools it has.
    pub tools: Option<u64>,
    /// Resident memory of its process tree.
    pub resident_bytes: Option<u64>,
    /// For how long the child that is held has been up.
    pub up: Option<Duration>,
}

impl Snapshot {
    /// What these runs found, and nothing else. Counters in it are of these runs alone.
    #[must_use]
    pub fn of_runs(outcomes: &[ProbeOutcome], at: Timestamp) -> Self {
        let mut state = State::default();
        state.latencies_for = Some(LATENCIES_FOR);
        for outcome in outcomes {
            state.run_finished(outcome);
        }
        Self { at, state, own: Own::default(), is_bare: false }
    }

    /// With targets that a hub knows by another name.
    #[must_use]
    pub fn with_server_ids(mut self, server_ids: BTreeMap<String, String>) -> Self {
        self.state.server_ids = server_ids.into();
        self
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

    /// What was counted of each target: of [`Snapshot::standings`] the part that costs nothing.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.state.targets_in_order().into_iter().map(|(target, figures)| (target.as_ref(), figures.counts))
    }

    /// What is known of each target of which anything is known. Percentiles are sorted out for each: beside the loop.
    pub fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        let since = self.at.checked_sub(LATENCIES_FOR).unwrap_or(self.at);
        self.state.targets_in_order().into_iter().map(move |(target, figures)| Standing {
            target,
            server_id: self.state.server_ids.get(target.as_ref()).map_or(target.as_ref(), String::as_str),
            counts: figures.counts,
            p95: figures.p95(since),
            tools: figures.tools,
            resident_bytes: figures.resident_bytes,
            up: self.own.children_up.get(target.as_ref()).copied(),
        })
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

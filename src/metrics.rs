//! The metric families of the prober: what the events of its runs come to, and their texts for Prometheus. Labels are
//! words of the probe files and of closed sets; nothing that a server says becomes one.

pub mod exposition;
pub mod family;
mod fold;
pub mod histogram;
pub mod labels;
pub mod push;
mod series;
pub mod snapshot;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

pub use exposition::Format;
pub use family::{FAMILIES, Family, Kind};
pub use snapshot::Snapshot;

use crate::deliver::queue::Loss;
use crate::event::{Consumer, Event, TellError};
pub use fold::Counts;
use fold::State;

/// The figures of all probes. Clones share them; reading them does not keep those who write waiting.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<State>>);

/// Folds events into the figures.
pub struct Recorder(Shared);

/// What there is to measure: series of everything else are dropped, and not taken up again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Each probe with each of its targets.
    pub pairs: Vec<(String, String)>,
    /// The names of the rules.
    pub alerts: Vec<String>,
    /// Targets that a hub knows by another name.
    pub server_ids: BTreeMap<String, String>,
}

/// What the prober knows of itself at the moment of asking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Own {
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When its files were last read well.
    pub plan_loaded_at: Option<Timestamp>,
    /// Whether the files as they are now could be read.
    pub plan_is_current: Option<bool>,
    /// Runs that wait for a free place.
    pub queue: Option<u64>,
    /// Runs that are going on.
    pub running: Option<u64>,
    /// How many may go on at once.
    pub limit: Option<u64>,
    /// Messages that wait to be delivered.
    pub outbox_waiting: Option<u64>,
    /// How long the oldest of them waits.
    pub outbox_oldest: Option<Duration>,
    /// The channels that alerts tell, and whether what each was told last was not received.
    pub channels_failing: BTreeMap<String, bool>,
    /// Whether the history can be written.
    pub store_works: Option<bool>,
    /// Per target, connections and children that are held between runs.
    pub open_connections: BTreeMap<String, u64>,
    /// Targets whose child is held between runs, and for how long it has been up.
    pub children_up: BTreeMap<String, Duration>,
    /// How each push does.
    pub pushes: Vec<PushFigures>,
    /// Which share of the targets it has, such as `2/8`, where several probers divide them.
    pub shard: Option<String>,
}

/// How a push does, since the prober was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushFigures {
    /// Its name.
    pub name: String,
    /// Payloads that arrived.
    pub sent: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Payloads that were given up, by reason.
    pub lost: BTreeMap<Loss, u64>,
    /// When one arrived last.
    pub last_success: Option<Timestamp>,
    /// Payloads that wait.
    pub waiting: u64,
}

impl Shared {
    /// A consumer that folds into these figures.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        Recorder(self.clone())
    }

    /// Says what there is to measure, at the start and after each reload.
    pub fn watch_only(&self, roster: Roster) {
        self.change(|state| state.keep(roster));
    }

    /// Keeps latencies one by one for so long, for those who send percentiles.
    pub fn keep_latencies(&self, for_so_long: Option<Duration>) {
        self.change(|state| state.latencies_for = for_so_long);
    }

    /// Takes up what was counted of each target before this process was started.
    pub fn go_on_from(&self, counts: BTreeMap<String, Counts>) {
        self.change(|state| state.go_on_from(counts));
    }

    /// Takes up which alerts fire since before this process was started: alert, probe and target of each.
    pub fn go_on_firing(&self, alerts: impl IntoIterator<Item = (String, String, String)>) {
        self.change(|state| state.go_on_firing(alerts));
    }

    /// Everything as it is now; `at` is now.
    #[must_use]
    pub fn snapshot(&self, at: Timestamp, own: Own) -> Snapshot {
        // The figures are shared, not copied: the lock is held for as long as it takes to copy the names of what is measured.
        // Pushes ask beside the loop.
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Snapshot { at, state, own, is_bare: false }
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Consumer for Recorder {
    fn on_event(&mut self, event: &Event) -> Result<(), TellError> {
        self.0.change(|state| state.take(&event.kind));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), TellError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

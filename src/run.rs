//! Doing what a plan says: ad hoc calls, probes with their attempts, many at once. It knows no formats and no alerts;
//! what happened leaves as outcomes and events.

pub mod adhoc;
pub mod check;
mod judging;
mod latency;
mod pause;
pub mod probe;
pub mod reach;
pub mod serve;
mod step;
pub mod survey;
pub mod verdict;
pub mod wait;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::base::secret::Masker;
use crate::event::Publisher;
use crate::session::{Known, Tap};

/// How long a server gets to end by itself before it is ended.
pub const GRACE: Duration = Duration::from_secs(3);

/// How many targets are opened at the same time.
const OPENINGS_MAX: usize = 4;

/// How long a start that may hesitate for long holds up the others: long enough for its heaviest moment.
const SPAWN_HOLD: Duration = Duration::from_secs(1);

/// What every part of a run shares.
#[derive(Clone)]
pub struct Context {
    /// Where events go.
    pub publisher: Publisher,
    /// What must not leave.
    pub masker: Masker,
    /// Ends every wait.
    pub cancel: CancellationToken,
    /// Whether a guard ends the children when we are killed.
    pub guard: bool,
    /// How long a server gets to end by itself.
    pub grace: Duration,
    /// Limits how many targets are opened at the same time: starting processes is what starves the others.
    opening: Arc<Semaphore>,
    calls: Arc<AtomicU64>,
    known: Arc<Mutex<HashMap<String, Known>>>,
    gates: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

/// The turn to open a target whose era is not known yet. When it ends, nobody waits for that target any more.
struct Turn {
    gate: Arc<Semaphore>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.gate.close();
    }
}

impl Context {
    /// The context of a new run.
    #[must_use]
    pub fn new(publisher: Publisher, masker: Masker, cancel: CancellationToken, guard: bool) -> Self {
        Self {
            publisher,
            masker,
            cancel,
            guard,
            grace: GRACE,
            opening: Arc::new(Semaphore::new(OPENINGS_MAX)),
            calls: Arc::default(),
            known: Arc::default(),
            gates: Arc::default(),
        }
    }

    fn tap(&self, probe: &str, target: &str) -> Tap {
        Tap::new(self.publisher.clone(), self.masker.clone(), probe, target, self.calls.clone())
    }

    fn known(&self, target: &str) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(target).copied()
    }

    /// The first to open a target finds out its era; those who come meanwhile wait for what it learns.
    async fn turn(&self, target: &str) -> Turn {
        let gate = {
            let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            gates.entry(target.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
        };
        // A gate that is closed lets everybody in.
        let permit = gate.clone().acquire_owned().await.ok();
        Turn { gate, _permit: permit }
    }

    /// Starts something in its turn. Others are held up by the start, but not by the whole hesitation after it.
    async fn spaced<T>(&self, start: impl Future<Output = T>) -> T {
        let permit = self.opening.acquire().await;
        tokio::pin!(start);
        tokio::select! {
            started = &mut start => return started,
            () = tokio::time::sleep(SPAWN_HOLD) => drop(permit),
        }
        start.await
    }

    fn learn(&self, target: &str, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(target.to_owned(), known);
    }
}

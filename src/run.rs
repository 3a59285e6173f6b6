//! Doing what a plan says: ad hoc calls, probes with their attempts, many at once. It knows no formats and no alerts;
//! what happened leaves as outcomes and events.

pub mod adhoc;
pub mod audit;
pub mod check;
mod judging;
pub mod held;
mod latency;
pub mod locked;
mod observed;
mod pause;
mod places;
pub mod probe;
pub mod reach;
pub mod replicas;
pub mod restart;
mod ruled;
pub mod serve;
pub mod standstill;
mod startup;
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
use url::Url;

use self::observed::Lists;
use self::reach::Reach;
use crate::base::ids::SpanContext;
use crate::base::secret::Masker;
use crate::event::{Publisher, Trace};
use crate::plan::{Endpoint, Target};
use crate::session::{Known, Recorder, Tap, Tracing};
use crate::wire::results::Results;

/// How long a server gets to end by itself before it is ended.
pub const GRACE: Duration = Duration::from_secs(3);

/// How many targets are opened at the same time, unless [`Context::with_openings`] says otherwise.
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
    surveys: Arc<replicas::Surveys>,
    /// Whether this run is one of many: what concerns all replicas is found out beside them, and holds none of them up.
    among_many: bool,
    /// Whether the transcripts of runs that are not healthy are kept.
    transcripts: bool,
    recorder: Option<Recorder>,
    lists: Lists,
    noticed: ruled::Noticed,
    results: Option<Results>,
    traces: Traces,
    tracing: Option<Tracing>,
}

/// What becomes of the traces of runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traces {
    /// Whether the spans of a run are kept for its outcome ([`crate::event::Observed::trace`]).
    pub kept: bool,
    /// The span that everything is part of.
    pub parent: Option<SpanContext>,
}

impl Traces {
    /// Part of the trace that the environment names (`TRACEPARENT`), where it names one. Nothing is kept.
    #[must_use]
    pub fn of_environment() -> Self {
        let said = std::env::var("TRACEPARENT").ok();
        Self { kept: false, parent: said.as_deref().and_then(SpanContext::parse) }
    }

    /// A run begins. Servers are told of its spans where a target wants it; by default, where the trace is of use to
    /// somebody.
    fn begin(self, wanted: Option<bool>) -> Tracing {
        let told = wanted.unwrap_or(self.kept || self.parent.is_some());
        Tracing::begin(self.parent, told, self.kept)
    }
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
            surveys: Arc::default(),
            among_many: false,
            transcripts: false,
            recorder: None,
            lists: Lists::default(),
            noticed: ruled::Noticed::default(),
            results: None,
            traces: Traces::default(),
            tracing: None,
        }
    }

    /// With so many targets opened at the same time, for one who limits that himself. What waits for its turn is no part of
    /// any duration.
    #[must_use]
    pub fn with_openings(self, openings: usize) -> Self {
        Self { opening: Arc::new(Semaphore::new(openings.clamp(1, Semaphore::MAX_PERMITS))), ..self }
    }

    /// Keeps what was said both ways in runs that are not healthy ([`crate::event::Observed::transcript`]).
    #[must_use]
    pub fn with_transcripts(self, wanted: bool) -> Self {
        Self { transcripts: wanted, ..self }
    }

    /// Reads what servers say again and again once, for who asks them again and again.
    #[must_use]
    pub fn remembering_results(self) -> Self {
        Self { results: Some(Results::default()), ..self }
    }

    /// With that said about traces.
    #[must_use]
    pub fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// For one run of a probe: what passes is kept for its transcript, and is part of one trace.
    fn of_one_run(&self, target: &Target) -> Self {
        Self {
            recorder: self.transcripts.then(Recorder::default),
            tracing: Some(self.traces.begin(target.traceparent)),
            ..self.clone()
        }
    }

    /// The trace of the run that has ended, where it was kept.
    fn trace_of(&self, target: &Target) -> Option<Box<Trace>> {
        let trace = self.tracing.as_ref()?.finish()?;
        let server = match &target.endpoint {
            Endpoint::Url(url) => Url::parse(url).ok(),
            Endpoint::Command(_) => None,
        };
        let server = server.and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
        Some(Box::new(Trace { server: server.filter(|(_, port)| *port != 0), ..trace }))
    }

    /// For one run among many thousands: what is learnt to be a secret on the way (the id of a session) is masked in all
    /// that the run tells, and forgotten with it; what takes long and concerns more than this run goes on beside it.
    fn among_many(self) -> Self {
        Self { masker: self.masker.apart(), among_many: true, ..self }
    }

    /// For what is said beside the run of a target, and is no part of it: no transcript, and a trace of its own that
    /// nobody keeps.
    fn beside_the_run(&self) -> Self {
        Self { recorder: None, tracing: None, traces: Traces { kept: false, ..self.traces }, ..self.clone() }
    }

    /// Waits for what goes on beside the runs; [`Context::cancel`] ends it early. Nothing is begun any more.
    pub async fn end_surveys(&self) {
        self.surveys.end().await;
    }

    fn tap(&self, probe: &str, reach: &Reach) -> Tap {
        let tracing = self.tracing.clone().unwrap_or_else(|| self.traces.begin(reach.traceparent));
        Tap::new(self.publisher.clone(), self.masker.clone(), probe, &reach.name, self.calls.clone())
            .recording(self.recorder.clone())
            .tracing(tracing)
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

    /// A server that could not be reached may be another one when it comes back.
    fn forget(&self, target: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(target);
    }

    fn learn(&self, target: &str, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(target.to_owned(), known);
    }
}

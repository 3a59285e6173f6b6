//! The stream of events: what happens during a run, in one order, handed to everybody who listens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::{Missed, ProbeOutcome};
use crate::base::ids::RunId;
use crate::base::name::Name;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From us to the server.
    Sent,
    /// From the server to us.
    Received,
}

impl Direction {
    /// The word used in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// One message on the wire, with the ids that correlate it. Secrets are already masked.
#[derive(Clone, Debug)]
pub struct WireRecord {
    /// The probe, or the command word of an ad hoc call.
    pub probe: String,
    /// The target's name.
    pub target: String,
    /// Counts the calls of one run.
    pub call_id: String,
    /// The JSON-RPC id, where the message has one.
    pub rpc_id: Option<Value>,
    /// A W3C trace id shared by the messages of one run.
    pub trace_id: String,
    /// The span of the call in it, shared by the messages of one call.
    pub span_id: String,
    /// Which way it went.
    pub direction: Direction,
    /// The JSON-RPC method; of a reply, that of its request.
    pub method: Option<String>,
    /// `ok`, `error`, `malformed`, `noise`, or the HTTP status where there is nothing else.
    pub status: Option<String>,
    /// Bytes of the message.
    pub bytes: u64,
    /// Of a reply: since its request was written.
    pub duration: Option<Duration>,
    /// The message itself; text that is not JSON is a string.
    pub payload: Value,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A run of so many probes begins.
    RunStarted {
        /// How many probe-target pairs will run.
        probes: usize,
    },
    /// A probe begins.
    ProbeStarted {
        /// Its position in the plan.
        index: usize,
        /// Its name.
        probe: Name,
        /// Its target.
        target: Name,
    },
    /// A message went over the wire.
    Wire(Box<WireRecord>),
    /// A probe ended.
    ProbeFinished {
        /// Its position in the plan.
        index: usize,
        /// What it found.
        outcome: Arc<ProbeOutcome>,
    },
    /// Grid points of the timetable passed without a run.
    RunMissed {
        /// The probe.
        probe: Name,
        /// Its target.
        target: Name,
        /// Why.
        reason: Missed,
        /// How many, in one streak.
        count: u64,
    },
    /// An alert began, ended, was told or was acted upon.
    AlertChanged(Box<AlertChange>),
    /// Something that `watch` did or met, for its log.
    Noted(Note),
    /// The run ended.
    RunFinished {
        /// From start to end.
        duration: Duration,
        /// Whether it was cut short by a signal.
        interrupted: bool,
    },
}

/// What became of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertChange {
    /// The alert's name.
    pub alert: String,
    /// The probe it looks at.
    pub probe: String,
    /// Its target.
    pub target: String,
    /// `pending`, `firing`, `resolved`, `silenced`, `flapping`, `restarting`, `restarted`, `escalated`: what it is now.
    pub state: &'static str,
    /// Whether it is firing now.
    pub firing: bool,
    /// One sentence with the figures that it rests on.
    pub message: String,
}

/// How much a note matters, as logs have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for something.
    Debug,
    /// The course of things.
    Info,
    /// Worth a look.
    Warn,
    /// Something does not work.
    Error,
}

impl Level {
    /// The words in options and logs.
    pub const WORDS: &[(&str, Self)] =
        &[("debug", Self::Debug), ("info", Self::Info), ("warn", Self::Warn), ("error", Self::Error)];

    /// The word used in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A line of the log that no other event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub level: Level,
    /// What it is about, one word: `reload`, `deliver`, `store`, `clock`, `replicas`, `restart`, `web`, `watch`.
    pub topic: &'static str,
    /// One sentence.
    pub message: String,
    /// The target it is about, where it is about one.
    pub target: Option<String>,
}

/// An event with its place in the one order that all consumers see.
#[derive(Clone, Debug)]
pub struct Event {
    /// Counts up from 1.
    pub sequence: u64,
    /// Wall time.
    pub at: jiff::Timestamp,
    /// The run.
    pub run_id: RunId,
    /// What happened.
    pub kind: EventKind,
}

/// A result could not be told: a file could not be written, a receiver refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TellError(pub String);

/// Somebody who listens: a report, the wire log, metrics.
pub trait Consumer: Send {
    /// Takes one event.
    ///
    /// # Errors
    /// When it could not be told; the run goes on and the error is shown at the end.
    fn on_event(&mut self, event: &Event) -> Result<(), TellError>;

    /// Writes what is left.
    ///
    /// # Errors
    /// When it could not be told.
    fn finish(self: Box<Self>) -> Result<(), TellError>;
}

struct Channel {
    sequence: u64,
    consumers: Vec<Box<dyn Consumer>>,
    errors: Vec<TellError>,
}

/// What clones share.
struct Shared {
    channel: Mutex<Channel>,
    /// Whether a consumer that is there to the end wants wire records.
    wire: bool,
    /// Whether one wants them that comes and goes.
    listens: AtomicBool,
}

/// Puts events in one order and hands them to every consumer. Clones share the same order.
#[derive(Clone)]
pub struct Publisher {
    run_id: RunId,
    shared: Arc<Shared>,
}

impl Publisher {
    /// A publisher for these consumers. `wire` says whether anybody wants [`EventKind::Wire`]; without it the
    /// records are not even built.
    #[must_use]
    pub fn new(run_id: RunId, consumers: Vec<Box<dyn Consumer>>, wire: bool) -> Self {
        let channel = Channel { sequence: 0, consumers, errors: Vec::new() };
        let shared = Shared { channel: Mutex::new(channel), wire, listens: AtomicBool::default() };
        Self { run_id, shared: Arc::new(shared) }
    }

    /// The run.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.run_id
    }

    /// Whether wire records are wanted.
    #[must_use]
    pub fn wants_wire(&self) -> bool {
        self.shared.wire || self.shared.listens.load(Ordering::Relaxed)
    }

    /// Somebody who comes and goes wants wire records from now on, or no longer.
    pub fn listen_to_wire(&self, listens: bool) {
        self.shared.listens.store(listens, Ordering::Relaxed);
    }

    /// Hands an event to every consumer.
    pub fn publish(&self, kind: EventKind) {
        let mut channel = self.shared.channel.lock().unwrap_or_else(PoisonError::into_inner);
        channel.sequence += 1;
        let event = Event { sequence: channel.sequence, at: jiff::Timestamp::now(), run_id: self.run_id, kind };
        let Channel { consumers, errors, .. } = &mut *channel;
        for consumer in consumers {
            if let Err(error) = consumer.on_event(&event)
                && errors.len() < 16
            {
                errors.push(error);
            }
        }
    }

    /// Ends every consumer; gives the errors of telling.
    #[must_use]
    pub fn finish(&self) -> Vec<TellError> {
        let mut channel = self.shared.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let consumers = std::mem::take(&mut channel.consumers);
        let mut errors = std::mem::take(&mut channel.errors);
        errors.extend(consumers.into_iter().filter_map(|consumer| consumer.finish().err()));
        errors
    }
}

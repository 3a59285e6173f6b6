//! Pushes: results that are sent instead of being fetched. A kind is a file with its keys and its encoder, which turns a
//! snapshot of the figures into payloads, and a row in the table here. Nothing is sent here.

mod hub;
mod influx;
mod otlp;
mod pushgateway;
mod remote_write;
mod statsd;
mod textfile;
mod webhook;

use std::sync::LazyLock;

use serde_json::Value;

use super::{Family, Snapshot};
use crate::base::secret::Masker;
use crate::config::receiver::{self, Kind, NAME, ReceiverDraft, Settings, Shape, Slot, may};
use crate::config::{Diag, Environment, Section};
pub use crate::deliver::queue::Keeping;
use crate::deliver::{Letter, Payload, Receipt};
use crate::event::Consumer;

/// How long a request may take where the file says nothing.
const TIMEOUT_USUAL: std::time::Duration = std::time::Duration::from_secs(10);

/// Why it is pushed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// After the one run of `check`: the snapshot knows of nothing before it, and nobody pushes after it.
    Run,
    /// Again and again, from `watch`.
    Interval,
    /// The last time, because `watch` ends.
    Last,
}

impl Occasion {
    /// The word used in bodies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Interval => "interval",
            Self::Last => "last",
        }
    }
}

/// What is to be done after a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// What the receipt says.
    AsReceived,
    /// The receiver wants another form: encode and send the same snapshot again at once, or what [`Encoder::fitted`] makes of
    /// the payload. At most twice in a row.
    Again,
}

/// What a kind wants to hear beside the figures, as it happens. What it hears goes out with the next figures.
pub struct Ear {
    /// Who listens. It is told of every event, and keeps a bounded part.
    pub consumer: Box<dyn Consumer>,
    /// Whether it wants every message ([`crate::event::EventKind::Wire`]).
    pub wire: bool,
    /// Whether it wants the spans of runs ([`crate::event::Observed::trace`]).
    pub traces: bool,
}

/// One way of pushing. It may remember what it sent before.
pub trait Encoder: Send {
    /// The payloads of a snapshot, sent in order; none where there is nothing to say.
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<Payload>;

    /// Hears what became of a try to send a payload.
    fn heard(&mut self, _receipt: &Receipt) -> Next {
        Next::AsReceived
    }

    /// What waited, perhaps since before the start, in the form in which it is to be sent now.
    fn fitted(&self, payload: Payload) -> Payload {
        payload
    }

    /// What becomes of what could not be delivered.
    fn keeping(&self) -> Keeping;

    /// Who listens for it, where it wants more than figures. `masker` knows what must not leave.
    fn ear(&self, _masker: &Masker) -> Option<Ear> {
        None
    }

    /// What whoever pushes on this occasion should know.
    fn advice(&self, _occasion: Occasion) -> Option<&'static str> {
        None
    }

    /// What it had to drop since it was made: spans, records, points that were refused.
    fn dropped(&self) -> u64 {
        0
    }

    /// Requests without their bodies, of kinds that are kept in order, one per address: address and secrets are never written
    /// to disk, so that what was kept is put into a fresh one.
    fn letters(&self) -> Vec<Letter> {
        Vec::new()
    }

    /// Whether it sends the counts of [`Snapshot::standings`], which must not go back after a restart, and percentiles.
    fn goes_on(&self) -> bool {
        false
    }

    /// Why something could not be encoded, since this was asked last.
    fn trouble(&mut self) -> Option<String> {
        None
    }
}

/// Makes an encoder of its settings.
type Compile = fn(&Settings) -> Result<Box<dyn Encoder>, String>;

/// A kind of push: its keys, and what becomes of them.
struct Row {
    kind: Kind,
    compile: Compile,
}

/// Every kind, in the order in which suggestions list them.
static ROWS: &[Row] = &[
    pushgateway::ROW,
    remote_write::ROW,
    otlp::ROW,
    statsd::PLAIN,
    statsd::DOG,
    textfile::ROW,
    influx::ROW,
    webhook::ROW,
    hub::ROW,
];

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| ROWS.iter().map(|row| row.kind).collect());

/// Keys of every push.
static OF_ALL: &[Slot] = &[
    NAME,
    may("every", Shape::Time, "How often `watch` pushes: 15s without it."),
    may("required", Shape::Switch, "Whether a delivery that fails ends `check` with exit code 7."),
];

/// Reads one `[[push]]`.
#[must_use]
pub fn read(section: &Section<'_>) -> ReceiverDraft {
    ReceiverDraft::parse(section, "push", KINDS.as_slice(), OF_ALL)
}

/// Variables that a push of this kind reads beside those of its keys, and whose values are secrets. `draft` is where they
/// would be needed: a push that says where it goes reads none.
#[must_use]
pub fn secret_variables(draft: &ReceiverDraft) -> Vec<String> {
    if draft.kind == otlp::NAME && !draft.says("url") { otlp::secret_variables().collect() } else { Vec::new() }
}

/// Fills in the variables of a push, and adds what its kind takes from the environment. `secrets` collects values that must
/// not be shown.
///
/// # Errors
/// What this machine lacks for it, and what is wrong once its variables are filled in.
pub fn resolve(
    draft: &ReceiverDraft,
    environment: &dyn Environment,
    secrets: &mut Vec<String>,
) -> Result<Settings, Vec<Diag>> {
    let mut settings = Settings::new(draft.resolve(environment, secrets)?);
    if draft.kind == otlp::NAME {
        otlp::complete(&mut settings, environment, secrets);
    }
    Ok(settings)
}

/// A push as JSON Schema.
#[must_use]
pub fn schema() -> Value {
    receiver::schema(&KINDS, OF_ALL)
}

/// Makes an encoder, so that its mistakes show before anything is sent. `name` stands in messages.
///
/// # Errors
/// A sentence about the setting that is wrong, without its value where that may be a secret.
pub fn compile(kind: &str, name: &str, settings: &Settings) -> Result<Box<dyn Encoder>, String> {
    let row = ROWS.iter().find(|row| row.kind.name == kind);
    let row = row.ok_or_else(|| format!("`push.{name}`: there is no kind {kind:?}"))?;
    (row.compile)(settings).map_err(|why| format!("`push.{name}`: {why}"))
}

/// Counts of one run alone would begin at zero each time, and stay there: they say nothing.
fn fits(family: &Family, occasion: Occasion) -> bool {
    occasion != Occasion::Run || family.is_of_now()
}

#[cfg(test)]
mod tests;

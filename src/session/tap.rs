//! Where the wire log listens: every message in both directions, masked, with the ids that correlate it. Costs
//! nothing when nobody listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::base::ids::TraceId;
use crate::base::secret::Masker;
use crate::event::{Direction, EventKind, Publisher, WireRecord};
use crate::wire::Id;

/// Bytes of one message that a record keeps.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;

/// Listens on one session.
#[derive(Clone)]
pub struct Tap {
    publisher: Option<Publisher>,
    masker: Masker,
    probe: String,
    target: String,
    calls: Arc<AtomicU64>,
}

/// The ids of one call in the wire log.
#[derive(Clone, Debug)]
pub struct CallIds {
    /// Counts the calls of the run.
    pub call_id: String,
    /// A W3C trace id.
    pub trace_id: TraceId,
}

/// A message, as the tap wants to hear of it.
pub(super) struct Passing<'a> {
    pub(super) direction: Direction,
    pub(super) ids: &'a CallIds,
    pub(super) rpc_id: Option<&'a Id>,
    pub(super) method: Option<&'a str>,
    pub(super) status: Option<String>,
    pub(super) duration: Option<Duration>,
    pub(super) raw: &'a [u8],
}

impl Tap {
    /// A tap for one probe of one target. `calls` counts the calls of the whole run.
    #[must_use]
    pub fn new(publisher: Publisher, masker: Masker, probe: &str, target: &str, calls: Arc<AtomicU64>) -> Self {
        let publisher = publisher.wants_wire().then_some(publisher);
        Self { publisher, masker, probe: probe.to_owned(), target: target.to_owned(), calls }
    }

    /// A tap that nobody listens to.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            publisher: None,
            masker: Masker::default(),
            probe: String::new(),
            target: String::new(),
            calls: Arc::new(AtomicU64::new(0)),
        }
    }

    /// New ids for a call.
    #[must_use]
    pub fn call(&self) -> CallIds {
        let count = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        CallIds { call_id: format!("c{count}"), trace_id: TraceId::random() }
    }

    /// Masks a value learnt on the wire from now on (a session id, say).
    pub fn keep_secret(&self, value: &str) {
        self.masker.add(value);
    }

    pub(super) fn pass(&self, passing: &Passing<'_>) {
        let Some(publisher) = &self.publisher else { return };
        let kept = &passing.raw[..passing.raw.len().min(PAYLOAD_BYTES_MAX)];
        let mut payload =
            serde_json::from_slice(kept).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(kept).into_owned()));
        self.masker.mask_json(&mut payload);
        publisher.publish(EventKind::Wire(Box::new(WireRecord {
            probe: self.probe.clone(),
            target: self.target.clone(),
            call_id: passing.ids.call_id.clone(),
            rpc_id: passing.rpc_id.map(Id::to_value),
            trace_id: passing.ids.trace_id.to_string(),
            direction: passing.direction,
            method: passing.method.map(str::to_owned),
            status: passing.status.clone(),
            bytes: passing.raw.len() as u64,
            duration: passing.duration,
            payload,
        })));
    }
}

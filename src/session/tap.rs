//! Where the wire log listens: every message in both directions, masked, with the ids that correlate it. Costs
//! nothing when nobody listens, and next to nothing where a [`Recorder`] keeps the end of it in case it is asked for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::tracing::{Calling, Tracing};
use crate::base::secret::Masker;
use crate::event::{Direction, EventKind, Publisher, WireRecord};
use crate::wire::Id;

/// Bytes of one message that a record keeps.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// Messages that a recorder keeps: the last ones.
const RECORDED_MAX: usize = 64;
/// Bytes of all of them.
const RECORDED_BYTES_MAX: usize = 64 << 10;
/// Bytes of one of them. Of a longer one so much is kept, less an end in which half a secret could stand.
const RECORDED_MESSAGE_MAX: usize = 32 << 10;
const HALF_SECRET_MAX: usize = 4 << 10;

/// Listens on one session.
#[derive(Clone)]
pub struct Tap {
    publisher: Option<Publisher>,
    masker: Masker,
    probe: String,
    target: String,
    calls: Arc<AtomicU64>,
    recorder: Option<Recorder>,
    tracing: Tracing,
}

/// The last messages of a run, as they came: nothing is parsed or masked before somebody wants to see them. Clones share
/// the messages.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    messages: VecDeque<Message>,
    bytes: usize,
}

struct Message {
    direction: Direction,
    ids: CallIds,
    rpc_id: Option<Id>,
    method: Option<String>,
    status: Option<&'static str>,
    duration: Option<Duration>,
    /// Of the whole message.
    bytes: usize,
    raw: Bytes,
}

impl Recorder {
    fn keep(&self, passing: &Passing<'_>) {
        let bytes = passing.raw.len();
        // A part of something big must not keep all of it.
        let is_long = bytes > RECORDED_MESSAGE_MAX;
        let raw =
            if is_long { Bytes::copy_from_slice(&passing.raw[..RECORDED_MESSAGE_MAX]) } else { passing.raw.clone() };
        let message = Message {
            direction: passing.direction,
            ids: passing.ids.clone(),
            rpc_id: passing.rpc_id.cloned(),
            method: passing.method.map(str::to_owned),
            status: passing.status,
            duration: passing.duration,
            bytes,
            raw,
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += message.raw.len();
        kept.messages.push_back(message);
        while kept.messages.len() > RECORDED_MAX || kept.bytes > RECORDED_BYTES_MAX {
            let Some(oldest) = kept.messages.pop_front() else { break };
            kept.bytes -= oldest.raw.len();
        }
    }

    /// What was kept, masked; nothing is kept any more.
    #[must_use]
    pub fn take(&self, probe: &str, target: &str, masker: &Masker) -> Vec<WireRecord> {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        kept.messages.into_iter().map(|message| message.record(probe, target, masker)).collect()
    }
}

impl Message {
    fn record(self, probe: &str, target: &str, masker: &Masker) -> WireRecord {
        let is_cut = self.raw.len() < self.bytes;
        let shown = if is_cut { &self.raw[..self.raw.len() - HALF_SECRET_MAX] } else { &self.raw[..] };
        let mut payload = payload(shown, masker);
        if is_cut && let Value::String(text) = &mut payload {
            text.push('…');
        }
        let passing = Passing {
            direction: self.direction,
            ids: &self.ids,
            rpc_id: self.rpc_id.as_ref(),
            method: self.method.as_deref(),
            status: self.status,
            duration: self.duration,
            raw: &self.raw,
        };
        WireRecord { bytes: self.bytes as u64, ..passing.record(probe, target, payload, masker) }
    }
}

fn payload(raw: &[u8], masker: &Masker) -> Value {
    let mut payload =
        serde_json::from_slice(raw).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(raw).into_owned()));
    masker.mask_json(&mut payload);
    payload
}

/// The ids of one call in the wire log.
#[derive(Clone, Debug)]
pub struct CallIds {
    /// Counts the calls of the run.
    pub call_id: String,
    /// Its span.
    pub(super) calling: Calling,
}

/// A message, as the tap wants to hear of it.
pub struct Passing<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// The call that it is part of.
    pub ids: &'a CallIds,
    /// Its id.
    pub rpc_id: Option<&'a Id>,
    /// Its method; of a reply, that of the request.
    pub method: Option<&'a str>,
    /// Of what came: `ok`, `error`, `notification`, ...
    pub status: Option<&'static str>,
    /// Of a reply: since the request was written.
    pub duration: Option<Duration>,
    /// Its bytes.
    pub raw: &'a Bytes,
}

impl Passing<'_> {
    /// As the wire log has it. Whatever the server may have chosen is masked: the id and the method of its requests are
    /// its own words.
    fn record(&self, probe: &str, target: &str, payload: Value, masker: &Masker) -> WireRecord {
        let mut rpc_id = self.rpc_id.map(Id::to_value);
        if let Some(id) = &mut rpc_id {
            masker.mask_json(id);
        }
        WireRecord {
            probe: probe.to_owned(),
            target: target.to_owned(),
            call_id: self.ids.call_id.clone(),
            rpc_id,
            trace_id: self.ids.calling.context.trace_id.to_string(),
            span_id: self.ids.calling.context.span_id.to_string(),
            direction: self.direction,
            method: self.method.map(|method| masker.mask(method).into_owned()),
            status: self.status.map(str::to_owned),
            bytes: self.raw.len() as u64,
            duration: self.duration,
            payload,
        }
    }
}

impl Tap {
    /// A tap for one probe of one target. `calls` counts the calls of the whole run.
    #[must_use]
    pub fn new(publisher: Publisher, masker: Masker, probe: &str, target: &str, calls: Arc<AtomicU64>) -> Self {
        let publisher = Some(publisher);
        let tracing = Tracing::begin(None, false, false);
        Self { publisher, masker, probe: probe.to_owned(), target: target.to_owned(), calls, recorder: None, tracing }
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
            recorder: None,
            tracing: Tracing::begin(None, false, false),
        }
    }

    /// Keeps what passes from now on there.
    #[must_use]
    pub fn recording(self, recorder: Option<Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// Of a session that is about to be opened as part of that trace.
    #[must_use]
    pub fn tracing(self, tracing: Tracing) -> Self {
        tracing.opening();
        Self { tracing, ..self }
    }

    /// Keeps what passes from now on there, and no longer where it was kept before.
    pub(super) fn record(&mut self, recorder: Option<Recorder>) {
        self.recorder = recorder;
    }

    /// What passes from now on is part of that trace.
    pub(super) fn trace(&mut self, tracing: Tracing) {
        self.tracing = tracing;
    }

    /// New ids for a call.
    #[must_use]
    pub fn call(&self) -> CallIds {
        let count = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        CallIds { call_id: format!("c{count}"), calling: self.tracing.call() }
    }

    /// Masks a value learnt on the wire from now on (a session id, say).
    pub fn keep_secret(&self, value: &str) {
        self.masker.add(value);
    }

    /// Hears of a message.
    pub fn pass(&self, passing: &Passing<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.keep(passing);
        }
        // Asked each time: a session that is held outlives the answer.
        let Some(publisher) = self.publisher.as_ref().filter(|publisher| publisher.wants_wire()) else { return };
        let kept = &passing.raw[..passing.raw.len().min(PAYLOAD_BYTES_MAX)];
        let record = passing.record(&self.probe, &self.target, payload(kept, &self.masker), &self.masker);
        publisher.publish(EventKind::Wire(Box::new(record)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_names_its_requests_after_a_secret_is_masked() {
        let masker = Masker::default();
        masker.add("s3cret-value");
        let tap = Tap::closed();
        let raw = Bytes::from_static(br#"{"id":"s3cret-value","method":"x/s3cret-value"}"#);
        let recorder = Recorder::default();
        let (ids, id) = (tap.call(), Id::Text("s3cret-value".into()));
        recorder.keep(&Passing {
            direction: Direction::Received,
            ids: &ids,
            rpc_id: Some(&id),
            method: Some("x/s3cret-value"),
            status: None,
            duration: None,
            raw: &raw,
        });
        let records = recorder.take("p", "t", &masker);
        assert_eq!(records[0].method.as_deref(), Some("x/***"));
        assert!(!format!("{records:?}").contains("s3cret"), "{records:?}");
    }
}

//! Hears events and keeps their spans and records until they are sent: so many, so many bytes, and a count of what was
//! dropped. Nobody waits here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message;

use super::proto::{LogRecord, Span};
use super::{records, spans};
use crate::base::secret::Masker;
use crate::event::{Consumer, Event, EventKind, TellError};

/// Spans or records that wait.
const WAITING_MAX: usize = 16_384;
/// Bytes of them.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// Spans or records of one request.
const BATCH_MAX: usize = 512;
/// Bytes of them; receivers take 4 MiB.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// What waits to be sent. When it is full, the oldest make room.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: VecDeque<T>,
    bytes: usize,
    dropped: u64,
}

impl<T: Message> Queue<T> {
    pub(super) fn push(&mut self, item: T) {
        self.bytes += item.encoded_len();
        self.waiting.push_back(item);
        while self.waiting.len() > WAITING_MAX || self.bytes > WAITING_BYTES_MAX {
            let Some(oldest) = self.waiting.pop_front() else { break };
            self.bytes -= oldest.encoded_len();
            self.dropped += 1;
        }
    }

    /// Takes the next request's worth; none where nothing waits.
    pub(super) fn batch(&mut self) -> Option<Vec<T>> {
        let mut batch = Vec::new();
        let mut room = BATCH_BYTES_MAX;
        while batch.len() < BATCH_MAX {
            let Some(size) = self.waiting.front().map(Message::encoded_len) else { break };
            if size > room && !batch.is_empty() {
                break;
            }
            batch.extend(self.waiting.pop_front());
            self.bytes -= size;
            room = room.saturating_sub(size);
        }
        (!batch.is_empty()).then_some(batch)
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, dropped: 0 }
    }
}

/// What was heard and waits.
#[derive(Debug, Default)]
pub(super) struct Heard {
    spans: Mutex<Queue<Span>>,
    records: Mutex<Queue<LogRecord>>,
}

impl Heard {
    pub(super) fn spans(&self) -> MutexGuard<'_, Queue<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn records(&self) -> MutexGuard<'_, Queue<LogRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.spans().dropped + self.records().dropped
    }
}

/// Listens for one push.
pub(super) struct Listener {
    pub(super) heard: Arc<Heard>,
    pub(super) masker: Masker,
    pub(super) spans: bool,
    pub(super) records: bool,
    pub(super) payloads: bool,
}

impl Consumer for Listener {
    fn on_event(&mut self, event: &Event) -> Result<(), TellError> {
        if self.spans
            && let EventKind::ProbeFinished { outcome, .. } = &event.kind
            && let Some(trace) = &outcome.observed.trace
        {
            let spans = spans::of_run(outcome, trace, &self.masker);
            let mut waiting = self.heard.spans();
            for span in spans {
                waiting.push(span);
            }
        }
        if self.records
            && let Some(record) = records::of_event(event, self.payloads, &self.masker)
        {
            self.heard.records().push(record);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), TellError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: &str) -> Span {
        Span { name: name.to_owned(), ..Span::default() }
    }

    #[test]
    fn a_full_queue_drops_the_oldest_and_counts_them() {
        let mut queue = Queue::default();
        for number in 0..WAITING_MAX + 3 {
            queue.push(span(&number.to_string()));
        }
        assert_eq!((queue.waiting.len(), queue.dropped), (WAITING_MAX, 3));
        let batch = queue.batch().unwrap();
        assert_eq!((batch.len(), batch[0].name.as_str()), (BATCH_MAX, "3"));
        assert_eq!((queue.waiting.len(), queue.waiting[0].name.as_str()), (WAITING_MAX - BATCH_MAX, "515"));
        let big = "x".repeat(WAITING_BYTES_MAX / 4);
        for _ in 0..6 {
            queue.push(span(&big));
        }
        assert!(queue.bytes <= WAITING_BYTES_MAX && queue.waiting.len() < 5, "{}", queue.waiting.len());
        let bytes: usize = queue.waiting.iter().map(Message::encoded_len).sum();
        assert_eq!(bytes, queue.bytes);
        while let Some(batch) = queue.batch() {
            assert_eq!(batch.len(), 1, "one that is too big for a batch goes alone");
        }
        assert_eq!((queue.bytes, queue.batch()), (0, None));
    }
}

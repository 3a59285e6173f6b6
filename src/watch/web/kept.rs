//! The past as the daemon's store keeps it: a reader of its own on the file, opened when first asked for, and anew after
//! anything went wrong.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::past::{Bar, Failure, Past, Point};
use crate::store::{Reader, StoreError};

/// Failures of the last so many hours are looked through.
const FAILURES_WITHIN_HOURS: i64 = 24 * 30;

/// Reads the file of the store.
pub struct Kept {
    path: PathBuf,
    reader: Mutex<Option<Reader>>,
}

impl Kept {
    /// Of this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, reader: Mutex::default() }
    }

    fn ask<T>(&self, how: impl FnOnce(&Reader) -> Result<T, StoreError>) -> Result<T, String> {
        let mut kept = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let told = match kept.take().map_or_else(|| Reader::open(&self.path), Ok) {
            Err(error) => Err(error),
            Ok(reader) => {
                let told = how(&reader);
                if told.is_ok() {
                    *kept = Some(reader);
                }
                told
            }
        };
        told.map_err(|error| error.to_string())
    }
}

impl Past for Kept {
    fn bars(&self, target: &str, count: usize, from: Timestamp, to: Timestamp) -> Result<Vec<Bar>, String> {
        let bars = self.ask(|reader| reader.bars(target, None, count, from, to))?;
        let bar = |bar: &crate::store::Bar| Bar {
            healthy: bar.healthy,
            degraded: bar.degraded,
            failed: bar.failed,
            unknown: bar.unknown,
            missed: bar.missed,
        };
        Ok(bars.iter().map(bar).collect())
    }

    fn latency(&self, target: &str, from: Timestamp, to: Timestamp, count: usize) -> Result<Vec<Point>, String> {
        let points = self.ask(|reader| reader.latency(target, None, count, from, to))?;
        Ok(points.iter().filter_map(|point| Some(Point { at: point.at, p50: point.p50?, p95: point.p95? })).collect())
    }

    fn failures(&self, target: &str, limit: usize) -> Result<Vec<Failure>, String> {
        let from = Timestamp::now() - jiff::SignedDuration::from_hours(FAILURES_WITHIN_HOURS);
        let failures = self.ask(|reader| reader.failures(Some(target), None, from, limit))?;
        let failure = |failure: crate::store::Failure| Failure {
            at: failure.sample.at,
            probe: failure.sample.probe,
            status: failure.sample.status.name().to_owned(),
            reason: failure.sample.reason.map_or("", crate::event::Reason::code).to_owned(),
            message: failure.sample.message.unwrap_or_default(),
            transcript: failure.transcript,
        };
        Ok(failures.into_iter().map(failure).collect())
    }

    fn uptime(&self, target: &str, from: Timestamp, to: Timestamp) -> Result<Option<f64>, String> {
        Ok(self.ask(|reader| reader.uptime(target, None, from, to))?.share())
    }
}

//! The past as the daemon's store keeps it: a reader of its own on the file, opened when first asked for, and anew after
//! anything went wrong, or where another file lies in its place. Stretches that are over do not change: they are read once and remembered, so that a page that is
//! looked at again costs next to nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::past::{Bar, Failure, Past, Point};
use crate::store::{Reader, StoreError};

/// Failures of the last so many hours are looked through.
const FAILURES_WITHIN_HOURS: i64 = 24 * 30;

/// A stretch is over when it has ended so long ago: runs are written at their end.
const SETTLES: SignedDuration = SignedDuration::from_mins(10);
/// Lines of stretches that are remembered; of more, all are forgotten.
const STRIPS_MAX: usize = 20_000;

/// Reads the file of the store.
pub struct Kept {
    path: PathBuf,
    reader: Mutex<Option<Reader>>,
    bars: Strips<Bar>,
    points: Strips<Option<Point>>,
}

/// By target and width of a stretch in microseconds: what is known of each stretch, by its beginning.
struct Strips<T>(Mutex<HashMap<(String, i64), BTreeMap<i64, T>>>);

impl<T: Clone> Strips<T> {
    /// So many stretches of a window: those that are known, and the rest as they are read from a moment on.
    fn line(
        &self,
        target: &str,
        (count, from, to): (usize, Timestamp, Timestamp),
        now: Timestamp,
        read: impl FnOnce(usize, Timestamp) -> Result<Vec<T>, String>,
    ) -> Result<Vec<T>, String> {
        let (from, to) = (from.as_microsecond(), to.as_microsecond());
        let width = ((to - from) / i64::try_from(count.max(1)).unwrap_or(i64::MAX)).max(1);
        let starts: Vec<i64> = (0..count).map(|place| from + width * i64::try_from(place).unwrap_or(0)).collect();
        let known = {
            let mut strips = self.strips();
            let known = strips.entry((target.to_owned(), width)).or_default();
            *known = known.split_off(&from);
            known.clone()
        };
        let mut line: Vec<T> = starts.iter().map_while(|start| known.get(start).cloned()).collect();
        let first = line.len();
        let Some(start) = starts.get(first) else { return Ok(line) };
        let fresh = read(count - first, Timestamp::from_microsecond(*start).unwrap_or(now))?;
        let settled = now.checked_sub(SETTLES).unwrap_or(now).as_microsecond();
        let over = starts[first..].iter().zip(&fresh).filter(|(start, _)| *start + width <= settled);
        let over: Vec<(i64, T)> = over.map(|(start, what)| (*start, what.clone())).collect();
        let mut strips = self.strips();
        if strips.len() > STRIPS_MAX {
            strips.clear();
        }
        strips.entry((target.to_owned(), width)).or_default().extend(over);
        line.extend(fresh);
        Ok(line)
    }

    fn strips(&self) -> MutexGuard<'_, HashMap<(String, i64), BTreeMap<i64, T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Of this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, reader: Mutex::default(), bars: Strips(Mutex::default()), points: Strips(Mutex::default()) }
    }

    fn ask<T>(&self, how: impl FnOnce(&Reader) -> Result<T, StoreError>) -> Result<T, String> {
        let mut kept = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let told = match kept.take().filter(Reader::is_in_place).map_or_else(|| Reader::beside_writer(&self.path), Ok) {
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
        let bar = |bar: &crate::store::Bar| Bar {
            healthy: bar.healthy,
            degraded: bar.degraded,
            failed: bar.failed,
            unknown: bar.unknown,
            missed: bar.missed,
        };
        self.bars.line(target, (count, from, to), Timestamp::now(), |count, from| {
            let bars = self.ask(|reader| reader.bars(target, None, count, from, to))?;
            Ok(bars.iter().map(bar).collect())
        })
    }

    fn latency(&self, target: &str, from: Timestamp, to: Timestamp, count: usize) -> Result<Vec<Point>, String> {
        let point = |point: &crate::store::Point| Some(Point { at: point.at, p50: point.p50?, p95: point.p95? });
        let points = self.points.line(target, (count, from, to), Timestamp::now(), |count, from| {
            let points = self.ask(|reader| reader.latency(target, None, count, from, to))?;
            Ok(points.iter().map(point).collect())
        })?;
        Ok(points.into_iter().flatten().collect())
    }

    fn failures(&self, target: &str, limit: usize) -> Result<Vec<Failure>, String> {
        let from = Timestamp::now() - SignedDuration::from_hours(FAILURES_WITHIN_HOURS);
        let failures = self.ask(|reader| reader.failures(Some(target), None, from, limit))?;
        let failure = |failure: crate::store::Failure| Failure {
            at: failure.sample.at,
            probe: failure.sample.probe.to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_read_once() {
        let strips = Strips(Mutex::default());
        let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        // Nine stretches of ten minutes; each holds the number of the reading that found it.
        let line = |reading: u32, from: i64, now: i64| {
            let mut asked = 0;
            let window = (9, at(from), at(from + 90));
            let line = strips.line("t", window, at(now), |count, _| {
                asked = count;
                Ok(vec![reading; count])
            });
            (line.unwrap(), asked)
        };
        assert_eq!(line(1, 0, 85), (vec![1; 9], 9));
        // The last but one ended at 80 and is not settled at 85; at 95 it is.
        assert_eq!(line(2, 0, 95), (vec![1, 1, 1, 1, 1, 1, 1, 2, 2], 2));
        assert_eq!(line(3, 10, 95), (vec![1, 1, 1, 1, 1, 1, 2, 3, 3], 2));
        let failed = strips.line("t", (9, at(500), at(590)), at(595), |_, _| Err("gone".to_owned()));
        assert_eq!(failed, Err("gone".to_owned()));
        assert_eq!(line(4, 10, 95).1, 9, "what is out of the window is forgotten");
    }
}

//! Looking back, beside a daemon that writes or without one. Old times are read from the roll-ups of days and hours, the
//! last hour from the runs themselves; what a window cuts is read from the runs while they are kept.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params_from_iter, types::Value as Sql};
use serde_json::Value;

use super::books::bound;
use super::error::StoreError;
use super::recent;
use super::rolling::{self, Counts, floor};
use super::rows::{COLUMNS, Dictionary, RUN, each_latency, sample, timestamp};
use super::spread::Spread;
use super::times::{DAY, HOUR, Stretch, Times, Uptime, stretches};
use super::window::{Slots, Source, each_run, pairs, parts, scope};
use super::{FILE_NAME, file, outbox, place};
use crate::event::Sample;

/// The history, for reading. Every answer is of one moment; a reader that is kept sees what is written later.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    /// Which file it is; none where it was gone as soon as it was opened.
    id: Option<place::Id>,
    words: RefCell<Dictionary>,
    /// Whether it is a file of before there was `recent`.
    is_old: Cell<bool>,
}

/// A probe on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The probe.
    pub probe: String,
    /// The target.
    pub target: String,
}

/// How the runs of a stretch of time ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// Where the stretch begins.
    pub at: Timestamp,
    /// Runs that were healthy.
    pub healthy: u64,
    /// Degraded.
    pub degraded: u64,
    /// Failed.
    pub failed: u64,
    /// Unknown.
    pub unknown: u64,
    /// Grid points that passed without a run.
    pub missed: u64,
}

/// Latencies of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Where the stretch begins.
    pub at: Timestamp,
    /// How many latencies; none where nothing was measured, and no percentile then.
    pub count: u64,
    /// The median.
    pub p50: Option<Duration>,
    /// The 95th percentile.
    pub p95: Option<Duration>,
}

/// Latencies of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 95th.
    pub p95: Duration,
    /// The 99th.
    pub p99: Duration,
    /// The largest.
    pub max: Duration,
}

/// A run that was not healthy, with what was said, where that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The run.
    pub sample: Sample,
    /// JSON lines, masked.
    pub transcript: Option<String>,
}

/// What became of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertEntry {
    /// When.
    pub at: Timestamp,
    /// The alert.
    pub alert: String,
    /// Its probe.
    pub probe: String,
    /// Its target.
    pub target: String,
    /// The word of the state.
    pub state: String,
    /// Whether it was firing then.
    pub firing: bool,
    /// One sentence.
    pub message: String,
}

type Told<T> = Result<T, StoreError>;

impl Reader {
    /// Opens the file for reading only.
    ///
    /// # Errors
    /// When there is no history, or the file is newer, foreign or broken, or cannot be read.
    pub fn open(path: &Path) -> Told<Self> {
        Self::opened(path, false)
    }

    /// The same in the process that writes the file.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn beside_writer(path: &Path) -> Told<Self> {
        Self::opened(path, true)
    }

    fn opened(path: &Path, is_own: bool) -> Told<Self> {
        let (connection, is_old) = file::open_to_read(path, is_own)?;
        file::steady(&connection, path)?;
        let id = place::id(path).ok();
        Ok(Self { connection, path: path.to_owned(), id, words: RefCell::default(), is_old: Cell::new(is_old) })
    }

    /// Whether the file that is read is still the one at its path.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        place::id(&self.path).ok() == self.id
    }

    /// The history of a state folder.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_in(folder: &Path) -> Told<Self> {
        Self::open(&folder.join(FILE_NAME))
    }

    /// Every probe on every target that was ever run and is not forgotten, by target and probe.
    ///
    /// # Errors
    /// When the file cannot be read; so with all that follow.
    pub fn pairs(&self) -> Told<Vec<Pair>> {
        self.told(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT p.probe, t.name FROM pairs p JOIN targets t ON t.id = p.target ORDER BY t.name, p.probe",
            )?;
            statement.query_map([], |row| Ok(Pair { probe: row.get(0)?, target: row.get(1)? }))?.collect()
        })
    }

    /// Every target, by name.
    ///
    /// # Errors
    /// As above.
    pub fn targets(&self) -> Told<Vec<String>> {
        self.told(|connection| {
            connection
                .prepare_cached("SELECT name FROM targets ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// The newest runs of a window, oldest of them first; of one probe or target, or of all.
    ///
    /// # Errors
    /// As above.
    pub fn samples(
        &self,
        probe: Option<&str>,
        target: Option<&str>,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Told<Vec<Sample>> {
        self.told(|connection| {
            let words = &mut *self.words.borrow_mut();
            let (from, to) = (from.as_microsecond(), to.as_microsecond());
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut samples = Vec::new();
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM ({} ORDER BY at DESC LIMIT ?4) s JOIN pairs p ON p.id = s.pair
                   JOIN targets t ON t.id = p.target",
                recent::runs(RUN, "at >= ?2 AND at < ?3")
            ))?;
            for pair in pairs(connection, probe, target)? {
                let mut rows = statement.query([pair, from, to, limit])?;
                while let Some(row) = rows.next()? {
                    samples.push(sample(connection, words, row)?);
                }
            }
            samples.sort_by_key(|sample| sample.at);
            let surplus = samples.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
            samples.drain(..surplus);
            Ok(samples)
        })
    }

    /// The last run of a probe on a target.
    ///
    /// # Errors
    /// As above.
    pub fn latest(&self, probe: Option<&str>, target: &str) -> Told<Option<Sample>> {
        Ok(self.samples(probe, Some(target), Timestamp::MIN, Timestamp::MAX, 1)?.pop())
    }

    /// So many equal stretches of a window, oldest first.
    ///
    /// # Errors
    /// As above.
    pub fn bars(&self, target: &str, probe: Option<&str>, n: usize, from: Timestamp, to: Timestamp) -> Told<Vec<Bar>> {
        let slots = Slots::new(n, from, to);
        let mut bars: Vec<Bar> = slots.starts().map(|at| Bar { at, ..Bar::default() }).collect();
        self.told(|connection| {
            let Some(scope) = scope(connection, target, probe)? else { return Ok(()) };
            let mut add = |at: i64, counts: &Counts| {
                let number = |count: i64| u64::try_from(count).unwrap_or(0);
                if let Some(bar) = slots.of(at).and_then(|slot| bars.get_mut(slot)) {
                    bar.healthy += number(counts.healthy);
                    bar.degraded += number(counts.degraded);
                    bar.failed += number(counts.failed);
                    bar.unknown += number(counts.unknown);
                }
            };
            for (source, from, to) in parts(connection, &scope, slots.from, slots.to, slots.width)? {
                for pair in &scope.pairs {
                    match source {
                        Source::Runs => each_run(connection, *pair, from, to, |at, ended, _| {
                            let mut counts = Counts::default();
                            counts.count(ended);
                            add(at, &counts);
                        })?,
                        Source::Hours | Source::Days => {
                            rolling::each_pair_row(connection, (source.span(), *pair), from, to, |at, counts, _| {
                                add(at, counts);
                            })?;
                        }
                    }
                }
            }
            for pair in &scope.pairs {
                let mut statement = connection
                    .prepare_cached("SELECT hour, count FROM missed WHERE pair = ?1 AND hour >= ?2 AND hour < ?3")?;
                let mut rows = statement.query([*pair, floor(slots.from, HOUR), slots.to])?;
                while let Some(row) = rows.next()? {
                    let at: i64 = row.get(0)?;
                    if let Some(bar) = slots.of(at.max(slots.from)).and_then(|slot| bars.get_mut(slot)) {
                        bar.missed += u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
                    }
                }
            }
            Ok(())
        })?;
        Ok(bars)
    }

    /// Percentiles of so many equal stretches of a window, oldest first.
    ///
    /// # Errors
    /// As above.
    pub fn latency(
        &self,
        target: &str,
        probe: Option<&str>,
        points: usize,
        from: Timestamp,
        to: Timestamp,
    ) -> Told<Vec<Point>> {
        let slots = Slots::new(points, from, to);
        let mut spreads = vec![Spread::default(); points];
        self.told(|connection| {
            let Some(scope) = scope(connection, target, probe)? else { return Ok(()) };
            for (source, from, to) in parts(connection, &scope, slots.from, slots.to, slots.width)? {
                for pair in &scope.pairs {
                    match source {
                        Source::Runs => each_run(connection, *pair, from, to, |at, _, latencies| {
                            if let Some(spread) = slots.of(at).and_then(|slot| spreads.get_mut(slot)) {
                                each_latency(latencies, |took| spread.add(took));
                            }
                        })?,
                        Source::Hours | Source::Days => {
                            rolling::each_spread(connection, (source.span(), *pair), from, to, |at, bytes| {
                                if let Some(spread) = slots.of(at).and_then(|slot| spreads.get_mut(slot)) {
                                    spread.merge_encoded(bytes);
                                }
                            })?;
                        }
                    }
                }
            }
            Ok(())
        })?;
        let point = |(at, spread): (Timestamp, &Spread)| Point {
            at,
            count: spread.count(),
            p50: spread.quantile(0.5),
            p95: spread.quantile(0.95),
        };
        Ok(slots.starts().zip(&spreads).map(point).collect())
    }

    /// Percentiles of a window; none where nothing was measured.
    ///
    /// # Errors
    /// As above.
    pub fn percentiles(
        &self,
        target: &str,
        probe: Option<&str>,
        from: Timestamp,
        to: Timestamp,
    ) -> Told<Option<Latencies>> {
        let spread = self.spread(target, probe, from, to)?;
        let at = |share: f64| spread.quantile(share).unwrap_or_default();
        Ok(spread.max().map(|max| Latencies {
            count: spread.count(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            max,
        }))
    }

    /// All latencies of a window.
    ///
    /// # Errors
    /// As above.
    pub fn spread(&self, target: &str, probe: Option<&str>, from: Timestamp, to: Timestamp) -> Told<Spread> {
        self.told(|connection| {
            let mut all = Spread::default();
            let Some(scope) = scope(connection, target, probe)? else { return Ok(all) };
            for (source, from, to) in parts(connection, &scope, from.as_microsecond(), to.as_microsecond(), DAY)? {
                for pair in &scope.pairs {
                    all.merge(&match source {
                        Source::Runs => rolling::counted(connection, *pair, from, to)?.1,
                        Source::Hours | Source::Days => {
                            rolling::sum_spread(connection, source.span(), *pair, from, to)?
                        }
                    });
                }
            }
            Ok(all)
        })
    }

    /// How the runs of a window ended: one bar over all of it.
    ///
    /// # Errors
    /// As above.
    pub fn counts(&self, target: &str, probe: Option<&str>, from: Timestamp, to: Timestamp) -> Told<Bar> {
        Ok(self.bars(target, probe, 1, from, to)?.pop().unwrap_or_default())
    }

    /// For how long a target, or one probe of it, was up, down, unknown or not looked at. Of several probes the worst
    /// counts at each moment. What lies ahead of the last run's reach is a gap.
    ///
    /// # Errors
    /// As above.
    pub fn uptime(&self, target: &str, probe: Option<&str>, from: Timestamp, to: Timestamp) -> Told<Uptime> {
        self.told(|connection| {
            let (from, to) = (from.as_microsecond(), to.as_microsecond());
            let mut times = Times::default();
            let Some(scope) = scope(connection, target, probe)? else { return Ok(times.told(to - from)) };
            for (source, from, to) in parts(connection, &scope, from, to, DAY)? {
                times.append(&match source {
                    Source::Runs => {
                        let mut all: Vec<Stretch> = Vec::new();
                        for pair in &scope.pairs {
                            all.extend(stretches(&rolling::seen(connection, *pair, from, to)?, from, to));
                        }
                        Times::of(&all)
                    }
                    _ if scope.is_part => match scope.pairs.as_slice() {
                        [pair] => rolling::sum_pair(connection, source.span(), *pair, from, to)?.1,
                        _ => Times::default(),
                    },
                    _ => rolling::sum_target(connection, source.span(), scope.target, from, to)?,
                });
            }
            Ok(times.told(to - from))
        })
    }

    /// The newest runs that failed or were degraded, newest first, with what was said.
    ///
    /// # Errors
    /// As above.
    pub fn failures(
        &self,
        target: Option<&str>,
        probe: Option<&str>,
        from: Timestamp,
        limit: usize,
    ) -> Told<Vec<Failure>> {
        self.told(|connection| {
            let words = &mut *self.words.borrow_mut();
            let limit_of_one = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut failures = Vec::new();
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, x.lines FROM ({} ORDER BY at DESC LIMIT ?3) s JOIN pairs p ON p.id = s.pair
                   JOIN targets t ON t.id = p.target LEFT JOIN transcripts x ON x.pair = s.pair AND x.at = s.at",
                recent::troubles(RUN, "status < 4 AND at >= ?2")
            ))?;
            for pair in pairs(connection, probe, target)? {
                let mut rows = statement.query([pair, from.as_microsecond(), limit_of_one])?;
                while let Some(row) = rows.next()? {
                    failures.push(Failure { sample: sample(connection, words, row)?, transcript: row.get(13)? });
                }
            }
            failures.sort_by_key(|failure| std::cmp::Reverse(failure.sample.at));
            failures.truncate(limit);
            Ok(failures)
        })
    }

    /// The newest changes of alerts, newest first; of one target or of all.
    ///
    /// # Errors
    /// As above.
    pub fn alerts(&self, target: Option<&str>, from: Timestamp, limit: usize) -> Told<Vec<AlertEntry>> {
        self.told(|connection| {
            let mut query =
                "SELECT at, alert, probe, target, state, firing, message FROM alert_changes WHERE at >= ?1".to_owned();
            let mut values = vec![Sql::from(from.as_microsecond())];
            if let Some(target) = target {
                query.push_str(" AND target = ?2");
                values.push(Sql::from(target.to_owned()));
            }
            query.push_str(" ORDER BY id DESC LIMIT ?");
            query.push_str(&(values.len() + 1).to_string());
            values.push(Sql::from(i64::try_from(limit).unwrap_or(i64::MAX)));
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                Ok(AlertEntry {
                    at: timestamp(row.get(0)?),
                    alert: row.get(1)?,
                    probe: row.get(2)?,
                    target: row.get(3)?,
                    state: row.get(4)?,
                    firing: row.get(5)?,
                    message: row.get(6)?,
                })
            })?;
            rows.collect()
        })
    }

    /// What a daemon has kept under a name.
    ///
    /// # Errors
    /// As above.
    pub fn kept(&self, name: &str) -> Told<Option<Value>> {
        self.told(|connection| outbox::kept(connection, name))
    }

    /// The beginning of a window that can be answered whole: a moment of which only the roll-up is left moves back to the
    /// start of its hour or day.
    ///
    /// # Errors
    /// As above.
    pub fn aligned(&self, from: Timestamp) -> Told<Timestamp> {
        self.told(|connection| {
            let at = from.as_microsecond();
            if at >= bound(connection, "raw_since")? {
                return Ok(from);
            }
            let unit = if at >= bound(connection, "hours_since")? { HOUR } else { DAY };
            Ok(timestamp(floor(at, unit)))
        })
    }

    fn told<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Told<T> {
        let done = self.begun().and_then(|transaction| work(&transaction));
        done.map_err(|error| StoreError::of(&self.path, &error))
    }

    /// A transaction, so that runs, roll-ups and the version of the file are of the same moment.
    fn begun(&self) -> rusqlite::Result<Transaction<'_>> {
        let transaction = self.connection.unchecked_transaction()?;
        if !self.is_old.get() || !file::is_renewed(&transaction)? {
            return Ok(transaction);
        }
        drop(transaction);
        file::read_as_new(&self.connection)?;
        self.is_old.set(false);
        self.connection.unchecked_transaction()
    }
}

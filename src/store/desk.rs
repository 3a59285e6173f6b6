//! The one writer: a thread that takes what comes, writes samples in batches, and answers questions in between. What
//! could not be written stays in memory and is tried again; what finds no room there is counted.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::StoreHealth;
use super::error::StoreError;
use super::file::{self, Lock};
use super::rolling::{advance, again, floor};
use super::rows::{self, Identified, Words};
use super::times::HOUR;
use crate::event::{Missed, Sample};

/// With fewer places left than these, entries are written at once.
pub(super) const ROOM_MIN: usize = 2_048;
/// No entry waits longer than this to be written.
const BATCH_WAIT: Duration = Duration::from_millis(250);
/// After a failure the next try comes so much later.
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// So many entries wait in memory while nothing can be written; of more, the oldest go.
const WAITING_MAX: usize = 20_000;
/// An hour is rolled up when a run has begun so long after its end.
const ROLL_GRACE: i64 = 60_000_000;
/// What a probe's result stands for where nobody said how often it runs, and nothing can be seen yet.
const STANDS_UNKNOWN_MS: i64 = 60_000;
/// No result stands longer.
const STANDS_MAX_MS: i64 = 48 * 3_600_000;
/// Transcripts that are kept of one probe on one target.
const TRANSCRIPTS_MAX: i64 = 50;
/// Bytes of one transcript.
pub(super) const TRANSCRIPT_BYTES_MAX: usize = 64 << 10;

/// What is asked of the thread.
pub(super) type Question = Box<dyn FnOnce(&mut Desk) + Send>;

/// What comes in.
pub(super) enum Job {
    Ask(Question),
    Close(oneshot::Sender<Result<(), StoreError>>),
    /// Something is in another lane.
    Bell,
}

/// A job with its place in its lane.
pub(super) type Placed = (Job, Option<OwnedSemaphorePermit>);

/// Where jobs come in: what is urgent is taken first, and the bell wakes for it. Entries lie in a lane of their own until
/// they are written, so that the thread is woken for a batch and not for each of them.
pub(super) struct Inbox {
    pub(super) usual: Receiver<Placed>,
    pub(super) urgent: Receiver<Placed>,
    pub(super) entries: Receiver<(Entry, OwnedSemaphorePermit)>,
    /// Whether a bell is on its way for something urgent, or because there is little room.
    pub(super) rung: Arc<AtomicBool>,
    /// Whether the thread knows that there are entries.
    pub(super) noticed: Arc<AtomicBool>,
    /// The places of entries and usual jobs.
    pub(super) room: Arc<Semaphore>,
}

impl Inbox {
    /// The next job of the usual lane, or the bell.
    fn next(&self, until: Option<Instant>) -> Result<Placed, RecvTimeoutError> {
        let job = match until {
            None => self.usual.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.usual.recv_timeout(at.saturating_duration_since(Instant::now())),
        }?;
        if matches!(job.0, Job::Bell) {
            // Whoever comes from now on rings again.
            self.rung.swap(false, Ordering::AcqRel);
        }
        Ok(job)
    }
}

/// What is written in batches.
pub(super) enum Entry {
    Sample(Box<Sample>, Option<String>),
    Missed { probe: String, target: String, reason: Missed, at: Timestamp, count: u64 },
}

struct Pair {
    id: i64,
    target: i64,
    /// As it was told, in milliseconds; 0 where nobody did.
    every: i64,
    last_at: Option<i64>,
    /// The last distances between runs, in milliseconds.
    gaps: VecDeque<i64>,
    identified: Identified,
}

impl Pair {
    /// For how long a result may stand, in milliseconds: the interval and a tenth.
    fn stands(&mut self, at: i64) -> i64 {
        if let Some(gap) = self.last_at.map(|last| (at - last) / 1000).filter(|gap| *gap > 0) {
            self.gaps.push_back(gap);
            if self.gaps.len() > 9 {
                self.gaps.pop_front();
            }
        }
        self.last_at = Some(at);
        let every = if self.every > 0 {
            self.every
        } else {
            let mut sorted: Vec<i64> = self.gaps.iter().copied().collect();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied().unwrap_or(STANDS_UNKNOWN_MS)
        };
        every.saturating_add(every / 10).min(STANDS_MAX_MS)
    }
}

/// The writing end of the file.
pub(super) struct Desk {
    pub(super) connection: Connection,
    path: PathBuf,
    lock: Lock,
    books: Books,
    waiting: VecDeque<Entry>,
    health: Arc<Mutex<StoreHealth>>,
}

impl Desk {
    pub(super) fn open(path: &Path, health: Arc<Mutex<StoreHealth>>) -> Result<Self, StoreError> {
        let (connection, lock) = file::open(path)?;
        file::steady(&connection, path)?;
        let (books, waiting) = (Books::default(), VecDeque::new());
        Ok(Self { connection, path: path.to_owned(), lock, books, waiting, health })
    }

    /// Works until it is closed or everybody who could ask has gone.
    pub(super) fn work(mut self, jobs: &Inbox) {
        let mut flush_at: Option<Instant> = None;
        loop {
            while let Ok((Job::Ask(question), _room)) = jobs.urgent.try_recv() {
                question(&mut self);
                // The samples behind it follow at once, so that hardly anything is between the two.
                if jobs.noticed.load(Ordering::Acquire) || !self.waiting.is_empty() {
                    flush_at = Some(Instant::now());
                }
            }
            match jobs.next(flush_at) {
                Ok((Job::Bell, _)) => {
                    let is_crowded = jobs.room.available_permits() < ROOM_MIN;
                    if jobs.noticed.load(Ordering::Acquire) && !is_crowded {
                        flush_at.get_or_insert_with(|| Instant::now() + BATCH_WAIT);
                        continue;
                    }
                }
                Ok((Job::Ask(question), _room)) => {
                    // What came before is there when it is answered. Where that fails, the entries say so themselves.
                    self.take_in(jobs);
                    let failed = self.flush().is_err();
                    flush_at = failed.then(|| Instant::now() + RETRY_WAIT);
                    question(&mut self);
                    continue;
                }
                Ok((Job::Close(reply), _room)) => {
                    self.take_in(jobs);
                    let flushed = self.flush();
                    drop(reply.send(self.close(flushed)));
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.take_in(jobs);
                    let flushed = self.flush();
                    let _ = self.close(flushed);
                    return;
                }
            }
            self.take_in(jobs);
            let failed = self.flush().is_err();
            flush_at = failed.then(|| Instant::now() + RETRY_WAIT);
        }
    }

    /// Takes up the entries that have come.
    fn take_in(&mut self, jobs: &Inbox) {
        // Whoever comes from now on rings again.
        jobs.noticed.swap(false, Ordering::AcqRel);
        while let Ok((entry, _room)) = jobs.entries.try_recv() {
            self.keep(entry);
        }
    }

    fn close(self, flushed: Result<(), StoreError>) -> Result<(), StoreError> {
        let closed = self.connection.close().map_err(|(_, error)| StoreError::of(&self.path, &error));
        drop(self.lock);
        flushed.and(closed)
    }

    fn keep(&mut self, entry: Entry) {
        self.waiting.push_back(entry);
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
            health.lost += 1;
        }
        health.waiting = self.waiting.len();
    }

    /// Writes what waits, all or nothing; after a failure it still waits.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let written = self.within(|books, connection| books.write(connection, &waiting));
        if written.is_err() {
            self.waiting = waiting;
        }
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.waiting = self.waiting.len();
        health.trouble = written.as_ref().err().cloned();
        written
    }

    /// Gives free room back to the disk. Whether there is more.
    pub(super) fn give_back(&mut self) -> Result<bool, StoreError> {
        super::tidy::give_back(&self.connection).map_err(|error| StoreError::of(&self.path, &error))
    }

    /// A transaction that survives a crash of the program.
    pub(super) fn within<T>(
        &mut self,
        work: impl FnOnce(&mut Books, &Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let done = self.connection.unchecked_transaction().and_then(|transaction| {
            let done = work(&mut self.books, &transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        if done.is_err() {
            self.books.forget();
        }
        done.map_err(|error| StoreError::of(&self.path, &error))
    }

    /// A transaction that is on the disk when this returns, and survives the loss of power.
    pub(super) fn durably<T>(
        &mut self,
        work: impl FnOnce(&mut Books, &Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let level = |level: &str| {
            let set = self.connection.pragma_update(None, "synchronous", level);
            set.map_err(|error| StoreError::of(&self.path, &error))
        };
        level("FULL")?;
        let done = self.within(work);
        let back = self.connection.pragma_update(None, "synchronous", "NORMAL");
        done.and_then(|done| back.map(|()| done).map_err(|error| StoreError::of(&self.path, &error)))
    }
}

/// By target and probe.
type Pairs = HashMap<String, HashMap<String, Pair>>;

/// What the writer knows of the file without reading it again.
#[derive(Default)]
pub(super) struct Books {
    words: Words,
    pairs: Pairs,
    /// Up to where each target is rolled up.
    rolled: HashMap<i64, i64>,
    /// Before this there are no runs any more, only roll-ups.
    raw_since: Option<i64>,
}

impl Books {
    /// After a transaction that failed: numbers may be of rows that are not there. The distances between runs are lost
    /// with them, and soon known again.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn write(&mut self, connection: &Connection, entries: &VecDeque<Entry>) -> rusqlite::Result<()> {
        let (mut late, mut reached) = (BTreeSet::new(), HashMap::<i64, i64>::new());
        for entry in entries {
            match entry {
                Entry::Sample(sample, transcript) => {
                    let at = sample.at.as_microsecond();
                    let Self { words, pairs, rolled, .. } = self;
                    let pair = pair(pairs, rolled, connection, (&sample.probe, &sample.target), at)?;
                    let (id, target, stands) = (pair.id, pair.target, pair.stands(at));
                    let at = rows::insert(connection, words, (id, &mut pair.identified), stands, sample)?;
                    if let Some(lines) = transcript {
                        write_transcript(connection, id, at, lines)?;
                    }
                    let rolled = self.rolled.get(&target).copied().unwrap_or(at);
                    let mut hour = floor(at, HOUR);
                    while hour < rolled && hour < at + stands * 1000 {
                        late.insert((target, hour));
                        hour += HOUR;
                    }
                    let reached = reached.entry(target).or_insert(at);
                    *reached = at.max(*reached);
                }
                Entry::Missed { probe, target, reason, at, count } => {
                    let at = at.as_microsecond();
                    let pair = pair(&mut self.pairs, &mut self.rolled, connection, (probe, target), at)?.id;
                    connection
                        .prepare_cached(
                            "INSERT INTO missed VALUES (?1, ?2, ?3, ?4)
                             ON CONFLICT DO UPDATE SET count = count + excluded.count",
                        )?
                        .execute(params![
                            pair,
                            floor(at, HOUR),
                            reason.name(),
                            i64::try_from(*count).unwrap_or(i64::MAX)
                        ])?;
                }
            }
        }
        let raw_since = self.raw_since(connection)?;
        for (target, hour) in late.into_iter().filter(|(_, hour)| *hour >= raw_since) {
            again(connection, target, hour, self.rolled.get(&target).copied().unwrap_or(hour))?;
        }
        for (target, at) in reached {
            let until = floor(at - ROLL_GRACE, HOUR);
            let rolled = self.rolled.entry(target).or_insert(until);
            if *rolled < until {
                advance(connection, target, *rolled, until)?;
                *rolled = until;
            }
        }
        Ok(())
    }

    /// How often a probe runs, where that is known; none where it follows a calendar.
    pub(super) fn expect(
        &mut self,
        connection: &Connection,
        (probe, target): (&str, &str),
        every: Option<Duration>,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let every = every.map_or(0, |every| i64::try_from(every.as_millis()).unwrap_or(STANDS_MAX_MS));
        let at = at.as_microsecond();
        let pair = pair(&mut self.pairs, &mut self.rolled, connection, (probe, target), at)?;
        pair.every = every;
        connection.prepare_cached("UPDATE pairs SET every = ?2 WHERE id = ?1")?.execute([pair.id, every])?;
        Ok(())
    }

    pub(super) fn raw_since(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        if let Some(since) = self.raw_since {
            return Ok(since);
        }
        let since = bound(connection, "raw_since")?;
        self.raw_since = Some(since);
        Ok(since)
    }

    /// Rolls a target up to a moment, where it is not yet.
    pub(super) fn roll(&mut self, connection: &Connection, target: i64, until: i64) -> rusqlite::Result<()> {
        let rolled: i64 = connection
            .prepare_cached("SELECT rolled_until FROM targets WHERE id = ?1")?
            .query_row([target], |row| row.get(0))?;
        if rolled < until {
            advance(connection, target, rolled, until)?;
            self.rolled.insert(target, until);
        }
        Ok(())
    }

    pub(super) fn set_raw_since(&mut self, connection: &Connection, since: i64) -> rusqlite::Result<()> {
        set_bound(connection, "raw_since", since)?;
        self.raw_since = Some(since);
        Ok(())
    }
}

/// A probe on a target, which gets a number where it has none.
fn pair<'a>(
    pairs: &'a mut Pairs,
    rolled: &mut HashMap<i64, i64>,
    connection: &Connection,
    (probe, target): (&str, &str),
    at: i64,
) -> rusqlite::Result<&'a mut Pair> {
    // The names are copied for a pair that is new only.
    if !pairs.get(target).is_some_and(|probes| probes.contains_key(probe)) {
        let new = numbered(rolled, connection, (probe, target), at)?;
        pairs.entry(target.to_owned()).or_default().insert(probe.to_owned(), new);
    }
    pairs.get_mut(target).and_then(|probes| probes.get_mut(probe)).ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// A pair as the file has it, which gets a number where it has none.
fn numbered(
    rolled: &mut HashMap<i64, i64>,
    connection: &Connection,
    (probe, target): (&str, &str),
    at: i64,
) -> rusqlite::Result<Pair> {
    let have = connection
        .prepare_cached("SELECT id, rolled_until FROM targets WHERE name = ?1")?
        .query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (number, rolled_until) = if let Some(have) = have {
        have
    } else {
        let hour = floor(at, HOUR);
        connection
            .prepare_cached("INSERT INTO targets (name, rolled_until) VALUES (?1, ?2)")?
            .execute(params![target, hour])?;
        (connection.last_insert_rowid(), hour)
    };
    rolled.entry(number).or_insert(rolled_until);
    connection
        .prepare_cached("INSERT INTO pairs (target, probe, every) VALUES (?1, ?2, 0) ON CONFLICT DO NOTHING")?
        .execute(params![number, probe])?;
    let (id, every) = connection
        .prepare_cached("SELECT id, every FROM pairs WHERE target = ?1 AND probe = ?2")?
        .query_row(params![number, probe], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let identified = Identified::default();
    Ok(Pair { id, target: number, every, last_at: None, gaps: VecDeque::new(), identified })
}

/// A moment that the file keeps: before it something is no longer there.
pub(super) fn bound(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let text: Option<String> = connection
        .prepare_cached("SELECT value FROM facts WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(i64::MIN))
}

pub(super) fn set_bound(connection: &Connection, name: &str, at: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO facts VALUES (?1, ?2)")?
        .execute(params![name, at.to_string()])?;
    Ok(())
}

/// Keeps what was said, whole lines of it, and of each probe the newest.
fn write_transcript(connection: &Connection, pair: i64, at: i64, lines: &str) -> rusqlite::Result<()> {
    let mut kept = lines;
    if kept.len() > TRANSCRIPT_BYTES_MAX {
        let end = kept.as_bytes()[..TRANSCRIPT_BYTES_MAX].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        kept = &kept[..end];
    }
    if kept.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO transcripts VALUES (?1, ?2, ?3)")?
        .execute(params![pair, at, kept])?;
    connection
        .prepare_cached(
            "DELETE FROM transcripts WHERE pair = ?1 AND at <
               (SELECT at FROM transcripts WHERE pair = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute([pair, TRANSCRIPTS_MAX - 1])?;
    Ok(())
}

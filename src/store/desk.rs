//! The one writer: a thread that takes what comes, writes samples in batches, and answers questions in between. What
//! could not be written stays in memory and is tried again; what finds no room there is counted.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::StoreHealth;
use super::books::{Books, Entry};
use super::error::StoreError;
use super::file::{self, Lock};
use super::place::{self, Mark};

/// With fewer places left than these, entries are written at once.
pub(super) const ROOM_MIN: usize = 2_048;
/// No entry waits longer than this to be written.
const BATCH_WAIT: Duration = Duration::from_millis(250);
/// After a failure the next try comes so much later.
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// After a batch parts of what is recent move for so long at most, unless one alone takes longer.
const SETTLE_MAX: Duration = Duration::from_millis(25);
/// How often it is looked whether the file is still at its place.
const LOOK_WAIT: Duration = Duration::from_secs(1);
/// What could not be put in its place is tried again after so many times as long as that took.
const RESTORE_SHARE: u32 = 20;
/// So many entries wait in memory while nothing can be written; of more, the oldest go.
const WAITING_MAX: usize = 20_000;
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
    fn next(&self, until: Instant) -> Result<Placed, RecvTimeoutError> {
        let job = self.usual.recv_timeout(until.saturating_duration_since(Instant::now()))?;
        if matches!(job.0, Job::Bell) {
            // Whoever comes from now on rings again.
            self.rung.swap(false, Ordering::AcqRel);
        }
        Ok(job)
    }
}

/// The writing end of the file.
pub(super) struct Desk {
    pub(super) connection: Connection,
    path: PathBuf,
    lock: Lock,
    mark: Mark,
    /// When the place is looked at next, and why the file does not stand there.
    look_at: Instant,
    astray: Option<StoreError>,
    books: Books,
    waiting: VecDeque<Entry>,
    health: Arc<Mutex<StoreHealth>>,
}

impl Desk {
    pub(super) fn open(path: &Path, health: Arc<Mutex<StoreHealth>>) -> Result<Self, StoreError> {
        let (connection, lock) = file::open(path)?;
        let mark = Mark::of(path)?;
        let (books, waiting) = (Books::default(), VecDeque::new());
        let (look_at, astray) = (Instant::now() + LOOK_WAIT, None);
        Ok(Self { connection, path: path.to_owned(), lock, mark, look_at, astray, books, waiting, health })
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
            if Instant::now() >= self.look_at {
                // It is said in the health.
                let _ = self.look();
            }
            match jobs.next(flush_at.map_or(self.look_at, |flush_at| flush_at.min(self.look_at))) {
                Ok((Job::Bell, _)) => {
                    let is_crowded = jobs.room.available_permits() < ROOM_MIN;
                    if jobs.noticed.load(Ordering::Acquire) && !is_crowded {
                        flush_at.get_or_insert_with(|| Instant::now() + BATCH_WAIT);
                        continue;
                    }
                }
                Ok((Job::Ask(question), _room)) => {
                    // What came before is there when it is answered. Where that fails, the entries say so themselves.
                    flush_at = self.take_in_and_flush(jobs);
                    question(&mut self);
                    self.settle(jobs);
                    continue;
                }
                Ok((Job::Close(reply), _room)) => {
                    self.take_in(jobs);
                    let flushed = self.flush();
                    drop(reply.send(self.close(flushed)));
                    return;
                }
                Err(RecvTimeoutError::Timeout) if flush_at.is_none_or(|at| Instant::now() < at) => continue,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.take_in(jobs);
                    let flushed = self.flush();
                    let _ = self.close(flushed);
                    return;
                }
            }
            flush_at = self.take_in_and_flush(jobs);
            self.settle(jobs);
        }
    }

    /// Writes what has come; when to try again, where that failed.
    fn take_in_and_flush(&mut self, jobs: &Inbox) -> Option<Instant> {
        self.take_in(jobs);
        let failed = self.flush().is_err();
        failed.then(|| Instant::now() + RETRY_WAIT)
    }

    /// Takes up the entries that have come.
    fn take_in(&mut self, jobs: &Inbox) {
        // Whoever comes from now on rings again.
        jobs.noticed.swap(false, Ordering::AcqRel);
        let (mut lost, mut room) = (0, None::<OwnedSemaphorePermit>);
        while let Ok((entry, place)) = jobs.entries.try_recv() {
            // They are given back together.
            match &mut room {
                Some(room) => room.merge(place),
                None => room = Some(place),
            }
            self.waiting.push_back(entry);
            if self.waiting.len() > WAITING_MAX {
                self.waiting.pop_front();
                lost += 1;
            }
        }
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.lost += lost;
        health.waiting = self.waiting.len();
    }

    /// Moves what has come together, part by part, as long as nobody is in a hurry; one part at least, so that there are
    /// never many. What could not move is safe where it is.
    fn settle(&mut self, jobs: &Inbox) {
        let until = Instant::now() + SETTLE_MAX;
        while let Some(part) = self.books.recent.full() {
            if let Err(trouble) = self.settle_part(part) {
                self.health.lock().unwrap_or_else(PoisonError::into_inner).trouble = Some(trouble);
                return;
            }
            if jobs.rung.load(Ordering::Acquire) || Instant::now() >= until {
                return;
            }
        }
    }

    /// Moves one part. Where that fails, no more is forgotten than what is known of the part.
    pub(super) fn settle_part(&mut self, part: i64) -> Result<(), StoreError> {
        let recent = &mut self.books.recent;
        let done = transaction(&self.connection, |connection| recent.settle(connection, part));
        if done.is_err() {
            recent.forget(part);
        }
        done.map_err(|error| StoreError::of(&self.path, &error))
    }

    fn close(mut self, flushed: Result<(), StoreError>) -> Result<(), StoreError> {
        self.look_at = Instant::now();
        let flushed = flushed.and(self.look());
        let closed = self.connection.close().map_err(|(_, error)| StoreError::of(&self.path, &error));
        drop(self.lock);
        flushed.and(closed)
    }

    /// Looks whether the file stands at its place. Where it is gone it is written there anew, with everything that is in it.
    ///
    /// # Errors
    /// When it does not stand there: what is written now would not be found at the next start.
    pub(super) fn look(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        if let Some(astray) = self.astray.as_ref().filter(|_| begun < self.look_at) {
            return Err(astray.clone());
        }
        let restored = if self.mark.stands(&self.path) { Ok(false) } else { self.restore() };
        let took = begun.elapsed();
        self.look_at = begun + took + LOOK_WAIT.max(if restored.is_err() { took * RESTORE_SHARE } else { LOOK_WAIT });
        self.astray = restored.as_ref().err().cloned();
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.astray.clone_from(&self.astray);
        health.remade += u64::from(restored.as_ref().is_ok_and(|is_made| *is_made));
        restored.map(drop)
    }

    /// Puts into its place what does not stand there. Whether the file was made anew.
    fn restore(&mut self) -> Result<bool, StoreError> {
        let replaced = place::restore(&self.connection, &self.path, &self.mark)?;
        if let Some(lock) = replaced.lock {
            self.lock = lock;
        }
        let is_made = replaced.connection.is_some();
        if let Some(connection) = replaced.connection {
            self.connection = connection;
            // What is known of the file is read again.
            self.books.forget();
        }
        self.mark = Mark::of(&self.path)?;
        Ok(is_made)
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
        let books = &mut self.books;
        let done = transaction(&self.connection, |connection| work(books, connection));
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

/// All or nothing.
fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.unchecked_transaction()?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

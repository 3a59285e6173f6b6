//! History and outbox in SQLite: one writer thread behind a bounded queue, readers beside it. Samples are written in
//! batches and may cost the last moment when the power fails; alerts and messages are on the disk when their commit
//! returns.

mod books;
mod desk;
mod error;
mod explained;
mod file;
mod outbox;
mod place;
mod reader;
mod recent;
mod rolling;
mod rows;
mod spread;
mod tidy;
mod times;
mod window;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

pub use error::{Kind, StoreError};
pub use file::{FILE_NAME, default_folder};
pub use outbox::{Counter, OutboxEntry, OutboxMessage};
pub use reader::{AlertEntry, Bar, Failure, Latencies, Pair, Point, Reader};
pub use spread::Spread;
pub use tidy::{Retention, Tidied};
pub use times::Uptime;

use crate::event::{AlertChange, Missed, Reason, Sample};
use books::{Books, Entry};
use desk::{Desk, Inbox, Job, Placed, ROOM_MIN};
use rusqlite::Connection;

/// Jobs that may wait for the writer.
const QUEUE: usize = 4_096;
/// Jobs that may wait in the lane that goes first.
const URGENT: usize = 256;

/// The history that a daemon writes. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: SyncSender<Placed>,
    entries: SyncSender<(Entry, tokio::sync::OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    /// Alerts and messages: they wait for no sample.
    urgent: SyncSender<Placed>,
    urgent_room: Arc<Semaphore>,
    /// Whether the writer was already told to look into the urgent lane.
    rung: Arc<AtomicBool>,
    /// Whether it knows that there are entries.
    noticed: Arc<AtomicBool>,
    health: Arc<Mutex<StoreHealth>>,
    path: Arc<Path>,
}

/// How the writer fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// Why the last batch could not be written; none where it could.
    pub trouble: Option<StoreError>,
    /// Entries that wait to be written.
    pub waiting: usize,
    /// Entries that were given up, because too many waited.
    pub lost: u64,
    /// Why what is written now would not be found at the next start: the file is gone, or another lies in its place.
    pub astray: Option<StoreError>,
    /// How often the file was gone and was made anew, with everything that was in it.
    pub remade: u64,
}

impl Store {
    /// Opens the file for writing, and makes it, its folder and its lock where there are none.
    ///
    /// # Errors
    /// When another process writes it, when it is newer, foreign or broken (it is left as it is), or cannot be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let health = Arc::new(Mutex::new(StoreHealth::default()));
        let desk = Desk::open(path, Arc::clone(&health))?;
        // Of each kind two bells at most are in the usual lane beside the jobs.
        let ((jobs, usual), (urgent, first)) = (sync_channel(QUEUE + 4), sync_channel(URGENT));
        let (entries, written) = sync_channel(QUEUE);
        let (rung, noticed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let room = Arc::new(Semaphore::new(QUEUE));
        let inbox = Inbox {
            usual,
            urgent: first,
            entries: written,
            rung: Arc::clone(&rung),
            noticed: Arc::clone(&noticed),
            room: Arc::clone(&room),
        };
        std::thread::Builder::new().name("history".into()).spawn(move || desk.work(&inbox)).map_err(|error| {
            Kind::Unusable.at(path, &format!("the thread that writes it could not be started: {error}"))
        })?;
        let urgent_room = Arc::new(Semaphore::new(URGENT));
        Ok(Self { jobs, entries, room, urgent, urgent_room, rung, noticed, health, path: path.into() })
    }

    /// The history of a state folder.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_in(folder: &Path) -> Result<Self, StoreError> {
        Self::open(&folder.join(FILE_NAME))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// How the writer fares.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a run, and what was said in it (JSON lines). It is written within a quarter of a second; of several at one
    /// moment the later ones move on by a microsecond.
    ///
    /// # Errors
    /// When the batch before could not be written. This sample waits all the same, and is tried again.
    pub async fn record(&self, sample: impl Into<Arc<Sample>>, transcript: Option<String>) -> Result<(), StoreError> {
        self.enter(Entry::Sample(sample.into(), transcript)).await
    }

    /// Keeps that grid points passed without a run.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn missed(
        &self,
        probe: &str,
        target: &str,
        reason: Missed,
        at: Timestamp,
        count: u64,
    ) -> Result<(), StoreError> {
        self.enter(Entry::Missed { probe: probe.into(), target: target.into(), reason, at, count }).await
    }

    /// Keeps that what failed between two times, both included, for one of these reasons or for any, says nothing of the
    /// target: it becomes unknown, with these words before what was seen.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn explain(
        &self,
        probe: &str,
        target: &str,
        between: (Timestamp, Timestamp),
        reasons: &'static [Reason],
        words: String,
    ) -> Result<(), StoreError> {
        self.enter(Entry::Explained { probe: probe.into(), target: target.into(), between, reasons, words }).await
    }

    /// Says how often probes run (probe, target, interval; none for a calendar): so long a result stands. Without it the
    /// distances between the runs tell.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn expect(
        &self,
        pairs: Vec<(String, String, Option<Duration>)>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |books, connection| {
            for (probe, target, every) in &pairs {
                books.expect(connection, (probe, target), *every, at)?;
            }
            Ok(())
        })
        .await
    }

    /// Writes the engine's snapshot, messages and changes in one transaction, before samples that wait. When it returns
    /// well they are on the disk.
    ///
    /// # Errors
    /// When nothing of it was written, also because the file is not at its place any more.
    pub async fn commit_alerts(
        &self,
        snapshot: Value,
        messages: Vec<OutboxMessage>,
        changes: Vec<AlertChange>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.ask_first(move |desk| {
            desk.look()?;
            desk.durably(|_, connection| outbox::commit(connection, &snapshot, &messages, &changes, at))
        })
        .await
    }

    /// What [`Store::commit_alerts`] wrote last.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn alert_snapshot(&self) -> Result<Option<Value>, StoreError> {
        self.write(|_, connection| outbox::kept(connection, "alerts")).await
    }

    /// Keeps a value under a name, for the next start.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn keep(&self, name: &'static str, value: Value) -> Result<(), StoreError> {
        self.write(move |_, connection| outbox::keep(connection, name, &value)).await
    }

    /// What [`Store::keep`] wrote last.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn kept(&self, name: &'static str) -> Result<Option<Value>, StoreError> {
        self.write(move |_, connection| outbox::kept(connection, name)).await
    }

    /// The messages that are not delivered, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn outbox(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        self.write_first(|_, connection| outbox::entries(connection)).await
    }

    /// A message was received: it leaves the outbox.
    ///
    /// # Errors
    /// When it could not be written; the message is still in the outbox.
    pub async fn delivered(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.write_first(move |_, connection| outbox::end(connection, id, at, None)).await
    }

    /// A message is given up: it leaves the outbox.
    ///
    /// # Errors
    /// When it could not be written; the message is still in the outbox.
    pub async fn dropped(&self, id: i64, why: &str, at: Timestamp) -> Result<(), StoreError> {
        let why = why.to_owned();
        self.write_first(move |_, connection| outbox::end(connection, id, at, Some(&why))).await
    }

    /// A message is to be tried again later.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn postponed(
        &self,
        id: i64,
        attempts: u32,
        not_before: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        let error = error.to_owned();
        self.write_first(move |_, connection| outbox::postpone(connection, id, attempts, not_before, &error)).await
    }

    /// Requests by target, over all starts.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn counters(&self) -> Result<BTreeMap<String, Counter>, StoreError> {
        self.write(|_, connection| outbox::counters(connection)).await
    }

    /// Writes the counters of these targets.
    ///
    /// # Errors
    /// When they could not be written.
    pub async fn set_counters(&self, counters: BTreeMap<String, Counter>) -> Result<(), StoreError> {
        self.write(move |_, connection| outbox::set_counters(connection, &counters)).await
    }

    /// Forgets what is older or more than the retention allows, slice by slice; other writing goes on in between.
    ///
    /// # Errors
    /// When a slice could not be written; those before it were.
    pub async fn tidy(&self, retention: &Retention, now: Timestamp) -> Result<Tidied, StoreError> {
        let retention = *retention;
        // Everything that is old enough to go lies sorted then.
        for part in self.write(|_, connection| recent::parts(connection)).await? {
            self.ask(move |desk| desk.settle_part(part)).await?;
        }
        let mut rows = 0;
        loop {
            let tidied = self.write(move |books, connection| tidy::slice(books, connection, &retention, now)).await?;
            rows += tidied.rows;
            while self.ask(Desk::give_back).await? {}
            if !tidied.more {
                return Ok(Tidied { rows, ..tidied });
            }
        }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// When it could not be written; it still waits.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.ask(Desk::flush).await
    }

    /// Writes what waits, closes the file and gives the lock back; other clones can write no more.
    ///
    /// # Errors
    /// When something could not be written: it is lost.
    pub async fn close(self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Close(reply)).await?;
        answer.await.map_err(|_| StoreError::closed())?
    }

    async fn enter(&self, entry: Entry) -> Result<(), StoreError> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| StoreError::closed())?;
        self.entries.try_send((entry, room)).map_err(|_| StoreError::closed())?;
        if !self.noticed.swap(true, Ordering::AcqRel) {
            let _ = self.jobs.try_send((Job::Bell, None));
        }
        if self.room.available_permits() < ROOM_MIN {
            self.ring();
        }
        match self.health.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone() {
            Some(trouble) => Err(trouble),
            None => Ok(()),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Books, &Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(move |desk| desk.within(work)).await
    }

    async fn write_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Books, &Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask_first(move |desk| desk.within(work)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(move |desk: &mut Desk| drop(reply.send(work(desk))));
        self.send(Job::Ask(question)).await?;
        answer.await.map_err(|_| StoreError::closed())?
    }

    /// The same before everything that waits in the usual lane.
    async fn ask_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(move |desk: &mut Desk| drop(reply.send(work(desk))));
        let room = Arc::clone(&self.urgent_room).acquire_owned().await.map_err(|_| StoreError::closed())?;
        self.urgent.try_send((Job::Ask(question), Some(room))).map_err(|_| StoreError::closed())?;
        self.ring();
        answer.await.map_err(|_| StoreError::closed())?
    }

    /// Wakes the writer. One with a full lane before it is awake.
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let _ = self.jobs.try_send((Job::Bell, None));
        }
    }

    /// A place in the queue is waited for, so that the channel is never full.
    async fn send(&self, job: Job) -> Result<(), StoreError> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| StoreError::closed())?;
        self.jobs.try_send((job, Some(room))).map_err(|_| StoreError::closed())
    }
}

#[cfg(test)]
mod tests;

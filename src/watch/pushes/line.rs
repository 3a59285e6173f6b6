//! One push at work. It takes a snapshot at its pace, encodes it beside the loop, and sends what waits, one after another, in
//! order. A receiver that hangs keeps its own line waiting and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{States, Surroundings};
use crate::base::clock::Now;
use crate::base::duration::written;
use crate::base::sanitize::one_line;
use crate::deliver::queue::{Loss, Queue};
use crate::deliver::{Payload, Receipt};
use crate::event::{EventKind, Level, Note};
use crate::files::telling::Push;
use crate::metrics::Snapshot;
use crate::metrics::push::{Encoder, Next, Occasion};
use crate::report::count;

/// How long the last word may take, everything that waits included.
const LAST: Duration = Duration::from_secs(5);
/// Forms that are tried in a row before a refusal is one.
const FORMS_MAX: u32 = 2;

/// One push.
pub(super) struct Line {
    name: String,
    every: Duration,
    /// What blocks: it goes to another thread and comes back.
    desk: Option<Box<Desk>>,
    folder: PathBuf,
    states: States,
    around: Surroundings,
    goes_on: bool,
    /// Forms that were asked for in a row.
    forms: u32,
    /// Losses of which the log knows, until all is well again.
    told: BTreeSet<Loss>,
}

struct Desk {
    encoder: Box<dyn Encoder>,
    queue: Queue,
    /// The number of the last encoding.
    batch: u64,
    /// What the encoder had dropped when it was asked last.
    dropped: u64,
}

type Flight = BoxFuture<'static, Receipt>;

/// Where a push keeps what waits. Another kind would not understand what this one kept.
pub(super) fn folder_of(folder: &Path, kind: &str, name: &str) -> PathBuf {
    let in_url: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    folder.join(format!("{kind}-{in_url}"))
}

impl Line {
    pub(super) fn new(
        push: &Push,
        every: Duration,
        encoder: Box<dyn Encoder>,
        states: States,
        around: Surroundings,
    ) -> Self {
        let goes_on = encoder.goes_on();
        let queue = Queue::new(encoder.keeping(), encoder.letters(), around.masker.clone());
        let folder = folder_of(&around.folder, push.kind, &push.name);
        let desk = Some(Box::new(Desk { encoder, queue, batch: 0, dropped: 0 }));
        let (name, told) = (push.name.clone(), BTreeSet::new());
        Self { name, every, desk, folder, states, around, goes_on, forms: 0, told }
    }

    /// Works until it is stopped, then says its last word. What waits then is kept, unless the line is gone.
    pub(super) async fn work(mut self, stop: CancellationToken, is_gone: &AtomicBool) {
        let folder = self.folder.clone();
        if let Some(Err(why)) = self.at_desk(move |desk| desk.queue.on_disk(folder)).await {
            self.note(Level::Warn, &format!("what waits for `{}` is kept in memory only: {why}", self.name));
        }
        let mut flight: Option<Flight> = None;
        let mut due = Instant::now() + self.every;
        while !stop.is_cancelled() {
            if flight.is_none() {
                flight = self.depart(&CancellationToken::new(), false).await;
            }
            let wake = self.wake(flight.is_some(), due);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                receipt = landed(&mut flight) => {
                    flight = None;
                    self.settle(receipt).await;
                }
                () = tokio::time::sleep_until(wake) => {
                    if Instant::now() >= due {
                        // After a standstill there is one push, not all that were missed.
                        due = Instant::now() + self.every;
                        self.encode(Occasion::Interval).await;
                    }
                }
            }
        }
        self.last(flight).await;
        if is_gone.load(Ordering::Relaxed) {
            self.give_up().await;
        } else {
            self.keep().await;
        }
    }

    /// The figures as they are now, the queue full of them, as much of it sent as can be in a bounded time.
    async fn last(&mut self, mut flight: Option<Flight>) {
        let until = Instant::now() + LAST;
        if flight.is_some() {
            // A receiver that hangs has half of the time.
            let receipt = tokio::time::timeout(LAST / 2, landed(&mut flight)).await.unwrap_or(Receipt::Cut);
            self.settle(receipt).await;
        }
        self.encode(Occasion::Last).await;
        self.at_desk(|desk| desk.queue.hurry()).await;
        let cancel = CancellationToken::new();
        while let Some(mut sent) = self.depart(&cancel, true).await.map(Some) {
            let Ok(receipt) = tokio::time::timeout_at(until, landed(&mut sent)).await else { break };
            let arrived = !matches!(receipt, Receipt::Failed { .. } | Receipt::Cut);
            self.settle(receipt).await;
            if !arrived {
                break;
            }
        }
    }

    /// The files do not have it any more: what waits has nowhere to go.
    async fn give_up(&mut self) {
        let waited = self.at_desk(|desk| desk.queue.abandon()).await.unwrap_or_default();
        if waited > 0 {
            let (name, waited) = (&self.name, count(waited, "request"));
            self.note(
                Level::Warn,
                &format!("`{name}` is gone from the files: {waited} that waited for it are given up"),
            );
        }
    }

    /// Puts on disk what waits in memory.
    async fn keep(&mut self) {
        let unkept = self.at_desk(|desk| desk.queue.keep_all()).await.unwrap_or_default();
        if unkept > 0 {
            let name = &self.name;
            self.note(Level::Warn, &format!("`{name}`: {unkept} requests that waited in memory end with this process"));
        }
    }

    /// When there is something to do next, unless something lands.
    fn wake(&self, is_flying: bool, due: Instant) -> Instant {
        let next = self.desk.as_ref().and_then(|desk| desk.queue.next()).filter(|_| !is_flying);
        let Some(next) = next else { return due };
        let rest = next.saturating_sub(self.around.clock.now().monotonic);
        due.min(Instant::now() + rest)
    }

    /// Sends what is first, where its time has come.
    async fn depart(&mut self, cancel: &CancellationToken, at_once: bool) -> Option<Flight> {
        let now = self.around.clock.now();
        let is_time = self.desk.as_ref()?.queue.next().is_some_and(|next| at_once || next <= now.monotonic);
        if !is_time {
            return None;
        }
        let payload = self.at_desk(move |desk| desk.depart(&now)).await.flatten()?;
        let (courier, cancel) = (self.around.courier.clone(), cancel.clone());
        Some(Box::pin(async move { courier.send(&payload, &cancel).await }))
    }

    /// Puts what is known now behind what waits.
    async fn encode(&mut self, occasion: Occasion) {
        let now = self.around.clock.now();
        let (metrics, own) = (self.around.metrics.clone(), self.around.board.operation().own());
        let goes_on = self.goes_on;
        // Of a large fleet this takes its time, in which the loop probes.
        let taken = self.at_desk(move |_| {
            let snapshot = metrics.snapshot(now.wall, own);
            let counts = goes_on.then(|| serde_json::to_value(snapshot.counts().collect::<BTreeMap<_, _>>()));
            (snapshot, counts.and_then(Result::ok))
        });
        let Some((snapshot, counts)) = taken.await else { return };
        if let Some(counts) = counts {
            // Kept before it is sent: what was said once is never taken back.
            self.around.counted.keep(counts).await;
        }
        let trouble = self.at_desk(move |desk| desk.encode(&snapshot, occasion, &now));
        if let Some(why) = trouble.await.flatten() {
            self.failed(&why);
        }
        self.show();
    }

    /// Takes up what became of what was sent.
    async fn settle(&mut self, receipt: Receipt) {
        let now = self.around.clock.now();
        let may_change = self.forms < FORMS_MAX;
        let heard = receipt.clone();
        let settled = self.at_desk(move |desk| (desk.queue.failures(), desk.settle(&heard, may_change, &now)));
        let Some((before, again)) = settled.await else { return };
        if let Receipt::Partly { why, .. } = &receipt {
            let why = one_line(&self.around.masker.mask(why), 400);
            self.note(Level::Warn, &format!("`{}` did not take all of the figures: {why}", self.name));
        }
        self.forms = if again { self.forms + 1 } else { 0 };
        match receipt {
            _ if again => self.note(Level::Info, &format!("`{}` wants another form, and gets it", self.name)),
            Receipt::Delivered | Receipt::Partly { .. } => {
                self.states.change(&self.name, |state| {
                    state.figures.sent += 1;
                    state.figures.last_success = Some(now.wall);
                    state.failing = None;
                });
                if before > 0 {
                    self.note(Level::Info, &format!("`{}` receives again, after {before} failures", self.name));
                }
            }
            Receipt::Refused { why, .. } => self.failed(&format!("refused, and given up: {why}")),
            Receipt::Failed { why, .. } => self.failed(&why),
            Receipt::Cut => {}
        }
        self.show();
    }

    fn failed(&self, why: &str) {
        let why = one_line(&self.around.masker.mask(why), 400);
        let mut was = None;
        self.states.change(&self.name, |state| {
            state.figures.failed += 1;
            was = state.failing.replace(why.clone());
        });
        // Said once for each reason, not at each try.
        let level = if was.as_ref() == Some(&why) { Level::Debug } else { Level::Warn };
        self.note(
            level,
            &format!("`{}` did not get the figures (pushed every {}): {why}", self.name, written(self.every)),
        );
    }

    /// Puts on the board what the queue says. A loss that nothing else tells of is told once, until all is well again.
    fn show(&mut self) {
        let Some(desk) = &mut self.desk else { return };
        let (lost, waiting) = (desk.queue.take_lost(), desk.queue.waiting() as u64);
        if waiting == 0 && lost.is_empty() {
            self.told.clear();
        }
        for (loss, count) in &lost {
            let is_news = matches!(loss, Loss::Full | Loss::Expired | Loss::Unreadable) && self.told.insert(*loss);
            if is_news {
                let (name, why) = (&self.name, loss.why());
                self.note(Level::Warn, &format!("`{name}` lost {count} of the requests that waited: {why}"));
            }
        }
        self.states.change(&self.name, |state| {
            state.figures.waiting = waiting;
            for (loss, count) in lost {
                *state.figures.lost.entry(loss).or_default() += count;
            }
        });
    }

    fn note(&self, level: Level, message: &str) {
        let note = Note { level, topic: "push", message: message.to_owned(), target: None };
        self.around.publisher.publish(EventKind::Noted(note));
    }

    /// Does something that blocks or takes long on another thread. None where that thread broke down: it has said so.
    async fn at_desk<T: Send + 'static>(&mut self, work: impl FnOnce(&mut Desk) -> T + Send + 'static) -> Option<T> {
        let mut desk = self.desk.take()?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut desk);
            (desk, done)
        });
        let (desk, done) = done.await.ok()?;
        self.desk = Some(desk);
        Some(done)
    }
}

impl Desk {
    /// Encodes a snapshot and puts it behind what waits; gives why something could not be encoded.
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion, now: &Now) -> Option<String> {
        let payloads = self.encoder.encode(snapshot, occasion);
        self.batch += 1;
        for payload in payloads {
            self.queue.add(payload, self.batch, now);
        }
        self.count_dropped();
        self.encoder.trouble()
    }

    /// What is first, in the form that the receiver knows.
    fn depart(&mut self, now: &Now) -> Option<Payload> {
        let payload = self.queue.front(now)?;
        Some(self.encoder.fitted(payload))
    }

    /// Takes up what became of it, whenever it was encoded. Gives whether it goes out again, in another form.
    fn settle(&mut self, receipt: &Receipt, may_change: bool, now: &Now) -> bool {
        if self.encoder.heard(receipt) == Next::Again && may_change {
            self.queue.once_more();
            return true;
        }
        self.queue.settle(receipt, now);
        self.count_dropped();
        false
    }

    /// What the encoder itself had to drop is lost, too.
    fn count_dropped(&mut self) {
        let dropped = self.encoder.dropped();
        let more = dropped.saturating_sub(std::mem::replace(&mut self.dropped, dropped));
        self.queue.lost(Loss::Refused, more);
    }
}

/// What became of what is on its way; for ever, where nothing is.
async fn landed(flight: &mut Option<Flight>) -> Receipt {
    match flight {
        Some(flight) => flight.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::base::secret::{Masker, Secret};
    use crate::config::receiver::{Filled, Settings};
    use crate::event::{Cause, ProbeOutcome, Reason};
    use crate::metrics::push::compile;

    fn desk(folder: &Path) -> Desk {
        let text = |value: &str| Filled::Text(Secret::new(value));
        let settings = [("url", text("http://127.0.0.1:9/write")), ("version", text("auto"))];
        let encoder = compile("remote_write", "w", &Settings::new(BTreeMap::from(settings))).unwrap();
        let mut queue = Queue::new(encoder.keeping(), encoder.letters(), Masker::default());
        queue.on_disk(folder.join("w")).unwrap();
        Desk { encoder, queue, batch: 0, dropped: 0 }
    }

    fn now() -> Now {
        Now { wall: Timestamp::from_second(1_768_469_565).unwrap(), boot: Duration::ZERO, monotonic: Duration::ZERO }
    }

    fn snapshot(targets: usize, second: i64) -> Snapshot {
        let outcome = |target| {
            let cause = Cause::new(Reason::Internal, "");
            ProbeOutcome::not_run("smoke", &format!("t{target}"), &BTreeMap::new(), cause)
        };
        let outcomes: Vec<ProbeOutcome> = (0..targets).map(outcome).collect();
        Snapshot::of_runs(&outcomes, Timestamp::from_second(second).unwrap())
    }

    /// A receiver that knows the first form only takes what there is; gives the versions of the requests.
    fn drain(desk: &mut Desk) -> Vec<String> {
        let mut versions = Vec::new();
        while let Some(Payload::Http(request)) = desk.depart(&now()) {
            let version = request.headers.iter().find(|(name, _)| name.ends_with("Write-Version")).unwrap();
            let version = version.1.reveal().to_owned();
            let receipt = if version == "2.0.0" {
                Receipt::Refused { why: "not known".to_owned(), status: Some(415) }
            } else {
                Receipt::Delivered
            };
            versions.push(version);
            desk.settle(&receipt, true, &now());
        }
        versions
    }

    #[test]
    fn a_receiver_that_knows_the_first_form_only_gets_all_that_waited_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = desk(folder.path());
        let failed = &Receipt::Failed { why: "nobody is there".to_owned(), retry_after: None };
        for second in 1..4 {
            assert_eq!(before.encode(&snapshot(1, second), Occasion::Interval, &now()), None);
            before.depart(&now()).unwrap();
            assert!(!before.settle(failed, true, &now()));
        }
        drop(before);
        // From disk after a restart, with something newer behind it.
        let mut after = desk(folder.path());
        after.encode(&snapshot(1, 4), Occasion::Interval, &now());
        assert_eq!(drain(&mut after), ["2.0.0", "0.1.0", "0.1.0", "0.1.0", "0.1.0"]);
        assert!(after.queue.take_lost().is_empty());
    }

    #[test]
    fn and_every_part_of_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = desk(folder.path());
        desk.encode(&snapshot(2_000, 1), Occasion::Interval, &now());
        let parts = desk.queue.waiting();
        assert!(parts > 2, "{parts}");
        let versions = drain(&mut desk);
        assert_eq!((versions.len(), versions.iter().filter(|version| *version == "2.0.0").count()), (parts + 1, 1));
        assert!(desk.queue.take_lost().is_empty());
    }
}

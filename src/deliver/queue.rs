//! What waits for one receiver of pushes: in order, bounded in bytes and age, on disk once the receiver does not take it or
//! there is much of it. What was made last is never given up for want of room. A failure is followed by a longer and longer
//! pause. It blocks on the disk: call it beside the loop.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::lanes::backoff;
use super::spool::{Letter, Spool};
use super::{Payload, Receipt};
use crate::base::clock::Now;
use crate::base::secret::Masker;

/// Bytes of requests that wait on disk, beside what was made last.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes that wait in memory: more goes to disk, and where it cannot, the oldest is given up for what was made last.
const MEMORY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// After this time nobody needs it.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// The longest pause between tries, unless the receiver asks for more.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Why something was not delivered at all: a closed set, safe as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The receiver does not want it.
    Refused,
    /// More waited than there is room for: the oldest went.
    Full,
    /// It waited too long.
    Expired,
    /// It did not arrive, and is of a kind that is sent once.
    Failed,
    /// It was on disk, and could not be read any more.
    Unreadable,
}

impl Loss {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Refused, Self::Full, Self::Expired, Self::Failed, Self::Unreadable];

    /// The word used in outputs and as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Full => "full",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Refused => "the receiver does not want it",
            Self::Full => "more waited than there is room for, and the oldest went",
            Self::Expired => "it waited for more than a day",
            Self::Failed => "it did not arrive, and is sent once only",
            Self::Unreadable => "it was on disk, and could not be read any more",
        }
    }
}

/// What becomes of what could not be delivered when there is something newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is kept, on disk where that is possible, and sent before what is newer.
    InOrder,
    /// Only the newest matters: what is older is forgotten.
    Newest,
    /// It is sent once; nobody hears whether it arrived.
    Never,
}

struct Waiting {
    /// Which it is: one that was made later has a larger one. On disk it is called by it.
    id: u64,
    /// With what it was encoded; none of what is from before the start.
    batch: Option<u64>,
    at: Timestamp,
    bytes: u64,
    what: Stored,
}

enum Stored {
    Here(Payload),
    /// It never goes to disk: there is a secret in it.
    Secret(Payload),
    OnDisk,
}

/// The queue of one receiver.
pub struct Queue {
    keeping: Keeping,
    /// Into which is put what was on disk; without one everything stays in memory.
    letters: Vec<Letter>,
    spool: Option<Spool>,
    masker: Masker,
    waiting: VecDeque<Waiting>,
    /// The next id.
    next_id: u64,
    /// The batch that was added last.
    newest: Option<u64>,
    /// What was given out to be sent.
    flying: Option<u64>,
    /// Bytes that wait in memory, and on disk.
    bytes: (u64, u64),
    lost: BTreeMap<Loss, u64>,
    failures: u32,
    pause: Duration,
    random: fastrand::Rng,
}

impl Queue {
    /// An empty queue, in memory.
    #[must_use]
    pub fn new(keeping: Keeping, letters: Vec<Letter>, masker: Masker) -> Self {
        Self {
            keeping,
            letters,
            spool: None,
            masker,
            waiting: VecDeque::new(),
            next_id: 0,
            newest: None,
            flying: None,
            bytes: (0, 0),
            lost: BTreeMap::new(),
            failures: 0,
            pause: Duration::ZERO,
            random: fastrand::Rng::new(),
        }
    }

    /// Uses a folder, and takes up what waits there from before; nothing of it where nothing is kept in order. Before anything
    /// is added.
    ///
    /// # Errors
    /// A sentence, where there is no such folder and none can be made: the queue stays in memory then.
    pub fn on_disk(&mut self, folder: PathBuf) -> Result<(), String> {
        if self.keeping != Keeping::InOrder || self.letters.is_empty() {
            return Ok(());
        }
        let shown = folder.display().to_string();
        let (spool, kept, unreadable) = Spool::open(folder).map_err(|error| format!("{shown}: {error}"))?;
        self.spool = Some(spool);
        for kept in kept {
            self.next_id = kept.number;
            self.made(kept.at, kept.bytes, None, Stored::OnDisk);
        }
        self.lose(Loss::Unreadable, unreadable);
        Ok(())
    }

    /// Puts a payload behind the others. Where the receiver does not take what came before, it goes to disk; likewise where
    /// much waits. What was encoded together is of one batch.
    pub fn add(&mut self, payload: Payload, batch: u64, now: &Now) {
        if self.keeping == Keeping::Newest {
            while !self.waiting.is_empty() {
                self.remove(0);
            }
        }
        self.newest = Some(batch);
        self.made(now.wall, size(&payload), Some(batch), Stored::Here(payload));
        if self.failures > 0 {
            self.keep(self.waiting.len() - 1);
        }
        self.bound(now);
    }

    /// What is to be sent now; it stays in the queue until [`Queue::settle`].
    pub fn front(&mut self, now: &Now) -> Option<Payload> {
        self.bound(now);
        loop {
            let front = self.waiting.front()?;
            self.flying = Some(front.id);
            if let Stored::Here(payload) | Stored::Secret(payload) = &front.what {
                return Some(payload.clone());
            }
            match self.spool.as_ref()?.get(front.id, &self.letters) {
                Ok(request) => return Some(request),
                Err(_) => {
                    self.remove(0);
                    self.lose(Loss::Unreadable, 1);
                }
            }
        }
    }

    /// What became of what [`Queue::front`] gave. It may be the front no more: something newer replaced it, or there was no
    /// room for it.
    pub fn settle(&mut self, receipt: &Receipt, now: &Now) {
        let flew = self.flying.take();
        let is_there = self.waiting.front().is_some_and(|front| Some(front.id) == flew);
        match receipt {
            Receipt::Delivered | Receipt::Partly { .. } => {
                self.failures = 0;
                self.pause = Duration::ZERO;
                self.pop_if(is_there);
            }
            Receipt::Refused { .. } => {
                // A refusal is an answer: the receiver works.
                self.failures = 0;
                self.pause = Duration::ZERO;
                self.lose(Loss::Refused, 1);
                self.pop_if(is_there);
            }
            Receipt::Failed { retry_after, .. } => {
                self.failures = self.failures.saturating_add(1);
                let pause = backoff(self.failures, &mut self.random).min(PAUSE_MAX);
                self.pause = now.monotonic + pause.max(retry_after.unwrap_or_default());
                if self.keeping == Keeping::Never {
                    self.lose(Loss::Failed, 1);
                    self.pause = Duration::ZERO;
                    self.pop_if(is_there);
                } else {
                    self.keep_all();
                }
            }
            Receipt::Cut => {}
        }
    }

    /// It was answered, and goes out again at once in another form: the receiver works, and the front stays.
    pub fn once_more(&mut self) {
        self.flying = None;
        self.failures = 0;
        self.pause = Duration::ZERO;
    }

    /// Puts everything on disk that can be there: before the end. Gives how many are in memory still.
    pub fn keep_all(&mut self) -> usize {
        for at in 0..self.waiting.len() {
            self.keep(at);
        }
        self.waiting.iter().filter(|waiting| !matches!(waiting.what, Stored::OnDisk)).count()
    }

    /// Forgets all that waits, on disk too: there is no receiver for it any more. Gives how many that were.
    pub fn abandon(&mut self) -> usize {
        let waited = self.waiting.len();
        while !self.waiting.is_empty() {
            self.remove(0);
        }
        if let Some(spool) = self.spool.take() {
            spool.end();
        }
        waited
    }

    /// When the front may be tried, on the monotonic clock; none where nothing waits.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then_some(self.pause)
    }

    /// The pause is over: before the end everything is tried once more.
    pub fn hurry(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// Counts what was lost elsewhere.
    pub fn lost(&mut self, loss: Loss, count: u64) {
        self.lose(loss, count);
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How many payloads wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What was lost since this was asked last.
    pub fn take_lost(&mut self) -> BTreeMap<Loss, u64> {
        std::mem::take(&mut self.lost)
    }

    fn lose(&mut self, loss: Loss, count: u64) {
        if count > 0 {
            *self.lost.entry(loss).or_default() += count;
        }
    }

    fn made(&mut self, at: Timestamp, bytes: u64, batch: Option<u64>, what: Stored) {
        let id = self.next_id;
        self.next_id += 1;
        *self.bytes_of(&what) += bytes;
        self.waiting.push_back(Waiting { id, batch, at, bytes, what });
    }

    /// Where the bytes of such a one are counted.
    fn bytes_of(&mut self, what: &Stored) -> &mut u64 {
        match what {
            Stored::Here(_) | Stored::Secret(_) => &mut self.bytes.0,
            Stored::OnDisk => &mut self.bytes.1,
        }
    }

    fn pop_if(&mut self, is_there: bool) {
        if is_there {
            self.remove(0);
        }
    }

    fn remove(&mut self, at: usize) {
        let Some(gone) = self.waiting.remove(at) else { return };
        *self.bytes_of(&gone.what) -= gone.bytes;
        if let (Stored::OnDisk, Some(spool)) = (&gone.what, &self.spool) {
            spool.remove(gone.id);
        }
    }

    /// Puts one on disk, where that can be: a body with a secret in it stays in memory.
    fn keep(&mut self, at: usize) {
        let (Some(waiting), Some(spool)) = (self.waiting.get_mut(at), &self.spool) else { return };
        let Stored::Here(request) = &waiting.what else { return };
        let Some(letter) = self.letters.iter().find(|letter| letter.payload.goes_where(request)) else { return };
        let body: &[u8] = match request {
            Payload::Http(request) => &request.body,
            Payload::Grpc(call) => &call.message,
            _ => return,
        };
        let text = String::from_utf8_lossy(body);
        if self.masker.mask(&text) != text {
            waiting.what = Stored::Secret(request.clone());
            return;
        }
        // Called by its id, so that the order on disk is the order of making, whichever gets there first.
        if spool.put(waiting.id, letter.name, request, waiting.at).is_ok() {
            waiting.what = Stored::OnDisk;
            self.bytes = (self.bytes.0 - waiting.bytes, self.bytes.1 + waiting.bytes);
        }
    }

    /// Drops what is too old. What is too much for memory goes to disk; what is too much there, too, is dropped, the oldest
    /// first, but neither what is on its way nor what was made last: one snapshot may be larger than all the room.
    fn bound(&mut self, now: &Now) {
        let age = |at: Timestamp| Duration::try_from(now.wall.duration_since(at)).unwrap_or_default();
        let flying = self.flying;
        while self.waiting.front().is_some_and(|first| age(first.at) > AGE_MAX && Some(first.id) != flying) {
            self.remove(0);
            self.lose(Loss::Expired, 1);
        }
        if self.bytes.0 > MEMORY_BYTES_MAX {
            self.keep_all();
        }
        while self.bytes.0 > MEMORY_BYTES_MAX && self.drop_oldest(false) {}
        while self.bytes.1 > BYTES_MAX && self.drop_oldest(true) {}
    }

    fn drop_oldest(&mut self, on_disk: bool) -> bool {
        let oldest = self.waiting.iter().position(|waiting| {
            matches!(waiting.what, Stored::OnDisk) == on_disk
                && Some(waiting.id) != self.flying
                && waiting.batch != self.newest
        });
        let Some(oldest) = oldest else { return false };
        self.remove(oldest);
        self.lose(Loss::Full, 1);
        true
    }
}

fn size(payload: &Payload) -> u64 {
    let bytes = match payload {
        Payload::Http(http) => http.body.len(),
        Payload::Grpc(grpc) => grpc.message.len(),
        Payload::File(file) => file.body.len(),
        Payload::Datagrams(datagrams) => datagrams.datagrams.iter().map(Vec::len).sum(),
        Payload::Mail(mail) => mail.text.len(),
        Payload::Command(command) => command.stdin.len(),
    };
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::deliver::{Accept, GrpcPayload, HttpPayload, Retry};

    const BATCH: u64 = 1;

    fn request(body: &str) -> HttpPayload {
        HttpPayload {
            method: "POST",
            url: Secret::new("http://h/canary-in-the-path"),
            headers: vec![
                ("Content-Type".to_owned(), Secret::new("text/plain")),
                ("Authorization".to_owned(), Secret::new("Bearer canary-token")),
            ],
            body: body.as_bytes().to_vec(),
            accept: Accept::Status,
            retry: Retry::Usual,
            tls: None,
            timeout: Duration::from_secs(1),
        }
    }

    fn now(seconds: i64) -> Now {
        let wall = Timestamp::from_second(1_768_469_565 + seconds).unwrap();
        let since = Duration::from_secs(u64::try_from(seconds).unwrap());
        Now { wall, boot: since, monotonic: since }
    }

    fn queue(folder: &std::path::Path) -> Queue {
        let masker = Masker::default();
        masker.add("canary-token");
        let mut queue = Queue::new(Keeping::InOrder, Letter::only(request("")), masker);
        queue.on_disk(folder.join("hub")).unwrap();
        queue
    }

    fn front(queue: &mut Queue, now: &Now) -> String {
        match queue.front(now) {
            Some(Payload::Http(request)) => String::from_utf8(request.body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn failed() -> Receipt {
        Receipt::failed("no")
    }

    #[test]
    fn what_was_not_delivered_is_sent_after_a_restart_in_order_with_a_fresh_letter() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = queue(folder.path());
        before.add(Payload::Http(request("1")), BATCH, &now(0));
        assert_eq!(std::fs::read_dir(folder.path().join("hub")).unwrap().count(), 0, "nothing failed yet");
        assert_eq!(front(&mut before, &now(0)), "1");
        before.settle(&failed(), &now(0));
        before.add(Payload::Http(request("2")), BATCH, &now(1));
        drop(before);
        let on_disk = std::fs::read_dir(folder.path().join("hub")).unwrap().flatten();
        for file in on_disk {
            let text = std::fs::read_to_string(file.path()).unwrap();
            assert!(text.contains("text/plain") && !text.contains("canary"), "{text}");
        }
        std::fs::write(folder.path().join("hub/00000000000000000009.parcel"), "half").unwrap();
        std::fs::write(folder.path().join("hub/x.parcel.1.tmp"), "half").unwrap();
        let mut after = queue(folder.path());
        assert_eq!((after.waiting(), after.take_lost()), (2, [(Loss::Unreadable, 1)].into()));
        let Some(Payload::Http(first)) = after.front(&now(2)) else { panic!("nothing waits") };
        assert_eq!((first.body.as_slice(), first.headers.len()), (&b"1"[..], 2));
        assert_eq!(first.headers, [request("").headers[1].clone(), request("").headers[0].clone()]);
        after.settle(&Receipt::Delivered, &now(2));
        assert_eq!(front(&mut after, &now(2)), "2");
        after.settle(&Receipt::refused("no"), &now(2));
        assert_eq!((after.waiting(), after.take_lost()), (0, [(Loss::Refused, 1)].into()));
        assert_eq!(std::fs::read_dir(folder.path().join("hub")).unwrap().count(), 0);
    }

    #[test]
    fn each_of_several_addresses_gets_what_waited_for_it_also_over_grpc() {
        let call = |method, message: &str, gzip| {
            Payload::Grpc(GrpcPayload {
                url: Secret::new("http://collector:4317"),
                method,
                headers: vec![("x-key".to_owned(), Secret::new("canary-token"))],
                message: message.as_bytes().to_vec(),
                gzip,
                tls: None,
                timeout: Duration::from_secs(1),
            })
        };
        let folder = tempfile::tempdir().unwrap();
        let queue = |names: &[&'static str]| {
            let letters = names.iter().map(|name| Letter { name, payload: call(name, "", false) }).collect();
            let mut queue = Queue::new(Keeping::InOrder, letters, Masker::default());
            queue.on_disk(folder.path().to_owned()).unwrap();
            queue
        };
        let mut before = queue(&["/metrics", "/traces"]);
        let sent =
            [call("/traces", "spans", true), call("/metrics", "points", false), call("/traces", "more spans", false)];
        for payload in &sent {
            before.add(payload.clone(), BATCH, &now(0));
        }
        assert_eq!(before.keep_all(), 0, "nothing is in memory only");
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            assert!(!std::fs::read_to_string(file.path()).unwrap().contains("canary"));
        }
        let mut after = queue(&["/traces", "/metrics"]);
        for payload in &sent {
            assert_eq!(after.front(&now(1)).as_ref(), Some(payload));
            after.settle(&Receipt::Delivered, &now(1));
        }
        // A signal that the file does not send any more has nowhere to go.
        let mut again = queue(&["/metrics", "/traces"]);
        again.add(sent[0].clone(), BATCH, &now(2));
        again.keep_all();
        let mut fewer = queue(&["/metrics"]);
        assert_eq!((fewer.front(&now(3)), fewer.take_lost()), (None, [(Loss::Unreadable, 1)].into()));
    }

    #[test]
    fn pauses_grow_and_a_receiver_may_ask_for_more() {
        let mut queue = Queue::new(Keeping::InOrder, Vec::new(), Masker::default());
        assert_eq!(queue.next(), None);
        queue.add(Payload::Http(request("1")), BATCH, &now(0));
        assert_eq!(queue.next(), Some(Duration::ZERO));
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            queue.settle(&failed(), &now(0));
            last = queue.next().unwrap();
        }
        assert!(last > Duration::from_secs(29) && last <= PAUSE_MAX, "{last:?}");
        let asked = Receipt::Failed { why: String::new(), retry_after: Some(Duration::from_secs(120)) };
        queue.settle(&asked, &now(0));
        assert_eq!(queue.next(), Some(Duration::from_secs(120)));
        queue.hurry();
        assert_eq!(queue.next(), Some(Duration::ZERO));
    }

    fn large(mebibytes: usize) -> Payload {
        Payload::Http(request(&"x".repeat(mebibytes * 1024 * 1024)))
    }

    #[test]
    fn it_is_bounded_in_bytes_and_in_age() {
        let mut queue = Queue::new(Keeping::InOrder, Vec::new(), Masker::default());
        for batch in 0..3 {
            queue.add(large(3), batch, &now(0));
        }
        assert_eq!((queue.waiting(), queue.take_lost()), (2, [(Loss::Full, 1)].into()));
        assert!(queue.front(&now(24 * 3600 + 1)).is_none());
        assert_eq!(queue.take_lost(), [(Loss::Expired, 2)].into());
    }

    #[test]
    fn a_snapshot_larger_than_the_memory_goes_out_whole() {
        for keeping in [Keeping::InOrder, Keeping::Newest, Keeping::Never] {
            // Such as a file, which never waits on disk.
            let mut queue = Queue::new(keeping, Vec::new(), Masker::default());
            queue.add(large(9), 1, &now(0));
            assert!(queue.front(&now(0)).is_some(), "{keeping:?}");
            queue.settle(&Receipt::Delivered, &now(0));
            assert_eq!((queue.waiting(), queue.take_lost()), (0, BTreeMap::new()), "{keeping:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        for mut queue in [Queue::new(Keeping::InOrder, Vec::new(), Masker::default()), queue(folder.path())] {
            for at in 0..3 {
                let body = format!("{at}{}", "x".repeat(4 * 1024 * 1024));
                queue.add(Payload::Http(request(&body)), BATCH, &now(0));
            }
            assert!(queue.spool.is_none() || queue.bytes.0 <= MEMORY_BYTES_MAX, "{:?}", queue.bytes);
            for at in 0..3 {
                assert!(front(&mut queue, &now(0)).starts_with(&at.to_string()));
                queue.settle(&Receipt::Delivered, &now(0));
            }
            assert_eq!((queue.waiting(), queue.take_lost()), (0, BTreeMap::new()));
            assert_eq!(queue.bytes, (0, 0));
        }
    }

    #[test]
    fn for_want_of_room_the_oldest_goes_and_neither_the_newest_nor_what_is_on_its_way() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = queue(folder.path());
        queue.add(large(20), 1, &now(0));
        queue.front(&now(0)).unwrap();
        queue.settle(&failed(), &now(0));
        queue.front(&now(1)).unwrap();
        for batch in 2..4 {
            queue.add(large(20), batch, &now(1));
        }
        assert!(queue.take_lost().is_empty(), "there is room on disk");
        queue.add(large(20), 4, &now(1));
        assert_eq!((queue.waiting(), queue.take_lost()), (3, [(Loss::Full, 1)].into()));
        assert!(queue.waiting.front().is_some_and(|front| front.batch == Some(1)), "it is on its way");
        queue.add(large(70), 5, &now(1));
        assert_eq!((queue.waiting(), queue.take_lost()), (2, [(Loss::Full, 2)].into()));
        queue.settle(&Receipt::Delivered, &now(1));
        drop(queue);
        let mut after = self::queue(folder.path());
        assert!(after.front(&now(2)).is_some(), "it is larger than the room, and the only one");
        assert!(after.take_lost().is_empty());
    }

    #[test]
    fn the_order_on_disk_is_that_of_making_whatever_gets_there_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = queue(folder.path());
        for body in ["1", "2", "3"] {
            before.add(Payload::Http(request(body)), BATCH, &now(0));
        }
        before.keep(2);
        assert_eq!(before.keep_all(), 0);
        drop(before);
        let mut after = queue(folder.path());
        after.add(Payload::Http(request("4")), BATCH, &now(1));
        assert_eq!(after.keep_all(), 0);
        drop(after);
        let mut at_last = queue(folder.path());
        for body in ["1", "2", "3", "4"] {
            assert_eq!(front(&mut at_last, &now(2)), body);
            at_last.settle(&Receipt::Delivered, &now(2));
        }
    }

    #[test]
    fn what_goes_out_in_another_form_stays_the_front() {
        let mut queue = Queue::new(Keeping::InOrder, Vec::new(), Masker::default());
        queue.add(Payload::Http(request("1")), BATCH, &now(0));
        queue.settle(&failed(), &now(0));
        front(&mut queue, &now(1));
        queue.once_more();
        assert_eq!((queue.next(), queue.failures(), queue.waiting()), (Some(Duration::ZERO), 0, 1));
        assert_eq!(front(&mut queue, &now(1)), "1");
    }

    #[test]
    fn only_the_newest_waits_where_nothing_else_matters_and_nothing_where_it_is_sent_once() {
        let mut newest = Queue::new(Keeping::Newest, Vec::new(), Masker::default());
        newest.add(Payload::Http(request("1")), BATCH, &now(0));
        assert_eq!(front(&mut newest, &now(0)), "1");
        newest.add(Payload::Http(request("2")), BATCH, &now(0));
        newest.settle(&Receipt::Delivered, &now(0));
        assert_eq!(front(&mut newest, &now(0)), "2");
        assert!(newest.take_lost().is_empty());
        let mut once = Queue::new(Keeping::Never, Vec::new(), Masker::default());
        once.add(Payload::Http(request("1")), BATCH, &now(0));
        assert_eq!(front(&mut once, &now(0)), "1");
        once.settle(&failed(), &now(0));
        assert_eq!((once.waiting(), once.take_lost()), (0, [(Loss::Failed, 1)].into()));
    }

    #[test]
    fn a_body_with_a_secret_in_it_never_touches_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = queue(folder.path());
        queue.add(Payload::Http(request("by canary-token")), BATCH, &now(0));
        queue.front(&now(0)).unwrap();
        queue.settle(&failed(), &now(0));
        assert_eq!(queue.keep_all(), 1);
        assert_eq!(std::fs::read_dir(folder.path().join("hub")).unwrap().count(), 0);
        assert_eq!(queue.waiting(), 1);
    }
}

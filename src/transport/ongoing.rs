//! The exchanges of a link that go on. No task stands behind them: whoever waits for something of the link moves them all,
//! and what they tell waits, in order and bounded, until it is taken. A link that rests has none, and takes no room for them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::task::coop;

use super::{Fault, Heard, Intent, Key, What};

/// What was told and not yet taken: with more than this, the servers are held back.
const TOLD_MAX: usize = 64;
/// One-way messages whose acknowledgement is awaited, each of which may hold a connection.
pub(super) const ONE_WAYS_MAX: usize = 16;
/// Requests under way. A session makes one after the other: older ones were answered, and their streams left open.
const REQUESTS_MAX: usize = 64;
/// How long room for another message aside is waited for.
const ROOM_WAIT: Duration = Duration::from_millis(300);
/// Room that is kept while nothing waits.
const KEPT: usize = 4;

/// With the serial number of the exchange that told it.
type Told = VecDeque<(u64, Heard)>;

#[derive(Default)]
struct Shared(Mutex<Told>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where one exchange tells what it hears.
pub(super) struct Teller {
    key: Option<Key>,
    is_aside: bool,
    serial: u64,
    told: Arc<Shared>,
}

impl Teller {
    /// Tells something, as soon as there is room for it. Nobody wakes an exchange that waits for room: all are moved again
    /// when everything that was told has been taken.
    ///
    /// Of a message whose acknowledgement nobody waits for only messages are told: what is never taken must not keep it going.
    pub(super) async fn tell(&self, first_byte: Instant, at: Instant, what: What) {
        if self.is_aside && !matches!(what, What::Frame(_)) {
            return;
        }
        poll_fn(|_| if self.told.lock().len() < TOLD_MAX { Poll::Ready(()) } else { Poll::Pending }).await;
        self.told.lock().push_back((self.serial, Heard { key: self.key, first_byte, at, what }));
    }

    /// Tells that no answer can be had.
    pub(super) async fn fault(&self, fault: Fault) {
        let now = Instant::now();
        self.tell(now, now, What::Fault(fault)).await;
    }
}

struct Exchange {
    key: Option<Key>,
    intent: Option<Intent>,
    serial: u64,
    /// None when it has ended, and only what it told is left of it.
    work: Option<BoxFuture<'static, ()>>,
}

/// The exchanges of one link.
#[derive(Default)]
pub(super) struct Ongoing {
    exchanges: Vec<Exchange>,
    serials: u64,
    told: Arc<Shared>,
    /// Whether room for another message aside was waited for in vain, and none has ended since.
    is_crowded: bool,
}

impl Ongoing {
    /// Begins the exchange of a message, in the place of one with the same key; without a message it lasts as long as the
    /// link. Where as many of its kind go on as may, the oldest of them is given up, and gives whether that was so: its
    /// message has long been written, while the newest would not be.
    pub(super) fn begin<F>(&mut self, message: Option<(Key, Intent)>, work: impl FnOnce(Teller) -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (key, intent) = message.unzip();
        if let Some(key) = key {
            self.stop(key);
        }
        let gave_up = intent.is_some_and(|intent| self.make_room(intent));
        self.serials += 1;
        let is_aside = intent == Some(Intent::Aside);
        let teller = Teller { key, is_aside, serial: self.serials, told: Arc::clone(&self.told) };
        self.exchanges.push(Exchange { key, intent, serial: self.serials, work: Some(Box::pin(work(teller))) });
        gave_up
    }

    /// Waits for room for another message aside, so that a server which acknowledges them is not taken for one that does not;
    /// once only where that is in vain.
    pub(super) async fn aside_room(&mut self) {
        let is_full = |all: &Self| all.going(Intent::Aside).count() >= ONE_WAYS_MAX;
        if self.is_crowded || !is_full(self) {
            return;
        }
        let room = poll_fn(|cx| {
            self.step(cx);
            if is_full(self) { Poll::Pending } else { Poll::Ready(()) }
        });
        self.is_crowded = tokio::time::timeout(ROOM_WAIT, room).await.is_err();
    }

    /// Ends the messages aside.
    pub(super) fn stop_asides(&mut self) {
        let keys: Vec<Key> = self.going(Intent::Aside).filter_map(|one| one.key).collect();
        for key in keys {
            self.stop(key);
        }
    }

    fn going(&self, intent: Intent) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |one| one.work.is_some() && one.intent == Some(intent))
    }

    /// Gives up the oldest exchange of that kind, if there are as many as may be.
    fn make_room(&mut self, intent: Intent) -> bool {
        let limit = if intent == Intent::Aside { ONE_WAYS_MAX } else { REQUESTS_MAX };
        if self.going(intent).count() < limit {
            return false;
        }
        let oldest = self.going(intent).min_by_key(|one| one.serial).and_then(|one| one.key);
        if let Some(key) = oldest {
            self.stop(key);
        }
        true
    }

    /// Ends an exchange; what it has told and nobody took is forgotten.
    pub(super) fn stop(&mut self, key: Key) {
        let Some(place) = self.exchanges.iter().position(|one| one.key == Some(key)) else { return };
        let ended = self.exchanges.swap_remove(place);
        self.told.lock().retain(|(serial, _)| *serial != ended.serial);
    }

    /// Ends all of them.
    pub(super) fn clear(&mut self) {
        self.exchanges.clear();
        self.told.lock().clear();
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.exchanges.len()
    }

    /// Tells something in the name of no exchange, if there is room for it.
    pub(super) fn tell(&mut self, heard: Heard) {
        let mut told = self.told.lock();
        if told.len() < TOLD_MAX {
            told.push_back((0, heard));
        }
    }

    /// Waits for something else and moves the exchanges meanwhile.
    pub(super) async fn during<F: Future>(&mut self, other: F) -> F::Output {
        let mut other = pin!(other);
        poll_fn(|cx| {
            let done = other.as_mut().poll(cx);
            if done.is_pending() {
                self.step(cx);
            }
            done
        })
        .await
    }

    /// The next thing told. Cancel-safe.
    pub(super) async fn next(&mut self) -> Heard {
        poll_fn(|cx| {
            if let Some(heard) = self.take_if(|_| true) {
                return Poll::Ready(heard);
            }
            self.step(cx);
            self.take_if(|_| true).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Whether none goes on, and none has left more than that it ended.
    pub(super) fn is_still(&mut self) -> bool {
        if !self.exchanges.is_empty() {
            // Behind a reply hardly anything comes but the end of its answer.
            self.step(&mut Context::from_waker(Waker::noop()));
            while self.take_if(|heard| matches!(heard.what, What::End)).is_some() {}
        }
        self.exchanges.is_empty()
    }

    /// Each time another comes first: one that has no end of things to tell, or to read, leaves nothing to the others, neither
    /// room nor what a task may do at a time. When that is used up it is nobody's turn.
    fn step(&mut self, cx: &mut Context<'_>) {
        if !coop::has_budget_remaining() {
            cx.waker().wake_by_ref();
            return;
        }
        if self.exchanges.len() > 1 {
            self.exchanges.rotate_left(1);
        }
        let mut has_ended = false;
        for exchange in &mut self.exchanges {
            if exchange.work.as_mut().is_some_and(|work| work.as_mut().poll(cx).is_ready()) {
                exchange.work = None;
                has_ended = true;
                self.is_crowded &= exchange.intent != Some(Intent::Aside);
            }
        }
        if has_ended {
            self.forget_ended();
        }
    }

    /// An exchange is over when it has ended and all that it told was taken.
    fn forget_ended(&mut self) {
        let told = self.told.lock();
        self.exchanges.retain(|one| one.work.is_some() || told.iter().any(|(serial, _)| *serial == one.serial));
    }

    fn take_if(&mut self, is_wanted: impl FnOnce(&Heard) -> bool) -> Option<Heard> {
        let mut told = self.told.lock();
        if !told.front().is_some_and(|(_, heard)| is_wanted(heard)) {
            return None;
        }
        let (_, heard) = told.pop_front()?;
        if told.is_empty() && told.capacity() > KEPT {
            told.shrink_to(KEPT);
        }
        drop(told);
        if self.exchanges.iter().any(|one| one.work.is_none()) {
            self.forget_ended();
        }
        Some(heard)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    fn noise(text: &'static str) -> What {
        What::Noise(bytes::Bytes::from_static(text.as_bytes()))
    }

    async fn tell(teller: &Teller, what: What) {
        let now = Instant::now();
        teller.tell(now, now, what).await;
    }

    /// An exchange that tells everything that comes by a channel, and ends with it.
    fn begin(ongoing: &mut Ongoing, key: Key) -> mpsc::Sender<What> {
        let (say, mut said) = mpsc::channel(1000);
        ongoing.begin(Some((key, Intent::Request)), |teller| async move {
            while let Some(what) = said.recv().await {
                tell(&teller, what).await;
            }
        });
        say
    }

    #[tokio::test]
    async fn all_is_told_in_order_and_an_exchange_is_over_when_that_was_taken() {
        let mut ongoing = Ongoing::default();
        assert!(ongoing.next().now_or_never().is_none() && ongoing.is_still());
        let (one, two) = (begin(&mut ongoing, 1), begin(&mut ongoing, 2));
        assert!(!ongoing.is_still());
        two.try_send(noise("a")).unwrap();
        assert_eq!(ongoing.next().await.key, Some(2));
        one.try_send(noise("b")).unwrap();
        one.try_send(What::End).unwrap();
        drop(one);
        assert!(!ongoing.is_still(), "something is left to be heard");
        assert!(matches!(ongoing.next().await, Heard { key: Some(1), what: What::Noise(_), .. }));
        assert_eq!(ongoing.count(), 2, "its end is left");
        assert!(matches!(ongoing.next().await, Heard { key: Some(1), what: What::End, .. }));
        assert_eq!(ongoing.count(), 1);
        two.try_send(What::End).unwrap();
        drop(two);
        assert!(ongoing.is_still(), "an end is nothing to wait for");
        let silent = begin(&mut ongoing, 3);
        drop(silent);
        assert!(ongoing.next().now_or_never().is_none() && ongoing.is_still(), "it had nothing to tell");
    }

    #[tokio::test]
    async fn a_server_that_floods_is_held_back_and_nothing_is_lost() {
        let mut ongoing = Ongoing::default();
        let (one, two) = (begin(&mut ongoing, 1), begin(&mut ongoing, 2));
        for _ in 0..500 {
            one.try_send(noise("x")).unwrap();
            two.try_send(noise("y")).unwrap();
        }
        drop((one, two));
        let mut heard: [usize; 3] = [0; 3];
        while !ongoing.is_still() {
            assert!(ongoing.told.lock().len() <= TOLD_MAX);
            heard[usize::try_from(ongoing.next().await.key.unwrap()).unwrap()] += 1;
            assert!(heard[1].abs_diff(heard[2]) <= 2 * TOLD_MAX, "none is kept from being heard: {heard:?}");
        }
        assert_eq!(heard, [0, 500, 500]);
        assert!(ongoing.told.lock().capacity() <= 2 * KEPT, "room that was needed once is given back");
    }

    #[tokio::test]
    async fn what_is_stopped_says_no_more() {
        let mut ongoing = Ongoing::default();
        let (one, two) = (begin(&mut ongoing, 1), begin(&mut ongoing, 2));
        one.try_send(noise("a")).unwrap();
        two.try_send(noise("b")).unwrap();
        assert!(!ongoing.is_still(), "both are told");
        ongoing.stop(1);
        ongoing.stop(7);
        assert!(one.is_closed());
        assert_eq!(ongoing.next().await.key, Some(2));
        let again = begin(&mut ongoing, 2);
        assert!(two.is_closed() && !again.is_closed(), "the same key is another exchange");
        ongoing.clear();
        assert!(ongoing.is_still() && again.is_closed());
    }

    #[tokio::test]
    async fn who_waits_for_something_else_moves_them_too() {
        let mut ongoing = Ongoing::default();
        let (done, wait) = oneshot::channel();
        ongoing.begin(Some((1, Intent::Request)), |teller| async move {
            tell(&teller, noise("a")).await;
            tokio::task::yield_now().await;
            let _ = done.send(());
            tell(&teller, What::End).await;
        });
        ongoing.during(wait).await.unwrap();
        assert!(matches!(ongoing.next().await.what, What::Noise(_)));
        assert!(ongoing.is_still());
    }
}

//! The outbox: messages that the store holds are delivered at least once, in the order of their making within a key,
//! whatever becomes of the receiver or of this process. A message leaves the table only when its receiver has it, refuses
//! it, or nobody needs it any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::lanes::{Job, Lanes, Try};
use super::{Courier, Payload, Receipt, former};
use crate::base::clock::Clock;
use crate::base::{duration, sanitize};
use crate::event::{EventKind, Level, Note, Publisher};
use crate::store::{Store, StoreError};

/// The longest rest: then the table is read again, and what is too old is given up.
const REST_MAX: Duration = Duration::from_secs(15);
/// Where the loop did not turn for so long, it does not work any more.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Said of an end that cannot be told.
const MOVED: &str = "the files had other settings for it when the beginning was told, and a restart forgot these: close \
                     there by hand what is still open";

/// Why a message has no payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrendered {
    /// The channel is not there any more: the message is given up.
    Gone,
    /// It is for whom the channel led to before, and how to reach that one is not known any more: it is given up.
    Moved,
    /// The files ask for something that does not fit it: it waits for better files.
    Wrong(String),
}

/// Turns what the table holds into payloads: the channels of the files.
pub trait Render: Send + Sync {
    /// The payloads of a message, in order. `collapsed` says that its beginning was never told: the end tells both.
    ///
    /// # Errors
    /// Why there are none.
    fn render(&self, channel: &str, body: &Value, collapsed: bool) -> Result<Vec<Payload>, Unrendered>;

    /// Whether the files have this channel. One that they had before may refuse the last that it is told: nobody minds.
    fn has(&self, _channel: &str) -> bool {
        true
    }
}

/// How the outbox fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxHealth {
    /// Messages that are not delivered.
    pub waiting: usize,
    /// Those of them that are being sent now.
    pub on_their_way: usize,
    /// How long the oldest of them waits.
    pub oldest: Option<Duration>,
    /// Channels whose last try failed, and that have messages waiting; and those that refuse.
    pub failing: Vec<String>,
    /// Channels that refused a message for good, and took none since.
    pub refusing: Vec<String>,
    /// Whether one refuses and no other works: what is told is lost, although little or nothing waits.
    pub is_refused: bool,
    /// Channels with a message that waits for more than a quarter of an hour.
    pub stuck: Vec<String>,
    /// Why the store cannot be read or written.
    pub trouble: Option<String>,
    /// Whether the loop turns.
    pub alive: bool,
    /// Whether no alert gets out at all: every channel that is tried has failed again and again, or nothing can be kept.
    pub is_silent: bool,
}

impl OutboxHealth {
    /// Whether alerts do not get out: then the dead man's switch is let go, which tells somebody by another way.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        !self.alive || self.trouble.is_some() || !self.stuck.is_empty() || self.is_refused
    }
}

/// The outbox. Clones are the same one.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    store: Store,
    courier: Courier,
    publisher: Publisher,
    clock: Arc<dyn Clock>,
    render: RwLock<Arc<dyn Render>>,
    lanes: Mutex<Lanes>,
    nudged: Notify,
    landed: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    turned: Option<Duration>,
    trouble: Option<String>,
}

impl Outbox {
    /// An outbox for what the store holds. Nothing is sent before [`Outbox::run`].
    #[must_use]
    pub fn new(
        store: Store,
        courier: Courier,
        render: Arc<dyn Render>,
        publisher: Publisher,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            courier,
            publisher,
            clock,
            render: RwLock::new(render),
            lanes: Mutex::new(Lanes::new(fastrand::Rng::new())),
            nudged: Notify::new(),
            landed: Notify::new(),
            state: Mutex::default(),
        }))
    }

    /// Other files: from here on messages are rendered by these. What waits because of the old ones is tried at once.
    pub fn replace(&self, render: Arc<dyn Render>) {
        *self.0.render.write().unwrap_or_else(PoisonError::into_inner) = render;
        let now = self.0.clock.now().monotonic;
        self.0.lanes().hurry(now);
        self.nudge();
    }

    /// Other files have another receiver in place of this channel, or none: how it fared so far is forgotten.
    pub fn forget(&self, channel: &str) {
        self.0.lanes().forget(channel);
    }

    /// The table has new messages.
    pub fn nudge(&self) {
        self.0.nudged.notify_one();
    }

    /// How it fares.
    #[must_use]
    pub fn health(&self) -> OutboxHealth {
        let now = self.0.clock.now().monotonic;
        let health = self.0.lanes().health(now);
        let state = self.0.state();
        let is_late = |turned: Duration| now.saturating_sub(turned) >= SILENCE_MAX;
        let is_silent = health.is_silent || state.trouble.is_some() || state.turned.is_some_and(is_late);
        let alive = state.turned.is_some_and(|turned| !is_late(turned));
        OutboxHealth { trouble: state.trouble.clone(), alive, is_silent, ..health }
    }

    /// Delivers until it is cancelled. What is on its way then is broken off: [`Outbox::drain`] comes before.
    pub async fn run(&self, cancel: CancellationToken) {
        let inner = &self.0;
        let mut flights = FuturesUnordered::new();
        inner.load().await;
        loop {
            let now = inner.clock.now().monotonic;
            inner.state().turned = Some(now);
            let (jobs, next) = {
                let mut lanes = inner.lanes();
                let jobs = lanes.take(now);
                (jobs, lanes.next())
            };
            flights.extend(jobs.into_iter().map(|job| inner.fly(job, &cancel)));
            let rest = next.map_or(REST_MAX, |next| next.saturating_sub(now)).min(REST_MAX);
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(()) = flights.next(), if !flights.is_empty() => inner.landed.notify_waiters(),
                () = inner.nudged.notified() => inner.load().await,
                () = tokio::time::sleep(rest) => inner.load().await,
            }
        }
        while flights.next().await.is_some() {}
    }

    /// Tries everything once more, at most so long: before the end. Gives how many are still there; they are for the
    /// next start.
    pub async fn drain(&self, limit: Duration) -> usize {
        let inner = &self.0;
        let emptied = async {
            inner.load().await;
            let now = inner.clock.now().monotonic;
            inner.lanes().hurry(now);
            loop {
                let landed = inner.landed.notified();
                tokio::pin!(landed);
                landed.as_mut().enable();
                if inner.lanes().is_quiet(inner.clock.now().monotonic) {
                    return;
                }
                self.nudge();
                landed.await;
            }
        };
        let _ = tokio::time::timeout(limit, emptied).await;
        self.health().waiting
    }
}

impl Inner {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, level: Level, message: &str) {
        let message = sanitize::one_line(message, 600);
        self.publisher.publish(EventKind::Noted(Note { level, topic: "deliver", message, target: None }));
    }

    /// Reads the table, records what could not be recorded before, gives up what is too old.
    async fn load(&self) {
        let unrecorded = self.lanes().to_record();
        for (id, given_up) in unrecorded {
            if self.record(id, given_up.as_deref()).await {
                self.lanes().recorded(id);
            }
        }
        match self.store.outbox().await {
            Ok(entries) => {
                self.lanes().merge(entries, &self.clock.now());
                self.remember(Ok(()));
            }
            Err(error) => drop(self.remember(Err(error))),
        }
        let expired = self.lanes().expire(self.clock.now().monotonic);
        for (id, channel, why) in expired {
            self.note(Level::Error, &format!("{}: {why}", former::shown(&channel)));
            self.give_up(id, &why).await;
        }
    }

    /// Says once that the store does not work, and once that it does again; whether it did.
    fn remember(&self, done: Result<(), StoreError>) -> bool {
        let trouble = done.err().map(|error| error.to_string());
        let before = std::mem::replace(&mut self.state().trouble, trouble.clone());
        match (&before, &trouble) {
            (None, Some(why)) => self.note(Level::Error, &format!("the outbox cannot be kept: {why}")),
            (Some(_), None) => self.note(Level::Info, "the outbox is kept again"),
            _ => {}
        }
        trouble.is_none()
    }

    async fn give_up(&self, id: i64, why: &str) {
        if !self.record(id, Some(why)).await {
            self.lanes().unrecorded(id, Some(why.to_owned()));
        }
    }

    /// Writes down what became of a message: that it arrived, or why it was given up. Whether that could be written.
    async fn record(&self, id: i64, given_up: Option<&str>) -> bool {
        let at = self.clock.now().wall;
        let done = match given_up {
            None => self.store.delivered(id, at).await,
            Some(why) => self.store.dropped(id, why, at).await,
        };
        self.remember(done)
    }

    /// Renders and sends one message, and records what became of it. It counts as on its way until that is recorded.
    async fn fly(&self, job: Job, cancel: &CancellationToken) {
        let render = Arc::clone(&self.render.read().unwrap_or_else(PoisonError::into_inner));
        let (channel, id) = (job.channel.as_str(), job.id);
        let shown = former::shown(channel);
        let receipt = match render.render(channel, &job.body, job.collapsed) {
            Ok(payloads) => self.carry(&payloads, cancel).await,
            Err(Unrendered::Gone) => Receipt::refused("there is no such notifier any more in the files"),
            Err(Unrendered::Moved) => Receipt::refused(MOVED),
            Err(Unrendered::Wrong(why)) => return self.postpone(&job, Try::Unrendered, &why).await,
        };
        match receipt {
            Receipt::Delivered | Receipt::Partly { .. } => {
                if !self.record(id, None).await {
                    self.lanes().unrecorded(id, None);
                }
                let settled = self.lanes().settle(channel, id, Try::Arrived, self.clock.now().monotonic);
                if settled.failures.0 > 0 {
                    self.note(Level::Info, &format!("{shown} receives again, after {} failures", settled.failures.0));
                }
                self.note(Level::Debug, &format!("told {shown}: {} of {}", job.transition, job.key));
            }
            Receipt::Refused { why, .. } => {
                self.note(Level::Error, &format!("{shown} refuses the {}, which is given up: {why}", job.transition));
                self.give_up(id, &why).await;
                let is_there = self.render.read().unwrap_or_else(PoisonError::into_inner).has(channel);
                let tried = if is_there { Try::GivenUp } else { Try::Gone };
                self.lanes().settle(channel, id, tried, self.clock.now().monotonic);
            }
            Receipt::Failed { why, retry_after } => self.postpone(&job, Try::Failed(retry_after), &why).await,
            Receipt::Cut => {
                self.lanes().settle(channel, id, Try::Cut, self.clock.now().monotonic);
            }
        }
    }

    /// Sends all payloads of a message, up to the first that fails.
    async fn carry(&self, payloads: &[Payload], cancel: &CancellationToken) -> Receipt {
        for payload in payloads {
            match self.courier.send(payload, cancel).await {
                Receipt::Delivered | Receipt::Partly { .. } => {}
                other => return other,
            }
        }
        Receipt::Delivered
    }

    async fn postpone(&self, job: &Job, tried: Try, why: &str) {
        let channel = job.channel.as_str();
        let now = self.clock.now();
        let settled = self.lanes().settle(channel, job.id, tried, now.monotonic);
        let (before, after) = settled.failures;
        let level = match (before, after, settled.attempts) {
            (0, 1, _) | (_, _, 1) if tried == Try::Unrendered || before == 0 => Level::Warn,
            (4, 5, _) => Level::Error,
            _ => Level::Debug,
        };
        let pause = duration::written(Duration::from_secs(settled.pause.as_secs().max(1)));
        let streak = if after > 1 { format!(", for the {after}th time in a row") } else { String::new() };
        let shown = former::shown(channel);
        self.note(level, &format!("{shown} could not be told{streak}; next try in {pause}: {why}"));
        let until = now.wall.checked_add(settled.pause).unwrap_or(now.wall);
        self.remember(self.store.postponed(job.id, settled.attempts, until, why).await);
    }
}

//! What pages and signals may ask of the daemon's loop: to read the files again, to run a probe now. Requests wait in a
//! short queue; the loop answers each.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::asked::{self, Answer, Patience};
use super::board::{Control, ProbeNow};
use super::daemon::{Daemon, Ended, Wanted};
use super::limits::{Needs, Waiting};
use crate::event::ProbeOutcome;
use crate::schedule::SlotId;

/// Requests that wait.
const REQUESTS_MAX: usize = 64;

/// A run that somebody asked for, and that waits for a place.
pub(super) struct Asked {
    id: SlotId,
    patience: Patience,
    answer: Answer,
}

impl Asked {
    pub(super) fn id(&self) -> SlotId {
        self.id
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_over(&self) -> bool {
        self.answer.is_closed() || self.patience.left().is_zero()
    }

    /// There will be no run.
    pub(super) fn refuse(self, why: ProbeNow) {
        // Whoever asked may have gone.
        let _ = self.answer.send(Err(why));
    }
}

/// A request to the loop.
pub enum Request {
    /// Read the files again.
    Reload(oneshot::Sender<Result<String, String>>),
    /// Run a probe now.
    Probe {
        /// The probe.
        probe: String,
        /// The target.
        target: String,
        /// How long whoever asks waits.
        limit: Duration,
        /// What came of it.
        answer: Answer,
    },
}

/// The far end of the loop's queue.
#[derive(Clone)]
pub struct Remote(mpsc::Sender<Request>);

impl Remote {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        (Self(sender), receiver)
    }
}

impl Control for Remote {
    fn reload(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async move {
            let (answer, heard) = oneshot::channel();
            let ending = || "the daemon is ending".to_owned();
            self.0.send(Request::Reload(answer)).await.map_err(|_| ending())?;
            heard.await.unwrap_or_else(|_| Err(ending()))
        })
    }

    fn probe_now<'a>(
        &'a self,
        probe: &'a str,
        target: &'a str,
        limit: Duration,
    ) -> BoxFuture<'a, Result<ProbeOutcome, ProbeNow>> {
        Box::pin(async move {
            let (answer, heard) = oneshot::channel();
            let request = Request::Probe { probe: probe.to_owned(), target: target.to_owned(), limit, answer };
            self.0.try_send(request).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => ProbeNow::Busy,
                mpsc::error::TrySendError::Closed(_) => ProbeNow::Refused,
            })?;
            match tokio::time::timeout(Patience::at_most(limit), heard).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(ProbeNow::Refused),
                Err(_) => Err(ProbeNow::Busy),
            }
        })
    }
}

impl Daemon {
    /// Takes up a request.
    pub(super) fn answer(&mut self, request: Request) {
        match request {
            Request::Reload(answer) => self.read_again(Some(answer)),
            Request::Probe { probe, target, limit, answer } => self.probe_now(&probe, &target, limit, answer),
        }
    }

    /// Such a run waits for a place like every other: whoever may look at the page cannot make us do more at once, nor, with
    /// many wishes for one pair, less.
    fn probe_now(&mut self, probe: &str, target: &str, limit: Duration, answer: Answer) {
        let id = self.fleet.iter().find(|(_, member)| member.pair.is(probe, target)).map(|(id, _)| *id);
        let Some(id) = id else {
            let is_withheld = self.setup.board.pair(probe, target).is_some();
            let _ = answer.send(Err(if is_withheld { ProbeNow::Refused } else { ProbeNow::Unknown }));
            return;
        };
        let asked = Asked { id, patience: Patience::new(limit), answer };
        if let Some(asked) = self.askers.ask(asked) {
            self.queue_asked(asked);
        }
    }

    fn queue_asked(&mut self, asked: Asked) {
        let needs = self.fleet.get(&asked.id).map_or(Needs::Nothing, |member| self.runner.needs(&member.pair));
        let since = self.now().monotonic;
        let until = since + asked.patience.left();
        self.places.enqueue(Waiting { ticket: 0, what: Wanted::Asked(Box::new(asked)), needs, since, until });
    }

    /// A run that was asked for is over, or there was none: the next one of that pair has its turn.
    pub(super) fn asked_is_over(&mut self, id: SlotId) {
        if let Some(asked) = self.askers.next(id) {
            self.queue_asked(asked);
        }
    }

    /// Begins a run that was asked for and has its place, where somebody still waits for it and the files still have it. What
    /// they say now is run.
    pub(super) fn start_asked(&mut self, asked: Asked, place: Waiting<()>) {
        let id = asked.id;
        let Some(member) = self.fleet.get(&id).filter(|_| !asked.is_over()) else {
            let why = if self.fleet.contains_key(&id) { ProbeNow::Busy } else { ProbeNow::Unknown };
            asked.refuse(why);
            self.places.finished(&place);
            self.asked_is_over(id);
            return;
        };
        let Asked { patience, answer, .. } = asked;
        let (pair, gate, runner) = (Arc::clone(&member.pair), Arc::clone(&member.gate), Arc::clone(&self.runner));
        self.tasks.spawn(async move {
            asked::run(&runner, &pair, gate, patience, answer).await;
            Ended::Answered(id, place)
        });
    }
}

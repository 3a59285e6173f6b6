//! What pages and signals may ask of the daemon's loop: to read the files again, to run a probe now. Requests wait in a
//! short queue; the loop answers each.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::asked::{self, Answer, Patience};
use super::board::{Control, ProbeNow};
use super::daemon::{Daemon, Ended, Wanted};
use super::limits::Waiting;
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
    /// It waited for too long.
    pub(super) fn found_no_place(self) {
        // Whoever asked may have gone.
        let _ = self.answer.send(Err(ProbeNow::Busy));
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

    /// Such a run waits for a place like every other: whoever may look at the page cannot make us do more at once.
    fn probe_now(&mut self, probe: &str, target: &str, limit: Duration, answer: Answer) {
        let Some((id, member)) = self.fleet.iter().find(|(_, member)| member.pair.is(probe, target)) else {
            let is_withheld = self.setup.board.pair(probe, target).is_some();
            let _ = answer.send(Err(if is_withheld { ProbeNow::Refused } else { ProbeNow::Unknown }));
            return;
        };
        let (needs, since) = (self.runner.needs(&member.pair), self.now().monotonic);
        let what = Wanted::Asked(Box::new(Asked { id: *id, patience: Patience::new(limit), answer }));
        self.places.enqueue(Waiting { ticket: 0, what, needs, since, until: since + limit });
    }

    /// Begins a run that was asked for and has its place, where somebody still waits for it and the files still have it. What
    /// they say now is run.
    pub(super) fn start_asked(&mut self, asked: Asked, place: Waiting<()>) {
        let Asked { id, patience, answer } = asked;
        let Some(member) = self.fleet.get(&id).filter(|_| !answer.is_closed()) else {
            let _ = answer.send(Err(ProbeNow::Unknown));
            self.places.finished(&place);
            return;
        };
        let (pair, gate, runner) = (Arc::clone(&member.pair), Arc::clone(&member.gate), Arc::clone(&self.runner));
        self.tasks.spawn(async move {
            asked::run(&runner, &pair, gate, patience, answer).await;
            Ended::Answered(place)
        });
    }
}

//! A run that somebody asked for and waits for, as Prometheus does at `/probe`. It is bounded by their patience: a server that
//! does not answer within it has failed, and that is told while they still listen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, oneshot};

use super::board::ProbeNow;
use super::compose::Pair;
use super::runs::Runner;
use crate::base::duration::human;
use crate::event::{AttemptOutcome, Cause, ProbeOutcome, Reason, Status};

/// What a run that is cut short has to tell what it saw.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Where the answer to a wish for a run goes.
pub type Answer = oneshot::Sender<Result<ProbeOutcome, ProbeNow>>;

/// How long whoever asked waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    asked_at: Instant,
    limit: Duration,
}

impl Patience {
    /// From now on.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { asked_at: Instant::now(), limit }
    }

    /// When the answer is there at the latest, from the time of the wish.
    #[must_use]
    pub fn at_most(limit: Duration) -> Duration {
        limit + last_words(limit)
    }

    /// How long yet.
    #[must_use]
    pub fn left(self) -> Duration {
        self.limit.saturating_sub(self.asked_at.elapsed())
    }

    /// Whether a run with so much of it says something of a server that does not answer: one that had to wait for its turn
    /// until hardly any time was left does not.
    fn is_enough(self, left: Duration, timeout: Duration) -> bool {
        left >= self.limit.min(timeout) / 2
    }
}

fn last_words(limit: Duration) -> Duration {
    LAST_WORDS.min(limit / 2)
}

/// Runs a pair as soon as no other run of it goes on, and answers. A run that is cut short ends well all the same: it goes
/// on until its session is closed.
pub async fn run(runner: &Runner, pair: &Pair, gate: Arc<Mutex<()>>, patience: Patience, mut answer: Answer) {
    let turn = tokio::select! {
        biased;
        // Nothing is run for nobody.
        () = answer.closed() => return,
        turn = tokio::time::timeout(patience.left(), gate.lock_owned()) => turn,
    };
    let Ok(_turn) = turn else {
        // Whoever asked may have gone, here and below.
        let _ = answer.send(Err(ProbeNow::Busy));
        return;
    };
    let (begun, left) = (Instant::now(), patience.left());
    let mut bounded = runner.clone();
    bounded.cx.cancel = runner.cx.cancel.child_token();
    let run = bounded.outcome(pair);
    tokio::pin!(run);
    if let Ok(outcome) = tokio::time::timeout(left, &mut run).await {
        let _ = answer.send(Ok(outcome));
        return;
    }
    bounded.cx.cancel.cancel();
    let took = begun.elapsed();
    let seen = tokio::time::timeout(last_words(patience.limit), &mut run).await.ok();
    let is_over = seen.is_some();
    let told =
        if patience.is_enough(left, pair.probe.timeout) { Ok(too_late(pair, seen, took)) } else { Err(ProbeNow::Busy) };
    let _ = answer.send(told);
    if !is_over {
        run.await;
    }
}

/// The outcome of a run that did not end in time, with what it saw until then.
fn too_late(pair: &Pair, seen: Option<ProbeOutcome>, took: Duration) -> ProbeOutcome {
    let message = format!("no end of the run within {}, which is how long whoever asked for it waits", human(took));
    let cause = Cause::new(Reason::Timeout, message);
    let not_run = || ProbeOutcome::not_run(&pair.probe.name, &pair.target.name, &pair.target.labels, cause.clone());
    let mut outcome = seen.unwrap_or_else(not_run);
    let is_cut = |of: Option<&Cause>| of.is_some_and(|cause| cause.reason == Reason::Cancelled);
    for step in outcome.steps.iter_mut().filter(|step| step.status == Status::Unknown && is_cut(step.cause.as_ref())) {
        (step.status, step.cause) = (Status::Failed, Some(cause.clone()));
    }
    outcome.attempts.retain(|attempt| !is_cut(attempt.cause.as_ref()));
    outcome.attempts.push(AttemptOutcome { status: Status::Failed, cause: Some(cause.clone()), duration: took });
    (outcome.status, outcome.cause, outcome.duration) = (Status::Failed, Some(cause), took);
    outcome
}

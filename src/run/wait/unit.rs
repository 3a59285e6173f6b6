//! What is tried one after the other while waiting: the probes of one server over stdio on one session, or one probe of
//! a URL.

use std::time::{Duration, Instant};

use super::super::adhoc::{self, note};
use super::super::locked::Against;
use super::super::pause::Pauses;
use super::super::probe::attempt::{Attempt, declared, on_session};
use super::super::probe::{heed, outcome, rest};
use super::{Tried, Wait};
use crate::base::name::Name;
use crate::event::{AttemptOutcome, Cause, ProbeOutcome, Reason};
use crate::plan::{Endpoint, Probe, Target};
use crate::protocol::Answers;
use crate::session::{Closing, Ending, Opening, Refused, Session};

/// How long a try at a URL may take for connecting and the handshake at first; twice as long after each that did not
/// suffice. A server that comes up behind a connection which hangs is found by the next one.
const OPENING_FIRST: Duration = Duration::from_secs(5);
/// Tries kept of one probe; of more the newest replaces the one before.
const TRIES_MAX: usize = 1_000;

/// A probe that is waited for.
struct Watched<'a> {
    place: usize,
    probe: &'a Probe,
    target: &'a Target,
    started_at: Option<jiff::Timestamp>,
    tries: Vec<AttemptOutcome>,
    last: Option<ProbeOutcome>,
    well: bool,
    /// It can never be well any more.
    lost: bool,
}

/// What is kept of a server over stdio between tries.
enum Held {
    Nothing,
    Open(Box<Session>, Answers),
    /// The process lives and refused the handshake that this method began.
    Refused(Box<Closing>, Name),
}

pub(super) struct Unit<'a> {
    wait: &'a Wait<'a>,
    watched: Vec<Watched<'a>>,
    held: Held,
    opening_max: Duration,
}

impl<'a> Unit<'a> {
    pub(super) fn new(wait: &'a Wait<'a>, pairs: Vec<(usize, (&'a Probe, &'a Target))>) -> Self {
        let watched = pairs
            .into_iter()
            .map(|(place, (probe, target))| Watched {
                place,
                probe,
                target,
                started_at: None,
                tries: Vec::new(),
                last: None,
                well: false,
                lost: false,
            })
            .collect();
        Self { wait, watched, held: Held::Nothing, opening_max: OPENING_FIRST }
    }

    /// Tries until all is well, something is lost, or the time is over. Gives the place of each, its last outcome, and
    /// whether it is well.
    pub(super) async fn run(mut self) -> Vec<(usize, Option<ProbeOutcome>, bool)> {
        let mut pauses = Pauses::up_to(self.wait.options.interval);
        loop {
            let mut asked = None;
            for at in 0..self.watched.len() {
                if !self.watched[at].well && !self.wait.is_over() {
                    asked = asked.max(self.try_one(at).await);
                }
            }
            if self.watched.iter().all(|watched| watched.well) || self.wait.is_over() {
                break;
            }
            let pause = pauses.next().max(asked.unwrap_or_default());
            let left = self.wait.left();
            // The last try is made shortly before the end, not left out.
            self.pause(if pause < left { pause } else { asked.map_or(left / 2, |_| left) }).await;
        }
        if let Some(ending) = self.let_go().await {
            for last in self.watched.iter_mut().filter_map(|watched| watched.last.as_mut()) {
                note(&mut last.findings, &ending.findings);
                last.usage = ending.farewell.usage;
            }
        }
        let done = |watched: Watched<'_>| {
            let mut last = watched.last;
            if let Some(last) = &mut last {
                last.duration = watched.tries.iter().map(|attempt| attempt.duration).sum();
                last.attempts = watched.tries;
            }
            (watched.place, last, watched.well)
        };
        self.watched.into_iter().map(done).collect()
    }

    async fn pause(&mut self, pause: Duration) {
        match &mut self.held {
            // What the server asks meanwhile is answered.
            Held::Open(session, _) => session.idle(Instant::now() + pause).await,
            Held::Nothing | Held::Refused(..) => drop(rest(&self.wait.cx, pause).await),
        }
    }

    /// One try; gives how long the server asks to be left alone.
    async fn try_one(&mut self, at: usize) -> Option<Duration> {
        let (probe, target) = (self.watched[at].probe, self.watched[at].target);
        self.watched[at].started_at.get_or_insert_with(jiff::Timestamp::now);
        let begun = Instant::now();
        let mut attempt = match &target.endpoint {
            Endpoint::Command(_) => Box::pin(self.over_stdio(probe, target)).await,
            Endpoint::Url(_) => Box::pin(self.over_http(probe, target)).await,
        };
        // What was queued here for a free slot is in the time that the attempt itself took, where it knows it.
        if attempt.duration.is_zero() {
            attempt.duration = begun.elapsed();
        }
        let asked = attempt.retry_after;
        self.take(at, attempt);
        asked
    }

    fn take(&mut self, at: usize, attempt: Attempt) {
        let wait = self.wait;
        let watched = &mut self.watched[at];
        let reason = attempt.cause.as_ref().map(|cause| cause.reason);
        if watched.tries.len() == TRIES_MAX {
            watched.tries.pop();
        }
        watched.tries.push(attempt.outcome());
        let effects = attempt.had_effects;
        let started_at = watched.started_at.unwrap_or_else(jiff::Timestamp::now);
        let mut now = outcome(watched.probe, watched.target, started_at, Vec::new(), Duration::ZERO, attempt);
        heed(&mut now, watched.probe);
        watched.well = wait.is_well(now.status);
        // What only the end of the waiting cut short says less than what came before.
        let cut = matches!(reason, Some(Reason::Timeout | Reason::Cancelled)) && wait.is_over();
        if watched.well || !cut || watched.last.is_none() {
            if !watched.well && effects {
                cannot_be_tried_again(&mut now);
            }
            watched.last = Some(now);
        }
        watched.lost = !watched.well && (effects || reason == Some(Reason::Internal));
        if watched.well {
            wait.note_well();
        }
        let cause = watched.last.as_ref().and_then(|last| last.cause.as_ref());
        (wait.tell)(Tried { place: watched.place, well: watched.well, cause });
        if watched.lost {
            wait.settled.cancel();
        }
    }

    // ---- stdio ----------------------------------------------------------------------------------------------------

    async fn over_stdio(&mut self, probe: &Probe, target: &Target) -> Attempt {
        let begun = Instant::now();
        let answers = declared(probe);
        if matches!(&self.held, Held::Open(_, declared) if *declared != answers) {
            // The legacy era declares capabilities once a session: this probe needs another one, when the first is gone.
            self.let_go().await;
        }
        if !matches!(self.held, Held::Open(..))
            && let Err(attempt) = Box::pin(self.open_stdio(probe, target, answers)).await
        {
            return Attempt { duration: begun.elapsed(), ..*attempt };
        }
        let Held::Open(session, _) = &mut self.held else {
            return Attempt::unreached(Cause::new(Reason::Internal, "a session that was opened is not there"));
        };
        session.forget_tools();
        let against = Against::of(&self.wait.cx, &target.name, target.locked.as_deref());
        let mut attempt = on_session(&self.wait.cx, session, probe, against, Some(self.wait.options.until)).await;
        attempt.duration = begun.elapsed();
        if attempt.cause.as_ref().is_some_and(|cause| has_ended(cause.reason))
            && let Some(ending) = self.let_go().await
        {
            attempt.closed(&ending);
        }
        attempt
    }

    /// Opens a session on the process that lives, or on a new one.
    async fn open_stdio(&mut self, probe: &Probe, target: &Target, answers: Answers) -> Result<(), Box<Attempt>> {
        let wait = self.wait;
        let patient = self.patient(target);
        let reach = wait.stage.reach(&wait.cx, &patient).await.map_err(|cause| Box::new(Attempt::unreached(cause)))?;
        let begun = Instant::now();
        let opened = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Refused(closing, method) => {
                let opening = Opening {
                    pin: reach.pin,
                    startup_timeout: reach.startup_timeout,
                    answers: answers.clone(),
                    known: None,
                    cancel: wait.cx.cancel.clone(),
                    results: None,
                };
                let tap = wait.cx.tap(&probe.name, &reach);
                Session::again(*closing, &method, &*reach.dial, &opening, tap).await
            }
            Held::Open(..) | Held::Nothing => {
                let opening = Box::pin(adhoc::open(&wait.cx, &reach, reach.pin, &answers, &probe.name));
                wait.cx.spaced(opening).await
            }
        };
        match opened {
            Ok(session) => {
                self.held = Held::Open(Box::new(session), answers);
                Ok(())
            }
            Err(refused) => Err(Box::new(self.refused(*refused, begun).await)),
        }
    }

    async fn refused(&mut self, mut refused: Refused, begun: Instant) -> Attempt {
        let mut attempt = Attempt::refused(&refused, begun.elapsed());
        let Some(closing) = refused.closing.take() else { return attempt };
        match refused.exchange {
            Some(exchange) if !has_ended(refused.fault.reason) => {
                self.held = Held::Refused(Box::new(closing), exchange.method);
            }
            _ => attempt.closed(&closing.finish(self.wait.cx.grace).await),
        }
        attempt
    }

    async fn let_go(&mut self) -> Option<Ending> {
        let grace = self.wait.cx.grace;
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => None,
            Held::Open(session, _) => Some(session.close(grace).await),
            Held::Refused(closing, _) => Some(closing.finish(grace).await),
        }
    }

    /// With all the time that is left for the start: a slow starter is not ended to be started again.
    fn patient(&self, target: &Target) -> Target {
        let startup_timeout = self.wait.options.startup_timeout.unwrap_or(Duration::MAX).min(self.wait.left());
        Target { startup_timeout, ..target.clone() }
    }

    // ---- HTTP -----------------------------------------------------------------------------------------------------

    async fn over_http(&mut self, probe: &Probe, target: &Target) -> Attempt {
        let wait = self.wait;
        let mut reach = match wait.stage.reach(&wait.cx, &self.patient(target)).await {
            Ok(reach) => reach,
            Err(cause) => return Attempt::unreached(cause),
        };
        let slot = tokio::select! {
            slot = wait.slots.acquire() => slot,
            () = wait.cx.cancel.cancelled() => return Attempt::unreached(interrupted()),
        };
        if wait.is_over() {
            return Attempt::unreached(interrupted());
        }
        let own = wait.options.startup_timeout.unwrap_or_else(|| target.startup_timeout.min(self.opening_max));
        reach.startup_timeout = own.min(wait.left());
        let begun = Instant::now();
        let attempt = match adhoc::open(&wait.cx, &reach, reach.pin, &declared(probe), &probe.name).await {
            Ok(mut session) => {
                let against = Against::of(&wait.cx, &target.name, target.locked.as_deref());
                let mut attempt = on_session(&wait.cx, &mut session, probe, against, Some(wait.options.until)).await;
                attempt.duration = begun.elapsed();
                attempt.closed(&session.close(wait.cx.grace).await);
                attempt
            }
            Err(mut refused) => {
                let mut attempt = Attempt::refused(&refused, begun.elapsed());
                attempt.heed_refusal(probe, refused.exchange.as_deref()).await;
                if let Some(closing) = refused.closing.take() {
                    attempt.closed(&closing.finish(wait.cx.grace).await);
                }
                if refused.fault.reason == Reason::Timeout {
                    self.opening_max = self.opening_max.saturating_mul(2);
                }
                attempt
            }
        };
        drop(slot);
        attempt
    }
}

/// After these the process is gone, or nothing can be had from it any more.
fn has_ended(reason: Reason) -> bool {
    matches!(reason, Reason::Exited | Reason::Closed | Reason::Spawn | Reason::Connect)
}

fn interrupted() -> Cause {
    Cause::new(Reason::Cancelled, "the waiting ended before this try began")
}

fn cannot_be_tried_again(outcome: &mut ProbeOutcome) {
    if let Some(cause) = &mut outcome.cause {
        let why = "; not tried again: a step with side effects was sent (`idempotent = true` allows it)";
        let end = cause.message.find('\n').unwrap_or(cause.message.len());
        cause.message.insert_str(end, why);
    }
}

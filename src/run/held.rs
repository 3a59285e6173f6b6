//! What `watch` keeps between the runs of probes with `session = "reuse"`: for each probe and target one warm child or one
//! open HTTP session, opened by its first run and answered while it rests. A run that finds it gone opens another one, and
//! says so.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::adhoc::{note, open};
use super::locked::Against;
use super::probe::attempt::{Attempt, declared, on_session};
use super::probe::run;
use super::reach::Stage;
use super::{Context, Turn, startup};
use crate::base::by_pair::{ByPair, Pair};
use crate::base::name::Name;
use crate::base::sanitize::one_line;
use crate::base::secret::Masker;
use crate::event::{Cause, Finding, Phase, Phases, ProbeOutcome, Reason, Severity, Status, Usage};
use crate::plan::{Probe, SessionChoice, Target};
use crate::protocol::Pin;
use crate::session::{Ending, Session};
use crate::transport::child::usage_now;
use crate::transport::{Farewell, Fault, Rung};

/// What was wrong with the opening of a session over HTTP is told for so long; then another opening shows whether it was
/// mended. Often enough for one who waits for that, and seldom enough for the session to be one that is held.
const DOUBT: Duration = Duration::from_secs(300);

/// The sessions that are held.
pub struct Held {
    places: Mutex<ByPair<Arc<Place>>>,
    doubt: Duration,
}

impl Default for Held {
    fn default() -> Self {
        Self { places: Mutex::default(), doubt: DOUBT }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("places", &self.places().len()).finish_non_exhaustive()
    }
}

/// Where one session is held. A run has the seat to itself; who only looks does not wait for it.
#[derive(Default)]
struct Place {
    target: Name,
    seat: tokio::sync::Mutex<Seat>,
    /// The process, on stdio, and when it was there first.
    pid: Arc<Mutex<Option<(i32, Instant)>>>,
}

/// A child that is held, and what it uses now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldChild {
    /// The probe for which it is held.
    pub probe: String,
    /// The target.
    pub target: String,
    /// The process.
    pub pid: i32,
    /// What it and its descendants use: memory that is resident now, processor time since they were started.
    pub usage: Usage,
}

impl Held {
    /// With another time after which a session over HTTP whose opening was at fault is opened anew.
    #[must_use]
    pub fn doubting_after(self, doubt: Duration) -> Self {
        Self { doubt, ..self }
    }

    /// Runs a probe, on the session that is held for it where it wants one, else on sessions of its own.
    pub async fn run(&self, cx: &Context, stage: &Stage, probe: &Probe, target: &Arc<Target>) -> ProbeOutcome {
        let mut own = cx.of_one_run(target).among_many();
        let mut outcome = match probe.session {
            SessionChoice::Fresh => run(&own, stage, probe, target, None).await,
            SessionChoice::Reuse => {
                let place = self.place(&probe.name, &target.name);
                let mut seat = place.seat.lock().await;
                seat.pid = Arc::clone(&place.pid);
                seat.doubt = self.doubt;
                // The secrets that were learnt at the opening stand in what the server says on.
                if let Some(secrets) = &seat.secrets {
                    own.masker = secrets.clone();
                }
                run(&own, stage, probe, target, Some(&mut seat)).await
            }
        };
        if !outcome.connected {
            cx.forget(&target.name);
        }
        if own.masker.count() > cx.masker.count() {
            // Of what only this run knows to be secret, too.
            outcome.mask(&own.masker);
        }
        outcome
    }

    /// Takes the session of one probe and target out, at once: no later run has it. What is given back lets go of it, when
    /// a run that is going on on it has ended; whoever has better things to do than to wait for that gives it to a task.
    pub fn release(&self, probe: &str, target: &str, grace: Duration) -> Option<BoxFuture<'static, Option<Ending>>> {
        let place = self.places().remove(probe, target)?;
        Some(Box::pin(async move { place.seat.lock().await.let_go(grace).await }))
    }

    /// Lets go of all sessions, side by side.
    pub async fn release_all(&self, grace: Duration) -> Vec<Finding> {
        let places: Vec<Arc<Place>> = self.places().drain().map(|(_, place)| place).collect();
        let endings = places.iter().map(|place| async { place.seat.lock().await.let_go(grace).await });
        let endings = futures_util::future::join_all(endings).await;
        endings.into_iter().flatten().flat_map(|ending| ending.farewell.findings).collect()
    }

    /// What every child that is held uses now.
    #[must_use]
    pub fn usage(&self) -> Vec<HeldChild> {
        let mut pids: Vec<_> =
            self.places().iter().filter_map(|(names, place)| Some((names.clone(), place.pid()?))).collect();
        pids.sort();
        let child = |((probe, target), pid): (Pair, i32)| {
            Some(HeldChild {
                probe: probe.as_ref().to_owned(),
                target: target.as_ref().to_owned(),
                pid,
                usage: usage_now(pid)?,
            })
        };
        pids.into_iter().filter_map(child).collect()
    }

    /// Whether a child of this target is held.
    #[must_use]
    pub fn has_child(&self, target: &str) -> bool {
        self.places().iter().any(|((_, of), place)| **of == *target && place.pid().is_some())
    }

    /// For how long the child of each target has been up; where several are held, the oldest.
    #[must_use]
    pub fn children_up(&self) -> BTreeMap<String, Duration> {
        let mut up = BTreeMap::new();
        for place in self.all() {
            let Some((_, since)) = place.child() else { continue };
            let longest: &mut Duration = up.entry(place.target.to_string()).or_default();
            *longest = since.elapsed().max(*longest);
        }
        up
    }

    /// How many sessions are held, over every transport.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places().values().filter(|place| place.seat.try_lock().is_ok_and(|seat| seat.resting.is_some())).count()
    }

    /// How many sessions are held of each target; one that is in use counts, too.
    #[must_use]
    pub fn by_target(&self) -> BTreeMap<String, u64> {
        let mut held = BTreeMap::new();
        for place in self.all() {
            let is_held = place.seat.try_lock().map_or(true, |seat| seat.resting.is_some());
            *held.entry(place.target.to_string()).or_default() += u64::from(is_held);
        }
        held
    }

    /// Ends the children of a target, and the program that was started for it: the next run starts them anew. Gives what
    /// was done.
    ///
    /// # Errors
    /// Nothing of that target runs here.
    pub async fn restart_child(&self, stage: &Stage, target: &str, grace: Duration) -> Result<String, Cause> {
        let places: Vec<Arc<Place>> =
            self.places().iter().filter(|((_, of), _)| **of == *target).map(|(_, place)| Arc::clone(place)).collect();
        let mut done = Vec::new();
        for place in places {
            let pid = place.pid();
            if let (Some(ending), Some(pid)) = (place.seat.lock().await.let_go(grace).await, pid) {
                let how = ending.farewell.exit.unwrap_or_else(|| "no exit was seen".to_owned());
                done.push(format!("the child with pid {pid} was ended ({how})"));
            }
        }
        if stage.end(target, grace).await {
            done.push("the program that was started for it was ended".to_owned());
        }
        if done.is_empty() {
            let name = one_line(target, 80);
            let message =
                format!("no child of target {name} is held: give it `restart`, or a probe `session = \"reuse\"`");
            return Err(Cause::new(Reason::Internal, message));
        }
        done.push("the next run starts a new one".to_owned());
        Ok(done.join("; "))
    }

    /// All places, so that whoever looks at them one by one holds up no run.
    fn all(&self) -> Vec<Arc<Place>> {
        self.places().values().cloned().collect()
    }

    fn place(&self, probe: &Name, target: &Name) -> Arc<Place> {
        let fresh = || Arc::new(Place { target: target.clone(), ..Place::default() });
        Arc::clone(self.places().get_or_insert_with(probe, target, fresh))
    }

    fn places(&self) -> std::sync::MutexGuard<'_, ByPair<Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn child(&self) -> Option<(i32, Instant)> {
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pid(&self) -> Option<i32> {
        self.child().map(|(pid, _)| pid)
    }
}

/// The session of one probe and target, between runs.
#[derive(Default)]
pub(super) struct Seat {
    resting: Option<Resting>,
    /// When the session was opened.
    opened: Option<Instant>,
    /// How old a session may become whose opening was at fault.
    doubt: Duration,
    pid: Arc<Mutex<Option<(i32, Instant)>>>,
    secrets: Option<Masker>,
}

/// A session that rests. Dropped, it ends, and with it the child.
struct Resting {
    rest: Rest,
    cancel: CancellationToken,
    is_doubtful: bool,
}

enum Rest {
    /// Nothing can be heard.
    Still(Box<Session>),
    /// A task answers what the server asks, until it is told to stop.
    Listening(JoinSet<Rested>, CancellationToken),
}

struct Rested {
    session: Box<Session>,
    lost: Option<Fault>,
}

/// A session in use.
struct Awake {
    /// It goes from hand to hand twice a run.
    session: Box<Session>,
    /// Ends its waits: a run that is interrupted takes the session with it, and no other.
    cancel: CancellationToken,
    /// Whether this run opened it.
    is_new: bool,
}

impl Seat {
    /// One attempt at the probe, on the session that is there or on a new one.
    pub(super) async fn attempt(&mut self, cx: &Context, stage: &Stage, probe: &Probe, target: &Target) -> Attempt {
        let doubt = self.resting.as_ref().is_some_and(|resting| resting.is_doubtful).then_some(self.doubt);
        let limit = doubt.into_iter().chain(probe.cold_every).min();
        let is_old = |opened: Instant| limit.is_some_and(|limit| opened.elapsed() >= limit);
        if self.opened.is_some_and(is_old) {
            // Its end is no part of the cold start that follows.
            Box::pin(self.let_go(cx.grace)).await;
        }
        let lost = match self.wake().await {
            None => None,
            Some((awake, None)) => {
                return Box::pin(self.on(cx, (probe, target), awake, Instant::now())).await;
            }
            Some((awake, Some(fault))) => {
                self.shown(None);
                let ending = Box::pin(awake.session.close(cx.grace)).await;
                Some((fault, ending))
            }
        };
        let mut attempt = match Box::pin(self.open(cx, stage, probe, target)).await {
            Ok((awake, begun)) => Box::pin(self.on(cx, (probe, target), awake, begun)).await,
            Err(attempt) => *attempt,
        };
        if let Some((fault, ending)) = lost {
            tell_loss(&mut attempt, &fault, &ending);
        }
        attempt
    }

    /// Runs the steps on a session and lets it rest, unless nothing more can be had from it.
    async fn on(
        &mut self,
        cx: &Context,
        (probe, target): (&Probe, &Target),
        mut awake: Awake,
        begun: Instant,
    ) -> Attempt {
        let against = Against::of(cx, &target.name, target.locked.as_deref());
        let session = &mut awake.session;
        session.record(cx.recorder.clone());
        if let Some(tracing) = &cx.tracing {
            session.trace(tracing.clone());
        }
        session.forget_tools();
        let mut attempt = heeding(cx, &awake.cancel, Box::pin(on_session(cx, session, probe, against, None))).await;
        attempt.duration = begun.elapsed();
        if session.was_opened() {
            let noticed = cx.noticed.of(session.facts(), session.opening()).await;
            let slow = startup::slow(session.facts().transport, session.phases());
            session.note_of_opening(noticed.iter().cloned().chain(slow));
            session.let_go_of_opening();
        }
        note(&mut attempt.findings, &session.tell());
        if !awake.is_new {
            // What opening took was told by the run that opened it.
            let call = attempt.phases.get(Phase::Call);
            attempt.phases = Phases::default();
            if let Some(call) = call {
                attempt.phases.add(Phase::Call, call);
            }
        }
        session.record(None);
        let is_usable =
            !awake.cancel.is_cancelled() && attempt.cause.as_ref().is_none_or(|cause| is_kept(cause.reason));
        let is_new = awake.is_new;
        if is_usable {
            attempt.usage = session.pid().and_then(usage_now);
            self.rest(awake);
        } else {
            self.shown(None);
            self.secrets = None;
            let phases = attempt.phases;
            attempt.closed(&Box::pin(awake.session.close(cx.grace)).await);
            if !is_new {
                let close = attempt.phases.get(Phase::Close);
                attempt.phases = phases;
                if let Some(close) = close {
                    attempt.phases.add(Phase::Close, close);
                }
            }
        }
        attempt
    }

    async fn open(
        &mut self,
        cx: &Context,
        stage: &Stage,
        probe: &Probe,
        target: &Target,
    ) -> Result<(Awake, Instant), Box<Attempt>> {
        let reach = stage.reach(cx, target).await.map_err(|cause| Box::new(Attempt::unreached(cause)))?;
        let turn: Option<Turn> = if reach.pin == Pin::Auto { Some(cx.turn(&reach.name).await) } else { None };
        let permit = cx.opening.acquire().await;
        let begun = Instant::now();
        let cancel = CancellationToken::new();
        let own = Context { cancel: cancel.clone(), ..cx.clone() };
        let answers = declared(probe);
        let opened = heeding(cx, &cancel, Box::pin(open(&own, &reach, reach.pin, &answers, &probe.name))).await;
        drop((permit, turn));
        match opened {
            Ok(mut session) => {
                session.outlive_the_run();
                self.shown(session.pid());
                self.opened = Some(begun);
                self.secrets = Some(cx.masker.clone());
                Ok((Awake { session: Box::new(session), cancel, is_new: true }, begun))
            }
            Err(mut refused) => {
                let closing = refused.closing.take();
                let mut attempt = Attempt::refused(&refused, begun.elapsed());
                attempt.heed_refusal(probe, refused.exchange.as_deref()).await;
                if let Some(closing) = closing {
                    attempt.closed(&closing.finish(cx.grace).await);
                }
                Err(Box::new(attempt))
            }
        }
    }

    fn rest(&mut self, awake: Awake) {
        let Awake { mut session, cancel, .. } = awake;
        let is_doubtful = session.is_doubtful();
        let rest = if session.is_still() {
            Rest::Still(session)
        } else {
            let (mut task, stop) = (JoinSet::new(), CancellationToken::new());
            let stopped = stop.clone().cancelled_owned();
            task.spawn(async move {
                let lost = session.idle_until(stopped).await;
                Rested { session, lost }
            });
            Rest::Listening(task, stop)
        };
        self.resting = Some(Resting { rest, cancel, is_doubtful });
    }

    /// Takes the session out of its rest, with the fault by which it was lost meanwhile.
    async fn wake(&mut self) -> Option<(Awake, Option<Fault>)> {
        let Resting { rest, cancel, .. } = self.resting.take()?;
        let Rested { session, lost } = match rest {
            Rest::Still(session) => Rested { session, lost: None },
            Rest::Listening(mut task, stop) => {
                stop.cancel();
                task.join_next().await?.ok()?
            }
        };
        Some((Awake { session, cancel, is_new: false }, lost))
    }

    async fn let_go(&mut self, grace: Duration) -> Option<Ending> {
        let (awake, _) = self.wake().await?;
        (self.secrets, self.opened) = (None, None);
        let ending = awake.session.close(grace).await;
        self.shown(None);
        Some(ending)
    }

    fn shown(&self, pid: Option<i32>) {
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner) = pid.map(|pid| (pid, Instant::now()));
    }
}

/// Does some work on a session whose waits have an end of their own; the end of the run is theirs too.
async fn heeding<T>(cx: &Context, cancel: &CancellationToken, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = cx.cancel.cancelled() => cancel.cancel(),
    }
    work.await
}

/// After these the server goes on as before. After others a new session is more likely to tell the truth than the old one:
/// a server that was replaced knows it no more, and not each one says so by the status that the protocol has for it.
fn is_kept(reason: Reason) -> bool {
    use Reason::{Check, Drift, Flaky, RateLimited, RpcError, Slow, Timeout, TooLarge, ToolError};
    matches!(reason, Check | Drift | Flaky | RateLimited | RpcError | Slow | Timeout | TooLarge | ToolError)
}

/// A run that found its session gone says so. A process that ended by itself, or with which nothing more could be spoken, is no
/// good sign, even where the next one does well; an idle connection that was closed is nothing unusual.
fn tell_loss(attempt: &mut Attempt, fault: &Fault, ending: &Ending) {
    let Farewell { rung, exit, stderr, .. } = &ending.farewell;
    // Another one was ended by us, because of the fault.
    let own_end = exit.as_ref().filter(|_| *rung == Some(Rung::Already));
    let how = own_end.map_or_else(|| fault.message.clone(), |exit| format!("it ended: {exit}"));
    let actual = format!("lost while it rested ({how}); a new one was opened");
    let expected = "a session that is held lives until the next run";
    note(&mut attempt.findings, &[Finding::new("session.lost", Severity::Warning, expected, actual.clone())]);
    note(&mut attempt.findings, &ending.findings);
    if rung.is_some() && attempt.status == Status::Healthy {
        attempt.status = Status::Degraded;
        let (reason, look) = match own_end {
            Some(_) => (Reason::Exited, "why it ended"),
            None => (fault.reason, "what it did; it was ended by us"),
        };
        let message = format!("the process that was held was {actual}, and passed: look into {look}");
        let stderr = stderr.clone().or_else(|| fault.stderr.clone());
        attempt.cause = Some(Fault { stderr, ..Fault::new(reason, message) }.cause());
    }
}

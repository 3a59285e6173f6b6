//! One attempt at a probe: the session, the steps, and what they add up to.

use std::time::{Duration, Instant};

use super::super::adhoc::{announced, note, open};
use super::super::locked::{self, Against};
use super::super::reach::Reach;
use super::super::step::{self, Taken};
use super::super::{Context, pause, startup, verdict};
use super::allotted::Allotted;
use crate::config::template::Saved;
use crate::event::{
    AttemptOutcome, Cause, Finding, Observed, Phase, Phases, ProtocolUsed, Reason, ServerIdentity, Status, StepOutcome,
    Usage,
};
use crate::plan::{Probe, Step, Steps};
use crate::protocol::{Answers, Pin};
use crate::session::{Ending, Exchange, Refused, Session};

/// How long a step with `always = true` has at least, once an earlier one failed; less where the probe's own `timeout`
/// is less.
const CLEAN_UP_MAX: Duration = Duration::from_secs(5);

/// One attempt.
pub(in crate::run) struct Attempt {
    pub(in crate::run) status: Status,
    pub(in crate::run) cause: Option<Cause>,
    pub(in crate::run) connected: bool,
    pub(in crate::run) server: Option<ServerIdentity>,
    pub(in crate::run) protocol: Option<ProtocolUsed>,
    pub(in crate::run) phases: Phases,
    pub(in crate::run) steps: Vec<StepOutcome>,
    pub(in crate::run) findings: Vec<Finding>,
    /// Whether something was sent that must not be sent twice.
    pub(in crate::run) had_effects: bool,
    pub(in crate::run) duration: Duration,
    pub(in crate::run) usage: Option<Usage>,
    /// How long the server asks to be left alone.
    pub(in crate::run) retry_after: Option<Duration>,
    /// What was learnt beside: the HTTP status, the certificate, the tools.
    pub(in crate::run) observed: Observed,
}

/// Opens a session, runs the probe's steps on it, closes it.
pub(in crate::run) async fn attempt(cx: &Context, reach: &Reach, probe: &Probe) -> Attempt {
    let turn = if reach.pin == Pin::Auto { Some(cx.turn(&reach.name).await) } else { None };
    let permit = cx.opening.acquire().await;
    let begun = Instant::now();
    let opened = open(cx, reach, reach.pin, &declared(probe), &probe.name).await;
    drop((permit, turn));
    let mut session = match opened {
        Ok(session) => session,
        Err(mut refused) => {
            let closing = refused.closing.take();
            let mut attempt = Attempt::refused(&refused, begun.elapsed());
            attempt.heed_refusal(probe, refused.exchange.as_deref()).await;
            if let Some(closing) = closing {
                attempt.closed(&closing.finish(cx.grace).await);
            }
            return attempt;
        }
    };
    let against = Against::of(cx, &reach.name, reach.locked.as_deref());
    let mut attempt = on_session(cx, &mut session, probe, against, None).await;
    attempt.duration = begun.elapsed();
    note(&mut attempt.findings, &cx.noticed.of(session.facts(), session.opening()).await);
    if probe.locked && !attempt.cause.as_ref().is_some_and(|cause| ends_lists(cause.reason)) {
        attempt.add(locked::judge(cx, reach, &mut session, probe).await);
    }
    attempt.findings.extend(startup::slow(session.facts().transport, session.phases()));
    attempt.closed(&session.close(cx.grace).await);
    attempt
}

/// Runs the probe's steps on a session that is open, and leaves it open. `end` bounds the time beside the probe's own.
pub(in crate::run) async fn on_session(
    cx: &Context,
    session: &mut Session,
    probe: &Probe,
    against: Against<'_>,
    end: Option<Instant>,
) -> Attempt {
    let begun = Instant::now();
    let mut allotted = Allotted::from(begun, probe.timeout, end);
    let mut attempt = Attempt::open(session);
    match &probe.steps {
        Steps::Lists => {
            for method in announced(session.facts()) {
                // After a time-out or a lost session the next list would only fail for the same reason.
                if attempt.cause.as_ref().is_some_and(|cause| ends_lists(cause.reason)) {
                    break;
                }
                let left = allotted.until().saturating_duration_since(Instant::now());
                let mut taken = step::take_list(session, method, allotted.until(), cx).await;
                taken.name_limit(allotted.limit(), left);
                allotted.leave_out(taken.aside);
                attempt.add(taken);
            }
        }
        Steps::Given(steps) => {
            let clean_up = probe.timeout.min(CLEAN_UP_MAX);
            run_steps(cx, session, steps, against, Times { allotted, clean_up }, &mut attempt).await;
        }
    }
    attempt.duration = begun.elapsed();
    attempt.server = session.facts().identity.clone();
    attempt.observed.certificate_ends = session.certificate().map(|certificate| certificate.not_after);
    attempt
}

fn ends_lists(reason: Reason) -> bool {
    use Reason::{Auth, Cancelled, Closed, Connect, Exited, Timeout};
    matches!(reason, Auth | Cancelled | Closed | Connect | Exited | Timeout)
}

/// How long the steps of an attempt may take.
struct Times {
    allotted: Allotted,
    /// What a step has that cleans up after one that failed.
    clean_up: Duration,
}

async fn run_steps(
    cx: &Context,
    session: &mut Session,
    steps: &[Step],
    against: Against<'_>,
    Times { mut allotted, clean_up }: Times,
    attempt: &mut Attempt,
) {
    let mut saved = Saved::new();
    let mut stopped = false;
    for step in steps {
        let mut taken = if cx.cancel.is_cancelled() {
            let interrupted = Cause::new(Reason::Cancelled, "the run was interrupted");
            attempt.status = attempt.status.max(Status::Unknown);
            attempt.cause.get_or_insert_with(|| interrupted.clone());
            Taken::skipped(step, interrupted)
        } else if stopped && !step.always {
            // What keeps it from being run is what the earlier one failed with.
            let reason = attempt.cause.as_ref().map_or(Reason::Check, |cause| cause.reason);
            Taken::skipped(step, Cause::new(reason, "an earlier step failed"))
        } else {
            // What went wrong may have used up the time, and cleaning up needs some.
            let own = allotted.until();
            let until = if stopped { own.max(Instant::now() + clean_up) } else { own };
            let left = until.saturating_duration_since(Instant::now());
            let mut taken = step::take(session, step, &mut saved, until, against).await;
            taken.name_limit(allotted.limit().filter(|_| until == own), left);
            taken
        };
        taken.outcome.place = Some(step.place.clone());
        allotted.leave_out(taken.aside);
        stopped |= matches!(taken.outcome.status, Status::Failed | Status::Unknown);
        attempt.add(taken);
    }
}

/// The capabilities a legacy session declares once, for all its steps, with what a step answers that has no answer of its own.
pub(in crate::run) fn declared(probe: &Probe) -> Answers {
    let Steps::Given(steps) = &probe.steps else { return Answers::default() };
    let mut all = Answers::default();
    for Answers { roots, sampling, elicitation } in steps.iter().map(|step| step.answers.clone()) {
        all.roots = all.roots.or(roots);
        all.sampling = all.sampling.or(sampling);
        all.elicitation = all.elicitation.or(elicitation);
    }
    all
}

impl Attempt {
    /// Nothing could be sent.
    pub(in crate::run) fn unreached(cause: Cause) -> Self {
        Self {
            status: verdict::status_of(cause.reason),
            cause: Some(cause),
            connected: false,
            server: None,
            protocol: None,
            phases: Phases::default(),
            steps: Vec::new(),
            findings: Vec::new(),
            had_effects: false,
            duration: Duration::ZERO,
            usage: None,
            retry_after: None,
            observed: Observed::default(),
        }
    }

    /// No session could be had.
    pub(in crate::run) fn refused(refused: &Refused, duration: Duration) -> Self {
        Self {
            phases: refused.phases,
            findings: refused.findings.clone(),
            retry_after: refused.exchange.as_deref().and_then(pause::asked_for),
            observed: Observed {
                http_status: refused.exchange.as_deref().and_then(|exchange| Some(exchange.head.as_ref()?.status)),
                certificate_ends: refused.certificate.as_ref().map(|certificate| certificate.not_after),
                ..Observed::default()
            },
            duration,
            ..Self::unreached(refused.fault.cause())
        }
    }

    /// A session that was refused is what a probe wants where every one of its steps asks for the HTTP status of the
    /// refusal: they are judged by it.
    pub(in crate::run) async fn heed_refusal(&mut self, probe: &Probe, exchange: Option<&Exchange>) {
        let (Steps::Given(steps), Some(exchange)) = (&probe.steps, exchange) else { return };
        let Some(taken) = step::take_refused(steps, exchange).await else { return };
        self.status = Status::Healthy;
        self.cause = None;
        self.retry_after = None;
        // What was sent is told as the phase of the opening that it was.
        let phases = self.phases;
        for taken in taken {
            self.add(taken);
        }
        self.phases = phases;
    }

    fn open(session: &Session) -> Self {
        Self {
            status: Status::Healthy,
            cause: None,
            connected: true,
            server: None,
            protocol: Some(session.facts().protocol()),
            phases: *session.phases(),
            steps: Vec::new(),
            findings: session.findings(),
            had_effects: false,
            duration: Duration::ZERO,
            usage: None,
            retry_after: None,
            observed: Observed {
                http_status: session.opening().head.as_ref().map(|head| head.status),
                certificate_ends: session.certificate().map(|certificate| certificate.not_after),
                ..Observed::default()
            },
        }
    }

    /// Adds a step; the probe's cause is that of its first failed step, or of its first degraded one.
    fn add(&mut self, taken: Taken) {
        let outcome = taken.outcome;
        if outcome.request_bytes > 0 {
            self.phases.add(Phase::Call, taken.spent);
        }
        note(&mut self.findings, &taken.findings);
        self.had_effects |= taken.had_effects;
        self.retry_after = self.retry_after.max(taken.retry_after);
        self.observed.http_status = taken.http_status.or(self.observed.http_status);
        self.observed.tools = taken.tools.or(self.observed.tools.take());
        if outcome.status != Status::Skipped && outcome.status > self.status {
            self.status = outcome.status;
            self.cause.clone_from(&outcome.cause);
        }
        self.steps.push(outcome);
    }

    /// Adds what closing took and showed.
    pub(in crate::run) fn closed(&mut self, ending: &Ending) {
        let call = self.phases.get(Phase::Call);
        self.phases = ending.phases;
        if let Some(call) = call {
            self.phases.add(Phase::Call, call);
        }
        note(&mut self.findings, &ending.findings);
        self.usage = ending.farewell.usage;
        let certificate = ending.certificate.as_ref().map(|certificate| certificate.not_after);
        self.observed.certificate_ends = certificate.or(self.observed.certificate_ends);
    }

    /// As it is told.
    pub(in crate::run) fn outcome(&self) -> AttemptOutcome {
        AttemptOutcome { status: self.status, cause: self.cause.clone(), duration: self.duration }
    }
}

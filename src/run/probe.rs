//! One probe of one target: its attempts, the steps of each, and the outcome they add up to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::adhoc::{announced, note, open};
use super::reach::{Reach, Stage};
use super::step::{self, Taken};
use super::{Context, verdict};
use crate::config::template::Saved;
use crate::event::{
    AttemptOutcome, Cause, Finding, Phase, Phases, ProbeOutcome, ProtocolUsed, Reason, ServerIdentity, Status,
    StepOutcome, Usage,
};
use crate::plan::{Effect, Probe, Step, Steps, Target};
use crate::protocol::{Answers, Pin};
use crate::session::{Exchange, Session};

/// How long a step with `always = true` has at least, once an earlier one failed; less where the probe's own `timeout`
/// is less.
const CLEAN_UP_MAX: Duration = Duration::from_secs(5);

/// One attempt.
struct Attempt {
    status: Status,
    cause: Option<Cause>,
    connected: bool,
    server: Option<ServerIdentity>,
    protocol: Option<ProtocolUsed>,
    phases: Phases,
    steps: Vec<StepOutcome>,
    findings: Vec<Finding>,
    had_effects: bool,
    duration: Duration,
    usage: Option<Usage>,
}

/// Runs a probe against one of its targets.
pub async fn probe(cx: &Context, stage: &Stage, probe: &Probe, target: &Arc<Target>) -> ProbeOutcome {
    let started_at = jiff::Timestamp::now();
    let begun = Instant::now();
    let mut attempts = Vec::new();
    let last = loop {
        let attempt = match stage.reach(cx, target).await {
            Ok(reach) => Box::pin(attempt(cx, &reach, probe)).await,
            Err(cause) => Attempt::unreached(cause),
        };
        attempts.push(AttemptOutcome {
            status: attempt.status,
            reason: attempt.cause.as_ref().map(|cause| cause.reason),
            duration: attempt.duration,
        });
        let may_retry = attempts.len() <= probe.retries as usize && !attempt.had_effects && !cx.cancel.is_cancelled();
        if attempt.status != Status::Failed || !may_retry {
            break attempt;
        }
    };
    let mut outcome = ProbeOutcome {
        name: probe.name.clone(),
        target: target.name.clone(),
        labels: target.labels.clone(),
        started_at,
        status: last.status,
        cause: last.cause,
        connected: last.connected,
        server: last.server,
        protocol: last.protocol,
        duration: begun.elapsed(),
        phases: last.phases,
        attempts,
        steps: last.steps,
        findings: last.findings,
        usage: last.usage,
    };
    flaky(&mut outcome);
    heed(&mut outcome, probe);
    outcome
}

/// What passed only on a retry is degraded.
fn flaky(outcome: &mut ProbeOutcome) {
    let failures = outcome.attempts.len() - 1;
    if failures > 0 && outcome.status == Status::Healthy {
        let first = outcome.attempts[0].reason.map_or("unknown", Reason::code);
        outcome.status = Status::Degraded;
        let message = format!("passed on attempt {} after {failures} failed, the first with {first}", failures + 1);
        outcome.cause = Some(Cause::new(Reason::Flaky, message));
    }
}

/// Lets findings act where the file says so.
fn heed(outcome: &mut ProbeOutcome, probe: &Probe) {
    for finding in &outcome.findings {
        let status = match probe.findings.effect(finding.id) {
            Effect::Report => continue,
            Effect::Degrade => Status::Degraded,
            Effect::Fail => Status::Failed,
        };
        if status > outcome.status && outcome.status != Status::Unknown {
            outcome.status = status;
            let message = format!("{}: expected {}, got {}", finding.id, finding.expected, finding.actual);
            outcome.cause = Some(Cause::new(Reason::Check, message));
        }
    }
}

async fn attempt(cx: &Context, reach: &Reach, probe: &Probe) -> Attempt {
    let turn = if reach.pin == Pin::Auto { Some(cx.turn(&reach.name).await) } else { None };
    let permit = cx.opening.acquire().await;
    let begun = Instant::now();
    let opened = open(cx, reach, reach.pin, &declared(probe), &probe.name).await;
    drop((permit, turn));
    let mut session = match opened {
        Ok(session) => session,
        Err(refused) => {
            let mut attempt = Attempt::unreached(refused.fault.cause());
            if let Some(taken) = expected(probe, refused.exchange.as_deref()).await {
                attempt.status = Status::Healthy;
                attempt.cause = None;
                for taken in taken {
                    attempt.add(taken);
                }
            }
            attempt.duration = begun.elapsed();
            attempt.phases = refused.phases;
            attempt.findings = refused.findings;
            if let Some(closing) = refused.closing {
                let ending = closing.finish(cx.grace).await;
                attempt.phases = ending.phases;
                note(&mut attempt.findings, &ending.findings);
            }
            return attempt;
        }
    };
    let deadline = Instant::now() + probe.timeout;
    let mut attempt = Attempt::open(&session);
    match &probe.steps {
        Steps::Lists => {
            for method in announced(session.facts()) {
                // After a time-out or a lost session the next list would only fail for the same reason.
                if attempt.cause.as_ref().is_some_and(|cause| ends_lists(cause.reason)) {
                    break;
                }
                let taken = step::take_list(&mut session, method, deadline).await;
                attempt.add(taken);
            }
        }
        Steps::Given(steps) => {
            let clean_up = probe.timeout.min(CLEAN_UP_MAX);
            run_steps(cx, &mut session, steps, deadline, clean_up, &mut attempt).await;
        }
    }
    attempt.duration = begun.elapsed();
    attempt.server = session.facts().identity.clone();
    let ending = session.close(cx.grace).await;
    let call = attempt.phases.get(Phase::Call);
    attempt.phases = ending.phases;
    if let Some(call) = call {
        attempt.phases.add(Phase::Call, call);
    }
    note(&mut attempt.findings, &ending.findings);
    attempt.usage = ending.farewell.usage;
    attempt
}

/// The steps, judged by a session that was refused, where every one of them asks for the HTTP status of the refusal.
async fn expected(probe: &Probe, exchange: Option<&Exchange>) -> Option<Vec<Taken>> {
    let (Steps::Given(steps), Some(exchange)) = (&probe.steps, exchange) else { return None };
    step::take_refused(steps, exchange).await
}

fn ends_lists(reason: Reason) -> bool {
    use Reason::{Auth, Cancelled, Closed, Connect, Exited, Timeout};
    matches!(reason, Auth | Cancelled | Closed | Connect | Exited | Timeout)
}

async fn run_steps(
    cx: &Context,
    session: &mut Session,
    steps: &[Step],
    mut deadline: Instant,
    clean_up: Duration,
    attempt: &mut Attempt,
) {
    let mut saved = Saved::new();
    let mut stopped = false;
    for step in steps {
        let taken = if cx.cancel.is_cancelled() {
            attempt.status = Status::Unknown;
            attempt.cause.get_or_insert_with(|| Cause::new(Reason::Cancelled, "the run was interrupted"));
            Taken::skipped(step, "the run was interrupted")
        } else if stopped && !step.always {
            Taken::skipped(step, "an earlier step failed")
        } else {
            // What went wrong may have used up the time, and cleaning up needs some.
            let until = if stopped { deadline.max(Instant::now() + clean_up) } else { deadline };
            step::take(session, step, &mut saved, until).await
        };
        deadline += taken.aside;
        stopped |= matches!(taken.outcome.status, Status::Failed | Status::Unknown);
        attempt.add(taken);
    }
}

/// The capabilities a legacy session declares once, for all its steps.
fn declared(probe: &Probe) -> Answers {
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
    fn unreached(cause: Cause) -> Self {
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
        }
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
        if outcome.status != Status::Skipped && outcome.status > self.status {
            self.status = outcome.status;
            self.cause.clone_from(&outcome.cause);
        }
        self.steps.push(outcome);
    }
}

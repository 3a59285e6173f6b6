//! One ad hoc call to one target, once or repeated, and the overview of a target without a method. The outcome is
//! there before the session is closed, so that a server that is slow to exit delays nothing but the exit.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::latency::Latencies;
use super::reach::Reach;
use super::{Context, verdict};
use crate::event::{
    Cause, Finding, LatencySummary, Phase, Phases, ProtocolUsed, Reason, ServerIdentity, Status, Usage,
};
use crate::protocol::{Answers, Pin};
use crate::session::{Call, Closing, Exchange, Known, Opening, Refused, ServerFacts, Session};
use crate::transport::Certificate;
use crate::transport::child::usage_so_far;

/// What to call, and how often.
#[derive(Clone, Debug)]
pub struct CallPlan {
    /// The call.
    pub call: Call,
    /// Of one call, with all its pages.
    pub timeout: Duration,
    /// How often.
    pub repeat: u32,
    /// From the start of one call to the start of the next; at once where there is none.
    pub interval: Option<Duration>,
    /// Whether a tool that is not declared read-only may be called more than once.
    pub allow_side_effects: bool,
    /// Whether the server's processes are looked at before and after each call.
    pub measure_child: bool,
}

/// What is known of a target whatever was asked of it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The target's name.
    pub target: String,
    /// How it ended.
    pub status: Status,
    /// Why, where it is not healthy.
    pub cause: Option<Cause>,
    /// Whether detection or the handshake was complete.
    pub connected: bool,
    /// What the server calls itself.
    pub server: Option<ServerIdentity>,
    /// What was spoken.
    pub protocol: Option<ProtocolUsed>,
    /// How long each phase took, so far.
    pub phases: Phases,
    /// What was noticed, so far.
    pub findings: Vec<Finding>,
    /// The server's certificate, on https.
    pub certificate: Option<Certificate>,
    /// The call was not made, because it needs a consent that was not given.
    pub withheld: bool,
}

/// An ad hoc call and what became of it.
#[derive(Clone, Debug)]
pub struct CallOutcome {
    /// The target.
    pub found: Found,
    /// The last exchange, or the first that failed.
    pub exchange: Option<Exchange>,
    /// With more than one call: the latencies.
    pub latency: Option<LatencySummary>,
    /// Where it was asked for: what the server's processes used.
    pub child: Option<ChildUsage>,
}

/// What the processes of a stdio server used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildUsage {
    /// Since their start.
    pub so_far: Usage,
    /// Processor time during the calls, sampled outside their time marks; absent below the kernel's resolution.
    pub calls_cpu: Option<Duration>,
}

/// A target looked over: opened, all lists read that its capabilities announce.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The target.
    pub found: Found,
    /// What it says of itself.
    pub facts: Option<ServerFacts>,
    /// One merged exchange a list.
    pub lists: Vec<Exchange>,
}

/// Whether a method opens a conversation by itself, so that its one reply is the answer.
#[must_use]
pub fn opens(method: &str) -> bool {
    matches!(method, "initialize" | "server/discover")
}

/// Makes the call. The session, where one was opened, is the caller's to close.
pub async fn call(cx: &Context, reach: &Reach, plan: &CallPlan) -> (CallOutcome, Option<Closing>) {
    let pin = match plan.call.method.as_str() {
        "initialize" if reach.pin == Pin::Auto => Pin::Legacy,
        "server/discover" if reach.pin == Pin::Auto => Pin::Modern,
        _ => reach.pin,
    };
    let mut session = match open(cx, reach, pin, &plan.call.answers, "adhoc").await {
        Ok(session) => session,
        Err(refused) => return refused_call(reach, *refused),
    };
    let mut found = Found::of(&reach.name, &session);
    if opens(&plan.call.method) {
        let exchange = session.opening().clone();
        found.judge(&exchange);
        return (
            CallOutcome { found, exchange: Some(exchange), latency: None, child: None },
            Some(session.into_closing()),
        );
    }
    if let Some(cause) = withheld(&mut session, plan).await {
        found.withheld = cause.reason == Reason::Cancelled && !cx.cancel.is_cancelled();
        found.fail(cause);
        return (CallOutcome { found, exchange: None, latency: None, child: None }, Some(session.into_closing()));
    }
    let mut child = None;
    let (exchange, latency) = repeat(cx, &mut session, plan, &mut found, &mut child).await;
    found.refresh(&session);
    (CallOutcome { found, exchange, latency, child }, Some(session.into_closing()))
}

async fn repeat(
    cx: &Context,
    session: &mut Session,
    plan: &CallPlan,
    found: &mut Found,
    child: &mut Option<ChildUsage>,
) -> (Option<Exchange>, Option<LatencySummary>) {
    let mut latencies = (plan.repeat > 1).then(Latencies::new).flatten();
    let begun = Instant::now();
    let mut shown: Option<Exchange> = None;
    let mut tally = Tally::default();
    for round in 0..plan.repeat.max(1) {
        if let Some(interval) = plan.interval.filter(|_| round > 0) {
            let due = begun + interval * round;
            session.idle(due).await;
        }
        if cx.cancel.is_cancelled() {
            tally.interrupted = true;
            break;
        }
        let pid = session.pid().filter(|_| plan.measure_child);
        let before = pid.and_then(usage_so_far);
        let exchange = session.call(&plan.call, Instant::now() + plan.timeout).await;
        if let (Some(before), Some(after)) = (before, pid.and_then(usage_so_far)) {
            let spent = after.cpu.saturating_sub(before.cpu);
            let usage = child.get_or_insert_default();
            usage.so_far = after;
            if !spent.is_zero() {
                *usage.calls_cpu.get_or_insert_default() += spent;
            }
        }
        found.phases.add(Phase::Call, exchange.total);
        found.note(&exchange.findings);
        let cause = verdict::unexpected(&exchange);
        // What we broke off ourselves is no answer, and no failure of the server.
        if plan.repeat > 1
            && cx.cancel.is_cancelled()
            && cause.as_ref().is_some_and(|it| it.reason == Reason::Cancelled)
        {
            tally.interrupted = true;
            shown = shown.or(Some(exchange));
            break;
        }
        tally.made += 1;
        if let Some(latencies) = &mut latencies {
            match (&cause, exchange.marks.latency()) {
                (None, Some(latency)) => latencies.record(latency),
                _ => latencies.fail(),
            }
        }
        let ends = matches!(&cause, Some(cause) if ends_session(cause.reason));
        match cause {
            Some(cause) => {
                tally.failed += 1;
                if tally.failed == 1 {
                    found.fail(cause);
                    shown = Some(exchange);
                }
            }
            None if tally.failed == 0 => shown = Some(exchange),
            None => {}
        }
        if ends {
            break;
        }
    }
    tally.sum_up(plan.repeat, found);
    // Without an answer there is nothing to sum up, and no zero to tell.
    (shown, latencies.map(|latencies| latencies.summary()).filter(|summary| summary.count > 0))
}

/// How far a repetition came.
#[derive(Default)]
struct Tally {
    /// Calls that came to an end of their own.
    made: u32,
    failed: u32,
    interrupted: bool,
}

impl Tally {
    /// Says it in the cause: that of the first failure, also where the repetition was interrupted after it.
    fn sum_up(&self, wanted: u32, found: &mut Found) {
        let Self { made, failed, interrupted } = *self;
        match &mut found.cause {
            Some(cause) if failed > 0 && wanted > 1 => {
                let before = if interrupted { " before the interruption" } else { "" };
                let rest = if made < wanted { format!(" ({wanted} were to be made)") } else { String::new() };
                let first = &cause.message;
                cause.message = format!("{failed} of {made} calls failed{before}{rest}, the first with: {first}");
            }
            _ if interrupted => {
                found.fail(Cause::new(Reason::Cancelled, format!("interrupted after {made} of {wanted} calls")));
            }
            _ => {}
        }
    }
}

/// After these nothing more can be had from the session.
fn ends_session(reason: Reason) -> bool {
    matches!(reason, Reason::Exited | Reason::Closed | Reason::Cancelled | Reason::Auth | Reason::Connect)
}

/// A tool that is not declared read-only is called more than once only by consent.
async fn withheld(session: &mut Session, plan: &CallPlan) -> Option<Cause> {
    if plan.repeat <= 1 || plan.call.method != "tools/call" || plan.allow_side_effects {
        return None;
    }
    let name = plan.call.params.get("name").cloned().unwrap_or(Value::Null);
    let tools = match session.tools(Instant::now() + plan.timeout).await {
        Ok(tools) => tools,
        Err(fault) => return Some(fault.cause()),
    };
    let tool = tools.iter().find(|tool| tool.get("name") == Some(&name));
    let read_only = tool.is_some_and(|tool| tool["annotations"]["readOnlyHint"] == Value::Bool(true));
    (!read_only).then(|| {
        Cause::new(
            Reason::Cancelled,
            format!(
                "{name} is not declared read-only, so it was not called {} times: add --allow-side-effects if that \
                 is what you want",
                plan.repeat
            ),
        )
    })
}

/// Opens the target and closes it again: whether it starts at all.
///
/// # Errors
/// Why it does not.
pub async fn starts(cx: &Context, reach: &Reach) -> Result<(), Cause> {
    let (closing, opened) = match open(cx, reach, reach.pin, &Answers::default(), "start").await {
        Ok(session) => (Some(session.into_closing()), Ok(())),
        Err(refused) => (refused.closing, Err(refused.fault.cause())),
    };
    if let Some(closing) = closing {
        closing.finish(cx.grace).await;
    }
    opened
}

/// Opens the target and reads every list that its capabilities announce.
pub async fn overview(cx: &Context, reach: &Reach, timeout: Duration) -> (Overview, Option<Closing>) {
    let mut session = match open(cx, reach, reach.pin, &Answers::default(), "overview").await {
        Ok(session) => session,
        Err(refused) => {
            let (outcome, closing) = refused_call(reach, *refused);
            return (Overview { found: outcome.found, facts: None, lists: Vec::new() }, closing);
        }
    };
    let mut found = Found::of(&reach.name, &session);
    let mut deadline = Instant::now() + timeout;
    let mut lists = Vec::new();
    for method in announced(session.facts()) {
        let exchange = session.call(&Call::new(method, Value::Null), deadline).await;
        let heard = Instant::now();
        found.phases.add(Phase::Call, exchange.total);
        found.note(&exchange.findings);
        found.note(&cx.noticed.of(session.facts(), &exchange).await);
        if found.cause.is_none() {
            // Templates are part of the resources capability, but many servers leave them out.
            let optional = method == "resources/templates/list" && exchange.error().is_some();
            if let Some(cause) = verdict::unexpected(&exchange).filter(|_| !optional) {
                found.fail(cause);
            }
        }
        lists.push(exchange);
        // Looking at what came is not charged to the server.
        deadline += heard.elapsed();
    }
    found.refresh(&session);
    let facts = Some(session.facts().clone());
    (Overview { found, facts, lists }, Some(session.into_closing()))
}

/// The lists that a server's capabilities announce, in the order of the revision's table.
#[must_use]
pub fn announced(facts: &ServerFacts) -> Vec<&'static str> {
    let wanted = |capability: &str| matches!(capability, "tools" | "resources" | "prompts");
    facts
        .revision
        .methods
        .iter()
        .filter(|method| method.list.is_some())
        .filter(|method| method.capability.is_some_and(|capability| wanted(capability) && facts.declares(capability)))
        .map(|method| method.name)
        .collect()
}

pub(super) async fn open(
    cx: &Context,
    reach: &Reach,
    pin: Pin,
    answers: &Answers,
    probe: &str,
) -> Result<Session, Box<Refused>> {
    let opening = Opening {
        pin,
        startup_timeout: reach.startup_timeout,
        answers: answers.clone(),
        known: cx.known(&reach.name),
        cancel: cx.cancel.clone(),
        results: cx.results.clone(),
    };
    let opened = Session::open(&*reach.dial, &opening, cx.tap(probe, reach)).await;
    if opened.is_err() {
        // A server that does not open may be another one when it does.
        cx.forget(&reach.name);
    }
    let session = opened?;
    if pin == Pin::Auto {
        let facts = session.facts();
        cx.learn(&reach.name, Known { revision: facts.revision, transport: facts.transport });
    }
    Ok(session)
}

fn refused_call(reach: &Reach, mut refused: Refused) -> (CallOutcome, Option<Closing>) {
    let exchange = refused.exchange.take().map(|exchange| *exchange);
    let (found, closing) = Found::refused(reach, refused);
    (CallOutcome { found, exchange, latency: None, child: None }, closing)
}

/// Adds findings; one that was there before, with other figures, is brought up to date.
pub fn note(known: &mut Vec<Finding>, findings: &[Finding]) {
    for finding in findings {
        let same = |have: &&mut Finding| {
            have.id == finding.id && have.expected == finding.expected && have.path == finding.path
        };
        match known.iter_mut().find(same) {
            Some(have) => have.clone_from(finding),
            None => known.push(finding.clone()),
        }
    }
}

impl Found {
    /// Of a target that could not be opened, with what is left to close.
    pub(super) fn refused(reach: &Reach, refused: Refused) -> (Self, Option<Closing>) {
        let cause = refused.fault.cause();
        let found = Self {
            target: reach.name.clone(),
            status: verdict::status_of(cause.reason),
            cause: Some(cause),
            connected: false,
            server: None,
            protocol: None,
            phases: refused.phases,
            findings: refused.findings,
            certificate: refused.certificate,
            withheld: false,
        };
        (found, refused.closing)
    }

    /// Of a target that could not even be tried.
    pub(super) fn unreached(target: &str, cause: Cause) -> Self {
        Self {
            target: target.to_owned(),
            status: verdict::status_of(cause.reason),
            cause: Some(cause),
            connected: false,
            server: None,
            protocol: None,
            phases: Phases::default(),
            findings: Vec::new(),
            certificate: None,
            withheld: false,
        }
    }

    /// Of an open session.
    pub(super) fn of(target: &str, session: &Session) -> Self {
        let facts = session.facts();
        Self {
            target: target.to_owned(),
            status: Status::Healthy,
            cause: None,
            connected: true,
            server: facts.identity.clone(),
            protocol: Some(facts.protocol()),
            phases: *session.phases(),
            findings: session.findings(),
            certificate: session.certificate(),
            withheld: false,
        }
    }

    /// Takes over what was learnt since the opening.
    pub(super) fn refresh(&mut self, session: &Session) {
        self.server.clone_from(&session.facts().identity);
        self.note(&session.findings());
    }

    /// It failed.
    pub(super) fn fail(&mut self, cause: Cause) {
        self.status = verdict::status_of(cause.reason);
        self.cause = Some(cause);
    }

    fn judge(&mut self, exchange: &Exchange) {
        if let Some(cause) = verdict::unexpected(exchange) {
            self.fail(cause);
        }
    }

    /// Adds what was noticed.
    pub(super) fn note(&mut self, findings: &[Finding]) {
        note(&mut self.findings, findings);
    }
}

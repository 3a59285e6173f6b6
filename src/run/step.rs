//! One step of a probe: may it be sent, what came, what is expected of it, what is kept of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::judging::{self, Case, Judgement};
use super::locked::Against;
use super::observed;
use super::ruled;
use super::{Context, pause, verdict};
use crate::base::duration;
use crate::base::name::Name;
use crate::base::sanitize::one_line;
use crate::check::Called;
use crate::check::lock::Compared;
use crate::check::rules::Ruled;
use crate::config::suggest;
use crate::config::template::Saved;
use crate::event::{
    Cause, CheckOutcome, CheckStatus, Era, Finding, Reason, Status, StepOutcome, ToolsSeen, TransportKind,
};
use crate::plan::Step;
use crate::plan::step::OnFail;
use crate::protocol::Revision;
use crate::session::{Call, Exchange, Reply, ServerFacts, Session};

/// A step that has more than this share of its attempt's time has all of it.
const LEFT_SHARE: f64 = 0.98;

/// A step that was run.
pub(super) struct Taken {
    pub(super) outcome: StepOutcome,
    /// Whether something was sent that must not be sent twice.
    pub(super) had_effects: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) spent: Duration,
    /// What was spent beside the call: reading the tools, to learn whether the step may be sent, and judging what came.
    /// The server is not charged with it.
    pub(super) aside: Duration,
    /// How long the server asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// The HTTP status of the answer.
    pub(super) http_status: Option<u16>,
    /// The tools, where this read them all.
    pub(super) tools: Option<Arc<ToolsSeen>>,
}

/// Runs a step of the file.
pub(super) async fn take(
    session: &mut Session,
    step: &Step,
    saved: &mut Saved,
    deadline: Instant,
    against: Against<'_>,
) -> Taken {
    let params = match step.params.fill(saved) {
        Ok(params) => params,
        Err(name) => {
            let why = format!("it needs ${{save.{name}}}, which no step saved");
            return Taken::skipped(step, Cause::new(Reason::Check, why));
        }
    };
    let asked = Instant::now();
    let permission = permission(session, step, &params, deadline).await;
    let aside = asked.elapsed();
    let (effects, called) = match permission {
        Ok(permitted) => permitted,
        Err(cause) => return Taken { aside, ..Taken::refused(step, cause) },
    };
    let call = Call { method: step.method.clone(), params, answers: step.answers.clone() };
    let exchange = session.call(&call, deadline + aside).await;
    let heard = Instant::now();
    let exchange = as_asked(step, exchange);
    let locked = if step.wants_lock() { against.reply(session, &exchange) } else { Compared::NotAsked };
    let ruled = ruled::ruled(step, session.facts(), &exchange).await;
    let noticed = against.cx.noticed.of(session.facts(), &exchange).await;
    let case = Arc::new(Case { facts: session.shared_facts(), exchange, called, locked, ruled });
    let Judgement { mut checks, findings } = judging::judge(&step.checks, &case).await;
    let exchange = &case.exchange;
    let (mut status, mut cause) = judge(step, exchange, &mut checks);
    if status != Status::Failed
        && let Some(missed) = keep(step, exchange, saved)
    {
        status = Status::Failed;
        cause = Some(Cause::new(Reason::Check, missed.clone()));
        checks.push(CheckOutcome {
            kind: "save",
            status: CheckStatus::Failed,
            expected: "every path of save matches".to_owned(),
            actual: missed,
            path: None,
            place: Some(step.place.clone()),
        });
    }
    if status == Status::Failed && step.on_fail == OnFail::Degrade {
        status = Status::Degraded;
    }
    Taken {
        had_effects: effects && !step.idempotent,
        findings: exchange.findings.iter().chain(&findings).chain(&*noticed).cloned().collect(),
        spent: exchange.total,
        retry_after: pause::asked_for(exchange),
        http_status: exchange.head.as_ref().map(|head| head.status),
        tools: observed::tools(exchange, &against.cx.lists),
        outcome: outcome(&step.name, exchange, status, cause, checks),
        // The last to be evaluated: digests of the tools take their time, too.
        aside: aside + heard.elapsed(),
    }
}

/// Steps of a session that was refused. Where each asks for the HTTP status of the refusal, each is judged by it; of the
/// server itself nothing is known then.
pub(super) async fn take_refused(steps: &[Step], exchange: &Exchange) -> Option<Vec<Taken>> {
    let asks = |step: &Step| expected_refusal(step, exchange).is_some() || asked_error(step, exchange).is_some();
    if steps.is_empty() || !steps.iter().all(asks) {
        return None;
    }
    let facts = Arc::new(ServerFacts {
        identity: None,
        instructions: None,
        capabilities: Value::Null,
        revision: Revision::newest(Era::Legacy),
        transport: TransportKind::StreamableHttp,
        supported: Vec::new(),
    });
    let mut all = Vec::new();
    for step in steps {
        let exchange = as_asked(step, exchange.clone());
        let case = Arc::new(Case {
            facts: Arc::clone(&facts),
            exchange,
            called: Called::NotRead,
            locked: Compared::NotAsked,
            ruled: Ruled::NotAsked,
        });
        let exchange = &case.exchange;
        let Judgement { mut checks, findings } = judging::judge(&step.checks, &case).await;
        for check in checks.iter_mut().filter(|check| matches!(check.kind, "server" | "protocol" | "capabilities")) {
            check.status = CheckStatus::Blocked;
            "there is no session".clone_into(&mut check.actual);
        }
        let (status, cause) = judge(step, exchange, &mut checks);
        let status =
            if status == Status::Failed && step.on_fail == OnFail::Degrade { Status::Degraded } else { status };
        all.push(Taken {
            had_effects: false,
            findings,
            spent: exchange.total,
            aside: Duration::ZERO,
            retry_after: None,
            http_status: exchange.head.as_ref().map(|head| head.status),
            tools: None,
            outcome: outcome(&step.name, exchange, status, cause, checks),
        });
    }
    Some(all)
}

/// Runs a list of the built-in probe.
pub(super) async fn take_list(session: &mut Session, method: &'static str, deadline: Instant, cx: &Context) -> Taken {
    let exchange = session.call(&Call::new(Name::fixed(method), Value::Null), deadline).await;
    let heard = Instant::now();
    // Templates belong to the resources capability, but many servers do not serve them.
    let optional = method == "resources/templates/list" && exchange.error().is_some();
    let cause = verdict::unexpected(&exchange).filter(|_| !optional);
    let status = cause.as_ref().map_or(Status::Healthy, |cause| verdict::status_of(cause.reason));
    let noticed = cx.noticed.of(session.facts(), &exchange).await;
    Taken {
        had_effects: false,
        findings: exchange.findings.iter().chain(&*noticed).cloned().collect(),
        spent: exchange.total,
        retry_after: pause::asked_for(&exchange),
        http_status: exchange.head.as_ref().map(|head| head.status),
        tools: observed::tools(&exchange, &cx.lists),
        outcome: outcome(&Name::fixed(method), &exchange, status, cause, Vec::new()),
        // The last to be evaluated: digests of the tools take their time, too.
        aside: heard.elapsed(),
    }
}

/// Whether a tool may be called: it is listed and declared read-only, or the step consents. Gives whether the call may
/// have effects, and what is known of the tool. The list is read once per session, outside all timings; where the step
/// consents to all, only a check that asks for the tool's definition has it read, and a list that fails refuses nothing.
async fn permission(
    session: &mut Session,
    step: &Step,
    params: &Value,
    deadline: Instant,
) -> Result<(bool, Called), Cause> {
    if step.method != "tools/call" {
        return Ok((false, Called::NotRead));
    }
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    let listed = |tools: &[Value]| tools.iter().find(|tool| tool["name"] == name).cloned();
    if step.allow_side_effects && step.unlisted {
        let called = if step.checks.iter().any(|expectation| expectation.check.wants_tool()) {
            match session.tools(deadline).await {
                Ok(tools) => listed(tools).map_or(Called::Unlisted, Called::Listed),
                Err(fault) => Called::Unreadable(fault.cause().message),
            }
        } else {
            let known = session.tools_read();
            known.map_or(Called::NotRead, |tools| listed(tools).map_or(Called::Unlisted, Called::Listed))
        };
        return Ok((true, called));
    }
    let tools = session.tools(deadline).await.map_err(|fault| {
        let cause = fault.cause();
        Cause::new(
            cause.reason,
            format!("{name} is not called, because the tools could not be listed: {}", cause.message),
        )
    })?;
    let names = || tools.iter().filter_map(|tool| tool.get("name")?.as_str());
    let Some(tool) = listed(tools) else {
        if step.unlisted {
            return Err(consent(name, "it is not listed, so nothing says that it is read-only"));
        }
        let close = suggest::nearest(name, names()).map(|close| format!("; did you mean {:?}?", one_line(close, 80)));
        let message = format!(
            "the server lists no tool {name:?} ({} are listed){}; `unlisted = true` calls it all the same",
            tools.len(),
            close.unwrap_or_default()
        );
        return Err(Cause::new(Reason::Check, message));
    };
    let read_only = tool["annotations"]["readOnlyHint"] == Value::Bool(true);
    if !read_only && !step.allow_side_effects {
        return Err(consent(name, "the server does not declare it read-only"));
    }
    Ok((!read_only, Called::Listed(tool)))
}

fn consent(name: &str, why: &str) -> Cause {
    let message = format!("{name} was not called: {why}; `allow_side_effects = true` in the step consents to the call");
    Cause::new(Reason::Check, message)
}

/// The status of a call and the reason, in this order: no answer, a broken one, an error or `isError` nobody expected,
/// a check that failed, one that could not be judged, one that warns.
fn judge(step: &Step, exchange: &Exchange, checks: &mut [CheckOutcome]) -> (Status, Option<Cause>) {
    let refusal = expected_refusal(step, exchange);
    if let Some(status) = refusal {
        // What holds by default needs a result, and the step asks for none.
        for check in checks.iter_mut().filter(|check| check.place.is_none() && check.status == CheckStatus::Blocked) {
            check.status = CheckStatus::Skipped;
            check.actual = format!("the step expects HTTP {status}");
        }
    }
    let unexpected = match &exchange.reply {
        Err(_) if refusal.is_some() => None,
        Err(fault) => Some(fault.cause()),
        Ok(reply) => match &reply.body {
            Err(_) if step.expects_error || refusal.is_some() => None,
            Err(error) => Some(Cause::new(Reason::RpcError, verdict::rpc_error(&exchange.method, error))),
            Ok(result) => verdict::broken(exchange, result).or_else(|| {
                let refused =
                    checks.iter().any(|check| check.kind == "is_error" && check.status == CheckStatus::Failed);
                verdict::tool_error(&exchange.method, result).filter(|_| refused)
            }),
        },
    };
    if let Some(cause) = unexpected {
        return (verdict::status_of(cause.reason), Some(cause));
    }
    let first = |status: CheckStatus| checks.iter().position(|check| check.status == status);
    let told = |place: usize, status: Status| {
        let check = &checks[place];
        let reason = step.checks.get(place).map_or(Reason::Check, |expectation| expectation.check.reason());
        let at = check.path.as_ref().map_or_else(String::new, |path| format!(" at {path}"));
        let message = format!("{}: expected {}, got {}{at}", check.kind, check.expected, check.actual);
        (status, Some(Cause::new(reason, message)))
    };
    if let Some(place) = first(CheckStatus::Failed).or_else(|| first(CheckStatus::Blocked)) {
        return told(place, Status::Failed);
    }
    match first(CheckStatus::Warned) {
        Some(place) => told(place, Status::Degraded),
        None => (Status::Healthy, None),
    }
}

/// The JSON-RPC error under the HTTP status that refused the call, where the step asks for this very error.
fn asked_error<'a>(step: &Step, exchange: &'a Exchange) -> Option<&'a Reply> {
    let beneath = exchange.refused.as_ref()?;
    let error = beneath.body.as_ref().err()?;
    step.checks.iter().any(|expectation| expectation.check.asks_for_error(error)).then_some(beneath)
}

/// The exchange as the step wants it judged: by the error it asks for, else by the status above it.
fn as_asked(step: &Step, mut exchange: Exchange) -> Exchange {
    if exchange.reply.is_err()
        && let Some(beneath) = asked_error(step, &exchange)
    {
        exchange.reply = Ok(beneath.clone());
    }
    exchange
}

/// The HTTP status with which the call was refused, where the step asks for it.
fn expected_refusal(step: &Step, exchange: &Exchange) -> Option<u16> {
    let status = exchange.head.as_ref()?.status;
    let refused = exchange.result().is_none() && status >= 300;
    (refused && step.checks.iter().any(|expectation| expectation.check.asks_for_status(status))).then_some(status)
}

/// Keeps what the step saves; says what could not be found.
fn keep(step: &Step, exchange: &Exchange, saved: &mut Saved) -> Option<String> {
    let result = exchange.result()?;
    for (name, path) in &step.save {
        match path.find(result) {
            Some(found) => {
                saved.insert(name.clone(), found.into_owned());
            }
            None => return Some(format!("save.{name}: {} matches nothing in the result", path.text())),
        }
    }
    None
}

fn outcome(
    name: &Name,
    exchange: &Exchange,
    status: Status,
    cause: Option<Cause>,
    checks: Vec<CheckOutcome>,
) -> StepOutcome {
    StepOutcome {
        name: name.clone(),
        method: exchange.method.clone(),
        status,
        cause,
        latency: exchange.marks.latency(),
        first_byte: exchange.marks.first_byte(),
        request_bytes: exchange.request_bytes,
        response_bytes: exchange.response_bytes,
        checks,
        place: None,
        span: exchange.marks.sent.map(|_| exchange.span),
    }
}

impl Taken {
    /// A time-out tells how long was waited. Where earlier calls had left so little of the attempt's time, that is named, too:
    /// it is the number that stands in the file.
    pub(super) fn name_limit(&mut self, limit: Option<Duration>, left: Duration) {
        let Some(cause) = self.outcome.cause.as_mut().filter(|cause| cause.reason == Reason::Timeout) else { return };
        let Some(limit) = limit.filter(|limit| self.outcome.latency.is_none() && left < limit.mul_f64(LEFT_SHARE))
        else {
            return;
        };
        let end = cause.message.find('\n').unwrap_or(cause.message.len());
        let why = format!("; earlier calls had left no more of the attempt's timeout of {}", duration::written(limit));
        cause.message.insert_str(end, &why);
    }

    /// A step that did not run.
    pub(super) fn skipped(step: &Step, why: Cause) -> Self {
        Self::untaken(step, Status::Skipped, Some(why))
    }

    fn refused(step: &Step, cause: Cause) -> Self {
        let status = match (verdict::status_of(cause.reason), step.on_fail) {
            (Status::Failed, OnFail::Degrade) => Status::Degraded,
            (status, _) => status,
        };
        Self::untaken(step, status, Some(cause))
    }

    fn untaken(step: &Step, status: Status, cause: Option<Cause>) -> Self {
        let outcome = StepOutcome {
            name: step.name.clone(),
            method: step.method.clone(),
            status,
            cause,
            latency: None,
            first_byte: None,
            request_bytes: 0,
            response_bytes: 0,
            checks: Vec::new(),
            place: None,
            span: None,
        };
        Self::without_call(outcome)
    }

    /// A step that sent nothing of its own.
    pub(super) fn without_call(outcome: StepOutcome) -> Self {
        Self {
            outcome,
            had_effects: false,
            findings: Vec::new(),
            spent: Duration::ZERO,
            aside: Duration::ZERO,
            retry_after: None,
            http_status: None,
            tools: None,
        }
    }
}

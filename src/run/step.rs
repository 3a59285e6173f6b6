//! One step of a probe: may it be sent, what came, what is expected of it, what is kept of it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{pause, verdict};
use crate::base::sanitize::one_line;
use crate::check::Evidence;
use crate::config::suggest;
use crate::config::template::Saved;
use crate::event::{Cause, CheckOutcome, CheckStatus, Finding, Reason, Status, StepOutcome};
use crate::plan::Step;
use crate::plan::step::OnFail;
use crate::session::{Call, Exchange, Session};

/// A step that was run.
pub(super) struct Taken {
    pub(super) outcome: StepOutcome,
    /// Whether something was sent that must not be sent twice.
    pub(super) had_effects: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) spent: Duration,
    /// What reading the tools took, to learn whether the step may be sent: it counts for nothing.
    pub(super) aside: Duration,
    /// How long the server asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

/// Runs a step of the file.
pub(super) async fn take(session: &mut Session, step: &Step, saved: &mut Saved, deadline: Instant) -> Taken {
    let params = match step.params.fill(saved) {
        Ok(params) => params,
        Err(name) => return Taken::skipped(step, &format!("it needs ${{save.{name}}}, which no step saved")),
    };
    let asked = Instant::now();
    let permission = permission(session, step, deadline).await;
    let aside = asked.elapsed();
    let effects = match permission {
        Ok(effects) => effects,
        Err(cause) => return Taken { aside, ..Taken::refused(step, cause) },
    };
    let call = Call { method: step.method.clone(), params, answers: step.answers.clone() };
    let exchange = session.call(&call, deadline + aside).await;
    let evidence = Evidence { facts: session.facts(), exchange: &exchange };
    let mut checks: Vec<CheckOutcome> = step.checks.iter().map(|check| check.judge(&evidence)).collect();
    let (mut status, mut cause) = judge(step, &exchange, &checks);
    if status != Status::Failed
        && let Some(missed) = keep(step, &exchange, saved)
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
        findings: exchange.findings.clone(),
        spent: exchange.total,
        aside,
        retry_after: pause::asked_for(&exchange),
        outcome: outcome(&step.name, &exchange, status, cause, checks),
    }
}

/// Runs a list of the built-in probe.
pub(super) async fn take_list(session: &mut Session, method: &'static str, deadline: Instant) -> Taken {
    let exchange = session.call(&Call::new(method, Value::Null), deadline).await;
    // Templates belong to the resources capability, but many servers do not serve them.
    let optional = method == "resources/templates/list" && exchange.error().is_some();
    let cause = verdict::unexpected(&exchange).filter(|_| !optional);
    let status = cause.as_ref().map_or(Status::Healthy, |cause| verdict::status_of(cause.reason));
    Taken {
        had_effects: false,
        findings: exchange.findings.clone(),
        spent: exchange.total,
        aside: Duration::ZERO,
        retry_after: pause::asked_for(&exchange),
        outcome: outcome(method, &exchange, status, cause, Vec::new()),
    }
}

/// Whether a tool may be called: it is listed and declared read-only, or the step consents. Gives whether the call may
/// have effects. The list is read once per session, outside all timings.
async fn permission(session: &mut Session, step: &Step, deadline: Instant) -> Result<bool, Cause> {
    if step.method != "tools/call" {
        return Ok(false);
    }
    if step.allow_side_effects && step.unlisted {
        return Ok(true);
    }
    let name = step.tool().unwrap_or_default();
    let tools = session.tools(deadline).await.map_err(|fault| {
        let cause = fault.cause();
        Cause::new(
            cause.reason,
            format!("{name} is not called, because the tools could not be listed: {}", cause.message),
        )
    })?;
    let names = || tools.iter().filter_map(|tool| tool.get("name")?.as_str());
    let Some(tool) = tools.iter().find(|tool| tool.get("name").and_then(Value::as_str) == Some(name)) else {
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
    Ok(!read_only)
}

fn consent(name: &str, why: &str) -> Cause {
    let message = format!("{name} was not called: {why}; `allow_side_effects = true` in the step consents to the call");
    Cause::new(Reason::Check, message)
}

/// The status of a call and the reason, in this order: no answer, a broken one, an error or `isError` nobody expected,
/// a check that failed, one that could not be judged, one that warns.
fn judge(step: &Step, exchange: &Exchange, checks: &[CheckOutcome]) -> (Status, Option<Cause>) {
    let unexpected = match &exchange.reply {
        Err(fault) => Some(fault.cause()),
        Ok(reply) => match &reply.body {
            Err(_) if step.expects_error => None,
            Err(error) => Some(Cause::new(Reason::RpcError, verdict::rpc_error(&exchange.method, error))),
            Ok(result) => verdict::broken(&exchange.method, result).or_else(|| {
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
    name: &str,
    exchange: &Exchange,
    status: Status,
    cause: Option<Cause>,
    checks: Vec<CheckOutcome>,
) -> StepOutcome {
    StepOutcome {
        name: name.to_owned(),
        method: exchange.method.clone(),
        status,
        cause,
        latency: exchange.marks.latency(),
        first_byte: exchange.marks.first_byte(),
        request_bytes: exchange.request_bytes,
        response_bytes: exchange.response_bytes,
        checks,
        place: None,
    }
}

impl Taken {
    /// A step that did not run.
    pub(super) fn skipped(step: &Step, why: &str) -> Self {
        Self::untaken(step, Status::Skipped, Some(Cause::new(Reason::Check, why)))
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
        };
        Self {
            outcome,
            had_effects: false,
            findings: Vec::new(),
            spent: Duration::ZERO,
            aside: Duration::ZERO,
            retry_after: None,
        }
    }
}

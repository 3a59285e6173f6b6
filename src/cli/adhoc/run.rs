//! Carries an ad hoc call out: every target side by side, each told when its answer is there, each closed afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;

use super::{Outcome, Request, Teller, prepare};
use crate::base::duration;
use crate::base::ids::RunId;
use crate::base::name::Name;
use crate::base::sanitize;
use crate::cli::args::AdHoc;
use crate::cli::as_client::Here;
use crate::cli::complaint::Complaint;
use crate::cli::consent::Consents;
use crate::cli::exit::Code;
use crate::cli::words::Named;
use crate::cli::{as_client, listeners, live, output, targets};
use crate::event::{Cause, Era, Finding, Phases, Publisher, Reason, Status};
use crate::files::clients::Client;
use crate::plan::{Endpoint, Inherit, Pin, TIMEOUT, Target};
use crate::report::call::{
    AnswerTold, AsTold, CallTold, CertificateTold, ChildTold, ErrorTold, Heading, NoticeTold, OverviewTold,
};
use crate::run::adhoc::{self, CallOutcome, CallPlan, Found, Overview, opens};
use crate::run::reach::{self, Stage};
use crate::run::{Context, Traces};
use crate::session::{Call, Closing, Exchange};

/// Targets that are asked at the same time.
const TOGETHER_MAX: usize = 32;

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When something cannot be meant, is not there, or cannot be told.
pub fn run(ad_hoc: &AdHoc) -> Result<u8, Complaint> {
    let request = prepare(ad_hoc)?;
    refuse(&request)?;
    let color = request.output.color;
    let resolved = targets::resolve(&request.named, &request.connection, &request.selection, color)?;
    let single = matches!(request.named.as_slice(), [Named::Url(_) | Named::Command(_) | Named::Name(_)]);
    if !request.output.quiet {
        for why in &resolved.unreadable {
            let _ = output::say(&format!("warning: {}\n", sanitize::one_line(why, 600)), true);
        }
        tell_disabled(&resolved.disabled);
    }
    let order: Vec<Name> = resolved.targets.iter().map(|target| target.name.clone()).collect();
    let mut consents = Consents::open(request.selection.yes);
    let (agreed, refused): (Vec<Target>, Vec<Target>) =
        resolved.targets.into_iter().partition(|target| consents.agrees(target));
    if !request.output.quiet {
        targets::warn_of_entries(&agreed);
    }
    let consumers = listeners::consumers(&request.output, agreed.len() > 1)?;
    let wire = !consumers.is_empty();
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    let request = &request;
    let mut teller = Teller::new(request, single, resolved.masker.clone());
    teller.keep_order(order);
    let guarded = !single || request.repeat > 1 || request.connection.as_client.is_some();
    live::run(|signals| async move {
        let cx = Context::new(publisher.clone(), resolved.masker, signals.drain.clone(), guarded)
            .with_traces(Traces::of_environment());
        for target in &refused {
            teller.tell(unreached(request, &target.name, &target.labels, targets::no_consent(target)))?;
        }
        for entry in &resolved.unusable {
            teller.tell(unreached(request, &entry.name, &entry.labels, entry.cause.clone()))?;
        }
        let told = ask_all(&cx, request, agreed, &mut teller).await;
        let unwritten = publisher.finish().first().map(|error| Complaint::new(Code::Undelivered, error.to_string()));
        match told {
            // What could not be told is said, and weighs less than what the servers said.
            Err(complaint) if complaint.code != Code::Undelivered => Err(complaint),
            told => teller.finish(told.err().or(unwritten)),
        }
    })
}

/// What cannot be meant of the methods that open a conversation.
fn refuse(request: &Request) -> Result<(), Complaint> {
    let Some(method) = request.method.as_deref().filter(|method| opens(method)) else { return Ok(()) };
    if request.params.as_ref().is_some_and(|params| params.as_object().is_none_or(|members| !members.is_empty())) {
        return Err(Complaint::usage(format!("{method} takes no parameters here: mcp-probe fills them in"))
            .hint("--protocol chooses the version that is asked for"));
    }
    if request.repeat > 1 {
        return Err(Complaint::usage(format!("{method} is sent once in a session, so -n makes no sense with it")));
    }
    let own = if method == "initialize" { Era::Legacy } else { Era::Modern };
    if request.connection.protocol.and_then(Pin::era).is_some_and(|era| era != own) {
        return Err(Complaint::usage(format!("{method} does not exist in the protocol that --protocol asks for"))
            .hint("initialize belongs to the legacy era (up to 2025-11-25), server/discover to the modern one"));
    }
    Ok(())
}

/// Answers are told as they come; sessions are closed while others still answer.
async fn ask_all(
    cx: &Context,
    request: &Request,
    agreed: Vec<Target>,
    teller: &mut Teller<'_>,
) -> Result<(), Complaint> {
    let stage = Stage::default();
    let text = match agreed.as_slice() {
        [one] => format!("{} {}", request.method.as_deref().unwrap_or("asking"), one.name),
        several => format!("{} targets", several.len()),
    };
    let mut progress = listeners::progress(&text, &request.output);
    let mut waiting = agreed.into_iter();
    // Boxed: these futures are large, and the set moves what it takes several times.
    let mut asking = FuturesUnordered::new();
    let mut closing = FuturesUnordered::new();
    let mut told = Ok(());
    for target in waiting.by_ref().take(TOGETHER_MAX) {
        asking.push(Box::pin(ask(cx, &stage, request, target)));
    }
    while !(asking.is_empty() && closing.is_empty()) {
        tokio::select! {
            biased;
            Some((outcome, rest)) = asking.next() => {
                progress.clear();
                let name = outcome.heading().target.clone();
                let known = outcome.heading().findings.clone();
                if told.is_ok() {
                    told = teller.tell(outcome);
                }
                if let Some(rest) = rest {
                    closing.push(Box::pin(close(cx.grace, name, known, rest)));
                }
                if let Some(target) = waiting.next() {
                    asking.push(Box::pin(ask(cx, &stage, request, target)));
                }
            }
            Some((name, late)) = closing.next() => {
                if told.is_ok() {
                    told = teller.tell_late(&name, &late);
                }
            }
        }
    }
    drop(asking);
    stage.strike(cx.grace).await;
    told
}

async fn close(grace: Duration, target: String, known: Vec<Finding>, closing: Closing) -> (String, Vec<Finding>) {
    let ending = closing.finish(grace).await;
    let is_new = |finding: &Finding| !known.iter().any(|have| have.id == finding.id && have.path == finding.path);
    (target, ending.findings.into_iter().filter(is_new).collect())
}

async fn ask(cx: &Context, stage: &Stage, request: &Request, target: Target) -> (Outcome, Option<Closing>) {
    let (mut outcome, mut closing) = ask_once(cx, stage, request, &target).await;
    if let (Some(client), Inherit::Exactly { .. }) = (request.connection.as_client, &target.inherit_env) {
        Box::pin(compare(cx, &target, client, outcome.heading_mut(), &mut closing)).await;
    }
    (outcome, closing)
}

/// Tells what differs from what this shell gives a server that failed as a client starts it. Where nothing was asked of it
/// yet, it is started once more, as this shell would: outside all that was measured.
async fn compare(
    cx: &Context,
    target: &Target,
    client: &'static Client,
    heading: &mut Heading,
    closing: &mut Option<Closing>,
) {
    let Some(cause) = heading.cause.as_mut().filter(|_| heading.status == Status::Failed) else {
        heading.as_client = Some(AsTold { client: client.id, title: client.title, ..AsTold::default() });
        return;
    };
    let mut told = as_client::differences(target, client, &cause.message);
    let mut here = if heading.connected { Here::Runs } else { Here::NotTried };
    if !heading.connected && as_client::may_explain(cause.reason) && !cx.cancel.is_cancelled() {
        if let Some(closing) = closing.take() {
            let ending = closing.finish(cx.grace).await;
            let is_new = |finding: &Finding| !heading.findings.iter().any(|have| have.id == finding.id);
            let new: Vec<Finding> = ending.findings.into_iter().filter(is_new).collect();
            heading.findings.extend(new);
        }
        if target.start.is_none()
            && let Ok(reach) = reach::reach(cx, &as_client::undressed(target), None)
        {
            here = Here::Tried(adhoc::starts(cx, &reach).await);
        }
    }
    as_client::explain(cause, &mut told, target, &here);
    heading.as_client = Some(told);
}

async fn ask_once(cx: &Context, stage: &Stage, request: &Request, target: &Target) -> (Outcome, Option<Closing>) {
    let timeout = request.connection.timeout.unwrap_or(TIMEOUT);
    let reach = match stage.reach(cx, target).await {
        Ok(reach) => reach,
        Err(cause) => return (unreached(request, &target.name, &target.labels, cause), None),
    };
    match &request.method {
        Some(method) => {
            let plan = CallPlan {
                call: Call::new(method.clone(), request.params.clone().unwrap_or(Value::Null)),
                timeout,
                repeat: u32::try_from(request.repeat).unwrap_or(u32::MAX),
                interval: request.interval,
                allow_side_effects: request.allow_side_effects,
                measure_child: request.usage,
            };
            let (outcome, closing) = Box::pin(adhoc::call(cx, &reach, &plan)).await;
            (Outcome::Call(Box::new(call_told(method, target, outcome))), closing)
        }
        None => {
            let (overview, closing) = Box::pin(adhoc::overview(cx, &reach, timeout)).await;
            (Outcome::Overview(Box::new(overview_told(target, overview))), closing)
        }
    }
}

/// What its own client does not use is not probed; that is said, so that nobody looks for it.
fn tell_disabled(disabled: &[(String, String)]) {
    const SHOWN_MAX: usize = 8;
    if disabled.is_empty() {
        return;
    }
    let one =
        |(name, why): &(String, String)| format!("{} ({})", sanitize::one_line(name, 80), sanitize::one_line(why, 120));
    let mut text = disabled.iter().take(SHOWN_MAX).map(one).collect::<Vec<_>>().join(", ");
    if disabled.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", disabled.len() - SHOWN_MAX));
    }
    let _ = output::say(&format!("left out, because disabled: {text}\n"), true);
}

/// The outcome of a target that was not opened.
fn unreached(request: &Request, name: &str, labels: &BTreeMap<String, String>, cause: Cause) -> Outcome {
    let heading = Heading {
        target: name.to_owned(),
        labels: labels.clone(),
        status: crate::run::verdict::status_of(cause.reason),
        cause: Some(cause),
        connected: false,
        server: None,
        protocol: None,
        phases: Phases::default(),
        findings: Vec::new(),
        certificate: None,
        insecure: false,
        withheld: false,
        as_client: None,
    };
    match &request.method {
        Some(method) => Outcome::Call(Box::new(CallTold {
            heading,
            method: method.clone(),
            answer: None,
            latency: None,
            child: None,
        })),
        None => Outcome::Overview(Box::new(OverviewTold {
            heading,
            capabilities: Value::Null,
            instructions: None,
            lists: Vec::new(),
        })),
    }
}

fn heading(target: &Target, found: Found) -> Heading {
    let https = matches!(&target.endpoint, Endpoint::Url(url) if url.starts_with("https:"));
    let mut cause = found.cause;
    // A time-out of the start names the limit, so that it is plain which one to raise.
    if let Some(cause) = &mut cause
        && cause.reason == Reason::Timeout
        && !found.connected
        && found.status == Status::Failed
    {
        let (first, rest) =
            cause.message.split_once('\n').map_or((cause.message.as_str(), None), |(a, b)| (a, Some(b)));
        let limit = duration::written(target.startup_timeout);
        let mut message = format!("{first}; --startup-timeout ({limit} here) allows more");
        if let Some(rest) = rest {
            message.push('\n');
            message.push_str(rest);
        }
        cause.message = message;
    }
    Heading {
        target: found.target,
        labels: target.labels.as_ref().clone(),
        status: found.status,
        cause,
        connected: found.connected,
        server: found.server,
        protocol: found.protocol,
        phases: found.phases,
        findings: found.findings,
        certificate: found
            .certificate
            .map(|certificate| CertificateTold { not_after: certificate.not_after, subject: certificate.subject }),
        insecure: target.tls.insecure && https,
        withheld: found.withheld,
        as_client: None,
    }
}

fn answer_told(exchange: Exchange) -> AnswerTold {
    let (latency, first_byte) = (exchange.marks.latency(), exchange.marks.first_byte());
    let (body, raw) = match exchange.reply {
        Ok(reply) => {
            let body = reply.body.map(Arc::unwrap_or_clone);
            let body = body.map_err(|error| ErrorTold { code: error.code, message: error.message, data: error.data });
            (Some(body), reply.raw)
        }
        Err(_) => (None, Vec::new()),
    };
    AnswerTold {
        method: exchange.method.into(),
        body,
        raw,
        latency,
        first_byte,
        total: exchange.total,
        pages: exchange.pages,
        request_bytes: exchange.request_bytes,
        response_bytes: exchange.response_bytes,
        notices: exchange
            .notices
            .into_iter()
            .map(|notice| NoticeTold { after: notice.after, method: notice.method.to_string(), params: notice.params })
            .collect(),
    }
}

fn call_told(method: &str, target: &Target, outcome: CallOutcome) -> CallTold {
    CallTold {
        heading: heading(target, outcome.found),
        method: method.to_owned(),
        answer: outcome.exchange.filter(|exchange| exchange.method == method).map(answer_told),
        latency: outcome.latency,
        child: outcome.child.map(|child| ChildTold {
            cpu: child.so_far.cpu,
            resident_bytes: child.so_far.resident_bytes,
            calls_cpu: child.calls_cpu,
        }),
    }
}

fn overview_told(target: &Target, overview: Overview) -> OverviewTold {
    OverviewTold {
        heading: heading(target, overview.found),
        capabilities: overview.facts.as_ref().map_or(Value::Null, |facts| facts.capabilities.clone()),
        instructions: overview.facts.and_then(|facts| facts.instructions),
        lists: overview.lists.into_iter().map(answer_told).collect(),
    }
}

//! The page of a target: its probes, phases, latency over time, tools with their drift, and the last failures with what
//! was said both ways.

use std::sync::Arc;

use jiff::Timestamp;
use minijinja::{Value, context};
use serde::Serialize;
use serde_json::Value as Json;

use super::Facts;
use super::page::{
    AlertTold, BARS, ChangeTold, Moment, SPANS, StatusTold, Wanted, alert_told, by_target, change_told, heading,
    labels, moment, notices, percent, seen, spoken, status_told, templates, told, took, worst,
};
use super::past::Failure;
use crate::base::sanitize;
use crate::event::{ProbeOutcome, StepOutcome, WireRecord};
use crate::report::chart;
use crate::watch::board::PairState;

/// Failures that are shown.
const FAILURES: usize = 20;
/// Points of the drawing.
const POINTS: usize = 120;
/// Messages of one transcript.
const MESSAGES_MAX: usize = 100;
/// Characters of one message.
const PAYLOAD_CHARS_MAX: usize = 4000;
/// Tools that are listed.
const TOOLS_MAX: usize = 500;

/// A probe of the target.
#[derive(Debug, Serialize)]
struct ProbeTold {
    name: String,
    status: StatusTold,
    reason: Option<&'static str>,
    message: Option<String>,
    schedule: String,
    place: Option<String>,
    last: Option<Moment>,
    next: Option<Moment>,
    success: Option<Moment>,
    since: Option<Moment>,
    running: bool,
    took: Option<String>,
    withheld: Option<String>,
    phases: Vec<(&'static str, String)>,
    drawing: Option<Value>,
    steps: Vec<StepTold>,
    findings: Vec<(&'static str, String)>,
    missed: Vec<(&'static str, u64)>,
}

#[derive(Debug, Serialize)]
struct StepTold {
    name: String,
    status: StatusTold,
    latency: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Serialize)]
struct ToolTold {
    name: String,
    digest: String,
    drift: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct FailureTold {
    when: Moment,
    clock: String,
    probe: String,
    status: String,
    reason: String,
    message: String,
    messages: Vec<Message>,
    cut: bool,
}

/// A message of a transcript.
#[derive(Debug, Serialize)]
struct Message {
    sent: bool,
    method: String,
    status: String,
    took: String,
    payload: String,
}

/// The page of a target; none where no such target is.
#[must_use]
pub fn target(facts: &Facts, name: &str, wanted: &Wanted, now: Timestamp) -> Option<Result<String, minijinja::Error>> {
    let fleet = facts.board.fleet();
    let (_, pairs) = by_target(&fleet).into_iter().find(|(_, pairs)| pairs.iter().any(|pair| pair.target == name))?;
    Some(render(facts, &pairs, wanted, now))
}

fn render(
    facts: &Facts,
    pairs: &[Arc<PairState>],
    wanted: &Wanted,
    now: Timestamp,
) -> Result<String, minijinja::Error> {
    let name = pairs.first().map_or("", |pair| pair.target.as_str());
    let mut trouble = None;
    let seen = seen(facts, name, wanted, now, POINTS, &mut trouble);
    let failures = failures(facts, name, pairs, now, &mut trouble);
    let (from, until) = (wanted.from(now), wanted.until(now));
    let operation = facts.board.operation();
    let of_target = |alert: &&crate::watch::board::AlertState| alert.view.target == name;
    let alerts: Vec<AlertTold> =
        facts.board.alerts().iter().filter(of_target).map(|alert| alert_told(alert, now)).collect();
    let changes: Vec<ChangeTold> =
        pairs.iter().flat_map(|pair| pair.changes.iter()).map(|change| change_told(change, now)).collect();
    let newest = pairs.iter().filter_map(|pair| pair.last.as_ref()).max_by_key(|outcome| outcome.started_at);
    let server = newest.and_then(|outcome| outcome.server.as_ref());
    let safe = |text: String| (!text.is_empty()).then(|| Value::from_safe_string(text));
    templates().get_template("target.html")?.render(context! {
        title => sanitize::one_line(name, 80),
        heading => heading(&operation, now),
        notices => notices(&operation, trouble),
        name => sanitize::one_line(name, 200),
        endpoint => pairs.first().map(|pair| sanitize::one_line(&pair.endpoint, 300)),
        labels => labels(pairs),
        status => told(&status_told(worst(pairs))),
        server => server.map(|server| format!(
            "{} {}", sanitize::one_line(&server.name, 80), sanitize::one_line(&server.version, 40)
        )),
        spoken => told(&spoken(pairs)),
        certificate => newest.and_then(|outcome| outcome.observed.certificate_ends).map(|at| told(&moment(at, now))),
        usage => newest.and_then(|outcome| outcome.usage).map(|usage| format!(
            "{} memory, {} processor", crate::base::duration::human_bytes(usage.resident_bytes), took(usage.cpu)
        )),
        probes => told(&pairs.iter().map(|pair| probe_told(pair, now)).collect::<Vec<_>>()),
        alerts => told(&alerts),
        bars => facts.past.as_ref().map(|_| Value::from_safe_string(chart::bars(&seen.bars, from, until, true))),
        bar_count => BARS,
        uptime => seen.uptime.map(percent),
        latency => safe(chart::latency(&seen.points, from, until)),
        latency_now => told(&seen.points.last().map(|point| (took(point.p50), took(point.p95)))),
        tools => told(&tools(pairs)),
        tools_count => super::page::tools(pairs),
        tokens => pairs.iter().find_map(|pair| pair.tools.as_ref()).map(|seen| seen.tokens),
        changes => told(&changes),
        failures => told(&failures),
        wanted => told(wanted),
        spans => told(&SPANS),
        has_past => facts.past.is_some(),
    })
}

fn probe_told(pair: &PairState, now: Timestamp) -> ProbeTold {
    let last = pair.last.as_ref();
    let cause = last.and_then(|outcome| outcome.cause.as_ref());
    let phases: Vec<_> = last.map(|outcome| outcome.phases.iter().collect()).unwrap_or_default();
    let phases: Vec<_> = phases.into_iter().map(|(phase, took)| (phase.name(), took)).collect();
    ProbeTold {
        name: pair.probe.clone(),
        status: status_told(pair.status()),
        reason: cause.map(|cause| cause.reason.code()),
        message: cause.map(|cause| sanitize::printable(&cause.message).into_owned()),
        schedule: pair.every_text.clone(),
        place: pair.place.clone(),
        last: last.map(|outcome| moment(outcome.started_at, now)),
        next: pair.next_due.map(|at| moment(at, now)),
        success: pair.last_success.map(|at| moment(at, now)),
        since: pair.since.map(|at| moment(at, now)),
        running: pair.running,
        took: last.filter(|outcome| !outcome.attempts.is_empty()).map(|outcome| took(outcome.duration)),
        withheld: pair.withheld.as_ref().map(|why| sanitize::printable(why).into_owned()),
        drawing: (!phases.is_empty()).then(|| Value::from_safe_string(chart::phases(&phases))),
        phases: phases.iter().map(|(name, time)| (*name, took(*time))).collect(),
        steps: last.map(|outcome| outcome.steps.iter().map(step_told).collect()).unwrap_or_default(),
        findings: last.map(|outcome| findings(outcome)).unwrap_or_default(),
        missed: pair.missed.iter().map(|(reason, count)| (reason.name(), *count)).collect(),
    }
}

fn step_told(step: &StepOutcome) -> StepTold {
    StepTold {
        name: sanitize::one_line(&step.name, 120),
        status: match step.status {
            crate::event::Status::Skipped => StatusTold { word: "skipped", mark: "–" },
            status => status_told(Some(status)),
        },
        latency: step.latency.map(took),
        message: step.cause.as_ref().map(|cause| sanitize::one_line(&cause.message, 400)),
    }
}

fn findings(outcome: &ProbeOutcome) -> Vec<(&'static str, String)> {
    outcome.findings.iter().map(|finding| (finding.id, sanitize::one_line(&finding.actual, 300))).collect()
}

/// The tools as they were last read, with what became of them lately.
fn tools(pairs: &[Arc<PairState>]) -> Vec<ToolTold> {
    let Some(pair) = pairs.iter().find(|pair| pair.tools.is_some()) else { return Vec::new() };
    let drift = |name: &String| {
        pair.changes.iter().find_map(|change| match () {
            () if change.added.contains(name) => Some("added"),
            () if change.changed.contains(name) => Some("changed"),
            () => None,
        })
    };
    let seen = pair.tools.iter().flat_map(|seen| seen.tools.iter()).take(TOOLS_MAX);
    seen.map(|tool| ToolTold {
        name: sanitize::one_line(&tool.name, 120),
        digest: sanitize::one_line(&tool.digest, 16),
        drift: drift(&tool.name),
    })
    .collect()
}

/// The last failures of the history; where there is none, those that the board still has.
fn failures(
    facts: &Facts,
    target: &str,
    pairs: &[Arc<PairState>],
    now: Timestamp,
    trouble: &mut Option<String>,
) -> Vec<FailureTold> {
    let kept = match &facts.past {
        Some(past) => past.failures(target, FAILURES).unwrap_or_else(|why| {
            trouble.get_or_insert(why);
            Vec::new()
        }),
        None => Vec::new(),
    };
    if !kept.is_empty() {
        return kept.iter().map(|failure| failure_told(failure, now)).collect();
    }
    let last = pairs.iter().filter_map(|pair| pair.last.as_ref());
    last.filter_map(|outcome| {
        let cause = outcome.cause.as_ref()?;
        Some(FailureTold {
            when: moment(outcome.started_at, now),
            clock: clock(outcome.started_at),
            probe: outcome.name.to_string(),
            status: outcome.status.name().to_owned(),
            reason: cause.reason.code().to_owned(),
            message: sanitize::printable(&cause.message).into_owned(),
            messages: outcome.observed.transcript.iter().take(MESSAGES_MAX).map(message_of_record).collect(),
            cut: outcome.observed.transcript.len() > MESSAGES_MAX,
        })
    })
    .collect()
}

fn clock(at: Timestamp) -> String {
    at.strftime("%F %T UTC").to_string()
}

fn failure_told(failure: &Failure, now: Timestamp) -> FailureTold {
    let lines: Vec<&str> = failure.transcript.as_deref().map(|text| text.lines().collect()).unwrap_or_default();
    FailureTold {
        when: moment(failure.at, now),
        clock: clock(failure.at),
        probe: failure.probe.clone(),
        status: failure.status.clone(),
        reason: failure.reason.clone(),
        message: sanitize::printable(&failure.message).into_owned(),
        messages: lines.iter().take(MESSAGES_MAX).map(|line| message_of_line(line)).collect(),
        cut: lines.len() > MESSAGES_MAX,
    }
}

fn message_of_record(record: &WireRecord) -> Message {
    Message {
        sent: record.direction == crate::event::Direction::Sent,
        method: record.method.as_deref().map_or_else(String::new, |method| sanitize::one_line(method, 80)),
        status: record.status.as_deref().map_or_else(String::new, |status| sanitize::one_line(status, 40)),
        took: record.duration.map_or_else(String::new, took),
        payload: payload(&record.payload),
    }
}

/// A line of the wire log. What is no such line is shown as it is.
fn message_of_line(line: &str) -> Message {
    let record: Json = serde_json::from_str(line).unwrap_or_else(|_| Json::String(line.to_owned()));
    let text = |name: &str| {
        record.get(name).and_then(Json::as_str).map_or_else(String::new, |text| sanitize::one_line(text, 80))
    };
    let ms = record.get("duration_ms").and_then(Json::as_f64);
    Message {
        sent: record.get("direction").and_then(Json::as_str) == Some("sent"),
        method: text("method"),
        status: text("status"),
        took: ms.and_then(|ms| std::time::Duration::try_from_secs_f64(ms / 1000.0).ok()).map_or_else(String::new, took),
        payload: payload(record.get("payload").unwrap_or(&record)),
    }
}

fn payload(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    sanitize::cut(&sanitize::printable(&text), PAYLOAD_CHARS_MAX)
}

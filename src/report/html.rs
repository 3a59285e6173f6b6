//! A run as one page that needs nothing else: no script, nothing to load, and a policy that forbids both. What a server
//! says is made visible first, then escaped by the template.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::case::{Case, cases, is_unmet, safe};
use super::chart::{self, Point};
use super::format::{Run, Unmade};
use super::json::{Summary, timestamp};
use crate::base::duration::{human, human_bytes};
use crate::base::sanitize;
use crate::event::{CheckOutcome, Direction, ProbeOutcome, Status, WireRecord};

const STYLE: &str = include_str!("pages/run.css");
/// Probes that are told at length; those that are not well come first.
const PROBES_MAX: usize = 300;
/// Rows of the table of latencies.
const LATENCIES_MAX: usize = 60;
/// Messages of one transcript.
const MESSAGES_MAX: usize = 60;
/// Bytes of all transcripts together.
const TRANSCRIPTS_BYTES_MAX: usize = 4 << 20;
/// Characters of one message, and of what a check quotes.
const TEXT_CHARS_MAX: usize = 4_000;
/// Repetitions from which on there is a line of latency over time.
const REPETITIONS_MIN: usize = 3;

/// The page.
///
/// # Errors
/// When the template is wrong, which any test finds.
pub fn bytes(run: &Run<'_>) -> Result<Vec<u8>, Unmade> {
    render(run).map(String::into_bytes).map_err(|error| Unmade::new("html", &error))
}

fn templates() -> &'static Environment<'static> {
    static TEMPLATES: OnceLock<Environment<'static>> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        // An error shows when the template is asked for.
        let _ = environment.add_template("run.html", include_str!("pages/run.html"));
        environment
    })
}

fn render(run: &Run<'_>) -> Result<String, minijinja::Error> {
    let summary = Summary::of(run);
    let counts = [
        ("failed", "✕", summary.failed),
        ("degraded", "!", summary.degraded),
        ("unknown", "?", summary.unknown),
        ("healthy", "✓", summary.healthy),
    ];
    let worst = run.probes.iter().map(|probe| probe.status).max().unwrap_or(Status::Unknown);
    let shown = shown(run);
    let mut budget = TRANSCRIPTS_BYTES_MAX;
    let told: Vec<ProbeTold> = shown.iter().map(|at| probe_told(run, *at, &run.probes[*at], &mut budget)).collect();
    let page = templates().get_template("run.html")?.render(context! {
        // The policy names this very style sheet by its digest.
        policy => format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
            STANDARD.encode(Sha256::digest(STYLE))
        ),
        style => Value::from_safe_string(STYLE.to_owned()),
        verdict => super::markdown::verdict(run),
        status => worst.name(),
        counts => told_as(&counts),
        started_at => timestamp(run.started_at),
        clock => run.started_at.strftime("%F %T UTC").to_string(),
        took => human(run.duration),
        interrupted => run.interrupted,
        version => env!("CARGO_PKG_VERSION"),
        rows => told_as(&rows(run, &shown)),
        latencies => told_as(&latencies(run)),
        lines => told_as(&lines(run)),
        probes => told_as(&told),
        left => run.probes.len() - shown.len(),
    })?;
    Ok(page + "\n")
}

/// As templates take it.
fn told_as(value: &impl Serialize) -> Value {
    Value::from(Serde(value))
}

/// The places of the probes that are told at length, in order.
fn shown(run: &Run<'_>) -> Vec<usize> {
    let (unwell, well): (Vec<usize>, Vec<usize>) =
        (0..run.probes.len()).partition(|at| run.probes[*at].status != Status::Healthy);
    let mut shown: Vec<usize> = unwell.into_iter().chain(well).take(PROBES_MAX).collect();
    shown.sort_unstable();
    shown
}

/// A status with the mark that goes with it: nobody has to tell colours apart.
#[derive(Serialize)]
struct StatusTold {
    word: &'static str,
    mark: &'static str,
}

fn status_told(word: &'static str) -> StatusTold {
    let mark = match word {
        "healthy" | "passed" => "✓",
        "degraded" | "warned" => "!",
        "failed" | "blocked" => "✕",
        "unknown" => "?",
        _ => "–",
    };
    StatusTold { word, mark }
}

#[derive(Serialize)]
struct Row {
    /// Of the article below; none where it was left out.
    link: Option<usize>,
    name: String,
    target: String,
    status: StatusTold,
    latency: Option<String>,
    spoken: Option<String>,
    message: Option<String>,
}

fn rows(run: &Run<'_>, shown: &[usize]) -> Vec<Row> {
    let row = |(at, probe): (usize, &ProbeOutcome)| Row {
        link: shown.binary_search(&at).ok().map(|_| at),
        name: name(probe),
        target: line(&probe.target),
        status: status_told(probe.status.name()),
        latency: probe.steps.iter().filter_map(|step| step.latency).max().map(human),
        spoken: probe
            .protocol
            .as_ref()
            .map(|used| format!("{} {}", sanitize::one_line(&used.version, 20), used.transport.name())),
        message: probe.cause.as_ref().filter(|_| probe.status != Status::Healthy).map(|cause| {
            format!("{}: {}", cause.reason, sanitize::one_line(&sanitize::cut(&cause.message, TEXT_CHARS_MAX), 240))
        }),
    };
    run.probes.iter().enumerate().map(row).collect()
}

fn name(probe: &ProbeOutcome) -> String {
    match probe.repetition {
        Some(repetition) => format!("{}, run {repetition}", line(&probe.name)),
        None => line(&probe.name),
    }
}

fn line(text: &str) -> String {
    sanitize::one_line(&sanitize::cut(text, TEXT_CHARS_MAX), 200)
}

/// A step of all repetitions, as a strip.
#[derive(Serialize)]
struct LatencyTold {
    name: String,
    probe: String,
    said: String,
    strip: Value,
}

/// A step of a probe on a target, in all repetitions.
struct Measured<'a> {
    probe: &'a str,
    target: &'a str,
    at: usize,
    name: &'a str,
    latencies: Vec<Duration>,
}

/// The steps with their latencies, in the order of the plan, on one scale.
fn latencies(run: &Run<'_>) -> Option<(String, Vec<LatencyTold>, usize)> {
    let mut steps: Vec<Measured<'_>> = Vec::new();
    for probe in run.probes {
        for (at, step) in probe.steps.iter().enumerate() {
            let Some(latency) = step.latency else { continue };
            let same =
                |have: &&mut Measured<'_>| have.at == at && have.probe == probe.name && have.target == probe.target;
            match steps.iter_mut().find(same) {
                Some(known) => known.latencies.push(latency),
                None => steps.push(Measured {
                    probe: &probe.name,
                    target: &probe.target,
                    at,
                    name: &step.name,
                    latencies: vec![latency],
                }),
            }
        }
    }
    let left = steps.len().saturating_sub(LATENCIES_MAX);
    steps.truncate(LATENCIES_MAX);
    let top = chart::round_up(steps.iter().flat_map(|step| step.latencies.iter().copied()).max()?);
    Some((human(top), steps.into_iter().map(|step| latency_told(step, top)).collect(), left))
}

fn latency_told(mut step: Measured<'_>, top: Duration) -> LatencyTold {
    step.latencies.sort_unstable();
    let median = step.latencies.get(step.latencies.len() / 2).copied().map(human).unwrap_or_default();
    let said = match step.latencies.as_slice() {
        [_, .., most] => format!("{median}, at most {}", human(*most)),
        _ => median,
    };
    LatencyTold {
        name: line(step.name),
        probe: format!("{} on {}", line(step.probe), line(step.target)),
        said,
        strip: Value::from_safe_string(chart::strip(&step.latencies, top)),
    }
}

/// Of pairs that were repeated: the latency over time.
fn lines(run: &Run<'_>) -> Vec<(String, Value)> {
    let mut pairs: Vec<((&str, &str), Vec<Point>)> = Vec::new();
    for probe in run.probes.iter().filter(|probe| probe.repetition.is_some()) {
        let mut latencies: Vec<Duration> = probe.steps.iter().filter_map(|step| step.latency).collect();
        latencies.sort_unstable();
        let (Some(median), Some(most)) = (latencies.get(latencies.len() / 2), latencies.last()) else { continue };
        let point = Point { at: probe.started_at, p50: *median, p95: *most };
        let key = (probe.name.as_str(), probe.target.as_str());
        match pairs.iter_mut().find(|(have, _)| *have == key) {
            Some((_, points)) => points.push(point),
            None => pairs.push((key, vec![point])),
        }
    }
    let told = |((probe, target), points): ((&str, &str), Vec<Point>)| {
        let (from, to) = (points.first()?.at, points.last()?.at);
        let drawing = Value::from_safe_string(chart::latency(&points, from, to));
        (points.len() >= REPETITIONS_MIN).then(|| (format!("{} on {}", line(probe), line(target)), drawing))
    };
    pairs.into_iter().filter_map(told).take(LATENCIES_MAX).collect()
}

#[derive(Serialize)]
struct ProbeTold {
    id: usize,
    name: String,
    target: String,
    status: StatusTold,
    open: bool,
    facts: Vec<(&'static str, String)>,
    labels: Vec<String>,
    reason: Option<&'static str>,
    message: Option<String>,
    drawing: Option<Value>,
    phases: Vec<(&'static str, String)>,
    attempts: Vec<(StatusTold, String, String)>,
    steps: Vec<StepTold>,
    findings: Vec<FindingTold>,
    transcript: Vec<MessageTold>,
    cut: bool,
}

#[derive(Serialize)]
struct StepTold {
    name: String,
    method: String,
    status: StatusTold,
    latency: Option<String>,
    bytes: Option<String>,
    place: Option<String>,
    message: Option<String>,
    checks: Vec<CheckTold>,
}

#[derive(Serialize)]
struct CheckTold {
    kind: &'static str,
    status: StatusTold,
    unmet: bool,
    path: Option<String>,
    place: Option<String>,
    expected: String,
    actual: String,
}

#[derive(Serialize)]
struct FindingTold {
    id: &'static str,
    severity: &'static str,
    expected: String,
    actual: String,
}

#[derive(Serialize)]
struct MessageTold {
    sent: bool,
    method: String,
    status: String,
    took: String,
    payload: String,
}

fn probe_told(run: &Run<'_>, id: usize, probe: &ProbeOutcome, budget: &mut usize) -> ProbeTold {
    let cases = cases(probe, run.degraded_fails);
    // What a step tells is not told twice.
    let own = cases.iter().find(|case| case.step.is_none() && case.reason.is_some());
    let phases: Vec<_> = probe.phases.iter().map(|(phase, took)| (phase.name(), took)).collect();
    let (transcript, cut) = transcript(probe, budget);
    let several = probe.attempts.len() > 1;
    ProbeTold {
        id,
        name: name(probe),
        target: line(&probe.target),
        status: status_told(probe.status.name()),
        open: probe.status != Status::Healthy,
        facts: facts(probe),
        labels: probe.labels.iter().map(|(name, value)| format!("{}={}", line(name), line(value))).collect(),
        reason: own.and_then(|case| case.reason).map(crate::event::Reason::code),
        message: own.and_then(|case| case.message).map(|message| safe(message.trim_end(), TEXT_CHARS_MAX)),
        drawing: (!phases.is_empty()).then(|| Value::from_safe_string(chart::phases(&phases))),
        phases: phases.into_iter().map(|(name, took)| (name, human(took))).collect(),
        attempts: probe
            .attempts
            .iter()
            .filter(|_| several)
            .map(|attempt| {
                let why = attempt.cause.as_ref().map_or_else(String::new, |cause| {
                    format!(
                        "{}: {}",
                        cause.reason,
                        sanitize::one_line(&sanitize::cut(&cause.message, TEXT_CHARS_MAX), 300)
                    )
                });
                (status_told(attempt.status.name()), human(attempt.duration), why)
            })
            .collect(),
        steps: cases.iter().filter_map(step_told).collect(),
        findings: probe
            .findings
            .iter()
            .map(|finding| FindingTold {
                id: finding.id,
                severity: finding.severity.name(),
                expected: safe(&finding.expected, TEXT_CHARS_MAX),
                actual: safe(&finding.actual, TEXT_CHARS_MAX),
            })
            .collect(),
        transcript,
        cut,
    }
}

fn facts(probe: &ProbeOutcome) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(server) = &probe.server {
        let short = |text: &str| sanitize::one_line(&sanitize::cut(text, TEXT_CHARS_MAX), 80);
        facts.push(("Server", format!("{} {}", short(&server.name), short(&server.version))));
    }
    if let Some(used) = &probe.protocol {
        let version = sanitize::one_line(&used.version, 40);
        facts.push(("Protocol", format!("{version}, {}, {}", used.era.name(), used.transport.name())));
    }
    if let Some(seen) = &probe.observed.tools {
        facts.push(("Tools", format!("{}, ~{} tokens", seen.tools.len(), seen.tokens)));
    }
    if let Some(usage) = probe.usage {
        facts
            .push(("Process", format!("{} memory, {} processor", human_bytes(usage.resident_bytes), human(usage.cpu))));
    }
    if let Some(place) = &probe.observed.place {
        facts.push(("Place", line(place)));
    }
    facts.push(("Started", probe.started_at.strftime("%F %T UTC").to_string()));
    if probe.was_run() {
        facts.push(("Took", human(probe.duration)));
    }
    facts
}

fn step_told(case: &Case<'_>) -> Option<StepTold> {
    let step = case.step?;
    let checks: Vec<CheckTold> = step.checks.iter().map(check_told).collect();
    Some(StepTold {
        name: line(&step.name),
        method: line(&step.method),
        status: status_told(step.status.name()),
        latency: step.latency.map(human),
        bytes: (step.response_bytes > 0).then(|| human_bytes(step.response_bytes)),
        place: step.place.as_deref().map(line),
        message: case.own_message().map(|message| {
            let reason = case.reason.map_or_else(String::new, |reason| format!("{reason}: "));
            reason + &safe(message.trim_end(), TEXT_CHARS_MAX)
        }),
        checks,
    })
}

fn check_told(check: &CheckOutcome) -> CheckTold {
    CheckTold {
        kind: check.kind,
        status: status_told(check.status.name()),
        unmet: is_unmet(check),
        path: check.path.as_deref().map(line),
        place: check.place.as_deref().map(line),
        expected: safe(&check.expected, TEXT_CHARS_MAX),
        actual: safe(&check.actual, TEXT_CHARS_MAX),
    }
}

/// What was said both ways, as far as the budget of the page goes; and whether there was more.
fn transcript(probe: &ProbeOutcome, budget: &mut usize) -> (Vec<MessageTold>, bool) {
    let records = &probe.observed.transcript;
    let mut told = Vec::new();
    for record in records.iter().take(MESSAGES_MAX) {
        let message = message_told(record);
        let Some(rest) = budget.checked_sub(message.payload.len()) else { break };
        *budget = rest;
        told.push(message);
    }
    let cut = told.len() < records.len();
    (told, cut)
}

fn message_told(record: &WireRecord) -> MessageTold {
    let payload = match &record.payload {
        serde_json::Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    MessageTold {
        sent: record.direction == Direction::Sent,
        method: record.method.as_deref().map_or_else(String::new, line),
        status: record.status.as_deref().map_or_else(String::new, |status| sanitize::one_line(status, 40)),
        took: record.duration.map_or_else(String::new, human),
        payload: safe(&payload, TEXT_CHARS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::samples::{failed, healthy, hostile};

    fn page(probes: &[ProbeOutcome]) -> String {
        let run = Run::new("2026-01-15T09:32:45Z".parse().unwrap(), Duration::from_millis(312), probes);
        String::from_utf8(bytes(&run).unwrap()).unwrap()
    }

    #[test]
    fn what_failed_is_open_and_all_is_there() {
        let text = page(&[healthy(), failed()]);
        for wanted in [
            "2 probes: 1 healthy, 1 failed in 312 ms",
            "<details class=\"probe failed\" id=\"probe-1\" open>",
            "<details class=\"probe healthy\" id=\"probe-0\">",
            "to include &quot;forecast&quot;",
            "mcp-probe.toml:12:1",
            "stdio.stdout_clean",
            "class=\"phases\"",
            "class=\"strip\"",
            "env=prod",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
        }
    }

    #[test]
    fn nothing_is_loaded_and_no_text_is_markup() {
        let text = page(&[hostile(), failed()]);
        for forbidden in
            ["<script", "<img", "<link", "<iframe", " src=\"", "http://evil.example\"", "href=\"http", " style="]
        {
            assert!(!text.contains(forbidden), "{forbidden} stands in the page");
        }
        assert!(text.contains("default-src &#x27;none&#x27;; style-src &#x27;sha256-"), "{}", &text[..600]);
        assert_eq!(text.matches("</style>").count(), 1);
    }

    #[test]
    fn repetitions_are_drawn_over_time() {
        let probes: Vec<ProbeOutcome> = (1..=4).map(|n| ProbeOutcome { repetition: Some(n), ..healthy() }).collect();
        let text = page(&probes);
        assert!(text.contains("class=\"chart\"") && text.contains("4 answers from 1.1 ms to 1.1 ms"), "{text}");
    }

    #[test]
    fn what_is_not_well_comes_first_where_there_is_too_much() {
        let mut probes: Vec<ProbeOutcome> = std::iter::repeat_with(healthy).take(PROBES_MAX + 10).collect();
        probes.push(failed());
        let text = page(&probes);
        assert!(
            text.contains("id=\"probe-310\" open") && text.contains("11 probes that are well are not told"),
            "{text}"
        );
    }
}

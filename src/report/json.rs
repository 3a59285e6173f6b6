//! The document of `check --json`, schema id `mcp-probe/report/1`. Its types are its own: the vocabulary may change,
//! the document does so only under a new number. What is not known is absent, never zero.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::format::{Run, Unmade};
use super::render::value;
use super::{Look, schema};
use crate::base::duration::millis;
use crate::event::{
    Cause, Finding, Phases, ProbeOutcome, ProtocolUsed, ServerIdentity, Status, StepOutcome, replica_of,
};

/// The schema id.
pub const SCHEMA: &str = "mcp-probe/report/1";

/// What the process tree of a stdio server used, from its start to its end.
#[derive(JsonSchema, Serialize)]
struct Child {
    /// Processor time, in milliseconds.
    cpu_ms: f64,
    /// Memory, at its peak.
    resident_bytes: u64,
}

/// What one run of `mcp-probe check` found. What is not known is absent, never zero.
#[derive(JsonSchema, Serialize)]
pub(super) struct Document<'a> {
    /// The id of this document.
    #[schemars(schema_with = "schema::report_id")]
    schema: &'static str,
    /// When the run began.
    #[schemars(schema_with = "schema::timestamp")]
    started_at: String,
    /// From its start to its end.
    duration_ms: f64,
    /// Whether it was interrupted before every probe had its outcome.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
    /// Not begun, because an earlier one failed or the run was interrupted.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(with = "usize")]
    not_run: usize,
    /// How many probes ended how.
    summary: Summary,
    /// Every probe of every target, in the order of the files.
    probes: Vec<Probe<'a>>,
}

/// How many probes ended how.
#[derive(Default, JsonSchema, Serialize)]
pub(super) struct Summary {
    /// All of them.
    pub(super) probes: usize,
    /// As expected.
    pub(super) healthy: usize,
    /// Working, but not as they should.
    pub(super) degraded: usize,
    /// Failed.
    pub(super) failed: usize,
    /// Nobody could tell.
    pub(super) unknown: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
pub(super) fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// One probe of one target.
#[derive(JsonSchema, Serialize)]
pub(super) struct Probe<'a> {
    /// The name of the probe.
    name: &'a str,
    /// The name of the target.
    target: &'a str,
    /// Where it is one of several addresses of a target: of which, and which.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Replica<'a>")]
    replica: Option<Replica<'a>>,
    /// The labels of the target.
    labels: &'a BTreeMap<String, String>,
    /// Where in the probe file: file, line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    place: Option<&'a str>,
    /// With `--repeat`: which repetition it is, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    repetition: Option<u32>,
    /// When it began.
    #[schemars(schema_with = "schema::timestamp")]
    started_at: String,
    /// How it ended.
    #[schemars(schema_with = "schema::status")]
    status: &'static str,
    #[serde(flatten)]
    why: Why<'a>,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server<'a>")]
    server: Option<Server<'a>>,
    /// What was spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Protocol<'a>")]
    protocol: Option<Protocol<'a>>,
    /// From its start to its end, all attempts included.
    duration_ms: f64,
    /// The phases that happened, of the last attempt.
    #[schemars(schema_with = "schema::phases")]
    phases_ms: Map<String, Value>,
    /// Every attempt.
    attempts: Vec<Attempt<'a>>,
    /// The steps of the last attempt.
    steps: Vec<Step<'a>>,
    /// What was noticed beside the checks.
    findings: Vec<FindingDocument<'a>>,
    /// What the process tree of a stdio server used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Child")]
    child: Option<Child>,
}

/// One of several addresses of a target.
#[derive(JsonSchema, Serialize)]
struct Replica<'a> {
    /// The name of the target.
    of: &'a str,
    /// The address.
    address: String,
}

/// `reason` and `message`, where something is not healthy.
#[derive(JsonSchema, Serialize)]
pub(super) struct Why<'a> {
    /// Why it is not healthy, one word of a closed set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reason")]
    reason: Option<&'static str>,
    /// The same in a sentence: what was expected, what came, what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    message: Option<&'a str>,
}

/// What a server calls itself.
#[derive(JsonSchema, Serialize)]
pub(super) struct Server<'a> {
    /// Its name.
    name: &'a str,
    /// Its version.
    version: &'a str,
}

/// What was spoken.
#[derive(JsonSchema, Serialize)]
pub(super) struct Protocol<'a> {
    /// The dated revision.
    version: &'a str,
    /// Its era.
    #[schemars(schema_with = "schema::era")]
    era: &'static str,
    /// How messages travelled.
    #[schemars(schema_with = "schema::transport")]
    transport: &'static str,
}

/// One attempt of a probe.
#[derive(JsonSchema, Serialize)]
struct Attempt<'a> {
    /// How it ended.
    #[schemars(schema_with = "schema::status")]
    status: &'static str,
    #[serde(flatten)]
    why: Why<'a>,
    /// From its start to its end.
    duration_ms: f64,
}

/// One step of a probe.
#[derive(JsonSchema, Serialize)]
struct Step<'a> {
    /// The name of the step.
    name: &'a str,
    /// The method that was called.
    method: &'a str,
    /// How it ended.
    #[schemars(schema_with = "schema::step_status")]
    status: &'static str,
    #[serde(flatten)]
    why: Why<'a>,
    /// From the request being written to the last byte of the reply; of a list, its first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    latency_ms: Option<f64>,
    /// To the first byte of the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    first_byte_ms: Option<f64>,
    /// Size of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    request_bytes: Option<u64>,
    /// Size of the reply; of a list, of all pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    response_bytes: Option<u64>,
    /// What was expected of the reply.
    checks: Vec<Check<'a>>,
    /// Where in the probe file: file, line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    place: Option<&'a str>,
    /// The W3C trace id of the call, as in the wire log, and in `traceparent` where the server is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    trace_id: Option<String>,
}

/// One expectation and how it was judged.
#[derive(JsonSchema, Serialize)]
struct Check<'a> {
    /// The word after `expect.`, or `save`.
    kind: &'static str,
    /// How it was judged.
    #[schemars(schema_with = "schema::check_status")]
    status: &'static str,
    /// What the probe file asked for.
    expected: &'a str,
    /// What came.
    actual: &'a str,
    /// Where in the reply, as a JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    path: Option<&'a str>,
    /// Where in the probe file: file, line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    place: Option<&'a str>,
}

/// Something that was noticed beside the checks.
#[derive(JsonSchema, Serialize)]
pub(super) struct FindingDocument<'a> {
    /// Its id, which `mcp-probe explain` explains.
    id: &'static str,
    /// How much it matters.
    #[schemars(schema_with = "schema::severity")]
    severity: &'static str,
    /// What was expected.
    expected: &'a str,
    /// What came.
    actual: &'a str,
    /// Where in the reply, as a JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    path: Option<&'a str>,
}

/// The document of a run.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn document(run: &Run<'_>) -> Result<Value, serde_json::Error> {
    serde_json::to_value(Document {
        schema: SCHEMA,
        started_at: timestamp(run.started_at),
        duration_ms: millis(run.duration),
        interrupted: run.interrupted,
        not_run: not_run(run),
        summary: Summary::of(run),
        probes: run.probes.iter().map(probe).collect(),
    })
}

/// The document as a file has it.
///
/// # Errors
/// None in practice.
pub fn bytes(run: &Run<'_>) -> Result<Vec<u8>, Unmade> {
    let document = document(run).map_err(|error| Unmade::new("json", &error))?;
    Ok(value::document(&document, &Look::PLAIN).into_bytes())
}

/// How many were not run at all.
pub(super) fn not_run(run: &Run<'_>) -> usize {
    run.probes.iter().filter(|probe| !probe.was_run()).count()
}

impl Summary {
    /// Counts.
    pub(super) fn of(run: &Run<'_>) -> Self {
        let mut summary = Self { probes: run.probes.len(), ..Self::default() };
        for probe in run.probes {
            match probe.status {
                Status::Healthy | Status::Skipped => summary.healthy += 1,
                Status::Degraded => summary.degraded += 1,
                Status::Unknown => summary.unknown += 1,
                Status::Failed => summary.failed += 1,
            }
        }
        summary
    }
}

/// RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn timestamp(at: jiff::Timestamp) -> String {
    format!("{at:.3}")
}

pub(super) fn probe(outcome: &ProbeOutcome) -> Probe<'_> {
    Probe {
        name: &outcome.name,
        target: &outcome.target,
        replica: replica_of(&outcome.target).map(|(of, address)| Replica { of, address: address.to_string() }),
        labels: &outcome.labels,
        place: outcome.observed.place.as_deref(),
        repetition: outcome.repetition,
        started_at: timestamp(outcome.started_at),
        status: outcome.status.name(),
        why: why(outcome.status, outcome.cause.as_ref()),
        server: outcome.server.as_ref().map(server),
        protocol: outcome.protocol.as_ref().map(protocol),
        duration_ms: millis(outcome.duration),
        phases_ms: phases(&outcome.phases),
        attempts: outcome
            .attempts
            .iter()
            .map(|attempt| Attempt {
                status: attempt.status.name(),
                why: why(attempt.status, attempt.cause.as_ref()),
                duration_ms: millis(attempt.duration),
            })
            .collect(),
        steps: outcome.steps.iter().map(step).collect(),
        findings: outcome.findings.iter().map(finding).collect(),
        child: outcome.usage.map(|usage| Child { cpu_ms: millis(usage.cpu), resident_bytes: usage.resident_bytes }),
    }
}

fn step(outcome: &StepOutcome) -> Step<'_> {
    // A step that was never sent has no sizes; zero would read as an empty message.
    let sent = |bytes: u64| (bytes > 0).then_some(bytes);
    Step {
        name: &outcome.name,
        method: &outcome.method,
        status: outcome.status.name(),
        why: why(outcome.status, outcome.cause.as_ref()),
        latency_ms: outcome.latency.map(millis),
        first_byte_ms: outcome.first_byte.map(millis),
        request_bytes: sent(outcome.request_bytes),
        response_bytes: sent(outcome.response_bytes),
        checks: outcome
            .checks
            .iter()
            .map(|check| Check {
                kind: check.kind,
                status: check.status.name(),
                expected: &check.expected,
                actual: &check.actual,
                path: check.path.as_deref(),
                place: check.place.as_deref(),
            })
            .collect(),
        place: outcome.place.as_deref(),
        trace_id: outcome.trace_id().map(|id| id.to_string()),
    }
}

pub(super) fn why(status: Status, cause: Option<&Cause>) -> Why<'_> {
    let cause = cause.filter(|_| status != Status::Healthy);
    Why { reason: cause.map(|cause| cause.reason.code()), message: cause.map(|cause| cause.message.as_str()) }
}

pub(super) fn server(identity: &ServerIdentity) -> Server<'_> {
    Server { name: &identity.name, version: &identity.version }
}

pub(super) fn protocol(used: &ProtocolUsed) -> Protocol<'_> {
    Protocol { version: &used.version, era: used.era.name(), transport: used.transport.name() }
}

pub(super) fn phases(phases: &Phases) -> Map<String, Value> {
    phases.iter().map(|(phase, took)| (phase.name().to_owned(), Value::from(millis(took)))).collect()
}

pub(super) fn finding(finding: &Finding) -> FindingDocument<'_> {
    FindingDocument {
        id: finding.id,
        severity: finding.severity.name(),
        expected: &finding.expected,
        actual: &finding.actual,
        path: finding.path.as_deref(),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Outcomes that the tests of the reports share.

    use std::time::Duration;

    use super::*;
    use crate::event::{AttemptOutcome, CheckOutcome, CheckStatus, Era, Phase, Reason, Severity, TransportKind};

    pub(crate) fn healthy() -> ProbeOutcome {
        let mut phases = Phases::default();
        phases.add(Phase::Spawn, Duration::from_micros(400));
        phases.add(Phase::Handshake, Duration::from_millis(2));
        ProbeOutcome {
            name: "alive".into(),
            target: "files".into(),
            labels: BTreeMap::new().into(),
            repetition: None,
            started_at: "2026-01-15T09:32:45.120Z".parse().unwrap(),
            status: Status::Healthy,
            cause: None,
            connected: true,
            server: None,
            protocol: Some(ProtocolUsed {
                version: "2026-07-28".into(),
                era: Era::Modern,
                transport: TransportKind::Stdio,
            }),
            duration: Duration::from_micros(3_100),
            phases,
            attempts: vec![AttemptOutcome {
                status: Status::Healthy,
                cause: None,
                duration: Duration::from_micros(3_100),
            }],
            steps: vec![StepOutcome {
                name: "tools/list".into(),
                method: "tools/list".into(),
                status: Status::Healthy,
                cause: None,
                latency: Some(Duration::from_micros(1_100)),
                first_byte: Some(Duration::from_millis(1)),
                request_bytes: 80,
                response_bytes: 500,
                checks: vec![],
                place: None,
                span: None,
            }],
            findings: vec![],
            usage: None,
            observed: crate::event::Observed::default(),
        }
    }

    /// What a server may put into any text.
    pub(crate) const HOSTILE: &str = "\u{1b}[2J\u{1b}]8;;http://evil.example\u{7}a\u{0}\u{9b}31m ]]> </script><script>alert(1)\
        </script> <img src=x> | ` ``` * [a](http://evil.example) @everyone www.evil.example x@evil.example &amp; \
        \u{202e}bidi\u{202c}\u{200b}\u{2028}\u{ffff}\u{fffe} ${{ secrets.A }} \\ # % 'q' \"d\"\r\n::error file=a::owned\n\
        ##[error]owned\nnot ok 1 - owned\n1..9\nBail out! owned\n  ...\n---\n\u{feff}end";

    /// A failed probe with such a text in every field that a server controls, and one that is very long.
    pub(crate) fn hostile() -> ProbeOutcome {
        let long = HOSTILE.to_owned() + &"x|y\u{1b}".repeat(250_000);
        let mut probe = failed();
        probe.name = "a|b 'c' ::d:: \"e\" \\ # <f> ]]> `".into();
        probe.server = Some(ServerIdentity { name: HOSTILE.into(), version: HOSTILE.into() });
        if let Some(used) = &mut probe.protocol {
            used.version = HOSTILE.into();
        }
        let cause = Cause::new(Reason::RpcError, long.clone());
        probe.cause = Some(cause.clone());
        probe.attempts[0].cause = Some(cause.clone());
        probe.steps[0].name = HOSTILE.into();
        probe.steps[0].cause = Some(cause);
        let check = probe.steps[0].checks[0].clone();
        probe.steps[0].checks.push(CheckOutcome { expected: long.clone(), actual: long.clone(), ..check });
        probe.steps[0].checks[0].actual = HOSTILE.into();
        probe.steps[0].checks[0].path = Some(HOSTILE.into());
        let finding = Finding::new("list.unique_names", Severity::Error, HOSTILE, long);
        probe.findings.push(Finding { path: Some(HOSTILE.into()), ..finding });
        probe.observed.transcript = vec![crate::event::WireRecord {
            probe: probe.name.to_string(),
            target: probe.target.to_string(),
            call_id: "1".into(),
            rpc_id: None,
            trace_id: "0".into(),
            span_id: "0".into(),
            direction: crate::event::Direction::Received,
            method: Some(HOSTILE.into()),
            status: Some(HOSTILE.into()),
            bytes: 1,
            duration: Some(Duration::from_millis(1)),
            payload: Value::from(HOSTILE),
        }];
        probe
    }

    pub(crate) fn failed() -> ProbeOutcome {
        let cause = Cause::new(Reason::Check, "tools: expected to include \"forecast\", got 1 tool: \"echo\"");
        let mut phases = Phases::default();
        phases.add(Phase::Resolve, Duration::from_micros(100));
        phases.add(Phase::Connect, Duration::from_micros(300));
        phases.add(Phase::Handshake, Duration::from_millis(2));
        ProbeOutcome {
            name: "smoke".into(),
            target: "weather".into(),
            labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]).into(),
            status: Status::Failed,
            cause: Some(cause.clone()),
            server: Some(ServerIdentity { name: "weather-mcp".into(), version: "1.2.0".into() }),
            protocol: Some(ProtocolUsed {
                version: "2025-11-25".into(),
                era: Era::Legacy,
                transport: TransportKind::StreamableHttp,
            }),
            duration: Duration::from_micros(10_100),
            phases,
            attempts: vec![AttemptOutcome {
                status: Status::Failed,
                cause: Some(cause.clone()),
                duration: Duration::from_micros(10_100),
            }],
            steps: vec![StepOutcome {
                status: Status::Failed,
                cause: Some(cause),
                latency: Some(Duration::from_micros(4_200)),
                first_byte: Some(Duration::from_micros(3_900)),
                response_bytes: 2_048,
                checks: vec![CheckOutcome {
                    kind: "tools",
                    status: CheckStatus::Failed,
                    expected: "to include \"forecast\"".into(),
                    actual: "1 tool: \"echo\"".into(),
                    path: Some("$.tools".into()),
                    place: Some("mcp-probe.toml:12:1".into()),
                }],
                ..healthy().steps.remove(0)
            }],
            findings: vec![Finding::new("stdio.stdout_clean", Severity::Warning, "only messages", "2 lines of log")],
            ..healthy()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use serde_json::json;

    #[test]
    fn the_document_is_that_of_the_contract() {
        let probes = [samples::healthy(), samples::failed()];
        let started_at = "2026-01-15T09:32:45.12Z".parse().unwrap();
        let document = document(&Run::new(started_at, Duration::from_micros(12_300), &probes)).unwrap();
        assert_eq!(document["schema"], "mcp-probe/report/1");
        assert_eq!(document["started_at"], "2026-01-15T09:32:45.120Z");
        assert_eq!(document["duration_ms"], 12.3);
        assert_eq!(document["summary"], json!({"probes": 2, "healthy": 1, "degraded": 0, "failed": 1, "unknown": 0}));
        assert_eq!(
            document["probes"][1],
            json!({"name": "smoke", "target": "weather", "labels": {"env": "prod"},
                "started_at": "2026-01-15T09:32:45.120Z", "status": "failed", "reason": "check",
                "message": "tools: expected to include \"forecast\", got 1 tool: \"echo\"",
                "server": {"name": "weather-mcp", "version": "1.2.0"},
                "protocol": {"version": "2025-11-25", "era": "legacy", "transport": "streamable-http"},
                "duration_ms": 10.1,
                "phases_ms": {"resolve": 0.1, "connect": 0.3, "handshake": 2.0},
                "attempts": [{"status": "failed", "reason": "check",
                    "message": "tools: expected to include \"forecast\", got 1 tool: \"echo\"", "duration_ms": 10.1}],
                "steps": [{"name": "tools/list", "method": "tools/list", "status": "failed", "reason": "check",
                    "message": "tools: expected to include \"forecast\", got 1 tool: \"echo\"",
                    "latency_ms": 4.2, "first_byte_ms": 3.9, "request_bytes": 80, "response_bytes": 2048,
                    "checks": [{"kind": "tools", "status": "failed", "expected": "to include \"forecast\"",
                        "actual": "1 tool: \"echo\"", "path": "$.tools", "place": "mcp-probe.toml:12:1"}]}],
                "findings": [{"id": "stdio.stdout_clean", "severity": "warning", "expected": "only messages",
                    "actual": "2 lines of log"}]})
        );
        let keys: Vec<&String> = document["probes"][0].as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "name",
                "target",
                "labels",
                "started_at",
                "status",
                "protocol",
                "duration_ms",
                "phases_ms",
                "attempts",
                "steps",
                "findings"
            ]
        );
    }
}

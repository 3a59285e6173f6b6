//! Runs go in as events, text comes out: compared to the byte, and read by Prometheus' own parser.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::base::ids::{RunId, SpanContext};
use crate::event::{
    AlertChange, AttemptOutcome, Cause, Era, EventKind, Missed, Phase, ProbeOutcome, ProtocolUsed, Publisher, Reason,
    Scheduled, Status, StepOutcome, ToolSeen, ToolsSeen, TransportKind, Usage,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn step(method: &str, latency: Option<u64>, cause: Option<Reason>) -> StepOutcome {
    StepOutcome {
        name: method.into(),
        method: method.into(),
        status: if cause.is_some() { Status::Failed } else { Status::Healthy },
        cause: cause.map(|reason| Cause::new(reason, "…")),
        latency: latency.map(ms),
        first_byte: None,
        request_bytes: 1,
        response_bytes: 1,
        checks: Vec::new(),
        place: None,
        span: None,
    }
}

pub(super) fn run(probe: &str, target: &str, steps: Vec<StepOutcome>) -> ProbeOutcome {
    let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    let mut outcome = ProbeOutcome::not_run(probe, target, &labels, Cause::new(Reason::Internal, ""));
    outcome.cause = steps.iter().find_map(|step| step.cause.clone());
    outcome.status = if outcome.cause.is_some() { Status::Failed } else { Status::Healthy };
    outcome.started_at = at(1_768_469_565);
    outcome.duration = ms(61);
    outcome.phases.add(Phase::Connect, ms(5));
    outcome.phases.add(Phase::Call, ms(42));
    outcome.attempts = vec![AttemptOutcome { status: outcome.status, cause: None, duration: ms(61) }];
    outcome.steps = steps;
    outcome.protocol =
        Some(ProtocolUsed { version: "2025-11-25".into(), era: Era::Legacy, transport: TransportKind::StreamableHttp });
    outcome.observed.timeout = ms(5_000);
    outcome.observed.http_status = Some(200);
    outcome.observed.certificate_ends = Some(at(1_800_000_000));
    let tool = ToolSeen { name: "{evil=\"".to_owned(), digest: "0".to_owned() };
    outcome.observed.tools = Some(ToolsSeen { tokens: 120, tools: vec![tool], ..ToolsSeen::default() }.into());
    outcome.observed.scheduled = Some(Scheduled { due_at: at(1_768_469_565), lag: ms(2), queued: ms(0) });
    outcome
}

fn publish(publisher: &Publisher, outcome: ProbeOutcome) {
    publisher.publish(EventKind::ProbeFinished { index: 0, outcome: Arc::new(outcome) });
}

pub(super) fn listening() -> (Shared, Publisher) {
    let shared = Shared::default();
    let publisher = Publisher::new(RunId::random(), vec![Box::new(shared.recorder())], false);
    (shared, publisher)
}

fn text(shared: &Shared, format: Format, own: Own) -> String {
    shared.snapshot(at(1_768_469_600), own).text(format)
}

fn own() -> Own {
    Own {
        started_at: Some(at(1_768_469_000)),
        plan_loaded_at: Some(at(1_768_469_001)),
        plan_is_current: Some(true),
        queue: Some(0),
        running: Some(2),
        limit: Some(64),
        outbox_waiting: Some(1),
        outbox_oldest: Some(ms(1_500)),
        channels_failing: BTreeMap::from([("oncall".to_owned(), false), ("ops".to_owned(), true)]),
        shard: None,
        store_works: Some(true),
        open_connections: BTreeMap::from([("weather".to_owned(), 1)]),
        children_up: BTreeMap::new(),
        pushes: vec![PushFigures {
            name: "hub".to_owned(),
            sent: 7,
            failed: 2,
            lost: [(Loss::Expired, 1)].into(),
            last_success: Some(at(1_768_469_590)),
            waiting: 3,
        }],
    }
}

/// What Prometheus' own linter says of a text; nothing is well.
fn promtool(text: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    if output.status.success() { said } else { format!("{}: {said}", output.status) }
}

fn eventful() -> Shared {
    let (shared, publisher) = listening();
    publish(&publisher, run("smoke", "weather", vec![step("tools/list", Some(42), None)]));
    publish(&publisher, run("smoke", "weather", vec![step("tools/list", None, Some(Reason::Timeout))]));
    let mut child = run("deep", "files", vec![step("tools/call", Some(7), Some(Reason::ToolError))]);
    child.phases.add(Phase::Spawn, ms(30));
    child.usage = Some(Usage { cpu: ms(250), resident_bytes: 52_428_800 });
    child.protocol.as_mut().unwrap().transport = TransportKind::Stdio;
    publish(&publisher, child);
    publisher.publish(EventKind::RunMissed {
        probe: "smoke".into(),
        target: "weather".into(),
        reason: Missed::Overrun,
        count: 3,
    });
    publisher.publish(EventKind::AlertChanged(Box::new(change("spike", true))));
    shared
}

fn change(alert: &str, firing: bool) -> AlertChange {
    AlertChange {
        alert: alert.to_owned(),
        probe: "smoke".to_owned(),
        target: "weather".to_owned(),
        state: if firing { "firing" } else { "resolved" },
        firing,
        message: "said by the server".to_owned(),
    }
}

#[test]
fn the_texts_are_known_to_the_byte() {
    let shared = eventful();
    for (format, golden) in [
        (Format::Classic, include_str!("goldens/classic.txt")),
        (Format::OpenMetrics, include_str!("goldens/openmetrics.txt")),
    ] {
        let text = text(&shared, format, own()).replace(env!("CARGO_PKG_VERSION"), "VERSION");
        assert!(text == golden, "the text of {format:?} is now:\n{text}");
    }
}

#[test]
fn prometheus_finds_nothing_to_complain_of() {
    assert_eq!(promtool(&text(&eventful(), Format::Classic, own())), "");
    assert_eq!(promtool(&text(&eventful(), Format::Classic, Own::default())), "");
    let outcome = run("smoke", "weather", vec![step("tools/list", Some(42), None)]);
    assert_eq!(promtool(&Snapshot::of_one_run(&outcome, ms(5_000)).text(Format::Classic)), "");
    assert!(promtool("a_total 1\n").contains("no help text"), "the linter is at work");
}

#[test]
fn every_family_that_is_written_is_in_the_table_and_every_one_of_the_table_can_be() {
    let (shared, publisher) = listening();
    let mut all = run("smoke", "weather", vec![step("tools/list", None, Some(Reason::Timeout))]);
    all.usage = Some(Usage { cpu: ms(1), resident_bytes: 1 });
    all.observed.token_ends = Some(at(1_900_000_000));
    publish(&publisher, run("deep", "weather", vec![step("ping", Some(1), None)]));
    publish(&publisher, all);
    publisher.publish(EventKind::AlertChanged(Box::new(change("spike", false))));
    let text = text(&shared, Format::Classic, own());
    let written: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let table: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(written, table);
    for family in FAMILIES {
        let sample = text.lines().find(|line| line.starts_with(&format!("{}{{", family.name)));
        for label in family.labels.iter().filter(|_| family.kind != Kind::Histogram) {
            assert!(sample.is_some_and(|sample| sample.contains(&format!("{label}=\""))), "{}: {label}", family.name);
        }
    }
}

#[test]
fn names_of_files_are_escaped_and_words_of_servers_are_no_labels() {
    let (shared, publisher) = listening();
    let mut outcome = run("p\"\\\n", "t{}=,é", vec![step("x/\"y\"", Some(1), None)]);
    outcome.labels = BTreeMap::from([
        ("a-b".to_owned(), "\"\\\n".to_owned()),
        ("era".to_owned(), "mine".to_owned()),
        ("9".to_owned(), "nine".to_owned()),
        ("__x".to_owned(), "hidden".to_owned()),
        ("reason".to_owned(), "of mine".to_owned()),
    ])
    .into();
    outcome.protocol.as_mut().unwrap().version = "2025-11-25\"} 1\nevil 1".into();
    publish(&publisher, outcome);
    let text = text(&shared, Format::Classic, own());
    assert_eq!(promtool(&text), "", "{text}");
    let own = r#"_9="nine",a_b="\"\\\n",exported_era="mine",exported_reason="of mine",exported_x="hidden""#;
    assert!(text.contains(&format!(r#"probe_success{{probe="p\"\\\n",target="t{{}}=,é",{own}}} 1"#)), "{text}");
    // Under the same names in every family, behind the labels of its own.
    let runs = r#"mcp_probe_runs_total{probe="p\"\\\n",target="t{}=,é",status="healthy",reason="","#;
    assert!(text.contains(&format!("{runs}{own}}} 1")), "{text}");
    let of_targets = text.lines().filter(|line| line.contains("target=\"t{}"));
    assert!(of_targets.clone().count() > 30 && of_targets.clone().all(|line| line.contains(own)), "{text}");
    let info =
        r#"mcp_probe_target_info{target="t{}=,é",era="legacy",protocol_version="_OTHER",transport="streamable-http","#;
    assert!(text.contains(&format!("{info}{own}}} 1")), "{text}");
    assert!(!text.contains("evil"), "{text}");
}

#[test]
fn what_is_unknown_is_absent() {
    let (shared, publisher) = listening();
    publish(&publisher, run("smoke", "weather", vec![step("ping", Some(1), None)]));
    let cause = Cause::new(Reason::Suspended, "…");
    publish(&publisher, ProbeOutcome::not_run("smoke", "weather", &BTreeMap::new(), cause));
    let text = text(&shared, Format::Classic, Own::default());
    for absent in [
        "probe_success",
        "probe_duration_seconds",
        "probe_http_status_code",
        "probe_mcp_duration_seconds{",
        "_queued_runs",
    ] {
        assert!(!text.contains(&format!("\n{absent}")), "{absent}: {text}");
    }
    assert!(text.contains(
        "mcp_probe_runs_total{probe=\"smoke\",target=\"weather\",status=\"unknown\",reason=\"suspended\"} 1\n"
    ));
    assert!(text.contains("mcp_probe_last_success_timestamp_seconds{probe=\"smoke\",target=\"weather\"} 1768469565\n"));
    assert!(
        text.contains("mcp_probe_tools{probe=\"smoke\",target=\"weather\"} 1\n"),
        "the list is known still: {text}"
    );
}

#[test]
fn series_of_what_was_removed_are_dropped_and_do_not_come_back() {
    let (shared, publisher) = listening();
    for target in ["weather", "files"] {
        publish(&publisher, run("smoke", target, vec![step("ping", Some(1), None)]));
    }
    publisher.publish(EventKind::AlertChanged(Box::new(change("spike", true))));
    publisher.publish(EventKind::AlertChanged(Box::new(change("removed", true))));
    let pairs = vec![("smoke".to_owned(), "weather".to_owned())];
    shared.watch_only(Roster { pairs, alerts: vec!["spike".to_owned()], ..Roster::default() });
    publish(&publisher, run("smoke", "files", vec![step("ping", Some(1), None)]));
    publisher.publish(EventKind::AlertChanged(Box::new(change("removed", false))));
    let mut own_alert = change("connectivity", true);
    (own_alert.probe, own_alert.target) = (String::new(), String::new());
    publisher.publish(EventKind::AlertChanged(Box::new(own_alert)));
    let text = text(&shared, Format::Classic, Own::default());
    assert!(text.contains("weather") && text.contains("alert=\"spike\"") && text.contains("alert=\"connectivity\""));
    assert!(!text.contains("files") && !text.contains("removed"), "{text}");
}

#[test]
fn a_probe_with_too_many_methods_ends_in_one_series_for_the_rest() {
    let (shared, publisher) = listening();
    let steps: Vec<StepOutcome> = (0..500).map(|at| step(&format!("made/{at}"), Some(1), None)).collect();
    publish(&publisher, run("smoke", "weather", steps.clone()));
    publish(&publisher, run("smoke", "weather", steps));
    let text = text(&shared, Format::Classic, Own::default());
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(lines("mcp_probe_requests_total{"), 65);
    assert_eq!(lines("mcp_client_operation_duration_seconds_count{"), 65);
    let rest = "mcp_probe_requests_total{probe=\"smoke\",target=\"weather\",method=\"_OTHER\",outcome=\"ok\",env=\"prod\"} 872\n";
    assert!(text.contains(rest), "{text}");
    assert!(text.contains("mcp_probe_overflowed_series_total 1744\n"), "{text}");
}

#[test]
fn a_held_child_counts_what_it_used_since_and_a_new_one_all_of_it() {
    let (shared, publisher) = listening();
    let used = |cpu: u64, fresh: bool| {
        let mut outcome = run("smoke", "files", Vec::new());
        outcome.usage = Some(Usage { cpu: ms(cpu), resident_bytes: 1 });
        if fresh {
            outcome.phases.add(Phase::Spawn, ms(1));
        }
        outcome
    };
    for (cpu, fresh, total) in [(100, true, "0.1"), (150, false, "0.15"), (400, true, "0.55"), (50, false, "0.6")] {
        publish(&publisher, used(cpu, fresh));
        let text = text(&shared, Format::Classic, Own::default());
        assert!(
            text.contains(&format!("mcp_probe_child_cpu_seconds_total{{target=\"files\",env=\"prod\"}} {total}\n")),
            "{cpu}: {text}"
        );
    }
}

#[test]
fn one_run_is_told_without_saying_of_what() {
    let outcome = run("smoke", "weather", vec![step("tools/list", Some(42), None)]);
    let text = Snapshot::of_one_run(&outcome, ms(9_500)).text(Format::Classic);
    assert!(text.contains("probe_success 1\nprobe") || text.contains("probe_success 1\n#"), "{text}");
    assert!(text.contains("\nprobe_timeout_seconds 9.5\n") && text.contains("{phase=\"call\"} 0.042\n"), "{text}");
    assert!(!text.contains("probe=\"") && !text.contains("target=\""), "{text}");
    let of_the_table: Vec<&str> = FAMILIES.iter().filter(|family| family.on_probe).map(|family| family.name).collect();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert!(of_the_table.contains(&line.split(' ').next().unwrap()), "{line}");
    }
    assert!(Snapshot::of_one_run(&outcome, ms(1)).text(Format::OpenMetrics).ends_with("# EOF\n"));
}

#[test]
fn the_reader_gets_what_it_accepts() {
    let open = Format::OpenMetrics;
    for (accept, format) in [
        (None, Format::Classic),
        (Some("*/*"), Format::Classic),
        (Some("application/openmetrics-text"), open),
        (Some("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), open),
        (Some("application/openmetrics-text;version=1.0.0;q=0.4, text/plain;version=0.0.4;q=0.5"), Format::Classic),
        (Some("application/openmetrics-text; version=\"1.0.0\"; escaping=allow-utf-8"), open),
        (Some("application/openmetrics-text;version=2.0.0"), Format::Classic),
        (Some("application/openmetrics-text;q=0"), Format::Classic),
        (Some("application/vnd.google.protobuf;proto=x;q=0.9,text/html"), Format::Classic),
    ] {
        assert_eq!(Format::negotiate(accept), format, "{accept:?}");
    }
}

#[test]
fn the_newest_call_of_a_bucket_is_its_example_where_its_trace_is_recorded() {
    let (shared, publisher) = listening();
    let traced = |latency: u64, sampled: bool| {
        let mut step = step("ping", Some(latency), None);
        let span = SpanContext { sampled, ..SpanContext::root() };
        step.span = Some(span);
        publish(&publisher, run("smoke", "weather", vec![step]));
        span.trace_id.to_string()
    };
    traced(42, true);
    let (newest, slow) = (traced(43, true), traced(700_000, true));
    traced(44, false);
    let open = text(&shared, Format::OpenMetrics, Own::default());
    for line in [
        format!("le=\"0.05\"}} 3 # {{trace_id=\"{newest}\"}} 0.043 1768469565.043\n"),
        format!("le=\"+Inf\"}} 4 # {{trace_id=\"{slow}\"}} 700.0 1768470265.000\n"),
    ] {
        assert!(open.contains(&line), "{line}: {open}");
    }
    assert_eq!(open.matches(" # {").count(), 2, "{open}");
    assert!(!text(&shared, Format::Classic, Own::default()).contains("trace_id"), "the classic text has none");
}

#[test]
fn a_step_that_was_not_sent_is_no_request() {
    let (shared, publisher) = listening();
    for reason in [Reason::RpcError, Reason::Timeout, Reason::Check] {
        let unsent = StepOutcome { request_bytes: 0, ..step("tools/call", None, Some(reason)) };
        let mut outcome = run("smoke", "weather", vec![step("tools/list", Some(42), None), unsent]);
        outcome.connected = true;
        publish(&publisher, outcome);
    }
    let text = text(&shared, Format::Classic, Own::default());
    assert!(text.contains("method=\"tools/list\",outcome=\"ok\",env=\"prod\"} 3"), "{text}");
    assert!(!text.contains("tools/call"), "{text}");
    let snapshot = shared.snapshot(at(1_768_469_600), Own::default());
    let counts = snapshot.standings().next().unwrap().counts;
    assert_eq!((counts.requests, counts.errors), (3, 0));
}

#[test]
fn the_reason_says_what_came_before_the_latency_does() {
    for (latency, reason, outcome) in [
        (Some(2), Some(Reason::Auth), "failed"),
        (Some(2), Some(Reason::RateLimited), "failed"),
        (Some(2), Some(Reason::Http), "failed"),
        (Some(2), Some(Reason::Closed), "failed"),
        (Some(2), Some(Reason::Protocol), "failed"),
        (Some(2), Some(Reason::RpcError), "error"),
        (Some(2), Some(Reason::Check), "ok"),
        (None, Some(Reason::Timeout), "timeout"),
        (None, None, "ok"),
    ] {
        let (shared, publisher) = listening();
        publish(&publisher, run("smoke", "weather", vec![step("tools/list", latency, reason)]));
        let text = text(&shared, Format::Classic, Own::default());
        assert!(text.contains(&format!("method=\"tools/list\",outcome=\"{outcome}\"")), "{reason:?}: {text}");
        let snapshot = shared.snapshot(at(1_768_469_600), Own::default());
        let counts = snapshot.standings().next().unwrap().counts;
        assert_eq!((counts.requests, counts.errors), (1, u64::from(outcome != "ok")), "{reason:?}");
        let timed = text.contains("mcp_client_operation_duration_seconds_count");
        assert_eq!(timed, outcome != "failed" && (latency.is_some() || outcome == "timeout"), "{reason:?}: {text}");
    }
}

/// A run whose session could not be opened, for this reason.
fn unopened(second: i64, reason: Reason) -> ProbeOutcome {
    let mut outcome = run("smoke", "weather", Vec::new());
    outcome.started_at = at(1_768_469_565 + second);
    outcome.cause = Some(Cause::new(reason, "…"));
    outcome.status = if reason == Reason::Cancelled { Status::Unknown } else { Status::Failed };
    outcome.attempts = vec![AttemptOutcome { status: outcome.status, cause: None, duration: ms(61) }];
    (outcome.protocol, outcome.observed.tools) = (None, None);
    outcome
}

#[test]
fn a_server_that_cannot_be_opened_counts_as_errors_for_the_hub_and_as_no_request_of_a_method() {
    let (shared, publisher) = listening();
    shared.keep_latencies(Some(Duration::from_secs(600)));
    let standing = || {
        let snapshot = shared.snapshot(at(1_768_469_600), Own::default());
        let standing = snapshot.standings().next().unwrap();
        (standing.counts.requests, standing.counts.errors, standing.p95, standing.tools, standing.resident_bytes)
    };
    let mut well = run("smoke", "weather", vec![step("tools/list", Some(42), None)]);
    well.connected = true;
    well.usage = Some(Usage { cpu: ms(250), resident_bytes: 7 });
    publish(&publisher, well.clone());
    assert_eq!(standing(), (1, 0, Some(ms(42)), Some(1), Some(7)));
    // It was broken off, and tells nothing of the server.
    publish(&publisher, unopened(1, Reason::Cancelled));
    assert_eq!(standing(), (1, 0, Some(ms(42)), Some(1), Some(7)));
    publish(&publisher, unopened(2, Reason::Connect));
    assert_eq!(standing(), (2, 1, Some(ms(42)), None, None));
    publish(&publisher, unopened(3, Reason::Timeout));
    assert_eq!(standing(), (3, 2, Some(ms(5_000)), None, None));
    // Steps that were skipped are none that were sent.
    let mut skipped = unopened(4, Reason::Connect);
    skipped.steps = vec![StepOutcome { status: Status::Skipped, ..step("tools/list", None, None) }];
    publish(&publisher, skipped);
    assert_eq!((standing().0, standing().1), (4, 3));
    // A refusal that is what the probe wants is judged by its steps, and one that failed after it was opened, too.
    let mut wanted = unopened(5, Reason::Auth);
    (wanted.status, wanted.cause) = (Status::Healthy, None);
    wanted.steps = vec![step("initialize", Some(3), None)];
    publish(&publisher, wanted);
    let mut broke = run("smoke", "weather", vec![step("tools/list", None, Some(Reason::Closed))]);
    broke.connected = true;
    publish(&publisher, broke);
    assert_eq!((standing().0, standing().1), (6, 4));
    publish(&publisher, well);
    assert_eq!((standing().3, standing().4), (Some(1), Some(7)));
    let text = text(&shared, Format::Classic, Own::default());
    let requests: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("mcp_probe_requests_total{"))
        .map(|line| line.rsplit_once("method=").unwrap().1)
        .collect();
    assert_eq!(
        requests,
        [
            "\"initialize\",outcome=\"ok\",env=\"prod\"} 1",
            "\"tools/list\",outcome=\"failed\",env=\"prod\"} 1",
            "\"tools/list\",outcome=\"ok\",env=\"prod\"} 2"
        ]
    );
}

#[test]
fn a_probe_that_could_not_be_run_has_no_last_run() {
    let (shared, publisher) = listening();
    let last = || {
        let text = text(&shared, Format::Classic, Own::default());
        text.lines().find(|line| line.starts_with("mcp_probe_last_run_timestamp_seconds{")).map(ToOwned::to_owned)
    };
    let run = run("smoke", "weather", Vec::new());
    let not = ProbeOutcome::not_run("smoke", "weather", &run.labels, Cause::new(Reason::Internal, "…"));
    publish(&publisher, not.clone());
    assert_eq!(last(), None);
    publish(&publisher, run);
    let begun = last();
    assert!(begun.as_ref().is_some_and(|line| line.ends_with(" 1768469565")), "{begun:?}");
    publish(&publisher, not);
    assert_eq!(last(), begun, "it stays when the last run was");
}

#[test]
fn what_fires_since_before_the_start_is_told_where_its_rule_still_is() {
    let (shared, publisher) = listening();
    shared.watch_only(Roster {
        pairs: vec![("smoke".to_owned(), "weather".to_owned())],
        alerts: vec!["spike".to_owned()],
        ..Roster::default()
    });
    let key = |alert: &str| (alert.to_owned(), "smoke".to_owned(), "weather".to_owned());
    shared.go_on_firing([key("spike"), key("gone")]);
    let told = || {
        let text = text(&shared, Format::Classic, Own::default());
        text.lines().filter(|line| line.starts_with("mcp_probe_alert_firing{")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(told(), "mcp_probe_alert_firing{alert=\"spike\",probe=\"smoke\",target=\"weather\"} 1");
    publisher.publish(EventKind::AlertChanged(Box::new(change("spike", false))));
    assert_eq!(told(), "mcp_probe_alert_firing{alert=\"spike\",probe=\"smoke\",target=\"weather\"} 0");
}

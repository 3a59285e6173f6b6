//! `mcp-probe history` and `mcp-probe report` over histories that this test writes: what they show, to a pipe and to
//! programs, and how they end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use jiff::Timestamp;
use mcp_probe::event::{AlertChange, Latency, Reason, Sample, Status};
use mcp_probe::store::{FILE_NAME, Store};
use serde_json::{Value, json};

fn sample(probe: &str, target: &str, at: Timestamp, status: Status) -> Sample {
    Sample {
        probe: probe.into(),
        target: target.into(),
        at,
        status,
        reason: (status != Status::Healthy).then_some(Reason::Timeout),
        message: (status != Status::Healthy).then(|| "no answer within 5s\u{1b}[31m\nevidence".to_owned()),
        duration: Duration::from_millis(12),
        latencies: vec![Latency { method: "tools/list".into(), took: Duration::from_millis(4), timed_out: false }],
        server: None,
        protocol: None,
        tools: None,
        certificate_ends: None,
        tools_digest: None,
        token_ends: None,
        usage: None,
    }
}

/// Two hours of runs each minute up to now. `weather` fails for ten of them and is degraded once; `files` is seen for ten
/// minutes only; `steady` never fails.
fn history(folder: &Path) {
    let now = Timestamp::now();
    let ago = |minutes: u64| now - Duration::from_secs(minutes * 60);
    let store = Store::open_in(folder).unwrap();
    let work = async {
        let minute = Some(Duration::from_secs(60));
        let pairs = [("smoke", "weather"), ("deep", "weather"), ("smoke", "files"), ("smoke", "steady")];
        let pairs = pairs.map(|(probe, target)| (probe.to_owned(), target.to_owned(), minute));
        store.expect(pairs.to_vec(), now).await.unwrap();
        for minutes in (0..=120).rev() {
            let (status, said) = match minutes {
                50..60 => (Status::Failed, Some("{\"method\":\"tools/list\"}\n{\"payload\":\"x\"}".to_owned())),
                30 => (Status::Degraded, None),
                _ => (Status::Healthy, None),
            };
            store.record(sample("smoke", "weather", ago(minutes), status), said).await.unwrap();
            store.record(sample("deep", "weather", ago(minutes), Status::Healthy), None).await.unwrap();
            store.record(sample("smoke", "steady", ago(minutes), Status::Healthy), None).await.unwrap();
            if minutes < 10 {
                store.record(sample("smoke", "files", ago(minutes), Status::Healthy), None).await.unwrap();
            }
        }
        let change = |state: &'static str, firing: bool| AlertChange {
            alert: "rate".into(),
            probe: "smoke".into(),
            target: "weather".into(),
            state,
            firing,
            message: "10 of 10 failed".into(),
        };
        store.commit_alerts(json!({}), Vec::new(), vec![change("firing", true)], ago(55)).await.unwrap();
        store.commit_alerts(json!({}), Vec::new(), vec![change("resolved", false)], ago(45)).await.unwrap();
        store.close().await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
}

fn probe(folder: &Path, arguments: &[&str]) -> Output {
    let state = folder.to_str().unwrap();
    Command::new(env!("CARGO_BIN_EXE_mcp-probe")).args(arguments).args(["--state", state]).output().unwrap()
}

#[track_caller]
fn said(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = probe(folder, arguments);
    let (text, error) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}{error}");
    if code > 1 && text.is_empty() { error } else { text }
}

#[track_caller]
fn told(folder: &Path, arguments: &[&str], code: i32) -> Value {
    let text = said(folder, arguments, code);
    let document: Value = serde_json::from_str(&text).unwrap();
    let schema = if arguments[0] == "report" { "slo" } else { "history" };
    let schema = Command::new(env!("CARGO_BIN_EXE_mcp-probe")).args(["schema", schema]).output().unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{document:#}");
    document
}

#[test]
fn a_line_for_each_target() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path());
    let text = said(folder.path(), &["history", "--since", "2h"], 0);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let names: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(names, ["files", "steady", "weather"], "{text}");
    let bars: Vec<char> = rows[2][2].chars().collect();
    assert_eq!(bars.len(), 30, "{text}");
    assert!(bars.contains(&'×') && bars.contains(&'▓') && bars[0] == '█', "{text}");
    assert!(rows[0][2].starts_with("·····") && rows[0][2].ends_with('█'), "{text}");
    assert_eq!((rows[1][3], rows[1][7]), ("100 %", ""), "{text}");
    assert!(
        rows[2][3].starts_with("91.6") && rows[2][7].ends_with("timeout: no answer within 5s\\u{1b}[31m"),
        "{text}"
    );
    let deep = said(folder.path(), &["history", "--since", "2h", "--probe", "d*"], 0);
    assert!(deep.starts_with("weather\tdeep\t") && deep.contains("\t100 %\t") && deep.lines().count() == 1, "{deep}");
}

#[test]
fn troubles_and_alerts_of_one_target() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path());
    let text = said(folder.path(), &["history", "weather", "--since", "2h"], 0);
    let states: Vec<&str> = text.lines().map(|line| line.split('\t').nth(2).unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "failed").count(), 10, "{text}");
    let of = |word: &str| states.iter().position(|state| *state == word).unwrap();
    assert!(of("failed") < of("firing") && of("firing") < of("resolved") && of("resolved") < of("degraded"), "{text}");
    assert!(text.contains("alert rate: 10 of 10 failed") && !text.contains('\u{1b}'), "{text}");
    assert!(said(folder.path(), &["history", "steady"], 0).is_empty());
    let runs = said(folder.path(), &["history", "steady", "--runs", "--limit", "7"], 0);
    assert_eq!(runs.lines().filter(|line| line.contains("\thealthy\t")).count(), 7, "{runs}");
    let verbose = said(folder.path(), &["history", "weather", "-v", "--limit", "3"], 0);
    assert_eq!(verbose.matches("  {\"method\":\"tools/list\"}\n").count(), 2, "{verbose}");
    assert!(verbose.contains("\n  evidence\n"), "{verbose}");
}

#[test]
fn documents_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path());
    let all = told(folder.path(), &["history", "--since", "2h", "--json"], 0);
    assert_eq!((&all["schema"], all["targets"].as_array().unwrap().len()), (&json!("mcp-probe/history/1"), 3));
    let weather = &all["targets"][2];
    assert_eq!((&weather["summary"]["failed"], &weather["uptime"]["incidents"]), (&json!(10), &json!(1)), "{weather}");
    assert!((weather["uptime"]["down_seconds"].as_f64().unwrap() - 600.0).abs() < 1.0, "{weather}");
    assert!(all.get("runs").is_none() && all["targets"][1].get("last_failure").is_none());
    let one = told(folder.path(), &["history", "weather", "--since", "2h", "--json"], 0);
    assert_eq!((one["runs"].as_array().unwrap().len(), one["alerts"].as_array().unwrap().len()), (11, 2));
    assert_eq!(one["runs"][1]["transcript"][0], json!({"method": "tools/list"}));
    assert_eq!(one["alerts"][0]["state"], "resolved");
    let names = said(folder.path(), &["history", "--jq", ".targets[].target"], 0);
    assert_eq!(names, "files\nsteady\nweather\n");
}

#[test]
fn an_objective_is_met_missed_or_not_known() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path());
    let steady = told(folder.path(), &["report", "steady", "--slo", "99.9", "--since", "2h", "--json"], 0);
    assert_eq!((&steady["schema"], &steady["summary"]["met"]), (&json!("mcp-probe/slo/1"), &json!(1)), "{steady}");
    let weather = told(folder.path(), &["report", "weather", "--since", "2h", "--json"], 1);
    let line = &weather["targets"][0];
    assert_eq!((&line["verdict"], &line["uptime"]["incidents"]), (&json!("missed"), &json!(1)), "{line}");
    // 600 of 7200 seconds, where 7.2 are allowed.
    assert!((line["burn_rate"].as_f64().unwrap() - 83.33).abs() < 0.5, "{line}");
    assert!(
        line["budget_left"].as_f64().unwrap() < -80.0 && line["latency_ms"]["p95"].as_f64().unwrap() < 4.1,
        "{line}"
    );
    // Of thirty days two hours are known; but `weather` was down too long even so at 99.99 %.
    assert_eq!(told(folder.path(), &["report", "steady", "--json"], 8)["targets"][0]["verdict"], "unknown");
    told(folder.path(), &["report", "weather", "--slo", "99.99", "--json"], 1);
    let text = said(folder.path(), &["report", "--since", "2h", "--slo", "90%"], 8);
    let verdicts: Vec<&str> = text.lines().map(|line| line.split('\t').nth(2).unwrap()).collect();
    assert_eq!(verdicts, ["unknown", "met", "met"], "{text}");
    let each = said(folder.path(), &["report", "weather", "--since", "2h", "--probe", "*"], 1);
    let verdicts: Vec<Vec<&str>> = each.lines().map(|line| line.split('\t').skip(1).take(2).collect()).collect();
    assert_eq!(verdicts, [["deep", "met"], ["smoke", "missed"]], "{each}");
}

#[test]
fn where_there_is_nothing_to_show() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["history", "report"] {
        let error = said(folder.path(), &[command], 6);
        assert!(error.contains("mcp-probe watch") && error.contains(FILE_NAME), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "looking makes nothing");
    }
    history(folder.path());
    let error = said(folder.path(), &["history", "wether"], 2);
    assert!(error.contains("did you mean `weather`?"), "{error}");
    said(folder.path(), &["report", "--probe", "nosuch"], 6);
    said(folder.path(), &["report", "--slo", "100"], 2);
    said(folder.path(), &["history", "--since", "0s"], 2);
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, "dear diary").unwrap();
    assert!(said(folder.path(), &["history"], 2).contains("no history of mcp-probe"));
    assert_eq!(std::fs::read(&path).unwrap(), b"dear diary");
}

#[test]
fn beside_a_running_daemon() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path());
    let store = Store::open_in(folder.path()).unwrap();
    assert!(said(folder.path(), &["history"], 0).contains("weather"));
    drop(store);
}

/// No file has them: the probe that a target has without one, and the addresses behind a name.
#[test]
fn rules_are_tried_on_built_in_probes_and_on_replicas_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = folder.join("probes.toml");
    let rule = "[[alert]]\nname = \"down\"\nconsecutive_failures = 3\n";
    std::fs::write(&file, format!("[target.weather]\nurl = \"http://127.0.0.1:1/mcp\"\n{rule}")).unwrap();
    let store = Store::open_in(folder).unwrap();
    let work = async {
        for minutes in (0..30).rev() {
            let at = Timestamp::now() - Duration::from_secs(minutes * 60);
            let status = if minutes < 5 { Status::Failed } else { Status::Healthy };
            store.record(sample("built-in", "weather", at, status), None).await.unwrap();
            store.record(sample("built-in", "weather@10.0.0.2", at, status), None).await.unwrap();
            store.record(sample("built-in", "gone", at, status), None).await.unwrap();
        }
        store.close().await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
    let text = said(folder, &["alerts", "test", file.to_str().unwrap(), "--replay"], 1);
    assert!(text.contains("weather\t") && text.contains("weather@10.0.0.2") && !text.contains("gone"), "{text}");
}

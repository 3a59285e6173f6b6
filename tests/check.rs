//! `check` beyond the judging of steps: repeating, stopping early, retrying, showing what would be sent, interruption,
//! filters and reports that cannot be written. The real binary, against the demo server and servers that misbehave once.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its servers end with it"
)]

#[path = "cli/place.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod place;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use place::{EXE, Place, refused};

const DEMO: &str = "[target.t]\ncommand = [\"mcp-probe\", \"demo\"]\n";
const FAILS: &str = "tool = \"fail\"\n";
const WORKS: &str = "method = \"tools/list\"\n";

fn probe(name: &str, step: &str) -> String {
    format!("[[probe]]\nname = \"{name}\"\ntarget = \"t\"\n[[probe.step]]\n{step}")
}

/// A file of these probes of one demo server.
fn file(probes: &[(&str, &str)]) -> Place {
    let probes: Vec<String> = probes.iter().map(|(name, step)| probe(name, step)).collect();
    Place::new().with("f.toml", &(DEMO.to_owned() + &probes.concat()))
}

fn script(place: Place, name: &str, text: &str) -> Place {
    let place = place.with(name, text);
    fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    place
}

/// A server that breaks off at the first tool call of its life.
fn breaks_once(steps: &str) -> Place {
    let server = "#!/bin/sh\nif [ -e been ]; then exec EXE demo; fi\n: > been\n\
                  exec EXE demo --fault exit-during-call --fault-on tools/call\n";
    let text = format!("[target.t]\ncommand = [\"./server.sh\"]\n{}", probe("p", steps));
    script(Place::new().with("f.toml", &text), "server.sh", server)
}

fn column<'a>(document: &'a Value, member: &str) -> Vec<&'a Value> {
    document["probes"].as_array().unwrap().iter().map(|probe| &probe[member]).collect()
}

// Stopping early.

#[test]
fn after_the_first_failure_nothing_is_started() {
    let place = file(&[("a", WORKS), ("b", FAILS), ("c", WORKS), ("d", WORKS)]);
    let ran = place.run(&["check", "f.toml", "--fail-fast", "-j", "1", "--json"]).ended(5);
    let document = ran.json();
    assert_eq!(column(&document, "status"), ["healthy", "failed", "unknown", "unknown"]);
    assert_eq!(column(&document, "name"), ["a", "b", "c", "d"]);
    assert_eq!(document["not_run"], 2);
    assert_eq!(document["probes"][2]["attempts"], json!([]));
    assert_eq!(document["probes"][3]["reason"], "cancelled");
    assert!(document["probes"][3]["message"].as_str().unwrap().contains("b on t failed"), "{document}");
    let ran = place.run(&["check", "f.toml", "--fail-fast", "-j", "1"]).ended(5);
    assert_eq!(ran.out.lines().count(), 4);
    assert!(ran.err.contains("unknown 2 probes (cancelled)\n  not run: b on t failed"), "{}", ran.err);
    assert!(ran.err.contains("2 unknown (2 not run)"), "{}", ran.err);
    // Without a failure it changes nothing.
    file(&[("a", WORKS), ("b", WORKS)]).run(&["check", "f.toml", "--fail-fast"]).ended(0);
    assert!(!place.run(&["check", "f.toml"]).ended(5).err.contains("not run"));
}

#[test]
fn what_runs_beside_the_failure_comes_to_its_end() {
    let place = file(&[("slow", "tool = \"slow\"\narguments = { ms = 300 }\n"), ("b", FAILS), ("c", WORKS)]);
    let document = place.run(&["check", "f.toml", "--fail-fast", "-j", "2", "--json"]).ended(5).json();
    assert_eq!(column(&document, "status"), ["healthy", "failed", "unknown"]);
}

#[test]
fn a_degraded_probe_stops_only_where_it_is_a_failure() {
    let place = file(&[("a", "tool = \"fail\"\non_fail = \"degraded\"\n"), ("b", WORKS)]);
    let statuses = |more: &[&str], code| {
        let ran =
            place.run(&[&["check", "f.toml", "--fail-fast", "-j", "1", "--jq", ".probes[].status"], more].concat());
        ran.ended(code).out
    };
    assert_eq!(statuses(&[], 0), "degraded\nhealthy\n");
    assert_eq!(statuses(&["--fail-on", "degraded"], 5), "degraded\nunknown\n");
}

// Repeating.

#[test]
fn every_repetition_is_judged_and_told() {
    let place = breaks_once("tool = \"echo\"\narguments = { message = \"x\" }\n");
    let ran = place.run(&["check", "f.toml", "--repeat", "3", "--json"]).ended(4);
    let document = ran.json();
    assert_eq!(column(&document, "repetition"), [1, 2, 3]);
    assert_eq!(column(&document, "status"), ["failed", "healthy", "healthy"]);
    assert_eq!(document["summary"]["probes"], 3);
    fs::remove_file(place.path("been")).unwrap();
    let ran = place.run(&["check", "f.toml", "--repeat", "2"]).ended(4);
    let runs: Vec<&str> = ran.out.lines().map(|row| row.split('\t').nth(5).unwrap()).collect();
    assert_eq!(runs, ["1", "2"]);
    assert!(ran.err.contains("not the same every time: p on t, 1 healthy, 1 failed of 2"), "{}", ran.err);
    let once = place.run(&["check", "f.toml", "--repeat", "1", "--json"]).ended(0).json();
    assert!(once["probes"][0].get("repetition").is_none());
    place.run(&["check", "f.toml", "--repeat", "0"]).ended(2);
}

#[test]
fn repetitions_come_one_after_the_other_and_fail_fast_ends_them() {
    let place = breaks_once("tool = \"echo\"\narguments = { message = \"x\" }\n");
    let document =
        place.run(&["check", "f.toml", "--repeat", "3", "--fail-fast", "-j", "64", "--json"]).ended(4).json();
    assert_eq!(column(&document, "status"), ["failed", "unknown", "unknown"], "{document}");
}

// Retrying.

#[test]
fn the_command_line_decides_about_retries() {
    let step = "tool = \"echo\"\narguments = { message = \"x\" }\n";
    let attempts = |place: &Place, more: &[&str], code| {
        let ran = place.run(&[&["check", "f.toml", "--jq", ".probes[0].attempts | length"], more].concat());
        ran.ended(code).out
    };
    assert_eq!(attempts(&breaks_once(step), &[], 4), "1\n");
    assert_eq!(attempts(&breaks_once(step), &["--retries", "1"], 0), "2\n");
    let text = fs::read_to_string(breaks_once(step).path("f.toml")).unwrap();
    let place = breaks_once(step).with("f.toml", &text.replace("target = \"t\"\n", "target = \"t\"\nretries = 5\n"));
    assert_eq!(attempts(&place, &["--retries", "0"], 4), "1\n");
}

#[test]
fn a_step_that_passed_only_on_a_retry_is_flaky() {
    let place = breaks_once(
        "method = \"tools/list\"\n[[probe.step]]\ntool = \"echo\"\narguments = { message = \"x\" }\n\
         [[probe.step]]\nmethod = \"prompts/list\"\n",
    );
    let probe = place.run(&["check", "f.toml", "--retries", "2", "--json"]).ended(0).json()["probes"][0].clone();
    assert_eq!((&probe["status"], &probe["reason"]), (&json!("degraded"), &json!("flaky")));
    let steps: Vec<(&Value, &Value)> =
        probe["steps"].as_array().unwrap().iter().map(|step| (&step["status"], &step["reason"])).collect();
    let (healthy, none) = (json!("healthy"), Value::Null);
    assert_eq!(steps, [(&healthy, &none), (&json!("degraded"), &json!("flaky")), (&healthy, &none)]);
    assert!(probe["steps"][1]["message"].as_str().unwrap().contains("attempt 1 with exited"), "{probe}");
    assert!(probe["attempts"][0]["message"].as_str().unwrap().contains("exit"), "{probe}");
}

/// Refuses every request with 429 and this `Retry-After`; gives the URL and when it was asked.
fn overloaded(retry_after: &'static str) -> (String, Arc<Mutex<Vec<Instant>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            if stream.read(&mut head).unwrap_or(0) > 0 {
                noted.lock().unwrap().push(Instant::now());
            }
            let answer = format!(
                "HTTP/1.1 429 Too Many Requests\r\nRetry-After: {retry_after}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, asked)
}

#[test]
fn a_server_that_asks_for_time_gets_it_or_is_left_alone() {
    let (url, asked) = overloaded("1");
    let ran = Place::new().run(&["check", &url, "--retries", "1", "--json"]).ended(1);
    assert_eq!(ran.json()["probes"][0]["attempts"].as_array().unwrap().len(), 2);
    let asked = asked.lock().unwrap().clone();
    let apart = *asked.last().unwrap() - asked[0];
    assert!(apart >= Duration::from_millis(990), "{apart:?}");
    let (url, asked) = overloaded("3600");
    let document = Place::new().run(&["check", &url, "--retries", "1", "--timeout", "2s", "--json"]).ended(1).json();
    let probe = &document["probes"][0];
    assert_eq!((&probe["reason"], probe["attempts"].as_array().unwrap().len()), (&json!("rate_limited"), 1));
    assert!(probe["message"].as_str().unwrap().contains("not tried again"), "{probe}");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

// What would be sent.

const DRY: &str = r#"
[target.t]
command = ["./server.sh"]
env = { API_TOKEN = "${DRY_TOKEN}" }
[target.web]
url = "https://user:hunter2@mcp.example/mcp"
auth = { bearer = "${DRY_TOKEN}" }
[[probe]]
name = "p"
target = "t"
retries = 2
timeout = "3s"
[[probe.step]]
tool = "add"
arguments = { a = 2, b = 3, note = "two  blanks ${DRY_CITY}" }
save.sum = "$.structuredContent.sum"
[[probe.step]]
name = "write"
tool = "note"
arguments = { text = "${save.sum}" }
allow_side_effects = true
idempotent = true
expect.latency = "1s"
"#;

fn dry() -> Place {
    script(Place::new().with("f.toml", DRY), "server.sh", "#!/bin/sh\n: > started\nexec EXE demo\n")
}

fn dry_run(place: &Place, more: &[&str]) -> place::Ran {
    let arguments = [&["check", "f.toml", "--dry-run"], more].concat();
    let mut command = place.command(EXE);
    command.args(&arguments).env("DRY_TOKEN", "dry-secret").env("DRY_CITY", "Oslo");
    place::finished(&mut command)
}

#[test]
fn a_dry_run_tells_every_call_and_makes_none() {
    let place = dry();
    let ran = dry_run(&place, &[]).ended(0);
    let rows: Vec<Vec<&str>> = ran.out.lines().map(|row| row.split('\t').collect()).collect();
    assert_eq!(rows.len(), 6, "two steps and the four lists of the built-in probe: {}", ran.out);
    assert_eq!(rows[0][..4], ["p", "t", "1", "tools/call"]);
    assert_eq!(rows[0][4], r#"{"name":"add","arguments":{"a":2,"b":3,"note":"two  blanks Oslo"}}"#);
    assert!(rows[0][5].starts_with("only if the server lists the tool as read-only"), "{}", ran.out);
    assert!(rows[1][4].contains("${save.sum}") && rows[1][5].contains("allow_side_effects; idempotent"), "{}", ran.out);
    assert!(rows[0][6].starts_with("-- ") && rows[0][6].contains("API_TOKEN=***"), "{}", ran.out);
    assert_eq!(rows[0][7], "start within 1m, steps within 3s, 2 retries");
    assert_eq!((rows[2][0], rows[2][1], rows[2][3]), ("built-in", "web", "tools/list"));
    assert!(rows[2][6].starts_with("https://mcp.example/mcp"), "{}", ran.out);
    assert!(!ran.out.contains("dry-secret") && !ran.out.contains("hunter2"), "{}", ran.out);
    assert!(!place.path("started").exists());
}

#[test]
fn a_dry_run_has_a_document() {
    let place = dry();
    let ran = dry_run(&place, &["--json", "--repeat", "4", "--retries", "0"]).ended(0);
    let document = ran.json();
    assert_eq!((&document["schema"], &document["repeat"]), (&json!("mcp-probe/dry-run/1"), &json!(4)));
    let probe = &document["probes"][0];
    assert_eq!((&probe["timeout_ms"], &probe["retries"]), (&json!(3000.0), &json!(0)));
    assert_eq!(probe["target"]["env"], json!({"API_TOKEN": "***"}));
    assert_eq!(document["probes"][1]["target"]["headers"], json!({"Authorization": "Bearer ***"}));
    let call = &probe["calls"][1];
    assert_eq!((&call["name"], &call["tool"]), (&json!("write"), &json!("note")));
    assert_eq!(call["checks"], json!(["latency", "is_error", "output_schema"]));
    assert_eq!((&call["allow_side_effects"], &call["only_if"]), (&json!(true), &json!("the server lists the tool")));
    assert!(call["place"].as_str().unwrap().starts_with("f.toml:"), "{call}");
    assert!(!ran.out.contains("dry-secret") && !ran.out.contains("hunter2"));
    assert_eq!(dry_run(&place, &["--jq", ".probes[0].calls[].method"]).ended(0).out, "tools/call\ntools/call\n");
    dry_run(&place, &["--probe", "nobody"]).ended(6);
    dry_run(&place, &["--report", "json"]).ended(2);
    assert!(!place.path("started").exists());
}

// Filters and reports.

#[test]
fn a_filter_sees_the_report() {
    let place = file(&[("a", WORKS), ("b", FAILS)]);
    let run = |filter: &str, code| place.run(&["check", "f.toml", "--jq", filter]).ended(code).out;
    assert_eq!(run(".probes[] | select(.status == \"failed\") | .name", 5), "b\n");
    assert_eq!(run(".summary.failed", 5), "1\n");
    let ran = place.run(&["check", "f.toml", "--jq", ".probes["]).ended(2);
    assert!(ran.err.contains("the report"), "{}", ran.err);
    place.run(&["check", "f.toml", "--jq", ".", "--report", "json"]).ended(2);
    let beside = place.run(&["check", "f.toml", "--jq", ".schema", "--report", "json=r.json"]).ended(5);
    assert_eq!(beside.out, "mcp-probe/report/1\n");
    assert!(fs::read_to_string(place.path("r.json")).unwrap().starts_with("{\"schema\":\"mcp-probe/report/1\""));
}

#[test]
fn a_failed_check_has_its_place_in_both_outputs() {
    let place = file(&[("p", "method = \"tools/list\"\nexpect.tools = { include = [\"nobody\"] }\n")]);
    let check = place.run(&["check", "f.toml", "--json"]).ended(1).json()["probes"][0]["steps"][0]["checks"][0].clone();
    assert_eq!(check["status"], "failed");
    for member in ["expected", "actual", "path"] {
        assert!(check[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {check}");
    }
    assert_eq!(check["place"], "f.toml:8:16");
    let err = place.run(&["check", "f.toml"]).ended(1).err;
    for word in ["f.toml:8:16", "expected", "actual", check["path"].as_str().unwrap()] {
        assert!(err.contains(word), "{word}: {err}");
    }
    // Where no check of the file says where, the step does.
    let place = file(&[("p", FAILS)]);
    let step = place.run(&["check", "f.toml", "--json"]).ended(5).json()["probes"][0]["steps"][0].clone();
    assert_eq!(step["place"], "f.toml:6:1");
    assert!(place.run(&["check", "f.toml"]).ended(5).err.contains("[f.toml:6:1]"));
}

#[test]
fn what_cannot_be_told_weighs_less_than_what_was_found() {
    let (good, bad) = (file(&[("a", WORKS)]), file(&[("a", FAILS)]));
    for (place, code) in [(&good, 7), (&bad, 5)] {
        assert!(place.run(&["check", "f.toml", "--report", "json=/dev/full"]).ended(code).err.contains("/dev/full"));
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = place::finished(place.command(EXE).args(["check", "f.toml", "--report", "json=r.json"]).stdout(full));
        // The output of a command that is captured goes nowhere else: only its end and the file tell.
        assert!(fs::metadata(place.path("r.json")).unwrap().len() > 100);
        drop(ran);
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = place.command(EXE).args(["check", "f.toml"]).stdout(full).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code));
    }
}

#[test]
fn a_target_of_the_command_line_gets_the_built_in_probe_only_without_one_of_a_file() {
    let text = DEMO.to_owned() + "[target.u]\ncommand = [\"mcp-probe\", \"demo\"]\n" + &probe("p", WORKS);
    let place = Place::new().with("mcp-probe.toml", &text);
    let names = |words: &[&str]| place.run(&[&["check", "--jq", ".probes[].name"], words].concat()).ended(0).out;
    assert_eq!(names(&["t"]), "p\n");
    assert_eq!(names(&["u"]), "built-in\n");
    assert_eq!(names(&["u", "t"]), "p\nbuilt-in\n");
    assert_eq!(names(&["mcp-probe.toml"]), "p\nbuilt-in\n");
}

// Interruption.

#[test]
fn an_interrupted_check_tells_what_was_not_done() {
    let slow = "tool = \"slow\"\narguments = { ms = 50000 }\n";
    let two = format!("{slow}[[probe.step]]\n{WORKS}");
    let probes = [("a", WORKS), ("b", &two), ("c", WORKS)].map(|(name, step)| probe(name, step)).concat();
    let text = DEMO.to_owned() + "[defaults]\ntimeout = \"60s\"\n" + &probes;
    let place = Place::new().with("f.toml", &text);
    let mut child = place
        .command(EXE)
        .args(["check", "f.toml", "-j", "1", "--json", "-v"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("tools/call") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0);
    }
    std::thread::spawn(move || err.read_to_end(&mut Vec::new()));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["interrupted"], true);
    assert_eq!(column(&document, "status"), ["healthy", "unknown", "unknown"], "{document}");
    let attempts: Vec<usize> =
        column(&document, "attempts").iter().map(|attempts| attempts.as_array().unwrap().len()).collect();
    assert_eq!(attempts, [1, 1, 0]);
    let skipped = &document["probes"][1]["steps"][1];
    assert_eq!((&skipped["status"], &skipped["reason"]), (&"skipped".into(), &"cancelled".into()), "{document}");
    assert!(document["probes"][2]["message"].as_str().unwrap().contains("interrupted"), "{document}");
}

#[test]
fn many_probes_of_a_dead_server_are_told_in_order() {
    let mut text = format!("[target.t]\nurl = \"{}\"\n", refused());
    for n in 0..300 {
        text.push_str(&probe(&format!("p{n}"), WORKS));
    }
    let place = Place::new().with("f.toml", &text);
    let document = place.run(&["check", "f.toml", "-j", "64", "--json"]).ended(4).json();
    let names: Vec<String> = column(&document, "name").iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(names, (0..300).map(|n| format!("p{n}")).collect::<Vec<_>>());
}

#[test]
fn what_the_prober_spends_on_a_list_is_not_charged_to_the_server() {
    const MANY: &[&str] = &["--", EXE, "demo", "--tools", "2000"];
    let steps =
        probe("p", "method = \"tools/list\"\n[[probe.step]]\ntool = \"echo\"\narguments = { message = \"x\" }\n");
    let target = "[target.t]\ncommand = [\"EXE\", \"demo\", \"--tools\", \"2000\"]\n";
    let place = Place::new().with("f.toml", &format!("{target}{steps}"));
    let ask = |timeout: &str, of: &[&str]| {
        place.run(&[of, &["--json", "--startup-timeout", "30s", "--timeout", timeout], MANY].concat())
    };
    let calm = ask("60s", &["check"]).ended(0).json();
    let (all, calls) = (&calm["probes"][0]["duration_ms"], &calm["probes"][0]["phases_ms"]["call"]);
    let (all, calls) = (all.as_f64().unwrap(), calls.as_f64().unwrap());
    assert!(all > calls * 3.0, "the prober needs longer than the server: {calm}");
    let timeout = format!("{}us", ((calls * 2.0).max(all / 4.0) * 1000.0).ceil());
    // On a machine that is busy a server may miss even that, but not each time.
    let once = |what: &str, run: &dyn Fn() -> place::Ran| {
        let last = (0..5).map(|_| run()).find(|ran| ran.code == 0);
        assert!(last.is_some(), "{what} within {timeout}: {}", run().out);
    };
    once("the lists", &|| ask(&timeout, &["check"]));
    once("the summary", &|| ask(&timeout, &[]));
    once("the steps", &|| place.run(&["check", "f.toml", "--json", "--timeout", &timeout]));
    // A server that stalls fails as before, and as soon.
    let stalled = place.run(&[
        "check",
        "--json",
        "--startup-timeout",
        "30s",
        "--timeout",
        "300ms",
        "--",
        EXE,
        "demo",
        "--fault",
        "silent-calls",
    ]);
    let stalled = &stalled.json()["probes"][0];
    assert_eq!((&stalled["status"], &stalled["reason"]), (&json!("failed"), &json!("timeout")), "{stalled}");
}

#[test]
fn a_list_that_was_cut_passes_no_check_that_the_rest_of_it_decides() {
    for (fault, expects, status) in [
        ("tools-repeated-cursor", "expect.tools = { max = 100000 }", "blocked"),
        ("tools-repeated-cursor", "expect.tools = { exclude = [\"evil\"] }", "blocked"),
        ("tools-repeated-cursor", "expect.tokens = 1000000", "blocked"),
        ("tools-repeated-cursor", "expect.tools = { include = [\"echo\"] }", "passed"),
    ] {
        let target = format!("[target.t]\ncommand = [\"mcp-probe\", \"demo\", \"--fault\", \"{fault}\"]\n");
        let place = Place::new().with("f.toml", &(target + &probe("p", &format!("{WORKS}{expects}\n"))));
        let ran = place.run(&["check", "f.toml", "--json"]).ended(i32::from(status == "blocked"));
        let step = &ran.json()["probes"][0]["steps"][0];
        assert_eq!(
            (&step["checks"][0]["status"], step["reason"].is_null()),
            (&json!(status), status == "passed"),
            "{step}"
        );
    }
}

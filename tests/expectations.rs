//! Every kind of expectation and every operator on a real server: each row passes on a right answer and fails on a wrong
//! one, through the real binary and the demo server. No kind and no operator is without a row.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/servers.rs"]
mod servers;

use std::collections::BTreeSet;
use std::process::Command;

use mcp_probe::check::{KINDS, operators};
use serde_json::Value;

use servers::{everything, typescript};

const FORECAST: &str = "tool = 'forecast'\narguments = { city = 'Oslo' }";

/// Kind, the step's call, what it expects rightly, and wrongly.
const KIND_ROWS: &[(&str, &str, &str, &str)] = &[
    ("latency", FORECAST, "latency = '20s'", "latency = '1ns'"),
    ("json", FORECAST, "json.'$.structuredContent.city' = 'Oslo'", "json.'$.structuredContent.city' = 'Rome'"),
    ("text", FORECAST, "text = { contains = 'Oslo' }", "text = { contains = 'Rome' }"),
    ("schema", FORECAST, "schema = { required = ['content'] }", "schema = { required = ['contents'] }"),
    ("is_error", "tool = 'fail'", "is_error = true", "is_error = false"),
    (
        "error",
        "tool = 'none'\nunlisted = true\nallow_side_effects = true",
        "error = { code = -32602 }",
        "error = { code = -32601 }",
    ),
    ("tools", "method = 'tools/list'", "tools = { include = ['forecast'] }", "tools = { include = ['none'] }"),
    ("resources", "method = 'resources/list'", "resources = { min = 1 }", "resources = { max = 0 }"),
    ("prompts", "method = 'prompts/list'", "prompts = { min = 1 }", "prompts = { max = 0 }"),
    ("server", FORECAST, "server.name = 'mcp-probe-demo'", "server.name = 'other'"),
    ("protocol", FORECAST, "protocol = 'modern'", "protocol = 'legacy'"),
    ("capabilities", FORECAST, "capabilities = ['tools']", "capabilities = ['nothing']"),
    ("http", FORECAST, "http.status = 200", "http.status = 404"),
    ("size", FORECAST, "size = '1MiB'", "size = '1B'"),
    ("tokens", "method = 'tools/list'", "tokens = 100000", "tokens = 1"),
    (
        "notifications",
        FORECAST,
        "notifications = { method = 'notifications/message', max = 0 }",
        "notifications = { method = 'notifications/message', min = 1 }",
    ),
];

/// Operator, path, what holds of the forecast for Oslo, and what does not.
const OPERATOR_ROWS: &[(&str, &str, &str, &str)] = &[
    ("equals", "$.structuredContent.city", "{ equals = 'Oslo' }", "{ equals = 'oslo' }"),
    ("not", "$.structuredContent.city", "{ not = 'Rome' }", "{ not = { starts_with = 'Os' } }"),
    ("gt", "$.structuredContent.days[1].day", "{ gt = 1.5 }", "{ gt = 2 }"),
    ("ge", "$.structuredContent.days[1].day", "{ ge = 2.0 }", "{ ge = 3 }"),
    ("lt", "$.structuredContent.days[1].day", "{ lt = 2.5 }", "{ lt = 2 }"),
    ("le", "$.structuredContent.days[1].day", "{ le = 2 }", "{ le = 1 }"),
    ("contains", "$.structuredContent.days[*].day", "{ contains = 3.0 }", "{ contains = 4 }"),
    ("matches", "$.structuredContent.city", "{ matches = 'sl' }", "{ matches = '^sl' }"),
    ("starts_with", "$.structuredContent.city", "{ starts_with = 'Os' }", "{ starts_with = 'lo' }"),
    ("ends_with", "$.structuredContent.city", "{ ends_with = 'lo' }", "{ ends_with = 'Os' }"),
    ("type", "$.structuredContent.days[0].day", "{ type = 'integer' }", "{ type = 'string' }"),
    ("len", "$.structuredContent.days", "{ len = 3 }", "{ len = { gt = 3 } }"),
    ("exists", "$.structuredContent.none", "{ exists = false }", "{ exists = true }"),
    ("all", "$.structuredContent.days[*].day", "{ all = { ge = 1 } }", "{ all = { ge = 2 } }"),
    ("any", "$.structuredContent.days[*].day", "{ any = 3 }", "{ any = 4 }"),
];

const WEATHER: &str = "tool = 'get-structured-content'\narguments = { location = 'Chicago' }";

/// The same on servers that others wrote: what the reference server `everything` answers over stdio, and `http` what a
/// server on the official SDK answers over HTTP.
const WITNESS_KIND_ROWS: &[(&str, &str, &str, &str)] = &[
    ("latency", WEATHER, "latency = '20s'", "latency = '1ns'"),
    ("json", WEATHER, "json.'$.structuredContent.humidity' = 82.0", "json.'$.structuredContent.humidity' = '82'"),
    ("text", WEATHER, "text = { contains = 'Light rain' }", "text = { contains = 'Rome' }"),
    (
        "schema",
        WEATHER,
        "schema = { properties.structuredContent = { required = ['humidity'] } }",
        "schema = { properties.structuredContent = { required = ['pressure'] } }",
    ),
    ("is_error", "tool = 'get-sum'\narguments = { a = 'x', b = 1 }", "is_error = true", "is_error = false"),
    ("error", "prompt = 'none'", "error = { code = -32602 }", "error = { code = -32601 }"),
    ("tools", "method = 'tools/list'", "tools = { include = ['echo'] }", "tools = { exclude = ['echo'] }"),
    ("resources", "method = 'resources/list'", "resources = { min = 1 }", "resources = { max = 0 }"),
    ("prompts", "method = 'prompts/list'", "prompts = { include = ['simple-prompt'] }", "prompts = { max = 0 }"),
    ("server", WEATHER, "server.name = { ends_with = 'everything' }", "server.name = 'other'"),
    ("protocol", WEATHER, "protocol = 'legacy'", "protocol = 'modern'"),
    ("capabilities", WEATHER, "capabilities = ['tools']", "capabilities = ['nothing']"),
    ("http", "method = 'tools/list'", "http.status = 200", "http.status = 404"),
    ("size", WEATHER, "size = '1MiB'", "size = '1B'"),
    ("tokens", "method = 'tools/list'", "tokens = 100000", "tokens = 1"),
    (
        "notifications",
        WEATHER,
        "notifications = { method = 'notifications/progress', max = 0 }",
        "notifications = { method = 'notifications/progress', min = 1 }",
    ),
];

/// Operators on what `everything` says of Chicago.
const WITNESS_OPERATOR_ROWS: &[(&str, &str, &str, &str)] = &[
    ("equals", "$.structuredContent.humidity", "{ equals = 82 }", "{ equals = 81 }"),
    ("not", "$.structuredContent.conditions", "{ not = 'Sunny' }", "{ not = { starts_with = 'Light' } }"),
    ("gt", "$.structuredContent.temperature", "{ gt = 35.5 }", "{ gt = 36 }"),
    ("ge", "$.structuredContent.temperature", "{ ge = 36 }", "{ ge = 37 }"),
    ("lt", "$.structuredContent.temperature", "{ lt = 37 }", "{ lt = 36 }"),
    ("le", "$.structuredContent.temperature", "{ le = 36 }", "{ le = 35 }"),
    ("contains", "$.structuredContent.conditions", "{ contains = 'rain' }", "{ contains = 'snow' }"),
    ("matches", "$.structuredContent.conditions", "{ matches = 'driz+le' }", "{ matches = '^driz' }"),
    ("starts_with", "$.structuredContent.conditions", "{ starts_with = 'Light' }", "{ starts_with = 'rain' }"),
    ("ends_with", "$.structuredContent.conditions", "{ ends_with = 'drizzle' }", "{ ends_with = 'Light' }"),
    ("type", "$.structuredContent.humidity", "{ type = 'integer' }", "{ type = 'string' }"),
    ("len", "$.content", "{ len = 1 }", "{ len = { gt = 1 } }"),
    ("exists", "$.structuredContent.none", "{ exists = false }", "{ exists = true }"),
    ("all", "$.content[*].type", "{ all = 'text' }", "{ all = 'image' }"),
    ("any", "$.content[*].type", "{ any = 'text' }", "{ any = 'image' }"),
];

/// Runs a probe file against the demo server over HTTP, started with these arguments; gives name and status of each probe.
fn run(demo: &[&str], probes: &str) -> Vec<(String, Value)> {
    let exe = env!("CARGO_BIN_EXE_mcp-probe");
    let argv: Vec<String> =
        [exe, "demo", "--http", "127.0.0.1:0"].iter().chain(demo).map(|word| format!("{word:?}")).collect();
    check(&format!("[target.demo]\nurl = \"http://127.0.0.1:0/mcp\"\nstart = [{}]\n{probes}", argv.join(", ")))
}

/// Runs a probe file.
fn check(text: &str) -> Vec<(String, Value)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-probe.toml");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-probe")).args(["check", "--json"]).arg(&file).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("no report: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    let probes = report["probes"].as_array().unwrap();
    probes.iter().map(|probe| (probe["name"].as_str().unwrap().to_owned(), probe.clone())).collect()
}

fn probe(name: &str, call: &str, expect: &str) -> String {
    format!("\n[[probe]]\nname = \"{name}\"\ntarget = \"demo\"\n[[probe.step]]\n{call}\nexpect.{expect}\n")
}

type Row = (&'static str, &'static str, &'static str, &'static str);

/// A probe for each side of each row; operators are tried on the reply to `call`.
fn both_sides(kinds: &[Row], operators: &[Row], call: &str) -> String {
    let mut file = String::new();
    for (kind, call, right, wrong) in kinds {
        file += &probe(&format!("{kind} right"), call, right);
        file += &probe(&format!("{kind} wrong"), call, wrong);
    }
    for (operator, path, right, wrong) in operators {
        file += &probe(&format!("json {operator} right"), call, &format!("json.'{path}' = {right}"));
        file += &probe(&format!("json {operator} wrong"), call, &format!("json.'{path}' = {wrong}"));
    }
    file
}

fn assert_both_sides(told: Vec<(String, Value)>) {
    for (name, probe) in told {
        let kind = name.split(' ').next().unwrap();
        let checks = probe["steps"][0]["checks"].as_array().unwrap_or_else(|| panic!("{name}: {probe}"));
        let check = checks.iter().find(|check| check["kind"] == kind).unwrap_or_else(|| panic!("{name}: {probe}"));
        let (status, of_check) = if name.ends_with("right") { ("healthy", "passed") } else { ("failed", "failed") };
        assert_eq!((&probe["status"], &check["status"]), (&status.into(), &of_check.into()), "{name}: {probe}");
    }
}

#[test]
fn every_kind_and_operator_passes_and_fails_on_the_demo_server() {
    let told = run(&[], &both_sides(KIND_ROWS, OPERATOR_ROWS, FORECAST));
    assert_eq!(told.len(), 2 * (KIND_ROWS.len() + OPERATOR_ROWS.len()));
    assert_both_sides(told);
}

#[test]
fn every_kind_and_operator_passes_and_fails_on_servers_of_others() {
    let (of_http, others): (Vec<Row>, Vec<Row>) = WITNESS_KIND_ROWS.iter().partition(|row| row.0 == "http");
    let stdio = both_sides(&others, WITNESS_OPERATOR_ROWS, WEATHER);
    let told = check(&format!(
        "[target.demo]\ncommand = {:?}\n{stdio}{}",
        everything("stdio"),
        probe("output_schema right", WEATHER, "output_schema = true")
    ));
    assert_eq!(told.len(), 2 * (others.len() + WITNESS_OPERATOR_ROWS.len()) + 1);
    assert_both_sides(told);
    let http = both_sides(&of_http, &[], "");
    let start = format!("start = {:?}", typescript("http"));
    assert_both_sides(check(&format!("[target.demo]\nurl = \"http://127.0.0.1:0/mcp\"\n{start}\n{http}")));
}

#[test]
fn the_schema_of_the_tool_holds_by_default() {
    let calls = [
        probe("default", FORECAST, "json.'$.content' = { len = 1 }"),
        probe("asked", FORECAST, "output_schema = true"),
    ];
    let off = probe("off", FORECAST, "output_schema = false");
    let file = format!("{}{off}", calls.concat());
    for (fault, status) in
        [(None, "healthy"), (Some("structured-invalid"), "failed"), (Some("structured-missing"), "failed")]
    {
        let arguments: Vec<&str> = fault.iter().flat_map(|fault| ["--fault", fault]).collect();
        for (name, probe) in run(&arguments, &file) {
            let expected = if name == "off" { "healthy" } else { status };
            assert_eq!(probe["status"], expected, "{fault:?} {name}: {probe}");
            if expected == "failed" {
                assert!(probe["message"].as_str().unwrap().starts_with("output_schema: expected"), "{probe}");
            }
        }
    }
    // A tool without a schema: the default says nothing, and asking for it is red.
    let echo = "tool = 'echo'\narguments = { message = 'x' }";
    let told =
        run(&[], &format!("{}{}", probe("default", echo, "text = 'x'"), probe("asked", echo, "output_schema = true")));
    assert_eq!((&told[0].1["status"], &told[1].1["status"]), (&"healthy".into(), &"failed".into()), "{told:?}");
    assert_eq!(told[1].1["steps"][0]["checks"][0]["status"], "blocked", "{told:?}");
}

#[test]
fn notifications_are_counted_exactly_however_many_come() {
    let expects = |expect: &str| {
        probe(expect, FORECAST, &format!("notifications = {{ method = 'notifications/progress', {expect} }}"))
    };
    let all = ["min = 20000", "min = 20000, max = 20000", "max = 19999", "min = 20001"].map(expects);
    for (name, probe) in run(&["--fault", "progress-flood"], &all.concat()) {
        let status = if name.starts_with("min = 20000") { "healthy" } else { "failed" };
        assert_eq!(probe["status"], status, "{name}: {probe}");
        assert_eq!(probe["steps"][0]["checks"][0]["actual"], "20000", "{name}: {probe}");
    }
}

#[test]
fn a_refusal_that_is_asked_for_is_no_failure() {
    let file = [
        probe("asked", FORECAST, "http.status = 401"),
        probe("other", FORECAST, "http.status = 403"),
        probe("success as well", FORECAST, "http.status = { lt = 500 }"),
        probe("more", FORECAST, "http.status = 401\nexpect.json.'$.content' = { len = 1 }"),
    ];
    for (name, probe) in run(&["--fault", "http-401"], &file.concat()) {
        let status = if name == "asked" { "healthy" } else { "failed" };
        assert_eq!(probe["status"], status, "{name}: {probe}");
        if name == "other" || name == "success as well" {
            assert_eq!(probe["reason"], "auth", "{name}: {probe}");
        }
    }
}

#[test]
fn an_error_under_a_status_is_judged_where_the_step_asks_for_it() {
    let file = [
        probe("asked", FORECAST, "error.code = -32001"),
        probe("with words", FORECAST, "error = { code = { lt = -32000 }, message = { contains = 'scope' } }"),
        probe("other code", FORECAST, "error.code = -32602"),
        probe("other words", FORECAST, "error = { code = -32001, message = 'no' }"),
        probe("any error", FORECAST, "error = {}"),
        probe("no error", FORECAST, "json.'$.content' = { len = 1 }"),
        probe("status", FORECAST, "http.status = 401"),
        probe("both", FORECAST, "http.status = 401\nexpect.error.code = -32001"),
    ];
    for (name, probe) in run(&["--fault", "http-401-rpc"], &file.concat()) {
        let asked = matches!(name.as_str(), "asked" | "with words" | "status" | "both");
        assert_eq!(probe["status"], if asked { "healthy" } else { "failed" }, "{name}: {probe}");
        assert!(asked || probe["reason"] == "auth", "{name}: {probe}");
    }
    // The session itself is refused so.
    let at_first = ["--fault", "http-401-rpc", "--fault-on", "initialize", "--fault-on", "server/discover"];
    for (name, probe) in run(&at_first, &file.concat()) {
        let asked = matches!(name.as_str(), "asked" | "with words" | "status" | "both");
        assert_eq!(probe["status"], if asked { "healthy" } else { "failed" }, "{name}: {probe}");
        assert!(asked || probe["reason"] == "auth", "{name}: {probe}");
    }
}

#[test]
fn a_schema_of_the_tool_that_cannot_be_judged_with_is_a_finding() {
    let file = [
        probe("default", FORECAST, "json.'$.content' = { len = 1 }"),
        probe("asked", FORECAST, "output_schema = true"),
    ];
    for (fault, id, says) in [
        ("output-schema-pattern", "tool.schema_pattern", "[a-z"),
        ("output-schema-invalid", "tool.output_schema", "#/type"),
        ("output-schema-outside-ref", "tool.output_schema", "nothing is fetched"),
    ] {
        for (name, probe) in run(&["--fault", fault], &file.concat()) {
            // What the step asks for is red when it cannot be judged; a default raises no false alarm.
            assert_eq!(probe["status"], if name == "asked" { "failed" } else { "healthy" }, "{fault} {name}: {probe}");
            let findings = probe["findings"].as_array().unwrap();
            let finding = findings
                .iter()
                .find(|finding| finding["id"] == id)
                .unwrap_or_else(|| panic!("{fault} {name}: {probe}"));
            assert!(finding["actual"].as_str().unwrap().contains(says), "{fault} {name}: {finding}");
        }
    }
}

#[test]
fn no_kind_and_no_operator_is_without_a_row() {
    for (kinds, of_operators) in [(KIND_ROWS, OPERATOR_ROWS), (WITNESS_KIND_ROWS, WITNESS_OPERATOR_ROWS)] {
        // `lock` needs a file beside the probes: tests/lock.rs. `rules` has its rows in tests/noticed.rs.
        let rows: BTreeSet<&str> = kinds.iter().map(|row| row.0).chain(["output_schema", "lock", "rules"]).collect();
        assert_eq!(rows, KINDS.iter().map(|kind| kind.name).collect());
        let rows: BTreeSet<&str> = of_operators.iter().map(|row| row.0).collect();
        assert_eq!(rows, operators::NAMES.iter().copied().collect());
    }
}

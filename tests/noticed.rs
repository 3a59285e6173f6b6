//! What every probe notices beside its checks: each rule that is looked for is a finding on a demo server with a fault made
//! for it, and none is on the healthy one, in any revision over any transport. Neither status nor exit code is changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/prober.rs"]
mod prober;

use std::collections::BTreeSet;

use mcp_probe::audit::rules;
use mcp_probe::protocol::REVISIONS;
use serde_json::Value;

use prober::{BINARY, Served, binary, in_parallel, told};

/// A rule that is looked for, and a fault that violates it.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("call.result_tokens", "call-long-text", "stdio", "auto"),
    ("size.message", "call-megabyte", "stdio", "auto"),
    ("tools.shape", "tools-no-schema", "stdio", "2025-11-25"),
    ("tools.input_object", "tools-invalid-schema", "stdio", "2025-06-18"),
    ("tools.unique", "tools-duplicate", "http", "auto"),
    ("schema.valid", "tools-invalid-schema", "stdio", "2025-11-25"),
    ("schema.output", "output-schema-invalid", "stdio", "auto"),
    ("schema.references", "tools-remote-ref", "stdio", "auto"),
    ("schema.bounds", "tools-bottomless-schema", "stdio", "auto"),
    ("schema.x_mcp_header", "tools-bad-header", "http", "2026-07-28"),
    ("resources.unique", "resources-duplicate", "http", "auto"),
    ("prompts.unique", "prompts-duplicate", "stdio", "2025-11-25"),
    ("shape.message", "initialize-no-serverinfo", "http", "2025-11-25"),
];

/// What is looked for in definitions, and a fault that shows it.
const ADVICE: &[(&str, &str)] = &[
    ("cost.total", "tools-costly"),
    ("cost.tool", "tools-costly"),
    ("sec.control", "tools-poisoned"),
    ("sec.bidi", "tools-poisoned"),
    ("sec.invisible", "tools-poisoned"),
    ("sec.hidden_text", "tools-hidden-text"),
    ("sec.imperative", "tools-poisoned"),
];

/// Shown beside their judges instead: the demo server would have to be waited for.
const SLOW: &[&str] = &["call.late"];

/// Runs a probe that reads the lists and calls a tool; gives its part of the report.
fn check(target: &str, protocol: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("probe.toml");
    let text = format!(
        "[target.demo]\n{target}\nprotocol = \"{protocol}\"\n\n[[probe]]\nname = \"noticing\"\ntarget = \"demo\"\ntimeout = \"30s\"\n\n\
         [[probe.step]]\nmethod = \"tools/list\"\n\n[[probe.step]]\nmethod = \"resources/list\"\n\n\
         [[probe.step]]\nmethod = \"prompts/list\"\n\n\
         [[probe.step]]\ntool = \"echo\"\narguments = {{ message = \"hi\" }}\nunlisted = true\nallow_side_effects = true\n"
    );
    std::fs::write(&file, text).unwrap();
    let told = told(binary().arg("check").arg(&file).arg("--json"));
    told.document()["probes"][0].clone()
}

fn found(probe: &Value) -> BTreeSet<String> {
    let findings = probe["findings"].as_array().into_iter().flatten();
    findings.map(|finding| finding["id"].as_str().unwrap_or_default().to_owned()).collect()
}

fn over(transport: &str, faults: &[&str], judge: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut arguments: Vec<&str> = Vec::new();
    for fault in faults {
        arguments.extend(["--fault", *fault]);
    }
    if transport == "stdio" {
        let words: Vec<String> = [BINARY, "demo"].iter().chain(&arguments).map(|word| format!("{word:?}")).collect();
        return judge(&format!("command = [{}]", words.join(", ")));
    }
    let server = Served::start(arguments);
    match transport {
        "sse" => judge(&format!("url = \"{}\"\ntransport = \"sse\"", server.sse_url())),
        _ => judge(&format!("url = \"{}\"", server.url())),
    }
}

#[test]
fn every_rule_that_is_looked_for_is_found_where_it_is_broken() {
    let shown: BTreeSet<&str> = ROWS.iter().map(|(rule, ..)| *rule).chain(SLOW.iter().copied()).collect();
    let looked_for: BTreeSet<&str> = rules::all().filter(|rule| rule.noticed).map(|rule| rule.id).collect();
    assert_eq!(shown, looked_for, "a row for each");
    let advice = ADVICE.iter().map(|(id, fault)| (*id, *fault, "stdio", "auto"));
    let rows: Vec<_> = ROWS.iter().copied().chain(advice).collect();
    let wrong = in_parallel(rows, 2, |(rule, fault, transport, protocol)| {
        over(transport, &[fault], |target| {
            let probe = check(target, protocol);
            let is_right = found(&probe).contains(*rule);
            if is_right {
                Vec::new()
            } else {
                vec![format!("{rule} on {fault}: {:?} {}", found(&probe), probe["message"])]
            }
        })
    });
    assert_eq!(wrong, Vec::<String>::new());
}

/// The status of a step and its check, and the path that it names.
fn held_to(rules: &str, fault: Option<&str>) -> (String, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("probe.toml");
    let faults = fault.map_or(String::new(), |fault| format!(", \"--fault\", \"{fault}\""));
    let text = format!(
        "[target.demo]\ncommand = [\"{BINARY}\", \"demo\"{faults}]\n\n[[probe]]\nname = \"ruled\"\ntarget = \"demo\"\n\n\
         [[probe.step]]\nmethod = \"tools/list\"\nexpect.rules = {rules}\n"
    );
    std::fs::write(&file, text).unwrap();
    let step = &told(binary().arg("check").arg(&file).arg("--json")).document()["probes"][0]["steps"][0].clone();
    let check = step["checks"].as_array().unwrap().iter().find(|check| check["kind"] == "rules").unwrap();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (word(&step["status"]), word(&check["status"]), word(&check["path"]))
}

#[test]
fn a_step_is_held_to_the_rules_that_it_names() {
    for (rules, fault, step, check, path) in [
        (r#"["*"]"#, None, "healthy", "passed", ""),
        (r#"["tools.*", "schema.*"]"#, None, "healthy", "passed", ""),
        (r#"["tools.shape"]"#, Some("tools-no-schema"), "failed", "failed", "$.tools[15].inputSchema"),
        (r#"["tools.unique"]"#, Some("tools-duplicate"), "degraded", "warned", "$.tools[15].name"),
        (r#"{ only = ["tools.*"], ignore = ["tools.unique"] }"#, Some("tools-duplicate"), "healthy", "passed", ""),
        // It says nothing about a list.
        (r#"["call.content"]"#, None, "healthy", "skipped", ""),
    ] {
        let expected = (step.to_owned(), check.to_owned(), path.to_owned());
        assert_eq!(held_to(rules, fault), expected, "{rules} {fault:?}");
    }
}

#[test]
fn nothing_is_noticed_of_the_healthy_demo() {
    let mut all = Vec::new();
    for revision in REVISIONS {
        all.extend(["stdio", "http"].map(|transport| (revision.version, transport)));
    }
    all.push(("2024-11-05", "sse"));
    let wrong = in_parallel(all, 2, |(protocol, transport)| {
        over(transport, &[], |target| {
            let probe = check(target, protocol);
            let is_right = found(&probe).is_empty() && probe["status"] == "healthy";
            if is_right { Vec::new() } else { vec![format!("{protocol} over {transport}: {probe}")] }
        })
    });
    assert_eq!(wrong, Vec::<String>::new());
}

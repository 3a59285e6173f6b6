//! What a probe file says is what happens: time, retries, side effects, saving, cleaning up, findings, mistakes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::place::Place;

const TARGET: &str = "[target.t]\ncommand = [\"mcp-probe\", \"demo\"]\n";

fn file(steps: &str) -> Place {
    Place::new().with("f.toml", &format!("{TARGET}[[probe]]\nname = \"p\"\ntarget = \"t\"\n{steps}"))
}

/// The only probe of the file, and the exit code.
fn probe(place: &Place, more: &[&str]) -> (Value, i32) {
    let ran = place.run(&[&["check", "f.toml", "--json"], more].concat());
    (ran.json()["probes"][0].clone(), ran.code)
}

fn statuses(probe: &Value) -> Vec<&str> {
    probe["steps"].as_array().unwrap().iter().map(|step| step["status"].as_str().unwrap()).collect()
}

#[test]
fn values_are_saved_with_their_type() {
    let place = file(
        r#"
[[probe.step]]
tool = "add"
arguments = { a = 2, b = 3 }
save.sum = "$.structuredContent.sum"
[[probe.step]]
tool = "add"
arguments = { a = "${save.sum}", b = 1 }
expect.json."$.structuredContent.sum" = 6
[[probe.step]]
tool = "echo"
arguments = { message = "got ${save.sum}, $${x} for $5 ${SURELY_UNSET:-or not}" }
expect.text = { equals = "got 5, $${x} for $5 or not" }
"#,
    );
    let (probe, code) = probe(&place, &[]);
    assert_eq!((probe["status"].as_str(), code), (Some("healthy"), 0), "{probe}");
}

#[test]
fn what_cannot_be_saved_fails_its_step_and_skips_its_users() {
    let place = file(
        r#"
[[probe.step]]
tool = "echo"
arguments = { message = "x" }
save.x = "$.nothing"
[[probe.step]]
tool = "echo"
arguments = { message = "${save.x}" }
always = true
"#,
    );
    let (probe, code) = probe(&place, &[]);
    assert_eq!((statuses(&probe), code), (vec!["failed", "skipped"], 1));
    assert_eq!(probe["steps"][1]["reason"], "check");
}

#[test]
fn the_defaults_of_a_file_hold_for_a_target_without_a_probe() {
    let noisy = "[target.t]\ncommand = [\"mcp-probe\", \"demo\", \"--fault\", \"stdout-noise\"]\n";
    let place = Place::new()
        .with("f.toml", &format!("[defaults]\nfindings = \"fail\"\ntimeout = \"3s\"\nretries = 2\n{noisy}"))
        .with("plain.toml", noisy);
    place.run(&["check", "plain.toml"]).ended(0);
    let (probe, code) = probe(&place, &["--retries", "0"]);
    assert_eq!((probe["name"].as_str(), probe["status"].as_str(), code), (Some("built-in"), Some("failed"), 1));
    let shown = place.run(&["check", "f.toml", "--dry-run"]).ended(0);
    assert!(shown.out.contains("within 3s") && shown.out.contains("2 retries"), "{}", shown.out);
}

#[test]
fn a_time_out_names_the_limit_where_earlier_steps_took_of_it() {
    let slow = |ms: u32| format!("[[probe.step]]\ntool = \"slow\"\narguments = {{ ms = {ms} }}\n");
    let place = file(&format!("timeout = \"600ms\"\n{}{}", slow(400), slow(60_000)));
    let (probe_, code) = probe(&place, &[]);
    assert_eq!((probe_["reason"].as_str(), code), (Some("timeout"), 1), "{probe_}");
    let message = probe_["message"].as_str().unwrap();
    assert!(message.starts_with("no reply to tools/call within "), "{message}");
    assert!(message.contains("earlier calls had left no more of the attempt's timeout of 600ms"), "{message}");
    let (alone, _) = probe(&file(&format!("timeout = \"300ms\"\n{}", slow(60_000))), &[]);
    assert!(!alone["message"].as_str().unwrap().contains("earlier"), "{alone}");
}

#[test]
fn a_failed_step_skips_the_rest_but_for_the_clean_up() {
    let failing = "[[probe.step]]\ntool = \"fail\"\n";
    let rest = "[[probe.step]]\nmethod = \"tools/list\"\n[[probe.step]]\nmethod = \"prompts/list\"\nalways = true\n";
    let (probe_, code) = probe(&file(&(failing.to_owned() + rest)), &[]);
    assert_eq!((statuses(&probe_), code), (vec!["failed", "skipped", "healthy"], 5));
    assert_eq!(probe_["reason"], "tool_error");
    assert_eq!(probe_["steps"][1]["reason"], "tool_error", "what keeps it from being run");
    let (degraded, code) = probe(&file(&(failing.to_owned() + "on_fail = \"degraded\"\n" + rest)), &[]);
    assert_eq!((statuses(&degraded), code), (vec!["degraded", "healthy", "healthy"], 0));
    assert_eq!(probe(&file(&(failing.to_owned() + "on_fail = \"degraded\"\n")), &["--fail-on", "degraded"]).1, 5);
}

#[test]
fn a_time_out_leaves_time_to_clean_up() {
    let place = file(
        r#"timeout = "300ms"
[[probe.step]]
tool = "slow"
arguments = { ms = 60000 }
[[probe.step]]
tool = "echo"
arguments = { message = "bye" }
always = true
"#,
    );
    let (probe, code) = probe(&place, &[]);
    assert_eq!((statuses(&probe), code), (vec!["failed", "healthy"], 1), "{probe}");
    assert_eq!(probe["reason"], "timeout");
}

#[test]
fn tools_are_called_only_by_consent() {
    let step = |tool: &str, more: &str| {
        let text = format!("[[probe.step]]\ntool = \"{tool}\"\narguments = {{ text = \"x\" }}\n{more}");
        let (probe, code) = probe(&file(&text), &[]);
        (probe["steps"][0].get("request_bytes").is_some(), code)
    };
    assert_eq!(step("note", ""), (false, 1));
    assert_eq!(step("note", "allow_side_effects = true\n"), (true, 0));
    assert_eq!(step("nobody", ""), (false, 1));
    assert_eq!(step("nobody", "unlisted = true\n"), (false, 1), "not listed is not read-only");
    let both = "unlisted = true\nallow_side_effects = true\n";
    assert_eq!(step("nobody", both), (true, 5));
    assert_eq!(step("nobody", &(both.to_owned() + "expect.error = { code = -32602 }\n")), (true, 0));
}

/// A server that breaks off at the first tool call of its life.
fn breaks_once(step: &str) -> Place {
    let server = "#!/bin/sh\nif [ -e been ]; then exec EXE demo; fi\n: > been\n\
                  exec EXE demo --fault exit-during-call --fault-on tools/call\n";
    let text = format!(
        "[target.t]\ncommand = [\"./server.sh\"]\n[[probe]]\nname = \"p\"\ntarget = \"t\"\nretries = 2\n[[probe.step]]\n{step}"
    );
    let place = Place::new().with("f.toml", &text).with("server.sh", server);
    fs::set_permissions(place.path("server.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    place
}

#[test]
fn retries_are_recorded_and_what_needed_one_is_flaky() {
    let (probe_, code) = probe(&breaks_once("tool = \"echo\"\narguments = { message = \"x\" }\n"), &[]);
    assert_eq!((&probe_["status"], &probe_["reason"], code), (&json!("degraded"), &json!("flaky"), 0));
    let attempts = probe_["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!((&attempts[0]["reason"], &attempts[1]["status"]), (&json!("exited"), &json!("healthy")));
}

#[test]
fn side_effects_are_not_tried_twice() {
    let note = "tool = \"note\"\narguments = { text = \"x\" }\nallow_side_effects = true\n";
    let (probe_, code) = probe(&breaks_once(note), &[]);
    assert_eq!((probe_["attempts"].as_array().unwrap().len(), code), (1, 4), "{probe_}");
    let (probe_, code) = probe(&breaks_once(&(note.to_owned() + "idempotent = true\n")), &[]);
    assert_eq!((probe_["attempts"].as_array().unwrap().len(), code), (2, 0), "{probe_}");
}

#[test]
fn findings_change_nothing_unless_told() {
    let run = |defaults: &str, findings: &str| {
        let text = format!(
            "{defaults}[target.t]\ncommand = [\"mcp-probe\", \"demo\", \"--fault\", \"stdout-banner\"]\n\
             [[probe]]\nname = \"p\"\ntarget = \"t\"\n{findings}[[probe.step]]\nmethod = \"tools/list\"\n"
        );
        let (probe, code) = probe(&Place::new().with("f.toml", &text), &[]);
        assert_eq!(probe["findings"][0]["id"], "stdio.stdout_clean");
        (probe["status"].as_str().unwrap().to_owned(), code)
    };
    assert_eq!(run("", ""), ("healthy".into(), 0));
    assert_eq!(run("[defaults]\nfindings = \"degrade\"\n", ""), ("degraded".into(), 0));
    assert_eq!(run("[defaults]\nfindings = \"fail\"\n", ""), ("failed".into(), 1));
    assert_eq!(run("", "findings = { \"stdio.stdout_clean\" = \"fail\" }\n"), ("failed".into(), 1));
}

#[test]
fn a_latency_warns_then_fails() {
    let run = |bound: &str| {
        let text = format!(
            "[target.t]\ncommand = [\"mcp-probe\", \"demo\", \"--latency\", \"30ms\"]\n[[probe]]\nname = \"p\"\n\
             target = \"t\"\n[[probe.step]]\nmethod = \"tools/list\"\nexpect.latency = {bound}\n"
        );
        let (probe, code) = probe(&Place::new().with("f.toml", &text), &[]);
        (probe["status"].as_str().unwrap().to_owned(), code)
    };
    assert_eq!(run("\"20s\""), ("healthy".into(), 0));
    assert_eq!(run("{ warn = \"20ms\", max = \"20s\" }"), ("degraded".into(), 0));
    assert_eq!(run("\"20ms\""), ("failed".into(), 1));
}

#[test]
fn an_expected_error_that_does_not_come_is_a_failed_check() {
    let (probe, code) =
        probe(&file("[[probe.step]]\nmethod = \"tools/list\"\nexpect.error = { code = -32602 }\n"), &[]);
    assert_eq!((&probe["reason"], code), (&json!("check"), 1));
    assert_eq!(probe["steps"][0]["checks"][0]["kind"], "error");
}

#[test]
fn all_mistakes_of_all_files_come_at_once_with_their_places() {
    let place = Place::new().with("probes/a.toml", "[target.t]\nurl = 7\ntimout = \"3s\"\n").with(
        "probes/b.toml",
        "[[probe]]\nname = \"p\"\ntarget = \"nobody\"\n[[probe.step]]\ntool = \"x\"\narguments = { expect = 1 }\n",
    );
    let ran = place.run(&["check"]).ended(2);
    assert!(ran.out.is_empty());
    for place in ["probes/a.toml:2:7", "probes/a.toml:3:1", "probes/b.toml:3:10", "probes/b.toml:6:15", "4 mistakes"] {
        assert!(ran.err.contains(place), "{place}: {}", ran.err);
    }
}

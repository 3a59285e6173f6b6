//! `mcp-probe alerts test` from outside: what it prints, its exit codes, its document; and the shipped rules.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const RULES: &str = r#"
[[alert]]
name = "errors"
error_rate = "> 5%"
window = "5m"
notify = ["ops"]

[[alert]]
name = "slow"
latency = "p95 > 2000ms"
window = "10m"
notify = ["ops"]

[notify.ops]
kind = "webhook"
url = "${ALERTS_TEST_WEBHOOK}"
"#;

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-probe"));
    command.args(["alerts", "test"]).args(arguments).current_dir(folder);
    command.env_remove("ALERTS_TEST_WEBHOOK").env("XDG_STATE_HOME", folder.join("state")).env_remove("STATE_DIRECTORY");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn folder(rules: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
    folder
}

fn names(document: &Value) -> Vec<&str> {
    document["fired"].as_array().unwrap().iter().map(|one| one["alert"].as_str().unwrap()).collect()
}

#[test]
fn the_figures_of_the_contract_fire_none_of_the_shipped_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (code, out, err) = run(root, &["--synthetic", "requests=45203,errors=23,p95=1840ms"]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.starts_with("nothing fires: 3 rules over 45203 runs from "), "{err}");
}

#[test]
fn each_shipped_rule_can_fire_and_end() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (code, out, err) =
        run(root, &["probes", "--synthetic", "requests=5760,errors=1152,p95=2100ms,span=1d", "--json"]);
    assert_eq!(code, 1, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["schema"], "mcp-probe/alerts-test/1");
    assert_eq!(document["runs"], 5760);
    let fired = names(&document);
    assert!(fired.contains(&"mcp_error_rate_spike") && fired.contains(&"mcp_p95_latency_exceeds"), "{fired:?}");
    let told = document["messages"].as_array().unwrap();
    assert!(told.iter().any(|message| message["transition"] == "firing" && message["channel"] == "oncall"), "{told:?}");
    // Nothing but failures, for an hour: three in a row.
    let (code, out, _) = run(root, &["probes", "--synthetic", "requests=240,errors=240,span=1h", "--json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 1);
    assert!(names(&document).contains(&"mcp_server_unresponsive"), "{out}");
    assert_eq!(document["fired"][0]["ended_at"], Value::Null);
}

#[test]
fn a_percentile_just_above_its_bound_does_not_read_as_if_it_was_at_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (code, out, err) = run(root, &["--synthetic", "requests=45203,errors=0,p95=2001ms"]);
    assert_eq!(code, 1, "{err}");
    assert!(out.contains("is 2.00 s (2001 ms), expected at most 2.00 s (2000 ms)"), "{out}");
}

#[test]
fn what_fires_is_a_row_each_and_variables_of_notifiers_are_not_needed() {
    let folder = folder(RULES);
    let (code, out, err) = run(folder.path(), &["rules.toml", "--synthetic", "requests=2400,errors=480,span=10h"]);
    assert_eq!(code, 1, "{err}");
    let row: Vec<&str> = out.lines().next().unwrap().split('\t').collect();
    assert_eq!((row[0], row[1], row[2], row[4]), ("errors", "synthetic", "synthetic", "still fires"), "{out}");
    assert!(row[5].contains("failed within 5m") && row[5].contains("at most 5 %"), "{out}");
    assert!(err.contains("1 alert fires: 2 rules over 2400 runs"), "{err}");
}

#[test]
fn what_cannot_be_meant_is_told() {
    let with_rules = folder(RULES);
    for (arguments, words) in [
        (&["rules.toml"][..], "--synthetic"),
        (&["rules.toml", "--synthetic", "requests=0"], "between 1 and"),
        (&["rules.toml", "--synthetic", "requests=5,errors=6"], "more errors than requests"),
        (&["rules.toml", "--synthetic", "requests=5,p95=2"], "no unit"),
        (&["rules.toml", "--synthetic", "requests=5", "--replay"], "cannot be used with"),
        (&["rules.toml", "--replay"], "there is no history here"),
    ] {
        let (code, _, err) = run(with_rules.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    let without = folder("[target.a]\nurl = \"https://host.example/mcp\"\n");
    let (code, _, err) = run(without.path(), &["rules.toml", "--synthetic", "requests=5"]);
    assert_eq!(code, 6, "{err}");
    assert!(err.contains("no alert"), "{err}");
    let (code, _, err) = run(without.path(), &["--synthetic", "requests=5"]);
    assert_eq!(code, 6, "{err}");
}

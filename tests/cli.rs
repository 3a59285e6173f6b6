//! What a person or a script meets, shown on the real binary from outside: the words of the command line, where targets
//! come from, consent, parameters, outputs; in the folder beside: exit codes and documents, probe files, secrets. Every
//! server is the demo server or one that sends everything back.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its servers end with it"
)]

#[path = "cli/checks.rs"]
mod checks;
#[path = "cli/codes.rs"]
mod codes;
#[path = "cli/complaints.rs"]
mod complaints;
#[path = "cli/place.rs"]
mod place;
#[path = "cli/secrets.rs"]
mod secrets;

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use place::{EXE, Place, finished, found};

// The words of the command line.

#[test]
fn methods_are_words_with_a_slash_and_a_few_names() {
    let place = Place::new();
    for (word, wanted) in
        [("tools", "echo\t"), ("tools/list", "echo\t"), ("resources", "demo://"), ("prompts", "greet")]
    {
        assert!(place.demo(&[word]).ended(0).out.starts_with(wanted), "{word}");
    }
    let era = |word: &str| place.demo(&[word, "--json"]).ended(0).json()["protocol"]["era"].clone();
    assert_eq!((era("initialize"), era("server/discover")), ("legacy".into(), "modern".into()));
    place.demo(&["ping", "--protocol", "legacy"]).ended(0);
    // Nothing but a target: an overview.
    let overview = place.demo(&[]).ended(0).out;
    assert!(overview.contains("tool\techo") && overview.contains("prompt\tgreeting"), "{overview}");
    assert!(place.demo(&["x/y"]).ended(5).err.contains("-32601"));
}

#[test]
fn the_path_of_a_file_is_never_a_method() {
    let place = Place::new().with("tools/list", "[target.d]\ncommand = [\"mcp-probe\", \"demo\"]\n");
    assert!(place.run(&["tools/list"]).ended(0).out.contains("d\tprompt\tgreeting"));
}

#[test]
fn what_follows_the_dashes_is_the_server() {
    let place = Place::new();
    let ran = place.run(&["tools", "--jq", ".tools | length", "--", EXE, "demo", "--tools", "2"]).ended(0);
    assert_eq!(ran.out, "17\n");
    assert!(place.run(&["tools", "--", "--json", "x"]).ended(2).err.contains("stand before `--`"));
    assert!(place.run(&["tools", "npx", "server"]).ended(2).err.contains("goes after `--`"));
}

#[test]
fn several_targets_are_asked_side_by_side() {
    let place = found();
    let document = place.run(&["tools", "a", "d", "--json"]).ended(0).json();
    assert_eq!(document["schema"], "mcp-probe/calls/1");
    assert_eq!(document["calls"].as_array().unwrap().len(), 2);
    let rows = place.run(&["tools", "a", "d"]).ended(0).out;
    assert!(
        rows.lines().any(|row| row.starts_with("a\techo\t")) && rows.lines().any(|row| row.starts_with("d\techo\t"))
    );
}

#[test]
fn parameters_in_every_spelling() {
    let place = Place::new().with("p.json", r#"{"name": "echo", "arguments": {"message": "file"}}"#);
    for (arguments, wanted) in [
        (&["--tool", "echo", "--arg", "message=5"][..], "5\n"),
        (&["--tool", "echo", "--args", r#"{"message": "args"}"#], "args\n"),
        (&["--param", "name=echo", "--param", r#"arguments:={"message": "p"}"#], "p\n"),
        (&["--params", r#"{"name": "echo", "arguments": {"message": "whole"}}"#], "whole\n"),
        (&["--params", "@p.json"], "file\n"),
        (&["--params", "@p.json", "--arg", "message=nearer"], "nearer\n"),
    ] {
        assert_eq!(place.demo(&[&["tools/call"], arguments].concat()).ended(0).out, wanted, "{arguments:?}");
    }
    let stdin = fs::File::open(place.path("p.json")).unwrap();
    let ran = finished(place.command(EXE).args(["tools/call", "--params", "@-", "--", EXE, "demo"]).stdin(stdin));
    assert_eq!(ran.ended(0).out, "file\n");
    let sum = place.demo(&["tools/call", "--tool", "add", "--arg", "a:=2", "--arg", "b:=3", "--json"]).ended(0).json();
    assert_eq!(sum["result"]["structuredContent"]["sum"], 5);
    // A string where a number is wanted: the server says so.
    assert!(place.demo(&["tools/call", "--tool", "add", "--arg", "a=2", "--arg", "b:=3"]).code == 5);
    for wrong in [&["--param", "x"][..], &["--params", "{"], &["--arg", "k:=x"], &["--params", "@gone"]] {
        place.demo(&[&["tools/call", "--tool", "echo"], wrong].concat()).ended(2);
    }
}

// Where targets come from, and consent.

#[test]
fn names_are_found_in_f_then_in_the_project() {
    let place = found()
        .with("probes/b.toml", "[target.b]\ncommand = [\"mcp-probe\", \"demo\"]\n")
        .with("other.toml", "[target.a]\ncommand = [\"mcp-probe\", \"demo\", \"--tools\", \"1\"]\n");
    let tools =
        |arguments: &[&str]| place.run(&[&["tools", "--jq", ".tools | length"], arguments].concat()).ended(0).out;
    assert_eq!(tools(&["a"]), "15\n");
    assert_eq!(tools(&["b"]), "15\n");
    assert_eq!(tools(&["-f", "other.toml", "a"]), "16\n");
    assert_eq!(tools(&["-f", "other.toml", "b"]), "15\n", "what -f does not have, the project may");
    assert_eq!(tools(&["other.toml"]), "16\n");
    assert!(place.run(&["tools", "c"]).ended(2).err.contains("targets here"));
    assert!(place.run(&["check", "gone.toml"]).ended(2).err.contains("there is no file `gone.toml`"));
}

#[test]
fn a_name_in_two_files_is_shown_with_both() {
    let place = found().with("probes/b.toml", "[target.a]\nurl = \"http://127.0.0.1:1/\"\n");
    let err = place.run(&["tools", "a"]).ended(2).err;
    assert!(err.contains("mcp-probe.toml:2:9") && err.contains("probes/b.toml:1:9"), "{err}");
}

#[test]
fn check_takes_the_probes_of_the_targets_it_is_given() {
    let place = found();
    let probes = |arguments: &[&str]| -> Vec<String> {
        let document = place.run(&[&["check", "--json"], arguments].concat()).ended(0).json();
        let name = |probe: &Value| format!("{} {}", probe["name"].as_str().unwrap(), probe["target"].as_str().unwrap());
        document["probes"].as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(probes(&["a"]), ["smoke a"]);
    assert_eq!(probes(&["d"]), ["built-in d"]);
    assert_eq!(probes(&["mcp-probe.toml"]), ["smoke a", "built-in d"]);
    assert_eq!(probes(&["--yes"]), ["smoke a", "built-in d"]);
    assert_eq!(probes(&["--yes", "--probe", "smo*"]), ["smoke a"]);
    assert_eq!(probes(&["--yes", "-l", "env=prod"]), ["smoke a"]);
    assert_eq!(probes(&["--target", "d"]), ["built-in d"]);
}

#[test]
fn what_was_found_is_not_started_without_a_yes() {
    let place = found();
    let ran = place.run(&["tools", "-l", "env=prod"]).ended(8);
    assert!(ran.err.contains("nobody agreed") && ran.out.is_empty());
    let document = place.run(&["check", "--json"]).ended(8).json();
    assert_eq!(document["summary"], json!({"probes": 2, "healthy": 1, "degraded": 0, "failed": 0, "unknown": 1}));
    for consent in [&["--yes"][..], &["a"], &["-f", "mcp-probe.toml"], &["mcp-probe.toml"]] {
        place.run(&[&["tools"], consent].concat()).ended(0);
    }
    // Our own demo server is harmless, unless a variable makes it something else.
    let loaded = "[target.x]\ncommand = [\"mcp-probe\", \"demo\"]\nenv = { LD_PRELOAD = \"./x.so\" }\n";
    Place::new().with("mcp-probe.toml", loaded).run(&["tools"]).ended(8);
}

#[test]
fn a_yes_at_the_terminal_is_kept_until_something_changes() {
    let place = found();
    let at_terminal = |answer: &str| {
        let line = format!("{EXE} tools -l env=prod --jq '.tools | length'");
        let mut script = place
            .command("script")
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, mut stdout) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
        let mut answered = false;
        while let Ok(read @ 1..) = stdout.read(&mut chunk) {
            seen.extend_from_slice(&chunk[..read]);
            if !answered && String::from_utf8_lossy(&seen).contains("[y/N/q]") {
                answered = stdin.write_all(format!("{answer}\n").as_bytes()).is_ok();
            }
        }
        (script.wait().unwrap().code(), String::from_utf8_lossy(&seen).into_owned())
    };
    let (code, seen) = at_terminal("n");
    assert_eq!(code, Some(8), "{seen}");
    assert!(seen.contains("./server.sh") && seen.contains("env=prod"), "shown whole: {seen}");
    let (code, seen) = at_terminal("y");
    assert_eq!(code, Some(0), "{seen}");
    assert!(place.path("state/mcp-probe/consents.json").is_file());
    place.run(&["tools", "-l", "env=prod"]).ended(0);
    let text = fs::read_to_string(place.path("mcp-probe.toml")).unwrap();
    fs::write(place.path("mcp-probe.toml"), text + "# changed\n").unwrap();
    place.run(&["tools", "-l", "env=prod"]).ended(8);
}

#[test]
fn secrets_for_one_server_need_one_server() {
    let place = found();
    for option in [["-H", "A: b"], ["--bearer", "t"], ["-e", "A=b"]] {
        for targets in [&[][..], &["a", "d"], &["mcp-probe.toml"], &["-f", "mcp-probe.toml"]] {
            for command in [&["tools"][..], &["check"]] {
                let ran = place.run(&[command, &option, targets].concat()).ended(2);
                assert!(ran.err.contains("exactly one named target"), "{}", ran.err);
            }
        }
    }
    place.run(&["check", "-e", "A=b", "a"]).ended(0);
}

#[test]
fn only_what_is_selected_needs_its_variables() {
    let place = Place::new().with(
        "f.toml",
        "[target.a]\ncommand = [\"mcp-probe\", \"demo\"]\n[target.b]\nurl = \"http://${SURELY_UNSET_HOST}/\"\n",
    );
    place.run(&["tools", "f.toml", "--target", "a"]).ended(0);
    place.run(&["check", "f.toml", "--target", "a"]).ended(0);
    let err = place.run(&["tools", "f.toml"]).ended(2).err;
    assert!(err.contains("target.b.url") && err.contains("f.toml:4:7"), "{err}");
}

// What is printed, and where.

#[test]
fn lists_follow_every_page() {
    let place = Place::new();
    let server = [EXE, "demo", "--page-size", "4"];
    let document = place.run(&[&["tools", "--json", "--"], &server[..]].concat()).ended(0).json();
    assert_eq!(document["pages"], 4);
    assert_eq!(document["result"]["tools"].as_array().unwrap().len(), 15);
    assert!(document["total_ms"].as_f64() > document["latency_ms"].as_f64());
    let raw = place.run(&[&["tools", "--raw", "--"], &server[..]].concat()).ended(0).out;
    let pages: Vec<Value> = raw.lines().map(|page| serde_json::from_str(page).unwrap()).collect();
    assert_eq!(pages.len(), 4);
    assert!(pages.iter().all(|page| page["jsonrpc"] == "2.0" && page["result"]["tools"].is_array()));
}

#[test]
fn filters_print_strings_bare_and_other_values_as_json() {
    let place = Place::new();
    assert_eq!(place.demo(&["tools", "--jq", ".tools[0].name, [1, \"a\"]"]).ended(0).out, "echo\n[1,\"a\"]\n");
    place.demo(&["tools", "--jq", ".tools["]).ended(2);
    assert!(place.demo(&["tools", "--jq", ".tools.x"]).ended(2).err.contains("--jq"));
}

#[test]
fn a_pipe_gets_tabs_and_a_terminal_a_table() {
    let place = Place::new();
    let piped = place.demo(&["tools"]).ended(0);
    assert!(piped.err.is_empty() && piped.out.lines().all(|row| row.split('\t').count() == 5), "{}", piped.out);
    assert!(!piped.out.contains('\u{1b}'));
    assert!(place.demo(&["tools", "--color", "always"]).out.contains('\u{1b}'));
    let line = format!("stty cols 60 rows 20; {EXE} tools -- {EXE} demo");
    let shown = finished(place.command("script").args(["-qec", &line, "/dev/null"])).ended(0).out;
    assert!(shown.contains("15 tools") && shown.contains('\u{1b}'), "{shown}");
    let plain = finished(place.command("script").args(["-qec", &line, "/dev/null"]).env("NO_COLOR", "1")).out;
    let table = plain.lines().filter(|row| !row.contains("15 tools"));
    assert!(!plain.contains('\u{1b}') && table.into_iter().all(|row| row.trim_end().chars().count() <= 60), "{plain}");
}

#[test]
fn repeated_calls_end_with_their_latencies() {
    let place = Place::new();
    let call = ["tools/call", "--tool", "echo", "--arg", "message=x", "-n", "5", "--interval", "2ms"];
    let document = place.demo(&[&call[..], &["--json"]].concat()).ended(0).json();
    let latency = document["latency"].as_object().unwrap();
    let names: Vec<&str> = latency.keys().map(String::as_str).collect();
    assert_eq!(names, ["count", "min", "mean", "p50", "p90", "p95", "p99", "max"]);
    assert_eq!(latency["count"], 5);
    let note = ["tools/call", "--tool", "note", "--arg", "text=x", "-n", "2"];
    assert!(place.demo(&note).ended(2).err.contains("--allow-side-effects"));
    place.demo(&[&note[..], &["--allow-side-effects"]].concat()).ended(0);
    place.demo(&note[..5]).ended(0);
    // What was not made did not succeed.
    let dies = ["tools/list", "-n", "100", "--protocol", "legacy", "--json"];
    let demo = ["--", EXE, "demo", "--fault", "exit-during-call", "--fault-after", "3"];
    let document = place.run(&[&dies[..], &demo[..]].concat()).ended(4).json();
    let message = document["message"].as_str().unwrap();
    assert!(message.starts_with("1 of 4 calls failed (100 were to be made), the first with: "), "{message}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    let line = format!("{EXE} tools -n 2 --json -- {EXE} demo | true; echo ${{PIPESTATUS[0]}}");
    let ran = finished(place.command("bash").args(["-c", &line])).ended(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("0\n", ""));
}

#[test]
fn the_trace_has_exactly_these_members() {
    const MEMBERS: &[&str] = &[
        "at",
        "run_id",
        "probe",
        "target",
        "call_id",
        "rpc_id",
        "trace_id",
        "direction",
        "method",
        "status",
        "bytes",
        "duration_ms",
        "payload",
    ];
    let place = Place::new();
    place.demo(&["tools", "--trace", "t.jsonl", "--protocol", "legacy"]).ended(0);
    let text = fs::read_to_string(place.path("t.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let directions: Vec<&str> = lines.iter().map(|line| line["direction"].as_str().unwrap()).collect();
    assert_eq!(directions, ["sent", "received", "sent", "sent", "received"]);
    for line in &lines {
        assert!(line.as_object().unwrap().keys().all(|key| MEMBERS.contains(&key.as_str())), "{line}");
        assert!(line.as_object().unwrap().values().all(|value| !value.is_null()), "absent, not null: {line}");
        assert!(line["payload"]["jsonrpc"] == "2.0" && line["bytes"].as_u64() > Some(0));
    }
    let last = lines.last().unwrap().as_object().unwrap();
    assert_eq!(last.keys().map(String::as_str).collect::<Vec<_>>(), MEMBERS);
}

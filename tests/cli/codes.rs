//! The exit codes, and the documents for programs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::place::{EXE, Place, finished, found, refused};

/// Targets with one thing wrong each.
const MANY: &str = r#"
[target.ok]
command = ["mcp-probe", "demo"]
[target.gone]
command = ["./no-such-program"]
[target.error]
command = ["mcp-probe", "demo", "--fail-rate", "100%"]
[target.silent]
command = ["mcp-probe", "demo", "--fault", "silent-calls"]
"#;

#[test]
fn each_code_has_its_case() {
    let place = found();
    place.demo(&["tools"]).ended(0);
    place.demo(&["tools/call", "--tool", "slow", "--arg", "ms:=5000", "--timeout", "100ms"]).ended(1);
    place.run(&["tools", "--bogus"]).ended(2);
    place.run(&["tools", "nobody"]).ended(2);
    place.run(&["tools", &refused()]).ended(4);
    place.run(&["tools", "--", "./no-such-program"]).ended(4);
    place.run(&["tools", "--", "sh", "-c", "exit 3"]).ended(4);
    place.run(&["tools", "--timeout", "200ms", "--", EXE, "demo", "--fault", "silent"]).ended(4);
    place.demo(&["tools/call", "--tool", "fail"]).ended(5);
    place.demo(&["tools/call", "--tool", "nobody"]).ended(5);
    place.demo(&["tools", "--target", "nobody"]).ended(6);
    place.run(&["check", "--probe", "nobody"]).ended(6);
    Place::new().run(&["check"]).ended(6);
    Place::new().run(&["tools"]).ended(6);
    place.run(&["check", "a", "--report", "json=/nonexistent/report.json"]).ended(7);
    place.demo(&["tools", "--trace", "/dev/full"]).ended(7);
    place.run(&["tools", "-l", "env=prod"]).ended(8);
}

#[test]
fn a_variable_that_names_no_proxy_is_said_and_nobody_goes_past_it() {
    let place = Place::new();
    for (value, words) in [
        (":::bad", "the variable HTTPS_PROXY names no proxy: expected a URL such as http://proxy:3128"),
        ("http://user:word@[bad", "the variable HTTPS_PROXY names no proxy"),
        ("https://proxy.test:3128", "speaks a protocol that is not supported"),
    ] {
        for words_of_call in [&["tools"][..], &["check"]] {
            let mut command = place.command(EXE);
            let ran = finished(command.args(words_of_call).arg("https://mcp.test/mcp").env("HTTPS_PROXY", value));
            let ran = ran.ended(4);
            assert!(format!("{}{}", ran.out, ran.err).contains(words), "{value}: {} {}", ran.out, ran.err);
            assert!(!ran.err.contains("word@"), "{}", ran.err);
        }
    }
}

#[test]
fn too_few_descriptors_are_no_bug() {
    let place = Place::new();
    let call = ["tools", "http://127.0.0.1:9/mcp"];
    for words in [&call[..], &["check", call[1]], &["demo", "--http", "127.0.0.1:0"]] {
        for limit in 5..=9 {
            let script = format!("ulimit -n {limit}; exec {EXE} {}", words.join(" "));
            let ran = finished(place.command("sh").args(["-c", &script])).ended(2);
            assert!(ran.err.contains("expected at least") && ran.err.contains("`ulimit -n 1024`"), "{}", ran.err);
        }
    }
}

#[test]
fn a_file_of_tls_that_cannot_be_used_is_a_usage_error_and_nothing_is_sent() {
    let url = "https://127.0.0.1:9/mcp";
    let file = format!("[target.t]\nurl = \"{url}\"\ntls = {{ ca = \"ca.pem\" }}\n");
    let place = Place::new().with("f.toml", &file).with("no.pem", "nothing of the kind\n");
    for named in ["gone.pem", "no.pem", "/dev"] {
        let ran = place.run(&["ping", url, "--cacert", named]).ended(2);
        assert!(ran.err.contains("`--cacert`") && ran.err.contains(named), "{}", ran.err);
        place.run(&["check", url, "--cacert", named]).ended(2);
        let ran = place.run(&["ping", url, "--cert", "no.pem", "--key", named]).ended(2);
        assert!(ran.err.contains("`--cert`") || ran.err.contains("`--key`"), "{}", ran.err);
    }
    for words in [&["check", "f.toml"][..], &["wait", "f.toml", "--for", "5s"], &["ping", "t", "-f", "f.toml"]] {
        let ran = place.run(words).ended(2);
        assert!(ran.err.contains("f.toml:3:14") && ran.err.contains("ca.pem"), "{}", ran.err);
    }
}

#[test]
fn the_calls_of_a_document_are_in_the_order_of_the_targets() {
    let slow = "[target.slow]\ncommand = [\"mcp-probe\", \"demo\", \"--latency\", \"700ms\"]\n";
    let place = Place::new().with("f.toml", &format!("{slow}[target.quick]\ncommand = [\"mcp-probe\", \"demo\"]\n"));
    for words in [&["tools", "-f", "f.toml", "--json"][..], &["tools", "slow", "quick", "-f", "f.toml", "--json"]] {
        let document = place.run(words).ended(0).json();
        let names: Vec<&str> =
            document["calls"].as_array().unwrap().iter().map(|call| call["target"].as_str().unwrap()).collect();
        assert_eq!(names, ["slow", "quick"]);
    }
}

#[test]
fn a_server_that_wants_a_token_is_code_3() {
    use std::io::Read as _;
    let place = Place::new();
    let mut server = place
        .command(EXE)
        .args(["demo", "--http", "127.0.0.1:0", "--token", "right"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.trim().rsplit(' ').next().unwrap().to_owned();
    place.run(&["tools", &url]).ended(3);
    place.run(&["tools", &url, "--bearer", "wrong"]).ended(3);
    place.run(&["tools", &url, "--bearer", "right"]).ended(0);
    let in_variable = finished(place.command(EXE).args(["tools", &url, "--bearer", "env:TOKEN"]).env("TOKEN", "right"));
    in_variable.ended(0);
    let filed = place.with("token", "right\n");
    filed.run(&["tools", &url, "--bearer", "@token"]).ended(0);
    server.kill().unwrap();
    server.wait().unwrap();
    stdout.read_to_string(&mut line).unwrap();
}

#[test]
fn different_failures_are_code_1_and_failed_outranks_unknown_outranks_7() {
    let place = Place::new().with("many.toml", MANY);
    let check = |targets: &[&str]| {
        let mut arguments = vec!["check", "many.toml", "--timeout", "300ms"];
        for target in targets {
            arguments.extend(["--target", target]);
        }
        place.run(&arguments).code
    };
    assert_eq!([check(&["ok"]), check(&["gone"]), check(&["error"]), check(&["silent"])], [0, 4, 5, 1]);
    assert_eq!([check(&["ok", "gone"]), check(&["gone", "error"])], [4, 1]);
    let found = found();
    found.run(&["check", "--report", "json=/nonexistent/r.json"]).ended(8);
    found.demo(&["tools/call", "--tool", "fail", "--trace", "/dev/full"]).ended(5);
    let both = FAILED_AND_UNKNOWN;
    Place::new().with("mcp-probe.toml", both).run(&["check"]).ended(4);
}

/// The second needs a consent that nobody gives.
const FAILED_AND_UNKNOWN: &str =
    "[target.a]\nurl = \"http://127.0.0.1:1/mcp\"\n[target.b]\ncommand = [\"sh\", \"-c\", \"exit 1\"]\n";

#[test]
fn signals_have_their_codes() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        for command in ["tools", "check"] {
            let place = Place::new();
            let mut child = place
                .command(EXE)
                .args([command, "-v", "--", EXE, "demo", "--fault", "silent"])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stderr = BufReader::new(child.stderr.take().unwrap());
            let mut line = String::new();
            // Once something was sent, it waits for the answer.
            stderr.read_line(&mut line).unwrap();
            assert!(line.starts_with("> "), "{line}");
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
            for _ in stderr.lines() {}
            assert_eq!(child.wait().unwrap().code(), Some(code), "{command}");
        }
    }
}

#[test]
fn the_style_of_nagios_has_four_codes() {
    let place = found().with("many.toml", MANY);
    let nagios = |arguments: &[&str]| place.run(&[&["check", "--exit-style", "nagios"], arguments].concat()).code;
    assert_eq!(nagios(&["many.toml", "--target", "ok"]), 0);
    assert_eq!(nagios(&["many.toml", "--target", "ok", "--report", "json=/nonexistent/r.json"]), 1);
    assert_eq!(nagios(&["many.toml", "--target", "gone"]), 2);
    assert_eq!(nagios(&[]), 3, "unknown");
    assert_eq!(nagios(&["--probe", "nobody"]), 3);
    assert_eq!(nagios(&["nobody"]), 3);
    assert_eq!(nagios(&["--bogus"]), 3);
    // What stands after the dashes is not ours.
    assert_eq!(place.run(&["check", "--", "./gone", "--exit-style=nagios"]).code, 4);
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Nothing is null: what is not known is absent. What is named `_ms` is a number.
fn complete(value: &Value, at: &str) {
    match value {
        Value::Null => panic!("{at} is null"),
        Value::Array(items) => items.iter().for_each(|item| complete(item, at)),
        Value::Object(all) => {
            for (key, item) in all {
                assert!(!key.ends_with("_ms") || item.is_number() || item.is_object(), "{at}.{key}: {item}");
                complete(item, &format!("{at}.{key}"));
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_of_one_call() {
    let place = Place::new();
    let call = ["tools/call", "--tool", "add", "--arg", "a:=2", "--arg", "b:=3", "--json"];
    let document = place.demo(&call).ended(0).json();
    complete(&document, "call");
    assert_eq!(document["schema"], "mcp-probe/call/1");
    assert_eq!(document["status"], "healthy");
    assert_eq!(document["protocol"], json!({"version": "2026-07-28", "era": "modern", "transport": "stdio"}));
    assert_eq!(document["server"]["name"], "mcp-probe-demo");
    for absent in ["reason", "message", "error", "latency"] {
        assert!(document.get(absent).is_none(), "{absent}");
    }
    let phases = members(&document["phases_ms"]);
    assert!(phases.contains(&"spawn") && phases.contains(&"call"), "{phases:?}");
    assert!(!phases.contains(&"tls") && !phases.contains(&"connect"), "{phases:?}");
    let failed = place.demo(&["x/y", "--json"]).ended(5).json();
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("rpc_error")));
    assert_eq!(failed["error"]["code"], -32601);
    assert!(failed.get("result").is_none() && failed["message"].is_string());
    let none = place.run(&["tools", "--json", "--", "./gone"]).ended(4).json();
    assert_eq!(none["reason"], "spawn");
    for absent in ["latency_ms", "total_ms", "server", "protocol", "result"] {
        assert!(none.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn the_document_of_a_run() {
    let place = Place::new().with("many.toml", MANY);
    let run = ["check", "many.toml", "--json", "--timeout", "300ms"];
    let ran = place.run(&run).ended(1);
    assert_eq!(ran.out.trim_end().lines().count(), 1, "one document, nothing else");
    let document = ran.json();
    complete(&document, "report");
    assert_eq!(document["schema"], "mcp-probe/report/1");
    let at = document["started_at"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[19] == b'.', "{at}");
    assert_eq!(document["summary"], json!({"probes": 4, "healthy": 1, "degraded": 0, "failed": 3, "unknown": 0}));
    let probe = |name: &str| -> &Value {
        document["probes"].as_array().unwrap().iter().find(|probe| probe["target"] == name).unwrap()
    };
    let ok = probe("ok");
    for needed in ["name", "target", "labels", "started_at", "status", "server", "protocol", "duration_ms", "phases_ms"]
    {
        assert!(ok.get(needed).is_some(), "{needed}");
    }
    assert_eq!(ok["attempts"].as_array().unwrap().len(), 1);
    let step = &ok["steps"][0];
    for needed in ["name", "method", "status", "latency_ms", "first_byte_ms", "request_bytes", "response_bytes"] {
        assert!(step.get(needed).is_some(), "{needed}");
    }
    assert!(ok.get("reason").is_none() && step.get("reason").is_none());
    let reasons = ["gone", "error", "silent"].map(|name| probe(name)["reason"].clone());
    assert_eq!(reasons, ["spawn", "rpc_error", "timeout"].map(Value::from));
    assert!(probe("gone").get("protocol").is_none() && probe("gone")["steps"] == json!([]));
    let silent = &probe("silent")["steps"];
    assert_eq!(silent.as_array().unwrap().len(), 1, "no further list is asked for: {silent}");
    assert!(silent[0].get("latency_ms").is_none() && silent[0].get("response_bytes").is_none());
    place.run(&["check", "many.toml", "--target", "ok", "--report", "json=r.json"]).ended(0);
    let filed: Value = serde_json::from_slice(&fs::read(place.path("r.json")).unwrap()).unwrap();
    assert_eq!(filed["schema"], "mcp-probe/report/1");
}

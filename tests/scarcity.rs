//! A prober that runs out of descriptors says that it cannot tell; it does not say that a server failed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_mcp-probe");

/// Runs `check` over many targets at once with so few descriptors.
fn check(targets: &str, descriptors: u32) -> Value {
    check_with(targets, descriptors, ("20s", 64))
}

/// With a timeout of its own, and as many jobs.
fn check_with(targets: &str, descriptors: u32, (timeout, jobs): (&str, u32)) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let probe = format!(
        "[[probe]]\nname = \"list\"\ntarget = \"*\"\ntimeout = \"{timeout}\"\n[[probe.step]]\nmethod = \"tools/list\"\n"
    );
    std::fs::write(folder.path().join("mcp-probe.toml"), format!("{targets}{probe}")).unwrap();
    let script = format!("ulimit -n {descriptors}; exec {BINARY} check mcp-probe.toml --json --jobs {jobs}");
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Every probe is healthy, or it is unknown because something ran out; some are.
fn nobody_is_blamed(report: &Value) {
    let probes = report["probes"].as_array().unwrap();
    let mut unknown = 0;
    for probe in probes {
        match probe["status"].as_str() {
            Some("healthy") => {}
            Some("unknown") => {
                unknown += 1;
                assert_eq!(probe["reason"], "internal", "{probe}");
                assert!(probe["message"].as_str().unwrap().contains("ran out of a resource"), "{probe}");
            }
            _ => panic!("a server is blamed: {probe}"),
        }
    }
    assert!(unknown > 0, "nothing ran out: {report}");
}

#[test]
fn servers_over_http_are_not_blamed_for_our_descriptors() {
    // One server with its own limits answers slowly, so that all connections are open at once.
    let mut server = Command::new(BINARY)
        .args(["demo", "--http", "127.0.0.1:0", "--latency", "1500ms"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let url = first_url(&mut server);
    for host in [url.clone(), url.replace("127.0.0.1", "localhost")] {
        let mut targets = String::new();
        for number in 0..40 {
            write!(targets, "[target.t{number}]\nurl = \"{host}\"\nprotocol = \"modern\"\n").unwrap();
        }
        nobody_is_blamed(&check(&targets, 30));
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn programs_are_not_blamed_for_our_descriptors() {
    let mut targets = String::new();
    for number in 0..20 {
        let command = format!("[\"{BINARY}\", \"demo\", \"--latency\", \"1500ms\"]");
        write!(targets, "[target.t{number}]\ncommand = {command}\nprotocol = \"modern\"\n").unwrap();
    }
    nobody_is_blamed(&check(&targets, 30));
}

/// Where a demo server says that it is.
fn first_url(server: &mut std::process::Child) -> String {
    use std::io::BufRead as _;
    let lines: [Box<dyn std::io::Read + Send>; 2] =
        [Box::new(server.stdout.take().unwrap()), Box::new(server.stderr.take().unwrap())];
    let (found, first) = std::sync::mpsc::sync_channel(16);
    for stream in lines {
        let found = found.clone();
        std::thread::spawn(move || {
            for line in std::io::BufReader::new(stream).lines().map_while(Result::ok) {
                if let Some(at) = line.find("http://") {
                    let url = line[at..].split_whitespace().next().unwrap_or_default().to_owned();
                    let _ = found.send(url);
                }
            }
        });
    }
    first.recv_timeout(std::time::Duration::from_secs(30)).unwrap()
}

#[test]
fn a_server_that_pings_without_end_and_takes_no_answer_leaves_the_others_their_descriptors() {
    for over in ["streamable-http", "sse"] {
        let mut flooding = Command::new(BINARY)
            .args(["demo", "--http", "127.0.0.1:0"])
            .args(["--fault", "silent-calls", "--fault", "ping-flood", "--fault", "answer-hang"])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = first_url(&mut flooding);
        if over == "sse" {
            url = url.replace("/mcp", "/sse");
        }
        let mut targets =
            format!("[target.flooding]\nurl = \"{url}\"\ntransport = \"{over}\"\nprotocol = \"legacy\"\n");
        for number in 0..4 {
            write!(targets, "[target.t{number}]\ncommand = [\"{BINARY}\", \"demo\"]\n").unwrap();
        }
        // The others come one after the other beside the first, which is waited for meanwhile.
        let report = check_with(&targets, 100, ("4s", 2));
        flooding.kill().unwrap();
        flooding.wait().unwrap();
        let (first, others) = report["probes"].as_array().unwrap().split_first().unwrap();
        let noted: Vec<&str> =
            first["findings"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_str()).collect();
        assert_eq!(noted, ["answers.flood", "http.unacknowledged"], "{over}: {first}");
        assert_eq!(first["reason"], "timeout", "{over}: {first}");
        let said = "it asked the client 20000 times meanwhile, of which 19000 were too many to be answered";
        assert!(first["message"].as_str().unwrap().contains(said), "{over}: {first}");
        assert!(others.iter().all(|probe| probe["status"] == "healthy"), "{over}: {others:#?}");
    }
}

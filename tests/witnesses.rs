//! Servers that others wrote, probed by the real binary over every transport they have.
//!
//! `ci/witnesses` (called by `ci/test`) installs them under target/witnesses; one that is missing fails its test. Every
//! run of the prober carries a mark in its environment, which children inherit: whoever still carries it when the
//! prober has ended was left behind.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for facts of other processes by polling"
)]

#[path = "stage/servers.rs"]
mod servers;

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use servers::{
    Listening, POLL, RUN_MAX, calculator, everything, everything_2025, filesystem, python, rmcp, time, typescript,
};

const MARK: &str = "MCP_PROBE_WITNESS_RUN";

// ---------------------------------------------------------------------------------------------------------------
// The prober under test

struct Finished {
    args: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Finished {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not one JSON document: {error}\n{self}"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "mcp-probe {}\nexit code {:?}", self.args, self.code)?;
        write!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

/// Runs the prober, waits for its end, and sees that it left no process behind.
#[track_caller]
fn probe(args: &[&str], server: Option<&[String]>, env: &[(&str, &str)]) -> Finished {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let mark = format!("{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let folder = TempDir::new().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));

    let mut all: Vec<String> = args.iter().map(ToString::to_string).collect();
    if let Some(server) = server {
        all.push("--".into());
        all.extend_from_slice(server);
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-probe"))
        .args(&all)
        .env(MARK, &mark)
        .envs(env.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();

    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > RUN_MAX {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        thread::sleep(POLL);
    };
    let finished = Finished {
        args: all.join(" "),
        code: status.and_then(|status| status.code()),
        stdout: fs::read_to_string(&out).unwrap(),
        stderr: fs::read_to_string(&err).unwrap(),
    };
    let left = marked(&mark);
    for (pid, _) in &left {
        // The suite itself leaves nothing behind either, even where the prober did.
        let _ = nix::sys::signal::kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    assert!(status.is_some(), "not done after {RUN_MAX:?}\n{finished}");
    assert!(left.is_empty(), "left behind: {left:?}\n{finished}");
    finished
}

/// The living processes (number, command line) that inherited this run's mark.
fn marked(mark: &str) -> Vec<(i32, String)> {
    let wanted = format!("{MARK}={mark}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // A process that ends while it is looked at, or a zombie, has no environment.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

// ---------------------------------------------------------------------------------------------------------------
// What a witness is expected to show

/// What the prober must find out about one server.
struct Expected<'a> {
    name: &'a str,
    version: &'a str,
    tools: usize,
    call: &'a [&'a str],
    text: &'a str,
}

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const ADD: &[&str] = &["--tool", "add", "--arg", "a:=2", "--arg", "b:=3"];
const ECHO: &[&str] = &["--tool", "echo", "--args", r#"{"message":"hi"}"#];

const EVERYTHING: Expected<'_> =
    Expected { name: "mcp-servers/everything", version: LEGACY, tools: 13, call: ECHO, text: "Echo: hi" };
const EVERYTHING_2025: Expected<'_> =
    Expected { name: "example-servers/everything", version: "2024-11-05", tools: 7, call: ECHO, text: "Echo: hi" };
const TYPESCRIPT: Expected<'_> = Expected { name: "witness-ts2", version: MODERN, tools: 2, call: ADD, text: "5" };
const PYTHON: Expected<'_> = Expected { name: "witness-py2", version: MODERN, tools: 3, call: ADD, text: "5" };
const RMCP: Expected<'_> = Expected { name: "rmcp", version: MODERN, tools: 1, call: ADD, text: "5" };
const TIME: Expected<'_> = Expected {
    name: "mcp-time",
    version: MODERN,
    tools: 2,
    call: &["--tool", "get_current_time", "--arg", "timezone=UTC"],
    text: "\"timezone\": \"UTC\"",
};
const CALCULATOR: Expected<'_> = Expected {
    name: "calculator",
    version: LEGACY,
    tools: 1,
    call: &["--tool", "calculate", "--arg", "expression=6*7"],
    text: "42",
};

impl Expected<'_> {
    fn speaking(&self, version: &'static str) -> Expected<'_> {
        Expected { version, ..*self }
    }

    /// Lists and calls over stdio, each in a process of its own.
    #[track_caller]
    fn over_stdio(&self, server: &[String], options: &[&str], env: &[(&str, &str)]) {
        let list = probe(&[&["tools/list", "--json"], options].concat(), Some(server), env);
        self.listed(&list, "stdio");
        let call = probe(&[&["tools/call", "--json"], self.call, options].concat(), Some(server), env);
        self.called(&call, "stdio");
    }

    /// Lists and calls over HTTP, two sessions where there are sessions.
    #[track_caller]
    fn over_http(&self, url: &str, transport: &str, options: &[&str]) {
        let list = probe(&[&["tools/list", url, "--json"], options].concat(), None, &[]);
        self.listed(&list, transport);
        let call = probe(&[&["tools/call", url, "--json"], self.call, options].concat(), None, &[]);
        self.called(&call, transport);
    }

    #[track_caller]
    fn listed(&self, finished: &Finished, transport: &str) {
        let call = self.healthy(finished, transport);
        let tools = call["result"]["tools"].as_array().map(Vec::len);
        assert_eq!(tools, Some(self.tools), "tools\n{finished}");
    }

    #[track_caller]
    fn called(&self, finished: &Finished, transport: &str) {
        let call = self.healthy(finished, transport);
        let text = call["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains(self.text), "expected {:?} in {text:?}\n{finished}", self.text);
    }

    #[track_caller]
    fn healthy(&self, finished: &Finished, transport: &str) -> Value {
        assert_eq!(finished.code, Some(0), "{finished}");
        let call = finished.json();
        let era = if self.version == MODERN { "modern" } else { "legacy" };
        assert_eq!(call["schema"], "mcp-probe/call/1", "{finished}");
        assert_eq!(call["status"], "healthy", "{finished}");
        assert_eq!(call["server"]["name"], self.name, "{finished}");
        assert_eq!(call["protocol"]["era"], era, "{finished}");
        assert_eq!(call["protocol"]["version"], self.version, "{finished}");
        assert_eq!(call["protocol"]["transport"], transport, "{finished}");
        let latency = call["latency_ms"].as_f64().unwrap_or_default();
        assert!(latency > 0.0 && latency < 30_000.0, "latency_ms is {latency}\n{finished}");
        let phases = &call["phases_ms"];
        let (there, absent) = if transport == "stdio" { ("spawn", "connect") } else { ("connect", "spawn") };
        assert!(phases[there].as_f64().is_some_and(|ms| ms > 0.0), "phases_ms.{there}\n{finished}");
        for phase in [absent, "tls"] {
            assert!(phases.get(phase).is_none(), "phases_ms.{phase} did not happen\n{finished}");
        }
        call
    }
}

/// The era or revision asked for is not to be had here: said so, and never taken for health.
#[track_caller]
fn incompatible(finished: &Finished) {
    assert_eq!(finished.code, Some(1), "{finished}");
    let call = finished.json();
    assert_eq!(call["status"], "failed", "{finished}");
    assert_eq!(call["reason"], "incompatible", "{finished}");
    assert!(call["message"].as_str().is_some_and(|message| message.len() > 10), "{finished}");
}

// ---------------------------------------------------------------------------------------------------------------
// stdio

#[test]
fn everything_over_stdio() {
    EVERYTHING.over_stdio(&everything("stdio"), &[], &[]);
}

#[test]
fn everything_of_2025_over_stdio_ends_although_it_ignores_the_end_of_stdin() {
    EVERYTHING_2025.over_stdio(&everything_2025(), &[], &[]);
}

#[test]
fn everything_of_2025_has_ten_pages_of_resources() {
    let finished = probe(&["resources/list", "--json"], Some(&everything_2025()), &[]);
    assert_eq!(finished.code, Some(0), "{finished}");
    let call = finished.json();
    assert_eq!(call["result"]["resources"].as_array().map(Vec::len), Some(100), "{finished}");
    assert_eq!(call["pages"], 10, "{finished}");
    assert!(call["total_ms"].as_f64() >= call["latency_ms"].as_f64(), "{finished}");
}

#[test]
fn typescript_over_stdio() {
    TYPESCRIPT.over_stdio(&typescript("stdio"), &[], &[]);
    TYPESCRIPT.over_stdio(&typescript("stdio"), &["--protocol", "modern"], &[]);
    TYPESCRIPT.speaking(LEGACY).over_stdio(&typescript("stdio"), &["--protocol", "legacy"], &[]);
}

#[test]
fn typescript_modern_only_over_stdio() {
    let only = [("ERA", "modern")];
    TYPESCRIPT.over_stdio(&typescript("stdio"), &[], &only);
    TYPESCRIPT.over_stdio(&typescript("stdio"), &["--protocol", "modern"], &only);
    incompatible(&probe(&["tools/list", "--json", "--protocol", "legacy"], Some(&typescript("stdio")), &only));
}

#[test]
fn time_over_stdio() {
    TIME.over_stdio(&time(), &[], &[]);
    TIME.speaking(LEGACY).over_stdio(&time(), &["--protocol", "legacy"], &[]);
}

#[test]
fn python_over_stdio() {
    PYTHON.over_stdio(&python(&["stdio"]), &[], &[]);
    PYTHON.speaking(LEGACY).over_stdio(&python(&["stdio"]), &["--protocol", "legacy"], &[]);
}

#[test]
fn python_tool_that_fails_is_a_tool_error() {
    let finished = probe(&["tools/call", "--json", "--tool", "broken"], Some(&python(&["stdio"])), &[]);
    assert_eq!(finished.code, Some(5), "{finished}");
    assert_eq!(finished.json()["reason"], "tool_error", "{finished}");
}

#[test]
fn calculator_over_stdio() {
    CALCULATOR.over_stdio(&calculator(), &[], &[]);
}

#[test]
fn filesystem_over_stdio() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("hello.txt");
    fs::write(&file, "a file to be read\n").unwrap();
    let path = format!("path={}", file.display());
    let expected = Expected {
        name: "secure-filesystem-server",
        version: LEGACY,
        tools: 14,
        call: &["--tool", "read_text_file", "--arg", &path],
        text: "a file to be read",
    };
    expected.over_stdio(&filesystem(&root.path().to_string_lossy()), &[], &[]);
}

#[test]
fn rmcp_over_stdio_in_every_revision() {
    RMCP.over_stdio(&rmcp("stdio"), &[], &[]);
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        RMCP.speaking(version).over_stdio(&rmcp("stdio"), &["--protocol", version], &[]);
    }
}

#[test]
fn everything_over_stdio_in_every_revision_it_has() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        EVERYTHING.speaking(version).over_stdio(&everything("stdio"), &["--protocol", version], &[]);
    }
}

#[test]
fn what_a_server_does_not_speak_is_incompatible() {
    for server in [everything("stdio"), calculator()] {
        incompatible(&probe(&["tools/list", "--json", "--protocol", "modern"], Some(&server), &[]));
        incompatible(&probe(&["tools/list", "--json", "--protocol", MODERN], Some(&server), &[]));
    }
    incompatible(&probe(&["tools/list", "--json", "--protocol", LEGACY], Some(&everything_2025()), &[]));
}

// ---------------------------------------------------------------------------------------------------------------
// A probe file about each

/// Part of whose trace a run is: its servers are told then, in `_meta` and the header.
const TRACE: (&str, &str) = ("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01");

/// The file that `init` writes about a server passes at once, also where the server is told of a trace; gives the statuses
/// of its probes.
#[track_caller]
fn written_and_checked(arguments: &[&str], server: Option<&[String]>) -> Vec<String> {
    let written = probe(&[&["init"], arguments].concat(), server, &[]);
    assert_eq!(written.code, Some(0), "{written}");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("new.toml");
    fs::write(&file, &written.stdout).unwrap();
    let checked = probe(&["check", "--json", &file.to_string_lossy()], None, &[]);
    assert_eq!(checked.code, Some(0), "{}\n{checked}", written.stdout);
    let traced = probe(&["check", "--json", &file.to_string_lossy()], None, &[TRACE]);
    assert_eq!(traced.code, Some(0), "{}\n{traced}", written.stdout);
    let report = checked.json();
    let probes = report["probes"].as_array().unwrap();
    assert_eq!(probes[0]["status"], "healthy", "{}\n{checked}", written.stdout);
    probes.iter().map(|probe| probe["status"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_probe_file_about_each_over_stdio() {
    let root = TempDir::new().unwrap();
    let files = filesystem(&root.path().to_string_lossy());
    for server in
        [everything_2025(), typescript("stdio"), time(), python(&["stdio"]), calculator(), rmcp("stdio"), files]
    {
        let statuses = written_and_checked(&[], Some(&server));
        assert!(statuses.iter().all(|status| status == "healthy"), "{server:?}: {statuses:?}");
    }
    for server in [typescript("stdio"), python(&["stdio"]), rmcp("stdio")] {
        written_and_checked(&["--protocol", "legacy"], Some(&server));
    }
}

/// One of its read-only tools takes ten seconds with its defaults. Tried with less time, it is switched off.
#[test]
fn a_probe_file_about_everything_with_its_tools_tried() {
    let statuses = written_and_checked(&["--call-read-only", "--timeout", "3s"], Some(&everything("stdio")));
    assert_eq!(statuses, ["healthy", "healthy"]);
}

#[test]
fn a_probe_file_about_each_over_http() {
    let everything = Listening::told(|_| everything("streamableHttp"), "/mcp");
    let typescript = Listening::says_where(&typescript("http"), &[]);
    let python = Listening::told(|port| python(&["streamable-http", port]), "/mcp");
    let rmcp = Listening::says_where(&rmcp("http"), &[]);
    for server in [&everything, &typescript, &python, &rmcp] {
        let tried = ["--call-read-only", "--timeout", "3s"];
        let statuses = written_and_checked(&[&[server.url.as_str()][..], &tried].concat(), None);
        assert!(statuses.iter().all(|status| status == "healthy"), "{}: {statuses:?}", server.url);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// HTTP

const STREAMABLE: &str = "streamable-http";

#[test]
fn everything_over_streamable_http() {
    let mut server = Listening::told(|_| everything("streamableHttp"), "/mcp");
    EVERYTHING.over_http(&server.url, STREAMABLE, &[]);
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        EVERYTHING.speaking(version).over_http(&server.url, STREAMABLE, &["--protocol", version]);
    }
    server.sessions_end(8, "Session initialized with ID", "Received session termination request");
    incompatible(&probe(&["tools/list", &server.url, "--json", "--protocol", "modern"], None, &[]));
}

#[test]
fn everything_over_http_and_sse() {
    let mut server = Listening::told(|_| everything("sse"), "/sse");
    EVERYTHING.over_http(&server.url, "sse", &["--transport", "sse"]);
    EVERYTHING.over_http(&server.url, "sse", &[]);
    server.sessions_end(4, "Client Connected", "Client Disconnected");
}

#[test]
fn typescript_over_streamable_http() {
    for form in ["auto", "json", "sse"] {
        let server = Listening::says_where(&typescript("http"), &[("ANSWER", form)]);
        TYPESCRIPT.over_http(&server.url, STREAMABLE, &[]);
        TYPESCRIPT.speaking(LEGACY).over_http(&server.url, STREAMABLE, &["--protocol", "legacy"]);
    }
}

#[test]
fn typescript_modern_only_over_streamable_http() {
    let server = Listening::says_where(&typescript("http"), &[("ERA", "modern")]);
    TYPESCRIPT.over_http(&server.url, STREAMABLE, &[]);
    TYPESCRIPT.over_http(&server.url, STREAMABLE, &["--protocol", MODERN]);
    incompatible(&probe(&["tools/list", &server.url, "--json", "--protocol", "legacy"], None, &[]));
    let log = server.log();
    assert!(log.contains("POST tools/call 200"), "the modern Mcp-Method header was not sent:\n{log}");
}

#[test]
fn python_over_streamable_http() {
    for switches in [&[][..], &["json_response"], &["stateless_http"]] {
        let mut server = Listening::told(|port| python(&[&["streamable-http", port], switches].concat()), "/mcp");
        PYTHON.over_http(&server.url, STREAMABLE, &[]);
        PYTHON.speaking(LEGACY).over_http(&server.url, STREAMABLE, &["--protocol", "legacy"]);
        if switches != ["stateless_http"] {
            server.until("both legacy sessions are deleted", |log| {
                (log.matches("\"DELETE /mcp HTTP/1.1\" 200").count() == 2).then_some(())
            });
        }
    }
}

#[test]
fn python_over_http_and_sse() {
    let server = Listening::told(|port| python(&["sse", port]), "/sse");
    PYTHON.speaking(LEGACY).over_http(&server.url, "sse", &["--transport", "sse"]);
    PYTHON.speaking(LEGACY).over_http(&server.url, "sse", &[]);
}

#[test]
fn rmcp_over_streamable_http() {
    let mut server = Listening::says_where(&rmcp("http"), &[]);
    RMCP.over_http(&server.url, STREAMABLE, &[]);
    assert!(!server.log().contains("DELETE"), "the modern era has no session to delete:\n{}", server.log());
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        RMCP.speaking(version).over_http(&server.url, STREAMABLE, &["--protocol", version]);
    }
    server.until("the six legacy sessions are deleted", |log| (log.matches("DELETE 202").count() == 6).then_some(()));
}

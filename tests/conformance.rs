//! The official conformance tool judges mcp-probe as a client, one scenario at a time.
//!
//! The tool starts a mock server, runs `tests/conformance/client URL` against it and writes its checks to a folder. The
//! wrapper maps the scenario to a command line. A scenario passes only if nothing failed or warned, and if the checks
//! that make up the scenario are there at all: a client that never says anything would otherwise pass some of them.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for facts of other processes by polling"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Runs a scenario and sees that these checks were made and all succeeded.
#[track_caller]
fn passes(scenario: &str, required: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let witnesses = root.join("target/witnesses/node");
    let tool = witnesses.join("node_modules/@modelcontextprotocol/conformance/dist/index.js");
    assert!(tool.exists(), "the conformance tool is not installed: run ci/test (or ci/witnesses) first");
    let folder = TempDir::new().unwrap();

    // The tool splits the command at spaces and hands the pieces to a shell: the paths go through the environment.
    let output = Command::new("timeout")
        .args(["--kill-after=5s", "60s"])
        .arg(witnesses.join("node"))
        .arg(&tool)
        .args(["client", "--scenario", scenario, "--timeout", "30000", "--command", "\"$CONFORMANCE_CLIENT\"", "-o"])
        .arg(folder.path())
        .env("CONFORMANCE_CLIENT", root.join("tests/conformance/client"))
        .env("MCP_PROBE", env!("CARGO_BIN_EXE_mcp-probe"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!(
        "scenario {scenario}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let checks = checks(folder.path()).unwrap_or_else(|| panic!("no checks.json was written\n{said}"));
    assert!(output.status.success(), "{said}");
    for id in required {
        let found: Vec<&Value> = checks.iter().filter(|check| check["id"] == *id).collect();
        assert!(!found.is_empty(), "the check {id} was never made\n{said}");
        assert!(found.iter().all(|check| check["status"] == "SUCCESS"), "{id}: {found:#?}\n{said}");
    }
}

fn checks(folder: &Path) -> Option<Vec<Value>> {
    let written: PathBuf = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("checks.json"))
        .find(|path| path.exists())?;
    serde_json::from_str(&fs::read_to_string(written).ok()?).ok()
}

#[test]
fn initialize() {
    passes("initialize", &["mcp-client-initialization"]);
}

#[test]
fn tools_call() {
    passes("tools_call", &["tool-add-numbers"]);
}

#[test]
fn sse_retry() {
    passes("sse-retry", &["client-sse-graceful-reconnect", "client-sse-retry-timing", "client-sse-last-event-id"]);
}

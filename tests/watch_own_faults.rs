//! What is the prober's own fault, or somebody else's, is not told as a server's: the real daemon is stopped, reloaded and
//! ended in the midst of runs, and cut off from what it watches.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/watching.rs"]
mod watching;

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use watching::{Hook, Watch, behave, server, until, write};

/// A probe of a server that takes its time, with an alert that one failure fires and that restarts it.
fn slow_server(folder: &Path, hook: &Hook) -> String {
    let (server, url) = (server(folder), &hook.url);
    format!(
        r#"
[watch]
run_at_start = true
group_wait = "50ms"
jitter = "0%"
[target.demo]
{server}
restart = ["touch", "restarted"]
[[probe]]
name = "list"
target = "demo"
every = "4s"
timeout = "3s"
[[probe.step]]
method = "tools/list"
[[alert]]
name = "down"
consecutive_failures = 1
restart = true
notify = ["ops"]
[notify.ops]
kind = "webhook"
url = "{url}"
"#
    )
}

#[test]
fn a_prober_that_stood_still_blames_no_server() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    write(folder, &slow_server(folder, &hook));
    behave(folder, "--latency 1500ms");
    let watch = Watch::start(folder);
    let count = |words: &str| watch.log().matches(words).count();
    until("it is healthy", || (count("status=healthy") == 1).then_some(()));
    until("it runs again", || (count("started probe=list") == 2).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    watch.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(8));
    watch.signal(Signal::SIGCONT);
    watch.says("status=unknown reason=suspended");
    watch.says("mcp-probe stood still for");
    until("it is healthy again", || (count("status=healthy") == 2).then_some(()));
    let log = watch.log();
    assert!(!log.contains("status=failed"), "{log}");
    assert!(!folder.join("restarted").exists() && hook.told().is_empty(), "{:?}", hook.told());
    let missed = &watch.status()["probes"][0]["missed"];
    assert!(missed["suspend"].as_u64() >= Some(1), "the points of that time: {missed}");
    assert!(missed["backpressure"].is_null(), "{missed}");
}

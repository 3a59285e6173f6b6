//! What `watch` starts, it ends: five hundred servers that ignore the end of their input and SIGTERM, and leave a process
//! in a session of its own. None of them is left. `WATCH_RUNS` asks for more, as `ci/soak` does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/watching.rs"]
mod watching;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use watching::{BINARY, Watch, write};

/// Servers at the same time.
const TARGETS: usize = 60;

#[test]
fn no_server_outlives_its_run() {
    let runs: usize = std::env::var("WATCH_RUNS").map_or(500, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let mut text = format!("[watch]\nrun_at_start = true\njobs = {TARGETS}\nspawns = {TARGETS}\ntranscripts = false\n");
    for number in 0..TARGETS {
        write!(
            text,
            "[target.t{number}]\ncommand = [{BINARY:?}, \"demo\", \"--fault\", \"ignore-sigterm\", \"--fault\", \
             \"fork-detached\"]\n"
        )
        .unwrap();
    }
    text.push_str("[[probe]]\nname = \"p\"\ntarget = \"*\"\nevery = \"6s\"\ntimeout = \"5s\"\n[[probe.step]]\nmethod = \"ping\"\n");
    write(folder.path(), &text);
    let mut watch = Watch::start(folder.path());
    let limit = Instant::now() + Duration::from_secs(60) + Duration::from_millis(500) * u32::try_from(runs).unwrap();
    // Each line of the log with a status is a run that has ended.
    let ended = |watch: &Watch| watch.log().matches(" status=").count();
    let mut most = 0;
    while ended(&watch) < runs {
        assert!(Instant::now() < limit, "{} of {runs} runs have ended", ended(&watch));
        most = most.max(watch.processes().len());
        std::thread::sleep(Duration::from_millis(500));
    }
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));
    watch.leaves_nothing();
    // The daemon, its guard, and of each run that goes on the server with the process that it left.
    assert!(most <= 2 + 2 * TARGETS + TARGETS, "at most {most} processes at the same time");
    assert!(!watch.log().contains("status=unknown"), "{}", watch.log());
}

//! Pushes with the receivers that people run, from `check --push`: what arrives is asked back from the receiver. A receiver
//! that is missing fails the test: `ci/test` installs them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "cli/place.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod place;
#[path = "push/served.rs"]
mod served;
#[path = "stage/receiver.rs"]
mod receiver;

use place::Place;
use receiver::{Receiver, nobody, ok};
use served::{Served, get};

/// A healthy probe and a failing one of the same server, and this push.
fn place(push: &str) -> Place {
    let text = format!(
        "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\nlabels = {{ env = \"prod\" }}\n\
         [[probe]]\nname = \"smoke\"\ntarget = \"demo\"\n[[probe.step]]\nmethod = \"tools/list\"\n\
         [[push]]\n{push}\n"
    );
    Place::new().with("mcp-probe.toml", &text)
}

#[test]
fn a_pushgateway_holds_what_the_last_run_found() {
    let gateway = Served::pushgateway();
    let push = format!(
        "kind = \"pushgateway\"\nurl = \"{}\"\njob = \"night/ly\"\nlabels = {{ site = \"a b\", empty = \"\" }}",
        gateway.url()
    );
    let place = place(&push);
    let ran = place.run(&["check", "--push"]).ended(0);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    let (_, text) = get(&format!("{}/metrics", gateway.url()));
    let group = r#"{empty="",instance="",job="night/ly",probe="smoke",site="a b",target="demo"} 1"#;
    assert!(text.contains(&format!("probe_success{group}\n")), "{text}");
    assert!(text.contains("mcp_probe_last_run_timestamp_seconds{"), "{text}");
    assert!(!text.contains("mcp_probe_runs_total"), "counts of one run say nothing: {text}");
}

#[test]
fn a_push_that_fails_is_a_warning_unless_it_is_required() {
    let nobody = nobody();
    let to = |more: &str| place(&format!("kind = \"pushgateway\"\nurl = \"{nobody}\"\n{more}"));
    let ran = to("").run(&["check", "--push"]).ended(0);
    assert!(ran.err.contains("warning: `pushgateway` did not get the results: "), "{}", ran.err);
    to("").run(&["check", "--require-push"]).ended(7);
    to("required = true").run(&["check", "--push"]).ended(7);
    to("required = true").run(&["check"]).ended(0);
    let receiver = Receiver::start(|_| ok(""));
    let ran = place(&format!("kind = \"pushgateway\"\nurl = \"{}\"", receiver.url())).run(&["check"]).ended(0);
    assert!(receiver.received().is_empty(), "without --push nothing is pushed: {}", ran.err);
    let none = Place::new().with("mcp-probe.toml", "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\n");
    let ran = none.run(&["check", "--push"]).ended(2);
    assert!(ran.err.contains("no `[[push]]`"), "{}", ran.err);
}

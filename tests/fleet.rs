//! Several probers: a plan that they divide, a pair that watches the same and is one voice, replicas behind one name.
//! Real binaries, real servers, a real Alertmanager.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/alertmanager.rs"]
mod alertmanager;
#[path = "stage/prober.rs"]
mod prober;
#[path = "stage/watching.rs"]
mod watching;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use alertmanager::{alertmanager, alerts};
use nix::sys::signal::Signal;
use prober::{Told, binary, told};
use serde_json::Value;
use watching::{Hook, Watch, behave, server, until, write};

fn run(folder: &Path, words: &[&str]) -> Told {
    told(binary().args(words).current_dir(folder))
}

// ---------------------------------------------------------------------------------------------------------------
// Shards

/// Targets that are never reached: what would be done is asked, not done.
fn many(folder: &Path, count: usize, head: &str) {
    let mut text = head.to_owned();
    for number in 0..count {
        let _ = writeln!(text, "[target.t{number}]\ncommand = [\"mcp-probe\", \"demo\"]");
    }
    text.push_str("[[probe]]\nname = \"one\"\ntarget = \"*\"\n[[probe]]\nname = \"two\"\ntarget = \"*\"\n");
    std::fs::write(folder.join("mcp-probe.toml"), text).unwrap();
}

fn pairs(told: &Told) -> BTreeSet<String> {
    let document = told.document();
    let probes = document["probes"].as_array().unwrap();
    let name = |probe: &Value| {
        let target = probe["target"].as_str().or(probe["target"]["name"].as_str()).unwrap();
        format!("{}@{target}", probe["name"].as_str().unwrap())
    };
    probes.iter().map(name).collect()
}

#[test]
fn the_shards_of_a_plan_are_the_whole_without_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    many(folder, 20, "[fleet]\nshard = \"${SHARD:-}\"\n");
    let whole = pairs(&run(folder, &["check", "--dry-run", "--json"]));
    assert_eq!(whole.len(), 40);
    let mut union = BTreeSet::new();
    for index in 1..=3 {
        let shard = format!("{index}/3");
        let told = run(folder, &["check", "--dry-run", "--json", "--shard", &shard]);
        assert_eq!(told.code, 0, "{told:?}");
        let part = pairs(&told);
        assert!(part.is_disjoint(&union) && !part.is_empty(), "{part:?}");
        let share = format!("shard {shard}: {} of 40 probes", part.len());
        assert_eq!(told.document()["share"], share.as_str());
        // The same by the file, with a variable.
        let by_file =
            prober::told(binary().args(["check", "--dry-run", "--json"]).env("SHARD", &shard).current_dir(folder));
        assert_eq!(pairs(&by_file), part);
        union.extend(part);
    }
    assert_eq!(union, whole);
}

#[test]
fn an_empty_shard_is_in_order_and_an_empty_selection_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    many(folder, 1, "");
    let codes: Vec<i32> = ["1/2", "2/2"]
        .map(|shard| {
            let told = run(folder, &["check", "--yes", "--json", "--shard", shard]);
            assert!(told.stderr.contains(&format!("shard {shard}: ")), "{told:?}");
            let probes = told.document()["summary"]["probes"].as_u64().unwrap();
            assert!(probes == 0 || probes == 2, "{told:?}");
            told.code
        })
        .into();
    assert_eq!(codes, [0, 0]);
    assert_eq!(run(folder, &["check", "--shard", "1/2", "--target", "nope"]).code, 6);
    let wrong = run(folder, &["check", "--shard", "3/2"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.stderr.contains("there is no shard 3 of 2"), "{wrong:?}");
    many(folder, 5, "[fleet]\nshard = \"1/1\"\n");
    let valid = run(folder, &["validate"]);
    assert!(valid.stdout.contains("shard 1/1: 5 of 5 targets"), "{valid:?}");
}

#[test]
fn a_daemon_says_which_shard_it_has() {
    let shards = ["1/2", "2/2"].map(|shard| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, &format!("[watch]\nrun_at_start = true\n[target.demo]\n{}\n", server(folder)));
        let watch = Watch::start_with(folder, &["--shard", shard], &[]);
        let status = watch.status();
        let count = status["probes"].as_array().unwrap().len();
        let share = format!("shard {shard}: {count} of 1 probe");
        assert_eq!(status["daemon"]["share"], share.as_str(), "{status}");
        assert!(watch.get("/").1.replace("&#x2f;", "/").contains(&share));
        count
    });
    assert_eq!(shards.iter().sum::<usize>(), 1);
}

// ---------------------------------------------------------------------------------------------------------------
// A pair

/// What Alertmanager told its receiver: the status of each notification, in order.
fn notified(hook: &Hook) -> Vec<String> {
    let statuses = hook.heard().into_iter().map(|(_, body)| {
        let document: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(document["alerts"].as_array().unwrap().len(), 1, "{document}");
        document["status"].as_str().unwrap().to_owned()
    });
    statuses.collect()
}

#[test]
fn a_pair_tells_once_and_one_of_them_is_enough() {
    let (base, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let base = base.path();
    let (_alertmanager, port) = alertmanager(base, Some(&hook.url));
    let demo = server(base);
    let start = |instance: &str| {
        let folder = base.join(instance);
        std::fs::create_dir(&folder).unwrap();
        let text = format!(
            r#"
[watch]
instance = "{instance}"
run_at_start = true
group_wait = "50ms"
group_interval = "100ms"
[target.demo]
{demo}
[[probe]]
name = "list"
target = "demo"
every = "300ms"
timeout = "290ms"
[[probe.step]]
method = "tools/list"
[[alert]]
name = "mcp_server_unresponsive"
consecutive_failures = 3
within = "5s"
notify = ["am"]
[notify.am]
kind = "alertmanager"
url = "http://127.0.0.1:{port}"
"#
        );
        write(&folder, &text);
        Watch::start(&folder)
    };
    let (mut one, two) = (start("prober-a"), start("prober-b"));
    for prober in [&one, &two] {
        prober.says("healthy probe=list");
    }
    behave(base, "--fault exit-at-start");
    for prober in [&one, &two] {
        until("both fire and have said so", || {
            let status = prober.status();
            let fires = status["alerts"].as_array().is_some_and(|alerts| alerts.iter().any(|a| a["state"] == "firing"));
            (fires && status["daemon"]["outbox_waiting"] == 0).then_some(())
        });
    }
    until("the receiver is told", || (!hook.heard().is_empty()).then_some(()));
    assert_eq!(alerts(port).len(), 1);
    // One of them is killed in the middle of it; the other goes on with the alert, and tells its end.
    one.signal(Signal::SIGKILL);
    one.ended();
    assert_eq!(alerts(port).len(), 1);
    behave(base, "");
    until("the receiver is told the end", || (hook.heard().len() >= 2).then_some(()));
    assert_eq!(notified(&hook), ["firing", "resolved"]);
    assert!(alerts(port).is_empty());
}

//! Pushes of the daemon: the real binary, receivers that fail in every way, restarts in between. Probing goes on whatever the
//! receivers do; what they did not get is sent when they are back.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/receiver.rs"]
mod receiver;
#[path = "push/served.rs"]
mod served;
#[path = "stage/telemetry.rs"]
mod telemetry;
#[path = "stage/watching.rs"]
mod watching;

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use receiver::{Does, Receiver, nobody, ok};
use serde_json::Value;
use served::{Served, get};
use telemetry::{Telemetry, attribute, hex, items};
use watching::{Watch, behave, server, until, write};

/// One probe of one server every 300 ms, and these pushes.
fn plan(folder: &Path, pushes: &str) {
    let server = server(folder);
    write(
        folder,
        &format!(
            "[watch]\nrun_at_start = true\njitter = \"0%\"\n[target.demo]\n{server}\n\
             [[probe]]\nname = \"list\"\ntarget = \"demo\"\nevery = \"300ms\"\ntimeout = \"290ms\"\n\
             session = \"reuse\"\n[[probe.step]]\nmethod = \"tools/list\"\n{pushes}"
        ),
    );
}

/// How one push does, by the status document.
fn push(watch: &Watch, name: &str) -> Value {
    let status = watch.status();
    let pushes = status["daemon"]["pushes"].as_array().cloned().unwrap_or_default();
    pushes.into_iter().find(|push| push["name"] == name).unwrap_or_default()
}

/// How many runs have ended.
fn runs(watch: &Watch) -> u64 {
    let (_, text) = watch.get("/metrics");
    let line = text.lines().find(|line| line.starts_with("mcp_probe_runs_total{") && line.contains("healthy"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

fn parcels(folder: &Path) -> usize {
    let folders = std::fs::read_dir(folder.join("state/pushes")).into_iter().flatten().flatten();
    folders.map(|folder| std::fs::read_dir(folder.path()).map_or(0, Iterator::count)).sum()
}

#[test]
fn what_a_receiver_did_not_get_is_sent_in_order_after_it_is_back_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Receiver::start(|_| Does::Answer("503 Service Unavailable", "canary-header".to_owned()));
    plan(
        folder.path(),
        &format!(
            "[[push]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}/canary-path-of-it\"\nevery = \"200ms\"\n\
             headers = {{ X-Key = \"canary-header\" }}\nbody = \"{{{{ at }}}}\"\n",
            hook.url()
        ),
    );
    let mut watch = Watch::start(folder.path());
    until("it waits on disk", || (parcels(folder.path()) >= 3).then_some(()));
    let state = until("it is told", || Some(push(&watch, "hook")).filter(|push| push["failing"].is_string()));
    assert!(state["failing"].as_str().unwrap().contains("503"), "{state}");
    assert!(watch.get("/").1.contains("Figures do not reach"), "the page says it");
    assert!(watch.get("/metrics").1.contains("mcp_probe_push_failed_total{push=\"hook\"}"));
    watch.child.kill().unwrap();
    watch.ended();
    let kept = parcels(folder.path());
    assert!(kept >= 3, "{kept}");
    let all = std::process::Command::new("grep").args(["-r", "canary", "state"]).current_dir(folder.path()).output();
    assert_eq!(String::from_utf8_lossy(&all.unwrap().stdout), "", "no secret is on disk");
    assert!(!watch.log().contains("canary"), "{}", watch.log());
    let before = hook.received().len();
    hook.rule(|_| ok(""));
    let watch = Watch::start(folder.path());
    until("all is sent", || {
        let push = push(&watch, "hook");
        (push["waiting"] == 0 && push["sent"].as_u64() > Some(kept as u64)).then_some(())
    });
    let sent: Vec<String> = hook.received()[before..].iter().map(|request| request.body.clone()).collect();
    let mut sorted = sent.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sent, sorted, "in order, and each once");
    assert!(sent.len() >= kept, "{sent:?}");
    assert_eq!(push(&watch, "hook")["dropped"], serde_json::json!({}));
    assert!(!watch.get("/api/v1/status").1.contains("canary"));
}

/// The files have other pushes, and these are at work.
fn reload(watch: &Watch, folder: &Path, pushes: &str) {
    plan(folder, pushes);
    let (code, said) = watch.ask("POST", "/-/reload");
    assert_eq!(code, 200, "{said}");
}

/// The folders of what waits.
fn folders(folder: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(folder.join("state/pushes")).into_iter().flatten().flatten();
    folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_waits_for_a_push_that_is_gone_is_given_up_and_leaves_nothing_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let hook = Receiver::start(|_| Does::Answer("503 Service Unavailable", String::new()));
    let named = |name: &str| {
        format!("[[push]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\nevery = \"100ms\"\n", hook.url())
    };
    plan(folder, &(named("one") + &named("two")));
    let mut watch = Watch::start(folder);
    until("both wait on disk", || (folders(folder).len() == 2 && parcels(folder) >= 4).then_some(()));
    reload(&watch, folder, &named("two"));
    until("the folder of the first is gone", || (folders(folder) == ["webhook-two"]).then_some(()));
    watch.says("`one` is gone from the files: ");
    assert!(parcels(folder) >= 1);
    // And of one that is gone while nobody is there.
    watch.child.kill().unwrap();
    watch.ended();
    let mine = folder.join("state/pushes/webhook-two/mine");
    std::fs::write(&mine, "not ours").unwrap();
    plan(folder, "");
    let mut watch = Watch::start(folder);
    watch.says("is of a push that is gone, and cannot be removed");
    assert!(mine.exists() && parcels(folder) == 1, "what is not ours stays");
    watch.signal(Signal::SIGTERM);
    watch.ended();
    std::fs::remove_file(mine).unwrap();
    let _watch = Watch::start(folder);
    until("nothing is left", || folders(folder).is_empty().then_some(()));
}

#[test]
fn a_push_that_is_gone_and_there_again_at_once_sends_everything_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let hook = Receiver::start(|_| Does::Answer("503 Service Unavailable", String::new()));
    let named = format!(
        "[[push]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\nevery = \"100ms\"\nbody = \"{{{{ at }}}}\"\n",
        hook.url()
    );
    plan(folder, &named);
    let watch = Watch::start(folder);
    until("it waits on disk", || (parcels(folder) >= 3).then_some(()));
    hook.rule(|_| Does::Hang);
    let before = hook.received().len();
    until("a try hangs", || (hook.received().len() > before).then_some(()));
    reload(&watch, folder, "");
    reload(&watch, folder, &named);
    let before = hook.received().len();
    hook.rule(|_| ok(""));
    until("all is sent", || {
        let push = push(&watch, "hook");
        (push["waiting"] == 0 && parcels(folder) == 0 && hook.received().len() > before + 3).then_some(())
    });
    let sent: Vec<String> = hook.received()[before..].iter().map(|request| request.body.clone()).collect();
    let mut sorted = sent.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sent, sorted, "in order, and each once");
    // The first one had until now for its last word: what the second took out of their folder it would miss.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        let push = push(&watch, "hook");
        assert_eq!(push["dropped"], serde_json::json!({}), "{push}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn receivers_that_hang_refuse_or_are_not_there_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let hangs = Receiver::start(|_| Does::Hang);
    let refuses = Receiver::start(|_| Does::Answer("400 Bad Request", "no".to_owned()));
    let gateway = Receiver::start(|_| ok(""));
    plan(
        folder.path(),
        &format!(
            "[[push]]\nname = \"hangs\"\nkind = \"webhook\"\nurl = \"{}\"\nevery = \"100ms\"\n\
             [[push]]\nname = \"refuses\"\nkind = \"influx\"\nurl = \"{}/write?db=x\"\nevery = \"100ms\"\n\
             [[push]]\nname = \"absent\"\nkind = \"pushgateway\"\nurl = \"{}\"\nevery = \"100ms\"\n\
             [[push]]\nname = \"nobody\"\nkind = \"statsd\"\naddress = \"unix:/nowhere.sock\"\nevery = \"100ms\"\n\
             [[push]]\nname = \"works\"\nkind = \"pushgateway\"\nurl = \"{}\"\nevery = \"100ms\"\n",
            hangs.url(),
            refuses.url(),
            nobody(),
            gateway.url()
        ),
    );
    let mut watch = Watch::start(folder.path());
    until("twenty runs", || (runs(&watch) >= 20).then_some(()));
    let dropped = |name: &str, reason: &str| push(&watch, name)["dropped"][reason].as_u64().unwrap_or(0);
    until("refusals count", || (dropped("refuses", "refused") >= 3 && dropped("nobody", "failed") >= 3).then_some(()));
    until("failures count", || push(&watch, "absent")["failed"].as_u64().filter(|failed| *failed >= 2));
    let absent = push(&watch, "absent");
    assert!(absent["waiting"] == 1 && absent["dropped"] == serde_json::json!({}), "only the newest waits: {absent}");
    until("one works", || push(&watch, "works")["sent"].as_u64().filter(|sent| *sent >= 10));
    let (_, text) = watch.get("/metrics");
    // A receiver that hangs does so for ten seconds, more than thirty runs; a busy machine may miss one.
    let missed: u64 = text
        .lines()
        .filter(|line| line.starts_with("mcp_probe_missed_runs_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert!(missed * 4 <= runs(&watch), "probing is not held up: {text}");
    assert!(text.contains("mcp_probe_push_dropped_total{push=\"refuses\",reason=\"refused\"}"), "{text}");
    assert!(text.contains("mcp_probe_push_last_success_timestamp_seconds{push=\"works\"}"), "{text}");
    let begun = Instant::now();
    watch.signal(Signal::SIGTERM);
    assert!(watch.ended().success());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(parcels(folder.path()) > 0, "what hung waits for the next start");
    watch.leaves_nothing();
}

/// Ten megabytes to a receiver that works, and to one that does not: their body has a secret in it, so that the disk is none
/// of its places.
#[test]
fn figures_of_any_size_arrive_and_what_there_was_no_room_for_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let works = Receiver::start(|_| ok(""));
    let fails = Receiver::start(|_| Does::Answer("503 Service Unavailable", String::new()));
    // Small where it is tried out when the file is read.
    let large = "{% if metrics | length > 5 %}{% for n in range(10000) %}".to_owned()
        + &"x".repeat(1_000)
        + "{% endfor %}{% endif %}";
    plan(
        folder.path(),
        &format!(
            "[[push]]\nname = \"works\"\nkind = \"webhook\"\nurl = \"{}\"\nevery = \"500ms\"\n\
             body = \"{{{{ at }}}}{large}\"\n\
             [[push]]\nname = \"fails\"\nkind = \"webhook\"\nurl = \"{}\"\nevery = \"500ms\"\n\
             headers = {{ X-Key = \"${{KEY}}\" }}\n\
             body = \"canary-header{large}\"\n",
            works.url(),
            fails.url()
        ),
    );
    let mut watch = Watch::start_with(folder.path(), &[], &[("KEY", "canary-header")]);
    until("three arrive", || push(&watch, "works")["sent"].as_u64().filter(|sent| *sent >= 3));
    assert!(works.received().iter().all(|request| request.body.len() > 10_000_000));
    assert_eq!(push(&watch, "works")["dropped"], serde_json::json!({}));
    until("some are lost", || push(&watch, "fails")["dropped"]["full"].as_u64().filter(|lost| *lost >= 3));
    let told = |log: &str, words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(told(&watch.log(), "more waited than there is room for"), 1, "{}", watch.log());
    let waiting = push(&watch, "fails")["waiting"].as_u64();
    assert!(waiting >= Some(1), "the newest waits: {waiting:?}");
    watch.signal(Signal::SIGTERM);
    assert!(watch.ended().success());
    assert_eq!(told(&watch.log(), "that waited in memory end with this process"), 1, "{}", watch.log());
}

#[test]
fn a_receiver_that_asks_for_a_pause_gets_it_and_the_last_word_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let busy = Receiver::start(|_| Does::Answer("429 Too Many Requests\r\nRetry-After: 3", String::new()));
    let last = Receiver::start(|_| ok(""));
    plan(
        folder.path(),
        &format!(
            "[[push]]\nname = \"busy\"\nkind = \"webhook\"\nurl = \"{}\"\nevery = \"100ms\"\n\
             [[push]]\nname = \"last\"\nkind = \"webhook\"\nurl = \"{}\"\nevery = \"1h\"\n",
            busy.url(),
            last.url()
        ),
    );
    let mut watch = Watch::start(folder.path());
    let received = until("two tries", || Some(busy.received()).filter(|received| received.len() >= 2));
    let pause = received[1].at - received[0].at;
    assert!(pause >= Duration::from_millis(2_900), "{pause:?}");
    assert_eq!(received[0].body, received[1].body, "the same is tried again");
    until("a run", || (runs(&watch) >= 1).then_some(()));
    assert!(last.received().is_empty());
    watch.signal(Signal::SIGTERM);
    assert!(watch.ended().success());
    let [said] = last.received().try_into().unwrap();
    assert_eq!(said.json()["occasion"], "last");
    let success = said.json()["metrics"].as_array().unwrap().iter().any(|family| family["name"] == "probe_success");
    assert!(success, "{}", said.body);
}

#[test]
fn the_hub_hears_counts_that_go_on_after_a_restart_and_reloads_keep_what_was_counted() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Receiver::start(|_| ok(""));
    let of_hub = format!("[[push]]\nkind = \"hub\"\nurl = \"{}\"\nevery = \"200ms\"\n", hub.url());
    plan(folder.path(), &of_hub);
    let newest = || hub.received().last().map(receiver::Received::json).unwrap_or_default();
    let requests = |said: &Value| said["metrics"]["requests_total"].as_u64().unwrap_or(0);
    let mut watch = Watch::start(folder.path());
    let said = until("ten requests", || Some(newest()).filter(|said| requests(said) >= 10));
    assert_eq!(said["server_id"], "demo");
    for key in ["errors_total", "latency_p95_ms", "active_tools", "memory_mb", "uptime_seconds"] {
        assert!(said["metrics"][key].is_u64(), "{key}: {said}");
    }
    let sent = push(&watch, "hub")["sent"].as_u64().unwrap();
    let other = "[[push]]\nname = \"second\"\nkind = \"textfile\"\npath = \"m.prom\"\nevery = \"100ms\"\n";
    plan(folder.path(), &(of_hub.clone() + other));
    watch.signal(Signal::SIGHUP);
    until("the second push works", || folder.path().join("m.prom").exists().then_some(()));
    assert!(push(&watch, "hub")["sent"].as_u64() >= Some(sent), "{}", push(&watch, "hub"));
    assert!(requests(&newest()) >= 10);
    plan(folder.path(), &of_hub);
    watch.signal(Signal::SIGHUP);
    until("the second push is gone", || push(&watch, "second").is_null().then_some(()));
    watch.child.kill().unwrap();
    watch.ended();
    let (before, count) = (requests(&newest()), hub.received().len());
    let _watch = Watch::start(folder.path());
    let first = until("it is heard again", || hub.received().get(count).map(receiver::Received::json));
    assert!(requests(&first) >= before, "{first} after {before}");
    until("it goes on", || (requests(&newest()) > before).then_some(()));
    let all: Vec<u64> = hub.received().iter().map(|request| requests(&request.json())).collect();
    assert!(all.is_sorted(), "counts never go back: {all:?}");
}

#[test]
fn a_push_that_listens_hears_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Receiver::start(|_| ok(""));
    plan(folder.path(), &format!("[[push]]\nkind = \"otlp\"\nurl = \"{}\"\nevery = \"200ms\"\n", collector.url()));
    let _watch = Watch::start(folder.path());
    for path in ["/v1/metrics", "/v1/traces"] {
        until(path, || collector.received().iter().any(|request| request.path == path).then_some(()));
    }
}

#[test]
fn what_a_collector_did_not_get_outlives_a_kill_and_each_signal_finds_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Receiver::start(|_| Does::Answer("503 Service Unavailable", String::new()));
    plan(folder.path(), &format!("[[push]]\nkind = \"otlp\"\nurl = \"{}\"\nevery = \"200ms\"\n", collector.url()));
    let mut watch = Watch::start(folder.path());
    until("both signals wait on disk", || (parcels(folder.path()) >= 4).then_some(()));
    watch.child.kill().unwrap();
    watch.ended();
    let kept = parcels(folder.path()) as u64;
    let before = collector.received().len();
    collector.rule(|_| ok(""));
    let watch = Watch::start(folder.path());
    until("all is sent", || {
        let push = push(&watch, "otlp");
        (push["waiting"] == 0 && push["sent"].as_u64() > Some(kept)).then_some(())
    });
    let paths: Vec<String> = collector.received()[before..].iter().map(|request| request.path.clone()).collect();
    for path in ["/v1/metrics", "/v1/traces"] {
        assert!(paths.iter().take(4).any(|sent| sent == path), "{path} is among what was kept: {paths:?}");
    }
    assert_eq!(push(&watch, "otlp")["dropped"], serde_json::json!({}));
}

/// Runs become traces, each its own, also on a session that is held; a real Prometheus has the series until the daemon ends.
#[test]
fn a_collector_hears_of_every_run_and_series_end_with_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(&[]);
    let prometheus = Served::start(
        "prometheus",
        &[
            "--config.file=FOLDER/prometheus.yml",
            "--storage.tsdb.path=FOLDER/data",
            "--web.listen-address=ADDRESS",
            "--web.enable-remote-write-receiver",
        ],
        "/-/ready",
        &[("prometheus.yml", "")],
    );
    plan(
        folder.path(),
        &format!(
            "[[push]]\nkind = \"otlp\"\nurl = \"{}\"\nprotocol = \"grpc\"\nevery = \"500ms\"\n\
             signals = [\"metrics\", \"traces\", \"logs\"]\n\
             [[push]]\nkind = \"remote_write\"\nurl = \"{}/api/v1/write\"\nversion = \"auto\"\nevery = \"500ms\"\n",
            telemetry.grpc_url(),
            prometheus.url()
        ),
    );
    let mut watch = Watch::start(folder.path());
    let roots = |came: &[Value]| -> Vec<Value> {
        items(came, "traces").into_iter().filter(|span| span["name"] == "probe list demo").collect()
    };
    let came = telemetry.until("three runs", |came| roots(came).len() >= 3 && !items(came, "metrics").is_empty());
    let mut traces: Vec<String> = roots(&came).iter().map(|root| hex(&root["trace_id"])).collect();
    let count = traces.len();
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), count, "each run is a trace of its own, and comes once");
    let spans = items(&came, "traces");
    for root in roots(&came) {
        let is_call = |span: &&Value| span["parent_span_id"] == root["span_id"] && span["name"] == "tools/list";
        assert_eq!(spans.iter().filter(is_call).count(), 1, "{spans:#?}");
    }
    let records = items(&came, "logs");
    let sent = records.iter().find(|record| attribute(record, "direction").as_deref() == Some("sent")).unwrap();
    assert_eq!((hex(&sent["trace_id"]).len(), hex(&sent["span_id"]).len()), (32, 16), "{sent}");

    let alive = || get(&format!("{}/api/v1/query?query=probe_success", prometheus.url())).1.contains("probe_success");
    until("Prometheus has it", || alive().then_some(()));
    until("both work", || {
        let is_well = |name| push(&watch, name)["failing"].is_null() && push(&watch, name)["sent"].as_u64() > Some(0);
        (is_well("otlp") && is_well("remote_write")).then_some(())
    });
    watch.signal(Signal::SIGTERM);
    assert!(watch.ended().success());
    until("it ends at once, not after five minutes", || (!alive()).then_some(()));
    let last = telemetry.came();
    assert!(roots(&last).len() >= count, "what was heard goes out before the end");
}

#[test]
fn a_server_that_is_down_is_heard_as_errors_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Receiver::start(|_| ok(""));
    plan(folder.path(), &format!("[[push]]\nkind = \"hub\"\nurl = \"{}\"\nevery = \"100ms\"\n", hub.url()));
    behave(folder.path(), "--fault exit-at-start");
    let newest = || hub.received().last().map(receiver::Received::json).unwrap_or_default();
    let count = |said: &Value, key: &str| said["metrics"][key].as_u64().unwrap_or(0);
    let _watch = Watch::start(folder.path());
    let down = until("errors count", || Some(newest()).filter(|said| count(said, "errors_total") >= 3));
    assert_eq!(count(&down, "requests_total"), count(&down, "errors_total"), "{down}");
    assert!(down["metrics"]["active_tools"].is_null(), "{down}");
    behave(folder.path(), "");
    let up = until("requests count", || {
        Some(newest()).filter(|said| count(said, "requests_total") > count(said, "errors_total"))
    });
    assert!(up["metrics"]["active_tools"].is_u64() && up["metrics"]["memory_mb"].is_u64(), "{up}");
}

#[test]
fn a_webhook_has_percentiles_and_counts_that_go_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Receiver::start(|_| ok(""));
    plan(folder.path(), &format!("[[push]]\nkind = \"webhook\"\nurl = \"{}\"\nevery = \"100ms\"\n", hook.url()));
    let of = |said: &receiver::Received| said.json()["targets"][0].clone();
    let requests = |target: &Value| target["requests"].as_u64().unwrap_or(0);
    let mut watch = Watch::start(folder.path());
    let before = until("five requests", || hook.received().iter().map(of).find(|target| requests(target) >= 5));
    assert!(before["latency_p95_ms"].as_f64().is_some_and(|took| took > 0.0), "{before}");
    watch.child.kill().unwrap();
    watch.ended();
    let (before, heard) = (requests(&of(hook.received().last().unwrap())), hook.received().len());
    let _watch = Watch::start(folder.path());
    let first = until("it is heard again", || hook.received().get(heard).map(of));
    assert!(requests(&first) >= before, "{first} after {before}");
}

#[test]
fn what_a_reload_adds_hears_runs_and_messages_also_of_a_session_that_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Receiver::start(|_| ok(""));
    plan(folder.path(), "");
    let watch = Watch::start(folder.path());
    until("a session is held", || (runs(&watch) >= 2).then_some(()));
    let otlp = format!(
        "[[push]]\nkind = \"otlp\"\nurl = \"{}\"\nevery = \"100ms\"\nsignals = [\"traces\", \"logs\"]\n",
        collector.url()
    );
    plan(folder.path(), &otlp);
    watch.signal(Signal::SIGHUP);
    for path in ["/v1/traces", "/v1/logs"] {
        until(path, || collector.received().iter().any(|request| request.path == path).then_some(()));
    }
    let status = watch.status();
    assert!(status["daemon"]["restart_needed"].as_array().is_none_or(Vec::is_empty), "{status}");
}

#[test]
fn node_exporter_reads_the_file_of_a_prober_that_watches() {
    let folder = tempfile::tempdir().unwrap();
    let exporter = Served::node_exporter();
    let path = exporter.folder().join("mcp-probe.prom");
    let push = format!("[[push]]\nkind = \"textfile\"\npath = \"{}\"\nevery = \"100ms\"\n", path.display());
    plan(folder.path(), &push);
    let _watch = Watch::start(folder.path());
    let text = until("a run is in the file", || {
        let (code, text) = get(&format!("{}/metrics", exporter.url()));
        assert_eq!(code, 200, "{text}");
        text.contains("\nprobe_success{").then_some(text)
    });
    assert!(text.contains("\nnode_textfile_scrape_error 0\n"), "{text}");
    assert!(text.contains("\nmcp_probe_running_runs "), "{text}");
    // It says in the next answer what it could not put together in this one.
    let (_, text) = get(&format!("{}/metrics", exporter.url()));
    assert!(text.contains("promhttp_metric_handler_errors_total{cause=\"gathering\"} 0\n"), "{text}");
}

//! The daemon from end to end: the real binary, real servers, real receivers. Windows are scaled down to seconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/watching.rs"]
mod watching;

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use watching::{Hook, Watch, behave, server, until, write};

/// One probe of one server, and where its alerts go.
fn probes(folder: &Path, hook: &Hook, alerts: &str) -> String {
    let (server, url) = (server(folder), &hook.url);
    format!(
        r#"
[watch]
run_at_start = true
group_wait = "50ms"
group_interval = "100ms"
jitter = "0%"

[target.demo]
{server}

[[probe]]
name = "list"
target = "demo"
every = "300ms"
timeout = "290ms"
[[probe.step]]
method = "tools/list"

{alerts}

[notify.ops]
kind = "webhook"
url = "{url}/alerts"
"#
    )
}

const UNRESPONSIVE: &str = "
[[alert]]
name = \"mcp_server_unresponsive\"
consecutive_failures = 3
within = \"2s\"
notify = [\"ops\"]
";

#[test]
fn an_alert_goes_on_with_its_figures_and_ends() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    write(folder, &probes(folder, &hook, UNRESPONSIVE));
    behave(folder, "--fault exit-at-start");
    let watch = Watch::start(folder);
    hook.hears("mcp_server_unresponsive", "firing");
    // Nobody has to act on what an open alert goes on with, and it is told all the same.
    until("the alert counts on", || {
        let alerts = watch.status()["alerts"].as_array().cloned().unwrap_or_default();
        let named = alerts.into_iter().find(|alert| alert["alert"] == "mcp_server_unresponsive")?;
        let count: u32 = named["summary"].as_str()?.split(' ').next()?.parse().ok()?;
        (count > 4).then_some(())
    });
    behave(folder, "");
    hook.hears("mcp_server_unresponsive", "resolved");
    until("nothing waits", || (watch.status()["daemon"]["outbox_waiting"] == 0).then_some(()));
    let (_, metrics) = watch.get("/metrics");
    assert!(
        metrics.contains("mcp_probe_alert_firing{alert=\"mcp_server_unresponsive\",probe=\"list\",target=\"demo\"} 0")
    );
}

/// The rules that are shipped. Their times are scaled down and their receivers are here; nothing else is changed.
fn shipped(hook: &Hook) -> String {
    let (rules, _) = include_str!("../probes/alerts.toml").split_once("[notify.").unwrap();
    let mut text = rules.to_owned();
    for (as_shipped, here) in [
        ("window = \"5m\"", "window = \"3s\""),
        ("window = \"10m\"", "window = \"3s\""),
        ("p95 > 2000ms", "p95 > 200ms"),
        ("within = \"1m\"", "within = \"2s\""),
    ] {
        assert_eq!(text.matches(as_shipped).count(), 1, "{as_shipped}");
        text = text.replace(as_shipped, here);
    }
    format!("{text}\n[notify.oncall]\nkind = \"webhook\"\nurl = \"{}/oncall\"\n", hook.url)
}

#[test]
fn the_shipped_rules_fire_have_the_server_restarted_and_resolve() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let restart = format!("restart = [\"sh\", \"-c\", \": > {}\"]\n\n[[probe]]", folder.join("fault").display());
    write(folder, &probes(folder, &hook, &shipped(&hook)).replacen("[[probe]]", &restart, 1));
    let watch = Watch::start(folder);
    until("it is healthy", || (watch.status()["summary"]["healthy"] == 1).then_some(()));
    // Longer than the windows: a server that is well fires nothing.
    std::thread::sleep(Duration::from_secs(4));
    assert!(hook.told().is_empty(), "{:?}", hook.told());

    behave(folder, "--fault exit-at-start");
    for told in ["firing", "restart", "resolved"] {
        hook.hears("mcp_server_unresponsive", told);
    }
    hook.hears("mcp_error_rate_spike", "firing");
    hook.hears("mcp_error_rate_spike", "resolved");

    behave(folder, "--latency 220ms");
    hook.hears("mcp_p95_latency_exceeds", "firing");
    behave(folder, "");
    hook.hears("mcp_p95_latency_exceeds", "resolved");
    assert_eq!(hook.count("mcp_server_unresponsive", "firing"), 1, "{:?}", hook.told());
    for (path, body) in hook.heard() {
        assert_eq!(path == "/oncall", body.contains("mcp_p95_latency_exceeds"), "{path}: {body}");
    }
}

#[test]
fn an_alert_outlives_a_kill_and_is_not_told_twice() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    write(folder, &probes(folder, &hook, UNRESPONSIVE));
    behave(folder, "--fault exit-at-start");
    // The receiver is down when it fires: the message waits on the disk.
    hook.answer(503);
    let mut watch = Watch::start(folder);
    watch.says("alert=mcp_server_unresponsive");
    until("it waits", || (watch.status()["daemon"]["outbox_waiting"] == 1).then_some(()));
    watch.signal(Signal::SIGKILL);
    watch.ended();
    watch.leaves_nothing();

    hook.answer(200);
    let mut watch = Watch::start(folder);
    hook.hears("mcp_server_unresponsive", "firing");
    watch.signal(Signal::SIGKILL);
    watch.ended();

    // It still fires: whoever has heard it does not hear it again.
    let watch = Watch::start(folder);
    until("it is shown", || (watch.status()["alerts"][0]["state"] == "firing").then_some(()));
    let firing = "mcp_probe_alert_firing{alert=\"mcp_server_unresponsive\",probe=\"list\",target=\"demo\"} 1\n";
    assert!(watch.get("/metrics").1.contains(firing), "it fires on, so its figure does");
    std::thread::sleep(Duration::from_secs(2));
    assert!(hook.count("mcp_server_unresponsive", "firing") <= 2, "at most one of it twice: {:?}", hook.told());
    behave(folder, "");
    hook.hears("mcp_server_unresponsive", "resolved");
    let keys: std::collections::BTreeSet<String> = hook
        .heard()
        .iter()
        .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["dedup_key"].to_string())
        .collect();
    assert_eq!(keys.len(), 1, "one alert, one key");
}

#[test]
fn a_reload_that_takes_a_firing_rule_away_tells_its_end() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    write(folder, &probes(folder, &hook, UNRESPONSIVE));
    behave(folder, "--fault exit-at-start");
    let watch = Watch::start(folder);
    hook.hears("mcp_server_unresponsive", "firing");
    write(folder, &probes(folder, &hook, ""));
    watch.signal(Signal::SIGHUP);
    hook.hears("mcp_server_unresponsive", "resolved");
    let (_, body) = hook.heard().pop().unwrap();
    assert!(body.contains("rule removed"), "{body}");
    assert_eq!(watch.get("/-/healthy").0, 200);
}

#[test]
fn files_that_cannot_be_used_change_nothing_and_are_told_everywhere() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let good = probes(folder, &hook, UNRESPONSIVE);
    write(folder, &good);
    let watch = Watch::start(folder);
    // Nobody says anything: the file is looked at.
    write(folder, &good.replace("every = ", "evry = "));
    watch.says("the plan of before goes on");
    let error = watch.status()["daemon"]["plan_error"].to_string();
    assert!(error.contains("evry"), "{error}");
    // One line for each thing: the mistake is part of it, with its place and what to do.
    let log = watch.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" error reload: ")).collect();
    assert!(matches!(lines[..], [one] if one.contains("evry") && one.contains("did you mean `every`?")), "{lines:?}");
    assert!(watch.get("/metrics").1.contains("mcp_probe_config_last_reload_successful 0"));
    let (code, body) = watch.ask("POST", "/-/reload");
    assert!(code >= 400 && body.contains("evry"), "{code} {body}");
    let before = watch.log().matches("healthy probe=list").count();
    until("it goes on", || (watch.log().matches("healthy probe=list").count() > before + 2).then_some(()));
    write(folder, &good);
    watch.says("the files were read again: 1 kept, 0 new, 0 gone");
    assert!(watch.status()["daemon"]["plan_error"].is_null());
    assert!(watch.get("/metrics").1.contains("mcp_probe_config_last_reload_successful 1"));
    // A file of TLS that is not there is such a mistake, too; and so it is at the start.
    let more = format!("{good}\n[target.far]\nurl = \"https://127.0.0.1:9/mcp\"\ntls = {{ ca = \"gone.pem\" }}\n");
    write(folder, &more);
    watch.says("`gone.pem`, which cannot be read");
    assert_eq!(watch.status()["summary"]["healthy"], 1);
    drop(watch);
    let mut refused = Watch::begin(folder, &[], &[]);
    assert_eq!(refused.ended().code(), Some(2));
}

#[test]
fn a_server_that_hangs_is_down_for_whoever_asks_in_the_time_that_they_wait() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    // Whatever the probe itself allows; only those who ask have it run.
    let patient = "every = \"1h\"\ntimeout = \"30s\"";
    let text = probes(folder, &hook, "").replace("every = \"300ms\"\ntimeout = \"290ms\"", patient);
    for session in ["fresh", "reuse"] {
        write(
            folder,
            &text
                .replace("run_at_start = true", "run_at_start = false")
                .replace(patient, &format!("{patient}\nsession = \"{session}\"")),
        );
        let ask = |faults: &str| {
            behave(folder, faults);
            let watch = Watch::start(folder);
            let (path, begun) = ("/probe?target=demo&module=list", Instant::now());
            let (code, said) = watch.ask_with("GET", path, "X-Prometheus-Scrape-Timeout-Seconds: 3\r\n");
            assert!(code == 200 && begun.elapsed() < Duration::from_secs(3), "{session}: {:?} {said}", begun.elapsed());
            said
        };
        let well = ask("");
        assert!(well.contains("\nprobe_success 1\n"), "{session}: {well}");
        let hung = ask("--fault silent-calls");
        assert!(hung.contains("\nprobe_success 0\n") && hung.contains("reason=\"timeout\""), "{session}: {hung}");
        let took = hung.lines().find_map(|line| line.strip_prefix("probe_duration_seconds ")).unwrap();
        assert!((2.4..3.0).contains(&took.parse::<f64>().unwrap()), "{session}: {hung}");
    }
}

#[test]
fn a_signal_drains_and_leaves_nothing() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let text =
        probes(folder, &hook, "").replace("every = \"300ms\"\ntimeout = \"290ms\"", "every = \"5s\"\ntimeout = \"4s\"");
    write(folder, &text);
    behave(folder, "--latency 1500ms --fault fork-detached");
    let mut watch = Watch::start(folder);
    watch.says("started probe=list");
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));
    watch.leaves_nothing();
    assert!(watch.log().contains("ending: 1 running"), "{}", watch.log());
    assert!(watch.log().contains("probe: healthy"), "what ran came to its end: {}", watch.log());
}

#[test]
fn a_second_signal_ends_at_once() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let text = probes(folder, &hook, "")
        .replace("every = \"300ms\"\ntimeout = \"290ms\"", "every = \"50s\"\ntimeout = \"40s\"");
    write(folder, &text);
    behave(folder, "--fault silent-calls --fault ignore-sigterm");
    let mut watch = Watch::start(folder);
    watch.says("started probe=list");
    watch.signal(Signal::SIGTERM);
    watch.says("ending: 1 running");
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(143));
    watch.leaves_nothing();
}

#[test]
fn a_probe_that_cannot_fit_its_interval_is_refused_before_anything_runs() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    write(folder, &probes(folder, &hook, "").replace("timeout = \"290ms\"", "timeout = \"2s\""));
    let mut watch = Watch::begin(folder, &[], &[]);
    assert_eq!(watch.ended().code(), Some(2));
    until("it says why", || watch.log().contains("1 mistake").then_some(()));
    let log = watch.log();
    assert!(log.contains("probes.toml:") && log.contains("longer than the interval"), "{log}");
    assert!(!folder.join("state").exists(), "nothing was begun");
}

#[test]
fn a_restart_heals_the_server_and_is_told() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let fault = folder.join("fault");
    let restart = format!("restart = [\"sh\", \"-c\", \"echo mended; : > {}\"]\n\n[[probe]]", fault.display());
    let alerts = format!("{UNRESPONSIVE}restart = true\n");
    write(folder, &probes(folder, &hook, &alerts).replacen("[[probe]]", &restart, 1));
    behave(folder, "--fault exit-at-start");
    let watch = Watch::start(folder);
    watch.says("ms: mended");
    hook.hears("mcp_server_unresponsive", "restart");
    hook.hears("mcp_server_unresponsive", "resolved");
    until("it is healthy", || (watch.status()["summary"]["healthy"] == 1).then_some(()));
    assert_eq!(watch.log().matches("restart: restarting for").count(), 1, "once is enough");
}

#[test]
fn a_child_that_is_held_is_restarted_by_ending_it() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let alerts = format!("{UNRESPONSIVE}restart = true\n");
    let text =
        probes(folder, &hook, &alerts).replacen("timeout = \"290ms\"", "timeout = \"290ms\"\nsession = \"reuse\"", 1);
    write(folder, &text);
    // It answers well for a while, then never again, and does not exit: only ending it helps.
    behave(folder, "--hang-after 12");
    let mut watch = Watch::start(folder);
    watch.says("healthy probe=list");
    behave(folder, "");
    watch.says("restart: restarted: the child with pid");
    hook.hears("mcp_server_unresponsive", "resolved");
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));
    watch.leaves_nothing();
}

#[test]
fn the_heartbeat_is_heard_as_long_as_probing_progresses() {
    let (folder, hook, heart) = (tempfile::tempdir().unwrap(), Hook::start(), Hook::start());
    let folder = folder.path();
    let url = &heart.url;
    let beat = format!("{UNRESPONSIVE}\n[notify.alive]\nkind = \"healthchecks\"\nurl = \"{url}/ping\"\n");
    let text = probes(folder, &hook, &beat).replacen("[watch]", "[watch]\nheartbeat = \"alive\"", 1);
    write(folder, &text);
    let watch = Watch::start(folder);
    let pings = |path: &str| heart.heard().iter().filter(|(heard, _)| heard.split('?').next() == Some(path)).count();
    until("it beats", || (pings("/ping") >= 2).then_some(()));
    assert_eq!(pings("/ping/fail"), 0);
    // The next run hangs in its opening: nothing comes to an end any more, and nobody says that we live.
    behave(folder, "--fault silent");
    until("a run hangs", || {
        let (before, begun) = (watch.log().lines().count(), Instant::now());
        while begun.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(10));
        }
        (watch.log().lines().count() == before).then_some(())
    });
    let before = pings("/ping");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!((pings("/ping"), pings("/ping/fail")), (before, 0));
    assert_eq!(watch.get("/-/healthy").0, 200, "a run may take as long as its timeouts say");
}

/// Lines of JSON, whole.
fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn a_reader_of_the_wire_that_stops_stops_no_probe() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let log = "[log]\nfile = \"watch.log\"\nlevel = \"debug\"\nwire = \"-\"\npayload = true\n";
    write(folder, &format!("{}{log}", probes(folder, &hook, "")));
    // Nobody reads its stdout, and nobody its stderr.
    let mut child = std::process::Command::new(watching::BINARY)
        .args(["watch", "probes.toml", "--no-listen", "--state", "state", "--trace", "trace.jsonl", "-v"])
        .current_dir(folder)
        .env("HOME", folder)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // More than twice what a pipe takes.
    until("probes go on", || (std::fs::metadata(folder.join("trace.jsonl")).ok()?.len() > 160 << 10).then_some(()));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(std::fs::read_to_string(folder.join("watch.log")).unwrap().contains("ended by a signal"));
}

#[test]
fn the_log_goes_to_stdout_and_the_wire_to_files_that_are_followed() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let log =
        "[log]\nfile = \"-\"\nformat = \"json\"\nlevel = \"debug\"\nwire = \"wire.jsonl\"\nrotate_size = \"4KiB\"\n";
    write(folder, &format!("{}{log}", probes(folder, &hook, "")));
    let mut child = std::process::Command::new(watching::BINARY)
        .args(["watch", "probes.toml", "--no-listen", "--state", "state", "--trace", "trace.jsonl"])
        .current_dir(folder)
        .env("HOME", folder)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let wires = || -> Vec<std::path::PathBuf> {
        let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("wire")).collect()
    };
    until("a file is followed by a new one", || (wires().len() >= 3).then_some(()));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    let mut stdout = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut stdout).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = objects(&stdout);
    let traces: std::collections::BTreeSet<&str> = log.iter().filter_map(|line| line["trace_id"].as_str()).collect();
    assert!(traces.len() > 3, "{stdout}");
    let mut lines = Vec::new();
    for path in wires() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 8 << 10, "{}: {}", path.display(), text.len());
        lines.extend(objects(&text));
    }
    // The trace of a line in the log is that of its messages, in the run of the daemon; what they say was not asked for.
    let run = log[0]["run_id"].as_str().unwrap();
    assert!(lines.iter().all(|line| line["run_id"] == run && line.get("payload").is_none()), "{lines:?}");
    let of_wire: std::collections::BTreeSet<&str> = lines.iter().filter_map(|line| line["trace_id"].as_str()).collect();
    assert!(traces.intersection(&of_wire).count() > 3, "{traces:?} {of_wire:?}");
    let listed = lines.iter().filter(|line| line["method"] == "tools/list" && line["direction"] == "received");
    for line in listed {
        for key in ["at", "probe", "target", "call_id", "rpc_id", "trace_id", "status", "bytes", "duration_ms"] {
            assert!(!line[key].is_null(), "{key}: {line}");
        }
    }
    // A trace has the messages, whatever the file says.
    let trace = objects(&std::fs::read_to_string(folder.join("trace.jsonl")).unwrap());
    assert!(trace.iter().all(|line| line["payload"].is_object()), "{trace:?}");
}

#[test]
fn systemd_is_told() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    write(folder, &probes(folder, &hook, ""));
    let socket = folder.join("notify");
    let receiver = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = |wanted: &str| {
        let mut buffer = [0; 2048];
        loop {
            let length = receiver.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted}: {error}"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.contains(wanted) {
                return text;
            }
        }
    };
    let variables = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "400000")];
    let mut watch = Watch::start_with(folder, &[], &variables);
    assert!(heard("READY=1").contains("STATUS=watching 1"));
    heard("WATCHDOG=1");
    heard("WATCHDOG=1");
    watch.signal(Signal::SIGHUP);
    assert!(heard("RELOADING=1").contains("MONOTONIC_USEC="));
    heard("READY=1");
    write(folder, "nonsense");
    assert!(heard("the plan of before goes on").starts_with("READY=1"));
    watch.signal(Signal::SIGTERM);
    heard("STOPPING=1");
    assert_eq!(watch.ended().code(), Some(0));
}

#[test]
fn what_a_reload_carries_out_is_done_and_what_it_does_not_is_said() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let good = probes(folder, &hook, UNRESPONSIVE);
    let with = |log: &str, instance: &str| {
        let log = format!("[log]\n{log}\n");
        write(folder, &format!("{log}{}", good.replacen("[watch]", &format!("[watch]\n{instance}"), 1)));
    };
    with("level = \"info\"", "instance = \"one\"");
    // What is typed wins, so nothing is typed here.
    let watch = Watch::start_quiet(folder);
    let runs = || watch.log().matches("probe: healthy").count();
    let passed = || watch.get("/metrics").1.contains("status=\"healthy\"");
    until("it runs", || passed().then_some(()));
    assert_eq!(runs(), 0, "single runs are told at `debug` only");

    with("level = \"debug\"\nformat = \"json\"", "instance = \"one\"");
    watch.says("\"message\":\"healthy\"");
    assert!(watch.status()["daemon"].get("restart_needed").is_none());
    with("level = \"error\"", "instance = \"one\"");
    until("single runs are told no more", || {
        let before = watch.log().len();
        until("it goes on", || {
            let now = watch.status()["probes"][0]["last_run_at"].to_string();
            let later = watch.status()["probes"][0]["last_run_at"].to_string();
            (now != later).then_some(())
        });
        (watch.log().len() == before).then_some(())
    });

    with("file = \"watch.log\"", "instance = \"two\"\nseed = 7");
    watch.says("in force only after a restart: [watch] instance, [watch] seed, [log] file");
    let status = watch.status();
    let needed = serde_json::json!(["[watch] instance", "[watch] seed", "[log] file"]);
    assert_eq!((&status["daemon"]["restart_needed"], &status["daemon"]["instance"]), (&needed, &"one".into()));
    assert!(watch.get("/").1.contains("In force only after a restart"));
    assert!(watch.ask("POST", "/-/reload").1.contains("in force only after a restart: [watch] instance"));
    assert!(!folder.join("watch.log").exists());
    with("", "instance = \"one\"");
    until("what is as before needs no restart", || {
        watch.status()["daemon"].get("restart_needed").is_none().then_some(())
    });
}

#[test]
fn servers_that_hang_while_they_are_opened_hold_up_no_other() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    // They take the connection, and never say a word.
    let silent: Vec<std::net::TcpListener> =
        (0..6).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut text = probes(folder, &hook, "");
    for (number, listener) in silent.iter().enumerate() {
        let address = listener.local_addr().unwrap();
        text.push_str(&format!("[target.silent{number}]\nurl = \"http://{address}/mcp\"\nstartup_timeout = \"30s\"\n"));
    }
    text.push_str("[[probe]]\nname = \"deaf\"\nevery = \"50s\"\ntimeout = \"1s\"\ntarget = [");
    let names: Vec<String> = (0..silent.len()).map(|number| format!("\"silent{number}\"")).collect();
    text.push_str(&format!("{}]\n[[probe.step]]\nmethod = \"tools/list\"\n", names.join(", ")));
    write(folder, &text);
    let watch = Watch::start(folder);
    until("the others hang", || (watch.log().matches("started probe=deaf").count() == silent.len()).then_some(()));
    let before = watch.log().matches("healthy probe=list").count();
    until("this one goes on", || {
        assert_eq!(watch.log().matches("status=failed").count(), 0, "nobody has been given up yet");
        (watch.log().matches("healthy probe=list").count() > before + 5).then_some(())
    });
}

//! Alerts of the real daemon where something is in their way: a receiver that takes nothing, words that cross, silences, and
//! history that is looked at again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/watching.rs"]
mod watching;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mcp_probe::alert::{AlertView, Notification, Transition};
use mcp_probe::store::{OutboxMessage, Store};
use nix::sys::signal::Signal;
use serde_json::Value;
use watching::{BINARY, Hook, Watch, behave, server, until, write};

/// One probe of one server, and what is beside it.
fn probes(folder: &Path, watch: &str, rest: &str) -> String {
    let server = server(folder);
    format!(
        "[watch]\nrun_at_start = true\ngroup_wait = \"50ms\"\ngroup_interval = \"100ms\"\njitter = \"0%\"\n{watch}\n\
         [target.demo]\n{server}\n[[probe]]\nname = \"list\"\ntarget = \"demo\"\nevery = \"300ms\"\ntimeout = \"290ms\"\n\
         [[probe.step]]\nmethod = \"tools/list\"\n{rest}"
    )
}

const DOWN: &str = "[[alert]]\nname = \"down\"\nconsecutive_failures = 3\nwithin = \"2s\"\nnotify = [\"ops\"]\n";

fn webhook(name: &str, hook: &Hook) -> String {
    format!("[notify.{name}]\nkind = \"webhook\"\nurl = \"{}/{name}\"\n", hook.url)
}

/// A message that waits in the outbox since twenty minutes.
fn old_message(folder: &Path) {
    let at = Timestamp::now() - SignedDuration::from_mins(20);
    let view = AlertView {
        alert: "down".into(),
        probe: "list".into(),
        target: "demo".into(),
        severity: "error".into(),
        labels: std::collections::BTreeMap::new(),
        summary: "3 runs failed in a row".into(),
        reason: None,
        details: None,
        since: at,
        ended: None,
        ended_because: None,
        told: 1,
    };
    let notification = Notification {
        channel: "ops".into(),
        dedup_key: "k".into(),
        transition: Transition::Firing,
        alerts: vec![view],
        at,
        instance: "prober".into(),
        before: None,
        others: 0,
    };
    let body = serde_json::to_value(&notification).unwrap();
    let message = OutboxMessage { channel: "ops".into(), key: "k".into(), transition: "firing".into(), body, at };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = Store::open_in(&folder.join("state")).unwrap();
        store.commit_alerts(Value::Null, vec![message], Vec::new(), at).await.unwrap();
        store.close().await.unwrap();
    });
}

#[test]
fn the_heartbeat_says_that_alerts_do_not_get_out() {
    let (folder, hook, heart) = (tempfile::tempdir().unwrap(), Hook::start(), Hook::start());
    let folder = folder.path();
    let alive = format!("[notify.alive]\nkind = \"healthchecks\"\nurl = \"{}/ping\"\n", heart.url);
    write(folder, &probes(folder, "heartbeat = \"alive\"", &format!("{DOWN}{}{alive}", webhook("ops", &hook))));
    old_message(folder);
    hook.answer(503);
    let watch = Watch::start(folder);
    let pings = |path: &str| {
        let heard = heart.heard();
        let ping = heard.iter().filter(|(heard, _)| heard.split('?').next() == Some(path));
        ping.map(|(_, body)| body.clone()).collect::<Vec<_>>()
    };
    until("it says so", || pings("/ping/fail").first().cloned().filter(|said| said.contains("alerts do not get out")));
    let status = watch.status();
    assert_eq!(status["daemon"]["outbox_waiting"], 1, "{status}");
    let (code, said) = watch.get("/-/healthy");
    assert_eq!((code, said.contains("no alert gets out: 1 message")), (503, true), "{said}");
    assert_eq!(watch.get("/-/alive").0, 200, "probing goes on");
    // Somebody hears it again: so does the heartbeat's receiver. (A reload tries at once what waits.)
    hook.answer(200);
    watch.signal(Signal::SIGHUP);
    hook.hears("down", "firing");
    let before = pings("/ping").len();
    until("all is well again", || (pings("/ping").len() > before).then_some(()));
    until("it is healthy again", || (watch.get("/-/healthy").0 == 200).then_some(()));
}

/// The token was changed, or the webhook deleted: nothing waits, as each message is given up at its first try.
#[test]
fn a_receiver_that_refuses_everything_does_not_look_healthy() {
    let (folder, hook, heart) = (tempfile::tempdir().unwrap(), Hook::start(), Hook::start());
    let folder = folder.path();
    let alive = format!("[notify.alive]\nkind = \"healthchecks\"\nurl = \"{}/ping\"\n", heart.url);
    let text = probes(folder, "heartbeat = \"alive\"", &format!("{DOWN}{}{alive}", webhook("ops", &hook)));
    write(folder, &text);
    behave(folder, "--fault exit-at-start");
    hook.answer(404);
    let watch = Watch::start(folder);
    watch.says("refuses the firing, which is given up");
    let said = until("it is not healthy", || Some(watch.get("/-/healthy")).filter(|(code, _)| *code == 503)).1;
    assert!(said.contains("no alert gets out: what channels were told last was refused and is given up"), "{said}");
    let status = watch.status();
    let why = status["daemon"]["channels_failing"]["ops"].as_str().unwrap_or_default();
    assert!(why.contains("refused and is given up"), "{status}");
    assert_eq!(status["daemon"]["outbox_waiting"], 0, "{status}");
    let series = |value: &str| {
        watch.get("/metrics").1.contains(&format!("mcp_probe_channel_failing{{channel=\"ops\"}} {value}\n"))
    };
    assert!(series("1"), "{}", watch.get("/metrics").1);
    assert_eq!(watch.get("/-/alive").0, 200, "probing goes on");
    until("the heartbeat says so", || {
        heart
            .heard()
            .iter()
            .any(|(path, body)| path.starts_with("/ping/fail") && body.contains("refused"))
            .then_some(())
    });
    // Reading the same files again makes nobody well.
    watch.signal(Signal::SIGHUP);
    watch.says("the files were read again");
    assert_eq!(watch.get("/-/healthy").0, 503);
    hook.answer(200);
    behave(folder, "");
    hook.hears("down", "resolved");
    until("it is healthy again", || (watch.get("/-/healthy").0 == 200).then_some(()));
    assert_eq!(watch.status()["daemon"]["channels_failing"], serde_json::json!({}));
    assert!(series("0"), "{}", watch.get("/metrics").1);
    // Another address is another receiver: what the one before it refused is forgotten.
    hook.answer(410);
    behave(folder, "--fault exit-at-start");
    until("it is not healthy", || (watch.get("/-/healthy").0 == 503).then_some(()));
    hook.answer(200);
    write(folder, &text.replace("/ops\"", "/other\""));
    watch.signal(Signal::SIGHUP);
    until("it is healthy again", || (watch.get("/-/healthy").0 == 200).then_some(()));
    // What goes on is told there: nobody has heard of it.
    let heard = |(path, body): &(String, String)| path.ends_with("/other") && body.contains("firing");
    until("the other address hears of it", || hook.heard().iter().any(heard).then_some(()));
}

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn alertmanager(folder: &Path) -> (Served, u16) {
    let config = folder.join("alertmanager.yml");
    std::fs::write(&config, "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("apt-get install prometheus-alertmanager: {error}"));
    let served = Served(child);
    until("Alertmanager is ready", || get(port, "/-/ready"));
    (served, port)
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

fn held(port: u16) -> Vec<Value> {
    let body = get(port, "/api/v2/alerts").unwrap();
    serde_json::from_str(&body[body.find('[').unwrap()..=body.rfind(']').unwrap()]).unwrap()
}

/// What passed to Alertmanager, in the order in which it arrived there: whether it said that the alert goes on.
type Passed = Arc<Mutex<Vec<bool>>>;

/// A way to Alertmanager on which words about an alert that goes on take longer than words about its end.
fn slow_way(to: u16) -> (u16, Passed) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, passed) = (listener.local_addr().unwrap().port(), Passed::default());
    let seen = Arc::clone(&passed);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || pass(stream, to, &seen));
        }
    });
    (port, passed)
}

fn pass(mut stream: TcpStream, to: u16, seen: &Passed) -> Option<()> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let (head, body) = loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
                });
                (body.len() >= length.unwrap_or(0)).then(|| (head.to_owned(), body.to_owned()))
            });
            if let Some(whole) = whole {
                break whole;
            }
            let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
            bytes.extend_from_slice(&part[..count]);
        };
        bytes.clear();
        let alerts: Vec<Value> = serde_json::from_str(&body).unwrap();
        let ends = |alert: &Value| alert["endsAt"].as_str().unwrap().parse::<Timestamp>().unwrap();
        let goes_on = alerts.iter().any(|alert| ends(alert) > Timestamp::now());
        if goes_on {
            std::thread::sleep(Duration::from_millis(700));
        }
        let mut there = TcpStream::connect(("127.0.0.1", to)).ok()?;
        let path = head.split(' ').nth(1)?;
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json");
        write!(there, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").ok()?;
        let mut answer = String::new();
        there.read_to_string(&mut answer).ok()?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        seen.lock().unwrap().push(goes_on);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

#[test]
fn an_end_that_a_repeated_word_crosses_stays_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let (_served, port) = alertmanager(folder.path());
    let (way, passed) = slow_way(port);
    let folder = folder.path();
    let ops = format!("[notify.ops]\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:{way}\"\nrepeat = \"200ms\"\n");
    write(folder, &probes(folder, "", &format!("{DOWN}{ops}")));
    behave(folder, "--fault exit-at-start");
    let watch = Watch::start(folder);
    until("Alertmanager knows of it", || held(port).first().cloned());
    let repeats = || passed.lock().unwrap().iter().filter(|goes_on| **goes_on).count();
    until("it hears again and again", || (repeats() >= 4).then_some(()));
    behave(folder, "");
    watch.says("resolved");
    // After the end had arrived, a word that was on its way said the opposite; and the end was told once more.
    until("the words cross", || {
        let passed = passed.lock().unwrap();
        let end = passed.iter().position(|goes_on| !goes_on)?;
        let crossing = passed[end..].iter().rposition(|goes_on| *goes_on)?;
        passed[end + crossing..].iter().any(|goes_on| !goes_on).then_some(())
    });
    // Several such words were on their way; when the last has come, it is over, and stays so.
    until("it has ended", || held(port).is_empty().then_some(()));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((held(port).len(), passed.lock().unwrap().last().copied()), (0, Some(false)));
}

fn alerts(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(BINARY).arg("alerts").args(words).current_dir(folder).env("HOME", folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_was_recorded_is_judged_again_by_rules_silences_and_dependencies() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let good = probes(folder, "", &format!("{DOWN}{}", webhook("ops", &hook)));
    write(folder, &good);
    let mut watch = Watch::start(folder);
    watch.says("healthy probe=list");
    behave(folder, "--fault exit-at-start");
    hook.hears("down", "firing");
    let (code, out, err) = alerts(folder, &["list", "probes.toml", "--state", "state"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("firing\tdown\tlist\tdemo\t") && out.contains("3 failed in a row within 2s\tops"), "{out}");
    assert!(err.contains("1 alert, 0 silences; 1 firing, by what the daemon kept at "), "{err}");
    behave(folder, "");
    hook.hears("down", "resolved");
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));

    let replay = ["test", "probes.toml", "--replay", "--state", "state", "--json"];
    let again = |text: &str| -> (Option<i32>, Value) {
        write(folder, text);
        let (code, out, err) = alerts(folder, &replay);
        (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}")))
    };
    let (code, told) = again(&good);
    assert_eq!(code, Some(1), "{told}");
    assert!(told["runs"].as_u64().unwrap() >= 5 && told["fired"].as_array().unwrap().len() == 1, "{told}");
    let fired = &told["fired"][0];
    assert_eq!((fired["alert"].as_str(), fired["target"].as_str()), (Some("down"), Some("demo")));
    assert!(fired["ended_at"].is_string() && fired.get("untold").is_none(), "{told}");
    let transitions = |told: &Value| {
        let messages = told["messages"].as_array().unwrap().clone();
        messages.iter().map(|message| message["transition"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(transitions(&told), ["firing", "resolved"]);

    // Another rule sees other things in the same runs.
    let (code, told) = again(&good.replace("consecutive_failures = 3", "consecutive_failures = 90"));
    assert_eq!((code, told["fired"].as_array().unwrap().len()), (Some(0), 0), "{told}");
    // In a silence it fires all the same, and nobody is told.
    let (from, until) =
        (Timestamp::now() - SignedDuration::from_hours(1), Timestamp::now() + SignedDuration::from_hours(1));
    let silence = format!("{good}[[silence]]\nname = \"work\"\nfrom = \"{from:.0}\"\nuntil = \"{until:.0}\"\n");
    let (code, told) = again(&silence);
    assert_eq!((code, told["fired"][0]["untold"].as_str()), (Some(0), Some("silenced")), "{told}");
    assert_eq!(transitions(&told), [""; 0], "{told}");
    let (_, out, err) = alerts(folder, &["list", "probes.toml", "--state", "state"]);
    assert!(out.contains("quiet\tdown\t*\t*\t") && out.contains("silent\twork\t*\t*\tuntil "), "{out}");
    assert!(err.contains("1 silence; 0 firing"), "{err}");
    let (code, out, _) = alerts(folder, &["list", "probes.toml", "--state", "state", "--json"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, listed["schema"].as_str()), (Some(0), Some("mcp-probe/alerts-list/1")));
    assert_eq!(listed["silences"][0]["until"].as_str(), Some(format!("{until:.0}").as_str()), "{listed}");
    // A silence for something else is none.
    let other = "[[probe]]\nname = \"other\"\ntarget = \"demo\"\n";
    let of_other = silence.replace("[[silence]]", &format!("{other}[[silence]]\nprobe = \"other\""));
    let (code, told) = again(&of_other);
    assert_eq!((code, told["fired"].as_array().map(Vec::len)), (Some(1), Some(1)), "{told}");
}

#[test]
fn what_depends_on_something_that_fails_is_held_when_it_is_replayed() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    // Two targets that fail together; one depends on the other.
    let fault = folder.join("fault");
    behave(folder, "");
    let command = format!("command = [\"sh\", \"-c\", \"exec {BINARY} demo $(cat {})\"]", fault.display());
    let plan = |depends: &str| {
        probes(folder, "", &format!("{DOWN}{}[target.child]\n{command}\n{depends}\n", webhook("ops", &hook)))
            .replace("target = \"demo\"", "target = \"*\"")
    };
    write(folder, &plan(""));
    let mut watch = Watch::start(folder);
    until("both are well", || (watch.status()["summary"]["healthy"] == 2).then_some(()));
    behave(folder, "--fault exit-at-start");
    until("both fire", || (hook.count("down", "firing") >= 2).then_some(()));
    behave(folder, "");
    until("both end", || (hook.count("down", "resolved") >= 2).then_some(()));
    watch.signal(Signal::SIGTERM);
    watch.ended();
    let replayed = |depends: &str| {
        write(folder, &plan(depends));
        let (_, out, err) = alerts(folder, &["test", "probes.toml", "--replay", "--state", "state", "--json"]);
        let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"));
        let messages = told["messages"].as_array().unwrap().clone();
        let mut targets: Vec<String> = messages
            .iter()
            .filter(|message| message["transition"] == "firing")
            .flat_map(|message| message["alerts"].as_array().unwrap().clone())
            .map(|alert| alert["target"].as_str().unwrap().to_owned())
            .collect();
        targets.sort();
        targets
    };
    assert_eq!(replayed(""), ["child", "demo"]);
    assert_eq!(replayed("depends_on = [\"demo\"]"), ["demo"]);
}

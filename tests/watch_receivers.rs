//! Receivers of the real daemon while its files change: what was opened at one is ended there, and what is told is told by the
//! files of now.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/alertmanager.rs"]
mod alertmanager;
#[path = "stage/receiver.rs"]
mod receiver;
#[path = "stage/watching.rs"]
mod watching;

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alertmanager::{alertmanager, alerts};
use nix::sys::signal::Signal;
use receiver::{Receiver, ok};
use serde_json::Value;
use watching::{Hook, Watch, behave, server, until, write};

/// A probe of one server that fails as `fault` says, whose alert tells `ops`, and what is beside it.
fn probes(folder: &Path, rest: &str) -> String {
    let server = server(folder);
    format!(
        "[watch]\nrun_at_start = true\ngroup_wait = \"50ms\"\ngroup_interval = \"100ms\"\njitter = \"0%\"\n\
         [target.demo]\n{server}\n[[probe]]\nname = \"list\"\ntarget = \"demo\"\nevery = \"300ms\"\ntimeout = \"290ms\"\n\
         [[probe.step]]\nmethod = \"tools/list\"\n[[alert]]\nname = \"down\"\nconsecutive_failures = 3\nwithin = \"2s\"\n\
         notify = [\"ops\"]\n{rest}"
    )
}

/// The files are other ones, and in force.
fn reload(watch: &Watch, folder: &Path, text: &str) {
    write(folder, text);
    let (code, said) = watch.ask("POST", "/-/reload");
    assert_eq!(code, 200, "{said}");
}

/// The team of every alert that Alertmanager takes for one that goes on.
fn teams(port: u16) -> Vec<String> {
    alerts(port).iter().map(|alert| alert["labels"]["team"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn alertmanager_keeps_nothing_under_labels_that_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (_served, port) = alertmanager(folder.path(), None);
    let folder = folder.path();
    let ops = |team: &str| {
        let url = format!("http://127.0.0.1:{port}");
        let notifier = format!("[notify.ops]\nkind = \"alertmanager\"\nurl = \"{url}\"\nrepeat = \"100ms\"\n");
        probes(folder, &format!("{notifier}labels = {{ team = \"{team}\" }}\n"))
    };
    write(folder, &ops("search"));
    behave(folder, "--fault exit-at-start");
    let mut watch = Watch::start(folder);
    until("it knows of it", || (teams(port) == ["search"]).then_some(()));
    reload(&watch, folder, &ops("maps"));
    until("it knows it by its new labels only", || (teams(port) == ["maps"]).then_some(()));
    // The labels change while nobody is there.
    watch.signal(Signal::SIGTERM);
    watch.ended();
    write(folder, &ops("travel"));
    let watch = Watch::start(folder);
    until("it knows it by its newest labels only", || (teams(port) == ["travel"]).then_some(()));
    // So do those of the target.
    reload(&watch, folder, &ops("travel").replace("[[probe]]", "labels = { env = \"prod\" }\n[[probe]]"));
    until("one alert goes on, with the label of its target", || {
        let held = alerts(port);
        (held.len() == 1 && held[0]["labels"]["env"] == "prod").then_some(())
    });
    behave(folder, "");
    until("nothing is left", || alerts(port).is_empty().then_some(()));
}

/// What PagerDuty was told: the key and what is to be done.
fn events(pagerduty: &Receiver) -> Vec<(String, String)> {
    let word = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let received = pagerduty.received();
    let events = received.iter().map(receiver::Received::json);
    events.map(|event| (word(&event, "routing_key"), word(&event, "event_action"))).collect()
}

#[test]
fn an_incident_is_resolved_by_the_key_that_opened_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let pagerduty = Receiver::start(|_| ok(r#"{"status":"success"}"#));
    let ops = |key: &str| {
        let url = pagerduty.url();
        probes(folder, &format!("[notify.ops]\nkind = \"pagerduty\"\nurl = \"{url}\"\nrouting_key = \"{key}\"\n"))
    };
    let (one, other, third) = ("key-of-the-first-team", "key-of-the-second-team", "key-of-the-third-team");
    let event = |key: &str, action: &str| (key.to_owned(), action.to_owned());
    write(folder, &ops(one));
    behave(folder, "--fault exit-at-start");
    let mut watch = Watch::start(folder);
    until("an incident is open", || events(&pagerduty).contains(&event(one, "trigger")).then_some(()));
    reload(&watch, folder, &ops(other));
    until("it is resolved by its key", || events(&pagerduty).contains(&event(one, "resolve")).then_some(()));
    until("and opened anew", || events(&pagerduty).contains(&event(other, "trigger")).then_some(()));
    // A key that is gone with a restart is on no disk: somebody has to be told.
    watch.signal(Signal::SIGTERM);
    watch.ended();
    write(folder, &ops(third));
    let watch = Watch::start(folder);
    until("it is opened anew", || events(&pagerduty).contains(&event(third, "trigger")).then_some(()));
    watch.says("`ops` as it was before refuses the resolved, which is given up");
    watch.says("close there by hand what is still open");
    assert_eq!(watch.status()["daemon"]["channels_failing"], serde_json::json!({}));
    behave(folder, "");
    until("the last is resolved", || events(&pagerduty).contains(&event(third, "resolve")).then_some(()));
    for entry in std::fs::read_dir(folder.join("state")).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("key-of-the-"), "{:?}", entry.path());
    }
}

#[test]
fn a_former_receiver_that_is_gone_delays_nobody_and_alarms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (old, new) =
        (Receiver::start(|_| ok(r#"{"status":"success"}"#)), Receiver::start(|_| ok(r#"{"status":"success"}"#)));
    let ops = |url: &str, key: &str| {
        probes(folder, &format!("[notify.ops]\nkind = \"pagerduty\"\nurl = \"{url}\"\nrouting_key = \"{key}\"\n"))
    };
    write(folder, &ops(&old.url(), "key-of-the-first-team"));
    behave(folder, "--fault exit-at-start");
    let watch = Watch::start(folder);
    until("an incident is open", || (events(&old).len() == 1).then_some(()));
    old.rule(|_| receiver::Does::HangUp);
    reload(&watch, folder, &ops(&new.url(), "key-of-the-second-team"));
    until("the new one is told at once", || (events(&new).len() == 1).then_some(()));
    watch.says("`ops` as it was before could not be told");
    let status = watch.status();
    assert_eq!(status["daemon"]["channels_failing"], serde_json::json!({}), "{status}");
    assert_eq!(watch.get("/-/healthy").0, 200);
    old.rule(|_| ok(r#"{"status":"success"}"#));
    until("it hears the end once it is back", || {
        events(&old).contains(&("key-of-the-first-team".to_owned(), "resolve".to_owned())).then_some(())
    });
}

#[test]
fn a_check_is_green_only_when_nothing_fires_that_it_was_told_of() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let (folder, beside) = (folder.path(), folder.path().join("beside"));
    std::fs::create_dir(&beside).unwrap();
    let ops = format!("[notify.ops]\nkind = \"healthchecks\"\nurl = \"{}/ping\"\n", hook.url);
    let second = format!("[target.other]\n{}\n[[probe]]", server(&beside));
    let text = probes(folder, &ops).replace("[[probe]]\n", &format!("{second}\n"));
    write(folder, &text.replace("target = \"demo\"", "target = \"*\""));
    let said = |hook: &Hook| -> Vec<&'static str> {
        let heard = hook.heard();
        heard.iter().map(|(path, _)| if path.starts_with("/ping/fail") { "fail" } else { "success" }).collect()
    };
    behave(folder, "--fault exit-at-start");
    behave(&beside, "--fault exit-at-start");
    let mut watch = Watch::start(folder);
    let fires = |hook: &Hook, count| {
        let heard = hook.heard();
        (heard.iter().filter(|(_, body)| body.starts_with("[firing]")).count() == count).then_some(())
    };
    until("both are told", || fires(&hook, 2));
    // What is said meanwhile does not arrive: the end of one, and its next beginning, each before a restart.
    hook.answer(500);
    behave(folder, "");
    watch.says("could not be told");
    watch.signal(Signal::SIGKILL);
    watch.ended();
    behave(folder, "--fault exit-at-start");
    let watch = Watch::start(folder);
    watch.says("firing");
    assert_eq!(said(&hook), ["fail"; 2]);
    hook.answer(200);
    until("the second beginning arrives", || fires(&hook, 3));
    let ends = |hook: &Hook| hook.heard().iter().filter(|(_, body)| body.contains("1 still firing")).count();
    assert_eq!((said(&hook), ends(&hook)), (vec!["fail"; 4], 1), "{:?}", hook.heard());
    behave(folder, "");
    until("one has ended", || (ends(&hook) == 2).then_some(()));
    assert!(!said(&hook).contains(&"success"), "{:?}", hook.heard());
    behave(&beside, "");
    until("all is well", || (said(&hook).last() == Some(&"success")).then_some(()));
    assert_eq!(said(&hook), ["fail", "fail", "fail", "fail", "fail", "success"]);
}

#[test]
fn a_command_inherits_no_secret_that_only_the_new_files_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let seen = folder.join("seen");
    let ops = format!("[notify.ops]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"env > {}\"]\n", seen.display());
    write(folder, &probes(folder, &ops));
    let watch = Watch::start_with(folder, &[], &[("LATER_TOKEN", "canary-of-later"), ("PLAIN", "plain")]);
    let more = "[notify.chat]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/${LATER_TOKEN}\"\n";
    reload(&watch, folder, &probes(folder, &format!("{ops}{more}")).replace("[\"ops\"]", "[\"ops\", \"chat\"]"));
    behave(folder, "--fault exit-at-start");
    let env = until("the command is run", || std::fs::read_to_string(&seen).ok().filter(|env| env.contains("PLAIN=")));
    assert!(env.contains("MCP_PROBE_TRANSITION=firing"), "{env}");
    assert!(!env.contains("canary-of-later"), "{env}");
}

#[test]
fn reloads_that_are_asked_for_faster_than_they_take_are_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ops = "[notify.ops]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n";
    // Reading so many takes longer than the pause between two wishes.
    let one = |number| {
        let when = "every = \"1d\"\n[[probe.step]]\nmethod = \"ping\"\n";
        format!("[[probe]]\nname = \"p{number}\"\ntarget = \"demo\"\n{when}")
    };
    let many = (0..2000).map(one).collect::<Vec<String>>().concat();
    let text = probes(folder, &format!("{ops}{many}")).replace("run_at_start = true", "run_at_start = false");
    write(folder, &text);
    let watch = Watch::start(folder);
    let address = watch.address().unwrap();
    write(folder, &text.replace("name = \"p7\"", "name = \"other\""));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Nobody waits for the answer, and the wish stands all the same.
                    let mut stream = TcpStream::connect(&address).unwrap();
                    let head = format!("POST /-/reload HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes());
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
        let limit = Instant::now() + watching::PATIENCE;
        let is_carried_out = || watch.log().contains("1 new, 1 gone");
        while !is_carried_out() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(is_carried_out(), "no reload is carried out");
    });
    let (code, said) = watch.ask("POST", "/-/reload");
    assert_eq!(code, 200, "{said}");
}

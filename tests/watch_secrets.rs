//! Secrets that the daemon was given are in none of its outputs: not in the log at its most talkative, not on the wire as it
//! is written down, not in its state, its pages and its messages, not in what it says when it cannot start, and not in what it says
//! while it has no descriptors. What a panic tells is tested beside it (`src/cli/panics.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/echo.rs"]
mod echo;
#[path = "stage/watching.rs"]
mod watching;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use echo::Echo;
use nix::sys::signal::Signal;
use watching::{BINARY, Hook, PATIENCE, Watch, until, write};

const CANARY: &str = "canary-4b1d-secret";
/// The places that hold one each: a word of a command, a variable, a header, password and query of an address, a token, an
/// argument of a tool whose name says what it is; of notifiers and pushes path and headers.
const PLACES: [&str; 10] =
    ["WORD", "TOKEN", "HEADER", "PASSWORD", "KEY", "BEARER", "SAID_SECRET", "HOOK", "HOOKTOKEN", "PUSHKEY"];

fn canary(place: &str) -> String {
    format!("{CANARY}-{}", place.to_ascii_lowercase())
}

fn variables() -> Vec<(String, String)> {
    PLACES.iter().map(|place| ((*place).to_owned(), canary(place))).collect()
}

/// The word, and what is sent for it as a login: all that nobody may see.
fn unspeakable() -> Vec<String> {
    let mut words = vec![CANARY.to_owned()];
    for place in PLACES {
        let (alone, login) = (canary(place), format!("user:{}", canary(place)));
        words.extend([alone, login].map(|text| BASE64_STANDARD.encode(text).trim_end_matches('=').to_owned()));
    }
    words
}

/// Every kind of setting that may hold a secret. Each server says back what it was given; where the second notifier is,
/// nobody listens, so that its messages stay in the outbox.
fn full_of_secrets(hook: &Hook, echo: &Echo, script: &str) -> String {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (hook, echo) = (&hook.url, &echo.authority);
    format!(
        r#"
[watch]
run_at_start = true
group_wait = "50ms"
[log]
wire = "wire.jsonl"
payload = true
file = "watch.log"
level = "debug"
[target.child]
command = ["sh", "{script}", "--token", "${{WORD}}"]
env = {{ TOKEN = "${{TOKEN}}" }}
restart = ["sh", "-c", "echo restarting with $TOKEN"]
[target.login]
url = "http://user:${{PASSWORD}}@{echo}/mcp?key=${{KEY}}"
headers = {{ X-Api-Key = "${{HEADER}}" }}
[target.bearer]
url = "http://{echo}/mcp"
auth = {{ bearer = "${{BEARER}}" }}
[target.gone]
url = "http://user:${{PASSWORD}}@{closed}/mcp?key=${{KEY}}"
headers = {{ X-Api-Key = "${{HEADER}}" }}
[[probe]]
name = "all"
target = "*"
every = "300ms"
timeout = "250ms"
[[probe.step]]
tool = "t"
arguments = {{ message = "${{SAID_SECRET}}" }}
[[alert]]
name = "down"
consecutive_failures = 2
restart = true
notify = ["ops", "said"]
[notify.ops]
kind = "webhook"
url = "{hook}/${{HOOK}}"
headers = {{ Authorization = "Bearer ${{HOOKTOKEN}}" }}
[notify.said]
kind = "webhook"
url = "http://{closed}/${{HOOK}}"
[[push]]
name = "results"
kind = "webhook"
url = "http://{echo}/push"
every = "300ms"
headers = {{ X-Key = "${{PUSHKEY}}" }}
body = "{{{{ at }}}}"
"#
    )
}

/// Everything that is written down somewhere, by its place.
#[derive(Default)]
struct Outputs(Vec<(String, Vec<u8>)>);

impl Outputs {
    fn add(&mut self, place: &str, text: impl Into<Vec<u8>>) {
        self.0.push((place.to_owned(), text.into()));
    }

    fn pages(&mut self, watch: &Watch) {
        let targets = ["child", "login", "bearer", "gone"];
        let of_targets =
            targets.iter().flat_map(|name| [format!("/target/{name}"), format!("/probe?target={name}&module=all")]);
        let fixed = ["/", "/metrics", "/api/v1/status", "/-/healthy"].map(str::to_owned);
        for path in fixed.into_iter().chain(of_targets) {
            let (code, text) = watch.get(&path);
            assert!(code == 200 || path == "/-/healthy", "{path}: {code}");
            self.add(&path, text);
        }
        self.add("a reload", watch.ask("POST", "/-/reload").1);
    }

    /// What is in the folder, but for what the test itself and the servers wrote.
    fn files(&mut self, folder: &Path) {
        for folder in [folder.to_owned(), folder.join("state")] {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_file() && !["probes.toml", "child.sh", "got"].contains(&name.as_str()) {
                    self.add(&name, fs::read(&path).unwrap());
                }
            }
        }
    }

    fn of(&self, place: &str) -> String {
        let of_place = self.0.iter().filter(|(name, _)| name == place);
        of_place.map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect()
    }

    fn hold_none_of(&self, words: &[String]) {
        for (name, text) in &self.0 {
            let text = String::from_utf8_lossy(text);
            let around = |at: usize| {
                String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(60)..(at + 40).min(text.len())]).into_owned()
            };
            let found: Vec<String> = words.iter().filter_map(|word| text.find(word).map(around)).collect();
            assert!(found.is_empty(), "{name} has secrets: {found:?}");
        }
    }
}

/// A whole life of the daemon with servers that fail, alerts, restarts, a push, and a mistake in its files.
fn life(folder: &Path, hook: &Hook, echo: &Echo, words: &[&str], outputs: &mut Outputs) {
    let text = full_of_secrets(hook, echo, &folder.join("child.sh").display().to_string());
    write(folder, &text);
    let before = hook.count("down", "firing");
    let variables = variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut watch = Watch::start_with(folder, words, &variables);
    until("all that fails is told", || {
        let alerts = watch.status()["alerts"].as_array().map(Vec::len);
        (alerts >= Some(4) && (before > 0 || hook.count("down", "firing") >= 4)).then_some(())
    });
    until("it is restarted", || (hook.count("down", "restart") > 0).then_some(()));
    for place in ["HEADER", "KEY", "BEARER", "SAID_SECRET", "PUSHKEY"] {
        until(&format!("{place} is sent"), || echo.heard(&canary(place)).then_some(()));
    }
    write(folder, &text.replace("level = ", "levle = "));
    until("a mistake is told", || watch.status()["daemon"]["plan_error"].as_str().map(ToOwned::to_owned));
    outputs.pages(&watch);
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));
    outputs.add("stderr", watch.log());
    write(folder, &text);
}

/// How a start with so few descriptors ended; nothing where it lives on.
fn starved(folder: &Path, descriptors: u32) -> (Option<ExitStatus>, Vec<u8>) {
    let script = format!(
        "ulimit -n {descriptors}; exec {BINARY} watch probes.toml --state state --listen 127.0.0.1:0 --log-level debug \
         --log-format json -v --trace starved.jsonl"
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .env("HOME", folder)
        .envs(variables())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("starved.err")).unwrap())
        .spawn()
        .unwrap();
    let said = || fs::read(folder.join("starved.err")).unwrap();
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (Some(status), said());
        }
        if String::from_utf8_lossy(&said()).contains("listening on") {
            child.kill().unwrap();
            child.wait().unwrap();
            return (None, said());
        }
        assert!(Instant::now() < limit, "with {descriptors} descriptors it neither starts nor ends");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every start that is starved of descriptors: which number is too few depends on what is open, so all are tried from none to
/// enough. It is no bug, and each says what to do.
fn starving(folder: &Path, outputs: &mut Outputs) {
    let mut refused = 0;
    for descriptors in 3..64 {
        let (ended, said) = starved(folder, descriptors);
        let text = String::from_utf8_lossy(&said).into_owned();
        outputs.add("stderr of one that starves", said);
        outputs.files(folder);
        match ended.map(|status| status.code()) {
            // Not even the program could be loaded.
            Some(Some(127)) => {}
            Some(code) => {
                assert!(code == Some(2) && text.contains("`ulimit -n 1024`"), "{descriptors}: {code:?}: {text}");
                refused += 1;
            }
            None => break,
        }
    }
    assert!(refused > 10, "{refused} were refused: {}", outputs.of("stderr of one that starves"));
}

/// A daemon at work from which the descriptors are taken: it has all its secrets, and nothing can be opened any more.
fn drained(folder: &Path, hook: &Hook, echo: &Echo, outputs: &mut Outputs) {
    write(folder, &full_of_secrets(hook, echo, &folder.join("child.sh").display().to_string()));
    let variables = variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut watch = Watch::start_with(folder, &["-v", "--trace", "drained.jsonl"], &variables);
    until("it works", || echo.heard(&canary("HEADER")).then_some(()));
    let limit = |soft: &str| {
        let pid = watch.child.id().to_string();
        let ran = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={soft}:")]).status();
        assert!(ran.expect("prlimit of util-linux").success());
    };
    limit("4");
    let log = || fs::read_to_string(folder.join("watch.log")).unwrap();
    until("it says what it lacks", || log().contains("Too many open files").then_some(()));
    limit("1024");
    outputs.pages(&watch);
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0), "{}", watch.log());
    outputs.add("stderr", watch.log());
}

#[test]
fn secrets_are_nowhere_whatever_happens() {
    let (folder, hook, echo) = (tempfile::tempdir().unwrap(), Hook::start(), Echo::start("200 OK"));
    let folder = folder.path();
    let script = format!("#!/bin/sh\necho \"broken: $TOKEN $*\" | tee -a {}/got >&2; exit 3\n", folder.display());
    fs::write(folder.join("child.sh"), script).unwrap();
    let mut outputs = Outputs::default();
    life(folder, &hook, &echo, &["-v", "--trace", "trace.jsonl"], &mut outputs);
    starving(folder, &mut outputs);
    drained(folder, &hook, &echo, &mut outputs);
    life(folder, &hook, &echo, &["-v", "--trace", "again.jsonl", "--log-format", "json"], &mut outputs);
    outputs.files(folder);
    for (_, body) in hook.heard() {
        outputs.add("a message", body);
    }

    // All of them were really given away to those who have to have them, and would have been found.
    let got = fs::read_to_string(folder.join("got")).unwrap();
    assert!(got.contains(&canary("TOKEN")) && got.contains(&canary("WORD")), "{got}");
    assert!(echo.heard(&BASE64_STANDARD.encode(format!("user:{}", canary("PASSWORD")))));
    assert!(hook.heard().iter().any(|(path, _)| path.contains(&canary("HOOK"))));
    for place in ["stderr", "trace.jsonl", "again.jsonl", "wire.jsonl", "watch.log", "history.sqlite", "a message"] {
        assert!(outputs.of(place).contains("***"), "{place} had something to hide: {}", outputs.of(place));
    }
    let log = outputs.of("watch.log");
    let is_debug =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["level"] == "debug");
    assert!(log.lines().any(is_debug), "{log}");
    outputs.hold_none_of(&unspeakable());
}

//! `wait`: until all is healthy or the time is over. Servers that come late, over HTTP and stdio; processes are counted,
//! because nothing may be started twice while it lives.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its servers end with it"
)]

#[path = "cli/place.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod place;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use place::{EXE, Place, refused};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that notes every start, and hesitates until the file `ready` is there.
const HESITATES: &str =
    "#!/bin/sh\necho $$ >> started\nwhile [ ! -e ready ]; do sleep 0.02; done\nexec EXE demo \"$@\"\n";

/// A server of the legacy era that answers everything it can with an error until the file `ready` is there.
const NOT_READY: &str = r#"#!/bin/sh
echo $$ >> started
say() { printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$1"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  [ -n "$id" ] || continue
  if [ ! -e "$1" ]; then echo refused >> refused; say '"error":{"code":-32000,"message":"not ready yet"}'; continue; fi
  case "$line" in
    *'"initialize"'*) say '"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}' ;;
    *) if [ -e ready ]; then say '"result":{"tools":[]}'; else echo refused >> refused; say '"error":{"code":-32000,"message":"no tools yet"}'; fi ;;
  esac
done
"#;

fn server(text: &str) -> Place {
    let place = Place::new().with("server.sh", text);
    fs::set_permissions(place.path("server.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    place
}

fn until<T>(what: &str, fact: impl Fn() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = fact() {
            return found;
        }
        assert!(Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn lines(place: &Place, name: &str) -> Vec<String> {
    fs::read_to_string(place.path(name)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A `wait` that goes on.
struct Waiting {
    child: Child,
    err: BufReader<ChildStderr>,
}

impl Waiting {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut child = place
            .command(EXE)
            .arg("wait")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        Self { child, err }
    }

    /// Waits for a line on stderr.
    fn says(&mut self, word: &str) -> String {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(self.err.read_line(&mut line).unwrap() > 0, "it ended without a line with {word:?}");
        }
        line
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// The exit code and stdout.
    fn end(mut self) -> (i32, String) {
        std::thread::spawn(move || self.err.read_to_end(&mut Vec::new()));
        let output = self.child.wait_with_output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).unwrap())
    }
}

fn tries(document: &Value, place: usize) -> Vec<&str> {
    let attempts = document["probes"][place]["attempts"].as_array().unwrap();
    attempts.iter().map(|attempt| attempt["reason"].as_str().unwrap_or("none")).collect()
}

// Success.

#[test]
fn what_is_healthy_is_said_in_one_line() {
    let ran = Place::new().run(&["wait", "--", EXE, "demo"]).ended(0);
    assert!(ran.out.starts_with("healthy after ") && ran.out.lines().count() == 1, "{}", ran.out);
    assert!(ran.err.is_empty(), "{}", ran.err);
    assert_eq!(Place::new().run(&["wait", "-q", "--", EXE, "demo"]).ended(0).out, "");
    let document = Place::new().run(&["wait", "--json", "--", EXE, "demo"]).ended(0).json();
    assert_eq!((&document["schema"], &document["summary"]["healthy"]), (&json!("mcp-probe/report/1"), &json!(1)));
    assert_eq!(Place::new().run(&["wait", "--jq", ".probes[].status", "--", EXE, "demo"]).ended(0).out, "healthy\n");
}

#[test]
fn a_server_that_is_slow_to_exit_delays_nothing_but_the_exit() {
    let place = Place::new();
    let mut command = place.command(EXE);
    command.args(["wait", "--", EXE, "demo", "--fault", "ignore-sigterm"]);
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said = begun.elapsed();
    assert!(line.starts_with("healthy after "), "{line}");
    assert!(child.wait().unwrap().success());
    // It is killed three seconds after it was asked to go.
    assert!(said + Duration::from_secs(2) < begun.elapsed(), "{said:?} of {:?}", begun.elapsed());
}

#[test]
fn a_server_that_comes_late_is_found() {
    let host = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let place = Place::new();
    let mut waiting = Waiting::start(&place, &["--for", "60s", "--json", &format!("http://{host}/mcp")]);
    waiting.says("connect: connection refused");
    let mut demo = place.command(EXE).args(["demo", "--http", &host]).stdout(Stdio::null()).spawn().unwrap();
    let (code, out) = waiting.end();
    demo.kill().unwrap();
    demo.wait().unwrap();
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["probes"][0]["status"]), (0, &json!("healthy")), "{document}");
    let tries = tries(&document, 0);
    assert!(tries.len() >= 2 && tries[0] == "connect" && tries[tries.len() - 1] == "none", "{tries:?}");
}

#[test]
fn a_slow_starter_is_started_once() {
    let place = server(HESITATES);
    let waiting = Waiting::start(&place, &["--for", "60s", "--", "./server.sh"]);
    until("the server is started", || (lines(&place, "started").len() == 1).then_some(()));
    fs::write(place.path("ready"), "").unwrap();
    let (code, out) = waiting.end();
    assert_eq!(code, 0, "{out}");
    assert_eq!(lines(&place, "started").len(), 1);
}

#[test]
fn a_start_that_takes_longer_than_was_allowed_is_no_new_process() {
    let place = server(HESITATES);
    let mut waiting =
        Waiting::start(&place, &["--for", "60s", "--startup-timeout", "150ms", "--json", "--", "./server.sh"]);
    waiting.says("timeout: ");
    fs::write(place.path("ready"), "").unwrap();
    let (code, out) = waiting.end();
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0, "{document}");
    assert_eq!((tries(&document, 0)[0], lines(&place, "started").len()), ("timeout", 1), "{document}");
}

#[test]
fn a_handshake_that_is_refused_is_tried_again_on_the_same_process() {
    let place = server(NOT_READY);
    let arguments = ["--for", "60s", "--protocol", "legacy", "--json", "--", "./server.sh", "awake"];
    let mut waiting = Waiting::start(&place, &arguments);
    waiting.says("not ready yet");
    // The conversation is open from here on, and its calls are refused.
    fs::write(place.path("awake"), "").unwrap();
    until("tools are refused", || lines(&place, "refused").len().checked_sub(2));
    fs::write(place.path("ready"), "").unwrap();
    let (code, out) = waiting.end();
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0, "{document}");
    let tries = tries(&document, 0);
    assert!(tries.len() >= 3 && tries[..tries.len() - 1].iter().all(|reason| *reason == "rpc_error"), "{tries:?}");
    assert_eq!(lines(&place, "started").len(), 1);
}

#[test]
fn a_server_that_ended_by_itself_is_started_again() {
    let place = server("#!/bin/sh\necho $$ >> started\n[ -e ready ] || exit 3\nexec EXE demo\n");
    let mut waiting = Waiting::start(&place, &["--for", "60s", "--", "./server.sh"]);
    waiting.says("exited: ");
    fs::write(place.path("ready"), "").unwrap();
    assert_eq!(waiting.end().0, 0);
    assert!(lines(&place, "started").len() >= 2);
}

#[test]
fn the_program_of_a_target_is_started_once() {
    let place = server(HESITATES).with(
        "f.toml",
        "[target.t]\nurl = \"http://127.0.0.1:0/mcp\"\nstart = [\"./server.sh\", \"--http\", \"127.0.0.1:0\"]\n\
         startup_timeout = \"100ms\"\n\
         [[probe]]\nname = \"a\"\ntarget = \"t\"\n[[probe.step]]\nmethod = \"tools/list\"\n\
         [[probe]]\nname = \"b\"\ntarget = \"t\"\n[[probe.step]]\nmethod = \"prompts/list\"\n",
    );
    let waiting = Waiting::start(&place, &["--for", "60s", "f.toml"]);
    until("the program is started", || (lines(&place, "started").len() == 1).then_some(()));
    fs::write(place.path("ready"), "").unwrap();
    let (code, out) = waiting.end();
    assert_eq!(code, 0, "{out}");
    assert_eq!(lines(&place, "started").len(), 1);
}

// The end of the time.

fn some_healthy() -> Place {
    let text = format!(
        "[target.t]\ncommand = [\"./server.sh\"]\n[target.gone]\nurl = \"{}\"\n\
         [[probe]]\nname = \"well\"\ntarget = \"t\"\n[[probe.step]]\nmethod = \"tools/list\"\n\
         [[probe]]\nname = \"unwell\"\ntarget = \"t\"\n[[probe.step]]\nmethod = \"tools/list\"\n\
         expect.tools = {{ include = [\"nobody\"] }}\n\
         [[probe]]\nname = \"away\"\ntarget = \"gone\"\n[[probe.step]]\nmethod = \"tools/list\"\n",
        refused()
    );
    server("#!/bin/sh\necho $$ >> started\nexec EXE demo\n").with("f.toml", &text)
}

#[test]
fn what_is_healthy_is_not_run_again_and_not_told_as_unhealthy() {
    let place = some_healthy();
    let document = place.run(&["wait", "f.toml", "--for", "1200ms", "--json"]).ended(1).json();
    assert_eq!(tries(&document, 0), ["none"]);
    assert!(tries(&document, 1).len() > 2 && tries(&document, 1).iter().all(|reason| *reason == "check"), "{document}");
    assert_eq!(document["probes"][2]["reason"], "connect");
    assert_eq!(lines(&place, "started").len(), 1, "both probes use one process");
    let ran = place.run(&["wait", "f.toml", "--for", "300ms"]).ended(1);
    assert_eq!(ran.out.lines().map(|row| row.split('\t').next().unwrap()).collect::<Vec<_>>(), ["unwell", "away"]);
    assert!(ran.err.ends_with("2 of 3 probes not healthy: the time of --for 300ms is over\n"), "{}", ran.err);
    assert!(ran.err.contains("waiting for unwell on t: check: "), "{}", ran.err);
    // One kind of failure alone has its own code.
    place.run(&["wait", "f.toml", "--for", "200ms", "--probe", "away"]).ended(4);
}

#[test]
fn the_time_is_kept_and_the_last_outcome_counts() {
    let begun = Instant::now();
    let ran = Place::new().run(&["wait", &refused(), "--for", "400ms"]).ended(4);
    assert!(begun.elapsed() >= Duration::from_millis(350), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(ran.out.contains("\tfailed\t") && ran.out.contains("connect: "), "{}", ran.out);
    // A server that never says anything: unreachable, in the time that was given.
    let place = server(HESITATES);
    let document = place.run(&["wait", "--for", "400ms", "--json", "--", "./server.sh"]).ended(4).json();
    assert_eq!(document["probes"][0]["reason"], "timeout", "{document}");
    assert_eq!(lines(&place, "started").len(), 1);
}

#[test]
fn degraded_counts_unless_it_is_said() {
    let place = Place::new().with(
        "f.toml",
        "[target.t]\ncommand = [\"mcp-probe\", \"demo\"]\n[[probe]]\nname = \"p\"\ntarget = \"t\"\n\
         [[probe.step]]\ntool = \"fail\"\non_fail = \"degraded\"\n",
    );
    place.run(&["wait", "f.toml"]).ended(0);
    place.run(&["wait", "f.toml", "--fail-on", "degraded", "--for", "300ms"]).ended(5);
}

#[test]
fn side_effects_are_not_sent_twice() {
    let place = Place::new().with(
        "f.toml",
        "[target.t]\ncommand = [\"mcp-probe\", \"demo\"]\n[[probe]]\nname = \"p\"\ntarget = \"t\"\n\
         [[probe.step]]\ntool = \"note\"\narguments = { text = \"x\" }\nallow_side_effects = true\n\
         [[probe.step]]\ntool = \"fail\"\n",
    );
    let document = place.run(&["wait", "f.toml", "--for", "60s", "--json"]).ended(5).json();
    assert_eq!(tries(&document, 0), ["tool_error"]);
    assert!(document["probes"][0]["message"].as_str().unwrap().contains("not tried again"), "{document}");
    assert!(document["duration_ms"].as_f64().unwrap() < 30_000.0, "nothing can heal it, so nobody waits");
}

#[test]
fn our_own_mistakes_end_at_once() {
    let place = Place::new().with("bad.toml", "[target.t]\nurl = 7\n");
    for (arguments, code) in [
        (&["wait", "bad.toml"][..], 2),
        (&["wait", "nobody"], 2),
        (&["wait", "gone.toml"], 2),
        (&["wait", "--for", "10", "http://127.0.0.1:1/mcp"], 2),
        (&["wait", "--jq", ".[", "http://127.0.0.1:1/mcp"], 2),
        (&["wait", "--", "--for"], 2),
        (&["wait"], 6),
        (&["wait", "http://127.0.0.1:1/mcp", "--probe", "nobody"], 6),
    ] {
        let begun = Instant::now();
        place.run(arguments).ended(code);
        assert!(begun.elapsed() < Duration::from_secs(30), "{arguments:?}");
    }
}

// What is said meanwhile.

#[test]
fn a_long_wait_says_now_and_then_that_it_goes_on() {
    let begun = Instant::now();
    let place = some_healthy();
    let mut waiting = Waiting::start(&place, &["--for", "60s", "f.toml"]);
    // The reasons do not change, and the time is told in nothing else.
    let reminder = waiting.says(", after 10");
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(reminder.starts_with("waiting for 2 of 3: unwell on t: check: "), "{reminder}");
    assert!(reminder.contains("; away on gone: connect: ") && !reminder.contains("well on t;"), "{reminder}");
    waiting.signal(Signal::SIGTERM);
    assert_eq!(waiting.end().0, 143);
    assert_eq!(lines(&place, "started").len(), 1);
}

#[test]
fn quiet_waits_say_nothing() {
    let ran = some_healthy().run(&["wait", "f.toml", "--for", "300ms", "-q"]).ended(1);
    assert_eq!(ran.err, "");
}

// Interruption.

#[test]
fn an_interrupted_wait_leaves_nothing() {
    for (signal, wanted) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let place = some_healthy();
        let mut waiting = Waiting::start(&place, &["--for", "60s", "f.toml"]);
        waiting.says("unwell on t");
        waiting.signal(signal);
        let (code, out) = waiting.end();
        assert_eq!(code, wanted);
        assert!(out.contains("unwell\tt\tfailed"), "{out}");
        let pid = lines(&place, "started")[0].clone();
        let ended = || (!fs::exists(format!("/proc/{pid}")).unwrap()).then_some(());
        until("the server has ended", ended);
    }
}

//! However the real binary ends, it leaves nothing: killed, interrupted, terminated, told twice, or with its output
//! cut off. Every process of a run carries a mark in its environment, and none may be left; sessions are deleted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/prober.rs"]
mod prober;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mcp_probe::transport::child::{guard, table};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use prober::{BINARY, Served, binary};

const MARK: &str = "INTERRUPTED_TEST";
const PATIENCE: Duration = Duration::from_secs(20);

/// A prober that runs, and the mark of all its processes.
struct Run {
    child: Child,
    mark: String,
    folder: Option<tempfile::TempDir>,
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in marked(&self.mark) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Processes that live and carry the mark; ended ones have no environment any more.
fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}");
    let all = std::fs::read_dir("/proc").unwrap();
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        })
        .collect()
}

fn arguments_of(pid: i32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
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

impl Run {
    fn start(command: &mut Command) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let child = command
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary under test starts");
        Self { child, mark, folder: None }
    }

    /// A call to the demo server over stdio.
    fn call(options: &[&str], demo: &[&str]) -> Self {
        Self::start(binary().args(options).args(["--", BINARY, "demo"]).args(demo))
    }

    /// `check` of one slow call to the demo server over stdio.
    fn check(demo: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probes.toml");
        let words: Vec<String> = demo.iter().map(|word| format!(", {word:?}")).collect();
        let file = format!(
            "[target.demo]\ncommand = [{BINARY:?}, \"demo\"{}]\n[[probe]]\nname = \"slow\"\ntarget = \"demo\"\n\
             timeout = \"60s\"\n[[probe.step]]\ntool = \"slow\"\narguments = {{ ms = 50000 }}\n",
            words.concat()
        );
        std::fs::write(&path, file).unwrap();
        let mut run = Self::start(binary().arg("check").arg(&path).args(["--json", "-v"]));
        run.folder = Some(folder);
        run
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Waits until the server runs.
    fn server(&self) -> i32 {
        until("the server runs", || {
            marked(&self.mark)
                .into_iter()
                .find(|pid| *pid != self.pid().as_raw() && arguments_of(*pid).get(1).is_some_and(|word| word == "demo"))
        })
    }

    /// Waits until the guard watches: a child of the prober in an environment of its own.
    fn guard(&self) -> i32 {
        until("the guard watches", || {
            table::children(self.pid().as_raw())
                .into_iter()
                .find(|pid| arguments_of(*pid).get(1).is_some_and(|word| word == guard::ARGUMENT))
        })
    }

    /// Waits until the call is on its way, which the wire log on stderr tells.
    fn begun(&mut self) {
        let mut pipe = BufReader::new(self.child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("tools/call") {
            line.clear();
            assert!(pipe.read_line(&mut line).unwrap() > 0, "the call is told on stderr");
        }
        // What follows is read, so that nobody waits for room in the pipe.
        std::thread::spawn(move || pipe.read_to_end(&mut Vec::new()));
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < limit, "the prober ends");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn nothing_is_left(&self) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let left = marked(&self.mark);
            if left.is_empty() {
                return;
            }
            let shown: Vec<_> = left.iter().map(|&pid| (pid, table::entry(pid), arguments_of(pid))).collect();
            assert!(Instant::now() < limit, "left: {shown:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn said(&mut self) -> (String, String) {
        let (mut out, mut errors) = (String::new(), String::new());
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut out).unwrap();
        }
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut errors).unwrap();
        }
        (out, errors)
    }
}

/// Servers that make it hard: one that goes when it is told, one that ignores everything, one whose child ran away.
const SERVERS: [&[&str]; 3] =
    [&[], &["--fault", "ignore-sigterm"], &["--fault", "fork-detached", "--fault", "ignore-sigterm"]];

#[test]
fn a_killed_check_leaves_no_process() {
    for demo in SERVERS {
        let mut run = Run::check(demo);
        run.server();
        let guard = run.guard();
        run.signal(Signal::SIGKILL);
        run.end();
        run.nothing_is_left();
        until("the guard ends as well", || table::entry(guard).is_none_or(|entry| entry.ended).then_some(()));
    }
}

#[test]
fn a_killed_repetition_leaves_no_process() {
    for demo in SERVERS {
        let mut run = Run::call(&["tools/list", "-n", "1000", "--interval", "20ms"], demo);
        run.server();
        let guard = run.guard();
        run.signal(Signal::SIGKILL);
        run.end();
        run.nothing_is_left();
        until("the guard ends as well", || table::entry(guard).is_none_or(|entry| entry.ended).then_some(()));
    }
}

#[test]
fn the_first_signal_ends_in_order() {
    let call = ["tools/call", "--tool", "slow", "--arg", "ms:=50000", "--timeout", "60s"];
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut runs = vec![
            ("one call", Run::call(&call, &[])),
            ("many calls", Run::call(&["tools/list", "-n", "1000", "--interval", "20ms"], &[])),
            ("a check", Run::check(&[])),
            ("a silent server", Run::call(&["tools/list"], &["--fault", "silent"])),
            ("a server that forks", Run::call(&call, &["--fault", "fork-detached"])),
        ];
        for (name, run) in &mut runs {
            run.server();
            run.signal(signal);
            let status = run.end();
            assert_eq!(status.code(), Some(code), "{name}, {signal}: {:?}", run.said());
            // An orderly end waits for its children, so nothing needs to be waited for.
            assert_eq!(marked(&run.mark), Vec::<i32>::new(), "{name}, {signal}");
        }
    }
}

#[test]
fn an_interrupted_audit_says_so_and_judges_nothing() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        for format in ["json", "sarif", "table"] {
            let served = Served::start(["--latency", "300ms"]);
            let mut run =
                Run::start(binary().args(["audit", "--protocol", "legacy", "--report", format]).arg(served.url()));
            served.until("it is under way", |stats| stats["requests"].as_u64() > Some(4));
            run.signal(signal);
            assert_eq!(run.end().code(), Some(code), "{format}");
            let (out, err) = run.said();
            assert!(err.contains("the audit was interrupted before its end"), "{format}: {err}");
            // Without a rule that is judged there are no rows.
            assert!(format == "table" || !out.is_empty(), "{format}");
            if format == "json" {
                let told: serde_json::Value = serde_json::from_str(&out).unwrap();
                let outcome = &told["targets"][0];
                assert!(outcome["status"] == "unknown" && outcome["reason"] == "cancelled", "{outcome}");
                assert!(outcome["rules"].as_array().is_none_or(Vec::is_empty), "{outcome}");
            }
        }
    }
}

#[test]
fn an_interrupted_repetition_says_what_was_made_and_keeps_its_first_failure() {
    let document = |run: &mut Run| -> serde_json::Value { serde_json::from_str(&run.said().0).unwrap() };
    let repeated = ["tools/list", "-n", "1000", "--interval", "20ms", "--json", "--protocol", "legacy"];
    for (fault, status, words) in [
        ("list-error", "failed", " calls failed before the interruption (1000 were to be made), the first with: "),
        ("", "unknown", " of 1000 calls"),
    ] {
        let options = if fault.is_empty() { vec![] } else { vec!["--fault", fault] };
        let served = Served::start(options);
        let mut run = Run::start(binary().args(repeated).arg(served.url()));
        served.until("some calls are made", |stats| stats["requests"].as_u64() > Some(5));
        run.signal(Signal::SIGINT);
        assert_eq!(run.end().code(), Some(130));
        let told = document(&mut run);
        let message = told["message"].as_str().unwrap();
        assert!(told["status"] == status && message.contains(words), "{told}");
        let made: u64 = message.trim_start_matches("interrupted after ").split(' ').next().unwrap().parse().unwrap();
        assert!((3..1000).contains(&made), "{message}");
    }
    // What was broken off by us is no call that was made, and none that failed.
    let served = Served::start(["--fault", "silent-calls"]);
    let mut run = Run::start(binary().args(repeated).args(["--timeout", "60s"]).arg(served.url()));
    served.until("the first call is under way", |stats| stats["requests"].as_u64() > Some(1));
    run.signal(Signal::SIGINT);
    assert_eq!(run.end().code(), Some(130));
    assert_eq!(document(&mut run)["message"], "interrupted after 0 of 1000 calls");
}

#[test]
fn a_session_is_deleted_by_the_first_signal() {
    for (era, signal, code) in
        [("legacy", Signal::SIGINT, 130), ("legacy", Signal::SIGTERM, 143), ("modern", Signal::SIGINT, 130)]
    {
        let served = Served::start(["--era", era]);
        let call = ["tools/call", "--tool", "slow", "--arg", "ms:=50000", "--timeout", "60s", "--protocol", era];
        let mut run = Run::start(binary().args(call).arg(served.url()));
        served.until("the call has begun", |stats| stats["calls"] == 1);
        run.signal(signal);
        let status = run.end();
        assert_eq!(status.code(), Some(code), "{:?}", run.said());
        let stats = served.until("the call is cancelled", |stats| stats["cancelled"] == 1);
        assert_eq!(stats["sessions_live"], 0, "{stats}");
        assert_eq!(stats["deletes"], u64::from(era == "legacy"), "{stats}");
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    // Closing this one takes five seconds: the end of its input, SIGTERM, SIGKILL.
    for mut run in [
        Run::call(
            &["tools/call", "--tool", "slow", "--arg", "ms:=50000", "--timeout", "60s", "-v"],
            &["--fault", "ignore-sigterm"],
        ),
        Run::check(&["--fault", "ignore-sigterm"]),
    ] {
        run.begun();
        run.signal(Signal::SIGINT);
        // That nothing ends meanwhile can only be seen by waiting.
        std::thread::sleep(Duration::from_millis(200));
        assert!(run.child.try_wait().unwrap().is_none(), "it is still closing");
        let begun = Instant::now();
        run.signal(Signal::SIGINT);
        let status = run.end();
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!(status.code(), Some(130), "{:?}", run.said());
        run.nothing_is_left();
    }
}

#[test]
fn a_cut_output_ends_quietly() {
    for options in
        [&["tools/list"][..], &["tools/list", "--json"], &["tools/list", "-n", "5"], &["tools/list", "--raw"]]
    {
        let mut run = Run::call(options, &["--tools", "1000"]);
        let mut output = BufReader::with_capacity(64, run.child.stdout.take().unwrap());
        let mut first = Vec::new();
        // As `head -c` does: some of it, then no more.
        output.by_ref().take(20).read_until(b'\n', &mut first).unwrap();
        drop(output);
        let status = run.end();
        let (_, errors) = run.said();
        assert!(!errors.contains("panicked") && !errors.contains("roken pipe"), "{options:?}: {errors}");
        assert_eq!(status.code(), Some(0), "{options:?}: {errors}");
        assert_eq!(marked(&run.mark), Vec::<i32>::new(), "{options:?}");
    }
}

//! Children end with us, however we end. This program plays every part itself, so it has no test harness: the
//! prober that is killed, the guard that outlives it, and the test that watches both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and the parts of this one talk over their pipes"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_probe::base::ids::RunId;
use mcp_probe::event::TransportKind;
use mcp_probe::transport::child::{census, guard, table};
use mcp_probe::transport::stdio::{Inherit, LINE_BYTES_MAX, StdioDial, StdioSettings};
use mcp_probe::transport::{Dial, Intent, Link, Outgoing, What};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_util::sync::CancellationToken;

/// Ignores the end of stdin and SIGTERM; has one child in its group and one that ran away to a session of its own.
const STUBBORN: &str = "trap '' TERM; sleep 300 & echo $$; echo $!; \
    (setsid sh -c 'echo $$; exec sleep 300 >/dev/null 2>&1' &); while :; do sleep 300; done";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(guard::ARGUMENT) => return ExitCode::from(u8::try_from(guard::guard_main()).unwrap()),
        Some("prober") => prober(std::env::args().nth(2).as_deref()),
        _ => {
            killed_with_a_guard();
            killed_with_two_links();
            killed_all_at_once();
            closed_and_dismissed();
            println!("leave_no_trace: 4 passed");
        }
    }
    ExitCode::SUCCESS
}

/// Opens a link for each line of its stdin, tells the ids of its processes, then hangs, closes, or kills.
fn prober(part: Option<&str>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run_id = RunId::random();
    let mut links = Vec::new();
    for _ in std::io::stdin().lock().lines() {
        links.push(runtime.block_on(open(run_id)));
    }
    match part {
        Some("closes") => {
            for link in links {
                runtime.block_on(link.close(Duration::from_millis(50)));
            }
        }
        Some("kills") => census::kill_all(),
        _ => runtime.block_on(std::future::pending::<()>()),
    }
    guard::dismiss_guard();
    println!("closed");
    // What is left now would be left by a real run too; the watching test looks before this process ends.
    std::thread::sleep(Duration::from_secs(300));
}

async fn open(run_id: RunId) -> Box<dyn Link> {
    let dial = StdioDial::new(StdioSettings {
        argv: ["sh", "-c", STUBBORN].map(str::to_owned).to_vec(),
        env: Vec::new(),
        cwd: None,
        inherit: Inherit::Minimal { also: Vec::new() },
        line_bytes_max: LINE_BYTES_MAX,
        run_id,
        guard: true,
    });
    let mut link = dial.open(TransportKind::Stdio, CancellationToken::new()).await.unwrap();
    let body = Bytes::from_static(b"{}");
    let outgoing = Outgoing { key: 1, intent: Intent::Request, body, headers: Vec::new(), repeatable: false };
    link.send(outgoing).await.unwrap();
    for _ in 0..3 {
        let What::Noise(told) = link.recv().await.what else { panic!("the child tells three ids") };
        println!("{}", String::from_utf8_lossy(&told));
    }
    link
}

struct Stage {
    prober: Child,
    told: std::io::Lines<BufReader<std::process::ChildStdout>>,
    servers: Vec<i32>,
    guard: i32,
}

impl Stage {
    fn set(part: &str, links: usize) -> Self {
        use std::io::Write;
        let mut prober = Command::new(std::env::current_exe().unwrap())
            .args(["prober", part])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It begins its part at the end of its stdin: not before all have been seen alive.
        let mut stdin = prober.stdin.take().unwrap();
        stdin.write_all("\n".repeat(links).as_bytes()).unwrap();
        let mut told = BufReader::new(prober.stdout.take().unwrap()).lines();
        let servers: Vec<i32> = told.by_ref().take(3 * links).map(|line| line.unwrap().parse().unwrap()).collect();
        let own = i32::try_from(prober.id()).unwrap();
        until(|| table::children(own).into_iter().all(has_arguments));
        let guards: Vec<i32> = table::children(own).into_iter().filter(|&pid| is_guard(pid)).collect();
        assert_eq!(guards.len(), 1, "one guard for all links");
        let gone: Vec<i32> = servers.iter().chain(&guards).copied().filter(|&pid| !is_alive(pid)).collect();
        assert!(gone.is_empty(), "{gone:?} of {servers:?} and guard {guards:?} have gone");
        drop(stdin);
        Self { prober, told, servers, guard: guards[0] }
    }

    fn kill_and_watch(mut self) {
        // The guard does not heed what is meant for the prober, from its first line on.
        until(|| blocks(self.guard, Signal::SIGTERM));
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            kill(Pid::from_raw(self.guard), signal).unwrap();
        }
        self.prober.kill().unwrap();
        self.prober.wait().unwrap();
        self.everybody_ends();
    }

    fn everybody_ends(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        let left = || self.servers.iter().chain([&self.guard]).filter(|&&pid| is_alive(pid)).count();
        while left() > 0 {
            assert!(Instant::now() < until, "{} of {:?} and guard {} are left", left(), self.servers, self.guard);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Waits for a fact.
fn until(fact: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !fact() {
        assert!(Instant::now() < end, "it does not come true");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A process has none for a moment: its parent runs on before the kernel has laid them out for the new program.
fn has_arguments(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn is_guard(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.split(|&byte| byte == 0).nth(1) == Some(guard::ARGUMENT.as_bytes()))
}

/// Whether the signal is kept from the process.
fn blocks(pid: i32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(blocked.trim(), 16).unwrap() & (1 << (signal as u64 - 1)) != 0
}

fn is_alive(pid: i32) -> bool {
    table::entry(pid).is_some_and(|entry| !entry.ended)
}

fn killed_with_a_guard() {
    Stage::set("hangs", 1).kill_and_watch();
}

fn killed_with_two_links() {
    Stage::set("hangs", 2).kill_and_watch();
}

fn killed_all_at_once() {
    let mut stage = Stage::set("kills", 2);
    assert_eq!(stage.told.next().unwrap().unwrap(), "closed");
    stage.everybody_ends();
    stage.prober.kill().unwrap();
    stage.prober.wait().unwrap();
}

fn closed_and_dismissed() {
    let mut stage = Stage::set("closes", 2);
    assert_eq!(stage.told.next().unwrap().unwrap(), "closed");
    let left: Vec<i32> = stage.servers.iter().copied().filter(|&pid| table::entry(pid).is_some()).collect();
    assert!(left.is_empty(), "{left:?} are left, perhaps as zombies");
    assert_eq!(table::children(i32::try_from(stage.prober.id()).unwrap()), Vec::<i32>::new());
    assert!(!is_alive(stage.guard));
    stage.prober.kill().unwrap();
    stage.prober.wait().unwrap();
}

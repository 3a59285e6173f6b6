//! What `watch` runs probes with: sessions that are held between runs, restart commands, and what a run learns beside its
//! verdict. The library against the demo server; processes are looked for when they should be gone.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mcp_probe::base::ids::RunId;
use mcp_probe::base::secret::{Masker, Secret};
use mcp_probe::event::{Phase, ProbeOutcome, Publisher, Reason, Sample, Status};
use mcp_probe::plan::{Endpoint, Pin, Probe, SessionChoice, Target};
use mcp_probe::run::Context;
use mcp_probe::run::held::Held;
use mcp_probe::run::probe::probe;
use mcp_probe::run::reach::Stage;
use mcp_probe::run::restart::restart;
use mcp_probe::run::standstill::suspended;
use receiver::{Does, Receiver, ok};
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[path = "held/eras.rs"]
mod eras;
#[path = "held/findings.rs"]
mod findings;
#[path = "stage/receiver.rs"]
mod receiver;

const EXE: &str = env!("CARGO_BIN_EXE_mcp-probe");
const GRACE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

fn context(masker: &Masker) -> Context {
    let publisher = Publisher::new(RunId::random(), Vec::new(), false);
    let cx = Context::new(publisher, masker.clone(), CancellationToken::new(), false);
    let mut cx = cx.with_openings(64).with_transcripts(true);
    cx.grace = GRACE;
    cx
}

fn words(options: &[&str]) -> Vec<String> {
    [EXE, "demo"].iter().chain(options).map(ToString::to_string).collect()
}

fn stdio(name: &str, options: &[&str]) -> Target {
    Target { protocol: Pin::Legacy, ..Target::ad_hoc(name, Endpoint::Command(words(options))) }
}

fn http(name: &str, options: &[&str]) -> Target {
    let options: Vec<&str> = ["--http", "127.0.0.1:0"].iter().chain(options).copied().collect();
    let start = Some(words(&options));
    Target { start, protocol: Pin::Legacy, ..Target::ad_hoc(name, Endpoint::Url("http://127.0.0.1:0/mcp".to_owned())) }
}

fn of(name: &str, target: Target, session: SessionChoice) -> (Probe, Arc<Target>) {
    let target = Arc::new(target);
    let probe = Probe { name: name.into(), session, timeout: PATIENCE, ..Probe::built_in(Arc::clone(&target)) };
    (probe, target)
}

fn reusing(target: Target) -> (Probe, Arc<Target>) {
    of("warm", target, SessionChoice::Reuse)
}

fn is_alive(pid: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
}

fn noticed(outcome: &ProbeOutcome) -> Vec<&str> {
    outcome.findings.iter().map(|finding| finding.id).collect()
}

async fn until(what: &str, fact: impl Fn() -> bool) {
    let begun = Instant::now();
    while !fact() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_child_is_started_by_the_first_run_and_kept() {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    let (probe, target) = reusing(stdio("files", &[]));
    let first = held.run(&cx, &stage, &probe, &target).await;
    assert_eq!(first.status, Status::Healthy, "{:?}", first.cause);
    assert!(first.phases.get(Phase::Spawn).is_some() && first.phases.get(Phase::Handshake).is_some());
    assert!(first.phases.get(Phase::Close).is_none());
    let child = held.usage().remove(0);
    assert_eq!((child.probe.as_str(), child.target.as_str()), ("warm", "files"));
    assert!(child.usage.resident_bytes > 100_000 && is_alive(child.pid) && held.has_child("files"));
    assert!(!held.has_child("other") && held.count() == 1);
    let second = held.run(&cx, &stage, &probe, &target).await;
    assert_eq!(second.status, Status::Healthy);
    assert_eq!(held.usage()[0].pid, child.pid);
    let phases: Vec<Phase> = second.phases.iter().map(|(phase, _)| phase).collect();
    assert_eq!(phases, [Phase::Call], "what the first run told is not told again");
    assert!(second.duration < first.duration && second.server == first.server && second.usage.is_some());
    // Another probe of the same target has a child of its own; one without `reuse` leaves none.
    let (other, target) = of("other", stdio("files", &[]), SessionChoice::Reuse);
    let (fresh, _) = of("fresh", stdio("files", &[]), SessionChoice::Fresh);
    assert_eq!(held.run(&cx, &stage, &other, &target).await.status, Status::Healthy);
    assert_eq!(held.run(&cx, &stage, &fresh, &target).await.status, Status::Healthy);
    assert_eq!(held.usage().len(), 2);
    let ending = held.release("warm", "files", GRACE).unwrap().await.unwrap();
    assert!(ending.farewell.exit.is_some() && !is_alive(child.pid));
    held.release_all(GRACE).await;
    assert!(held.usage().is_empty() && held.count() == 0);
}

#[tokio::test]
async fn a_session_that_has_become_old_is_given_up_for_a_cold_start() {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    let (probe, target) = reusing(stdio("files", &[]));
    let young = Probe { cold_every: Some(Duration::from_secs(3600)), ..probe.clone() };
    let old = Probe { cold_every: Some(Duration::from_nanos(1)), ..probe };
    let first = held.run(&cx, &stage, &young, &target).await;
    let child = held.usage().remove(0).pid;
    let second = held.run(&cx, &stage, &young, &target).await;
    assert!(first.phases.get(Phase::Spawn).is_some() && second.phases.get(Phase::Spawn).is_none());
    assert_eq!(held.usage().remove(0).pid, child);
    let cold = held.run(&cx, &stage, &old, &target).await;
    assert_eq!((cold.status, noticed(&cold)), (Status::Healthy, Vec::new()), "a session that we end is not lost");
    assert!(cold.phases.get(Phase::Spawn).is_some() && cold.phases.get(Phase::Handshake).is_some());
    assert!(held.usage().remove(0).pid != child && !is_alive(child));
    held.release_all(GRACE).await;
}

/// A server of the legacy era that asks its client for a sign of life while nothing is going on.
const ASKS: &str = r#"#!/bin/sh
say() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')" "$1"; }
while read -r line; do
  case "$line" in
    *'"initialize"'*) say '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}' ;;
    *'"tools/list"'*) say '{"tools":[]}'; printf '{"jsonrpc":"2.0","id":"alive?","method":"ping"}\n' ;;
    *'"alive?"'*) printf '%s\n' "$line" >> answered ;;
  esac
done
"#;

#[tokio::test]
async fn what_a_server_asks_between_runs_is_answered() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("server.sh");
    fs::write(&path, ASKS).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let command = Endpoint::Command(vec![path.to_string_lossy().into_owned()]);
    let cwd = Some(place.path().to_owned());
    let (probe, target) = reusing(Target { cwd, protocol: Pin::Legacy, ..Target::ad_hoc("asks", command) });
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    for round in 1..=2 {
        let outcome = held.run(&cx, &stage, &probe, &target).await;
        assert_eq!(outcome.status, Status::Healthy, "{:?}", outcome.cause);
        let answered = || fs::read_to_string(place.path().join("answered")).unwrap_or_default();
        until("an answer", || answered().lines().count() == round).await;
        assert!(answered().contains("\"result\":{}"));
    }
    held.release_all(GRACE).await;
}

#[tokio::test]
async fn a_run_that_finds_its_child_gone_opens_another_and_says_so() {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    // The fourth list is the last that is answered.
    let (probe, target) = reusing(stdio("tired", &["--fault", "exit-after-reply", "--fault-after", "3"]));
    let first = held.run(&cx, &stage, &probe, &target).await;
    assert_eq!(first.status, Status::Healthy, "{:?}", first.cause);
    let pid = held.usage()[0].pid;
    until("its end", || !is_alive(pid)).await;
    let second = held.run(&cx, &stage, &probe, &target).await;
    let cause = second.cause.as_ref().unwrap();
    assert_eq!((second.status, cause.reason), (Status::Degraded, Reason::Exited), "{cause:?}");
    assert!(cause.message.contains("exit code 0") && cause.message.contains("a new one was opened"), "{cause:?}");
    assert!(noticed(&second).contains(&"session.lost"));
    assert!(second.phases.get(Phase::Spawn).is_some(), "the cold start is part of this run");
    held.release_all(GRACE).await;
}

#[tokio::test]
async fn a_child_that_is_ended_by_us_did_not_end_by_itself() {
    let cases = [
        ("exec 1>&-; touch over; cat > /dev/null", Reason::Closed, "closed its stdout but still runs"),
        ("head -c 20000000 /dev/zero | tr '\\0' x; touch over", Reason::TooLarge, "a line of more than"),
    ];
    for (then, reason, words) in cases {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("server.sh");
        let script = ASKS.replace(
            r#"printf '{"jsonrpc":"2.0","id":"alive?","method":"ping"}\n'"#,
            &format!("[ -e done ] || {{ touch done; {then}; }}"),
        );
        assert!(script.contains("touch done"));
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let command = Endpoint::Command(vec![path.to_string_lossy().into_owned()]);
        let cwd = Some(place.path().to_owned());
        let (probe, target) = reusing(Target { cwd, protocol: Pin::Legacy, ..Target::ad_hoc("odd", command) });
        let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
        assert_eq!(held.run(&cx, &stage, &probe, &target).await.status, Status::Healthy);
        until("what it does then", || place.path().join("over").exists()).await;
        // So long it is waited whether a process without a stdout ends; there is nothing to be seen of that.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let second = held.run(&cx, &stage, &probe, &target).await;
        let cause = second.cause.as_ref().unwrap();
        assert_eq!((second.status, cause.reason), (Status::Degraded, reason), "{cause:?}");
        assert!(cause.message.contains(words) && !cause.message.contains("it ended"), "{cause:?}");
        assert!(noticed(&second).contains(&"session.lost"));
        held.release_all(GRACE).await;
    }
}

#[tokio::test]
async fn a_run_that_loses_its_child_fails_and_the_next_has_another() {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    let (probe, target) = reusing(stdio("crash", &["--fault", "exit-during-call", "--fault-after", "6"]));
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(held.run(&cx, &stage, &probe, &target).await);
    }
    let failed = outcomes.iter().find(|outcome| outcome.status == Status::Failed).unwrap();
    assert_eq!(failed.cause.as_ref().unwrap().reason, Reason::Exited);
    assert!(failed.phases.get(Phase::Close).is_some());
    let last = held.run(&cx, &stage, &probe, &target).await;
    assert!(last.connected, "{:?}", last.cause);
    held.release_all(GRACE).await;
}

#[tokio::test]
async fn an_http_session_is_kept_and_opened_anew_when_it_is_forgotten() {
    let (held, stage, masker) = (Held::default(), Stage::default(), Masker::default());
    let cx = context(&masker);
    let (probe, target) = reusing(http("web", &["--fault", "session-404-once", "--fault-after", "6"]));
    let mut expired = 0;
    for round in 0..4 {
        let outcome = held.run(&cx, &stage, &probe, &target).await;
        assert_eq!(outcome.status, Status::Healthy, "{:?}", outcome.cause);
        assert_eq!(outcome.observed.http_status, Some(200));
        assert_eq!(outcome.phases.get(Phase::Handshake).is_some(), round == 0, "{:?}", outcome.phases);
        expired += usize::from(noticed(&outcome).contains(&"session.expired"));
    }
    assert_eq!(expired, 1, "told by the run that met it, and not again");
    assert_eq!((held.count(), held.usage().len(), masker.count()), (1, 0, 0));
    held.release_all(GRACE).await;
    stage.strike(GRACE).await;
}

/// A server over HTTP with sessions, whose second life is another server: it says another version of itself, speaks an older
/// revision, and knows no session of the first.
fn redeployed(is_second: &Arc<AtomicBool>, page: &'static str) -> Receiver {
    let is_second = Arc::clone(is_second);
    Receiver::start(move |request| {
        let (session, version, revision) =
            if is_second.load(Ordering::SeqCst) { ("two", "2.0", "2025-06-18") } else { ("one", "1.0", "2025-11-25") };
        if request.method != "POST" {
            return ok("");
        }
        let asked = request.json();
        let answer =
            |result: serde_json::Value| json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string();
        match asked["method"].as_str().unwrap() {
            "initialize" => Does::Answer(
                if session == "one" {
                    "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: one"
                } else {
                    "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: two"
                },
                answer(json!({
                    "protocolVersion": revision, "capabilities": {"tools": {}},
                    "serverInfo": {"name": "web", "version": version}
                })),
            ),
            _ if request.header("mcp-session-id") != Some(session) => Does::Answer("404 Not Found", String::new()),
            method if method.starts_with("notifications/") => Does::Answer("202 Accepted", String::new()),
            _ if asked["params"]["cursor"] == "late" => Does::Hang,
            _ if asked["params"]["cursor"] == "busy" => {
                Does::Answer("429 Too Many Requests\r\nRetry-After: 7", String::new())
            }
            _ => {
                let tools = json!([{"name": "a", "inputSchema": {"type": "object"}}]);
                let mut result = json!({"tools": tools});
                if !page.is_empty() {
                    result["nextCursor"] = page.into();
                }
                Does::Answer("200 OK\r\nContent-Type: application/json", answer(result))
            }
        }
    })
}

#[tokio::test]
async fn a_session_that_is_opened_anew_is_told_as_what_it_is() {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    let is_second = Arc::new(AtomicBool::new(false));
    let server = redeployed(&is_second, "");
    let target = Target::ad_hoc("web", Endpoint::Url(server.url()));
    let (probe, target) = reusing(Target { protocol: Pin::Legacy, ..target });
    let told = |outcome: &ProbeOutcome| {
        assert_eq!(outcome.status, Status::Healthy, "{:?}", outcome.cause);
        let (server, protocol) = (outcome.server.clone().unwrap(), outcome.protocol.clone().unwrap());
        format!("{} over {}", server.version, protocol.version)
    };
    assert_eq!(told(&held.run(&cx, &stage, &probe, &target).await), "1.0 over 2025-11-25");
    is_second.store(true, Ordering::SeqCst);
    let met = held.run(&cx, &stage, &probe, &target).await;
    assert!(noticed(&met).contains(&"session.expired"), "{:?}", met.findings);
    for _ in 0..2 {
        assert_eq!(told(&held.run(&cx, &stage, &probe, &target).await), "2.0 over 2025-06-18");
    }
    held.release_all(GRACE).await;
}

#[tokio::test]
async fn a_list_whose_second_page_does_not_come_is_no_quick_answer() {
    for (page, reason, status) in [("late", Reason::Timeout, Some(200)), ("busy", Reason::RateLimited, Some(429))] {
        let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
        let server = redeployed(&Arc::default(), page);
        let target = Target { protocol: Pin::Legacy, ..Target::ad_hoc("web", Endpoint::Url(server.url())) };
        let (mut probe, target) = of("fresh", target, SessionChoice::Fresh);
        probe.timeout = Duration::from_millis(700);
        let outcome = held.run(&cx, &stage, &probe, &target).await;
        let found = (outcome.status, outcome.cause.as_ref().map(|cause| cause.reason), outcome.observed.http_status);
        assert_eq!(found, (Status::Failed, Some(reason), status), "{:?}", outcome.cause);
        let failed = outcome.steps.iter().find(|step| step.status == Status::Failed).unwrap();
        assert_eq!(failed.latency, None, "its first page came at once");
        let sample = Sample::of(&outcome);
        assert!(
            sample.latencies.iter().all(|latency| latency.timed_out && latency.took == probe.timeout),
            "{sample:?}"
        );
    }
}

#[tokio::test]
async fn secrets_of_one_run_are_not_kept() {
    let (held, stage, masker) = (Held::default(), Stage::default(), Masker::default());
    masker.add("the only secret");
    let (probe, target) = of("fresh", http("web", &[]), SessionChoice::Fresh);
    let (cx, before) = (context(&masker), masker.count());
    for _ in 0..5 {
        assert_eq!(held.run(&cx, &stage, &probe, &target).await.status, Status::Healthy);
    }
    assert_eq!(masker.count(), before);
    stage.strike(GRACE).await;
}

#[tokio::test]
async fn an_interrupted_run_takes_its_session_with_it() {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    let (probe, target) = reusing(stdio("hangs", &["--fault", "silent-calls", "--fault-after", "4"]));
    assert_eq!(held.run(&cx, &stage, &probe, &target).await.status, Status::Healthy);
    let pid = held.usage()[0].pid;
    let mut cut = cx.clone();
    cut.cancel = CancellationToken::new();
    let later = cut.cancel.clone();
    let interrupt = async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        later.cancel();
    };
    let (outcome, ()) = tokio::join!(held.run(&cut, &stage, &probe, &target), interrupt);
    assert_eq!((outcome.status, outcome.cause.unwrap().reason), (Status::Unknown, Reason::Cancelled));
    assert!(!is_alive(pid) && !held.has_child("hangs"));
    let next = held.run(&cx, &stage, &probe, &target).await;
    assert_eq!(next.status, Status::Healthy, "{:?}", next.cause);
    held.release_all(GRACE).await;
}

#[tokio::test]
async fn a_child_that_is_held_can_be_restarted() {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(&Masker::default()));
    let (probe, target) = reusing(stdio("files", &[]));
    let refused = held.restart_child(&stage, "files", GRACE).await.unwrap_err();
    assert!(refused.message.contains("no child of target files is held"), "{refused:?}");
    held.run(&cx, &stage, &probe, &target).await;
    let pid = held.usage()[0].pid;
    let said = held.restart_child(&stage, "files", GRACE).await.unwrap();
    assert!(said.contains(&format!("pid {pid}")) && said.contains("exit code 0"), "{said}");
    assert!(!is_alive(pid) && !held.has_child("files"));
    let outcome = held.run(&cx, &stage, &probe, &target).await;
    assert_eq!((outcome.status, noticed(&outcome)), (Status::Healthy, vec![]));
    assert_ne!(held.usage()[0].pid, pid);
    held.release_all(GRACE).await;
    // So can the program that was started for a URL.
    let (probe, target) = reusing(http("web", &[]));
    held.run(&cx, &stage, &probe, &target).await;
    assert!(held.restart_child(&stage, "web", GRACE).await.unwrap().contains("the program that was started for it"));
    let outcome = held.run(&cx, &stage, &probe, &target).await;
    assert_eq!(outcome.status, Status::Healthy, "{:?}", outcome.cause);
    held.release_all(GRACE).await;
    stage.strike(GRACE).await;
}

#[tokio::test]
async fn what_waits_for_its_turn_is_no_part_of_any_duration() {
    let (stage, cx) = (Stage::default(), context(&Masker::default()).with_openings(1));
    let slow = ["--fault", "slow-start", "--fault-delay", "1s"];
    let pairs: Vec<_> =
        ["a", "b", "c"].map(|name| of(name, stdio(name, &slow), SessionChoice::Fresh)).into_iter().collect();
    let begun = Instant::now();
    let runs = pairs.iter().map(|(one, target)| probe(&cx, &stage, one, target));
    let outcomes = futures_util::future::join_all(runs).await;
    assert!(begun.elapsed() >= Duration::from_secs(3));
    for outcome in outcomes {
        assert_eq!(outcome.status, Status::Healthy, "{:?}", outcome.cause);
        assert!(outcome.duration < Duration::from_millis(1900), "{:?}", outcome.duration);
    }
}

// ---- what is observed ---------------------------------------------------------------------------------------------

async fn observed(target: Target, masker: &Masker) -> ProbeOutcome {
    let (held, stage, cx) = (Held::default(), Stage::default(), context(masker));
    let (probe, target) = of("look", target, SessionChoice::Fresh);
    let outcome = held.run(&cx, &stage, &probe, &target).await;
    stage.strike(GRACE).await;
    outcome
}

#[tokio::test]
async fn the_tools_are_seen_and_their_digests_stay() {
    let target = stdio("tools", &[]);
    let first = observed(target.clone(), &Masker::default()).await;
    let tools = first.observed.tools.unwrap();
    assert!(tools.tokens > 10 && tools.tools.len() > 2, "{tools:?}");
    assert!(tools.tools.iter().all(|tool| tool.digest.len() == 16 && !tool.name.is_empty()));
    assert_eq!(first.observed.timeout, PATIENCE);
    assert!(first.observed.transcript.is_empty() && first.observed.http_status.is_none(), "healthy, and no HTTP");
    assert_eq!(observed(target, &Masker::default()).await.observed.tools.unwrap(), tools);
    // A list that was cut short is not one that lost tools.
    for fault in ["tools-endless-pages", "page-two-error", "tools-repeated-cursor"] {
        let cut = observed(stdio("cut", &["--fault", fault]), &Masker::default()).await;
        assert_eq!(cut.observed.tools, None, "{fault}");
    }
}

#[tokio::test]
async fn a_run_that_is_not_healthy_tells_what_was_said_masked_and_bounded() {
    let masker = Masker::default();
    masker.add("sesame-open-up");
    let mut target = http("web", &["--fault", "list-error"]);
    target.bearer = Some(Secret::new("sesame-open-up"));
    let faulty = observed(target, &masker).await;
    assert_eq!(faulty.status, Status::Failed);
    assert_eq!(faulty.observed.http_status, Some(200));
    let transcript = &faulty.observed.transcript;
    let methods: Vec<&str> = transcript.iter().filter_map(|record| record.method.as_deref()).collect();
    assert_eq!(methods.first(), Some(&"initialize"), "{methods:?}");
    assert!(transcript.iter().any(|record| record.status.as_deref() == Some("error")), "{transcript:?}");
    assert!(transcript.iter().all(|record| record.target == "web" && record.probe == "look"));
    let flood = observed(stdio("flood", &["--fault", "log-flood", "--fault", "list-error"]), &masker).await;
    assert!(flood.observed.transcript.len() <= 64);
    let bytes: usize = flood.observed.transcript.iter().map(|record| record.payload.to_string().len()).sum();
    assert!(bytes <= 66 << 10, "{bytes}");
}

#[tokio::test]
async fn a_refusal_tells_its_status_and_how_long_to_wait() {
    let busy = observed(http("busy", &["--fault", "http-429"]), &Masker::default()).await;
    assert_eq!(busy.observed.http_status, Some(429));
    assert!(busy.observed.retry_after.is_some_and(|asked| !asked.is_zero()), "{:?}", busy.observed.retry_after);
    assert!(!busy.observed.transcript.is_empty());
}

/// The demo server over TLS, with a certificate that ends on that day.
fn over_tls(place: &Path, (year, month, day): (i32, u8, u8)) -> Target {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, month, day);
    let certificate = params.self_signed(&key).unwrap();
    let file = |name: &str, text: &str| {
        let path = place.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let cert = file("cert.pem", &certificate.pem());
    let key = file("key.pem", &key.serialize_pem());
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (cert_path, key_path) = (text(&cert), text(&key));
    let start = words(&["--http", "127.0.0.1:0", "--tls-cert", &cert_path, "--tls-key", &key_path]);
    let mut target = Target::ad_hoc("tls", Endpoint::Url("https://127.0.0.1:0/mcp".to_owned()));
    target.start = Some(start);
    target.tls.ca = Some(cert);
    target
}

#[tokio::test]
async fn the_end_of_the_certificate_is_seen() {
    let place = tempfile::tempdir().unwrap();
    let target = over_tls(place.path(), (2031, 5, 6));
    let outcome = observed(target, &Masker::default()).await;
    assert_eq!(outcome.status, Status::Healthy, "{:?}", outcome.cause);
    assert_eq!(outcome.observed.certificate_ends.map(|at| at.to_string()).as_deref(), Some("2031-05-06T00:00:00Z"));
}

// ---- restarts -----------------------------------------------------------------------------------------------------

async fn command(script: &str, limit: Duration) -> Result<String, mcp_probe::event::Cause> {
    let masker = Masker::default();
    masker.add("hush-hush");
    let argv: Vec<String> = ["sh", "-c", script].iter().map(ToString::to_string).collect();
    restart(&context(&masker), &stdio("restarted", &[]), &argv, limit).await
}

#[tokio::test]
async fn a_restart_command_is_waited_for_and_its_words_are_kept() {
    let said = command("echo one; echo two hush-hush >&2", PATIENCE).await.unwrap();
    assert!(said.contains("one") && said.contains("two ***"), "{said}");
    let failed = command("echo no such unit; exit 5", PATIENCE).await.unwrap_err();
    assert_eq!(failed.reason, Reason::Exited);
    assert!(failed.message.contains("exit code 5") && failed.message.contains("no such unit"), "{failed:?}");
    let much = command("yes | head -c 3000000", PATIENCE).await.unwrap();
    assert!(much.len() < 5000, "{}", much.len());
    let argv = vec!["/no/such/program".to_owned()];
    let unknown = restart(&context(&Masker::default()), &stdio("restarted", &[]), &argv, PATIENCE).await.unwrap_err();
    assert_eq!(unknown.reason, Reason::Spawn);
}

#[tokio::test]
async fn nothing_is_left_of_a_restart_command() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("pids");
    let pids = || -> Vec<i32> {
        fs::read_to_string(&file).unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
    };
    let path = file.to_string_lossy();
    let begun = Instant::now();
    let late =
        command(&format!("echo $$ > {path}; sleep 600 & echo $! >> {path}; wait"), Duration::from_millis(300)).await;
    assert_eq!(late.unwrap_err().reason, Reason::Timeout);
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(pids().len(), 2);
    assert!(pids().into_iter().all(|pid| !is_alive(pid)));
    let left = command(&format!("sleep 600 & echo $! > {path}"), PATIENCE).await.unwrap();
    assert!(left.contains("1 processes that it left were ended"), "{left}");
    assert!(pids().len() == 1 && !is_alive(pids()[0]));
}

#[tokio::test]
async fn a_run_across_a_suspend_says_nothing_of_the_server() {
    let failed = observed(stdio("asleep", &["--fault", "list-error"]), &Masker::default()).await;
    assert_eq!(failed.status, Status::Failed);
    let outcome = suspended(failed, Duration::from_secs(3600));
    assert_eq!((outcome.status, outcome.cause.as_ref().unwrap().reason), (Status::Unknown, Reason::Suspended));
    assert!(outcome.cause.unwrap().message.contains("slept for 1h"));
    assert!(outcome.steps.iter().all(|step| step.latency.is_none() && step.status != Status::Failed));
}

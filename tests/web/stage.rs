//! A page on a loopback port: a board that is filled by hand, a daemon that remembers what it was asked, a past that is
//! made up, and a browser without a window.

#![allow(clippy::unwrap_used, dead_code, reason = "a test fails by panicking; each program uses a part")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use mcp_probe::alert::AlertView;
use mcp_probe::event::{
    AttemptOutcome, Cause, Direction, Era, Phase, ProbeOutcome, ProtocolUsed, Reason, ServerIdentity, Status,
    StepOutcome, ToolSeen, ToolsSeen, TransportKind, Usage, WireRecord,
};
use mcp_probe::metrics::Shared;
use mcp_probe::watch::board::{AlertState, Board, Control, PairState, ProbeNow, ToolsChange};
use mcp_probe::watch::web::past::{Bar, Failure, Past, Point};
use mcp_probe::watch::web::{Facts, WebConfig, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Text that a server could send to hurt whoever reads it.
pub const HOSTILE: &str = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u{1b}[31m\u{202e}dab \"'`{{7*7}}";

/// An outcome with everything in it.
pub fn outcome(probe: &str, target: &str, status: Status, now: Timestamp) -> ProbeOutcome {
    let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    let mut outcome = ProbeOutcome::not_run(probe, target, &labels, Cause::new(Reason::Internal, ""));
    outcome.status = status;
    outcome.cause = match status {
        Status::Healthy => None,
        Status::Degraded => Some(Cause::new(Reason::Slow, "answered after 420 ms, more than 300 ms")),
        Status::Failed => Some(Cause::new(Reason::Check, format!("expected 3 tools, got {HOSTILE}"))),
        Status::Unknown | Status::Skipped => Some(Cause::new(Reason::Suspended, "the machine slept during the run")),
    };
    outcome.started_at = now - jiff::SignedDuration::from_secs(7);
    outcome.connected = true;
    outcome.server = Some(ServerIdentity { name: "weather".into(), version: "1.2.3".into() });
    outcome.protocol =
        Some(ProtocolUsed { version: "2025-11-25".into(), era: Era::Legacy, transport: TransportKind::StreamableHttp });
    outcome.duration = Duration::from_millis(61);
    for (phase, ms) in [(Phase::Resolve, 2), (Phase::Connect, 5), (Phase::Handshake, 12), (Phase::Call, 42)] {
        outcome.phases.add(phase, Duration::from_millis(ms));
    }
    outcome.attempts =
        vec![AttemptOutcome { status, cause: outcome.cause.clone(), duration: Duration::from_millis(61) }];
    outcome.steps = vec![StepOutcome {
        name: "tools/list".into(),
        method: "tools/list".into(),
        status,
        cause: outcome.cause.clone(),
        latency: Some(Duration::from_millis(42)),
        first_byte: Some(Duration::from_millis(40)),
        request_bytes: 80,
        response_bytes: 2048,
        checks: Vec::new(),
        place: None,
        span: None,
    }];
    outcome.usage = Some(Usage { cpu: Duration::from_millis(120), resident_bytes: 52_428_800 });
    outcome.observed.timeout = Duration::from_secs(5);
    outcome.observed.http_status = Some(200);
    outcome.observed.tools = Some(tools().into());
    if status == Status::Failed {
        outcome.observed.transcript = vec![WireRecord {
            probe: probe.into(),
            target: target.into(),
            call_id: "1".into(),
            rpc_id: Some(1.into()),
            trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
            span_id: "00f067aa0ba902b7".into(),
            direction: Direction::Received,
            method: Some("tools/list".into()),
            status: Some("ok".into()),
            bytes: 2048,
            duration: Some(Duration::from_millis(42)),
            payload: serde_json::json!({"result": {"tools": [{"name": HOSTILE}]}}),
        }];
    }
    outcome
}

pub fn tools() -> ToolsSeen {
    let names = ["forecast", "current", "alerts", "radar", HOSTILE];
    let seen = names.iter().map(|name| ToolSeen { name: (*name).into(), digest: "0123456789abcdef".into() });
    ToolsSeen { tokens: 812, tools: seen.collect(), ..ToolsSeen::default() }
}

pub fn pair(probe: &str, target: &str, status: Option<Status>, now: Timestamp) -> PairState {
    let last = status.map(|status| Arc::new(outcome(probe, target, status, now)));
    PairState {
        probe: probe.into(),
        target: target.into(),
        labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        place: Some("mcp-probe.toml:12:1".into()),
        endpoint: format!("https://{target}.example/mcp"),
        transport: "http",
        every_text: "every 15s".into(),
        every: Some(Duration::from_secs(15)),
        timeout: Duration::from_secs(5),
        tools: last.as_ref().map(|_| Arc::new(tools())),
        last,
        last_success: Some(now - jiff::SignedDuration::from_secs(200)),
        since: Some(now - jiff::SignedDuration::from_secs(4_000)),
        next_due: Some(now + jiff::SignedDuration::from_secs(8)),
        ..PairState::default()
    }
}

/// A fleet in which everything occurs.
pub fn board() -> Board {
    let now = Timestamp::now();
    let board = Board::new();
    let mut changed = pair("smoke", "weather", Some(Status::Failed), now);
    changed.changes = VecDeque::from([ToolsChange {
        at: now - jiff::SignedDuration::from_secs(1_200),
        added: vec![HOSTILE.to_owned()],
        removed: vec!["sunset".to_owned()],
        changed: vec!["forecast".to_owned()],
    }]);
    let mut withheld = pair("smoke", "found", None, now);
    withheld.withheld = Some("nobody agreed to start it; say --yes".into());
    board.set_fleet(vec![
        pair("smoke", "files", Some(Status::Healthy), now),
        pair("smoke", "search", Some(Status::Degraded), now),
        changed,
        pair("deep", "weather", Some(Status::Healthy), now),
        pair("smoke", "laptop", Some(Status::Unknown), now),
        pair("smoke", "a/b <i>?&\"", Some(Status::Healthy), now),
        withheld,
    ]);
    board.set_alerts(vec![AlertState {
        view: AlertView {
            alert: "mcp_error_rate_spike".into(),
            probe: "smoke".into(),
            target: "weather".into(),
            severity: "error".into(),
            labels: BTreeMap::new(),
            summary: "error rate 12 % over 5m, above 5 %".into(),
            reason: Some("check".into()),
            details: Some(HOSTILE.into()),
            since: now - jiff::SignedDuration::from_secs(600),
            ended: None,
            ended_because: None,
            told: 1,
        },
        state: "firing",
    }]);
    board.operate(|operation| {
        operation.started_at = now - jiff::SignedDuration::from_hours(30);
        operation.plan_loaded_at = operation.started_at;
        operation.instance = "prober-1".into();
        operation.files = vec!["mcp-probe.toml".into()];
        operation.limit = 64;
        operation.lag_p99 = Some(Duration::from_micros(900));
        operation.is_alive = true;
        operation.is_ready = true;
    });
    board
}

/// What a made-up past says.
pub struct MadeUp;

impl Past for MadeUp {
    fn bars(&self, target: &str, count: usize, _: Timestamp, _: Timestamp) -> Result<Vec<Bar>, String> {
        let bar = |at: usize| match (target, at) {
            (_, 0..10) => Bar::default(),
            ("weather", 80..) => Bar { healthy: 3, failed: 5, ..Bar::default() },
            ("search", 60..70) => Bar { healthy: 9, degraded: 1, ..Bar::default() },
            ("laptop", 30..50) => Bar { unknown: 3, ..Bar::default() },
            _ => Bar { healthy: 10, ..Bar::default() },
        };
        Ok((0..count).map(bar).collect())
    }

    fn latency(&self, _: &str, from: Timestamp, to: Timestamp, count: usize) -> Result<Vec<Point>, String> {
        let step = (to.as_second() - from.as_second()) / i64::try_from(count).unwrap();
        let point = |at: usize| {
            let wave = 30 + u64::try_from((at * 7) % 23).unwrap();
            Point {
                at: Timestamp::from_second(from.as_second() + step * i64::try_from(at).unwrap()).unwrap(),
                p50: Duration::from_millis(wave),
                p95: Duration::from_millis(wave * 3 + if at > count * 8 / 10 { 200 } else { 0 }),
            }
        };
        Ok((count / 9..count).map(point).collect())
    }

    fn failures(&self, target: &str, _: usize) -> Result<Vec<Failure>, String> {
        let received = serde_json::json!({"direction": "received", "method": "tools/list", "status": "ok",
            "duration_ms": 41.0, "payload": {"result": {"tools": [{"name": HOSTILE}]}}});
        let sent =
            serde_json::json!({"direction": "sent", "method": "tools/list", "payload": {"method": "tools/list"}});
        let failure = Failure {
            at: Timestamp::now() - jiff::SignedDuration::from_secs(75),
            probe: "smoke".into(),
            status: "failed".into(),
            reason: "check".into(),
            message: format!("expected 3 tools, got {HOSTILE}"),
            transcript: Some(format!("{sent}\n{received}\nno JSON {HOSTILE}\n")),
        };
        Ok(if target == "weather" { vec![failure] } else { Vec::new() })
    }

    fn uptime(&self, target: &str, _: Timestamp, _: Timestamp) -> Result<Option<f64>, String> {
        Ok(Some(if target == "weather" { 0.876_54 } else { 1.0 }))
    }
}

/// A daemon that says yes, and remembers.
#[derive(Default)]
pub struct Asked {
    pub probes: Mutex<Vec<(String, String, Duration)>>,
    pub reloads: Mutex<u32>,
    pub refuses: Mutex<Option<ProbeNow>>,
    pub fails: Mutex<bool>,
    pub bad_files: Mutex<bool>,
}

impl Control for Asked {
    fn reload(&self) -> BoxFuture<'_, Result<String, String>> {
        *self.reloads.lock().unwrap() += 1;
        let said = if *self.bad_files.lock().unwrap() {
            Err("mcp-probe.toml:3:1: unknown key".into())
        } else {
            Ok("nothing changed".into())
        };
        Box::pin(async { said })
    }

    fn probe_now<'a>(
        &'a self,
        probe: &'a str,
        target: &'a str,
        limit: Duration,
    ) -> BoxFuture<'a, Result<ProbeOutcome, ProbeNow>> {
        self.probes.lock().unwrap().push((probe.into(), target.into(), limit));
        let status = if *self.fails.lock().unwrap() { Status::Failed } else { Status::Healthy };
        let refused = *self.refuses.lock().unwrap();
        Box::pin(async move { refused.map_or_else(|| Ok(outcome(probe, target, status, Timestamp::now())), Err) })
    }
}

/// The page, served.
pub struct Served {
    pub address: SocketAddr,
    pub asked: Arc<Asked>,
    pub board: Board,
    pub metrics: Shared,
    cancel: CancellationToken,
    done: tokio_util::task::AbortOnDropHandle<std::io::Result<()>>,
}

impl Served {
    pub async fn new(config: WebConfig, board: Board, past: Option<Arc<dyn Past>>, listen: &str) -> Self {
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, cancel, metrics) = (Arc::new(Asked::default()), CancellationToken::new(), Shared::default());
        let control: Arc<dyn Control> = Arc::clone(&asked) as _;
        let facts = Facts { board: board.clone(), control, past, metrics: metrics.clone() };
        let serving = serve(listener, config, facts, cancel.clone());
        let done = tokio_util::task::AbortOnDropHandle::new(tokio::task::spawn_local(serving));
        Self { address, asked, board, metrics, cancel, done }
    }

    pub async fn plain() -> Self {
        Self::new(WebConfig::default(), board(), Some(Arc::new(MadeUp)), "127.0.0.1:0").await
    }

    /// Ends it; whether that took longer than it may.
    pub async fn end(self) {
        self.cancel.cancel();
        tokio::time::timeout(Duration::from_secs(8), self.done).await.unwrap().unwrap().unwrap();
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        ask(stream, &self.address.to_string(), method, path, headers).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// One request, written by hand: nothing is added that a test does not say.
pub async fn ask(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request.push_str(&format!("Host: {host}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw).await;
    let text = String::from_utf8(raw).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

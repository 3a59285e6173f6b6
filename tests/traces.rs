//! Traces: which ids a run has, where they stand, and when the server is told of them. The real binary and the library
//! against the demo server; headers are read from the socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mcp_probe::base::ids::{RunId, SpanContext};
use mcp_probe::base::secret::Masker;
use mcp_probe::event::{CallSpan, Era, ProbeOutcome, Publisher, Status, Trace};
use mcp_probe::plan::{Endpoint, Pin, Probe, SessionChoice, Target};
use mcp_probe::run::held::Held;
use mcp_probe::run::probe::probe;
use mcp_probe::run::reach::Stage;
use mcp_probe::run::{Context, Traces};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

#[path = "stage/prober.rs"]
mod prober;

use prober::{BINARY, binary, told};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
const PARENT_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The lines of a wire log.
fn wire(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The requests that were sent, with what each told the server.
fn told_of(lines: &[Value]) -> Vec<(String, Option<String>)> {
    let sent = lines.iter().filter(|line| line["direction"] == "sent" && !line["rpc_id"].is_null());
    let told = |line: &Value| line["payload"]["params"]["_meta"]["traceparent"].as_str().map(str::to_owned);
    sent.map(|line| (line["trace_id"].as_str().unwrap().to_owned(), told(line))).collect()
}

fn file(folder: &Path, key: &str) {
    let text = format!(
        "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\n{key}\n\n[[probe]]\nname = \"smoke\"\ntarget = \"demo\"\n\n\
         [[probe.step]]\ntool = \"echo\"\narguments = {{ message = \"hi\" }}\n"
    );
    std::fs::write(folder.join("mcp-probe.toml"), text).unwrap();
}

fn check(folder: &Path, parent: Option<&str>) -> Command {
    let mut command = binary();
    command.current_dir(folder).args(["check", "mcp-probe.toml", "--json", "--trace", "t.jsonl"]);
    command.env_remove("TRACEPARENT");
    if let Some(parent) = parent {
        command.env("TRACEPARENT", parent);
    }
    command
}

#[test]
fn a_run_is_one_trace_and_the_server_is_told_where_somebody_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    for (key, parent, is_told) in [
        ("", None, false),
        ("traceparent = true", None, true),
        ("", Some(PARENT), true),
        ("traceparent = false", Some(PARENT), false),
        ("", Some("nonsense"), false),
    ] {
        file(folder.path(), key);
        let ran = told(&mut check(folder.path(), parent));
        assert_eq!(ran.code, 0, "{key}: {}{}", ran.stdout, ran.stderr);
        let lines = wire(&folder.path().join("t.jsonl"));
        let ids: BTreeSet<&str> = lines.iter().map(|line| line["trace_id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1, "one trace for the run: {ids:?}");
        let id = *ids.first().unwrap();
        assert_eq!(parent.is_some_and(|parent| parent.len() == PARENT.len()), id == PARENT_TRACE, "{key} {parent:?}");
        let sent = told_of(&lines);
        assert!(sent.len() >= 3, "{sent:?}");
        for (_, told) in &sent {
            assert_eq!(told.is_some(), is_told, "{key} {parent:?}: {sent:?}");
        }
        let spans: BTreeSet<&str> = sent.iter().filter_map(|(_, told)| told.as_deref()).collect();
        assert!(spans.iter().all(|told| told.starts_with(&format!("00-{id}-")) && told.ends_with("-01")), "{spans:?}");
        assert_eq!(spans.len(), if is_told { sent.len() } else { 0 }, "each request is a span of its own");
        let step = &ran.document()["probes"][0]["steps"][0];
        assert_eq!(step["trace_id"], id);
    }
}

#[test]
fn a_call_that_is_typed_is_bare_unless_the_environment_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let call = |parent: Option<&str>| {
        let mut command = binary();
        command.current_dir(folder.path()).args(["tools/list", "--trace", "t.jsonl", "--", BINARY, "demo"]);
        command.env_remove("TRACEPARENT").envs(parent.map(|parent| ("TRACEPARENT", parent)));
        let ran = told(&mut command);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        told_of(&wire(&folder.path().join("t.jsonl")))
    };
    assert!(call(None).iter().all(|(_, told)| told.is_none()));
    let told = call(Some(PARENT));
    assert!(told.iter().all(|(id, told)| id == PARENT_TRACE && told.is_some()), "{told:?}");
}

/// A request as it was heard: the header and the body.
type Heard = (Option<String>, Value);

/// Answers every request with an error, and gives what it heard.
fn hearing(count: usize) -> (String, thread::JoinHandle<Vec<Heard>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let heard = thread::spawn(move || {
        let mut heard = Vec::new();
        while heard.len() < count {
            let (mut socket, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let (mut header, mut length) = (None, 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line.trim().is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap_or_default();
                match name.to_ascii_lowercase().as_str() {
                    "traceparent" => header = Some(value.trim().to_owned()),
                    "content-length" => length = value.trim().parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let id = body["id"].clone();
            let reply = serde_json::json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": "no"}});
            let reply = reply.to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            write!(socket, "{head}\r\nContent-Length: {}\r\n\r\n{reply}", reply.len()).unwrap();
            heard.push((header, body));
        }
        heard
    });
    (url, heard)
}

#[test]
fn over_http_the_header_says_the_same_as_meta() {
    let (url, heard) = hearing(1);
    let mut command = binary();
    command.args(["tools/list", &url, "--protocol", "legacy"]).env("TRACEPARENT", PARENT);
    told(&mut command);
    let heard = heard.join().unwrap();
    let (header, body) = &heard[0];
    let header = header.as_deref().unwrap();
    assert!(header.starts_with(&format!("00-{PARENT_TRACE}-")), "{header}");
    assert_eq!(body["params"]["_meta"]["traceparent"], header);
}

fn context(traces: Traces) -> Context {
    let publisher = Publisher::new(RunId::random(), Vec::new(), false);
    let mut cx = Context::new(publisher, Masker::default(), CancellationToken::new(), false).with_traces(traces);
    cx.grace = Duration::from_secs(2);
    cx
}

fn demo(options: &[&str], protocol: Pin) -> (Probe, Arc<Target>) {
    let words = [BINARY, "demo"].iter().chain(options).map(ToString::to_string).collect();
    let target = Arc::new(Target { protocol, ..Target::ad_hoc("demo", Endpoint::Command(words)) });
    let probe = Probe { session: SessionChoice::Reuse, ..Probe::built_in(Arc::clone(&target)) };
    (probe, target)
}

fn methods(trace: &Trace) -> Vec<&str> {
    trace.calls.iter().map(|call| call.method.as_str()).collect()
}

fn kept(outcome: &ProbeOutcome) -> &Trace {
    outcome.observed.trace.as_deref().unwrap()
}

#[tokio::test]
async fn the_spans_of_a_run_are_kept_where_they_are_wanted() {
    let parent = SpanContext::parse(PARENT);
    for era in [Era::Legacy, Era::Modern] {
        let pin = if era == Era::Legacy { Pin::Legacy } else { Pin::Modern };
        let (smoke, target) = demo(&[], pin);
        let outcome = probe(&context(Traces { kept: true, parent }), &Stage::default(), &smoke, &target).await;
        assert_eq!(outcome.status, Status::Healthy, "{:?}", outcome.cause);
        let trace = kept(&outcome);
        let opening = if era == Era::Legacy { "initialize" } else { "server/discover" };
        assert_eq!(methods(trace)[..2], [opening, "tools/list"]);
        assert_eq!(trace.parent, parent.map(|parent| parent.span_id));
        assert!(trace.opened_at.is_some() && trace.server.is_none() && trace.dropped == 0);
        let ids: BTreeSet<String> = trace.calls.iter().map(|call| call.context.span_id.to_string()).collect();
        assert_eq!(ids.len(), trace.calls.len(), "each has its own id");
        for CallSpan { context, error, started_at, duration, .. } in &trace.calls {
            assert_eq!(context.trace_id.to_string(), PARENT_TRACE);
            assert!(error.is_none() && *started_at >= outcome.started_at && !duration.is_zero());
        }
        let list = trace.calls.iter().find(|call| call.method == "tools/list").unwrap();
        assert_eq!(outcome.steps[0].span, Some(list.context), "a step names the span of its call");
        let none = probe(&context(Traces::default()), &Stage::default(), &smoke, &target).await;
        assert!(none.observed.trace.is_none());
    }
}

#[tokio::test]
async fn every_run_on_a_held_session_is_a_trace_of_its_own() {
    let (held, stage) = (Held::default(), Stage::default());
    let cx = context(Traces { kept: true, parent: None });
    let (smoke, target) = demo(&[], Pin::Legacy);
    let first = held.run(&cx, &stage, &smoke, &target).await;
    let second = held.run(&cx, &stage, &smoke, &target).await;
    let (first, second) = (kept(&first), kept(&second));
    assert_ne!(first.context.trace_id, second.context.trace_id);
    assert_eq!((methods(first)[0], methods(second)[0]), ("initialize", "tools/list"));
    assert!(second.opened_at.is_none(), "it found the session open");
    assert!(second.calls.iter().all(|call| call.context.trace_id == second.context.trace_id));
    held.release_all(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_span_names_what_went_wrong() {
    let traces = Traces { kept: true, parent: None };
    let (smoke, target) = demo(&["--fault", "error-hostile"], Pin::Legacy);
    let outcome = probe(&context(traces), &Stage::default(), &smoke, &target).await;
    let wrong = kept(&outcome).calls.iter().find(|call| call.error.is_some()).unwrap();
    assert!(wrong.code.is_some());
    assert_eq!(wrong.error, wrong.code.map(|code| code.to_string()));
}

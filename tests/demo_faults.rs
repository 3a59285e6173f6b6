//! Every fault of the demo server against the real binary: a raw client that knows nothing of the product
//! holds the same conversation with the healthy server and with the faulty one, and must see a difference.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mcp_probe::demo::faults::{self, Act, Fault, On};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Silence for so long means that nothing more will come.
const QUIET: Duration = Duration::from_millis(400);
/// What never ends is watched for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a server may take to exit before the next rung.
const RUNG: Duration = Duration::from_millis(700);
/// `--fault-delay`: longer than both.
const DELAY: &str = "1500ms";
/// More output than this is summed up as "a flood".
const KEPT_BYTES: usize = 1 << 20;

/// Faults whose only sign is the time they take, with the least time the conversation must last.
const SLOW: &[(&str, u64)] =
    &[("split-writes", 40), ("out-of-order", 150), ("slow-drip", 900), ("slow-headers", 900), ("sse-split", 8)];

/// Shows only with `--sse-polling`; the rule that it breaks shows it.
const POLLING: &str = "polling-no-retry";

/// A child that is killed when the test is done with it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(arguments: &[&str], mark: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mcp-probe"))
        .arg("demo")
        .args(arguments)
        .args(["--fault-delay", DELAY])
        .env("DEMO_FAULTS_MARK", mark)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test starts")
}

fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    json!({"jsonrpc": "2.0", "id": format!("{method} 7"), "method": method, "params": params})
}

fn legacy(method: &str, mut params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params.take()})
}

/// What is said to a server: an era, or a revision of the legacy one.
const ERAS: [&str; 4] = ["modern", "legacy", "2025-03-26", WIDER];

/// The modern era, with what few clients do: it is tried for faults that show in neither of the others.
const WIDER: &str = "wider";

/// Wrong and unusual requests, rounds of input, a task, a subscription.
fn wider_conversation() -> Vec<Value> {
    let with = |key: &str, value: Value, mut message: Value| {
        message["params"]["_meta"][key] = value;
        message
    };
    let able = |capabilities: Value, message| with("io.modelcontextprotocol/clientCapabilities", capabilities, message);
    let ask = |more: Value| {
        let mut params = json!({"name": "ask", "arguments": {}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        able(json!({"elicitation": {}}), modern("tools/call", params))
    };
    let answered = |responses: Value, state: &str| ask(json!({"inputResponses": responses, "requestState": state}));
    let tasks =
        |method, params| able(json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}), modern(method, params));
    let declined = json!({"action": "decline"});
    let state = "demo-state-1";
    vec![
        modern("tools/list", json!({})),
        modern("server/discover", json!({})),
        with("x.example/extra", json!(1), modern("server/discover", json!({}))),
        with("io.modelcontextprotocol/protocolVersion", json!("v999"), modern("server/discover", json!({}))),
        json!({"jsonrpc": "2.0", "id": "bare", "method": "server/discover", "params": {}}),
        with("io.modelcontextprotocol/logLevel", json!("banana"), modern("tools/list", json!({}))),
        modern("ping", json!({})),
        modern("tools/call", json!({"name": "ask", "arguments": {}})),
        ask(json!({})),
        answered(json!({"question": declined}), state),
        answered(json!({"question": declined, "more": declined}), state),
        answered(json!({"question": "garbage"}), state),
        answered(json!({}), state),
        answered(json!({"question": declined}), "forged"),
        tasks("tools/call", json!({"name": "slow", "arguments": {"ms": 60_000}})),
        tasks("tasks/get", json!({"taskId": "demo-task-1"})),
        tasks("tasks/get", json!({"taskId": "unknown"})),
        tasks("tasks/get", json!({"taskId": "elsewhere"})),
        modern("tasks/get", json!({"taskId": "unknown"})),
        tasks("tasks/list", json!({})),
        modern("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})),
    ]
}

/// Requests that touch everything a fault can strike at, the opening first; and what a server should refuse.
fn conversation(era: &str) -> Vec<Value> {
    if era == WIDER {
        return wider_conversation();
    }
    let mut all = Vec::new();
    let hello = |version: &str| {
        let params =
            json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
        legacy("initialize", params)
    };
    let request = if era == "modern" {
        all.push(modern("server/discover", json!({})));
        modern
    } else {
        all.push(legacy("tools/list", json!({})));
        all.push(hello(if era == "legacy" { "2025-11-25" } else { era }));
        all.push(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        legacy
    };
    all.push(request("tools/list", json!({})));
    all.push(request("tools/list", json!({"cursor": ""})));
    all.push(request("tools/list", json!({})));
    all.push(request("tools/call", json!({"name": "add", "arguments": {"a": 2, "b": 3}})));
    all.push(request("ping", json!({})));
    all.push(request("x-raw/none", json!({})));
    let mut old = request("resources/list", json!({}));
    all.push(json!([old.clone(), old.clone()]));
    old["jsonrpc"] = "1.0".into();
    all.push(old);
    all.push(json!("no message"));
    all.push(request("resources/read", json!({"uri": "demo://text/readme"})));
    all.push(request("resources/list", json!({})));
    all.push(request("prompts/list", json!({})));
    if era != "modern" {
        all.push(hello("2099-01-01"));
        all.push(json!({"jsonrpc": "2.0", "id": "nobody asked", "result": {}}));
    }
    all.push(request("prompts/get", json!({"name": "greeting", "arguments": {"name": "Ada"}})));
    let task = json!({"name": "echo", "arguments": {"message": "hi"}, "task": {"ttl": 1_000}});
    all.push(request("tools/call", task));
    all.push(request("resources/read", json!({"uri": "file:///demo/../../etc/passwd"})));
    all.push(request("prompts/list", json!({})));
    let nobody = json!({"ref": {"type": "ref/prompt", "name": "nobody"}, "argument": {"name": "x", "value": ""}});
    all.push(request("completion/complete", nobody));
    all.push(request("logging/setLevel", json!({"level": "loud"})));
    all.push(request("resources/subscribe", json!({"uri": "demo://text/readme"})));
    all
}

fn slow(era: &str, ms: u64) -> Value {
    let params = json!({"name": "slow", "arguments": {"ms": ms}});
    if era == "modern" { modern("tools/call", params) } else { legacy("tools/call", params) }
}

/// Everything that comes out of a stream, in pieces.
fn pump(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(1024);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Reads until `enough`, silence, or the end; whether the end was seen.
fn collect(from: &Receiver<Vec<u8>>, into: &mut Vec<u8>, quiet: Duration, enough: impl Fn(&[u8]) -> bool) -> bool {
    let start = Instant::now();
    while into.len() < KEPT_BYTES && start.elapsed() < PATIENCE && !enough(into) {
        match from.recv_timeout(quiet) {
            Ok(bytes) => into.extend(bytes),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
    }
    false
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}

/// What a stranger sees of a server: lines of text that can be compared, and how long it took.
struct Sight {
    facts: String,
    took: Duration,
}

fn stdio(fault: Option<&str>, era: &str) -> Sight {
    let mark = format!("{}-{}-{era}", std::process::id(), fault.unwrap_or("healthy"));
    let named: Vec<&str> = fault.iter().flat_map(|name| ["--fault", name]).collect();
    let mut child = spawn(&named, &mark);
    let start = Instant::now();
    let (output, errors) = (pump(child.stdout.take().unwrap()), pump(child.stderr.take().unwrap()));
    let mut input = child.stdin.take().unwrap();
    let (mut heard, mut ended) = (Vec::new(), false);
    let mut facts = String::new();
    let mut requests = conversation(era);
    // A call that is cancelled, after the opening: nothing answers it.
    let mut slow = slow(era, 20);
    slow["id"] = "to be cancelled".into();
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": slow["id"]}});
    let opening = if era == "modern" { 1 } else { 2 };
    requests.splice(opening..opening, [slow, cancelled]);
    let replies = requests.iter().filter(|request| request.get("id").is_some() || !request.is_object()).count() - 1;
    for request in &requests {
        // A server that has gone is one of the things to be seen.
        if writeln!(input, "{request}").is_err() {
            break;
        }
    }
    let complete = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').count() > replies;
    ended |= collect(&output, &mut heard, QUIET, complete);
    let took = start.elapsed();
    // What was cancelled would be answered by now.
    thread::sleep(Duration::from_millis(40));
    drop(input);
    // Lines beyond the expected ones come at once, if they come.
    ended |= collect(&output, &mut heard, Duration::from_millis(60), |_| false);
    let group = child.id();
    let mut rung = "end of input";
    let mut status = wait(&mut child, RUNG);
    for (name, signal) in [("SIGTERM", Signal::SIGTERM), ("SIGKILL", Signal::SIGKILL)] {
        if status.is_none() {
            rung = name;
            kill(Pid::from_raw(i32::try_from(group).unwrap()), signal).unwrap();
            status = wait(&mut child, RUNG);
        }
    }
    let status = status.expect("nothing survives SIGKILL");
    facts += &format!("{rung}: code {:?} signal {:?}\n", status.code(), status.signal());
    ended |= collect(&output, &mut heard, Duration::from_millis(60), |_| false);
    facts += &format!("stdout ended: {ended}\n");
    for pid in marked(&mark) {
        let of_group = nix::unistd::getpgid(Some(pid)).is_ok_and(|found| found.as_raw().unsigned_abs() == group);
        facts += &format!("left behind, in its group: {of_group}\n");
        let _ = kill(pid, Signal::SIGKILL);
    }
    let mut said = Vec::new();
    collect(&errors, &mut said, Duration::from_millis(60), |bytes| bytes.len() > 1 << 17);
    facts += &if said.len() > 1 << 17 { "stderr floods".to_owned() } else { format!("stderr {:?}", text(&said)) };
    facts += "\n";
    facts += &steady(&text(&heard));
    Sight { facts, took }
}

/// Processes that carry the mark of one run in their environment.
fn marked(mark: &str) -> Vec<Pid> {
    let wanted = format!("DEMO_FAULTS_MARK={mark}");
    let numbers =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        })
        .map(Pid::from_raw)
        .collect()
}

fn text(bytes: &[u8]) -> String {
    if bytes.len() >= KEPT_BYTES { "a flood".to_owned() } else { String::from_utf8_lossy(bytes).into_owned() }
}

/// One HTTP exchange on a connection; what came back, and whether the server closed it.
fn exchange(stream: &mut TcpStream, bytes: &[u8], quiet: Duration) -> String {
    let mut heard = Vec::new();
    let mut end = "closed";
    let start = Instant::now();
    if stream.write_all(bytes).is_ok() {
        stream.set_read_timeout(Some(quiet)).unwrap();
        let mut buffer = vec![0; 1 << 16];
        loop {
            if heard.len() >= KEPT_BYTES || start.elapsed() > PATIENCE {
                end = "endless";
                break;
            }
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    end = "open";
                    break;
                }
                Err(error) => {
                    end = if error.kind() == ErrorKind::ConnectionReset { "reset" } else { "failed" };
                    break;
                }
            }
        }
    }
    format!("{}\n{end}\n", steady(&text(&heard)))
}

/// Takes out what differs between two healthy runs: the time, when it is right, and when a task was begun.
fn steady(answer: &str) -> String {
    let mut lines = Vec::new();
    for line in answer.split_inclusive('\n') {
        let date = line
            .strip_prefix("date: ")
            .and_then(|date| jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", date.trim()).ok());
        let now = jiff::Timestamp::now();
        let right = date
            .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
            .is_some_and(|date| now.duration_since(date.timestamp()).abs() < jiff::SignedDuration::from_secs(60));
        lines.push(if right { "date: now\r\n" } else { line });
    }
    let began = regex::Regex::new(r#"("createdAt"|"lastUpdatedAt"):"[0-9T:-]+Z""#).unwrap();
    began.replace_all(&lines.concat(), "$1:\"now\"").into_owned()
}

/// Starts a server on a free port; where it listens.
fn listening(fault: Option<&str>, era: &str) -> (Server, String) {
    let mark = format!("{}-http-{}-{era}", std::process::id(), fault.unwrap_or("healthy"));
    let mut arguments = vec!["--http", "127.0.0.1:0"];
    arguments.extend(fault.iter().flat_map(|name| ["--fault", name]));
    let mut child = spawn(&arguments, &mark);
    let output = pump(child.stdout.take().unwrap());
    let server = Server(child);
    let mut first = Vec::new();
    collect(&output, &mut first, PATIENCE, |bytes| bytes.ends_with(b"\n"));
    let first = String::from_utf8(first).unwrap();
    let host = first
        .trim()
        .strip_prefix("listening on http://")
        .and_then(|rest| rest.strip_suffix("/mcp"))
        .expect("an address")
        .to_owned();
    (server, host)
}

fn http(fault: Option<&str>, era: &str) -> Sight {
    let (mut server, host) = listening(fault, era);
    let start = Instant::now();
    let mut facts = String::new();
    let mut session = String::new();
    let connect = || TcpStream::connect(&host).ok();
    for message in conversation(era) {
        let opens = matches!(message["method"].as_str(), Some("initialize" | "server/discover"));
        let head = head(&message, &session, era, "close");
        let body = message.to_string();
        let Some(mut stream) = connect() else {
            facts += "refused\n";
            continue;
        };
        let answer = exchange(
            &mut stream,
            format!("{}Host: {host}\r\nContent-Length: {}\r\n\r\n{body}", head, body.len()).as_bytes(),
            QUIET,
        );
        let id = answer.lines().filter(|_| opens).find_map(|line| line.strip_prefix("mcp-session-id: "));
        let id = id.unwrap_or_default().trim().to_owned();
        facts += &if id.is_empty() { answer } else { answer.replace(&id, "SESSION") };
        if session.is_empty() {
            session = id;
        }
    }
    for (request, headers) in oddities(era, &host, &session) {
        let Some(mut stream) = connect() else { continue };
        let body = request.to_string();
        let length = body.len();
        let bytes =
            format!("POST /mcp HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        let answer = exchange(&mut stream, bytes.as_bytes(), QUIET);
        let given = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        facts += &given.map_or(answer.clone(), |id| answer.replace(id, &format!("another of {}", id.trim().len())));
    }
    // A client that goes before its answer is there.
    if let Some(mut stream) = connect() {
        let message = slow(era, 200);
        let body = message.to_string();
        let head = head(&message, &session, era, "close");
        let bytes = format!("{head}Host: {host}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = stream.write_all(bytes.as_bytes());
        thread::sleep(Duration::from_millis(50));
        drop(stream);
        thread::sleep(Duration::from_millis(50));
    }
    // Twice on one connection.
    if let Some(mut stream) = connect() {
        let message = conversation(era).pop().unwrap();
        let body = message.to_string();
        let bytes = format!(
            "{}Host: {host}\r\nContent-Length: {}\r\n\r\n{body}",
            head(&message, &session, era, "keep-alive"),
            body.len()
        );
        for _ in 0..2 {
            facts += &exchange(&mut stream, bytes.as_bytes(), Duration::from_millis(150));
        }
    }
    let took = start.elapsed();
    facts += &afterwards(&host, era, &session);
    facts += &format!(
        "process: {:?}\n",
        wait(&mut server.0, Duration::from_millis(5)).map(|status| (status.code(), status.signal()))
    );
    if !session.is_empty() {
        facts = facts.replace(&session, "SESSION");
    }
    // The id of HTTP+SSE differs in every run.
    if let Some(at) = facts.find("/messages?session=").filter(|_| !facts.contains("session=gone")) {
        facts.replace_range(at..at + 18 + 32, "ENDPOINT");
    }
    Sight { facts: facts.replace(&host, "HOST").replace(host.rsplit(':').next().unwrap(), "PORT"), took }
}

/// What the other verbs show, and a session that has ended.
fn afterwards(host: &str, era: &str, session: &str) -> String {
    let mut facts = String::new();
    let connect = || TcpStream::connect(host).ok();
    for (verb, path) in [("GET", "/mcp"), ("GET", "/mcp/"), ("GET", "/sse"), ("DELETE", "/mcp")] {
        let Some(mut stream) = connect() else { continue };
        let bytes = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\nMcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
        );
        facts += &exchange(&mut stream, bytes.as_bytes(), Duration::from_millis(200));
    }
    if !session.is_empty() {
        // What was ended is used again.
        if let Some(mut stream) = connect() {
            let message = legacy("ping", Value::Null);
            let (head, body) = (head(&message, session, era, "close"), message.to_string());
            let bytes = format!("{head}Host: {host}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            facts += &exchange(&mut stream, bytes.as_bytes(), QUIET);
        }
    }
    facts
}

fn head(message: &Value, session: &str, era: &str, connection: &str) -> String {
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nConnection: {connection}\r\n"
    );
    if era == "modern" || era == WIDER {
        let params = &message["params"];
        head += &format!(
            "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {}\r\n",
            message["method"].as_str().unwrap_or("none")
        );
        // One task is asked for under the name of another.
        let task = params["taskId"].as_str().map(|id| if id == "elsewhere" { "another" } else { id });
        if let Some(name) = params["name"].as_str().or(params["uri"].as_str()).or(task) {
            head += &format!("Mcp-Name: {name}\r\n");
        }
    } else if !session.is_empty() {
        let version = if era == "legacy" { "2025-11-25" } else { era };
        head += &format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {version}\r\n");
    }
    head
}

/// Requests that no ordinary client sends, each with its headers: what a server must refuse, or must not stumble over.
fn oddities(era: &str, host: &str, session: &str) -> Vec<(Value, String)> {
    let list = if era == "modern" { modern("tools/list", json!({})) } else { legacy("tools/list", json!({})) };
    let of = |message: &Value, changes: &[(&str, &str)]| {
        let whole = head(message, session, era, "close");
        let mut lines: Vec<String> = whole.lines().skip(1).map(str::to_owned).collect();
        lines.push(format!("Host: {host}"));
        for (name, value) in changes {
            lines.retain(|line| !line.to_ascii_lowercase().starts_with(&format!("{}:", name.to_ascii_lowercase())));
            if !value.is_empty() {
                lines.push(format!("{name}: {value}"));
            }
        }
        lines.retain(|line| !line.starts_with("Connection:"));
        (message.clone(), lines.join("\r\n") + "\r\n")
    };
    let own = format!("http://{host}");
    let mut all = vec![
        of(&list, &[("Origin", "https://attacker.invalid")]),
        of(&list, &[("Host", "attacker.invalid"), ("Origin", "http://attacker.invalid")]),
        of(&list, &[("Origin", &own)]),
        of(&list, &[("Accept", "text/html")]),
        of(&list, &[("Accept", "text/event-stream, application/json")]),
        of(&list, &[("Content-Type", "text/plain")]),
    ];
    if era == "legacy" {
        let is_opening = |message: &Value| message["method"] == "initialize";
        let opening = conversation(era).into_iter().find(is_opening).unwrap();
        all.extend([
            of(&opening, &[("Mcp-Session-Id", ""), ("MCP-Protocol-Version", "")]),
            of(&list, &[("Mcp-Session-Id", "")]),
            of(&list, &[("Mcp-Session-Id", "nobody-has-this")]),
            of(&list, &[("MCP-Protocol-Version", "2000-01-01")]),
            of(&list, &[("MCP-Protocol-Version", "")]),
        ]);
        return all;
    }
    let mut other = list.clone();
    other["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "v999.0.0".into();
    let read = modern("resources/read", json!({"uri": "demo://text/readme"}));
    let weather = |arguments: Value| modern("tools/call", json!({"name": "weather", "arguments": arguments}));
    let oslo = weather(json!({"city": "Oslo"}));
    all.extend([
        of(&other, &[]),
        of(&list, &[("MCP-Protocol-Version", "")]),
        of(&list, &[("Mcp-Method", "")]),
        of(&list, &[("Mcp-Method", "prompts/list")]),
        of(&list, &[("Mcp-Method", "  tools/list ")]),
        of(&list, &[("Last-Event-ID", "one")]),
        of(&read, &[("Mcp-Name", "another")]),
        of(&read, &[("Mcp-Name", "=?base64?ZGVtbzovL3RleHQvcmVhZG1l?=")]),
        of(&oslo, &[]),
        of(&oslo, &[("Mcp-Param-City", "=?base64?T3Nsbw==?=")]),
        of(&weather(json!({})), &[]),
    ]);
    all
}

type Look = fn(Option<&str>, &str) -> Sight;

/// Compares every fault with the healthy server; the faults that could not be told from it.
fn unseen(look: Look, chosen: Vec<&'static Fault>) -> Vec<String> {
    let healthy: BTreeMap<&str, String> = ERAS.iter().map(|era| (*era, look(None, era).facts)).collect();
    for era in ERAS {
        assert_eq!(look(None, era).facts, healthy[era], "two healthy runs look the same");
    }
    let queue = Arc::new(Mutex::new(chosen));
    let healthy = Arc::new(healthy);
    let workers: Vec<_> = (0..6)
        .map(|_| {
            let (queue, healthy) = (Arc::clone(&queue), Arc::clone(&healthy));
            thread::spawn(move || {
                let mut unseen = Vec::new();
                loop {
                    let Some(fault) = queue.lock().unwrap().pop() else { return unseen };
                    let least =
                        SLOW.iter().find(|(name, _)| *name == fault.name).map(|(_, ms)| Duration::from_millis(*ms));
                    let seen = ERAS.iter().any(|era| {
                        let sight = look(Some(fault.name), era);
                        least.map_or_else(|| sight.facts != healthy[era], |least| sight.took >= least)
                    });
                    if !seen {
                        unseen.push(fault.name.to_owned());
                    }
                }
            })
        })
        .collect();
    workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
}

#[test]
fn every_fault_over_stdio_is_seen() {
    let chosen = faults::all().filter(|fault| fault.on != On::Http).collect();
    assert_eq!(unseen(stdio, chosen), Vec::<String>::new());
}

#[test]
fn every_fault_over_http_is_seen() {
    let chosen: Vec<_> = faults::all()
        .filter(|fault| fault.on != On::Stdio && !matches!(fault.act, Act::Boot(_)) && fault.name != POLLING)
        .collect();
    assert!(chosen.len() >= 100);
    assert_eq!(unseen(http, chosen), Vec::<String>::new());
}

#[test]
fn a_server_that_ends_early_ends_with_the_code_of_its_fault() {
    for (arguments, code) in [
        (&["--fault", "exit-at-start"][..], 1),
        (&["--fault", "exit-at-start-silent"], 3),
        (&["--fault", "exit-at-start-zero"], 0),
        (&["--fault", "exit-code"], 7),
        (&["--faults"], 0),
    ] {
        let mut server = Server(spawn(arguments, "exit-codes"));
        drop(server.0.stdin.take());
        drop(server.0.stdout.take());
        assert_eq!(server.0.wait().unwrap().code(), Some(code), "{arguments:?}");
    }
}

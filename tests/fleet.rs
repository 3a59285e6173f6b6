//! Several probers: a plan that they divide, a pair that watches the same and is one voice, replicas behind one name.
//! Real binaries, real servers, a real Alertmanager.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/alertmanager.rs"]
mod alertmanager;
#[path = "stage/prober.rs"]
mod prober;
#[path = "stage/watching.rs"]
mod watching;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use alertmanager::{alertmanager, alerts};
use mcp_probe::base::ids::RunId;
use mcp_probe::base::secret::Masker;
use mcp_probe::event::Publisher;
use mcp_probe::plan::{Endpoint, Pin, Probe, Resolve, Target};
use mcp_probe::run::probe::probe;
use mcp_probe::run::reach::Stage;
use mcp_probe::run::{Context, Traces};
use nix::sys::signal::Signal;
use prober::{Told, binary, told};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use watching::{Hook, Watch, behave, server, until, write};

fn run(folder: &Path, words: &[&str]) -> Told {
    told(binary().args(words).current_dir(folder))
}

// ---------------------------------------------------------------------------------------------------------------
// Shards

/// Targets that are never reached: what would be done is asked, not done.
fn many(folder: &Path, count: usize, head: &str) {
    let mut text = head.to_owned();
    for number in 0..count {
        let _ = writeln!(text, "[target.t{number}]\ncommand = [\"mcp-probe\", \"demo\"]");
    }
    text.push_str("[[probe]]\nname = \"one\"\ntarget = \"*\"\n[[probe]]\nname = \"two\"\ntarget = \"*\"\n");
    std::fs::write(folder.join("mcp-probe.toml"), text).unwrap();
}

fn pairs(told: &Told) -> BTreeSet<String> {
    let document = told.document();
    let probes = document["probes"].as_array().unwrap();
    let name = |probe: &Value| {
        let target = probe["target"].as_str().or(probe["target"]["name"].as_str()).unwrap();
        format!("{}@{target}", probe["name"].as_str().unwrap())
    };
    probes.iter().map(name).collect()
}

#[test]
fn the_shards_of_a_plan_are_the_whole_without_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    many(folder, 20, "[fleet]\nshard = \"${SHARD:-}\"\n");
    let whole = pairs(&run(folder, &["check", "--dry-run", "--json"]));
    assert_eq!(whole.len(), 40);
    let mut union = BTreeSet::new();
    for index in 1..=3 {
        let shard = format!("{index}/3");
        let told = run(folder, &["check", "--dry-run", "--json", "--shard", &shard]);
        assert_eq!(told.code, 0, "{told:?}");
        let part = pairs(&told);
        assert!(part.is_disjoint(&union) && !part.is_empty(), "{part:?}");
        let share = format!("shard {shard}: {} of 40 probes", part.len());
        assert_eq!(told.document()["share"], share.as_str());
        // The same by the file, with a variable.
        let by_file =
            prober::told(binary().args(["check", "--dry-run", "--json"]).env("SHARD", &shard).current_dir(folder));
        assert_eq!(pairs(&by_file), part);
        union.extend(part);
    }
    assert_eq!(union, whole);
}

#[test]
fn an_empty_shard_is_in_order_and_an_empty_selection_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    many(folder, 1, "");
    let codes: Vec<i32> = ["1/2", "2/2"]
        .map(|shard| {
            let told = run(folder, &["check", "--yes", "--json", "--shard", shard]);
            assert!(told.stderr.contains(&format!("shard {shard}: ")), "{told:?}");
            let probes = told.document()["summary"]["probes"].as_u64().unwrap();
            assert!(probes == 0 || probes == 2, "{told:?}");
            told.code
        })
        .into();
    assert_eq!(codes, [0, 0]);
    assert_eq!(run(folder, &["check", "--shard", "1/2", "--target", "nope"]).code, 6);
    let wrong = run(folder, &["check", "--shard", "3/2"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.stderr.contains("there is no shard 3 of 2"), "{wrong:?}");
    many(folder, 5, "[fleet]\nshard = \"1/1\"\n");
    let valid = run(folder, &["validate"]);
    assert!(valid.stdout.contains("shard 1/1: 5 of 5 targets"), "{valid:?}");
}

#[test]
fn a_daemon_says_which_shard_it_has() {
    let shards = ["1/2", "2/2"].map(|shard| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, &format!("[watch]\nrun_at_start = true\n[target.demo]\n{}\n", server(folder)));
        let watch = Watch::start_with(folder, &["--shard", shard], &[]);
        let status = watch.status();
        let count = status["probes"].as_array().unwrap().len();
        let share = format!("shard {shard}: {count} of 1 probe");
        assert_eq!(status["daemon"]["share"], share.as_str(), "{status}");
        let built = format!("shard=\"{shard}\"}} 1");
        assert!(
            watch
                .get("/metrics")
                .1
                .lines()
                .any(|line| line.starts_with("mcp_probe_build_info{") && line.ends_with(&built))
        );
        assert!(watch.get("/").1.replace("&#x2f;", "/").contains(&share));
        count
    });
    assert_eq!(shards.iter().sum::<usize>(), 1);
}

// ---------------------------------------------------------------------------------------------------------------
// A pair

/// What Alertmanager told its receiver: the status of each notification, in order.
fn notified(hook: &Hook) -> Vec<String> {
    let statuses = hook.heard().into_iter().map(|(_, body)| {
        let document: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(document["alerts"].as_array().unwrap().len(), 1, "{document}");
        document["status"].as_str().unwrap().to_owned()
    });
    statuses.collect()
}

#[test]
fn a_pair_tells_once_and_one_of_them_is_enough() {
    let (base, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let base = base.path();
    let (_alertmanager, port) = alertmanager(base, Some(&hook.url));
    let demo = server(base);
    let start = |instance: &str| {
        let folder = base.join(instance);
        std::fs::create_dir(&folder).unwrap();
        let text = format!(
            r#"
[watch]
instance = "{instance}"
run_at_start = true
group_wait = "50ms"
group_interval = "100ms"
[target.demo]
{demo}
[[probe]]
name = "list"
target = "demo"
every = "300ms"
timeout = "290ms"
[[probe.step]]
method = "tools/list"
[[alert]]
name = "mcp_server_unresponsive"
consecutive_failures = 3
within = "5s"
notify = ["am"]
[notify.am]
kind = "alertmanager"
url = "http://127.0.0.1:{port}"
"#
        );
        write(&folder, &text);
        Watch::start(&folder)
    };
    let (mut one, two) = (start("prober-a"), start("prober-b"));
    for prober in [&one, &two] {
        prober.says("healthy probe=list");
    }
    behave(base, "--fault exit-at-start");
    for prober in [&one, &two] {
        until("both fire and have said so", || {
            let status = prober.status();
            let fires = status["alerts"].as_array().is_some_and(|alerts| alerts.iter().any(|a| a["state"] == "firing"));
            (fires && status["daemon"]["outbox_waiting"] == 0).then_some(())
        });
    }
    until("the receiver is told", || (!hook.heard().is_empty()).then_some(()));
    assert_eq!(alerts(port).len(), 1);
    // One of them is killed in the middle of it; the other goes on with the alert, and tells its end.
    one.signal(Signal::SIGKILL);
    one.ended();
    assert_eq!(alerts(port).len(), 1);
    behave(base, "");
    until("the receiver is told the end", || (hook.heard().len() >= 2).then_some(()));
    assert_eq!(notified(&hook), ["firing", "resolved"]);
    assert!(alerts(port).is_empty());
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas

/// A demo server at one address of this machine.
struct Server {
    child: Child,
    port: u16,
    address: &'static str,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(address: &'static str, port: u16, words: &[&str]) -> Option<Self> {
        let mut child = Command::new(prober::BINARY)
            .args(["demo", "--http", &format!("{address}:{port}")])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
        let Some(port) = port else {
            let _ = child.wait();
            return None;
        };
        Some(Self { child, port, address })
    }

    /// What it counted.
    fn stats(&self) -> Value {
        let mut stream = TcpStream::connect((self.address, self.port)).unwrap();
        write!(stream, "GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(&body[body.find('{').unwrap()..=body.rfind('}').unwrap()]).unwrap()
    }
}

/// Servers with one port at several addresses, each with words of its own.
fn replicas(wanted: &[(&'static str, &[&str])]) -> Vec<Server> {
    for _ in 0..20 {
        let mut servers: Vec<Server> = Vec::new();
        for (address, words) in wanted {
            let port = servers.first().map_or(0, |first| first.port);
            servers.extend(Server::start(address, port, words));
        }
        // Another process may have the port at one of the addresses.
        if servers.len() == wanted.len() {
            return servers;
        }
    }
    panic!("no port is free at all addresses");
}

/// A probe of these replicas. The name of the host is none of theirs: the addresses come from the file.
fn replicated(port: u16, addresses: &[&str], more: &str) -> String {
    format!(
        "[target.web]\nurl = \"http://localhost:{port}/mcp\"\nresolve = {addresses:?}\nlabels = {{ env = \"prod\" }}\n\
         startup_timeout = \"5s\"\n{more}\n[[probe]]\nname = \"list\"\ntarget = \"web\"\ntimeout = \"5s\"\n\
         [[probe.step]]\nmethod = \"tools/list\"\n"
    )
}

fn check(folder: &Path, text: &str) -> Told {
    std::fs::write(folder.join("mcp-probe.toml"), text).unwrap();
    run(folder, &["check", "--json"])
}

/// Each row: target, status, reason, ids of findings.
fn rows(told: &Told) -> Vec<(String, String, String, Vec<String>)> {
    let document = told.document();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |probe: &Value| {
        let findings = probe["findings"].as_array().unwrap().iter().map(|finding| text(&finding["id"])).collect();
        (text(&probe["target"]), text(&probe["status"]), text(&probe["reason"]), findings)
    };
    document["probes"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn each_replica_is_a_row_and_one_bad_of_four_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
    let good: &[&str] = &["--stateless"];
    let bad: &[&str] = &["--stateless", "--fault", "silent-calls"];
    let servers = replicas(&[(addresses[0], good), (addresses[1], good), (addresses[2], bad), (addresses[3], good)]);
    let text = replicated(servers[0].port, &addresses, "")
        .replace("timeout = \"5s\"\n[[probe.step", "timeout = \"1s\"\n[[probe.step");
    let told = check(folder.path(), &text);
    let rows = rows(&told);
    let shown: Vec<(&str, &str, &str)> =
        rows.iter().map(|row| (row.0.as_str(), row.1.as_str(), row.2.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("web", "healthy", ""),
            ("web@127.0.0.2", "healthy", ""),
            ("web@127.0.0.3", "healthy", ""),
            ("web@127.0.0.4", "failed", "timeout"),
            ("web@127.0.0.5", "healthy", ""),
        ],
        "{told:?}"
    );
    assert_eq!(told.code, 1);
    let document = told.document();
    assert_eq!(document["probes"][3]["replica"], serde_json::json!({"of": "web", "address": "127.0.0.4"}));
    assert_eq!(document["probes"][3]["labels"]["env"], "prod");
    assert!(document["probes"][0]["replica"].is_null());
    for server in &servers {
        // What each was asked for is the name of the file, wherever it is.
        assert_eq!(server.stats()["sessions_live"], 0, "{}", server.stats());
    }
}

#[test]
fn what_differs_between_replicas_is_told_by_the_row_of_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = ["127.0.0.2", "127.0.0.3"];
    let found = |one: &[&str], other: &[&str]| {
        let servers = replicas(&[(addresses[0], one), (addresses[1], other)]);
        let told = check(folder.path(), &replicated(servers[0].port, &addresses, "protocol = \"legacy\""));
        assert_eq!(told.code, 0, "{told:?}");
        let rows = rows(&told);
        assert_eq!(rows.len(), 3, "{told:?}");
        assert!(rows[1..].iter().all(|row| row.3.is_empty()), "{rows:?}");
        // The sessions that were opened to compare are ended, too.
        for server in &servers {
            assert_eq!(server.stats()["sessions_live"], 0, "{}", server.stats());
        }
        rows[0].3.clone()
    };
    // Two processes that know nothing of each other's sessions, else alike.
    assert_eq!(found(&[], &[]), ["session.replicas"]);
    assert!(found(&["--stateless"], &["--stateless"]).is_empty());
    assert_eq!(found(&["--stateless"], &["--stateless", "--tools", "2"]), ["replicas.tools_skew"]);
    let old = ["--stateless", "--protocol", "2025-03-26"];
    assert!(found(&["--stateless"], &old).contains(&"replicas.version_skew".to_owned()));
    // One server at both addresses: it knows its sessions wherever they are used.
    let server = Server::start("0.0.0.0", 0, &[]).unwrap();
    let told = check(folder.path(), &replicated(server.port, &addresses, "protocol = \"legacy\""));
    assert_eq!(rows(&told).iter().map(|row| row.3.len()).sum::<usize>(), 0, "{told:?}");
    // What is found acts where a file says so.
    let servers = replicas(&[(addresses[0], &["--stateless"]), (addresses[1], &["--stateless", "--tools", "1"])]);
    let text = replicated(servers[0].port, &addresses, "");
    let strict =
        text.replace("target = \"web\"\n", "target = \"web\"\nfindings = { \"replicas.tools_skew\" = \"fail\" }\n");
    let told = check(folder.path(), &strict);
    assert_eq!((told.code, rows(&told)[0].1.as_str()), (1, "failed"), "{told:?}");
}

#[test]
fn all_addresses_of_a_name_are_those_that_the_resolver_gives() {
    let folder = tempfile::tempdir().unwrap();
    let addresses: BTreeSet<std::net::IpAddr> =
        ("localhost", 1).to_socket_addrs().unwrap().map(|address| address.ip()).collect();
    let server = Server::start("127.0.0.1", 0, &[]).unwrap();
    let text = replicated(server.port, &[], "").replace("resolve = []", "resolve = \"all\"");
    let told = check(folder.path(), &text);
    // The name, and each of its addresses where there are several.
    let expected = if addresses.len() > 1 { 1 + addresses.len() } else { 1 };
    let rows = rows(&told);
    assert_eq!(rows.len(), expected, "{told:?}");
    assert_eq!((rows[0].0.as_str(), rows[0].1.as_str()), ("web", "healthy"), "{told:?}");
    // A name that nobody has is a failure of its own row.
    let nobody = text.replace("localhost", "nobody.invalid");
    let told = check(folder.path(), &nobody);
    let document = told.document();
    assert_eq!((told.code, &document["probes"][0]["reason"]), (4, &"resolve".into()), "{told:?}");
    assert_eq!(document["probes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_daemon_watches_each_replica_and_an_alert_on_the_name_sees_them() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start());
    let folder = folder.path();
    let addresses = ["127.0.0.2", "127.0.0.3"];
    let mut servers = replicas(&[(addresses[0], &["--stateless"]), (addresses[1], &["--stateless"])]);
    let head = "[watch]\nrun_at_start = true\ngroup_wait = \"50ms\"\ngroup_interval = \"100ms\"\n";
    let rule = format!(
        "[[alert]]\nname = \"mcp_server_unresponsive\"\nconsecutive_failures = 3\nwithin = \"5s\"\ntarget = \"web\"\n\
         notify = [\"ops\"]\n[notify.ops]\nkind = \"webhook\"\nurl = \"{}/\"\n",
        hook.url
    );
    let text = replicated(servers[0].port, &addresses, "");
    let text = text.replace("startup_timeout = \"5s\"", "startup_timeout = \"200ms\"");
    let text = text.replace("timeout = \"5s\"\n[[", "timeout = \"200ms\"\nevery = \"400ms\"\n[[");
    write(folder, &format!("{head}{text}{rule}"));
    let watch = Watch::start(folder);
    until("all three are healthy", || (watch.status()["summary"]["healthy"] == 3).then_some(()));
    let port = servers[1].port;
    drop(servers.pop());
    hook.hears("mcp_server_unresponsive", "firing");
    // One is down, and that is what is said: the name works, and so does the other.
    let told = hook.heard();
    let document: Value = serde_json::from_str(&told[0].1).unwrap();
    assert_eq!(document["alerts"].as_array().unwrap().len(), 1, "{document}");
    assert_eq!(document["alerts"][0]["target"], "web@127.0.0.3");
    assert_eq!(watch.status()["summary"]["healthy"], 2);
    let metrics = watch.get("/metrics").1;
    for line in [
        "probe_success{probe=\"list\",target=\"web\",env=\"prod\"} 1",
        "probe_success{probe=\"list\",target=\"web@127.0.0.2\",env=\"prod\"} 1",
        "probe_success{probe=\"list\",target=\"web@127.0.0.3\",env=\"prod\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let _back = until("it is back", || Server::start(addresses[1], port, &["--stateless"]));
    hook.hears("mcp_server_unresponsive", "resolved");
}

/// What the daemon says of the row of a target.
fn row(watch: &Watch, target: &str) -> Value {
    let status = watch.status();
    let rows = status["probes"].as_array().unwrap();
    rows.iter().find(|row| row["target"] == target).cloned().unwrap_or_default()
}

#[test]
fn a_replica_that_hangs_holds_up_no_row_but_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let addresses = ["127.0.0.2", "127.0.0.3"];
    let servers =
        replicas(&[(addresses[0], &[]), (addresses[1], &["--protocol", "2025-03-26", "--fault", "silent-calls"])]);
    let text = replicated(servers[0].port, &addresses, "protocol = \"legacy\"");
    let text = text.replace("startup_timeout = \"5s\"", "startup_timeout = \"1s\"");
    let text = text.replace("timeout = \"5s\"\n[[", "timeout = \"4s\"\nevery = \"5s\"\n[[");
    write(folder, &format!("[watch]\nrun_at_start = true\n{text}"));
    let mut watch = Watch::start(folder);
    let is_told = |watch: &Watch| watch.get("/target/web").1.contains("replicas.version_skew");
    until("the name works", || (row(&watch, "web")["status"] == "healthy").then_some(()));
    assert!(
        !is_told(&watch),
        "it is told before the replicas are compared, for which the one that hangs has its whole time"
    );
    until("a later run tells what was found meanwhile", || is_told(&watch).then_some(()));
    let row = row(&watch, "web");
    assert_eq!(row["status"], "healthy", "{row}");
    assert_eq!(row["missed"], serde_json::json!({}), "{row}");
    // The sessions that were opened to compare are ended, too.
    watch.signal(Signal::SIGTERM);
    watch.ended();
    for server in &servers {
        assert_eq!(server.stats()["sessions_live"], 0, "{}", server.stats());
    }
}

/// A server that keeps sessions and has no `ping`: HTTP 400 for it, wherever it is asked. Gives what was asked of it.
fn without_ping(listener: TcpListener) -> Arc<Mutex<Vec<String>>> {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&asked);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 0) && !line.trim().is_empty() {
                if let Some((_, value)) =
                    line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            let method = asked["method"].as_str().unwrap_or_default().to_owned();
            let (status, result) = match method.as_str() {
                "initialize" => (
                    "200 OK",
                    serde_json::json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                        "serverInfo": {"name": "bare", "version": "1"}}),
                ),
                "tools/list" => ("200 OK", serde_json::json!({"tools": []})),
                "notifications/initialized" => ("202 Accepted", Value::Null),
                _ => ("400 Bad Request", Value::Null),
            };
            told.lock().unwrap().push(method);
            let body = match &result {
                Value::Null => String::new(),
                result => serde_json::json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string(),
            };
            let length = body.len();
            let _ = write!(
                socket,
                "HTTP/1.1 {status}\r\nMcp-Session-Id: one\r\nContent-Type: application/json\r\nConnection: close\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            );
        }
    });
    asked
}

#[test]
fn a_server_that_has_no_ping_is_not_said_to_lose_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = without_ping(listener);
    let told = check(folder.path(), &replicated(port, &["127.0.0.2", "127.0.0.3"], "protocol = \"legacy\""));
    let rows = rows(&told);
    assert!(asked.lock().unwrap().iter().any(|method| method == "ping"), "it was asked");
    assert!(rows.len() == 3 && rows.iter().all(|row| row.1 == "healthy"), "{told:?}");
    assert!(!rows[0].3.contains(&"session.replicas".to_owned()), "{rows:?}");
}

#[tokio::test]
async fn what_compares_the_replicas_is_no_part_of_the_trace_of_the_run() {
    let addresses = ["127.0.0.2", "127.0.0.3"];
    let servers = replicas(&[(addresses[0], &[]), (addresses[1], &[])]);
    let url = format!("http://localhost:{}/mcp", servers[0].port);
    let resolve = Resolve::These(addresses.iter().map(|address| address.parse().unwrap()).collect());
    let target = Arc::new(Target { resolve, protocol: Pin::Legacy, ..Target::ad_hoc("web", Endpoint::Url(url)) });
    let publisher = Publisher::new(RunId::random(), Vec::new(), false);
    let cx = Context::new(publisher, Masker::default(), CancellationToken::new(), false)
        .with_traces(Traces { kept: true, parent: None });
    let built_in = Probe::built_in(Arc::clone(&target));
    let outcome = probe(&cx, &Stage::default(), &built_in, &target).await;
    assert!(outcome.findings.iter().any(|finding| finding.id == "session.replicas"), "{:?}", outcome.findings);
    let trace = outcome.observed.trace.as_deref().unwrap();
    let openings = trace.calls.iter().filter(|call| call.method == "initialize").count();
    assert_eq!(openings, 1, "{:?}", trace.calls);
    assert!(trace.opened_at.unwrap() <= trace.calls[0].started_at, "{trace:?}");
}

//! Pushes with the receivers that people run, from `check --push`: what arrives is asked back from the receiver. A receiver
//! that is missing fails the test: `ci/test` installs them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "cli/place.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod place;
#[path = "stage/receiver.rs"]
mod receiver;
#[path = "push/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mcp_probe::base::ids::SpanContext;
use mcp_probe::event::{AttemptOutcome, Cause, ProbeOutcome, Reason, Status, StepOutcome};
use mcp_probe::metrics::{Format, Snapshot};
use place::{EXE, Place, finished};
use receiver::{Does, Receiver, certified, nobody, ok};
use served::{Served, ask, get};

/// A healthy probe of the demo server, and this push.
fn place(push: &str) -> Place {
    let text = format!(
        "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\nserver_id = \"mcp-prod-us-east-1\"\n\
         labels = {{ env = \"prod\" }}\n\
         [[probe]]\nname = \"smoke\"\ntarget = \"demo\"\n[[probe.step]]\nmethod = \"tools/list\"\n\
         [[push]]\n{push}\n"
    );
    Place::new().with("mcp-probe.toml", &text)
}

#[test]
fn a_pushgateway_holds_what_the_last_run_found() {
    let gateway = Served::pushgateway();
    let push = format!(
        "kind = \"pushgateway\"\nurl = \"{}\"\njob = \"night/ly\"\nlabels = {{ site = \"a b\", empty = \"\" }}",
        gateway.url()
    );
    let ran = place(&push).run(&["check", "--push"]).ended(0);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    let (_, text) = get(&format!("{}/metrics", gateway.url()));
    let group = r#"{empty="",env="prod",instance="",job="night/ly",probe="smoke",site="a b",target="demo"} 1"#;
    assert!(text.contains(&format!("probe_success{group}\n")), "{text}");
    assert!(text.contains("mcp_probe_last_run_timestamp_seconds{"), "{text}");
    assert!(!text.contains("mcp_probe_runs_total"), "counts of one run say nothing: {text}");
    let prometheus = Served::prometheus(gateway.address());
    assert_eq!(prometheus.value("probe_success{job=\"night/ly\",site=\"a b\",target=\"demo\"}"), "1");
}

#[test]
fn a_push_that_fails_is_a_warning_unless_it_is_required() {
    let nobody = nobody();
    let to = |more: &str| place(&format!("kind = \"pushgateway\"\nurl = \"{nobody}\"\n{more}"));
    let ran = to("").run(&["check", "--push"]).ended(0);
    assert!(ran.err.contains("warning: `pushgateway` did not get the results: "), "{}", ran.err);
    to("").run(&["check", "--require-push"]).ended(7);
    to("required = true").run(&["check", "--push"]).ended(7);
    to("required = true").run(&["check"]).ended(0);
    let receiver = Receiver::start(|_| ok(""));
    let ran = place(&format!("kind = \"pushgateway\"\nurl = \"{}\"", receiver.url())).run(&["check"]).ended(0);
    assert!(receiver.received().is_empty(), "without --push nothing is pushed: {}", ran.err);
    let none = Place::new().with("mcp-probe.toml", "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\n");
    let ran = none.run(&["check", "--push"]).ended(2);
    assert!(ran.err.contains("no `[[push]]`"), "{}", ran.err);
}

#[test]
fn what_cannot_be_said_or_is_not_taken_was_not_delivered() {
    let hook = Receiver::start(|_| ok(""));
    // The sample that a template is tried with has another target.
    let body = "{% if targets[0].target == 'demo' %}{{ nothing.at_all }}{% endif %}";
    let push = format!("kind = \"webhook\"\nurl = \"{}\"\nbody = \"{body}\"", hook.url());
    let ran = place(&push).run(&["check", "--require-push"]).ended(7);
    assert!(ran.err.contains("warning: `webhook` did not get the results: "), "{}", ran.err);
    place(&push).run(&["check", "--push"]).ended(0);
    assert!(hook.received().is_empty());
    // `Export…ServiceResponse`: 7 of what was sent were not taken.
    let collector = Receiver::start(|_| {
        Does::Answer("200 OK\r\nContent-Type: application/x-protobuf", "\u{a}\u{2}\u{8}\u{7}".to_owned())
    });
    let push = format!("kind = \"otlp\"\nurl = \"{}\"\nsignals = [\"metrics\"]", collector.url());
    let ran = place(&push).run(&["check", "--require-push"]).ended(7);
    assert!(ran.err.contains("warning: `otlp` did not take all of the results: "), "{}", ran.err);
    place(&push).run(&["check", "--push"]).ended(0);
    assert_eq!(collector.received().len(), 2, "nothing of it is sent again");
}

#[test]
fn what_cannot_be_printed_is_pushed_and_a_word_for_nagios_knows_of_the_push() {
    let hook = Receiver::start(|_| ok(""));
    let pushed = place(&format!("kind = \"webhook\"\nurl = \"{}\"", hook.url()));
    let ran = pushed.run(&["check", "--push", "--jq", "error(\"x\")"]).ended(2);
    assert!(ran.err.contains("--jq"), "{}", ran.err);
    assert_eq!(hook.received().len(), 1, "the complaint about the filter keeps nobody from the results");

    let nagios = ["check", "--report", "nagios", "--exit-style", "nagios"];
    let lost = place(&format!("kind = \"webhook\"\nurl = \"{}\"", nobody()));
    let ran = lost.run(&[&nagios[..], &["--require-push"]].concat()).ended(1);
    assert!(ran.out.starts_with("MCP WARNING - "), "{}", ran.out);
    assert!(ran.out.contains("could not be delivered"), "{}", ran.out);
    assert!(lost.run(&[&nagios[..], &["--push"]].concat()).ended(0).out.starts_with("MCP OK - "));
    let unwritten = ["--report", "tap=no/such/folder/t.tap"];
    let ran = lost.run(&[&nagios[..], &unwritten].concat()).ended(1);
    assert!(ran.out.starts_with("MCP WARNING - "), "{}", ran.out);
}

#[test]
fn node_exporter_reads_the_file() {
    let exporter = Served::node_exporter();
    let path = exporter.folder().join("mcp-probe.prom");
    let probed = place(&format!("kind = \"textfile\"\npath = \"{}\"", path.display()));
    for _ in 0..2 {
        probed.run(&["check", "--require-push"]).ended(0);
    }
    let (_, text) = get(&format!("{}/metrics", exporter.url()));
    assert!(text.contains("\nnode_textfile_scrape_error 0\n"), "{text}");
    assert!(text.contains("probe_success{env=\"prod\",probe=\"smoke\",target=\"demo\"} 1\n"), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(exporter.folder()).unwrap().count(), 1, "nothing is left beside it");
    let gone = place("kind = \"textfile\"\npath = \"/nowhere/at/all.prom\"");
    let ran = gone.run(&["check", "--require-push"]).ended(7);
    assert!(ran.err.contains("could not be written"), "{}", ran.err);
}

#[test]
fn victoria_metrics_takes_line_protocol_and_our_text() {
    let victoria = Served::victoria();
    let push = format!(
        "kind = \"influx\"\nurl = \"{}/write?db=mcp\"\nlabels = {{ site = \"a b,c=d\" }}\n\
         [[push]]\nkind = \"textfile\"\npath = \"m.prom\"",
        victoria.url()
    );
    let place = place(&push);
    place.run(&["check", "--require-push"]).ended(0);
    let text = std::fs::read_to_string(place.path("m.prom")).unwrap();
    assert_eq!(ask("POST", &format!("{}/api/v1/import/prometheus", victoria.url()), &text).0, 204);
    get(&format!("{}/internal/force_flush", victoria.url()));
    assert_eq!(victoria.value("probe_success_value{probe=\"smoke\",target=\"demo\",site=\"a b,c=d\"}"), "1");
    assert_eq!(victoria.value("probe_success{probe=\"smoke\",target=\"demo\",env=\"prod\"}"), "1");
}

/// What stands in a line: name, value, type, tags.
fn parsed(line: &str) -> (String, f64, String, Vec<String>) {
    let (name, rest) = line.split_once(':').unwrap();
    let mut parts = rest.split('|');
    let value = parts.next().unwrap().parse().unwrap();
    let kind = parts.next().unwrap().to_owned();
    let tags = parts.next().and_then(|tags| tags.strip_prefix('#')).unwrap_or_default();
    (name.to_owned(), value, kind, tags.split(',').map(ToOwned::to_owned).collect())
}

#[test]
fn statsd_gets_datagrams_over_udp_and_a_unix_socket() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let push = format!("kind = \"statsd\"\naddress = \"{}\"\nprefix = \"mcp.\"", udp.local_addr().unwrap());
    place(&push).run(&["check", "--require-push"]).ended(0);
    let mut datagram = vec![0; 65_536];
    let size = udp.recv(&mut datagram).unwrap();
    assert!(size <= 1432, "{size}");
    let text = String::from_utf8(datagram[..size].to_vec()).unwrap();
    let lines: Vec<_> = text.lines().map(parsed).collect();
    let one = |name: &str| lines.iter().find(|line| line.0 == name).unwrap_or_else(|| panic!("{name}: {text}"));
    let is = |name: &str, value: &str, kind: &str| {
        let line = one(name);
        assert_eq!((line.1.to_string().as_str(), line.2.as_str()), (value, kind), "{name}");
    };
    is("mcp.probe_success.smoke.demo", "1", "g");
    is("mcp.mcp_probe_requests_total.smoke.demo.tools_list.ok", "1", "c");
    assert!(one("mcp.probe_duration.smoke.demo").1 > 0.0 && one("mcp.probe_duration.smoke.demo").2 == "ms");

    let place = place("kind = \"dogstatsd\"\naddress = \"unix:dog.sock\"\nlabels = { team = \"x|y\" }");
    let unix = UnixDatagram::bind(place.path("dog.sock")).unwrap();
    unix.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    place.run(&["check", "--require-push"]).ended(0);
    let size = unix.recv(&mut datagram).unwrap();
    let text = String::from_utf8(datagram[..size].to_vec()).unwrap();
    let success = parsed(text.lines().find(|line| line.starts_with("probe_success:")).unwrap());
    assert_eq!(success.3, ["team:x_y", "probe:smoke", "target:demo", "env:prod"]);
}

#[test]
fn the_hub_and_a_webhook_get_exactly_what_is_documented() {
    let hub = Receiver::start(|_| ok(""));
    let push = format!("kind = \"hub\"\nurl = \"{}\"\nauth = {{ bearer = \"${{TOKEN}}\" }}", hub.url());
    let place_of_hub = place(&push);
    let mut command = place_of_hub.command(EXE);
    let ran = finished(command.args(["check", "--require-push"]).env("TOKEN", "canary-0123456789")).ended(0);
    assert!(!ran.err.contains("canary"), "{}", ran.err);
    let [request] = hub.received().try_into().unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/metrics"));
    assert_eq!(request.header("authorization"), Some("Bearer canary-0123456789"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let said = request.json();
    let metrics = said["metrics"].as_object().unwrap();
    assert!(
        metrics.keys().all(|key| ["latency_p95_ms", "active_tools", "memory_mb"].contains(&key.as_str())),
        "{said}"
    );
    assert!(metrics.values().all(|value| value.as_u64().is_some_and(|value| value > 0)), "{said}");
    let timestamp = said["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == 20 && timestamp.ends_with('Z'), "{said}");
    let begins = "{\"server_id\":\"mcp-prod-us-east-1\",\"timestamp\":\"";
    let goes_on = "\",\"metrics\":{\"latency_p95_ms\":";
    assert!(request.body.starts_with(begins) && request.body.contains(goes_on), "{}", request.body);

    let hook = Receiver::start(|_| ok(""));
    let push = format!(
        "kind = \"webhook\"\nurl = \"{}/x?key=1\"\nheaders = {{ X-Team = \"a\" }}\n\
         body = \"{{{{ targets[0].target }}}} {{{{ occasion }}}}\"",
        hook.url()
    );
    place(&push).run(&["check", "--require-push"]).ended(0);
    let [request] = hook.received().try_into().unwrap();
    assert_eq!((request.path.as_str(), request.body.as_str()), ("/x?key=1", "demo run"));
    assert_eq!(request.header("x-team"), Some("a"));
}

#[test]
fn each_protocol_is_tried_again_by_its_own_rules_and_nobody_hears_a_secret() {
    let tries = |push: &str, answer: &'static str| {
        let receiver = Receiver::start(move |_| Does::Answer(answer, "canary-key is wrong".to_owned()));
        let push = push.replace("URL", &receiver.url());
        let place = place(&push);
        let mut command = place.command(EXE);
        let ran = finished(command.args(["check", "--require-push"]).env("KEY", "canary-key")).ended(7);
        let told = ran.err.lines().find(|line| line.starts_with("warning: `")).unwrap_or_default();
        assert!(told.contains("did not get the results") && !told.contains("canary"), "{}", ran.err);
        assert!(!ran.out.contains("canary"), "{}", ran.out);
        receiver.received().len()
    };
    let gateway = "kind = \"pushgateway\"\nurl = \"URL/?key=${KEY}\"";
    let influx = "kind = \"influx\"\nurl = \"URL/write?db=x&u=${KEY}\"";
    let hub = "kind = \"hub\"\nurl = \"URL\"\nauth = { bearer = \"${KEY}\" }";
    assert_eq!(tries(gateway, "400 Bad Request"), 1);
    assert_eq!(tries(gateway, "500 Internal Server Error"), 3);
    assert_eq!(tries(influx, "404 Not Found"), 1);
    assert_eq!(tries(influx, "429 Too Many Requests\r\nRetry-After: 0"), 3);
    assert_eq!(tries(hub, "503 Service Unavailable"), 3);
    assert_eq!(tries(hub, "302 Found\r\nLocation: http://elsewhere.example/"), 1);
    // Longer than the exit waits: not waited for.
    assert_eq!(tries(hub, "429 Too Many Requests\r\nRetry-After: 3600"), 1);
}

#[test]
fn a_receiver_that_hangs_or_has_a_bad_certificate_ends_in_a_bounded_time() {
    let hangs = Receiver::start(|_| Does::Hang);
    let (config, _) = certified();
    let untrusted = Receiver::secure(config, |_| ok(""));
    let push = format!(
        "name = \"slow\"\nkind = \"webhook\"\nurl = \"{}\"\ntimeout = \"300ms\"\n\
         [[push]]\nname = \"tls\"\nkind = \"webhook\"\nurl = \"{}\"",
        hangs.url(),
        untrusted.url()
    );
    let begun = Instant::now();
    let ran = place(&push).run(&["check", "--push"]).ended(0);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert!(ran.err.contains("warning: `slow` did not get the results"), "{}", ran.err);
    assert!(ran.err.contains("warning: `tls` did not get the results"), "{}", ran.err);
    assert!(ran.err.contains("certificate"), "{}", ran.err);
}

#[test]
fn others_read_our_openmetrics() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/witnesses/python-metrics/bin/python");
    assert!(Path::new(python).exists(), "{python} is not installed: run ci/test (or ci/witnesses) first");
    let mut child = Command::new(python)
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(hostile_openmetrics().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("probe 'p\"\\\\\\n{}=,é'") && said.contains("exemplar 32"), "{said}");
}

/// Reads the text with prometheus-client's own parser; names the probe and the exemplar it found.
const PARSER: &str = r#"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
sys.stdout.reconfigure(encoding="utf-8")
for family in text_string_to_metric_families(sys.stdin.buffer.read().decode()):
    for sample in family.samples:
        if sample.name == "probe_success":
            print("probe", repr(sample.labels["probe"]))
        if sample.exemplar:
            print("exemplar", len(sample.exemplar.labels["trace_id"]))
"#;

/// The text of a run whose names are made to break it.
fn hostile_openmetrics() -> String {
    let cause = Cause::new(Reason::Internal, "…");
    let mut outcome = ProbeOutcome::not_run("p\"\\\n{}=,é", "t\\", &BTreeMap::new(), cause);
    (outcome.cause, outcome.status) = (None, Status::Healthy);
    outcome.duration = Duration::from_millis(61);
    outcome.attempts =
        vec![AttemptOutcome { status: Status::Healthy, cause: None, duration: Duration::from_millis(61) }];
    outcome.steps = vec![StepOutcome {
        name: "x".into(),
        method: "tools/\"list\"\n".into(),
        status: Status::Healthy,
        cause: None,
        latency: Some(Duration::from_millis(42)),
        first_byte: None,
        request_bytes: 1,
        response_bytes: 1,
        checks: Vec::new(),
        place: None,
        span: Some(SpanContext::root()),
    }];
    Snapshot::of_runs(&[outcome], jiff::Timestamp::now()).text(Format::OpenMetrics)
}

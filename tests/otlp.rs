//! `kind = "otlp"`: what collectors of OpenTelemetry get, over HTTP and gRPC, and what becomes of it when they refuse. A real
//! collector takes it and hands it on; what arrives is decoded with the messages that OpenTelemetry publishes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "cli/place.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod place;
#[path = "stage/receiver.rs"]
mod receiver;
#[path = "stage/telemetry.rs"]
mod telemetry;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use place::{EXE, Place, Ran, finished};
use receiver::{Does, Receiver};
use serde_json::{Value, json};
use telemetry::{Telemetry, attribute, hex, installed, items, python, script};

/// A healthy probe and one that fails, of a server over stdio.
const PROBES: &str = "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\nlabels = { env = \"prod\" }\n\
    [[probe]]\nname = \"smoke\"\ntarget = \"demo\"\n[[probe.step]]\ntool = \"echo\"\narguments = { message = \"hi\" }\n\
    [[probe]]\nname = \"broken\"\ntarget = \"demo\"\n[[probe.step]]\nmethod = \"tools/list\"\n\
    [[probe.step]]\nname = \"no\"\nmethod = \"resources/read\"\nparams = { uri = \"no://such\" }\n";

fn place(push: &str) -> Place {
    Place::new().with("mcp-probe.toml", &format!("{PROBES}[[push]]\nkind = \"otlp\"\n{push}\n"))
}

fn check(place: &Place, arguments: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut command = place.command(EXE);
    command
        .env_remove("TRACEPARENT")
        .args(["check", "mcp-probe.toml", "--json"])
        .args(arguments)
        .envs(env.iter().copied());
    finished(&mut command)
}

fn metric<'a>(metrics: &'a [Value], name: &str) -> &'a Value {
    metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("no {name}: {metrics:#?}"))
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

/// Everything about the figures that a backend relies on.
fn see_metrics(metrics: &[Value], ran: &Ran) {
    let point = |metric: &Value, kind: &str, probe: &str| {
        let points = metric[kind]["data_points"].as_array().unwrap();
        points.iter().find(|point| attribute(point, "probe").as_deref() == Some(probe)).cloned()
    };
    let success = metric(metrics, "probe.success");
    let of = |probe: &str| point(success, "gauge", probe).unwrap()["as_double"].as_f64().unwrap();
    assert_eq!((of("smoke"), of("broken")), (1.0, 0.0));
    let labelled = point(success, "gauge", "smoke").unwrap();
    assert_eq!(attribute(&labelled, "env").as_deref(), Some("prod"));
    let runs = metric(metrics, "mcp_probe.runs");
    assert_eq!(runs["sum"]["aggregation_temporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
    assert_eq!(runs["sum"]["is_monotonic"], true);
    let failed = point(runs, "sum", "broken").unwrap();
    assert_eq!((failed["as_int"].as_str(), attribute(&failed, "reason").as_deref()), (Some("1"), Some("rpc_error")));
    assert!(number(&failed["start_time_unix_nano"]) > 1_700_000_000_000_000_000);
    assert!(number(&failed["start_time_unix_nano"]) <= number(&failed["time_unix_nano"]));
    assert_eq!(metric(metrics, "probe.duration")["unit"], "s");

    let operation = metric(metrics, "mcp.client.operation.duration");
    assert_eq!(operation["unit"], "s");
    assert_eq!(operation["histogram"]["aggregation_temporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
    let points = operation["histogram"]["data_points"].as_array().unwrap();
    let call = points.iter().find(|point| attribute(point, "mcp.method.name").as_deref() == Some("tools/call"));
    let call = call.unwrap_or_else(|| panic!("{points:#?}"));
    assert_eq!(attribute(call, "network.transport").as_deref(), Some("pipe"));
    assert_eq!(attribute(call, "error.type"), None);
    assert_eq!(
        call["explicit_bounds"],
        json!([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0])
    );
    let counts: Vec<u64> = call["bucket_counts"].as_array().unwrap().iter().map(number).collect();
    assert_eq!((counts.len(), counts.iter().sum::<u64>(), number(&call["count"])), (15, 1, 1));
    let took = ran.json()["probes"][0]["steps"][0]["latency_ms"].as_f64().unwrap() / 1000.0;
    assert!((call["sum"].as_f64().unwrap() - took).abs() < 1e-6, "{call} {took}");
    let failed = points.iter().find(|point| attribute(point, "error.type").is_some());
    assert_eq!(attribute(failed.unwrap(), "mcp.method.name").as_deref(), Some("resources/read"));
}

/// Names, kinds, ids and parents of the spans, against what the report says.
fn see_traces(spans: &[Value], ran: &Ran) {
    let report = ran.json();
    for (probe, failed) in [("smoke", false), ("broken", true)] {
        let named = |name: &str| -> Vec<&Value> {
            let of_probe =
                |span: &&Value| span["name"] == name && attribute(span, "probe").is_none_or(|of| of == probe);
            spans.iter().filter(of_probe).collect()
        };
        let root = named(&format!("probe {probe} demo"))[0];
        assert_eq!((&root["kind"], &root["flags"]), (&json!("SPAN_KIND_INTERNAL"), &json!(1)));
        assert!(root.get("parent_span_id").is_none(), "{root}");
        assert_eq!(root["status"]["code"] == "STATUS_CODE_ERROR", failed);
        assert_eq!(attribute(root, "error.type").as_deref(), failed.then_some("rpc_error"));
        let told = report["probes"].as_array().unwrap().iter().find(|told| told["name"] == probe).unwrap();
        assert_eq!(hex(&root["trace_id"]), told["steps"][0]["trace_id"].as_str().unwrap());
        let children: Vec<&Value> = spans.iter().filter(|span| span["parent_span_id"] == root["span_id"]).collect();
        let names: Vec<&str> = children.iter().map(|span| span["name"].as_str().unwrap()).collect();
        let wanted = if failed { "resources/read" } else { "tools/call echo" };
        for name in ["server/discover", "tools/list", wanted, "spawn", "close"] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        for child in &children {
            assert_eq!(child["trace_id"], root["trace_id"]);
            let (start, end) = (number(&child["start_time_unix_nano"]), number(&child["end_time_unix_nano"]));
            assert!(number(&root["start_time_unix_nano"]) <= start && start <= end, "{child}");
            assert!(end <= number(&root["end_time_unix_nano"]), "{child} {root}");
        }
        let call = children.iter().find(|span| span["name"] == wanted).unwrap();
        assert_eq!(call["kind"], "SPAN_KIND_CLIENT");
        let is = |key: &str| attribute(call, key);
        assert_eq!(is("mcp.protocol.version").as_deref(), Some("2026-07-28"));
        assert_eq!(is("network.transport").as_deref(), Some("pipe"));
        assert!(is("jsonrpc.request.id").is_some());
        if failed {
            let code = is("rpc.response.status_code").unwrap();
            assert_eq!(is("error.type").as_deref(), Some(code.as_str()), "the code of JSON-RPC");
            assert_eq!(call["status"]["code"], "STATUS_CODE_ERROR");
        } else {
            assert_eq!(is("gen_ai.tool.name").as_deref(), Some("echo"));
            assert_eq!(is("gen_ai.operation.name").as_deref(), Some("execute_tool"));
            assert!(call.get("status").is_none_or(|status| status == &json!({})), "{call}");
        }
    }
    let ids: std::collections::BTreeSet<String> = spans.iter().map(|span| hex(&span["span_id"])).collect();
    assert_eq!(ids.len(), spans.len(), "no id stands twice");
}

/// Records of messages carry the ids of the spans.
fn see_logs(records: &[Value], spans: &[Value]) {
    let sent: Vec<&Value> =
        records.iter().filter(|record| attribute(record, "direction").as_deref() == Some("sent")).collect();
    assert!(sent.len() >= 5, "{records:#?}");
    let echo = sent.iter().find(|record| attribute(record, "method").as_deref() == Some("tools/call")).unwrap();
    let span = spans.iter().find(|span| span["span_id"] == echo["span_id"]).expect("the span of the message");
    assert_eq!((span["name"].as_str(), &span["trace_id"]), (Some("tools/call echo"), &echo["trace_id"]));
    assert_eq!(echo["severity_number"], "SEVERITY_NUMBER_INFO");
    assert_eq!(echo["body"]["string_value"], "sent tools/call", "no payload unless it is asked for");
    assert_eq!(echo["event_name"], "mcp_probe.message");
    let broken = records.iter().find(|record| attribute(record, "reason").as_deref() == Some("rpc_error")).unwrap();
    assert_eq!(broken["severity_number"], "SEVERITY_NUMBER_WARN");
}

#[test]
fn every_signal_arrives_over_http_and_grpc() {
    let telemetry = Telemetry::start(&[]);
    for (via, url, protocol) in
        [("http", telemetry.http_url(), "http/protobuf"), ("grpc", telemetry.grpc_url(), "grpc")]
    {
        for compression in ["none", "gzip"] {
            let before = telemetry.came().len();
            let place = place(&format!(
                "url = \"{url}\"\nprotocol = \"{protocol}\"\ncompression = \"{compression}\"\n\
                 signals = [\"metrics\", \"traces\", \"logs\"]\nheaders = {{ x-tenant = \"t1\" }}\n\
                 auth = {{ bearer = \"${{TOKEN}}\" }}"
            ));
            let ran = check(&place, &["--push"], &[("TOKEN", "canary-of-a-token")]).ended(5);
            assert!(
                !ran.err.contains("warning") && !format!("{}{}", ran.out, ran.err).contains("canary"),
                "{}",
                ran.err
            );
            let came = telemetry.until("three requests", |came| came.len() >= before + 3)[before..].to_vec();
            for request in &came {
                assert_eq!(request["via"], via);
                assert_eq!(request["headers"]["x-tenant"], "t1");
                assert_eq!(request["headers"]["authorization"], "Bearer canary-of-a-token");
                let resources = request["message"].as_object().unwrap().values().next().unwrap();
                let resource = &resources[0]["resource"];
                assert_eq!(attribute(resource, "service.name").as_deref(), Some("mcp-probe"));
                assert_eq!(attribute(resource, "service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
                assert_eq!(attribute(resource, "service.instance.id").map(|id| id.len()), Some(36));
                assert_eq!(attribute(resource, "host.name"), None);
            }
            see_metrics(&items(&came, "metrics"), &ran);
            let spans = items(&came, "traces");
            see_traces(&spans, &ran);
            see_logs(&items(&came, "logs"), &spans);
        }
    }
}

#[test]
fn payloads_are_sent_where_they_are_asked_for_and_masked() {
    let telemetry = Telemetry::start(&[]);
    let text = format!(
        "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\nenv = {{ KEY = \"${{SECRET}}\" }}\n\
         [[probe]]\nname = \"smoke\"\ntarget = \"demo\"\n[[probe.step]]\ntool = \"echo\"\n\
         arguments = {{ message = \"canary-of-a-secret\" }}\n\
         [[push]]\nkind = \"otlp\"\nurl = \"{}\"\nsignals = \"logs\"\npayloads = true\n",
        telemetry.http_url()
    );
    let place = Place::new().with("mcp-probe.toml", &text);
    check(&place, &["--push"], &[("SECRET", "canary-of-a-secret")]).ended(0);
    let came = telemetry.until("a request", |came| !came.is_empty());
    assert!(!format!("{came:?}").contains("canary"), "{came:#?}");
    let bodies: Vec<String> = items(&came, "logs")
        .iter()
        .filter_map(|record| record["body"]["string_value"].as_str().map(str::to_owned))
        .collect();
    assert!(bodies.iter().any(|body| body.contains("\"method\":\"tools/call\"") && body.contains("***")), "{bodies:?}");
    assert!(came.iter().all(|request| request["signal"] == "logs"));
}

#[test]
fn without_a_url_the_environment_says_where_and_how() {
    let (all, own) = (Telemetry::start(&[]), Telemetry::start(&[]));
    // A child that tells which variables it has: none of the secret ones.
    let text = "[target.demo]\ncommand = [\"sh\", \"-c\", \"env > seen.txt; exec EXE demo\"]\n\
                [[probe]]\nname = \"smoke\"\ntarget = \"demo\"\n[[push]]\nkind = \"otlp\"\n";
    let place = Place::new().with("mcp-probe.toml", text);
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", all.http_url()),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", own.grpc_url()),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc".to_owned()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=canary%20key".to_owned()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned()),
        ("OTEL_SERVICE_NAME", "our-probes".to_owned()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod".to_owned()),
    ];
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ran = check(&place, &["--push"], &env).ended(0);
    assert!(!format!("{}{}", ran.out, ran.err).contains("canary"), "{}{}", ran.out, ran.err);
    let seen = std::fs::read_to_string(place.path("seen.txt")).unwrap();
    assert!(seen.contains("OTEL_SERVICE_NAME=") && !seen.contains("canary"), "{seen}");
    let metrics = all.until("metrics", |came| came.len() == 1);
    assert_eq!((&metrics[0]["path"], &metrics[0]["signal"]), (&json!("/v1/metrics"), &json!("metrics")));
    assert_eq!(metrics[0]["headers"]["api-key"], "canary key");
    assert_eq!(metrics[0]["headers"]["content-encoding"], "gzip");
    let resource = &metrics[0]["message"]["resource_metrics"][0]["resource"];
    assert_eq!(attribute(resource, "service.name").as_deref(), Some("our-probes"));
    assert_eq!(attribute(resource, "deployment.environment.name").as_deref(), Some("prod"));
    let traces = own.until("traces", |came| came.len() == 1);
    assert_eq!((&traces[0]["via"], &traces[0]["signal"]), (&json!("grpc"), &json!("traces")));

    let disabled: Vec<(&str, &str)> = env.iter().copied().chain([("OTEL_SDK_DISABLED", "TRUE")]).collect();
    check(&place, &["--require-push"], &disabled).ended(0);
    assert_eq!((all.came().len(), own.came().len()), (1, 1), "nothing is sent");
    let wrong = check(&place, &["--push"], &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]).ended(2);
    assert!(wrong.err.contains("OTEL_EXPORTER_OTLP_PROTOCOL: expected"), "{}", wrong.err);
}

#[test]
fn a_part_that_is_not_taken_is_a_warning_and_never_sent_again() {
    let telemetry = Telemetry::start(&["--partial", "2"]);
    for (url, protocol) in [(telemetry.http_url(), "http/protobuf"), (telemetry.grpc_url(), "grpc")] {
        let before = telemetry.came().len();
        let place = place(&format!("url = \"{url}\"\nprotocol = \"{protocol}\""));
        let ran = check(&place, &["--require-push"], &[]).ended(5);
        assert!(ran.err.contains("`otlp` did not take all of the results"), "{}", ran.err);
        assert!(ran.err.contains("2 of what was sent were not taken: not all of it"), "{}", ran.err);
        assert_eq!(telemetry.came().len() - before, 2, "each signal once");
    }
}

#[test]
fn grpc_is_tried_again_only_where_that_may_help() {
    for (status, tries) in [("UNAVAILABLE", 3), ("INVALID_ARGUMENT", 1), ("RESOURCE_EXHAUSTED", 1)] {
        let telemetry = Telemetry::start(&["--grpc-status", status]);
        let place = Place::new().with(
            "mcp-probe.toml",
            &format!(
                "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\n[[push]]\nkind = \"otlp\"\nsignals = \"metrics\"\n\
                 protocol = \"grpc\"\nrequired = true\nurl = \"{}\"\n",
                telemetry.grpc_url()
            ),
        );
        let ran = check(&place, &["--push"], &[]).ended(7);
        assert!(ran.err.contains("told to refuse"), "{}", ran.err);
        assert_eq!(telemetry.came().len(), tries, "{status}");
    }
}

#[test]
fn http_is_tried_again_only_after_the_statuses_that_say_so() {
    let receiver = Receiver::start(|_| receiver::ok(""));
    let text = format!(
        "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\n[[push]]\nkind = \"otlp\"\nsignals = \"metrics\"\n\
         required = true\nurl = \"{}\"\nheaders = {{ x-key = \"${{KEY}}\" }}\n",
        receiver.url()
    );
    let place = Place::new().with("mcp-probe.toml", &text);
    for (head, tries) in [
        ("400 Bad Request", 1),
        ("401 Unauthorized", 1),
        ("404 Not Found", 1),
        ("408 Request Timeout", 1),
        ("500 Internal Server Error", 1),
        ("502 Bad Gateway", 3),
        ("503 Service Unavailable\r\nRetry-After: 0", 3),
        ("504 Gateway Timeout", 3),
        ("429 Too Many Requests\r\nRetry-After: 1", 3),
    ] {
        let before = receiver.received().len();
        receiver.rule(move |_| Does::Answer(head, "no, canary-of-a-key".to_owned()));
        let begun = Instant::now();
        let ran = check(&place, &["--push"], &[("KEY", "canary-of-a-key")]).ended(7);
        assert!(!format!("{}{}", ran.out, ran.err).contains("canary"), "{}", ran.err);
        assert_eq!(receiver.received().len() - before, tries, "{head}");
        assert!(!head.starts_with("429") || begun.elapsed() >= Duration::from_secs(2), "Retry-After is honoured");
    }
}

/// A certificate of this machine's loopback and one for us, of one authority; written as PEM files.
fn certificates(folder: &Path) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    for name in ["server", "me"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let cert = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), cert.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[test]
fn certificates_of_one_receiver() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let telemetry = Telemetry::start(&["--tls", &path("server.pem"), &path("server.key"), &path("ca.pem")]);
    for (port, protocol) in [(telemetry.http, "http/protobuf"), (telemetry.grpc, "grpc")] {
        let push = |tls: &str| {
            format!("url = \"https://127.0.0.1:{port}\"\nprotocol = \"{protocol}\"\nrequired = true\ntls = {tls}")
        };
        let before = telemetry.came().len();
        let mutual =
            format!("{{ ca = {:?}, cert = {:?}, key = {:?} }}", path("ca.pem"), path("me.pem"), path("me.key"));
        let ran = check(&place(&push(&mutual)), &["--push"], &[]).ended(5);
        assert!(!ran.err.contains("warning"), "{}", ran.err);
        assert_eq!(telemetry.until("both", |came| came.len() == before + 2).len(), before + 2);
        let nobody = format!("{{ ca = {:?} }}", path("ca.pem"));
        let ran = check(&place(&push(&nobody)), &["--push"], &[]).ended(5);
        assert!(ran.err.contains("did not get the results"), "without our certificate: {}", ran.err);
        let missing = format!("{{ ca = {:?} }}", path("none.pem"));
        let ran = check(&place(&push(&missing)), &["--push"], &[]).ended(5);
        assert!(ran.err.contains("none.pem cannot be read"), "{}", ran.err);
        assert_eq!(telemetry.came().len(), before + 2);
    }
    // By the variables of OpenTelemetry.
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://localhost:{}", telemetry.http)),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", path("ca.pem")),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path("me.pem")),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", path("me.key")),
    ];
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ran = check(&place(""), &["--push"], &env).ended(5);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}

/// A program that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn listening(address: &str) {
    let limit = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < limit, "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// rotel takes what we send and hands it on, and what it handed on is decoded.
#[test]
fn a_real_collector_takes_all_of_it_and_hands_it_on() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(&[]);
    let (http, grpc) = (free(), free());
    let python = installed("python-telemetry/lib");
    let version = std::fs::read_dir(python).unwrap().next().unwrap().unwrap().path();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let child = Command::new(version.join("site-packages/rotel/rotel-agent"))
        .args(["start", "--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc])
        .args(["--exporter", "otlp", "--otlp-exporter-protocol", "http"])
        .args(["--otlp-exporter-endpoint", &telemetry.http_url()])
        .args(["--log-file", &file("log"), "--pid-file", &file("pid")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ends = Ends(child);
    listening(&http);
    listening(&grpc);
    for (address, protocol) in [(&http, "http/protobuf"), (&grpc, "grpc")] {
        let before = telemetry.came().len();
        let place = place(&format!(
            "url = \"http://{address}\"\nprotocol = \"{protocol}\"\ncompression = \"gzip\"\n\
             signals = [\"metrics\", \"traces\", \"logs\"]\nrequired = true"
        ));
        let ran = check(&place, &["--push"], &[]).ended(5);
        assert!(!ran.err.contains("warning"), "{}", ran.err);
        let signals = ["metrics", "traces", "logs"];
        let came = telemetry.until("all three signals", |came| {
            signals.iter().all(|signal| came[before..].iter().any(|request| request["signal"] == *signal))
        });
        let came = &came[before..];
        see_metrics(&items(came, "metrics"), &ran);
        let spans = items(came, "traces");
        see_traces(&spans, &ran);
        see_logs(&items(came, "logs"), &spans);
    }
}

/// The spans of a server on the official SDK are children of ours, and the header says the same.
#[test]
fn the_spans_of_a_server_join_ours() {
    let telemetry = Telemetry::start(&[]);
    let address = free();
    let port = address.rsplit_once(':').unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    let served = folder.path().join("served.jsonl").display().to_string();
    let child = Command::new(python())
        .args([script("traced.py"), served.clone(), "streamable-http".into(), port.into()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ends = Ends(child);
    listening(&address);
    for era in ["legacy", "modern"] {
        for over_http in [false, true] {
            let spans = folder.path().join(format!("{era}-{over_http}.jsonl")).display().to_string();
            let reached = if over_http {
                format!("url = \"http://{address}/mcp\"")
            } else {
                format!("command = [{:?}, {:?}, {spans:?}, \"stdio\"]", python(), script("traced.py"))
            };
            let text = format!(
                "[target.traced]\n{reached}\nprotocol = \"{era}\"\n[[probe]]\nname = \"smoke\"\ntarget = \"traced\"\n\
                 [[probe.step]]\ntool = \"header\"\nallow_side_effects = true\n\
                 [[push]]\nkind = \"otlp\"\nsignals = \"traces\"\nrequired = true\nurl = \"{}\"\n",
                telemetry.http_url()
            );
            let before = telemetry.came().len();
            let place = Place::new().with("mcp-probe.toml", &text);
            let ran = check(&place, &["--push", "--trace", "wire.jsonl"], &[]).ended(0);
            let came = telemetry.until("our spans", |came| came.len() > before);
            let ours = items(&came[before..], "traces");
            let call = ours.iter().find(|span| span["name"] == "tools/call header").unwrap();
            let text = std::fs::read_to_string(if over_http { &served } else { &spans }).unwrap();
            let theirs: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let parent = hex(&call["span_id"]);
            let joined = theirs.iter().find(|span| span["parent_span_id"] == parent.as_str());
            let joined = joined.unwrap_or_else(|| panic!("{era} {over_http}: {parent} in {theirs:#?}; {}", ran.out));
            assert_eq!(joined["trace_id"], hex(&call["trace_id"]));
            assert_eq!((&joined["name"], &joined["kind"]), (&json!("tools/call header"), &json!("SERVER")));
            let wire = std::fs::read_to_string(place.path("wire.jsonl")).unwrap();
            let header = format!("00-{}-{parent}-01", hex(&call["trace_id"]));
            let said = if over_http { header.as_str() } else { "none" };
            assert!(
                wire.lines().any(|line| line.contains("\"direction\":\"received\"")
                    && line.contains(&format!("\"text\":\"{said}\""))),
                "{era} {over_http}: the header {said}: {wire}"
            );
        }
    }
}

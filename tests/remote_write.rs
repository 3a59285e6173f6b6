//! `kind = "remote_write"`: what Prometheus and `VictoriaMetrics` take is asked back from them, the end of series included; of
//! remote write 2.0, which no receiver here knows, the messages are decoded by other code, and the way back to 1.0 is shown on
//! the real Prometheus.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "cli/place.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod place;
#[path = "stage/receiver.rs"]
mod receiver;
#[path = "push/served.rs"]
mod served;
#[path = "stage/telemetry.rs"]
mod telemetry;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mcp_probe::base::secret::{Masker, Secret};
use mcp_probe::config::receiver::{Filled, Settings};
use mcp_probe::deliver::{Courier, Receipt};
use mcp_probe::event::{Cause, ProbeOutcome, Reason, Status};
use mcp_probe::metrics::Snapshot;
use mcp_probe::metrics::push::{Encoder, Next, Occasion, compile};
use place::{EXE, Place, Ran, finished};
use receiver::{Does, Receiver, ok};
use serde_json::{Value, json};
use served::{Served, get};
use telemetry::Telemetry;
use tokio_util::sync::CancellationToken;

fn prometheus() -> Served {
    Served::start(
        "prometheus",
        &[
            "--config.file=FOLDER/prometheus.yml",
            "--storage.tsdb.path=FOLDER/data",
            "--web.listen-address=ADDRESS",
            "--web.enable-remote-write-receiver",
        ],
        "/-/ready",
        &[("prometheus.yml", "")],
    )
}

fn victoria() -> Served {
    let arguments = ["-storageDataPath=FOLDER/data", "-httpListenAddr=ADDRESS", "-search.latencyOffset=0s"];
    Served::start("victoria-metrics", &arguments, "/health", &[])
}

/// The series of an instant query: labels and value.
fn query(served: &Served, query: &str, at: Option<Timestamp>) -> Vec<(Value, String)> {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970")]
    let at = at.map_or(String::new(), |at| format!("&time={}", at.as_millisecond() as f64 / 1000.0));
    let (code, text) = get(&format!("{}/api/v1/query?query={query}{at}&nocache=1", served.url()));
    assert_eq!(code, 200, "{text}");
    // Answers may come in chunks; what counts is the one document in them.
    let document = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
    let document: Value = serde_json::from_str(document).unwrap_or_else(|error| panic!("{error}: {text}"));
    let series = document["data"]["result"].as_array().unwrap().iter();
    series.map(|one| (one["metric"].clone(), one["value"][1].as_str().unwrap().to_owned())).collect()
}

/// The same, once it is as wanted.
fn until(served: &Served, asked: &str, at: Option<Timestamp>, wanted: impl Fn(&[(Value, String)]) -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let found = query(served, asked, at);
        if wanted(&found) {
            return;
        }
        assert!(Instant::now() < limit, "{asked}: {found:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn place(push: &str) -> Place {
    let text = format!(
        "[target.demo]\ncommand = [\"mcp-probe\", \"demo\"]\nlabels = {{ env = \"prod\" }}\n\
         [[probe]]\nname = \"smoke\"\ntarget = \"demo\"\n[[probe.step]]\nmethod = \"tools/list\"\n\
         [[push]]\nkind = \"remote_write\"\n{push}\n"
    );
    Place::new().with("mcp-probe.toml", &text)
}

fn check(place: &Place, env: &[(&str, &str)]) -> Ran {
    finished(place.command(EXE).args(["check", "mcp-probe.toml", "--push"]).envs(env.iter().copied()))
}

#[test]
fn what_a_run_found_is_in_prometheus_and_the_run_says_that_it_does_not_last() {
    for (served, path) in [(prometheus(), "/api/v1/write"), (victoria(), "/api/v1/write")] {
        let push =
            format!("url = \"{}{path}\"\nlabels = {{ site = \"eu\", env = \"outer\" }}\nrequired = true", served.url());
        let ran = check(&place(&push), &[]).ended(0);
        assert!(ran.err.contains("samples of one run are gone from queries after 5 minutes"), "{}", ran.err);
        assert!(!ran.err.contains("did not get"), "{}", ran.err);
        until(&served, "probe_success", None, |found| found.len() == 1);
        let (labels, value) = query(&served, "probe_success", None).remove(0);
        assert_eq!(value, "1");
        assert_eq!(
            labels,
            json!({"__name__": "probe_success", "probe": "smoke", "target": "demo", "env": "prod", "site": "eu"})
        );
        assert!(query(&served, "mcp_probe_runs_total", None).is_empty(), "counts of one run say nothing");
    }
}

fn outcome(target: &str) -> ProbeOutcome {
    let mut outcome = ProbeOutcome::not_run("smoke", target, &BTreeMap::new(), Cause::new(Reason::Internal, ""));
    outcome.status = Status::Healthy;
    outcome.cause = None;
    outcome
}

fn encoder(url: &str, version: &str) -> Box<dyn Encoder> {
    let text = |value: &str| Filled::Text(Secret::new(value));
    let settings = BTreeMap::from([("url", text(url)), ("version", text(version))]);
    compile("remote_write", "w", &Settings::new(settings)).unwrap()
}

/// Pushes the figures of these targets at a moment, as `watch` does.
async fn push(encoder: &mut dyn Encoder, targets: &[&str], at: Timestamp, occasion: Occasion) -> Receipt {
    let begun = at - Duration::from_secs(1);
    let outcomes: Vec<ProbeOutcome> =
        targets.iter().map(|target| ProbeOutcome { started_at: begun, ..outcome(target) }).collect();
    let snapshot = Snapshot::of_runs(&outcomes, at);
    let courier = Courier::new(Masker::default());
    for _ in 0..2 {
        for payload in &encoder.encode(&snapshot, occasion) {
            let receipt = courier.send(payload, &CancellationToken::new()).await;
            if encoder.heard(&receipt) == Next::AsReceived {
                return receipt;
            }
        }
    }
    panic!("it wants another form for ever");
}

#[tokio::test]
async fn series_end_where_they_vanish_and_with_the_daemon() {
    for served in [prometheus(), victoria()] {
        let mut encoder = encoder(&format!("{}/api/v1/write", served.url()), "1.0");
        let begin = Timestamp::now() - Duration::from_secs(100);
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let alive = |found: &[(Value, String)]| -> Vec<String> {
            let mut names: Vec<String> =
                found.iter().map(|(labels, _)| labels["target"].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(push(&mut *encoder, &["a", "b"], at(0), Occasion::Interval).await, Receipt::Delivered);
        assert_eq!(push(&mut *encoder, &["a"], at(15), Occasion::Interval).await, Receipt::Delivered);
        assert_eq!(push(&mut *encoder, &["a"], at(30), Occasion::Last).await, Receipt::Delivered);
        until(&served, "probe_success", Some(at(5)), |found| alive(found) == ["a", "b"]);
        // Without a marker it would live for five minutes more.
        until(&served, "probe_success", Some(at(20)), |found| alive(found) == ["a"]);
        until(&served, "probe_success", Some(at(40)), <[_]>::is_empty);
        // Counts are there, too, and a histogram by its parts.
        until(&served, "mcp_probe_runs_total", Some(at(5)), |found| found.len() == 2);
    }
}

#[tokio::test]
async fn the_second_form_gives_way_to_the_first_where_nobody_knows_it() {
    let served = prometheus();
    let url = format!("{}/api/v1/write", served.url());
    let mut auto = encoder(&url, "auto");
    let now = Timestamp::now();
    // This Prometheus says 204 and writes nothing: it knows none of the fields.
    assert_eq!(push(&mut *auto, &["a"], now, Occasion::Interval).await, Receipt::Delivered);
    until(&served, "probe_success{target='a'}", None, |found| found.len() == 1);
    let mut strict = encoder(&url, "2.0");
    let receipt = push(&mut *strict, &["b"], now, Occasion::Interval).await;
    let Receipt::Refused { why, status: Some(415) } = receipt else { panic!("{receipt:?}") };
    assert!(why.contains("x-prometheus-remote-write-samples-written"), "{why}");
    assert!(query(&served, "probe_success{target='b'}", None).is_empty());
    // And it remembers.
    let receiver = Receiver::start(|_| Does::Answer("415 Unsupported Media Type", String::new()));
    let mut auto = encoder(&receiver.url(), "auto");
    assert!(matches!(push(&mut *auto, &["a"], now, Occasion::Interval).await, Receipt::Refused { .. }));
    receiver.rule(|_| ok(""));
    assert_eq!(push(&mut *auto, &["a"], now, Occasion::Interval).await, Receipt::Delivered);
    let versions: Vec<String> = receiver
        .received()
        .iter()
        .map(|came| came.header("x-prometheus-remote-write-version").unwrap().to_owned())
        .collect();
    assert_eq!(versions, ["2.0.0", "0.1.0", "0.1.0"]);
}

/// A series of a decoded message by its name: labels and the series.
fn found(series: &[(Vec<(String, String)>, Value)], name: &str) -> (Vec<(String, String)>, Value) {
    let is_it = |(labels, _): &&(Vec<(String, String)>, Value)| {
        labels.iter().any(|(key, value)| key == "__name__" && value == name)
    };
    series.iter().find(is_it).unwrap_or_else(|| panic!("no {name}")).clone()
}

#[tokio::test]
async fn messages_of_both_forms_are_what_the_specifications_say() {
    let telemetry = Telemetry::start(&[]);
    let now = Timestamp::now();
    for (version, content_type, said) in [
        ("1.0", "application/x-protobuf", "0.1.0"),
        ("2.0", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    ] {
        let before = telemetry.came().len();
        let mut encoder = encoder(&format!("{}/api/v1/write", telemetry.http_url()), version);
        assert_eq!(push(&mut *encoder, &["a"], now, Occasion::Interval).await, Receipt::Delivered);
        let came = telemetry.until("a request", |came| came.len() > before)[before].clone();
        let headers = &came["headers"];
        assert_eq!(headers["content-type"], content_type);
        assert_eq!(headers["content-encoding"], "snappy");
        assert_eq!(headers["x-prometheus-remote-write-version"], said);
        assert!(headers["user-agent"].as_str().unwrap().starts_with("mcp-probe/"));
        let message = &came["message"];
        let symbols: Vec<&str> =
            message["symbols"].as_array().into_iter().flatten().map(|symbol| symbol.as_str().unwrap()).collect();
        let symbol = |number: &Value| symbols[usize::try_from(number.as_u64().unwrap()).unwrap()].to_owned();
        let series: Vec<(Vec<(String, String)>, Value)> = message["timeseries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|series| {
                let labels = if version == "1.0" {
                    let label = |label: &Value| {
                        (label["name"].as_str().unwrap().to_owned(), label["value"].as_str().unwrap().to_owned())
                    };
                    series["labels"].as_array().unwrap().iter().map(label).collect()
                } else {
                    let refs = series["labels_refs"].as_array().unwrap();
                    refs.chunks(2).map(|pair| (symbol(&pair[0]), symbol(&pair[1]))).collect::<Vec<_>>()
                };
                (labels, series.clone())
            })
            .collect();
        for (labels, series) in &series {
            assert!(labels.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted and unique: {labels:?}");
            assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()), "{labels:?}");
            assert_eq!(series["samples"].as_array().unwrap().len(), 1);
            assert_eq!(series["samples"][0]["timestamp"], now.as_millisecond().to_string());
        }
        let (_, success) = found(&series, "probe_success");
        assert_eq!(success["samples"][0]["value"], 1.0);
        let (_, runs) = found(&series, "mcp_probe_runs_total");
        if version == "2.0" {
            assert_eq!(symbols[0], "");
            let unique: std::collections::BTreeSet<&&str> = symbols.iter().collect();
            assert_eq!(unique.len(), symbols.len(), "each text once");
            assert_eq!((&success["metadata"]["type"], &runs["metadata"]["type"]), (&json!(2), &json!(1)));
            assert!(symbol(&success["metadata"]["help_ref"]).starts_with("Whether the last run"));
            let started: i64 = runs["samples"][0]["start_timestamp"].as_str().unwrap().parse().unwrap();
            assert!(started > 0 && started <= now.as_millisecond(), "{runs}");
            assert!(success["samples"][0].get("start_timestamp").is_none(), "a gauge has no start");
        } else {
            assert!(symbols.is_empty());
        }
    }
}

#[test]
fn only_429_and_5xx_are_tried_again_and_no_secret_is_told() {
    let receiver = Receiver::start(|_| ok(""));
    let place = place(&format!(
        "url = \"{}/write\"\nheaders = {{ X-Scope-OrgID = \"${{KEY}}\" }}\nauth = {{ bearer = \"${{TOKEN}}\" }}\nrequired = true",
        receiver.url()
    ));
    for (head, tries, code) in [
        ("400 Bad Request", 1, 7),
        ("404 Not Found", 1, 7),
        ("408 Request Timeout", 1, 7),
        ("409 Conflict", 1, 7),
        ("413 Too Large", 1, 7),
        ("429 Too Many Requests\r\nRetry-After: 0", 3, 7),
        ("500 Internal Server Error", 3, 7),
        ("503 Service Unavailable", 3, 7),
        ("204 No Content", 1, 0),
    ] {
        let before = receiver.received().len();
        receiver.rule(move |_| Does::Answer(head, "out of order, canary-key, canary-token".to_owned()));
        let ran = check(&place, &[("KEY", "canary-key"), ("TOKEN", "canary-token")]).ended(code);
        assert!(!format!("{}{}", ran.out, ran.err).contains("canary"), "{}", ran.err);
        let came = receiver.received().split_off(before);
        assert_eq!(came.len(), tries, "{head}");
        assert_eq!(came[0].header("authorization"), Some("Bearer canary-token"));
        assert_eq!(came[0].header("x-scope-orgid"), Some("canary-key"));
    }
}

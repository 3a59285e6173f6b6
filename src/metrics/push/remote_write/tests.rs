//! What is written, and what is remembered between two pushes.

use std::collections::BTreeMap;

use super::*;
use crate::config::receiver::Filled;
use crate::event::{Cause, ProbeOutcome, Reason, Status};

fn settings(more: &[(&'static str, Filled)]) -> Settings {
    let url = Filled::Text(Secret::new("http://127.0.0.1:9090/api/v1/write"));
    Settings::new([("url", url)].into_iter().chain(more.iter().cloned()).collect())
}

fn text(value: &str) -> Filled {
    Filled::Text(Secret::new(value))
}

fn table(name: &str, value: &str) -> Filled {
    Filled::Table(vec![(name.to_owned(), Secret::new(value))])
}

fn snapshot(targets: &[&str], second: i64) -> Snapshot {
    let outcome = |target: &&str| {
        let mut outcome = ProbeOutcome::not_run("smoke", target, &BTreeMap::new(), Cause::new(Reason::Internal, ""));
        outcome.status = Status::Healthy;
        outcome.cause = None;
        outcome
    };
    let outcomes: Vec<ProbeOutcome> = targets.iter().map(outcome).collect();
    Snapshot::of_runs(&outcomes, Timestamp::from_second(second).unwrap())
}

fn made(more: &[(&'static str, Filled)]) -> RemoteWrite {
    let settings = settings(more);
    // What `compile` gives cannot be looked into.
    assert!(compile(&settings).is_ok());
    RemoteWrite {
        url: settings.needed("url").unwrap().clone(),
        headers: Vec::new(),
        outer: settings.table("labels").iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(),
        tls: None,
        timeout: TIMEOUT_USUAL,
        form: Form::Two,
        is_auto: true,
        known: HashSet::new(),
        gone: Vec::new(),
        last: None,
    }
}

fn success(series: &[TimeSeries], target: &str) -> Option<Vec<(u64, i64)>> {
    let is_it = |series: &&TimeSeries| {
        let labels: BTreeMap<&str, &str> = flat::labels(&series.key).collect();
        labels["__name__"] == "probe_success" && labels["target"] == target
    };
    let found = series.iter().find(is_it)?;
    Some(found.samples.iter().map(|(value, at)| (value.to_bits(), at)).collect())
}

const ONE: u64 = 0x3ff0_0000_0000_0000;
const END: u64 = 0x7ff0_0000_0000_0002;

#[test]
fn what_vanishes_is_ended_once_and_at_the_end_everything_is() {
    let mut write = made(&[]);
    let both = write.series(&snapshot(&["a", "b"], 10), Occasion::Interval);
    assert_eq!(success(&both, "b"), Some(vec![(ONE, 10_000)]));
    let one = snapshot(&["a"], 25);
    for _ in 0..2 {
        // Asked for again, in another form.
        let gone = write.series(&one, Occasion::Interval);
        assert_eq!(success(&gone, "a"), Some(vec![(ONE, 25_000)]));
        assert_eq!(success(&gone, "b"), Some(vec![(END, 25_000)]));
    }
    let later = write.series(&snapshot(&["a"], 40), Occasion::Interval);
    assert_eq!((success(&later, "a"), success(&later, "b")), (Some(vec![(ONE, 40_000)]), None));
    let last = write.series(&snapshot(&["a"], 55), Occasion::Last);
    assert_eq!(success(&last, "a"), Some(vec![(ONE, 55_000), (END, 55_001)]));
    let run = made(&[]).series(&snapshot(&["a"], 10), Occasion::Run);
    assert!(run.iter().all(|series| series.samples.iter().all(|(value, _)| value.to_bits() != END)));
    assert!(run.iter().all(|series| !series.key.contains("_total")), "counts of one run say nothing");
}

#[test]
fn labels_are_sorted_and_unique_and_none_is_empty() {
    let mut write = made(&[("labels", table("target", "outer")), ("version", text("auto"))]);
    write.outer.push(("site".into(), "eu".into()));
    write.outer.push(("void".into(), String::new()));
    for series in write.series(&snapshot(&["a\0b"], 1), Occasion::Interval) {
        let names: Vec<&str> = flat::labels(&series.key).map(|(name, _)| name).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        assert!(names.contains(&"__name__") && names.contains(&"site") && !names.contains(&"void"));
        assert!(flat::labels(&series.key).all(|(_, value)| !value.is_empty()));
        if series.key.contains("probe_success") {
            assert!(series.key.contains("target\0a\u{fffd}b\0"), "the series' own label wins: {:?}", series.key);
        }
    }
}

#[test]
fn a_receiver_that_does_not_know_the_second_form_gets_the_first() {
    let mut write = made(&[]);
    let snapshot = snapshot(&["a"], 1);
    let version = |payloads: &[Payload]| {
        let Payload::Http(http) = &payloads[0] else { panic!() };
        let of = |name: &str| http.headers.iter().find(|(have, _)| have == name).unwrap().1.reveal().to_owned();
        (of("X-Prometheus-Remote-Write-Version"), of("Content-Type"))
    };
    assert_eq!(version(&write.encode(&snapshot, Occasion::Interval)), ("2.0.0".into(), v2::CONTENT_TYPE.into()));
    let refused = |status| Receipt::Refused { why: String::new(), status: Some(status) };
    assert_eq!(write.heard(&refused(400)), Next::AsReceived);
    assert_eq!(write.heard(&refused(415)), Next::Again);
    assert_eq!(version(&write.encode(&snapshot, Occasion::Interval)).0, "0.1.0");
    assert_eq!(write.heard(&refused(415)), Next::AsReceived, "there is no third one");
}

/// The message of a request.
fn message(payload: &Payload) -> Vec<u8> {
    let Payload::Http(request) = payload else { panic!() };
    snap::raw::Decoder::new().decompress_vec(&request.body).unwrap()
}

#[test]
fn what_waited_in_the_second_form_is_sent_in_the_first_to_those_who_know_no_other() {
    let mut write = made(&[("labels", table("site", "eu"))]);
    let last = snapshot(&["a", "b"], 10);
    let waited = write.encode(&last, Occasion::Last).remove(0);
    let Payload::Http(second) = write.fitted(waited.clone()) else { panic!() };
    assert_eq!(Payload::Http(second.clone()), waited, "nobody said that it is not known");
    // What was on disk comes in a letter that asks for no more than a status.
    let from_disk = Payload::Http(HttpPayload { accept: Accept::Status, ..second });
    assert_eq!(write.fitted(from_disk.clone()), waited, "a receiver that writes nothing has not got it");
    write.form = Form::One;
    let fitted = write.fitted(from_disk);
    let anew = write.encode(&last, Occasion::Last).remove(0);
    assert_eq!(message(&fitted), message(&anew), "every sample and marker, and every label");
    assert_eq!(write.fitted(fitted.clone()), fitted);
    let (Payload::Http(fitted), Payload::Http(anew)) = (fitted, anew) else { panic!() };
    assert_eq!((fitted.headers, fitted.accept), (anew.headers.clone(), Accept::Status));
    let two = (VERSION.to_owned(), Secret::new(v2::VERSION));
    let broken = Payload::Http(HttpPayload { body: b"broken".to_vec(), headers: vec![two], ..anew });
    let Payload::Http(fitted) = write.fitted(broken) else { panic!() };
    assert_eq!(fitted.body, b"broken");
}

#[test]
fn what_the_protocol_has_for_itself_is_refused() {
    for (more, why) in [
        (("headers", table("Content-Encoding", "gzip")), "the protocol's own"),
        (("headers", table("x-prometheus-remote-write-version", "3")), "the protocol's own"),
        (("version", text("3.0")), "expected \"1.0\""),
        (("labels", table("__name__", "x")), "no name of a label"),
        (("labels", table("a-b", "x")), "no name of a label"),
        (("every", Filled::Time(Duration::from_secs(121))), "at most \"2m\""),
    ] {
        let said = compile(&settings(std::slice::from_ref(&more))).err().unwrap();
        assert!(said.contains(why), "{said}");
    }
}

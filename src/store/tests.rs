//! The store against itself: what is read is what was written, and roll-ups tell what the runs tell.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::{Era, Latency, Reason, ServerIdentity, Status, TransportKind, Usage};

const BEGIN: &str = "2026-01-15T09:00:00Z";
const SECOND: i64 = 1_000_000;

fn begin() -> Timestamp {
    BEGIN.parse().unwrap()
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(begin().as_microsecond() + seconds * SECOND).unwrap()
}

pub(super) fn sample(probe: &str, target: &str, at: Timestamp, status: Status) -> Sample {
    let healthy = status == Status::Healthy;
    Sample {
        probe: probe.into(),
        target: target.into(),
        at,
        status,
        reason: (!healthy).then_some(Reason::Timeout),
        message: (!healthy).then(|| "expected an answer within 5s".to_owned()),
        duration: Duration::from_micros(12_345),
        latencies: vec![
            Latency { method: "tools/list".into(), took: Duration::from_micros(4_321), timed_out: false },
            Latency { method: "tools/call".into(), took: Duration::from_secs(5), timed_out: true },
        ],
        server: Some(ServerIdentity { name: "demo".into(), version: "1".into() }),
        protocol: Some(("2025-11-25".into(), Era::Legacy, TransportKind::StreamableHttp)),
        tools: Some(8),
        certificate_ends: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        tools_digest: None,
        token_ends: None,
        usage: Some(Usage { cpu: Duration::from_millis(7), resident_bytes: 1 << 20 }),
    }
}

pub(super) struct Place {
    _folder: tempfile::TempDir,
    pub(super) path: PathBuf,
}

pub(super) fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/history.sqlite");
    Place { _folder: folder, path }
}

pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_sample_is_read_as_it_was_written() {
    let place = place();
    let store = Store::open(&place.path).unwrap();
    let mut bare = sample("p", "t", at(15), Status::Healthy);
    (bare.server, bare.protocol, bare.tools, bare.usage, bare.certificate_ends) = (None, None, None, None, None);
    bare.latencies.clear();
    let written = [
        sample("p", "t", at(0), Status::Healthy),
        bare,
        sample("p", "t", at(30), Status::Failed),
        sample("q", "t", at(40), Status::Degraded),
        sample("p", "u", at(50), Status::Unknown),
    ];
    wait(async {
        for (number, sample) in written.iter().enumerate() {
            let transcript = (sample.status == Status::Failed).then(|| format!("{{\"n\":{number}}}"));
            store.record(sample.clone(), transcript).await.unwrap();
        }
        // Another of the same moment is no less a run.
        store.record(sample("p", "t", at(0), Status::Healthy), None).await.unwrap();
        store.flush().await.unwrap();
    });
    let reader = Reader::open(&place.path).unwrap();
    let all = reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, 100).unwrap();
    assert_eq!(all.len(), 6);
    let first: Vec<Sample> =
        all.iter().filter(|sample| sample.at != at(0) + Duration::from_micros(1)).cloned().collect();
    assert_eq!(first, written);
    assert_eq!(reader.latest(Some("p"), "t").unwrap().unwrap(), written[2]);
    let failures = reader.failures(Some("t"), None, Timestamp::MIN, 10).unwrap();
    assert_eq!(failures.len(), 2);
    assert_eq!((failures[0].sample.probe.as_str(), failures[0].transcript.as_deref()), ("q", None));
    assert_eq!(failures[1].transcript.as_deref(), Some("{\"n\":2}"));
    assert_eq!(reader.targets().unwrap(), ["t", "u"]);
    assert_eq!(reader.pairs().unwrap().len(), 3);
}

#[test]
fn alerts_and_messages_go_before_samples_that_wait() {
    let place = place();
    let store = Store::open(&place.path).unwrap();
    let (held, hold) = sync_channel::<()>(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = Arc::clone(&order);
        move |desk: &mut Desk| {
            let samples = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            let rows = desk.connection.query_row("SELECT count(*) FROM runs", [], samples).unwrap();
            order.lock().unwrap().push((what, rows));
            Ok(())
        }
    };
    wait(async {
        // The writer stands still until everything is in its queue.
        let (begins, begun) = oneshot::channel::<()>();
        let stand = store.ask(move |_| {
            let _ = begins.send(());
            let _ = hold.recv();
            Ok(())
        });
        let others = async {
            begun.await.unwrap();
            let samples = async {
                for second in 0..1000 {
                    store.record(sample("p", "t", at(second), Status::Healthy), None).await.unwrap();
                }
                store.ask(note("the samples")).await
            };
            let alert = store.commit_alerts(json!({"state": 1}), Vec::new(), Vec::new(), at(0));
            let release = async {
                let waits = |room: &Semaphore, all: usize, wanted: usize| all - room.available_permits() >= wanted;
                while !waits(&store.room, QUEUE, 1002) || !waits(&store.urgent_room, URGENT, 2) {
                    tokio::task::yield_now().await;
                }
                drop(held);
            };
            let (kept, told, noted, ()) = tokio::join!(samples, alert, store.ask_first(note("the alert")), release);
            kept.and(told).and(noted)
        };
        let (stood, done) = tokio::join!(stand, others);
        stood.and(done).unwrap();
    });
    let order = order.lock().unwrap().clone();
    assert_eq!(order, [("the alert", 0), ("the samples", 1000)]);
}

#[test]
fn alerts_messages_and_counters_come_back_after_a_restart() {
    let place = place();
    let message = |key: &str| OutboxMessage {
        channel: "ops".into(),
        key: key.into(),
        transition: "firing".into(),
        body: json!({"a": [1, 2]}),
        at: at(1),
    };
    let change = AlertChange {
        alert: "rate".into(),
        probe: "p".into(),
        target: "t".into(),
        state: "firing",
        firing: true,
        message: "12 of 20 failed".into(),
    };
    wait(async {
        let store = Store::open(&place.path).unwrap();
        assert_eq!(store.alert_snapshot().await.unwrap(), None);
        store
            .commit_alerts(json!({"s": 1}), vec![message("a"), message("b"), message("c")], vec![change], at(2))
            .await
            .unwrap();
        let counter = Counter { requests: 45_203, errors: 23 };
        store.set_counters([("t".to_owned(), counter)].into()).await.unwrap();
        store.keep("tools", json!(["x"])).await.unwrap();
        store.close().await.unwrap();
        let store = Store::open(&place.path).unwrap();
        assert_eq!(store.alert_snapshot().await.unwrap(), Some(json!({"s": 1})));
        assert_eq!(store.kept("tools").await.unwrap(), Some(json!(["x"])));
        assert_eq!(store.counters().await.unwrap()["t"], counter);
        let entries = store.outbox().await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.message.clone()).collect::<Vec<_>>(), ["a", "b", "c"].map(message));
        store.delivered(entries[0].id, at(3)).await.unwrap();
        store.dropped(entries[1].id, "refused", at(3)).await.unwrap();
        store.postponed(entries[2].id, 4, at(60), "connection refused").await.unwrap();
        let left = store.outbox().await.unwrap();
        assert_eq!((left.len(), left[0].id, left[0].attempts), (1, entries[2].id, 4));
        assert_eq!((left[0].not_before, left[0].last_error.as_deref()), (Some(at(60)), Some("connection refused")));
        // A number is never given twice, also when everything was delivered.
        store.delivered(left[0].id, at(61)).await.unwrap();
        store.commit_alerts(json!({}), vec![message("d")], Vec::new(), at(62)).await.unwrap();
        assert!(store.outbox().await.unwrap()[0].id > left[0].id);
    });
    let alerts = Reader::open(&place.path).unwrap().alerts(Some("t"), Timestamp::MIN, 5).unwrap();
    assert_eq!((alerts.len(), alerts[0].state.as_str(), alerts[0].firing, alerts[0].at), (1, "firing", true, at(2)));
}

#[test]
fn time_without_runs_is_a_gap_and_unknown_is_no_uptime() {
    let place = place();
    let store = Store::open(&place.path).unwrap();
    wait(async {
        store.expect(vec![("p".into(), "t".into(), Some(Duration::from_secs(10)))], at(0)).await.unwrap();
        for (second, status) in [
            (0, Status::Healthy),
            (10, Status::Failed),
            (20, Status::Unknown),
            (30, Status::Degraded),
            (80, Status::Healthy),
        ] {
            store.record(sample("p", "t", at(second), status), None).await.unwrap();
        }
        store.missed("p", "t", Missed::Overrun, at(40), 3).await.unwrap();
        store.missed("p", "t", Missed::Overrun, at(70), 1).await.unwrap();
        store.close().await.unwrap();
    });
    let reader = Reader::open(&place.path).unwrap();
    let uptime = reader.uptime("t", None, at(0), at(100)).unwrap();
    let seconds = |duration: Duration| duration.as_secs();
    assert_eq!(
        [uptime.up, uptime.down, uptime.unknown, uptime.degraded, uptime.gap].map(seconds),
        [21, 10, 10, 11, 48]
    );
    assert_eq!(uptime.outages, 1);
    assert_eq!(reader.uptime("t", Some("none"), at(0), at(100)).unwrap().gap, Duration::from_secs(100));
    assert_eq!(reader.uptime("none", None, at(0), at(100)).unwrap().gap, Duration::from_secs(100));
    let bars = reader.bars("t", None, 10, at(0), at(100)).unwrap();
    assert_eq!((bars[0].healthy, bars[1].failed, bars[2].unknown, bars[3].degraded, bars[8].healthy), (1, 1, 1, 1, 1));
    assert_eq!(bars.iter().map(|bar| bar.missed).sum::<u64>(), 4);
}

/// Some hours of runs of three probes on a target, some of them late.
fn runs() -> impl Strategy<Value = Vec<(usize, i64, Status)>> {
    let status =
        prop::sample::select(vec![Status::Healthy, Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown]);
    prop::collection::vec((0..3_usize, 1..1500_i64, status), 1..120).prop_map(|steps| {
        let mut second = 0;
        let mut runs: Vec<(usize, i64, Status)> = steps
            .into_iter()
            .map(|(probe, step, status)| {
                second += step;
                (probe, second, status)
            })
            .collect();
        // Every seventh comes after the three that follow it.
        let mut from = 0;
        while from + 3 < runs.len() {
            runs[from..=from + 3].rotate_left(1);
            from += 7;
        }
        runs
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn roll_ups_tell_what_the_runs_tell(runs in runs(), cut in 0..100_000_i64, long in 1..200_000_i64) {
        let place = place();
        let store = Store::open(&place.path).unwrap();
        wait(async {
            for probe in ["p0", "p1", "p2"] {
                store.expect(vec![(probe.into(), "t".into(), Some(Duration::from_secs(700)))], at(0)).await.unwrap();
            }
            for (number, (probe, second, status)) in runs.iter().enumerate() {
                let mut sample = sample(&format!("p{probe}"), "t", at(*second), *status);
                sample.latencies[0].took = Duration::from_micros(number as u64 * 997);
                store.record(sample, None).await.unwrap();
                if number % 5 == 0 {
                    store.flush().await.unwrap();
                }
                if number % 17 == 0 {
                    store.ask(|desk| desk.settle_part(0)).await.unwrap();
                }
                if number % 11 == 0 {
                    let between = (at(second - 5000), at(*second));
                    store.explain(&format!("p{probe}"), "t", between, &[], "so: ".into()).await.unwrap();
                }
            }
            store.flush().await.unwrap();
        });
        let whole = (at(-7200), at(3 * 86_400));
        let windows = [whole, (at(cut), at(cut + long)), (at(cut / 3600 * 3600), at((cut + long) / 3600 * 3600 + 3600))];
        let told = |reader: &Reader| {
            windows.map(|(from, to)| {
                (
                    [None, Some("p0"), Some("p1")].map(|probe| reader.uptime("t", probe, from, to).unwrap()),
                    reader.spread("t", None, from, to).unwrap(),
                    reader.counts("t", None, from, to).unwrap(),
                )
            })
        };
        let rolled = told(&Reader::open(&place.path).unwrap());
        wait(store.close()).unwrap();
        // The same file, as if nothing had ever been rolled up.
        let raw = Connection::open(&place.path).unwrap();
        let hours: i64 = raw.query_row("SELECT COUNT(*) FROM uptimes WHERE span = 3600", [], |row| row.get(0)).unwrap();
        let last = runs.iter().map(|(_, second, _)| *second).max().unwrap();
        prop_assert!(hours > 0 || last < 7300);
        let forget = "DELETE FROM rollups; DELETE FROM spreads; DELETE FROM uptimes;
                      UPDATE targets SET rolled_until = -9000000000000000";
        raw.execute_batch(forget).unwrap();
        raw.close().unwrap();
        let plain = told(&Reader::open(&place.path).unwrap());
        for (one, other) in rolled.iter().zip(&plain) {
            prop_assert_eq!(one, other);
        }
    }
}

#[test]
fn without_the_runs_the_figures_stay() {
    let place = place();
    let store = Store::open(&place.path).unwrap();
    wait(async {
        for quarter in 0..(4 * 24 * 12) {
            let status = if quarter % 10 == 3 { Status::Failed } else { Status::Healthy };
            let transcript = (quarter % 100 == 3).then(|| "{}".to_owned());
            store.record(sample("p", "t", at(quarter * 900), status), transcript).await.unwrap();
        }
        store.flush().await.unwrap();
    });
    let day = |number: i64| at(number * 86_400 - 9 * 3600);
    let reader = Reader::open(&place.path).unwrap();
    let told = |from: i64, to: i64| {
        let (from, to) = (day(from), day(to));
        (
            reader.uptime("t", None, from, to).unwrap(),
            reader.percentiles("t", None, from, to).unwrap().unwrap(),
            reader.counts("t", None, from, to).unwrap(),
        )
    };
    let before = [told(0, 13), told(2, 5), told(8, 9)];
    let retention = Retention {
        age: Duration::from_secs(20 * 86_400),
        hours: Duration::from_secs(6 * 86_400),
        runs: Duration::from_secs(2 * 86_400),
        size: 1 << 30,
    };
    let tidied = wait(store.tidy(&retention, day(12))).unwrap();
    assert!(tidied.rows > 800 && !tidied.more, "{tidied:?}");
    assert_eq!([told(0, 13), told(2, 5), told(8, 9)], before);
    let left = reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, 10_000).unwrap();
    let old: Vec<&Sample> = left.iter().filter(|sample| sample.at < day(10)).collect();
    assert!(
        !old.is_empty() && old.iter().all(|sample| sample.status == Status::Failed),
        "those with a transcript stay"
    );
    assert_eq!(reader.aligned(day(9) + Duration::from_secs(1800)).unwrap(), day(9));
    assert_eq!(reader.aligned(day(3) + Duration::from_secs(7200)).unwrap(), day(3));
    assert_eq!(reader.aligned(day(11) + Duration::from_secs(7)).unwrap(), day(11) + Duration::from_secs(7));
    // Beyond the age nothing is left.
    wait(store.tidy(&retention, day(60))).unwrap();
    assert_eq!(reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, 10).unwrap(), []);
    assert_eq!(reader.uptime("t", None, day(0), day(13)).unwrap().known(), Duration::ZERO);
}

#[test]
fn the_size_is_kept_and_what_is_to_be_delivered_stays() {
    let place = place();
    let store = Store::open(&place.path).unwrap();
    let message = OutboxMessage {
        channel: "ops".into(),
        key: "k".into(),
        transition: "firing".into(),
        body: json!(1),
        at: at(0),
    };
    let limit = 400 << 10;
    wait(async {
        store.commit_alerts(json!({"s": 1}), vec![message], Vec::new(), at(0)).await.unwrap();
        for number in 0..20_000 {
            store.record(sample("p", "t", at(number * 60), Status::Failed), None).await.unwrap();
        }
        store.flush().await.unwrap();
        let now = at(20_000 * 60);
        let tidied = store.tidy(&Retention::of(Duration::from_secs(900 * 86_400), limit), now).await.unwrap();
        assert!(tidied.size <= limit && tidied.rows > 1_000, "{tidied:?}");
        let whole = store.tidy(&Retention::of(Duration::from_secs(900 * 86_400), 1 << 30), now).await.unwrap();
        assert_eq!(whole.rows, 0);
        // Even a limit that cannot be kept comes to an end, and leaves what must not be lost.
        store.tidy(&Retention::of(Duration::from_secs(900 * 86_400), 1), now).await.unwrap();
        assert_eq!(store.outbox().await.unwrap().len(), 1);
        assert_eq!(store.alert_snapshot().await.unwrap(), Some(json!({"s": 1})));
        let reader = Reader::open(&place.path).unwrap();
        assert!(reader.uptime("t", None, at(0), now).unwrap().known() < Duration::from_secs(5 * 86_400));
        drop(reader);
        store.close().await.unwrap();
    });
    let length = std::fs::metadata(&place.path).unwrap().len();
    assert!(length < limit, "free pages go back to the disk: {length}");
}

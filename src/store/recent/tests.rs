//! Wherever runs lie, and whatever happened in between, a reader sees each of them once: against a naive model.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::tests::{at, place, sample, wait};
use super::super::{Reader, Retention, Store};
use super::*;
use crate::event::{Sample, Status};

/// Pairs of both parts, as numbers of all that there are.
const SOME: [usize; 6] = [0, 1, 62, 63, 64, 69];

#[derive(Clone, Debug)]
enum Step {
    Run(usize, i64, Status),
    Flush,
    Settle(i64),
    Tidy,
    Reopen,
    /// Without a word: the last clone goes.
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    let status =
        prop::sample::select(vec![Status::Healthy, Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown]);
    // Few moments: many runs are late, and some of one moment.
    let run =
        (0..SOME.len(), 0..30_i64, status).prop_map(|(pair, second, status)| Step::Run(SOME[pair], second, status));
    prop_oneof![
        20 => run,
        3 => Just(Step::Flush),
        3 => (0..2_i64).prop_map(Step::Settle),
        1 => Just(Step::Tidy),
        1 => Just(Step::Reopen),
        1 => Just(Step::Drop),
    ]
}

fn names(pair: usize) -> (String, String) {
    (format!("p{}", pair % 10), format!("t{}", pair / 10))
}

/// The lock is given back when the writer has ended.
fn opened(path: &Path) -> Store {
    let begun = std::time::Instant::now();
    loop {
        match Store::open(path) {
            Ok(store) => return store,
            Err(error) => assert!(begun.elapsed().as_secs() < 20, "{error}"),
        }
        std::thread::yield_now();
    }
}

/// What is to be seen: by pair and second the runs, told apart by how long they took.
type Model = BTreeMap<(usize, i64), Vec<(u64, Status)>>;

fn second_of(sample: &Sample) -> (i64, i64) {
    let micros = sample.at.as_microsecond() - at(0).as_microsecond();
    (micros / 1_000_000, micros % 1_000_000)
}

fn compare(reader: &Reader, model: &Model) {
    let (begin, end) = (Timestamp::MIN, Timestamp::MAX);
    let all = reader.samples(None, None, begin, end, usize::MAX).unwrap();
    assert_eq!(all.len(), model.values().map(Vec::len).sum::<usize>());
    assert!(all.windows(2).all(|two| two[0].at <= two[1].at));
    for pair in SOME {
        let (probe, target) = names(pair);
        let of_pair: Vec<_> = model.iter().filter(|((of, _), _)| *of == pair).collect();
        let expected: Vec<(i64, u64, Status)> = of_pair
            .iter()
            .flat_map(|((_, second), runs)| runs.iter().map(|(id, status)| (*second, *id, *status)))
            .collect();
        let told = reader.samples(Some(&probe), Some(&target), begin, end, usize::MAX).unwrap();
        let mut seen: Vec<(i64, u64, Status)> = told
            .iter()
            .map(|sample| (second_of(sample).0, u64::try_from(sample.duration.as_micros()).unwrap(), sample.status))
            .collect();
        seen.sort_unstable_by_key(|(second, id, _)| (*second, *id));
        assert_eq!(seen, expected);
        // Those of one moment follow each other by a microsecond.
        let moments: Vec<(i64, i64)> = told.iter().map(second_of).collect();
        let free =
            of_pair.iter().flat_map(|((_, second), runs)| (0_i64..).zip(runs.iter()).map(|(more, _)| (*second, more)));
        assert_eq!(moments, free.collect::<Vec<_>>());
        // Windows and limits cut the same runs.
        let window = reader.samples(Some(&probe), Some(&target), at(7), at(21), 3).unwrap();
        let inside: Vec<&Sample> = told.iter().filter(|run| run.at >= at(7) && run.at < at(21)).collect();
        assert!(window.iter().eq(inside[inside.len().saturating_sub(3)..].iter().copied()));
        assert_eq!(reader.latest(Some(&probe), &target).unwrap().as_ref(), told.last());
        let failures = reader.failures(Some(&target), Some(&probe), at(3), 4).unwrap();
        let is_trouble = |run: &&Sample| run.at >= at(3) && matches!(run.status, Status::Degraded | Status::Failed);
        let troubles = told.iter().rev().filter(is_trouble).take(4);
        assert!(failures.iter().map(|failure| &failure.sample).eq(troubles));
        for failure in &failures {
            let id = failure.sample.duration.as_micros().to_string();
            assert_eq!(failure.transcript.as_deref(), Some(&*id), "what was said stays with its run");
        }
        let counts = reader.counts(&target, Some(&probe), at(0), at(60)).unwrap();
        let of = |status: Status| told.iter().filter(|run| run.status == status).count() as u64;
        assert_eq!(
            [counts.healthy, counts.degraded, counts.failed],
            [Status::Healthy, Status::Degraded, Status::Failed].map(of)
        );
        assert_eq!(reader.spread(&target, Some(&probe), at(0), at(60)).unwrap().count(), 2 * told.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_reader_sees_every_run_once(steps in prop::collection::vec(step(), 1..120)) {
        let place = place();
        let mut store = opened(&place.path);
        let reader = Reader::open(&place.path).unwrap();
        let mut model = Model::new();
        let everyone = (0..70).map(|pair| { let (probe, target) = names(pair); (probe, target, None) }).collect();
        wait(store.expect(everyone, at(0))).unwrap();
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::Run(pair, second, status) => {
                    let (probe, target) = names(pair);
                    let mut sample = sample(&probe, &target, at(second), status);
                    sample.duration = Duration::from_micros(id as u64);
                    let said = (status != Status::Healthy).then(|| format!("{id}"));
                    wait(store.record(sample, said)).unwrap();
                    model.entry((pair, second)).or_default().push((id as u64, status));
                }
                Step::Flush => {
                    wait(store.flush()).unwrap();
                    compare(&reader, &model);
                }
                Step::Settle(part) => wait(store.ask(move |desk| desk.settle_part(part))).unwrap(),
                Step::Tidy => drop(wait(store.tidy(&Retention::default(), at(60))).unwrap()),
                Step::Reopen => {
                    wait(store.close()).unwrap();
                    store = opened(&place.path);
                }
                Step::Drop => {
                    drop(store);
                    store = opened(&place.path);
                }
            }
        }
        wait(store.close()).unwrap();
        compare(&reader, &model);
        compare(&Reader::open(&place.path).unwrap(), &model);
    }
}

#[test]
fn few_runs_are_recent_and_they_move_by_themselves() {
    let place = place();
    let store = opened(&place.path);
    let reader = Reader::open(&place.path).unwrap();
    let rows = Connection::open(&place.path).unwrap();
    let count = |table: &str| -> i64 {
        rows.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    let full = i64::try_from(FULL / RUN_BYTES).unwrap();
    wait(async {
        for number in 0..20_000 {
            store.record(sample(&format!("p{}", number % 10), "t", at(number), Status::Healthy), None).await.unwrap();
            if number % 1_000 == 999 {
                store.flush().await.unwrap();
                assert!(count("recent") < full + 1_000);
            }
        }
        store.flush().await.unwrap();
    });
    assert_eq!(count("recent") + count("samples"), 20_000);
    assert_eq!(count("runs"), 20_000);
    assert_eq!(reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, usize::MAX).unwrap().len(), 20_000);
    // What is said in failures counts: of long messages fewer come together.
    wait(async {
        for number in 20_000..20_400 {
            let mut failed = sample("p0", "t", at(number), Status::Failed);
            failed.message = Some("x".repeat(1_000));
            store.record(failed, None).await.unwrap();
        }
        store.flush().await.unwrap();
        store.flush().await.unwrap();
    });
    assert!(count("recent") < full / 2);
    // With everything else that is old they go, also those that had not moved.
    let nothing = Retention::of(Duration::from_secs(86_400), 1 << 30);
    wait(store.tidy(&nothing, at(30 * 86_400))).unwrap();
    assert_eq!(count("runs"), 0);
}

#[test]
fn what_cannot_move_stays_readable_and_is_told() {
    let place = place();
    let store = opened(&place.path);
    let reader = Reader::open(&place.path).unwrap();
    let seen = || reader.samples(None, None, Timestamp::MIN, Timestamp::MAX, usize::MAX).unwrap().len();
    let other = Connection::open(&place.path).unwrap();
    other
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON samples BEGIN SELECT RAISE(ABORT, 'not now'); END")
        .unwrap();
    let write = async |numbers: std::ops::Range<i64>| {
        for number in numbers {
            let _ = store.record(sample("p", "t", at(number), Status::Healthy), None).await;
        }
        store.flush().await.unwrap();
        store.flush().await.unwrap();
    };
    wait(write(0..3_000));
    assert_eq!(seen(), 3_000);
    wait(write(3_000..3_001));
    let trouble = store.health().trouble.unwrap();
    assert!(trouble.message.contains("not now"), "{trouble}");
    other.execute_batch("DROP TRIGGER no").unwrap();
    wait(write(3_001..3_002));
    assert_eq!((seen(), store.health().trouble), (3_002, None));
    let left: i64 = other.query_row("SELECT COUNT(*) FROM recent", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

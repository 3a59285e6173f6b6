//! Lanes under a clock that the test sets.

use proptest::prelude::*;

use super::*;
use crate::store::OutboxMessage;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn at(monotonic: Duration) -> Now {
    let wall: Timestamp = "2026-01-15T09:32:45Z".parse().unwrap();
    Now { monotonic, boot: monotonic, wall: wall.checked_add(monotonic).unwrap() }
}

fn entry(id: i64, channel: &str, key: &str, transition: &str, now: Duration) -> OutboxEntry {
    let message = OutboxMessage {
        channel: channel.into(),
        key: key.into(),
        transition: transition.into(),
        body: Value::Null,
        at: at(now).wall,
    };
    OutboxEntry { id, message, attempts: 0, not_before: None, last_error: None }
}

fn lanes(entries: Vec<OutboxEntry>) -> Lanes {
    let mut lanes = Lanes::new(fastrand::Rng::with_seed(7));
    lanes.merge(entries, &at(Duration::ZERO));
    lanes
}

fn ids(jobs: &[Job]) -> Vec<i64> {
    jobs.iter().map(|job| job.id).collect()
}

#[test]
fn the_second_message_of_a_key_waits_for_the_first() {
    let now = Duration::ZERO;
    let mut lanes = lanes(vec![
        entry(1, "a", "x", "firing", now),
        entry(2, "a", "x", "resolved", now),
        entry(3, "a", "y", "firing", now),
        entry(4, "b", "x", "firing", now),
    ]);
    assert_eq!(ids(&lanes.take(now)), [1, 3, 4]);
    assert_eq!(ids(&lanes.take(now)), Vec::<i64>::new());
    lanes.settle("a", 1, Try::Failed(None), now);
    assert_eq!(ids(&lanes.take(now)), Vec::<i64>::new(), "nothing passes the first");
    let later = now + 2 * SECOND;
    assert_eq!(ids(&lanes.take(later)), [1]);
    lanes.settle("a", 1, Try::Arrived, later);
    assert_eq!(ids(&lanes.take(later)), [2]);
}

#[test]
fn pauses_grow_to_five_minutes_and_differ() {
    let mut random = fastrand::Rng::with_seed(1);
    let pauses: Vec<Duration> = (1..=12).map(|attempts| backoff(attempts, &mut random)).collect();
    for (at, pause) in pauses.iter().enumerate() {
        let whole = BACKOFF_MIN.saturating_mul(1 << at).min(BACKOFF_MAX);
        assert!(*pause <= whole && *pause >= (whole / 2).max(BACKOFF_MIN), "{pause:?} of {whole:?}");
    }
    let many: BTreeSet<Duration> = (0..50).map(|_| backoff(10, &mut random)).collect();
    assert!(many.len() > 40);
    assert_eq!(backoff(u32::MAX, &mut random).max(BACKOFF_MAX), BACKOFF_MAX);
}

#[test]
fn a_receiver_that_asks_for_a_pause_gets_it_for_all_its_messages() {
    let now = Duration::ZERO;
    let mut lanes = lanes(vec![entry(1, "a", "x", "firing", now), entry(2, "b", "y", "firing", now)]);
    lanes.take(now);
    lanes.settle("b", 2, Try::Arrived, now);
    lanes.settle("a", 1, Try::Failed(Some(120 * SECOND)), now);
    lanes.merge(vec![entry(3, "a", "z", "firing", now)], &at(now));
    assert_eq!(lanes.take(now + 119 * SECOND), []);
    assert_eq!(lanes.next(), Some(120 * SECOND));
    assert_eq!(ids(&lanes.take(now + 120 * SECOND)), [1, 3]);
}

#[test]
fn a_broken_channel_is_tried_with_one_message_at_a_time_and_never_the_same_one_only() {
    let mut now = Duration::ZERO;
    let mut lanes = lanes((1..=20).map(|id| entry(id, "a", &format!("key {id}"), "firing", now)).collect());
    let (mut tries, mut tried, mut gaps) = (0, BTreeSet::new(), Vec::new());
    while now < HOUR {
        let jobs = lanes.take(now);
        if tries >= 2 * BREAKER as usize {
            assert!(jobs.len() <= 1);
        }
        if !jobs.is_empty() {
            gaps.push(now);
        }
        for job in jobs {
            tries += 1;
            tried.insert(job.id);
            lanes.settle("a", job.id, Try::Failed(None), now);
        }
        now += SECOND;
    }
    // 3 minutes 45 seconds in the mean.
    assert!((15..60).contains(&tries), "{tries}");
    assert!(tried.len() > 8, "{tried:?}");
    let longest = gaps.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap();
    assert!(longest <= BACKOFF_MAX + SECOND, "{longest:?}");
    assert_eq!(lanes.health(now).stuck, ["a"]);
    // It works again: everything goes at once.
    let [job] = &lanes.take(now + BACKOFF_MAX)[..] else { panic!("no try") };
    let id = job.id;
    now += BACKOFF_MAX;
    lanes.settle("a", id, Try::Arrived, now);
    let mut arrived = 1;
    loop {
        let jobs = lanes.take(now);
        if jobs.is_empty() {
            break;
        }
        assert!(jobs.len() <= PARALLEL);
        for job in jobs {
            lanes.settle("a", job.id, Try::Arrived, now);
            arrived += 1;
        }
    }
    assert_eq!(arrived, 20);
    assert_eq!(lanes.health(now), OutboxHealth::default());
}

#[test]
fn no_alert_gets_out_where_each_channel_that_is_tried_fails_again_and_again() {
    let mut now = Duration::ZERO;
    let entries = [(1, "a"), (2, "b"), (3, "b")].map(|(id, channel)| entry(id, channel, channel, "firing", now));
    let mut lanes = lanes(entries.into());
    let failed = Try::Failed(None);
    lanes.settle("b", 2, Try::Arrived, now);
    for _ in 0..BREAKER {
        assert!(!lanes.health(now).is_silent);
        now += BACKOFF_MAX / 100;
        lanes.settle("a", 1, failed, now);
    }
    assert!(!lanes.health(now).is_silent, "the other works");
    lanes.settle("b", 3, failed, now);
    assert!(lanes.health(now).is_silent, "it does not any more");
    lanes.settle("a", 1, Try::Arrived, now);
    assert!(!lanes.health(now).is_silent);
}

#[test]
fn a_channel_that_refuses_fails_until_something_arrives_by_it_again() {
    let now = Duration::ZERO;
    let entries = [(1, "a"), (2, "b")].map(|(id, channel)| entry(id, channel, channel, "firing", now));
    let mut lanes = lanes(entries.into());
    lanes.settle("a", 1, Try::GivenUp, now);
    let health = lanes.health(now);
    assert_eq!((health.failing, health.refusing), (vec!["a".to_owned()], vec!["a".to_owned()]));
    assert!(!health.is_refused && !health.is_silent, "the other is still being tried");
    lanes.settle("b", 2, Try::Arrived, now);
    assert!(!lanes.health(now).is_refused, "the other works");
    lanes.merge(vec![entry(3, "b", "b", "resolved", now)], &at(now));
    lanes.settle("b", 3, Try::GivenUp, now);
    let health = lanes.health(now);
    assert!(health.is_refused && health.is_silent && health.waiting == 0, "nothing waits, and nobody is told");
    assert!(OutboxHealth { alive: true, ..health }.is_stuck());
    // A failure that may pass is no sign that it takes anything again; an arrival is.
    lanes.merge(vec![entry(4, "a", "a", "resolved", now)], &at(now));
    lanes.settle("a", 4, Try::Failed(None), now);
    assert!(lanes.health(now).is_refused);
    lanes.settle("a", 4, Try::Arrived, now);
    let health = lanes.health(now);
    assert_eq!((health.failing, health.is_refused, health.is_silent), (vec!["b".to_owned()], false, false));
}

#[test]
fn what_a_channel_did_is_forgotten_with_the_channel() {
    let now = Duration::ZERO;
    let mut lanes = lanes(vec![entry(1, "a", "x", "firing", now), entry(2, "b", "x", "firing", now)]);
    lanes.settle("a", 1, Try::GivenUp, now);
    lanes.settle("b", 2, Try::Gone, now);
    assert!(lanes.health(now).is_refused, "one that is gone says nothing");
    lanes.forget("a");
    assert_eq!(lanes.health(now), OutboxHealth::default());
    // One that worked and is gone does not vouch for those that are there.
    lanes.merge(vec![entry(3, "a", "y", "firing", now), entry(4, "b", "y", "firing", now)], &at(now));
    lanes.settle("b", 4, Try::Arrived, now);
    lanes.forget("b");
    lanes.settle("a", 3, Try::GivenUp, now);
    assert!(lanes.health(now).is_silent);
}

#[test]
fn a_message_that_alone_fails_holds_nobody_up() {
    let mut now = Duration::ZERO;
    let mut lanes = lanes(vec![entry(1, "a", "poison", "firing", now)]);
    let mut arrived = 0;
    for id in 2..200 {
        lanes.merge(vec![entry(id, "a", &format!("key {id}"), "firing", now)], &at(now));
        for job in lanes.take(now) {
            let tried = if job.key == "poison" { Try::Failed(None) } else { Try::Arrived };
            arrived += usize::from(tried == Try::Arrived);
            lanes.settle("a", job.id, tried, now);
        }
        now += 10 * SECOND;
    }
    assert_eq!(arrived, 198);
    assert_eq!(lanes.health(now).waiting, 1);
}

#[test]
fn a_beginning_that_nobody_heard_of_goes_with_its_end_after_a_day() {
    let now = Duration::ZERO;
    let mut lanes = lanes(vec![
        entry(1, "a", "x", "firing", now),
        entry(2, "a", "x", "reminder", now),
        entry(3, "a", "x", "resolved", now),
        entry(4, "a", "y", "firing", now),
        entry(5, "a", "y", "reminder", now),
        entry(6, "a", "z", "firing", now),
        entry(7, "a", "z", "firing", now),
        entry(8, "a", "z", "resolved", now),
    ]);
    assert_eq!(lanes.expire(now + 23 * HOUR), []);
    let gone: Vec<i64> = lanes.expire(now + 25 * HOUR).into_iter().map(|(id, ..)| id).collect();
    // Of `y` the beginning stays: it goes on. Of `z` the first beginning stays where no end follows it at once.
    assert_eq!(gone, [1, 2, 5, 7]);
    let jobs = lanes.take(now + 25 * HOUR);
    let told: Vec<(i64, bool)> = jobs.iter().map(|job| (job.id, job.collapsed)).collect();
    assert_eq!(told, [(3, true), (4, false), (6, false)]);
    for job in jobs {
        lanes.settle("a", job.id, Try::Failed(None), now + 25 * HOUR);
    }
    let gone: Vec<i64> = lanes.expire(now + 8 * 24 * HOUR).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(gone, [3, 4, 6, 8], "after a week nobody needs them");
}

#[test]
fn what_the_table_remembers_of_pauses_holds_after_a_restart_but_not_for_ever() {
    let now = Duration::ZERO;
    let later = |seconds: i64| at(now).wall.checked_add(jiff::SignedDuration::from_secs(seconds)).ok();
    let mut waiting = entry(1, "a", "x", "firing", now);
    (waiting.attempts, waiting.not_before) = (6, later(30));
    let mut stepped = entry(2, "b", "x", "firing", now);
    stepped.not_before = later(100_000);
    let mut past = entry(3, "c", "x", "firing", now);
    past.not_before = later(-100);
    let mut lanes = lanes(vec![waiting, stepped, past]);
    assert_eq!(ids(&lanes.take(now)), [3]);
    assert_eq!(ids(&lanes.take(now + 30 * SECOND)), [1]);
    assert_eq!(ids(&lanes.take(now + HOUR)), [2]);
    assert_eq!(lanes.settle("a", 1, Try::Failed(None), now + 30 * SECOND).attempts, 7);
}

proptest! {
    /// Whatever receivers do: within a key nothing passes another, nothing is sent twice at once, and once the
    /// receivers work everything arrives.
    #[test]
    fn order_holds_within_a_key_and_nothing_is_lost(
        messages in proptest::collection::vec((0_u8..3, 0_u8..4), 1..40),
        outcomes in proptest::collection::vec(0_u8..6, 0..200),
        seed in any::<u64>(),
    ) {
        let mut lanes = Lanes::new(fastrand::Rng::with_seed(seed));
        let mut now = Duration::ZERO;
        let entries: Vec<OutboxEntry> = messages
            .iter()
            .zip(0..)
            .map(|((channel, key), id)| entry(id, &format!("c{channel}"), &format!("k{key}"), "firing", now))
            .collect();
        let all = entries.len();
        lanes.merge(entries.clone(), &at(now));
        let mut outcomes = outcomes.into_iter();
        let mut arrived: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
        let mut on_their_way: Vec<Job> = Vec::new();
        for _ in 0..2000 {
            for job in lanes.take(now) {
                prop_assert!(on_their_way.iter().all(|other| (&other.channel, &other.key) != (&job.channel, &job.key)));
                on_their_way.push(job);
            }
            lanes.merge(entries.iter().filter(|e| on_their_way.iter().any(|job| job.id == e.id)).cloned().collect(), &at(now));
            if let Some(job) = on_their_way.pop() {
                let tried = match outcomes.next() {
                    Some(0) => Try::Failed(None),
                    Some(1) => Try::Failed(Some(17 * SECOND)),
                    Some(2) => Try::Cut,
                    Some(3) => Try::Unrendered,
                    _ => Try::Arrived,
                };
                lanes.settle(&job.channel, job.id, tried, now);
                if tried == Try::Arrived {
                    arrived.entry((job.channel.clone(), job.key.clone())).or_default().push(job.id);
                }
            }
            if on_their_way.is_empty() {
                match lanes.next() {
                    None => break,
                    Some(next) => now = now.max(next),
                }
            }
        }
        prop_assert_eq!(arrived.values().map(Vec::len).sum::<usize>(), all);
        for ids in arrived.values() {
            prop_assert!(ids.is_sorted(), "{:?}", arrived);
        }
    }
}

#[test]
fn an_end_for_whom_a_channel_led_to_before_waits_for_what_may_be_on_its_way_there_and_alarms_nobody() {
    let now = Duration::ZERO;
    let former = former::lane("a", "before");
    let mut lanes = lanes(vec![entry(1, "a", "x", "firing", now), entry(2, "a", "y", "firing", now)]);
    assert_eq!(ids(&lanes.take(now)), [1, 2]);
    lanes.merge(vec![entry(3, &former, "x", "resolved", now), entry(4, &former, "z", "resolved", now)], &at(now));
    assert_eq!(ids(&lanes.take(now)), [4], "its beginning is on its way, and may still go there");
    assert_eq!(lanes.next(), None, "what lands wakes");
    lanes.settle(&former, 4, Try::Failed(None), now);
    lanes.settle("a", 1, Try::Arrived, now);
    assert_eq!(ids(&lanes.take(now)), [3]);
    for attempt in 0..u64::from(BREAKER) {
        let later = now + HOUR * u32::try_from(attempt + 1).unwrap();
        lanes.settle(&former, 3, Try::Failed(None), later);
        lanes.take(later + HOUR / 2);
    }
    lanes.settle("a", 2, Try::Arrived, now);
    let health = lanes.health(now + 9 * HOUR);
    assert_eq!((health.waiting, health.is_silent, health.is_refused), (2, false, false));
    assert_eq!((health.failing, health.stuck, health.refusing), (vec![], vec![], vec![]));
}

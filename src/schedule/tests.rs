//! The rules of the timetable, each under virtual clocks, and any sequence of what may happen against a naive count.

use std::time::Duration;

use croner::parser::CronParser;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::*;
use crate::base::clock::{Clock as _, VirtualClock};

const START: &str = "2026-01-15T09:32:45Z";

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn clock() -> VirtualClock {
    VirtualClock::new(START.parse().unwrap())
}

fn slot(name: &str, every: Duration) -> Slot {
    Slot {
        probe: name.to_owned(),
        target: "weather".to_owned(),
        identity: identity([name, "weather"]),
        when: Grid::Every(every),
        jitter: 0.0,
        span_max: every / 2,
    }
}

fn calendar(name: &str, expression: &str, zone: &str) -> Slot {
    let schedule = Box::new(CronParser::new().parse(expression).unwrap());
    Slot { when: Grid::Cron { schedule, zone: TimeZone::get(zone).unwrap() }, ..slot(name, secs(60)) }
}

fn of(slots: Vec<Slot>, clock: &VirtualClock) -> Timetable {
    Timetable::new(7, slots, false, clock.now())
}

/// Lets time go by in small steps, with runs that take no time; gives what was due, with the time at which it was, and
/// what was missed.
fn go(timetable: &mut Timetable, clock: &VirtualClock, time: Duration) -> (Vec<(Duration, Due)>, Vec<MissedRun>) {
    let (mut due, mut missed) = (Vec::new(), Vec::new());
    let end = clock.now().monotonic + time;
    loop {
        let now = clock.now();
        let turn = timetable.take_due(now);
        missed.extend(turn.missed);
        for one in turn.due {
            timetable.started(one.id);
            missed.extend(timetable.finished(one.id, now, After::Settled));
            due.push((now.monotonic, one));
        }
        if now.monotonic >= end {
            return (due, missed);
        }
        let next = timetable.next_due().unwrap_or(end).clamp(now.monotonic, end);
        clock.advance((next - now.monotonic).clamp(Duration::from_nanos(1), secs(1)));
    }
}

fn wall(due: &[(Duration, Due)]) -> Vec<String> {
    due.iter().map(|(_, due)| due.due_at.strftime("%dT%H:%M:%S").to_string()).collect()
}

fn count(missed: &[MissedRun], reason: Missed) -> u64 {
    missed.iter().filter(|missed| missed.reason == reason).map(|missed| missed.count).sum()
}

#[test]
fn the_phase_is_the_same_after_a_restart_and_differs_by_seed() {
    let every = secs(30);
    let phase = |seed: u64, start: &str| {
        let clock = VirtualClock::new(start.parse().unwrap());
        let timetable = Timetable::new(seed, vec![slot("smoke", every)], false, clock.now());
        let (_, at) = timetable.next_of(timetable.slots().next().unwrap().0).unwrap();
        assert!(at > clock.now().wall && at <= clock.now().wall + every);
        at.as_nanosecond() % 30_000_000_000
    };
    assert_eq!(phase(1, START), phase(1, "2026-03-01T00:00:01.5Z"));
    assert_ne!(phase(1, START), phase(2, START));
}

#[test]
fn the_grid_does_not_drift_with_the_runs_and_points_are_run_once() {
    let clock = clock();
    let mut timetable = of(vec![slot("smoke", secs(30))], &clock);
    let (due, missed) = go(&mut timetable, &clock, secs(300));
    assert_eq!(due.len(), 10);
    assert!(missed.is_empty());
    assert!(due.windows(2).all(|pair| pair[1].1.grid - pair[0].1.grid == secs(30)));
    assert!(due.iter().all(|(at, due)| *at == due.meant && due.until == due.grid + secs(30)));
}

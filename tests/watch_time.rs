//! Timetable and rules together under virtual time, as the daemon's loop joins them: a machine that sleeps and a clock that
//! is set fire nothing, make up for nothing and hide nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use mcp_probe::alert::{Action, Bound, Condition, Engine, Rule, Selector, Settings, Transition, Urgency, Watched};
use mcp_probe::base::clock::{Clock as _, VirtualClock};
use mcp_probe::event::{Latency, Missed, Reason, Sample, Status};
use mcp_probe::schedule::{After, Gap, Grid, Slot, SlotId, Timetable, identity};

const EVERY: Duration = Duration::from_secs(15);
const TARGETS: usize = 20;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn rule(name: &str, condition: Condition) -> Rule {
    Rule {
        name: name.to_owned(),
        condition,
        selector: Selector::default(),
        lasting: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        severity: Urgency::Error,
        notify: vec!["ops".to_owned()],
        resolved: true,
        remind: None,
        restart: false,
    }
}

/// The three rules of the shipped files, and one for missing data.
fn rules() -> Vec<Rule> {
    let share = Bound { value: 0.05, inclusive: false };
    let late = Bound { value: seconds(2), inclusive: false };
    vec![
        rule(
            "error_rate",
            Condition::ErrorRate { bound: share, window: seconds(300), min_samples: None, resolve: None },
        ),
        rule(
            "latency",
            Condition::Latency {
                percentile: 95.0,
                bound: late,
                window: seconds(600),
                min_samples: None,
                resolve: None,
            },
        ),
        rule("in_a_row", Condition::ConsecutiveFailures { count: 3, within: Some(seconds(60)) }),
        rule("no_data", Condition::NoData { after: seconds(300) }),
    ]
}

/// A daemon without its tasks: runs end at once.
struct Loop {
    clock: VirtualClock,
    timetable: Timetable,
    engine: Engine,
    names: BTreeMap<SlotId, String>,
    /// Targets that fail.
    failing: BTreeSet<String>,
    /// When each run began; on the boot clock.
    runs: Vec<(Duration, String)>,
    missed: BTreeMap<Missed, u64>,
    told: Vec<(String, Transition)>,
    gaps: Vec<Gap>,
}

impl Loop {
    fn new() -> Self {
        let clock = VirtualClock::new("2026-10-24T12:00:00Z".parse().unwrap());
        let names: Vec<String> = (0..TARGETS).map(|number| format!("t{number}")).collect();
        let slots = names.iter().map(|name| Slot {
            probe: "p".into(),
            target: name.clone(),
            identity: identity(["p", name.as_str()]),
            when: Grid::Every(EVERY),
            jitter: 0.02,
            span_max: seconds(10),
        });
        let now = clock.now();
        let timetable = Timetable::new(7, slots.collect(), false, now);
        let watched = names.iter().map(|name| Watched {
            probe: "p".into(),
            target: name.as_str().into(),
            labels: BTreeMap::new(),
            every: EVERY,
            closest: EVERY,
            farthest: EVERY,
            can_restart: false,
        });
        let engine = Engine::new(rules(), watched.collect(), Settings::default(), now);
        let names = timetable.slots().map(|(id, slot)| (id, slot.target.clone())).collect();
        Self {
            clock,
            timetable,
            engine,
            names,
            failing: BTreeSet::new(),
            runs: Vec::new(),
            missed: BTreeMap::new(),
            told: Vec::new(),
            gaps: Vec::new(),
        }
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        let turn = self.timetable.take_due(now);
        for gap in &turn.gaps {
            if matches!(gap, Gap::Suspended(_)) {
                self.engine.gap(now);
            }
        }
        self.gaps.extend(turn.gaps);
        let mut missed = turn.missed;
        let mut actions = Vec::new();
        for due in turn.due {
            let target = self.names[&due.id].clone();
            self.timetable.started(due.id);
            self.runs.push((now.boot, target.clone()));
            let fails = self.failing.contains(&target);
            let sample = sample(&target, due.due_at, fails);
            missed.extend(self.timetable.finished(due.id, now, if fails { After::Failing } else { After::Settled }));
            actions.extend(self.engine.observe(&sample, now));
        }
        actions.extend(self.engine.tick(now));
        for run in missed {
            *self.missed.entry(run.reason).or_default() += run.count;
        }
        for action in actions {
            if let Action::Notify(message) = action {
                self.told.extend(message.alerts.iter().map(|alert| (alert.alert.clone(), message.transition)));
            }
        }
    }

    /// Lets time go by, looking as often as the daemon does.
    fn go(&mut self, by: Duration) {
        let end = self.clock.now().monotonic + by;
        loop {
            self.turn();
            let now = self.clock.now().monotonic;
            if now >= end {
                return;
            }
            let next = [self.timetable.next_due(), self.engine.next_tick()].into_iter().flatten().min();
            let rest =
                next.map_or(seconds(1), |next| next.saturating_sub(now)).min(seconds(1)).min(end.saturating_sub(now));
            self.clock.advance(rest.max(Duration::from_micros(100)));
        }
    }

    /// No probe runs twice within less than its interval, jitter aside.
    fn no_bursts(&self) {
        let mut last: BTreeMap<&str, Duration> = BTreeMap::new();
        for (at, target) in &self.runs {
            if let Some(before) = last.insert(target, *at) {
                let apart = at.saturating_sub(before);
                assert!(apart >= EVERY.mul_f64(0.9), "{target} ran twice within {apart:?}");
            }
        }
    }
}

fn sample(target: &str, at: jiff::Timestamp, fails: bool) -> Sample {
    let took = Duration::from_millis(80);
    Sample {
        probe: "p".into(),
        target: target.into(),
        at,
        status: if fails { Status::Failed } else { Status::Healthy },
        reason: fails.then_some(Reason::Connect),
        message: fails.then(|| "connection refused".into()),
        duration: took,
        latencies: vec![Latency { method: "tools/list".into(), took, timed_out: false }],
        server: None,
        protocol: None,
        tools: None,
        certificate_ends: None,
        tools_digest: None,
        token_ends: None,
        usage: None,
    }
}

#[test]
fn an_hour_of_sleep_fires_nothing_and_is_made_up_for_by_nothing() {
    let mut daemon = Loop::new();
    daemon.go(seconds(1200));
    let before = daemon.runs.len();
    daemon.clock.suspend(seconds(3600));
    daemon.go(seconds(1200));
    assert_eq!(daemon.told, [], "nobody is told of a sleep");
    daemon.no_bursts();
    assert!(matches!(daemon.gaps[..], [Gap::Suspended(slept)] if slept == seconds(3600)), "{:?}", daemon.gaps);
    // Every point of the hour is accounted for: so many for each target, one more or less at the edges.
    let slept = daemon.missed[&Missed::Suspend];
    let points = TARGETS as u64 * 3600 / 15;
    assert!(slept.abs_diff(points) <= 2 * TARGETS as u64, "{slept} of {points}");
    assert!(daemon.runs.len() - before >= TARGETS * (1200 / 15 - 2), "it goes on");
}

#[test]
fn a_clock_that_is_set_moves_no_window() {
    for by in [SignedDuration::from_hours(24), SignedDuration::from_hours(-24)] {
        let mut daemon = Loop::new();
        daemon.go(seconds(900));
        daemon.failing.insert("t3".into());
        daemon.go(seconds(20));
        daemon.clock.step(by);
        daemon.go(seconds(900));
        assert!(daemon.gaps.iter().all(|gap| matches!(gap, Gap::Stepped(_))) && !daemon.gaps.is_empty());
        let fired: BTreeSet<&str> = daemon.told.iter().map(|(alert, _)| alert.as_str()).collect();
        // What really fails is told, over the step; what does not is not.
        assert_eq!(fired, BTreeSet::from(["error_rate", "in_a_row"]), "{by:?}: {:?}", daemon.told);
        assert!(daemon.told.iter().all(|(_, transition)| *transition != Transition::Resolved), "{:?}", daemon.told);
        assert_eq!(daemon.missed.get(&Missed::Suspend), None);
    }
}

#[test]
fn what_fails_before_a_sleep_is_told_after_it_once() {
    let mut daemon = Loop::new();
    daemon.go(seconds(900));
    daemon.failing.insert("t3".into());
    daemon.go(seconds(300));
    let told = daemon.told.clone();
    assert!(!told.is_empty());
    daemon.clock.suspend(seconds(3600));
    daemon.go(seconds(60));
    assert_eq!(daemon.told, told, "it is known, and nothing has changed");
    daemon.failing.clear();
    daemon.go(seconds(900));
    let ended = daemon.told.iter().filter(|(_, transition)| *transition == Transition::Resolved).count();
    assert!(ended >= 1, "{:?}", daemon.told);
}

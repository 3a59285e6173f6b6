//! The engine under virtual time: fleets of probes on a grid, faults that come and go, and what channels are told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::base::clock::{Clock, Now, VirtualClock};
use crate::event::{Latency, Reason, Sample, Status};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn secs(count: u64) -> Duration {
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

fn error_rate(share: f64, window: Duration) -> Condition {
    let bound = Bound { value: share, inclusive: false };
    Condition::ErrorRate { bound, window, min_samples: None, resolve: None }
}

fn p95(bound: Duration, window: Duration) -> Condition {
    let bound = Bound { value: bound, inclusive: false };
    Condition::Latency { percentile: 95.0, bound, window, min_samples: None, resolve: None }
}

fn consecutive(count: u64, within: Option<Duration>) -> Condition {
    Condition::ConsecutiveFailures { count, within }
}

/// The rules of the mission.
fn three() -> Vec<Rule> {
    let mut latency = rule("mcp_p95_latency_exceeds", p95(secs(2), 10 * MINUTE));
    latency.notify = vec!["oncall".to_owned()];
    vec![
        rule("mcp_error_rate_spike", error_rate(0.05, 5 * MINUTE)),
        latency,
        rule("mcp_server_unresponsive", consecutive(3, Some(MINUTE))),
    ]
}

fn watched(probe: &str, target: &str, every: Duration) -> Watched {
    let (probe, target) = (probe.to_owned(), target.to_owned());
    Watched { probe, target, labels: BTreeMap::new(), every, can_restart: true }
}

fn fleet(count: usize, every: Duration) -> Vec<Watched> {
    (0..count).map(|number| watched("smoke", &format!("server-{number:03}"), every)).collect()
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Well,
    Slow(Duration),
    Failed(Reason),
    Unknown,
    /// It is not run at all.
    Missing,
}

/// A prober under virtual time.
struct Prober {
    engine: Engine,
    clock: VirtualClock,
    fleet: Vec<Watched>,
    /// The monotonic time of the next run of each.
    due: Vec<Duration>,
    actions: Vec<(Duration, Action)>,
    begun: Duration,
}

impl Prober {
    fn new(rules: Vec<Rule>, fleet: Vec<Watched>, settings: Settings) -> Self {
        let clock = VirtualClock::new("2026-03-28T12:00:00Z".parse().unwrap());
        let now = clock.now();
        let engine = Engine::new(rules, fleet.clone(), settings, now);
        let count = u32::try_from(fleet.len()).unwrap();
        let phase = |number: usize, every: Duration| every * u32::try_from(number).unwrap() / count;
        let due = fleet.iter().enumerate().map(|(number, one)| now.monotonic + phase(number, one.every)).collect();
        Self { engine, clock, fleet, due, actions: Vec::new(), begun: now.monotonic }
    }

    fn one(rules: Vec<Rule>, every: Duration) -> Self {
        Self::new(rules, vec![watched("smoke", "weather", every)], Settings::default())
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn keep(&mut self, actions: Vec<Action>) {
        let after = self.now().monotonic - self.begun;
        self.actions.extend(actions.into_iter().map(|action| (after, action)));
    }

    /// Runs everything for so long; `ends` says how the run of a probe ends at a time since the start.
    fn run(&mut self, time: Duration, mut ends: impl FnMut(&Watched, Duration) -> Ends) {
        let until = self.now().monotonic + time;
        loop {
            let now = self.now().monotonic;
            let run = self.due.iter().copied().enumerate().min_by_key(|(_, due)| *due).unwrap();
            let next = self.engine.next_tick().map_or(run.1, |tick| tick.max(now).min(run.1));
            if next > until {
                self.clock.advance(until - now);
                return;
            }
            self.clock.advance(next.saturating_sub(now));
            if next < run.1 {
                let actions = self.engine.tick(self.clock.now());
                self.keep(actions);
                continue;
            }
            self.due[run.0] += self.fleet[run.0].every;
            let one = self.fleet[run.0].clone();
            let how = ends(&one, next - self.begun);
            if how != Ends::Missing {
                let sample = sample(&one, how, self.now());
                let actions = self.engine.observe(&sample, self.now());
                self.keep(actions);
            }
        }
    }

    fn told(&self) -> Vec<(u64, &Notification)> {
        let told = self.actions.iter().filter_map(|(at, action)| match action {
            Action::Notify(notification) => Some((at.as_secs(), notification)),
            _ => None,
        });
        told.collect()
    }

    /// `30 firing mcp_server_unresponsive`, one for each message.
    fn lines(&self) -> Vec<String> {
        let line = |(at, told): (u64, &Notification)| {
            let names: Vec<&str> = told.alerts.iter().map(|view| view.alert.as_str()).collect();
            format!("{at} {} {} {}", told.channel, told.transition.name(), names.join("+"))
        };
        self.told().into_iter().map(line).collect()
    }

    /// What fired and ended, told or not.
    fn changes(&self) -> Vec<String> {
        let changed = self.actions.iter().filter_map(|(at, action)| match action {
            Action::Changed(change) => Some(format!("{} {} {}", at.as_secs(), change.alert, change.state)),
            _ => None,
        });
        changed.collect()
    }

    fn fired(&self) -> Vec<String> {
        self.changes().into_iter().filter(|line| line.ends_with(" firing")).collect()
    }
}

fn sample(one: &Watched, ends: Ends, now: Now) -> Sample {
    let (status, reason, took) = match ends {
        Ends::Well => (Status::Healthy, None, Some(Duration::from_millis(20))),
        Ends::Slow(took) => (Status::Healthy, None, Some(took)),
        Ends::Failed(Reason::Timeout) => (Status::Failed, Some(Reason::Timeout), Some(secs(10))),
        Ends::Failed(reason) => (Status::Failed, Some(reason), None),
        Ends::Unknown | Ends::Missing => (Status::Unknown, Some(Reason::Internal), None),
    };
    let timed_out = reason == Some(Reason::Timeout);
    let latency = |took| Latency { method: "tools/list".to_owned(), took, timed_out };
    Sample {
        probe: one.probe.clone(),
        target: one.target.clone(),
        at: now.wall,
        status,
        reason,
        message: reason.map(|reason| format!("it failed: {reason}")),
        duration: Duration::ZERO,
        latencies: took.map(latency).into_iter().collect(),
        server: None,
        protocol: None,
        tools: None,
        certificate_ends: None,
        token_ends: None,
        usage: None,
    }
}

fn between(from: u64, until: u64, ends: Ends) -> impl Fn(&Watched, Duration) -> Ends {
    move |_, at| if (from..until).contains(&at.as_secs()) { ends } else { Ends::Well }
}

#[test]
fn the_three_rules_fire_and_end() {
    let mut prober = Prober::one(three(), secs(15));
    prober.run(60 * MINUTE, |_, at| match at.as_secs() {
        600..660 => Ends::Failed(Reason::Connect),
        1800..2400 => Ends::Slow(secs(3)),
        _ => Ends::Well,
    });
    let changes = prober.changes();
    // Two of twenty are more than 5 %, three in a row are three; the window of 5 minutes is clean at 900 + 60 - 15.
    assert_eq!(
        changes,
        [
            "615 mcp_error_rate_spike firing",
            "630 mcp_server_unresponsive firing",
            "660 mcp_server_unresponsive resolved",
            "930 mcp_error_rate_spike resolved",
            "1830 mcp_p95_latency_exceeds firing",
            "2955 mcp_p95_latency_exceeds resolved",
        ]
    );
    assert_eq!(
        prober.lines(),
        [
            "645 ops firing mcp_error_rate_spike+mcp_server_unresponsive",
            "930 ops resolved mcp_error_rate_spike+mcp_server_unresponsive",
            "1860 oncall firing mcp_p95_latency_exceeds",
            "2955 oncall resolved mcp_p95_latency_exceeds",
        ]
    );
    let keys: BTreeSet<&str> = prober.told().iter().map(|(_, told)| told.dedup_key.as_str()).collect();
    assert_eq!(keys.len(), 2);
}

#[test]
fn one_failure_alone_fires_nothing_at_any_interval() {
    for every in [1, 5, 10, 15, 30, 60, 120, 300] {
        let mut prober = Prober::one(three(), secs(every));
        prober.run(120 * MINUTE, |_, at| {
            if at.as_secs() / every == 3600 / every { Ends::Failed(Reason::Timeout) } else { Ends::Well }
        });
        assert!(prober.fired().is_empty(), "every {every} s: {:?}", prober.fired());
    }
}

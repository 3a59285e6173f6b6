//! The engine under virtual time: fleets of probes on a grid, faults that come and go, and what channels are told.

#![expect(
    clippy::unchecked_time_subtraction,
    clippy::match_same_arms,
    clippy::manual_is_multiple_of,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times and counts of tests are small, and tables read best row by row"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::base::clock::{Clock, Now, VirtualClock};
use crate::event::{Era, Latency, Reason, Sample, Status, TransportKind};

mod asking;
mod blame;
mod fresh;
mod gaps;
mod heard;
mod moved;
mod network;
mod promises;
mod repairs;
mod restarts;

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
    let (probe, target) = (probe.into(), target.into());
    let (closest, farthest) = (every, every);
    Watched { probe, target, labels: BTreeMap::new(), every, closest, farthest, can_restart: true }
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
    /// It opened a session, and then no answer came in time.
    Late,
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
    /// Runs that were asked for beside those, of each one at most.
    asked: BTreeMap<usize, Duration>,
    actions: Vec<(Duration, Action)>,
    begun: Duration,
    /// What the store would have of the runs.
    history: Vec<Sample>,
}

impl Prober {
    fn new(rules: Vec<Rule>, fleet: Vec<Watched>, settings: Settings) -> Self {
        let clock = VirtualClock::new("2026-03-28T12:00:00Z".parse().unwrap());
        let now = clock.now();
        let engine = Engine::new(rules, fleet.clone(), settings, now);
        let count = u32::try_from(fleet.len()).unwrap();
        let phase = |number: usize, every: Duration| every * u32::try_from(number).unwrap() / count;
        let due = fleet.iter().enumerate().map(|(number, one)| now.monotonic + phase(number, one.every)).collect();
        let (asked, actions, history) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { engine, clock, fleet, due, asked, actions, begun: now.monotonic, history }
    }

    fn one(rules: Vec<Rule>, every: Duration) -> Self {
        Self::new(rules, vec![watched("smoke", "weather", every)], Settings::default())
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn keep(&mut self, actions: Vec<Action>) {
        let after = self.now().monotonic - self.begun;
        for action in &actions {
            let Action::Verify { probe, target, after } = action else { continue };
            let pair = self.fleet.iter().position(|one| one.probe == *probe && one.target == *target).unwrap();
            self.asked.insert(pair, self.now().monotonic + *after);
        }
        self.actions.extend(actions.into_iter().map(|action| (after, action)));
    }

    /// Which pair runs next, and when.
    fn next_run(&self) -> (usize, Duration) {
        let asked = self.asked.iter().map(|(pair, at)| (*pair, *at));
        self.due.iter().copied().enumerate().chain(asked).min_by_key(|(_, at)| *at).unwrap()
    }

    fn begin_run(&mut self, pair: usize, at: Duration) {
        if self.due[pair] == at {
            self.due[pair] += self.fleet[pair].every;
        } else {
            self.asked.remove(&pair);
        }
    }

    /// Runs everything for so long; `ends` says how the run of a probe ends at a time since the start.
    fn run(&mut self, time: Duration, mut ends: impl FnMut(&Watched, Duration) -> Ends) {
        let until = self.now().monotonic + time;
        loop {
            let now = self.now().monotonic;
            let run = self.next_run();
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
            self.begin_run(run.0, run.1);
            let one = self.fleet[run.0].clone();
            let how = ends(&one, next - self.begun);
            if how != Ends::Missing {
                let sample = sample(&one, how, self.now());
                let actions = self.engine.observe(&sample, self.now());
                self.history.push(sample);
                self.keep(actions);
            }
        }
    }

    /// The prober is killed, is away for so long, and goes on with these files and what it had written.
    fn restart(&mut self, pause: Duration, rules: Vec<Rule>, settings: Settings) {
        let saved = self.engine.snapshot();
        self.clock.advance(pause);
        self.go_on(&saved, rules, settings);
    }

    fn go_on(&mut self, saved: &serde_json::Value, rules: Vec<Rule>, settings: Settings) {
        let now = self.now();
        self.asked.clear();
        self.engine = Engine::new(rules, self.fleet.clone(), settings, now);
        // No more is read than the rules look back at, and what the snapshot does not know of.
        let (spans, saved_at) = (self.engine.looks_back(), saved["at"].as_str().unwrap().parse().unwrap());
        let is_read = |sample: &Sample| {
            let span = spans.iter().find(|(probe, target, _)| sample.probe == *probe && sample.target == *target);
            let is_looked_at = |span: Duration| now.wall.duration_since(sample.at).as_secs_f64() <= span.as_secs_f64();
            sample.at >= saved_at || span.is_some_and(|(.., span)| is_looked_at(*span))
        };
        let history: Vec<Sample> = self.history.iter().filter(|sample| is_read(sample)).cloned().collect();
        let actions = self.engine.restore(saved, history.into_iter(), now);
        self.keep(actions);
        for (due, one) in self.due.iter_mut().zip(&self.fleet) {
            while *due < now.monotonic {
                *due += one.every;
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
        Ends::Late | Ends::Failed(Reason::Timeout) => (Status::Failed, Some(Reason::Timeout), Some(secs(10))),
        Ends::Failed(reason) => (Status::Failed, Some(reason), None),
        Ends::Unknown | Ends::Missing => (Status::Unknown, Some(Reason::Internal), None),
    };
    let timed_out = reason == Some(Reason::Timeout);
    let latency = |took| Latency { method: "tools/list".into(), took, timed_out };
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
        protocol: (ends == Ends::Late).then(|| ("2025-11-25".into(), Era::Legacy, TransportKind::StreamableHttp)),
        tools: None,
        certificate_ends: None,
        tools_digest: None,
        token_ends: None,
        usage: None,
    }
}

fn between(from: u64, until: u64, ends: Ends) -> impl Fn(&Watched, Duration) -> Ends {
    move |_, at| if (from..until).contains(&at.as_secs()) { ends } else { Ends::Well }
}

/// What was told after the first so many messages.
fn after(prober: &Prober, count: usize) -> Vec<String> {
    prober.lines().into_iter().skip(count).map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
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

#[test]
fn what_could_not_be_judged_neither_counts_nor_ends_anything() {
    let mut prober = Prober::one(vec![rule("down", consecutive(3, Some(MINUTE)))], secs(15));
    prober.run(secs(300), |_, at| match at.as_secs() {
        60 | 90 | 105 => Ends::Failed(Reason::Connect),
        75 => Ends::Unknown,
        120..240 => Ends::Missing,
        240 | 270 => Ends::Unknown,
        255 => Ends::Missing,
        _ => Ends::Well,
    });
    assert_eq!(prober.changes(), ["105 down firing", "285 down resolved"]);
}

#[test]
fn missing_runs_end_nothing_and_fire_nothing_but_the_rule_for_them() {
    let mut rules = three();
    rules.push(rule("silent", Condition::NoData { after: 3 * MINUTE }));
    let mut prober = Prober::one(rules, secs(15));
    prober.run(60 * MINUTE, |_, at| match at.as_secs() {
        600..660 => Ends::Failed(Reason::Connect),
        660..1800 => Ends::Missing,
        1800..2000 => Ends::Unknown,
        _ => Ends::Well,
    });
    assert_eq!(
        prober.changes(),
        [
            "615 mcp_error_rate_spike firing",
            "630 mcp_server_unresponsive firing",
            "825 silent firing",
            // One healthy run alone does not end a rate of 5 minutes; a quarter of the window does.
            "2010 mcp_server_unresponsive resolved",
            "2010 silent resolved",
            "2070 mcp_error_rate_spike resolved",
        ]
    );
}

#[test]
fn a_jitter_of_the_grid_changes_nothing_of_three_in_a_minute() {
    // 30 s: three failures take the whole minute. 60 s: never.
    for (every, fires) in [(30, true), (60, false)] {
        let mut prober = Prober::one(vec![rule("down", consecutive(3, Some(MINUTE)))], secs(every));
        prober.run(secs(600), |_, _| Ends::Missing);
        for number in 0..5_u64 {
            prober.clock.advance(secs(every) - Duration::from_millis(100 * (number % 3)));
            let one = prober.fleet[0].clone();
            let mut sample = sample(&one, Ends::Failed(Reason::Timeout), prober.now());
            // The clocks are read one after the other.
            sample.at += SignedDuration::from_micros(3 * (i64::try_from(number % 3).unwrap() - 1));
            let actions = prober.engine.observe(&sample, prober.now());
            prober.keep(actions);
            prober.clock.advance(Duration::from_millis(100 * (number % 3)));
        }
        assert_eq!(!prober.fired().is_empty(), fires, "every {every} s");
    }
}

#[test]
fn suspends_steps_and_summer_time_alert_nobody() {
    let mut rules = three();
    rules.push(rule("silent", Condition::NoData { after: 2 * MINUTE }));
    rules.push(rule("budget", Condition::BurnRate { objective: 0.95, period: secs(30 * 86_400) }));
    let mut prober = Prober::new(rules, fleet(20, secs(15)), Settings::default());
    let mut count = 0_u32;
    // Now and then a run fails, so that a window which counts wrongly has something to count.
    let mut well = |_: &Watched, _: Duration| {
        count += 1;
        if count % 97 == 0 { Ends::Failed(Reason::Timeout) } else { Ends::Well }
    };
    for hours in [24, 1, 24] {
        prober.run(30 * MINUTE, &mut well);
        prober.clock.suspend(secs(hours * 3600));
        let actions = prober.engine.tick(prober.now());
        prober.keep(actions);
        prober.engine.gap(prober.now());
        prober.run(MINUTE, &mut well);
    }
    for step in [86_400, -86_400, 3600, -3600, 1, -1] {
        prober.clock.step(SignedDuration::from_secs(step));
        prober.run(30 * MINUTE, &mut well);
    }
    // It began on the eve of summer time in Europe; by now that night is over.
    assert!(prober.now().wall.to_string().as_str() > "2026-03-29T02:00:00Z");
    assert!(prober.actions.is_empty(), "{:?}", prober.actions);
}

#[test]
fn a_server_is_restarted_so_often_and_then_a_person_is_called() {
    let mut down = rule("down", consecutive(3, None));
    down.restart = true;
    let mut prober = Prober::one(vec![down.clone()], secs(15));
    let mut restarts = Vec::new();
    let until = 2 * 3600;
    while (prober.now().monotonic - prober.begun).as_secs() < until {
        let seen = prober.actions.len();
        prober.run(secs(1), between(600, 100_000, Ends::Failed(Reason::Connect)));
        let asked = prober.actions[seen..].iter().any(|(_, action)| matches!(action, Action::Restart { .. }));
        if asked {
            restarts.push((prober.now().monotonic - prober.begun).as_secs());
            let actions = prober.engine.restarted("weather", Ok("done".to_owned()), prober.now());
            assert!(actions.iter().any(|action| matches!(action, Action::Verify { .. })));
            prober.keep(actions);
        }
    }
    assert_eq!(restarts.len(), 3, "{restarts:?}");
    assert!(restarts[1] - restarts[0] >= 55 && restarts[2] - restarts[1] >= 115, "{restarts:?}");
    let words: Vec<&str> = prober.told().iter().map(|(_, told)| told.transition.name()).collect();
    assert_eq!(words, ["firing", "restart", "restart", "restart", "escalated"], "{:#?}", prober.lines());

    // What answers wrongly is not restarted, nor what cannot be.
    for reason in [Reason::Check, Reason::Http, Reason::Auth, Reason::ToolError, Reason::Tls, Reason::Resolve] {
        let mut prober = Prober::one(vec![down.clone()], secs(15));
        prober.run(secs(600), |_, _| Ends::Failed(reason));
        assert!(!prober.actions.iter().any(|(_, action)| matches!(action, Action::Restart { .. })), "{reason}");
    }
}

#[test]
fn a_restart_that_helps_ends_the_alert_and_one_that_cannot_be_done_is_told() {
    let mut down = rule("down", consecutive(3, None));
    down.restart = true;
    let mut prober = Prober::one(vec![down], secs(15));
    prober.run(secs(59), |_, _| Ends::Failed(Reason::Exited));
    assert!(prober.actions.iter().any(|(_, action)| matches!(action, Action::Restart { .. })));
    let actions = prober.engine.restarted("weather", Err("no such program".to_owned()), prober.now());
    assert!(!actions.iter().any(|action| matches!(action, Action::Verify { .. })));
    prober.keep(actions);
    prober.run(secs(600), |_, _| Ends::Well);
    let words: Vec<&str> = prober.told().iter().map(|(_, told)| told.transition.name()).collect();
    assert_eq!(words, ["firing", "restart", "resolved"], "{:#?}", prober.lines());
    assert_eq!(prober.told()[1].1.alerts[0].details.as_deref(), Some("no such program"));
}

#[test]
fn what_comes_and_goes_is_told_once_and_once_more_when_it_settles() {
    let mut prober = Prober::one(vec![rule("down", consecutive(1, None))], secs(60));
    prober.run(secs(3 * 3600), |_, at| {
        let minute = at.as_secs() / 60;
        if (10..100).contains(&minute) && minute % 3 == 0 { Ends::Failed(Reason::Connect) } else { Ends::Well }
    });
    let words: Vec<&str> = prober.told().iter().map(|(_, told)| told.transition.name()).collect();
    let flapping = words.iter().position(|word| *word == "flapping").unwrap();
    assert!(flapping <= 8, "{words:?}");
    assert_eq!(words[flapping + 1..], ["resolved"], "{:#?}", prober.lines());
}

#[test]
fn a_rule_or_target_that_goes_takes_its_alert_along_and_says_so() {
    let mut prober = Prober::new(three(), fleet(2, secs(15)), Settings::default());
    let down = between(0, 100_000, Ends::Failed(Reason::Connect));
    prober.run(secs(900), &down);
    let before = prober.actions.len();
    // The same files again: nothing changes.
    let actions = prober.engine.reload(three(), prober.fleet.clone(), Settings::default(), prober.now());
    assert!(actions.is_empty(), "{actions:?}");
    prober.run(secs(900), &down);
    assert_eq!(prober.actions.len(), before, "{:#?}", prober.lines());

    let rules: Vec<Rule> = three().into_iter().skip(1).collect();
    let actions = prober.engine.reload(rules.clone(), prober.fleet.clone(), Settings::default(), prober.now());
    prober.keep(actions);
    prober.run(secs(600), &down);
    prober.fleet.pop();
    prober.due.pop();
    let actions = prober.engine.reload(rules, prober.fleet.clone(), Settings::default(), prober.now());
    prober.keep(actions);
    let ends: Vec<(String, String, Option<String>)> = prober
        .told()
        .iter()
        .skip(2)
        .flat_map(|(_, told)| told.alerts.iter().filter(|view| view.ended.is_some()))
        .map(|view| (view.alert.clone(), view.target.clone(), view.ended_because.clone()))
        .collect();
    let end = |alert: &str, target: &str, why: &str| (alert.to_owned(), target.to_owned(), Some(why.to_owned()));
    assert_eq!(
        ends,
        [
            end("mcp_error_rate_spike", "server-000", "rule removed"),
            end("mcp_error_rate_spike", "server-001", "rule removed"),
            end("mcp_server_unresponsive", "server-001", "target removed"),
        ],
        "{:#?}",
        prober.lines()
    );
    prober.run(secs(60), |_, _| Ends::Well);
    assert!(prober.lines().last().unwrap().ends_with("ops resolved mcp_server_unresponsive"));
}

#[test]
fn a_restart_of_the_prober_tells_nothing_twice_and_loses_nothing() {
    let down = between(60, 100_000, Ends::Failed(Reason::Connect));
    for (pause, tolerated) in [(300, true), (7200, false)] {
        let mut prober = Prober::one(three(), secs(15));
        prober.run(secs(900), &down);
        assert_eq!(prober.lines().len(), 1);
        let saved = prober.engine.snapshot();
        let one = prober.fleet[0].clone();
        let mut known = Vec::new();
        for back in (1..60).rev() {
            let mut old = sample(&one, Ends::Failed(Reason::Connect), prober.now());
            old.at -= SignedDuration::from_secs(back * 15);
            known.push(old);
        }
        prober.clock.advance(secs(pause));
        prober.due[0] = prober.now().monotonic;
        prober.engine = Engine::new(three(), prober.fleet.clone(), Settings::default(), prober.now());
        let actions = prober.engine.restore(&saved, known.into_iter(), prober.now());
        assert!(actions.is_empty(), "{actions:?}");
        prober.run(secs(600), &down);
        assert_eq!(prober.lines().len(), 1, "tolerated {tolerated}: {:#?}", prober.lines());
        prober.run(secs(900), |_, _| Ends::Well);
        // The streak ends first, the window five minutes later; each end is told once.
        assert!(prober.lines().last().unwrap().ends_with("ops resolved mcp_error_rate_spike"), "{:#?}", prober.lines());
        let views = prober.told().into_iter().flat_map(|(_, told)| &told.alerts);
        let ended: Vec<&str> = views.filter(|view| view.ended.is_some()).map(|view| view.alert.as_str()).collect();
        assert_eq!(ended, ["mcp_server_unresponsive", "mcp_error_rate_spike"]);
    }
    // A fault that began while the prober was away fires.
    let mut prober = Prober::one(three(), secs(15));
    prober.run(secs(600), |_, _| Ends::Well);
    let saved = prober.engine.snapshot();
    prober.clock.advance(secs(600));
    prober.due[0] = prober.now().monotonic;
    prober.engine = Engine::new(three(), prober.fleet.clone(), Settings::default(), prober.now());
    let actions = prober.engine.restore(&saved, std::iter::empty(), prober.now());
    prober.keep(actions);
    prober.run(secs(120), &down);
    assert!(!prober.lines().is_empty());
}

#[test]
fn the_end_of_an_alert_whose_rule_has_gone_while_the_prober_was_away_is_told() {
    let mut prober = Prober::one(three(), secs(15));
    prober.run(secs(900), |_, _| Ends::Failed(Reason::Connect));
    let saved = prober.engine.snapshot();
    prober.clock.advance(secs(10 * 3600));
    prober.engine = Engine::new(Vec::new(), prober.fleet.clone(), Settings::default(), prober.now());
    let actions = prober.engine.restore(&saved, std::iter::empty(), prober.now());
    prober.keep(actions);
    let lines = prober.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].contains("resolved"), "{lines:#?}");
    let newer = serde_json::json!({ "schema": "mcp-probe/alert-state/9", "alerts": 3 });
    assert!(prober.engine.restore(&newer, std::iter::empty(), prober.now()).is_empty());
}

fn silence(from: &str, until: &str) -> Settings {
    let when = Window::Between(from.parse().unwrap(), until.parse().unwrap());
    let silence = Silence { name: "works".to_owned(), selector: Selector::default(), alerts: BTreeSet::new(), when };
    Settings { silences: vec![silence], ..Settings::default() }
}

#[test]
fn a_silence_holds_back_messages_and_never_the_end_of_what_was_told() {
    let run = |settings: Settings, from: u64, until: u64| {
        let mut prober = Prober::new(
            vec![rule("down", consecutive(3, None))],
            vec![watched("smoke", "weather", secs(15))],
            settings,
        );
        prober.run(3 * 60 * MINUTE, between(from, until, Ends::Failed(Reason::Connect)));
        prober.lines()
    };
    // It began before the silence and ended in it.
    let lines = run(silence("2026-03-28T12:15:00Z", "2026-03-28T13:15:00Z"), 600, 1800);
    assert_eq!(lines, ["660 ops firing down", "1800 ops resolved down"]);
    // It began in it, and still fires at its end.
    let lines = run(silence("2026-03-28T12:05:00Z", "2026-03-28T13:00:00Z"), 600, 7200);
    assert_eq!(lines, ["3600 ops firing down", "7200 ops resolved down"]);
    // All of it was in the silence.
    assert!(run(silence("2026-03-28T12:05:00Z", "2026-03-28T13:00:00Z"), 600, 1800).is_empty());
}

#[test]
fn reminders_go_by_the_time_that_has_passed() {
    let mut down = rule("down", consecutive(3, None));
    down.remind = Some(secs(60));
    let mut prober = Prober::one(vec![down], secs(15));
    let fails = between(0, 1500, Ends::Failed(Reason::Connect));
    prober.run(secs(600), &fails);
    prober.clock.step(SignedDuration::from_secs(86_400));
    prober.run(secs(1200), &fails);
    let lines = prober.lines();
    // More often than every five minutes nobody is reminded.
    let expected = [
        "60 ops firing",
        "360 ops reminder",
        "660 ops reminder",
        "960 ops reminder",
        "1260 ops reminder",
        "1500 ops resolved",
    ];
    let expected: Vec<String> = expected.iter().map(|line| format!("{line} down")).collect();
    assert_eq!(lines, expected);
    assert_eq!(prober.told()[4].1.alerts[0].told, 5);
}

#[test]
fn a_condition_must_last_and_its_end_too() {
    let mut slow = rule("errors", error_rate(0.5, secs(150)));
    slow.lasting = MINUTE;
    slow.keep_firing_for = 2 * MINUTE;
    let mut prober = Prober::one(vec![slow], secs(15));
    prober.run(secs(2000), |_, at| match at.as_secs() {
        300..360 => Ends::Failed(Reason::Check),
        600..900 => Ends::Failed(Reason::Check),
        _ => Ends::Well,
    });
    // Four of ten never hold. From the sixth on (675) it holds; a minute later it fires. From 960 on no more than half.
    assert_eq!(prober.changes(), ["675 errors pending", "735 errors firing", "1080 errors resolved"]);
}

#[test]
fn a_lower_bound_for_the_end_keeps_it_from_coming_and_going() {
    let bound = Bound { value: 0.2, inclusive: false };
    let condition = Condition::ErrorRate { bound, window: secs(150), min_samples: Some(10), resolve: Some(0.05) };
    let mut prober = Prober::one(vec![rule("errors", condition)], secs(15));
    prober.run(secs(1200), |_, at| match at.as_secs() {
        300..345 => Ends::Failed(Reason::Check),
        _ => Ends::Well,
    });
    assert_eq!(prober.changes(), ["330 errors firing", "480 errors resolved"]);
}

#[test]
fn the_end_of_a_certificate_and_a_drift_are_told() {
    let left = secs(14 * 86_400);
    let rules = vec![
        rule("certificate", Condition::Expiry { what: Expiring::Certificate, left }),
        rule("token", Condition::Expiry { what: Expiring::Token, left }),
        rule("drift", Condition::Drift),
    ];
    let mut prober = Prober::one(rules, secs(3600));
    let one = prober.fleet[0].clone();
    for hour in 0..48_i64 {
        prober.clock.advance(secs(3600));
        let ends = match hour {
            20..24 => Ends::Failed(Reason::Drift),
            24 => Ends::Failed(Reason::Connect),
            _ => Ends::Well,
        };
        let mut sample = sample(&one, ends, prober.now());
        let renewed = if hour < 40 { 0 } else { 90 };
        sample.certificate_ends = (hour != 24).then(|| {
            "2026-04-12T12:00:00Z".parse::<jiff::Timestamp>().unwrap() + SignedDuration::from_hours(24 * renewed)
        });
        let actions = prober.engine.observe(&sample, prober.now());
        prober.keep(actions);
    }
    assert_eq!(
        prober.changes(),
        [
            format!("{} drift firing", 21 * 3600),
            format!("{} certificate firing", 24 * 3600),
            format!("{} drift resolved", 26 * 3600),
            format!("{} certificate resolved", 41 * 3600),
        ]
    );
}

#[test]
fn a_budget_that_burns_too_fast_is_told_and_settles_soon_after() {
    let budget = Condition::BurnRate { objective: 0.999, period: secs(30 * 86_400) };
    let mut prober = Prober::one(vec![rule("budget", budget)], secs(15));
    prober.run(secs(20 * 3600), |_, at| match at.as_secs() {
        36_000..36_600 => Ends::Failed(Reason::Connect),
        _ => Ends::Well,
    });
    let changes = prober.changes();
    // 14.4 times 0.1 % of the 240 runs of an hour are 3.5: the fourth failure.
    assert_eq!(changes[0], "36045 budget firing");
    assert_eq!(changes.len(), 2, "{changes:?}");
    // Ten minutes are more than a day's budget: the slowest pair sees them in its short window for six hours.
    let ended: u64 = changes[1].split(' ').next().unwrap().parse().unwrap();
    assert!((36_600 + 5 * 3600..36_600 + 6 * 3600 + 720).contains(&ended), "{changes:?}");
}

#[test]
fn what_belongs_together_is_told_together() {
    let mut urgent = rule("urgent", consecutive(40, None));
    urgent.severity = Urgency::Critical;
    let rules = vec![
        rule("first", consecutive(1, None)),
        rule("second", consecutive(2, None)),
        rule("third", consecutive(8, None)),
        urgent,
    ];
    let mut prober = Prober::one(rules, secs(15));
    prober.run(secs(1500), between(0, 1200, Ends::Failed(Reason::Connect)));
    assert_eq!(
        prober.lines(),
        [
            "30 ops firing first+second",
            // The third comes five minutes after the first word, the urgent one at once.
            "330 ops firing first+second+third",
            "615 ops firing first+second+third+urgent",
            "1200 ops resolved first+second+third+urgent",
        ]
    );
}

#[test]
fn an_alert_that_is_over_before_anybody_heard_of_it_is_told_whole() {
    let mut prober = Prober::one(vec![rule("first", consecutive(1, None))], secs(15));
    prober.run(secs(600), between(300, 315, Ends::Failed(Reason::Connect)));
    assert_eq!(prober.lines(), ["330 ops firing first", "330 ops resolved first"]);
}

#[test]
fn the_figures_of_a_month_in_production_fire_none_of_the_three() {
    for text in ["requests=45203,errors=23,p95=1840ms", "requests=45203,errors=23,p95=1840ms,span=10d"] {
        let synthetic: replay::Synthetic = text.parse().unwrap();
        let all = [watched("smoke", "weather", synthetic.interval())];
        let end = "2026-03-28T12:00:00Z".parse().unwrap();
        let samples: Vec<Sample> = synthetic.samples(&all, end).collect();
        assert_eq!(samples.len(), 45_203);
        assert_eq!(samples.iter().filter(|sample| sample.status == Status::Failed).count(), 23);
        let mut took: Vec<Duration> = samples.iter().flat_map(|sample| &sample.latencies).map(|one| one.took).collect();
        took.sort();
        assert_eq!(took[took.len() * 95 / 100], Duration::from_millis(1840));
        let replayed = replay::replay(three(), all.to_vec(), Settings::default(), samples.into_iter());
        assert_eq!((replayed.runs, replayed.episodes.len(), replayed.messages.len()), (45_203, 0, 0));
    }
    // With a tenth of it failing, and slow, it would.
    let synthetic: replay::Synthetic = "requests=5760,errors=576,p95=2100ms,span=1d".parse().unwrap();
    let all = [watched("smoke", "weather", synthetic.interval())];
    let samples = synthetic.samples(&all, "2026-03-28T12:00:00Z".parse().unwrap());
    let replayed = replay::replay(three(), all.to_vec(), Settings::default(), samples);
    let fired: BTreeSet<&str> = replayed.episodes.iter().map(|one| one.alert.as_str()).collect();
    assert_eq!(fired, BTreeSet::from(["mcp_error_rate_spike", "mcp_p95_latency_exceeds"]));
}

/// A model of one rule on one probe that keeps every run and counts everything anew each time, by sorting and filtering.
mod against_a_model {
    use proptest::prelude::*;

    use super::*;

    const EVERY: u64 = 15;

    struct Kept {
        at: u64,
        failed: bool,
        took: Option<Duration>,
    }

    /// The first run since there was a hole in the window.
    fn first(runs: &[Kept], window: u64) -> &Kept {
        let is_hole = |pause: u64| pause * 4 > window && pause > 2 * EVERY;
        let after_hole = runs.windows(2).rposition(|two| is_hole(two[1].at - two[0].at));
        &runs[after_hole.map_or(0, |place| place + 1)]
    }

    /// What the rule says after the newest of these runs; none where it cannot be told.
    fn says(condition: &Condition, runs: &[Kept], was_firing: bool) -> Option<bool> {
        let last = runs.last()?;
        match condition {
            Condition::ErrorRate { bound, window, min_samples, .. } => {
                let window = window.as_secs();
                let inside: Vec<&Kept> = runs.iter().filter(|run| run.at + window > last.at).collect();
                let failed = inside.iter().filter(|run| run.failed).count();
                let full = usize::try_from(window.div_ceil(EVERY)).unwrap();
                let seen = last.at - first(runs, window).at + EVERY;
                let judged = inside.len();
                let above = |all: usize| failed as f64 / all as f64 > bound.value;
                match min_samples {
                    Some(least) if judged < usize::try_from(*least).unwrap() => None,
                    Some(_) => Some(above(judged)),
                    None if failed >= 2 && above(if seen >= window { judged } else { judged.max(full) }) => Some(true),
                    None if judged < full.div_ceil(4).max(2).min(full) => None,
                    None => Some(false),
                }
            }
            Condition::Latency { percentile, bound, window, min_samples, .. } => {
                let window = window.as_secs();
                let inside = runs.iter().filter(|run| run.at + window > last.at);
                let mut took: Vec<Duration> = inside.filter_map(|run| run.took).collect();
                took.sort();
                let count = took.len();
                if count == 0 || count < usize::try_from(min_samples.unwrap_or(1)).unwrap() {
                    return None;
                }
                // Until the window is full, what is still to come counts as fast.
                let full = usize::try_from(window.div_ceil(EVERY)).unwrap();
                let seen = last.at - first(runs, window).at + EVERY;
                let missing = if min_samples.is_some() || seen >= window { 0 } else { full.saturating_sub(count) };
                let mut all = vec![Duration::ZERO; missing];
                all.extend(&took);
                let rank = (percentile / 100.0 * all.len() as f64 - 1e-9).ceil().max(1.0) as usize;
                let above = all[rank - 1] > bound.value;
                let slow = took.iter().filter(|took| **took > bound.value).count();
                let holds = above && (min_samples.is_some() || slow >= 2);
                if holds {
                    return Some(true);
                }
                (min_samples.is_some() || count >= full.div_ceil(4).max(2).min(full)).then_some(false)
            }
            Condition::ConsecutiveFailures { count, within } => {
                let row: Vec<u64> = runs.iter().rev().take_while(|run| run.failed).map(|run| run.at).collect();
                let count = usize::try_from(*count).unwrap();
                let span = row.get(count - 1).map(|first| last.at - first);
                match span {
                    Some(span) if within.is_none_or(|within| span <= within.as_secs()) => Some(true),
                    _ if row.is_empty() => Some(false),
                    _ => Some(was_firing),
                }
            }
            _ => None,
        }
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let least = || proptest::option::of(1_u64..25);
        prop_oneof![
            (1_u32..99, 1_u64..40, least()).prop_map(|(percent, runs, min_samples)| {
                let bound = Bound { value: f64::from(percent) / 100.0, inclusive: false };
                Condition::ErrorRate { bound, window: secs(runs * EVERY), min_samples, resolve: None }
            }),
            (1_u32..100, 1_u64..40, least()).prop_map(|(percentile, runs, min_samples)| {
                let bound = Bound { value: Duration::from_millis(500), inclusive: false };
                let percentile = f64::from(percentile);
                Condition::Latency { percentile, bound, window: secs(runs * EVERY), min_samples, resolve: None }
            }),
            (1_u64..6, proptest::option::of(0_u64..120))
                .prop_map(|(count, within)| consecutive(count, within.map(secs))),
        ]
    }

    fn runs() -> impl Strategy<Value = Vec<Ends>> {
        let one = prop_oneof![
            6 => Just(Ends::Well),
            2 => Just(Ends::Slow(Duration::from_millis(900))),
            4 => Just(Ends::Failed(Reason::Check)),
            1 => Just(Ends::Failed(Reason::Timeout)),
            1 => Just(Ends::Unknown),
            1 => Just(Ends::Missing),
        ];
        let stretch = (one, 1_usize..12).prop_map(|(ends, count)| vec![ends; count]);
        proptest::collection::vec(stretch, 1..40).prop_map(|stretches| stretches.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
        #[test]
        fn the_engine_says_the_same(condition in condition(), runs in runs()) {
            let mut prober = Prober::one(vec![rule("rule", condition.clone())], secs(EVERY));
            let one = prober.fleet[0].clone();
            let (mut kept, mut firing) = (Vec::new(), false);
            for (number, ends) in (0_u64..).zip(runs) {
                prober.clock.advance(secs(EVERY));
                if ends == Ends::Missing {
                    continue;
                }
                let sample = sample(&one, ends, prober.now());
                if ends != Ends::Unknown {
                    let took = sample.latencies.first().map(|latency| latency.took);
                    kept.push(Kept { at: number * EVERY, failed: sample.status == Status::Failed, took });
                    firing = says(&condition, &kept, firing).unwrap_or(firing);
                }
                prober.engine.observe(&sample, prober.now());
                let open = !prober.engine.open().is_empty();
                prop_assert_eq!(open, firing, "{:?} after {} runs", condition, number + 1);
            }
        }
    }
}

#[test]
fn ten_thousand_targets_cost_little_also_when_all_of_them_fail() {
    let all = fleet(10_000, secs(60));
    let clock = VirtualClock::new("2026-03-28T12:00:00Z".parse().unwrap());
    let mut rules = three();
    rules.push(rule("silent", Condition::NoData { after: 5 * MINUTE }));
    let mut engine = Engine::new(rules, all.clone(), Settings::default(), clock.now());
    let begun = std::time::Instant::now();
    let (mut runs, mut told) = (0_u32, 0);
    for round in 0..8 {
        for one in &all {
            clock.advance(Duration::from_millis(6));
            let ends = if (3..6).contains(&round) { Ends::Failed(Reason::Connect) } else { Ends::Well };
            let sample = sample(one, ends, clock.now());
            told += engine.observe(&sample, clock.now()).iter().filter(|one| matches!(one, Action::Notify(_))).count();
            runs += 1;
        }
    }
    // A build for tests is many times slower than one for use, and the machine may be busy: this is about orders.
    let each = begun.elapsed() / runs;
    assert!(each < Duration::from_millis(1), "{each:?} for a run");
    assert_eq!(told, 4, "one alert to each of two channels, and its end");
}

#[test]
fn another_list_of_tools_is_drift_until_it_is_the_known_one_again_or_a_day_old() {
    let one = watched("smoke", "weather", 5 * MINUTE);
    let rules = vec![rule("changed", Condition::Drift)];
    let clock = VirtualClock::new("2026-03-28T12:00:00Z".parse().unwrap());
    let mut engine = Engine::new(rules.clone(), vec![one.clone()], Settings::default(), clock.now());
    let states = |engine: &mut Engine, list: Option<&str>, ends: Ends| -> Vec<&'static str> {
        clock.advance(one.every);
        let seen = Sample { tools_digest: list.map(Into::into), ..sample(&one, ends, clock.now()) };
        let changed = engine.observe(&seen, clock.now()).into_iter().filter_map(|action| match action {
            Action::Changed(change) => Some(change.state),
            _ => None,
        });
        changed.collect()
    };
    assert!(states(&mut engine, Some("a"), Ends::Well).is_empty());
    assert_eq!(states(&mut engine, Some("b"), Ends::Well), ["firing"]);
    assert!(states(&mut engine, None, Ends::Failed(Reason::Connect)).is_empty(), "a failure compares nothing");
    assert_eq!(states(&mut engine, Some("a"), Ends::Well), ["resolved"]);
    assert_eq!(
        states(&mut engine, Some("b"), Ends::Failed(Reason::Check)),
        ["firing"],
        "a failed run that read the list"
    );

    // After a restart the list that is known is still the first one.
    let saved = engine.snapshot();
    let mut engine = Engine::new(rules, vec![one.clone()], Settings::default(), clock.now());
    engine.restore(&saved, std::iter::empty(), clock.now());
    assert!(states(&mut engine, Some("b"), Ends::Well).is_empty(), "it goes on");
    let day = 24 * 60 * 60 / one.every.as_secs();
    let ended = (0..day).filter(|_| states(&mut engine, Some("b"), Ends::Well) == ["resolved"]).count();
    assert_eq!(ended, 1, "after a day the new list is the known one");
    assert_eq!(states(&mut engine, Some("a"), Ends::Well), ["firing"]);
}

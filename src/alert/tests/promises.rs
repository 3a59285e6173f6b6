//! Whatever happens to targets, to the prober and to its files, the messages keep what is promised: who heard of a beginning
//! hears of its end, once, and of nothing that is silenced, explained by something else, or told already.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const TARGETS: usize = 6;

/// How a target behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Behaves {
    Well,
    Down,
    Wrong,
    Flaps,
    Unknown,
    Missing,
}

/// What happens then.
#[derive(Clone, Debug)]
enum Then {
    Nothing,
    /// It is killed, is away, and goes on with some of the rules; the clock may be set back meanwhile.
    Restart {
        pause: u64,
        back: u64,
        rules: Option<u8>,
    },
    Reload(u8),
}

#[derive(Clone, Debug)]
struct Stage {
    time: u64,
    behave: Vec<Behaves>,
    /// Our own network does not work.
    cut: bool,
    then: Then,
}

#[derive(Clone, Debug)]
struct Plan {
    /// Each may need one before it.
    needs: Vec<Option<usize>>,
    slow: Vec<bool>,
    reference: bool,
    group_wait: u64,
    /// From, for so long, one target or all.
    silence: Option<(u64, u64, Option<usize>)>,
    stages: Vec<Stage>,
    /// Who fails for an hour at the end.
    last: Vec<bool>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let behaves = || {
        prop_oneof![
            5 => Just(Behaves::Well),
            4 => Just(Behaves::Down),
            1 => Just(Behaves::Wrong),
            2 => Just(Behaves::Flaps),
            1 => Just(Behaves::Unknown),
            1 => Just(Behaves::Missing),
        ]
    };
    let then = prop_oneof![
        3 => Just(Then::Nothing),
        4 => (prop_oneof![1_u64..60, Just(900), Just(7200)], prop_oneof![4 => Just(0_u64), 1 => Just(9000)], proptest::option::weighted(0.3, any::<u8>()))
            .prop_map(|(pause, back, rules)| Then::Restart { pause, back, rules }),
        2 => any::<u8>().prop_map(Then::Reload),
    ];
    let stage = (
        prop_oneof![1_u64..90, 90_u64..900],
        proptest::collection::vec(behaves(), TARGETS),
        proptest::bool::weighted(0.2),
        then,
    )
        .prop_map(|(time, behave, cut, then)| Stage { time, behave, cut, then });
    (
        proptest::collection::vec(proptest::option::weighted(0.4, 0..TARGETS), TARGETS),
        proptest::collection::vec(any::<bool>(), TARGETS),
        proptest::bool::weighted(0.3),
        prop_oneof![Just(10_u64), Just(30), Just(90)],
        proptest::option::of((0_u64..3000, 60_u64..3000, proptest::option::of(0..TARGETS))),
        proptest::collection::vec(stage, 1..9),
        proptest::collection::vec(any::<bool>(), TARGETS),
    )
        .prop_map(|(needs, slow, reference, group_wait, silence, stages, last)| {
            let needs =
                needs.into_iter().enumerate().map(|(number, need)| need.filter(|need| *need < number)).collect();
            Plan { needs, slow, reference, group_wait, silence, stages, last }
        })
}

/// Every kind of rule that says when it fires and ends; a bit for each.
fn rules(mask: u8) -> Vec<Rule> {
    let both = || vec!["ops".to_owned(), "oncall".to_owned()];
    let rate = Condition::ErrorRate {
        bound: Bound { value: 0.2, inclusive: false },
        window: secs(300),
        min_samples: None,
        resolve: Some(0.05),
    };
    let all = vec![
        Rule { remind: Some(secs(300)), ..rule("down", consecutive(3, None)) },
        Rule { notify: vec!["oncall".to_owned()], ..rule("any", consecutive(1, None)) },
        Rule { notify: both(), keep_firing_for: secs(60), ..rule("rate", rate) },
        Rule { lasting: secs(90), severity: Urgency::Critical, ..rule("lasting", consecutive(1, None)) },
        Rule { notify: both(), restart: true, ..rule("repair", consecutive(2, None)) },
        rule("budget", Condition::BurnRate { objective: 0.95, period: secs(86_400) }),
        rule("silent", Condition::NoData { after: secs(180) }),
    ];
    all.into_iter().enumerate().filter(|(number, _)| mask >> number & 1 == 1).map(|(_, rule)| rule).collect()
}

/// A channel and an alert in it.
type Key = (String, String, String, String);

/// What is true of a target, whatever the engine takes for true.
#[derive(Clone, Debug, Default)]
struct Truth {
    failing: bool,
    /// After this nobody knows whether it still does.
    stale_at: Duration,
    good_at: Option<Duration>,
    /// The last run could not reach it.
    bad: bool,
    /// When it failed.
    failures: Vec<(Duration, Option<Duration>)>,
}

impl Truth {
    /// What was not heard of for too long is not known to fail any more.
    fn let_go(&mut self, now: Duration) {
        if self.failing && now >= self.stale_at {
            self.failing = false;
            self.failures.last_mut().unwrap().1 = Some(self.stale_at);
        }
    }
}

struct World {
    plan: Plan,
    prober: Prober,
    mask: u8,
    /// What was written last, and when.
    saved: (Duration, Value),
    truth: Vec<Truth>,
    /// By pair: when, failed, could not be reached; of the last run that was judged.
    last: Vec<Option<(Duration, bool, bool)>>,
    /// By pair: the runs that failed since one did not.
    row: Vec<Vec<Duration>>,
    open: BTreeSet<Key>,
    /// Those that have flapped: they may be told once more how they are.
    unsettled: BTreeSet<Key>,
    settings: Settings,
    /// What it says now is about runs that were recorded.
    is_restoring: bool,
}

type Checked = Result<(), TestCaseError>;

impl World {
    fn new(plan: Plan) -> Self {
        let name = |number: usize| format!("t{number}");
        let every = |number: usize| if plan.slow[number] { secs(30) } else { secs(15) };
        let mut fleet: Vec<Watched> =
            (0..TARGETS).map(|number| watched("smoke", &name(number), every(number))).collect();
        fleet.push(watched("deep", "t1", secs(30)));
        let needs =
            plan.needs.iter().enumerate().filter_map(|(number, need)| Some((name(number), vec![name((*need)?)])));
        let silences = plan.silence.iter().map(|(from, time, target)| {
            let begun: jiff::Timestamp = "2026-03-28T12:00:00Z".parse().unwrap();
            let from = begun + SignedDuration::from_secs(i64::try_from(*from).unwrap());
            let until = from + SignedDuration::from_secs(i64::try_from(*time).unwrap());
            let selector =
                Selector { targets: target.iter().map(|number| name(*number)).collect(), ..Selector::default() };
            Silence { name: "works".to_owned(), selector, alerts: BTreeSet::new(), when: Window::Between(from, until) }
        });
        let settings = Settings {
            group_wait: secs(plan.group_wait),
            group_interval: secs(60),
            reference: if plan.reference { vec!["t0".to_owned()] } else { Vec::new() },
            restarts_max: 1,
            dependencies: needs.collect(),
            silences: silences.collect(),
            ..Settings::default()
        };
        let pairs = fleet.len();
        let prober = Prober::new(rules(255), fleet, settings.clone());
        let saved = (prober.now().monotonic, prober.engine.snapshot());
        Self {
            plan,
            prober,
            mask: 255,
            saved,
            truth: vec![Truth::default(); TARGETS],
            last: vec![None; pairs],
            row: vec![Vec::new(); pairs],
            open: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            settings,
            is_restoring: false,
        }
    }

    fn number(target: &str) -> usize {
        target[1..].parse().unwrap()
    }

    /// All that a target needs.
    fn above(&self, target: usize) -> Vec<usize> {
        std::iter::successors(self.plan.needs[target], |one| self.plan.needs[*one]).collect()
    }

    fn is_explained(&self, target: usize, at: Duration) -> bool {
        self.above(target)
            .iter()
            .map(|up| &self.truth[*up])
            .any(|up| up.failures.iter().any(|(from, until)| *from <= at && at < until.unwrap_or(up.stale_at)))
    }

    fn is_held(&self, target: usize) -> bool {
        let outage = self.open.iter().any(|(_, alert, ..)| alert == CONNECTIVITY) && self.truth[target].bad;
        let now = self.prober.now().monotonic;
        let fails = |truth: &Truth| truth.failing && now < truth.stale_at;
        outage || self.above(target).iter().any(|up| fails(&self.truth[*up]))
    }

    fn is_silenced(&self, view: &AlertView) -> bool {
        let wall = self.prober.now().wall;
        let mut silences = self.settings.silences.iter();
        silences.any(|one| one.silences(&view.alert, &view.probe, &view.target, &view.labels, wall).is_some())
    }

    fn may_be_told(&self, view: &AlertView) -> bool {
        view.target.is_empty() || !self.is_silenced(view) && !self.is_held(Self::number(&view.target))
    }

    /// What a run says of its target.
    fn learn(&mut self, pair: usize, ends: Ends) {
        let (failed, unreached) = match ends {
            Ends::Failed(reason) => (true, reason == Reason::Connect),
            Ends::Late => (true, false),
            Ends::Well | Ends::Slow(_) => (false, false),
            Ends::Unknown | Ends::Missing => return,
        };
        let now = self.prober.now().monotonic;
        self.last[pair] = Some((now, failed, unreached));
        if failed {
            self.row[pair].push(now);
        } else {
            self.row[pair].clear();
        }
        let number = Self::number(&self.prober.fleet[pair].target);
        let fleet = &self.prober.fleet;
        let pairs = (0..fleet.len()).filter(|pair| Self::number(&fleet[*pair].target) == number);
        let every = pairs.clone().map(|pair| fleet[pair].every).max().unwrap();
        let fastest = pairs.clone().map(|pair| fleet[pair].every).min().unwrap();
        let is_fresh = |(at, ..): &(Duration, bool, bool)| now - *at <= 2 * fastest;
        let last: Vec<(Duration, bool, bool)> = pairs.filter_map(|pair| self.last[pair]).filter(is_fresh).collect();
        let newest = |unreached| last.iter().filter(|run| run.2 == unreached).map(|run| run.0).max();
        let is_lost = newest(true).is_some_and(|at| newest(false).is_none_or(|answered| at >= answered));
        let fails = is_lost || last.iter().all(|(_, failed, _)| *failed);
        let truth = &mut self.truth[number];
        truth.bad = unreached;
        truth.let_go(now);
        if fails {
            truth.stale_at = now + (2 * fastest).max(MINUTE);
        }
        if fails && !truth.failing {
            truth.failures.push((truth.good_at.unwrap_or(now - every), None));
        } else if !fails && truth.failing {
            truth.failures.last_mut().unwrap().1 = Some(now);
        }
        truth.failing = fails;
        if !fails {
            truth.good_at = Some(now);
        }
    }

    fn run(&mut self, time: Duration, ends: &dyn Fn(usize, Duration) -> Ends) -> Checked {
        let until = self.prober.now().monotonic + time;
        loop {
            let now = self.prober.now().monotonic;
            let (pair, due) = self.prober.next_run();
            let next = self.prober.engine.next_tick().map_or(due, |tick| tick.max(now).min(due));
            if next > until {
                self.prober.clock.advance(until - now);
                return Ok(());
            }
            self.prober.clock.advance(next.saturating_sub(now));
            let now = self.prober.now();
            if next < due {
                let actions = self.prober.engine.tick(now);
                self.take(actions)?;
                continue;
            }
            self.prober.begin_run(pair, due);
            let how = ends(pair, next - self.prober.begun);
            if how != Ends::Missing {
                self.learn(pair, how);
                let sample = sample(&self.prober.fleet[pair].clone(), how, now);
                let actions = self.prober.engine.observe(&sample, now);
                self.prober.history.push(sample);
                self.take(actions)?;
            }
        }
    }

    /// Takes up what the engine wants, as the daemon does: it is written whenever something is to be done, and at times.
    fn take(&mut self, actions: Vec<Action>) -> Checked {
        let now = self.prober.now();
        let write = !actions.is_empty() || now.monotonic - self.saved.0 >= MINUTE;
        let mut more = Vec::new();
        for action in &actions {
            match action {
                Action::Notify(told) => self.hear(told)?,
                Action::Restart { target, .. } => more.push(target.clone()),
                Action::Changed(change) => self.changed(change)?,
                Action::Verify { .. } | Action::Explained(_) => {}
            }
        }
        self.prober.keep(actions);
        if write {
            self.saved = (now.monotonic, self.prober.engine.snapshot());
        }
        for channel in ["ops", "oncall"] {
            let heard = self.prober.engine.heard(channel).into_iter().map(|view| key(channel, &view)).collect();
            let open: BTreeSet<Key> = self.open.iter().filter(|(of, ..)| of == channel).cloned().collect();
            prop_assert_eq!(&open, &heard, "what {} was told is not what the engine takes it to know", channel);
        }
        for target in more {
            let actions = self.prober.engine.restarted(&target, Ok("done".to_owned()), now);
            self.take(actions)?;
        }
        Ok(())
    }

    fn changed(&mut self, change: &crate::event::AlertChange) -> Checked {
        if change.message == "it has settled" || change.state == "flapping" {
            for channel in ["ops", "oncall"] {
                let names = (channel.to_owned(), change.alert.clone(), change.probe.clone(), change.target.clone());
                self.unsettled.insert(names);
            }
            return Ok(());
        }
        if change.alert == CONNECTIVITY && change.state == "firing" && !self.is_restoring {
            let bad = self.truth.iter().filter(|truth| truth.bad).count();
            let others = bad - usize::from(self.truth[0].bad);
            let began =
                if self.plan.reference { self.truth[0].bad && others * 2 > TARGETS - 1 } else { bad * 2 > TARGETS };
            prop_assert!(began, "the network is said to be gone with {} that cannot be reached", bad);
        }
        let count = match change.alert.as_str() {
            "any" | "lasting" => 1,
            "repair" => 2,
            "down" => 3,
            _ => return Ok(()),
        };
        if change.state == "firing" {
            let pair =
                self.prober.fleet.iter().position(|one| one.probe == change.probe && one.target == change.target);
            let pair = pair.unwrap();
            let target = Self::number(&change.target);
            let own = self.row[pair].iter().filter(|at| !self.is_explained(target, **at)).count();
            prop_assert!(own >= count, "{:?} fires with {} failures of its own", change, own);
        }
        Ok(())
    }

    fn hear(&mut self, told: &Notification) -> Checked {
        use Transition::{Escalated, Firing, Flapping, Reminder, Resolved, Restart};
        let mut news = false;
        for view in &told.alerts {
            let key = key(&told.channel, view);
            let is_open = self.open.contains(&key);
            match (view.ended.is_some(), told.transition) {
                (true, Resolved | Reminder | Firing) if is_open => {
                    if view.alert == CONNECTIVITY {
                        let bad = self.truth.iter().filter(|truth| truth.bad).count();
                        // With a reference, what could not be reached long before is left out of the count.
                        let goes_on = if self.plan.reference { bad == TARGETS } else { bad * 2 > TARGETS };
                        prop_assert!(!goes_on, "the network is said to be back: {:?}", told);
                    }
                    self.open.remove(&key);
                    self.unsettled.remove(&key);
                    news = true;
                }
                // It began and ended before anybody heard of it.
                (true, Firing) => {
                    prop_assert!(self.may_be_told(view), "it may not be told now: {:?}", told);
                    news = true;
                }
                (false, Firing | Flapping) if !is_open => {
                    prop_assert!(self.may_be_told(view), "it may not be told now: {:?}", told);
                    self.open.insert(key);
                    news = true;
                }
                (false, Firing) => news |= self.unsettled.remove(&key),
                (false, Flapping | Restart | Escalated) => {
                    prop_assert!(is_open && self.may_be_told(view), "it may not be told now: {:?}", told);
                    news = true;
                }
                (false, Reminder) => prop_assert!(is_open, "a reminder of what was never told: {:?}", told),
                _ => prop_assert!(false, "an end without a beginning, or a beginning that is an end: {:?}", told),
            }
        }
        match told.transition {
            Reminder if told.alerts.iter().all(|view| view.ended.is_none()) => {
                prop_assert!(told.alerts.iter().all(|view| self.may_be_told(view)), "a reminder now: {:?}", told);
            }
            Reminder => {}
            _ => prop_assert!(news, "told twice: {:?}", told),
        }
        Ok(())
    }

    fn let_go(&mut self) {
        let now = self.prober.now().monotonic;
        self.truth.iter_mut().for_each(|truth| truth.let_go(now));
    }

    /// A prober that goes on takes what failed to fail until there was time to look.
    fn hold_on(&mut self) {
        let now = self.prober.now().monotonic;
        for (number, truth) in self.truth.iter_mut().enumerate().filter(|(_, truth)| truth.failing) {
            let fastest = if self.plan.slow[number] { secs(30) } else { secs(15) };
            truth.stale_at = truth.stale_at.max(now + (2 * fastest).max(MINUTE));
        }
    }

    fn then(&mut self, then: &Then) -> Checked {
        match then {
            Then::Nothing => {}
            Then::Reload(mask) => {
                self.let_go();
                self.hold_on();
                self.mask = *mask;
                let (fleet, now) = (self.prober.fleet.clone(), self.prober.now());
                let actions = self.prober.engine.reload(rules(*mask), fleet, self.settings.clone(), now);
                self.take(actions)?;
            }
            Then::Restart { pause, back, rules: mask } => {
                if *back > 0 {
                    // It was ended in good order: what was recorded tells nothing where the clock was set back.
                    self.saved.1 = self.prober.engine.snapshot();
                }
                let is_same = mask.is_none_or(|mask| mask == self.mask);
                self.mask = mask.unwrap_or(self.mask);
                self.let_go();
                self.prober.clock.advance(secs(*pause));
                self.prober.clock.step(-SignedDuration::from_secs(i64::try_from(*back).unwrap()));
                self.hold_on();
                let (saved, seen) = (self.saved.1.clone(), self.prober.actions.len());
                self.prober.go_on(&saved, rules(self.mask), self.settings.clone());
                if *back > 0 {
                    // Runs of before and of after lie at the same times from now on.
                    self.prober.history.clear();
                    self.last.fill(None);
                }
                let actions: Vec<Action> = self.prober.actions.drain(seen..).map(|(_, action)| action).collect();
                let is_news =
                    |action: &Action| matches!(action, Action::Notify(told) if told.transition != Transition::Reminder);
                let news: Vec<&Action> = actions.iter().filter(|action| is_news(action)).collect();
                prop_assert!(!is_same || news.is_empty(), "a restart without news tells something: {:?}", news);
                self.is_restoring = true;
                self.take(actions)?;
                self.is_restoring = false;
            }
        }
        Ok(())
    }

    /// Nothing that fires and may be told is untold.
    fn all_is_told(&self) -> Checked {
        for open in self.prober.engine.open() {
            let view = &open.view;
            let rules = rules(self.mask);
            let Some(rule) = rules.iter().find(|rule| rule.name == view.alert) else { continue };
            if !open.is_firing || open.state == "flapping" || !self.may_be_told(view) {
                continue;
            }
            for channel in &rule.notify {
                prop_assert!(self.open.contains(&key(channel, view)), "{} has not heard of {:?}", channel, open);
            }
        }
        Ok(())
    }
}

fn key(channel: &str, view: &AlertView) -> Key {
    (channel.to_owned(), view.alert.clone(), view.probe.clone(), view.target.clone())
}

fn check(plan: &Plan) -> Checked {
    let mut world = World::new(plan.clone());
    for stage in &plan.stages {
        let (fleet, behave, cut) = (world.prober.fleet.clone(), stage.behave.clone(), stage.cut);
        world.run(secs(stage.time), &|pair, at| match behave[World::number(&fleet[pair].target)] {
            Behaves::Missing => Ends::Missing,
            _ if cut => Ends::Failed(Reason::Connect),
            Behaves::Well => Ends::Well,
            Behaves::Down => Ends::Failed(Reason::Connect),
            Behaves::Wrong => Ends::Failed(Reason::Check),
            Behaves::Flaps if at.as_secs() / fleet[pair].every.as_secs() % 3 == 0 => Ends::Failed(Reason::Connect),
            Behaves::Flaps => Ends::Well,
            Behaves::Unknown => Ends::Unknown,
        })?;
        world.then(&stage.then)?;
    }
    let (fleet, last) = (world.prober.fleet.clone(), plan.last.clone());
    world.run(secs(3600), &|pair, _| {
        if last[World::number(&fleet[pair].target)] { Ends::Failed(Reason::Check) } else { Ends::Well }
    })?;
    world.all_is_told()?;
    world.run(secs(3600), &|_, _| Ends::Well)?;
    prop_assert!(world.open.is_empty(), "they were never told the end: {:?}", world.open);
    prop_assert!(world.prober.engine.open().is_empty(), "it fires for ever: {:?}", world.prober.engine.open());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        // More of them where somebody asks for more.
        cases: std::env::var_os("PROPTEST_CASES").map_or(48, |_| ProptestConfig::default().cases),
        ..ProptestConfig::default()
    })]
    #[test]
    fn messages_keep_what_is_promised(plan in plan()) {
        check(&plan)?;
    }
}

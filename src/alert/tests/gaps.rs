//! Pauses, new files and runs beside the timetable: what they may neither fire nor end.

use super::*;

fn silent(after: Duration, lasting: Duration) -> Vec<Rule> {
    vec![Rule { lasting, ..rule("silent", Condition::NoData { after }) }]
}

/// Whether the engine comes to rest: its next tick is ahead.
fn rests(prober: &Prober) -> bool {
    prober.engine.next_tick().is_none_or(|tick| tick > prober.now().monotonic)
}

#[test]
fn a_standstill_while_data_is_missing_puts_the_alert_off_and_the_loop_goes_on() {
    let mut prober = Prober::one(silent(secs(20), secs(40)), secs(300));
    prober.run(secs(30), |_, _| Ends::Well);
    assert_eq!(prober.changes(), ["20 silent pending"]);
    prober.clock.advance(secs(35));
    prober.engine.gap(prober.now());
    let actions = prober.engine.tick(prober.now());
    assert!(actions.is_empty() && rests(&prober), "{actions:?}");
    // Twenty seconds from the end of the standstill at 65, and then for forty, less a twentieth of the interval.
    prober.run(secs(100), |_, _| Ends::Well);
    assert_eq!(prober.fired(), ["110 silent firing"]);
}

#[test]
fn new_files_do_not_put_off_what_is_missing() {
    let mut prober = Prober::one(silent(secs(30), Duration::ZERO), secs(300));
    for _ in 0..12 {
        prober.run(secs(10), |_, _| Ends::Well);
        let rules = silent(secs(30), Duration::ZERO);
        let actions = prober.engine.reload(rules, prober.fleet.clone(), Settings::default(), prober.now());
        prober.keep(actions);
    }
    assert_eq!(prober.fired(), ["30 silent firing"]);
}

/// Gives the fleet another interval, as new files do.
fn reload_at(prober: &mut Prober, rules: Vec<Rule>, every: Duration) {
    prober.fleet = prober.fleet.iter().map(|one| watched(&one.probe, &one.target, every)).collect();
    let actions = prober.engine.reload(rules, prober.fleet.clone(), Settings::default(), prober.now());
    prober.keep(actions);
}

#[test]
fn another_interval_forgets_neither_the_known_tools_nor_an_end() {
    let expires = |left: u64| Condition::Expiry { what: Expiring::Any, left: Duration::from_secs(left * 86_400) };
    let rules = |left| vec![rule("drift", Condition::Drift), rule("ends", expires(left))];
    let mut prober = Prober::one(rules(14), secs(15));
    let observe = |prober: &mut Prober, tools: &str, ends: Ends, certificate: Option<u64>| {
        prober.clock.advance(secs(15));
        let now = prober.now();
        let in_days =
            |days: u64| now.wall.checked_add(SignedDuration::from_secs(i64::try_from(days).unwrap() * 86_400));
        let sample = Sample {
            tools_digest: (ends == Ends::Well).then(|| tools.into()),
            certificate_ends: certificate.map(|days| in_days(days).unwrap()),
            token_ends: Some(in_days(60).unwrap()),
            ..sample(&prober.fleet[0], ends, now)
        };
        let actions = prober.engine.observe(&sample, now);
        prober.keep(actions);
    };
    observe(&mut prober, "one", Ends::Well, Some(3));
    observe(&mut prober, "other", Ends::Well, Some(3));
    assert_eq!(prober.changes(), ["15 ends firing", "30 drift firing"]);
    reload_at(&mut prober, rules(7), secs(5));
    // A run that cannot connect sees no certificate, and the end of the token is no better news.
    observe(&mut prober, "", Ends::Failed(Reason::Connect), None);
    observe(&mut prober, "other", Ends::Well, Some(3));
    assert_eq!(prober.changes().len(), 2, "{:?}", prober.changes());
    observe(&mut prober, "one", Ends::Well, Some(90));
    assert_eq!(prober.changes()[2..], ["75 drift resolved", "75 ends resolved"]);
}

#[test]
fn another_interval_or_objective_does_not_end_a_budget_that_burns() {
    let burn = |objective, days: u64| {
        vec![rule("slo", Condition::BurnRate { objective, period: Duration::from_secs(days * 86_400) })]
    };
    for (rules, every) in [(burn(0.99, 1), secs(2)), (burn(0.98, 1), secs(1)), (burn(0.99, 30), secs(1))] {
        let mut prober = Prober::one(burn(0.99, 1), secs(1));
        prober.run(secs(900), |_, at| if at.as_secs() % 5 < 2 { Ends::Failed(Reason::Connect) } else { Ends::Well });
        assert_eq!(prober.fired().len(), 1, "{:?}", prober.changes());
        reload_at(&mut prober, rules, every);
        prober.run(secs(10), |_, _| Ends::Well);
        assert_eq!(prober.changes().len(), 1, "every {every:?}: {:?}", prober.changes());
    }
}

#[test]
fn after_a_pause_two_failures_are_no_rate() {
    let rules = || vec![rule("rate", error_rate(0.5, secs(60)))];
    let fails_at_first = |_: &Watched, at: Duration| {
        if (720..726).contains(&at.as_secs()) { Ends::Failed(Reason::Connect) } else { Ends::Well }
    };
    // The prober was away; it slept; its runs could not be judged.
    for how in 0..3 {
        let mut prober = Prober::one(rules(), secs(2));
        prober.run(secs(600), |_, _| Ends::Well);
        match how {
            0 => prober.restart(secs(120), rules(), Settings::default()),
            1 => {
                prober.clock.advance(secs(120));
                prober.engine.gap(prober.now());
                prober.due = vec![prober.now().monotonic];
            }
            _ => prober.run(secs(120), |_, _| Ends::Unknown),
        }
        prober.run(secs(300), fails_at_first);
        assert_eq!(prober.fired(), Vec::<String>::new(), "{how}");
        // A fault that lasts fires all the same.
        prober.run(secs(60), |_, _| Ends::Failed(Reason::Connect));
        assert_eq!(prober.fired().len(), 1, "{how}");
    }
}

/// Runs a probe by the real timetable, with the runs that come sooner after a failure.
fn retried(rules: Vec<Rule>, every: Duration, fails: impl Fn(u64) -> bool) -> Prober {
    use crate::schedule::{After, Grid, Slot, Timetable, identity};
    let mut prober = Prober::one(rules, every);
    let slot = Slot {
        probe: "smoke".to_owned(),
        target: "weather".to_owned(),
        identity: identity(["smoke", "weather"]),
        when: Grid::Every(every),
        jitter: 0.0,
        span_max: secs(1),
    };
    let mut timetable = Timetable::new(1, vec![slot], false, prober.now());
    let first = timetable.next_due().unwrap();
    prober.clock.advance(first.saturating_sub(prober.now().monotonic));
    prober.begun = prober.now().monotonic;
    while prober.now().monotonic - prober.begun < secs(600) {
        let now = prober.now();
        for due in timetable.take_due(now).due {
            timetable.started(due.id);
            let failed = fails((now.monotonic - prober.begun).as_secs());
            let ends = if failed { Ends::Failed(Reason::Connect) } else { Ends::Well };
            let actions = prober.engine.observe(&sample(&prober.fleet[0], ends, now), now);
            prober.keep(actions);
            timetable.finished(due.id, now, if failed { After::Failing } else { After::Settled });
        }
        let next = timetable.next_due().unwrap().max(now.monotonic + Duration::from_millis(1));
        prober.clock.advance(next - now.monotonic);
    }
    prober
}

#[test]
fn a_run_that_comes_sooner_after_a_failure_makes_no_rate_higher_and_no_row_longer() {
    // Two runs of one short fault: the rate of the contract does not fire.
    let blip = retried(three(), secs(15), |at| (300..306).contains(&at));
    assert_eq!(blip.fired(), Vec::<String>::new());
    // Three points of the timetable that follow each other are a row; of a minute, no more than two are within a minute.
    let down = retried(three(), secs(15), |at| (300..340).contains(&at));
    assert_eq!(down.fired(), ["315 mcp_error_rate_spike firing", "330 mcp_server_unresponsive firing"]);
    // The end of the row comes with the first run that is well, whenever that is.
    let rare = retried(vec![rule("down", consecutive(2, None))], secs(60), |at| (240..365).contains(&at));
    assert_eq!(rare.changes(), ["300 down firing", "420 down resolved"]);
    let rare = retried(three(), secs(60), |at| (300..400).contains(&at));
    assert_eq!(rare.fired(), ["360 mcp_error_rate_spike firing"]);
    let budget = retried(
        vec![rule("slo", Condition::BurnRate { objective: 0.99, period: Duration::from_secs(30 * 86_400) })],
        secs(60),
        |at| (300..350).contains(&at),
    );
    assert_eq!(budget.fired(), Vec::<String>::new());
}

#[test]
fn what_is_left_out_for_a_while_ends_for_nobody_and_goes_on_when_it_is_watched_again() {
    let rules = || vec![rule("down", consecutive(2, None))];
    let left_out = || {
        let left_out = LeftOut { targets: ["server-000".to_owned()].into(), ..Default::default() };
        Settings { left_out, ..Settings::default() }
    };
    // By another start, and by new files.
    for restarts in [true, false] {
        let mut prober = Prober::new(rules(), fleet(2, secs(15)), Settings::default());
        let fails = |one: &Watched, at: Duration| {
            let is_down = &*one.target == "server-000" && at < secs(900);
            if is_down { Ends::Failed(Reason::Check) } else { Ends::Well }
        };
        prober.run(secs(120), fails);
        assert_eq!(prober.lines(), ["45 ops firing down"]);
        let change = |prober: &mut Prober, fleet: Vec<Watched>, settings: Settings| {
            prober.due = fleet.iter().map(|_| prober.now().monotonic).collect();
            prober.fleet = fleet;
            if restarts {
                prober.restart(secs(5), rules(), settings);
            } else {
                let actions = prober.engine.reload(rules(), prober.fleet.clone(), settings, prober.now());
                prober.keep(actions);
            }
        };
        change(&mut prober, fleet(2, secs(15))[1..].to_vec(), left_out());
        prober.run(secs(300), fails);
        // Once more: what is kept aside is written down again.
        change(&mut prober, fleet(2, secs(15))[1..].to_vec(), left_out());
        prober.run(secs(120), fails);
        assert_eq!(prober.lines().len(), 1, "{restarts}: {:?}", prober.lines());
        change(&mut prober, fleet(2, secs(15)), Settings::default());
        prober.run(secs(200), fails);
        assert_eq!(prober.lines().len(), 1, "it goes on, {restarts}: {:?}", prober.lines());
        prober.run(secs(600), fails);
        assert_eq!(after(&prober, 1), ["ops resolved down"], "{restarts}");
    }
}

//! An alert does not wait for the timetable of what may be its cause.

use super::*;

fn down() -> Vec<Rule> {
    let selector = Selector { probes: BTreeSet::from(["smoke".to_owned()]), ..Selector::default() };
    vec![Rule { selector, severity: Urgency::Critical, restart: true, ..rule("down", consecutive(3, None)) }]
}

/// Leaves that run every two seconds, and a gateway that does so seldom.
fn leaves(count: usize, seldom: Duration) -> (Vec<Watched>, Settings) {
    let mut all = fleet(count, secs(2));
    let needs = all.iter().map(|leaf| (leaf.target.to_string(), vec!["gateway".to_owned()])).collect();
    all.push(watched("gate", "gateway", seldom));
    (all, Settings { dependencies: needs, group_wait: Duration::ZERO, ..Settings::default() })
}

fn asked(prober: &Prober, of: &str) -> usize {
    let is_asked = |action: &Action| matches!(action, Action::Verify { target, .. } if target == of);
    prober.actions.iter().filter(|(_, action)| is_asked(action)).count()
}

fn leaf_down(one: &Watched, at: Duration) -> Ends {
    let is_down = one.target != "gateway" && at.as_secs() >= 4000;
    if is_down { Ends::Failed(Reason::Connect) } else { Ends::Well }
}

#[test]
fn an_alert_is_told_and_a_server_restarted_as_soon_as_what_it_needs_was_found_well() {
    for seldom in [30, 300, 3600] {
        let (all, settings) = leaves(1, secs(seldom));
        let mut prober = Prober::new(down(), all, settings);
        prober.run(secs(4060), leaf_down);
        let told = prober.told().first().map(|(at, _)| *at);
        assert!(told.is_some_and(|at| (4004..4010).contains(&at)), "every {seldom} s: {told:?}");
        let restart = prober.actions.iter().find(|(_, action)| matches!(action, Action::Restart { .. }));
        assert!(restart.is_some_and(|(at, _)| at.as_secs() < 4012), "every {seldom} s: {restart:?}");
    }
}

#[test]
fn an_alert_waits_half_a_minute_at_most_for_a_look_that_nobody_takes() {
    let (all, settings) = leaves(1, secs(3600));
    let mut prober = Prober::new(down(), all, settings);
    prober.run(secs(4060), |one, at| {
        if one.target == "gateway" && at.as_secs() >= 4000 { Ends::Missing } else { leaf_down(one, at) }
    });
    let told = prober.told().first().map(|(at, _)| *at);
    assert!(told.is_some_and(|at| (4030..4040).contains(&at)), "{told:?}");
}

#[test]
fn what_fails_with_what_it_needs_is_not_told_and_that_is_asked_once() {
    for count in [1, 200] {
        let (all, settings) = leaves(count, secs(3600));
        let mut prober = Prober::new(down(), all, settings);
        prober.run(secs(5000), |_, at| if at.as_secs() >= 4000 { Ends::Failed(Reason::Check) } else { Ends::Well });
        assert!(prober.told().is_empty(), "{count}: {:#?}", prober.lines());
        assert_eq!(asked(&prober, "gateway"), 1, "for {count}");
    }
}

#[test]
fn what_answers_late_that_it_fails_is_waited_for() {
    let (all, settings) = leaves(3, secs(3600));
    let gateway = all[3].clone();
    let mut prober = Prober::new(down(), all, settings);
    let away = |one: &Watched, at: Duration| {
        if one.target == "gateway" && at.as_secs() >= 4000 { Ends::Missing } else { leaf_down(one, at) }
    };
    prober.run(secs(4005), away);
    let begun = prober.now().wall;
    prober.run(secs(20), away);
    let late =
        Sample { at: begun, duration: secs(20), ..sample(&gateway, Ends::Failed(Reason::Timeout), prober.now()) };
    let actions = prober.engine.observe(&late, prober.now());
    prober.keep(actions);
    prober.run(secs(600), away);
    assert!(prober.told().is_empty(), "{:#?}", prober.lines());
}

/// A fleet, and a reference; each runs so often.
fn with_reference(count: usize, every: u64, reference: u64) -> (Vec<Watched>, Settings) {
    let mut all = fleet(count, secs(every));
    all.push(watched("smoke", "gateway", secs(reference)));
    (all, Settings { reference: vec!["gateway".to_owned()], group_wait: Duration::ZERO, ..Settings::default() })
}

#[test]
fn a_reference_that_is_looked_at_seldom_holds_no_alert_back() {
    let (all, settings) = with_reference(5, 2, 3600);
    let mut prober = Prober::new(down(), all, settings);
    prober.run(secs(4060), |one, at| if one.target == "server-001" { leaf_down(one, at) } else { Ends::Well });
    let told = prober.told().first().map(|(at, _)| *at);
    assert!(told.is_some_and(|at| (4004..4010).contains(&at)), "{told:?}");
}

#[test]
fn a_network_that_fails_is_one_alert_whoever_is_looked_at_seldom() {
    for (count, every, reference) in [(5, 2, 3600), (5, 3600, 2), (60, 600, 15), (200, 60, 600)] {
        let (all, settings) = with_reference(count, every, reference);
        let any = vec![rule("any", consecutive(1, None))];
        let mut prober = Prober::new(any, all, settings);
        prober.run(secs(6000), between(4000, 5500, Ends::Failed(Reason::Connect)));
        let told: BTreeSet<&str> =
            prober.told().into_iter().flat_map(|(_, told)| &told.alerts).map(|view| view.alert.as_str()).collect();
        assert_eq!(told, BTreeSet::from([CONNECTIVITY]), "{count} every {every} s, reference every {reference} s");
    }
}

#[test]
fn a_reference_that_fails_alone_is_told_soon_whoever_is_looked_at_seldom() {
    for (count, every) in [(5, 3600), (60, 600), (200, 3600)] {
        let (all, settings) = with_reference(count, every, 2);
        let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], all, settings);
        prober.run(secs(6000), |one, at| {
            if one.target == "gateway" && at.as_secs() >= 4000 { Ends::Failed(Reason::Connect) } else { Ends::Well }
        });
        let told = prober.told();
        assert_eq!(told.len(), 1, "{:#?}", prober.lines());
        assert!(told[0].0 < 4010 && told[0].1.alerts[0].target == "gateway", "{:#?}", prober.lines());
        assert!((0..count).all(|number| asked(&prober, &format!("server-{number:03}")) <= 1), "once");
    }
}

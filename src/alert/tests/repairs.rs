//! A person is called once for an alert that no restart helps, whatever else comes and goes.

use super::*;

const ALERTS: [&str; 2] = ["down", "other"];

/// An alert that restarts its target, once an hour at most, and another of the same target that does not.
fn rules() -> Vec<Rule> {
    let of = |probe: &str| Selector { probes: BTreeSet::from([probe.to_owned()]), ..Selector::default() };
    let down = Rule { selector: of("deep"), restart: true, ..rule(ALERTS[0], consecutive(2, None)) };
    vec![down, Rule { selector: of("list"), ..rule(ALERTS[1], consecutive(1, None)) }]
}

fn settings() -> Settings {
    Settings { restarts_max: 1, ..Settings::default() }
}

fn prober() -> Prober {
    Prober::new(rules(), vec![watched("deep", "weather", secs(3)), watched("list", "weather", secs(3))], settings())
}

/// Lets everything run, and carries out restarts, which do not help.
fn run(prober: &mut Prober, time: u64, ends: impl Fn(&Watched, u64) -> Ends) {
    for _ in 0..time {
        let seen = prober.actions.len();
        prober.run(secs(1), |one, at| ends(one, at.as_secs()));
        if prober.actions[seen..].iter().any(|(_, action)| matches!(action, Action::Restart { .. })) {
            let actions = prober.engine.restarted("weather", Ok("done".to_owned()), prober.now());
            prober.keep(actions);
        }
    }
}

fn escalations(prober: &Prober) -> usize {
    prober.told().iter().filter(|(_, told)| told.transition == Transition::Escalated).count()
}

/// The one is down for good; the other comes and goes.
fn comes_and_goes(one: &Watched, at: u64) -> Ends {
    if one.probe == "deep" || at / 60 % 2 == 1 { Ends::Failed(Reason::Timeout) } else { Ends::Well }
}

#[test]
fn another_alert_that_comes_and_goes_calls_nobody_again() {
    let mut prober = prober();
    run(&mut prober, 1200, comes_and_goes);
    assert!(prober.fired().iter().filter(|line| line.contains("other")).count() > 5, "{:?}", prober.fired());
    assert_eq!(escalations(&prober), 1, "{:#?}", prober.lines());
    // Nor after a restart of the prober, nor with the same files again.
    prober.restart(secs(5), rules(), settings());
    run(&mut prober, 600, comes_and_goes);
    let actions = prober.engine.reload(rules(), prober.fleet.clone(), settings(), prober.now());
    prober.keep(actions);
    run(&mut prober, 600, comes_and_goes);
    assert_eq!(escalations(&prober), 1, "{:#?}", prober.lines());
}

#[test]
fn an_alert_that_ended_and_fires_again_calls_somebody_again() {
    let mut prober = prober();
    let twice = |one: &Watched, at: u64| {
        let is_down = one.probe == "deep" && ((60..600).contains(&at) || at >= 1200);
        if is_down { Ends::Failed(Reason::Timeout) } else { Ends::Well }
    };
    run(&mut prober, 1800, twice);
    assert_eq!(escalations(&prober), 2, "{:#?}", prober.lines());
}

#[test]
fn where_the_rule_that_called_somebody_goes_another_restarts_and_calls() {
    let mut prober = prober();
    run(&mut prober, 600, comes_and_goes);
    assert_eq!(escalations(&prober), 1);
    let mut others = rules();
    others[0].name = "renamed".to_owned();
    let actions = prober.engine.reload(others, prober.fleet.clone(), settings(), prober.now());
    prober.keep(actions);
    run(&mut prober, 600, comes_and_goes);
    assert_eq!(escalations(&prober), 2, "{:#?}", prober.lines());
}

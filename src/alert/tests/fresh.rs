//! What is known of a target that others need, and for how long: it holds their alerts back while it fails, and not longer.

use super::*;
use crate::alert::explained::Explanation;

/// A gateway with a fast probe and one that runs once an hour, and a leaf that needs it.
fn gateway_and_leaf(fast: Duration) -> (Vec<Watched>, Settings) {
    let all =
        vec![watched("smoke", "gateway", fast), watched("deep", "gateway", secs(3600)), watched("smoke", "leaf", fast)];
    let needs = BTreeMap::from([("leaf".to_owned(), vec!["gateway".to_owned()])]);
    (all, Settings { dependencies: needs, group_wait: Duration::ZERO, ..Settings::default() })
}

fn down() -> Vec<Rule> {
    vec![Rule {
        selector: Selector { targets: BTreeSet::from(["leaf".to_owned()]), ..Selector::default() },
        ..rule("down", consecutive(3, None))
    }]
}

/// When the leaf was said to be down, where it is from 4000 s on and the gateway behaves so.
fn told_of_leaf(fast: u64, gateway: impl Fn(&Watched, u64) -> Ends) -> Option<u64> {
    let (all, settings) = gateway_and_leaf(secs(fast));
    let mut prober = Prober::new(down(), all, settings);
    prober.run(secs(7000), |one, at| match one.target.as_str() {
        "leaf" if at.as_secs() >= 4000 => Ends::Failed(Reason::Connect),
        "leaf" => Ends::Well,
        _ => gateway(one, at.as_secs()),
    });
    prober.told().first().map(|(at, _)| *at)
}

#[test]
fn a_probe_that_failed_an_hour_ago_says_nothing_of_a_target_that_has_answered_since() {
    // The slow probe runs at 1200.
    for ends in [Ends::Late, Ends::Failed(Reason::Timeout), Ends::Failed(Reason::Connect), Ends::Failed(Reason::Check)]
    {
        let told = told_of_leaf(2, |one, _| if one.probe == "deep" { ends } else { Ends::Well });
        assert!(told.is_some_and(|at| (4004..4020).contains(&at)), "{ends:?}: {told:?}");
    }
    // Nor does one that was well then.
    for ends in [Ends::Late, Ends::Failed(Reason::Timeout), Ends::Failed(Reason::Connect), Ends::Failed(Reason::Check)]
    {
        let told = told_of_leaf(2, |one, at| if at >= 3995 && one.probe == "smoke" { ends } else { Ends::Well });
        assert_eq!(told, None, "{ends:?}: the gateway fails");
    }
}

#[test]
fn a_target_that_is_late_in_one_of_its_probes_is_there() {
    let (all, settings) = gateway_and_leaf(secs(1800));
    let mut prober = Prober::new(vec![rule("down", consecutive(1, None))], all, settings);
    prober.run(secs(20_000), |one, _| if one.probe == "deep" { Ends::Late } else { Ends::Well });
    assert_eq!(prober.engine.explained_anew(), Some(Explanation::default()));
}

#[test]
fn a_target_that_asks_to_be_left_alone_for_a_while_works() {
    for (reason, held) in [(Reason::RateLimited, false), (Reason::Check, true)] {
        let (all, settings) = gateway_and_leaf(secs(15));
        let mut prober = Prober::new(down(), all, settings);
        prober.run(secs(7000), |one, at| match (one.target.as_str(), at.as_secs()) {
            ("leaf", 4000..) => Ends::Failed(Reason::Connect),
            ("leaf", _) | (_, ..3990) => Ends::Well,
            (_, 3990..4005) => Ends::Failed(reason),
            // It is not looked at for so long.
            _ => Ends::Missing,
        });
        let fired: u64 = prober.fired()[0].split_once(' ').unwrap().0.parse().unwrap();
        // Of what failed really it is taken for a minute that it still does.
        let expected = if held { 4080..4110 } else { 4030..4050 };
        assert!(expected.contains(&fired), "{reason}: {fired}");
    }
}

#[test]
fn what_fails_and_takes_long_to_say_so_is_still_taken_to_fail() {
    let (all, settings) = gateway_and_leaf(secs(15));
    let mut prober = Prober::new(down(), all.clone(), settings);
    prober.run(secs(600), |_, _| Ends::Well);
    // A run of the gateway is over ten minutes after it was due, and the next one begins then.
    for _ in 0..5 {
        let begun = prober.now().wall;
        prober
            .run(secs(600), |one, _| if one.target == "leaf" { Ends::Failed(Reason::Connect) } else { Ends::Missing });
        let late =
            Sample { at: begun, duration: secs(600), ..sample(&all[0], Ends::Failed(Reason::Timeout), prober.now()) };
        let actions = prober.engine.observe(&late, prober.now());
        prober.keep(actions);
        if prober.told().is_empty() {
            continue;
        }
        // Before its first failure was seen nothing was known.
        assert!(prober.told().iter().all(|(at, _)| *at < 1200), "{:#?}", prober.lines());
    }
    assert!(prober.engine.open().iter().all(|open| open.state == "held"), "{:?}", prober.engine.open());
}

#[test]
fn what_failed_before_a_pause_is_taken_to_fail_until_it_was_looked_at() {
    let (all, settings) = gateway_and_leaf(secs(15));
    let mut prober = Prober::new(down(), all, settings.clone());
    let fails = between(600, 20_000, Ends::Failed(Reason::Connect));
    prober.run(secs(900), &fails);
    prober.restart(secs(300), down(), settings.clone());
    prober.run(secs(900), &fails);
    prober.clock.suspend(secs(3600));
    prober.engine.gap(prober.now());
    prober.run(secs(900), &fails);
    let actions = prober.engine.reload(down(), prober.fleet.clone(), settings, prober.now());
    prober.keep(actions);
    prober.run(secs(900), &fails);
    assert!(prober.told().is_empty(), "{:#?}", prober.lines());
}

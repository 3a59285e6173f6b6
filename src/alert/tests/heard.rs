//! What channels are told beside beginning and end: again to receivers that forget, of what comes and goes, and of restarts.

use super::*;

/// A child every 15 s that needs a parent every two minutes.
fn child_and_parent() -> (Vec<Watched>, Settings) {
    let all = vec![watched("smoke", "child", secs(15)), watched("smoke", "parent", secs(120))];
    let needs = BTreeMap::from([("child".to_owned(), vec!["parent".to_owned()])]);
    (all, Settings { dependencies: needs, ..Settings::default() })
}

#[test]
fn a_receiver_that_forgets_hears_again_only_of_what_it_was_told() {
    let (all, settings) = child_and_parent();
    let mut prober = Prober::new(vec![rule("down", consecutive(2, None))], all, settings);
    let fails = between(600, 1200, Ends::Failed(Reason::Connect));
    let mut heard = BTreeMap::<&str, Vec<u64>>::new();
    for second in 0..1800 {
        prober.run(secs(1), &fails);
        let again = prober.engine.to_repeat("ops", prober.now());
        assert!(prober.engine.to_repeat("oncall", prober.now()).is_empty());
        for view in again {
            let target = if view.target == "child" { "child" } else { "parent" };
            heard.entry(target).or_default().push(second);
        }
    }
    // The child fires at 615 and is explained at 660, before anybody was told; the parent is told half a minute after 780.
    let parent = &heard["parent"];
    assert_eq!((parent[0], parent.last().copied()), (809, Some(1258)), "{:#?}", prober.lines());
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(prober.lines(), ["810 ops firing down", "1260 ops resolved down"]);
}

#[test]
fn an_end_says_how_many_others_go_on_also_over_a_restart() {
    let all: Vec<Watched> = ["a", "b", "c"].iter().map(|target| watched("smoke", target, secs(15))).collect();
    let down = || vec![rule("down", consecutive(1, None))];
    let mut prober = Prober::new(down(), all, Settings::default());
    // One ends alone, two at the same time; one begins again while the ends of others are told.
    let fails = |one: &Watched, at: Duration| {
        let until = if &*one.target == "a" { 300 } else { 600 };
        if at.as_secs() < until { Ends::Failed(Reason::Connect) } else { Ends::Well }
    };
    prober.run(secs(450), fails);
    prober.restart(secs(5), down(), Settings::default());
    prober.run(secs(450), fails);
    let ends = prober.told().into_iter().filter(|(_, told)| told.transition == Transition::Resolved);
    let ends: Vec<_> = ends.map(|(_, told)| (told.alerts[0].target.as_str(), told.others)).collect();
    assert_eq!(ends[0], ("a", 2), "{ends:?}");
    assert_eq!((ends.len(), ends[2].1), (3, 0), "{ends:?}");
}

fn any() -> Vec<Rule> {
    vec![rule("any", consecutive(1, None))]
}

/// One probe a minute that has come and gone until its channel was told that it flaps; it is well now, or fails.
fn flapping(ends: Ends) -> Prober {
    let mut prober = Prober::one(any(), secs(60));
    let comes_and_goes = |_: &Watched, at: Duration| {
        if at.as_secs() / 60 % 3 == 0 { Ends::Failed(Reason::Connect) } else { Ends::Well }
    };
    while !prober.lines().last().is_some_and(|line| line.contains("flapping")) {
        assert!((prober.now().monotonic - prober.begun).as_secs() < 86_400, "it never flaps: {:#?}", prober.lines());
        prober.run(secs(60), comes_and_goes);
    }
    prober.run(secs(180), |_, _| ends);
    prober
}

#[test]
fn what_flaps_is_told_its_end_also_when_its_rule_goes_while_it_is_well() {
    for restarted in [false, true] {
        let mut prober = flapping(Ends::Well);
        let count = prober.lines().len();
        if restarted {
            prober.restart(secs(60), Vec::new(), Settings::default());
        } else {
            let actions = prober.engine.reload(Vec::new(), prober.fleet.clone(), Settings::default(), prober.now());
            prober.keep(actions);
        }
        prober.run(secs(3600), |_, _| Ends::Well);
        let told: Vec<_> = prober.told().into_iter().skip(count).map(|(_, told)| told).collect();
        assert_eq!(told.len(), 1, "{:#?}", prober.lines());
        assert_eq!(
            (told[0].transition, told[0].alerts[0].ended_because.as_deref()),
            (Transition::Resolved, Some("rule removed"))
        );
    }
}

#[test]
fn what_flaps_is_told_its_end_after_a_pause_however_long() {
    for (pause, ends) in [
        (60, Ends::Well),
        (7200, Ends::Well),
        (60, Ends::Failed(Reason::Connect)),
        (7200, Ends::Failed(Reason::Connect)),
    ] {
        let mut prober = flapping(ends);
        let count = prober.lines().len();
        prober.restart(secs(pause), any(), Settings::default());
        prober.run(secs(3600), |_, _| Ends::Well);
        let words: Vec<&str> = prober.told().iter().skip(count).map(|(_, told)| told.transition.name()).collect();
        assert_eq!(words, ["resolved"], "{pause} {ends:?}: {:#?}", prober.lines());
        assert!(prober.engine.heard("ops").is_empty());
    }
}

#[test]
fn what_settles_in_a_silence_and_ends_in_it_is_told_its_end() {
    let mut prober = flapping(Ends::Failed(Reason::Connect));
    let count = prober.lines().len();
    let settings = silence("2026-03-28T11:00:00Z", "2026-03-28T23:00:00Z");
    let actions = prober.engine.reload(any(), prober.fleet.clone(), settings, prober.now());
    prober.keep(actions);
    prober.run(secs(1800), |_, _| Ends::Failed(Reason::Connect));
    assert_eq!(prober.lines().len(), count, "{:#?}", prober.lines());
    prober.run(secs(600), |_, _| Ends::Well);
    let words: Vec<&str> = prober.told().iter().skip(count).map(|(_, told)| told.transition.name()).collect();
    assert_eq!(words, ["resolved"]);
}

#[test]
fn in_a_silence_nobody_is_called_and_nothing_is_said_to_flap() {
    let mut down = rule("down", consecutive(1, None));
    down.restart = true;
    let settings = Settings { restarts_max: 1, ..silence("2026-03-28T12:10:00Z", "2026-03-28T13:00:00Z") };
    let mut prober = Prober::new(vec![down], vec![watched("smoke", "weather", secs(15))], settings);
    let fails = between(120, 180, Ends::Failed(Reason::Connect));
    while !prober.actions.iter().any(|(_, action)| matches!(action, Action::Restart { .. })) {
        assert!(
            (prober.now().monotonic - prober.begun).as_secs() < 3600,
            "nothing is restarted: {:#?}",
            prober.lines()
        );
        prober.run(secs(1), &fails);
    }
    let actions = prober.engine.restarted("weather", Ok(String::new()), prober.now());
    prober.keep(actions);
    prober.run(secs(300), &fails);
    let count = prober.lines().len();
    // Its restarts are used up: a failure in the silence would call somebody, and so would what comes and goes.
    while (prober.now().monotonic - prober.begun).as_secs() < 3500 {
        prober.run(secs(15), |_, at| match at.as_secs() {
            ..700 => Ends::Well,
            700..1500 => Ends::Failed(Reason::Connect),
            at if at / 15 % 4 < 2 => Ends::Failed(Reason::Connect),
            _ => Ends::Well,
        });
    }
    assert_eq!(after(&prober, count), Vec::<String>::new());
    prober.run(secs(600), |_, _| Ends::Failed(Reason::Connect));
    let told = after(&prober, count);
    assert!(told.contains(&"ops escalated down".to_owned()), "{told:?}");
    assert!(!told.contains(&"ops flapping down".to_owned()), "{told:?}");
}

#[test]
fn flapping_that_began_in_a_silence_is_not_told_in_it() {
    let settings = silence("2026-03-28T11:00:00Z", "2026-03-28T15:00:00Z");
    let mut prober = Prober::new(any(), vec![watched("smoke", "weather", secs(15))], settings);
    // It is withheld, and fires again after having ended: the member is another one.
    prober.run(secs(120), |_, _| Ends::Failed(Reason::Connect));
    prober.run(secs(1200), |_, at| if at.as_secs() / 15 % 3 == 0 { Ends::Failed(Reason::Connect) } else { Ends::Well });
    assert!(prober.changes().iter().any(|line| line.contains("flapping")), "{:?}", prober.changes());
    assert_eq!(prober.lines(), Vec::<String>::new());
}

#[test]
fn what_needs_another_target_is_restarted_where_that_one_is_well() {
    let (all, settings) = child_and_parent();
    let mut down = rule("down", consecutive(2, None));
    down.restart = true;
    let mut prober = Prober::new(vec![down], all, settings);
    prober.run(secs(1800), |one, at| {
        if one.target == "child" && at.as_secs() >= 600 { Ends::Failed(Reason::Connect) } else { Ends::Well }
    });
    assert!(prober.actions.iter().any(|(_, action)| matches!(action, Action::Restart { .. })), "{:#?}", prober.lines());
}

#[test]
fn the_end_of_missing_data_says_that_there_is_some_again() {
    let mut prober = Prober::one(vec![rule("silent", Condition::NoData { after: secs(180) })], secs(15));
    prober.run(secs(1200), between(300, 900, Ends::Missing));
    let said: Vec<(&str, &str)> =
        prober.told().into_iter().map(|(_, told)| (told.transition.name(), told.alerts[0].summary.as_str())).collect();
    assert_eq!(said, [("firing", "no run could be judged for 3m"), ("resolved", "a run could be judged again")]);
}

//! The prober's own network against targets that fail by themselves: one alert of the former, and each its own of the latter.

use super::*;

fn with_reference(count: usize, every: Duration) -> (Vec<Watched>, Settings) {
    let mut all = fleet(count, every);
    all.push(watched("smoke", "gateway", every));
    (all, Settings { reference: vec!["gateway".to_owned()], group_wait: Duration::ZERO, ..Settings::default() })
}

/// Who was told of what: `down gateway`, in order.
fn told(prober: &Prober) -> Vec<String> {
    let lines = prober.told().into_iter().flat_map(|(_, told)| {
        told.alerts.iter().map(move |view| format!("{} {} {}", told.transition.name(), view.alert, view.target))
    });
    lines.map(|line| line.trim_end().to_owned()).collect()
}

fn explained(prober: &Prober) -> usize {
    prober.actions.iter().filter(|(_, action)| matches!(action, Action::Explained(_))).count()
}

#[test]
fn a_reference_that_fails_alone_fails_by_itself() {
    for others in [1, 2, 5, 40] {
        for count in [1, 3] {
            let (all, settings) = with_reference(others, secs(15));
            let mut prober = Prober::new(vec![rule("down", consecutive(count, None))], all, settings);
            let dies = |one: &Watched, at: Duration| {
                let is_down = one.target == "gateway" && (600..1200).contains(&at.as_secs());
                if is_down { Ends::Failed(Reason::Connect) } else { Ends::Well }
            };
            prober.run(30 * MINUTE, dies);
            assert_eq!(told(&prober), ["firing down gateway", "resolved down gateway"], "{others} others");
            assert_eq!(explained(&prober), 0, "its failures are its own");
        }
    }
    // There is nobody to ask.
    let (all, settings) = with_reference(0, secs(15));
    let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], all, settings);
    prober.run(30 * MINUTE, between(600, 1200, Ends::Failed(Reason::Connect)));
    assert_eq!(told(&prober), ["firing down gateway", "resolved down gateway"]);
}

#[test]
fn a_reference_that_fails_with_the_others_is_one_alert_also_where_nothing_waits_for_company() {
    for others in [1, 2, 5, 40, 200] {
        let (all, settings) = with_reference(others, secs(15));
        let mut prober = Prober::new(vec![rule("down", consecutive(1, None))], all, settings);
        prober.run(30 * MINUTE, between(600, 1200, Ends::Failed(Reason::Timeout)));
        let expected = ["firing prober connectivity", "resolved prober connectivity"];
        assert_eq!(told(&prober), expected, "{others} others");
        let failed = prober.history.iter().filter(|sample| sample.status == Status::Failed).count();
        assert!(failed > others * 20 && prober.engine.open().is_empty());
    }
}

#[test]
fn a_reference_that_stays_away_does_not_keep_an_outage_up() {
    let (all, settings) = with_reference(5, secs(15));
    let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], all, settings);
    // Three are gone for good and told so; that they are gone says nothing of the network later.
    let behaves = |one: &Watched, at: Duration| {
        let (at, name) = (at.as_secs(), one.target.as_str());
        let is_gone = at >= 600 && ["server-000", "server-001", "server-002"].contains(&name) && at < 9000;
        let is_cut = (4000..4600).contains(&at);
        let is_away = name == "gateway" && (4000..6000).contains(&at);
        if is_gone || is_cut || is_away { Ends::Failed(Reason::Connect) } else { Ends::Well }
    };
    prober.run(secs(3900), behaves);
    assert_eq!(told(&prober).len(), 3, "{:?}", told(&prober));
    prober.run(secs(4000), behaves);
    let told = told(&prober);
    assert_eq!(
        told[3..],
        ["firing prober connectivity", "resolved prober connectivity", "firing down gateway", "resolved down gateway"],
    );
    let times: Vec<u64> = prober.told().iter().map(|(at, _)| *at).collect();
    assert!(times[4] < 4700, "{times:?}");
}

#[test]
fn what_had_failed_before_the_reference_does_not_make_it_an_outage() {
    let (all, settings) = with_reference(5, secs(15));
    let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], all, settings);
    prober.run(2 * 60 * MINUTE, |one, at| {
        let since = if one.target == "gateway" { 4000 } else { 600 };
        let is_gone = one.target.as_str() >= "server-003" || one.target == "gateway";
        if is_gone && at.as_secs() >= since { Ends::Failed(Reason::Connect) } else { Ends::Well }
    });
    assert_eq!(told(&prober), ["firing down server-003", "firing down server-004", "firing down gateway"]);
}

/// A name with four replicas, and others.
fn with_replicas(others: usize) -> Vec<Watched> {
    let mut all = fleet(others, secs(15));
    all.push(watched("smoke", "web", secs(15)));
    all.extend((1..=4).map(|last| watched("smoke", &format!("web@10.0.0.{last}"), secs(15))));
    all
}

#[test]
fn a_service_that_stops_with_all_its_replicas_is_one_target_that_is_down() {
    for reference in [false, true] {
        for others in [3, 5] {
            let mut settings = Settings { group_wait: Duration::ZERO, ..Settings::default() };
            if reference {
                // Its name could not be reached either.
                settings.reference = vec!["web".to_owned()];
            }
            let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], with_replicas(others), settings);
            prober.run(30 * MINUTE, |one, at| {
                let is_down = one.target.as_str().starts_with("web") && (600..1200).contains(&at.as_secs());
                if is_down { Ends::Failed(Reason::Connect) } else { Ends::Well }
            });
            let told: BTreeSet<String> = told(&prober).into_iter().filter(|line| line.starts_with("firing")).collect();
            let expected = ["web", "web@10.0.0.1", "web@10.0.0.2", "web@10.0.0.3", "web@10.0.0.4"];
            let expected = expected.iter().map(|name| format!("firing down {name}")).collect();
            assert_eq!(told, expected, "{others} others, reference {reference}");
            assert_eq!(explained(&prober), 0, "its failures are its own");
        }
    }
}

#[test]
fn a_prober_without_network_tells_one_alert_also_of_replicas() {
    // Five names, and eight.
    for others in [4, 7] {
        let mut prober =
            Prober::new(vec![rule("down", consecutive(3, None))], with_replicas(others), Settings::default());
        prober.run(30 * MINUTE, between(600, 1200, Ends::Failed(Reason::Connect)));
        let expected = ["firing prober connectivity", "resolved prober connectivity"];
        assert_eq!(told(&prober), expected, "{others} others");
        let said = &prober.told()[0].1.alerts[0].summary;
        assert!(said.contains(&format!(" of {} targets", others + 1)), "names are counted: {said}");
        prober.restart(secs(30), vec![rule("down", consecutive(3, None))], Settings::default());
        prober.run(secs(1200), between(1860, 2400, Ends::Failed(Reason::Connect)));
        assert_eq!(after(&prober, 2), ["ops firing prober connectivity", "ops resolved prober connectivity"]);
    }
}

#[test]
fn a_snapshot_says_that_the_prober_itself_cannot_reach_the_network() {
    let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], fleet(6, secs(15)), Settings::default());
    let of = |prober: &Prober| -> Vec<(String, bool)> {
        let (_, open) = remembered(&prober.engine.snapshot()).unwrap();
        open.into_iter().map(|open| (open.alert, open.firing)).collect()
    };
    prober.run(secs(600), |_, _| Ends::Well);
    assert!(of(&prober).is_empty());
    prober.run(secs(600), |_, _| Ends::Failed(Reason::Connect));
    assert_eq!(of(&prober), [(CONNECTIVITY.to_owned(), true)]);
    prober.run(secs(600), |_, _| Ends::Well);
    assert!(of(&prober).is_empty());
}

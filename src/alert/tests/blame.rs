//! Whose fault it is: the prober's own network, or what a target needs.

use jiff::Timestamp;

use super::*;
use crate::alert::explained::Explanation;

#[test]
fn a_prober_without_network_tells_one_alert() {
    let reasons = [Reason::Connect, Reason::Timeout, Reason::Resolve, Reason::Closed];
    for reference in [false, true] {
        let mut watched_all = fleet(200, secs(15));
        let mut settings = Settings::default();
        if reference {
            watched_all.push(watched("reference", "gateway", secs(15)));
            settings.reference = vec!["gateway".to_owned()];
        }
        let mut rules = three();
        rules[1].notify = vec!["ops".to_owned()];
        rules.push(rule("any failure", consecutive(1, None)));
        let mut prober = Prober::new(rules, watched_all, settings);
        prober.run(60 * MINUTE, |one, at| {
            let number = one.target.len() + one.target.bytes().map(usize::from).sum::<usize>();
            if (600..1200).contains(&at.as_secs()) { Ends::Failed(reasons[number % 4]) } else { Ends::Well }
        });
        let lines = prober.lines();
        assert_eq!(lines.len(), 2, "reference {reference}: {lines:#?}");
        assert!(lines[0].ends_with("ops firing prober connectivity"), "{lines:?}");
        assert!(lines[1].ends_with("ops resolved prober connectivity"), "{lines:?}");
        assert!(prober.engine.open().is_empty());
    }
}

#[test]
fn what_is_really_down_is_told_once_the_network_is_back() {
    let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], fleet(20, secs(15)), Settings::default());
    prober.run(60 * MINUTE, |one, at| {
        let stays = one.target == "server-007" && at.as_secs() >= 600 && at.as_secs() < 2400;
        let cut = (600..1200).contains(&at.as_secs());
        if stays || cut { Ends::Failed(Reason::Connect) } else { Ends::Well }
    });
    let lines = prober.lines();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[2].ends_with("ops firing down") && lines[3].ends_with("ops resolved down"), "{lines:#?}");
    let told = prober.told();
    assert_eq!(told[2].1.alerts[0].target, "server-007");
    assert!(told[2].0 > 1230, "{lines:#?}");
}

#[test]
fn what_needs_something_that_fails_is_held() {
    let mut all = fleet(3, secs(15));
    all.push(watched("smoke", "gateway", secs(15)));
    let needs = all.iter().take(3).map(|one| (one.target.to_string(), vec!["gateway".to_owned()])).collect();
    let settings = Settings { dependencies: needs, ..Settings::default() };
    let mut rules = three();
    rules.push(rule("any failure", consecutive(1, None)));
    let mut prober = Prober::new(rules, all, settings);
    // The gateway has the last phase: its servers fail first.
    prober.run(60 * MINUTE, between(600, 1200, Ends::Failed(Reason::Connect)));
    let told: BTreeSet<&str> =
        prober.told().iter().flat_map(|(_, told)| &told.alerts).map(|view| view.target.as_str()).collect();
    assert_eq!(told, BTreeSet::from(["gateway"]), "{:#?}", prober.lines());
    assert!(prober.engine.open().is_empty());
}

#[test]
fn what_needs_something_by_way_of_what_is_not_watched_here_is_held() {
    let all = vec![watched("smoke", "leaf", secs(15)), watched("smoke", "root", secs(15))];
    let needs = |of: &[(&str, &str)]| -> BTreeMap<String, Vec<String>> {
        of.iter().map(|(target, needed)| ((*target).to_owned(), vec![(*needed).to_owned()])).collect()
    };
    // A ring does not go round for ever, and nothing is its own fault.
    for ring in [false, true] {
        let mut dependencies = needs(&[("leaf", "far"), ("far", "farther"), ("farther", "root")]);
        if ring {
            dependencies.insert("root".into(), vec!["farther".into(), "leaf".into()]);
        }
        let settings = Settings { dependencies, ..Settings::default() };
        let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], all.clone(), settings);
        assert_eq!(prober.engine.explained_anew(), Some(Explanation::default()));
        prober.run(secs(600), |_, _| Ends::Well);
        assert_eq!(prober.engine.explained_anew(), None);
        prober.run(secs(600), |one, _| if one.target == "root" { Ends::Failed(Reason::Connect) } else { Ends::Well });
        let under = BTreeMap::from([("leaf".to_owned(), "root".to_owned())]);
        assert_eq!(prober.engine.explained_anew(), Some(Explanation { outage: false, under }));
        prober.run(secs(600), |_, _| Ends::Failed(Reason::Connect));
        assert_eq!(prober.engine.explained_anew().is_some(), ring, "of a ring the leaf fails, too");
        prober.run(secs(600), |_, _| Ends::Well);
        assert_eq!(prober.engine.explained_anew(), Some(Explanation::default()));
        let told: BTreeSet<&str> =
            prober.told().iter().flat_map(|(_, told)| &told.alerts).map(|view| view.target.as_str()).collect();
        assert_eq!(told, BTreeSet::from(["root"]), "ring {ring}: {:#?}", prober.lines());
    }
}

#[test]
fn what_failed_before_its_cause_was_known_is_explained_and_nothing_else_is() {
    let explained = |prober: &Prober| -> Vec<(String, Timestamp, Timestamp, bool)> {
        let explained = prober.actions.iter().filter_map(|(_, action)| match action {
            Action::Explained(of) => Some((of.target.clone(), of.between.0, of.between.1, of.reasons.is_empty())),
            _ => None,
        });
        explained.collect()
    };
    let covers = |all: &[(String, Timestamp, Timestamp, bool)], sample: &Sample| {
        all.iter().any(|(target, from, until, _)| sample.target == *target && (*from..=*until).contains(&sample.at))
    };
    let begin = |prober: &Prober, secs: u64| prober.now().wall_at(prober.begun + Duration::from_secs(secs));
    // The network of the prober.
    let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], fleet(20, secs(15)), Settings::default());
    prober.run(secs(900), between(600, 900, Ends::Failed(Reason::Connect)));
    let all = explained(&prober);
    assert!(all.len() >= 10 && all.iter().all(|(.., any)| !any), "half of them: {all:?}");
    let told_at =
        prober.changes().iter().find(|line| line.contains("firing")).unwrap().split_once(' ').unwrap().0.to_owned();
    let (cut, told_at) = (begin(&prober, 600), begin(&prober, told_at.parse().unwrap()));
    for sample in &prober.history {
        let is_before = sample.status == Status::Failed && sample.at < told_at;
        assert!(
            covers(&all, sample) == is_before || sample.at >= told_at,
            "{sample:?}, cut at {cut}, told at {told_at}"
        );
    }
    // What a target needs.
    let names = ["child", "gateway", "other"];
    let all = names.map(|name| watched("smoke", name, secs(15))).to_vec();
    let dependencies = BTreeMap::from([("child".to_owned(), vec!["gateway".to_owned()])]);
    let settings = Settings { dependencies, ..Settings::default() };
    let mut prober = Prober::new(vec![rule("down", consecutive(3, None))], all, settings);
    prober.run(secs(900), between(600, 900, Ends::Failed(Reason::Check)));
    let all = explained(&prober);
    let failed =
        prober.history.iter().find(|sample| sample.target == "child" && sample.status == Status::Failed).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(covers(&all, failed) && all[0].3, "whatever it failed for: {all:?}");
    assert_eq!(prober.history.iter().filter(|sample| covers(&all, sample)).count(), 1);
}

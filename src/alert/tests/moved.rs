//! Receivers that know an alert by what the files say of it: what changes there ends under the old name and opens under the new.

use super::*;

/// Changes the files: gives the rules that there are then.
type Change = fn(&mut Prober) -> Vec<Rule>;

fn down() -> Vec<Rule> {
    vec![rule("down", consecutive(1, None))]
}

fn leads_to(receiver: Receiver) -> Settings {
    Settings { receivers: BTreeMap::from([("ops".to_owned(), receiver)]), ..Settings::default() }
}

fn labelled(team: &str) -> Receiver {
    Receiver::of_labels(BTreeMap::from([("team".to_owned(), team.to_owned())]))
}

/// One probe that fails, and whose channel knows.
fn told(settings: Settings) -> Prober {
    let mut prober = Prober::new(down(), vec![watched("smoke", "weather", secs(15))], settings);
    prober.run(secs(120), |_, _| Ends::Failed(Reason::Connect));
    assert_eq!(after(&prober, 0), ["ops firing down"]);
    prober
}

fn reload(prober: &mut Prober, rules: Vec<Rule>, settings: Settings) {
    let actions = prober.engine.reload(rules, prober.fleet.clone(), settings, prober.now());
    prober.keep(actions);
}

/// What was told since, each with whom it was told before.
fn since(prober: &Prober, count: usize) -> Vec<(&'static str, Option<Receiver>)> {
    prober.told().into_iter().skip(count).map(|(_, told)| (told.transition.name(), told.before.clone())).collect()
}

#[test]
fn another_receiver_opens_it_anew_and_the_one_before_hears_the_end() {
    for (before, now) in [
        (labelled("search"), labelled("maps")),
        (Receiver::of_key("one"), Receiver::of_key("other")),
        (Receiver::default(), Receiver::of_key("first")),
    ] {
        for restarted in [None, Some(secs(60)), Some(secs(7200))] {
            let mut prober = told(leads_to(before.clone()));
            match restarted {
                None => reload(&mut prober, down(), leads_to(now.clone())),
                Some(pause) => prober.restart(pause, down(), leads_to(now.clone())),
            }
            prober.run(secs(120), |_, _| Ends::Failed(Reason::Connect));
            assert_eq!(since(&prober, 1), [("resolved", Some(before.clone())), ("firing", None)], "{restarted:?}");
            let told = prober.told();
            assert_eq!(told[1].1.alerts[0].ended_because.as_deref(), Some("the notifier or its labels changed"));
            assert_eq!(told[1].1.dedup_key, told[2].1.dedup_key);
            assert_eq!(told[1].1.others, 0, "there, nothing goes on");
            assert!(told[2].1.alerts[0].ended.is_none());
            assert_eq!(prober.engine.heard("ops").len(), 1);
            // Nobody is told twice: neither by the same files, nor at its end.
            reload(&mut prober, down(), leads_to(now.clone()));
            prober.restart(secs(30), down(), leads_to(now.clone()));
            prober.run(secs(600), |_, _| Ends::Well);
            assert_eq!(since(&prober, 3), [("resolved", None)]);
        }
    }
}

#[test]
fn labels_of_the_target_and_the_severity_are_names_where_a_receiver_takes_them_for_such() {
    let other_labels: Change = |prober| {
        prober.fleet[0].labels.insert("env".to_owned(), "prod".to_owned());
        down()
    };
    let other_severity: Change = |_| vec![Rule { severity: Urgency::Critical, ..down().remove(0) }];
    for change in [other_labels, other_severity] {
        for (receiver, expected) in [
            (labelled("search"), vec![("resolved", None), ("firing", None)]),
            (Receiver::of_key("one"), vec![]),
            (Receiver::default(), vec![]),
        ] {
            for restarted in [false, true] {
                let mut prober = told(leads_to(receiver.clone()));
                let rules = change(&mut prober);
                if restarted {
                    prober.restart(secs(60), rules, leads_to(receiver.clone()));
                } else {
                    reload(&mut prober, rules, leads_to(receiver.clone()));
                }
                prober.run(secs(120), |_, _| Ends::Failed(Reason::Connect));
                assert_eq!(since(&prober, 1), expected, "{receiver:?}");
                if let [_, (_, ended), (_, begun)] = prober.told().as_slice() {
                    let name = |told: &Notification| (told.alerts[0].labels.clone(), told.alerts[0].severity.clone());
                    assert_eq!(name(ended), (BTreeMap::new(), "error".to_owned()), "as it was told");
                    assert_ne!(name(begun), name(ended));
                }
            }
        }
    }
}

#[test]
fn what_has_ended_but_was_not_told_so_yet_ends_where_it_was_told() {
    let mut prober = Prober::new(
        vec![rule("down", consecutive(1, None)), rule("rate", error_rate(0.5, 5 * MINUTE))],
        vec![watched("smoke", "weather", secs(15))],
        leads_to(labelled("search")),
    );
    prober.run(secs(400), |_, _| Ends::Failed(Reason::Connect));
    let count = prober.lines().len();
    // One of two has ended, and its end waits for the time between two messages.
    prober.run(secs(15), |_, _| Ends::Well);
    assert_eq!(prober.lines().len(), count, "{:#?} {:#?}", prober.lines(), prober.changes());
    reload(&mut prober, vec![rule("rate", error_rate(0.5, 5 * MINUTE))], leads_to(labelled("maps")));
    let told: Vec<_> = prober.told().into_iter().skip(count).map(|(_, told)| told).collect();
    assert_eq!(told[0].before, Some(labelled("search")));
    let because = |name: &str| told[0].alerts.iter().find(|view| view.alert == name).unwrap().ended_because.clone();
    assert_eq!(because("rate").as_deref(), Some("the notifier or its labels changed"));
    assert!(told[0].alerts.iter().any(|view| view.alert == "down"));
    assert_eq!((told[1].transition, told[1].alerts.len()), (Transition::Firing, 1));
}

#[test]
fn a_snapshot_that_does_not_say_whom_a_channel_led_to_changes_nothing() {
    let mut prober = told(Settings::default());
    let mut saved = prober.engine.snapshot();
    for group in saved["groups"].as_array_mut().unwrap() {
        group.as_object_mut().unwrap().retain(|name, _| name != "receiver" && name != "moved");
    }
    prober.go_on(&saved, down(), leads_to(labelled("search")));
    prober.run(secs(120), |_, _| Ends::Failed(Reason::Connect));
    assert_eq!(since(&prober, 1), []);
}

//! The prober is killed and started anew: what was told stays told, and what was not is told.

use super::*;

fn down() -> Vec<Rule> {
    vec![rule("down", consecutive(3, None))]
}

fn weather(settings: Settings) -> Prober {
    Prober::new(down(), vec![watched("smoke", "weather", secs(15))], settings)
}

#[test]
fn what_nobody_had_heard_is_told_after_a_pause_however_long() {
    for (pause, back) in [(60, 0), (7200, 0), (7200, 86_400), (60, 86_400)] {
        let mut prober = weather(Settings::default());
        // It fires at 30, and would be told at 60.
        prober.run(secs(50), |_, _| Ends::Failed(Reason::Connect));
        assert!(prober.lines().is_empty());
        let saved = prober.engine.snapshot();
        prober.clock.advance(secs(pause));
        prober.clock.step(-SignedDuration::from_secs(back));
        prober.go_on(&saved, down(), Settings::default());
        prober.run(secs(300), |_, _| Ends::Failed(Reason::Connect));
        prober.run(secs(600), |_, _| Ends::Well);
        let words: Vec<&str> = prober.told().iter().map(|(_, told)| told.transition.name()).collect();
        assert_eq!(words, ["firing", "resolved"], "{pause} s, set back by {back} s: {:#?}", prober.lines());
    }
}

#[test]
fn what_was_silenced_before_a_long_pause_is_told_when_the_silence_is_over() {
    let settings = || silence("2026-03-28T11:00:00Z", "2026-03-28T15:00:00Z");
    let mut prober = weather(settings());
    prober.run(secs(600), |_, _| Ends::Failed(Reason::Connect));
    prober.restart(secs(7200), down(), settings());
    prober.run(secs(7200), |_, _| Ends::Failed(Reason::Connect));
    assert_eq!(prober.lines(), ["10800 ops firing down"]);
}

#[test]
fn a_channel_that_had_not_heard_it_does_after_a_long_pause_where_another_had() {
    let mut both = down();
    both[0].notify = vec!["ops".to_owned()];
    let mut prober = weather(Settings::default());
    prober.run(secs(600), |_, _| Ends::Failed(Reason::Connect));
    both[0].notify.push("oncall".to_owned());
    prober.restart(secs(7200), both, Settings::default());
    prober.run(secs(600), |_, _| Ends::Failed(Reason::Connect));
    prober.run(secs(600), |_, _| Ends::Well);
    let told: Vec<String> = prober.lines().iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
    assert_eq!(told, ["ops firing down", "oncall firing down", "oncall resolved down", "ops resolved down"]);
}

#[test]
fn an_outage_of_the_prober_is_one_alert_also_when_it_is_restarted_in_it() {
    // Before it is noticed, just after, later; for a short and for a long time; once and again.
    for (killed, pause) in [(8, 10), (20, 10), (120, 60), (120, 7200), (900, 300)] {
        for reference in [false, true] {
            let mut all = fleet(12, secs(15));
            let mut settings = Settings::default();
            if reference {
                all.push(watched("smoke", "gateway", secs(15)));
                settings.reference = vec!["gateway".to_owned()];
            }
            let mut prober = Prober::new(down(), all, settings.clone());
            let cut = between(600, 600 + killed + pause + 600, Ends::Failed(Reason::Connect));
            prober.run(secs(600 + killed), &cut);
            prober.restart(secs(pause), down(), settings.clone());
            prober.run(secs(40), &cut);
            prober.restart(secs(1), down(), settings.clone());
            prober.run(secs(3000), &cut);
            let told = after(&prober, 0);
            assert_eq!(
                told,
                ["ops firing prober connectivity", "ops resolved prober connectivity"],
                "killed after {killed} s for {pause} s, reference {reference}: {:#?}",
                prober.lines()
            );
            assert!(prober.engine.open().is_empty());
        }
    }
}

#[test]
fn what_is_explained_by_what_it_needs_is_not_told_after_a_restart_either() {
    let mut all = fleet(3, secs(15));
    all.push(watched("smoke", "gateway", secs(60)));
    let needs: BTreeMap<_, _> =
        all.iter().take(3).map(|one| (one.target.to_string(), vec!["gateway".to_owned()])).collect();
    let settings = || Settings { dependencies: needs.clone(), ..Settings::default() };
    let budget = || Condition::BurnRate { objective: 0.99, period: secs(30 * 86_400) };
    let rules = || {
        vec![rule("down", consecutive(3, None)), rule("rate", error_rate(0.2, 30 * MINUTE)), rule("budget", budget())]
    };
    for (killed, pause) in [(70, 1), (300, 60), (300, 7200), (1200, 10)] {
        let mut prober = Prober::new(rules(), all.clone(), settings());
        let fails = between(3600, 3600 + killed + pause + 300, Ends::Failed(Reason::Connect));
        prober.run(secs(3600 + killed), &fails);
        prober.restart(secs(pause), rules(), settings());
        prober.run(secs(900), &fails);
        // Everybody is well again; what was counted then must not come back with another restart.
        prober.restart(secs(5), rules(), settings());
        prober.run(secs(3600), &fails);
        let views = prober.told().into_iter().flat_map(|(_, told)| &told.alerts);
        let told: BTreeSet<&str> = views.map(|view| view.target.as_str()).collect();
        assert_eq!(told, BTreeSet::from(["gateway"]), "{killed} s, {pause} s: {:#?}", prober.lines());
    }
}

#[test]
fn a_snapshot_of_the_version_before_is_read() {
    let mut prober = weather(Settings::default());
    prober.run(secs(600), |_, _| Ends::Failed(Reason::Connect));
    // Written by mcp-probe at c57762c; the rules of today fill in the rest.
    let saved = serde_json::json!({
        "schema": "mcp-probe/alert-state/1",
        "at": "2026-03-28T12:09:50Z",
        "outage": null,
        "alerts": [{
            "alert": "down", "probe": "smoke", "target": "weather", "state": "firing", "since": "2026-03-28T12:00:30Z",
            "flap": { "changes": 32768, "was_firing": true, "is_flapping": false }, "known_tools": null
        }],
        "groups": [{
            "target": "weather", "cause": "failing", "channel": "ops",
            "flushed": "2026-03-28T12:01:00Z", "told_at": "2026-03-28T12:01:00Z",
            "members": [{
                "view": {
                    "alert": "down", "probe": "smoke", "target": "weather", "severity": "error", "labels": {},
                    "summary": "3 runs failed in a row", "reason": "connect", "details": "it failed: connect",
                    "since": "2026-03-28T12:00:30Z", "ended": null, "ended_because": null, "told": 1
                },
                "wants_end": true, "remind_seconds": null, "told": true, "flapping": false
            }]
        }],
        "repairs": [{ "target": "weather", "times": ["2026-03-28T12:00:35Z"], "escalated": false }]
    });
    prober.go_on(&saved, down(), Settings::default());
    prober.run(secs(300), |_, _| Ends::Failed(Reason::Connect));
    prober.run(secs(300), |_, _| Ends::Well);
    assert_eq!(after(&prober, 0), ["ops firing down", "ops resolved down"]);
    let views = prober.told().into_iter().flat_map(|(_, told)| &told.alerts);
    assert!(views.into_iter().all(|view| view.since == "2026-03-28T12:00:30Z".parse().unwrap()));
}

#[test]
fn a_window_that_lost_its_runs_neither_fires_nor_ends() {
    let budget = || vec![rule("budget", Condition::BurnRate { objective: 0.99, period: secs(30 * 86_400) })];
    let changes = |lost: bool| {
        let mut prober = Prober::one(budget(), secs(15));
        prober.run(secs(6 * 3600), between(3600, 5000, Ends::Failed(Reason::Connect)));
        let before = prober.changes();
        if lost {
            prober.history.clear();
        }
        prober.restart(secs(60), budget(), Settings::default());
        prober.run(secs(4 * 3600), |_, _| Ends::Well);
        let changes = prober.changes().split_off(before.len());
        (before, changes)
    };
    let (before, kept) = changes(false);
    assert_eq!(before, ["4095 budget firing"]);
    // The failures leave the short window of six hours 5000 s after the start and six hours; that window alone still burns.
    assert_eq!(kept.len(), 1, "{kept:?}");
    let ended: u64 = kept[0].split(' ').next().unwrap().parse().unwrap();
    assert!((5000 + 5 * 3600 + 1800..5000 + 6 * 3600 + 720).contains(&ended), "{kept:?}");
    // Without them, it ends when there is something to conclude from: a quarter of that window.
    let (_, lost) = changes(true);
    assert_eq!(lost.len(), 1, "{lost:?}");
    let ended: u64 = lost[0].split(' ').next().unwrap().parse().unwrap();
    assert!(ended >= 6 * 3600 + 5400, "{lost:?}");
}

#[test]
fn what_began_after_the_snapshot_is_explained_by_what_was_recorded() {
    let all = vec![watched("smoke", "child", secs(15)), watched("smoke", "gateway", secs(15))];
    let needs = BTreeMap::from([("child".to_owned(), vec!["gateway".to_owned()])]);
    let settings = Settings { dependencies: needs, ..Settings::default() };
    let mut prober = Prober::new(vec![rule("down", consecutive(4, None))], all, settings.clone());
    prober.run(secs(600), |_, _| Ends::Well);
    // Nothing was worth writing since.
    let saved = prober.engine.snapshot();
    prober.run(secs(40), |_, _| Ends::Failed(Reason::Connect));
    prober.clock.advance(secs(5));
    prober.go_on(&saved, vec![rule("down", consecutive(4, None))], settings);
    // The child runs first, and the gateway is well already.
    prober.run(secs(300), |one, _| if one.target == "child" { Ends::Failed(Reason::Connect) } else { Ends::Well });
    let fired = prober.fired();
    assert_eq!(fired.len(), 1, "{fired:?}");
    let at: u64 = fired[0].split(' ').next().unwrap().parse().unwrap();
    assert!(at >= 690, "four of its own: {fired:?}");
}

#[test]
fn targets_that_were_of_processes_and_are_reached_over_the_network_now_count_for_it() {
    let mut prober = Prober::new(down(), fleet(12, secs(15)), Settings::default());
    for transport in [TransportKind::Stdio, TransportKind::StreamableHttp] {
        for one in prober.fleet.clone() {
            let mut sample = sample(&one, Ends::Well, prober.now());
            sample.protocol = Some(("2025-11-25".into(), Era::Legacy, transport));
            let actions = prober.engine.observe(&sample, prober.now());
            prober.keep(actions);
        }
    }
    prober.run(secs(300), |_, _| Ends::Failed(Reason::Connect));
    prober.run(secs(300), |_, _| Ends::Well);
    assert_eq!(after(&prober, 0), ["ops firing prober connectivity", "ops resolved prober connectivity"]);
}

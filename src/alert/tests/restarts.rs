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

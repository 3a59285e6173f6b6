//! What a rule can see at an interval, and what it cannot: how many runs its window holds, how many failures it takes,
//! how soon that is noticed, whether one bad run pages somebody, whether it can fire at all. Shown when files are read,
//! so that nobody learns it from an outage.

use std::time::Duration;

use super::burn::pairs;
use super::rule::{Bound, Condition, Rule};
use super::said::{percent, runs, span};
use super::window::{Limits, Reach};
use crate::base::duration::human;

/// What is wrong with a rule at an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flaw {
    /// It works, but sees less than it says.
    Coarse,
    /// It leaves nothing to spare: a run that is late or missing, and it does not fire.
    Tight,
    /// One bad run pages somebody.
    Blip,
    /// It can never fire.
    Never,
}

impl Flaw {
    /// The word in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Coarse => "coarse",
            Self::Tight => "tight",
            Self::Blip => "blip",
            Self::Never => "never",
        }
    }
}

/// A flaw, in a sentence, with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worry {
    /// Of which kind.
    pub flaw: Flaw,
    /// What is wrong.
    pub sentence: String,
    /// What to do.
    pub help: String,
}

/// What a rule sees of a probe that runs at an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Insight {
    /// Runs (latencies, for a percentile) in a full window; none where the condition has no window.
    pub samples: Option<u64>,
    /// Bad ones among them that it takes to fire; none where it never fires, or counts nothing.
    pub needed: Option<u64>,
    /// From the beginning of a lasting fault to the alert, at worst, messages waiting for company not included.
    pub detected_within: Option<Duration>,
    /// Whether one bad run is enough.
    pub one_blip_fires: bool,
    /// Whether it can fire at all.
    pub can_fire: bool,
    /// What it sees, in one sentence.
    pub sentence: String,
    /// What is wrong with it; the worst first.
    pub worries: Vec<Worry>,
}

/// A probe as a rule sees it.
struct Seen {
    every: Duration,
    timeout: Duration,
    steps: u64,
}

impl Seen {
    /// So many runs that fail one after the other, from the fault to the end of the last.
    fn after(&self, runs: u64, rule: &Rule) -> Duration {
        let runs = u32::try_from(runs).unwrap_or(u32::MAX);
        self.every.saturating_mul(runs).saturating_add(self.timeout).saturating_add(rule.lasting)
    }
}

/// What a rule sees of a probe that runs every so often, may take so long and has so many steps.
#[must_use]
pub fn lint(rule: &Rule, every: Duration, timeout: Duration, steps: usize) -> Insight {
    let seen = Seen { every: every.max(Duration::from_millis(1)), timeout, steps: (steps as u64).max(1) };
    let mut insight = match &rule.condition {
        Condition::ErrorRate { bound, window, min_samples, .. } => rate(rule, &seen, *bound, *window, *min_samples),
        Condition::Latency { percentile, bound, window, min_samples, .. } => {
            let limits = Limits { percentile: *percentile, bound: bound.value, inclusive: bound.inclusive, end: None };
            latency(rule, &seen, &limits, *window, *min_samples)
        }
        Condition::ConsecutiveFailures { count, within } => consecutive(rule, &seen, *count, *within),
        Condition::NoData { after } => no_data(rule, &seen, *after),
        Condition::Drift => {
            let sentence = "one run that finds other definitions fires it".to_owned();
            Insight { needed: Some(1), detected_within: Some(seen.after(1, rule)), ..Insight::new(sentence) }
        }
        Condition::Expiry { left, .. } => expiry(rule, &seen, *left),
        Condition::BurnRate { objective, period } => burn(rule, &seen, *objective, *period),
    };
    insight.worries.sort_by_key(|worry| std::cmp::Reverse(worry.flaw));
    insight.can_fire = !insight.worries.iter().any(|worry| worry.flaw == Flaw::Never);
    insight.one_blip_fires = insight.worries.iter().any(|worry| worry.flaw == Flaw::Blip);
    if !insight.can_fire {
        (insight.needed, insight.detected_within) = (None, None);
    }
    insight
}

impl Insight {
    fn new(sentence: String) -> Self {
        let (samples, needed, detected_within) = (None, None, None);
        Self { samples, needed, detected_within, one_blip_fires: false, can_fire: true, sentence, worries: Vec::new() }
    }

    fn worry(&mut self, flaw: Flaw, sentence: impl Into<String>, help: impl Into<String>) {
        self.worries.push(Worry { flaw, sentence: sentence.into(), help: help.into() });
    }
}

/// The fewest failures among so many runs that fire.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of runs are far below 2^52, and a share is between 0 and 1"
)]
fn failures_for(bound: Bound<f64>, runs: u64) -> u64 {
    let exact = bound.value * runs as f64;
    let floor = (exact + 1e-9).floor();
    if bound.inclusive && (exact - floor).abs() < 1e-9 { (floor as u64).max(1) } else { floor as u64 + 1 }
}

fn rate(rule: &Rule, seen: &Seen, bound: Bound<f64>, window: Duration, min_samples: Option<u64>) -> Insight {
    let full = Reach::new(window, seen.every).full;
    let alone = failures_for(bound, full);
    let needed = if min_samples.is_some() { alone } else { alone.max(2) };
    let share = percent(bound.value);
    let mut insight = Insight::new(format!(
        "{} holds {} at {}; {needed} failed ones fire it",
        span(window),
        runs(full),
        span(seen.every)
    ));
    (insight.samples, insight.needed) = (Some(full), Some(needed));
    insight.detected_within = Some(seen.after(needed, rule));
    let wider = |runs: u64| span(seen.every.saturating_mul(u32::try_from(runs).unwrap_or(u32::MAX)));
    let enough = (2..100_000).find(|runs| failures_for(bound, *runs) >= 2).unwrap_or(2);
    let least = min_samples.unwrap_or(2);
    if least > full || needed > full {
        let why = if min_samples.is_some_and(|least| least > full) {
            format!("it waits for {}, and {} holds {full}", runs(least), span(window))
        } else {
            format!("it takes {needed} failed runs, and {} holds {}", span(window), runs(full))
        };
        insight.worry(
            Flaw::Never,
            format!("it can never fire: {why}"),
            format!("write `window = \"{}\"` or more", wider(least.max(enough).max(needed))),
        );
    } else if min_samples.is_some_and(|least| failures_for(bound, least) == 1) {
        insight.worry(
            Flaw::Blip,
            format!(
                "one failed run pages somebody: 1 of {} is {}, the bound is {share}",
                runs(least),
                percent(1.0 / share_of(least))
            ),
            format!("write `min_samples = {enough}` and `window = \"{}\"`, or leave `min_samples` out", wider(enough)),
        );
    } else if alone == 1 {
        insight.worry(
            Flaw::Coarse,
            format!(
                "one failed run is already more than the bound: 1 of {} is {}, the bound is {share}; it fires with the \
                 second, which is {}",
                runs(full),
                percent(1.0 / share_of(full)),
                percent(2.0 / share_of(full))
            ),
            format!("write `window = \"{}\"` for a bound of {share} at {}", wider(enough), span(seen.every)),
        );
    }
    insight
}

#[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
fn share_of(runs: u64) -> f64 {
    runs.max(1) as f64
}

fn latency(rule: &Rule, seen: &Seen, limits: &Limits, window: Duration, min_samples: Option<u64>) -> Insight {
    let full = Reach::new(window, seen.every).full.saturating_mul(seen.steps);
    let alone = limits.needed(full);
    let needed = if min_samples.is_some() { alone } else { alone.max(2) };
    let (rank, name) = (limits.rank(full), format!("p{}", limits.percentile));
    let mut insight = Insight::new(format!(
        "{} holds {full} latencies at {}; {name} is number {rank} of them, {needed} slow ones fire it",
        span(window),
        span(seen.every)
    ));
    (insight.samples, insight.needed) = (Some(full), Some(needed));
    insight.detected_within = Some(seen.after(needed.div_ceil(seen.steps), rule));
    let resolution = (1..1_000_000).find(|count| limits.needed(*count) >= 2).unwrap_or(20);
    let wider =
        |count: u64| span(seen.every.saturating_mul(u32::try_from(count.div_ceil(seen.steps)).unwrap_or(u32::MAX)));
    let least = min_samples.unwrap_or(2);
    let is_out_of_reach = if limits.inclusive { seen.timeout < limits.bound } else { seen.timeout <= limits.bound };
    if is_out_of_reach {
        insight.worry(
            Flaw::Never,
            format!(
                "it can never fire: a run is given up after {}, and the bound is {}",
                human(seen.timeout),
                human(limits.bound)
            ),
            "raise `timeout` of the probe, or lower the bound",
        );
    } else if least > full {
        insight.worry(
            Flaw::Never,
            format!("it can never fire: it waits for {least} latencies, and {} holds {full}", span(window)),
            format!("write `window = \"{}\"` or more", wider(least)),
        );
    } else if min_samples.is_some_and(|least| limits.needed(least) == 1) {
        insight.worry(
            Flaw::Blip,
            format!("one slow run pages somebody: {name} of {least} latencies is the largest of them"),
            format!(
                "write `min_samples = {resolution}` and `window = \"{}\"`, or leave `min_samples` out",
                wider(resolution)
            ),
        );
    } else if alone == 1 {
        insight.worry(
            Flaw::Coarse,
            format!("{name} of {full} latencies is the largest of them; it fires with the second that is slow"),
            format!("write `window = \"{}\"` for a {name} at {}", wider(resolution), span(seen.every)),
        );
    }
    insight
}

fn consecutive(rule: &Rule, seen: &Seen, count: u64, within: Option<Duration>) -> Insight {
    let between = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
    let needs = seen.every.saturating_mul(between);
    let mut insight = Insight::new(format!("{count} failures in a row take {} at {}", span(needs), span(seen.every)));
    (insight.needed, insight.detected_within) = (Some(count), Some(seen.after(count, rule)));
    if count == 1 {
        insight.worry(Flaw::Blip, "one failed run pages somebody", "write `consecutive_failures = 3`");
    }
    let Some(within) = within else { return insight };
    if needs > within + seen.every / 20 {
        insight.worry(
            Flaw::Never,
            format!(
                "it can never fire: {count} failures in a row take {}, and `within` is {}",
                span(needs),
                span(within)
            ),
            format!("write `within = \"{}\"`, or let the probe run more often", span(needs + seen.every)),
        );
    } else if needs + seen.every > within && count > 1 {
        insight.worry(
            Flaw::Tight,
            format!(
                "{count} failures in a row take {} of {}: it does not fire where one of these runs is missed",
                span(needs),
                span(within)
            ),
            format!("write `within = \"{}\"`, or let the probe run more often", span(needs + seen.every)),
        );
    }
    insight
}

fn no_data(rule: &Rule, seen: &Seen, after: Duration) -> Insight {
    let mut insight = Insight::new(format!("it fires when no run could be judged for {}", span(after)));
    insight.detected_within = Some(after.saturating_add(rule.lasting));
    let patient = span(seen.every.saturating_mul(3).saturating_add(seen.timeout));
    let lasts = after.saturating_add(rule.lasting);
    if lasts <= seen.every {
        let sentence = format!("it fires between any two runs: the probe runs every {}", span(seen.every));
        insight.worry(Flaw::Blip, sentence, format!("write `no_data = \"{patient}\"`"));
    } else if lasts < seen.every.saturating_mul(2).saturating_add(seen.timeout) {
        let sentence = format!("one run that is missed pages somebody: the probe runs every {}", span(seen.every));
        insight.worry(Flaw::Blip, sentence, format!("write `no_data = \"{patient}\"`"));
    }
    insight
}

fn expiry(rule: &Rule, seen: &Seen, left: Duration) -> Insight {
    let mut insight = Insight::new(format!("one run that sees an end within {} fires it", span(left)));
    (insight.needed, insight.detected_within) = (Some(1), Some(seen.after(1, rule)));
    if left <= seen.every {
        let sentence = format!("what ends may be over before the next run: the probe runs every {}", span(seen.every));
        insight.worry(Flaw::Tight, sentence, "give it more time, such as \"14d\"");
    }
    insight
}

fn burn(rule: &Rule, seen: &Seen, objective: f64, period: Duration) -> Insight {
    let budget = 1.0 - objective;
    let in_period = Reach::new(period, seen.every).full;
    let mut fires = Vec::new();
    let (mut fewest, mut blind) = (None::<(u64, u64)>, Vec::new());
    for pair in pairs(period) {
        let share = pair.factor * budget;
        let full = Reach::new(pair.long, seen.every).full;
        let bound = Bound { value: share, inclusive: false };
        let alone = failures_for(bound, full);
        if share >= 1.0 || alone.max(2) > full || pair.short < seen.every {
            blind.push(format!("{}/{}", span(pair.long), span(pair.short)));
            continue;
        }
        fires.push(format!("{} of {full} within {}", alone.max(2), span(pair.long)));
        fewest = Some(fewest.map_or((alone, full), |have| have.min((alone, full))));
    }
    let affordable = failures_for(Bound { value: budget, inclusive: false }, in_period) - 1;
    let mut insight = Insight::new(format!(
        "the budget of {} is {affordable} of {} in {}; it fires with {}",
        percent(objective),
        runs(in_period),
        span(period),
        if fires.is_empty() { "nothing".to_owned() } else { fires.join(", or ") }
    ));
    insight.samples = Some(in_period);
    let often = "let the probe run more often, or lower the objective";
    match fewest {
        None => insight.worry(Flaw::Never, "it can never fire: no pair of windows holds enough runs", often),
        Some((alone, full)) => {
            insight.needed = Some(alone.max(2));
            insight.detected_within = Some(seen.after(alone.max(2), rule));
            if alone == 1 {
                let sentence = format!(
                    "one failed run of {full} is already too fast for {}; it fires with the second",
                    percent(objective)
                );
                insight.worry(Flaw::Coarse, sentence, often);
            }
            if !blind.is_empty() {
                let sentence = format!("these pairs of windows hold too few runs to fire: {}", blind.join(", "));
                insight.worry(Flaw::Coarse, sentence, often);
            }
        }
    }
    insight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Selector, Urgency};

    fn rule(condition: Condition) -> Rule {
        Rule {
            name: "rule".to_owned(),
            condition,
            selector: Selector::default(),
            lasting: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            severity: Urgency::Error,
            notify: Vec::new(),
            resolved: true,
            remind: None,
            restart: false,
        }
    }

    fn look(condition: Condition, every: u64) -> Insight {
        lint(&rule(condition), Duration::from_secs(every), Duration::from_secs(10), 1)
    }

    fn rate(min_samples: Option<u64>) -> Condition {
        let bound = Bound { value: 0.05, inclusive: false };
        Condition::ErrorRate { bound, window: Duration::from_secs(300), min_samples, resolve: None }
    }

    fn p95(window: u64, min_samples: Option<u64>) -> Condition {
        let bound = Bound { value: Duration::from_secs(2), inclusive: false };
        let window = Duration::from_secs(window);
        Condition::Latency { percentile: 95.0, bound, window, min_samples, resolve: None }
    }

    fn three(within: u64) -> Condition {
        Condition::ConsecutiveFailures { count: 3, within: Some(Duration::from_secs(within)) }
    }

    fn flaws(insight: &Insight) -> Vec<Flaw> {
        insight.worries.iter().map(|worry| worry.flaw).collect()
    }

    type Row = (u64, u64, u64, &'static [Flaw], u64, u64, &'static [Flaw], &'static [Flaw]);

    /// The table of windows: interval, runs in 5 minutes, failures above 5 %, and what is flagged of the rate, of the
    /// percentile and of three in a row within a minute.
    #[test]
    fn the_table_of_windows_is_seen_as_it_is() {
        let rows: [Row; 4] = [
            (10, 30, 2, &[], 60, 57, &[], &[]),
            (15, 20, 2, &[], 40, 38, &[], &[]),
            (30, 10, 1, &[Flaw::Coarse], 20, 19, &[], &[Flaw::Tight]),
            (60, 5, 1, &[Flaw::Coarse], 10, 10, &[Flaw::Coarse], &[Flaw::Never]),
        ];
        for (every, runs, failures, of_rate, latencies, rank, of_p95, of_three) in rows {
            let seen = look(rate(None), every);
            assert_eq!((seen.samples, seen.needed), (Some(runs), Some(failures.max(2))), "{every} s");
            assert_eq!(failures_for(Bound { value: 0.05, inclusive: false }, runs), failures);
            assert_eq!(flaws(&seen), of_rate, "{every} s: {seen:?}");
            let seen = look(p95(600, None), every);
            assert_eq!(seen.samples, Some(latencies));
            assert!(seen.sentence.contains(&format!("number {rank} of them")), "{}", seen.sentence);
            assert_eq!(flaws(&seen), of_p95, "{every} s: {seen:?}");
            let seen = look(three(60), every);
            assert_eq!(flaws(&seen), of_three, "{every} s: {seen:?}");
            assert_eq!(seen.can_fire, every < 60);
        }
    }

    #[test]
    fn one_blip_is_told_where_the_file_asks_for_it() {
        for (condition, every, blip) in [
            (rate(Some(1)), 15, true),
            (rate(Some(19)), 15, true),
            (rate(Some(20)), 15, false),
            (rate(None), 60, false),
            (p95(600, Some(10)), 15, true),
            (p95(600, Some(20)), 15, false),
            (Condition::ConsecutiveFailures { count: 1, within: None }, 15, true),
            (Condition::NoData { after: Duration::from_secs(20) }, 15, true),
            (Condition::NoData { after: Duration::from_secs(300) }, 15, false),
        ] {
            let seen = look(condition.clone(), every);
            assert_eq!(seen.one_blip_fires, blip, "{condition:?} at {every} s: {seen:?}");
        }
    }

    #[test]
    fn what_can_never_fire_is_said() {
        let slow = Bound { value: Duration::from_secs(10), inclusive: false };
        let beyond = Condition::Latency {
            percentile: 50.0,
            bound: slow,
            window: Duration::from_secs(600),
            min_samples: None,
            resolve: None,
        };
        for (condition, every) in [
            (rate(Some(21)), 15),
            (rate(None), 300),
            (three(60), 60),
            (beyond, 15),
            (Condition::BurnRate { objective: 0.9, period: Duration::from_secs(3600) }, 600),
        ] {
            let seen = look(condition.clone(), every);
            assert!(!seen.can_fire && seen.needed.is_none(), "{condition:?} at {every} s: {seen:?}");
        }
    }

    #[test]
    fn a_burn_rate_says_how_few_failures_it_is_about() {
        let burn =
            |every| look(Condition::BurnRate { objective: 0.999, period: Duration::from_secs(30 * 86_400) }, every);
        assert_eq!(burn(15).needed, Some(4));
        assert!(burn(15).worries.is_empty(), "{:?}", burn(15));
        assert_eq!((burn(30).needed, burn(60).needed), (Some(2), Some(2)));
        assert!(flaws(&burn(60)).contains(&Flaw::Coarse));
        assert!(
            burn(300).sentence.starts_with("the budget of 99.9 % is 8 of 8640 runs in 30d"),
            "{}",
            burn(300).sentence
        );
    }

    #[test]
    fn detection_takes_as_long_as_the_failures() {
        // At 15 s the third failure in a row begins 45 s after the fault at worst, and may take its timeout.
        assert_eq!(look(three(60), 15).detected_within, Some(Duration::from_secs(55)));
        assert_eq!(look(rate(None), 15).detected_within, Some(Duration::from_secs(40)));
    }
}

//! The sentences of alerts: what the condition saw, with the figures that it rests on.

use std::time::Duration;

use jiff::Timestamp;

use super::rule::{Bound, Condition, Expiring, Rule};
use super::state::{Gauge, Instance, State, share};
use super::window::{Nanos, Ring};
use crate::base::duration::{human, told_apart, written};

/// What an alert is about, where several may have one cause: these are told together.
#[must_use]
pub(super) fn cause(condition: &Condition) -> &'static str {
    match condition {
        Condition::ErrorRate { .. } | Condition::ConsecutiveFailures { .. } | Condition::BurnRate { .. } => "failing",
        Condition::Latency { .. } => "slow",
        Condition::NoData { .. } => "no data",
        Condition::Drift => "drift",
        Condition::Expiry { .. } => "expiry",
    }
}

/// When a rule fires, in a few words.
#[must_use]
pub fn asks(rule: &Rule) -> String {
    let above = |inclusive: bool| if inclusive { "at least" } else { "above" };
    let mut text = match &rule.condition {
        Condition::ErrorRate { bound, window, .. } => {
            format!("error rate {} {} within {}", above(bound.inclusive), percent(bound.value), span(*window))
        }
        Condition::Latency { percentile, bound, window, .. } => {
            format!("p{percentile} {} {} within {}", above(bound.inclusive), written(bound.value), span(*window))
        }
        Condition::ConsecutiveFailures { count, within } => {
            let within = within.map_or_else(String::new, |within| format!(" within {}", span(within)));
            format!("{count} failed in a row{within}")
        }
        Condition::NoData { after } => format!("no run that could be judged for {}", span(*after)),
        Condition::Drift => "the tools have changed".to_owned(),
        Condition::Expiry { what, left } => format!("{} ends within {}", thing(*what), span(*left)),
        Condition::BurnRate { objective, period } => {
            format!("the error budget of {} in {} is used up too fast", percent(*objective), span(*period))
        }
    };
    if !rule.lasting.is_zero() {
        text.push_str(&format!(", for {}", span(rule.lasting)));
    }
    text
}

fn thing(what: Expiring) -> &'static str {
    match what {
        Expiring::Certificate => "certificate",
        Expiring::Token => "token",
        Expiring::Any => "certificate or token",
    }
}

/// One sentence about what an alert sees now.
pub(super) fn summary(instance: &Instance, ring: &Ring, at: Nanos, now: Timestamp) -> String {
    let seen_for = instance.seen_from.map_or(0, |from| at - from);
    match (&instance.gauge, &instance.rule.condition) {
        (Gauge::Rate(rate, _), Condition::ErrorRate { bound, window, .. }) => format!(
            "{} of {} failed within {}: {}, expected {} {}",
            rate.failed,
            runs(rate.judged),
            span(*window),
            percent(share(rate.failed, rate.judged)),
            at_most(bound.inclusive),
            percent(bound.value),
        ),
        (
            Gauge::Latency(seen, _, limits),
            Condition::Latency { percentile, bound: Bound { value, inclusive }, window, .. },
        ) => {
            let (found, bound) = match seen.percentile(ring, limits) {
                Some(found) => told_apart(found, *value),
                None => ("unknown".to_owned(), human(*value)),
            };
            format!(
                "p{percentile} of {} latencies within {} is {found}, expected {} {bound}",
                seen.count,
                span(*window),
                at_most(*inclusive),
            )
        }
        (Gauge::Streak(streak, _), Condition::ConsecutiveFailures { count, within }) => {
            let within = within.map_or_else(String::new, |within| format!(" within {}", span(within)));
            format!("{} failed in a row, alert at {count}{within}", runs(streak.failed))
        }
        (Gauge::NoData, Condition::NoData { .. })
            if matches!(instance.state, State::Inactive | State::Resolving(..)) =>
        {
            "a run could be judged again".to_owned()
        }
        (Gauge::NoData, Condition::NoData { after }) => {
            format!("no run could be judged for {}", span(*after))
        }
        (Gauge::Drift(drift), _) if drift.drifted == Some(false) => "the tools are what they were".to_owned(),
        (Gauge::Drift(_), _) => "the tools are not what they were when they were first read".to_owned(),
        (Gauge::Expiry(ends), Condition::Expiry { what, left }) => expiry(*what, *left, ends.of(*what), now),
        (Gauge::Burn(burn), Condition::BurnRate { objective, period }) => {
            let goal = percent(*objective);
            match burn.burning(seen_for) {
                Some(burning) => format!(
                    "the error budget of {goal} is used up {:.1} times too fast: {} of {} failed within {}, alert above {} times",
                    burning.rate,
                    burning.failed,
                    runs(burning.judged),
                    span(burning.pair.long),
                    burning.pair.factor
                ),
                None => {
                    let (judged, failed) = burn.totals();
                    let seen = runs(judged);
                    format!("the error budget of {goal} lasts for {}: {failed} of {seen} failed of late", span(*period))
                }
            }
        }
        _ => String::new(),
    }
}

fn expiry(what: Expiring, left: Duration, ends: Option<Timestamp>, now: Timestamp) -> String {
    let what = thing(what);
    let Some(ends) = ends else { return format!("the end of the {what} is not known") };
    let alert = format!("alert {} before", span(left));
    match Duration::try_from(ends.duration_since(now)) {
        Ok(rest) => {
            format!("the {what} ends in {}, at {ends:.0}; {alert}", span(Duration::from_secs(rest.as_secs() / 60 * 60)))
        }
        Err(_) => format!("the {what} ended at {ends:.0}; {alert}"),
    }
}

/// A span as probe files write it: `30d`, `6h`, `1m30s`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        _ if seconds == 0 || time.subsec_nanos() > 0 => written(time),
        _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds >= 86_400 => format!("{}d{}", seconds / 86_400, span(Duration::from_secs(seconds % 86_400))),
        _ if seconds >= 3600 => format!("{}h{}", seconds / 3600, span(Duration::from_secs(seconds % 3600))),
        _ => written(time),
    }
}

fn at_most(inclusive: bool) -> &'static str {
    if inclusive { "less than" } else { "at most" }
}

pub(super) fn runs(count: u64) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}

/// `5 %`, `0.05 %`, `99.95 %`.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

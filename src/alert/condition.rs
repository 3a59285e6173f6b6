//! The condition of an alert: the key that says which it is, the keys that belong to it, and its words (`> 5%`,
//! `p95 > 2s`).

use std::time::Duration;

use super::rule::{Bound, Condition, Expiring};
use crate::base::duration;
use crate::config::{Field, Place, Section};

/// The keys of which an alert has one.
pub const CONDITIONS: [&str; 7] =
    ["error_rate", "latency", "consecutive_failures", "no_data", "drift", "expires", "burn_rate"];

/// Keys that belong to some conditions, each with these.
const BELONGING: &[(&str, &[&str])] = &[
    ("window", &["error_rate", "latency"]),
    ("min_samples", &["error_rate", "latency"]),
    ("resolve_at", &["error_rate", "latency"]),
    ("within", &["consecutive_failures"]),
    ("of", &["expires"]),
    ("period", &["burn_rate"]),
];

/// What `of` says.
const EXPIRING: &[(&str, Expiring)] =
    &[("certificate", Expiring::Certificate), ("token", Expiring::Token), ("any", Expiring::Any)];

/// Over which time an error budget counts, unless a file says otherwise.
const PERIOD: Duration = Duration::from_secs(30 * 24 * 3600);
/// A shorter one has no room for the windows over which its use is looked at.
const PERIOD_MIN: Duration = Duration::from_secs(24 * 3600);

/// The condition, and where its key stands; none where it cannot be read.
pub(super) fn read(section: &Section<'_>) -> Option<(Condition, Place)> {
    const HELP: &str = "write one of `error_rate = \"> 5%\"`, `latency = \"p95 > 2s\"`, `consecutive_failures = 3`, \
                        `no_data = \"10m\"`, `drift = true`, `expires = \"14d\"`, `burn_rate = \"99.9%\"`";
    let given: Vec<&'static str> = CONDITIONS.into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        [] => drop(section.wrong("", "this alert has no condition").help(HELP)),
        [_] => {}
        [_, second, ..] => {
            drop(section.wrong(second, "this alert has several conditions").help("an alert has one: write two alerts"));
        }
    }
    // All that are given are read, so that every mistake is told.
    let over = Over { window: time(section, "window"), min_samples: min_samples(section) };
    let within = time(section, "within");
    let what = section.one_of("of", EXPIRING);
    let period = section.field("period").and_then(period);
    let found = CONDITIONS.into_iter().filter_map(|key| {
        let field = section.field(key)?;
        let condition = match key {
            "error_rate" => error_rate(field, &over, section),
            "latency" => latency(field, &over, section),
            "consecutive_failures" => consecutive(field).map(|count| Condition::ConsecutiveFailures { count, within }),
            "no_data" => field.positive_duration().map(|after| Condition::NoData { after }),
            "drift" => drift(field),
            "expires" => {
                let what = what.unwrap_or(Expiring::Any);
                field.positive_duration().map(|left| Condition::Expiry { what, left })
            }
            _ => objective(field).map(|objective| Condition::BurnRate { objective, period: period.unwrap_or(PERIOD) }),
        };
        Some((condition?, field.place().clone()))
    });
    found.collect::<Vec<_>>().into_iter().next()
}

/// Keys that the condition needs, or has no use for.
pub(super) fn check_keys(section: &Section<'_>) {
    let given: Vec<&'static str> = CONDITIONS.into_iter().filter(|key| section.has(key)).collect();
    let &[condition] = given.as_slice() else { return };
    // Where the condition cannot be read, its key still says which of them it is.
    for (key, owners) in BELONGING {
        if section.has(key) && !owners.contains(&condition) {
            let (why, help) = useless(key, condition, owners);
            section.wrong(key, format!("`{key}` has no effect here: {why}")).help(help);
        }
    }
    if matches!(condition, "error_rate" | "latency") && !section.has("window") {
        section
            .wrong(condition, format!("`{condition}` needs a `window`"))
            .help("write `window = \"5m\"`: how far back it looks");
    }
}

/// Why a key has no effect beside a condition, and what to do.
fn useless(key: &str, condition: &str, owners: &[&str]) -> (String, &'static str) {
    let help = match (key, condition) {
        ("window", "consecutive_failures") => "the time for them is `within`",
        ("within", "error_rate" | "latency") => "the time that a rate looks back is `window`",
        ("window" | "within", "burn_rate") => "it looks at windows of its own; the budget is for `period`",
        ("window" | "within", "no_data") => "the time is that of `no_data` itself",
        _ => "leave it out",
    };
    let why = match (key, condition) {
        ("window", "consecutive_failures") => "failures in a row are counted, not shared out".to_owned(),
        ("min_samples", "consecutive_failures") => "as many samples are needed as failures".to_owned(),
        _ => {
            let owners: Vec<String> = owners.iter().map(|owner| format!("`{owner}`")).collect();
            format!("it goes with {}", owners.join(" and "))
        }
    };
    (why, help)
}

/// Over what a rate or a percentile is taken.
struct Over {
    window: Option<Duration>,
    min_samples: Option<u64>,
}

fn error_rate(field: Field<'_>, over: &Over, section: &Section<'_>) -> Option<Condition> {
    let bound = written(field, rate_words)?;
    let resolve = section.field("resolve_at").and_then(|field| {
        let share = field.percent()?;
        check_resolve(field, share < bound.value, share.total_cmp(&bound.value).is_eq() && !bound.inclusive)?;
        Some(share)
    });
    Some(Condition::ErrorRate { bound, window: over.window?, min_samples: over.min_samples, resolve })
}

fn latency(field: Field<'_>, over: &Over, section: &Section<'_>) -> Option<Condition> {
    let (percentile, bound) = written(field, latency_words)?;
    let resolve = section.field("resolve_at").and_then(|field| {
        let time = field.positive_duration()?;
        check_resolve(field, time < bound.value, time == bound.value && !bound.inclusive)?;
        Some(time)
    });
    Some(Condition::Latency { percentile, bound, window: over.window?, min_samples: over.min_samples, resolve })
}

/// What ends an alert must not fire it.
fn check_resolve(field: Field<'_>, is_below: bool, is_at_bound: bool) -> Option<()> {
    if is_below || is_at_bound {
        return Some(());
    }
    field
        .wrong("`resolve_at` is no less than what fires: the alert would end while it begins")
        .help("write less than the bound of the condition; without it, the alert ends as soon as it would not fire");
    None
}

fn drift(field: Field<'_>) -> Option<Condition> {
    if field.bool()? {
        return Some(Condition::Drift);
    }
    field.wrong("`drift = false` looks at nothing").help("write `drift = true`, or leave the alert out");
    None
}

/// The share that must be good.
fn objective(field: Field<'_>) -> Option<f64> {
    let objective = field.percent()?;
    if objective >= 1.0 {
        field
            .wrong("an objective of 100 % leaves no budget that could be used up")
            .help("write `burn_rate = \"99.9%\"`; for any failure at all, write `error_rate = \"> 0%\"`");
        return None;
    }
    if objective < 0.5 {
        let good = ((1.0 - objective) * 1e6).round() / 1e4;
        field
            .wrong("`burn_rate` is the objective: how much has to be good")
            .help(format!("write `burn_rate = \"{good}%\"`"));
        return None;
    }
    Some(objective)
}

fn period(field: Field<'_>) -> Option<Duration> {
    let period = field.duration()?;
    if period < PERIOD_MIN {
        field
            .wrong(format!("`period` is at least \"{}\"", duration::written(PERIOD_MIN)))
            .help("a budget is for days: `period = \"30d\"` is usual");
        return None;
    }
    Some(period)
}

fn written<T>(field: Field<'_>, parse: fn(&str) -> Result<T, Wrong>) -> Option<T> {
    match parse(&field.string()?) {
        Ok(read) => Some(read),
        Err((message, help)) => {
            field.wrong(message).help(help);
            None
        }
    }
}

fn consecutive(field: Field<'_>) -> Option<u64> {
    let count = field.count()?;
    if count == 0 {
        field.wrong("`consecutive_failures` must be at least 1");
        return None;
    }
    Some(count)
}

fn min_samples(section: &Section<'_>) -> Option<u64> {
    let field = section.field("min_samples")?;
    let count = field.count()?;
    if count == 0 {
        field.wrong("`min_samples` must be at least 1").help("without it, one failure alone never fires a rate");
        return None;
    }
    Some(count)
}

fn time(section: &Section<'_>, key: &'static str) -> Option<Duration> {
    section.field(key)?.positive_duration()
}

/// What is wrong with a condition, and what to write instead.
type Wrong = (String, String);

/// `> 5%`: the share between 0 and 1.
fn rate_words(text: &str) -> Result<Bound<f64>, Wrong> {
    const EXAMPLE: &str = "write `error_rate = \"> 5%\"`";
    let no = |why: &str| (format!("{text:?} is no error rate: {why}"), EXAMPLE.to_owned());
    let (inclusive, rest) = above(text).ok_or_else(|| {
        let bare = text.trim().trim_start_matches(['<', '=', ' ']);
        let help = if bare.ends_with('%') { format!("write `error_rate = \"> {bare}\"`") } else { EXAMPLE.to_owned() };
        (format!("{text:?} is no error rate: it begins with `>` or `>=`"), help)
    })?;
    let digits = rest.strip_suffix('%').map(str::trim).ok_or_else(|| match rest.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => {
            let help = format!("write `error_rate = \"> {}%\"`", share * 100.0);
            (format!("{text:?} is no error rate: it is written in percent"), help)
        }
        Ok(number) => {
            (format!("{text:?} is no error rate: the `%` is missing"), format!("write `error_rate = \"> {number}%\"`"))
        }
        Err(_) => no("the `%` is missing"),
    })?;
    let percent: f64 = digits.parse().map_err(|_| no(&format!("{digits:?} is no number")))?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(no("a share is between 0 % and 100 %"));
    }
    if percent >= 100.0 && !inclusive {
        return Err((
            "an error rate is never above 100 %: this can never fire".to_owned(),
            "write `error_rate = \">= 100%\"` for nothing but failures".to_owned(),
        ));
    }
    if percent <= 0.0 && inclusive {
        return Err((
            "an error rate is always 0 % or more: this would fire for ever".to_owned(),
            "write `error_rate = \"> 0%\"` for any failure".to_owned(),
        ));
    }
    Ok(Bound { value: percent / 100.0, inclusive })
}

/// `p95 > 2s`: the percentile between 0 and 100, and what it must exceed.
fn latency_words(text: &str) -> Result<(f64, Bound<Duration>), Wrong> {
    const EXAMPLE: &str = "write `latency = \"p95 > 2000ms\"`";
    let no = |why: &str| (format!("{text:?} is no condition of `latency`: {why}"), EXAMPLE.to_owned());
    let at = text.find('>').ok_or_else(|| no("it says a percentile, `>`, and a duration"))?;
    let (name, rest) = text.split_at(at);
    let (inclusive, bound) = above(rest).ok_or_else(|| no("it says a percentile, `>`, and a duration"))?;
    let name = name.trim();
    let digits =
        name.strip_prefix(['p', 'P']).ok_or_else(|| no(&format!("{name:?} is no percentile such as `p95`")))?;
    let percentile: f64 = digits.parse().map_err(|_| no(&format!("{name:?} is no percentile such as `p95`")))?;
    if !(percentile > 0.0 && percentile < 100.0) {
        return Err(no("a percentile is above 0 and below 100"));
    }
    let value = duration::parse(bound).map_err(|why| (format!("the bound of `latency`: {why}"), EXAMPLE.to_owned()))?;
    Ok((percentile, Bound { value, inclusive }))
}

/// What follows `>` or `>=`, and which of the two it was.
fn above(text: &str) -> Option<(bool, &str)> {
    let rest = text.trim().strip_prefix('>')?;
    Some(rest.strip_prefix('=').map_or((false, rest.trim()), |rest| (true, rest.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_written() {
        let rate = |value, inclusive| Ok(Bound { value, inclusive });
        assert_eq!(rate_words("> 5%"), rate(0.05, false));
        assert_eq!(rate_words(">=100 %"), rate(1.0, true));
        let bound = Bound { value: Duration::from_secs(2), inclusive: false };
        assert_eq!(latency_words("p95 > 2000ms"), Ok((95.0, bound)));
        assert_eq!(latency_words("p99.9>2s"), Ok((99.9, bound)));
    }

    #[test]
    fn what_is_no_condition_says_what_to_write() {
        for (text, help) in [
            ("5%", "\"> 5%\""),
            ("> 0.05", "\"> 5%\""),
            ("> 5", "\"> 5%\""),
            ("> x%", "\"> 5%\""),
            ("> 100%", "\">= 100%\""),
            (">= 0%", "\"> 0%\""),
            ("> 120%", "\"> 5%\""),
        ] {
            let (_, told) = rate_words(text).unwrap_err();
            assert!(told.contains(help), "{text}: {told}");
        }
        for (text, words) in [
            ("95 > 2s", "no percentile"),
            ("p95 > 2000", "no unit"),
            ("p95", "a percentile, `>`, and a duration"),
            ("p100 > 2s", "below 100"),
            ("p95 < 2s", "a percentile, `>`, and a duration"),
        ] {
            let (told, _) = latency_words(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}

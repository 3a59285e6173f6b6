//! The words of conditions: a share of failures (`> 5%`), a percentile of the latencies (`p95 > 2s`).

use std::time::Duration;

use super::rule::Bound;
use crate::base::duration;

/// What is wrong with a condition, and what to write instead.
pub(super) type Wrong = (String, String);

/// `> 5%`: the share between 0 and 1.
pub(super) fn error_rate(text: &str) -> Result<Bound<f64>, Wrong> {
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
pub(super) fn latency(text: &str) -> Result<(f64, Bound<Duration>), Wrong> {
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
        assert_eq!(error_rate("> 5%"), rate(0.05, false));
        assert_eq!(error_rate(">=100 %"), rate(1.0, true));
        let bound = Bound { value: Duration::from_secs(2), inclusive: false };
        assert_eq!(latency("p95 > 2000ms"), Ok((95.0, bound)));
        assert_eq!(latency("p99.9>2s"), Ok((99.9, bound)));
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
            let (_, told) = error_rate(text).unwrap_err();
            assert!(told.contains(help), "{text}: {told}");
        }
        for (text, words) in [
            ("95 > 2s", "no percentile"),
            ("p95 > 2000", "no unit"),
            ("p95", "a percentile, `>`, and a duration"),
            ("p100 > 2s", "below 100"),
            ("p95 < 2s", "a percentile, `>`, and a duration"),
        ] {
            let (told, _) = latency(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}

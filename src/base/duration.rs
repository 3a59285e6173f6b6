//! Durations and sizes as people write them: `250ms`, `1m30s`, `64KiB`. Parsing is strict so that `10` is an
//! error that names the missing unit instead of a guess.

use std::time::Duration;

/// Reads a duration such as `250ms`, `10s`, `1m30s`, `2h`, `30d`. A day is 24 hours, whatever a calendar says.
///
/// # Errors
/// A sentence that says what was expected, for the person who wrote the text.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let expected = || format!("expected a duration such as \"250ms\", \"10s\" or \"1m30s\", got {text:?}");
    if text.is_empty() {
        return Err(expected());
    }
    if text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(format!("{text:?} has no unit: write \"{text}s\" for seconds or \"{text}ms\" for milliseconds"));
    }
    if text.starts_with('-') {
        return Err(format!("a duration cannot be negative: {text:?}"));
    }
    let days = || {
        let span: jiff::Span = text.parse().ok()?;
        span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()
    };
    let signed = text.parse::<jiff::SignedDuration>().ok().or_else(days).ok_or_else(expected)?;
    Duration::try_from(signed).map_err(|_| expected())
}

/// Reads a size such as `512B`, `64KiB`, `16MiB`, `1MB`.
///
/// # Errors
/// A sentence that says what was expected, for the person who wrote the text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, u64)] = &[
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let text = text.trim();
    let expected = || format!("expected a size such as \"512B\", \"64KiB\" or \"16MiB\", got {text:?}");
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|rest| (rest.trim(), *factor)))
        .ok_or_else(expected)?;
    let count: u64 = digits.parse().map_err(|_| expected())?;
    count.checked_mul(factor).ok_or_else(expected)
}

/// Milliseconds with three decimals of precision, the unit of every machine output.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// A duration for a person: `87 µs`, `4.2 ms`, `312 ms`, `2.31 s`, `1m30s`.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.000_999_5 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 0.009_95 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 0.999_5 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 99.5 {
        format!("{seconds:.2} s")
    } else {
        let whole = duration.as_secs();
        format!("{}m{:02}s", whole / 60, whole % 60)
    }
}

/// The same with all its digits: `2.00 s (2001 ms)`.
#[must_use]
pub fn exactly(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let digits = format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000);
    format!("{} ({} ms)", human(duration), digits.trim_end_matches('0').trim_end_matches('.'))
}

/// A duration and the bound that it is on the wrong side of, for a person. Where both would read the same, all their digits.
#[must_use]
pub fn told_apart(found: Duration, bound: Duration) -> (String, String) {
    let show = if found != bound && human(found) == human(bound) { exactly } else { human };
    (show(found), show(bound))
}

/// A duration the way a probe file writes it: `10s`, `250ms`, `1m30s`, `2h`, `30d`. Reads back as the same value.
#[must_use]
pub fn written(duration: Duration) -> String {
    let ms = duration.as_millis();
    let (days, hours, minutes) = (ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60);
    let mut text = String::new();
    for (count, unit) in [(days, "d"), (hours, "h"), (minutes, "m"), (ms / 1_000 % 60, "s"), (ms % 1_000, "ms")] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A number of bytes for a person: `80 B`, `2.0 KiB`, `16 MiB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let scaled = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", scaled(1 << 10)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", scaled(1 << 20)),
        _ => format!("{:.1} GiB", scaled(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        let day = 86_400_000;
        let all = [
            ("250ms", 250),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1s 500ms", 1_500),
            ("30d", 30 * day),
            ("1 day", day),
            ("1d12h", day + day / 2),
            ("2 weeks", 14 * day),
            ("P1D", day),
        ];
        for (text, ms) in all {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "10", "1.5", "fast", "-3s", "10 parsecs", "-1d", "1mo", "1y"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("10").unwrap_err().contains("\"10s\""));
    }

    #[test]
    fn written_reads_back() {
        for ms in [0, 1, 250, 1_000, 61_001, 3_600_000, 5_400_000, 2_592_000_000, 90_061_001] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse(&written(duration)), Ok(duration));
        }
    }

    #[test]
    fn sizes_are_read_as_written() {
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("16 MiB"), Ok(16 << 20));
        assert_eq!(parse_size("1MB"), Ok(1_000_000));
        assert!(parse_size("64").is_err());
        assert!(parse_size("99999999999GiB").is_err());
    }

    #[test]
    fn what_differs_does_not_read_the_same() {
        let told = |found, bound| told_apart(Duration::from_micros(found), Duration::from_micros(bound));
        let words = |found: &str, bound: &str| (found.to_owned(), bound.to_owned());
        assert_eq!(told(2_010_000, 2_000_000), words("2.01 s", "2.00 s"));
        assert_eq!(told(2_000_000, 2_000_000), words("2.00 s", "2.00 s"));
        assert_eq!(told(2_001_000, 2_000_000), words("2.00 s (2001 ms)", "2.00 s (2000 ms)"));
        assert_eq!(told(99_960_007, 99_960_000), words("1m39s (99960.007 ms)", "1m39s (99960 ms)"));
    }

    #[test]
    fn people_read_two_or_three_digits() {
        assert_eq!(human(Duration::from_micros(87)), "87 µs");
        assert_eq!(human(Duration::from_micros(4_180)), "4.2 ms");
        assert_eq!(human(Duration::from_millis(312)), "312 ms");
        assert_eq!(human(Duration::from_millis(2_310)), "2.31 s");
        assert_eq!(human(Duration::from_micros(9_940)), "9.9 ms");
        assert_eq!(human(Duration::from_micros(9_960)), "10 ms");
        assert_eq!(human(Duration::from_secs(150)), "2m30s");
    }
}

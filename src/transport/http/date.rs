//! The server's clock, as its answers show it: one that is wrong refuses tokens that are good, or takes those that are not.

use jiff::Timestamp;

use crate::event::{Finding, Severity};
use crate::transport::Head;

/// More than this is no delay on the way and no rounding.
const SKEW_MAX_S: i64 = 60;

/// The finding about a clock that differs from ours. Which of the two is wrong cannot be seen from here. An answer out of a
/// cache tells how old it is.
pub(super) fn skew(head: &Head, now: Timestamp) -> Option<Finding> {
    let date = jiff::fmt::rfc2822::parse(head.header("date")?).ok()?.timestamp();
    let age: i64 = head.header("age").and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    let ahead = date.as_second().saturating_add(age).saturating_sub(now.as_second());
    let seconds = ahead.unsigned_abs();
    (ahead.abs() > SKEW_MAX_S).then(|| {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        let actual = format!("its clock is {seconds} s {way} ours, by the Date of its answer");
        Finding::new("http.clock_skew", Severity::Warning, format!("a clock within {SKEW_MAX_S} s of ours"), actual)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_beyond_a_minute() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let said = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            skew(&Head { status: 200, headers }, now).map(|finding| finding.actual)
        };
        for fine in ["Mon, 30 Nov 2026 12:01:00 GMT", "Mon, 30 Nov 2026 11:59:00 GMT", "yesterday", ""] {
            assert_eq!(said(&[("date", fine)]), None, "{fine}");
        }
        assert_eq!(said(&[]), None);
        let ahead = said(&[("date", "Mon, 30 Nov 2026 12:01:01 GMT")]).unwrap();
        assert_eq!(ahead, "its clock is 61 s ahead of ours, by the Date of its answer");
        assert!(said(&[("date", "Mon, 30 Nov 2026 11:00:00 GMT")]).unwrap().contains("3600 s behind"));
        assert_eq!(said(&[("date", "Mon, 30 Nov 2026 11:00:00 GMT"), ("age", "3600")]), None);
    }
}

//! A cron expression in a time zone, over the days on which clocks are put forward and back. What names its hours runs once
//! on each such day: at the end of the hour that was jumped over, and in the first of two that are the same. What runs in every
//! hour goes on in both of them: a watcher is not silent for an hour.

use croner::Cron;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// More slots than this in an hour that comes twice there are not.
const TRIES_MAX: usize = 4_000;

/// The next point after a moment; none where there is no more.
pub(super) fn next(schedule: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    if in_every_hour(schedule) {
        let found = schedule.find_next_occurrence(&after.to_zoned(zone.clone()), false).ok()?;
        return Some(found.timestamp());
    }
    let mut civil = zone.to_datetime(after);
    for _ in 0..TRIES_MAX {
        civil = schedule.find_next_occurrence(&civil, false).ok()?;
        // What was there already in the first of two equal hours, or at the end of a jump, is not there again.
        if let Some(instant) = instant(zone, civil).filter(|instant| *instant > after) {
            return Some(instant);
        }
    }
    None
}

/// Whether it picks no hours of the day.
pub(super) fn in_every_hour(schedule: &Cron) -> bool {
    (0..24).all(|hour| schedule.pattern.hour_match(hour).unwrap_or(false))
}

fn instant(zone: &TimeZone, civil: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().ok(),
        AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        // The moment at which the clock was put forward.
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next().map(|transition| transition.timestamp())
        }
    }
}

#[cfg(test)]
mod tests {
    use croner::parser::CronParser;

    use super::*;

    fn points(expression: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let schedule = CronParser::new().parse(expression).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let (mut at, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        let mut points = Vec::new();
        while let Some(point) = next(&schedule, &zone, at).filter(|point| *point <= to) {
            assert!(point > at);
            points.push(point.strftime("%dT%H:%M").to_string());
            at = point;
        }
        points
    }

    /// Clocks are put forward at 01:00 UTC (02:00 becomes 03:00) on 2026-03-29.
    #[test]
    fn an_hour_that_is_jumped_over() {
        let forward = |expression| points(expression, "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T03:00:00Z");
        assert_eq!(forward("30 2 * * *"), ["29T01:00", "30T00:30"]);
        assert_eq!(forward("*/20 2 * * *"), ["29T01:00", "30T00:00", "30T00:20", "30T00:40"]);
        assert_eq!(forward("0 2,3 * * *"), ["29T01:00", "30T00:00", "30T01:00"]);
        let hourly = points("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T03:00:00Z");
        assert_eq!(hourly, ["29T00:00", "29T01:00", "29T02:00", "29T03:00"]);
    }

    /// Clocks are put back at 01:00 UTC (03:00 becomes 02:00) on 2026-10-25.
    #[test]
    fn an_hour_that_comes_twice() {
        let back = |expression| points(expression, "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T23:00:00Z");
        assert_eq!(back("30 2 * * *"), ["25T00:30"]);
        assert_eq!(back("*/20 2 * * *"), ["25T00:00", "25T00:20", "25T00:40"]);
        assert_eq!(back("0 2,3 * * *"), ["25T00:00", "25T02:00"]);
        // From within the second of the two.
        let within = points("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T23:00:00Z");
        assert_eq!(within, ["26T01:30"]);
        let often = points("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:50:00Z", "2026-10-25T02:00:00Z");
        assert_eq!(often, ["25T00:00", "25T00:30", "25T01:00", "25T01:30", "25T02:00"]);
    }

    #[test]
    fn other_zones_and_days() {
        assert_eq!(points("0 9 * * MON-FRI", "UTC", "2026-01-16T10:00:00Z", "2026-01-20T00:00:00Z"), ["19T09:00"]);
        // Half an hour of difference, put back at 02:00 local.
        let lord_howe = points("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-05T20:00:00Z");
        assert_eq!(lord_howe, ["04T14:45", "05T15:15"]);
    }
}

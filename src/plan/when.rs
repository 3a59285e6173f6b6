//! When `watch` runs a probe: `every`, or `cron` with `timezone`. Compiled when the file is read.

use std::time::Duration;

use super::When;
use crate::base::duration;
use crate::config::{Field, Place, Section, cron};

/// More often than this is no watching but load.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// Rarer than this nobody would notice that it stopped.
const EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads the schedule and where it was written.
pub(super) fn parse(section: &Section<'_>) -> Option<(When, Place)> {
    let every = section.field("every").and_then(|field| Some((every(field)?, field.place().clone())));
    let calendar = section.field("cron").and_then(|field| Some((field.string()?, field)));
    let timezone = section.field("timezone").and_then(|field| Some((field.string()?, field)));
    if section.has("every") && section.has("cron") {
        section.wrong("cron", "a probe has `every` or `cron`, not both");
    }
    if section.has("timezone") && !section.has("cron") {
        section.wrong("timezone", "`timezone` goes with `cron`");
    }
    if let Some((zone, field)) = &timezone {
        let _ = cron::zone(zone, *field);
    }
    if let Some((expression, field)) = calendar {
        let schedule = Box::new(cron::compile(&expression, field)?);
        let timezone = timezone.map(|(zone, _)| zone);
        return Some((When::Cron { expression, timezone, schedule }, field.place().clone()));
    }
    every.map(|(every, place)| (When::Every(every), place))
}

fn every(field: Field<'_>) -> Option<Duration> {
    let every = field.positive_duration()?;
    if every < EVERY_MIN {
        field
            .wrong(format!("`every` is at least \"{}\"", duration::written(EVERY_MIN)))
            .help("many calls at once are load, not watching: see `mcp-probe METHOD TARGET -n 1000`");
        return None;
    }
    if every > EVERY_MAX {
        field.wrong("`every` is at most a year").help("for a time of the day or of the month, write `cron`");
        return None;
    }
    Some(every)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::text::tests::Given;
    use crate::config::{Reading, Source, tree};

    fn read(toml: &str) -> (Option<When>, Vec<String>) {
        let source = Source::new("a.toml", toml, ".");
        let (table, _) = tree::parse(&source);
        let given = Given::default();
        let reading = Reading::new(&given);
        let section = Section::new(&table, "a probe", &Place::new(&source, 0..0), &reading);
        let when = parse(&section).map(|(when, _)| when);
        (when, reading.into_diags().into_iter().map(|diag| diag.message).collect())
    }

    #[test]
    fn schedules_are_compiled() {
        for toml in [
            "cron = '*/5 * * * *'",
            "cron = '0 9 * * MON-FRI'\ntimezone = 'Europe/Berlin'",
            "cron = '@daily'",
            "cron = '0 0 29 2 *'",
        ] {
            let (when, diags) = read(toml);
            assert!(matches!(when, Some(When::Cron { .. })) && diags.is_empty(), "{toml}: {diags:?}");
        }
        assert_eq!(read("every = '15s'").0, Some(When::Every(Duration::from_secs(15))));
    }

    #[test]
    fn each_wrong_field_is_named() {
        for (toml, words) in [
            ("cron = '61 25 * * *'", &["`61` is no minute", "`25` is no hour"][..]),
            ("cron = '* * 0 13 8'", &["`0` is no day of month", "`13` is no month", "`8` is no day of week"]),
            ("cron = '0/15 * * * *'", &["`0/15` is no minute"]),
            ("cron = '* * * *'", &["is no cron expression"]),
            ("cron = '0 * * * * *'", &["is no cron expression"]),
            ("cron = '@dialy'", &["\"@dialy\" is no cron expression"]),
            ("cron = '0 0 30 2 *'", &["never happens"]),
            ("every = '1ms'", &["at least \"100ms\""]),
            ("every = '9000h'", &["at most a year"]),
        ] {
            let (when, diags) = read(toml);
            assert!(when.is_none(), "{toml}");
            assert_eq!(diags.len(), words.len(), "{toml}: {diags:?}");
            assert!(words.iter().zip(&diags).all(|(word, diag)| diag.contains(word)), "{toml}: {diags:?}");
        }
    }
}

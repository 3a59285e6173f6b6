//! When `watch` runs a probe: `every`, or `cron` with `timezone`. Compiled when the file is read; what is wrong with a
//! cron expression is said of its field.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::When;
use crate::base::duration;
use crate::config::{Diag, Field, Place, Section, suggest};

/// More often than this is no watching but load.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// Rarer than this nobody would notice that it stopped.
const EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// The fields of a cron expression, with what they hold.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31, or `L` for the last"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of week", "0 to 7 (0 and 7 are Sunday), or SUN to SAT"),
];

const NICKNAMES: [&str; 7] = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

/// Reads the schedule and where it was written.
pub(super) fn parse(section: &Section<'_>) -> Option<(When, Place)> {
    let every = section.field("every").and_then(|field| Some((every(field)?, field.place().clone())));
    let cron = section.field("cron").and_then(|field| Some((field.string()?, field)));
    let timezone = section.field("timezone").and_then(|field| Some((field.string()?, field)));
    if section.has("every") && section.has("cron") {
        section.wrong("cron", "a probe has `every` or `cron`, not both");
    }
    if section.has("timezone") && !section.has("cron") {
        section.wrong("timezone", "`timezone` goes with `cron`");
    }
    if let Some((zone, field)) = &timezone
        && jiff::tz::TimeZone::get(zone).is_err()
    {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let near = suggest::nearest(zone, names.iter().map(String::as_str));
        let help = near.map_or_else(
            || "write an IANA name such as \"Europe/Berlin\"".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        field.wrong(format!("`{zone}` is no time zone")).help(help);
    }
    if let Some((expression, field)) = cron {
        let schedule = Box::new(compile(&expression, field)?);
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

fn compile(expression: &str, field: Field<'_>) -> Option<Cron> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let words: Vec<&str> = expression.split_whitespace().collect();
    if let [nickname] = words.as_slice()
        && nickname.starts_with('@')
    {
        if !NICKNAMES.contains(&nickname.to_lowercase().as_str()) {
            let help = suggest::sentence(nickname, NICKNAMES);
            field.wrong(format!("{nickname:?} is no cron expression")).maybe_help(help);
            return None;
        }
    } else if words.len() != FIELDS.len() {
        let help = match words.len() {
            6 => "the first of six fields is seconds elsewhere: leave it out, or write `every = \"10s\"`",
            _ => "write five fields: minute, hour, day of month, month, day of week",
        };
        field.wrong(format!("{expression:?} is no cron expression")).help(help);
        return None;
    }
    match parser.parse(expression) {
        Ok(cron) => {
            // A day that no month has is found by looking for it; what day one looks from does not matter.
            let start = jiff::civil::date(2024, 1, 1).at(0, 0, 0, 0);
            if cron.find_next_occurrence(&start, true).is_err() {
                field.wrong(format!("{expression:?} never happens")).help("no such day is in such a month");
                return None;
            }
            Some(cron)
        }
        Err(error) => {
            let alone = |at: usize, word: &str| {
                let mut fields = ["*"; 5];
                fields[at] = word;
                parser.parse(&fields.join(" ")).is_err()
            };
            let mut told = false;
            let places = word_places(field.place(), words.len());
            for (at, word) in words.iter().enumerate().take(FIELDS.len()).filter(|(at, word)| alone(*at, word)) {
                let (name, range) = FIELDS[at];
                let help = step(word).unwrap_or_else(|| format!("possible are {range}; `*`, `a-b`, `a,b`, `*/n`"));
                let place = places.get(at).unwrap_or(field.place());
                let diag = Diag::error(place, format!("`{word}` is no {name} of a cron expression"));
                field.reading().report(diag.help(help));
                told = true;
            }
            if !told {
                field.wrong(format!("{expression:?} is no cron expression: {error}"));
            }
            None
        }
    }
}

/// Where each word of a string stands; nothing where the string is written with escapes.
fn word_places(place: &Place, count: usize) -> Vec<Place> {
    let text = place.text();
    let inside = text.trim_matches(['"', '\'']);
    let start = place.span.start + text.find(inside).unwrap_or_default();
    let of = |word: &str| {
        let at = start + (word.as_ptr() as usize - inside.as_ptr() as usize);
        Place::new(&place.source, at..at + word.len())
    };
    let places: Vec<Place> = inside.split_whitespace().map(of).collect();
    if places.len() == count { places } else { Vec::new() }
}

/// Steps from a single number, as some other programs take them.
fn step(word: &str) -> Option<String> {
    let (start, step) = word.split_once('/')?;
    let number = start.is_empty() || start.chars().all(|c| c.is_ascii_digit());
    (number && step.parse::<u8>().is_ok_and(|step| step > 0))
        .then(|| format!("write `*/{step}`, or a range: `a-b/{step}`"))
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

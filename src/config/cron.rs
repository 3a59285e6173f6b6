//! Cron expressions and time zones. Compiled when the file is read; what is wrong with an expression is said of its
//! field.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Diag, Field, Place, suggest};

/// The fields of a cron expression, with what they hold.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31, or `L` for the last"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of week", "0 to 7 (0 and 7 are Sunday), or SUN to SAT"),
];

const NICKNAMES: [&str; 7] = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

/// A time zone by its IANA name.
#[must_use]
pub fn zone(name: &str, field: Field<'_>) -> Option<TimeZone> {
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let near = suggest::nearest(name, names.iter().map(String::as_str));
    let help = near.map_or_else(
        || "write an IANA name such as \"Europe/Berlin\"".to_owned(),
        |near| format!("did you mean \"{near}\"?"),
    );
    field.wrong(format!("`{name}` is no time zone")).help(help);
    None
}

/// An expression of five fields, or a word such as `@daily`.
#[must_use]
pub fn compile(expression: &str, field: Field<'_>) -> Option<Cron> {
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

/// The least time between two beginnings.
#[must_use]
pub fn shortest_pause(calendar: &Cron, zone: &TimeZone) -> Option<Duration> {
    pauses(calendar, zone).into_iter().min()
}

/// The times between some beginnings that follow each other; a week of them says enough.
#[must_use]
pub fn pauses(calendar: &Cron, zone: &TimeZone) -> Vec<Duration> {
    const LOOKED_AT: usize = 50;
    // Which day one looks from hardly matters; a fixed one gives the same answer every time.
    let Ok(start) = jiff::civil::date(2024, 1, 1).at(0, 0, 0, 0).to_zoned(zone.clone()) else { return Vec::new() };
    let begins: Vec<Timestamp> =
        calendar.iter_from(start, croner::Direction::Forward).take(LOOKED_AT).map(|begin| begin.timestamp()).collect();
    let pause = |pair: &[Timestamp]| Duration::try_from(pair[1].duration_since(pair[0])).ok();
    begins.windows(2).filter_map(pause).filter(|pause| !pause.is_zero()).collect()
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

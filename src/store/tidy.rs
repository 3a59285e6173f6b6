//! Forgetting: runs after some days, their hours after some weeks, everything after the retention; and sooner where the
//! file grows beyond its size. It goes in small slices, so that an alert never waits for it. Messages that are not
//! delivered, snapshots and counters stay.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::books::{Books, bound, set_bound};
use super::rolling::{DAYS, HOURS, floor};
use super::rows::micros;
use super::times::{DAY, HOUR};

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Everything: days, alerts, deliveries.
    pub age: Duration,
    /// Roll-ups by the hour; at most `age`.
    pub hours: Duration,
    /// Runs one by one; at most `hours`. Those with a transcript stay as long as that.
    pub runs: Duration,
    /// Bytes of the file.
    pub size: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self::of(Duration::from_secs(90 * 86_400), 1 << 30)
    }
}

impl Retention {
    /// Of everything so long, and no more bytes than these: hours for 35 days, runs for 8.
    #[must_use]
    pub fn of(age: Duration, size: u64) -> Self {
        let days = |count: u64| Duration::from_secs(count * 86_400);
        Self { age, hours: age.min(days(35)), runs: age.min(days(8)), size }
    }
}

/// What a slice came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Rows that went.
    pub rows: u64,
    /// Bytes in use after it.
    pub size: u64,
    /// Whether there is more to do.
    pub more: bool,
}

/// Runs without a transcript.
const SILENT: (&str, &str, &str) = (
    "samples",
    "pair, at",
    " AND NOT EXISTS (SELECT 1 FROM transcripts t WHERE t.pair = samples.pair AND t.at = samples.at)",
);
/// Rows of one slice.
const SLICE: u64 = 10_000;
/// Targets that are rolled up in one slice.
const ROLLED_MAX: u32 = 100;
/// Pages that are given back to the disk in one slice.
const PAGES: u32 = 2_000;

/// One slice of work.
pub(super) fn slice(
    books: &mut Books,
    connection: &Connection,
    retention: &Retention,
    now: Timestamp,
) -> rusqlite::Result<Tidied> {
    let before = |age: Duration, unit: i64| floor(now.as_microsecond().saturating_sub(micros(age)), unit);
    let old = before(retention.age, DAY);
    let hours = before(retention.hours.min(retention.age), DAY).max(old).max(bound(connection, "hours_since")?);
    let runs = before(retention.runs, HOUR).max(hours).max(books.raw_since(connection)?);
    let mut left = SLICE;
    if !roll_up(books, connection, runs)? {
        return Ok(Tidied { rows: 0, size: size(connection)?, more: true });
    }
    books.set_raw_since(connection, runs)?;
    set_bound(connection, "hours_since", hours)?;
    for pair in numbers(connection, "SELECT id FROM pairs")? {
        take(connection, &mut left, &SILENT, pair, runs)?;
        take(connection, &mut left, &("samples", "pair, at", ""), pair, old)?;
        take(connection, &mut left, &("transcripts", "pair, at", ""), pair, old)?;
        for (span, since) in [(HOURS, hours), (DAYS, old)] {
            for table in ["rollups", "spreads"] {
                let of_span = format!(" AND span = {span}");
                take(connection, &mut left, &(table, "span, pair, at", &of_span), pair, since)?;
            }
        }
    }
    for target in numbers(connection, "SELECT id FROM targets")? {
        for (span, since) in [(HOURS, hours), (DAYS, old)] {
            take_of_target(connection, &mut left, target, span, since)?;
        }
    }
    for (table, column) in [("missed", "hour"), ("alert_changes", "at"), ("deliveries", "ended_at")] {
        let gone = connection.prepare_cached(&format!("DELETE FROM {table} WHERE {column} < ?1"))?.execute([old])?;
        left = left.saturating_sub(gone as u64);
    }
    let mut tidied = Tidied { rows: SLICE - left, size: size(connection)?, more: left == 0 };
    if !tidied.more && tidied.size > retention.size {
        tidied.more = shrink(books, connection, now)?;
    }
    Ok(tidied)
}

/// Gives free pages back to the disk; it stands outside any transaction.
pub(super) fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let free = pragma(connection, "freelist_count")?;
    if free == 0 {
        return Ok(false);
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(free > u64::from(PAGES))
}

/// What is to go must be rolled up before. Whether all of it is.
fn roll_up(books: &mut Books, connection: &Connection, until: i64) -> rusqlite::Result<bool> {
    let behind: Vec<i64> = connection
        .prepare_cached("SELECT id FROM targets WHERE rolled_until < ?1 LIMIT ?2")?
        .query_map([until, i64::from(ROLLED_MAX)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for target in &behind {
        books.roll(connection, *target, until)?;
    }
    Ok(behind.len() < ROLLED_MAX as usize)
}

/// The file is too large: an earlier end for the runs, then for the hours, then for the days. Whether there is anything
/// left that could go.
fn shrink(books: &mut Books, connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let earliest = |query: &str| connection.prepare_cached(query)?.query_row([], |row| row.get::<_, Option<i64>>(0));
    let present = floor(now.as_microsecond(), HOUR);
    // A tenth of what there is, in whole hours or days: large steps while there is much, small ones at the end.
    let later = |first: i64, unit: i64| floor(first, unit) + (((present - first) / 10) / unit).max(1) * unit;
    let first = earliest(
        "SELECT MIN(at) FROM (SELECT (SELECT MIN(at) FROM samples s WHERE s.pair = p.id AND s.at >=
           (SELECT COALESCE((SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'raw_since'), -9223372036854775807))) AS at
           FROM pairs p)",
    )?;
    if let Some(first) = first.filter(|first| later(*first, HOUR) <= present) {
        let until = later(first, HOUR);
        for target in numbers(connection, "SELECT id FROM targets")? {
            books.roll(connection, target, until)?;
        }
        books.set_raw_since(connection, until)?;
        return Ok(true);
    }
    for table in ["transcripts", "samples"] {
        let gone = connection.execute(&format!("DELETE FROM {table} WHERE at < ?1"), [present])?;
        if gone > 0 {
            return Ok(true);
        }
    }
    let of_span = |span: i64| {
        earliest(&format!(
            "SELECT MIN(at) FROM (SELECT (SELECT MIN(at) FROM rollups r WHERE r.span = {span} AND r.pair = p.id) AS at FROM pairs p)"
        ))
    };
    let today = floor(present, DAY);
    if let Some(first) = of_span(HOURS)?.filter(|first| later(*first, DAY) <= today) {
        set_bound(connection, "hours_since", later(first, DAY))?;
        return Ok(true);
    }
    if let Some(first) = of_span(DAYS)?.filter(|first| later(*first, DAY) <= today) {
        let until = later(first, DAY);
        for table in ["rollups", "spreads", "uptimes"] {
            connection.execute(&format!("DELETE FROM {table} WHERE span = {DAYS} AND at < ?1"), [until])?;
        }
        return Ok(true);
    }
    Ok(false)
}

/// Deletes of one probe what is older, as long as the slice allows: a table, its key, a condition.
fn take(
    connection: &Connection,
    left: &mut u64,
    (table, key, and): &(&str, &str, &str),
    pair: i64,
    before: i64,
) -> rusqlite::Result<()> {
    if *left == 0 {
        return Ok(());
    }
    let query = format!(
        "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE pair = ?1 AND at < ?2{and} LIMIT ?3)"
    );
    let limit = i64::try_from(*left).unwrap_or(i64::MAX);
    let gone = connection.prepare_cached(&query)?.execute([pair, before, limit])?;
    *left = left.saturating_sub(gone as u64);
    Ok(())
}

fn take_of_target(
    connection: &Connection,
    left: &mut u64,
    target: i64,
    span: i64,
    before: i64,
) -> rusqlite::Result<()> {
    if *left > 0 {
        let gone = connection
            .prepare_cached("DELETE FROM uptimes WHERE span = ?1 AND target = ?2 AND at < ?3")?
            .execute([span, target, before])?;
        *left = left.saturating_sub(gone as u64);
    }
    Ok(())
}

fn numbers(connection: &Connection, query: &str) -> rusqlite::Result<Vec<i64>> {
    connection.prepare_cached(query)?.query_map([], |row| row.get(0))?.collect()
}

/// Bytes in use.
pub(super) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let used = pragma(connection, "page_count")?.saturating_sub(pragma(connection, "freelist_count")?);
    Ok(used * pragma(connection, "page_size")?)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let count: i64 = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

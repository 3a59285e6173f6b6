//! Roll-ups: when an hour is over, its runs become one row per probe and one per target; when a day is over, its hours
//! do. A run that comes late makes its hour anew, in the transaction that writes it, so that rows and runs never differ.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::recent;
use super::rows::{each_latency, status};
use super::spread::Spread;
use super::times::{DAY, HOUR, Seen, Stretch, Times, stretches};
use crate::event::Status;

/// `span` of the rows of hours.
pub(super) const HOURS: i64 = 3_600;
/// `span` of the rows of days.
pub(super) const DAYS: i64 = 86_400;

/// How many runs ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) healthy: i64,
    pub(super) degraded: i64,
    pub(super) failed: i64,
    pub(super) unknown: i64,
}

impl Counts {
    pub(super) fn count(&mut self, status: Status) {
        match status {
            Status::Healthy => self.healthy += 1,
            Status::Degraded => self.degraded += 1,
            Status::Failed => self.failed += 1,
            Status::Unknown => self.unknown += 1,
            Status::Skipped => {}
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.healthy += other.healthy;
        self.degraded += other.degraded;
        self.failed += other.failed;
        self.unknown += other.unknown;
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The runs of a probe in a window, and the one before, which may reach into it.
pub(super) fn seen(connection: &Connection, pair: i64, from: i64, to: i64) -> rusqlite::Result<Vec<Seen>> {
    let read = |row: &rusqlite::Row<'_>| {
        let (at, stands): (i64, i64) = (row.get(0)?, row.get(2)?);
        Ok(Seen { at, until: at.saturating_add(stands.saturating_mul(1000)), status: status(row.get(1)?) })
    };
    let before = connection
        .prepare_cached(&format!("{} ORDER BY at DESC LIMIT 1", recent::runs("at, status, stands", "at < ?2")))?
        .query_row([pair, from], read)
        .optional()?;
    let mut runs: Vec<Seen> = before.into_iter().collect();
    let mut statement = connection
        .prepare_cached(&format!("{} ORDER BY at", recent::runs("at, status, stands", "at >= ?2 AND at < ?3")))?;
    for run in statement.query_map([pair, from, to], read)? {
        runs.push(run?);
    }
    Ok(runs)
}

/// Counts and latencies of the runs of a probe in a window.
pub(super) fn counted(connection: &Connection, pair: i64, from: i64, to: i64) -> rusqlite::Result<(Counts, Spread)> {
    let (mut counts, mut spread) = (Counts::default(), Spread::default());
    let mut statement = connection.prepare_cached(&recent::runs("status, latencies", "at >= ?2 AND at < ?3"))?;
    let mut rows = statement.query([pair, from, to])?;
    while let Some(row) = rows.next()? {
        counts.count(status(row.get(0)?));
        each_latency(row.get_ref(1)?.as_blob().unwrap_or_default(), |took| spread.add(took));
    }
    Ok((counts, spread))
}

/// The probes of a target.
pub(super) fn pairs_of(connection: &Connection, target: i64) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached("SELECT id FROM pairs WHERE target = ?1")?
        .query_map([target], |row| row.get(0))?
        .collect()
}

/// Makes the rows of one hour from its runs.
pub(super) fn roll_hour(connection: &Connection, target: i64, hour: i64) -> rusqlite::Result<()> {
    let mut all: Vec<Stretch> = Vec::new();
    for pair in pairs_of(connection, target)? {
        let (counts, spread) = counted(connection, pair, hour, hour + HOUR)?;
        let covered = stretches(&seen(connection, pair, hour, hour + HOUR)?, hour, hour + HOUR);
        let times = Times::of(&covered);
        write_pair(connection, (HOURS, pair, hour), &counts, &times, &spread)?;
        all.extend(covered);
    }
    write_target(connection, HOURS, target, hour, &Times::of(&all))
}

/// Makes the rows of one day from its hours.
pub(super) fn roll_day(connection: &Connection, target: i64, day: i64) -> rusqlite::Result<()> {
    for pair in pairs_of(connection, target)? {
        let (counts, times) = sum_pair(connection, HOURS, pair, day, day + DAY)?;
        let spread = sum_spread(connection, HOURS, pair, day, day + DAY)?;
        write_pair(connection, (DAYS, pair, day), &counts, &times, &spread)?;
    }
    let times = sum_target(connection, HOURS, target, day, day + DAY)?;
    write_target(connection, DAYS, target, day, &times)
}

/// Makes the rows of what is over: all hours from the one up to the other, and the days that end among them.
pub(super) fn advance(connection: &Connection, target: i64, from: i64, until: i64) -> rusqlite::Result<()> {
    let mut days = BTreeSet::from([floor(from, DAY)]);
    let mut hour = from;
    // A time in which nobody probed is passed at once, however long it was.
    while let Some(next) = next_covered(connection, target, hour)?.filter(|next| *next < until) {
        roll_hour(connection, target, next)?;
        days.insert(floor(next, DAY));
        hour = next + HOUR;
    }
    for day in days.into_iter().filter(|day| day + DAY <= until) {
        roll_day(connection, target, day)?;
    }
    connection.prepare_cached("UPDATE targets SET rolled_until = ?2 WHERE id = ?1")?.execute([target, until])?;
    Ok(())
}

/// Makes the rows anew of an hour to which a run was added later, and of its day.
pub(super) fn again(connection: &Connection, target: i64, hour: i64, rolled_until: i64) -> rusqlite::Result<()> {
    roll_hour(connection, target, hour)?;
    let day = floor(hour, DAY);
    if day + DAY <= rolled_until { roll_day(connection, target, day) } else { Ok(()) }
}

/// The first hour from this one on that a run touches.
fn next_covered(connection: &Connection, target: i64, hour: i64) -> rusqlite::Result<Option<i64>> {
    let mut first: Option<i64> = None;
    for pair in pairs_of(connection, target)? {
        let reaches: Option<i64> = connection
            .prepare_cached(&format!("{} ORDER BY at DESC LIMIT 1", recent::runs("at, stands", "at < ?2")))?
            .query_row([pair, hour], |row| Ok(row.get::<_, i64>(0)? + row.get::<_, i64>(1)? * 1000))
            .optional()?;
        if reaches.is_some_and(|until| until > hour) {
            return Ok(Some(hour));
        }
        let next: Option<i64> = connection
            .prepare_cached(&format!("{} ORDER BY at LIMIT 1", recent::runs("at", "at >= ?2")))?
            .query_row([pair, hour], |row| row.get(0))
            .optional()?;
        first = first.into_iter().chain(next).min();
    }
    Ok(first.map(|at| floor(at, HOUR)))
}

/// The start of the hour or day that holds a moment.
pub(super) fn floor(at: i64, unit: i64) -> i64 {
    at.div_euclid(unit) * unit
}

fn end(state: Option<bool>) -> i64 {
    match state {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    }
}

fn started(number: i64) -> Option<bool> {
    match number {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

fn write_pair(
    connection: &Connection,
    (span, pair, at): (i64, i64, i64),
    counts: &Counts,
    times: &Times,
    spread: &Spread,
) -> rusqlite::Result<()> {
    if counts.is_empty() && times.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO rollups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            span,
            pair,
            at,
            counts.healthy,
            counts.degraded,
            counts.failed,
            counts.unknown,
            times.up,
            times.degraded,
            times.down,
            times.unknown,
            times.streaks,
            end(times.first),
            end(times.last),
        ])?;
    if spread.count() > 0 {
        connection.prepare_cached("INSERT OR REPLACE INTO spreads VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            span,
            pair,
            at,
            spread.encoded()
        ])?;
    }
    Ok(())
}

fn write_target(connection: &Connection, span: i64, target: i64, at: i64, times: &Times) -> rusqlite::Result<()> {
    if times.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO uptimes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute(params![
            span,
            target,
            at,
            times.up,
            times.degraded,
            times.down,
            times.unknown,
            times.streaks,
            end(times.first),
            end(times.last),
        ])?;
    Ok(())
}

fn times_from(row: &rusqlite::Row<'_>, begin: usize) -> rusqlite::Result<Times> {
    Ok(Times {
        up: row.get(begin)?,
        degraded: row.get(begin + 1)?,
        down: row.get(begin + 2)?,
        unknown: row.get(begin + 3)?,
        streaks: row.get(begin + 4)?,
        first: started(row.get(begin + 5)?),
        last: started(row.get(begin + 6)?),
    })
}

/// The rows of a probe in a window, each handed over.
pub(super) fn each_pair_row(
    connection: &Connection,
    (span, pair): (i64, i64),
    from: i64,
    to: i64,
    mut tell: impl FnMut(i64, &Counts, &Times),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT at, healthy, degraded, failed, unknown, up, limping, down, dark, streaks, first, last FROM rollups
         WHERE span = ?1 AND pair = ?2 AND at >= ?3 AND at < ?4 ORDER BY at",
    )?;
    let mut rows = statement.query([span, pair, from, to])?;
    while let Some(row) = rows.next()? {
        let counts = Counts { healthy: row.get(1)?, degraded: row.get(2)?, failed: row.get(3)?, unknown: row.get(4)? };
        tell(row.get(0)?, &counts, &times_from(row, 5)?);
    }
    Ok(())
}

pub(super) fn sum_pair(
    connection: &Connection,
    span: i64,
    pair: i64,
    from: i64,
    to: i64,
) -> rusqlite::Result<(Counts, Times)> {
    let (mut counts, mut times) = (Counts::default(), Times::default());
    each_pair_row(connection, (span, pair), from, to, |_, more, later| {
        counts.add(more);
        times.append(later);
    })?;
    Ok((counts, times))
}

/// The latencies of a probe in a window, row by row.
pub(super) fn each_spread(
    connection: &Connection,
    (span, pair): (i64, i64),
    from: i64,
    to: i64,
    mut tell: impl FnMut(i64, &[u8]),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT at, counts FROM spreads WHERE span = ?1 AND pair = ?2 AND at >= ?3 AND at < ?4 ORDER BY at",
    )?;
    let mut rows = statement.query([span, pair, from, to])?;
    while let Some(row) = rows.next()? {
        tell(row.get(0)?, row.get_ref(1)?.as_blob().unwrap_or_default());
    }
    Ok(())
}

pub(super) fn sum_spread(
    connection: &Connection,
    span: i64,
    pair: i64,
    from: i64,
    to: i64,
) -> rusqlite::Result<Spread> {
    let mut spread = Spread::default();
    each_spread(connection, (span, pair), from, to, |_, bytes| spread.merge_encoded(bytes))?;
    Ok(spread)
}

pub(super) fn sum_target(
    connection: &Connection,
    span: i64,
    target: i64,
    from: i64,
    to: i64,
) -> rusqlite::Result<Times> {
    let mut times = Times::default();
    let mut statement = connection.prepare_cached(
        "SELECT up, limping, down, dark, streaks, first, last FROM uptimes
         WHERE span = ?1 AND target = ?2 AND at >= ?3 AND at < ?4 ORDER BY at",
    )?;
    let mut rows = statement.query([span, target, from, to])?;
    while let Some(row) = rows.next()? {
        times.append(&times_from(row, 0)?);
    }
    Ok(times)
}

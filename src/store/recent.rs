//! Runs in the order of their arrival: a run lies beside those of the pairs that are its neighbours, and when enough of
//! such a part have come together they move to `samples`, sorted. So a page there is written once for dozens of runs and
//! not for each of them. Whoever reads runs looks at both.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{CachedStatement, Connection, params};

use super::rows::{RUN, Run};

/// Pairs that are one part, as the layout of the file has it: with more, whoever looks for the runs of one passes more of
/// the others; with fewer, a batch touches more pages.
const PAIRS: i64 = 64;
/// Bytes of a part, roughly, from which on it moves: of short runs some thirty for each of its pairs.
const FULL: usize = 128 << 10;
/// What a run takes, roughly, beside its message and its latencies.
const RUN_BYTES: usize = 64;

/// What the writer knows of the runs that have not moved yet.
#[derive(Default)]
pub(super) struct Recent {
    parts: HashMap<i64, Part>,
}

struct Part {
    bytes: usize,
    /// No run of its pairs in `samples` is later: only a run up to here can be of a moment that is taken there.
    settled_until: i64,
}

impl Recent {
    /// Writes runs in the order of their places. One of a moment that is taken moves on to the next free microsecond.
    pub(super) fn write(&mut self, connection: &Connection, runs: &mut [Run<'_>]) -> rusqlite::Result<()> {
        // The first of a moment stays the first.
        runs.sort_by_key(|run| (part_of(run.pair), run.at, run.pair));
        let mut insert = connection.prepare_cached(&format!(
            "INSERT INTO recent (part, {RUN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT DO NOTHING"
        ))?;
        for run in runs {
            let number = part_of(run.pair);
            let part = self.part(connection, number)?;
            while run.at <= part.settled_until && is_settled(connection, run)? || !put(&mut insert, number, run)? {
                run.at += 1;
            }
            part.bytes += RUN_BYTES + run.latencies.len() + run.message.as_ref().map_or(0, |message| message.len());
        }
        Ok(())
    }

    /// The part that needs most to move, if one does.
    pub(super) fn full(&self) -> Option<i64> {
        let full = self.parts.iter().filter(|(_, part)| part.bytes >= FULL);
        full.max_by_key(|(_, part)| part.bytes).map(|(number, _)| *number)
    }

    /// Moves a part to `samples`.
    pub(super) fn settle(&mut self, connection: &Connection, number: i64) -> rusqlite::Result<()> {
        let last: Option<i64> = connection
            .prepare_cached("SELECT MAX(at) FROM recent WHERE part = ?1")?
            .query_row([number], |row| row.get(0))?;
        connection
            .prepare_cached(&format!(
                "INSERT INTO samples ({RUN}) SELECT {RUN} FROM recent WHERE part = ?1 ORDER BY pair, at
                 ON CONFLICT DO NOTHING"
            ))?
            .execute([number])?;
        connection.prepare_cached("DELETE FROM recent WHERE part = ?1")?.execute([number])?;
        if let Some(part) = self.parts.get_mut(&number) {
            part.bytes = 0;
            part.settled_until = part.settled_until.max(last.unwrap_or(i64::MIN));
        }
        Ok(())
    }

    /// After a move that failed.
    pub(super) fn forget(&mut self, number: i64) {
        self.parts.remove(&number);
    }

    fn part(&mut self, connection: &Connection, number: i64) -> rusqlite::Result<&mut Part> {
        match self.parts.entry(number) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => Ok(unknown.insert(looked_up(connection, number)?)),
        }
    }
}

/// Every part there can be.
pub(super) fn parts(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(&format!("SELECT DISTINCT id / {PAIRS} FROM pairs"))?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// A query for columns of the runs of one pair, ?1, that meet a condition, wherever they lie. It can be ordered by them.
pub(super) fn runs(columns: &str, condition: &str) -> String {
    both("samples", columns, condition)
}

/// The same of runs that were not healthy.
pub(super) fn troubles(columns: &str, condition: &str) -> String {
    both("samples INDEXED BY troubles", columns, &format!("status > 1 AND {condition}"))
}

/// Makes another of a run, wherever it lies.
pub(super) fn change(
    connection: &Connection,
    pair: i64,
    at: i64,
    status: i64,
    latencies: &[u8],
    message: &str,
) -> rusqlite::Result<()> {
    let in_part = format!("part = ?1 / {PAIRS} AND ");
    for (table, part) in [("samples", ""), ("recent", &*in_part)] {
        connection
            .prepare_cached(&format!(
                "UPDATE {table} SET status = ?3, latencies = ?4, message = ?5 WHERE {part}pair = ?1 AND at = ?2"
            ))?
            .execute(params![pair, at, status, latencies, message])?;
    }
    Ok(())
}

fn both(samples: &str, columns: &str, condition: &str) -> String {
    format!(
        "SELECT {columns} FROM {samples} WHERE pair = ?1 AND {condition}
         UNION ALL SELECT {columns} FROM recent WHERE part = ?1 / {PAIRS} AND pair = ?1 AND {condition}"
    )
}

fn part_of(pair: i64) -> i64 {
    pair / PAIRS
}

fn looked_up(connection: &Connection, number: i64) -> rusqlite::Result<Part> {
    let (runs, rest): (i64, i64) = connection
        .prepare_cached(
            "SELECT COUNT(*), COALESCE(SUM(LENGTH(latencies) + COALESCE(LENGTH(CAST(message AS BLOB)), 0)), 0) FROM recent
             WHERE part = ?1",
        )?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let settled_until: Option<i64> = connection
        .prepare_cached(
            "SELECT MAX((SELECT MAX(at) FROM samples WHERE pair = p.id)) FROM pairs p WHERE p.id >= ?1 AND p.id < ?2",
        )?
        .query_row([number * PAIRS, (number + 1) * PAIRS], |row| row.get(0))?;
    let count = |number: i64| usize::try_from(number).unwrap_or(0);
    Ok(Part { bytes: count(runs) * RUN_BYTES + count(rest), settled_until: settled_until.unwrap_or(i64::MIN) })
}

fn is_settled(connection: &Connection, run: &Run<'_>) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM samples WHERE pair = ?1 AND at = ?2")?.exists([run.pair, run.at])
}

/// Whether the moment was free.
fn put(insert: &mut CachedStatement<'_>, part: i64, run: &Run<'_>) -> rusqlite::Result<bool> {
    let written = insert.execute(params![
        part,
        run.pair,
        run.at,
        run.status,
        run.stands_ms,
        run.duration,
        run.latencies,
        run.identity,
        run.reason,
        run.message,
        run.certificate_ends_s,
        run.token_ends_s,
        run.cpu,
        run.resident_bytes,
    ])?;
    Ok(written == 1)
}

#[cfg(test)]
mod tests;

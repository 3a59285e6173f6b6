//! Windows of time cut into parts: which target with which probes, which part is read from runs, hours or days, and
//! which stretch of a drawing a moment falls into.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::books::bound;
use super::recent;
use super::rolling::{self, DAYS, HOURS, floor};
use super::rows::{status, timestamp};
use super::times::{DAY, HOUR};
use crate::event::Status;

/// Where a part of a window is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Runs,
    Hours,
    Days,
}

/// A target with its probes, as far as they were asked for.
pub(super) struct Scope {
    pub(super) target: i64,
    pub(super) rolled_until: i64,
    pub(super) pairs: Vec<i64>,
    /// Whether only some of its probes were asked for.
    pub(super) is_part: bool,
}

impl Source {
    pub(super) fn span(self) -> i64 {
        if self == Self::Days { DAYS } else { HOURS }
    }
}

/// Equal stretches of a window.
pub(super) struct Slots {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) width: i64,
    n: usize,
}

impl Slots {
    pub(super) fn new(n: usize, from: Timestamp, to: Timestamp) -> Self {
        let (from, to) = (from.as_microsecond(), to.as_microsecond());
        let width = (to - from) / i64::try_from(n.max(1)).unwrap_or(i64::MAX);
        Self { from, to, width: width.max(1), n }
    }

    pub(super) fn starts(&self) -> impl Iterator<Item = Timestamp> {
        (0..self.n).map(|slot| timestamp(self.from + self.width * i64::try_from(slot).unwrap_or(0)))
    }

    pub(super) fn of(&self, at: i64) -> Option<usize> {
        if at < self.from || at >= self.to {
            return None;
        }
        let slot = usize::try_from((at - self.from) / self.width).ok()?;
        Some(slot.min(self.n.saturating_sub(1)))
    }
}

/// The numbers of the pairs that are meant.
pub(super) fn pairs(connection: &Connection, probe: Option<&str>, target: Option<&str>) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT p.id FROM pairs p JOIN targets t ON t.id = p.target
             WHERE (?1 IS NULL OR p.probe = ?1) AND (?2 IS NULL OR t.name = ?2) ORDER BY p.id",
        )?
        .query_map(params![probe, target], |row| row.get(0))?
        .collect()
}

/// A target with the probes that are meant; none where nobody has seen it.
pub(super) fn scope(connection: &Connection, target: &str, probe: Option<&str>) -> rusqlite::Result<Option<Scope>> {
    let found = connection
        .prepare_cached("SELECT id, rolled_until FROM targets WHERE name = ?1")?
        .query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((target, rolled_until)) = found else { return Ok(None) };
    let all = rolling::pairs_of(connection, target)?;
    let pairs = match probe {
        None => all.clone(),
        Some(probe) => connection
            .prepare_cached("SELECT id FROM pairs WHERE target = ?1 AND probe = ?2")?
            .query_map(params![target, probe], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
    };
    Ok(Some(Scope { target, rolled_until, is_part: pairs.len() < all.len(), pairs }))
}

/// Cuts a window into parts that are read from one source each. Nothing coarser than `width` is read, where there is a
/// choice.
pub(super) fn parts(
    connection: &Connection,
    scope: &Scope,
    from: i64,
    to: i64,
    width: i64,
) -> rusqlite::Result<Vec<(Source, i64, i64)>> {
    let (runs_since, hours_since) = (bound(connection, "raw_since")?, bound(connection, "hours_since")?);
    let (hours_until, days_until) = (scope.rolled_until, floor(scope.rolled_until, DAY));
    let mut parts: Vec<(Source, i64, i64)> = Vec::new();
    let mut at = from;
    while at < to {
        let whole = |unit: i64| floor(at, unit) == at && at + unit <= to;
        let days_do = whole(DAY) && at + DAY <= days_until && (width >= DAY || at < hours_since);
        let hours_do = whole(HOUR) && at + HOUR <= hours_until && (width >= HOUR || at < runs_since);
        let (source, until) = if at >= hours_until {
            (Source::Runs, to)
        } else if days_do {
            (Source::Days, at + DAY)
        } else if hours_do {
            (Source::Hours, at + HOUR)
        } else {
            (Source::Runs, (floor(at, HOUR) + HOUR).min(to))
        };
        match parts.last_mut() {
            Some((last, _, end)) if *last == source => *end = until,
            _ => parts.push((source, at, until)),
        }
        at = until;
    }
    Ok(parts)
}

/// Each run of a probe in a window: when, how it ended, its latencies.
pub(super) fn each_run(
    connection: &Connection,
    pair: i64,
    from: i64,
    to: i64,
    mut tell: impl FnMut(i64, Status, &[u8]),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&recent::runs("at, status, latencies", "at >= ?2 AND at < ?3"))?;
    let mut rows = statement.query([pair, from, to])?;
    while let Some(row) = rows.next()? {
        tell(row.get(0)?, status(row.get(1)?), row.get_ref(2)?.as_blob().unwrap_or_default());
    }
    Ok(())
}

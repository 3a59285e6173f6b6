//! What the writer knows of the file without reading it again: the numbers of pairs and words, how often a probe runs, up
//! to where its target is rolled up. With it entries become rows.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::explained::Failures;
use super::recent::Recent;
use super::rolling::{advance, again, floor};
use super::rows::{Identified, Run, Words};
use super::times::HOUR;
use crate::base::by_pair::ByPair;
use crate::event::{Missed, Reason, Sample};

/// An hour is rolled up when a run has begun so long after its end.
const ROLL_GRACE: i64 = 60_000_000;
/// What a probe's result stands for where nobody said how often it runs, and nothing can be seen yet.
const STANDS_UNKNOWN_MS: i64 = 60_000;
/// No result stands longer.
const STANDS_MAX_MS: i64 = 48 * 3_600_000;
/// Transcripts that are kept of one probe on one target.
const TRANSCRIPTS_MAX: i64 = 50;
/// Bytes of one transcript.
const TRANSCRIPT_BYTES_MAX: usize = 64 << 10;

/// What is written in batches.
pub(super) enum Entry {
    Sample(Arc<Sample>, Option<String>),
    Missed {
        probe: String,
        target: String,
        reason: Missed,
        at: Timestamp,
        count: u64,
    },
    /// What failed between two times, for these reasons or for any, says nothing of the target.
    Explained {
        probe: String,
        target: String,
        between: (Timestamp, Timestamp),
        reasons: &'static [Reason],
        words: String,
    },
}

struct Pair {
    id: i64,
    target: i64,
    /// As it was told, in milliseconds; 0 where nobody did.
    every: i64,
    last_at: Option<i64>,
    /// The last distances between runs, in milliseconds.
    gaps: VecDeque<i64>,
    identified: Identified,
}

impl Pair {
    /// For how long a result may stand, in milliseconds: the interval and a tenth.
    fn stands(&mut self, at: i64) -> i64 {
        if let Some(gap) = self.last_at.map(|last| (at - last) / 1000).filter(|gap| *gap > 0) {
            self.gaps.push_back(gap);
            if self.gaps.len() > 9 {
                self.gaps.pop_front();
            }
        }
        self.last_at = Some(at);
        let every = if self.every > 0 {
            self.every
        } else {
            let mut sorted: Vec<i64> = self.gaps.iter().copied().collect();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied().unwrap_or(STANDS_UNKNOWN_MS)
        };
        every.saturating_add(every / 10).min(STANDS_MAX_MS)
    }
}

/// A run of which hours are made anew, where they were made already.
struct Touched {
    target: i64,
    at: i64,
    stands_ms: i64,
}

/// What the writer knows of the file without reading it again.
#[derive(Default)]
pub(super) struct Books {
    words: Words,
    pairs: ByPair<Pair>,
    pub(super) recent: Recent,
    /// Up to where each target is rolled up.
    rolled: HashMap<i64, i64>,
    /// Before this there are no runs any more, only roll-ups.
    raw_since: Option<i64>,
}

impl Books {
    /// After a transaction that failed: numbers may be of rows that are not there. The distances between runs are lost
    /// with them, and soon known again.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn write(&mut self, connection: &Connection, entries: &VecDeque<Entry>) -> rusqlite::Result<()> {
        let mut runs = Vec::with_capacity(entries.len());
        let mut explained = Vec::new();
        for entry in entries {
            match entry {
                Entry::Sample(sample, transcript) => {
                    let at = sample.at.as_microsecond();
                    let names = (&*sample.probe, &*sample.target);
                    let pair = pair(&mut self.pairs, connection, &mut self.rolled, names, at)?;
                    let of = (pair.id, pair.target, pair.stands(at));
                    let said = (&**sample, transcript.as_deref());
                    runs.push(Run::of(said, of, &mut pair.identified, &mut self.words, connection)?);
                }
                Entry::Missed { probe, target, reason, at, count } => {
                    let at = at.as_microsecond();
                    let pair = pair(&mut self.pairs, connection, &mut self.rolled, (probe, target), at)?.id;
                    connection
                        .prepare_cached(
                            "INSERT INTO missed VALUES (?1, ?2, ?3, ?4)
                             ON CONFLICT DO UPDATE SET count = count + excluded.count",
                        )?
                        .execute(params![
                            pair,
                            floor(at, HOUR),
                            reason.name(),
                            i64::try_from(*count).unwrap_or(i64::MAX)
                        ])?;
                }
                Entry::Explained { probe, target, between: (from, until), reasons, words } => {
                    let (from, until) = (from.as_microsecond(), until.as_microsecond());
                    let pair = pair(&mut self.pairs, connection, &mut self.rolled, (probe, target), from)?;
                    explained.push((pair.id, pair.target, Failures { from, until, reasons, words }));
                }
            }
        }
        self.recent.write(connection, &mut runs)?;
        for run in &runs {
            if let Some(lines) = run.transcript {
                write_transcript(connection, run.pair, run.at, lines)?;
            }
        }
        let mut touched: Vec<Touched> =
            runs.iter().map(|run| Touched { target: run.target, at: run.at, stands_ms: run.stands_ms }).collect();
        for (pair, target, failures) in explained {
            let changed = failures.explain(connection, &mut self.words, pair)?;
            touched.extend(changed.into_iter().map(|(at, stands_ms)| Touched { target, at, stands_ms }));
        }
        self.roll_up(connection, &touched)
    }

    /// What is over by now, and anew what a run belongs to that came late or became another.
    fn roll_up(&mut self, connection: &Connection, runs: &[Touched]) -> rusqlite::Result<()> {
        let (mut late, mut reached) = (BTreeSet::new(), HashMap::<i64, i64>::new());
        for run in runs {
            let known = self.rolled.get(&run.target).copied();
            let rolled = known.unwrap_or(run.at);
            let mut hour = floor(run.at, HOUR);
            while hour < rolled && hour < run.at + run.stands_ms * 1000 {
                late.insert((run.target, hour));
                hour += HOUR;
            }
            // Once an hour there is something to roll up.
            if known.is_none_or(|rolled| rolled < floor(run.at - ROLL_GRACE, HOUR)) {
                let reached = reached.entry(run.target).or_insert(run.at);
                *reached = run.at.max(*reached);
            }
        }
        let raw_since = self.raw_since(connection)?;
        for (target, hour) in late.into_iter().filter(|(_, hour)| *hour >= raw_since) {
            again(connection, target, hour, self.rolled.get(&target).copied().unwrap_or(hour))?;
        }
        for (target, at) in reached {
            let until = floor(at - ROLL_GRACE, HOUR);
            let rolled = self.rolled.entry(target).or_insert(until);
            if *rolled < until {
                advance(connection, target, *rolled, until)?;
                *rolled = until;
            }
        }
        Ok(())
    }

    /// How often a probe runs, where that is known; none where it follows a calendar.
    pub(super) fn expect(
        &mut self,
        connection: &Connection,
        (probe, target): (&str, &str),
        every: Option<Duration>,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let every = every.map_or(0, |every| i64::try_from(every.as_millis()).unwrap_or(STANDS_MAX_MS));
        let at = at.as_microsecond();
        let pair = pair(&mut self.pairs, connection, &mut self.rolled, (probe, target), at)?;
        pair.every = every;
        connection.prepare_cached("UPDATE pairs SET every = ?2 WHERE id = ?1")?.execute([pair.id, every])?;
        Ok(())
    }

    pub(super) fn raw_since(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        if let Some(since) = self.raw_since {
            return Ok(since);
        }
        let since = bound(connection, "raw_since")?;
        self.raw_since = Some(since);
        Ok(since)
    }

    /// Rolls a target up to a moment, where it is not yet.
    pub(super) fn roll(&mut self, connection: &Connection, target: i64, until: i64) -> rusqlite::Result<()> {
        let rolled: i64 = connection
            .prepare_cached("SELECT rolled_until FROM targets WHERE id = ?1")?
            .query_row([target], |row| row.get(0))?;
        if rolled < until {
            advance(connection, target, rolled, until)?;
            self.rolled.insert(target, until);
        }
        Ok(())
    }

    pub(super) fn set_raw_since(&mut self, connection: &Connection, since: i64) -> rusqlite::Result<()> {
        set_bound(connection, "raw_since", since)?;
        self.raw_since = Some(since);
        Ok(())
    }
}

/// A probe on a target, which gets a number where it has none.
fn pair<'a>(
    pairs: &'a mut ByPair<Pair>,
    connection: &Connection,
    rolled: &mut HashMap<i64, i64>,
    (probe, target): (&str, &str),
    at: i64,
) -> rusqlite::Result<&'a mut Pair> {
    if pairs.get(probe, target).is_none() {
        pairs.insert(probe, target, numbered(rolled, connection, (probe, target), at)?);
    }
    pairs.get_mut(probe, target).ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// A pair as the file has it, which gets a number where it has none.
fn numbered(
    rolled: &mut HashMap<i64, i64>,
    connection: &Connection,
    (probe, target): (&str, &str),
    at: i64,
) -> rusqlite::Result<Pair> {
    let have = connection
        .prepare_cached("SELECT id, rolled_until FROM targets WHERE name = ?1")?
        .query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (number, rolled_until) = if let Some(have) = have {
        have
    } else {
        let hour = floor(at, HOUR);
        connection
            .prepare_cached("INSERT INTO targets (name, rolled_until) VALUES (?1, ?2)")?
            .execute(params![target, hour])?;
        (connection.last_insert_rowid(), hour)
    };
    rolled.entry(number).or_insert(rolled_until);
    connection
        .prepare_cached("INSERT INTO pairs (target, probe, every) VALUES (?1, ?2, 0) ON CONFLICT DO NOTHING")?
        .execute(params![number, probe])?;
    let (id, every) = connection
        .prepare_cached("SELECT id, every FROM pairs WHERE target = ?1 AND probe = ?2")?
        .query_row(params![number, probe], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Pair { id, target: number, every, last_at: None, gaps: VecDeque::new(), identified: Identified::default() })
}

/// A moment that the file keeps: before it something is no longer there.
pub(super) fn bound(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let text: Option<String> = connection
        .prepare_cached("SELECT value FROM facts WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(i64::MIN))
}

pub(super) fn set_bound(connection: &Connection, name: &str, at: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO facts VALUES (?1, ?2)")?
        .execute(params![name, at.to_string()])?;
    Ok(())
}

/// Keeps what was said, whole lines of it, and of each probe the newest.
fn write_transcript(connection: &Connection, pair: i64, at: i64, lines: &str) -> rusqlite::Result<()> {
    let mut kept = lines;
    if kept.len() > TRANSCRIPT_BYTES_MAX {
        let end = kept.as_bytes()[..TRANSCRIPT_BYTES_MAX].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        kept = &kept[..end];
    }
    if kept.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO transcripts VALUES (?1, ?2, ?3)")?
        .execute(params![pair, at, kept])?;
    connection
        .prepare_cached(
            "DELETE FROM transcripts WHERE pair = ?1 AND at <
               (SELECT at FROM transcripts WHERE pair = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute([pair, TRANSCRIPTS_MAX - 1])?;
    Ok(())
}

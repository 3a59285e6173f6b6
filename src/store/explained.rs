//! Runs that failed and, as was found later, say nothing of their target: they become unknown where they are kept.

use rusqlite::{Connection, params};

use super::recent;
use super::rows::{Words, status_number, without_limits};
use crate::event::{Reason, Status};

/// Failures of a probe on a target between two times, both included.
pub(super) struct Failures<'a> {
    pub(super) from: i64,
    pub(super) until: i64,
    /// Those that are meant; any, where there are none.
    pub(super) reasons: &'a [Reason],
    /// What is said before what was seen.
    pub(super) words: &'a str,
}

impl Failures<'_> {
    /// Makes them unknown, and gives when each was due and how long, in milliseconds, it stands.
    pub(super) fn explain(
        &self,
        connection: &Connection,
        words: &mut Words,
        pair: i64,
    ) -> rusqlite::Result<Vec<(i64, i64)>> {
        let meant = self.reasons.iter().map(|reason| words.number(connection, reason.code()));
        let meant: Vec<i64> = meant.collect::<rusqlite::Result<_>>()?;
        let columns = "at, stands, reason, latencies, message";
        let mut statement =
            connection.prepare_cached(&recent::troubles(columns, "status = ?4 AND at BETWEEN ?2 AND ?3"))?;
        let mut rows = statement.query(params![pair, self.from, self.until, status_number(Status::Failed)])?;
        let mut changed = Vec::new();
        while let Some(row) = rows.next()? {
            let reason: Option<i64> = row.get(2)?;
            if meant.is_empty() || reason.is_some_and(|reason| meant.contains(&reason)) {
                changed.push((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(3)?, row.get::<_, Option<String>>(4)?));
            }
        }
        drop(rows);
        for (at, _, latencies, message) in &changed {
            let seen = message.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
            // A limit that was reached for that is no latency.
            let (latencies, message) = (without_limits(latencies), format!("{}{seen}", self.words));
            recent::change(connection, pair, *at, status_number(Status::Unknown), &latencies, &message)?;
        }
        Ok(changed.into_iter().map(|(at, stands, ..)| (at, stands)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::store::tests::{at, place, sample, wait};
    use crate::store::{Reader, Store};

    #[test]
    fn what_is_meant_becomes_unknown_wherever_it_lies_and_nothing_else_does() {
        let place = place();
        let store = Store::open(&place.path).unwrap();
        let reader = Reader::open(&place.path).unwrap();
        let of = |target: &str, second: i64, reason: Option<Reason>| {
            let status = if reason.is_some() { Status::Failed } else { Status::Healthy };
            let mut sample = sample("p", target, at(second), status);
            (sample.reason, sample.message) = (reason, reason.map(|_| "refused\nstderr".to_owned()));
            sample
        };
        wait(async {
            for (target, second, reason) in [
                ("t", 0, Some(Reason::Connect)),
                ("t", 10, Some(Reason::Connect)),
                ("t", 20, Some(Reason::Check)),
                ("t", 30, None),
                ("other", 10, Some(Reason::Connect)),
            ] {
                store.record(of(target, second, reason), Some("said".into())).await.unwrap();
            }
            // The first two lie sorted, the rest as they came.
            store.ask(|desk| desk.settle_part(0)).await.unwrap();
            store.record(of("t", 40, Some(Reason::Timeout)), None).await.unwrap();
            store.record(of("t", 50, Some(Reason::Timeout)), None).await.unwrap();
            // In one batch with the runs that it is about.
            let reasons = &[Reason::Connect, Reason::Timeout];
            store.explain("p", "t", (at(10), at(40)), reasons, "nobody knows, seen: ".into()).await.unwrap();
            store.explain("p", "t", (at(10), at(40)), reasons, "once more, seen: ".into()).await.unwrap();
            store.explain("nobody", "t", (at(0), at(90)), &[], String::new()).await.unwrap();
            store.flush().await.unwrap();
        });
        let told = reader.samples(Some("p"), Some("t"), Timestamp::MIN, Timestamp::MAX, 10).unwrap();
        let (failed, unknown, healthy) = (Status::Failed, Status::Unknown, Status::Healthy);
        let statuses: Vec<Status> = told.iter().map(|sample| sample.status).collect();
        assert_eq!(statuses, [failed, unknown, failed, healthy, unknown, failed]);
        let expected = of("t", 10, Some(Reason::Connect));
        assert_eq!(told[1].message.as_deref(), Some("nobody knows, seen: refused"), "said once");
        assert_eq!((told[1].reason, &told[1].latencies[..]), (expected.reason, &expected.latencies[..1]), "no limit");
        assert_eq!((told[4].duration, &told[4].server), (expected.duration, &expected.server));
        assert_eq!(reader.latest(Some("p"), "other").unwrap().unwrap().status, failed);
        let uptime = reader.uptime("t", Some("p"), at(10), at(20)).unwrap();
        assert_eq!((uptime.up, uptime.down), (Duration::ZERO, Duration::ZERO), "{uptime:?}");
        let failures = reader.failures(Some("t"), None, Timestamp::MIN, 10).unwrap();
        assert_eq!(failures.len(), 3);
        let any = store.explain("p", "t", (at(20), at(50)), &[], String::new());
        wait(async {
            any.await.unwrap();
            store.flush().await.unwrap();
        });
        let counts = reader.counts("t", None, at(0), at(60)).unwrap();
        assert_eq!((counts.failed, counts.unknown), (1, 4));
    }
}

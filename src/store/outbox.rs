//! Messages that are to be delivered, alert changes, snapshots and counters: what must not be lost once it was
//! acknowledged.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::rows::timestamp;
use crate::event::AlertChange;

/// A message to a channel, before it is in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxMessage {
    /// The notifier's name.
    pub channel: String,
    /// The same for all messages about one alert or group.
    pub key: String,
    /// What is told: `firing`, `resolved`, …
    pub transition: String,
    /// The notification.
    pub body: Value,
    /// When it was decided.
    pub at: Timestamp,
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// Its number; later messages have larger ones.
    pub id: i64,
    /// The message.
    pub message: OutboxMessage,
    /// How often it was tried.
    pub attempts: u32,
    /// Not to be tried before.
    pub not_before: Option<Timestamp>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// Requests of this prober to a target, and how many were answered with an error or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// All.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
}

pub(super) fn commit(
    connection: &Connection,
    snapshot: &Value,
    messages: &[OutboxMessage],
    changes: &[AlertChange],
    at: Timestamp,
) -> rusqlite::Result<()> {
    keep(connection, "alerts", snapshot)?;
    for message in messages {
        connection
            .prepare_cached(
                "INSERT INTO outbox (channel, dedup_key, transition, body, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                message.channel,
                message.key,
                message.transition,
                message.body.to_string(),
                message.at.as_microsecond()
            ])?;
    }
    for change in changes {
        connection
            .prepare_cached(
                "INSERT INTO alert_changes (at, alert, probe, target, state, firing, message)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                at.as_microsecond(),
                change.alert,
                change.probe,
                change.target,
                change.state,
                change.firing,
                change.message
            ])?;
    }
    Ok(())
}

/// A value under a name.
pub(super) fn keep(connection: &Connection, name: &str, value: &Value) -> rusqlite::Result<()> {
    let text = value.to_string();
    connection
        .prepare_cached("INSERT OR REPLACE INTO facts VALUES (?1, ?2)")?
        .execute(params![format!("kept.{name}"), text])?;
    Ok(())
}

pub(super) fn kept(connection: &Connection, name: &str) -> rusqlite::Result<Option<Value>> {
    let text: Option<String> = connection
        .prepare_cached("SELECT value FROM facts WHERE name = ?1")?
        .query_row([format!("kept.{name}")], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

pub(super) fn entries(connection: &Connection) -> rusqlite::Result<Vec<OutboxEntry>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, channel, dedup_key, transition, body, at, attempts, not_before, last_error FROM outbox ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| {
        let body: String = row.get(4)?;
        Ok(OutboxEntry {
            id: row.get(0)?,
            message: OutboxMessage {
                channel: row.get(1)?,
                key: row.get(2)?,
                transition: row.get(3)?,
                body: serde_json::from_str(&body).unwrap_or(Value::Null),
                at: timestamp(row.get(5)?),
            },
            attempts: row.get(6)?,
            not_before: row.get::<_, Option<i64>>(7)?.map(timestamp),
            last_error: row.get(8)?,
        })
    })?;
    rows.collect()
}

/// Takes a message out; what became of it is remembered.
pub(super) fn end(
    connection: &Connection,
    id: i64,
    at: Timestamp,
    dropped_because: Option<&str>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO deliveries (channel, dedup_key, transition, at, ended_at, attempts, dropped_because)
             SELECT channel, dedup_key, transition, at, ?2, attempts + 1, ?3 FROM outbox WHERE id = ?1",
        )?
        .execute(params![id, at.as_microsecond(), dropped_because])?;
    connection.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id])?;
    Ok(())
}

pub(super) fn postpone(
    connection: &Connection,
    id: i64,
    attempts: u32,
    not_before: Timestamp,
    error: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE outbox SET attempts = ?2, not_before = ?3, last_error = ?4 WHERE id = ?1")?
        .execute(params![id, attempts, not_before.as_microsecond(), error])?;
    Ok(())
}

pub(super) fn counters(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Counter>> {
    let mut statement = connection.prepare_cached("SELECT target, requests, errors FROM counters")?;
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, Counter { requests: number(row.get(1)?), errors: number(row.get(2)?) }))
    })?;
    rows.collect()
}

pub(super) fn set_counters(connection: &Connection, counters: &BTreeMap<String, Counter>) -> rusqlite::Result<()> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for (target, counter) in counters {
        connection.prepare_cached("INSERT OR REPLACE INTO counters VALUES (?1, ?2, ?3)")?.execute(params![
            target,
            number(counter.requests),
            number(counter.errors)
        ])?;
    }
    Ok(())
}

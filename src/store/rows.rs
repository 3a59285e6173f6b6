//! Samples as rows and back. Words of closed sets and what a server calls itself are kept once and referred to by number;
//! a word that this program does not know is read as none, never as another.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json};

use super::spread::{put, take};
use crate::base::name::Name;
use crate::base::sanitize;
use crate::event::{Era, Latency, Reason, Sample, ServerIdentity, Status, TransportKind, Usage};

/// Characters of a message that are kept.
const MESSAGE_CHARS_MAX: usize = 4_000;
/// Characters of what a server calls itself.
const IDENTITY_CHARS_MAX: usize = 200;
/// Steps whose latency is kept.
const LATENCIES_MAX: usize = 256;
/// A server that calls itself something else each time fills no disk.
const WORDS_MAX: i64 = 100_000;

/// Statuses in the order of their numbers in the file, which begin at 1.
pub(super) const STATUSES: [Status; 5] =
    [Status::Healthy, Status::Degraded, Status::Failed, Status::Unknown, Status::Skipped];

pub(super) fn status_number(status: Status) -> i64 {
    match status {
        Status::Healthy => 1,
        Status::Degraded => 2,
        Status::Failed => 3,
        Status::Unknown => 4,
        Status::Skipped => 5,
    }
}

pub(super) fn status(number: i64) -> Status {
    usize::try_from(number - 1).ok().and_then(|at| STATUSES.get(at).copied()).unwrap_or(Status::Unknown)
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Numbers of words, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Words {
    known: HashMap<String, i64>,
}

impl Words {
    /// The number of a word, which gets one where it has none.
    pub(super) fn number(&mut self, connection: &Connection, word: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.known(connection, word)? {
            return Ok(number);
        }
        connection.prepare_cached("INSERT INTO words (word) VALUES (?1)")?.execute([word])?;
        Ok(self.learnt(word, connection.last_insert_rowid()))
    }

    /// The same for a word that a server chose; none where there are too many words already.
    fn number_with_room(&mut self, connection: &Connection, word: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.known(connection, word)? {
            return Ok(Some(number));
        }
        let last: i64 = connection.prepare_cached("SELECT MAX(id) FROM words")?.query_row([], |row| row.get(0))?;
        if last < WORDS_MAX { self.number(connection, word).map(Some) } else { Ok(None) }
    }

    fn known(&mut self, connection: &Connection, word: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.known.get(word) {
            return Ok(Some(*number));
        }
        let have = connection
            .prepare_cached("SELECT id FROM words WHERE word = ?1")?
            .query_row([word], |row| row.get(0))
            .optional()?;
        Ok(have.map(|number| self.learnt(word, number)))
    }

    fn learnt(&mut self, word: &str, number: i64) -> i64 {
        if self.known.len() > 20_000 {
            self.known.clear();
        }
        self.known.insert(word.to_owned(), number);
        number
    }
}

/// What a pair's server was last, and the number of the word for it: it hardly ever changes.
#[derive(Debug, Default)]
pub(super) struct Identified {
    server: Option<ServerIdentity>,
    protocol: Option<(Name, Era, TransportKind)>,
    tools: Option<u64>,
    number: Option<i64>,
}

impl Identified {
    fn number(&mut self, connection: &Connection, words: &mut Words, sample: &Sample) -> rusqlite::Result<Option<i64>> {
        if (&self.server, &self.protocol, self.tools) == (&sample.server, &sample.protocol, sample.tools) {
            return Ok(self.number);
        }
        let number = match identity(sample) {
            Some(text) => words.number_with_room(connection, &text)?,
            None => None,
        };
        let (server, protocol) = (sample.server.clone(), sample.protocol.clone());
        *self = Self { server, protocol, tools: sample.tools, number };
        Ok(number)
    }
}

/// The columns of a run, which `samples` and `recent` have alike.
pub(super) const RUN: &str = "pair, at, status, stands, duration, latencies, identity, reason, message, \
     certificate_ends_s, token_ends_s, cpu, resident_bytes";

/// A run as [`RUN`] has it, before it is written, with its target and what was said.
pub(super) struct Run<'a> {
    pub(super) target: i64,
    pub(super) transcript: Option<&'a str>,
    pub(super) pair: i64,
    pub(super) at: i64,
    pub(super) status: i64,
    pub(super) stands_ms: i64,
    pub(super) duration: i64,
    pub(super) latencies: Vec<u8>,
    pub(super) identity: Option<i64>,
    pub(super) reason: Option<i64>,
    pub(super) message: Option<Cow<'a, str>>,
    pub(super) certificate_ends_s: Option<i64>,
    pub(super) token_ends_s: Option<i64>,
    pub(super) cpu: Option<i64>,
    pub(super) resident_bytes: Option<i64>,
}

impl<'a> Run<'a> {
    pub(super) fn of(
        (sample, transcript): (&'a Sample, Option<&'a str>),
        (pair, target, stands_ms): (i64, i64, i64),
        identified: &mut Identified,
        words: &mut Words,
        connection: &Connection,
    ) -> rusqlite::Result<Self> {
        let mut latencies = Vec::with_capacity(sample.latencies.len() * 5);
        for latency in sample.latencies.iter().take(LATENCIES_MAX) {
            let method = words.number(connection, &cut(&latency.method, IDENTITY_CHARS_MAX))?;
            put(&mut latencies, u64::try_from(method).unwrap_or(0));
            let took = u64::try_from(latency.took.as_micros()).unwrap_or(u64::MAX).min(u64::MAX >> 1);
            put(&mut latencies, took << 1 | u64::from(latency.timed_out));
        }
        Ok(Self {
            target,
            transcript,
            pair,
            at: sample.at.as_microsecond(),
            status: status_number(sample.status),
            stands_ms,
            duration: micros(sample.duration),
            latencies,
            identity: identified.number(connection, words, sample)?,
            reason: sample.reason.map(|reason| words.number(connection, reason.code())).transpose()?,
            message: sample.message.as_ref().map(|message| cut(message, MESSAGE_CHARS_MAX)),
            certificate_ends_s: sample.certificate_ends.map(Timestamp::as_second),
            token_ends_s: sample.token_ends.map(Timestamp::as_second),
            cpu: sample.usage.map(|usage| micros(usage.cpu)),
            resident_bytes: sample.usage.map(|usage| i64::try_from(usage.resident_bytes).unwrap_or(i64::MAX)),
        })
    }
}

/// As [`sanitize::cut`]; what is surely short enough is not copied.
fn cut(text: &str, chars_max: usize) -> Cow<'_, str> {
    if text.len() <= chars_max { Cow::Borrowed(text) } else { Cow::Owned(sanitize::cut(text, chars_max)) }
}

/// What the server is and speaks, as one word.
fn identity(sample: &Sample) -> Option<String> {
    if sample.server.is_none() && sample.protocol.is_none() && sample.tools.is_none() {
        return None;
    }
    let cut = |text: &str| sanitize::cut(text, IDENTITY_CHARS_MAX);
    let server = sample.server.as_ref().map(|server| json!([cut(&server.name), cut(&server.version)]));
    let protocol =
        sample.protocol.as_ref().map(|(version, era, transport)| json!([cut(version), era.name(), transport.name()]));
    Some(json!([server, protocol, sample.tools]).to_string())
}

fn identified(sample: &mut Sample, text: &str) {
    let Ok(Value::Array(parts)) = serde_json::from_str::<Value>(text) else { return };
    let text_of = |part: &Value, at: usize| part.get(at).and_then(Value::as_str).map(str::to_owned);
    let [server, protocol, tools] = parts.as_slice() else { return };
    if let (Some(name), Some(version)) = (text_of(server, 0), text_of(server, 1)) {
        sample.server = Some(ServerIdentity { name: name.into(), version: version.into() });
    }
    let era =
        text_of(protocol, 1).and_then(|word| [Era::Legacy, Era::Modern].into_iter().find(|era| era.name() == word));
    let transport = text_of(protocol, 2).and_then(|word| {
        let all = [TransportKind::Stdio, TransportKind::StreamableHttp, TransportKind::Sse];
        all.into_iter().find(|transport| transport.name() == word)
    });
    if let (Some(version), Some(era), Some(transport)) = (text_of(protocol, 0), era, transport) {
        sample.protocol = Some((version.into(), era, transport));
    }
    sample.tools = tools.as_u64();
}

/// What [`sample`] reads, in its order; `s` is the runs, `p` pairs, `t` targets.
pub(super) const COLUMNS: &str = "p.probe, t.name, s.at, s.status, s.duration, s.latencies, s.reason, s.message, \
     s.identity, s.certificate_ends_s, s.token_ends_s, s.cpu, s.resident_bytes";

/// Numbers back to words.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    known: HashMap<i64, String>,
}

impl Dictionary {
    pub(super) fn word(&mut self, connection: &Connection, number: i64) -> rusqlite::Result<String> {
        if let Some(word) = self.known.get(&number) {
            return Ok(word.clone());
        }
        let word: Option<String> = connection
            .prepare_cached("SELECT word FROM words WHERE id = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let word = word.unwrap_or_default();
        self.known.insert(number, word.clone());
        Ok(word)
    }
}

/// Reads a sample from a row of [`COLUMNS`].
pub(super) fn sample(connection: &Connection, words: &mut Dictionary, row: &Row<'_>) -> rusqlite::Result<Sample> {
    let ends = |at: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(at)?.and_then(|second| Timestamp::from_second(second).ok()))
    };
    let mut latencies = Vec::new();
    let bytes: Vec<u8> = row.get(5)?;
    let mut bytes = bytes.as_slice();
    while let (Some(method), Some(took)) = (take(&mut bytes), take(&mut bytes)) {
        let method = words.word(connection, i64::try_from(method).unwrap_or(0))?;
        latencies.push(Latency {
            method: method.into(),
            took: Duration::from_micros(took >> 1),
            timed_out: took & 1 == 1,
        });
    }
    let reason = row.get::<_, Option<i64>>(6)?.map(|number| words.word(connection, number)).transpose()?;
    let reason = reason.and_then(|code| Reason::ALL.iter().copied().find(|reason| reason.code() == code));
    let usage = match (row.get::<_, Option<i64>>(11)?, row.get::<_, Option<i64>>(12)?) {
        (Some(cpu), Some(bytes)) => {
            Some(Usage { cpu: duration(cpu), resident_bytes: u64::try_from(bytes).unwrap_or(0) })
        }
        _ => None,
    };
    let mut sample = Sample {
        probe: row.get::<_, Arc<str>>(0)?.into(),
        target: row.get::<_, Arc<str>>(1)?.into(),
        at: timestamp(row.get(2)?),
        status: status(row.get(3)?),
        reason,
        message: row.get(7)?,
        duration: duration(row.get(4)?),
        latencies,
        server: None,
        protocol: None,
        tools: None,
        certificate_ends: ends(9)?,
        tools_digest: None,
        token_ends: ends(10)?,
        usage,
    };
    if let Some(number) = row.get::<_, Option<i64>>(8)? {
        identified(&mut sample, &words.word(connection, number)?);
    }
    Ok(sample)
}

/// Latencies, without those that are limits that were reached.
pub(super) fn without_limits(mut bytes: &[u8]) -> Vec<u8> {
    let mut left = Vec::with_capacity(bytes.len());
    while let (Some(method), Some(took)) = (take(&mut bytes), take(&mut bytes)) {
        if took & 1 == 0 {
            put(&mut left, method);
            put(&mut left, took);
        }
    }
    left
}

/// The latencies of a sample without their methods.
pub(super) fn each_latency(mut bytes: &[u8], mut tell: impl FnMut(Duration)) {
    while let (Some(_), Some(took)) = (take(&mut bytes), take(&mut bytes)) {
        tell(Duration::from_micros(took >> 1));
    }
}

//! The log of `watch`: one line for each thing that happened, as text for people or as JSON for collectors, with the ids
//! that correlate it. A probe that goes on failing in the same way is said once; every single run is there at `debug`.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};

use crate::base::by_pair::ByPair;
use crate::base::duration::millis;
use crate::base::sanitize;
use crate::base::secret::Masker;
use crate::event::{
    AlertChange, Consumer, Event, EventKind, Level, Missed, Note, ProbeOutcome, Reason, Status, StepOutcome, TellError,
};

/// Longest sentence of a line, in characters.
const MESSAGE_CHARS_MAX: usize = 600;
/// Longest other value.
const VALUE_CHARS_MAX: usize = 200;
/// Ids of calls that a line names.
const CALLS_MAX: usize = 8;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: time, level, topic, sentence, then `key=value`.
    #[default]
    Text,
    /// One object a line.
    Json,
}

impl Format {
    /// The words in options and files.
    pub const WORDS: &[(&str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// How a log is written and what is worth a line. It can be changed while the log is written; clones are the same one.
#[derive(Clone, Debug)]
pub struct Voice(Arc<RwLock<(Format, Level)>>);

impl Voice {
    /// A log of everything from `level` on.
    #[must_use]
    pub fn new(format: Format, level: Level) -> Self {
        Self(Arc::new(RwLock::new((format, level))))
    }

    /// From now on.
    pub fn set(&self, format: Format, level: Level) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (format, level);
    }

    fn get(&self) -> (Format, Level) {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the log.
pub struct Log<W: Write + Send> {
    writer: W,
    voice: Voice,
    masker: Masker,
    /// What was last said of each probe on each target.
    said: ByPair<(Status, Option<Reason>)>,
    /// Why each was last missed; said once per streak.
    missed: ByPair<Missed>,
}

/// One line before it has a format.
struct Line {
    level: Level,
    topic: &'static str,
    message: String,
    members: Vec<(&'static str, Value)>,
}

impl Line {
    fn new(level: Level, topic: &'static str, message: impl Into<String>) -> Self {
        Self { level, topic, message: message.into(), members: Vec::new() }
    }

    fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() && value.as_str() != Some("") {
            self.members.push((key, value));
        }
        self
    }
}

/// A line in JSON of one who has no run to tell it by, and nothing to hide.
#[must_use]
pub fn json_line(at: jiff::Timestamp, level: Level, topic: &str, message: &str) -> String {
    let message = sanitize::one_line(message, MESSAGE_CHARS_MAX);
    let line = serde_json::json!({"at": format!("{at:.3}"), "level": level.name(), "topic": topic, "message": message});
    format!("{line}\n")
}

impl<W: Write + Send> Log<W> {
    /// What `masker` knows never gets into it.
    pub fn new(writer: W, voice: Voice, masker: Masker) -> Self {
        Self { writer, voice, masker, said: ByPair::default(), missed: ByPair::default() }
    }

    fn line(&mut self, kind: &EventKind, least: Level) -> Option<Line> {
        match kind {
            EventKind::RunStarted { probes } => {
                Some(Line::new(Level::Info, "watch", format!("watching {}", super::count(*probes, "probe"))))
            }
            EventKind::ProbeStarted { .. } if least > Level::Debug => None,
            EventKind::ProbeStarted { probe, target, .. } => {
                let line = Line::new(Level::Debug, "probe", "started");
                Some(line.with("probe", probe.as_str()).with("target", target.as_str()))
            }
            EventKind::ProbeFinished { outcome, .. } => self.finished(outcome, least),
            EventKind::RunMissed { probe, target, reason, count } => Some(self.missed(probe, target, *reason, *count)),
            EventKind::AlertChanged(change) => Some(changed(change)),
            EventKind::Noted(note) => Some(noted(note)),
            EventKind::RunFinished { duration, interrupted } => {
                let how = if *interrupted { "ended by a signal" } else { "ended" };
                Some(Line::new(Level::Info, "watch", how).with("duration_ms", millis(*duration)))
            }
            EventKind::Wire(_) => None,
        }
    }

    fn finished(&mut self, outcome: &ProbeOutcome, least: Level) -> Option<Line> {
        if !self.missed.is_empty() {
            self.missed.remove(&outcome.name, &outcome.target);
        }
        let reason = outcome.cause.as_ref().map(|cause| cause.reason);
        let before = self.said.insert(&outcome.name, &outcome.target, (outcome.status, reason));
        let is_news = match before {
            // To begin well is no news, to begin badly is.
            None => outcome.status != Status::Healthy,
            Some(before) => before != (outcome.status, reason),
        };
        let level = match outcome.status {
            _ if !is_news => Level::Debug,
            Status::Healthy | Status::Skipped => Level::Info,
            Status::Degraded | Status::Unknown | Status::Failed => Level::Warn,
        };
        // Nearly every run is one of which nothing is said.
        if level < least {
            return None;
        }
        let cause = outcome.cause.as_ref().map_or("", |cause| cause.message.as_str());
        let message = match (outcome.status, cause.lines().next()) {
            (status, Some(first)) if !first.is_empty() => format!("{}: {first}", status.name()),
            (status, _) => status.name().to_owned(),
        };
        let scheduled = outcome.observed.scheduled;
        let mut calls: Vec<&str> =
            outcome.observed.transcript.iter().map(|record| record.call_id.as_str()).take(64).collect();
        calls.dedup();
        calls.truncate(CALLS_MAX);
        // All calls of a run are of one trace.
        let trace = outcome.steps.iter().find_map(StepOutcome::trace_id);
        let line = Line::new(level, "probe", message)
            .with("probe", outcome.name.as_str())
            .with("target", outcome.target.as_str())
            .with("status", outcome.status.name())
            .with("reason", reason.map(Reason::code))
            .with("duration_ms", millis(outcome.duration))
            .with("attempts", (outcome.attempts.len() > 1).then_some(outcome.attempts.len()))
            .with("lag_ms", scheduled.map(|scheduled| millis(scheduled.lag)))
            .with("queued_ms", scheduled.map(|scheduled| millis(scheduled.queued)))
            .with("call_id", (!calls.is_empty()).then(|| calls.join(",")))
            .with("trace_id", trace.map(|id| id.to_string()));
        Some(line)
    }

    fn missed(&mut self, probe: &str, target: &str, reason: Missed, count: u64) -> Line {
        let before = self.missed.insert(probe, target, reason);
        let level = if before == Some(reason) { Level::Debug } else { Level::Warn };
        let why = match reason {
            Missed::Overrun => "the run before was still going on",
            Missed::Suspend => "the machine slept, or mcp-probe stood still",
            Missed::Clock => "somebody set the clock",
            Missed::Backpressure => "no place was free in time, or the server asked to be left alone",
        };
        Line::new(
            level,
            "timetable",
            format!("{} not run: {why}", super::count(usize::try_from(count).unwrap_or(usize::MAX), "time")),
        )
        .with("probe", probe)
        .with("target", target)
        .with("reason", reason.name())
        .with("count", count)
    }

    fn write(&mut self, event: &Event, line: Line, format: Format) -> std::io::Result<()> {
        let mask = |text: &str, chars_max| sanitize::one_line(&self.masker.mask(text), chars_max);
        let message = mask(&line.message, MESSAGE_CHARS_MAX);
        let at = format!("{:.3}", event.at);
        let text = match format {
            Format::Json => {
                let mut object = Map::new();
                let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
                put("at", at.into());
                put("level", line.level.name().into());
                put("topic", line.topic.into());
                put("message", message.into());
                put("run_id", event.run_id.to_string().into());
                put("event", event.sequence.into());
                for (key, value) in line.members {
                    put(key, masked(value, &mask));
                }
                format!("{}\n", Value::Object(object))
            }
            Format::Text => {
                let mut text = format!("{at} {:<5} {}: {message}", line.level.name(), line.topic);
                for (key, value) in line.members {
                    match masked(value, &mask) {
                        Value::String(value) if is_bare(&value) => _ = write!(text, " {key}={value}"),
                        value => _ = write!(text, " {key}={value}"),
                    }
                }
                _ = writeln!(text, " run_id={} event={}", event.run_id, event.sequence);
                text
            }
        };
        self.writer.write_all(text.as_bytes())
    }
}

/// Whether a value needs no quotes.
fn is_bare(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || "_-./:,".contains(c))
}

fn masked(value: Value, mask: &impl Fn(&str, usize) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text, VALUE_CHARS_MAX)),
        value => value,
    }
}

fn changed(change: &AlertChange) -> Line {
    let level = match change.state {
        "firing" | "escalated" => Level::Error,
        "pending" => Level::Debug,
        _ if change.firing => Level::Warn,
        _ => Level::Info,
    };
    Line::new(level, "alert", format!("{}: {}", change.state, change.message))
        .with("alert", change.alert.as_str())
        .with("probe", change.probe.as_str())
        .with("target", change.target.as_str())
        .with("state", change.state)
}

fn noted(note: &Note) -> Line {
    Line::new(note.level, note.topic, note.message.as_str()).with("target", note.target.as_deref())
}

impl<W: Write + Send> Consumer for Log<W> {
    fn on_event(&mut self, event: &Event) -> Result<(), TellError> {
        let (format, level) = self.voice.get();
        let Some(line) = self.line(&event.kind, level).filter(|line| line.level >= level) else { return Ok(()) };
        self.write(event, line, format).map_err(|error| TellError(format!("the log could not be written: {error}")))
    }

    fn finish(mut self: Box<Self>) -> Result<(), TellError> {
        self.writer.flush().map_err(|error| TellError(format!("the log could not be written: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::base::ids::RunId;
    use crate::event::{Cause, Publisher};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn log(format: Format, level: Level) -> (Publisher, Shared) {
        let (shared, masker) = (Shared::default(), Masker::default());
        masker.add("hunter2");
        let log = Log::new(shared.clone(), Voice::new(format, level), masker);
        (Publisher::new(RunId::random(), vec![Box::new(log)], false), shared)
    }

    fn text(shared: &Shared) -> String {
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    fn outcome(status: Status, message: &str) -> EventKind {
        let mut outcome =
            ProbeOutcome::not_run("smoke", "weather", &BTreeMap::new(), Cause::new(Reason::Timeout, message));
        outcome.status = status;
        if status == Status::Healthy {
            outcome.cause = None;
        }
        EventKind::ProbeFinished { index: 0, outcome: Arc::new(outcome) }
    }

    #[test]
    fn a_failure_that_goes_on_is_said_once_and_so_is_its_end() {
        let (publisher, shared) = log(Format::Text, Level::Info);
        for status in [Status::Healthy, Status::Failed, Status::Failed, Status::Failed, Status::Healthy] {
            publisher.publish(outcome(status, "no answer"));
        }
        let text = text(&shared);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].contains(" warn  probe: failed: no answer probe=smoke target=weather status=failed"),
            "{text}"
        );
        assert!(lines[1].contains(" info  probe: healthy probe=smoke"), "{text}");
    }

    #[test]
    fn every_run_is_there_for_whoever_looks_closer() {
        let (publisher, shared) = log(Format::Text, Level::Debug);
        for _ in 0..3 {
            publisher.publish(outcome(Status::Healthy, ""));
        }
        assert_eq!(text(&shared).lines().count(), 3);
    }

    #[test]
    fn what_a_server_says_is_one_safe_line_without_secrets() {
        for format in [Format::Text, Format::Json] {
            let (publisher, shared) = log(format, Level::Info);
            publisher.publish(outcome(Status::Failed, "said hunter2 \u{1b}[2J\r\u{202e}x\nlevel=error forged"));
            let note = "two\nlines".to_owned();
            publisher.publish(EventKind::Noted(Note { level: Level::Warn, topic: "web", message: note, target: None }));
            let text = text(&shared);
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(!text.contains('\u{1b}') && !text.contains("hunter2") && !text.contains("forged"), "{text}");
            assert!(!text.contains('\r') && !text.contains('\u{202e}'), "{text}");
        }
    }

    #[test]
    fn json_has_the_ids_of_the_run_and_of_the_alert() {
        let (publisher, shared) = log(Format::Json, Level::Info);
        publisher.publish(EventKind::AlertChanged(Box::new(AlertChange {
            alert: "mcp_server_unresponsive".into(),
            probe: "smoke".into(),
            target: "weather".into(),
            state: "firing",
            firing: true,
            message: "3 of 3 failed".into(),
        })));
        publisher.publish(EventKind::RunMissed {
            probe: "smoke".into(),
            target: "weather".into(),
            reason: Missed::Overrun,
            count: 2,
        });
        let lines: Vec<Value> = text(&shared).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["level"], "error");
        assert_eq!(lines[0]["alert"], "mcp_server_unresponsive");
        assert_eq!(lines[0]["run_id"], publisher.run_id().to_string());
        assert_eq!((&lines[1]["count"], &lines[1]["reason"]), (&2.into(), &"overrun".into()));
    }
}

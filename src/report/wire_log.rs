//! The wire log: every message both ways. As JSON lines in a file (`--trace`), and as text for a person (`-v`).

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::{Ink, Look};
use crate::base::duration::{human, human_bytes, millis};
use crate::base::ids::RunId;
use crate::base::sanitize;
use crate::event::{Consumer, Direction, Event, EventKind, TellError, WireRecord};

/// Longest message that `-v` shows whole, in characters; `--trace` has the rest.
const SHOWN_CHARS_MAX: usize = 2_000;

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    run_id: String,
    probe: &'a str,
    target: &'a str,
    call_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc_id: Option<&'a Value>,
    trace_id: &'a str,
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Value>,
}

/// Writes every message as one JSON object a line.
pub struct WireFile<W: Write + Send> {
    path: String,
    writer: W,
    payload: bool,
}

impl WireFile<std::io::BufWriter<std::fs::File>> {
    /// Creates (or empties) the file, readable by its owner only: messages may hold private data.
    ///
    /// # Errors
    /// When the file cannot be created, with its path.
    pub fn create(path: &Path) -> Result<Self, TellError> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(path)
            .map_err(|error| TellError(format!("the trace file {} cannot be created: {error}", path.display())))?;
        Ok(Self::new(path.display().to_string(), std::io::BufWriter::new(file)))
    }
}

impl<W: Write + Send> WireFile<W> {
    /// Writes to anything; `path` names it in errors.
    pub fn new(path: String, writer: W) -> Self {
        Self { path, writer, payload: true }
    }

    /// Without the messages themselves: their ids, sizes and times stay.
    #[must_use]
    pub fn without_payload(self) -> Self {
        Self { payload: false, ..self }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> TellError {
        TellError(format!("the trace file {} could not be written: {error}", self.path))
    }
}

/// A message as a line of the wire log, with its line feed.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn json_line(record: &WireRecord, at: jiff::Timestamp, run_id: RunId) -> serde_json::Result<String> {
    line_of(record, at, run_id, true)
}

fn line_of(record: &WireRecord, at: jiff::Timestamp, run_id: RunId, payload: bool) -> serde_json::Result<String> {
    let line = Line {
        at: format!("{at:.6}"),
        run_id: run_id.to_string(),
        probe: &record.probe,
        target: &record.target,
        call_id: &record.call_id,
        rpc_id: record.rpc_id.as_ref(),
        trace_id: &record.trace_id,
        direction: record.direction.name(),
        method: record.method.as_deref(),
        status: record.status.as_deref(),
        bytes: record.bytes,
        duration_ms: record.duration.map(millis),
        payload: payload.then_some(&record.payload),
    };
    serde_json::to_string(&line).map(|line| line + "\n")
}

impl<W: Write + Send> Consumer for WireFile<W> {
    fn on_event(&mut self, event: &Event) -> Result<(), TellError> {
        let EventKind::Wire(record) = &event.kind else { return Ok(()) };
        let line = line_of(record, event.at, event.run_id, self.payload).map_err(|error| self.failed(&error))?;
        // Written through at once: a trace is read while the run goes on, and must survive its being killed.
        self.writer.write_all(line.as_bytes()).and_then(|()| self.writer.flush()).map_err(|error| self.failed(&error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), TellError> {
        self.writer.flush().map_err(|error| self.failed(&error))
    }
}

/// Shows every message to a person.
pub struct WireText<W: Write + Send> {
    writer: W,
    look: Look,
    targets: bool,
    first: Option<jiff::Timestamp>,
}

impl<W: Write + Send> WireText<W> {
    /// Writes to `writer`; `targets` puts the target's name on every line, for runs with several.
    pub fn new(writer: W, look: Look, targets: bool) -> Self {
        Self { writer, look, targets, first: None }
    }
}

impl<W: Write + Send> Consumer for WireText<W> {
    fn on_event(&mut self, event: &Event) -> Result<(), TellError> {
        let EventKind::Wire(record) = &event.kind else { return Ok(()) };
        let first = *self.first.get_or_insert(event.at);
        let since = Duration::try_from(event.at.duration_since(first)).unwrap_or_default();
        let text = line(record, since, self.targets, &self.look);
        match self.writer.write_all(text.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(TellError(format!("the wire could not be shown: {error}")))
            }
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> Result<(), TellError> {
        Ok(())
    }
}

fn line(record: &WireRecord, since: Duration, targets: bool, look: &Look) -> String {
    let (arrow, ink) = match record.direction {
        Direction::Sent => (">", Ink::Key),
        Direction::Received => ("<", Ink::Good),
    };
    let mut times = format!("+{}", human(since));
    if let Some(took) = record.duration {
        times.push_str(&format!(" ({})", human(took)));
    }
    if targets {
        times = format!("{} {times}", sanitize::one_line(&record.target, 40));
    }
    let unusual = record.status.as_deref().filter(|status| *status != "ok" && *status != "error");
    if let Some(status) = unusual {
        times.push_str(&format!(" [{}]", sanitize::one_line(status, 40)));
    }
    let payload = match &record.payload {
        Value::String(text) => sanitize::printable(text.trim_end()).into_owned(),
        Value::Null => format!("({})", human_bytes(record.bytes)),
        value => sanitize::printable(&value.to_string()).into_owned(),
    };
    let chars = payload.chars().count();
    let shown = if chars > SHOWN_CHARS_MAX {
        let kept: String = payload.chars().take(SHOWN_CHARS_MAX).collect();
        format!("{kept}… ({} in all; --trace FILE keeps everything)", human_bytes(record.bytes))
    } else {
        payload
    };
    format!("{} {} {shown}\n", look.paint(ink, arrow), look.paint(Ink::Dim, &times))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

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

    fn record(direction: Direction, payload: Value) -> WireRecord {
        WireRecord {
            probe: "tools/list".into(),
            target: "weather".into(),
            call_id: "1".into(),
            rpc_id: Some(json!(1)),
            trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
            span_id: "00f067aa0ba902b7".into(),
            direction,
            method: Some("tools/list".into()),
            status: None,
            bytes: 46,
            duration: None,
            payload,
        }
    }

    fn event(record: WireRecord) -> Event {
        Event {
            sequence: 1,
            at: "2026-01-15T09:32:45.120034Z".parse().unwrap(),
            run_id: RunId::random(),
            kind: EventKind::Wire(Box::new(record)),
        }
    }

    #[test]
    fn a_line_has_every_member_of_the_contract() {
        let shared = Shared::default();
        let mut log = WireFile::new("x".into(), shared.clone());
        let mut record = record(Direction::Received, json!({"jsonrpc": "2.0"}));
        record.status = Some("ok".into());
        record.duration = Some(Duration::from_micros(4_180));
        log.on_event(&event(record)).unwrap();
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with("}\n") && text.matches('\n').count() == 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "at",
                "run_id",
                "probe",
                "target",
                "call_id",
                "rpc_id",
                "trace_id",
                "direction",
                "method",
                "status",
                "bytes",
                "duration_ms",
                "payload"
            ]
        );
        assert_eq!(line["at"], "2026-01-15T09:32:45.120034Z");
        assert_eq!(line["direction"], "received");
        assert_eq!(line["duration_ms"], 4.18);
    }

    #[test]
    fn a_person_gets_arrows_and_nothing_dangerous() {
        let look = Look { width: Some(80), colour: false };
        let sent = line(&record(Direction::Sent, json!({"a": 1})), Duration::ZERO, false, &look);
        assert_eq!(sent, "> +0 µs {\"a\":1}\n");
        let mut noise = record(Direction::Received, json!("log\u{1b}[2J\n"));
        noise.status = Some("noise".into());
        let text = line(&noise, Duration::from_millis(12), true, &look);
        assert_eq!(text, "< weather +12 ms [noise] log\\u{1b}[2J\n");
        let long = line(&record(Direction::Received, json!("x".repeat(5_000))), Duration::ZERO, false, &look);
        assert!(long.len() < 2_200 && long.contains("--trace FILE"), "{long}");
    }

    #[cfg(unix)]
    #[test]
    fn the_trace_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.jsonl");
        drop(WireFile::create(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(WireFile::create(folder.path()).is_err());
    }
}

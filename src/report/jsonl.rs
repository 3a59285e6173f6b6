//! A run as JSON lines: the first says what it is, then a line per probe, the last sums up. A reader that sees no last
//! line knows that something is missing.

use schemars::JsonSchema;
use serde::Serialize;

use super::format::{Run, Unmade};
use super::json::{self, Probe, Summary, timestamp};
use super::render::value;
use super::{Look, schema};
use crate::base::duration::millis;

/// The schema id of the first line.
pub const SCHEMA: &str = "mcp-probe/report-lines/1";

/// A line.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    /// The first one.
    Run {
        /// The id of these lines.
        #[schemars(schema_with = "schema::report_lines_id")]
        schema: &'static str,
        /// When the run began.
        #[schemars(schema_with = "schema::timestamp")]
        started_at: String,
    },
    /// One probe of one target, with the members that it has in the report.
    Probe(Box<Probe<'a>>),
    /// The last one.
    Summary {
        /// From the start of the run to its end.
        duration_ms: f64,
        /// Whether it was interrupted before every probe had its outcome.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        interrupted: bool,
        /// Not begun, because an earlier one failed or the run was interrupted.
        #[serde(skip_serializing_if = "json::is_zero")]
        #[schemars(with = "usize")]
        not_run: usize,
        /// How many probes ended how.
        #[serde(flatten)]
        summary: Summary,
    },
}

/// The lines.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn bytes(run: &Run<'_>) -> Result<Vec<u8>, Unmade> {
    let mut text = String::new();
    let mut put = |line: &Line<'_>| -> Result<(), Unmade> {
        let line = serde_json::to_value(line).map_err(|error| Unmade::new("jsonl", &error))?;
        text.push_str(&value::document(&line, &Look::PLAIN));
        Ok(())
    };
    put(&Line::Run { schema: SCHEMA, started_at: timestamp(run.started_at) })?;
    for probe in run.probes {
        put(&Line::Probe(Box::new(json::probe(probe))))?;
    }
    put(&Line::Summary {
        duration_ms: millis(run.duration),
        interrupted: run.interrupted,
        not_run: json::not_run(run),
        summary: Summary::of(run),
    })?;
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::report::json::samples::{failed, healthy, hostile};

    #[test]
    fn a_line_per_probe_with_the_members_of_the_document() {
        let probes = [healthy(), failed(), hostile()];
        let run = Run::new(probes[0].started_at, Duration::from_micros(12_300), &probes);
        let text = String::from_utf8(bytes(&run).unwrap()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            lines[0],
            json!({"type": "run", "schema": "mcp-probe/report-lines/1", "started_at": "2026-01-15T09:32:45.120Z"})
        );
        let document = json::document(&run).unwrap();
        for (at, probe) in document["probes"].as_array().unwrap().iter().enumerate() {
            let mut line = lines[at + 1].clone();
            assert_eq!(line.as_object_mut().unwrap().shift_remove("type"), Some("probe".into()));
            assert_eq!(&line, probe);
        }
        assert_eq!(
            lines[4],
            json!({"type": "summary", "duration_ms": 12.3, "probes": 3, "healthy": 1, "degraded": 0, "failed": 2,
                "unknown": 0})
        );
        assert_eq!(lines.len(), 5);
    }
}

//! `[log]`: what `watch` writes down, and where. One for all files.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::duration;
use crate::config::grammar::{self, boolean, described, size, string, table, with, words};
use crate::config::{Diag, Environment, Field, Place, Section, Text};

/// The word for stdout in place of a file.
pub const STDOUT: &str = "-";

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object on each line.
    Json,
}

impl LogFormat {
    /// The words in files and options.
    pub const WORDS: &[(&str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// What is worth a line, from little to much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What somebody has to look at.
    Error,
    /// What will disappoint, too.
    Warning,
    /// What happens, too.
    #[default]
    Info,
    /// Every run, too.
    Debug,
}

impl LogLevel {
    /// The words in files and options.
    pub const WORDS: &[(&str, Self)] =
        &[("error", Self::Error), ("warn", Self::Warning), ("info", Self::Info), ("debug", Self::Debug)];
}

/// `[log]`, every variable filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The file that gets every message, both ways; [`STDOUT`] is stdout.
    pub wire: Option<PathBuf>,
    /// Whether the messages themselves are written there, beside what is known of them.
    pub payload: bool,
    /// The file that gets the log; stderr without one. [`STDOUT`] is stdout.
    pub file: Option<PathBuf>,
    /// How it is written.
    pub format: LogFormat,
    /// What is worth a line.
    pub level: LogLevel,
    /// A file that has grown to so many bytes is followed by a new one.
    pub rotate_size: u64,
    /// So is one that is so old.
    pub rotate_every: Duration,
    /// How long files that were followed are kept.
    pub retention: Duration,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            wire: None,
            payload: false,
            file: None,
            format: LogFormat::Text,
            level: LogLevel::Info,
            rotate_size: 64 << 20,
            rotate_every: Duration::from_secs(24 * 3600),
            retention: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// `[log]` as it is written.
#[derive(Clone, Debug)]
pub struct LogDraft {
    wire: Option<Text>,
    file: Option<Text>,
    settings: LogSettings,
    /// Where the table stands.
    pub place: Place,
    unset: Vec<Diag>,
}

impl LogDraft {
    /// Reads the table.
    #[must_use]
    pub fn parse(section: Section<'_>) -> Self {
        let default = LogSettings::default();
        let time = |key, default| section.field(key).and_then(|field| field.positive_duration()).unwrap_or(default);
        let settings = LogSettings {
            payload: section.bool("payload").unwrap_or(default.payload),
            format: section.one_of("format", LogFormat::WORDS).unwrap_or_default(),
            level: section.one_of("level", LogLevel::WORDS).unwrap_or_default(),
            rotate_size: section.field("rotate_size").and_then(rotate_size).unwrap_or(default.rotate_size),
            rotate_every: time("rotate_every", default.rotate_every),
            retention: time("retention", default.retention),
            ..default
        };
        let (wire, file) = (section.text("wire"), section.text("file"));
        if let (Some(wire), Some(file)) = (&wire, &file)
            && wire.written() == file.written()
        {
            let diag = Diag::error(&file.place, "the log and the messages cannot go into one file");
            section.reading().report(diag.also(&wire.place, "the messages"));
        }
        let place = section.place().clone();
        let unset = section.reading().take_unset();
        section.finish();
        Self { wire, file, settings, place, unset }
    }

    /// Fills in the variables; paths are relative to the file that says them.
    ///
    /// # Errors
    /// What this machine lacks for it.
    pub fn resolve(&self, environment: &dyn Environment) -> Result<LogSettings, Vec<Diag>> {
        let mut diags = self.unset.clone();
        let mut path = |text: Option<&Text>, key: &str| {
            let text = text?;
            let said = text.resolve(key, environment).map_err(|diag| diags.push(*diag)).ok()?;
            // Wherever the file is that says it.
            Some(if said.value == STDOUT { STDOUT.into() } else { text.place.source.path(&said.value) })
        };
        let (wire, file) = (path(self.wire.as_ref(), "log.wire"), path(self.file.as_ref(), "log.file"));
        if diags.is_empty() { Ok(LogSettings { wire, file, ..self.settings.clone() }) } else { Err(diags) }
    }
}

fn rotate_size(field: Field<'_>) -> Option<u64> {
    const LEAST: u64 = 4 << 10;
    let size = field.size()?;
    if size < LEAST {
        field.wrong("`rotate_size` is at least \"4KiB\"").help("a file should hold more than a few lines");
        return None;
    }
    Some(size)
}

/// The table as JSON Schema.
#[must_use]
pub fn schema() -> Value {
    fn one_of<T>(all: &[(&'static str, T)], default: &str) -> Value {
        with(words(all.iter().map(|(word, _)| *word)), json!({"default": default}))
    }
    let default = LogSettings::default();
    let time = |default: Duration, what| {
        described(with(grammar::duration(), json!({"default": duration::written(default)})), what)
    };
    table([
        ("wire", described(string(), "The file into which every message is told, as JSON lines; `-` is stdout.")),
        (
            "payload",
            described(with(boolean(), json!({"default": false})), "Whether `wire` has the messages themselves, too."),
        ),
        ("file", described(string(), "The file into which the log is written, `-` is stdout; without it, stderr.")),
        ("format", described(one_of(LogFormat::WORDS, "text"), "How the log is written.")),
        ("level", described(one_of(LogLevel::WORDS, "info"), "What is worth a line: that much and everything worse.")),
        (
            "rotate_size",
            described(
                with(size(), json!({"default": "64MiB"})),
                "A file that has grown to this is followed by a new one.",
            ),
        ),
        ("rotate_every", time(default.rotate_every, "A file that is so old is followed by a new one.")),
        ("retention", time(default.retention, "How long files that were followed are kept.")),
    ])
}

//! Where the log goes, and the wire: to stderr or to files that take a bounded place, and never in the way of a probe.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::WatchArgs;
use crate::base::secret::Masker;
use crate::cli::complaint::Complaint;
use crate::cli::output::{Harmless, Kind};
use crate::cli::panics;
use crate::cli::terminal::Terminal;
use crate::event::{Consumer, Level};
use crate::files::telling::{LogSettings, log as settings};
use crate::report::log::{Format, Log, Voice};
use crate::report::rotating::{RotatingFile, Rotation};
use crate::report::wire_log::{WireFile, WireText};
use crate::watch::settled::Retune;
use crate::watch::writer::Behind;

/// What the files say, in the words of the log.
fn format_of(format: settings::LogFormat) -> Format {
    match format {
        settings::LogFormat::Text => Format::Text,
        settings::LogFormat::Json => Format::Json,
    }
}

fn level_of(level: settings::LogLevel) -> Level {
    match level {
        settings::LogLevel::Debug => Level::Debug,
        settings::LogLevel::Info => Level::Info,
        settings::LogLevel::Warning => Level::Warn,
        settings::LogLevel::Error => Level::Error,
    }
}

/// What was typed wins over `[log]`.
fn tuned(args: &WatchArgs, log: &LogSettings) -> (Format, Level) {
    let format = args.log_format.map_or_else(|| format_of(log.format), Into::into);
    (format, args.log_level.map_or_else(|| level_of(log.level), Into::into))
}

/// Where the wire goes: what was typed wants the messages themselves. One file is written once.
fn wires(log: &LogSettings, trace: Option<&PathBuf>) -> Vec<(PathBuf, bool)> {
    let said = log.wire.iter().filter(|wire| Some(*wire) != trace).map(|wire| (wire.clone(), log.payload));
    said.chain(trace.map(|trace| (trace.clone(), true))).collect()
}

/// What is written where.
pub struct Logging {
    format: Format,
    voice: Voice,
    file: Option<PathBuf>,
    rotation: Rotation,
    /// Each with whether it gets the messages themselves.
    wires: Vec<(PathBuf, bool)>,
    verbose: bool,
}

impl Logging {
    /// What was typed wins over `[log]`.
    #[must_use]
    pub fn new(args: &WatchArgs, log: &LogSettings) -> Self {
        let (format, level) = tuned(args, log);
        Self {
            format,
            voice: Voice::new(format, level),
            file: args.log_file.clone().or_else(|| log.file.clone()),
            rotation: Rotation { size: log.rotate_size, every: log.rotate_every, retention: log.retention },
            wires: wires(log, args.trace.as_ref()),
            verbose: args.verbose,
        }
    }

    /// Carries out what `[log]` says after the files were read again, as far as it can change while the log is written.
    #[must_use]
    pub fn retuning(&self, args: &WatchArgs) -> Retune {
        let (voice, args, is_on_stderr) = (self.voice.clone(), args.clone(), self.file.is_none());
        Box::new(move |log| {
            let (format, level) = tuned(&args, log);
            voice.set(format, level);
            panics::as_json(is_on_stderr && format == Format::Json);
        })
    }

    /// Whether anybody wants to see the messages.
    #[must_use]
    pub fn wants_wire(&self) -> bool {
        self.verbose || !self.wires.is_empty()
    }

    /// Whether stderr is for lines that a program reads.
    #[must_use]
    pub fn is_json_on_stderr(&self) -> bool {
        self.format == Format::Json && self.file.is_none()
    }

    /// Opens everything.
    ///
    /// # Errors
    /// When a file cannot be opened: better now than after the first alert.
    pub fn consumers(&self, args: &WatchArgs, masker: &Masker) -> Result<Vec<Box<dyn Consumer>>, Complaint> {
        let dropped: fn(u64) -> String = match self.format {
            Format::Text => |count| format!("({count} lines of the log were dropped: it is read too slowly)\n"),
            Format::Json => |count| format!("{{\"level\":\"warn\",\"topic\":\"watch\",\"dropped\":{count}}}\n"),
        };
        let no_thread = |error: std::io::Error| Complaint::usage(format!("the log cannot be written: {error}"));
        let writer = match &self.file {
            Some(path) => Behind::new(self.open(path)?, dropped),
            None => Behind::new(Harmless(std::io::stderr(), Kind::Json), dropped),
        };
        let writer = writer.map_err(no_thread)?;
        let mut consumers: Vec<Box<dyn Consumer>> =
            vec![Box::new(Log::new(writer, self.voice.clone(), masker.clone()))];
        for (path, payload) in &self.wires {
            let writer = Behind::new(self.open(path)?, |count| format!("{{\"dropped\":{count}}}\n"));
            let writer = writer.map_err(no_thread)?;
            let wire = WireFile::new(path.display().to_string(), writer);
            consumers.push(Box::new(if *payload { wire } else { wire.without_payload() }));
        }
        if self.verbose {
            let look = Terminal::stderr(args.color).look;
            let writer = Behind::new(Harmless(std::io::stderr(), Kind::Text), |count| {
                format!("({count} messages were not shown: this is read too slowly)\n")
            });
            let writer = writer.map_err(no_thread)?;
            consumers.push(Box::new(WireText::new(writer, look, true)));
        }
        Ok(consumers)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Write + Send>, Complaint> {
        if path == Path::new(settings::STDOUT) {
            // Lines of JSON, or of the log, which begin with a time.
            return Ok(Box::new(Harmless(std::io::stdout(), Kind::Json)));
        }
        let file = RotatingFile::open(path, self.rotation).map_err(|error| {
            Complaint::usage(format!("the log file {} cannot be opened: {error}", path.display()))
                .hint("give a file in a folder that exists and can be written")
        })?;
        Ok(Box::new(file))
    }
}

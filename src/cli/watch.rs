//! `mcp-probe watch`: the daemon, from what was typed to what it works with. It ends with 0 after a signal, when everything
//! is in order.

mod logging;
mod plan;
mod start;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::{SelectionOptions, help};
use super::complaint::Complaint;
use super::terminal::Colour;
use crate::event::Level;
use crate::plan::Shard;
use crate::report::log::Format;

/// Where the page is, unless `--listen` says otherwise.
pub const LISTEN: &str = "127.0.0.1:9490";

/// `mcp-probe watch [PATH...]`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::WATCH)]
pub struct WatchArgs {
    /// Probe files and folders of them; by default ./mcp-probe.toml and ./probes/*.toml
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only probes whose name matches; may be repeated
    #[arg(long, value_name = "GLOB", help_heading = "Targets")]
    pub probe: Vec<String>,
    /// Only this share of the targets, where several probers divide them
    #[arg(long, value_name = "N/OF", value_parser = Shard::parse, help_heading = "Targets")]
    pub shard: Option<Shard>,
    /// Which targets.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// The lock file of all targets [default: mcp-probe.lock beside the file that defines the target]
    #[arg(long, value_name = "FILE", help_heading = "Targets")]
    pub lock_file: Option<PathBuf>,
    /// Where the page, /metrics and the API are; port 0 takes a free one [default: 127.0.0.1:9490]
    #[arg(long, value_name = "ADDRESS", help_heading = "Page")]
    pub listen: Option<String>,
    /// No page
    #[arg(long, help_heading = "Page", conflicts_with_all = ["listen", "web_config", "allow_host"])]
    pub no_listen: bool,
    /// TLS and passwords for the page (exporter-toolkit's format)
    #[arg(long, value_name = "FILE", help_heading = "Page")]
    pub web_config: Option<PathBuf>,
    /// A name that requests may have in `Host`, beside the listener's own; may be repeated
    #[arg(long, value_name = "HOST", help_heading = "Page")]
    pub allow_host: Vec<String>,
    /// The folder with history and outbox [default: that of this system for state]
    #[arg(long, value_name = "DIR", help_heading = "State")]
    pub state: Option<PathBuf>,
    /// How lines of the log are written [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Log")]
    pub log_format: Option<LogFormat>,
    /// Write the log to this file, which is put aside when it is large or old [default: stderr]
    #[arg(long, value_name = "FILE", help_heading = "Log")]
    pub log_file: Option<PathBuf>,
    /// How much is logged; `debug` has every run [default: info]
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Log")]
    pub log_level: Option<LogLevel>,
    /// Write every message, both ways, to this file as JSON lines
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Log")]
    pub trace: Option<PathBuf>,
    /// Show the wire on stderr
    #[arg(short = 'v', long, help_heading = "Log")]
    pub verbose: bool,
    /// When to use colours [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", help_heading = "Log")]
    pub color: Option<Colour>,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One object a line
    Json,
}

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

/// `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Every run
    Debug,
    /// The course of things
    Info,
    /// What is worth a look
    #[value(alias = "warning")]
    Warn,
    /// What does not work
    Error,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Warn => Self::Warn,
            LogLevel::Error => Self::Error,
        }
    }
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When the files have mistakes, the address is taken, or the state cannot be kept.
pub fn run(args: &WatchArgs) -> Result<u8, Complaint> {
    start::run(args)
}

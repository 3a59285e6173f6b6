//! The grammar: what can be typed, read by clap into plain structs. Nothing here acts, opens a file or looks at a
//! server; `words.rs`, `params.rs` and `connection.rs` turn what was typed into what is meant.

mod foreign;
pub(super) mod help;
mod report;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use report::Report;
pub(in crate::cli) use report::report;

use super::complaint::Complaint;
use super::exit::Code;
use super::terminal::Colour;
use crate::base::duration;
use crate::files::clients::Client;
use crate::plan::{Pin, Shard};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Blue.on_default());

/// Prober and health check for MCP servers: call any method, judge the answer, over stdio and HTTP, in both protocol eras.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-probe",
    version,
    styles = STYLES,
    max_term_width = 110,
    override_usage = help::USAGE,
    after_help = help::SHORT,
    after_long_help = help::EXAMPLES,
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands",
    subcommand_value_name = "COMMAND"
)]
pub struct Cli {
    #[command(flatten)]
    ad_hoc: AdHoc,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The same without commands: for argv whose first word is a method or a target, so that a target may have the
/// name of a command.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-probe",
    version,
    styles = STYLES,
    max_term_width = 110,
    override_usage = help::USAGE,
    after_help = help::SHORT,
    after_long_help = help::EXAMPLES
)]
struct CliAdHoc {
    #[command(flatten)]
    ad_hoc: AdHoc,
}

/// A command with what was typed for it.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One call, or an overview; it has no word of its own.
    #[command(skip)]
    AdHoc(Box<AdHoc>),
    /// Run every probe once, judge, exit (CI, cron)
    Check(Box<CheckArgs>),
    /// Audit servers: every rule of the specification that can be seen from outside, with the evidence
    Audit(Box<super::audit::AuditArgs>),
    /// Show all mistakes in probe files at once, and what will disappoint; touches nothing
    Validate(Box<super::validate::ValidateArgs>),
    /// Try until every probe is healthy or the time is over (CI, compose)
    Wait(Box<super::wait::WaitArgs>),
    /// Run probes on their schedules, for ever: alerts, history, a page (daemon)
    Watch(Box<super::watch::WatchArgs>),
    /// Show what alerts would have fired on recorded or made-up runs
    Alerts(Box<super::alerts::AlertsArgs>),
    /// Show how the fleet of a running daemon is
    Status(Box<super::status::StatusArgs>),
    /// Show the fleet of a running daemon live, on the whole terminal
    Top(Box<super::top::TopArgs>),
    /// List every target that is visible from here, and where it was found
    Targets(Box<super::targets_command::TargetsArgs>),
    /// Try the notifiers of the files
    Notify(Box<super::notify::NotifyArgs>),
    /// Show what `watch` has seen: a line for each target, or the failures and alerts of one
    History(Box<super::history::HistoryArgs>),
    /// Judge objectives by the history: uptime, error budget, percentiles
    Report(Box<super::report_command::ReportArgs>),
    /// Run a small MCP server that can be told to misbehave
    Demo(Box<super::demo::DemoArgs>),
    /// Explain a reason, exit code, finding, rule, phase, metric or check kind in full
    Explain(ExplainArgs),
    /// Write a probe file from a live server
    Init(Box<super::init::InitArgs>),
    /// Write what servers offer into mcp-probe.lock, or compare with it (--check)
    Lock(Box<super::lock::LockArgs>),
    /// Show what differs between two targets, lock files or saved lists
    Diff(Box<super::diff::DiffArgs>),
    /// Print the JSON Schema of the probe file (of the report), for editors
    Schema(super::schema::SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all pages into a folder
    Man(ManArgs),
}

impl Command {
    /// `--color`, where the command has it and it was given.
    #[must_use]
    pub fn colour(&self) -> Option<Colour> {
        match self {
            Self::AdHoc(ad_hoc) => ad_hoc.output.color,
            Self::Check(check) => check.output.color,
            Self::Audit(audit) => audit.output.color,
            Self::Validate(validate) => validate.output.color,
            Self::Wait(wait) => wait.output.color,
            Self::Watch(watch) => watch.color,
            Self::Alerts(alerts) => alerts.colour(),
            Self::Status(status) => status.document.color,
            Self::Top(top) => top.color,
            Self::Targets(targets) => targets.document.color,
            Self::History(history) => history.output.color,
            Self::Report(report) => report.output.color,
            Self::Explain(explain) => explain.color,
            Self::Schema(schema) => schema.output.color,
            Self::Init(init) => init.color,
            Self::Lock(lock) => lock.output.color,
            Self::Diff(diff) => diff.output.color,
            Self::Notify(notify) => {
                let super::notify::NotifyCommand::Test(test) = &notify.command;
                test.output.color
            }
            Self::Demo(_) | Self::Completions(_) | Self::Man(_) => None,
        }
    }
}

/// `mcp-probe [METHOD] [TARGET...] [-- COMMAND...]`.
#[derive(Clone, Debug, Default, Args)]
pub struct AdHoc {
    /// A JSON-RPC method (a word with a slash, `initialize`, `ping`, or `tools`, `resources`, `prompts` for the
    /// three lists), then targets: URLs or names. Without a method: open, read all lists, summarise. Without a
    /// target: every target found in the project
    #[arg(value_name = "METHOD|TARGET", hide_possible_values = true)]
    pub words: Vec<String>,
    /// The server's command, started over stdio
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// What the call says.
    #[command(flatten)]
    pub call: CallOptions,
    /// How the target is reached.
    #[command(flatten)]
    pub connection: ConnectionOptions,
    /// Which targets.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputOptions,
    /// The reply's result through a jq filter; strings are printed bare
    #[arg(long, value_name = "FILTER", help_heading = "Output", conflicts_with = "raw")]
    pub jq: Option<String>,
    /// The JSON-RPC reply as received, one per page
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    pub raw: bool,
}

/// What a call says.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Call")]
pub struct CallOptions {
    /// One parameter: `k=v` is a string, `k:=v` is JSON; may be repeated
    #[arg(short = 'p', long = "param", value_name = "K=V|K:=JSON")]
    pub param: Vec<String>,
    /// All parameters, as a JSON object
    #[arg(long, value_name = "JSON|@FILE|@-")]
    pub params: Option<String>,
    /// The tool to call: `params.name` of `tools/call`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["prompt", "uri"])]
    pub tool: Option<String>,
    /// The prompt to get: `params.name` of `prompts/get`
    #[arg(long, value_name = "NAME", conflicts_with = "uri")]
    pub prompt: Option<String>,
    /// The resource to read: `params.uri` of `resources/read`
    #[arg(long, value_name = "URI")]
    pub uri: Option<String>,
    /// One argument of the tool or prompt: as --param, within `params.arguments`; may be repeated
    #[arg(short = 'a', long = "arg", value_name = "K=V|K:=JSON")]
    pub arg: Vec<String>,
    /// All arguments of the tool or prompt, as a JSON object
    #[arg(long, value_name = "JSON|@FILE|@-")]
    pub args: Option<String>,
    /// Repeat the call so many times in one session and summarise the latencies
    #[arg(short = 'n', long = "count", value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: Option<u64>,
    /// With -n: time from the start of one call to the start of the next
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "count")]
    pub interval: Option<Duration>,
    /// Tell the processor time and memory of the server's processes, and the processor time of the calls (stdio)
    #[arg(long)]
    pub usage: bool,
    /// With -n: repeat a tool although the server does not list it as read-only
    #[arg(long)]
    pub allow_side_effects: bool,
}

/// How a target is reached.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionOptions {
    /// Protocol to speak: auto, modern, legacy, or a dated version such as 2025-06-18
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    pub protocol: Option<Pin>,
    /// Transport to use for a URL
    #[arg(long, value_enum, value_name = "TRANSPORT")]
    pub transport: Option<TransportChoice>,
    /// A header on every request; may be repeated (one named target only)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// A bearer token: as it is, from a file, or from a variable (one named target only)
    #[arg(long, value_name = "TOKEN|@FILE|env:VAR")]
    pub bearer: Option<String>,
    /// Time for one call [default: 10s]; of a URL, a command or a name it also bounds the start, unless
    /// --startup-timeout is given. With `check`: time for one attempt of each probe
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// Time for starting or connecting, detection and handshake [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub startup_timeout: Option<Duration>,
    /// A variable in the environment of the server's command; may be repeated (one named target only)
    #[arg(short = 'e', long = "env", value_name = "K=V")]
    pub env: Vec<String>,
    /// Start the server's command with what this MCP client would give it (its variables, its PATH, its folder), and
    /// where it fails, explain the difference to this shell
    #[arg(long = "as", value_name = "CLIENT", value_parser = as_client)]
    pub as_client: Option<&'static Client>,
    /// Working directory of the server's command
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Client certificate, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Key of the client certificate, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Accept any certificate; every output says so
    #[arg(short = 'k', long)]
    pub insecure: bool,
    /// Ask for gzip
    #[arg(long)]
    pub compressed: bool,
}

/// Which targets.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Targets")]
pub struct SelectionOptions {
    /// Read targets from this probe file or client file; may be repeated
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Only targets whose name matches; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub target: Vec<String>,
    /// Only targets with this label; may be repeated
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Agree to start what was found and not named, and to send what it wants of this machine
    #[arg(long)]
    pub yes: bool,
}

/// How it is told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// One JSON document on stdout, nothing else
    #[arg(long)]
    pub json: bool,
    /// Write every message, both ways, to this file as JSON lines
    #[arg(long, value_name = "FILE.jsonl")]
    pub trace: Option<PathBuf>,
    /// Show the wire on stderr
    #[arg(short = 'v', long)]
    pub verbose: bool,
    /// Nothing on stderr but errors, no line of timings
    #[arg(short = 'q', long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// When to use colours [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", hide_possible_values = false)]
    pub color: Option<Colour>,
}

/// One document as output, of the commands that reach no server.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct DocumentOptions {
    /// One JSON document on stdout, nothing else
    #[arg(long)]
    pub json: bool,
    /// The JSON document through a jq filter; strings are printed bare
    #[arg(long, value_name = "FILTER")]
    pub jq: Option<String>,
    /// When to use colours [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", hide_possible_values = false)]
    pub color: Option<Colour>,
}

/// `mcp-probe check [PATH|TARGET...]`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::CHECK)]
pub struct CheckArgs {
    /// Probe files, URLs or names of targets; by default ./mcp-probe.toml and ./probes/*.toml
    #[arg(value_name = "PATH|TARGET")]
    pub words: Vec<String>,
    /// The server's command, started over stdio
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Only probes whose name matches; may be repeated
    #[arg(long, value_name = "GLOB", help_heading = "Targets")]
    pub probe: Vec<String>,
    /// Only this share of the targets, where several probers divide them
    #[arg(long, value_name = "N/OF", value_parser = Shard::parse, help_heading = "Targets")]
    pub shard: Option<Shard>,
    /// Which targets.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How the target is reached.
    #[command(flatten)]
    pub connection: ConnectionOptions,
    /// Probes to run at the same time
    #[arg(short = 'j', long, value_name = "N", help_heading = "Run", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Run everything so many times, one repetition after the other; every run is judged
    #[arg(long, value_name = "N", help_heading = "Run", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: Option<u32>,
    /// Further attempts after one that failed, whatever the files say
    #[arg(long, value_name = "N", help_heading = "Run", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: Option<u32>,
    /// Start no further probe once one has failed; those that run come to their end
    #[arg(long, help_heading = "Run")]
    pub fail_fast: bool,
    /// Treat this status as a failure, too
    #[arg(long, value_enum, value_name = "STATUS", help_heading = "Run")]
    pub fail_on: Option<FailOn>,
    /// Exit codes of this convention
    #[arg(long, value_enum, value_name = "STYLE", help_heading = "Run")]
    pub exit_style: Option<ExitStyle>,
    /// Push the results to every `[[push]]` of the files before the exit
    #[arg(long, help_heading = "Run")]
    pub push: bool,
    /// Push, and end with exit code 7 where a healthy run could not be pushed
    #[arg(long, help_heading = "Run")]
    pub require_push: bool,
    /// Compare all that each target offers with its lock file, too; what differs fails with the reason `drift`
    #[arg(long, help_heading = "Run")]
    pub locked: bool,
    /// The lock file of all targets [default: mcp-probe.lock beside the file that defines the target, else here]
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub lock_file: Option<PathBuf>,
    /// Print every call that would be made, in order; start nothing and send nothing
    #[arg(long, help_heading = "Run", conflicts_with_all = ["report", "trace"])]
    pub dry_run: bool,
    /// The JSON document through a jq filter; strings are printed bare
    #[arg(long, value_name = "FILTER", help_heading = "Output")]
    pub jq: Option<String>,
    /// A report on stdout or in a file; may be repeated (`mcp-probe explain formats` lists them)
    #[arg(long, value_name = "FORMAT[=FILE]", help_heading = "Output", value_parser = report)]
    pub report: Vec<Report>,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `mcp-probe explain [WORD]`.
#[derive(Clone, Debug, Default, Args)]
pub struct ExplainArgs {
    /// A reason, exit code, finding, rule, phase, status, era, metric or check kind; without it all are listed
    pub word: Option<String>,
    /// With the word `rules`: all of them as one page of Markdown
    #[arg(long, requires = "word")]
    pub markdown: bool,
    /// When to use colours [default: auto]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub color: Option<Colour>,
}

/// `mcp-probe completions SHELL`.
#[derive(Clone, Debug, Args)]
#[command(after_help = help::COMPLETIONS)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `mcp-probe man`.
#[derive(Clone, Debug, Default, Args)]
pub struct ManArgs {
    /// Write one page per command into this folder instead of the first page to stdout
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `--transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportChoice {
    /// Streamable HTTP, with a fall-back to HTTP+SSE
    Auto,
    /// Streamable HTTP (2025-03-26 and later)
    #[value(alias = "http")]
    StreamableHttp,
    /// HTTP+SSE (2024-11-05)
    Sse,
}

/// `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A degraded probe is a failure
    Degraded,
}

/// `--exit-style`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExitStyle {
    /// 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Nagios,
}

fn as_client(text: &str) -> Result<&'static Client, String> {
    super::as_client::parse(text)
}

fn protocol(text: &str) -> Result<Pin, String> {
    Pin::parse(text).ok_or_else(|| {
        format!("expected {}", Pin::words().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
    })
}

/// What argv came to.
#[derive(Debug)]
pub enum Parsed {
    /// Something to do.
    Command(Box<Command>),
    /// Something to say, and that is all: help, the version, a complaint of clap's.
    Said {
        /// The text.
        text: String,
        /// Whether it is a complaint.
        to_stderr: bool,
        /// The exit code.
        code: Code,
    },
}

/// Reads argv.
///
/// # Errors
/// When what was typed cannot be meant.
pub fn parse(mut argv: Vec<OsString>) -> Result<Parsed, Complaint> {
    // To build the whole grammar costs more than to read argv with a part of it: only where it is asked.
    let cli = OnceCell::new();
    let mut first = first_word(&argv, &cli);
    if let Some(at) = first
        && argv[at] == "help"
    {
        // `help`, `help check`: as people type it.
        argv.remove(at);
        argv.push("--help".into());
        first = first_word(&argv, &cli);
    }
    let is_command = |at: usize| argv[at].to_str().is_some_and(Command::has_subcommand);
    let parsed = match first {
        Some(at) if !is_command(at) => CliAdHoc::try_parse_from(&argv).map(|cli| Command::AdHoc(Box::new(cli.ad_hoc))),
        Some(at) => {
            // `mcp-probe --json check` means `mcp-probe check --json`: the options belong to the command.
            let word = argv.remove(at);
            argv.insert(1, word);
            full(cli.into_inner(), &argv)
        }
        None => full(cli.into_inner(), &argv),
    };
    match parsed {
        Ok(command) => {
            refuse_no_program(&command, &argv)?;
            Ok(Parsed::Command(Box::new(command)))
        }
        Err(error) => Ok(foreign::said(&error, &argv)),
    }
}

fn full(cli: Option<clap::Command>, argv: &[OsString]) -> Result<Command, clap::Error> {
    let matches = cli.unwrap_or_else(Cli::command).try_get_matches_from(argv)?;
    let cli = Cli::from_arg_matches(&matches)?;
    Ok(cli.command.unwrap_or_else(|| Command::AdHoc(Box::new(cli.ad_hoc))))
}

/// Where the first word stands that is neither an option nor the value of one.
fn first_word(argv: &[OsString], cli: &OnceCell<clap::Command>) -> Option<usize> {
    let mut at = 1;
    while let Some(token) = argv.get(at) {
        if token == "--" {
            return None;
        }
        let text = token.to_string_lossy();
        if !text.starts_with('-') || text == "-" {
            return Some(at);
        }
        at += if takes_next(&text, cli.get_or_init(Cli::command)) { 2 } else { 1 };
    }
    None
}

/// Whether an option token takes the token after it as its value.
fn takes_next(token: &str, cli: &clap::Command) -> bool {
    let valued = |matches: &dyn Fn(&clap::Arg) -> bool| {
        std::iter::once(cli)
            .chain(cli.get_subcommands())
            .flat_map(clap::Command::get_arguments)
            .any(|arg| matches(arg) && arg.get_action().takes_values())
    };
    if let Some(long) = token.strip_prefix("--") {
        return !long.contains('=') && valued(&|arg| arg.get_long() == Some(long));
    }
    let shorts: Vec<char> = token.chars().skip(1).collect();
    // In `-vH x` the last letter takes the value; in `-Hx` the rest of the token is the value.
    let first_valued = shorts.iter().position(|short| valued(&|arg| arg.get_short() == Some(*short)));
    first_valued.is_some_and(|position| position + 1 == shorts.len())
}

/// After `--` stands a program: where nothing does, a variable was empty, and all targets of the project are not what was
/// meant; an option there is the grammar of another tool.
fn refuse_no_program(command: &Command, argv: &[OsString]) -> Result<(), Complaint> {
    let words: &[OsString] = match command {
        Command::AdHoc(ad_hoc) => &ad_hoc.command,
        Command::Check(check) => &check.command,
        Command::Audit(audit) => &audit.command,
        Command::Wait(wait) => &wait.command,
        Command::Init(init) => &init.command,
        Command::Lock(lock) => &lock.command,
        Command::Diff(diff) => &diff.command,
        _ => return Ok(()),
    };
    let Some(program) = words.first().map(|program| program.to_string_lossy()) else {
        if argv.last().is_none_or(|last| last != "--") {
            return Ok(());
        }
        return Err(Complaint::usage("what follows `--` is the server's command, and nothing follows it")
            .hint("is a variable empty? Without `--`, the targets are those that are named, or found in the project"));
    };
    if !program.starts_with('-') {
        return Ok(());
    }
    Err(Complaint::usage(format!("what follows `--` is the server's command, and `{program}` is no program"))
        .hint("options of mcp-probe stand before `--`: mcp-probe tools/list --timeout 5s -- npx -y some-server"))
}

/// The names of all commands, for suggestions.
#[must_use]
pub fn command_names() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// The whole grammar, for completions and manual pages.
#[must_use]
pub fn grammar() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests;

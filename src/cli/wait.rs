//! `mcp-probe wait`: tries until every probe is healthy or the time is over, and says meanwhile what it waits for.

mod board;

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::args::{ConnectionOptions, ExitStyle, FailOn, OutputOptions, SelectionOptions, help};
use super::check::plan::{Choice, Planned, know_locks, plan, withhold};
use super::check::{Judging, code, document, print_document};
use super::complaint::Complaint;
use super::exit::Code;
use super::jq::{self, Jq};
use super::outlets::weighed;
use super::terminal::Terminal;
use super::{connection, listeners, live, output, words};
use crate::base::duration;
use crate::base::ids::RunId;
use crate::event::{ProbeOutcome, Publisher, Status};
use crate::report::{Run, table};
use crate::run::wait::{Options, Tried, Waited, wait};
use crate::run::{Context, Traces};
use board::Board;

/// How long to wait, unless `--for` says otherwise.
const FOR: Duration = Duration::from_secs(60);
/// The longest pause between two tries, unless `--interval` says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);
/// Tries at URLs at the same time, unless `--jobs` says otherwise.
const JOBS: u16 = 8;
/// Elsewhere than in a terminal, how often it is said what is waited for, though nothing changed.
const REMINDER: Duration = Duration::from_secs(10);

/// `mcp-probe wait [PATH|TARGET...]`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::WAIT)]
pub struct WaitArgs {
    /// Probe files, URLs or names of targets; by default ./mcp-probe.toml and ./probes/*.toml
    #[arg(value_name = "PATH|TARGET")]
    pub words: Vec<String>,
    /// The server's command, started over stdio
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// How long to try at most [default: 60s]
    #[arg(long = "for", value_name = "TIME", help_heading = "Run", value_parser = duration::parse)]
    pub limit: Option<Duration>,
    /// The longest pause between two tries; the first are shorter [default: 1s]
    #[arg(long, value_name = "TIME", help_heading = "Run", value_parser = duration::parse)]
    pub interval: Option<Duration>,
    /// Only probes whose name matches; may be repeated
    #[arg(long, value_name = "GLOB", help_heading = "Targets")]
    pub probe: Vec<String>,
    /// Which targets.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How the target is reached.
    #[command(flatten)]
    pub connection: ConnectionOptions,
    /// The lock file of all targets [default: mcp-probe.lock beside the file that defines the target, else here]
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub lock_file: Option<PathBuf>,
    /// Probes of URLs to try at the same time
    #[arg(short = 'j', long, value_name = "N", help_heading = "Run", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Wait until this status is over, too
    #[arg(long, value_enum, value_name = "STATUS", help_heading = "Run")]
    pub fail_on: Option<FailOn>,
    /// Exit codes of this convention
    #[arg(long, value_enum, value_name = "STYLE", help_heading = "Run")]
    pub exit_style: Option<ExitStyle>,
    /// The JSON document through a jq filter; strings are printed bare
    #[arg(long, value_name = "FILTER", help_heading = "Output")]
    pub jq: Option<String>,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When something cannot be meant, is not there, or cannot be told.
pub fn run(args: &WaitArgs) -> Result<u8, Complaint> {
    let named = words::targets(&args.words, &args.command)?;
    let connection = connection::connection(&args.connection, &named)?;
    let jq = args.jq.as_deref().map(|filter| Jq::compile_for(filter, jq::OF_A_REPORT)).transpose()?;
    let limit = limit(args)?;
    let choice = Choice {
        shard: None,
        named: &named,
        connection: &connection,
        selection: &args.selection,
        probes: &args.probe,
        pushing: false,
        output: &args.output,
    };
    let Planned { mut plan, masker, unusable, .. } = plan(&choice)?;
    know_locks(&mut plan, args.lock_file.as_deref(), args.output.color)?;
    let mut withheld = withhold(&choice, &mut plan);
    withheld.extend(unusable);
    if let Some(refused) = withheld.first() {
        return Err(unusable_for(refused));
    }
    if let Some(share) = plan.share.filter(|share| share.pairs == 0) {
        // What the others have is theirs to wait for.
        output::say(&format!("{share}\n"), true)?;
        return Ok(Code::Healthy.number());
    }
    let consumers = listeners::consumers(&args.output, plan.targets.len() > 1)?;
    let wire = !consumers.is_empty();
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    let options = Options {
        until: Instant::now() + limit,
        interval: args.interval.unwrap_or(INTERVAL),
        startup_timeout: connection.startup_timeout,
        degraded_fails: args.fail_on.is_some(),
        jobs: usize::from(args.jobs.unwrap_or(JOBS)),
    };
    live::run(|signals| async move {
        let started_at = jiff::Timestamp::now();
        let cx = Context::new(publisher.clone(), masker.clone(), signals.drain.clone(), true)
            .with_traces(Traces::of_environment());
        let board = Board::new(&plan, &args.output, masker.clone());
        let told = Told { args, jq: jq.as_ref(), limit, early: Cell::new(None) };
        let mut waited = {
            let begun = Instant::now();
            let tell = |tried: Tried<'_>| {
                if board.tried(tried) {
                    told.well(begun.elapsed());
                }
            };
            let waiting = wait(&cx, &plan, options, &tell);
            tokio::pin!(waiting);
            loop {
                tokio::select! {
                    waited = &mut waiting => break waited,
                    () = tokio::time::sleep(REMINDER) => board.remind(),
                }
            }
        };
        board.clear();
        let untold = listeners::finish(&publisher);
        let interrupted = signals.caught().is_some();
        for outcome in &mut waited.outcomes {
            outcome.mask_whole(&masker);
        }
        let run = Run { interrupted, ..Run::new(started_at, waited.after, &waited.outcomes) };
        let undelivered = weighed(told.tell(&run, &waited), &args.output)? || untold;
        let judging = Judging { fail_on: args.fail_on, exit_style: args.exit_style };
        Ok(code(judging, &waited.outcomes, undelivered))
    })
}

/// How long is waited.
fn limit(args: &WaitArgs) -> Result<Duration, Complaint> {
    let limit = args.limit.unwrap_or(FOR);
    match Instant::now().checked_add(limit) {
        Some(_) => Ok(limit),
        None => Err(Complaint::usage("`--for` is longer than any clock here can count")),
    }
}

/// Waiting brings no consent about.
fn unusable_for(refused: &ProbeOutcome) -> Complaint {
    let why = refused.cause.as_ref().map_or("", |cause| cause.message.as_str());
    Complaint::new(Code::Unknown, format!("{}: {why}", refused.target))
}

/// What telling needs beside the outcomes.
struct Told<'a> {
    args: &'a WaitArgs,
    jq: Option<&'a Jq>,
    limit: Duration,
    /// What became of the line that says that all is well, where it has been said.
    early: Cell<Option<Result<(), Complaint>>>,
}

impl Told<'_> {
    fn is_document(&self) -> bool {
        self.args.output.json || self.jq.is_some()
    }

    /// Says that all is well, at once: a server that is slow to exit delays nothing but the exit.
    fn well(&self, after: Duration) {
        if !self.is_document() && !self.args.output.quiet {
            self.early.set(Some(output::say(&format!("healthy after {}\n", duration::human(after)), false)));
        }
    }

    fn tell(&self, run: &Run<'_>, waited: &Waited) -> Result<(), Complaint> {
        let args = self.args;
        if self.is_document() {
            return print_document(&document(run)?, self.jq, &args.output);
        }
        if waited.well {
            return self.early.take().unwrap_or(Ok(()));
        }
        let unwell: Vec<ProbeOutcome> =
            run.probes.iter().filter(|probe| !is_well(probe.status, args.fail_on)).cloned().collect();
        let rest = Run { probes: &unwell, ..*run };
        let (stdout, stderr) = (Terminal::stdout(args.output.color).look, Terminal::stderr(args.output.color).look);
        let rows = table::rows(&rest, &stdout);
        let look = if stdout.is_terminal() { &stdout } else { &stderr };
        let details = table::details(&rest, look);
        let summary = self.summary(run, unwell.len());
        match (stdout.is_terminal(), args.output.quiet) {
            (true, false) => output::say(&format!("{rows}\n{details}\n{summary}"), false),
            (true, true) => output::say(&format!("{rows}\n{details}"), false),
            (false, quiet) => {
                let told = output::say(&rows, false);
                if quiet { told } else { output::say(&format!("{details}{summary}"), true).and(told) }
            }
        }
    }

    fn summary(&self, run: &Run<'_>, unwell: usize) -> String {
        let total = crate::report::count(run.probes.len(), "probe");
        let (took, limit) = (duration::human(run.duration), duration::written(self.limit));
        let after = if run.interrupted {
            format!("interrupted after {took}")
        } else if run.duration + Duration::from_millis(100) < self.limit {
            format!("given up after {took} of {limit}, because nothing can change it any more")
        } else {
            format!("the time of --for {limit} is over")
        };
        format!("{unwell} of {total} not healthy: {after}\n")
    }
}

fn is_well(status: Status, fail_on: Option<FailOn>) -> bool {
    status == Status::Healthy || (status == Status::Degraded && fail_on.is_none())
}

//! `mcp-probe init TARGET`: a probe file from a live server. The server is opened, its lists are read a few times, and
//! what it said becomes expectations; no tool is called unless `--call-read-only` asks for it.

mod target;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::args::{ConnectionOptions, OutputOptions, SelectionOptions, help};
use super::complaint::Complaint;
use super::connection::{self, Connection};
use super::consent::Consents;
use super::exit::{self, Code, Ending};
use super::terminal::{Colour, Terminal};
use super::words;
use super::{credentials, listeners, live, output, targets};
use crate::base::ids::RunId;
use crate::base::sanitize;
use crate::base::secret::Masker;
use crate::config::names::NAME_RULES;
use crate::config::{Severity, Text};
use crate::event::{Finding, Publisher, Status};
use crate::files::starter::{self, Subject, tools};
use crate::plan::{Endpoint, TIMEOUT, Target};
use crate::report::render::error;
use crate::run::Context;
use crate::run::reach::Stage;
use crate::run::survey::{self, Measured, Survey};
use crate::session::Closing;
use tools::ToolStep;

/// `mcp-probe init TARGET`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::INIT)]
pub struct InitArgs {
    /// A URL, or the name of a target
    #[arg(value_name = "TARGET")]
    pub words: Vec<String>,
    /// The server's command, started over stdio
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// What the target is called in the file [default: what the server calls itself]
    #[arg(long, value_name = "NAME", value_parser = target_name, help_heading = "File")]
    pub name: Option<String>,
    /// Call every read-only tool once whose arguments are known, and keep the steps that pass
    #[arg(long, help_heading = "File")]
    pub call_read_only: bool,
    /// Write the file here instead of to stdout; one that exists is left alone
    #[arg(short = 'o', long, value_name = "FILE", help_heading = "File")]
    pub output: Option<PathBuf>,
    /// Write over a file that exists
    #[arg(long, requires = "output", help_heading = "File")]
    pub force: bool,
    /// How the target is reached.
    #[command(flatten)]
    pub connection: ConnectionOptions,
    /// Which target.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// Write every message, both ways, to this file as JSON lines
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Output")]
    pub trace: Option<PathBuf>,
    /// Show the wire on stderr
    #[arg(short = 'v', long, help_heading = "Output")]
    pub verbose: bool,
    /// Nothing on stderr but errors
    #[arg(short = 'q', long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// When to use colours [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", help_heading = "Output")]
    pub color: Option<Colour>,
}

/// A name that a target may have.
fn target_name(text: &str) -> Result<String, String> {
    let bad = |c: char| c.is_control() || c == '*' || c == '?';
    let fits = !text.is_empty() && text.trim() == text && text.chars().count() <= 100;
    if fits && !text.starts_with('-') && !text.contains("://") && !text.contains(bad) {
        return Ok(text.to_owned());
    }
    Err(NAME_RULES.to_owned())
}

/// Everything that was asked for, checked.
struct Request<'a> {
    args: &'a InitArgs,
    output: OutputOptions,
    connection: Connection,
    target: Target,
    /// Whether a probe file defines the target already.
    defined: bool,
    masker: Masker,
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When something cannot be meant, is not there, or cannot be written.
pub fn run(args: &InitArgs) -> Result<u8, Complaint> {
    refuse_overwriting(args)?;
    let request = prepare(args)?;
    let consumers = listeners::consumers(&request.output, false)?;
    let wire = !consumers.is_empty();
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    live::run(|signals| async move {
        let cx = Context::new(publisher.clone(), request.masker.clone(), signals.drain.clone(), true);
        let written = write(&cx, &request).await;
        let unwritten = publisher.finish().first().map(|error| Complaint::new(Code::Undelivered, error.to_string()));
        match (written, unwritten) {
            (Ok(Code::Healthy), Some(complaint)) => Err(complaint),
            (written, _) => written.map(Code::number),
        }
    })
}

fn prepare(args: &InitArgs) -> Result<Request<'_>, Complaint> {
    let output = OutputOptions {
        json: false,
        trace: args.trace.clone(),
        verbose: args.verbose,
        quiet: args.quiet,
        color: args.color,
    };
    let named = words::targets(&args.words, &args.command)?;
    if named.is_empty() && args.selection.file.is_empty() {
        return Err(Complaint::usage("init needs a target")
            .hint("mcp-probe init https://host/mcp, mcp-probe init NAME, or mcp-probe init -- COMMAND ARG..."));
    }
    let connection = connection::connection(&args.connection, &named)?;
    let resolved = targets::resolve(&named, &connection, &args.selection, args.color)?;
    let mut found = resolved.targets.into_iter();
    let (Some(target), None) = (found.next(), found.next()) else {
        return Err(Complaint::usage("init writes about one target, and several are named")
            .hint("name one of them, or choose with --target"));
    };
    // Another client's file is none that probes can refer to: what it says is written out.
    let defined = target.origin.file.is_some() && target.origin.client.is_none();
    if !Consents::open(args.selection.yes).agrees(&target) {
        return Err(Complaint::new(
            Code::Unknown,
            format!("{}: {}", target.name, targets::no_consent(&target).message),
        ));
    }
    Ok(Request { args, output, connection, target, defined, masker: resolved.masker })
}

/// Before anything is started: a file that exists is somebody's work, and a folder that does not holds no file.
fn refuse_overwriting(args: &InitArgs) -> Result<(), Complaint> {
    let is_missing = |folder: &Path| !folder.as_os_str().is_empty() && !folder.is_dir();
    match &args.output {
        Some(path) if path.parent().is_some_and(is_missing) => {
            let path = sanitize::one_line(&path.display().to_string(), 200);
            Err(Complaint::usage(format!("{path} cannot be written: there is no such folder")))
        }
        Some(path) if path.exists() && !args.force => {
            let path = sanitize::one_line(&path.display().to_string(), 200);
            Err(Complaint::usage(format!("{path} exists already")).hint("--force writes over it"))
        }
        _ => Ok(()),
    }
}

async fn write(cx: &Context, request: &Request<'_>) -> Result<Code, Complaint> {
    let stage = Stage::default();
    let mut progress = listeners::progress(&format!("asking {}", request.target.name), &request.output);
    let timeout = request.connection.timeout.unwrap_or(TIMEOUT);
    let (mut survey, mut tools, closing) = match stage.reach(cx, &request.target).await {
        Ok(reach) => {
            let mut steps: Vec<ToolStep> = Vec::new();
            let tries = |lists: &[Measured]| {
                let mut masked = starter::listed(lists).to_vec();
                for tool in &mut masked {
                    cx.masker.mask_json(tool);
                }
                steps = tools::of(&masked);
                if request.args.call_read_only { starter::steps(&steps) } else { Vec::new() }
            };
            let (survey, closing) = Box::pin(survey::survey(cx, &reach, timeout, tries)).await;
            (survey, steps, closing)
        }
        Err(cause) => {
            stage.strike(cx.grace).await;
            progress.clear();
            return Ok(refused(request, Status::Failed, &cause, false));
        }
    };
    progress.clear();
    let told = tell(cx, request, &mut survey, &mut tools);
    finish(cx, request, &survey.found.findings, closing).await;
    stage.strike(cx.grace).await;
    told
}

async fn finish(cx: &Context, request: &Request<'_>, known: &[Finding], closing: Option<Closing>) {
    let Some(closing) = closing else { return };
    let ending = closing.finish(cx.grace).await;
    let is_new = |finding: &Finding| !known.iter().any(|have| have.id == finding.id && have.path == finding.path);
    let late: Vec<Finding> = ending.findings.into_iter().filter(is_new).collect();
    notice(request, &late);
}

fn notice(request: &Request<'_>, findings: &[Finding]) {
    if !request.output.quiet {
        let look = Terminal::stderr(request.output.color).look;
        let _ = output::say(&request.masker.mask(&error::findings(findings, None, &look)), true);
    }
}

fn refused(request: &Request<'_>, status: Status, cause: &crate::event::Cause, connected: bool) -> Code {
    let look = Terminal::stderr(request.output.color).look;
    let said = error::failure(None, status, cause, &look);
    let _ = output::say(&request.masker.mask(&said), true);
    exit::fold([Ending::new(status, Some(cause), connected)], false, false)
}

/// Writes the file, or says why there is none.
fn tell(cx: &Context, request: &Request<'_>, survey: &mut Survey, tools: &mut [ToolStep]) -> Result<Code, Complaint> {
    if let Some(cause) = survey.found.cause.clone().filter(|_| survey.found.status != Status::Healthy) {
        return Ok(refused(request, survey.found.status, &cause, survey.found.connected));
    }
    if cx.cancel.is_cancelled() {
        return Ok(Code::Interrupted);
    }
    mask(survey, &cx.masker);
    starter::heed(tools, &survey.tried);
    let name = name(request, survey);
    let folder = std::env::current_dir().unwrap_or_default();
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // The variables that another client's entry stands for are written as such again.
    let entry = request.target.entry.as_deref();
    let reads: Vec<(String, String)> = entry
        .map(|entry| entry.as_written().texts().flat_map(Text::variables).map(ToOwned::to_owned).collect())
        .map(|names: BTreeSet<String>| environment.iter().filter(|(name, _)| names.contains(name)).cloned().collect())
        .unwrap_or_default();
    let table = if request.defined {
        let place = sanitize::one_line(&request.target.origin.text, 200);
        let text = format!("## The target is defined in {place}: read both files together.\n");
        target::Table { text, unset: Vec::new() }
    } else {
        let typed = target::Typed {
            bearer: request.args.connection.bearer.as_deref(),
            environment: &environment,
            folder: &folder,
            reads: &reads,
        };
        target::table(&name, &request.target, &typed, &cx.masker)
    };
    // Writing the target may have shown more secrets, in the words of a command.
    mask(survey, &cx.masker);
    for tool in &mut *tools {
        tool.mask(&cx.masker);
    }
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let subject = Subject {
        name: &name,
        target: &table.text,
        survey,
        tools,
        day: &day,
        timeout: request.connection.timeout.unwrap_or(TIMEOUT),
    };
    let text = starter::text(&subject);
    if let Err(mistakes) = starter::read(&text, &folder) {
        let first = mistakes.iter().find(|diag| diag.severity == Severity::Error);
        let why = first.map_or("it cannot be read", |diag| diag.message.as_str());
        return Err(Complaint::new(Code::Bug, format!("the file that was to be written has a mistake: {why}"))
            .hint("please report it with what the server lists"));
    }
    deliver(request, &text)?;
    notice(request, &survey.found.findings);
    hints(request, &table, tools);
    Ok(Code::Healthy)
}

/// What servers say back of our own secrets goes nowhere.
fn mask(survey: &mut Survey, masker: &Masker) {
    for list in &mut survey.lists {
        if let Ok(reply) = &mut list.exchange.reply
            && let Ok(result) = &mut reply.body
        {
            masker.mask_json(Arc::make_mut(result));
        }
    }
    if let Some(facts) = &mut survey.facts {
        masker.mask_json(&mut facts.capabilities);
        if let Some(identity) = &mut facts.identity {
            identity.name = masker.mask(&identity.name).into_owned().into();
            identity.version = masker.mask(&identity.version).into_owned().into();
        }
    }
    for outcome in &mut survey.tried {
        if let Some(cause) = &mut outcome.cause {
            cause.message = masker.mask(&cause.message).into_owned();
        }
    }
}

/// What the target is called: as it was asked for, as it is defined, as the server calls itself, or after where it is.
fn name(request: &Request<'_>, survey: &Survey) -> String {
    if let Some(name) = &request.args.name {
        return name.clone();
    }
    if request.defined {
        return request.target.name.to_string();
    }
    if let Some(name) = request.target.entry.as_ref().and_then(|entry| starter::target_name(&entry.name)) {
        return name;
    }
    let said = survey.facts.as_ref().and_then(|facts| facts.identity.as_ref()).map(|identity| identity.name.as_str());
    let place = match &request.target.endpoint {
        Endpoint::Url(url) => credentials::shown_url(url).split("://").nth(1).unwrap_or_default().to_owned(),
        Endpoint::Command(argv) => {
            let program = argv.first().map(Path::new).and_then(Path::file_stem);
            program.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
        }
    };
    let named = said.and_then(starter::target_name).or_else(|| starter::target_name(&place));
    named.unwrap_or_else(|| "server".to_owned())
}

fn deliver(request: &Request<'_>, text: &str) -> Result<(), Complaint> {
    let Some(path) = &request.args.output else { return output::say(text, false) };
    let mut options = OpenOptions::new();
    options.write(true).truncate(true);
    if request.args.force {
        options.create(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let path = sanitize::one_line(&path.display().to_string(), 200);
        Complaint::new(Code::Undelivered, format!("{path} could not be written: {error}"))
    })
}

/// What is left to do, in a few lines.
fn hints(request: &Request<'_>, table: &target::Table, tools: &[ToolStep]) {
    if request.output.quiet {
        return;
    }
    let mut text = String::new();
    for name in &table.unset {
        text.push_str(&format!("note: set {name} before the file is checked; what was typed is not written into it\n"));
    }
    let untried = tools.iter().filter(|tool| tool.is_untried()).count();
    if untried > 0 {
        let noun = if untried == 1 { "tool is" } else { "tools are" };
        text.push_str(&format!(
            "note: {untried} read-only {noun} switched on without having been tried; --call-read-only calls each once\n"
        ));
    }
    let _ = output::say(&text, true);
}

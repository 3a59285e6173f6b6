//! `mcp-probe lock`: writes what the targets offer into `mcp-probe.lock`, or compares with it (`--check`). Nothing is
//! written where anything could not be read whole.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::args::{ConnectionOptions, OutputOptions, SelectionOptions, help};
use super::check::plan::{Choice, Planned, plan, withhold};
use super::complaint::Complaint;
use super::exit::{self, Code, Ending};
use super::jq::Jq;
use super::terminal::Terminal;
use super::{connection, listeners, live, output, targets, words};
use crate::base::ids::RunId;
use crate::base::sanitize::one_line;
use crate::base::secret::Masker;
use crate::check::lock as judging;
use crate::event::{Cause, Change, Publisher, Reason, Status, Subject};
use crate::files::locks;
use crate::lock::{Entry, LISTS, Lock, compare, other_revision, same_version};
use crate::plan::fleet::Shard;
use crate::plan::{TIMEOUT, Target};
use crate::protocol::Answers;
use crate::report::changes::{self, Compared, Side};
use crate::report::grid::{Cell, Column, Fit, Grid};
use crate::report::render::error;
use crate::report::{Ink, Look, count};
use crate::run::adhoc::Found;
use crate::run::{Context, locked};

/// `mcp-probe lock [PATH|TARGET...]`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::LOCK)]
pub struct LockArgs {
    /// Probe files, URLs or names of targets; by default ./mcp-probe.toml and ./probes/*.toml
    #[arg(value_name = "PATH|TARGET")]
    pub words: Vec<String>,
    /// The server's command, started over stdio
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Compare only: nothing is written, and what differs ends with exit code 1
    #[arg(long, help_heading = "Lock")]
    pub check: bool,
    /// The lock file of all targets [default: mcp-probe.lock beside the file that defines the target, else here]
    #[arg(long, value_name = "FILE", help_heading = "Lock")]
    pub lock_file: Option<PathBuf>,
    /// Write although a list is empty now of which the lock has something
    #[arg(long, help_heading = "Lock")]
    pub allow_empty: bool,
    /// Which targets.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How the targets are reached.
    #[command(flatten)]
    pub connection: ConnectionOptions,
    /// The JSON document through a jq filter; strings are printed bare
    #[arg(long, value_name = "FILTER", help_heading = "Output")]
    pub jq: Option<String>,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Everything that was asked for, checked.
struct Request<'a> {
    args: &'a LockArgs,
    jq: Option<Jq>,
    /// Each with the client capabilities that it is read with.
    targets: Vec<(Arc<Target>, Answers)>,
    /// The lock file of each.
    paths: Vec<PathBuf>,
    /// What stands in each of those files.
    before: BTreeMap<PathBuf, Lock>,
    masker: Masker,
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When something cannot be meant, is not there, or cannot be written.
pub fn run(args: &LockArgs) -> Result<u8, Complaint> {
    let named = words::targets(&args.words, &args.command)?;
    let connection = connection::connection(&args.connection, &named)?;
    let request = prepare(args, &named, &connection)?;
    let consumers = listeners::consumers(&args.output, request.targets.len() > 1)?;
    let wire = !consumers.is_empty();
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    let timeout = connection.timeout.unwrap_or(TIMEOUT);
    live::run(|signals| async move {
        let cx = Context::new(publisher.clone(), request.masker.clone(), signals.drain.clone(), true);
        let mut progress = listeners::progress("reading definitions", &args.output);
        let read = locked::definitions(&cx, &request.targets, timeout, "lock").await;
        progress.clear();
        let unwritten = publisher.finish().first().map(|error| Complaint::new(Code::Undelivered, error.to_string()));
        if cx.cancel.is_cancelled() {
            return Ok(Code::Interrupted.number());
        }
        match (finish(&request, read), unwritten) {
            (Ok(Code::Healthy), Some(complaint)) => Err(complaint),
            (code, _) => code.map(Code::number),
        }
    })
}

fn prepare<'a>(
    args: &'a LockArgs,
    named: &[words::Named],
    connection: &connection::Connection,
) -> Result<Request<'a>, Complaint> {
    let jq = args.jq.as_deref().map(Jq::compile).transpose()?;
    let choice = Choice {
        // A lock is about all targets, whoever probes them.
        shard: Shard::parse("1/1").ok(),
        named,
        connection,
        selection: &args.selection,
        probes: &[],
        pushing: false,
        output: &args.output,
    };
    let Planned { mut plan, masker, unusable, .. } = plan(&choice)?;
    let mut withheld = withhold(&choice, &mut plan);
    withheld.extend(unusable);
    if let Some(refused) = withheld.first() {
        let why = refused.cause.as_ref().map_or("", |cause| cause.message.as_str());
        return Err(Complaint::new(Code::Unknown, format!("{}: {why}; nothing was read or written", refused.target)));
    }
    let mut seen = HashSet::new();
    let targets: Vec<(Arc<Target>, Answers)> = plan
        .pairs()
        .map(|(_, target)| target)
        .filter(|target| seen.insert(target.name.clone()))
        .map(|target| (Arc::clone(target), locked::wanted(&plan, &target.name)))
        .collect();
    let given = args.lock_file.as_deref();
    let paths: Vec<PathBuf> = targets.iter().map(|(target, _)| locks::path_of(target, given)).collect();
    let mut before = BTreeMap::new();
    // A file with mistakes is said before anything is started.
    for path in &paths {
        if !before.contains_key(path) {
            let lock = locks::read(path).map_err(|diags| targets::mistakes(&diags, args.output.color))?;
            before.extend(lock.map(|lock| (path.clone(), lock)));
        }
    }
    Ok(Request { args, jq, targets, paths, before, masker })
}

/// Judges what was read, tells it, and writes it where all of it is there.
fn finish(request: &Request<'_>, read: Vec<(Found, Option<Entry>)>) -> Result<Code, Complaint> {
    let args = request.args;
    let mut entries: Vec<Entry> = Vec::new();
    let mut failed: Vec<Ending> = Vec::new();
    for (found, entry) in read {
        match entry {
            Some(entry) => entries.push(entry),
            None => failed.push(tell_failure(request, &found)),
        }
    }
    if !failed.is_empty() {
        if !args.check && !args.output.quiet {
            output::say("nothing was written: everything has to be read whole first\n", true)?;
        }
        return Ok(exit::fold(failed, false, false));
    }
    let all: Vec<Compared> = entries.iter().enumerate().map(|(at, entry)| compared(request, at, entry)).collect();
    if !args.check && !args.allow_empty {
        refuse_emptied(request, &entries)?;
    }
    let differing = all.iter().filter(|one| one.state != "same").count();
    tell(request, &all, &entries)?;
    if !args.check {
        write(request, entries)?;
        return Ok(Code::Healthy);
    }
    if differing == 0 {
        return Ok(Code::Healthy);
    }
    let look = Terminal::stderr(args.output.color).look;
    let what =
        if all.len() == 1 { "it differs".to_owned() } else { format!("{differing} of {} targets differ", all.len()) };
    let message = format!("{what} from the lock: review the changes, then `mcp-probe lock` takes them over");
    output::say(&error::failure(None, Status::Failed, &Cause::new(Reason::Drift, message), &look), true)?;
    Ok(Code::Failed)
}

fn tell_failure(request: &Request<'_>, found: &Found) -> Ending {
    let look = Terminal::stderr(request.args.output.color).look;
    if let Some(cause) = &found.cause {
        let said = error::failure(Some(&found.target), found.status, cause, &look);
        let _ = output::say(&request.masker.mask(&said), true);
    }
    Ending::new(found.status, found.cause.as_ref(), found.connected)
}

fn old<'a>(request: &'a Request<'_>, at: usize) -> Option<&'a Entry> {
    request.before.get(&request.paths[at])?.entries.get(request.targets[at].0.name.as_str())
}

fn compared(request: &Request<'_>, at: usize, new: &Entry) -> Compared {
    let target = &request.targets[at].0.name;
    let file = request.paths[at].display().to_string();
    let side = |name: &str, entry: Option<&Entry>| Side {
        name: name.to_owned(),
        server: entry.and_then(|entry| entry.server.clone()),
        protocol: entry.and_then(|entry| entry.protocol.clone()),
    };
    let old = old(request, at);
    let changes = old.map_or_else(Vec::new, |old| compare::entries(old, new));
    let state = match old {
        None => "new",
        Some(old) if changes.is_empty() && old.declared == new.declared => "same",
        Some(_) => "changed",
    };
    let judged = judging::Compared::With {
        file: file.clone(),
        changes: changes.clone(),
        same_version: old.and_then(|old| same_version(old, new)).cloned(),
        note: None,
    };
    Compared {
        target: target.to_string(),
        state: state.to_owned(),
        old: side(&file, old),
        new: side(target, Some(new)),
        changes,
        findings: judged.finding().into_iter().collect(),
    }
}

/// A list that is empty all of a sudden is more often a server that is not well than one that offers nothing.
fn refuse_emptied(request: &Request<'_>, entries: &[Entry]) -> Result<(), Complaint> {
    for (at, new) in entries.iter().enumerate() {
        let Some(old) = old(request, at) else { continue };
        let emptied = LISTS.iter().find(|list| old.count(list.subject) > 0 && new.count(list.subject) == 0);
        if let Some(list) = emptied {
            let (target, had) = (one_line(&request.targets[at].0.name, 80), old.count(list.subject));
            let text = format!("{target}: {} gives nothing, and the lock has {had}; nothing was written", list.method);
            return Err(Complaint::new(Code::Failed, text).hint("--allow-empty writes it all the same"));
        }
    }
    Ok(())
}

fn tell(request: &Request<'_>, all: &[Compared], entries: &[Entry]) -> Result<(), Complaint> {
    let output = &request.args.output;
    let stdout = Terminal::stdout(output.color).look;
    let stderr = Terminal::stderr(output.color).look;
    let findings: String = all.iter().map(|one| error::findings(&one.findings, Some(&one.target), &stderr)).collect();
    if output.json || request.jq.is_some() {
        return super::diff::say_document(all, request.jq.as_ref(), &stdout);
    }
    let rows = rows(request, all, entries, &stdout);
    let changed: Vec<Compared> = all.iter().filter(|one| !one.changes.is_empty()).cloned().collect();
    if stdout.is_terminal() {
        let story = super::diff::story(&changed, &stdout, output.quiet);
        output::say(&request.masker.mask(&format!("{rows}{story}")), false)?;
    } else {
        output::say(&request.masker.mask(&rows), false)?;
        if !output.quiet {
            output::say(&request.masker.mask(&super::diff::story(&changed, &stderr, false)), true)?;
        }
    }
    if output.quiet { Ok(()) } else { output::say(&request.masker.mask(&findings), true) }
}

/// What became of each target.
fn rows(request: &Request<'_>, all: &[Compared], entries: &[Entry], look: &Look) -> String {
    let columns = [
        Column { head: "TARGET", fit: Fit::Share(35) },
        Column { head: "LOCK", fit: Fit::Whole },
        Column { head: "DETAIL", fit: Fit::Rest },
        Column { head: "FILE", fit: Fit::Share(30) },
    ];
    let mut grid = Grid::new(&columns, 4);
    for (at, (one, entry)) in all.iter().zip(entries).enumerate() {
        let ink = match one.state.as_str() {
            "same" => Ink::Good,
            _ if changes::are_breaking(std::slice::from_ref(one)) => Ink::Bad,
            _ => Ink::Warn,
        };
        grid.row(vec![
            Cell::inked(&one_line(&one.target, 200), Ink::Strong),
            Cell::inked(&one.state, ink),
            Cell::new(&one_line(&detail(one, entry, old(request, at)), 200)),
            Cell::inked(&one_line(&one.old.name, 400), Ink::Dim),
        ]);
    }
    grid.render(look)
}

fn detail(one: &Compared, entry: &Entry, old: Option<&Entry>) -> String {
    let Some(old) = old else {
        let counts = Subject::ALL.into_iter().filter(|subject| entry.lists.contains_key(subject));
        return counts.map(|subject| count(entry.count(subject), subject.name())).collect::<Vec<_>>().join(", ");
    };
    if !one.changes.is_empty() {
        let note = other_revision(old, entry).map(|note| format!(" ({note})")).unwrap_or_default();
        return Change::tally(&one.changes) + &note;
    }
    if old.declared != entry.declared {
        return "read with other client capabilities".to_owned();
    }
    match (&old.server, &entry.server) {
        (Some(was), Some(is)) if was != is => format!("{} {} is {} {} now", was.name, was.version, is.name, is.version),
        _ => String::new(),
    }
}

fn write(request: &Request<'_>, entries: Vec<Entry>) -> Result<(), Complaint> {
    let output = &request.args.output;
    let mut files: BTreeMap<&PathBuf, BTreeMap<String, Entry>> = BTreeMap::new();
    for ((entry, path), (target, _)) in entries.into_iter().zip(&request.paths).zip(&request.targets) {
        files.entry(path).or_default().insert(target.name.to_string(), entry);
    }
    for (path, entries) in files {
        locks::put(path, &entries).map_err(|diags| {
            let complaint = targets::mistakes(&diags, output.color);
            // Mistakes have places; what the system refused has none.
            if diags.iter().any(|diag| diag.place.is_some()) {
                complaint
            } else {
                Complaint::new(Code::Undelivered, format!("{} was not written", path.display()))
            }
        })?;
    }
    Ok(())
}

//! `mcp-probe diff A B`: what differs between two targets, two lock files, two saved lists, or any two of these. As
//! diff(1): 0 where nothing does, 1 where something does.

mod sides;

use std::ffi::OsString;

use clap::Args;
use serde_json::Value;

use super::args::{ConnectionOptions, OutputOptions, SelectionOptions, help};
use super::complaint::Complaint;
use super::exit::{self, Code, Ending};
use super::jq::Jq;
use super::terminal::Terminal;
use super::{connection, listeners, live, output, words};
use crate::base::ids::RunId;
use crate::base::sanitize::one_line;
use crate::base::secret::Masker;
use crate::check::lock as judging;
use crate::event::{Change, Publisher};
use crate::lock::{Entry, LISTS, compare, same_version, saved};
use crate::plan::TIMEOUT;
use crate::protocol::Answers;
use crate::report::changes::{self, Compared, Side};
use crate::report::render::{error, value};
use crate::report::{Look, count};
use crate::run::{Context, locked};
use sides::{Named, Sides};

/// `mcp-probe diff A B`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::DIFF)]
pub struct DiffArgs {
    /// What is compared, the old before the new: targets (URLs, names), lock files, or lists saved as JSON
    #[arg(value_name = "A|B")]
    pub words: Vec<String>,
    /// The command of a server, as one of the two
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// End with exit code 1 only where somebody who relies on the old may be let down
    #[arg(long, help_heading = "Compare")]
    pub breaking: bool,
    /// Which targets.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How targets are reached.
    #[command(flatten)]
    pub connection: ConnectionOptions,
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
pub fn run(args: &DiffArgs) -> Result<u8, Complaint> {
    let jq = args.jq.as_deref().map(Jq::compile).transpose()?;
    let named = words::targets(&args.words, &args.command)?;
    let connection = connection::connection(&args.connection, &named)?;
    let sides = Sides::of(&named, &connection, &args.selection, args.output.color)?;
    let consumers = listeners::consumers(&args.output, true)?;
    let wire = !consumers.is_empty();
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    let timeout = connection.timeout.unwrap_or(TIMEOUT);
    live::run(|signals| async move {
        let cx = Context::new(publisher.clone(), sides.masker.clone(), signals.drain.clone(), true);
        let declared = sides.declared();
        let asked: Vec<_> = sides.targets().map(|target| (target, locked::declaring(&declared))).collect();
        let asked: Vec<(_, Answers)> = asked.into_iter().collect();
        let mut progress = listeners::progress("reading definitions", &args.output);
        let read = locked::definitions(&cx, &asked, timeout, "diff").await;
        progress.clear();
        let unwritten = publisher.finish().first().map(|error| Complaint::new(Code::Undelivered, error.to_string()));
        if cx.cancel.is_cancelled() {
            return Ok(Code::Interrupted.number());
        }
        let look = Terminal::stderr(args.output.color).look;
        let mut entries: Vec<Entry> = Vec::new();
        let mut failed = Vec::new();
        for (found, entry) in read {
            if let Some(cause) = &found.cause {
                let said = error::failure(Some(&found.target), found.status, cause, &look);
                let _ = output::say(&sides.masker.mask(&said), true);
                failed.push(Ending::new(found.status, found.cause.as_ref(), found.connected));
            }
            entries.extend(entry);
        }
        if !failed.is_empty() {
            return Ok(exit::fold(failed, false, false).number());
        }
        let all = compared(sides.pairs(entries)?)?;
        tell(args, jq.as_ref(), &all, &sides.masker)?;
        let differs = if args.breaking { changes::are_breaking(&all) } else { !changes::are_equal(&all) };
        match unwritten {
            Some(complaint) if !differs => Err(complaint),
            _ => Ok(if differs { Code::Failed } else { Code::Healthy }.number()),
        }
    })
}

/// Compares each pair.
fn compared(pairs: Vec<(String, Named, Named)>) -> Result<Vec<Compared>, Complaint> {
    let one = |(target, mut old, mut new): (String, Named, Named)| {
        let changes = changes(&target, &mut old, &mut new)?;
        let same = same_version(&old.entry, &new.entry).cloned();
        let judged = judging::Compared::With {
            file: old.name.clone(),
            changes: changes.clone(),
            same_version: same,
            note: None,
        };
        let state = if changes.is_empty() { "same" } else { "changed" };
        let side = |named: Named| Side { name: named.name, server: named.entry.server, protocol: named.entry.protocol };
        Ok(Compared {
            target,
            state: state.to_owned(),
            findings: judged.finding().into_iter().collect(),
            changes,
            old: side(old),
            new: side(new),
        })
    };
    pairs.into_iter().map(one).collect()
}

/// What differs; of lists that one side did not save nothing is said.
fn changes(target: &str, old: &mut Named, new: &mut Named) -> Result<Vec<Change>, Complaint> {
    let is_one_sided = old.is_there != new.is_there;
    let any_saved = old.is_saved || new.is_saved;
    if any_saved && !is_one_sided {
        let (was, is) = (lists(&old.entry), lists(&new.entry));
        if new.is_saved {
            saved::restrict(&mut old.entry, &new.entry);
        }
        if old.is_saved {
            saved::restrict(&mut new.entry, &old.entry);
        }
        if old.entry.lists.is_empty() && new.entry.lists.is_empty() {
            let of = if target.is_empty() { String::new() } else { format!("of {}, ", one_line(target, 80)) };
            let (one, other) = (one_line(&old.name, 200), one_line(&new.name, 200));
            let message = format!("{of}{one} has {was}, and {other} has {is}: nothing of it can be compared");
            return Err(Complaint::usage(message).hint("save the same lists of both"));
        }
    }
    let mut changes = Vec::new();
    // Of a target that a saved file does not have no list was ever saved there.
    if !(any_saved && is_one_sided) {
        changes = compare::entries(&old.entry, &new.entry);
    }
    if is_one_sided && changes.is_empty() {
        changes.push(compare::whole(if old.is_there { &new.name } else { &old.name }, new.is_there));
    }
    Ok(changes)
}

/// The methods of the lists that were saved.
fn lists(entry: &Entry) -> String {
    let has = LISTS.iter().filter(|list| entry.lists.contains_key(&list.subject));
    let methods: Vec<&str> = has.map(|list| list.method).collect();
    if methods.is_empty() { "no list".to_owned() } else { methods.join(", ") }
}

fn tell(args: &DiffArgs, jq: Option<&Jq>, all: &[Compared], masker: &Masker) -> Result<(), Complaint> {
    let stdout = Terminal::stdout(args.output.color).look;
    let stderr = Terminal::stderr(args.output.color).look;
    if args.output.json || jq.is_some() {
        return say_document(all, jq, &stdout);
    }
    let several = all.len() > 1;
    let findings: String =
        all.iter().map(|one| error::findings(&one.findings, several.then_some(one.target.as_str()), &stderr)).collect();
    if stdout.is_terminal() {
        output::say(&masker.mask(&story(all, &stdout, args.output.quiet)), false)?;
        if changes::are_equal(all) && !args.output.quiet {
            output::say("no difference\n", false)?;
        }
    } else {
        output::say(&masker.mask(&changes::rows(all, &stdout)), false)?;
        if !args.output.quiet {
            output::say(&masker.mask(&changes::details(all, &stderr)), true)?;
        }
    }
    if args.output.quiet { Ok(()) } else { output::say(&masker.mask(&findings), true) }
}

/// The rows, the words of each change, and how many there are.
pub(super) fn story(all: &[Compared], look: &Look, quiet: bool) -> String {
    let mut text = changes::rows(all, look);
    if quiet || text.is_empty() {
        return text;
    }
    text.push_str(&changes::details(all, look));
    let changes: Vec<Change> = all.iter().flat_map(|one| one.changes.iter().cloned()).collect();
    text.push_str(&format!("\n{}: {}\n", count(changes.len(), "change"), Change::tally(&changes)));
    text
}

/// Prints the document, through a filter where there is one.
pub(super) fn say_document(all: &[Compared], jq: Option<&Jq>, look: &Look) -> Result<(), Complaint> {
    let document: Value = changes::document(all)
        .map_err(|error| Complaint::new(Code::Bug, format!("the JSON document could not be made: {error}")))?;
    match jq {
        Some(_) => output::say_json(&document, jq, look),
        None => output::say(&value::document(&document, look), false),
    }
}

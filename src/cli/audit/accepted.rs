//! The files that an audit is held against: the baseline of accepted violations, read and written, and the lock files.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::{AuditArgs, Request};
use crate::audit::baseline::{self, Entry};
use crate::base::{sanitize, whole};
use crate::cli::complaint::Complaint;
use crate::cli::exit::Code;
use crate::cli::{output, targets};
use crate::config::Source;
use crate::event::{AuditOutcome, Subject};
use crate::files::locks;
use crate::plan::Target;

/// Reads the baseline, and makes sure that none is written over unseen.
///
/// # Errors
/// Mistakes in it, no such file, or one that would be overwritten (2).
pub(super) fn read(args: &AuditArgs) -> Result<Vec<Entry>, Complaint> {
    if let Some(path) = &args.write_baseline {
        let shown = sanitize::one_line(&path.display().to_string(), 200);
        let renews = args.baseline.as_ref().is_some_and(|given| same(given, path));
        if path.exists() && !renews {
            return Err(Complaint::usage(format!("{shown} exists already"))
                .hint(format!("--baseline {shown} --write-baseline {shown} writes it anew and keeps its reasons")));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(Complaint::usage(format!("{shown} cannot be written: there is no such folder")));
        }
    }
    let Some(path) = &args.baseline else { return Ok(Vec::new()) };
    let mistakes = |diags: Vec<crate::config::Diag>| targets::mistakes(&diags, args.output.color);
    let text = locks::text(path).map_err(mistakes)?;
    baseline::read(&Source::new(path.display().to_string(), text, ".")).map_err(mistakes)
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Writes what has to be accepted, where that was asked for and every target could be audited; what is written counts at once.
///
/// # Errors
/// It cannot be written (7).
pub(super) fn write(request: &Request<'_>, all: &mut [AuditOutcome]) -> Result<(), Complaint> {
    let Some(path) = &request.args.write_baseline else { return Ok(()) };
    if all.iter().any(|one| one.protocol.is_none()) {
        output::say("no baseline was written: every target has to be audited first\n", true)?;
        return Ok(());
    }
    let entries = baseline::renewed(&request.accepted, all, request.args.strict);
    let shown = sanitize::one_line(&path.display().to_string(), 200);
    whole::replace(path, baseline::text(&entries).as_bytes(), None, true)
        .map_err(|error| Complaint::new(Code::Undelivered, format!("{shown} could not be written: {error}")))?;
    for one in all.iter_mut() {
        one.stale.clear();
    }
    baseline::apply(&entries, all);
    if !request.args.output.quiet {
        let count = crate::report::count(entries.len(), "accepted violation");
        output::say(&format!("note: {shown} has {count}; give each a reason\n"), true)?;
    }
    Ok(())
}

/// The tools in the lock files of these targets.
///
/// # Errors
/// Mistakes in a lock file, or one that was named and is not there (2).
pub(super) fn locked_tools(args: &AuditArgs, targets: &[Target]) -> Result<HashMap<String, Vec<Value>>, Complaint> {
    let given = args.lock_file.as_deref();
    let mut tools = HashMap::new();
    for target in targets {
        let path = locks::path_of(target, given);
        let lock = locks::read(&path).map_err(|diags| targets::mistakes(&diags, args.output.color))?;
        if lock.is_none() && given.is_some() {
            let shown = sanitize::one_line(&path.display().to_string(), 200);
            return Err(Complaint::usage(format!("there is no lock file {shown}")).hint("`mcp-probe lock` writes one"));
        }
        let entry = lock.and_then(|mut lock| lock.entries.remove(target.name.as_str()));
        if let Some(list) = entry.and_then(|mut entry| entry.lists.remove(&Subject::Tool)) {
            tools.insert(target.name.to_string(), list);
        }
    }
    Ok(tools)
}

//! From what was named to what is run: files, URLs, commands and names become one plan, without what nobody agreed to.

use std::path::Path;
use std::sync::Arc;

use crate::base::glob;
use crate::base::secret::Masker;
use crate::cli::args::{OutputOptions, SelectionOptions};
use crate::cli::complaint::Complaint;
use crate::cli::connection::Connection;
use crate::cli::consent::Consents;
use crate::cli::credentials::hide;
use crate::cli::exit::Code;
use crate::cli::targets;
use crate::cli::terminal::Colour;
use crate::cli::words::Named;
use crate::config::Diag;
use crate::event::{Cause, ProbeOutcome, Reason};
use crate::files::telling::Push;
use crate::files::{Folders, Found, Loaded, Machine, Scope, default_paths, given, load, locks};
use crate::plan::{NotSelected, Plan, Selection, Shard, Share, Target, Unusable};

/// What was chosen on the command line.
pub struct Choice<'a> {
    /// Files and targets that were named; none means the project's own files.
    pub named: &'a [Named],
    /// How targets are reached.
    pub connection: &'a Connection,
    /// Which targets.
    pub selection: &'a SelectionOptions,
    /// Patterns of probe names.
    pub probes: &'a [String],
    /// Whether the pushes of the files are wanted.
    pub pushing: bool,
    /// Which share of what is selected; none leaves it to the files.
    pub shard: Option<Shard>,
    /// How it is told.
    pub output: &'a OutputOptions,
}

/// What was planned.
pub struct Planned {
    /// The probes and their targets.
    pub plan: Plan,
    /// What must not be shown.
    pub masker: Masker,
    /// The outcomes of entries of other clients' files that cannot be used.
    pub unusable: Vec<ProbeOutcome>,
    /// The pushes of the files, where they were asked for.
    pub pushes: Vec<Push>,
    /// Variables that the files read as secrets for telling.
    pub hidden: Vec<String>,
}

/// The probes of the files and of the targets that were named, or of the project's files. A target without a probe
/// has the built-in one.
///
/// # Errors
/// Mistakes in files, unknown names (2); nothing selected (6).
pub fn plan(choice: &Choice<'_>) -> Result<Planned, Complaint> {
    let color = choice.output.color;
    let (mut files, mut names, mut direct) = (Vec::new(), Vec::new(), Vec::new());
    for named in choice.named {
        match named {
            Named::Path(path) => files.push(path.clone()),
            Named::Name(name) => names.push(name.as_str()),
            Named::Url(_) | Named::Command(_) => direct.push(named.clone()),
        }
    }
    let (mut plan, masker, mut unusable) = (Plan::default(), Masker::default(), Vec::new());
    let (mut pushes, mut hidden) = (Vec::new(), Vec::new());
    let mut nothing: Option<Complaint> = None;
    if !direct.is_empty() {
        match targets::resolve(&direct, choice.connection, choice.selection, color) {
            Ok(resolved) => {
                masker.absorb(&resolved.masker);
                plan = Plan::built_in(resolved.targets);
            }
            // What is selected may be among the others.
            Err(complaint) if complaint.code == Code::Nothing => nothing = Some(complaint),
            Err(complaint) => return Err(complaint),
        }
        if !choice.probes.is_empty() {
            plan.probes.retain(|probe| choice.probes.iter().any(|glob| glob::matches(glob, &probe.name)));
        }
        if let Some(shard) = choice.shard {
            divide(&mut plan, shard);
        }
        for probe in &mut plan.probes {
            probe.timeout = choice.connection.timeout.unwrap_or(probe.timeout);
        }
    }
    if names.is_empty() && direct.is_empty() {
        files.extend(choice.selection.file.iter().cloned());
    }
    let mut sources: Vec<Part> = Vec::new();
    if choice.named.is_empty() && files.is_empty() {
        let files = default_paths(Path::new("."));
        if files.is_empty() {
            return Err(Complaint::new(Code::Nothing, "there is no ./mcp-probe.toml and no ./probes/*.toml here")
                .hint("name a probe file, a URL, or a command after `--`"));
        }
        let loaded = load(&files, true, &Machine).map_err(|diags| targets::mistakes(&diags, color))?;
        sources.push(Part { scope: Scope::Project, loaded, names: Vec::new() });
    } else if !files.is_empty() {
        let merged = given(&files, &Folders::here(), &Machine).and_then(|discovery| discovery.merged());
        let loaded = merged.map_err(|diags| targets::mistakes(&diags, color))?;
        sources.push(Part { scope: Scope::Given, loaded, names: Vec::new() });
    }
    sources.extend(places(choice, &names)?);
    for part in sources {
        hidden.extend(part.loaded.telling.secret_variables());
        if choice.pushing {
            pushes.extend(pushes_of(&part.loaded, &masker).map_err(|diags| targets::mistakes_of(&diags, color))?);
        }
        match add(choice, &part, &mut plan, &masker) {
            Ok(outcomes) => unusable.extend(outcomes),
            Err(complaint) if complaint.code == Code::Nothing => nothing = nothing.or(Some(complaint)),
            Err(complaint) => return Err(complaint),
        }
    }
    if plan.pairs().next().is_none() && unusable.is_empty() && plan.share.is_none() {
        return Err(nothing.unwrap_or_else(|| Complaint::new(Code::Nothing, "no probe is selected")));
    }
    for (_, target) in plan.pairs() {
        hide(target, &masker);
    }
    if choice.pushing && pushes.is_empty() {
        return Err(Complaint::usage("there is nowhere to push: the files that are read have no `[[push]]`")
            .hint("write one: [[push]], kind = \"pushgateway\", url = \"http://127.0.0.1:9091\""));
    }
    Ok(Planned { plan, masker, unusable, pushes, hidden })
}

/// The pushes of some files, their secrets hidden.
fn pushes_of(loaded: &Loaded, masker: &Masker) -> Result<Vec<Push>, Vec<Diag>> {
    let mut secrets = Vec::new();
    let pushes = loaded.telling.resolve_pushes(&Machine, &mut secrets)?;
    for secret in &secrets {
        masker.add(secret);
    }
    Ok(pushes)
}

/// Leaves of what was named on the command line what is this prober's.
fn divide(plan: &mut Plan, shard: Shard) {
    let all = plan.pairs().count();
    plan.probes.iter_mut().for_each(|probe| probe.targets.retain(|target| shard.has(&target.name)));
    plan.probes.retain(|probe| !probe.targets.is_empty());
    plan.targets.retain(|target| shard.has(&target.name));
    plan.share = Some(Share { shard, pairs: plan.pairs().count(), all });
}

/// The shares of two parts of one plan.
fn together(one: Option<Share>, other: Option<Share>) -> Option<Share> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Share { pairs: one.pairs + other.pairs, all: one.all + other.all, ..one }),
        (one, other) => one.or(other),
    }
}

/// What was read of some files, and what of it was named.
struct Part {
    scope: Scope,
    loaded: Loaded,
    /// Exact names of targets, each with how it is written so that it means no other; empty means all.
    names: Vec<(String, String)>,
}

/// What was read of each place that has a target which was named, with the names there.
fn places(choice: &Choice<'_>, names: &[&str]) -> Result<Vec<Part>, Complaint> {
    let mut places: Vec<Part> = Vec::new();
    for name in names {
        let (mut discovery, index, name) = targets::find(name, choice.named, choice.selection, choice.output.color)?;
        let written = targets::Names::of(&discovery).write(index, &name);
        let name = (name, written);
        let merged = discovery.merged().ok();
        let Found { scope, loaded, .. } = discovery.found.swap_remove(index);
        // Files that are given are one plan: the probes of one may name a target of another.
        let loaded = merged.filter(|_| scope == Scope::Given).unwrap_or(loaded);
        match places.iter_mut().find(|part| part.scope == scope && part.loaded.files == loaded.files) {
            Some(part) => part.names.push(name),
            None => {
                let mut part = Part { scope, loaded, names: vec![name] };
                // Each name stands in one place only, else there was a complaint: naming it is the consent.
                part.loaded.draft.found = false;
                places.push(part);
            }
        }
    }
    Ok(places)
}

/// Adds what is selected of what was read. Gives the outcomes of entries of other clients' files that cannot be used: they
/// keep nobody from the others, and are not forgotten either.
fn add(choice: &Choice<'_>, part: &Part, plan: &mut Plan, masker: &Masker) -> Result<Vec<ProbeOutcome>, Complaint> {
    let color = choice.output.color;
    if !choice.output.quiet {
        targets::warn(&part.loaded.warnings, color);
    }
    let selection = Selection {
        named: part.names.iter().map(|(name, _)| name.clone()).collect(),
        probes: choice.probes.to_vec(),
        targets: choice.selection.target.clone(),
        labels: targets::labels(choice.selection)?,
        shard: choice.shard,
        everywhere: Vec::new(),
    };
    let mut selected = part.loaded.draft.select(&selection, &Machine).map_err(|why| match why {
        NotSelected::Nothing(why) => Complaint::new(Code::Nothing, why),
        NotSelected::Mistakes(diags) => targets::mistakes_of(&diags, color),
    })?;
    masker.absorb(&selected.masker);
    lay_over(&mut selected.plan, choice.connection, &part.names);
    if !choice.output.quiet {
        targets::warn_of_entries(selected.plan.targets.iter().map(Arc::as_ref));
    }
    plan.targets.append(&mut selected.plan.targets);
    plan.probes.append(&mut selected.plan.probes);
    plan.share = together(plan.share, selected.plan.share);
    let outcome = |unusable: Unusable| {
        let cause = Cause::new(Reason::Cancelled, targets::sentence(&unusable.diags));
        ProbeOutcome::not_run(&unusable.probe, &unusable.target, &unusable.labels, cause)
    };
    Ok(selected.unusable.into_iter().map(outcome).collect())
}

/// What the command line says of reaching targets and of time wins over the files. `names` says how targets are written
/// where others have the same name.
fn lay_over(plan: &mut Plan, connection: &Connection, names: &[(String, String)]) {
    // In a plan, a timeout is that of an attempt; only --startup-timeout is that of the start.
    let of_targets = Connection { timeout: None, ..connection.clone() };
    let changed = |target: &mut Arc<Target>| {
        let mut changed = (**target).clone();
        targets::lay_over(&mut changed, &of_targets);
        if let Some((_, written)) = names.iter().find(|(name, _)| *name == changed.name) {
            changed.name = written.into();
        }
        *target = changed.into();
    };
    for probe in &mut plan.probes {
        if let Some(timeout) = connection.timeout {
            probe.timeout = timeout;
        }
        probe.targets.iter_mut().for_each(changed);
    }
    plan.targets.iter_mut().for_each(changed);
}

/// Lets every target that is compared with its lock file know what stands there.
///
/// # Errors
/// Mistakes in the lock files (2).
pub fn know_locks(plan: &mut Plan, file: Option<&Path>, color: Option<Colour>) -> Result<(), Complaint> {
    locks::attach(plan, file).map_err(|diags| targets::mistakes(&diags, color))
}

/// Takes out what nobody agreed to; gives its outcomes, which are unknown.
pub fn withhold(choice: &Choice<'_>, plan: &mut Plan) -> Vec<ProbeOutcome> {
    let mut consents = Consents::open(choice.selection.yes);
    leave_out(plan, |target| consents.agrees(target))
}

/// Takes out the targets that `agrees` refuses; gives their outcomes, which are unknown.
pub fn leave_out(plan: &mut Plan, mut agrees: impl FnMut(&Target) -> bool) -> Vec<ProbeOutcome> {
    let refused: Vec<String> =
        plan.targets.iter().filter(|target| !agrees(target)).map(|target| target.name.to_string()).collect();
    let mut outcomes = Vec::new();
    for probe in &mut plan.probes {
        let name = probe.name.clone();
        probe.targets.retain(|target| {
            let withheld = refused.iter().any(|name| target.name == *name);
            if withheld {
                let cause = targets::no_consent(target);
                outcomes.push(ProbeOutcome::not_run(&name, &target.name, &target.labels, cause));
            }
            !withheld
        });
    }
    outcomes
}

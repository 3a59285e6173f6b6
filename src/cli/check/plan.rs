//! From what was named to what is run: files, URLs, commands and names become one plan, without what nobody agreed to.

use crate::base::secret::Masker;
use crate::cli::args::{OutputOptions, SelectionOptions};
use crate::cli::complaint::Complaint;
use crate::cli::connection::Connection;
use crate::cli::consent::Consents;
use crate::cli::credentials::hide;
use crate::cli::exit::Code;
use crate::cli::targets;
use crate::cli::words::Named;
use crate::event::{Cause, ProbeOutcome, Reason};
use crate::files::{Folders, Loaded, Machine, PROBES, default_paths, given, load};
use crate::plan::{BUILT_IN, NotSelected, Plan, Selection, glob};

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
    /// How it is told.
    pub output: &'a OutputOptions,
}

/// The probes of the files and of the targets that were named, or of the project's files. A target without a probe
/// has the built-in one. With it come the outcomes of entries of other clients' files that cannot be used.
///
/// # Errors
/// Mistakes in files, unknown names (2); nothing selected (6).
pub fn plan(choice: &Choice<'_>) -> Result<(Plan, Masker, Vec<ProbeOutcome>), Complaint> {
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
    if !direct.is_empty() {
        let resolved = targets::resolve(&direct, choice.connection, choice.selection, color)?;
        masker.absorb(&resolved.masker);
        plan = Plan::built_in(resolved.targets);
        if !choice.probes.is_empty() {
            plan.probes.retain(|probe| choice.probes.iter().any(|glob| glob::matches(glob, &probe.name)));
        }
        for probe in &mut plan.probes {
            probe.timeout = choice.connection.timeout.unwrap_or(probe.timeout);
        }
    }
    if names.is_empty() && direct.is_empty() {
        files.extend(choice.selection.file.iter().cloned());
    }
    let found = choice.named.is_empty() && files.is_empty();
    if found {
        files = default_paths(std::path::Path::new("."));
        if files.is_empty() {
            return Err(Complaint::new(Code::Nothing, "there is no ./mcp-probe.toml and no ./probes/*.toml here")
                .hint("name a probe file, a URL, or a command after `--`"));
        }
    }
    if found {
        let loaded = load(&files, found, &Machine).map_err(|diags| targets::mistakes(&diags, color))?;
        add(choice, &loaded, Vec::new(), &mut plan, &masker)?;
    } else if !files.is_empty() {
        let discovery = given(&files, &Folders::here(), &Machine).map_err(|diags| targets::mistakes(&diags, color))?;
        for place in &discovery.found {
            if place.source == PROBES {
                add(choice, &place.loaded, Vec::new(), &mut plan, &masker)?;
                continue;
            }
            let (names, outcomes) = usable(choice, &place.loaded);
            unusable.extend(outcomes);
            if !names.is_empty() {
                add(choice, &place.loaded, names, &mut plan, &masker)?;
            }
        }
    }
    for (mut loaded, names) in places(choice, &names)? {
        // Each name stands in one place only, else there was a complaint: naming it is the consent.
        loaded.draft.found = false;
        add(choice, &loaded, names, &mut plan, &masker)?;
    }
    if plan.pairs().next().is_none() && unusable.is_empty() {
        return Err(Complaint::new(Code::Nothing, "no probe is selected"));
    }
    for (_, target) in plan.pairs() {
        hide(target, &masker);
    }
    Ok((plan, masker, unusable))
}

/// The targets of another client's file that it uses and that can be used, and outcomes for those that cannot: a broken
/// entry keeps nobody from the others, and is not forgotten either.
fn usable(choice: &Choice<'_>, loaded: &Loaded) -> (Vec<String>, Vec<ProbeOutcome>) {
    let (mut names, mut outcomes) = (Vec::new(), Vec::new());
    let any = |globs: &[String], name: &str| globs.is_empty() || globs.iter().any(|glob| glob::matches(glob, name));
    // These entries have no labels and no probes of their own.
    let wanted = choice.selection.label.is_empty() && any(choice.probes, BUILT_IN);
    let targets = loaded.draft.targets.iter().filter(|target| wanted && any(&choice.selection.target, &target.name));
    for target in targets.filter(|target| target.disabled.is_none()) {
        match loaded.draft.target(&target.name, &Machine) {
            Some(Err(diags)) => {
                let cause = Cause::new(Reason::Cancelled, targets::sentence(&diags));
                outcomes.push(ProbeOutcome::not_run(BUILT_IN, &target.name, &target.labels, cause));
            }
            Some(Ok(_)) => names.push(target.name.clone()),
            None => {}
        }
    }
    (names, outcomes)
}

/// What was read of each place that has a target which was named, with the names there.
fn places(choice: &Choice<'_>, names: &[&str]) -> Result<Vec<(Loaded, Vec<String>)>, Complaint> {
    let mut places: Vec<(Loaded, Vec<String>)> = Vec::new();
    for name in names {
        let (mut discovery, index, name) = targets::find(name, choice.named, choice.selection, choice.output.color)?;
        let loaded = discovery.found.swap_remove(index).loaded;
        match places.iter_mut().find(|(have, _)| have.files == loaded.files) {
            Some((_, names)) => names.push(name),
            None => places.push((loaded, vec![name])),
        }
    }
    Ok(places)
}

/// Adds what is selected of what was read; `named` are exact names of targets.
fn add(
    choice: &Choice<'_>,
    loaded: &Loaded,
    named: Vec<String>,
    plan: &mut Plan,
    masker: &Masker,
) -> Result<(), Complaint> {
    let color = choice.output.color;
    if !choice.output.quiet {
        targets::warn_of(loaded, color);
    }
    let selection = Selection {
        named,
        probes: choice.probes.to_vec(),
        targets: choice.selection.target.clone(),
        labels: targets::labels(choice.selection)?,
    };
    let mut selected = loaded.draft.select(&selection, &Machine).map_err(|why| match why {
        NotSelected::Nothing(why) => Complaint::new(Code::Nothing, why),
        NotSelected::Mistakes(diags) => targets::mistakes_of(loaded, &diags, color),
    })?;
    masker.absorb(&selected.masker);
    lay_over(&mut selected.plan, choice.connection);
    plan.targets.append(&mut selected.plan.targets);
    plan.probes.append(&mut selected.plan.probes);
    Ok(())
}

/// What the command line says of reaching targets and of time wins over the files.
fn lay_over(plan: &mut Plan, connection: &Connection) {
    for probe in &mut plan.probes {
        if let Some(timeout) = connection.timeout {
            probe.timeout = timeout;
        }
        for target in &mut probe.targets {
            let mut changed = (**target).clone();
            let startup = changed.startup_timeout;
            targets::lay_over(&mut changed, connection);
            if connection.startup_timeout.is_none() {
                changed.startup_timeout = startup;
            }
            *target = changed.into();
        }
    }
}

/// Takes out what nobody agreed to; gives its outcomes, which are unknown.
pub fn withhold(choice: &Choice<'_>, plan: &mut Plan) -> Vec<ProbeOutcome> {
    let mut consents = Consents::open(choice.selection.yes);
    let refused: Vec<String> =
        plan.targets.iter().filter(|target| !consents.agrees(target)).map(|target| target.name.clone()).collect();
    let mut outcomes = Vec::new();
    for probe in &mut plan.probes {
        let name = probe.name.clone();
        probe.targets.retain(|target| {
            let withheld = refused.contains(&target.name);
            if withheld {
                let cause = targets::no_consent(target);
                outcomes.push(ProbeOutcome::not_run(&name, &target.name, &target.labels, cause));
            }
            !withheld
        });
    }
    outcomes
}

//! Carries `check` out: reads the files, runs what is selected, tells.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Request, prepare, tell};
use crate::base::ids::RunId;
use crate::base::secret::Masker;
use crate::cli::args::CheckArgs;
use crate::cli::complaint::Complaint;
use crate::cli::consent::Consents;
use crate::cli::credentials::hide;
use crate::cli::exit::Code;
use crate::cli::words::Named;
use crate::cli::{listeners, live, targets};
use crate::config::Diag;
use crate::event::{Cause, Phases, ProbeOutcome, Publisher, Reason, Status};
use crate::files::{Folders, Loaded, Machine, PROBES, default_paths, given, load};
use crate::plan::{BUILT_IN, NotSelected, Plan, Selection, glob};
use crate::report::json::Run;
use crate::run::{self, Context};

/// Probes that run at the same time, unless `--jobs` says otherwise.
const JOBS: u16 = 8;

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When something cannot be meant, is not there, or cannot be told.
pub fn run(check: &CheckArgs) -> Result<u8, Complaint> {
    let request = prepare(check)?;
    let (mut plan, masker, unusable) = plan(check, &request)?;
    let order: Vec<(String, String)> =
        plan.pairs().map(|(probe, target)| (probe.name.clone(), target.name.clone())).collect();
    let withheld = withhold(check, &mut plan);
    let consumers = listeners::consumers(&check.output, plan.targets.len() > 1)?;
    let wire = !consumers.is_empty();
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    live::run(|signals| async move {
        let started_at = jiff::Timestamp::now();
        let begun = Instant::now();
        let cx = Context::new(publisher.clone(), masker.clone(), signals.drain.clone(), true);
        let text = format!("{} probes", plan.pairs().count());
        let mut progress = listeners::progress(&text, &check.output);
        let mut outcomes = run::check::check(&cx, &plan, usize::from(check.jobs.unwrap_or(JOBS))).await;
        progress.clear();
        outcomes.extend(withheld);
        outcomes.extend(unusable);
        outcomes.sort_by_key(|outcome| {
            let at = order.iter().position(|(probe, target)| *probe == outcome.name && *target == outcome.target);
            at.unwrap_or(usize::MAX)
        });
        let mut errors = publisher.finish();
        errors.dedup_by_key(|error| error.to_string());
        for error in &errors {
            let _ = crate::cli::output::say(&format!("error: {error}\n"), true);
        }
        let run = Run { started_at, duration: begun.elapsed(), probes: &outcomes };
        tell(check, &request, &run, &masker, !errors.is_empty())
    })
}

/// The probes of the files and of the targets that were named, or of the project's files. A target without a probe
/// has the built-in one. With it come the outcomes of entries of other clients' files that cannot be used.
fn plan(check: &CheckArgs, request: &Request) -> Result<(Plan, Masker, Vec<ProbeOutcome>), Complaint> {
    let color = check.output.color;
    let (mut files, mut names, mut direct) = (Vec::new(), Vec::new(), Vec::new());
    for named in &request.named {
        match named {
            Named::Path(path) => files.push(path.clone()),
            Named::Name(name) => names.push(name.as_str()),
            Named::Url(_) | Named::Command(_) => direct.push(named.clone()),
        }
    }
    let (mut plan, masker, mut unusable) = (Plan::default(), Masker::default(), Vec::new());
    if !direct.is_empty() {
        let resolved = targets::resolve(&direct, &request.connection, &check.selection, color)?;
        masker.absorb(&resolved.masker);
        plan = Plan::built_in(resolved.targets);
        if !check.probe.is_empty() {
            plan.probes.retain(|probe| check.probe.iter().any(|glob| glob::matches(glob, &probe.name)));
        }
        for probe in &mut plan.probes {
            probe.timeout = request.connection.timeout.unwrap_or(probe.timeout);
        }
    }
    if names.is_empty() && direct.is_empty() {
        files.extend(check.selection.file.iter().cloned());
    }
    let found = request.named.is_empty() && files.is_empty();
    if found {
        files = default_paths(std::path::Path::new("."));
        if files.is_empty() {
            return Err(Complaint::new(Code::Nothing, "there is no ./mcp-probe.toml and no ./probes/*.toml here")
                .hint("name a probe file, a URL, or a command after `--`"));
        }
    }
    if found {
        let loaded = load(&files, found, &Machine).map_err(|diags| targets::mistakes(&diags, color))?;
        add(check, request, &loaded, Vec::new(), &mut plan, &masker)?;
    } else if !files.is_empty() {
        let discovery = given(&files, &Folders::here(), &Machine).map_err(|diags| targets::mistakes(&diags, color))?;
        for place in &discovery.found {
            if place.source == PROBES {
                add(check, request, &place.loaded, Vec::new(), &mut plan, &masker)?;
                continue;
            }
            let (names, outcomes) = usable(check, &place.loaded);
            unusable.extend(outcomes);
            if !names.is_empty() {
                add(check, request, &place.loaded, names, &mut plan, &masker)?;
            }
        }
    }
    for (mut loaded, names) in places(check, request, &names)? {
        // Each name stands in one place only, else there was a complaint: naming it is the consent.
        loaded.draft.found = false;
        add(check, request, &loaded, names, &mut plan, &masker)?;
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
fn usable(check: &CheckArgs, loaded: &Loaded) -> (Vec<String>, Vec<ProbeOutcome>) {
    let (mut names, mut outcomes) = (Vec::new(), Vec::new());
    let any = |globs: &[String], name: &str| globs.is_empty() || globs.iter().any(|glob| glob::matches(glob, name));
    // These entries have no labels and no probes of their own.
    let wanted = check.selection.label.is_empty() && any(&check.probe, BUILT_IN);
    let targets = loaded.draft.targets.iter().filter(|target| wanted && any(&check.selection.target, &target.name));
    for target in targets.filter(|target| target.disabled.is_none()) {
        match loaded.draft.target(&target.name, &Machine) {
            Some(Err(diags)) => {
                let cause = Cause::new(Reason::Cancelled, reasons(&diags));
                outcomes.push(unknown(BUILT_IN, &target.name, &target.labels, cause));
            }
            Some(Ok(_)) => names.push(target.name.clone()),
            None => {}
        }
    }
    (names, outcomes)
}

/// Mistakes in an entry, without the lines they stand on: those may hold anybody's secrets.
fn reasons(diags: &[Diag]) -> String {
    let reason = |diag: &Diag| {
        let place = diag.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        let help = diag.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{place}{}{help}", diag.message)
    };
    diags.iter().map(reason).collect::<Vec<_>>().join("; ")
}

/// The outcome of a probe that was not run.
fn unknown(probe: &str, target: &str, labels: &BTreeMap<String, String>, cause: Cause) -> ProbeOutcome {
    ProbeOutcome {
        name: probe.to_owned(),
        target: target.to_owned(),
        labels: labels.clone(),
        started_at: jiff::Timestamp::now(),
        status: Status::Unknown,
        cause: Some(cause),
        connected: false,
        server: None,
        protocol: None,
        duration: std::time::Duration::ZERO,
        phases: Phases::default(),
        attempts: Vec::new(),
        steps: Vec::new(),
        findings: Vec::new(),
        usage: None,
    }
}

/// What was read of each place that has a target which was named, with the names there.
fn places(check: &CheckArgs, request: &Request, names: &[&str]) -> Result<Vec<(Loaded, Vec<String>)>, Complaint> {
    let mut places: Vec<(Loaded, Vec<String>)> = Vec::new();
    for name in names {
        let (mut discovery, index, name) = targets::find(name, &request.named, &check.selection, check.output.color)?;
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
    check: &CheckArgs,
    request: &Request,
    loaded: &Loaded,
    named: Vec<String>,
    plan: &mut Plan,
    masker: &Masker,
) -> Result<(), Complaint> {
    let color = check.output.color;
    if !check.output.quiet {
        targets::warn(&loaded.warnings, color);
    }
    let selection = Selection {
        named,
        probes: check.probe.clone(),
        targets: check.selection.target.clone(),
        labels: targets::labels(&check.selection)?,
    };
    let mut selected = loaded.draft.select(&selection, &Machine).map_err(|why| match why {
        NotSelected::Nothing(why) => Complaint::new(Code::Nothing, why),
        NotSelected::Mistakes(diags) => targets::mistakes(&diags, color),
    })?;
    masker.absorb(&selected.masker);
    lay_over(&mut selected.plan, request);
    plan.targets.append(&mut selected.plan.targets);
    plan.probes.append(&mut selected.plan.probes);
    Ok(())
}

/// What the command line says of reaching targets and of time wins over the files.
fn lay_over(plan: &mut Plan, request: &Request) {
    let connection = &request.connection;
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
fn withhold(check: &CheckArgs, plan: &mut Plan) -> Vec<ProbeOutcome> {
    let mut consents = Consents::open(check.selection.yes);
    let refused: Vec<String> =
        plan.targets.iter().filter(|target| !consents.agrees(target)).map(|target| target.name.clone()).collect();
    let mut outcomes = Vec::new();
    for probe in &mut plan.probes {
        let name = probe.name.clone();
        probe.targets.retain(|target| {
            let withheld = refused.contains(&target.name);
            if withheld {
                outcomes.push(unknown(&name, &target.name, &target.labels, targets::no_consent(target)));
            }
            !withheld
        });
    }
    outcomes
}

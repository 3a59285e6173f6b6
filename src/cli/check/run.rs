//! Carries `check` out: reads the files, runs what is selected, tells.

use std::collections::BTreeMap;
use std::time::Instant;

use super::plan::{Choice, Planned, know_locks, plan, withhold};
use super::push::Pushes;
use super::{Judging, Request, dry_run, prepare, tell};
use crate::base::ids::RunId;
use crate::base::sanitize;
use crate::base::secret::Masker;
use crate::cli::args::{CheckArgs, FailOn};
use crate::cli::complaint::Complaint;
use crate::cli::exit::Code;
use crate::cli::{explain, listeners, live};
use crate::deliver::Courier;
use crate::event::{ProbeOutcome, Publisher, Status, without_replica};
use crate::metrics::Snapshot;
use crate::plan::Plan;
use crate::report::Run;
use crate::run::check::{Options, check as run_plan};
use crate::run::replicas::look_up_all;
use crate::run::{Context, Traces};

/// Probes that run at the same time, unless `--jobs` says otherwise.
const JOBS: u16 = 8;

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When something cannot be meant, is not there, or cannot be told.
pub fn run(check: &CheckArgs) -> Result<u8, Complaint> {
    let request = prepare(check)?;
    let choice = Choice {
        named: &request.named,
        connection: &request.connection,
        selection: &check.selection,
        probes: &check.probe,
        pushing: check.push || check.require_push,
        shard: check.shard,
        output: &check.output,
    };
    let Planned { mut plan, masker, unusable, pushes, hidden } = plan(&choice)?;
    lay_over(check, &mut plan)?;
    if check.dry_run {
        if !check.output.quiet {
            warn(&unusable, &masker);
        }
        return dry_run::tell(check, &request, &plan, &masker);
    }
    if let Some(share) = plan.share.filter(|_| !check.output.quiet) {
        crate::cli::output::say(&format!("{share}\n"), true)?;
    }
    let order = order(&plan);
    let mut withheld = withhold(&choice, &mut plan);
    withheld.extend(unusable);
    let mut consumers = listeners::consumers(&check.output, plan.targets.len() > 1)?;
    let wire = !consumers.is_empty();
    consumers.extend(listeners::bar(&check.output));
    let pushes = Pushes::new(pushes).map_err(Complaint::usage)?;
    let ears = pushes.ears(&masker);
    let wire = wire || ears.iter().any(|ear| ear.wire);
    let traces = Traces { kept: ears.iter().any(|ear| ear.traces), ..Traces::of_environment() };
    consumers.extend(ears.into_iter().map(|ear| ear.consumer));
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    let options = options(check);
    live::run(|signals| async move {
        let started_at = jiff::Timestamp::now();
        let begun = Instant::now();
        let known = look_up_all(&plan).await;
        let plan = plan.with_replicas(&known);
        let cx = Context::new(publisher.clone(), masker.clone(), signals.drain.clone(), true)
            .with_traces(traces)
            .with_transcripts(request.outlets.wants("html"));
        let mut outcomes = run_plan(&cx, &plan, options).await;
        if let Some(client) = request.connection.as_client {
            crate::cli::as_client::annotate(&mut outcomes, &plan, client);
        }
        let duration = begun.elapsed();
        let untold = listeners::finish(&publisher);
        outcomes.extend(withheld);
        sort(&mut outcomes, &order);
        for outcome in &mut outcomes {
            outcome.mask_whole(&masker);
        }
        let folder = std::env::current_dir().ok();
        let run = Run {
            interrupted: signals.caught().is_some(),
            degraded_fails: check.fail_on == Some(FailOn::Degraded),
            folder: folder.as_deref(),
            explain: explain::meaning,
            ..Run::new(started_at, duration, &outcomes)
        };
        let snapshot = Snapshot::of_runs(&outcomes, jiff::Timestamp::now()).with_server_ids(server_ids(&plan));
        let courier = Courier::new(masker.clone()).hiding(hidden);
        let push = pushes.push(check.require_push, &snapshot, &courier, &masker, &signals.drain);
        let (code, lost) = tell_and_push(check, &request, &run, untold, push).await?;
        let undelivered = lost || untold;
        // Nothing to do is in order where the others have it.
        let is_idle = plan.share.is_some() && outcomes.is_empty() && !undelivered;
        Ok(if is_idle && code != Code::Undelivered.number() { Code::Healthy.number() } else { code })
    })
}

/// The exit code, and whether something that was required could not be pushed. The answer does not wait for those who are
/// told beside, unless its first word says how they were told. What cannot be told here is told there all the same.
async fn tell_and_push(
    check: &CheckArgs,
    request: &Request,
    run: &Run<'_>,
    untold: bool,
    push: impl Future<Output = bool>,
) -> Result<(u8, bool), Complaint> {
    let (told, lost) = if request.outlets.wants("nagios") {
        let lost = push.await;
        (tell(check, request, run, untold || lost), lost)
    } else {
        let told = tell(check, request, run, untold);
        (told, push.await)
    };
    told.map(|code| (if lost { without_push(check, code, run.probes) } else { code }, lost))
}

/// The exit code where something that was required could not be pushed: it weighs less than what was found.
fn without_push(check: &CheckArgs, code: u8, outcomes: &[ProbeOutcome]) -> u8 {
    let judging = Judging { fail_on: check.fail_on, exit_style: check.exit_style };
    if code == Code::Healthy.number() { super::code(judging, outcomes, true) } else { code }
}

/// Targets that a hub knows by another name.
fn server_ids(plan: &Plan) -> BTreeMap<String, String> {
    let named = plan.targets.iter().filter_map(|target| Some((target.name.to_string(), target.server_id.clone()?)));
    named.collect()
}

fn options(check: &CheckArgs) -> Options {
    let worst = match check.fail_on {
        Some(FailOn::Degraded) => Status::Degraded,
        None => Status::Failed,
    };
    Options {
        jobs: usize::from(check.jobs.unwrap_or(JOBS)),
        repeat: check.repeat.unwrap_or(1),
        fail_fast: check.fail_fast.then_some(worst),
    }
}

/// Says which targets cannot be used, and why.
fn warn(unusable: &[ProbeOutcome], masker: &Masker) {
    for outcome in unusable {
        let why = outcome.cause.as_ref().map_or("", |cause| cause.message.as_str());
        let told = sanitize::one_line(&masker.mask(&format!("{}: {why}", outcome.target)), 600);
        let _ = crate::cli::output::say(&format!("warning: {told}\n"), true);
    }
}

/// What the command line says of all probes; and what is compared with a lock file learns what stands there.
fn lay_over(check: &CheckArgs, plan: &mut Plan) -> Result<(), Complaint> {
    for probe in &mut plan.probes {
        probe.retries = check.retries.unwrap_or(probe.retries);
        probe.locked = check.locked;
    }
    know_locks(plan, check.lock_file.as_deref(), check.output.color)
}

/// Every probe with its target, in the order in which they are told.
fn order(plan: &Plan) -> Vec<(String, String)> {
    plan.pairs().map(|(probe, target)| (probe.name.to_string(), target.name.to_string())).collect()
}

/// The files' order, repetition by repetition.
fn sort(outcomes: &mut [ProbeOutcome], order: &[(String, String)]) {
    let places: std::collections::HashMap<(&str, &str), usize> =
        order.iter().enumerate().map(|(place, (probe, target))| ((probe.as_str(), target.as_str()), place)).collect();
    outcomes.sort_by_key(|outcome| {
        let place = |target| places.get(&(outcome.name.as_str(), target)).copied();
        // Replicas stand behind the row of their name.
        let place = place(&outcome.target).or_else(|| place(without_replica(&outcome.target)));
        (outcome.repetition.unwrap_or(1), place.unwrap_or(usize::MAX))
    });
}

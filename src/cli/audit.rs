//! `mcp-probe audit TARGET...`: every rule of the specification that can be seen from outside, with the evidence. Nothing
//! invalid is sent and no tool is called unless the command line says so.

mod dry_run;

use std::ffi::OsString;
use std::time::Instant;

use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::args::{ConnectionOptions, OutputOptions, SelectionOptions, help};
use super::complaint::Complaint;
use super::consent::Consents;
use super::exit::{self, Code, Ending};
use super::jq::Jq;
use super::progress::Progress;
use super::terminal::Terminal;
use super::{connection, listeners, live, output, targets, words};
use crate::audit::{Class, Exercise, Named, rules};
use crate::base::glob;
use crate::base::ids::RunId;
use crate::base::sanitize;
use crate::config::suggest::nearest;
use crate::event::{AuditOutcome, Publisher};
use crate::plan::{Pin, TIMEOUT, Target};
use crate::protocol::Revision;
use crate::report::audit::{self, Detail};
use crate::report::audit_json;
use crate::report::render::error;
use crate::run::Context;
use crate::run::audit::{AuditPlan, Audited, Unspoken, audit_every, no_arguments, place_of};
use crate::run::reach::Stage;

/// Targets that are audited at the same time.
const TOGETHER_MAX: usize = 4;

/// `mcp-probe audit TARGET...`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::AUDIT)]
pub struct AuditArgs {
    /// URLs, names of targets, or files with targets
    #[arg(value_name = "TARGET")]
    pub words: Vec<String>,
    /// The server's command, started over stdio
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Send also what no correct client would: unknown methods, malformed messages, names that nobody has
    #[arg(long, help_heading = "Audit")]
    pub invasive: bool,
    /// Carry out also what takes long or many requests
    #[arg(long, help_heading = "Audit")]
    pub slow: bool,
    /// Call this tool, with these arguments, where a rule needs a call; may be repeated
    #[arg(long, value_name = "NAME[=JSON]", value_parser = tool, help_heading = "Audit")]
    pub tool: Vec<Named>,
    /// Only rules whose id matches; may be repeated
    #[arg(long, value_name = "GLOB", help_heading = "Audit")]
    pub rule: Vec<String>,
    /// One audit for each revision that the server answers to, instead of the one that is negotiated
    #[arg(long, help_heading = "Audit")]
    pub every_revision: bool,
    /// Treat violations of SHOULD as failures, too
    #[arg(long, help_heading = "Audit")]
    pub strict: bool,
    /// Print every message that would be sent, and the rules it is for; start nothing and send nothing
    #[arg(long, help_heading = "Audit", conflicts_with = "trace")]
    pub dry_run: bool,
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

fn tool(text: &str) -> Result<Named, String> {
    let (name, arguments) = match text.split_once('=') {
        None => (text, no_arguments()),
        Some((name, json)) => {
            let arguments: Value =
                serde_json::from_str(json).map_err(|error| format!("the arguments are no JSON: {error}"))?;
            if !arguments.is_object() {
                return Err("the arguments of a tool are a JSON object, such as {\"message\":\"hi\"}".to_owned());
            }
            (name, arguments)
        }
    };
    if name.is_empty() {
        return Err("the name of the tool is missing".to_owned());
    }
    Ok(Named { name: name.to_owned(), arguments })
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When something cannot be meant, is not there, or cannot be written.
pub fn run(args: &AuditArgs) -> Result<u8, Complaint> {
    let jq = args.jq.as_deref().map(Jq::compile).transpose()?;
    let plan = plan(args)?;
    let named = words::targets(&args.words, &args.command)?;
    if named.is_empty() && args.selection.file.is_empty() {
        return Err(Complaint::usage("audit needs a target")
            .hint("mcp-probe audit https://host/mcp, mcp-probe audit NAME, or mcp-probe audit -- COMMAND ARG..."));
    }
    let connection = connection::connection(&args.connection, &named)?;
    let resolved = targets::resolve(&named, &connection, &args.selection, args.output.color)?;
    if args.every_revision && matches!(connection.protocol, Some(Pin::Version(_))) {
        return Err(Complaint::usage("`--every-revision` and a dated `--protocol` say different things")
            .hint("leave one of them out; --protocol legacy --every-revision takes those of one era"));
    }
    if args.dry_run {
        return dry_run::tell(args, jq.as_ref(), &resolved.targets, &plan, &resolved.masker);
    }
    let mut consents = Consents::open(args.selection.yes);
    let (agreed, refused): (Vec<Target>, Vec<Target>) =
        resolved.targets.into_iter().partition(|target| consents.agrees(target));
    let consumers = listeners::consumers(&args.output, agreed.len() > 1)?;
    let wire = !consumers.is_empty();
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    let masker = resolved.masker;
    live::run(|signals| async move {
        let cx = Context::new(publisher.clone(), masker, signals.drain.clone(), true);
        let started_at = jiff::Timestamp::now();
        let begun = Instant::now();
        let mut progress = listeners::progress("opening", &args.output);
        let mut all: Vec<AuditOutcome> = refused.iter().map(|target| unreached(args, &cx, target)).collect();
        all.extend(audit_all(&cx, args, &agreed, &plan, &progress).await);
        progress.clear();
        let unwritten = publisher.finish().first().map(|error| Complaint::new(Code::Undelivered, error.to_string()));
        if cx.cancel.is_cancelled() {
            return Ok(Code::Interrupted.number());
        }
        tell(args, jq.as_ref(), &cx, (started_at, begun), &all)?;
        let code = exit::fold(all.iter().map(ending), false, false);
        match unwritten {
            Some(complaint) if code == Code::Healthy => Err(complaint),
            _ => Ok(code.number()),
        }
    })
}

fn plan(args: &AuditArgs) -> Result<AuditPlan, Complaint> {
    for glob in &args.rule {
        if !rules::all().any(|rule| glob::matches(glob, rule.id)) {
            let near = nearest(glob, rules::all().map(|rule| rule.id));
            let hint = near
                .map_or("`mcp-probe explain rules` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
            let shown = sanitize::one_line(glob, 60);
            return Err(Complaint::new(Code::Nothing, format!("no rule matches `{shown}`")).hint(hint));
        }
    }
    let allowed = [(args.invasive, Class::Invasive), (args.slow, Class::Slow)];
    Ok(AuditPlan {
        allowed: allowed.into_iter().filter(|(given, _)| *given).map(|(_, class)| class).collect(),
        tools: args.tool.clone(),
        timeout: args.connection.timeout.unwrap_or(TIMEOUT),
        rules: args.rule.clone(),
    })
}

/// A target that nobody agreed to open.
fn unreached(args: &AuditArgs, cx: &Context, target: &Target) -> AuditOutcome {
    Audited::unreached(&target.name, targets::no_consent(target)).outcome(args.strict, &cx.masker)
}

async fn audit_all(
    cx: &Context,
    args: &AuditArgs,
    targets: &[Target],
    plan: &AuditPlan,
    progress: &Progress,
) -> Vec<AuditOutcome> {
    let stage = Stage::default();
    let audits = stream::iter(targets).map(|target| Box::pin(audit_one(cx, &stage, args, target, plan, progress)));
    let all: Vec<Vec<AuditOutcome>> = audits.buffered(TOGETHER_MAX).collect().await;
    stage.strike(cx.grace).await;
    all.into_iter().flatten().collect()
}

async fn audit_one(
    cx: &Context,
    stage: &Stage,
    args: &AuditArgs,
    target: &Target,
    plan: &AuditPlan,
    progress: &Progress,
) -> Vec<AuditOutcome> {
    let say = |revision: &Revision, exercise: &Exercise| {
        progress.say(&format!("{} {}: {}", target.name, revision.version, exercise.name));
    };
    let all = match stage.reach(cx, target).await {
        Ok(reach) if args.every_revision => {
            let (all, unspoken) = audit_every(cx, &reach, &place_of(target), plan, &say).await;
            note(args, cx, target, &unspoken);
            all
        }
        Ok(reach) => vec![crate::run::audit::audit(cx, &reach, reach.pin, &place_of(target), plan, &say).await],
        Err(cause) => vec![Audited::unreached(&target.name, cause)],
    };
    all.iter().map(|audited| audited.outcome(args.strict, &cx.masker)).collect()
}

/// Says which revisions there was nothing to audit in.
fn note(args: &AuditArgs, cx: &Context, target: &Target, unspoken: &[Unspoken]) {
    if args.output.quiet || unspoken.is_empty() {
        return;
    }
    let name = sanitize::one_line(&target.name, 80);
    let versions: Vec<&str> = unspoken.iter().map(|one| one.version).collect();
    let mut text = format!("note: {name} does not answer to {}\n", versions.join(", "));
    if args.output.verbose {
        for one in unspoken {
            text.push_str(&format!("  {}: {}\n", one.version, sanitize::one_line(&one.why, 300)));
        }
    }
    let _ = output::say(&cx.masker.mask(&text), true);
}

fn ending(outcome: &AuditOutcome) -> Ending {
    Ending::new(outcome.status, outcome.cause.as_ref(), outcome.connected)
}

fn tell(
    args: &AuditArgs,
    jq: Option<&Jq>,
    cx: &Context,
    (started_at, begun): (jiff::Timestamp, Instant),
    all: &[AuditOutcome],
) -> Result<(), Complaint> {
    let stdout = Terminal::stdout(args.output.color).look;
    let stderr = Terminal::stderr(args.output.color).look;
    for one in all {
        if let Some(cause) = &one.cause {
            let said = error::failure(Some(&one.target), one.status, cause, &stderr);
            output::say(&cx.masker.mask(&said), true)?;
        }
    }
    if args.output.json || jq.is_some() {
        let document = audit_json::document(started_at, begun.elapsed(), all)
            .map_err(|error| Complaint::new(Code::Bug, format!("the document cannot be written: {error}")))?;
        return output::say_json(&document, jq, &stdout);
    }
    output::say(&cx.masker.mask(&audit::screen(all, Detail { quiet: args.output.quiet }, &stdout)), false)
}

//! `mcp-probe audit TARGET...`: every rule of the specification that can be seen from outside, with the evidence. Nothing
//! invalid is sent and no tool is called unless the command line says so.

mod accepted;
mod dry_run;
mod perform;
mod tell;
mod unlisted;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::args::{ConnectionOptions, OutputOptions, Report, SelectionOptions, help, report};
use super::complaint::Complaint;
use super::consent::Consents;
use super::exit::{self, Code, Ending};
use super::jq::Jq;
use super::outlets::Outlets;
use super::{connection, listeners, live, output, targets, words};
use crate::audit::clients::{PROFILES, Profile, profile};
use crate::audit::cost::{Budgets, TOKENIZERS};
use crate::audit::standing::settle;
use crate::audit::{Class, Named, rules, topic};
use crate::base::duration;
use crate::base::glob;
use crate::base::ids::RunId;
use crate::base::sanitize;
use crate::config::suggest::nearest;
use crate::event::{AuditOutcome, Cause, Publisher, Reason, Status};
use crate::plan::{Pin, TIMEOUT, Target};
use crate::run::Context;
use crate::run::audit::advice::AdvicePlan;
use crate::run::audit::{AuditPlan, no_arguments};

/// `mcp-probe audit TARGET...`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = help::AUDIT)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
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
    /// With --slow: hold event streams for so long, as proxies close idle ones after a minute
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "65s", help_heading = "Audit")]
    pub hold: Duration,
    /// Call this tool, with these arguments, where a rule needs a call; may be repeated
    #[arg(long, value_name = "NAME[=JSON]", value_parser = tool, help_heading = "Audit")]
    pub tool: Vec<Named>,
    /// Only rules (and advice) whose id matches; may be repeated
    #[arg(long, value_name = "GLOB", help_heading = "Audit")]
    pub rule: Vec<String>,
    /// One audit for each revision that the server answers to, instead of the one that is negotiated
    #[arg(long, help_heading = "Audit")]
    pub every_revision: bool,
    /// Treat violations of SHOULD, and advice that is a warning or an error, as failures, too
    #[arg(long, help_heading = "Audit")]
    pub strict: bool,
    /// Print every message that would be sent, and the rules it is for; start nothing and send nothing
    #[arg(long, help_heading = "Audit", conflicts_with_all = ["trace", "report", "baseline", "write_baseline"])]
    pub dry_run: bool,
    /// Accept the violations in this file; others fail, and so does an accepted one that is gone
    #[arg(long, value_name = "FILE", help_heading = "Audit")]
    pub baseline: Option<PathBuf>,
    /// Write what would have to be accepted; a file that exists is left alone, unless it is the --baseline
    #[arg(long, value_name = "FILE", help_heading = "Audit")]
    pub write_baseline: Option<PathBuf>,
    /// What this client would have of the tools [default: all clients]; may be repeated
    #[arg(long, value_name = "NAME", value_parser = client, help_heading = "Advice")]
    pub client: Vec<&'static Profile>,
    /// Count the tokens of definitions with this tokenizer, too
    #[arg(long, value_name = "NAME", value_parser = tokenizer, help_heading = "Advice")]
    pub tokenizer: Option<&'static str>,
    /// Advise where all tools together cost more tokens [default: 25000]
    #[arg(long, value_name = "N", help_heading = "Advice")]
    pub max_tokens: Option<u64>,
    /// Advise where one tool costs more tokens [default: 1500]
    #[arg(long, value_name = "N", help_heading = "Advice")]
    pub max_tool_tokens: Option<u64>,
    /// Advise where the tools cost so many per cent more than those in the lock file [default: 10]
    #[arg(long, value_name = "PERCENT", help_heading = "Advice")]
    pub max_growth: Option<u64>,
    /// The lock file of all targets [default: mcp-probe.lock beside the file that defines the target, else here]
    #[arg(long, value_name = "FILE", help_heading = "Advice")]
    pub lock_file: Option<PathBuf>,
    /// Which targets.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How the targets are reached.
    #[command(flatten)]
    pub connection: ConnectionOptions,
    /// The JSON document through a jq filter; strings are printed bare
    #[arg(long, value_name = "FILTER", help_heading = "Output")]
    pub jq: Option<String>,
    /// A report on stdout or in a file; may be repeated (`mcp-probe explain formats` lists them)
    #[arg(long, value_name = "FORMAT[=FILE]", help_heading = "Output", value_parser = report)]
    pub report: Vec<Report>,
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

fn client(text: &str) -> Result<&'static Profile, String> {
    profile(text).ok_or_else(|| {
        let ids: Vec<&str> = PROFILES.iter().map(|profile| profile.id).collect();
        format!("there are: {}", ids.join(", "))
    })
}

fn tokenizer(text: &str) -> Result<&'static str, String> {
    let found = TOKENIZERS.iter().copied().find(|name| *name == text);
    found.ok_or_else(|| format!("there are: {}", TOKENIZERS.join(", ")))
}

/// Everything that was asked for, checked.
struct Request<'a> {
    args: &'a AuditArgs,
    outlets: Outlets,
    plan: AuditPlan,
    advice: AdvicePlan,
    targets: Vec<Target>,
    /// Those that nobody agreed to open.
    refused: Vec<Target>,
    accepted: Vec<crate::audit::baseline::Entry>,
    /// The tools in the lock files, by target.
    locked: std::collections::HashMap<String, Vec<Value>>,
}

/// Runs the command; gives the exit code as the shell sees it.
///
/// # Errors
/// When something cannot be meant, is not there, or cannot be written.
pub fn run(args: &AuditArgs) -> Result<u8, Complaint> {
    let jq = args.jq.as_deref().map(Jq::compile).transpose()?;
    let outlets = Outlets::choose(&args.report, args.output.json, jq)?;
    let plan = plan(args)?;
    let named = words::targets(&args.words, &args.command)?;
    if named.is_empty() && args.selection.file.is_empty() {
        return Err(Complaint::usage("audit needs a target")
            .hint("mcp-probe audit https://host/mcp, mcp-probe audit NAME, or mcp-probe audit -- COMMAND ARG..."));
    }
    let connection = connection::connection(&args.connection, &named)?;
    if args.every_revision && matches!(connection.protocol, Some(Pin::Version(_))) {
        return Err(Complaint::usage("`--every-revision` and a dated `--protocol` say different things")
            .hint("leave one of them out; --protocol legacy --every-revision takes those of one era"));
    }
    let resolved = targets::resolve(&named, &connection, &args.selection, args.output.color)?;
    if args.dry_run {
        return dry_run::tell(args, outlets.jq.as_ref(), &resolved.targets, &plan, &resolved.masker);
    }
    let accepted = accepted::read(args)?;
    let locked = accepted::locked_tools(args, &resolved.targets)?;
    let mut consents = Consents::open(args.selection.yes);
    let (targets, refused) = resolved.targets.into_iter().partition(|target| consents.agrees(target));
    let request = Request { args, outlets, plan, advice: advice(args), targets, refused, accepted, locked };
    let consumers = listeners::consumers(&args.output, request.targets.len() > 1)?;
    let wire = !consumers.is_empty();
    let publisher = Publisher::new(RunId::random(), consumers, wire);
    let masker = resolved.masker;
    live::run(|signals| async move {
        let cx = Context::new(publisher.clone(), masker, signals.drain.clone(), true);
        let started_at = jiff::Timestamp::now();
        let begun = Instant::now();
        let mut all = perform::all(&cx, &request).await;
        let unwritten = publisher.finish().first().map(|error| Complaint::new(Code::Undelivered, error.to_string()));
        if cx.cancel.is_cancelled() {
            all.iter_mut().for_each(interrupted);
        } else {
            crate::audit::baseline::apply(&request.accepted, &mut all);
            accepted::write(&request, &mut all)?;
            for one in &mut all {
                settle(one, args.strict);
            }
        }
        let undelivered = tell::tell(&request, &cx, (started_at, begun.elapsed()), &all)?;
        let code = exit::fold(all.iter().map(ending), false, undelivered);
        match unwritten {
            Some(complaint) if code == Code::Healthy => Err(complaint),
            _ => Ok(code.number()),
        }
    })
}

fn plan(args: &AuditArgs) -> Result<AuditPlan, Complaint> {
    let known = || rules::all().map(|rule| rule.id).chain(topic::all().map(|topic| topic.id));
    for pattern in &args.rule {
        if !known().any(|id| glob::matches(pattern, id)) {
            let near = nearest(pattern, known());
            let hint = near.map_or_else(
                || "`mcp-probe explain rules` and `mcp-probe explain advice` list them".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let shown = sanitize::one_line(pattern, 60);
            return Err(Complaint::new(Code::Nothing, format!("no rule matches `{shown}`")).hint(hint));
        }
    }
    let allowed = [(args.invasive, Class::Invasive), (args.slow, Class::Slow)];
    Ok(AuditPlan {
        allowed: allowed.into_iter().filter(|(given, _)| *given).map(|(_, class)| class).collect(),
        tools: args.tool.clone(),
        timeout: args.connection.timeout.unwrap_or(TIMEOUT),
        hold: args.hold,
        rules: args.rule.clone(),
    })
}

fn advice(args: &AuditArgs) -> AdvicePlan {
    let usual = Budgets::default();
    AdvicePlan {
        clients: if args.client.is_empty() { PROFILES.to_vec() } else { args.client.clone() },
        rules: args.rule.clone(),
        tokenizer: args.tokenizer,
        budgets: Budgets {
            total: args.max_tokens.unwrap_or(usual.total),
            tool: args.max_tool_tokens.unwrap_or(usual.tool),
            growth_percent: args.max_growth.unwrap_or(usual.growth_percent),
        },
    }
}

/// An audit that did not come to its end judges nothing: a rule may seem violated, or be accepted and seem to hold, only
/// because it was broken off.
fn interrupted(outcome: &mut AuditOutcome) {
    outcome.status = Status::Unknown;
    let why = "the audit was interrupted before its end, so that nothing of it is judged; run it again";
    outcome.cause = Some(Cause::new(Reason::Cancelled, why));
    (outcome.cost, outcome.advised) = (None, false);
    outcome.rules.clear();
    outcome.clients.clear();
    outcome.advice.clear();
    outcome.advice_left_out.clear();
}

fn ending(outcome: &AuditOutcome) -> Ending {
    Ending::new(outcome.status, outcome.cause.as_ref(), outcome.connected)
}

/// What is said of something on stderr, unless nobody wants it.
fn remark(args: &AuditArgs, cx: &Context, text: &str) {
    if !args.output.quiet {
        let _ = output::say(&cx.masker.mask(text), true);
    }
}

//! The audits at work: several targets at a time, each in one revision or in all that it answers to, with the advice about
//! what it offers and how it is started.

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::unlisted::{self, One};
use super::{Request, remark};
use crate::audit::Exercise;
use crate::audit::launch::{self, Setup};
use crate::base::sanitize;
use crate::cli::progress::Progress;
use crate::cli::{listeners, targets};
use crate::config::Text;
use crate::event::AuditOutcome;
use crate::plan::{Endpoint, Target};
use crate::protocol::Revision;
use crate::run::Context;
use crate::run::audit::{Audited, Unspoken, audit, audit_every, place_of};
use crate::run::reach::Stage;

/// Targets that are audited at the same time.
const TOGETHER_MAX: usize = 4;
/// Characters of the name that a server gives itself, where a client could use it.
const NAME_CHARS_MAX: usize = 30;

/// Audits every target, in their order; those that nobody agreed to come first.
pub(super) async fn all(cx: &Context, request: &Request<'_>) -> Vec<AuditOutcome> {
    let mut progress = listeners::progress("opening", &request.args.output);
    let refused = |target: &Target| Audited::unreached(&target.name, targets::no_consent(target)).outcome(&cx.masker);
    let mut all: Vec<AuditOutcome> = request.refused.iter().map(refused).collect();
    let stage = Stage::default();
    let audits = stream::iter(&request.targets).map(|target| Box::pin(one(cx, &stage, request, target, &progress)));
    let mut audited: Vec<One> = audits.buffered(TOGETHER_MAX).collect().await;
    stage.strike(cx.grace).await;
    progress.clear();
    unlisted::weigh(cx, request, &mut audited);
    all.extend(audited.into_iter().flat_map(|(outcomes, _)| outcomes));
    all
}

async fn one(cx: &Context, stage: &Stage, request: &Request<'_>, target: &Target, progress: &Progress) -> One {
    let say = |revision: &Revision, exercise: &Exercise| {
        progress.say(&format!("{} {}: {}", target.name, revision.version, exercise.name));
    };
    let plan = &request.plan;
    let all = match stage.reach(cx, target).await {
        Ok(reach) if request.args.every_revision => {
            let (all, unspoken) = audit_every(cx, &reach, &place_of(target), plan, &say).await;
            note(cx, request, target, &unspoken);
            all
        }
        Ok(reach) => vec![audit(cx, &reach, reach.pin, &place_of(target), plan, &say).await],
        Err(cause) => vec![Audited::unreached(&target.name, cause)],
    };
    let mut outcomes: Vec<AuditOutcome> = all.iter().map(|audited| audited.outcome(&cx.masker)).collect();
    // The definitions of one server are advised on once, in the revision that is negotiated.
    if let (Some(audited), Some(outcome)) = (all.first(), outcomes.first_mut()) {
        advise(cx, request, target, audited, outcome);
    }
    let unlisted = all.first().map(|audited| audited.unlisted(&plan.tools)).unwrap_or_default();
    (outcomes, unlisted)
}

fn advise(cx: &Context, request: &Request<'_>, target: &Target, audited: &Audited, outcome: &mut AuditOutcome) {
    let locked = request.locked.get(target.name.as_str()).map(Vec::as_slice);
    let name = name(target, audited);
    let mut said = |setup: &Setup<'_>, locked: Option<&[Value]>| {
        audited.advise(outcome, &request.advice, (&name, setup, locked), &cx.masker);
    };
    if let Some(entry) = &target.entry {
        let written = entry.as_written();
        let setup = Setup {
            url: written.url,
            command: written.command,
            start: written.start,
            headers: written.headers,
            bearer: written.bearer,
            env: written.env,
        };
        return said(&setup, locked);
    }
    let (url, command): (Option<Text>, Vec<Text>) = match &target.endpoint {
        Endpoint::Url(url) => (Some(launch::text(url)), Vec::new()),
        Endpoint::Command(argv) => (None, launch::words(argv)),
    };
    said(&Setup { url: url.as_ref(), command: &command, ..Setup::default() }, locked);
}

/// What a client would have the server under: as it is defined; else as it calls itself, where that is a name.
fn name(target: &Target, audited: &Audited) -> String {
    if target.entry.is_some() {
        return target.name.to_string();
    }
    let said = audited.facts.as_ref().and_then(|facts| facts.identity.as_ref()).map(|identity| identity.name.as_str());
    let is_name = |name: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && name.chars().all(is_plain)
    };
    said.filter(is_name).unwrap_or("server").to_owned()
}

/// Says which revisions there was nothing to audit in.
fn note(cx: &Context, request: &Request<'_>, target: &Target, unspoken: &[Unspoken]) {
    if unspoken.is_empty() {
        return;
    }
    let name = sanitize::one_line(&target.name, 80);
    let versions: Vec<&str> = unspoken.iter().map(|one| one.version).collect();
    let mut text = format!("note: {name} does not answer to {}\n", versions.join(", "));
    if request.args.output.verbose {
        for one in unspoken {
            text.push_str(&format!("  {}: {}\n", one.version, sanitize::one_line(&one.why, 300)));
        }
    }
    remark(request.args, cx, &text);
}

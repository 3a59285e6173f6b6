//! One target in every revision that it answers to, one audit after the other.

use super::super::Context;
use super::super::reach::Reach;
use super::{AuditPlan, Audited, Progress, audit};
use crate::audit::Place;
use crate::event::Era;
use crate::protocol::Pin;
use crate::protocol::revision::REVISIONS;

/// A revision that the server was not audited in, and why.
#[derive(Clone, Debug)]
pub struct Unspoken {
    /// The dated revision.
    pub version: &'static str,
    /// What came of the attempt to open it.
    pub why: String,
}

/// Audits a target in the revision that is negotiated, and then in every other one that it answers to: those of an era that
/// `reach` is pinned to, else of both. Gives the audits, the newest revision first but for that which is negotiated.
pub async fn audit_every(
    cx: &Context,
    reach: &Reach,
    place: &Place,
    plan: &AuditPlan,
    progress: Progress<'_>,
) -> (Vec<Audited>, Vec<Unspoken>) {
    let first = Box::pin(audit(cx, reach, reach.pin, place, plan, progress)).await;
    let opened = first.facts.as_ref().filter(|_| first.found.connected);
    let Some(negotiated) = opened.map(|facts| facts.revision.version) else {
        return (vec![first], Vec::new());
    };
    let mut all = vec![first];
    let mut unspoken = Vec::new();
    let eras = |era: Era| reach.pin.era().is_none_or(|pinned| pinned == era);
    for revision in REVISIONS.iter().rev().filter(|revision| revision.version != negotiated && eras(revision.era)) {
        if cx.cancel.is_cancelled() {
            break;
        }
        let next = Box::pin(audit(cx, reach, Pin::Version(revision), place, plan, progress)).await;
        if next.found.connected {
            all.push(next);
        } else {
            let why = next.found.cause.map(|cause| format!("{} [{}]", cause.message, cause.reason));
            unspoken.push(Unspoken { version: revision.version, why: why.unwrap_or_default() });
        }
    }
    (all, unspoken)
}

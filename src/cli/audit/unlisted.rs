//! Tools that were named and that a server does not list. Where none of the servers has one of them, its name was mistyped:
//! then nothing is in order. Where another has it, that is only said.

use super::{Request, remark};
use crate::base::sanitize;
use crate::event::{AuditOutcome, Cause, Reason, Status};
use crate::run::Context;

/// What was audited of one target, with the named tools that it does not list: each with a sentence.
pub(super) type One = (Vec<AuditOutcome>, Vec<(String, String)>);

/// Says it of every target, or lets its audit fail.
pub(super) fn weigh(cx: &Context, request: &Request<'_>, audited: &mut [One]) {
    for named in &request.plan.tools {
        let is_nowhere = audited.iter().all(|(_, unlisted)| unlisted.iter().any(|(name, _)| *name == named.name));
        for (outcomes, unlisted) in &mut *audited {
            let Some((_, sentence)) = unlisted.iter().find(|(name, _)| *name == named.name) else { continue };
            let Some(outcome) = outcomes.first_mut() else { continue };
            if is_nowhere && outcome.cause.is_none() {
                outcome.status = Status::Failed;
                outcome.cause = Some(Cause::new(Reason::Check, sentence.clone()));
            } else {
                let target = sanitize::one_line(&outcome.target, 80);
                remark(request.args, cx, &format!("note: {target}: {}\n", sanitize::printable(sentence)));
            }
        }
    }
}

//! A step's checks over what came. Checks that may take long or go deep, because a server wrote what they judge with, get
//! a thread of their own, a deep stack and a time, so that they delay no other probe and no clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::duration;
use crate::check::json_schema::with_stack;
use crate::check::{Called, Evidence, Expectation, Judged, Verdict};
use crate::event::{CheckOutcome, Finding};
use crate::session::{Exchange, ServerFacts};

/// How long checks may take; within their bounds they need far less.
const JUDGING_MAX: Duration = Duration::from_secs(5);
/// The stack of the thread, in bytes; only what is used of it takes memory.
const STACK_BYTES: usize = 64 << 20;
/// How much of it judging may use; the rest is for what it does not count.
const STACK_BYTES_COUNTED: usize = 48 << 20;

/// What is judged, so that it can be shared with a thread.
pub(super) struct Case {
    pub(super) facts: ServerFacts,
    pub(super) exchange: Exchange,
    pub(super) called: Called,
}

impl Case {
    fn evidence(&self) -> Evidence<'_> {
        Evidence { facts: &self.facts, exchange: &self.exchange, called: &self.called }
    }
}

/// What the checks say.
pub(super) struct Judgement {
    /// One outcome a check, in their order.
    pub(super) checks: Vec<CheckOutcome>,
    pub(super) findings: Vec<Finding>,
}

type Told = (CheckOutcome, Vec<Finding>);

fn tell(expectation: &Expectation, case: &Case) -> Told {
    let evidence = case.evidence();
    (expectation.judge(&evidence), expectation.check.findings(&evidence))
}

/// Judges a case by every check.
pub(super) async fn judge(checks: &Arc<[Expectation]>, case: &Arc<Case>) -> Judgement {
    let costly = |expectation: &Expectation| expectation.check.is_costly(&case.evidence());
    let mut apart = if checks.iter().any(costly) { elsewhere(checks, case).await } else { Some(Vec::new()) };
    let mut judgement = Judgement { checks: Vec::new(), findings: Vec::new() };
    for (index, expectation) in checks.iter().enumerate() {
        let (outcome, findings) = if costly(expectation) {
            let told = apart
                .as_mut()
                .and_then(|told| told.iter().position(|(at, _)| *at == index).map(|at| told.swap_remove(at).1));
            told.unwrap_or_else(|| (overdue(expectation), Vec::new()))
        } else {
            tell(expectation, case)
        };
        judgement.checks.push(outcome);
        judgement.findings.extend(findings);
    }
    judgement
}

/// The costly checks, judged on another thread; `None` when that takes too long. It ends by its own bounds.
async fn elsewhere(checks: &Arc<[Expectation]>, case: &Arc<Case>) -> Option<Vec<(usize, Told)>> {
    let (sender, told) = oneshot::channel();
    let (checks, case) = (Arc::clone(checks), Arc::clone(case));
    let work = move || {
        let all = checks.iter().enumerate().filter(|(_, expectation)| expectation.check.is_costly(&case.evidence()));
        let all = with_stack(STACK_BYTES_COUNTED, || all.map(|(at, check)| (at, tell(check, &case))).collect());
        // Nobody waits any more when the time was over.
        let _ = sender.send(all);
    };
    std::thread::Builder::new().name("judge".to_owned()).stack_size(STACK_BYTES).spawn(work).ok()?;
    tokio::time::timeout(JUDGING_MAX, told).await.ok()?.ok()
}

/// A default must raise no false alarm; what the step asks for is red when it cannot be judged.
fn overdue(expectation: &Expectation) -> CheckOutcome {
    let why = format!("judging took over {}", duration::human(JUDGING_MAX));
    let verdict = match expectation.place {
        None => Verdict::NotApplicable(why.into()),
        Some(_) => Verdict::Blocked(Judged::new("a judgement", why)),
    };
    verdict.into_outcome(expectation.check.kind(), expectation.place.as_ref())
}

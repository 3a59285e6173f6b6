//! A step's checks over what came. Checks that may take long or go deep, because a server wrote what they judge with, get
//! a thread of their own, a deep stack and a time, so that they delay no other probe and no clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::duration;
use crate::check::json_schema::with_stack;
use crate::check::lock::Compared;
use crate::check::rules::Ruled;
use crate::check::{Called, Evidence, Expectation, Judged, Verdict};
use crate::event::{CheckOutcome, Finding};
use crate::session::{Exchange, ServerFacts};

/// How long checks may take; within their bounds they need far less.
const JUDGING_MAX: Duration = Duration::from_secs(5);
/// Threads that may judge on although nobody waits for them any more; with so many, costly checks are not begun.
const OVERDUE_MAX: usize = 4;
/// The stack of the thread, in bytes; only what is used of it takes memory.
const STACK_BYTES: usize = 64 << 20;
/// How much of it judging may use; the rest is for what it does not count.
const STACK_BYTES_COUNTED: usize = 48 << 20;

/// What is judged, so that it can be shared with a thread.
pub(super) struct Case {
    pub(super) facts: Arc<ServerFacts>,
    pub(super) exchange: Exchange,
    pub(super) called: Called,
    pub(super) locked: Compared,
    pub(super) ruled: Ruled,
}

impl Case {
    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            facts: &self.facts,
            exchange: &self.exchange,
            called: &self.called,
            locked: &self.locked,
            ruled: &self.ruled,
        }
    }
}

/// What the checks say.
pub(super) struct Judgement {
    /// One outcome a check, in their order.
    pub(super) checks: Vec<CheckOutcome>,
    pub(super) findings: Vec<Finding>,
}

type Told = (CheckOutcome, Vec<Finding>);

/// Threads that nobody waits for, everywhere in the process.
static OVERDUE: AtomicUsize = AtomicUsize::new(0);

/// Why costly checks were not judged.
enum Unjudged {
    /// They took too long.
    Late,
    /// Others took too long, and still do.
    Busy,
    /// The thread could not be started, or ended early.
    Broken,
}

fn tell(expectation: &Expectation, case: &Case) -> Told {
    let evidence = case.evidence();
    (expectation.judge(&evidence), expectation.check.findings(&evidence))
}

/// Judges a case by every check.
pub(super) async fn judge(checks: &Arc<[Expectation]>, case: &Arc<Case>) -> Judgement {
    let costly = |expectation: &Expectation| expectation.check.is_costly(&case.evidence());
    let mut apart = if checks.iter().any(costly) { elsewhere(checks, case).await } else { Ok(Vec::new()) };
    let mut judgement = Judgement { checks: Vec::new(), findings: Vec::new() };
    for (index, expectation) in checks.iter().enumerate() {
        let (outcome, findings) = if costly(expectation) {
            let told = match &mut apart {
                Ok(told) => told
                    .iter()
                    .position(|(at, _)| *at == index)
                    .map(|at| told.swap_remove(at).1)
                    .ok_or(&Unjudged::Broken),
                Err(why) => Err(&*why),
            };
            told.unwrap_or_else(|why| (unjudged(expectation, why), Vec::new()))
        } else {
            tell(expectation, case)
        };
        judgement.checks.push(outcome);
        judgement.findings.extend(findings);
    }
    judgement
}

/// The costly checks, judged on another thread. It ends by its own bounds, or is counted until it does.
async fn elsewhere(checks: &Arc<[Expectation]>, case: &Arc<Case>) -> Result<Vec<(usize, Told)>, Unjudged> {
    let (checks, case) = (Arc::clone(checks), Arc::clone(case));
    let work = move || {
        let all = checks.iter().enumerate().filter(|(_, expectation)| expectation.check.is_costly(&case.evidence()));
        with_stack(STACK_BYTES_COUNTED, || all.map(|(at, check)| (at, tell(check, &case))).collect())
    };
    in_time(work, JUDGING_MAX, &OVERDUE).await
}

/// What takes long or goes deep, on a thread of its own; nothing where it could not be had in time.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    in_time(move || with_stack(STACK_BYTES_COUNTED, work), JUDGING_MAX, &OVERDUE).await.ok()
}

/// Works on a thread of its own for as long as that; what takes longer is counted while it goes on.
async fn in_time<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    time: Duration,
    overdue: &'static AtomicUsize,
) -> Result<T, Unjudged> {
    if overdue.load(Ordering::SeqCst) >= OVERDUE_MAX {
        return Err(Unjudged::Busy);
    }
    let (sender, done) = oneshot::channel();
    let (ours, theirs) = Side::both(overdue);
    let work = move || {
        let _theirs = theirs;
        // Nobody waits any more when the time was over.
        let _ = sender.send(work());
    };
    let started = std::thread::Builder::new().name("judge".to_owned()).stack_size(STACK_BYTES).spawn(work);
    started.map_err(|_| Unjudged::Broken)?;
    let told = tokio::time::timeout(time, done).await;
    drop(ours);
    told.map_err(|_| Unjudged::Late)?.map_err(|_| Unjudged::Broken)
}

/// One of the two that a thread's work concerns: who waits, and the thread. While the waiting one has left and the
/// thread goes on, it is counted.
struct Side {
    waits: bool,
    other_left: Arc<AtomicBool>,
    overdue: &'static AtomicUsize,
}

impl Side {
    fn both(overdue: &'static AtomicUsize) -> (Self, Self) {
        let other_left = Arc::new(AtomicBool::new(false));
        (Self { waits: true, other_left: Arc::clone(&other_left), overdue }, Self { waits: false, other_left, overdue })
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if self.waits {
            self.overdue.fetch_add(1, Ordering::SeqCst);
        }
        // The second to leave takes back what the waiting one has counted.
        if self.other_left.swap(true, Ordering::SeqCst) {
            self.overdue.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// A default must raise no false alarm; what the step asks for is red when it cannot be judged.
fn unjudged(expectation: &Expectation, why: &Unjudged) -> CheckOutcome {
    let limit = duration::human(JUDGING_MAX);
    let why = match why {
        Unjudged::Late => format!("judging took over {limit}"),
        Unjudged::Busy => format!("{OVERDUE_MAX} other judgements take over {limit} and are still under way"),
        Unjudged::Broken => "judging could not be begun or brought to an end".to_owned(),
    };
    let verdict = match expectation.place {
        None => Verdict::NotApplicable(why.into()),
        Some(_) => Verdict::Blocked(Judged::new("a judgement", why)),
    };
    verdict.into_outcome(expectation.check.kind(), expectation.place.as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_left_behind_counted_and_bounded() {
        static OVERDUE: AtomicUsize = AtomicUsize::new(0);
        let long = Duration::from_secs(60);
        assert!(matches!(in_time(|| 7, long, &OVERDUE).await, Ok(7)));
        assert!(matches!(
            in_time(|| -> u8 { std::panic::resume_unwind(Box::new(())) }, long, &OVERDUE).await,
            Err(Unjudged::Broken)
        ));
        assert_eq!(wait_for(&OVERDUE, 0), 0);
        let (release, held): (Vec<_>, Vec<_>) = (0..OVERDUE_MAX).map(|_| mpsc::sync_channel::<()>(1)).unzip();
        for held in held {
            let told = in_time(move || held.recv().is_ok(), Duration::from_millis(1), &OVERDUE).await;
            assert!(matches!(told, Err(Unjudged::Late)));
        }
        assert_eq!(OVERDUE.load(Ordering::SeqCst), OVERDUE_MAX);
        assert!(matches!(in_time(|| 7, long, &OVERDUE).await, Err(Unjudged::Busy)));
        drop(release);
        assert_eq!(wait_for(&OVERDUE, 0), 0);
        assert!(matches!(in_time(|| 7, long, &OVERDUE).await, Ok(7)));
    }

    /// The threads end by themselves.
    fn wait_for(overdue: &AtomicUsize, count: usize) -> usize {
        let begun = std::time::Instant::now();
        while overdue.load(Ordering::SeqCst) != count && begun.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        overdue.load(Ordering::SeqCst)
    }
}

//! What a server offers against the lock file: one list as the judgement of a step, or all of them beside a probe. Lists
//! that are read for this alone stand outside all timings.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::adhoc::{Found, announced, note, open};
use super::observed::is_whole;
use super::probe::attempt::declared;
use super::reach::{Reach, Stage};
use super::step::Taken;
use super::{Context, verdict};
use crate::base::secret::Masker;
use crate::check::lock::Compared;
use crate::event::{Cause, CheckStatus, Era, Finding, Reason, Status, StepOutcome};
use crate::lock::{Entry, Locked, compare, list_of, other_revision, same_version};
use crate::plan::{Plan, Probe, Step, Steps, Target};
use crate::protocol::Answers;
use crate::session::{Call, Closing, Exchange, ServerFacts, Session};

/// What the steps of a run are compared with.
#[derive(Clone, Copy)]
pub(super) struct Against<'a> {
    /// The lock, where the target has one to be compared with.
    pub(super) locked: Option<&'a Locked>,
    /// The target.
    pub(super) target: &'a str,
    /// The run: what it masks was masked in the lock file as well.
    pub(super) cx: &'a Context,
}

impl<'a> Against<'a> {
    pub(super) fn of(cx: &'a Context, target: &'a str, locked: Option<&'a Locked>) -> Self {
        Self { locked, target, cx }
    }

    /// The reply of a step against its list in the lock.
    pub(super) fn reply(&self, session: &Session, exchange: &Exchange) -> Compared {
        let (Some(list), Some(result)) = (list_of(&exchange.method), exchange.result()) else {
            return Compared::NotAsked;
        };
        let entry = match self.entry() {
            Ok(entry) => entry,
            Err(why) => return Compared::Impossible(why),
        };
        if !is_whole(exchange) {
            return Compared::Impossible("the list was not read from its beginning to its end".to_owned());
        }
        let have = session.declared();
        if have != entry.declared {
            return Compared::Impossible(format!(
                "the lock was written with {}, and this step declares {}: with other `answers` a server may list other \
                 definitions, so give the step those, or write the lock anew",
                named(&entry.declared),
                named(&have)
            ));
        }
        let mut result = result.clone();
        self.cx.masker.mask_json(&mut result);
        let Some(definitions) = list.definitions(&result) else { return Compared::NotAsked };
        let changes = compare::lists(list, entry.lists.get(&list.subject), Some(&definitions));
        self.with(changes, entry, &masked(Entry::of(session.facts(), have), &self.cx.masker))
    }

    fn entry(&self) -> Result<&'a Entry, String> {
        self.locked.map_or_else(|| Err("no lock file was read".to_owned()), |locked| locked.entry(self.target))
    }

    fn with(&self, changes: Vec<crate::event::Change>, old: &Entry, new: &Entry) -> Compared {
        let file = self.locked.map(Locked::file).unwrap_or_default().to_owned();
        let same_version = same_version(old, new).cloned();
        Compared::With { file, changes, same_version, note: other_revision(old, new) }
    }
}

fn named(capabilities: &[String]) -> String {
    if capabilities.is_empty() { "no client capability".to_owned() } else { capabilities.join(", ") }
}

/// The answers that declare these client capabilities; nobody is asked anything while lists are read.
#[must_use]
pub fn declaring(capabilities: &[String]) -> Answers {
    let has = |name: &str| capabilities.iter().any(|capability| capability == name);
    Answers {
        roots: has("roots").then(Vec::new),
        sampling: has("sampling")
            .then(|| json!({"role": "assistant", "content": {"type": "text", "text": ""}, "model": ""})),
        elicitation: has("elicitation").then(|| json!({"action": "decline"})),
    }
}

/// The client capabilities with which the lists of a target are to be read: those that its probes declare which compare
/// with the lock; where none does, those of all its probes.
#[must_use]
pub fn wanted(plan: &Plan, target: &str) -> Answers {
    let compares = |probe: &Probe| matches!(&probe.steps, Steps::Given(steps) if steps.iter().any(Step::wants_lock));
    let all: Vec<&Probe> = plan.pairs().filter(|(_, of)| of.name == target).map(|(probe, _)| probe).collect();
    let comparing: Vec<&Probe> = all.iter().copied().filter(|probe| compares(probe)).collect();
    let chosen = if comparing.is_empty() { all } else { comparing };
    chosen.into_iter().fold(Answers::default(), |sum, probe| {
        let Answers { roots, sampling, elicitation } = declared(probe);
        Answers {
            roots: sum.roots.or(roots),
            sampling: sum.sampling.or(sampling),
            elicitation: sum.elicitation.or(elicitation),
        }
    })
}

/// Targets that are read at the same time.
const JOBS: usize = 8;

/// Reads everything that targets offer, side by side, each with the client capabilities that it is to be read with. No tool
/// is called. Gives what was found in the order of the targets, and what they offer where all of it could be read.
pub async fn definitions(
    cx: &Context,
    targets: &[(Arc<Target>, Answers)],
    timeout: Duration,
    what: &str,
) -> Vec<(Found, Option<Entry>)> {
    let stage = Stage::default();
    let readings = targets.iter().enumerate().map(|(place, (target, answers))| {
        let stage = &stage;
        async move {
            let (found, entry) = match stage.reach(cx, target).await {
                Ok(reach) => {
                    let permit = cx.opening.acquire().await;
                    let (mut found, entry, closing) = Box::pin(of_target(cx, &reach, answers, timeout, what)).await;
                    drop(permit);
                    if let Some(closing) = closing {
                        found.note(&closing.finish(cx.grace).await.findings);
                    }
                    (found, entry)
                }
                Err(cause) => (Found::unreached(&target.name, cause), None),
            };
            (place, found, entry)
        }
    });
    let mut readings: Vec<_> = stream::iter(readings).buffer_unordered(JOBS).collect().await;
    stage.strike(cx.grace).await;
    readings.sort_by_key(|(place, ..)| *place);
    readings.into_iter().map(|(_, found, entry)| (found, entry)).collect()
}

/// Opens a target and reads everything that it offers. The session, where one was opened, is the caller's to close.
async fn of_target(
    cx: &Context,
    reach: &Reach,
    answers: &Answers,
    timeout: Duration,
    what: &str,
) -> (Found, Option<Entry>, Option<Closing>) {
    let mut session = match open(cx, reach, reach.pin, answers, what).await {
        Ok(session) => session,
        Err(refused) => {
            let (found, closing) = Found::refused(reach, *refused);
            return (found, None, closing);
        }
    };
    let mut found = Found::of(&reach.name, &session);
    let (entry, findings) = read(&mut session, answers, timeout, &cx.masker).await;
    found.note(&findings);
    found.refresh(&session);
    let entry = entry.map_err(|cause| found.fail(cause)).ok();
    (found, entry, Some(session.into_closing()))
}

/// Every list that is announced, whole; what must not leave is masked.
async fn read(
    session: &mut Session,
    answers: &Answers,
    timeout: Duration,
    masker: &Masker,
) -> (Result<Entry, Cause>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut lists = Vec::new();
    for method in announced(session.facts()) {
        let Some(list) = list_of(method) else { continue };
        let call = Call { answers: answers.clone(), ..Call::new(method, Value::Null) };
        let exchange = session.call(&call, Instant::now() + timeout).await;
        note(&mut findings, &exchange.findings);
        // Templates are part of the resources capability, but many servers leave them out.
        if method == "resources/templates/list" && exchange.error().is_some() {
            continue;
        }
        if let Some(cause) = verdict::unexpected(&exchange) {
            return (Err(cause), findings);
        }
        if !is_whole(&exchange) {
            let why = findings.iter().find(|finding| finding.id == "list.pagination");
            let why = why.map_or_else(String::new, |finding| format!(": {}", finding.actual));
            return (
                Err(Cause::new(Reason::Protocol, format!("{method} could not be read to its end{why}"))),
                findings,
            );
        }
        lists.push((list, exchange));
    }
    let mut entry = Entry::of(session.facts(), session.declared());
    for (list, exchange) in &lists {
        if let Some(result) = exchange.result() {
            entry.add(list, result);
        }
    }
    (Ok(masked(entry, masker)), findings)
}

/// What servers say back of our own secrets goes into no file.
fn masked(mut entry: Entry, masker: &Masker) -> Entry {
    entry.lists.values_mut().flatten().for_each(|item| masker.mask_json(item));
    entry.instructions = entry.instructions.map(|text| masker.mask(&text).into_owned());
    if let Some(server) = &mut entry.server {
        server.name = masker.mask(&server.name).into_owned().into();
        server.version = masker.mask(&server.version).into_owned().into();
    }
    entry
}

/// All that the target offers against its entry, as one more step. A legacy session declares its capabilities once: where
/// it declared others than the lock has, another one is opened.
pub(super) async fn judge(cx: &Context, reach: &Reach, session: &mut Session, probe: &Probe) -> Taken {
    let against = Against::of(cx, &reach.name, reach.locked.as_deref());
    let old = match against.entry() {
        Ok(entry) => entry,
        Err(why) => return judged(&Compared::Impossible(why), Vec::new()),
    };
    let answers = declaring(&old.declared);
    let fits = |facts: &ServerFacts, have: &[String]| facts.revision.era == Era::Modern || have == old.declared;
    let (entry, findings) = if fits(session.facts(), &session.declared()) {
        read(session, &answers, probe.timeout, &cx.masker).await
    } else {
        match open(cx, reach, reach.pin, &answers, &probe.name).await {
            Ok(mut other) => {
                let read = read(&mut other, &answers, probe.timeout, &cx.masker).await;
                other.close(cx.grace).await;
                read
            }
            Err(refused) => {
                let cause = refused.fault.cause();
                if let Some(closing) = refused.closing {
                    closing.finish(cx.grace).await;
                }
                (Err(cause), Vec::new())
            }
        }
    };
    match entry {
        Ok(new) => judged(&against.with(compare::entries(old, &new), old, &new), findings),
        Err(cause) => {
            let message =
                format!("not compared with {}: {}", against.locked.map_or("the lock", Locked::file), cause.message);
            let status = verdict::status_of(cause.reason);
            step(status, Some(Cause::new(cause.reason, message)), Vec::new(), findings)
        }
    }
}

fn judged(compared: &Compared, mut findings: Vec<Finding>) -> Taken {
    findings.extend(compared.finding());
    let check = compared.verdict(None).into_outcome("lock", None);
    let status = match check.status {
        CheckStatus::Failed | CheckStatus::Blocked => Status::Failed,
        CheckStatus::Warned => Status::Degraded,
        CheckStatus::Passed | CheckStatus::Skipped => Status::Healthy,
    };
    let message = format!("lock: expected {}, got {}", check.expected, check.actual);
    let cause = (status != Status::Healthy).then(|| Cause::new(Reason::Drift, message));
    step(status, cause, vec![check], findings)
}

fn step(
    status: Status,
    cause: Option<Cause>,
    checks: Vec<crate::event::CheckOutcome>,
    findings: Vec<Finding>,
) -> Taken {
    let outcome = StepOutcome {
        name: "lock".into(),
        // It is no request of the probe: what it reads is counted nowhere.
        method: String::new().into(),
        status,
        cause,
        latency: None,
        first_byte: None,
        request_bytes: 0,
        response_bytes: 0,
        checks,
        place: None,
        span: None,
    };
    Taken { findings, ..Taken::without_call(outcome) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_declared_is_declared_again() {
        for names in [vec![], vec!["elicitation"], vec!["elicitation", "roots", "sampling"]] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let declared = declaring(&names).capabilities();
            let mut keys: Vec<&String> = declared.as_object().unwrap().keys().collect();
            keys.sort();
            assert_eq!(keys, names.iter().collect::<Vec<_>>());
        }
        assert_eq!(named(&[]), "no client capability");
    }
}

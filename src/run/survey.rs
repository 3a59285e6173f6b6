//! A target looked over for a probe file to be written about it: what it is, all its lists, how fast they come. No tool
//! is called but by the steps that the caller makes of what was found.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::adhoc::{Found, announced, open};
use super::locked::Against;
use super::reach::Reach;
use super::step;
use super::{Context, verdict};
use crate::config::template::Saved;
use crate::event::{Phase, StepOutcome};
use crate::plan::Step;
use crate::protocol::Answers;
use crate::session::{Call, Closing, Exchange, ServerFacts};

/// How often a list is read, to see how long it takes.
const ROUNDS: usize = 5;

/// After so long a list is not read again: it is slow, and that is known.
const ROUNDS_TIME_MAX: Duration = Duration::from_secs(5);

/// A list and how fast it came.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The method.
    pub method: &'static str,
    /// The first exchange, all pages merged.
    pub exchange: Exchange,
    /// Of the first page, one of each reading.
    pub latencies: Vec<Duration>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The target.
    pub found: Found,
    /// What it says of itself.
    pub facts: Option<ServerFacts>,
    /// The lists that its capabilities announce.
    pub lists: Vec<Measured>,
    /// What became of the steps that were tried.
    pub tried: Vec<StepOutcome>,
}

/// Opens the target, reads its lists several times, and tries the steps that `tries` makes of them.
pub async fn survey(
    cx: &Context,
    reach: &Reach,
    timeout: Duration,
    tries: impl FnOnce(&[Measured]) -> Vec<Step>,
) -> (Survey, Option<Closing>) {
    let mut session = match open(cx, reach, reach.pin, &Answers::default(), "init").await {
        Ok(session) => session,
        Err(refused) => {
            let (found, closing) = Found::refused(reach, *refused);
            return (Survey { found, facts: None, lists: Vec::new(), tried: Vec::new() }, closing);
        }
    };
    let mut survey = Survey {
        found: Found::of(&reach.name, &session),
        facts: Some(session.facts().clone()),
        lists: Vec::new(),
        tried: Vec::new(),
    };
    for method in announced(session.facts()) {
        let begun = Instant::now();
        let mut latencies = Vec::new();
        let mut first: Option<Exchange> = None;
        while latencies.len() < ROUNDS && begun.elapsed() < ROUNDS_TIME_MAX {
            let exchange = session.call(&Call::new(method, Value::Null), Instant::now() + timeout).await;
            survey.found.phases.add(Phase::Call, exchange.total);
            survey.found.note(&exchange.findings);
            let optional = method == "resources/templates/list" && exchange.error().is_some();
            let cause = verdict::unexpected(&exchange);
            latencies.extend(exchange.marks.latency());
            let failed = cause.is_some();
            if let Some(cause) = cause.filter(|_| !optional) {
                survey.found.fail(cause);
            }
            first.get_or_insert(exchange);
            if failed || latencies.is_empty() {
                break;
            }
        }
        survey.lists.extend(first.map(|exchange| Measured { method, exchange, latencies }));
        if survey.found.cause.is_some() {
            return (survey, Some(session.into_closing()));
        }
    }
    let against = Against::of(cx, &reach.name, None);
    for step in tries(&survey.lists) {
        if cx.cancel.is_cancelled() {
            break;
        }
        let taken = step::take(&mut session, &step, &mut Saved::new(), Instant::now() + timeout, against).await;
        survey.found.note(&taken.findings);
        survey.tried.push(taken.outcome);
    }
    survey.found.refresh(&session);
    (survey, Some(session.into_closing()))
}

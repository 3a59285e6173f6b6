//! What concerns all replicas behind one name: which there are, whether they are the same server, and whether a session of one
//! is known at the others. The row of the name tells it; each replica has a row of its own beside.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::adhoc::{announced, open};
use super::reach::reach;
use super::{Context, observed};
use crate::base::sanitize::one_line;
use crate::event::{Finding, Severity};
use crate::plan::replicas::REPLICAS_MAX;
use crate::plan::{Endpoint, Known, Plan, Probe, Resolve, Target};
use crate::protocol::Answers;
use crate::session::{Call, Elsewhere, Pass, Session};
use crate::transport::Fault;
use crate::transport::http::{look_up, parse_endpoint};

/// How long a resolver may take when it is asked for the replicas behind a name.
const LOOK_UP_TIME_MAX: Duration = Duration::from_secs(5);
/// What was found out of the replicas of a target is told for so long before it is found out anew.
const FRESH: Duration = Duration::from_secs(60);
/// Replicas that are opened at the same time to be compared.
const AT_ONCE: usize = 8;
/// Addresses that a sentence names.
const NAMED_MAX: usize = 4;

/// What was found out of the replicas of each target, and what is at it.
#[derive(Default)]
pub(super) struct Surveys {
    places: Mutex<HashMap<String, Arc<Place>>>,
    tasks: TaskTracker,
}

/// That of one target.
#[derive(Default)]
struct Place {
    /// One looks at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// As they were looked up last, until a run tells them.
    addresses: Option<Vec<IpAddr>>,
    survey: Option<Survey>,
}

/// What was found out, when, and of which addresses.
struct Survey {
    at: Instant,
    addresses: Vec<IpAddr>,
    findings: Vec<Finding>,
}

/// Looks up the names of a plan whose replicas are wanted. What cannot be looked up now is not there: the row of the name
/// says why.
pub async fn look_up_all(plan: &Plan) -> Known {
    let wanted = plan.targets.iter().filter(|target| target.replicates() == Some(&Resolve::All));
    let lookups = wanted.map(|target| async {
        let found = tokio::time::timeout(LOOK_UP_TIME_MAX, addresses(target)).await;
        Some((target.name.to_string(), found.ok()?.ok()?))
    });
    futures_util::future::join_all(lookups).await.into_iter().flatten().collect()
}

/// The addresses that the name of a target has now.
async fn addresses(target: &Target) -> Result<Vec<IpAddr>, Fault> {
    match (target.replicates(), &target.endpoint) {
        (Some(Resolve::These(addresses)), _) => Ok(addresses.clone()),
        (Some(Resolve::All), Endpoint::Url(written)) => match parse_endpoint(written) {
            Ok((url, None)) => {
                look_up(url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default()).await
            }
            _ => Ok(Vec::new()),
        },
        _ => Ok(Vec::new()),
    }
}

impl Surveys {
    fn of(&self, target: &str) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(target.to_owned()).or_default())
    }

    /// Waits for those that go on.
    pub(super) async fn end(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Place {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run of the row of a name has to do with the replicas. It ends with the run.
pub(super) struct Between {
    place: Arc<Place>,
    /// What is to be done when the run has ended, where nothing was begun beside it.
    alone: Option<Look>,
    /// Says to what was begun beside the run that the run has ended.
    _ended: DropGuard,
}

/// Everything that it takes to look at the replicas of a target.
struct Look {
    cx: Context,
    probe: String,
    timeout: Duration,
    target: Arc<Target>,
    place: Arc<Place>,
    run_ended: CancellationToken,
}

impl Between {
    /// A run begins; none where it is no row of a name. Where it is one run among many, the name is looked up beside it, and
    /// the replicas are compared once it has ended: a replica that hangs holds up no row but its own.
    pub(super) fn begin(cx: &Context, probe: &Probe, target: &Arc<Target>) -> Option<Self> {
        target.replicates()?;
        let (place, run_ended) = (cx.surveys.of(&target.name), CancellationToken::new());
        let look = Look {
            cx: cx.beside_the_run(),
            probe: probe.name.to_string(),
            timeout: probe.timeout,
            target: Arc::clone(target),
            place: Arc::clone(&place),
            run_ended: run_ended.clone(),
        };
        let mut between = Self { place, alone: None, _ended: run_ended.drop_guard() };
        if !cx.among_many {
            between.alone = Some(look);
        } else if let Ok(turn) = Arc::clone(&between.place.turn).try_lock_owned()
            && !cx.surveys.tasks.is_closed()
        {
            cx.surveys.tasks.spawn(async move {
                look.take().await;
                drop(turn);
            });
        }
        Some(between)
    }

    /// The run has ended. Gives the addresses that the name has, where it was looked up since they were told last, and what
    /// is wrong between the replicas.
    pub(super) async fn end(self) -> (Option<Vec<IpAddr>>, Vec<Finding>) {
        if let Some(look) = self.alone {
            look.run_ended.cancel();
            let _turn = self.place.turn.lock().await;
            Box::pin(look.take()).await;
        }
        let mut found = self.place.found();
        let findings = found.survey.as_ref().map(|survey| survey.findings.clone()).unwrap_or_default();
        (found.addresses.take(), findings)
    }
}

impl Look {
    /// Looks the name up, and compares the replicas unless that was done a short while ago.
    async fn take(&self) {
        let looking_up = tokio::time::timeout(LOOK_UP_TIME_MAX, addresses(&self.target));
        let Some(Ok(Ok(addresses))) = self.cx.cancel.run_until_cancelled(looking_up).await else {
            *self.place.found() = Found::default();
            return;
        };
        let is_fresh = {
            let mut found = self.place.found();
            found.addresses = Some(addresses.clone());
            let is_fresh = |kept: &Survey| kept.at.elapsed() < FRESH && kept.addresses == addresses;
            found.survey.as_ref().is_some_and(is_fresh)
        };
        self.run_ended.cancelled().await;
        if is_fresh || self.cx.cancel.is_cancelled() {
            return;
        }
        let mut findings = self.survey(&addresses).await;
        for finding in &mut findings {
            // Later runs tell it, and do not know what was a secret here.
            finding.actual = self.cx.masker.mask(&finding.actual).into_owned();
        }
        if !self.cx.cancel.is_cancelled() {
            self.place.found().survey = Some(Survey { at: Instant::now(), addresses, findings });
        }
    }

    async fn survey(&self, addresses: &[IpAddr]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if addresses.len() < 2 {
            return findings;
        }
        if addresses.len() > REPLICAS_MAX {
            let actual = format!("{}: the first {REPLICAS_MAX} in order are probed by themselves", addresses.len());
            let expected = format!("at most {REPLICAS_MAX} addresses behind one name");
            findings.push(Finding::new("replicas.unwatched", Severity::Warning, expected, actual));
        }
        let deadline = Instant::now() + self.timeout;
        let looks = addresses.iter().take(REPLICAS_MAX).map(|address| self.see(*address, deadline).boxed());
        let looks: Vec<BoxFuture<'_, Option<Seen>>> = looks.collect();
        let seen: Vec<Seen> = stream::iter(looks).buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
        if let Some(actual) = skew(seen.iter().map(|seen| (seen.address, seen.is.as_str()))) {
            let expected = "the same server at each address of the name";
            findings.push(Finding::new("replicas.version_skew", Severity::Warning, expected, actual));
        }
        if let Some(actual) = skew(seen.iter().filter_map(|seen| Some((seen.address, seen.tools.as_deref()?)))) {
            let expected = "the same tools at each address of the name";
            findings.push(Finding::new("replicas.tools_skew", Severity::Warning, expected, actual));
        }
        let addresses: Vec<IpAddr> = seen.iter().map(|seen| seen.address).collect();
        let pass = seen.first().and_then(|seen| seen.session.pass());
        if let (Some(pass), [first, others @ ..]) = (pass, addresses.as_slice()) {
            findings.extend(self.crossing(&pass, *first, others).await);
        }
        let endings = seen.into_iter().map(|seen| seen.session.close(self.cx.grace));
        futures_util::future::join_all(endings).await;
        findings
    }

    /// Opens one replica and looks at it. One that cannot be opened has its own row to say so.
    async fn see(&self, address: IpAddr, deadline: Instant) -> Option<Seen> {
        let (cx, replica) = (&self.cx, self.target.replica_at(address));
        let reach = reach(cx, &replica, None).ok()?;
        let answers = Answers::default();
        let opening = Box::pin(open(cx, &reach, reach.pin, &answers, &self.probe));
        let mut session = match tokio::time::timeout_at(deadline.into(), opening).await.ok()? {
            Ok(session) => session,
            Err(mut refused) => {
                if let Some(closing) = refused.closing.take() {
                    closing.finish(cx.grace).await;
                }
                return None;
            }
        };
        let mut tools = None;
        if announced(session.facts()).contains(&"tools/list") {
            let exchange = session.call(&Call::new("tools/list", Value::Null), deadline).await;
            tools = observed::tools(&exchange, &cx.lists)
                .map(|seen| format!("{} tools ({})", seen.tools.len(), seen.digest()));
        }
        let facts = session.facts();
        let name = facts.identity.as_ref().map_or_else(String::new, |is| format!("{} {}, ", is.name, is.version));
        let is = one_line(&format!("{name}{}", facts.protocol().version), 120);
        Some(Seen { address, session, is, tools })
    }

    /// Uses the session of one replica at the others. A server that does not know it even where it was opened says nothing
    /// of the others: it has no answer to what is asked.
    async fn crossing(&self, pass: &Pass, first: IpAddr, others: &[IpAddr]) -> Option<Finding> {
        let deadline = Instant::now() + self.timeout;
        if self.shown(pass, first, deadline).await? != Elsewhere::Known {
            return None;
        }
        let asked = others.iter().map(|other| async move { (*other, self.shown(pass, *other, deadline).await) });
        let mut strangers = Vec::new();
        let mut said = String::new();
        for (other, heard) in futures_util::future::join_all(asked).await {
            if let Some(Elsewhere::Unknown(answer)) = heard {
                strangers.push(other);
                said = answer;
            }
        }
        if strangers.is_empty() {
            return None;
        }
        let expected =
            "a session that each address of the name knows, or a balancer that keeps a client where its session is";
        let actual = format!("a session of {first} is not known at {} ({said})", named(&strangers));
        Some(Finding::new("session.replicas", Severity::Warning, expected, actual))
    }

    /// What becomes of a session at an address, over a link of its own.
    async fn shown(&self, pass: &Pass, address: IpAddr, deadline: Instant) -> Option<Elsewhere> {
        let reach = reach(&self.cx, &self.target.replica_at(address), None).ok()?;
        pass.shown(reach.dial.as_ref(), deadline, &self.cx.cancel).await
    }
}

/// One replica, open.
struct Seen {
    address: IpAddr,
    session: Session,
    /// What it calls itself and what it speaks.
    is: String,
    /// The digest of its tools.
    tools: Option<String>,
}

/// Who says what, where not all say the same.
fn skew<'a>(said: impl Iterator<Item = (IpAddr, &'a str)>) -> Option<String> {
    let mut by_word: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
    for (address, word) in said {
        by_word.entry(word).or_default().push(address);
    }
    let groups: Vec<String> = by_word.iter().map(|(word, at)| format!("{word} at {}", named(at))).collect();
    (by_word.len() > 1).then(|| groups.join("; "))
}

fn named(addresses: &[IpAddr]) -> String {
    let named: Vec<String> = addresses.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match addresses.len().saturating_sub(NAMED_MAX) {
        0 => named.join(" and "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skew_says_who_says_what() {
        let at = |last: u8| IpAddr::from([10, 0, 0, last]);
        let said = |words: &[&'static str]| -> Vec<(IpAddr, &'static str)> {
            words.iter().zip(1..).map(|(word, last)| (at(last), *word)).collect()
        };
        let found = |words: &[&'static str]| skew(said(words).into_iter());
        assert_eq!(found(&[]), None);
        assert_eq!(found(&["a 1", "a 1", "a 1"]), None);
        assert_eq!(found(&["a 1", "a 2", "a 1"]).unwrap(), "a 1 at 10.0.0.1 and 10.0.0.3; a 2 at 10.0.0.2");
        let many = found(&["a", "b", "b", "b", "b", "b", "b"]).unwrap();
        assert_eq!(many, "a at 10.0.0.1; b at 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5 and 2 more");
    }
}

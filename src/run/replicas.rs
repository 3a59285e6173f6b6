//! What concerns all replicas behind one name: which there are, whether they are the same server, and whether a session of one
//! is known at the others. The row of the name tells it; each replica has a row of its own beside.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde_json::Value;

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

/// How long a resolver may take when it is asked for the replicas of a whole plan.
const LOOK_UP_TIME_MAX: Duration = Duration::from_secs(5);
/// What was found out of the replicas of a target is told for so long before it is found out anew.
const FRESH: Duration = Duration::from_secs(60);
/// Replicas that are opened at the same time to be compared.
const AT_ONCE: usize = 8;
/// Addresses that a sentence names.
const NAMED_MAX: usize = 4;

/// What was found out of the replicas of each target.
pub(super) type Surveys = Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Survey>>>>>;

/// What was found out, when, and of which addresses.
#[derive(Clone)]
pub(super) struct Survey {
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
        Some((target.name.clone(), found.ok()?.ok()?))
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

/// What the run of the row of a name finds out of its replicas: the addresses, and what is wrong between them. None where it
/// is no such row, or where the name has no address.
pub(super) async fn between(cx: &Context, probe: &Probe, target: &Target) -> Option<(Vec<IpAddr>, Vec<Finding>)> {
    target.replicates()?;
    // What is said to compare them is no part of what this run said.
    let cx = &Context { recorder: None, ..cx.clone() };
    let addresses = tokio::time::timeout(LOOK_UP_TIME_MAX, addresses(target)).await.ok()?.ok()?;
    let slot = {
        let mut surveys = cx.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(surveys.entry(target.name.clone()).or_default())
    };
    let mut kept = slot.lock().await;
    let fresh = kept.as_ref().filter(|kept| kept.at.elapsed() < FRESH && kept.addresses == addresses);
    let findings = match fresh {
        Some(kept) => kept.findings.clone(),
        None if cx.cancel.is_cancelled() => Vec::new(),
        None => {
            let findings = survey(cx, probe, target, &addresses).await;
            *kept = Some(Survey { at: Instant::now(), addresses: addresses.clone(), findings: findings.clone() });
            findings
        }
    };
    Some((addresses, findings))
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

async fn survey(cx: &Context, probe: &Probe, target: &Target, addresses: &[IpAddr]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if addresses.len() < 2 {
        return findings;
    }
    if addresses.len() > REPLICAS_MAX {
        let actual = format!("{}: the first {REPLICAS_MAX} in order are probed by themselves", addresses.len());
        let expected = format!("at most {REPLICAS_MAX} addresses behind one name");
        findings.push(Finding::new("replicas.unwatched", Severity::Warning, expected, actual));
    }
    let deadline = Instant::now() + probe.timeout;
    let looks = addresses.iter().take(REPLICAS_MAX).map(|address| see(cx, probe, target, *address, deadline).boxed());
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
        findings.extend(crossing(cx, target, &pass, *first, others, deadline).await);
    }
    let endings = seen.into_iter().map(|seen| seen.session.close(cx.grace));
    futures_util::future::join_all(endings).await;
    findings
}

/// Opens one replica and looks at it. One that cannot be opened has its own row to say so.
async fn see(cx: &Context, probe: &Probe, target: &Target, address: IpAddr, deadline: Instant) -> Option<Seen> {
    let replica = target.replica_at(address);
    let reach = reach(cx, &replica, None).ok()?;
    let answers = Answers::default();
    let opening = Box::pin(open(cx, &reach, reach.pin, &answers, &probe.name));
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
        tools =
            observed::tools(&exchange, &cx.lists).map(|seen| format!("{} tools ({})", seen.tools.len(), seen.digest()));
    }
    let facts = session.facts();
    let name = facts.identity.as_ref().map_or_else(String::new, |is| format!("{} {}, ", is.name, is.version));
    let is = one_line(&format!("{name}{}", facts.protocol().version), 120);
    Some(Seen { address, session, is, tools })
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

/// Uses the session of one replica at the others.
async fn crossing(
    cx: &Context,
    target: &Target,
    pass: &Pass,
    first: IpAddr,
    others: &[IpAddr],
    deadline: Instant,
) -> Option<Finding> {
    let mut strangers = Vec::new();
    let mut said = String::new();
    for other in others {
        let Ok(reach) = reach(cx, &target.replica_at(*other), None) else { continue };
        let known = pass.shown(reach.dial.as_ref(), deadline, &cx.cancel).await;
        if let Some(Elsewhere::Unknown(answer)) = known {
            strangers.push(*other);
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

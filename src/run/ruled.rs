//! The rules of the specification over a reply: those that a step asks for, and those that every probe looks for. Definitions
//! are hostile and may be large: they are judged on a thread of their own, and once for equal lists.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::judging;
use super::observed::is_whole;
use super::places::Places;
use crate::audit::reply;
use crate::check::Judged;
use crate::check::rules::{Ruled, Saying};
use crate::event::{Finding, TransportKind};
use crate::plan::Step;
use crate::session::{Exchange, ServerFacts};

/// Lists whose findings are remembered; of more, all are forgotten. A server that tells another one each time fills it.
const LISTS_MAX: usize = 2_000;

/// What was noticed in lists. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Noticed(Arc<Known>, RandomState);

/// Method, revision and transport: what is noticed in a result depends on them, too.
type About = (&'static str, &'static str, TransportKind);

#[derive(Default)]
struct Known {
    by_hash: Mutex<HashMap<u64, Arc<[Finding]>>>,
    by_place: Places<About, Arc<[Finding]>>,
}

impl Noticed {
    /// What every probe looks for in a reply.
    pub(super) async fn of(&self, facts: &ServerFacts, exchange: &Exchange) -> Arc<[Finding]> {
        let Some(result) = exchange.shared_result() else { return Arc::default() };
        let list = facts.revision.method(&exchange.method).filter(|method| method.list.is_some());
        let Some(list) = list.filter(|_| is_whole(exchange)) else { return reply::notice(facts, exchange).into() };
        if !is_told_by_its_result(exchange) {
            return apart(facts, exchange).await.unwrap_or_default();
        }
        let about = (list.name, facts.revision.version, facts.transport);
        if let Some(known) = self.0.by_place.get(result, about) {
            return known;
        }
        // Nobody outside knows the keys of this hash, so nobody can make two lists with the same one.
        let key = self.1.hash_one((about, result));
        let known = self.known().get(&key).cloned();
        if let Some(known) = known {
            self.0.by_place.keep(result, about, &known);
            return known;
        }
        let Some(found) = apart(facts, exchange).await else { return Arc::default() };
        self.0.by_place.keep(result, about, &found);
        let mut known = self.known();
        if known.len() >= LISTS_MAX {
            known.clear();
        }
        known.insert(key, Arc::clone(&found));
        found
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Arc<[Finding]>>> {
        self.0.by_hash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing is noticed in a list but what its result shows: no message came beside it, it came in time, and as one
/// page, of which nothing was left out when the pages were merged.
fn is_told_by_its_result(exchange: &Exchange) -> bool {
    exchange.notices.is_empty() && exchange.pages == 1 && exchange.total <= reply::IN_TIME
}

/// What is noticed, found on a thread of its own. What could not be judged in time is not noticed, and looked for again.
async fn apart(facts: &ServerFacts, exchange: &Exchange) -> Option<Arc<[Finding]>> {
    let (of, reply) = (facts.clone(), exchange.clone());
    judging::apart(move || reply::notice(&of, &reply)).await.map(Into::into)
}

/// What the rules that a step asks for say of its reply.
pub(super) async fn ruled(step: &Step, facts: &ServerFacts, exchange: &Exchange) -> Ruled {
    if !step.checks.iter().any(|expectation| expectation.check.rules().is_some()) {
        return Ruled::NotAsked;
    }
    let (of, reply, checks) = (facts.clone(), exchange.clone(), Arc::clone(&step.checks));
    let said = judging::apart(move || {
        let asked = |id| checks.iter().filter_map(|expectation| expectation.check.rules()).any(|all| all.selects(id));
        reply::judge(&of, &reply, |rule| asked(rule.id))
    });
    let Some(said) = said.await else { return Ruled::NotAsked };
    let saying = |said: reply::Said| Saying {
        rule: said.rule.id,
        violated: said.violated.map(|(severity, how)| {
            let actual = crate::check::more(&how.actual, how.others);
            (severity, Judged { path: how.path, ..Judged::new(how.expected, actual) })
        }),
    };
    Ruled::Said(said.into_iter().map(saying).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::check::tests::{exchange, facts};
    use crate::session::{Notices, Reply};
    use crate::wire::{Id, message};

    fn list(tools: &Value) -> Exchange {
        let result = json!({ "tools": tools });
        let raw = message::reply(&Id::number(1), &Ok(result.clone()));
        let reply = Reply { body: Ok(result.into()), raw: vec![raw] };
        let quick = exchange("tools/list", Ok(Value::Null));
        Exchange { reply: Ok(reply), notices: Notices::default(), ..quick }
    }

    #[tokio::test]
    async fn equal_lists_are_judged_once_and_what_else_came_each_time() {
        let noticed = Noticed::default();
        let twice = json!({"name": "a", "inputSchema": {"type": "object"}});
        let plain = list(&json!([twice, twice]));
        let ids = |found: &[Finding]| found.iter().map(|finding| finding.id).collect::<Vec<_>>();
        let first = noticed.of(&facts(), &plain).await;
        assert!(ids(&first).contains(&"tools.unique"), "{first:?}");
        assert!(Arc::ptr_eq(&first, &noticed.of(&facts(), &plain.clone()).await));
        // The same list, late: it was never late before, and is not for ever.
        let late = Exchange { total: Duration::from_secs(61), ..plain.clone() };
        assert!(ids(&noticed.of(&facts(), &late).await).contains(&"call.late"));
        let notices = Notices::from([("notifications/message", json!({"level": 7}))]);
        let beside = Exchange { notices, ..plain.clone() };
        assert!(ids(&noticed.of(&facts(), &beside).await).contains(&"shape.message"));
        assert!(Arc::ptr_eq(&first, &noticed.of(&facts(), &plain).await));
    }
}

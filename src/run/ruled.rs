//! The rules of the specification over a reply: those that a step asks for, and those that every probe looks for. Definitions
//! are hostile and may be large: they are judged on a thread of their own, and once for equal lists.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::judging;
use super::observed::is_whole;
use crate::audit::reply;
use crate::check::Judged;
use crate::check::rules::{Ruled, Saying};
use crate::event::Finding;
use crate::plan::Step;
use crate::session::{Exchange, ServerFacts};

/// Lists whose findings are remembered; of more, all are forgotten.
const LISTS_MAX: usize = 20_000;

/// What was noticed in lists. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Noticed(Arc<Mutex<HashMap<u64, Arc<[Finding]>>>>, RandomState);

impl Noticed {
    /// What every probe looks for in a reply.
    pub(super) async fn of(&self, facts: &ServerFacts, exchange: &Exchange) -> Arc<[Finding]> {
        let Some(result) = exchange.result() else { return Arc::default() };
        let is_list = facts.revision.method(&exchange.method).is_some_and(|method| method.list.is_some());
        if !is_list || !is_whole(exchange) {
            return reply::notice(facts, exchange).into();
        }
        // Nobody outside knows the keys of this hash, so nobody can make two lists with the same one.
        let key = self.1.hash_one((&exchange.method, facts.revision.version, facts.transport, exchange.pages, result));
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(known);
        }
        let (of, reply) = (facts.clone(), exchange.clone());
        // What could not be judged in time is not noticed, and looked for again.
        let Some(found) = judging::apart(move || reply::notice(&of, &reply)).await else { return Arc::default() };
        let found: Arc<[Finding]> = found.into();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= LISTS_MAX {
            known.clear();
        }
        known.insert(key, Arc::clone(&found));
        found
    }
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

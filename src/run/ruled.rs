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

/// Lists whose findings are remembered; of more, all are forgotten.
const LISTS_MAX: usize = 20_000;

/// What was noticed in lists. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Noticed(Arc<Known>, RandomState);

/// Method, revision, transport and pages: what is noticed in a result depends on them, too.
type About = (&'static str, &'static str, TransportKind, u32);

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
        let about = (list.name, facts.revision.version, facts.transport, exchange.pages);
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
        let (of, reply) = (facts.clone(), exchange.clone());
        // What could not be judged in time is not noticed, and looked for again.
        let Some(found) = judging::apart(move || reply::notice(&of, &reply)).await else { return Arc::default() };
        let found: Arc<[Finding]> = found.into();
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

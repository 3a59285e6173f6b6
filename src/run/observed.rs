//! What a run learns of its server beside the verdict: its tools with their digests, the end of the token that was sent.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::places::Places;
use crate::check::tokens::tokens;
use crate::event::{ToolSeen, ToolsSeen};
use crate::lock::{canonical, list_of};
use crate::plan::Target;
use crate::session::Exchange;

/// Hexadecimal digits of a digest that are told.
const DIGITS: usize = 16;

/// Lists of tools that are remembered; of more, all are forgotten.
const LISTS_MAX: usize = 20_000;

/// Lists of tools that were seen. A server tells the same thing run after run, and digests cost more than all else that
/// a run does with an answer: they are made once for equal lists. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Lists(Arc<Known>, RandomState);

#[derive(Default)]
struct Known {
    by_hash: Mutex<HashMap<u64, Arc<ToolsSeen>>>,
    by_place: Places<(), Arc<ToolsSeen>>,
}

impl Lists {
    /// The tools of a result, where it has an array of them.
    fn of(&self, result: &Arc<Value>) -> Option<Arc<ToolsSeen>> {
        if let Some(seen) = self.0.by_place.get(result, ()) {
            return Some(seen);
        }
        let seen = self.seen(result.get("tools")?.as_array()?);
        self.0.by_place.keep(result, (), &seen);
        Some(seen)
    }

    fn seen(&self, tools: &[Value]) -> Arc<ToolsSeen> {
        // Nobody outside knows the keys of this hash, so nobody can make two lists with the same one.
        let key = self.1.hash_one(tools);
        if let Some(seen) = self.lists().get(&key) {
            return Arc::clone(seen);
        }
        let seen = Arc::new(seen(tools));
        let mut lists = self.lists();
        if lists.len() >= LISTS_MAX {
            lists.clear();
        }
        lists.insert(key, Arc::clone(&seen));
        seen
    }

    fn lists(&self) -> MutexGuard<'_, HashMap<u64, Arc<ToolsSeen>>> {
        self.0.by_hash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tools, where this is a list of them that was read from its beginning to its end.
pub(super) fn tools(exchange: &Exchange, lists: &Lists) -> Option<Arc<ToolsSeen>> {
    let is_whole = exchange.method == "tools/list" && is_whole(exchange);
    lists.of(exchange.shared_result().filter(|_| is_whole)?)
}

fn seen(tools: &[Value]) -> ToolsSeen {
    let seen = |tool: &Value| ToolSeen {
        name: tool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        digest: digest(tool),
    };
    ToolsSeen { tokens: tokens(tools), tools: tools.iter().map(seen).collect(), ..ToolsSeen::default() }
}

/// Whether a list was read from its beginning to its end.
pub(super) fn is_whole(exchange: &Exchange) -> bool {
    exchange.params.get("cursor").is_none() && exchange.cut().is_none()
}

/// Of the definition, whatever the order of its members; `_meta` is no part of it.
fn digest(tool: &Value) -> String {
    let definition = list_of("tools/list").map_or_else(|| tool.clone(), |list| list.definition(tool));
    let mut digits = canonical::sha256(&definition);
    digits.truncate(DIGITS);
    digits
}

/// When the token ends that this target is sent, where it is a JWT (RFC 7519) that says so.
pub(super) fn token_ends(target: &Target) -> Option<Timestamp> {
    let of_header = target.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let token = match (&of_header, &target.bearer) {
        (Some((_, value)), _) => {
            value.reveal().trim().split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))?.1
        }
        (None, bearer) => bearer.as_ref()?.reveal(),
    };
    let mut parts = token.trim().split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()?;
    let ends = claims.get("exp")?;
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second is no matter; too much is capped")]
    let seconds = ends.as_i64().or_else(|| ends.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::secret::Secret;
    use crate::plan::Endpoint;

    #[test]
    fn a_digest_is_of_the_meaning() {
        let one = json!({"name": "a", "inputSchema": {"type": "object", "x": [1, 2]}, "_meta": {"at": 1}});
        let same = json!({"_meta": {"at": 2}, "inputSchema": {"x": [1, 2], "type": "object"}, "name": "a"});
        assert_eq!(digest(&one), digest(&same));
        assert_eq!(digest(&one).len(), DIGITS);
        for other in [
            json!({"name": "a", "inputSchema": {"type": "object", "x": [2, 1]}}),
            json!({"name": "a", "inputSchema": {"type": "object", "x": [1, 2]}, "description": ""}),
            json!({"name": "a", "inputSchema": {"type": "object", "x": [1, 2], "_meta": {}}}),
        ] {
            assert_ne!(digest(&one), digest(&other), "{other}");
        }
    }

    #[test]
    fn equal_lists_are_looked_at_once() {
        let lists = Lists::default();
        let one = [json!({"name": "a", "inputSchema": {"type": "object"}}), json!({"name": "b"})];
        let other = [json!({"name": "a", "inputSchema": {"type": "string"}}), json!({"name": "b"})];
        let first = lists.seen(&one);
        assert!(Arc::ptr_eq(&first, &lists.clone().seen(&one.clone())));
        assert_eq!(*first, seen(&one));
        assert_ne!(*first, *lists.seen(&other));
        assert_eq!((first.digest(), lists.lists().len()), (seen(&one).digest(), 2));
    }

    #[test]
    fn a_result_that_is_shared_is_looked_at_once() {
        let lists = Lists::default();
        let one = Arc::new(json!({"tools": [{"name": "a"}]}));
        let same = Arc::clone(&one);
        let first = lists.of(&one).unwrap();
        assert_eq!(*first, seen(&[json!({"name": "a"})]));
        assert!(Arc::ptr_eq(&first, &lists.of(&same).unwrap()));
        assert_eq!(lists.of(&Arc::new(json!({"tools": [{"name": "b"}]}))).unwrap().tools[0].name, "b");
        assert_eq!(lists.of(&Arc::new(json!({"tools": 1}))), None);
    }

    #[test]
    fn the_end_of_a_token_is_read_where_it_says_one() {
        let jwt = |claims: &Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut target = Target::ad_hoc("a", Endpoint::Url("http://127.0.0.1:1/mcp".into()));
        let ends = |target: &Target| token_ends(target).map(|at| at.to_string());
        assert_eq!(ends(&target), None);
        for (token, expected) in [
            (jwt(&json!({"exp": 1_800_000_000})), Some("2027-01-15T08:00:00Z")),
            (jwt(&json!({"exp": 1_800_000_000.5})), Some("2027-01-15T08:00:00Z")),
            (jwt(&json!({"exp": "soon"})), None),
            (jwt(&json!({"iat": 1})), None),
            ("opaque".into(), None),
            ("a.b.c".into(), None),
        ] {
            target.bearer = Some(Secret::new(token.as_str()));
            assert_eq!(ends(&target).as_deref(), expected, "{token}");
        }
        // A header of one's own is what is sent.
        target.headers.push(("authorization".into(), Secret::new("Basic eDp5")));
        target.bearer = Some(Secret::new(jwt(&json!({"exp": 1_800_000_000}))));
        assert_eq!(ends(&target), None);
    }
}

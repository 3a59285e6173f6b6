//! Good messages of every revision have no flaw, bad ones have the flaw that was put into them, and nothing panics.

mod bad;
mod good;
mod mutations;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ALIKE_MAX, FLAWS_MAX, Flaw, FlawKind, judge, judge_error, judge_notification, judge_request, results};
use crate::protocol::revision::{REVISIONS, Revision};

/// The members of an object.
fn members(value: Value) -> serde_json::Map<String, Value> {
    let Value::Object(members) = value else { panic!("an object was expected: {value}") };
    members
}

fn revision(version: &str) -> &'static Revision {
    Revision::of(version).unwrap()
}

fn told(flaws: &[Flaw]) -> Vec<(&str, FlawKind)> {
    flaws.iter().map(|flaw| (flaw.path.as_str(), flaw.kind)).collect()
}

#[test]
fn good_results_have_no_flaw() {
    for (first, last, method, result) in good::all() {
        for revision in REVISIONS.iter().filter(|one| (first..=last).contains(&one.version)) {
            let mut result = result.clone();
            for member in revision.result_members {
                result.as_object_mut().unwrap().entry(*member).or_insert("complete".into());
            }
            assert_eq!(judge(revision, method, &result), [], "{} {method} {result}", revision.version);
        }
    }
    for revision in REVISIONS {
        for method in revision.methods {
            let shown = |(first, last, name, _): &good::Good| {
                *name == method.name && (*first..=*last).contains(&revision.version)
            };
            let modern_lists = revision.version == "2026-07-28" && method.list.is_some();
            assert!(modern_lists || good::all().iter().any(shown), "{} {}", revision.version, method.name);
        }
    }
}

#[test]
fn every_method_of_every_revision_has_a_shape() {
    for revision in REVISIONS {
        for method in revision.methods {
            let rows = results::RESULTS.iter().filter(|row| row.method == method.name);
            let covering = rows.filter(|row| row.span.covers(revision.version)).count();
            assert_eq!(covering, 1, "{} {}", revision.version, method.name);
            let flaws = judge(revision, method.name, &json!({"resultType": "complete"}));
            for member in method.list.iter().chain(revision.cacheable_members.iter().filter(|_| method.list.is_some()))
            {
                let path = format!("$.{member}");
                assert!(told(&flaws).contains(&(path.as_str(), FlawKind::Missing)), "{} {path}", method.name);
            }
            let flaws = judge(revision, method.name, &json!({}));
            for member in revision.result_members {
                let path = format!("$.{member}");
                assert!(told(&flaws).contains(&(path.as_str(), FlawKind::Missing)), "{} {path}", method.name);
            }
        }
    }
}

#[test]
fn bad_results_have_their_flaws() {
    for (version, method, result, expected) in bad::all() {
        assert_eq!(told(&judge(revision(version), method, &result)), *expected, "{version} {method} {result}");
    }
}

#[test]
fn messages_errors_and_questions_are_judged_too() {
    use FlawKind::{Missing, NoLonger, NotYet, WrongType, WrongValue};
    let (old, mid, late, modern) =
        (revision("2024-11-05"), revision("2025-06-18"), revision("2025-11-25"), revision("2026-07-28"));
    let notice = |revision, method: &str, params: Value| judge_notification(revision, method, &params);
    assert_eq!(notice(old, "notifications/tools/list_changed", Value::Null), []);
    assert_eq!(notice(old, "notifications/vendor", json!(3)), []);
    assert_eq!(notice(old, "notifications/progress", json!({"progressToken": "a", "progress": 0.5})), []);
    assert_eq!(notice(old, "notifications/message", json!({"level": "info", "data": null})), []);
    assert_eq!(told(&notice(old, "notifications/message", Value::Null)), [("$.level", Missing), ("$.data", Missing)]);
    assert_eq!(
        told(&notice(old, "notifications/progress", json!({"progressToken": 1.5, "progress": "1", "message": "m"}))),
        [("$.progressToken", WrongType), ("$.progress", WrongType), ("$.message", NotYet)]
    );
    assert_eq!(notice(late, "notifications/cancelled", json!({})), []);
    assert_eq!(told(&notice(mid, "notifications/cancelled", json!({}))), [("$.requestId", Missing)]);
    assert_eq!(told(&notice(mid, "notifications/tasks/status", json!({}))), [("$", NotYet)]);
    assert_eq!(told(&notice(modern, "notifications/elicitation/complete", json!({}))), [("$", NoLonger)]);
    let acknowledged = json!({"notifications": {"toolsListChanged": 1}, "_meta": {results::SUBSCRIPTION_ID: "l-1"}});
    let method = "notifications/subscriptions/acknowledged";
    assert_eq!(told(&notice(modern, method, acknowledged)), [("$.notifications.toolsListChanged", WrongType)]);

    let form = json!({"message": "m", "requestedSchema": {"type": "object", "properties": {"x": {"type": "object"}}}});
    assert_eq!(told(&judge_request(old, "elicitation/create", &form)), [("$", NotYet)]);
    let path = "$.requestedSchema.properties.x.type";
    assert_eq!(told(&judge_request(mid, "elicitation/create", &form)), [(path, WrongValue)]);
    let by_url = json!({"mode": "url", "message": "m", "url": "https://a.example"});
    assert_eq!(told(&judge_request(late, "elicitation/create", &by_url)), [("$.elicitationId", Missing)]);
    assert_eq!(judge_request(modern, "elicitation/create", &by_url), []);
    assert_eq!(judge_request(late, "roots/list", &Value::Null), []);
    let asked = json!({"messages": [{"role": "user", "content": {"type": "tool_use"}}]});
    assert_eq!(
        told(&judge_request(mid, "sampling/createMessage", &asked)),
        [("$.messages[0].content.type", NotYet), ("$.maxTokens", Missing)]
    );

    let error = |revision, error: Value| judge_error(revision, &error);
    assert_eq!(error(old, json!({"code": -32602, "message": "", "data": null})), []);
    assert_eq!(error(late, json!({"code": -32022, "message": ""})), []);
    assert_eq!(told(&error(old, json!({"code": "x"}))), [("$.code", WrongType), ("$.message", Missing)]);
    assert_eq!(told(&error(old, json!("broken"))), [("$", WrongType)]);
    assert_eq!(told(&error(modern, json!({"code": -32022, "message": ""}))), [("$.data", Missing)]);
    let roles = json!({"code": -32021, "message": "", "data": {"requiredCapabilities": ["sampling"]}});
    assert_eq!(told(&error(modern, roles)), [("$.data.requiredCapabilities", WrongType)]);
    let urls = json!({"code": -32042, "message": "", "data": {"elicitations": [{"mode": "form"}]}});
    assert_eq!(
        told(&error(late, urls)),
        [
            ("$.data.elicitations[0].mode", WrongValue),
            ("$.data.elicitations[0].message", Missing),
            ("$.data.elicitations[0].url", Missing),
            ("$.data.elicitations[0].elicitationId", Missing)
        ]
    );
}

#[test]
fn a_flaw_says_what_was_expected_and_what_came() {
    let long = "x".repeat(10_000);
    let result = json!({"tools": [{"name": 7, "title": "T", "inputSchema": {"type": long}}]});
    let flaws = judge(revision("2025-03-26"), "tools/list", &result);
    let texts: Vec<_> = flaws.iter().map(|flaw| (flaw.expected.as_str(), flaw.actual.chars().count())).collect();
    assert_eq!(
        texts,
        [
            ("a string", 1),
            ("\"object\"", 82),
            ("no such member; title came with 2025-06-18, and this is 2025-03-26", 3)
        ]
    );
    let block = json!({"content": [{"type": "audio"}, {"type": [1, 2]}]});
    let flaws = judge(revision("2024-11-05"), "tools/call", &block);
    assert_eq!(
        flaws[0].expected,
        "\"text\", \"image\" or \"resource\"; audio came with 2025-03-26, and this is 2024-11-05"
    );
    assert_eq!(
        (flaws[1].expected.as_str(), flaws[1].actual.as_str()),
        ("\"text\", \"image\" or \"resource\"", "an array of 2 items")
    );
}

#[test]
fn many_flaws_are_counted_and_grave_ones_are_kept() {
    let tools: Vec<Value> = (0..400).map(|_| json!({"name": null, "title": "T"})).collect();
    let flaws = judge(revision("2025-03-26"), "tools/list", &json!({"tools": tools}));
    let kept: Vec<_> = flaws.iter().map(|flaw| (flaw.path.as_str(), flaw.more)).collect();
    let more = 400 - ALIKE_MAX;
    assert!(kept.contains(&("$.tools[2].name", more)) && kept.contains(&("$.tools[2].inputSchema", more)), "{kept:?}");
    assert_eq!(flaws.len() + flaws.iter().map(|flaw| flaw.more).sum::<usize>(), 1_200);

    let mut judging = super::Judging::new("2025-11-25");
    let names: Vec<String> = (0..FLAWS_MAX + 7).map(|n| format!("m{n}")).collect();
    for name in &names {
        judging.flaw(&super::Trail::ROOT.member(name), FlawKind::NotYet, String::new(), String::new());
    }
    judging.flaw(&super::Trail::ROOT, FlawKind::Missing, String::new(), String::new());
    let flaws = judging.finish();
    assert_eq!(
        (flaws.len(), flaws.last().map(|flaw| (flaw.kind, flaw.more))),
        (FLAWS_MAX, Some((FlawKind::Missing, 8)))
    );
}

/// Any JSON, with the names that the tables know among its members.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("type".to_owned()),
        Just("tools".to_owned()),
        Just("content".to_owned()),
        Just("resultType".to_owned()),
        Just("inputRequests".to_owned()),
        Just("status".to_owned()),
        Just("capabilities".to_owned()),
        Just("data".to_owned()),
        Just("code".to_owned()),
        Just("completion".to_owned()),
        Just("values".to_owned()),
        Just("total".to_owned()),
        Just("method".to_owned()),
        Just("params".to_owned()),
        ".{0,6}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        name.clone().prop_map(Value::from),
        Just(json!("input_required")),
        Just(json!("resource")),
        Just(json!("image")),
        Just(json!(-32042))
    ];
    leaf.prop_recursive(5, 80, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_judged_in_bounds(value in any_json()) {
        for revision in REVISIONS {
            let methods = results::RESULTS.iter().map(|row| judge(revision, row.method, &value));
            let notices = super::notice::NOTICES.iter().map(|row| judge_notification(revision, row.method, &value));
            let asked = super::asked::REQUESTS.iter().map(|row| judge_request(revision, row.method, &value));
            for flaws in methods.chain(notices).chain(asked).chain([judge_error(revision, &value)]) {
                prop_assert!(flaws.len() <= FLAWS_MAX);
                for flaw in flaws {
                    prop_assert!(flaw.path.starts_with('$') && flaw.path.chars().count() < 600, "{flaw:?}");
                    prop_assert!(flaw.expected.chars().count() < 300 && flaw.actual.chars().count() < 600, "{flaw:?}");
                    prop_assert!(!flaw.expected.is_empty() && !flaw.actual.is_empty(), "{flaw:?}");
                }
            }
        }
    }
}

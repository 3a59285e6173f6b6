//! Every kind and operator, passing and failing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::config::text::tests::Given;
use crate::config::{Reading, Source, tree};
use crate::event::{Reason, ServerIdentity, TransportKind};
use crate::protocol::Revision;
use crate::session::{Marks, Notices, Reply};
use crate::transport::{Fault, Head};
use crate::wire::RpcError;

pub(crate) fn facts() -> ServerFacts {
    ServerFacts {
        identity: Some(ServerIdentity { name: "weather".into(), version: "2.1.0".into() }),
        instructions: None,
        capabilities: json!({"tools": {}, "resources": {"subscribe": true}}),
        revision: Revision::of("2025-11-25").unwrap(),
        transport: TransportKind::StreamableHttp,
        supported: Vec::new(),
    }
}

pub(crate) fn exchange(method: &str, body: Result<Value, RpcError>) -> Exchange {
    let sent = Instant::now();
    let last_byte = Some(sent + Duration::from_millis(800));
    Exchange {
        method: method.into(),
        params: json!({}),
        call_id: "1".into(),
        span: crate::base::ids::SpanContext::root(),
        reply: Ok(Reply { body: body.map(std::sync::Arc::new), raw: Vec::new() }),
        marks: Marks { sent: Some(sent), first_byte: last_byte, last_byte },
        total: Duration::from_millis(900),
        pages: 1,
        request_bytes: 80,
        response_bytes: 65_536,
        notices: Notices::from([("notifications/progress", json!({}))]),
        head: Some(Head { status: 200, headers: vec![("content-type".into(), "application/json".into())] }),
        refused: None,
        findings: Vec::new(),
    }
}

/// Compiles `expect` in TOML for a method; gives the checks and the mistakes.
fn compile(method: &str, toml: &str) -> (Vec<Expectation>, Vec<String>) {
    let source = Source::new("a.toml", toml, ".");
    let (table, diags) = tree::parse(&source);
    assert!(diags.is_empty(), "{toml}: {diags:?}");
    let given = Given::default();
    let reading = Reading::new(&given);
    let section = Section::new(&table, "`expect`", &Place::new(&source, 0..0), &reading);
    let checks = parse(Some(&section), method);
    (checks, reading.into_diags().into_iter().map(|diag| diag.message).collect())
}

/// The status of the first check.
pub(crate) fn judge(exchange: &Exchange, toml: &str) -> CheckOutcome {
    let (checks, mistakes) = compile(&exchange.method, toml);
    assert!(mistakes.is_empty(), "{toml}: {mistakes:?}");
    let locked = lock::Compared::NotAsked;
    let ruled = rules::Ruled::NotAsked;
    checks[0].judge(&Evidence { facts: &facts(), exchange, called: &Called::NotRead, locked: &locked, ruled: &ruled })
}

/// The same of a list that broke off before its end.
pub(crate) fn judged_when_cut(method: &str, result: &Value, toml: &str) -> CheckOutcome {
    let (severity, actual) = (crate::event::Severity::Error, "page 2 names the cursor \"a\" again");
    let cut = Finding::new("list.pagination", severity, "every page names a new cursor", actual);
    judge(&Exchange { findings: vec![cut], ..exchange(method, Ok(result.clone())) }, toml)
}

fn passes(exchange: &Exchange, toml: &str) {
    let outcome = judge(exchange, toml);
    assert_eq!(outcome.status, CheckStatus::Passed, "{toml}: {outcome:?}");
}

fn fails(exchange: &Exchange, toml: &str) -> CheckOutcome {
    let outcome = judge(exchange, toml);
    assert_eq!(outcome.status, CheckStatus::Failed, "{toml}: {outcome:?}");
    assert!(!outcome.expected.is_empty() && !outcome.actual.is_empty(), "{outcome:?}");
    outcome
}

fn mistake(method: &str, toml: &str, says: &str) {
    let (_, mistakes) = compile(method, toml);
    assert_eq!(mistakes.len(), 1, "{toml}: {mistakes:?}");
    assert!(mistakes[0].contains(says), "{toml}: {mistakes:?}");
}

#[test]
fn every_operator_passes_and_fails() {
    let value = json!({
        "n": 7, "f": 1.0, "s": "Oslo, 14 days", "b": true, "z": null, "big": 9_007_199_254_740_993_i64,
        "list": [1, 2, 3], "none": [], "object": {"a": 1, "b": [1.0]}, "items": [{"id": 1}, {"id": 2}], "deep": [[1], []],
    });
    let exchange = exchange("tools/call", Ok(value));
    for (path, right, wrong) in [
        ("$.n", "7", "8"),
        ("$.n", "7.0", "'7'"),
        ("$.f", "1", "2"),
        ("$.z", "{ type = 'null' }", "{ type = 'string' }"),
        ("$.s", "'Oslo, 14 days'", "'oslo'"),
        ("$.b", "true", "false"),
        ("$.object", "{ equals = { a = 1.0, b = [1] } }", "{ equals = { a = 1 } }"),
        ("$.list", "[1, 2, 3]", "[3, 2, 1]"),
        ("$.n", "{ not = 8 }", "{ not = 7 }"),
        ("$.n", "{ not = { gt = 7 } }", "{ not = { ge = 7 } }"),
        ("$.n", "{ gt = 6.9 }", "{ gt = 7 }"),
        ("$.n", "{ ge = 7 }", "{ ge = 8 }"),
        ("$.n", "{ lt = 8 }", "{ lt = 7 }"),
        ("$.n", "{ le = 7 }", "{ le = 6 }"),
        ("$.n", "{ ge = 1, le = 14 }", "{ ge = 1, le = 6 }"),
        ("$.s", "{ not = { gt = 1 } }", "{ gt = 1 }"),
        ("$.big", "{ gt = 9007199254740992 }", "9007199254740992"),
        ("$.s", "{ contains = '14' }", "{ contains = '15' }"),
        ("$.list", "{ contains = 2.0 }", "{ contains = 4 }"),
        ("$.s", "{ matches = '\\d+ days' }", "{ matches = '^\\d+' }"),
        ("$.s", "{ starts_with = 'Oslo' }", "{ starts_with = 'slo' }"),
        ("$.s", "{ ends_with = 'days' }", "{ ends_with = 'day' }"),
        ("$.f", "{ type = 'integer' }", "{ type = 'boolean' }"),
        ("$.n", "{ type = 'number' }", "{ type = 'array' }"),
        ("$.b", "{ type = 'boolean' }", "{ type = 'integer' }"),
        ("$.list", "{ type = 'array' }", "{ type = 'object' }"),
        ("$.object", "{ type = 'object' }", "{ type = 'array' }"),
        ("$.s", "{ type = 'string' }", "{ type = 'null' }"),
        ("$.list", "{ len = 3 }", "{ len = 2 }"),
        ("$.s", "{ len = { ge = 13, lt = 14 } }", "{ len = { gt = 13 } }"),
        ("$.object", "{ len = 2 }", "{ len = 0 }"),
        ("$.n", "{ exists = true }", "{ exists = false }"),
        ("$.gone", "{ exists = false }", "{ exists = true }"),
        ("$.gone", "{ not = { exists = true } }", "{ not = { exists = false } }"),
        ("$.gone", "{ len = 0 }", "{ len = 1 }"),
        ("$.gone", "{ exists = false }", "{ not = 1 }"),
        ("$.gone", "{ len = 0, exists = false }", "{ type = 'null' }"),
        ("$.list", "{ all = { ge = 1 } }", "{ all = { ge = 2 } }"),
        ("$.deep", "{ any = { all = 1 } }", "{ all = { all = 1 } }"),
        ("$.list", "{ any = 3 }", "{ any = 4 }"),
        ("$.none", "{ len = 0 }", "{ all = { ge = 1 } }"),
        ("$.none", "{ type = 'array' }", "{ any = 1 }"),
        ("$.items[*].id", "[1, 2]", "[1]"),
        ("$.items[*].id", "{ all = { type = 'integer' } }", "{ all = 1 }"),
        ("$.items[?@.id > 5]", "{ len = 0 }", "{ exists = true }"),
        ("$..id", "{ len = 2 }", "{ exists = false }"),
    ] {
        passes(&exchange, &format!("json.\"{path}\" = {right}"));
        let outcome = fails(&exchange, &format!("json.\"{path}\" = {wrong}"));
        assert_eq!(outcome.path.as_deref(), Some(path));
        assert_eq!(outcome.place.as_deref(), Some("a.toml:1:6"));
    }
}

/// One table an operator: the value, what it meets, what it does not.
#[test]
fn operators_hold_at_their_bounds() {
    let long = "é".repeat(3);
    let meets: &[(Value, &str)] = &[
        // equals: numbers by value, however they are written and however large.
        (json!(1), "1.0"),
        (json!(1.0), "1"),
        (json!(-0.0), "0"),
        (json!(1e3), "{ equals = 1000 }"),
        (json!(9_007_199_254_740_993_i64), "9007199254740993"),
        (json!(i64::MAX), "9223372036854775807"),
        (json!(0.1), "0.1"),
        (json!("x"), "{ equals = 'x' }"),
        (json!({}), "{ equals = {} }"),
        (json!({"b": [1], "a": {"c": 1.0}}), "{ equals = { a = { c = 1 }, b = [1.0] } }"),
        (json!([]), "[]"),
        (json!([{"a": 1}]), "[{ a = 1 }]"),
        (json!("2026-01-15"), "2026-01-15"),
        (json!("2026-01-15T09:32:45Z"), "{ equals = 2026-01-15T09:32:45Z }"),
        // not: a plain value, and operators as a whole.
        (json!("1"), "{ not = 1 }"),
        (json!(null), "{ not = '' }"),
        (json!({"a": 1}), "{ not = { equals = {} } }"),
        (json!(5), "{ not = { ge = 1, le = 4 } }"),
        (json!(5), "{ not = { not = 5 } }"),
        (json!("x"), "{ not = { type = 'number' } }"),
        // Bounds, beyond what a float can tell apart.
        (json!(u64::MAX), "{ gt = 9223372036854775807 }"),
        (json!(9_007_199_254_740_993_i64), "{ gt = 9007199254740992.0 }"),
        (json!(9_007_199_254_740_992_i64), "{ lt = 9007199254740993 }"),
        (json!(0.5), "{ gt = 0, lt = 1 }"),
        (json!(7), "{ ge = 7.0, le = 7 }"),
        (json!(-1), "{ lt = 0 }"),
        (json!(1e300), "{ gt = 9223372036854775807 }"),
        // Texts: everywhere, at the start, at the end; a pattern anywhere unless it says where.
        (json!("Oslo"), "{ contains = 'sl' }"),
        (json!(["Oslo", 1.0]), "{ contains = 1 }"),
        (json!([{"a": 1}]), "{ contains = { a = 1.0 } }"),
        (json!([[1]]), "{ contains = [1] }"),
        (json!([null, true]), "{ contains = true }"),
        (json!("a\nb"), "{ matches = '^a\\n' }"),
        (json!("Oslo"), "{ matches = 's' }"),
        (json!("Oslo"), "{ starts_with = 'Oslo', ends_with = 'Oslo' }"),
        // Types.
        (json!(1.0), "{ type = 'integer' }"),
        (json!(1e300), "{ type = 'integer' }"),
        (json!(u64::MAX), "{ type = 'integer' }"),
        (json!(1), "{ type = 'number' }"),
        (json!(null), "{ type = 'null' }"),
        // Lengths: characters and not bytes, items, members.
        (json!(long), "{ len = 3 }"),
        (json!(""), "{ len = 0 }"),
        (json!([null]), "{ len = 1 }"),
        (json!({"a": 1, "b": 2}), "{ len = { gt = 1, lt = 3 } }"),
        (json!([1, 2]), "{ len = { not = 3 } }"),
        (json!([1, 2]), "{ len = 2.0 }"),
        // Existence: null is there.
        (json!(null), "{ exists = true }"),
        // all and any, nested; none of nothing.
        (json!([1, 2.0]), "{ all = { type = 'integer' } }"),
        (json!([1, "x"]), "{ any = 'x', len = 2 }"),
        (json!([[1, 2], [3]]), "{ all = { any = { ge = 2 } } }"),
        (json!([[1], []]), "{ any = { all = 1 } }"),
        (json!([1, 2]), "{ all = { not = 3 } }"),
        (json!([]), "{ not = { all = 1 } }"),
        (json!([]), "{ not = { any = 1 } }"),
        (json!([{"a": 1}, {"b": 2}]), "{ any = { equals = { b = 2 } } }"),
    ];
    for (value, operators) in meets {
        passes(&exchange("x/y", Ok(json!({"v": value}))), &format!("json.'$.v' = {operators}"));
    }
}

#[test]
fn operators_hold_for_their_types_alone() {
    let long = "é".repeat(3);
    let fails_by: &[(Value, &str)] = &[
        (json!("1"), "1"),
        (json!(true), "1"),
        (json!(null), "0"),
        (json!(null), "''"),
        (json!(null), "false"),
        (json!(9_007_199_254_740_993_i64), "9007199254740992"),
        (json!(u64::MAX), "9223372036854775807"),
        (json!([1]), "1"),
        (json!({"a": 1}), "{ equals = {} }"),
        (json!({"a": 1, "b": 1}), "{ equals = { a = 1 } }"),
        (json!([1, 2]), "[2, 1]"),
        (json!("X"), "'x'"),
        (json!(1), "{ not = 1.0 }"),
        (json!(5), "{ not = { ge = 1 } }"),
        (json!({}), "{ not = { equals = {} } }"),
        (json!(7), "{ gt = 7 }"),
        (json!(7), "{ lt = 7.0 }"),
        (json!(6.999), "{ ge = 7 }"),
        (json!(7.001), "{ le = 7 }"),
        (json!("8"), "{ gt = 7 }"),
        (json!(null), "{ le = 7 }"),
        (json!([8]), "{ gt = 7 }"),
        (json!("Oslo"), "{ contains = 'SL' }"),
        (json!("14"), "{ contains = 4 }"),
        (json!({"a": 1}), "{ contains = 'a' }"),
        (json!(["Oslo"]), "{ contains = 'sl' }"),
        (json!("Oslo"), "{ matches = '^s' }"),
        (json!(14), "{ matches = '1' }"),
        (json!(["a"]), "{ starts_with = 'a' }"),
        (json!(11), "{ ends_with = '1' }"),
        (json!(1.5), "{ type = 'integer' }"),
        (json!("1"), "{ type = 'integer' }"),
        (json!(true), "{ type = 'number' }"),
        (json!({}), "{ type = 'array' }"),
        (json!(long), "{ len = 6 }"),
        (json!(3), "{ len = 3 }"),
        (json!(null), "{ len = 0 }"),
        (json!(true), "{ len = { lt = 9 } }"),
        (json!(null), "{ exists = false }"),
        (json!([]), "{ all = 1 }"),
        (json!([]), "{ any = 1 }"),
        (json!([1, "x"]), "{ all = 1 }"),
        (json!("x"), "{ all = 'x' }"),
        (json!({"a": 1}), "{ any = 1 }"),
        (json!([[], [1]]), "{ all = { all = 1 } }"),
        (json!(5), "{ ge = 1, le = 4 }"),
    ];
    for (value, operators) in fails_by {
        fails(&exchange("x/y", Ok(json!({"v": value}))), &format!("json.'$.v' = {operators}"));
    }
}

#[test]
fn of_no_match_only_existence_and_length_say_something() {
    // Of no match `exists = false` and `len = 0` alone say something.
    let nothing = exchange("x/y", Ok(json!({"list": []})));
    for path in ["$.v", "$.list[*]", "$..v", "$.list[0]"] {
        for right in ["{ exists = false }", "{ len = 0 }", "{ len = { lt = 1 } }", "{ not = { exists = true } }"] {
            passes(&nothing, &format!("json.'{path}' = {right}"));
        }
        for wrong in [
            "{ exists = true }",
            "{ not = { exists = false } }",
            "{ len = { le = 3 } }",
            "{ len = 0, type = 'array' }",
            "{ not = 1 }",
            "{ not = { len = 0 } }",
            "{ not = { any = 1 } }",
            "{ equals = [] }",
            "[]",
            "{ type = 'null' }",
        ] {
            fails(&nothing, &format!("json.'{path}' = {wrong}"));
        }
    }
}

#[test]
fn what_has_no_place_among_operators_is_a_mistake() {
    for (toml, says) in [
        ("{ gt = '1' }", "must be a number"),
        ("{ gt = true }", "must be a number"),
        ("{ type = 'float' }", "cannot be `float`"),
        ("{ type = ['null'] }", "string"),
        ("{ exists = 'yes' }", "true` or `false"),
        ("{ matches = 1 }", "string"),
        ("{ starts_with = 1 }", "string"),
        ("{ len = { gte = 1 } }", "`gte` is no operator"),
        ("{ all = {} }", "expects nothing"),
        ("{ not = {} }", "expects nothing"),
        ("{ city = 'Oslo' }", "`city` is no operator"),
        ("{ ge = 3, lt = 3 }", "no number is both"),
    ] {
        mistake("x/y", &format!("json.'$.v' = {toml}"), says);
    }
}

#[test]
fn a_value_of_the_wrong_type_is_told_as_such() {
    let value = exchange("x/y", Ok(json!({"days": "7", "list": 3, "none": null})));
    for (toml, expected, actual) in [
        ("json.'$.days' = { ge = 1, le = 14 }", ">= 1 and <= 14", "\"7\", which is a string"),
        ("json.'$.days' = 7", "7", "\"7\""),
        ("json.'$.list' = { all = { ge = 1 } }", "all (>= 1)", "3, which is a number"),
        ("json.'$.list' = { len = 3 }", "length 3", "3, which is a number"),
        ("json.'$.none' = { contains = 'x' }", "contains \"x\"", "null"),
    ] {
        let outcome = fails(&value, toml);
        assert_eq!((outcome.expected.as_str(), outcome.actual.as_str()), (expected, actual), "{toml}");
    }
}

#[test]
fn what_can_never_fail_says_so() {
    for (method, toml, never) in [
        ("x/y", "schema = {}", true),
        ("x/y", "schema = { type = 'object', title = 'x' }", true),
        ("x/y", "schema = { properties.a = {} }", false),
        ("x/y", "schema = { type = 'array' }", false),
        ("x/y", "http.status = { ge = 100, lt = 600 }", true),
        ("x/y", "http.status = { lt = 500 }", false),
        ("x/y", "json.'$' = { exists = true }", true),
        ("x/y", "json.'$' = { type = 'object', len = 1 }", false),
        ("x/y", "json.'$.a' = { exists = true }", false),
        ("x/y", "error = {}", false),
    ] {
        let (checks, mistakes) = compile(method, toml);
        assert!(mistakes.is_empty(), "{toml}: {mistakes:?}");
        assert_eq!(checks[0].check.cannot_fail().is_some(), never, "{toml}");
    }
    // The other kinds refuse to be written so.
    for (method, toml) in [
        ("tools/list", "tools = {}"),
        ("tools/list", "tools = { min = 0 }"),
        ("tools/list", "tools = { include = [] }"),
        ("x/y", "capabilities = []"),
        ("x/y", "size = {}"),
        ("tools/list", "tokens = {}"),
        ("x/y", "latency = {}"),
        ("x/y", "http = {}"),
        ("x/y", "http.header = {}"),
        ("x/y", "server = {}"),
        ("x/y", "json = {}"),
        ("x/y", "notifications = { method = 'x', min = 0 }"),
    ] {
        let (_, mistakes) = compile(method, toml);
        assert_eq!(mistakes.len(), 1, "{toml}: {mistakes:?}");
    }
}

#[test]
fn verdicts_say_what_was_expected_and_what_came() {
    let exchange = exchange("tools/call", Ok(json!({"days": 20, "s": "x".repeat(5_000)})));
    let outcome = fails(&exchange, "json.\"$.days\" = { ge = 1, le = 14 }");
    assert_eq!((outcome.expected.as_str(), outcome.actual.as_str()), (">= 1 and <= 14", "20"));
    let outcome = fails(&exchange, "json.\"$.day\" = { matches = 'x', not = { len = 0 } }");
    assert_eq!(outcome.expected, "matches /x/ and not (length 0)");
    assert_eq!(outcome.actual, "nothing at this path");
    assert!(fails(&exchange, "json.\"$.s\" = 'y'").actual.chars().count() <= 400);
}

#[test]
fn latency_is_judged_to_the_last_byte_and_equal_passes() {
    let late = exchange("tools/list", Ok(json!({"tools": []})));
    passes(&late, "latency = '800ms'");
    passes(&late, "latency = { warn = '800ms', max = '1s' }");
    assert_eq!(judge(&late, "latency = { warn = '799ms', max = '1s' }").status, CheckStatus::Warned);
    assert_eq!(judge(&late, "latency = { warn = '700ms' }").status, CheckStatus::Warned);
    assert_eq!(fails(&late, "latency = '799ms'").expected, "at most 799 ms");
    assert_eq!(compile("ping", "latency = '1s'").0[0].check.reason(), Reason::Slow);
    mistake("ping", "latency = 800", "duration");
    mistake("ping", "latency = '800'", "no unit");
    mistake("ping", "latency = {}", "no bound");
    mistake("ping", "latency = { warn = '2s', max = '1s' }", "below `max`");
    mistake("ping", "latency = { maximum = '1s' }", "unknown key `maximum`");
}

#[test]
fn lists_are_judged_by_name() {
    let tools = exchange("tools/list", Ok(json!({"tools": [{"name": "a"}, {"name": "b"}]})));
    for (right, wrong, says) in [
        ("include = ['a']", "include = ['a', 'c']", "missing \"c\""),
        ("exclude = ['c']", "exclude = ['b']", "has \"b\""),
        ("only = ['b', 'a']", "only = ['a']", "unexpected \"b\""),
        ("only = ['b', 'a']", "only = ['a', 'b', 'c']", "missing \"c\""),
        ("min = 2", "min = 3", "2 tools"),
        ("max = 2", "max = 1", "2 tools"),
    ] {
        passes(&tools, &format!("tools = {{ {right} }}"));
        let outcome = fails(&tools, &format!("tools = {{ {wrong} }}"));
        assert!(outcome.actual.contains(says), "{outcome:?}");
        assert_eq!(outcome.path.as_deref(), Some("$.tools"));
    }
    let resources = exchange("resources/list", Ok(json!({"resources": [{"uri": "file:///x", "name": "x"}]})));
    passes(&resources, "resources = { only = ['file:///x'] }");
    passes(&resources, "resources = { include = ['x'] }");
    fails(&resources, "resources = { include = ['y'] }");
    fails(&exchange("prompts/list", Ok(json!({}))), "prompts = { max = 9 }");
    passes(&exchange("prompts/list", Ok(json!({"prompts": []}))), "prompts = { max = 0 }");
    mistake("tools/list", "tools = { min = 0 }", "can never fail");
    mistake("tools/list", "tools = { min = 3, max = 2 }", "above");
    mistake("tools/list", "tools = { include = ['a'], exclude = ['a'] }", "includes and excludes");
    mistake("tools/list", "tools = { only = ['a'], include = ['b'] }", "not among");
    mistake("tools/call", "tools = { min = 1 }", "cannot judge `tools/call`");
}

#[test]
fn text_joins_all_blocks() {
    let call = exchange(
        "tools/call",
        Ok(
            json!({"content": [{"type": "text", "text": "one"}, {"type": "image", "data": ""}, {"type": "text", "text": "two"}]}),
        ),
    );
    passes(&call, "text = { equals = \"one\\ntwo\" }");
    passes(&call, "text = \"one\\ntwo\"");
    fails(&call, "text = { contains = 'three' }");
    fails(&exchange("tools/call", Ok(json!({"content": []}))), "text = { contains = 'x' }");
    passes(&exchange("tools/call", Ok(json!({"content": []}))), "text = { exists = false }");
    let prompt = exchange("prompts/get", Ok(json!({"messages": [{"content": {"type": "text", "text": "hi"}}]})));
    passes(&prompt, "text = 'hi'");
    passes(&exchange("resources/read", Ok(json!({"contents": [{"text": "hi"}]}))), "text = 'hi'");
}

#[test]
fn tool_errors_are_failures_unless_expected() {
    let bad = exchange("tools/call", Ok(json!({"content": [{"type": "text", "text": "boom"}], "isError": true})));
    let good = exchange("tools/call", Ok(json!({"content": []})));
    assert!(fails(&bad, "").actual.contains("boom"));
    passes(&good, "");
    passes(&bad, "is_error = true");
    fails(&good, "is_error = true");
    fails(&exchange("tools/call", Ok(json!({"isError": "yes"}))), "");
    assert_eq!(compile("tools/call", "").0[0].check.reason(), Reason::ToolError);
    assert_eq!(compile("tools/call", "is_error = true").0[0].check.reason(), Reason::Check);
    assert!(compile("tools/call", "error = {}").0.iter().all(|check| check.check.kind() == "error"));
    assert!(compile("tools/list", "").0.is_empty());
    mistake("tools/list", "is_error = true", "cannot judge");
}

#[test]
fn expected_errors_must_come() {
    let refused = exchange("x/y", Err(RpcError { code: -32_602, message: "Unknown tool: x".into(), data: None }));
    passes(&refused, "error = { code = -32602 }");
    passes(&refused, "error = { code = { lt = -32000 }, message = { contains = 'tool' } }");
    passes(&refused, "error = {}");
    assert!(fails(&refused, "error = { code = -32601 }").actual.contains("-32602"));
    fails(&refused, "error = { message = 'other' }");
    assert!(fails(&exchange("x/y", Ok(json!({"a": 1}))), "error = { code = 1 }").actual.contains("a result"));
    assert_eq!(judge(&refused, "json.\"$.a\" = 1").status, CheckStatus::Blocked);
    mistake("x/y", "error = { cod = 1 }", "unknown key `cod`");
}

#[test]
fn what_cannot_be_judged_is_blocked() {
    let mut dead = exchange("tools/list", Ok(json!({})));
    dead.reply = Err(Fault::new(Reason::Timeout, "no answer within 5 s"));
    dead.marks.last_byte = None;
    dead.head = None;
    for toml in [
        "latency = '1s'",
        "tools = { min = 1 }",
        "json.\"$.x\" = 1",
        "error = {}",
        "size = '1B'",
        "tokens = 1",
        "http.status = 200",
        "notifications = { method = 'n' }",
    ] {
        assert_eq!(judge(&dead, toml).status, CheckStatus::Blocked, "{toml}");
    }
    dead.method = "tools/call".into();
    for toml in ["text = 'x'", "is_error = true"] {
        assert_eq!(judge(&dead, toml).status, CheckStatus::Blocked, "{toml}");
    }
}

#[test]
fn what_the_server_is_and_speaks() {
    let any = exchange("ping", Ok(json!({})));
    passes(&any, "server = { name = 'weather' }");
    passes(&any, "server.version = { starts_with = '2.' }");
    fails(&any, "server.name = 'other'");
    passes(&any, "protocol = '2025-11-25'");
    passes(&any, "protocol = 'legacy'");
    fails(&any, "protocol = 'modern'");
    fails(&any, "protocol = '2025-06-18'");
    passes(&any, "capabilities = ['tools', 'resources.subscribe']");
    assert!(fails(&any, "capabilities = ['tools', 'prompts']").actual.contains("prompts not declared"));
    passes(&any, "http.status = { ge = 200, lt = 300 }");
    fails(&any, "http.status = 404");
    passes(&any, "http.header.Content-Type = { starts_with = 'application/json' }");
    fails(&any, "http.header.content-type = 'text/html'");
    fails(&any, "http.header.x-gone = { len = 1 }");
    passes(&any, "http.header.x-gone = { exists = false }");
    mistake("ping", "protocol = '2025-11-26'", "no protocol version");
    mistake("ping", "server = {}", "expects nothing");
    mistake("ping", "http = {}", "expects nothing");
    mistake("ping", "http.header.\"a b\" = 1", "no header name");
    mistake("ping", "capabilities = []", "can never fail");
}

#[test]
fn sizes_tokens_and_notifications() {
    let tools =
        exchange("tools/list", Ok(json!({"tools": [{"name": "abcd", "description": "efgh", "inputSchema": {}}]})));
    passes(&tools, "size = '64KiB'");
    fails(&tools, "size = '65535B'");
    assert_eq!(judge(&tools, "size = { warn = '1KiB' }").status, CheckStatus::Warned);
    passes(&tools, "tokens = 3");
    assert_eq!(fails(&tools, "tokens = 2").actual, "~3 tokens");
    passes(&tools, "notifications = { method = 'notifications/progress' }");
    passes(&tools, "notifications = { method = 'notifications/message', max = 0 }");
    fails(&tools, "notifications = { method = 'notifications/progress', min = 2 }");
    fails(&tools, "notifications = { method = 'notifications/progress', max = 0 }");
    // Of more methods than are counted nothing is claimed that is not known.
    let mut many = tools.clone();
    let names: Vec<String> = (0..64).map(|number| format!("x/{number}")).collect();
    for name in &names {
        many.notices.append(Notices::from([(name.as_str(), json!({}))]));
    }
    passes(&many, "notifications = { method = 'notifications/progress' }");
    passes(&many, "notifications = { method = 'x/1', max = 1 }");
    fails(&many, "notifications = { method = 'x/1', max = 0 }");
    let unknown = judge(&many, "notifications = { method = 'x/63', max = 0 }");
    assert_eq!(unknown.status, CheckStatus::Blocked, "{unknown:?}");
    assert!(unknown.actual.contains("too many methods"), "{unknown:?}");
    mistake("tools/list", "notifications = { min = 1 }", "needs `method`");
    mistake("tools/list", "notifications = { method = 'x', min = 0 }", "can never fail");
}

#[test]
fn mistakes_in_expectations_are_found_when_the_file_is_read() {
    mistake("x/y", "latncy = '1s'", "no kind of expectation");
    mistake("x/y", "json.content = 1", "no JSONPath");
    mistake("x/y", "json.\"$.a[\" = 1", "no JSONPath");
    mistake("x/y", "json.\"$.a\" = {}", "expects nothing");
    mistake("x/y", "json.\"$.a\" = { containz = 1 }", "no operator");
    mistake("x/y", "json.\"$.a\" = { matches = '(?=x)' }", "no regex");
    mistake("x/y", "json.\"$.a\" = { matches = '(' }", "no regex");
    mistake("x/y", "json.\"$.a\" = { matches = 'a{1000}{1000}{1000}' }", "too much memory");
    mistake("x/y", "json.\"$.a\" = { type = 'int' }", "cannot be `int`");
    mistake("x/y", "json.\"$.a\" = { gt = 'x' }", "must be a number");
    mistake("x/y", "json.\"$.a\" = { exists = 1 }", "true` or `false");
    mistake("x/y", "json.\"$.a\" = '${save.x}'", "cannot hold");
}

#[test]
fn every_kind_documents_itself_with_an_example_that_compiles() {
    for kind in KINDS {
        assert!(kind.what.ends_with('.') && kind.why.ends_with('.'), "{}", kind.name);
        let method = kind.methods.first().copied().unwrap_or("tools/call");
        for example in kind.example.split("\n# or\n") {
            let source = Source::new("a.toml", example, ".");
            let (table, diags) = tree::parse(&source);
            assert!(diags.is_empty(), "{example}: {diags:?}");
            let given = Given::default();
            let reading = Reading::new(&given);
            let expect = table.get("expect").unwrap();
            let checks = parse(Field::new(expect, "expect", &reading).table("`expect`").as_ref(), method);
            assert!(checks.iter().any(|check| check.check.kind() == kind.name), "{}", kind.name);
            assert!(reading.into_diags().is_empty(), "{}", kind.name);
        }
    }
}

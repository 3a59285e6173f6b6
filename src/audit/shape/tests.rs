//! Good messages of every revision have no flaw, bad ones have the flaw that was put into them, and nothing panics.

mod mutations;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ALIKE_MAX, FLAWS_MAX, Flaw, FlawKind, judge, judge_error, judge_notification, judge_request, results};
use crate::protocol::revision::{REVISIONS, Revision};

fn revision(version: &str) -> &'static Revision {
    Revision::of(version).unwrap()
}

fn told(flaws: &[Flaw]) -> Vec<(&str, FlawKind)> {
    flaws.iter().map(|flaw| (flaw.path.as_str(), flaw.kind)).collect()
}

type Good = (&'static str, &'static str, &'static str, Value);

/// Good results: the first revision that has it so, the last, the method, the result. In 2026-07-28 what every result
/// has there is added.
#[expect(clippy::too_many_lines, reason = "a table")]
fn good_results() -> Vec<Good> {
    let (first, second, third, fourth, modern) = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28");
    let task = json!({"taskId": "1", "status": "working", "createdAt": "2025-11-25T10:30:00Z",
        "lastUpdatedAt": "2025-11-25T10:40:00Z", "ttl": null, "pollInterval": 5000});
    let with = |mut value: Value, extra: Value| {
        value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        value
    };
    let new_task = |status: &str, extra: Value| {
        let task = json!({"taskId": "1", "status": status, "createdAt": "2026-08-01T10:30:00Z",
            "lastUpdatedAt": "2026-08-01T10:40:00Z", "ttlMs": 60_000, "pollIntervalMs": 500});
        with(task, extra)
    };
    vec![
        (first, fourth, "ping", json!({})),
        (first, fourth, "ping", json!({"_meta": {"anything": [1]}, "pong": true})),
        (first, fourth, "logging/setLevel", json!({})),
        (first, fourth, "resources/subscribe", json!({})),
        (first, fourth, "resources/unsubscribe", json!({})),
        (first, modern, "vendor/own", json!({"own": null})),
        (
            first,
            fourth,
            "initialize",
            json!({"protocolVersion": "2024-11-05", "capabilities": {},
            "serverInfo": {"name": "s", "version": ""}}),
        ),
        (
            first,
            fourth,
            "initialize",
            json!({"protocolVersion": "1", "instructions": "Be kind.", "more": null,
            "capabilities": {"experimental": {"x": {}}, "logging": {}, "prompts": {}, "tools": {"listChanged": false},
                "resources": {"subscribe": true, "listChanged": true}, "vendor": 7, "extensions": {"a/b": {}}},
            "serverInfo": {"name": "s", "version": "1", "author": "me"}}),
        ),
        (
            second,
            fourth,
            "initialize",
            json!({"protocolVersion": "1", "capabilities": {"completions": {}},
            "serverInfo": {"name": "s", "version": "1"}}),
        ),
        (
            fourth,
            fourth,
            "initialize",
            json!({"protocolVersion": "1",
            "capabilities": {"tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}},
            "serverInfo": {"name": "s", "version": "1", "title": "S", "description": "d", "websiteUrl": "https://s.example",
                "icons": [{"src": "https://s.example/i.png", "mimeType": "image/png", "sizes": ["48x48"],
                    "theme": "dark"}]}}),
        ),
        (
            modern,
            modern,
            "server/discover",
            json!({"supportedVersions": ["2026-07-28"], "ttlMs": 0.0,
            "cacheScope": "private", "capabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
            "_meta": {results::SERVER_INFO: {"name": "s", "version": "1"}}, "serverInfo": "body"}),
        ),
        (first, fourth, "tools/list", json!({"tools": []})),
        (
            first,
            fourth,
            "tools/list",
            json!({"tools": [{"name": "", "inputSchema": {"type": "object"}},
            {"name": "b", "description": "d", "inputSchema": {"type": "object", "properties": {"x": true}, "odd": 1},
                "vendor": null, "_meta": {"ui": {}}}], "nextCursor": ""}),
        ),
        (
            second,
            fourth,
            "tools/list",
            json!({"tools": [{"name": "a", "inputSchema": {"type": "object"},
            "annotations": {"title": "A", "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true,
                "openWorldHint": false, "vendor": {}}}]}),
        ),
        (
            third,
            fourth,
            "tools/list",
            json!({"tools": [{"name": "a", "title": "A", "inputSchema": {"type": "object"},
            "outputSchema": {"type": "object", "properties": {}}}]}),
        ),
        (
            fourth,
            fourth,
            "tools/list",
            json!({"tools": [{"name": "a", "inputSchema": {"type": "object"},
            "icons": [{"src": "data:image/png;base64,AAAA"}], "execution": {"taskSupport": "optional"}}]}),
        ),
        (
            modern,
            modern,
            "tools/list",
            json!({"tools": [{"name": "a", "inputSchema": {"type": "object", "oneOf": []},
            "outputSchema": {"type": "array"}}], "ttlMs": 1, "cacheScope": "public"}),
        ),
        (first, modern, "tools/call", json!({"content": []})),
        (
            first,
            modern,
            "tools/call",
            json!({"content": [{"type": "text", "text": ""},
            {"type": "image", "data": "", "mimeType": "image/png",
                "annotations": {"audience": ["user"], "priority": 1}},
            {"type": "resource", "resource": {"uri": "file:///a", "text": ""}},
            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "x/y", "blob": "AA=="}}],
            "isError": true}),
        ),
        (
            second,
            modern,
            "tools/call",
            json!({"content": [{"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}]}),
        ),
        (
            third,
            modern,
            "tools/call",
            json!({"content": [{"type": "resource_link", "uri": "x:y", "name": "n", "title": "t",
            "size": 4.0, "annotations": {"lastModified": "2025-01-12T15:00:58Z"}, "_meta": {}}],
            "structuredContent": {"a": 1}}),
        ),
        (fourth, fourth, "tools/call", json!({"task": task})),
        (modern, modern, "tools/call", json!({"content": [], "structuredContent": [1]})),
        (modern, modern, "tools/call", json!({"content": [], "structuredContent": null})),
        (modern, modern, "tools/call", json!({"resultType": "input_required", "requestState": ""})),
        (
            modern,
            modern,
            "tools/call",
            json!({"resultType": "input_required", "inputRequests": {
            "a b": {"method": "roots/list"},
            "c": {"method": "elicitation/create", "params": {"message": "m", "requestedSchema":
                {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "string"}}}}}},
            "d": {"method": "elicitation/create", "params": {"mode": "url", "message": "m", "url": "https://a.example"}},
            "e": {"method": "sampling/createMessage", "params": {"maxTokens": 1, "messages": [
                {"role": "user", "content": [{"type": "text", "text": "t"}]}]}}}}),
        ),
        (modern, modern, "tools/call", new_task("working", json!({"resultType": "task"}))),
        (
            first,
            fourth,
            "resources/list",
            json!({"resources": [{"uri": "a:b", "name": "n", "description": "d",
            "mimeType": "x/y", "size": 3, "annotations": {"audience": [], "priority": 0.5}}]}),
        ),
        (
            first,
            fourth,
            "resources/templates/list",
            json!({"resourceTemplates": [{"uriTemplate": "a:{b}", "name": "n",
            "description": "d", "mimeType": "x/y", "annotations": {}, "_meta": {}}]}),
        ),
        (first, fourth, "resources/read", json!({"contents": []})),
        (first, fourth, "resources/read", json!({"contents": [{"uri": "a:b", "text": "t", "_meta": {}}]})),
        (
            modern,
            modern,
            "resources/read",
            json!({"contents": [{"uri": "a:b", "blob": "AAAA"}], "ttlMs": 5,
            "cacheScope": "public"}),
        ),
        (
            first,
            fourth,
            "prompts/list",
            json!({"prompts": [{"name": "p"}, {"name": "q", "description": "d",
            "arguments": [{"name": "a", "description": "d", "required": true}]}]}),
        ),
        (
            third,
            fourth,
            "prompts/list",
            json!({"prompts": [{"name": "p", "title": "P", "_meta": {},
            "arguments": [{"name": "a", "title": "A"}]}]}),
        ),
        (
            first,
            modern,
            "prompts/get",
            json!({"description": "d", "messages": [
            {"role": "assistant", "content": {"type": "text", "text": "t"}}]}),
        ),
        (modern, modern, "prompts/get", json!({"resultType": "input_required", "requestState": "s", "messages": 3})),
        (first, modern, "completion/complete", json!({"completion": {"values": []}})),
        (first, modern, "completion/complete", json!({"completion": {"values": ["a"], "total": 1, "hasMore": true}})),
        (fourth, fourth, "tasks/get", task.clone()),
        (fourth, fourth, "tasks/cancel", with(task.clone(), json!({"status": "cancelled", "ttl": 60_000}))),
        (fourth, fourth, "tasks/list", json!({"tasks": [task], "nextCursor": "c"})),
        (
            fourth,
            fourth,
            "tasks/result",
            json!({"content": [], "_meta":
            {"io.modelcontextprotocol/related-task": {"taskId": "1"}}}),
        ),
        (modern, modern, "tasks/get", new_task("working", json!({"ttlMs": null}))),
        (modern, modern, "tasks/get", new_task("cancelled", json!({"statusMessage": "no longer wanted"}))),
        (modern, modern, "tasks/get", new_task("completed", json!({"result": {"content": []}}))),
        (modern, modern, "tasks/get", new_task("failed", json!({"error": {"code": -1, "message": ""}}))),
        (
            modern,
            modern,
            "tasks/get",
            new_task("input_required", json!({"inputRequests": {"k": {"method": "roots/list", "params": {}}}})),
        ),
        (modern, modern, "tasks/update", json!({})),
        (modern, modern, "tasks/cancel", json!({})),
        (modern, modern, "subscriptions/listen", json!({"_meta": {results::SUBSCRIPTION_ID: 7}})),
    ]
}

#[test]
fn good_results_have_no_flaw() {
    for (first, last, method, result) in good_results() {
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
            let shown =
                |(first, last, name, _): &Good| *name == method.name && (*first..=*last).contains(&revision.version);
            let modern_lists = revision.version == "2026-07-28" && method.list.is_some();
            assert!(modern_lists || good_results().iter().any(shown), "{} {}", revision.version, method.name);
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

/// A revision, a method, a bad result, and the flaws in it.
type Bad = (&'static str, &'static str, Value, &'static [(&'static str, FlawKind)]);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_results_have_their_flaws() {
    use FlawKind::{Missing, NoLonger, NotYet, Null, WrongType, WrongValue};
    let tool = |extra: Value| {
        let mut tool = json!({"name": "a", "inputSchema": {"type": "object"}});
        tool.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"tools": [{"name": "ok", "inputSchema": {"type": "object"}}, tool]})
    };
    let block = |block: Value| json!({"content": [block]});
    let cases: &[Bad] = &[
        ("2025-11-25", "ping", json!([]), &[("$", WrongType)]),
        ("2025-11-25", "ping", json!({"_meta": []}), &[("$._meta", WrongType)]),
        (
            "2025-06-18",
            "initialize",
            json!({"capabilities": [], "serverInfo": {"name": "s"}}),
            &[("$.protocolVersion", Missing), ("$.capabilities", WrongType), ("$.serverInfo.version", Missing)],
        ),
        (
            "2025-03-26",
            "initialize",
            json!({"protocolVersion": "1", "capabilities": {"tools": null, "tasks": {}},
            "serverInfo": {"name": "s", "version": "1", "title": "S"}}),
            &[("$.capabilities.tools", Null), ("$.capabilities.tasks", NotYet), ("$.serverInfo.title", NotYet)],
        ),
        ("2025-11-25", "tools/list", json!({"tools": {}}), &[("$.tools", WrongType)]),
        (
            "2025-11-25",
            "tools/list",
            json!({"tools": [], "nextCursor": null, "ttlMs": 5}),
            &[("$.nextCursor", Null), ("$.ttlMs", NotYet)],
        ),
        ("2025-11-25", "tools/list", tool(json!({"inputSchema": null})), &[("$.tools[1].inputSchema", WrongType)]),
        ("2025-11-25", "tools/list", tool(json!({"inputSchema": {}})), &[("$.tools[1].inputSchema.type", Missing)]),
        (
            "2025-11-25",
            "tools/list",
            tool(json!({"inputSchema": {"type": ["object"]}})),
            &[("$.tools[1].inputSchema.type", WrongType)],
        ),
        (
            "2025-06-18",
            "tools/list",
            tool(json!({"inputSchema": {"type": "string"}})),
            &[("$.tools[1].inputSchema.type", WrongValue)],
        ),
        (
            "2025-06-18",
            "tools/list",
            tool(json!({"outputSchema": {"type": "array"}})),
            &[("$.tools[1].outputSchema.type", WrongValue)],
        ),
        (
            "2025-03-26",
            "tools/list",
            tool(json!({"outputSchema": 1, "description": null})),
            &[("$.tools[1].description", Null), ("$.tools[1].outputSchema", NotYet)],
        ),
        (
            "2025-11-25",
            "tools/list",
            tool(json!({"execution": {"taskSupport": "sometimes"}})),
            &[("$.tools[1].execution.taskSupport", WrongValue)],
        ),
        ("2024-11-05", "tools/call", block(json!({"type": "audio"})), &[("$.content[0].type", NotYet)]),
        ("2025-06-18", "tools/call", block(json!({"type": "video"})), &[("$.content[0].type", WrongValue)]),
        ("2025-06-18", "tools/call", block(json!({"text": "a"})), &[("$.content[0].type", Missing)]),
        ("2025-06-18", "tools/call", block(json!("a")), &[("$.content[0]", WrongType)]),
        (
            "2025-06-18",
            "tools/call",
            block(json!({"type": "image", "data": "!"})),
            &[("$.content[0].data", WrongValue), ("$.content[0].mimeType", Missing)],
        ),
        (
            "2025-06-18",
            "tools/call",
            block(json!({"type": "resource", "resource": {"uri": "a:b"}})),
            &[("$.content[0].resource.text", Missing)],
        ),
        (
            "2025-06-18",
            "tools/call",
            json!({"content": [], "structuredContent": [], "isError": "no"}),
            &[("$.isError", WrongType), ("$.structuredContent", WrongType)],
        ),
        ("2025-06-18", "tools/call", json!({"task": {}}), &[("$.content", Missing)]),
        ("2026-07-28", "tools/call", json!({"content": []}), &[("$.resultType", Missing)]),
        ("2026-07-28", "tools/call", json!({"resultType": "done"}), &[("$.resultType", WrongValue)]),
        ("2026-07-28", "tools/call", json!({"resultType": "input_required"}), &[("$.inputRequests", Missing)]),
        (
            "2026-07-28",
            "tools/call",
            json!({"resultType": "input_required", "inputRequests": {"a.b": {"method": "x"}}}),
            &[("$.inputRequests['a.b'].method", WrongValue)],
        ),
        (
            "2026-07-28",
            "tools/list",
            json!({"resultType": "input_required", "tools": [], "ttlMs": -1,
            "cacheScope": "shared"}),
            &[("$.resultType", WrongValue), ("$.ttlMs", WrongValue), ("$.cacheScope", WrongValue)],
        ),
        (
            "2026-07-28",
            "tools/list",
            json!({"resultType": "complete", "tools": [{"name": "a",
            "inputSchema": {"type": "object"}, "execution": {}}], "ttlMs": 1.5, "cacheScope": "public"}),
            &[("$.ttlMs", WrongType), ("$.tools[0].execution", NoLonger)],
        ),
        (
            "2026-07-28",
            "server/discover",
            json!({"resultType": "complete", "supportedVersions": [], "ttlMs": 0,
            "cacheScope": "public", "capabilities": {"tasks": {}}}),
            &[("$.supportedVersions", WrongValue), ("$.capabilities.tasks", NoLonger)],
        ),
        (
            "2026-07-28",
            "tasks/get",
            json!({"resultType": "complete", "taskId": "1", "status": "failed", "ttl": 3,
            "createdAt": "now", "lastUpdatedAt": "2026-08-01", "ttlMs": "3"}),
            &[("$.createdAt", WrongValue), ("$.ttlMs", WrongType), ("$.error", Missing), ("$.ttl", NoLonger)],
        ),
        (
            "2025-11-25",
            "resources/list",
            json!({"resources": [{"uri": "readme", "name": 1,
            "annotations": {"priority": 7, "audience": ["all"], "lastModified": "today"}}]}),
            &[
                ("$.resources[0].name", WrongType),
                ("$.resources[0].annotations.audience[0]", WrongValue),
                ("$.resources[0].annotations.priority", WrongValue),
                ("$.resources[0].annotations.lastModified", WrongValue),
                ("$.resources[0].uri", WrongValue),
            ],
        ),
        ("2025-11-25", "resources/read", json!({"contents": [{"uri": "a:b"}]}), &[("$.contents[0].text", Missing)]),
        (
            "2025-11-25",
            "resources/read",
            json!({"contents": [{"uri": "a:b", "text": null}, {"uri": "a:b", "text": "", "blob": null}]}),
            &[("$.contents[0].text", Null), ("$.contents[0].text", Missing), ("$.contents[1].blob", Null)],
        ),
        (
            "2025-11-25",
            "prompts/get",
            json!({"messages": [{"role": "system", "content": [{}]}]}),
            &[("$.messages[0].role", WrongValue), ("$.messages[0].content", WrongType)],
        ),
        (
            "2025-11-25",
            "prompts/list",
            json!({"prompts": [{"arguments": [{"required": "yes"}]}]}),
            &[
                ("$.prompts[0].name", Missing),
                ("$.prompts[0].arguments[0].name", Missing),
                ("$.prompts[0].arguments[0].required", WrongType),
            ],
        ),
        (
            "2025-11-25",
            "completion/complete",
            json!({"completion": {"values": ["a", "b"], "total": 1}}),
            &[("$.completion.total", WrongValue)],
        ),
        (
            "2025-11-25",
            "completion/complete",
            json!({"completion": {"values": vec!["a"; 101]}}),
            &[("$.completion.values", WrongValue)],
        ),
        ("2025-11-25", "completion/complete", json!({"values": []}), &[("$.completion", Missing)]),
    ];
    for (version, method, result, expected) in cases {
        assert_eq!(told(&judge(revision(version), method, result)), *expected, "{version} {method} {result}");
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

//! Good results: no revision that has them finds a flaw in one.

use serde_json::{Value, json};

use super::{members, results};

const FIRST: &str = "2024-11-05";
const SECOND: &str = "2025-03-26";
const THIRD: &str = "2025-06-18";
const FOURTH: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// The first revision that has it so, the last, the method, the result. In 2026-07-28 what every result has there is added.
pub(super) type Good = (&'static str, &'static str, &'static str, Value);

/// All of them.
pub(super) fn all() -> Vec<Good> {
    [opening(), tools(), calls(), others(), tasks()].concat()
}

fn with(mut value: Value, extra: Value) -> Value {
    value.as_object_mut().unwrap().append(&mut members(extra));
    value
}

fn task() -> Value {
    json!({"taskId": "1", "status": "working", "createdAt": "2025-11-25T10:30:00Z",
        "lastUpdatedAt": "2025-11-25T10:40:00Z", "ttl": null, "pollInterval": 5000})
}

fn new_task(status: &str, extra: Value) -> Value {
    let task = json!({"taskId": "1", "status": status, "createdAt": "2026-08-01T10:30:00Z",
        "lastUpdatedAt": "2026-08-01T10:40:00Z", "ttlMs": 60_000, "pollIntervalMs": 500});
    with(task, extra)
}

/// The life cycle, and what answers with nothing.
fn opening() -> Vec<Good> {
    vec![
        (FIRST, FOURTH, "ping", json!({})),
        (FIRST, FOURTH, "ping", json!({"_meta": {"anything": [1]}, "pong": true})),
        (FIRST, FOURTH, "logging/setLevel", json!({})),
        (FIRST, FOURTH, "resources/subscribe", json!({})),
        (FIRST, FOURTH, "resources/unsubscribe", json!({})),
        (FIRST, MODERN, "vendor/own", json!({"own": null})),
        (
            FIRST,
            FOURTH,
            "initialize",
            json!({"protocolVersion": "2024-11-05", "capabilities": {},
            "serverInfo": {"name": "s", "version": ""}}),
        ),
        (
            FIRST,
            FOURTH,
            "initialize",
            json!({"protocolVersion": "1", "instructions": "Be kind.", "more": null,
            "capabilities": {"experimental": {"x": {}}, "logging": {}, "prompts": {}, "tools": {"listChanged": false},
                "resources": {"subscribe": true, "listChanged": true}, "vendor": 7, "extensions": {"a/b": {}}},
            "serverInfo": {"name": "s", "version": "1", "author": "me"}}),
        ),
        (
            SECOND,
            FOURTH,
            "initialize",
            json!({"protocolVersion": "1", "capabilities": {"completions": {}},
            "serverInfo": {"name": "s", "version": "1"}}),
        ),
        (
            FOURTH,
            FOURTH,
            "initialize",
            json!({"protocolVersion": "1",
            "capabilities": {"tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}},
            "serverInfo": {"name": "s", "version": "1", "title": "S", "description": "d", "websiteUrl": "https://s.example",
                "icons": [{"src": "https://s.example/i.png", "mimeType": "image/png", "sizes": ["48x48"],
                    "theme": "dark"}]}}),
        ),
        (
            MODERN,
            MODERN,
            "server/discover",
            json!({"supportedVersions": ["2026-07-28"], "ttlMs": 0.0,
            "cacheScope": "private", "capabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
            "_meta": {results::SERVER_INFO: {"name": "s", "version": "1"}}, "serverInfo": "body"}),
        ),
    ]
}

/// Lists of tools.
fn tools() -> Vec<Good> {
    vec![
        (FIRST, FOURTH, "tools/list", json!({"tools": []})),
        (
            FIRST,
            FOURTH,
            "tools/list",
            json!({"tools": [{"name": "", "inputSchema": {"type": "object"}},
            {"name": "b", "description": "d", "inputSchema": {"type": "object", "properties": {"x": true}, "odd": 1},
                "vendor": null, "_meta": {"ui": {}}}], "nextCursor": ""}),
        ),
        (
            SECOND,
            FOURTH,
            "tools/list",
            json!({"tools": [{"name": "a", "inputSchema": {"type": "object"},
            "annotations": {"title": "A", "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true,
                "openWorldHint": false, "vendor": {}}}]}),
        ),
        (
            THIRD,
            FOURTH,
            "tools/list",
            json!({"tools": [{"name": "a", "title": "A", "inputSchema": {"type": "object"},
            "outputSchema": {"type": "object", "properties": {}}}]}),
        ),
        (
            FOURTH,
            FOURTH,
            "tools/list",
            json!({"tools": [{"name": "a", "inputSchema": {"type": "object"},
            "icons": [{"src": "data:image/png;base64,AAAA"}], "execution": {"taskSupport": "optional"}}]}),
        ),
        (
            MODERN,
            MODERN,
            "tools/list",
            json!({"tools": [{"name": "a", "inputSchema": {"type": "object", "oneOf": []},
            "outputSchema": {"type": "array"}}], "ttlMs": 1, "cacheScope": "public"}),
        ),
    ]
}

/// Calls of tools.
fn calls() -> Vec<Good> {
    vec![
        (FIRST, MODERN, "tools/call", json!({"content": []})),
        (
            FIRST,
            MODERN,
            "tools/call",
            json!({"content": [{"type": "text", "text": ""},
            {"type": "image", "data": "", "mimeType": "image/png",
                "annotations": {"audience": ["user"], "priority": 1}},
            {"type": "resource", "resource": {"uri": "file:///a", "text": ""}},
            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "x/y", "blob": "AA=="}}],
            "isError": true}),
        ),
        (
            SECOND,
            MODERN,
            "tools/call",
            json!({"content": [{"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}]}),
        ),
        (
            THIRD,
            MODERN,
            "tools/call",
            json!({"content": [{"type": "resource_link", "uri": "x:y", "name": "n", "title": "t",
            "size": 4.0, "annotations": {"lastModified": "2025-01-12T15:00:58Z"}, "_meta": {}}],
            "structuredContent": {"a": 1}}),
        ),
        (FOURTH, FOURTH, "tools/call", json!({"task": task()})),
        (MODERN, MODERN, "tools/call", json!({"content": [], "structuredContent": [1]})),
        (MODERN, MODERN, "tools/call", json!({"content": [], "structuredContent": null})),
        (MODERN, MODERN, "tools/call", json!({"resultType": "input_required", "requestState": ""})),
        (
            MODERN,
            MODERN,
            "tools/call",
            json!({"resultType": "input_required", "inputRequests": {
            "a b": {"method": "roots/list"},
            "c": {"method": "elicitation/create", "params": {"message": "m", "requestedSchema":
                {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "string"}}}}}},
            "d": {"method": "elicitation/create", "params": {"mode": "url", "message": "m", "url": "https://a.example"}},
            "e": {"method": "sampling/createMessage", "params": {"maxTokens": 1, "messages": [
                {"role": "user", "content": [{"type": "text", "text": "t"}]}]}}}}),
        ),
        (MODERN, MODERN, "tools/call", new_task("working", json!({"resultType": "task"}))),
    ]
}

/// Resources, prompts, completion.
fn others() -> Vec<Good> {
    vec![
        (
            FIRST,
            FOURTH,
            "resources/list",
            json!({"resources": [{"uri": "a:b", "name": "n", "description": "d",
            "mimeType": "x/y", "size": 3, "annotations": {"audience": [], "priority": 0.5}}]}),
        ),
        (
            FIRST,
            FOURTH,
            "resources/templates/list",
            json!({"resourceTemplates": [{"uriTemplate": "a:{b}", "name": "n",
            "description": "d", "mimeType": "x/y", "annotations": {}, "_meta": {}}]}),
        ),
        (FIRST, FOURTH, "resources/read", json!({"contents": []})),
        (FIRST, FOURTH, "resources/read", json!({"contents": [{"uri": "a:b", "text": "t", "_meta": {}}]})),
        (
            MODERN,
            MODERN,
            "resources/read",
            json!({"contents": [{"uri": "a:b", "blob": "AAAA"}], "ttlMs": 5,
            "cacheScope": "public"}),
        ),
        (
            FIRST,
            FOURTH,
            "prompts/list",
            json!({"prompts": [{"name": "p"}, {"name": "q", "description": "d",
            "arguments": [{"name": "a", "description": "d", "required": true}]}]}),
        ),
        (
            THIRD,
            FOURTH,
            "prompts/list",
            json!({"prompts": [{"name": "p", "title": "P", "_meta": {},
            "arguments": [{"name": "a", "title": "A"}]}]}),
        ),
        (
            FIRST,
            MODERN,
            "prompts/get",
            json!({"description": "d", "messages": [
            {"role": "assistant", "content": {"type": "text", "text": "t"}}]}),
        ),
        (MODERN, MODERN, "prompts/get", json!({"resultType": "input_required", "requestState": "s", "messages": 3})),
        (FIRST, MODERN, "completion/complete", json!({"completion": {"values": []}})),
        (FIRST, MODERN, "completion/complete", json!({"completion": {"values": ["a"], "total": 1, "hasMore": true}})),
    ]
}

/// Tasks and subscriptions.
fn tasks() -> Vec<Good> {
    vec![
        (FOURTH, FOURTH, "tasks/get", task()),
        (FOURTH, FOURTH, "tasks/cancel", with(task(), json!({"status": "cancelled", "ttl": 60_000}))),
        (FOURTH, FOURTH, "tasks/list", json!({"tasks": [task()], "nextCursor": "c"})),
        (
            FOURTH,
            FOURTH,
            "tasks/result",
            json!({"content": [], "_meta":
            {"io.modelcontextprotocol/related-task": {"taskId": "1"}}}),
        ),
        (MODERN, MODERN, "tasks/get", new_task("working", json!({"ttlMs": null}))),
        (MODERN, MODERN, "tasks/get", new_task("cancelled", json!({"statusMessage": "no longer wanted"}))),
        (MODERN, MODERN, "tasks/get", new_task("completed", json!({"result": {"content": []}}))),
        (MODERN, MODERN, "tasks/get", new_task("failed", json!({"error": {"code": -1, "message": ""}}))),
        (
            MODERN,
            MODERN,
            "tasks/get",
            new_task("input_required", json!({"inputRequests": {"k": {"method": "roots/list", "params": {}}}})),
        ),
        (MODERN, MODERN, "tasks/update", json!({})),
        (MODERN, MODERN, "tasks/cancel", json!({})),
        (MODERN, MODERN, "subscriptions/listen", json!({"_meta": {results::SUBSCRIPTION_ID: 7}})),
    ]
}

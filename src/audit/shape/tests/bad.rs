//! Bad results, each with the flaws that were put into it.

use serde_json::{Value, json};

use super::FlawKind::{self, Missing, NoLonger, NotYet, Null, WrongType, WrongValue};
use super::members;

/// A revision, a method, a bad result, and the flaws in it.
pub(super) type Bad = (&'static str, &'static str, Value, &'static [(&'static str, FlawKind)]);

/// All of them.
pub(super) fn all() -> Vec<Bad> {
    [opening(), tools(), calls(), others(), tasks()].concat()
}

fn tool(extra: Value) -> Value {
    let mut tool = json!({"name": "a", "inputSchema": {"type": "object"}});
    tool.as_object_mut().unwrap().append(&mut members(extra));
    json!({"tools": [{"name": "ok", "inputSchema": {"type": "object"}}, tool]})
}

fn block(block: Value) -> Value {
    let content = vec![block];
    json!({"content": content})
}

/// The life cycle, and what answers with nothing.
fn opening() -> Vec<Bad> {
    vec![
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
        (
            "2026-07-28",
            "server/discover",
            json!({"resultType": "complete", "supportedVersions": [], "ttlMs": 0,
            "cacheScope": "public", "capabilities": {"tasks": {}}}),
            &[("$.supportedVersions", WrongValue), ("$.capabilities.tasks", NoLonger)],
        ),
    ]
}

/// Lists of tools.
fn tools() -> Vec<Bad> {
    vec![
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
    ]
}

/// Calls of tools.
fn calls() -> Vec<Bad> {
    vec![
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
    ]
}

/// Resources, prompts, completion.
fn others() -> Vec<Bad> {
    vec![
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
    ]
}

/// Tasks and subscriptions.
fn tasks() -> Vec<Bad> {
    vec![(
        "2026-07-28",
        "tasks/get",
        json!({"resultType": "complete", "taskId": "1", "status": "failed", "ttl": 3,
            "createdAt": "now", "lastUpdatedAt": "2026-08-01", "ttlMs": "3"}),
        &[("$.createdAt", WrongValue), ("$.ttlMs", WrongType), ("$.error", Missing), ("$.ttl", NoLonger)],
    )]
}

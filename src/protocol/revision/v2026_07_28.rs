//! 2026-07-28: stateless. `server/discover`, `_meta` on every request, `Mcp-*` headers, `resultType` on every
//! result; no `initialize`, `ping`, sessions or requests from the server.
//! Source: specification 2026-07-28, basic/index, basic/transports/streamable-http, server/discover.

use super::{HttpRules, Method, Revision, list, named, plain};
use crate::event::Era;

pub(super) static REVISION: Revision = Revision {
    version: "2026-07-28",
    era: Era::Modern,
    methods: METHODS,
    http: HttpRules { version_header: true, method_headers: true, sessions: false, polling: false },
    batches: false,
    structured_output: true,
    result_members: &["resultType"],
    cacheable_members: &["ttlMs", "cacheScope"],
};

/// `tasks/*` belong to the extension `io.modelcontextprotocol/tasks`.
static METHODS: &[Method] = &[
    plain("server/discover", None),
    list("tools/list", "tools", "tools"),
    named("tools/call", "tools", "name", true),
    list("resources/list", "resources", "resources"),
    list("resources/templates/list", "resources", "resourceTemplates"),
    named("resources/read", "resources", "uri", true),
    list("prompts/list", "prompts", "prompts"),
    named("prompts/get", "prompts", "name", true),
    plain("completion/complete", Some("completions")),
    plain("subscriptions/listen", None),
    named("tasks/get", "extensions.io.modelcontextprotocol/tasks", "taskId", false),
    named("tasks/update", "extensions.io.modelcontextprotocol/tasks", "taskId", false),
    named("tasks/cancel", "extensions.io.modelcontextprotocol/tasks", "taskId", false),
];

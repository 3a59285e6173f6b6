//! 2025-11-25: the last revision with `initialize`. Streams may be cut and polled; experimental tasks; icons.
//! Source: specification 2025-11-25, changelog, basic/transports, basic/utilities/tasks.

use super::{HttpRules, Method, Revision, list, named, plain};
use crate::event::Era;

pub(super) static REVISION: Revision = Revision {
    version: "2025-11-25",
    era: Era::Legacy,
    methods: METHODS,
    http: HttpRules { version_header: true, method_headers: false, sessions: true, polling: true },
    batches: false,
    structured_output: true,
    result_members: &[],
    cacheable_members: &[],
};

static METHODS: &[Method] = &[
    plain("initialize", None),
    plain("ping", None),
    list("tools/list", "tools", "tools"),
    named("tools/call", "tools", "name", false),
    list("resources/list", "resources", "resources"),
    list("resources/templates/list", "resources", "resourceTemplates"),
    named("resources/read", "resources", "uri", false),
    plain("resources/subscribe", Some("resources.subscribe")),
    plain("resources/unsubscribe", Some("resources.subscribe")),
    list("prompts/list", "prompts", "prompts"),
    named("prompts/get", "prompts", "name", false),
    plain("completion/complete", Some("completions")),
    plain("logging/setLevel", Some("logging")),
    list("tasks/list", "tasks.list", "tasks"),
    plain("tasks/get", Some("tasks")),
    plain("tasks/result", Some("tasks")),
    plain("tasks/cancel", Some("tasks.cancel")),
];

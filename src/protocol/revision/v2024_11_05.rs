//! 2024-11-05: the first revision. stdio and HTTP+SSE; sessions opened by `initialize`.
//! Source: specification 2024-11-05, basic/lifecycle, basic/transports, server/*.

use super::{HttpRules, Method, Revision, list, named, plain};
use crate::event::Era;

pub(super) static REVISION: Revision = Revision {
    version: "2024-11-05",
    era: Era::Legacy,
    methods: METHODS,
    http: HttpRules { version_header: false, method_headers: false, sessions: false, polling: false },
    batches: false,
    structured_output: false,
    result_members: &[],
    cacheable_members: &[],
};

/// `completion/complete` needs no capability in this revision alone.
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
    plain("completion/complete", None),
    plain("logging/setLevel", Some("logging")),
];

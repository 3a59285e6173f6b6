//! 2025-03-26: Streamable HTTP with sessions, batches (in this revision alone), tool annotations, audio.
//! Source: specification 2025-03-26, changelog, basic/transports.

use super::{HttpRules, Method, Revision, list, named, plain};
use crate::event::Era;

pub(super) static REVISION: Revision = Revision {
    version: "2025-03-26",
    era: Era::Legacy,
    methods: METHODS,
    http: HttpRules { version_header: false, method_headers: false, sessions: true, polling: false },
    batches: true,
    structured_output: false,
    result_members: &[],
    cacheable_members: &[],
};

/// The requests of 2025-03-26, which 2025-06-18 kept as they are.
pub(super) static METHODS: &[Method] = &[
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
];

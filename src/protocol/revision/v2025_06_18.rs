//! 2025-06-18: `MCP-Protocol-Version` on every message, structured tool output, elicitation; batches are gone.
//! Source: specification 2025-06-18, changelog, basic/transports.

use super::{HttpRules, Revision, v2025_03_26};
use crate::event::Era;

pub(super) static REVISION: Revision = Revision {
    version: "2025-06-18",
    era: Era::Legacy,
    methods: v2025_03_26::METHODS,
    http: HttpRules { version_header: true, method_headers: false, sessions: true, polling: false },
    batches: false,
    structured_output: true,
    result_members: &[],
    cacheable_members: &[],
};

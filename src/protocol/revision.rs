//! The dated revisions as data: one static table per file, so that a new revision is one new file and one row.

mod v2024_11_05;
mod v2025_03_26;
mod v2025_06_18;
mod v2025_11_25;
mod v2026_07_28;

use crate::event::Era;

/// A request a client may send, and what the wire wants to know about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name on the wire.
    pub name: &'static str,
    /// The server capability it needs, as a dotted path; none for the life cycle.
    pub capability: Option<&'static str>,
    /// Lists: the array of the result, which pages are merged into.
    pub list: Option<&'static str>,
    /// The member of `params` that the `Mcp-Name` header repeats (2026-07-28).
    pub name_param: Option<&'static str>,
    /// Whether the server may answer `input_required` (2026-07-28).
    pub multi_round: bool,
}

/// What Streamable HTTP wants of each message.
#[derive(Debug, PartialEq, Eq)]
pub struct HttpRules {
    /// `MCP-Protocol-Version` on every message (after `initialize`, in the legacy era).
    pub version_header: bool,
    /// `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*`.
    pub method_headers: bool,
    /// `Mcp-Session-Id`, DELETE at the end.
    pub sessions: bool,
    /// The stream may be cut after an event id, and is continued by GET with `Last-Event-ID`.
    pub polling: bool,
}

/// One dated revision.
#[derive(Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its date, which is its name on the wire.
    pub version: &'static str,
    /// Its era.
    pub era: Era,
    /// The requests a client may send.
    pub methods: &'static [Method],
    /// Its HTTP rules; 2024-11-05 has only HTTP+SSE, which wants none of them.
    pub http: HttpRules,
    /// Whether a message may be an array of messages.
    pub batches: bool,
    /// Whether tools declare an `outputSchema` and answer with `structuredContent`.
    pub structured_output: bool,
    /// Members that every result must have.
    pub result_members: &'static [&'static str],
    /// Members that list, read and discover results must have besides.
    pub cacheable_members: &'static [&'static str],
}

/// Every revision, oldest first.
pub static REVISIONS: &[&Revision] = &[
    &v2024_11_05::REVISION,
    &v2025_03_26::REVISION,
    &v2025_06_18::REVISION,
    &v2025_11_25::REVISION,
    &v2026_07_28::REVISION,
];

impl Revision {
    /// The revision of that date.
    #[must_use]
    pub fn of(version: &str) -> Option<&'static Self> {
        REVISIONS.iter().copied().find(|revision| revision.version == version)
    }

    /// The newest revision of an era.
    #[must_use]
    pub fn newest(era: Era) -> &'static Self {
        match era {
            Era::Legacy => &v2025_11_25::REVISION,
            Era::Modern => &v2026_07_28::REVISION,
        }
    }

    /// A request of this revision.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// A request in any revision, the newest first.
#[must_use]
pub fn method_anywhere(name: &str) -> Option<&'static Method> {
    REVISIONS.iter().rev().find_map(|revision| revision.method(name))
}

/// The member of a result that must be an array, in every revision that has the method.
#[must_use]
pub fn array_member(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" => Some("content"),
        "resources/read" => Some("contents"),
        "prompts/get" => Some("messages"),
        method => method_anywhere(method)?.list,
    }
}

/// A request without lists, names or rounds.
const fn plain(name: &'static str, capability: Option<&'static str>) -> Method {
    Method { name, capability, list: None, name_param: None, multi_round: false }
}

/// A request whose result is a list in pages.
const fn list(name: &'static str, capability: &'static str, member: &'static str) -> Method {
    Method { name, capability: Some(capability), list: Some(member), name_param: None, multi_round: false }
}

/// A request about one named thing.
const fn named(name: &'static str, capability: &'static str, member: &'static str, multi_round: bool) -> Method {
    Method { name, capability: Some(capability), list: None, name_param: Some(member), multi_round }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_whole() {
        let versions: Vec<_> = REVISIONS.iter().map(|revision| revision.version).collect();
        assert_eq!(versions, ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]);
        for revision in REVISIONS {
            assert_eq!(revision.era == Era::Modern, revision.version >= "2026");
            assert!(revision.method("tools/list").is_some_and(|method| method.list == Some("tools")));
            assert_eq!(revision.method("initialize").is_some(), revision.era == Era::Legacy);
            assert_eq!(revision.method("ping").is_some(), revision.era == Era::Legacy);
            assert_eq!(revision.method("server/discover").is_some(), revision.era == Era::Modern);
            assert_eq!(revision.batches, revision.version == "2025-03-26");
        }
    }
}

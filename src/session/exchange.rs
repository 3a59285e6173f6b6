//! What a call gave: the reply or the fault, the time marks, and what was heard meanwhile. Checks judge it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use super::notices::Notices;
use crate::base::ids::SpanContext;
use crate::base::name::Name;
use crate::event::{Finding, ProtocolUsed, ServerIdentity, Severity, TransportKind};
use crate::protocol::Revision;
use crate::transport::{Fault, Head};
use crate::wire::RpcError;

/// When the bytes were where. `sent` is when the request was written; queueing and connecting come before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// The request was written; `None` when it never was.
    pub sent: Option<Instant>,
    /// First byte of the reply.
    pub first_byte: Option<Instant>,
    /// Last byte of the reply.
    pub last_byte: Option<Instant>,
}

impl Marks {
    /// Request written to last byte of the reply.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        Some(self.last_byte?.saturating_duration_since(self.sent?))
    }

    /// Request written to first byte of the reply.
    #[must_use]
    pub fn first_byte(&self) -> Option<Duration> {
        Some(self.first_byte?.saturating_duration_since(self.sent?))
    }
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The result (of a list: all pages merged), or the JSON-RPC error. Equal results may be one and the same.
    pub body: Result<Arc<Value>, RpcError>,
    /// The reply as received, one entry a page.
    pub raw: Vec<Bytes>,
}

/// One call and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method.
    pub method: Name,
    /// The parameters as the caller gave them, without what the era adds.
    pub params: Value,
    /// Counts the calls of a run; in every wire record of this call.
    pub call_id: String,
    /// Its span; of a list, that of the first page.
    pub span: SpanContext,
    /// The reply, or why there is none.
    pub reply: Result<Reply, Fault>,
    /// Of the first page and the last round; without a last byte where a later page did not come.
    pub marks: Marks,
    /// Everything: all pages, all rounds of input, retries that the protocol demands.
    pub total: Duration,
    /// How many pages a list had; 1 for everything else.
    pub pages: u32,
    /// Bytes of the request, without transport framing (of the first page).
    pub request_bytes: u64,
    /// Bytes of the reply, without transport framing (of all pages).
    pub response_bytes: u64,
    /// Notifications heard while it was open: all counted, and a bounded number kept.
    pub notices: Notices,
    /// The HTTP head of the reply.
    pub head: Option<Head>,
    /// The JSON-RPC error under an HTTP status that refuses the call: the status is the fault, unless one asks for this.
    pub refused: Option<Box<Reply>>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

impl Exchange {
    /// The result, where there is one.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        self.shared_result().map(|result| &**result)
    }

    /// The same, to be kept.
    #[must_use]
    pub fn shared_result(&self) -> Option<&Arc<Value>> {
        self.reply.as_ref().ok()?.body.as_ref().ok()
    }

    /// Where a list broke off before its end, why. Of what it may hold beyond nothing is known.
    #[must_use]
    pub fn cut(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == "list.pagination" && finding.severity == Severity::Error)
    }

    /// The JSON-RPC error, where there is one.
    #[must_use]
    pub fn error(&self) -> Option<&RpcError> {
        self.reply.as_ref().ok()?.body.as_ref().err()
    }
}

/// What the server said of itself when the session was opened.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// `serverInfo`, where it said so.
    pub identity: Option<ServerIdentity>,
    /// `instructions`, raw.
    pub instructions: Option<String>,
    /// `capabilities`, as they came; an empty object when nothing is known.
    pub capabilities: Value,
    /// The revision that is spoken.
    pub revision: &'static Revision,
    /// How messages travel.
    pub transport: TransportKind,
    /// The modern era: every version the server listed.
    pub supported: Vec<String>,
}

impl ServerFacts {
    /// As outcomes tell it.
    #[must_use]
    pub fn protocol(&self) -> ProtocolUsed {
        ProtocolUsed { version: Name::fixed(self.revision.version), era: self.revision.era, transport: self.transport }
    }

    /// Whether a capability, as a dotted path such as `resources.subscribe`, was declared. A member that is
    /// `false` or `null` is not.
    #[must_use]
    pub fn declares(&self, capability: &str) -> bool {
        declares(&self.capabilities, capability)
    }
}

/// Names of extensions have dots of their own, so that every dot may be one of the path or one of a name.
fn declares(value: &Value, path: &str) -> bool {
    let inner = |name: &str| value.get(name).filter(|inner| !matches!(inner, Value::Null | Value::Bool(false)));
    inner(path).is_some()
        || path
            .match_indices('.')
            .any(|(at, _)| inner(&path[..at]).is_some_and(|inner| declares(inner, &path[at + 1..])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn capabilities_are_found_at_any_depth_and_by_names_with_dots() {
        let all = json!({
            "tools": {"listChanged": false}, "logging": null, "completions": {},
            "tasks": {"requests": {"tools": {"call": {}}}}, "extensions": {"io.example/ui": {"deep": {"x.y": true}}}
        });
        for (path, is_declared) in [
            ("tools", true),
            ("tools.listChanged", false),
            ("tools.listChanged.x", false),
            ("logging", false),
            ("completions", true),
            ("completions.x", false),
            ("tasks.requests.tools.call", true),
            ("tasks.requests.tools.list", false),
            ("extensions.io.example/ui", true),
            ("extensions.io.example/ui.deep.x.y", true),
            ("extensions.io", false),
            ("", false),
            (".", false),
        ] {
            assert_eq!(declares(&all, path), is_declared, "{path:?}");
        }
    }
}

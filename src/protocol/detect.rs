//! Which era a server speaks, judged from its reply to `server/discover`. No single error code decides: anything
//! that is not recognisably modern is legacy. Source: specification 2026-07-28, basic/versioning and
//! basic/transports (backward compatibility), refined by what servers in the field answer.

use serde_json::Value;

use super::revision::{REVISIONS, Revision};
use crate::event::Era;
use crate::wire::RpcError;

/// `UnsupportedProtocolVersionError` of 2026-07-28.
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// `MissingRequiredClientCapabilityError` of 2026-07-28.
pub const MISSING_CAPABILITY: i64 = -32021;
/// `HeaderMismatchError` of 2026-07-28.
pub const HEADER_MISMATCH: i64 = -32020;

/// What a reply to `server/discover` says about its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It speaks this modern revision.
    Modern(&'static Revision),
    /// It is recognisably modern, but refused our request as wrong or as lacking a capability.
    ModernRefused,
    /// It speaks another modern revision that we know: ask again, once, at that one.
    Again(&'static Revision),
    /// It speaks modern revisions, none of them ours.
    Incompatible(Vec<String>),
    /// It opens with `initialize`.
    Legacy {
        /// Why we think so, for the log.
        why: &'static str,
        /// Whether the reply itself broke a rule.
        violation: bool,
    },
}

/// Judges a reply to `server/discover` that was sent at revision `asked`.
#[must_use]
pub fn classify(reply: Result<&Value, &RpcError>, asked: &'static Revision) -> Verdict {
    match reply {
        Ok(result) => match strings(result.get("supportedVersions")) {
            Some(offered) => from_offer(&offered, asked, false),
            None => Verdict::Legacy { why: "a result without supportedVersions", violation: false },
        },
        Err(error) if error.code == UNSUPPORTED_VERSION => {
            match strings(error.data.as_ref().and_then(|data| data.get("supported"))) {
                Some(offered) if !offered.is_empty() => from_offer(&offered, asked, true),
                _ => Verdict::Legacy { why: "-32022 without a list of supported versions", violation: true },
            }
        }
        Err(error) if matches!(error.code, HEADER_MISMATCH | MISSING_CAPABILITY) => Verdict::ModernRefused,
        Err(_) => Verdict::Legacy { why: "server/discover was answered with an error", violation: false },
    }
}

/// Whether an error is one that only a modern server gives.
#[must_use]
pub fn is_modern_error(error: &RpcError) -> bool {
    matches!(error.code, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION)
}

fn from_offer(offered: &[String], asked: &'static Revision, refused: bool) -> Verdict {
    let ours = REVISIONS
        .iter()
        .rev()
        .copied()
        .filter(|revision| revision.era == Era::Modern)
        .find(|revision| offered.iter().any(|version| version == revision.version));
    match ours {
        Some(_) if !refused && offered.iter().any(|version| version == asked.version) => Verdict::Modern(asked),
        Some(revision) if refused => Verdict::Again(revision),
        Some(revision) => Verdict::Modern(revision),
        None if offered.iter().any(|version| is_modern_date(version)) => Verdict::Incompatible(offered.to_vec()),
        None => Verdict::Legacy { why: "only legacy versions are supported", violation: false },
    }
}

/// Dates compare as text; anything after the last legacy revision belongs to the modern era.
fn is_modern_date(version: &str) -> bool {
    version > Revision::newest(Era::Legacy).version
}

fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// What an HTTP answer without a message says about the era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// Try `initialize`.
    Legacy,
    /// No verdict: the server, a proxy or an access rule refused.
    NoVerdict,
}

/// Whether an HTTP status rules out any verdict about the era, whatever its body holds.
#[must_use]
pub fn gives_no_verdict(status: u16) -> bool {
    matches!(status, 300..=399 | 401 | 403 | 429 | 500..=599)
}

/// Judges an HTTP answer to `server/discover` that held no JSON-RPC message.
#[must_use]
pub fn bare(status: u16) -> Bare {
    if gives_no_verdict(status) { Bare::NoVerdict } else { Bare::Legacy }
}

/// Whether a refused `initialize` leaves the old HTTP+SSE transport to be tried: any 4xx that is not about access
/// or load. The caller makes sure that the body was no modern error.
#[must_use]
pub fn may_be_http_sse(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 401 | 403 | 407 | 421 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(code: i64, data: Value) -> RpcError {
        RpcError { code, message: "no".into(), data: Some(data) }
    }

    #[test]
    fn every_branch_of_a_result() {
        let modern = Revision::newest(Era::Modern);
        let judge = |result: Value| classify(Ok(&result), modern);
        assert_eq!(judge(json!({"supportedVersions": ["2026-07-28"]})), Verdict::Modern(modern));
        assert_eq!(judge(json!({"supportedVersions": ["2025-11-25", "2026-07-28"]})), Verdict::Modern(modern));
        assert!(matches!(
            judge(json!({"supportedVersions": ["2025-11-25", "2024-11-05"]})),
            Verdict::Legacy { violation: false, .. }
        ));
        assert!(matches!(judge(json!({"tools": []})), Verdict::Legacy { .. }));
        assert!(matches!(judge(json!({"supportedVersions": "2026-07-28"})), Verdict::Legacy { .. }));
        assert_eq!(
            judge(json!({"supportedVersions": ["2027-01-01"]})),
            Verdict::Incompatible(vec!["2027-01-01".into()])
        );
    }

    #[test]
    fn every_branch_of_an_error() {
        let modern = Revision::newest(Era::Modern);
        let judge = |code, data| classify(Err(&error(code, data)), modern);
        assert_eq!(judge(-32022, json!({"supported": ["2026-07-28"]})), Verdict::Again(modern));
        assert_eq!(
            judge(-32022, json!({"supported": ["2030-01-01"]})),
            Verdict::Incompatible(vec!["2030-01-01".into()])
        );
        assert!(matches!(
            judge(-32022, json!({"supported": ["2025-06-18"]})),
            Verdict::Legacy { violation: false, .. }
        ));
        for data in
            [json!(null), json!({}), json!({"supported": []}), json!({"supported": "x"}), json!({"supported": [1]})]
        {
            assert!(matches!(judge(-32022, data), Verdict::Legacy { violation: true, .. }));
        }
        assert_eq!(judge(-32020, json!(null)), Verdict::ModernRefused);
        assert_eq!(judge(-32021, json!(null)), Verdict::ModernRefused);
        for code in [-32601, -32602, -32600, -32000, -32001, -32603, 0, 5] {
            assert!(matches!(judge(code, json!(null)), Verdict::Legacy { violation: false, .. }), "{code}");
        }
    }

    #[test]
    fn statuses() {
        for status in [301, 307, 401, 403, 429, 500, 502, 503] {
            assert_eq!(bare(status), Bare::NoVerdict, "{status}");
        }
        for status in [400, 404, 405, 406, 415, 200] {
            assert_eq!(bare(status), Bare::Legacy, "{status}");
        }
        assert!(may_be_http_sse(405) && may_be_http_sse(400) && may_be_http_sse(404));
        assert!(!may_be_http_sse(401) && !may_be_http_sse(500) && !may_be_http_sse(200));
    }
}

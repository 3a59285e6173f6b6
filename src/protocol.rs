//! What a request of each revision looks like, what a reply means, and what breaks the rules. Pure: no sockets, no
//! tasks, no clocks. What differs between revisions is a table ([`revision`]); what differs between the eras is two
//! files ([`legacy`], [`modern`]).

pub mod answers;
pub mod conversation;
pub mod detect;
pub mod headers;
pub mod legacy;
pub mod modern;
pub mod paging;
pub mod refusal;
pub mod revision;

pub use answers::Answers;
pub use conversation::Conversation;
pub use revision::{Method, REVISIONS, Revision};

use serde_json::{Value, json};

use crate::event::Era;

/// Which protocol the user wants spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pin {
    /// Find out.
    #[default]
    Auto,
    /// The newest modern revision, no detection.
    Modern,
    /// The newest legacy revision; the server may answer an older one.
    Legacy,
    /// This revision and no other.
    Version(&'static Revision),
}

impl Pin {
    /// Reads `auto`, `modern`, `legacy` or a date.
    ///
    /// # Errors
    /// A sentence that lists what could be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "modern" => Ok(Self::Modern),
            "legacy" => Ok(Self::Legacy),
            version => Revision::of(version).map(Self::Version).ok_or_else(|| {
                let known: Vec<_> = REVISIONS.iter().map(|revision| revision.version).collect();
                format!("expected auto, modern, legacy or one of {}, got {version:?}", known.join(", "))
            }),
        }
    }

    /// The era, where it is pinned.
    #[must_use]
    pub fn era(self) -> Option<Era> {
        match self {
            Self::Auto => None,
            Self::Modern => Some(Era::Modern),
            Self::Legacy => Some(Era::Legacy),
            Self::Version(revision) => Some(revision.era),
        }
    }
}

/// Who we say we are: `clientInfo` of every revision.
#[must_use]
pub fn client_info() -> Value {
    json!({"name": "mcp-probe", "version": env!("CARGO_PKG_VERSION")})
}

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
    /// Reads `auto`, `modern`, `legacy` or the date of a revision.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "modern" => Some(Self::Modern),
            "legacy" => Some(Self::Legacy),
            date => Revision::of(date).map(Self::Version),
        }
    }

    /// Every word that can be read.
    pub fn words() -> impl Iterator<Item = &'static str> {
        ["auto", "modern", "legacy"].into_iter().chain(REVISIONS.iter().map(|revision| revision.version))
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

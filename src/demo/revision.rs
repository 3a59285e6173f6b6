//! The five dated revisions as the demo server knows them. It keeps its own list on purpose: a fixture that
//! shared the client's table would share its mistakes.

/// A dated revision of the protocol, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// 2024-11-05: stdio and HTTP+SSE.
    R2024_11,
    /// 2025-03-26: Streamable HTTP, audio, annotations, batches.
    R2025_03,
    /// 2025-06-18: structured content, elicitation, resource links.
    R2025_06,
    /// 2025-11-25: icons, event-stream polling.
    R2025_11,
    /// 2026-07-28: stateless, no handshake.
    R2026_07,
}

impl Revision {
    /// Every revision, newest first, as `supportedVersions` lists them.
    pub const ALL: [Self; 5] = [Self::R2026_07, Self::R2025_11, Self::R2025_06, Self::R2025_03, Self::R2024_11];

    /// The date that stands on the wire.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::R2024_11 => "2024-11-05",
            Self::R2025_03 => "2025-03-26",
            Self::R2025_06 => "2025-06-18",
            Self::R2025_11 => "2025-11-25",
            Self::R2026_07 => "2026-07-28",
        }
    }

    /// The revision with this date, if the server knows it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.text() == text)
    }

    /// Whether requests carry their own version (no handshake).
    #[must_use]
    pub fn is_modern(self) -> bool {
        self >= Self::R2026_07
    }
}

/// Which eras a server answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Era {
    /// `initialize` and the stateless requests of 2026-07-28.
    #[default]
    Both,
    /// `initialize` only (2024-11-05 to 2025-11-25).
    Legacy,
    /// 2026-07-28 only.
    Modern,
}

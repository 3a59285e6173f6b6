//! Whether a request got an answer, by the reason of its failure: something may come quickly that is none, such as an error
//! under a status that refuses.

use std::time::Duration;

use super::{Reason, StepOutcome};

impl Reason {
    /// Whether it says that no answer of the protocol came to a request.
    #[must_use]
    pub fn is_no_answer(self) -> bool {
        match self {
            Self::Spawn
            | Self::Exited
            | Self::Resolve
            | Self::Connect
            | Self::Tls
            | Self::Http
            | Self::Auth
            | Self::RateLimited
            | Self::Timeout
            | Self::Closed
            | Self::Protocol
            | Self::Incompatible
            | Self::TooLarge => true,
            Self::RpcError
            | Self::ToolError
            | Self::Check
            | Self::Slow
            | Self::Drift
            | Self::Flaky
            | Self::Suspended
            | Self::Cancelled
            | Self::Internal => false,
        }
    }
}

impl StepOutcome {
    /// How long its answer took; none where none came, however quickly something else did.
    #[must_use]
    pub fn answer_latency(&self) -> Option<Duration> {
        self.latency.filter(|_| !self.cause.as_ref().is_some_and(|cause| cause.reason.is_no_answer()))
    }
}

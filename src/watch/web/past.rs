//! What pages ask of the history. The daemon answers from its store; a page is the same where there is none, without
//! the past.

use std::time::Duration;

use jiff::Timestamp;

/// How runs ended in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// Runs that were healthy.
    pub healthy: u64,
    /// Runs that were degraded.
    pub degraded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs of which nobody can tell.
    pub unknown: u64,
    /// Grid points without a run.
    pub missed: u64,
}

/// The latencies of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Where it begins.
    pub at: Timestamp,
    /// Half of the latencies were at most this.
    pub p50: Duration,
    /// Nineteen in twenty were at most this.
    pub p95: Duration,
}

/// A run that was not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it was due.
    pub at: Timestamp,
    /// The probe.
    pub probe: String,
    /// How it ended.
    pub status: String,
    /// Why.
    pub reason: String,
    /// The same in a sentence, raw.
    pub message: String,
    /// What was said both ways, one JSON object a line, as the wire log has them.
    pub transcript: Option<String>,
}

/// Reads what was. It may take its time: pages ask on a thread of their own.
pub trait Past: Send + Sync {
    /// So many stretches of equal length, the oldest first.
    ///
    /// # Errors
    /// A sentence, where the history cannot be read.
    fn bars(&self, target: &str, count: usize, from: Timestamp, to: Timestamp) -> Result<Vec<Bar>, String>;

    /// So many stretches; those without a latency are left out.
    ///
    /// # Errors
    /// Likewise.
    fn latency(&self, target: &str, from: Timestamp, to: Timestamp, count: usize) -> Result<Vec<Point>, String>;

    /// The newest runs that were not healthy, newest first.
    ///
    /// # Errors
    /// Likewise.
    fn failures(&self, target: &str, limit: usize) -> Result<Vec<Failure>, String>;

    /// The share of known time in which the target was up, between 0 and 1; none where nothing is known.
    ///
    /// # Errors
    /// Likewise.
    fn uptime(&self, target: &str, from: Timestamp, to: Timestamp) -> Result<Option<f64>, String>;
}

impl Bar {
    /// The word for the whole stretch: the worst of what was seen. None where nothing was.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self { failed: 1.., .. } => "failed",
            Self { degraded: 1.., .. } => "degraded",
            Self { healthy: 1.., .. } => "healthy",
            Self { unknown: 1.., .. } | Self { missed: 1.., .. } => "unknown",
            _ => "none",
        }
    }
}

//! What pages ask of the history. The daemon answers from its store; a page is the same where there is none, without
//! the past.

use jiff::Timestamp;

pub use crate::report::chart::{Bar, Point};

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

//! What a channel is told: alerts that began, go on or ended, as one message with a key that stays the same from the
//! first to the last word about them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::receiver::Receiver;

/// What is told of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// It began.
    Firing,
    /// It goes on.
    Reminder,
    /// It ended.
    Resolved,
    /// It comes and goes: nothing more is told until it settles.
    Flapping,
    /// The server is being restarted for it, was restarted, or could not be.
    Restart,
    /// Restarting did not help, or was done too often: a person is needed.
    Escalated,
    /// Nothing happened: somebody tries the channel.
    Test,
}

impl Transition {
    /// The word in outputs and bodies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
            Self::Flapping => "flapping",
            Self::Restart => "restart",
            Self::Escalated => "escalated",
            Self::Test => "test",
        }
    }
}

/// One alert of one probe on one target, as a channel is told of it. Texts of a server inside it are raw: whoever
/// renders them sanitises. It is kept in the outbox as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertView {
    /// The rule's name.
    pub alert: String,
    /// The probe; empty where the alert is of the prober as a whole.
    pub probe: String,
    /// The target; likewise.
    pub target: String,
    /// `info`, `warning`, `error`, `critical`.
    pub severity: String,
    /// The target's labels.
    pub labels: BTreeMap<String, String>,
    /// One sentence with the figures that it rests on.
    pub summary: String,
    /// The last failure's reason code, where there was one.
    pub reason: Option<String>,
    /// The last failure's sentence, raw.
    pub details: Option<String>,
    /// When it began to fire.
    pub since: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it ended, where that is not that all is well: `rule removed`, `target removed`.
    pub ended_because: Option<String>,
    /// How often it was told while it fires, this time included.
    pub told: u32,
}

/// One message to one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The notifier's name.
    pub channel: String,
    /// The same for every message about the same alert or group: hash of target and cause, so that
    /// two probers that watch the same have the same; of the instance only where it is the prober's own alert.
    pub dedup_key: String,
    /// What is told.
    pub transition: Transition,
    /// The alerts; one, or those of a group.
    pub alerts: Vec<AlertView>,
    /// When it was decided.
    pub at: Timestamp,
    /// The prober that says it: the machine's name, or `[watch] instance`.
    pub instance: String,
    /// Who is told, where that is not whom the notifier of the files leads to any more, but whom it led to before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Receiver>,
    /// Of an end: how many other alerts the channel was told of that go on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub others: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

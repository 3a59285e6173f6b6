//! Notifiers: whom alerts tell. The table of kinds, the settings of one, filled in, and the contract of a rendering: a
//! message in, payloads out. Nothing is sent here.

pub mod keys;

mod alertmanager;
mod channels;
mod command;
mod email;
pub mod healthchecks;
mod message;
mod pagerduty;
mod slack;
mod webhook;

use std::time::Duration;

use super::receiver::Receiver;
use crate::deliver::Payload;

pub use crate::config::receiver::Settings;
use crate::config::receiver::parsed_url;
pub use channels::{Channel, Channels, test_message};
pub use message::{Message, SCHEMA};
pub use webhook::check_template;

/// How long a request may take where the file says nothing.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One way of telling. What it renders is safe to show already.
pub trait Notifier: Send + Sync {
    /// The payloads of a message; several are sent in order.
    ///
    /// # Errors
    /// A sentence, where the message does not fit what the file asks for.
    fn render(&self, message: &Message) -> Result<Vec<Payload>, String>;

    /// As whom its receiver knows what it is told, as far as the settings say so.
    fn receiver(&self) -> Receiver {
        Receiver::default()
    }

    /// Whether its receiver has one state for all that it is told: then the order of all messages counts.
    fn has_one_state(&self) -> bool {
        false
    }

    /// Whether a receiver forgets an alert that goes on, and wants to hear of it this often.
    fn repeat_every(&self) -> Option<Duration> {
        None
    }
}

/// Makes a notifier of its settings.
type Compile = fn(&Settings) -> Result<Box<dyn Notifier>, String>;

/// What becomes of the settings of each kind of [`keys::KINDS`].
static RENDERINGS: &[(&str, Compile)] = &[
    ("webhook", webhook::compile),
    ("slack", slack::compile),
    ("pagerduty", pagerduty::compile),
    ("alertmanager", alertmanager::compile),
    ("email", email::compile),
    ("command", command::compile),
    ("healthchecks", healthchecks::compile),
];

/// Makes a notifier, so that its mistakes show before anything is told.
///
/// # Errors
/// A sentence about the setting that is wrong, without its value where that may be a secret.
pub fn compile(kind: &str, name: &str, settings: &Settings) -> Result<Channel, String> {
    let (_, compile) = RENDERINGS
        .iter()
        .find(|(have, _)| *have == kind)
        .ok_or_else(|| format!("`notify.{name}`: there is no kind {kind:?}"))?;
    let notifier = compile(settings).map_err(|why| format!("`notify.{name}`: {why}"))?;
    Ok(Channel::new(name, kind, notifier))
}

#[cfg(test)]
mod tests;

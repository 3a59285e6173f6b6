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

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::secret::Secret;
use crate::config::receiver::Filled;
use crate::deliver::Payload;

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

/// The settings of a `[notify.NAME]`, every variable filled in; the keys are those of its kind in [`keys`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, Filled>);

impl Settings {
    /// Settings by key.
    #[must_use]
    pub fn new(settings: BTreeMap<&'static str, Filled>) -> Self {
        Self(settings)
    }

    /// A text; it may hold a secret.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&Secret> {
        match self.0.get(key) {
            Some(Filled::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Several texts, or the words of a command; none where the key is not given.
    #[must_use]
    pub fn texts(&self, key: &str) -> &[Secret] {
        match self.0.get(key) {
            Some(Filled::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// Names and texts; none where the key is not given. `auth` is a table, too, with `bearer`.
    #[must_use]
    pub fn table(&self, key: &str) -> &[(String, Secret)] {
        match self.0.get(key) {
            Some(Filled::Table(entries)) => entries,
            _ => &[],
        }
    }

    /// A duration.
    #[must_use]
    pub fn time(&self, key: &str) -> Option<Duration> {
        match self.0.get(key) {
            Some(Filled::Time(time)) => Some(*time),
            _ => None,
        }
    }

    /// A switch.
    #[must_use]
    pub fn switch(&self, key: &str) -> Option<bool> {
        match self.0.get(key) {
            Some(Filled::Switch(on)) => Some(*on),
            _ => None,
        }
    }

    /// A text that the kind cannot do without.
    fn needed(&self, key: &str) -> Result<&Secret, String> {
        self.text(key).filter(|text| !text.reveal().is_empty()).ok_or_else(|| format!("`{key}` is missing or empty"))
    }

    /// `timeout`, or what is usual.
    fn timeout(&self, usual: Duration) -> Duration {
        self.time("timeout").unwrap_or(usual)
    }

    /// `headers` and `auth` as headers, after those that the kind brings; a header of the file replaces one of the kind.
    fn headers(&self, own: &[(&str, &str)]) -> Result<Vec<(String, Secret)>, String> {
        let given = self.table("headers");
        let has = |name: &str| given.iter().any(|(have, _)| have.eq_ignore_ascii_case(name));
        let mut headers: Vec<(String, Secret)> = own
            .iter()
            .filter(|(name, _)| !has(name))
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect();
        headers.extend(given.iter().cloned());
        if let Some((_, token)) = self.table("auth").iter().find(|(name, _)| name == "bearer")
            && !has("authorization")
        {
            headers.push(("Authorization".to_owned(), Secret::new(format!("Bearer {}", token.reveal()))));
        }
        for (name, value) in &headers {
            http::HeaderName::try_from(name.as_str()).map_err(|_| format!("{name:?} is no name of a header"))?;
            http::HeaderValue::try_from(value.reveal())
                .map_err(|_| format!("the value of header {name} holds characters that HTTP does not allow"))?;
        }
        Ok(headers)
    }
}

/// The URL of a setting.
fn parsed_url(url: &Secret, key: &str) -> Result<url::Url, String> {
    match url::Url::parse(url.reveal()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!("`{key}` is no URL of http or https")),
    }
}

#[cfg(test)]
mod tests;

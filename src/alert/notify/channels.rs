//! The channels of a set of files by name: what the outbox asks for payloads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{Message, Notifier};
use crate::alert::{AlertView, Notification, Transition};
use crate::base::secret::Masker;
use crate::deliver::Payload;
use crate::deliver::outbox::{Render, Unrendered};

/// A `[notify.NAME]`, ready to render.
pub struct Channel {
    name: String,
    kind: String,
    notifier: Box<dyn Notifier>,
}

impl Channel {
    pub(super) fn new(name: &str, kind: &str, notifier: Box<dyn Notifier>) -> Self {
        Self { name: name.to_owned(), kind: kind.to_owned(), notifier }
    }

    /// Its name in the files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The payloads of a notification, in order.
    ///
    /// # Errors
    /// A sentence, where it does not fit what the file asks for.
    pub fn render(
        &self,
        notification: &Notification,
        collapsed: bool,
        masker: &Masker,
    ) -> Result<Vec<Payload>, String> {
        self.notifier.render(&Message::of(notification, collapsed, masker))
    }
}

/// All channels.
#[derive(Default)]
pub struct Channels {
    here: BTreeMap<String, Arc<Channel>>,
    /// Those that the files had before: whoever was told of a beginning by one is told of the end by it.
    gone: BTreeMap<String, Arc<Channel>>,
    masker: Masker,
}

impl Channels {
    /// These channels. The masker keeps secrets out of what a server's words bring in.
    #[must_use]
    pub fn new(channels: Vec<Channel>, masker: Masker) -> Self {
        let named = channels.into_iter().map(|channel| (channel.name.clone(), Arc::new(channel)));
        Self { here: named.collect(), gone: BTreeMap::new(), masker }
    }

    /// The same after other files: what these do not have any more still takes what is on its way to it.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        let known = before.gone.iter().chain(&before.here);
        let gone = known.filter(|(name, _)| !self.here.contains_key(*name));
        self.gone = gone.map(|(name, channel)| (name.clone(), Arc::clone(channel))).collect();
        self
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Channel> {
        self.here.get(name).map(Arc::as_ref)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.here.values().map(Arc::as_ref)
    }
}

impl Channels {
    /// How often a channel must hear of alerts that go on, because its receiver forgets them (Alertmanager does so when
    /// it is restarted).
    #[must_use]
    pub fn repeat_every(&self, channel: &str) -> Option<Duration> {
        self.here.get(channel)?.notifier.repeat_every()
    }

    /// What such a channel is told of the alerts that go on: to be sent at once and not by the outbox, as the next one
    /// replaces it. One that is still under way when the end is told would bring the alert back: wait for it.
    #[must_use]
    pub fn repeat(&self, channel: &str, alerts: Vec<AlertView>, at: Timestamp, instance: &str) -> Vec<Payload> {
        let Some(channel) = self.here.get(channel) else { return Vec::new() };
        let notification = Notification {
            channel: channel.name.clone(),
            dedup_key: String::new(),
            transition: Transition::Reminder,
            alerts,
            at,
            instance: instance.to_owned(),
        };
        channel.render(&notification, false, &self.masker).unwrap_or_default()
    }
}

impl Render for Channels {
    fn render(&self, channel: &str, body: &Value, collapsed: bool) -> Result<Vec<Payload>, Unrendered> {
        let channel = self.here.get(channel).or_else(|| self.gone.get(channel)).ok_or(Unrendered::Gone)?;
        let notification: Notification = serde_json::from_value(body.clone())
            .map_err(|error| Unrendered::Wrong(format!("what the outbox holds is no notification: {error}")))?;
        channel.render(&notification, collapsed, &self.masker).map_err(Unrendered::Wrong)
    }

    fn has(&self, channel: &str) -> bool {
        self.here.contains_key(channel)
    }
}

/// What `notify test` tells a channel.
#[must_use]
pub fn test_message(channel: &str, instance: &str, at: Timestamp) -> Notification {
    let view = AlertView {
        alert: "mcp_probe_test".to_owned(),
        probe: "notify".to_owned(),
        target: "test".to_owned(),
        severity: "info".to_owned(),
        labels: BTreeMap::new(),
        summary: "this is a test: nothing happened, and nothing is to be done".to_owned(),
        reason: None,
        details: None,
        since: at,
        ended: None,
        ended_because: None,
        told: 1,
    };
    Notification {
        channel: channel.to_owned(),
        dedup_key: format!("mcp-probe-test-{}", at.as_millisecond()),
        transition: Transition::Test,
        alerts: vec![view],
        at,
        instance: instance.to_owned(),
    }
}

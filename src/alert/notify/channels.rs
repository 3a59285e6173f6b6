//! The channels of a set of files by name: what the outbox asks for payloads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{Message, Notifier};
use crate::alert::{AlertView, Notification, Receiver, Transition};
use crate::base::secret::Masker;
use crate::deliver::Payload;
use crate::deliver::former;
use crate::deliver::outbox::{Render, Unrendered};

/// Former receivers that are remembered.
const FORMER_MAX: usize = 64;

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

    /// As whom its receiver knows what it is told.
    #[must_use]
    pub fn receiver(&self) -> Receiver {
        self.notifier.receiver()
    }

    /// Whether it is one of this name that led to this receiver.
    fn led_to(&self, name: &str, receiver: &Receiver) -> bool {
        self.name == name && self.receiver().is(receiver)
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
    /// Those that led to another receiver before: what it was told of is ended there. The newest come last.
    former: Vec<Arc<Channel>>,
    masker: Masker,
}

impl Channels {
    /// These channels. The masker keeps secrets out of what a server's words bring in.
    #[must_use]
    pub fn new(channels: Vec<Channel>, masker: Masker) -> Self {
        let named = channels.into_iter().map(|channel| (channel.name.clone(), Arc::new(channel)));
        Self { here: named.collect(), gone: BTreeMap::new(), former: Vec::new(), masker }
    }

    /// The same after other files: what these do not have any more still takes what is on its way to it.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        let known = before.gone.iter().chain(&before.here);
        let gone = known.filter(|(name, _)| !self.here.contains_key(*name));
        self.gone = gone.map(|(name, channel)| (name.clone(), Arc::clone(channel))).collect();
        let mut former: Vec<Arc<Channel>> = Vec::new();
        for channel in before.former.iter().chain(before.gone.values()).chain(before.here.values()) {
            let receiver = channel.receiver();
            let leads_there = |other: &Arc<Channel>| other.led_to(&channel.name, &receiver);
            former.retain(|other| !leads_there(other));
            if !self.here.values().any(leads_there) {
                former.push(Arc::clone(channel));
            }
        }
        former.drain(..former.len().saturating_sub(FORMER_MAX));
        self.former = former;
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
    /// Whom each channel leads to.
    #[must_use]
    pub fn receivers(&self) -> BTreeMap<String, Receiver> {
        self.here.iter().map(|(name, channel)| (name.clone(), channel.receiver())).collect()
    }

    /// Whom a channel led to before, to be told of an end: by the settings of then, or where they are not known any more by
    /// those of now, as far as these reach it.
    fn former(&self, name: &str, before: &Receiver) -> Option<&Arc<Channel>> {
        let known = self.former.iter().rev().find(|channel| channel.led_to(name, before));
        let now = || self.here.get(name).or_else(|| self.gone.get(name));
        known.or_else(|| now().filter(|channel| before.is_reached_by(&channel.receiver())))
    }

    /// The key of a message in the outbox: what has the same arrives in order.
    #[must_use]
    pub fn order(&self, told: &Notification) -> String {
        let channel = self.here.get(&told.channel).or_else(|| self.gone.get(&told.channel));
        let has_one_state = channel.is_some_and(|channel| channel.notifier.has_one_state());
        if has_one_state { told.channel.clone() } else { told.dedup_key.clone() }
    }

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
            before: None,
            others: 0,
        };
        channel.render(&notification, false, &self.masker).unwrap_or_default()
    }
}

impl Render for Channels {
    fn render(&self, channel: &str, body: &Value, collapsed: bool) -> Result<Vec<Payload>, Unrendered> {
        let read = || {
            serde_json::from_value::<Notification>(body.clone())
                .map_err(|error| Unrendered::Wrong(format!("what the outbox holds is no notification: {error}")))
        };
        let (channel, notification) = match former::channel_of(channel) {
            None => (self.here.get(channel).or_else(|| self.gone.get(channel)).ok_or(Unrendered::Gone)?, read()?),
            Some(name) => {
                let notification = read()?;
                let before = notification.before.clone().unwrap_or_default();
                (self.former(name, &before).ok_or(Unrendered::Moved)?, notification)
            }
        };
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
        before: None,
        others: 0,
    }
}

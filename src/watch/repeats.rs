//! Receivers that forget: some (Alertmanager) take an alert for ended when they have not heard of it for a while, or have
//! been restarted themselves. They hear again and again of the alerts that go on, beside the outbox: the next word replaces
//! this one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::daemon::{Daemon, Ended};
use crate::alert::AlertView;
use crate::alert::notify::{Channel, Channels};
use crate::base::clock::Now;

/// The channels, and when each forgetful one was told last.
#[derive(Default)]
pub struct Repeats {
    channels: Arc<Channels>,
    told: BTreeMap<String, Duration>,
}

/// What a channel has been told again.
pub struct Repeated {
    channel: String,
    alerts: Vec<AlertView>,
    /// By what it was told: other files may lead elsewhere meanwhile.
    by: Arc<Channels>,
}

impl Repeats {
    /// Of these channels.
    #[must_use]
    pub fn new(channels: Arc<Channels>) -> Self {
        Self { channels, told: BTreeMap::new() }
    }

    /// The channels of the plan.
    #[must_use]
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The channels whose turn it is.
    fn due(&mut self, now: Duration) -> Vec<String> {
        let mut due = Vec::new();
        for channel in self.channels.iter() {
            let Some(every) = self.channels.repeat_every(channel.name()) else { continue };
            let told = self.told.entry(channel.name().to_owned()).or_insert(now);
            if now.saturating_sub(*told) >= every {
                *told = now;
                due.push(channel.name().to_owned());
            }
        }
        due
    }
}

impl Daemon {
    /// Tells forgetful receivers of the alerts that go on, as far as they have heard of them: what they were never told of
    /// they would never hear the end of.
    pub(super) fn repeat(&mut self, now: Now) {
        for channel in self.repeats.due(now.monotonic) {
            let alerts = self.engine.to_repeat(&channel, now);
            if !alerts.is_empty() {
                let by = Arc::clone(&self.repeats.channels);
                let said = Repeated { channel: channel.clone(), alerts: alerts.clone(), by: Arc::clone(&by) };
                self.say(&channel, &by, alerts, now, Ended::Repeated(said));
            }
        }
    }

    /// A word that was on its way when the end was told may have brought the alert back: the end is told once more. So is that
    /// of an alert which has another name at its receiver since.
    pub(super) fn repeated(&mut self, repeated: Repeated) {
        let now = self.now();
        let Repeated { channel, alerts, by } = repeated;
        let receiver = |channels: &Channels| channels.get(&channel).map(Channel::receiver);
        let is_there = receiver(&self.repeats.channels).is_none_or(|now| Some(now) == receiver(&by));
        let heard = self.engine.heard(&channel);
        let goes_on = |view: &AlertView| {
            let same = |one: &&AlertView| {
                (&one.alert, &one.probe, &one.target) == (&view.alert, &view.probe, &view.target)
                    && (&one.labels, &one.severity) == (&view.labels, &view.severity)
            };
            is_there && heard.iter().any(|one| same(&one))
        };
        let ended = alerts.into_iter().filter(|view| !goes_on(view));
        let ended: Vec<AlertView> = ended.map(|view| AlertView { ended: Some(now.wall), ..view }).collect();
        if !ended.is_empty() {
            self.say(&channel, &by, ended, now, Ended::Nothing);
        }
    }

    fn say(&mut self, channel: &str, by: &Channels, alerts: Vec<AlertView>, now: Now, then: Ended) {
        let payloads = by.repeat(channel, alerts, now.wall, &self.setup.instance);
        let (courier, cancel) = (self.setup.courier.clone(), self.runner.cx.cancel.clone());
        self.tasks.spawn(async move {
            for payload in payloads {
                // What is lost is said again soon; the beginning and the end have passed the outbox.
                let _ = courier.send(&payload, &cancel).await;
            }
            then
        });
    }
}

//! The dead man's switch: after each cycle in which probing progressed and alerts get out, somebody else is told that we
//! live. When we stop saying so, they say that something is wrong. It does not pass the outbox, whose health it vouches for.

use std::time::Duration;

use super::compose::Pair;
use super::daemon::{Daemon, Ended};
use super::reload::AtWork;
use crate::alert::notify::healthchecks::{Healthchecks, Ping};
use crate::base::clock::Now;
use crate::deliver::Receipt;
use crate::event::Level;

/// The shortest cycle.
const CYCLE_MIN: Duration = Duration::from_secs(1);
/// The longest.
const CYCLE_MAX: Duration = Duration::from_secs(60);

/// Whom it tells, and when it did.
pub struct Heartbeat {
    to: Option<Healthchecks>,
    cycle: Duration,
    told: Option<Duration>,
    systemd_told: Option<Duration>,
    is_under_way: bool,
    failed: Option<String>,
    /// Whether a run has ended since the start: before that there is no probing to vouch for.
    has_probed: bool,
}

impl Heartbeat {
    /// By the plan: the notifier that `[watch] heartbeat` names; a cycle is the shortest interval of a probe.
    #[must_use]
    pub fn new(plan: &AtWork, members: &[Pair]) -> Self {
        let name = plan.telling.watch.heartbeat.as_deref();
        let notifier = name.and_then(|name| plan.telling.notifiers.iter().find(|notifier| notifier.name == name));
        let shortest = members.iter().filter_map(Pair::every).min().unwrap_or(CYCLE_MAX);
        Self {
            to: notifier.and_then(|notifier| Healthchecks::new(&notifier.settings).ok()),
            cycle: shortest.clamp(CYCLE_MIN, CYCLE_MAX),
            told: None,
            systemd_told: None,
            is_under_way: false,
            failed: None,
            has_probed: false,
        }
    }

    /// The same of another plan: to read files again is no sign of life.
    #[must_use]
    pub fn of(&self, plan: &AtWork, members: &[Pair]) -> Self {
        let Self { to, cycle, .. } = Self::new(plan, members);
        let Self { told, systemd_told, is_under_way, has_probed, .. } = *self;
        Self { to, cycle, told, systemd_told, is_under_way, failed: self.failed.clone(), has_probed }
    }

    /// A run has ended.
    pub fn probed(&mut self) {
        self.has_probed = true;
    }
}

impl Daemon {
    /// Tells whoever listens that we live, where we do.
    pub(super) fn beat(&mut self, now: Now) {
        let lives = self.is_alive(now);
        if let Some(every) = self.setup.systemd.beat_every() {
            let is_due = self.heartbeat.systemd_told.is_none_or(|told| now.monotonic.saturating_sub(told) >= every / 2);
            if lives && is_due {
                self.heartbeat.systemd_told = Some(now.monotonic);
                self.setup.systemd.alive();
            }
        }
        let is_due = self.heartbeat.told.is_none_or(|told| now.monotonic.saturating_sub(told) >= self.heartbeat.cycle);
        // Of a cycle in which nothing came to an end there is nothing to tell, and of one in which nothing was due only
        // once something has.
        let progressed = self.heartbeat.has_probed && self.heartbeat.told.is_none_or(|told| self.progressed() > told);
        let Some(to) = self.heartbeat.to.as_ref().filter(|_| is_due && !self.heartbeat.is_under_way) else { return };
        let outbox = self.outbox_state();
        let ping = match (outbox.is_stuck, progressed) {
            (true, _) => Ping::Fail(format!("alerts do not get out: {} wait to be delivered", outbox.waiting)),
            (false, true) => Ping::Success,
            (false, false) => return,
        };
        let payload = to.payload(&ping, fastrand::u128(..));
        self.heartbeat.told = Some(now.monotonic);
        self.heartbeat.is_under_way = true;
        let (courier, cancel) = (self.setup.courier.clone(), self.runner.cx.cancel.clone());
        self.tasks.spawn(async move {
            Ended::Beaten(match courier.send(&payload, &cancel).await {
                Receipt::Refused { why, .. } | Receipt::Failed { why, .. } => Err(why),
                Receipt::Delivered | Receipt::Partly { .. } | Receipt::Cut => Ok(()),
            })
        });
    }

    /// Says in the log when the heartbeat cannot be sent, and when it can again.
    pub(super) fn beaten(&mut self, sent: Result<(), String>) {
        self.heartbeat.is_under_way = false;
        let failed = sent.err();
        if failed == self.heartbeat.failed {
            return;
        }
        match &failed {
            Some(why) => self.note(Level::Warn, "heartbeat", format!("the heartbeat was not received: {why}")),
            None => self.note(Level::Info, "heartbeat", "the heartbeat is received again"),
        }
        self.heartbeat.failed = failed;
    }
}

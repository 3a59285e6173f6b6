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
    /// When the daemon began; on the monotonic clock, like what follows.
    begun: Duration,
    told: Option<Duration>,
    systemd_told: Option<Duration>,
    is_under_way: bool,
    failed: Option<String>,
    /// Whether a run has ended since the start: before that there is hardly any probing to vouch for.
    has_probed: bool,
}

impl Heartbeat {
    /// By the plan: the notifier that `[watch] heartbeat` names; a cycle is the shortest interval of a probe.
    #[must_use]
    pub fn new(plan: &AtWork, members: &[Pair], begun: Duration) -> Self {
        let name = plan.telling.watch.heartbeat.as_deref();
        let notifier = name.and_then(|name| plan.telling.notifiers.iter().find(|notifier| notifier.name == name));
        let shortest = members.iter().filter_map(Pair::every).min().unwrap_or(CYCLE_MAX);
        Self {
            to: notifier.and_then(|notifier| Healthchecks::new(&notifier.settings).ok()),
            cycle: shortest.clamp(CYCLE_MIN, CYCLE_MAX),
            begun,
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
        Self {
            told: self.told,
            systemd_told: self.systemd_told,
            is_under_way: self.is_under_way,
            failed: self.failed.clone(),
            has_probed: self.has_probed,
            ..Self::new(plan, members, self.begun)
        }
    }

    /// A run has ended.
    pub fn probed(&mut self) {
        self.has_probed = true;
    }

    /// Whether a cycle is over at this time.
    fn is_due(&self, now: Duration) -> bool {
        self.told.is_none_or(|told| now.saturating_sub(told) >= self.cycle)
    }

    /// Whether there is something to vouch for, where probing had come so far. Of a cycle in which nothing came to an end
    /// there is not, and of one in which nothing was due only once something has; where probes are rare, the first sign of
    /// life is a whole cycle in which what was due was done.
    fn vouches(&self, now: Duration, progressed: Duration) -> bool {
        let is_settled = now.saturating_sub(self.begun) >= self.cycle;
        (self.has_probed || is_settled) && progressed > self.told.unwrap_or(self.begun)
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
        let is_due = self.heartbeat.is_due(now.monotonic);
        let progressed = self.heartbeat.vouches(now.monotonic, self.progressed());
        let Some(to) = self.heartbeat.to.as_ref().filter(|_| is_due && !self.heartbeat.is_under_way) else { return };
        let outbox = self.outbox_state();
        let ping = match (outbox.is_stuck, progressed) {
            (true, _) => Ping::Fail(format!("alerts do not get out: {}", outbox.trouble())),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn it_beats_once_a_run_has_ended_or_a_cycle_is_over_and_only_while_probing_goes_on() {
        let mut heart = Heartbeat {
            to: None,
            cycle: secs(60),
            begun: secs(1000),
            told: None,
            systemd_told: None,
            is_under_way: false,
            failed: None,
            has_probed: false,
        };
        assert!(heart.is_due(secs(1001)) && !heart.vouches(secs(1001), secs(1001)), "nothing was probed yet");
        assert!(heart.vouches(secs(1060), secs(1059)), "nothing was due, and that for a cycle");
        assert!(!heart.vouches(secs(1060), secs(1000)), "it stands still since the start");
        heart.probed();
        assert!(heart.vouches(secs(1002), secs(1002)));
        heart.told = Some(secs(1002));
        assert!(!heart.is_due(secs(1061)) && heart.is_due(secs(1062)));
        assert!(heart.vouches(secs(1062), secs(1050)) && !heart.vouches(secs(1062), secs(1002)));
    }
}

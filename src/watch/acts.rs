//! Carries out what the rules ask for. Messages and the state behind them are on the disk before anything is sent; what
//! could not be written waits here and is tried again, in its order.

use std::time::Duration;

use super::board::{AlertState, OutboxState};
use super::daemon::Daemon;
use crate::alert::{Action, Notification};
use crate::deliver::former;
use crate::event::{AlertChange, EventKind, Level};
use crate::store::OutboxMessage;

/// How long what was not made durable waits before it is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// Messages that wait for the disk; more of them say nothing new.
const UNWRITTEN_MAX: usize = 10_000;
/// What is said of a channel whose last try failed; the log has what its receiver said.
const FAILING: &str = "the last message was not received; it is tried again";
/// What is said of a channel that refuses.
const REFUSING: &str = "the last message was refused and is given up; the log says why";
/// So often the state of the rules is written although nobody has to be told.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);

/// What waits to be made durable.
#[derive(Default)]
pub struct Acts {
    messages: Vec<OutboxMessage>,
    changes: Vec<AlertChange>,
    /// Not before; on the monotonic clock.
    again: Option<Duration>,
    written: Duration,
    is_forced: bool,
}

impl Acts {
    /// When something is to be tried again.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.again
    }

    /// What waits is tried now, and the state is written in any case.
    pub fn at_once(&mut self) {
        (self.again, self.is_forced) = (None, true);
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.changes.is_empty()
    }
}

impl Daemon {
    /// Carries out actions, and what is left of earlier ones.
    pub(super) async fn act(&mut self, actions: Vec<Action>) {
        let any = !actions.is_empty();
        let mut explained = Vec::new();
        for action in actions {
            match action {
                Action::Notify(notification) => self.acts.messages.extend(self.message(notification)),
                Action::Changed(change) => {
                    self.setup.publisher.publish(EventKind::AlertChanged(Box::new(change.clone())));
                    self.acts.changes.push(change);
                }
                Action::Restart { target, alert, why } => self.restart(target, &alert, &why),
                Action::Verify { probe, target, after } => self.verify(&probe, &target, after),
                Action::Explained(runs) => explained.push(runs),
            }
        }
        self.keep_explained(explained);
        if any {
            self.show_alerts();
        }
        self.commit().await;
    }

    /// Writes what waits; the outbox hears of it only then.
    pub(super) async fn commit(&mut self) {
        let now = self.now();
        if self.acts.again.is_some_and(|again| now.monotonic < again) {
            return;
        }
        let is_due = self.acts.is_forced || now.monotonic.saturating_sub(self.acts.written) >= SNAPSHOT_EVERY;
        if self.acts.is_empty() && !is_due {
            self.acts.again = None;
            return;
        }
        let (messages, changes) = (self.acts.messages.clone(), self.acts.changes.clone());
        let mut snapshot = self.engine.snapshot();
        self.setup.masker.mask_json(&mut snapshot);
        match self.setup.store.commit_alerts(snapshot, messages, changes, now.wall).await {
            Ok(()) => {
                let told = !self.acts.messages.is_empty();
                self.acts = Acts { written: now.monotonic, ..Acts::default() };
                if told {
                    self.setup.outbox.nudge();
                }
                self.keeping("alerts", None);
            }
            Err(error) => {
                self.acts.again = Some(now.monotonic + AGAIN);
                let spare = self.acts.messages.len().saturating_sub(UNWRITTEN_MAX);
                self.acts.messages.drain(..spare);
                let spare = self.acts.changes.len().saturating_sub(UNWRITTEN_MAX);
                self.acts.changes.drain(..spare);
                self.keeping("alerts", Some(error.to_string()));
            }
        }
    }

    /// A notification as the outbox keeps it. What a server said of our secrets is masked before it is written.
    fn message(&self, notification: Notification) -> Option<OutboxMessage> {
        let mut body = match serde_json::to_value(&notification) {
            Ok(body) => body,
            Err(error) => {
                self.note(Level::Error, "deliver", format!("a notification cannot be written: {error}"));
                return None;
            }
        };
        self.setup.masker.mask_json(&mut body);
        let key = self.repeats.channels().order(&notification);
        let Notification { channel, transition, at, before, .. } = notification;
        let channel = before.map_or_else(|| channel.clone(), |before| former::lane(&channel, &before.mark()));
        Some(OutboxMessage { channel, key, transition: transition.name().to_owned(), body, at })
    }

    /// Runs a probe beside its timetable.
    fn verify(&mut self, probe: &str, target: &str, after: Duration) {
        let id = self.fleet.iter().find(|(_, member)| member.pair.is(probe, target)).map(|(id, _)| *id);
        if let Some(id) = id {
            let at = self.now().monotonic + after;
            self.timetable.soon(id, at);
        }
    }

    /// Puts the alerts on the board.
    pub(super) fn show_alerts(&self) {
        let open = self.engine.open().into_iter();
        self.setup.board.set_alerts(open.map(|open| AlertState { view: open.view, state: open.state }).collect());
    }

    /// What waits to be delivered.
    pub(super) fn outbox_state(&self) -> OutboxState {
        let health = self.setup.outbox.health();
        let sentence = |channel: String| {
            let said = if health.refusing.contains(&channel) { REFUSING } else { FAILING };
            (channel, said.to_owned())
        };
        OutboxState {
            waiting: health.waiting + self.acts.messages.len(),
            oldest: health.oldest,
            // What cannot even be written does not move either.
            is_stuck: health.is_stuck() || self.acts.again.is_some(),
            is_silent: health.is_silent || self.acts.again.is_some(),
            is_refused: health.is_refused,
            failing: health.failing.iter().cloned().map(sentence).collect(),
            channels: self.plan.telling.rules.iter().flat_map(|rule| &rule.notify).cloned().collect(),
        }
    }
}

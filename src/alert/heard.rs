//! What channels have heard of: for receivers that forget, and want to hear again of what they know.

use super::engine::{Action, Engine};
use super::group::Ready;
use super::notification::AlertView;
use super::window::nanos;
use crate::base::clock::Now;

impl Engine {
    /// The alerts that a channel was told of, and not of the end of.
    #[must_use]
    pub fn heard(&self, channel: &str) -> Vec<AlertView> {
        self.desk.known_to(channel).map(|(view, _)| view).collect()
    }

    /// Those of them that go on and may be told again now: nobody wants quiet, and nothing else explains them.
    #[must_use]
    pub fn to_repeat(&self, channel: &str, now: Now) -> Vec<AlertView> {
        let goes_on = self.desk.known_to(channel).filter(|(_, goes_on)| *goes_on).map(|(view, _)| view);
        goes_on.filter(|view| self.ready(view, now) == Ready::Tell).collect()
    }

    /// Tells channels once more of everything of theirs that fires: they did not take it, and lead somewhere else by now.
    pub fn tell_again(&mut self, channels: &[String], now: Now) -> Vec<Action> {
        let mono = nanos(now.monotonic);
        for (key, group) in &mut self.desk.groups {
            if key.moved.is_some() || !channels.contains(&key.channel) {
                continue;
            }
            for member in group.members.iter_mut().filter(|member| member.told && !member.has_ended()) {
                member.again = true;
                group.due = Some(mono);
            }
        }
        self.desk.soon(mono);
        let mut out = Vec::new();
        self.due(now, &mut out);
        out
    }
}

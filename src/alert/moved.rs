//! Receivers that know an alert by what was changed in the files: by labels, by a key. Under its new names they would take it
//! for another one, and hold the old one for ever. So the old one ends there, and the one that goes on is opened anew.

use std::collections::BTreeMap;

use super::engine::Engine;
use super::group::{Desk, Group, GroupKey, Member};
use super::notification::AlertView;
use super::receiver::{Receiver, are_same};
use super::window::nanos;
use crate::base::clock::Now;

/// Why an alert ends at a receiver while it goes on.
const BECAUSE: &str = "the notifier or its labels changed";

impl Engine {
    /// Ends what channels know under other names than those of the files, at once. What goes on is to be fired anew.
    pub(super) fn move_on(&mut self, now: Now) {
        let mut desk = std::mem::take(&mut self.desk);
        desk.move_on(&self.settings.receivers, now, |view| self.is_called_otherwise(view));
        self.desk = desk;
    }

    /// Whether an alert has other labels by now, or another severity.
    fn is_called_otherwise(&self, view: &AlertView) -> bool {
        let Some(pair) = self.find(&view.probe, &view.target).map(|number| &self.pairs[number]) else { return false };
        let rule = pair.instances.iter().map(|instance| &instance.rule).find(|rule| rule.name == view.alert);
        rule.is_some_and(|rule| rule.severity.name() != view.severity || !are_same(&pair.watched.labels, &view.labels))
    }
}

impl Desk {
    fn move_on(
        &mut self,
        receivers: &BTreeMap<String, Receiver>,
        now: Now,
        is_called_otherwise: impl Fn(&AlertView) -> bool,
    ) {
        let mono = nanos(now.monotonic);
        let mut moved = Vec::new();
        for (key, group) in self.groups.iter_mut().filter(|(key, _)| key.moved.is_none()) {
            let Some(receiver) = receivers.get(&key.channel) else { continue };
            let before = group.receiver.replace(receiver.clone()).unwrap_or_else(|| receiver.clone());
            let is_other = !before.is(receiver);
            let goes =
                |member: &Member| member.told && (is_other || receiver.by_labels && is_called_otherwise(&member.view));
            let (gone, stays) = std::mem::take(&mut group.members).into_iter().partition(goes);
            group.members = stays;
            let gone: Vec<Member> = gone;
            if gone.is_empty() {
                continue;
            }
            // What goes on is no news that would wait for company.
            group.due = Some(mono);
            let mark = if is_other { before.mark() } else { String::new() };
            let members = gone.into_iter().map(|member| ended(member, now)).collect();
            let key = GroupKey { moved: Some(mark), ..key.clone() };
            moved.push((key, Group { members, due: Some(mono), receiver: Some(before), ..Group::default() }));
        }
        for (key, mut group) in moved {
            if let Some(have) = self.groups.remove(&key) {
                group.members.extend(have.members);
            }
            self.groups.insert(key, group);
            self.soon(mono);
        }
    }
}

fn ended(mut member: Member, now: Now) -> Member {
    if member.view.ended.is_none() {
        member.view.ended = Some(now.wall);
        member.view.ended_because = Some(BECAUSE.to_owned());
    }
    (member.flapping, member.again) = (false, false);
    member
}

//! What waits to be delivered, and what may be tried now: a lane per channel, in order within a key, with back-off for a
//! message, a breaker for a channel, and an end for what nobody needs any more. Pure: the time is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{OutboxHealth, former};
use crate::base::clock::Now;
use crate::store::OutboxEntry;

/// The first pause after a failure.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// The longest.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A pause that a receiver asked for is kept over a restart, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// After so many failures in a row a channel is tried with one message at a time, at intervals.
const BREAKER: u32 = 5;
/// Messages of one channel that are on their way at once; never two of the same key.
const PARALLEL: usize = 4;
/// After this time a beginning that was never told goes with its end, and what only goes on is not told any more.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// After this time nobody needs it.
const EXPIRED: Duration = Duration::from_secs(7 * 24 * 3600);
/// A channel whose oldest message waits longer than this is stuck.
const STUCK: Duration = Duration::from_secs(15 * 60);

/// A message that waits.
#[derive(Debug)]
struct Waiting {
    key: String,
    transition: String,
    body: Value,
    at: Timestamp,
    /// When it was loaded, and how old it was then.
    loaded: Duration,
    age: Duration,
    attempts: u32,
    due: Duration,
    collapsed: bool,
    on_its_way: bool,
}

impl Waiting {
    fn age(&self, now: Duration) -> Duration {
        self.age + now.saturating_sub(self.loaded)
    }
}

/// One channel.
#[derive(Debug, Default)]
struct Lane {
    /// By number, which is the order of their making.
    messages: BTreeMap<i64, Waiting>,
    /// Failures in a row.
    failures: u32,
    /// Nothing is tried before.
    pause: Duration,
    /// It took what it was told last.
    works: bool,
    /// It refused a message for good, and nothing has arrived since. Such a message does not wait, so that nothing else
    /// would show that nobody is told.
    is_refusing: bool,
}

/// A message that is to be sent now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) channel: String,
    pub(super) id: i64,
    pub(super) transition: String,
    pub(super) key: String,
    pub(super) body: Value,
    pub(super) collapsed: bool,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// It arrived.
    Arrived,
    /// It did not; the channel may be at fault, and asks for so long a pause.
    Failed(Option<Duration>),
    /// It could not be rendered: no fault of the channel.
    Unrendered,
    /// It was refused, and is given up.
    GivenUp,
    /// It is given up because the files do not have the channel any more, which is no fault.
    Gone,
    /// It was broken off.
    Cut,
}

/// What is to be remembered of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// Tries of this message.
    pub(super) attempts: u32,
    /// How long it waits now.
    pub(super) pause: Duration,
    /// Failures of the channel in a row, before this try and after it.
    pub(super) failures: (u32, u32),
}

/// All channels.
#[derive(Debug)]
pub(super) struct Lanes {
    channels: BTreeMap<String, Lane>,
    /// Done here, but still in the table; with why, where it was given up.
    unrecorded: BTreeMap<i64, Option<String>>,
    random: fastrand::Rng,
}

impl Lanes {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self { channels: BTreeMap::new(), unrecorded: BTreeMap::new(), random }
    }

    /// Takes in what the table has and we do not.
    pub(super) fn merge(&mut self, entries: Vec<OutboxEntry>, now: &Now) {
        for entry in entries.into_iter().filter(|entry| !self.unrecorded.contains_key(&entry.id)) {
            let message = entry.message;
            let lane = self.channels.entry(message.channel).or_default();
            lane.messages.entry(entry.id).or_insert_with(|| {
                // A clock that was set back makes nobody wait for long.
                let pause = entry.not_before.map_or(Duration::ZERO, |until| since(now.wall, until)).min(PAUSE_MAX);
                Waiting {
                    key: message.key,
                    transition: message.transition,
                    body: message.body,
                    at: message.at,
                    loaded: now.monotonic,
                    age: since(message.at, now.wall),
                    attempts: entry.attempts,
                    due: now.monotonic + pause,
                    collapsed: false,
                    on_its_way: false,
                }
            });
        }
    }

    /// What may be sent now; it is on its way from here on.
    pub(super) fn take(&mut self, now: Duration) -> Vec<Job> {
        let mut jobs = Vec::new();
        let held = self.held();
        for (channel, lane) in &mut self.channels {
            for id in lane.ready(now, held.get(channel)) {
                let Some(message) = lane.messages.get_mut(&id) else { continue };
                message.on_its_way = true;
                jobs.push(Job {
                    channel: channel.clone(),
                    id,
                    transition: message.transition.clone(),
                    key: message.key.clone(),
                    body: message.body.clone(),
                    collapsed: message.collapsed,
                });
            }
        }
        jobs
    }

    /// What became of a try.
    pub(super) fn settle(&mut self, channel: &str, id: i64, tried: Try, now: Duration) -> Settled {
        let nothing = Settled { attempts: 0, pause: Duration::ZERO, failures: (0, 0) };
        let Some(lane) = self.channels.get_mut(channel) else { return nothing };
        let before = lane.failures;
        let Some(message) = lane.messages.get_mut(&id) else { return nothing };
        message.on_its_way = false;
        let (mut pause, mut attempts) = (Duration::ZERO, message.attempts);
        match tried {
            Try::Cut => {}
            Try::Arrived | Try::GivenUp | Try::Gone => {
                lane.messages.remove(&id);
                // A refusal is an answer: what else waits is tried without a pause.
                lane.failures = 0;
                lane.works = tried == Try::Arrived;
                lane.is_refusing = tried == Try::GivenUp;
                lane.pause = Duration::ZERO;
                if before >= BREAKER {
                    lane.messages.values_mut().for_each(|message| message.due = message.due.min(now));
                }
            }
            Try::Failed(_) | Try::Unrendered => {
                message.attempts += 1;
                attempts = message.attempts;
                pause = backoff(attempts, &mut self.random);
                if let Try::Failed(asked) = tried {
                    lane.failures += 1;
                    lane.works = false;
                    if lane.failures >= BREAKER {
                        lane.pause = now + backoff(lane.failures, &mut self.random);
                    }
                    if let Some(asked) = asked {
                        pause = pause.max(asked);
                        lane.pause = lane.pause.max(now + asked);
                    }
                }
                message.due = now + pause;
            }
        }
        Settled { attempts, pause, failures: (before, lane.failures) }
    }

    /// Remembers that a message is done, although the table does not know it yet: it arrived, or was given up for this reason.
    pub(super) fn unrecorded(&mut self, id: i64, given_up: Option<String>) {
        self.unrecorded.insert(id, given_up);
    }

    /// The table knows it now.
    pub(super) fn recorded(&mut self, id: i64) {
        self.unrecorded.remove(&id);
    }

    /// Done, and not yet known to the table.
    pub(super) fn to_record(&self) -> Vec<(i64, Option<String>)> {
        self.unrecorded.iter().map(|(id, given_up)| (*id, given_up.clone())).collect()
    }

    /// Takes out what nobody needs any more, with the channel and the reason.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<(i64, String, String)> {
        let mut gone = Vec::new();
        for (channel, lane) in &mut self.channels {
            let ids: Vec<i64> = lane.messages.keys().copied().collect();
            for id in ids {
                let Some(message) = lane.messages.get(&id).filter(|message| !message.on_its_way) else { continue };
                let age = message.age(now);
                let end = (message.transition == "firing" && age > STALE).then(|| lane.end_of(id)).flatten();
                let why = if age > EXPIRED {
                    format!("the {} of {} could not be told within 7 days", message.transition, message.at)
                } else if let Some(end) = end {
                    if let Some(end) = lane.messages.get_mut(&end) {
                        end.collapsed = true;
                    }
                    "it could not be told within a day, and has ended: its end tells both".to_owned()
                } else if age > STALE && !matches!(message.transition.as_str(), "firing" | "resolved" | "escalated") {
                    format!("the {} of {} could not be told within a day", message.transition, message.at)
                } else {
                    continue;
                };
                lane.messages.remove(&id);
                gone.push((id, channel.clone(), why));
            }
        }
        gone
    }

    /// Everything that waits may be tried once more, at once; only what a receiver asked for still holds.
    pub(super) fn hurry(&mut self, now: Duration) {
        for lane in self.channels.values_mut() {
            if lane.failures >= BREAKER {
                lane.pause = now;
            }
            lane.messages.values_mut().for_each(|message| message.due = message.due.min(now));
        }
    }

    /// What a channel did says nothing any more: the files have another in its place, or none.
    pub(super) fn forget(&mut self, channel: &str) {
        if let Some(lane) = self.channels.get_mut(channel) {
            (lane.works, lane.is_refusing) = (false, false);
        }
    }

    /// When something may be tried next.
    pub(super) fn next(&self) -> Option<Duration> {
        let held = self.held();
        self.channels.iter().filter_map(|(channel, lane)| lane.next(held.get(channel))).min()
    }

    /// By lanes of former receivers the keys of what is on its way by the channel itself: such a message may have set out to
    /// whom it led to before, and its end must not overtake it.
    fn held(&self) -> BTreeMap<String, BTreeSet<String>> {
        let formers = self.channels.iter().filter(|(_, lane)| !lane.messages.is_empty());
        let formers = formers.filter_map(|(name, _)| Some((name, self.channels.get(former::channel_of(name)?)?)));
        let keys = |lane: &Lane| {
            let flying = lane.messages.values().filter(|message| message.on_its_way);
            flying.map(|message| message.key.clone()).collect()
        };
        formers.map(|(name, lane)| (name.clone(), keys(lane))).collect()
    }

    /// Whether nothing is on its way and nothing may be tried now.
    pub(super) fn is_quiet(&self, now: Duration) -> bool {
        let held = self.held();
        let is_quiet =
            |(name, lane): (&String, &Lane)| lane.on_their_way() == 0 && lane.ready(now, held.get(name)).is_empty();
        self.channels.iter().all(is_quiet)
    }

    /// What can be said of it from here.
    pub(super) fn health(&self, now: Duration) -> OutboxHealth {
        let all = || self.channels.values();
        // Whom a channel led to before may be there no more: nobody minds.
        let here = || self.channels.iter().filter(|(name, _)| former::channel_of(name).is_none());
        let lanes = || here().map(|(_, lane)| lane);
        let named = |want: &dyn Fn(&Lane) -> bool| {
            here().filter(|(_, lane)| want(lane)).map(|(name, _)| name.clone()).collect()
        };
        let is_refused = lanes().any(|lane| lane.is_refusing) && lanes().all(|lane| lane.is_lost(now));
        OutboxHealth {
            waiting: all().map(|lane| lane.messages.len()).sum(),
            on_their_way: all().map(Lane::on_their_way).sum(),
            oldest: all().filter_map(|lane| lane.oldest(now)).max(),
            failing: named(&|lane| lane.is_refusing || lane.failures > 0 && !lane.messages.is_empty()),
            refusing: named(&|lane| lane.is_refusing),
            is_refused,
            stuck: named(&|lane| lane.oldest(now).is_some_and(|age| age > STUCK)),
            is_silent: is_refused || lanes().any(|lane| lane.is_down(now)) && !lanes().any(|lane| lane.works),
            ..OutboxHealth::default()
        }
    }
}

impl Lane {
    /// What waits here does not get out, and not only for a moment.
    fn is_down(&self, now: Duration) -> bool {
        let is_refused = self.failures >= BREAKER && !self.messages.is_empty();
        is_refused || self.oldest(now).is_some_and(|age| age > STUCK)
    }

    /// Nobody hears anything by it, as far as is known. One that has nothing to tell, and was told nothing, counts for
    /// neither side; one that is being tried may still work.
    fn is_lost(&self, now: Duration) -> bool {
        self.is_refusing || self.is_down(now) || self.messages.is_empty() && !self.works
    }

    fn on_their_way(&self) -> usize {
        self.messages.values().filter(|message| message.on_its_way).count()
    }

    /// The first of each key, unless it is on its way or held.
    fn heads(&self, held: Option<&BTreeSet<String>>) -> Vec<(i64, Duration)> {
        let mut seen = BTreeSet::new();
        let heads = self.messages.iter().filter(|(_, message)| seen.insert(message.key.as_str()));
        let heads = heads.filter(|(_, message)| !held.is_some_and(|held| held.contains(&message.key)));
        heads.filter(|(_, message)| !message.on_its_way).map(|(id, message)| (*id, message.due)).collect()
    }

    /// What may be tried now.
    fn ready(&self, now: Duration, held: Option<&BTreeSet<String>>) -> Vec<i64> {
        if self.pause > now {
            return Vec::new();
        }
        let mut heads = self.heads(held);
        if self.failures >= BREAKER {
            // One message, the one that was not tried for longest: another may be at fault.
            let first = heads.into_iter().min_by_key(|(id, due)| (*due, *id));
            return first.filter(|_| self.on_their_way() == 0).map(|(id, _)| id).into_iter().collect();
        }
        heads.retain(|(_, due)| *due <= now);
        heads.truncate(PARALLEL.saturating_sub(self.on_their_way()));
        heads.into_iter().map(|(id, _)| id).collect()
    }

    fn next(&self, held: Option<&BTreeSet<String>>) -> Option<Duration> {
        if self.failures >= BREAKER {
            return (self.on_their_way() == 0 && !self.heads(held).is_empty()).then_some(self.pause);
        }
        if self.on_their_way() >= PARALLEL {
            return None;
        }
        self.heads(held).into_iter().map(|(_, due)| due.max(self.pause)).min()
    }

    fn oldest(&self, now: Duration) -> Option<Duration> {
        self.messages.values().map(|message| message.age(now)).max()
    }

    /// The end of what begins with this message, where it waits, too.
    fn end_of(&self, id: i64) -> Option<i64> {
        let key = &self.messages.get(&id)?.key;
        let later = self
            .messages
            .range(id + 1..)
            .find(|(_, message)| message.key == *key && matches!(message.transition.as_str(), "resolved" | "firing"));
        later.filter(|(_, message)| message.transition == "resolved" && !message.on_its_way).map(|(id, _)| *id)
    }
}

/// Twice as long each time, of which the second half is chance: many that failed together do not come back together.
pub(super) fn backoff(attempts: u32, random: &mut fastrand::Rng) -> Duration {
    let whole = BACKOFF_MIN.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(BACKOFF_MAX);
    whole.mul_f64(0.5 + random.f64() / 2.0).max(BACKOFF_MIN.min(whole))
}

/// From one moment to a later one; nothing where it is not later.
fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests;

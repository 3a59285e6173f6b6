//! What the daemon shows of itself: the newest facts of every probe on every target, the open alerts, and how the daemon
//! does. It is written by the daemon's one loop and read by pages and scrapes, which never hold it up for long: a reader
//! takes pointers, not locks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::alert::notification::AlertView;
use crate::event::{Missed, ProbeOutcome, Status, ToolsSeen};
use crate::metrics::{Own, PushFigures};
use crate::plan::Share;
use crate::report::count;
use crate::run::held::Held;

/// A loop turns every second; one that has not for so long stands still.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Changes of a list of tools that are kept for the page.
const CHANGES_MAX: usize = 20;

/// The newest facts. Clones show the same board.
#[derive(Clone, Default)]
pub struct Board(Arc<Facts>);

#[derive(Default)]
struct Facts {
    fleet: RwLock<Vec<Arc<PairState>>>,
    alerts: RwLock<Arc<Vec<AlertState>>>,
    operation: RwLock<Arc<Operation>>,
    /// When the loop turned last.
    turned: RwLock<Option<Instant>>,
}

/// A probe on a target.
#[derive(Clone, Debug, Default)]
pub struct PairState {
    /// The probe.
    pub probe: String,
    /// The target.
    pub target: String,
    /// The target's labels.
    pub labels: BTreeMap<String, String>,
    /// `file:line:column` of the probe; none for the built-in one.
    pub place: Option<String>,
    /// Where the server is, as a person may see it: the URL without credentials and query, or the command; secrets masked.
    pub endpoint: String,
    /// `stdio` or `http`: what the file says. What was spoken is in the outcome.
    pub transport: &'static str,
    /// When it runs, as the file says it: `every 15s`, `cron */5 * * * * (UTC)`.
    pub every_text: String,
    /// The interval, where it has one.
    pub every: Option<Duration>,
    /// Of one attempt.
    pub timeout: Duration,
    /// Why it is not run at all, where nobody agreed to it or its entry cannot be used.
    pub withheld: Option<String>,
    /// What the last run came to.
    pub last: Option<Arc<ProbeOutcome>>,
    /// When the last run ended that was healthy or degraded.
    pub last_success: Option<Timestamp>,
    /// Since when the status is what it is.
    pub since: Option<Timestamp>,
    /// When it runs next.
    pub next_due: Option<Timestamp>,
    /// Whether it runs now.
    pub running: bool,
    /// Grid points that passed without a run, by reason.
    pub missed: BTreeMap<Missed, u64>,
    /// The tools when they were last read whole.
    pub tools: Option<Arc<ToolsSeen>>,
    /// What changed about them, newest first, bounded.
    pub changes: VecDeque<ToolsChange>,
}

/// What changed about the tools of a server between two runs; names raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolsChange {
    /// When it was seen.
    pub at: Timestamp,
    /// Tools that are new.
    pub added: Vec<String>,
    /// Tools that are gone.
    pub removed: Vec<String>,
    /// Tools whose definition is another.
    pub changed: Vec<String>,
}

/// An alert that is not at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertState {
    /// What is told of it.
    pub view: AlertView,
    /// `pending`, `firing`, `silenced`, `flapping`, `held`.
    pub state: &'static str,
}

/// How the daemon does.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// When it began.
    pub started_at: Timestamp,
    /// Its name: `[watch] instance`, or that of the machine.
    pub instance: String,
    /// Which share of the plan it has, where several probers divide it.
    pub share: Option<Share>,
    /// The probe files, as a person may see them.
    pub files: Vec<String>,
    /// The folder with the history; none where nothing is kept.
    pub state: Option<String>,
    /// When the plan that runs was read.
    pub plan_loaded_at: Timestamp,
    /// Why the files are no longer what runs, where they could not be used; the old plan goes on.
    pub plan_error: Option<String>,
    /// Keys of the files that are other than at the start, and that only a restart carries out.
    pub restart_needed: Vec<&'static str>,
    /// Runs that wait for a free place.
    pub queue: usize,
    /// Runs that go on.
    pub running: usize,
    /// Runs that may go on at the same time.
    pub limit: usize,
    /// The sessions and children that are held between runs: counted when somebody asks, not by the loop.
    pub held: Option<Arc<Held>>,
    /// How each push does.
    pub pushes: Vec<PushState>,
    /// From a grid point to the start, of the last thousand runs: half of them were at most this.
    pub lag_p50: Option<Duration>,
    /// Ninety-nine in a hundred were at most this.
    pub lag_p99: Option<Duration>,
    /// What is to be delivered.
    pub outbox: OutboxState,
    /// When a run last ended, or when it was last seen that none was due.
    pub progressed_at: Timestamp,
    /// Whether the loop turns and what is due is taken up; what `/-/alive` says.
    pub is_alive: bool,
    /// Whether the state was restored and the first plan is at work; what `/-/ready` says.
    pub is_ready: bool,
    /// Whether it is ending.
    pub is_draining: bool,
    /// Why nothing can be kept, where that is so.
    pub store_error: Option<String>,
}

/// What waits to be delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxState {
    /// Messages that wait.
    pub waiting: usize,
    /// The age of the oldest.
    pub oldest: Option<Duration>,
    /// Channels whose last try failed, and that have messages waiting, or that refuse; each with a sentence.
    pub failing: Vec<(String, String)>,
    /// The channels that alerts tell.
    pub channels: Vec<String>,
    /// Whether nothing moves although something waits, or all is refused.
    pub is_stuck: bool,
    /// Whether no alert gets out at all, by any channel.
    pub is_silent: bool,
    /// Whether that is so because what is told is refused, and so does not even wait.
    pub is_refused: bool,
}

impl OutboxState {
    /// Of every channel that alerts tell, or that still has something to be told, whether it fails.
    #[must_use]
    pub fn by_channel(&self) -> BTreeMap<String, bool> {
        let well = self.channels.iter().map(|channel| (channel.clone(), false));
        well.chain(self.failing.iter().map(|(channel, _)| (channel.clone(), true))).collect()
    }

    /// What is wrong with alerts that do not get out: whoever reads it looks for the cause where it is.
    #[must_use]
    pub fn trouble(&self) -> String {
        let refused = "what channels were told last was refused and is given up; ";
        let waiting = count(self.waiting, "message");
        format!("{}{waiting} to be delivered", if self.is_refused { refused } else { "" })
    }
}

/// How a push does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushState {
    /// Its kind.
    pub kind: &'static str,
    /// What it did.
    pub figures: PushFigures,
    /// Why its last try failed, or what it sent last was refused; a sentence without secrets.
    pub failing: Option<String>,
}

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every probe on every target, in the order of the plan.
    #[must_use]
    pub fn fleet(&self) -> Vec<Arc<PairState>> {
        self.0.fleet.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of them.
    #[must_use]
    pub fn pair(&self, probe: &str, target: &str) -> Option<Arc<PairState>> {
        let fleet = self.0.fleet.read().unwrap_or_else(PoisonError::into_inner);
        fleet.iter().find(|pair| pair.probe == probe && pair.target == target).cloned()
    }

    /// The alerts that are not at rest.
    #[must_use]
    pub fn alerts(&self) -> Arc<Vec<AlertState>> {
        Arc::clone(&self.0.alerts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How the daemon does.
    #[must_use]
    pub fn operation(&self) -> Arc<Operation> {
        Arc::clone(&self.0.operation.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts up another fleet, after the files were read.
    pub fn set_fleet(&self, fleet: Vec<PairState>) {
        *self.0.fleet.write().unwrap_or_else(PoisonError::into_inner) = fleet.into_iter().map(Arc::new).collect();
    }

    /// Changes what is shown of one pair, by its place in the fleet. A reader keeps what it has.
    pub fn change(&self, place: usize, how: impl FnOnce(&mut PairState)) {
        let mut fleet = self.0.fleet.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = fleet.get_mut(place) {
            how(Arc::make_mut(pair));
        }
    }

    /// Puts up other alerts.
    pub fn set_alerts(&self, alerts: Vec<AlertState>) {
        *self.0.alerts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(alerts);
    }

    /// The loop turned at this moment.
    pub fn turned(&self, at: Instant) {
        *self.0.turned.write().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Whether the timetable moves. A loop that stands still cannot say so itself: whoever asks sees it by its silence.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let turned = *self.0.turned.read().unwrap_or_else(PoisonError::into_inner);
        self.operation().is_alive && turned.is_none_or(|at| at.elapsed() < SILENCE_MAX)
    }

    /// Changes what is shown of the daemon itself.
    pub fn operate(&self, how: impl FnOnce(&mut Operation)) {
        how(Arc::make_mut(&mut *self.0.operation.write().unwrap_or_else(PoisonError::into_inner)));
    }
}

impl Operation {
    /// The same as figures.
    #[must_use]
    pub fn own(&self) -> Own {
        let number = |count: usize| Some(u64::try_from(count).unwrap_or(u64::MAX));
        Own {
            started_at: Some(self.started_at),
            plan_loaded_at: Some(self.plan_loaded_at),
            plan_is_current: Some(self.plan_error.is_none()),
            queue: number(self.queue),
            running: number(self.running),
            limit: number(self.limit),
            outbox_waiting: number(self.outbox.waiting),
            outbox_oldest: self.outbox.oldest,
            channels_failing: self.outbox.by_channel(),
            store_works: self.state.as_ref().map(|_| self.store_error.is_none()),
            open_connections: self.held.as_ref().map(|held| held.by_target()).unwrap_or_default(),
            shard: self.share.map(|share| share.shard.to_string()),
            children_up: self.held.as_ref().map(|held| held.children_up()).unwrap_or_default(),
            pushes: self.pushes.iter().map(|push| push.figures.clone()).collect(),
        }
    }
}

impl PairState {
    /// The status of the last run that was seen.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.last.as_ref().map(|outcome| outcome.status)
    }

    /// What the plan says of it, with what is known of it from before the files were read again.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self {
            last: before.last.clone().filter(|_| before.withheld.is_none()),
            last_success: before.last_success,
            since: before.since,
            missed: before.missed.clone(),
            tools: before.tools.clone(),
            changes: before.changes.clone(),
            ..self
        }
    }

    /// Takes up what a run came to.
    pub fn finished(&mut self, outcome: Arc<ProbeOutcome>, at: Timestamp) {
        if self.status() != Some(outcome.status) {
            self.since = Some(at);
        }
        if matches!(outcome.status, Status::Healthy | Status::Degraded) {
            self.last_success = Some(at);
        }
        if let Some(tools) = &outcome.observed.tools {
            let before = self.tools.as_ref().filter(|before| !Arc::ptr_eq(before, tools));
            if let Some(change) = before.and_then(|before| ToolsChange::between(before, tools, at)) {
                self.changes.truncate(CHANGES_MAX - 1);
                self.changes.push_front(change);
            }
            self.tools = Some(Arc::clone(tools));
        }
        self.last = Some(outcome);
    }
}

impl ToolsChange {
    /// What is different; none where nothing is.
    #[must_use]
    pub fn between(before: &ToolsSeen, after: &ToolsSeen, at: Timestamp) -> Option<Self> {
        let by_name = |seen: &ToolsSeen| -> BTreeMap<String, String> {
            seen.tools.iter().map(|tool| (tool.name.clone(), tool.digest.clone())).collect()
        };
        let (before, after) = (by_name(before), by_name(after));
        let only = |of: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> Vec<String> {
            of.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        let (added, removed) = (only(&after, &before), only(&before, &after));
        let is_other = |name: &&String| before.get(*name).is_some_and(|digest| after.get(*name) != Some(digest));
        let changed: Vec<String> = after.keys().filter(is_other).cloned().collect();
        let is_any = !added.is_empty() || !removed.is_empty() || !changed.is_empty();
        is_any.then_some(Self { at, added, removed, changed })
    }
}

/// Why a probe was not run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeNow {
    /// No such pair is configured.
    Unknown,
    /// It runs already, and it did not end within the limit.
    Busy,
    /// Nobody agreed to it, or the daemon is ending.
    Refused,
}

/// What a page may ask of the daemon.
pub trait Control: Send + Sync {
    /// Reads the files again. Gives a sentence about what changed, or why nothing did.
    fn reload(&self) -> BoxFuture<'_, Result<String, String>>;

    /// Runs a probe now, outside the timetable and without a word to rules and history. One at a time per pair.
    fn probe_now<'a>(
        &'a self,
        probe: &'a str,
        target: &'a str,
        limit: Duration,
    ) -> BoxFuture<'a, Result<ProbeOutcome, ProbeNow>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Cause, Reason, ToolSeen};

    fn seen(tools: &[(&str, &str)]) -> ToolsSeen {
        let tools = tools.iter().map(|(name, digest)| ToolSeen { name: (*name).into(), digest: (*digest).into() });
        ToolsSeen { tokens: 1, tools: tools.collect(), ..ToolsSeen::default() }
    }

    #[test]
    fn a_reader_keeps_what_it_took() {
        let board = Board::new();
        board.set_fleet(vec![PairState { probe: "p".into(), target: "t".into(), ..PairState::default() }]);
        let before = board.pair("p", "t").unwrap();
        board.change(0, |pair| pair.running = true);
        board.change(7, |pair| pair.running = true);
        assert!(!before.running && board.fleet()[0].running);
        assert!(board.pair("p", "x").is_none());
    }

    #[test]
    fn changes_of_tools_are_named_and_bounded() {
        let mut pair = PairState::default();
        let mut outcome = ProbeOutcome::not_run("p", "t", &BTreeMap::new(), Cause::new(Reason::Internal, "…"));
        let at = Timestamp::UNIX_EPOCH;
        outcome.observed.tools = Some(seen(&[("a", "1"), ("b", "1")]).into());
        pair.finished(Arc::new(outcome.clone()), at);
        assert!(pair.changes.is_empty(), "the first list is no change");
        outcome.observed.tools = Some(seen(&[("b", "2"), ("c", "1")]).into());
        pair.finished(Arc::new(outcome.clone()), at);
        let words = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = ToolsChange { at, added: words(&["c"]), removed: words(&["a"]), changed: words(&["b"]) };
        assert_eq!(pair.changes, [expected]);
        for digest in 0..100_u32 {
            outcome.observed.tools = Some(seen(&[("b", &digest.to_string())]).into());
            pair.finished(Arc::new(outcome.clone()), at);
        }
        assert_eq!(pair.changes.len(), CHANGES_MAX);
        assert_eq!(pair.changes[0].changed, ["b"]);
        assert_eq!(pair.last_success, None);
    }
}

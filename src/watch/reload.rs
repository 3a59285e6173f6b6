//! Reading the files again: on a signal, on request, and when they have changed. What is the same goes on as if nothing had
//! been: its phase, its windows, its alerts, its sessions. Files that cannot be used change nothing, and everybody is told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::board::PairState;
use super::compose::{Loaded, Pair, Unreadable, pairs};
use super::daemon::{Daemon, Ended, Member};
use super::files::{LOOK_EVERY, Seen};
use super::limits::Limits;
use super::repeats::Repeats;
use crate::alert::notify::Channels;
use crate::alert::{Action, LeftOut, Settings, Watched};
use crate::base::by_pair::ByPair;
use crate::base::clock::Now;
use crate::event::{Level, ProbeOutcome};
use crate::files::telling::Resolved;
use crate::metrics::Roster;
use crate::plan::{Known, Share};
use crate::run::Traces;
use crate::schedule::SlotId;

/// The plan at work, beside the pairs themselves.
pub struct AtWork {
    /// Alerts, notifiers, settings.
    pub telling: Resolved,
    /// The longest that a run takes.
    pub span_max: Duration,
    /// Targets, each with the command that restarts it.
    pub restarts: BTreeMap<String, Vec<String>>,
    pub(super) dependencies: BTreeMap<String, Vec<String>>,
    withheld: Vec<ProbeOutcome>,
    left_out: LeftOut,
    shown: BTreeMap<String, String>,
    files: Vec<PathBuf>,
    share: Option<Share>,
    /// Who speaks in messages.
    instance: String,
}

impl AtWork {
    /// The plan, and its pairs.
    #[must_use]
    pub fn of(loaded: Loaded, instance: &str, replicas: &Known) -> (Self, Vec<Pair>) {
        let Loaded { plan, withheld, left_out, mut shown, telling, mut dependencies, restarts, files, .. } = loaded;
        let plan = plan.with_replicas(replicas);
        let (members, share) = (pairs(&plan), plan.share);
        for (target, replica) in plan.targets.iter().filter_map(|target| Some((target, target.replica.as_ref()?))) {
            let place = shown.get(&replica.of).cloned().unwrap_or_default();
            shown.insert(target.name.to_string(), format!("{place} at {}", replica.address));
            if let Some(needed) = dependencies.get(&replica.of).cloned() {
                dependencies.insert(target.name.to_string(), needed);
            }
        }
        let span_max = members.iter().map(Pair::span_max).max().unwrap_or_default();
        let instance = match share {
            Some(share) => format!("{instance} (shard {})", share.shard),
            None => instance.to_owned(),
        };
        (Self { telling, span_max, restarts, dependencies, withheld, left_out, shown, files, share, instance }, members)
    }

    /// What the rules know of the pairs.
    #[must_use]
    pub fn watched(&self, members: &[Pair]) -> Vec<Watched> {
        members.iter().map(Pair::watched).collect()
    }

    /// What the rules know beside them.
    #[must_use]
    pub fn settings(&self, channels: &Channels) -> Settings {
        let watch = &self.telling.watch;
        Settings {
            instance: self.instance.clone(),
            group_wait: watch.group_wait,
            group_interval: watch.group_interval,
            reference: watch.reference.clone(),
            restarts_max: watch.restarts,
            outage_tolerance: watch.outage_tolerance,
            silences: self.telling.silences.clone(),
            dependencies: self.dependencies.clone(),
            receivers: channels.receivers(),
            left_out: self.left_out.clone(),
            ..Settings::default()
        }
    }

    /// How much goes on at the same time.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let watch = &self.telling.watch;
        Limits { jobs: watch.jobs, per_host: watch.per_host, spawns: watch.spawns }
    }

    fn shown_files(&self) -> Vec<String> {
        self.files.iter().map(|path| path.display().to_string()).collect()
    }
}

/// Whether the files are being read, and who waits for it.
pub struct Reading {
    seen: Seen,
    looked: Option<Duration>,
    is_looking: bool,
    is_under_way: bool,
    /// Somebody asked while it was going on: what is read may be older than the wish, so it is read once more.
    once_more: bool,
    /// Who waits for what is being read, and who for what is read after that.
    wait: Vec<oneshot::Sender<Result<String, String>>>,
    wait_longer: Vec<oneshot::Sender<Result<String, String>>>,
}

impl Reading {
    /// What is there at the start.
    #[must_use]
    pub fn new(paths: &[PathBuf]) -> Self {
        let seen = Seen::look(paths);
        let (wait, wait_longer) = (Vec::new(), Vec::new());
        Self { seen, looked: None, is_looking: false, is_under_way: false, once_more: false, wait, wait_longer }
    }
}

impl Daemon {
    /// Looks whether the files have changed, every two seconds.
    pub(super) fn look_at_files(&mut self, now: Now) {
        let is_due = self.reading.looked.is_none_or(|looked| now.monotonic.saturating_sub(looked) >= LOOK_EVERY);
        if !is_due || self.reading.is_looking || self.reading.is_under_way {
            return;
        }
        self.reading.looked = Some(now.monotonic);
        self.reading.is_looking = true;
        let (before, paths) = (self.reading.seen.clone(), self.setup.source.paths());
        self.tasks.spawn_blocking(move || Ended::Looked(before.again(&paths)));
    }

    /// Reads the files again where they have changed.
    pub(super) fn looked(&mut self, seen: Seen) {
        self.reading.is_looking = false;
        let is_other = !self.reading.seen.is_like(&seen);
        self.reading.seen = seen;
        if is_other {
            self.note(Level::Info, "reload", "a probe file has changed");
            self.read_again(None);
        }
    }

    /// Reads the files; whoever waits hears what came of it.
    pub(super) fn read_again(&mut self, answer: Option<oneshot::Sender<Result<String, String>>>) {
        if self.reading.is_under_way {
            self.reading.once_more = true;
            self.reading.wait_longer.extend(answer);
            return;
        }
        self.reading.wait.extend(answer);
        self.reading.is_under_way = true;
        self.setup.systemd.reloading(self.now().monotonic);
        let source = Arc::clone(&self.setup.source);
        self.tasks.spawn_blocking(move || Ended::Reread(source.load().map(Box::new)));
    }

    /// Takes up what was read, also where it is to be read once more: who asks faster than it can be read would wait for ever.
    pub(super) async fn reread(&mut self, loaded: Result<Box<Loaded>, Unreadable>) -> Vec<Action> {
        self.reading.is_under_way = false;
        let taken = match loaded {
            Ok(loaded) => self.take(*loaded).await,
            Err(unreadable) => Err(unreadable),
        };
        let (told, actions) = match taken {
            Ok((told, actions)) => {
                self.note(Level::Info, "reload", told.as_str());
                self.setup.systemd.ready(&self.status());
                (Ok(told), actions)
            }
            Err(Unreadable { summary, lines }) => {
                let message = format!("the files cannot be used, the plan of before goes on: {summary}");
                self.note(Level::Error, "reload", message.as_str());
                for line in lines {
                    self.note(Level::Error, "reload", line);
                }
                self.setup.board.operate(|operation| operation.plan_error = Some(summary.clone()));
                self.setup.systemd.ready(&message);
                (Err(summary), Vec::new())
            }
        };
        for answer in self.reading.wait.drain(..) {
            // Whoever asked may have gone.
            let _ = answer.send(told.clone());
        }
        if std::mem::take(&mut self.reading.once_more) {
            self.reading.wait = std::mem::take(&mut self.reading.wait_longer);
            self.read_again(None);
        }
        actions
    }

    /// Puts a new plan to work.
    async fn take(&mut self, loaded: Loaded) -> Result<(String, Vec<Action>), Unreadable> {
        let render = super::channels::compile(&loaded.telling, &self.setup.masker, self.repeats.channels())?;
        self.setup.masker.absorb(&loaded.masker);
        self.setup.courier.hide(loaded.hidden.clone());
        let now = self.now();
        let (plan, members) = AtWork::of(loaded, &self.setup.instance, &self.replicas.known());
        // Messages of the old plan are rendered by the new one: every channel that got the fire gets the resolve.
        self.repeats = Repeats::new(render.clone());
        self.setup.outbox.replace(render);
        let refusing = self.setup.outbox.health().refusing;
        let mut mended = Vec::new();
        for other in self.plan.telling.notifiers.iter().filter(|before| !plan.telling.notifiers.contains(before)) {
            self.setup.outbox.forget(&other.name);
            mended.extend(refusing.iter().find(|channel| **channel == other.name).cloned());
        }
        let slots = members.iter().map(|pair| pair.slot(plan.telling.watch.jitter)).collect();
        let changes = self.timetable.reload(slots, now);
        let gone: HashSet<SlotId> = changes.removed.iter().map(|(id, ..)| *id).collect();
        self.places.forget(|what| what.is_of(&gone));
        self.askers.forget(&gone);
        self.places.set_limits(plan.limits());
        let settings = plan.settings(self.repeats.channels());
        let mut actions = self.engine.reload(plan.telling.rules.clone(), plan.watched(&members), settings, now);
        actions.extend(self.engine.tell_again(&mended, now));
        self.heartbeat = self.heartbeat.of(&plan, &members);
        let runner = Arc::make_mut(&mut self.runner);
        runner.transcripts = plan.telling.watch.transcripts;
        runner.cx = runner.cx.clone().with_transcripts(plan.telling.watch.transcripts);
        (self.setup.retune)(&plan.telling.log);
        let waits = self.settled.differs(&plan.telling);
        self.plan = plan;
        self.cast_shadows();
        let before = std::mem::take(&mut self.fleet);
        self.let_go(&before, &members);
        let counts = (changes.kept, changes.added.len(), changes.removed.len());
        for Member { pair, gate, .. } in before.into_values() {
            self.gates.insert(&pair.probe.name, &pair.target.name, gate);
        }
        self.enter(changes.ids, members);
        self.show_plan(now);
        self.put_pushes_to_work().await;
        self.keep_intervals(now).await;
        let (kept, added, removed) = counts;
        let told = format!("the files were read again: {kept} kept, {added} new, {removed} gone");
        let told = self.restart_needed(waits).map_or_else(|| told.clone(), |why| format!("{told}; {why}"));
        Ok((told, actions))
    }

    /// Puts the pushes of the plan to work; from now on runs keep traces where one of them wants some.
    pub(super) async fn put_pushes_to_work(&mut self) {
        let wanted = self.setup.pushes.put_to_work(&self.plan.telling.pushes).await;
        let traces = Traces { kept: wanted.traces, parent: None };
        let runner = Arc::make_mut(&mut self.runner);
        runner.cx = runner.cx.clone().with_traces(traces);
    }

    /// Says what of the files takes effect only after a restart.
    fn restart_needed(&self, keys: Vec<&'static str>) -> Option<String> {
        let why = (!keys.is_empty())
            .then(|| format!("other than at the start, and in force only after a restart: {}", keys.join(", ")));
        if let Some(why) = &why {
            self.note(Level::Warn, "reload", why.as_str());
        }
        self.setup.board.operate(|operation| operation.restart_needed = keys);
        why
    }

    /// Sessions and children of what is gone or changed end, beside the loop: a run that is going on on one may hang.
    fn let_go(&mut self, before: &HashMap<SlotId, Member>, members: &[Pair]) {
        let mut now = ByPair::default();
        for pair in members {
            now.insert(&pair.probe.name, &pair.target.name, pair.fingerprint);
        }
        for member in before.values() {
            let (probe, target) = (&member.pair.probe.name, &member.pair.target.name);
            if now.get(probe, target) != Some(&member.pair.fingerprint) {
                member.pair.is_gone.store(true, Ordering::Relaxed);
                let Some(letting_go) = self.runner.held.release(probe, target, self.runner.cx.grace) else { continue };
                self.tasks.spawn(async move {
                    letting_go.await;
                    Ended::Nothing
                });
            }
        }
    }

    /// Fills the fleet; a pair that runs keeps its gate.
    pub(super) fn enter(&mut self, ids: Vec<SlotId>, members: Vec<Pair>) {
        let mut gates = std::mem::take(&mut self.gates);
        for (place, (id, pair)) in ids.into_iter().zip(members).enumerate() {
            let gate = gates.remove(&pair.probe.name, &pair.target.name).unwrap_or_default();
            self.fleet.insert(id, Member { pair: Arc::new(pair), place, gate });
        }
    }

    /// Puts the plan on the board; what is known of a pair by its names stays.
    pub(super) fn show_plan(&self, now: Now) {
        let mut known = ByPair::default();
        for pair in self.setup.board.fleet() {
            known.insert(&pair.probe.clone(), &pair.target.clone(), pair);
        }
        let mut fleet = vec![PairState::default(); self.fleet.len()];
        for (id, member) in &self.fleet {
            let fresh = member.pair.state(&self.plan.shown);
            let next_due = self.timetable.next_of(*id).map(|(_, at)| at);
            let running = self.timetable.is_busy(*id);
            let state = match known.get(&member.pair.probe.name, &member.pair.target.name) {
                Some(known) => PairState { next_due, running, ..fresh.after(known) },
                None => PairState { next_due, running, ..fresh },
            };
            if let Some(place) = fleet.get_mut(member.place) {
                *place = state;
            }
        }
        for outcome in &self.plan.withheld {
            let why = outcome.cause.as_ref().map_or_else(String::new, |cause| cause.message.clone());
            let why = self.setup.masker.mask(&why).into_owned();
            self.note_of(Some(&outcome.target), Level::Warn, "watch", format!("not watched: {why}"));
            fleet.push(PairState {
                probe: outcome.name.to_string(),
                target: outcome.target.to_string(),
                labels: outcome.labels.as_ref().clone(),
                endpoint: self.plan.shown.get(outcome.target.as_str()).cloned().unwrap_or_default(),
                withheld: Some(why),
                last: Some(Arc::new(outcome.clone())),
                ..PairState::default()
            });
        }
        let pairs = fleet.iter().map(|pair| (pair.probe.clone(), pair.target.clone())).collect();
        let alerts = self.plan.telling.rules.iter().map(|rule| rule.name.clone()).collect();
        let server_ids = self.fleet.values().filter_map(|member| {
            let target = &member.pair.target;
            Some((target.name.to_string(), target.server_id.clone()?))
        });
        self.setup.metrics.watch_only(Roster { pairs, alerts, server_ids: server_ids.collect() });
        self.setup.board.set_fleet(fleet);
        self.show_alerts();
        self.setup.board.operate(|operation| {
            operation.plan_loaded_at = now.wall;
            operation.plan_error = None;
            operation.files = self.plan.shown_files();
            operation.share = self.plan.share;
            operation.limit = self.places.limits().jobs;
        });
    }
}

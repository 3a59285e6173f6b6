//! The loop. It alone owns the timetable, the rules and the board; everything that takes time is a task beside it and
//! comes back as a value. One turn takes up what is due, judges what has ended, and carries out what the rules ask for.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::acts::Acts;
use super::askers::Askers;
use super::board::{Board, ProbeNow};
use super::compose::{Loaded, Pair, Source, Unreadable};
use super::control::{Asked, Request};
use super::files::Seen;
use super::heartbeat::Heartbeat;
use super::keeping::{Unkept, Word};
use super::lag::Lags;
use super::limits::{Places, Waiting};
use super::pushes::Pushes;
use super::reload::{AtWork, Reading};
use super::repeats::Repeats;
use super::replicas::Replicas;
use super::restart::{Repaired, Repairs};
use super::runs::{Finished, Run, Runner};
use super::sd::Systemd;
use super::settled::{Retune, Settled};
use super::stalls::Heeded;
use crate::alert::notify::Channels;
use crate::alert::{Action, Engine};
use crate::base::by_pair::ByPair;
use crate::base::clock::{Clock, Now};
use crate::base::duration::human;
use crate::base::secret::Masker;
use crate::deliver::{Courier, Outbox};
use crate::event::{EventKind, Level, Note, ProbeOutcome, Publisher, Sample, Scheduled};
use crate::metrics::Shared;
use crate::plan::Known;
use crate::schedule::{Due, Gap, MissedRun, SlotId, Timetable};
use crate::store::{Reader, Retention, Store};

/// At least so often the loop turns, so that a suspend is noticed in time.
const TURN_MAX: Duration = Duration::from_secs(1);
/// What has ended is taken up in portions of so many.
const TAKEN_UP_MAX: usize = 64;
/// How often it looks after what the timetable does not say.
const LOOK_AFTER: Duration = Duration::from_millis(200);
/// How often the history is tidied.
const TIDY_EVERY: Duration = Duration::from_secs(3600);
/// When nothing that runs has ended for so long beyond its own time, the daemon stands still.
const STANDSTILL: Duration = Duration::from_secs(60);
/// Runs before the start that the rules look back at.
const SAMPLES_MAX: usize = 1_000_000;

/// What the loop is given.
pub struct Setup {
    /// Where the plan comes from.
    pub source: Arc<dyn Source>,
    /// Where events go.
    pub publisher: Publisher,
    /// What must not leave; what later plans hide is added.
    pub masker: Masker,
    /// The board.
    pub board: Board,
    /// History and outbox.
    pub store: Store,
    /// Messages on their way.
    pub outbox: Outbox,
    /// The channels of the first plan.
    pub channels: Arc<Channels>,
    /// Carries what does not pass the outbox: the heartbeat.
    pub courier: Courier,
    /// The figures; they are told what there is to measure.
    pub metrics: Shared,
    /// The pushes.
    pub pushes: Pushes,
    /// What works beside the loop: the outbox, the page.
    pub services: JoinSet<()>,
    /// Ends the services.
    pub stop: CancellationToken,
    /// What the loop is asked.
    pub requests: mpsc::Receiver<Request>,
    /// What systemd is told.
    pub systemd: Systemd,
    /// Carries out what `[log]` says after a reload.
    pub retune: Retune,
    /// The first signal.
    pub drain: CancellationToken,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// This prober's name.
    pub instance: String,
    /// Tells this prober's phases apart from another's.
    pub seed: u64,
    /// The addresses of names whose replicas are wanted.
    pub replicas: Known,
}

/// What a task comes back with.
pub(super) enum Ended {
    /// A run of the timetable.
    Run(Box<Finished>),
    /// A run that somebody asked for; its pair and its place.
    Answered(SlotId, Waiting<()>),
    /// A restart.
    Repaired(Repaired),
    /// The files were looked at.
    Looked(Seen),
    /// The files were read.
    Reread(Result<Box<Loaded>, Unreadable>),
    /// A forgetful receiver was told again.
    Repeated(super::repeats::Repeated),
    /// The heartbeat was sent, or why not.
    Beaten(Result<(), String>),
    /// Something that concerns nobody any more.
    Nothing,
}

/// What may be run, once it has a place.
pub(super) enum Wanted {
    /// By the timetable.
    Due(Due),
    /// Because somebody asked for it.
    Asked(Box<Asked>),
}

impl Wanted {
    /// Whether it is a run of the timetable's of one of these slots.
    pub(super) fn is_of(&self, slots: &HashSet<SlotId>) -> bool {
        matches!(self, Self::Due(due) if slots.contains(&due.id))
    }
}

/// A pair in the fleet.
pub(super) struct Member {
    pub(super) pair: Arc<Pair>,
    /// Its place on the board.
    pub(super) place: usize,
    /// One run at a time.
    pub(super) gate: Arc<Mutex<()>>,
}

/// The daemon at work.
pub struct Daemon {
    pub(super) setup: Setup,
    pub(super) runner: Arc<Runner>,
    pub(super) timetable: Timetable,
    pub(super) engine: Engine,
    pub(super) fleet: HashMap<SlotId, Member>,
    pub(super) places: Places<Wanted>,
    pub(super) tasks: JoinSet<Ended>,
    pub(super) acts: Acts,
    pub(super) heartbeat: Heartbeat,
    pub(super) plan: AtWork,
    /// What holds until the next start, whatever the files say meanwhile.
    pub(super) settled: Settled,
    pub(super) reading: Reading,
    pub(super) repairs: Repairs,
    pub(super) repeats: Repeats,
    pub(super) replicas: Replicas,
    /// Those who asked for runs.
    pub(super) askers: Askers,
    pub(super) gates: ByPair<Arc<Mutex<()>>>,
    pub(super) heeded: Heeded,
    looked_after: Option<Duration>,
    lags: Lags,
    tidied_at: Duration,
    progressed: Duration,
    pub(super) unkept: Unkept,
}

impl Daemon {
    /// Puts everything in its place; nothing runs yet.
    #[must_use]
    pub fn new(setup: Setup, runner: Runner, loaded: Loaded) -> Self {
        let now = setup.clock.now();
        let (plan, members) = AtWork::of(loaded, &setup.instance, &setup.replicas);
        let slots = members.iter().map(|pair| pair.slot(plan.telling.watch.jitter)).collect();
        let timetable = Timetable::new(setup.seed, slots, plan.telling.watch.run_at_start, now);
        let ids: Vec<SlotId> = timetable.slots().map(|(id, _)| id).collect();
        let settings = plan.settings(&setup.channels);
        let engine = Engine::new(plan.telling.rules.clone(), plan.watched(&members), settings, now);
        let mut daemon = Self {
            runner: Arc::new(runner),
            timetable,
            engine,
            fleet: HashMap::new(),
            places: Places::new(plan.limits()),
            tasks: JoinSet::new(),
            acts: Acts::default(),
            heartbeat: Heartbeat::new(&plan, &members, now.monotonic),
            reading: Reading::new(&setup.source.paths()),
            repairs: Repairs::default(),
            repeats: Repeats::new(setup.channels.clone()),
            replicas: Replicas::of(setup.replicas.clone()),
            askers: Askers::default(),
            gates: ByPair::default(),
            heeded: Heeded::default(),
            looked_after: None,
            lags: Lags::default(),
            tidied_at: now.monotonic,
            progressed: now.monotonic,
            unkept: Unkept::default(),
            settled: Settled::of(&plan.telling),
            plan,
            setup,
        };
        daemon.enter(ids, members);
        daemon.setup.board.operate(|operation| {
            operation.started_at = now.wall;
            operation.instance.clone_from(&daemon.setup.instance);
            operation.state = Some(daemon.setup.store.path().display().to_string());
            operation.is_alive = true;
            operation.held = Some(Arc::clone(&daemon.runner.held));
        });
        daemon.show_plan(now);
        daemon
    }

    /// Works until the first signal, then brings everything to an orderly end.
    pub async fn work(mut self) {
        let begun = self.now();
        self.restore().await;
        self.put_pushes_to_work().await;
        self.setup.publisher.publish(EventKind::RunStarted { probes: self.fleet.len() });
        self.setup.board.operate(|operation| operation.is_ready = true);
        self.setup.systemd.ready(&self.status());
        let drain = self.setup.drain.clone();
        while !drain.is_cancelled() {
            self.setup.board.turned(Instant::now());
            let actions = self.turn();
            self.act(actions).await;
            let rest = self.rest();
            tokio::select! {
                biased;
                () = drain.cancelled() => {}
                Some(ended) = self.tasks.join_next() => {
                    self.take_up(ended.ok()).await;
                    self.take_up_others().await;
                }
                Some(request) = self.setup.requests.recv() => self.answer(request),
                () = tokio::time::sleep(rest) => {}
            }
        }
        Box::pin(self.end(begun)).await;
    }

    /// The clocks.
    pub(super) fn now(&self) -> Now {
        self.setup.clock.now()
    }

    /// Says something in the log.
    pub(super) fn note(&self, level: Level, topic: &'static str, message: impl Into<String>) {
        self.note_of(None, level, topic, message);
    }

    /// Says something about a target in the log.
    pub(super) fn note_of(&self, target: Option<&str>, level: Level, topic: &'static str, message: impl Into<String>) {
        let note = Note { level, topic, message: message.into(), target: target.map(ToOwned::to_owned) };
        self.setup.publisher.publish(EventKind::Noted(note));
    }

    /// Brings back what was known before the last end.
    async fn restore(&mut self) {
        let now = self.now();
        let actions = match self.setup.store.alert_snapshot().await {
            Ok(Some(snapshot)) => {
                let pairs = self.engine.looks_back();
                let (mut unread, store) = (None, self.setup.store.path());
                let actions = self.engine.restore(&snapshot, past_samples(&store, &pairs, now.wall, &mut unread), now);
                if let Some(why) = unread {
                    self.note(Level::Warn, "store", format!("the runs before the start could not be read: {why}"));
                }
                actions
            }
            Ok(None) => Vec::new(),
            Err(error) => {
                self.note(Level::Error, "store", format!("the state of alerts could not be read: {error}"));
                Vec::new()
            }
        };
        self.keep_intervals(now).await;
        self.cast_shadows();
        // What fired before fires on without being told anew.
        let fires = self.engine.open().into_iter().filter(|open| open.is_firing);
        self.setup.metrics.go_on_firing(fires.map(|open| (open.view.alert, open.view.probe, open.view.target)));
        self.act(actions).await;
        self.show_alerts();
        self.setup.outbox.nudge();
    }

    /// Tells the history how often each probe runs.
    pub(super) async fn keep_intervals(&self, now: Now) {
        let pairs = self.fleet.values().map(|member| &member.pair);
        let intervals =
            pairs.map(|pair| (pair.probe.name.to_string(), pair.target.name.to_string(), pair.every())).collect();
        if let Err(error) = self.setup.store.expect(intervals, now.wall).await {
            self.note(Level::Warn, "store", format!("the intervals could not be kept: {error}"));
        }
    }

    /// Takes up what is due.
    fn turn(&mut self) -> Vec<Action> {
        let now = self.now();
        self.heed_stalls(now);
        let turn = self.timetable.take_due(now);
        let mut actions = Vec::new();
        for gap in turn.gaps {
            self.gap(gap, now);
        }
        let mut missed = turn.missed;
        for due in turn.due {
            let Some(member) = self.fleet.get(&due.id) else { continue };
            let needs = self.runner.needs(&member.pair);
            let (since, until) = (now.monotonic, due.until);
            self.places.enqueue(Waiting { ticket: 0, what: Wanted::Due(due), needs, since, until });
        }
        while let Some(waiting) = self.places.next(now.monotonic) {
            match waiting.split() {
                (Wanted::Due(due), place) => self.start(due, place, now),
                (Wanted::Asked(asked), place) => self.start_asked(*asked, place),
            }
        }
        for late in self.places.too_late(now.monotonic) {
            let why = self.why_too_late(late.since, now.monotonic);
            match late.what {
                Wanted::Due(due) => missed.extend(self.timetable.gave_up(due.id, now, why)),
                Wanted::Asked(asked) => {
                    let id = asked.id();
                    asked.refuse(ProbeNow::Busy);
                    self.asked_is_over(id);
                }
            }
        }
        self.miss(missed);
        if self.engine.next_tick().is_some_and(|tick| tick <= now.monotonic) {
            actions = self.engine.tick(now);
            self.cast_shadows();
        }
        self.look_after(now);
        actions
    }

    fn gap(&mut self, gap: Gap, now: Now) {
        match gap {
            Gap::Suspended(slept) => {
                self.engine.gap(now);
                let message = format!("the machine slept for {}: nothing is concluded from that time", human(slept));
                self.note(Level::Warn, "clock", message);
            }
            Gap::Stepped(by) => {
                self.note(
                    Level::Warn,
                    "clock",
                    format!("somebody set the clock by {by:#}: windows are not moved by it"),
                );
            }
        }
    }

    fn start(&mut self, due: Due, waiting: Waiting<()>, now: Now) {
        let Some(member) = self.fleet.get(&due.id) else {
            self.places.finished(&waiting);
            return;
        };
        let scheduled = Scheduled {
            due_at: due.due_at,
            lag: waiting.since.saturating_sub(due.meant),
            queued: now.monotonic.saturating_sub(waiting.since),
        };
        self.lags.add(scheduled.lag + scheduled.queued);
        self.timetable.started(due.id);
        let (probe, target) = (member.pair.probe.name.clone(), member.pair.target.name.clone());
        self.setup.publisher.publish(EventKind::ProbeStarted { index: member.place, probe, target });
        self.setup.board.change(member.place, |pair| pair.running = true);
        let run = Run { waiting, due, pair: Arc::clone(&member.pair), gate: Arc::clone(&member.gate), scheduled };
        let runner = Arc::clone(&self.runner);
        self.tasks.spawn(async move { Ended::Run(Box::new(runner.run(run).await)) });
    }

    /// Says what was missed, and keeps it.
    pub(super) fn miss(&mut self, missed: Vec<MissedRun>) {
        for run in missed {
            let Some(member) = self.fleet.get(&run.id) else { continue };
            let (probe, target) = (member.pair.probe.name.clone(), member.pair.target.name.clone());
            self.setup.board.change(member.place, |pair| *pair.missed.entry(run.reason).or_default() += run.count);
            let (store, reason, at, count) = (self.setup.store.clone(), run.reason, run.at, run.count);
            let missed =
                EventKind::RunMissed { probe: probe.clone(), target: target.clone(), reason: run.reason, count };
            self.setup.publisher.publish(missed);
            self.tasks.spawn(async move {
                // A batch that could not be written is tried again; the loop says so with the next sample.
                let _ = store.missed(&probe, &target, reason, at, count).await;
                Ended::Nothing
            });
        }
    }

    /// Takes up what else has come back by now, so that a turn is made for all of it and not for each; what is due meanwhile
    /// does not wait for long.
    async fn take_up_others(&mut self) {
        for _ in 0..TAKEN_UP_MAX {
            let Some(ended) = self.tasks.try_join_next() else { return };
            self.take_up(ended.ok()).await;
        }
    }

    /// Takes up what a task came back with.
    pub(super) async fn take_up(&mut self, ended: Option<Ended>) {
        match ended {
            Some(Ended::Run(finished)) => {
                let actions = self.finished(*finished);
                // What is left of earlier ones is looked at in each turn, and not for each run.
                if !actions.is_empty() {
                    self.act(actions).await;
                }
            }
            Some(Ended::Answered(id, place)) => {
                self.places.finished(&place);
                self.asked_is_over(id);
                self.progressed = self.now().monotonic;
            }
            Some(Ended::Repaired(repaired)) => {
                let actions = self.repaired(repaired);
                self.act(actions).await;
            }
            Some(Ended::Looked(seen)) => self.looked(seen),
            Some(Ended::Reread(loaded)) => {
                let actions = self.reread(loaded).await;
                self.act(actions).await;
            }
            Some(Ended::Repeated(repeated)) => self.repeated(repeated),
            Some(Ended::Beaten(sent)) => self.beaten(sent),
            // A task that was cut off has nothing to say; one that broke has said it (cli).
            Some(Ended::Nothing) | None => {}
        }
    }

    fn finished(&mut self, finished: Finished) -> Vec<Action> {
        let now = self.now();
        self.heed_stalls(now);
        let Finished { waiting, due, outcome, sample, after, unkept } = finished;
        let id = due.id;
        self.places.finished(&waiting);
        self.progressed = now.monotonic;
        self.heartbeat.probed();
        self.keeping("runs", unkept);
        let missed = self.timetable.finished(id, now, after);
        self.miss(missed);
        // A reload has taken it out meanwhile: what it found concerns nobody.
        let Some(member) = self.fleet.get(&id) else { return Vec::new() };
        let (place, next) = (member.place, self.timetable.next_of(id).map(|(_, at)| at));
        self.see_replicas(&outcome);
        let kept_as = outcome.status;
        let outcome = Arc::new(outcome);
        let shown = without_transcript(&outcome);
        self.setup.board.change(place, |pair| {
            pair.running = false;
            pair.next_due = next;
            pair.finished(shown, now.wall);
        });
        self.setup.publisher.publish(EventKind::ProbeFinished { index: place, outcome });
        let mut actions = self.engine.observe(&sample, now);
        self.cast_shadows();
        actions.extend(self.explained(kept_as, &sample));
        actions
    }

    /// The store takes what is of one kind, or it does not: said once for each kind, and once when all is well again.
    pub(super) fn keeping(&mut self, what: &'static str, unkept: Option<String>) {
        let had_trouble = self.unkept.trouble().is_some();
        match self.unkept.heard(what, unkept) {
            Some(Word::Lost(sentence)) => self.note(Level::Error, "store", format!("{sentence}; it is tried again")),
            Some(Word::Again) => self.note(Level::Info, "store", "what waited could be written"),
            None => {}
        }
        let trouble = self.unkept.trouble();
        if had_trouble || trouble.is_some() {
            self.setup.board.operate(|operation| operation.store_error = trouble.cloned());
        }
    }

    /// Everything that is done by the clock and not by the timetable.
    fn look_after(&mut self, now: Now) {
        if self.looked_after.is_some_and(|looked| now.monotonic.saturating_sub(looked) < LOOK_AFTER) {
            return;
        }
        self.looked_after = Some(now.monotonic);
        if self.places.taken() == 0 && self.places.waiting() == 0 {
            self.progressed = now.monotonic;
        }
        if !self.setup.board.alerts().is_empty() {
            // What is said of an alert that is open grows with each run, whether or not anybody has to act on it.
            self.show_alerts();
        }
        self.look_at_files(now);
        self.look_at_store();
        self.beat(now);
        self.repeat(now);
        if now.monotonic.saturating_sub(self.tidied_at) >= TIDY_EVERY {
            self.tidied_at = now.monotonic;
            let (store, watch) = (self.setup.store.clone(), &self.plan.telling.watch);
            let retention = Retention::of(watch.retention, watch.retention_size);
            self.tasks.spawn(async move {
                // What could not be forgotten now is forgotten in an hour.
                let _ = store.tidy(&retention, now.wall).await;
                Ended::Nothing
            });
        }
        let percentiles = self.lags.percentiles();
        let outbox = self.outbox_state();
        let (queue, running, limit) = (self.places.waiting(), self.places.taken(), self.places.limits().jobs);
        let progressed_at = now.wall_at(self.progressed);
        let is_alive = self.is_alive(now);
        let pushes = self.setup.pushes.states();
        self.setup.board.operate(|operation| {
            operation.queue = queue;
            operation.running = running;
            operation.limit = limit;
            operation.pushes = pushes;
            (operation.lag_p50, operation.lag_p99) = percentiles.unzip();
            operation.outbox = outbox;
            operation.progressed_at = progressed_at;
            operation.is_alive = is_alive;
        });
    }

    /// Whether what is due is taken up, and what runs comes to an end.
    pub(super) fn is_alive(&self, now: Now) -> bool {
        now.monotonic.saturating_sub(self.progressed) <= self.plan.span_max + STANDSTILL
    }

    /// When probing last progressed; on the monotonic clock.
    pub(super) fn progressed(&self) -> Duration {
        self.progressed
    }

    /// How long nothing is to be done, unless something ends.
    fn rest(&self) -> Duration {
        let now = self.now().monotonic;
        let next = [self.timetable.next_due(), self.engine.next_tick(), self.places.next_change(), self.acts.next()];
        let next = next.into_iter().flatten().min().unwrap_or(now + TURN_MAX);
        next.saturating_sub(now).min(TURN_MAX)
    }

    /// One line for systemd.
    pub(super) fn status(&self) -> String {
        let open = self.engine.open().iter().filter(|alert| alert.state == "firing").count();
        format!("watching {} on {}, {open} firing", self.fleet.len(), self.setup.instance)
    }
}

/// The runs that rules look back at, pair by pair as they are asked for: not all of them are in memory together. Where there
/// are too many, the newest of each pair.
fn past_samples<'a>(
    store: &Path,
    pairs: &'a [(String, String, Duration)],
    now: jiff::Timestamp,
    unread: &'a mut Option<String>,
) -> impl Iterator<Item = Sample> + 'a {
    let reader = Reader::beside_writer(store);
    let each = SAMPLES_MAX / pairs.len().max(1);
    pairs.iter().flat_map(move |(probe, target, span)| {
        let since = now.checked_sub(*span).unwrap_or(jiff::Timestamp::MIN);
        let read = reader.as_ref().map_err(ToString::to_string).and_then(|reader| {
            reader.samples(Some(probe), Some(target), since, now, each).map_err(|error| error.to_string())
        });
        read.unwrap_or_else(|why| {
            *unread = Some(why);
            Vec::new()
        })
    })
}

/// As the board keeps it.
fn without_transcript(outcome: &Arc<ProbeOutcome>) -> Arc<ProbeOutcome> {
    if outcome.observed.transcript.is_empty() {
        return Arc::clone(outcome);
    }
    let mut shown = ProbeOutcome::clone(outcome);
    shown.observed.transcript.clear();
    Arc::new(shown)
}

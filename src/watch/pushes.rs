//! Pushes at work: a line per `[[push]]`, each with its own pace, its own queue and its own counts. None of them waits for
//! another, and the loop waits for none.

mod counted;
mod ears;
mod leftovers;
mod line;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::board::{Board, PushState};
use crate::base::clock::Clock;
use crate::base::secret::Masker;
use crate::config::receiver::Settings;
use crate::deliver::Courier;
use crate::event::Publisher;
use crate::files::telling::Push;
use crate::metrics::Shared;
use crate::metrics::push::compile;
use crate::metrics::snapshot::LATENCIES_FOR;
pub use counted::Counted;
pub use ears::Ears;
use ears::Wanted;
use line::{Line, folder_of};

/// How often is pushed, unless the file says otherwise.
const EVERY: Duration = Duration::from_secs(15);

/// What every line works with.
#[derive(Clone)]
pub struct Surroundings {
    /// The figures.
    pub metrics: Shared,
    /// What the prober knows of itself.
    pub board: Board,
    /// Carries.
    pub courier: Courier,
    /// What must not be on disk.
    pub masker: Masker,
    /// Keeps counts over restarts.
    pub counted: Counted,
    /// The folder in which each line has one for what waits.
    pub folder: PathBuf,
    /// The log.
    pub publisher: Publisher,
    /// Who listens to events.
    pub ears: Ears,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

/// All lines.
pub struct Pushes {
    around: Surroundings,
    tasks: TaskTracker,
    running: BTreeMap<String, Running>,
    /// Lines that the files do not have any more, and that say their last word.
    ending: BTreeMap<String, Running>,
    states: States,
    is_swept: bool,
}

/// How every line does, by its name; a line that is changed goes on counting.
#[derive(Clone, Default)]
pub(super) struct States(Arc<Mutex<BTreeMap<String, PushState>>>);

struct Running {
    kind: &'static str,
    settings: Settings,
    stop: CancellationToken,
    /// Nothing comes after it that could take up what waits.
    is_gone: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl States {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, PushState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how one does.
    pub(super) fn change(&self, name: &str, how: impl FnOnce(&mut PushState)) {
        if let Some(state) = self.lock().get_mut(name) {
            how(state);
        }
    }
}

impl Pushes {
    /// No line yet.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        let (tasks, running, ending) = (TaskTracker::new(), BTreeMap::new(), BTreeMap::new());
        Self { around, tasks, running, ending, states: States::default(), is_swept: false }
    }

    /// How every push does.
    #[must_use]
    pub fn states(&self) -> Vec<PushState> {
        self.states.lock().values().cloned().collect()
    }

    /// Puts these to work: what is the same goes on, what is gone or changed says its last word, what is new begins. Gives
    /// what they want to hear; messages are published from now on where one of them wants them.
    pub(super) async fn put_to_work(&mut self, pushes: &[Push]) -> Wanted {
        if !std::mem::replace(&mut self.is_swept, true) {
            let folder = &self.around.folder;
            let used = pushes.iter().map(|push| folder_of(folder, push.kind, &push.name)).collect();
            leftovers::sweep(folder.clone(), used, &self.around.publisher).await;
        }
        let wanted = Wanted::by(pushes, &self.around.masker);
        self.around.publisher.listen_to_wire(wanted.wire);
        let mut before = std::mem::take(&mut self.running);
        for push in pushes {
            let same = before.get(&push.name).filter(|old| old.kind == push.kind && old.settings == push.settings);
            if same.is_some() {
                let (name, running) = (push.name.clone(), before.remove(&push.name));
                self.running.extend(running.map(|running| (name, running)));
                continue;
            }
            // One that was gone may still be at its last word when it is there again.
            let old = before.remove(&push.name).or_else(|| self.ending.remove(&push.name)).map(|old| {
                // Another kind would not understand what this one kept.
                old.is_gone.store(old.kind != push.kind, Ordering::Relaxed);
                old.stop.cancel();
                old.task
            });
            self.begin(push, old).await;
        }
        for (name, gone) in before {
            gone.is_gone.store(true, Ordering::Relaxed);
            gone.stop.cancel();
            self.around.ears.remove(&name);
            self.ending.insert(name, gone);
        }
        self.ending.retain(|_, ending| !ending.task.is_finished());
        let mut states = self.states.lock();
        states.retain(|name, _| self.running.contains_key(name));
        wanted
    }

    /// Says every line's last word, side by side; after the time that a line has for it, what waits is on disk.
    pub async fn end(&mut self) {
        self.running.values().for_each(|running| running.stop.cancel());
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Begins a line, once the one of the same name before it has ended.
    async fn begin(&mut self, push: &Push, old: Option<JoinHandle<()>>) {
        // It was compiled when the files were read.
        let Ok(encoder) = compile(push.kind, &push.name, &push.settings) else { return };
        if encoder.goes_on() {
            self.around.metrics.keep_latencies(Some(LATENCIES_FOR));
            self.around.counted.take_up().await;
        }
        let stop = CancellationToken::new();
        let every = push.settings.time("every").unwrap_or(EVERY);
        {
            let mut states = self.states.lock();
            let state = states.entry(push.name.clone()).or_default();
            state.kind = push.kind;
            state.figures.name.clone_from(&push.name);
        }
        match encoder.ear(&self.around.masker) {
            Some(ear) => self.around.ears.add(&push.name, ear.consumer),
            None => self.around.ears.remove(&push.name),
        }
        let line = Line::new(push, every, encoder, self.states.clone(), self.around.clone());
        let (until, is_gone) = (stop.clone(), Arc::new(AtomicBool::new(false)));
        let there_is_no_next = Arc::clone(&is_gone);
        let task = self.tasks.spawn(async move {
            if let Some(old) = old {
                // Two of one name would write into the same folder.
                let _ = old.await;
            }
            line.work(until, &there_is_no_next).await;
        });
        let (kind, settings) = (push.kind, push.settings.clone());
        self.running.insert(push.name.clone(), Running { kind, settings, stop, is_gone, task });
    }
}

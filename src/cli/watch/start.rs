//! Puts the daemon together: plan, state, log, metrics, page, signals; then it works until it is told to end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::logging::Logging;
use super::plan::FromFiles;
use super::{LISTEN, WatchArgs};
use crate::alert::notify::Channels;
use crate::base::clock::{Clock, SystemClock};
use crate::base::ids::RunId;
use crate::cli::complaint::Complaint;
use crate::cli::signals::Signals;
use crate::cli::{live, output, panics, targets};
use crate::deliver::{Courier, Outbox};
use crate::event::{Consumer, EventKind, Level, Note, Publisher};
use crate::metrics::Shared;
use crate::report::count;
use crate::run::Context;
use crate::run::held::Held;
use crate::run::reach::Stage;
use crate::run::replicas::look_up_all;
use crate::store::{Store, default_folder};
use crate::transport::child::SERVICE;
use crate::watch::board::{Board, Control};
use crate::watch::channels;
use crate::watch::compose::Loaded;
use crate::watch::control::Remote;
use crate::watch::daemon::{Daemon, Setup};
use crate::watch::pushes::{Counted, Ears, Pushes, Surroundings};
use crate::watch::runs::Runner;
use crate::watch::sd::Systemd;
use crate::watch::settled::Retune;
use crate::watch::shadows::Shadows;
use crate::watch::stalls::Stalls;
use crate::watch::web::kept::Kept;
use crate::watch::web::{Facts, Past, WebConfig, serve};

/// A daemon that has no more than this could keep its state, write its log and answer for its page, and probe nothing.
const DESCRIPTORS: usize = 32;

/// Runs the command.
///
/// # Errors
/// When the files have mistakes, the address is taken, or the state cannot be kept.
pub fn run(args: &WatchArgs) -> Result<u8, Complaint> {
    live::room(DESCRIPTORS)?;
    let source = FromFiles::new(args)?;
    let (loaded, warnings) = source.read(true).map_err(|problem| problem.complaint(args.color))?;
    targets::warn(&warnings, args.color);
    let logging = Logging::new(args, &loaded.telling.log);
    panics::as_json(logging.is_json_on_stderr());
    let masker = loaded.masker.clone();
    let mut web = WebConfig::load(args.web_config.as_deref(), args.allow_host.clone(), masker.clone())
        .map_err(Complaint::usage)?;
    let rendering = channels::compile(&loaded.telling, &masker, &Channels::default())
        .map_err(|wrong| Complaint::usage(wrong.summary))?;
    let folder = folder(args)?;
    let store = Store::open_in(&folder).map_err(|error| Complaint::usage(error.to_string()))?;
    let metrics = Shared::default();
    let mut consumers: Vec<Box<dyn Consumer>> = vec![Box::new(metrics.recorder())];
    consumers.extend(logging.consumers(args, &masker)?);
    let ears = Ears::default();
    consumers.push(ears.consumer());
    let publisher = Publisher::new(RunId::random(), consumers, logging.wants_wire());
    web.log = Some(publisher.clone());
    let ended = live::serve(|signals| async move {
        let listener = listen(args).await?;
        let says = Says { publisher: &publisher, as_notes: logging.is_json_on_stderr() };
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let scheme = if web.protection.tls.is_some() { "https" } else { "http" };
        says.first_words(&loaded, address.map(|address| format!("{scheme}://{address}")), &folder);
        let retune = logging.retuning(args);
        let parts = Parts {
            source,
            loaded,
            publisher: publisher.clone(),
            masker,
            store,
            metrics,
            folder,
            ears,
            rendering,
            web,
            retune,
        };
        Box::pin(parts.work(signals, listener)).await;
        // The log has been told; whoever reads it has nobody left to complain to.
        let _ = publisher.finish();
        Ok(0)
    })?;
    Ok(ended)
}

/// Where the state is kept; made where there is none.
fn folder(args: &WatchArgs) -> Result<PathBuf, Complaint> {
    args.state.clone().or_else(default_folder).ok_or_else(|| {
        Complaint::usage("there is no folder for the state: neither XDG_STATE_HOME nor HOME is set")
            .hint("give one: --state DIR")
    })
}

async fn listen(args: &WatchArgs) -> Result<Option<TcpListener>, Complaint> {
    if args.no_listen {
        return Ok(None);
    }
    let address = args.listen.as_deref().unwrap_or(LISTEN);
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| {
        Complaint::usage(format!("nobody can listen on {address}: {error}"))
            .hint("give another address with --listen HOST:PORT (port 0 takes a free one), or --no-listen")
    })
}

/// The first words: what is watched, where the page and the state are.
struct Says<'a> {
    publisher: &'a Publisher,
    /// Where stderr is read by a program, they are lines of the log.
    as_notes: bool,
}

impl Says<'_> {
    fn first_words(&self, loaded: &Loaded, page: Option<String>, folder: &Path) {
        let pairs = loaded.plan.pairs().count();
        let files: Vec<String> = loaded.files.iter().map(|path| path.display().to_string()).collect();
        let rules = count(loaded.telling.rules.len(), "alert");
        self.say(&format!("watching {} with {rules} from {}", count(pairs, "probe"), files.join(", ")));
        if let Some(share) = loaded.plan.share {
            self.say(&share.to_string());
        }
        if let Some(page) = page {
            self.say(&format!("listening on {page}"));
        }
        self.say(&format!("state in {}", folder.display()));
    }

    fn say(&self, message: &str) {
        if self.as_notes {
            let note = Note { level: Level::Info, topic: "watch", message: message.to_owned(), target: None };
            self.publisher.publish(EventKind::Noted(note));
        } else {
            // A stderr that is closed changes nothing.
            let _ = output::say(&format!("{message}\n"), true);
        }
    }
}

/// What the daemon is made of.
struct Parts {
    source: FromFiles,
    loaded: Loaded,
    publisher: Publisher,
    masker: crate::base::secret::Masker,
    store: Store,
    metrics: Shared,
    folder: PathBuf,
    ears: Ears,
    rendering: Arc<Channels>,
    web: WebConfig,
    retune: Retune,
}

impl Parts {
    fn outbox(&self, courier: &Courier, clock: &Arc<dyn Clock>) -> Outbox {
        let (store, courier, publisher) = (self.store.clone(), courier.clone(), self.publisher.clone());
        Outbox::new(store, courier, self.rendering.clone(), publisher, Arc::clone(clock))
    }

    /// A command of a notifier gets neither the secrets of others nor the word of the service manager.
    fn courier(&self) -> Courier {
        let hidden = self.loaded.hidden.iter().cloned().chain(SERVICE.map(ToOwned::to_owned)).collect();
        Courier::new(self.masker.clone()).hiding(hidden)
    }

    async fn work(self, signals: Signals, listener: Option<TcpListener>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let watch = self.loaded.telling.watch.clone();
        let courier = self.courier();
        let outbox = self.outbox(&courier, &clock);
        let cx = Context::new(self.publisher.clone(), self.masker.clone(), CancellationToken::new(), true)
            // `jobs`, `per_host` and `spawns` are the bounds. One more here would let four servers that do not answer hold
            // up the openings of all others, and nobody would count that as waiting.
            .with_openings(usize::MAX)
            .with_transcripts(watch.transcripts)
            .remembering_results();
        let board = Board::new();
        let (remote, requests) = Remote::new();
        let (mut services, stop) = (JoinSet::new(), CancellationToken::new());
        services.spawn(delivering(outbox.clone(), stop.clone()));
        if let Some(listener) = listener {
            let control: Arc<dyn Control> = Arc::new(remote.clone());
            let past: Arc<dyn Past> = Arc::new(Kept::new(self.store.path()));
            let facts = Facts { board: board.clone(), control, past: Some(past), metrics: self.metrics.clone() };
            services.spawn(showing(listener, self.web, facts, stop.clone()));
        }
        hear_reload(&mut services, remote, stop.clone());
        let pushes = Pushes::new(Surroundings {
            metrics: self.metrics.clone(),
            board: board.clone(),
            courier: courier.clone(),
            masker: self.masker.clone(),
            counted: Counted::new(self.store.clone(), self.metrics.clone(), self.publisher.clone()),
            folder: self.folder.join("pushes"),
            publisher: self.publisher.clone(),
            ears: self.ears,
            clock: Arc::clone(&clock),
        });
        let runner = Runner {
            cx,
            stage: Arc::new(Stage::default()),
            held: Arc::new(Held::default()),
            store: self.store.clone(),
            transcripts: watch.transcripts,
            clock: Arc::clone(&clock),
            stalls: Stalls::among(&mut services, &clock, &stop),
            shadows: Shadows::default(),
        };
        let setup = Setup {
            source: Arc::new(self.source),
            publisher: self.publisher,
            masker: self.masker,
            board,
            outbox,
            channels: self.rendering,
            courier,
            metrics: self.metrics,
            pushes,
            requests,
            systemd: Systemd::of_environment(),
            drain: signals.drain,
            retune: self.retune,
            clock,
            instance: watch.instance.clone().unwrap_or_else(machine),
            seed: seed(watch.seed, &self.store).await,
            replicas: look_up_all(&self.loaded.plan).await,
            store: self.store,
            services,
            stop,
        };
        Box::pin(Daemon::new(setup, runner, self.loaded).work()).await;
    }
}

async fn showing(listener: TcpListener, web: WebConfig, facts: Facts, stop: CancellationToken) {
    // It can only fail at its very beginning, for a socket that has no address.
    let _ = serve(listener, web, facts, stop).await;
}

async fn delivering(outbox: Outbox, stop: CancellationToken) {
    outbox.run(stop).await;
}

/// What spreads this prober's runs: what the files say, or what was drawn once.
async fn seed(said: Option<u64>, store: &Store) -> u64 {
    if let Some(seed) = said {
        return seed;
    }
    if let Ok(Some(kept)) = store.kept("seed").await
        && let Some(seed) = kept.as_u64()
    {
        return seed;
    }
    let seed = fastrand::u64(..);
    // Without it the phases are others after the next start, and that is all.
    let _ = store.keep("seed", seed.into()).await;
    seed
}

/// The machine's name.
fn machine() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = read.map(|name| name.trim().to_owned()).or_else(|| std::env::var("HOSTNAME").ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "mcp-probe".to_owned())
}

/// SIGHUP reads the files again.
fn hear_reload(services: &mut JoinSet<()>, remote: Remote, stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    services.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = hangup.recv() => if heard.is_none() { return },
            }
            // What came of it is in the log.
            let _ = remote.reload().await;
        }
    });
}

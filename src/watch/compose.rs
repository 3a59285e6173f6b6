//! From what was read of the files to what the loop works with: pairs with their places in the timetable, in the rules
//! and on the board.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::board::PairState;
use super::limits::Needs;
use crate::alert::{LeftOut, Watched};
use crate::base::duration::written;
use crate::base::sanitize::one_line;
use crate::base::secret::Masker;
use crate::event::ProbeOutcome;
use crate::files::telling::Resolved;
use crate::plan::{EVERY, Endpoint, Pace, Plan, Probe, SessionChoice, Target, When};
use crate::schedule::{Grid, Slot, identity};
use crate::transport::http::parse_endpoint;

/// What was read, ready to be watched.
pub struct Loaded {
    /// Probes and targets, without those that are withheld.
    pub plan: Plan,
    /// What nobody agreed to, and what of other programs' files cannot be used.
    pub withheld: Vec<ProbeOutcome>,
    /// What the files have and is not watched here: it was not selected, or is withheld.
    pub left_out: LeftOut,
    /// Where each target is, as a person may see it.
    pub shown: BTreeMap<String, String>,
    /// Alerts, notifiers, settings.
    pub telling: Resolved,
    /// Targets, each with those that it depends on.
    pub dependencies: BTreeMap<String, Vec<String>>,
    /// Targets, each with the command that restarts it.
    pub restarts: BTreeMap<String, Vec<String>>,
    /// What must not be shown.
    pub masker: Masker,
    /// Variables that commands of notifiers do not inherit: what the files read as secrets.
    pub hidden: Vec<String>,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// Why the files cannot be used.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// One sentence; of several mistakes the first.
    pub summary: String,
    /// Where there are several mistakes: each with its place and what to do, in a line of its own.
    pub lines: Vec<String>,
}

/// Where the plan comes from; asked again at every reload.
pub trait Source: Send + Sync {
    /// Reads everything.
    ///
    /// # Errors
    /// When something is wrong; all mistakes at once.
    fn load(&self) -> Result<Loaded, Unreadable>;

    /// The files and folders to keep an eye on.
    fn paths(&self) -> Vec<PathBuf>;
}

/// A probe on a target, as the loop has it.
pub struct Pair {
    /// The probe.
    pub probe: Arc<Probe>,
    /// The target.
    pub target: Arc<Target>,
    /// What a run of it takes up.
    pub needs: Needs,
    /// How far apart its runs are.
    pub pace: Pace,
    /// What changes when anything about target or session does: a session that is held is not kept then.
    pub fingerprint: [u8; 32],
    /// Other files were read since: nothing is held for it any more.
    pub is_gone: AtomicBool,
}

/// Every probe on each of its targets.
#[must_use]
pub fn pairs(plan: &Plan) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for probe in &plan.probes {
        let shared = Arc::new(probe.clone());
        let pace = probe.when.pace(EVERY);
        for target in &probe.targets {
            let pace = if probe.when == When::Default { Pace::even(EVERY.max(span_max(probe, target))) } else { pace };
            pairs.push(Pair {
                probe: Arc::clone(&shared),
                target: Arc::clone(target),
                needs: needs(target),
                pace,
                fingerprint: fingerprint(probe, target),
                is_gone: AtomicBool::new(false),
            });
        }
    }
    pairs
}

impl Pair {
    /// Whether this is the pair of these names.
    #[must_use]
    pub fn is(&self, probe: &str, target: &str) -> bool {
        self.probe.name == probe && self.target.name == target
    }

    /// The longest that a run takes.
    #[must_use]
    pub fn span_max(&self) -> Duration {
        span_max(&self.probe, &self.target)
    }

    /// The interval where it has one: that of its file, or [`EVERY`], or as long as a run can take.
    #[must_use]
    pub fn every(&self) -> Option<Duration> {
        (!matches!(self.probe.when, When::Cron { .. })).then_some(self.pace.usual)
    }

    /// Its place in the timetable. `jitter` is a share of the interval.
    #[must_use]
    pub fn slot(&self, jitter: f64) -> Slot {
        let (when, text) = match (&self.probe.when, self.every()) {
            (When::Cron { expression, timezone, schedule }, _) => {
                let name = timezone.as_deref().unwrap_or("UTC");
                let zone = jiff::tz::TimeZone::get(name).unwrap_or(jiff::tz::TimeZone::UTC);
                (Grid::Cron { schedule: schedule.clone(), zone }, format!("{expression} {name}"))
            }
            (_, every) => {
                let every = every.unwrap_or(EVERY);
                (Grid::Every(every), written(every))
            }
        };
        Slot {
            probe: self.probe.name.to_string(),
            target: self.target.name.to_string(),
            // What is sent may change without the probe losing its place.
            identity: identity([self.probe.name.as_str(), self.target.name.as_str(), text.as_str()]),
            when,
            jitter,
            span_max: self.span_max(),
        }
    }

    /// What the rules know of it.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched {
            probe: self.probe.name.clone(),
            target: self.target.name.clone(),
            labels: self.target.labels.as_ref().clone(),
            every: self.pace.usual,
            closest: self.pace.closest,
            farthest: self.pace.farthest,
            can_restart: self.target.restart.is_some() || self.is_held_child(),
        }
    }

    /// Whether the daemon holds a child of it between runs.
    #[must_use]
    pub fn is_held_child(&self) -> bool {
        self.probe.session == SessionChoice::Reuse && matches!(self.target.endpoint, Endpoint::Command(_))
    }

    /// What the board shows before the first run.
    #[must_use]
    pub fn state(&self, shown: &BTreeMap<String, String>) -> PairState {
        let every_text = match &self.probe.when {
            When::Cron { expression, timezone, .. } => {
                format!("cron {expression} ({})", timezone.as_deref().unwrap_or("UTC"))
            }
            When::Every(_) | When::Default => format!("every {}", written(self.every().unwrap_or(EVERY))),
        };
        PairState {
            probe: self.probe.name.to_string(),
            target: self.target.name.to_string(),
            labels: self.target.labels.as_ref().clone(),
            place: self.probe.place.as_ref().map(ToString::to_string),
            endpoint: shown.get(self.target.name.as_str()).map(|text| one_line(text, 200)).unwrap_or_default(),
            transport: match &self.target.endpoint {
                Endpoint::Command(_) => "stdio",
                Endpoint::Url(_) => "http",
            },
            every_text,
            every: self.every(),
            timeout: self.probe.timeout,
            ..PairState::default()
        }
    }
}

fn span_max(probe: &Probe, target: &Target) -> Duration {
    let attempts = probe.retries.saturating_add(1);
    target.startup_timeout.saturating_add(probe.timeout.saturating_mul(attempts))
}

fn needs(target: &Target) -> Needs {
    match &target.endpoint {
        Endpoint::Command(_) => Needs::Process,
        Endpoint::Url(written) => match parse_endpoint(written) {
            Ok((url, None)) => {
                let port = url.port_or_known_default().unwrap_or_default();
                let host = url.host_str().unwrap_or_default();
                let host = target.replica.as_ref().map_or_else(|| host.to_owned(), |at| at.address.to_string());
                Needs::Host(format!("{host}:{port}").into())
            }
            Ok((_, Some(socket))) => Needs::Host(socket.display().to_string().into()),
            Err(_) => Needs::Host(written.as_str().into()),
        },
    }
}

/// Secrets are in it, and cannot be had out of it.
fn fingerprint(probe: &Probe, target: &Target) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(&format!("{:?} {:?} {:?}", probe.session, target.endpoint, target.start));
    add(&format!("{:?} {:?} {:?}", target.protocol, target.transport, target.tls));
    add(&format!("{:?} {:?} {:?}", target.cwd, target.inherit_env, target.startup_timeout));
    add(&format!("{:?} {:?}", target.resolve, target.replica));
    add(&format!("{:?}", target.traceparent));
    let secrets = target.headers.iter().chain(&target.env).map(|(name, value)| (name.as_str(), value));
    for (name, value) in secrets.chain(target.bearer.iter().map(|bearer| ("bearer", bearer))) {
        add(name);
        add(value.reveal());
    }
    hash.finalize().into()
}

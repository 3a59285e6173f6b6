//! What is to be done, valid by construction: targets, probes, steps. Files are read into a [`Draft`], which keeps
//! variables unresolved; [`Draft::select`] resolves what was chosen and gives the [`Plan`] that is run.

pub mod advice;
pub mod draft;
pub mod fleet;
pub mod grammar;
mod left_out;
mod pace;
pub mod probe;
pub mod replicas;
pub mod select;
pub mod step;
pub mod target;
pub mod target_draft;
mod when;

use crate::base::name::Name;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub use draft::Draft;
pub use fleet::{FleetDraft, Shard, Share};
pub use pace::Pace;
pub use probe::ProbeDraft;
pub use replicas::{Known, Replica, Resolve};
pub use select::{NotSelected, Selected, Selection, Unusable};
pub use step::Step;
pub use target::{Endpoint, Inherit, Origin, Target, TlsFiles, TransportChoice};
pub(crate) use target_draft::check_url;
pub use target_draft::{AsWritten, Imported, ImportedEndpoint, TargetDraft};

pub use crate::protocol::Pin;

/// How long one attempt may take, unless a file says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How often `watch` runs a probe of which no file says it; less often where a run can take longer.
pub const EVERY: Duration = Duration::from_secs(60);

/// How long spawn or connect, detection and handshake may take, unless a file says otherwise.
pub const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);

/// The name of the probe that a target without one gets.
pub const BUILT_IN: &str = "built-in";

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The targets of the selected probes, in the order of the files.
    pub targets: Vec<Arc<Target>>,
    /// The selected probes, in the order of the files.
    pub probes: Vec<Probe>,
    /// Which share of the whole this is, where several probers divide it.
    pub share: Option<Share>,
}

impl Plan {
    /// The built-in probe of each of these targets.
    #[must_use]
    pub fn built_in(targets: impl IntoIterator<Item = Target>) -> Self {
        let targets: Vec<Arc<Target>> = targets.into_iter().map(Arc::new).collect();
        let probes = targets.iter().map(|target| Probe::built_in(Arc::clone(target))).collect();
        Self { targets, probes, share: None }
    }

    /// The names of the targets of which something is compared with the lock file.
    #[must_use]
    pub fn compared(&self) -> HashSet<String> {
        let compares = |probe: &Probe| match &probe.steps {
            _ if probe.locked => true,
            Steps::Given(steps) => steps.iter().any(Step::wants_lock),
            Steps::Lists => false,
        };
        self.pairs().filter(|(probe, _)| compares(probe)).map(|(_, target)| target.name.to_string()).collect()
    }

    /// Every probe with each of its targets: what is run, in the order in which it is told.
    pub fn pairs(&self) -> impl Iterator<Item = (&Probe, &Arc<Target>)> {
        self.probes.iter().flat_map(|probe| probe.targets.iter().map(move |target| (probe, target)))
    }
}

/// Steps against targets.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Its name, unique in the plan.
    pub name: Name,
    /// Its targets, in order.
    pub targets: Vec<Arc<Target>>,
    /// Of one attempt, from the open session to the last step.
    pub timeout: Duration,
    /// How many more attempts after one that failed.
    pub retries: u32,
    /// Whether a run opens its own session.
    pub session: SessionChoice,
    /// A session that is held is given up for a new one when it is so old; none where it is held as long as it lasts.
    pub cold_every: Option<Duration>,
    /// What is done.
    pub steps: Steps,
    /// What findings do to the status.
    pub findings: FindingsPolicy,
    /// When `watch` runs it.
    pub when: When,
    /// Whether all that the target offers is compared with the lock, beside the steps.
    pub locked: bool,
    /// `file:line:column`; none for the built-in one.
    pub place: Option<Name>,
}

impl Probe {
    /// Open, then the lists that the server's capabilities announce.
    #[must_use]
    pub fn built_in(target: Arc<Target>) -> Self {
        Self {
            name: Name::fixed(BUILT_IN),
            targets: vec![target],
            timeout: TIMEOUT,
            retries: 0,
            session: SessionChoice::Fresh,
            cold_every: None,
            steps: Steps::Lists,
            findings: FindingsPolicy::default(),
            when: When::Default,
            locked: false,
            place: None,
        }
    }
}

/// What a probe does.
#[derive(Clone, Debug)]
pub enum Steps {
    /// The lists that the server's capabilities announce.
    Lists,
    /// These steps, in order.
    Given(Vec<Step>),
}

/// Whether a run opens its own session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionChoice {
    /// A new one for every run.
    #[default]
    Fresh,
    /// `watch` keeps one open between runs.
    Reuse,
}

/// When `watch` runs a probe; everything else ignores it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Nothing was said.
    #[default]
    Default,
    /// So often.
    Every(Duration),
    /// By a cron expression in a time zone.
    Cron {
        /// Five fields.
        expression: String,
        /// An IANA name; UTC without one.
        timezone: Option<String>,
        /// The expression, compiled.
        schedule: Box<croner::Cron>,
    },
}

/// What a finding does to the status of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// It is told.
    #[default]
    Report,
    /// It degrades.
    Degrade,
    /// It fails.
    Fail,
}

/// The words of [`Effect`] in files.
pub(crate) const EFFECTS: &[(&str, Effect)] =
    &[("report", Effect::Report), ("degrade", Effect::Degrade), ("fail", Effect::Fail)];

/// What findings do to the status of a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingsPolicy {
    /// Of ids that are not named.
    pub all: Effect,
    /// By id.
    pub by_id: BTreeMap<String, Effect>,
}

impl FindingsPolicy {
    /// What a finding of this id does.
    #[must_use]
    pub fn effect(&self, id: &str) -> Effect {
        self.by_id.get(id).copied().unwrap_or(self.all)
    }
}

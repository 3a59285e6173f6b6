//! What is watched: probe files become a plan, at the start and at every reload. Mistakes are told all at once; what nobody
//! agreed to is left out and told, too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::WatchArgs;
use crate::alert::LeftOut;
use crate::base::sanitize::one_line;
use crate::base::secret::Masker;
use crate::cli::check::plan::leave_out;
use crate::cli::complaint::Complaint;
use crate::cli::consent::Consents;
use crate::cli::credentials::{hide, shown_url};
use crate::cli::exit::Code;
use crate::cli::targets;
use crate::cli::terminal::Colour;
use crate::config::{Diag, has_errors};
use crate::event::{Cause, ProbeOutcome, Reason};
use crate::files::telling::Resolved;
use crate::files::{Folders, Loaded as Read, Machine, default_paths, given, load, locks};
use crate::lock::FILE;
use crate::plan::{Endpoint, NotSelected, Plan, Selection, Target, TargetDraft};
use crate::run::restart;
use crate::watch::compose::{Loaded, Source, Unreadable};

/// The files that were named, or the project's.
pub struct FromFiles {
    named: Vec<PathBuf>,
    selection: Selection,
    yes: bool,
    lock_file: Option<PathBuf>,
}

/// Why there is no plan.
pub enum Problem {
    /// The files have mistakes.
    Mistakes(Vec<Diag>),
    /// Something else.
    Other(Complaint),
}

impl Problem {
    /// As a command complains.
    #[must_use]
    pub fn complaint(self, color: Option<Colour>) -> Complaint {
        match self {
            Self::Mistakes(diags) => targets::mistakes_of(&diags, color),
            Self::Other(complaint) => complaint,
        }
    }

    fn unreadable(self) -> Unreadable {
        match self {
            Self::Mistakes(diags) => {
                let errors = diags.iter().filter(|diag| diag.severity == crate::config::Severity::Error);
                let lines: Vec<String> = errors.map(targets::told).collect();
                match lines.as_slice() {
                    [] => Unreadable { summary: String::new(), lines },
                    [only] => Unreadable { summary: only.clone(), lines: Vec::new() },
                    [first, more @ ..] => {
                        Unreadable { summary: format!("{first} (and {} more)", more.len()), lines: lines.clone() }
                    }
                }
            }
            Self::Other(complaint) => Unreadable { summary: complaint.message, lines: Vec::new() },
        }
    }
}

impl FromFiles {
    /// What was typed.
    ///
    /// # Errors
    /// When a label is none.
    pub fn new(args: &WatchArgs) -> Result<Self, Complaint> {
        let selection = Selection {
            named: Vec::new(),
            probes: args.probe.clone(),
            targets: args.selection.target.clone(),
            labels: targets::labels(&args.selection)?,
            shard: args.shard,
            everywhere: Vec::new(),
        };
        let named = args.paths.iter().chain(&args.selection.file).cloned().collect();
        Ok(Self { named, selection, yes: args.selection.yes, lock_file: args.lock_file.clone() })
    }

    /// Reads everything. Where somebody can be asked, consent is asked for.
    ///
    /// # Errors
    /// When something is wrong.
    pub fn read(&self, may_ask: bool) -> Result<(Loaded, Vec<Diag>), Problem> {
        let read = self.files()?;
        let mut mistakes = read.draft.overlong();
        let mut telling = read.telling.resolve(&Machine).unwrap_or_else(|missing| {
            mistakes.extend(missing);
            Resolved::default()
        });
        match read.telling.resolve_pushes(&Machine, &mut telling.secrets) {
            Ok(pushes) => telling.pushes = pushes,
            Err(missing) => mistakes.extend(missing),
        }
        // Each prober has to know whether its own network works.
        let everywhere = read.telling.watches.iter().flat_map(|watch| &watch.reference);
        let everywhere = everywhere.map(|(name, _)| name.clone()).collect();
        let selection = Selection { everywhere, ..self.selection.clone() };
        let selected = match read.draft.select(&selection, &Machine) {
            Ok(selected) => selected,
            Err(NotSelected::Nothing(why)) => return Err(Problem::Other(Complaint::new(Code::Nothing, why))),
            Err(NotSelected::Mistakes(diags)) => {
                mistakes.extend(diags);
                return Err(Problem::Mistakes(mistakes));
            }
        };
        let masker = selected.masker;
        telling.secrets.iter().for_each(|secret| masker.add(secret));
        selected.plan.targets.iter().for_each(|target| hide(target, &masker));
        let restarts = restarts(&selected.plan, &mut mistakes);
        if has_errors(&mistakes) {
            return Err(Problem::Mistakes(mistakes));
        }
        let mut withheld: Vec<ProbeOutcome> = selected
            .unusable
            .iter()
            .map(|unusable| {
                let cause = Cause::new(Reason::Cancelled, targets::sentence(&unusable.diags));
                ProbeOutcome::not_run(&unusable.probe, &unusable.target, &unusable.labels, cause)
            })
            .collect();
        let mut plan = selected.plan;
        locks::attach(&mut plan, self.lock_file.as_deref()).map_err(Problem::Mistakes)?;
        let shown = plan.targets.iter().map(|target| (target.name.to_string(), shown(target, &masker))).collect();
        withheld.extend(self.withhold(&mut plan, may_ask));
        let (probes, targets) = read.draft.left_out(&selection);
        let mut left_out = LeftOut { probes, targets };
        left_out.targets.extend(withheld.iter().map(|outcome| outcome.target.to_string()));
        let dependencies = read.draft.dependencies();
        let targets = read.draft.targets.iter().flat_map(TargetDraft::secret_variables).map(ToOwned::to_owned);
        let hidden = targets.chain(read.draft.secret_variables.iter().cloned()).collect();
        let files = read.files;
        let loaded = Loaded { plan, withheld, left_out, shown, telling, dependencies, restarts, masker, hidden, files };
        Ok((loaded, read.warnings))
    }

    fn files(&self) -> Result<Read, Problem> {
        if !self.named.is_empty() {
            let read = given(&self.named, &Folders::here(), &Machine).and_then(|discovery| discovery.merged());
            return read.map_err(Problem::Mistakes);
        }
        let files = default_paths(std::path::Path::new("."));
        if files.is_empty() {
            let complaint = Complaint::new(Code::Nothing, "there is no ./mcp-probe.toml and no ./probes/*.toml here")
                .hint("name a probe file; `mcp-probe init TARGET` writes a first one");
            return Err(Problem::Other(complaint));
        }
        load(&files, true, &Machine).map_err(Problem::Mistakes)
    }

    /// Takes out what nobody agreed to; gives its outcomes, which are unknown.
    fn withhold(&self, plan: &mut Plan, may_ask: bool) -> Vec<ProbeOutcome> {
        let mut consents = Consents::open(self.yes);
        leave_out(plan, |target| if may_ask { consents.agrees(target) } else { consents.has_agreed(target) })
    }
}

impl Source for FromFiles {
    fn load(&self) -> Result<Loaded, Unreadable> {
        self.read(false).map(|(loaded, _)| loaded).map_err(Problem::unreadable)
    }

    fn paths(&self) -> Vec<PathBuf> {
        let mut paths =
            if self.named.is_empty() { vec!["mcp-probe.toml".into(), "probes".into()] } else { self.named.clone() };
        match &self.lock_file {
            Some(file) => paths.push(file.clone()),
            None => {
                let beside = |path: &PathBuf| if path.is_dir() { path.join(FILE) } else { path.with_file_name(FILE) };
                paths.extend(paths.clone().iter().map(beside));
            }
        }
        paths
    }
}

/// The commands that restart targets, their variables filled in.
fn restarts(plan: &Plan, mistakes: &mut Vec<Diag>) -> BTreeMap<String, Vec<String>> {
    let mut restarts = BTreeMap::new();
    for target in &plan.targets {
        match restart::words(target, &Machine) {
            Some(Ok(words)) => {
                restarts.insert(target.name.to_string(), words);
            }
            Some(Err(missing)) => mistakes.extend(missing),
            None => {}
        }
    }
    restarts
}

/// Where a target is, without secrets.
fn shown(target: &Arc<Target>, masker: &Masker) -> String {
    let text = match &target.endpoint {
        Endpoint::Url(url) => shown_url(url),
        Endpoint::Command(argv) => argv.join(" "),
    };
    one_line(&masker.mask(&text), 200)
}

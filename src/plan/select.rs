//! Draft → plan: what was selected, with its variables resolved. Only what is selected needs its variables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::Draft;
use super::glob;
use super::target::{Target, TargetDraft};
use super::{BUILT_IN, Plan, Probe, ProbeDraft, Steps};
use crate::base::secret::Masker;
use crate::config::{Diag, Environment};

/// What to select; everything empty selects all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Patterns of probe names, any of which may match.
    pub probes: Vec<String>,
    /// Patterns of target names, any of which may match.
    pub targets: Vec<String>,
    /// Labels of targets, all of which must match.
    pub labels: Vec<(String, String)>,
}

/// What was selected.
#[derive(Clone)]
pub struct Selected {
    /// What is to be done.
    pub plan: Plan,
    /// Every value that must not be shown.
    pub masker: Masker,
}

/// Why there is no plan.
#[derive(Clone, Debug)]
pub enum NotSelected {
    /// Nothing matches; the sentence says what there was.
    Nothing(String),
    /// Something selected cannot be used.
    Mistakes(Vec<Diag>),
}

impl Selection {
    fn takes_probe(&self, name: &str) -> bool {
        self.probes.is_empty() || self.probes.iter().any(|pattern| glob::matches(pattern, name))
    }

    fn takes_target(&self, target: &TargetDraft) -> bool {
        let named = self.targets.is_empty() || self.targets.iter().any(|pattern| glob::matches(pattern, &target.name));
        named && self.labels.iter().all(|(name, value)| target.labels.get(name) == Some(value))
    }
}

impl Draft {
    /// Resolves what is selected.
    ///
    /// # Errors
    /// When nothing is, or when something that is selected misses a variable or a file.
    pub fn select(&self, selection: &Selection, environment: &dyn Environment) -> Result<Selected, NotSelected> {
        let chosen: Vec<(Option<&ProbeDraft>, Vec<&TargetDraft>)> = self.choose(selection);
        if chosen.is_empty() {
            return Err(NotSelected::Nothing(self.nothing(selection)));
        }
        let masker = self.masker(environment);
        let mut diags = Vec::new();
        let mut targets: BTreeMap<&str, Arc<Target>> = BTreeMap::new();
        let mut plan = Plan::default();
        let wanted: BTreeSet<&str> =
            chosen.iter().flat_map(|(_, targets)| targets.iter().map(|target| target.name.as_str())).collect();
        for draft in self.targets.iter().filter(|target| wanted.contains(target.name.as_str())) {
            match self.resolve_target(draft, environment, &masker) {
                Ok(target) => {
                    let target = Arc::new(target);
                    targets.insert(&draft.name, Arc::clone(&target));
                    plan.targets.push(target);
                }
                Err(missing) => diags.extend(missing),
            }
        }
        for (draft, drafts) in chosen {
            let targets: Vec<Arc<Target>> =
                drafts.iter().filter_map(|target| targets.get(target.name.as_str()).map(Arc::clone)).collect();
            match draft {
                Some(draft) => match resolve_probe(draft, targets, environment) {
                    Ok(probe) => plan.probes.push(probe),
                    Err(missing) => diags.extend(missing),
                },
                None => plan.probes.extend(targets.into_iter().map(Probe::built_in)),
            }
        }
        if diags.is_empty() { Ok(Selected { plan, masker }) } else { Err(NotSelected::Mistakes(diags)) }
    }

    /// One target by its exact name, resolved.
    ///
    /// # Errors
    /// A diagnostic for each variable or file that is missing.
    pub fn target(&self, name: &str, environment: &dyn Environment) -> Option<Result<(Target, Masker), Vec<Diag>>> {
        let draft = self.targets.iter().find(|target| target.name == name)?;
        let masker = self.masker(environment);
        Some(self.resolve_target(draft, environment, &masker).map(|target| (target, masker)))
    }

    fn choose(&self, selection: &Selection) -> Vec<(Option<&ProbeDraft>, Vec<&TargetDraft>)> {
        let mut chosen = Vec::new();
        let mut probed: BTreeSet<&str> = BTreeSet::new();
        for probe in &self.probes {
            let has = |target: &&TargetDraft| probe.targets.iter().any(|(name, _)| name == "*" || *name == target.name);
            let mut targets: Vec<&TargetDraft> = self.targets.iter().filter(has).collect();
            // The order in which the probe names them, where it does.
            let rank = |target: &&TargetDraft| probe.targets.iter().position(|(name, _)| *name == target.name);
            targets.sort_by_key(|target| rank(target).unwrap_or(usize::MAX));
            probed.extend(targets.iter().map(|target| target.name.as_str()));
            targets.retain(|target| selection.takes_target(target));
            if selection.takes_probe(&probe.name) && !targets.is_empty() {
                chosen.push((Some(probe), targets));
            }
        }
        for target in self.targets.iter().filter(|target| !probed.contains(target.name.as_str())) {
            if selection.takes_probe(BUILT_IN) && selection.takes_target(target) {
                chosen.push((None, vec![target]));
            }
        }
        chosen
    }

    fn nothing(&self, selection: &Selection) -> String {
        if self.targets.is_empty() {
            return "there is nothing to probe: the files define no target".to_owned();
        }
        let probes: Vec<&str> = self.probes.iter().map(|probe| probe.name.as_str()).collect();
        let targets: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let asked = if selection.probes.is_empty() { &targets } else { &probes };
        let what = if selection.probes.is_empty() { "targets" } else { "probes" };
        let list = crate::config::suggest::list(asked).unwrap_or_else(|| "none".to_owned());
        format!("nothing matches the selection; the {what} there are: {list}")
    }

    /// Variables that this target's child may not see: secrets of everybody, and what others hand to their own.
    fn hidden_from(&self, target: &TargetDraft) -> BTreeSet<String> {
        let others = self.targets.iter().filter(|other| other.name != target.name);
        let secrets = self.targets.iter().flat_map(TargetDraft::secret_variables);
        let mut hidden: BTreeSet<String> =
            secrets.chain(others.flat_map(TargetDraft::env_variables)).map(ToOwned::to_owned).collect();
        hidden.extend(self.telling.secret_variables());
        hidden
    }

    /// The value of every variable that the plan reads as a secret, whether selected or not.
    fn masker(&self, environment: &dyn Environment) -> Masker {
        let masker = Masker::default();
        let targets = self.targets.iter();
        let named = targets.flat_map(|target| target.secret_variables().chain(target.env_variables()));
        let telling = self.telling.secret_variables();
        for name in named.chain(telling.iter().map(String::as_str)) {
            if let Some(value) = environment.variable(name) {
                masker.add(&value);
            }
        }
        masker
    }

    fn resolve_target(
        &self,
        draft: &TargetDraft,
        environment: &dyn Environment,
        masker: &Masker,
    ) -> Result<Target, Vec<Diag>> {
        let mut secrets = Vec::new();
        let target = draft.resolve(environment, &self.hidden_from(draft), self.found, &mut secrets);
        secrets.iter().for_each(|secret| masker.add(secret));
        target
    }
}

fn resolve_probe(
    draft: &ProbeDraft,
    targets: Vec<Arc<Target>>,
    environment: &dyn Environment,
) -> Result<Probe, Vec<Diag>> {
    let mut diags = draft.unset.clone();
    let steps = match &draft.steps {
        Steps::Lists => Steps::Lists,
        Steps::Given(steps) => {
            let mut resolved = Vec::with_capacity(steps.len());
            for step in steps {
                match step.resolve(environment) {
                    Ok(step) => resolved.push(step),
                    Err(missing) => diags.extend(missing),
                }
            }
            Steps::Given(resolved)
        }
    };
    if !diags.is_empty() {
        return Err(diags);
    }
    Ok(Probe {
        name: draft.name.clone(),
        targets,
        timeout: draft.timeout,
        retries: draft.retries,
        session: draft.session,
        steps,
        findings: draft.findings.clone(),
        when: draft.when.clone(),
        place: Some(draft.place.to_string()),
    })
}

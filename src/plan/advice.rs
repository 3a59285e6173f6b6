//! What will disappoint although it can be read: one file per subject. What matters on every run is reported as a
//! warning; what matters when the file is written is advice, which only `validate` shows.

pub(super) mod launcher;
mod time;

use std::collections::BTreeSet;

use super::draft::Draft;
use super::{ProbeDraft, Steps};
use crate::config::{Diag, Environment, Place, Reading, suggest};

impl Draft {
    /// Warnings that need all files together, and that only `validate` shows.
    #[must_use]
    pub fn advice(&self) -> Vec<Diag> {
        let mut advice = time::advice(self);
        for probe in &self.probes {
            let everything = probe.targets.iter().find(|(name, _)| name == "*");
            if let Some((_, place)) = everything.filter(|_| self.targets.is_empty()) {
                advice.push(
                    Diag::warning(place, format!("the probe `{}` is for all targets, and there are none", probe.name))
                        .help("`\"*\"` means the targets of the files that are read: write `[target.NAME]`"),
                );
            }
        }
        advice
    }

    /// Everything that this machine lacks for the whole plan, and what is wrong once its variables are filled in.
    #[must_use]
    pub fn lacking(&self, environment: &dyn Environment) -> Vec<Diag> {
        let hidden = BTreeSet::new();
        let mut diags = Vec::new();
        for target in &self.targets {
            diags.extend(target.resolve(environment, &hidden, false, &mut Vec::new()).err().into_iter().flatten());
        }
        for probe in &self.probes {
            diags.extend(probe.unset.iter().cloned());
            if let Steps::Given(steps) = &probe.steps {
                diags.extend(steps.iter().filter_map(|step| step.resolve(environment).err()).flatten());
            }
        }
        // What is written out is told where the file is read.
        let open = self.fleets.iter().filter(|fleet| fleet.has_variables());
        diags.extend(open.filter_map(|fleet| fleet.resolve(environment).err().map(|diag| *diag)));
        diags
    }
}

/// What is unwise within one probe.
pub(super) fn of_probe(probe: &ProbeDraft, retries: Option<&Place>, reading: &Reading<'_>) {
    let Steps::Given(steps) = &probe.steps else { return };
    for expectation in steps.iter().flat_map(|step| step.checks.iter()) {
        let Some(place) = &expectation.place else { continue };
        if let Some(why) = expectation.check.cannot_fail() {
            let kind = expectation.check.kind();
            reading.report(
                Diag::warning(place, format!("this `expect.{kind}` can never fail: {why}"))
                    .help("ask for what a client relies on, or leave it out"),
            );
        }
        if let Some(bound) = expectation.check.latency_max().filter(|bound| *bound > probe.timeout) {
            let (bound, timeout) = (time::shown(bound), time::shown(probe.timeout));
            reading.report(
                Diag::warning(place, format!("an attempt ends after {timeout}, before this bound of {bound}"))
                    .help(format!("lower the bound, or raise the `timeout` of the probe above {bound}")),
            );
        }
    }
    if let (Some(place), Some(first)) = (retries.filter(|_| probe.retries > 0), steps.first())
        && first.allow_side_effects
        && !first.idempotent
    {
        reading.advise(
            Diag::warning(place, format!("`retries` will hardly ever act: `{}` comes first", first.name)).help(
                "a probe is not retried once a step with side effects was sent, unless that step says \
                 `idempotent = true`",
            ),
        );
    }
}

/// A name that was saved and never used.
pub(super) fn unused_save<'a>(name: &str, place: &Place, used: impl Iterator<Item = &'a str>, reading: &Reading<'_>) {
    let near = suggest::nearest(name, used).map(|near| format!("later steps use `${{save.{near}}}`"));
    reading.advise(Diag::warning(place, format!("no later step uses `${{save.{name}}}`")).help(near.unwrap_or_else(
        || "a `save` that finds nothing fails its step; to check the value, use `expect.json`".into(),
    )));
}

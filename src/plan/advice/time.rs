//! Times that do not fit together: what a run can take, against how often it is to happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::draft::Draft;
use super::super::target_draft::TargetDraft;
use super::super::{ProbeDraft, When};
use crate::base::duration;
use crate::config::{Diag, Place, Severity};

/// Of the interval; a timeout above it leaves no room for the next run.
const SHARE_MAX: f64 = 0.8;

/// As files write it.
pub(super) fn shown(time: Duration) -> String {
    duration::written(time)
}

pub(super) fn advice(draft: &Draft) -> Vec<Diag> {
    let targets: BTreeMap<&str, &TargetDraft> =
        draft.targets.iter().map(|target| (target.name.as_str(), target)).collect();
    let slowest = draft.targets.iter().max_by_key(|target| target.startup_timeout);
    let mut told = BTreeSet::new();
    let mut advice = Vec::new();
    for probe in &draft.probes {
        let When::Every(every) = probe.when else { continue };
        let all = probe.targets.iter().any(|(name, _)| name == "*");
        let named = probe.targets.iter().filter_map(|(name, _)| targets.get(name.as_str()).copied());
        let target = if all { slowest } else { named.max_by_key(|target| target.startup_timeout) };
        for diag in [above_share(probe, every), target.and_then(|target| above_interval(probe, target, every))] {
            // Two keys of `[defaults]` that do not fit are told once, not for every probe of the file.
            let Some(diag) = diag else { continue };
            let places = diag.others.iter().map(|(place, _)| place).chain(&diag.place);
            if told.insert((places.map(ToString::to_string).collect::<Vec<_>>(), diag.label.clone())) {
                advice.push(diag);
            }
        }
    }
    advice
}

/// What `watch` refuses: a probe that can take longer than its interval, on the slowest of its targets.
pub(super) fn overlong(draft: &Draft) -> Vec<Diag> {
    let mut mistakes: Vec<Diag> = Vec::new();
    for probe in &draft.probes {
        let When::Every(every) = probe.when else { continue };
        let is_meant = |target: &&TargetDraft| {
            probe.targets.iter().any(|(name, _)| name == "*" || *name == target.name)
        };
        let slowest = draft.targets.iter().filter(is_meant).max_by_key(|target| target.startup_timeout);
        if let Some(mut diag) = slowest.and_then(|target| above_interval(probe, target, every)) {
            diag.severity = Severity::Error;
            mistakes.push(diag);
        }
    }
    mistakes
}

fn above_share(probe: &ProbeDraft, every: Duration) -> Option<Diag> {
    let most = every.mul_f64(SHARE_MAX);
    if probe.timeout <= most {
        return None;
    }
    // A whole number is what a person writes.
    let most = if most > Duration::from_secs(2) { Duration::from_secs(most.as_secs()) } else { most };
    let (timeout, every) = (shown(probe.timeout), shown(every));
    let place = probe.places.timeout.as_ref().or(probe.places.every.as_ref()).unwrap_or(&probe.place);
    let said = if probe.places.timeout.is_some() { "" } else { " (the default)" };
    let message = format!("the timeout of {timeout}{said} is above 80 % of the interval of {every}");
    let diag = Diag::warning(place, message)
        .label("a run that hangs leaves no room for the next one")
        .help(format!("lower `timeout` to at most \"{}\", or raise `every`", shown(most)));
    Some(with_every(diag, probe, place))
}

fn above_interval(probe: &ProbeDraft, target: &TargetDraft, every: Duration) -> Option<Diag> {
    let attempts = probe.retries.saturating_add(1);
    let longest = target.startup_timeout.saturating_add(probe.timeout.saturating_mul(attempts));
    if longest <= every {
        return None;
    }
    let (startup, timeout) = (shown(target.startup_timeout), shown(probe.timeout));
    let sum = format!("startup_timeout {startup} + timeout {timeout} × {attempts} = {}", shown(longest));
    let place = probe.places.every.as_ref().unwrap_or(&probe.place);
    let message = format!(
        "a run of `{}` on `{}` can take {}, longer than the interval of {}",
        probe.name,
        target.name,
        shown(longest),
        shown(every)
    );
    let help =
        format!("{sum}; `watch` refuses this: raise `every`, or lower `startup_timeout` of the target or `timeout`");
    Some(Diag::warning(place, message).help(help))
}

/// The interval beside the timeout, where it is written somewhere else.
fn with_every(diag: Diag, probe: &ProbeDraft, place: &Place) -> Diag {
    match &probe.places.every {
        Some(every) if every.span != place.span => diag.also(every, "the interval"),
        _ => diag,
    }
}

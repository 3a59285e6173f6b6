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
    once(timed(draft).flat_map(|(probe, every, targets)| {
        let target = targets.iter().max_by_key(|target| target.startup_timeout);
        let interval = target.and_then(|target| above_interval(probe, target, every));
        above_share(probe, every).into_iter().chain(interval).collect::<Vec<_>>()
    }))
}

impl Draft {
    /// What `watch` refuses: a run that, by what the files say, can take longer than its interval. A `startup_timeout` that
    /// nobody wrote does not count, and where nobody wrote a `timeout` either, nothing is refused.
    #[must_use]
    pub fn overlong(&self) -> Vec<Diag> {
        once(timed(self).filter_map(|(probe, every, targets)| {
            let is_refused = |target: &&&TargetDraft| refused(probe, target, every);
            let target = targets.iter().filter(is_refused).max_by_key(|target| target.startup_timeout);
            let diag = target.and_then(|target| above_interval(probe, target, every));
            diag.map(|diag| Diag { severity: Severity::Error, ..diag })
        }))
    }
}

/// The probes that run at an interval, with their targets.
fn timed(draft: &Draft) -> impl Iterator<Item = (&ProbeDraft, Duration, Vec<&TargetDraft>)> {
    let by_name: BTreeMap<&str, &TargetDraft> =
        draft.targets.iter().map(|target| (target.name.as_str(), target)).collect();
    draft.probes.iter().chain(draft.built_in()).filter_map(move |probe| {
        let When::Every(every) = probe.when else { return None };
        let all = probe.targets.iter().any(|(name, _)| name == "*");
        let named = probe.targets.iter().filter_map(|(name, _)| by_name.get(name.as_str()).copied());
        let targets = if all { draft.targets.iter().collect() } else { named.collect() };
        Some((probe, every, targets))
    })
}

/// Two keys of `[defaults]` that do not fit are told once, not for every probe of the file.
fn once(diags: impl Iterator<Item = Diag>) -> Vec<Diag> {
    let mut told = BTreeSet::new();
    let is_new = |diag: &Diag| {
        let places = diag.others.iter().map(|(place, _)| place).chain(&diag.place);
        told.insert((places.map(ToString::to_string).collect::<Vec<_>>(), diag.label.clone()))
    };
    diags.filter(is_new).collect()
}

/// Whether that alone which the files say takes longer than the interval. What no file says is no mistake of its writer:
/// where a server needs all of a default, the next run is missed, and counted.
fn refused(probe: &ProbeDraft, target: &TargetDraft, every: Duration) -> bool {
    let attempts = probe.timeout.saturating_mul(probe.retries.saturating_add(1));
    match (target.startup_is_said, probe.places.timeout.is_some()) {
        (true, _) => target.startup_timeout.saturating_add(attempts) > every,
        (false, true) => attempts >= every,
        (false, false) => false,
    }
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
    let so =
        if refused(probe, target, every) { "`watch` refuses this" } else { "`watch` then leaves the next run out" };
    let help = format!("{sum}; {so}: raise `every`, or lower `startup_timeout` of the target or `timeout`");
    Some(Diag::warning(place, message).help(help))
}

/// The interval beside the timeout, where it is written somewhere else.
fn with_every(diag: Diag, probe: &ProbeDraft, place: &Place) -> Diag {
    match &probe.places.every {
        Some(every) if every.span != place.span => diag.also(every, "the interval"),
        _ => diag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::text::tests::Given;
    use crate::config::{Reading, Section, Source, tree};

    fn read(text: &str) -> Draft {
        let source = Source::new("a.toml", text, ".");
        let (table, _) = tree::parse(&source);
        let given = Given::default();
        let reading = Reading::new(&given);
        let mut draft = Draft::default();
        draft.read(&Section::new(&table, "a probe file", &Place::new(&source, 0..0), &reading));
        assert_eq!(reading.count(), 0, "{text}");
        draft
    }

    #[test]
    fn the_built_in_probe_of_a_target_is_timed_by_the_defaults_of_its_file() {
        for (defaults, is_refused) in [
            ("every = '15s'\nstartup_timeout = '60s'", true),
            ("every = '15s'\nstartup_timeout = '2s'", false),
            ("every = '15s'\ntimeout = '15s'", true),
            ("startup_timeout = '60s'", false),
        ] {
            let text = format!("[defaults]\n{defaults}\n[target.a]\nurl = 'http://127.0.0.1:1/mcp'\n");
            assert_eq!(read(&text).overlong().len(), usize::from(is_refused), "{text}");
        }
    }

    #[test]
    fn watch_refuses_what_the_file_itself_says_to_be_too_long() {
        for (target, probe, is_refused) in [
            ("", "every = '15s'\ntimeout = '5s'\nretries = 1", false),
            ("", "every = '15s'\ntimeout = '5s'\nretries = 2", true),
            ("", "every = '10s'\ntimeout = '10s'", true),
            ("", "every = '5s'", false),
            ("", "every = '5s'\nretries = 3", false),
            ("startup_timeout = '1s'", "every = '5s'", true),
            ("startup_timeout = '60s'", "every = '15s'\ntimeout = '5s'\nretries = 1", true),
            ("startup_timeout = '5s'", "every = '15s'\ntimeout = '5s'\nretries = 1", false),
            ("startup_timeout = '5001ms'", "every = '15s'\ntimeout = '5s'\nretries = 1", true),
            ("startup_timeout = '60s'", "timeout = '5s'", false),
            ("startup_timeout = '60s'", "cron = '* * * * *'", false),
        ] {
            let text = format!(
                "[target.a]\nurl = 'http://127.0.0.1:1/mcp'\n{target}\n[[probe]]\nname = 'p'\ntarget = '*'\n{probe}\n"
            );
            let diags = read(&text).overlong();
            assert_eq!(diags.len(), usize::from(is_refused), "{text}");
            assert!(diags.iter().all(|diag| diag.severity == Severity::Error && diag.help.is_some()));
        }
    }
}

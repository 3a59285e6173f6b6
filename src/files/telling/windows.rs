//! What an alert cannot do with what is there: nothing to look at, nothing to restart, a window that holds too few
//! runs. How well it does what it can is the business of `watch`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::alert::Condition;
use crate::alert::draft::AlertDraft;
use crate::base::duration::written;
use crate::config::Diag;
use crate::plan::{Draft, ProbeDraft, TargetDraft, When};

pub(super) fn advice(alerts: &[AlertDraft], draft: &Draft) -> Vec<Diag> {
    let mut advice = Vec::new();
    for alert in alerts {
        let targets: Vec<&TargetDraft> = draft.targets.iter().filter(|target| looks_at(alert, target)).collect();
        if let Some(place) = alert.labels_place.as_ref().filter(|_| targets.is_empty() && !alert.labels.is_empty()) {
            advice.push(
                Diag::warning(place, format!("no target has the labels of the alert `{}`", alert.name))
                    .help("labels are written in `[target.NAME]`, as `labels = { env = \"prod\" }`"),
            );
            continue;
        }
        if alert.notify.is_empty() && alert.restart.is_none() {
            advice.push(
                Diag::warning(&alert.place, format!("the alert `{}` tells nobody", alert.name))
                    .help("write `notify = [\"NAME\"]` for a `[notify.NAME]`"),
            );
        }
        advice.extend(restart(alert, &targets));
        let names: BTreeSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        advice.extend(never(alert, draft, &names));
    }
    advice
}

fn looks_at(alert: &AlertDraft, target: &TargetDraft) -> bool {
    let named = alert.targets.is_empty() || alert.targets.iter().any(|(name, _)| name == "*" || *name == target.name);
    named && alert.labels.iter().all(|(name, value)| target.labels.get(name) == Some(value))
}

fn restart(alert: &AlertDraft, targets: &[&TargetDraft]) -> Option<Diag> {
    let place = alert.restart.as_ref()?;
    let cannot = targets.iter().find(|target| !target.can_restart())?;
    let message = format!("the alert `{}` cannot restart `{}`", alert.name, cannot.name);
    Some(
        Diag::warning(place, message)
            .help("write `restart = [\"program\", \"argument\"]` in its target; what `watch` starts itself needs none")
            .also(&cannot.place, "a server that somebody else started"),
    )
}

/// What is wrong with its times by the probe that it looks at and that runs most rarely. It never fires at all only where
/// it does not for any other.
fn never(alert: &AlertDraft, draft: &Draft, targets: &BTreeSet<&str>) -> Option<Diag> {
    let probes: Vec<&ProbeDraft> = looked_at(alert, draft, targets).collect();
    let every = |probe: &&ProbeDraft| match probe.when {
        When::Every(every) => Some(every),
        _ => None,
    };
    let slowest = probes.iter().max_by_key(|probe| every(probe))?;
    let is_hopeless = |probe: &&ProbeDraft| every(probe).is_some_and(|every| times(alert, probe, every, "").is_some());
    let label = if probes.iter().all(is_hopeless) {
        "this alert can never fire".to_owned()
    } else {
        format!("for `{}` this alert can never fire", slowest.name)
    };
    times(alert, slowest, every(slowest)?, &label)
}

/// The probes that the alert looks at, those that are built in with them.
fn looked_at<'a>(
    alert: &AlertDraft,
    draft: &'a Draft,
    targets: &BTreeSet<&str>,
) -> impl Iterator<Item = &'a ProbeDraft> {
    draft.probes.iter().chain(draft.built_in()).filter(|probe| {
        let named = alert.probes.is_empty() || alert.probes.iter().any(|(name, _)| *name == probe.name);
        named && probe.targets.iter().any(|(name, _)| name == "*" || targets.contains(name.as_str()))
    })
}

fn times(alert: &AlertDraft, probe: &ProbeDraft, every: Duration, never: &str) -> Option<Diag> {
    let interval = written(every);
    let runs = |time: Duration| time.as_millis() / every.as_millis().max(1);
    match &alert.condition.as_ref()?.0 {
        Condition::ConsecutiveFailures { count, within } => {
            let (within, place) = ((*within)?, alert.time_place.as_ref()?);
            let needed = every.saturating_mul(u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX));
            (needed > within).then(|| {
                let message = format!("{count} failures in a row do not fit into {}", written(within));
                Diag::warning(place, message).label(never).help(format!(
                    "`{}` runs every {interval}: write at least \"{}\"",
                    probe.name,
                    written(needed)
                ))
            })
        }
        Condition::ErrorRate { window, min_samples, .. } | Condition::Latency { window, min_samples, .. } => {
            let fit = runs(*window);
            if fit == 0 {
                let message = format!("a window of {} is shorter than the interval of {interval}", written(*window));
                let help =
                    format!("`{}` runs every {interval}: a window that often holds no run says nothing", probe.name);
                return Some(Diag::warning(alert.time_place.as_ref()?, message).help(help));
            }
            let (samples, place) = ((*min_samples)?, alert.min_samples_place.as_ref()?);
            (u128::from(samples) > fit).then(|| {
                let message = format!("a window of {} holds at most {fit} runs of `{}`", written(*window), probe.name);
                Diag::warning(place, message)
                    .label(never)
                    .help(format!("`{}` runs every {interval}: lower `min_samples`, or widen `window`", probe.name))
            })
        }
        Condition::NoData { .. } | Condition::Drift | Condition::Expiry { .. } | Condition::BurnRate { .. } => None,
    }
}

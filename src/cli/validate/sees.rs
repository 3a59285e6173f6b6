//! What each alert of the files can see of the probes it looks at: for people below the inventory, for scripts as data,
//! and as warnings where it sees less than it says.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::alert::draft::AlertDraft;
use crate::alert::lint::{Insight, lint};
use crate::base::duration::{millis, written};
use crate::base::sanitize;
use crate::config::{Diag, cron};
use crate::files::Examined;
use crate::plan::{EVERY, ProbeDraft, Steps, TargetDraft, When};

/// What one alert sees of probes that are alike to it.
pub(super) struct Seen<'a> {
    alert: &'a AlertDraft,
    probes: Vec<&'a str>,
    every: Duration,
    insight: Insight,
}

/// What all alerts see. An alert that cannot be read sees nothing, and was told to be a mistake.
pub(super) fn seen(examined: &Examined) -> Vec<Seen<'_>> {
    let mut all: Vec<Seen<'_>> = Vec::new();
    for alert in &examined.telling.alerts {
        let Ok(Some(rule)) = alert.resolve() else { continue };
        let begin = all.len();
        for probe in examined.draft.probes.iter().chain(examined.draft.built_in()) {
            let targets = looked_at(alert, probe, &examined.draft.targets);
            let Some(every) = targets.first().and_then(|_| interval(probe, &targets)) else { continue };
            let steps = match &probe.steps {
                Steps::Lists => 1,
                Steps::Given(steps) => steps.len(),
            };
            let insight = lint(&rule, every, probe.timeout, steps);
            match all[begin..].iter_mut().find(|seen| seen.every == every && seen.insight == insight) {
                // The built-in probes of several targets have one name.
                Some(alike) if alike.probes.contains(&probe.name.as_str()) => {}
                Some(alike) => alike.probes.push(&probe.name),
                None => all.push(Seen { alert, probes: vec![&probe.name], every, insight }),
            }
        }
    }
    all
}

/// The targets of a probe that an alert looks at.
fn looked_at<'a>(alert: &AlertDraft, probe: &ProbeDraft, targets: &'a [TargetDraft]) -> Vec<&'a TargetDraft> {
    let is_named = |names: &[(String, _)], name: &str| names.iter().any(|(have, _)| have == "*" || have == name);
    if !alert.probes.is_empty() && !is_named(&alert.probes, &probe.name) {
        return Vec::new();
    }
    let takes = |target: &&TargetDraft| {
        is_named(&probe.targets, &target.name)
            && (alert.targets.is_empty() || is_named(&alert.targets, &target.name))
            && alert.labels.iter().all(|(name, value)| target.labels.get(name) == Some(value))
    };
    targets.iter().filter(takes).collect()
}

/// How often `watch` runs it; of a calendar, the shortest pause.
fn interval(probe: &ProbeDraft, targets: &[&TargetDraft]) -> Option<Duration> {
    match &probe.when {
        When::Every(every) => Some(*every),
        When::Default => {
            let startup = targets.iter().map(|target| target.startup_timeout).max()?;
            Some(EVERY.max(startup.saturating_add(probe.timeout.saturating_mul(probe.retries.saturating_add(1)))))
        }
        When::Cron { timezone, schedule, .. } => {
            let zone = timezone.as_deref().map_or(Ok(jiff::tz::TimeZone::UTC), jiff::tz::TimeZone::get).ok()?;
            cron::shortest_pause(schedule, &zone)
        }
    }
}

impl Seen<'_> {
    /// Where alerts see less than they say. What the advice of the files says already is not said again.
    pub(super) fn warnings(&self, advice: &[Diag]) -> Vec<Diag> {
        let alert = self.alert;
        let is_said = [&alert.time_place, &alert.min_samples_place].into_iter().flatten().any(|place| {
            let mut places = advice.iter().filter_map(|diag| diag.place.as_ref());
            places.any(|said| said.span == place.span && std::sync::Arc::ptr_eq(&said.source, &place.source))
        });
        let place = alert.condition.as_ref().map_or(&alert.place, |(_, place)| place);
        let worries = self.insight.worries.iter().filter(|_| !is_said);
        worries
            .map(|worry| {
                let message = format!("the alert `{}` on `{}`: {}", alert.name, self.named(), worry.sentence);
                Diag::warning(place, message).help(worry.help.clone())
            })
            .collect()
    }

    /// The first of the probes that are alike, and how many more there are.
    fn named(&self) -> String {
        match self.probes.as_slice() {
            [] => String::new(),
            [only] => (*only).to_owned(),
            [first, others @ ..] => format!("{first}` and {} more like `it", others.len()),
        }
    }

    fn text(&self) -> String {
        let Insight { needed, detected_within, one_blip_fires, can_fire, .. } = &self.insight;
        let mut says = vec![self.insight.sentence.clone()];
        match (can_fire, detected_within) {
            (false, _) => says.push("it can never fire".to_owned()),
            (true, Some(time)) => says.push(format!("noticed within {}", written(*time))),
            (true, None) => {}
        }
        if *one_blip_fires {
            says.push("one bad run pages somebody".to_owned());
        } else if *can_fire && needed.is_some_and(|needed| needed > 1) {
            says.push("one bad run pages nobody".to_owned());
        }
        let mut probes = self.probes.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        if let Some(more) = self.probes.len().checked_sub(4) {
            let _ = write!(probes, " and {} more", more + 1);
        }
        let head = format!("{} ({probes}, every {})", self.alert.name, written(self.every));
        format!("  {}\n    {}\n", sanitize::printable(&head), says.join("; "))
    }

    fn document(&self) -> Value {
        let safe = |text: &str| sanitize::printable(text).into_owned();
        let insight = &self.insight;
        let flaws: BTreeSet<&str> = insight.worries.iter().map(|worry| worry.flaw.name()).collect();
        json!({
            "alert": safe(&self.alert.name),
            "probes": self.probes.iter().map(|name| safe(name)).collect::<Vec<_>>(),
            "every_ms": millis(self.every),
            "samples": insight.samples,
            "bad_runs_needed": insight.needed,
            "detected_within_ms": insight.detected_within.map(millis),
            "one_blip_fires": insight.one_blip_fires,
            "can_fire": insight.can_fire,
            "flaws": flaws,
            "says": insight.sentence,
        })
    }
}

/// For people.
pub(super) fn text(seen: &[Seen<'_>]) -> String {
    if seen.is_empty() {
        return String::new();
    }
    let lines: String = seen.iter().map(Seen::text).collect();
    format!("\nWhat the alerts can see:\n{lines}")
}

/// As data.
pub(super) fn document(seen: &[Seen<'_>]) -> Value {
    seen.iter().map(Seen::document).collect()
}

//! Writes the figures out, family by family, in the order of the table.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Own;
use super::exposition::{Format, Labels, Page};
use super::family::{self, Family};
use super::fold::{Pair, State, TargetFigures};
use crate::event::{Missed, ProbeOutcome, Status};

/// Labels of the text itself: those of a target that are called like one get a prefix, as Prometheus does it.
const TAKEN: [&str; 4] = ["target", "era", "protocol_version", "transport"];

/// Everything that is known.
pub fn everything(state: &State, own: &Own, format: Format) -> String {
    let mut page = Page::new(format);
    let pairs: Vec<&Pair> = state.pairs.values().map(AsRef::as_ref).collect();
    last_runs(&mut page, &pairs, |pair| pair.labels.clone());
    past_runs(&mut page, &pairs);
    let targets = state.targets.iter().map(|(name, figures)| {
        let labels = Labels::default().with("target", name);
        (labels, figures.as_ref())
    });
    of_targets(&mut page, &targets.collect::<Vec<_>>());
    of_the_prober(&mut page, state, own);
    page.finish()
}

/// What one run found, without the labels that say of what.
pub fn one_run(state: &State, outcome: &ProbeOutcome, timeout: Duration, format: Format) -> String {
    let mut page = Page::new(format);
    let mut pairs: Vec<Pair> = state.pairs.values().map(|pair| pair.as_ref().clone()).collect();
    for last in pairs.iter_mut().filter_map(|pair| pair.last.as_mut()) {
        last.timeout = timeout;
        // A question is answered with a duration, even where nothing could be begun.
        last.duration = Some(last.duration.unwrap_or(outcome.duration));
    }
    last_runs(&mut page, &pairs.iter().collect::<Vec<_>>(), |_| Labels::default());
    for figures in state.targets.values() {
        info_of_target(&mut page, &[(Labels::default(), figures.as_ref())]);
        page.family(&family::CHILD_MEMORY);
        if let Some(bytes) = figures.resident_bytes {
            page.count(&Labels::default(), bytes);
        }
    }
    build(&mut page);
    page.finish()
}

fn last_runs(page: &mut Page, pairs: &[&Pair], labels: impl Fn(&Pair) -> Labels) {
    let each = |page: &mut Page, family: &'static Family, value: &dyn Fn(&Pair) -> Option<f64>| {
        page.family(family);
        for pair in pairs {
            if let Some(value) = value(pair) {
                page.value(&labels(pair), value);
            }
        }
    };
    each(page, &family::SUCCESS, &|pair| match pair.last.as_ref()?.status {
        Status::Healthy | Status::Degraded => Some(1.0),
        Status::Failed => Some(0.0),
        Status::Unknown | Status::Skipped => None,
    });
    each(page, &family::DURATION, &|pair| Some(pair.last.as_ref()?.duration?.as_secs_f64()));
    each(page, &family::TIMEOUT, &|pair| {
        Some(pair.last.as_ref()?.timeout).filter(|timeout| !timeout.is_zero()).map(|timeout| timeout.as_secs_f64())
    });
    each(page, &family::HTTP_STATUS, &|pair| pair.last.as_ref()?.http_status.map(f64::from));
    each(page, &family::CERTIFICATE, &|pair| pair.last.as_ref()?.certificate_ends.map(seconds));
    page.family(&family::PHASE);
    for pair in pairs {
        for (phase, took) in pair.last.iter().flat_map(|last| last.phases.iter()) {
            page.value(&labels(pair).with("phase", phase.name()), took.as_secs_f64());
        }
    }
    each(page, &family::TOKEN, &|pair| pair.last.as_ref()?.token_ends.map(seconds));
    each(page, &family::TOOLS, &|pair| pair.tools.map(|(tools, _)| float(tools)));
    each(page, &family::TOOLS_TOKENS, &|pair| pair.tools.map(|(_, tokens)| float(tokens)));
    page.family(&family::FAILURE);
    for pair in pairs {
        if let Some((last, reason)) = pair.last.as_ref().and_then(|last| Some((last, last.reason?))) {
            page.count(&labels(pair).with("status", last.status.name()).with("reason", reason.code()), 1);
        }
    }
}

fn past_runs(page: &mut Page, pairs: &[&Pair]) {
    page.family(&family::LAST_RUN);
    for pair in pairs {
        if let Some(last) = &pair.last {
            page.value(&pair.labels, seconds(last.at));
        }
    }
    page.family(&family::LAST_SUCCESS);
    for pair in pairs {
        if let Some(at) = pair.last_success {
            page.value(&pair.labels, seconds(at));
        }
    }
    page.family(&family::RUNS);
    for pair in pairs {
        for ((status, reason), count) in &pair.runs {
            page.count(&pair.labels.clone().with("status", status.name()).with("reason", reason), *count);
        }
    }
    page.family(&family::ATTEMPTS);
    for pair in pairs {
        for (status, count) in &pair.attempts {
            page.count(&pair.labels.clone().with("status", status.name()), *count);
        }
    }
    page.family(&family::REQUESTS);
    for pair in pairs {
        for ((method, outcome), count) in &pair.requests {
            page.count(&pair.labels.clone().with("method", method).with("outcome", outcome), *count);
        }
    }
    page.family(&family::OPERATION);
    for pair in pairs {
        for (operation, histogram) in &pair.operations {
            let labels = pair.labels.clone().with("mcp_method_name", &operation.method);
            let labels = labels.with("network_transport", operation.transport).with("error_type", operation.error);
            page.histogram(&labels, histogram);
        }
    }
}

fn of_targets(page: &mut Page, targets: &[(Labels, &TargetFigures)]) {
    info_of_target(page, targets);
    page.family(&family::CHILD_MEMORY);
    for (labels, figures) in targets {
        if let Some(bytes) = figures.resident_bytes {
            page.count(labels, bytes);
        }
    }
    page.family(&family::CHILD_CPU);
    for (labels, figures) in targets {
        if let Some(cpu) = figures.cpu {
            page.value(labels, cpu.as_secs_f64());
        }
    }
}

fn info_of_target(page: &mut Page, targets: &[(Labels, &TargetFigures)]) {
    page.family(&family::TARGET_INFO);
    for (labels, figures) in targets {
        let Some((era, version, transport)) = &figures.spoken else { continue };
        let labels = labels.clone().with("era", era.name()).with("protocol_version", version);
        let mut labels = labels.with("transport", transport.name());
        for (name, value) in label_names(&figures.labels) {
            labels = labels.with(&name, value);
        }
        page.count(&labels, 1);
    }
}

/// The labels of a target under names that a text may have, each once.
fn label_names(labels: &BTreeMap<String, String>) -> BTreeMap<String, &str> {
    let mut named = BTreeMap::new();
    for (name, value) in labels {
        let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        if TAKEN.contains(&name.as_str()) || name.starts_with("__") {
            name = format!("exported_{}", name.trim_start_matches('_'));
        }
        named.entry(name).or_insert(value.as_str());
    }
    named
}

fn of_the_prober(page: &mut Page, state: &State, own: &Own) {
    page.family(&family::CONNECTIONS);
    for (target, count) in &own.open_connections {
        page.count(&Labels::default().with("target", target), *count);
    }
    page.family(&family::ALERT);
    for ((alert, probe, target), firing) in &state.alerts {
        let labels = Labels::default().with("alert", alert).with("probe", probe).with("target", target);
        page.count(&labels, u64::from(*firing));
    }
    // The reasons are few and known: a count that is there from the start can be compared from the start.
    page.family(&family::MISSED);
    for reason in Missed::ALL {
        let count = state.missed.get(&reason).copied().unwrap_or(0);
        page.count(&Labels::default().with("reason", reason.name()), count);
    }
    for (family, histogram) in [(&family::LAG, &state.lag), (&family::QUEUED, &state.queued)] {
        page.family(family);
        if let Some(histogram) = histogram {
            page.histogram(&Labels::default(), histogram);
        }
    }
    let mut one = |family: &'static Family, value: Option<f64>| {
        page.family(family);
        if let Some(value) = value {
            page.value(&Labels::default(), value);
        }
    };
    one(&family::QUEUE, own.queue.map(float));
    one(&family::RUNNING, own.running.map(float));
    one(&family::LIMIT, own.limit.map(float));
    one(&family::OUTBOX, own.outbox_waiting.map(float));
    let age = own.outbox_waiting.map(|_| own.outbox_oldest.unwrap_or_default());
    one(&family::OUTBOX_AGE, age.map(|age| age.as_secs_f64()));
    one(&family::STORE, own.store_works.map(|works| f64::from(u8::from(works))));
    one(&family::CONFIG_OK, own.plan_is_current.map(|current| f64::from(u8::from(current))));
    one(&family::CONFIG_AT, own.plan_loaded_at.map(seconds));
    one(&family::OVERFLOW, Some(float(state.overflowed)));
    one(&family::STARTED, own.started_at.map(seconds));
    build(page);
}

fn build(page: &mut Page) {
    page.family(&family::BUILD);
    page.count(&Labels::default().with("version", env!("CARGO_PKG_VERSION")), 1);
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 and counts are far below 2^53")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

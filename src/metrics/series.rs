//! Makes series of what was folded, family by family, in the order of the table.

use std::sync::Arc;

use jiff::Timestamp;

use super::family::{self, Family};
use super::fold::{Pair, State};
use super::labels::Labels;
use super::snapshot::{Figures, Series, Snapshot, Value};
use super::{Own, PushFigures};
use crate::event::{Missed, Status};

/// What is shown a family.
type Show<'a> = &'a mut dyn FnMut(Figures);

/// Shows every family that has a series.
pub fn each(snapshot: &Snapshot, show: Show<'_>) {
    let show: Show<'_> = &mut |mut figures| {
        if !snapshot.is_bare {
            of_its_target(&mut figures, &snapshot.state);
        }
        show(figures);
    };
    let mut pairs: Vec<&Pair> = snapshot.state.pairs.in_order().into_iter().map(|(_, pair)| pair.as_ref()).collect();
    let bare = Pair::default();
    let labels = |pair: &Pair| if snapshot.is_bare { bare.labels.clone() } else { pair.labels.clone() };
    last_runs(show, &pairs, labels);
    if snapshot.is_bare {
        pairs.clear();
    }
    past_runs(show, &pairs);
    of_targets(show, snapshot);
    if snapshot.is_bare {
        build(show, None);
    } else {
        of_the_prober(show, &snapshot.state, &snapshot.own);
    }
}

/// The labels that a target has in its file stand behind the others of all its series.
fn of_its_target(figures: &mut Figures, state: &State) {
    if !figures.family.labels.contains(&"target") {
        return;
    }
    for series in &mut figures.series {
        let target = series.labels.get("target").and_then(|target| state.targets.get(target));
        if let Some(target) = target.filter(|target| !target.named.is_empty()) {
            series.labels = std::mem::take(&mut series.labels).and(&target.named);
        }
    }
}

/// A family, where it has a series: one that has none is not mentioned.
fn family(show: Show<'_>, family: &'static Family, series: impl Iterator<Item = Series>) {
    let series: Vec<Series> = series.collect();
    if !series.is_empty() {
        show(Figures { family, series });
    }
}

fn gauge(labels: Labels, value: f64) -> Series {
    Series { labels, value: Value::Number(value), started_at: None }
}

fn whole(labels: Labels, value: u64) -> Series {
    Series { labels, value: Value::Count(value), started_at: None }
}

impl Series {
    fn since(self, started_at: impl Into<Option<Timestamp>>) -> Self {
        Self { started_at: started_at.into(), ..self }
    }
}

fn last_runs(show: Show<'_>, pairs: &[&Pair], labels: impl Fn(&Pair) -> Labels) {
    let mut each = |of: &'static Family, value: &dyn Fn(&Pair) -> Option<f64>| {
        let series = pairs.iter().filter_map(|pair| Some(gauge(labels(pair), value(pair)?)));
        family(show, of, series);
    };
    each(&family::SUCCESS, &|pair| match pair.last.as_ref()?.status {
        Status::Healthy | Status::Degraded => Some(1.0),
        Status::Failed => Some(0.0),
        Status::Unknown | Status::Skipped => None,
    });
    each(&family::DURATION, &|pair| Some(pair.last.as_ref()?.duration?.as_secs_f64()));
    each(&family::TIMEOUT, &|pair| {
        Some(pair.last.as_ref()?.timeout).filter(|timeout| !timeout.is_zero()).map(|timeout| timeout.as_secs_f64())
    });
    each(&family::HTTP_STATUS, &|pair| pair.last.as_ref()?.http_status.map(f64::from));
    each(&family::CERTIFICATE, &|pair| pair.last.as_ref()?.certificate_ends.map(seconds));
    let phases = pairs.iter().flat_map(|pair| {
        let phases = pair.last.iter().flat_map(|last| last.phases.iter());
        phases.map(|(phase, took)| gauge(labels(pair).with("phase", phase.name()), took.as_secs_f64()))
    });
    family(show, &family::PHASE, phases);
    let mut each = |of: &'static Family, value: &dyn Fn(&Pair) -> Option<f64>| {
        let series = pairs.iter().filter_map(|pair| Some(gauge(labels(pair), value(pair)?)));
        family(show, of, series);
    };
    each(&family::TOKEN, &|pair| pair.last.as_ref()?.token_ends.map(seconds));
    each(&family::TOOLS, &|pair| pair.tools.map(|(tools, _)| float(tools)));
    each(&family::TOOLS_TOKENS, &|pair| pair.tools.map(|(_, tokens)| float(tokens)));
    let failures = pairs.iter().filter_map(|pair| {
        let (last, reason) = pair.last.as_ref().and_then(|last| Some((last, last.reason?)))?;
        Some(whole(labels(pair).with("status", last.status.name()).with("reason", reason.code()), 1))
    });
    family(show, &family::FAILURE, failures);
}

fn past_runs(show: Show<'_>, pairs: &[&Pair]) {
    let last = pairs.iter().filter_map(|pair| Some(gauge(pair.labels.clone(), seconds(pair.last_run?))));
    family(show, &family::LAST_RUN, last);
    let well = pairs.iter().filter_map(|pair| Some(gauge(pair.labels.clone(), seconds(pair.last_success?))));
    family(show, &family::LAST_SUCCESS, well);
    let runs = pairs.iter().flat_map(|pair| {
        pair.runs.iter().map(|((status, reason), count)| {
            let labels = pair.labels.clone().with("status", status.name()).with("reason", *reason);
            whole(labels, *count).since(pair.since)
        })
    });
    family(show, &family::RUNS, runs);
    let attempts = pairs.iter().flat_map(|pair| {
        pair.attempts
            .iter()
            .map(|(status, count)| whole(pair.labels.clone().with("status", status.name()), *count).since(pair.since))
    });
    family(show, &family::ATTEMPTS, attempts);
    let requests = pairs.iter().flat_map(|pair| {
        pair.requests.iter().map(|((method, outcome), count)| {
            let labels = pair.labels.clone().with("method", method).with("outcome", *outcome);
            whole(labels, *count).since(pair.since)
        })
    });
    family(show, &family::REQUESTS, requests);
    let operations = pairs.iter().flat_map(|pair| {
        pair.operations.iter().map(|(operation, histogram)| {
            let labels = pair.labels.clone().with("mcp_method_name", &operation.method);
            let labels = labels.with("network_transport", operation.transport).with("error_type", operation.error);
            Series { labels, value: Value::Histogram(Arc::clone(histogram)), started_at: pair.since }
        })
    });
    family(show, &family::OPERATION, operations);
}

fn of_targets(show: Show<'_>, snapshot: &Snapshot) {
    let in_order = snapshot.state.targets_in_order();
    let targets = || {
        in_order.iter().map(|(name, figures)| {
            let labels = Labels::default();
            (if snapshot.is_bare { labels } else { labels.with("target", *name) }, *figures)
        })
    };
    let infos = targets().filter_map(|(labels, figures)| {
        let (era, version, transport) = figures.spoken.as_ref()?;
        let labels = labels.with("era", era.name()).with("protocol_version", version);
        let labels = labels.with("transport", transport.name());
        Some(whole(if snapshot.is_bare { labels.and(&figures.named) } else { labels }, 1))
    });
    family(show, &family::TARGET_INFO, infos);
    let memory = targets().filter_map(|(labels, figures)| Some(whole(labels, figures.resident_bytes?)));
    family(show, &family::CHILD_MEMORY, memory);
    let cpu = targets()
        .filter(|_| !snapshot.is_bare)
        .filter_map(|(labels, figures)| Some(gauge(labels, figures.cpu?.as_secs_f64()).since(figures.since)));
    family(show, &family::CHILD_CPU, cpu);
}

fn of_the_prober(show: Show<'_>, state: &State, own: &Own) {
    let connections = own.open_connections.iter();
    let connections =
        connections.map(|(target, count)| whole(Labels::default().with("target", target.clone()), *count));
    family(show, &family::CONNECTIONS, connections);
    let alerts = state.alerts.iter().map(|((alert, probe, target), firing)| {
        let labels = Labels::default().with("alert", alert.clone()).with("probe", probe.clone());
        whole(labels.with("target", target.clone()), u64::from(*firing))
    });
    family(show, &family::ALERT, alerts);
    // The reasons are few and known: a count that is there from the start can be compared from the start.
    let missed = Missed::ALL.into_iter().map(|reason| {
        let count = state.missed.get(&reason).copied().unwrap_or(0);
        whole(Labels::default().with("reason", reason.name()), count).since(own.started_at)
    });
    family(show, &family::MISSED, missed);
    for (of, histogram) in [(&family::LAG, &state.lag), (&family::QUEUED, &state.queued)] {
        let series = histogram.iter().map(|histogram| Series {
            labels: Labels::default(),
            value: Value::Histogram(Arc::clone(histogram)),
            started_at: own.started_at,
        });
        family(show, of, series);
    }
    let mut one = |of: &'static Family, value: Option<f64>| {
        family(show, of, value.map(|value| gauge(Labels::default(), value)).into_iter());
    };
    one(&family::QUEUE, own.queue.map(float));
    one(&family::RUNNING, own.running.map(float));
    one(&family::LIMIT, own.limit.map(float));
    one(&family::OUTBOX, own.outbox_waiting.map(float));
    let age = own.outbox_waiting.map(|_| own.outbox_oldest.unwrap_or_default());
    one(&family::OUTBOX_AGE, age.map(|age| age.as_secs_f64()));
    let channels = own.channels_failing.iter();
    let channels =
        channels.map(|(name, fails)| whole(Labels::default().with("channel", name.clone()), u64::from(*fails)));
    family(show, &family::CHANNEL, channels);
    of_pushes(show, own);
    let mut one = |of: &'static Family, value: Option<f64>| {
        family(show, of, value.map(|value| gauge(Labels::default(), value)).into_iter());
    };
    one(&family::STORE, own.store_works.map(|works| f64::from(u8::from(works))));
    one(&family::CONFIG_OK, own.plan_is_current.map(|current| f64::from(u8::from(current))));
    one(&family::CONFIG_AT, own.plan_loaded_at.map(seconds));
    let overflowed = gauge(Labels::default(), float(state.overflowed)).since(own.started_at);
    family(show, &family::OVERFLOW, std::iter::once(overflowed));
    let mut one = |of: &'static Family, value: Option<f64>| {
        family(show, of, value.map(|value| gauge(Labels::default(), value)).into_iter());
    };
    one(&family::STARTED, own.started_at.map(seconds));
    build(show, own.shard.as_deref());
}

fn of_pushes(show: Show<'_>, own: &Own) {
    let labels = |push: &PushFigures| Labels::default().with("push", push.name.clone());
    let counted = |labels, count| whole(labels, count).since(own.started_at);
    family(show, &family::PUSH_SENT, own.pushes.iter().map(|push| counted(labels(push), push.sent)));
    family(show, &family::PUSH_FAILED, own.pushes.iter().map(|push| counted(labels(push), push.failed)));
    let lost = own.pushes.iter().flat_map(|push| {
        let lost = push.lost.iter();
        lost.map(move |(loss, count)| counted(labels(push).with("reason", loss.name()), *count))
    });
    family(show, &family::PUSH_DROPPED, lost);
    let success = own.pushes.iter().filter_map(|push| Some(gauge(labels(push), seconds(push.last_success?))));
    family(show, &family::PUSH_SUCCESS, success);
    family(show, &family::PUSH_WAITING, own.pushes.iter().map(|push| whole(labels(push), push.waiting)));
}

fn build(show: Show<'_>, shard: Option<&str>) {
    let labels = Labels::default().with("version", env!("CARGO_PKG_VERSION"));
    let series = whole(shard.map_or(labels.clone(), |shard| labels.with("shard", shard.to_owned())), 1);
    family(show, &family::BUILD, std::iter::once(series));
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 and counts are far below 2^53")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

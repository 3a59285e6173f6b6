//! Figures as metrics of OpenTelemetry: cumulative, with the time since when they are counted.
//!
//! Names: `mcp_client_operation_duration_seconds` is `mcp.client.operation.duration` of the conventions for MCP. Of every
//! other family the unit leaves the name for the field that is there for it, and its prefix becomes a name space; who
//! translates that to Prometheus by the rules gets the name of `/metrics` back.

use jiff::Timestamp;

use super::proto::{
    Any, CUMULATIVE, Data, Example, Gauge, Histogram, HistogramPoint, KeyValue, Metric, MetricsRequest, Number,
    NumberPoint, Resource, ResourceMetrics, ScopeMetrics, Sum,
};
use super::resource::{attribute, scope, text};
use crate::metrics::family::{self, Family, Kind};
use crate::metrics::histogram;
use crate::metrics::labels::Labels;
use crate::metrics::snapshot::{Exemplar, Figures, Series, Snapshot, Value};

/// Points of one request: receivers take 4 MiB at once.
const POINTS_MAX: usize = 4_000;

/// Nanoseconds since 1970.
pub(super) fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0)
}

/// A snapshot as requests, none of them too big.
pub(super) fn requests(snapshot: &Snapshot, resource: &Resource) -> Vec<MetricsRequest> {
    let mut requests = Vec::new();
    let (mut metrics, mut room) = (Vec::new(), POINTS_MAX);
    snapshot.each(|Figures { family, series }| {
        let mut series = &series[..];
        while !series.is_empty() {
            let (now, later) = series.split_at(series.len().min(room));
            metrics.push(metric(family, now, snapshot.at));
            room -= now.len();
            series = later;
            if room == 0 {
                requests.push(request(std::mem::take(&mut metrics), resource));
                room = POINTS_MAX;
            }
        }
    });
    if !metrics.is_empty() {
        requests.push(request(metrics, resource));
    }
    requests
}

fn request(metrics: Vec<Metric>, resource: &Resource) -> MetricsRequest {
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics }];
    MetricsRequest { resource_metrics: vec![ResourceMetrics { resource: Some(resource.clone()), scope_metrics }] }
}

fn metric(family: &Family, series: &[Series], at: Timestamp) -> Metric {
    let (name, unit) = named(family);
    let data = match family.kind {
        Kind::Gauge | Kind::Info => {
            Data::Gauge(Gauge { points: series.iter().map(|series| number(family, series, at)).collect() })
        }
        Kind::Counter => Data::Sum(Sum {
            points: series.iter().map(|series| number(family, series, at)).collect(),
            temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        Kind::Histogram => {
            let points = series.iter().filter_map(|series| buckets(family, series, at)).collect();
            Data::Histogram(Histogram { points, temporality: CUMULATIVE })
        }
    };
    Metric { name, description: family.help.to_owned(), unit: unit.to_owned(), data: Some(data) }
}

/// The name and the unit (UCUM).
pub(super) fn named(family: &Family) -> (String, &'static str) {
    if family.name == family::OPERATION.name {
        return ("mcp.client.operation.duration".to_owned(), "s");
    }
    let name = family.name.strip_suffix("_total").unwrap_or(family.name);
    let (name, unit) = [("_seconds", "s"), ("_bytes", "By")]
        .iter()
        .find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, *unit)))
        .unwrap_or((name, ""));
    let spaced = ["mcp_probe", "probe", "process"]
        .iter()
        .find_map(|space| Some(format!("{space}.{}", name.strip_prefix(space)?.strip_prefix('_')?)));
    (spaced.unwrap_or_else(|| name.to_owned()), unit)
}

fn attributes(family: &Family, labels: &Labels) -> Vec<KeyValue> {
    let is_operation = family.name == family::OPERATION.name;
    let key = |name: &str| match name {
        "mcp_method_name" if is_operation => "mcp.method.name".to_owned(),
        "network_transport" if is_operation => "network.transport".to_owned(),
        "error_type" if is_operation => "error.type".to_owned(),
        other => other.to_owned(),
    };
    // What is empty is not said.
    labels.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| text(key(name), value)).collect()
}

fn started(series: &Series) -> u64 {
    series.started_at.map_or(0, nanos)
}

fn number(family: &Family, series: &Series, at: Timestamp) -> NumberPoint {
    let value = match &series.value {
        Value::Number(number) => Number::Double(*number),
        Value::Count(count) => Number::Integer(i64::try_from(*count).unwrap_or(i64::MAX)),
        Value::Histogram(histogram) => Number::Double(histogram.sum()),
    };
    NumberPoint {
        start: if family.kind == Kind::Counter { started(series) } else { 0 },
        time: nanos(at),
        attributes: attributes(family, &series.labels),
        value: Some(value),
    }
}

fn buckets(family: &Family, series: &Series, at: Timestamp) -> Option<HistogramPoint> {
    let Value::Histogram(histogram) = &series.value else { return None };
    let (mut counts, mut bounds, mut exemplars, mut before) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for histogram::Bucket { bound, count, exemplar } in histogram.buckets() {
        // Theirs hold what no smaller bucket holds.
        counts.push(count - before);
        before = count;
        if bound.is_finite() {
            bounds.push(bound);
        }
        exemplars.extend(exemplar.map(example));
    }
    Some(HistogramPoint {
        start: started(series),
        time: nanos(at),
        count: histogram.count(),
        sum: Some(histogram.sum()),
        counts,
        bounds,
        exemplars,
        attributes: attributes(family, &series.labels),
    })
}

fn example(exemplar: &Exemplar) -> Example {
    Example {
        time: nanos(exemplar.at),
        value: Some(exemplar.value),
        span_id: Vec::new(),
        trace_id: hex(&exemplar.trace_id),
    }
}

/// The bytes of hexadecimal digits; none where they are no digits.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    bytes.unwrap_or_default()
}

/// A whole number as an attribute.
pub(super) fn whole(key: &'static str, value: impl TryInto<i64>) -> KeyValue {
    attribute(key, Any::Integer(value.try_into().unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::FAMILIES;

    /// As the specification of OpenTelemetry translates to Prometheus.
    fn translated(family: &Family) -> String {
        let (name, unit) = named(family);
        let mut name: String = name.chars().map(|c| if c == '.' { '_' } else { c }).collect();
        match unit {
            "s" => name.push_str("_seconds"),
            "By" => name.push_str("_bytes"),
            _ => {}
        }
        if family.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }

    #[test]
    fn every_name_comes_back_as_it_is_on_the_page() {
        for family in FAMILIES {
            assert_eq!(translated(family), family.name);
        }
        assert_eq!(named(&family::OPERATION), ("mcp.client.operation.duration".into(), "s"));
        assert_eq!(named(&family::CHILD_CPU), ("mcp_probe.child_cpu".into(), "s"));
        assert_eq!(named(&family::SUCCESS), ("probe.success".into(), ""));
    }

    #[test]
    fn digits_are_bytes() {
        assert_eq!(hex("00ff10"), [0, 255, 16]);
        assert!(hex("zz").is_empty() && hex("").is_empty());
    }
}

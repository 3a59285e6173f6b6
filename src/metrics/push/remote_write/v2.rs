//! `io.prometheus.write.v2.Request` of remote write 2.0: every text stands once, in a table. Source: Prometheus Remote-Write
//! 2.0 specification, release candidate 4.

use std::collections::HashMap;

use jiff::Timestamp;
use prost::Message;

use super::flat::labels;
use super::v1::Plain;
use super::{Samples, TimeSeries};
use crate::metrics::family::{Family, Kind};

/// What a request says it is.
pub(super) const CONTENT_TYPE: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
/// Likewise.
pub(super) const VERSION: &str = "2.0.0";
/// What only a receiver answers with that has understood the message.
pub(super) const WRITTEN: &str = "x-prometheus-remote-write-samples-written";

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<Example>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
    #[prost(int64, tag = "3")]
    start_timestamp: i64,
}

/// `Exemplar`.
#[derive(Clone, PartialEq, Message)]
struct Example {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help_ref: u32,
    #[prost(uint32, tag = "4")]
    unit_ref: u32,
}

/// Texts by their numbers; the first is empty.
struct Symbols {
    all: Vec<String>,
    known: HashMap<String, u32>,
}

impl Symbols {
    fn new() -> Self {
        Self { all: vec![String::new()], known: HashMap::from([(String::new(), 0)]) }
    }

    fn of(&mut self, text: &str) -> u32 {
        if let Some(number) = self.known.get(text) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(0);
        self.all.push(text.to_owned());
        self.known.insert(text.to_owned(), number);
        number
    }
}

/// These series as a message.
pub(super) fn encode(series: &[TimeSeries]) -> Vec<u8> {
    let mut symbols = Symbols::new();
    let series = series.iter().map(|series| one(series, &mut symbols)).collect();
    Request { symbols: symbols.all, series }.encode_to_vec()
}

/// The series of a message, as the first form has them: without types, helps, starts and exemplars. None of what is no
/// message of ours.
pub(super) fn decode(message: &[u8]) -> Option<Vec<Plain>> {
    let Request { symbols, series } = Request::decode(message).ok()?;
    let text = |number: u32| symbols.get(usize::try_from(number).ok()?).cloned();
    let one = |series: Series| {
        let labels = series.labels_refs.chunks(2).map(|pair| match pair {
            [name, value] => Some((text(*name)?, text(*value)?)),
            _ => None,
        });
        let samples = series.samples.iter().map(|sample| (sample.value, sample.timestamp)).collect();
        Some(Plain { labels: labels.collect::<Option<_>>()?, samples })
    };
    series.into_iter().map(one).collect()
}

fn one(series: &TimeSeries, symbols: &mut Symbols) -> Series {
    let start_timestamp = series.started_at.map_or(0, Timestamp::as_millisecond);
    let example = series.exemplar.as_ref().map(|exemplar| Example {
        labels_refs: vec![symbols.of("trace_id"), symbols.of(&exemplar.trace_id)],
        value: exemplar.value,
        timestamp: exemplar.at.as_millisecond(),
    });
    Series {
        labels_refs: labels(&series.key).flat_map(|(name, value)| [symbols.of(name), symbols.of(value)]).collect(),
        samples: Samples::iter(&series.samples)
            .map(|(value, timestamp)| Sample { value, timestamp, start_timestamp })
            .collect(),
        exemplars: example.into_iter().collect(),
        metadata: series.family.map(|family| metadata(family, symbols)),
    }
}

fn metadata(family: &Family, symbols: &mut Symbols) -> Metadata {
    let name = family.name.strip_suffix("_total").unwrap_or(family.name);
    let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or_default();
    Metadata {
        kind: match family.kind {
            Kind::Counter => 1,
            Kind::Gauge => 2,
            Kind::Histogram => 3,
            Kind::Info => 6,
        },
        help_ref: symbols.of(family.help),
        unit_ref: symbols.of(unit),
    }
}

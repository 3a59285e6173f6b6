//! `prometheus.WriteRequest` of remote write 1.0. Source: Prometheus Remote-Write 1.0 specification.

use prost::Message;

use super::flat::labels;
use super::{Samples, TimeSeries};

/// What a request says it is.
pub(super) const CONTENT_TYPE: &str = "application/x-protobuf";
/// Likewise.
pub(super) const VERSION: &str = "0.1.0";

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// These series as a message.
pub(super) fn encode(series: &[TimeSeries]) -> Vec<u8> {
    let sample = |(value, timestamp)| Sample { value, timestamp };
    let one = |series: &TimeSeries| Series {
        labels: labels(&series.key)
            .map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() })
            .collect(),
        samples: Samples::iter(&series.samples).map(sample).collect(),
    };
    WriteRequest { series: series.iter().map(one).collect() }.encode_to_vec()
}

/// A series with texts and samples as they are, which may come from the other form.
pub(super) struct Plain {
    /// Name and value of each, in their order.
    pub(super) labels: Vec<(String, String)>,
    /// Value and milliseconds since 1970.
    pub(super) samples: Vec<(f64, i64)>,
}

/// These series as a message.
pub(super) fn encode_plain(series: Vec<Plain>) -> Vec<u8> {
    let one = |Plain { labels, samples }: Plain| Series {
        labels: labels.into_iter().map(|(name, value)| Label { name, value }).collect(),
        samples: samples.into_iter().map(|(value, timestamp)| Sample { value, timestamp }).collect(),
    };
    WriteRequest { series: series.into_iter().map(one).collect() }.encode_to_vec()
}

//! `kind = "otlp"`: figures, traces and logs to a collector of OpenTelemetry, as protobuf over HTTP or gRPC. Each point says
//! when it was, so that what waits while the collector is away fills the gap afterwards.
//! Source: OTLP 1.x, and the specification of its exporter for the variables.

mod ears;
mod environment;
mod line;
mod points;
mod proto;
mod records;
mod resource;
mod spans;

use std::sync::Arc;

use prost::Message as _;

use super::{Ear, Encoder, Keeping, Next, Occasion, Row};
use crate::base::secret::{Masker, Secret};
use crate::config::Environment;
use crate::config::receiver::{AUTH, Filled, HEADERS, Kind, Settings, Shape, TIMEOUT, URL_WHAT, may};
use crate::deliver::{Letter, Payload, Receipt};
use crate::metrics::Snapshot;
use ears::{Heard, Listener};
use line::{Line, Signal};
use proto::Resource;

/// The word of `kind`.
pub(super) const NAME: &str = "otlp";

/// The row of the table.
pub(super) const ROW: Row = Row {
    kind: Kind {
        name: NAME,
        slots: &[
            may("url", Shape::Url, URL_WHAT),
            may("protocol", Shape::Text, "`http/protobuf` or `grpc`."),
            may("signals", Shape::Texts, "What is sent: `metrics`, `traces`, `logs`; the first two without it."),
            HEADERS,
            AUTH,
            may("compression", Shape::Text, "`gzip` or `none`."),
            may("tls", Shape::Tls, "Certificates for this receiver."),
            may("payloads", Shape::Switch, "Whether the logs hold the messages themselves, secrets masked."),
            TIMEOUT,
        ],
    },
    compile,
};

/// Requests of spans or records that one encoding makes: what is left waits for the next one, where there will be one.
const BATCHES_MAX: usize = 16;

struct Otlp {
    lines: Vec<Line>,
    resource: Resource,
    payloads: bool,
    heard: Arc<Heard>,
    /// What collectors did not take.
    refused: u64,
}

/// Variables whose values are secrets of a push of this kind.
pub(super) fn secret_variables() -> impl Iterator<Item = String> {
    environment::secret_variables()
}

/// Adds what the environment says.
pub(super) fn complete(settings: &mut Settings, environment: &dyn Environment, secrets: &mut Vec<String>) {
    let read = environment::read(environment, settings.text("url").is_none(), secrets);
    settings.0.insert(environment::KEY, Filled::Table(read));
}

fn compile(settings: &Settings) -> Result<Box<dyn Encoder>, String> {
    let variables = settings.table(environment::KEY);
    let is_off = variables
        .iter()
        .any(|(name, value)| name == "OTEL_SDK_DISABLED" && value.reveal().trim().eq_ignore_ascii_case("true"));
    let mut lines = Vec::new();
    for signal in signals(settings.texts("signals"))? {
        let line = match settings.text("url") {
            Some(url) => Line::of_file(signal, settings, url)?,
            None => Line::of_environment(signal, settings)?,
        };
        lines.push(line);
    }
    Ok(Box::new(Otlp {
        lines: if is_off { Vec::new() } else { lines },
        resource: resource::resource(variables),
        payloads: settings.switch("payloads").unwrap_or_default(),
        heard: Arc::default(),
        refused: 0,
    }))
}

fn signals(words: &[Secret]) -> Result<Vec<Signal>, String> {
    if words.is_empty() {
        return Ok(vec![Signal::Metrics, Signal::Traces]);
    }
    let mut signals = Vec::new();
    for word in words {
        let known = Signal::ALL.into_iter().find(|signal| signal.name() == word.reveal());
        let signal = known.ok_or_else(|| "`signals`: expected \"metrics\", \"traces\" or \"logs\"".to_owned())?;
        if !signals.contains(&signal) {
            signals.push(signal);
        }
    }
    Ok(signals)
}

impl Otlp {
    fn line(&self, signal: Signal) -> Option<&Line> {
        self.lines.iter().find(|line| line.signal == signal)
    }
}

impl Encoder for Otlp {
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<Payload> {
        let mut payloads = Vec::new();
        // Nobody pushes after the run of `check`; what was heard is bounded.
        let most = if occasion == Occasion::Run { usize::MAX } else { BATCHES_MAX };
        if let Some(line) = self.line(Signal::Traces) {
            let batches = std::iter::from_fn(|| self.heard.spans().batch()).take(most);
            let requests = batches.map(|spans| spans::request(spans, &self.resource));
            payloads.extend(requests.map(|request| line.payload(request.encode_to_vec())));
        }
        if let Some(line) = self.line(Signal::Logs) {
            let batches = std::iter::from_fn(|| self.heard.records().batch()).take(most);
            let requests = batches.map(|records| records::request(records, &self.resource));
            payloads.extend(requests.map(|request| line.payload(request.encode_to_vec())));
        }
        if let Some(line) = self.line(Signal::Metrics) {
            let requests = points::requests(snapshot, &self.resource);
            payloads.extend(requests.iter().map(|request| line.payload(request.encode_to_vec())));
        }
        payloads
    }

    fn heard(&mut self, receipt: &Receipt) -> Next {
        // What was not taken is not sent again.
        if let Receipt::Partly { rejected, .. } = receipt {
            self.refused += rejected;
        }
        Next::AsReceived
    }

    fn keeping(&self) -> Keeping {
        Keeping::InOrder
    }

    fn letters(&self) -> Vec<Letter> {
        let letter = |line: &Line| Letter { name: line.signal.name(), payload: line.payload(Vec::new()) };
        self.lines.iter().map(letter).collect()
    }

    fn ear(&self, masker: &Masker) -> Option<Ear> {
        let (spans, records) = (self.line(Signal::Traces).is_some(), self.line(Signal::Logs).is_some());
        let listener = Listener {
            heard: Arc::clone(&self.heard),
            masker: masker.clone(),
            spans,
            records,
            payloads: self.payloads,
        };
        (spans || records).then(|| Ear { consumer: Box::new(listener), wire: records, traces: spans })
    }

    fn dropped(&self) -> u64 {
        self.refused + self.heard.dropped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::push::tests::{filled, outcome_snapshot};

    #[test]
    fn after_a_run_nothing_waits_for_another_push() {
        let settings = filled(&[("url", "http://127.0.0.1:1")]);
        let heard: Arc<Heard> = Arc::default();
        let lines = vec![Line::of_file(Signal::Traces, &settings, settings.text("url").unwrap()).unwrap()];
        let resource = resource::resource(&[]);
        let mut otlp = Otlp { lines, resource, payloads: false, heard: Arc::clone(&heard), refused: 0 };
        let snapshot = outcome_snapshot("smoke", "weather");
        for (occasion, left) in [(Occasion::Interval, true), (Occasion::Run, false)] {
            for _ in 0..10_000 {
                heard.spans().push(proto::Span::default());
            }
            assert!(!otlp.encode(&snapshot, occasion).is_empty());
            assert_eq!(heard.spans().batch().is_some(), left, "{occasion:?}");
        }
    }
}

//! `kind = "hub"`: to a central monitoring hub, one request per target with its name there and six figures. What is not
//! known is left out, never sent as zero.

use serde::Serialize;

use super::{Encoder, Keeping, Occasion, Row, TIMEOUT_USUAL};
use crate::base::secret::Secret;
use crate::config::receiver::{AUTH, Kind, Settings, TIMEOUT, URL, parsed_url};
use crate::deliver::{Accept, HttpPayload, Letter, Payload, Retry};
use crate::metrics::Snapshot;
use crate::metrics::snapshot::Standing;

/// The row of the table.
pub(super) const ROW: Row = Row { kind: Kind { name: "hub", slots: &[URL, AUTH, TIMEOUT] }, compile };

/// Where a hub takes figures, unless its address says otherwise.
const PATH: &str = "/api/v1/metrics";

struct Hub {
    letter: HttpPayload,
}

#[derive(Serialize)]
struct Document<'a> {
    server_id: &'a str,
    timestamp: String,
    metrics: Metrics,
}

#[derive(Debug, PartialEq, Serialize)]
struct Metrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_p95_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_tools: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
}

fn compile(settings: &Settings) -> Result<Box<dyn Encoder>, String> {
    let mut url = parsed_url(settings.needed("url")?, "url")?;
    if url.path() == "/" {
        url.set_path(PATH);
    }
    let letter = HttpPayload {
        method: "POST",
        url: Secret::new(url.as_str()),
        headers: settings.headers(&[("Content-Type", "application/json")])?,
        body: Vec::new(),
        accept: Accept::Status,
        retry: Retry::Usual,
        tls: None,
        timeout: settings.timeout(TIMEOUT_USUAL),
    };
    Ok(Box::new(Hub { letter }))
}

impl Encoder for Hub {
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<Payload> {
        let timestamp = snapshot.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let bodies = snapshot.standings().filter_map(|standing| {
            let metrics = Metrics::of(&standing, occasion);
            let document = Document { server_id: standing.server_id, timestamp: timestamp.clone(), metrics };
            serde_json::to_vec(&document).ok()
        });
        bodies.map(|body| Payload::Http(HttpPayload { body, ..self.letter.clone() })).collect()
    }

    fn keeping(&self) -> Keeping {
        Keeping::InOrder
    }

    fn letters(&self) -> Vec<Letter> {
        Letter::only(self.letter.clone())
    }

    fn goes_on(&self) -> bool {
        true
    }
}

impl Metrics {
    /// Counts of one run are no counts kept over restarts: `check` has no memory, and leaves them out.
    fn of(standing: &Standing<'_>, occasion: Occasion) -> Self {
        let counts = Some(standing.counts).filter(|_| occasion != Occasion::Run);
        Self {
            requests_total: counts.map(|counts| counts.requests),
            errors_total: counts.map(|counts| counts.errors),
            // Whole milliseconds and MiB, rounded up: what is there is not nothing.
            latency_p95_ms: standing.p95.map(|p95| u64::try_from(p95.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)),
            active_tools: standing.tools,
            memory_mb: standing.resident_bytes.map(|bytes| bytes.div_ceil(1024 * 1024)),
            uptime_seconds: standing.up.map(|up| up.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Counts;
    use crate::metrics::push::tests::{filled, outcome_snapshot, text};

    fn standing() -> Standing<'static> {
        Standing {
            target: "weather",
            server_id: "mcp-prod-us-east-1",
            counts: Counts { requests: 45_203, errors: 23 },
            p95: Some(Duration::from_micros(1_839_400)),
            tools: Some(8),
            resident_bytes: Some(256 * 1024 * 1024),
            up: Some(Duration::from_secs(864_000)),
        }
    }

    #[test]
    fn the_body_is_the_documented_one() {
        let document = Document {
            server_id: "mcp-prod-us-east-1",
            timestamp: "2024-01-15T09:32:45Z".to_owned(),
            metrics: Metrics::of(&standing(), Occasion::Interval),
        };
        let expected = r#"{"server_id":"mcp-prod-us-east-1","timestamp":"2024-01-15T09:32:45Z","metrics":{"requests_total":45203,"errors_total":23,"latency_p95_ms":1840,"active_tools":8,"memory_mb":256,"uptime_seconds":864000}}"#;
        assert_eq!(serde_json::to_string(&document).unwrap(), expected);
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let mut hub = compile(&filled(&[("url", "http://hub.example")])).unwrap();
        let snapshot = outcome_snapshot("smoke", "weather");
        let Payload::Http(request) = hub.encode(&snapshot, Occasion::Run).remove(0) else { panic!() };
        assert_eq!(request.url.reveal(), "http://hub.example/api/v1/metrics");
        assert_eq!(
            String::from_utf8(request.body).unwrap(),
            r#"{"server_id":"weather","timestamp":"2026-01-15T09:33:20Z","metrics":{"latency_p95_ms":42,"active_tools":1}}"#
        );
        let said = text(hub.encode(&snapshot, Occasion::Interval));
        assert!(said.contains(r#""metrics":{"requests_total":1,"errors_total":0,"latency"#), "{said}");
        let elsewhere = compile(&filled(&[("url", "http://hub.example/take")])).unwrap();
        let Payload::Http(letter) = &elsewhere.letters()[0].payload else { panic!("no letter") };
        assert_eq!(letter.url.reveal(), "http://hub.example/take");
    }
}

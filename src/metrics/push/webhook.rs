//! `kind = "webhook"`: a request with the figures as JSON, or with a body of the user's own making.

use serde_json::{Map, Value, json};

use super::{Encoder, Keeping, Occasion, Row, TIMEOUT_USUAL};
use crate::base::duration::millis;
use crate::config::body::Body;
use crate::config::receiver::{AUTH, BODY, HEADERS, Kind, Settings, TIMEOUT, URL, parsed_url};
use crate::deliver::{Accept, HttpPayload, Letter, Payload, Retry};
use crate::metrics::Snapshot;
use crate::metrics::snapshot::{Series, Standing, Value as Figure};

/// The row of the table.
pub(super) const ROW: Row =
    Row { kind: Kind { name: "webhook", slots: &[URL, HEADERS, AUTH, BODY, TIMEOUT] }, compile };

/// The schema id of the document.
const SCHEMA: &str = "mcp-probe/push/1";
/// Bytes of a body: that of some ten thousand targets.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

struct Webhook {
    letter: HttpPayload,
    template: Option<Body>,
    trouble: Option<String>,
}

fn compile(settings: &Settings) -> Result<Box<dyn Encoder>, String> {
    let url = settings.needed("url")?;
    parsed_url(url, "url")?;
    let template = settings.text("body").map(|text| Body::compile(text.reveal(), [sample()])).transpose()?;
    let letter = HttpPayload {
        method: "POST",
        url: url.clone(),
        headers: settings.headers(&[("Content-Type", "application/json")])?,
        body: Vec::new(),
        accept: Accept::Status,
        retry: Retry::Usual,
        tls: None,
        timeout: settings.timeout(TIMEOUT_USUAL),
    };
    let template = template.map(|template| template.up_to(BODY_BYTES_MAX));
    Ok(Box::new(Webhook { letter, template, trouble: None }))
}

impl Encoder for Webhook {
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<Payload> {
        // Templates are about targets: before the first run there is nothing to fill in.
        if self.template.is_some() && snapshot.standings().next().is_none() {
            return Vec::new();
        }
        let document = document(snapshot, occasion);
        let body = match &self.template {
            None => Ok(document.to_string()),
            Some(template) => template.fill(&document),
        };
        match body {
            Ok(body) => vec![Payload::Http(HttpPayload { body: body.into_bytes(), ..self.letter.clone() })],
            Err(why) => {
                self.trouble = Some(why);
                Vec::new()
            }
        }
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

    fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }
}

/// Everything that can be told.
fn document(snapshot: &Snapshot, occasion: Occasion) -> Value {
    let mut metrics = Vec::new();
    snapshot.each(|figures| {
        let series: Vec<Value> = figures.series.iter().map(series).collect();
        metrics.push(json!({
            "name": figures.family.name,
            "kind": figures.family.kind.name(),
            "help": figures.family.help,
            "series": series,
        }));
    });
    json!({
        "schema": SCHEMA,
        "at": snapshot.at.to_string(),
        "occasion": occasion.name(),
        "version": env!("CARGO_PKG_VERSION"),
        "targets": snapshot.standings().map(|standing| target(&standing)).collect::<Vec<_>>(),
        "metrics": metrics,
    })
}

fn series(series: &Series) -> Value {
    let labels: Map<String, Value> =
        series.labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    match &series.value {
        Figure::Number(value) => json!({ "labels": labels, "value": value }),
        Figure::Count(count) => json!({ "labels": labels, "value": count }),
        Figure::Histogram(histogram) => {
            let buckets = histogram.buckets().filter(|bucket| bucket.bound.is_finite());
            let buckets: Vec<Value> =
                buckets.map(|bucket| json!({ "le": bucket.bound, "count": bucket.count })).collect();
            json!({ "labels": labels, "count": histogram.count(), "sum": histogram.sum(), "buckets": buckets })
        }
    }
}

/// What is unknown is null here, so that a template can ask for it.
fn target(standing: &Standing<'_>) -> Value {
    json!({
        "target": standing.target,
        "server_id": standing.server_id,
        "requests": standing.counts.requests,
        "errors": standing.counts.errors,
        "latency_p95_ms": standing.p95.map(millis),
        "tools": standing.tools,
        "resident_bytes": standing.resident_bytes,
        "up_seconds": standing.up.map(|up| up.as_secs()),
    })
}

/// One with a target of which little is known.
fn sample() -> Value {
    let standing = Standing {
        target: "weather",
        server_id: "weather",
        counts: crate::metrics::Counts::default(),
        p95: None,
        tools: None,
        resident_bytes: None,
        up: None,
    };
    let empty = Snapshot::of_runs(&[], jiff::Timestamp::UNIX_EPOCH);
    let mut full = document(&empty, Occasion::Interval);
    full["targets"] = json!([target(&standing)]);
    full
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::push::tests::{filled, outcome_snapshot, text};

    #[test]
    fn the_document_has_everything_and_templates_choose() {
        let snapshot = outcome_snapshot("smoke\"}", "weather");
        let mut plain = compile(&filled(&[("url", "http://h/hook")])).unwrap();
        let said: Value = serde_json::from_str(&text(plain.encode(&snapshot, Occasion::Last))).unwrap();
        assert_eq!((&said["schema"], &said["occasion"]), (&json!(SCHEMA), &json!("last")));
        assert_eq!(said["targets"][0]["requests"], 1);
        let success = said["metrics"].as_array().unwrap().iter().find(|family| family["name"] == "probe_success");
        assert_eq!(success.unwrap()["series"][0]["labels"]["probe"], "smoke\"}");
        let body = "{% for t in targets %}{{ t.target | tojson }}={{ t.requests }}{% endfor %}";
        let mut own = compile(&filled(&[("url", "http://h/hook"), ("body", body)])).unwrap();
        assert_eq!(text(own.encode(&snapshot, Occasion::Run)), "\"weather\"=1");
        assert_eq!(own.trouble(), None);
        assert!(own.goes_on(), "percentiles and counts over restarts are kept for it");
        let told = compile(&filled(&[("url", "http://h/hook"), ("body", "{{ nothing }}")])).map(drop).unwrap_err();
        assert!(told.contains("undefined value in line 1"), "{told}");
        let body = "{{ metrics[1000].name }}{% if targets %}{% endif %}";
        let told = compile(&filled(&[("url", "http://h/hook"), ("body", body)])).map(drop).unwrap_err();
        assert!(told.contains("undefined"), "{told}");
    }
}

//! `kind = "influx"`: line protocol, as `InfluxDB` 1 (`/write?db=…`) and 2 (`/api/v2/write?org=…&bucket=…`), `VictoriaMetrics` and
//! Telegraf take it. The name of the metric is the measurement, labels are tags, the figure is the field `value`.

use super::{Encoder, Keeping, Occasion, Row, TIMEOUT_USUAL, fits};
use crate::base::secret::Secret;
use crate::config::receiver::{AUTH, HEADERS, Kind, LABELS, Settings, TIMEOUT, URL, parsed_url};
use crate::deliver::{Accept, HttpPayload, Letter, Payload, Retry};
use crate::metrics::Snapshot;
use crate::metrics::histogram::Histogram;
use crate::metrics::snapshot::{Series, Value};

/// The row of the table.
pub(super) const ROW: Row =
    Row { kind: Kind { name: "influx", slots: &[URL, HEADERS, AUTH, LABELS, TIMEOUT] }, compile };

/// Bytes of one request, about: databases take some megabytes.
const BODY_BYTES: usize = 1024 * 1024;

struct Influx {
    letter: HttpPayload,
    /// Tags of everything.
    tags: String,
}

fn compile(settings: &Settings) -> Result<Box<dyn Encoder>, String> {
    let url = parsed_url(settings.needed("url")?, "url")?;
    if url.path() == "/" {
        return Err("`url` names no way to write: such as \"http://host:8086/write?db=metrics\" for InfluxDB 1, or \
                    \"http://host:8086/api/v2/write?org=o&bucket=b\" for 2"
            .to_owned());
    }
    if url.query_pairs().any(|(name, value)| name == "precision" && value != "ns" && value != "n") {
        return Err("`url` asks for another `precision` than nanoseconds, in which times are written".to_owned());
    }
    let mut tags = String::new();
    for (name, value) in settings.table("labels") {
        tags.push_str(&tag(name, value.reveal()));
    }
    let letter = HttpPayload {
        method: "POST",
        url: Secret::new(url.as_str()),
        headers: settings.headers(&[("Content-Type", "text/plain; charset=utf-8")])?,
        body: Vec::new(),
        accept: Accept::Status,
        retry: Retry::Only(&[429, 500, 502, 503, 504]),
        tls: None,
        timeout: settings.timeout(TIMEOUT_USUAL),
    };
    Ok(Box::new(Influx { letter, tags }))
}

impl Encoder for Influx {
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<Payload> {
        let at = snapshot.at.as_nanosecond();
        let (mut bodies, mut body) = (Vec::new(), String::new());
        snapshot.each(|figures| {
            if fits(figures.family, occasion) {
                for series in &figures.series {
                    self.write(figures.family.name, series, at, &mut body);
                    if body.len() > BODY_BYTES {
                        bodies.push(std::mem::take(&mut body));
                    }
                }
            }
        });
        bodies.push(body);
        let bodies = bodies.into_iter().filter(|body| !body.is_empty());
        bodies.map(|body| Payload::Http(HttpPayload { body: body.into_bytes(), ..self.letter.clone() })).collect()
    }

    fn keeping(&self) -> Keeping {
        Keeping::InOrder
    }

    fn letters(&self) -> Vec<Letter> {
        Letter::only(self.letter.clone())
    }
}

impl Influx {
    fn write(&self, family: &str, series: &Series, at: i128, body: &mut String) {
        let mut head = format!("{family}{}", self.tags);
        for (name, value) in series.labels.iter() {
            head.push_str(&tag(name, value));
        }
        match &series.value {
            Value::Number(value) if !value.is_finite() => {}
            Value::Number(value) => body.push_str(&format!("{head} value={value} {at}\n")),
            Value::Count(count) => body.push_str(&format!("{head} value={} {at}\n", integer(*count))),
            Value::Histogram(histogram) => buckets(&head, histogram, at, body),
        }
    }
}

/// A line for the whole, and one for each bucket.
fn buckets(head: &str, histogram: &Histogram, at: i128, body: &mut String) {
    let count = integer(histogram.count());
    body.push_str(&format!("{head} count={count},sum={} {at}\n", histogram.sum()));
    for bucket in histogram.buckets() {
        let bound = if bucket.bound.is_finite() { bucket.bound.to_string() } else { "+Inf".to_owned() };
        body.push_str(&format!("{head},le={bound} bucket={} {at}\n", integer(bucket.count)));
    }
}

/// Integers have a sign there.
fn integer(count: u64) -> String {
    format!("{}i", count.min(i64::MAX.unsigned_abs()))
}

/// A tag with the comma before it; nothing of one without a value, for there is no empty one.
fn tag(name: &str, value: &str) -> String {
    let (name, value) = (escaped(name), escaped(value));
    if name.is_empty() || value.is_empty() { String::new() } else { format!(",{name}={value}") }
}

/// A backslash that stands for itself is read in as many ways as there are readers: it becomes `_`, as do line feeds.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push('_'),
            c if c.is_control() => escaped.push('_'),
            ',' | '=' | ' ' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::push::tests::{filled, outcome_snapshot, runs, text};

    #[test]
    fn lines_are_escaped_and_whole_numbers_say_so() {
        let mut influx = compile(&filled(&[("url", "http://h:8086/write?db=x")])).unwrap();
        let snapshot = outcome_snapshot("a b,c=\\\nevil 1", "weather");
        let lines = text(influx.encode(&snapshot, Occasion::Interval));
        let success =
            "probe_success,probe=a\\ b\\,c\\=__evil\\ 1,target=weather,env=prod value=1 1768469600000000000\n";
        assert!(lines.contains(success), "{lines}");
        let counted = ",method=tools/list,outcome=ok,env=prod value=1i 1768469600000000000\n";
        assert!(lines.contains(counted), "{lines}");
        assert!(lines.contains(",le=+Inf bucket=1i ") && lines.contains(" count=1i,sum=0.042 "), "{lines}");
        assert!(!lines.contains("error_type="), "an empty tag is none: {lines}");
        assert!(lines.lines().all(|line| !line.starts_with("evil")), "{lines}");
        let once = text(influx.encode(&snapshot, Occasion::Run));
        assert!(!once.contains("_total"), "counts of one run say nothing: {once}");
    }

    #[test]
    fn a_request_is_bounded_also_within_a_family() {
        let mut influx = compile(&filled(&[("url", "http://h:8086/write?db=x")])).unwrap();
        let at = jiff::Timestamp::from_second(1_768_469_600).unwrap();
        let targets = (0..2_000).map(|target| runs("smoke", &format!("{}{target}", "t".repeat(1_000)), 1));
        let snapshot = Snapshot::of_runs(&targets.collect::<Vec<_>>(), at);
        let payloads = influx.encode(&snapshot, Occasion::Interval);
        for payload in &payloads {
            let Payload::Http(request) = payload else { panic!() };
            assert!(request.body.len() < BODY_BYTES + 64 * 1024, "{}", request.body.len());
            assert_eq!(request.body.last(), Some(&b'\n'), "lines are whole");
        }
        assert_eq!(text(payloads).lines().filter(|line| line.starts_with("probe_success,")).count(), 2_000);
    }

    #[test]
    fn mistakes_show_before_anything_is_sent() {
        for (url, words) in
            [("http://h:8086", "names no way to write"), ("http://h/write?db=x&precision=s", "nanoseconds")]
        {
            let told = compile(&filled(&[("url", url)])).map(drop).unwrap_err();
            assert!(told.contains(words), "{url}: {told}");
        }
    }
}

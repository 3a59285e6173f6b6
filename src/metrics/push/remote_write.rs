//! `kind = "remote_write"`: samples with their times to Prometheus and what speaks like it, by remote write 1.0 or 2.0. A
//! series that is measured no more is ended by a marker, so that nobody takes its last value for today's.

mod flat;
mod v1;
mod v2;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Encoder, Keeping, Next, Occasion, Row, TIMEOUT_USUAL, fits};
use crate::base::secret::Secret;
use crate::config::receiver::{AUTH, HEADERS, Kind, LABELS, Settings, Shape, TIMEOUT, URL, may, parsed_url};
use crate::deliver::{Accept, HttpPayload, Letter, Payload, Receipt, Retry, TlsFiles};
use crate::metrics::Snapshot;
use crate::metrics::family::Family;
use crate::metrics::labels::is_name;
use crate::metrics::snapshot::Exemplar;
use flat::{Flat, Key, STALE};

/// The row of the table.
pub(super) const ROW: Row = Row {
    kind: Kind {
        name: "remote_write",
        slots: &[
            URL,
            may("version", Shape::Text, "`1.0`, `2.0`, or `auto`: 2.0, and 1.0 where the receiver does not know it."),
            HEADERS,
            AUTH,
            LABELS,
            may("tls", Shape::Tls, "Certificates for this receiver."),
            TIMEOUT,
        ],
    },
    compile,
};

/// A series that nobody writes for five minutes is gone from queries. Twice in that time is enough.
const EVERY_MAX: Duration = Duration::from_secs(120);
/// Series of one request, as Prometheus sends them.
const SERIES_MAX: usize = 2_000;
/// Headers that are the protocol's own.
const RESERVED: [&str; 6] =
    ["content-encoding", "content-type", "content-length", "host", "user-agent", "x-prometheus-remote-write-version"];

/// The header that says of what form a request is.
const VERSION: &str = "X-Prometheus-Remote-Write-Version";
/// Bytes of a message of ours, about twenty times what 2,000 series take.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    One,
    Two,
}

impl Form {
    /// A receiver that does not know the second form may say that all is well, and write nothing.
    fn accept(self) -> Accept {
        match self {
            Self::One => Accept::Status,
            Self::Two => Accept::Header(v2::WRITTEN),
        }
    }

    /// Of a request that may be from before the start.
    fn of(request: &HttpPayload) -> Self {
        let is_two =
            |(name, value): &(String, Secret)| name.eq_ignore_ascii_case(VERSION) && value.reveal() == v2::VERSION;
        if request.headers.iter().any(is_two) { Self::Two } else { Self::One }
    }
}

struct RemoteWrite {
    url: Secret,
    headers: Vec<(String, Secret)>,
    outer: Vec<(String, String)>,
    tls: Option<Arc<TlsFiles>>,
    timeout: Duration,
    form: Form,
    /// Whether the form may change.
    is_auto: bool,
    /// The series of the last snapshot, and those that had gone by then.
    known: HashSet<Key>,
    gone: Vec<Key>,
    last: Option<Timestamp>,
}

/// A series with what is written of it.
struct TimeSeries {
    key: Key,
    /// None where it is only ended.
    family: Option<&'static Family>,
    started_at: Option<Timestamp>,
    samples: Samples,
    exemplar: Option<Exemplar>,
}

/// One or two samples; the second one ends the series.
struct Samples {
    first: (f64, i64),
    end: Option<i64>,
}

impl Samples {
    fn iter(&self) -> impl Iterator<Item = (f64, i64)> {
        std::iter::once(self.first).chain(self.end.map(|at| (STALE, at)))
    }
}

fn compile(settings: &Settings) -> Result<Box<dyn Encoder>, String> {
    let url = parsed_url(settings.needed("url")?, "url")?;
    let (form, is_auto) = match settings.text("version").map_or("1.0", Secret::reveal) {
        "1.0" => (Form::One, false),
        "2.0" => (Form::Two, false),
        "auto" => (Form::Two, true),
        _ => return Err("`version`: expected \"1.0\", \"2.0\" or \"auto\"".to_owned()),
    };
    let headers = settings.headers(&[])?;
    if let Some((name, _)) = headers.iter().find(|(name, _)| RESERVED.iter().any(|own| name.eq_ignore_ascii_case(own)))
    {
        return Err(format!("`headers`: {name} is the protocol's own"));
    }
    let mut outer = Vec::new();
    for (name, value) in settings.table("labels") {
        if !is_name(name) {
            return Err(format!("{name:?} in `labels` is no name of a label: `[a-zA-Z_][a-zA-Z0-9_]*`, not `__…`"));
        }
        outer.push((name.clone(), value.reveal().to_owned()));
    }
    if settings.time("every").is_some_and(|every| every > EVERY_MAX) {
        return Err(
            "`every` is at most \"2m\": a series that nobody writes is gone from queries after 5 minutes".to_owned()
        );
    }
    Ok(Box::new(RemoteWrite {
        url: Secret::new(url.as_str()),
        headers,
        outer,
        tls: TlsFiles::named(settings.table("tls")),
        timeout: settings.timeout(TIMEOUT_USUAL),
        form,
        is_auto,
        known: HashSet::new(),
        gone: Vec::new(),
        last: None,
    }))
}

impl RemoteWrite {
    /// What is known now, and the end of what is known no more. At the last push everything ends.
    fn series(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<TimeSeries> {
        let at = snapshot.at.as_millisecond();
        let end = (occasion == Occasion::Last).then_some(at + 1);
        let mut all: Vec<TimeSeries> = Vec::new();
        let mut now: HashSet<Key> = HashSet::with_capacity(self.known.len());
        flat::each(
            snapshot,
            &self.outer,
            |family| fits(family, occasion),
            |flat| {
                let Flat { key, family, value, started_at, exemplar } = flat;
                now.insert(key.clone());
                let samples = Samples { first: (value, at), end };
                all.push(TimeSeries { key, family: Some(family), started_at, samples, exemplar: exemplar.cloned() });
            },
        );
        // The same snapshot may be asked for again, in another form: what had gone then has gone still.
        if self.last != Some(snapshot.at) {
            self.gone = self.known.difference(&now).cloned().collect();
            self.last = Some(snapshot.at);
        }
        all.extend(self.gone.iter().map(|key| TimeSeries {
            key: key.clone(),
            family: None,
            started_at: None,
            samples: Samples { first: (STALE, at), end: None },
            exemplar: None,
        }));
        self.known = now;
        all
    }

    fn request(&self, message: &[u8]) -> Option<HttpPayload> {
        let body = snap::raw::Encoder::new().compress_vec(message).ok()?;
        let (content_type, version) = match self.form {
            Form::One => (v1::CONTENT_TYPE, v1::VERSION),
            Form::Two => (v2::CONTENT_TYPE, v2::VERSION),
        };
        let own = [("Content-Encoding", "snappy"), ("Content-Type", content_type), (VERSION, version)];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value)));
        let headers = own.chain(self.headers.iter().cloned()).collect();
        Some(HttpPayload { headers, body, accept: self.form.accept(), ..self.bare() })
    }

    /// The same series in the first form; none of what is no message of ours.
    fn in_first_form(&self, request: &HttpPayload) -> Option<HttpPayload> {
        let length = snap::raw::decompress_len(&request.body).ok()?;
        if length > MESSAGE_BYTES_MAX {
            return None;
        }
        let message = snap::raw::Decoder::new().decompress_vec(&request.body).ok()?;
        self.request(&v1::encode_plain(v2::decode(&message)?))
    }

    fn bare(&self) -> HttpPayload {
        HttpPayload {
            method: "POST",
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Vec::new(),
            accept: Accept::Status,
            retry: Retry::Busy,
            tls: self.tls.clone(),
            timeout: self.timeout,
        }
    }
}

impl Encoder for RemoteWrite {
    fn encode(&mut self, snapshot: &Snapshot, occasion: Occasion) -> Vec<Payload> {
        let series = self.series(snapshot, occasion);
        let encode = match self.form {
            Form::One => v1::encode,
            Form::Two => v2::encode,
        };
        series.chunks(SERIES_MAX).filter_map(|part| self.request(&encode(part)).map(Payload::Http)).collect()
    }

    fn heard(&mut self, receipt: &Receipt) -> Next {
        let is_unknown = matches!(receipt, Receipt::Refused { status: Some(415), .. });
        if self.form == Form::Two && self.is_auto && is_unknown {
            self.form = Form::One;
            return Next::Again;
        }
        Next::AsReceived
    }

    fn fitted(&self, payload: Payload) -> Payload {
        let Payload::Http(mut request) = payload else { return payload };
        let form = Form::of(&request);
        request.accept = form.accept();
        if (self.form, form) == (Form::One, Form::Two) {
            // What is no message of ours is refused by whoever gets it.
            return Payload::Http(self.in_first_form(&request).unwrap_or(request));
        }
        Payload::Http(request)
    }

    fn keeping(&self) -> Keeping {
        Keeping::InOrder
    }

    fn letters(&self) -> Vec<Letter> {
        Letter::only(self.bare())
    }

    fn advice(&self, occasion: Occasion) -> Option<&'static str> {
        (occasion == Occasion::Run).then_some(
            "samples of one run are gone from queries after 5 minutes, unless a run follows by then: use `watch`, or a \
             Pushgateway",
        )
    }
}

#[cfg(test)]
mod tests;

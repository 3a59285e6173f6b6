//! The way of one signal to its receiver: address, protocol, headers, compression, certificates; from the file, or from the
//! variables of OpenTelemetry where the file names no `url`.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use url::Url;

use super::super::TIMEOUT_USUAL;
use super::environment::{self, pairs};
use crate::base::secret::Secret;
use crate::config::receiver::{Settings, parsed_url};
use crate::deliver::{Accept, GrpcPayload, HttpPayload, Payload, Retry, TlsFiles};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The figures.
    Metrics,
    /// The spans of runs.
    Traces,
    /// Messages, and what the log says.
    Logs,
}

impl Signal {
    /// The words of `signals`.
    pub(super) const ALL: [Self; 3] = [Self::Metrics, Self::Traces, Self::Logs];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Grpc,
}

/// The statuses of OTLP over HTTP after which another try may help.
const RETRIED: Retry = Retry::Only(&[429, 502, 503, 504]);
/// Headers that are the protocol's own.
const RESERVED: [&str; 5] = ["content-type", "content-encoding", "content-length", "te", "grpc-encoding"];

/// The way of one signal.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) signal: Signal,
    protocol: Protocol,
    url: Secret,
    headers: Vec<(String, Secret)>,
    gzip: bool,
    tls: Option<Arc<TlsFiles>>,
    timeout: Duration,
}

impl Line {
    /// By what the file says.
    ///
    /// # Errors
    /// A sentence about the setting that is wrong.
    pub(super) fn of_file(signal: Signal, settings: &Settings, url: &Secret) -> Result<Self, String> {
        let word = |key: &str| settings.text(key).map(Secret::reveal);
        let protocol =
            protocol(word("protocol").unwrap_or("http/protobuf")).map_err(|why| format!("`protocol`: {why}"))?;
        let gzip = gzip(word("compression").unwrap_or("none")).map_err(|why| format!("`compression`: {why}"))?;
        let line = Self {
            signal,
            protocol,
            url: with_path(parsed_url(url, "url")?, signal, protocol, false),
            headers: settings.headers(&[])?,
            gzip,
            tls: TlsFiles::named(settings.table("tls")),
            timeout: settings.timeout(TIMEOUT_USUAL),
        };
        line.checked()
    }

    /// By what the environment says.
    ///
    /// # Errors
    /// A sentence about the variable that is wrong, without its value where that may be a secret.
    pub(super) fn of_environment(signal: Signal, settings: &Settings) -> Result<Self, String> {
        let said = Said { variables: settings.table(environment::KEY), signal };
        let protocol = match said.part("PROTOCOL") {
            Some((name, word)) => protocol(word).map_err(|why| format!("{name}: {why}"))?,
            None => Protocol::Http,
        };
        let url = match said.part("ENDPOINT") {
            Some((name, url)) => {
                let is_own = name != "OTEL_EXPORTER_OTLP_ENDPOINT";
                with_path(parsed_url(&Secret::new(url), &name)?, signal, protocol, is_own)
            }
            None => {
                let port = if protocol == Protocol::Grpc { 4317 } else { 4318 };
                let usual = Url::parse(&format!("http://localhost:{port}")).map_err(|error| error.to_string())?;
                with_path(usual, signal, protocol, false)
            }
        };
        let headers = said.part("HEADERS").into_iter().flat_map(|(_, text)| pairs(text));
        let compression = said
            .part("COMPRESSION")
            .map_or(Ok(false), |(name, word)| gzip(word).map_err(|why| format!("{name}: {why}")));
        let timeout = match said.part("TIMEOUT") {
            Some((name, millis)) => {
                let read = millis.trim().parse().ok().filter(|millis| *millis > 0);
                Duration::from_millis(read.ok_or_else(|| format!("{name} is no number of milliseconds"))?)
            }
            None => settings.timeout(TIMEOUT_USUAL),
        };
        let file = |part| said.part(part).map(|(_, path)| PathBuf::from(path));
        let line = Self {
            signal,
            protocol,
            url,
            headers: headers.map(|(name, value)| (name, Secret::new(value))).collect(),
            gzip: compression?,
            tls: TlsFiles { ca: file("CERTIFICATE"), cert: file("CLIENT_CERTIFICATE"), key: file("CLIENT_KEY") }
                .shared(),
            timeout,
        };
        line.checked()
    }

    fn checked(self) -> Result<Self, String> {
        for (name, value) in &self.headers {
            if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
                return Err(format!("the header {name} is the protocol's own"));
            }
            http::HeaderName::try_from(name.as_str()).map_err(|_| format!("{name:?} is no name of a header"))?;
            http::HeaderValue::try_from(value.reveal())
                .map_err(|_| format!("the value of header {name} holds characters that HTTP does not allow"))?;
        }
        if let Some(tls) = &self.tls
            && tls.cert.is_some() != tls.key.is_some()
        {
            return Err("a client certificate and its key belong together".to_owned());
        }
        Ok(self)
    }

    /// A message on its way.
    pub(super) fn payload(&self, message: Vec<u8>) -> Payload {
        let body = if self.gzip { compressed(&message) } else { message };
        match self.protocol {
            Protocol::Grpc => Payload::Grpc(GrpcPayload {
                url: self.url.clone(),
                method: self.signal.method(),
                headers: self.headers.clone(),
                message: body,
                gzip: self.gzip,
                tls: self.tls.clone(),
                timeout: self.timeout,
            }),
            Protocol::Http => {
                let mut headers = vec![("Content-Type".to_owned(), Secret::new("application/x-protobuf"))];
                if self.gzip {
                    headers.push(("Content-Encoding".to_owned(), Secret::new("gzip")));
                }
                headers.extend(self.headers.iter().cloned());
                Payload::Http(HttpPayload {
                    method: "POST",
                    url: self.url.clone(),
                    headers,
                    body,
                    accept: Accept::Export,
                    retry: RETRIED,
                    tls: self.tls.clone(),
                    timeout: self.timeout,
                })
            }
        }
    }
}

/// The variables, for one signal.
struct Said<'a> {
    variables: &'a [(String, Secret)],
    signal: Signal,
}

impl Said<'_> {
    /// What the signal's own variable says, or the one of all; with its name.
    fn part(&self, part: &str) -> Option<(String, &str)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{part}", self.signal.name().to_ascii_uppercase());
        [own, format!("OTEL_EXPORTER_OTLP_{part}")].into_iter().find_map(|name| {
            let (_, value) = self.variables.iter().find(|(have, _)| *have == name)?;
            Some((name, value.reveal()))
        })
    }
}

fn protocol(word: &str) -> Result<Protocol, String> {
    match word.trim() {
        "http/protobuf" => Ok(Protocol::Http),
        "grpc" => Ok(Protocol::Grpc),
        other => Err(format!("expected \"http/protobuf\" or \"grpc\", got {other:?}")),
    }
}

fn gzip(word: &str) -> Result<bool, String> {
    match word.trim() {
        "gzip" => Ok(true),
        "none" => Ok(false),
        other => Err(format!("expected \"gzip\" or \"none\", got {other:?}")),
    }
}

/// Over HTTP the path of the signal comes behind that of the base; an address of the signal's own stays as it is, and so
/// does one that has that path already.
fn with_path(mut url: Url, signal: Signal, protocol: Protocol, is_own: bool) -> Secret {
    let path = format!("/v1/{}", signal.name());
    let base = url.path().trim_end_matches('/').to_owned();
    if protocol == Protocol::Http && !is_own && !base.ends_with(&path) {
        url.set_path(&format!("{base}{path}"));
    }
    Secret::new(url.as_str())
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
    // Writing to memory cannot fail.
    let _ = gzip.write_all(message);
    gzip.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::receiver::Filled;

    fn environment(variables: &[(&str, &str)]) -> Settings {
        let read = variables.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        Settings::new(BTreeMap::from([(environment::KEY, Filled::Table(read))]))
    }

    fn line(signal: Signal, variables: &[(&str, &str)]) -> Result<Line, String> {
        Line::of_environment(signal, &environment(variables))
    }

    #[test]
    fn a_base_gets_the_path_of_the_signal_and_an_own_address_none() {
        let url = |signal, variables: &[(&str, &str)]| line(signal, variables).unwrap().url.reveal().to_owned();
        assert_eq!(url(Signal::Metrics, &[]), "http://localhost:4318/v1/metrics");
        assert_eq!(url(Signal::Logs, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), "http://localhost:4317/");
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c.example/otlp/?k=v");
        assert_eq!(url(Signal::Traces, &[base]), "https://c.example/otlp/v1/traces?k=v");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t.example/ingest");
        assert_eq!(url(Signal::Traces, &[base, own]), "https://t.example/ingest");
        assert_eq!(url(Signal::Metrics, &[base, own]), "https://c.example/otlp/v1/metrics?k=v");
        let file = |url: &str| with_path(Url::parse(url).unwrap(), Signal::Metrics, Protocol::Http, false);
        assert_eq!(file("http://c/api/v1/metrics").reveal(), "http://c/api/v1/metrics");
    }

    #[test]
    fn variables_of_a_signal_win_and_wrong_ones_are_named() {
        let all = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=all"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "api-key=a%20b,x-tenant=t"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ];
        let logs = line(Signal::Logs, &all).unwrap();
        let headers: Vec<_> = logs.headers.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        assert_eq!(headers, [("api-key", "a b"), ("x-tenant", "t")]);
        assert_eq!((logs.timeout, logs.gzip), (Duration::from_millis(2_500), true));
        assert_eq!(logs.tls.unwrap().ca.as_deref(), Some(std::path::Path::new("/ca.pem")));
        assert_eq!(line(Signal::Metrics, &all).unwrap().headers[0].1.reveal(), "all");
        for (name, value, why) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "expected \"http/protobuf\" or \"grpc\""),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "collector:4317", "is no URL"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "no number of milliseconds"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "expected \"gzip\""),
            ("OTEL_EXPORTER_OTLP_HEADERS", "content-type=x", "the protocol's own"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k.pem", "belong together"),
        ] {
            let said = line(Signal::Metrics, &[(name, value)]).unwrap_err();
            assert!(said.contains(why), "{name}: {said}");
        }
    }
}

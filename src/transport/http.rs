//! Everything that both HTTP transports share: the settings of a target, and the dial that opens links to it.
//! The parts below it resolve, connect, secure, send, and read bodies; they know nothing of MCP.

mod body;
mod chunked;
mod client;
mod connection;
mod connector;
mod date;
mod exchange;
mod fault;
mod fetch;
mod fields;
mod head;
mod incoming;
mod pem;
mod pool;
mod proxy;
mod request;
mod stamped;
mod tls;
mod tls_words;
#[cfg(test)]
pub(super) mod fixture;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;
use url::{Position, Url};

pub(super) use self::body::{Body, Kind, too_large};
use self::client::Template;
pub(super) use self::client::{Answer, Ask, Client, Waiting, bare};
use self::connector::Connector;
pub use self::connector::look_up;
pub(super) use self::fields::Fields;
pub use self::pem::{Pem, PemPart, pem_faults};
use self::proxy::Proxy;
pub use self::proxy::ProxyChoice;
use self::tls::Tls;
pub use self::tls::{BorrowedTls, TlsSettings};
use super::legacy_sse::LegacySse;
use super::streamable_http::StreamableHttp;
use super::{Dial, Document, Fault, Link};
use crate::base::secret::Secret;
use crate::event::{Finding, Reason, Severity, TransportKind};

/// The limit of one body, or of one event of a stream, unless the user sets another.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The path that is asked for on a Unix socket when none is given.
const SOCKET_PATH_DEFAULT: &str = "/mcp";

/// How mcp-probe introduces itself.
#[must_use]
pub fn user_agent() -> String {
    format!("mcp-probe/{}", env!("CARGO_PKG_VERSION"))
}

/// One HTTP target.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it is.
    pub url: Url,
    /// The URL in the user's spelling; its host is what the server reads in `Host`. Empty: as in `url`.
    pub url_as_written: String,
    /// A Unix socket to connect to instead of the URL's host.
    pub socket: Option<PathBuf>,
    /// The addresses to connect to.
    pub addresses: Addresses,
    /// How it can be spoken to, the most likely first.
    pub transports: Vec<TransportKind>,
    /// The user's own headers.
    pub headers: Vec<(String, Secret)>,
    /// Sent as `Authorization: Bearer`, unless the headers have an `Authorization` of their own.
    pub bearer: Option<Secret>,
    /// Certificates.
    pub tls: TlsSettings,
    /// The limit of one body, or of one event of a stream.
    pub body_bytes_max: usize,
    /// What `User-Agent` says, unless the headers have one.
    pub user_agent: String,
    /// Where proxies are looked for.
    pub proxy: ProxyChoice,
}

impl HttpSettings {
    /// Settings with every default for a URL.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url_as_written: String::new(),
            url,
            socket: None,
            addresses: Addresses::Resolved,
            transports: vec![TransportKind::StreamableHttp, TransportKind::Sse],
            headers: Vec::new(),
            bearer: None,
            tls: TlsSettings::default(),
            body_bytes_max: BODY_BYTES_MAX,
            user_agent: user_agent(),
            proxy: ProxyChoice::FromEnv,
        }
    }
}

/// The addresses of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// Those that its name has.
    #[default]
    Resolved,
    /// These; the resolver is not asked.
    These(Vec<IpAddr>),
    /// One of those that its name has: the resolver is asked whether it still is.
    OneOf(IpAddr),
}

/// Settings that cannot work, in a sentence for the person who wrote them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// Reads the text of an HTTP target: `http://…`, `https://…`, `unix:/path/to.sock` (path `/mcp`) or
/// `unix:/path/to.sock:/path`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_endpoint(text: &str) -> Result<(Url, Option<PathBuf>), String> {
    let text = text.trim();
    if let Some(place) = text.strip_prefix("unix:") {
        let place = place.strip_prefix("//").unwrap_or(place);
        let (socket, path) = match place.rfind(":/") {
            Some(colon) if colon > 0 => (&place[..colon], &place[colon + 1..]),
            _ => (place, SOCKET_PATH_DEFAULT),
        };
        if socket.is_empty() {
            return Err("expected unix:/path/to.sock or unix:/path/to.sock:/mcp, got no path".into());
        }
        let url = Url::parse(&format!("http://localhost{path}"))
            .map_err(|error| format!("{path:?} is no path of a URL: {error}"))?;
        return Ok((url, Some(PathBuf::from(socket))));
    }
    let expected = "expected a URL such as https://host/mcp or http://localhost:3000/mcp";
    if !text.contains("://") {
        return Err(format!("{expected}, got {text:?}"));
    }
    let url = Url::parse(text).map_err(|error| format!("{expected}, got {text:?}: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok((url, None)),
        other => Err(format!("{expected}, got the scheme {other:?}")),
    }
}

/// Opens links to one HTTP target.
pub struct HttpDial {
    transports: Vec<TransportKind>,
    template: Arc<Template>,
    connector: Arc<Connector>,
    findings: Vec<Finding>,
    /// What is the same for other servers that this one names.
    elsewhere: fetch::Elsewhere,
}

impl HttpDial {
    /// Checks everything that can be checked without a connection. Nothing of TLS is read for `http://`.
    ///
    /// # Errors
    /// [`Unusable`], when a header, a certificate or the proxy cannot be used.
    pub fn new(settings: &HttpSettings) -> Result<Self, Unusable> {
        if settings.transports.contains(&TransportKind::Stdio) || settings.transports.is_empty() {
            return Err(Unusable("an HTTP target is reached by streamable-http or sse".into()));
        }
        let url = &settings.url;
        let host = url.host_str().unwrap_or_default();
        if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
            return Err(Unusable(format!("expected an http:// or https:// URL with a host, got {url}")));
        }
        let mut findings = Vec::new();
        let tls = if url.scheme() == "https" { Some(Tls::new(&settings.tls)?) } else { None };
        if tls.as_ref().is_some_and(Tls::insecure) {
            findings.push(Finding::new(
                "tls.insecure",
                Severity::Warning,
                "a server certificate that is verified",
                "verification is switched off: anybody on the way can read and change everything, \
                 credentials included",
            ));
        }
        let proxy = if settings.socket.is_some() { None } else { Proxy::find(&settings.proxy, url)? };
        let connector = Connector {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
            socket: settings.socket.clone(),
            addresses: settings.addresses.clone(),
            tls,
            proxy,
        };
        if connector.addresses != Addresses::Resolved && connector.forwards() {
            let why = "`resolve` chooses the address that is connected to, and here a proxy does that: name the host in NO_PROXY";
            return Err(Unusable(why.into()));
        }
        let headers = user_headers(settings, &mut findings)?;
        let mut bare = url.clone();
        bare.set_fragment(None);
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        let template = Template {
            authority: authority(settings)?,
            asks_gzip: headers.contains_key(ACCEPT_ENCODING),
            headers,
            url: Arc::new(bare),
            body_bytes_max: settings.body_bytes_max,
        };
        Ok(Self {
            transports: settings.transports.clone(),
            template: Arc::new(template),
            connector: Arc::new(connector),
            findings,
            elsewhere: fetch::Elsewhere::of(settings),
        })
    }

    async fn open_link(&self, transport: TransportKind) -> Result<Box<dyn Link>, Fault> {
        let client = Client::new(Arc::clone(&self.template), Arc::clone(&self.connector), self.findings.clone());
        match transport {
            TransportKind::StreamableHttp => Ok(Box::new(StreamableHttp::open(client).await?)),
            TransportKind::Sse => Ok(Box::new(LegacySse::open(client).await?)),
            TransportKind::Stdio => Err(Fault::new(Reason::Internal, "an HTTP target cannot be reached by stdio")),
        }
    }
}

impl Dial for HttpDial {
    fn transports(&self) -> &[TransportKind] {
        &self.transports
    }

    fn open(&self, transport: TransportKind, cancel: CancellationToken) -> BoxFuture<'_, Result<Box<dyn Link>, Fault>> {
        Box::pin(async move {
            match cancel.run_until_cancelled(self.open_link(transport)).await {
                Some(outcome) => outcome,
                None => Err(Fault::new(Reason::Cancelled, "interrupted while connecting")),
            }
        })
    }

    fn fetch<'a>(&'a self, url: &'a str, headers: &'a [(String, String)]) -> BoxFuture<'a, Result<Document, Fault>> {
        Box::pin(self.document(url, headers))
    }
}

/// Headers that make the protocol work: a user's value for them would break it.
fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("mcp-")
        || matches!(
            name,
            "accept"
                | "connection"
                | "content-encoding"
                | "content-length"
                | "content-type"
                | "expect"
                | "host"
                | "keep-alive"
                | "last-event-id"
                | "proxy-authorization"
                | "proxy-connection"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
}

fn user_headers(settings: &HttpSettings, findings: &mut Vec<Finding>) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let parsed = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| Unusable(format!("{name:?} is no name of a header")))?;
        if is_reserved(&parsed) {
            findings.push(Finding::new(
                "http.header_overridden",
                Severity::Warning,
                "headers of one's own that leave those of the protocol alone",
                format!("the header {parsed} is set by the protocol: the value given was not sent"),
            ));
            continue;
        }
        headers.append(parsed, secret_value(name, value.reveal())?);
    }
    if !headers.contains_key(AUTHORIZATION)
        && let Some(credentials) = credentials(settings)
    {
        headers.insert(AUTHORIZATION, secret_value("Authorization", &credentials)?);
    }
    if !headers.contains_key(USER_AGENT) {
        headers.insert(USER_AGENT, secret_value("User-Agent", &settings.user_agent)?);
    }
    Ok(headers)
}

/// A user's value may be a secret wherever it stands: none shows up in debug output.
fn secret_value(name: &str, value: &str) -> Result<HeaderValue, Unusable> {
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
        Unusable(format!("the value of the header {name} has characters that no header can hold, such as a line end"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn credentials(settings: &HttpSettings) -> Option<String> {
    if let Some(bearer) = &settings.bearer {
        return Some(format!("Bearer {}", bearer.reveal().trim()));
    }
    let url = &settings.url;
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let login = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login)))
}

fn decoded(text: &str) -> String {
    let pair = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The authority as the user wrote it: some servers know themselves by one spelling only.
fn authority(settings: &HttpSettings) -> Result<HeaderValue, Unusable> {
    let url = &settings.url;
    let from_url = || url[Position::BeforeHost..Position::AfterPort].to_owned();
    let written = settings.url_as_written.trim();
    let spelled = written
        .split_once("://")
        .map(|(_, rest)| rest.split(['/', '?', '#', '\\']).next().unwrap_or_default())
        .map(|authority| authority.rsplit_once('@').map_or(authority, |(_, host)| host))
        .filter(|_| settings.socket.is_none())
        // Only another spelling of the same host: anything else is not what is connected to.
        .filter(|host| {
            let again = Url::parse(&format!("{}://{host}/", url.scheme()));
            host.is_ascii() && again.is_ok_and(|again| again.origin() == url.origin())
        })
        .filter(|host| host.parse::<http::uri::Authority>().is_ok());
    let authority = spelled.map_or_else(from_url, ToOwned::to_owned);
    HeaderValue::from_str(&authority).map_err(|_| Unusable(format!("{authority:?} is no host that can be asked")))
}

#[cfg(test)]
mod tests;

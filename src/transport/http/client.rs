//! One HTTP exchange after another with one target: the request as the protocol and the user want it, the answer's
//! head, redirects on the same origin, and the one honest repetition, of a request whose pooled connection was dead.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use url::{Position, Url};

use super::body::Body;
use super::connector::Connector;
use super::exchange::Sent;
use super::pool::{Connection, Pool, Tasks};
use super::tls_words;
use super::{date, fault};
use crate::event::{Finding, Phases, Reason, Severity, TransportKind};
use crate::transport::{Certificate, Fault, Head, LinkFacts};

/// A redirect is followed this often.
const REDIRECTS_MAX: usize = 3;
/// The values of an answer's headers are cut here.
const HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;
/// More findings than this are not kept.
const FINDINGS_MAX: usize = 64;

/// What every request of a target has in common.
pub(in crate::transport) struct Template {
    pub(in crate::transport) url: Url,
    /// The authority as the user wrote it.
    pub(in crate::transport) authority: HeaderValue,
    /// The user's own headers, without those that are the protocol's.
    pub(in crate::transport) headers: HeaderMap,
    /// Whether the user asks for compressed answers.
    pub(in crate::transport) asks_gzip: bool,
    pub(in crate::transport) body_bytes_max: usize,
}

/// A request to be made.
#[derive(Clone)]
pub(in crate::transport) struct Ask {
    pub(in crate::transport) method: Method,
    pub(in crate::transport) url: Url,
    pub(in crate::transport) body: Bytes,
    /// Those of the protocol; they win over the user's.
    pub(in crate::transport) headers: HeaderMap,
    /// The user's headers that are not sent.
    pub(in crate::transport) without: Vec<HeaderName>,
    /// Whether it may be made twice.
    pub(in crate::transport) repeatable: bool,
}

impl Ask {
    /// A GET, which may be made twice.
    pub(in crate::transport) fn get(url: Url, headers: HeaderMap) -> Self {
        Self { method: Method::GET, url, body: Bytes::new(), headers, without: Vec::new(), repeatable: true }
    }
}

/// A header that somebody else chose.
pub(in crate::transport) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Fault> {
    let wrong = || Fault::new(Reason::Internal, format!("the header {name:?} cannot be sent with this value"));
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    Ok((parsed, HeaderValue::from_str(value).map_err(|_| wrong())?))
}

#[derive(Default)]
struct Notes {
    phases: Phases,
    peer: Option<String>,
    certificate: Option<Certificate>,
    findings: Vec<Finding>,
    clock_seen: bool,
}

/// The exchanges with one target over the life of one link.
pub(in crate::transport) struct Client {
    template: Arc<Template>,
    connector: Arc<Connector>,
    pub(super) pool: Arc<Pool>,
    pub(in crate::transport) tasks: Tasks,
    notes: Mutex<Notes>,
    uri: OnceLock<Uri>,
}

impl Client {
    pub(super) fn new(template: Arc<Template>, connector: Arc<Connector>, findings: Vec<Finding>) -> Arc<Self> {
        let notes = Notes { findings, ..Notes::default() };
        let (pool, tasks, uri) = (Arc::default(), Tasks::default(), OnceLock::new());
        Arc::new(Self { template, connector, pool, tasks, notes: Mutex::new(notes), uri })
    }

    pub(in crate::transport) fn template(&self) -> &Template {
        &self.template
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server's clock is right: by the first answer that has a date.
    fn look_at_clock(&self, head: &Head) {
        if head.header("date").is_some()
            && !std::mem::replace(&mut self.notes().clock_seen, true)
            && let Some(finding) = date::skew(head, jiff::Timestamp::now())
        {
            self.notice(finding);
        }
    }

    /// Adds a finding, once.
    pub(in crate::transport) fn notice(&self, finding: Finding) {
        let mut notes = self.notes();
        if notes.findings.len() < FINDINGS_MAX && !notes.findings.contains(&finding) {
            notes.findings.push(finding);
        }
    }

    pub(in crate::transport) fn facts(&self, transport: TransportKind) -> LinkFacts {
        let notes = self.notes();
        LinkFacts {
            transport,
            phases: notes.phases,
            peer: notes.peer.clone(),
            certificate: notes.certificate.clone(),
            findings: notes.findings.clone(),
            pid: None,
            stderr: None,
            unfinished_bytes: 0,
        }
    }

    /// What was noticed so far.
    pub(in crate::transport) fn findings(&self) -> Vec<Finding> {
        self.notes().findings.clone()
    }

    /// The server's certificate, on https.
    pub(in crate::transport) fn certificate(&self) -> Option<Certificate> {
        self.notes().certificate.clone()
    }

    /// Ends everything that is open.
    pub(in crate::transport) async fn close(&self, grace: Duration) -> Vec<Finding> {
        self.pool.close(grace).await;
        self.tasks.finish(grace).await;
        self.notes().findings.clone()
    }

    /// Makes the first connection ahead of the first request.
    pub(in crate::transport) async fn open(&self) -> Result<(), Fault> {
        let connection = self.connect().await?;
        self.pool.keep_fresh(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let connected = self.connector.connect().await?;
        {
            let mut notes = self.notes();
            notes.phases.absorb(&connected.phases);
            notes.peer = Some(connected.peer);
            notes.certificate.clone_from(&connected.certificate);
        }
        let ends_soon = connected.certificate.as_ref().and_then(|of| tls_words::expiry(of, jiff::Timestamp::now()));
        if let Some(finding) = ends_soon {
            self.notice(finding);
        }
        let connection = Connection::start(connected.stream, connected.h2, &self.tasks).await;
        connection.map_err(|error| self.named(fault::of_handshake(&error)))
    }

    /// Names the proxy, where there is one, in a fault.
    pub(super) fn named(&self, fault: Fault) -> Fault {
        self.connector.named(fault)
    }

    /// Connects where needed and hands the request over. The instant is that of its writing. Where the request was not
    /// written at once, and over HTTP/2, whose exchanges share their stamps, it is the instant at which it was handed over.
    pub(in crate::transport) async fn start(self: &Arc<Self>, ask: Ask) -> Result<(Instant, Waiting), Fault> {
        let connection = if let Some(connection) = self.pool.take().await {
            connection
        } else {
            let connection = self.connect().await?;
            self.pool.introduce(&connection);
            connection
        };
        self.write(ask, connection).await
    }

    async fn write(self: &Arc<Self>, ask: Ask, mut connection: Connection) -> Result<(Instant, Waiting), Fault> {
        let is_h2 = connection.is_h2();
        let request = self.request(&ask, is_h2)?;
        let handed_over = Instant::now();
        let response = connection.send(request).await.map_err(|error| self.named(fault::of_handshake(&error)))?;
        let written = connection.stamps.written().filter(|_| !is_h2);
        let sent = written.unwrap_or(handed_over);
        Ok((sent, Waiting { client: Arc::clone(self), ask, connection, response, repeated: false }))
    }

    fn request(&self, ask: &Ask, h2: bool) -> Result<Request<Full<Bytes>>, Fault> {
        let ours = |error: &dyn std::fmt::Display| {
            Fault::new(Reason::Internal, format!("the request to {} cannot be written: {error}", bare(&ask.url)))
        };
        let path = &ask.url[Position::BeforePath..Position::AfterQuery];
        let authority = &self.template.authority;
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = if h2 || self.connector.forwards() {
            let uri = Uri::builder().scheme(ask.url.scheme()).authority(authority.as_bytes()).path_and_query(path);
            uri.build().map_err(|error| ours(&error))?
        } else {
            self.path(path).map_err(|error| ours(&error))?
        };
        let mut headers = HeaderMap::with_capacity(ask.headers.len() + self.template.headers.len() + 2);
        if !h2 {
            headers.insert(HOST, authority.clone());
        }
        for (name, value) in &self.template.headers {
            if !ask.headers.contains_key(name) && !ask.without.contains(name) {
                headers.append(name, value.clone());
            }
        }
        for (name, value) in &ask.headers {
            // An audit may send another host than that of the URL: there is never more than one.
            if name == HOST {
                headers.insert(name, value.clone());
            } else {
                headers.append(name, value.clone());
            }
        }
        if self.connector.forwards()
            && let Some(basic) = self.connector.proxy.as_ref().and_then(|proxy| proxy.basic.clone())
        {
            headers.insert(PROXY_AUTHORIZATION, basic);
        }
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// A path as the URI of a request. All requests of a link go to one path, so that it is read once.
    fn path(&self, path: &str) -> Result<Uri, http::Error> {
        if let Some(uri) = self.uri.get().filter(|uri| uri.path_and_query().is_some_and(|known| known == path)) {
            return Ok(uri.clone());
        }
        let uri = Uri::builder().path_and_query(path).build()?;
        // A path after a redirect is another one.
        let _ = self.uri.set(uri.clone());
        Ok(uri)
    }

    /// Whether a redirect is followed, and where to; what is not followed is left for others to judge.
    fn redirect(&self, ask: &Ask, response: &Response<Incoming>, visited: &[Url]) -> Option<Url> {
        let status = response.status();
        if !status.is_redirection() {
            return None;
        }
        let location = std::str::from_utf8(response.headers().get(LOCATION)?.as_bytes()).ok()?;
        let target = ask.url.join(location).ok()?;
        let keeps_method = matches!(status.as_u16(), 307 | 308);
        let same_origin = target.origin() == self.template.url.origin();
        let follow = keeps_method && same_origin && visited.len() < REDIRECTS_MAX && !visited.contains(&target);
        let (severity, what) = if follow {
            (Severity::Warning, "followed: send to it instead")
        } else if ask.url.scheme() == "https" && target.scheme() == "http" {
            (Severity::Error, "not followed: it leaves https")
        } else if !same_origin {
            (Severity::Warning, "not followed: it is another origin, which gets no credentials")
        } else if keeps_method {
            (Severity::Warning, "not followed: it leads in a circle or too far")
        } else {
            (Severity::Warning, "not followed: this status does not keep the method")
        };
        let actual = format!("{} redirects ({}) to {}; {what}", bare(&ask.url), status.as_u16(), bare(&target));
        self.notice(Finding::new("http.redirect", severity, "an answer at the address given", actual));
        follow.then_some(target)
    }

    /// A body read to its end gives its connection back; `first_byte` is that of the whole answer.
    fn answer(self: &Arc<Self>, response: Response<Incoming>, connection: Connection) -> Result<Answer, Fault> {
        let stamps = Arc::clone(&connection.stamps);
        let at = stamps.last();
        let first_byte = if connection.is_h2() { at } else { stamps.first() };
        let (parts, incoming) = response.into_parts();
        let head = head(parts.status.as_u16(), &parts.headers);
        self.look_at_clock(&head);
        let body = Body::new(Arc::clone(self), connection, incoming, &head)?;
        Ok(Answer { head, first_byte, at, body })
    }

    /// A fault of an exchange with the target, with its proxy named.
    pub(in crate::transport) fn failed(&self, error: &hyper::Error, opening: &[u8]) -> Fault {
        let host = self.template.authority.to_str().unwrap_or_default();
        self.named(fault::of_exchange(error, opening, host))
    }
}

/// A request that was handed over.
pub(in crate::transport) struct Waiting {
    client: Arc<Client>,
    ask: Ask,
    connection: Connection,
    response: Sent,
    repeated: bool,
}

/// An answer whose head has come.
pub(in crate::transport) struct Answer {
    pub(in crate::transport) head: Head,
    pub(in crate::transport) first_byte: Instant,
    pub(in crate::transport) at: Instant,
    pub(in crate::transport) body: Body,
}

impl Waiting {
    /// Waits for the head of the final answer.
    pub(in crate::transport) async fn answer(mut self) -> Result<Answer, Fault> {
        let mut visited = Vec::new();
        loop {
            match self.connection.drive(&mut self.response).await {
                Ok(response) => {
                    if response.status().is_redirection() {
                        visited.push(self.ask.url.clone());
                    }
                    let Some(target) = self.client.redirect(&self.ask, &response, &visited) else {
                        return self.client.answer(response, self.connection);
                    };
                    self.ask.url = target;
                    self = self.follow(response).await?;
                }
                Err(error) => {
                    let unsent = error.message().is_some();
                    self = self.again(unsent, error.error()).await?;
                }
            }
        }
    }

    async fn follow(self, response: Response<Incoming>) -> Result<Self, Fault> {
        use hyper::body::Body as _;
        let Self { client, ask, connection, .. } = self;
        // A body that is still on its way is not worth waiting for; its connection goes with it.
        if response.body().is_end_stream() {
            drop(response);
            client.pool.give_back(connection, &client.tasks);
        }
        client.start(ask).await.map(|(_, waiting)| waiting)
    }

    /// The connection died. A pooled one may have been dead already when the request was written, which is no
    /// failure of the server: such a request is made once more, if it may be made twice or was never written.
    async fn again(self, unsent: bool, error: &hyper::Error) -> Result<Self, Fault> {
        let Self { client, ask, connection, repeated, .. } = self;
        let silent = connection.is_h2() || connection.stamps.bytes() == 0;
        let stale = connection.reused && silent && fault::is_closed(error);
        if repeated || !stale {
            return Err(client.failed(error, &connection.stamps.opening()));
        }
        if !unsent && !ask.repeatable {
            let message = "the connection, which had been used before, was closed before any byte of an answer; \
                           this request may have been executed and is not safe to repeat, so it was not sent again";
            return Err(client.named(Fault::new(Reason::Closed, message)));
        }
        drop(connection);
        client.notice(Finding::new(
            "http.stale_connection",
            Severity::Info,
            "a connection that stays open between calls",
            "the server closed it just as it was used again; the request was sent once more on a new one, and its \
             latency holds both",
        ));
        let connection = client.connect().await?;
        client.pool.introduce(&connection);
        let (_, waiting) = client.write(ask, connection).await?;
        Ok(Self { repeated: true, ..waiting })
    }
}

/// A URL without what may be secret in it.
pub(in crate::transport) fn bare(url: &Url) -> &str {
    &url[..Position::AfterPath]
}

fn head(status: u16, headers: &HeaderMap) -> Head {
    let text = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        String::from_utf8_lossy(&bytes[..bytes.len().min(HEADER_VALUE_BYTES_MAX)]).into_owned()
    };
    let headers = headers
        .iter()
        .take(super::pool::HEADERS_MAX)
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    Head { status, headers }
}

/// Marks the values that must not show up in any debug output.
pub(in crate::transport) fn sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if name == AUTHORIZATION || name.as_str().contains("session") {
            value.set_sensitive(true);
        }
    }
}

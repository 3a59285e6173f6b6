//! One HTTP exchange after another with one target: the request as the protocol and the user want it, the answer's
//! head, redirects on the same origin, and the one honest repetition, of a request whose pooled connection was dead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use url::{Position, Url};

use super::body::Body;
use super::connection::Connection;
use super::connector::Connector;
use super::fault::Broken;
use super::fields::Fields;
use super::pool::{Pool, Tasks};
use super::request::Request;
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
    pub(in crate::transport) url: Arc<Url>,
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
    pub(in crate::transport) url: Arc<Url>,
    pub(in crate::transport) body: Bytes,
    /// Those of the protocol; they win over the user's.
    pub(in crate::transport) fields: Fields,
    /// The names of the user's headers that are not sent.
    pub(in crate::transport) without: Vec<String>,
    /// Whether it may be made twice.
    pub(in crate::transport) repeatable: bool,
}

impl Ask {
    /// A GET, which may be made twice.
    pub(in crate::transport) fn get(url: Arc<Url>, fields: Fields) -> Self {
        Self { method: Method::GET, url, body: Bytes::new(), fields, without: Vec::new(), repeatable: true }
    }
}

#[derive(Default)]
struct Notes {
    phases: Phases,
    peer: Option<String>,
    certificate: Option<Certificate>,
    findings: Vec<Finding>,
    /// How many of them come from how the target is written, and are true of every call.
    settled: usize,
    clock_seen: bool,
}

/// The exchanges with one target over the life of one link.
pub(in crate::transport) struct Client {
    template: Arc<Template>,
    connector: Arc<Connector>,
    pub(super) pool: Arc<Pool>,
    pub(in crate::transport) tasks: Tasks,
    notes: Mutex<Notes>,
}

impl Client {
    pub(super) fn new(template: Arc<Template>, connector: Arc<Connector>, findings: Vec<Finding>) -> Arc<Self> {
        let notes = Notes { settled: findings.len(), findings, ..Notes::default() };
        let (pool, tasks) = (Arc::default(), Tasks::default());
        Arc::new(Self { template, connector, pool, tasks, notes: Mutex::new(notes) })
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

    /// What was noticed since this was asked last, and what is as it was. The clock is looked at anew.
    pub(in crate::transport) fn take_findings(&self) -> Vec<Finding> {
        let mut notes = self.notes();
        notes.clock_seen = false;
        let settled = notes.settled;
        let mut findings = notes.findings.clone();
        notes.findings.truncate(settled);
        // A connection that is kept looks at no certificate, and the certificate comes to its end all the same.
        let is_told = findings.iter().any(|finding| finding.id == "tls.expiry");
        let certificate = notes.certificate.as_ref().filter(|_| !is_told);
        findings.extend(certificate.and_then(|certificate| tls_words::expiry(certificate, jiff::Timestamp::now())));
        findings
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
    /// written at once, and over HTTP/2, whose exchanges share their connection, it is the instant at which it was handed
    /// over.
    pub(in crate::transport) async fn start(self: &Arc<Self>, ask: Ask) -> Result<(Instant, Waiting), Fault> {
        let connection = match self.pool.take().await {
            Some(connection) => connection,
            None => self.connect_anew().await?,
        };
        self.write(ask, connection).await
    }

    /// A connection for an exchange that waits for it. Rare, and long: in a place of its own it makes no exchange larger.
    async fn connect_anew(&self) -> Result<Connection, Fault> {
        let connection = Box::pin(self.connect()).await?;
        self.pool.introduce(&connection);
        Ok(connection)
    }

    async fn write(self: &Arc<Self>, ask: Ask, mut connection: Connection) -> Result<(Instant, Waiting), Fault> {
        let is_forwarded = self.connector.forwards();
        let proxy = self.connector.proxy.as_ref().filter(|_| is_forwarded);
        let proxy_basic = proxy.and_then(|proxy| proxy.basic.as_ref());
        let request = Request { template: &self.template, ask: &ask, is_forwarded, proxy_basic };
        let sent = connection.send(&request).await?;
        Ok((sent, Waiting { client: Arc::clone(self), ask, connection, repeated: false }))
    }

    /// Whether a redirect is followed, and where to; what is not followed is left for others to judge.
    fn redirect(&self, ask: &Ask, head: &Head, visited: &[Arc<Url>]) -> Option<Arc<Url>> {
        let status = head.status;
        if !(300..400).contains(&status) {
            return None;
        }
        // One that is not known whole leads somewhere else.
        let is_whole = |location: &&str| {
            location.len() < HEADER_VALUE_BYTES_MAX && !location.contains(char::REPLACEMENT_CHARACTER)
        };
        let target = ask.url.join(head.header("location").filter(is_whole)?).ok()?;
        let keeps_method = matches!(status, 307 | 308);
        let same_origin = target.origin() == self.template.url.origin();
        let follow =
            keeps_method && same_origin && visited.len() < REDIRECTS_MAX && !visited.iter().any(|url| **url == target);
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
        let actual = format!("{} redirects ({status}) to {}; {what}", bare(&ask.url), bare(&target));
        self.notice(Finding::new("http.redirect", severity, "an answer at the address given", actual));
        follow.then(|| Arc::new(target))
    }

    /// A body read to its end gives its connection back; `first_byte` is that of the whole answer.
    fn answer(self: &Arc<Self>, head: Head, connection: Connection) -> Result<Answer, Fault> {
        let (first_byte, at) = connection.read();
        self.look_at_clock(&head);
        let body = Body::new(Arc::clone(self), connection, &head)?;
        Ok(Answer { head, first_byte, at, body })
    }

    /// A fault of an exchange with the target, with its proxy named.
    fn failed(&self, broken: &Broken, opening: &[u8]) -> Fault {
        let host = self.template.authority.to_str().unwrap_or_default();
        self.named(fault::of_exchange(broken, opening, host))
    }
}

/// A request that was handed over.
pub(in crate::transport) struct Waiting {
    client: Arc<Client>,
    ask: Ask,
    connection: Connection,
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
            match self.connection.head().await {
                Ok(head) => {
                    if (300..400).contains(&head.status) {
                        visited.push(Arc::clone(&self.ask.url));
                    }
                    let Some(target) = self.client.redirect(&self.ask, &head, &visited) else {
                        return self.client.answer(head, self.connection);
                    };
                    self.ask.url = target;
                    self = Box::pin(self.follow()).await?;
                }
                Err(broken) => self = Box::pin(self.again(&broken)).await?,
            }
        }
    }

    async fn follow(self) -> Result<Self, Fault> {
        let Self { client, ask, connection, .. } = self;
        // A body that is still on its way is not worth waiting for; its connection goes with it.
        if connection.is_over() {
            client.pool.give_back(connection, &client.tasks);
        }
        client.start(ask).await.map(|(_, waiting)| waiting)
    }

    /// The connection died. A pooled one may have been dead already when the request was written, which is no
    /// failure of the server: such a request is made once more, if it may be made twice or was never written.
    async fn again(self, broken: &Broken) -> Result<Self, Fault> {
        let Self { client, ask, connection, repeated, .. } = self;
        let stale = connection.reused && connection.is_unanswered() && broken.is_closed();
        if repeated || !stale {
            return Err(client.failed(broken, connection.opening()));
        }
        if !connection.is_unsent(broken) && !ask.repeatable {
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
        let connection = client.connect_anew().await?;
        let (_, waiting) = client.write(ask, connection).await?;
        Ok(Self { repeated: true, ..waiting })
    }
}

/// A URL without what may be secret in it.
pub(in crate::transport) fn bare(url: &Url) -> &str {
    &url[..Position::AfterPath]
}

/// The value of an answer's header as text, bounded.
pub(super) fn value_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(HEADER_VALUE_BYTES_MAX)]).into_owned()
}

//! Opens a conversation: connects, finds out the era unless it is pinned or known, and shakes hands. Every wait lies
//! within the startup time-out; every path that fails closes what it opened.
//!
//! On stdio a silent server is not an error: after a pause `initialize` goes down the same pipe and a late modern
//! answer still wins. Only an error reply or an exit costs a fresh process, started when the first has ended.

mod again;
mod remembered;
mod reopen;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::exchange::Exchange;
use super::lasting::Lasting;
use super::line::{Ask, Drive, Line};
use super::pending::Pending;
use super::{Closing, Session, Tap};
use crate::base::{duration, name::Name, sanitize};
use crate::event::{Era, Finding, Phase, Phases, Reason, Severity, TransportKind};
use crate::protocol::detect::{self, Verdict};
use crate::protocol::legacy::{self, Welcome};
use crate::protocol::{Answers, Pin, Revision, modern};
use crate::transport::{Certificate, Dial, Fault};
use crate::wire::results::Results;
pub(super) use again::again;
pub(super) use reopen::reopen;
use words::{fault_of, initialize_refused, not_this_one, unwelcome};

const INITIALIZE: Name = Name::fixed("initialize");
const INITIALIZED: Name = Name::fixed("notifications/initialized");
const DISCOVER: Name = Name::fixed("server/discover");
const TOOLS: Name = Name::fixed("tools/list");
/// How long a stdio server may be silent on `server/discover` before `initialize` is sent as well.
const SILENCE: Duration = Duration::from_secs(2);
/// How long the first process gets to end by itself before the second is started.
const FIRST_PROCESS_GRACE: Duration = Duration::from_millis(500);
/// How long the HTTP+SSE fallback may take.
const FALLBACK_MAX: Duration = Duration::from_secs(5);

/// What an earlier opening of the same target found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The revision that was settled.
    pub revision: &'static Revision,
    /// The transport that worked.
    pub transport: TransportKind,
}

/// How a session is to be opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What to speak.
    pub pin: Pin,
    /// For spawn or connect, detection and handshake together.
    pub startup_timeout: Duration,
    /// Client capabilities to declare, with the answers.
    pub answers: Answers,
    /// From an earlier opening of this target; saves the detection, where the server is still as it was.
    pub known: Option<Known>,
    /// Ends every wait.
    pub cancel: CancellationToken,
    /// Results that were read before, where they are remembered: by who asks again and again.
    pub results: Option<Results>,
}

/// Why no session could be had, with all that was learnt on the way.
pub struct Refused {
    /// The fault.
    pub fault: Fault,
    /// The last exchange of the opening, where one was begun.
    pub exchange: Option<Box<Exchange>>,
    /// What was spent.
    pub phases: Phases,
    /// What was noticed.
    pub findings: Vec<Finding>,
    /// The server's certificate, on https.
    pub certificate: Option<Certificate>,
    /// What is left to be closed, where a link was open.
    pub closing: Option<Closing>,
}

pub(super) async fn open(dial: &dyn Dial, opening: &Opening, tap: Tap) -> Result<Session, Box<Refused>> {
    let begun = Instant::now();
    let deadline = begun + opening.startup_timeout;
    let mut negotiation = Negotiation { dial, opening, tap, begun, deadline, phases: Phases::default() };
    let transports = dial.transports();
    let first = transports.first().copied().unwrap_or(TransportKind::StreamableHttp);
    match opening.known.filter(|_| opening.pin == Pin::Auto) {
        Some(known) => Box::pin(remembered::open(&mut negotiation, known, first)).await,
        None => negotiation.begin(first, opening.pin).await,
    }
}

struct Negotiation<'a> {
    dial: &'a dyn Dial,
    opening: &'a Opening,
    tap: Tap,
    begun: Instant,
    deadline: Instant,
    phases: Phases,
}

type Opened = Result<Session, Box<Refused>>;

impl Negotiation<'_> {
    async fn begin(&mut self, transport: TransportKind, pin: Pin) -> Opened {
        let (asked, strict) = match pin {
            Pin::Version(revision) => (revision, self.opening.pin != Pin::Auto),
            Pin::Modern => (Revision::newest(Era::Modern), false),
            Pin::Legacy | Pin::Auto => (Revision::newest(Era::Legacy), false),
        };
        let line = self.connect(transport).await?;
        match (pin.era(), transport) {
            (Some(Era::Modern), _) => self.pinned_modern(line, asked).await,
            (Some(Era::Legacy), _) | (None, TransportKind::Sse) => self.initialize(line, asked, strict).await,
            (None, TransportKind::Stdio) => Box::pin(self.detect_stdio(line)).await,
            (None, TransportKind::StreamableHttp) => self.detect_http(line).await,
        }
    }

    async fn connect(&mut self, transport: TransportKind) -> Result<Line, Box<Refused>> {
        let cancel = self.opening.cancel.clone();
        let link = tokio::select! {
            link = self.dial.open(transport, cancel.clone()) => link,
            () = cancel.cancelled() => Err(Fault::new(Reason::Cancelled, "interrupted while connecting")),
            () = tokio::time::sleep_until(self.deadline.into()) => Err(Fault::new(
                Reason::Timeout,
                match transport {
                    TransportKind::Sse => format!(
                        "no event \"endpoint\", with which HTTP+SSE begins, within {}",
                        duration::human(self.begun.elapsed())
                    ),
                    _ => format!("no connection within {}", duration::human(self.begun.elapsed())),
                },
            )),
        };
        match link {
            Ok(link) => {
                self.phases.absorb(&link.facts().phases);
                let answers = self.opening.answers.clone();
                let mut line = Line::new(link, transport, answers, self.tap.clone(), cancel);
                line.conversation.remember(self.opening.results.clone());
                Ok(line)
            }
            Err(fault) => Err(Box::new(Refused {
                fault,
                exchange: None,
                phases: self.phases,
                findings: Vec::new(),
                certificate: None,
                closing: None,
            })),
        }
    }

    /// Says why, and leaves what is open to be closed.
    fn refuse(&self, line: Line, fault: Fault, exchange: Option<Exchange>) -> Opened {
        let facts = line.link().facts();
        let mut fault = fault;
        if fault.stderr.is_none() && matches!(fault.reason, Reason::Timeout | Reason::Closed | Reason::Protocol) {
            fault.stderr = facts.stderr;
        }
        let mut findings = line.findings.clone();
        findings.extend(facts.findings);
        if let Some(exchange) = &exchange {
            findings.extend(exchange.findings.iter().cloned());
        }
        Err(Box::new(Refused {
            fault,
            exchange: exchange.map(Box::new),
            phases: self.phases,
            findings,
            certificate: facts.certificate,
            closing: Some(Closing { line, phases: self.phases }),
        }))
    }

    async fn discover(&self, line: &mut Line, revision: &'static Revision) -> Exchange {
        line.conversation.revision = Some(revision);
        let ask = Ask { method: &DISCOVER, params: &Value::Null, schema: None, deadline: self.deadline };
        line.ask(&ask).await
    }

    fn session(&self, line: Line, welcome: Welcome, opening: Exchange, strict: bool) -> Session {
        let mut line = line;
        line.conversation.revision = Some(welcome.revision);
        let facts = line.welcomed(welcome);
        line.note_all(opening.findings.clone());
        Session {
            line,
            facts: Arc::new(facts),
            opening,
            strict,
            phases: self.phases,
            tools: None,
            lasting: Lasting::default(),
        }
    }

    // ---- modern ---------------------------------------------------------------------------------------------------

    /// `server/discover` as the handshake of a pinned era.
    async fn pinned_modern(&mut self, mut line: Line, revision: &'static Revision) -> Opened {
        let begun = Instant::now();
        let mut exchange = self.discover(&mut line, revision).await;
        if Self::verdict(&exchange, revision) == Some(Verdict::Again(revision)) {
            exchange = self.discover(&mut line, revision).await;
        }
        self.phases.add(Phase::Handshake, begun.elapsed());
        match Self::verdict(&exchange, revision) {
            Some(Verdict::Modern(found)) if found == revision => self.welcome_modern(line, revision, exchange),
            Some(Verdict::ModernRefused) => Ok(self.welcome_refused(line, revision, exchange)),
            Some(verdict) => {
                let fault = Fault::new(Reason::Incompatible, not_this_one(&verdict, revision, &exchange));
                self.refuse(line, fault, Some(exchange))
            }
            None => {
                let fault = fault_of(&exchange);
                self.refuse(line, fault, Some(exchange))
            }
        }
    }

    /// The verdict of a reply; `None` where there is no reply to judge.
    fn verdict(exchange: &Exchange, asked: &'static Revision) -> Option<Verdict> {
        let body = &exchange.reply.as_ref().ok()?.body;
        Some(detect::classify(body.as_deref(), asked))
    }

    fn welcome_modern(&self, mut line: Line, revision: &'static Revision, exchange: Exchange) -> Opened {
        let Some(result) = exchange.result() else {
            let fault = fault_of(&exchange);
            return self.refuse(line, fault, Some(exchange));
        };
        line.note_all(modern::missing_members(result, revision, "server/discover"));
        match modern::read_discover(result, revision) {
            Ok(welcome) => Ok(self.session(line, welcome, exchange, true)),
            Err(why) => self.refuse(line, unwelcome(why), Some(exchange)),
        }
    }

    /// Recognisably modern, though it refused our discovery: go on as modern, and say so.
    fn welcome_refused(&self, line: Line, revision: &'static Revision, exchange: Exchange) -> Session {
        let actual = match exchange.error() {
            Some(error) => format!("error {}: {}", error.code, sanitize::one_line(&error.message, 160)),
            None => "no result".to_owned(),
        };
        let finding = Finding::new("era.discover", Severity::Error, "server/discover answers any client", actual);
        self.session(line, unknown(revision, finding), exchange, true)
    }

    // ---- detection ------------------------------------------------------------------------------------------------

    async fn detect_http(&mut self, mut line: Line) -> Opened {
        let newest = Revision::newest(Era::Modern);
        let begun = Instant::now();
        let mut exchange = self.discover(&mut line, newest).await;
        let mut asked = newest;
        if let Some(Verdict::Again(revision)) = Self::verdict(&exchange, newest)
            && !exchange.head.as_ref().is_some_and(|head| detect::gives_no_verdict(head.status))
        {
            asked = revision;
            exchange = self.discover(&mut line, revision).await;
        }
        self.phases.add(Phase::Detect, begun.elapsed());
        let status = exchange.head.as_ref().map(|head| head.status);
        if status.is_some_and(detect::gives_no_verdict) {
            let fault = fault_of(&exchange);
            return self.refuse(line, fault, Some(exchange));
        }
        match Self::verdict(&exchange, asked) {
            Some(Verdict::Legacy { why, violation }) => {
                note_violation(&mut line, why, violation);
                self.fall_back_http(line, exchange).await
            }
            Some(verdict) => self.settle_modern(line, verdict, asked, exchange),
            // A body that is no message is legacy only when the answer itself was whole.
            None => match &exchange.reply {
                Err(fault) if status.is_some() && matches!(fault.reason, Reason::Http | Reason::Protocol) => {
                    self.fall_back_http(line, exchange).await
                }
                _ => {
                    let fault = fault_of(&exchange);
                    self.refuse(line, fault, Some(exchange))
                }
            },
        }
    }

    fn settle_modern(&self, line: Line, verdict: Verdict, asked: &'static Revision, exchange: Exchange) -> Opened {
        match verdict {
            Verdict::Modern(revision) => self.welcome_modern(line, revision, exchange),
            Verdict::ModernRefused => Ok(self.welcome_refused(line, asked, exchange)),
            verdict => {
                let fault = Fault::new(Reason::Incompatible, not_this_one(&verdict, asked, &exchange));
                self.refuse(line, fault, Some(exchange))
            }
        }
    }

    /// `initialize` on the same endpoint. Where both eras are refused in modern words, a modern `tools/list` decides.
    async fn fall_back_http(&mut self, line: Line, discover: Exchange) -> Opened {
        let refused_modern = discover.error().is_some();
        let mut refused = match self.initialize(line, Revision::newest(Era::Legacy), false).await {
            Ok(session) => return Ok(session),
            Err(refused) => refused,
        };
        let in_modern_words = refused
            .exchange
            .as_ref()
            .and_then(|exchange| exchange.error().map(|error| (error, exchange.head.as_ref())))
            .is_some_and(|(error, head)| {
                detect::is_modern_error(error) || (error.code == -32601 && head.is_some_and(|head| head.status == 404))
            });
        if refused_modern && in_modern_words {
            if let Some(closing) = refused.closing.take() {
                closing.finish(FIRST_PROCESS_GRACE).await;
            }
            let revision = Revision::newest(Era::Modern);
            let mut line = self.connect(TransportKind::StreamableHttp).await?;
            line.conversation.revision = Some(revision);
            let ask = Ask { method: &TOOLS, params: &Value::Null, schema: None, deadline: self.deadline };
            let exchange = line.ask(&ask).await;
            if exchange.result().is_some_and(|result| result.get("resultType").is_some()) {
                let finding = Finding::new(
                    "era.discover",
                    Severity::Error,
                    "server/discover, which every server of 2026-07-28 must have",
                    "server/discover and initialize are both refused, a modern tools/list is answered",
                );
                return Ok(self.session(line, unknown(revision, finding), exchange, true));
            }
            line.close(FIRST_PROCESS_GRACE, self.phases).await;
        }
        refused.phases = self.phases;
        Err(refused)
    }

    async fn detect_stdio(&mut self, mut line: Line) -> Opened {
        let newest = Revision::newest(Era::Modern);
        let begun = Instant::now();
        line.conversation.revision = Some(newest);
        let ask = Ask { method: &DISCOVER, params: &Value::Null, schema: None, deadline: self.deadline };
        let mut pending = line.begin(&ask).await;
        let pause = (Instant::now() + SILENCE).min(self.deadline);
        let drive = line.drive(&mut [&mut pending], pause).await;
        if drive == Drive::TimeUp && pause < self.deadline {
            return self.race_stdio(line, pending, begun).await;
        }
        line.give_up(&mut pending, drive).await;
        let mut exchange = pending.into_exchange();
        let mut asked = newest;
        if let Some(Verdict::Again(revision)) = Self::verdict(&exchange, newest) {
            asked = revision;
            exchange = self.discover(&mut line, revision).await;
        }
        match Self::verdict(&exchange, asked) {
            // A server that answered with a result is well, and goes on in the same process.
            Some(Verdict::Legacy { why, violation }) if exchange.error().is_none() => {
                self.phases.add(Phase::Detect, begun.elapsed());
                note_violation(&mut line, why, violation);
                self.initialize(line, Revision::newest(Era::Legacy), false).await
            }
            Some(Verdict::Legacy { why, violation }) => {
                let note = violation.then_some(why);
                self.fresh(line, begun, note).await
            }
            Some(verdict) => {
                self.phases.add(Phase::Detect, begun.elapsed());
                self.settle_modern(line, verdict, asked, exchange)
            }
            None if matches!(&exchange.reply, Err(fault) if ends_process(fault)) => self.fresh(line, begun, None).await,
            None => {
                self.phases.add(Phase::Detect, begun.elapsed());
                let fault = fault_of(&exchange);
                self.refuse(line, fault, Some(exchange))
            }
        }
    }

    /// The server was silent: `initialize` goes down the same pipe, and whichever is answered first decides. A modern
    /// answer wins whenever it comes before the legacy one.
    async fn race_stdio(&mut self, mut line: Line, mut discover: Pending, begun: Instant) -> Opened {
        let newest = Revision::newest(Era::Modern);
        let legacy_newest = Revision::newest(Era::Legacy);
        line.conversation.revision = None;
        let params = legacy::initialize_params(legacy_newest, &self.opening.answers);
        let ask = Ask { method: &INITIALIZE, params: &params, schema: None, deadline: self.deadline };
        let mut hello = line.begin(&ask).await;
        let mut drive = line.drive(&mut [&mut discover, &mut hello], self.deadline).await;
        if discover.done.is_some() && hello.done.is_none() {
            if let Some(verdict) = modern_after_all(&discover, newest) {
                line.forget(&mut hello);
                self.phases.add(Phase::Detect, begun.elapsed());
                return self.settle_modern(line, verdict, newest, discover.into_exchange());
            }
            drive = line.drive(&mut [&mut hello], self.deadline).await;
        }
        if let (None, Some(certain)) = (&discover.done, hello.is_error(detect::UNSUPPORTED_VERSION)) {
            // A slow modern server may refuse `initialize` before it answers what came first.
            let pause = if certain { self.deadline } else { (Instant::now() + SILENCE).min(self.deadline) };
            line.drive(&mut [&mut discover], pause).await;
            if let Some(verdict) = modern_after_all(&discover, newest) {
                self.phases.add(Phase::Detect, begun.elapsed());
                return self.settle_modern(line, verdict, newest, discover.into_exchange());
            }
        }
        line.forget(&mut discover);
        line.give_up(&mut hello, drive).await;
        let mut exchange = hello.into_exchange();
        if let Err(fault) = &mut exchange.reply
            && fault.reason == Reason::Timeout
        {
            let waited = duration::human(begun.elapsed());
            fault.message = format!("no reply to server/discover, nor to initialize, within {waited}");
        }
        if let Some(error) = exchange.error() {
            if error.code != detect::UNSUPPORTED_VERSION {
                return self.fresh(line, begun, None).await;
            }
            let exchange = self.discover(&mut line, newest).await;
            self.phases.add(Phase::Detect, begun.elapsed());
            let verdict = Self::verdict(&exchange, newest);
            return match verdict {
                Some(verdict) => self.settle_modern(line, verdict, newest, exchange),
                None => {
                    let fault = fault_of(&exchange);
                    self.refuse(line, fault, Some(exchange))
                }
            };
        }
        if matches!(&exchange.reply, Err(fault) if ends_process(fault)) {
            return self.fresh(line, begun, None).await;
        }
        self.phases.add(Phase::Detect, SILENCE);
        self.phases.add(Phase::Handshake, begun.elapsed().saturating_sub(SILENCE));
        self.greeted(line, exchange, legacy_newest, false).await
    }

    /// Ends the first process and opens the session on a second one.
    async fn fresh(&mut self, line: Line, begun: Instant, violation: Option<&'static str>) -> Opened {
        line.close(FIRST_PROCESS_GRACE, Phases::default()).await;
        self.phases = Phases::default();
        self.phases.add(Phase::Detect, begun.elapsed());
        let mut line = self.connect(TransportKind::Stdio).await?;
        if let Some(why) = violation {
            note_violation(&mut line, why, true);
        }
        self.initialize(line, Revision::newest(Era::Legacy), false).await
    }

    // ---- legacy ---------------------------------------------------------------------------------------------------

    async fn initialize(&mut self, mut line: Line, asked: &'static Revision, strict: bool) -> Opened {
        let begun = Instant::now();
        line.conversation.revision = None;
        let params = legacy::initialize_params(asked, &self.opening.answers);
        let ask = Ask { method: &INITIALIZE, params: &params, schema: None, deadline: self.deadline };
        let exchange = line.ask(&ask).await;
        if self.may_try_sse(&line, &exchange) {
            return self.fall_back_sse(line, exchange, asked, strict).await;
        }
        let opened = self.greeted(line, exchange, asked, strict).await;
        match opened {
            Ok(mut session) => {
                self.phases.add(Phase::Handshake, begun.elapsed());
                session.phases = self.phases;
                Ok(session)
            }
            Err(mut refused) => {
                self.phases.add(Phase::Handshake, begun.elapsed());
                refused.phases = self.phases;
                if let Some(closing) = &mut refused.closing {
                    closing.phases = self.phases;
                }
                Err(refused)
            }
        }
    }

    /// Reads the reply to `initialize` and tells the server that we are ready.
    async fn greeted(&mut self, mut line: Line, exchange: Exchange, asked: &'static Revision, strict: bool) -> Opened {
        let welcome = match &exchange.reply {
            Ok(reply) => match &reply.body {
                Ok(result) => legacy::read_initialize(result, asked, strict).map_err(unwelcome),
                Err(error) => Err(initialize_refused(error, asked)),
            },
            Err(fault) => Err(fault.clone()),
        };
        match welcome {
            Ok(welcome) => {
                line.conversation.revision = Some(welcome.revision);
                let ready = line.notify(&INITIALIZED, self.deadline).await;
                if let Err(fault) = ready.reply {
                    return self.refuse(line, fault, Some(exchange));
                }
                Ok(self.session(line, welcome, exchange, strict))
            }
            Err(fault) => self.refuse(line, fault, Some(exchange)),
        }
    }

    fn may_try_sse(&self, line: &Line, exchange: &Exchange) -> bool {
        let modern = exchange.error().is_some_and(|error| {
            detect::is_modern_error(error)
                || (error.code == -32601 && exchange.head.as_ref().is_some_and(|head| head.status == 404))
        });
        line.conversation.transport == TransportKind::StreamableHttp
            && self.dial.transports().contains(&TransportKind::Sse)
            && !modern
            && exchange.head.as_ref().is_some_and(|head| detect::may_be_http_sse(head.status))
    }

    /// GET of the same URL: an event `endpoint` means the HTTP+SSE of 2024-11-05. Otherwise the first refusal stands.
    async fn fall_back_sse(
        &mut self,
        line: Line,
        exchange: Exchange,
        asked: &'static Revision,
        strict: bool,
    ) -> Opened {
        let begun = Instant::now();
        let mut first = self.refuse(line, fault_of(&exchange), Some(exchange));
        if let Err(refused) = &mut first
            && let Some(closing) = refused.closing.take()
        {
            closing.finish(FIRST_PROCESS_GRACE).await;
        }
        let deadline = self.deadline;
        self.deadline = deadline.min(Instant::now() + FALLBACK_MAX);
        let phases = self.phases;
        let connected = self.connect(TransportKind::Sse).await;
        self.deadline = deadline;
        match connected {
            Ok(line) => {
                let took = self.phases.get(Phase::Detect).unwrap_or_default() + begun.elapsed();
                self.phases = line.link().facts().phases;
                self.phases.add(Phase::Detect, took);
                Box::pin(self.initialize(line, asked, strict)).await
            }
            Err(_) => {
                self.phases = phases;
                first
            }
        }
    }
}

/// The verdict of a late reply to `server/discover`, where it is that of a modern server.
fn modern_after_all(discover: &Pending, asked: &'static Revision) -> Option<Verdict> {
    let Some(Ok(reply)) = &discover.done else { return None };
    let verdict = detect::classify(reply.body.as_deref(), asked);
    matches!(verdict, Verdict::Modern(_) | Verdict::ModernRefused).then_some(verdict)
}

fn ends_process(fault: &Fault) -> bool {
    matches!(fault.reason, Reason::Exited | Reason::Closed)
}

/// Facts of a server that answered no discovery.
fn unknown(revision: &'static Revision, finding: Finding) -> Welcome {
    Welcome {
        revision,
        identity: None,
        capabilities: Value::Object(serde_json::Map::new()),
        instructions: None,
        supported: Vec::new(),
        findings: vec![finding],
    }
}

fn note_violation(line: &mut Line, why: &'static str, violation: bool) {
    if violation {
        line.note(Finding::new(
            "era.discover",
            Severity::Warning,
            "-32022 with data.supported, a list of versions",
            format!("{why}; taken as a legacy server"),
        ));
    }
}

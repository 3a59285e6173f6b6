//! One conversation driven over a transport: opening and negotiation, calls, closing. A call never fails as an
//! error; it gives an [`Exchange`] that says what came, when, or why nothing could be had.

mod crossing;
pub mod exchange;
mod lasting;
mod line;
mod negotiate;
pub mod notices;
mod pending;
mod questions;
pub mod tap;
pub mod tracing;

pub use crossing::{Elsewhere, Pass};
pub use exchange::{Exchange, Marks, Reply, ServerFacts};
pub use negotiate::{Known, Opening, Refused};
pub use notices::{Counted, Notice, Notices};
pub use tap::{Passing, Recorder, Tap};
pub use tracing::Tracing;

use crate::base::name::Name;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::base::duration;
use crate::event::{Era, Finding, Phase, Phases, Reason, Severity, TransportKind};
use crate::protocol::paging::Pages;
use crate::protocol::{Answers, detect, modern};
use crate::transport::{Certificate, Dial, Farewell, Fault};
use lasting::Lasting;
use line::{Ask, Line};

/// More rounds of input than any honest call needs.
const ROUNDS_MAX: u32 = 8;

/// More than the definitions that any client could use: what all pages of a list may have together.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// One call to be made.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Name,
    /// The parameters, without what the era adds.
    pub params: Value,
    /// What the server may ask meanwhile. In the legacy era only what was declared at the opening may be asked; what these
    /// leave out of it is answered as it was declared.
    pub answers: Answers,
}

impl Call {
    /// A call that answers no questions.
    #[must_use]
    pub fn new(method: impl Into<Name>, params: Value) -> Self {
        Self { method: method.into(), params, answers: Answers::default() }
    }
}

/// An open conversation.
pub struct Session {
    line: Line,
    facts: Arc<ServerFacts>,
    opening: Exchange,
    strict: bool,
    phases: Phases,
    /// The whole result of `tools/list`.
    tools: Option<Arc<Value>>,
    lasting: Lasting,
}

/// How a session ended, with all that was learnt over its life.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// How the link ended.
    pub farewell: Farewell,
    /// Everything that was noticed outside single calls.
    pub findings: Vec<Finding>,
    /// All phases but `call`.
    pub phases: Phases,
    /// The server's certificate, on https.
    pub certificate: Option<Certificate>,
}

impl Session {
    /// Opens a link, finds out the era (unless pinned) and opens the conversation.
    ///
    /// # Errors
    /// [`Refused`], with everything that was learnt on the way; nothing is left behind.
    pub async fn open(dial: &dyn Dial, opening: &Opening, tap: Tap) -> Result<Self, Box<Refused>> {
        Box::pin(negotiate::open(dial, opening, tap)).await
    }

    /// Tries a refused handshake again on the link that is still open. `method` is what was refused.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn again(
        closing: Closing,
        method: &str,
        dial: &dyn Dial,
        opening: &Opening,
        tap: Tap,
    ) -> Result<Self, Box<Refused>> {
        negotiate::again(closing, method, dial, opening, tap).await
    }

    /// What the server said of itself.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// The same, to be kept.
    #[must_use]
    pub fn shared_facts(&self) -> Arc<ServerFacts> {
        Arc::clone(&self.facts)
    }

    /// The names of the client capabilities that are declared, sorted: in the modern era with each call, so those of the
    /// last one.
    #[must_use]
    pub fn declared(&self) -> Vec<String> {
        let capabilities = self.line.conversation.answers().capabilities();
        let mut names: Vec<String> =
            capabilities.as_object().map(|declared| declared.keys().cloned().collect()).unwrap_or_default();
        names.sort_unstable();
        names
    }

    /// The exchange that opened the conversation: `initialize`, or `server/discover`.
    #[must_use]
    pub fn opening(&self) -> &Exchange {
        &self.opening
    }

    /// Lets go of the bytes of the opening and of what was heard with it: a session that is held for long needs neither.
    pub fn let_go_of_opening(&mut self) {
        self.opening.notices = Notices::default();
        if let Ok(reply) = &mut self.opening.reply {
            reply.raw = Vec::new();
        }
    }

    /// What opening took.
    #[must_use]
    pub fn phases(&self) -> &Phases {
        &self.phases
    }

    /// What was noticed outside single calls, so far.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.line.findings.clone();
        for finding in self.line.link().findings() {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        findings
    }

    /// The server's certificate, on https.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        self.line.link().certificate()
    }

    /// The process of the server, on stdio.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.line.link().pid()
    }

    /// The tools, read once per session and outside all timings.
    ///
    /// # Errors
    /// The fault or error that `tools/list` ended with, as a fault.
    pub async fn tools(&mut self, deadline: Instant) -> Result<&[Value], Fault> {
        if self.tools.is_none() {
            let exchange = self.list(&Call::new(Name::fixed("tools/list"), Value::Null), "tools", deadline).await;
            self.tools = Some(tools_of(exchange)?);
        }
        Ok(self.tools_read().unwrap_or_default())
    }

    /// The tools, where the list was read already.
    #[must_use]
    pub fn tools_read(&self) -> Option<&[Value]> {
        Some(self.tools.as_ref()?.get("tools")?.as_array()?)
    }

    /// Lets the tools be read anew when they are needed next: a server may learn more of them.
    pub fn forget_tools(&mut self) {
        self.tools = None;
    }

    /// Waits, and answers what the server asks meanwhile.
    pub async fn idle(&mut self, until: Instant) {
        self.line.idle(tokio::time::sleep_until(until.into())).await;
    }

    /// Waits for an end, and answers what the server asks meanwhile. Gives the fault with which the link went, if it did.
    pub async fn idle_until(&mut self, end: impl Future<Output = ()>) -> Option<Fault> {
        self.line.idle(end).await
    }

    /// Whether nothing can be heard while nothing is asked.
    #[must_use]
    pub fn is_still(&mut self) -> bool {
        self.line.is_still()
    }

    /// What another link needs to speak under the id of this session; none where it has no id.
    #[must_use]
    pub fn pass(&self) -> Option<Pass> {
        Pass::of(self)
    }

    /// Keeps what passes from now on there, and no longer where it was kept before.
    pub fn record(&mut self, recorder: Option<Recorder>) {
        self.line.record(recorder);
    }

    /// What passes from now on is part of that trace.
    pub fn trace(&mut self, tracing: Tracing) {
        self.line.trace(tracing);
    }

    /// Makes one call: all pages of a list, all rounds of input, one new session where the old one is gone.
    pub async fn call(&mut self, call: &Call, deadline: Instant) -> Exchange {
        self.line.conversation.answer_with(&call.answers);
        let list = self.facts.revision.method(&call.method).and_then(|method| method.list);
        let mut exchange = match list {
            Some(member) => self.list(call, member, deadline).await,
            None => self.single(call, deadline).await,
        };
        if self.facts.revision.era == Era::Modern
            && let Some(result) = exchange.result()
        {
            let missing = modern::missing_members(result, self.facts.revision, &call.method);
            if self.facts.identity.is_none()
                && let Some(identity) = modern::identity_of(result)
            {
                Arc::make_mut(&mut self.facts).identity = Some(identity);
            }
            exchange.findings.extend(missing);
        }
        exchange
    }

    async fn list(&mut self, call: &Call, member: &'static str, deadline: Instant) -> Exchange {
        let begun = Instant::now();
        let mut pages = Pages::new(member);
        let mut first: Option<Exchange> = None;
        let mut params = call.params.clone();
        loop {
            let mut page = self.exchange(&call.method, &params, None, deadline).await;
            self.must_be_complete(&mut page);
            if let Err(fault) = &mut page.reply
                && fault.reason == Reason::Timeout
                && pages.count() > 0
            {
                let (read, within) = (pages.count(), duration::human(begun.elapsed()));
                fault.message = format!(
                    "{} did not end within {within}: {read} pages were read, the next did not come",
                    call.method
                );
            }
            let result = match &mut page.reply {
                // It comes back merged with the others.
                Ok(Reply { body: Ok(result), .. }) => Some(std::mem::take(result)),
                _ => None,
            };
            let exchange = match &mut first {
                None => first.insert(page),
                Some(exchange) => {
                    append(exchange, page);
                    exchange
                }
            };
            if exchange.response_bytes > LIST_BYTES_MAX && exchange.reply.is_ok() {
                exchange.marks.last_byte = None;
                exchange.reply = Err(too_large(&call.method, exchange.response_bytes, pages.count() + 1));
            }
            let result = result.filter(|_| exchange.reply.is_ok());
            let cursor = result.and_then(|result| pages.add(result));
            exchange.pages = pages.count().max(1);
            exchange.total = begun.elapsed();
            let Some(cursor) = cursor else { break };
            if !params.is_object() {
                params = Value::Object(serde_json::Map::new());
            }
            params["cursor"] = cursor.into();
        }
        let mut exchange = first.unwrap_or_else(|| unreachable!("the loop asks at least once"));
        let (merged, findings) = pages.finish();
        if let Ok(Reply { body: Ok(result), .. }) = &mut exchange.reply {
            *result = merged;
        }
        exchange.findings.extend(findings);
        exchange.params = call.params.clone();
        exchange
    }

    /// Nothing but the methods that may ask for input may answer with anything but a complete result.
    fn must_be_complete(&self, exchange: &mut Exchange) {
        if self.facts.revision.era != Era::Modern {
            return;
        }
        let Some(result) = exchange.result() else { return };
        if let modern::Next::Stuck(why) = modern::next(result, None, &Value::Null, &Answers::default()) {
            exchange.reply = Err(Fault::new(Reason::Protocol, why));
        }
    }

    async fn single(&mut self, call: &Call, deadline: Instant) -> Exchange {
        let begun = Instant::now();
        let modern_http =
            self.facts.revision.http.method_headers && self.facts.transport == TransportKind::StreamableHttp;
        let schema =
            if modern_http && call.method == "tools/call" { self.schema(&call.params, deadline).await } else { None };
        let mut exchange = self.exchange(&call.method, &call.params, schema.as_ref(), deadline).await;
        let mismatch = exchange.error().is_some_and(|error| error.code == detect::HEADER_MISMATCH);
        if mismatch && schema.is_some() {
            self.tools = None;
            let schema = self.schema(&call.params, deadline).await;
            exchange = self.exchange(&call.method, &call.params, schema.as_ref(), deadline).await;
        }
        if self.facts.revision.era == Era::Modern {
            exchange = self.rounds(call, exchange, deadline).await;
        }
        exchange.params = call.params.clone();
        exchange.total = begun.elapsed();
        exchange
    }

    /// Answers `input_required` until the result is complete.
    async fn rounds(&mut self, call: &Call, mut exchange: Exchange, deadline: Instant) -> Exchange {
        let method = self.facts.revision.method(&call.method);
        for _ in 0..ROUNDS_MAX {
            let Some(result) = exchange.result() else { return exchange };
            match modern::next(result, method, &call.params, &call.answers) {
                modern::Next::Complete => return exchange,
                modern::Next::Stuck(why) => {
                    exchange.findings.push(Finding::new(
                        "answers.unasked",
                        Severity::Error,
                        "a complete result for a client that declares no capability",
                        why.clone(),
                    ));
                    exchange.reply = Err(Fault::new(Reason::Protocol, why));
                    return exchange;
                }
                modern::Next::Again(params) => {
                    let schema = self.schema_known(&call.params);
                    let next = self.exchange(&call.method, &params, schema.as_ref(), deadline).await;
                    let mut findings = std::mem::take(&mut exchange.findings);
                    let mut notices = std::mem::take(&mut exchange.notices);
                    exchange = next;
                    findings.append(&mut exchange.findings);
                    notices.append(std::mem::take(&mut exchange.notices));
                    exchange.findings = findings;
                    exchange.notices = notices;
                }
            }
        }
        exchange.reply = Err(Fault::new(
            Reason::Protocol,
            format!("{} still asks for input after {ROUNDS_MAX} rounds", call.method),
        ));
        exchange
    }

    /// One request and its reply. A session that the server has forgotten is opened anew, once.
    async fn exchange(&mut self, method: &Name, params: &Value, schema: Option<&Value>, deadline: Instant) -> Exchange {
        let ask = Ask { method, params, schema, deadline };
        let (exchange, is_forgotten) = self.line.ask_in_session(&ask).await;
        if !is_forgotten {
            return exchange;
        }
        self.line.findings.push(Finding::new(
            "session.expired",
            Severity::Warning,
            "the session lives as long as it is used",
            format!("HTTP 404 for {method}: the server forgot the session; a new one was opened"),
        ));
        match negotiate::reopen(&mut self.line, self.facts.revision, self.strict, deadline).await {
            Ok((welcome, opening)) => {
                self.lasting = Lasting::of([&*welcome.findings, &*opening.findings].concat());
                self.line.note_all(opening.findings.clone());
                self.facts = Arc::new(self.line.welcomed(welcome));
                self.opening = opening;
                self.tools = None;
                self.line.ask(&ask).await
            }
            Err(fault) => Exchange { reply: Err(fault), ..exchange },
        }
    }

    async fn schema(&mut self, params: &Value, deadline: Instant) -> Option<Value> {
        // A failing list is no reason to withhold the call: the server will say what it misses.
        let _ = self.tools(deadline).await;
        self.schema_known(params)
    }

    fn schema_known(&self, params: &Value) -> Option<Value> {
        let name = params.get("name")?;
        self.tools_read()?.iter().find(|tool| tool.get("name") == Some(name))?.get("inputSchema").cloned()
    }

    /// What is left to be closed.
    #[must_use]
    pub fn into_closing(self) -> Closing {
        Closing { line: self.line, phases: self.phases }
    }

    /// Ends the conversation and the link; nothing is left behind.
    pub async fn close(self, grace: Duration) -> Ending {
        self.into_closing().finish(grace).await
    }
}

/// A link that has served and is to be closed. The answer is there before this is done, so that a server that is slow to
/// exit delays nothing but the exit.
pub struct Closing {
    line: Line,
    phases: Phases,
}

impl Closing {
    /// Ends the session (legacy HTTP: by DELETE) and the link; a child by the ladder, each rung after `grace`.
    pub async fn finish(mut self, grace: Duration) -> Ending {
        self.line.end_session(grace).await;
        self.line.close(grace, self.phases).await
    }
}

fn append(exchange: &mut Exchange, page: Exchange) {
    exchange.response_bytes += page.response_bytes;
    exchange.findings.extend(page.findings);
    exchange.notices.append(page.notices);
    match (&mut exchange.reply, page.reply) {
        (Ok(reply), Ok(page)) => {
            reply.raw.extend(page.raw);
            if page.body.is_err() {
                reply.body = page.body;
            }
        }
        (reply, Err(fault)) => {
            *reply = Err(fault);
            // The list did not come, however quick its first page was; what the server says of that is in this head.
            exchange.marks.last_byte = None;
            exchange.head = page.head.or(exchange.head.take());
            exchange.refused = page.refused;
        }
        (Err(_), Ok(_)) => {}
    }
}

fn too_large(method: &str, seen: u64, pages: u32) -> Fault {
    let message = format!(
        "{method} has {seen} bytes or more, in {pages} pages: the limit is {LIST_BYTES_MAX} bytes for all pages of a list"
    );
    Fault::new(Reason::TooLarge, message)
}

fn tools_of(exchange: Exchange) -> Result<Arc<Value>, Fault> {
    match exchange.reply?.body {
        Ok(result) if result.get("tools").is_some_and(Value::is_array) => Ok(result),
        Ok(_) => Err(Fault::new(Reason::Protocol, "the result of tools/list has no array \"tools\"")),
        Err(error) => Err(Fault::new(
            Reason::RpcError,
            format!(
                "tools/list was answered with error {}: {}",
                error.code,
                crate::base::sanitize::one_line(&error.message, 200)
            ),
        )),
    }
}

impl Ending {
    /// Adds the phase of closing and what it showed.
    fn of(
        farewell: Farewell,
        mut findings: Vec<Finding>,
        mut phases: Phases,
        certificate: Option<Certificate>,
    ) -> Self {
        phases.add(Phase::Close, farewell.took);
        findings.extend(farewell.findings.iter().cloned());
        Self { farewell, findings, phases, certificate }
    }
}

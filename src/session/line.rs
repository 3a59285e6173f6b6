//! Drives a conversation over a link: sends, listens, hands each thing heard to the message it belongs to, answers
//! the server's questions, takes up cut streams, and gives up at the deadline in the way of the era.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::Ending;
use super::exchange::{Exchange, ServerFacts};
use super::pending::Pending;
use super::questions::{ASIDE_WAIT, Questions};
use super::tap::{CallIds, Passing, Recorder, Tap};
use super::tracing::Tracing;
use crate::base::name::Name;
use crate::base::{duration, sanitize};
use crate::event::{Direction, Era, Finding, Phases, Reason, Severity, TransportKind};
use crate::protocol::conversation::{Composed, Sorted, Within};
use crate::protocol::legacy::Welcome;
use crate::protocol::{Answers, Conversation};
use crate::transport::{Fault, Heard, Intent, Key, Link, Outgoing, What};
use crate::wire::{Frame, Id, Message};

/// Findings kept for one session.
const FINDINGS_MAX: usize = 200;
/// Stray messages kept for one call.
const STRAYS_MAX: usize = 5;

/// A request to be made.
pub(super) struct Ask<'a> {
    pub(super) method: &'a Name,
    pub(super) params: &'a Value,
    pub(super) schema: Option<&'a Value>,
    pub(super) deadline: Instant,
}

pub(super) struct Line {
    pub(super) conversation: Conversation,
    pub(super) findings: Vec<Finding>,
    link: Box<dyn Link>,
    tap: Tap,
    cancel: CancellationToken,
    last_key: Key,
    questions: Questions,
}

/// Why [`Line::drive`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drive {
    /// Something that was waited for is done.
    Done,
    /// The time is up.
    TimeUp,
    /// The run was cancelled.
    Cancelled,
}

impl Line {
    pub(super) fn new(
        link: Box<dyn Link>,
        transport: TransportKind,
        answers: Answers,
        tap: Tap,
        cancel: CancellationToken,
    ) -> Self {
        let conversation = Conversation::new(transport, answers);
        Self { conversation, findings: Vec::new(), link, tap, cancel, last_key: 0, questions: Questions::default() }
    }

    /// One request, its reply, or why there is none.
    pub(super) async fn ask(&mut self, ask: &Ask<'_>) -> Exchange {
        self.ask_in_session(ask).await.0
    }

    /// The same, with whether the server no longer knows the HTTP session that the request named.
    pub(super) async fn ask_in_session(&mut self, ask: &Ask<'_>) -> (Exchange, bool) {
        let named = self.conversation.http_session.is_some();
        let mut pending = self.begin(ask).await;
        let drive = self.drive(&mut [&mut pending], ask.deadline).await;
        self.give_up(&mut pending, drive).await;
        let is_lost = named && pending.is_unknown();
        (pending.into_exchange(), is_lost)
    }

    /// Sends a request.
    pub(super) async fn begin(&mut self, ask: &Ask<'_>) -> Pending {
        self.questions.begin();
        let ids = self.tap.call();
        let traceparent = ids.calling.traceparent();
        let composed = self.conversation.request(ask.method, ask.params, ask.schema, traceparent.as_deref());
        self.dispatch(composed, ids, Intent::Request, ask).await
    }

    /// Sends a notification and waits until Streamable HTTP has acknowledged it.
    pub(super) async fn notify(&mut self, method: &Name, deadline: Instant) -> Exchange {
        let composed = self.conversation.notification(method, None);
        let ids = self.tap.call();
        let ask = Ask { method, params: &Value::Null, schema: None, deadline };
        let mut pending = self.dispatch(composed, ids, Intent::OneWay, &ask).await;
        // A pipe acknowledges nothing.
        if self.conversation.transport == TransportKind::Stdio {
            pending.done.get_or_insert(Ok(super::Reply { body: Ok(Arc::default()), raw: Vec::new() }));
        }
        let drive = self.drive(&mut [&mut pending], deadline).await;
        self.give_up(&mut pending, drive).await;
        pending.into_exchange()
    }

    async fn dispatch(&mut self, composed: Composed, ids: CallIds, intent: Intent, ask: &Ask<'_>) -> Pending {
        let Ask { method, deadline, .. } = *ask;
        self.last_key += 1;
        self.tap_sent(&composed, &ids, method);
        let bytes = composed.body.len() as u64;
        let mut pending = Pending::new(self.last_key, composed.id, method.clone(), ask.params.clone(), ids, bytes);
        let outgoing = Outgoing {
            key: pending.key,
            intent,
            body: composed.body,
            headers: composed.headers,
            repeatable: *method != "tools/call",
        };
        let cancel = self.cancel.clone();
        tokio::select! {
            biased;
            sent = timeout_at(deadline.into(), self.link.send(outgoing)) => match sent {
                Ok(Ok(at)) => pending.marks.sent = Some(at),
                Ok(Err(fault)) => pending.fail(fault),
                Err(_) => pending.fail(Fault::new(
                    Reason::Timeout,
                    format!(
                        "{method} could not be written within {}: the server does not read",
                        duration::human(pending.begun.elapsed())
                    ),
                )),
            },
            () = cancel.cancelled() => pending.fail(cancelled()),
        }
        pending
    }

    /// Listens until one of them is done.
    pub(super) async fn drive(&mut self, open: &mut [&mut Pending], until: Instant) -> Drive {
        let cancel = self.cancel.clone();
        loop {
            // A server that never stops talking must not keep the clock from being looked at.
            if cancel.is_cancelled() {
                return Drive::Cancelled;
            }
            if Instant::now() >= until {
                return Drive::TimeUp;
            }
            if open.iter().any(|pending| pending.done.is_some()) {
                return Drive::Done;
            }
            let wake =
                open.iter().filter_map(|pending| pending.resume.as_ref().map(|(at, _)| *at)).fold(until, Instant::min);
            tokio::select! {
                biased;
                // A sleep beside it would never come to its turn while a server talks without a pause: all of what this task
                // may do at a time goes to the reading. The time-out is looked at all the same.
                heard = timeout_at(wake.into(), self.link.recv()) => match heard {
                    Ok(heard) => self.take(heard, open).await,
                    Err(_) if Instant::now() >= until => return Drive::TimeUp,
                    Err(_) => self.resume(open, until).await,
                },
                () = cancel.cancelled() => return Drive::Cancelled,
            }
        }
    }

    /// Hears, with nothing open, until the end has come: pings are answered, the rest is noted. Gives the fault with which
    /// the link went meanwhile; the next call would tell it too.
    pub(super) async fn idle(&mut self, end: impl Future<Output = ()>) -> Option<Fault> {
        let cancel = self.cancel.clone();
        tokio::pin!(end);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return None,
                () = &mut end => return None,
                heard = self.link.recv() => {
                    if let (None, What::Fault(fault)) = (heard.key, &heard.what) {
                        let fault = fault.clone();
                        tokio::select! {
                            () = cancel.cancelled() => {}
                            () = end => {}
                        }
                        return Some(fault);
                    }
                    // Most sessions that rest hear nothing: they need no room for what they would do then.
                    Box::pin(self.take(heard, &mut [])).await;
                }
            }
        }
    }

    /// Turns the end of waiting into a fault and cancels what is still running on the server.
    pub(super) async fn give_up(&mut self, pending: &mut Pending, drive: Drive) {
        if pending.done.is_some() {
            self.settle(pending);
            return;
        }
        let fault = match drive {
            Drive::Cancelled => cancelled(),
            _ => self.timeout(pending),
        };
        let why = if drive == Drive::Cancelled { "interrupted" } else { "timeout" };
        if let Some(id) = pending.id.clone()
            && let Some(message) = self.conversation.cancellation(&id, &pending.method, why)
        {
            self.send_aside(message, "notifications/cancelled", ASIDE_WAIT).await;
        }
        self.link.abandon(pending.key);
        self.forget(pending);
        pending.fail(fault);
        self.settle(pending);
    }

    /// Stops waiting for a message; its late reply is no finding.
    pub(super) fn forget(&mut self, pending: &mut Pending) {
        if pending.done.is_none()
            && let Some(id) = pending.id.clone()
        {
            self.conversation.forget(id);
        }
    }

    fn settle(&mut self, pending: &mut Pending) {
        if matches!(pending.done, Some(Err(_)))
            && let Some(id) = pending.id.clone()
        {
            self.conversation.forget(id);
        }
        if pending.id.is_none() {
            self.note_all(std::mem::take(&mut pending.findings));
        }
    }

    /// Sends a message whose acknowledgement nobody waits for, and gives whether it was written within that time; bounded,
    /// because a server that does not read must not hold us up.
    async fn send_aside(&mut self, composed: Composed, method: &str, wait: Duration) -> bool {
        self.last_key += 1;
        self.tap_sent(&composed, &self.tap.call(), method);
        let outgoing = Outgoing {
            key: self.last_key,
            intent: Intent::Aside,
            body: composed.body,
            headers: composed.headers,
            repeatable: true,
        };
        tokio::time::timeout(wait, self.link.send(outgoing)).await.is_ok()
    }

    /// Answers what the server asks, unless it has asked too much.
    async fn answer(&mut self, reply: Composed, method: &str, open: Option<&mut Pending>) {
        let asked = self.questions.ask();
        if let Some(pending) = open {
            pending.questions += 1;
            pending.unanswered += u64::from(asked.is_err());
        }
        if let Err(finding) = asked {
            self.note(finding);
            return;
        }
        let wait = self.questions.wait(self.conversation.transport);
        self.questions.is_read = self.send_aside(reply, method, wait).await;
    }

    async fn resume(&mut self, open: &mut [&mut Pending], until: Instant) {
        let now = Instant::now();
        for pending in open {
            let Some((_, cursor)) = pending.resume.take_if(|(at, _)| *at <= now) else { continue };
            let mut headers = self.conversation.bare_headers();
            headers.push(("Last-Event-ID".to_owned(), cursor));
            let outgoing = Outgoing {
                key: pending.key,
                intent: Intent::Resume,
                body: bytes::Bytes::new(),
                headers,
                repeatable: true,
            };
            // Whoever drives it sees that the time is up.
            if let Ok(Err(fault)) = timeout_at(until.into(), self.link.send(outgoing)).await {
                pending.fail(fault);
            }
        }
    }

    async fn take(&mut self, heard: Heard, open: &mut [&mut Pending]) {
        let Heard { key, first_byte, at, what } = heard;
        let owner = key.and_then(|key| open.iter().position(|pending| pending.key == key));
        if key.is_some() && owner.is_none() && !matches!(what, What::Frame(_)) {
            return;
        }
        let may_resume = self.conversation.transport == TransportKind::StreamableHttp
            && self.conversation.revision.is_none_or(|revision| revision.era == Era::Legacy);
        match (what, owner) {
            (What::Frame(frame), owner) => {
                let elsewhere = key.is_some() && owner.is_none();
                self.take_frame(&frame, (first_byte, at), open, owner, elsewhere).await;
            }
            (What::Fault(fault), None) => open.iter_mut().for_each(|pending| pending.fail(fault.clone())),
            (What::Fault(fault), Some(owner)) => open[owner].broke(fault, may_resume),
            (What::Head(head), Some(owner)) => {
                if let Some(session) = head.header("mcp-session-id").filter(|_| open[owner].method == "initialize") {
                    self.tap.keep_secret(session);
                    self.conversation.http_session = Some(session.to_owned());
                }
                open[owner].head(head, first_byte);
            }
            (What::Cursor { id, retry, .. }, Some(owner)) => open[owner].cursor(id, retry),
            (What::Noise(bytes), owner) => {
                if let Some(pending) = open.get_mut(owner.unwrap_or(0)) {
                    self.tap.pass(&Passing {
                        direction: Direction::Received,
                        ids: &pending.ids,
                        rpc_id: None,
                        method: None,
                        status: Some("noise"),
                        duration: None,
                        raw: &bytes,
                    });
                }
                match owner {
                    Some(owner) => open[owner].noise(&bytes),
                    None => {
                        let shown = sanitize::one_line(&String::from_utf8_lossy(&bytes), 120);
                        let place = match self.conversation.transport {
                            TransportKind::Stdio => "on stdout",
                            _ => "in an event that is no \"message\"",
                        };
                        for pending in &mut *open {
                            pending.mishear(format!("{shown:?} {place}"), false);
                        }
                    }
                }
            }
            (What::End, Some(owner)) => open[owner].end(may_resume),
            (What::Head(_) | What::Cursor { .. } | What::End, None) => {}
        }
    }

    /// `owner` is the place of the message whose HTTP answer the frame came in; `elsewhere` tells that it came in the
    /// answer to a message that nobody waits for (a notification, say), so that only its id can make it a reply.
    async fn take_frame(
        &mut self,
        frame: &Frame,
        at: (Instant, Instant),
        open: &mut [&mut Pending],
        owner: Option<usize>,
        elsewhere: bool,
    ) {
        let (first_byte, at) = at;
        let mut waiting: Vec<&Id> = open.iter().filter_map(|pending| pending.id.as_ref()).collect();
        if elsewhere && !named(frame).is_some_and(|id| waiting.contains(&id)) {
            waiting.clear();
        }
        let owner = owner.filter(|_| waiting.len() == open.len());
        let within = match owner {
            None => Within::Shared,
            Some(place) if open[place].is_streaming() => Within::Stream(place),
            Some(place) => Within::Body(place),
        };
        let sorted = self.conversation.sort(frame, &waiting, within);
        self.tap_frame(frame, &sorted, at, open, owner);
        if frame.batched && self.conversation.revision.is_some_and(|revision| !revision.batches) {
            self.note(Finding::new("rpc.batch", Severity::Error, "one message at a time in this revision", "an array"));
        }
        match sorted {
            Sorted::Reply(place, body) => {
                let names_it = named(frame).is_some_and(|id| open[place].id.as_ref() == Some(id));
                open[place].names_it = names_it;
                open[place].reply(body, frame.raw.clone(), first_byte, at);
            }
            // Under a status that refuses, the body is the word of that layer, whatever it looks like.
            Sorted::Broken(place, _) if open[place].is_refused() => open[place].noise(&frame.raw),
            Sorted::Broken(place, why) => {
                let method = &open[place].method;
                let message = match why.strip_prefix("not ") {
                    Some(kind) => format!("the reply to {method} is not {kind}"),
                    None => format!("the reply to {method} breaks JSON-RPC 2.0: {why}"),
                };
                open[place].fail(Fault::new(Reason::Protocol, message));
            }
            Sorted::Notice => {
                if let (Some(pending), Ok(Message::Notification { method, params })) =
                    (open.get_mut(owner.unwrap_or(0)), &frame.parsed)
                {
                    pending.notice(method, params.as_deref(), at);
                }
            }
            Sorted::Question(method, reply, finding) => {
                if let Some(finding) = finding {
                    self.note(finding);
                }
                let pending = open.get_mut(owner.unwrap_or(0)).map(|pending| &mut **pending);
                // Rare, and long: in a place of its own it makes no call larger.
                Box::pin(self.answer(reply, &method, pending)).await;
            }
            Sorted::Late => {}
            Sorted::Stray(finding) => match open.get_mut(owner.unwrap_or(0)).filter(|_| !elsewhere) {
                Some(pending) => {
                    pending.mishear(finding.actual.clone(), true);
                    // What is wrong on stdout is counted by the transport, as pollution.
                    let counted = finding.id == "rpc.malformed" && self.conversation.transport == TransportKind::Stdio;
                    if !counted && !pending.findings.contains(&finding) && pending.findings.len() < STRAYS_MAX {
                        pending.findings.push(finding);
                    }
                }
                None => self.note(finding),
            },
        }
    }

    fn tap_sent(&self, composed: &Composed, ids: &CallIds, method: &str) {
        self.tap.pass(&Passing {
            direction: Direction::Sent,
            ids,
            rpc_id: composed.id.as_ref(),
            method: Some(method),
            status: None,
            duration: None,
            raw: &composed.body,
        });
    }

    fn tap_frame(&self, frame: &Frame, sorted: &Sorted, at: Instant, open: &[&mut Pending], owner: Option<usize>) {
        let (place, status) = match sorted {
            Sorted::Reply(place, Ok(_)) => (*place, "ok"),
            Sorted::Reply(place, Err(_)) => (*place, "error"),
            Sorted::Broken(place, _) => (*place, "malformed"),
            Sorted::Notice => (owner.unwrap_or(0), "notification"),
            Sorted::Question(..) => (owner.unwrap_or(0), "request"),
            Sorted::Stray(_) => (owner.unwrap_or(0), "stray"),
            Sorted::Late => (owner.unwrap_or(0), "late"),
        };
        let Some(pending) = open.get(place) else { return };
        let is_reply = matches!(sorted, Sorted::Reply(..) | Sorted::Broken(..));
        let (rpc_id, method) = match &frame.parsed {
            Ok(Message::Request { id, method, .. }) => (Some(id), Some(method.as_str())),
            Ok(Message::Notification { method, .. }) => (None, Some(method.as_str())),
            Ok(Message::Reply { id, .. }) => (id.as_ref(), is_reply.then_some(pending.method.as_str())),
            Err(broken) => (broken.id(), None),
        };
        let since = pending.marks.sent.filter(|_| is_reply);
        self.tap.pass(&Passing {
            direction: Direction::Received,
            ids: &pending.ids,
            rpc_id,
            method,
            status: Some(status),
            duration: since.map(|sent| at.saturating_duration_since(sent)),
            raw: &frame.raw,
        });
    }

    fn timeout(&self, pending: &Pending) -> Fault {
        let waited = duration::human(pending.begun.elapsed());
        let facts = self.link.facts();
        let heard = if facts.unfinished_bytes > 0 {
            format!("; {} bytes of a line came, and no line feed after them", facts.unfinished_bytes)
        } else {
            pending.heard()
        };
        let (reason, reply) =
            if pending.was_misanswered() { (Reason::Protocol, "proper reply") } else { (Reason::Timeout, "reply") };
        let message = format!("no {reply} to {} within {waited}{heard}", pending.method);
        Fault { stderr: facts.stderr, ..Fault::new(reason, message) }
    }

    pub(super) fn note(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    pub(super) fn note_all(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            self.note(finding);
        }
    }

    /// What passes is kept there from now on.
    pub(super) fn record(&mut self, recorder: Option<Recorder>) {
        self.tap.record(recorder);
    }

    /// What passes is part of that trace from now on.
    pub(super) fn trace(&mut self, tracing: Tracing) {
        self.tap.trace(tracing);
    }

    pub(super) fn link(&self) -> &dyn Link {
        &*self.link
    }

    /// What was noticed of the link since this was asked last.
    pub(super) fn take_link_findings(&mut self) -> Vec<Finding> {
        self.link.take_findings()
    }

    /// Whether nothing can be heard while nothing is asked.
    pub(super) fn is_still(&mut self) -> bool {
        self.link.is_still()
    }

    /// What the server said of itself; what is not as it should be in that is noted.
    pub(super) fn welcomed(&mut self, welcome: Welcome) -> ServerFacts {
        self.note_all(welcome.findings);
        ServerFacts {
            identity: welcome.identity,
            instructions: welcome.instructions,
            capabilities: welcome.capabilities,
            revision: welcome.revision,
            transport: self.conversation.transport,
            supported: welcome.supported,
        }
    }

    /// Deletes the HTTP session, if there is one.
    pub(super) async fn end_session(&mut self, grace: Duration) {
        if self.conversation.http_session.is_none() || self.conversation.transport != TransportKind::StreamableHttp {
            return;
        }
        let headers = self.conversation.bare_headers();
        self.conversation.http_session = None;
        self.last_key += 1;
        let key = self.last_key;
        let outgoing = Outgoing { key, intent: Intent::End, body: bytes::Bytes::new(), headers, repeatable: true };
        let farewell = async {
            self.link.send(outgoing).await?;
            loop {
                let heard = self.link.recv().await;
                match heard.what {
                    What::Head(head) if heard.key == Some(key) => return Ok(head.status),
                    What::Fault(fault) if heard.key.is_none_or(|heard| heard == key) => return Err(fault),
                    _ => {}
                }
            }
        };
        let actual = match tokio::time::timeout(grace, farewell).await {
            Ok(Ok(200..=299 | 404 | 405)) => return,
            Ok(Ok(status)) => format!("HTTP {status}"),
            Ok(Err(fault)) => fault.message,
            Err(_) => format!("no answer within {}", duration::human(grace)),
        };
        self.note(Finding::new(
            "session.delete",
            Severity::Warning,
            "DELETE ends the session (2xx) or is answered 405",
            actual,
        ));
    }

    /// Hears what is already there, so that a second reply to the last call is seen, and ends the link.
    pub(super) async fn close(mut self, grace: Duration, mut phases: Phases) -> Ending {
        // One end for all of it: a server that asks without end, and reads nothing, is not answered to its end.
        let until = Instant::now() + ASIDE_WAIT;
        for _ in 0..64 {
            let Some(heard) = self.link.recv().now_or_never() else { break };
            if matches!(heard.what, What::Fault(_))
                || timeout_at(until.into(), self.take(heard, &mut [])).await.is_err()
            {
                break;
            }
        }
        let facts = self.link.facts();
        for (phase, took) in facts.phases.iter() {
            if phases.get(phase).is_none() {
                phases.add(phase, took);
            }
        }
        let farewell = self.link.close(grace).await;
        Ending::of(farewell, self.findings, phases, facts.certificate)
    }
}

/// The id that a reply, or what was meant as one, carries.
fn named(frame: &Frame) -> Option<&Id> {
    match &frame.parsed {
        Ok(Message::Reply { id, .. }) => id.as_ref(),
        Ok(_) => None,
        Err(broken) => broken.id(),
    }
}

fn cancelled() -> Fault {
    Fault::new(Reason::Cancelled, "the run was interrupted before the answer came")
}

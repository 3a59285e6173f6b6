//! One message that was sent and what has been heard for it so far, until it becomes an [`Exchange`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::exchange::{Exchange, Marks, Reply};
use super::notices::Notices;
use super::tap::CallIds;
use crate::base::name::Name;
use crate::event::{Finding, Reason, Severity};
use crate::protocol::refusal;
use crate::transport::{Fault, Head, Key};
use crate::wire::{Id, Message, RpcError, message};

/// Bytes kept of a body that is no message.
const BODY_BYTES_MAX: usize = 64 << 10;
/// What servers on the SDKs say with 404 of a session that they do not know.
const SESSION_UNKNOWN: i64 = -32001;
/// How often a cut stream is taken up again.
const RESUMES_MAX: u32 = 16;
/// The wait before a stream is taken up again, where the server named none.
const RETRY_DEFAULT: Duration = Duration::from_secs(1);

pub(super) struct Pending {
    pub(super) key: Key,
    /// `None` for a notification, which is done when it is acknowledged.
    pub(super) id: Option<Id>,
    pub(super) method: Name,
    pub(super) params: Value,
    pub(super) ids: CallIds,
    pub(super) begun: Instant,
    pub(super) marks: Marks,
    pub(super) request_bytes: u64,
    pub(super) head: Option<Head>,
    pub(super) findings: Vec<Finding>,
    pub(super) done: Option<Result<Reply, Fault>>,
    /// The error under a status that refuses.
    refused: Option<Box<Reply>>,
    /// When the stream is to be taken up again, and after which event.
    pub(super) resume: Option<(Instant, String)>,
    body: Vec<u8>,
    notices: Notices,
    /// How often the server asked something meanwhile, and how often it was not answered.
    pub(super) questions: u64,
    pub(super) unanswered: u64,
    /// What came on stdout that is no answer: the first of it, for the message of a time-out.
    misheard: Option<String>,
    misanswered: bool,
    cursor: Option<String>,
    retry: Option<Duration>,
    resumes: u32,
    /// Whether the reply has the id of the request.
    pub(super) names_it: bool,
}

impl Pending {
    pub(super) fn new(key: Key, id: Option<Id>, method: Name, params: Value, ids: CallIds, request_bytes: u64) -> Self {
        Self {
            key,
            id,
            method,
            params,
            ids,
            begun: Instant::now(),
            marks: Marks::default(),
            request_bytes,
            head: None,
            findings: Vec::new(),
            done: None,
            refused: None,
            resume: None,
            body: Vec::new(),
            notices: Notices::default(),
            questions: 0,
            unanswered: 0,
            misheard: None,
            misanswered: false,
            cursor: None,
            retry: None,
            resumes: 0,
            names_it: false,
        }
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.done.get_or_insert(Err(fault));
    }

    pub(super) fn reply(&mut self, body: Result<Arc<Value>, RpcError>, raw: Bytes, first_byte: Instant, at: Instant) {
        let first_byte = self.marks.first_byte.unwrap_or(first_byte);
        self.marks.first_byte = Some(first_byte);
        self.marks.last_byte = Some(at);
        // An error under a status about access or load is the word of that layer, whatever its code; a result under a status of
        // failure is one that no client takes.
        let is_of_layer = |status: u16| matches!(status, 401 | 403 | 429);
        let is_refused = |head: &&Head| is_of_layer(head.status) || body.is_ok() && head.status >= 300;
        let done = match self.head.as_ref().filter(is_refused) {
            Some(head) => {
                let (reason, message) = if is_of_layer(head.status) {
                    refusal::read(&head.answer(&raw), &self.method)
                } else {
                    (Reason::Http, refusal::with_result(head.status, &self.method))
                };
                self.refused = Some(Box::new(Reply { body, raw: vec![raw] }));
                Err(Fault::new(reason, message))
            }
            None => Ok(Reply { body, raw: vec![raw] }),
        };
        self.done.get_or_insert(done);
    }

    pub(super) fn head(&mut self, head: Head, first_byte: Instant) {
        self.marks.first_byte.get_or_insert(first_byte);
        if self.id.is_none() {
            if head.status != 202 {
                self.findings.push(Finding::new(
                    "http.notification_202",
                    Severity::Warning,
                    "HTTP 202 with an empty body for a notification",
                    format!("HTTP {} for {}", head.status, self.method),
                ));
            }
            self.done.get_or_insert(Ok(Reply { body: Ok(Arc::default()), raw: Vec::new() }));
        }
        self.head = Some(head);
    }

    /// Whether the answer is an event stream, in which more than one message may come.
    pub(super) fn is_streaming(&self) -> bool {
        self.head.as_ref().is_some_and(is_stream)
    }

    /// Whether the HTTP status says that nobody took the request for a message.
    pub(super) fn is_refused(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.status >= 300)
    }

    pub(super) fn noise(&mut self, bytes: &[u8]) {
        let room = BODY_BYTES_MAX.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Something came that is no answer; `misanswered` tells that it was meant as a message.
    pub(super) fn mishear(&mut self, what: String, misanswered: bool) {
        self.misanswered |= misanswered;
        self.misheard.get_or_insert(what);
    }

    pub(super) fn notice(&mut self, method: &str, params: Option<&RawValue>, at: Instant) {
        let after = self.marks.sent.map_or(Duration::ZERO, |sent| at.saturating_duration_since(sent));
        self.notices.hear(after, method, params);
    }

    pub(super) fn cursor(&mut self, id: Option<String>, retry: Option<Duration>) {
        self.cursor = id.filter(|id| !id.is_empty()).or(self.cursor.take());
        self.retry = retry.or(self.retry);
    }

    /// The HTTP answer is over. Without a reply it is either taken up again or judged as it stands; a notification
    /// has been taken.
    pub(super) fn end(&mut self, may_resume: bool) {
        if self.done.is_some() {
            return;
        }
        if self.id.is_none() {
            self.done = Some(Ok(Reply { body: Ok(Arc::default()), raw: Vec::new() }));
            return;
        }
        if may_resume && self.may_come_back() && self.take_up_again() {
            return;
        }
        let fault = match &self.head {
            Some(head) if is_stream(head) && self.misanswered => Fault::new(
                Reason::Protocol,
                format!("the event stream ended without a proper reply to {}{}", self.method, self.heard()),
            ),
            Some(head) if is_stream(head) => Fault::new(
                Reason::Closed,
                format!(
                    "the server ended the event stream without the reply to {}{}",
                    self.method,
                    if self.resumes > 0 { ", also after taking it up again" } else { "" }
                ),
            ),
            Some(head) if self.resumes > 0 && !matches!(head.status, 401 | 403 | 429) => Fault::new(
                Reason::Closed,
                format!(
                    "the server ended the event stream without the reply to {}, and answered HTTP {} when it was to be \
                     taken up again",
                    self.method, head.status
                ),
            ),
            Some(head) => {
                let (reason, message) = refusal::read(&head.answer(&self.body), &self.method);
                self.refused = nameless(&self.body).map(Box::new);
                Fault::new(reason, message)
            }
            None => {
                Fault::new(Reason::Closed, format!("the connection was closed without an answer to {}", self.method))
            }
        };
        self.fail(fault);
    }

    /// The stream broke. It is taken up again where it told its position, else the fault stands.
    pub(super) fn broke(&mut self, fault: Fault, may_resume: bool) {
        if self.done.is_some() {
            return;
        }
        if !(may_resume && fault.reason == Reason::Closed && self.may_come_back() && self.take_up_again()) {
            self.fail(fault);
        }
    }

    /// Whether what the server said last leaves a hope: a stream that ended does, and a server that is busy or not well. That
    /// it serves no such stream, or does not know this one, is final.
    fn may_come_back(&self) -> bool {
        let is_passing = |head: &Head| matches!(head.status, 408 | 425 | 429 | 500 | 502..=504);
        self.head.as_ref().is_none_or(|head| is_stream(head) || is_passing(head))
    }

    fn take_up_again(&mut self) -> bool {
        let Some(cursor) = self.cursor.clone().filter(|_| self.resumes < RESUMES_MAX) else { return false };
        self.resumes += 1;
        self.resume = Some((Instant::now() + self.retry.unwrap_or(RETRY_DEFAULT), cursor));
        true
    }

    /// What was heard of it, for the message of a time-out.
    pub(super) fn heard(&self) -> String {
        if let Some(misheard) = &self.misheard {
            format!("; instead came {misheard}")
        } else if self.unanswered > 0 {
            let (asked, unanswered) = (self.questions, self.unanswered);
            format!("; it asked the client {asked} times meanwhile, of which {unanswered} were too many to be answered")
        } else if !self.notices.is_empty() {
            format!("; {} notifications came meanwhile", self.notices.total())
        } else if let Some(head) = &self.head {
            format!("; the answer began (HTTP {}) and did not end", head.status)
        } else {
            String::new()
        }
    }

    /// Whether a reply came that cannot be ours, so that silence is not the whole truth.
    pub(super) fn was_misanswered(&self) -> bool {
        self.misanswered
    }

    /// Whether 404 says that nobody is known here: an error that names the request is an answer to it, and has that status where
    /// there is no such method. Servers on some SDKs give the code -32001 for a session that is not known, with or without the id.
    pub(super) fn is_unknown(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.status == 404)
            && !(self.names_it && self.is_error(SESSION_UNKNOWN) == Some(false))
    }

    /// Whether the JSON-RPC error that came has this code; nothing where no error came.
    pub(super) fn is_error(&self, code: i64) -> Option<bool> {
        let Some(Ok(Reply { body: Err(error), .. })) = &self.done else { return None };
        Some(error.code == code)
    }

    pub(super) fn into_exchange(self) -> Exchange {
        let reply = self.done.unwrap_or_else(|| {
            Err(Fault::new(Reason::Internal, format!("{} was given up without a reason", self.method)))
        });
        let response_bytes = match &reply {
            Ok(reply) => reply.raw.iter().map(|raw| raw.len() as u64).sum(),
            Err(_) => self.body.len() as u64,
        };
        let exchange = Exchange {
            method: self.method,
            params: self.params,
            call_id: self.ids.call_id.clone(),
            span: self.ids.calling.context,
            reply,
            marks: self.marks,
            total: self.begun.elapsed(),
            pages: 1,
            request_bytes: self.request_bytes,
            response_bytes,
            notices: self.notices,
            head: self.head,
            refused: self.refused,
            findings: self.findings,
        };
        if let Some(id) = &self.id {
            self.ids.calling.ended(id, &exchange);
        }
        exchange
    }
}

/// A JSON-RPC error that names no request, as servers send it where they refuse before they have read one.
fn nameless(body: &[u8]) -> Option<Reply> {
    let raw = Bytes::copy_from_slice(body);
    match message::read(&raw).into_iter().next()?.parsed {
        Ok(Message::Reply { id: None, body: Err(error) }) => Some(Reply { body: Err(error), raw: vec![raw] }),
        _ => None,
    }
}

fn is_stream(head: &Head) -> bool {
    head.status == 200 && head.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Tap;

    fn broken_off() -> Pending {
        let ids = Tap::closed().call();
        let id = Some(Id::number(1));
        let mut pending = Pending::new(1, id, "tools/call".into(), Value::Null, ids, 10);
        answered(&mut pending, 200, "text/event-stream");
        pending.cursor(Some("event-1".to_owned()), Some(Duration::ZERO));
        pending.end(true);
        assert!(pending.resume.take().is_some() && pending.done.is_none(), "it is taken up again");
        pending
    }

    fn answered(pending: &mut Pending, status: u16, kind: &str) {
        let head = Head { status, headers: vec![("content-type".to_owned(), kind.to_owned())] };
        pending.head(head, Instant::now());
    }

    #[test]
    fn a_stream_is_asked_for_again_until_that_is_refused_for_good() {
        for (status, kind, is_final) in [
            (405, "text/plain", true),
            (400, "application/json", true),
            (404, "application/json", true),
            (401, "text/plain", true),
            (501, "text/plain", true),
            (200, "text/html", true),
            (503, "text/plain", false),
            (429, "text/plain", false),
            (200, "text/event-stream", false),
        ] {
            let mut pending = broken_off();
            answered(&mut pending, status, kind);
            pending.end(true);
            assert_eq!(pending.resume.is_none(), is_final, "{status} {kind}");
            assert_eq!(pending.done.is_some(), is_final, "{status} {kind}");
            if let Some(done) = pending.done {
                let fault = done.unwrap_err();
                let reason = if status == 401 { Reason::Auth } else { Reason::Closed };
                assert_eq!(fault.reason, reason, "{status}: {}", fault.message);
                assert!(fault.message.contains(&status.to_string()), "{}", fault.message);
            }
        }
    }
}

//! One conversation with one server: gives ids, writes messages in the way of the era, and sorts what is heard into
//! replies, notices, questions to answer and things that should not have come.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::answers::Answers;
use super::revision::{Revision, method_anywhere};
use super::{headers, modern};
use crate::base::sanitize::one_line;
use crate::event::{Era, Finding, Severity, TransportKind};
use crate::wire::results::{Recent, Results};
use crate::wire::{Frame, Id, Malformed, Message, RpcError, message};

/// Requests given up whose late replies are still recognised.
const FORGOTTEN_MAX: usize = 64;
/// Of W3C Trace Context: the key in `_meta` and the header.
const TRACEPARENT: &str = "traceparent";

/// A message ready for the transport.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The id of a request.
    pub id: Option<Id>,
    /// The message.
    pub body: Bytes,
    /// HTTP headers of the protocol.
    pub headers: Vec<(String, String)>,
}

/// What a frame is to those who wait for replies.
#[derive(Debug)]
pub enum Sorted {
    /// The reply to the request at this place of the waiting list.
    Reply(usize, Result<Arc<Value>, RpcError>),
    /// Meant as that reply, but it breaks the rules; nothing better will come.
    Broken(usize, String),
    /// A notification. It is not read further than that: many may come, and nobody may want them.
    Notice,
    /// A request of the server, with the reply to send; a finding where it should not have asked.
    Question(String, Composed, Option<Finding>),
    /// The reply to a request that was given up.
    Late,
    /// Nothing for us, worth a finding.
    Stray(Finding),
}

/// The state of a conversation.
#[derive(Debug)]
pub struct Conversation {
    /// How messages travel; decides which headers and cancellations there are.
    pub transport: TransportKind,
    /// Known once the era and version are settled.
    pub revision: Option<&'static Revision>,
    /// The legacy HTTP session.
    pub http_session: Option<String>,
    answers: Arc<Answers>,
    /// What was declared at the opening; in the legacy era nothing else may be asked for.
    declared: Arc<Answers>,
    last_id: u64,
    forgotten: VecDeque<Id>,
    remembered: Option<(Results, Recent)>,
    asked_before: Option<AskedBefore>,
}

/// The parameters of a request, as they were given and as they were sent.
#[derive(Debug)]
struct AskedBefore {
    given: Value,
    revision: &'static Revision,
    sent: Arc<Sent>,
}

/// Parameters that are sent, and their text, which is written once however often they are.
#[derive(Debug)]
struct Sent {
    params: Value,
    text: Option<Box<RawValue>>,
}

impl Sent {
    fn new(params: Value) -> Arc<Self> {
        // It has no keys but strings: nothing of it can fail.
        let text = to_raw_value(&params).ok();
        Arc::new(Self { params, text })
    }
}

/// What a frame came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// A stream that all calls share.
    Shared,
    /// The HTTP answer to the open request at this place, and nothing else was in it.
    Body(usize),
    /// An event stream that answers the open request at this place, and where more may come.
    Stream(usize),
}

impl Within {
    /// The place of the request that was answered.
    fn owner(self) -> Option<usize> {
        match self {
            Self::Shared => None,
            Self::Body(place) | Self::Stream(place) => Some(place),
        }
    }

    /// The same, where no better answer can follow.
    fn body(self) -> Option<usize> {
        self.owner().filter(|_| matches!(self, Self::Body(_)))
    }
}

impl Conversation {
    /// A new conversation, about which nothing is settled.
    #[must_use]
    pub fn new(transport: TransportKind, answers: Answers) -> Self {
        let answers = Arc::new(answers);
        Self {
            transport,
            revision: None,
            http_session: None,
            declared: Arc::clone(&answers),
            answers,
            last_id: 0,
            forgotten: VecDeque::new(),
            remembered: None,
            asked_before: None,
        }
    }

    /// Looks at results that were read before, from now on: one that comes again is not read anew.
    pub fn remember(&mut self, results: Option<Results>) {
        self.remembered = results.map(|results| (results, Recent::default()));
    }

    fn read(&mut self, result: &str) -> serde_json::Result<Arc<Value>> {
        match &mut self.remembered {
            Some((results, recent)) => results.read(recent, result),
            None => serde_json::from_str(result).map(Arc::new),
        }
    }

    /// What may be answered.
    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Changes what may be answered for a while: in the modern era, where capabilities are declared with each request,
    /// altogether, in the legacy era within what was declared for the whole session.
    pub fn answer_with(&mut self, answers: &Answers) {
        let answers = match self.revision {
            Some(revision) if revision.era == Era::Modern => answers.clone(),
            _ => answers.within(&self.declared),
        };
        if *self.answers != answers {
            self.answers = Arc::new(answers);
            self.asked_before = None;
        }
    }

    /// Writes a request. The id is a string for the first message of a detection, so that a server that echoes
    /// numbers only is not mistaken for a silent one, and a number otherwise. `traceparent` tells the server which span of
    /// which trace the request is: in `_meta` (SEP-414), and over HTTP in the header of that name for what stands before the
    /// server. What the caller put into `_meta` himself stays.
    pub fn request(
        &mut self,
        method: &str,
        params: &Value,
        schema: Option<&Value>,
        traceparent: Option<&str>,
    ) -> Composed {
        self.last_id += 1;
        let id = if method == "server/discover" {
            Id::text(format!("mcp-probe-{}", self.last_id))
        } else {
            Id::number(self.last_id)
        };
        let token = (method == "tools/call").then(|| format!("mcp-probe-{}", self.last_id));
        let extras = [("progressToken", token.as_deref()), (TRACEPARENT, traceparent)];
        let params = match self.revision {
            Some(revision) if revision.era == Era::Modern => Some(self.enveloped(params, revision, &extras)),
            _ => legacy_params(params, &extras).map(Sent::new),
        };
        let asked = params.as_ref().map_or(&Value::Null, |sent| &sent.params);
        let mut headers = self.headers(Some((method, asked)), schema);
        if traceparent.is_some()
            && self.transport != TransportKind::Stdio
            && let Some(told) = asked.get("_meta").and_then(|meta| meta.get(TRACEPARENT)).and_then(Value::as_str)
        {
            headers.push((TRACEPARENT.to_owned(), headers::encode(told)));
        }
        let text = params.as_ref().and_then(|sent| sent.text.as_deref());
        Composed { body: message::request_with(&id, method, text), id: Some(id), headers }
    }

    /// The parameters with what the modern era adds. Where nothing is added for this one request, and it is asked again what was
    /// asked before, they are what they were then.
    fn enveloped(&mut self, params: &Value, revision: &'static Revision, extras: &[(&str, Option<&str>)]) -> Arc<Sent> {
        if extras.iter().any(|(_, value)| value.is_some()) {
            return Sent::new(modern::envelope(params, revision, &self.answers, extras));
        }
        if let Some(before) = &self.asked_before
            && before.given == *params
            && std::ptr::eq(before.revision, revision)
        {
            return Arc::clone(&before.sent);
        }
        let sent = Sent::new(modern::envelope(params, revision, &self.answers, extras));
        self.asked_before = Some(AskedBefore { given: params.clone(), revision, sent: Arc::clone(&sent) });
        sent
    }

    /// Remembers that nobody waits for this reply any more.
    pub fn forget(&mut self, id: Id) {
        if self.forgotten.len() >= FORGOTTEN_MAX {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back(id);
    }

    /// Writes a notification.
    #[must_use]
    pub fn notification(&self, method: &str, params: Option<&Value>) -> Composed {
        let headers = self.headers(Some((method, params.unwrap_or(&Value::Null))), None);
        Composed { id: None, body: message::notification(method, params), headers }
    }

    /// The cancellation of a request, where the era wants a message for it: 2026-07-28 closes the HTTP stream instead,
    /// and `initialize` cannot be cancelled.
    #[must_use]
    pub fn cancellation(&self, id: &Id, method: &str, reason: &str) -> Option<Composed> {
        let modern = self.revision.is_some_and(|revision| revision.era == Era::Modern);
        if method == "initialize" || (modern && self.transport != TransportKind::Stdio) {
            return None;
        }
        let params = json!({"requestId": id.to_value(), "reason": reason});
        Some(self.notification("notifications/cancelled", Some(&params)))
    }

    /// The headers of a message that is no JSON-RPC request: GET and DELETE.
    #[must_use]
    pub fn bare_headers(&self) -> Vec<(String, String)> {
        self.headers(None, None)
    }

    /// Sorts a frame. `waiting` are the ids of the open requests, oldest first; `within` is what it came in.
    pub fn sort(&mut self, frame: &Frame, waiting: &[&Id], within: Within) -> Sorted {
        let message = match &frame.parsed {
            Ok(message) => message,
            Err(broken) => return sort_broken(broken, frame, waiting, within),
        };
        match message {
            Message::Notification { .. } => Sorted::Notice,
            Message::Request { id, method, .. } => match waiting.iter().position(|open| *open == id) {
                // Servers' ids may be the same as ours, but no server sends what only clients ask.
                Some(place) if method != "ping" && method_anywhere(method).is_some() => Sorted::Broken(
                    place,
                    "it is the request itself, sent back; the command echoes what it is sent and is no MCP server"
                        .to_owned(),
                ),
                _ => self.question(id, method),
            },
            Message::Reply { id, body } => {
                let Some(place) = id.as_ref().and_then(|id| waiting.iter().position(|open| *open == id)) else {
                    if id.as_ref().is_some_and(|id| self.forgotten.contains(id)) {
                        return Sorted::Late;
                    }
                    return sort_foreign(id.as_ref(), body.as_ref().err(), waiting, within);
                };
                let body = match body {
                    Err(error) => Err(error.clone()),
                    Ok(result) => match self.read(result.get()) {
                        Ok(result) => Ok(result),
                        Err(error) => return Sorted::Broken(place, format!("the result cannot be read: {error}")),
                    },
                };
                Sorted::Reply(place, body)
            }
        }
    }

    fn question(&self, id: &Id, method: &str) -> Sorted {
        let era = self.revision.map_or(Era::Legacy, |revision| revision.era);
        let reply = self.answers.reply(era, method);
        let shown = one_line(method, 60);
        let finding = if era == Era::Modern {
            Some(Finding::new(
                "rpc.unsolicited",
                Severity::Error,
                format!("no {shown} from the server, as it sends no requests in 2026-07-28"),
                format!("the server asked {shown}"),
            ))
        } else if reply.is_err() {
            Some(Finding::new(
                "answers.unasked",
                Severity::Error,
                format!("no {shown}, for which the client declared no capability"),
                format!("the server asked {shown}"),
            ))
        } else {
            None
        };
        let headers = self.headers(None, None);
        Sorted::Question(method.to_owned(), Composed { id: None, body: message::reply(id, &reply), headers }, finding)
    }

    fn headers(&self, method: Option<(&str, &Value)>, schema: Option<&Value>) -> Vec<(String, String)> {
        match self.transport {
            TransportKind::StreamableHttp => {
                headers::of_message(self.revision, self.http_session.as_deref(), method, schema)
            }
            TransportKind::Stdio | TransportKind::Sse => Vec::new(),
        }
    }
}

/// A message that breaks the rules and names an open call, came as the whole body of its HTTP answer, or is visibly meant
/// as JSON-RPC, is the answer that was meant: waiting for a better one would turn a clear failure into a time-out.
/// Anything else (a log line in JSON, say) is noise to be noted and survived.
fn sort_broken(broken: &Malformed, frame: &Frame, waiting: &[&Id], within: Within) -> Sorted {
    let named = broken.id().and_then(|id| waiting.iter().position(|open| *open == id));
    let looks_meant = broken.id().is_none() && memchr::memmem::find(&frame.raw, b"\"jsonrpc\"").is_some();
    let place = named.or(within.body()).or_else(|| (looks_meant && !waiting.is_empty()).then_some(0));
    match place {
        Some(place) => Sorted::Broken(place, broken.to_string()),
        None => {
            let actual = format!("{broken}: {}", one_line(&String::from_utf8_lossy(&frame.raw), 120));
            Sorted::Stray(Finding::new("rpc.malformed", Severity::Error, "JSON-RPC 2.0 messages", actual))
        }
    }
}

/// A reply whose id is not ours. An error without an id (or with `null`, or, inside the answer to our own POST, with any
/// id) answers the oldest open request: servers write such ids when they could not read the request. The right digits in
/// the wrong JSON type are a broken reply.
fn sort_foreign(id: Option<&Id>, error: Option<&RpcError>, waiting: &[&Id], within: Within) -> Sorted {
    let owner = within.owner();
    if let Some(error) = error
        && !waiting.is_empty()
        && (owner.is_some() || matches!(id, None | Some(Id::Null)))
    {
        return Sorted::Reply(owner.unwrap_or(0), Err(error.clone()));
    }
    let digits = |id: &Id| match id {
        Id::Number(text) | Id::Text(text) => Some(text.clone()),
        Id::Null => None,
    };
    let shown = id.map_or_else(|| "no id".to_owned(), |id| format!("id {}", one_line(&id.to_string(), 60)));
    let same_digits =
        id.and_then(digits).and_then(|text| waiting.iter().position(|open| digits(open) == Some(text.clone())));
    if let Some(place) = same_digits.or(within.body()) {
        return Sorted::Broken(place, format!("the request had id {}, the reply has {shown}", waiting[place]));
    }
    let expected = match waiting.first() {
        Some(waiting) => format!("a reply with id {waiting}, of the same JSON type"),
        None => "replies to open requests only".to_owned(),
    };
    Sorted::Stray(Finding::new("rpc.unknown_id", Severity::Error, expected, format!("a reply with {shown}")))
}

/// Legacy parameters are bare: none at all where there are none.
fn legacy_params(params: &Value, extras: &[(&str, Option<&str>)]) -> Option<Value> {
    let mut params = match params {
        Value::Object(map) => map.clone(),
        Value::Null => Map::new(),
        other => return Some(other.clone()),
    };
    for (key, value) in extras.iter().filter_map(|(key, value)| Some((*key, (*value)?))) {
        let meta = params.entry("_meta").or_insert_with(|| json!({}));
        if let Value::Object(meta) = meta {
            meta.entry(key).or_insert_with(|| value.into());
        }
    }
    (!params.is_empty()).then_some(Value::Object(params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::REVISIONS;

    fn legacy() -> Conversation {
        let mut conversation = Conversation::new(TransportKind::Stdio, Answers::default());
        conversation.revision = Some(Revision::newest(Era::Legacy));
        conversation
    }

    fn sort(conversation: &mut Conversation, text: &str, waiting: &Id) -> Sorted {
        let frame = message::read(&Bytes::copy_from_slice(text.as_bytes())).remove(0);
        conversation.sort(&frame, &[waiting], Within::Shared)
    }

    #[test]
    fn requests_are_written_in_the_way_of_the_era() {
        let mut conversation = legacy();
        let composed = conversation.request("tools/list", &Value::Null, None, None);
        assert_eq!(&composed.body[..], br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        conversation.revision = Some(Revision::newest(Era::Modern));
        let composed = conversation.request("tools/list", &Value::Null, None, None);
        let value: Value = serde_json::from_slice(&composed.body).unwrap();
        assert_eq!(value["id"], 2);
        assert_eq!(value["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert!(composed.headers.is_empty(), "stdio has no headers");
    }

    #[test]
    fn what_is_asked_again_is_written_as_a_first_request_would_be() {
        let modern = |answers: Answers| {
            let mut conversation = Conversation::new(TransportKind::StreamableHttp, answers);
            conversation.revision = Some(Revision::newest(Era::Modern));
            conversation
        };
        let declines = Answers { roots: Some(Vec::new()), ..Answers::default() };
        let mut long = modern(Answers::default());
        for (answers, params, traceparent) in [
            (Answers::default(), Value::Null, None),
            (Answers::default(), Value::Null, None),
            (Answers::default(), json!({"cursor": "a"}), None),
            (Answers::default(), json!({"cursor": "b"}), None),
            (declines.clone(), json!({"cursor": "b"}), None),
            (declines.clone(), json!({"cursor": "b"}), Some("00-1-2-01")),
            (declines.clone(), json!({"cursor": "b"}), None),
            (Answers::default(), json!({"cursor": "b"}), None),
        ] {
            long.answer_with(&answers);
            let mut fresh = modern(answers);
            fresh.last_id = long.last_id;
            let (again, first) = (
                long.request("tools/list", &params, None, traceparent),
                fresh.request("tools/list", &params, None, traceparent),
            );
            assert_eq!((again.body, again.headers, again.id), (first.body, first.headers, first.id));
        }
    }

    #[test]
    fn a_result_that_comes_again_is_shared_and_its_reply_judged_anew() {
        let mut conversation = legacy();
        conversation.remember(Some(Results::default()));
        let (seven, eight) = (Id::number(7), Id::number(8));
        let reply = |id: u64, result: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        let mut result = |text: &str, waiting: &Id| match sort(&mut conversation, text, waiting) {
            Sorted::Reply(0, Ok(result)) => Some(result),
            _ => None,
        };
        let first = result(&reply(7, r#"{"tools":[]}"#), &seven).unwrap();
        assert!(Arc::ptr_eq(&first, &result(&reply(8, r#"{"tools":[]}"#), &eight).unwrap()));
        assert_eq!(*result(&reply(8, r#"{"tools":[1]}"#), &eight).unwrap(), json!({"tools": [1]}));
        assert!(result(&reply(7, r#"{"tools":[]}"#), &eight).is_none(), "an id of another request is no reply");
        assert!(result(&reply(8, r#"{"tools":[]"#), &eight).is_none(), "a reply that is cut off is none");
    }

    #[test]
    fn a_server_is_told_the_span_in_meta_and_header() {
        const TOLD: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
        for revision in REVISIONS {
            for transport in [TransportKind::Stdio, TransportKind::StreamableHttp, TransportKind::Sse] {
                let mut conversation = Conversation::new(transport, Answers::default());
                conversation.revision = Some(revision);
                let header = |composed: &Composed| {
                    composed.headers.iter().find(|(name, _)| name == TRACEPARENT).map(|(_, value)| value.clone())
                };
                let meta = |composed: &Composed| {
                    let value: Value = serde_json::from_slice(&composed.body).unwrap();
                    value["params"]["_meta"].clone()
                };
                let over_http = transport != TransportKind::Stdio;
                let told = conversation.request("tools/list", &Value::Null, None, Some(TOLD));
                assert_eq!(meta(&told)[TRACEPARENT], TOLD, "{}", revision.version);
                assert_eq!(header(&told), over_http.then(|| TOLD.to_owned()));
                // What the caller says himself stays, and the two never differ.
                let own = json!({"_meta": {TRACEPARENT: "mine"}});
                let told = conversation.request("tools/call", &own, None, Some(TOLD));
                assert_eq!(meta(&told)[TRACEPARENT], "mine");
                assert!(meta(&told)["progressToken"].is_string());
                assert_eq!(header(&told), over_http.then(|| "mine".to_owned()));
                let bare = conversation.request("tools/list", &Value::Null, None, None);
                assert!(meta(&bare).get(TRACEPARENT).is_none() && header(&bare).is_none());
            }
        }
    }

    #[test]
    fn replies_are_matched_by_id_and_type() {
        let mut conversation = legacy();
        let id = Id::number(7);
        assert!(matches!(
            sort(&mut conversation, r#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#, &id),
            Sorted::Reply(0, Ok(_))
        ));
        for text in [
            r#"{"level":"info","msg":"ready"}"#,
            r#"{"jsonrpc":"2.0","id":8,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":"x"}}"#,
        ] {
            assert!(matches!(sort(&mut conversation, text, &id), Sorted::Stray(_)), "{text}");
        }
        for text in [
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"x"}}"#,
        ] {
            assert!(matches!(sort(&mut conversation, text, &id), Sorted::Reply(0, Err(_))), "{text}");
        }
        for text in [
            r#"{"id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"7","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"#,
        ] {
            assert!(matches!(sort(&mut conversation, text, &id), Sorted::Broken(0, _)), "{text}");
        }
        assert!(matches!(sort(&mut conversation, r#"{"id":9,"result":{}}"#, &id), Sorted::Stray(_)));
    }

    #[test]
    fn questions_are_answered_and_undeclared_ones_noted() {
        let mut conversation = legacy();
        let id = Id::number(1);
        let Sorted::Question(_, reply, None) =
            sort(&mut conversation, r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, &id)
        else {
            panic!()
        };
        assert_eq!(&reply.body[..], br#"{"jsonrpc":"2.0","id":"a","result":{}}"#);
        let Sorted::Question(_, reply, Some(finding)) =
            sort(&mut conversation, r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#, &id)
        else {
            panic!()
        };
        assert!(reply.body.windows(6).any(|window| window == b"-32601"));
        assert_eq!(finding.id, "answers.unasked");
    }

    #[test]
    fn an_echo_is_no_question() {
        let mut conversation = legacy();
        let own = conversation.request("tools/list", &Value::Null, None, None);
        let id = own.id.clone().unwrap();
        let text = String::from_utf8(own.body.to_vec()).unwrap();
        assert!(matches!(sort(&mut conversation, &text, &id), Sorted::Broken(0, _)));
        let question = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        assert!(matches!(sort(&mut conversation, question, &id), Sorted::Question(..)));
    }

    #[test]
    fn cancelling_is_a_message_only_where_the_era_says_so() {
        let mut conversation = legacy();
        assert!(conversation.cancellation(&Id::number(3), "tools/call", "time-out").is_some());
        assert!(conversation.cancellation(&Id::number(3), "initialize", "time-out").is_none());
        conversation.revision = Some(Revision::newest(Era::Modern));
        assert!(conversation.cancellation(&Id::number(3), "tools/call", "time-out").is_some());
        conversation.transport = TransportKind::StreamableHttp;
        assert!(conversation.cancellation(&Id::number(3), "tools/call", "time-out").is_none());
    }
}

//! A shot: one message that was sent, and everything that came until the next one was. What rules judge, and what a report
//! shows as their evidence.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::exercise::Verb;
use crate::event::Reason;
use crate::session::Exchange;
use crate::transport::{Fault, Head};
use crate::wire::{Frame, Id, Message, RpcError, message};

/// One message and what came of it.
#[derive(Clone, Debug)]
pub struct Shot {
    /// The exercise; empty for the step of a probe.
    pub exercise: &'static str,
    /// Its name within the exercise.
    pub label: &'static str,
    /// On which connection of the exercise.
    pub place: usize,
    /// Its method, where it has one.
    pub method: Option<String>,
    /// The id under which its reply comes, where it wants one.
    pub id: Option<Id>,
    /// How it was sent.
    pub verb: Verb,
    /// What was sent, without transport framing.
    pub sent: Bytes,
    /// The protocol's HTTP headers that it was sent with.
    pub headers: Vec<(String, String)>,
    /// The head of the HTTP answer.
    pub head: Option<Head>,
    /// What came, in order.
    pub came: Vec<Came>,
    /// The reply to it, read.
    pub answer: Option<Result<Value, RpcError>>,
    /// The HTTP answer came to its end; always true of other transports.
    pub ended: bool,
    /// Why no more can come, where that is so.
    pub fault: Option<Fault>,
    /// Until the reply, or until nobody waited any more.
    pub took: Duration,
    /// The resident memory of the server's processes after it, where it was looked at.
    pub resident_bytes: Option<u64>,
}

/// Something that came.
#[derive(Clone, Debug)]
pub struct Came {
    /// Since the message was sent.
    pub after: Duration,
    /// What.
    pub item: Item,
}

/// What can come.
#[derive(Clone, Debug)]
pub enum Item {
    /// A message, or what was meant as one.
    Frame(Frame),
    /// Bytes that are none.
    Noise(Bytes),
    /// The id of an event, or when to come again.
    Cursor {
        /// `id:`.
        id: Option<String>,
        /// `retry:`.
        retry: Option<Duration>,
        /// The event holds nothing else.
        alone: bool,
    },
    /// The stream ended before the reply, and was taken up again by GET from the last event id.
    Resumed,
}

impl Shot {
    /// The shots of the call of a probe: one a page.
    #[must_use]
    pub fn of_exchange(exchange: &Exchange) -> Vec<Self> {
        let empty = Self {
            exercise: "",
            label: "step",
            place: 0,
            method: Some(exchange.method.to_string()),
            id: None,
            verb: Verb::Post,
            sent: Bytes::new(),
            headers: Vec::new(),
            head: exchange.head.clone(),
            came: Vec::new(),
            answer: None,
            ended: true,
            fault: None,
            took: exchange.total,
            resident_bytes: None,
        };
        let reply = exchange.reply.as_ref().ok().or(exchange.refused.as_deref());
        let Some(reply) = reply else {
            return vec![Self { fault: exchange.reply.as_ref().err().cloned(), ..empty }];
        };
        let after = exchange.marks.latency().unwrap_or(exchange.total);
        let page = |raw: &Bytes| {
            let frames = message::read(raw);
            let answered = frames.iter().find_map(|frame| match &frame.parsed {
                Ok(Message::Reply { id, body }) => Some((id.clone(), read(body))),
                _ => None,
            });
            let (id, answer) = answered.unzip();
            let came = frames.into_iter().map(|frame| Came { after, item: Item::Frame(frame) }).collect();
            Self { id: id.flatten(), answer, came, ..empty.clone() }
        };
        let mut shots: Vec<Self> = reply.raw.iter().map(page).collect();
        if let Some(first) = shots.first_mut() {
            let heard = exchange.notices.iter().filter(|notice| notice.whole).map(|notice| {
                let params = (!notice.params.is_null()).then_some(&notice.params);
                let frame = message::read(&message::notification(&notice.method, params)).into_iter().next();
                frame.map(|frame| Came { after: notice.after, item: Item::Frame(frame) })
            });
            let heard: Vec<Came> = heard.flatten().collect();
            first.came.splice(0..0, heard);
        }
        shots
    }

    /// The result, where there is one.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        self.answer.as_ref()?.as_ref().ok()
    }

    /// The JSON-RPC error that answers it, or one without an id that can only be meant for it.
    #[must_use]
    pub fn error(&self) -> Option<&RpcError> {
        match &self.answer {
            Some(Err(error)) => Some(error),
            Some(Ok(_)) => None,
            None => self.messages().find_map(|message| match message {
                Message::Reply { id: None | Some(Id::Null), body: Err(error) } => Some(error),
                _ => None,
            }),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    /// The HTTP status where the server could still choose it: an event stream has its own before the reply is known.
    #[must_use]
    pub fn chosen_status(&self) -> Option<u16> {
        let streams = self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        self.status().filter(|_| !streams)
    }

    /// Why it says nothing about how the server handles messages: someone before it refused, or nobody listened.
    #[must_use]
    pub fn spared(&self) -> Option<String> {
        if let Some(status) = self.busy().or(self.status().filter(|status| matches!(status, 401 | 403 | 502 | 504))) {
            return Some(format!("it was refused with HTTP {status}"));
        }
        match self.fault.as_ref()?.reason {
            Reason::Cancelled => Some("the audit was interrupted".to_owned()),
            Reason::Resolve | Reason::Connect | Reason::Tls | Reason::Spawn => {
                Some("no connection could be had".to_owned())
            }
            _ => None,
        }
    }

    /// The HTTP status that asks to slow down, or to come back later. It says nothing about what was sent, even where a
    /// refusal is looked for.
    #[must_use]
    pub fn busy(&self) -> Option<u16> {
        self.status().filter(|status| matches!(status, 429 | 503))
    }

    /// The parameters that were sent; `None` where they are not known, as of the step of a probe.
    #[must_use]
    pub fn params(&self) -> Option<Value> {
        serde_json::from_slice::<Value>(&self.sent).ok()?.get_mut("params").map(Value::take)
    }

    /// What the client declared with this message; `None` where that is not known. Only the modern era declares so.
    #[must_use]
    pub fn declared(&self) -> Option<Value> {
        let meta = self.params()?.get_mut("_meta")?.take();
        Some(meta.get("io.modelcontextprotocol/clientCapabilities").cloned().unwrap_or(Value::Null))
    }

    /// A header of the HTTP answer, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.as_ref()?.header(name)
    }

    /// Everything that came as a message, well formed or not.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.came.iter().filter_map(|came| match &came.item {
            Item::Frame(frame) => Some(frame),
            _ => None,
        })
    }

    /// Everything that came and is well formed.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.frames().filter_map(|frame| frame.parsed.as_ref().ok())
    }

    /// The notifications that came, with their parameters.
    pub fn notices(&self) -> impl Iterator<Item = (&str, Value)> {
        self.messages().filter_map(|message| match message {
            Message::Notification { method, params } => {
                let params = params.as_ref().and_then(|params| serde_json::from_str(params.get()).ok());
                Some((method.as_str(), params.unwrap_or(Value::Null)))
            }
            _ => None,
        })
    }

    /// The requests of the server that came.
    pub fn questions(&self) -> impl Iterator<Item = (&Id, &str)> {
        self.messages().filter_map(|message| match message {
            Message::Request { id, method, .. } => Some((id, method.as_str())),
            _ => None,
        })
    }

    /// What came in one sentence, for `actual`.
    #[must_use]
    pub fn said(&self) -> String {
        let status = self.status().map(|status| format!("HTTP {status}"));
        let answer = match &self.answer {
            Some(Ok(result)) => Some(format!("a result: {}", super::case::quote(result))),
            Some(Err(error)) => Some(format!("error {}: {}", error.code, super::case::cut(&error.message))),
            None => match (self.error(), &self.fault) {
                (Some(error), _) => {
                    Some(format!("error {} without our id: {}", error.code, super::case::cut(&error.message)))
                }
                (None, Some(fault)) => Some(super::case::cut(&fault.message)),
                (None, None) if status.is_none() => Some("nothing".to_owned()),
                (None, None) => None,
            },
        };
        [status, answer].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// A reply's body as values; of a result that is no JSON value there is none.
/// # Errors
/// The error that it is.
pub fn read(body: &Result<Box<serde_json::value::RawValue>, RpcError>) -> Result<Value, RpcError> {
    match body {
        Ok(result) => Ok(serde_json::from_str(result.get()).unwrap_or(Value::Null)),
        Err(error) => Err(error.clone()),
    }
}

#[cfg(test)]
impl Shot {
    /// A request to which nothing came.
    pub fn silent(exercise: &'static str, label: &'static str) -> Self {
        Self {
            exercise,
            label,
            place: 0,
            method: None,
            id: None,
            verb: Verb::Post,
            sent: Bytes::new(),
            headers: Vec::new(),
            head: None,
            came: Vec::new(),
            answer: None,
            ended: true,
            fault: None,
            took: Duration::ZERO,
            resident_bytes: None,
        }
    }

    /// A request that was answered with this status and no message.
    pub fn with_status(exercise: &'static str, label: &'static str, status: u16) -> Self {
        Self { head: Some(Head { status, headers: Vec::new() }), ..Self::silent(exercise, label) }
    }
}

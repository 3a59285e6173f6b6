//! One connection of an audit: messages are sent as an exercise wants them, and everything that comes is kept. Unlike a
//! session it mends nothing, repeats nothing and believes nothing.

mod documents;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::audit::{Body, Came, Edit, Envelope, Item, Place, Send, Shot, Verb, Wait, shot};
use crate::event::{Direction, Era, Reason, TransportKind};
use crate::protocol::{Answers, Revision, headers, legacy, modern};
use crate::session::{Passing, Tap};
use crate::transport::child::usage_now;
use crate::transport::{Dial, Farewell, Fault, Heard, Intent, Key, LEFT_OUT, Link, Outgoing, What};
use crate::wire::{Id, Message, message};

/// After the reply, the rest of the HTTP answer is waited for so long.
const REST: Duration = Duration::from_millis(500);
/// After an answer that may have been meant for the request, the real one is waited for so long.
const AFTER_STRAY: Duration = Duration::from_millis(500);
/// More than this of one shot is not kept.
const CAME_MAX: usize = 500;
/// Nor are more bytes.
const CAME_BYTES_MAX: usize = 32 << 20;
/// A stream is taken up again so often.
const RESUMED_MAX: usize = 20;
/// However long the server wants it to be waited for.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Pages of a list that are followed.
const PAGES_MAX: usize = 100;

/// How a talk is opened and how patient it is.
pub(super) struct Manner<'a> {
    pub(super) dial: &'a dyn Dial,
    pub(super) place: &'a Place,
    pub(super) revision: &'static Revision,
    pub(super) transport: TransportKind,
    /// Of one message.
    pub(super) timeout: Duration,
    pub(super) cancel: CancellationToken,
    pub(super) tap: Tap,
}

/// One connection.
pub(super) struct Talk<'a> {
    manner: &'a Manner<'a>,
    link: Box<dyn Link>,
    session: Option<String>,
    /// The version that `initialize` agreed on.
    agreed: Option<String>,
    /// The input schemas of the server's tools, whose arguments the headers of a call repeat.
    pub(super) schemas: Arc<HashMap<String, Value>>,
    /// Sessions that a further `initialize` left behind; they are ended too.
    left: Vec<String>,
    /// Whether the handshake of the legacy era is over, so that messages carry its headers.
    opened: bool,
    last_id: u64,
    last_key: Key,
    /// Why nothing can come any more.
    gone: Option<Fault>,
}

/// A message that is waited for.
struct Open {
    shot: Shot,
    key: Key,
    begun: Instant,
    until: Instant,
    wait: Wait,
    done: bool,
    /// How often its stream was taken up again.
    resumed: usize,
    bytes: usize,
    ids: crate::session::tap::CallIds,
}

impl<'a> Talk<'a> {
    /// Connects, or starts the process; nothing is said yet.
    pub(super) async fn bare(manner: &'a Manner<'a>) -> Result<Self, Fault> {
        let link = manner.dial.open(manner.transport, manner.cancel.clone());
        let link = match tokio::time::timeout(manner.timeout, link).await {
            Ok(link) => link?,
            Err(_) => return Err(Fault::new(Reason::Timeout, "no connection could be had in time")),
        };
        Ok(Self {
            manner,
            link,
            session: None,
            left: Vec::new(),
            agreed: None,
            schemas: Arc::default(),
            opened: false,
            last_id: 0,
            last_key: 0,
            gone: None,
        })
    }

    /// Opens the conversation as the revision wants it; what passes is added to `shots`.
    pub(super) async fn greet(&mut self, exercise: &'static str, place: usize, shots: &mut Vec<Shot>) {
        if self.manner.revision.era == Era::Modern {
            self.opened = true;
            return;
        }
        let params = legacy::initialize_params(self.manner.revision, &Answers::default());
        let hello = Send::request("initialize", "initialize", params).place(place);
        shots.push(self.say(exercise, &hello).await);
        self.opened = true;
        let ready = Send::notification("initialized", "notifications/initialized", Value::Null).place(place);
        let ready = if self.manner.transport == TransportKind::Stdio {
            // Nothing answers it, and what comes later is noted with what is said next.
            ready.listening(Duration::ZERO)
        } else {
            ready
        };
        shots.push(self.say(exercise, &ready).await);
    }

    /// Whether nothing can come any more.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.is_some()
    }

    /// One message and what comes of it.
    pub(super) async fn say(&mut self, exercise: &'static str, send: &Send) -> Shot {
        let mut shots = self.say_together(exercise, std::slice::from_ref(send)).await;
        let mut shot = shots.pop().unwrap_or_else(|| unreachable!("one shot a message"));
        if send.weighed {
            let used = self.link.facts().pid.and_then(usage_now);
            shot.resident_bytes = used.map(|used| used.resident_bytes).filter(|bytes| *bytes > 0);
        }
        shot
    }

    /// A list with all its pages.
    pub(super) async fn say_pages(&mut self, exercise: &'static str, send: &Send, shots: &mut Vec<Shot>) {
        let mut next = send.clone();
        let mut seen: Vec<String> = Vec::new();
        while seen.len() < PAGES_MAX {
            let shot = self.say(exercise, &next).await;
            let cursor = shot.result().and_then(|result| result.get("nextCursor")).and_then(Value::as_str);
            let cursor = cursor.map(str::to_owned);
            shots.push(shot);
            let Some(cursor) = cursor.filter(|cursor| !seen.contains(cursor)) else { break };
            if let Body::Request { params, .. } = &mut next.body {
                if !params.is_object() {
                    *params = Value::Object(serde_json::Map::new());
                }
                params["cursor"] = cursor.clone().into();
            }
            seen.push(cursor);
        }
    }

    /// Nothing is sent for so long; what comes is kept in a shot of its own.
    pub(super) async fn listen(&mut self, exercise: &'static str, place: usize, time: Duration) -> Shot {
        let mut open = self.open(exercise, &Send::get("listen", time).place(place));
        open.shot.fault.clone_from(&self.gone);
        open.done = self.gone.is_some();
        let mut all = [open];
        self.hear(&mut all).await;
        let [open] = all;
        open.shot
    }

    /// Several messages, all written before any answer is waited for.
    pub(super) async fn say_together(&mut self, exercise: &'static str, sends: &[Send]) -> Vec<Shot> {
        let mut open: Vec<Open> = Vec::with_capacity(sends.len());
        for send in sends {
            let mut one = self.open(exercise, send);
            match &send.body {
                Body::Document(url) => self.fetch(&mut one, url, &send.headers).await,
                _ => self.write(&mut one, send).await,
            }
            open.push(one);
        }
        self.hear(&mut open).await;
        let shots: Vec<Shot> = open.into_iter().map(|open| open.shot).collect();
        for shot in shots.iter().filter(|shot| shot.method.as_deref() == Some("initialize")) {
            let version = shot.result().and_then(|result| result.get("protocolVersion")).and_then(Value::as_str);
            self.agreed = version.map(str::to_owned);
        }
        shots
    }

    fn open(&self, exercise: &'static str, send: &Send) -> Open {
        let now = Instant::now();
        let limit = match send.wait {
            Wait::Reply | Wait::Stream(_) => self.manner.timeout,
            Wait::For(time) => time,
        };
        let shot = Shot {
            exercise,
            label: send.label,
            place: send.place,
            method: send.method().map(str::to_owned),
            id: None,
            verb: send.verb,
            sent: Bytes::new(),
            headers: Vec::new(),
            head: None,
            came: Vec::new(),
            answer: None,
            ended: self.manner.transport != TransportKind::StreamableHttp,
            fault: None,
            took: Duration::ZERO,
            resident_bytes: None,
        };
        let ids = self.manner.tap.call();
        Open { shot, key: 0, begun: now, until: now + limit, wait: send.wait, done: false, resumed: 0, bytes: 0, ids }
    }

    async fn write(&mut self, open: &mut Open, send: &Send) {
        let (body, id, mut headers) = self.compose(send);
        if self.manner.transport != TransportKind::StreamableHttp {
            headers.clear();
        }
        if self.manner.transport != TransportKind::Stdio {
            edit(&mut headers, &send.headers);
        }
        open.shot.id.clone_from(&id);
        open.shot.sent = body.clone();
        open.shot.headers = headers.iter().filter(|(_, value)| value != LEFT_OUT).cloned().collect();
        self.last_key += 1;
        open.key = self.last_key;
        if let Some(gone) = &self.gone {
            open.shot.fault = Some(gone.clone());
            open.done = true;
            return;
        }
        let tap = &self.manner.tap;
        tap.pass(&Passing {
            direction: Direction::Sent,
            ids: &open.ids,
            rpc_id: id.as_ref(),
            method: open.shot.method.as_deref(),
            status: None,
            duration: None,
            raw: &body,
        });
        let intent = match (send.verb, &send.body) {
            (Verb::Get, _) => Intent::Listen,
            (Verb::Delete, _) => Intent::End,
            (Verb::Post, Body::Notification { .. }) => Intent::OneWay,
            (Verb::Post, _) => Intent::Request,
        };
        let outgoing = Outgoing { key: open.key, intent, body, headers, repeatable: false };
        match tokio::time::timeout(self.manner.timeout, self.link.send(outgoing)).await {
            Ok(Ok(sent)) => {
                open.until = sent + open.until.saturating_duration_since(open.begun);
                open.begun = sent;
            }
            Ok(Err(fault)) => self.broke(open, fault),
            Err(_) => self.broke(open, Fault::new(Reason::Timeout, "the message could not be written in time")),
        }
    }

    /// A link that cannot be written to is over where it is one pipe; over HTTP the next message has its own connection.
    fn broke(&mut self, open: &mut Open, fault: Fault) {
        open.shot.fault = Some(fault.clone());
        open.done = true;
        if self.manner.transport == TransportKind::Stdio {
            self.gone = Some(fault);
        }
    }

    fn compose(&mut self, send: &Send) -> (Bytes, Option<Id>, Vec<(String, String)>) {
        let revision = self.manner.revision;
        let spoken = (self.opened || revision.era == Era::Modern).then_some(revision);
        let schema = |method: Option<(&str, &Value)>| {
            let (_, params) = method.filter(|(method, _)| *method == "tools/call")?;
            self.schemas.get(params.get("name")?.as_str()?)
        };
        let headers = |method: Option<(&str, &Value)>| {
            headers::of_message(spoken, self.session.as_deref(), method, schema(method))
        };
        match &send.body {
            Body::Request { method, params, id, envelope } => {
                let id = id.as_ref().map_or_else(
                    || {
                        self.last_id += 1;
                        Id::number(self.last_id)
                    },
                    id_of,
                );
                let params = enveloped(params, revision, envelope);
                let headers = headers(Some((method, params.as_ref().unwrap_or(&Value::Null))));
                (message::request(&id, method, params.as_ref()), Some(id), headers)
            }
            Body::Notification { method, params } => {
                let params = (!params.is_null()).then_some(params);
                let headers = headers(Some((method, params.unwrap_or(&Value::Null))));
                (message::notification(method, params), None, headers)
            }
            Body::Raw { text, id } => (Bytes::from(text.clone()), id.as_ref().map(id_of), headers(None)),
            Body::None | Body::Document(_) => (Bytes::new(), None, headers(None)),
        }
    }

    /// Hears until everybody has what he waits for.
    async fn hear(&mut self, all: &mut [Open]) {
        while let Some(until) = all.iter().filter(|open| !open.done).map(|open| open.until).min() {
            let heard = tokio::select! {
                biased;
                () = self.manner.cancel.cancelled() => {
                    for open in all.iter_mut().filter(|open| !open.done) {
                        open.end(Some(Fault::new(Reason::Cancelled, "interrupted")));
                    }
                    return;
                }
                // Not beside a sleep: one that waits while the server talks without a pause would never come to its turn.
                heard = tokio::time::timeout_at(until.into(), self.link.recv()) => heard,
            };
            match heard {
                Ok(heard) => self.take(heard, all).await,
                Err(_) => self.give_up(all),
            }
        }
    }

    fn give_up(&mut self, all: &mut [Open]) {
        let now = Instant::now();
        for open in all.iter_mut().filter(|open| !open.done && open.until <= now) {
            let late = match open.wait {
                Wait::Reply => open.shot.answer.is_none() && open.shot.error().is_none(),
                Wait::Stream(_) => open.shot.frames().next().is_none(),
                Wait::For(_) => false,
            };
            let waited = crate::base::duration::human(open.begun.elapsed());
            open.end(late.then(|| Fault::new(Reason::Timeout, format!("no reply within {waited}"))));
            self.link.abandon(open.key);
        }
    }

    async fn take(&mut self, heard: Heard, all: &mut [Open]) {
        let Heard { key, at, what, .. } = heard;
        if let What::Frame(frame) = &what
            && let Ok(Message::Request { id, method, .. }) = &frame.parsed
        {
            let reply = Answers::default().reply(self.manner.revision.era, method);
            self.answer(id, &reply).await;
        }
        let named = match &what {
            What::Frame(frame) => match &frame.parsed {
                Ok(Message::Reply { id, .. }) => id.clone(),
                Err(broken) => broken.id().cloned(),
                Ok(_) => None,
            },
            _ => None,
        };
        if let (None, What::Fault(fault)) = (key, &what) {
            self.gone = Some(fault.clone());
            all.iter_mut().filter(|open| !open.done).for_each(|open| open.end(Some(fault.clone())));
            return;
        }
        let owner = match key {
            Some(key) => all.iter().position(|open| open.key == key),
            None => all
                .iter()
                .position(|open| named.is_some() && open.shot.id == named)
                .or_else(|| all.iter().position(|open| !open.done)),
        };
        let Some(owner) = owner else { return };
        if matches!(what, What::End) && self.resume(&mut all[owner]).await {
            return;
        }
        if let What::Head(head) = &what
            && all[owner].shot.method.as_deref() == Some("initialize")
            && let Some(session) = head.header("mcp-session-id")
        {
            self.manner.tap.keep_secret(session);
            let before = self.session.replace(session.to_owned());
            self.left.extend(before.filter(|before| before != session));
        }
        all[owner].take(what, at, &self.manner.tap, self.manner.transport == TransportKind::StreamableHttp);
    }

    /// Takes up a stream again that ended before the reply and said where it was, as clients of the legacy era do. Whether
    /// it was one.
    async fn resume(&mut self, open: &mut Open) -> bool {
        let revision = self.manner.revision;
        if open.wait != Wait::Reply
            || open.shot.answer.is_some()
            || open.resumed >= RESUMED_MAX
            || !revision.http.sessions
        {
            return false;
        }
        let cursors = || {
            open.shot.came.iter().rev().filter_map(|came| match &came.item {
                Item::Cursor { id, retry, .. } => Some((id, retry)),
                _ => None,
            })
        };
        let Some(id) = cursors().find_map(|(id, _)| id.clone()) else { return false };
        let pause = cursors().find_map(|(_, retry)| *retry).unwrap_or_default().min(RETRY_MAX);
        tokio::time::sleep(pause).await;
        let mut headers = headers::of_message(self.opened.then_some(revision), self.session.as_deref(), None, None);
        headers.push(("Last-Event-ID".to_owned(), id));
        let get = Outgoing { key: open.key, intent: Intent::Resume, body: Bytes::new(), headers, repeatable: false };
        let sent = tokio::time::timeout(self.manner.timeout, self.link.send(get)).await;
        open.resumed += 1;
        let after = open.begun.elapsed();
        open.shot.came.push(Came { after, item: Item::Resumed });
        matches!(sent, Ok(Ok(_)))
    }

    /// Answers what the server asks, as a client does that has declared nothing.
    async fn answer(&mut self, id: &Id, reply: &Result<Value, crate::wire::RpcError>) {
        self.last_key += 1;
        let spoken = self.opened.then_some(self.manner.revision);
        let outgoing = Outgoing {
            key: self.last_key,
            intent: Intent::Aside,
            body: message::reply(id, reply),
            headers: headers::of_message(spoken, self.session.as_deref(), None, None),
            repeatable: false,
        };
        // What becomes of it shows in what comes next.
        let _ = tokio::time::timeout(self.manner.timeout, self.link.send(outgoing)).await;
    }

    /// Ends the session where there is one, and the connection.
    pub(super) async fn close(mut self, grace: Duration) -> Farewell {
        let version = self.agreed.take().filter(|_| self.manner.revision.era == Era::Modern);
        if self.gone.is_none() && self.manner.transport == TransportKind::StreamableHttp {
            while self.session.is_some() {
                let mut end = Send::delete("end");
                if let Some(version) = &version {
                    // The session of a server of both eras, which was asked for its other one.
                    end = end.header("MCP-Protocol-Version", version.clone());
                }
                self.say("", &end).await;
                self.session = self.left.pop();
            }
        }
        self.link.close(grace).await
    }
}

impl Open {
    fn end(&mut self, fault: Option<Fault>) {
        self.done = true;
        self.shot.took = self.begun.elapsed();
        if self.shot.fault.is_none() {
            self.shot.fault = fault;
        }
    }

    fn take(&mut self, what: What, at: Instant, tap: &Tap, http: bool) {
        let after = at.saturating_duration_since(self.begun);
        let item = match what {
            What::Head(head) => {
                // That of a stream taken up again is another answer.
                self.shot.head.get_or_insert(head);
                return;
            }
            What::End => {
                self.shot.ended = true;
                self.end(None);
                return;
            }
            What::Fault(fault) => {
                self.end(Some(fault));
                return;
            }
            What::Cursor { id, retry, alone } => Item::Cursor { id, retry, alone },
            What::Noise(bytes) => Item::Noise(bytes),
            What::Frame(frame) => {
                self.pass(&frame, after, tap);
                self.hear(&frame, http);
                Item::Frame(frame)
            }
        };
        let size = match &item {
            Item::Frame(frame) => frame.raw.len(),
            Item::Noise(bytes) => bytes.len(),
            Item::Cursor { .. } | Item::Resumed => 0,
        };
        self.bytes += size;
        if self.shot.came.len() < CAME_MAX && self.bytes <= CAME_BYTES_MAX {
            self.shot.came.push(Came { after, item });
        }
    }

    fn hear(&mut self, frame: &crate::wire::Frame, http: bool) {
        let mine = match &frame.parsed {
            Ok(Message::Reply { id, body }) if self.shot.answer.is_none() && id.is_some() && *id == self.shot.id => {
                self.shot.answer = Some(shot::read(body));
                true
            }
            Err(broken) => broken.id().is_some() && broken.id() == self.shot.id.as_ref(),
            // Whatever it answers, no other message is waited for.
            Ok(Message::Reply { .. }) => {
                self.until = self.until.min(Instant::now() + AFTER_STRAY);
                false
            }
            Ok(_) => false,
        };
        if let Wait::Stream(more) = self.wait
            && self.shot.frames().next().is_none()
        {
            // It is kept only after this: the first message of the stream.
            self.until = Instant::now() + more;
        }
        if !mine || self.wait != Wait::Reply {
            return;
        }
        self.shot.took = self.begun.elapsed();
        if http {
            self.until = self.until.min(Instant::now() + REST);
        } else {
            self.done = true;
        }
    }

    fn pass(&self, frame: &crate::wire::Frame, after: Duration, tap: &Tap) {
        let (rpc_id, method, status) = match &frame.parsed {
            Ok(Message::Reply { id, body }) => {
                (id.as_ref(), self.shot.method.as_deref(), if body.is_ok() { "ok" } else { "error" })
            }
            Ok(Message::Request { id, method, .. }) => (Some(id), Some(method.as_str()), "request"),
            Ok(Message::Notification { method, .. }) => (None, Some(method.as_str()), "notification"),
            Err(broken) => (broken.id(), None, "malformed"),
        };
        let duration = matches!(status, "ok" | "error").then_some(after);
        tap.pass(&Passing {
            direction: Direction::Received,
            ids: &self.ids,
            rpc_id,
            method,
            status: Some(status),
            duration,
            raw: &frame.raw,
        });
    }
}

fn id_of(value: &Value) -> Id {
    match value {
        Value::String(text) => Id::text(text.as_str()),
        Value::Number(number) => Id::Number(number.to_string().into()),
        _ => Id::Null,
    }
}

fn enveloped(params: &Value, revision: &'static Revision, envelope: &Envelope) -> Option<Value> {
    let plain = || (!params.is_null()).then(|| params.clone());
    if revision.era == Era::Legacy {
        return plain();
    }
    match envelope {
        Envelope::None => plain(),
        Envelope::Whole => Some(modern::envelope(params, revision, &Answers::default(), &[])),
        Envelope::With(extra) => {
            let mut whole = modern::envelope(params, revision, &Answers::default(), &[]);
            for (key, value) in extra {
                whole["_meta"][key.as_str()] = value.clone();
            }
            Some(whole)
        }
        Envelope::Without(keys) => {
            let mut whole = modern::envelope(params, revision, &Answers::default(), &[]);
            if let Some(meta) = whole["_meta"].as_object_mut() {
                keys.iter().for_each(|key| {
                    meta.shift_remove(*key);
                });
            }
            Some(whole)
        }
    }
}

/// Changes headers. What is dropped is not sent either where it is the user's own.
fn edit(headers: &mut Vec<(String, String)>, edits: &[Edit]) {
    for edit in edits {
        let (Edit::Set(name, _) | Edit::Drop(name)) = edit;
        headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        let value = match edit {
            Edit::Set(_, value) => value.as_str(),
            Edit::Drop(_) => LEFT_OUT,
        };
        headers.push((name.to_string(), value.to_owned()));
    }
}

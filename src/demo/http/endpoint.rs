//! From an HTTP request to an answer: which era it is of, what it must carry, whose session it belongs to.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::super::Responses;
use super::super::authorization::Front;
use super::super::dialogue::{Heard, Peer, Server};
use super::super::faults::lax::{Lax, is_lax};
use super::super::perform::{Outlet, next_unasked_change, perform};
use super::super::revision::Revision;
use super::super::script::{Step, failure};
use super::super::stdio::batch_replies;
use super::super::wire::{self, LAST_CHUNK, Plain, STREAM};
use super::request::Request;
use super::rules::{self, Refusal};
use super::sessions::{IntoLog, IntoStream, Session};
use super::{KEEP_ALIVE, Web};

const SESSION: &str = "mcp-session-id";
/// How long a client that polls is to wait, in milliseconds.
const RETRY_MS: u32 = 50;

/// The body of a POST.
#[derive(Debug)]
pub struct Message(Option<Value>);

impl Message {
    /// The JSON of a request, if it has any.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self(if request.verb == "POST" { serde_json::from_slice(&request.body).ok() } else { None })
    }

    /// The JSON-RPC method, or `HTTP GET` and the like.
    #[must_use]
    pub fn method(&self, request: &Request) -> String {
        if request.verb != "POST" {
            let sse = if request.path == "/sse" { " /sse" } else { "" };
            return format!("HTTP {}{sse}", request.verb);
        }
        let method = self.0.as_ref().and_then(|message| message["method"].as_str());
        method.unwrap_or_default().to_owned()
    }

    /// The JSON-RPC id.
    #[must_use]
    pub fn id(&self) -> &Value {
        self.0.as_ref().and_then(|message| message.get("id")).unwrap_or(&Value::Null)
    }

    /// Whether this is a request of 2026-07-28: it says so in a header or in `_meta`.
    #[must_use]
    pub fn is_modern(&self, server: &Server, request: &Request) -> bool {
        if !server.serves_modern() {
            return false;
        }
        let header = request.header("mcp-protocol-version").is_some_and(|version| version >= "2026");
        let message = self.0.as_ref();
        let version = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
        let body = message.and_then(|message| message.pointer(version)).is_some_and(|version| !version.is_null());
        let opens = message.is_some_and(|message| message["method"] == "initialize");
        !opens && (header || body || server.revisions().iter().all(|revision| revision.is_modern()))
    }
}

/// What is answered.
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// What stands in the body.
    pub body: Body,
    /// Whether closing the connection gives the request up.
    pub modern: bool,
}

/// The body of an answer.
pub enum Body {
    /// Bytes of a type.
    Bytes(&'static str, Vec<u8>),
    /// The performance of a script.
    Script(Vec<Step>, Responses),
    /// Events until the sender goes.
    Events(mpsc::Receiver<Vec<u8>>),
    /// The events of a resumable stream, from one on; closed again after the first ones when `early`.
    Log { number: u64, log: Arc<super::sessions::Log>, from: usize, early: bool },
}

impl Answer {
    fn bytes(status: u16, kind: &'static str, bytes: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(kind, bytes), modern: false }
    }

    fn json(status: u16, value: &Value) -> Self {
        Self::bytes(status, "application/json", value.to_string().into_bytes())
    }

    fn empty(status: u16) -> Self {
        Self::bytes(status, "", Vec::new())
    }

    fn refused((status, words): Refusal) -> Self {
        Self::json(status, &failure(&Value::Null, -32000, words, &Value::Null))
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The whole answer, for a fault to send in its own way.
    pub async fn plain(self, server: &Server) -> io::Result<Plain> {
        let mut gather = Gather::default();
        if let Body::Script(steps, _) = self.body {
            perform(server, steps, &mut gather).await?;
        }
        let status = gather.messages.last().map_or(self.status, |reply| rules::status(reply, self.modern));
        Ok(Plain { status, headers: self.headers, messages: gather.messages })
    }

    /// Writes the answer.
    pub async fn write_to(self, server: &Server, socket: &mut (impl AsyncWrite + Unpin + Send)) -> io::Result<()> {
        let now = super::date(SystemTime::now());
        let mut headers: Vec<(&str, &str)> = vec![("date", &now)];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        match self.body {
            Body::Bytes(kind, bytes) => {
                if !kind.is_empty() {
                    headers.push(("content-type", kind));
                }
                socket.write_all(&wire::full(self.status, &headers, &bytes)).await
            }
            Body::Script(steps, responses) if streams(&steps, responses) && !(self.modern && refuses(&steps)) => {
                headers.extend(STREAM);
                socket.write_all(&wire::head(200, &headers)).await?;
                perform(server, steps, &mut Events(&mut *socket)).await?;
                socket.write_all(LAST_CHUNK).await
            }
            Body::Script(steps, _) => {
                let mut gather = Gather::default();
                perform(server, steps, &mut gather).await?;
                headers.push(("content-type", "application/json"));
                let (status, body) = match (gather.messages.last(), gather.raw) {
                    (_, Some(raw)) => (200, raw),
                    (Some(reply), None) => (rules::status(reply, self.modern), reply.to_string().into_bytes()),
                    (None, None) => (200, Vec::new()),
                };
                socket.write_all(&wire::full(status, &headers, &body)).await
            }
            Body::Events(mut events) => {
                headers.extend(STREAM);
                socket.write_all(&wire::head(200, &headers)).await?;
                loop {
                    let bytes = match tokio::time::timeout(KEEP_ALIVE, events.recv()).await {
                        Ok(Some(bytes)) => bytes,
                        Ok(None) => return socket.write_all(LAST_CHUNK).await,
                        Err(_) => b": keep-alive\n\n".to_vec(),
                    };
                    socket.write_all(&wire::chunk(&bytes)).await?;
                    socket.flush().await?;
                }
            }
            Body::Log { number, log, mut from, early } => {
                headers.extend(STREAM);
                socket.write_all(&wire::head(200, &headers)).await?;
                let lax = is_lax(&server.settings.faults, Lax::Retry);
                let retry = if lax { String::new() } else { format!("retry: {RETRY_MS}\n") };
                let priming = format!("id: {number}-{from}\n{retry}data:\n\n");
                socket.write_all(&wire::chunk(priming.as_bytes())).await?;
                socket.flush().await?;
                while !early && let Some(news) = log.after(from).await {
                    for message in news {
                        from += 1;
                        let event = format!("id: {number}-{from}\nevent: message\ndata: {message}\n\n");
                        socket.write_all(&wire::chunk(event.as_bytes())).await?;
                    }
                    socket.flush().await?;
                }
                socket.write_all(LAST_CHUNK).await
            }
        }
    }
}

/// Whether a script needs an event stream: it says more than its reply, or the settings want one.
fn streams(steps: &[Step], responses: Responses) -> bool {
    let said = steps.iter().filter(|step| matches!(step, Step::Say(_))).count();
    let raw = steps.iter().any(|step| matches!(step, Step::Raw(_)));
    let open = steps.iter().any(|step| matches!(step, Step::Ask(_) | Step::Listen(_)));
    match responses {
        Responses::Auto => !raw && (said > 1 || open),
        Responses::Sse => !raw && (said > 0 || open),
        Responses::Json => open,
    }
}

/// Whether all that is said is an error that 2026-07-28 gives a status of its own, which a stream could not have.
fn refuses(steps: &[Step]) -> bool {
    matches!(steps, [Step::Say(reply)] if rules::status(reply, true) != 200)
}

/// Messages kept for later.
#[derive(Default)]
struct Gather {
    messages: Vec<Value>,
    raw: Option<Vec<u8>>,
}

impl Outlet for Gather {
    async fn say(&mut self, message: &Value) -> io::Result<()> {
        self.messages.push(message.clone());
        Ok(())
    }

    async fn raw(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.raw.get_or_insert_default().extend(bytes);
        Ok(())
    }

    async fn close(&mut self) {}
}

/// Messages as events in chunks.
struct Events<'a, W>(&'a mut W);

impl<W: AsyncWrite + Unpin + Send> Outlet for Events<'_, W> {
    async fn say(&mut self, message: &Value) -> io::Result<()> {
        self.raw(wire::event(message)).await
    }

    async fn raw(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.0.write_all(&wire::chunk(&bytes)).await?;
        self.0.flush().await
    }

    async fn close(&mut self) {}
}

/// The answer to a request.
pub async fn answer(web: &Arc<Web>, request: &Request, message: &Message, secure: bool) -> Answer {
    if request.path == "/stats" {
        return Answer::json(200, &web.server.stats.to_json());
    }
    if request.path == "/elsewhere" {
        web.server.stats.elsewhere.add();
        if request.header("authorization").is_some() {
            web.server.stats.elsewhere_with_credentials.add();
        }
        return Answer::bytes(404, "text/plain", b"nothing here\n".to_vec());
    }
    if let Err(refusal) = rules::check_origin(request, &web.server.settings.faults) {
        return Answer::refused(refusal);
    }
    if let Some(token) = &web.server.settings.token {
        let wanted = format!("Bearer {}", token.reveal());
        match request.header("authorization") {
            Some(sent) if sent == wanted => {}
            sent => return unauthorized(request, sent.is_some(), secure),
        }
    }
    match (request.verb.as_str(), request.path.as_str()) {
        ("POST", "/mcp" | "/mcp/") => post(web, request, message).await,
        ("GET", "/mcp" | "/mcp/") => get(web, request),
        ("DELETE", "/mcp" | "/mcp/") => delete(web, request),
        ("GET", "/sse") if serves_legacy(web) => open_sse(web),
        ("POST", "/messages") => post_message(web, request, message).await,
        (_, "/mcp" | "/mcp/") => Answer::empty(405).with("allow", "GET, POST, DELETE"),
        (_, "/sse") => Answer::empty(405).with("allow", "GET"),
        _ => Answer::bytes(404, "text/plain", b"nothing here; the server is at /mcp\n".to_vec()),
    }
}

/// Who has no token is told where to get one.
fn unauthorized(request: &Request, sent: bool, secure: bool) -> Answer {
    let scheme = if secure { "https" } else { "http" };
    let host = request.header("host").unwrap_or("localhost");
    let front = Front::healthy(&format!("{scheme}://{host}"));
    if request.verb == "GET"
        && let Some(document) = front.document(&request.path)
    {
        return Answer::json(200, document);
    }
    let error = if sent { ", error=\"invalid_token\"" } else { "" };
    let challenge = format!("{}{error}", front.challenge.unwrap_or_default());
    Answer::json(401, &json!({"error": if sent { "invalid_token" } else { "a bearer token is required" }}))
        .with("www-authenticate", challenge)
}

fn serves_legacy(web: &Web) -> bool {
    web.server.revisions().iter().any(|revision| !revision.is_modern())
}

async fn post(web: &Arc<Web>, request: &Request, message: &Message) -> Answer {
    if let Err(refusal) = rules::check_media(request, &web.server.settings.faults) {
        return Answer::refused(refusal);
    }
    let Some(value) = &message.0 else {
        return Answer::json(400, &failure(&Value::Null, -32700, "the body is not JSON", &Value::Null));
    };
    if message.is_modern(&web.server, request) {
        return post_modern(web, request, value);
    }
    post_legacy(web, request, value).await
}

fn post_modern(web: &Web, request: &Request, message: &Value) -> Answer {
    let server = &web.server;
    if let Some(answer) = batch(server, &mut Peer::default(), message) {
        return answer;
    }
    if message["method"].is_string()
        && !message["id"].is_null()
        && let Err(fail) = rules::check_modern(server, request, message)
    {
        let refusal = failure(&message["id"], fail.code, &fail.message, &fail.data);
        let body = Body::Script(vec![Step::Say(refusal)], Responses::Json);
        return Answer { status: 400, headers: Vec::new(), body, modern: true };
    }
    let heard = hear(server, &mut Peer::default(), message);
    let mut answer = heard_over_http(heard, server.settings.responses);
    answer.modern = true;
    answer
}

/// Hears a message, and counts a request that the client gives up by it.
fn hear(server: &Server, peer: &mut Peer, message: &Value) -> Heard {
    let heard = server.hear(peer, message);
    if matches!(heard, Heard::Notification(Some(_))) {
        server.stats.cancelled.add();
    }
    heard
}

fn heard_over_http(heard: Heard, responses: Responses) -> Answer {
    match heard {
        Heard::Notification(_) | Heard::Answer => Answer::empty(202),
        Heard::Malformed(reply) => Answer::json(400, &reply),
        Heard::Request(steps) => {
            Answer { status: 200, headers: Vec::new(), body: Body::Script(steps, responses), modern: false }
        }
    }
}

async fn post_legacy(web: &Arc<Web>, request: &Request, message: &Value) -> Answer {
    let server = &web.server;
    let settings = &server.settings;
    if message["method"] == "initialize" {
        return initialize(web, message);
    }
    let version = request.header("mcp-protocol-version");
    let lax = |about| is_lax(&settings.faults, about);
    let revision = match version.map(Revision::parse) {
        _ if version.is_some() && lax(Lax::LegacyVersion) => Revision::R2025_03,
        None if lax(Lax::VersionOptional) => return Answer::refused((400, "MCP-Protocol-Version is required")),
        None => Revision::R2025_03,
        Some(Some(revision)) if !revision.is_modern() && server.revisions().contains(&revision) => revision,
        Some(_) => return Answer::refused((400, "unsupported MCP-Protocol-Version")),
    };
    if settings.stateless {
        let mut peer = Peer::agreed(revision);
        if let Some(answer) = batch(server, &mut peer, message) {
            return answer;
        }
        return heard_over_http(hear(server, &mut peer, message), settings.responses);
    }
    let session = match session(web, request) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let mut peer = session.peer.lock().await;
    if let Some(answer) = batch(server, &mut peer, message) {
        return answer;
    }
    let heard = hear(server, &mut peer, message);
    let agreed = peer.revision();
    drop(peer);
    match heard {
        Heard::Request(steps) if settings.sse_polling && agreed >= Some(Revision::R2025_11) => {
            poll(web, &session, steps)
        }
        heard => heard_over_http(heard, settings.responses),
    }
}

/// The session that a request names.
fn session(web: &Web, request: &Request) -> Result<Arc<Session>, Answer> {
    let status = |about, good: u16| if is_lax(&web.server.settings.faults, about) { 500 } else { good };
    let Some(id) = request.header(SESSION) else {
        return Err(Answer::refused((status(Lax::NoSession, 400), "the Mcp-Session-Id header is required")));
    };
    let lost = || failure(&Value::Null, -32001, "session not found", &Value::Null);
    web.sessions.get(id).ok_or_else(|| Answer::json(status(Lax::UnknownSession, 404), &lost()))
}

/// Batches exist in 2025-03-26 only, unless a fault says otherwise.
fn batch(server: &Server, peer: &mut Peer, message: &Value) -> Option<Answer> {
    let batch = message.as_array()?;
    if !server.takes_batches(peer.revision()) || batch.is_empty() {
        return None;
    }
    let replies = batch_replies(server, peer, batch);
    Some(if replies.is_empty() { Answer::empty(202) } else { Answer::json(200, &Value::Array(replies)) })
}

fn initialize(web: &Web, message: &Value) -> Answer {
    let server = &web.server;
    if is_lax(&server.settings.faults, Lax::SecondSession) && !web.sessions.is_empty() {
        return Answer::json(400, &failure(&message["id"], -32600, "Server already initialized", &Value::Null));
    }
    let mut peer = Peer::default();
    let heard = hear(server, &mut peer, message);
    let agreed = peer.revision().is_some();
    let mut answer = heard_over_http(heard, server.settings.responses);
    if !agreed {
        // A refused version is a 400 in the era that defines the code.
        answer.modern = !serves_legacy(web);
        return answer;
    }
    if server.settings.stateless {
        server.stats.sessions_closed.add();
        return answer;
    }
    let (id, _) = web.sessions.open(Session::new(peer, None), is_lax(&server.settings.faults, Lax::SessionIds));
    answer.with(SESSION, id)
}

/// Event-stream polling of 2025-11-25: the script runs beside the connection, which is closed at once.
fn poll(web: &Arc<Web>, session: &Session, steps: Vec<Step>) -> Answer {
    let (number, log) = session.open_log();
    let server = Arc::clone(&web.server);
    let mut into = IntoLog(Arc::clone(&log));
    web.tasks.spawn(async move {
        // Writing into a log does not fail.
        let _ = perform(&server, steps, &mut into).await;
        into.close().await;
    });
    let body = Body::Log { number, log, from: 0, early: true };
    Answer { status: 200, headers: Vec::new(), body, modern: false }
}

fn get(web: &Arc<Web>, request: &Request) -> Answer {
    let legacy = serves_legacy(web) && !web.server.settings.stateless;
    let accepts = request.header("accept").is_some_and(|accept| accept.contains("text/event-stream"));
    if !legacy {
        return Answer::empty(405).with("allow", "POST");
    }
    if !accepts {
        return Answer::refused((406, "Accept must list text/event-stream"));
    }
    let session = match session(web, request) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    if let Some(last) = request.header("last-event-id") {
        web.server.stats.resumed.add();
        let place = last.split_once('-').and_then(|(stream, from)| Some((stream.parse().ok()?, from.parse().ok()?)));
        return match place.and_then(|(number, from)| Some((number, session.log(number)?, from))) {
            Some((number, log, from)) => {
                let body = Body::Log { number, log, from, early: false };
                Answer { status: 200, headers: Vec::new(), body, modern: false }
            }
            None => Answer::refused((400, "Last-Event-ID names no event of this session")),
        };
    }
    let (sender, events) = mpsc::channel(64);
    announce(web, &session, sender);
    Answer { status: 200, headers: Vec::new(), body: Body::Events(events), modern: false }
}

/// Tells a stream of every change until it is closed, as long as it is the newest of its session.
fn announce(web: &Arc<Web>, session: &Arc<Session>, sender: mpsc::Sender<Vec<u8>>) {
    let (session, number) = (Arc::clone(session), session.listen());
    let mut changes = web.server.changes.subscribe();
    web.tasks.spawn(async move {
        loop {
            tokio::select! {
                () = sender.closed() => return,
                message = next_unasked_change(&mut changes) => {
                    let Some(message) = message else { return };
                    if !session.is_newest(number) { continue; }
                    if sender.send(wire::event(&message)).await.is_err() { return; }
                }
            }
        }
    });
}

fn delete(web: &Web, request: &Request) -> Answer {
    web.server.stats.deletes.add();
    if !serves_legacy(web) || web.server.settings.stateless {
        return Answer::empty(405).with("allow", "POST");
    }
    match request.header(SESSION) {
        None => Answer::refused((400, "the Mcp-Session-Id header is required")),
        Some(id) if is_lax(&web.server.settings.faults, Lax::SessionEnd) && web.sessions.get(id).is_some() => {
            Answer::empty(200)
        }
        Some(id) if web.sessions.close(id) => {
            web.server.stats.sessions_closed.add();
            Answer::empty(200)
        }
        Some(_) => Answer::json(404, &failure(&Value::Null, -32001, "session not found", &Value::Null)),
    }
}

/// HTTP+SSE: the stream says where to post; it ends the session when it is closed.
fn open_sse(web: &Arc<Web>) -> Answer {
    let (sender, events) = mpsc::channel(64);
    let (id, session) = web.sessions.open(Session::new(Peer::default(), Some(sender.clone())), false);
    let web_then = Arc::clone(web);
    let own = sender.clone();
    let listening = Arc::clone(&session);
    let endpoint = format!("event: endpoint\ndata: /messages?session={id}\n\n");
    web.tasks.spawn(async move {
        if own.send(endpoint.into_bytes()).await.is_ok() {
            own.closed().await;
        }
        web_then.sessions.close(&id);
        if session.peer.lock().await.revision().is_some() {
            web_then.server.stats.sessions_closed.add();
        }
    });
    announce(web, &listening, sender);
    Answer { status: 200, headers: Vec::new(), body: Body::Events(events), modern: false }
}

async fn post_message(web: &Arc<Web>, request: &Request, message: &Message) -> Answer {
    let id = request.query.split('&').find_map(|pair| pair.strip_prefix("session=")).unwrap_or_default();
    let Some((session, stream)) = web.sessions.get(id).and_then(|s| s.stream.clone().map(|stream| (s, stream))) else {
        return Answer::bytes(404, "text/plain", b"no such session\n".to_vec());
    };
    let Some(value) = &message.0 else {
        return Answer::bytes(400, "text/plain", b"the body is not JSON\n".to_vec());
    };
    let heard = hear(&web.server, &mut *session.peer.lock().await, value);
    let steps = match heard {
        Heard::Request(steps) => steps,
        Heard::Malformed(reply) => vec![Step::Say(reply)],
        Heard::Notification(_) | Heard::Answer => Vec::new(),
    };
    let server = Arc::clone(&web.server);
    web.tasks.spawn(async move {
        let mut into = IntoStream(stream.clone());
        tokio::select! {
            // A client that closed its stream hears nothing more.
            () = stream.closed() => {}
            _ = perform(&server, steps, &mut into) => {}
        }
    });
    Answer::bytes(202, "text/plain", b"Accepted".to_vec())
}

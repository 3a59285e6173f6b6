//! From a message to a script, in both eras and all five revisions. No input or output happens here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{broadcast, oneshot};

use super::faults::{self, Act, refusals};
use super::revision::{Era, Revision};
use super::script::{Call, Step, failure, success};
use super::stats::Stats;
use super::{Settings, catalog, features, tasks, tools};

/// The newest revision that is opened by `initialize`.
const NEWEST_LEGACY: Revision = Revision::R2025_11;
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// A list that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The tools.
    Tools,
    /// The resources.
    Resources,
}

/// How the process is to end when a fault or `--crash-after` says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this code.
    Exit(u8),
    /// By SIGKILL.
    Kill,
}

/// The server behind every connection.
#[derive(Debug)]
pub struct Server {
    /// How it was told to behave.
    pub settings: Settings,
    /// What it has seen.
    pub stats: Stats,
    /// Told when a list changes.
    pub changes: broadcast::Sender<Change>,
    /// Told when the process is to end.
    pub endings: broadcast::Sender<Ending>,
    /// Tasks that were begun.
    pub tasks: tasks::Tasks,
    notes: Mutex<Vec<String>>,
    random: Mutex<fastrand::Rng>,
    calls: AtomicU64,
    asked: AtomicU64,
    hits: Vec<AtomicU64>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Value>>>,
}

/// What one legacy connection or session has agreed on. A modern request needs none of it.
#[derive(Debug, Default)]
pub struct Peer {
    pinned: Option<Revision>,
    capabilities: Value,
    log_level: usize,
}

impl Peer {
    /// The revision that was agreed on by `initialize`, or pinned by a modern request.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        self.pinned
    }

    /// A peer that is taken to have agreed on `revision` (HTTP without sessions).
    #[must_use]
    pub fn agreed(revision: Revision) -> Self {
        // A level that was set cannot be remembered, so only what anybody wants to know is told: warnings and worse.
        Self { pinned: Some(revision), capabilities: Value::Null, log_level: 3 }
    }
}

/// What came out of one message.
#[derive(Debug)]
pub enum Heard {
    /// A request and what to do about it.
    Request(Vec<Step>),
    /// A notification; the id when it cancels a request.
    Notification(Option<Value>),
    /// An answer to a request of ours; it has been delivered.
    Answer,
    /// Not a message: the error to send.
    Malformed(Value),
}

/// A request in its revision, for the code that answers it.
#[derive(Debug)]
pub struct Context<'a> {
    /// The server.
    pub server: &'a Server,
    /// Revision to answer in.
    pub revision: Revision,
    /// Id of the request.
    pub id: &'a Value,
    /// Parameters, `null` when absent.
    pub params: &'a Value,
    /// What the client declared.
    pub capabilities: &'a Value,
    /// Least severity of log messages (legacy).
    pub log_level: usize,
}

impl Context<'_> {
    /// The step that answers with `result`.
    #[must_use]
    pub fn say(&self, result: Value) -> Step {
        Step::Say(success(self.id, &features::dressed(self.revision, result, false)))
    }
}

/// A JSON-RPC error.
#[derive(Debug)]
pub struct Fail {
    /// Code.
    pub code: i64,
    /// Message.
    pub message: String,
    /// Data, `null` for none.
    pub data: Value,
}

impl Fail {
    /// An error without data.
    #[must_use]
    pub fn new(code: i64, message: &str) -> Self {
        Self { code, message: message.to_owned(), data: Value::Null }
    }

    /// Invalid parameters.
    #[must_use]
    pub fn params(message: &str) -> Self {
        Self::new(-32602, message)
    }

    fn unknown_method(method: &str) -> Self {
        Self::new(-32601, &format!("method not found: {method}"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// A server that has seen nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let hits = settings.faults.iter().map(|_| AtomicU64::new(0)).collect();
        let random = Mutex::new(fastrand::Rng::with_seed(settings.seed));
        Self {
            settings,
            stats: Stats::default(),
            changes: broadcast::channel(64).0,
            endings: broadcast::channel(4).0,
            tasks: tasks::Tasks::default(),
            notes: Mutex::default(),
            random,
            calls: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            hits,
            waiting: Mutex::default(),
        }
    }

    /// The newest revision served, and all of them.
    #[must_use]
    pub fn revisions(&self) -> Vec<Revision> {
        let settings = &self.settings;
        let in_era = |revision: Revision| match settings.era {
            Era::Both => true,
            Era::Legacy => !revision.is_modern(),
            Era::Modern => revision.is_modern(),
        };
        Revision::ALL
            .into_iter()
            .filter(|revision| settings.protocol.map_or_else(|| in_era(*revision), |pin| pin == *revision))
            .collect()
    }

    /// Whether requests with a version of their own are answered as 2026-07-28 wants it.
    #[must_use]
    pub fn serves_modern(&self) -> bool {
        self.revisions().iter().any(|revision| revision.is_modern())
    }

    fn serves_legacy(&self) -> bool {
        self.revisions().iter().any(|revision| !revision.is_modern())
    }

    /// Adds a note; its number is returned.
    pub fn write_note(&self, text: String) -> usize {
        let mut notes = lock(&self.notes);
        // A fixture that runs for weeks must not grow for ever.
        if notes.len() < 1_000 {
            notes.push(text);
        }
        let _ = self.changes.send(Change::Resources);
        notes.len()
    }

    /// The notes so far.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        lock(&self.notes).clone()
    }

    /// Reserves an id for a question to the client; its answer arrives through the receiver.
    pub fn question(&self) -> (String, oneshot::Receiver<Value>) {
        let id = format!("demo-{}", self.asked.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, receiver) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        waiting.retain(|_, sender| !sender.is_closed());
        waiting.insert(id.clone(), sender);
        (id, receiver)
    }

    /// The active faults of one kind that strike at `method`, with how often each has struck before. Asking
    /// counts as a strike. `counted` says whether the call at hand has been counted already.
    pub fn strikes(&self, method: &str, counted: bool, kind: fn(&Act) -> bool) -> Vec<(Act, u64)> {
        let settings = &self.settings;
        let calls = self.calls.load(Ordering::Relaxed) + u64::from(!counted && faults::Scope::Calls.covers(method));
        if settings.fault_after > 0 && calls <= settings.fault_after {
            return Vec::new();
        }
        let hit = |fault: &faults::Fault| {
            let on = &settings.fault_on;
            kind(&fault.act)
                && if on.is_empty() { fault.scope.covers(method) } else { on.iter().any(|name| name == method) }
        };
        let all = settings.faults.iter().zip(&self.hits);
        all.filter(|(fault, _)| hit(fault))
            .map(|(fault, hits)| (fault.act, hits.fetch_add(1, Ordering::Relaxed)))
            .collect()
    }

    /// What to do about a message.
    pub fn hear(&self, peer: &mut Peer, message: &Value) -> Heard {
        let Some(object) = message.as_object() else {
            return Heard::Malformed(failure(&Value::Null, -32600, "expected one JSON-RPC object", &Value::Null));
        };
        let id = object.get("id");
        let Some(method) = object.get("method").and_then(Value::as_str) else {
            return self.hear_answer(message);
        };
        let lax = refusals::is_on(&self.settings.faults, "any-jsonrpc");
        if object.get("jsonrpc") != Some(&json!("2.0")) && !lax {
            let id = id.unwrap_or(&Value::Null);
            return Heard::Malformed(failure(id, -32600, "jsonrpc must be \"2.0\"", &Value::Null));
        }
        let params = object.get("params").unwrap_or(&Value::Null);
        match id {
            None => {
                self.stats.notifications.add();
                let mut steps = Vec::new();
                self.strike(method, &Value::Null, params, NEWEST_LEGACY, &mut steps);
                if !steps.is_empty() {
                    return Heard::Request(steps);
                }
                let cancels = method == "notifications/cancelled";
                Heard::Notification(cancels.then(|| params["requestId"].clone()))
            }
            Some(Value::Null) if lax => self.hear_request(peer, &Value::Null, method, params),
            Some(Value::String(_)) => self.hear_request(peer, id.unwrap_or(&Value::Null), method, params),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.hear_request(peer, id.unwrap_or(&Value::Null), method, params)
            }
            Some(_) => {
                let why = "id must be a string or an integer";
                Heard::Malformed(failure(&Value::Null, -32600, why, &Value::Null))
            }
        }
    }

    fn hear_answer(&self, message: &Value) -> Heard {
        if message.get("result").is_none() && message.get("error").is_none() {
            return Heard::Malformed(failure(&Value::Null, -32600, "a message needs a method", &Value::Null));
        }
        self.stats.answers.add();
        let waiting = message["id"].as_str().and_then(|id| lock(&self.waiting).remove(id));
        if let Some(sender) = waiting {
            let _ = sender.send(message.clone());
        }
        Heard::Answer
    }

    fn hear_request(&self, peer: &mut Peer, id: &Value, method: &str, params: &Value) -> Heard {
        self.stats.requests.add();
        let opening = matches!(method, "initialize" | "server/discover");
        let number = if opening { 0 } else { self.calls.fetch_add(1, Ordering::Relaxed) + 1 };
        let (revision, outcome) = self.answer(peer, id, method, params);
        let mut steps =
            outcome.unwrap_or_else(|fail| vec![Step::Say(failure(id, fail.code, &fail.message, &fail.data))]);
        self.strike(method, id, params, revision, &mut steps);
        if !opening {
            self.disturb(id, number, &mut steps);
        }
        Heard::Request(steps)
    }

    /// Lets the faults that strike at a method rewrite its script.
    fn strike(&self, method: &str, id: &Value, params: &Value, revision: Revision, steps: &mut Vec<Step>) {
        for (act, hits) in self.strikes(method, true, |act| matches!(act, Act::Script(_))) {
            if let Act::Script(rewrite) = act {
                let delay = self.settings.fault_delay;
                rewrite(&Call { method, id, params, revision, hits, delay }, steps);
            }
        }
    }

    /// What is done about something that is no message; healthy servers say so.
    #[must_use]
    pub fn refuse(&self, reply: Value) -> Vec<Step> {
        let mut steps = vec![Step::Say(reply)];
        self.strike(faults::INVALID, &Value::Null, &Value::Null, NEWEST_LEGACY, &mut steps);
        steps
    }

    /// Whether arrays of requests are served in a revision.
    #[must_use]
    pub fn takes_batches(&self, revision: Option<Revision>) -> bool {
        let is_on = |name| refusals::is_on(&self.settings.faults, name);
        is_on("batches-always") || revision == Some(Revision::R2025_03) && !is_on("no-batches")
    }

    /// Latency, chance failures, hanging and crashing, as the options say.
    fn disturb(&self, id: &Value, number: u64, steps: &mut Vec<Step>) {
        let settings = &self.settings;
        if settings.crash_after.is_some_and(|good| number > good) {
            *steps = vec![Step::Exit(1)];
            return;
        }
        if settings.hang_after.is_some_and(|good| number > good) {
            *steps = vec![Step::Hang];
            return;
        }
        if settings.fail_rate > 0.0 && lock(&self.random).f64() < settings.fail_rate {
            *steps = vec![Step::Say(failure(id, -32603, "made to fail by --fail-rate", &Value::Null))];
        }
        let mut pause = settings.latency;
        if !settings.jitter.is_zero() {
            pause += settings.jitter.mul_f64(lock(&self.random).f64());
        }
        if pause > Duration::ZERO {
            steps.insert(0, Step::Pause(pause));
        }
    }

    /// Decides the era of a request and answers it. The first message that is no `server/discover` pins a peer.
    fn answer(&self, peer: &mut Peer, id: &Value, method: &str, params: &Value) -> (Revision, Result<Vec<Step>, Fail>) {
        let meta = &params["_meta"];
        let early = self.serves_legacy()
            && meta[META_VERSION].is_null()
            && !matches!(method, "ping" | "server/discover")
            && refusals::is_on(&self.settings.faults, "no-handshake");
        let legacy = peer.pinned.filter(|revision| !revision.is_modern()).or(early.then_some(NEWEST_LEGACY));
        if method == "initialize" {
            return self.initialize(peer, id, params);
        }
        if let Some(revision) = legacy {
            let context = Context {
                server: self,
                revision,
                id,
                params,
                capabilities: &peer.capabilities,
                log_level: peer.log_level,
            };
            let outcome = match method {
                "logging/setLevel" => match params["level"].as_str().and_then(tools::severity) {
                    Some(level) => {
                        peer.log_level = level;
                        Ok(vec![Step::Say(success(id, &json!({})))])
                    }
                    None => Err(Fail::params("params.level is not a log level")),
                },
                _ => self.route(&context, method),
            };
            return (revision, outcome);
        }
        if !self.serves_modern() {
            // A legacy server knows neither `_meta` versions nor discover; before the handshake it answers ping only.
            let outcome = match method {
                "ping" => Ok(vec![Step::Say(success(id, &json!({})))]),
                "server/discover" => Err(Fail::unknown_method(method)),
                _ => Err(Fail::new(-32600, "send initialize first")),
            };
            return (NEWEST_LEGACY, outcome);
        }
        if method == "ping" && meta[META_VERSION].is_null() && self.serves_legacy() {
            return (NEWEST_LEGACY, Ok(vec![Step::Say(success(id, &json!({})))]));
        }
        let revision = Revision::R2026_07;
        if let Err(fail) = self.check_meta(meta) {
            return (revision, Err(fail));
        }
        if method == "server/discover" {
            self.stats.discover.add();
        } else {
            peer.pinned = Some(revision);
        }
        let context =
            Context { server: self, revision, id, params, capabilities: &meta[META_CAPABILITIES], log_level: 0 };
        (revision, self.route(&context, method))
    }

    fn check_meta(&self, meta: &Value) -> Result<(), Fail> {
        let missing: Vec<&str> =
            [(META_VERSION, meta[META_VERSION].is_string()), (META_CAPABILITIES, meta[META_CAPABILITIES].is_object())]
                .into_iter()
                .filter_map(|(key, there)| (!there).then_some(key))
                .collect();
        if !missing.is_empty() {
            return Err(Fail::params(&format!("params._meta lacks {}", missing.join(" and "))));
        }
        let requested = meta[META_VERSION].as_str().unwrap_or_default();
        if requested != Revision::R2026_07.text() {
            return Err(self.unsupported(requested));
        }
        let level = &meta[META_LEVEL];
        if !level.is_null() && level.as_str().and_then(tools::severity).is_none() {
            return Err(Fail::params(&format!("params._meta[\"{META_LEVEL}\"] is not a log level")));
        }
        Ok(())
    }

    /// The error that names the versions this server speaks without a handshake.
    #[must_use]
    pub fn unsupported(&self, requested: &str) -> Fail {
        let mut fail = Fail::new(-32022, &format!("unsupported protocol version {requested:?}"));
        let supported: Vec<&str> = self.revisions().into_iter().map(Revision::text).collect();
        fail.data = json!({"supported": supported, "requested": requested});
        fail
    }

    fn initialize(&self, peer: &mut Peer, id: &Value, params: &Value) -> (Revision, Result<Vec<Step>, Fail>) {
        self.stats.initialize.add();
        let requested = params["protocolVersion"].as_str();
        if !self.serves_legacy() || peer.pinned.is_some_and(Revision::is_modern) {
            return (Revision::R2026_07, Err(self.unsupported(requested.unwrap_or_default())));
        }
        let newest = self.revisions().into_iter().find(|revision| !revision.is_modern()).unwrap_or(NEWEST_LEGACY);
        let Some(requested) = requested else {
            return (newest, Err(Fail::params("params.protocolVersion must be a string")));
        };
        if !params["capabilities"].is_object() || !params["clientInfo"]["name"].is_string() {
            return (newest, Err(Fail::params("params.capabilities and params.clientInfo.name are required")));
        }
        let revision = Revision::parse(requested)
            .filter(|revision| !revision.is_modern() && self.revisions().contains(revision))
            .unwrap_or(newest);
        peer.pinned = Some(revision);
        peer.capabilities = params["capabilities"].clone();
        peer.log_level = 1;
        self.stats.sessions_opened.add();
        let result = json!({
            "protocolVersion": revision.text(),
            "capabilities": features::capabilities(revision),
            "serverInfo": features::server_info(revision),
            "instructions": features::INSTRUCTIONS});
        (revision, Ok(vec![Step::Say(success(id, &result))]))
    }

    fn route(&self, context: &Context<'_>, method: &str) -> Result<Vec<Step>, Fail> {
        let modern = context.revision.is_modern();
        let settings = &self.settings;
        let list = |key: &str, items: Vec<Value>| features::page(context, settings.page_size, key, items);
        match method {
            "server/discover" if modern => Ok(vec![Step::Say(success(context.id, &features::discovery(self)))]),
            "subscriptions/listen" if modern => features::listen(context),
            "tasks/get" | "tasks/update" | "tasks/cancel" if modern => tasks::answer(context, method),
            "ping" if !modern => Ok(vec![context.say(json!({}))]),
            "resources/subscribe" | "resources/unsubscribe" if !modern => {
                features::known_uri(context).map(|_| vec![context.say(json!({}))])
            }
            "tools/list" => list("tools", catalog::tools(context.revision, settings.tools)),
            "tools/call" => tools::call(context),
            "resources/list" => list("resources", catalog::resources(context.revision, lock(&self.notes).len())),
            "resources/templates/list" => list("resourceTemplates", catalog::templates(context.revision)),
            "resources/read" => features::read(context),
            "prompts/list" => list("prompts", catalog::prompts(context.revision)),
            "prompts/get" => features::prompt(context),
            "completion/complete" => features::complete(context),
            _ => Err(Fail::unknown_method(method)),
        }
    }
}

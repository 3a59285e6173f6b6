//! An exercise: what is to be sent over which connection, as data. `run` carries it out; what came is judged from its shots.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value};

use super::rule::{ANYWHERE, Class};
use super::shot::Shot;
use crate::event::TransportKind;
use crate::protocol::Revision;

/// What is sent in one go for one or more rules.
pub struct Exercise {
    /// Its name, in the transcript and in `--dry-run`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What it does to the server.
    pub class: Class,
    /// The first and the last revision that it makes sense in.
    pub revisions: (&'static str, &'static str),
    /// The transports that it makes sense on.
    pub on: &'static [TransportKind],
    /// The connection that it uses.
    pub line: Line,
    /// Whether it is carried out, too, where the server refused to open a session for want of credentials.
    pub of_refused: bool,
    /// What is sent. Empty where this server gives no occasion.
    pub plan: fn(&Situation<'_>) -> Vec<Move>,
}

/// The connection of an exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The conversation that all harmless exercises share.
    Shared,
    /// A conversation of its own, opened as the revision wants it, and one more for each place that [`Send::place`] names.
    Own,
    /// A connection of its own on which nothing was said yet.
    Bare,
}

impl Exercise {
    /// A harmless exercise on the shared conversation, in every revision, over every transport.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str, plan: fn(&Situation<'_>) -> Vec<Move>) -> Self {
        Self {
            name,
            about,
            class: Class::Harmless,
            revisions: ("2024-11-05", "9999"),
            on: ANYWHERE,
            line: Line::Shared,
            of_refused: false,
            plan,
        }
    }

    /// Of that class.
    #[must_use]
    pub const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// In those revisions only, the last included.
    #[must_use]
    pub const fn between(mut self, first: &'static str, last: &'static str) -> Self {
        self.revisions = (first, last);
        self
    }

    /// Over those transports only.
    #[must_use]
    pub const fn over(mut self, on: &'static [TransportKind]) -> Self {
        self.on = on;
        self
    }

    /// On that connection.
    #[must_use]
    pub const fn line(mut self, line: Line) -> Self {
        self.line = line;
        self
    }

    /// Carried out, too, where the server refused to open a session for want of credentials.
    #[must_use]
    pub const fn of_refused(mut self) -> Self {
        self.of_refused = true;
        self
    }

    /// Whether it makes sense here.
    #[must_use]
    pub fn applies(&self, revision: &Revision, transport: TransportKind) -> bool {
        let (first, last) = self.revisions;
        (first..=last).contains(&revision.version) && self.on.contains(&transport)
    }
}

/// A tool that the user lets be called, with these arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
}

/// What is known when an exercise is planned. In a dry run nothing of the server is.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The revision that is spoken.
    pub revision: &'static Revision,
    /// How messages travel.
    pub transport: TransportKind,
    /// What the server declared; `None` in a dry run.
    pub capabilities: Option<&'a Value>,
    /// Its URL without credentials and query, where it has one and is known.
    pub url: Option<&'a str>,
    /// Whether its URL names this machine.
    pub loopback: bool,
    /// The lists that were read, by method.
    pub lists: &'a dyn Fn(&str) -> &'a [Value],
    /// The tools that may be called.
    pub tools: &'a [Named],
    /// Whether the server wants credentials, as far as is known: it refused a request, or we have some for it.
    pub guarded: bool,
    /// How long streams are held.
    pub hold: Duration,
}

impl Situation<'_> {
    /// Whether a capability (`resources.subscribe`) was declared; in a dry run everything is.
    #[must_use]
    pub fn declares(&self, capability: &str) -> bool {
        let Some(mut value) = self.capabilities else { return true };
        for part in capability.split('.') {
            match value.get(part) {
                None | Some(Value::Null | Value::Bool(false)) => return false,
                Some(inner) => value = inner,
            }
        }
        true
    }

    /// Whether nothing is known of the server yet.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.capabilities.is_none()
    }

    /// The definitions that a list gave.
    #[must_use]
    pub fn list(&self, method: &str) -> &[Value] {
        (self.lists)(method)
    }
}

/// One thing that is done.
#[derive(Clone, Debug)]
pub enum Move {
    /// A message, and the wait for what comes of it.
    Send(Send),
    /// Several messages are written before any answer is waited for.
    Together(Vec<Send>),
    /// A message, and after it whatever follows from all that was answered to this move so far, until nothing does.
    Follow(Send, fn(&[Shot]) -> Option<Send>),
    /// The same, where what follows depends on what is known of the server, too.
    Trail(Send, fn(&Situation<'_>, &[Shot]) -> Option<Send>),
    /// Nothing is sent for so long; what comes is noted.
    Listen(Duration),
}

/// One message.
#[derive(Clone, Debug)]
pub struct Send {
    /// Names it within its exercise.
    pub label: &'static str,
    /// What is in it.
    pub body: Body,
    /// How it is sent over HTTP.
    pub verb: Verb,
    /// Changes to the HTTP headers that the revision wants.
    pub headers: Vec<Edit>,
    /// What is waited for.
    pub wait: Wait,
    /// On which connection of the exercise: 0 is the first.
    pub place: usize,
    /// Whether the other pages are fetched too, each as a shot of the same label.
    pub pages: bool,
    /// Whether the memory of the server's processes is looked at after it.
    pub weighed: bool,
}

/// What is in a message.
#[derive(Clone, Debug)]
pub enum Body {
    /// A request.
    Request {
        /// The method.
        method: Cow<'static, str>,
        /// Its parameters, without what the era adds; `null` for none.
        params: Value,
        /// The id; a new number where there is none.
        id: Option<Value>,
        /// What the modern era adds.
        envelope: Envelope,
    },
    /// A notification.
    Notification {
        /// The method.
        method: Cow<'static, str>,
        /// Its parameters; `null` for none.
        params: Value,
    },
    /// These very bytes.
    Raw {
        /// The bytes.
        text: String,
        /// The id under which a reply could come.
        id: Option<Value>,
    },
    /// Nothing: GET and DELETE.
    None,
    /// Nothing, and not to the endpoint: a GET of the document at this URL, without credentials.
    Document(String),
}

/// The `_meta` of a modern request; the legacy era has none.
#[derive(Clone, Debug, Default)]
pub enum Envelope {
    /// As it must be.
    #[default]
    Whole,
    /// With these members besides, or instead.
    With(Map<String, Value>),
    /// Without these members.
    Without(&'static [&'static str]),
    /// Without `_meta`.
    None,
}

/// How a message is sent over HTTP. Other transports know only messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verb {
    /// POST.
    #[default]
    Post,
    /// GET, for an event stream.
    Get,
    /// DELETE, to end the session.
    Delete,
}

/// A change to the HTTP headers of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// With this value, instead of its own.
    Set(Cow<'static, str>, String),
    /// Not sent.
    Drop(Cow<'static, str>),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The reply, or the end of the HTTP answer.
    Reply,
    /// So long, whatever comes: for what should not be answered, and for streams.
    For(Duration),
    /// The first message of a stream as long as a reply, and then so long for what comes behind it.
    Stream(Duration),
}

/// Headers of the user's that tell a server who asks.
pub const CREDENTIALS: &[&str] =
    &["Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token", "X-Access-Token", "X-Functions-Key"];

/// How long silence is listened to where silence is right.
pub const SILENCE: Duration = Duration::from_millis(300);

impl Send {
    fn new(label: &'static str, body: Body, wait: Wait) -> Self {
        Self { label, body, verb: Verb::Post, headers: Vec::new(), wait, place: 0, pages: false, weighed: false }
    }

    /// A request as the revision wants it.
    #[must_use]
    pub fn request(label: &'static str, method: impl Into<Cow<'static, str>>, params: Value) -> Self {
        let body = Body::Request { method: method.into(), params, id: None, envelope: Envelope::Whole };
        Self::new(label, body, Wait::Reply)
    }

    /// A notification; what comes within [`SILENCE`] is noted.
    #[must_use]
    pub fn notification(label: &'static str, method: impl Into<Cow<'static, str>>, params: Value) -> Self {
        Self::new(label, Body::Notification { method: method.into(), params }, Wait::For(SILENCE))
    }

    /// These very bytes; a reply may come under that id, or under none.
    #[must_use]
    pub fn raw(label: &'static str, text: impl Into<String>, id: Option<Value>) -> Self {
        Self::new(label, Body::Raw { text: text.into(), id }, Wait::Reply)
    }

    /// GET, listened to for so long.
    #[must_use]
    pub fn get(label: &'static str, listen: Duration) -> Self {
        Self { verb: Verb::Get, ..Self::new(label, Body::None, Wait::For(listen)) }
    }

    /// DELETE.
    #[must_use]
    pub fn delete(label: &'static str) -> Self {
        Self { verb: Verb::Delete, ..Self::new(label, Body::None, Wait::Reply) }
    }

    /// GET of a document that lies beside the endpoint. What comes is kept as bytes, and the URL is what was sent.
    #[must_use]
    pub fn document(label: &'static str, url: String) -> Self {
        Self { verb: Verb::Get, ..Self::new(label, Body::Document(url), Wait::Reply) }
    }

    /// Without any credentials of the user's.
    #[must_use]
    pub fn anonymous(self) -> Self {
        CREDENTIALS.iter().fold(self, |send, name| send.without(*name))
    }

    /// With this id.
    #[must_use]
    pub fn id(mut self, value: impl Into<Value>) -> Self {
        if let Body::Request { id, .. } | Body::Raw { id, .. } = &mut self.body {
            *id = Some(value.into());
        }
        self
    }

    /// With this envelope.
    #[must_use]
    pub fn envelope(mut self, wanted: Envelope) -> Self {
        if let Body::Request { envelope, .. } = &mut self.body {
            *envelope = wanted;
        }
        self
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push(Edit::Set(name.into(), value.into()));
        self
    }

    /// Without this header.
    #[must_use]
    pub fn without(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push(Edit::Drop(name.into()));
        self
    }

    /// On that connection of the exercise.
    #[must_use]
    pub fn place(mut self, place: usize) -> Self {
        self.place = place;
        self
    }

    /// With a look at the memory of the server's processes after it.
    #[must_use]
    pub fn weighed(mut self) -> Self {
        self.weighed = true;
        self
    }

    /// With all its pages.
    #[must_use]
    pub fn all_pages(mut self) -> Self {
        self.pages = true;
        self
    }

    /// Waiting so long, whatever comes.
    #[must_use]
    pub fn listening(mut self, time: Duration) -> Self {
        self.wait = Wait::For(time);
        self
    }

    /// Waiting for the first message of a stream, and so long for more.
    #[must_use]
    pub fn stream(mut self, more: Duration) -> Self {
        self.wait = Wait::Stream(more);
        self
    }

    /// The method, where there is one.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.body {
            Body::Request { method, .. } | Body::Notification { method, .. } => Some(method),
            Body::Raw { .. } | Body::None | Body::Document(_) => None,
        }
    }
}

//! Faults of what a server leaves out, or does where it should not: checks of headers and sessions, mostly. The server's own
//! code asks whether one of them is on.

use super::{Act, Fault, On, Scope, fault};

/// What is left out, or done although it should not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lax {
    /// The check of Origin.
    Origin,
    /// The check of Host; Origin is held against it alone.
    Host,
    /// The server's own origin is refused too.
    OwnOrigin,
    /// A status of its own for requests without a session.
    NoSession,
    /// A status of its own for unknown sessions.
    UnknownSession,
    /// Random session ids.
    SessionIds,
    /// The end of a session upon DELETE.
    SessionEnd,
    /// More than one session.
    SecondSession,
    /// The check of a legacy version in the header.
    LegacyVersion,
    /// Serving legacy requests without a version in the header.
    VersionOptional,
    /// That the version in the header is that of the body.
    VersionDiffers,
    /// That there is a version in the header.
    VersionMissing,
    /// That there is a method in the header.
    MethodMissing,
    /// That the method in the header is that of the body.
    MethodDiffers,
    /// That the name in the header is that of the body.
    Name,
    /// Spaces around a header.
    Spaces,
    /// The decoding of names.
    NameEncoding,
    /// That the header of an argument repeats it.
    Argument,
    /// The decoding of arguments.
    ArgumentEncoding,
    /// That no header is wanted of an argument that is not given.
    ArgumentAbsent,
    /// Ignoring Last-Event-ID.
    LastEvent,
    /// A good status for what is not accepted.
    Accept,
    /// Any spelling of what is accepted but one.
    AcceptSpelling,
    /// A good status for bodies of another type.
    BodyType,
    /// Surviving clients that go.
    Drop,
    /// `retry:` before a stream is closed early.
    Retry,
    /// Cancelling.
    Cancel,
}

/// Whether it is left out.
#[must_use]
pub fn is_lax(active: &[&Fault], about: Lax) -> bool {
    active.iter().any(|fault| matches!(fault.act, Act::Lax(lax) if lax == about))
}

pub(super) static FAULTS: &[Fault] = &[
    http("no-origin-check", "serves pages of every origin", Lax::Origin),
    http("no-host-check", "serves under every name, and every origin that is like it", Lax::Host),
    http("own-origin-refused", "403 to every request with an Origin, its own too", Lax::OwnOrigin),
    http("session-missing-500", "500 to requests without a session id (legacy)", Lax::NoSession),
    http("session-unknown-500", "500 to requests with an unknown session id (legacy)", Lax::UnknownSession),
    http("session-counted", "counts its sessions instead of giving random ids", Lax::SessionIds),
    http("session-undead", "200 to DELETE, but the session goes on", Lax::SessionEnd),
    http("one-session", "400 to initialize while there is another session", Lax::SecondSession),
    http("version-header-ignored", "serves any version in the header (legacy)", Lax::LegacyVersion),
    http("version-header-wanted", "400 to requests without a version in the header (legacy)", Lax::VersionOptional),
    http("lax-version-differs", "serves a version in the header that is not in the body", Lax::VersionDiffers),
    http("lax-version-missing", "serves modern requests without a version in the header", Lax::VersionMissing),
    http("lax-method-missing", "serves modern requests without Mcp-Method", Lax::MethodMissing),
    http("lax-method-differs", "serves modern requests whatever Mcp-Method says", Lax::MethodDiffers),
    http("lax-name", "serves modern requests whatever Mcp-Name says", Lax::Name),
    http("spaces-refused", "takes spaces around a header for a part of it", Lax::Spaces),
    http("name-not-decoded", "compares Mcp-Name as it is written", Lax::NameEncoding),
    http("lax-argument", "serves calls whatever the headers of arguments say", Lax::Argument),
    http("argument-not-decoded", "compares the headers of arguments as they are written", Lax::ArgumentEncoding),
    http("argument-always-wanted", "wants the header of an argument that is not given", Lax::ArgumentAbsent),
    http("last-event-refused", "400 to modern requests with Last-Event-ID", Lax::LastEvent),
    http("accept-500", "500 where Accept lists too little", Lax::Accept),
    http("accept-to-the-letter", "406 unless Accept is the text that most clients send", Lax::AcceptSpelling),
    http("body-type-500", "500 to bodies of another type than JSON", Lax::BodyType),
    http("dies-of-a-drop", "exits when a client goes before its answer is written", Lax::Drop),
    http("polling-no-retry", "does not say when to poll again (with --sse-polling)", Lax::Retry),
    fault(
        "cancel-ignored",
        On::Stdio,
        Scope::Notifications,
        "answers requests that were cancelled",
        Act::Lax(Lax::Cancel),
    ),
];

const fn http(name: &'static str, about: &'static str, lax: Lax) -> Fault {
    fault(name, On::Http, Scope::Every, about, Act::Lax(lax))
}

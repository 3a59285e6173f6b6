//! Rules of Streamable HTTP as such: what answers a request, a notification, a verb; and what else comes over HTTP.

use super::super::case::cut;
use super::super::exercise::Verb;
use super::super::exercises::{DROPPED, END, LISTEN, MEDIA, VERBS};
use super::super::rule::{ANY_HTTP, HTTP, LEGACY_LAST};
use super::super::{Area, Case, Class, Item, Keyword, Rule, Shot, Verdict, Violation};
use super::outcome::{self, Outcome};
use crate::event::Reason;

/// Rows of the catalogue that no rule judges, and why.
pub(super) static UNBUILT: &[(&str, &str)] = &[
    (
        "H29",
        "the names of all headers are sent in small letters: a server that wants the specification's capitals answers no \
         request at all, so that the audit cannot begin",
    ),
    (
        "F14",
        "a server that does not know the name it is asked by refuses everything: the target fails, with that reason",
    ),
];

pub(super) static RULES: &[Rule] = &[
    Rule::new("http.content_type", &["H01"], Area::Transport, content_type)
        .since("2025-03-26")
        .over(HTTP)
        .says(
            "A request that was accepted is answered as application/json or as text/event-stream.",
            "Clients choose by the content type how to read the answer, and give up on any other.",
            "set Content-Type to application/json where the body is one message, and to text/event-stream where it is a stream.",
        )
        .page("basic/transports#sending-messages-to-the-server")
        .moved("2026-07-28", "basic/transports/streamable-http#sending-messages"),
    Rule::new("http.notification_accepted", &["H02", "F22"], Area::Transport, notification)
        .since("2025-03-26")
        .over(HTTP)
        .says(
            "A notification that was accepted is answered with status 202 and no body.",
            "Strict clients take anything else for a failure and end the connection.",
            "answer notifications with 202 Accepted and an empty body instead of 200, 204 or a JSON-RPC message.",
        )
        .page("basic/transports#sending-messages-to-the-server")
        .moved("2026-07-28", "basic/transports/streamable-http#sending-messages"),
    Rule::new("http.get", &["H08"], Area::Transport, get)
        .since("2025-03-26")
        .until(LEGACY_LAST)
        .over(HTTP)
        .needs(Class::Harmless, &[&LISTEN])
        .says(
            "GET opens an event stream, or is answered with status 405.",
            "Clients ask for the stream right after the opening, and take 405 alone for \"there is none\".",
            "answer GET with 405 Method Not Allowed where there is no stream.",
        )
        .page("basic/transports#listening-for-messages-from-the-server"),
    Rule::new("http.verbs", &["H09"], Area::Transport, verbs)
        .worded(Keyword::Should)
        .modern()
        .over(HTTP)
        .needs(Class::Harmless, &[&VERBS])
        .says(
            "A server that speaks 2026-07-28 alone answers GET and DELETE with status 405.",
            "Older clients learn by it that there is no stream and no session, and do not try again.",
            "answer every method but POST with 405 Method Not Allowed.",
        )
        .page("basic/transports/streamable-http#earlier-streamable-http-revisions"),
    Rule::new("http.dropped_stream", &["H39"], Area::Transport, dropped)
        .modern()
        .over(HTTP)
        .needs(Class::Harmless, &[&DROPPED])
        .says(
            "Closing the answer of a request cancels that request and touches no other.",
            "Clients cancel by closing; a server that stumbles over it fails everybody.",
            "treat a closed connection as the end of its request, and catch the error of writing to it.",
        )
        .page("basic/transports/streamable-http#cancellation"),
    Rule::new("http.accept", &["H40"], Area::Transport, |case| media(case, "accept", "Accept: text/html"))
        .worded(Keyword::Info)
        .since("2025-03-26")
        .over(HTTP)
        .needs(Class::Invasive, &[&MEDIA])
        .says(
            "A client that accepts neither JSON nor events is refused with a status of the 400s, or served all the same.",
            "A status of the 500s looks like a broken server, and is tried again.",
            "answer 406 Not Acceptable.",
        )
        .page("basic/transports#sending-messages-to-the-server")
        .moved("2026-07-28", "basic/transports/streamable-http#sending-messages"),
    Rule::new("http.body_type", &["H41"], Area::Transport, |case| media(case, "content-type", "Content-Type: text/plain"))
        .worded(Keyword::Info)
        .since("2025-03-26")
        .over(HTTP)
        .needs(Class::Invasive, &[&MEDIA])
        .says(
            "A body that says it is text is refused with a status of the 400s, or read all the same.",
            "A status of the 500s looks like a broken server, and is tried again.",
            "answer 415 Unsupported Media Type.",
        )
        .page("basic/transports#sending-messages-to-the-server")
        .moved("2026-07-28", "basic/transports/streamable-http#sending-messages"),
    Rule::new("http.answers", &["H42", "F25"], Area::Field, answers)
        .worded(Keyword::Info)
        .over(ANY_HTTP)
        .says(
            "No answer is a web page, and none has a status of the 500s.",
            "Such answers come from proxies, firewalls and crashes; a client shows them as \"not MCP\".",
            "look into the logs of the server, and of what stands before it, at the time of the request.",
        )
        .page("basic/transports")
        .moved("2026-07-28", "basic/transports/streamable-http"),
    Rule::new("session.second_client", &["F21"], Area::Field, second_client)
        .worded(Keyword::Should)
        .since("2025-03-26")
        .until(LEGACY_LAST)
        .over(HTTP)
        .needs(Class::Harmless, &[&END])
        .says(
            "A second client can open a conversation while the first one has its own.",
            "One transport for everybody answers \"already initialized\" to whoever comes second.",
            "make a transport for each session, or none at all, instead of a global one.",
        )
        .page("basic/transports#session-management"),
];

/// Without parameters such as `charset`.
fn media_type(shot: &Shot) -> Option<String> {
    let value = shot.header("content-type")?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Whether the answer is an event stream.
pub(super) fn is_stream(shot: &Shot) -> bool {
    media_type(shot).is_some_and(|kind| kind == "text/event-stream")
}

/// The HTTP answers to requests that were accepted, with the places of their shots.
fn accepted<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot)> + use<'a> {
    case.all().filter(|(_, shot)| {
        let is_request = shot.method.as_deref().is_some_and(|method| !method.starts_with("notifications/"));
        is_request && shot.verb == Verb::Post && shot.status().is_some_and(|status| (200..300).contains(&status))
    })
}

fn content_type(case: &Case<'_>) -> Verdict {
    Verdict::of_all(
        accepted(case).map(|(place, shot)| match media_type(shot).as_deref() {
            Some("application/json" | "text/event-stream") => Ok(()),
            kind => {
                let kind = kind.map_or_else(|| "no content type".to_owned(), cut);
                let actual = format!("HTTP {}, {kind}", shot.status().unwrap_or_default());
                Err(Violation::new("application/json or text/event-stream", actual).shown_by(place))
            }
        }),
        "no request was answered over HTTP",
    )
}

fn notification(case: &Case<'_>) -> Verdict {
    let sent = case.all().filter(|(_, shot)| {
        let is_notice = shot.method.as_deref().is_some_and(|method| method.starts_with("notifications/"));
        is_notice && shot.status().is_some_and(|status| (200..300).contains(&status))
    });
    Verdict::of_all(
        sent.map(|(place, shot)| {
            let body = shot.came.iter().any(|came| matches!(came.item, Item::Frame(_) | Item::Noise(_)));
            let with = if body { " with a body" } else { "" };
            let actual = format!("HTTP {}{with}", shot.status().unwrap_or_default());
            let violation = Violation::new("HTTP 202 without a body", actual).shown_by(place);
            match (shot.status(), body) {
                (Some(202), false) => Ok(()),
                // Nobody reads the body of a 202.
                (Some(202), true) => Err(violation.mild()),
                _ => Err(violation),
            }
        }),
        "no notification was accepted",
    )
}

fn get(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&LISTEN, "first") else {
        return Verdict::unsent();
    };
    match shot.status() {
        Some(405) => Verdict::Passes,
        Some(200..300) if is_stream(shot) => Verdict::Passes,
        Some(status @ (401 | 403 | 429 | 503)) => {
            Verdict::NotExercised(format!("HTTP {status}: the server did not let it in").into())
        }
        Some(status) => {
            let kind = media_type(shot).unwrap_or_else(|| "no content type".to_owned());
            let actual = format!("HTTP {status}, {}", cut(&kind));
            Verdict::Violates(Violation::new("an event stream, or HTTP 405", actual).shown_by(place))
        }
        None => Verdict::NotExercised("no answer came to GET while it was waited for".into()),
    }
}

/// Whether the server serves clients of the legacy era as well, as far as the audit has seen.
pub(super) fn serves_legacy(case: &Case<'_>) -> bool {
    let listed = case.facts.supported.iter().any(|version| version.as_str() <= LEGACY_LAST);
    let opened = case.shot(&VERBS, "legacy").is_some_and(|(_, shot)| shot.result().is_some());
    listed || opened
}

fn verbs(case: &Case<'_>) -> Verdict {
    let one = |label, verb: &str| match case.shot(&VERBS, label) {
        None => Verdict::unsent(),
        Some((place, shot)) => match shot.status() {
            Some(405) => Verdict::Passes,
            None => Verdict::NotExercised(format!("no answer came to {verb}").into()),
            Some(_) if serves_legacy(case) => {
                Verdict::NotApplicable("the server serves older clients too, which have use for GET and DELETE".into())
            }
            Some(status @ (401 | 403 | 429 | 503)) => {
                Verdict::NotExercised(format!("HTTP {status}: the server did not let it in").into())
            }
            Some(status) => {
                let actual = format!("HTTP {status} to {verb}");
                Verdict::Violates(Violation::new("HTTP 405", actual).shown_by(place))
            }
        },
    };
    Verdict::joined([one("get", "GET"), one("delete", "DELETE")], "nothing was sent")
}

fn dropped(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&DROPPED, "after") else {
        return Verdict::unsent();
    };
    match (outcome::of(shot), &shot.fault) {
        (Outcome::Served, _) => Verdict::Passes,
        (_, Some(fault)) if fault.reason == Reason::Cancelled => Verdict::NotExercised("interrupted".into()),
        (Outcome::Unknown(why), None) => Verdict::NotExercised(why),
        _ => Verdict::Violates(Violation::new("the next request is served", shot.said()).shown_by(place)),
    }
}

fn media(case: &Case<'_>, label: &str, sent: &str) -> Verdict {
    let Some((place, shot)) = case.shot(&MEDIA, label) else {
        return Verdict::unsent();
    };
    match (shot.status(), &shot.fault) {
        (Some(status @ 500..), _) => {
            let actual = format!("HTTP {status} to {sent}");
            Verdict::Violates(Violation::new("a result, or a status of the 400s", actual).shown_by(place))
        }
        (Some(_), _) => Verdict::Passes,
        (None, Some(fault)) if fault.reason == Reason::Closed => {
            let actual = format!("the connection was closed upon {sent}");
            Verdict::Violates(Violation::new("a result, or a status of the 400s", actual).shown_by(place))
        }
        (None, _) => Verdict::NotExercised("no answer came".into()),
    }
}

fn answers(case: &Case<'_>) -> Verdict {
    let answered = case.all().filter(|(_, shot)| shot.head.is_some());
    Verdict::of_all(
        answered.map(|(place, shot)| {
            let page = media_type(shot).is_some_and(|kind| kind == "text/html" || kind == "application/xhtml+xml");
            let what = match shot.status() {
                Some(status @ 500..) => format!("HTTP {status}"),
                Some(status) if page => format!("HTTP {status} with a web page"),
                _ => return Ok(()),
            };
            Err(Violation::new("an answer of the MCP server", what).shown_by(place))
        }),
        "no answer came over HTTP",
    )
}

fn second_client(case: &Case<'_>) -> Verdict {
    let mut handshakes = case.all().filter(|(_, shot)| shot.label == "initialize");
    if !handshakes.by_ref().any(|(_, shot)| shot.result().is_some()) {
        return Verdict::NotExercised("no conversation was opened".into());
    }
    // The first conversation is kept open while the others are.
    let judged = handshakes.map(|(place, shot)| match outcome::of(shot) {
        Outcome::Served => Verdict::Passes,
        Outcome::Refused { .. } => {
            let expected = "a conversation beside the first one";
            Verdict::Violates(Violation::new(expected, shot.said()).shown_by(place))
        }
        Outcome::Unknown(why) => Verdict::NotExercised(why),
    });
    Verdict::joined(judged, "nothing was sent")
}

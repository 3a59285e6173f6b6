//! Rules of event streams over Streamable HTTP: what is on them, their ids, their end.

use std::collections::HashMap;
use std::time::Duration;

use super::super::case::cut;
use super::super::exercise::Verb;
use super::super::exercises::LISTEN;
use super::super::rule::{HTTP, LEGACY_LAST};
use super::super::{Area, Case, Class, Item, Keyword, Rule, Shot, Verdict, Violation};
use super::base::is_of_revision;
use super::http::is_stream;
use crate::wire::Message;

const RESUMING: &str = "basic/transports#resumability-and-redelivery";
const SENDING: &str = "basic/transports#sending-messages-to-the-server";
const RECEIVING: &str = "basic/transports/streamable-http#receiving-messages";

/// The same message on two streams within this time is one message.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Rows of the catalogue that no rule judges, and why.
pub(super) static UNBUILT: &[(&str, &str)] = &[
    ("H21", "it takes a stream that breaks off while others have messages to come, which no client can bring about"),
    ("H43", "from outside, events that are held back look like events that were written late"),
];

pub(super) static RULES: &[Rule] = &[
    Rule::new("stream.ends", &["H03"], Area::Transport, ends)
        .worded(Keyword::Should)
        .since("2025-03-26")
        .over(HTTP)
        .says(
            "An event stream that answers a request holds the reply, and ends after it.",
            "A stream that stays open keeps a connection; one that ends without a reply leaves the client with nothing.",
            "write the reply as the last event, then end the response.",
        )
        .page(SENDING)
        .moved("2026-07-28", RECEIVING),
    Rule::new("stream.event_ids", &["H18"], Area::Transport, event_ids)
        .since("2025-03-26")
        .until(LEGACY_LAST)
        .over(HTTP)
        .says(
            "The id of an event is given once in a session, over all its streams.",
            "A client that comes back with an id that two streams have gets the messages of the wrong one.",
            "put the number of the stream into the ids of its events.",
        )
        .page(RESUMING),
    Rule::new("stream.primed", &["H19"], Area::Transport, primed)
        .worded(Keyword::Should)
        .since("2025-11-25")
        .until(LEGACY_LAST)
        .over(HTTP)
        .says(
            "A stream whose events have ids begins with an event that has an id and no data.",
            "A client that loses the connection before the first message has nothing to come back with otherwise.",
            "write an event with an id and an empty data line as soon as the stream is open.",
        )
        .page(SENDING),
    Rule::new("stream.retry", &["H20"], Area::Transport, retry)
        .worded(Keyword::Should)
        .since("2025-11-25")
        .until(LEGACY_LAST)
        .over(HTTP)
        .says(
            "A stream that is closed before the reply says first when to come again.",
            "Clients come back at once otherwise, and again and again.",
            "write a `retry:` line before the connection is closed.",
        )
        .page(SENDING),
    Rule::new("stream.get_no_replies", &["H22"], Area::Transport, no_replies)
        .since("2025-03-26")
        .until(LEGACY_LAST)
        .over(HTTP)
        .needs(Class::Harmless, &[&LISTEN])
        .says(
            "The stream of GET carries no replies.",
            "Clients look for a reply in the answer to its request, and take one elsewhere for a mistake.",
            "write a reply to the answer of the POST that asked for it.",
        )
        .page("basic/transports#listening-for-messages-from-the-server"),
    Rule::new("stream.one_copy", &["H23"], Area::Transport, one_copy)
        .since("2025-03-26")
        .until(LEGACY_LAST)
        .over(HTTP)
        .needs(Class::Harmless, &[&LISTEN])
        .says(
            "Of several streams of a session only one carries a message.",
            "A client would act twice upon a message that comes twice.",
            "choose one stream of the session for each message, such as the newest.",
        )
        .page("basic/transports#multiple-connections"),
    Rule::new("stream.unbuffered", &["H37"], Area::Transport, unbuffered)
        .worded(Keyword::Should)
        .modern()
        .over(HTTP)
        .says(
            "An answer that is an event stream carries the header X-Accel-Buffering: no.",
            "Proxies such as nginx hold events back otherwise, until the stream ends.",
            "set the header X-Accel-Buffering to no wherever Content-Type is text/event-stream.",
        )
        .page(RECEIVING),
    Rule::new("stream.related", &["H38"], Area::Transport, related)
        .modern()
        .over(HTTP)
        .says(
            "The stream that answers a request carries only notifications about that request.",
            "What has changed in the lists is told to those who asked for it by subscriptions/listen, and to nobody else.",
            "send list_changed and updated on the streams of subscriptions/listen alone.",
        )
        .page(RECEIVING),
];

/// Event streams that answer a request, with the places of their shots.
fn answering<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot)> + use<'a> {
    case.all().filter(|(_, shot)| {
        let answers = shot.verb == Verb::Post && shot.method.is_some() && is_stream(shot);
        answers && shot.status().is_some_and(|status| (200..300).contains(&status))
    })
}

fn ends(case: &Case<'_>) -> Verdict {
    // A stream that we closed, or that had a fault, shows neither.
    let told = answering(case).filter(|(_, shot)| shot.answer.is_some() || shot.ended && shot.fault.is_none());
    Verdict::of_all(
        told.map(|(place, shot)| {
            let wrong = match (&shot.answer, shot.ended) {
                (Some(_), true) => return Ok(()),
                (Some(_), false) => "the stream stays open after the reply",
                (None, _) => "the stream ended without a reply",
            };
            Err(Violation::new("the reply, then the end of the stream", wrong).shown_by(place))
        }),
        "no request was answered by an event stream",
    )
}

/// The ids of events in the order in which they came, with whether the event carried nothing else.
fn ids(shot: &Shot) -> impl Iterator<Item = (&str, bool)> {
    shot.came.iter().filter_map(|came| match &came.item {
        Item::Cursor { id: Some(id), alone, .. } => Some((id.as_str(), *alone)),
        _ => None,
    })
}

fn event_ids(case: &Case<'_>) -> Verdict {
    let mut seen: HashMap<(String, &str), (usize, bool, Verb)> = HashMap::new();
    let mut judged = Verdict::NotApplicable("its events have no ids, so that nothing can be resumed".into());
    for (place, shot) in case.all() {
        // Without a session nothing tells whether two streams are of one client.
        let session = session_of(shot).unwrap_or_else(|| format!("#{place}"));
        for (id, alone) in ids(shot) {
            if !matches!(judged, Verdict::Violates(_)) {
                judged = Verdict::Passes;
            }
            let Some((before, bare, verb)) = seen.insert((session.clone(), id), (place, alone, shot.verb)) else {
                continue;
            };
            // A stream that is taken up again, or one of GET that is opened again, may begin with where it was left.
            let again = before == place && alone || alone && bare && verb == Verb::Get && shot.verb == Verb::Get;
            if again || matches!(&judged, Verdict::Violates(known) if !known.milder) {
                continue;
            }
            let violation =
                Violation::new("ids that are given once in a session", format!("the id {:?} twice", cut(id)));
            let violation = violation.shown_by(place);
            // Nothing is lost where the events carry no message.
            judged = Verdict::Violates(if alone && bare { violation.mild() } else { violation });
        }
    }
    judged
}

/// The session that a message belongs to.
fn session_of(shot: &Shot) -> Option<String> {
    let sent = shot.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"));
    sent.map(|(_, id)| id.clone()).or_else(|| shot.header("mcp-session-id").map(str::to_owned))
}

fn primed(case: &Case<'_>) -> Verdict {
    // Of a request that names another version, or none, the server may think that its client does not know such events.
    let version = case.facts.revision.version;
    let named = |shot: &Shot| {
        let names =
            |(name, value): &(String, String)| name.eq_ignore_ascii_case("mcp-protocol-version") && value == version;
        let opens = shot.method.as_deref() == Some("initialize") && is_of_revision(case, shot);
        opens || shot.headers.iter().any(names)
    };
    let mut with_ids = answering(case).filter(|(_, shot)| named(shot) && ids(shot).next().is_some()).peekable();
    if with_ids.peek().is_none() {
        return Verdict::NotApplicable("its events have no ids, so that nothing can be resumed".into());
    }
    Verdict::of_all(
        with_ids.map(|(place, shot)| match shot.came.first().map(|came| &came.item) {
            Some(Item::Cursor { id: Some(_), alone: true, .. }) => Ok(()),
            _ => {
                let actual = "a message is the first event of a stream whose events have ids";
                Err(Violation::new("an event with an id and no data first", actual).shown_by(place))
            }
        }),
        "",
    )
}

fn retry(case: &Case<'_>) -> Verdict {
    let early = case.all().filter(|(_, shot)| shot.came.iter().any(|came| matches!(came.item, Item::Resumed)));
    Verdict::of_all(
        early.map(|(place, shot)| {
            let before = shot.came.iter().take_while(|came| !matches!(came.item, Item::Resumed));
            let told = before.into_iter().any(|came| matches!(came.item, Item::Cursor { retry: Some(_), .. }));
            let violation = || Violation::new("a `retry:` before the end", "the stream was closed early without one");
            if told { Ok(()) } else { Err(violation().shown_by(place)) }
        }),
        "no stream was closed before its reply",
    )
}

/// The streams of GET that were opened.
fn listening<'a>(case: &Case<'a>) -> Vec<(usize, &'a Shot)> {
    let open = |shot: &Shot| is_stream(shot) && shot.status().is_some_and(|status| (200..300).contains(&status));
    let both = ["first", "second"].map(|label| case.shot(&LISTEN, label));
    both.into_iter().flatten().filter(|(_, shot)| open(shot)).collect()
}

fn no_replies(case: &Case<'_>) -> Verdict {
    let streams = listening(case);
    if streams.is_empty() {
        return Verdict::NotApplicable("the server has no stream of GET".into());
    }
    Verdict::of_all(
        streams.into_iter().filter(|(_, shot)| shot.frames().next().is_some()).map(|(place, shot)| {
            let reply = shot.messages().any(|message| matches!(message, Message::Reply { .. }));
            let violation = || Violation::new("no reply on the stream of GET", "a reply").shown_by(place);
            if reply { Err(violation()) } else { Ok(()) }
        }),
        "nothing was told on the stream of GET",
    )
}

fn one_copy(case: &Case<'_>) -> Verdict {
    let streams = listening(case);
    let [(_, first), (place, second)] = streams.as_slice() else {
        return Verdict::NotApplicable("a session has at most one stream of GET here".into());
    };
    let heard = |shot: &Shot| -> Vec<(Duration, bytes::Bytes)> {
        let frames = shot.came.iter().filter_map(|came| match &came.item {
            Item::Frame(frame) => Some((came.after, frame.raw.clone())),
            _ => None,
        });
        frames.collect()
    };
    let (first, second) = (heard(first), heard(second));
    if first.is_empty() && second.is_empty() {
        return Verdict::NotExercised("nothing was told on either stream".into());
    }
    let twice = first
        .iter()
        .find(|(when, raw)| second.iter().any(|(also, other)| raw == other && when.abs_diff(*also) < AT_ONCE));
    match twice {
        Some((_, raw)) => {
            let actual = format!("on both: {}", cut(&String::from_utf8_lossy(raw)));
            Verdict::Violates(Violation::new("each message on one stream", actual).shown_by(*place))
        }
        None => Verdict::Passes,
    }
}

fn unbuffered(case: &Case<'_>) -> Verdict {
    let mut streams = answering(case).peekable();
    if streams.peek().is_none() {
        return Verdict::NotExercised("no request was answered by an event stream".into());
    }
    let is_set = |shot: &Shot| shot.header("x-accel-buffering").is_some_and(|value| value.trim() == "no");
    match streams.find(|(_, shot)| !is_set(shot)) {
        None => Verdict::Passes,
        // A proxy that understands the header takes it off.
        Some(_) if !case.place.loopback => {
            Verdict::NotExercised("a proxy on the way may have taken the header off".into())
        }
        Some((_, shot)) if shot.header("server").is_some_and(is_proxy) || shot.header("via").is_some() => {
            Verdict::NotExercised("the proxy before the server may have taken the header off".into())
        }
        Some((place, shot)) => {
            let actual = shot.header("x-accel-buffering").map_or_else(|| "no such header".to_owned(), cut);
            Verdict::Violates(Violation::new("X-Accel-Buffering: no", actual).shown_by(place))
        }
    }
}

fn is_proxy(server: &str) -> bool {
    let server = server.to_ascii_lowercase();
    ["nginx", "openresty", "tengine", "angie"].iter().any(|name| server.contains(name))
}

fn related(case: &Case<'_>) -> Verdict {
    let streams = answering(case).filter(|(_, shot)| shot.method.as_deref() != Some("subscriptions/listen"));
    Verdict::of_all(
        streams.map(|(place, shot)| {
            let unrelated = shot.notices().find(|(method, _)| {
                method.ends_with("/list_changed") || matches!(*method, "notifications/resources/updated")
            });
            match unrelated {
                None => Ok(()),
                Some((method, _)) => {
                    let actual = cut(method);
                    Err(Violation::new("only notifications about the request", actual).shown_by(place))
                }
            }
        }),
        "no request was answered by an event stream",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::{Came, Place};
    use super::*;
    use crate::event::TransportKind;
    use crate::protocol::Revision;
    use crate::session::ServerFacts;
    use crate::transport::Head;

    const ID: (&str, &str) = ("Mcp-Session-Id", "s");
    const VERSION: (&str, &str) = ("MCP-Protocol-Version", "2025-11-25");

    fn stream(verb: Verb, headers: &[(&str, &str)], came: Vec<Item>) -> Shot {
        let answer = [("content-type", "text/event-stream"), ("server", "uvicorn")];
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Shot {
            exercise: "ordinary",
            label: "x",
            place: 0,
            method: (verb == Verb::Post).then(|| "tools/list".to_owned()),
            id: None,
            verb,
            sent: bytes::Bytes::new(),
            headers: owned(headers),
            head: Some(Head { status: 200, headers: owned(&answer) }),
            came: came.into_iter().map(|item| Came { after: Duration::ZERO, item }).collect(),
            answer: Some(Ok(json!({}))),
            ended: true,
            fault: None,
            took: Duration::ZERO,
            resident_bytes: None,
        }
    }

    fn event(id: &str, alone: bool) -> Item {
        Item::Cursor { id: Some(id.to_owned()), retry: None, alone }
    }

    fn judged(judge: fn(&Case<'_>) -> Verdict, version: &str, place: &Place, shots: &[Shot]) -> &'static str {
        let facts = ServerFacts {
            identity: None,
            instructions: None,
            capabilities: json!({}),
            revision: Revision::of(version).unwrap(),
            transport: TransportKind::StreamableHttp,
            supported: Vec::new(),
        };
        match judge(&Case { facts: &facts, shots, place, tools: &[], findings: None }) {
            Verdict::Violates(violation) if violation.milder => "mild",
            verdict => verdict.name(),
        }
    }

    #[test]
    fn ids_are_compared_within_a_session() {
        let ids = |shots: &[Shot]| judged(event_ids, "2025-11-25", &Place::default(), shots);
        let get = || stream(Verb::Get, &[ID], vec![event("0", true)]);
        let post = |id: &str, alone| stream(Verb::Post, &[ID], vec![event(id, alone)]);
        assert_eq!(ids(&[stream(Verb::Post, &[ID], vec![])]), "not_applicable");
        assert_eq!(ids(&[post("a", false), post("b", false)]), "passes");
        assert_eq!(ids(&[post("a", false), post("a", false)]), "violates");
        assert_eq!(ids(&[post("a", true), post("a", true)]), "mild", "no message is lost by it");
        assert_eq!(ids(&[get(), get()]), "passes", "one stream, opened again");
        let other = stream(Verb::Post, &[("mcp-session-id", "t")], vec![event("a", false)]);
        assert_eq!(ids(&[post("a", false), other]), "passes", "another session");
        let anybody = || stream(Verb::Post, &[], vec![event("a", false)]);
        assert_eq!(ids(&[anybody(), anybody()]), "passes", "nothing tells that they are of one client");
        let resumed = stream(Verb::Post, &[ID], vec![event("1-0", true), Item::Resumed, event("1-0", true)]);
        assert_eq!(ids(&[resumed]), "passes");
    }

    #[test]
    fn priming_is_wanted_of_streams_that_can_be_resumed() {
        let of = |shots: &[Shot]| judged(primed, "2025-11-25", &Place::default(), shots);
        assert_eq!(of(&[stream(Verb::Post, &[VERSION], vec![])]), "not_applicable");
        assert_eq!(of(&[stream(Verb::Post, &[VERSION], vec![event("a", false)])]), "violates");
        assert_eq!(of(&[stream(Verb::Post, &[VERSION], vec![event("a", true), event("b", false)])]), "passes");
        assert_eq!(of(&[stream(Verb::Post, &[], vec![event("a", false)])]), "not_applicable", "a client of 2025-03-26");
    }

    #[test]
    fn a_header_that_a_proxy_takes_off_is_not_missed() {
        let streams = [stream(Verb::Post, &[], vec![])];
        let of = |place: &Place, shots: &[Shot]| judged(unbuffered, "2026-07-28", place, shots);
        let here = Place { loopback: true, ..Place::default() };
        assert_eq!(of(&here, &streams), "violates");
        assert_eq!(of(&Place::default(), &streams), "not_exercised");
        let mut proxied = stream(Verb::Post, &[], vec![]);
        if let Some(head) = &mut proxied.head {
            head.headers[1].1 = "nginx/1.27".to_owned();
        }
        assert_eq!(of(&here, &[proxied]), "not_exercised");
    }

    #[test]
    fn only_an_end_without_a_reply_is_early() {
        let of = |shot: Shot| judged(ends, "2025-11-25", &Place::default(), &[shot]);
        assert_eq!(of(stream(Verb::Post, &[], vec![])), "passes");
        assert_eq!(of(Shot { ended: false, ..stream(Verb::Post, &[], vec![]) }), "violates");
        assert_eq!(of(Shot { answer: None, ..stream(Verb::Post, &[], vec![]) }), "violates");
        let given_up = Shot { answer: None, ended: false, ..stream(Verb::Post, &[], vec![]) };
        assert_eq!(of(given_up), "not_exercised");
    }

    #[test]
    fn silent_streams_show_nothing() {
        let told = |label, method: Option<&str>| {
            let message = method.map(|method| crate::wire::message::notification(method, None));
            let frames = message.iter().flat_map(crate::wire::message::read).map(Item::Frame);
            Shot { exercise: LISTEN.name, label, ..stream(Verb::Get, &[], frames.collect()) }
        };
        let of = |judge, shots: &[Shot]| judged(judge, "2025-11-25", &Place::default(), shots);
        let silent = [told("first", None), told("second", None)];
        assert_eq!((of(one_copy, &silent), of(no_replies, &silent)), ("not_exercised", "not_exercised"));
        let one = [told("first", Some("notifications/tools/list_changed")), told("second", None)];
        assert_eq!((of(one_copy, &one), of(no_replies, &one)), ("passes", "passes"));
        let both = ["first", "second"].map(|label| told(label, Some("notifications/tools/list_changed")));
        assert_eq!(of(one_copy, &both), "violates");
        assert_eq!(of(one_copy, &silent[..1]), "not_applicable");
    }
}

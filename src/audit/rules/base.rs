//! Rules of JSON-RPC 2.0 as MCP uses it: the envelope, ids, codes of errors, and who may say what without being asked.

use serde_json::Value;

use super::super::exercises::{BATCH, IDS, NOTIFIED, TOGETHER, UNKNOWN_METHOD};
use super::super::verdict::UNSENT;
use super::super::{Area, Case, Class, Rule, Shot, Verdict, Violation};
use crate::event::Era;
use crate::wire::{Frame, Id, Malformed, Message, RpcError};

pub(super) static RULES: &[Rule] = &[
    Rule::new("rpc.message", &["J01"], Area::Base, message)
        .says(
            "Every message is one JSON object with `\"jsonrpc\": \"2.0\"`; only 2025-03-26 knows arrays of messages.",
            "Strict clients drop what is anything else, and wait for an answer until their time is over.",
            "let an SDK write the messages; look for code that prints JSON of its own.",
        )
        .page("basic#messages"),
    Rule::new("rpc.reply", &["J03"], Area::Base, reply)
        .says(
            "A reply has either `result`, which is an object, or `error`, and never both.",
            "Typed clients cannot read `null`, a list or a text as a result, and fail although the server did its work.",
            "answer with an object, an empty one where there is nothing to say; look for languages that write an empty map \
             as `[]`.",
        )
        .page("basic#responses"),
    Rule::new("rpc.error", &["J04"], Area::Base, error)
        .says(
            "An error is an object with an integer `code` and a text `message`.",
            "Clients cannot show an error of another form; the person who called sees only that something failed.",
            "put the words into `message` and details into `data`; use numbers as codes.",
        )
        .page("basic#responses"),
    Rule::new("rpc.id_echo", &["J02", "F23"], Area::Base, id_echo)
        .needs(Class::Harmless, &[&IDS])
        .says(
            "A reply carries exactly the id of its request: a text stays a text, a number stays a number.",
            "A client cannot match a reply whose id has changed, and waits until its time is over.",
            "keep the id as the JSON value it came as.",
        )
        .page("basic#responses"),
    Rule::new("rpc.error_id", &["J02"], Area::Base, error_id)
        .needs(Class::Invasive, &[&UNKNOWN_METHOD])
        .says(
            "An error carries the id of its request too, unless that id could not be read.",
            "A client with several requests under way cannot tell which of them failed.",
            "take the id from the request before anything else is looked at, and put it into every error.",
        )
        .page("basic#responses"),
    Rule::new("rpc.no_reply", &["J05"], Area::Base, no_reply)
        .needs(Class::Harmless, &[&NOTIFIED])
        .says(
            "A notification is never answered, not even with an error.",
            "The answer has no id that the client knows; some clients close the connection over it.",
            "tell requests from notifications by whether there is an `id`, before the method is looked at.",
        )
        .page("basic#notifications"),
    Rule::new("rpc.one_reply", &["J05", "F11"], Area::Base, unsolicited)
        .says(
            "The server answers what it was asked, each request once, and nothing else.",
            "Strict clients close the connection over a reply to a request that they never made.",
            "send one reply for a request, under its id; what is to be told besides is a notification.",
        )
        .page("basic#responses"),
    Rule::new("rpc.together", &["J17"], Area::Base, together)
        .needs(Class::Harmless, &[&TOGETHER])
        .says(
            "Requests that are under way at the same time are all answered, each under its own id.",
            "Clients list tools, resources and prompts at once when they start; what is not answered then seems not to be there.",
            "keep the state of a request with the request and not with the connection; guard what writes to the output.",
        )
        .page("basic#requests"),
    Rule::new("rpc.reserved_code", &["J13"], Area::Base, reserved_code)
        .modern()
        .says(
            "Error codes from -32099 to -32020 are the specification's own; it has defined -32020, -32021 and -32022.",
            "A client may one day read a meaning into the code that the server never meant.",
            "take a code outside of -32768 to -32000 for errors of your own.",
        )
        .page("basic#error-codes"),
    Rule::new("rpc.retired_code", &["J14"], Area::Base, retired_code)
        .modern()
        .says(
            "The error codes -32002 and -32042 are not sent any more.",
            "A client of this revision does not know them: a resource that is not there is -32602, a missing input is asked \
             for with `input_required`.",
            "answer -32602 for an unknown resource, and `input_required` where a person has to open a URL.",
        )
        .page("basic#error-codes"),
    Rule::new("rpc.utf8", &["J16"], Area::Base, utf8)
        .says(
            "Messages are written in UTF-8.",
            "A client cannot read the message at all, and the call ends without an answer.",
            "write UTF-8 whatever the locale of the machine says; convert what comes from files and databases.",
        )
        .page("basic/transports"),
];

/// Judges one shot of an exercise, unless it says nothing.
pub(super) fn one<'a>(
    case: &Case<'a>,
    exercise: &super::super::Exercise,
    label: &str,
    judge: impl FnOnce(&'a Shot) -> Result<(), Violation>,
) -> Verdict {
    match case.shot(exercise, label).and_then(|(_, shot)| shot.spared()) {
        Some(why) => Verdict::NotExercised(why.into()),
        None => case.judge(exercise, label, judge),
    }
}

/// Whether a message went out as the audited revision has it: other exercises speak as clients of another era do.
pub(super) fn is_of_revision(case: &Case<'_>, shot: &Shot) -> bool {
    if shot.sent.is_empty() {
        return true;
    }
    let sent: Value = serde_json::from_slice(&shot.sent).unwrap_or(Value::Null);
    let stated = sent.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion");
    let revision = case.facts.revision;
    match revision.era {
        Era::Modern => stated.and_then(Value::as_str) == Some(revision.version),
        Era::Legacy => {
            let asked = sent.pointer("/params/protocolVersion").and_then(Value::as_str);
            stated.is_none() && asked.is_none_or(|asked| asked == revision.version)
        }
    }
}

/// A frame as an object, where it is meant as a message: a page of a proxy and a line of a log are not.
fn meant(shot: &Shot, frame: &Frame) -> Option<serde_json::Map<String, Value>> {
    let Ok(Value::Object(object)) = serde_json::from_slice(&frame.raw) else { return None };
    let has = |key: &str| object.contains_key(key);
    let refused = shot.status().is_some_and(|status| status >= 300);
    let is_meant = has("jsonrpc") || !refused && has("id") && ["method", "result", "error"].into_iter().any(has);
    is_meant.then_some(object)
}

fn frames<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot, &'a Frame)> {
    case.all().flat_map(|(place, shot)| shot.frames().map(move |frame| (place, shot, frame)))
}

/// Every well-formed error, with its place.
fn errors<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a RpcError)> {
    let of_revision = case.all().filter(|(_, shot)| is_of_revision(case, shot));
    of_revision.flat_map(|(place, shot)| {
        shot.messages().filter_map(move |message| match message {
            Message::Reply { body: Err(error), .. } => Some((place, error)),
            _ => None,
        })
    })
}

fn message(case: &Case<'_>) -> Verdict {
    let batches = case.facts.revision.batches;
    let judged = frames(case).filter_map(|(place, shot, frame)| {
        // Who sends an array gets one; that it was taken at all is another rule's.
        if frame.batched && !batches && shot.exercise != BATCH.name {
            return Some(Err(Violation::new("one JSON object", "a JSON array").shown_by(place)));
        }
        let refused = shot.status().is_some_and(|status| status >= 300);
        if let Err(broken @ Malformed::NotJson { .. }) = &frame.parsed
            && shot.head.is_some()
            && !refused
        {
            return Some(Err(Violation::new("a JSON-RPC message", broken.to_string()).shown_by(place)));
        }
        let object = meant(shot, frame)?;
        let said = match object.get("jsonrpc") {
            Some(Value::String(version)) if version == "2.0" => return Some(Ok(())),
            Some(other) => format!("`jsonrpc` is {}", super::super::case::quote(other)),
            None => "no member `jsonrpc`".to_owned(),
        };
        Some(Err(Violation::new("`\"jsonrpc\": \"2.0\"`", said).at("$.jsonrpc").shown_by(place)))
    });
    Verdict::of_all(judged, "no message came")
}

fn reply(case: &Case<'_>) -> Verdict {
    let judged = frames(case).filter_map(|(place, shot, frame)| {
        let object = meant(shot, frame)?;
        let wrong = match (object.get("method"), object.get("result"), object.get("error")) {
            (Some(_), None, None) => return None,
            (None, Some(Value::Object(_)), None) | (None, None, Some(_)) => return Some(Ok(())),
            (None, Some(other), None) => {
                let said = format!("`result` is {}", super::super::case::quote(other));
                Violation::new("a result that is an object", said).at("$.result")
            }
            (None, None, None) => Violation::new("`result` or `error`", "neither"),
            (None, Some(_), Some(_)) => Violation::new("`result` or `error`", "both"),
            (Some(_), ..) => Violation::new("a request or a reply", "`method` beside `result` or `error`"),
        };
        Some(Err(wrong.shown_by(place)))
    });
    Verdict::of_all(judged, "no reply came")
}

fn error(case: &Case<'_>) -> Verdict {
    let judged = frames(case).filter_map(|(place, shot, frame)| {
        let object = meant(shot, frame)?;
        let error = object.get("error")?;
        let good = error.get("code").is_some_and(|code| code.is_i64() || code.is_u64())
            && error.get("message").is_some_and(Value::is_string);
        if good {
            return Some(Ok(()));
        }
        let said = super::super::case::quote(error);
        Some(Err(Violation::new("an integer `code` and a text `message`", said).at("$.error").shown_by(place)))
    });
    Verdict::of_all(judged, "no error came")
}

fn id_echo(case: &Case<'_>) -> Verdict {
    let judged = case.of(&IDS).filter_map(|(place, shot)| {
        let id = shot.id.as_ref()?;
        if shot.answer.is_some() {
            return Some(Ok(()));
        }
        let came = shot.messages().find_map(|message| match message {
            Message::Reply { id, .. } => Some(id.as_ref()),
            _ => None,
        })?;
        // Those who refuse an HTTP request before they read it know no id.
        if shot.status().is_some_and(|status| status >= 400) && matches!(came, None | Some(Id::Null)) {
            return None;
        }
        Some(Err(Violation::new(format!("the id {id}"), ids_words(came)).at("$.id").shown_by(place)))
    });
    Verdict::of_all(judged, "no reply came to either")
}

fn ids_words(id: Option<&Id>) -> String {
    id.map_or_else(|| "no id".to_owned(), |id| format!("the id {}", super::super::case::cut(&id.to_string())))
}

fn error_id(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&UNKNOWN_METHOD, "unknown") else {
        return Verdict::unsent();
    };
    if let Some(why) = shot.spared() {
        return Verdict::NotExercised(why.into());
    }
    let legacy = case.facts.revision.era == Era::Legacy;
    match (&shot.answer, shot.error(), &shot.id) {
        (Some(_), ..) => Verdict::Passes,
        // Transports of the legacy era refuse with `id: null` what never reached the server.
        (None, Some(_), _) if legacy && shot.status().is_some_and(|status| status >= 400) => {
            Verdict::NotExercised("the transport refused it before the server saw it".into())
        }
        (None, Some(_), Some(id)) => {
            Verdict::Violates(Violation::new(format!("the id {id}"), shot.said()).at("$.id").shown_by(place))
        }
        _ => Verdict::NotExercised("no error came".into()),
    }
}

fn no_reply(case: &Case<'_>) -> Verdict {
    one(case, &NOTIFIED, "cancelled", answered_notification)
}

/// An HTTP refusal may carry an error without an id; everything else is a reply that should not be.
pub(super) fn answered_notification(shot: &Shot) -> Result<(), Violation> {
    if shot.status().is_some_and(|status| status >= 400) {
        return Ok(());
    }
    let replied = shot.messages().find_map(|message| match message {
        Message::Reply { id, body } if !matches!(id, Some(Id::Number(_) | Id::Text(_))) => Some((id.as_ref(), body)),
        _ => None,
    });
    match replied {
        None => Ok(()),
        Some((id, body)) => {
            let kind = if body.is_ok() { "a result" } else { "an error" };
            Err(Violation::new("no reply to a notification", format!("{kind} with {}", ids_words(id))))
        }
    }
}

fn unsolicited(case: &Case<'_>) -> Verdict {
    let asked = |id: &Id| case.shots.iter().any(|shot| shot.id.as_ref() == Some(id) || holds_id(&shot.sent, id));
    let judged = case.all().filter(|(_, shot)| shot.messages().next().is_some()).map(|(place, shot)| {
        let mut mine = 0;
        // Some SDKs put a word of their own in the place of the id when they refuse an HTTP request unread.
        let refused = shot.status().is_some_and(|status| status >= 400);
        for message in shot.messages() {
            let Message::Reply { id: Some(id @ (Id::Number(_) | Id::Text(_))), .. } = message else { continue };
            if shot.id.as_ref() == Some(id) {
                mine += 1;
                if mine > 1 {
                    return Err(Violation::new("one reply", format!("another one to the id {id}")).shown_by(place));
                }
            } else if case.shots[..place].iter().rfind(|shot| shot.id.as_ref() == Some(id)).is_some_and(is_answered) {
                // Over one pipe the second reply is heard after the next request.
                return Err(Violation::new("one reply", format!("another one to the id {id}")).shown_by(place));
            } else if !refused && !asked(id) {
                let said = format!("a reply with {}, which was never sent", ids_words(Some(id)));
                return Err(Violation::new("replies to what was asked", said).shown_by(place));
            }
        }
        Ok(())
    });
    Verdict::of_all(judged, "no reply came")
}

/// Whether a message that was sent, or one of an array, has this id. Another id may begin like it.
fn holds_id(sent: &[u8], id: &Id) -> bool {
    let member = format!("\"id\":{}", id.to_value());
    let mut found = memchr::memmem::find_iter(sent, member.as_bytes());
    found.any(|at| matches!(sent.get(at + member.len()), Some(b',' | b'}')))
}

fn is_answered(shot: &Shot) -> bool {
    shot.answer.is_some()
}

fn together(case: &Case<'_>) -> Verdict {
    if let Some(why) = case.of(&TOGETHER).find_map(|(_, shot)| shot.spared()) {
        return Verdict::NotExercised(why.into());
    }
    let judged = case.of(&TOGETHER).map(|(place, shot)| {
        if shot.answer.is_some() || shot.error().is_some() {
            return Ok(());
        }
        let method = shot.method.as_deref().unwrap_or_default();
        let expected = format!("a reply to {method}, one of three requests at once");
        Err(Violation::new(expected, shot.said()).shown_by(place))
    });
    Verdict::of_all(judged, UNSENT)
}

fn reserved_code(case: &Case<'_>) -> Verdict {
    let judged = errors(case).map(|(place, error)| match error.code {
        -32022..=-32020 => Ok(()),
        -32099..=-32020 => {
            let expected = "a code that is defined, or one of the server's own outside of -32768 to -32000";
            Err(Violation::new(expected, format!("the code {}", error.code)).at("$.error.code").shown_by(place))
        }
        _ => Ok(()),
    });
    Verdict::of_all(judged, "no error came")
}

fn retired_code(case: &Case<'_>) -> Verdict {
    let judged = errors(case).map(|(place, error)| {
        match error.code {
            -32002 => Err(Violation::new("-32602 for a resource that is not there", "the code -32002")),
            -32042 => Err(Violation::new("`input_required` for what a person has to do", "the code -32042")),
            _ => Ok(()),
        }
        .map_err(|violation| violation.at("$.error.code").shown_by(place))
    });
    Verdict::of_all(judged, "no error came")
}

fn utf8(case: &Case<'_>) -> Verdict {
    let judged = frames(case).map(|(place, _, frame)| match &frame.parsed {
        Err(broken @ Malformed::NotUtf8 { .. }) => {
            Err(Violation::new("a message in UTF-8", broken.to_string()).shown_by(place))
        }
        _ => Ok(()),
    });
    Verdict::of_all(judged, "no message came")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_id_is_another_id() {
        let (one, text) = (Id::number(1), Id::text("a"));
        let holds = |sent: &str, id: &Id| holds_id(sent.as_bytes(), id);
        assert!(holds(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, &one));
        assert!(holds(r#"{"method":"ping","id":1}"#, &one));
        assert!(holds(r#"[{"id":12,"method":"ping"},{"id":1,"method":"ping"}]"#, &one));
        assert!(holds(r#"{"id":"a","method":"ping"}"#, &text));
        assert!(!holds(r#"{"jsonrpc":"2.0","id":12,"method":"ping"}"#, &one));
        assert!(!holds(r#"{"id":1.5,"method":"ping"}"#, &one));
        assert!(!holds(r#"{"id":"1","method":"ping"}"#, &one));
        assert!(!holds(r#"{"id":"ab","method":"ping"}"#, &text));
    }
}

//! Rules for what no correct client sends: methods and notifications that nobody has, bytes that are no JSON, JSON that is
//! no request, arrays of requests. Silence is usual over a pipe, and not blamed.

use super::super::exercises::{
    BATCH, BATCH_IDS, NAMELESS_ID, NO_JSON, NO_REQUEST, OLD_ID, UNKNOWN_METHOD, UNKNOWN_NOTIFICATION,
};
use super::super::rule::STDIO;
use super::super::{Area, Case, Class, Exercise, Keyword, Rule, Shot, Verdict, Violation};
use super::base::{answered_notification, one};
use crate::event::{Era, TransportKind};
use crate::wire::{Id, Message, RpcError};

pub(super) static RULES: &[Rule] = &[
    Rule::new("rpc.unknown_method", &["J07", "F33"], Area::Base, unknown_method)
        .before("2026-07-28", Keyword::Should)
        .needs(Class::Invasive, &[&UNKNOWN_METHOD])
        .says(
            "A method that the server does not have is answered with error -32601, in 2026-07-28 over HTTP with status 404.",
            "Clients find out by it what a server can do and which era it speaks.",
            "answer -32601 instead of dropping the request or closing the connection.",
        )
        .page("basic#error-codes"),
    Rule::new("rpc.unknown_notification", &["J06"], Area::Base, unknown_notification)
        .needs(Class::Invasive, &[&UNKNOWN_NOTIFICATION])
        .says(
            "A notification that the server does not know is left unanswered, and what follows is served as before.",
            "Newer clients send notifications that an older server has never heard of.",
            "ignore what is unknown and has no `id`.",
        )
        .page("basic#notifications"),
    Rule::new("rpc.parse_error", &["J08"], Area::Base, parse_error)
        .worded(Keyword::Should)
        .needs(Class::Invasive, &[&NO_JSON])
        .says(
            "Bytes that are no JSON are refused: over HTTP with a status of 400 or above, and any error that says so has the code -32700.",
            "With another answer a client looks for its mistake in the wrong place.",
            "answer -32700 where the parser fails, over HTTP with status 400.",
        )
        .page("https://www.jsonrpc.org/specification#error_object"),
    Rule::new("rpc.survives", &["J08", "J09"], Area::Base, survives)
        .worded(Keyword::Should)
        .needs(Class::Invasive, &[&NO_JSON, &NO_REQUEST])
        .says(
            "After a message that cannot be read the server serves the next one.",
            "One wrong line of one client must not end the conversation, or the server for all.",
            "catch the parser's error in the loop that reads, and go on reading.",
        )
        .page("https://www.jsonrpc.org/specification#error_object"),
    Rule::new("rpc.invalid_request", &["J09"], Area::Base, invalid_request)
        .worded(Keyword::Should)
        .needs(Class::Invasive, &[&NO_REQUEST])
        .says(
            "JSON that is no request of JSON-RPC 2.0 is refused, and any error that says so has the code -32600.",
            "A server that takes anything for a request acts on messages that were never meant as one.",
            "look at `jsonrpc`, `id` and `method` before anything is done; answer -32600, over HTTP with status 400.",
        )
        .page("https://www.jsonrpc.org/specification#error_object"),
    Rule::new("rpc.null_id", &["J10"], Area::Base, null_id)
        .worded(Keyword::Info)
        .needs(Class::Invasive, &[&NO_REQUEST])
        .says(
            "A request whose id is `null` is not served as if its id were good.",
            "MCP has no such requests; nobody can match the reply.",
            "refuse it with -32600, or drop it.",
        )
        .page("basic#requests"),
    Rule::new("rpc.tells_garbage", &["J08", "J09"], Area::Base, tells_garbage)
        .worded(Keyword::Info)
        .over(STDIO)
        .needs(Class::Invasive, &[&NO_JSON, &NO_REQUEST])
        .says(
            "A message that cannot be read is answered with an error, not with silence.",
            "JSON-RPC asks for it, and it saves whoever writes a client hours; most servers over pipes stay silent.",
            "answer -32700 or -32600 with the id `null`.",
        )
        .page("https://www.jsonrpc.org/specification#error_object"),
    Rule::new("rpc.batch_served", &["J11"], Area::Base, batch)
        .since("2025-03-26")
        .until("2025-03-26")
        .over(&[TransportKind::Stdio, TransportKind::StreamableHttp])
        .needs(Class::Invasive, &[&BATCH])
        .says(
            "An array of requests is served, and each of them is answered; only this revision has it.",
            "Clients of 2025-03-26 may send arrays, and wait for every answer.",
            "take arrays apart, serve what is in them, and answer with one array; or do not agree on 2025-03-26.",
        )
        .page("basic#batching"),
    Rule::new("rpc.batch_refused", &["J12"], Area::Base, no_batch)
        .since("2025-06-18")
        .worded(Keyword::Should)
        .over(&[TransportKind::Stdio, TransportKind::StreamableHttp])
        .needs(Class::Invasive, &[&BATCH])
        .says(
            "An array of requests is not served any more: a message is one request.",
            "What limits, logs and authorizes one request at a time does not see those that hide in an array.",
            "refuse arrays with -32600, over HTTP with status 400.",
        )
        .page("basic/transports"),
];

fn unknown_method(case: &Case<'_>) -> Verdict {
    let modern = case.facts.revision.era == Era::Modern;
    one(case, &UNKNOWN_METHOD, "unknown", |shot| match shot.error() {
        // What rides in an event stream has the status of the stream.
        Some(error) if error.code == -32601 => match shot.status() {
            Some(status) if modern && status != 404 && !streamed(shot) => {
                Err(Violation::new("error -32601 with HTTP 404", shot.said()))
            }
            _ => Ok(()),
        },
        _ => Err(Violation::new("error -32601", shot.said())),
    })
}

fn streamed(shot: &Shot) -> bool {
    shot.header("content-type")
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

fn unknown_notification(case: &Case<'_>) -> Verdict {
    match one(case, &UNKNOWN_NOTIFICATION, "unknown", answered_notification) {
        Verdict::Passes => one(case, &UNKNOWN_NOTIFICATION, "after", served),
        other => other,
    }
}

/// Whatever the answer is: it came.
fn served(shot: &Shot) -> Result<(), Violation> {
    if shot.answer.is_some() {
        return Ok(());
    }
    Err(Violation::new("an answer to the request that followed", shot.said()))
}

fn survives(case: &Case<'_>) -> Verdict {
    match one(case, &NO_JSON, "after", served) {
        Verdict::Passes => one(case, &NO_REQUEST, "after", served),
        other => other,
    }
}

/// The errors that answer what could not be read: without an id, or with one of these.
fn refusals<'a>(case: &Case<'a>, exercise: &Exercise, ids: &[&str]) -> Vec<(usize, &'a Shot, &'a RpcError)> {
    let ids: Vec<Id> = ids.iter().map(|id| Id::text(*id)).collect();
    let shots = case.of(exercise);
    let replies = shots.flat_map(|(place, shot)| shot.messages().map(move |message| (place, shot, message)));
    replies
        .filter_map(|(place, shot, message)| match message {
            Message::Reply { id, body: Err(error) } => {
                let ours = id.as_ref().is_none_or(|id| *id == Id::Null || ids.contains(id));
                ours.then_some((place, shot, error))
            }
            _ => None,
        })
        .collect()
}

/// The first result under one of these ids.
fn result_of<'a>(case: &Case<'a>, exercise: &Exercise, ids: &[Id]) -> Option<(usize, &'a Id)> {
    case.of(exercise).find_map(|(place, shot)| {
        shot.messages().find_map(|message| match message {
            Message::Reply { id: Some(id), body: Ok(_) } if ids.contains(id) => Some((place, id)),
            _ => None,
        })
    })
}

fn parse_error(case: &Case<'_>) -> Verdict {
    let over_http = case.facts.transport == TransportKind::StreamableHttp;
    let sent = one(case, &NO_JSON, "half", |shot| match shot.status() {
        Some(status) if over_http && status >= 500 => Err(Violation::new("HTTP 400 and error -32700", shot.said())),
        Some(status) if over_http && status < 300 && shot.error().is_none() => {
            Err(Violation::new("HTTP 400 and error -32700", shot.said()))
        }
        _ => Ok(()),
    });
    if sent != Verdict::Passes {
        return sent;
    }
    let told = refusals(case, &NO_JSON, &[]);
    if let Some((place, shot, _)) = told.iter().find(|(_, shot, error)| error.code != -32700 && !is_refused(shot)) {
        return Verdict::Violates(Violation::new("error -32700", shot.said()).shown_by(*place));
    }
    if told.is_empty() && !over_http {
        return Verdict::NotExercised("the server ignores what is no JSON".into());
    }
    Verdict::Passes
}

/// An HTTP status says that it was refused, whatever the code says.
fn is_refused(shot: &Shot) -> bool {
    shot.status().is_some_and(|status| (400..500).contains(&status))
}

fn invalid_request(case: &Case<'_>) -> Verdict {
    let modern = case.facts.revision.era == Era::Modern;
    let served = [Id::text(OLD_ID), Id::text(NAMELESS_ID)];
    if let Some((place, id)) = result_of(case, &NO_REQUEST, &served) {
        let what = if *id == Id::text(OLD_ID) { "a result for JSON-RPC 1.0" } else { "a result for no method" };
        return Verdict::Violates(Violation::new("error -32600", what).shown_by(place));
    }
    let http = case.facts.transport == TransportKind::StreamableHttp;
    let broken = case.of(&NO_REQUEST).find(|(_, shot)| {
        http && matches!(shot.label, "old" | "nameless" | "scalar")
            && shot.status().is_some_and(|status| status >= 500)
            && shot.spared().is_none()
    });
    if let Some((place, shot)) = broken {
        return Verdict::Violates(Violation::new("HTTP 400 and error -32600", shot.said()).shown_by(place));
    }
    let told = refusals(case, &NO_REQUEST, &[OLD_ID, NAMELESS_ID]);
    let wrong = told.iter().find(|(_, shot, error)| {
        // The parser, the parameters and the headers may be looked at first.
        let usual = matches!(error.code, -32600 | -32700 | -32602) || modern && matches!(error.code, -32601 | -32020);
        !usual && !is_refused(shot)
    });
    match wrong {
        Some((place, _, error)) => {
            let said = format!("error {}: {}", error.code, super::super::case::cut(&error.message));
            Verdict::Violates(Violation::new("error -32600", said).shown_by(*place))
        }
        None if told.is_empty() && !case.of(&NO_REQUEST).any(|(_, shot)| is_refused(shot)) => {
            Verdict::NotExercised("the server ignores what is no request".into())
        }
        None => Verdict::Passes,
    }
}

fn null_id(case: &Case<'_>) -> Verdict {
    match result_of(case, &NO_REQUEST, &[Id::Null]) {
        Some((place, _)) => {
            Verdict::Violates(Violation::new("an error or silence", "a result with the id null").shown_by(place))
        }
        None => one(case, &NO_REQUEST, "null", |_| Ok(())),
    }
}

fn tells_garbage(case: &Case<'_>) -> Verdict {
    for (exercise, label, ids) in [(&NO_JSON, "half", &[][..]), (&NO_REQUEST, "old", &[OLD_ID, NAMELESS_ID][..])] {
        let silent = refusals(case, exercise, ids).is_empty();
        let sent = if exercise.name == NO_JSON.name { "bytes that are no JSON" } else { "JSON that is no request" };
        let told = one(case, exercise, label, |_| {
            if silent { Err(Violation::new(format!("an error for {sent}"), "nothing")) } else { Ok(()) }
        });
        if told != Verdict::Passes {
            return told;
        }
    }
    Verdict::Passes
}

/// The two replies to the requests in the array, as far as they came.
fn batched<'a>(case: &Case<'a>) -> [Option<&'a Result<Box<serde_json::value::RawValue>, RpcError>>; 2] {
    BATCH_IDS.map(|wanted| {
        case.of(&BATCH).find_map(|(_, shot)| {
            shot.messages().find_map(|message| match message {
                Message::Reply { id: Some(id), body } if *id == Id::text(wanted) => Some(body),
                _ => None,
            })
        })
    })
}

fn batch(case: &Case<'_>) -> Verdict {
    one(case, &BATCH, "batch", |shot| match batched(case) {
        [Some(Ok(_)), Some(Ok(_))] => Ok(()),
        [None, None] => Err(Violation::new("a result for each of two requests", shot.said())),
        [first, second] => {
            let count = [first, second].iter().filter(|reply| matches!(reply, Some(Ok(_)))).count();
            Err(Violation::new("a result for each of two requests", format!("{count} of 2")))
        }
    })
}

fn no_batch(case: &Case<'_>) -> Verdict {
    one(case, &BATCH, "batch", |_| {
        let served = batched(case).iter().filter(|reply| matches!(reply, Some(Ok(_)))).count();
        if served == 0 {
            return Ok(());
        }
        Err(Violation::new("a refusal of the array", format!("{served} results for two requests in one array")))
    })
}

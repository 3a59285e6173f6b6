//! Rules of JSON-RPC 2.0 as MCP uses it.

use super::super::exercises::{IDS, UNKNOWN_METHOD};
use super::super::{Area, Case, Class, Keyword, Rule, Verdict, Violation};
use crate::wire::{Malformed, Message};

pub(super) static RULES: &[Rule] = &[
    Rule::new("rpc.message", &["J01", "J03", "J04"], Area::Base, message)
        .says(
            "Every message is a JSON-RPC 2.0 object: `jsonrpc` is \"2.0\", a reply has either a result that is an object or an \
             error with an integer code and a text.",
            "Strict clients drop what is anything else, and wait for an answer until their time is over.",
            "let an SDK write the messages; look for code that prints JSON of its own.",
        )
        .page("basic#messages"),
    Rule::new("rpc.id_echo", &["J02", "F23"], Area::Base, id_echo)
        .needs(Class::Harmless, &[&IDS])
        .says(
            "A reply carries exactly the id of its request: a text stays a text, a number stays a number.",
            "A client cannot match a reply whose id has changed, and waits until its time is over.",
            "keep the id as the JSON value it came as.",
        )
        .page("basic#responses"),
    Rule::new("rpc.unknown_method", &["J07", "F33"], Area::Base, unknown_method)
        .before("2026-07-28", Keyword::Should)
        .needs(Class::Invasive, &[&UNKNOWN_METHOD])
        .says(
            "A method that the server does not have is answered with error -32601, in 2026-07-28 over HTTP with status 404.",
            "Clients find out by it what a server can do and which era it speaks.",
            "answer -32601 instead of dropping the request or closing the connection.",
        )
        .page("basic#error-codes"),
];

fn message(case: &Case<'_>) -> Verdict {
    let frames = case.all().flat_map(|(place, shot)| shot.frames().map(move |frame| (place, frame)));
    Verdict::of_all(
        frames.map(|(place, frame)| match &frame.parsed {
            Err(Malformed::NotRpc { why, .. }) => {
                Err(Violation::new("a JSON-RPC 2.0 message", why.clone()).shown_by(place))
            }
            _ => Ok(()),
        }),
        "no message came",
    )
}

fn id_echo(case: &Case<'_>) -> Verdict {
    let shots = case.of(&IDS).filter(|(_, shot)| shot.fault.is_none() || shot.frames().next().is_some());
    Verdict::of_all(
        shots.map(|(place, shot)| {
            let Some(id) = &shot.id else { return Ok(()) };
            let replied = shot.messages().find_map(|message| match message {
                Message::Reply { id, .. } => Some(id.as_ref()),
                _ => None,
            });
            match replied {
                Some(Some(came)) if came == id => Ok(()),
                Some(came) => {
                    let came = came.map_or_else(|| "none".to_owned(), |id| id.to_value().to_string());
                    Err(Violation::new(format!("the id {}", id.to_value()), format!("the id {came}")).shown_by(place))
                }
                None => Ok(()),
            }
        }),
        "no reply came to either",
    )
}

fn unknown_method(case: &Case<'_>) -> Verdict {
    case.judge(&UNKNOWN_METHOD, "unknown", |shot| match shot.error() {
        Some(error) if error.code == -32601 => match shot.status() {
            Some(404) | None => Ok(()),
            Some(_) if case.facts.revision.version < "2026-07-28" => Ok(()),
            Some(_) => Err(Violation::new("error -32601 with HTTP 404", shot.said())),
        },
        _ => Err(Violation::new("error -32601", shot.said())),
    })
}

//! Rules of the legacy era's life cycle: `initialize` and its versions, `ping`, capabilities that are declared and kept. What
//! a capability promises is asked of the modern era too.

use serde_json::Value;

use super::super::case::{cut, quote};
use super::super::exercises::{
    AGAIN, BATCH, EARLY, FUTURE, NO_JSON, NO_REQUEST, OPENING, ORDINARY, PAST, UNDECLARED, VERSIONS,
};
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use super::base::{is_of_revision, one};
use crate::event::{Era, TransportKind};
use crate::protocol::Revision;
use crate::protocol::revision::method_anywhere;

pub(super) static RULES: &[Rule] = &[
    Rule::new("lifecycle.initialize", &["L01"], Area::Lifecycle, initialize)
        .legacy()
        .says(
            "The result of `initialize` has `protocolVersion`, `capabilities`, and `serverInfo` with a name and a version.",
            "Typed clients refuse the handshake without them, and nothing else of the server is ever seen.",
            "fill all three; capabilities may be an empty object.",
        )
        .page("basic/lifecycle#initialization"),
    Rule::new("lifecycle.version_echo", &["L02", "F30"], Area::Lifecycle, version_echo)
        .legacy()
        .needs(Class::Slow, &[&VERSIONS])
        .says(
            "A client that asks for a version which the server speaks gets that version.",
            "Clients of older revisions are turned away although the server could serve them.",
            "answer the version that was asked for where it is one of yours; the newest only where it is not.",
        )
        .page("basic/lifecycle#version-negotiation"),
    Rule::new("lifecycle.unknown_version", &["L03", "F30"], Area::Lifecycle, unknown_version)
        .legacy()
        .needs(Class::Harmless, &[&OPENING])
        .says(
            "A client that asks for a version which the server does not know gets another one that exists, not an error.",
            "Newer clients ask for their newest version first, and cannot come down where they get an error.",
            "answer the newest version of the legacy era that the server speaks.",
        )
        .page("basic/lifecycle#version-negotiation"),
    Rule::new("lifecycle.initialized", &["L04"], Area::Lifecycle, initialized)
        .legacy()
        .over(&[TransportKind::StreamableHttp])
        .says(
            "`notifications/initialized` is accepted.",
            "It is the client's duty to send it; where it is refused, clients give the session up.",
            "accept it with HTTP 202 and an empty body.",
        )
        .page("basic/lifecycle#initialization"),
    Rule::new("lifecycle.ping", &["L05", "F23"], Area::Lifecycle, ping)
        .legacy()
        .says(
            "`ping` is answered promptly with an empty result.",
            "Clients close connections whose pings are not answered.",
            "answer `{}` to `ping`, before and after the handshake.",
        )
        .page("basic/utilities/ping"),
    Rule::new("lifecycle.unready", &["L06"], Area::Lifecycle, unready)
        .legacy()
        .worded(Keyword::Should)
        .needs(Class::Harmless, &[&OPENING])
        .says(
            "Before the client has said that it is ready, the server sends nothing but pings and log messages.",
            "Clients that have not read the capabilities yet cannot know what to do with it.",
            "wait for `notifications/initialized` before anything is asked or told.",
        )
        .page("basic/lifecycle#initialization"),
    Rule::new("lifecycle.client_capability", &["L07"], Area::Lifecycle, client_capability)
        .legacy()
        .before("2025-06-18", Keyword::Should)
        .says(
            "The server asks for nothing that the client has not declared: no sampling, no elicitation, no roots.",
            "A client that cannot answer refuses, and a server that waits for the answer hangs.",
            "look at the client's capabilities before `sampling/createMessage`, `elicitation/create` or `roots/list` is sent.",
        )
        .page("basic/lifecycle#operation"),
    Rule::new("lifecycle.undeclared_refused", &["L08"], Area::Lifecycle, undeclared_refused)
        .legacy()
        .worded(Keyword::Info)
        .needs(Class::Harmless, &[&UNDECLARED])
        .says(
            "Methods of a capability that is not declared are answered with -32601.",
            "Clients that try without looking learn from it that there is nothing to find.",
            "leave out the handlers of what is not offered, or declare it.",
        )
        .page("basic/lifecycle#capability-negotiation"),
    Rule::new("lifecycle.declared", &["L10"], Area::Lifecycle, declared)
        .needs(Class::Harmless, &[&UNDECLARED])
        .says(
            "Tools, resources and prompts that can be listed are declared as capabilities.",
            "Clients never ask for what is not declared: nobody will see it.",
            "declare the capability, in `initialize` and in `server/discover`.",
        )
        .page("server/tools#capabilities"),
    Rule::new("lifecycle.declared_works", &["L09", "F34"], Area::Lifecycle, declared_works)
        .legacy()
        .says(
            "What is declared as a capability can be listed.",
            "Clients list what is declared when they start, and some give the whole server up over an error.",
            "serve the list, if only an empty one; or take the capability back.",
        )
        .page("basic/lifecycle#capability-negotiation"),
    Rule::new("lifecycle.some_tools", &["F34"], Area::Field, some_tools)
        .worded(Keyword::Info)
        .says(
            "A server that declares tools has at least one.",
            "Clients show such a server as broken; often its configuration or its credentials are missing.",
            "see why the list is empty; declare tools only where there are some.",
        )
        .page("server/tools#listing-tools"),
    Rule::new("lifecycle.logging", &["L11"], Area::Lifecycle, logging)
        .says(
            "A server that sends log messages declares `logging`.",
            "Clients that saw no such capability do not listen, and cannot choose the level.",
            "declare `logging`, or write to stderr.",
        )
        .page("server/utilities/logging#capabilities"),
    Rule::new("lifecycle.again", &["L12"], Area::Lifecycle, again)
        .legacy()
        .worded(Keyword::Info)
        .over(&[TransportKind::Stdio, TransportKind::StreamableHttp])
        .needs(Class::Invasive, &[&AGAIN])
        .says(
            "A second `initialize` on a living session is answered or refused, and the session goes on.",
            "A client that is confused must not take the session of others with it.",
            "refuse it with an error, or open again; do not end.",
        )
        .page("basic/lifecycle#initialization"),
    Rule::new("lifecycle.early", &["L13"], Area::Lifecycle, early)
        .legacy()
        .worded(Keyword::Info)
        .needs(Class::Invasive, &[&EARLY])
        .says(
            "What comes before `initialize` is not served.",
            "The server knows neither the version nor the capabilities of who asks; clients that look for the era of a \
             server by trying mistake it for a modern one.",
            "refuse everything but `ping` and `initialize` until the handshake is over.",
        )
        .page("basic/lifecycle#initialization"),
];

/// The results of `initialize`, whatever version was asked for.
fn handshakes<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot)> {
    case.all().filter(|(_, shot)| shot.method.as_deref() == Some("initialize"))
}

fn initialize(case: &Case<'_>) -> Verdict {
    let judged = handshakes(case).filter_map(|(place, shot)| {
        let result = shot.result()?;
        let is_text = |pointer: &str| result.pointer(pointer).is_some_and(Value::is_string);
        let wrong = if !is_text("/protocolVersion") {
            Some(("a text", "$.protocolVersion", "/protocolVersion"))
        } else if !result.get("capabilities").is_some_and(Value::is_object) {
            Some(("an object", "$.capabilities", "/capabilities"))
        } else if !is_text("/serverInfo/name") {
            Some(("a text", "$.serverInfo.name", "/serverInfo"))
        } else if !is_text("/serverInfo/version") {
            Some(("a text", "$.serverInfo.version", "/serverInfo"))
        } else {
            None
        };
        Some(match wrong {
            None => Ok(()),
            Some((expected, path, pointer)) => {
                let actual = result.pointer(pointer).map_or_else(|| "nothing".to_owned(), quote);
                Err(Violation::new(format!("{expected} at {path}"), actual).at(path).shown_by(place))
            }
        })
    });
    Verdict::of_all(judged, "initialize had no result")
}

fn agreed(shot: &Shot) -> Option<&str> {
    shot.result()?.get("protocolVersion")?.as_str()
}

fn version_echo(case: &Case<'_>) -> Verdict {
    let asked: Vec<(usize, &Shot)> = case.of(&VERSIONS).filter(|(_, shot)| shot.label != PAST).collect();
    // A version that was agreed on once is one of the server's.
    let spoken: Vec<&str> = handshakes(case).filter_map(|(_, shot)| agreed(shot)).collect();
    let judged = asked.into_iter().filter(|(_, shot)| spoken.contains(&shot.label)).filter_map(|(place, shot)| {
        let version = shot.label;
        let expected = || format!("{version}, which the server speaks");
        match agreed(shot) {
            Some(answered) if answered == version => Some(Ok(())),
            Some(answered) => {
                Some(Err(Violation::new(expected(), cut(answered)).at("$.protocolVersion").shown_by(place)))
            }
            None if shot.spared().is_some() => None,
            None => Some(Err(Violation::new(expected(), shot.said()).shown_by(place))),
        }
    });
    match Verdict::of_all(judged, "no version that the server speaks was answered") {
        violated @ Verdict::Violates(_) => violated,
        echoed => match one(case, &VERSIONS, PAST, |shot| stranger(shot, PAST)) {
            Verdict::Passes => echoed,
            past => past,
        },
    }
}

fn unknown_version(case: &Case<'_>) -> Verdict {
    one(case, &OPENING, "future", |shot| stranger(shot, FUTURE))
}

/// Some SDKs of the first days spoke this one.
const BEFORE_THE_FIRST: &str = "2024-10-07";

/// The answer to a version that nobody knows.
fn stranger(shot: &Shot, asked: &str) -> Result<(), Violation> {
    let expected = "a version of the legacy era that the server speaks";
    if let Some(version) = agreed(shot) {
        let legacy = Revision::of(version).is_some_and(|revision| revision.era == Era::Legacy);
        if legacy || version == BEFORE_THE_FIRST {
            return Ok(());
        }
        let said = if version == asked { format!("{asked}, which does not exist") } else { cut(version) };
        return Err(Violation::new(expected, said).at("$.protocolVersion"));
    }
    let named = shot.error().and_then(|error| error.data.as_ref()).and_then(|data| data.get("supported"));
    let violation = Violation::new(expected, shot.said());
    // The page on the life cycle shows such an error itself.
    Err(if named.is_some_and(Value::is_array) { violation.mild() } else { violation })
}

fn initialized(case: &Case<'_>) -> Verdict {
    let shots = case.all().filter(|(_, shot)| shot.method.as_deref() == Some("notifications/initialized"));
    let judged = shots.filter(|(_, shot)| shot.spared().is_none()).filter_map(|(place, shot)| {
        let status = shot.status()?;
        Some(if (200..300).contains(&status) {
            Ok(())
        } else {
            Err(Violation::new("HTTP 202", shot.said()).shown_by(place))
        })
    });
    Verdict::of_all(judged, "it was not sent")
}

fn ping(case: &Case<'_>) -> Verdict {
    let shots = case.all().filter(|(_, shot)| shot.method.as_deref() == Some("ping") && is_of_revision(case, shot));
    // Requests with a twist are for other rules.
    let plain = shots.filter(|(_, shot)| matches!(shot.exercise, "" | "ordinary") && shot.spared().is_none());
    let judged = plain.map(|(place, shot)| {
        let Some(result) = shot.result() else {
            return Err(Violation::new("an empty result", shot.said()).shown_by(place));
        };
        let members = result.as_object().into_iter().flatten().filter(|(name, _)| *name != "_meta");
        match members.count() {
            0 => Ok(()),
            _ => Err(Violation::new("an empty result", quote(result)).shown_by(place).mild()),
        }
    });
    Verdict::of_all(judged, "no ping was sent")
}

fn unready(case: &Case<'_>) -> Verdict {
    let opening = case.of(&OPENING).filter(|(_, shot)| shot.fault.is_none());
    let judged = opening.map(|(place, shot)| {
        let asked = shot.questions().map(|(_, method)| method).find(|method| *method != "ping").map(str::to_owned);
        let told = shot.notices().map(|(method, _)| method.to_owned()).find(|method| method != "notifications/message");
        match asked.or(told) {
            None => Ok(()),
            Some(method) => Err(Violation::new("nothing but pings and log messages", cut(&method)).shown_by(place)),
        }
    });
    Verdict::of_all(judged, "no handshake was begun")
}

fn client_capability(case: &Case<'_>) -> Verdict {
    // A step may declare capabilities, and shows no questions.
    let judged = case.all().filter(|(_, shot)| !shot.exercise.is_empty()).map(|(place, shot)| {
        let wanted = shot.questions().map(|(_, method)| method).find(|method| {
            ["sampling/", "elicitation/", "roots/", "tasks/"].iter().any(|family| method.starts_with(family))
        });
        match wanted {
            None => Ok(()),
            Some(method) => {
                Err(Violation::new("nothing that was not declared", format!("the request {}", cut(method)))
                    .shown_by(place))
            }
        }
    });
    Verdict::of_all(judged, "what a server asks is not seen here")
}

/// What the list of an undeclared capability gave: its shot, the capability, the member with the items.
fn undeclared<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot, &'static str, &'static str)> {
    case.of(&UNDECLARED).filter(|(_, shot)| shot.spared().is_none()).filter_map(|(place, shot)| {
        let method = method_anywhere(shot.label)?;
        Some((place, shot, method.capability?, method.list?))
    })
}

fn undeclared_refused(case: &Case<'_>) -> Verdict {
    let judged = undeclared(case).map(|(place, shot, capability, _)| match (shot.result(), shot.error()) {
        (None, Some(error)) if error.code == -32601 => Ok(()),
        _ => {
            let expected = format!("error -32601, for {capability} are not declared");
            Err(Violation::new(expected, shot.said()).shown_by(place))
        }
    });
    Verdict::of_all(judged, "every capability with a list is declared")
}

fn declared(case: &Case<'_>) -> Verdict {
    let judged = undeclared(case).map(|(place, shot, capability, member)| {
        let items = shot.result().and_then(|result| result.get(member)).and_then(Value::as_array);
        match items.map_or(0, Vec::len) {
            0 => Ok(()),
            count => {
                let said = format!("a list of {count} {capability}");
                Err(Violation::new(format!("the capability {capability}"), said)
                    .at(format!("$.{member}"))
                    .shown_by(place))
            }
        }
    });
    Verdict::of_all(judged, "every capability with a list is declared")
}

fn declared_works(case: &Case<'_>) -> Verdict {
    let judged = case.of(&ORDINARY).filter_map(|(place, shot)| {
        let method = shot.method.as_deref()?;
        let capability = method_anywhere(method).filter(|known| known.list.is_some())?.capability?;
        let error = shot.error().filter(|_| case.facts.declares(capability));
        if shot.result().is_none() && error.is_none() {
            return None;
        }
        let Some(error) = error else { return Some(Ok(())) };
        let expected = format!("a list, for {capability} is declared");
        let violation = Violation::new(expected, format!("{method}: {}", shot.said())).shown_by(place);
        // Templates are a part of resources that many leave out; other codes may tell of a bad day.
        let is_lie = error.code == -32601 && method != "resources/templates/list";
        Some(Err(if is_lie { violation } else { violation.mild() }))
    });
    Verdict::of_all(judged, "nothing with a list is declared")
}

fn some_tools(case: &Case<'_>) -> Verdict {
    if !case.facts.declares("tools") {
        return Verdict::NotApplicable("no tools are declared".into());
    }
    let mut lists = case.results_of("tools/list").filter(|(place, result)| {
        let of_revision = case.shots.get(*place).is_some_and(|shot| is_of_revision(case, shot));
        of_revision && result.get("tools").is_some_and(Value::is_array)
    });
    match lists.next() {
        None => Verdict::NotExercised("no list of tools came".into()),
        Some((place, _)) => Verdict::of(!case.definitions("tools/list").is_empty(), || {
            Violation::new("at least one tool", "an empty list").at("$.tools").shown_by(place)
        }),
    }
}

fn logging(case: &Case<'_>) -> Verdict {
    if case.facts.declares("logging") {
        return Verdict::Passes;
    }
    let judged = case.all().filter(|(_, shot)| shot.messages().next().is_some()).map(|(place, shot)| {
        if !shot.notices().any(|(method, _)| method == "notifications/message") {
            return Ok(());
        }
        let expected = "the capability logging, or no log messages";
        let violation = Violation::new(expected, "notifications/message").shown_by(place);
        // An SDK that complains of garbage in this way does so without its server.
        let provoked = [&NO_JSON, &NO_REQUEST, &BATCH].iter().any(|garbage| garbage.name == shot.exercise);
        Err(if provoked { violation.mild() } else { violation })
    });
    Verdict::of_all(judged, "no message came")
}

fn again(case: &Case<'_>) -> Verdict {
    let answered = |shot: &Shot| {
        if shot.answer.is_some() || shot.error().is_some() || shot.status().is_some() {
            return Ok(());
        }
        Err(Violation::new("an answer or a refusal", shot.said()))
    };
    match one(case, &AGAIN, "again", answered) {
        Verdict::Passes => one(case, &AGAIN, "after", |shot| match &shot.answer {
            Some(_) => Ok(()),
            None => Err(Violation::new("a session that goes on", shot.said())),
        }),
        other => other,
    }
}

fn early(case: &Case<'_>) -> Verdict {
    // Over HTTP without sessions every request stands alone, and no handshake can be missed.
    let sessions = handshakes(case).any(|(_, shot)| shot.header("mcp-session-id").is_some());
    if case.facts.transport == TransportKind::StreamableHttp && !sessions {
        return Verdict::NotApplicable("the server keeps no sessions".into());
    }
    one(case, &EARLY, "early", |shot| match shot.result() {
        None => Ok(()),
        Some(_) => Err(Violation::new("an error", shot.said())),
    })
}

//! Rules of the modern era about single requests: what must and may be in `_meta`, what a result says of itself, that nothing
//! depends on what was said before, and logs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::exercises::{
    CALLS, FRESH, LEAST_LEVEL, LEGACY_HELLO, LOGGING, NO_LEVEL, OPTIONAL_META, ORDINARY, REMOVED, WRONG_META,
    declares_tasks,
};
use super::super::{Area, Case, Class, Exercise, Keyword, Rule, Shot, Verdict, Violation};
use super::modern::{is_dual, status, unless_silent};
use crate::event::TransportKind;
use crate::protocol::revision::array_member;

pub(super) static RULES: &[Rule] = &[
    Rule::new("modern.server_info", &["M04"], Area::Base, server_info)
        .worded(Keyword::Should)
        .modern()
        .says(
            "Every result names the server: its `_meta` has `io.modelcontextprotocol/serverInfo` with name and version.",
            "There is no handshake any more in which a client could learn whom it talks to; logs and bug reports need it.",
            "let the SDK add serverInfo to every result; release candidates had it in the result itself.",
        )
        .page("basic#_meta"),
    Rule::new("modern.meta_required", &["M07"], Area::Base, |case| without_meta(case, "no-meta"))
        .modern()
        .needs(Class::Invasive, &[&WRONG_META, &LEGACY_HELLO])
        .says(
            "A request without `_meta` is refused with error -32602.",
            "Without it the server would have to guess the version and what the client can do.",
            "check `_meta` before the method, and answer -32602 with the names of what is missing.",
        )
        .page("basic#_meta"),
    Rule::new("modern.meta_version", &["M08"], Area::Base, |case| without_meta(case, "no-version"))
        .modern()
        .needs(Class::Invasive, &[&WRONG_META, &LEGACY_HELLO])
        .says(
            "A request whose `_meta` lacks `io.modelcontextprotocol/protocolVersion` is refused with error -32602.",
            "Without it the server would have to guess the version.",
            "check `_meta` before the method, and answer -32602 with the names of what is missing.",
        )
        .page("basic#_meta"),
    Rule::new("modern.meta_capabilities", &["M09"], Area::Base, |case| without_meta(case, "no-capabilities"))
        .modern()
        .needs(Class::Invasive, &[&WRONG_META, &LEGACY_HELLO])
        .says(
            "A request whose `_meta` lacks `io.modelcontextprotocol/clientCapabilities` is refused with error -32602.",
            "Without it the server would have to guess what the client can do.",
            "check `_meta` before the method, and answer -32602 with the names of what is missing.",
        )
        .page("basic#_meta"),
    Rule::new("modern.meta_status", &["M10"], Area::Transport, meta_status)
        .modern()
        .over(super::super::rule::HTTP)
        .needs(Class::Invasive, &[&WRONG_META])
        .says(
            "A request that lacks a required part of `_meta` is refused with HTTP status 400.",
            "Clients and gateways look at the status before they read the body.",
            "send the error -32602 for an incomplete `_meta` with status 400.",
        )
        .page("basic#_meta"),
    Rule::new("modern.client_info_optional", &["M11"], Area::Base, |case| still_served(case, "anonymous"))
        .modern()
        .needs(Class::Harmless, &[&OPTIONAL_META])
        .says(
            "A request without `io.modelcontextprotocol/clientInfo` is served: who the client is, is optional.",
            "Release candidates required it; clients that keep their name to themselves are right, and are locked out.",
            "require protocolVersion and clientCapabilities only.",
        )
        .page("basic#_meta"),
    Rule::new("modern.meta_extras", &["M26"], Area::Base, |case| still_served(case, "extras"))
        .modern()
        .needs(Class::Harmless, &[&OPTIONAL_META])
        .says(
            "Keys of `_meta` that the server does not know, trace context among them, change nothing.",
            "Clients and gateways add trace context to every request.",
            "ignore unknown keys of `_meta`.",
        )
        .page("basic#_meta"),
    Rule::new("modern.missing_capability", &["M13", "K09"], Area::Base, missing_capability)
        .modern()
        .occasions(&[&CALLS])
        .says(
            "An error -32021 says what the client would have to declare: `data.requiredCapabilities` is an object of \
             capabilities.",
            "The user is told by it what to turn on; without it the error cannot be mended.",
            "give the missing capabilities as a client would declare them, such as {\"sampling\": {}}.",
        )
        .page("basic#_meta"),
    Rule::new("modern.missing_capability_status", &["M14"], Area::Transport, missing_capability_status)
        .modern()
        .occasions(&[&CALLS])
        .over(super::super::rule::HTTP)
        .says(
            "An error -32021 comes with HTTP status 400.",
            "Clients and gateways look at the status before they read the body.",
            "send the error -32021 with status 400.",
        )
        .page("basic#_meta"),
    Rule::new("modern.stateless", &["M16"], Area::Base, stateless)
        .modern()
        .needs(Class::Harmless, &[&FRESH])
        .says(
            "The first request on a new connection is answered whatever it is; nothing must be asked before.",
            "Clients go on over new connections and processes, and gateways spread requests over servers.",
            "take version and capabilities from each request instead of remembering them.",
        )
        .page("basic#statelessness"),
    Rule::new("modern.same_lists", &["M17"], Area::Base, same_lists)
        .modern()
        .needs(Class::Harmless, &[&FRESH])
        .says(
            "A list is the same on every connection with the same authorization.",
            "What was seen over one connection is called over another, and is missing there.",
            "keep nothing per connection; let every replica offer the same.",
        )
        .page("basic#statelessness"),
    Rule::new("modern.result_type", &["M18", "F32"], Area::Base, result_type)
        .modern()
        .says(
            "Every result has `resultType`: \"complete\", \"input_required\", or the one of an extension that the client declared.",
            "A client reads a result by its type, and must refuse one that it does not know.",
            "let the SDK write results; add resultType to those that are written by hand.",
        )
        .page("basic#resulttype"),
    Rule::new("modern.no_requests", &["M19"], Area::Base, no_requests)
        .modern()
        .says(
            "The server sends no requests; what it wants of the client is inside an `input_required` result.",
            "A client of this version answers no requests, and the server waits for ever.",
            "answer with resultType \"input_required\" instead of asking.",
        )
        .page("basic/patterns/mrtr"),
    Rule::new("modern.logs_unasked", &["M20"], Area::Utilities, logs_unasked)
        .modern()
        .says(
            "No `notifications/message` comes to a request that did not set `io.modelcontextprotocol/logLevel`.",
            "Clients that did not ask for logs are not prepared for their number.",
            "send log messages only with a level in the request's `_meta`.",
        )
        .page("server/utilities/logging"),
    Rule::new("modern.log_level", &["M21"], Area::Utilities, log_level)
        .worded(Keyword::Should)
        .modern()
        .needs(Class::Invasive, &[&NO_LEVEL])
        .says(
            "A log level that does not exist is refused with error -32602.",
            "A misspelt level would silently give no logs, or all of them.",
            "check the level against the eight that exist.",
        )
        .page("server/utilities/logging"),
    Rule::new("modern.log_filter", &["M22"], Area::Utilities, log_filter)
        .worded(Keyword::Should)
        .modern()
        .needs(Class::Calls, &[&LOGGING])
        .says(
            "Log messages are at or above the level that the request asked for.",
            "A client that asks for warnings pays for every line of debugging.",
            "compare the level of each message with the one of the request.",
        )
        .page("server/utilities/logging"),
];

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

fn server_info(case: &Case<'_>) -> Verdict {
    Verdict::of_all(
        results(case).map(|(place, shot, result)| {
            let info = result.get("_meta").and_then(|meta| meta.get(SERVER));
            let has = |member: &str| info.and_then(|info| info.get(member)).is_some_and(Value::is_string);
            if has("name") && has("version") {
                return Ok(());
            }
            let came = match (info, result.get("serverInfo")) {
                (Some(info), _) => super::super::case::quote(info),
                (None, Some(_)) => "serverInfo in the result itself, where release candidates had it".to_owned(),
                (None, None) => format!("none in the result of {}", shot.method.as_deref().unwrap_or_default()),
            };
            let path = format!("$._meta['{SERVER}']");
            Err(Violation::new("serverInfo with name and version", came).at(path).shown_by(place))
        }),
        "no result came",
    )
}

/// On stdio a server of both eras takes what has no version for a request of the other one, and is right.
fn without_meta(case: &Case<'_>, label: &str) -> Verdict {
    unless_silent_or_legacy(case, label, |shot| match shot.error() {
        Some(error) if error.code == -32602 => Ok(()),
        // A server that reads the headers first, or takes the request for an old client's and says what it speaks.
        Some(error) if matches!(error.code, -32020 | -32022) => Err(Violation::new("error -32602", shot.said()).mild()),
        // Who speaks both eras may take it for a request of the other one; refused it is.
        Some(_) if is_dual(case) => Err(Violation::new("error -32602", shot.said()).mild()),
        _ => Err(Violation::new("error -32602", shot.said())),
    })
}

fn unless_silent_or_legacy(
    case: &Case<'_>,
    label: &str,
    judge: impl FnOnce(&Shot) -> Result<(), Violation>,
) -> Verdict {
    let shot = case.shot(&WRONG_META, label);
    let over_http = case.facts.transport == TransportKind::StreamableHttp;
    let has_version = label == "no-capabilities";
    let refused = shot.is_some_and(|(_, shot)| shot.error().is_some_and(|error| error.code != -32602));
    if !over_http && !has_version && refused && is_dual(case) {
        let why = "the server speaks both eras, and without a version a request belongs to the other one";
        return Verdict::NotApplicable(why.into());
    }
    unless_silent(shot, judge)
}

fn meta_status(case: &Case<'_>) -> Verdict {
    let labels = ["no-meta", "no-version", "no-capabilities"];
    Verdict::joined(labels.map(|label| status(case.shot(&WRONG_META, label), -32602, 400)), "nothing was sent")
}

/// Compared with the same request as it should be: what does not work at all is for another rule.
fn still_served(case: &Case<'_>, label: &str) -> Verdict {
    if case.shot(&ORDINARY, "discover").is_none_or(|(_, shot)| shot.result().is_none()) {
        return Verdict::NotExercised("server/discover is not answered with a result anyway".into());
    }
    unless_silent(case.shot(&OPTIONAL_META, label), |shot| {
        if shot.result().is_some() {
            Ok(())
        } else {
            Err(Violation::new("a result, as without the change", shot.said()))
        }
    })
}

/// Every error about capabilities that the client lacks.
fn lacking<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot)> + use<'a> {
    case.all().filter(|(_, shot)| shot.error().is_some_and(|error| error.code == -32021))
}

const NONE_LACKING: &str = "no error -32021 came: no tool that needs a capability of the client was called";

fn missing_capability(case: &Case<'_>) -> Verdict {
    Verdict::of_all(
        lacking(case).map(|(place, shot)| {
            let data = shot.error().and_then(|error| error.data.as_ref());
            let required = data.and_then(|data| data.get("requiredCapabilities")).and_then(Value::as_object);
            let extensions = required.and_then(|required| required.get("extensions"));
            if required.is_some_and(|required| !required.is_empty()) && extensions.is_none_or(Value::is_object) {
                return Ok(());
            }
            let came = data.map_or_else(|| "no data".to_owned(), super::super::case::quote);
            let expected = "an object of capabilities, as a client would declare them";
            Err(Violation::new(expected, came).at("$.data.requiredCapabilities").shown_by(place))
        }),
        NONE_LACKING,
    )
}

fn missing_capability_status(case: &Case<'_>) -> Verdict {
    let chosen = lacking(case).filter_map(|(place, shot)| Some((place, shot, shot.chosen_status()?)));
    Verdict::of_all(
        chosen.map(
            |(place, shot, status)| {
                if status == 400 { Ok(()) } else { Err(Violation::new("HTTP 400", shot.said()).shown_by(place)) }
            },
        ),
        NONE_LACKING,
    )
}

fn stateless(case: &Case<'_>) -> Verdict {
    let Some((_, first)) = case.shot(&FRESH, "first") else {
        return Verdict::NotExercised("no connection could be had".into());
    };
    let works = case.of(&ORDINARY).any(|(_, shot)| shot.method == first.method && shot.result().is_some());
    if !works {
        return Verdict::NotExercised("the request is not answered with a result anyway".into());
    }
    let fresh = case.of(&FRESH).filter(|(_, shot)| matches!(shot.label, "first" | "second"));
    let answered = fresh.filter(|(_, shot)| shot.answer.is_some() || shot.error().is_some());
    Verdict::of_all(
        answered.map(|(place, shot)| match shot.error() {
            None => Ok(()),
            Some(_) => Err(Violation::new("a result, as after server/discover", shot.said()).shown_by(place)),
        }),
        "nothing came in time to the first request of a new connection",
    )
}

fn same_lists(case: &Case<'_>) -> Verdict {
    let read = |label| names(case, &FRESH, label);
    let (Some((_, first)), Some((place, second)), Some((_, again))) = (read("first"), read("second"), read("again"))
    else {
        return Verdict::NotExercised("the list could not be had three times".into());
    };
    if first != again {
        return Verdict::NotExercised("the list changes by itself".into());
    }
    let Some(name) = first.symmetric_difference(&second).next() else { return Verdict::Passes };
    let (here, there) = if first.contains(name) { ("first", "second") } else { ("second", "first") };
    let came = format!("{} is listed on the {here} connection, and not on the {there}", super::super::case::cut(name));
    let others = first.symmetric_difference(&second).count() - 1;
    let violation = Violation::new("the same list on both connections", came).shown_by(place);
    Verdict::Violates(Violation { others, ..violation })
}

/// What a reading of a list named, over its pages, and its first shot.
fn names(case: &Case<'_>, exercise: &Exercise, label: &str) -> Option<(usize, BTreeSet<String>)> {
    let pages: Vec<_> = case.of(exercise).filter(|(_, shot)| shot.label == label).collect();
    let (place, first) = *pages.first()?;
    let member = array_member(first.method.as_deref()?)?;
    let mut names = BTreeSet::new();
    for (_, page) in pages {
        for item in page.result()?.get(member)?.as_array()? {
            let name = item.get("uri").or_else(|| item.get("name"));
            names.extend(name.and_then(Value::as_str).map(str::to_owned));
        }
    }
    Some((place, names))
}

/// The results of requests that said they are of this revision; of a probe's step it is taken for granted.
fn results<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot, &'a Value)> + use<'a> {
    let version = case.facts.revision.version;
    let modern = move |shot: &Shot| {
        let spoken = |params: &Value| params["_meta"][VERSION] == version;
        // What comes of methods that should not exist is for another rule.
        shot.exercise != REMOVED.name && (shot.sent.is_empty() || shot.params().as_ref().is_some_and(spoken))
    };
    let shots = case.all().filter(move |(_, shot)| shot.method.as_deref() != Some("initialize") && modern(shot));
    shots.filter_map(|(place, shot)| Some((place, shot, shot.result()?)))
}

fn result_type(case: &Case<'_>) -> Verdict {
    Verdict::of_all(
        results(case).map(|(place, shot, result)| {
            let wrong =
                |expected: &str, came: String| Err(Violation::new(expected, came).at("$.resultType").shown_by(place));
            match result.get("resultType") {
                None => {
                    let method = shot.method.as_deref().unwrap_or_default();
                    wrong("\"complete\"", format!("none in the result of {method}"))
                }
                Some(Value::String(kind)) if matches!(kind.as_str(), "complete" | "input_required") => Ok(()),
                Some(Value::String(kind))
                    if kind == "task" && shot.declared().is_none_or(|client| declares_tasks(&client)) =>
                {
                    Ok(())
                }
                Some(other) => wrong(
                    "\"complete\", or another type that the client has declared",
                    super::super::case::quote(other),
                ),
            }
        }),
        "no result came",
    )
}

fn no_requests(case: &Case<'_>) -> Verdict {
    // Whoever greets in the words of the legacy era may be asked in them.
    let shots = case.all().filter(|(_, shot)| shot.exercise != LEGACY_HELLO.name && !shot.came.is_empty());
    Verdict::of_all(
        shots.map(|(place, shot)| match shot.questions().next() {
            None => Ok(()),
            Some((_, method)) => {
                let came = format!("the request {}", super::super::case::cut(method));
                Err(Violation::new("no request from the server", came).shown_by(place))
            }
        }),
        "nothing came",
    )
}

fn logs_unasked(case: &Case<'_>) -> Verdict {
    let asks = |shot: &Shot| shot.params().is_some_and(|params| params["_meta"].get(LEVEL).is_some());
    // On one connection the logs of one request may come with the next one.
    let asked = |at: usize, of: &Shot| {
        case.shots[..=at].iter().any(|shot| (shot.exercise, shot.place) == (of.exercise, of.place) && asks(shot))
    };
    let known = case.all().filter(|(_, shot)| shot.params().is_some() && !shot.came.is_empty());
    Verdict::of_all(
        known.filter(|(place, shot)| !asked(*place, shot)).map(|(place, shot)| {
            match shot.notices().find(|(method, _)| *method == "notifications/message") {
                None => Ok(()),
                Some((_, params)) => {
                    let came = format!("notifications/message with {}", super::super::case::quote(&params));
                    Err(Violation::new("no log message, for none was asked for", came).shown_by(place))
                }
            }
        }),
        "nothing came to requests that ask for no logs",
    )
}

/// Why the rules of logs do not hold.
fn no_logging(case: &Case<'_>) -> Option<Verdict> {
    let declared = case.facts.capabilities.get("logging").is_some_and(|logging| !logging.is_null());
    (!declared).then(|| Verdict::NotApplicable("the server does not declare logging".into()))
}

fn log_level(case: &Case<'_>) -> Verdict {
    if let Some(verdict) = no_logging(case) {
        return verdict;
    }
    unless_silent(case.shot(&NO_LEVEL, "unknown"), |shot| match shot.error() {
        Some(error) if error.code == -32602 => Ok(()),
        Some(_) => Err(Violation::new("error -32602", shot.said()).mild()),
        None => Err(Violation::new("error -32602 to the level \"banana\"", shot.said())),
    })
}

fn log_filter(case: &Case<'_>) -> Verdict {
    if let Some(verdict) = no_logging(case) {
        return verdict;
    }
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
    let messages = case.of(&LOGGING).flat_map(|(place, shot)| shot.notices().map(move |notice| (place, notice)));
    let levels =
        messages.filter(|(_, (method, _))| *method == "notifications/message").filter_map(|(place, (_, params))| {
            params.get("level").and_then(Value::as_str).and_then(rank).map(|level| (place, level))
        });
    Verdict::of_all(
        levels.map(|(place, level)| {
            if Some(level) >= rank(LEAST_LEVEL) {
                return Ok(());
            }
            Err(Violation::new(format!("{LEAST_LEVEL} or worse"), LEVELS[level]).shown_by(place))
        }),
        "no log message came from the tools that were called",
    )
}

//! Rules of the protocol's HTTP headers: the version in the legacy era; in 2026-07-28 that they say what the body says.

use super::super::exercises::{MISMATCHES, PARAMETERS, SPELLINGS, UNKNOWN_VERSIONS, UNVERSIONED, VERBS};
use super::super::rule::{HTTP, LEGACY_LAST};
use super::super::{Area, Case, Class, Exercise, Keyword, Rule, Shot, Verdict, Violation};
use super::http::serves_legacy;
use super::outcome::{self, Outcome};

static WRONG_HEADERS: &[&Exercise] = &[&MISMATCHES];
/// With what tells whether the server serves older clients too.
static EITHER_ERA: &[&Exercise] = &[&MISMATCHES, &VERBS];
/// `HeaderMismatch`.
const MISMATCH: i64 = -32020;
const REFUSED: &str = "HTTP 400 with error -32020";
const VALIDATION: &str = "basic/transports/streamable-http#server-validation";
const ENCODING: &str = "basic/transports/streamable-http#value-encoding";
const CUSTOM: &str = "basic/transports/streamable-http#server-behavior-for-custom-headers";
const EARLIER: &str = "basic/transports/streamable-http#earlier-streamable-http-revisions";

/// Why headers are held against the body.
const WHY: &str = "Load balancers and firewalls act by the headers; where they may differ from the body, one thing is allowed and \
                   another is done.";
const MEND: &str =
    "compare the headers with the body before the request is carried out, and answer 400 with error -32020.";

pub(super) static RULES: &[Rule] = &[
    Rule::new("headers.unknown_version", &["H16"], Area::Transport, unknown_version)
        .since("2025-06-18")
        .until(LEGACY_LAST)
        .over(HTTP)
        .needs(Class::Invasive, &[&UNKNOWN_VERSIONS])
        .says(
            "A request whose MCP-Protocol-Version does not exist, or is not supported, is answered with status 400.",
            "A client of another version would be misunderstood without anybody noticing.",
            "compare the header with the versions that the server supports, and answer 400 Bad Request to any other.",
        )
        .page("basic/transports#protocol-version-header"),
    Rule::new("headers.version_optional", &["H17"], Area::Transport, version_optional)
        .worded(Keyword::Should)
        .since("2025-06-18")
        .until(LEGACY_LAST)
        .over(HTTP)
        .needs(Class::Harmless, &[&UNVERSIONED])
        .says(
            "A request without MCP-Protocol-Version is served, as one of its session or of 2025-03-26.",
            "Clients of 2025-03-26 do not know the header.",
            "take the version of the session where the header is missing, or 2025-03-26 where there is none.",
        )
        .page("basic/transports#protocol-version-header"),
    against_body("headers.version_differs", &["H24", "F31"], |case| mismatch(case, &["version-differs"])).says(
        "A request whose MCP-Protocol-Version is not the version of its `_meta` is refused with status 400 and error -32020.",
        WHY,
        MEND,
    ),
    against_body("headers.version_missing", &["H25", "F31"], version_missing).needs(Class::Invasive, EITHER_ERA).says(
        "A request of 2026-07-28 without MCP-Protocol-Version is refused with status 400 and error -32020.",
        WHY,
        MEND,
    ),
    against_body("headers.method_missing", &["H26", "F31"], |case| mismatch(case, &["method-missing"])).says(
        "A request without Mcp-Method is refused with status 400 and error -32020.",
        WHY,
        MEND,
    ),
    against_body("headers.method_differs", &["H27", "F31"], |case| mismatch(case, &["method-differs", "method-case"]))
        .says(
            "A request whose Mcp-Method is not the method of its body, letter by letter, is refused with status 400 and \
             error -32020.",
            WHY,
            MEND,
        ),
    against_body("headers.name_differs", &["H28", "F31"], name_differs).says(
        "A request for a named thing whose Mcp-Name is missing, or is another name than in its body, is refused with status \
         400 and error -32020.",
        WHY,
        MEND,
    ),
    modern("headers.spaces", &["H30"], spaces)
        .needs(Class::Harmless, &[&SPELLINGS])
        .says(
            "Spaces and tabs around the value of a header do not belong to it.",
            "Proxies and libraries may add them, and a server that compares them refuses good requests.",
            "trim the values of headers before they are compared.",
        )
        .page("basic/transports/streamable-http#standard-request-headers"),
    modern("headers.encoded_name", &["H31"], encoded_name)
        .needs(Class::Harmless, &[&SPELLINGS])
        .says(
            "An Mcp-Name that is written as =?base64?…?= is decoded before it is compared with the body.",
            "Names and URIs that do not fit into a header can be sent in no other way.",
            "decode the value between =?base64? and ?= as Base64 of UTF-8 before the comparison.",
        )
        .page(ENCODING),
    modern("headers.argument_missing", &["H32", "F31"], |case| refused_call(case, "missing"))
        .needs(Class::Calls, &[&PARAMETERS])
        .says(
            "A call without the header of an argument that is marked `x-mcp-header` is refused with status 400 and error -32020.",
            WHY,
            MEND,
        )
        .page(CUSTOM),
    modern("headers.argument_encoded", &["H33"], argument_encoded)
        .needs(Class::Calls, &[&PARAMETERS])
        .says(
            "The header of an argument is decoded where it is written as =?base64?…?=, and refused where it is no Base64.",
            "Values that do not fit into a header can be sent in no other way, and broken ones must not pass as anything.",
            "decode the value between =?base64? and ?= before the comparison, and answer 400 with error -32020 where it cannot be.",
        )
        .page(ENCODING),
    modern("headers.argument_absent", &["H34"], argument_absent)
        .needs(Class::Calls, &[&PARAMETERS])
        .says(
            "No header is wanted for a marked argument that is not given.",
            "Clients leave the header out together with the argument.",
            "compare the header only where the argument has a value.",
        )
        .page(CUSTOM),
    modern("headers.session_ignored", &["H35"], session_ignored)
        .worded(Keyword::Should)
        .needs(Class::Harmless, &[&SPELLINGS, &VERBS])
        .says(
            "Mcp-Session-Id is ignored, and no answer carries one.",
            "There are no sessions any more; clients that get an id may take the server for one of the legacy era.",
            "do not read or write the header for requests of 2026-07-28.",
        )
        .page(EARLIER),
    modern("headers.last_event_ignored", &["H36"], |case| ignored(case, "last-event", "Last-Event-ID"))
        .worded(Keyword::Should)
        .needs(Class::Harmless, &[&SPELLINGS, &VERBS])
        .says(
            "Last-Event-ID is ignored.",
            "Libraries for event streams send it by themselves when they come back.",
            "do not read the header for requests of 2026-07-28.",
        )
        .page(EARLIER),
];

const fn modern(id: &'static str, rows: &'static [&'static str], judge: fn(&Case<'_>) -> Verdict) -> Rule {
    Rule::new(id, rows, Area::Transport, judge).modern().over(HTTP)
}

const fn against_body(id: &'static str, rows: &'static [&'static str], judge: fn(&Case<'_>) -> Verdict) -> Rule {
    modern(id, rows, judge).needs(Class::Invasive, WRONG_HEADERS).page(VALIDATION)
}

fn unknown_version(case: &Case<'_>) -> Verdict {
    let judged = ["word", "past", "future"].map(|label| {
        outcome::judge(case, &UNKNOWN_VERSIONS, label, |shot, outcome| match outcome {
            Outcome::Refused { status: Some(400), .. } => Verdict::Passes,
            Outcome::Served => Verdict::Violates(Violation::new("HTTP 400", outcome::served(shot))),
            _ => Verdict::Violates(Violation::new("HTTP 400", shot.said()).mild()),
        })
    });
    Verdict::joined(judged, "nothing was sent")
}

fn version_optional(case: &Case<'_>) -> Verdict {
    outcome::judge(case, &UNVERSIONED, "unversioned", |shot, outcome| match outcome {
        Outcome::Served => Verdict::Passes,
        _ if shot.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id")) => {
            Verdict::Violates(Violation::new("the request is served", shot.said()))
        }
        _ => Verdict::NotExercised(
            "a server without sessions has to assume 2025-03-26 here, and need not support that version".into(),
        ),
    })
}

/// What became of a request whose headers are wrong: served is worse than refused in other words.
fn held_against_body(shot: &Shot, outcome: &Outcome<'_>) -> Verdict {
    match outcome {
        Outcome::Served => Verdict::Violates(Violation::new(REFUSED, outcome::served(shot))),
        _ if outcome.code() == Some(MISMATCH) && outcome.status() == Some(400) => Verdict::Passes,
        _ => Verdict::Violates(Violation::new(REFUSED, shot.said()).mild()),
    }
}

fn mismatch(case: &Case<'_>, labels: &[&str]) -> Verdict {
    let judged = labels.iter().map(|label| outcome::judge(case, &MISMATCHES, label, held_against_body));
    Verdict::joined(judged, "nothing was sent")
}

fn version_missing(case: &Case<'_>) -> Verdict {
    let older = "the server serves older clients too, and may take the request for one of theirs";
    match mismatch(case, &["version-missing"]) {
        Verdict::Violates(_) if serves_legacy(case) => Verdict::NotApplicable(older.into()),
        verdict => verdict,
    }
}

fn name_differs(case: &Case<'_>) -> Verdict {
    // Whether the thing can be read at all was seen with its name encoded.
    let readable = case.shot(&SPELLINGS, "encoded").is_some_and(|(_, shot)| shot.result().is_some());
    let judged = ["name-missing", "name-differs"].map(|label| {
        outcome::judge(case, &MISMATCHES, label, |shot, outcome| match held_against_body(shot, outcome) {
            Verdict::Violates(violation) if violation.milder && !readable => {
                Verdict::NotExercised("it may have been refused for another reason".into())
            }
            verdict => verdict,
        })
    });
    Verdict::joined(judged, "nothing was sent")
}

fn spaces(case: &Case<'_>) -> Verdict {
    outcome::judge(case, &SPELLINGS, "spaces", |shot, outcome| match outcome {
        Outcome::Served => Verdict::Passes,
        _ => Verdict::Violates(Violation::new("the request is served", shot.said())),
    })
}

/// Served passes, a mismatch of headers does not, and any other refusal says nothing.
fn no_mismatch(shot: &Shot, outcome: &Outcome<'_>) -> Verdict {
    match outcome {
        Outcome::Served => Verdict::Passes,
        _ if outcome.code() == Some(MISMATCH) => {
            Verdict::Violates(Violation::new("the request is served", shot.said()))
        }
        _ => Verdict::NotExercised("it was refused for another reason".into()),
    }
}

fn encoded_name(case: &Case<'_>) -> Verdict {
    outcome::judge(case, &SPELLINGS, "encoded", no_mismatch)
}

/// A call whose headers are wrong, which must not be carried out.
fn refused_call(case: &Case<'_>, label: &str) -> Verdict {
    outcome::judge(case, &PARAMETERS, label, |shot, outcome| match held_against_body(shot, outcome) {
        Verdict::Violates(violation) if violation.milder && outcome.code() != Some(MISMATCH) => {
            Verdict::NotExercised("it may have been refused for another reason".into())
        }
        verdict => verdict,
    })
}

fn argument_encoded(case: &Case<'_>) -> Verdict {
    let judged = [outcome::judge(case, &PARAMETERS, "encoded", no_mismatch), refused_call(case, "broken")];
    Verdict::joined(judged, "nothing was sent")
}

fn argument_absent(case: &Case<'_>) -> Verdict {
    outcome::judge(case, &PARAMETERS, "absent", no_mismatch)
}

fn ignored(case: &Case<'_>, label: &str, header: &str) -> Verdict {
    outcome::judge(case, &SPELLINGS, label, |shot, outcome| match outcome {
        Outcome::Served => Verdict::Passes,
        _ if serves_legacy(case) => {
            Verdict::NotApplicable("the server serves older clients too, which have use for it".into())
        }
        _ => {
            let expected = format!("the request is served, whatever {header} says");
            Verdict::Violates(Violation::new(expected, shot.said()))
        }
    })
}

fn session_ignored(case: &Case<'_>) -> Verdict {
    let minted = case.all().find(|(_, shot)| {
        let opens = shot.method.as_deref().is_none_or(|method| method == "initialize");
        !opens && shot.header("mcp-session-id").is_some()
    });
    match minted {
        Some((place, _)) if !serves_legacy(case) => {
            let violation = Violation::new("no Mcp-Session-Id in any answer", "an answer gives a session id");
            Verdict::Violates(violation.shown_by(place))
        }
        Some(_) => Verdict::NotApplicable("the server serves older clients too, which have sessions".into()),
        None => ignored(case, "session", "Mcp-Session-Id"),
    }
}

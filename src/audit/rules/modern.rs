//! Rules of the modern era about what a server says it is: discovery, versions, capabilities, methods that are no more.

use serde_json::Value;

use super::super::exercises::{
    CAPABLE, LEGACY_HELLO, NO_VERSION, ORDINARY, REMOVED, TASKS_EXTENSION, WRONG_META, declares_tasks,
};
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use crate::event::{Era, TransportKind};
use crate::protocol::Revision;

pub(super) static RULES: &[Rule] = &[
    Rule::new("modern.discover", &["M01"], Area::Lifecycle, discover)
        .modern()
        .says(
            "Every server answers `server/discover` with a result.",
            "It is how a client learns which versions and features a server has, and how it tells the eras apart.",
            "let the SDK answer `server/discover`, or answer it with supportedVersions and capabilities.",
        )
        .page("server/discover"),
    Rule::new("modern.discover_result", &["M02"], Area::Lifecycle, discover_result)
        .modern()
        .says(
            "The result of `server/discover` lists at least one version in `supportedVersions` and has an object in \
             `capabilities`.",
            "Without a version in it a client takes the server for one of the legacy era; without capabilities it uses no \
             feature.",
            "list every version that is spoken without a handshake, and the capabilities as an object.",
        )
        .page("server/discover#response"),
    Rule::new("modern.version_listed", &["M03"], Area::Lifecycle, version_listed)
        .modern()
        .says(
            "The version in which `server/discover` was answered is one of those that it lists.",
            "A client goes on with a version of the list, and gives up if its own is not in it.",
            "put every version that is served into supportedVersions.",
        )
        .page("server/discover#response"),
    Rule::new("modern.unsupported_version", &["M05"], Area::Lifecycle, unsupported_version)
        .modern()
        .needs(Class::Invasive, &[&WRONG_META])
        .says(
            "A version that the server does not speak is refused with error -32022, whose data lists the `supported` versions \
             and repeats the `requested` one.",
            "A client of another version finds a common one by this list; any other error makes it take the server for a \
             legacy one.",
            "check the version of each request first, and answer -32022 with data.supported and data.requested.",
        )
        .page("basic/versioning#protocol-version-negotiation"),
    Rule::new("modern.unsupported_version_status", &["M06"], Area::Transport, unsupported_version_status)
        .modern()
        .over(super::super::rule::HTTP)
        .needs(Class::Invasive, &[&WRONG_META])
        .says(
            "A version that the server does not speak is refused with HTTP status 400.",
            "Clients and gateways look at the status before they read the body.",
            "send the error -32022 with status 400.",
        )
        .page("basic/transports/streamable-http#protocol-version-header"),
    Rule::new("modern.capabilities", &["M12"], Area::Lifecycle, capabilities)
        .modern()
        .occasions(&[&CAPABLE])
        .says(
            "A capability that the server declares has its methods; the methods of one that it does not are answered with \
             error -32601.",
            "Clients offer what is declared, and show an error where it is missing; what is not declared they never find.",
            "declare exactly what is there.",
        )
        .page("basic#error-codes"),
    Rule::new("modern.removed_methods", &["M15"], Area::Lifecycle, removed_methods)
        .modern()
        .needs(Class::Invasive, &[&REMOVED, &LEGACY_HELLO])
        .says(
            "`ping`, `logging/setLevel`, `resources/subscribe` and `resources/unsubscribe` in a request of this version are \
             answered with error -32601, over HTTP with status 404.",
            "A client that gets a result believes that there is a session, and waits for what will not come.",
            "answer these methods only to clients that opened with initialize.",
        )
        .page("basic/transports/streamable-http#protocol-version-header"),
    Rule::new("modern.extension_ids", &["M23"], Area::Lifecycle, extension_ids)
        .modern()
        .says(
            "The key of every extension in the capabilities is a name with a prefix, such as `com.example/thing`.",
            "Names without a prefix collide, and clients that check them drop the extension.",
            "name the extension with the reversed domain of its author, a slash and a name.",
        )
        .page("basic/versioning#extension-negotiation"),
    Rule::new("era.versions_named", &["M24", "F29"], Area::Lifecycle, versions_named)
        .worded(Keyword::Should)
        .modern()
        .needs(Class::Invasive, &[&LEGACY_HELLO])
        .says(
            "A server of the modern era alone names the versions it speaks when it refuses `initialize`.",
            "A client of the legacy era cannot go on by itself; this error is all that its user gets to see.",
            "answer initialize with error -32022 and data.supported, or name the versions in the message.",
        )
        .page("basic/versioning#backward-compatibility-with-initialization-based-versions"),
    Rule::new("modern.legacy_tasks", &["M25"], Area::Lifecycle, legacy_tasks)
        .modern()
        .says(
            "The capabilities do not have `tasks` as 2025-11-25 had it; tasks are an extension now.",
            "Its methods have other results under the same names; a client that trusts the old ones fails.",
            "declare extensions[\"io.modelcontextprotocol/tasks\"] instead of tasks.",
        )
        .page(TASKS_PAGE),
];

/// Where the extension is written down.
pub(super) const TASKS_PAGE: &str =
    "https://github.com/modelcontextprotocol/ext-tasks/blob/main/specification/2026-07-28/tasks.md";

/// What came of every `server/discover` that should have been answered with a result.
fn discovered<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    case.results_of("server/discover")
}

fn discover(case: &Case<'_>) -> Verdict {
    let asked = case.of(&ORDINARY).chain(case.all().filter(|(_, shot)| shot.label == "step"));
    let asked = asked.filter(|(_, shot)| shot.method.as_deref() == Some("server/discover"));
    Verdict::of_all(
        asked.filter(|(_, shot)| shot.answer.is_some() || shot.error().is_some()).map(|(place, shot)| {
            if shot.result().is_some() { Ok(()) } else { Err(Violation::new("a result", shot.said()).shown_by(place)) }
        }),
        "no answer came to server/discover",
    )
}

fn discover_result(case: &Case<'_>) -> Verdict {
    Verdict::of_all(
        discovered(case).map(|(place, result)| {
            let wrong = |member: &str, expected: &str| {
                let came = result.get(member).map_or_else(|| "nothing".to_owned(), super::super::case::quote);
                Err(Violation::new(expected, came).at(format!("$.{member}")).shown_by(place))
            };
            let versions = result.get("supportedVersions").and_then(Value::as_array);
            if !versions.is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string)) {
                return wrong("supportedVersions", "an array of at least one version");
            }
            if result.get("capabilities").is_some_and(Value::is_object) {
                Ok(())
            } else {
                wrong("capabilities", "an object")
            }
        }),
        "server/discover had no result",
    )
}

fn version_listed(case: &Case<'_>) -> Verdict {
    let version = case.facts.revision.version;
    let listed =
        discovered(case).filter_map(|(place, result)| Some((place, result.get("supportedVersions")?.as_array()?)));
    Verdict::of_all(
        listed.map(|(place, versions)| {
            if versions.iter().any(|listed| listed == version) {
                return Ok(());
            }
            let came = super::super::case::quote(&Value::Array(versions.clone()));
            Err(Violation::new(format!("{version} among the versions"), came).at("$.supportedVersions").shown_by(place))
        }),
        "server/discover had no result with a list of versions",
    )
}

fn unsupported_version(case: &Case<'_>) -> Verdict {
    unless_silent(case.shot(&WRONG_META, "version"), |shot| {
        let Some(error) = shot.error().filter(|error| error.code == -32022) else {
            return Err(Violation::new("error -32022", shot.said()));
        };
        let data = error.data.as_ref();
        let of_data = |member: &str| data.and_then(|data| data.get(member));
        let came = || data.map_or_else(|| "no data".to_owned(), super::super::case::quote);
        let supported = of_data("supported").and_then(Value::as_array);
        if !supported.is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string)) {
            return Err(Violation::new("the versions that are spoken, as texts", came()).at("$.data.supported"));
        }
        if of_data("requested").and_then(Value::as_str) != Some(NO_VERSION) {
            return Err(Violation::new(format!("{NO_VERSION:?}"), came()).at("$.data.requested"));
        }
        if supported.is_some_and(|all| !all.iter().any(|version| version == case.facts.revision.version)) {
            let expected = format!("{} among the versions, for it is spoken", case.facts.revision.version);
            return Err(Violation::new(expected, came()).at("$.data.supported").mild());
        }
        Ok(())
    })
}

fn unsupported_version_status(case: &Case<'_>) -> Verdict {
    status(case.shot(&WRONG_META, "version"), -32022, 400)
}

/// The status of an error with that code. What was answered otherwise is for another rule.
pub(super) fn status(shot: Option<(usize, &Shot)>, code: i64, wanted: u16) -> Verdict {
    let Some((place, shot)) = shot.filter(|(_, shot)| shot.error().is_some_and(|error| error.code == code)) else {
        return Verdict::NotExercised(format!("no error {code} came").into());
    };
    match shot.chosen_status() {
        None => Verdict::NotExercised("the error came in a stream, whose status was sent before".into()),
        Some(status) => {
            Verdict::of(status == wanted, || Violation::new(format!("HTTP {wanted}"), shot.said()).shown_by(place))
        }
    }
}

/// Judges a shot to which the server answered. Silence tells nothing about what it would have said, nor does what a proxy or a
/// limit says in its place.
pub(super) fn unless_silent(
    shot: Option<(usize, &Shot)>,
    judge: impl FnOnce(&Shot) -> Result<(), Violation>,
) -> Verdict {
    let Some((place, shot)) = shot else { return Verdict::unsent() };
    if let Some(why) = shot.spared() {
        return Verdict::NotExercised(why.into());
    }
    if shot.answer.is_none() && shot.error().is_none() && shot.head.is_none() {
        let why = shot.fault.as_ref().map_or("nothing came", |fault| &fault.message);
        return Verdict::NotExercised(super::super::case::cut(why).into());
    }
    match judge(shot) {
        Ok(()) => Verdict::Passes,
        Err(violation) => Verdict::Violates(violation.shown_by(place)),
    }
}

fn capabilities(case: &Case<'_>) -> Verdict {
    // Other exercises send requests that may be refused for another reason.
    let usual = |shot: &Shot| shot.exercise == ORDINARY.name || shot.exercise == CAPABLE.name || shot.label == "step";
    let asked = case.all().filter(|(_, shot)| usual(shot));
    let answered = asked.filter(|(_, shot)| shot.answer.is_some() || shot.error().is_some());
    let of_capability = answered.filter_map(|(place, shot)| {
        let method = case.facts.revision.method(shot.method.as_deref()?)?;
        // The id of an extension holds dots; its methods have rules of their own.
        Some((place, shot, method.name, method.capability.filter(|capability| !capability.contains('.'))?))
    });
    Verdict::of_all(
        of_capability.map(|(place, shot, method, capability)| {
            let declared = case.facts.capabilities.get(capability).is_some_and(|declared| !declared.is_null());
            let unknown = shot.error().is_some_and(|error| error.code == -32601);
            if declared && unknown {
                let expected = format!("an answer to {method}, for {capability} is declared");
                let wrong = Violation::new(expected, shot.said()).shown_by(place);
                // No sentence says that who has resources has templates.
                return Err(if method == "resources/templates/list" { wrong.mild() } else { wrong });
            }
            if declared || unknown {
                return Ok(());
            }
            let expected = format!("error -32601 to {method}, for {capability} is not declared");
            let wrong = Violation::new(expected, shot.said()).shown_by(place);
            let empty = shot.result().is_some_and(|result| {
                let member = crate::protocol::revision::array_member(method);
                member.and_then(|member| result.get(member)).and_then(Value::as_array).is_some_and(Vec::is_empty)
            });
            // Nothing is offered by an empty list, and another error serves nothing either.
            Err(if empty || shot.error().is_some() { wrong.mild() } else { wrong })
        }),
        "no list was answered",
    )
}

fn removed_methods(case: &Case<'_>) -> Verdict {
    let answered = case.of(&REMOVED).filter(|(_, shot)| shot.answer.is_some() || shot.error().is_some());
    Verdict::of_all(
        answered.map(|(place, shot)| {
            let refused = shot.error().is_some_and(|error| error.code == -32601);
            let status = shot.chosen_status().is_none_or(|status| status == 404);
            if refused && status {
                return Ok(());
            }
            let over_http = case.facts.transport == TransportKind::StreamableHttp;
            let expected = if over_http { "error -32601 with HTTP 404" } else { "error -32601" };
            let method = shot.method.as_deref().unwrap_or_default();
            let wrong = Violation::new(expected, format!("to {method}: {}", shot.said())).shown_by(place);
            // Who speaks both eras may take the request for one of the other.
            Err(if shot.error().is_some() || is_dual(case) { wrong.mild() } else { wrong })
        }),
        "none of them was answered",
    )
}

fn extension_ids(case: &Case<'_>) -> Verdict {
    let Some(extensions) = case.facts.capabilities.get("extensions").and_then(Value::as_object) else {
        return Verdict::NotApplicable("the server declares no extensions".into());
    };
    let judged = extensions.keys().map(|id| {
        let valid = id.rsplit_once('/').is_some_and(|(prefix, name)| is_prefix(prefix) && is_name(name));
        if valid {
            return Ok(());
        }
        Err(Violation::new(
            "a prefix of labels with dots between them, a slash and a name",
            super::super::case::cut(id),
        )
        .at("$.capabilities.extensions"))
    });
    Verdict::of_all(judged, "the server declares no extensions")
}

fn is_prefix(prefix: &str) -> bool {
    prefix.split('.').all(|label| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_alphabetic)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    })
}

/// A name may be empty.
fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.into_iter().flatten().all(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// Whether the server is known to open with `initialize` too: it lists such a version, or did it just now.
pub(super) fn is_dual(case: &Case<'_>) -> bool {
    let legacy = |version: &str| version <= Revision::newest(Era::Legacy).version;
    let listed =
        || case.results_of("server/discover").filter_map(|(_, result)| result.get("supportedVersions")?.as_array());
    let greeted = case.shot(&LEGACY_HELLO, "initialize").is_some_and(|(_, shot)| shot.result().is_some());
    greeted || listed().flatten().filter_map(Value::as_str).any(legacy)
}

fn versions_named(case: &Case<'_>) -> Verdict {
    if is_dual(case) {
        return Verdict::NotApplicable(
            "the server serves clients of the legacy era too, which need no advice here".into(),
        );
    }
    unless_silent(case.shot(&LEGACY_HELLO, "initialize"), |shot| {
        let version = case.facts.revision.version;
        let named = match shot.error() {
            Some(error) => {
                error.message.contains(version)
                    || error.data.as_ref().is_some_and(|data| data.to_string().contains(version))
            }
            // What is no JSON-RPC may still say it.
            None => shot.frames().any(|frame| String::from_utf8_lossy(&frame.raw).contains(version)),
        };
        if named { Ok(()) } else { Err(Violation::new(format!("an error that names {version}"), shot.said())) }
    })
}

fn legacy_tasks(case: &Case<'_>) -> Verdict {
    let Some(tasks) = case.facts.capabilities.get("tasks").filter(|tasks| !tasks.is_null()) else {
        return Verdict::Passes;
    };
    let extension =
        if declares_tasks(&case.facts.capabilities) { "besides the extension" } else { "not as the extension" };
    Verdict::Violates(
        Violation::new(
            format!("no tasks but extensions[{TASKS_EXTENSION:?}]"),
            format!("{}, {extension}", super::super::case::quote(tasks)),
        )
        .at("$.capabilities.tasks"),
    )
}

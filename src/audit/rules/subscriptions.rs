//! Rules about `subscriptions/listen`: its acknowledgement, what may come after it, and how long it lasts.

use serde_json::Value;

use super::super::exercises::{CHANGES, IDLE, IDLE_SUBSCRIPTION, SUBSCRIPTIONS, UPDATES};
use super::super::rule::HTTP;
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use crate::base::duration;
use crate::transport::Fault;
use crate::wire::Message;

pub(super) static RULES: &[Rule] = &[
    Rule::new("subscriptions.served", &["N05"], Area::Interaction, served)
        .modern()
        .needs(Class::Harmless, &[&SUBSCRIPTIONS])
        .says(
            "A server that declares `listChanged` or `subscribe` knows `subscriptions/listen`.",
            "It is the only way in which changes are told since 2026-07-28.",
            "implement subscriptions/listen, or declare neither.",
        )
        .page(PAGE),
    Rule::new("subscriptions.acknowledged", &["N01"], Area::Interaction, acknowledged)
        .modern()
        .needs(Class::Harmless, &[&SUBSCRIPTIONS])
        .says(
            "The first message of a subscription is `notifications/subscriptions/acknowledged`.",
            "Until it comes the client does not know whether anything will be told to it.",
            "send the acknowledgement before anything else.",
        )
        .page(ACKNOWLEDGEMENT),
    Rule::new("subscriptions.id", &["N02"], Area::Interaction, id)
        .modern()
        .needs(Class::Harmless, &[&SUBSCRIPTIONS])
        .says(
            "Every message of a subscription names it: `io.modelcontextprotocol/subscriptionId` is the id of the request, of \
             the same JSON type.",
            "Over stdio it is all that tells one subscription from another.",
            "keep the id of the request as the JSON value it came as, and put it into `_meta` of each notification.",
        )
        .page("basic/patterns/subscriptions#receiving-notifications"),
    Rule::new("subscriptions.subset", &["N04"], Area::Interaction, subset)
        .modern()
        .needs(Class::Harmless, &[&SUBSCRIPTIONS])
        .says(
            "The acknowledgement names what was asked for and will be told, and leaves out what the server does not have.",
            "A client that relies on it does not look for changes by itself any more.",
            "acknowledge only kinds that were asked for and whose capability is declared.",
        )
        .page(ACKNOWLEDGEMENT),
    Rule::new("subscriptions.filter", &["N03"], Area::Interaction, filter)
        .modern()
        .needs(Class::Harmless, &[&SUBSCRIPTIONS])
        .says(
            "Only kinds of notifications come that were asked for.",
            "The client has no use for the others, and may close a stream on which they come.",
            "compare each notification with the filter of the subscription.",
        )
        .page("basic/patterns/subscriptions#opening-a-stream"),
    Rule::new("subscriptions.no_others", &["N07"], Area::Interaction, no_others)
        .modern()
        .needs(Class::Harmless, &[&SUBSCRIPTIONS])
        .says(
            "No `notifications/progress` and no `notifications/message` come on a subscription.",
            "They belong to the request that they are about, and cannot be told apart here.",
            "send progress and logs on the stream of their own request.",
        )
        .page("basic/transports/streamable-http#receiving-messages"),
    Rule::new("subscriptions.closed_unacknowledged", &["N09"], Area::Interaction, closed_unacknowledged)
        .worded(Keyword::Info)
        .modern()
        .needs(Class::Harmless, &[&SUBSCRIPTIONS])
        .says(
            "A subscription is not ended by a result before it was acknowledged.",
            "The client learns neither what was accepted nor why it ended.",
            "acknowledge first; refuse with an error what cannot be served.",
        )
        .page(ACKNOWLEDGEMENT),
    Rule::new("subscriptions.lasting", &["N08"], Area::Interaction, lasting)
        .worded(Keyword::Info)
        .modern()
        .over(HTTP)
        .needs(Class::Slow, &[&IDLE_SUBSCRIPTION])
        .says(
            "A subscription lasts though nothing happens.",
            "Every gap is a time in which changes are missed.",
            "send a comment line every few seconds, and raise the idle limit of the proxy in front.",
        )
        .page("basic/transports/streamable-http#receiving-messages"),
];

const PAGE: &str = "basic/patterns/subscriptions";
const ACKNOWLEDGEMENT: &str = "basic/patterns/subscriptions#acknowledgment";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Rows of this family that no rule judges.
pub(super) static UNBUILT: &[(&str, &str)] =
    &[("N06", "a list would have to change, and nothing that a client may do without being asked changes one")];

/// The subscriptions that were tried.
fn tried<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot)> + use<'a> {
    case.of(&SUBSCRIPTIONS).filter(|(_, shot)| matches!(shot.label, "everything" | "narrow"))
}

/// The subscriptions that were opened: something came that is no error.
fn opened<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Shot)> + use<'a> {
    tried(case).filter(|(_, shot)| shot.error().is_none() && shot.notices().next().is_some())
}

/// Judges what came of subscriptions, where the server declares any changes.
fn judged(case: &Case<'_>, each: impl Iterator<Item = Result<(), Violation>>, none: &'static str) -> Verdict {
    let kinds = CHANGES.iter().chain(std::iter::once(&UPDATES));
    if kinds.map(|(_, capability, _)| *capability).any(|capability| declares(case, capability)) {
        Verdict::of_all(each, none)
    } else {
        Verdict::NotApplicable("the server declares no changes that could be listened to".into())
    }
}

/// Whether a capability such as `tools.listChanged` is declared.
fn declares(case: &Case<'_>, capability: &str) -> bool {
    let value = capability.split('.').try_fold(&case.facts.capabilities, |value, part| value.get(part));
    value == Some(&Value::Bool(true))
}

const NOT_OPENED: &str = "no subscription could be opened";

fn served(case: &Case<'_>) -> Verdict {
    let answered = tried(case).filter(|(_, shot)| shot.frames().next().is_some() || shot.head.is_some());
    judged(
        case,
        answered.map(|(place, shot)| match shot.error() {
            Some(error) if error.code == -32601 => {
                Err(Violation::new("a subscription, for changes are declared", shot.said()).shown_by(place))
            }
            _ => Ok(()),
        }),
        "nothing came to subscriptions/listen",
    )
}

fn acknowledged(case: &Case<'_>) -> Verdict {
    // An error, or a result at once, is for other rules.
    let streams = tried(case).filter(|(_, shot)| shot.answer.is_none() && shot.error().is_none());
    judged(
        case,
        streams.map(|(place, shot)| {
            let wrong = |came: String| Err(Violation::new(ACKNOWLEDGED, came).shown_by(place));
            match (shot.messages().next(), &shot.fault) {
                (Some(Message::Notification { method, .. }), _) if method == ACKNOWLEDGED => Ok(()),
                (Some(Message::Notification { method, .. }), _) => wrong(super::super::case::cut(method)),
                (Some(Message::Request { method, .. }), _) => {
                    wrong(format!("the request {}", super::super::case::cut(method)))
                }
                (Some(Message::Reply { .. }), _) => wrong("the reply to something else".to_owned()),
                (None, Some(Fault { message, .. })) => wrong(super::super::case::cut(message)),
                (None, None) => wrong(shot.said()),
            }
        }),
        "subscriptions/listen was answered at once",
    )
}

fn id(case: &Case<'_>) -> Verdict {
    let streams = opened(case).filter_map(|(place, shot)| Some((place, shot, shot.id.as_ref()?.to_value())));
    let found = streams.flat_map(|(place, shot, id)| {
        let notices = shot.notices().filter(|(method, _)| *method != "notifications/cancelled");
        let told = notices.map(|(method, params)| (method.to_owned(), params["_meta"].get(SUBSCRIPTION).cloned()));
        let ended = shot.result().map(|result| ("the result".to_owned(), result["_meta"].get(SUBSCRIPTION).cloned()));
        let all: Vec<_> = told.chain(ended).collect();
        all.into_iter().map(move |(of, named)| {
            if named.as_ref() == Some(&id) {
                return Ok(());
            }
            let came = named.map_or_else(|| "none".to_owned(), |named| super::super::case::quote(&named));
            let came = format!("{came} in {}", super::super::case::cut(&of));
            Err(Violation::new(id.to_string(), came).at(format!("$._meta['{SUBSCRIPTION}']")).shown_by(place))
        })
    });
    judged(case, found, NOT_OPENED)
}

/// What an acknowledgement says will be told, member by member.
fn honoured(shot: &Shot) -> Option<serde_json::Map<String, Value>> {
    let (_, params) = shot.notices().find(|(method, _)| *method == ACKNOWLEDGED)?;
    params.get("notifications").and_then(Value::as_object).cloned()
}

fn subset(case: &Case<'_>) -> Verdict {
    let acknowledgements = opened(case).filter_map(|(place, shot)| Some((place, shot.params()?, honoured(shot)?)));
    let found = acknowledgements.flat_map(|(place, params, honoured)| {
        let asked = params["notifications"].clone();
        honoured.into_iter().map(move |(member, value)| {
            if matches!(value, Value::Bool(false) | Value::Null) {
                return Ok(());
            }
            let wrong = |expected: &str| {
                let came = super::super::case::cut(&format!("{member}: {value}"));
                Violation::new(expected, came).at("$.params.notifications").shown_by(place)
            };
            let Some(wanted) = asked.get(&member) else { return Err(wrong("only kinds that were asked for")) };
            if let (Some(wanted), Some(given)) = (wanted.as_array(), value.as_array())
                && !given.iter().all(|one| wanted.contains(one))
            {
                return Err(wrong("only resources that were asked for"));
            }
            let kinds = CHANGES.iter().chain(std::iter::once(&UPDATES));
            let capability = kinds.filter(|(of, ..)| *of == member).map(|(_, capability, _)| *capability).next();
            let declared = capability.is_none_or(|capability| declares(case, capability));
            if declared { Ok(()) } else { Err(wrong("only kinds whose capability is declared").mild()) }
        })
    });
    judged(case, found, "no acknowledgement with anything in it came")
}

fn filter(case: &Case<'_>) -> Verdict {
    let streams = opened(case).filter_map(|(place, shot)| Some((place, shot, shot.params()?)));
    let found = streams.flat_map(|(place, shot, params)| {
        let asked = params["notifications"].clone();
        let told: Vec<_> = shot.notices().map(|(method, params)| (method.to_owned(), params)).collect();
        told.into_iter().map(move |(method, params)| {
            let kinds = CHANGES.iter().chain(std::iter::once(&UPDATES));
            let Some((member, ..)) = kinds.into_iter().find(|(.., of)| *of == method) else { return Ok(()) };
            if matches!(asked.get(*member), Some(Value::Array(_) | Value::Bool(true))) {
                return Ok(());
            }
            let came = format!("{method} with {}", super::super::case::quote(&params));
            Err(Violation::new("only kinds that were asked for", came).shown_by(place))
        })
    });
    judged(case, found, NOT_OPENED)
}

fn no_others(case: &Case<'_>) -> Verdict {
    judged(
        case,
        opened(case).map(|(place, shot)| {
            let other = shot
                .notices()
                .find(|(method, _)| matches!(*method, "notifications/progress" | "notifications/message"));
            match other {
                None => Ok(()),
                Some((method, _)) => Err(Violation::new("changes only", method).shown_by(place)),
            }
        }),
        NOT_OPENED,
    )
}

fn closed_unacknowledged(case: &Case<'_>) -> Verdict {
    let answered = tried(case).filter(|(_, shot)| shot.messages().next().is_some() && shot.error().is_none());
    judged(
        case,
        answered.map(|(place, shot)| {
            let told = shot.notices().any(|(method, _)| method == ACKNOWLEDGED);
            if shot.result().is_none() || told {
                return Ok(());
            }
            Err(Violation::new(format!("{ACKNOWLEDGED} before the result"), shot.said()).shown_by(place))
        }),
        "nothing came to subscriptions/listen",
    )
}

fn lasting(case: &Case<'_>) -> Verdict {
    let held =
        case.of(&IDLE_SUBSCRIPTION).filter(|(_, shot)| shot.error().is_none() && shot.notices().next().is_some());
    let found = held.map(|(place, shot)| {
        if !shot.ended && shot.fault.is_none() {
            return Ok(());
        }
        let expected = format!("a stream that lasts {}", duration::human(IDLE));
        let came = format!("it ended after {}", duration::human(shot.took));
        Err(Violation::new(expected, came).shown_by(place))
    });
    judged(case, found, NOT_OPENED)
}

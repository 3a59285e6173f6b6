//! Exercises about `subscriptions/listen`: a stream is opened, listened to for a moment, and given up.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::exercise::{Exercise, Line, Move, SILENCE, Send, Situation};
use super::super::rule::{Class, HTTP, MODERN_FIRST};
use crate::event::TransportKind;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&SUBSCRIPTIONS, &IDLE_SUBSCRIPTION];

/// The lists whose changes can be listened to: the member of the filter, the capability, the notification.
pub const CHANGES: &[(&str, &str, &str)] = &[
    ("toolsListChanged", "tools.listChanged", "notifications/tools/list_changed"),
    ("promptsListChanged", "prompts.listChanged", "notifications/prompts/list_changed"),
    ("resourcesListChanged", "resources.listChanged", "notifications/resources/list_changed"),
];
/// The same for single resources.
pub const UPDATES: (&str, &str, &str) =
    ("resourceSubscriptions", "resources.subscribe", "notifications/resources/updated");

/// After the acknowledgement, what else comes is listened to for so long.
const MORE: Duration = Duration::from_millis(400);
/// A stream that nothing happens on is held for so long.
pub const IDLE: Duration = Duration::from_secs(20);

/// Everything that can be subscribed to at once, then a single kind.
pub static SUBSCRIPTIONS: Exercise = Exercise::new(
    "subscriptions",
    "subscriptions/listen for every kind of change, and again for a single one; each is given up after a moment",
    |situation| {
        let Some(narrow) = narrow(situation) else { return Vec::new() };
        let mut everything: Map<String, Value> =
            CHANGES.iter().map(|(member, ..)| ((*member).to_owned(), true.into())).collect();
        let uri = situation.list("resources/list").first().and_then(|resource| resource.get("uri"));
        if let Some(uri) = uri.filter(|uri| uri.is_string()) {
            everything.insert(UPDATES.0.to_owned(), json!([uri]));
        }
        let mut moves = Vec::new();
        for (label, id, filter) in
            [("everything", 900_719_926, Value::Object(everything)), ("narrow", 900_719_927, narrow)]
        {
            let listen = Send::request(label, "subscriptions/listen", json!({"notifications": filter})).id(id);
            moves.push(Move::Send(listen.stream(MORE)));
            if situation.transport == TransportKind::Stdio {
                let params = json!({"requestId": id, "reason": "the audit has heard enough"});
                let cancel = Send::notification("cancel", "notifications/cancelled", params);
                moves.push(Move::Send(cancel.listening(SILENCE)));
            }
        }
        moves
    },
)
.line(Line::Own)
.between(MODERN_FIRST, "9999");

/// A subscription that is held though nothing happens.
pub static IDLE_SUBSCRIPTION: Exercise =
    Exercise::new("idle-subscription", "subscriptions/listen, held for twenty seconds", |situation| {
        let Some(narrow) = narrow(situation) else { return Vec::new() };
        let listen = Send::request("idle", "subscriptions/listen", json!({"notifications": narrow}));
        vec![Move::Send(listen.stream(IDLE))]
    })
    .class(Class::Slow)
    .line(Line::Own)
    .over(HTTP)
    .between(MODERN_FIRST, "9999");

/// The filter for the first kind of change that the server says it tells of.
fn narrow(situation: &Situation<'_>) -> Option<Value> {
    if let Some((member, ..)) = CHANGES.iter().find(|(_, capability, _)| situation.declares(capability)) {
        return Some(json!({*member: true}));
    }
    let uri = situation.list("resources/list").first().and_then(|resource| resource.get("uri"))?;
    situation.declares(UPDATES.1).then(|| json!({UPDATES.0: [uri]}))
}

//! Rules of HTTP+SSE, the deprecated transport of 2024-11-05.

use super::super::case::cut;
use super::super::rule::SSE;
use super::super::{Area, Case, Item, Rule, Verdict, Violation};
use crate::wire::message;

/// Rows of the catalogue that no rule judges, and why.
pub(super) static UNBUILT: &[(&str, &str)] = &[
    ("X01", "without the event `endpoint` nothing can be sent: the target fails, with that reason"),
    ("X02", "nothing is sent to an endpoint on another origin: the target fails, with that reason"),
    (
        "X04",
        "the transport in use stands in every report; whether the server offers another elsewhere no request tells",
    ),
];

pub(super) static RULES: &[Rule] = &[Rule::new("sse.message_events", &["X03"], Area::Transport, message_events)
    .over(SSE)
    .says(
        "The server's messages are events of the name `message`.",
        "Clients leave events of other names to their own handlers, and wait for a reply for ever.",
        "write `event: message`, or no name at all, before the data of a message.",
    )
    .page("basic/transports#http-with-sse")];

fn message_events(case: &Case<'_>) -> Verdict {
    let heard = case.all().filter(|(_, shot)| !shot.came.is_empty());
    Verdict::of_all(
        heard.map(|(place, shot)| {
            let other = shot.came.iter().find_map(|came| match &came.item {
                Item::Noise(bytes) if message::read(bytes).iter().all(|frame| frame.parsed.is_ok()) => Some(bytes),
                _ => None,
            });
            other.map_or(Ok(()), |bytes| {
                let text = cut(&String::from_utf8_lossy(bytes));
                let actual = format!("in an event of another name: {text}");
                Err(Violation::new("messages in events of the name `message`", actual).shown_by(place))
            })
        }),
        "nothing came on the stream",
    )
}

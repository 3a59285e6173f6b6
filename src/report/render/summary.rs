//! The one line under an answer: how much, how long, over what.

use unicode_width::UnicodeWidthStr as _;

use crate::base::duration::{human, human_bytes};
use crate::base::sanitize;
use crate::event::Phase;
use crate::report::call::{AnswerTold, CallTold, ChildTold, Heading, OverviewTold};
use crate::report::{Ink, Look, count};

/// `12 tools in 4.2 ms (first byte 3.9 ms) · spawn 0.4 ms · legacy 2025-11-25 over stdio`.
#[must_use]
pub fn call(told: &CallTold, look: &Look) -> String {
    let mut parts = Vec::new();
    if let Some(answer) = &told.answer {
        parts.extend(amount_and_times(answer));
    }
    parts.extend(told.child.as_ref().map(child));
    parts.extend(heading(&told.heading));
    line(&parts, &told.heading, look)
}

/// `server 21 MiB, 4.7 ms CPU (530 µs in the calls)`.
fn child(child: &ChildTold) -> String {
    let calls = child.calls_cpu.map_or_else(String::new, |cpu| format!(" ({} in the calls)", human(cpu)));
    format!("server {}, {} CPU{calls}", human_bytes(child.resident_bytes), human(child.cpu))
}

/// The same for a target that was looked over; its lists have their numbers above them.
#[must_use]
pub fn overview(told: &OverviewTold, look: &Look) -> String {
    let mut parts: Vec<String> =
        if look.is_terminal() { Vec::new() } else { told.lists.iter().filter_map(amount).collect() };
    let slowest = told.lists.iter().filter_map(|answer| answer.latency).max();
    parts.extend(slowest.map(|latency| format!("lists in at most {}", human(latency))));
    parts.extend(heading(&told.heading));
    line(&parts, &told.heading, look)
}

fn amount(answer: &AnswerTold) -> Option<String> {
    let items = answer.result().and_then(|result| super::items(&answer.method, result));
    match items {
        Some((_, noun, items)) => Some(count(items.len(), noun)),
        None => (answer.response_bytes > 0).then(|| human_bytes(answer.response_bytes)),
    }
}

fn amount_and_times(answer: &AnswerTold) -> Vec<String> {
    let (amount, times) = (amount(answer), times(answer));
    if answer.pages > 1 {
        let all = format!("{} pages in {}", answer.pages, human(answer.total));
        return amount.into_iter().chain([all]).chain(times.map(|times| format!("the first in {times}"))).collect();
    }
    match (amount, times) {
        (Some(amount), Some(times)) => vec![format!("{amount} in {times}")],
        (amount, times) => amount.into_iter().chain(times).collect(),
    }
}

fn times(answer: &AnswerTold) -> Option<String> {
    let latency = human(answer.latency?);
    // Where both read the same, the second number says nothing.
    Some(match answer.first_byte.map(human).filter(|first| *first != latency) {
        Some(first) => format!("{latency} (first byte {first})"),
        None => latency,
    })
}

fn heading(heading: &Heading) -> Vec<String> {
    let mut parts: Vec<String> = heading
        .phases
        .iter()
        .filter(|(phase, _)| !matches!(phase, Phase::Call | Phase::Close))
        .map(|(phase, took)| format!("{} {}", phase.name(), human(took)))
        .collect();
    if let Some(protocol) = &heading.protocol {
        let version = sanitize::one_line(&protocol.version, 40);
        parts.push(format!("{} {version} over {}", protocol.era.name(), protocol.transport.name()));
    }
    parts
}

/// The parts with dots between them. A terminal that is too narrow gets a second line, broken between parts.
fn line(parts: &[String], heading: &Heading, look: &Look) -> String {
    const DOT: &str = " · ";
    let insecure = heading.insecure.then_some(("INSECURE: certificate not checked", Ink::Bad));
    let parts = parts.iter().map(|part| (part.as_str(), Ink::Dim)).chain(insecure);
    let width = look.width.map_or(usize::MAX, usize::from);
    let mut text = String::new();
    let mut column = 0;
    for (part, ink) in parts {
        if column > 0 && column + DOT.width() + part.width() > width {
            text.push_str("\n  ");
            column = 2;
        } else if column > 0 {
            text.push_str(&look.paint(Ink::Dim, DOT));
            column += DOT.width();
        }
        text.push_str(&look.paint(ink, part));
        column += part.width();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::call::samples;

    const PERSON: Look = Look { width: Some(80), colour: false };

    #[test]
    fn the_line_tells_amount_times_and_protocol() {
        let told = samples::call("tools/list", json!({"tools": [{}, {}]}));
        assert_eq!(
            call(&told, &PERSON),
            "2 tools · 2 pages in 8.4 ms · the first in 4.2 ms (first byte 3.9 ms)\n  \
             spawn 400 µs · detect 1.2 ms · legacy 2025-11-25 over stdio\n"
        );
        assert_eq!(call(&told, &Look::PLAIN).lines().count(), 1);
    }

    #[test]
    fn insecure_is_loud() {
        let mut told = samples::call("ping", json!({}));
        told.heading.insecure = true;
        told.answer.as_mut().unwrap().pages = 1;
        let text = call(&told, &PERSON);
        assert!(text.starts_with("2.0 KiB in 4.2 ms (first"), "{text}");
        assert!(text.ends_with("INSECURE: certificate not checked\n"), "{text}");
    }
}

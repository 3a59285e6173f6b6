//! The one line under an answer: how much, how long, over what.

use crate::base::duration::{human, human_bytes};
use crate::base::sanitize;
use crate::event::Phase;
use crate::report::call::{AnswerTold, CallTold, ChildTold, Heading, OverviewTold};
use crate::report::{Ink, Look, count};

/// `12 tools · 2 pages · 4.2 ms (first byte 3.9 ms) · spawn 0.4 ms · legacy 2025-11-25 over stdio`.
#[must_use]
pub fn call(told: &CallTold, look: &Look) -> String {
    let mut parts = Vec::new();
    if let Some(answer) = &told.answer {
        parts.extend(amount(answer));
        parts.extend(times(answer));
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

/// The same for a target that was looked over.
#[must_use]
pub fn overview(told: &OverviewTold, look: &Look) -> String {
    let mut parts: Vec<String> = told.lists.iter().flat_map(amount).collect();
    let slowest = told.lists.iter().filter_map(|answer| answer.latency).max();
    parts.extend(slowest.map(|latency| format!("lists in {} at most", human(latency))));
    parts.extend(heading(&told.heading));
    line(&parts, &told.heading, look)
}

fn amount(answer: &AnswerTold) -> Vec<String> {
    let mut parts = Vec::new();
    let items = answer.result().and_then(|result| super::items(&answer.method, result));
    match items {
        Some((_, noun, items)) => parts.push(count(items.len(), noun)),
        None if answer.response_bytes > 0 => parts.push(human_bytes(answer.response_bytes)),
        None => {}
    }
    if answer.pages > 1 {
        parts.push(format!("{} pages in {}", answer.pages, human(answer.total)));
    }
    parts
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

fn line(parts: &[String], heading: &Heading, look: &Look) -> String {
    let mut text = look.paint(Ink::Dim, &parts.join(" · "));
    if heading.insecure {
        text.push_str(&format!(" · {}", look.paint(Ink::Bad, "INSECURE: certificate not checked")));
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
            "2 tools · 2 pages in 8.4 ms · 4.2 ms (first byte 3.9 ms) · spawn 400 µs · detect 1.2 ms · \
             legacy 2025-11-25 over stdio\n"
        );
    }

    #[test]
    fn insecure_is_loud() {
        let mut told = samples::call("ping", json!({}));
        told.heading.insecure = true;
        told.answer.as_mut().unwrap().pages = 1;
        let text = call(&told, &PERSON);
        assert!(text.starts_with("2.0 KiB · 4.2 ms"), "{text}");
        assert!(text.ends_with("INSECURE: certificate not checked\n"), "{text}");
    }
}

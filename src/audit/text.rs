//! What is suspicious in the texts of definitions: characters that nobody sees, and sentences that give orders to a model.
//! It is reported and nothing else: no text is ever handed to a model, and what is said here shows code points, not the
//! characters themselves.

mod characters;
mod orders;

use serde_json::Value;

use super::offer::{self, Offer};
use super::topic::{Findings, Found, Topic};
use crate::base::sanitize;
use crate::event::Severity;

/// How deep values are followed, and how many texts of one definition are read.
const DEPTH_MAX: usize = 100;
const TEXTS_MAX: usize = 50_000;
/// Characters of who and where.
const ABOUT_CHARS: usize = 120;
const PATH_CHARS: usize = 400;

/// The rules about texts.
pub static TOPICS: [Topic; 5] = [
    Topic {
        id: "sec.control",
        severity: Severity::Error,
        what: "A text has control characters, such as those that begin ANSI escape sequences.",
        why: "On a terminal they hide, overwrite or colour text: a person approves something else than what the model reads.",
        mend: "take them out; if you did not put them there, find out who did.",
        source: "Trail of Bits on line jumping; OWASP MCP03",
        as_of: "2026-11-22",
    },
    Topic {
        id: "sec.bidi",
        severity: Severity::Error,
        what: "A text has characters that change the direction of writing, where nothing in it is written from right to left.",
        why: "A person reads the characters in another order than the model.",
        mend: "take them out; if you did not put them there, find out who did.",
        source: "Trail of Bits on line jumping; OWASP MCP03",
        as_of: "2026-11-22",
    },
    Topic {
        id: "sec.invisible",
        severity: Severity::Error,
        what: "A text has characters without width that no script or emoji in it needs.",
        why: "They tell apart names that look the same, break the words that filters look for, and carry hidden marks.",
        mend: "take them out; they often come along when text is copied from a page.",
        source: "mcpsafe MCP-083; OWASP MCP03",
        as_of: "2026-11-22",
    },
    Topic {
        id: "sec.hidden_text",
        severity: Severity::Error,
        what: "A text has tag characters or runs of variation selectors: whole sentences can be written in them unseen.",
        why: "A model can read what no person is shown.",
        mend: "take them out; if you did not put them there, find out who did.",
        source: "Trail of Bits on line jumping; OWASP MCP03",
        as_of: "2026-11-22",
    },
    Topic {
        id: "sec.imperative",
        severity: Severity::Warning,
        what: "A text gives orders to the model that have nothing to do with calling the tool.",
        why: "Poisoned definitions work like that. It is a guess by words: read the sentence before you believe it.",
        mend: "describe what the tool does; leave what the model should do to the user's own instructions.",
        source: "Trail of Bits on line jumping; OWASP MCP03",
        as_of: "2026-11-22",
    },
];

/// What is suspicious in what a server offers.
#[must_use]
pub fn judge(offer: &Offer<'_>) -> Findings {
    let mut findings = Findings::default();
    if let Some(text) = offer.instructions {
        read(text, "the server", "$.instructions", &mut findings);
    }
    for item in offer.items() {
        let about = sanitize::one_line(&item.about(), ABOUT_CHARS);
        let mut reading = Reading { about: &about, left: TEXTS_MAX, findings: &mut findings };
        reading.value(item.value, &item.path(), 0);
    }
    findings
}

/// Reading one definition.
struct Reading<'r> {
    about: &'r str,
    left: usize,
    findings: &'r mut Findings,
}

impl Reading<'_> {
    fn value(&mut self, value: &Value, path: &str, depth: usize) {
        if depth > DEPTH_MAX || self.left == 0 {
            return;
        }
        match value {
            Value::String(text) => self.text(text, path),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate().filter(|(_, item)| holds_text(item)) {
                    self.value(item, &offer::element(path, at), depth + 1);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let path = offer::member(path, name);
                    self.text(name, &path);
                    self.value(member, &path, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, path: &str) {
        if self.left > 0 {
            self.left -= 1;
            read(text, self.about, path, self.findings);
        }
    }
}

fn holds_text(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Array(_) | Value::Object(_))
}

/// Reads one text.
fn read(text: &str, about: &str, path: &str, findings: &mut Findings) {
    let mut found = |id: &str, expected: &str, actual: String| {
        let Some(topic) = TOPICS.iter().find(|topic| topic.id == id) else { return };
        let path = Some(sanitize::one_line(path, PATH_CHARS));
        findings.add(Found { topic, about: about.to_owned(), expected: expected.to_owned(), actual, path });
    };
    for (kind, hits) in characters::suspicious(text) {
        let (id, expected) = match kind {
            characters::Kind::Control => ("sec.control", "no control characters but line feed and tab"),
            characters::Kind::Direction => ("sec.bidi", "no marks of direction in text from left to right"),
            characters::Kind::Invisible => ("sec.invisible", "no characters without width"),
            characters::Kind::Hidden => ("sec.hidden_text", "no tag characters, no runs of variation selectors"),
        };
        found(id, expected, hits.to_string());
    }
    if let Some(order) = orders::first(text) {
        found("sec.imperative", "no orders to the model", format!("{}: \"{}\"", order.what, order.words));
    }
}

#[cfg(test)]
mod tests;

//! `kind = "slack"`: an incoming webhook of Slack, or of what speaks like it. A coloured attachment with blocks; the
//! title is the text that phones show.
//!
//! Limits of <https://docs.slack.dev/reference/block-kit/blocks>: 3000 characters of a section's text, 50 blocks of a
//! message.

use std::time::Duration;

use serde_json::{Value, json};

use super::message::{place, span};
use super::{Message, Notifier, Settings, TIMEOUT, parsed_url};
use crate::alert::AlertView;
use crate::base::secret::Secret;
use crate::deliver::{Accept, HttpPayload, Payload, Retry};

/// Characters of a section's text, as they are sent.
const SECTION_CHARS_MAX: usize = 3000;
/// Characters of the title.
const TITLE_CHARS_MAX: usize = 300;
/// Alerts of a group that are shown: a section each.
const ALERTS_MAX: usize = 20;

struct Slack {
    url: Secret,
    timeout: Duration,
}

/// Reads its settings.
pub(super) fn compile(settings: &Settings) -> Result<Box<dyn Notifier>, String> {
    let url = settings.needed("url")?;
    parsed_url(url, "url")?;
    Ok(Box::new(Slack { url: url.clone(), timeout: settings.timeout(TIMEOUT) }))
}

impl Notifier for Slack {
    fn render(&self, message: &Message) -> Result<Vec<Payload>, String> {
        Ok(vec![Payload::Http(HttpPayload {
            method: "POST",
            url: self.url.clone(),
            headers: vec![("Content-Type".to_owned(), Secret::new("application/json"))],
            body: body(message).to_string().into_bytes(),
            // With 200 and another word, nothing was posted.
            accept: Accept::Word("ok"),
            retry: Retry::Usual,
            tls: None,
            timeout: self.timeout,
        })])
    }
}

fn body(message: &Message) -> Value {
    let told = message.notification();
    let mut blocks: Vec<Value> = told.alerts.iter().take(ALERTS_MAX).map(|view| section(&sentences(view))).collect();
    let left = told.alerts.len().saturating_sub(ALERTS_MAX) + message.unlisted();
    if left > 0 {
        blocks.push(section(&format!("and {left} more")));
    }
    let foot = escape(&format!("mcp-probe on {} · {}", told.instance, told.at), SECTION_CHARS_MAX);
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": foot, "verbatim": true }] }));
    json!({
        "text": escape(&message.title(), TITLE_CHARS_MAX),
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{ "color": colour(message), "blocks": blocks }],
    })
}

fn section(text: &str) -> Value {
    // Verbatim: nothing in it becomes a link or calls a person.
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// An alert in Slack's markup; what others wrote is escaped and quoted.
fn sentences(view: &AlertView) -> String {
    let place = place(view);
    let head =
        if place.is_empty() { escape(&view.alert, 300) } else { escape(&format!("{}: {place}", view.alert), 600) };
    let mut lines = vec![format!("*{head}*"), escape(&view.summary, 800)];
    if let Some(reason) = &view.reason {
        let details = view.details.as_deref().unwrap_or_default();
        // A backtick would end the quotation.
        let quoted = escape(&details.replace('`', "'"), 1000);
        lines.push(if quoted.is_empty() {
            escape(reason, 100)
        } else {
            format!("{}: `{quoted}`", escape(reason, 100))
        });
    }
    lines.push(escape(&span(view), 300));
    lines.join("\n")
}

/// The three characters that are markup become entities; nothing longer than so many characters is left, and no entity
/// is cut.
fn escape(text: &str, chars_max: usize) -> String {
    let mut escaped = String::new();
    let mut count = 0;
    for c in text.chars() {
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        count += piece.len().max(1);
        if count >= chars_max {
            escaped.push('…');
            break;
        }
        if piece.is_empty() { escaped.push(c) } else { escaped.push_str(piece) }
    }
    escaped
}

fn colour(message: &Message) -> &'static str {
    match (message.status(), message.severity()) {
        ("resolved", _) => "#2e7d32",
        ("test", _) | (_, "info") => "#1565c0",
        (_, "warning") => "#f9a825",
        _ => "#c62828",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::tests::{hostile, notification};
    use crate::base::secret::Masker;

    #[test]
    fn nothing_that_a_server_said_is_markup() {
        let message = Message::of(&hostile(), false, &Masker::default());
        let written = body(&message).to_string();
        assert!(!written.contains("<!channel>") && !written.contains("<http"), "{written}");
        assert!(written.contains("&lt;!channel&gt;"), "{written}");
    }

    #[test]
    fn limits_hold_for_the_largest_message() {
        let mut told = hostile();
        told.alerts[0].summary = "<&>".repeat(3000);
        told.alerts[0].details = Some("&".repeat(5000));
        told.alerts = vec![told.alerts[0].clone(); 150];
        let body = body(&Message::of(&told, false, &Masker::default()));
        let blocks = body["attachments"][0]["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 22);
        assert!(blocks[20].to_string().contains("and 130 more"), "{}", blocks[20]);
        for block in blocks {
            let text = block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap();
            assert!(text.chars().count() <= SECTION_CHARS_MAX, "{}", text.chars().count());
            assert!(!text.contains("&am…") && !text.contains("&…"), "an entity was cut: {text}");
        }
    }

    #[test]
    fn the_end_is_green() {
        let resolved = notification(crate::alert::Transition::Resolved);
        let body = body(&Message::of(&resolved, false, &Masker::default()));
        assert_eq!(body["attachments"][0]["color"], "#2e7d32");
        assert_eq!(body["text"], "[resolved] mcp_error_rate_spike: smoke on weather");
    }
}

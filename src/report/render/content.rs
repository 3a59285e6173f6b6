//! Content blocks, and the result of a tool: text as it is, everything else as a line that says what it is.

use serde_json::Value;

use super::{text, value};
use crate::base::duration::human_bytes;
use crate::base::sanitize;
use crate::report::{Ink, Look};

/// The result of `tools/call`; `None` when it has not the shape of one.
#[must_use]
pub fn tool_result(result: &Value, look: &Look) -> Option<String> {
    let blocks = match result.get("content") {
        Some(content) => content.as_array()?.as_slice(),
        None if result.get("structuredContent").is_some() => &[],
        None => return None,
    };
    let structured = result.get("structuredContent").filter(|value| !value.is_null());
    let mut shown = String::new();
    for block in blocks {
        // A server that returns structured content repeats it as text for older clients; once is enough.
        let repeats = structured.is_some()
            && text(block, "type") == "text"
            && serde_json::from_str::<Value>(text(block, "text")).ok().as_ref() == structured;
        if !repeats {
            shown.push_str(&self::block(block, look));
        }
    }
    if let Some(structured) = structured {
        if !shown.is_empty() && look.is_terminal() {
            shown.push_str(&look.paint(Ink::Dim, "structured content:"));
            shown.push('\n');
        }
        shown.push_str(&value::pretty(structured, look));
        shown.push('\n');
    }
    if shown.is_empty() && look.is_terminal() {
        shown = format!("{}\n", look.paint(Ink::Dim, "(no content)"));
    }
    Some(shown)
}

/// One block, ending in a line feed.
#[must_use]
pub fn block(block: &Value, look: &Look) -> String {
    let known = match text(block, "type") {
        "text" => block.get("text").and_then(Value::as_str).map(ended),
        "image" | "audio" => block
            .get("data")
            .and_then(Value::as_str)
            .map(|data| look.paint(Ink::Dim, &binary(text(block, "mimeType"), data)) + "\n"),
        "resource_link" => Some(link(block, look)),
        "resource" => block.get("resource").and_then(|resource| {
            let head = format!("resource {}", sanitize::one_line(text(resource, "uri"), 500));
            Some(format!("{}\n{}", look.paint(Ink::Dim, &head), resource_body(resource, look)?))
        }),
        _ => None,
    };
    known.unwrap_or_else(|| value::compact(block) + "\n")
}

/// The text of a resource, or what its bytes are.
#[must_use]
pub fn resource_body(resource: &Value, look: &Look) -> Option<String> {
    if let Some(text) = resource.get("text").and_then(Value::as_str) {
        return Some(ended(text));
    }
    let blob = resource.get("blob")?.as_str()?;
    Some(look.paint(Ink::Dim, &binary(text(resource, "mimeType"), blob)) + "\n")
}

fn link(block: &Value, look: &Look) -> String {
    let mut line = format!(
        "{} {}",
        look.paint(Ink::Dim, "link"),
        look.paint(Ink::Strong, &sanitize::one_line(text(block, "uri"), 500))
    );
    for part in ["title", "name", "mimeType", "description"] {
        let part = text(block, part);
        if !part.is_empty() {
            line.push_str(&format!(" · {}", sanitize::one_line(part, 200)));
        }
    }
    line + "\n"
}

/// `image/png, 1.2 KiB (base64)`: the size is that of the bytes, not of their spelling.
fn binary(mime: &str, base64: &str) -> String {
    let digits = base64.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count() as u64;
    let mime = if mime.is_empty() { "bytes of unknown type".to_owned() } else { sanitize::one_line(mime, 80) };
    format!("{mime}, {} (base64)", human_bytes(digits * 3 / 4))
}

fn ended(text: &str) -> String {
    let mut safe = sanitize::printable(text).into_owned();
    if !safe.ends_with('\n') {
        safe.push('\n');
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PERSON: Look = Look { width: Some(80), colour: false };

    #[test]
    fn every_kind_of_block() {
        let shown = |value: Value| block(&value, &PERSON);
        assert_eq!(shown(json!({"type": "text", "text": "a\u{1b}]0;t\u{7}\nb"})), "a\\u{1b}]0;t\\u{7}\nb\n");
        assert_eq!(
            shown(json!({"type": "image", "mimeType": "image/png", "data": "A".repeat(1640)})),
            "image/png, 1.2 KiB (base64)\n"
        );
        assert_eq!(shown(json!({"type": "audio", "data": "AA=="})), "bytes of unknown type, 1 B (base64)\n");
        assert_eq!(
            shown(json!({"type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": "text/plain"})),
            "link file:///a · a · text/plain\n"
        );
        assert_eq!(
            shown(json!({"type": "resource", "resource": {"uri": "file:///a", "text": "x"}})),
            "resource file:///a\nx\n"
        );
        assert_eq!(shown(json!({"type": "video", "x": 1})), "{\"type\":\"video\",\"x\":1}\n");
        assert_eq!(shown(json!({"type": "text"})), "{\"type\":\"text\"}\n");
    }

    #[test]
    fn structured_content_is_shown_once() {
        let both = json!({"content": [{"type": "text", "text": "{\"a\": 1}"}], "structuredContent": {"a": 1}});
        assert_eq!(tool_result(&both, &PERSON).unwrap(), "{\n  \"a\": 1\n}\n");
        let other = json!({"content": [{"type": "text", "text": "one"}], "structuredContent": {"a": 1}});
        assert_eq!(tool_result(&other, &PERSON).unwrap(), "one\nstructured content:\n{\n  \"a\": 1\n}\n");
        assert_eq!(tool_result(&json!({"content": []}), &PERSON).unwrap(), "(no content)\n");
        assert_eq!(tool_result(&json!({"content": []}), &Look::PLAIN).unwrap(), "");
        assert_eq!(tool_result(&json!({}), &PERSON), None);
    }
}

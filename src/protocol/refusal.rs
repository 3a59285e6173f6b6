//! What an HTTP answer without a JSON-RPC message means: the layer that refused and the next thing to try.

use crate::base::sanitize::one_line;
use crate::event::Reason;

/// An HTTP answer, as far as the verdict needs it.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// `Content-Type`, as it came.
    pub content_type: Option<&'a str>,
    /// `Location`.
    pub location: Option<&'a str>,
    /// `WWW-Authenticate`.
    pub challenge: Option<&'a str>,
    /// `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The body, or its beginning.
    pub body: &'a [u8],
}

/// The sentence for a result to `method` that came with a status of failure.
#[must_use]
pub fn with_result(status: u16, method: &str) -> String {
    format!("HTTP {status} with the result of {method}: clients go by the status, and drop it; send a result with 200")
}

/// The reason and the sentence for an answer to `method` that is no JSON-RPC message.
#[must_use]
pub fn read(answer: &Answer<'_>, method: &str) -> (Reason, String) {
    let status = answer.status;
    let shown = body_shown(answer);
    match status {
        401 => (Reason::Auth, unauthorized(answer)),
        403 if mentions(answer, &["origin", "host"]) => (
            Reason::Http,
            format!(
                "HTTP 403: the server refuses the Host or Origin of this request{shown}; use the name the server was \
                 set up for, or add this one to its allowed hosts"
            ),
        ),
        403 => (
            Reason::Auth,
            format!(
                "HTTP 403: access to the MCP endpoint is forbidden{shown}{}; check the credentials and their scopes",
                answer
                    .challenge
                    .map_or_else(String::new, |said| format!(" (WWW-Authenticate: {})", one_line(said, 160)))
            ),
        ),
        407 => (Reason::Auth, "HTTP 407: the proxy wants credentials; put them into the proxy's URL".to_owned()),
        429 => {
            let wait = wait_shown(answer);
            (Reason::RateLimited, format!("HTTP 429: the server asks to slow down{wait}{shown}; probe less often"))
        }
        300..=399 => (Reason::Http, redirected(answer)),
        404 => (
            Reason::Http,
            format!("HTTP 404: there is no MCP endpoint at this path{shown}; many servers listen at /mcp or /sse"),
        ),
        405 => (Reason::Http, format!("HTTP 405: this path takes no POST, so it is no MCP endpoint{shown}; try /mcp")),
        406 => (
            Reason::Http,
            format!(
                "HTTP 406: the server refuses \"Accept: application/json, text/event-stream\", which every MCP client \
                 sends{shown}; something in front of it may drop the header"
            ),
        ),
        415 => (Reason::Http, format!("HTTP 415: the server does not take application/json{shown}")),
        421 => (
            Reason::Http,
            format!(
                "HTTP 421: the server does not answer to this host name{shown}; use the name it was set up for, or add \
                 this one to its allowed hosts"
            ),
        ),
        500..=599 => (
            Reason::Http,
            format!("HTTP {status}: the server, or a proxy in front of it, failed{shown}{}", wait_shown(answer)),
        ),
        _ if is_html(answer) => (
            Reason::Http,
            format!(
                "expected a JSON-RPC reply to {method}, got an HTML page (HTTP {status}){shown}; is this the MCP URL?"
            ),
        ),
        200..=299 if answer.body.is_empty() => (
            Reason::Http,
            format!(
                "expected a JSON-RPC reply to {method}, got HTTP {status} with an empty body; is this the MCP URL?"
            ),
        ),
        _ => (
            Reason::Http,
            format!("expected a JSON-RPC reply to {method}, got HTTP {status}{}{shown}", type_shown(answer)),
        ),
    }
}

fn wait_shown(answer: &Answer<'_>) -> String {
    answer.retry_after.map_or_else(String::new, |wait| format!(", Retry-After: {}", one_line(wait, 40)))
}

fn unauthorized(answer: &Answer<'_>) -> String {
    let challenge = match answer.challenge {
        Some(challenge) => format!("WWW-Authenticate: {}", one_line(challenge, 160)),
        None => "no WWW-Authenticate header".to_owned(),
    };
    format!(
        "HTTP 401: the server wants credentials, or refused the ones it got ({challenge}); give them with --bearer \
         TOKEN, --bearer env:NAME, -H 'Authorization: …', or auth in the probe file"
    )
}

fn redirected(answer: &Answer<'_>) -> String {
    let status = answer.status;
    match answer.location {
        Some(location) => format!(
            "HTTP {status}: the server redirects to {}, which was not followed: probe that URL if it is the right one",
            one_line(location, 200)
        ),
        None => format!("HTTP {status}: a redirect without Location"),
    }
}

fn is_html(answer: &Answer<'_>) -> bool {
    let start = String::from_utf8_lossy(&answer.body[..answer.body.len().min(256)]).trim_start().to_ascii_lowercase();
    answer.content_type.is_some_and(|kind| kind.contains("html"))
        || start.starts_with("<!doctype html")
        || start.starts_with("<html")
}

fn mentions(answer: &Answer<'_>, words: &[&str]) -> bool {
    let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(512)]).to_ascii_lowercase();
    !is_html(answer) && words.iter().any(|word| text.contains(word))
}

fn type_shown(answer: &Answer<'_>) -> String {
    answer.content_type.map_or_else(
        || " without a Content-Type".to_owned(),
        |kind| format!(" with Content-Type {}", one_line(kind, 60)),
    )
}

/// The beginning of the body; of an HTML page, its title.
fn body_shown(answer: &Answer<'_>) -> String {
    let text = String::from_utf8_lossy(answer.body);
    let shown = if is_html(answer) {
        let lower = text.to_ascii_lowercase();
        lower
            .find("<title>")
            .and_then(|start| Some((start + 7, start + lower[start..].find("</title>")?)))
            .and_then(|(start, end)| text.get(start..end))
            .map(|title| one_line(title, 80))
            .unwrap_or_default()
    } else if let Some(said) = said_in_json(answer.body) {
        one_line(&said, 120)
    } else {
        one_line(&text, 120)
    };
    if shown.is_empty() { String::new() } else { format!(": {shown:?}") }
}

/// What an error body in JSON says, in the members that servers use for it.
fn said_in_json(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let pointers = ["/error/message", "/error_description", "/message", "/detail", "/error"];
    pointers.iter().find_map(|pointer| value.pointer(pointer)?.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, content_type: Option<&str>, body: &str) -> (Reason, String) {
        let answer =
            Answer { status, content_type, location: None, challenge: None, retry_after: None, body: body.as_bytes() };
        read(&answer, "tools/list")
    }

    #[test]
    fn each_layer_is_named() {
        for (status, kind, body, reason, words) in [
            (401, None, "", Reason::Auth, "--bearer"),
            (403, None, "Invalid Host header", Reason::Http, "allowed hosts"),
            (403, Some("text/html"), "<html><title>Attention</title>host", Reason::Auth, "Attention"),
            (404, None, "Not Found", Reason::Http, "no MCP endpoint"),
            (405, None, "", Reason::Http, "no POST"),
            (406, None, "", Reason::Http, "Accept"),
            (421, None, "", Reason::Http, "host name"),
            (429, None, "", Reason::RateLimited, "slow down"),
            (502, Some("text/html"), "<html><title>Bad Gateway</title>", Reason::Http, "\"Bad Gateway\""),
            (200, Some("text/html"), "<!DOCTYPE html>", Reason::Http, "HTML page"),
            (200, None, "", Reason::Http, "empty body"),
            (200, Some("text/plain"), "hello\u{1b}[2J", Reason::Http, "\\\\u{1b}"),
            (302, None, "", Reason::Http, "redirect"),
        ] {
            let (got, text) = judge(status, kind, body);
            assert_eq!(got, reason, "{status} {text}");
            assert!(text.contains(words), "{status}: {text}");
            assert!(!text.contains('\u{1b}'));
        }
    }
}

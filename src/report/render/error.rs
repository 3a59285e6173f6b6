//! What went wrong, for a person: the target, the reason, the sentence, the evidence below it.

use super::value;
use crate::base::sanitize;
use crate::event::{Cause, Finding, Severity, Status};
use crate::report::call::ErrorTold;
use crate::report::{Ink, Look, indented, wrap};

/// What the codes of JSON-RPC and MCP are called.
#[must_use]
pub fn code_name(code: i64) -> Option<&'static str> {
    Some(match code {
        -32700 => "parse error",
        -32600 => "invalid request",
        -32601 => "method not found",
        -32602 => "invalid params",
        -32603 => "internal error",
        -32002 => "resource not found",
        -32020 => "header mismatch",
        -32021 => "missing required client capability",
        -32022 => "unsupported protocol version",
        -32042 => "URL elicitation required",
        -32099..=-32000 => "server error",
        _ => return None,
    })
}

/// The error a server gave: code, its name, message, data.
#[must_use]
pub fn rpc_error(error: &ErrorTold, look: &Look) -> String {
    let name = code_name(error.code).map(|name| format!(" ({name})")).unwrap_or_default();
    let mut shown = format!(
        "{} {}\n",
        look.paint(Ink::Bad, &format!("JSON-RPC error {}{name}:", error.code)),
        sanitize::printable(error.message.trim_end())
    );
    if let Some(data) = &error.data {
        shown.push_str(&indented(&value::pretty(data, look), "  "));
        shown.push('\n');
    }
    shown
}

/// Why a target is not healthy: one line with the sentence, the evidence indented below it.
#[must_use]
pub fn failure(target: Option<&str>, status: Status, cause: &Cause, look: &Look) -> String {
    let word = if status == Status::Failed { "error" } else { status.name() };
    let target = target.map(|target| format!("{}: ", sanitize::one_line(target, 120))).unwrap_or_default();
    let safe = sanitize::printable(&cause.message);
    let (sentence, evidence) = safe.split_once('\n').unwrap_or((&safe, ""));
    let head = format!("{word}: ");
    let body = format!("{target}{sentence} [{}]", cause.reason);
    let body = match look.prose_width() {
        Some(width) => hanging(&format!("{head}{body}"), width),
        None => format!("{head}{body}"),
    };
    let rest = body.strip_prefix(head.trim_end()).unwrap_or(&body).to_owned();
    let mut shown = look.paint(Ink::of(status), head.trim_end()) + &rest + "\n";
    if !evidence.trim().is_empty() {
        shown.push_str(&look.paint(Ink::Dim, &indented(evidence.trim_end(), "  ")));
        shown.push('\n');
    }
    shown
}

/// Findings of a target: what was expected, what came, and where to read how to mend it. They are no failures of
/// the call, so even a grave one is a warning.
#[must_use]
pub fn findings<'a>(findings: impl IntoIterator<Item = &'a Finding>, target: Option<&str>, look: &Look) -> String {
    let mut shown = String::new();
    for finding in findings {
        let (word, ink) = match finding.severity {
            Severity::Info => ("info:", Ink::Dim),
            Severity::Warning | Severity::Error => ("warning:", Ink::Warn),
        };
        let target = target.map(|target| format!("{}: ", sanitize::one_line(target, 60))).unwrap_or_default();
        let path = finding.path.as_deref().map(|path| format!(" at {}", sanitize::one_line(path, 120)));
        let body = format!(
            "{word} {target}expected {}, got {}{} (mcp-probe explain {})",
            sanitize::one_line(&finding.expected, 300),
            sanitize::one_line(&finding.actual, 300),
            path.unwrap_or_default(),
            finding.id,
        );
        let body = match look.prose_width() {
            Some(width) => hanging(&body, width),
            None => body,
        };
        shown.push_str(&look.paint(ink, word));
        shown.push_str(body.strip_prefix(word).unwrap_or(&body));
        shown.push('\n');
    }
    shown
}

/// That the certificate of a target is taken as it is.
#[must_use]
pub fn insecure(target: &str, look: &Look) -> String {
    let word = "warning:";
    let name = sanitize::one_line(target, 100);
    let body = format!("{word} INSECURE: the certificate of {name} is not checked (--insecure)");
    let body = match look.prose_width() {
        Some(width) => hanging(&body, width),
        None => body,
    };
    look.paint(Ink::Bad, word) + body.strip_prefix(word).unwrap_or(&body) + "\n"
}

/// Wrapped, with every line but the first set in.
fn hanging(text: &str, width: usize) -> String {
    let lines = wrap(text, width);
    let Some(first) = lines.first().filter(|_| lines.len() > 1) else { return text.to_owned() };
    // The first line is as long as the terminal allows; the rest has less room.
    let rest = text.get(first.len()..).unwrap_or_default().trim_start();
    format!("{first}\n{}", indented(&wrap(rest, width.saturating_sub(2)).join("\n"), "  "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Reason;

    #[test]
    fn a_failure_is_a_sentence_with_its_evidence_below() {
        let cause = Cause::new(
            Reason::Exited,
            "the server ended with exit code 1 before it answered initialize\nstderr ends with:\nboom\u{1b}[31m",
        );
        assert_eq!(
            failure(Some("weather"), Status::Failed, &cause, &Look::PLAIN),
            "error: weather: the server ended with exit code 1 before it answered initialize [exited]\n  \
             stderr ends with:\n  boom\\u{1b}[31m\n"
        );
        let narrow = Look { width: Some(40), colour: false };
        let text = failure(None, Status::Unknown, &cause, &narrow);
        assert!(text.starts_with("unknown: the server ended with exit code\n  1 before"), "{text}");
    }

    #[test]
    fn a_servers_error_has_code_name_and_data() {
        let error = ErrorTold { code: -32602, message: "no\u{7}".into(), data: Some(json!({"a": 1})) };
        assert_eq!(
            rpc_error(&error, &Look::PLAIN),
            "JSON-RPC error -32602 (invalid params): no\\u{7}\n  {\n    \"a\": 1\n  }\n"
        );
        assert_eq!(code_name(-32_005), Some("server error"));
        assert_eq!(code_name(7), None);
    }

    #[test]
    fn findings_are_lines() {
        let list = [Finding::new("stdio.stdout_clean", Severity::Warning, "only messages", "2 lines\nof log")];
        assert_eq!(
            findings(&list, Some("w"), &Look::PLAIN),
            "warning: w: expected only messages, got 2 lines of log (mcp-probe explain stdio.stdout_clean)\n"
        );
        let narrow = findings(&list, None, &Look { width: Some(40), colour: false });
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        assert!(narrow.contains("\n  lines of log"), "{narrow}");
    }
}

//! What no specification forbids and clients in use stumble over: replies that are too large or too late for them.

use std::time::Duration;

use serde_json::Value;

use super::super::case::cut;
use super::super::{Area, Case, Keyword, Rule, Verdict, Violation};

/// Readers with a bound on one message have it here or below.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What Claude Code takes of one result, in tokens, as of 2026-10.
const RESULT_TOKENS_MAX: u64 = 25_000;
/// The time-out of the TypeScript SDK, which many clients do not change.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) static RULES: &[Rule] = &[
    Rule::new("size.message", &["F9"], Area::Field, message_size)
        .worded(Keyword::Should)
        .noticed()
        .says(
            "A message is no larger than 1 MiB.",
            "Clients and proxies bound what they read as one line, event or body, and drop the connection above it.",
            "page lists, and let tools answer with a resource link instead of the whole content.",
        )
        .page("server/utilities/pagination"),
    Rule::new("call.result_tokens", &["F50"], Area::Field, result_tokens)
        .worded(Keyword::Should)
        .noticed()
        .says(
            "The text of a tool's result is no longer than 25,000 tokens (characters ÷ 4).",
            "Claude Code cuts longer results off or puts them into a file; other models lose what came before them.",
            "let the tool take a limit or a page, or answer with a resource link.",
        )
        .page("server/tools#tool-result"),
    Rule::new("call.late", &["F46"], Area::Field, late)
        .worded(Keyword::Should)
        .noticed()
        .says(
            "A request is answered within 60 seconds.",
            "The TypeScript SDK gives up after 60 seconds unless it is told otherwise, whatever progress is reported.",
            "start long work in the background and let it be asked for, as a task where the client knows them.",
        )
        .page("basic/utilities/progress"),
];

fn message_size(case: &Case<'_>) -> Verdict {
    let frames = case.all().flat_map(|(place, shot)| shot.frames().map(move |frame| (place, frame)));
    Verdict::of_all(
        frames.map(|(place, frame)| match frame.raw.len() {
            bytes if bytes > MESSAGE_BYTES_MAX => {
                Err(Violation::new("at most 1,048,576 bytes", format!("{bytes} bytes")).shown_by(place))
            }
            _ => Ok(()),
        }),
        "no message came",
    )
}

fn result_tokens(case: &Case<'_>) -> Verdict {
    Verdict::of_all(
        case.results_of("tools/call").map(|(place, result)| {
            let chars = |text: &str| text.chars().count() as u64;
            let blocks = result.get("content").and_then(Value::as_array).into_iter().flatten();
            let texts = blocks.filter_map(|block| block.get("text").and_then(Value::as_str)).map(chars).sum::<u64>();
            let structured = result.get("structuredContent").map_or(0, |value| chars(&value.to_string()));
            // Clients show the model one of the two.
            match texts.max(structured).div_ceil(4) {
                tokens if tokens > RESULT_TOKENS_MAX => {
                    let actual = format!("~{tokens} tokens");
                    Err(Violation::new("at most 25,000 tokens", actual).at("$.content").shown_by(place))
                }
                _ => Ok(()),
            }
        }),
        "no tool was called",
    )
}

fn late(case: &Case<'_>) -> Verdict {
    let asked = case.all().filter(|(_, shot)| shot.answer.is_some());
    Verdict::of_all(
        asked.map(|(place, shot)| {
            if shot.took <= WAIT_MAX {
                return Ok(());
            }
            let method = cut(shot.method.as_deref().unwrap_or("a request"));
            let actual = format!("{method} was answered after {} s", shot.took.as_secs());
            Err(Violation::new("an answer within 60 s", actual).shown_by(place))
        }),
        "nothing was answered",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::reply;
    use crate::check::tests::{exchange, facts};
    use crate::event::Severity;
    use crate::session::{Exchange, Reply};
    use crate::wire::{Id, message};

    fn replied(method: &str, result: Value) -> Exchange {
        let raw = message::reply(&Id::number(1), &Ok(result.clone()));
        Exchange {
            reply: Ok(Reply { body: Ok(std::sync::Arc::new(result)), raw: vec![raw] }),
            ..exchange(method, Ok(Value::Null))
        }
    }

    fn noticed(exchange: &Exchange) -> Vec<&'static str> {
        let found = reply::notice(&facts(), exchange);
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning), "{found:?}");
        found.iter().map(|finding| finding.id).filter(|id| RULES.iter().any(|rule| rule.id == *id)).collect()
    }

    #[test]
    fn what_is_too_much_for_clients_is_noticed_and_the_limit_itself_is_not() {
        let text = |chars: usize| json!({"content": [{"type": "text", "text": "é".repeat(chars)}]});
        assert_eq!(noticed(&replied("tools/call", text(100_000))), Vec::<&str>::new());
        assert_eq!(noticed(&replied("tools/call", text(100_001))), ["call.result_tokens"]);
        let page = |bytes: usize| json!({"tools": [], "_meta": {"x": "a".repeat(bytes)}});
        assert_eq!(noticed(&replied("tools/list", page(1 << 20))), ["size.message"]);
        assert_eq!(noticed(&replied("tools/list", page((1 << 20) - 200))), Vec::<&str>::new());
        let minute = Duration::from_secs(60);
        let mut slow = replied("tools/list", json!({"tools": []}));
        slow.total = minute;
        assert_eq!(noticed(&slow), Vec::<&str>::new());
        slow.total = minute + Duration::from_millis(1);
        assert_eq!(noticed(&slow), ["call.late"]);
    }
}

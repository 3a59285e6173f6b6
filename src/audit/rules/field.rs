//! How servers are known to fail in the field, whatever the specification says: replies that are too large or too late for
//! clients, balancers that lose sessions, proxies that cut streams, redirects that leave https.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::super::case::cut;
use super::super::exercises::{ACCEPTING, AT_ONCE, CALLS, HELD, MEMORY, RECONNECTED, SPELLING, WEIGHED};
use super::super::rule::{HTTP, LEGACY_LAST, STDIO};
use super::super::shot::Item;
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};

/// Readers with a bound on one message have it here or below.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What Claude Code takes of one result, in tokens, as of 2026-10.
const RESULT_TOKENS_MAX: u64 = 25_000;
/// More than this in two hundred requests, which keep nothing, is no noise of a collector.
const GROWTH_BYTES_MAX: u64 = 8 << 20;
/// The time-out of the TypeScript SDK, which many clients do not change.
pub(in crate::audit) const WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) static RULES: &[Rule] = &[
    Rule::new("size.message", &["F9"], Area::Field, message_size)
        .worded(Keyword::Should)
        .noticed()
        .occasions(&[&CALLS])
        .says(
            "A message is no larger than 1 MiB.",
            "Clients and proxies bound what they read as one line, event or body, and drop the connection above it.",
            "page lists, and let tools answer with a resource link instead of the whole content.",
        )
        .page("server/utilities/pagination"),
    Rule::new("call.result_tokens", &["F50"], Area::Field, result_tokens)
        .worded(Keyword::Should)
        .noticed()
        .occasions(&[&CALLS])
        .says(
            "The text of a tool's result is no longer than 25,000 tokens (characters ÷ 4).",
            "Claude Code cuts longer results off or puts them into a file; other models lose what came before them.",
            "let the tool take a limit or a page, or answer with a resource link.",
        )
        .page("server/tools#tool-result"),
    Rule::new("call.late", &["F46"], Area::Field, late)
        .worded(Keyword::Should)
        .noticed()
        .occasions(&[&CALLS])
        .says(
            "A request is answered within 60 seconds.",
            "The TypeScript SDK gives up after 60 seconds unless it is told otherwise, whatever progress is reported.",
            "start long work in the background and let it be asked for, as a task where the client knows them.",
        )
        .page("basic/utilities/progress"),
    Rule::new("http.accept_spelling", &["F12"], Area::Field, accept)
        .worded(Keyword::Should)
        .since("2025-03-26")
        .over(HTTP)
        .needs(Class::Harmless, &[&ACCEPTING])
        .says(
            "A request that accepts both types is served, whatever their order and weights.",
            "Servers that compare the header as a text answer 406 to every client but the one they were tried with.",
            "read Accept as a list (RFC 9110, section 12.5.1), and look for a proxy that rewrites it.",
        )
        .page("basic/transports#sending-messages-to-the-server"),
    Rule::new("resources.rss_slope", &["F8"], Area::Field, rss_slope)
        .worded(Keyword::Should)
        .over(STDIO)
        .needs(Class::Slow, &[&MEMORY])
        .says(
            "The memory of the server does not grow with every request, once it is warm.",
            "A server that keeps something of each request is ended by the system after some days, in the middle of work.",
            "look for caches without a bound, listeners that are added per request, and lists of what was seen.",
        )
        .page("basic/utilities/ping"),
    Rule::new("http.spelling", &["F13"], Area::Field, spelling)
        .worded(Keyword::Security)
        .over(HTTP)
        .needs(Class::Slow, &[&SPELLING])
        .says(
            "Where the URL with a slash at its end, or without it, is redirected, the redirect keeps the scheme and the host.",
            "Users and forms add and drop slashes; a redirect to http or to an inner name sends tokens in the clear or nowhere.",
            "serve both spellings, or let the framework know the outer scheme and host (X-Forwarded-Proto, --proxy-headers).",
        )
        .page("basic/authorization"),
    Rule::new("session.replicas", &["F19"], Area::Field, replicas)
        .since("2025-03-26")
        .until(LEGACY_LAST)
        .over(HTTP)
        .needs(Class::Slow, &[&RECONNECTED])
        .says(
            "A session goes on over new connections: no request in it is told that there is no such session.",
            "Where a balancer gives each connection to another replica, sessions that one replica keeps for itself break at random.",
            "share the sessions between replicas, route by `Mcp-Session-Id`, or do without sessions.",
        )
        .page("basic/transports#session-management"),
    Rule::new("load.parallel", &["F54"], Area::Field, parallel)
        .worded(Keyword::Info)
        .needs(Class::Slow, &[&AT_ONCE])
        .says(
            "Eight requests at once are all answered.",
            "Models call several tools at a time; where some are lost the client waits until its time is over.",
            "take requests while others are worked on, and look for locks and buffers that hold one message.",
        )
        .page("basic"),
    Rule::new("stream.survival", &["F16"], Area::Field, survival)
        .worded(Keyword::Should)
        .since("2025-03-26")
        .until(LEGACY_LAST)
        .over(HTTP)
        .needs(Class::Slow, &[&HELD])
        .says(
            "An event stream by GET stays open while nothing happens (for `--hold`, 65 s unless it is said).",
            "Proxies and platforms cut idle streams, often after a minute; what is told meanwhile is lost.",
            "send a comment every 15 seconds, and raise the idle time-out of what stands before the server.",
        )
        .page("basic/transports#listening-for-messages-from-the-server"),
];

/// Modes of failure that no rule judges, and why.
pub(super) static UNBUILT: &[(&str, &str)] = &[
    ("F3", "every probe of a stdio server tells it, as the finding `stdio.stderr_volume`"),
    (
        "F4",
        "every probe of a stdio server tells a slow start, as the finding `stdio.start_time`; a cold one needs the caches of \
      its launcher thrown away, which are not ours",
    ),
    (
        "F5",
        "a command that is not found opens no session: the target fails with the reason `spawn` and the places looked at",
    ),
    ("F6", "a process that ends opens no session: the target fails with the reason `exited` and the end of its stderr"),
    ("F7", "a silent server opens no session: the target fails with the reason `timeout` and what was seen of it"),
    ("F17", "progress that a proxy holds back looks like progress that a server tells only at its end"),
    ("F24", "every probe over https tells it, as the finding `tls.expiry`, or fails with the reason `tls`"),
    ("F26", "it happens while a new version is rolled out, which `watch` sees and an audit does not"),
    ("F27", "the health endpoint beside a server is not a part of the protocol, and only its owner knows it"),
    ("F28", "every probe over HTTP tells it, as the finding `http.clock_skew`"),
    ("F36", "it takes an earlier state to compare with: `lock` keeps it, and `check --locked` tells every change"),
    ("F40", "the part of the audit about clients judges definitions as each provider does"),
    ("F41", "the part of the audit about clients judges definitions as the TypeScript SDK does"),
    ("F43", "nothing that may be sent from outside makes a list change"),
    ("F47", "it needs the refresh token of a user, which a prober is not given"),
    ("F49", "the part of the audit about cost counts the tokens of definitions"),
    ("F51", "the part of the audit about texts looks for what is suspicious in definitions"),
    ("F52", "the part of the audit about launches tells commands whose version is not fixed"),
    ("F53", "the part of the audit about launches tells secrets that are written out, as `config.secret_literal`"),
];

fn accept(case: &Case<'_>) -> Verdict {
    Verdict::of_all(
        case.of(&ACCEPTING).filter(|(_, shot)| shot.label != "initialize" && shot.method.is_some()).filter_map(
            |(place, shot)| match (shot.status()?, &shot.answer) {
                (406, _) => {
                    let sent = shot.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("accept"));
                    let sent = sent.map(|(_, value)| value.as_str()).unwrap_or_default();
                    let expected = format!("an answer to Accept: {sent}");
                    Some(Err(Violation::new(expected, shot.said()).shown_by(place)))
                }
                (_, Some(Ok(_))) => Some(Ok(())),
                _ => None,
            },
        ),
        "no answer came that says anything of Accept",
    )
}

/// The least of the last third against the least of the one before: what a collector gives back now and then is no growth,
/// and what is taken once, to become warm, is in the first third.
fn rss_slope(case: &Case<'_>) -> Verdict {
    let weighed: Vec<(usize, u64)> =
        case.of(&MEMORY).filter_map(|(place, shot)| Some((place, shot.resident_bytes?))).collect();
    if weighed.len() < WEIGHED {
        return Verdict::NotExercised("the memory of its processes could not be read often enough".into());
    }
    let third = weighed.len() / 3;
    let least = |part: &[(usize, u64)]| part.iter().map(|(_, bytes)| *bytes).min().unwrap_or_default();
    let (before, after) = (least(&weighed[third..2 * third]), least(&weighed[2 * third..]));
    let grown = after.saturating_sub(before);
    Verdict::of(grown <= GROWTH_BYTES_MAX, || {
        let requests = case.of(&MEMORY).filter(|(_, shot)| shot.label != "initialize").count() / 3;
        let mib = |bytes: u64| bytes >> 20;
        let actual =
            format!("{} MiB more after {requests} requests: {} MiB, then {} MiB", mib(grown), mib(before), mib(after));
        let expected = format!("at most {} MiB more", mib(GROWTH_BYTES_MAX));
        Violation::new(expected, actual).shown_by(weighed[weighed.len() - 1].0)
    })
}

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

fn spelling(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&SPELLING, "spelling") else {
        return Verdict::NotApplicable("the URL has no other spelling".into());
    };
    let asked = String::from_utf8_lossy(&shot.sent).into_owned();
    let Some(status) = shot.status() else {
        return Verdict::NotExercised(format!("{}: {}", cut(&asked), shot.said()).into());
    };
    let target = shot.header("location").filter(|_| (300..400).contains(&status));
    let (Some(target), Ok(url)) = (target, Url::parse(&asked)) else { return Verdict::Passes };
    let Ok(leads) = url.join(target) else { return Verdict::Passes };
    if leads.origin() == url.origin() || (leads.scheme() == "https" && leads.host() == url.host()) {
        return Verdict::Passes;
    }
    let actual = format!("HTTP {status} to {}", cut(target));
    let violation = Violation::new("no redirect, or one within the scheme and the host", actual).shown_by(place);
    let leaves_https = url.scheme() == "https" && leads.scheme() == "http";
    Verdict::Violates(if leaves_https { violation } else { violation.mild() })
}

fn replicas(case: &Case<'_>) -> Verdict {
    let all: Vec<(usize, &Shot)> = case.of(&RECONNECTED).filter(|(_, shot)| shot.label == "fresh").collect();
    let in_session = |shot: &Shot| shot.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"));
    if !all.iter().any(|(_, shot)| in_session(shot)) {
        return Verdict::NotApplicable("the server gives no sessions".into());
    }
    let answered = all.iter().filter(|(_, shot)| shot.result().is_some()).count();
    if answered == 0 {
        return Verdict::NotExercised("no request of the session was answered".into());
    }
    let mut lost = all.iter().filter(|(_, shot)| matches!(shot.status(), Some(400 | 404)) && shot.result().is_none());
    let Some((place, first)) = lost.next() else { return Verdict::Passes };
    let actual =
        format!("{} of {} requests in it were refused, the first with {}", 1 + lost.count(), all.len(), first.said());
    Verdict::Violates(Violation::new("one session over all connections", actual).shown_by(*place))
}

fn parallel(case: &Case<'_>) -> Verdict {
    let all: Vec<(usize, &Shot)> = case.of(&AT_ONCE).filter(|(_, shot)| shot.label == "beside").collect();
    let answered = all.iter().filter(|(_, shot)| shot.answer.is_some()).count();
    match all.iter().find(|(_, shot)| shot.answer.is_none()) {
        _ if answered == 0 => Verdict::NotExercised("no request was answered".into()),
        None => Verdict::Passes,
        Some((place, first)) => {
            let actual = format!("{answered} of {}, and to the first of the others {}", all.len(), first.said());
            Verdict::Violates(Violation::new("an answer to each request", actual).shown_by(*place))
        }
    }
}

fn survival(case: &Case<'_>) -> Verdict {
    let Some((place, shot)) = case.shot(&HELD, "held") else {
        return Verdict::NotExercised("no stream was opened".into());
    };
    match shot.status() {
        Some(200) => {}
        Some(status) => {
            return Verdict::NotApplicable(format!("HTTP {status}: there is no event stream by GET").into());
        }
        None => return Verdict::NotExercised(shot.said().into()),
    }
    let comes_again = shot.came.iter().any(|came| matches!(&came.item, Item::Cursor { id: Some(_), .. }));
    if !shot.ended && shot.fault.is_none() {
        return Verdict::Passes;
    }
    if comes_again {
        return Verdict::NotApplicable("the server closes its streams and says where to go on".into());
    }
    let actual = format!("it was closed after {:.1} s", shot.took.as_secs_f64());
    Verdict::Violates(Violation::new("an event stream that stays open", actual).shown_by(place))
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
        let mut found = reply::notice(&facts(), exchange);
        found.retain(|finding| RULES.iter().any(|rule| rule.id == finding.id));
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning), "{found:?}");
        found.iter().map(|finding| finding.id).collect()
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

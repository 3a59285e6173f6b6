//! Faults of the framing: what surrounds a message on standard output, and bodies that are no message.

use std::time::Duration;

use serde_json::Value;

use super::super::script::{Call, Step, edit_results, line, replace_replies};
use super::{Act, Fault, On, Scope, fault};

/// Just over the usual limit of 16 MiB.
const HUGE_BYTES: usize = (16 << 20) + 4096;
/// Above the 64 KiB that line readers choke on, far below any sane limit.
const BIG_BYTES: usize = 200_000;

pub(super) static FAULTS: &[Fault] = &[
    stdio("half-frame", "writes half of a reply and stops", |_, steps| {
        replace_replies(steps, |reply| {
            let bytes = line(reply);
            vec![Step::Raw(bytes[..bytes.len() / 2].to_vec()), Step::Hang]
        });
    }),
    stdio("half-frame-exit", "writes half of a reply and exits", |_, steps| {
        replace_replies(steps, |reply| {
            let bytes = line(reply);
            vec![Step::Raw(bytes[..bytes.len() / 2].to_vec()), Step::Exit(1)]
        });
    }),
    stdio("no-newline", "writes a whole reply without its line end and stops", |_, steps| {
        replace_replies(steps, |reply| vec![Step::Raw(line(reply).trim_ascii_end().to_vec()), Step::Hang]);
    }),
    stdio("split-writes", "writes a reply a few bytes at a time (valid)", |_, steps| {
        replace_replies(steps, |reply| {
            let bytes = line(reply);
            let size = bytes.len().div_ceil(20).max(1);
            let parts = bytes.chunks(size).map(|part| Step::Raw(part.to_vec()));
            parts.flat_map(|part| [part, Step::Pause(Duration::from_millis(2))]).collect()
        });
    }),
    stdio("crlf", "ends its lines with CR LF", |_, steps| around(steps, b"", b"\r\n")),
    stdio("blank-lines", "puts blank lines between messages", |_, steps| around(steps, b"\n\n", b"\n  \n\n")),
    stdio("stdout-noise", "prints log lines on stdout between messages", |_, steps| {
        around(steps, b"[info] handling a request\n", b"\n[debug] request handled in 3 ms\n");
    }),
    stdio("stdout-ansi", "prints escape sequences on stdout between messages", |_, steps| {
        around(steps, b"\x1b[2J\x1b[31m[info]\x1b[0m \x1b]8;;http://x.invalid\x07link\x1b]8;;\x07\n", b"\n");
    }),
    stdio("stdout-json-noise", "prints JSON that is no JSON-RPC between messages", |_, steps| {
        around(steps, b"{\"level\":\"info\",\"msg\":\"handling\"}\n42\n", b"\n");
    }),
    stdio("embedded-newline", "breaks a reply over several lines (pretty-printed JSON)", |_, steps| {
        replace_replies(steps, |reply| {
            let mut pretty = serde_json::to_vec_pretty(reply).unwrap_or_default();
            pretty.push(b'\n');
            vec![Step::Raw(pretty)]
        });
    }),
    stdio("content-length", "frames its messages with Content-Length headers, as a language server", |_, steps| {
        replace_replies(steps, |reply| {
            let body = reply.to_string();
            vec![Step::Raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())]
        });
    }),
    both("not-json", "answers with text that is not JSON", |_, steps| {
        replace_replies(steps, |_| vec![Step::Raw(b"Traceback (most recent call last): KeyError 'id'\n".to_vec())]);
    }),
    both("not-utf8", "answers with bytes that are not UTF-8", |call, steps| {
        let id = call.id.clone();
        replace_replies(steps, |_| {
            let mut bytes = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"text\":\"").into_bytes();
            bytes.extend_from_slice(b"caf\xe9 \xff\xfe\"}}\n");
            vec![Step::Raw(bytes)]
        });
    }),
    both("truncated-json", "answers with JSON that ends too early", |_, steps| {
        replace_replies(steps, |reply| {
            let bytes = line(reply);
            let mut cut = bytes[..bytes.len() * 2 / 3].to_vec();
            cut.push(b'\n');
            vec![Step::Raw(cut)]
        });
    }),
    both("deep-json", "answers with JSON that is nested 100000 levels deep", |call, steps| {
        let id = call.id.clone();
        replace_replies(steps, |_| {
            let mut text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"deep\":");
            text.push_str(&"[".repeat(100_000));
            text.push_str(&"]".repeat(100_000));
            text.push_str("}}\n");
            vec![Step::Raw(text.into_bytes())]
        });
    }),
    both("huge-frame", "answers with one message of over 16 MiB", |_, steps| pad(steps, HUGE_BYTES)),
    both("big-line", "answers with one message of 200 KB (valid)", |_, steps| pad(steps, BIG_BYTES)),
    both("batch-reply", "wraps its reply in an array", |_, steps| {
        replace_replies(steps, |reply| vec![Step::Say(Value::Array(vec![reply.clone()]))]);
    }),
    stdio("endless-line", "writes a line that never ends", |_, steps| {
        replace_replies(steps, |_| {
            let part = vec![b'x'; 1 << 16];
            // 64 MiB at most, so that a reader without a limit fails and the machine survives.
            std::iter::repeat_n(part, 1 << 10).map(Step::Raw).collect()
        });
    }),
];

const fn stdio(name: &'static str, about: &'static str, act: fn(&Call<'_>, &mut Vec<Step>)) -> Fault {
    fault(name, On::Stdio, Scope::Calls, about, Act::Script(act))
}

const fn both(name: &'static str, about: &'static str, act: fn(&Call<'_>, &mut Vec<Step>)) -> Fault {
    fault(name, On::Both, Scope::Calls, about, Act::Script(act))
}

/// Puts bytes before and in place of the line end of every reply.
fn around(steps: &mut Vec<Step>, before: &[u8], end: &[u8]) {
    replace_replies(steps, |reply| {
        let mut bytes = before.to_vec();
        bytes.extend_from_slice(line(reply).trim_ascii_end());
        bytes.extend_from_slice(end);
        vec![Step::Raw(bytes)]
    });
}

fn pad(steps: &mut [Step], bytes: usize) {
    edit_results(steps, |result| {
        result["_meta"]["padding"] = "x".repeat(bytes).into();
    });
}

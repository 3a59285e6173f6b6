//! Faults of the process: how it starts, what it leaves behind, how it ends.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::boot::Fork;
use super::super::script::{Step, edit_results};
use super::{Act, Fault, On, Scope, fault};

pub(super) static FAULTS: &[Fault] = &[
    boot("exit-at-start", "says on stderr what is missing and exits with code 1 before reading", |boot| {
        boot.stderr = "Error: Cannot find module 'weather-backend'\nset WEATHER_HOME and try again\n";
        boot.exit = Some(1);
    }),
    boot("exit-at-start-silent", "exits with code 3 before reading, without a word", |boot| boot.exit = Some(3)),
    boot("exit-at-start-zero", "exits with code 0 before reading, as a program that only prints its version", |boot| {
        boot.stderr = "demo-server 1.0\n";
        boot.exit = Some(0);
    }),
    boot("slow-start", "reads nothing for the fault delay, as a launcher that installs first", |boot| {
        boot.delay = boot.fault_delay;
    }),
    boot("deaf", "never reads its standard input", |boot| boot.deaf = true),
    boot("stderr-flood", "writes to stderr without end", |boot| boot.flood = true),
    boot("stderr-ansi", "writes escape sequences and control bytes to stderr at the start", |boot| {
        boot.stderr = "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7} \u{202e}backwards\u{202c} \u{9b}2J\r\n";
    }),
    boot("ignore-eof", "goes on after the end of its standard input", |boot| boot.ignore_eof = true),
    boot("ignore-sigterm", "goes on after the end of its standard input and ignores SIGTERM", |boot| {
        boot.ignore_eof = true;
        boot.ignore_term = true;
    }),
    boot("slow-exit", "takes the fault delay to exit after the end of its standard input", |boot| {
        boot.linger = boot.fault_delay;
    }),
    boot("exit-code", "exits with code 7 after the end of its standard input", |boot| boot.code = 7),
    boot("fork-grandchild", "leaves a process behind in its group, which holds stdout open", |boot| {
        boot.fork = Some(Fork::SameGroup);
    }),
    boot("fork-detached", "leaves a process behind in a session of its own", |boot| {
        boot.fork = Some(Fork::Detached);
    }),
    boot("stdout-banner", "prints a line of text on stdout before the first message", |boot| {
        boot.stdout = b"demo server v1.0 ready, listening on stdio\n";
    }),
    boot("bom", "starts its output with a byte order mark", |boot| boot.stdout = b"\xef\xbb\xbf"),
    fault(
        "exit-on-discover",
        On::Stdio,
        Scope::Methods(&["server/discover"]),
        "exits with code 1 when it gets server/discover, as old SDKs do",
        Act::Script(|_, steps| *steps = vec![Step::Exit(1)]),
    ),
    fault(
        "exit-on-initialize",
        On::Stdio,
        Scope::Methods(&["initialize"]),
        "exits with code 1 when it gets initialize",
        Act::Script(|_, steps| *steps = vec![Step::Exit(1)]),
    ),
    fault(
        "exit-during-call",
        On::Both,
        Scope::Calls,
        "exits with code 2 instead of answering a call",
        Act::Script(|_, steps| *steps = vec![Step::Pause(Duration::from_millis(20)), Step::Exit(2)]),
    ),
    fault(
        "exit-after-reply",
        On::Stdio,
        Scope::Calls,
        "answers a call, then exits with code 0",
        Act::Script(|_, steps| steps.push(Step::Exit(0))),
    ),
    fault(
        "crash-signal",
        On::Both,
        Scope::Calls,
        "is killed by a signal (SIGKILL) instead of answering a call",
        Act::Script(|_, steps| *steps = vec![Step::Kill]),
    ),
    fault(
        "leak",
        On::Stdio,
        Scope::Requests,
        "keeps 128 KiB of memory for each request, and says in _meta how often it did",
        Act::Script(|_, steps| {
            let kept = keep();
            edit_results(steps, |result| {
                if let Some(result) = result.as_object_mut() {
                    let meta = result.entry("_meta").or_insert_with(|| serde_json::json!({}));
                    meta["mcp-probe.dev/kept"] = kept.into();
                }
            });
        }),
    ),
    fault(
        "close-stdout",
        On::Stdio,
        Scope::Calls,
        "closes its stdout instead of answering a call, and runs on",
        Act::Script(|_, steps| *steps = vec![Step::CloseStdout]),
    ),
];

/// Keeps some memory for good, and tells how often that was done.
fn keep() -> usize {
    static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    // Memory that is never written takes none.
    kept.push(vec![1; 128 << 10]);
    kept.len()
}

const fn boot(name: &'static str, about: &'static str, act: fn(&mut super::Boot)) -> Fault {
    fault(name, On::Stdio, Scope::Process, about, Act::Boot(act))
}

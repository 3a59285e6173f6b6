//! Rules of stdio: what is on stdout, how the process lives and ends, what is cancelled.

use std::time::Duration;

use super::super::case::cut;
use super::super::exercises::{CANCEL, EARLY_DISCOVER, IDS};
use super::super::rule::{LEGACY_LAST, STDIO};
use super::super::{Area, Case, Class, Item, Keyword, Rule, Shot, Verdict, Violation};
use crate::event::{Finding, Reason, Severity};
use crate::wire::{Frame, Malformed, Message};

const PAGE: &str = "basic/transports#stdio";
const PAGE_MODERN: &str = "basic/transports/stdio";

/// A reply that comes sooner may have been on its way when the request was cancelled.
const ON_ITS_WAY: Duration = Duration::from_millis(400);

/// Rows of the catalogue that no rule judges, and why.
pub(super) static UNBUILT: &[(&str, &str)] = &[
    ("S07", "M19 says the same of every transport"),
    ("S09", "a time is no breach: every run tells how long the start took, and `latency` in a probe file sets a limit"),
];

pub(super) static RULES: &[Rule] = &[
    of_stdio("stdio.stdout_clean", &["S01", "F2"], stdout_clean).says(
        "Nothing is written to stdout but messages.",
        "Many clients end the connection at the first line that is no message.",
        "write logs to stderr; look for print statements, banners and libraries that report to stdout.",
    ),
    of_stdio("stdio.one_line", &["S02", "F10"], one_line).says(
        "Every message is one line, ended by a line feed.",
        "Clients read line by line, and take half a message for a broken one.",
        "write messages without line breaks inside, and end each with \\n alone.",
    ),
    of_stdio("stdio.stays", &["S03"], stays).needs(Class::Harmless, &[&IDS]).says(
        "The process goes on after a reply.",
        "Clients keep one process for many requests.",
        "wait for the next line instead of ending after the first answer.",
    ),
    of_stdio("stdio.exit_on_eof", &["S04", "F1"], exits).worded(Keyword::Should).says(
        "The process ends when its stdin is closed.",
        "Clients that are killed can do no more than that, and processes pile up.",
        "end the program when reading stdin gives the end of the file.",
    ),
    of_stdio("stdio.leaves_nothing", &["S05", "F1"], leaves_nothing).worded(Keyword::Info).says(
        "The process ends upon SIGTERM, and leaves no other process behind.",
        "What is left behind runs until the machine is restarted.",
        "handle SIGTERM, and end the processes that the server has started.",
    ),
    of_stdio("stdio.cancelled", &["S06"], cancelled)
        .before("2026-07-28", Keyword::Should)
        .needs(Class::Calls, &[&CANCEL])
        .says(
            "Nothing more is sent for a request that was cancelled.",
            "The client has forgotten the request, and takes a reply for a mistake of the server.",
            "drop the reply of a request whose id came in notifications/cancelled.",
        )
        .page("basic/utilities/cancellation#behavior-requirements")
        .moved("2026-07-28", "basic/patterns/cancellation"),
    of_stdio("stdio.early_request", &["S08"], early_request)
        .worded(Keyword::Info)
        .until(LEGACY_LAST)
        .needs(Class::Invasive, &[&EARLY_DISCOVER])
        .says(
            "The process survives a request that comes before initialize.",
            "Clients of 2026-07-28 begin with server/discover, and have to start a server anew that ends upon it.",
            "answer requests before initialize with an error instead of ending.",
        )
        .page("basic/lifecycle#initialization"),
];

const fn of_stdio(id: &'static str, rows: &'static [&'static str], judge: fn(&Case<'_>) -> Verdict) -> Rule {
    Rule::new(id, rows, Area::Transport, judge).over(STDIO).page(PAGE).moved("2026-07-28", PAGE_MODERN)
}

/// A message that was broken over several lines: its beginning is no JSON yet.
fn is_broken(frame: &Frame) -> bool {
    let begins = frame.raw.trim_ascii_start().first().is_some_and(|first| b"{[".contains(first));
    begins && matches!(frame.parsed, Err(Malformed::NotJson { .. }))
}

/// Whether a line of JSON was never meant as a message.
fn is_stray(frame: &Frame) -> bool {
    let Err(Malformed::NotRpc { id: None, .. }) = &frame.parsed else { return false };
    let value: serde_json::Value = serde_json::from_slice(&frame.raw).unwrap_or_default();
    !["method", "result", "error"].iter().any(|member| value.get(member).is_some())
}

fn stdout_clean(case: &Case<'_>) -> Verdict {
    let heard = case.all().filter(|(_, shot)| !shot.came.is_empty());
    Verdict::of_all(
        heard.map(|(place, shot)| {
            // The further lines of a broken message are no logs.
            if shot.frames().any(is_broken) {
                return Ok(());
            }
            let stray = shot.came.iter().find_map(|came| match &came.item {
                Item::Noise(bytes) => Some(bytes),
                Item::Frame(frame) if is_stray(frame) => Some(&frame.raw),
                _ => None,
            });
            stray.map_or(Ok(()), |line| {
                let line = cut(&String::from_utf8_lossy(line));
                Err(Violation::new("messages alone on stdout", format!("the line {line:?}")).shown_by(place))
            })
        }),
        "nothing came on stdout",
    )
}

fn one_line(case: &Case<'_>) -> Verdict {
    let frames = case.all().flat_map(|(place, shot)| shot.frames().map(move |frame| (place, frame)));
    let whole = Verdict::of_all(
        frames.map(|(place, frame)| {
            if !is_broken(frame) {
                return Ok(());
            }
            let line = cut(&String::from_utf8_lossy(&frame.raw));
            let expected = "one message a line";
            Err(Violation::new(expected, format!("a line that holds a part of one: {line:?}")).shown_by(place))
        }),
        "nothing came on stdout",
    );
    match (whole, noticed(case, "stdio.framing")) {
        (Verdict::Passes, Some(finding)) => {
            Verdict::Violates(Violation::new(finding.expected.clone(), finding.actual.clone()).mild())
        }
        (whole, _) => whole,
    }
}

/// What the transport noticed under that id.
fn noticed<'a>(case: &Case<'a>, id: &str) -> Option<&'a Finding> {
    case.findings?.iter().find(|finding| finding.id == id)
}

fn stays(case: &Case<'_>) -> Verdict {
    let mut answered = false;
    let mut judged = Verdict::NotExercised("no request was answered".into());
    for (place, shot) in case.of(&IDS).filter(|(_, shot)| shot.method.as_deref().is_some_and(is_request)) {
        match &shot.fault {
            Some(fault) if answered && matches!(fault.reason, Reason::Exited | Reason::Closed) => {
                let actual = cut(&fault.message);
                return Verdict::Violates(Violation::new("an answer to the next request", actual).shown_by(place));
            }
            _ if shot.answer.is_some() && answered => judged = Verdict::Passes,
            _ => answered |= shot.answer.is_some(),
        }
    }
    judged
}

fn is_request(method: &str) -> bool {
    !method.starts_with("notifications/")
}

fn exits(case: &Case<'_>) -> Verdict {
    if case.findings.is_none() || !was_there(case) {
        return Verdict::NotExercised("no process was seen to its end".into());
    }
    match noticed(case, "stdio.exit_on_eof") {
        None => Verdict::Passes,
        Some(finding) => Verdict::Violates(Violation::new(finding.expected.clone(), finding.actual.clone())),
    }
}

fn leaves_nothing(case: &Case<'_>) -> Verdict {
    if case.findings.is_none() || !was_there(case) {
        return Verdict::NotExercised("no process was seen to its end".into());
    }
    let killed = noticed(case, "stdio.exit_on_eof").filter(|finding| finding.severity == Severity::Error);
    match noticed(case, "stdio.survivors").or(killed) {
        None => Verdict::Passes,
        Some(finding) => Verdict::Violates(Violation::new(finding.expected.clone(), finding.actual.clone())),
    }
}

/// Whether a process answered anything.
fn was_there(case: &Case<'_>) -> bool {
    case.all().any(|(_, shot)| shot.answer.is_some())
}

fn cancelled(case: &Case<'_>) -> Verdict {
    let calls = case.of(&CANCEL).filter(|(_, shot)| shot.label == "call");
    let mut judged = Verdict::NotExercised("no call was there to be cancelled".into());
    for (place, shot) in calls {
        if shot.fault.is_some() {
            continue;
        }
        match replied(shot) {
            None => judged = Verdict::Passes,
            Some((after, said_so)) if after > ON_ITS_WAY || said_so => {
                let waited = crate::base::duration::human(after);
                let actual = format!("{waited} after it was cancelled: {}", shot.said());
                return Verdict::Violates(Violation::new("no reply", actual).shown_by(place));
            }
            Some(_) if judged == Verdict::Passes => {}
            Some(_) => judged = Verdict::NotExercised("every call was answered before it could be cancelled".into()),
        }
    }
    judged
}

/// When the reply to a cancelled call came, and whether it speaks of the cancellation.
fn replied(shot: &Shot) -> Option<(Duration, bool)> {
    shot.came.iter().find_map(|came| match &came.item {
        Item::Frame(Frame { parsed: Ok(Message::Reply { id, body }), .. }) if *id == shot.id => {
            let said_so = body.as_ref().is_err_and(|error| error.message.to_ascii_lowercase().contains("cancel"));
            Some((came.after, said_so))
        }
        _ => None,
    })
}

fn early_request(case: &Case<'_>) -> Verdict {
    let mut of = case.of(&EARLY_DISCOVER).peekable();
    if of.peek().is_none() {
        return Verdict::unsent();
    }
    let gone = |shot: &Shot| {
        let fault = shot.fault.as_ref().filter(|fault| matches!(fault.reason, Reason::Exited | Reason::Closed))?;
        Some(cut(&fault.message))
    };
    let answered = case.shot(&EARLY_DISCOVER, "opening").is_some_and(|(_, shot)| shot.answer.is_some());
    match of.find_map(|(place, shot)| Some((place, gone(shot)?))) {
        Some((place, actual)) => {
            Verdict::Violates(Violation::new("an answer, or silence, and then the opening", actual).shown_by(place))
        }
        None if answered => Verdict::Passes,
        None => Verdict::NotExercised("initialize was not answered on the same pipe".into()),
    }
}

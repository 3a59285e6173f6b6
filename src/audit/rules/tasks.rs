//! Rules about the extension `io.modelcontextprotocol/tasks` of 2026-07-28. They hold for servers that declare it; one holds
//! for all.

use serde_json::Value;

use super::super::exercises::{CALLS, ROUNDS, TASK_METHODS, TASKS, created, declares_tasks};
use super::super::rule::HTTP;
use super::super::shape;
use super::super::{Area, Case, Class, Keyword, Rule, Shot, Verdict, Violation};
use super::modern::{TASKS_PAGE, unless_silent};

pub(super) static RULES: &[Rule] = &[
    Rule::new("tasks.undeclared_client", &["K01"], Area::Interaction, undeclared_client)
        .modern()
        .occasions(&[&ROUNDS, &CALLS])
        .says(
            "A client that does not declare tasks with a call gets no task for it.",
            "It does not know what to do with one, and never gets the result.",
            "look at clientCapabilities of each call; do the work before answering, or answer -32021.",
        )
        .page(TASKS_PAGE),
    Rule::new("tasks.gated", &["K02"], Area::Interaction, gated)
        .modern()
        .needs(Class::Invasive, &[&TASK_METHODS])
        .says(
            "`tasks/get`, `tasks/update` and `tasks/cancel` of a client that does not declare tasks are refused with error \
             -32021.",
            "The client learns by it that it has to declare the extension with every request.",
            "check clientCapabilities before the task is looked for.",
        )
        .page(TASKS_PAGE),
    Rule::new("tasks.unknown_id", &["K03"], Area::Interaction, unknown_id)
        .modern()
        .needs(Class::Invasive, &[&TASK_METHODS])
        .says(
            "A task that does not exist is answered with error -32602.",
            "A client that polls a task stops only at an error.",
            "answer -32602 to ids that are unknown or expired.",
        )
        .page(TASKS_PAGE),
    Rule::new("tasks.removed_methods", &["K04"], Area::Interaction, removed_methods)
        .modern()
        .needs(Class::Invasive, &[&TASK_METHODS])
        .says(
            "`tasks/result` and `tasks/list`, which 2025-11-25 had, are answered with error -32601.",
            "The result of a task is inside it now; a list would show the tasks of others.",
            "answer these methods only to clients that opened with initialize.",
        )
        .page(TASKS_PAGE),
    Rule::new("tasks.readable", &["K05"], Area::Interaction, readable)
        .modern()
        .needs(Class::Calls, &[&TASKS])
        .says(
            "A task can be read as soon as the call is answered with it.",
            "A client that gets an error takes the task for lost.",
            "store the task before answering the call.",
        )
        .page(TASKS_PAGE),
    Rule::new("tasks.members", &["K06"], Area::Interaction, members)
        .worded(Keyword::Schema)
        .modern()
        .needs(Class::Calls, &[&TASKS])
        .says(
            "A task has `ttlMs` and may have `pollIntervalMs`, both whole milliseconds, at the root of the result; `ttl`, \
             `pollInterval` and `task` are those of 2025-11-25.",
            "Clients read the new names, and poll too often or give up too early without them.",
            "rename the members, and put them into the result itself.",
        )
        .page(TASKS_PAGE),
    Rule::new("tasks.status", &["K07"], Area::Interaction, status)
        .modern()
        .needs(Class::Calls, &[&TASKS])
        .says(
            "A task that is read has resultType \"complete\" and what its status promises: `result` when completed, `error` \
             when failed, `inputRequests` when input is required.",
            "A client finds the outcome nowhere else.",
            "put the outcome into the task, and keep resultType \"task\" for the answer to the call.",
        )
        .page(TASKS_PAGE),
    Rule::new("tasks.name_header", &["K08"], Area::Transport, name_header)
        .worded(Keyword::Should)
        .modern()
        .over(HTTP)
        .needs(Class::Invasive, &[&TASK_METHODS])
        .says(
            "A request about a task whose header `Mcp-Name` is not its id is refused with error -32020.",
            "Gateways choose the server by the header, and the server would serve another task.",
            "compare Mcp-Name with params.taskId.",
        )
        .page(TASKS_PAGE),
];

const NO_TASKS: &str = "the server does not declare the extension io.modelcontextprotocol/tasks";
const NOTHING_CREATED: &str = "no call was answered with a task: name a tool that is with --tool";

fn undeclared_client(case: &Case<'_>) -> Verdict {
    let calls = case.all().filter(|(_, shot)| shot.method.as_deref() == Some("tools/call") && shot.result().is_some());
    // Of a probe's step it is not known what was declared.
    let unaware = calls.filter(|(_, shot)| shot.declared().is_some_and(|client| !declares_tasks(&client)));
    Verdict::of_all(
        unaware.map(|(place, shot)| match created(shot) {
            None => Ok(()),
            Some(_) => Err(Violation::new("the result of the call, or error -32021", shot.said()).shown_by(place)),
        }),
        "no tool was called by a client without tasks",
    )
}

/// Judges the answers to some messages of an exercise that only servers with tasks get.
fn each(case: &Case<'_>, labels: &[&'static str], judge: impl Fn(&Shot) -> Result<(), Violation>) -> Verdict {
    if !declares_tasks(&case.facts.capabilities) {
        return Verdict::NotApplicable(NO_TASKS.into());
    }
    let judged = labels.iter().map(|label| unless_silent(case.shot(&TASK_METHODS, label), &judge));
    Verdict::joined(judged, "nothing was sent")
}

fn gated(case: &Case<'_>) -> Verdict {
    each(case, &["get-unaware", "update-unaware", "cancel-unaware"], |shot| wants(shot, -32021))
}

/// The error with that code.
fn wants(shot: &Shot, code: i64) -> Result<(), Violation> {
    if shot.error().is_some_and(|error| error.code == code) {
        return Ok(());
    }
    let method = shot.method.as_deref().unwrap_or_default();
    Err(Violation::new(format!("error {code}"), format!("to {method}: {}", shot.said())))
}

fn unknown_id(case: &Case<'_>) -> Verdict {
    let read = each(case, &["get"], |shot| wants(shot, -32602));
    if !matches!(read, Verdict::Passes) {
        return read;
    }
    // For the others the specification says SHOULD.
    each(case, &["get", "update", "cancel"], |shot| wants(shot, -32602).map_err(Violation::mild))
}

fn removed_methods(case: &Case<'_>) -> Verdict {
    each(case, &["result", "list"], |shot| wants(shot, -32601))
}

fn name_header(case: &Case<'_>) -> Verdict {
    each(case, &["other-name"], |shot| wants(shot, -32020))
}

/// The answers to one step of every call that was answered with a task.
fn steps<'a>(case: &Case<'a>, labels: &'static [&'static str]) -> impl Iterator<Item = (usize, &'a Shot)> + use<'a> {
    let answered = case.of(&TASKS).filter(|(_, shot)| shot.answer.is_some() || shot.error().is_some());
    answered.filter(move |(_, shot)| labels.contains(&shot.label))
}

/// Judges the tasks that came of calls.
fn tasks(case: &Case<'_>, judged: impl Iterator<Item = Result<(), Violation>>) -> Verdict {
    if declares_tasks(&case.facts.capabilities) {
        Verdict::of_all(judged, NOTHING_CREATED)
    } else {
        Verdict::NotApplicable(NO_TASKS.into())
    }
}

fn readable(case: &Case<'_>) -> Verdict {
    tasks(
        case,
        steps(case, &["read"]).map(|(place, shot)| {
            if shot.result().is_some() { Ok(()) } else { Err(Violation::new("the task", shot.said()).shown_by(place)) }
        }),
    )
}

fn members(case: &Case<'_>) -> Verdict {
    let calls = steps(case, &["call"]).filter(|(_, shot)| {
        let kind = shot.result().and_then(|result| result.get("resultType"));
        kind.and_then(Value::as_str) == Some("task")
    });
    let read = steps(case, &["read", "read-again"]);
    let seen = calls.chain(read).filter_map(|(place, shot)| Some((place, shot.result()?)));
    tasks(
        case,
        seen.map(|(place, task)| {
            let wrong = |member: &str, expected: &str| {
                let came = task.get(member).map_or_else(|| "nothing".to_owned(), super::super::case::quote);
                Err(Violation::new(expected, came).at(format!("$.{member}")).shown_by(place))
            };
            if let Some(old) = ["task", "ttl", "pollInterval"].into_iter().find(|member| task.get(member).is_some()) {
                return wrong(old, "nothing; ttlMs and pollIntervalMs stand at the root");
            }
            if !task.get("ttlMs").is_some_and(|ttl| ttl.is_null() || ttl.is_u64()) {
                return wrong("ttlMs", "whole milliseconds, or null");
            }
            if task.get("pollIntervalMs").is_some_and(|interval| !interval.is_u64()) {
                return wrong("pollIntervalMs", "whole milliseconds");
            }
            Ok(())
        }),
    )
}

/// By the tables of shapes, without the members of the rule above.
fn status(case: &Case<'_>) -> Verdict {
    let read = steps(case, &["read", "read-again"]).map(|(place, shot)| (place, "tasks/get", shot));
    let cancelled = steps(case, &["cancelled"]).map(|(place, shot)| (place, "tasks/cancel", shot));
    let results = read.chain(cancelled).filter_map(|(place, method, shot)| Some((place, method, shot.result()?)));
    tasks(
        case,
        results.map(|(place, method, result)| {
            let flaws = shape::judge(case.facts.revision, method, result);
            let of_others = |path: &str| ["ttl", "pollInterval", "serverInfo"].iter().any(|other| path.contains(other));
            match flaws.into_iter().find(|flaw| !of_others(&flaw.path)) {
                None => Ok(()),
                Some(flaw) => Err(Violation::new(flaw.expected, flaw.actual).at(flaw.path).shown_by(place)),
            }
        }),
    )
}

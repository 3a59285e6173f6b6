//! Exercises about the extension `io.modelcontextprotocol/tasks`: its methods by clients that do not know it and for tasks that
//! do not exist, and the named tools called by a client that knows it.

use serde_json::{Value, json};

use super::super::exercise::{Exercise, Line, Move, Send, Situation};
use super::super::rule::{Class, MODERN_FIRST};
use super::super::shot::Shot;
use super::modern::{call, capable};
use crate::event::TransportKind;

/// All of this file.
pub(super) static EXERCISES: &[&Exercise] = &[&TASKS, &TASK_METHODS];

/// The extension.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// A task that does not exist.
const NO_TASK: &str = "mcp-probe-no-such-task";

/// Every tool is called, and the task that may come of it is looked at, cancelled, and looked at again.
pub static TASKS: Exercise = Exercise::new(
    "tasks",
    "each named tool is called by a client that has tasks; a task that comes of it is read, cancelled and read again",
    |situation| {
        if !declared(situation) {
            return Vec::new();
        }
        let ask = |named| call("call", named).envelope(capable(&knowing()));
        situation.tools.iter().map(|named| Move::Follow(ask(named), follow)).collect()
    },
)
.class(Class::Calls)
.line(Line::Own)
.between(MODERN_FIRST, "9999");

/// The methods of tasks, for a task that does not exist.
pub static TASK_METHODS: Exercise = Exercise::new(
    "task-methods",
    "requests about a task that does not exist, by a client with and by one without tasks; methods that tasks once had",
    |situation| {
        if !declared(situation) {
            return Vec::new();
        }
        let params = json!({"taskId": NO_TASK});
        let update = json!({"taskId": NO_TASK, "inputResponses": {}});
        let knows = |send: Send| Move::Send(send.envelope(capable(&knowing())));
        let mut moves = vec![
            Move::Send(Send::request("get-unaware", "tasks/get", params.clone())),
            Move::Send(Send::request("update-unaware", "tasks/update", update.clone())),
            Move::Send(Send::request("cancel-unaware", "tasks/cancel", params.clone())),
            knows(Send::request("get", "tasks/get", params.clone())),
            knows(Send::request("update", "tasks/update", update)),
            knows(Send::request("cancel", "tasks/cancel", params.clone())),
            knows(Send::request("result", "tasks/result", params.clone())),
            knows(Send::request("list", "tasks/list", json!({}))),
        ];
        if situation.transport == TransportKind::StreamableHttp {
            let other = Send::request("other-name", "tasks/get", params);
            moves.push(knows(other.header("Mcp-Name", "mcp-probe-another-task")));
        }
        moves
    },
)
.class(Class::Invasive)
.line(Line::Own)
.between(MODERN_FIRST, "9999");

/// What a client declares that has tasks.
fn knowing() -> Value {
    json!({"extensions": {EXTENSION: {}}})
}

/// Whether the server says that it has tasks. The id of the extension holds dots, so it is no path.
fn declared(situation: &Situation<'_>) -> bool {
    situation.capabilities.is_none_or(declares)
}

/// Whether these capabilities, a server's or a client's, have tasks in them.
#[must_use]
pub fn declares(capabilities: &Value) -> bool {
    capabilities.get("extensions").and_then(|all| all.get(EXTENSION)).is_some_and(Value::is_object)
}

/// The task that a call was answered with.
#[must_use]
pub fn created(shot: &Shot) -> Option<&str> {
    let result = shot.result().filter(|_| shot.method.as_deref() == Some("tools/call"))?;
    let is_task = result.get("resultType").and_then(Value::as_str) == Some("task");
    result.get("taskId").and_then(Value::as_str).filter(|_| is_task)
}

fn follow(shots: &[Shot]) -> Option<Send> {
    let params = json!({"taskId": created(shots.first()?)?});
    let (label, method) = match shots.len() {
        1 => ("read", "tasks/get"),
        2 => ("cancelled", "tasks/cancel"),
        3 => ("read-again", "tasks/get"),
        _ => return None,
    };
    Some(Send::request(label, method, params).envelope(capable(&knowing())))
}

//! The extension `io.modelcontextprotocol/tasks` of 2026-07-28: the tool `slow` becomes a task for clients that declare it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::dialogue::{Context, Fail};
use super::script::Step;
use super::tools::text_result;

/// The extension.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Tasks that are kept; a fixture that runs for weeks must not grow for ever.
const TASKS_MAX: usize = 1_000;
const TTL_MS: u64 = 60_000;
const POLL_MS: u64 = 50;

/// The tasks of a server.
#[derive(Debug, Default)]
pub struct Tasks(Mutex<Vec<Task>>);

#[derive(Debug, Clone)]
struct Task {
    created: jiff::Timestamp,
    until: Instant,
    cancelled: bool,
    /// What the call will have given.
    result: Value,
}

impl Task {
    fn status(&self) -> &'static str {
        match (self.cancelled, self.until <= Instant::now()) {
            (true, _) => "cancelled",
            (false, true) => "completed",
            (false, false) => "working",
        }
    }

    fn to_json(&self, id: &str) -> Value {
        let created = self.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        json!({"taskId": id, "status": self.status(), "createdAt": created, "lastUpdatedAt": created,
            "ttlMs": TTL_MS, "pollIntervalMs": POLL_MS})
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Vec<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the client of this request has tasks.
#[must_use]
pub fn declared(context: &Context<'_>) -> bool {
    context.revision.is_modern() && context.capabilities["extensions"][EXTENSION].is_object()
}

/// The error for a client that has none.
fn undeclared() -> Fail {
    let mut fail = Fail::new(-32021, "tasks need the client capability extensions[\"io.modelcontextprotocol/tasks\"]");
    fail.data = json!({"requiredCapabilities": {"extensions": {EXTENSION: {}}}});
    fail
}

/// Begins a task that takes `ms` milliseconds.
pub fn begin(context: &Context<'_>, ms: u64) -> Vec<Step> {
    let result = text_result(&format!("slept {ms} ms"));
    let mut tasks = context.server.tasks.lock();
    if tasks.len() < TASKS_MAX {
        let until = Instant::now() + Duration::from_millis(ms);
        tasks.push(Task { created: jiff::Timestamp::now(), until, cancelled: false, result });
    }
    let number = tasks.len();
    let mut created = tasks.last().map_or(Value::Null, |task| task.to_json(&format!("demo-task-{number}")));
    created["resultType"] = "task".into();
    vec![context.say(created)]
}

/// `tasks/get`, `tasks/update` and `tasks/cancel`.
pub fn answer(context: &Context<'_>, method: &str) -> Result<Vec<Step>, Fail> {
    if !declared(context) {
        return Err(undeclared());
    }
    let id = context.params["taskId"].as_str().ok_or_else(|| Fail::params("params.taskId must be a string"))?;
    let mut tasks = context.server.tasks.lock();
    let number = id.strip_prefix("demo-task-").and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
    let task = number.and_then(|number| tasks.get_mut(number)).ok_or_else(|| Fail::params("no such task"))?;
    let result = match method {
        "tasks/get" => {
            let mut result = task.to_json(id);
            if task.status() == "completed" {
                result["result"] = task.result.clone();
            }
            result
        }
        "tasks/cancel" => {
            task.cancelled |= task.status() == "working";
            json!({})
        }
        _ => json!({}),
    };
    Ok(vec![context.say(result)])
}

/// `subscriptions/listen` for tasks: they are polled here, so none is listened to.
pub fn check_filter(context: &Context<'_>) -> Result<(), Fail> {
    let asks = !context.params["notifications"]["taskIds"].is_null();
    if asks && !declared(context) { Err(undeclared()) } else { Ok(()) }
}

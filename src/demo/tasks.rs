//! The extension `io.modelcontextprotocol/tasks` of 2026-07-28: the tool `slow` becomes a task for clients that declare it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::dialogue::{Context, Fail};
use super::script::Step;
use super::tools::text_result;

/// The extension.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Tasks that are kept, the newest: a fixture that runs for weeks must not grow for ever.
const TASKS_MAX: usize = 1_000;
const TTL_MS: u64 = 60_000;
const POLL_MS: u64 = 50;

/// The tasks of a server.
#[derive(Debug, Default)]
pub struct Tasks(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Those that are gone; the next one after them is the first that is kept.
    gone: usize,
    tasks: VecDeque<Task>,
}

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

impl Kept {
    /// Keeps one more; gives its id.
    fn add(&mut self, task: Task) -> String {
        if self.tasks.len() >= TASKS_MAX && self.tasks.pop_front().is_some() {
            self.gone += 1;
        }
        self.tasks.push_back(task);
        format!("demo-task-{}", self.gone + self.tasks.len())
    }

    /// The task with this id, if it is still kept.
    fn get(&mut self, id: &str) -> Option<&mut Task> {
        let number: usize = id.strip_prefix("demo-task-")?.parse().ok()?;
        self.tasks.get_mut(number.checked_sub(self.gone + 1)?)
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Kept> {
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
    let until = Instant::now() + Duration::from_millis(ms);
    let task = Task { created: jiff::Timestamp::now(), until, cancelled: false, result };
    let id = context.server.tasks.lock().add(task.clone());
    let mut created = task.to_json(&id);
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
    let task = tasks.get(id).ok_or_else(|| Fail::params("no such task"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_the_oldest_goes_and_no_id_is_given_twice() {
        let task = |name: usize| Task {
            created: jiff::Timestamp::UNIX_EPOCH,
            until: Instant::now(),
            cancelled: false,
            result: name.into(),
        };
        let mut kept = Kept::default();
        let ids: Vec<String> = (0..TASKS_MAX + 2).map(|name| kept.add(task(name))).collect();
        assert_eq!((ids[0].as_str(), kept.tasks.len()), ("demo-task-1", TASKS_MAX));
        for (name, id) in ids.iter().enumerate() {
            let found = kept.get(id).map(|task| task.result.clone());
            assert_eq!(found, (name >= 2).then(|| name.into()), "{id}");
        }
        for id in ["demo-task-0", "demo-task-1003", "demo-task-x", "other-3"] {
            assert!(kept.get(id).is_none(), "{id}");
        }
    }
}

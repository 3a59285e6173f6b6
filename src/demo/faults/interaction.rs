//! Faults of rounds of input, subscriptions and tasks, all of the modern era.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::features::list_changed;
use super::super::script::{Call, Step, edit_replies, edit_results, failure, notification, success};
use super::super::wire::{Plain, Seen, Wire, full};
use super::{Act, Fault, On, Scope, fault};

type Rewrite = fn(&Call<'_>, &mut Vec<Step>);

/// The state that the tool `ask` gives.
const STATE: &str = "demo-state-1";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

pub(super) static FAULTS: &[Fault] = &[
    call("input-required-empty", "wants input and does not say which (modern)", |call, steps| {
        if call.revision.is_modern() {
            answer(call, steps, &json!({"resultType": "input_required"}));
        }
    }),
    on("input-required-for-lists", &["tools/list"], "wants input before it lists its tools (modern)", |call, steps| {
        if call.revision.is_modern() {
            let roots = json!({"roots": {"method": "roots/list"}});
            answer(call, steps, &json!({"resultType": "input_required", "inputRequests": roots}));
        }
    }),
    call("input-refused", "answers every answer to its questions with an error (modern)", |call, steps| {
        if responses(call).is_some() {
            refuse(call, steps, -32603, "did not expect an answer");
        }
    }),
    call("input-missing-error", "answers with an error when its question is not answered (modern)", |call, steps| {
        if responses(call).is_some_and(|responses| responses.get("question").is_none()) {
            refuse(call, steps, -32602, "inputResponses lacks the key \"question\"");
        }
    }),
    call("input-extra-error", "answers with an error when more is answered than it asked (modern)", |call, steps| {
        if responses(call).and_then(Value::as_object).is_some_and(|all| all.keys().any(|key| key != "question")) {
            refuse(call, steps, -32602, "inputResponses has an unknown key");
        }
    }),
    call("input-unchecked", "takes anything for an answer to its question (modern)", |call, steps| {
        if responses(call).is_some_and(|responses| responses["question"].is_string()) {
            finish(call, steps);
        }
    }),
    call("state-unchecked", "goes on with a state that it did not give (modern)", |call, steps| {
        if call.params.get("requestState").is_some_and(|state| state != STATE) {
            finish(call, steps);
        }
    }),
    call("input-nested-form", "asks with a form that has an object in it (modern)", |_, steps| {
        edit_results(steps, |result| {
            if let Some(fields) = result.pointer_mut("/inputRequests/question/params/requestedSchema/properties") {
                *fields = json!({"address": {"type": "object", "properties": {"street": {"type": "string"}}}});
            }
        });
    }),
    listen("listen-unknown", "does not know subscriptions/listen, and declares changes", |call, steps| {
        refuse(call, steps, -32601, "method not found: subscriptions/listen");
    }),
    listen("listen-late", "tells of a change before it acknowledges a subscription", |call, steps| {
        steps.insert(0, Step::Say(list_changed("tools", Some(call.id))));
    }),
    listen("listen-id-as-text", "names subscriptions by the text of their id", |_, steps| {
        for step in steps {
            if let Step::Say(message) = step {
                let id = &mut message["params"]["_meta"][SUBSCRIPTION];
                // Of a text it makes another text, so that it shows with both.
                *id = format!("id-{}", id.to_string().trim_matches('"')).into();
            }
        }
    }),
    listen("listen-all-acknowledged", "acknowledges changes that nobody asked for", |_, steps| {
        for step in steps {
            if let Step::Say(message) = step {
                message["params"]["notifications"]["resourcesListChanged"] = true.into();
                message["params"]["notifications"]["promptsListChanged"] = true.into();
            }
        }
    }),
    listen("listen-unfiltered", "tells subscribers of changes that they did not ask for", |call, steps| {
        let behind = steps.len().min(1);
        steps.insert(behind, Step::Say(list_changed("prompts", Some(call.id))));
    }),
    listen("listen-logs", "sends log messages to subscribers", |call, steps| {
        let params = json!({"level": "info", "data": "somebody listens", "_meta": {SUBSCRIPTION: call.id}});
        let behind = steps.len().min(1);
        steps.insert(behind, Step::Say(notification("notifications/message", &params)));
    }),
    listen("listen-result", "ends a subscription at once, without acknowledging it", |call, steps| {
        answer(call, steps, &json!({"resultType": "complete", "_meta": {SUBSCRIPTION: call.id}}));
    }),
    fault(
        "listen-short",
        On::Http,
        Scope::Methods(&["subscriptions/listen"]),
        "closes the stream of a subscription after a tenth of a second",
        Act::Script(|_, steps| {
            for step in steps {
                if matches!(step, Step::Listen(_)) {
                    *step = Step::Pause(Duration::from_millis(100));
                }
            }
        }),
    ),
    call("task-for-anyone", "gives a task to clients that have none (modern)", |call, steps| {
        if call.revision.is_modern() {
            answer(
                call,
                steps,
                &json!({"resultType": "task", "taskId": "demo-task-0", "status": "working",
                "createdAt": "2026-07-28T00:00:00Z", "lastUpdatedAt": "2026-07-28T00:00:00Z", "ttlMs": null}),
            );
        }
    }),
    tasks("tasks-ungated", "answers requests about tasks by clients that have none", |_, steps| {
        recoded(steps, -32021, -32602);
    }),
    tasks("task-unknown-code", "answers requests about unknown tasks with an internal error", |_, steps| {
        recoded(steps, -32602, -32603);
    }),
    on(
        "tasks-list-served",
        &["tasks/list", "tasks/result"],
        "lists tasks as 2025-11-25 did (modern)",
        |call, steps| {
            if call.revision.is_modern() {
                answer(call, steps, &json!({"resultType": "complete", "tasks": []}));
            }
        },
    ),
    on("task-not-yet", &["tasks/get"], "does not find the tasks that it gave", |call, steps| {
        if steps.iter().any(|step| matches!(step, Step::Say(message) if message.get("result").is_some())) {
            refuse(call, steps, -32602, "no such task");
        }
    }),
    on("task-old-members", &["tools/call", "tasks/get"], "names the times of tasks as 2025-11-25 did", |_, steps| {
        edit_results(steps, |result| {
            for (new, old) in [("ttlMs", "ttl"), ("pollIntervalMs", "pollInterval")] {
                if let Some(value) = result.as_object_mut().and_then(|result| result.shift_remove(new)) {
                    result[old] = value;
                }
            }
        });
    }),
    on("task-type-kept", &["tasks/get"], "answers tasks/get with the resultType of a new task", |_, steps| {
        edit_results(steps, |result| result["resultType"] = "task".into());
    }),
    fault(
        "task-header-unchecked",
        On::Http,
        Scope::Methods(&["tasks/get"]),
        "does not compare the header Mcp-Name with the task",
        Act::Upon(unchecked),
    ),
];

const fn on(name: &'static str, methods: &'static [&'static str], about: &'static str, act: Rewrite) -> Fault {
    fault(name, On::Both, Scope::Methods(methods), about, Act::Script(act))
}

const fn call(name: &'static str, about: &'static str, act: Rewrite) -> Fault {
    on(name, &["tools/call"], about, act)
}

const fn listen(name: &'static str, about: &'static str, act: Rewrite) -> Fault {
    on(name, &["subscriptions/listen"], about, act)
}

const fn tasks(name: &'static str, about: &'static str, act: Rewrite) -> Fault {
    on(name, &["tasks/get", "tasks/update", "tasks/cancel"], about, act)
}

fn responses<'a>(call: &Call<'a>) -> Option<&'a Value> {
    call.params.get("inputResponses")
}

fn answer(call: &Call<'_>, steps: &mut Vec<Step>, result: &Value) {
    *steps = vec![Step::Say(success(call.id, result))];
}

fn refuse(call: &Call<'_>, steps: &mut Vec<Step>, code: i64, message: &str) {
    *steps = vec![Step::Say(failure(call.id, code, message, &Value::Null))];
}

/// Ends the call as if all were well.
fn finish(call: &Call<'_>, steps: &mut Vec<Step>) {
    let content = json!([{"type": "text", "text": "the client answered"}]);
    answer(call, steps, &json!({"resultType": "complete", "content": content}));
}

fn recoded(steps: &mut [Step], from: i64, to: i64) {
    edit_replies(steps, |reply| {
        if reply["error"]["code"] == from {
            reply["error"]["code"] = to.into();
        }
    });
}

fn unchecked(seen: &Seen<'_>, plain: &Plain) -> Vec<Wire> {
    let mismatch = plain.messages.last().is_some_and(|reply| reply["error"]["code"] == -32020);
    let reply = failure(seen.id, -32602, "no such task", &Value::Null);
    let body = if mismatch { reply.to_string().into_bytes() } else { plain.json() };
    vec![Wire::Write(full(plain.status, &[("content-type", "application/json")], &body))]
}

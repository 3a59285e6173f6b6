//! Faults of answers to what names one thing: calls, reads, prompts, completions and levels, the ones that do not exist most
//! of all.

use serde_json::{Value, json};

use super::super::features::dressed;
use super::super::script::{Call, Step, edit_replies, edit_results, failure, is_reply, notification, success};
use super::super::tools::text_result;
use super::{Act, Fault, On, Scope, fault};

const CALL: Scope = Scope::Methods(&["tools/call"]);
const READ: Scope = Scope::Methods(&["resources/read"]);
const COMPLETE: Scope = Scope::Methods(&["completion/complete"]);
const LEVEL: Scope = Scope::Methods(&["logging/setLevel"]);

pub(super) static FAULTS: &[Fault] = &[
    of("call-anything", CALL, "answers every call with a result, whatever is called and how", |call, steps| {
        say(call, steps, text_result("done"));
    }),
    of("structured-untold", CALL, "does not repeat structuredContent as text", |_, steps| {
        edit_results(steps, |result| {
            if result.get("structuredContent").is_some() {
                result["content"] = text_result("It is done.")["content"].clone();
            }
        });
    }),
    of("task-unasked", CALL, "makes a task of a call whose parameters have task, without having declared it", {
        |call, steps| {
            if call.params.get("task").is_none() {
                return;
            }
            let task = json!({"taskId": "t1", "status": "working", "createdAt": "2026-01-01T00:00:00Z",
                "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttl": 60_000});
            let result = if call.revision.is_modern() {
                let mut result = task;
                result["resultType"] = "task".into();
                result
            } else {
                json!({ "task": task })
            };
            say(call, steps, result);
        }
    }),
    of("log-debug", CALL, "sends a log message of level debug with every call, whatever level was set", |_, steps| {
        let params = json!({"level": "debug", "data": "a detail"});
        steps.insert(0, Step::Say(notification("notifications/message", &params)));
    }),
    of("read-anything", READ, "reads every resource that does not exist as no contents", |call, steps| {
        if !is_success(steps) {
            say(call, steps, cacheable(call, json!({"contents": []})));
        }
    }),
    of("read-code-0", READ, "answers with the error code 0 for a resource that does not exist", |call, steps| {
        if !is_success(steps) {
            *steps = vec![Step::Say(failure(call.id, 0, "no such thing", &Value::Null))];
        }
    }),
    of("read-bare-error", READ, "does not say which resource does not exist", |_, steps| {
        edit_replies(steps, |reply| {
            if let Some(error) = reply.get_mut("error").and_then(Value::as_object_mut) {
                error.shift_remove("data");
            }
        });
    }),
    of("read-traversal", READ, "reads files outside by paths that climb", |call, steps| {
        let uri = call.params["uri"].as_str().unwrap_or_default();
        if uri.contains("/../") || uri.contains("%2e%2e") {
            let text = "root:x:0:0:root:/root:/bin/sh\n";
            say(call, steps, cacheable(call, json!({"contents": [{"uri": uri, "text": text}]})));
        }
    }),
    of("read-no-text", READ, "reads every resource as something that is neither text nor bytes", |_, steps| {
        contents(steps, |part| drop(part.as_object_mut().and_then(|part| part.shift_remove("text"))));
    }),
    of("read-bad-base64", READ, "reads every resource as bytes that are not base64", |_, steps| {
        contents(steps, |part| *part = json!({"uri": part["uri"], "blob": "%%%"}));
    }),
    of(
        "subscribe-missing",
        Scope::Methods(&["resources/subscribe", "resources/unsubscribe"]),
        "has declared subscriptions and has no method for them (legacy)",
        |call, steps| {
            *steps = vec![Step::Say(failure(call.id, -32601, "not implemented", &Value::Null))];
        },
    ),
    of(
        "prompt-block-list",
        Scope::Methods(&["prompts/get"]),
        "answers every prompt with a list of blocks by the system",
        |_, steps| {
            edit_results(steps, |result| {
                result["messages"] = json!([{"role": "system", "content": [{"type": "text", "text": "Be good."}]}]);
            });
        },
    ),
    of("completion-flood", COMPLETE, "completes with 101 values and says there are 7", |call, steps| {
        let values: Vec<String> = (1..=101).map(|n| format!("value-{n}")).collect();
        say(call, steps, json!({"completion": {"values": values, "total": 7, "hasMore": false}}));
    }),
    of("completion-anything", COMPLETE, "completes what does not exist with nothing", |call, steps| {
        if !is_success(steps) {
            say(call, steps, json!({"completion": {"values": []}}));
        }
    }),
    of("set-level-missing", LEVEL, "has declared logging and has no method for its level (legacy)", |call, steps| {
        *steps = vec![Step::Say(failure(call.id, -32601, "not implemented", &Value::Null))];
    }),
    of("set-level-anything", LEVEL, "takes any word for a level (legacy)", |call, steps| {
        say(call, steps, json!({}));
    }),
];

const fn of(name: &'static str, scope: Scope, about: &'static str, act: fn(&Call<'_>, &mut Vec<Step>)) -> Fault {
    fault(name, On::Both, scope, about, Act::Script(act))
}

/// Answers with this result.
fn say(call: &Call<'_>, steps: &mut Vec<Step>, result: Value) {
    *steps = vec![Step::Say(success(call.id, &dressed(call.revision, result, false)))];
}

/// A result that says how long it may be kept.
fn cacheable(call: &Call<'_>, result: Value) -> Value {
    dressed(call.revision, result, true)
}

fn is_success(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Say(message) if is_reply(message) && message.get("result").is_some()))
}

/// Every part of what was read.
fn contents(steps: &mut [Step], mut change: impl FnMut(&mut Value)) {
    edit_results(steps, |result| {
        result["contents"].as_array_mut().into_iter().flatten().for_each(&mut change);
    });
}

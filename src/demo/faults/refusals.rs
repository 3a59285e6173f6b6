//! Faults of what a server should refuse, ignore or leave unsaid: unknown methods and versions, messages that are none,
//! notifications, arrays of requests, what comes before the handshake or was never declared.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::script::{Call, Step, edit_replies, edit_results, failure, notification};
use super::super::wire::{Wire, full};
use super::{Act, Fault, INVALID, On, Scope, fault};

const INITIALIZE: Scope = Scope::Methods(&["initialize"]);
const PROMPTS: Scope = Scope::Methods(&["prompts/list"]);
const PING: Scope = Scope::Methods(&["ping"]);
const UNREADABLE: Scope = Scope::Methods(&[INVALID]);

pub(super) static FAULTS: &[Fault] = &[
    both("unknown-method-32603", Scope::Calls, "answers unknown methods with an internal error", |_, steps| {
        edit_replies(steps, |reply| {
            if reply["error"]["code"] == -32601 {
                reply["error"]["code"] = (-32603).into();
            }
        });
    }),
    both("prompts-32050", PROMPTS, "answers prompts/list with the reserved code -32050", |call, steps| {
        *steps = vec![Step::Say(failure(call.id, -32050, "no prompts today", &Value::Null))];
    }),
    both("prompts-32042", PROMPTS, "answers prompts/list with a bare -32042", |call, steps| {
        *steps = vec![Step::Say(failure(call.id, -32042, "open a page first", &Value::Null))];
    }),
    both("newer-notification", Scope::Calls, "sends notifications/tasks/status before it answers", |_, steps| {
        let task = json!({"taskId": "1", "status": "working", "ttl": null,
            "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z"});
        steps.insert(0, Step::Say(notification("notifications/tasks/status", &task)));
    }),
    both("answers-notifications", Scope::Notifications, "answers notifications with the id null", |_, steps| {
        steps.push(Step::Say(json!({"jsonrpc": "2.0", "id": null, "result": {}})));
    }),
    both("loses-every-third", Scope::Calls, "never answers every third call", |call, steps| {
        if call.hits % 3 == 2 {
            *steps = vec![Step::Hang];
        }
    }),
    stdio("invalid-32000", UNREADABLE, "answers what is no message with the code -32000", |_, steps| {
        edit_replies(steps, |reply| reply["error"]["code"] = (-32000).into());
    }),
    stdio("invalid-silent", UNREADABLE, "answers what is no message with silence, as many do", |_, steps| {
        steps.clear();
    }),
    stdio("invalid-exits", UNREADABLE, "exits with code 1 over what is no message", |_, steps| {
        *steps = vec![Step::Exit(1)];
    }),
    fault(
        "invalid-202",
        On::Http,
        Scope::Every,
        "accepts what is no message with 202",
        Act::Instead(|seen| {
            let invalid = seen.verb == "POST" && seen.path == "/mcp" && seen.method.is_empty();
            invalid.then(|| vec![Wire::Write(full(202, &[], b""))])
        }),
    ),
    flag("any-jsonrpc", "serves requests of any version of JSON-RPC, and with the id null"),
    flag("no-batches", "refuses arrays of requests in 2025-03-26 too"),
    flag("batches-always", "serves arrays of requests in every revision"),
    fault("no-handshake", On::Stdio, Scope::Every, "serves the legacy era before initialize", Act::Script(|_, _| {})),
    both("ping-32601", PING, "answers ping with method not found", |call, steps| {
        *steps = vec![Step::Say(failure(call.id, -32601, "method not found: ping", &Value::Null))];
    }),
    both("ping-chatty", PING, "answers ping with more than an empty result", |_, steps| {
        edit_results(steps, |result| result["status"] = "ok".into());
    }),
    both("initialize-any-version", INITIALIZE, "agrees on whatever version initialize asks for", |call, steps| {
        edit_results(steps, |result| result["protocolVersion"] = call.params["protocolVersion"].clone());
    }),
    both("initialize-newer", INITIALIZE, "agrees on the revision after the one that is asked for", |call, steps| {
        let newer = match call.params["protocolVersion"].as_str() {
            Some("2024-11-05") => "2025-03-26",
            Some("2025-03-26") => "2025-06-18",
            _ => "2025-11-25",
        };
        edit_results(steps, |result| result["protocolVersion"] = newer.into());
    }),
    stdio("second-initialize-exits", INITIALIZE, "exits with code 1 over a second initialize", |call, steps| {
        if call.hits > 0 {
            *steps = vec![Step::Exit(1)];
        }
    }),
    both("asks-unready", INITIALIZE, "asks for roots before the client is ready", |_, steps| {
        steps.push(Step::Pause(Duration::from_millis(5)));
        steps.push(Step::Say(json!({"jsonrpc": "2.0", "id": "too-early", "method": "roots/list"})));
    }),
    both("logs-undeclared", Scope::Requests, "sends log messages without having declared logging", |call, steps| {
        if matches!(call.method, "initialize" | "server/discover") {
            edit_results(steps, |result| {
                if let Some(capabilities) = result["capabilities"].as_object_mut() {
                    capabilities.shift_remove("logging");
                }
            });
        } else {
            let said = notification("notifications/message", &json!({"level": "info", "data": call.method}));
            steps.insert(0, Step::Say(said));
        }
    }),
];

const fn both(name: &'static str, scope: Scope, about: &'static str, act: fn(&Call<'_>, &mut Vec<Step>)) -> Fault {
    fault(name, On::Both, scope, about, Act::Script(act))
}

const fn stdio(name: &'static str, scope: Scope, about: &'static str, act: fn(&Call<'_>, &mut Vec<Step>)) -> Fault {
    fault(name, On::Stdio, scope, about, Act::Script(act))
}

/// A fault that the dialogue itself asks for.
const fn flag(name: &'static str, about: &'static str) -> Fault {
    fault(name, On::Both, Scope::Every, about, Act::Script(|_, _| {}))
}

/// Whether a fault that the dialogue asks for is on.
pub fn is_on(active: &[&Fault], name: &str) -> bool {
    active.iter().any(|fault| fault.name == name)
}

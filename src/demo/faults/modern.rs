//! Faults of the modern era: discovery, what a request must and may carry, what a result says of itself.

use serde_json::{Value, json};

use super::super::script::{Call, Step, edit_replies, edit_results, failure, notification, success};
use super::super::wire::{Plain, Seen, Wire, full};
use super::{Act, Fault, On, Scope, fault};

type Rewrite = fn(&Call<'_>, &mut Vec<Step>);

const META_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

pub(super) static FAULTS: &[Fault] = &[
    discover("discover-no-capabilities", "answers server/discover without capabilities", |_, steps| {
        edit_results(steps, |result| {
            if let Some(result) = result.as_object_mut() {
                result.shift_remove("capabilities");
            }
        });
    }),
    discover("discover-changes-version", "lists only another version from the second discovery on", |call, steps| {
        if call.hits > 0 {
            edit_results(steps, |result| result["supportedVersions"] = json!(["2027-03-01"]));
        }
    }),
    discover("extension-no-prefix", "declares an extension whose id has no prefix", |_, steps| {
        edit_results(steps, |result| result["capabilities"]["extensions"]["tasks"] = json!({}));
    }),
    discover("capabilities-legacy-tasks", "declares tasks as 2025-11-25 had them (modern)", |_, steps| {
        edit_results(steps, |result| result["capabilities"]["tasks"] = json!({"list": {}, "cancel": {}}));
    }),
    fault(
        "version-error-bare",
        On::Stdio,
        Scope::Requests,
        "refuses a version without saying which it supports (modern)",
        Act::Script(|_, steps| without_data(steps, -32022)),
    ),
    requests(
        "capability-error-bare",
        "misses a capability of the client and does not say which (modern)",
        |_, steps| {
            without_data(steps, -32021);
        },
    ),
    requests("meta-unchecked", "answers requests whose _meta is missing or incomplete (modern)", |call, steps| {
        let lacks = steps.iter().any(|step| match step {
            Step::Say(message) => message["error"]["message"].as_str().is_some_and(|text| text.contains("_meta lacks")),
            _ => false,
        });
        if lacks {
            *steps = vec![Step::Say(success(call.id, &empty("tools")))];
        }
    }),
    requests("client-info-required", "refuses requests without clientInfo (modern)", |call, steps| {
        if call.revision.is_modern() && call.params["_meta"].get(META_CLIENT).is_none() {
            refuse(call, steps, -32602, "params._meta lacks clientInfo");
        }
    }),
    requests(
        "meta-extras-refused",
        "refuses requests with keys in _meta that it does not know (modern)",
        |call, steps| {
            let known = |key: &String| key.starts_with("io.modelcontextprotocol/") || key == "progressToken";
            let strange = call.params["_meta"].as_object().is_some_and(|meta| !meta.keys().all(known));
            if call.revision.is_modern() && strange {
                refuse(call, steps, -32602, "unknown key in params._meta");
            }
        },
    ),
    fault(
        "removed-methods-served",
        On::Both,
        Scope::Methods(&["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]),
        "answers methods of the legacy era to modern requests",
        Act::Script(|call, steps| {
            if call.revision.is_modern() {
                *steps = vec![Step::Say(success(call.id, &json!({"resultType": "complete"})))];
            }
        }),
    ),
    fault(
        "discover-first",
        On::Stdio,
        Scope::Requests,
        "refuses whatever comes before server/discover (modern)",
        Act::Script(|call, steps| {
            if call.hits == 0 && call.revision.is_modern() && call.method != "server/discover" {
                refuse(call, steps, -32600, "send server/discover first");
            }
        }),
    ),
    fault(
        "tools-by-process",
        On::Stdio,
        Scope::Methods(&["tools/list"]),
        "lists a tool that no other process of it lists",
        Act::Script(|_, steps| {
            edit_results(steps, |result| {
                if let Some(tools) = result["tools"].as_array_mut() {
                    let name = format!("tool-of-{}", std::process::id());
                    tools.push(json!({"name": name, "inputSchema": {"type": "object"}}));
                }
            });
        }),
    ),
    requests("modern-anonymous", "does not say in its results which server it is (modern)", |_, steps| {
        edit_results(steps, |result| {
            if let Some(meta) = result["_meta"].as_object_mut() {
                meta.shift_remove(SERVER_INFO);
            }
        });
    }),
    requests("log-level-unchecked", "takes any log level (modern)", |call, steps| {
        let levels = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
        let level = &call.params["_meta"][META_LEVEL];
        if level.as_str().is_some_and(|level| !levels.contains(&level)) {
            *steps = vec![Step::Say(success(call.id, &empty("tools")))];
        }
    }),
    fault(
        "log-unfiltered",
        On::Both,
        Scope::Methods(&["tools/call"]),
        "sends a log message of the level debug whatever was asked for",
        Act::Script(|_, steps| {
            let params = json!({"level": "debug", "logger": "demo", "data": "a detail"});
            steps.insert(0, Step::Say(notification("notifications/message", &params)));
        }),
    ),
    fault("modern-status-200", On::Http, Scope::Every, "sends every error with status 200 (modern)", Act::Upon(as_200)),
];

const fn discover(name: &'static str, about: &'static str, act: Rewrite) -> Fault {
    fault(name, On::Both, Scope::Methods(&["server/discover"]), about, Act::Script(act))
}

const fn requests(name: &'static str, about: &'static str, act: Rewrite) -> Fault {
    fault(name, On::Both, Scope::Requests, about, Act::Script(act))
}

fn refuse(call: &Call<'_>, steps: &mut Vec<Step>, code: i64, message: &str) {
    *steps = vec![Step::Say(failure(call.id, code, message, &Value::Null))];
}

fn without_data(steps: &mut [Step], code: i64) {
    edit_replies(steps, |reply| {
        if reply["error"]["code"] == code
            && let Some(error) = reply["error"].as_object_mut()
        {
            error.shift_remove("data");
        }
    });
}

/// A result with nothing in it.
fn empty(member: &str) -> Value {
    json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "public", member: []})
}

fn as_200(seen: &Seen<'_>, plain: &Plain) -> Vec<Wire> {
    let status = if seen.modern && plain.messages.len() == 1 { 200 } else { plain.status };
    let mut headers: Vec<(&str, &str)> = vec![("content-type", "application/json")];
    headers.extend(plain.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    vec![Wire::Write(full(status, &headers, &plain.json()))]
}

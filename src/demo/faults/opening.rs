//! Faults of the opening: every branch of era detection, and broken answers to `initialize`.

use serde_json::{Value, json};

use super::super::script::{Call, Step, edit_results, failure, success};
use super::{Act, Fault, On, Scope, fault};

type Rewrite = fn(&Call<'_>, &mut Vec<Step>);

pub(super) static FAULTS: &[Fault] = &[
    discover("discover-legacy-only", "lists legacy versions only", |_, steps| {
        edit_results(steps, |result| result["supportedVersions"] = json!(["2025-11-25", "2025-06-18"]));
    }),
    discover("discover-no-versions", "answers without supportedVersions", |_, steps| {
        edit_results(steps, |result| {
            if let Some(result) = result.as_object_mut() {
                result.shift_remove("supportedVersions");
            }
        });
    }),
    discover("discover-versions-string", "answers with supportedVersions that is a string", |_, steps| {
        edit_results(steps, |result| result["supportedVersions"] = "2026-07-28".into());
    }),
    discover("discover-future-only", "lists only modern versions that do not exist yet", |_, steps| {
        edit_results(steps, |result| result["supportedVersions"] = json!(["2099-01-01", "2027-03-01"]));
    }),
    discover("discover-32022", "refuses the version and lists the modern and a legacy one", |call, steps| {
        refuse(call, steps, &json!(["2026-07-28", "2025-11-25"]));
    }),
    discover("discover-32022-legacy", "refuses the version and lists legacy versions only", |call, steps| {
        refuse(call, steps, &json!(["2025-11-25", "2025-06-18"]));
    }),
    discover("discover-32022-empty", "refuses the version without saying which it supports", |call, steps| {
        *steps = vec![Step::Say(failure(call.id, -32022, "unsupported protocol version", &Value::Null))];
    }),
    discover(
        "discover-32022-future",
        "refuses the version and lists modern versions that are not ours",
        |call, steps| {
            refuse(call, steps, &json!(["2099-01-01", "2027-03-01"]));
        },
    ),
    discover("discover-32022-same", "refuses the very version it lists, every time", |call, steps| {
        refuse(call, steps, &json!(["2026-07-28"]));
    }),
    discover("discover-32022-once", "refuses the version it lists the first time, then answers well", |call, steps| {
        if call.hits == 0 {
            refuse(call, steps, &json!(["2026-07-28"]));
        }
    }),
    discover("discover-32020", "answers with a header mismatch", |call, steps| error(call, steps, -32020)),
    discover("discover-32021", "wants a client capability that nobody declared", |call, steps| {
        let data = json!({"requiredCapabilities": {"sampling": {}}});
        *steps = vec![Step::Say(failure(call.id, -32021, "sampling is required", &data))];
    }),
    discover("discover-32601", "answers method not found", |call, steps| error(call, steps, -32601)),
    discover("discover-32602", "answers invalid params, as Python servers do", |call, steps| {
        error(call, steps, -32602);
    }),
    discover("discover-32600", "answers invalid request", |call, steps| error(call, steps, -32600)),
    discover("discover-32000", "answers with the code -32000", |call, steps| error(call, steps, -32000)),
    discover("discover-code-0", "answers with the error code 0", |call, steps| error(call, steps, 0)),
    discover("discover-slow", "answers well, but only after the fault delay", |call, steps| {
        steps.insert(0, Step::Pause(call.delay));
    }),
    initialize("initialize-error", "answers initialize with an internal error", |call, steps| {
        error(call, steps, -32603);
    }),
    initialize("initialize-32602", "refuses the version with an error that lists others", |call, steps| {
        let data = json!({"supported": ["2024-11-05"], "requested": call.params["protocolVersion"]});
        *steps = vec![Step::Say(failure(call.id, -32602, "Unsupported protocol version", &data))];
    }),
    initialize("initialize-wrong-version", "agrees on the version 2099-01-01", |_, steps| {
        edit_results(steps, |result| result["protocolVersion"] = "2099-01-01".into());
    }),
    initialize("initialize-draft-version", "agrees on the version DRAFT-2026-v1", |_, steps| {
        edit_results(steps, |result| result["protocolVersion"] = "DRAFT-2026-v1".into());
    }),
    initialize("initialize-no-version", "answers initialize without a version", |_, steps| {
        remove(steps, "protocolVersion");
    }),
    initialize("initialize-no-serverinfo", "answers initialize without serverInfo", |_, steps| {
        remove(steps, "serverInfo");
    }),
    initialize("initialize-no-capabilities", "answers initialize without capabilities", |_, steps| {
        remove(steps, "capabilities");
    }),
    initialize("initialize-result-array", "answers initialize with an array", |call, steps| {
        *steps = vec![Step::Say(success(call.id, &json!([])))];
    }),
    fault(
        "capabilities-lie",
        On::Both,
        Scope::Methods(&["resources/list", "prompts/list", "resources/templates/list"]),
        "announces resources and prompts but answers method not found",
        Act::Script(|call, steps| error(call, steps, -32601)),
    ),
    fault(
        "capabilities-none",
        On::Both,
        Scope::Methods(&["initialize", "server/discover"]),
        "announces no capability although it has tools",
        Act::Script(|_, steps| edit_results(steps, |result| result["capabilities"] = json!({}))),
    ),
    fault(
        "hostile-name",
        On::Both,
        Scope::Methods(&["initialize", "server/discover"]),
        "has a name and instructions full of escape sequences",
        Act::Script(|_, steps| {
            let text = "demo\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}omed\u{202c}\nsecond line";
            edit_results(steps, |result| {
                result["instructions"] = text.into();
                let info = if result["serverInfo"].is_object() {
                    "/serverInfo"
                } else {
                    "/_meta/io.modelcontextprotocol~1serverInfo"
                };
                if let Some(info) = result.pointer_mut(info) {
                    info["name"] = text.into();
                }
            });
        }),
    ),
    fault(
        "modern-untyped",
        On::Both,
        Scope::Calls,
        "answers modern requests without resultType, ttlMs and cacheScope",
        Act::Script(|_, steps| {
            for name in ["resultType", "ttlMs", "cacheScope"] {
                remove(steps, name);
            }
        }),
    ),
    fault(
        "unknown-result-type",
        On::Both,
        Scope::Calls,
        "answers with a resultType that does not exist",
        Act::Script(|_, steps| edit_results(steps, |result| result["resultType"] = "partial".into())),
    ),
    fault(
        "input-required-forever",
        On::Both,
        Scope::Methods(&["tools/call"]),
        "wants another round of input every time",
        Act::Script(|call, steps| {
            let request = json!({"method": "elicitation/create",
                "params": {"mode": "form", "message": "Again?", "requestedSchema": {"type": "object", "properties": {}}}});
            let result = json!({"resultType": "input_required", "inputRequests": {"again": request},
                "requestState": format!("round-{}", call.hits)});
            *steps = vec![Step::Say(success(call.id, &result))];
        }),
    ),
];

const fn discover(name: &'static str, about: &'static str, act: Rewrite) -> Fault {
    fault(name, On::Both, Scope::Methods(&["server/discover"]), about, Act::Script(act))
}

const fn initialize(name: &'static str, about: &'static str, act: Rewrite) -> Fault {
    fault(name, On::Both, Scope::Methods(&["initialize"]), about, Act::Script(act))
}

fn refuse(call: &Call<'_>, steps: &mut Vec<Step>, supported: &Value) {
    let requested = &call.params["_meta"]["io.modelcontextprotocol/protocolVersion"];
    let data = json!({"supported": supported, "requested": requested});
    *steps = vec![Step::Say(failure(call.id, -32022, "unsupported protocol version", &data))];
}

fn error(call: &Call<'_>, steps: &mut Vec<Step>, code: i64) {
    let message = match code {
        -32601 => format!("method not found: {}", call.method),
        -32602 => "Invalid request parameters".to_owned(),
        _ => format!("made to fail with the code {code}"),
    };
    *steps = vec![Step::Say(failure(call.id, code, &message, &Value::Null))];
}

fn remove(steps: &mut [Step], name: &str) {
    edit_results(steps, |result| {
        if let Some(result) = result.as_object_mut() {
            result.shift_remove(name);
        }
    });
}

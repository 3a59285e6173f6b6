//! Faults of JSON-RPC: ids, envelopes, messages nobody asked for, silence.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::script::{Call, Step, edit_replies, failure, notification, replace_replies};
use super::{Act, Fault, On, Scope, fault};

pub(super) static FAULTS: &[Fault] = &[
    calls("late", "answers a call after the fault delay", |call, steps| steps.insert(0, Step::Pause(call.delay))),
    row("silent", Scope::Requests, "never answers anything", |_, steps| *steps = vec![Step::Hang]),
    calls("silent-calls", "opens well, then never answers a call", |_, steps| *steps = vec![Step::Hang]),
    row("silent-discover", Scope::Methods(&["server/discover"]), "never answers server/discover", |_, steps| {
        *steps = vec![Step::Hang];
    }),
    row("silent-initialize", Scope::Methods(&["initialize"]), "never answers initialize", |_, steps| {
        *steps = vec![Step::Hang];
    }),
    calls("wrong-id", "answers with an id that was never used", |_, steps| {
        edit_replies(steps, |reply| reply["id"] = "nobody-asked".into());
    }),
    calls("null-id", "answers with the id null", |_, steps| edit_replies(steps, |reply| reply["id"] = Value::Null)),
    calls("missing-id", "answers without an id", |_, steps| {
        edit_replies(steps, |reply| {
            if let Some(reply) = reply.as_object_mut() {
                reply.shift_remove("id");
            }
        });
    }),
    calls("id-type-changed", "turns string ids into numbers and numbers into strings", |_, steps| {
        edit_replies(steps, |reply| reply["id"] = other_type(&reply["id"]));
    }),
    calls("two-replies", "answers every call twice", |_, steps| {
        replace_replies(steps, |reply| vec![Step::Say(reply.clone()), Step::Say(reply.clone())]);
    }),
    calls("two-different-replies", "answers every call with a result, then with an error", |call, steps| {
        let error = failure(call.id, -32603, "second thoughts", &Value::Null);
        replace_replies(steps, |reply| vec![Step::Say(reply.clone()), Step::Say(error.clone())]);
    }),
    calls("both-result-and-error", "answers with a result and an error in one message", |_, steps| {
        edit_replies(steps, |reply| reply["error"] = json!({"code": -32603, "message": "and yet"}));
    }),
    calls("neither", "answers with neither a result nor an error", |call, steps| {
        replace_replies(steps, |_| vec![Step::Say(json!({"jsonrpc": "2.0", "id": call.id}))]);
    }),
    calls("no-jsonrpc", "leaves the member jsonrpc out", |_, steps| {
        edit_replies(steps, |reply| {
            if let Some(reply) = reply.as_object_mut() {
                reply.shift_remove("jsonrpc");
            }
        });
    }),
    calls("wrong-jsonrpc", "says jsonrpc 1.0", |_, steps| edit_replies(steps, |reply| reply["jsonrpc"] = "1.0".into())),
    calls("result-array", "answers with a result that is an array", |_, steps| {
        replace_result(steps, &json!([]));
    }),
    calls("result-null", "answers with the result null", |_, steps| replace_result(steps, &Value::Null)),
    calls("result-string", "answers with a result that is a string", |_, steps| {
        replace_result(steps, &json!("done"));
    }),
    calls("error-string", "answers with an error that is a string", |call, steps| {
        replace_replies(steps, |_| vec![Step::Say(json!({"jsonrpc": "2.0", "id": call.id, "error": "went wrong"}))]);
    }),
    calls("error-code-string", "answers with an error whose code is a string", |call, steps| {
        let error = json!({"code": "E_FAIL", "message": "went wrong"});
        replace_replies(steps, |_| vec![Step::Say(json!({"jsonrpc": "2.0", "id": call.id, "error": error.clone()}))]);
    }),
    calls("error-hostile", "answers with an error message full of escape sequences", |call, steps| {
        let message = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}desrever\u{202c}\u{200b} \u{0}end";
        *steps = vec![Step::Say(failure(call.id, -32603, message, &Value::Null))];
    }),
    calls("unsolicited-request", "asks for sampling, roots and an unknown thing nobody declared", |_, steps| {
        let questions = ["sampling/createMessage", "roots/list", "demo/unknown"];
        let ask = |(n, method): (usize, &&str)| {
            Step::Say(json!({"jsonrpc": "2.0", "id": format!("uninvited-{n}"), "method": method, "params": {}}))
        };
        steps.splice(0..0, questions.iter().enumerate().map(ask));
    }),
    calls("says-back", "asks with the message of a call as id and as method, before it answers", |call, steps| {
        let said = call.params["arguments"]["message"].as_str().unwrap_or("nothing");
        steps.insert(0, Step::Say(json!({"jsonrpc": "2.0", "id": said, "method": format!("demo/{said}")})));
    }),
    calls("ping-client", "sends ping with an id that collides with the client's, before it answers", |call, steps| {
        steps.insert(0, Step::Say(json!({"jsonrpc": "2.0", "id": call.id, "method": "ping"})));
    }),
    calls("unsolicited-notification", "sends notifications nobody asked for before it answers", |_, steps| {
        let unasked = [
            notification("notifications/message", &json!({"level": "error", "data": "disk is full"})),
            notification("notifications/progress", &json!({"progressToken": "unknown", "progress": 1})),
            notification("notifications/demo/unknown", &json!({})),
        ];
        steps.splice(0..0, unasked.map(Step::Say));
    }),
    calls("reply-unknown-id", "answers something that was never asked, then the call", |_, steps| {
        steps.insert(0, Step::Say(json!({"jsonrpc": "2.0", "id": 987_654, "result": {}})));
    }),
    row(
        "out-of-order",
        Scope::Calls,
        "holds every other reply back for 150 ms, so that replies overtake",
        |call, steps| {
            if call.hits % 2 == 0 {
                steps.insert(0, Step::Pause(Duration::from_millis(150)));
            }
        },
    ),
    calls("progress-flood", "sends 20000 progress notifications before it answers", |call, steps| {
        let token = match &call.params["_meta"]["progressToken"] {
            Value::Null => json!("unknown"),
            token => token.clone(),
        };
        flood(steps, |n| notification("notifications/progress", &json!({"progressToken": token, "progress": n})));
    }),
    calls(
        "progress-backwards",
        "sends progress that goes back, for a token nobody gave if there is none",
        |call, steps| {
            let token = match &call.params["_meta"]["progressToken"] {
                Value::Null => json!("unknown"),
                token => token.clone(),
            };
            let say =
                |n| Step::Say(notification("notifications/progress", &json!({"progressToken": token, "progress": n})));
            steps.splice(0..0, [3, 2, 2].map(say));
        },
    ),
    calls("log-flood", "sends 20000 log messages before it answers", |_, steps| {
        flood(steps, |n| notification("notifications/message", &json!({"level": "info", "data": format!("line {n}")})));
    }),
    calls("log-huge", "sends 40 log messages of a megabyte each before it answers", |_, steps| {
        let data = "x".repeat(1 << 20);
        let say = || Step::Say(notification("notifications/message", &json!({"level": "info", "data": data})));
        steps.splice(0..0, std::iter::repeat_with(say).take(40));
    }),
    calls("ping-flood", "sends 20000 pings before it answers", |_, steps| {
        flood(steps, |n| json!({"jsonrpc": "2.0", "id": format!("ping {n}"), "method": "ping"}));
    }),
    calls("slow-flood", "sends a notification every 20 ms and never answers", |_, steps| {
        let message = notification("notifications/message", &json!({"level": "info", "data": "still at it"}));
        // 100 seconds: longer than any sensible timeout.
        *steps = std::iter::repeat_n([Step::Say(message), Step::Pause(Duration::from_millis(20))], 5_000)
            .flatten()
            .chain([Step::Hang])
            .collect();
    }),
];

const fn row(name: &'static str, scope: Scope, about: &'static str, act: fn(&Call<'_>, &mut Vec<Step>)) -> Fault {
    fault(name, On::Both, scope, about, Act::Script(act))
}

const fn calls(name: &'static str, about: &'static str, act: fn(&Call<'_>, &mut Vec<Step>)) -> Fault {
    row(name, Scope::Calls, about, act)
}

fn other_type(id: &Value) -> Value {
    match id {
        Value::String(text) => {
            let digits: String = text.chars().filter(char::is_ascii_digit).take(15).collect();
            digits.parse::<u64>().unwrap_or(0).into()
        }
        other => other.to_string().into(),
    }
}

fn replace_result(steps: &mut [Step], with: &Value) {
    edit_replies(steps, |reply| {
        if let Some(result) = reply.get_mut("result") {
            *result = with.clone();
        }
    });
}

fn flood(steps: &mut Vec<Step>, message: impl Fn(u32) -> Value) {
    steps.splice(0..0, (1..=20_000).map(|n| Step::Say(message(n))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_id_changes_both_ways() {
        assert_eq!(other_type(&json!("7")), json!(7));
        assert_eq!(other_type(&json!("p-17")), json!(17));
        assert_eq!(other_type(&json!(7)), json!("7"));
    }
}

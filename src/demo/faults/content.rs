//! Faults of tool results: errors in every disguise, structured content that breaks its schema.

use serde_json::{Value, json};

use super::super::script::{Call, Step, edit_results, failure};
use super::super::tools::text_result;
use super::{Act, Fault, On, Scope, fault};

pub(super) static FAULTS: &[Fault] = &[
    call("call-is-error", "every tool answers with isError true", |_, steps| {
        content(steps, &[("isError", json!(true)), ("content", text("the backend is down"))]);
    }),
    call("call-rpc-error", "every tool call is answered with a JSON-RPC error", |call, steps| {
        refuse(call, steps, -32603, "the backend is down");
    }),
    call("call-unknown-tool", "every tool is unknown when it is called, although it is listed", |call, steps| {
        refuse(call, steps, -32602, "unknown tool");
    }),
    call("call-32020", "every tool call is a header mismatch (modern)", |call, steps| {
        refuse(call, steps, -32020, "header mismatch");
    }),
    call("call-code-0", "every tool call is answered with the error code 0", |call, steps| {
        refuse(call, steps, 0, "something went wrong");
    }),
    call("call-text-error", "every tool reports its failure as ordinary text, with isError false", |_, steps| {
        content(steps, &[("isError", json!(false)), ("content", text("Error: connection refused (backend:5432)"))]);
    }),
    call("call-no-content", "every tool answers without content", |_, steps| take(steps, "content")),
    call("call-empty-content", "every tool answers with no block of content", |_, steps| {
        content(steps, &[("content", json!([]))]);
    }),
    call("call-long-text", "every tool answers with a text of 25,001 tokens", |_, steps| {
        content(steps, &[("content", text(&"word".repeat(25_001)))]);
    }),
    call("call-megabyte", "every tool answers with a text of a megabyte", |_, steps| {
        content(steps, &[("content", text(&"word".repeat(1 << 18)))]);
    }),
    call("call-content-string", "every tool answers with content that is a string", |_, steps| {
        content(steps, &[("content", json!("hello"))]);
    }),
    call("call-unknown-block", "every tool answers with a block of an unknown type", |_, steps| {
        content(steps, &[("content", json!([{"type": "hologram", "data": "..."}]))]);
    }),
    call("call-text-missing", "every tool answers with a text block that has no text", |_, steps| {
        content(steps, &[("content", json!([{"type": "text"}]))]);
    }),
    call("call-bad-base64", "every tool answers with an image that is not base64", |_, steps| {
        content(steps, &[("content", json!([{"type": "image", "data": "%%%", "mimeType": "image/png"}]))]);
    }),
    call("call-hostile-text", "every tool answers with escape sequences", |_, steps| {
        content(steps, &[("content", text("\u{1b}[2J\u{1b}]52;c;aGk=\u{7}\u{202e}txet\u{202c}\u{200b}\r\nend"))]);
    }),
    call("structured-missing", "leaves structuredContent out where the schema promises it", |_, steps| {
        take(steps, "structuredContent");
    }),
    call("structured-invalid", "sends structuredContent that breaks its schema", |_, steps| {
        content(steps, &[("structuredContent", json!({"sum": "five", "city": 5, "days": "many"}))]);
    }),
    call("structured-array", "sends structuredContent that is an array", |_, steps| {
        content(steps, &[("structuredContent", json!([1, 2, 3]))]);
    }),
    fault(
        "read-empty",
        On::Both,
        Scope::Methods(&["resources/read"]),
        "reads every resource as no contents",
        Act::Script(|_, steps| edit_results(steps, |result| result["contents"] = json!([]))),
    ),
    fault(
        "prompt-error",
        On::Both,
        Scope::Methods(&["prompts/get"]),
        "answers every prompt with the error code 0",
        Act::Script(|call, steps| *steps = vec![Step::Say(failure(call.id, 0, "unknown prompt", &Value::Null))]),
    ),
];

const fn call(name: &'static str, about: &'static str, act: fn(&Call<'_>, &mut Vec<Step>)) -> Fault {
    fault(name, On::Both, Scope::Methods(&["tools/call"]), about, Act::Script(act))
}

/// Answers with an error.
fn refuse(call: &Call<'_>, steps: &mut Vec<Step>, code: i64, message: &str) {
    *steps = vec![Step::Say(failure(call.id, code, message, &Value::Null))];
}

fn text(text: &str) -> Value {
    text_result(text)["content"].clone()
}

/// Sets members of every result.
fn content(steps: &mut [Step], members: &[(&str, Value)]) {
    edit_results(steps, |result| {
        for (name, value) in members {
            result[*name] = value.clone();
        }
    });
}

fn take(steps: &mut [Step], name: &str) {
    edit_results(steps, |result| {
        if let Some(result) = result.as_object_mut() {
            result.shift_remove(name);
        }
    });
}

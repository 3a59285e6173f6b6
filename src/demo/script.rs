//! A script: what the server does about one request, as data. The dialogue writes it, faults rewrite it, and a
//! transport performs it.

use std::time::Duration;

use serde_json::{Value, json};

use super::revision::Revision;

/// One act of a script.
#[derive(Debug, Clone)]
pub enum Step {
    /// A message in the framing of the transport.
    Say(Value),
    /// Bytes as they are: on stdio without a line end, on HTTP the whole body.
    Raw(Vec<u8>),
    /// Nothing for a while.
    Pause(Duration),
    /// No further word about this request.
    Hang,
    /// A request to the client (legacy), whose answer becomes the result.
    Ask(Ask),
    /// The process ends with this code.
    Exit(u8),
    /// The process is ended by SIGKILL.
    Kill,
    /// Standard output is closed; the process goes on.
    CloseStdout,
    /// Notifications about changed lists until the request is given up (`subscriptions/listen`).
    Listen(Listen),
}

/// A question to the client within a tool call.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Id of the client's own request.
    pub reply_to: Value,
    /// Method of the question.
    pub method: &'static str,
    /// Its parameters.
    pub params: Value,
}

/// What a listener wants to hear.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// Id of the listen request.
    pub id: Value,
    /// `notifications/tools/list_changed`.
    pub tools: bool,
    /// `notifications/resources/list_changed`.
    pub resources: bool,
}

/// The request a script belongs to, as a fault sees it.
#[derive(Debug)]
pub struct Call<'a> {
    /// Method.
    pub method: &'a str,
    /// Id as it came.
    pub id: &'a Value,
    /// Parameters, `null` when absent.
    pub params: &'a Value,
    /// Revision it is answered in.
    pub revision: Revision,
    /// How often this fault has struck before.
    pub hits: u64,
    /// `--fault-delay`.
    pub delay: Duration,
}

/// A success.
#[must_use]
pub fn success(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// An error; `data` is left out when it is null.
#[must_use]
pub fn failure(id: &Value, code: i64, message: &str, data: &Value) -> Value {
    let mut error = json!({"code": code, "message": message});
    if !data.is_null() {
        error["data"] = data.clone();
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// A notification.
#[must_use]
pub fn notification(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// The compact text of a message with a line end.
#[must_use]
pub fn line(message: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(message).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Whether a message answers a request.
#[must_use]
pub fn is_reply(message: &Value) -> bool {
    message.get("method").is_none()
}

/// Takes the bytes' place of every reply in a script.
pub fn replace_replies(steps: &mut Vec<Step>, mut with: impl FnMut(&Value) -> Vec<Step>) {
    let before = std::mem::take(steps);
    for step in before {
        match step {
            Step::Say(message) if is_reply(&message) => steps.extend(with(&message)),
            other => steps.push(other),
        }
    }
}

/// Changes every reply of a script in place.
pub fn edit_replies(steps: &mut [Step], mut edit: impl FnMut(&mut Value)) {
    for step in steps {
        if let Step::Say(message) = step
            && is_reply(message)
            && message.is_object()
        {
            edit(message);
        }
    }
}

/// Changes the `result` of every success in place.
pub fn edit_results(steps: &mut [Step], mut edit: impl FnMut(&mut Value)) {
    edit_replies(steps, |message| {
        if let Some(result) = message.get_mut("result").filter(|result| result.is_object()) {
            edit(result);
        }
    });
}

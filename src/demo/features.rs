//! Everything the demo server answers besides tool calls: capabilities, lists and their pages, resources,
//! prompts, completion, subscriptions.

use serde_json::{Value, json};

use super::catalog::{MOTD, MOTD_URI, PIXEL_PNG, README};
use super::dialogue::{Context, Fail, Server};
use super::faults::lists;
use super::revision::Revision;
use super::script::{Listen, Step, notification, success};
use super::tasks;

/// The instructions of the server.
pub const INSTRUCTIONS: &str = "A demo server. Every tool but note is read-only.";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Name and version in the shape of a revision.
#[must_use]
pub fn server_info(revision: Revision) -> Value {
    let mut info = json!({"name": "mcp-probe-demo", "version": env!("CARGO_PKG_VERSION")});
    if revision >= Revision::R2025_06 {
        info["title"] = "mcp-probe demo server".into();
    }
    if revision >= Revision::R2025_11 {
        info["description"] = "A server that can be told to misbehave.".into();
    }
    info
}

/// Capabilities in the shape of a revision.
#[must_use]
pub fn capabilities(revision: Revision) -> Value {
    let mut all = json!({
        "tools": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": true},
        "prompts": {"listChanged": false},
        "logging": {}});
    if revision >= Revision::R2025_03 {
        all["completions"] = json!({});
    }
    if revision.is_modern() {
        all["extensions"] = json!({tasks::EXTENSION: {}});
    }
    all
}

/// A result in the clothes of its revision: modern ones carry their type, the server and how long they may be kept.
#[must_use]
pub fn dressed(revision: Revision, mut result: Value, cacheable: bool) -> Value {
    if !revision.is_modern() {
        return result;
    }
    if result.get("resultType").is_none() {
        result["resultType"] = "complete".into();
    }
    if cacheable {
        result["ttlMs"] = 0.into();
        result["cacheScope"] = "public".into();
    }
    result["_meta"] = json!({SERVER_INFO: server_info(revision)});
    result
}

/// The result of `server/discover`.
#[must_use]
pub fn discovery(server: &Server) -> Value {
    let versions: Vec<&str> = server.revisions().into_iter().map(Revision::text).collect();
    let revision = Revision::R2026_07;
    let result = json!({"supportedVersions": versions, "capabilities": capabilities(revision),
        "instructions": INSTRUCTIONS});
    dressed(revision, result, true)
}

/// One page of a list; `size` 0 puts everything on one page.
pub fn page(context: &Context<'_>, size: usize, key: &str, mut items: Vec<Value>) -> Result<Vec<Step>, Fail> {
    let size = if size == 0 { usize::MAX } else { size };
    let start = match &context.params["cursor"] {
        Value::Null => 0,
        _ if lists::cursors_are_ignored(&context.server.settings.faults) => 0,
        cursor => cursor
            .as_str()
            .and_then(|text| text.strip_prefix("after-"))
            .and_then(|text| text.parse().ok())
            .filter(|start| *start < items.len())
            .ok_or_else(|| Fail::params("params.cursor is not a cursor of this list"))?,
    };
    let end = start.saturating_add(size).min(items.len());
    let more = end < items.len();
    let slice: Vec<Value> = items.drain(start..end).collect();
    let mut result = json!({});
    result[key] = Value::Array(slice);
    if more {
        result["nextCursor"] = format!("after-{end}").into();
    }
    Ok(vec![Step::Say(success(context.id, &dressed(context.revision, result, true)))])
}

/// The contents of the resource that `params.uri` names.
pub fn known_uri(context: &Context<'_>) -> Result<Value, Fail> {
    let uri = context.params["uri"].as_str().ok_or_else(|| Fail::params("params.uri must be a string"))?;
    let text = |text: &str| json!({"uri": uri, "mimeType": "text/plain", "text": text});
    let note = |number: &str| {
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        context.server.notes().get(index).map(|note| text(note))
    };
    let contents = match uri {
        "demo://text/readme" => Some(text(README)),
        MOTD_URI => Some(text(MOTD)),
        "demo://blob/pixel" => Some(json!({"uri": uri, "mimeType": "image/png", "blob": PIXEL_PNG})),
        _ => match (uri.strip_prefix("demo://echo/"), uri.strip_prefix("demo://note/")) {
            (Some(said), _) if !said.is_empty() => Some(text(said)),
            (_, Some(number)) => note(number),
            _ => None,
        },
    };
    contents.ok_or_else(|| {
        let code = if context.revision.is_modern() { -32602 } else { -32002 };
        let mut fail = Fail::new(code, "resource not found");
        fail.data = json!({"uri": uri});
        fail
    })
}

/// `resources/read`.
pub fn read(context: &Context<'_>) -> Result<Vec<Step>, Fail> {
    let result = json!({"contents": [known_uri(context)?]});
    Ok(vec![Step::Say(success(context.id, &dressed(context.revision, result, true)))])
}

/// `prompts/get`.
pub fn prompt(context: &Context<'_>) -> Result<Vec<Step>, Fail> {
    let arguments = &context.params["arguments"];
    let user = |content: Value| json!({"role": "user", "content": content});
    let result = match context.params["name"].as_str() {
        Some("greeting") => {
            let name = arguments["name"].as_str().ok_or_else(|| Fail::params("the argument \"name\" is required"))?;
            let text = match arguments["style"].as_str() {
                Some("formal") => format!("Good day, {name}."),
                Some("short") => format!("{name}!"),
                _ => format!("Hello {name}!"),
            };
            json!({"description": "A greeting.", "messages": [user(json!({"type": "text", "text": text}))]})
        }
        Some("review") => json!({"description": "A review.", "messages": [
            user(json!({"type": "text", "text": "Please review this text."})),
            user(json!({"type": "resource", "resource":
                {"uri": "demo://text/readme", "mimeType": "text/plain", "text": README}}))]}),
        Some(other) => return Err(Fail::params(&format!("unknown prompt: {other}"))),
        None => return Err(Fail::params("params.name must be a string")),
    };
    Ok(vec![context.say(result)])
}

/// `completion/complete`.
pub fn complete(context: &Context<'_>) -> Result<Vec<Step>, Fail> {
    let reference = &context.params["ref"];
    let argument = &context.params["argument"];
    let (Some(name), Some(typed)) = (argument["name"].as_str(), argument["value"].as_str()) else {
        return Err(Fail::params("params.argument needs the strings name and value"));
    };
    let known: &[&str] = match (reference["type"].as_str(), reference["name"].as_str(), reference["uri"].as_str(), name)
    {
        (Some("ref/prompt"), Some("greeting"), _, "style") => &["formal", "friendly", "short"],
        (Some("ref/prompt"), Some("greeting"), _, "name") => &["Ada", "Alan", "Grace"],
        (Some("ref/prompt"), Some("review"), ..) => &[],
        (Some("ref/resource"), _, Some("demo://echo/{text}"), "text") => &["hello", "help"],
        _ => return Err(Fail::params("params.ref names no prompt or template with that argument")),
    };
    let values: Vec<&str> = known.iter().copied().filter(|value| value.starts_with(typed)).collect();
    let completion = json!({"total": values.len(), "hasMore": false, "values": values});
    Ok(vec![context.say(json!({"completion": completion}))])
}

/// `subscriptions/listen`: the acknowledgement first, then whatever changes.
pub fn listen(context: &Context<'_>) -> Result<Vec<Step>, Fail> {
    let filter = &context.params["notifications"];
    if !filter.is_object() {
        return Err(Fail::params("params.notifications must be an object"));
    }
    tasks::check_filter(context)?;
    let wants = |key: &str| filter[key].as_bool().unwrap_or(false);
    let listen =
        Listen { id: context.id.clone(), tools: wants("toolsListChanged"), resources: wants("resourcesListChanged") };
    let mut honoured = json!({});
    for (key, on) in [("toolsListChanged", listen.tools), ("resourcesListChanged", listen.resources)] {
        if on {
            honoured[key] = true.into();
        }
    }
    if filter["resourceSubscriptions"].is_array() {
        honoured["resourceSubscriptions"] = filter["resourceSubscriptions"].clone();
    }
    let params = json!({"notifications": honoured, "_meta": {SUBSCRIPTION: context.id}});
    let acknowledgement = Step::Say(notification("notifications/subscriptions/acknowledged", &params));
    Ok(vec![acknowledgement, Step::Listen(listen)])
}

/// The notification of a changed list, marked with the subscription it belongs to (modern).
#[must_use]
pub fn list_changed(which: &str, subscription: Option<&Value>) -> Value {
    let method = format!("notifications/{which}/list_changed");
    match subscription {
        Some(id) => notification(&method, &json!({"_meta": {SUBSCRIPTION: id}})),
        None => json!({"jsonrpc": "2.0", "method": method}),
    }
}

//! What the tools of the demo server do.

use std::time::Duration;

use serde_json::{Value, json};

use super::catalog::{self, PIXEL_PNG, README, SILENCE_WAV};
use super::dialogue::{Context, Fail};
use super::revision::Revision;
use super::script::{Ask, Step, failure, notification, success};
use super::tasks;

const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// Where a level stands in the order of severity.
pub fn severity(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}

/// The script of a `tools/call`.
pub fn call(context: &Context<'_>) -> Result<Vec<Step>, Fail> {
    let server = context.server;
    let name = context.params["name"].as_str().ok_or_else(|| Fail::params("params.name must be a string"))?;
    if !catalog::has_tool(name, context.revision, server.settings.tools) {
        return Err(Fail::params(&format!("unknown tool: {name}")));
    }
    let arguments = match &context.params["arguments"] {
        Value::Null => json!({}),
        Value::Object(map) => Value::Object(map.clone()),
        _ => return Err(Fail::params("params.arguments must be an object")),
    };
    server.stats.calls.add();
    let outcome = match name {
        "slow" => match arguments["ms"].as_u64() {
            Some(ms) if tasks::declared(context) => return Ok(tasks::begin(context, ms.min(600_000))),
            Some(ms) => return Ok(slow(context, ms.min(600_000))),
            None => Err("argument \"ms\" must be an integer from 0".to_owned()),
        },
        "countdown" => match arguments["from"].as_u64() {
            Some(from) => return Ok(countdown(context, from.min(1_000), &arguments)),
            None => Err("argument \"from\" must be an integer from 1".to_owned()),
        },
        "log" => return Ok(log(context)),
        "ask" => return ask(context, &arguments),
        "echo" => string(&arguments, "message").map(|text| text_result(&text)),
        "add" => add(context, &arguments),
        "forecast" => forecast(context, &arguments, 3),
        "weather" => forecast(context, &arguments, 1),
        "note" => {
            string(&arguments, "text").map(|text| text_result(&format!("note {} written", server.write_note(text))))
        }
        "stats" => Ok(structured(context.revision, &server.stats.to_json())),
        "fail" => Err("this tool always fails".to_owned()),
        "image" => Ok(json!({"content": [{"type": "image", "data": PIXEL_PNG, "mimeType": "image/png"}]})),
        "audio" => Ok(json!({"content": [{"type": "audio", "data": SILENCE_WAV, "mimeType": "audio/wav"}]})),
        "embed" => Ok(json!({"content": [{"type": "resource", "resource":
            {"uri": "demo://text/readme", "mimeType": "text/plain", "text": README}}]})),
        "link" => Ok(json!({"content": [{"type": "resource_link", "uri": "demo://text/readme", "name": "readme",
            "mimeType": "text/plain"}]})),
        generated => Ok(text_result(generated)),
    };
    Ok(vec![context.say(tool_result(outcome))])
}

/// Errors of a tool are results, not JSON-RPC errors.
fn tool_result(outcome: Result<Value, String>) -> Value {
    outcome.unwrap_or_else(|why| {
        let mut result = text_result(&why);
        result["isError"] = true.into();
        result
    })
}

/// A result with one block of text.
pub fn text_result(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// Structured content, repeated as text; revisions before 2025-06-18 get the text only.
fn structured(revision: Revision, value: &Value) -> Value {
    let mut result = text_result(&value.to_string());
    if revision >= Revision::R2025_06 {
        result["structuredContent"] = value.clone();
    }
    result
}

fn string(arguments: &Value, name: &str) -> Result<String, String> {
    arguments[name].as_str().map(str::to_owned).ok_or_else(|| format!("argument {name:?} must be a string"))
}

fn add(context: &Context<'_>, arguments: &Value) -> Result<Value, String> {
    let (a, b) = (&arguments["a"], &arguments["b"]);
    let sum: Value = match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) if a.checked_add(b).is_some() => (a + b).into(),
        _ => {
            let number = |value: &Value, name| value.as_f64().ok_or(format!("argument {name:?} must be a number"));
            (number(a, "a")? + number(b, "b")?).into()
        }
    };
    Ok(structured(context.revision, &json!({"sum": sum})))
}

fn forecast(context: &Context<'_>, arguments: &Value, days_default: u64) -> Result<Value, String> {
    let city = string(arguments, "city")?;
    let days = match &arguments["days"] {
        Value::Null => days_default,
        value => {
            value.as_u64().filter(|n| (1..=7).contains(n)).ok_or("argument \"days\" must be an integer from 1 to 7")?
        }
    };
    let seed: u64 = city.bytes().map(u64::from).sum();
    let days: Vec<Value> = (0..days)
        .map(|day| {
            let sky = ["clear", "cloudy", "rain", "snow"][usize::try_from((seed + day) % 4).unwrap_or(0)];
            json!({"day": day + 1, "celsius": (seed + day * 7) % 30, "sky": sky})
        })
        .collect();
    Ok(structured(context.revision, &json!({"city": city, "days": days})))
}

fn progress(context: &Context<'_>, done: u64, total: u64) -> Option<Step> {
    let token = &context.params["_meta"]["progressToken"];
    if token.is_null() {
        return None;
    }
    let mut params = json!({"progressToken": token, "progress": done, "total": total});
    if context.revision >= Revision::R2025_03 {
        params["message"] = format!("{done} of {total}").into();
    }
    Some(Step::Say(notification("notifications/progress", &params)))
}

fn slow(context: &Context<'_>, ms: u64) -> Vec<Step> {
    let parts = 4;
    let mut steps = Vec::new();
    for part in 1..=parts {
        steps.push(Step::Pause(Duration::from_micros(ms * 1_000 / parts)));
        steps.extend(progress(context, part, parts));
    }
    steps.push(context.say(text_result(&format!("slept {ms} ms"))));
    steps
}

fn countdown(context: &Context<'_>, from: u64, arguments: &Value) -> Vec<Step> {
    let every = Duration::from_millis(arguments["every_ms"].as_u64().unwrap_or(10).min(10_000));
    let mut steps = Vec::new();
    for done in 1..=from {
        steps.push(Step::Pause(every));
        steps.extend(progress(context, done, from));
    }
    steps.push(context.say(text_result("lift-off")));
    steps
}

/// Legacy: from the level that was set (info at first). Modern: only when the request asked for logs.
fn log(context: &Context<'_>) -> Vec<Step> {
    let least = if context.revision.is_modern() {
        context.params["_meta"]["io.modelcontextprotocol/logLevel"].as_str().and_then(severity)
    } else {
        Some(context.log_level)
    };
    let heard = least.map_or(&[][..], |least| &LEVELS[least..]);
    let mut steps: Vec<Step> = heard
        .iter()
        .map(|level| json!({"level": level, "logger": "demo", "data": format!("a message of level {level}")}))
        .map(|params| Step::Say(notification("notifications/message", &params)))
        .collect();
    steps.push(context.say(text_result(&format!("{} messages sent", heard.len()))));
    steps
}

fn question(kind: &str, revision: Revision) -> Option<(&'static str, Value)> {
    match kind {
        "elicitation" => {
            let mut params = json!({"message": "What is your name?", "requestedSchema":
                {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}});
            if revision >= Revision::R2025_11 {
                params["mode"] = "form".into();
            }
            Some(("elicitation/create", params))
        }
        "sampling" => Some((
            "sampling/createMessage",
            json!({"messages": [{"role": "user", "content": {"type": "text", "text": "Say hello."}}], "maxTokens": 16}),
        )),
        "roots" => Some(("roots/list", json!({}))),
        _ => None,
    }
}

const STATE: &str = "demo-state-1";

fn ask(context: &Context<'_>, arguments: &Value) -> Result<Vec<Step>, Fail> {
    let kind = arguments["kind"].as_str().unwrap_or("elicitation");
    let (method, params) = question(kind, context.revision)
        .ok_or_else(|| Fail::params("argument \"kind\" must be elicitation, sampling or roots"))?;
    if context.revision.is_modern()
        && let Some(answers) = context.params.get("inputResponses")
    {
        if context.params["requestState"] != STATE {
            return Err(Fail::params("requestState was not echoed as it was given"));
        }
        match (answers.is_object(), answers.get("question")) {
            (true, Some(answer @ Value::Object(_))) => return Ok(vec![context.say(answered(answer))]),
            // What is missing is asked for again.
            (true, None) => {}
            _ => return Err(Fail::params("inputResponses must be an object of objects")),
        }
    }
    let declared = context.capabilities.get(kind).is_some();
    if context.revision.is_modern() {
        if !declared {
            let mut fail = Fail::new(-32021, &format!("the tool ask needs the client capability {kind}"));
            fail.data = json!({"requiredCapabilities": {kind: {}}});
            return Err(fail);
        }
        return Ok(vec![context.say(json!({"resultType": "input_required", "requestState": STATE,
            "inputRequests": {"question": {"method": method, "params": params}}}))]);
    }
    if !declared {
        return Ok(vec![context.say(tool_result(Err(format!("the client declared no capability {kind}"))))]);
    }
    Ok(vec![Step::Ask(Ask { reply_to: context.id.clone(), method, params })])
}

fn answered(answer: &Value) -> Value {
    text_result(&format!("the client answered {answer}"))
}

/// The reply to the client's call once its answer to our question is here.
#[must_use]
pub fn reply_to_answer(reply_to: &Value, answer: &Value) -> Value {
    match (answer.get("result"), answer.get("error")) {
        (Some(result), _) => success(reply_to, &answered(result)),
        (None, Some(error)) => success(reply_to, &tool_result(Err(format!("the client refused: {error}")))),
        (None, None) => failure(reply_to, -32603, "the client's answer has neither result nor error", &Value::Null),
    }
}

//! What the demo server offers, as data: tools, resources, templates and prompts in the shape of a revision.
//! A field that a revision does not define is not sent in it.

use serde_json::{Value, json};

use super::revision::Revision;

/// A one-pixel PNG.
pub const PIXEL_PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// A WAV file with an empty data chunk.
pub const SILENCE_WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
/// The text of the readme resource.
pub const README: &str = "This is the demo server of mcp-probe.\n";
/// The address of a resource that looks like a file, and is none.
pub const MOTD_URI: &str = "file:///demo/motd.txt";
/// What it says.
pub const MOTD: &str = "Have a nice day.\n";

struct Tool {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    since: Revision,
    read_only: bool,
    input: fn() -> Value,
    output: Option<fn() -> Value>,
}

const fn tool(name: &'static str, title: &'static str, description: &'static str, input: fn() -> Value) -> Tool {
    Tool { name, title, description, since: Revision::R2024_11, read_only: true, input, output: None }
}

static TOOLS: &[Tool] = &[
    tool("echo", "Echo", "Returns the message.", || {
        object(&json!({"message": {"type": "string", "description": "What to say back."}}), &["message"])
    }),
    Tool {
        output: Some(|| object(&json!({"sum": {"type": "number"}}), &["sum"])),
        ..tool("add", "Add", "Adds two numbers.", || {
            object(&json!({"a": {"type": "number"}, "b": {"type": "number"}}), &["a", "b"])
        })
    },
    Tool {
        output: Some(forecast_output),
        ..tool("forecast", "Forecast", "The weather of the next days in a city (made up, always the same).", || {
            city_input("How many days, 1 to 7 (3 by default).")
        })
    },
    Tool {
        output: Some(forecast_output),
        ..tool("weather", "Weather", "The weather in a city (made up, always the same).", || {
            city_input("How many days, 1 to 7 (1 by default).")
        })
    },
    tool("slow", "Slow", "Sleeps, then answers; reports progress when asked to.", || {
        object(&json!({"ms": {"type": "integer", "minimum": 0, "maximum": 600_000}}), &["ms"])
    }),
    tool("countdown", "Countdown", "Counts down to zero with one progress notification per step.", || {
        object(
            &json!({"from": {"type": "integer", "minimum": 1, "maximum": 1000},
                    "every_ms": {"type": "integer", "minimum": 0, "maximum": 10_000}}),
            &["from"],
        )
    }),
    tool("fail", "Fail", "Always fails: a result with isError true.", || object(&json!({}), &[])),
    Tool {
        read_only: false,
        ..tool("note", "Note", "Writes a note; it becomes a resource until the server ends.", || {
            object(&json!({"text": {"type": "string"}}), &["text"])
        })
    },
    tool("image", "Image", "Returns a PNG of one pixel.", || object(&json!({}), &[])),
    Tool {
        since: Revision::R2025_03,
        ..tool("audio", "Audio", "Returns a WAV file with no sound.", || object(&json!({}), &[]))
    },
    tool("embed", "Embed", "Returns the readme as an embedded resource.", || object(&json!({}), &[])),
    Tool {
        since: Revision::R2025_06,
        ..tool("link", "Link", "Returns a link to the readme.", || object(&json!({}), &[]))
    },
    tool("log", "Log", "Sends one log message per level, then answers.", || object(&json!({}), &[])),
    tool("ask", "Ask", "Asks the client something before it answers.", || {
        object(&json!({"kind": {"type": "string", "enum": ["elicitation", "sampling", "roots"]}}), &[])
    }),
    tool("stats", "Statistics", "What this server has seen since it started.", || object(&json!({}), &[])),
];

fn object(properties: &Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn city_input(days: &str) -> Value {
    object(
        &json!({
            "city": {"type": "string", "description": "Name of the city.", "x-mcp-header": "City"},
            "days": {"type": "integer", "minimum": 1, "maximum": 7, "description": days}}),
        &["city"],
    )
}

fn forecast_output() -> Value {
    let day = object(
        &json!({"day": {"type": "integer"}, "celsius": {"type": "number"}, "sky": {"type": "string"}}),
        &["day", "celsius", "sky"],
    );
    object(&json!({"city": {"type": "string"}, "days": {"type": "array", "items": day}}), &["city", "days"])
}

/// All tools in the shape of `revision`, followed by `extra` generated ones.
#[must_use]
pub fn tools(revision: Revision, extra: usize) -> Vec<Value> {
    let mut all: Vec<Value> = TOOLS.iter().filter(|tool| tool.since <= revision).map(|t| shape(t, revision)).collect();
    all.extend((1..=extra).map(|n| {
        json!({"name": format!("tool-{n:03}"), "description": format!("Generated tool number {n}."),
               "inputSchema": object(&json!({"value": {"type": "string"}}), &[])})
    }));
    all
}

/// Whether a tool of this name exists in `revision`.
#[must_use]
pub fn has_tool(name: &str, revision: Revision, extra: usize) -> bool {
    TOOLS.iter().any(|tool| tool.name == name && tool.since <= revision)
        || name.strip_prefix("tool-").and_then(|n| n.parse().ok()).is_some_and(|n: usize| n >= 1 && n <= extra)
}

/// The argument of a tool that modern HTTP mirrors into a header: argument name and header name.
#[must_use]
pub fn mirrored_argument(tool: &str) -> Option<(&'static str, &'static str)> {
    matches!(tool, "forecast" | "weather").then_some(("city", "mcp-param-city"))
}

fn shape(tool: &Tool, revision: Revision) -> Value {
    let mut input = (tool.input)();
    if !revision.is_modern()
        && let Some(city) = input.pointer_mut("/properties/city").and_then(Value::as_object_mut)
    {
        city.remove("x-mcp-header");
    }
    let mut shaped = json!({"name": tool.name, "description": tool.description, "inputSchema": input});
    if revision >= Revision::R2025_03 {
        shaped["annotations"] = if tool.read_only {
            json!({"readOnlyHint": true, "openWorldHint": false})
        } else {
            json!({"readOnlyHint": false, "destructiveHint": false, "idempotentHint": false, "openWorldHint": false})
        };
    }
    if revision >= Revision::R2025_06 {
        shaped["title"] = tool.title.into();
        if let Some(output) = tool.output {
            shaped["outputSchema"] = output();
        }
    }
    if revision >= Revision::R2025_11 && tool.name == "image" {
        shaped["icons"] = json!([{"src": format!("data:image/png;base64,{PIXEL_PNG}"), "mimeType": "image/png"}]);
    }
    shaped
}

/// Name, title (from 2025-06-18) and the rest of a listed thing.
fn titled(mut item: Value, title: &str, revision: Revision) -> Value {
    if revision >= Revision::R2025_06 {
        item["title"] = title.into();
    }
    item
}

/// All resources, the written notes last.
#[must_use]
pub fn resources(revision: Revision, notes: usize) -> Vec<Value> {
    let mut all = vec![
        titled(
            json!({"uri": "demo://text/readme", "name": "readme", "description": "A line of text.",
                   "mimeType": "text/plain", "size": README.len(),
                   "annotations": {"audience": ["user", "assistant"], "priority": 0.5}}),
            "Readme",
            revision,
        ),
        titled(
            json!({"uri": "demo://blob/pixel", "name": "pixel", "description": "A PNG of one pixel.",
                   "mimeType": "image/png"}),
            "Pixel",
            revision,
        ),
        titled(
            json!({"uri": MOTD_URI, "name": "motd.txt", "description": "The message of the day.",
                   "mimeType": "text/plain"}),
            "Message of the day",
            revision,
        ),
    ];
    all.extend(
        (1..=notes)
            .map(|n| json!({"uri": format!("demo://note/{n}"), "name": format!("note-{n}"), "mimeType": "text/plain"})),
    );
    all
}

/// All resource templates.
#[must_use]
pub fn templates(revision: Revision) -> Vec<Value> {
    vec![titled(
        json!({"uriTemplate": "demo://echo/{text}", "name": "echo", "description": "The text of its own address.",
               "mimeType": "text/plain"}),
        "Echo",
        revision,
    )]
}

/// All prompts.
#[must_use]
pub fn prompts(revision: Revision) -> Vec<Value> {
    vec![
        titled(
            json!({"name": "greeting", "description": "A greeting for somebody.", "arguments": [
                {"name": "name", "description": "Whom to greet.", "required": true},
                {"name": "style", "description": "formal, friendly or short.", "required": false}]}),
            "Greeting",
            revision,
        ),
        titled(
            json!({"name": "review", "description": "A review of the readme, which is embedded."}),
            "Review",
            revision,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_revisions_lack_newer_fields() {
        let old = tools(Revision::R2024_11, 0);
        assert!(old.iter().all(|t| t.get("annotations").is_none() && t.get("outputSchema").is_none()));
        assert!(old.iter().all(|t| t["name"] != "audio" && t["name"] != "link"));
        assert!(!serde_json::to_string(&tools(Revision::R2025_11, 0)).unwrap().contains("x-mcp-header"));
        let new = tools(Revision::R2026_07, 2);
        assert!(new.iter().any(|t| t["outputSchema"].is_object()));
        assert!(serde_json::to_string(&new).unwrap().contains("x-mcp-header"));
        assert_eq!(new.last().unwrap()["name"], "tool-002");
    }

    #[test]
    fn generated_tools_are_known_by_number() {
        assert!(has_tool("tool-002", Revision::R2026_07, 2));
        assert!(!has_tool("tool-003", Revision::R2026_07, 2));
        assert!(!has_tool("audio", Revision::R2024_11, 0));
    }
}

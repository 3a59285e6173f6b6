//! Faults of what is offered: resources, prompts and single definitions of tools that break a rule of the specification.

use serde_json::{Value, json};

use super::super::script::{Call, Step, edit_results, notification};
use super::{Act, Fault, On, Scope, fault};

pub(super) static FAULTS: &[Fault] = &[
    of("tools/list", "tools-bad-icon", "lists a tool whose icon is a script", |_, steps| {
        add_tool(steps, || tool(json!({"icons": [{"src": "javascript:alert(1)"}]})));
    }),
    of("tools/list", "tools-task-word", "lists a tool with a taskSupport that does not exist", |_, steps| {
        add_tool(steps, || tool(json!({"execution": {"taskSupport": "sometimes"}})));
    }),
    of("tools/list", "tools-hint-clash", "lists a tool that only reads and destroys", |_, steps| {
        add_tool(steps, || tool(json!({"annotations": {"readOnlyHint": true, "destructiveHint": true}})));
    }),
    of("tools/list", "tools-unknown-dialect", "lists a tool whose schema names a dialect nobody knows", |_, steps| {
        add_tool(steps, || {
            tool(json!({"inputSchema": {"$schema": "https://schemas.invalid/dialect/1", "type": "object"}}))
        });
    }),
    of("tools/list", "tools-bottomless-schema", "lists a tool whose schema is 40 objects deep", |_, steps| {
        let mut schema = json!({"type": "string"});
        for _ in 0..40 {
            schema = json!({"type": "object", "properties": {"in": schema}});
        }
        add_tool(steps, || tool(json!({ "inputSchema": schema })));
    }),
    of("tools/list", "tools-header-secret", "lists a tool whose password goes into a header (modern)", |_, steps| {
        add_tool(steps, || {
            let properties = json!({"password": {"type": "string", "x-mcp-header": "Login"}});
            tool(json!({"inputSchema": {"type": "object", "properties": properties}}))
        });
    }),
    fault(
        "list-changed-undeclared",
        On::Both,
        Scope::Methods(&["initialize", "server/discover", "tools/list"]),
        "says that its tools have changed, and has not declared that it would",
        Act::Script(|call, steps| {
            if call.method == "tools/list" {
                steps.insert(0, Step::Say(notification("notifications/tools/list_changed", &json!({}))));
            }
            edit_results(steps, |result| {
                if result.get("capabilities").is_some() {
                    result["capabilities"]["tools"] = json!({});
                }
            });
        }),
    ),
    of("resources/list", "resources-no-name", "lists a resource without a name", |_, steps| {
        add(steps, "resources", || json!({"uri": "demo://text/nameless"}));
    }),
    of("resources/list", "resources-bad-uri", "lists a resource whose URI has no scheme", |_, steps| {
        add(steps, "resources", || json!({"uri": "nowhere", "name": "nowhere"}));
    }),
    of("resources/list", "resources-duplicate", "lists a resource twice under one URI", |_, steps| {
        add(steps, "resources", || json!({"uri": "demo://text/readme", "name": "again"}));
    }),
    of("resources/list", "resources-wrong-size", "lists every resource as one byte large", |_, steps| {
        each(steps, "resources", |item| item["size"] = 1.into());
    }),
    of("resources/list", "resources-bad-annotations", "lists every resource with the priority 5", |_, steps| {
        each(steps, "resources", |item| item["annotations"] = json!({"priority": 5}));
    }),
    of("prompts/list", "prompts-no-name", "lists a prompt without a name", |_, steps| {
        add(steps, "prompts", || json!({"description": "It has no name."}));
    }),
    of("prompts/list", "prompts-duplicate", "lists a prompt twice under one name", |_, steps| {
        add(steps, "prompts", || json!({"name": "greeting", "description": "Another greeting."}));
    }),
];

const fn of(
    method: &'static str,
    name: &'static str,
    about: &'static str,
    act: fn(&Call<'_>, &mut Vec<Step>),
) -> Fault {
    let methods: &'static [&'static str] = match method.as_bytes() {
        b"tools/list" => &["tools/list"],
        b"resources/list" => &["resources/list"],
        _ => &["prompts/list"],
    };
    fault(name, On::Both, Scope::Methods(methods), about, Act::Script(act))
}

/// A tool without parameters, with these members besides or instead.
fn tool(members: Value) -> Value {
    let mut tool =
        json!({"name": "odd", "description": "Something is odd about it.", "inputSchema": {"type": "object"}});
    if let Value::Object(members) = members {
        for (name, value) in members {
            tool[name] = value;
        }
    }
    tool
}

fn add_tool(steps: &mut [Step], tool: impl Fn() -> Value) {
    add(steps, "tools", tool);
}

/// Adds an item to the end of a list.
fn add(steps: &mut [Step], list: &str, item: impl Fn() -> Value) {
    edit_results(steps, |result| {
        if let Some(items) = result[list].as_array_mut() {
            items.push(item());
        }
    });
}

/// Every item of a list.
fn each(steps: &mut [Step], list: &str, mut change: impl FnMut(&mut Value)) {
    edit_results(steps, |result| {
        result[list].as_array_mut().into_iter().flatten().for_each(&mut change);
    });
}

//! The specification itself, as far as definitions go: what any client may rely on.

use serde_json::Value;

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, naming};
use crate::audit::topic::Topic;
use crate::audit::{marks, subschemas};
use crate::event::{Era, Severity, TransportKind};

pub(super) static PROFILE: Profile = Profile {
    id: "mcp",
    title: "MCP itself",
    as_of: "2026-07-28",
    what: "A client that follows the specification and adds no limits of its own.",
    exposes: naming::bare,
    naming: "TOOL",
    rules: RULES,
};

const SPEC: &str = "MCP specification, server/tools";

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.mcp.definition",
            severity: Severity::Error,
            what: "A tool is no object, or lacks a name or an inputSchema that is an object.",
            why: "Nothing can call it, and many clients refuse the whole list with it.",
            mend: "give every tool a name and an inputSchema; `{\"type\": \"object\"}` stands for no parameters.",
            source: SPEC,
            as_of: "2026-07-28",
        },
        value: "name and inputSchema",
        effect: Effect::Lost,
        judge: Judge::Tool(definition),
    },
    ClientRule {
        topic: Topic {
            id: "compat.mcp.name",
            severity: Severity::Warning,
            what: "A tool's name is longer than 128 characters, or has others than `A-Z a-z 0-9 _ . -`.",
            why: "Such a name should not be used: clients rewrite it, drop the tool, or have their requests refused.",
            mend: "use letters, digits, `_` and `-`; 50 characters leave room for what clients put before them.",
            source: SPEC,
            as_of: "2026-07-28",
        },
        value: "1 to 128 of A-Z a-z 0-9 _ . -",
        effect: Effect::Warned,
        judge: Judge::Tool(|tool, misses| {
            naming::too_long(tool, 128, misses);
            let is_allowed = |c| naming::is_plain(c) || c == '.';
            naming::wrong_characters(tool, is_allowed, "only `A-Z a-z 0-9 _ . -` (should)", misses);
        }),
    },
    ClientRule {
        topic: Topic {
            id: "compat.mcp.unique",
            severity: Severity::Warning,
            what: "Two tools have the same name.",
            why: "A call reaches one of them; which one, nobody knows.",
            mend: "give each its own name; case counts.",
            source: SPEC,
            as_of: "2026-07-28",
        },
        value: "names are unique",
        effect: Effect::Warned,
        judge: Judge::Server(naming::duplicates),
    },
    ClientRule {
        topic: Topic {
            id: "compat.mcp.header",
            severity: Severity::Warning,
            what: "An `x-mcp-header` annotation breaks its rules.",
            why: "A client that speaks 2026-07-28 over HTTP must drop the tool.",
            mend: "use a unique header token, on properties of the type string, integer or boolean, reached through \
                   `properties` alone.",
            source: "MCP specification, basic/transports/streamable-http",
            as_of: "2026-07-28",
        },
        value: "valid x-mcp-header",
        effect: Effect::Lost,
        judge: Judge::Tool(header),
    },
    ClientRule {
        topic: Topic {
            id: "compat.mcp.outside_ref",
            severity: Severity::Warning,
            what: "A schema refers to another document.",
            why: "Clients must not fetch it by themselves: the parameter is not described to them, and some refuse the schema.",
            mend: "copy what is meant under `$defs` and refer to it by `#/$defs/…`.",
            source: SPEC,
            as_of: "2026-07-28",
        },
        value: "$ref stays inside",
        effect: Effect::Warned,
        judge: Judge::Tool(outside_ref),
    },
];

fn definition(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let kind = |value: Option<&Value>| match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(text)) if text.is_empty() => "an empty string",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    };
    let value = tool.item.value;
    if !value.is_object() {
        misses.push(tool.miss("", "an object", kind(Some(value))));
        return;
    }
    if tool.name.is_none_or(str::is_empty) {
        misses.push(tool.miss("name", "a name", kind(value.get("name"))));
    } else if tool.item.schema().is_none() {
        misses.push(tool.miss("inputSchema", "an object", kind(value.get("inputSchema"))));
    }
}

fn header(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(schema) = tool.item.value.get("inputSchema") else { return };
    if tool.offer.revision.era != Era::Modern || tool.offer.transport == TransportKind::Stdio {
        return;
    }
    let mut taken = Vec::new();
    for mark in marks::of(schema, &tool.schema_path()) {
        let name = mark.header.as_str().unwrap_or_default().to_ascii_lowercase();
        let wrong = if mark.token().is_none() {
            Some(("a header token: letters, digits and `!#$%&'*+-.^_`|~`", mark.header.to_string()))
        } else if !mark.reachable {
            Some(("a property that is reached through `properties` alone", "it stands elsewhere".to_owned()))
        } else if let Some(wrong) = mark.wrong_type() {
            Some(("a property of the type string, integer or boolean", format!("its type is {wrong}")))
        } else if taken.contains(&name) {
            Some(("a header that no other property has (case does not count)", mark.header.to_string()))
        } else {
            None
        };
        taken.push(name);
        if let Some((expected, actual)) = wrong {
            misses.push(tool.miss_at(mark.path, expected, actual));
        }
    }
}

fn outside_ref(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    for member in ["inputSchema", "outputSchema"] {
        let Some(schema) = tool.item.value.get(member) else { continue };
        let root = format!("{}.{member}", tool.item.path());
        subschemas::each(schema, &mut |inner| {
            // A relative reference is resolved against the schema's own `$id`, and may well stay inside.
            for keyword in ["$ref", "$dynamicRef"] {
                if let Some(reference) = inner.text(keyword).filter(|reference| reference.contains("://")) {
                    let path = crate::audit::offer::member(&inner.path(&root), keyword);
                    misses.push(tool.miss_at(path, "a reference into the same schema, such as `#/$defs/…`", reference));
                }
            }
        });
    }
}

//! The API of `OpenAI` without strict schemas.

use serde_json::Value;

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, Server, anthropic, naming};
use crate::audit::subschemas;
use crate::audit::topic::Topic;
use crate::event::Severity;

pub(super) static PROFILE: Profile = Profile {
    id: "openai",
    title: "OpenAI",
    as_of: "2026-10-05",
    what: "OpenAI's Responses and Chat Completions APIs, with schemas handed on as they are and not strict.",
    exposes: naming::bare,
    naming: "TOOL",
    rules: RULES,
};

const TOOLS_MAX: usize = 128;
const DESCRIPTION_CHARS: usize = 1_024;

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.openai.name",
            severity: Severity::Warning,
            what: "A tool's name does not match `^[a-zA-Z0-9_-]+$`, or is longer than 128 characters.",
            why: "The API refuses every request that carries the tool: no tool works.",
            mend: "use letters, digits, `_` and `-` only.",
            source: "error text of the API; measured on Responses",
            as_of: "2026-10-05",
        },
        value: "^[a-zA-Z0-9_-]{1,128}$",
        effect: Effect::AllLost,
        judge: Judge::Tool(|tool, misses| {
            naming::too_long(tool, 128, misses);
            naming::wrong_characters(tool, naming::is_plain, "only `A-Z a-z 0-9 _ -`", misses);
        }),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai.name_64",
            severity: Severity::Warning,
            what: "A tool's name is longer than 64 characters.",
            why: "The text of the API's error says 64, and many clients skip longer ones.",
            mend: "shorten the name.",
            source: "error text of the API",
            as_of: "2026-10-05",
        },
        value: "64 characters in older clients",
        effect: Effect::Warned,
        judge: Judge::Tool(|tool, misses| {
            if tool.exposed.chars().count() <= 128 {
                naming::too_long(tool, 64, misses);
            }
        }),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai.description_length",
            severity: Severity::Warning,
            what: "A tool's description is longer than 1,024 characters.",
            why: "Older Chat Completions refuse it.",
            mend: "say it in 1,024 characters, or move the rest into parameter descriptions.",
            source: "error text of the API (older Chat Completions)",
            as_of: "2026-11-22",
        },
        value: "1,024 characters (older Chat Completions)",
        effect: Effect::Warned,
        judge: Judge::Tool(description),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai.tool_count",
            severity: Severity::Warning,
            what: "The server lists more than 128 tools.",
            why: "A request may carry 128: one with all of them is refused.",
            mend: "offer fewer, or in groups that can be switched on.",
            source: "vendor's documentation and measurement; enforced by VS Code as well",
            as_of: "2026-10-05",
        },
        value: "128 tools a request",
        effect: Effect::AllLost,
        judge: Judge::Server(tool_count),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai.array_items",
            severity: Severity::Warning,
            what: "A parameter is an array without `items`.",
            why: "The API refuses every request that carries the tool: no tool works.",
            mend: "say what the array holds: `\"items\": {\"type\": \"string\"}`, or `{}` for anything.",
            source: "apify/apify-mcp-server#36, agentscope-ai/ReMe#84",
            as_of: "2026-11-22",
        },
        value: "arrays have items",
        effect: Effect::AllLost,
        judge: Judge::Tool(array_items),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai.object_properties",
            severity: Severity::Warning,
            what: "An input schema has no `properties`.",
            why: "The API refuses every request that carries the tool: no tool works.",
            mend: "write `\"properties\": {}` where there are no parameters.",
            source: "error text of the API: object schema missing properties; collmbo#384",
            as_of: "2026-11-22",
        },
        value: "the root has properties",
        effect: Effect::AllLost,
        judge: Judge::Tool(properties),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai.root_combinator",
            severity: Severity::Warning,
            what: "An input schema has `oneOf`, `anyOf`, `allOf`, `enum` or `not` at its root.",
            why: "The API refuses every request that carries the tool: no tool works.",
            mend: "write one object with `properties`; say in the description which parameters go together.",
            source: "error text of the API: langchain-ai/langchainjs#9804, Dicklesworthstone/flywheel_connectors#49",
            as_of: "2026-05-20",
        },
        value: "no oneOf, anyOf, allOf, enum, not at the root",
        effect: Effect::AllLost,
        judge: Judge::Tool(|tool, misses| {
            anthropic::root_keywords(tool, &["oneOf", "anyOf", "allOf", "enum", "not"], misses);
        }),
    },
];

fn description(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let length = tool.item.text("description").map_or(0, |text| text.chars().count());
    if length > DESCRIPTION_CHARS {
        misses.push(tool.miss("description", format!("at most {DESCRIPTION_CHARS} characters"), length.to_string()));
    }
}

fn tool_count(server: &Server<'_>, misses: &mut Vec<Miss>) {
    let count = server.tools.len();
    if count > TOOLS_MAX {
        let (expected, actual) = (format!("at most {TOOLS_MAX} tools"), count.to_string());
        misses.push(Miss { tool: None, expected, actual, path: "$.tools".to_owned() });
    }
}

/// Arrays that do not say what they hold. VS Code wants the same.
pub(super) fn array_items(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(schema) = tool.item.value.get("inputSchema") else { return };
    let (root, mut first, mut count) = (tool.schema_path(), None, 0_usize);
    subschemas::each(schema, &mut |inner| {
        if inner.names_type("array") && !inner.keywords.contains_key("items") {
            count += 1;
            first.get_or_insert_with(|| inner.path(&root));
        }
    });
    if let Some(path) = first {
        let actual = if count == 1 { "none".to_owned() } else { format!("none, in {count} places") };
        misses.push(tool.miss_at(path, "`items` in an array", actual));
    }
}

fn properties(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(schema) = tool.item.schema() else { return };
    if !schema.get("properties").is_some_and(Value::is_object) {
        misses.push(tool.miss("inputSchema", "`properties`, if only an empty object", "none"));
    }
}

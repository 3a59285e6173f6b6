//! Anthropic's API, reached by a client that hands names and schemas on as they are.

use serde_json::Value;

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, listed, naming};
use crate::audit::subschemas;
use crate::audit::topic::Topic;
use crate::event::Severity;

pub(super) static PROFILE: Profile = Profile {
    id: "anthropic",
    title: "Anthropic",
    as_of: "2026-10-05",
    what: "The Messages API of Anthropic, and clients such as Claude Desktop that hand definitions on unchanged.",
    exposes: naming::bare,
    naming: "TOOL",
    rules: RULES,
};

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.anthropic.name",
            severity: Severity::Warning,
            what: "A tool's name does not match `^[a-zA-Z0-9_-]{1,128}$`.",
            why: "The API answers every request that carries the tool with 400: no tool works. Dots are allowed by MCP and \
                  refused here.",
            mend: "use letters, digits, `_` and `-` only.",
            source: "error text of the API; microsoft/wassette#56; 129 characters refused when measured",
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
            id: "compat.anthropic.name_64",
            severity: Severity::Warning,
            what: "A tool's name is longer than 64 characters.",
            why: "Older text of the API, and Claude Desktop for remote servers, allow 64.",
            mend: "shorten the name.",
            source: "error texts: NetApp/netapp-dataops-toolkit#38, barryw/ImmichMCP#8",
            as_of: "2026-05-07",
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
            id: "compat.anthropic.unique",
            severity: Severity::Error,
            what: "Two tools have the same name.",
            why: "The API answers every request that carries both with 400: no tool works.",
            mend: "give each its own name.",
            source: "error text of the API: tool names must be unique",
            as_of: "2026-10-05",
        },
        value: "names are unique",
        effect: Effect::AllLost,
        judge: Judge::Server(naming::duplicates),
    },
    ClientRule {
        topic: Topic {
            id: "compat.anthropic.property_key",
            severity: Severity::Warning,
            what: "A parameter's name does not match `^[a-zA-Z0-9_.-]{1,64}$`.",
            why: "The API refuses the whole array of tools: no tool works.",
            mend: "name parameters with letters, digits, `_`, `.` and `-`, at most 64 of them.",
            source: "error text of the API",
            as_of: "2026-10-05",
        },
        value: "^[a-zA-Z0-9_.-]{1,64}$",
        effect: Effect::AllLost,
        judge: Judge::Tool(property_key),
    },
    ClientRule {
        topic: Topic {
            id: "compat.anthropic.root_combinator",
            severity: Severity::Warning,
            what: "An input schema has `oneOf`, `anyOf` or `allOf` at its root.",
            why: "The API answers every request that carries the tool with 400: no tool works.",
            mend: "write one object with `properties`; say in the description which parameters go together.",
            source: "anthropics/claude-code#5973, makenotion/notion-mcp-server#340",
            as_of: "2026-08-05",
        },
        value: "no oneOf, anyOf, allOf at the root",
        effect: Effect::AllLost,
        judge: Judge::Tool(|tool, misses| root_keywords(tool, &["oneOf", "anyOf", "allOf"], misses)),
    },
    ClientRule {
        topic: Topic {
            id: "compat.anthropic.ref",
            severity: Severity::Info,
            what: "An input schema has `$ref`.",
            why: "Custom tools of Anthropic's managed agents may not have it. Tools that are read over MCP are not known to be \
                  refused.",
            mend: "write the schema out, if you hand its tools to managed agents yourself.",
            source: "diegosouzapw/OmniRoute#13552, quoting the vendor",
            as_of: "2026-11-22",
        },
        value: "no $ref in custom tools of managed agents",
        effect: Effect::Warned,
        judge: Judge::Tool(reference),
    },
];

pub(super) fn property_key(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let properties = tool.item.schema().and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let is_allowed = |c: char| naming::is_plain(c) || c == '.';
    let is_wrong = |key: &&str| key.is_empty() || key.chars().count() > 64 || !key.chars().all(is_allowed);
    let wrong: Vec<&str> =
        properties.into_iter().flat_map(|all| all.keys()).map(String::as_str).filter(is_wrong).collect();
    if !wrong.is_empty() {
        let path = format!("{}.properties", tool.schema_path());
        misses.push(tool.miss_at(path, "1 to 64 of `A-Z a-z 0-9 _ . -` in each name", listed(wrong)));
    }
}

/// Keywords that may not stand at the root of the input schema.
pub(super) fn root_keywords(tool: &Seen<'_>, keywords: &[&str], misses: &mut Vec<Miss>) {
    let Some(schema) = tool.item.schema() else { return };
    let there: Vec<&str> = keywords.iter().copied().filter(|keyword| schema.contains_key(*keyword)).collect();
    if !there.is_empty() {
        let expected = format!("none of {} at the root", listed(keywords.iter().copied()));
        misses.push(tool.miss("inputSchema", expected, listed(there)));
    }
}

fn reference(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(schema) = tool.item.value.get("inputSchema") else { return };
    let (root, mut first, mut count) = (tool.schema_path(), None, 0_usize);
    subschemas::each(schema, &mut |inner| {
        if inner.keywords.contains_key("$ref") {
            count += 1;
            first.get_or_insert_with(|| inner.path(&root));
        }
    });
    if let Some(path) = first {
        misses.push(tool.miss_at(path, "no `$ref`", format!("{count} of them")));
    }
}

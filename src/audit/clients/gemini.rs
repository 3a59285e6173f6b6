//! Gemini's API: function declarations, with `parameters` in its own subset of schemas, or `parametersJsonSchema`.

use serde_json::Value;

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, Server, listed, naming};
use crate::audit::subschemas::{self, Subschema};
use crate::audit::topic::Topic;
use crate::event::Severity;

pub(super) static PROFILE: Profile = Profile {
    id: "gemini",
    title: "Gemini",
    as_of: "2026-10-05",
    what: "Gemini's API, and Vertex AI, with names handed on as they are.",
    exposes: naming::bare,
    naming: "TOOL",
    rules: RULES,
};

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.gemini.name",
            severity: Severity::Warning,
            what: "A tool's name does not match `^[a-zA-Z_][a-zA-Z0-9_.:-]*$`, or is longer than 128 characters.",
            why: "The API refuses every request that declares it: no tool works.",
            mend: "begin it with a letter or `_`, and use letters, digits, `_` and `-`.",
            source: "source of Gemini CLI, which cites Vertex AI; length measured",
            as_of: "2026-10-05",
        },
        value: "^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$",
        effect: Effect::AllLost,
        judge: Judge::Tool(name),
    },
    ClientRule {
        topic: Topic {
            id: "compat.gemini.name_64",
            severity: Severity::Warning,
            what: "A tool's name is longer than 64 characters.",
            why: "The documentation says 64, and clients shorten to that; when measured, 128 were taken.",
            mend: "shorten the name.",
            source: "source of Gemini CLI, which cites Vertex AI",
            as_of: "2026-10-05",
        },
        value: "64 characters by the documentation",
        effect: Effect::Warned,
        judge: Judge::Tool(|tool, misses| {
            if tool.exposed.chars().count() <= 128 {
                naming::too_long(tool, 64, misses);
            }
        }),
    },
    ClientRule {
        topic: Topic {
            id: "compat.gemini.keyword",
            severity: Severity::Warning,
            what: "A schema has what `parameters` of Gemini does not take.",
            why: "Clients that hand schemas to `parameters` have the whole request refused. Those that use \
                  `parametersJsonSchema` do not.",
            mend: "leave it out where it can be said in the description.",
            source: "nanbingxyz/5ire#42, promptfoo#6902, zed-industries/zed#44875, langchain-mcp-tools-ts#36, pizza-bot#62; \
                     danny-avila/LibreChat#13845 on the other field",
            as_of: "2026-11-22",
        },
        value: "no additionalProperties, $schema, exclusive*, multipleOf, uniqueItems, const, oneOf, allOf, propertyNames, \
                patternProperties, arrays of types, formats but enum and date-time",
        effect: Effect::Warned,
        judge: Judge::Server(keyword),
    },
];

fn name(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    naming::too_long(tool, 128, misses);
    let is_allowed = |c| naming::is_plain(c) || matches!(c, '.' | ':');
    naming::wrong_characters(tool, is_allowed, "only `A-Z a-z 0-9 _ . : -`", misses);
    if tool.exposed.starts_with(|c: char| is_allowed(c) && !c.is_ascii_alphabetic() && c != '_') {
        misses.push(tool.miss("name", "a letter or `_` at the beginning", format!("`{}`", tool.exposed)));
    }
}

/// Told once for the server: generators write `$schema` and `additionalProperties` into every schema.
fn keyword(server: &Server<'_>, misses: &mut Vec<Miss>) {
    let (mut first, mut all, mut tools) = (None, Vec::new(), 0_usize);
    for tool in &server.tools {
        let Some(schema) = tool.item.value.get("inputSchema") else { continue };
        let (root, mut is_clean) = (tool.schema_path(), true);
        subschemas::each(schema, &mut |inner| {
            for word in foreign(inner) {
                is_clean = false;
                first.get_or_insert_with(|| inner.path(&root));
                if !all.contains(&word) {
                    all.push(word);
                }
            }
        });
        tools += usize::from(!is_clean);
    }
    if let Some(path) = first {
        let actual = format!("{} in {tools} of {} tools", listed(all), server.tools.len());
        misses.push(Miss { tool: None, expected: "what `parameters` takes".to_owned(), actual, path });
    }
}

fn foreign(inner: &Subschema<'_, '_>) -> Vec<&'static str> {
    const FOREIGN: &[&str] = &[
        "additionalProperties",
        "$schema",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "uniqueItems",
        "const",
        "oneOf",
        "allOf",
        "propertyNames",
        "patternProperties",
    ];
    let mut there: Vec<&str> = FOREIGN.iter().copied().filter(|word| inner.keywords.contains_key(*word)).collect();
    if inner.keywords.get("type").is_some_and(Value::is_array) {
        there.push("an array of types");
    }
    if inner.names_type("string") && inner.text("format").is_some_and(|format| !matches!(format, "enum" | "date-time"))
    {
        there.push("format");
    }
    there
}

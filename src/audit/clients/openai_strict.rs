//! The strict schemas of `OpenAI`: the subset that structured outputs take. Nobody must fit into it; who wants to is told what
//! stands in the way.

use serde_json::Value;

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, listed, naming};
use crate::audit::subschemas::{self, Step, Subschema};
use crate::audit::topic::Topic;
use crate::event::Severity;

pub(super) static PROFILE: Profile = Profile {
    id: "openai-strict",
    title: "OpenAI strict",
    as_of: "2026-11-22",
    what: "OpenAI with `strict: true`: schemas handed on as they are must fit into the subset of structured outputs.",
    exposes: naming::bare,
    naming: "TOOL",
    rules: RULES,
};

const SOURCE: &str = "vendor's documentation of structured outputs";
const AS_OF: &str = "2026-11-22";

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.openai-strict.root",
            severity: Severity::Info,
            what: "The root of an input schema is no plain object, or is an `anyOf`.",
            why: "A strict tool takes an object with properties.",
            mend: "write one object with `properties`.",
            source: SOURCE,
            as_of: AS_OF,
        },
        value: "the root is an object, not anyOf",
        effect: Effect::Lost,
        judge: Judge::Tool(root),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai-strict.required",
            severity: Severity::Info,
            what: "Not every property is required.",
            why: "A strict schema requires all; an optional one is written as `\"type\": [\"string\", \"null\"]`.",
            mend: "require every property and allow null, where strict mode is wanted.",
            source: SOURCE,
            as_of: AS_OF,
        },
        value: "every property is required",
        effect: Effect::Lost,
        judge: Judge::Tool(required),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai-strict.additional_properties",
            severity: Severity::Info,
            what: "An object does not say `additionalProperties: false`.",
            why: "A strict schema says it of every object.",
            mend: "add it to each object, where strict mode is wanted.",
            source: SOURCE,
            as_of: AS_OF,
        },
        value: "additionalProperties: false",
        effect: Effect::Lost,
        judge: Judge::Tool(additional),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai-strict.keyword",
            severity: Severity::Info,
            what: "A schema has a keyword that strict mode does not know.",
            why: "The request is refused.",
            mend: "say it in the description instead, and check it in the tool.",
            source: SOURCE,
            as_of: AS_OF,
        },
        value: "no allOf, not, dependent*, if",
        effect: Effect::Lost,
        judge: Judge::Tool(keyword),
    },
    ClientRule {
        topic: Topic {
            id: "compat.openai-strict.size",
            severity: Severity::Info,
            what: "A schema is larger than strict mode allows.",
            why: "The request is refused.",
            mend: "split the tool, or take long lists of values out of the schema.",
            source: SOURCE,
            as_of: AS_OF,
        },
        value: "5,000 properties, 10 levels, 120,000 characters of names and values, 1,000 enum values, 15,000 characters \
                in an enum of over 250",
        effect: Effect::Lost,
        judge: Judge::Tool(size),
    },
];

fn root(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(schema) = tool.item.schema() else { return };
    if schema.contains_key("anyOf") {
        misses.push(tool.miss("inputSchema", "a root without `anyOf`", "`anyOf`"));
    } else if schema.get("type").is_none_or(|kind| kind != "object") {
        misses.push(tool.miss("inputSchema", "`\"type\": \"object\"` at the root", "another type, or none"));
    }
}

/// Tells the first place where something is amiss, and how many there are.
fn first(
    tool: &Seen<'_>,
    expected: &str,
    misses: &mut Vec<Miss>,
    wrong: impl Fn(&Subschema<'_, '_>) -> Option<String>,
) {
    let Some(schema) = tool.item.value.get("inputSchema") else { return };
    let (root, mut first, mut count) = (tool.schema_path(), None, 0_usize);
    subschemas::each(schema, &mut |inner| {
        if let Some(actual) = wrong(inner) {
            count += 1;
            first.get_or_insert_with(|| (inner.path(&root), actual));
        }
    });
    if let Some((path, actual)) = first {
        let more = if count > 1 { format!("; {count} places in all") } else { String::new() };
        misses.push(tool.miss_at(path, expected, format!("{actual}{more}")));
    }
}

fn required(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    first(tool, "every property among `required`", misses, |inner| {
        let properties = inner.keywords.get("properties")?.as_object()?;
        let required = inner.keywords.get("required").and_then(Value::as_array);
        let required: std::collections::BTreeSet<&str> =
            required.into_iter().flatten().filter_map(Value::as_str).collect();
        let left: Vec<&str> = properties.keys().map(String::as_str).filter(|name| !required.contains(name)).collect();
        (!left.is_empty()).then(|| format!("without {}", listed(left)))
    });
}

fn additional(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    first(tool, "`additionalProperties: false`", misses, |inner| {
        let is_object = inner.names_type("object") || inner.keywords.contains_key("properties");
        match inner.keywords.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            None if is_object => Some("nothing".to_owned()),
            Some(Value::Bool(true)) => Some("true".to_owned()),
            Some(_) => Some("a schema".to_owned()),
            None => None,
        }
    });
}

fn keyword(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    const UNKNOWN: &[&str] =
        &["allOf", "not", "dependentRequired", "dependentSchemas", "dependencies", "if", "then", "else"];
    first(tool, "a keyword that strict mode knows", misses, |inner| {
        let there: Vec<&str> = UNKNOWN.iter().copied().filter(|word| inner.keywords.contains_key(*word)).collect();
        (!there.is_empty()).then(|| listed(there))
    });
}

fn size(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(schema) = tool.item.value.get("inputSchema") else { return };
    let (mut properties, mut levels, mut chars, mut values, mut long_enum) = (0_usize, 0_usize, 0_usize, 0_usize, None);
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let is_whole = subschemas::each(schema, &mut |inner| {
        // One for each schema that is the value of a property, and the levels of objects above it.
        let objects = inner.way.iter().filter(|step| **step == Step::Key("properties")).count();
        levels = levels.max(objects);
        if let Some(names) = inner.keywords.get("properties").and_then(Value::as_object) {
            properties += names.len();
            chars += names.keys().map(|name| name.chars().count()).sum::<usize>();
        }
        if let Some(all) = inner.keywords.get("enum").and_then(Value::as_array) {
            let own: usize = all.iter().map(length).sum();
            values += all.len();
            chars += own;
            if all.len() > 250 && own > 15_000 {
                long_enum = Some(own);
            }
        }
        chars += inner.keywords.get("const").map_or(0, length);
    });
    let over = [
        (properties > 5_000 || !is_whole, "at most 5,000 properties", properties),
        (levels > 10, "at most 10 levels", levels),
        (chars > 120_000, "at most 120,000 characters of names and values", chars),
        (values > 1_000, "at most 1,000 values of enums", values),
        (long_enum.is_some(), "at most 15,000 characters in an enum of over 250 values", long_enum.unwrap_or_default()),
    ];
    for (is_over, expected, count) in over {
        if is_over {
            misses.push(tool.miss("inputSchema", expected, count.to_string()));
        }
    }
}

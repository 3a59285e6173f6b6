//! Clients built on the official TypeScript SDK: it parses a list as a whole, so that one definition of another shape takes
//! all others with it. What its parser wants is written out here; `tests/client_profiles.rs` asks the parser itself.

use serde_json::{Map, Value};

use super::{ClientRule, Effect, Judge, Miss, Profile, Seen, naming};
use crate::audit::offer;
use crate::audit::topic::Topic;
use crate::event::{Era, Severity};

pub(super) static PROFILE: Profile = Profile {
    id: "ts-sdk",
    title: "TypeScript SDK clients",
    as_of: "2026-11-30",
    what: "Clients on the official TypeScript SDK: version 1 before 2026-07-28, version 2 from then on.",
    exposes: naming::bare,
    naming: "TOOL",
    rules: RULES,
};

static RULES: &[ClientRule] = &[
    ClientRule {
        topic: Topic {
            id: "compat.ts-sdk.definition",
            severity: Severity::Error,
            what: "A member of a tool has another type than the schema of MCP gives it.",
            why: "The SDK parses the list as a whole: it throws, and the client has no tool of this server.",
            mend: "leave a member out rather than sending null, and give the others the type that the specification names.",
            source: "measured with @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/core 2.4.0",
            as_of: "2026-11-30",
        },
        value: "every member of its type",
        effect: Effect::AllLost,
        judge: Judge::Tool(definition),
    },
    ClientRule {
        topic: Topic {
            id: "compat.ts-sdk.output_schema",
            severity: Severity::Error,
            what: "Before 2026-07-28, an output schema is not of the type object.",
            why: "Version 1 of the SDK takes `\"type\": \"object\"` and nothing else: the client has no tool of this server.",
            mend: "wrap the value in an object, as in `{\"result\": …}`.",
            source: "mcpx#28; measured with @modelcontextprotocol/sdk 1.32.2",
            as_of: "2026-11-30",
        },
        value: "outputSchema.type is object",
        effect: Effect::AllLost,
        judge: Judge::Tool(output_schema),
    },
    ClientRule {
        topic: Topic {
            id: "compat.ts-sdk.boolean_property",
            severity: Severity::Error,
            what: "Before 2026-07-28, a property's schema is `true` or `false`.",
            why: "Version 1 of the SDK takes objects only: the client has no tool of this server.",
            mend: "write `{}` for `true`.",
            source: "measured with @modelcontextprotocol/sdk 1.32.2",
            as_of: "2026-11-30",
        },
        value: "properties are objects",
        effect: Effect::AllLost,
        judge: Judge::Tool(boolean_property),
    },
];

/// What a member must be, where it is there.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Texts,
    Record,
    OneOf(&'static [&'static str]),
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Self::Record => value.is_object(),
            Self::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Flag => "a boolean",
            Self::Texts => "an array of strings",
            Self::Record => "an object",
            Self::OneOf(_) => "one of the words that the specification names",
        }
    }
}

const TOOL: &[(&str, Shape)] = &[
    ("title", Shape::Text),
    ("description", Shape::Text),
    ("annotations", Shape::Record),
    ("execution", Shape::Record),
    ("outputSchema", Shape::Record),
    ("_meta", Shape::Record),
];
const ANNOTATIONS: &[(&str, Shape)] = &[
    ("title", Shape::Text),
    ("readOnlyHint", Shape::Flag),
    ("destructiveHint", Shape::Flag),
    ("idempotentHint", Shape::Flag),
    ("openWorldHint", Shape::Flag),
];
const EXECUTION: &[(&str, Shape)] = &[("taskSupport", Shape::OneOf(&["required", "optional", "forbidden"]))];
const ICON: &[(&str, Shape)] =
    &[("mimeType", Shape::Text), ("sizes", Shape::Texts), ("theme", Shape::OneOf(&["light", "dark"]))];
const INPUT: &[(&str, Shape)] = &[("properties", Shape::Record), ("required", Shape::Texts)];

fn definition(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let path = tool.item.path();
    let mut parse = Parse { tool, misses };
    let Value::Object(members) = tool.item.value else {
        parse.wrong(path, "an object", Some(tool.item.value));
        return;
    };
    if tool.name.is_none() {
        parse.wrong(format!("{path}.name"), "a string", members.get("name"));
    }
    parse.shapes(&path, members, TOOL);
    for (name, inner) in [("annotations", ANNOTATIONS), ("execution", EXECUTION), ("inputSchema", INPUT)] {
        if let Some(Value::Object(members)) = members.get(name) {
            parse.shapes(&format!("{path}.{name}"), members, inner);
        }
    }
    if let Some(icons) = members.get("icons") {
        parse.icons(&format!("{path}.icons"), icons);
    }
    let dialect = members.get("outputSchema").and_then(|schema| schema.get("$schema"));
    if let Some(dialect) = dialect.filter(|dialect| !dialect.is_string() && !is_version_1(tool)) {
        parse.wrong(offer::member(&format!("{path}.outputSchema"), "$schema"), "a string", Some(dialect));
    }
    match members.get("inputSchema") {
        Some(Value::Object(schema)) if schema.get("type").is_some_and(|kind| kind == "object") => {}
        Some(Value::Object(schema)) => parse.wrong(format!("{path}.inputSchema.type"), "`object`", schema.get("type")),
        other => parse.wrong(format!("{path}.inputSchema"), "an object", other),
    }
}

/// One tool as the parser takes it apart.
struct Parse<'p, 'a> {
    tool: &'p Seen<'a>,
    misses: &'p mut Vec<Miss>,
}

impl Parse<'_, '_> {
    fn wrong(&mut self, path: String, expected: &str, actual: Option<&Value>) {
        let actual = actual.map_or_else(|| "nothing".to_owned(), said);
        self.misses.push(self.tool.miss_at(path, expected, actual));
    }

    /// Members that have another type than they should; those that are not there are fine.
    fn shapes(&mut self, path: &str, members: &Map<String, Value>, shapes: &[(&str, Shape)]) {
        for (name, shape) in shapes {
            if let Some(value) = members.get(*name).filter(|value| !shape.fits(value)) {
                self.wrong(offer::member(path, name), shape.words(), Some(value));
            }
        }
    }

    fn icons(&mut self, path: &str, icons: &Value) {
        let Some(icons) = icons.as_array() else {
            self.wrong(path.to_owned(), "an array", Some(icons));
            return;
        };
        for (at, icon) in icons.iter().enumerate() {
            let path = offer::element(path, at);
            if !icon.get("src").is_some_and(Value::is_string) {
                self.wrong(offer::member(&path, "src"), "a string", icon.get("src"));
            } else if let Some(icon) = icon.as_object() {
                self.shapes(&path, icon, ICON);
            }
        }
    }
}

/// A value, in so far as it explains itself: what is large is named by its kind.
fn said(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        plain => plain.to_string(),
    }
}

fn is_version_1(tool: &Seen<'_>) -> bool {
    tool.offer.revision.era == Era::Legacy
}

fn output_schema(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    let Some(schema) = tool.item.value.get("outputSchema").and_then(Value::as_object) else { return };
    if !is_version_1(tool) {
        return;
    }
    if schema.get("type").is_none_or(|kind| kind != "object") {
        let actual = schema.get("type").map_or_else(|| "no type".to_owned(), said);
        misses.push(tool.miss("outputSchema.type", "`object`", actual));
    }
    for (name, shape) in INPUT {
        if let Some(value) = schema.get(*name).filter(|value| !shape.fits(value)) {
            misses.push(tool.miss(&format!("outputSchema.{name}"), shape.words(), said(value)));
        }
    }
}

fn boolean_property(tool: &Seen<'_>, misses: &mut Vec<Miss>) {
    if !is_version_1(tool) {
        return;
    }
    for member in ["inputSchema", "outputSchema"] {
        let schema = tool.item.value.get(member);
        let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
        let plain = |value: &Value| !value.is_object() && !value.is_array();
        if let Some((name, value)) = properties.into_iter().flatten().find(|(_, value)| plain(value)) {
            let path = offer::member(&format!("{}.{member}.properties", tool.item.path()), name);
            misses.push(tool.miss_at(path, "an object", value.to_string()));
        }
    }
}

//! Parameters of tools: whether they are described, and whether the schema agrees with itself.

use serde_json::{Map, Value};

use super::{LintRule, Miss, Misses, names, words};
use crate::audit::offer::{self, Item, Offer};
use crate::audit::subschemas::{self, Subschema};
use crate::audit::topic::Topic;
use crate::event::Severity;

pub(super) static RULES: &[LintRule] = &[
    LintRule {
        topic: Topic {
            id: "lint.undocumented_parameter",
            severity: Severity::Info,
            what: "A parameter has no description.",
            why: "The model guesses from the name what belongs into it: format, unit, where to get it from.",
            mend: "give it a `description`, with an example where the form is not plain.",
            source: "gcore-mcp-server#14: 740 of 741 tools",
            as_of: "2026-11-22",
        },
        judge: undocumented,
    },
    LintRule {
        topic: Topic {
            id: "lint.required_unknown",
            severity: Severity::Warning,
            what: "A parameter is required that is not among the properties.",
            why: "The model must send what nothing describes; with `additionalProperties: false` no call can be valid.",
            mend: "describe it under `properties`, or take it out of `required`: it may be a name that was changed in one place.",
            source: "",
            as_of: "",
        },
        judge: required_unknown,
    },
    LintRule {
        topic: Topic {
            id: "lint.default_mismatch",
            severity: Severity::Warning,
            what: "A parameter's default, or a value of its enum, is not of the type that the schema names.",
            why: "A model that sends the value that it was shown is refused.",
            mend: "make the two agree: `\"5\"` is no integer.",
            source: "",
            as_of: "",
        },
        judge: mismatches,
    },
    LintRule {
        topic: Topic {
            id: "lint.negated_boolean",
            severity: Severity::Info,
            what: "A boolean's name is a negation.",
            why: "`no_cache: false` is a double negation, and models get those wrong.",
            mend: "name what is switched on (`cache`), with `\"default\": true`.",
            source: "",
            as_of: "",
        },
        judge: negations,
    },
];

/// The parameters of a tool.
fn parameters<'a>(tool: &Item<'a>) -> Option<&'a Map<String, Value>> {
    tool.schema()?.get("properties")?.as_object()
}

fn undocumented(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    for tool in offer.tools() {
        let Some(properties) = parameters(&tool) else { continue };
        let bare = |property: &Value| {
            let says =
                |key: &str| property.get(key).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
            // What it says may stand where it refers to.
            !says("description") && !says("title") && property.get("$ref").is_none()
        };
        let without: Vec<&str> =
            properties.iter().filter(|(_, property)| bare(property)).map(|(name, _)| name.as_str()).collect();
        if !without.is_empty() {
            misses.push(Miss::of(
                &tool,
                format!("{}.inputSchema.properties", tool.path()),
                "a description of each parameter",
                &format!("{} of {} have none: {}", without.len(), properties.len(), names(&without)),
            ));
        }
    }
}

fn required_unknown(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    /// What may describe a property in another place.
    const ELSEWHERE: &[&str] =
        &["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"];
    for tool in offer.tools() {
        let Some(schema) = tool.schema() else { continue };
        if ELSEWHERE.iter().any(|keyword| schema.contains_key(*keyword)) {
            continue;
        }
        let nothing = Map::new();
        let properties = match schema.get("properties") {
            None => &nothing,
            Some(Value::Object(properties)) => properties,
            Some(_) => continue,
        };
        let required = schema.get("required").and_then(Value::as_array);
        let unknown: Vec<&str> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|name| !properties.contains_key(*name))
            .collect();
        if !unknown.is_empty() {
            let path = format!("{}.inputSchema.required", tool.path());
            misses.push(Miss::of(&tool, path, "only names that stand under `properties`", &names(&unknown)));
        }
    }
}

fn mismatches(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    for tool in offer.tools() {
        let Some(schema) = tool.value.get("inputSchema") else { continue };
        let root = format!("{}.inputSchema", tool.path());
        subschemas::each(schema, &mut |inner| {
            for (keyword, what, value) in wrong_values(inner) {
                let path = offer::member(&inner.path(&root), keyword);
                misses.push(Miss::of(&tool, path, &what, &value.to_string()));
            }
        });
    }
}

/// The first value of the enum, and the default, that do not fit.
fn wrong_values<'a>(inner: &Subschema<'_, 'a>) -> Vec<(&'static str, String, &'a Value)> {
    let mut wrong = Vec::new();
    let named: Option<Vec<&str>> = match inner.keywords.get("type") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(several)) => several.iter().map(Value::as_str).collect(),
        _ => None,
    };
    // `nullable` of OpenAPI allows null beside the type.
    let is_nullable = inner.keywords.get("nullable") == Some(&Value::Bool(true));
    let fits = |value: &Value| {
        named.as_ref().is_none_or(|types| types.iter().any(|name| is_of(value, name)))
            || (is_nullable && value.is_null())
    };
    let types =
        || format!("a value of the type {}", named.as_ref().map(|types| types.join(" or ")).unwrap_or_default());
    let values = inner.keywords.get("enum").and_then(Value::as_array);
    if let Some(value) = values.into_iter().flatten().find(|value| !fits(value)) {
        wrong.push(("enum", types(), value));
    }
    // `null` is how many generators write that there is no default.
    if let Some(default) = inner.keywords.get("default").filter(|default| !default.is_null()) {
        if !fits(default) {
            wrong.push(("default", types(), default));
        } else if values.is_some_and(|values| !values.contains(default)) {
            wrong.push(("default", "one of the values of the enum".to_owned(), default));
        }
    }
    wrong
}

/// Whether a value is of a type; of a type that is none, every value.
fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn negations(offer: &Offer<'_>, misses: &mut Misses<'_>) {
    for tool in offer.tools() {
        let Some(properties) = parameters(&tool) else { continue };
        let is_boolean = |property: &Value| property.get("type").is_some_and(|kind| kind == "boolean");
        let negated = |name: &str| {
            let words = words(name);
            words.len() > 1
                && words.first().is_some_and(|word| matches!(word.as_str(), "no" | "not" | "dont" | "disable"))
        };
        let all: Vec<&str> = properties
            .iter()
            .filter(|(name, property)| is_boolean(property) && negated(name))
            .map(|(name, _)| name.as_str())
            .collect();
        if !all.is_empty() {
            let path = format!("{}.inputSchema.properties", tool.path());
            misses.push(Miss::of(&tool, path, "booleans that name what is switched on", &names(&all)));
        }
    }
}

//! From a tool's input schema to the arguments of a step: required ones first, each with a value to start from. Only
//! what the schema itself names (`const`, `default`, `enum`, `examples`) counts as known; everything else is a guess.

use serde_json::{Map, Value, json};

use super::toml;

/// Arguments that are written, of a tool.
const ARGUMENTS_MAX: usize = 24;
/// Levels of objects and arrays in one value.
const DEPTH_MAX: usize = 4;
/// References that are followed from one schema, so that one that refers to itself ends.
const REFERENCES_MAX: usize = 16;
/// Characters of a value, as TOML.
const VALUE_CHARS_MAX: usize = 400;
/// Characters of an argument's name.
const NAME_CHARS_MAX: usize = 100;

/// What stands where a person has to think.
pub const TODO: &str = "TODO";

/// One argument of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name, raw.
    pub name: String,
    /// Whether the tool wants it.
    pub required: bool,
    /// Whether the schema names the value.
    pub known: bool,
    /// The value, as TOML.
    pub value: String,
    /// Its type and description, raw.
    pub about: String,
}

/// The arguments of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skeleton {
    /// Required ones first.
    pub arguments: Vec<Argument>,
    /// How many more there are.
    pub left_out: usize,
    /// Required arguments that cannot be written.
    pub unwritable: usize,
}

impl Skeleton {
    /// Of a tool's `inputSchema`.
    #[must_use]
    pub fn of(schema: &Value) -> Self {
        let mut skeleton = Self::default();
        let root = Root { schema };
        let object = root.resolved(schema);
        let required: Vec<&str> =
            object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let nothing = Map::new();
        let properties = object["properties"].as_object().unwrap_or(&nothing);
        // A required name without a schema is an argument all the same.
        let undescribed = required.iter().filter(|name| !properties.contains_key(**name));
        let mut all: Vec<(&str, &Value)> = properties.iter().map(|(name, schema)| (name.as_str(), schema)).collect();
        for name in undescribed {
            // A list of what is required may name one twice.
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name, &Value::Null));
            }
        }
        all.sort_by_key(|(name, _)| !required.contains(name));
        for (name, schema) in all {
            let required = required.contains(&name);
            let argument = (name.chars().count() <= NAME_CHARS_MAX).then(|| root.argument(name, required, schema));
            match argument {
                Some(argument) if skeleton.arguments.len() < ARGUMENTS_MAX => skeleton.arguments.push(argument),
                _ => {
                    skeleton.left_out += 1;
                    skeleton.unwritable += usize::from(required);
                }
            }
        }
        skeleton
    }

    /// The required arguments whose value nobody knows.
    pub fn guesses(&self) -> impl Iterator<Item = &str> {
        self.arguments
            .iter()
            .filter(|argument| argument.required && !argument.known)
            .map(|argument| argument.name.as_str())
    }

    /// Whether everything that the tool wants is known.
    #[must_use]
    pub fn is_determined(&self) -> bool {
        self.unwritable == 0 && self.guesses().next().is_none()
    }
}

struct Root<'a> {
    schema: &'a Value,
}

impl<'a> Root<'a> {
    fn argument(&self, name: &str, required: bool, schema: &'a Value) -> Argument {
        let schema = self.resolved(schema);
        let (value, known) = self.value(schema, 0);
        let written = toml::value(&value).filter(|text| text.chars().count() <= VALUE_CHARS_MAX);
        let known = known && written.is_some();
        let kind = kind(schema);
        let description = schema["description"].as_str().unwrap_or_default();
        let joint = if kind.is_empty() || description.is_empty() { "" } else { ": " };
        Argument {
            name: name.to_owned(),
            required,
            known,
            value: written.unwrap_or_else(|| toml::string(TODO)),
            about: format!("{kind}{joint}{description}"),
        }
    }

    /// Follows references within the schema; one that leads nowhere, out of it or in a circle is taken as it is.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..REFERENCES_MAX {
            let found = match schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#')) {
                Some(pointer) => self.schema.pointer(pointer),
                None => return schema,
            };
            match found {
                Some(found) => schema = found,
                None => return schema,
            }
        }
        &Value::Null
    }

    /// A value that fits, and whether the schema names it.
    fn value(&self, schema: &'a Value, depth: usize) -> (Value, bool) {
        let schema = self.resolved(schema);
        let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|items| items.first());
        let named =
            [schema.get("const"), schema.get("default"), first("enum"), first("examples"), schema.get("example")];
        if let Some(value) = named.into_iter().flatten().find(|value| !value.is_null()) {
            return (value.clone(), true);
        }
        if depth >= DEPTH_MAX {
            return (TODO.into(), false);
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            let shapes = schema.get(key).and_then(Value::as_array);
            let shape = shapes.and_then(|shapes| shapes.iter().find(|shape| shape["type"] != "null"));
            if let Some(shape) = shape {
                return self.value(shape, depth + 1);
            }
        }
        let guess = match kind_word(schema) {
            "integer" => schema.get("minimum").filter(|least| least.is_i64()).cloned().unwrap_or_else(|| 0.into()),
            "number" => schema.get("minimum").filter(|least| least.is_number()).cloned().unwrap_or_else(|| 0.into()),
            "boolean" => false.into(),
            "array" => match schema.get("items") {
                Some(items) if schema["minItems"].as_u64().is_some_and(|least| least > 0) => {
                    json!([self.value(items, depth + 1).0])
                }
                _ => json!([]),
            },
            "object" => return self.object(schema, depth),
            _ => TODO.into(),
        };
        (guess, false)
    }

    fn object(&self, schema: &'a Value, depth: usize) -> (Value, bool) {
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        let mut known = !required.is_empty();
        let mut members = Map::new();
        for name in required.iter().filter_map(Value::as_str).take(ARGUMENTS_MAX) {
            let (value, is_known) = self.value(&schema["properties"][name], depth + 1);
            known &= is_known;
            members.insert(name.to_owned(), value);
        }
        (members.into(), known)
    }
}

/// The type, where there is one that is not `null`.
fn kind_word(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(word)) => word,
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or(""),
        _ if schema.get("properties").is_some() => "object",
        _ => "",
    }
}

/// The type in words, with the words or bounds that it allows.
fn kind(schema: &Value) -> String {
    let mut text = kind_word(schema).to_owned();
    if let Some(words) = schema["enum"].as_array().filter(|words| words.len() > 1) {
        let words: Vec<String> =
            words.iter().take(8).map(|word| word.as_str().map_or_else(|| word.to_string(), Into::into)).collect();
        text = words.join(" | ");
    }
    match (schema.get("minimum").and_then(Value::as_f64), schema.get("maximum").and_then(Value::as_f64)) {
        (Some(least), Some(most)) => text + &format!(" {least} to {most}"),
        (Some(least), None) => text + &format!(" from {least}"),
        (None, Some(most)) => text + &format!(" up to {most}"),
        (None, None) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(schema: &Value) -> Vec<(String, String, bool, bool)> {
        let arguments = Skeleton::of(schema).arguments;
        arguments.into_iter().map(|a| (a.name, a.value, a.required, a.known)).collect()
    }

    #[test]
    fn what_the_schema_names_is_known() {
        let schema = json!({"type": "object", "required": ["mode", "n", "city"], "properties": {
            "limit": {"type": "integer", "default": 10},
            "city": {"type": "string", "examples": ["Oslo"]},
            "mode": {"enum": ["fast", "slow"]},
            "n": {"const": 7}}});
        let of = |name: &str, value: &str, required| (name.to_owned(), value.to_owned(), required, true);
        assert_eq!(
            written(&schema),
            [of("city", "\"Oslo\"", true), of("mode", "\"fast\"", true), of("n", "7", true), of("limit", "10", false)]
        );
        assert!(Skeleton::of(&schema).is_determined());
        assert!(Skeleton::of(&json!({"type": "object"})).is_determined());
        assert!(Skeleton::of(&Value::Null).is_determined());
    }

    #[test]
    fn the_rest_is_guessed_by_type() {
        let schema = json!({"type": "object", "required": ["a", "b", "c", "d", "e", "f", "g", "h"], "properties": {
            "a": {"type": "string", "description": "what"}, "b": {"type": ["null", "integer"], "minimum": 3},
            "c": {"type": "number"}, "d": {"type": "boolean"}, "e": {"type": "array", "items": {"type": "string"}},
            "f": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
            "g": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}});
        let values: Vec<String> = written(&schema).into_iter().map(|(_, value, ..)| value).collect();
        assert_eq!(values, ["\"TODO\"", "3", "0", "false", "[]", "{ x = \"TODO\" }", "0", "\"TODO\""]);
        let skeleton = Skeleton::of(&schema);
        assert_eq!(skeleton.guesses().count(), 8);
        assert_eq!(skeleton.arguments[0].about, "string: what");
    }

    #[test]
    fn circles_and_giants_end() {
        let schema = json!({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "required": ["next"],
            "properties": {"next": {"$ref": "#/$defs/t"}}}}});
        assert!(written(&schema)[0].1.contains("TODO"), "{:?}", written(&schema));
        assert!(written(&json!({"$ref": "#"})).is_empty());
        assert!(written(&json!({"$ref": "https://host/schema"})).is_empty());
        let properties: Map<String, Value> =
            (0..5_000).map(|n| (format!("p{n}"), json!({"type": "string", "default": "x".repeat(2_000)}))).collect();
        let skeleton = Skeleton::of(&json!({"type": "object", "properties": properties}));
        assert_eq!((skeleton.arguments.len(), skeleton.left_out), (ARGUMENTS_MAX, 5_000 - ARGUMENTS_MAX));
        assert_eq!(skeleton.arguments[0].value, "\"TODO\"");
    }
}

//! A walk over a JSON Schema: every schema inside it, with where it stands and how deep. What is no schema (an `enum`, a
//! `default`, the names under `properties`) is not taken for one. The walk is bounded and fetches nothing.

use serde_json::{Map, Value};

use super::offer;

/// How deep schemas are followed, and how many of one tool.
const DEPTH_MAX: usize = 64;
const SCHEMAS_MAX: usize = 20_000;

/// Keywords whose value maps names to schemas.
const MAPS: &[&str] = &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Keywords whose value is a schema or an array of them.
const SCHEMAS: &[&str] = &[
    "items",
    "prefixItems",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];

/// One step from a schema into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A keyword, or a name under one.
    Key(&'a str),
    /// A place in an array.
    At(usize),
}

/// A schema inside a schema, or the whole.
#[derive(Clone, Copy, Debug)]
pub struct Subschema<'s, 'a> {
    /// Its keywords.
    pub keywords: &'a Map<String, Value>,
    /// The way to it.
    pub way: &'s [Step<'a>],
}

impl<'a> Subschema<'_, 'a> {
    /// Where it stands, as a JSONPath that begins with `root`.
    #[must_use]
    pub fn path(&self, root: &str) -> String {
        self.way.iter().fold(root.to_owned(), |path, step| match step {
            Step::Key(name) => offer::member(&path, name),
            Step::At(at) => offer::element(&path, *at),
        })
    }

    /// A keyword that is a text.
    #[must_use]
    pub fn text(&self, keyword: &str) -> Option<&'a str> {
        self.keywords.get(keyword)?.as_str()
    }

    /// Whether values of this type are allowed by name; where no type is named, none is.
    #[must_use]
    pub fn names_type(&self, name: &str) -> bool {
        match self.keywords.get("type") {
            Some(Value::String(one)) => one == name,
            Some(Value::Array(several)) => several.iter().any(|one| one == name),
            _ => false,
        }
    }

    /// Whether it stands below the root through the properties of objects alone.
    #[must_use]
    pub fn is_property(&self) -> bool {
        !self.way.is_empty() && self.way.chunks(2).all(|step| matches!(step, [Step::Key("properties"), Step::Key(_)]))
    }

    /// How many objects and arrays stand around it.
    #[must_use]
    pub fn levels(&self) -> usize {
        let mut levels = 0;
        let mut way = self.way.iter();
        while let Some(step) = way.next() {
            match step {
                Step::Key("items") => levels += 1,
                Step::Key("properties") => {
                    levels += 1;
                    way.next();
                }
                // The name under a keyword may be the word `items`.
                Step::Key(word) if MAPS.contains(word) => {
                    way.next();
                }
                _ => {}
            }
        }
        levels
    }
}

/// Sees every schema, the outermost first; `false` where there was more than the bounds allow.
pub fn each<'a>(schema: &'a Value, see: &mut dyn FnMut(&Subschema<'_, 'a>)) -> bool {
    let mut walk = Walk { left: SCHEMAS_MAX, way: Vec::new(), see };
    walk.schema(schema)
}

struct Walk<'a, 'f> {
    left: usize,
    way: Vec<Step<'a>>,
    see: &'f mut dyn FnMut(&Subschema<'_, 'a>),
}

impl<'a> Walk<'a, '_> {
    fn schema(&mut self, value: &'a Value) -> bool {
        let Value::Object(keywords) = value else { return true };
        if self.left == 0 || self.way.len() > DEPTH_MAX {
            return false;
        }
        self.left -= 1;
        (self.see)(&Subschema { keywords, way: &self.way });
        let mut is_whole = true;
        for (keyword, inner) in keywords {
            let keyword = keyword.as_str();
            match inner {
                Value::Object(members) if MAPS.contains(&keyword) => {
                    for (name, schema) in members {
                        is_whole &= self.step(&[Step::Key(keyword), Step::Key(name)], schema);
                    }
                }
                Value::Object(_) if SCHEMAS.contains(&keyword) => is_whole &= self.step(&[Step::Key(keyword)], inner),
                Value::Array(items) if SCHEMAS.contains(&keyword) => {
                    for (at, schema) in items.iter().enumerate() {
                        is_whole &= self.step(&[Step::Key(keyword), Step::At(at)], schema);
                    }
                }
                _ => {}
            }
        }
        is_whole
    }

    fn step(&mut self, steps: &[Step<'a>], schema: &'a Value) -> bool {
        self.way.extend_from_slice(steps);
        let is_whole = self.schema(schema);
        self.way.truncate(self.way.len() - steps.len());
        is_whole
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_seen_and_what_is_none_is_not() {
        let schema = json!({
            "type": "object", "default": {"items": {}}, "enum": [{"items": {}}],
            "properties": {"items": {"type": ["array", "null"], "items": {"properties": {"a": {}}}}, "it's": true},
            "anyOf": [{"required": ["a"]}, {"not": {}}],
            "$defs": {"d": {}}
        });
        let mut seen = Vec::new();
        let is_whole = each(&schema, &mut |inner| {
            seen.push((inner.path("$"), inner.levels(), inner.is_property(), inner.names_type("array")));
        });
        assert!(is_whole);
        let expected = [
            ("$", 0, false, false),
            ("$.properties.items", 1, true, true),
            ("$.properties.items.items", 2, false, false),
            ("$.properties.items.items.properties.a", 3, false, false),
            ("$.anyOf[0]", 0, false, false),
            ("$.anyOf[1]", 0, false, false),
            ("$.anyOf[1].not", 0, false, false),
            ("$['$defs'].d", 0, false, false),
        ];
        assert_eq!(seen, expected.map(|(path, levels, own, array)| (path.to_owned(), levels, own, array)));
    }

    #[test]
    fn the_walk_is_bounded() {
        let deep = (0..200).fold(json!({}), |inner, _| json!({"not": inner}));
        let mut count = 0;
        assert!(!each(&deep, &mut |_| count += 1));
        assert!(count <= DEPTH_MAX + 1);
        let wide = json!({"anyOf": vec![json!({}); SCHEMAS_MAX + 5]});
        count = 0;
        assert!(!each(&wide, &mut |_| count += 1));
        assert_eq!(count, SCHEMAS_MAX);
        assert!(each(&json!(7), &mut |_| count += 1) && each(&json!(null), &mut |_| count += 1));
    }
}

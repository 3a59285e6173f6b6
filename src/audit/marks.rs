//! The parameters of a tool that are marked `x-mcp-header`: a client on HTTP repeats their values in headers. Where the marks
//! stand, and what they may be (server/tools#x-mcp-header).

use serde_json::{Map, Value};

use super::subschemas::{self, Step};
use crate::protocol::headers;

/// The annotation.
const MARK: &str = "x-mcp-header";

/// A schema that is marked.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    /// Where it stands.
    pub path: String,
    /// The property's name.
    pub name: &'a str,
    /// The header that it names, as it came.
    pub header: &'a Value,
    /// Whether it is a property that is reached through `properties` alone.
    pub reachable: bool,
    keywords: &'a Map<String, Value>,
}

impl<'a> Mark<'a> {
    /// The header, where it is a token that can be part of a header's name.
    #[must_use]
    pub fn token(&self) -> Option<&'a str> {
        self.header.as_str().filter(|header| headers::is_token(header))
    }

    /// A type that cannot be repeated in a header. A schema that names none may still mean one that can: by `enum`, say.
    #[must_use]
    pub fn wrong_type(&self) -> Option<&'a str> {
        let types: Vec<&str> = match self.keywords.get("type")? {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect(),
            _ => return None,
        };
        types.into_iter().find(|one| !matches!(*one, "string" | "integer" | "boolean"))
    }
}

/// The marks of a schema that stands at `root`.
#[must_use]
pub fn of<'a>(schema: &'a Value, root: &str) -> Vec<Mark<'a>> {
    let mut found = Vec::new();
    subschemas::each(schema, &mut |inner| {
        let Some(header) = inner.keywords.get(MARK) else { return };
        let name = match inner.way.last() {
            Some(Step::Key(name)) => name,
            _ => "",
        };
        let (path, reachable) = (inner.path(root), inner.is_property());
        found.push(Mark { path, name, header, reachable, keywords: inner.keywords });
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marks_are_found_where_they_stand() {
        let schema = json!({"type": "object", "x-mcp-header": "Root",
            "properties": {
                "a": {"type": "string", "x-mcp-header": "A", "default": {"x-mcp-header": "Data"}},
                "x-mcp-header": {"type": "string"},
                "in": {"type": "object", "properties": {"b": {"type": "boolean", "x-mcp-header": "B"}}},
                "list": {"type": "array", "items": {"type": "string", "x-mcp-header": "C"}}},
            "oneOf": [{"properties": {"d": {"type": "string", "x-mcp-header": "D"}}}],
            "$defs": {"e": {"type": "string", "x-mcp-header": "E"}}});
        let found = of(&schema, "$");
        let told: Vec<_> = found.iter().map(|mark| (mark.path.as_str(), mark.reachable)).collect();
        assert_eq!(
            told,
            [
                ("$", false),
                ("$.properties.a", true),
                ("$.properties.in.properties.b", true),
                ("$.properties.list.items", false),
                ("$.oneOf[0].properties.d", false),
                ("$['$defs'].e", false),
            ]
        );
    }

    #[test]
    fn a_mark_is_a_token_on_a_type_that_can_be_repeated() {
        let of_one = |property: Value| {
            let schema = json!({"properties": {"p": property}});
            let found = of(&schema, "$");
            (found[0].token().map(str::to_owned), found[0].wrong_type().map(str::to_owned))
        };
        for kind in [json!("string"), json!(["integer", "null"]), json!("boolean"), json!(null), json!(7)] {
            let (token, wrong) = of_one(json!({"type": kind, "x-mcp-header": "X-1"}));
            assert_eq!((token.as_deref(), wrong), (Some("X-1"), None), "{kind}");
        }
        for (kind, wrong) in
            [(json!("number"), "number"), (json!(["string", "array"]), "array"), (json!("null"), "null")]
        {
            assert_eq!(of_one(json!({"type": kind, "x-mcp-header": "A"})).1.as_deref(), Some(wrong), "{kind}");
        }
        for header in [json!(""), json!("a b"), json!("a\r\nb: c"), json!("ä"), json!(5), json!(null)] {
            assert_eq!(of_one(json!({"x-mcp-header": header})).0, None, "{header}");
        }
    }
}

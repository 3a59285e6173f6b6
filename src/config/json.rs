//! JSON as people write it into configuration files (comments, trailing commas, all of JSON5) → the same spanned tables
//! that TOML gives. Every string is a literal; what `${…}` in it means is for its reader to say.

use std::sync::Arc;

use jsonc_parser::ast::{ObjectPropName, Value as Json};
use jsonc_parser::common::{Range, Ranged as _};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::diag::Diag;
use super::source::{Place, Source};
use super::text::{Part, Text};
use super::tree::{Key, Node, Table, Value};

/// Reads a text whose outermost value is an object. An empty text is an empty object: editors create such files.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(source: &Arc<Source>) -> Result<Table, Box<Diag>> {
    let parsed = parse_to_ast(&source.text, &CollectOptions::default(), &ParseOptions::default()).map_err(|error| {
        let why = error.kind().to_string();
        let why = why.trim_end_matches('.').to_lowercase();
        Diag::error(&place(source, error.range()), format!("this is not JSON: {why}"))
    })?;
    match parsed.value {
        None => Ok(Table::default()),
        Some(Json::Object(object)) => Ok(table(&object, source)),
        Some(other) => {
            Err(Box::new(Diag::error(&place(source, other.range()), "expected a JSON object").label("this is none")))
        }
    }
}

fn place(source: &Arc<Source>, range: Range) -> Place {
    Place::new(source, range.start..range.end)
}

/// A member that is `null` says nothing, as if it were not there; of two with one name the last counts.
fn table(object: &jsonc_parser::ast::Object<'_>, source: &Arc<Source>) -> Table {
    let mut table = Table::default();
    for member in &object.properties {
        let at = match &member.name {
            ObjectPropName::String(name) => name.range,
            ObjectPropName::Word(name) => name.range,
        };
        let key = Key { name: member.name.as_str().to_owned(), place: place(source, at) };
        table.entries.retain(|(have, _)| have.name != key.name);
        table.entries.extend(node(&member.value, source).map(|node| (key, node)));
    }
    table
}

fn node(json: &Json<'_>, source: &Arc<Source>) -> Option<Node> {
    let place = place(source, json.range());
    let value = match json {
        Json::NullKeyword(_) => return None,
        Json::StringLit(text) => Value::Text(Text::of(vec![Part::Literal(text.value.to_string())], &place)),
        Json::NumberLit(number) => match number.value.parse::<i64>() {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Float(number.value.parse().unwrap_or_default()),
        },
        Json::BooleanLit(boolean) => Value::Bool(boolean.value),
        Json::Array(array) => Value::Array(array.elements.iter().filter_map(|item| node(item, source)).collect()),
        Json::Object(object) => Value::Table(table(object, source)),
    };
    Some(Node { value, place })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_commas_and_places() {
        let text = "// mine\n{ 'a': \"${x}\", b: [1, 2.5, null,], /* c */ \"n\": null, }\n";
        let source = Source::new("a.json", text, ".");
        let table = parse(&source).unwrap_or_else(|diag| panic!("{diag:?}"));
        assert_eq!(table.entries.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let Some(Value::Text(text)) = table.get("a").map(|node| &node.value) else { panic!() };
        assert_eq!(text.literal(), Some("${x}"));
        assert_eq!(text.place.to_string(), "a.json:2:8");
        assert!(matches!(table.get("b").map(|node| &node.value), Some(Value::Array(items)) if items.len() == 2));
        assert!(parse(&Source::new("a.json", " \n", ".")).unwrap_or_else(|_| panic!()).entries.is_empty());
    }

    #[test]
    fn a_mistake_has_its_place() {
        for (text, at) in [("{\n  a: }", "a.json:2"), ("[]", "a.json:1:1"), ("{", "a.json:1:1"), ("{} {}", "a.json:1")]
        {
            let diag = parse(&Source::new("a.json", text, ".")).unwrap_err();
            assert!(diag.place.as_ref().unwrap().to_string().starts_with(at), "{text}: {diag:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&Source::new("a.json", deep, ".")).is_err());
    }
}

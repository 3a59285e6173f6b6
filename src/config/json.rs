//! JSON as people write it into configuration files (comments, trailing commas, all of JSON5) → the same spanned tables
//! that TOML gives. Every string is a literal; what `${…}` in it means is for its reader to say.

mod lightened;

use std::collections::HashMap;
use std::sync::Arc;

use jsonc_parser::ast::{ObjectPropName, Value as Json};
use jsonc_parser::common::{Range, Ranged as _};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::diag::Diag;
use super::source::{Place, Source};
use super::text::{Part, Text};
use super::tree::{Key, Node, Table, Value};

/// Warnings of one text beyond this are not told.
const WARNINGS_MAX: usize = 100;

/// Reads a text whose outermost value is an object, with warnings of what it says twice. An empty text is an empty
/// object: editors create such files. In a text of many megabytes, arrays that are longer than anything a server is
/// described by count as the number 0.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(source: &Arc<Source>) -> Result<(Table, Vec<Diag>), Box<Diag>> {
    // Nobody else reads an object whose commas are missing.
    let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
    let text = lightened::lightened(&source.text);
    let parsed = parse_to_ast(&text, &CollectOptions::default(), &options).map_err(|error| {
        let why = error.kind().to_string();
        let why = why.trim_end_matches('.').to_lowercase();
        Diag::error(&place(source, error.range()), format!("this is not JSON: {why}"))
    })?;
    let mut warnings = Vec::new();
    match parsed.value {
        None => Ok((Table::default(), warnings)),
        Some(Json::Object(object)) => {
            let table = table(&object, source, &mut warnings);
            Ok((table, warnings))
        }
        Some(other) => {
            Err(Box::new(Diag::error(&place(source, other.range()), "expected a JSON object").label("this is none")))
        }
    }
}

fn place(source: &Arc<Source>, range: Range) -> Place {
    Place::new(source, range.start..range.end)
}

/// A member that is `null` says nothing, as if it were not there; of two with one name the last counts.
fn table(object: &jsonc_parser::ast::Object<'_>, source: &Arc<Source>, warnings: &mut Vec<Diag>) -> Table {
    let mut members: Vec<(Key, Option<Node>)> = Vec::with_capacity(object.properties.len());
    let mut index: HashMap<&str, usize> = HashMap::with_capacity(object.properties.len());
    for member in &object.properties {
        let at = match &member.name {
            ObjectPropName::String(name) => name.range,
            ObjectPropName::Word(name) => name.range,
        };
        let key = Key { name: member.name.as_str().to_owned(), place: place(source, at) };
        let node = node(&member.value, source, warnings);
        match index.insert(member.name.as_str(), members.len()) {
            Some(before) => {
                if warnings.len() < WARNINGS_MAX {
                    let message = format!("`{}` stands here twice; the last counts", key.name);
                    warnings.push(Diag::warning(&key.place, message).also(&members[before].0.place, "first here"));
                }
                members[before].1 = None;
                members.push((key, node));
            }
            None => members.push((key, node)),
        }
    }
    Table { entries: members.into_iter().filter_map(|(key, node)| Some((key, node?))).collect() }
}

fn node(json: &Json<'_>, source: &Arc<Source>, warnings: &mut Vec<Diag>) -> Option<Node> {
    let place = place(source, json.range());
    let value = match json {
        Json::NullKeyword(_) => return None,
        Json::StringLit(text) => Value::Text(Text::of(vec![Part::Literal(text.value.to_string())], &place)),
        Json::NumberLit(number) => self::number(number.value),
        Json::BooleanLit(boolean) => Value::Bool(boolean.value),
        Json::Array(array) => {
            Value::Array(array.elements.iter().filter_map(|item| node(item, source, warnings)).collect())
        }
        Json::Object(object) => Value::Table(table(object, source, warnings)),
    };
    Some(Node { value, place })
}

/// A number as JSON5 writes it. What no number of ours can hold is `NaN`, which no reader takes.
fn number(text: &str) -> Value {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).map_or(Value::Float(f64::NAN), |number| Value::Integer(sign * number));
    }
    match text.strip_prefix('+').unwrap_or(text).parse::<i64>() {
        Ok(integer) => Value::Integer(integer),
        Err(_) => Value::Float(text.parse().unwrap_or(f64::NAN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_commas_and_places() {
        let text = "// mine\n{ 'a': \"${x}\", b: [1, 2.5, null,], /* c */ \"n\": null, }\n";
        let source = Source::new("a.json", text, ".");
        let (table, warnings) = parse(&source).unwrap_or_else(|diag| panic!("{diag:?}"));
        assert!(warnings.is_empty());
        assert_eq!(table.entries.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let Some(Value::Text(text)) = table.get("a").map(|node| &node.value) else { panic!() };
        assert_eq!(text.literal(), Some("${x}"));
        assert_eq!(text.place.to_string(), "a.json:2:8");
        assert!(matches!(table.get("b").map(|node| &node.value), Some(Value::Array(items)) if items.len() == 2));
        assert!(parse(&Source::new("a.json", " \n", ".")).unwrap_or_else(|_| panic!()).0.entries.is_empty());
    }

    #[test]
    fn of_two_with_one_name_the_last_counts_and_it_is_told() {
        let source =
            Source::new("a.json", "{\"a\": 1,\n\"b\": 2,\n\"a\": 0x1F, \"b\": null, c: NaN, d: +3, e: -.5}", ".");
        let (table, warnings) = parse(&source).unwrap_or_else(|diag| panic!("{diag:?}"));
        assert_eq!(table.entries.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>(), ["a", "c", "d", "e"]);
        assert!(matches!(table.get("a").map(|node| &node.value), Some(Value::Integer(31))));
        assert!(matches!(table.get("c").map(|node| &node.value), Some(Value::Float(number)) if number.is_nan()));
        assert!(matches!(table.get("d").map(|node| &node.value), Some(Value::Integer(3))));
        assert!(matches!(table.get("e").map(|node| &node.value), Some(Value::Float(number)) if *number < 0.0));
        assert_eq!(warnings.len(), 2);
        assert_eq!(warnings[0].place.as_ref().unwrap().to_string(), "a.json:3:1");
    }

    #[test]
    fn a_mistake_has_its_place() {
        for (text, at) in [
            ("{\n  a: }", "a.json:2"),
            ("[]", "a.json:1:1"),
            ("{", "a.json:1:1"),
            ("{} {}", "a.json:1"),
            ("{\"a\": 1\n\"b\": 2}", "a.json:1:8"),
        ] {
            let diag = parse(&Source::new("a.json", text, ".")).unwrap_err();
            assert!(diag.place.as_ref().unwrap().to_string().starts_with(at), "{text}: {diag:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&Source::new("a.json", deep, ".")).is_err());
    }
}

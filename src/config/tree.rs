//! TOML text → a tree that owns its values and remembers the place of each, in the order of the file. All syntax
//! errors of a text are reported at once.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::again;
use super::diag::Diag;
use super::source::{Place, Source};
use super::text::{Part, Text};

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub place: Place,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string, its variables not yet resolved.
    Text(Text),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A date or time, as written; no key takes one.
    Datetime(String),
    /// An array.
    Array(Vec<Node>),
    /// A table.
    Table(Table),
}

impl Value {
    /// What it is, in words.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// A key with its place.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key itself.
    pub name: String,
    /// Where it was written.
    pub place: Place,
}

/// Keys and values in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The entries.
    pub entries: Vec<(Key, Node)>,
}

impl Table {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The key itself, with its place.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.entries.iter().map(|(key, _)| key).find(|key| key.name == name)
    }
}

/// Reads a text. What could be read comes back together with every syntax error.
#[must_use]
pub fn parse(source: &Arc<Source>) -> (Table, Vec<Diag>) {
    read(source, Strings::Ours)
}

/// The same for the file of another program: every string is a literal, `${…}` and all.
#[must_use]
pub fn parse_foreign(source: &Arc<Source>) -> (Table, Vec<Diag>) {
    read(source, Strings::Literal)
}

/// With this begins a mistake after which the rest of its line may mean anything; after the others of a tree only the one
/// value is wrong.
const NOT_TOML: &str = "this is not TOML: ";

/// Whether the rest of its line may mean anything.
#[must_use]
pub fn breaks_its_line(diag: &Diag) -> bool {
    diag.message.starts_with(NOT_TOML)
}

/// What `${…}` in a string means.
#[derive(Clone, Copy)]
enum Strings {
    Ours,
    Literal,
}

fn read(source: &Arc<Source>, strings: Strings) -> (Table, Vec<Diag>) {
    let mut text = Cow::Borrowed(source.text.as_str());
    let mut diags = Vec::new();
    loop {
        let (_, errors) = DeTable::parse_recoverable(&text);
        let places: Vec<usize> = errors.iter().filter_map(again::place).collect();
        if places.is_empty() {
            break;
        }
        let told = again::blank(source, text.to_mut(), &places);
        if told.is_empty() {
            break;
        }
        diags.extend(told);
    }
    let (tree, errors) = DeTable::parse_recoverable(&text);
    diags.extend(errors.iter().map(|error| {
        let place = Place::new(source, error.span().unwrap_or(0..0));
        let message = first_line(error.message());
        let help = message.contains("inline table with a dotted key").then(|| {
            "`{ … }` holds all of its table: put the key inside it, or write every key on a line of its own".to_owned()
        });
        let diag = Diag::error(&place, format!("{NOT_TOML}{message}")).maybe_help(help);
        match again::place(error).and_then(|again| again::first_key(&text, again)) {
            Some(first) => diag.label("again here").also(&Place::new(source, first), "first here"),
            None => diag,
        }
    }));
    let table = table(tree.get_ref(), source, strings, &mut diags);
    (table, diags)
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or("syntax error")
}

fn table(tree: &DeTable<'_>, source: &Arc<Source>, strings: Strings, diags: &mut Vec<Diag>) -> Table {
    let mut entries: Vec<(Key, Node)> = tree
        .iter()
        .map(|(key, value)| {
            let key = Key { name: key.get_ref().to_string(), place: Place::new(source, key.span()) };
            (key, node(value.get_ref(), value.span(), source, strings, diags))
        })
        .collect();
    // The parser sorts keys by name; people expect the order in which they wrote them.
    entries.sort_by_key(|(key, _)| key.place.span.start);
    Table { entries }
}

fn node(
    value: &DeValue<'_>,
    span: Range<usize>,
    source: &Arc<Source>,
    strings: Strings,
    diags: &mut Vec<Diag>,
) -> Node {
    let place = Place::new(source, span);
    let value = match value {
        DeValue::String(text) => Value::Text(match strings {
            Strings::Ours => Text::parse(text, &place, diags),
            Strings::Literal => Text::of(vec![Part::Literal(text.to_string())], &place),
        }),
        DeValue::Integer(integer) => {
            if let Ok(integer) = i64::from_str_radix(integer.as_str(), integer.radix()) {
                Value::Integer(integer)
            } else {
                diags.push(Diag::error(&place, "this integer does not fit into 64 bits"));
                Value::Integer(0)
            }
        }
        DeValue::Float(float) => match float.as_str().parse::<f64>() {
            Ok(float) if float.is_finite() => Value::Float(float),
            _ => {
                diags.push(Diag::error(&place, "JSON has no such number").help("write a finite number"));
                Value::Float(0.0)
            }
        },
        DeValue::Boolean(boolean) => Value::Bool(*boolean),
        DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| node(item.get_ref(), item.span(), source, strings, diags)).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, source, strings, diags)),
    };
    Node { value, place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_syntax_errors_come_at_once_with_what_could_be_read() {
        let source = Source::new("a.toml", "a = \nb = 2\nc = 'x\nd = 4\n", ".");
        let (table, diags) = parse(&source);
        assert!(diags.len() >= 2, "{diags:?}");
        assert!(matches!(table.get("b").map(|node| &node.value), Some(Value::Integer(2))));
        assert!(matches!(table.get("d").map(|node| &node.value), Some(Value::Integer(4))));
    }

    #[test]
    fn keys_keep_the_order_of_the_file() {
        let source = Source::new("a.toml", "z = 0x_f\n", ".");
        assert!(!parse(&source).1.is_empty());
        let source = Source::new("a.toml", "z = 0x1_f\na = 1.5\nm.y = true\nm.b = [1, 'x']\n", ".");
        let (table, diags) = parse(&source);
        assert!(diags.is_empty(), "{diags:?}");
        assert_eq!(table.entries.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>(), ["z", "a", "m"]);
        assert!(matches!(table.get("z").map(|node| &node.value), Some(Value::Integer(31))));
        assert_eq!(table.get("a").map(|node| node.place.text()), Some("1.5"));
    }
}

//! The operators of expectations. A value that is no table means "equals"; a table is always operators, joined by
//! and. `1` equals `1.0`; `matches` is an unanchored regex of linear time; an empty `all` fails, because a check that
//! nothing can fail is a trap.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value, json};

use super::pattern::{NoPattern, Pattern};
use super::quote;
use crate::config::{Diag, Field, grammar, suggest};

/// Operators that must all hold.
#[derive(Clone, Debug)]
pub struct Operators(Vec<Operator>);

#[derive(Clone, Debug)]
enum Operator {
    Equals(Value),
    Not(Operators),
    Compare(Comparison, Number),
    Contains(Value),
    Matches(Pattern),
    StartsWith(String),
    EndsWith(String),
    Type(Type),
    Len(Operators),
    Exists(bool),
    All(Operators),
    Any(Operators),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

const TYPES: &[(&str, Type)] = &[
    ("null", Type::Null),
    ("boolean", Type::Boolean),
    ("integer", Type::Integer),
    ("number", Type::Number),
    ("string", Type::String),
    ("array", Type::Array),
    ("object", Type::Object),
];

/// Every operator.
pub const NAMES: &[&str] = &[
    "equals",
    "not",
    "gt",
    "ge",
    "lt",
    "le",
    "contains",
    "matches",
    "starts_with",
    "ends_with",
    "type",
    "len",
    "exists",
    "all",
    "any",
];

/// The definition that [`reference()`] refers to.
pub const DEFINITION: &str = "expected";

/// A value or operators, as JSON Schema.
#[must_use]
pub fn reference() -> Value {
    grammar::definition(DEFINITION)
}

/// What [`reference()`] refers to: a value that is no table, or a table of operators.
#[must_use]
pub fn definition() -> Value {
    let keys: Map<String, Value> = NAMES.iter().map(|name| ((*name).to_owned(), described(name))).collect();
    let operators = json!({"type": "object", "properties": keys, "minProperties": 1, "additionalProperties": false});
    let value = json!({"type": ["string", "number", "boolean", "array"]});
    let schema = json!({"anyOf": [value, operators]});
    grammar::described(schema, "A value to be equal to, or a table of operators, all of which must hold.")
}

fn described(name: &str) -> Value {
    let number = || json!({"type": "number"});
    let (schema, what) = match name {
        "equals" => (json!({}), "Is equal to this; 1 equals 1.0. A table is compared as an object."),
        "not" => (reference(), "Is not equal to a plain value, or does not meet operators."),
        "gt" => (number(), "Is a number above this."),
        "ge" => (number(), "Is a number that is this or above."),
        "lt" => (number(), "Is a number below this."),
        "le" => (number(), "Is a number that is this or below."),
        "contains" => (json!({}), "Is a string with this text, or an array with this value."),
        "matches" => (grammar::string(), "Is a string in which this regular expression matches anywhere."),
        "starts_with" => (grammar::string(), "Is a string that starts with this."),
        "ends_with" => (grammar::string(), "Is a string that ends with this."),
        "type" => (grammar::words(TYPES.iter().map(|(word, _)| *word)), "Is of this JSON type; 1.0 is an integer."),
        "len" => (reference(), "Has so many items, members or characters: a number, or operators."),
        "exists" => (grammar::boolean(), "Is there, or is not."),
        "all" => (reference(), "Is an array all of whose items meet this; an empty array fails."),
        _ => (reference(), "Is an array at least one of whose items meets this."),
    };
    grammar::described(schema, what)
}

/// What other programs call an operator, and what it is called here: `gte` is a letter from `gt`, and means `ge`.
const ELSEWHERE: &[(&str, &str)] = &[
    ("gte", "ge"),
    (">=", "ge"),
    ("min", "ge"),
    ("lte", "le"),
    ("<=", "le"),
    ("max", "le"),
    (">", "gt"),
    ("<", "lt"),
    ("eq", "equals"),
    ("==", "equals"),
    ("is", "equals"),
    ("ne", "not"),
    ("neq", "not"),
    ("!=", "not"),
    ("regex", "matches"),
    ("pattern", "matches"),
    ("includes", "contains"),
    ("size", "len"),
    ("count", "len"),
    ("every", "all"),
    ("some", "any"),
];

/// The operator that was probably meant.
fn meant(word: &str) -> Option<&'static str> {
    let known = ELSEWHERE.iter().find(|(elsewhere, _)| elsewhere.eq_ignore_ascii_case(word)).map(|(_, here)| *here);
    known.or_else(|| suggest::nearest(word, NAMES.iter().copied()))
}

impl Operators {
    /// Reads a value or a table of operators; records mistakes.
    #[must_use]
    pub fn parse(field: Field<'_>) -> Option<Self> {
        if !field.is_table() {
            return Some(Self(vec![Operator::Equals(field.json()?)]));
        }
        let section = field.table("the operators")?;
        let mut operators = Vec::new();
        let mut whole = true;
        for (key, value) in section.entries() {
            if !NAMES.contains(&key.name.as_str()) {
                let help = meant(&key.name).map_or_else(
                    || "a table holds operators; compare with an object by `{ equals = { … } }`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let diag = Diag::error(&key.place, format!("`{}` is no operator", key.name)).help(help);
                field.reading().report(diag);
                whole = false;
                continue;
            }
            match operator(&key.name, value) {
                Some(operator) => {
                    if let Some(why) = operator.always_holds() {
                        let diag = Diag::warning(value.place(), format!("`{}` says nothing here: {why}", key.name));
                        field.reading().report(
                            diag.help("write what the value must be, or `exists = true` where being there is enough"),
                        );
                    }
                    operators.push(operator);
                }
                None => whole = false,
            }
        }
        if whole && operators.is_empty() {
            field.wrong("an empty table expects nothing").help("write a value, or operators such as `{ ge = 1 }`");
            return None;
        }
        if let Some((low, high)) = excluded(&operators) {
            let message = format!("no number is both {} and {}", low.describe(), high.describe());
            field.wrong(message).help("the bounds are swapped, or one of them is a slip");
        }
        whole.then_some(Self(operators))
    }

    /// Whether a value meets all of them.
    #[must_use]
    pub fn accept(&self, value: &Value) -> bool {
        self.0.iter().all(|operator| operator.accept(value))
    }

    /// Whether the absence of any value meets all of them.
    #[must_use]
    pub fn accept_absence(&self) -> bool {
        self.0.iter().all(|operator| match operator {
            Operator::Exists(expected) => !expected,
            // `len = { le = 3 }` is met by none as well, but then a slip in the path would be green.
            Operator::Len(inner) => inner.accept(&Value::from(0)) && !inner.accept(&Value::from(1)),
            Operator::Not(inner) => inner.only_existence() && !inner.accept_absence(),
            _ => false,
        })
    }

    /// The JSON type of a value of which an operator asks what only another type can meet: `"7"` is not above 1.
    #[must_use]
    pub fn misfit(&self, value: &Value) -> Option<&'static str> {
        let misfit = self.0.iter().any(|operator| !operator.concerns(value));
        let kind = match value {
            // It says so itself.
            Value::Null => return None,
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        misfit.then_some(kind)
    }

    /// Whether these are nothing but `exists = true`.
    #[must_use]
    pub fn only_presence(&self) -> bool {
        self.0.iter().all(|operator| matches!(operator, Operator::Exists(true)))
    }

    fn only_existence(&self) -> bool {
        self.0.iter().all(|operator| matches!(operator, Operator::Exists(_)))
    }

    /// For people: `>= 1 and <= 14`.
    #[must_use]
    pub fn describe(&self) -> String {
        quote(&self.0.iter().map(Operator::describe).collect::<Vec<_>>().join(" and "))
    }
}

fn operator(name: &str, field: Field<'_>) -> Option<Operator> {
    let compare = |comparison| match field.json()? {
        Value::Number(number) => Some(Operator::Compare(comparison, number)),
        _ => field.expected("a number"),
    };
    match name {
        "equals" => field.json().map(Operator::Equals),
        "not" => Operators::parse(field).map(Operator::Not),
        "gt" => compare(Comparison::Gt),
        "ge" => compare(Comparison::Ge),
        "lt" => compare(Comparison::Lt),
        "le" => compare(Comparison::Le),
        "contains" => field.json().map(Operator::Contains),
        "matches" => pattern(field).map(Operator::Matches),
        "starts_with" => field.string().map(Operator::StartsWith),
        "ends_with" => field.string().map(Operator::EndsWith),
        "type" => field.one_of(TYPES).map(Operator::Type),
        "len" => Operators::parse(field).map(Operator::Len),
        "exists" => field.bool().map(Operator::Exists),
        "all" => Operators::parse(field).map(Operator::All),
        _ => Operators::parse(field).map(Operator::Any),
    }
}

/// A lower and an upper bound that no number meets together.
fn excluded(operators: &[Operator]) -> Option<(&Operator, &Operator)> {
    use Comparison::{Ge, Gt, Le, Lt};
    let bounds = |wanted: [Comparison; 2]| {
        operators.iter().filter_map(move |operator| match operator {
            Operator::Compare(comparison, bound) if wanted.contains(comparison) => Some((operator, *comparison, bound)),
            _ => None,
        })
    };
    bounds([Gt, Ge]).flat_map(|low| bounds([Lt, Le]).map(move |high| (low, high))).find_map(|(low, high)| {
        let impossible = match compare(low.2, high.2)? {
            Ordering::Greater => true,
            Ordering::Equal => low.1 == Gt || high.1 == Lt,
            Ordering::Less => false,
        };
        impossible.then_some((low.0, high.0))
    })
}

/// A regex of linear time.
fn pattern(field: Field<'_>) -> Option<Pattern> {
    match Pattern::parse(&field.string()?) {
        Ok(pattern) => Some(pattern),
        Err(NoPattern::TooLarge) => {
            field.wrong("this regex needs too much memory when compiled").help("make its repetitions smaller");
            None
        }
        Err(NoPattern::Syntax(why)) => {
            field.wrong(format!("this is no regex: {why}")).help(
                "look-around and back-references do not exist here; write TOML literals in single quotes: '\\d+'",
            );
            None
        }
    }
}

impl Operator {
    fn accept(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Equals(expected), _) => equal(value, expected),
            (Self::Not(inner), _) => !inner.accept(value),
            (Self::Compare(comparison, bound), Value::Number(number)) => {
                let order = compare(number, bound);
                match comparison {
                    Comparison::Gt => order == Some(Ordering::Greater),
                    Comparison::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                    Comparison::Lt => order == Some(Ordering::Less),
                    Comparison::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                }
            }
            (Self::Contains(Value::String(part)), Value::String(text)) => text.contains(part.as_str()),
            (Self::Contains(item), Value::Array(items)) => items.iter().any(|have| equal(have, item)),
            (Self::Matches(regex), Value::String(text)) => regex.is_match(text),
            (Self::StartsWith(part), Value::String(text)) => text.starts_with(part.as_str()),
            (Self::EndsWith(part), Value::String(text)) => text.ends_with(part.as_str()),
            (Self::Type(expected), _) => expected.holds(value),
            (Self::Len(inner), _) => len(value).is_some_and(|len| inner.accept(&Value::from(len))),
            (Self::Exists(expected), _) => *expected,
            (Self::All(inner), Value::Array(items)) => !items.is_empty() && items.iter().all(|item| inner.accept(item)),
            (Self::Any(inner), Value::Array(items)) => items.iter().any(|item| inner.accept(item)),
            _ => false,
        }
    }

    /// Whether a value of this type can meet it at all.
    fn concerns(&self, value: &Value) -> bool {
        match self {
            Self::Compare(..) => value.is_number(),
            Self::Contains(part) => value.is_array() || (value.is_string() && part.is_string()),
            Self::Matches(_) | Self::StartsWith(_) | Self::EndsWith(_) => value.is_string(),
            Self::Len(_) => len(value).is_some(),
            Self::All(_) | Self::Any(_) => value.is_array(),
            Self::Equals(_) | Self::Not(_) | Self::Type(_) | Self::Exists(_) => true,
        }
    }

    /// Why every value of the kind it looks at meets it, if that is so.
    fn always_holds(&self) -> Option<&'static str> {
        let at_least_nothing = |inner: &Operators| {
            inner.0.iter().all(|operator| match operator {
                Self::Compare(Comparison::Ge, bound) => compare(bound, &0.into()) != Some(Ordering::Greater),
                Self::Compare(Comparison::Gt, bound) => compare(bound, &0.into()) == Some(Ordering::Less),
                _ => false,
            })
        };
        match self {
            Self::Contains(Value::String(part)) if part.is_empty() => Some("every text contains the empty text"),
            Self::StartsWith(part) | Self::EndsWith(part) if part.is_empty() => {
                Some("every text begins and ends with the empty text")
            }
            Self::Matches(regex)
                if matches!(regex.as_str(), "" | ".*" | "^" | "$" | "^.*" | ".*$" | "(?s).*" | ".*?") =>
            {
                Some("every text matches this")
            }
            Self::Len(inner) if at_least_nothing(inner) => Some("no length is below zero"),
            _ => None,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Equals(value) => value.to_string(),
            Self::Not(inner) => format!("not ({})", inner.describe()),
            Self::Compare(Comparison::Gt, bound) => format!("> {bound}"),
            Self::Compare(Comparison::Ge, bound) => format!(">= {bound}"),
            Self::Compare(Comparison::Lt, bound) => format!("< {bound}"),
            Self::Compare(Comparison::Le, bound) => format!("<= {bound}"),
            Self::Contains(value) => format!("contains {value}"),
            Self::Matches(regex) => format!("matches /{regex}/"),
            Self::StartsWith(text) => format!("starts with {text:?}"),
            Self::EndsWith(text) => format!("ends with {text:?}"),
            Self::Type(kind) => {
                format!("type {}", TYPES.iter().find(|(_, have)| have == kind).map_or("", |(name, _)| name))
            }
            Self::Len(inner) => format!("length {}", inner.describe()),
            Self::Exists(true) => "exists".to_owned(),
            Self::Exists(false) => "does not exist".to_owned(),
            Self::All(inner) => format!("all ({})", inner.describe()),
            Self::Any(inner) => format!("any ({})", inner.describe()),
        }
    }
}

impl Type {
    fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_)) => true,
            // As in JSON Schema, 1.0 is an integer.
            (Self::Integer, Value::Number(number)) => {
                !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
            }
            _ => false,
        }
    }
}

/// Items of an array, members of an object, characters of a string.
fn len(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    }
}

/// Equality of JSON values in which numbers are equal by value.
#[must_use]
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right) == Some(Ordering::Equal),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| equal(value, other)))
        }
        (left, right) => left == right,
    }
}

/// By value, without losing digits of large integers.
fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// The number as an integer, when it is one.
fn whole(number: &Number) -> Option<i128> {
    // Up to here every integral float is exact as i128.
    const FLOAT_MAX: f64 = 1e36;
    if let Some(integer) = number.as_i128() {
        return Some(integer);
    }
    let float = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "integral and within the range of i128")]
    (float.fract() == 0.0 && float.abs() <= FLOAT_MAX).then_some(float as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_another_program_means_what_it_means_there() {
        let words = [("gte", "ge"), ("LTE", "le"), ("eq", "equals"), ("min", "ge"), ("containz", "contains")];
        for (word, here) in words {
            assert_eq!(meant(word), Some(here), "{word}");
        }
        assert!(ELSEWHERE.iter().all(|(elsewhere, here)| NAMES.contains(here) && !NAMES.contains(elsewhere)));
        assert_eq!(meant("city"), None);
    }
}

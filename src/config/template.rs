//! JSON with holes: what a step sends. Variables are filled in when the step is selected, what earlier steps saved
//! when it runs.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::diag::Diag;
use super::text::{Environment, Part, Text};
use super::tree::{Node, Value};

/// What earlier steps saved, by name.
pub type Saved = BTreeMap<String, Json>;

/// A JSON value, some of whose strings wait for variables or saved values.
#[derive(Clone, Debug)]
pub enum Template {
    /// Nothing to fill in.
    Fixed(Json),
    /// A string with variables.
    Text(Text),
    /// Variables are filled in; saved values are not.
    Mixed(Vec<Piece>),
    /// An array.
    Array(Vec<Template>),
    /// An object.
    Object(Vec<(String, Template)>),
}

/// A piece of a string that waits for saved values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Stands for itself.
    Literal(String),
    /// The name of what a step saved.
    Saved(String),
}

impl Template {
    /// The empty object.
    #[must_use]
    pub fn object() -> Self {
        Self::Object(Vec::new())
    }

    /// From TOML. Dates become the strings they are written as.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        match &node.value {
            Value::Text(text) => {
                text.literal().map_or_else(|| Self::Text(text.clone()), |text| Self::Fixed(text.into()))
            }
            Value::Integer(integer) => Self::Fixed((*integer).into()),
            Value::Float(float) => Self::Fixed((*float).into()),
            Value::Bool(boolean) => Self::Fixed((*boolean).into()),
            Value::Datetime(text) => Self::Fixed(text.as_str().into()),
            Value::Array(items) => Self::Array(items.iter().map(Self::of).collect()),
            Value::Table(table) => {
                Self::Object(table.entries.iter().map(|(key, node)| (key.name.clone(), Self::of(node))).collect())
            }
        }
    }

    /// Fills in the variables.
    ///
    /// # Errors
    /// A diagnostic for each variable that is missing.
    pub fn resolve(&self, key: &str, environment: &dyn Environment) -> Result<Self, Vec<Diag>> {
        let mut diags = Vec::new();
        let resolved = self.resolve_into(key, environment, &mut diags);
        if diags.is_empty() { Ok(resolved) } else { Err(diags) }
    }

    fn resolve_into(&self, key: &str, environment: &dyn Environment, diags: &mut Vec<Diag>) -> Self {
        match self {
            Self::Fixed(_) | Self::Mixed(_) => self.clone(),
            Self::Text(text) => match pieces(text, key, environment) {
                Ok(pieces) => pieces,
                Err(diag) => {
                    diags.push(*diag);
                    Self::Fixed(Json::Null)
                }
            },
            Self::Array(items) => {
                Self::Array(items.iter().map(|item| item.resolve_into(key, environment, diags)).collect())
            }
            Self::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, item)| (name.clone(), item.resolve_into(&format!("{key}.{name}"), environment, diags)))
                    .collect(),
            ),
        }
    }

    /// The JSON to send. A string that is nothing but one `${save.x}` keeps the type of what was saved; inside
    /// other text a saved string stands bare and anything else as JSON.
    ///
    /// # Errors
    /// The name of what was not saved.
    pub fn fill(&self, saved: &Saved) -> Result<Json, String> {
        let find = |name: &String| saved.get(name).ok_or_else(|| name.clone());
        Ok(match self {
            Self::Fixed(json) => json.clone(),
            Self::Text(text) => return Err(text.written()),
            Self::Mixed(pieces) => match pieces.as_slice() {
                [Piece::Saved(name)] => find(name)?.clone(),
                pieces => {
                    let mut whole = String::new();
                    for piece in pieces {
                        match piece {
                            Piece::Literal(text) => whole.push_str(text),
                            Piece::Saved(name) => match find(name)? {
                                Json::String(text) => whole.push_str(text),
                                other => whole.push_str(&other.to_string()),
                            },
                        }
                    }
                    whole.into()
                }
            },
            Self::Array(items) => items.iter().map(|item| item.fill(saved)).collect::<Result<Vec<_>, _>>()?.into(),
            Self::Object(members) => {
                let mut object = Map::new();
                for (name, item) in members {
                    object.insert(name.clone(), item.fill(saved)?);
                }
                object.into()
            }
        })
    }

    /// The variables that it waits for.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        match self {
            Self::Fixed(_) | Self::Mixed(_) => Vec::new(),
            Self::Text(text) => text.variables().collect(),
            Self::Array(items) => items.iter().flat_map(Self::variables).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, item)| item.variables()).collect(),
        }
    }

    /// The names of saved values that it waits for.
    #[must_use]
    pub fn saved_names(&self) -> Vec<&str> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Text(text) => text
                .parts()
                .iter()
                .filter_map(|part| match part {
                    Part::Saved(name) => Some(name.as_str()),
                    _ => None,
                })
                .collect(),
            Self::Mixed(pieces) => pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Saved(name) => Some(name.as_str()),
                    Piece::Literal(_) => None,
                })
                .collect(),
            Self::Array(items) => items.iter().flat_map(Self::saved_names).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, item)| item.saved_names()).collect(),
        }
    }
}

fn pieces(text: &Text, key: &str, environment: &dyn Environment) -> Result<Template, Box<Diag>> {
    let mut pieces = Vec::new();
    for part in text.parts() {
        match part {
            Part::Saved(name) => pieces.push(Piece::Saved(name.clone())),
            other => {
                let (value, _) = text.value_of(other, key, environment)?;
                if let Some(Piece::Literal(before)) = pieces.last_mut() {
                    before.push_str(&value);
                } else {
                    pieces.push(Piece::Literal(value));
                }
            }
        }
    }
    Ok(match pieces.as_slice() {
        [] => Template::Fixed("".into()),
        [Piece::Literal(text)] => Template::Fixed(text.as_str().into()),
        _ => Template::Mixed(pieces),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::source::Source;
    use super::super::text::tests::Given;
    use super::super::tree;
    use super::*;

    fn template(toml: &str) -> Template {
        let (table, diags) = tree::parse(&Source::new("a.toml", toml, "."));
        assert!(diags.is_empty(), "{diags:?}");
        Template::of(table.get("a").unwrap())
    }

    #[test]
    fn variables_then_saved_values_are_filled_in() {
        let given = Given { variables: [("CITY", "Oslo")].into(), ..Given::default() };
        let template = template(
            "a = { city = \"${CITY}\", id = \"${save.id}\", both = [\"${CITY}-${save.id}\", 1, true, 1.5], day = 2024-01-01 }",
        );
        assert_eq!(template.saved_names(), ["id", "id"]);
        let template = template.resolve("arguments", &given).unwrap();
        assert_eq!(template.fill(&Saved::new()), Err("id".to_owned()));
        let saved = Saved::from([("id".to_owned(), json!(7))]);
        assert_eq!(
            template.fill(&saved).unwrap(),
            json!({"city": "Oslo", "id": 7, "both": ["Oslo-7", 1, true, 1.5], "day": "2024-01-01"})
        );
        let saved = Saved::from([("id".to_owned(), json!("x"))]);
        assert_eq!(template.fill(&saved).unwrap()["both"][0], "Oslo-x");
    }

    #[test]
    fn a_missing_variable_names_its_key() {
        let errors = template("a = { x = { y = \"${NONE}\" } }").resolve("arguments", &Given::default()).unwrap_err();
        assert!(errors[0].message.contains("`arguments.x.y`") && errors[0].message.contains("`NONE`"));
    }
}

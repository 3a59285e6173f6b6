//! A walk over a schema before it is compiled: its bounds, the counting keyword in every subschema, and the patterns
//! that cannot be compiled.

use serde_json::{Value, json};

use super::Unfit;

/// The keyword that counts.
pub(super) const TICK: &str = "x-mcp-probe-tick";

/// Values within values; compiling goes as deep as the schema.
const DEPTH_MAX: usize = 96;
/// Values in all: compiling takes time and memory for each.
const VALUES_MAX: usize = 100_000;

/// Keywords whose value maps names to schemas.
const MAPS: &[&str] = &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Keywords whose value holds no schema.
const DATA: &[&str] = &["enum", "const", "default", "examples", "required", "dependentRequired", "$vocabulary", "type"];
/// A pattern that matches nothing.
const NEVER: &str = r"[^\s\S]";

/// What a value is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Schema,
    Map,
}

/// A pattern that cannot be compiled.
pub(super) struct Hit {
    /// The way to the object that holds it.
    holder: Vec<String>,
    /// Whether it is a name of `patternProperties`.
    names: bool,
    /// The pattern.
    pub(super) pattern: String,
}

impl Hit {
    /// As a JSON Pointer behind `#`.
    pub(super) fn place(&self) -> String {
        let last = if self.names { "patternProperties" } else { "pattern" };
        format!("#{}/{last}", pointer(&self.holder))
    }
}

fn pointer(way: &[String]) -> String {
    way.iter().flat_map(|step| ["/".to_owned(), step.replace('~', "~0").replace('/', "~1")]).collect()
}

/// Bounds a schema and gives a copy in which every subschema counts.
pub(super) fn survey(schema: &Value) -> Result<Value, Unfit> {
    let mut values = 0;
    bound(schema, 0, &mut values)?;
    let mut copy = schema.clone();
    instrument(&mut copy, Read::Schema);
    Ok(copy)
}

fn bound(value: &Value, depth: usize, values: &mut usize) -> Result<(), Unfit> {
    *values += 1;
    if depth > DEPTH_MAX {
        return Err(Unfit::Bounds(format!("it is over {DEPTH_MAX} levels deep")));
    }
    if *values > VALUES_MAX {
        return Err(Unfit::Bounds(format!("it has over {VALUES_MAX} values")));
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| bound(item, depth + 1, values)),
        Value::Object(members) => members.values().try_for_each(|member| bound(member, depth + 1, values)),
        _ => Ok(()),
    }
}

/// How the value of a keyword is read; `None` where it holds no schema.
fn reads(keyword: &str) -> Option<Read> {
    match keyword {
        _ if DATA.contains(&keyword) => None,
        _ if MAPS.contains(&keyword) => Some(Read::Map),
        _ => Some(Read::Schema),
    }
}

/// An unknown keyword counts as well: a `$ref` can lead anywhere.
fn instrument(value: &mut Value, read: Read) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| instrument(item, read)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                let inner = if read == Read::Map { Some(Read::Schema) } else { reads(name) };
                if let Some(inner) = inner {
                    instrument(member, inner);
                }
            }
            if read == Read::Schema {
                // The library evaluates a keyword it does not know last, and what fails before ends the schema; `allOf`
                // comes before all that can branch at one place. At its end it moves nothing that a `$ref` points to.
                match members.get_mut("allOf") {
                    None => drop(members.insert("allOf".to_owned(), json!([{ TICK: {} }]))),
                    Some(Value::Array(all)) => all.push(json!({ TICK: {} })),
                    Some(_) => {}
                }
            }
        }
        _ => {}
    }
}

/// The patterns of a schema that do not compile.
pub(super) fn patterns(schema: &Value, compiles: &dyn Fn(&str) -> bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    find(schema, Read::Schema, &mut Vec::new(), &mut |holder, names, pattern| {
        if !compiles(pattern) {
            hits.push(Hit { holder: holder.to_vec(), names, pattern: pattern.to_owned() });
        }
    });
    hits
}

fn find(value: &Value, read: Read, way: &mut Vec<String>, tell: &mut dyn FnMut(&[String], bool, &str)) {
    let members: Vec<(String, &Value, Option<Read>)> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item, Some(read))).collect()
        }
        Value::Object(members) => {
            if read == Read::Schema {
                if let Some(Value::String(pattern)) = members.get("pattern") {
                    tell(way, false, pattern);
                }
                if let Some(Value::Object(names)) = members.get("patternProperties") {
                    names.keys().for_each(|pattern| tell(way, true, pattern));
                }
            }
            let inner = |name: &str| if read == Read::Map { Some(Read::Schema) } else { reads(name) };
            members.iter().map(|(name, member)| (name.clone(), member, inner(name))).collect()
        }
        _ => return,
    };
    for (name, member, inner) in members {
        if let Some(inner) = inner {
            way.push(name);
            find(member, inner, way, tell);
            way.pop();
        }
    }
}

/// Two copies without these patterns: one in which they match everything, one in which they match nothing. Where a
/// pattern chose among the names of properties, what is said of the remaining ones goes as well.
pub(super) fn without(schema: &Value, hits: &[Hit]) -> (Value, Value) {
    let (mut wide, mut narrow) = (schema.clone(), schema.clone());
    for hit in hits {
        for (copy, matches) in [(&mut wide, true), (&mut narrow, false)] {
            let Some(Value::Object(holder)) = copy.pointer_mut(&pointer(&hit.holder)) else { continue };
            if hit.names {
                if let Some(Value::Object(names)) = holder.get_mut("patternProperties") {
                    names.shift_remove(&hit.pattern);
                }
                holder.shift_remove("additionalProperties");
            } else if matches {
                holder.shift_remove("pattern");
            } else {
                holder.insert("pattern".to_owned(), NEVER.into());
            }
        }
    }
    if hits.iter().any(|hit| hit.names) {
        forget_unevaluated(&mut wide);
        forget_unevaluated(&mut narrow);
    }
    (wide, narrow)
}

fn forget_unevaluated(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_unevaluated),
        Value::Object(members) => {
            members.shift_remove("unevaluatedProperties");
            members.values_mut().for_each(forget_unevaluated);
        }
        _ => {}
    }
}

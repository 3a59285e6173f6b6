//! A walk over a schema before it is compiled: its bounds, the counting keyword in every subschema, and the patterns
//! that cannot be compiled.

use serde_json::{Value, json};

use super::Unfit;
use super::meter::{is_hard, tick};

/// Values within values; compiling goes as deep as the schema.
const DEPTH_MAX: usize = 96;

/// How large a schema may be: compiling takes time and memory for each value and each pattern.
pub(super) struct Bounds {
    values: usize,
    patterns: usize,
    /// Characters of all patterns, each times its repetitions.
    weight: usize,
}

/// Of a server.
pub(super) const SERVERS: Bounds = Bounds { values: 20_000, patterns: 500, weight: 500_000 };
/// Of the user.
pub(super) const OWN: Bounds = Bounds { values: 200_000, patterns: 200_000, weight: usize::MAX };

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
    /// As a JSON Pointer behind `#` into the schema as it came.
    pub(super) fn place(&self, schema: &Value) -> String {
        let last = if self.names { "patternProperties" } else { "pattern" };
        format!("#{}", original(schema, &format!("{}/{last}", pointer(&self.holder))))
    }
}

/// Where a place of the copy is in the schema as it came: a pattern may have been put at the end of `allOf`.
pub(super) fn original(schema: &Value, pointer: &str) -> String {
    let moved = |(holder, keyword): (&str, &str)| {
        let (holder, all) = holder.rsplit_once('/').and_then(|(rest, _)| rest.rsplit_once('/'))?;
        let own = format!("{holder}/{keyword}");
        (keyword == "pattern" && all == "allOf" && schema.pointer(&own).is_some()).then_some(own)
    };
    if schema.pointer(pointer).is_some() {
        return pointer.to_owned();
    }
    pointer.rsplit_once('/').and_then(moved).unwrap_or_else(|| pointer.to_owned())
}

fn pointer(way: &[String]) -> String {
    way.iter().flat_map(|step| ["/".to_owned(), step.replace('~', "~0").replace('/', "~1")]).collect()
}

/// Bounds a schema and gives a copy in which every subschema counts.
pub(super) fn survey(schema: &Value, bounds: &Bounds) -> Result<Value, Unfit> {
    bound(schema, 0, &mut 0, bounds.values)?;
    let (mut patterns, mut sum) = (0, 0_usize);
    find(schema, Read::Schema, &mut Vec::new(), &mut |_, _, pattern| {
        patterns += 1;
        sum = sum.saturating_add(weight(pattern));
    });
    if patterns > bounds.patterns || sum > bounds.weight {
        return Err(Unfit::Bounds(format!("it has over {} patterns, or too large ones", bounds.patterns)));
    }
    let mut copy = schema.clone();
    instrument(&mut copy, Read::Schema);
    Ok(copy)
}

fn bound(value: &Value, depth: usize, values: &mut usize, max: usize) -> Result<(), Unfit> {
    *values += 1;
    if depth > DEPTH_MAX {
        return Err(Unfit::Bounds(format!("it is over {DEPTH_MAX} levels deep")));
    }
    if *values > max {
        return Err(Unfit::Bounds(format!("it has over {max} values")));
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| bound(item, depth + 1, values, max)),
        Value::Object(members) => members.values().try_for_each(|member| bound(member, depth + 1, values, max)),
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
                let mut own = vec![tick(members)];
                // What may take long must wait for the count.
                if matches!(members.get("pattern"), Some(Value::String(pattern)) if is_hard(pattern)) {
                    own.extend(members.shift_remove("pattern").map(|pattern| json!({ "pattern": pattern })));
                }
                match members.get_mut("allOf") {
                    None => drop(members.insert("allOf".to_owned(), Value::Array(own))),
                    Some(Value::Array(all)) => all.extend(own),
                    Some(_) => {}
                }
            }
        }
        _ => {}
    }
}

/// Roughly what compiling a pattern costs: its length, as often as its counted repetitions say. Of one that is too
/// large the library says so itself.
fn weight(pattern: &str) -> usize {
    const WEIGHT_MAX: usize = 50_000;
    let braces = pattern.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let most = braces.filter_map(|counts| counts.split(',').filter_map(|count| count.trim().parse().ok()).max());
    most.fold(pattern.len(), |weight, count: usize| weight.saturating_mul(count.max(1))).min(WEIGHT_MAX)
}

/// Names of `patternProperties` beyond linear time.
pub(super) fn hard_names(schema: &Value) -> u64 {
    let mut count = 0;
    find(schema, Read::Schema, &mut Vec::new(), &mut |_, names, pattern| {
        count += u64::from(names && is_hard(pattern));
    });
    count
}

/// How many patterns there are.
pub(super) fn count_patterns(schema: &Value) -> usize {
    let mut count = 0;
    find(schema, Read::Schema, &mut Vec::new(), &mut |_, _, _| count += 1);
    count
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

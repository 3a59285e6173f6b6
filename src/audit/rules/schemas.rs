//! Rules of the schemas that tools declare: valid in their dialect, whole without the network, of a bearable size, and with
//! header annotations that clients can follow.

use std::collections::HashMap;

use serde_json::Value;

use super::super::case::{cut, quote};
use super::super::marks::{self, Mark};
use super::super::names::sounds_secret;
use super::super::rule::HTTP;
use super::super::{Area, Case, Keyword, Rule, Verdict, Violation};
use super::fit::{fit, nothing};
use super::tools::{each, name_of};
use crate::check::json_schema::{Compile, Dialect, Patterns, Schema, Unfit};

/// Values within values of a schema: more than any client's validator has been seen to need.
const DEPTH_MAX: usize = 64;
/// Values of one schema.
const VALUES_MAX: usize = 20_000;
/// Bytes of one schema, as JSON.
const BYTES_MAX: usize = 256 << 10;
/// Where the shape of a list says something of output schemas.
pub(super) const OUTPUT_AT: &[&str] = &["$.tools[*].outputSchema", "$.tools[*].outputSchema.type"];
/// Where 2020-12 begins to be the dialect of what names none.
const DEFAULT_DIALECT_SINCE: &str = "2025-11-25";

pub(super) static RULES: &[Rule] = &[
    Rule::new("schema.valid", &["T03", "F39"], Area::Tools, valid)
        .noticed()
        .before(DEFAULT_DIALECT_SINCE, Keyword::Should)
        .says(
            "A tool's `inputSchema` is a valid JSON Schema of the dialect that `$schema` names, or of 2020-12.",
            "A client that compiles the schema drops the tool, and model providers refuse the whole request.",
            "mend the keyword at that place, or name the dialect that the schema is written in.",
        )
        .page("server/tools#tool"),
    Rule::new("schema.output", &["T04", "F39"], Area::Tools, output)
        .noticed()
        .since("2025-06-18")
        .says(
            "An `outputSchema` is a valid JSON Schema; until 2025-11-25 its root `type` is \"object\".",
            "Clients validate every result of the tool by it: with a broken schema each call fails.",
            "mend the keyword at that place, or leave outputSchema out.",
        )
        .page("server/tools#output-schema"),
    Rule::new("schema.dialect", &["T05"], Area::Tools, dialect)
        .worded(Keyword::Should)
        .since(DEFAULT_DIALECT_SINCE)
        .says(
            "`$schema` names a dialect of JSON Schema that clients know: draft 4, 6, 7, 2019-09 or 2020-12.",
            "A client has to answer an unknown dialect with an error, so the tool cannot be used.",
            "name a published dialect, or leave `$schema` out, which means 2020-12.",
        )
        .page("basic#json-schema-usage"),
    Rule::new("schema.references", &["T06", "F39"], Area::Tools, references)
        .noticed()
        .worded(Keyword::Should)
        .before("2026-07-28", Keyword::Info)
        .says(
            "A schema is whole by itself: no `$ref` leads to another document.",
            "Clients do not fetch what a server's schema points to, and refuse the schema where it cannot be resolved.",
            "copy what is referred to under `$defs`, and point to \"#/$defs/NAME\".",
        )
        .page("basic#json-schema-usage"),
    Rule::new("schema.bounds", &["T07", "F39"], Area::Tools, bounds)
        .noticed()
        .worded(Keyword::Should)
        .before("2026-07-28", Keyword::Info)
        .says(
            "A schema stays within bounds: 64 levels, 20000 values, 256 KiB.",
            "Clients bound the depth and size of schemas, and every token of them is paid for with every prompt.",
            "flatten the schema, share parts through `$defs`, or split the tool.",
        )
        .page("basic#json-schema-usage"),
    Rule::new("schema.x_mcp_header", &["T10", "F42"], Area::Tools, header)
        .noticed()
        .modern()
        .over(HTTP)
        .says(
            "`x-mcp-header` is a header token, used once, on a string, integer or boolean that is reached through \
             `properties` alone.",
            "A client on HTTP has to leave out every tool that breaks one of these, so the tool does not exist for it.",
            "name the header by letters, digits and `-`, once, on a plain property of the inputSchema.",
        )
        .page("server/tools#x-mcp-header"),
    Rule::new("schema.x_mcp_header_secret", &["T11"], Area::Tools, secret)
        .worded(Keyword::Should)
        .modern()
        .over(HTTP)
        .says(
            "No parameter that holds a secret is marked with `x-mcp-header`.",
            "Headers are read and written to logs by every proxy on the way.",
            "take `x-mcp-header` from the parameter; if it holds no secret, its name could say so.",
        )
        .page("server/tools#x-mcp-header"),
];

/// Compiles a schema of a server. Before 2025-11-25 any dialect may be meant where none is named.
fn compile(schema: &Value, version: &str) -> Result<(), Unfit> {
    let by = |dialect| {
        let how = Compile { dialect, patterns: Patterns::Backtracking, ..Compile::default() };
        Schema::compile(schema, how).map(drop)
    };
    let first = by(Dialect::Draft202012);
    let named = schema.get("$schema").is_some();
    if named || version >= DEFAULT_DIALECT_SINCE || !matches!(first, Err(Unfit::Invalid(..))) {
        return first;
    }
    if OLDER.iter().any(|(dialect, _)| by(*dialect).is_ok()) { Ok(()) } else { first }
}

/// The dialects that a schema may have been written in.
const OLDER: &[(Dialect, &str)] = &[
    (Dialect::Draft7, "draft-07"),
    (Dialect::Draft201909, "2019-09"),
    (Dialect::Draft6, "draft-06"),
    (Dialect::Draft4, "draft-04"),
];

/// An older dialect in which a schema that names none is valid.
fn older(schema: &Value) -> Option<&'static str> {
    let fits = |dialect| {
        let how = Compile { dialect, patterns: Patterns::Backtracking, ..Compile::default() };
        Schema::compile(schema, how).is_ok()
    };
    if schema.get("$schema").is_some() {
        return None;
    }
    OLDER.iter().find(|(dialect, _)| fits(*dialect)).map(|(_, name)| *name)
}

/// What is invalid in the schema under a member of a tool. Other unfitness is for other rules.
fn invalid(version: &str, path: &str, tool: &Value, member: &str) -> Vec<Violation> {
    let Some(schema) = tool.get(member).filter(|schema| schema.is_object()) else { return Vec::new() };
    let Err(Unfit::Invalid(at, why)) = compile(schema, version) else { return Vec::new() };
    let path = format!("{path}.{member}");
    let actual = format!("{} at {}: {}", quote(&Value::from(name_of(tool))), cut(&at), cut(&why));
    match older(schema) {
        Some(older) => {
            let expected =
                format!("a valid schema of 2020-12, or \"$schema\" with {older}, in which this one is valid");
            vec![Violation::new(expected, actual).at(path).mild()]
        }
        None => vec![Violation::new("a valid JSON Schema", actual).at(path)],
    }
}

fn valid(case: &Case<'_>) -> Verdict {
    each(case, |path, tool| invalid(case.facts.revision.version, path, tool, "inputSchema"))
}

fn output(case: &Case<'_>) -> Verdict {
    let none = || nothing(case, "tools", "tools/list gave no result");
    let shape = fit(case, &["tools/list"], |at, _| OUTPUT_AT.contains(&at), none);
    if !matches!(shape, Verdict::Passes) {
        return shape;
    }
    if !super::tools::listed(case).iter().any(|(_, _, tool)| tool.get("outputSchema").is_some()) {
        return Verdict::NotExercised("no tool declares an outputSchema".into());
    }
    each(case, |path, tool| invalid(case.facts.revision.version, path, tool, "outputSchema"))
}

/// Judges both schemas of every tool.
fn both(case: &Case<'_>, judge: impl Fn(&Value) -> Option<(String, String)>) -> Verdict {
    let has_output = case.facts.revision.structured_output;
    each(case, |path, tool| {
        let members = ["inputSchema", "outputSchema"].into_iter().take(1 + usize::from(has_output));
        let schemas = members.filter_map(|member| Some((member, tool.get(member)?)));
        let wrong = schemas.filter_map(|(member, schema)| {
            let (expected, actual) = judge(schema)?;
            let name = quote(&Value::from(name_of(tool)));
            Some(Violation::new(expected, format!("{name}: {actual}")).at(format!("{path}.{member}")))
        });
        wrong.collect()
    })
}

fn dialect(case: &Case<'_>) -> Verdict {
    both(case, |schema| {
        let named = schema.get("$schema")?.as_str()?;
        if Dialect::named(named).is_some() {
            return None;
        }
        Some(("a published dialect of JSON Schema".to_owned(), format!("$schema is {}", quote(&named.into()))))
    })
}

fn references(case: &Case<'_>) -> Verdict {
    both(case, |schema| match compile(schema, case.facts.revision.version) {
        Err(Unfit::Outside(address)) => {
            Some(("references within the schema".to_owned(), format!("it leads to {address:?}")))
        }
        _ => None,
    })
}

fn bounds(case: &Case<'_>) -> Verdict {
    both(case, |schema| {
        let (mut values, mut depth) = (0, 0);
        measure(schema, 1, &mut values, &mut depth);
        let bytes = schema.to_string().len();
        let over = depth > DEPTH_MAX || values > VALUES_MAX || bytes > BYTES_MAX;
        let expected = format!("at most {DEPTH_MAX} levels, {VALUES_MAX} values and {} KiB", BYTES_MAX >> 10);
        over.then(|| (expected, format!("{depth} levels, {values} values, {} KiB", bytes >> 10)))
    })
}

fn measure(value: &Value, level: usize, values: &mut usize, depth: &mut usize) {
    *values += 1;
    *depth = (*depth).max(level);
    match value {
        Value::Array(items) => items.iter().for_each(|item| measure(item, level + 1, values, depth)),
        Value::Object(members) => members.values().for_each(|item| measure(item, level + 1, values, depth)),
        _ => {}
    }
}

fn header(case: &Case<'_>) -> Verdict {
    let any = std::cell::Cell::new(false);
    let verdict = each(case, |path, tool| {
        let Some(schema) = tool.get("inputSchema") else { return Vec::new() };
        let mut seen: HashMap<String, String> = HashMap::new();
        let mut wrong = Vec::new();
        for mark in marks::of(schema, &format!("{path}.inputSchema")) {
            any.set(true);
            let path = mark.path.clone();
            wrong.extend(ill_marked(&mark).map(|wrong| wrong.at(path.clone())));
            let Some(header) = mark.header.as_str() else { continue };
            if let Some(first) = seen.insert(header.to_ascii_lowercase(), path.clone()) {
                let actual = format!("{} again, as at {first}", quote(mark.header));
                wrong.push(Violation::new("a header of its own for each property", actual).at(path));
            }
        }
        wrong
    });
    if matches!(verdict, Verdict::Passes) && !any.get() {
        return Verdict::NotExercised("no property is marked with x-mcp-header".into());
    }
    verdict
}

fn ill_marked(mark: &Mark<'_>) -> Option<Violation> {
    let Some(header) = mark.token() else {
        return Some(Violation::new("a token that can be part of a header's name", quote(mark.header)));
    };
    if !mark.reachable {
        let expected = "a property that is reached through `properties` alone";
        return Some(Violation::new(expected, format!("{} stands elsewhere", quote(&header.into()))));
    }
    let bad = mark.wrong_type()?;
    let wrong = Violation::new("a string, an integer or a boolean", format!("a property of type {}", cut(bad)));
    // Official fixtures mark numbers, and clients in use repeat them.
    Some(if bad == "number" { wrong.mild() } else { wrong })
}

fn secret(case: &Case<'_>) -> Verdict {
    let any = std::cell::Cell::new(false);
    let verdict = each(case, |path, tool| {
        let root = format!("{path}.inputSchema");
        let marks = tool.get("inputSchema").map(|schema| marks::of(schema, &root)).unwrap_or_default();
        any.set(any.get() || !marks.is_empty());
        let secrets = marks.into_iter().filter(|mark| sounds_secret(mark.name));
        let wrong = secrets.map(|mark| {
            let actual = format!("{} is marked", quote(&mark.name.into()));
            let wrong = Violation::new("no x-mcp-header on a parameter that sounds secret", actual);
            wrong.at(mark.path)
        });
        wrong.collect()
    });
    if matches!(verdict, Verdict::Passes) && !any.get() {
        return Verdict::NotExercised("no property is marked with x-mcp-header".into());
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mark_is_a_token_on_a_plain_property() {
        let judge = |property: Value| {
            let schema = json!({"properties": {"p": property}});
            marks::of(&schema, "$").first().and_then(ill_marked).map(|wrong| wrong.milder)
        };
        for good in [
            json!({"type": "string", "x-mcp-header": "City"}),
            json!({"type": ["integer", "null"], "x-mcp-header": "X-1"}),
            json!({"enum": ["a"], "x-mcp-header": "E"}),
        ] {
            assert_eq!(judge(good.clone()), None, "{good}");
        }
        assert_eq!(judge(json!({"type": "number", "x-mcp-header": "N"})), Some(true));
        for bad in [
            json!({"type": "string", "x-mcp-header": ""}),
            json!({"type": "string", "x-mcp-header": "a b"}),
            json!({"type": "string", "x-mcp-header": "a\r\nb: c"}),
            json!({"type": "string", "x-mcp-header": 5}),
            json!({"type": "object", "x-mcp-header": "O"}),
        ] {
            assert_eq!(judge(bad.clone()), Some(false), "{bad}");
        }
    }

    #[test]
    fn a_schema_without_a_dialect_may_be_an_old_one_in_old_revisions() {
        let tuple = json!({"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "string"}]}}});
        assert!(compile(&tuple, "2025-06-18").is_ok());
        assert!(matches!(compile(&tuple, "2025-11-25"), Err(Unfit::Invalid(..))));
        assert_eq!(older(&tuple), Some("draft-07"));
        let broken = json!({"type": "objekt"});
        assert!(matches!(compile(&broken, "2024-11-05"), Err(Unfit::Invalid(..))));
        assert_eq!(older(&broken), None);
        let recursive = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(compile(&recursive, "2026-07-28").is_ok());
        let dangling = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}});
        assert!(matches!(compile(&dangling, "2026-07-28"), Err(Unfit::Invalid(..))));
    }
}

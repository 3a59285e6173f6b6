//! What a person is told of a schema and of a violation, and schemas that mean harm.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

fn servers(schema: &Value) -> Result<Schema, Unfit> {
    Schema::compile(schema, Compile { patterns: Patterns::Backtracking, ..Compile::default() })
}

fn users(schema: &Value) -> Result<Schema, Unfit> {
    Schema::compile(schema, Compile { formats: true, ..Compile::default() })
}

fn violation(schema: &Value, instance: &Value) -> (Violation, usize) {
    match users(schema).unwrap().judge(instance) {
        Conformance::Violates(first, more) => (first, more),
        other => panic!("{schema} {instance}: {other:?}"),
    }
}

#[test]
fn a_violation_says_where_what_and_how_many() {
    let schema = json!({"properties": {"days": {"items": {"type": "integer", "maximum": 14}}}});
    let (first, more) = violation(&schema, &json!({"days": [1, "x", 20, true]}));
    assert_eq!(first.path, ".days[1]");
    assert_eq!(first.expected, "type \"integer\" (#/properties/days/items/type)");
    assert_eq!(first.actual, "\"x\"");
    assert_eq!(more, 2);
    let (first, _) = violation(&json!({"required": ["id"]}), &json!({"a": 1}));
    assert_eq!((first.path.as_str(), first.actual.as_str()), ("", "no \"id\" in {\"a\":1}"));
    let (first, _) = violation(&json!({"properties": {"a": {}}, "additionalProperties": false}), &json!({"b": 1}));
    assert!(first.actual.starts_with("[\"b\"]"), "{first:?}");
    let (first, _) = violation(&json!({"properties": {"a": false}}), &json!({"a": 1}));
    assert_eq!(first.expected, "nothing here (false at #/properties/a)");
    let (first, _) = violation(&json!({"$defs": {"n": {"minimum": 3}}, "items": {"$ref": "#/$defs/n"}}), &json!([1]));
    assert_eq!((first.path.as_str(), first.expected.as_str()), ("[0]", "minimum 3 (#/$defs/n/minimum)"));
    let (first, _) = violation(&json!({"additionalProperties": {"type": "null"}}), &json!({"it's \\ \u{1}": 1}));
    assert_eq!(first.path, "['it\\'s \\\\ \\u0001']");
    assert!(crate::check::path::Path::parse(&format!("${}", first.path)).is_ok());
    let (first, more) = violation(&json!({"items": {"const": "y".repeat(999)}}), &json!(vec!["x".repeat(999); 2_000]));
    assert!(first.expected.chars().count() <= 400 && first.actual.chars().count() <= 400);
    assert_eq!(more, VIOLATIONS_MAX - 1);
}

#[test]
fn dialects_are_named_or_refused() {
    // `exclusiveMaximum` is a boolean in draft 4 alone.
    for (schema, right) in [
        (json!({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 3, "exclusiveMaximum": true}), 2),
        (json!({"$schema": "http://json-schema.org/draft-04/schema", "maximum": 3, "exclusiveMaximum": true}), 2),
        (json!({"$schema": "https://json-schema.org/draft-07/schema#", "exclusiveMaximum": 3}), 2),
        (json!({"$schema": "http://json-schema.org/draft-06/schema#", "exclusiveMaximum": 3}), 2),
        (json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "exclusiveMaximum": 3}), 2),
        (json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "exclusiveMaximum": 3}), 2),
        (json!({"exclusiveMaximum": 3}), 2),
    ] {
        let compiled = users(&schema).unwrap_or_else(|unfit| panic!("{schema}: {unfit}"));
        assert_eq!(compiled.judge(&json!(right)), Conformance::Conforms, "{schema}");
        assert!(matches!(compiled.judge(&json!(3)), Conformance::Violates(..)), "{schema}");
    }
    let unknown = users(&json!({"$schema": "https://example.com/mine"})).unwrap_err();
    assert!(matches!(unknown, Unfit::Dialect(_)));
    let said = unknown.to_string();
    for known in ["2020-12", "2019-09", "draft-07", "draft-06", "draft-04", "https://example.com/mine"] {
        assert!(said.contains(known), "{said}");
    }
    assert!(matches!(users(&json!({"$schema": 7})).unwrap_err(), Unfit::Invalid(..)));
    assert!(matches!(users(&json!({"$schema": "http://json-schema.org/draft-03/schema#"})), Err(Unfit::Dialect(_))));
}

#[test]
fn what_is_unfit_says_where_and_why() {
    for (schema, says) in [
        (json!({"properties": {"a": {"type": "strin"}}}), "no valid JSON Schema at #/properties/a/type"),
        (json!({"minimum": "x"}), "at #/minimum"),
        (json!({"$ref": "https://example.com/x.json"}), "\"https://example.com/x.json\", which is outside"),
        (json!({"$ref": "file:///etc/passwd"}), "outside"),
        (json!({"$ref": "other.json#/x"}), "outside"),
        (json!({"$defs": {"a": {"$id": "https://e.com/a", "$ref": "b"}}}), "\"https://e.com/b\", which is outside"),
        (json!({"$ref": "#/nowhere"}), "nowhere"),
        (json!({"$ref": "#nowhere"}), "nowhere"),
        (json!({"pattern": "(?=x)"}), "the pattern \"(?=x)\" at #/pattern cannot be compiled"),
        (json!({"patternProperties": {"(": {}}}), "the pattern \"(\" at #/patternProperties"),
        (json!({"pattern": "(a{1000}){1000}{1000}"}), "cannot be compiled"),
        (json!([]), "no valid JSON Schema"),
        (json!(7), "no valid JSON Schema"),
    ] {
        let unfit = users(&schema).map(|_| schema.clone()).expect_err("it must be refused").to_string();
        assert!(unfit.contains(says), "{schema}: {unfit}");
    }
    assert_eq!(users(&json!(true)).unwrap().judge(&json!(1)), Conformance::Conforms);
    // The dialects' own schemas are at hand.
    let own = users(&json!({"$ref": "https://json-schema.org/draft/2020-12/schema"})).unwrap();
    assert!(matches!(own.judge(&json!({"type": 1})), Conformance::Violates(..)));
}

#[test]
fn formats_are_asserted_for_the_user_alone() {
    let schema = json!({"format": "date-time"});
    assert!(matches!(users(&schema).unwrap().judge(&json!("now")), Conformance::Violates(..)));
    assert_eq!(servers(&schema).unwrap().judge(&json!("now")), Conformance::Conforms);
    let old = json!({"$schema": "http://json-schema.org/draft-07/schema#", "format": "date-time"});
    assert_eq!(servers(&old).unwrap().judge(&json!("now")), Conformance::Conforms);
}

#[test]
fn a_pattern_that_cannot_be_compiled_decides_nothing() {
    // In order: a schema, an instance that conforms, one that does not, one that hangs on the pattern.
    let bad = "[a-z"; // no ECMA-262 regex
    for (schema, conforms, violates, hangs) in [
        (
            json!({"properties": {"a": {"pattern": bad}, "n": {"type": "integer"}}}),
            json!({"n": 1}),
            json!({"n": "x"}),
            json!({"a": "text"}),
        ),
        (
            json!({"type": ["string", "null"], "not": {"type": "string", "pattern": bad}}),
            Value::Null,
            json!(1),
            json!("text"),
        ),
        (
            json!({"oneOf": [{"type": "string", "pattern": bad}, {"type": "integer"}]}),
            json!(1),
            json!(null),
            json!("text"),
        ),
    ] {
        let compiled = servers(&schema).unwrap();
        assert_eq!(compiled.set_aside().len(), 1, "{schema}");
        assert_eq!(compiled.set_aside()[0].pattern, bad);
        assert!(!matches!(compiled.judge(&conforms), Conformance::Violates(..)), "{schema}");
        assert!(matches!(compiled.judge(&violates), Conformance::Violates(..)), "{schema}");
        assert!(matches!(compiled.judge(&hangs), Conformance::Undecided(_)), "{schema}: {:?}", compiled.judge(&hangs));
    }
    let names =
        json!({"patternProperties": {bad: {"type": "integer"}}, "additionalProperties": false, "minProperties": 1});
    let compiled = servers(&names).unwrap();
    assert_eq!(compiled.judge(&json!({"x": 1})), Conformance::Conforms, "which names remain cannot be told");
    assert!(matches!(compiled.judge(&json!({})), Conformance::Violates(..)));
    // A member that is merely called `pattern` is no pattern.
    let member = json!({"properties": {"pattern": {"type": "string"}}, "default": {"pattern": "["}});
    assert!(servers(&member).unwrap().set_aside().is_empty());
    // Look-around is ECMA-262, so a server may use it.
    let ahead = servers(&json!({"pattern": "^(?=.*[0-9]).{3,}$"})).unwrap();
    assert_eq!(ahead.judge(&json!("ab1")), Conformance::Conforms);
    assert!(matches!(ahead.judge(&json!("abc")), Conformance::Violates(..)));
}

/// `layers` layers of `$ref`, each used twice by the one above: 2^layers ways.
fn fan_out(layers: usize, keyword: &str) -> Value {
    let mut defs = serde_json::Map::new();
    for layer in 0..layers {
        let next = json!({"$ref": format!("#/$defs/l{}", layer + 1)});
        defs.insert(format!("l{layer}"), json!({keyword: [next.clone(), next]}));
    }
    defs.insert(format!("l{layers}"), json!({"type": "integer"}));
    json!({"$ref": "#/$defs/l0", "$defs": defs})
}

fn nested(depth: usize, keyword: &str) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({keyword: inner}))
}

/// On a thread such as `run` uses.
fn roomy(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(|| with_stack(48 << 20, work)).unwrap();
    thread.join().unwrap();
}

#[test]
fn harmful_schemas_end_soon_and_quietly() {
    let begun = Instant::now();
    roomy(|| {
        let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
        let names = (0..120).fold(json!(1), |inner, _| json!({"a": inner}));
        for layers in [24, 40, 1_000] {
            for keyword in ["allOf", "anyOf", "oneOf"] {
                let schema = servers(&fan_out(layers, keyword)).unwrap();
                for instance in [json!(1), json!("x")] {
                    let judged = schema.judge(&instance);
                    assert_eq!(judged, schema.judge(&instance), "{keyword}: the same each time");
                }
                assert!(
                    matches!(schema.judge(&json!("x")), Conformance::Undecided(_) | Conformance::Violates(..)),
                    "{keyword} {layers}"
                );
            }
        }
        // Recursion that doubles at every level of the instance.
        let twice = json!({"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}});
        let _ = servers(&twice).map(|schema| schema.judge(&deep));
        let dynamic = json!({"$dynamicAnchor": "n", "properties": {"a": {"anyOf": [{"$dynamicRef": "#n"}, {"$dynamicRef": "#n"}]}}, "unevaluatedProperties": false, "minProperties": 1});
        let _ = servers(&dynamic).map(|schema| schema.judge(&names));
        // References in circles, without an end.
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            json!({"$dynamicAnchor": "x", "$dynamicRef": "#x"}),
            json!({"$recursiveRef": "#", "$recursiveAnchor": true, "$schema": "https://json-schema.org/draft/2019-09/schema"}),
            json!({"not": {"$ref": "#"}}),
            json!({"if": {"$ref": "#"}, "then": {"$ref": "#"}}),
        ] {
            let _ = servers(&schema).map(|compiled| compiled.judge(&deep));
        }
        // Chains: ten thousand references, one after the other.
        for dialect in ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"] {
            let mut defs = serde_json::Map::new();
            for link in 0..8_000 {
                defs.insert(format!("l{link}"), json!({"$ref": format!("#/definitions/l{}", link + 1)}));
            }
            defs.insert("l8000".to_owned(), json!({"type": "integer"}));
            let chain =
                json!({"$schema": dialect, "properties": {"a": {"$ref": "#/definitions/l0"}}, "definitions": defs});
            let _ = servers(&chain).map(|compiled| compiled.judge(&json!({"a": 1})));
        }
    });
    roomy(|| {
        assert!(matches!(servers(&nested(5_000, "not")), Err(Unfit::Bounds(_))));
        let wide: Vec<Value> = (0..200_000).map(|_| json!({})).collect();
        assert!(matches!(servers(&json!({"allOf": wide})), Err(Unfit::Bounds(_))));
        for keyword in ["not", "items", "additionalProperties", "if", "contains", "propertyNames"] {
            let schema = servers(&nested(90, keyword)).unwrap();
            let _ = schema.judge(&json!([[[[1]]]]));
        }
        // Patterns: catastrophic ones, huge ones, many.
        let text = json!(format!("{}!", "a".repeat(1_000)));
        for pattern in ["^(a+)+$", "(?=(a+)+b)a", "(a*)*(?!x)b", "^(?:(a)|b)*\\1$", "((a{1,100}){1,100}){1,100}"] {
            let _ = servers(&json!({"pattern": pattern})).map(|compiled| compiled.judge(&text));
        }
        let many: serde_json::Map<String, Value> = (0..300)
            .map(|index| (format!("p{index}"), json!({"pattern": format!("^[a-z{{}}]{{{index}}}$")})))
            .collect();
        let _ = servers(&json!({"properties": many}));
        let bad: serde_json::Map<String, Value> =
            (0..300).map(|index| (format!("p{index}"), json!({"pattern": format!("(x{index}")}))).collect();
        assert_eq!(servers(&json!({"properties": bad})).unwrap().set_aside().len(), 300);
    });
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

/// `count` definitions, each of which may be any of them, with a keyword beside.
fn clique(count: usize, keyword: &str) -> Value {
    let all: Vec<Value> = (0..count).map(|index| json!({"$ref": format!("#/$defs/l{index}")})).collect();
    let defs: serde_json::Map<String, Value> =
        (0..count).map(|index| (format!("l{index}"), json!({"anyOf": all, keyword: false}))).collect();
    json!({"$ref": "#/$defs/l0", "$defs": defs})
}

#[test]
fn compiling_is_bounded_as_well() {
    roomy(|| {
        let mut late = fan_out(40, "allOf");
        late["unevaluatedProperties"] = json!(false);
        // What is evaluated is looked for along every way through the references: these took hours.
        for schema in [clique(20, "unevaluatedProperties"), clique(20, "unevaluatedItems"), late] {
            let unfit = servers(&schema).map(|_| ()).unwrap_err();
            assert!(matches!(&unfit, Unfit::Bounds(why) if why.contains("over 5000 schemas")), "{unfit:?}");
        }
        assert!(servers(&clique(4, "unevaluatedProperties")).is_ok());
        // Patterns: too many, and too large in all.
        let patterns = |count: usize, pattern: &str| {
            let all = (0..count).map(|index| (format!("p{index}"), json!({"pattern": format!("{pattern}{index}")})));
            json!({"properties": all.collect::<serde_json::Map<_, _>>()})
        };
        for (count, pattern) in [(501, "x"), (100, "(\\w{1,900})(?=a)"), (100, "((a{9}){99}){99}")] {
            assert!(matches!(servers(&patterns(count, pattern)), Err(Unfit::Bounds(_))), "{count} {pattern}");
        }
        assert!(servers(&patterns(400, "^[a-z]{1,40}$")).is_ok());
        let own = users(&patterns(501, "x")).unwrap();
        assert_eq!(own.judge(&json!({"p7": "x7"})), Conformance::Conforms);
    });
}

#[test]
fn a_pattern_beyond_linear_time_is_counted_before_it_is_tried() {
    let ahead = servers(&json!({"pattern": "(?=a*b)a*c"})).unwrap();
    assert!(matches!(ahead.judge(&json!("a".repeat(300_000))), Conformance::Undecided(_)));
    let Conformance::Violates(first, _) = ahead.judge(&json!("aaa")) else { panic!() };
    assert_eq!(first.expected, "pattern \"(?=a*b)a*c\" (#/pattern)");
    let beside = servers(&json!({"allOf": [{}], "pattern": "(?=b)b", "minLength": 3})).unwrap();
    let Conformance::Violates(_, more) = beside.judge(&json!("x")) else { panic!() };
    assert_eq!(more, 1);
    // One that is linear is tried on any text.
    let plain = servers(&json!({"pattern": "^a*c$"})).unwrap();
    assert!(matches!(plain.judge(&json!("a".repeat(300_000))), Conformance::Violates(..)));
    let names = servers(&json!({"patternProperties": {"(?=a*b)a*c": {}}})).unwrap();
    assert!(matches!(names.judge(&json!({"a".repeat(30_000): 1})), Conformance::Undecided(_)));
    assert_eq!(names.judge(&json!({"a".repeat(30): 1})), Conformance::Conforms);
    let many = servers(&json!({"items": {"pattern": "(a*)*(?!x)b"}})).unwrap();
    assert!(matches!(many.judge(&json!(vec!["a".repeat(100); 10_000])), Conformance::Undecided(_)));
}

#[test]
fn honest_schemas_stay_within_the_bounds() {
    let tree =
        json!({"properties": {"name": {"type": "string"}, "children": {"items": {"$ref": "#"}}}, "required": ["name"]});
    let leaf = json!({"name": "x", "children": []});
    let large = json!({"name": "root", "children": vec![leaf; 20_000]});
    assert_eq!(users(&tree).unwrap().judge(&large), Conformance::Conforms);
    let deep = (0..40).fold(json!({"name": "x"}), |inner, _| json!({"name": "y", "children": [inner]}));
    roomy(move || assert_eq!(users(&tree).unwrap().judge(&deep), Conformance::Conforms));
}

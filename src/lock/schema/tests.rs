//! Every kind of change of a schema, there and back, as an input and as an output.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::lock::canonical::tests::{any_json, reversed};
use ChangeClass::{Breaking, MayBreak, Order, Prose, Widening};

fn classes(flow: Flow, old: &Value, new: &Value) -> Vec<(ChangeClass, String)> {
    compare(flow, old, new, "$").into_iter().map(|spot| (spot.class, spot.path)).collect()
}

#[track_caller]
fn one(flow: Flow, old: &Value, new: &Value, class: ChangeClass, path: &str) {
    assert_eq!(classes(flow, old, new), [(class, path.to_owned())], "{flow:?}: {old} → {new}");
}

/// What narrows: breaking for an input, a better promise for an output; and the other way back.
#[test]
fn what_narrows_breaks_inputs_and_what_widens_breaks_outputs() {
    let any = || json!({});
    for (wide, narrow, path) in [
        (json!({"type": ["string", "null"]}), json!({"type": "string"}), "$.type"),
        (json!({"type": "number"}), json!({"type": "integer"}), "$.type"),
        (any(), json!({"type": "string"}), "$.type"),
        (json!({"enum": ["a", "b"]}), json!({"enum": ["a"]}), "$.enum"),
        (any(), json!({"enum": ["a"]}), "$.enum"),
        (json!({"enum": ["a", "b"]}), json!({"const": "a"}), "$.enum"),
        (any(), json!({"const": 1}), "$.const"),
        (any(), json!({"additionalProperties": false}), "$.additionalProperties"),
        (
            json!({"additionalProperties": {"type": "string"}}),
            json!({"additionalProperties": false}),
            "$.additionalProperties",
        ),
        (any(), json!({"additionalProperties": {"type": "string"}}), "$.additionalProperties.type"),
        (json!({"minimum": 1}), json!({"minimum": 2}), "$.minimum"),
        (json!({"maximum": 2}), json!({"maximum": 1}), "$.maximum"),
        (any(), json!({"maxLength": 5}), "$.maxLength"),
        (any(), json!({"minItems": 1}), "$.minItems"),
        (any(), json!({"exclusiveMinimum": 0}), "$.exclusiveMinimum"),
        (any(), json!({"pattern": "^a"}), "$.pattern"),
        (any(), json!({"multipleOf": 2}), "$.multipleOf"),
        (json!({"uniqueItems": false}), json!({"uniqueItems": true}), "$.uniqueItems"),
        (any(), json!({"items": {"type": "string"}}), "$.items.type"),
        (json!({"items": {}}), json!({"items": false}), "$.items"),
        (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!({"anyOf": [{"type": "string"}]}), "$.anyOf"),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "number"}]}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            "$.anyOf[1].type",
        ),
        (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!({"type": "string"}), "$"),
        (json!({"allOf": [{"minimum": 1}]}), json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}), "$.allOf"),
        (
            json!({"properties": {"a": {"type": ["string", "null"]}}}),
            json!({"properties": {"a": {"type": "string"}}}),
            "$.properties.a.type",
        ),
        (json!({"properties": {"a b": {}}}), json!({"properties": {"a b": false}}), "$.properties['a b']"),
        (json!({"properties": {"a": {}}}), json!({"properties": {"a": {}}, "required": ["a"]}), "$.required"),
        (json!({"required": ["a"]}), json!({"required": ["b", "a"]}), "$.required"),
        (
            json!({"$defs": {"d": {"type": ["string", "null"]}}}),
            json!({"$defs": {"d": {"type": "string"}}}),
            "$.$defs.d.type",
        ),
        (any(), json!(false), "$"),
    ] {
        let path = path.replace("$.$defs", "$['$defs']");
        one(Flow::In, &wide, &narrow, Breaking, &path);
        one(Flow::In, &narrow, &wide, Widening, &path);
        one(Flow::Out, &wide, &narrow, Widening, &path);
        one(Flow::Out, &narrow, &wide, Breaking, &path);
    }
}

#[test]
fn parameters_and_fields_come_and_go() {
    let with = |required: Value| json!({"properties": {"a": {"type": "string"}}, "required": required});
    let without = json!({"properties": {}, "required": []});
    one(Flow::In, &without, &with(json!(["a"])), Breaking, "$.properties.a");
    one(Flow::In, &without, &with(json!([])), Widening, "$.properties.a");
    one(Flow::In, &with(json!([])), &without, Breaking, "$.properties.a");
    one(Flow::In, &with(json!(["a"])), &without, Breaking, "$.properties.a");
    one(Flow::Out, &without, &with(json!(["a"])), Widening, "$.properties.a");
    one(Flow::Out, &with(json!(["a"])), &without, Breaking, "$.properties.a");
    let limited = json!({"additionalProperties": {"type": "number"}});
    let named = json!({"additionalProperties": {"type": "number"}, "properties": {"a": {"type": "string"}}});
    one(Flow::In, &limited, &named, MayBreak, "$.properties.a");
}

#[test]
fn what_says_the_same_is_no_more_than_that() {
    for (one_way, other, path, class) in [
        (json!({"required": ["a", "b"]}), json!({"required": ["b", "a"]}), "$.required", Order),
        (json!({"enum": [1, 2]}), json!({"enum": [2, 1]}), "$.enum", Order),
        (json!({"anyOf": [{"type": "null"}, true]}), json!({"anyOf": [true, {"type": "null"}]}), "$.anyOf", Order),
        (json!({"oneOf": [{"type": "null"}, true]}), json!({"oneOf": [true, {"type": "null"}]}), "$.oneOf", Order),
        (json!({}), json!({"required": []}), "$.required", Prose),
        (json!({}), json!({"properties": {}}), "$.properties", Prose),
        (json!({}), json!({"additionalProperties": true}), "$.additionalProperties", Prose),
        (json!({"type": "string"}), json!({"type": ["string"]}), "$.type", Prose),
        (json!({"type": ["null", "string"]}), json!({"type": ["string", "null"]}), "$.type", Prose),
        (json!({"const": 1}), json!({"enum": [1]}), "$.enum", Prose),
        (json!({}), json!({"uniqueItems": false}), "$.uniqueItems", Prose),
        (json!(true), json!({}), "$", Prose),
        (json!({"description": "x"}), json!({"description": "y"}), "$.description", Prose),
        (json!({}), json!({"examples": [1]}), "$.examples", Prose),
        (json!({"properties": {"a": {}}}), json!({"properties": {"a": {"title": "A"}}}), "$.properties.a.title", Prose),
        (json!({"properties": {"a": {}}}), json!({"properties": {"a": true}}), "$.properties.a", Prose),
    ] {
        for flow in [Flow::In, Flow::Out] {
            for (old, new) in [(&one_way, &other), (&other, &one_way)] {
                let path =
                    if class == Prose && path == "$.enum" && new.get("const").is_some() { "$.enum" } else { path };
                let found = classes(flow, old, new);
                assert!(found.len() == 1 && found[0].0 == class, "{flow:?} {old} {new}: {found:?}");
                assert!(found[0].1 == path || found[0].1 == "$.const", "{found:?}");
            }
        }
    }
}

#[test]
fn of_what_nothing_can_be_proved_that_is_said() {
    for (one_way, other, path) in [
        (json!({"$ref": "#/a"}), json!({"$ref": "#/b"}), "$['$ref']"),
        (json!({"oneOf": [{}, true]}), json!({"oneOf": [{}]}), "$.oneOf"),
        (
            json!({"anyOf": [{"type": "null"}, {"minimum": 1}]}),
            json!({"anyOf": [{"type": "string"}, {"minimum": 2}]}),
            "$.anyOf",
        ),
        (json!({"anyOf": [{"type": "null"}]}), json!({"type": "string"}), "$"),
        (json!({"not": {"type": "null"}}), json!({"not": {"type": "string"}}), "$.not"),
        (json!({"pattern": "a"}), json!({"pattern": "b"}), "$.pattern"),
        (json!({"x-mcp-header": "A"}), json!({"x-mcp-header": "B"}), "$['x-mcp-header']"),
        (json!({"$schema": "a"}), json!({}), "$['$schema']"),
        (json!({"minimum": "low"}), json!({"minimum": 1}), "$.minimum"),
        (json!({"type": 7}), json!({"type": "string"}), "$.type"),
        (json!({"properties": 7}), json!({}), "$.properties"),
        (json!({"required": "a"}), json!({}), "$.required"),
        (json!({"enum": 7}), json!({"enum": [1]}), "$.enum"),
        (json!({"items": [{}]}), json!({"items": {}}), "$.items"),
        (json!({"$defs": 7}), json!({}), "$['$defs']"),
        (json!([]), json!({}), "$"),
    ] {
        for flow in [Flow::In, Flow::Out] {
            one(flow, &one_way, &other, MayBreak, path);
            one(flow, &other, &one_way, MayBreak, path);
        }
    }
    one(Flow::In, &json!({"type": "string"}), &json!({"type": "number"}), Breaking, "$.type");
    one(Flow::In, &json!({}), &json!({"format": "uri"}), MayBreak, "$.format");
    one(Flow::In, &json!({"format": "uri"}), &json!({}), Widening, "$.format");
    one(Flow::In, &json!({"default": 1}), &json!({"default": 2}), MayBreak, "$.default");
    one(Flow::Out, &json!({"default": 1}), &json!({"default": 2}), Prose, "$.default");
}

#[test]
fn beneath_a_not_wider_may_be_narrower() {
    let schema = |kind: &str| json!({"not": {"$ref": "#/$defs/d"}, "$defs": {"d": {"type": kind}}});
    one(Flow::In, &schema("integer"), &schema("number"), MayBreak, "$['$defs'].d.type");
}

#[test]
fn several_changes_are_told_one_by_one() {
    let old = json!({"type": "object", "properties": {"a": {"enum": ["x", "y"]}, "b": {}}, "required": ["b"]});
    let new =
        json!({"type": "object", "properties": {"a": {"enum": ["y", "z"], "title": "A"}, "c": {}}, "required": ["c"]});
    assert_eq!(
        classes(Flow::In, &old, &new),
        [
            (Breaking, "$.properties.a.enum".to_owned()),
            (Widening, "$.properties.a.enum".to_owned()),
            (Prose, "$.properties.a.title".to_owned()),
            (Breaking, "$.properties.b".to_owned()),
            (Breaking, "$.properties.c".to_owned()),
        ]
    );
}

/// Schemas that look like those of servers.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            json!({"type": "string"}),
            json!({"type": ["integer", "null"]}),
            json!(true),
            json!({}),
            json!({"enum": ["a", "b"]}),
            json!({"const": 1}),
            json!({"minimum": 1, "maximum": 5}),
            json!({"$ref": "#/$defs/d"})
        ]),
        any_json(),
    ];
    leaf.prop_recursive(3, 30, 4, |inner| {
        let names = prop::collection::vec("[abc]", 0..3);
        prop_oneof![
            (prop::collection::btree_map("[abc]", inner.clone(), 0..4), names, any::<Option<bool>>()).prop_map(
                |(properties, required, open)| {
                    let mut schema = json!({"type": "object", "properties": properties, "required": required});
                    if let Some(open) = open {
                        schema["additionalProperties"] = open.into();
                    }
                    schema
                }
            ),
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|any| json!({"anyOf": any, "description": "x"})),
            prop::collection::vec(inner, 0..3).prop_map(|all| json!({"allOf": all})),
        ]
    })
}

proptest! {
    #[test]
    fn a_difference_is_found_where_there_is_one_and_nowhere_else(old in any_schema(), new in any_schema()) {
        for flow in [Flow::In, Flow::Out] {
            prop_assert!(compare(flow, &old, &reversed(&old), "$").is_empty());
            prop_assert_eq!(compare(flow, &old, &new, "$").is_empty(), canonical::same(&old, &new));
            prop_assert_eq!(compare(flow, &new, &old, "$").is_empty(), canonical::same(&old, &new));
        }
    }

    /// What is called a widening takes every value that was taken before: tried with a validator that others wrote.
    #[test]
    fn a_widening_takes_what_was_taken(old in any_schema(), new in any_schema(), values in prop::collection::vec(any_json(), 8)) {
        let spots = compare(Flow::In, &old, &new, "$");
        let is_wider = spots.iter().all(|spot| matches!(spot.class, Widening | Prose | Order));
        // A new parameter that is optional counts as wider although a caller may have sent anything by its name before.
        let has_new = spots.iter().any(|spot| spot.what.contains("is new"));
        if is_wider && !has_new && let (Ok(before), Ok(after)) = (jsonschema::validator_for(&old), jsonschema::validator_for(&new)) {
            for value in values {
                prop_assert!(!before.is_valid(&value) || after.is_valid(&value), "{} {} {}", old, new, value);
            }
        }
    }
}

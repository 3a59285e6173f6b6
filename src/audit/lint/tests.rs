//! Each rule finds the definition that is made for it, and leaves the clean one alone.

#![expect(clippy::needless_pass_by_value, reason = "`json!` is written where it is used")]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::event::{Era, TransportKind};
use crate::protocol::revision::{REVISIONS, Revision};

fn clean() -> Value {
    json!({"name": "delete_note", "title": "Delete a note", "description": "Deletes a note for good, by its number.",
        "inputSchema": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "integer", "description": "Number of the note.", "default": 1, "enum": [1, 2]},
            "force": {"type": ["boolean", "null"], "description": "Whether to ask nobody.", "default": null},
            "now": {"type": "boolean", "description": "Whether to do it at once."}}},
        "annotations": {"destructiveHint": true}})
}

fn with(member: &str, value: Value) -> Value {
    let mut tool = clean();
    tool[member] = value;
    tool
}

fn property(property: Value) -> Value {
    with("inputSchema", json!({"type": "object", "properties": {"a": property}}))
}

fn judged(tools: &[Value], instructions: Option<&str>) -> Findings {
    let mut offer = Offer::new("notes", Revision::newest(Era::Legacy), TransportKind::Stdio);
    (offer.tools, offer.instructions) = (tools, instructions);
    judge(&offer)
}

fn ids(tools: &[Value], instructions: Option<&str>) -> BTreeSet<&'static str> {
    judged(tools, instructions).shown().iter().map(|found| found.topic.id).collect()
}

#[test]
fn each_rule_finds_what_is_made_for_it() {
    let long = "x".repeat(2_049);
    let twins = |one: &str, other: &str| {
        let mut twin = with("description", other.into());
        twin["name"] = "erase_note".into();
        vec![with("description", one.into()), twin]
    };
    let text = "Deletes a note for good by its number and says which notes of the same person are left over then";
    let rows = [
        ("lint.no_description", vec![with("description", " ".into())]),
        ("lint.description_is_name", vec![with("description", "Delete note.".into())]),
        ("lint.duplicate_description", twins(text, text)),
        ("lint.near_duplicate_description", twins(text, &format!("{text} indeed"))),
        ("lint.long_description", vec![with("description", long.clone().into())]),
        ("lint.long_instructions", vec![]),
        ("lint.undocumented_parameter", vec![property(json!({"type": "string"}))]),
        (
            "lint.required_unknown",
            vec![with("inputSchema", json!({"type": "object", "properties": {}, "required": ["id"]}))],
        ),
        ("lint.default_mismatch", vec![property(json!({"type": "integer", "description": "d", "default": "5"}))]),
        (
            "lint.negated_boolean",
            vec![with("inputSchema", json!({"properties": {"noCache": {"type": "boolean", "description": "d"}}}))],
        ),
        ("lint.no_annotations", vec![with("annotations", json!({"title": "t"}))]),
        ("lint.destructive_hint", vec![with("annotations", json!({"readOnlyHint": false}))]),
    ];
    for (id, tools) in &rows {
        let instructions = (*id == "lint.long_instructions").then_some(long.as_str());
        let found = ids(tools, instructions);
        let mut expected = BTreeSet::from([*id]);
        if *id == "lint.no_annotations" {
            expected.insert("lint.destructive_hint");
        }
        assert_eq!(found, expected, "{id}");
    }
    let covered: BTreeSet<&str> = rows.iter().map(|(id, _)| *id).collect();
    let all: Vec<&str> = rules().map(|rule| rule.topic.id).collect();
    assert_eq!(covered, all.iter().copied().collect());
    assert_eq!(all.len(), covered.len(), "an id stands twice");
    assert_eq!(ids(&[clean()], Some("Short.")), BTreeSet::new());
}

#[test]
fn what_may_be_meant_otherwise_is_left_alone() {
    let named = |name: &str| with("name", name.into());
    let bare = |name: &str| {
        let mut tool = named(name);
        tool["annotations"] = json!({"openWorldHint": false});
        tool
    };
    for tool in [bare("drag_and_drop"), bare("list_deleted_notes"), bare("undelete"), bare("dropdown_values")] {
        assert!(!ids(std::slice::from_ref(&tool), None).contains("lint.destructive_hint"), "{tool}");
    }
    for name in ["note.delete", "deleteNote", "github_remove_label", "DROP-table"] {
        assert!(ids(&[bare(name)], None).contains("lint.destructive_hint"), "{name}");
    }
    for schema in [
        json!({"required": ["a"], "allOf": [{"properties": {"a": {}}}]}),
        json!({"required": ["a"], "properties": 7}),
        json!({"properties": {"a": {"$ref": "#/$defs/a"}}}),
        json!({"properties": {"a": {"type": "number", "title": "A", "default": 3}}}),
        json!({"properties": {"a": {"type": "integer", "title": "A", "default": 3.0}}}),
        json!({"properties": {"a": {"type": "string", "title": "A", "nullable": true, "enum": ["x", null]}}}),
        json!({"properties": {"a": {"type": "objekt", "title": "A", "default": 3}}}),
        json!({"properties": {"notify": {"type": "boolean", "title": "N"}, "no": {"type": "boolean", "title": "N"}}}),
    ] {
        assert_eq!(ids(&[with("inputSchema", schema.clone())], None), BTreeSet::new(), "{schema}");
    }
    let mut offer = Offer::new("notes", REVISIONS[0], TransportKind::Stdio);
    let tools = [with("annotations", Value::Null)];
    offer.tools = &tools;
    assert!(judge(&offer).is_empty(), "the first revision knows no annotations");
}

#[test]
fn what_is_said_is_bounded_and_names_the_place() {
    let wide: Value =
        (0..500).map(|at| (format!("p{at}{}", "y".repeat(300)), json!({"type": "integer", "default": "x"}))).collect();
    let tools: Vec<Value> = (0..50)
        .map(|at| json!({"name": format!("tool {at}"), "inputSchema": {"properties": wide}}))
        .chain([json!(null), json!({"inputSchema": []})])
        .collect();
    let findings = judged(&tools, None);
    assert_eq!(findings.count("lint.undocumented_parameter"), 50);
    assert_eq!(findings.count("lint.default_mismatch"), 25_000);
    assert!(findings.shown().len() < 120);
    for found in findings.shown() {
        assert!(found.actual.chars().count() <= 400, "{}", found.actual);
    }
    let first = findings.shown().iter().find(|found| found.topic.id == "lint.undocumented_parameter").unwrap();
    assert_eq!(first.path.as_deref(), Some("$.tools[0].inputSchema.properties"));
    assert!(first.actual.starts_with("500 of 500 have none: `p0yyy"), "{}", first.actual);
}

#[test]
fn rules_explain_themselves() {
    for LintRule { topic, .. } in rules() {
        assert!(topic.id.starts_with("lint."), "{}", topic.id);
        assert!(topic.severity < crate::event::Severity::Error, "{}: advice is no error", topic.id);
        for text in [topic.what, topic.why] {
            assert!(text.ends_with('.') && !text.contains("  "), "{}", topic.id);
        }
        assert!(!topic.mend.is_empty() && topic.source.is_empty() == topic.as_of.is_empty(), "{}", topic.id);
    }
}

//! Each rule finds the definition that is made for it, and leaves the clean one alone; hostile definitions end.

#![expect(clippy::needless_pass_by_value, reason = "`json!` is written where it is used")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{Era, TransportKind};
use crate::protocol::revision::Revision;

/// A tool that no client has anything against.
fn clean() -> Value {
    json!({"name": "forecast", "title": "Forecast", "description": "The weather of the next days.",
        "inputSchema": {"type": "object", "additionalProperties": false, "required": ["city", "days"], "properties": {
            "city": {"type": "string", "description": "Name of the city."},
            "days": {"type": "array", "items": {"type": "integer"}}}},
        "outputSchema": {"type": "object", "properties": {"sky": {"type": "string"}}},
        "annotations": {"readOnlyHint": true},
        "icons": [{"src": "data:image/png;base64,AA==", "sizes": ["1x1"]}]})
}

fn schema(schema: Value) -> Value {
    let mut tool = clean();
    tool["inputSchema"] = schema;
    tool
}

fn with(member: &str, value: Value) -> Value {
    let mut tool = clean();
    tool[member] = value;
    tool
}

fn property(property: Value) -> Value {
    schema(json!({"type": "object", "properties": {"a": property}}))
}

/// The ids that are found, of a server of this revision.
fn ids(tools: &[Value], revision: &'static Revision, instructions: Option<&str>) -> BTreeSet<&'static str> {
    let mut offer = Offer::new("weather", revision, TransportKind::StreamableHttp);
    (offer.tools, offer.instructions) = (tools, instructions);
    survey(&offer).iter().flat_map(|survival| survival.findings.shown()).map(|found| found.topic.id).collect()
}

/// A rule and the tools that break it.
fn broken() -> Vec<(&'static str, Vec<Value>)> {
    let named = |name: &str| vec![with("name", name.into())];
    let long = |chars: usize| named(&"x".repeat(chars));
    let rooted = |keyword: &str| {
        let mut tool = clean();
        tool["inputSchema"][keyword] = json!([{"required": ["city"]}]);
        vec![tool]
    };
    let many = |count: usize| (0..count).map(|at| with("name", format!("tool_{at}").into())).collect::<Vec<_>>();
    let twins = |one: &str, other: &str| vec![with("name", one.into()), with("name", other.into())];
    let deep =
        (0..12).fold(json!({"type": "string"}), |inner, _| json!({"type": "object", "properties": {"a": inner}}));
    vec![
        ("compat.mcp.definition", vec![json!({"inputSchema": {"type": "object"}})]),
        ("compat.mcp.name", named("get weather")),
        ("compat.mcp.unique", vec![clean(), clean()]),
        ("compat.mcp.header", vec![property(json!({"type": "number", "x-mcp-header": "A"}))]),
        ("compat.mcp.outside_ref", vec![property(json!({"$ref": "https://host.example/a.json"}))]),
        ("compat.anthropic.name", named("weather.get")),
        ("compat.anthropic.name_64", long(65)),
        ("compat.anthropic.unique", vec![clean(), clean()]),
        ("compat.anthropic.property_key", vec![schema(json!({"type": "object", "properties": {"a b": {}}}))]),
        ("compat.anthropic.root_combinator", rooted("anyOf")),
        ("compat.anthropic.ref", vec![property(json!({"$ref": "#/$defs/a"}))]),
        ("compat.claude-code.root_combinator", rooted("allOf")),
        ("compat.claude-code.property_key", vec![schema(json!({"type": "object", "properties": {"$top": {}}}))]),
        ("compat.claude-code.name_length", long(120)),
        ("compat.claude-code.name_collision", twins("a.b", "a_b")),
        ("compat.claude-code.description_cut", vec![with("description", "\u{1f600}".repeat(1_025).into())]),
        ("compat.claude-code.instructions_cut", vec![]),
        ("compat.claude-code.context", vec![with("description", "word ".repeat(21_000).into())]),
        ("compat.openai.name", named("weather.get")),
        ("compat.openai.name_64", long(65)),
        ("compat.openai.description_length", vec![with("description", "x".repeat(1_025).into())]),
        ("compat.openai.tool_count", many(129)),
        ("compat.openai.array_items", vec![property(json!({"type": "array"}))]),
        ("compat.openai.object_properties", vec![schema(json!({"type": "object"}))]),
        ("compat.openai.root_combinator", rooted("oneOf")),
        ("compat.openai-strict.root", rooted("anyOf")),
        ("compat.openai-strict.required", vec![property(json!({"type": "string"}))]),
        ("compat.openai-strict.additional_properties", vec![property(json!({"type": "string"}))]),
        ("compat.openai-strict.keyword", vec![property(json!({"not": {"type": "null"}}))]),
        ("compat.openai-strict.size", vec![schema(deep)]),
        ("compat.gemini.name", named("1st")),
        ("compat.gemini.name_64", long(65)),
        ("compat.gemini.keyword", vec![property(json!({"type": ["string", "null"]}))]),
        ("compat.gemini-cli.name_cut", long(60)),
        ("compat.gemini-cli.name_collision", twins("a/b", "a b")),
        ("compat.cursor.name_length", long(54)),
        ("compat.cursor.tool_count", many(41)),
        ("compat.vscode.array_items", vec![property(json!({"type": ["array", "null"]}))]),
        ("compat.vscode.tool_count", many(129)),
        ("compat.vscode.name_cut", long(60)),
        ("compat.vscode.name_collision", twins("a.b", "a_b")),
        ("compat.ts-sdk.definition", vec![with("description", Value::Null)]),
        ("compat.ts-sdk.output_schema", vec![with("outputSchema", json!({"type": "array"}))]),
        ("compat.ts-sdk.boolean_property", vec![property(true.into())]),
    ]
}

#[test]
fn each_rule_finds_what_is_made_for_it() {
    let long = "x".repeat(2_049);
    let rows = broken();
    for (id, tools) in &rows {
        let instructions = (*id == "compat.claude-code.instructions_cut").then_some(long.as_str());
        let era = if *id == "compat.mcp.header" { Era::Modern } else { Era::Legacy };
        let found = ids(tools, Revision::newest(era), instructions);
        assert!(found.contains(id), "{id}: {found:?}");
    }
    let with_rows: BTreeSet<&str> = rows.iter().map(|(id, _)| *id).collect();
    let all: BTreeSet<&str> = rules().map(|rule| rule.topic.id).collect();
    assert_eq!(with_rows, all);
    assert_eq!(rules().count(), all.len(), "an id stands twice");
}

#[test]
fn a_clean_server_is_left_alone() {
    // What `parameters` of Gemini does not take, strict schemas of OpenAI demand.
    let expected = BTreeSet::from(["compat.gemini.keyword"]);
    for revision in crate::protocol::revision::REVISIONS {
        assert_eq!(ids(&[clean()], revision, Some("Ask for a city.")), expected, "{}", revision.version);
        assert!(ids(&[], revision, None).is_empty());
    }
    // The limits themselves.
    let edge = |name: usize, text: usize| {
        let mut tool = with("name", "x".repeat(name).into());
        tool["description"] = "d".repeat(text).into();
        tool
    };
    assert_eq!(ids(&[edge(46, 1_024)], Revision::newest(Era::Legacy), Some(&"i".repeat(2_048))), expected);
}

#[test]
fn rules_explain_themselves() {
    for profile in PROFILES {
        for rule in profile.rules {
            let topic = &rule.topic;
            assert!(topic.id.starts_with(&format!("compat.{}.", profile.id)), "{}", topic.id);
            for text in [topic.what, topic.why, topic.mend, topic.source, rule.value] {
                assert!(!text.is_empty() && !text.contains("  "), "{}: {text:?}", topic.id);
            }
            assert!(topic.as_of.len() == 10 && topic.as_of >= "2026-01-01", "{}: {}", topic.id, topic.as_of);
            assert!(topic.what.ends_with('.') && topic.why.ends_with('.'), "{}", topic.id);
        }
        assert_eq!(super::profile(profile.id).map(|found| found.title), Some(profile.title));
    }
    assert!(profile("nobody").is_none());
}

#[test]
fn survival_tells_who_is_lost_and_why() {
    let mut tools: Vec<Value> = (0..12).map(|at| with("name", format!("tool_{at}").into())).collect();
    for at in [3, 7] {
        tools[at]["inputSchema"]["anyOf"] = json!([{"required": ["city"]}]);
    }
    tools.push(json!({"description": "nameless", "inputSchema": {"type": "object", "properties": {}}}));
    let mut offer = Offer::new("weather", Revision::newest(Era::Modern), TransportKind::Stdio);
    offer.tools = &tools;
    let of = |id: &str| survive(profile(id).unwrap(), &offer);
    let claude = of("claude-code");
    assert_eq!((claude.total, claude.seen, claude.refused.is_none()), (13, 10, true));
    assert_eq!(
        claude.sentence(),
        "Claude Code sees 10 of 13 tools: not tool `tool_3` (compat.claude-code.root_combinator), tool `tool_7` \
         (compat.claude-code.root_combinator)"
    );
    let anthropic = of("anthropic");
    assert_eq!(anthropic.seen, 0);
    assert!(anthropic.sentence().contains("the list is refused because of tool `tool_3`"), "{}", anthropic.sentence());
    assert_eq!(of("mcp").lost.iter().map(|lost| lost.at).collect::<Vec<_>>(), [12]);
    assert_eq!((of("cursor").seen, of("vscode").seen, of("ts-sdk").seen), (12, 12, 0));
    let found = &claude.findings.shown()[0];
    assert_eq!(found.path.as_deref(), Some("$.tools[3].inputSchema"));
    assert_eq!(claude.severity(), Some(Severity::Warning));
    let many: Vec<Value> = (0..129).map(|at| with("name", format!("tool_{at}").into())).collect();
    offer.tools = &many;
    let openai = survive(profile("openai").unwrap(), &offer);
    assert_eq!(openai.sentence(), "OpenAI sees 0 of 129 tools: the list is refused (compat.openai.tool_count)");
}

#[test]
fn names_are_what_each_client_makes_of_them() {
    for (id, server, tool, exposed) in [
        ("mcp", "we ather", "get.it", "get.it"),
        ("claude-code", "we ather", "get.it", "mcp__we_ather__get_it"),
        ("gemini-cli", "we ather", "get.it/now", "mcp_we_ather_get.it_now"),
        ("vscode", "io.github.Some/context", "get.it", "mcp_io_github_som_get_it"),
        ("vscode", "a// b", "c", "mcp_a_b_c"),
    ] {
        assert_eq!((profile(id).unwrap().exposes)(server, tool), exposed, "{id}");
    }
    let long = (gemini_cli::PROFILE.exposes)("s", &"x".repeat(100));
    assert_eq!((long.len(), long.starts_with("mcp_s_xxx"), long.contains("x...x")), (63, true, true));
    assert_eq!((vscode::PROFILE.exposes)("s", &"x".repeat(100)).len(), 64);
}

#[test]
fn an_annotation_for_headers_has_its_rules() {
    let found = |property: Value, era: Era, transport: TransportKind| {
        let tools = [property];
        let mut offer = Offer::new("s", Revision::newest(era), transport);
        offer.tools = &tools;
        survive(&mcp::PROFILE, &offer).findings.count("compat.mcp.header")
    };
    let http = |value: Value| found(value, Era::Modern, TransportKind::StreamableHttp);
    let marked = |kind: &str, header: Value| property(json!({"type": kind, "x-mcp-header": header}));
    assert_eq!(http(marked("string", "City".into())), 0);
    assert_eq!(http(property(json!({"type": ["string", "null"], "x-mcp-header": "City"}))), 0);
    for (kind, header) in
        [("string", json!("")), ("string", json!("a b")), ("number", json!("A")), ("string", json!(7))]
    {
        assert_eq!(http(marked(kind, header.clone())), 1, "{kind} {header}");
        assert_eq!(found(marked(kind, header.clone()), Era::Modern, TransportKind::Stdio), 0);
        assert_eq!(found(marked(kind, header), Era::Legacy, TransportKind::StreamableHttp), 0);
    }
    assert_eq!(http(property(json!({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}))), 1);
    let twice = json!({"type": "object", "properties": {
        "a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}});
    assert_eq!(http(schema(twice)), 1);
}

/// Any JSON, with the words of definitions more often than chance would have them.
fn hostile() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "name",
            "inputSchema",
            "type",
            "object",
            "properties",
            "required",
            "items",
            "anyOf",
            "$ref",
            "enum",
            "array",
            "x-mcp-header",
            "annotations",
            "icons",
            "description",
            "outputSchema",
            "string",
            "const",
            "default",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn anything_is_survived(tools in prop::collection::vec(hostile(), 0..6), name in ".{0,70}", is_modern: bool) {
        let era = if is_modern { Era::Modern } else { Era::Legacy };
        let mut offer = Offer::new(&name, Revision::newest(era), TransportKind::StreamableHttp);
        offer.tools = &tools;
        for survival in survey(&offer) {
            prop_assert!(survival.seen <= survival.total && survival.total == tools.len());
            prop_assert!(survival.sentence().chars().count() < 2_000);
            for found in survival.findings.shown() {
                prop_assert!(found.actual.chars().count() <= 700 && found.expected.chars().count() <= 700);
            }
        }
    }
}

#[test]
fn what_is_huge_ends_soon_and_is_bounded() {
    let deep =
        (0..120).fold(json!({}), |inner, _| json!({"type": "object", "properties": {"\u{202e}x".repeat(500): inner}}));
    let wide: Value = (0..30_000).map(|at| (format!("p{at}"), json!({"type": "array", "x-mcp-header": "A"}))).collect();
    let tool = |schema: Value| json!({"name": "n".repeat(100_000), "description": "d".repeat(1_000_000), "inputSchema": schema});
    let tools = vec![
        tool(deep),
        tool(json!({"type": "object", "properties": wide})),
        json!([[[]]]),
        json!("x".repeat(100_000)),
    ];
    let mut offer = Offer::new("weather", Revision::newest(Era::Modern), TransportKind::StreamableHttp);
    offer.tools = &tools;
    let begun = std::time::Instant::now();
    let all = survey(&offer);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    for found in all.iter().flat_map(|survival| survival.findings.shown()) {
        let length =
            found.about.len() + found.expected.len() + found.actual.len() + found.path.as_ref().map_or(0, String::len);
        assert!(length < 6_000, "{}: {length}", found.topic.id);
    }
    assert_eq!(all[0].findings.count("compat.mcp.header"), 19_999, "bounded by the walk");
}

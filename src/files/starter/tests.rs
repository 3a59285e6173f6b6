//! Whatever a server lists, the file is one that can be read, and says nothing that the server could have slipped in.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{Phases, ServerIdentity, TransportKind};
use crate::protocol::Revision;
use crate::run::adhoc::Found;
use crate::session::{Exchange, Marks, Reply};

fn list(method: &'static str, result: Value) -> Measured {
    let exchange = Exchange {
        method: method.into(),
        params: Value::Null,
        call_id: "1".into(),
        span: crate::base::ids::SpanContext::root(),
        reply: Ok(Reply { body: Ok(std::sync::Arc::new(result)), raw: Vec::new() }),
        marks: Marks::default(),
        total: Duration::ZERO,
        pages: 1,
        request_bytes: 1,
        response_bytes: 1,
        notices: crate::session::Notices::default(),
        head: None,
        refused: None,
        findings: Vec::new(),
    };
    Measured { method, exchange, latencies: vec![Duration::from_millis(3)] }
}

fn survey(name: &str, capabilities: Value, lists: Vec<Measured>) -> Survey {
    let facts = ServerFacts {
        identity: Some(ServerIdentity { name: name.into(), version: format!("1 {name}").into() }),
        instructions: None,
        capabilities,
        revision: Revision::of("2025-11-25").unwrap(),
        transport: TransportKind::Stdio,
        supported: Vec::new(),
    };
    let found = Found {
        target: "a".into(),
        status: Status::Healthy,
        cause: None,
        connected: true,
        server: None,
        protocol: None,
        phases: Phases::default(),
        findings: Vec::new(),
        certificate: None,
        withheld: false,
    };
    Survey { found, facts: Some(facts), lists, tried: Vec::new() }
}

const TARGET: &str = "[target.a]\ncommand = [\"server\"]\n";

fn written(survey: &Survey) -> String {
    let tools = tools::of(listed(&survey.lists));
    let subject = Subject {
        name: "a",
        target: TARGET,
        survey,
        tools: &tools,
        day: "2026-01-15",
        timeout: Duration::from_secs(10),
    };
    text(&subject)
}

/// What is commented out, switched on.
fn uncommented(text: &str) -> String {
    let line = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n";
    text.lines().map(line).collect()
}

fn tools_of(draft: &Draft) -> Vec<(String, bool)> {
    let steps = draft.probes.iter().flat_map(|probe| match &probe.steps {
        Steps::Given(steps) => steps.as_slice(),
        Steps::Lists => &[],
    });
    steps.filter_map(|step| Some((step.tool()?.to_owned(), step.allow_side_effects))).collect()
}

/// The file of this survey can be read, defines one target and two probes, and calls what it should and nothing else.
#[track_caller]
fn is_sound(survey: &Survey) -> String {
    let text = written(survey);
    let harmless = |c: char| c == '\n' || !sanitize::is_unsafe(c);
    assert!(text.chars().all(harmless), "{text:?}");
    let on = match read(&text, Path::new(".")) {
        Ok(draft) => draft,
        Err(diags) => panic!("{}\n{text}", crate::config::render(&diags, false, None)),
    };
    assert_eq!(on.targets.len(), 1, "{text}");
    assert!(on.probes.len() <= 2 && on.check_names(&[]).is_empty(), "{text}");
    let tools = listed(&survey.lists);
    for (name, side_effects) in tools_of(&on) {
        let tool = tools.iter().find(|tool| tool["name"] == name.as_str()).unwrap();
        assert!(!side_effects && tool["annotations"]["readOnlyHint"] == true, "{name}: {text}");
    }
    let all = match read(&uncommented(&text), Path::new(".")) {
        Ok(draft) => draft,
        Err(diags) => panic!("{}\n{}", crate::config::render(&diags, false, None), uncommented(&text)),
    };
    assert_eq!(all.targets.len(), 1, "{text}");
    assert!(tools_of(&all).iter().all(|(name, _)| tools.iter().any(|tool| tool["name"] == name.as_str())), "{text}");
    text
}

#[test]
fn what_a_server_slips_in_stays_in_its_place() {
    let evil = "x\"\"\"'''\\\r\n[target.evil]\ncommand = [\"rm\"]\n# [[probe]]\n## \u{1b}[2J\u{202e}\u{2028}\u{85}${HOME}${save.x}";
    let tool = |name: &str, extra: Value| {
        let mut tool = json!({"name": name, "description": evil, "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "required": [evil], "properties": {
                evil: {"type": evil, "description": evil, "default": evil, "enum": [evil]},
                "expect": {"default": {evil: [evil, null]}}, "a.b": {"const": 1}}}});
        if let (Value::Object(tool), Value::Object(extra)) = (&mut tool, extra) {
            tool.extend(extra);
        }
        tool
    };
    let tools = json!({"tools": [
        tool(evil, json!({})),
        tool("plain", json!({})),
        tool("plain", json!({"description": "the same name again"})),
        tool("${TOKEN}", json!({"annotations": null})),
        tool("", json!({})), tool(&"n".repeat(100_000), json!({})),
        {"description": "no name"}, 7, null, "text",
        {"name": "odd", "annotations": "yes", "inputSchema": "none", "description": 7},
    ]});
    let lists = vec![
        list("tools/list", tools),
        list("resources/list", json!({"resources": [{"uri": evil, "name": evil}, {"name": "no uri"}, 1]})),
        list("resources/templates/list", json!({"resourceTemplates": [evil]})),
        list("prompts/list", json!({"prompts": "no array"})),
    ];
    let survey = survey(evil, json!({evil: {}, "tools": {}, "a.b": true, "off": false}), lists);
    let text = is_sound(&survey);
    let draft = read(&text, Path::new(".")).unwrap_or_else(|_| panic!());
    assert_eq!(tools_of(&draft), [(evil.to_owned(), false), ("plain".to_owned(), false)], "{text}");
    assert!(text.contains("7 more tools are not written here"), "{text}");
}

#[test]
fn a_file_is_bounded_whatever_is_listed() {
    let tool = |n: usize| {
        let properties: serde_json::Map<String, Value> =
            (0..50).map(|p| (format!("p{p}"), json!({"type": "string", "default": "d".repeat(500)}))).collect();
        json!({"name": format!("tool-{n}"), "description": "words and words ".repeat(50), "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "properties": properties}})
    };
    let small = |n: usize| json!({"name": format!("small-{n}"), "inputSchema": {"type": "object"}});
    let tools: Vec<Value> = (0..100).map(tool).chain((100..10_000).map(small)).collect();
    let resources: Vec<Value> = (0..10_000).map(|n| json!({"uri": format!("file:///{n}")})).collect();
    let lists =
        vec![list("tools/list", json!({ "tools": tools })), list("resources/list", json!({ "resources": resources }))];
    let text = is_sound(&survey("many", json!({"tools": {}}), lists));
    assert!(text.len() < 300_000, "{} bytes", text.len());
    assert!(text.contains("expect.tools.min = 10000\n") && text.contains("9940 more tools"), "{}", &text[..3_000]);
    assert!(text.contains("## 50 of 10000;"), "{}", &text[..3_000]);
}

#[test]
fn a_server_without_lists_is_asked_for_something_all_the_same() {
    let text = is_sound(&survey("bare", json!({}), Vec::new()));
    assert!(text.contains("method = \"ping\"\nexpect.server = "), "{text}");
    let nothing = vec![list("tools/list", json!({"tools": []}))];
    let text = is_sound(&survey("empty", json!({"tools": {}}), nothing));
    assert!(text.contains("It was empty") && !text.contains("expect.tools"), "{text}");
}

/// JSON with the words that schemas and tools use.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("type".to_owned()),
        Just("properties".to_owned()),
        Just("required".to_owned()),
        Just("enum".to_owned()),
        Just("default".to_owned()),
        Just("$ref".to_owned()),
        Just("items".to_owned()),
        Just("anyOf".to_owned()),
        Just("expect".to_owned()),
        Just("#/properties".to_owned()),
        Just("object".to_owned()),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_list_gives_a_sound_file(
        tools in prop::collection::vec((any::<String>(), any::<String>(), any_json(), any::<bool>()), 0..6),
        others in prop::collection::vec(any_json(), 0..4),
        name in any::<String>(),
        capabilities in any_json(),
    ) {
        let mut all: Vec<Value> = tools.into_iter().map(|(name, description, schema, read_only)| json!({
            "name": name, "description": description, "inputSchema": schema,
            "annotations": {"readOnlyHint": read_only}})).collect();
        all.extend(others.iter().cloned());
        let lists = vec![
            list("tools/list", json!({"tools": all})),
            list("resources/list", json!({"resources": others})),
            list("prompts/list", others.first().cloned().unwrap_or_default()),
        ];
        is_sound(&survey(&name, capabilities, lists));
    }
}

#[test]
fn bounds_are_what_a_person_would_write() {
    let ms = Duration::from_millis;
    assert_eq!(bounds(&[ms(3), ms(1)]), Some((ms(500), ms(2_000))));
    assert_eq!(bounds(&[ms(61)]), Some((ms(750), ms(3_000))));
    assert_eq!(bounds(&[ms(1_800)]), Some((ms(20_000), ms(100_000))));
    assert_eq!(bounds(&[]), None);
    assert_eq!(friendly(Duration::from_micros(1)), ms(10));
    assert_eq!(friendly(ms(10)), ms(10));
}

#[test]
fn names_are_made_of_what_can_stand_in_one() {
    for (text, name) in [
        ("mcp-servers/everything", "mcp-servers-everything"),
        ("@scope/Server X (beta)", "scope-Server-X-beta"),
        ("  Wëather  ", "W-ather"),
        ("a*b?c://d", "a-b-c-d"),
    ] {
        assert_eq!(target_name(text).as_deref(), Some(name));
    }
    assert_eq!(target_name("漢字 \u{202e}"), None);
    assert_eq!(target_name(&"x".repeat(1000)).map(|name| name.len()), Some(40));
}

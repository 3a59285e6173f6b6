//! What is written is read back, whatever a server says; what was not written here is refused.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::base::sanitize;
use crate::config::render;
use crate::lock::canonical::tests::any_json;

fn read_text(text: &str) -> Result<Lock, String> {
    read(&Source::new("mcp-probe.lock", text, ".")).map_err(|diags| render(&diags, false, None))
}

#[track_caller]
fn round(lock: &Lock) -> String {
    let text = text(lock);
    let again = read_text(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert_eq!(super::text(&again), text);
    for (name, entry) in &lock.entries {
        let other = &again.entries[name];
        assert!(crate::lock::compare::entries(entry, other).is_empty(), "{text}");
        assert_eq!(
            (&entry.server, &entry.protocol, &entry.declared),
            (&other.server, &other.protocol, &other.declared)
        );
    }
    text
}

fn weather() -> Lock {
    let tools = vec![
        json!({"name": "forecast", "title": "Forecast", "description": "The weather.\n\nOf the next days.",
            "inputSchema": {"type": "object", "properties": {"city": {"type": "string", "description": "Name of the city, as people there write it, don't guess."}, "days": {"type": "integer", "minimum": 1}}, "required": ["city"]},
            "annotations": {"readOnlyHint": true}, "execution": {"taskSupport": "optional"}}),
        json!({"name": "alerts", "inputSchema": {"type": "object"}}),
    ];
    let entry = Entry {
        server: Some(ServerIdentity { name: "weather".into(), version: "1.2.0".into() }),
        protocol: Some(("2025-11-25".into(), "legacy".into())),
        declared: vec!["elicitation".into()],
        instructions: Some("Ask for a city.".into()),
        lists: [(Subject::Tool, tools), (Subject::Prompt, Vec::new())].into(),
    };
    Lock { entries: [("weather".to_owned(), entry)].into() }
}

#[test]
fn a_lock_file_can_be_read_by_people() {
    let expected = r#"version = 1

[target.weather]
server = { name = "weather", version = "1.2.0" }
protocol = { version = "2025-11-25", era = "legacy" }
declared = ["elicitation"]
lists = ["tools/list", "prompts/list"]
instructions = "Ask for a city."
tool_order = [
    "forecast",
    "alerts",
]

[[target.weather.tool]]
name = "alerts"
input_schema = '{"type": "object"}'
sha256 = "e3cf00c8fb1ee06d6ac18c3ddae4ecda61a66e2ae14b9bb0cbbe9ee0db38e7c9"

[[target.weather.tool]]
name = "forecast"
title = "Forecast"
description = """
The weather.

Of the next days."""
annotations = '{"readOnlyHint": true}'
input_schema = '''
{
  "properties": {
    "city": {"description": "Name of the city, as people there write it, don't guess.", "type": "string"},
    "days": {"minimum": 1, "type": "integer"}
  },
  "required": ["city"],
  "type": "object"
}'''
more = '{"execution": {"taskSupport": "optional"}}'
"#;
    let text = round(&weather());
    let without_hashes =
        |text: &str| text.lines().filter(|line| !line.starts_with("sha256")).collect::<Vec<_>>().join("\n");
    let body = text.strip_prefix(HEAD.strip_suffix("version = 1\n").unwrap()).unwrap();
    assert_eq!(without_hashes(body), without_hashes(expected));
    assert_eq!(text.matches("sha256 = ").count(), 2);
    assert!(is_like_one(&text) && !is_like_one("[target.a]\nurl = 'x'\n") && !is_like_one("{\"version\": 1}"));
}

#[test]
fn hostile_definitions_stay_inside_their_quotes() {
    let hostile = "\u{1b}]0;owned\u{7}\u{202e}\"\"\"\n[target.evil]\n'''\r\n\\\u{200b} \n\t\u{feff}\0";
    let long = "word ".repeat(200_000);
    let tools = vec![
        json!({"name": hostile, "description": hostile, "title": 7, "inputSchema": {hostile: hostile}}),
        json!({"name": "twice", "description": long}),
        json!({"name": "twice", "description": "another"}),
        json!({"name": "a'b''c'''d", "x": ["'", "''", "'''"]}),
        json!({"description": null}),
        json!({"name": ""}),
        json!(null),
        json!([1, {"name": "no"}]),
        json!({"name": ["list"]}),
        json!({"name": "twice", "description": "a third"}),
    ];
    let resources =
        vec![json!({"uri": "file:///ü", "name": "n", "mimeType": "text/plain", "annotations": {"audience": ["user"]}})];
    let entry = Entry {
        server: Some(ServerIdentity { name: hostile.into(), version: String::new().into() }),
        instructions: Some(hostile.into()),
        declared: Vec::new(),
        protocol: None,
        lists: [
            (Subject::Tool, tools),
            (Subject::Resource, resources),
            (Subject::Template, vec![json!({"uriTemplate": "a{b}"})]),
        ]
        .into(),
    };
    let lock = Lock { entries: [(hostile.to_owned(), entry.clone()), ("a.b".into(), entry)].into() };
    let text = round(&lock);
    assert!(!text.chars().any(|c| c != '\n' && sanitize::is_unsafe(c)));
    assert!(!text.contains("\n[target.evil]\n'''\n"), "{}", &text[..600]);
    let read = read_text(&text).unwrap();
    assert_eq!(read.entries.keys().map(String::as_str).collect::<Vec<_>>(), [hostile, "a.b"]);
    assert_eq!(read.entries["a.b"].lists, lock.entries["a.b"].lists);
}

#[test]
fn one_change_is_one_place_in_the_file() {
    let before = text(&weather());
    let mut lock = weather();
    let entry = lock.entries.get_mut("weather").unwrap();
    entry.lists.get_mut(&Subject::Tool).unwrap()[0]["inputSchema"]["properties"]["days"]["minimum"] = json!(2);
    let after = round(&lock);
    let changed: Vec<(&str, &str)> = before.lines().zip(after.lines()).filter(|(one, other)| one != other).collect();
    assert_eq!(before.lines().count(), after.lines().count());
    assert_eq!(changed.len(), 2, "the line of the bound, and the hash: {changed:?}");
}

#[test]
fn what_was_not_written_here_is_refused() {
    let good = text(&weather());
    for (broken, says) in [
        (good.replace("The weather.", "The whether."), "the tool \"forecast\" was edited"),
        (good.replace("version = 1\n", "version = 2\n"), "the lock file has version 2; this mcp-probe knows version 1"),
        (good.replace("version = 1\n", "version = 0\n"), "`version` must be 1"),
        (good.replace("version = 1\n", ""), "it has no `version = 1`"),
        (good.replace("lists = ", "lists = 7 #"), "`lists` must be a list of strings"),
        (good.replace("title = ", "tite = "), "has no key \"tite\" here"),
        (good.replace("\"forecast\",\n", ""), "`tool_order` does not name the definitions"),
        (good.replace("lists = [\"tools/list\", ", "lists = ["), "`lists` has no such list"),
        (good.replace("'{\"type\"", "'{type"), "`input_schema` is no JSON"),
        (good.replace("[target.weather]", "[target.weather"), "not TOML"),
        (good.replace("server = {", "server = 7 #{"), "`server` must be a table"),
        (good.replace(", era = \"legacy\"", ""), "`protocol` has no `era`"),
        (good.replace("sha256", "# sha256"), "was edited"),
        (format!("{good}\n[other]\n"), "has no key \"other\" here"),
        (good.replace("\n[target.weather]", "\n<<<<<<< HEAD\n[target.weather]"), "not TOML"),
        (String::new(), "this is no lock file"),
    ] {
        let why = read_text(&broken).expect_err(says);
        assert!(why.contains(says), "{says}: {why}");
    }
    assert_eq!(read_text("version = 1\n"), Ok(Lock::default()));
}

proptest! {
    #[test]
    fn anything_is_read_back(
        items in prop::collection::vec(prop_oneof![
            any_json(),
            ("[\\PC\n'\" ]{0,6}", any_json(), any_json()).prop_map(|(name, schema, more)| json!({"name": name, "description": name, "inputSchema": schema, "more": more})),
        ], 0..5),
        name in "[\\PC\n\"'.]{0,8}",
    ) {
        let lists = [(Subject::Tool, items.clone()), (Subject::Resource, items)].into();
        round(&Lock { entries: [(name, Entry { lists, ..Entry::default() })].into() });
    }
}

//! The whole probe file as JSON Schema, composed of what each half reads of it. A test compares the keys that the parsers
//! ask for with the keys described, so that neither can be changed alone.

use serde_json::{Map, Value, json};

use super::telling::{log, watching};
use crate::alert::{self, notify};
use crate::config::grammar::{self, array, described, map, table, with};
use crate::metrics::push;
use crate::plan;

/// The whole schema, draft-07.
#[must_use]
pub fn schema() -> Value {
    let head = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "mcp-probe probe file",
        "description": "Targets, probes and their steps, read by mcp-probe from ./mcp-probe.toml, ./probes/*.toml or \
                        the paths it is given. Strings may hold ${VAR}, ${VAR:-default} and ${file:path}.",
    });
    let definitions = json!({ "definitions": plan::grammar::definitions() });
    with(with(head, file()), definitions)
}

fn file() -> Value {
    let notifiers = map(notify::keys::schema(), grammar::names());
    let others = [
        ("notify", described(notifiers, "Whom alerts tell, by name.")),
        ("push", described(array(push::schema()), "Where results are pushed.")),
        ("watch", described(watching::schema(), "How `watch` works.")),
        ("log", described(log::schema(), "What `watch` writes down.")),
    ];
    let keys = plan::grammar::keys().into_iter().chain(alert::grammar::keys()).chain(others);
    let properties: Map<String, Value> = keys.map(|(key, schema)| (key.to_owned(), schema)).collect();
    with(table([]), json!({ "properties": properties }))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::check;
    use crate::config::text::tests::Given;
    use crate::config::{Place, Reading, Section, Source, tree};
    use crate::files::Telling;
    use crate::plan::Draft;

    /// Every table of a file that has a closed set of keys, with where the schema describes it.
    const TABLES: &[(&str, &str)] = &[
        ("a probe file", ""),
        ("`[defaults]`", "/properties/defaults"),
        ("`[target.web]`", "/properties/target/additionalProperties"),
        ("`auth`", "/properties/target/additionalProperties/properties/auth"),
        ("`tls`", "/properties/target/additionalProperties/properties/tls"),
        ("`[[probe]]`", "/properties/probe/items"),
        ("`[[probe.step]]`", "/properties/probe/items/properties/step/items"),
        ("`answers`", "/properties/probe/items/properties/step/items/properties/answers"),
        ("`[[alert]]`", "/properties/alert/items"),
        ("`[[silence]]`", "/properties/silence/items"),
        ("`[log]`", "/properties/log"),
        ("`[watch]`", "/properties/watch"),
        ("`[fleet]`", "/properties/fleet"),
    ];

    const FILE: &str = r#"
        [log]
        wire = "wire.jsonl"
        [watch]
        jobs = 8
        [fleet]
        shard = "2/8"
        [defaults]
        timeout = "5s"
        [target.web]
        url = "https://host/mcp"
        auth = { bearer = "${TOKEN}" }
        tls = { insecure = true }
        [[probe]]
        name = "p"
        target = "web"
        [[probe.step]]
        method = "tools/list"
        answers = { roots = [{ uri = "file:///" }] }
        expect.latency = { max = "1s" }
        expect.tools = { min = 1 }
        expect.size = { max = "1KiB" }
        expect.tokens = { max = 10 }
        expect.server = { name = "a" }
        expect.http = { status = 200 }
        expect.notifications = { method = "a" }
        expect.error = { code = 1 }
        [[probe.step]]
        method = "resources/list"
        expect.resources = { min = 1 }
        [[probe.step]]
        method = "prompts/list"
        expect.prompts = { min = 1 }
        [[silence]]
        name = "night"
        cron = "0 2 * * SUN"
        for = "2h"
        [[alert]]
        name = "x"
        consecutive_failures = 3
    "#;

    /// The keys of the table that a schema describes, also where it is one of several shapes.
    fn keys(schema: &Value) -> BTreeSet<String> {
        let shapes = schema["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
        let own = schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned();
        own.chain(shapes.iter().flat_map(keys)).collect()
    }

    #[test]
    fn what_the_parsers_ask_for_is_what_is_described() {
        let source = Source::new("a.toml", FILE, ".");
        let (table, errors) = tree::parse(&source);
        assert!(errors.is_empty(), "{errors:?}");
        let given = Given { variables: [("TOKEN", "secret")].into(), ..Given::default() };
        let reading = Reading::new(&given);
        let file = Section::new(&table, "a probe file", &Place::new(&source, 0..0), &reading);
        Draft::default().read(&file);
        Telling::default().read(&file);
        file.finish();
        let asked: BTreeMap<String, BTreeSet<String>> = reading
            .asked
            .take()
            .into_iter()
            .map(|(what, keys)| (what, keys.into_iter().map(str::to_owned).collect()))
            .collect();
        let mistakes = reading.into_diags();
        assert!(mistakes.is_empty(), "{mistakes:?}");

        let schema = schema();
        let mut places: BTreeMap<String, String> =
            TABLES.iter().map(|(what, place)| ((*what).to_owned(), (*place).to_owned())).collect();
        let step = "/properties/probe/items/properties/step/items";
        for kind in check::KINDS {
            let place = format!("{step}/properties/expect/properties/{}", kind.name);
            if !keys(&schema.pointer(&place).unwrap()["properties"]).is_empty()
                || asked.contains_key(&format!("`expect.{}`", kind.name))
            {
                places.insert(format!("`expect.{}`", kind.name), place);
            }
        }
        for (what, asked) in &asked {
            let Some(place) = places.get(what) else {
                panic!("the parser reads the table {what}, and nothing here says where it is described");
            };
            let described = keys(schema.pointer(place).unwrap());
            let undescribed: Vec<_> = asked.difference(&described).collect();
            let dead: Vec<_> = described.difference(asked).collect();
            assert!(
                undescribed.is_empty() && dead.is_empty(),
                "{what}: not described {undescribed:?}, not read {dead:?}"
            );
        }
        let unread: Vec<_> = places.keys().filter(|what| !asked.contains_key(*what)).collect();
        assert!(unread.is_empty(), "described, but no parser of FILE reads them: {unread:?}");
    }

    /// Strict editors take a table that says nothing about other keys for a closed one.
    #[test]
    fn every_table_says_whether_it_is_open() {
        fn visit(value: &Value, wrong: &mut Vec<String>) {
            if value["type"] == "object" && value.get("additionalProperties").is_none() {
                wrong.push(value.to_string());
            }
            match value {
                Value::Object(members) => members.values().for_each(|member| visit(member, wrong)),
                Value::Array(items) => items.iter().for_each(|item| visit(item, wrong)),
                _ => {}
            }
        }
        let mut wrong = Vec::new();
        visit(&schema(), &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_key_says_what_it_is_for() {
        fn visit(schema: &Value, place: &str, wrong: &mut Vec<String>) {
            let Value::Object(members) = schema else { return };
            for (key, property) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let text = property["description"].as_str().unwrap_or_default();
                // The members of a root are the protocol's, not ours.
                if !place.ends_with("/roots") && (text.len() < 10 || !text.ends_with('.')) {
                    wrong.push(format!("{place}/{key}: {text:?}"));
                }
                visit(property, &format!("{place}/{key}"), wrong);
            }
            for key in ["items", "additionalProperties"] {
                visit(&members.get(key).cloned().unwrap_or_default(), place, wrong);
            }
            for shapes in ["anyOf", "oneOf"] {
                for shape in members.get(shapes).and_then(Value::as_array).into_iter().flatten() {
                    visit(shape, place, wrong);
                }
            }
            for (name, definition) in members.get("definitions").and_then(Value::as_object).into_iter().flatten() {
                visit(definition, &format!("{place}#{name}"), wrong);
            }
        }
        let mut wrong = Vec::new();
        visit(&schema(), "", &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

//! What a server says of itself: `initialize`, `server/discover`, and the overview of a target without a method.

use serde_json::Value;

use super::{list, text, value};
use crate::base::sanitize;
use crate::report::call::OverviewTold;
use crate::report::{Ink, Look, count, indented, wrap};

/// The result of `initialize` or `server/discover`.
#[must_use]
pub fn opening(result: &Value, look: &Look) -> Option<String> {
    let identity = result
        .get("serverInfo")
        .or_else(|| result.get("_meta")?.get("io.modelcontextprotocol/serverInfo"))
        .unwrap_or(&Value::Null);
    let capabilities = result.get("capabilities").filter(|value| value.is_object())?;
    let versions = if let Some(version) = result.get("protocolVersion").and_then(Value::as_str) {
        sanitize::one_line(version, 40)
    } else {
        let listed = result.get("supportedVersions")?.as_array()?;
        let listed: Vec<&str> = listed.iter().filter_map(Value::as_str).collect();
        sanitize::one_line(&listed.join(", "), 400)
    };
    let name = [text(identity, "name"), text(identity, "version")].join(" ");
    let mut rows = vec![
        ("server", sanitize::one_line(&name, 200)),
        ("protocol", versions),
        ("capabilities", declared(capabilities).join(", ")),
    ];
    let title = sanitize::one_line(text(identity, "title"), 200);
    if !title.is_empty() {
        rows.insert(1, ("title", title));
    }
    let mut shown = String::new();
    for (name, value) in rows {
        if let Some(width) = look.prose_width() {
            let value = wrap(&value, width - 13).join(&format!("\n{}", " ".repeat(13)));
            shown.push_str(&format!("{} {value}\n", look.paint(Ink::Dim, &format!("{name:<12}"))));
        } else {
            shown.push_str(&format!("{name}\t{value}\n"));
        }
    }
    shown.push_str(&instructions(result.get("instructions").and_then(Value::as_str), look));
    Some(shown)
}

/// A target that was looked over: who it is, what it can, its lists.
#[must_use]
pub fn overview(told: &OverviewTold, look: &Look) -> String {
    let mut shown = String::new();
    if !look.is_terminal() {
        for answer in &told.lists {
            if let Some(result) = answer.result()
                && let Some((_, noun, _)) = super::items(&answer.method, result)
                && let Some(mut grid) = list(&answer.method, result, look)
            {
                grid.prefix("KIND", noun);
                shown.push_str(&grid.render(look));
            }
        }
        return shown;
    }
    if let Some(server) = &told.heading.server {
        let name = sanitize::one_line(&format!("{} {}", server.name, server.version), 200);
        shown.push_str(&look.paint(Ink::Strong, &name));
        if let Some(protocol) = &told.heading.protocol {
            let spoken = format!(" · {} {} over {}", protocol.era.name(), protocol.version, protocol.transport.name());
            shown.push_str(&look.paint(Ink::Dim, &spoken));
        }
        shown.push('\n');
    }
    let declared = declared(&told.capabilities);
    if !declared.is_empty() {
        let line = wrap(&format!("can: {}", declared.join(", ")), look.prose_width().unwrap_or(100)).join("\n     ");
        shown.push_str(&look.paint(Ink::Dim, &line));
        shown.push('\n');
    }
    shown.push_str(&instructions(told.instructions.as_deref(), look));
    for answer in &told.lists {
        let Some(result) = answer.result() else { continue };
        let Some((_, noun, items)) = super::items(&answer.method, result) else { continue };
        shown.push('\n');
        if items.is_empty() {
            shown.push_str(&look.paint(Ink::Dim, &format!("no {noun}s")));
            shown.push('\n');
            continue;
        }
        shown.push_str(&look.paint(Ink::Strong, &count(items.len(), noun)));
        shown.push('\n');
        let body = list(&answer.method, result, look)
            .map_or_else(|| value::pretty(result, look) + "\n", |grid| grid.render(look));
        shown.push_str(&body);
    }
    shown
}

/// The capabilities that were declared, with their true members: `resources (subscribe, listChanged)`.
fn declared(capabilities: &Value) -> Vec<String> {
    const MOST: usize = 24;
    let Some(all) = capabilities.as_object() else { return Vec::new() };
    all.iter()
        .filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false)))
        .take(MOST)
        .map(|(name, value)| {
            let members: Vec<String> = value
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false)))
                .take(MOST)
                .map(|(name, _)| sanitize::one_line(name, 60))
                .collect();
            let name = sanitize::one_line(name, 60);
            if members.is_empty() { name } else { format!("{name} ({})", members.join(", ")) }
        })
        .collect()
}

fn instructions(text: Option<&str>, look: &Look) -> String {
    /// More lines than this push the lists off the screen.
    const LINES_MAX: usize = 12;
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return String::new() };
    let safe = sanitize::printable(text);
    let Some(width) = look.prose_width() else {
        return format!("instructions\t{}\n", safe.split_whitespace().collect::<Vec<_>>().join(" "));
    };
    let lines = wrap(&safe, width - 2);
    let mut shown = lines.iter().take(LINES_MAX).cloned().collect::<Vec<_>>().join("\n");
    if lines.len() > LINES_MAX {
        shown.push_str(&format!("\n… {} more lines; --json shows all", lines.len() - LINES_MAX));
    }
    format!("{}\n{}\n", look.paint(Ink::Dim, "instructions"), indented(&shown, "  "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::call::samples;

    const PERSON: Look = Look { width: Some(80), colour: false };

    fn told() -> OverviewTold {
        OverviewTold {
            heading: samples::heading(),
            capabilities: json!({"tools": {"listChanged": true}, "resources": {}, "logging": null}),
            instructions: Some("Ask for a city.".into()),
            lists: vec![
                samples::answer("tools/list", json!({"tools": [{"name": "a", "inputSchema": {"type": "object"}}]})),
                samples::answer("resources/list", json!({"resources": []})),
            ],
        }
    }

    #[test]
    fn a_target_is_summarised() {
        assert_eq!(
            overview(&told(), &PERSON),
            "weather-mcp 1.2.0 · legacy 2025-11-25 over stdio\ncan: tools (listChanged), resources\n\
             instructions\n  Ask for a city.\n\n1 tool\nTOOL  TOKENS\na         ~5\n\nno resources\n"
        );
        assert_eq!(overview(&told(), &Look::PLAIN), "tool\ta\t\t\t~5\t\n");
    }

    #[test]
    fn both_openings_are_read() {
        let legacy = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "w", "version": "1", "title": "Weather"}});
        assert_eq!(
            opening(&legacy, &PERSON).unwrap(),
            "server       w 1\ntitle        Weather\nprotocol     2025-11-25\ncapabilities tools\n"
        );
        let modern = json!({"supportedVersions": ["2026-07-28"], "capabilities": {},
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "w", "version": "2"}}});
        assert_eq!(opening(&modern, &Look::PLAIN).unwrap(), "server\tw 2\nprotocol\t2026-07-28\ncapabilities\t\n");
        assert_eq!(opening(&json!({"capabilities": 1}), &PERSON), None);
    }
}

//! Rules about definitions against servers: each finds the fault of the demo server that is made for it and is silent on the
//! healthy one; servers that others wrote are accused of nothing; and the TypeScript SDK's own parser agrees with its profile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report; the lint exempts only functions marked as tests"
)]

#[path = "stage/servers.rs"]
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use mcp_probe::audit::offer::Offer;
use mcp_probe::audit::topic::{self, Findings};
use mcp_probe::audit::{clients, cost, lint, text};
use mcp_probe::event::{Era, Severity, TransportKind};
use mcp_probe::protocol::revision::Revision;
use serde_json::{Value, json};

use servers::{calculator, everything, everything_2025, filesystem, installed, rmcp, time};

const BINARY: &str = env!("CARGO_BIN_EXE_mcp-probe");

/// What a server said of itself.
#[derive(Clone, Debug, Default)]
struct Heard {
    instructions: Option<String>,
    tools: Vec<Value>,
}

/// Asks a server over stdio, with nothing of the prober.
fn hear(argv: &[String], era: Era) -> Heard {
    let mut child = Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{argv:?}: {error}"));
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |method: &str, mut params: Value, is_request: bool| -> Value {
        if era == Era::Modern {
            params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}});
        }
        let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if is_request {
            message["id"] = method.into();
        }
        writeln!(input, "{message}").unwrap();
        if !is_request {
            return Value::Null;
        }
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("{argv:?}: no answer to {method}")).unwrap();
            let reply: Value = serde_json::from_str(&line).unwrap_or_default();
            if reply["id"] == method {
                return reply["result"].clone();
            }
        }
    };
    let opened = if era == Era::Modern {
        ask("server/discover", json!({}), true)
    } else {
        let info = json!({"name": "raw", "version": "1"});
        let opened =
            ask("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}), true);
        ask("notifications/initialized", json!({}), false);
        opened
    };
    let tools = ask("tools/list", json!({}), true)["tools"].as_array().cloned().unwrap_or_default();
    drop(input);
    let _ = child.kill();
    let _ = child.wait();
    Heard { instructions: opened["instructions"].as_str().map(str::to_owned), tools }
}

fn demo(fault: Option<&str>, era: Era) -> Heard {
    let mut argv: Vec<String> = [BINARY, "demo"].map(str::to_owned).to_vec();
    argv.extend(fault.iter().flat_map(|name| ["--fault".to_owned(), (*name).to_owned()]));
    hear(&argv, era)
}

/// Everything that can be said of definitions.
fn judged(heard: &Heard, era: Era, locked: Option<&[Value]>) -> Findings {
    let mut offer = Offer::new("weather", Revision::newest(era), TransportKind::StreamableHttp);
    (offer.tools, offer.instructions) = (&heard.tools, heard.instructions.as_deref());
    let mut all = lint::judge(&offer);
    all.absorb(text::judge(&offer));
    all.absorb(cost::measure(&offer, locked, None).judge(&cost::Budgets::default()));
    for survival in clients::survey(&offer) {
        all.absorb(survival.findings);
    }
    all
}

/// A rule and the fault that it finds.
const ROWS: &[(&str, &str)] = &[
    ("compat.mcp.definition", "tools-no-schema"),
    ("compat.mcp.name", "tools-spaced-name"),
    ("compat.mcp.unique", "tools-duplicate"),
    ("compat.mcp.header", "tools-bad-header"),
    ("compat.mcp.outside_ref", "tools-remote-ref"),
    ("compat.anthropic.name", "tools-dotted-name"),
    ("compat.anthropic.name_64", "tools-long-name"),
    ("compat.anthropic.unique", "tools-duplicate"),
    ("compat.anthropic.property_key", "tools-odd-property"),
    ("compat.anthropic.root_combinator", "tools-root-any-of"),
    ("compat.anthropic.ref", "tools-local-ref"),
    ("compat.claude-code.root_combinator", "tools-root-all-of"),
    ("compat.claude-code.property_key", "tools-odd-property"),
    ("compat.claude-code.name_length", "tools-long-name"),
    ("compat.claude-code.name_collision", "tools-colliding-names"),
    ("compat.claude-code.description_cut", "tools-long-description"),
    ("compat.claude-code.instructions_cut", "instructions-long"),
    ("compat.claude-code.context", "tools-costly"),
    ("compat.openai.name", "tools-dotted-name"),
    ("compat.openai.name_64", "tools-long-name"),
    ("compat.openai.description_length", "tools-long-description"),
    ("compat.openai.tool_count", "tools-many"),
    ("compat.openai.array_items", "tools-array-without-items"),
    ("compat.openai.object_properties", "tools-without-properties"),
    ("compat.openai.root_combinator", "tools-root-any-of"),
    ("compat.openai-strict.root", "tools-root-any-of"),
    ("compat.openai-strict.required", "tools-undocumented"),
    ("compat.openai-strict.additional_properties", "tools-undocumented"),
    ("compat.openai-strict.keyword", "tools-root-all-of"),
    ("compat.openai-strict.size", "tools-deep-schema"),
    ("compat.gemini.name", "tools-digit-name"),
    ("compat.gemini.name_64", "tools-long-name"),
    ("compat.gemini.keyword", "tools-nullable"),
    ("compat.gemini-cli.name_cut", "tools-long-name"),
    ("compat.gemini-cli.name_collision", "tools-colliding-names"),
    ("compat.cursor.name_length", "tools-long-name"),
    ("compat.cursor.tool_count", "tools-many"),
    ("compat.vscode.array_items", "tools-array-without-items"),
    ("compat.vscode.tool_count", "tools-many"),
    ("compat.vscode.name_cut", "tools-long-name"),
    ("compat.vscode.name_collision", "tools-colliding-names"),
    ("compat.ts-sdk.definition", "tools-null-description"),
    ("compat.ts-sdk.output_schema", "output-schema-array"),
    ("compat.ts-sdk.boolean_property", "tools-boolean-property"),
    ("lint.no_description", "tools-no-description"),
    ("lint.description_is_name", "tools-empty-words"),
    ("lint.duplicate_description", "tools-alike"),
    ("lint.near_duplicate_description", "tools-alike"),
    ("lint.long_description", "tools-long-description"),
    ("lint.long_instructions", "instructions-long"),
    ("lint.undocumented_parameter", "tools-undocumented"),
    ("lint.required_unknown", "tools-required-unknown"),
    ("lint.default_mismatch", "tools-wrong-default"),
    ("lint.negated_boolean", "tools-negated-boolean"),
    ("lint.no_annotations", "tools-no-annotations"),
    ("lint.destructive_hint", "tools-unmarked-delete"),
    ("cost.total", "tools-costly"),
    ("cost.tool", "tools-costly"),
    ("cost.growth", "tools-costly"),
    ("sec.control", "tools-poisoned"),
    ("sec.bidi", "tools-poisoned"),
    ("sec.invisible", "tools-poisoned"),
    ("sec.hidden_text", "tools-hidden-text"),
    ("sec.imperative", "tools-poisoned"),
];
/// What the healthy demo server is told as well: its parameters are partly optional, and partly explain themselves.
const HEALTHY: [&str; 3] =
    ["compat.openai-strict.additional_properties", "compat.openai-strict.required", "lint.undocumented_parameter"];

#[test]
fn each_rule_finds_its_fault_and_is_silent_on_the_healthy_server() {
    let eras = [Era::Legacy, Era::Modern];
    let healthy: BTreeMap<&str, Heard> = eras.map(|era| (era.name(), demo(None, era))).into();
    let mut told: BTreeMap<&str, Findings> = BTreeMap::new();
    for era in eras {
        let said = judged(&healthy[era.name()], era, Some(&healthy[era.name()].tools));
        let ids: BTreeSet<&str> = said.shown().iter().map(|found| found.topic.id).collect();
        assert_eq!(ids, BTreeSet::from(HEALTHY), "{}", era.name());
        assert!(said.shown().iter().all(|found| found.topic.severity == Severity::Info));
        told.insert(era.name(), said);
    }
    let mut heard: BTreeMap<(&str, &str), Findings> = BTreeMap::new();
    for (id, fault) in ROWS {
        let era = if *id == "compat.mcp.header" { Era::Modern } else { Era::Legacy };
        let said = heard
            .entry((fault, era.name()))
            .or_insert_with(|| judged(&demo(Some(fault), era), era, Some(&healthy[era.name()].tools)));
        assert!(said.count(id) > told[era.name()].count(id), "{fault}: {id} is not among {:?}", said.shown());
    }
    let covered: BTreeSet<&str> = ROWS.iter().map(|(id, _)| *id).collect();
    // How a server is configured is no matter of its definitions.
    let all: BTreeSet<&str> = topic::all().map(|topic| topic.id).filter(|id| !id.starts_with("config.")).collect();
    assert_eq!(covered, all, "a rule without a fault");
}

#[test]
fn a_fault_is_found_by_the_rules_that_it_breaks_and_no_others() {
    for (fault, lost) in [
        ("tools-root-all-of", &["anthropic", "claude-code", "openai", "openai-strict"][..]),
        ("tools-array-without-items", &["openai", "vscode", "openai-strict"]),
        ("tools-dotted-name", &["anthropic", "openai", "openai-strict"]),
        ("tools-long-description", &["openai-strict"]),
        ("tools-null-description", &["openai", "openai-strict", "ts-sdk"]),
    ] {
        let heard = demo(Some(fault), Era::Legacy);
        let mut offer = Offer::new("weather", Revision::newest(Era::Legacy), TransportKind::Stdio);
        offer.tools = &heard.tools;
        let lose: BTreeSet<&str> = clients::survey(&offer)
            .iter()
            .filter(|survival| survival.seen < survival.total)
            .map(|survival| survival.profile.id)
            .collect();
        assert_eq!(lose, lost.iter().copied().collect(), "{fault}");
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Servers that others wrote

#[test]
fn servers_that_others_wrote_are_accused_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let servers = [
        everything("stdio"),
        filesystem(folder.path().to_str().unwrap()),
        everything_2025(),
        time(),
        calculator(),
        rmcp("stdio"),
    ];
    for argv in servers {
        let heard = hear(&argv, Era::Legacy);
        assert!(!heard.tools.is_empty(), "{argv:?}");
        let said = judged(&heard, Era::Legacy, None);
        let errors: Vec<_> = said
            .shown()
            .iter()
            .filter(|found| found.topic.severity == Severity::Error || found.topic.id.starts_with("sec."))
            .collect();
        assert!(errors.is_empty(), "{argv:?}: {errors:#?}");
        // A warning that everybody gets is none. Generators write `$schema`, which one field of Gemini does not take.
        let warned: BTreeSet<&str> = said
            .shown()
            .iter()
            .filter(|found| found.topic.severity == Severity::Warning)
            .map(|found| found.topic.id)
            .collect();
        assert!(warned.iter().all(|id| *id == "compat.gemini.keyword"), "{argv:?}: {warned:?}");
    }
}

/// Tools, one list each, that the parsers of both versions of the SDK are asked about.
fn shapes() -> Vec<Value> {
    let clean = || {
        json!({"name": "a", "inputSchema": {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
            "outputSchema": {"type": "object"}})
    };
    let with = |path: &str, value: Value| {
        let mut tool = clean();
        let (holder, name) = path.rsplit_once('/').unwrap();
        tool.pointer_mut(holder).unwrap()[name] = value;
        tool
    };
    let mut all = vec![clean(), json!(null), json!("a"), json!([]), json!({}), json!({"name": "a"})];
    for value in [json!(null), json!(7), json!("x"), json!(true), json!([]), json!(["x"]), json!([7]), json!({})] {
        for path in [
            "/name",
            "/title",
            "/description",
            "/inputSchema",
            "/outputSchema",
            "/annotations",
            "/execution",
            "/icons",
            "/_meta",
            "/inputSchema/type",
            "/inputSchema/properties",
            "/inputSchema/required",
            "/inputSchema/additionalProperties",
            "/inputSchema/anyOf",
            "/inputSchema/properties/b",
            "/outputSchema/type",
            "/outputSchema/properties",
            "/outputSchema/required",
            "/unknown",
        ] {
            all.push(with(path, value.clone()));
        }
        for (holder, names) in [
            (
                "annotations",
                &["title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint", "other"][..],
            ),
            ("execution", &["taskSupport", "other"]),
        ] {
            all.extend(names.iter().map(|name| with(&format!("/{holder}"), json!({*name: value}))));
        }
        for name in ["src", "mimeType", "sizes", "theme"] {
            let mut icon = json!({"src": "data:,"});
            icon[name] = value.clone();
            all.push(with("/icons", json!([icon])));
        }
    }
    all.push(with("/execution", json!({"taskSupport": "optional"})));
    all.push(with("/outputSchema", json!({"type": "object", "properties": {"b": true}})));
    all.push(with("/outputSchema", json!({"$schema": 7})));
    all.push(with("/outputSchema", json!({"anyOf": [{"type": "object"}]})));
    all
}

#[test]
fn the_parser_of_the_typescript_sdk_agrees_with_its_profile() {
    const SCRIPT: &str = "
        const v1 = await import('@modelcontextprotocol/sdk/types.js');
        const v2 = await import('@modelcontextprotocol/core');
        let text = '';
        for await (const chunk of process.stdin) text += chunk;
        const fits = (sdk, tool) => sdk.ListToolsResultSchema.safeParse({tools: [tool], resultType: 'complete', ttlMs: 0,
            cacheScope: 'private'}).success;
        console.log(JSON.stringify(JSON.parse(text).map((tool) => [fits(v1, tool), fits(v2, tool)])));";
    let shapes = shapes();
    let mut child = Command::new(installed("node/node"))
        .args(["--input-type=module", "-e", SCRIPT])
        .current_dir(installed("node"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    write!(child.stdin.take().unwrap(), "{}", json!(shapes)).unwrap();
    let told = child.wait_with_output().unwrap();
    assert!(told.status.success());
    let told: Vec<[bool; 2]> = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told.len(), shapes.len());
    let mut wrong = Vec::new();
    for (tool, parsed) in shapes.iter().zip(told) {
        for (era, parsed) in [Era::Legacy, Era::Modern].into_iter().zip(parsed) {
            let tools = [tool.clone()];
            let mut offer = Offer::new("s", Revision::newest(era), TransportKind::Stdio);
            offer.tools = &tools;
            let survival = clients::survive(clients::profile("ts-sdk").unwrap(), &offer);
            if (survival.seen == 1) != parsed {
                wrong.push(format!("{}: parsed {parsed}, we say {}: {tool}", era.name(), survival.sentence()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), shapes.len(), wrong.join("\n"));
}

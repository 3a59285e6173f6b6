//! `mcp-probe audit` on servers that others wrote, with everything that is invalid sent to them. What is found is recorded
//! here, each with the reason why it is right: found by hand to be a departure from the specification. Anything else that is
//! found is a false accusation until it has been looked at. What is worth knowing and no requirement is not recorded.
//!
//! `ci/witnesses` (called by `ci/test`) installs the servers under target/witnesses; one that is missing fails the test.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for facts of other processes by polling"
)]

#[path = "stage/prober.rs"]
mod prober;

#[path = "stage/servers.rs"]
mod servers;

use std::collections::BTreeSet;

use serde_json::Value;

use prober::{binary, in_parallel, told};
use servers::{Listening, calculator, everything, everything_2025, filesystem, python, rmcp, time, typescript};

/// A server, how it is spoken with, and what it does that the specification does not allow.
struct Witness {
    name: &'static str,
    server: fn(&str) -> Vec<String>,
    /// Over HTTP: the path; nothing over stdio.
    path: Option<&'static str>,
    protocol: &'static str,
    known: &'static [Known],
}

/// A rule that is violated, and why that is right.
type Known = (&'static str, &'static str);

const UNKNOWN_TOOL: Known =
    ("call.unknown_tool", "tools: an unknown tool is a protocol error; the SDK answers with a result and isError");
const MALFORMED_CALL: Known =
    ("call.malformed", "JSON-RPC: invalid parameters are -32602; the SDK answers with its internal error -32603");
const BAD_LEVEL: Known = ("logging.bad_level", "logging: an invalid level is -32602; the SDK answers with -32603");
const UNKNOWN_PROMPT: Known =
    ("prompts.unknown", "prompts: an unknown name is -32602; the SDK answers with code 0 or -32603");
const FOREIGN_ORIGIN: Known = ("origin.foreign", "transports: the Origin must be validated; this one serves any page");
const REBINDING: Known = ("origin.rebinding", "on loopback any Host is served, which is what DNS rebinding needs");

const fn witness(
    name: &'static str,
    server: fn(&str) -> Vec<String>,
    path: Option<&'static str>,
    protocol: &'static str,
    known: &'static [Known],
) -> Witness {
    Witness { name, server, path, protocol, known }
}

const WITNESSES: &[Witness] = &[
    witness("everything", |_| everything("stdio"), None, "2025-11-25", &[UNKNOWN_TOOL, MALFORMED_CALL, BAD_LEVEL]),
    witness(
        "everything of 2025",
        |_| everything_2025(),
        None,
        "2024-11-05",
        &[
            ("lifecycle.client_capability", "it asks for sampling, which no client capability offered"),
            ("call.unknown_tool", "an unknown tool is -32602; it answers with -32603"),
            MALFORMED_CALL,
            ("resources.unknown_code", "an unknown resource is -32002; it answers with -32603"),
            ("resources.subscribe", "it declares subscribe, and refuses because the client does not offer sampling"),
            UNKNOWN_PROMPT,
            ("prompts.missing_argument", "a required argument that is missing is -32602; it fills in `undefined`"),
            ("list.bad_cursor", "an invalid cursor is -32602; it answers with the first page"),
            BAD_LEVEL,
            ("stdio.exit_on_eof", "its timers keep it running after the end of its input"),
        ],
    ),
    witness("filesystem", |_| filesystem("/tmp"), None, "2025-11-25", &[UNKNOWN_TOOL, MALFORMED_CALL]),
    witness(
        "typescript",
        |_| typescript("stdio"),
        None,
        "2026-07-28",
        &[(
            "modern.meta_capabilities",
            "without clientCapabilities it takes the request for one of the legacy era: -32601",
        )],
    ),
    witness("typescript, legacy", |_| typescript("stdio"), None, "2025-11-25", &[]),
    witness("time", |_| time(), None, "2026-07-28", &[UNKNOWN_PROMPT]),
    witness(
        "calculator",
        |_| calculator(),
        None,
        "2025-11-25",
        &[
            ("rpc.unknown_method", "a method that is not there is -32601; the SDK finds it invalid: -32602"),
            ("lifecycle.logging", "bytes that are no JSON make it log, and it declares no logging"),
            UNKNOWN_TOOL,
            ("resources.unknown_code", "an unknown resource is -32002; the SDK answers with code 0"),
            UNKNOWN_PROMPT,
        ],
    ),
    witness("python", |_| python(&["stdio"]), None, "2026-07-28", &[UNKNOWN_TOOL, UNKNOWN_PROMPT]),
    witness("python, legacy", |_| python(&["stdio"]), None, "2025-11-25", &[UNKNOWN_TOOL, UNKNOWN_PROMPT]),
    witness(
        "rmcp",
        |_| rmcp("stdio"),
        None,
        "2026-07-28",
        &[
            ("call.malformed", "invalid parameters are -32602; the SDK does not know the method then: -32601"),
            ("modern.removed_methods", "ping is no method of this revision, and is answered"),
            ("modern.server_info", "serverInfo should stand in the _meta of every result"),
        ],
    ),
    witness(
        "everything over HTTP",
        |_| everything("streamableHttp"),
        Some("/mcp"),
        "2025-11-25",
        &[
            UNKNOWN_TOOL,
            MALFORMED_CALL,
            BAD_LEVEL,
            ("session.ended", "a session that has ended is 404, so that the client opens a new one; it answers 400"),
            ("session.unknown", "as for one that has ended"),
            ("rpc.batch_refused", "an array of requests is no message of this revision; the SDK answers both"),
            FOREIGN_ORIGIN,
            REBINDING,
        ],
    ),
    witness(
        "python over HTTP",
        |port| python(&["streamable-http", port]),
        Some("/mcp"),
        "2026-07-28",
        &[UNKNOWN_TOOL, UNKNOWN_PROMPT],
    ),
];

/// What is wrong with the judgement of one server.
fn complaints(witness: &Witness) -> Vec<String> {
    let mut command = binary();
    command.args(["audit", "--invasive", "--slow", "--hold", "2s", "--json", "--timeout", "4s"]);
    command.args(["--protocol", witness.protocol]);
    let listening = witness.path.map(|path| Listening::told(witness.server, path));
    match &listening {
        Some(listening) => command.arg(&listening.url),
        None => command.arg("--").args((witness.server)("")),
    };
    let document = told(&mut command).document();
    let target = &document["targets"][0];
    if target["protocol"]["version"] != witness.protocol {
        return vec![format!("{}: {target}", witness.name)];
    }
    let rules: Vec<&Value> = target["rules"].as_array().into_iter().flatten().collect();
    let violated = rules.iter().filter(|rule| rule["verdict"] == "violates" && rule["severity"] != "info");
    let found: BTreeSet<&str> = violated.clone().filter_map(|rule| rule["id"].as_str()).collect();
    let known: BTreeSet<&str> = witness.known.iter().map(|(rule, _)| *rule).collect();
    let mut wrong = Vec::new();
    for rule in violated.filter(|rule| rule["id"].as_str().is_some_and(|id| !known.contains(id))) {
        wrong.push(format!("{}: {} expected {}, got {}", witness.name, rule["id"], rule["expected"], rule["actual"]));
    }
    for rule in known.difference(&found) {
        wrong.push(format!("{}: {rule} is recorded and was not found", witness.name));
    }
    let passed = rules.iter().filter(|rule| rule["verdict"] == "passes").count();
    if passed < 30 {
        wrong.push(format!("{}: only {passed} rules passed", witness.name));
    }
    wrong
}

#[test]
fn nobody_is_accused_of_what_the_specification_allows() {
    let wrong = in_parallel(WITNESSES.iter().collect(), 2, |witness| complaints(witness));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (rule, why) in WITNESSES.iter().flat_map(|witness| witness.known) {
        assert!(mcp_probe::audit::rule(rule).is_some() && why.len() > 20, "{rule}: {why}");
    }
}

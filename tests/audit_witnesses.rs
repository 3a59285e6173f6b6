//! `mcp-probe audit` on servers that others wrote, with everything that is invalid sent to them and tools called that do no
//! harm. What is found is recorded here, each with the reason why it is right: found by hand to be a departure from the
//! specification. Anything else that is found is a false accusation until it has been looked at. What is worth knowing and no
//! requirement is not recorded.
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
    server: Server,
    protocol: &'static str,
    /// The tools that are called, as `--tool` takes them: they read, add, wait or fail.
    tools: &'static [&'static str],
    known: &'static [Known],
}

/// How a server is reached.
enum Server {
    Stdio(fn() -> Vec<String>),
    /// It is told its port, and serves below this path.
    OnPort(fn(&str) -> Vec<String>, &'static str),
    /// It takes a free port and says which.
    SaysWhere(fn() -> Vec<String>),
}

use Server::{OnPort, SaysWhere, Stdio};

/// A rule that is violated, and why that is right.
type Known = (&'static str, &'static str);

const UNKNOWN_TOOL: Known =
    ("call.unknown_tool", "tools: an unknown tool is a protocol error; the SDK answers with a result and isError");
const MALFORMED_CALL: Known =
    ("call.malformed", "JSON-RPC: invalid parameters are -32602; the SDK answers with its internal error -32603");
const BAD_LEVEL: Known = ("logging.bad_level", "logging: an invalid level is -32602; the SDK answers with -32603");
const PLAIN_CALL: Known = (
    "call.task",
    "tasks: a tool that requires a task refuses a plain call with -32601; the SDK wraps that into a result",
);
const UNKNOWN_PROMPT: Known =
    ("prompts.unknown", "prompts: an unknown name is -32602; the SDK answers with code 0 or -32603");
const FOREIGN_ORIGIN: Known = ("origin.foreign", "transports: the Origin must be validated; this one serves any page");
const REBINDING: Known = ("origin.rebinding", "on loopback any Host is served, which is what DNS rebinding needs");
const BATCH: Known = ("rpc.batch_refused", "an array of requests is no message of this revision; the SDK answers both");
const RMCP_MALFORMED: Known =
    ("call.malformed", "invalid parameters are -32602; the SDK does not know the method then: -32601");
const RMCP_SERVER_INFO: Known = ("modern.server_info", "serverInfo should stand in the _meta of every result");

const ADD: &str = r#"add={"a":1,"b":2}"#;
const EVERYTHING: &[&str] = &[
    r#"echo={"message":"hi"}"#,
    r#"get-annotated-message={"messageType":"success"}"#,
    r#"get-resource-reference={"resourceType":"Text","resourceId":1}"#,
    r#"get-structured-content={"location":"New York"}"#,
    "get-tiny-image",
    r#"trigger-long-running-operation={"duration":1,"steps":3}"#,
    // It wants to be called as a task, and has to refuse a plain call.
    r#"simulate-research-query={"topic":"tea"}"#,
];
const EVERYTHING_2025: &[&str] = &[
    r#"echo={"message":"hi"}"#,
    ADD,
    r#"annotatedMessage={"messageType":"success"}"#,
    "getTinyImage",
    r#"longRunningOperation={"duration":1,"steps":3}"#,
];
const FILESYSTEM: &[&str] = &["list_allowed_directories", r#"get_file_info={"path":"/tmp"}"#];
const TYPESCRIPT: &[&str] = &[ADD, r#"count={"n":5}"#];
const TIME: &[&str] = &[r#"get_current_time={"timezone":"UTC"}"#];
const CALCULATOR: &[&str] = &[r#"calculate={"expression":"6*7"}"#];
const PYTHON: &[&str] = &[ADD, r#"nap={"ms":600}"#, "broken"];
const RMCP: &[&str] = &[ADD];

const fn witness(
    name: &'static str,
    server: Server,
    protocol: &'static str,
    tools: &'static [&'static str],
    known: &'static [Known],
) -> Witness {
    Witness { name, server, protocol, tools, known }
}

const WITNESSES: &[Witness] = &[
    witness(
        "everything",
        Stdio(|| everything("stdio")),
        "2025-11-25",
        EVERYTHING,
        &[UNKNOWN_TOOL, MALFORMED_CALL, BAD_LEVEL, PLAIN_CALL],
    ),
    witness(
        "everything of 2025",
        Stdio(everything_2025),
        "2024-11-05",
        EVERYTHING_2025,
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
    witness(
        "filesystem",
        Stdio(|| filesystem("/tmp")),
        "2025-11-25",
        FILESYSTEM,
        &[
            UNKNOWN_TOOL,
            MALFORMED_CALL,
            (
                "call.task",
                "tasks: a server that declares none ignores `task` in a call; the SDK refuses it with -32603",
            ),
        ],
    ),
    witness(
        "typescript",
        Stdio(|| typescript("stdio")),
        "2026-07-28",
        TYPESCRIPT,
        &[(
            "modern.meta_capabilities",
            "without clientCapabilities it takes the request for one of the legacy era: -32601",
        )],
    ),
    witness("typescript, legacy", Stdio(|| typescript("stdio")), "2025-11-25", TYPESCRIPT, &[]),
    witness("time", Stdio(time), "2026-07-28", TIME, &[UNKNOWN_PROMPT]),
    witness(
        "calculator",
        Stdio(calculator),
        "2025-11-25",
        CALCULATOR,
        &[
            ("rpc.unknown_method", "a method that is not there is -32601; the SDK finds it invalid: -32602"),
            ("lifecycle.logging", "bytes that are no JSON make it log, and it declares no logging"),
            UNKNOWN_TOOL,
            ("resources.unknown_code", "an unknown resource is -32002; the SDK answers with code 0"),
            UNKNOWN_PROMPT,
        ],
    ),
    witness("python", Stdio(|| python(&["stdio"])), "2026-07-28", PYTHON, &[UNKNOWN_TOOL, UNKNOWN_PROMPT]),
    witness("python, legacy", Stdio(|| python(&["stdio"])), "2025-11-25", PYTHON, &[UNKNOWN_TOOL, UNKNOWN_PROMPT]),
    witness(
        "rmcp",
        Stdio(|| rmcp("stdio")),
        "2026-07-28",
        RMCP,
        &[
            RMCP_MALFORMED,
            ("modern.removed_methods", "ping is no method of this revision, and is answered"),
            RMCP_SERVER_INFO,
        ],
    ),
    witness(
        "everything over HTTP",
        OnPort(|_| everything("streamableHttp"), "/mcp"),
        "2025-11-25",
        EVERYTHING,
        &[
            UNKNOWN_TOOL,
            MALFORMED_CALL,
            BAD_LEVEL,
            PLAIN_CALL,
            ("session.ended", "a session that has ended is 404, so that the client opens a new one; it answers 400"),
            ("session.unknown", "as for one that has ended"),
            BATCH,
            FOREIGN_ORIGIN,
            REBINDING,
        ],
    ),
    witness(
        "python over HTTP",
        OnPort(|port| python(&["streamable-http", port]), "/mcp"),
        "2026-07-28",
        PYTHON,
        &[UNKNOWN_TOOL, UNKNOWN_PROMPT],
    ),
    witness(
        "python over HTTP, legacy",
        OnPort(|port| python(&["streamable-http", port]), "/mcp"),
        "2025-11-25",
        PYTHON,
        &[UNKNOWN_TOOL, UNKNOWN_PROMPT],
    ),
    witness(
        "typescript over HTTP",
        SaysWhere(|| typescript("http")),
        "2026-07-28",
        TYPESCRIPT,
        &[FOREIGN_ORIGIN, REBINDING],
    ),
    witness(
        "typescript over HTTP, legacy",
        SaysWhere(|| typescript("http")),
        "2025-11-25",
        TYPESCRIPT,
        &[BATCH, FOREIGN_ORIGIN, REBINDING],
    ),
    witness("rmcp, legacy", Stdio(|| rmcp("stdio")), "2025-11-25", RMCP, &[RMCP_MALFORMED]),
    witness(
        "rmcp over HTTP",
        SaysWhere(|| rmcp("http")),
        "2026-07-28",
        RMCP,
        &[RMCP_MALFORMED, RMCP_SERVER_INFO, FOREIGN_ORIGIN],
    ),
    witness(
        "rmcp over HTTP, legacy",
        SaysWhere(|| rmcp("http")),
        "2025-11-25",
        RMCP,
        &[
            RMCP_MALFORMED,
            FOREIGN_ORIGIN,
            ("stream.event_ids", "the streams of initialize and of GET both begin with the empty event \"0\""),
        ],
    ),
];

/// What is wrong with the judgement of one server.
fn complaints(witness: &Witness) -> Vec<String> {
    let mut command = binary();
    command.args(["audit", "--invasive", "--slow", "--hold", "2s", "--json", "--timeout", "4s"]);
    command.args(["--protocol", witness.protocol]);
    command.args(witness.tools.iter().flat_map(|tool| ["--tool", tool]));
    let listening = match &witness.server {
        Stdio(server) => {
            command.arg("--").args(server());
            None
        }
        OnPort(server, path) => Some(Listening::told(server, path)),
        SaysWhere(server) => Some(Listening::says_where(&server(), &[])),
    };
    command.args(listening.iter().map(|listening| &listening.url));
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

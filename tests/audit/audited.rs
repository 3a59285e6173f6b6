//! Audits by the real binary, of the demo server over every transport; and rows that say which rule a fault breaks.

use serde_json::Value;

use super::prober::{BINARY, Served, Told, binary, told};

/// One rule that a fault of the demo server breaks.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The rule that is violated.
    pub rule: &'static str,
    /// The fault; what follows it are more words for the demo: `id-type-changed --fault-on ping`. Without a fault the words
    /// alone begin with `--`.
    pub fault: &'static str,
    /// `stdio`, `http` or `sse`.
    pub transport: &'static str,
    /// The dated revision.
    pub protocol: &'static str,
    /// Words for the audit: `--invasive --tool echo={}`.
    pub options: &'static str,
}

/// A row. See [`Row`].
pub const fn row(
    rule: &'static str,
    fault: &'static str,
    transport: &'static str,
    protocol: &'static str,
    options: &'static str,
) -> Row {
    Row { rule, fault, transport, protocol, options }
}

/// Every class of exercises allowed, with tools of the demo server that may be called.
pub const EVERYTHING: &str = concat!(
    r#"--invasive --slow --hold 1s --tool slow={"ms":600} --tool echo={"message":"hi"} --tool forecast={"city":"Oslo"} "#,
    "--tool fail --tool weather --tool ask --tool log"
);

/// The dated revisions.
pub const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// Every transport that a revision has.
pub fn transports(protocol: &str) -> &'static [&'static str] {
    match protocol {
        "2024-11-05" => &["stdio", "sse", "http"],
        _ => &["stdio", "http"],
    }
}

/// Audits the demo server, started with these words.
pub fn audit(demo: &[&str], transport: &str, protocol: &str, options: &str) -> Told {
    let mut command = binary();
    command.args(["audit", "--json", "--protocol", protocol]).args(options.split_whitespace());
    if transport == "stdio" {
        return told(command.args(["--", BINARY, "demo"]).args(demo));
    }
    let served = Served::start(demo);
    match transport {
        "sse" => told(command.args(["--transport", "sse", &served.sse_url()])),
        _ => told(command.args(["--transport", "streamable-http", &served.url()])),
    }
}

/// The rules of the one target of a document.
pub fn rules(document: &Value) -> &[Value] {
    document["targets"][0]["rules"].as_array().map_or(&[], Vec::as_slice)
}

/// One rule of the one target of a document.
pub fn rule<'a>(document: &'a Value, id: &str) -> &'a Value {
    rules(document).iter().find(|rule| rule["id"] == id).unwrap_or(&Value::Null)
}

/// A violation in one line.
pub fn violation(rule: &Value) -> String {
    let sent = rule["evidence"]["sent"].as_str().unwrap_or_default();
    format!(
        "{} ({}): expected {}, got {} {} after {sent}",
        rule["id"], rule["severity"], rule["expected"], rule["actual"], rule["path"]
    )
}

/// What is wrong about a row: the rule is not violated by the fault, or the exit code is not that of its severity. That rules
/// pass without a fault is shown by the test of the healthy demo.
pub fn complaints(row: &Row) -> Vec<String> {
    let words = demo(row.fault);
    let options = format!("{} --rule {}", row.options, row.rule);
    let told = audit(&words, row.transport, row.protocol, &options);
    let document: Value = serde_json::from_str(&told.stdout).unwrap_or_default();
    let found = rule(&document, row.rule);
    if found["verdict"] == "violates" && found["severity"] != "error" {
        return (told.code != 0).then(|| format!("{row:?}: exit code {}", told.code)).into_iter().collect();
    }
    let mut wrong = Vec::new();
    if found["verdict"] != "violates" || told.code != 1 {
        let evidence = &document["targets"][0];
        wrong.push(format!("{row:?}: exit code {}, {found}\n{}\n{evidence}", told.code, told.stderr));
    }
    wrong
}

/// The words for the demo server.
fn demo(fault: &str) -> Vec<&str> {
    let words = fault.split_whitespace();
    if fault.is_empty() || fault.starts_with("--") {
        words.collect()
    } else {
        std::iter::once("--fault").chain(words).collect()
    }
}

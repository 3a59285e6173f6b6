//! The documents of ad hoc calls: `mcp-probe/call/1` for one named target, `mcp-probe/calls/1` for none or several.
//! Members that do not apply are absent.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::call::{AnswerTold, CallTold, Heading, LatencySummary, OverviewTold};
use super::{json, schema};
use crate::base::duration::millis;

/// The schema id of one call.
pub const SCHEMA: &str = "mcp-probe/call/1";

/// The schema id of calls to several targets.
pub const SCHEMA_SEVERAL: &str = "mcp-probe/calls/1";

/// What one call to one target found. What does not apply is absent.
#[derive(JsonSchema, Serialize)]
struct Document<'a> {
    /// The name of the target.
    target: &'a str,
    /// The method; absent in an overview.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    method: Option<&'a str>,
    /// The labels of the target.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    labels: &'a std::collections::BTreeMap<String, String>,
    /// How it ended.
    #[schemars(schema_with = "schema::status")]
    status: &'static str,
    #[serde(flatten)]
    why: json::Why<'a>,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "json::Server<'a>")]
    server: Option<json::Server<'a>>,
    /// What was spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "json::Protocol<'a>")]
    protocol: Option<json::Protocol<'a>>,
    /// Whether the certificate was not checked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    /// The certificate of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Certificate<'a>")]
    certificate: Option<Certificate<'a>>,
    /// With `--as`: what the client would give the server.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "As<'a>")]
    as_client: Option<As<'a>>,
    /// The phases that happened.
    #[schemars(schema_with = "schema::phases")]
    phases_ms: Map<String, Value>,
    #[serde(flatten)]
    #[schemars(with = "Option<Measures>")]
    measures: Option<Measures>,
    /// With `-n`: the latencies of all calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Latency")]
    latency: Option<Latency>,
    /// With `--usage`: what the process tree of a stdio server used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Child")]
    child: Option<Child>,
    /// What the server told while the call was open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notifications: Vec<Notification<'a>>,
    /// What was noticed.
    findings: Vec<json::FindingDocument<'a>>,
    /// The result; lists are merged over all pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a Value")]
    result: Option<&'a Value>,
    /// The server's JSON-RPC error.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RpcErrorDocument<'a>")]
    error: Option<RpcErrorDocument<'a>>,
}

/// A server started as another client would start it.
#[derive(JsonSchema, Serialize)]
struct As<'a> {
    /// The client.
    client: &'a str,
    /// Where it failed so: whether it works with the environment of this shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    works_here: Option<bool>,
    /// Variables that are set here and not passed on, likely ones first.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    not_passed: &'a [String],
    /// How many there are, where more are not passed on than are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    not_passed_total: Option<usize>,
    /// The PATH that the client gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    path: Option<&'a str>,
    /// Where the program is found here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    found_here: Option<&'a str>,
    /// The folder in which the client starts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    folder: Option<&'a str>,
}

/// A certificate.
#[derive(JsonSchema, Serialize)]
struct Certificate<'a> {
    /// Until when it is valid.
    #[schemars(schema_with = "schema::timestamp")]
    not_after: String,
    /// Whose it is.
    subject: &'a str,
}

/// Times and sizes of a call.
#[derive(JsonSchema, Serialize)]
struct Measures {
    /// From the request being written to the last byte of the first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    latency_ms: Option<f64>,
    /// To the first byte of the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    first_byte_ms: Option<f64>,
    /// Of all pages and rounds.
    total_ms: f64,
    /// How many pages.
    pages: u32,
    /// Size of the requests.
    request_bytes: u64,
    /// Size of the replies.
    response_bytes: u64,
}

/// What the process tree of a stdio server used.
#[derive(JsonSchema, Serialize)]
struct Child {
    /// Processor time.
    cpu_ms: f64,
    /// Memory, in bytes.
    resident_bytes: u64,
    /// Processor time of the calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    calls_cpu_ms: Option<f64>,
}

/// A notification of the server.
#[derive(JsonSchema, Serialize)]
struct Notification<'a> {
    /// Since the request was written.
    after_ms: f64,
    /// Its method.
    method: &'a str,
    /// Its parameters.
    #[serde(skip_serializing_if = "Value::is_null")]
    params: &'a Value,
}

/// Latencies in milliseconds.
#[derive(JsonSchema, Serialize)]
struct Latency {
    /// Calls that were answered.
    count: u64,
    /// Calls that failed.
    #[serde(skip_serializing_if = "is_zero")]
    failed: u64,
    /// The least.
    min: f64,
    /// The mean.
    mean: f64,
    /// The median.
    p50: f64,
    /// The 90th percentile.
    p90: f64,
    /// The 95th percentile.
    p95: f64,
    /// The 99th percentile.
    p99: f64,
    /// The greatest.
    max: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A JSON-RPC error.
#[derive(JsonSchema, Serialize)]
struct RpcErrorDocument<'a> {
    /// Its code.
    code: i64,
    /// Its message.
    message: &'a str,
    /// What else it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a Value")]
    data: Option<&'a Value>,
}

/// The document of one target.
#[derive(JsonSchema, Serialize)]
pub(super) struct One<'a> {
    /// The id of this document.
    #[schemars(schema_with = "schema::call_id")]
    schema: &'static str,
    #[serde(flatten)]
    body: Document<'a>,
}

/// The document of several targets.
#[derive(JsonSchema, Serialize)]
pub(super) struct Several<'a> {
    /// The id of this document.
    #[schemars(schema_with = "schema::calls_id")]
    schema: &'static str,
    /// What was found, by target.
    calls: Vec<Document<'a>>,
}

/// One target of an ad hoc run, called or looked over.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// A call.
    Call(&'a CallTold),
    /// All lists.
    Overview(&'a OverviewTold),
}

/// The document for one named target.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn one(told: Told<'_>) -> Result<Value, serde_json::Error> {
    let gathered = overview_result(told);
    serde_json::to_value(One { schema: SCHEMA, body: body(told, gathered.as_ref()) })
}

/// The document for no named target, or several.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn several<'a>(told: impl IntoIterator<Item = Told<'a>>) -> Result<Value, serde_json::Error> {
    let gathered: Vec<(Told<'a>, Option<Value>)> = told.into_iter().map(|told| (told, overview_result(told))).collect();
    let calls = gathered.iter().map(|(told, result)| body(*told, result.as_ref())).collect();
    serde_json::to_value(Several { schema: SCHEMA_SEVERAL, calls })
}

fn overview_result(told: Told<'_>) -> Option<Value> {
    matches!(told, Told::Overview(_)).then(|| result(told)).flatten()
}

/// What `--jq` filters: the reply's `result`; of an overview, everything that was read, in one object.
#[must_use]
pub fn result(told: Told<'_>) -> Option<Value> {
    match told {
        Told::Call(call) => call.answer.as_ref()?.result().cloned(),
        Told::Overview(overview) => overview.heading.connected.then(|| gathered(overview)),
    }
}

/// `gathered` is what an overview read, in one object.
fn body<'a>(told: Told<'a>, gathered: Option<&'a Value>) -> Document<'a> {
    match told {
        Told::Call(call) => {
            let answer = call.answer.as_ref();
            let mut document = heading(&call.heading);
            document.method = Some(&call.method);
            document.measures = answer.map(measures);
            document.latency = call.latency.as_ref().map(latency);
            document.child = call.child.map(|child| Child {
                cpu_ms: millis(child.cpu),
                resident_bytes: child.resident_bytes,
                calls_cpu_ms: child.calls_cpu.map(millis),
            });
            document.notifications = answer.map_or_else(Vec::new, notifications);
            document.result = answer.and_then(AnswerTold::result);
            if let Some(Err(error)) = answer.and_then(|answer| answer.body.as_ref()) {
                document.error =
                    Some(RpcErrorDocument { code: error.code, message: &error.message, data: error.data.as_ref() });
            }
            document
        }
        Told::Overview(overview) => Document { result: gathered, ..heading(&overview.heading) },
    }
}

fn gathered(overview: &OverviewTold) -> Value {
    let mut all = Map::new();
    if let Some(server) = &overview.heading.server {
        all.insert("serverInfo".into(), serde_json::json!({"name": server.name, "version": server.version}));
    }
    all.insert("capabilities".into(), overview.capabilities.clone());
    if let Some(instructions) = &overview.instructions {
        all.insert("instructions".into(), instructions.as_str().into());
    }
    for list in &overview.lists {
        let Some(result) = list.result() else { continue };
        for key in ["tools", "resources", "resourceTemplates", "prompts"] {
            if let Some(items) = result.get(key) {
                all.insert(key.into(), items.clone());
            }
        }
    }
    Value::Object(all)
}

fn heading(heading: &Heading) -> Document<'_> {
    Document {
        target: &heading.target,
        method: None,
        labels: &heading.labels,
        status: heading.status.name(),
        why: json::why(heading.status, heading.cause.as_ref()),
        server: heading.server.as_ref().map(json::server),
        protocol: heading.protocol.as_ref().map(json::protocol),
        insecure: heading.insecure,
        certificate: heading.certificate.as_ref().map(|certificate| Certificate {
            not_after: json::timestamp(certificate.not_after),
            subject: &certificate.subject,
        }),
        as_client: heading.as_client.as_ref().map(|told| As {
            client: told.client,
            works_here: told.works_here,
            not_passed: &told.not_passed,
            not_passed_total: Some(told.not_passed_total).filter(|total| *total > 0),
            path: told.path.as_deref(),
            found_here: told.found_here.as_deref(),
            folder: told.folder.as_deref(),
        }),
        phases_ms: json::phases(&heading.phases),
        measures: None,
        latency: None,
        child: None,
        notifications: Vec::new(),
        findings: heading.findings.iter().map(json::finding).collect(),
        result: None,
        error: None,
    }
}

fn measures(answer: &AnswerTold) -> Measures {
    Measures {
        latency_ms: answer.latency.map(millis),
        first_byte_ms: answer.first_byte.map(millis),
        total_ms: millis(answer.total),
        pages: answer.pages,
        request_bytes: answer.request_bytes,
        response_bytes: answer.response_bytes,
    }
}

fn latency(summary: &LatencySummary) -> Latency {
    Latency {
        count: summary.count,
        failed: summary.failed,
        min: millis(summary.min),
        mean: millis(summary.mean),
        p50: millis(summary.p50),
        p90: millis(summary.p90),
        p95: millis(summary.p95),
        p99: millis(summary.p99),
        max: millis(summary.max),
    }
}

fn notifications(answer: &AnswerTold) -> Vec<Notification<'_>> {
    answer
        .notices
        .iter()
        .map(|notice| Notification { after_ms: millis(notice.after), method: &notice.method, params: &notice.params })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::call::{ErrorTold, samples};
    use super::*;
    use crate::event::{Cause, Reason, Status};

    #[test]
    fn a_call_that_went_well() {
        let call = samples::call("tools/list", json!({"tools": [{"name": "a"}]}));
        let document = one(Told::Call(&call)).unwrap();
        assert_eq!(
            document,
            json!({"schema": "mcp-probe/call/1", "target": "weather", "method": "tools/list", "status": "healthy",
                "server": {"name": "weather-mcp", "version": "1.2.0"},
                "protocol": {"version": "2025-11-25", "era": "legacy", "transport": "stdio"},
                "phases_ms": {"spawn": 0.4, "detect": 1.2, "call": 4.3},
                "latency_ms": 4.2, "first_byte_ms": 3.9, "total_ms": 8.4, "pages": 2,
                "request_bytes": 80, "response_bytes": 2048, "findings": [],
                "result": {"tools": [{"name": "a"}]}})
        );
        let first: Vec<&String> = document.as_object().unwrap().keys().take(3).collect();
        assert_eq!(first, ["schema", "target", "method"]);
    }

    #[test]
    fn a_call_that_failed_says_why_and_shows_the_servers_error() {
        let mut call = samples::call("tools/call", json!(null));
        call.heading.status = Status::Failed;
        call.heading.cause = Some(Cause::new(Reason::RpcError, "the server answered -32602"));
        call.answer.as_mut().unwrap().body =
            Some(Err(ErrorTold { code: -32602, message: "no such tool".into(), data: Some(json!({"tool": "x"})) }));
        let document = one(Told::Call(&call)).unwrap();
        assert_eq!(document["reason"], "rpc_error");
        assert_eq!(document["message"], "the server answered -32602");
        assert_eq!(document["error"], json!({"code": -32602, "message": "no such tool", "data": {"tool": "x"}}));
        assert!(document.get("result").is_none());
    }

    #[test]
    fn nothing_sent_leaves_no_measures() {
        let mut call = samples::call("tools/list", json!({}));
        call.answer = None;
        let document = several([Told::Call(&call)]).unwrap();
        assert_eq!(document["schema"], "mcp-probe/calls/1");
        let call = document["calls"][0].as_object().unwrap();
        assert!(["latency_ms", "total_ms", "result", "error", "schema"].iter().all(|key| !call.contains_key(*key)));
    }

    #[test]
    fn a_null_result_is_there() {
        let call = samples::call("x/y", Value::Null);
        assert_eq!(one(Told::Call(&call)).unwrap().get("result"), Some(&Value::Null));
    }
}

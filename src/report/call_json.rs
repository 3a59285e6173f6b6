//! The documents of ad hoc calls: `mcp-probe/call/1` for one named target, `mcp-probe/calls/1` for none or several.
//! Members that do not apply are absent.

use serde::Serialize;
use serde_json::{Map, Value};

use super::call::{AnswerTold, CallTold, Heading, LatencySummary, OverviewTold};
use super::json;
use crate::base::duration::millis;

/// The schema id of one call.
pub const SCHEMA: &str = "mcp-probe/call/1";

/// The schema id of calls to several targets.
pub const SCHEMA_SEVERAL: &str = "mcp-probe/calls/1";

#[derive(Serialize)]
struct Document<'a> {
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    labels: &'a std::collections::BTreeMap<String, String>,
    status: &'static str,
    #[serde(flatten)]
    why: json::Why<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<json::Server<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<json::Protocol<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Certificate<'a>>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    as_client: Option<As<'a>>,
    phases_ms: Map<String, Value>,
    #[serde(flatten)]
    measures: Option<Measures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<Child>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notifications: Vec<Notification<'a>>,
    findings: Vec<json::FindingDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RpcErrorDocument<'a>>,
}

#[derive(Serialize)]
struct As<'a> {
    client: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    works_here: Option<bool>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    not_passed: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    not_passed_total: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found_here: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<&'a str>,
}

#[derive(Serialize)]
struct Certificate<'a> {
    not_after: String,
    subject: &'a str,
}

#[derive(Serialize)]
struct Measures {
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    total_ms: f64,
    pages: u32,
    request_bytes: u64,
    response_bytes: u64,
}

#[derive(Serialize)]
struct Child {
    cpu_ms: f64,
    resident_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls_cpu_ms: Option<f64>,
}

#[derive(Serialize)]
struct Notification<'a> {
    after_ms: f64,
    method: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    params: &'a Value,
}

#[derive(Serialize)]
struct Latency {
    count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    failed: u64,
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[derive(Serialize)]
struct RpcErrorDocument<'a> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
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
    let mut document = Map::new();
    document.insert("schema".into(), SCHEMA.into());
    if let Value::Object(members) = body(told)? {
        document.extend(members);
    }
    Ok(Value::Object(document))
}

/// The document for no named target, or several.
///
/// # Errors
/// None in practice: every member is plain data.
pub fn several<'a>(told: impl IntoIterator<Item = Told<'a>>) -> Result<Value, serde_json::Error> {
    let calls = told.into_iter().map(body).collect::<Result<Vec<_>, _>>()?;
    Ok(serde_json::json!({ "schema": SCHEMA_SEVERAL, "calls": calls }))
}

/// What `--jq` filters: the reply's `result`; of an overview, everything that was read, in one object.
#[must_use]
pub fn result(told: Told<'_>) -> Option<Value> {
    match told {
        Told::Call(call) => call.answer.as_ref()?.result().cloned(),
        Told::Overview(overview) => overview.heading.connected.then(|| gathered(overview)),
    }
}

fn body(told: Told<'_>) -> Result<Value, serde_json::Error> {
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
            serde_json::to_value(document)
        }
        Told::Overview(overview) => {
            let gathered = result(told);
            let mut document = heading(&overview.heading);
            document.result = gathered.as_ref();
            serde_json::to_value(document)
        }
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

//! HTTP answers that are not the server's: statuses, pages of proxies, walls, redirects.

use serde_json::json;

use super::super::wire::{Plain, Seen, Wire, full, page};
use super::{Act, Fault, On, Scope, fault};

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

pub(super) static FAULTS: &[Fault] = &[
    every("http-400", "400 with a line of text", |_| Some(page(400, TEXT, "Bad Request\n"))),
    every("http-401", "401 with WWW-Authenticate", |seen| {
        let challenge = format!(
            "Bearer realm=\"demo\", resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:read\"",
            seen.origin()
        );
        let headers = [("content-type", JSON), ("www-authenticate", challenge.as_str())];
        Some(vec![Wire::Write(full(401, &headers, br#"{"error":"invalid_token"}"#))])
    }),
    fault(
        "http-401-rpc",
        On::Http,
        Scope::Methods(&["tools/call"]),
        "401 with a JSON-RPC error to every tool call",
        Act::Upon(|seen, plain| refused(seen, plain, 401, -32001, "missing scope mcp:call")),
    ),
    every("http-401-bare", "401 with nothing else", |_| Some(vec![Wire::Write(full(401, &[], b""))])),
    every("http-403", "403 with a line of text", |_| Some(page(403, TEXT, "Forbidden\n"))),
    every("http-403-scope", "403 that asks for more scope", |_| {
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"mcp:admin\"";
        Some(vec![Wire::Write(full(403, &[("www-authenticate", challenge)], b""))])
    }),
    every("http-403-challenge", "403 with the challenge page of a firewall", |_| {
        Some(page(
            403,
            HTML,
            "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>",
        ))
    }),
    every("http-404", "404 with a page, as for a wrong path", |_| {
        Some(page(404, HTML, "<html><head><title>404 Not Found</title></head><body>nothing here</body></html>"))
    }),
    every("http-405", "405 to every verb", |_| Some(vec![Wire::Write(full(405, &[("allow", "OPTIONS")], b""))])),
    every("http-406", "406 whatever Accept says", |_| {
        Some(page(
            406,
            JSON,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Not Acceptable: Client must accept both application/json and text/event-stream"}}"#,
        ))
    }),
    every("http-413", "413, the body is too large", |_| Some(page(413, TEXT, "Payload Too Large\n"))),
    every("http-415", "415, the content type is not supported", |_| Some(page(415, TEXT, "Unsupported Media Type\n"))),
    every("http-421", "421, the host is not known, as behind a proxy", |_| {
        Some(page(421, TEXT, "Invalid Host header\n"))
    }),
    every("http-429", "429 with Retry-After", |_| {
        Some(vec![Wire::Write(full(429, &[("content-type", TEXT), ("retry-after", "7")], b"slow down\n"))])
    }),
    every("http-500", "500 with a line of text", |_| Some(page(500, TEXT, "Internal Server Error\n"))),
    every("http-500-rpc", "500 with a JSON-RPC error without a matching id", |_| {
        Some(page(
            500,
            JSON,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Internal server error"}}"#,
        ))
    }),
    every("http-502-html", "502 with the page of a proxy", |_| {
        Some(page(
            502,
            HTML,
            "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
        ))
    }),
    every("http-503", "503 with Retry-After", |_| {
        Some(vec![Wire::Write(full(503, &[("content-type", TEXT), ("retry-after", "30")], b"upstream unavailable\n"))])
    }),
    every("http-504", "504 with the page of a proxy", |_| {
        Some(page(504, HTML, "<html><body>504 Gateway Time-out</body></html>"))
    }),
    every("http-999", "a status that does not exist", |_| Some(page(999, TEXT, "denied\n"))),
    every("html-200", "200 with a web page, as for a wrong path of an application", |_| {
        Some(page(
            200,
            HTML,
            "<!doctype html><html><head><title>My App</title></head><body><div id=\"root\"></div></body></html>",
        ))
    }),
    every("empty-200", "200 with an empty body", |_| {
        Some(vec![Wire::Write(full(200, &[("content-type", JSON)], b""))])
    }),
    every("empty-204", "204 to everything", |_| Some(vec![Wire::Write(full(204, &[], b""))])),
    every("accepted-202", "202 to requests too, and never an answer", |_| Some(vec![Wire::Write(full(202, &[], b""))])),
    every("text-200", "200 with a line of text", |_| Some(page(200, TEXT, "OK\n"))),
    every("json-200", "200 with JSON that is no JSON-RPC", |_| Some(page(200, JSON, r#"{"status":"ok","uptime":12}"#))),
    upon("wrong-content-type", "sends its JSON as text/plain", |_, plain| typed(plain, Some(TEXT))),
    upon("html-content-type", "sends its JSON as text/html", |_, plain| typed(plain, Some(HTML))),
    upon("no-content-type", "sends its JSON without a content type", |_, plain| typed(plain, None)),
    upon("charset", "sends its JSON as application/json; charset=utf-8 (valid)", |_, plain| {
        typed(plain, Some("application/json; charset=utf-8"))
    }),
    upon("method-404", "sends its errors about unknown methods with status 404, in the legacy era too", |_, plain| {
        let is_unknown = plain.messages.last().is_some_and(|reply| reply["error"]["code"] == -32601);
        typed(&Plain { status: if is_unknown { 404 } else { plain.status }, ..plain.clone() }, Some(JSON))
    }),
    upon("error-status", "sends good replies with status 500", |_, plain| {
        typed(&Plain { status: 500, ..plain.clone() }, Some(JSON))
    }),
    every("redirect-same-origin", "307 from /mcp to /mcp/, where all is well", |seen| {
        (seen.path == "/mcp").then(|| redirect(307, &format!("{}/mcp/", seen.origin())))
    }),
    every("redirect-relative", "308 to a relative path, where all is well", |seen| {
        (seen.path == "/mcp").then(|| redirect(308, "/mcp/"))
    }),
    every("redirect-302", "302 from /mcp to /mcp/, which turns a POST into a GET", |seen| {
        (seen.path == "/mcp").then(|| redirect(302, "/mcp/"))
    }),
    every("redirect-other-origin", "307 to another origin, where credentials must not go", |seen| {
        (seen.path == "/mcp").then(|| redirect(307, &format!("{}/elsewhere", seen.other_origin())))
    }),
    every("slash-elsewhere", "307 from /mcp/ to another origin; all is well at /mcp", |seen| {
        (seen.path == "/mcp/").then(|| redirect(307, &format!("{}/mcp", seen.other_origin())))
    }),
    every("redirect-loop", "307 to itself", |seen| Some(redirect(307, &format!("{}{}", seen.origin(), seen.path)))),
    every("redirect-downgrade", "307 from https to http", |seen| {
        Some(redirect(307, &format!("http://{}/mcp/", seen.host)))
    }),
    every("redirect-no-location", "307 without a Location", |_| Some(vec![Wire::Write(full(307, &[], b""))])),
    every("redirect-scheme", "307 to a scheme that is not HTTP", |_| Some(redirect(307, "file:///etc/passwd"))),
    every("redirect-login", "302 to a login page", |seen| {
        (seen.path == "/mcp").then(|| redirect(302, &format!("{}/login?next=%2Fmcp", seen.origin())))
    }),
];

const fn every(name: &'static str, about: &'static str, act: fn(&Seen<'_>) -> Option<Vec<Wire>>) -> Fault {
    fault(name, On::Http, Scope::Every, about, Act::Instead(act))
}

const fn upon(name: &'static str, about: &'static str, act: fn(&Seen<'_>, &Plain) -> Vec<Wire>) -> Fault {
    fault(name, On::Http, Scope::Requests, about, Act::Upon(act))
}

fn redirect(status: u16, to: &str) -> Vec<Wire> {
    vec![Wire::Write(full(status, &[("location", to)], b""))]
}

/// A JSON-RPC error under a status.
fn refused(seen: &Seen<'_>, plain: &Plain, status: u16, code: i64, message: &str) -> Vec<Wire> {
    let error = json!({"jsonrpc": "2.0", "id": seen.id, "error": {"code": code, "message": message}});
    typed(&Plain { status, messages: vec![error], ..plain.clone() }, Some(JSON))
}

/// The reply as JSON under another content type.
fn typed(plain: &Plain, kind: Option<&str>) -> Vec<Wire> {
    let body = plain.json();
    let length = body.len().to_string();
    let mut headers = vec![("content-length", length.as_str())];
    headers.extend(kind.map(|kind| ("content-type", kind)));
    let mut bytes = plain.head(&headers);
    bytes.extend_from_slice(&body);
    vec![Wire::Write(bytes)]
}

//! The rules of the HTTP transports: what a request must carry in each era.

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::Value;

use super::super::catalog;
use super::super::dialogue::{Fail, Server};
use super::super::faults::Fault;
use super::super::faults::lax::{Lax, is_lax};
use super::super::revision::Revision;
use super::request::Request;

/// A refusal before the message is looked at: status and words.
pub type Refusal = (u16, &'static str);

/// Accept and Content-Type of a POST.
pub fn check_media(request: &Request, faults: &[&Fault]) -> Result<(), Refusal> {
    let status = |about, good: u16| if is_lax(faults, about) { 500 } else { good };
    let accept = request.header("accept").unwrap_or_default();
    let takes = |kind: &str| {
        let family = kind.split('/').next().unwrap_or_default();
        accept.split(',').any(|part| {
            let part = part.split(';').next().unwrap_or_default().trim();
            part.eq_ignore_ascii_case(kind) || part == "*/*" || part.strip_suffix("/*") == Some(family)
        })
    };
    if is_lax(faults, Lax::AcceptSpelling) && accept != "application/json, text/event-stream" {
        return Err((406, "Accept must be application/json, text/event-stream"));
    }
    if !takes("application/json") || !takes("text/event-stream") {
        return Err((status(Lax::Accept, 406), "Accept must list application/json and text/event-stream"));
    }
    let kind = request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err((status(Lax::BodyType, 415), "Content-Type must be application/json"));
    }
    Ok(())
}

/// Host and Origin against DNS rebinding: a server on loopback answers to loopback names only.
pub fn check_origin(request: &Request, faults: &[&Fault]) -> Result<(), Refusal> {
    let is_local = |host: &str| {
        let name = host.strip_prefix('[').map_or_else(
            || host.rsplit_once(':').map_or(host, |(name, _)| name),
            |rest| rest.split(']').next().unwrap_or_default(),
        );
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let (host, origin) = (request.header("host"), request.header("origin"));
    let same = origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host) == host;
    if is_lax(faults, Lax::Host) && (origin.is_none() || same) {
        return Ok(());
    }
    if !host.is_some_and(is_local) {
        return Err((403, "the Host header is not a loopback name"));
    }
    match origin {
        Some(_) if is_lax(faults, Lax::Origin) => Ok(()),
        Some(_) if is_lax(faults, Lax::OwnOrigin) => Err((403, "no page may use this server")),
        Some(origin) if !origin.split_once("://").is_some_and(|(_, host)| is_local(host)) => {
            Err((403, "the Origin header is not a loopback origin"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The headers of a request of 2026-07-28 against its body. A wrong version beats a mismatch.
pub fn check_modern(server: &Server, request: &Request, message: &Value) -> Result<(), Fail> {
    let mismatch = |what: &str| Err(Fail::new(-32020, &format!("header mismatch: {what}")));
    let lax = |about| is_lax(&server.settings.faults, about);
    let params = &message["params"];
    if lax(Lax::Spaces) && request.spaced {
        return mismatch("there are spaces around a header");
    }
    if lax(Lax::LastEvent) && request.header("last-event-id").is_some() {
        return mismatch("Last-Event-ID is not taken");
    }
    let modern = Revision::R2026_07.text();
    let version = match request.header("mcp-protocol-version") {
        Some(version) => version,
        None if lax(Lax::VersionMissing) => modern,
        None => return mismatch("MCP-Protocol-Version is missing"),
    };
    if version != modern {
        return Err(server.unsupported(version));
    }
    let in_body = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
    // Without a version in the body the request is incomplete, which the dialogue says itself.
    if in_body.is_string() && in_body != version && !lax(Lax::VersionDiffers) {
        return mismatch("MCP-Protocol-Version differs from _meta");
    }
    let method = message["method"].as_str().unwrap_or_default();
    match request.header("mcp-method") {
        None if !lax(Lax::MethodMissing) => return mismatch("Mcp-Method is missing"),
        Some(sent) if sent != method && !lax(Lax::MethodDiffers) => {
            return mismatch("Mcp-Method differs from the body");
        }
        _ => {}
    }
    let name = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        "tasks/get" | "tasks/update" | "tasks/cancel" => params["taskId"].as_str(),
        _ => None,
    };
    if let Some(name) = name.filter(|_| !lax(Lax::Name)) {
        let Some(sent) = request.header("mcp-name") else { return mismatch("Mcp-Name is missing") };
        let sent = if lax(Lax::NameEncoding) { Some(Cow::Borrowed(sent)) } else { decoded(sent) };
        if sent.as_deref() != Some(name) {
            return mismatch("Mcp-Name differs from the body");
        }
    }
    check_parameter(server, request, method, params)
}

fn check_parameter(server: &Server, request: &Request, method: &str, params: &Value) -> Result<(), Fail> {
    let lax = |about| is_lax(&server.settings.faults, about);
    let mirrored =
        if method == "tools/call" { params["name"].as_str().and_then(catalog::mirrored_argument) } else { None };
    let Some((argument, header)) = mirrored.filter(|_| !lax(Lax::Argument)) else { return Ok(()) };
    let value = params["arguments"][argument].as_str();
    let sent = request.header(header);
    let read = |sent| if lax(Lax::ArgumentEncoding) { Some(Cow::Borrowed(sent)) } else { decoded(sent) };
    match (value, sent) {
        (None, None) if !lax(Lax::ArgumentAbsent) => Ok(()),
        (Some(value), Some(sent)) if read(sent).as_deref() == Some(value) => Ok(()),
        _ => Err(Fail::new(-32020, &format!("header mismatch: {header} must mirror the argument {argument}"))),
    }
}

/// A header value, taken out of the Base64 sentinel if it is in one; `None` when that is broken.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(Cow::Borrowed(value)),
        Some(inner) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(inner).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
    }
}

/// The HTTP status of a reply: 2026-07-28 has rules, before it everything that was answered is 200.
#[must_use]
pub fn status(reply: &Value, modern: bool) -> u16 {
    match reply["error"]["code"].as_i64() {
        Some(-32601) if modern => 404,
        Some(-32700 | -32600 | -32602 | -32020 | -32021 | -32022) if modern => 400,
        _ => 200,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&str, &str)]) -> Request {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request { headers, ..Request::default() }
    }

    #[test]
    fn both_media_types_are_wanted() {
        let json = ("content-type", "application/json; charset=utf-8");
        assert!(check_media(&with(&[("accept", "application/json, text/event-stream;q=0.9"), json]), &[]).is_ok());
        assert!(check_media(&with(&[("accept", "*/*"), json]), &[]).is_ok());
        assert_eq!(check_media(&with(&[("accept", "application/json"), json]), &[]).unwrap_err().0, 406);
        assert_eq!(check_media(&with(&[("accept", "*/*")]), &[]).unwrap_err().0, 415);
    }

    #[test]
    fn only_loopback_names_are_answered() {
        for host in ["localhost:80", "127.0.0.1:8080", "[::1]:1", "LOCALHOST"] {
            assert!(check_origin(&with(&[("host", host)]), &[]).is_ok(), "{host}");
        }
        assert!(check_origin(&with(&[("host", "evil.example")]), &[]).is_err());
        assert!(check_origin(&with(&[]), &[]).is_err());
        assert!(check_origin(&with(&[("host", "localhost"), ("origin", "https://attacker.invalid")]), &[]).is_err());
        assert!(check_origin(&with(&[("host", "localhost"), ("origin", "http://localhost:3000")]), &[]).is_ok());
    }

    #[test]
    fn the_sentinel_is_taken_off() {
        assert_eq!(decoded("Oslo").as_deref(), Some("Oslo"));
        assert_eq!(decoded("=?base64?w4VsZXN1bmQ=?=").as_deref(), Some("Ålesund"));
        assert_eq!(decoded("=?base64?%%?="), None);
    }
}

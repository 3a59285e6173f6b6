//! The HTTP headers of each revision: `MCP-Protocol-Version`, `Mcp-Session-Id`, and from 2026-07-28 `Mcp-Method`,
//! `Mcp-Name` and `Mcp-Param-*` with the Base64 sentinel. Source: specification, basic/transports/streamable-http.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::revision::{Method, Revision};

const VERSION: &str = "MCP-Protocol-Version";
const SESSION: &str = "Mcp-Session-Id";

/// The headers of one message. `method` is `None` for replies to the server; `schema` is the `inputSchema` of the
/// tool that a `tools/call` names.
#[must_use]
pub fn of_message(
    revision: Option<&Revision>,
    session: Option<&str>,
    method: Option<(&str, &Value)>,
    schema: Option<&Value>,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if let Some(session) = session {
        headers.push((SESSION.to_owned(), session.to_owned()));
    }
    let Some(revision) = revision else { return headers };
    if revision.http.version_header {
        headers.push((VERSION.to_owned(), revision.version.to_owned()));
    }
    if let Some((name, params)) = method.filter(|_| revision.http.method_headers) {
        headers.push(("Mcp-Method".to_owned(), name.to_owned()));
        let named = revision.method(name).and_then(|method: &Method| method.name_param);
        if let Some(value) = named.and_then(|member| params.get(member)).and_then(Value::as_str) {
            headers.push(("Mcp-Name".to_owned(), encode(value)));
        }
        if let Some(schema) = schema {
            headers.extend(of_arguments(schema, params.get("arguments").unwrap_or(&Value::Null)));
        }
    }
    headers
}

/// `Mcp-Param-*` for every argument whose property is marked `x-mcp-header`.
#[must_use]
pub fn of_arguments(schema: &Value, arguments: &Value) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    walk(schema, arguments, &mut headers, 0);
    headers
}

/// Only `properties` are followed: what stands under any other keyword cannot be mirrored.
fn walk(schema: &Value, arguments: &Value, headers: &mut Vec<(String, String)>, depth: u8) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|_| depth < 32) else {
        return;
    };
    for (name, property) in properties {
        let Some(argument) = arguments.get(name) else { continue };
        if let (Some(header), Some(text)) = (property.get("x-mcp-header").and_then(Value::as_str), plain(argument))
            && is_token(header)
        {
            headers.push((format!("Mcp-Param-{header}"), encode(&text)));
        }
        walk(property, argument, headers, depth + 1);
    }
}

fn plain(argument: &Value) -> Option<String> {
    match argument {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether a text can be the name of a header, or a part of it: a token (RFC 9110 section 5.6.2).
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_of_token)
}

/// Whether a character can stand in a token.
#[must_use]
pub fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// Writes a value as it may stand in a header: as it is, or as `=?base64?…?=`.
#[must_use]
pub fn encode(value: &str) -> String {
    let visible = value.bytes().all(|b| matches!(b, 0x20..=0x7e | b'\t'));
    let trimmed = !value.starts_with([' ', '\t']) && !value.ends_with([' ', '\t']);
    let looks_encoded = value.starts_with("=?base64?") && value.ends_with("?=");
    if visible && trimmed && !looks_encoded {
        value.to_owned()
    } else {
        format!("=?base64?{}?=", STANDARD.encode(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Era;
    use serde_json::json;

    fn modern(method: &str, params: &Value, schema: Option<&Value>) -> Vec<(String, String)> {
        of_message(Some(Revision::newest(Era::Modern)), None, Some((method, params)), schema)
    }

    fn pairs(headers: &[(String, String)]) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn each_revision_has_its_headers() {
        let params = json!({"name": "echo"});
        for (version, expected) in [
            ("2024-11-05", vec![]),
            ("2025-03-26", vec![("Mcp-Session-Id", "s")]),
            ("2025-06-18", vec![("Mcp-Session-Id", "s"), (VERSION, "2025-06-18")]),
            ("2025-11-25", vec![("Mcp-Session-Id", "s"), (VERSION, "2025-11-25")]),
        ] {
            let session = (version != "2024-11-05").then_some("s");
            let headers = of_message(Revision::of(version), session, Some(("tools/call", &params)), None);
            assert_eq!(pairs(&headers), expected, "{version}");
        }
        assert_eq!(
            pairs(&modern("tools/call", &params, None)),
            [(VERSION, "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "echo")]
        );
        assert_eq!(pairs(&modern("resources/read", &json!({"uri": "a://b"}), None))[2], ("Mcp-Name", "a://b"));
        assert_eq!(modern("tools/list", &json!({}), None).len(), 2);
        assert!(of_message(None, None, None, None).is_empty());
    }

    #[test]
    fn marked_arguments_become_headers() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string", "x-mcp-header": "City"},
            "days": {"type": "integer", "x-mcp-header": "Days"},
            "near": {"type": "object", "properties": {"lat": {"type": "boolean", "x-mcp-header": "Lat"}}},
            "bad": {"type": "string", "x-mcp-header": "a b"},
            "list": {"type": "array", "items": {"x-mcp-header": "No"}},
            "gone": {"type": "string", "x-mcp-header": "Gone"}}});
        let arguments =
            json!({"city": "Zürich", "days": 3, "near": {"lat": true}, "bad": "x", "list": ["y"], "gone": null});
        assert_eq!(
            pairs(&of_arguments(&schema, &arguments)),
            [("Mcp-Param-City", "=?base64?WsO8cmljaA==?="), ("Mcp-Param-Days", "3"), ("Mcp-Param-Lat", "true")]
        );
    }

    #[test]
    fn the_sentinel_is_used_where_it_must_be() {
        assert_eq!(encode("plain text"), "plain text");
        for value in [" lead", "trail ", "a\nb", "é", "=?base64?eA==?=", "\u{7f}"] {
            assert!(encode(value).starts_with("=?base64?"), "{value:?}");
        }
        assert_eq!(encode(""), "");
    }
}

//! Faults of a server that wants credentials: its refusal, and the documents that this leads to. With any of them the server
//! wants a bearer token, and takes every one.

use serde_json::{Value, json};

use super::super::authorization::Front;
use super::super::wire::{Seen, Wire, full};
use super::{Act, Fault, On, Scope, fault};

pub(super) static FAULTS: &[Fault] = &[
    guarded("auth-any-token", "wants a bearer token, and takes every one", |seen| front(seen, |_, _| {})),
    guarded("auth-403", "403 to requests without a token", |seen| front(seen, |front, _| front.status = 403)),
    guarded("auth-opening-only", "wants a token for the opening alone", |seen| {
        let opens = matches!(seen.method, "initialize" | "server/discover") || seen.path.starts_with("/.well-known/");
        if opens { front(seen, |_, _| {}) } else { None }
    }),
    guarded("auth-no-hint", "401 whose challenge says nothing of metadata", |seen| {
        front(seen, |front, _| front.challenge = Some("Bearer realm=\"demo\"".to_owned()))
    }),
    guarded("auth-relative-hint", "401 whose resource_metadata is a path", |seen| {
        front(seen, |front, _| {
            let path = "/.well-known/oauth-protected-resource/mcp";
            front.challenge = Some(format!("Bearer resource_metadata=\"{path}\", scope=\"mcp:read\""));
        })
    }),
    guarded("auth-broken-challenge", "401 whose challenge has a quote too few", |seen| {
        front(seen, |front, _| front.challenge = Some("Bearer realm=\"demo".to_owned()))
    }),
    guarded("auth-no-scope", "401 whose challenge names no scope", |seen| {
        front(seen, |front, origin| {
            let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
            front.challenge = Some(format!("Bearer resource_metadata=\"{metadata}\""));
        })
    }),
    guarded("auth-no-resource", "404 for the metadata of the resource", |seen| {
        front(seen, |front, _| front.resource = None)
    }),
    guarded("auth-no-servers", "metadata of the resource without an authorization server", |seen| {
        resource(seen, "authorization_servers", json!([]))
    }),
    guarded("auth-other-resource", "metadata of another resource", |seen| {
        resource(seen, "resource", json!("https://other.invalid/mcp"))
    }),
    guarded("auth-offline-scope", "metadata of the resource with offline_access", |seen| {
        resource(seen, "scopes_supported", json!(["mcp:read", "offline_access"]))
    }),
    guarded("auth-no-server-metadata", "404 for the metadata of the authorization server", |seen| {
        front(seen, |front, _| front.server = None)
    }),
    guarded("auth-other-issuer", "metadata of another issuer", |seen| {
        server(seen, "issuer", json!("https://other.invalid"))
    }),
    guarded("auth-no-code", "metadata without the authorization code flow among the response types", |seen| {
        server(seen, "response_types_supported", json!(["token"]))
    }),
    guarded("auth-no-pkce", "metadata that says nothing of PKCE", |seen| {
        server(seen, "code_challenge_methods_supported", Value::Null)
    }),
    guarded("auth-plain-endpoint", "metadata with an endpoint over http", |seen| {
        server(seen, "token_endpoint", json!("http://login.invalid/token"))
    }),
    guarded("auth-closed", "metadata without a way to register a client", |seen| {
        changed(seen, |front, _| {
            if let Some(Value::Object(members)) = &mut front.server {
                members.shift_remove("registration_endpoint");
                members.shift_remove("client_id_metadata_document_supported");
            }
        })
    }),
    guarded("auth-posted-secret", "metadata whose only way for machines is a secret in the body", |seen| {
        server(seen, "token_endpoint_auth_methods_supported", json!(["client_secret_post"]))
    }),
    guarded("auth-no-response-issuer", "metadata without the issuer in responses", |seen| {
        server(seen, "authorization_response_iss_parameter_supported", json!(false))
    }),
];

const fn guarded(name: &'static str, about: &'static str, act: fn(&Seen<'_>) -> Option<Vec<Wire>>) -> Fault {
    fault(name, On::Http, Scope::Every, about, Act::Instead(act))
}

/// The answer of a server that wants a token, where it does not serve the request.
fn changed(seen: &Seen<'_>, change: impl FnOnce(&mut Front, &str)) -> Option<Vec<Wire>> {
    let origin = seen.origin();
    let mut front = Front::healthy(&origin);
    change(&mut front, &origin);
    if Front::serves(seen.path) {
        let document = front.document(seen.path);
        let (status, body) = document.map_or((404, String::new()), |document| (200, document.to_string()));
        return Some(vec![Wire::Write(full(status, &[("content-type", "application/json")], body.as_bytes()))]);
    }
    if seen.authorization.is_some() {
        return None;
    }
    let challenge = front.challenge.iter().map(|challenge| ("www-authenticate", challenge.as_str()));
    let headers: Vec<(&str, &str)> = challenge.collect();
    Some(vec![Wire::Write(full(front.status, &headers, b""))])
}

fn front(seen: &Seen<'_>, change: fn(&mut Front, &str)) -> Option<Vec<Wire>> {
    changed(seen, change)
}

/// With a member of the resource's metadata changed; `null` takes it out.
fn resource(seen: &Seen<'_>, name: &str, value: Value) -> Option<Vec<Wire>> {
    changed(seen, |front, _| set(&mut front.resource, name, value))
}

/// With a member of the authorization server's metadata changed.
fn server(seen: &Seen<'_>, name: &str, value: Value) -> Option<Vec<Wire>> {
    changed(seen, |front, _| set(&mut front.server, name, value))
}

fn set(document: &mut Option<Value>, name: &str, value: Value) {
    let Some(Value::Object(members)) = document else { return };
    if value.is_null() {
        members.shift_remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
}

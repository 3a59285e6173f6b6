//! What the demo server says to who has no credentials, and the documents that this leads to: of itself as a protected
//! resource, and of an authorization server that is only on paper.

use serde_json::{Value, json};

/// The places of the metadata of the resource.
const RESOURCE: [&str; 2] = ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"];
/// The place of the metadata of the authorization server.
const SERVER: &str = "/.well-known/oauth-authorization-server";

/// Everything of it, to be changed by a fault.
#[derive(Debug, Clone)]
pub struct Front {
    /// The status of a refusal.
    pub status: u16,
    /// Its challenge.
    pub challenge: Option<String>,
    /// The metadata of the resource.
    pub resource: Option<Value>,
    /// The metadata of the authorization server.
    pub server: Option<Value>,
}

impl Front {
    /// As it should be, at that origin.
    #[must_use]
    pub fn healthy(origin: &str) -> Self {
        let metadata = format!("{origin}{}", RESOURCE[0]);
        let challenge = format!(
            "Bearer realm=\"mcp-probe demo at {origin}\", resource_metadata=\"{metadata}\", scope=\"mcp:read\""
        );
        Self {
            status: 401,
            challenge: Some(challenge),
            resource: Some(json!({
                "resource": format!("{origin}/mcp"),
                "authorization_servers": [origin],
                "scopes_supported": ["mcp:read"],
                "bearer_methods_supported": ["header"],
            })),
            server: Some(json!({
                "issuer": origin,
                "authorization_endpoint": format!("{origin}/authorize"),
                "token_endpoint": format!("{origin}/token"),
                "registration_endpoint": format!("{origin}/register"),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "client_id_metadata_document_supported": true,
                "authorization_response_iss_parameter_supported": true,
            })),
        }
    }

    /// Whether a path is one of a document.
    #[must_use]
    pub fn serves(path: &str) -> bool {
        RESOURCE.contains(&path) || path == SERVER
    }

    /// The document at a path, where there is one.
    #[must_use]
    pub fn document(&self, path: &str) -> Option<&Value> {
        if RESOURCE.contains(&path) {
            return self.resource.as_ref();
        }
        self.server.as_ref().filter(|_| path == SERVER)
    }
}

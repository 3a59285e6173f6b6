//! Authorization: refusals, and the documents that they lead to.

use super::audited::{Row, row};

/// Each rule with a fault that breaks it. The token is any: with these faults the demo server takes every one.
pub const ROWS: &[Row] = &[
    row("auth.unauthorized", "auth-403", "http", "2025-03-26", "--bearer x"),
    row("auth.unauthorized", "auth-403", "http", "2026-07-28", "--bearer x"),
    row("auth.every_request", "auth-opening-only", "http", "2025-11-25", "--bearer x"),
    row("auth.every_request", "auth-opening-only", "http", "2026-07-28", "--bearer x"),
    row("auth.challenge", "auth-no-hint", "http", "2025-06-18", "--bearer x"),
    row("auth.challenge", "auth-relative-hint", "http", "2025-11-25", "--bearer x"),
    row("auth.challenge", "auth-broken-challenge", "http", "2026-07-28", "--bearer x"),
    row("auth.challenge_scope", "auth-no-scope", "http", "2025-11-25", "--bearer x"),
    row("auth.unknown_token", "auth-any-token", "http", "2025-03-26", "--bearer x --invasive"),
    row("auth.unknown_token", "auth-any-token", "http", "2026-07-28", "--bearer x --invasive"),
    row("auth.resource_metadata", "auth-no-resource", "http", "2025-06-18", "--bearer x"),
    row("auth.authorization_servers", "auth-no-servers", "http", "2025-11-25", "--bearer x"),
    row("auth.resource", "auth-other-resource", "http", "2025-06-18", "--bearer x"),
    row("auth.offline_access", "auth-offline-scope", "http", "2026-07-28", "--bearer x"),
    row("auth.server_metadata", "auth-no-server-metadata", "http", "2026-07-28", "--bearer x"),
    row("auth.issuer", "auth-other-issuer", "http", "2025-06-18", "--bearer x"),
    row("auth.endpoints", "auth-no-code", "http", "2025-11-25", "--bearer x"),
    row("auth.pkce", "auth-no-pkce", "http", "2025-06-18", "--bearer x"),
    row("auth.https", "auth-plain-endpoint", "http", "2025-03-26", "--bearer x"),
    row("auth.https", "auth-plain-endpoint", "http", "2026-07-28", "--bearer x"),
    row("auth.registration", "auth-closed", "http", "2025-11-25", "--bearer x"),
    row("auth.client_credentials", "auth-posted-secret", "http", "2025-11-25", "--bearer x"),
    row("auth.response_issuer", "auth-no-response-issuer", "http", "2026-07-28", "--bearer x"),
];

//! From a refusal to the documents that say how to get in: where the metadata of a protected resource lies (RFC 9728), where
//! that of an authorization server (RFC 8414, `OpenID` Connect Discovery), and which of it a prober may ask for.

use std::net::IpAddr;

use serde_json::{Map, Value};
use url::{Host, Position, Url};

use super::challenge;
use super::exercise::Send;
use super::shot::{Item, Shot};
use crate::base::host::is_loopback;
use crate::protocol::Revision;

/// The label of requests for the metadata of the protected resource.
pub const RESOURCE: &str = "resource-metadata";
/// The label of requests for the metadata of its authorization server.
pub const SERVER: &str = "server-metadata";

/// The revision that brought metadata of the protected resource.
const WITH_RESOURCE_METADATA: &str = "2025-06-18";

/// The place of the metadata of a resource, with what it is called below an origin.
const RESOURCE_PATH: &str = "/.well-known/oauth-protected-resource";
const OAUTH_PATH: &str = "/.well-known/oauth-authorization-server";
const OPENID_PATH: &str = "/.well-known/openid-configuration";

/// What is asked for next, after a refusal and the documents that were asked for since.
#[must_use]
pub fn next(revision: &Revision, target: &str, shots: &[Shot]) -> Option<Send> {
    let tried = |label: &str, url: &String| {
        shots.iter().any(|shot| shot.label == label && shot.sent.as_ref() == url.as_bytes())
    };
    let found = |label: &str| shots.iter().filter(|shot| shot.label == label).find_map(document);
    let hint = shots.first().and_then(hinted);
    let issuer = if revision.version < WITH_RESOURCE_METADATA {
        origin(target)?
    } else {
        match found(RESOURCE) {
            Some(resource) => issuer_of(&resource)?.to_owned(),
            None => {
                let url = resource_urls(target, hint.as_deref()).into_iter().find(|url| !tried(RESOURCE, url))?;
                return Some(Send::document(RESOURCE, url));
            }
        }
    };
    if found(SERVER).is_some() {
        return None;
    }
    let url = server_urls(&issuer).into_iter().find(|url| !tried(SERVER, url))?;
    Some(Send::document(SERVER, url))
}

/// The document that came, where it is one.
#[must_use]
pub fn document(shot: &Shot) -> Option<Map<String, Value>> {
    let body = shot.came.iter().find_map(|came| match &came.item {
        Item::Noise(bytes) => Some(bytes),
        _ => None,
    });
    match serde_json::from_slice(body.filter(|_| shot.status() == Some(200))?) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

/// The URL of the metadata that a refusal names.
#[must_use]
pub fn hinted(refusal: &Shot) -> Option<String> {
    let challenges = challenge::read(refusal.head.as_ref()?).ok()?;
    let mut bearers = challenges.iter().filter(|challenge| challenge.is_bearer());
    bearers.find_map(|challenge| challenge.parameter("resource_metadata")).map(ToOwned::to_owned)
}

/// The first authorization server that the metadata of a resource names.
#[must_use]
pub fn issuer_of(resource: &Map<String, Value>) -> Option<&str> {
    resource.get("authorization_servers")?.as_array()?.first()?.as_str()
}

/// The origin of a URL, written as an issuer is.
#[must_use]
pub fn origin(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(url[..Position::BeforePath].to_owned())
}

/// Where the metadata of a resource may lie: where the server says, then below the path, then at the root.
#[must_use]
pub fn resource_urls(target: &str, hint: Option<&str>) -> Vec<String> {
    let Ok(url) = Url::parse(target) else { return Vec::new() };
    let origin = &url[..Position::BeforePath];
    let path = if url.path() == "/" { "" } else { url.path() };
    let well_known = [format!("{origin}{RESOURCE_PATH}{path}"), format!("{origin}{RESOURCE_PATH}")];
    let mut all: Vec<String> = hint.map(ToOwned::to_owned).into_iter().collect();
    for url in well_known {
        if !all.contains(&url) {
            all.push(url);
        }
    }
    all
}

/// Where the metadata of an authorization server may lie, in the order in which clients ask.
#[must_use]
pub fn server_urls(issuer: &str) -> Vec<String> {
    let Ok(url) = Url::parse(issuer) else { return Vec::new() };
    if url.cannot_be_a_base() {
        return Vec::new();
    }
    let origin = &url[..Position::BeforePath];
    let path = url.path().trim_end_matches('/');
    let mut all = vec![format!("{origin}{OAUTH_PATH}{path}"), format!("{origin}{OPENID_PATH}{path}")];
    if !path.is_empty() {
        all.push(format!("{origin}{path}{OPENID_PATH}"));
    }
    all
}

/// Whether a document may be asked for: from the target's own origin, else over https, or of this machine where the target is
/// on it, too. A server in the network does not get to send us to addresses of the inside.
///
/// # Errors
/// Why not.
pub fn may_fetch(target: &str, loopback: bool, url: &str) -> Result<(), String> {
    let url = Url::parse(url).map_err(|error| format!("it is no absolute URL: {error}"))?;
    let target = Url::parse(target).map_err(|error| format!("the target has no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("it is neither http nor https".to_owned());
    }
    if url.origin() == target.origin() {
        return Ok(());
    }
    if loopback && is_loopback(&url) {
        return Ok(());
    }
    if url.scheme() != "https" {
        return Err("it leaves https".to_owned());
    }
    let inside = |url: &Url| is_loopback(url) || address(url).is_some_and(is_inside);
    if inside(&url) && !inside(&target) {
        return Err("it is an address of an inner network".to_owned());
    }
    Ok(())
}

/// Whether a URL is safe on its way: over https, or within this machine where the target is on it, too.
#[must_use]
pub fn is_safe(url: &str, loopback: bool) -> bool {
    Url::parse(url)
        .is_ok_and(|url| url.scheme() == "https" || (loopback && url.scheme() == "http" && is_loopback(&url)))
}

fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.to_canonical()),
    }
}

fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private() || address.is_link_local() || address.is_loopback() || address.is_unspecified()
        }
        IpAddr::V6(address) => {
            address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_loopback()
                || address.is_unspecified()
        }
    }
}

/// How the `resource` of metadata is related to the URL that is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Related {
    /// It is the same, but for a slash at the end.
    Same,
    /// It is the same origin, and a path above.
    Above,
    /// It is another one.
    Other,
}

/// How the `resource` of metadata is related to the URL that is spoken to.
#[must_use]
pub fn related(resource: &str, target: &str) -> Related {
    let (Ok(resource), Ok(target)) = (Url::parse(resource), Url::parse(target)) else { return Related::Other };
    if resource.origin() != target.origin() {
        return Related::Other;
    }
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    let (above, below) = (path(&resource), path(&target));
    if above == below {
        return Related::Same;
    }
    let is_above = below.strip_prefix(&above).is_some_and(|rest| rest.starts_with('/'));
    if is_above { Related::Above } else { Related::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_looked_for_in_the_order_of_the_specification() {
        let well_known = "https://h/.well-known/oauth-protected-resource";
        assert_eq!(resource_urls("https://h/a/mcp", None), [format!("{well_known}/a/mcp"), well_known.to_owned()]);
        assert_eq!(resource_urls("https://h/", None), [well_known]);
        let hint = format!("{well_known}/mcp");
        assert_eq!(resource_urls("https://h/mcp", Some(&hint)), [hint.clone(), well_known.to_owned()]);
        let issuer = server_urls("https://as/tenant1");
        assert_eq!(
            issuer,
            [
                "https://as/.well-known/oauth-authorization-server/tenant1",
                "https://as/.well-known/openid-configuration/tenant1",
                "https://as/tenant1/.well-known/openid-configuration"
            ]
        );
        let root = ["https://as/.well-known/oauth-authorization-server", "https://as/.well-known/openid-configuration"];
        assert_eq!(server_urls("https://as"), root);
        assert_eq!(server_urls("https://as/"), root);
        assert_eq!(server_urls("mailto:x@y"), Vec::<String>::new());
        assert_eq!(origin("https://h:8443/mcp").as_deref(), Some("https://h:8443"));
    }

    #[test]
    fn nobody_is_sent_to_addresses_of_the_inside() {
        let target = "https://mcp.example/mcp";
        for good in ["https://mcp.example/x", "https://login.example/x", "https://login.example:8443/x"] {
            assert_eq!(may_fetch(target, false, good), Ok(()), "{good}");
        }
        for wrong in [
            "http://login.example/x",
            "http://mcp.example/x",
            "file:///etc/passwd",
            "/x",
            "https://10.0.0.1/x",
            "https://169.254.169.254/latest",
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://[::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://[fe80::1]/x",
        ] {
            assert!(may_fetch(target, false, wrong).is_err(), "{wrong}");
        }
        let local = "http://127.0.0.1:3000/mcp";
        for good in
            ["http://127.0.0.1:3000/x", "http://localhost:9000/x", "https://login.example/x", "https://10.0.0.1/"]
        {
            assert_eq!(may_fetch(local, true, good), Ok(()), "{good}");
        }
        assert!(may_fetch(local, true, "http://login.example/x").is_err());
    }

    #[test]
    fn a_resource_is_the_url_or_one_above() {
        let target = "https://h/a/mcp";
        for (resource, expected) in [
            ("https://h/a/mcp", Related::Same),
            ("https://H:443/a/mcp/", Related::Same),
            ("https://h/a", Related::Above),
            ("https://h", Related::Above),
            ("https://h/a/mc", Related::Other),
            ("https://other/a/mcp", Related::Other),
            ("http://h/a/mcp", Related::Other),
            ("h/a/mcp", Related::Other),
        ] {
            assert_eq!(related(resource, target), expected, "{resource}");
        }
    }
}

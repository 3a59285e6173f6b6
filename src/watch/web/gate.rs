//! Who may ask: a page of another site must not make a browser ask for it (DNS rebinding, forged requests). A name in
//! `Host` is the listener's own or was allowed; where a browser says that a request comes from elsewhere, it is refused.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{HOST, HeaderName, ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Says why a request may not be answered; none where it may. `local` is the address the connection came in at.
#[must_use]
pub fn refusal(headers: &HeaderMap, local: SocketAddr, secure: bool, allowed: &[String]) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next().and_then(|host| host.to_str().ok()) else {
        return Some("the request names no host");
    };
    if hosts.next().is_some() || !is_ours(host, local, secure, allowed) {
        return Some("the name in `Host` is not this listener's; allow it with --allow-host");
    }
    if headers.get_all(ORIGIN).iter().any(|origin| !is_same_origin(origin.as_bytes(), host, secure)) {
        return Some("the request comes from a page of another origin");
    }
    let is_foreign = |site: &http::HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    if headers.get_all(SEC_FETCH_SITE).iter().any(is_foreign) {
        return Some("the request comes from a page of another site");
    }
    None
}

fn is_ours(host: &str, local: SocketAddr, secure: bool, allowed: &[String]) -> bool {
    let Some((name, port)) = split(host) else { return false };
    let is_allowed = |word: &String| {
        let Some((own, own_port)) = split(word) else { return false };
        own.eq_ignore_ascii_case(name) && (own_port.is_none() || own_port == port)
    };
    if allowed.iter().any(is_allowed) {
        return true;
    }
    let port = port.unwrap_or(if secure { 443 } else { 80 });
    if port != local.port() {
        return false;
    }
    let address = local.ip().to_canonical();
    match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        // An address cannot be rebound to another; any loopback address is this machine.
        Ok(said) => said.to_canonical() == address || (said.is_loopback() && address.is_loopback()),
        Err(_) => address.is_loopback() && name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

/// `name:port`, `name`, `[::1]:port`; none of what is neither.
fn split(host: &str) -> Option<(&str, Option<u16>)> {
    let after_bracket = host.rfind(']').map_or(0, |at| at + 1);
    match host.get(after_bracket..)?.rsplit_once(':') {
        None => Some((host, None)),
        Some((rest, port)) => {
            let name = host.get(..after_bracket + rest.len())?;
            // `::1` without brackets is no host.
            (!name.is_empty() && (after_bracket > 0 || !name.contains(':')))
                .then_some(())
                .and(port.parse().ok().map(|port| (name, Some(port))))
        }
    }
}

fn is_same_origin(origin: &[u8], host: &str, secure: bool) -> bool {
    let scheme = if secure { "https://" } else { "http://" };
    let Ok(origin) = std::str::from_utf8(origin) else { return false };
    origin.strip_prefix(scheme).is_some_and(|said| said.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&'static str, &str)], local: &str, allowed: &[&str]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        refusal(&map, local.parse().unwrap(), false, &allowed).is_some()
    }

    #[test]
    fn only_names_of_the_listener_are_answered() {
        let loopback = "127.0.0.1:9490";
        for host in ["127.0.0.1:9490", "localhost:9490", "LocalHost.:9490", "[::1]:9490", "127.9.9.9:9490"] {
            assert!(!refused(&[("host", host)], loopback, &[]), "{host}");
        }
        for host in [
            "localhost",
            "127.0.0.1",
            "evil.example:9490",
            "localhost.evil.example:9490",
            "10.0.0.1:9490",
            "::1:9490",
            "",
        ] {
            assert!(refused(&[("host", host)], loopback, &[]), "{host}");
        }
        assert!(refused(&[], loopback, &[]));
        assert!(refused(&[("host", "127.0.0.1:9490"), ("host", "127.0.0.1:9490")], loopback, &[]));
        assert!(!refused(&[("host", "10.0.0.1:9490")], "10.0.0.1:9490", &[]));
        assert!(!refused(&[("host", "10.0.0.1")], "10.0.0.1:80", &[]));
        assert!(refused(&[("host", "localhost:9490")], "10.0.0.1:9490", &[]), "a name that anybody may have");
        assert!(!refused(&[("host", "probe.example:8080")], "10.0.0.1:9490", &["probe.example"]));
        assert!(!refused(&[("host", "Probe.example:8080")], "10.0.0.1:9490", &["probe.example:8080"]));
        assert!(refused(&[("host", "probe.example")], "10.0.0.1:9490", &["probe.example:8080"]));
    }

    #[test]
    fn a_browser_that_comes_from_elsewhere_is_refused() {
        let host = ("host", "localhost:9490");
        let local = "127.0.0.1:9490";
        assert!(!refused(&[host, ("origin", "http://localhost:9490")], local, &[]));
        for origin in ["http://127.0.0.1:9490", "https://localhost:9490", "null", "http://evil.example", ""] {
            assert!(refused(&[host, ("origin", origin)], local, &[]), "{origin}");
        }
        for (site, is_refused) in [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true)] {
            assert_eq!(refused(&[host, ("sec-fetch-site", site)], local, &[]), is_refused, "{site}");
        }
    }
}

//! Whether a URL leads to this machine.

use url::{Host, Url};

/// Whether the host of a URL is this machine, by its name or its address. A URL without a host leads to none.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_this_machine_are_known_in_every_spelling() {
        let said = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for url in ["http://localhost/", "http://LOCALHOST.:8/", "http://a.localhost/", "http://127.9.9.9/"] {
            assert!(said(url), "{url}");
        }
        assert!(said("https://[::1]:8/mcp") && said("http://[::ffff:127.0.0.1]/"));
        for url in ["http://localhost.example/", "http://10.0.0.1/", "http://[::2]/", "unix:/run/a.sock"] {
            assert!(!said(url), "{url}");
        }
    }
}

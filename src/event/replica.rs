//! How a replica is called: the name of its target and its address, `weather@10.0.0.2`. Whoever selects or groups by target
//! asks here for the target that stands behind a name.

use std::net::IpAddr;

/// The name of one replica of a target.
#[must_use]
pub fn replica_name(target: &str, address: IpAddr) -> String {
    format!("{target}@{address}")
}

/// The target of which this is a replica, and its address.
#[must_use]
pub fn replica_of(name: &str) -> Option<(&str, IpAddr)> {
    let (target, address) = name.rsplit_once('@')?;
    Some((target, address.parse().ok()?)).filter(|_| !target.is_empty())
}

/// The target as the files have it: that of which it is a replica, or itself.
#[must_use]
pub fn without_replica(name: &str) -> &str {
    replica_of(name).map_or(name, |(target, _)| target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_target() {
        for address in ["10.0.0.2", "::1", "fe80::1"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(replica_of(&replica_name("a@b", address)), Some(("a@b", address)));
        }
        for plain in ["weather", "weather@host", "@10.0.0.2", "weather@10.0.0", ""] {
            assert_eq!(without_replica(plain), plain);
        }
    }
}

//! The replicas behind each name, as the runs of the row of the name see them: a new one is taken up at once, one that has
//! left the name after a while, because some resolvers give only a part of the addresses at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::daemon::Daemon;
use crate::event::{Level, ProbeOutcome};
use crate::plan::Known;

/// An address that is not given so many times in a row has left the name.
const ABSENT_MAX: u32 = 3;

/// The addresses of each target, each with how often in a row it was not given.
#[derive(Default)]
pub struct Replicas(BTreeMap<String, BTreeMap<IpAddr, u32>>);

impl Replicas {
    /// What is known at the start.
    #[must_use]
    pub fn of(known: Known) -> Self {
        let fresh = |addresses: Vec<IpAddr>| addresses.into_iter().map(|address| (address, 0)).collect();
        Self(known.into_iter().map(|(target, addresses)| (target, fresh(addresses))).collect())
    }

    /// The addresses as they are to be probed.
    #[must_use]
    pub fn known(&self) -> Known {
        self.0.iter().map(|(target, addresses)| (target.clone(), addresses.keys().copied().collect())).collect()
    }

    /// Takes the addresses that the name of a target has now. Gives what changes by it, for the log.
    fn see(&mut self, target: &str, given: &[IpAddr]) -> Option<String> {
        let addresses = self.0.entry(target.to_owned()).or_default();
        let before = replicas(addresses);
        for (address, absent) in addresses.iter_mut() {
            *absent = if given.contains(address) { 0 } else { *absent + 1 };
        }
        addresses.extend(given.iter().map(|address| (*address, 0)));
        // A name that has no address at all is no news of its replicas.
        addresses.retain(|_, absent| *absent < ABSENT_MAX || given.is_empty());
        let now = replicas(addresses);
        let news = |what: &str, one: &BTreeSet<IpAddr>, other: &BTreeSet<IpAddr>| {
            one.difference(other).map(|address| format!("{what} {address}")).collect::<Vec<_>>()
        };
        let mut changes = news("replica added:", &now, &before);
        changes.extend(news("replica removed:", &before, &now));
        (!changes.is_empty()).then(|| changes.join(", "))
    }
}

/// One address alone is no replica.
fn replicas(addresses: &BTreeMap<IpAddr, u32>) -> BTreeSet<IpAddr> {
    addresses.keys().copied().filter(|_| addresses.len() > 1).collect()
}

impl Daemon {
    /// Where the replicas are others than before, the plan is made anew: what stays keeps its windows and alerts.
    pub(super) fn see_replicas(&mut self, outcome: &ProbeOutcome) {
        let Some(addresses) = &outcome.observed.addresses else { return };
        if let Some(change) = self.replicas.see(&outcome.target, addresses) {
            self.note_of(Some(&outcome.target), Level::Info, "replicas", change);
            self.read_again(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_replica_comes_at_once_and_goes_when_it_stays_away() {
        let mut replicas = Replicas::of(Known::from([("web".to_owned(), vec![at(1), at(2)])]));
        assert_eq!(replicas.see("web", &[at(2), at(1)]), None);
        assert_eq!(replicas.see("web", &[at(2), at(3)]).as_deref(), Some("replica added: 10.0.0.3"));
        // A resolver that gives now these, now those.
        for given in [[at(1), at(3)], [at(2), at(1)], [at(3), at(2)]] {
            assert_eq!(replicas.see("web", &given), None);
        }
        assert_eq!(replicas.see("web", &[at(3), at(2)]), None);
        assert_eq!(replicas.see("web", &[at(3), at(2)]).as_deref(), Some("replica removed: 10.0.0.1"));
        assert_eq!(replicas.known()["web"], [at(2), at(3)]);
        for _ in 0..10 {
            assert_eq!(replicas.see("web", &[]), None);
        }
    }

    #[test]
    fn one_address_alone_is_no_replica() {
        let mut replicas = Replicas::default();
        assert_eq!(replicas.see("web", &[at(1)]), None);
        let both = replicas.see("web", &[at(1), at(2)]);
        assert_eq!(both.as_deref(), Some("replica added: 10.0.0.1, replica added: 10.0.0.2"));
        assert_eq!(replicas.see("web", &[at(1)]), None);
        assert_eq!(replicas.see("web", &[at(1)]), None);
        let none = replicas.see("web", &[at(1)]);
        assert_eq!(none.as_deref(), Some("replica removed: 10.0.0.1, replica removed: 10.0.0.2"));
    }
}

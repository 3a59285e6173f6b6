//! `resolve`: which addresses stand behind the name of a target's URL. With several, each is a replica that is probed by
//! itself, as a target of its own beside that of the name; the name's own row is what clients see, and tells of what concerns
//! all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::{Endpoint, Plan, Target};
use crate::config::{Field, Section};
use crate::event::replica_name;

/// More replicas of one target are not probed by themselves: each is a series of every metric.
pub const REPLICAS_MAX: usize = 32;

/// Where the addresses of a name come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resolve {
    /// From the resolver; the first that answers is taken.
    #[default]
    One,
    /// From the resolver; each is a replica.
    All,
    /// From the file; the resolver is not asked.
    These(Vec<IpAddr>),
}

/// One of several addresses of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The name of the target.
    pub of: String,
    /// The address that is connected to.
    pub address: IpAddr,
}

/// Targets, each with the addresses that its name has now.
pub type Known = BTreeMap<String, Vec<IpAddr>>;

impl Resolve {
    /// Reads the key.
    pub(super) fn parse(section: &Section<'_>) -> Self {
        let Some(field) = section.field("resolve") else { return Self::One };
        let Some(words) = field.one_or_more() else { return Self::One };
        if matches!(words.as_slice(), [(word, _)] if word == "all") {
            return Self::All;
        }
        let addresses: BTreeSet<IpAddr> = words.iter().filter_map(|(word, _)| word.parse().ok()).collect();
        if addresses.len() != words.len() || words.is_empty() || words.len() > REPLICAS_MAX {
            Self::wrong(field);
        }
        Self::These(addresses.into_iter().collect())
    }

    fn wrong(field: Field<'_>) {
        field
            .wrong("`resolve` is \"all\", or the addresses to connect to, each once")
            .help(format!("write `resolve = [\"10.0.0.1\", \"10.0.0.2\"]`, with at most {REPLICAS_MAX} addresses"));
    }
}

impl Target {
    /// Where its replicas come from; none where it has none, because it is one, or nothing is said.
    #[must_use]
    pub fn replicates(&self) -> Option<&Resolve> {
        let is_name = self.replica.is_none() && matches!(self.endpoint, Endpoint::Url(_));
        Some(&self.resolve).filter(|resolve| is_name && **resolve != Resolve::One)
    }

    /// Its replica at an address.
    #[must_use]
    pub fn replica_at(&self, address: IpAddr) -> Self {
        Self {
            name: replica_name(&self.name, address).into(),
            replica: Some(Replica { of: self.name.to_string(), address }),
            server_id: self.server_id.as_ref().map(|id| replica_name(id, address)),
            // What restarts the server restarts all of it: that is for the row of the name.
            restart: None,
            ..self.clone()
        }
    }

    /// Its addresses by the file, else those that are known.
    fn addresses<'a>(&'a self, known: &'a Known) -> &'a [IpAddr] {
        match self.replicates() {
            Some(Resolve::These(addresses)) => addresses,
            Some(Resolve::All) => known.get(self.name.as_str()).map_or(&[], Vec::as_slice),
            Some(Resolve::One) | None => &[],
        }
    }
}

impl Plan {
    /// With the replicas of each target behind it, where there are several: `known` has the addresses that were looked up.
    #[must_use]
    pub fn with_replicas(mut self, known: &Known) -> Self {
        let taken: BTreeSet<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let mut replicas: BTreeMap<String, Vec<Arc<Target>>> = BTreeMap::new();
        for target in &self.targets {
            let addresses = target.addresses(known);
            if addresses.len() > 1 {
                let each = addresses.iter().take(REPLICAS_MAX).map(|address| target.replica_at(*address));
                let each = each.filter(|replica| !taken.contains(replica.name.as_str())).map(Arc::new);
                replicas.insert(target.name.to_string(), each.collect());
            }
        }
        let expand = |targets: &mut Vec<Arc<Target>>| {
            let behind = |target: Arc<Target>| {
                let replicas = replicas.get(target.name.as_str()).cloned().unwrap_or_default();
                std::iter::once(target).chain(replicas)
            };
            *targets = std::mem::take(targets).into_iter().flat_map(behind).collect();
        };
        if !replicas.is_empty() {
            expand(&mut self.targets);
            self.probes.iter_mut().for_each(|probe| expand(&mut probe.targets));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, resolve: Resolve) -> Target {
        Target { resolve, ..Target::ad_hoc(name, Endpoint::Url("http://host/mcp".into())) }
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.pairs().map(|(_, target)| target.name.as_str()).collect()
    }

    #[test]
    fn each_address_is_a_target_behind_that_of_the_name() {
        let addresses = |text: &[&str]| text.iter().map(|address| address.parse().unwrap()).collect::<Vec<IpAddr>>();
        let these = Resolve::These(addresses(&["127.0.0.2", "::1"]));
        let targets = [
            target("plain", Resolve::One),
            target("named", Resolve::All),
            target("given", these),
            target("alone", Resolve::All),
            target("unknown", Resolve::All),
        ];
        let plan = Plan::built_in(targets);
        let known = Known::from([
            ("named".to_owned(), addresses(&["10.0.0.1", "10.0.0.2"])),
            ("alone".to_owned(), addresses(&["10.0.0.3"])),
        ]);
        let plan = plan.with_replicas(&known);
        assert_eq!(
            names(&plan),
            [
                "plain",
                "named",
                "named@10.0.0.1",
                "named@10.0.0.2",
                "given",
                "given@127.0.0.2",
                "given@::1",
                "alone",
                "unknown"
            ]
        );
        assert_eq!(plan.targets.len(), 9);
        assert_eq!(plan.targets[2].replica, Some(Replica { of: "named".into(), address: "10.0.0.1".parse().unwrap() }));
        // Replicas have none.
        assert_eq!(plan.clone().with_replicas(&known).targets[2].replicates(), None);
    }

    #[test]
    fn there_is_a_bound() {
        let many = (0..200).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        let plan = Plan::built_in([target("many", Resolve::All)]);
        assert_eq!(plan.with_replicas(&Known::from([("many".to_owned(), many)])).targets.len(), 1 + REPLICAS_MAX);
    }
}

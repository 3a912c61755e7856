//! `Policy`: the balancing policy of a channel, as options and conf files name it.

use std::sync::Arc;

use super::{Balancer, Hash, LeastLoaded, RoundRobin, Weighted, Zone};

/// The balancing policy of a channel.
#[derive(Clone, Debug, Default)]
pub enum Policy {
    /// The less loaded of two random endpoints: [`LeastLoaded`]. The default.
    #[default]
    LeastLoaded,
    /// One endpoint after the other: [`RoundRobin`].
    RoundRobin,
    /// A random endpoint, by weight: [`Weighted`].
    Weighted,
    /// Calls with the same key go to the same endpoint: [`Hash`](struct@super::Hash). See [`Call::hash_key`](crate::Call::hash_key).
    Hash,
    /// Endpoints of the caller's zone first: [`Zone`]. `ChannelOptions::zone` says where the caller is.
    Zone,
    /// A policy of your own.
    Custom(Arc<dyn Balancer>),
}

impl Policy {
    /// The names in a conf file.
    pub const NAMES: [&'static str; 5] = ["least_loaded", "round_robin", "weighted", "hash", "zone"];

    /// The policy with this name.
    pub fn named(name: &str) -> Option<Policy> {
        Some(match name {
            "least_loaded" => Policy::LeastLoaded,
            "round_robin" => Policy::RoundRobin,
            "weighted" => Policy::Weighted,
            "hash" => Policy::Hash,
            "zone" => Policy::Zone,
            _ => return None,
        })
    }

    /// The name in a conf file. A policy of your own has none there.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self {
            Policy::LeastLoaded => "least_loaded",
            Policy::RoundRobin => "round_robin",
            Policy::Weighted => "weighted",
            Policy::Hash => "hash",
            Policy::Zone => "zone",
            Policy::Custom(_) => return None,
        })
    }

    /// The balancer of this policy for a caller in `zone`.
    pub(crate) fn balancer(&self, zone: &str) -> Arc<dyn Balancer> {
        match self {
            Policy::LeastLoaded => Arc::new(LeastLoaded),
            Policy::RoundRobin => Arc::new(RoundRobin::default()),
            Policy::Weighted => Arc::new(Weighted),
            Policy::Hash => Arc::new(Hash),
            Policy::Zone => Arc::new(Zone::new(zone)),
            Policy::Custom(balancer) => balancer.clone(),
        }
    }
}

impl PartialEq for Policy {
    /// Policies of your own are equal if they are the same object.
    fn eq(&self, other: &Policy) -> bool {
        match (self, other) {
            (Policy::Custom(one), Policy::Custom(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.name().is_some() && one.name() == other.name(),
        }
    }
}

impl Eq for Policy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_its_policy() {
        for name in Policy::NAMES {
            assert_eq!(Policy::named(name).unwrap().name(), Some(name));
        }
        assert_eq!(Policy::named("random"), None);
        let own = Policy::Custom(Arc::new(LeastLoaded));
        assert!(own == own.clone() && own != Policy::Custom(Arc::new(LeastLoaded)) && own != Policy::LeastLoaded);
    }
}

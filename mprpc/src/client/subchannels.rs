//! `Subchannels`: the subchannels of a channel, one for each endpoint. Services at the same endpoint share one
//! subchannel.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::health_check;
use super::latencies::MethodLatencies;
use super::options::{ChannelOptions, Connect};
use super::retry_budget::RetryBudget;
use super::subchannel::Subchannel;
use super::weak_map::WeakMap;
use crate::balancer::Balancer;
use crate::endpoint::{Address, Endpoint, Protocol};
use crate::net::clock;

/// The subchannels of a channel, and what all its calls share. The pickers of its services keep the subchannels alive.
pub(super) struct Subchannels {
    options: Arc<ChannelOptions>,
    connect: Connect,
    pub(super) retries: Arc<RetryBudget>,
    pub(super) latencies: MethodLatencies,
    /// The balancing policy of the channel.
    balancer: Arc<dyn Balancer>,
    /// A random number by which the channel chooses its subset of a large fleet.
    caller: u64,
    since: Instant,
    by_endpoint: Mutex<WeakMap<Arc<Endpoint>, Subchannel>>,
}

impl Subchannels {
    pub(super) fn new(options: Arc<ChannelOptions>, connect: Connect) -> Subchannels {
        let since = clock::now();
        let (retries, latencies) = (Arc::new(RetryBudget::new(since)), MethodLatencies::default());
        let balancer = options.balancer.balancer(&options.zone);
        let (caller, by_endpoint) = (fastrand::u64(..), Mutex::default());
        Subchannels { options, connect, retries, latencies, balancer, caller, since, by_endpoint }
    }

    pub(super) fn balancer(&self) -> &dyn Balancer {
        &*self.balancer
    }

    pub(super) fn caller(&self) -> u64 {
        self.caller
    }

    pub(super) fn options(&self) -> &ChannelOptions {
        &self.options
    }

    /// The subchannel of an endpoint, if something holds it.
    pub(super) fn find(&self, endpoint: &Endpoint) -> Option<Arc<Subchannel>> {
        self.by_endpoint.lock().unwrap_or_else(PoisonError::into_inner).find(endpoint)
    }

    /// Opens a connection to the address and closes it. Whether that worked is all that a caller learns.
    pub(super) async fn probe(&self, address: Address) -> bool {
        (self.connect)(address).await.is_ok()
    }

    /// The subchannel of an endpoint: the existing one, or a new one.
    pub(super) fn at(&self, endpoint: &Endpoint) -> Arc<Subchannel> {
        let mut subchannels = self.by_endpoint.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subchannel) = subchannels.find(endpoint) {
            return subchannel;
        }
        let endpoint = Arc::new(endpoint.clone());
        let (options, connect, retries) = (self.options.clone(), self.connect.clone(), self.retries.clone());
        let subchannel = Arc::new(Subchannel::new(endpoint.clone(), options, connect, retries, self.since));
        let interval = self.options.health_check_interval;
        if !interval.is_zero() && endpoint.protocol != Protocol::Classic {
            crate::net::background().spawn(health_check::run(Arc::downgrade(&subchannel), interval));
        }
        subchannels.insert(endpoint, &subchannel);
        subchannel
    }
}

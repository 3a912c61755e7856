//! `Subchannels`: the subchannels of a channel, one for each endpoint. Services at the same endpoint share one
//! subchannel.

use std::sync::{Arc, Mutex, PoisonError};

use super::options::{ChannelOptions, Connect};
use super::subchannel::Subchannel;
use super::weak_map::WeakMap;
use crate::endpoint::Endpoint;

/// The subchannels of a channel. The pickers of its services keep them alive.
pub(super) struct Subchannels {
    options: Arc<ChannelOptions>,
    connect: Connect,
    by_endpoint: Mutex<WeakMap<Arc<Endpoint>, Subchannel>>,
}

impl Subchannels {
    pub(super) fn new(options: Arc<ChannelOptions>, connect: Connect) -> Subchannels {
        Subchannels { options, connect, by_endpoint: Mutex::default() }
    }

    pub(super) fn options(&self) -> &ChannelOptions {
        &self.options
    }

    /// The subchannel of an endpoint: the existing one, or a new one.
    pub(super) fn at(&self, endpoint: &Endpoint) -> Arc<Subchannel> {
        let mut subchannels = self.by_endpoint.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subchannel) = subchannels.find(endpoint) {
            return subchannel;
        }
        let endpoint = Arc::new(endpoint.clone());
        let subchannel = Arc::new(Subchannel::new(endpoint.clone(), self.options.clone(), self.connect.clone()));
        subchannels.insert(endpoint, &subchannel);
        subchannel
    }
}

//! One host of a simulated network: what it serves, and the channels that lead out of it.

use std::fmt;
use std::sync::Arc;

use super::network::Network;
use crate::client::{Channel, ChannelOptions};
use crate::discovery::{Resolver, Target};
use crate::server::ServerStats;

/// A host of a [`Network`]: one process, so to speak. Cheap to clone; dropping it changes nothing.
#[derive(Clone)]
pub struct Host {
    pub(super) network: Network,
    pub(super) name: String,
}

impl Host {
    /// Its name: for a server its address, `10.0.0.1:8000`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A channel out of this host, as [`Channel::new`]: every connection goes over the simulated network.
    ///
    /// # Panics
    /// If `target` does not say where services are.
    pub fn channel(&self, target: &str) -> Channel {
        self.channel_with_options(target, ChannelOptions::default())
    }

    /// The same, with options.
    ///
    /// # Panics
    /// If `target` does not say where services are.
    pub fn channel_with_options(&self, target: &str, options: ChannelOptions) -> Channel {
        let resolver = target.parse::<Target>().and_then(|target| target.resolver());
        self.channel_from_resolver(resolver.unwrap_or_else(|error| panic!("{error}")), options)
    }

    /// The same, to what a resolver of your own finds: one that lists, loses and forgets providers as the test says.
    pub fn channel_from_resolver(&self, resolver: Arc<dyn Resolver>, options: ChannelOptions) -> Channel {
        let connect = self.network.connector(&self.name, options.limits.connect_timeout);
        // Its addresses are not those of this process.
        Channel::over(resolver, ChannelOptions { same_process: false, ..options }, connect)
    }

    /// What the server here has counted, also after its end; nothing where there never was one.
    pub fn stats(&self) -> ServerStats {
        self.network.stats(&self.name)
    }

    /// Stops the server here gracefully, as [`ServerHandle::stop`](crate::Running::stop) does.
    pub async fn stop(&self) {
        if let Some(running) = self.network.take_running(&self.name) {
            running.stop().await;
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.name)
    }
}

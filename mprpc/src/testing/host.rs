//! One host of a simulated network: its server, and the channels that start at the host.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::network::Network;
use crate::client::{Channel, ChannelOptions, Discovery};
use crate::discovery::{Resolver, Target};
use crate::server::ServerStats;

/// A host of a [`Network`], which stands for one process. A host is cheap to clone. Dropping it has no effect.
#[derive(Clone)]
pub struct Host {
    pub(super) network: Network,
    pub(super) name: String,
}

impl Host {
    /// The name of this host. The name of a server is its address, such as `10.0.0.1:8000`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens a channel from this host, as [`Channel::new`] does. Every connection goes over the simulated network.
    ///
    /// # Panics
    /// If `target` is not a valid target.
    pub fn channel(&self, target: &str) -> Channel {
        self.channel_with_options(target, ChannelOptions::default())
    }

    /// Opens a channel from this host with `options`.
    ///
    /// # Panics
    /// If `target` is not a valid target.
    pub fn channel_with_options(&self, target: &str, options: ChannelOptions) -> Channel {
        let resolver = target.parse::<Target>().and_then(|target| target.resolver());
        self.channel_from_resolver(resolver.unwrap_or_else(|error| panic!("{error}")), options)
    }

    /// Opens a channel from this host to the endpoints of `resolver`. A test's own resolver can add and remove endpoints.
    pub fn channel_from_resolver(&self, resolver: Arc<dyn Resolver>, options: ChannelOptions) -> Channel {
        let connect = self.network.connector(&self.name, options.limits.connect_timeout);
        // The addresses of the simulated network are not addresses of this process.
        let options = ChannelOptions { same_process: false, ..options };
        // The test's own runtime, so that the virtual time holds for discovery too.
        let runtime = Handle::try_current().unwrap_or_else(|_| crate::net::background().clone());
        let discovery = Discovery::new(&options, "resolver".to_owned(), runtime);
        Channel::over_with(resolver, options, connect, discovery)
    }

    /// The counters of this host's server. They outlive the server, and are zero if the host never had one.
    pub fn stats(&self) -> ServerStats {
        self.network.stats(&self.name)
    }

    /// Stops this host's server gracefully, as [`ServerHandle::stop`](crate::ServerHandle::stop) does.
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

//! `Channel`: finds the endpoints of services and holds what all calls over it share.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::call_options::BoundService;
use super::follower::Discovery;
use super::options::{ChannelOptions, Connect};
use super::service::{Keep, ServiceEndpoints};
use super::subchannels::Subchannels;
use super::weak_map::WeakMap;
use crate::discovery::{Resolver, ServiceResolution, Target};
use crate::endpoint::{Address, Endpoint};
use crate::error::{Error, ErrorKind};
use crate::interceptor::{Chain, Interceptor};
use crate::net::{self, Connector, Stream};
use crate::service::BoxFuture;
use crate::status::Status;

/// A channel to the services of one target. It is cheap to clone, and any thread and any runtime may use it. Dropping
/// the last clone and the last client of a channel closes its connections once their calls are done.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<ChannelShared>,
    /// The interceptors of every call over this channel. The first one runs first.
    pub(super) interceptors: Chain,
}

/// What the clones of a channel and its clients share.
struct ChannelShared {
    subchannels: Arc<Subchannels>,
    resolver: Arc<dyn Resolver>,
    discovery: Discovery,
    /// Which endpoints the channel uses. `None` if it uses all.
    keep: Option<Keep>,
    /// The endpoints of each service, for as long as a client of the service lives.
    services: Mutex<WeakMap<String, ServiceEndpoints>>,
}

impl Channel {
    /// Creates a channel to `target`: `zookeeper://a:2181,b:2181/chroot`, `file:/run/mprpc`,
    /// `list:127.0.0.1:8000,127.0.0.1:8001`, `127.0.0.1:8000`, `unix:/run/user.sock`, or `memory:users` for a server
    /// in this process. The prefix `classic:` before an address selects the C++ MPRPC protocol; `grpc://` and `grpcs://`
    /// call a gRPC server, without and with TLS.
    ///
    /// `new` opens no connection. The channel asks the registry when a client is created, and connects when a call is
    /// made.
    ///
    /// # Errors
    /// Fails if `target` is not a valid target.
    pub fn new(target: &str) -> Result<Channel, Error> {
        Channel::with_options(target, ChannelOptions::default())
    }

    /// Creates a channel with options. See [`Channel::new`] for the targets.
    ///
    /// # Errors
    /// Fails if `target` is not a valid target, or if the TLS files cannot be used.
    pub fn with_options(target: &str, options: ChannelOptions) -> Result<Channel, Error> {
        let connector = Connector::new(options.tls.as_ref(), &options.limits)?;
        let secure = without_grpcs(target);
        if secure.is_some() && options.tls.is_none() {
            return Err(Error::new(ErrorKind::Config, format!("'{target}' needs TLS: set ChannelOptions::tls")));
        }
        let target = secure.as_deref().unwrap_or(target);
        let target: Target = target.parse()?;
        let resolver = target.resolver()?;
        let discovery = Discovery::new(&options, target.to_string(), net::background().clone());
        Ok(Channel::over_with(resolver, options, connect_by(connector), discovery))
    }

    /// Creates a channel that finds endpoints with your own resolver. If the TLS files cannot be used, every call
    /// fails with that reason.
    pub fn from_resolver(resolver: Arc<dyn Resolver>, options: ChannelOptions) -> Channel {
        let connect = match Connector::new(options.tls.as_ref(), &options.limits) {
            Ok(connector) => connect_by(connector),
            Err(error) => {
                let why = error.to_string();
                Arc::new(move |_| -> BoxFuture<io::Result<Stream>> {
                    Box::pin(std::future::ready(Err(io::Error::other(why.clone()))))
                })
            }
        };
        Channel::over(resolver, options, connect)
    }

    /// Creates a channel that opens its connections with `connect`.
    pub(crate) fn over(resolver: Arc<dyn Resolver>, options: ChannelOptions, connect: Connect) -> Channel {
        let discovery = Discovery::new(&options, "resolver".to_owned(), net::background().clone());
        Channel::over_with(resolver, options, connect, discovery)
    }

    /// Does the same, and follows the endpoints as `discovery` says.
    pub(crate) fn over_with(
        resolver: Arc<dyn Resolver>,
        options: ChannelOptions,
        connect: Connect,
        discovery: Discovery,
    ) -> Channel {
        let connect = refreshing(connect, resolver.clone());
        let subchannels = Arc::new(Subchannels::new(Arc::new(options), connect));
        let shared = ChannelShared { subchannels, resolver, discovery, keep: None, services: Mutex::default() };
        Channel { shared: Arc::new(shared), interceptors: Chain::from([]) }
    }

    /// What the channel knows of each service that has a client, in the order of the names: whether the registry answers,
    /// since when it does not, how many endpoints there are, and how many of them get calls.
    pub fn resolutions(&self) -> Vec<ServiceResolution> {
        let services = self.shared.services.lock().unwrap_or_else(PoisonError::into_inner);
        let mut resolutions: Vec<ServiceResolution> =
            services.live().map(|(_, endpoints)| endpoints.resolution()).collect();
        resolutions.sort_by(|a, b| a.service.cmp(&b.service));
        resolutions
    }

    /// Returns the channel with one more interceptor; the connections stay shared. Interceptors run in the order in
    /// which they were added.
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Channel {
        let added: Arc<dyn Interceptor> = Arc::new(interceptor);
        self.interceptors = self.interceptors.iter().cloned().chain([added]).collect();
        self
    }

    /// Returns a channel to some of the endpoints: those that `keep` keeps, for example by a tag, a zone or an address. The
    /// connections and the budget of retries stay shared.
    ///
    /// `keep` runs on mprpc's background loop whenever the endpoints change.
    pub fn only(self, keep: impl Fn(&Endpoint) -> bool + Send + Sync + 'static) -> Channel {
        let Channel { shared, interceptors } = self;
        let before = shared.keep.clone();
        let keep: Keep =
            Arc::new(move |endpoint| before.as_ref().is_none_or(|before| before(endpoint)) && keep(endpoint));
        let shared = ChannelShared {
            subchannels: shared.subchannels.clone(),
            resolver: shared.resolver.clone(),
            discovery: shared.discovery.clone(),
            keep: Some(keep),
            services: Mutex::default(),
        };
        Channel { shared: Arc::new(shared), interceptors }
    }

    /// Returns one channel for each endpoint of a service, to call all of them. `service` is the full name,
    /// `fixbug.UserServiceRpc`. The channels are those of [`Channel::only`]; they do not follow providers that come later.
    ///
    /// # Errors
    /// UNAVAILABLE if no provider is listed. DEADLINE_EXCEEDED if the registry has not answered within
    /// `limits.call_timeout`.
    pub async fn each_endpoint(&self, service: &str) -> Result<Vec<Channel>, Status> {
        let endpoints = self.endpoints(service);
        let addresses = match Handle::try_current() {
            Ok(_) => endpoints.listed().await?,
            // The background loop has the timers that a caller without a runtime lacks.
            Err(_) => {
                let listed = net::background().spawn(async move { endpoints.listed().await });
                listed.await.unwrap_or_else(|_| Err(Status::internal("the background loop ended")))?
            }
        };
        let pinned = |address| self.clone().only(move |endpoint| endpoint.address == address);
        Ok(addresses.into_iter().map(pinned).collect())
    }

    /// Binds the channel to a service, for a client of that service.
    pub(super) fn service(self, name: &str) -> Arc<BoundService> {
        Arc::new(BoundService { endpoints: self.endpoints(name), interceptors: self.interceptors })
    }

    /// The endpoints of a service. All clients of the service share them.
    fn endpoints(&self, service: &str) -> Arc<ServiceEndpoints> {
        let mut services = self.shared.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoints) = services.find(service) {
            return endpoints;
        }
        let ChannelShared { subchannels, resolver, discovery, keep, .. } = &*self.shared;
        let (subchannels, resolver) = (subchannels.clone(), resolver.clone());
        let endpoints = ServiceEndpoints::follow(subchannels, resolver, service, discovery, keep.clone());
        services.insert(service.to_owned(), &endpoints);
        endpoints
    }
}

/// The target with `grpc://` in place of each `grpcs://`, which is gRPC that insists on TLS. `None` if it has none.
fn without_grpcs(target: &str) -> Option<String> {
    let target = target.trim();
    let (list, entries) = target.strip_prefix("list:").map_or(("", target), |entries| ("list:", entries));
    let mut is_secure = false;
    let entries: Vec<String> = entries
        .split(',')
        .map(|entry| match entry.trim().strip_prefix("grpcs://") {
            Some(address) => {
                is_secure = true;
                format!("grpc://{address}")
            }
            None => entry.to_owned(),
        })
        .collect();
    is_secure.then(|| format!("{list}{}", entries.join(",")))
}

/// Tells the resolver of each attempt to connect that failed.
fn refreshing(connect: Connect, resolver: Arc<dyn Resolver>) -> Connect {
    Arc::new(move |address: Address| -> BoxFuture<io::Result<Stream>> {
        let (connecting, resolver) = (connect(address), resolver.clone());
        Box::pin(async move {
            let connected = connecting.await;
            if connected.is_err() {
                resolver.refresh();
            }
            connected
        })
    })
}

fn connect_by(connector: Connector) -> Connect {
    let connector = Arc::new(connector);
    Arc::new(move |address: Address| -> BoxFuture<io::Result<Stream>> {
        let connector = connector.clone();
        Box::pin(async move { connector.connect(&address).await })
    })
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("options", self.shared.subchannels.options()).finish_non_exhaustive()
    }
}

//! `Channel`: finds the endpoints of services and holds what all calls over it share.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::reply_future::BoundService;
use super::service::ServiceEndpoints;
use super::subchannel::Subchannel;
use super::weak_map::WeakMap;
use crate::codec::Compression;
use crate::discovery::{Resolver, Target};
use crate::endpoint::{Address, Endpoint};
use crate::error::Error;
use crate::interceptor::{Chain, Interceptor};
use crate::limits::Limits;
use crate::method::MethodDescriptor;
use crate::net::{Connector, Stream};
use crate::service::BoxFuture;
use crate::tls::TlsClient;

/// A channel to the services of one target. It is cheap to clone, and any thread and any runtime may use it. Dropping
/// the last clone and the last client of a channel closes its connections once their calls are done.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<ChannelShared>,
    /// The interceptors of every call over this channel. The first one runs first.
    pub(super) interceptors: Chain,
}

/// Options of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// The limits of the channel. `limits.call_timeout` is the deadline of unary calls that set none.
    pub limits: Limits,
    /// Deadlines by method (`package.Service/Method`) or by service (`package.Service`). They also bound streams,
    /// which have no deadline by default.
    pub timeouts: BTreeMap<String, Duration>,
    /// How requests of at least `limits.compress_bytes_min` bytes are compressed, if the server accepts the
    /// algorithm. The first requests of a connection travel uncompressed, until the server's SETTINGS have arrived.
    pub compression: Option<Compression>,
    /// Whether calls wait, within their deadline, while no endpoint is reachable. Otherwise calls fail at once.
    pub wait_for_ready: bool,
    /// Whether a classic server that closes without a byte has sent an empty message. A failed server closes in the
    /// same way, so by default such a call fails and the status says so.
    pub classic_empty_reply: bool,
    /// Whether a classic reply is complete once it decodes and no byte has arrived for `limits.classic_reply_pause`.
    /// Needed for servers that keep the connection open.
    pub classic_reply_pause: bool,
    /// TLS for TCP endpoints. `None` means plain text.
    pub tls: Option<TlsClient>,
    /// Whether calls reach a server of the same process without a socket.
    ///
    /// The handler of a unary call runs on the caller's task; a streaming call uses an in-memory connection. The
    /// option has no effect if either side uses TLS for the address, or if the endpoint speaks the classic protocol.
    /// Set `false` to test the network path.
    pub same_process: bool,
    /// Whether callers on the endpoint's host connect to the Unix socket that the endpoint lists in the registry. If
    /// the socket is unreachable, the channel connects over TCP. The option has no effect with TLS.
    pub same_host: bool,
}

impl Default for ChannelOptions {
    fn default() -> ChannelOptions {
        ChannelOptions {
            limits: Limits::default(),
            timeouts: BTreeMap::new(),
            compression: None,
            wait_for_ready: false,
            classic_empty_reply: false,
            classic_reply_pause: false,
            tls: None,
            same_process: true,
            same_host: true,
        }
    }
}

/// What all calls over a channel share.
pub(super) struct ChannelShared {
    pub(super) options: Arc<ChannelOptions>,
    pub(super) connect: Connect,
    resolver: Arc<dyn Resolver>,
    /// Keyed by the full name of the service.
    services: Mutex<WeakMap<String, ServiceEndpoints>>,
    /// One subchannel for each endpoint, shared by all services at that endpoint.
    subchannels: Mutex<WeakMap<Arc<Endpoint>, Subchannel>>,
}

/// Opens a connection to an address. The test kit replaces it with a simulated network.
pub(crate) type Connect = Arc<dyn Fn(Address) -> BoxFuture<io::Result<Stream>> + Send + Sync>;

impl ChannelOptions {
    /// The timeout that the channel sets for calls of a method that set none.
    pub(super) fn timeout_of(&self, method: &MethodDescriptor) -> Option<Duration> {
        if self.timeouts.is_empty() {
            return None;
        }
        self.timeouts.get(&*method.path).or_else(|| self.timeouts.get(method.service())).copied()
    }
}

impl Channel {
    /// Creates a channel to `target`: `zookeeper://a:2181,b:2181/chroot`, `file:/run/mprpc`,
    /// `list:127.0.0.1:8000,127.0.0.1:8001`, `127.0.0.1:8000`, `unix:/run/user.sock`, or `memory:users` for a server
    /// in this process. The prefix `classic:` before an address selects the C++ MPRPC protocol.
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
        Ok(Channel::over(target.parse::<Target>()?.resolver()?, options, connect_by(connector)))
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
        let shared = ChannelShared {
            options: Arc::new(options),
            connect,
            resolver,
            services: Mutex::default(),
            subchannels: Mutex::default(),
        };
        Channel { shared: Arc::new(shared), interceptors: Chain::from([]) }
    }

    /// Returns the channel with one more interceptor; the connections stay shared. Interceptors run in the order in
    /// which they were added.
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Channel {
        let added: Arc<dyn Interceptor> = Arc::new(interceptor);
        self.interceptors = self.interceptors.iter().cloned().chain([added]).collect();
        self
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
        let resolutions = self.shared.resolver.watch(service);
        let endpoints = ServiceEndpoints::follow(self.shared.clone(), service, resolutions);
        services.insert(service.to_owned(), &endpoints);
        endpoints
    }
}

fn connect_by(connector: Connector) -> Connect {
    let connector = Arc::new(connector);
    Arc::new(move |address: Address| -> BoxFuture<io::Result<Stream>> {
        let connector = connector.clone();
        Box::pin(async move { connector.connect(&address).await })
    })
}

impl ChannelShared {
    /// Returns the subchannel of an endpoint and creates it if needed.
    pub(super) fn subchannel(&self, endpoint: &Endpoint) -> Arc<Subchannel> {
        let mut subchannels = self.subchannels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subchannel) = subchannels.find(endpoint) {
            return subchannel;
        }
        let endpoint = Arc::new(endpoint.clone());
        let subchannel = Arc::new(Subchannel::new(endpoint.clone(), self.options.clone(), self.connect.clone()));
        subchannels.insert(endpoint, &subchannel);
        subchannel
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

//! A way to services: where they are, and what all calls over it share.

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

/// A way to services. Cheap to clone; any thread and any runtime may use it. Dropping the last clone and the last
/// client made from it closes its connections once their calls are done.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<ChannelShared>,
    /// What sees every call over this channel, first to last.
    pub(super) interceptors: Chain,
}

/// What can be chosen for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Bounds; the deadline of calls that say none is `limits.call_timeout`.
    pub limits: Limits,
    /// The deadline of the calls of some methods, by `package.Service/Method`, or of all methods of a service, by
    /// `package.Service`. It also bounds streams, which have none otherwise.
    pub timeouts: BTreeMap<String, Duration>,
    /// How requests of `limits.compress_bytes_min` and more are compressed, where the server accepts it; the first ones
    /// of a connection travel as they are, until it has said so.
    pub compression: Option<Compression>,
    /// Whether calls wait, within their deadline, while no endpoint can be reached, instead of failing at once.
    pub wait_for_ready: bool,
    /// Whether a classic server that closes without a byte has answered with an empty message. Its bytes are the same
    /// as those of a failure, so the default is an error that says so.
    pub classic_empty_reply: bool,
    /// Whether a classic reply is complete once it decodes and nothing more came for `limits.classic_reply_pause`: for
    /// servers that keep the connection open.
    pub classic_reply_pause: bool,
    /// TLS to the TCP endpoints. `None`: plain text.
    pub tls: Option<TlsClient>,
    /// Whether calls to a server in this process reach it without a socket: those with one request and one reply run its
    /// handler on the task of their caller, those with streams go over a connection in memory. Never where either side
    /// has TLS for the address, nor where the classic frame is asked for. `false` for tests of what is between the two.
    pub same_process: bool,
    /// Whether an endpoint that says in the registry at which Unix socket it listens too is connected to there, by
    /// callers on its host; over TCP where that socket cannot be reached. Never with TLS.
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
    /// By full name.
    services: Mutex<WeakMap<String, ServiceEndpoints>>,
    /// One for each endpoint, whichever service it was found for.
    subchannels: Mutex<WeakMap<Arc<Endpoint>, Subchannel>>,
}

/// How connections are opened; the test kit puts a simulated network in its place.
pub(crate) type Connect = Arc<dyn Fn(Address) -> BoxFuture<io::Result<Stream>> + Send + Sync>;

impl ChannelOptions {
    /// The deadline of a method's calls where they do not say one themselves, and the channel does.
    pub(super) fn timeout_of(&self, method: &MethodDescriptor) -> Option<Duration> {
        if self.timeouts.is_empty() {
            return None;
        }
        self.timeouts.get(&*method.path).or_else(|| self.timeouts.get(method.service())).copied()
    }
}

impl Channel {
    /// A channel to what `target` names: `zookeeper://a:2181,b:2181/chroot`, `file:/run/mprpc`,
    /// `list:127.0.0.1:8000,127.0.0.1:8001`, `127.0.0.1:8000`, `unix:/run/user.sock`, `memory:users` for a
    /// server in this process; with `classic:` before an address where the C++ MPRPC frame is spoken.
    ///
    /// Connects to nothing: the registry is asked once a client is made from it, endpoints once a call is made.
    pub fn new(target: &str) -> Result<Channel, Error> {
        Channel::with_options(target, ChannelOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// A target that is none; files of TLS that cannot be used.
    pub fn with_options(target: &str, options: ChannelOptions) -> Result<Channel, Error> {
        let connector = Connector::new(options.tls.as_ref(), &options.limits)?;
        Ok(Channel::over(target.parse::<Target>()?.resolver()?, options, connect_by(connector)))
    }

    /// A channel to what a resolver of your own finds. Where its files of TLS cannot be used, its calls fail and say so.
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

    /// The same, with connections of another kind.
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

    /// The same channel, over the same connections, with one more interceptor. The first one added sees a call first.
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Channel {
        let added: Arc<dyn Interceptor> = Arc::new(interceptor);
        self.interceptors = self.interceptors.iter().cloned().chain([added]).collect();
        self
    }

    /// A service over this channel, for a client of it.
    pub(super) fn service(self, name: &str) -> Arc<BoundService> {
        Arc::new(BoundService { endpoints: self.endpoints(name), interceptors: self.interceptors })
    }

    /// The endpoints of a service; the same ones for every client of it.
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
    /// The subchannel of an endpoint, the one there is or a new one.
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

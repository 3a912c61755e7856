//! The server side: listens at addresses, serves services, announces the services in a registry, and stops gracefully.

mod announcement;
mod call;
mod calls;
mod concurrency_limit;
mod cors;
mod executor;
mod health;
mod http1;
mod http2;
mod in_process;
mod incoming;
mod memory;
mod multiplexed;
mod one_shot;
mod openapi;
mod panic;
mod placement;
mod proxies;
mod reflection;
mod rest;
mod router;
mod served_call;
mod shared;
mod stop;
mod tls;
mod transport;
mod unix;
#[cfg(any(test, fuzzing))]
pub(crate) mod watched;
mod web;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::codec::Compression;
use crate::context::Peer;
use crate::discovery::{Registered, Registration, RegistrationState, Target};
use crate::endpoint::{Address, Endpoint};
use crate::error::{Error, ErrorKind};
use crate::in_process::LocalEndpoint;
use crate::interceptor::Interceptor;
use crate::limits::Limits;
use crate::method::Placement;
use crate::net::connection::{Close, drive};
use crate::net::handover::{self, Handover, Inherited};
use crate::net::tls::Acceptor;
use crate::net::{HandlerThreads, Listener, LoopGroup, Loops, Stream, clock};
use crate::service::{RawService, Service};
use crate::tls::TlsServer;
use announcement::announce;
pub use cors::Cors;
pub(crate) use cors::origin_fault;
pub use health::Health;
use health::HealthService;
use in_process::InProcessServer;
use incoming::{Acceptors, IncomingConnections, OpenConnections};
use openapi::OpenApi;
pub use openapi::OpenApiInfo;
use proxies::TrustedProxies;
pub use proxies::TrustedProxy;
use reflection::{ReflectionService, Schema};
use rest::RestRules;
pub use shared::ServerStats;
pub(crate) use {router::Router, shared::Shared, transport::Transport};

/// A server: serves services at addresses and announces them in a registry.
///
/// A program's `main` usually ends with [`Server::run`]. [`Server::start`] serves on event loops of its own, beside the
/// rest of the program. [`Server::serve`] serves on the ambient tokio runtime.
///
/// ```no_run
/// # use mprpc::{Error, Server, Service};
/// fn serve(service: impl Service) -> Result<(), Error> {
///     Server { registry: Some("file:/run/mprpc".into()), ..Server::default() }.add(service).run()
/// }
/// ```
pub struct Server {
    /// The addresses to listen at. Port 0 takes a free port; `memory:NAME` is for callers in this process.
    pub listen: Vec<Address>,
    /// The address to announce instead of the first address in `listen`, for example behind a NAT.
    pub advertise: Option<Address>,
    /// The registry in which to announce the services: `file:/run/mprpc`, `zookeeper://a:2181/chroot`. `None` announces
    /// nothing.
    pub registry: Option<String>,
    /// The folder for an additional Unix socket, for callers on this host. The server creates the folder if it is missing,
    /// names the socket after the announced address, and announces the socket beside that address. The server opens no
    /// socket without a registry, nor with TLS, as the socket carries plain text.
    pub unix_folder: Option<PathBuf>,
    /// The path of a Unix socket at which the next process takes over the listening sockets of this one, so that a restart
    /// refuses no connection. `None`: a restart closes the sockets. Linux only.
    ///
    /// A server that starts with the path of a running one serves at the sockets of that one, and the running one stops
    /// gracefully once the new one is ready. Both run as the same user.
    pub handover: Option<PathBuf>,
    /// TLS at the TCP addresses. `None` means plain text.
    pub tls: Option<TlsServer>,
    /// The proxies that may say for whom they act, by a PROXY header in front of a connection and by `x-forwarded-for` in
    /// the requests of HTTP. [`Peer::address`] is then the address of the caller, and [`Peer::proxy`] the proxy. Nobody else
    /// is believed.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Whether a connection from one of `trusted_proxies` has to begin with a PROXY header. Set it if one of them passes
    /// connections on byte by byte: without the header of the proxy, its caller could write one.
    pub proxy_header_required: bool,
    /// The number of event loops, each a thread; 0 means one for each core. [`Server::serve`] uses the ambient runtime
    /// instead.
    pub loops: usize,
    /// The number of handlers that compute at the same time beside the event loops; 0 means one for each core. Handlers
    /// that compute for long run there. [`Server::serve`] uses the ambient runtime instead.
    pub handler_threads: usize,
    /// Where handlers run, by method (`package.Service/Method`) or by service (`package.Service`). An entry for a method
    /// overrides an entry for its service; both override the `.proto` file.
    pub placement: BTreeMap<String, Placement>,
    /// Whether the server refuses calls that would wait too long for their turn, so that an overloaded server keeps its
    /// throughput. Set `false` only if something in front of the server protects it.
    pub overload_protection: bool,
    /// The limits of connections, calls, memory and time.
    pub limits: Limits,
    /// The services that the server serves; [`Server::add`] appends one.
    pub services: Vec<Arc<dyn Service>>,
    /// The service for all methods that no service in `services` has. It gets the name of the method, and messages as
    /// bytes.
    pub fallback: Option<Arc<dyn RawService>>,
    /// The interceptors, which see every call before its handler, in this order; [`Server::intercept`] appends one.
    pub interceptors: Vec<Arc<dyn Interceptor>>,
    /// How to compress replies of at least `limits.compress_bytes_min` bytes, where the caller accepts the algorithm.
    pub compression: Option<Compression>,
    /// The web pages of other origins that may call the server from a browser. Without an origin, none may.
    pub cors: Cors,
    /// The methods, as `package.Service/Method`, whose handlers go on when the caller cancels, disconnects or runs out of
    /// time. In such a handler [`Context::is_cancelled`](crate::Context::is_cancelled) returns true; the caller gets its
    /// answer at once. All other handlers are dropped at their next await.
    pub run_to_completion: Vec<String>,
    /// What the service `grpc.health.v1.Health` reports. `None` serves no such service. A service of that name in
    /// `services` replaces it. The registry does not list it.
    pub health: Option<Health>,
    /// Whether the server shows its schema to every caller: the `.proto` files of the services by `grpc.reflection.v1` and
    /// `v1alpha`, an OpenAPI document at `/openapi.json`, and the comments of services and methods on the page at `/`. The
    /// registry does not list the reflection services.
    pub reflection: bool,
    /// The title and the version in the OpenAPI document.
    pub openapi: OpenApiInfo,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
            advertise: None,
            registry: None,
            unix_folder: None,
            handover: None,
            tls: None,
            trusted_proxies: Vec::new(),
            proxy_header_required: false,
            loops: 0,
            handler_threads: 0,
            placement: BTreeMap::new(),
            overload_protection: true,
            limits: Limits::default(),
            services: Vec::new(),
            fallback: None,
            interceptors: Vec::new(),
            compression: None,
            cors: Cors::default(),
            run_to_completion: Vec::new(),
            health: Some(Health::default()),
            reflection: false,
            openapi: OpenApiInfo::default(),
        }
    }
}

impl Server {
    /// Adds a service. One server can serve several services at the same addresses.
    #[expect(clippy::should_implement_trait, reason = "the field's word for it; nobody adds two servers")]
    pub fn add(mut self, service: impl Service) -> Server {
        self.services.push(Arc::new(service));
        self
    }

    /// Appends an interceptor. The interceptor that was added first sees a call first.
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Server {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Serves until SIGTERM or SIGINT, then stops gracefully; a second signal ends the process at once.
    ///
    /// Prints `listening on ADDRESS` once the server listens and `registered in URL` once the registry has every service.
    /// The calling thread handles signals, and accepts the connections that event loops do not accept themselves; the event
    /// loops do everything else.
    pub fn run(self) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::with_source(ErrorKind::System, "cannot start the accept loop", error))?;
        runtime.block_on(async {
            let signals = stop::Signals::install()?;
            let running = self.start_on(Handle::current())?;
            running.print_progress();
            signals.wait(running).await;
            Ok(())
        })
    }

    /// Serves on event loops of its own until [`ServerHandle::stop`]. The caller needs no runtime.
    pub fn start(self) -> Result<ServerHandle, Error> {
        self.start_on(crate::net::background().clone())
    }

    /// Serves on the ambient tokio runtime, without threads of its own, until [`ServerHandle::stop`].
    pub fn serve(self) -> Result<ServerHandle, Error> {
        self.listen_and_accept(Handle::current(), Loops::ambient(), None)
    }

    fn start_on(self, acceptor: Handle) -> Result<ServerHandle, Error> {
        let threads =
            Threads { group: LoopGroup::start(self.loops)?, handlers: HandlerThreads::start(self.handler_threads)? };
        self.listen_and_accept(acceptor, threads.group.loops().clone(), Some(threads))
    }

    /// Serves the connections that `listener` accepts, as [`Server::serve`] does, and listens nowhere else.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn serve_from(self, listener: Listener) -> Result<ServerHandle, Error> {
        self.accept_from(vec![listener], None, Handle::current(), Loops::ambient(), None, false)
    }

    /// Moves services, interceptors and settings out of the server, into the state that its connections share.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn share(&mut self) -> Result<Arc<Shared>, Error> {
        self.share_with(None)
    }

    /// Like `share`, with threads for handlers. Without threads, handlers run on the runtimes of their connections.
    fn share_with(&mut self, threads: Option<&HandlerThreads>) -> Result<Arc<Shared>, Error> {
        let mut router = Router::new(&self.limits);
        for service in self.services.drain(..) {
            router.add(service);
        }
        if let Some(health) = &self.health {
            router.add_built_in(Arc::new(HealthService(health.clone())));
        }
        if self.reflection {
            let schema = Schema::new(router.descriptors());
            for service in ReflectionService::versions(&schema) {
                router.add_built_in(Arc::new(service));
            }
        }
        router.set_fallback(self.fallback.take());
        // A service sorts before its methods, so an entry for a method is applied last and wins.
        for (path, placement) in &self.placement {
            if !router.place(path, *placement) {
                let message = format!("placement names {path}, which no service here has");
                return Err(Error::new(ErrorKind::Config, message));
            }
        }
        for path in &self.run_to_completion {
            if !router.run_to_completion(path) {
                let message = format!("run_to_completion names {path}, which no service here has");
                return Err(Error::new(ErrorKind::Config, message));
            }
        }
        self.cors.check()?;
        let interceptors = self.interceptors.drain(..).collect();
        let mut shared = Shared::new(router, self.limits.clone(), threads).with(interceptors, self.compression);
        shared.is_protected = self.overload_protection;
        shared.cors = self.cors.clone();
        shared.rest = RestRules::new(shared.router.descriptors());
        shared.shows_schema = self.reflection;
        shared.openapi = OpenApi::new(std::mem::take(&mut self.openapi));
        shared.health = self.health.take();
        shared.proxies = TrustedProxies {
            proxies: std::mem::take(&mut self.trusted_proxies),
            header_required: self.proxy_header_required,
        };
        shared.tls = self.tls.as_ref().map(|settings| Acceptor::new(settings, &self.limits)).transpose()?;
        if let Some(health) = &shared.health {
            // Nobody can ask before the server accepts calls.
            health.started(shared.router.descriptors().map(|service| service.name));
        }
        Ok(Arc::new(shared))
    }

    fn listen_and_accept(
        self,
        acceptor: Handle,
        loops: Loops,
        threads: Option<Threads>,
    ) -> Result<ServerHandle, Error> {
        let mut inherited = self.handover.as_deref().map(Inherited::take).transpose()?;
        let listeners = self.listen.iter().map(|address| handover::listen(&mut inherited, address));
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        self.accept_from(listeners, inherited, acceptor, loops, threads, true)
    }

    fn accept_from(
        mut self,
        mut listeners: Vec<Listener>,
        mut inherited: Option<Inherited>,
        acceptor: Handle,
        loops: Loops,
        threads: Option<Threads>,
        is_direct: bool,
    ) -> Result<ServerHandle, Error> {
        let registry = match &self.registry {
            Some(url) => Some((url.parse::<Target>()?.registry()?, url.clone())),
            None => None,
        };
        let mut addresses: Vec<Address> = listeners.iter().map(|listener| listener.address().clone()).collect();
        let announced = self.advertise.take().or(addresses.first().cloned());
        if let (Some((_, url)), Some(address)) = (&registry, &announced)
            && let Some(why) = unreachable(address)
        {
            let message = format!("{address} cannot be announced in {url}: {why}; set `advertise`");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let mut endpoint = announced.clone().map(Endpoint::new);
        if let (Some(folder), Some(endpoint), true) = (&self.unix_folder, &mut endpoint, registry.is_some())
            && let Some(listener) = unix::listen(folder, endpoint, self.tls.is_some(), &mut inherited)?
        {
            addresses.push(listener.address().clone());
            listeners.push(listener);
        }
        let shared = self.share_with(threads.as_ref().map(|threads| &threads.handlers))?;
        let open = Arc::new(OpenConnections::default());
        let incoming_connections = IncomingConnections { loops, shared: shared.clone(), open: open.clone() };
        let mut acceptors = Acceptors::start(listeners, &acceptor, threads.is_some(), &incoming_connections)?;
        let direct = InProcessServer::new(shared.clone(), incoming_connections);
        let reached_at = addresses.iter().chain(announced.iter().filter(|address| !addresses.contains(address)));
        let in_process_endpoints = if is_direct { direct.open(reached_at) } else { Vec::new() };
        let mut registered = Vec::new();
        // Becomes true while another process has the listening sockets.
        let is_shared = Arc::default();
        if let (Some((registry, _)), Some(endpoint)) = (&registry, &endpoint) {
            let announce = |service| {
                let registration = Registration::new(service, endpoint.clone()).with_successor(Arc::clone(&is_shared));
                announce(registry, registration, shared.health.as_ref(), &acceptor)
            };
            registered.extend(shared.router.announced().map(announce));
        }
        let registry = registry.map(|(_, url)| url);
        let handover = match inherited {
            None => None,
            Some(inherited) => {
                let sockets = acceptors.offer(&is_shared);
                let failed =
                    |error| Error::with_source(ErrorKind::Listen, "cannot prepare to hand the sockets over", error);
                let states = registered.iter().map(Registered::state).collect();
                let ready = is_announced(states, shared.health.clone(), shared.limits.drain_timeout);
                Some(Handover::start(inherited, sockets.map_err(failed)?, is_shared, ready, &acceptor))
            }
        };
        Ok(ServerHandle {
            addresses,
            registry,
            registered,
            acceptors,
            handover,
            shared,
            open,
            direct,
            in_process_endpoints,
            _threads: threads,
        })
    }
}

/// After `drain_timeout`, connections have so long to tell their callers that the calls in flight have failed.
const LAST_WORDS_TIME: Duration = Duration::from_millis(250);

/// A running server. Dropping the handle stops the server at once, without the grace of [`ServerHandle::stop`].
pub struct ServerHandle {
    addresses: Vec<Address>,
    registry: Option<String>,
    registered: Vec<Registered>,
    acceptors: Acceptors,
    /// Waits for the next process. It goes after `acceptors`, which close their sockets only if it has none.
    handover: Option<Handover>,
    shared: Arc<Shared>,
    /// The open connections.
    open: Arc<OpenConnections>,
    /// Serves the calls from this process; `in_process_endpoints` are the addresses at which they arrive.
    direct: Arc<InProcessServer>,
    in_process_endpoints: Vec<LocalEndpoint>,
    _threads: Option<Threads>,
}

/// The threads of a server.
struct Threads {
    group: LoopGroup,
    handlers: HandlerThreads,
}

impl ServerHandle {
    /// The addresses at which the server listens, in the order of [`Server::listen`], with real ports in place of port 0.
    /// The socket in [`Server::unix_folder`] comes last.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The counters of the server.
    pub fn stats(&self) -> ServerStats {
        self.shared.stats()
    }

    /// The state that the connections of the server share. The state may outlive the handle.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns once the registry has every service; returns at once if the server has no registry.
    pub async fn registered(&self) {
        for registered in &self.registered {
            let announced = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
            // An error means that the registration has ended: nothing is left to wait for.
            let _ = registered.state().wait_for(announced).await;
        }
    }

    /// Returns once another process has taken over the listening sockets, by [`Server::handover`]. Nothing more arrives here:
    /// call [`ServerHandle::stop`]. Never returns without `handover`.
    pub async fn handed_over(&self) {
        match &self.handover {
            Some(handover) => handover.done().await,
            None => std::future::pending().await,
        }
    }

    /// Stops gracefully, in this order: reports NOT_SERVING and withdraws the announcements, waits `withdraw_grace` so that
    /// callers see the withdrawal, refuses new calls, finishes calls in flight within `drain_timeout`, closes the
    /// connections. If another process has taken over the listening sockets, it also serves the announced address, so callers
    /// need no time to see the withdrawal.
    pub async fn stop(mut self) {
        let limits = self.shared.limits.clone();
        let is_handed_over = self.handover.as_ref().is_some_and(Handover::is_done);
        if let Some(health) = self.shared.health.as_ref().filter(|_| !is_handed_over) {
            health.stopping();
        }
        if !self.registered.is_empty() {
            let withdrawals = self.registered.drain(..).map(Registered::withdraw);
            let withdrawn = futures_util::future::join_all(withdrawals);
            if tokio::time::timeout(limits.drain_timeout, withdrawn).await.is_err() {
                tracing::warn!(drain_timeout = ?limits.drain_timeout, "the registry has not confirmed the withdrawal");
            }
            if !is_handed_over {
                tokio::time::sleep(limits.withdraw_grace).await;
            }
        }
        self.acceptors.finish_handshakes().await;
        self.in_process_endpoints.clear();
        self.direct.leave();
        let closed = self.acceptors.stop();
        self.shared.drain();
        // `self` owns the sender, so the waits end only with the last connection.
        let (mut open, mut left) = (self.open.count.subscribe(), self.open.count.subscribe());
        let drained = async {
            closed.await;
            let _ = open.wait_for(|open| *open == 0).await;
            self.direct.left().await;
            self.shared.ran_to_completion().await;
        };
        if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
            let connections = *self.open.count.borrow();
            tracing::warn!(connections, drain_timeout = ?limits.drain_timeout, "closing connections that did not drain in time");
            let _ = tokio::time::timeout(LAST_WORDS_TIME, left.wait_for(|open| *open == 0)).await;
        }
    }

    fn print_progress(&self) {
        #[expect(clippy::print_stdout, reason = "the documented output of Server::run")]
        fn say(what: &str, which: &dyn std::fmt::Display) {
            println!("{what} {which}");
        }
        for address in &self.addresses {
            tracing::info!(%address, "listening");
            say("listening on", address);
        }
        let Some(url) = self.registry.clone() else {
            return;
        };
        let states: Vec<_> = self.registered.iter().map(Registered::state).collect();
        tokio::spawn(async move {
            for mut state in states {
                let announced = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
                if state.wait_for(announced).await.is_err() {
                    return;
                }
            }
            tracing::info!(registry = url, "registered");
            say("registered in", &url);
        });
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        if let Some(health) = &self.shared.health {
            health.ended();
        }
        self.in_process_endpoints.clear();
        self.direct.close();
        self.acceptors.abort();
        for (_, connection) in &*self.open.aborts() {
            connection.abort();
        }
    }
}

/// Returns once the server is ready and all its announcements are made; the registry has `patience` for them.
async fn is_announced(
    states: Vec<tokio::sync::watch::Receiver<RegistrationState>>,
    health: Option<Health>,
    patience: Duration,
) {
    if let Some(health) = health {
        health.until_ready("", true).await;
    }
    let announced = async {
        for mut state in states {
            let is_settled = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
            // An error means that the registration has ended: nothing is left to wait for.
            let _ = state.wait_for(is_settled).await;
        }
    };
    if tokio::time::timeout(patience, announced).await.is_err() {
        tracing::warn!(drain_timeout = ?patience, "the registry has not confirmed the announcement; taking over all the same");
    }
}

/// Returns why a caller that finds this address in a registry cannot connect to it.
fn unreachable(address: &Address) -> Option<&'static str> {
    match address {
        Address::Tcp(address) if address.ip().is_unspecified() => Some("no caller can connect to it"),
        Address::Memory(_) => Some("no other process can connect to it"),
        _ => None,
    }
}

/// Serves one connection until it ends.
pub(crate) async fn serve_stream(stream: Stream, shared: Arc<Shared>) -> Close {
    let transport = Transport::new(shared.clone(), stream.peer.clone(), clock::now());
    serve_session(stream, transport, &shared).await
}

async fn serve_session(stream: Stream, transport: Transport, shared: &Shared) -> Close {
    let peer = stream.peer.clone();
    let close = drive(stream, transport, &shared.limits).await;
    ended(close, &peer, shared);
    close
}

/// Counts and logs the end of a connection, where there is something to report.
fn ended(close: Close, peer: &Peer, shared: &Shared) {
    if let Close::Io(error) = close {
        tracing::debug!(peer = %peer.address, %error, "connection failed");
    }
    if let Some((what, bound)) = ran_out(close, &shared.limits) {
        shared.reject_because(peer, what, &bound);
    }
}

/// Returns what the peer did not do in time, and the limit that it missed.
fn ran_out(close: Close, limits: &Limits) -> Option<(&'static str, String)> {
    let bound = |name: &str, bound: Duration| format!("{name} {bound:?}");
    Some(match close {
        Close::FirstByteTimeout => {
            ("nothing within first_byte_timeout", bound("first_byte_timeout", limits.first_byte_timeout))
        }
        Close::ReadTimeout => ("half a frame within read_timeout", bound("read_timeout", limits.read_timeout)),
        Close::WriteTimeout => {
            ("a peer that does not read within write_timeout", bound("write_timeout", limits.write_timeout))
        }
        Close::KeepaliveTimeout => {
            let interval = bound("keepalive_interval", limits.keepalive_interval);
            let timeout = bound("keepalive_timeout", limits.keepalive_timeout);
            ("a peer without a sign of life within keepalive_timeout", format!("{interval}, {timeout}"))
        }
        Close::Done
        | Close::Answered
        | Close::Idle
        | Close::Moves(_)
        | Close::PeerClosed
        | Close::Protocol
        | Close::Io(_) => {
            return None;
        }
    })
}

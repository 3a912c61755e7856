//! The provider's side: what listens, serves services, announces them, and stops gracefully.

mod call;
mod concurrency_limit;
mod executor;
mod in_process;
mod incoming;
mod memory;
mod multiplexed;
mod one_shot;
mod panic;
mod placement;
mod router;
mod served_call;
mod shared;
mod stop;
mod tls;
mod transport;
mod unix;

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
use crate::net::tls::Acceptor;
use crate::net::{HandlerThreads, Listener, LoopGroup, Loops, Stream, clock};
use crate::service::{RawService, Service};
use crate::tls::TlsServer;
use in_process::InProcessServer;
use incoming::{Acceptors, IncomingConnections, OpenConnections};
pub use shared::ServerStats;
pub(crate) use {router::Router, shared::Shared, transport::Transport};

/// A provider: services at addresses, announced in a registry.
///
/// [`Server::run`] is what a program's `main` ends with. [`Server::start`] serves on loops of its own beside the rest of
/// a program, and [`Server::serve`] on the tokio runtime that it is called on.
pub struct Server {
    /// Where to listen; port 0 takes a free one, `memory:NAME` is for callers in this process.
    pub listen: Vec<Address>,
    /// What callers are told instead of the first address in `listen`: behind a NAT, say.
    pub advertise: Option<Address>,
    /// Where to announce the services: `file:/run/mprpc`, `zookeeper://a:2181/chroot`. `None`: nowhere.
    pub registry: Option<String>,
    /// Where to listen at a Unix socket as well, for callers on this host: a folder, created where it is missing. The
    /// socket is named after the address that is announced, and said beside it in the registry. Not without a registry,
    /// and not with TLS, as it speaks plain text.
    pub unix_folder: Option<PathBuf>,
    /// TLS at the TCP addresses. `None`: plain text.
    pub tls: Option<TlsServer>,
    /// Event loops, each a thread; 0 means one for each core. [`Server::serve`] uses the ambient runtime instead.
    pub loops: usize,
    /// How many handlers compute at a time beside the event loops, where they compute for long; 0 means one for each core.
    /// [`Server::serve`] uses the ambient runtime instead.
    pub handler_threads: usize,
    /// Where handlers run, by method, `package.Service/Method`, or by service, `package.Service`. A method says more than its
    /// service, and both say more than the `.proto` file.
    pub placement: BTreeMap<String, Placement>,
    /// Whether calls are refused that would wait for their turn for too long, so that a server with too much to do goes on to
    /// do as much as it can. `false` only for what has a protection of its own in front of it.
    pub overload_protection: bool,
    /// Bounds.
    pub limits: Limits,
    /// What is served; [`Server::add`] appends.
    pub services: Vec<Arc<dyn Service>>,
    /// What serves the methods that no service does, by name and with bytes.
    pub fallback: Option<Arc<dyn RawService>>,
    /// What sees every call before its handler, first to last; [`Server::intercept`] appends.
    pub interceptors: Vec<Arc<dyn Interceptor>>,
    /// How replies of `limits.compress_bytes_min` and more are compressed, where the caller accepts it.
    pub compression: Option<Compression>,
    /// Methods, as `package.Service/Method`, whose handler goes on when the caller cancels, goes or runs out of time. Its
    /// [`Context::is_cancelled`](crate::Context::is_cancelled) says so; the caller is answered at once. All other handlers
    /// are dropped at their next await.
    pub run_to_completion: Vec<String>,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
            advertise: None,
            registry: None,
            unix_folder: None,
            tls: None,
            loops: 0,
            handler_threads: 0,
            placement: BTreeMap::new(),
            overload_protection: true,
            limits: Limits::default(),
            services: Vec::new(),
            fallback: None,
            interceptors: Vec::new(),
            compression: None,
            run_to_completion: Vec::new(),
        }
    }
}

impl Server {
    /// Adds a service. Several are served on the same addresses.
    #[expect(clippy::should_implement_trait, reason = "the field's word for it; nobody adds two servers")]
    pub fn add(mut self, service: impl Service) -> Server {
        self.services.push(Arc::new(service));
        self
    }

    /// Appends an interceptor. The first one added sees a call first.
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Server {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Serves until SIGTERM or SIGINT, then stops gracefully; a second signal ends the process at once.
    ///
    /// Prints `listening on ADDRESS` once it serves and `registered in URL` once every service is announced. Uses the
    /// calling thread for signals and the loops for everything else.
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

    /// Serves on loops of its own until [`ServerHandle::stop`]. Needs no runtime.
    pub fn start(self) -> Result<ServerHandle, Error> {
        self.start_on(crate::net::background().clone())
    }

    /// Serves on the tokio runtime that this is called on, without threads of its own, until [`ServerHandle::stop`].
    pub fn serve(self) -> Result<ServerHandle, Error> {
        self.listen_and_accept(Handle::current(), Loops::ambient(), None)
    }

    fn start_on(self, acceptor: Handle) -> Result<ServerHandle, Error> {
        let threads =
            Threads { group: LoopGroup::start(self.loops)?, handlers: HandlerThreads::start(self.handler_threads)? };
        self.listen_and_accept(acceptor, threads.group.loops().clone(), Some(threads))
    }

    /// Serves what comes out of `listener`, as [`Server::serve`] does, and listens nowhere else.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn serve_from(self, listener: Listener) -> Result<ServerHandle, Error> {
        self.accept_from(vec![listener], Handle::current(), Loops::ambient(), None, false)
    }

    /// What its connections will share: what is served, and how. Takes it out of the server.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn share(&mut self) -> Result<Arc<Shared>, Error> {
        self.share_with(None)
    }

    /// The same, with threads for handlers; without them handlers run on the runtimes of their connections.
    fn share_with(&mut self, threads: Option<&HandlerThreads>) -> Result<Arc<Shared>, Error> {
        let mut router = Router::new(&self.limits);
        for service in self.services.drain(..) {
            router.add(service);
        }
        router.set_fallback(self.fallback.take());
        // A service sorts before its methods, so that these have the last word.
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
        let interceptors = self.interceptors.drain(..).collect();
        let mut shared = Shared::new(router, self.limits.clone(), threads).with(interceptors, self.compression);
        shared.is_protected = self.overload_protection;
        shared.tls = self.tls.as_ref().map(|settings| Acceptor::new(settings, &self.limits)).transpose()?;
        Ok(Arc::new(shared))
    }

    fn listen_and_accept(
        self,
        acceptor: Handle,
        loops: Loops,
        threads: Option<Threads>,
    ) -> Result<ServerHandle, Error> {
        let listeners = self.listen.iter().map(Listener::bind).collect::<Result<Vec<_>, _>>()?;
        self.accept_from(listeners, acceptor, loops, threads, true)
    }

    fn accept_from(
        mut self,
        mut listeners: Vec<Listener>,
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
            && let Some(listener) = unix::listen(folder, endpoint, self.tls.is_some())?
        {
            addresses.push(listener.address().clone());
            listeners.push(listener);
        }
        let shared = self.share_with(threads.as_ref().map(|threads| &threads.handlers))?;
        let open = Arc::new(OpenConnections::default());
        let incoming_connections = IncomingConnections { loops, shared: shared.clone(), open: open.clone() };
        let acceptors = Acceptors::start(listeners, &acceptor, threads.is_some(), &incoming_connections)?;
        let direct = InProcessServer::new(shared.clone(), incoming_connections);
        let reached_at = addresses.iter().chain(announced.iter().filter(|address| !addresses.contains(address)));
        let in_process_endpoints = if is_direct { direct.open(reached_at) } else { Vec::new() };
        let mut registered = Vec::new();
        if let (Some((registry, _)), Some(endpoint)) = (&registry, &endpoint) {
            let announce = |service| registry.register(Registration { service, endpoint: endpoint.clone() });
            registered.extend(shared.router.descriptors().map(announce));
        }
        let registry = registry.map(|(_, url)| url);
        Ok(ServerHandle {
            addresses,
            registry,
            registered,
            acceptors,
            shared,
            open,
            direct,
            in_process_endpoints,
            _threads: threads,
        })
    }
}

/// A server that serves. Dropping it stops it at once, without the grace of [`ServerHandle::stop`].
pub struct ServerHandle {
    addresses: Vec<Address>,
    registry: Option<String>,
    registered: Vec<Registered>,
    acceptors: Acceptors,
    shared: Arc<Shared>,
    /// Connections that are open.
    open: Arc<OpenConnections>,
    /// Calls from this process, and where they find it.
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
    /// Where it listens, in the order of [`Server::listen`]: the real ports where 0 was asked for. The socket in
    /// [`Server::unix_folder`] is the last.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// What it has counted.
    pub fn stats(&self) -> ServerStats {
        self.shared.stats()
    }

    /// What its connections share; outlives it.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns once every service is announced; at once where there is no registry.
    pub async fn registered(&self) {
        for registered in &self.registered {
            let announced = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
            // An error means that the announcement has ended, and nothing is left to wait for.
            let _ = registered.state().wait_for(announced).await;
        }
    }

    /// Stops gracefully: withdraws the announcements, gives callers `withdraw_grace` to see it, refuses new calls,
    /// finishes those in flight within `drain_timeout`, closes.
    pub async fn stop(mut self) {
        let limits = self.shared.limits.clone();
        if !self.registered.is_empty() {
            let withdrawals = self.registered.drain(..).map(Registered::withdraw);
            let withdrawn = futures_util::future::join_all(withdrawals);
            if tokio::time::timeout(limits.drain_timeout, withdrawn).await.is_err() {
                tracing::warn!(drain_timeout = ?limits.drain_timeout, "the registry has not confirmed the withdrawal");
            }
            tokio::time::sleep(limits.withdraw_grace).await;
        }
        self.in_process_endpoints.clear();
        self.direct.leave();
        let closed = self.acceptors.stop();
        self.shared.drain();
        let mut open = self.open.count.subscribe();
        let drained = async {
            closed.await;
            // The sender is in `self`, so the wait ends with the last connection alone.
            let _ = open.wait_for(|open| *open == 0).await;
            self.direct.left().await;
            self.shared.ran_to_completion().await;
        };
        let drained = tokio::time::timeout(limits.drain_timeout, drained).await.is_ok();
        if !drained {
            let connections = *self.open.count.borrow();
            tracing::warn!(connections, drain_timeout = ?limits.drain_timeout, "closing connections that did not drain in time");
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
        self.in_process_endpoints.clear();
        self.direct.close();
        self.acceptors.abort();
        for (_, connection) in &*self.open.aborts() {
            connection.abort();
        }
    }
}

/// Why callers that find this address in a registry cannot connect to it.
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

/// Counts and logs what has to be said of the end of a connection.
fn ended(close: Close, peer: &Peer, shared: &Shared) {
    if let Close::Io(error) = close {
        tracing::debug!(peer = %peer.address, %error, "connection failed");
    }
    if let Some((what, bound)) = ran_out(close, &shared.limits) {
        shared.reject_because(peer, what, &bound);
    }
}

/// What the peer did not do in time, and the bound of that.
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
        Close::Done | Close::Answered | Close::Moves(_) | Close::PeerClosed | Close::Protocol | Close::Io(_) => {
            return None;
        }
    })
}

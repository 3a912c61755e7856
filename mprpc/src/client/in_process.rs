//! Chooses the shortest path to an endpoint: a direct call to a server of this process, a Unix socket on this host,
//! or the endpoint's address.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, ready};

use arc_swap::ArcSwapOption;
use tokio::task::coop::poll_proceed;

use super::options::{ChannelOptions, Connect};
use super::transport::Request;
use crate::context::Context;
use crate::endpoint::{Address, Endpoint, Protocol};
use crate::in_process::{self, LocalCall, LocalRequest, LocalServer, Reply};
use crate::method::{Method, MethodKind};
use crate::net::{Stream, host_id, is_background};
use crate::service::{Body, BoxFuture};
use crate::status::{Phase, Ran, Status};

/// What a subchannel knows about the server of this process at its address.
#[derive(Default)]
pub(super) struct InProcess {
    found: ArcSwapOption<CachedServer>,
    in_flight: AtomicUsize,
}

/// A cached lookup in the table of servers, with the version of the table.
struct CachedServer {
    version: u64,
    server: Option<Weak<dyn LocalServer>>,
}

impl InProcess {
    /// Returns the server that handles this call directly, if there is one.
    #[inline]
    pub(super) fn server(
        &self,
        endpoint: &Endpoint,
        options: &ChannelOptions,
        method: &Method,
        has_message: bool,
    ) -> Option<Arc<dyn LocalServer>> {
        match in_process::version() {
            // Version 0 means that this process never had a server.
            0 => None,
            version => self.server_now(version, endpoint, options, method, has_message),
        }
    }

    /// Finds the server in this version of the table of servers.
    fn server_now(
        &self,
        version: u64,
        endpoint: &Endpoint,
        options: &ChannelOptions,
        method: &Method,
        has_message: bool,
    ) -> Option<Arc<dyn LocalServer>> {
        let is_unary = method.kind == MethodKind::Unary && has_message;
        // A handler on the background loop would block the registry and the calls of all threads without a runtime.
        if !is_unary || endpoint.protocol != Protocol::Native || is_background() {
            return None;
        }
        if let Some(found) = &*self.found.load()
            && found.version == version
        {
            return found.server.as_ref()?.upgrade();
        }
        let server = server_at(&endpoint.address, options);
        let found = CachedServer { version, server: server.as_ref().map(Arc::downgrade) };
        self.found.store(Some(Arc::new(found)));
        server
    }

    /// Makes one call on the polling task and returns the reply. Returns `None` if the server wants a connection for
    /// the call.
    pub(super) async fn call(
        &self,
        server: &dyn LocalServer,
        address: &Address,
        options: &ChannelOptions,
        request: &Request,
    ) -> Option<Result<Body, Status>> {
        let message = request.message.as_ref()?;
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let max = options.limits.in_flight_max;
        if in_flight >= max {
            let status = Status::resource_exhausted(format!("{max} calls in flight: in_flight_max {max}"));
            return Some(Err(status.with_phase(Phase::Queue).with_peer(address).with_ran(Ran::No)));
        }
        let context = &request.context;
        let begun = poll_fn(|cx| {
            // A call that never waits would otherwise starve other tasks of this thread.
            ready!(poll_proceed(cx)).made_progress();
            let request = LocalRequest { context, message, limits: &options.limits, in_flight };
            Poll::Ready(match server.begin(request, cx) {
                LocalCall::Running(mut running) => match running.as_mut().poll(cx) {
                    Poll::Ready(reply) => LocalCall::Ended(reply),
                    Poll::Pending => LocalCall::Running(running),
                },
                begun => begun,
            })
        });
        let reply = match begun.await {
            LocalCall::Declined => return None,
            LocalCall::Ended(reply) => reply,
            LocalCall::Running(running) => self.wait(running).await,
        };
        Some(received(reply, request))
    }

    /// Waits for the handler and counts the call as in flight.
    async fn wait(&self, running: BoxFuture<Reply>) -> Reply {
        struct InFlight<'a>(&'a AtomicUsize);
        impl Drop for InFlight<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let _in_flight = InFlight(&self.in_flight);
        running.await
    }
}

/// Returns the reply and copies its metadata and trailer to the caller's context.
fn received(reply: Reply, request: &Request) -> Result<Body, Status> {
    match &reply.message {
        Ok(_) => {
            if let Some(served) = reply.served.filter(Context::has_metadata) {
                *request.context.reply_metadata() = served.reply_metadata().clone();
                *request.context.trailer() = served.trailer().clone();
            }
        }
        Err(status) if !status.trailer().is_empty() => *request.context.trailer() = status.trailer().clone(),
        Err(_) => {}
    }
    reply.message.map(Body::Message)
}

/// Returns the server of this process at an address, if a channel with these options may reach it without a socket. A
/// channel with TLS must connect, because the server has to prove its identity.
fn server_at(address: &Address, options: &ChannelOptions) -> Option<Arc<dyn LocalServer>> {
    let is_over_tls = options.tls.is_some() && matches!(address, Address::Tcp(_) | Address::Host(..));
    if !options.same_process || is_over_tls {
        return None;
    }
    in_process::server_at(address)
}

/// Opens a connection to an endpoint: in memory if a server of this process serves it, else over its Unix socket if
/// that is reachable on this host, else to its address.
pub(super) async fn open(endpoint: &Endpoint, options: &ChannelOptions, connect: &Connect) -> io::Result<Stream> {
    if let Some(server) = server_at(&endpoint.address, options) {
        return server.connect();
    }
    if let Some(path) = path_on_this_host(endpoint, options) {
        match connect(Address::Unix(path.to_owned())).await {
            Ok(stream) => return Ok(stream),
            // The socket is unreachable, for example from another container of this host, or after the provider was
            // killed.
            Err(error) => {
                tracing::debug!(%endpoint, path = %path.display(), %error, "its Unix socket cannot be reached")
            }
        }
    }
    connect(endpoint.address.clone()).await
}

/// The Unix socket of an endpoint on this host. A channel with TLS does not use it.
fn path_on_this_host<'a>(endpoint: &'a Endpoint, options: &ChannelOptions) -> Option<&'a Path> {
    if !options.same_host || options.tls.is_some() {
        return None;
    }
    let unix = endpoint.unix.as_ref()?;
    (host_id() == Some(&*unix.host)).then_some(&*unix.path)
}

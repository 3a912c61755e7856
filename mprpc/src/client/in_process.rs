//! The shortest way to an endpoint: directly, where a server of this process serves it; over its Unix socket, where it has
//! one on this host; else to its address.

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

/// What a subchannel knows of the server at its address in this process.
#[derive(Default)]
pub(super) struct InProcess {
    found: ArcSwapOption<CachedServer>,
    in_flight: AtomicUsize,
}

/// What the table of servers said, and in which version.
struct CachedServer {
    version: u64,
    server: Option<Weak<dyn LocalServer>>,
}

impl InProcess {
    /// The server that this call goes to directly, if it does.
    #[inline]
    pub(super) fn server(
        &self,
        endpoint: &Endpoint,
        options: &ChannelOptions,
        method: &Method,
        has_message: bool,
    ) -> Option<Arc<dyn LocalServer>> {
        match in_process::version() {
            // There never was a server in this process.
            0 => None,
            version => self.server_now(version, endpoint, options, method, has_message),
        }
    }

    /// The same, by this version of the table of servers.
    fn server_now(
        &self,
        version: u64,
        endpoint: &Endpoint,
        options: &ChannelOptions,
        method: &Method,
        has_message: bool,
    ) -> Option<Arc<dyn LocalServer>> {
        let is_unary = method.kind == MethodKind::Unary && has_message;
        // A handler on the background loop would hold up the registry, and every other call of threads without a runtime.
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

    /// Makes one call up to its reply, on the task that polls this; `None` where the server wants a connection for it.
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
            // What waits for nothing would keep the thread from all others.
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

    /// Waits for the handler. The call counts as in flight meanwhile.
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

/// The reply, and what travelled beside it, as the caller knows them.
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

/// The server of this process at an address, where a channel with these options reaches it without a socket. What is to
/// be spoken to over TLS has to prove itself there.
fn server_at(address: &Address, options: &ChannelOptions) -> Option<Arc<dyn LocalServer>> {
    let is_over_tls = options.tls.is_some() && matches!(address, Address::Tcp(_) | Address::Host(..));
    if !options.same_process || is_over_tls {
        return None;
    }
    in_process::server_at(address)
}

/// Opens a connection to an endpoint: in memory, where a server of this process serves it; at its Unix socket, where it
/// has one on this host that can be reached.
pub(super) async fn open(endpoint: &Endpoint, options: &ChannelOptions, connect: &Connect) -> io::Result<Stream> {
    if let Some(server) = server_at(&endpoint.address, options) {
        return server.connect();
    }
    if let Some(path) = path_on_this_host(endpoint, options) {
        match connect(Address::Unix(path.to_owned())).await {
            Ok(stream) => return Ok(stream),
            // As another container on this host finds it, or after a provider that was killed.
            Err(error) => {
                tracing::debug!(%endpoint, path = %path.display(), %error, "its Unix socket cannot be reached")
            }
        }
    }
    connect(endpoint.address.clone()).await
}

/// The Unix socket at which an endpoint listens on this host. What is to be spoken to over TLS is not spoken to there.
fn path_on_this_host<'a>(endpoint: &'a Endpoint, options: &ChannelOptions) -> Option<&'a Path> {
    if !options.same_host || options.tls.is_some() {
        return None;
    }
    let unix = endpoint.unix.as_ref()?;
    (host_id() == Some(&*unix.host)).then_some(&*unix.path)
}

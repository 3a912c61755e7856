//! Serves calls from this process without a connection, on the task of the caller, under the same rules as calls over a
//! socket. A call with a stream uses a connection in memory instead.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{self, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::call::{RunningCall, Step};
use super::router::Route;
use super::shared::Shared;
use super::{IncomingConnections, unreachable};
use crate::context::{Context, Peer};
use crate::endpoint::Address;
use crate::in_process::{LocalCall, LocalEndpoint, LocalRequest, LocalServer, Reply};
use crate::metadata::Metadata;
use crate::method::{Method, MethodDescriptor, Placement};
use crate::net::memory::PIPE_BYTES;
use crate::net::timer::Timer;
use crate::net::{Accepted, Stream, clock};
use crate::protocol::metadata_bytes;
use crate::service::Body;
use crate::status::{Code, Phase, Ran, Status, milliseconds};

/// A server, as callers in its process reach it.
pub(super) struct InProcessServer {
    shared: Arc<Shared>,
    /// Routes by the address of the method's descriptor. Generated code shares that descriptor with callers in this
    /// process.
    routes: HashMap<usize, Route>,
    incoming_connections: IncomingConnections,
    /// The number of calls in flight, and the bit `LEAVING`.
    calls: AtomicUsize,
    idle: Notify,
    closed: AtomicBool,
    closing: Notify,
}

/// An in-process server at one of its addresses.
struct ServerAtAddress {
    direct: Arc<InProcessServer>,
    peer: Arc<Peer>,
}

/// The bit in `InProcessServer::calls` which says that the server accepts no more calls.
const LEAVING: usize = 1 << (usize::BITS - 1);

/// The most in-process calls that one thread polls inside each other. A deeper call goes over a connection, because a
/// service that calls itself must not run out of stack.
const NESTED_MAX: usize = 8;

thread_local! {
    static NESTED: Cell<usize> = const { Cell::new(0) };
}

impl InProcessServer {
    pub(super) fn new(shared: Arc<Shared>, incoming_connections: IncomingConnections) -> Arc<InProcessServer> {
        let methods = shared.router.descriptors().flat_map(|service| service.methods);
        let route = |method: &'static MethodDescriptor| {
            Some((std::ptr::from_ref(method) as usize, shared.router.route(&method.path).ok()?))
        };
        let routes = methods.filter_map(route).collect();
        Arc::new(InProcessServer {
            routes,
            incoming_connections,
            calls: AtomicUsize::new(0),
            idle: Notify::new(),
            closed: AtomicBool::new(false),
            closing: Notify::new(),
            shared,
        })
    }

    /// Opens the server to callers in this process, at each of `addresses` that accepts calls. A TCP address with TLS does
    /// not.
    pub(super) fn open<'a>(self: &Arc<Self>, addresses: impl IntoIterator<Item = &'a Address>) -> Vec<LocalEndpoint> {
        let takes_calls = |address: &&Address| match address {
            Address::Tcp(_) | Address::Host(..) => self.shared.tls.is_none() && unreachable(address).is_none(),
            Address::Unix(_) | Address::Memory(_) => true,
        };
        let open = |address: &Address| {
            // The caller has no address of its own; the server's address stands for it, as on a Unix socket.
            let peer = Peer { address: address.clone(), local: address.clone(), identity: None, proxy: None };
            LocalEndpoint::new(
                address.clone(),
                Arc::new(ServerAtAddress { direct: self.clone(), peer: Arc::new(peer) }),
            )
        };
        addresses.into_iter().filter(takes_calls).map(open).collect()
    }

    /// Stops accepting calls.
    pub(super) fn leave(&self) {
        self.calls.fetch_or(LEAVING, Ordering::AcqRel);
    }

    /// Returns once no call is in flight. Call [`InProcessServer::leave`] first.
    pub(super) async fn left(&self) {
        loop {
            let told = self.idle.notified();
            if self.calls.load(Ordering::Acquire) == LEAVING {
                return;
            }
            told.await;
        }
    }

    /// Ends all calls, as the loss of a connection does.
    pub(super) fn close(&self) {
        self.leave();
        self.closed.store(true, Ordering::Release);
        self.closing.notify_waiters();
    }

    fn route(&self, method: &Method) -> Result<Cow<'_, Route>, Status> {
        let known = method.as_static().and_then(|method| self.routes.get(&(std::ptr::from_ref(method) as usize)));
        known.map_or_else(|| self.shared.router.route(&method.path).map(Cow::Owned), |route| Ok(Cow::Borrowed(route)))
    }
}

/// Counts a call in flight until it is dropped.
struct InFlight(Arc<InProcessServer>);

impl InFlight {
    fn enter(direct: &Arc<InProcessServer>) -> Option<InFlight> {
        let entered = InFlight(direct.clone());
        let before = direct.calls.fetch_add(1, Ordering::AcqRel);
        (before & LEAVING == 0).then_some(entered)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::AcqRel) == LEAVING + 1 {
            // At most one task waits, and it may begin to wait after this, so the permit of `notify_one` has to be kept.
            self.0.idle.notify_one();
        }
    }
}

impl LocalServer for ServerAtAddress {
    fn begin(&self, request: LocalRequest<'_>, cx: &mut task::Context<'_>) -> LocalCall {
        let route = self.direct.route(request.context.method());
        // A handler that runs to completion must not end with the caller's runtime; a handler placed elsewhere must not run
        // there.
        let goes_elsewhere = |route: &Cow<'_, Route>| {
            route.runs_to_completion || matches!(route.placement.chosen(), Placement::Spread | Placement::Blocking)
        };
        if route.as_ref().is_ok_and(goes_elsewhere) || NESTED.get() >= NESTED_MAX {
            return LocalCall::Declined;
        }
        let shared = &self.direct.shared;
        shared.counters.calls.fetch_add(1, Ordering::Relaxed);
        let begun = clock::now();
        let (route, in_flight) = match self.admit(&request, route, begun) {
            Ok(admitted) => admitted,
            Err(status) => {
                let message = Err(self.failed(request.limits.metadata_bytes_max, None, status));
                return LocalCall::Ended(Reply { message, served: None });
            }
        };
        let (deadline, metadata) = (request.context.deadline(), request.context.metadata().clone());
        let context = Context::new(route.method.clone(), self.peer.clone(), deadline, metadata);
        let mut running = RunningCall::new(shared, &route, context);
        let message = Body::Message(request.message.clone());
        let polled = nested(|| running.begin_and_poll(shared, &route, message, cx));
        let mut call = Serving {
            bounds: Bounds::of(&request, shared),
            server: ServerAtAddress { direct: self.direct.clone(), peer: self.peer.clone() },
            running: Some(running),
            only: None,
            begun,
            _in_flight: in_flight,
        };
        match call.after_poll(polled, cx) {
            Poll::Ready(reply) => LocalCall::Ended(reply),
            Poll::Pending => LocalCall::Running(Box::pin(call.run())),
        }
    }

    fn connect(&self) -> io::Result<Stream> {
        if self.direct.calls.load(Ordering::Acquire) & LEAVING != 0 {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "refused: the server is stopping"));
        }
        let (near, far) = Stream::pair(self.peer.local.clone(), PIPE_BYTES);
        self.direct.incoming_connections.take(Accepted::Memory(far));
        Ok(near)
    }
}

impl ServerAtAddress {
    /// Admits the call, or returns why the call is refused.
    fn admit<'a>(
        &self,
        request: &LocalRequest<'_>,
        route: Result<Cow<'a, Route>, Status>,
        now: Instant,
    ) -> Result<(Cow<'a, Route>, InFlight), Status> {
        let refused = |status: Status| status.with_phase(Phase::Queue).with_ran(Ran::No);
        let exhausted = |what: String| Err(refused(Status::resource_exhausted(what)));
        let Some(in_flight) = InFlight::enter(&self.direct) else {
            return Err(refused(Status::unavailable("the server is stopping")));
        };
        let (context, limits) = (request.context, &self.direct.shared.limits);
        let max = limits.in_flight_max;
        if request.in_flight >= max {
            return exhausted(format!("{max} calls in flight: in_flight_max {max}"));
        }
        let (size, max) = (request.message.len(), limits.message_bytes_max);
        if size > max {
            return exhausted(too_long("a message", size, "message_bytes_max", max));
        }
        let (size, max) = (metadata_bytes(context.metadata()), limits.metadata_bytes_max);
        if size > max {
            return exhausted(too_long("metadata", size, "metadata_bytes_max", max));
        }
        let (size, max) = (context.method().path.len(), limits.method_path_bytes_max);
        if size > max {
            let what = too_long("a method path", size, "method_path_bytes_max", max);
            return Err(refused(Status::invalid_argument(what)));
        }
        let route = route.map_err(refused)?;
        if context.deadline().has_passed(now) {
            return Err(refused(Status::deadline_exceeded("the deadline passed before the handler began")));
        }
        Ok((route, in_flight))
    }

    /// Turns the status of a failed call into the status that the caller would get over a connection, with a trailer within
    /// `metadata_bytes_max`. `served` is the context that the handler had, and for how long the server had the call.
    fn failed(&self, metadata_bytes_max: usize, served: Option<(&Context, Duration)>, status: Status) -> Status {
        self.direct.shared.counters.ended(&status);
        // A handler that returns OK as its error has failed nevertheless.
        let mut status = if status.code() == Code::Ok { not_ok(status) } else { status };
        let mut trailer = status.trailer().clone();
        if let Some((context, spent)) = served {
            if context.has_metadata() {
                for (key, value) in context.trailer().iter() {
                    // The key and value were checked when the handler appended them.
                    drop(trailer.append(key, value));
                }
            }
            // A status that the handler chose itself needs no story.
            if !status.is_from_handler() || status.story().is_some() {
                let own = spent.saturating_sub(status.elapsed());
                status = status.with_hop(&format!("handle {} (itself {})", milliseconds(spent), milliseconds(own)));
            }
        }
        let (size, max) = (metadata_bytes(&trailer), metadata_bytes_max);
        if size > max {
            let why = too_long("metadata of the reply", size, "metadata_bytes_max", max);
            tracing::warn!(why, "the trailer of a call that failed is left out");
            trailer = Metadata::new();
        }
        let status = status.with_trailer(trailer).with_peer(&self.peer.local);
        match (status.ran(), status.phase()) {
            (Ran::No, _) => status.with_phase(Phase::Queue),
            (_, Some(_)) => status.with_ran(Ran::Yes).of_server(),
            (_, None) => status.with_ran(Ran::Yes),
        }
    }
}

/// Replaces the code OK of a failure by UNKNOWN.
fn not_ok(mut status: Status) -> Status {
    let details = std::mem::take(status.details_mut());
    let mut unknown = Status::unknown(status.message().to_owned()).with_trailer(status.trailer().clone());
    *unknown.details_mut() = details;
    unknown
}

fn too_long(what: &str, length: usize, limit: &str, max: usize) -> String {
    format!("{what} of {length} bytes is beyond {limit} {max}")
}

/// The bounds of a reply: the lower of the caller's limit and the server's limit.
struct Bounds {
    message_bytes_max: usize,
    metadata_bytes_max: usize,
}

impl Bounds {
    fn of(request: &LocalRequest<'_>, shared: &Shared) -> Bounds {
        let (caller, server) = (request.limits, &shared.limits);
        Bounds {
            message_bytes_max: server.message_bytes_max.min(caller.message_bytes_max),
            metadata_bytes_max: server.metadata_bytes_max.min(caller.metadata_bytes_max),
        }
    }

    fn check_message(&self, message: &Bytes) -> Result<(), Status> {
        let (size, max) = (message.len(), self.message_bytes_max);
        if size <= max {
            return Ok(());
        }
        let what = too_long("the reply", size, "message_bytes_max", max);
        Err(Status::resource_exhausted(what).with_phase(Phase::Reply))
    }

    fn check_metadata(&self, context: &Context) -> Result<(), Status> {
        if !context.has_metadata() {
            return Ok(());
        }
        let size = metadata_bytes(&context.reply_metadata()).max(metadata_bytes(&context.trailer()));
        let max = self.metadata_bytes_max;
        if size <= max {
            return Ok(());
        }
        let what = too_long("metadata of the reply", size, "metadata_bytes_max", max);
        Err(Status::resource_exhausted(what).with_phase(Phase::Reply))
    }
}

/// A call that is being served. Dropping it before the call has ended cancels the call.
struct Serving {
    server: ServerAtAddress,
    /// `None` once the call has ended.
    running: Option<RunningCall>,
    /// A first stream message that may be the only one, as from a proxy that does not know the kind of the method.
    only: Option<Bytes>,
    begun: Instant,
    bounds: Bounds,
    _in_flight: InFlight,
}

impl Serving {
    /// Drives the call after its first poll, until the reply, the deadline, or the end of the server.
    async fn run(mut self) -> Reply {
        let direct = self.server.direct.clone();
        let mut closing = pin!(direct.closing.notified());
        let mut timer = pin!(Timer::default());
        // `begin` has already polled the handler, with the same waker.
        let mut polled = true;
        std::future::poll_fn(|cx| {
            if !std::mem::take(&mut polled)
                && let Poll::Ready(reply) = self.poll(cx)
            {
                return Poll::Ready(reply);
            }
            if closing.as_mut().poll(cx).is_ready() || direct.closed.load(Ordering::Acquire) {
                // The server does not know how far the handler got.
                let status = Status::unavailable("the server was dropped").with_phase(Phase::Reply);
                let status = status.with_peer(&self.server.peer.local).with_ran(Ran::Maybe);
                return Poll::Ready(self.give_up(status));
            }
            self.poll_deadline(cx, timer.as_mut())
        })
        .await
    }

    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Reply> {
        let polled = self.poll_handler(cx);
        self.after_poll(polled, cx)
    }

    fn poll_handler(&mut self, cx: &mut task::Context<'_>) -> Poll<Step> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        nested(|| running.poll(cx))
    }

    /// Handles a step of the handler, and polls the handler again until the call ends or the handler is pending.
    fn after_poll(&mut self, mut polled: Poll<Step>, cx: &mut task::Context<'_>) -> Poll<Reply> {
        let step = loop {
            match ready!(polled) {
                Step::Opened => {}
                Step::Message(message) if self.only.is_none() => match self.bounds.check_message(&message) {
                    Ok(()) => self.only = Some(message),
                    Err(status) => break Step::Failed(status),
                },
                Step::Message(_) => {
                    let status = Status::internal("several messages where one was expected");
                    return Poll::Ready(self.give_up(status.with_phase(Phase::Reply)));
                }
                step => break step,
            }
            polled = self.poll_handler(cx);
        };
        Poll::Ready(match step {
            Step::Reply(message) => self.end(Ok(message)),
            Step::Failed(status) => self.end(Err(status)),
            _ => match self.only.take() {
                Some(message) => self.end(Ok(message)),
                None => self.give_up(Status::internal("the server sent no reply").with_phase(Phase::Reply)),
            },
        })
    }

    /// The handler may have brought its deadline forward, so this reads the deadline anew at each poll.
    fn poll_deadline(&mut self, cx: &mut task::Context<'_>, timer: Pin<&mut Timer>) -> Poll<Reply> {
        let Some(running) = &self.running else { return Poll::Pending };
        let Some(at) = running.context().deadline().instant() else { return Poll::Pending };
        ready!(timer.poll(cx, at));
        let expired = running.expired();
        Poll::Ready(self.end(Err(expired)))
    }

    fn end(&mut self, message: Result<Bytes, Status>) -> Reply {
        let Some(running) = self.running.take() else {
            return Reply { message, served: None };
        };
        let context = running.context().clone();
        let checked = message.and_then(|message| {
            self.bounds.check_message(&message)?;
            self.bounds.check_metadata(&context)?;
            Ok(message)
        });
        let message = checked.map_err(|status| {
            let spent = clock::now().saturating_duration_since(self.begun);
            self.server.failed(self.bounds.metadata_bytes_max, Some((&context, spent)), status)
        });
        if !running.has_ended() {
            self.cancel(running);
        }
        Reply { message, served: Some(context) }
    }

    /// Ends the call on behalf of its caller; `status` says why.
    fn give_up(&mut self, status: Status) -> Reply {
        if let Some(running) = self.running.take() {
            if !running.has_ended() {
                self.server.direct.shared.counters.given_up();
            }
            self.cancel(running);
        }
        Reply { message: Err(status), served: None }
    }

    fn cancel(&self, running: RunningCall) {
        nested(|| running.cancel(&self.server.direct.shared));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.running.is_some() {
            drop(self.give_up(Status::cancelled("given up by the caller")));
        }
    }
}

/// Runs `work` with the nesting depth of this thread increased by one; `work` may make in-process calls itself.
fn nested<T>(work: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            NESTED.set(NESTED.get() - 1);
        }
    }
    NESTED.set(NESTED.get() + 1);
    let _leave = Leave;
    work()
}

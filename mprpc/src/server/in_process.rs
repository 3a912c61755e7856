//! Calls from this process, without a connection: served on the task of the caller, within everything that holds over a
//! socket. A call with a stream comes over a connection in memory.

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

/// A server, as the callers of its process reach it.
pub(super) struct InProcessServer {
    shared: Arc<Shared>,
    /// By the address of the method's descriptor, which generated code shares with its callers here.
    routes: HashMap<usize, Route>,
    incoming_connections: IncomingConnections,
    /// Calls in flight, and `LEAVING`.
    calls: AtomicUsize,
    idle: Notify,
    closed: AtomicBool,
    closing: Notify,
}

/// The same at one of its addresses.
struct ServerAtAddress {
    direct: Arc<InProcessServer>,
    peer: Arc<Peer>,
}

/// No more calls are taken.
const LEAVING: usize = 1 << (usize::BITS - 1);

/// InProcessServer calls that are polled one within the other on a thread. The next goes over a connection: a service that calls
/// itself must not run out of stack.
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

    /// Lets the callers of this process in, at all of these addresses where one can be called; not where TLS is spoken.
    pub(super) fn open<'a>(self: &Arc<Self>, addresses: impl IntoIterator<Item = &'a Address>) -> Vec<LocalEndpoint> {
        let takes_calls = |address: &&Address| match address {
            Address::Tcp(_) | Address::Host(..) => self.shared.tls.is_none() && unreachable(address).is_none(),
            Address::Unix(_) | Address::Memory(_) => true,
        };
        let open = |address: &Address| {
            // The end that calls has no address of its own; it goes by that of the server, as on a Unix socket.
            let peer = Peer { address: address.clone(), local: address.clone(), identity: None };
            LocalEndpoint::new(
                address.clone(),
                Arc::new(ServerAtAddress { direct: self.clone(), peer: Arc::new(peer) }),
            )
        };
        addresses.into_iter().filter(takes_calls).map(open).collect()
    }

    /// Takes no more calls.
    pub(super) fn leave(&self) {
        self.calls.fetch_or(LEAVING, Ordering::AcqRel);
    }

    /// Returns once no call is in flight; to be asked after [`InProcessServer::leave`].
    pub(super) async fn left(&self) {
        loop {
            let told = self.idle.notified();
            if self.calls.load(Ordering::Acquire) == LEAVING {
                return;
            }
            told.await;
        }
    }

    /// Ends all calls, as a connection that is lost does.
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

/// A call in flight, for as long as it lives.
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
            // One waits at most, and may begin to after this.
            self.0.idle.notify_one();
        }
    }
}

impl LocalServer for ServerAtAddress {
    fn begin(&self, request: LocalRequest<'_>, cx: &mut task::Context<'_>) -> LocalCall {
        let route = self.direct.route(request.context.method());
        // What runs to completion must not end with the runtime of its caller; what is to run elsewhere must not run on it.
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
            door: ServerAtAddress { direct: self.direct.clone(), peer: self.peer.clone() },
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
    /// Lets the call in, or says why not.
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

    /// What a failed call answers with: what its status would have become on its way over a connection. The trailer is
    /// within `metadata_bytes_max`; `served` is what the handler had, and for how long.
    fn failed(&self, metadata_bytes_max: usize, served: Option<(&Context, Duration)>, status: Status) -> Status {
        self.direct.shared.counters.ended(&status);
        // A handler that fails with OK has failed all the same.
        let mut status = if status.code() == Code::Ok { not_ok(status) } else { status };
        let mut trailer = status.trailer().clone();
        if let Some((context, spent)) = served {
            if context.has_metadata() {
                for (key, value) in context.trailer().iter() {
                    // Checked when it was appended there.
                    drop(trailer.append(key, value));
                }
            }
            // What a handler answers of its own accord needs no story.
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
            (_, Some(_)) => status.with_phase(Phase::Handle).with_ran(Ran::Yes),
            (_, None) => status.with_ran(Ran::Yes),
        }
    }
}

/// The same failure under a code that is one.
fn not_ok(mut status: Status) -> Status {
    let details = std::mem::take(status.details_mut());
    let mut unknown = Status::unknown(status.message().to_owned()).with_trailer(status.trailer().clone());
    *unknown.details_mut() = details;
    unknown
}

fn too_long(what: &str, length: usize, limit: &str, max: usize) -> String {
    format!("{what} of {length} bytes is beyond {limit} {max}")
}

/// What a reply may have: the less of what either side allows.
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

/// A call that is being served. Dropping it before its end cancels it.
struct Serving {
    door: ServerAtAddress,
    /// `None` once it has ended.
    running: Option<RunningCall>,
    /// What may be the one message of a stream of replies, as a proxy makes it that does not know the kind of the method.
    only: Option<Bytes>,
    begun: Instant,
    bounds: Bounds,
    _in_flight: InFlight,
}

impl Serving {
    /// Goes on after the first poll, up to the reply, the deadline, or the end of the server.
    async fn run(mut self) -> Reply {
        let direct = self.door.direct.clone();
        let mut closing = pin!(direct.closing.notified());
        let mut timer = pin!(Timer::default());
        // The handler was polled already, with the same waker.
        let mut polled = true;
        std::future::poll_fn(|cx| {
            if !std::mem::take(&mut polled)
                && let Poll::Ready(reply) = self.poll(cx)
            {
                return Poll::Ready(reply);
            }
            if closing.as_mut().poll(cx).is_ready() || direct.closed.load(Ordering::Acquire) {
                // Nothing is known of how far the handler came.
                let status = Status::unavailable("the server was dropped").with_phase(Phase::Reply);
                let status = status.with_peer(&self.door.peer.local).with_ran(Ran::Maybe);
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

    /// What the handler has come to, and comes to now where that was not its end.
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

    /// The handler may have brought its deadline forward, so it is asked for anew each time.
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
            self.door.failed(self.bounds.metadata_bytes_max, Some((&context, spent)), status)
        });
        if !running.has_ended() {
            self.cancel(running);
        }
        Reply { message, served: Some(context) }
    }

    /// Ends it from the side of its caller, who says why.
    fn give_up(&mut self, status: Status) -> Reply {
        if let Some(running) = self.running.take() {
            if !running.has_ended() {
                self.door.direct.shared.counters.given_up();
            }
            self.cancel(running);
        }
        Reply { message: Err(status), served: None }
    }

    fn cancel(&self, running: RunningCall) {
        nested(|| running.cancel(&self.door.direct.shared));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.running.is_some() {
            drop(self.give_up(Status::cancelled("given up by the caller")));
        }
    }
}

/// Runs what may make direct calls itself, one deeper.
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

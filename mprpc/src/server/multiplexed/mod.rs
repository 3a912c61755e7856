//! The server's half of a native connection: many calls at the same time, each answered once it is ready.

mod in_flight;
mod lifetime;
mod replies;

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use self::in_flight::InFlight;
use self::lifetime::{Due, Lifetime};
use self::replies::{CallTimes, Replies, too_long};
use super::call::{FirstPoll, RunningCall};
use super::executor::{Flow, QueuedCall, RemoteCall};
use super::memory::{Account, WaitingMethods, compact, needs_reservation};
use super::placement::{PollMeter, RunOn};
use super::router::Route;
use super::served_call::ServedCall;
use super::shared::Shared;
use crate::context::{Context, Peer};
use crate::deadline::Deadline;
use crate::inbox::{Inbox, Receiving};
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::method::MethodKind;
use crate::net::connection::{Close, Turn};
use crate::net::{SendBuffer, clock};
use crate::protocol::Message;
use crate::protocol::flow::Windows;
use crate::protocol::native::{self, Decoded, Decoder, Header, PREFACE, PingGuard, Settings, flag, kind};
use crate::service::Body;
use crate::status::{Phase, Ran, Status};
use crate::streaming::Streaming;

pub(super) struct Multiplexed {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    decoder: Decoder,
    /// Whether the caller's preface has arrived.
    greeted: bool,
    /// Whether the preface and SETTINGS of this side were sent.
    introduced: bool,
    /// The settings of the caller: what it accepts.
    caller: Settings,
    /// Routes by the caller's method numbers. An unknown method has a status, with which each of its calls is refused.
    methods: Vec<Result<Route, Status>>,
    calls: InFlight,
    /// The windows that the caller must respect: the announced ones, but at least the defaults, which hold until the
    /// announcement arrives.
    windows: Windows,
    /// The announced window of a stream, by which the server gives credit.
    stream_window_bytes: u64,
    lifetime: Lifetime,
    /// The reason with which new calls are refused, once the connection is leaving.
    refuses_because: Cow<'static, str>,
    pings: PingGuard,
    /// The flow of this connection's calls, for a fair queue between callers.
    flow: Flow,
    meter: PollMeter,
    /// The handlers polled in this turn as their requests arrived.
    polls: u32,
    /// The context of the last call that ended at its first poll. The next call reuses its memory.
    spare: Option<Context>,
    memory: Arc<Account>,
    waiting: WaitingMethods,
    pressure: Pressure,
}

/// What the held memory means for the frames that come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pressure {
    None,
    /// No more frames are taken for now.
    Pause,
    /// New calls are refused.
    Shed,
}

/// How the peer broke the protocol. The text is sent to the peer.
type Violation = String;

impl Multiplexed {
    /// Creates the state of a connection that begins at `now`.
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>, memory: Arc<Account>, now: Instant) -> Multiplexed {
        let announced = Settings::of(&shared.limits).windows();
        Multiplexed {
            decoder: Decoder::of(&shared.limits).at_most(memory.connection_bytes_max()),
            greeted: false,
            introduced: false,
            caller: Settings::default(),
            methods: Vec::new(),
            calls: InFlight::new(),
            windows: announced.at_least(Settings::default().windows()),
            stream_window_bytes: announced.stream,
            refuses_because: "the server is going away".into(),
            lifetime: Lifetime::new(now, &shared.limits, fastrand::f64()),
            pings: PingGuard::default(),
            flow: Flow::of(&peer),
            meter: PollMeter::new(now),
            polls: 0,
            spare: None,
            peer,
            memory,
            waiting: WaitingMethods::default(),
            pressure: Pressure::None,
            shared,
        }
    }

    /// Bytes that have arrived and are not taken: of unread request streams, and of complete frames while the connection is
    /// paused.
    #[inline]
    pub(super) fn unread_bytes(&self) -> usize {
        self.calls.unread_bytes() + self.decoder.complete_bytes()
    }

    /// Forgives PINGs that arrive together, as the connection was not read from for so long.
    pub(super) fn was_paused(&mut self, paused: Duration) {
        self.pings.forgive(paused, self.shared.limits.ping_interval_min);
    }

    /// The number of parked calls, and the unread bytes of their request streams.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, u64) {
        (self.calls.len(), self.calls.unread_bytes() as u64)
    }

    /// Takes every complete frame. Returns whether a frame is incomplete.
    pub(super) fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        self.lifetime.heard();
        if !self.greeted {
            if input.len() < PREFACE.len() {
                return ControlFlow::Continue(true);
            }
            self.greet(turn, &input.split_to(PREFACE.len()))?;
        }
        let mut calls = 0;
        self.pressure = if self.memory.is_shedding() { Pressure::Shed } else { Pressure::None };
        let taken = loop {
            turn.paused =
                turn.output.len() > self.shared.limits.send_buffer_bytes_max || self.pressure == Pressure::Pause;
            if turn.paused {
                break Ok(());
            }
            match self.decoder.decode(input) {
                Decoded::NeedMore(missing) => {
                    if self.pressure == Pressure::Shed
                        && needs_reservation(input.len(), missing)
                        && let Some(header) = self.decoder.skip(input)
                    {
                        calls += u64::from(header.kind == kind::REQUEST);
                        match self.refuse_frame(turn.output, header, self.memory.refusal()) {
                            Ok(()) => continue,
                            Err(violation) => break Err(violation),
                        }
                    }
                    turn.missing = missing;
                    break Ok(());
                }
                Decoded::TooLong(header) => {
                    if let Err(violation) = self.refuse_too_long(turn.output, header) {
                        break Err(violation);
                    }
                }
                Decoded::Frame(header, body) => {
                    calls += u64::from(header.kind == kind::REQUEST);
                    if let Err(violation) = self.frame(turn, header, body) {
                        break Err(violation);
                    }
                }
            }
        };
        if calls > 0 {
            self.shared.counters.calls.fetch_add(calls, Ordering::Relaxed);
            self.lifetime.used(turn.now);
        }
        if self.pressure == Pressure::Pause {
            self.decoder.compact();
        }
        let polls = std::mem::take(&mut self.polls);
        if polls > 0 {
            self.meter.turn_ended(turn.now, polls, clock::now());
        }
        if let Err(violation) = taken {
            self.shared.reject_because(&self.peer, "a protocol error", &violation);
            self.replies(turn.output).go_away(&Status::internal(violation));
            return ControlFlow::Break(Close::Protocol);
        }
        ControlFlow::Continue(!turn.paused && self.decoder.is_inside_a_frame(input))
    }

    fn greet(&mut self, turn: &mut Turn<'_, '_>, preface: &[u8]) -> ControlFlow<Close> {
        self.introduce(turn.output);
        if preface != PREFACE {
            let version = preface[native::MAGIC_BYTES];
            self.shared.reject_because(&self.peer, "an unknown version of the protocol", &version.to_string());
            let why = Status::unimplemented(format!("version {version}; this server speaks version 1"));
            self.replies(turn.output).go_away(&why);
            return ControlFlow::Break(Close::Protocol);
        }
        self.greeted = true;
        ControlFlow::Continue(())
    }

    fn introduce(&mut self, output: &mut SendBuffer) {
        if !std::mem::replace(&mut self.introduced, true) {
            self.replies(output).greeting();
        }
    }

    fn replies<'a>(&'a self, output: &'a mut SendBuffer) -> Replies<'a> {
        Replies { output, caller: &self.caller, shared: &self.shared }
    }

    fn frame(&mut self, turn: &mut Turn<'_, '_>, header: Header, body: Bytes) -> Result<(), Violation> {
        match header.kind {
            kind::REQUEST => self.request(turn, header, body),
            kind::METHOD => self.method(header, &body),
            kind::DATA => self.data(turn, header, body),
            kind::CREDIT => {
                self.calls.credit(header.id, header.value.into());
                Ok(())
            }
            kind::CANCEL => {
                let why = Status::cancelled("cancelled by the caller").with_phase(Phase::Handle);
                if self.calls.cancel(header.id, why.clone(), &self.shared) {
                    self.replies(turn.output).refuse(header.id, why);
                }
                Ok(())
            }
            kind::PING => {
                let interval_min = self.shared.limits.ping_interval_min;
                if self.pings.is_one_too_many(turn.now, interval_min) {
                    return Err(format!("too many PINGs: ping_interval_min {interval_min:?}"));
                }
                self.replies(turn.output).pong(header.value);
                Ok(())
            }
            kind::SETTINGS => self.caller.merge(body).map_err(str::to_owned),
            // A server ignores PONG and GO_AWAY, and frame kinds of later versions.
            _ => Ok(()),
        }
    }

    fn method(&mut self, header: Header, path: &[u8]) -> Result<(), Violation> {
        let limits = &self.shared.limits;
        if usize::from(header.word) != self.methods.len() {
            return Err(format!("method number {} where {} is next", header.word, self.methods.len()));
        }
        if self.methods.len() >= limits.methods_max {
            return Err(format!("more methods than methods_max {}", limits.methods_max));
        }
        if path.len() > limits.method_path_bytes_max {
            let max = limits.method_path_bytes_max;
            return Err(format!("a method path of {} bytes is beyond method_path_bytes_max {max}", path.len()));
        }
        let path = std::str::from_utf8(path).map_err(|_| "a method path is not UTF-8".to_owned())?;
        self.methods.push(self.shared.router.route(path));
        self.waiting.add();
        Ok(())
    }

    fn request(&mut self, turn: &mut Turn<'_, '_>, header: Header, body: Bytes) -> Result<(), Violation> {
        self.check_id(header.id)?;
        let Some((metadata, message)) = native::split_body(header, body) else {
            return Err("metadata longer than its frame".to_owned());
        };
        let message = if self.waiting.may_wait(header.word) { compact(message) } else { message };
        let message = Message { bytes: message, compressed: header.has(flag::COMPRESSED) };
        if let Err(status) = self.serve(turn, header, metadata, message) {
            self.replies(turn.output).refuse(header.id, status);
        }
        Ok(())
    }

    /// Checks that a call may begin under this id.
    fn check_id(&self, id: u32) -> Result<(), Violation> {
        match id == 0 || self.calls.contains(id) {
            true => Err(format!("call id {id} is 0 or in use")),
            false => Ok(()),
        }
    }

    /// Begins a call, and answers it if it ends at its first poll. The error is the status with which the call is refused.
    fn serve(
        &mut self,
        turn: &mut Turn<'_, '_>,
        header: Header,
        metadata: Option<Bytes>,
        message: Message,
    ) -> Result<(), Status> {
        let Multiplexed { shared, caller, methods, calls, spare, .. } = self;
        let limits = &shared.limits;
        if self.lifetime.is_leaving() {
            return refused(Status::unavailable(self.refuses_because.clone()));
        }
        if self.pressure == Pressure::Shed {
            return Err(self.memory.refusal());
        }
        if calls.len() >= limits.in_flight_max {
            let max = limits.in_flight_max;
            return refused(Status::resource_exhausted(format!("{max} calls in flight: in_flight_max {max}")));
        }
        if message.bytes.len() > limits.message_bytes_max {
            return refused(too_long("a message", message.bytes.len(), "message_bytes_max", limits.message_bytes_max));
        }
        let metadata = match metadata {
            None => Metadata::new(),
            Some(bytes) => self::metadata(bytes, limits)?,
        };
        let route = match methods.get(usize::from(header.word)) {
            Some(Ok(route)) => route,
            Some(Err(status)) => return refused(status.clone()),
            None => return refused(Status::invalid_argument(format!("method number {} was not given", header.word))),
        };
        let run_on = route.placement.run_on();
        let flow = self.flow.with(&metadata);
        if let Some(overloaded) = shared.refuses(route, run_on, flow, turn.now) {
            return Err(overloaded);
        }
        let deadline = match header.value {
            0 | u32::MAX => Deadline::NONE,
            microseconds => Deadline::after(turn.now, Duration::from_micros(microseconds.into())),
        };
        let mut message_bytes = 0;
        let request = if header.has(flag::END) && !header.has(flag::OPEN) {
            let message = message.decode(limits.message_bytes_max).or_else(refused)?;
            message_bytes = message.len();
            Body::Message(message)
        } else if route.method.kind == MethodKind::Unary {
            let message = format!("{} takes one message, and a stream was sent", route.method.path);
            return refused(Status::invalid_argument(message));
        } else if header.has(flag::END) {
            Body::Stream(Streaming::empty())
        } else {
            let route = route.clone();
            let context = Context::new(route.method.clone(), self.peer.clone(), deadline, metadata);
            self.serve_stream(turn, header, run_on, route, context);
            return Ok(());
        };
        if run_on != RunOn::Loop {
            let route = route.clone();
            let context = Context::new(route.method.clone(), self.peer.clone(), deadline, metadata);
            self.serve_elsewhere(turn, header.id, run_on, route, context, request, None);
            return Ok(());
        }
        match spare {
            Some(spare) => spare.renew(&route.method, deadline, metadata),
            None => *spare = Some(Context::new(route.method.clone(), self.peer.clone(), deadline, metadata)),
        }
        let mut cx = task::Context::from_waker(calls.waker(header.id));
        self.polls += u32::from(route.placement.is_measured());
        let poll = || RunningCall::first_poll(shared, route, spare, request, &mut cx);
        let polled = self.meter.measured(&route.placement, poll);
        let mut replies = Replies { output: turn.output, caller, shared };
        match polled {
            FirstPoll::Ended(step) => {
                if let Some(context) = spare {
                    replies.end(header.id, CallTimes::default(), context, step);
                    if !context.clear() {
                        *spare = None;
                    }
                }
            }
            FirstPoll::Running(call, Poll::Ready(step)) if step.is_end() => {
                replies.end(header.id, CallTimes::default(), call.context(), step);
            }
            FirstPoll::Running(mut call, polled) => {
                self.waiting.waits(header.word);
                call.waits(route, flow.caller, turn.now);
                call.memory = self.memory.charge_call(message_bytes, call.context());
                let served = ServedCall::Here(call, route.placement.clone());
                calls.insert(header.id, turn.now, served, None, polled, &mut replies);
                self.note_pressure();
            }
        }
        Ok(())
    }

    /// Begins a call whose request stream is open. The handler is polled later in the turn, with the other calls: more
    /// of the stream may have arrived by then.
    fn serve_stream(&mut self, turn: &mut Turn<'_, '_>, header: Header, run_on: RunOn, route: Route, context: Context) {
        let requests = Inbox::new(self.stream_window_bytes);
        let source = self.calls.source(header.id, self.shared.limits.message_bytes_max);
        let request = Body::Stream(Streaming::new(Receiving::new(requests.clone(), source)));
        if run_on != RunOn::Loop {
            return self.serve_elsewhere(turn, header.id, run_on, route, context, request, Some(requests));
        }
        let Multiplexed { shared, caller, calls, .. } = self;
        let mut call = RunningCall::new(shared, &route, context);
        let mut replies = Replies { output: turn.output, caller, shared };
        if let Err(status) = call.begin(shared, &route, request) {
            return replies.refuse(header.id, status);
        }
        call.memory = self.memory.charge_call(0, call.context());
        let served = ServedCall::Here(call, route.placement);
        calls.insert(header.id, turn.now, served, Some(requests), Poll::Pending, &mut replies);
        self.note_pressure();
    }

    /// Stops taking frames if a parked call has brought the connection beyond its memory.
    fn note_pressure(&mut self) {
        if self.memory.is_beyond() {
            self.pressure = Pressure::Pause;
        }
    }

    /// Queues a call for another thread; the loop goes on reading.
    #[expect(clippy::too_many_arguments, reason = "a call and its parts, handed on once")]
    fn serve_elsewhere(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: u32,
        run_on: RunOn,
        route: Route,
        context: Context,
        request: Body,
        requests: Option<Arc<Inbox>>,
    ) {
        let Multiplexed { shared, caller, calls, flow, .. } = self;
        let flow = flow.with(context.metadata());
        // A queued message must not keep a read buffer alive.
        let (request, bytes) = match request {
            Body::Message(message) => (Body::Message(compact(message.clone())), message.len()),
            stream => (stream, 0),
        };
        let mut running = RunningCall::new(shared, &route, context);
        running.memory = self.memory.charge_call(bytes, running.context());
        let call = RemoteCall::new(&running, calls.waker(id).clone());
        let mut replies = Replies { output: turn.output, caller, shared };
        let served = ServedCall::Elsewhere(call.clone(), self.memory.charge_nothing());
        calls.insert(id, turn.now, served, requests, Poll::Pending, &mut replies);
        let queued = QueuedCall { call, running, route, request, caller: flow.caller, arrived: turn.now };
        shared.run_elsewhere(run_on, flow, queued, turn.now);
        self.note_pressure();
    }

    /// Takes a message of a request stream, or its end.
    fn data(&mut self, turn: &mut Turn<'_, '_>, header: Header, body: Bytes) -> Result<(), Violation> {
        let max = self.shared.limits.message_bytes_max;
        let message =
            (!header.has(flag::OPEN)).then(|| Message { bytes: body, compressed: header.has(flag::COMPRESSED) });
        if let Some(message) = &message
            && message.bytes.len() > max
        {
            return self.refuse_too_long(turn.output, header);
        }
        let unwanted = self.calls.request(header.id, message, header.has(flag::END), self.windows)?;
        if unwanted > 0 {
            self.replies(turn.output).credit(header.id, unwanted);
        }
        Ok(())
    }

    /// Polls the calls, and does what the connection's lifetime makes due.
    pub(super) fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        let Multiplexed { calls, caller, shared, meter, .. } = self;
        let mut replies = Replies { output: turn.output, caller, shared };
        calls.poll(turn.cx, turn.now, meter, &mut replies);
        turn.paused = replies.is_full();
        let pace = self.caller.pace(&self.shared.limits);
        while let Some(due) = self.lifetime.poll(turn, self.calls.len(), pace, &self.shared.limits) {
            match due {
                Due::Ping => self.replies(turn.output).ping(),
                Due::Dead => return ControlFlow::Break(Close::KeepaliveTimeout),
                Due::Leave(why) => {
                    self.introduce(turn.output);
                    self.replies(turn.output).go_away(&why);
                }
                Due::Close => {
                    self.cut_off(turn.output);
                    return ControlFlow::Break(Close::Done);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Fails the calls that are left, as their time to finish is over.
    fn cut_off(&mut self, output: &mut SendBuffer) {
        let grace = self.shared.limits.connection_age_grace;
        let why = format!("the connection was closed for its age; connection_age_grace {grace:?} was over");
        let why = Status::unavailable(why).with_phase(Phase::Handle);
        for id in self.calls.ids() {
            self.calls.cancel(id, why.clone(), &self.shared);
            self.replies(output).refuse(id, why.clone());
        }
    }

    /// Refuses new calls from now on, for this reason. The caller closes the connection after its last reply.
    pub(super) fn go_away(&mut self, turn: &mut Turn<'_, '_>, why: impl Into<Cow<'static, str>>) {
        let why = why.into();
        self.refuses_because = why.clone();
        self.lifetime.leave(Deadline::NONE);
        self.introduce(turn.output);
        self.replies(turn.output).go_away(&Status::unavailable(why));
    }

    fn refuse_too_long(&mut self, output: &mut SendBuffer, header: Header) -> Result<(), Violation> {
        let (length, limits) = (header.length as usize, &self.shared.limits);
        let share = self.memory.connection_bytes_max();
        let is_share = share <= limits.message_bytes_max || length <= Decoder::of(limits).body_bytes_max();
        let (limit, max) = match is_share && length > share {
            true => ("connection_memory_bytes_max", share),
            false => ("message_bytes_max", limits.message_bytes_max),
        };
        self.refuse_frame(output, header, too_long("a message", length, limit, max))
    }

    /// Answers a frame whose body is skipped: the frame's call does not begin, or fails.
    fn refuse_frame(&mut self, output: &mut SendBuffer, header: Header, status: Status) -> Result<(), Violation> {
        match header.kind {
            kind::REQUEST => {
                self.check_id(header.id)?;
                let status = status.with_phase(Phase::Queue).with_ran(Ran::No);
                self.replies(output).refuse(header.id, status);
                Ok(())
            }
            kind::DATA => {
                let status = status.with_phase(Phase::Handle).with_ran(Ran::Maybe);
                if self.calls.cancel(header.id, status.clone(), &self.shared) {
                    self.replies(output).refuse(header.id, status);
                }
                Ok(())
            }
            kind::SETTINGS | kind::METHOD => {
                Err(format!("a frame of kind {} with {} bytes", header.kind, header.length))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Multiplexed {
    /// Cancels the calls in flight: the connection is closed or lost, and nobody waits for them.
    fn drop(&mut self) {
        self.calls.cancel_all(&Status::unavailable("the connection to the caller was lost"), &self.shared);
    }
}

/// Decodes the metadata of a request.
fn metadata(bytes: Bytes, limits: &Limits) -> Result<Metadata, Status> {
    if bytes.len() > limits.metadata_bytes_max {
        return refused(too_long("metadata", bytes.len(), "metadata_bytes_max", limits.metadata_bytes_max));
    }
    native::decode_metadata(bytes).or_else(|what| refused(Status::invalid_argument(what)))
}

/// Marks the status of a call whose handler does not run.
fn refused<T>(status: Status) -> Result<T, Status> {
    Err(status.with_phase(Phase::Queue).with_ran(Ran::No))
}

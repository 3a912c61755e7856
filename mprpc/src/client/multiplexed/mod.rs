//! `Multiplexed`: the client side of a native connection, which carries many calls at a time.
//!
//! A caller on an idle connection writes its request itself. While calls are in flight, the driver writes for all
//! callers, so that many requests leave in one system call. Only the driver reads.

mod driver;
mod http2;
mod in_flight;
mod pump;
mod responses;
mod round_trip;
mod silence;

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use self::driver::Driver;
use self::http2::{Http2, StreamHead};
use self::in_flight::{Answer, InFlight, Outcome, State};
use self::pump::Pump;
use super::retry_budget::RetryBudget;
use super::transport::within;
use super::transport::{Outgoing, Request};
use crate::balancer::{Load, is_fault};
use crate::codec::Compression;
use crate::endpoint::Address;
use crate::inbox::{Inbox, Receiving, Source};
use crate::limits::Limits;
use crate::method::{Method, MethodKind};
use crate::net::{Stream, Writer, clock};
use crate::protocol::flow::Windows;
use crate::protocol::native::{self, Header, PREFACE, Settings, kind};
use crate::protocol::{self, Compressed, Message};
use crate::scope::Scoped;
use crate::service::Body;
use crate::status::{Code, Phase, Ran, Status};
use crate::streaming::Streaming;

/// A native connection that takes calls. Dropping it closes the connection once its calls are done.
pub(crate) struct Multiplexed {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Writer,
    address: Address,
    /// The load of the endpoint. The connection counts its calls there.
    load: Arc<Load>,
    opened_at: Instant,
    limits: Limits,
    /// The flow-control windows that the peer must respect: the larger of the announced windows and the defaults,
    /// which hold until the announcement arrives.
    windows: Windows,
    /// The announced stream window. Credit is given by this window.
    stream_window_bytes: u64,
    state: Mutex<State>,
    /// Notified when the send buffer has room again.
    room: Notify,
    /// Notified when the peer has sent its greeting, or when the connection ends before that.
    greeting: Notify,
}

impl Multiplexed {
    /// Opens a native connection: sends the greeting and spawns the driver on the current runtime.
    pub(crate) fn open(stream: Stream, address: &Address, load: &Arc<Load>, limits: &Limits) -> Multiplexed {
        let mut state = State::default();
        state.output.tail().extend_from_slice(&PREFACE);
        Settings::of(limits).encode(state.output.tail());
        Multiplexed::begin(stream, address, load, limits, state)
    }

    /// Opens a connection that speaks gRPC over HTTP/2. `is_secure` says that the stream is TLS.
    pub(crate) fn open_grpc(
        stream: Stream,
        address: &Address,
        load: &Arc<Load>,
        limits: &Limits,
        is_secure: bool,
    ) -> Multiplexed {
        let mut state = State::default();
        state.http2 = Some(Box::new(Http2::new(authority(address), is_secure, limits, &mut state.output)));
        state.peer = http2::settings_before_the_first();
        Multiplexed::begin(stream, address, load, limits, state)
    }

    /// Calls that leave a peer that does not answer take their retries out of this budget. If it is used up, they stay.
    pub(super) fn with_retries(self, retries: Arc<RetryBudget>) -> Multiplexed {
        self.shared.lock().retries = Some(retries);
        self
    }

    fn begin(stream: Stream, address: &Address, load: &Arc<Load>, limits: &Limits, mut state: State) -> Multiplexed {
        state.queued = state.output.len() as u64;
        let shared = Arc::new(Shared {
            writer: stream.writer,
            address: address.clone(),
            load: load.clone(),
            opened_at: clock::now(),
            limits: limits.clone(),
            windows: Settings::of(limits).windows().at_least(Settings::default().windows()),
            stream_window_bytes: Settings::of(limits).windows().stream,
            state: Mutex::new(state),
            room: Notify::new(),
            greeting: Notify::new(),
        });
        let driver = Driver::new(shared.clone(), stream.reader);
        tokio::spawn(driver.run());
        Multiplexed { shared }
    }

    /// Records how long connecting took, as the first estimate of the round-trip time.
    pub(crate) fn opened_within(&self, time: Duration) {
        self.shared.lock().round_trip.opened_within(time);
    }

    /// Whether the connection takes new calls.
    pub(crate) fn takes_calls(&self) -> bool {
        self.shared.lock().ended.is_none()
    }

    /// Waits for the peer's greeting, which proves that a server runs and is responsive. `connect_timeout` bounds the
    /// wait.
    pub(crate) async fn greeted(&self) -> Result<(), Status> {
        loop {
            let told = self.shared.greeting.notified();
            if let Some(greeted) = self.shared.lock().greeting() {
                return greeted;
            }
            told.await;
        }
    }

    /// Whether the peer has sent its greeting.
    pub(crate) fn has_greeted(&self) -> bool {
        self.shared.lock().greeted
    }

    /// Takes the reason why the connection ended, if the endpoint is at fault and should be avoided for a while.
    /// Returns the reason only once.
    pub(crate) fn take_fault(&self) -> Option<Status> {
        self.shared.lock().fault.take()
    }

    /// Starts a unary call without waiting. The error is the failure of the call, or `None` if the call needs room in
    /// the send buffer or another connection.
    #[inline(always)]
    pub(crate) fn try_begin(&self, request: &Outgoing<'_>, waker: &Waker) -> Result<PendingCall, Option<Status>> {
        self.shared.begin(request, 0, Some(waker)).map_err(|not_begun| match not_begun {
            NotBegun::Refused(status) => Some(status),
            NotBegun::Ended(_) | NotBegun::NoRoom => None,
        })
    }

    /// Makes one call and returns its reply, or the start of its reply stream.
    ///
    /// The call expires at its deadline. Dropping the future or the reply stream cancels the call at the server.
    pub(crate) async fn call(&self, request: &Request) -> Result<Body, Status> {
        let encode = |message: &Bytes| self.shared.encode(message.clone(), request.compression);
        let encoded = request.message.as_ref().filter(|_| request.compression.is_some()).map(encode);
        let mut room = None;
        loop {
            let mut outgoing = request.outgoing(clock::now());
            let mut flags = 0;
            if let Some(message) = &encoded {
                (outgoing.message, flags) = (Some(&message.bytes), message.flags());
            }
            match self.shared.begin_apart(&outgoing, flags) {
                Ok(call) => {
                    let Some(requests) = request.take_stream() else {
                        return call.await;
                    };
                    let pump = Pump::new(self.shared.clone(), call.key, call.serial, requests, request.compression);
                    let pump = tokio::spawn(Scoped::new(pump.run()));
                    let reply = call.await;
                    if reply.as_ref().is_err_and(|status| status.ran() == Ran::No)
                        && let Ok(Some(requests)) = pump.await
                    {
                        request.put_stream(requests);
                    }
                    return reply;
                }
                Err(NotBegun::Refused(status) | NotBegun::Ended(status)) => return Err(status),
                Err(NotBegun::NoRoom) => {
                    // Starts to listen and then tries again, so that the call misses no room in between.
                    let Some(room) = room.replace(self.shared.room.notified()) else { continue };
                    if within(request.deadline(), room).await.is_none() {
                        let max = self.shared.limits.send_buffer_bytes_max;
                        let message = format!(
                            "the peer does not read: more than send_buffer_bytes_max {max} waited up to the deadline"
                        );
                        return Err(self.shared.failed(Code::DeadlineExceeded, message, Phase::Send, Ran::No));
                    }
                }
            }
        }
    }

    /// Bytes of reply streams that have arrived and are not yet credited.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn received_bytes(&self) -> u64 {
        self.shared.lock().received.outstanding()
    }

    /// Makes one call with an already compressed message, also if the peer does not accept compression.
    #[cfg(test)]
    pub(crate) async fn send_compressed(&self, request: &Request, bytes: Bytes) -> Result<Body, Status> {
        let outgoing = Outgoing { message: Some(&bytes), ..request.outgoing(clock::now()) };
        match self.shared.begin_apart(&outgoing, native::flag::COMPRESSED) {
            Ok(call) => call.await,
            Err(NotBegun::Refused(status) | NotBegun::Ended(status)) => Err(status),
            Err(NotBegun::NoRoom) => Err(Status::internal("no room")),
        }
    }

    /// Makes one unary call.
    #[cfg(test)]
    pub(crate) async fn unary(&self, request: &Request) -> Result<Bytes, Status> {
        self.call(request).await?.into_message()
    }
}

impl Drop for Multiplexed {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.released = true;
        state.wake_driver();
    }
}

/// The reason why a call did not start. The connection sent nothing of the call.
enum NotBegun {
    /// The call fails for this reason.
    Refused(Status),
    /// The connection takes no more calls, for this reason.
    Ended(Status),
    /// The send buffer is full. The caller waits for `room` and tries again.
    NoRoom,
}

impl From<Status> for NotBegun {
    fn from(status: Status) -> NotBegun {
        NotBegun::Refused(status)
    }
}

impl Shared {
    #[inline(always)]
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, code: Code, message: impl Into<std::borrow::Cow<'static, str>>, phase: Phase, ran: Ran) -> Status {
        Status::new(code, message).with_phase(phase).with_peer(&self.address).with_ran(ran)
    }

    /// Counts the answer of the peer to a call, for or against the endpoint.
    fn answered(&self, state: &mut State, now: Instant, outcome: Result<(), &Status>) {
        match outcome {
            // A call that did not run, because the server shuts down or is overloaded, says nothing about the endpoint.
            Err(status) if status.ran() == Ran::No => {}
            Err(status) if is_fault(status.code()) => self.load.failed(now),
            _ => state.answers += 1,
        }
    }

    /// The reason for closing an idle connection.
    fn idle(&self) -> Status {
        let message = format!("closed here after idle_timeout {:?} without a call", self.limits.idle_timeout);
        self.failed(Code::Unavailable, message, Phase::Send, Ran::No)
    }

    /// Encodes a message for the peer, compressed if both sides agree.
    fn encode(&self, message: Bytes, compression: Option<Compression>) -> Message {
        let Some(algorithm) = compression else { return Message { bytes: message, compressed: Compressed::No } };
        // The lock is released before compression, so that other callers can write meanwhile.
        let state = self.lock();
        let (is_http2, is_accepted) = (state.http2.is_some(), state.peer.accepts(algorithm));
        drop(state);
        if is_http2 {
            return Message::encode_by(message, Some(algorithm), &self.limits);
        }
        let wanted = is_accepted.then_some(algorithm);
        Message::encode(message, wanted, &self.limits)
    }

    /// Decodes a received message and decompresses it if needed.
    fn decode(&self, message: Message) -> Result<Bytes, Status> {
        message.decode(self.limits.message_bytes_max).map_err(|status| {
            // A server's invalid message is not an invalid argument of the caller.
            let code = if status.code() == Code::InvalidArgument { Code::Internal } else { status.code() };
            self.failed(code, status.message().to_owned(), Phase::Reply, Ran::Yes)
        })
    }

    /// Calls [`Shared::begin`] for a boxed call, which stores its waker when it is first polled.
    #[inline(never)]
    fn begin_apart(self: &Arc<Self>, request: &Outgoing<'_>, flags: u8) -> Result<PendingCall, NotBegun> {
        self.begin(request, flags, None)
    }

    /// Starts a call. `flags` belong to its message, and `waker` is woken when the outcome is known.
    ///
    /// The function is inlined where a call needs no box. Then the `Outgoing` request is never written to memory.
    #[inline(always)]
    fn begin(
        self: &Arc<Self>,
        request: &Outgoing<'_>,
        flags: u8,
        waker: Option<&Waker>,
    ) -> Result<PendingCall, NotBegun> {
        let Outgoing { method, metadata, deadline, remaining, context, message, now, may_leave, .. } = *request;
        if remaining == Some(Duration::ZERO) {
            let message = "the deadline passed before the call was sent";
            return Err(self.failed(Code::DeadlineExceeded, message, Phase::Send, Ran::No).into());
        }
        let mut state = self.lock();
        if state.is_idle(now, &self.limits) {
            // The driver did not run in time, and the peer may have closed the connection long ago.
            state.retire(self.idle());
            state.wake_driver();
        }
        if let Some(why) = &state.ended {
            return Err(NotBegun::Ended(unsent(why)));
        }
        let in_flight_max = self.limits.in_flight_max.min(state.peer.in_flight_max as usize);
        if state.calls.len() >= in_flight_max && state.http2.is_none() {
            let message = format!("{in_flight_max} calls in flight: in_flight_max {in_flight_max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Queue, Ran::No).into());
        }
        let granted = match remaining {
            None => None,
            Some(remaining) => match state.round_trip.granted(remaining) {
                Some(granted) => Some(granted),
                None => {
                    let message = format!("{remaining:?} is left, and the way to the peer and back takes longer");
                    return Err(self.failed(Code::DeadlineExceeded, message, Phase::Send, Ran::No).into());
                }
            },
        };
        let size = message.map_or(0, Bytes::len);
        let max = state.peer.message_bytes_max as usize;
        if size > max {
            let message = format!("a message of {size} bytes is beyond the peer's message_bytes_max {max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Send, Ran::No).into());
        }
        let is_native = state.http2.is_none();
        let encoded = if is_native && !metadata.is_empty() { native::encode_metadata(metadata) } else { Bytes::new() };
        let size = if is_native { encoded.len() } else { protocol::metadata_bytes(metadata) };
        let (size, max) = (size, self.limits.metadata_bytes_max.min(state.peer.metadata_bytes_max as usize));
        if size > max {
            let message = format!("metadata of {size} bytes is beyond metadata_bytes_max {max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Send, Ran::No).into());
        }
        if state.output.len() > self.limits.send_buffer_bytes_max {
            return Err(NotBegun::NoRoom);
        }
        let idle = state.calls.is_empty() && state.output.is_empty() && !state.writing;
        state.serial += 1;
        let serial = state.serial;
        let key = state.calls.vacant_key();
        let stream = if state.http2.is_some() {
            self.open_stream(&mut state, key, request, flags, granted)?
        } else {
            let number = match state.method_number(method) {
                Some(number) => number,
                None => self.introduce(&mut state, method)?,
            };
            state.request(key, number, message.map(|message| (message, flags)), &encoded, granted);
            0
        };
        let mut call = InFlight::new(deadline, context.cloned(), state.queued, serial, now, waker);
        (call.stream, call.may_leave) = (stream, may_leave);
        if method.kind != MethodKind::Unary {
            let replies = method.kind.streams_replies().then(|| Inbox::new(self.stream_window_bytes));
            call.streams().replies = replies;
            // A gRPC server may send the head of its response with the first message, long after the call has begun.
            if stream != 0 && method.kind.streams_replies() {
                call.outcome = Outcome::Known(Ok(Answer::Stream));
            }
        }
        state.calls.insert(call);
        let looks = state.used(now, &self.limits);
        state.count(&self.load);
        if state.expects(deadline) || looks {
            state.wake_driver();
        }
        let call = PendingCall { shared: self.clone(), key, serial, taken: false };
        if idle {
            // The driver finds out why the socket takes no more bytes.
            let (mut state, _) = self.flush(state);
            if !state.output.is_empty() {
                state.wake_driver();
            }
        } else {
            state.wake_driver();
        }
        Ok(call)
    }

    /// Opens an HTTP/2 stream for a call. The call waits while the peer takes no more streams.
    #[inline(never)]
    fn open_stream(
        &self,
        state: &mut State,
        key: usize,
        request: &Outgoing<'_>,
        flags: u8,
        granted: Option<Duration>,
    ) -> Result<u32, NotBegun> {
        let State { http2: Some(http2), output, .. } = state else { return Err(NotBegun::NoRoom) };
        let compressed = match request.compression {
            Some(algorithm) if flags & native::flag::COMPRESSED != 0 => Compressed::By(algorithm),
            _ => Compressed::No,
        };
        let head = StreamHead {
            method: request.method,
            place: request.method.as_static().map(|descriptor| std::ptr::from_ref(descriptor) as usize),
            metadata: request.metadata,
            granted,
            compression: request.compression,
            message: request.message.map(|message| Message { bytes: message.clone(), compressed }),
        };
        let stream = http2.open(key, &head, output);
        if stream.is_none() && http2.is_used_up() {
            let why = self.failed(Code::Unavailable, "the connection has used all streams", Phase::Send, Ran::No);
            state.retire(why.clone());
            state.wake_driver();
            return Err(NotBegun::Ended(why));
        }
        state.count_queued();
        stream.ok_or(NotBegun::NoRoom)
    }

    /// Assigns a number to a method on its first call over this connection.
    fn introduce(&self, state: &mut State, method: &Method) -> Result<u16, Status> {
        let (size, max) = (method.path.len(), self.limits.method_path_bytes_max);
        if size > max {
            let message = format!("a method path of {size} bytes is beyond method_path_bytes_max {max}");
            return Err(self.failed(Code::InvalidArgument, message, Phase::Send, Ran::No));
        }
        state.introduce(method, self.limits.methods_max).ok_or_else(|| {
            let message = format!("one method more than methods_max {} on a connection", self.limits.methods_max);
            self.failed(Code::ResourceExhausted, message, Phase::Send, Ran::No)
        })
    }

    /// Writes the queued output without holding the lock. The driver writes what the socket does not take.
    fn flush<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, io::Result<()>) {
        state.writing = true;
        let mut output = mem::take(&mut state.output);
        // The bytes are counted before the write, because the peer may have read them if the connection is lost
        // meanwhile.
        state.written += output.len() as u64;
        drop(state);
        let mut outcome = Ok(());
        while !output.is_empty() && outcome.is_ok() {
            outcome = output.write_to(&self.writer).map(drop);
        }
        let mut state = self.lock();
        state.writing = false;
        state.written -= output.len() as u64;
        output.append(&mut state.output);
        state.output = output;
        if state.output.len() <= self.limits.send_buffer_bytes_max {
            if let Some(value) = state.owed_pong.take() {
                state.pong(value, self.limits.send_buffer_bytes_max);
            }
            self.room.notify_waiters();
            state.take_crowded().into_iter().for_each(Waker::wake);
        }
        (state, outcome)
    }
}

/// The value of `:authority` for an address.
fn authority(address: &Address) -> String {
    match address {
        Address::Tcp(_) | Address::Host(..) => address.to_string(),
        Address::Unix(_) | Address::Memory(_) => "localhost".to_owned(),
    }
}

/// The status of a call whose request was not written before the connection ended with `why`.
fn unsent(why: &Status) -> Status {
    let phase = if why.phase() == Some(Phase::Connect) { Phase::Connect } else { Phase::Send };
    why.clone().with_phase(phase).with_ran(Ran::No)
}

/// A started call. The future returns its outcome; dropping it cancels the call.
pub(crate) struct PendingCall {
    shared: Arc<Shared>,
    key: usize,
    serial: u64,
    taken: bool,
}

impl PendingCall {
    /// The address of the endpoint that the call was sent to.
    pub(crate) fn address(&self) -> &Address {
        &self.shared.address
    }
}

impl Future for PendingCall {
    type Output = Result<Body, Status>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let PendingCall { shared, key, serial, taken } = self.get_mut();
        let mut state = shared.lock();
        let call = &mut state.calls[*key];
        if !matches!(call.outcome, Outcome::Known(_)) {
            call.outcome = Outcome::Awaited(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        *taken = true;
        let replies = call.replies().cloned();
        let outcome = if call.answered {
            state.calls.remove(*key).outcome
        } else {
            let rest = if let Outcome::Known(Ok(Answer::Stream)) = call.outcome {
                Outcome::Streaming
            } else {
                Outcome::Abandoned
            };
            mem::replace(&mut call.outcome, rest)
        };
        if state.ended.is_some() {
            state.wake_driver();
        }
        drop(state);
        let Outcome::Known(outcome) = outcome else { return Poll::Pending };
        Poll::Ready(match (outcome, replies) {
            (Ok(Answer::Message(Message { bytes, compressed: Compressed::No })), _) => Ok(Body::Message(bytes)),
            (Ok(Answer::Message(message)), _) => shared.decode(message).map(Body::Message),
            (Ok(Answer::Stream), Some(replies)) => {
                let source = ReplySource { shared: shared.clone(), key: *key, serial: *serial };
                Ok(Body::Stream(Streaming::new(Receiving::new(replies, source))))
            }
            (Ok(Answer::Stream), None) => Ok(Body::Stream(Streaming::empty())),
            (Err(status), _) => Err(status),
        })
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.shared.lock();
        let call = &mut state.calls[self.key];
        match call.outcome {
            // The peer already received a CANCEL for this call.
            Outcome::Known(Err(_)) if !call.answered => call.outcome = Outcome::Abandoned,
            _ => state.cancel(self.key, Code::Cancelled as u16),
        }
        state.count(&self.shared.load);
        state.wake_driver();
    }
}

/// Receives the credit and the cancellation from the reader of a reply stream.
struct ReplySource {
    shared: Arc<Shared>,
    key: usize,
    serial: u64,
}

impl ReplySource {
    /// Locks the state if the peer has not ended the call yet.
    fn live(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.shared.lock();
        let live = state.calls.get(self.key).is_some_and(|call| call.serial == self.serial && !call.answered);
        live.then_some(state)
    }
}

impl Source for ReplySource {
    fn credit(&self, _: &Arc<Inbox>, bytes: u64) {
        let Some(mut guard) = self.live() else { return };
        let state = &mut *guard;
        state.received.credited(&mut state.calls[self.key].streams().received, bytes);
        if let Some(http2) = &mut state.http2 {
            http2.credit(state.calls[self.key].stream, bytes, &mut state.output);
            state.count_queued();
            return state.wake_driver();
        }
        let value = u32::try_from(bytes).unwrap_or(u32::MAX);
        state.frame(Header { kind: kind::CREDIT, id: self.key as u32 + 1, value, ..Header::default() }, &[]);
        state.wake_driver();
    }

    fn abandon(&self, _: &Arc<Inbox>, _: u64) {
        let Some(mut state) = self.live() else { return };
        if state.calls[self.key].is_awaited() {
            state.cancel(self.key, Code::Cancelled as u16);
            state.count(&self.shared.load);
        }
    }

    fn decode(&self, message: Message) -> Result<Bytes, Status> {
        self.shared.decode(message)
    }
}

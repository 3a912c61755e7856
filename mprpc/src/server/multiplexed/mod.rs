//! The server's half of a native connection: many calls at the same time, each answered once it is ready.

mod replies;

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use self::replies::Replies;
use super::calls::{Calls, Due, Lifetime, NewCall, ReplyWriter, refused, too_long};
use super::memory::{Account, WaitingMethods, compact, needs_reservation};
use super::router::Route;
use super::shared::Shared;
use crate::context::Peer;
use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::method::MethodKind;
use crate::net::SendBuffer;
use crate::net::connection::{Close, Turn};
use crate::protocol::flow::Windows;
use crate::protocol::native::{self, Decoded, Decoder, Header, PREFACE, PingGuard, Settings, flag, kind};
use crate::protocol::{Compressed, Message};
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
    calls: Calls,
    /// The windows that the caller must respect: the announced ones, but at least the defaults, which hold until the
    /// announcement arrives.
    windows: Windows,
    /// The announced window of a stream, by which the server gives credit.
    stream_window_bytes: u64,
    lifetime: Lifetime,
    /// The reason with which new calls are refused, once the connection is leaving.
    refuses_because: Cow<'static, str>,
    pings: PingGuard,
    waiting: WaitingMethods,
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
            calls: Calls::new(shared.clone(), peer.clone(), memory, now),
            windows: announced.at_least(Settings::default().windows()),
            stream_window_bytes: announced.stream,
            refuses_because: "the server is going away".into(),
            lifetime: Lifetime::new(now, &shared.limits, fastrand::f64()),
            pings: PingGuard::default(),
            waiting: WaitingMethods::default(),
            peer,
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
    #[cfg(any(test, fuzzing))]
    pub(super) fn held(&self) -> (usize, u64) {
        (self.calls.len(), self.calls.unread_bytes() as u64)
    }

    /// Takes every complete frame. Returns whether a frame is incomplete.
    pub(super) fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        self.lifetime.heard();
        if !self.greeted && !self.greet(turn, input)? {
            return ControlFlow::Continue(true);
        }
        self.calls.begin_turn();
        let taken = loop {
            turn.paused = turn.output.len() > self.shared.limits.send_buffer_bytes_max || self.calls.is_paused();
            if turn.paused {
                break Ok(());
            }
            match self.decoder.decode(input) {
                Decoded::NeedMore(missing) => {
                    if self.calls.is_shedding()
                        && needs_reservation(input.len(), missing)
                        && let Some(header) = self.decoder.skip(input)
                    {
                        match self.refuse_frame(turn.output, header, self.calls.memory().refusal()) {
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
                    if let Err(violation) = self.frame(turn, header, body) {
                        break Err(violation);
                    }
                }
            }
        };
        if self.calls.is_paused() {
            self.decoder.compact();
        }
        if self.calls.end_turn(turn.now) {
            self.lifetime.used(turn.now);
        }
        if let Err(violation) = taken {
            self.shared.reject_because(&self.peer, "a protocol error", &violation);
            self.replies(turn.output).go_away(&Status::internal(violation));
            return ControlFlow::Break(Close::Protocol);
        }
        ControlFlow::Continue(!turn.paused && self.decoder.is_inside_a_frame(input))
    }

    /// Answers the caller's preface with the settings. Returns whether the preface has arrived.
    pub(super) fn greet(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        if input.len() < PREFACE.len() {
            return ControlFlow::Continue(false);
        }
        let preface = input.split_to(PREFACE.len());
        self.introduce(turn.output);
        if *preface != PREFACE {
            let version = preface[native::MAGIC_BYTES];
            self.shared.reject_because(&self.peer, "an unknown version of the protocol", &version.to_string());
            let why = Status::unimplemented(format!("version {version}; this server speaks version 1"));
            self.replies(turn.output).go_away(&why);
            return ControlFlow::Break(Close::Protocol);
        }
        self.greeted = true;
        ControlFlow::Continue(true)
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
                if self.calls.cancel(header.id, why.clone()) {
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
        self.calls.arrived();
        self.check_id(header.id)?;
        let Some((metadata, message)) = native::split_body(header, body) else {
            return Err("metadata longer than its frame".to_owned());
        };
        let message = if self.waiting.may_wait(header.word) { compact(message) } else { message };
        let message = Message { bytes: message, compressed: Compressed::of(header) };
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
        if self.lifetime.is_leaving() {
            return refused(Status::unavailable(self.refuses_because.clone()));
        }
        let Multiplexed { shared, caller, methods, calls, .. } = self;
        let limits = &shared.limits;
        calls.check_room()?;
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
        let admission = calls.admit(None, route, &metadata, turn.now)?;
        let deadline = match header.value {
            0 | u32::MAX => Deadline::NONE,
            microseconds => Deadline::after(turn.now, Duration::from_micros(microseconds.into())),
        };
        let call = NewCall { id: header.id, deadline, metadata, admission };
        let mut replies = Replies { output: turn.output, caller, shared };
        let (request, message_bytes) = if header.has(flag::END) && !header.has(flag::OPEN) {
            let message = message.decode(limits.message_bytes_max).or_else(refused)?;
            let bytes = message.len();
            (Body::Message(message), bytes)
        } else if route.method.kind == MethodKind::Unary {
            let message = format!("{} takes one message, and a stream was sent", route.method.path);
            return refused(Status::invalid_argument(message));
        } else if header.has(flag::END) {
            (Body::Stream(Streaming::empty()), 0)
        } else {
            calls.begin_stream(turn.now, call, route, self.stream_window_bytes, &mut replies);
            return Ok(());
        };
        if calls.begin(turn.now, call, route, request, message_bytes, &mut replies) {
            self.waiting.waits(header.word);
        }
        Ok(())
    }

    /// Takes a message of a request stream, or its end.
    fn data(&mut self, turn: &mut Turn<'_, '_>, header: Header, body: Bytes) -> Result<(), Violation> {
        let max = self.shared.limits.message_bytes_max;
        let message = (!header.has(flag::OPEN)).then(|| Message { bytes: body, compressed: Compressed::of(header) });
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
        let Multiplexed { calls, caller, shared, .. } = self;
        let mut replies = Replies { output: turn.output, caller, shared };
        calls.poll(turn.cx, turn.now, &mut replies);
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
        let why = self.lifetime.outlived(&self.shared.limits);
        for id in self.calls.ids() {
            self.calls.cancel(id, why.clone());
            self.replies(output).refuse(id, why.clone());
        }
    }

    /// Refuses new calls from now on, for this reason. The caller closes the connection after its last reply.
    pub(super) fn go_away(&mut self, turn: &mut Turn<'_, '_>, why: impl Into<Cow<'static, str>>) {
        let why = why.into();
        self.refuses_because = why.clone();
        self.lifetime.stop(turn.now, &self.shared.limits);
        self.introduce(turn.output);
        self.replies(turn.output).go_away(&Status::unavailable(why));
    }

    fn refuse_too_long(&mut self, output: &mut SendBuffer, header: Header) -> Result<(), Violation> {
        let (length, limits) = (header.length as usize, &self.shared.limits);
        let share = self.calls.memory().connection_bytes_max();
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
                self.calls.arrived();
                self.check_id(header.id)?;
                let status = status.with_phase(Phase::Queue).with_ran(Ran::No);
                self.replies(output).refuse(header.id, status);
                Ok(())
            }
            kind::DATA => {
                let status = status.with_phase(Phase::Handle).with_ran(Ran::Maybe);
                if self.calls.cancel(header.id, status.clone()) {
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

/// Decodes the metadata of a request.
fn metadata(bytes: Bytes, limits: &Limits) -> Result<Metadata, Status> {
    if bytes.len() > limits.metadata_bytes_max {
        return refused(too_long("metadata", bytes.len(), "metadata_bytes_max", limits.metadata_bytes_max));
    }
    native::decode_metadata(bytes).or_else(|what| refused(Status::invalid_argument(what)))
}

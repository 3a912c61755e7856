//! The server's half of an HTTP/2 connection: gRPC calls, many at the same time. The other dialects are in `web`.

mod replies;
mod request;
mod stalls;
mod web;
mod writer;

use std::borrow::Cow;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use self::replies::{Replies, Slots};
use self::request::{Content, HeadFields, HeadSink, Paths, RequestHead};
use self::stalls::Stalls;
use super::calls::{Calls, Due, Lifetime, NewCall, ReplyWriter, check_metadata, refused};
use super::memory::{Account, CALL_BYTES, Charge};
use super::router::Route;
use super::shared::Shared;
use super::web::{Accepts, Encoding, Exchange as WebExchange, HttpMethod};
use crate::codec::Codec;
use crate::context::Peer;
use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::net::SendBuffer;
use crate::net::connection::{Close, Turn};
use crate::protocol::flow::Windows;
use crate::protocol::http::grpc::{self, MessageDecoder, PREFIX_BYTES};
use crate::protocol::http::unread::Unread;
use crate::protocol::http2::frame::PREFACE;
use crate::protocol::http2::hpack::PLACES;
use crate::protocol::http2::{Connection, ErrorCode, Event, OwnSettings, Violation};
use crate::protocol::{Compressed, Message, Pace};
use crate::service::Body;
use crate::status::{Phase, Ran, Status};
use crate::streaming::Streaming;

/// The state of an HTTP/2 connection.
pub(super) struct Http2 {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    /// `None` until the client's preface has arrived.
    connection: Option<Connection<Exchange>>,
    calls: Calls,
    lifetime: Lifetime,
    head: RequestHead,
    /// The beginnings of heads that the connection's decoder remembers.
    saved: [HeadFields; PLACES],
    paths: Paths,
    slots: Slots,
    stalls: Stalls,
}

/// One request and its response, as long as its stream is open.
#[derive(Default)]
pub(super) struct Exchange {
    /// What became of a request that is no gRPC request.
    web: Option<Box<WebExchange>>,
    /// The call has not begun: its one message is not complete.
    waiting: Option<Waiting>,
    messages: Option<MessageDecoder>,
    encoding: Encoding,
    accepts: Accepts,
    codec: Option<Codec>,
    /// The head of the response was sent.
    is_opened: bool,
    /// Bytes of the body that the `content-length` still promises.
    content_left: Option<u64>,
    /// The messages of the request stream that the handler has not read.
    unread: Unread,
    /// The memory of a request that is not complete.
    memory: Charge,
    /// When the request is refused, or the reply given up, unless the caller goes on.
    stalls_at: Option<Instant>,
}

impl Exchange {
    /// Bytes of a request that is not complete.
    fn held_bytes(&self) -> usize {
        let of_message = self.waiting.as_ref().and_then(|waiting| waiting.message.as_ref());
        of_message.map_or(0, |message| message.bytes.len())
            + self.messages.as_ref().map_or(0, MessageDecoder::held_bytes)
            + self.web.as_ref().map_or(0, |web| web.held_bytes())
    }

    /// The deadline of a call that has not begun, as its one message is not complete, and the metadata that it holds.
    /// `None` if the request waits for nothing.
    fn waits(&self) -> Option<(Deadline, &Metadata)> {
        match (&self.waiting, &self.web) {
            (Some(waiting), _) => Some((waiting.deadline, &waiting.metadata)),
            (None, Some(web)) => web.waits(),
            (None, None) => None,
        }
    }

    /// Takes note that more of the request has arrived: charges what it holds, and grants it more time.
    fn goes_on(&mut self, calls: &mut Calls, now: Instant, limits: &Limits) {
        let waits = self.waits();
        let of_head = waits.map_or(0, |(_, metadata)| CALL_BYTES + metadata.memory_bytes());
        let deadline = waits.map(|(deadline, _)| deadline);
        let bytes = of_head + self.held_bytes();
        calls.memory().charge_incomplete(&mut self.memory, bytes);
        if !calls.is_shedding() {
            calls.note_pressure();
        }
        if let Some(deadline) = deadline {
            let patience = now.checked_add(limits.read_timeout);
            self.stalls_at = [patience, deadline.instant()].into_iter().flatten().min();
        }
    }
}

/// How a request is malformed.
const WRONG_LENGTH: &str = "the body is not as long as its content-length says";

/// A call that waits for its one message.
struct Waiting {
    path: u32,
    deadline: Deadline,
    metadata: Metadata,
    /// The caller, if a trusted proxy names it.
    caller: Option<Arc<Peer>>,
    message: Option<Message>,
}

impl Http2 {
    /// Creates the state of a connection that begins at `now`.
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>, memory: Arc<Account>, now: Instant) -> Http2 {
        Http2 {
            connection: None,
            calls: Calls::new(shared.clone(), peer.clone(), memory, now),
            lifetime: Lifetime::new(now, &shared.limits, fastrand::f64()),
            head: RequestHead::default(),
            saved: Default::default(),
            paths: Paths::new(shared.limits.methods_max),
            slots: Slots::default(),
            stalls: Stalls::default(),
            shared,
            peer,
        }
    }

    /// Bytes that have arrived and are not taken, and bytes of replies that wait for room in the caller's windows.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        let of_connection = self.connection.as_ref().map_or(0, Connection::held_bytes);
        self.calls.unread_bytes() + of_connection
    }

    /// The number of parked calls, and the unread bytes of their request streams.
    #[cfg(any(test, fuzzing))]
    pub(super) fn held(&self) -> (usize, u64) {
        (self.calls.len(), self.calls.unread_bytes() as u64)
    }

    /// Takes every complete frame. Returns whether a frame is incomplete.
    pub(super) fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        self.lifetime.heard();
        if self.connection.is_none() && !self.greet(turn, input)? {
            return ControlFlow::Continue(true);
        }
        self.calls.begin_turn();
        let taken = self.take_frames(turn, input);
        if self.calls.end_turn(turn.now) {
            self.lifetime.used(turn.now);
        }
        let Some(connection) = &mut self.connection else { return ControlFlow::Continue(true) };
        if self.calls.is_paused() {
            connection.compact();
        }
        if let Err(Violation { code, text }) = taken {
            self.shared.reject_because(&self.peer, "a protocol error", &text);
            connection.go_away(turn.output, code, &text);
            return ControlFlow::Break(Close::Protocol);
        }
        ControlFlow::Continue(!turn.paused && connection.is_inside_a_frame(input))
    }

    /// Answers the client's preface with the settings. Returns whether the preface has arrived.
    pub(super) fn greet(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        if input.len() < PREFACE.len() {
            return ControlFlow::Continue(false);
        }
        // The beginning of the preface was sniffed.
        if input.split_to(PREFACE.len()) != PREFACE[..] {
            self.shared.reject(&self.peer, "a broken HTTP/2 preface");
            return ControlFlow::Break(Close::Protocol);
        }
        let limits = &self.shared.limits;
        let resets_max = u32::try_from(limits.http_resets_max).unwrap_or(u32::MAX);
        self.connection = Some(Connection::new(true, OwnSettings::of(limits), resets_max, turn.output));
        ControlFlow::Continue(true)
    }

    fn take_frames(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> Result<(), Violation> {
        loop {
            turn.paused = turn.output.len() > self.shared.limits.send_buffer_bytes_max || self.calls.is_paused();
            if turn.paused {
                return Ok(());
            }
            let Http2 { connection: Some(connection), head, saved, paths, shared, .. } = self else { return Ok(()) };
            let mut sink = HeadSink { head, saved, paths, router: &shared.router };
            match connection.next(turn.now, input, turn.output, &mut sink)? {
                Event::NeedMore(missing) => {
                    // A frame has to be read even if there is no memory for its call, as the frames behind it may free some.
                    turn.missing = if self.calls.is_shedding() { 0 } else { missing };
                    return Ok(());
                }
                Event::Head { id, is_end, is_too_long } => {
                    self.request(turn, id, is_end, is_too_long)?;
                    self.head.clear();
                }
                Event::Data { id, bytes, is_end } => self.data(turn, id, bytes, is_end)?,
                Event::Trailers { id, .. } => self.trailers(turn, id)?,
                Event::Reset { id, by_peer, .. } => {
                    let why = if by_peer { "cancelled by the caller" } else { "the caller broke the protocol" };
                    self.cancel(id, Status::cancelled(why).with_phase(Phase::Handle));
                }
                Event::GoAway { .. } | Event::Pong => {}
            }
        }
    }

    /// Cancels a call whose stream is closed.
    fn cancel(&mut self, id: u32, why: Status) {
        if self.calls.cancel(id, why.clone()) {
            self.shared.counters.ended(&why);
        }
    }

    /// Resets the stream of a request that breaks the rules of HTTP, and cancels its call.
    fn malformed(&mut self, turn: &mut Turn<'_, '_>, id: u32, what: &'static str) -> Result<(), Violation> {
        tracing::debug!(peer = %self.peer.address, what, "a malformed request");
        self.cancel(id, Status::cancelled(what).with_phase(Phase::Handle));
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.spoiled(turn.now, id, ErrorCode::ProtocolError, turn.output)
    }

    /// Takes the head of a request.
    fn request(&mut self, turn: &mut Turn<'_, '_>, id: u32, is_end: bool, is_too_long: bool) -> Result<(), Violation> {
        if let Some(what) = self.head.fault() {
            return self.malformed(turn, id, what);
        }
        let head = self.head.fields;
        if is_end && head.content_length.is_some_and(|length| length > 0) {
            return self.malformed(turn, id, WRONG_LENGTH);
        }
        if let Content::Grpc(codec) = head.content {
            self.calls.arrived();
            if let Err(status) = self.begin(turn, id, codec, is_end, is_too_long) {
                self.refuse(turn.output, id, status);
            } else if is_end {
                return self.data(turn, id, Bytes::new(), true);
            }
            return Ok(());
        }
        if let Some(exchange) = self.connection.as_mut().and_then(|connection| connection.stream(id)) {
            exchange.content_left = head.content_length;
            let head = self.head.take();
            self.web_request(turn, id, head, is_end, is_too_long);
        }
        Ok(())
    }

    fn replies<'a>(&'a mut self, output: &'a mut SendBuffer) -> Option<Replies<'a>> {
        let Http2 { connection: Some(connection), shared, slots, stalls, .. } = self else { return None };
        Some(Replies { output, connection, slots, shared, stalls })
    }

    fn refuse(&mut self, output: &mut SendBuffer, id: u32, status: Status) {
        if let Some(mut replies) = self.replies(output) {
            replies.refuse(id, status);
        }
    }

    /// Begins the call of a request, or lets it wait for its one message. The error is the status with which it is refused.
    fn begin(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: u32,
        codec: Codec,
        is_end: bool,
        is_too_long: bool,
    ) -> Result<(), Status> {
        let checked = self.check(is_too_long);
        let caller = self.head.forwarded_for().and_then(|list| self.calls.forwarded(list));
        let message_bytes_max = self.message_bytes_max();
        let head = self.head.fields;
        let Some(exchange) = self.connection.as_mut().and_then(|connection| connection.stream(id)) else {
            return Ok(());
        };
        exchange.content_left = head.content_length;
        exchange.codec = Some(codec);
        (exchange.encoding, exchange.accepts) = (head.encoding, head.accepts);
        checked?;
        let flags = if head.encoding == Encoding::Identity { 0 } else { grpc::flag::COMPRESSED };
        let route = self.paths.route(head.path);
        if codec == Codec::Json {
            route.check_codec(codec).or_else(refused)?;
        }
        exchange.messages = Some(MessageDecoder::new(flags, message_bytes_max));
        let deadline = head.timeout.map_or(Deadline::NONE, |timeout| Deadline::after(turn.now, timeout));
        let metadata = mem::take(&mut self.head.metadata);
        if !route.method.kind.streams_requests() {
            exchange.waiting = Some(Waiting { path: head.path, deadline, metadata, caller, message: None });
            if !is_end {
                self.stalls.begins(id);
            }
            return Ok(());
        }
        let admission = self.calls.admit(caller, route, &metadata, turn.now)?;
        let call = NewCall { id, deadline, metadata, admission };
        let Http2 { shared, calls, slots, stalls, paths, connection: Some(connection), .. } = self else {
            return Ok(());
        };
        let route = in_codec(paths.route(head.path), Some(codec));
        let mut replies = Replies { output: turn.output, connection, slots, shared, stalls };
        if is_end {
            calls.begin(turn.now, call, &route, Body::Stream(Streaming::empty()), 0, &mut replies);
        } else {
            let window = shared.limits.stream_window_bytes as u64;
            calls.begin_stream(turn.now, call, &route, window, &mut replies);
        }
        Ok(())
    }

    /// Checks whether the head of a gRPC request may begin a call. The error is the status with which it is refused.
    fn check(&mut self, is_too_long: bool) -> Result<(), Status> {
        let limits = &self.shared.limits;
        if is_too_long {
            let max = limits.http_head_bytes_max;
            return refused(Status::resource_exhausted(format!(
                "the head of the request is beyond http_head_bytes_max {max}"
            )));
        }
        if let Some(status) = self.head.take_refusal(&mut self.paths, &self.shared.router) {
            return refused(status);
        }
        if self.head.fields.method != HttpMethod::Post {
            return refused(Status::unimplemented("a gRPC request whose method is not POST"));
        }
        if self.head.fields.encoding == Encoding::Unknown {
            return refused(Status::unimplemented("the grpc-encoding of the request is not known here"));
        }
        self.calls.check_room()?;
        check_metadata("metadata", &self.head.metadata, limits.metadata_bytes_max).or_else(refused)
    }

    /// The most bytes of a message that the connection has room for.
    fn message_bytes_max(&self) -> usize {
        self.shared.limits.message_bytes_max.min(self.calls.memory().connection_bytes_max())
    }

    /// Takes a part of a request's body.
    fn data(&mut self, turn: &mut Turn<'_, '_>, id: u32, bytes: Bytes, is_end: bool) -> Result<(), Violation> {
        let Some(exchange) = self.connection.as_mut().and_then(|connection| connection.stream(id)) else {
            return Ok(());
        };
        if let Some(left) = &mut exchange.content_left {
            match left.checked_sub(bytes.len() as u64) {
                Some(now_left) if now_left == 0 || !is_end => *left = now_left,
                _ => return self.malformed(turn, id, WRONG_LENGTH),
            }
        }
        if exchange.web.is_some() {
            self.web_data(turn, id, bytes, is_end);
            return Ok(());
        }
        let has_begun = exchange.waiting.is_none();
        if let Err(status) = self.messages(turn, id, bytes, is_end) {
            self.calls.cancel(id, status.clone());
            let (phase, ran) = if has_begun { (Phase::Handle, Ran::Maybe) } else { (Phase::Queue, Ran::No) };
            self.refuse(turn.output, id, status.with_phase(phase).with_ran(ran));
        }
        Ok(())
    }

    /// Takes the trailers of a request. They say nothing to a handler.
    fn trailers(&mut self, turn: &mut Turn<'_, '_>, id: u32) -> Result<(), Violation> {
        let are_trailers = self.head.are_trailers();
        self.head.clear();
        match are_trailers {
            true => self.data(turn, id, Bytes::new(), true),
            false => self.malformed(turn, id, "trailers with a pseudo-header or a malformed field"),
        }
    }

    /// Cuts messages out of a body, and passes them on. The error fails the call.
    fn messages(&mut self, turn: &mut Turn<'_, '_>, id: u32, mut bytes: Bytes, is_end: bool) -> Result<(), Status> {
        let Http2 { connection: Some(connection), calls, .. } = self else { return Ok(()) };
        let Some(exchange) = connection.stream(id) else { return Ok(()) };
        let Some(decoder) = &mut exchange.messages else { return Ok(()) };
        let mut early = 0;
        let mut unwanted = 0;
        let encoding = exchange.encoding;
        while !bytes.is_empty() {
            let before = bytes.len();
            let Some(message) = decoder.decode(&mut bytes)? else {
                early += before as u64;
                break;
            };
            let compressed = match encoding {
                Encoding::Compressed(algorithm) if message.is_compressed() => Compressed::By(algorithm),
                _ => Compressed::No,
            };
            let wire_bytes = (message.bytes.len() + PREFIX_BYTES) as u64;
            let message = Message { bytes: message.bytes, compressed };
            if let Some(waiting) = &mut exchange.waiting {
                if waiting.message.replace(message).is_some() {
                    return Err(Status::invalid_argument("the method takes one message, and more were sent"));
                }
                early += before as u64 - bytes.len() as u64;
                continue;
            }
            exchange.unread.arrived(message.cost(), wire_bytes);
            unwanted += calls.request(id, Some(message), false, Windows::UNBOUNDED).unwrap_or(0);
        }
        if !is_end {
            if early > 0 || !exchange.memory.is_empty() {
                self.request_goes_on(turn, id, early, 0)?;
            }
            self.credit_unwanted(turn.output, id, unwanted);
            return Ok(());
        }
        decoder.end()?;
        (exchange.memory, exchange.stalls_at) = (Charge::default(), None);
        let (waiting, codec) = (exchange.waiting.take(), exchange.codec);
        self.credit_unwanted(turn.output, id, unwanted);
        match waiting {
            Some(waiting) => self.begin_waiting(turn, id, waiting, codec),
            None => {
                // The call may have ended already.
                let _ = self.calls.request(id, None, true, Windows::UNBOUNDED);
                Ok(())
            }
        }
    }

    /// Takes note that a request is not complete: `early` bytes of it belong to no message yet, and `overhead` bytes to none
    /// at all. Both are granted again. The error fails the call.
    fn request_goes_on(&mut self, turn: &mut Turn<'_, '_>, id: u32, early: u64, overhead: u64) -> Result<(), Status> {
        let Http2 { connection: Some(connection), calls, shared, .. } = self else { return Ok(()) };
        let Some(exchange) = connection.stream(id) else { return Ok(()) };
        if calls.is_shedding() && exchange.held_bytes() > 0 {
            return Err(calls.memory().refusal());
        }
        exchange.goes_on(calls, turn.now, &shared.limits);
        // A message may be longer than the window.
        if exchange.waits().is_none() {
            exchange.unread.granted_early(early);
        }
        connection.grant(id, early + overhead, turn.output);
        Ok(())
    }

    /// Grants the bytes of messages that nobody reads again.
    fn credit_unwanted(&mut self, output: &mut SendBuffer, id: u32, cost: u64) {
        if cost > 0
            && let Some(mut replies) = self.replies(output)
        {
            replies.credit(id, cost);
        }
    }

    /// Begins a call whose request is complete.
    #[inline]
    fn begin_waiting(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: u32,
        waiting: Waiting,
        codec: Option<Codec>,
    ) -> Result<(), Status> {
        let Http2 { connection: Some(connection), calls, shared, slots, stalls, paths, .. } = self else {
            return Ok(());
        };
        let Waiting { path, deadline, metadata, caller, message } = waiting;
        let Some(message) = message else {
            return refused(Status::invalid_argument("the method takes one message, and none was sent"));
        };
        let message = message.decode(shared.limits.message_bytes_max).or_else(refused)?;
        let route = in_codec(paths.route(path), codec);
        calls.check_room()?;
        let admission = calls.admit(caller, &route, &metadata, turn.now)?;
        let call = NewCall { id, deadline, metadata, admission };
        let message_bytes = message.len();
        let mut replies = Replies { output: turn.output, connection, slots, shared, stalls };
        calls.begin(turn.now, call, &route, Body::Message(message), message_bytes, &mut replies);
        Ok(())
    }

    /// Polls the calls, and does what the connection's lifetime makes due.
    pub(super) fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        let Http2 { connection: Some(connection), calls, shared, slots, stalls, .. } = self else {
            return ControlFlow::Continue(());
        };
        for id in connection.take_relieved() {
            calls.credit(id, 0);
            stalls.relieved(turn.now, &shared.limits, connection.stream(id));
        }
        let mut replies = Replies { output: turn.output, connection, slots, shared, stalls };
        calls.poll(turn.cx, turn.now, &mut replies);
        turn.paused = replies.is_full();
        self.end_stalled(turn);
        let limits = &self.shared.limits;
        let pace = Pace { interval: limits.keepalive_interval, timeout: limits.keepalive_timeout };
        let streams = self.calls.len().max(self.connection.as_ref().map_or(0, Connection::len));
        while let Some(due) = self.lifetime.poll(turn, streams, pace, &self.shared.limits) {
            let Some(connection) = &mut self.connection else { break };
            match due {
                Due::Ping => connection.send_ping(turn.output),
                Due::Dead => return ControlFlow::Break(Close::KeepaliveTimeout),
                Due::Leave(why) => connection.announce_leave(turn.output, why.message()),
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
            self.refuse(output, id, why.clone());
        }
        if let Some(connection) = &mut self.connection {
            connection.go_away(output, ErrorCode::NoError, "");
        }
    }

    /// Asks the caller to leave, for this reason. The caller closes the connection after its last reply.
    pub(super) fn go_away(&mut self, turn: &mut Turn<'_, '_>, why: impl Into<Cow<'static, str>>) {
        self.lifetime.stop(turn.now, &self.shared.limits);
        if let Some(connection) = &mut self.connection {
            connection.announce_leave(turn.output, &why.into());
        }
    }
}

/// The route, for messages in this codec.
fn in_codec(route: &Route, codec: Option<Codec>) -> Cow<'_, Route> {
    match codec {
        Some(Codec::Json) => Cow::Owned(route.clone().with_codec(Codec::Json)),
        _ => Cow::Borrowed(route),
    }
}

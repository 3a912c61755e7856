//! gRPC over HTTP/2 as the wire of a client connection: opens a stream for each call, and turns responses into outcomes.

use std::mem;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::in_flight::State;
use super::{Shared, unsent};
use crate::codec::Compression;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::method::MethodDescriptor;
use crate::net::{SendBuffer, clock};
use crate::protocol::flow::Windows;
use crate::protocol::http::grpc::{self, MessageDecoder, PREFIX_BYTES};
use crate::protocol::http::unread::Unread;
use crate::protocol::http::{binary, metadata};
use crate::protocol::http2::frame::{FRAME_BYTES_MAX, PREFACE};
use crate::protocol::http2::hpack::{Field, KnownName, Remembered};
use crate::protocol::http2::{Connection, ErrorCode, Event, OwnSettings};
use crate::protocol::native::Settings;
use crate::protocol::{Compressed, Message, STORY_KEY, decode_error};
use crate::status::{Code, Phase, Ran, Status};

/// The wire of a connection that speaks gRPC.
pub(super) struct Http2 {
    connection: Connection<Response>,
    head: ResponseHead,
    slots: Slots,
    /// The value of `:authority`.
    authority: Box<str>,
    is_secure: bool,
    message_bytes_max: usize,
    /// Whether a call waits for a stream to end, as the peer takes no more streams.
    is_starved: bool,
}

/// What the connection keeps for a stream.
#[derive(Default)]
struct Response {
    key: usize,
    messages: Option<MessageDecoder>,
    encoding: Option<Compression>,
    /// The reply of a call without a reply stream.
    only: Option<Message>,
    is_stream: bool,
    unread: Unread,
}

/// Where the encoder of the connection holds the fields that most requests have.
#[derive(Default)]
struct Slots {
    authority: Remembered,
    path: Remembered,
    te: Remembered,
    content_type: Remembered,
    user_agent: Remembered,
    accept_encoding: Remembered,
    encoding: Remembered,
    timeout: Remembered,
    /// The paths of the methods that were called last.
    recent: Vec<(usize, Remembered)>,
}

/// So many methods have their own place among the remembered fields.
const RECENT_METHODS: usize = 16;

/// A request stream may have so many bytes waiting for room in the peer's windows.
const UNSENT_BYTES_MAX: usize = 256 << 10;
/// The same for all streams of a connection together. A stream with nothing waiting may always send.
const ALL_UNSENT_BYTES_MAX: usize = 1 << 20;

/// A gRPC server may count a PING in a shorter interval as abuse.
/// Source: <https://github.com/grpc/grpc/blob/master/doc/keepalive.md>.
const PING_INTERVAL_MIN: Duration = Duration::from_secs(5 * 60);

const USER_AGENT: &str = concat!("mprpc/", env!("CARGO_PKG_VERSION"));

/// The request that a stream begins with.
pub(super) struct StreamHead<'a> {
    pub(super) method: &'a MethodDescriptor,
    /// The address of the method's descriptor, if it is a static one.
    pub(super) place: Option<usize>,
    pub(super) metadata: &'a Metadata,
    pub(super) granted: Option<Duration>,
    pub(super) compression: Option<Compression>,
    pub(super) message: Option<Message>,
}

impl Http2 {
    /// Sends the preface and the settings.
    pub(super) fn new(authority: String, is_secure: bool, limits: &Limits, output: &mut SendBuffer) -> Http2 {
        output.tail().extend_from_slice(PREFACE);
        let window = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).min(i32::MAX as u32);
        let own = OwnSettings {
            streams_max: 0,
            stream_window: window(limits.stream_window_bytes),
            connection_window: window(limits.connection_window_bytes),
            frame_bytes_max: FRAME_BYTES_MAX,
            header_list_bytes_max: u32::try_from(limits.http_head_bytes_max).unwrap_or(u32::MAX),
            header_table_bytes: 4096,
        };
        let resets_max = u32::try_from(limits.http_resets_max).unwrap_or(u32::MAX);
        Http2 {
            connection: Connection::new(false, own, resets_max, output),
            head: ResponseHead::default(),
            slots: Slots::default(),
            authority: authority.into(),
            is_secure,
            message_bytes_max: limits.message_bytes_max,
            is_starved: false,
        }
    }

    /// Opens a stream for the call with this key, and sends its head and its message. `None` if the peer takes no more
    /// streams for now.
    pub(super) fn open(&mut self, key: usize, head: &StreamHead<'_>, output: &mut SendBuffer) -> Option<u32> {
        let Http2 { connection, slots, authority, is_secure, .. } = self;
        let is_stream = head.method.kind.streams_replies();
        let response = Response { key, is_stream, ..Response::default() };
        let opened = connection.open(response, false, output, |fields| {
            fields.post(*is_secure);
            fields.remembered(&mut slots.authority, b":authority", authority.as_bytes());
            let mut path = [0; PATH_BYTES_MAX];
            let path = path_of(head.method, &mut path);
            match head.place.and_then(|place| slots.recent(place)) {
                Some(slot) => fields.remembered(slot, b":path", &path),
                None => fields.remembered_name(&mut slots.path, b":path", &path),
            }
            fields.remembered(&mut slots.te, b"te", b"trailers");
            fields.remembered(&mut slots.content_type, b"content-type", b"application/grpc");
            fields.remembered(&mut slots.user_agent, b"user-agent", USER_AGENT.as_bytes());
            if let Some(accepted) = accepted_encodings() {
                fields.remembered(&mut slots.accept_encoding, b"grpc-accept-encoding", accepted.as_bytes());
            }
            if let Some(algorithm) = head.compression {
                fields.remembered(&mut slots.encoding, b"grpc-encoding", algorithm.name().as_bytes());
            }
            if let Some(granted) = head.granted {
                let text = grpc::encode_timeout(granted);
                fields.remembered_name(&mut slots.timeout, b"grpc-timeout", text.as_bytes());
            }
            for (name, value) in metadata::fields(head.metadata) {
                fields.field(name.as_bytes(), &value);
            }
        });
        self.is_starved |= opened.is_none();
        if let (Some(id), Some(message)) = (opened, &head.message) {
            self.send(id, message.clone(), true, output);
        }
        opened
    }

    /// Sends a message of a request.
    pub(super) fn send(&mut self, id: u32, message: Message, is_end: bool, output: &mut SendBuffer) {
        let flags = if message.compressed == Compressed::No { 0 } else { grpc::flag::COMPRESSED };
        let prefix = grpc::encode_prefix(flags, message.bytes.len());
        self.connection.send_data(id, &prefix, message.bytes, is_end, output);
    }

    /// Ends a request stream.
    pub(super) fn end(&mut self, id: u32, output: &mut SendBuffer) {
        self.connection.send_end(id, output);
    }

    /// Resets the stream of a call that nobody waits for any more.
    pub(super) fn cancel(&mut self, id: u32, output: &mut SendBuffer) {
        self.connection.reset(id, ErrorCode::Cancel, output);
    }

    /// Whether a request stream may send another message.
    pub(super) fn has_room(&self, id: u32) -> bool {
        let unsent = self.connection.pending_bytes(id);
        unsent == 0 || unsent < UNSENT_BYTES_MAX && self.connection.all_pending_bytes() < ALL_UNSENT_BYTES_MAX
    }

    /// The reader of a reply stream has read messages of this cost.
    pub(super) fn credit(&mut self, id: u32, cost: u64, output: &mut SendBuffer) {
        if let Some(response) = self.connection.stream(id) {
            let bytes = response.unread.read(cost);
            self.connection.grant(id, bytes, output);
        }
    }

    /// Whether the connection can open no more streams, ever.
    pub(super) fn is_used_up(&self) -> bool {
        self.connection.is_used_up()
    }

    pub(super) fn ping(&mut self, output: &mut SendBuffer) {
        self.connection.send_ping(output);
    }
}

/// What a gRPC server is taken to accept until its settings arrive, and what HTTP/2 does not announce.
pub(super) fn settings_before_the_first() -> Settings {
    Settings {
        message_bytes_max: u32::MAX,
        metadata_bytes_max: u32::MAX,
        in_flight_max: u32::MAX,
        stream_window_bytes: u32::MAX,
        connection_window_bytes: u32::MAX,
        compression: [None; 3],
        ping_interval_min_ms: PING_INTERVAL_MIN.as_millis() as u32,
    }
}

impl Slots {
    /// The slot for the path of the method at this address.
    fn recent(&mut self, place: usize) -> Option<&mut Remembered> {
        let at = match self.recent.iter().position(|(known, _)| *known == place) {
            Some(at) => at,
            None if self.recent.len() < RECENT_METHODS => {
                self.recent.push((place, Remembered::default()));
                self.recent.len() - 1
            }
            None => return None,
        };
        Some(&mut self.recent[at].1)
    }
}

/// A longer path is allocated.
const PATH_BYTES_MAX: usize = 128;

/// The value of `:path` for a method.
fn path_of<'a>(method: &MethodDescriptor, room: &'a mut [u8; PATH_BYTES_MAX]) -> std::borrow::Cow<'a, [u8]> {
    let path = method.path.as_bytes();
    match room.get_mut(..path.len() + 1) {
        Some(room) => {
            room[0] = b'/';
            room[1..].copy_from_slice(path);
            std::borrow::Cow::Borrowed(room)
        }
        None => [b"/", path].concat().into(),
    }
}

/// The value of `grpc-accept-encoding`.
fn accepted_encodings() -> Option<&'static str> {
    static NAMES: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let names: Vec<&str> = Compression::available().iter().map(|algorithm| algorithm.name()).collect();
        names.join(",")
    });
    (!names.is_empty()).then_some(names)
}

/// The head of a response, or its trailers.
#[derive(Default)]
struct ResponseHead {
    http_status: u16,
    is_grpc: bool,
    encoding: Option<Result<Compression, ()>>,
    code: Option<Code>,
    message: String,
    details: Option<Vec<u8>>,
    retry_after: Option<Duration>,
    metadata: Metadata,
}

impl ResponseHead {
    fn field(&mut self, field: &Field<'_>) {
        let Field { name, value, known, .. } = field;
        match known {
            KnownName::Status => {
                self.http_status = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            }
            KnownName::ContentType => self.is_grpc = value.starts_with(b"application/grpc"),
            KnownName::GrpcEncoding if *value == b"identity" => {}
            KnownName::GrpcEncoding => {
                let known = Compression::available().iter().find(|algorithm| algorithm.name().as_bytes() == *value);
                self.encoding = Some(known.copied().ok_or(()));
            }
            KnownName::GrpcStatus => self.code = Some(grpc::decode_status(value)),
            KnownName::GrpcMessage => self.message = grpc::decode_status_message(value).into_owned(),
            KnownName::GrpcStatusDetailsBin => self.details = binary::decode(value),
            KnownName::GrpcRetryPushbackMs => {
                let milliseconds = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.retry_after = milliseconds.map(Duration::from_millis);
            }
            // Fields that metadata cannot hold say nothing to a caller.
            _ => drop(metadata::append_field(&mut self.metadata, name, value)),
        }
    }

    /// The status of a call that has failed with `code`.
    fn status(mut self, code: Code, shared: &Shared) -> Status {
        let mut status = match &self.details {
            Some(details) => decode_error(code as u16, details),
            None => Status::new(code, mem::take(&mut self.message)),
        };
        if let Some(pause) = self.retry_after
            && status.retry_after().is_none()
        {
            status = status.with_retry_after(pause);
        }
        if let Some(story) = self.metadata.value(STORY_KEY) {
            status = status.with_story(&String::from_utf8_lossy(story));
            self.metadata.remove(STORY_KEY);
        }
        let origin = self.metadata.text(grpc::FAILURE_FIELD).map(str::to_owned);
        self.metadata.remove(grpc::FAILURE_FIELD);
        let status = grpc::with_failure_origin(status, origin.as_deref());
        status.with_peer(&shared.address).with_trailer(self.metadata)
    }
}

/// What is bounded by HTTP/2 itself.
const NO_BOUND: Windows = Windows { stream: u64::MAX, connection: u64::MAX };

impl Shared {
    /// Takes every complete frame. Returns how many bytes the next frame still lacks. An error ends the connection.
    pub(super) fn received_http2(&self, wakers: &mut Vec<Waker>, input: &mut BytesMut) -> Result<usize, Status> {
        let now = clock::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.read_at = Some(now);
        state.keepalive.heard();
        let Some(mut http2) = state.http2.take() else { return Ok(0) };
        let taken = self.take_frames(&mut http2, state, now, wakers, input);
        if !state.greeted && http2.connection.has_settings() {
            state.greeted = true;
            state.round_trip.measured(now.saturating_duration_since(self.opened_at), Duration::ZERO);
            self.greeting.notify_waiters();
        }
        let peer = http2.connection.peer();
        state.peer.in_flight_max = peer.streams_max;
        state.peer.metadata_bytes_max = peer.header_list_bytes_max;
        for id in http2.connection.take_relieved() {
            if let Some(response) = http2.connection.stream(id) {
                state.credited(response.key, 0, wakers);
            }
        }
        if http2.is_starved && http2.connection.streams_left() > 0 {
            http2.is_starved = false;
            self.room.notify_waiters();
        }
        state.http2 = Some(http2);
        state.count_queued();
        taken
    }

    fn take_frames(
        &self,
        http2: &mut Http2,
        state: &mut State,
        now: Instant,
        wakers: &mut Vec<Waker>,
        input: &mut BytesMut,
    ) -> Result<usize, Status> {
        loop {
            let Http2 { connection, head, .. } = http2;
            let event = connection.next(now, input, &mut state.output, &mut |field| head.field(&field));
            let event = event.map_err(|violation| {
                connection.go_away(&mut state.output, violation.code, &violation.text);
                let message = format!("the peer broke the protocol: {}", violation.text);
                let status = self.failed(Code::Unavailable, message, Phase::Reply, Ran::Maybe);
                if !connection.has_settings() {
                    state.fault = Some(status.clone());
                }
                status
            })?;
            match event {
                Event::NeedMore(missing) => return Ok(missing),
                Event::Head { id, is_end, is_too_long } => {
                    let head = mem::take(&mut http2.head);
                    self.head(http2, state, id, head, is_end, is_too_long, wakers);
                }
                Event::Data { id, bytes, is_end } => {
                    let fed = self.data(http2, state, id, bytes, is_end, wakers);
                    if let Err(status) = fed {
                        self.fail(http2, state, id, status, wakers);
                    } else if is_end {
                        let status = Status::internal("the response has ended without grpc-status");
                        self.fail(http2, state, id, status.with_phase(Phase::Reply), wakers);
                    }
                }
                Event::Trailers { id, is_too_long } => {
                    let head = mem::take(&mut http2.head);
                    if is_too_long {
                        self.fail(http2, state, id, self.head_too_long(), wakers);
                    } else {
                        self.end(http2, state, id, head, wakers);
                    }
                }
                Event::Reset { id, code, by_peer } => self.was_reset(state, id, code, by_peer, wakers),
                Event::GoAway { last, code, text } => {
                    let reason = match String::from_utf8_lossy(&text) {
                        text if text.is_empty() => format!("the peer goes away, code {code}"),
                        text => text.into_owned(),
                    };
                    tracing::debug!(peer = %self.address, code, reason, "the peer goes away");
                    let why = Status::unavailable(reason).with_peer(&self.address);
                    for id in http2.connection.ids().into_iter().filter(|id| *id > last) {
                        self.fail(http2, state, id, unsent(&why).with_phase(Phase::Queue), wakers);
                    }
                    state.ended = Some(why);
                }
                Event::Pong => {}
            }
        }
    }

    fn head_too_long(&self) -> Status {
        let max = self.limits.http_head_bytes_max;
        let message = format!("the head of the response is beyond http_head_bytes_max {max}");
        Status::resource_exhausted(message).with_phase(Phase::Reply).with_ran(Ran::Yes)
    }

    /// Takes the head of a response.
    #[expect(clippy::too_many_arguments, reason = "an event and what it changes")]
    fn head(
        &self,
        http2: &mut Http2,
        state: &mut State,
        id: u32,
        head: ResponseHead,
        is_end: bool,
        is_too_long: bool,
        wakers: &mut Vec<Waker>,
    ) {
        if is_too_long {
            return self.fail(http2, state, id, self.head_too_long(), wakers);
        }
        if (100..200).contains(&head.http_status) && !is_end {
            return;
        }
        if head.http_status != 200 || !head.is_grpc {
            let status = if let Some(code) = head.code.filter(|code| *code != Code::Ok) {
                head.status(code, self)
            } else {
                let message = format!("no gRPC response, but one with the HTTP status {}", head.http_status);
                Status::new(grpc::code_of_http_status(head.http_status), message).with_phase(Phase::Reply)
            };
            return self.fail(http2, state, id, status, wakers);
        }
        if is_end {
            return self.end(http2, state, id, head, wakers);
        }
        let encoding = match head.encoding {
            Some(Err(())) => {
                let status = Status::internal("the response is compressed in a way that this side has not offered");
                return self.fail(http2, state, id, status.with_phase(Phase::Reply), wakers);
            }
            Some(Ok(algorithm)) => Some(algorithm),
            None => None,
        };
        http2.connection.final_head_arrived(id);
        let message_bytes_max = http2.message_bytes_max;
        let Some(response) = http2.connection.stream(id) else { return };
        let flags = if encoding.is_some() { grpc::flag::COMPRESSED } else { 0 };
        response.encoding = encoding;
        response.messages = Some(MessageDecoder::new(flags, message_bytes_max));
        let (key, is_stream) = (response.key, response.is_stream);
        if let Some(context) = state.calls.get(key).and_then(|call| call.context.as_ref())
            && !head.metadata.is_empty()
        {
            *context.reply_metadata() = head.metadata;
        }
        if is_stream {
            state.open(key, wakers);
        }
    }

    /// Takes a part of a response's body. The error fails the call.
    fn data(
        &self,
        http2: &mut Http2,
        state: &mut State,
        id: u32,
        mut bytes: Bytes,
        is_end: bool,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Status> {
        let Some(response) = http2.connection.stream(id) else { return Ok(()) };
        let Some(decoder) = &mut response.messages else {
            return Err(self.failed(Code::Internal, "a body without a head", Phase::Reply, Ran::Maybe));
        };
        let mut early = 0;
        while !bytes.is_empty() {
            let before = bytes.len() as u64;
            let message = decoder
                .decode(&mut bytes)
                .map_err(|status| self.failed(status.code(), status.message().to_owned(), Phase::Reply, Ran::Yes))?;
            let Some(message) = message else {
                early += before;
                break;
            };
            let compressed = match response.encoding {
                Some(algorithm) if message.is_compressed() => Compressed::By(algorithm),
                _ => Compressed::No,
            };
            let wire_bytes = (message.bytes.len() + PREFIX_BYTES) as u64;
            let message = Message { bytes: message.bytes, compressed };
            if response.is_stream {
                response.unread.arrived(message.cost(), wire_bytes);
                let key = response.key;
                let pushed = state.reply(key, message, NO_BOUND, wakers);
                pushed.map_err(|what| self.failed(Code::Internal, what, Phase::Reply, Ran::Yes))?;
            } else if response.only.replace(message).is_some() {
                let status = Status::internal("several messages where one was expected");
                return Err(status.with_phase(Phase::Reply).with_peer(&self.address));
            } else {
                early += before - bytes.len() as u64;
            }
        }
        if is_end {
            return decoder.end().map_err(|status| status.with_phase(Phase::Reply).with_peer(&self.address));
        }
        if early > 0 {
            if response.is_stream {
                response.unread.granted_early(early);
            }
            http2.connection.grant(id, early, &mut state.output);
        }
        Ok(())
    }

    /// Takes the trailers of a response.
    fn end(&self, http2: &mut Http2, state: &mut State, id: u32, head: ResponseHead, wakers: &mut Vec<Waker>) {
        let Some(response) = http2.connection.finish(id, &mut state.output) else { return };
        let context = state.calls.get(response.key).and_then(|call| call.context.clone());
        let outcome = match head.code {
            Some(Code::Ok) => {
                if let Some(context) = context.filter(|_| !head.metadata.is_empty()) {
                    *context.trailer() = head.metadata;
                }
                match response.messages.as_ref().map(MessageDecoder::end) {
                    Some(Err(status)) => Err(status.with_phase(Phase::Reply).with_peer(&self.address)),
                    _ => Ok(response.only),
                }
            }
            Some(code) => {
                let status = head.status(code, self);
                if let Some(context) = context.filter(|_| !status.trailer().is_empty()) {
                    *context.trailer() = status.trailer().clone();
                }
                Err(status)
            }
            None => {
                let status = Status::internal("the response has ended without grpc-status");
                Err(status.with_phase(Phase::Reply).with_peer(&self.address))
            }
        };
        state.complete(response.key, outcome, true, wakers);
    }

    /// Fails a call, and resets its stream if the peer has not ended it.
    fn fail(&self, http2: &mut Http2, state: &mut State, id: u32, status: Status, wakers: &mut Vec<Waker>) {
        let Some(response) = http2.connection.finish(id, &mut state.output) else { return };
        state.complete(response.key, Err(status.with_peer(&self.address)), true, wakers);
    }

    /// Fails the call whose stream was reset, by the peer or because the peer broke the rules of HTTP/2.
    fn was_reset(&self, state: &mut State, id: u32, code: u32, by_peer: bool, wakers: &mut Vec<Waker>) {
        let Some((key, _)) = state.calls.iter().find(|(_, call)| call.stream == id && !call.answered) else { return };
        let status = if !by_peer {
            self.failed(Code::Internal, "the peer broke the protocol of the stream", Phase::Reply, Ran::Maybe)
        } else if code == ErrorCode::RefusedStream as u32 {
            self.failed(Code::Unavailable, "the peer refused the stream", Phase::Queue, Ran::No)
        } else {
            let message = format!("the peer reset the stream, code {code}");
            self.failed(grpc::code_of_reset(code), message, Phase::Reply, Ran::Maybe)
        };
        state.complete(key, Err(status), true, wakers);
    }
}

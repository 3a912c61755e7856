//! gRPC over HTTP/2 as the wire of a client connection: opens a stream for each call, and turns responses into outcomes.

use std::mem;
use std::time::{Duration, Instant};

use crate::codec::Compression;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::method::MethodDescriptor;
use crate::net::SendBuffer;
use crate::protocol::http::grpc::{self, MessageDecoder};
use crate::protocol::http::unread::Unread;
use crate::protocol::http::{binary, metadata};
use crate::protocol::http2::frame::PREFACE;
use crate::protocol::http2::hpack::{Field, KnownName, Remembered};
use crate::protocol::http2::{Connection, ErrorCode, OwnSettings};
use crate::protocol::native::Settings;
use crate::protocol::{Compressed, Message, STORY_KEY, decode_error};
use crate::status::{Code, Status};

/// The wire of a connection that speaks gRPC.
pub(super) struct Http2 {
    pub(super) connection: Connection<Response>,
    pub(super) head: ResponseHead,
    slots: Slots,
    /// The value of `:authority`.
    authority: Box<str>,
    is_secure: bool,
    pub(super) message_bytes_max: usize,
    /// Whether a call waits for a stream to end, as the peer takes no more streams.
    pub(super) is_starved: bool,
    /// Beside the peer's own limit: a peer that counts a stream longer than this side refuses the next one. Each refusal
    /// lowers the limit to the streams that are open, each answer raises it by one.
    streams_max: usize,
    pub(super) pings: PingAllowance,
}

/// What the connection keeps for a stream.
#[derive(Default)]
pub(super) struct Response {
    pub(super) key: usize,
    pub(super) messages: Option<MessageDecoder>,
    pub(super) encoding: Option<Compression>,
    /// The reply of a call without a reply stream.
    pub(super) only: Option<Message>,
    pub(super) is_stream: bool,
    pub(super) unread: Unread,
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

/// A gRPC server may take a PING that comes sooner than 5 minutes after the PING before as abuse. The rest is for PINGs that
/// the network brings closer together.
const PING_INTERVAL_MIN: Duration = Duration::from_secs(5 * 60 + 10);

/// Which PINGs a gRPC server accepts, if it has the defaults of gRPC.
///
/// A server counts each PING that comes sooner than 5 minutes after the PING before. It forgets the count, and that PING, when
/// it sends HEADERS or DATA. The third counted PING closes the connection. This side lets one PING be counted, so that one
/// that crosses a reply on the way does no harm.
///
/// Sources: gRPC's proposal A8, <https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md>, and
/// <https://github.com/grpc/grpc/blob/master/doc/keepalive.md>.
#[derive(Debug, Default)]
pub(super) struct PingAllowance {
    /// When the last PING was sent, if nothing of a response has arrived since.
    last: Option<Instant>,
    /// Whether a call has begun since the last PING.
    has_new_call: bool,
    /// Whether the one PING that comes too soon was sent, since something of a response arrived.
    is_spent: bool,
}

impl PingAllowance {
    /// Takes note of HEADERS or DATA from the server.
    #[inline]
    pub(super) fn answered(&mut self) {
        (self.last, self.is_spent) = (None, false);
    }

    #[inline]
    fn call_began(&mut self) {
        self.has_new_call = true;
    }

    /// Whether the server accepts a PING now. The PING that comes too soon is kept for a call that has begun since the last
    /// one: nobody knows yet whether the server still answers.
    pub(super) fn may_ping(&self, now: Instant) -> bool {
        let Some(last) = self.last else { return true };
        now.saturating_duration_since(last) >= PING_INTERVAL_MIN || self.has_new_call && !self.is_spent
    }

    fn sent(&mut self, now: Instant) {
        let is_early = self.last.is_some_and(|last| now.saturating_duration_since(last) < PING_INTERVAL_MIN);
        (self.last, self.has_new_call) = (Some(now), false);
        self.is_spent |= is_early;
    }
}

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
        let resets_max = u32::try_from(limits.http_resets_max).unwrap_or(u32::MAX);
        Http2 {
            connection: Connection::new(false, OwnSettings::of(limits), resets_max, output),
            head: ResponseHead::default(),
            slots: Slots::default(),
            authority: authority.into(),
            is_secure,
            message_bytes_max: limits.message_bytes_max,
            is_starved: false,
            streams_max: usize::MAX,
            pings: PingAllowance::default(),
        }
    }

    /// Opens a stream for the call with this key, and sends its head and its message. `None` if the peer takes no more
    /// streams for now.
    pub(super) fn open(&mut self, key: usize, head: &StreamHead<'_>, output: &mut SendBuffer) -> Option<u32> {
        if !self.has_streams() {
            self.is_starved = true;
            return None;
        }
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
        self.pings.call_began();
        if let (Some(id), Some(message)) = (opened, &head.message) {
            self.send(id, message.clone(), true, output);
        }
        opened
    }

    /// Whether a call may begin now.
    pub(super) fn has_streams(&self) -> bool {
        self.connection.len() < self.streams_max && self.connection.streams_left() > 0
    }

    /// The peer has refused a stream.
    pub(super) fn was_refused(&mut self) {
        self.streams_max = self.connection.len().max(1);
    }

    /// The peer has answered a call.
    pub(super) fn was_answered(&mut self) {
        self.streams_max = self.streams_max.saturating_add(1);
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

    pub(super) fn ping(&mut self, now: Instant, output: &mut SendBuffer) {
        self.pings.sent(now);
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
        // `PingAllowance` holds to what gRPC servers accept.
        ping_interval_min_ms: 0,
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
pub(super) struct ResponseHead {
    pub(super) http_status: u16,
    pub(super) is_grpc: bool,
    pub(super) encoding: Option<Result<Compression, ()>>,
    pub(super) code: Option<Code>,
    message: String,
    details: Option<Vec<u8>>,
    retry_after: Option<Duration>,
    pub(super) metadata: Metadata,
}

impl ResponseHead {
    pub(super) fn field(&mut self, field: &Field<'_>) {
        let Field { name, value, known, .. } = field;
        match known {
            KnownName::Status => {
                self.http_status = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            }
            KnownName::ContentType => self.is_grpc = value.starts_with(b"application/grpc"),
            KnownName::GrpcEncoding if *value == b"identity" => {}
            KnownName::GrpcEncoding => {
                self.encoding = Some(Compression::named(value).ok_or(()));
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
    pub(super) fn status(mut self, code: Code, address: &Address) -> Status {
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
        status.with_peer(address).with_trailer(self.metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::clock;

    /// How gRPC servers count PINGs.
    struct Enforcer {
        kind: Kind,
        has_written: bool,
        last: Option<Instant>,
        strikes: u32,
    }

    #[derive(PartialEq, Eq)]
    enum Kind {
        /// Each PING is compared with the one before.
        Core,
        /// Each PING is compared with the last one that did not count.
        Java,
        /// Frames of the server forgive the next PING, which is compared with nothing.
        Go,
    }

    impl Enforcer {
        fn wrote(&mut self) {
            self.has_written = true;
            if self.kind != Kind::Go {
                (self.last, self.strikes) = (None, 0);
            }
        }

        /// Takes a PING. Returns whether the connection stays open.
        fn takes_ping(&mut self, now: Instant) -> bool {
            if self.kind == Kind::Go && std::mem::take(&mut self.has_written) {
                (self.last, self.strikes) = (Some(now), 0);
                return true;
            }
            let is_early = self.last.is_some_and(|last| now < last + Duration::from_secs(5 * 60));
            self.strikes += u32::from(is_early);
            if !is_early || self.kind != Kind::Java {
                self.last = Some(now);
            }
            self.strikes <= 2
        }
    }

    #[test]
    fn grpc_servers_take_no_ping_as_abuse() {
        let (mut pings, mut early) = (0, 0);
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut allowance = PingAllowance::default();
            let enforcer = |kind| Enforcer { kind, has_written: false, last: None, strikes: 0 };
            let mut enforcers = [Kind::Core, Kind::Java, Kind::Go].map(enforcer);
            let mut now = clock::now();
            for _ in 0..500 {
                now += Duration::from_millis(rng.u64(..30_000));
                match rng.u8(..10) {
                    0 => allowance.call_began(),
                    1 if seed % 3 == 0 => {
                        allowance.answered();
                        enforcers.iter_mut().for_each(Enforcer::wrote);
                    }
                    _ if allowance.may_ping(now) => {
                        early += u32::from(allowance.last.is_some_and(|last| now < last + PING_INTERVAL_MIN));
                        pings += 1;
                        // The PING crosses a reply on its way.
                        let crosses = rng.bool() && seed % 3 == 0;
                        if crosses {
                            enforcers.iter_mut().for_each(Enforcer::wrote);
                        }
                        allowance.sent(now);
                        let arrives = now + Duration::from_millis(rng.u64(..5_000));
                        assert!(enforcers.iter_mut().all(|enforcer| enforcer.takes_ping(arrives)), "seed {seed}");
                        if crosses {
                            allowance.answered();
                        }
                    }
                    _ => {}
                }
            }
        }
        assert!(pings > 1000 && early > 100, "{pings} PINGs, {early} of them early");
    }
}

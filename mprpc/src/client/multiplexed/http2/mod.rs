//! gRPC over HTTP/2 as the wire of a client connection: opens a stream for each call. `responses` turns what comes back into
//! outcomes.

mod pings;
mod request;
mod response;

use std::time::Instant;

use self::pings::PingAllowance;
use self::request::RequestHeads;
pub(super) use self::request::StreamHead;
pub(super) use self::response::ResponseHead;
use crate::codec::Compression;
use crate::limits::Limits;
use crate::net::SendBuffer;
use crate::protocol::http::grpc::{self, MessageDecoder};
use crate::protocol::http::unread::Unread;
use crate::protocol::http2::frame::PREFACE;
use crate::protocol::http2::{Connection, ErrorCode, OwnSettings};
use crate::protocol::native::Settings;
use crate::protocol::{Compressed, Message};

/// The wire of a connection that speaks gRPC.
pub(super) struct Http2 {
    pub(super) connection: Connection<Response>,
    pub(super) head: ResponseHead,
    requests: RequestHeads,
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

/// A request stream may have so many bytes waiting for room in the peer's windows.
const UNSENT_BYTES_MAX: usize = 256 << 10;
/// The same for all streams of a connection together. A stream with nothing waiting may always send.
const ALL_UNSENT_BYTES_MAX: usize = 1 << 20;

impl Http2 {
    /// Sends the preface and the settings.
    pub(super) fn new(authority: String, is_secure: bool, limits: &Limits, output: &mut SendBuffer) -> Http2 {
        output.tail().extend_from_slice(PREFACE);
        let resets_max = u32::try_from(limits.http_resets_max).unwrap_or(u32::MAX);
        Http2 {
            connection: Connection::new(false, OwnSettings::of(limits), resets_max, output),
            head: ResponseHead::default(),
            requests: RequestHeads::new(authority, is_secure),
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
        let Http2 { connection, requests, .. } = self;
        let is_stream = head.method.kind.streams_replies();
        let response = Response { key, is_stream, ..Response::default() };
        let opened = connection.open(response, false, output, |fields| requests.write(fields, head));
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

//! Encodes the replies and failures of gRPC calls as HTTP/2 frames.

use bytes::Bytes;

use super::Exchange;
use super::stalls::Stalls;
use crate::codec::{Codec, Compression};
use crate::context::Context;
use crate::metadata::Metadata;
use crate::net::SendBuffer;
use crate::protocol::flow::Flow;
use crate::protocol::http::{binary, grpc, metadata};
use crate::protocol::http2::hpack::Remembered;
use crate::protocol::http2::{Connection, FieldWriter};
use crate::protocol::{Compressed, Message, STORY_KEY, encode_error};
use crate::server::call::Step;
use crate::server::calls::{CallTimes, ReplyWriter, Room, too_long};
use crate::server::shared::Shared;
use crate::status::{Code, Phase, Status};

/// The output of one connection during one turn.
pub(super) struct Replies<'a> {
    pub(super) output: &'a mut SendBuffer,
    pub(super) connection: &'a mut Connection<Exchange>,
    pub(super) slots: &'a mut Slots,
    pub(super) shared: &'a Shared,
    pub(super) stalls: &'a mut Stalls,
}

/// Where the connection's encoder holds the fields that most responses have.
#[derive(Default)]
pub(super) struct Slots {
    content_type: Remembered,
    content_type_json: Remembered,
    grpc_encoding: Remembered,
    grpc_status: Remembered,
}

/// A stream may have so many bytes waiting for room in the caller's windows before its handler is asked for more.
const UNSENT_BYTES_MAX: u64 = 256 << 10;
/// The same for all streams of a connection together. A stream with nothing waiting may always send.
const ALL_UNSENT_BYTES_MAX: u64 = 1 << 20;

impl ReplyWriter for Replies<'_> {
    fn is_full(&self) -> bool {
        self.output.len() > self.shared.limits.send_buffer_bytes_max
    }

    fn room(&self, id: u32, _: &Flow, _: u64, cost: u64) -> Room {
        let unsent = self.connection.pending_bytes(id) as u64;
        if unsent == 0 {
            Room::Free
        } else if unsent + cost > UNSENT_BYTES_MAX {
            Room::StreamIsFull
        } else if self.connection.all_pending_bytes() as u64 + cost > ALL_UNSENT_BYTES_MAX {
            Room::ConnectionIsFull
        } else {
            Room::Free
        }
    }

    fn open(&mut self, id: u32, context: &Context) -> Result<(), Status> {
        let reply_metadata = context.reply_metadata().clone();
        self.check_metadata(&reply_metadata)?;
        self.head(id, &reply_metadata);
        Ok(())
    }

    fn encode(&mut self, id: u32, message: Bytes) -> Result<Message, Status> {
        let max = self.shared.limits.message_bytes_max;
        if message.len() > max {
            return Err(too_long("the reply", message.len(), "message_bytes_max", max).with_phase(Phase::Reply));
        }
        let wanted = self.compression(id);
        Ok(Message::encode_by(message, wanted, &self.shared.limits))
    }

    fn message(&mut self, id: u32, message: Message) {
        let flags = if message.compressed == Compressed::No { 0 } else { grpc::flag::COMPRESSED };
        let prefix = grpc::encode_prefix(flags, message.bytes.len());
        self.connection.send_data(id, &prefix, message.bytes, false, self.output);
    }

    fn end(&mut self, id: u32, times: CallTimes, context: &Context, step: Step) {
        if let Err(status) = self.succeed(id, context, step) {
            self.fail(id, Some((context, times)), status);
        }
    }

    fn refuse(&mut self, id: u32, status: Status) {
        self.fail(id, None, status);
    }

    fn credit(&mut self, id: u32, bytes: u64) {
        let Some(exchange) = self.connection.stream(id) else { return };
        let bytes = exchange.unread.read(bytes);
        self.connection.grant(id, bytes, self.output);
    }
}

impl Replies<'_> {
    /// How messages to this caller are compressed.
    fn compression(&mut self, id: u32) -> Option<Compression> {
        let wanted = self.shared.compression?;
        self.connection.stream(id).is_some_and(|exchange| exchange.accepts.accepts(wanted)).then_some(wanted)
    }

    /// Sends the head of a response, with the metadata that precedes the reply.
    fn head(&mut self, id: u32, reply_metadata: &Metadata) {
        let compression = self.compression(id);
        let Some(exchange) = self.connection.stream(id) else { return };
        exchange.is_opened = true;
        let codec = exchange.codec;
        let Replies { output, connection, slots, .. } = self;
        connection.send_head(id, *output, |fields| {
            common_fields(fields, slots, codec);
            if let Some(algorithm) = compression {
                fields.remembered(&mut slots.grpc_encoding, b"grpc-encoding", algorithm.name().as_bytes());
            }
            metadata_fields(fields, reply_metadata);
        });
    }

    /// Sends the successful end of a call. The error is the status with which the call ends instead; nothing is sent then.
    fn succeed(&mut self, id: u32, context: &Context, step: Step) -> Result<(), Status> {
        let mut trailer = Metadata::new();
        if context.has_metadata() {
            trailer = context.trailer().clone();
            self.check_metadata(&trailer)?;
        }
        match step {
            Step::Failed(status) => return Err(status),
            Step::Reply(message) => {
                let message = self.encode(id, message)?;
                match context.has_metadata() {
                    true => self.open(id, context)?,
                    false => self.head(id, &Metadata::new()),
                }
                self.message(id, message);
            }
            _ => {}
        }
        let Replies { output, connection, slots, .. } = self;
        connection.send_trailers(id, *output, |fields| {
            fields.remembered(&mut slots.grpc_status, b"grpc-status", b"0");
            metadata_fields(fields, &trailer);
        });
        self.ended(id);
        Ok(())
    }

    /// Watches a stream whose reply has no room in the caller's windows, although its call has ended.
    fn ended(&mut self, id: u32) {
        if self.connection.pending_bytes(id) > 0 {
            self.stalls.begins(id);
        }
    }

    #[inline(never)]
    fn fail(&mut self, id: u32, served: Option<(&Context, CallTimes)>, status: Status) {
        self.shared.counters.ended(&status);
        let mut status = status;
        let mut trailer = status.trailer().clone();
        if let Some((context, times)) = served {
            for (key, value) in context.trailer().iter() {
                // The key and value were checked when the handler appended them.
                drop(trailer.append(key, value));
            }
            if !status.is_from_handler() || status.story().is_some() {
                let story = times.story(&status);
                status = status.with_hop(&story);
            }
        }
        if let Some(story) = status.story() {
            drop(trailer.set(STORY_KEY, story));
        }
        if let Err(left_out) = self.check_metadata(&trailer) {
            tracing::warn!(why = left_out.message(), "the trailer of a call that failed is left out");
            trailer = Metadata::new();
        }
        let origin = grpc::failure_origin(&status);
        let Some(exchange) = self.connection.stream(id) else { return };
        let (is_opened, codec) = (exchange.is_opened, exchange.codec);
        exchange.waiting = None;
        // A handler that returns OK as its error has failed nevertheless.
        let code = if status.code() == Code::Ok { Code::Unknown } else { status.code() };
        let details = status.details().next().is_some().then(|| binary::encode(&encode_error(&status)));
        let Replies { output, connection, slots, .. } = self;
        connection.send_trailers(id, *output, |fields| {
            if !is_opened {
                common_fields(fields, slots, codec);
            }
            fields.field(b"grpc-status", grpc::encode_status(code).as_bytes());
            if !status.message().is_empty() {
                fields.field_once(b"grpc-message", grpc::encode_status_message(status.message()).as_bytes());
            }
            if let Some(details) = &details {
                fields.field_once(b"grpc-status-details-bin", details.as_bytes());
            }
            if let Some(origin) = origin {
                fields.field(grpc::FAILURE_FIELD.as_bytes(), origin.as_bytes());
            }
            if let Some(pause) = status.retry_after() {
                fields.field_once(b"grpc-retry-pushback-ms", pause.as_millis().to_string().as_bytes());
            }
            metadata_fields(fields, &trailer);
        });
        self.ended(id);
    }

    /// Checks metadata of a reply against `metadata_bytes_max`.
    fn check_metadata(&self, metadata: &Metadata) -> Result<(), Status> {
        let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        let max = self.shared.limits.metadata_bytes_max;
        if bytes <= max {
            return Ok(());
        }
        Err(too_long("metadata of the reply", bytes, "metadata_bytes_max", max).with_phase(Phase::Reply))
    }
}

/// The fields that every response has.
#[inline]
fn common_fields(fields: &mut FieldWriter<'_>, slots: &mut Slots, codec: Option<Codec>) {
    fields.status_ok();
    match codec {
        Some(Codec::Json) => {
            fields.remembered(&mut slots.content_type_json, b"content-type", b"application/grpc+json");
        }
        _ => fields.remembered(&mut slots.content_type, b"content-type", b"application/grpc"),
    }
}

fn metadata_fields(fields: &mut FieldWriter<'_>, pairs: &Metadata) {
    for (name, value) in metadata::fields(pairs) {
        fields.field_once(name.as_bytes(), &value);
    }
}

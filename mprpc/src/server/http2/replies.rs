//! Encodes the replies and failures of gRPC calls as HTTP/2 frames.

use bytes::Bytes;

use super::Exchange;
use super::stalls::Stalls;
use super::writer::Writer;
use crate::codec::{Codec, Compression};
use crate::context::Context;
use crate::metadata::Metadata;
use crate::net::SendBuffer;
use crate::protocol::flow::Flow;
use crate::protocol::http::{grpc, metadata};
use crate::protocol::http2::hpack::Remembered;
use crate::protocol::http2::{Connection, FieldWriter};
use crate::protocol::{Compressed, Message};
use crate::server::call::Step;
use crate::server::calls::{CallTimes, ReplyWriter, Room, check_reply, check_reply_metadata, failed, fitting};
use crate::server::shared::Shared;
use crate::server::web::Exchange as WebExchange;
use crate::status::{Code, Status};

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
    /// Whether the connection has had a request that is no gRPC request.
    pub(super) has_web: bool,
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
        if self.is_web(id) {
            let open = |web: &mut WebExchange, out: &mut Writer<'_>, shared: &Shared| {
                web.response().open(context, shared, out)
            };
            return self.in_web(id, open).unwrap_or(Ok(()));
        }
        let reply_metadata = context.reply_metadata().clone();
        check_reply_metadata(&reply_metadata, self.shared.limits.metadata_bytes_max)?;
        self.head(id, &reply_metadata);
        Ok(())
    }

    fn encode(&mut self, id: u32, message: Bytes) -> Result<Message, Status> {
        if self.is_web(id) {
            let gone = || Err(Status::cancelled("the stream is closed"));
            return self.in_web(id, |web, _, shared| web.response().encode(message, shared)).unwrap_or_else(gone);
        }
        check_reply(&message, self.shared.limits.message_bytes_max)?;
        let wanted = self.compression(id);
        Ok(Message::encode_by(message, wanted, &self.shared.limits))
    }

    fn message(&mut self, id: u32, message: Message) {
        if self.is_web(id) {
            self.in_web(id, |web, out, _| web.response().message(message, out));
            return;
        }
        let flags = if message.compressed == Compressed::No { 0 } else { grpc::flag::COMPRESSED };
        let prefix = grpc::encode_prefix(flags, message.bytes.len());
        self.connection.send_data(id, &prefix, message.bytes, false, self.output);
    }

    fn end(&mut self, id: u32, times: CallTimes, context: &Context, step: Step) {
        if !matches!(&step, Step::Failed(status) if !status.is_from_handler()) {
            self.connection.was_served();
        }
        if self.is_web(id) {
            self.in_web(id, |web, out, shared| web.response().end(context, step, shared, out));
            return self.ended(id);
        }
        if let Err(status) = self.succeed(id, context, step) {
            self.fail(id, Some((context, times)), status);
        }
    }

    fn refuse(&mut self, id: u32, status: Status) {
        if self.is_web(id) {
            self.in_web(id, |web, out, shared| web.fail(status, shared, out));
            return self.ended(id);
        }
        self.fail(id, None, status);
    }

    fn credit(&mut self, id: u32, bytes: u64) {
        let Some(exchange) = self.connection.stream(id) else { return };
        let bytes = exchange.unread.read(bytes);
        self.connection.grant(id, bytes, self.output);
    }
}

impl Replies<'_> {
    /// Answers a request that asks for no call, or whose call is refused.
    pub(super) fn answer(&mut self, id: u32) {
        self.in_web(id, |web, out, shared| web.answer(shared, out));
        self.ended(id);
    }

    /// Whether the request is no gRPC request.
    #[inline]
    fn is_web(&mut self, id: u32) -> bool {
        self.slots.has_web && self.connection.stream(id).is_some_and(|exchange| exchange.web.is_some())
    }

    /// Runs `run` with a request that is no gRPC request. `None` if its stream is closed.
    #[inline(never)]
    fn in_web<R>(&mut self, id: u32, run: impl FnOnce(&mut WebExchange, &mut Writer<'_>, &Shared) -> R) -> Option<R> {
        let mut web = self.connection.stream(id)?.web.take()?;
        let mut out = Writer { id, output: self.output, connection: self.connection };
        let done = run(&mut web, &mut out, self.shared);
        // The stream may have ended with that.
        if let Some(exchange) = self.connection.stream(id) {
            exchange.web = Some(web);
        }
        Some(done)
    }

    /// How messages to this caller are compressed.
    fn compression(&mut self, id: u32) -> Option<Compression> {
        let wanted = self.shared.compression?;
        self.connection.stream(id).is_some_and(|exchange| exchange.accepts.accepts(wanted)).then_some(wanted)
    }

    /// Sends the head of a response, with the metadata that precedes the reply.
    fn head(&mut self, id: u32, reply_metadata: &Metadata) {
        let wanted = self.shared.compression;
        let Replies { output, connection, slots, .. } = self;
        connection.send_head(id, *output, |exchange, fields| {
            exchange.is_opened = true;
            common_fields(fields, slots, exchange.codec);
            if let Some(algorithm) = wanted.filter(|algorithm| exchange.accepts.accepts(*algorithm)) {
                fields.remembered(&mut slots.grpc_encoding, b"grpc-encoding", algorithm.name().as_bytes());
            }
            if !reply_metadata.is_empty() {
                metadata_fields(fields, reply_metadata);
            }
        });
    }

    /// Sends the successful end of a call. The error is the status with which the call ends instead; nothing is sent then.
    fn succeed(&mut self, id: u32, context: &Context, step: Step) -> Result<(), Status> {
        let mut trailer = Metadata::new();
        if context.has_metadata() {
            trailer = context.trailer().clone();
            check_reply_metadata(&trailer, self.shared.limits.metadata_bytes_max)?;
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
            if !trailer.is_empty() {
                metadata_fields(fields, &trailer);
            }
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
        let (status, trailer) = failed(status, served);
        let trailer = fitting(trailer, self.shared.limits.metadata_bytes_max);
        let origin = grpc::failure_origin(&status);
        let Some(exchange) = self.connection.stream(id) else { return };
        let (is_opened, codec) = (exchange.is_opened, exchange.codec);
        exchange.waiting = None;
        // A handler that returns OK as its error has failed nevertheless.
        let code = if status.code() == Code::Ok { Code::Unknown } else { status.code() };
        let texts = grpc::failure_fields(&status);
        let Replies { output, connection, slots, .. } = self;
        connection.send_trailers(id, *output, |fields| {
            if !is_opened {
                common_fields(fields, slots, codec);
            }
            fields.field(b"grpc-status", grpc::encode_status(code).as_bytes());
            for (name, value) in &texts {
                fields.field_once(name.as_bytes(), value);
            }
            if let Some(origin) = origin {
                fields.field(grpc::FAILURE_FIELD.as_bytes(), origin.as_bytes());
            }
            metadata_fields(fields, &trailer);
        });
        self.ended(id);
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

#[inline(never)]
fn metadata_fields(fields: &mut FieldWriter<'_>, pairs: &Metadata) {
    for (name, value) in metadata::fields(pairs) {
        fields.field_once(name.as_bytes(), &value);
    }
}

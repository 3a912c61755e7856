//! Writes the response to the current request of an HTTP/1.1 connection.

use bytes::{BufMut, Bytes};

use super::Current;
use crate::context::Context;
use crate::net::SendBuffer;
use crate::protocol::Message;
use crate::protocol::flow::Flow;
use crate::protocol::http1::{NO_FIELDS, ResponseBody, ResponseEncoder};
use crate::server::call::Step;
use crate::server::calls::{CallTimes, ReplyWriter, Room};
use crate::server::shared::Shared;
use crate::server::web::{Exchange, Field, ResponseWriter};
use crate::status::Status;

/// The output of one connection during one turn.
pub(super) struct Replies<'a> {
    pub(super) output: &'a mut SendBuffer,
    pub(super) current: &'a mut Option<Current>,
    pub(super) shared: &'a Shared,
    /// Whether the connection closes after the response.
    pub(super) is_leaving: bool,
}

impl ReplyWriter for Replies<'_> {
    fn is_full(&self) -> bool {
        self.output.len() > self.shared.limits.send_buffer_bytes_max
    }

    fn room(&self, _: u32, _: &Flow, _: u64, _: u64) -> Room {
        // HTTP/1.1 has no windows: a full send buffer alone stops the handler.
        if self.is_full() { Room::ConnectionIsFull } else { Room::Free }
    }

    fn open(&mut self, id: u32, context: &Context) -> Result<(), Status> {
        let Some((exchange, mut out, shared)) = self.response(id) else { return Ok(()) };
        exchange.response().open(context, shared, &mut out)
    }

    fn encode(&mut self, id: u32, message: Bytes) -> Result<Message, Status> {
        let Some((exchange, _, shared)) = self.response(id) else {
            return Err(Status::cancelled("the request is answered"));
        };
        exchange.response().encode(message, shared)
    }

    fn message(&mut self, id: u32, message: Message) {
        if let Some((exchange, mut out, _)) = self.response(id) {
            exchange.response().message(message, &mut out);
        }
    }

    fn end(&mut self, id: u32, _: CallTimes, context: &Context, step: Step) {
        if let Some((exchange, mut out, shared)) = self.response(id) {
            exchange.response().end(context, step, shared, &mut out);
        }
    }

    fn refuse(&mut self, id: u32, status: Status) {
        if let Some((exchange, mut out, shared)) = self.response(id) {
            exchange.fail(status, shared, &mut out);
        }
    }

    /// The peer may send more once less is unread, which the connection checks before it reads.
    fn credit(&mut self, _: u32, _: u64) {}
}

impl Replies<'_> {
    /// Answers a request that asks for no call, or whose call is refused.
    pub(super) fn answer(&mut self, id: u32) {
        if let Some((exchange, mut out, shared)) = self.response(id) {
            exchange.answer(shared, &mut out);
        }
    }

    /// The parts of a response that is not complete.
    fn response(&mut self, id: u32) -> Option<(&mut Exchange, Writer<'_>, &Shared)> {
        let Replies { output, current, shared, is_leaving } = self;
        let current = current.as_mut().filter(|current| current.id == id && !current.is_answered)?;
        let Current { exchange, body, encoder, is_long, awaits_continue, has_head, is_answered, .. } = current;
        // The connection cannot stay if nobody knows when the next request comes.
        let is_lost = body.is_some() && (*is_long || *awaits_continue);
        let may_stay = !*is_leaving && !is_lost;
        Some((exchange, Writer { output, encoder, may_stay, has_head, is_answered }, shared))
    }
}

/// Writes one response.
struct Writer<'a> {
    output: &'a mut SendBuffer,
    encoder: &'a mut ResponseEncoder,
    /// Whether the connection may stay open behind the response.
    may_stay: bool,
    has_head: &'a mut bool,
    is_answered: &'a mut bool,
}

impl ResponseWriter for Writer<'_> {
    fn head(&mut self, status: u16, fields: &[Field<'_>], length: Option<u64>) {
        self.encoder.keep_alive &= self.may_stay;
        *self.has_head = true;
        let body = length.map_or(ResponseBody::Chunked, ResponseBody::Length);
        let fields = fields.iter().map(|(name, value)| (&**name, &**value));
        if let Err(fault) = self.encoder.encode_head(self.output.tail(), status, fields, body) {
            // Metadata is checked when it is appended, so this cannot happen. Without a head the connection has to close.
            tracing::error!(why = fault.message(), "a response has a malformed field");
            self.encoder.keep_alive = false;
            let _ = self.encoder.encode_head(self.output.tail(), 500, NO_FIELDS, ResponseBody::Length(0));
        }
    }

    fn data(&mut self, prefix: &[u8], payload: Bytes, is_end: bool) {
        if self.encoder.begin_data(self.output.tail(), prefix.len() + payload.len()) {
            self.output.tail().put_slice(prefix);
            self.output.push(payload);
            self.encoder.end_data(self.output.tail());
        }
        if is_end {
            self.end();
        }
    }

    fn end(&mut self) {
        *self.is_answered = true;
        // Without trailers there is no error, and `finish` reads whether the connection stays.
        let _ = self.encoder.encode_end(self.output.tail(), NO_FIELDS);
    }
}

//! Encodes the replies and failures of a native connection as frames, within the limits of the caller.

use bytes::Bytes;

use crate::context::Context;
use crate::metadata::Metadata;
use crate::net::SendBuffer;
use crate::protocol::Message;
use crate::protocol::flow::Flow;
use crate::protocol::native::{self, Header, PREFACE, Settings, flag, kind};
use crate::server::call::Step;
use crate::server::calls::{CallTimes, ReplyWriter, Room, check_reply, failed, too_long};
use crate::server::shared::Shared;
use crate::status::{Code, Phase, Ran, Status};

/// The output of one connection during one turn.
pub(super) struct Replies<'a> {
    pub(super) output: &'a mut SendBuffer,
    /// The limits and features of the caller.
    pub(super) caller: &'a Settings,
    pub(super) shared: &'a Shared,
}

impl ReplyWriter for Replies<'_> {
    fn is_full(&self) -> bool {
        self.output.len() > self.shared.limits.send_buffer_bytes_max
    }

    fn room(&self, _: u32, sent: &Flow, outstanding: u64, cost: u64) -> Room {
        let windows = self.caller.windows();
        if sent.admits(outstanding, cost, windows) {
            Room::Free
        } else if outstanding + cost <= windows.stream {
            Room::ConnectionIsFull
        } else {
            Room::StreamIsFull
        }
    }

    fn open(&mut self, id: u32, context: &Context) -> Result<(), Status> {
        let metadata = self.encode_metadata(&context.reply_metadata())?;
        self.response(Header { flags: flag::OPEN, id, ..Header::default() }, &metadata, Bytes::new());
        Ok(())
    }

    fn encode(&mut self, _: u32, message: Bytes) -> Result<Message, Status> {
        check_reply(&message, self.message_bytes_max())?;
        let wanted = self.shared.compression.filter(|algorithm| self.caller.accepts(*algorithm));
        Ok(Message::encode(message, wanted, &self.shared.limits))
    }

    fn message(&mut self, id: u32, message: Message) {
        let header = Header { kind: kind::DATA, flags: message.flags(), id, ..Header::default() };
        native::encode_head(self.output.tail(), header, &[], message.bytes.len());
        self.output.push(message.bytes);
    }

    fn end(&mut self, id: u32, served: CallTimes, context: &Context, step: Step) {
        let spent = served.spent;
        let value = if spent.is_zero() { 0 } else { u32::try_from(spent.as_micros()).unwrap_or(u32::MAX) };
        let header = Header { id, value, ..Header::default() };
        match step {
            // The common case: one uncompressed reply without metadata.
            Step::Reply(message)
                if message.len() <= self.message_bytes_max()
                    && self.shared.compression.is_none()
                    && !context.has_metadata() =>
            {
                let length = native::wire_length(message.len());
                let header = Header { length, kind: kind::RESPONSE, flags: flag::END, ..header };
                self.output.push_framed(header.encode().to_le_bytes(), message);
            }
            step => self.end_otherwise(header, served, context, step),
        }
    }

    fn refuse(&mut self, id: u32, status: Status) {
        self.fail(Header { id, ..Header::default() }, None, status);
    }

    fn credit(&mut self, id: u32, bytes: u64) {
        let value = u32::try_from(bytes).unwrap_or(u32::MAX);
        native::encode_frame(self.output.tail(), Header { kind: kind::CREDIT, id, value, ..Header::default() }, &[]);
    }
}

impl Replies<'_> {
    /// Sends the preface and SETTINGS, before everything else that this side sends.
    pub(super) fn greeting(&mut self) {
        self.output.tail().extend_from_slice(&PREFACE);
        Settings::of(&self.shared.limits).encode(self.output.tail());
    }

    fn end_otherwise(&mut self, header: Header, served: CallTimes, context: &Context, step: Step) {
        if let Err(status) = self.succeed(header, context, step) {
            self.fail(header, Some((context, served)), status);
        }
    }

    /// Sends the successful end of a call. The error is the status with which the call ends instead; no frame is sent then.
    fn succeed(&mut self, header: Header, context: &Context, step: Step) -> Result<(), Status> {
        let (flags, message) = match step {
            Step::Reply(message) => {
                let message = self.encode(header.id, message)?;
                (message.flags(), message.bytes)
            }
            Step::Failed(status) => return Err(status),
            _ => (flag::OPEN, Bytes::new()),
        };
        let mut trailer = Bytes::new();
        if context.has_metadata() {
            trailer = self.encode_metadata(&context.trailer())?;
            // A stream has sent its reply metadata when it began.
            if flags & flag::OPEN == 0 && !context.reply_metadata().is_empty() {
                self.open(header.id, context)?;
            }
        }
        self.response(Header { flags: flags | flag::END, ..header }, &trailer, message);
        Ok(())
    }

    fn fail(&mut self, mut header: Header, served: Option<(&Context, CallTimes)>, status: Status) {
        self.shared.counters.ended(&status);
        // A handler that returns OK as its error has failed nevertheless.
        header.word = if status.code() == Code::Ok { Code::Unknown } else { status.code() } as u16;
        header.flags = flag::END;
        if status.ran() == Ran::No {
            header.flags |= flag::NOT_RUN;
        }
        if status.phase().is_some() {
            header.flags |= flag::NOT_THE_HANDLERS;
        }
        let (status, trailer) = failed(status, served);
        // The error is worth more than its trailer, so an oversized trailer is left out.
        let trailer = self.encode_metadata(&trailer).unwrap_or_else(|left_out| {
            tracing::warn!(why = left_out.message(), "the trailer of a call that failed is left out");
            Bytes::new()
        });
        self.response(header, &trailer, native::encode_error(&status));
    }

    pub(super) fn ping(&mut self) {
        native::encode_frame(self.output.tail(), Header { kind: kind::PING, ..Header::default() }, &[]);
    }

    pub(super) fn pong(&mut self, value: u32) {
        native::encode_frame(self.output.tail(), Header { kind: kind::PONG, value, ..Header::default() }, &[]);
    }

    pub(super) fn go_away(&mut self, why: &Status) {
        let header = Header { kind: kind::GO_AWAY, word: why.code() as u16, ..Header::default() };
        native::encode_frame(self.output.tail(), header, why.message().as_bytes());
    }

    fn response(&mut self, header: Header, metadata: &Bytes, message: Bytes) {
        let header = Header { kind: kind::RESPONSE, ..header };
        native::encode_head(self.output.tail(), header, metadata, message.len());
        self.output.push(message);
    }

    /// Encodes metadata for the caller. Metadata beyond the caller's limit fails the call, as a reply without the handler's
    /// metadata would be a different reply.
    fn encode_metadata(&self, metadata: &Metadata) -> Result<Bytes, Status> {
        if metadata.is_empty() {
            return Ok(Bytes::new());
        }
        let bytes = native::encode_metadata(metadata);
        let max = self.shared.limits.metadata_bytes_max.min(self.caller.metadata_bytes_max as usize);
        if bytes.len() <= max {
            return Ok(bytes);
        }
        Err(too_long("metadata of the reply", bytes.len(), "metadata_bytes_max", max).with_phase(Phase::Reply))
    }

    /// The longest message that may be sent: the lower limit of both sides.
    fn message_bytes_max(&self) -> usize {
        self.shared.limits.message_bytes_max.min(self.caller.message_bytes_max as usize)
    }
}

//! What leaves the server on a native connection: replies and their failures as frames, within what the caller accepts.

use std::time::Duration;

use bytes::Bytes;

use crate::context::Context;
use crate::metadata::Metadata;
use crate::net::SendBuffer;
use crate::protocol::Message;
use crate::protocol::flow::Windows;
use crate::protocol::native::{self, Header, PREFACE, Settings, flag, kind};
use crate::server::call::Step;
use crate::server::shared::Shared;
use crate::status::{Code, Phase, Ran, Status, milliseconds};

/// The way out of one connection, for one turn.
pub(super) struct Replies<'a> {
    pub(super) output: &'a mut SendBuffer,
    /// What the caller accepts.
    pub(super) caller: &'a Settings,
    pub(super) shared: &'a Shared,
}

/// What a server did with a call: how long it had it, and for how much of that the call waited for its turn.
#[derive(Clone, Copy, Default)]
pub(super) struct CallTimes {
    pub(super) spent: Duration,
    pub(super) queued: Duration,
}

/// A shorter wait is not worth a word in the story of a call.
const QUEUED_SHOWN_MIN: Duration = Duration::from_micros(100);

impl CallTimes {
    /// The server's part of the story of a call that failed.
    fn story(self, status: &Status) -> String {
        if status.phase() == Some(Phase::Queue) {
            return format!("queued {}", milliseconds(self.spent));
        }
        let handled = self.spent.saturating_sub(self.queued);
        let own = handled.saturating_sub(status.elapsed());
        let handle = format!("handle {} (itself {})", milliseconds(handled), milliseconds(own));
        if self.queued < QUEUED_SHOWN_MIN {
            return handle;
        }
        format!("queued {}, {handle}", milliseconds(self.queued))
    }
}

impl Replies<'_> {
    /// Whether nothing more is to be made for now.
    pub(super) fn is_full(&self) -> bool {
        self.output.len() > self.shared.limits.send_buffer_bytes_max
    }

    /// What the caller is willing to hold unread.
    pub(super) fn windows(&self) -> Windows {
        self.caller.windows()
    }

    /// Preface and SETTINGS, before anything else that this side sends.
    pub(super) fn greeting(&mut self) {
        self.output.tail().extend_from_slice(&PREFACE);
        Settings::of(&self.shared.limits).encode(self.output.tail());
    }

    /// A stream of replies has begun. The error is what its call ends with instead.
    pub(super) fn open(&mut self, id: u32, context: &Context) -> Result<(), Status> {
        let metadata = self.encode_metadata(&context.reply_metadata())?;
        self.response(Header { flags: flag::OPEN, id, ..Header::default() }, &metadata, Bytes::new());
        Ok(())
    }

    /// A message as the caller will get it: within its limit, and compressed where both sides want that.
    pub(super) fn encode(&self, message: Bytes) -> Result<Message, Status> {
        self.check(&message)?;
        let wanted = self.shared.compression.filter(|algorithm| self.caller.accepts(*algorithm));
        Ok(Message::encode(message, wanted, &self.shared.limits))
    }

    /// A message of a stream.
    pub(super) fn message(&mut self, id: u32, message: Message) {
        let header = Header { kind: kind::DATA, flags: message.flags(), id, ..Header::default() };
        native::encode_head(self.output.tail(), header, &[], message.bytes.len());
        self.output.push(message.bytes);
    }

    /// The end of a call.
    pub(super) fn end(&mut self, id: u32, served: CallTimes, context: &Context, step: Step) {
        let spent = served.spent;
        let value = if spent.is_zero() { 0 } else { u32::try_from(spent.as_micros()).unwrap_or(u32::MAX) };
        let header = Header { id, value, ..Header::default() };
        match step {
            // As most calls end: a reply that goes as it is, with nothing beside it.
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

    fn end_otherwise(&mut self, header: Header, served: CallTimes, context: &Context, step: Step) {
        if let Err(status) = self.succeed(header, context, step) {
            self.fail(header, Some((context, served)), status);
        }
    }

    /// The end of a call that did not fail. The error is what it ends with instead; nothing was said then.
    fn succeed(&mut self, header: Header, context: &Context, step: Step) -> Result<(), Status> {
        let (flags, message) = match step {
            Step::Reply(message) => {
                let message = self.encode(message)?;
                (message.flags(), message.bytes)
            }
            Step::Failed(status) => return Err(status),
            _ => (flag::OPEN, Bytes::new()),
        };
        let mut trailer = Bytes::new();
        if context.has_metadata() {
            trailer = self.encode_metadata(&context.trailer())?;
            // A stream has said it when it began.
            if flags & flag::OPEN == 0 && !context.reply_metadata().is_empty() {
                self.open(header.id, context)?;
            }
        }
        self.response(Header { flags: flags | flag::END, ..header }, &trailer, message);
        Ok(())
    }

    /// The end of a call that did not begin.
    pub(super) fn refuse(&mut self, id: u32, status: Status) {
        self.fail(Header { id, ..Header::default() }, None, status);
    }

    fn fail(&mut self, mut header: Header, served: Option<(&Context, CallTimes)>, status: Status) {
        self.shared.counters.ended(&status);
        // A handler that fails with OK has failed all the same.
        header.word = if status.code() == Code::Ok { Code::Unknown } else { status.code() } as u16;
        header.flags = flag::END;
        if status.ran() == Ran::No {
            header.flags |= flag::NOT_RUN;
        }
        if status.phase().is_some() {
            header.flags |= flag::NOT_THE_HANDLERS;
        }
        let mut trailer = status.trailer().clone();
        let mut status = status;
        if let Some((context, served)) = served {
            for (key, value) in context.trailer().iter() {
                // Checked when it was appended there.
                drop(trailer.append(key, value));
            }
            // What a handler answers of its own accord needs no story.
            if !status.is_from_handler() || status.story().is_some() {
                let story = served.story(&status);
                status = status.with_hop(&story);
            }
        }
        if let Some(story) = status.story() {
            drop(trailer.set(native::STORY_KEY, story));
        }
        // The error is worth more than what stands beside it.
        let trailer = self.encode_metadata(&trailer).unwrap_or_else(|left_out| {
            tracing::warn!(why = left_out.message(), "the trailer of a call that failed is left out");
            Bytes::new()
        });
        self.response(header, &trailer, native::encode_error(&status));
    }

    /// The caller may send this much more of a request stream.
    pub(super) fn credit(&mut self, id: u32, bytes: u64) {
        let value = u32::try_from(bytes).unwrap_or(u32::MAX);
        native::encode_frame(self.output.tail(), Header { kind: kind::CREDIT, id, value, ..Header::default() }, &[]);
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

    /// Metadata as the caller will get it. What it does not accept fails the call: a reply without what the handler has
    /// put beside it would be another reply.
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

    /// The longest message that goes out: within the limit of either side.
    fn message_bytes_max(&self) -> usize {
        self.shared.limits.message_bytes_max.min(self.caller.message_bytes_max as usize)
    }

    fn check(&self, message: &Bytes) -> Result<(), Status> {
        let max = self.message_bytes_max();
        if message.len() <= max {
            return Ok(());
        }
        Err(too_long("the reply", message.len(), "message_bytes_max", max).with_phase(Phase::Reply))
    }
}

pub(super) fn too_long(what: &str, length: usize, limit: &str, max: usize) -> Status {
    Status::resource_exhausted(format!("{what} of {length} bytes is beyond {limit} {max}"))
}

//! What a protocol does with the replies of calls: the interface between the calls of a connection and its frames.

use std::time::Duration;

use bytes::Bytes;

use crate::context::Context;
use crate::metadata::Metadata;
use crate::protocol::flow::Flow;
use crate::protocol::{Message, STORY_KEY, metadata_bytes};
use crate::server::call::Step;
use crate::status::{Phase, Status, milliseconds};

/// Encodes the replies of a connection's calls as frames.
pub(in crate::server) trait ReplyWriter {
    /// Whether the send buffer is full: the connection should encode nothing more for now.
    fn is_full(&self) -> bool;

    /// Whether a stream with `outstanding` bytes may send another message. `sent` counts the bytes of all streams of the
    /// connection that are sent and not credited.
    fn room(&self, id: u32, sent: &Flow, outstanding: u64, cost: u64) -> Room;

    /// Begins a stream of replies. The error is the status with which the call ends instead.
    fn open(&mut self, id: u32, context: &Context) -> Result<(), Status>;

    /// Encodes a message of a reply stream, within the limits of both sides.
    fn encode(&mut self, id: u32, message: Bytes) -> Result<Message, Status>;

    /// Sends a message of a reply stream.
    fn message(&mut self, id: u32, message: Message);

    /// Sends the end of a call.
    fn end(&mut self, id: u32, times: CallTimes, context: &Context, step: Step);

    /// Sends the failure of a call that did not begin.
    fn refuse(&mut self, id: u32, status: Status);

    /// Takes note that the handler has read so many bytes of a request stream.
    fn credit(&mut self, id: u32, bytes: u64);
}

/// Whether there is room for a message of a reply stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Room {
    Free,
    /// The stream waits for its own window. A credit for the stream wakes it.
    StreamIsFull,
    /// The stream waits for the window of the connection.
    ConnectionIsFull,
}

/// For how long the server had a call, and how much of that time the call waited in the queue.
#[derive(Clone, Copy, Default)]
pub(in crate::server) struct CallTimes {
    pub(in crate::server) spent: Duration,
    pub(in crate::server) queued: Duration,
}

/// The story of a call does not mention a shorter wait.
const QUEUED_SHOWN_MIN: Duration = Duration::from_micros(100);

impl CallTimes {
    /// Returns the server's part of the story of a failed call.
    pub(in crate::server) fn story(self, status: &Status) -> String {
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

/// The status of something longer than its limit.
pub(in crate::server) fn too_long(what: &str, length: usize, limit: &str, max: usize) -> Status {
    Status::resource_exhausted(format!("{what} of {length} bytes is beyond {limit} {max}"))
}

/// The status and the trailer that a failed call sends: what its handler appended, and the story of the call, are added.
/// `served` is that of a call that has begun.
pub(in crate::server) fn failed(status: Status, served: Option<(&Context, CallTimes)>) -> (Status, Metadata) {
    let mut trailer = failure_trailer(&status, served.map(|(context, _)| context));
    let mut status = status;
    // A status that the handler chose itself needs no story.
    if let Some((_, times)) = served
        && (!status.is_from_handler() || status.story().is_some())
    {
        let story = times.story(&status);
        status = status.with_hop(&story);
    }
    if let Some(story) = status.story() {
        drop(trailer.set(STORY_KEY, story));
    }
    (status, trailer)
}

/// The trailer of a failed call: that of its status, and what its handler appended.
pub(in crate::server) fn failure_trailer(status: &Status, context: Option<&Context>) -> Metadata {
    let mut trailer = status.trailer().clone();
    if let Some(context) = context.filter(|context| context.has_metadata()) {
        for (key, value) in context.trailer().iter() {
            // The key and value were checked when the handler appended them.
            drop(trailer.append(key, value));
        }
    }
    trailer
}

/// Checks the length of a reply against `message_bytes_max`.
pub(in crate::server) fn check_reply(message: &Bytes, max: usize) -> Result<(), Status> {
    if message.len() <= max {
        return Ok(());
    }
    Err(too_long("the reply", message.len(), "message_bytes_max", max).with_phase(Phase::Reply))
}

/// Checks the metadata of a reply against `metadata_bytes_max`.
pub(in crate::server) fn check_reply_metadata(metadata: &Metadata, max: usize) -> Result<(), Status> {
    check_metadata("metadata of the reply", metadata, max).map_err(|status| status.with_phase(Phase::Reply))
}

/// The trailer of a failed call, or nothing if it is beyond `metadata_bytes_max`: the error is worth more than its trailer.
pub(in crate::server) fn fitting(trailer: Metadata, max: usize) -> Metadata {
    match check_reply_metadata(&trailer, max) {
        Ok(()) => trailer,
        Err(left_out) => {
            tracing::warn!(why = left_out.message(), "the trailer of a call that failed is left out");
            Metadata::new()
        }
    }
}

/// Checks the metadata of a request or a reply against `metadata_bytes_max`.
pub(in crate::server) fn check_metadata(what: &str, metadata: &Metadata, max: usize) -> Result<(), Status> {
    let bytes = metadata_bytes(metadata);
    if bytes <= max { Ok(()) } else { Err(too_long(what, bytes, "metadata_bytes_max", max)) }
}

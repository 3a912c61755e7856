//! What a protocol does with the replies of calls: the interface between the calls of a connection and its frames.

use std::time::Duration;

use bytes::Bytes;

use crate::context::Context;
use crate::metadata::Metadata;
use crate::protocol::Message;
use crate::protocol::flow::Flow;
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

/// Checks the metadata of a request or a reply against `metadata_bytes_max`.
pub(in crate::server) fn check_metadata(what: &str, metadata: &Metadata, max: usize) -> Result<(), Status> {
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes <= max { Ok(()) } else { Err(too_long(what, bytes, "metadata_bytes_max", max)) }
}

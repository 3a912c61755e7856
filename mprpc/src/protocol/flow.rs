//! Flow control by credit: bounds the bytes of a stream that are in transit or unread. This file holds arithmetic only. The
//! sender asks before it sends; the receiver enforces the same rules.

/// The cost of a message in addition to its bytes, so that empty messages are not free.
const MESSAGE_OVERHEAD_BYTES: u64 = 16;

/// The cost of a message of this many bytes.
pub(crate) fn cost(message_bytes: usize) -> u64 {
    message_bytes as u64 + MESSAGE_OVERHEAD_BYTES
}

/// The flow-control windows: how many unread bytes a receiver is willing to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// The window of one stream.
    pub(crate) stream: u64,
    /// The window of all streams of the connection together.
    pub(crate) connection: u64,
}

impl Windows {
    /// No bound, where another mechanism bounds the streams.
    pub(crate) const UNBOUNDED: Windows = Windows { stream: u64::MAX, connection: u64::MAX };

    /// The larger of both windows, for the stream and for the connection.
    pub(crate) fn at_least(self, other: Windows) -> Windows {
        Windows { stream: self.stream.max(other.stream), connection: self.connection.max(other.connection) }
    }
}

/// The flow-control state of one direction of a connection: the bytes of all streams that are sent and not credited yet.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    outstanding: u64,
}

impl Flow {
    /// Whether a stream with `outstanding` bytes may send a message.
    ///
    /// A stream with nothing outstanding may always send. So a message larger than a window passes, and unread streams
    /// cannot starve the others, which then send one message at a time.
    pub(crate) fn admits(&self, outstanding: u64, cost: u64, windows: Windows) -> bool {
        outstanding == 0
            || (outstanding + cost <= windows.stream && self.outstanding.saturating_add(cost) <= windows.connection)
    }

    /// Checks a received message against the windows. The error names the window that the message exceeds.
    pub(crate) fn check(&self, outstanding: u64, cost: u64, windows: Windows) -> Result<(), String> {
        if self.admits(outstanding, cost, windows) {
            return Ok(());
        }
        let (unread, whose, limit, window) = if outstanding + cost > windows.stream {
            (outstanding, "its stream", "stream_window_bytes", windows.stream)
        } else {
            (self.outstanding, "the connection", "connection_window_bytes", windows.connection)
        };
        Err(format!("a message of {cost} bytes with {unread} of {whose} unread is beyond {limit} {window}"))
    }

    /// Records a message that was sent on a stream.
    pub(crate) fn sent(&mut self, stream: &mut u64, cost: u64) {
        *stream += cost;
        self.outstanding += cost;
    }

    /// Records that the receiver has read this many bytes of a stream.
    pub(crate) fn credited(&mut self, stream: &mut u64, bytes: u64) {
        // A peer that credits more than was sent makes a mistake and gains nothing.
        let bytes = bytes.min(*stream);
        *stream -= bytes;
        self.outstanding -= bytes;
    }

    /// Records the end of a stream. Its outstanding bytes no longer count.
    pub(crate) fn ended(&mut self, stream: &mut u64) {
        self.credited(stream, u64::MAX);
    }

    /// The outstanding bytes of all streams together.
    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { stream: 100, connection: 150 };

    #[test]
    fn stream_is_bounded_by_its_own_window_and_by_the_connection_window() {
        let mut flow = Flow::default();
        let (mut a, mut b) = (0, 0);
        flow.sent(&mut a, 60);
        assert!(flow.admits(a, 40, WINDOWS) && !flow.admits(a, 41, WINDOWS));
        flow.sent(&mut a, 40);
        flow.sent(&mut b, 50);
        assert!(!flow.admits(b, 1, WINDOWS), "the connection's window is full");
        flow.credited(&mut a, 10);
        assert!(flow.admits(b, 10, WINDOWS));
        flow.ended(&mut a);
        flow.ended(&mut b);
        assert_eq!((a, b, flow.outstanding()), (0, 0, 0));
    }

    #[test]
    fn stream_with_nothing_outstanding_is_never_starved() {
        let mut flow = Flow::default();
        let mut unread = 0;
        flow.sent(&mut unread, 1_000_000);
        assert!(flow.admits(0, u64::from(u32::MAX), WINDOWS));
        assert!(!flow.admits(unread, 1, WINDOWS));
    }

    #[test]
    fn credit_beyond_what_was_sent_gains_nothing() {
        let mut flow = Flow::default();
        let mut stream = 0;
        flow.sent(&mut stream, 20);
        flow.credited(&mut stream, 1000);
        assert_eq!((stream, flow.outstanding()), (0, 0));
    }
}

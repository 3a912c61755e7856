//! Flow control by credit: how many bytes of a stream may be on their way or unread. Arithmetic only; the same for the
//! sender, who asks before it sends, and for the receiver, who holds the sender to it.

/// What a message costs beside its bytes, so that empty ones are not free.
const MESSAGE_OVERHEAD_BYTES: u64 = 16;

/// What a message of this many bytes costs.
pub(crate) fn cost(message_bytes: usize) -> u64 {
    message_bytes as u64 + MESSAGE_OVERHEAD_BYTES
}

/// What a receiver is willing to hold unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Of one stream.
    pub(crate) stream: u64,
    /// Of all streams of the connection together.
    pub(crate) connection: u64,
}

impl Windows {
    /// The wider of both.
    pub(crate) fn at_least(self, other: Windows) -> Windows {
        Windows { stream: self.stream.max(other.stream), connection: self.connection.max(other.connection) }
    }
}

/// The bytes of all streams of a connection, in one direction, that are sent and not credited yet.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    outstanding: u64,
}

impl Flow {
    /// Whether a stream with `outstanding` bytes may send a message.
    ///
    /// A stream of which nothing is outstanding always may. So a message larger than a window passes, and streams that
    /// nobody reads cannot starve the others: these fall back to one message at a time.
    pub(crate) fn admits(&self, outstanding: u64, cost: u64, windows: Windows) -> bool {
        outstanding == 0
            || (outstanding + cost <= windows.stream && self.outstanding.saturating_add(cost) <= windows.connection)
    }

    /// The same, for the receiver. The error says which window the message is beyond.
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

    /// A message was sent on a stream.
    pub(crate) fn sent(&mut self, stream: &mut u64, cost: u64) {
        *stream += cost;
        self.outstanding += cost;
    }

    /// The receiver has read this much of a stream.
    pub(crate) fn credited(&mut self, stream: &mut u64, bytes: u64) {
        // More than was sent is a peer's mistake, and gains it nothing.
        let bytes = bytes.min(*stream);
        *stream -= bytes;
        self.outstanding -= bytes;
    }

    /// The stream has ended: nothing of it is waited for any more.
    pub(crate) fn ended(&mut self, stream: &mut u64) {
        self.credited(stream, u64::MAX);
    }

    /// Bytes of all streams together.
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

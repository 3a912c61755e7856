//! Converts between the two ways to count a stream: the inbox counts messages with a fixed cost each, and HTTP/2 counts the
//! bytes on the wire.

/// The messages of one stream that have arrived and that nobody has read yet.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    cost: u64,
    wire_bytes: u64,
    /// Bytes of `wire_bytes` that were granted again before somebody read them.
    granted_early: u64,
}

impl Unread {
    /// A message has arrived.
    pub(crate) fn arrived(&mut self, cost: u64, wire_bytes: u64) {
        self.cost += cost;
        self.wire_bytes += wire_bytes;
    }

    /// Bytes of an incomplete message are granted again at once, as a message may be longer than the window.
    pub(crate) fn granted_early(&mut self, wire_bytes: u64) {
        self.granted_early += wire_bytes;
    }

    /// Messages of this cost were read. Returns how many bytes on the wire to grant for them.
    pub(crate) fn read(&mut self, cost: u64) -> u64 {
        let cost = cost.min(self.cost);
        if cost == 0 {
            return 0;
        }
        let share = u128::from(self.wire_bytes) * u128::from(cost) / u128::from(self.cost);
        let read = share as u64;
        self.cost -= cost;
        self.wire_bytes -= read;
        let early = read.min(self.granted_early);
        self.granted_early -= early;
        read - early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_arrived_is_granted_once() {
        let mut unread = Unread::default();
        unread.granted_early(60);
        for _ in 0..3 {
            unread.arrived(116, 105);
        }
        let granted: u64 = [100, 16, 116, 116, 50].into_iter().map(|cost| unread.read(cost)).sum();
        assert_eq!(granted, 3 * 105 - 60);
        assert_eq!(unread.read(116), 0);
    }
}

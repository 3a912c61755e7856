//! The frames of the raw socket, without the socket: a receive buffer, and messages to write.

/// Bytes of one read. Small messages are as fast as with 20 KiB; messages of 16 KiB are 2.6 times faster.
const BUFFER_BYTES: usize = 256 * 1024;
/// The length prefix of each message, little-endian.
const PREFIX_BYTES: usize = 4;
/// The longest frame that is copied. Copying is faster than another slice to write at 32 bytes, equal at 1 KiB, slower at 16
/// KiB.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// A receive buffer: complete frames from `begin` to `complete`, then the beginning of the next frame up to `end`.
pub(super) struct Received {
    bytes: Vec<u8>,
    begin: usize,
    complete: usize,
    end: usize,
}

impl Received {
    pub(super) fn new() -> Received {
        Received { bytes: vec![0; BUFFER_BYTES], begin: 0, complete: 0, end: 0 }
    }

    /// Whether the buffer is empty, so that another connection can use it.
    pub(super) fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// The free space to read into. Call it only after all complete frames are taken.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        debug_assert!(self.begin == self.complete, "frames would be lost");
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        } else if let Some(length) = length(&self.bytes[self.begin..self.end]) {
            // A frame stays contiguous, so that a message is one slice.
            if self.begin + length > self.bytes.len() || self.end == self.bytes.len() {
                self.move_to_front(length);
            }
        } else if self.begin + PREFIX_BYTES > self.bytes.len() {
            self.move_to_front(PREFIX_BYTES);
        }
        self.complete = self.begin;
        &mut self.bytes[self.end..]
    }

    fn move_to_front(&mut self, room: usize) {
        self.bytes.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
    }

    /// Records that `bytes` bytes were read.
    pub(super) fn filled(&mut self, bytes: usize) {
        self.end += bytes;
        while let Some(length) = length(&self.bytes[self.complete..self.end]) {
            if self.complete + length > self.end {
                break;
            }
            self.complete += length;
        }
    }

    /// All complete frames that are not taken yet.
    pub(super) fn frames(&self) -> &[u8] {
        &self.bytes[self.begin..self.complete]
    }

    /// Drops the first `bytes` bytes of the complete frames.
    pub(super) fn take(&mut self, bytes: usize) {
        self.begin += bytes;
    }

    /// Copies complete frames to `replies`, up to the first large one. A server whose replies differ from the requests has
    /// to copy; a large frame is better written from its place.
    pub(super) fn copy_small(&mut self, replies: &mut Vec<u8>) {
        while let Some(length) = length(&self.bytes[self.begin..self.complete]) {
            if length > COPIED_BYTES_MAX {
                return;
            }
            let payload = &self.bytes[self.begin + PREFIX_BYTES..self.begin + length];
            replies.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            replies.extend_from_slice(payload);
            self.begin += length;
        }
    }

    /// Takes the next complete frame and returns its payload.
    pub(super) fn next_payload(&mut self) -> Option<&[u8]> {
        let from = self.begin;
        let length = length(&self.bytes[from..self.complete])?;
        self.begin += length;
        Some(&self.bytes[from + PREFIX_BYTES..from + length])
    }
}

fn length(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.first_chunk::<PREFIX_BYTES>()?;
    Some(PREFIX_BYTES + u32::from_le_bytes(*prefix) as usize)
}

/// Messages to write, all with the same payload. Small messages are copied one behind the other, as every system does. A
/// large message would be expensive to copy, so one copy is written again and again.
pub(super) struct Sending {
    frame: Vec<u8>,
    /// Small messages that are not written yet.
    gathered: Vec<u8>,
    /// Written bytes of `gathered` or of the frame.
    offset: usize,
    /// Large messages that are not written yet, including a partly written one.
    waiting: u64,
}

impl Sending {
    /// Creates messages of `payload` bytes.
    pub(super) fn new(payload: usize) -> Sending {
        let mut frame = (payload as u32).to_le_bytes().to_vec();
        frame.resize(PREFIX_BYTES + payload, 7);
        Sending { frame, gathered: Vec::new(), offset: 0, waiting: 0 }
    }

    /// Adds one message.
    pub(super) fn add(&mut self) {
        if self.is_small() {
            self.gathered.extend_from_slice(&self.frame);
        } else {
            self.waiting += 1;
        }
    }

    /// The bytes to write next; empty if nothing is left.
    pub(super) fn bytes(&self) -> &[u8] {
        match (self.is_small(), self.waiting) {
            (true, _) => &self.gathered[self.offset..],
            (false, 0) => &[],
            (false, _) => &self.frame[self.offset..],
        }
    }

    /// Records that `bytes` bytes were written. Returns whether a large message ended with them.
    pub(super) fn sent(&mut self, bytes: usize) -> bool {
        self.offset += bytes;
        let length = if self.is_small() { self.gathered.len() } else { self.frame.len() };
        let ended = self.offset == length;
        if ended {
            self.offset = 0;
            self.gathered.clear();
            self.waiting = self.waiting.saturating_sub(1);
        }
        ended
    }

    fn is_small(&self) -> bool {
        self.frame.len() <= COPIED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries the messages to a receiver in pieces of `piece` bytes. Returns the lengths of the received payloads.
    fn carry(sending: &mut Sending, received: &mut Received, piece: usize) -> Vec<usize> {
        let mut payloads = Vec::new();
        while !sending.bytes().is_empty() {
            let spare = received.spare();
            let taken = sending.bytes().len().min(piece).min(spare.len());
            assert!(taken > 0, "no room");
            spare[..taken].copy_from_slice(&sending.bytes()[..taken]);
            sending.sent(taken);
            received.filled(taken);
            while let Some(payload) = received.next_payload() {
                payloads.push(payload.len());
            }
        }
        payloads
    }

    #[test]
    fn messages_arrive_whole_in_pieces_of_any_size() {
        for (payload, piece) in [(0, 3), (32, 1), (32, 77), (16_384, 100_000), (1 << 20, 70_001), (300_000, 1 << 22)] {
            let (mut sending, mut received) = (Sending::new(payload), Received::new());
            (0..20).for_each(|_| sending.add());
            let arrived = carry(&mut sending, &mut received, piece);
            assert_eq!(arrived, [payload; 20], "{payload} bytes in pieces of {piece}");
            assert!(received.is_empty());
        }
    }

    #[test]
    fn frames_stay_until_they_are_taken() {
        let (mut sending, mut received) = (Sending::new(2), Received::new());
        sending.add();
        sending.add();
        let bytes = sending.bytes().to_vec();
        received.spare()[..9].copy_from_slice(&bytes[..9]);
        received.filled(9);
        assert_eq!(received.frames(), [2, 0, 0, 0, 7, 7]);
        let mut replies = Vec::new();
        received.copy_small(&mut replies);
        assert_eq!(replies, [2, 0, 0, 0, 7, 7]);
        received.spare()[..3].copy_from_slice(&bytes[9..]);
        received.filled(3);
        assert_eq!(received.next_payload(), Some(&[7, 7][..]));
        assert_eq!(received.next_payload(), None);
    }
}

//! Frames of the raw socket, without a socket: a buffer that is read into, and messages to write.

/// So much is read at a time: for small messages as good as 20 KiB, for 16 KiB 2.6 times better.
const BUFFER_BYTES: usize = 256 * 1024;
/// The length, little-endian, in front of each message.
const PREFIX_BYTES: usize = 4;
/// Copying a frame beats another slice to write at 32 bytes, equals it at 1 KiB, and loses at 16 KiB.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// What was read: whole frames from `begin` to `complete`, and from there to `end` the beginning of the next one.
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

    /// Whether there is nothing in it, so that another connection can use it.
    pub(super) fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Where to read to. Only when all whole frames are done with.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        debug_assert!(self.begin == self.complete, "frames would be lost");
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        } else if let Some(length) = length(&self.bytes[self.begin..self.end]) {
            // A frame is kept in one piece: whoever gets a message gets the whole of it.
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

    /// Notes that so many bytes were read.
    pub(super) fn filled(&mut self, bytes: usize) {
        self.end += bytes;
        while let Some(length) = length(&self.bytes[self.complete..self.end]) {
            if self.complete + length > self.end {
                break;
            }
            self.complete += length;
        }
    }

    /// All whole frames that were not taken yet.
    pub(super) fn frames(&self) -> &[u8] {
        &self.bytes[self.begin..self.complete]
    }

    /// Drops so many bytes of them.
    pub(super) fn take(&mut self, bytes: usize) {
        self.begin += bytes;
    }

    /// Makes replies of the whole frames up to the first large one, each behind the other. A server whose replies are
    /// no requests has to; large frames are better written from where they are.
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

    /// The payload of the next whole frame, which is dropped with that.
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

/// Messages to write, all of the same payload. Small ones are put behind each other, as every system does it; of large
/// ones, which it would cost to copy, one lies ready and is written over and over.
pub(super) struct Sending {
    frame: Vec<u8>,
    /// Small messages that are not written yet.
    gathered: Vec<u8>,
    /// Bytes of `gathered`, or of the frame, that are written.
    offset: usize,
    /// Large messages that are not written yet, the one that is begun included.
    waiting: u64,
}

impl Sending {
    /// Messages of `payload` bytes.
    pub(super) fn new(payload: usize) -> Sending {
        let mut frame = (payload as u32).to_le_bytes().to_vec();
        frame.resize(PREFIX_BYTES + payload, 7);
        Sending { frame, gathered: Vec::new(), offset: 0, waiting: 0 }
    }

    /// One more message is to be written.
    pub(super) fn add(&mut self) {
        if self.is_small() {
            self.gathered.extend_from_slice(&self.frame);
        } else {
            self.waiting += 1;
        }
    }

    /// What to write next; empty if nothing is left.
    pub(super) fn bytes(&self) -> &[u8] {
        match (self.is_small(), self.waiting) {
            (true, _) => &self.gathered[self.offset..],
            (false, 0) => &[],
            (false, _) => &self.frame[self.offset..],
        }
    }

    /// Notes that so many bytes of it were written; whether a large message ended with them.
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

    /// Carries what is to be sent to a receiver in pieces of `piece` bytes; the lengths of the payloads that arrived.
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
    fn messages_arrive_whole_whatever_the_pieces() {
        for (payload, piece) in [(0, 3), (32, 1), (32, 77), (16_384, 100_000), (1 << 20, 70_001), (300_000, 1 << 22)] {
            let (mut sending, mut received) = (Sending::new(payload), Received::new());
            (0..20).for_each(|_| sending.add());
            let arrived = carry(&mut sending, &mut received, piece);
            assert_eq!(arrived, [payload; 20], "{payload} bytes in pieces of {piece}");
            assert!(received.is_empty());
        }
    }

    #[test]
    fn frames_are_there_until_they_are_taken() {
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

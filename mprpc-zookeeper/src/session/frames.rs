//! The packets in the bytes that a server sends.

use bytes::{Buf, Bytes, BytesMut};

/// Splits a stream of bytes into packets. It keeps at most one packet of the largest size, and what one read brought.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: BytesMut,
    /// The bytes of an oversized packet that are still to come.
    skip: usize,
}

/// A packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A packet without its length.
    Packet(Bytes),
    /// The head of a packet that is larger than the limit, and the size of the packet. The rest is skipped.
    Oversized(Bytes, usize),
}

/// A length that no packet has. The connection cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLength(pub(crate) i32);

impl Frames {
    pub(crate) fn clear(&mut self) {
        *self = Frames::default();
    }

    /// Appends bytes of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.bytes.extend_from_slice(&bytes[skipped..]);
    }

    /// Returns the next packet, if it is complete.
    pub(crate) fn next(&mut self, packet_bytes_max: usize) -> Result<Option<Frame>, BadLength> {
        let Some((length, _)) = self.bytes.split_first_chunk() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        let size = usize::try_from(length).map_err(|_| BadLength(length))?;
        if size <= packet_bytes_max {
            if self.bytes.len() < 4 + size {
                return Ok(None);
            }
            self.bytes.advance(4);
            return Ok(Some(Frame::Packet(self.bytes.split_to(size).freeze())));
        }
        if self.bytes.len() < 4 + HEAD_BYTES {
            return Ok(None);
        }
        let head = Bytes::copy_from_slice(&self.bytes[4..4 + HEAD_BYTES]);
        let there = self.bytes.len().min(4 + size);
        self.bytes.advance(there);
        self.skip = 4 + size - there;
        Ok(Some(Frame::Oversized(head, size)))
    }
}

/// The length of a reply's head: number, transaction, error.
pub(crate) const HEAD_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_whole_however_the_bytes_arrive() {
        let stream = [&[0, 0, 0, 3][..], b"abc", &[0, 0, 0, 0], &[0, 0, 0, 40], &[7; 40], &[0, 0, 0, 1], b"d"].concat();
        for chunk in [1, 2, 5, 100] {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for bytes in stream.chunks(chunk) {
                frames.push(bytes);
                while let Ok(Some(frame)) = frames.next(30) {
                    seen.push(frame);
                }
            }
            let packet = |bytes: &'static [u8]| Frame::Packet(Bytes::from_static(bytes));
            let expected =
                [packet(b"abc"), packet(b""), Frame::Oversized(Bytes::from_static(&[7; 16]), 40), packet(b"d")];
            assert_eq!(seen, expected, "in chunks of {chunk}");
            assert!(frames.bytes.is_empty());
        }
    }

    #[test]
    fn negative_length_is_an_error() {
        let mut frames = Frames::default();
        frames.push(&[0xff; 4]);
        assert_eq!(frames.next(30), Err(BadLength(-1)));
    }
}

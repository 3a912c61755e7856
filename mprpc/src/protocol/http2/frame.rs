//! The frames of HTTP/2 (RFC 9113, section 4 and 6): headers, kinds, flags, settings and error codes.

use bytes::{BufMut, BytesMut};

/// The bytes that a client sends first.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The length of a frame header.
pub(crate) const HEADER_BYTES: usize = 9;
/// The maximum length of a frame's payload until the receiver announces another one, and the least that it may announce.
pub(crate) const FRAME_BYTES_MAX: u32 = 16 << 10;
/// The most that a receiver may announce as the maximum length of a payload.
pub(crate) const FRAME_BYTES_LIMIT: u32 = (1 << 24) - 1;
/// The window of a connection and of its streams until it is changed.
pub(crate) const INITIAL_WINDOW: u32 = 65_535;
/// The largest window.
pub(crate) const WINDOW_MAX: i64 = (1 << 31) - 1;
/// The bits of a stream identifier; the highest bit is reserved.
pub(crate) const STREAM_MASK: u32 = 0x7fff_ffff;

/// The kinds of frames, as on the wire.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// The flags of a frame, as on the wire.
pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 0x01;
    pub(crate) const ACK: u8 = 0x01;
    pub(crate) const END_HEADERS: u8 = 0x04;
    pub(crate) const PADDED: u8 = 0x08;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// The identifiers of settings, as on the wire.
pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// The error codes of RST_STREAM and GOAWAY (RFC 9113, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ErrorCode {
    NoError = 0,
    ProtocolError = 1,
    FlowControlError = 3,
    StreamClosed = 5,
    FrameSizeError = 6,
    RefusedStream = 7,
    Cancel = 8,
    CompressionError = 9,
    EnhanceYourCalm = 11,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHeader {
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> FrameHeader {
        let [l2, l1, l0, kind, flags, s3, s2, s1, s0] = *bytes;
        FrameHeader {
            length: u32::from_be_bytes([0, l2, l1, l0]),
            kind,
            flags,
            stream: u32::from_be_bytes([s3, s2, s1, s0]) & STREAM_MASK,
        }
    }

    #[inline]
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let [_, l2, l1, l0] = self.length.to_be_bytes();
        let [s3, s2, s1, s0] = self.stream.to_be_bytes();
        [l2, l1, l0, self.kind, self.flags, s3, s2, s1, s0]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Appends a frame with a short payload.
pub(crate) fn encode_frame(out: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = payload.len() as u32;
    out.put_slice(&FrameHeader { length, kind, flags, stream }.encode());
    out.put_slice(payload);
}

/// Appends a RST_STREAM.
pub(super) fn encode_reset(out: &mut BytesMut, id: u32, code: ErrorCode) {
    encode_frame(out, kind::RST_STREAM, 0, id, &(code as u32).to_be_bytes());
}

/// Appends a GOAWAY.
pub(super) fn encode_go_away(out: &mut BytesMut, last: u32, code: ErrorCode, text: &str) {
    let text = &text.as_bytes()[..text.len().min(GOAWAY_TEXT_BYTES_MAX)];
    let length = (8 + text.len()) as u32;
    out.put_slice(&FrameHeader { length, kind: kind::GOAWAY, flags: 0, stream: 0 }.encode());
    out.put_u32(last);
    out.put_u32(code as u32);
    out.put_slice(text);
}

/// A longer text in a GOAWAY is cut.
const GOAWAY_TEXT_BYTES_MAX: usize = 512;

/// Removes the padding of a DATA or HEADERS payload. Returns the range of the content; `None` if the padding is longer than
/// the payload.
pub(crate) fn unpadded(header: FrameHeader, payload: &[u8]) -> Option<std::ops::Range<usize>> {
    if !header.has(flag::PADDED) {
        return Some(0..payload.len());
    }
    let padding = usize::from(*payload.first()?);
    let end = payload.len().checked_sub(padding)?;
    (end >= 1).then_some(1..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_header_decodes_as_it_was_encoded() {
        let header = FrameHeader { length: 0x01_02_03, kind: kind::HEADERS, flags: 0x2d, stream: 0x7fff_fffe };
        assert_eq!(header.encode(), [1, 2, 3, 1, 0x2d, 0x7f, 0xff, 0xff, 0xfe]);
        assert_eq!(FrameHeader::decode(&header.encode()), header);
        let mut reserved = header.encode();
        reserved[5] |= 0x80;
        assert_eq!(FrameHeader::decode(&reserved), header, "the reserved bit is ignored");
    }

    #[test]
    fn padding_is_cut_off_and_must_fit() {
        let padded = FrameHeader { length: 4, kind: kind::DATA, flags: flag::PADDED, stream: 1 };
        assert_eq!(unpadded(padded, &[2, 7, 0, 0]), Some(1..2));
        assert_eq!(unpadded(padded, &[3, 0, 0, 0]), Some(1..1));
        assert_eq!(unpadded(padded, &[4, 0, 0, 0]), None);
        assert_eq!(unpadded(padded, &[]), None);
        assert_eq!(unpadded(FrameHeader { flags: 0, ..padded }, &[4, 0]), Some(0..2));
    }
}

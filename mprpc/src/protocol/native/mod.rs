//! The native protocol: preface, frame header, and what stands in a body. Bytes to frames and back; no sockets, no
//! clock. `docs/protocol.md` is its specification.

mod compressed;
mod error;
mod keepalive;
mod metadata;
mod settings;

pub(crate) use compressed::Message;
#[cfg(test)]
use compressed::{compress_message, decompress_message};
pub(crate) use error::{decode_error, encode_error};
pub(crate) use keepalive::{Keepalive, Look, Pace, PingGuard};
pub(crate) use metadata::{decode_metadata, encode_metadata, metadata_bytes};
pub(crate) use settings::Settings;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::limits::Limits;

/// What either side sends first: the magic, then the version.
pub(crate) const PREFACE: [u8; 8] = *b"\x89MPRPC\n\x01";
/// How much of the preface is the same in every version.
pub(crate) const MAGIC_BYTES: usize = 7;
/// The bytes of a frame header.
pub(crate) const HEADER_BYTES: usize = 16;

/// The key of the trailer in which a failed call's story travels.
pub(crate) const STORY_KEY: &str = "mprpc-story-bin";

/// The kind of a frame, as on the wire.
pub(crate) mod kind {
    pub(crate) const SETTINGS: u8 = 1;
    pub(crate) const METHOD: u8 = 2;
    pub(crate) const REQUEST: u8 = 3;
    pub(crate) const RESPONSE: u8 = 4;
    pub(crate) const DATA: u8 = 5;
    pub(crate) const CREDIT: u8 = 6;
    pub(crate) const CANCEL: u8 = 7;
    pub(crate) const PING: u8 = 8;
    pub(crate) const PONG: u8 = 9;
    pub(crate) const GO_AWAY: u8 = 10;
}

/// The flags of a frame, as on the wire.
pub(crate) mod flag {
    pub(crate) const METADATA: u8 = 0x01;
    pub(crate) const END: u8 = 0x02;
    pub(crate) const COMPRESSED: u8 = 0x04;
    pub(crate) const OPEN: u8 = 0x08;
    pub(crate) const NOT_RUN: u8 = 0x10;
    pub(crate) const NOT_THE_HANDLERS: u8 = 0x20;
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) word: u16,
    pub(crate) id: u32,
    pub(crate) value: u32,
}

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = self.kind;
        bytes[5] = self.flags;
        bytes[6..8].copy_from_slice(&self.word.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.id.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.value.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Header {
        let mut bytes = bytes.as_slice();
        Header {
            length: bytes.get_u32_le(),
            kind: bytes.get_u8(),
            flags: bytes.get_u8(),
            word: bytes.get_u16_le(),
            id: bytes.get_u32_le(),
            value: bytes.get_u32_le(),
        }
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A step of decoding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// The frame is not complete; this many bytes of it are missing at least.
    NeedMore(usize),
    /// A frame.
    Frame(Header, Bytes),
    /// The header of a frame whose body is beyond `body_bytes_max`. The body is skipped as it comes.
    TooLong(Header),
}

/// Cuts frames out of what was read, and skips the bodies that are too long.
#[derive(Debug)]
pub(crate) struct Decoder {
    body_bytes_max: usize,
    skip_bytes: usize,
}

impl Decoder {
    /// For what this side accepts under `limits`.
    pub(crate) fn of(limits: &Limits) -> Decoder {
        let metadata_bytes_max = limits.metadata_bytes_max.saturating_add(size_of::<u32>());
        Decoder::new(limits.message_bytes_max.saturating_add(metadata_bytes_max))
    }

    /// `body_bytes_max` bounds what a frame may make the reader hold.
    pub(crate) fn new(body_bytes_max: usize) -> Decoder {
        Decoder { body_bytes_max, skip_bytes: 0 }
    }

    /// The next frame of `input`, without copying its body.
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Decoded {
        let skipped = self.skip_bytes.min(input.len());
        input.advance(skipped);
        self.skip_bytes -= skipped;
        let Some(bytes) = input.first_chunk::<HEADER_BYTES>() else {
            return Decoded::NeedMore(HEADER_BYTES - input.len());
        };
        let header = Header::decode(bytes);
        let length = header.length as usize;
        if length > self.body_bytes_max {
            input.advance(HEADER_BYTES);
            self.skip_bytes = length;
            return Decoded::TooLong(header);
        }
        if input.len() < HEADER_BYTES + length {
            return Decoded::NeedMore(HEADER_BYTES + length - input.len());
        }
        input.advance(HEADER_BYTES);
        Decoded::Frame(header, input.split_to(length).freeze())
    }

    /// Whether a frame was begun and is not complete.
    pub(crate) fn is_inside_a_frame(&self, input: &BytesMut) -> bool {
        self.skip_bytes > 0 || !input.is_empty()
    }
}

/// Splits the body of a frame into its metadata, still encoded, and its message. `None`: the metadata is longer than
/// the frame.
pub(crate) fn split_body(header: Header, mut body: Bytes) -> Option<(Bytes, Bytes)> {
    if !header.has(flag::METADATA) {
        return Some((Bytes::new(), body));
    }
    let length = body.try_get_u32_le().ok()? as usize;
    if length > body.len() {
        return None;
    }
    let metadata = body.split_to(length);
    Some((metadata, body))
}

/// Appends the begin of a frame with metadata, where there is any, up to its message of `message_bytes`.
pub(crate) fn encode_head(out: &mut BytesMut, mut header: Header, metadata: &[u8], message_bytes: usize) {
    let mut length = message_bytes;
    if !metadata.is_empty() {
        header.flags |= flag::METADATA;
        length += size_of::<u32>() + metadata.len();
    }
    header.length = wire_length(length);
    out.extend_from_slice(&header.encode());
    if !metadata.is_empty() {
        out.extend_from_slice(&wire_length(metadata.len()).to_le_bytes());
        out.extend_from_slice(metadata);
    }
}

/// Appends a frame without metadata.
pub(crate) fn encode_frame(out: &mut impl BufMut, header: Header, body: &[u8]) {
    out.put_slice(&Header { length: wire_length(body.len()), ..header }.encode());
    out.put_slice(body);
}

/// A length as it stands in a header. Bodies are bounded by `Limits` before they come here.
pub(crate) fn wire_length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests;

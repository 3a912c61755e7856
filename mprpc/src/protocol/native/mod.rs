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

use std::mem;

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
    /// As one number, little-endian on the wire: it is written at once, where eight parts would be put together in memory
    /// first and waited for.
    pub(crate) fn encode(self) -> u128 {
        let low = u64::from(self.length)
            | u64::from(self.kind) << 32
            | u64::from(self.flags) << 40
            | u64::from(self.word) << 48;
        let high = u64::from(self.id) | u64::from(self.value) << 32;
        u128::from(low) | u128::from(high) << 64
    }

    /// Read at once too, and taken apart in registers.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Header {
        let number = u128::from_le_bytes(*bytes);
        let (low, high) = (number as u64, (number >> 64) as u64);
        Header {
            length: low as u32,
            kind: (low >> 32) as u8,
            flags: (low >> 40) as u8,
            word: (low >> 48) as u16,
            id: high as u32,
            value: (high >> 32) as u32,
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
    /// Complete frames that were cut out of the input together: that is dear, and a slice of them cheap.
    complete: Bytes,
}

impl Decoder {
    /// For what this side accepts under `limits`.
    pub(crate) fn of(limits: &Limits) -> Decoder {
        let metadata_bytes_max = limits.metadata_bytes_max.saturating_add(size_of::<u32>());
        Decoder::new(limits.message_bytes_max.saturating_add(metadata_bytes_max))
    }

    /// `body_bytes_max` bounds what a frame may make the reader hold.
    pub(crate) fn new(body_bytes_max: usize) -> Decoder {
        Decoder { body_bytes_max, skip_bytes: 0, complete: Bytes::new() }
    }

    /// The same, with bodies of at most so many bytes.
    pub(crate) fn at_most(self, body_bytes_max: usize) -> Decoder {
        Decoder { body_bytes_max: self.body_bytes_max.min(body_bytes_max), ..self }
    }

    /// The longest body that is taken.
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// Bytes of complete frames that were cut out of the input and are not taken yet.
    #[inline]
    pub(crate) fn complete_bytes(&self) -> usize {
        self.complete.len()
    }

    /// Moves these to a buffer of their own, as they may stay for a while: they are slices of one that is shared.
    pub(crate) fn compact(&mut self) {
        self.complete = Bytes::copy_from_slice(&self.complete);
    }

    /// Skips the frame that `input` begins with and that is incomplete: its header, where that is there.
    pub(crate) fn skip(&mut self, input: &mut BytesMut) -> Option<Header> {
        let header = Header::decode(input.first_chunk()?);
        input.advance(HEADER_BYTES);
        self.skip_bytes = header.length as usize;
        Some(header)
    }

    /// The next frame of `input`, without copying its body. Those behind it that are complete may leave `input` with it.
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Decoded {
        if self.complete.is_empty()
            && let Some(incomplete) = self.cut(input)
        {
            return incomplete;
        }
        let Some(bytes) = self.complete.first_chunk() else {
            return Decoded::NeedMore(HEADER_BYTES);
        };
        let header = Header::decode(bytes);
        let end = HEADER_BYTES + header.length as usize;
        // The last one takes over the count of references of all.
        if end == self.complete.len() {
            let mut body = mem::take(&mut self.complete);
            body.advance(HEADER_BYTES);
            return Decoded::Frame(header, body);
        }
        let body = self.complete.slice(HEADER_BYTES..end);
        self.complete.advance(end);
        Decoded::Frame(header, body)
    }

    /// Cuts out all frames that are complete, up to one that is too long; if there is none, what there is instead.
    fn cut(&mut self, input: &mut BytesMut) -> Option<Decoded> {
        if self.skip_bytes > 0 {
            let skipped = self.skip_bytes.min(input.len());
            input.advance(skipped);
            self.skip_bytes -= skipped;
        }
        let mut end = 0;
        let stopped = loop {
            let rest = &input[end..];
            let Some(bytes) = rest.first_chunk() else {
                break Decoded::NeedMore(HEADER_BYTES - rest.len());
            };
            let header = Header::decode(bytes);
            let length = header.length as usize;
            if length > self.body_bytes_max {
                break Decoded::TooLong(header);
            }
            if rest.len() < HEADER_BYTES + length {
                break Decoded::NeedMore(HEADER_BYTES + length - rest.len());
            }
            end += HEADER_BYTES + length;
        };
        if end > 0 {
            self.complete = input.split_to(end).freeze();
            return None;
        }
        if let Decoded::TooLong(header) = stopped {
            input.advance(HEADER_BYTES);
            self.skip_bytes = header.length as usize;
        }
        Some(stopped)
    }

    /// Whether a frame was begun and is not complete.
    pub(crate) fn is_inside_a_frame(&self, input: &BytesMut) -> bool {
        self.skip_bytes > 0 || !input.is_empty()
    }
}

/// Splits the body of a frame into its metadata, still encoded, where it has any, and its message. `None`: the metadata is
/// longer than the frame.
pub(crate) fn split_body(header: Header, mut body: Bytes) -> Option<(Option<Bytes>, Bytes)> {
    if !header.has(flag::METADATA) {
        return Some((None, body));
    }
    let length = body.try_get_u32_le().ok()? as usize;
    if length > body.len() {
        return None;
    }
    let metadata = body.split_to(length);
    Some((Some(metadata), body))
}

/// Appends the begin of a frame with metadata, where there is any, up to its message of `message_bytes`.
#[inline]
pub(crate) fn encode_head(out: &mut BytesMut, mut header: Header, metadata: &[u8], message_bytes: usize) {
    let mut length = message_bytes;
    if !metadata.is_empty() {
        header.flags |= flag::METADATA;
        length += size_of::<u32>() + metadata.len();
    }
    header.length = wire_length(length);
    out.put_u128_le(header.encode());
    if !metadata.is_empty() {
        out.extend_from_slice(&wire_length(metadata.len()).to_le_bytes());
        out.extend_from_slice(metadata);
    }
}

/// Appends a frame without metadata.
pub(crate) fn encode_frame(out: &mut impl BufMut, header: Header, body: &[u8]) {
    out.put_u128_le(Header { length: wire_length(body.len()), ..header }.encode());
    out.put_slice(body);
}

/// A length as it stands in a header. Bodies are bounded by `Limits` before they come here.
pub(crate) fn wire_length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests;

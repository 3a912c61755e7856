//! The native protocol: preface, frame header and frame body. It converts between bytes and frames, without sockets or a
//! clock. `docs/protocol.md` is the specification.

mod compressed;
mod error;
mod keepalive;
mod metadata;
mod settings;

pub(crate) use compressed::{Compressed, Message};
#[cfg(test)]
use compressed::{compress_message, decompress_message};
pub(crate) use error::{decode_error, encode_error};
pub(crate) use keepalive::{Keepalive, Look, Pace, PingGuard};
pub(crate) use metadata::{decode_metadata, encode_metadata, metadata_bytes};
pub(crate) use settings::Settings;

use std::mem;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::limits::Limits;

/// The first bytes that each side sends: the magic, then the version.
pub(crate) const PREFACE: [u8; 8] = *b"\x89MPRPC\n\x01";
/// The length of the magic, which is the same in every version.
pub(crate) const MAGIC_BYTES: usize = 7;
/// The length of a frame header.
pub(crate) const HEADER_BYTES: usize = 16;

/// The key of the trailer that carries the story of a failed call: one line of text per hop.
pub(crate) const STORY_KEY: &str = "mprpc-story-bin";

/// The kinds of frames, as on the wire.
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
    /// Encodes the header as one number, little-endian on the wire. The CPU writes the number at once. Eight separate
    /// fields would be assembled in memory first, and the read behind them would wait for that.
    pub(crate) fn encode(self) -> u128 {
        let low = u64::from(self.length)
            | u64::from(self.kind) << 32
            | u64::from(self.flags) << 40
            | u64::from(self.word) << 48;
        let high = u64::from(self.id) | u64::from(self.value) << 32;
        u128::from(low) | u128::from(high) << 64
    }

    /// Decodes the header with one read and separates the fields in registers.
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

/// The result of one decoding step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// The frame is incomplete. At least this many bytes are missing.
    NeedMore(usize),
    /// A complete frame: its header and its body.
    Frame(Header, Bytes),
    /// The header of a frame whose body exceeds `body_bytes_max`. The decoder skips the body as it arrives.
    TooLong(Header),
}

/// Cuts frames out of the received bytes, and skips bodies that are too long.
#[derive(Debug)]
pub(crate) struct Decoder {
    body_bytes_max: usize,
    skip_bytes: usize,
    /// Complete frames that were cut out of the input together. One cut is expensive; slices of it are cheap.
    complete: Bytes,
}

impl Decoder {
    /// A decoder for the frames that this side accepts under `limits`.
    pub(crate) fn of(limits: &Limits) -> Decoder {
        let metadata_bytes_max = limits.metadata_bytes_max.saturating_add(size_of::<u32>());
        Decoder::new(limits.message_bytes_max.saturating_add(metadata_bytes_max))
    }

    /// A decoder that accepts bodies of at most `body_bytes_max` bytes. A frame cannot make the reader hold more.
    pub(crate) fn new(body_bytes_max: usize) -> Decoder {
        Decoder { body_bytes_max, skip_bytes: 0, complete: Bytes::new() }
    }

    /// Lowers the limit on bodies to `body_bytes_max`, if it is higher.
    pub(crate) fn at_most(self, body_bytes_max: usize) -> Decoder {
        Decoder { body_bytes_max: self.body_bytes_max.min(body_bytes_max), ..self }
    }

    /// The maximum length of a body.
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// Bytes of complete frames that were cut out of the input and are not decoded yet.
    #[inline]
    pub(crate) fn complete_bytes(&self) -> usize {
        self.complete.len()
    }

    /// Copies the complete frames out of the shared buffer, because they may stay for a while.
    pub(crate) fn compact(&mut self) {
        self.complete = Bytes::copy_from_slice(&self.complete);
    }

    /// Skips the incomplete frame at the front of `input`. Returns its header, if that is complete.
    pub(crate) fn skip(&mut self, input: &mut BytesMut) -> Option<Header> {
        let header = Header::decode(input.first_chunk()?);
        input.advance(HEADER_BYTES);
        self.skip_bytes = header.length as usize;
        Some(header)
    }

    /// Decodes the next frame of `input` without copying its body. Complete frames behind it may be cut out of `input` too.
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
        // The last frame takes over the reference to the shared buffer, which saves an increment of the reference count.
        if end == self.complete.len() {
            let mut body = mem::take(&mut self.complete);
            body.advance(HEADER_BYTES);
            return Decoded::Frame(header, body);
        }
        let body = self.complete.slice(HEADER_BYTES..end);
        self.complete.advance(end);
        Decoded::Frame(header, body)
    }

    /// Cuts out all complete frames up to one that is too long. If there is no complete frame, returns what is there
    /// instead.
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

    /// Whether a frame has begun and is incomplete.
    pub(crate) fn is_inside_a_frame(&self, input: &BytesMut) -> bool {
        self.skip_bytes > 0 || !input.is_empty()
    }
}

/// Splits the body of a frame into its encoded metadata, if any, and its message. `None` if the metadata is longer than the
/// frame.
#[inline]
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

/// Appends the header of a frame and its metadata, if any. A message of `message_bytes` must follow.
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

/// A length as a field of the wire format. `Limits` bounds every body before its length gets here.
pub(crate) fn wire_length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests;

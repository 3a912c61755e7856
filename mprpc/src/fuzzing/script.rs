//! Scripts: short instructions from which frames with correct lengths are made, so that the fuzzer reaches what lies behind
//! the framing.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocol::http::grpc::encode_prefix;
use crate::protocol::http2::frame::{self, FRAME_BYTES_MAX, encode_frame, flag, kind};
use crate::protocol::http2::hpack::{Encoder, Indexing};
use crate::protocol::native::{self, Header};

/// What the peer does next.
pub(super) enum Step {
    /// Sends these bytes and lets the other side read them.
    Send(BytesMut),
    /// Does nothing for a while.
    Wait(Duration),
    /// Reads all that has arrived.
    Read,
}

/// Who wrote the script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    Client,
    Server,
}

/// Takes the next instruction: kind, flags, id, a length, and as many bytes.
fn instruction<'a>(data: &mut &'a [u8]) -> Option<([u8; 3], &'a [u8])> {
    let ([kind, flags, id, length], rest) = data.split_first_chunk()?;
    let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
    *data = rest;
    Some(([*kind, *flags, *id], payload))
}

/// The steps of a script. An instruction whose kind has the bit 0x80 travels together with the next one.
fn steps<'a>(
    mut data: &'a [u8],
    mut encode: impl FnMut(&mut BytesMut, [u8; 3], &'a [u8]) + 'a,
) -> impl Iterator<Item = Step> + 'a {
    let mut bytes = BytesMut::new();
    std::iter::from_fn(move || {
        loop {
            let Some((head @ [kind, flags, id], payload)) = instruction(&mut data) else {
                return (!bytes.is_empty()).then(|| Step::Send(bytes.split()));
            };
            match kind & 15 {
                WAIT if bytes.is_empty() => {
                    return Some(Step::Wait(Duration::from_millis(u64::from(flags) * u64::from(id))));
                }
                READ if bytes.is_empty() => return Some(Step::Read),
                WAIT | READ => return Some(Step::Send(bytes.split())),
                RAW => bytes.extend_from_slice(payload),
                _ => encode(&mut bytes, head, payload),
            }
            if kind & 0x80 == 0 {
                return Some(Step::Send(bytes.split()));
            }
        }
    })
}

/// The bytes themselves.
const RAW: u8 = 11;
const WAIT: u8 = 12;
const READ: u8 = 13;
/// HTTP/2: the head of a request or of a response; the payload is more of the block. Native: a frame with metadata.
const HEAD: u8 = 14;
/// HTTP/2: DATA with a gRPC message. Native: DATA with a long body.
const MESSAGE: u8 = 15;

/// The path of the four methods of the service.
const PATHS: [&str; 4] = ["/f.F/One", "/f.F/Up", "/f.F/Down", "/f.F/Talk"];

/// The steps of a script of HTTP/2.
pub(super) fn http2(author: Author, data: &[u8]) -> impl Iterator<Item = Step> {
    steps(data, move |out, [kind, flags, id], payload| {
        let variant = kind >> 4 & 7;
        match kind & 15 {
            HEAD => {
                let mut block = match author {
                    Author::Client => request(variant),
                    Author::Server => response(variant),
                };
                block.extend_from_slice(payload);
                encode_frame(out, kind::HEADERS, flags & !flag::PADDED, id.into(), &block);
            }
            MESSAGE => {
                let message = payload.repeat(4usize.pow(variant.into()) % 4095);
                let message = [&encode_prefix(variant >> 2 & 1, message.len())[..], &message].concat();
                let count = message.chunks(FRAME_BYTES_MAX as usize).count();
                for (at, part) in message.chunks(FRAME_BYTES_MAX as usize).enumerate() {
                    let flags = if at + 1 == count { flags & !flag::PADDED } else { 0 };
                    encode_frame(out, kind::DATA, flags, id.into(), part);
                }
            }
            kind => encode_frame(out, kind, flags, id.into(), payload),
        }
    })
}

fn block(fields: &[(&str, &str)]) -> BytesMut {
    let (mut encoder, mut block) = (Encoder::new(), BytesMut::new());
    for (name, value) in fields {
        encoder.encode(&mut block, name.as_bytes(), value.as_bytes(), Indexing::Without);
    }
    block
}

/// The block of a request, with or without a content type.
fn request(variant: u8) -> BytesMut {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", PATHS[usize::from(variant & 3)]),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    block(if variant & 4 == 0 { &fields } else { &fields[..3] })
}

/// The block of a response, or of trailers.
fn response(variant: u8) -> BytesMut {
    match variant {
        0 => block(&[(":status", "200"), ("content-type", "application/grpc")]),
        1 => block(&[("grpc-status", "0")]),
        2 => block(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5")]),
        3 => block(&[(":status", "103")]),
        4 => block(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")]),
        5 => block(&[(":status", "503")]),
        _ => BytesMut::new(),
    }
}

/// What a peer sends first on HTTP/2. `initial_window` is what it accepts on a stream.
pub(super) fn http2_greeting(author: Author, initial_window: u32) -> BytesMut {
    let mut out = BytesMut::new();
    if author == Author::Client {
        out.extend_from_slice(frame::PREFACE);
    }
    let [a, b, c, d] = initial_window.to_be_bytes();
    encode_frame(&mut out, kind::SETTINGS, 0, 0, &[0, frame::setting::INITIAL_WINDOW_SIZE as u8, a, b, c, d]);
    out
}

/// The steps of a script of the native protocol. Two bytes before the payload are the word and the value.
pub(super) fn native(data: &[u8]) -> impl Iterator<Item = Step> {
    steps(data, |out, [kind, flags, id], payload| {
        let (Some(word), Some(value)) = (payload.first(), payload.get(1)) else { return };
        let word = if word & 0x80 == 0 { u16::from(*word) } else { u16::from(*word) << 8 };
        let value = [0, 1000, 1_000_000, u32::MAX].get(usize::from(*value)).copied().unwrap_or(u32::from(*value) << 12);
        let header = Header { kind: kind & 15, flags, word, id: id.into(), value, ..Header::default() };
        let payload = &payload[2..];
        match kind & 15 {
            HEAD => {
                let is_request = kind >> 4 & 1 == 0;
                let kind = if is_request { native::kind::REQUEST } else { native::kind::RESPONSE };
                let (length, payload) = payload.split_first().unwrap_or((&0, &[]));
                let (value, message) = payload.split_at(payload.len().min((*length).into()));
                let mut body = BytesMut::new();
                body.put_u32_le((PAIR_BYTES + KEY.len() + value.len()) as u32);
                body.put_u16_le(KEY.len() as u16);
                body.put_u32_le(value.len() as u32);
                body.put_slice(KEY);
                body.put_slice(value);
                body.put_slice(message);
                native::encode_frame(out, Header { kind, flags: flags | native::flag::METADATA, ..header }, &body);
            }
            MESSAGE => {
                let body = Bytes::from(payload.repeat(4usize.pow((kind >> 4 & 7).into()) % 4095));
                native::encode_frame(out, Header { kind: native::kind::DATA, ..header }, &body);
            }
            _ => native::encode_frame(out, header, payload),
        }
    })
}

/// The name of the metadata in scripts.
const KEY: &[u8] = b"key";
/// The lengths of the key and of the value.
const PAIR_BYTES: usize = 6;

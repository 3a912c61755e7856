//! The entry points of the fuzz targets in `fuzz/`. The module exists only when `cargo fuzz` compiles the crate.

use bytes::{Bytes, BytesMut};

use crate::limits::Limits;
use crate::net::clock;
use crate::protocol::http::grpc::{self, MessageDecoder};
use crate::protocol::http1::{BodyDecoder, Decoded, HeadDecoder};
use crate::protocol::http2::hpack::{Decoder, Encoder, Indexing};
use crate::protocol::http2::{Connection, Event, Output, OwnSettings};
use crate::protocol::{classic, native, sniff};

/// Splits the input into parts, each as long as the byte before it says, so that the fuzzer chooses where reads end.
fn parts(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first()?;
        let (part, rest) = rest.split_at(rest.len().min(1 + usize::from(*length)));
        data = rest;
        Some(part)
    })
}

/// Detects the protocol of the first bytes. A decision must not change when more bytes arrive.
pub fn sniffed(data: &[u8]) {
    let limits = Limits::default();
    let decisions = (1..=data.len().min(64)).map(|length| sniff(&data[..length], &limits));
    let mut decided = decisions.skip_while(|decision| *decision == crate::protocol::Sniffed::NeedMore);
    if let Some(first) = decided.next() {
        assert!(decided.all(|later| later == first), "{data:?}");
    }
}

/// Decodes native frames, and what is in them.
pub fn native_frames(data: &[u8]) {
    let mut decoder = native::Decoder::of(&Limits::default());
    let mut input = BytesMut::new();
    for part in parts(data) {
        input.extend_from_slice(part);
        loop {
            match decoder.decode(&mut input) {
                native::Decoded::NeedMore(_) => break,
                native::Decoded::TooLong(_) => {}
                native::Decoded::Frame(header, body) => {
                    drop(native::Settings::default().merge(body.clone()));
                    drop(native::decode_error(header.word, &body));
                    if let Some((Some(metadata), _)) = native::split_body(header, body) {
                        drop(native::decode_metadata(metadata));
                    }
                }
            }
        }
    }
}

/// Decodes a classic request.
pub fn classic_request(data: &[u8]) {
    drop(classic::decode_request(&mut BytesMut::from(data), &Limits::default()));
}

/// Decodes header blocks, one after the other, and sends on what was decoded: the other side must decode the same.
pub fn hpack(data: &[u8]) {
    let mut decoder = Decoder::new(4096, 16 << 10);
    let mut encoder = Encoder::new();
    let mut mirror = Decoder::new(4096, usize::MAX);
    for block in parts(data) {
        let mut fields = Vec::new();
        if decoder.decode(block, &mut |field| fields.push((field.name.to_vec(), field.value.to_vec()))).is_err() {
            return;
        }
        let mut out = BytesMut::new();
        encoder.begin_block(&mut out);
        for (at, (name, value)) in fields.iter().enumerate() {
            let indexing = [Indexing::Add, Indexing::Without, Indexing::Never][at % 3];
            encoder.encode(&mut out, name, value, indexing);
        }
        let mut mirrored = Vec::new();
        let decoded = mirror.decode(&out, &mut |field| mirrored.push((field.name.to_vec(), field.value.to_vec())));
        assert!(decoded.is_ok() && mirrored == fields, "{fields:?}");
    }
}

/// Decodes the messages of a gRPC body. However the body is cut, the messages are the same.
pub fn grpc_messages(data: &[u8]) {
    let decoded = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut decoder = MessageDecoder::new(grpc::flag::COMPRESSED, 1 << 20);
        let mut messages = Vec::new();
        for piece in pieces {
            let mut piece = Bytes::copy_from_slice(piece);
            loop {
                match decoder.decode(&mut piece) {
                    Ok(Some(message)) => messages.push((message.flags, message.bytes)),
                    Ok(None) => break,
                    Err(_) => return (messages, false),
                }
            }
        }
        (messages, true)
    };
    assert_eq!(decoded(&mut [data].into_iter()), decoded(&mut data.chunks(7)));
    drop(grpc::decode_timeout(data));
    drop(grpc::decode_status_message(data));
}

/// Decodes HTTP/1.1 requests.
pub fn http1(data: &[u8]) {
    let limits = Limits::default();
    let mut input = BytesMut::new();
    let mut head = HeadDecoder::new(&limits);
    let mut body: Option<BodyDecoder> = None;
    for part in parts(data) {
        input.extend_from_slice(part);
        loop {
            let Some(decoder) = &mut body else {
                match head.decode(&mut input) {
                    Ok(None) => break,
                    Ok(Some(request)) => body = Some(BodyDecoder::new(request.body, &limits)),
                    Err(_) => return,
                }
                continue;
            };
            match decoder.decode(&mut input) {
                Ok(Decoded::NeedMore) => break,
                Ok(Decoded::Data(_)) => {}
                Ok(Decoded::End(_)) => (head, body) = (HeadDecoder::new(&limits), None),
                Err(_) => return,
            }
        }
    }
}

/// Output that is dropped.
#[derive(Default)]
struct Dropped(BytesMut);

impl Output for Dropped {
    fn tail(&mut self) -> &mut BytesMut {
        &mut self.0
    }

    fn push(&mut self, _: Bytes) {}
}

/// One side of an HTTP/2 connection against arbitrary frames; a server answers each request.
pub fn http2(is_server: bool, data: &[u8]) {
    let own = OwnSettings {
        streams_max: 100,
        stream_window: 1 << 20,
        connection_window: 1 << 20,
        frame_bytes_max: 16 << 10,
        header_list_bytes_max: 16 << 10,
        header_table_bytes: 4096,
    };
    let mut out = Dropped::default();
    let mut connection: Connection<()> = Connection::new(is_server, own, 1000, &mut out);
    if !is_server {
        connection.open((), true, &mut out, |fields| fields.post(false));
    }
    let (now, mut input) = (clock::now(), BytesMut::new());
    for part in parts(data) {
        input.extend_from_slice(part);
        loop {
            let ended = match connection.next(now, &mut input, &mut out, &mut |_| {}) {
                Err(_) => return,
                Ok(Event::NeedMore(_)) => break,
                Ok(Event::Head { id, is_end, .. } | Event::Data { id, is_end, .. }) => is_end.then_some(id),
                Ok(Event::Trailers { id, .. }) => Some(id),
                Ok(_) => None,
            };
            match ended {
                Some(id) if is_server => {
                    connection.send_head(id, &mut out, |_, fields| fields.status_ok());
                    connection.send_data(id, b"head", Bytes::from_static(&[7; 1000]), false, &mut out);
                    connection.send_trailers(id, &mut out, |fields| fields.field(b"grpc-status", b"0"));
                }
                Some(id) => drop(connection.finish(id, &mut out)),
                None => {}
            }
            out.0.clear();
        }
    }
}

//! Tests of the engine: one side against frames that are made by hand, and both sides against each other.

mod bad_input;
mod client;
mod flow;
mod framing;
mod lifecycle;

use std::time::{Duration, Instant};

use super::frame::{FRAME_BYTES_MAX, FrameHeader, HEADER_BYTES, INITIAL_WINDOW, encode_frame, flag, kind, setting};
use super::hpack::{Encoder, Field, Indexing};
use super::*;

/// The bytes that a side sends.
#[derive(Default)]
struct Sent(BytesMut);

impl Output for Sent {
    fn tail(&mut self) -> &mut BytesMut {
        &mut self.0
    }

    fn push(&mut self, payload: Bytes) {
        self.0.extend_from_slice(&payload);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Sent {
    /// Takes the frames that were sent since the last call.
    fn take(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(bytes) = self.0.first_chunk::<HEADER_BYTES>() {
            let FrameHeader { length, kind, flags, stream } = FrameHeader::decode(bytes);
            let payload = self.0.split_to(HEADER_BYTES + length as usize)[HEADER_BYTES..].to_vec();
            frames.push(Frame { kind, flags, stream, payload });
        }
        assert!(self.0.is_empty());
        frames
    }

    /// Takes the frames that were sent, as kind, flags, stream and length.
    fn shapes(&mut self) -> Vec<(u8, u8, u32, usize)> {
        self.take().into_iter().map(|frame| (frame.kind, frame.flags, frame.stream, frame.payload.len())).collect()
    }
}

/// One side of a connection, and what it has received and sent.
struct Side {
    connection: Connection<u32>,
    out: Sent,
    input: BytesMut,
    now: Instant,
    events: Vec<Event>,
    fields: Vec<(String, String)>,
}

const OWN: OwnSettings = OwnSettings {
    streams_max: 4,
    stream_window: 100_000,
    connection_window: 250_000,
    frame_bytes_max: FRAME_BYTES_MAX,
    header_list_bytes_max: 2000,
    header_table_bytes: 4096,
};

const RESETS_MAX: u32 = 100;

impl Side {
    fn new(is_server: bool, own: OwnSettings) -> Side {
        let mut out = Sent::default();
        let connection = Connection::new(is_server, own, RESETS_MAX, &mut out);
        let input = BytesMut::new();
        Side { connection, out, input, now: Instant::now(), events: Vec::new(), fields: Vec::new() }
    }

    /// A server that has received the client's settings, which differ from the default by `settings`.
    fn server(settings: &[(u16, u32)]) -> Side {
        let mut side = Side::new(true, OWN);
        side.receive(&self::settings(settings)).unwrap();
        side.out.take();
        side
    }

    /// A client that has received the server's settings.
    fn client(settings: &[(u16, u32)]) -> Side {
        let mut side = Side::new(false, OWN);
        side.receive(&self::settings(settings)).unwrap();
        side.out.take();
        side
    }

    /// Takes `bytes`. The events are added to `events`, and the fields to `fields`.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.input.extend_from_slice(bytes);
        loop {
            let fields = &mut self.fields;
            let mut sink = |field: Field<'_>| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                fields.push((text(field.name), text(field.value)));
            };
            match self.connection.next(self.now, &mut self.input, &mut self.out, &mut sink)? {
                Event::NeedMore(_) => return Ok(()),
                event => self.events.push(event),
            }
        }
    }

    /// Takes `bytes`, and returns what comes of them.
    fn events(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.receive(bytes).unwrap();
        std::mem::take(&mut self.events)
    }

    /// Takes `bytes`, which end the connection. Returns the code.
    fn violates(&mut self, bytes: &[u8]) -> ErrorCode {
        self.receive(bytes).expect_err("a violation").code
    }

    fn head(&mut self, id: u32) {
        self.connection.send_head(id, &mut self.out, |_, fields| fields.field(b":status", b"200"));
    }

    fn data(&mut self, id: u32, bytes: usize, is_end: bool) {
        self.connection.send_data(id, b"", Bytes::from(vec![7; bytes]), is_end, &mut self.out);
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_frame(&mut bytes, kind, flags, stream, payload);
    bytes.to_vec()
}

pub(crate) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let pairs = settings.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(kind::SETTINGS, 0, 0, &pairs.collect::<Vec<u8>>())
}

/// A block of these fields, which does not touch the table.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let (mut encoder, mut bytes) = (Encoder::new(), BytesMut::new());
    for (name, value) in fields {
        encoder.encode(&mut bytes, name.as_bytes(), value.as_bytes(), Indexing::Without);
    }
    bytes.to_vec()
}

const REQUEST: [(&str, &str); 3] = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C")];

/// A HEADERS frame with the whole head of a request.
fn head(id: u32, flags: u8) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS | flags, id, &block(&REQUEST))
}

fn data(id: u32, flags: u8, bytes: usize) -> Vec<u8> {
    frame(kind::DATA, flags, id, &vec![7; bytes])
}

pub(crate) fn reset(id: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, id, &8u32.to_be_bytes())
}

pub(crate) fn window_update(id: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, id, &increment.to_be_bytes())
}

pub(crate) fn ping(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(kind::PING, flags, 0, payload)
}

/// The payload of a RST_STREAM frame with this code.
fn code(code: ErrorCode) -> Vec<u8> {
    (code as u32).to_be_bytes().to_vec()
}

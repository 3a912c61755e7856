//! HTTP/2: the engine alone, a gRPC server, and a gRPC client.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Mode;
use super::caller::call;
use super::script::{self, Author, Step};
use super::server::{run, serve};
use crate::client::Multiplexed;
use crate::net::clock;
use crate::protocol::http2::frame::{FrameHeader, HEADER_BYTES, INITIAL_WINDOW, PREFACE, flag, kind};
use crate::protocol::http2::hpack::{Decoder, Field};
use crate::protocol::http2::{Connection, ErrorCode, Event, Output, OwnSettings};

/// A server against a client that sends arbitrary frames.
pub fn http2_server(data: &[u8]) {
    let Some((mode, data)) = Mode::take(data) else { return };
    if !mode.is_script() {
        same_under_every_cut(true, mode, data);
    }
    check_frames(serve(steps(Author::Client, mode, data).into_iter(), mode.is_silent()));
}

/// A client against a server that sends arbitrary frames.
pub fn http2_client(data: &[u8]) {
    let Some((mode, data)) = Mode::take(data) else { return };
    if !mode.is_script() {
        same_under_every_cut(false, mode, data);
    }
    let open =
        |stream, address: &_, limits: &_| Multiplexed::open_grpc(stream, address, &Arc::default(), limits, false);
    let mut sent = call(open, steps(Author::Server, mode, data).into_iter(), mode.is_silent());
    assert!(sent.is_empty() || sent.starts_with(PREFACE));
    check_frames(sent.split_off(sent.len().min(PREFACE.len())));
}

/// The greeting, and then the script or the pieces.
fn steps(author: Author, mode: Mode, data: &[u8]) -> Vec<Step> {
    let initial_window = [INITIAL_WINDOW, 0, 1000, 1 << 20][mode.variant()];
    let mut steps = vec![Step::Send(script::http2_greeting(author, initial_window))];
    if mode.is_script() {
        steps.extend(script::http2(author, data));
    } else {
        steps.extend(mode.pieces(data).map(|piece| Step::Send(piece.into())));
    }
    steps
}

/// Checks the frames that a side has sent: their lengths, and their header blocks. The last frame may be incomplete.
fn check_frames(mut sent: BytesMut) {
    let (mut decoder, mut block) = (Decoder::new(16 << 10, usize::MAX), None);
    while let Some(bytes) = sent.first_chunk::<HEADER_BYTES>() {
        let FrameHeader { length, kind, flags, stream } = FrameHeader::decode(bytes);
        assert!(kind <= kind::CONTINUATION, "a frame of kind {kind}");
        if sent.len() < HEADER_BYTES + length as usize {
            return;
        }
        let payload = sent.split_to(HEADER_BYTES + length as usize).split_off(HEADER_BYTES);
        let open = block.take();
        let mut whole = match (kind, open) {
            (kind::HEADERS, None) => BytesMut::new(),
            (kind::CONTINUATION, Some((of, begun))) if of == stream => begun,
            (kind::HEADERS | kind::CONTINUATION, _) | (_, Some(_)) => panic!("a frame of kind {kind} in a wrong place"),
            (_, None) => continue,
        };
        whole.unsplit(payload);
        if flags & flag::END_HEADERS == 0 {
            block = Some((stream, whole));
        } else {
            decoder.decode(&whole, &mut |_: Field<'_>| {}).expect("a header block that was encoded here");
        }
    }
}

/// Output that is kept.
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

/// The engine gives the same events and sends the same bytes, however the bytes are cut.
fn same_under_every_cut(is_server: bool, mode: Mode, data: &[u8]) {
    run(async {
        let whole = outcome(is_server, [data].into_iter());
        assert_eq!(whole, outcome(is_server, mode.pieces(data)));
    });
}

/// The events, the fields, what was sent, and the code that ended the connection.
type Outcome = (Vec<Event>, Vec<(Vec<u8>, Vec<u8>)>, BytesMut, Option<ErrorCode>);

/// One side of a connection that takes the pieces. A server answers each request.
fn outcome<'a>(is_server: bool, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let own = OwnSettings {
        streams_max: 100,
        stream_window: 1 << 20,
        connection_window: 1 << 20,
        frame_bytes_max: 16 << 10,
        header_list_bytes_max: 16 << 10,
        header_table_bytes: 4096,
    };
    let mut out = Sent::default();
    let mut connection: Connection<()> = Connection::new(is_server, own, 1000, &mut out);
    if !is_server {
        connection.open((), true, &mut out, |fields| fields.post(false));
    }
    let (now, mut input, mut events, mut fields) = (clock::now(), BytesMut::new(), Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let mut sink = |field: Field<'_>| fields.push((field.name.to_vec(), field.value.to_vec()));
            let event = match connection.next(now, &mut input, &mut out, &mut sink) {
                Err(violation) => return (events, fields, out.0, Some(violation.code)),
                Ok(Event::NeedMore(_)) => break,
                Ok(event) => event,
            };
            let ended = match &event {
                Event::Head { id, is_end, .. } | Event::Data { id, is_end, .. } => is_end.then_some(*id),
                Event::Trailers { id, .. } => Some(*id),
                _ => None,
            };
            events.push(event);
            match ended {
                Some(id) if is_server => {
                    connection.send_head(id, &mut out, |_, fields| fields.status_ok());
                    connection.send_data(id, b"head", Bytes::from_static(&[7; 1000]), false, &mut out);
                    connection.send_trailers(id, &mut out, |fields| fields.field(b"grpc-status", b"0"));
                }
                Some(id) => drop(connection.finish(id, &mut out)),
                None => {}
            }
        }
    }
    (events, fields, out.0, None)
}

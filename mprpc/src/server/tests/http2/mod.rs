//! Tests of gRPC over HTTP/2 with a caller that makes its frames by hand, over a connection in memory, under virtual time.

mod bad_input;
mod calls;
mod garbage;
mod lifetime;
mod waits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::{Instant, sleep, timeout};

use super::limits::ms;
use super::raw::{self, peer_of, rejection};
use super::*;
use crate::interceptors::tests::all::{ALL, All};
use crate::protocol::http::grpc::encode_message;
use crate::protocol::http2::ErrorCode;
use crate::protocol::http2::frame::{FrameHeader, HEADER_BYTES, PREFACE, flag, kind, setting};
use crate::protocol::http2::hpack::{Decoder, Encoder, Indexing};
use crate::protocol::http2::tests::{block, frame, ping, reset, settings, window_update};

const WINDOW: usize = 8 << 20;

/// A caller that makes its frames by hand.
pub(super) struct Caller {
    peer: raw::Peer,
    encoder: Encoder,
    decoder: Decoder,
    input: BytesMut,
    next_id: u32,
    replies: BTreeMap<u32, Reply>,
    /// Frames of the connection: kind, flags, payload.
    control: Vec<(u8, u8, Vec<u8>)>,
    /// Bytes that were granted, by stream.
    granted: BTreeMap<u32, u64>,
    /// Whether PINGs are answered at once.
    answers_pings: bool,
}

/// What has arrived on a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// The fields of each HEADERS frame.
    pub(super) heads: Vec<Vec<(String, String)>>,
    body: Vec<u8>,
    pub(super) is_ended: bool,
    /// The code of a RST_STREAM frame.
    reset: Option<u32>,
}

impl Reply {
    /// The value of a field, from the last HEADERS frame that has it.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.heads.iter().rev().flatten().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The code and the message of the status.
    pub(super) fn status(&self) -> (u16, &str) {
        let code = self.field("grpc-status").unwrap_or_else(|| panic!("no status: {self:?}"));
        (code.parse().unwrap(), self.field("grpc-message").unwrap_or_default())
    }

    fn status_owned(&self) -> (u16, String) {
        let (code, message) = self.status();
        (code, message.to_owned())
    }

    /// The messages in the body, each with its flags.
    pub(super) fn messages(&self) -> Vec<(u8, Bytes)> {
        let (mut body, mut messages) = (Bytes::copy_from_slice(&self.body), Vec::new());
        while !body.is_empty() {
            let (flags, length) = (body.get_u8(), body.get_u32() as usize);
            messages.push((flags, body.split_to(length)));
        }
        messages
    }

    fn message(&self) -> Bytes {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "{self:?}");
        messages.remove(0).1
    }
}

/// A caller of a server that runs the probe inline.
fn caller(limits: Limits) -> Caller {
    let mut caller = Caller::of(raw::peer_with_window(limits, WINDOW));
    caller.greet(&[(setting::INITIAL_WINDOW_SIZE, 1 << 30)]);
    caller.send(&window_update(0, 1 << 30));
    caller
}

/// A caller of the server behind `shared`.
pub(super) fn caller_of(shared: &Arc<Shared>) -> Caller {
    let mut caller = Caller::of(peer_of(shared.clone(), WINDOW));
    caller.greet(&[(setting::INITIAL_WINDOW_SIZE, 1 << 30)]);
    caller.send(&window_update(0, 1 << 30));
    caller
}

fn method_path(name: &str) -> String {
    let of_all = ALL.methods.iter().any(|method| method.name == name && method.name != "Talk");
    if name.contains('/') { name.to_owned() } else { format!("/test.{}/{name}", if of_all { "All" } else { "Probe" }) }
}

/// The fields of a gRPC request.
fn grpc_fields(name: &str) -> Vec<(String, String)> {
    let path = method_path(name);
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "test"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

pub(super) fn message(bytes: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_message(&mut out, 0, bytes);
    out.to_vec()
}

impl Caller {
    pub(super) fn of(peer: raw::Peer) -> Caller {
        Caller {
            peer,
            encoder: Encoder::new(),
            decoder: Decoder::new(4096, 1 << 20),
            input: BytesMut::new(),
            next_id: 1,
            replies: BTreeMap::new(),
            control: Vec::new(),
            granted: BTreeMap::new(),
            answers_pings: true,
        }
    }

    /// Sends the preface and the settings.
    pub(super) fn greet(&mut self, settings: &[(u16, u32)]) {
        self.send(&[&PREFACE[..], &self::settings(settings)].concat());
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        self.peer.send(bytes);
    }

    /// Encodes a HEADERS frame with these fields.
    fn headers(&mut self, id: u32, flags: u8, fields: &[(String, String)]) -> Vec<u8> {
        let mut block = BytesMut::new();
        self.encoder.begin_block(&mut block);
        for (name, value) in fields {
            self.encoder.encode(&mut block, name.as_bytes(), value.as_bytes(), Indexing::Add);
        }
        frame(kind::HEADERS, flags | flag::END_HEADERS, id, &block)
    }

    /// Begins a request with `more` fields, which may replace the usual ones. Returns the id of its stream.
    pub(super) fn open_with(&mut self, name: &str, more: &[(&str, &str)], flags: u8) -> u32 {
        let id = self.next_id;
        self.next_id += 2;
        let mut fields = grpc_fields(name);
        let usual = fields.len();
        for (name, value) in more {
            let field = (name.to_string(), value.to_string());
            match fields[..usual].iter_mut().find(|(known, _)| known == name) {
                Some(known) => *known = field,
                None => fields.push(field),
            }
        }
        let head = self.headers(id, flags, &fields);
        self.send(&head);
        id
    }

    fn open(&mut self, name: &str) -> u32 {
        self.open_with(name, &[], 0)
    }

    /// Sends a part of a body, in DATA frames of at most 16 KiB.
    pub(super) fn body(&self, id: u32, bytes: &[u8], is_end: bool) {
        let count = bytes.len().div_ceil(16 << 10);
        let mut frames = Vec::new();
        for (index, part) in bytes.chunks(16 << 10).enumerate() {
            let flags = if is_end && index + 1 == count { flag::END_STREAM } else { 0 };
            frames.extend(frame(kind::DATA, flags, id, part));
        }
        self.send(&frames);
    }

    fn end(&self, id: u32) {
        self.send(&frame(kind::DATA, flag::END_STREAM, id, b""));
    }

    /// Sends a call with one message.
    fn call(&mut self, name: &str, bytes: &[u8]) -> u32 {
        self.call_with(name, &[], bytes)
    }

    pub(super) fn call_with(&mut self, name: &str, more: &[(&str, &str)], bytes: &[u8]) -> u32 {
        let id = self.open_with(name, more, 0);
        self.body(id, &message(bytes), true);
        id
    }

    /// Reads until the server sends nothing for 1 ms. Returns false if the server has closed the connection.
    pub(super) async fn listen(&mut self) -> bool {
        loop {
            let mut bytes = BytesMut::new();
            let read = timeout(ms(1), self.peer.read_some(&mut bytes)).await;
            self.input.unsplit(bytes);
            self.take_frames();
            match read {
                Ok(0) => return false,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    }

    fn take_frames(&mut self) {
        while let Some(bytes) = self.input.first_chunk::<HEADER_BYTES>() {
            let FrameHeader { length, kind, flags, stream } = FrameHeader::decode(bytes);
            let whole = HEADER_BYTES + length as usize;
            if self.input.len() < whole {
                return;
            }
            let payload = self.input.split_to(whole).split_off(HEADER_BYTES);
            match kind {
                kind::HEADERS => {
                    assert!(flags & flag::END_HEADERS != 0);
                    let mut fields = Vec::new();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let mut take = |field: crate::protocol::http2::hpack::Field<'_>| {
                        fields.push((text(field.name), text(field.value)));
                    };
                    self.decoder.decode(&payload, &mut take).unwrap();
                    self.replies.entry(stream).or_default().heads.push(fields);
                }
                kind::DATA => self.replies.entry(stream).or_default().body.extend_from_slice(&payload),
                kind::RST_STREAM => {
                    let code = u32::from_be_bytes(payload[..].try_into().unwrap());
                    self.replies.entry(stream).or_default().reset = Some(code);
                }
                kind::WINDOW_UPDATE => {
                    let increment = u32::from_be_bytes(payload[..].try_into().unwrap());
                    *self.granted.entry(stream).or_default() += u64::from(increment);
                }
                _ => self.control.push((kind, flags, payload.to_vec())),
            }
            if kind == kind::PING && flags & flag::ACK == 0 && self.answers_pings {
                // An error means that the server has closed the connection.
                let _ = self.peer.writer.try_write(&ping(flag::ACK, &payload));
            }
            if matches!(kind, kind::HEADERS | kind::DATA) && flags & flag::END_STREAM != 0 {
                self.replies.entry(stream).or_default().is_ended = true;
            }
        }
    }

    /// What has arrived on the stream.
    pub(super) fn reply(&self, id: u32) -> Reply {
        self.replies.get(&id).cloned().unwrap_or_default()
    }

    /// Listens, and returns what has arrived on the stream.
    async fn answer(&mut self, id: u32) -> Reply {
        self.listen().await;
        self.reply(id)
    }

    /// Checks that the connection still serves calls.
    async fn is_served(&mut self) {
        let id = self.call("Echo", b"still there");
        let reply = self.answer(id).await;
        assert_eq!((reply.status(), reply.message()), ((0, ""), Bytes::from("still there")));
    }

    /// Closes the connection. Returns the server's end.
    pub(super) fn close(self) -> JoinHandle<Close> {
        self.peer.server
    }

    /// Reads to the end. Returns the code and the text of the last GOAWAY, and why the server closed.
    async fn went_away(mut self) -> (u32, String, Close) {
        while self.listen().await {
            sleep(ms(100)).await;
        }
        let go_aways: Vec<_> = self.go_aways();
        let (_, code, text) = go_aways.last().expect("a GOAWAY").clone();
        drop(self.peer.writer);
        (code, text, self.peer.server.await.unwrap())
    }

    /// The GOAWAY frames: last stream, code, text.
    fn go_aways(&self) -> Vec<(u32, u32, String)> {
        let of_kind = self.control.iter().filter(|(kind, ..)| *kind == kind::GOAWAY);
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        let decoded = of_kind.map(|(_, _, payload)| {
            (number(&payload[..4]), number(&payload[4..8]), String::from_utf8(payload[8..].to_vec()).unwrap())
        });
        decoded.collect()
    }

    /// The PINGs that the server has sent and that are not acknowledgements.
    fn pings(&self) -> Vec<Vec<u8>> {
        let pings = self.control.iter().filter(|(kind, flags, _)| *kind == kind::PING && flags & flag::ACK == 0);
        pings.map(|(_, _, payload)| payload.clone()).collect()
    }

    fn stats(&self) -> crate::server::ServerStats {
        self.peer.shared.stats()
    }
}

const INVALID: u16 = Code::InvalidArgument as u16;
const EXHAUSTED: u16 = Code::ResourceExhausted as u16;
const UNIMPLEMENTED: u16 = Code::Unimplemented as u16;
const EXPIRED: u16 = Code::DeadlineExceeded as u16;
const INTERNAL: u16 = Code::Internal as u16;
const CANCELLED: u16 = Code::Cancelled as u16;

//! A client of HTTP/2 for tests, and one call over either version of HTTP.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::http::{Answer, Ask, answer};
use super::raw::{Peer, peer_of};
use super::*;
use crate::net::SendBuffer;
use crate::protocol::http2::frame::{FRAME_BYTES_MAX, PREFACE};
use crate::protocol::http2::hpack::Field;
use crate::protocol::http2::{Connection, ErrorCode, Event, OwnSettings};

/// The versions of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

pub(super) const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

/// The bytes that a connection may have in transit.
const PIPE_BYTES: usize = 8 << 20;

/// Sends a request on a connection of its own, and reads the response.
pub(super) async fn ask(shared: &Arc<Shared>, version: Version, ask: &Ask) -> Answer {
    let mut peer = peer_of(shared.clone(), PIPE_BYTES);
    match version {
        Version::Http1 => {
            peer.send(&ask.http1());
            answer(&mut peer, &mut BytesMut::new(), ask.method == "HEAD").await
        }
        Version::Http2 => {
            let mut client = Http2Client::new(peer);
            let stream = client.open(ask, true);
            client.answer(stream).await
        }
    }
}

/// One connection of HTTP/2.
pub(super) struct Http2Client {
    pub(super) peer: Peer,
    connection: Connection<()>,
    input: BytesMut,
    output: SendBuffer,
    /// The responses that have begun, and whether each is complete.
    answers: Vec<(u32, Answer, bool)>,
}

impl Http2Client {
    pub(super) fn new(peer: Peer) -> Http2Client {
        let mut output = SendBuffer::default();
        output.tail().extend_from_slice(PREFACE);
        let own = OwnSettings {
            streams_max: 100,
            stream_window: 1 << 20,
            connection_window: 1 << 22,
            frame_bytes_max: FRAME_BYTES_MAX,
            header_list_bytes_max: 64 << 10,
            header_table_bytes: 4096,
        };
        let connection = Connection::new(false, own, 1000, &mut output);
        Http2Client { peer, connection, input: BytesMut::new(), output, answers: Vec::new() }
    }

    /// Sends the head of a request, and its whole body if that `is_end`.
    pub(super) fn open(&mut self, ask: &Ask, is_end: bool) -> u32 {
        let has_body = !ask.body.is_empty();
        let opened = self.connection.open((), is_end && !has_body, &mut self.output, |fields| {
            fields.field(b":method", ask.method.as_bytes());
            fields.field(b":scheme", b"http");
            fields.field(b":path", ask.path.as_bytes());
            fields.field(b":authority", b"test");
            for (name, value) in &ask.fields {
                fields.field(name.as_bytes(), value.as_bytes());
            }
        });
        let stream = opened.unwrap();
        if has_body {
            self.send(stream, &ask.body, is_end);
        }
        self.flush();
        stream
    }

    pub(super) fn send(&mut self, stream: u32, bytes: &[u8], is_end: bool) {
        self.connection.send_data(stream, &[], Bytes::copy_from_slice(bytes), is_end, &mut self.output);
        self.flush();
    }

    pub(super) fn reset(&mut self, stream: u32) {
        self.connection.reset(stream, ErrorCode::Cancel, &mut self.output);
        self.flush();
    }

    fn flush(&mut self) {
        // An error means that the server has closed the connection. What it has sent before can still be read.
        while !self.output.is_empty() && self.output.write_to(&self.peer.writer).is_ok() {}
    }

    /// Reads until the response is complete.
    pub(super) async fn answer(&mut self, stream: u32) -> Answer {
        self.read_until(stream, |_, is_complete| is_complete).await
    }

    /// Reads until the response is what is waited for.
    pub(super) async fn read_until(&mut self, stream: u32, is_it: impl Fn(&Answer, bool) -> bool) -> Answer {
        loop {
            if let Some((_, answer, is_complete)) = self.answers.iter().find(|(id, ..)| *id == stream)
                && is_it(answer, *is_complete)
            {
                return answer.clone();
            }
            self.take().await;
        }
    }

    async fn take(&mut self) {
        let mut answer = Answer::default();
        let mut sink = |field: Field<'_>| match field.name {
            b":status" => answer.status = std::str::from_utf8(field.value).unwrap().parse().unwrap(),
            name => answer.push(name, field.value),
        };
        let event = self.connection.next(clock::now(), &mut self.input, &mut self.output, &mut sink).unwrap();
        match event {
            Event::NeedMore(_) => {
                self.flush();
                assert!(self.peer.read_some(&mut self.input).await > 0, "the server closed the connection");
            }
            Event::Head { id, is_end, .. } => {
                self.connection.final_head_arrived(id);
                self.answers.push((id, answer, is_end));
            }
            Event::Data { id, bytes, is_end } => {
                let (_, answer, is_complete) = self.answers.iter_mut().find(|(known, ..)| *known == id).unwrap();
                answer.body.extend_from_slice(&bytes);
                *is_complete = is_end;
                self.connection.grant(id, bytes.len() as u64, &mut self.output);
            }
            Event::Trailers { id, .. } => {
                let (_, known, is_complete) = self.answers.iter_mut().find(|(known, ..)| *known == id).unwrap();
                known.fields.append(&mut answer.fields);
                *is_complete = true;
            }
            Event::Reset { id, code, .. } => {
                let answered = self.answers.iter().find(|(known, ..)| *known == id);
                assert!(answered.is_some_and(|(_, _, is_complete)| *is_complete), "reset of {id}: {code}");
            }
            Event::GoAway { .. } | Event::Pong => {}
        }
    }
}

//! A client of HTTP/1.1 and HTTP/2 for tests: sends one request and reads the whole response.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

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

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Ask {
    pub(super) fn new(method: &'static str, path: impl Into<String>) -> Ask {
        Ask { method, path: path.into(), fields: Vec::new(), body: Vec::new() }
    }

    pub(super) fn post(path: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Ask {
        Ask { body: body.into(), ..Ask::new("POST", path) }.with("content-type", content_type)
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Ask {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The request as bytes of HTTP/1.1.
    pub(super) fn http1(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: test\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if self.method == "POST" {
            bytes.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.fields.push((text(name), text(value)));
    }
}

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

/// Reads the next response of HTTP/1.1. `input` keeps what comes behind it.
pub(super) async fn answer(peer: &mut Peer, input: &mut BytesMut, is_head: bool) -> Answer {
    loop {
        if let Some(answer) = take_answer(input, is_head, false) {
            return answer;
        }
        if peer.read_some(input).await == 0 {
            let shown = String::from_utf8_lossy(input).into_owned();
            return take_answer(input, is_head, true).unwrap_or_else(|| panic!("cut off: {shown}"));
        }
    }
}

/// Cuts a response off the front of `input`, once it is complete.
pub(super) fn take_answer(input: &mut BytesMut, is_head: bool, is_end: bool) -> Option<Answer> {
    let head_bytes = input.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(input[..head_bytes].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
    let mut answer = Answer { status, ..Answer::default() };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        answer.push(name.as_bytes(), value.as_bytes());
    }
    if is_head || status == 204 || status == 100 {
        drop(input.split_to(head_bytes));
        return Some(answer);
    }
    let rest = &input[head_bytes..];
    let body_bytes = if let Some(length) = answer.field("content-length") {
        let length: usize = length.parse().unwrap();
        answer.body = rest.get(..length)?.to_vec();
        length
    } else if answer.field("transfer-encoding") == Some("chunked") {
        let (body, length) = chunks(rest)?;
        answer.body = body.concat();
        length
    } else {
        assert_eq!(answer.field("connection"), Some("close"), "a body without an end");
        is_end.then_some(())?;
        answer.body = rest.to_vec();
        rest.len()
    };
    drop(input.split_to(head_bytes + body_bytes));
    Some(answer)
}

/// The chunks of a complete body, and its length on the wire.
fn chunks(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let (mut chunks, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).unwrap(), 16).unwrap();
        at += line + 2;
        let chunk = bytes.get(at..at + size)?;
        assert_eq!(bytes.get(at + size..at + size + 2)?, b"\r\n");
        at += size + 2;
        if size == 0 {
            return Some((chunks, at));
        }
        chunks.push(chunk.to_vec());
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
        while !self.output.is_empty() {
            self.output.write_to(&self.peer.writer).unwrap();
        }
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

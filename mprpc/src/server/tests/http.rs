//! Requests and responses for tests, and a client of HTTP/1.1.

use bytes::BytesMut;

use super::raw::Peer;

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

    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.fields.push((text(name), text(value)));
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
    if is_head || matches!(status, 100 | 204 | 304) {
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

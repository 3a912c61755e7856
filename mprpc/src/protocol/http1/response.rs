//! A response: head, body and trailers. Its framing follows from the request.

use bytes::{BufMut, BytesMut};

use super::Violation;
use super::head::{Head, Version};
use crate::protocol::http::field::check_field;
use crate::status::Status;

/// The interim response that a peer with `expects_continue` waits for.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// For a head or an end without fields.
pub(crate) const NO_FIELDS: [(&str, &[u8]); 0] = [];

/// What is known of the body when the head is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseBody {
    /// So many bytes follow; 0 for no body.
    Length(u64),
    /// A body of unknown length. It is sent in chunks, and to a caller with HTTP/1.0 up to the end of the connection.
    Chunked,
}

/// Encodes the response to one request: [`encode_head`](ResponseEncoder::encode_head), then
/// [`begin_data`](ResponseEncoder::begin_data) and data, then [`encode_end`](ResponseEncoder::encode_end).
#[derive(Debug)]
pub(crate) struct ResponseEncoder {
    version: Version,
    /// Whether the connection stays open behind the response. The server may set it to `false` before the head.
    pub(crate) keep_alive: bool,
    is_head_request: bool,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// No body is sent, whatever the response has.
    NoBody,
    /// So many bytes are left.
    Length(u64),
    Chunked,
    UntilClose,
}

impl ResponseEncoder {
    /// The encoder for the response to `request`.
    pub(crate) fn new(request: &Head) -> ResponseEncoder {
        ResponseEncoder {
            version: request.version,
            keep_alive: request.keep_alive,
            is_head_request: request.method() == "HEAD",
            framing: Framing::NoBody,
        }
    }

    /// Appends the head of a final response: `fields`, and those that frame the body.
    ///
    /// This level has no clock, so a caller that sends `date` passes it as a field. INTERNAL, with nothing appended, if a
    /// field is malformed or would frame the body.
    pub(crate) fn encode_head(
        &mut self,
        out: &mut BytesMut,
        status: u16,
        fields: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
        body: ResponseBody,
    ) -> Result<(), Status> {
        let start = out.len();
        put_status_line(out, status);
        for (name, value) in fields {
            let (name, value) = (name.as_ref(), value.as_ref());
            if let Err(status) = check_response_field(name, value) {
                out.truncate(start);
                return Err(status);
            }
            put_field(out, name, value);
        }
        let has_no_body = matches!(status, 204 | 304);
        self.framing = match body {
            _ if has_no_body => Framing::NoBody,
            ResponseBody::Length(length) => {
                put_content_length(out, length);
                Framing::Length(length)
            }
            ResponseBody::Chunked if self.version == Version::Http10 => {
                self.keep_alive = false;
                Framing::UntilClose
            }
            ResponseBody::Chunked => {
                put_field(out, "transfer-encoding", b"chunked");
                Framing::Chunked
            }
        };
        if self.is_head_request {
            self.framing = Framing::NoBody;
        }
        match (self.version, self.keep_alive) {
            (_, false) => put_field(out, "connection", b"close"),
            (Version::Http10, true) => put_field(out, "connection", b"keep-alive"),
            (Version::Http11, true) => {}
        }
        out.put_slice(b"\r\n");
        Ok(())
    }

    /// Appends what precedes `length` bytes of the body, so that a large part of it need not be copied. Returns whether the
    /// bytes and then [`end_data`](ResponseEncoder::end_data) have to follow; they do not if the response has no body.
    ///
    /// Bytes beyond the length in the head are not sent, and the connection closes.
    #[must_use]
    pub(crate) fn begin_data(&mut self, out: &mut BytesMut, length: usize) -> bool {
        match &mut self.framing {
            // A chunk without bytes would end the body.
            _ if length == 0 => false,
            Framing::NoBody => false,
            Framing::UntilClose => true,
            Framing::Chunked => {
                put_number(out, length as u64, 16);
                out.put_slice(b"\r\n");
                true
            }
            Framing::Length(left) => match left.checked_sub(length as u64) {
                Some(rest) => {
                    *left = rest;
                    true
                }
                None => {
                    self.keep_alive = false;
                    false
                }
            },
        }
    }

    /// Appends what follows a part of the body.
    pub(crate) fn end_data(&self, out: &mut BytesMut) {
        if self.framing == Framing::Chunked {
            out.put_slice(b"\r\n");
        }
    }

    /// Appends the end of the body. Returns whether the connection stays open; it does not if the body was shorter than the
    /// length in the head.
    ///
    /// The trailers are sent only with chunks. INTERNAL, with nothing appended, if one of them is malformed.
    pub(crate) fn encode_end(
        &mut self,
        out: &mut BytesMut,
        trailers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
    ) -> Result<bool, Status> {
        match self.framing {
            Framing::NoBody | Framing::Length(0) | Framing::UntilClose => {}
            Framing::Length(_) => self.keep_alive = false,
            Framing::Chunked => {
                let start = out.len();
                out.put_slice(b"0\r\n");
                for (name, value) in trailers {
                    let (name, value) = (name.as_ref(), value.as_ref());
                    if let Err(status) = check_response_field(name, value) {
                        out.truncate(start);
                        return Err(status);
                    }
                    put_field(out, name, value);
                }
                out.put_slice(b"\r\n");
            }
        }
        Ok(self.keep_alive)
    }
}

/// Appends the whole response to a request that breaks the rules. `date` is the value of that field.
pub(crate) fn encode_violation(out: &mut BytesMut, violation: &Violation, date: &[u8]) {
    put_status_line(out, violation.status);
    put_field(out, "date", date);
    put_field(out, "content-type", b"text/plain; charset=utf-8");
    put_content_length(out, violation.text.len() as u64 + 1);
    put_field(out, "connection", b"close");
    out.put_slice(b"\r\n");
    out.put_slice(violation.text.as_bytes());
    out.put_u8(b'\n');
}

/// Checks a field of a response. The fields that frame the body belong to the encoder.
fn check_response_field(name: &str, value: &[u8]) -> Result<(), Status> {
    if matches!(name, "content-length" | "transfer-encoding" | "connection") {
        return Err(Status::internal(format!("the field {name} frames the response and cannot be set")));
    }
    check_field(name, value)
}

fn put_status_line(out: &mut BytesMut, status: u16) {
    out.put_slice(b"HTTP/1.1 ");
    put_number(out, status.into(), 10);
    out.put_u8(b' ');
    out.put_slice(reason(status).as_bytes());
    out.put_slice(b"\r\n");
}

fn put_field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

fn put_content_length(out: &mut BytesMut, length: u64) {
    out.put_slice(b"content-length: ");
    put_number(out, length, 10);
    out.put_slice(b"\r\n");
}

/// Appends a number in base 10 or 16.
fn put_number(out: &mut BytesMut, mut number: u64, base: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[(number % base) as usize];
        number /= base;
        if number == 0 {
            return out.put_slice(&digits[start..]);
        }
    }
}

/// The words behind a status. They are for people; an unknown status has none.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

//! The head of a request: its decoder, and what the head says of the body and of the connection.

use std::ops::Range;

use bytes::{Buf, BytesMut};
use httparse::EMPTY_HEADER;

use super::Violation;
use super::fields::{FieldList, Fields, LineScan, malformed, range_in};
use crate::limits::Limits;

/// The version of HTTP that a request states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// How the end of a request's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// So many bytes; 0 if there is no body.
    Length(u64),
    /// The body is chunked.
    Chunked,
}

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The fields, `host` and the rest. They hold the bytes of the whole head.
    pub(crate) fields: Fields,
    pub(crate) version: Version,
    pub(crate) body: BodyLength,
    /// Whether the peer allows another request on the connection.
    pub(crate) keep_alive: bool,
    /// Whether the peer waits for [`CONTINUE`](super::CONTINUE) before it sends the body.
    pub(crate) expects_continue: bool,
    method: Range<u32>,
    target: Target,
}

/// The parts of the target.
#[derive(Clone, Debug)]
struct Target {
    path: Range<u32>,
    /// Without the question mark.
    query: Option<Range<u32>>,
    host: Option<Range<u32>>,
}

impl Head {
    /// The method, in the case in which it was sent.
    pub(crate) fn method(&self) -> &str {
        self.text(&self.method)
    }

    /// The path as it was sent, percent signs and all. It begins with `/`, or is `*` in a request for OPTIONS.
    pub(crate) fn path(&self) -> &str {
        self.text(&self.target.path)
    }

    /// The query as it was sent, without the question mark.
    pub(crate) fn query(&self) -> Option<&str> {
        self.target.query.as_ref().map(|query| self.text(query))
    }

    /// The host that the request is for, and its port if there is one. `None` in HTTP/1.0 only.
    #[cfg_attr(
        not(any(test, fuzzing)),
        expect(dead_code, reason = "a server answers for every host; the host is checked all the same")
    )]
    pub(crate) fn host(&self) -> Option<&str> {
        self.target.host.as_ref().map(|host| self.text(host))
    }

    fn text(&self, range: &Range<u32>) -> &str {
        // The parts are of ASCII, which was checked; the fallback is never taken.
        std::str::from_utf8(self.fields.part(range)).unwrap_or_default()
    }

    /// Parses a head of a request line and `field_count` fields.
    fn parse(block: BytesMut, field_count: usize) -> Result<Head, Violation> {
        let mut few = [EMPTY_HEADER; FEW_FIELDS];
        let mut many = Vec::new();
        let slots = if field_count <= FEW_FIELDS {
            &mut few[..]
        } else {
            many.resize(field_count, EMPTY_HEADER);
            &mut many[..]
        };
        let mut request = httparse::Request::new(slots);
        let parsed = request.parse(&block);
        let is_complete = matches!(parsed, Ok(httparse::Status::Complete(length)) if length == block.len());
        let (true, Some(method), Some(target), Some(version)) =
            (is_complete, request.method, request.path, request.version)
        else {
            return Err(parsed.err().map_or_else(
                || Violation::bad_request("the head is malformed"),
                |error| if error == httparse::Error::Version { bad_version(&block) } else { malformed(error) },
            ));
        };
        let version = if version == 0 { Version::Http10 } else { Version::Http11 };
        let mut target = Target::parse(&block, method, target)?;
        let method = range_in(&block, method.as_bytes());
        let list = FieldList::new(&block, request.headers);
        let fields = Fields::new(block, list);
        let Control { host, body, keep_alive, expects_continue } = Control::of(&fields, version)?;
        // The host in the target counts more than the field (RFC 9112, 3.2.2).
        target.host = target.host.or(host);
        Ok(Head { fields, version, body, keep_alive, expects_continue, method, target })
    }
}

/// Decodes the heads of requests, one after the other. Under every split of the input it gives the same heads and errors.
#[derive(Debug)]
pub(crate) struct HeadDecoder {
    scan: LineScan,
    /// Whether an empty line before the request was skipped.
    skipped_line: bool,
}

impl HeadDecoder {
    pub(crate) fn new(limits: &Limits) -> HeadDecoder {
        HeadDecoder { scan: LineScan::of_head(limits), skipped_line: false }
    }

    /// Decodes the head at the front of `input`, and removes it once it is complete. `None` if the head is incomplete.
    ///
    /// The next call has to pass the same input with more bytes behind it. One empty line before a head is skipped, because
    /// some old clients send one behind a body (RFC 9112, 2.2).
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Head>, Violation> {
        loop {
            let Some(block) = self.scan.next(input)? else {
                return Ok(None);
            };
            if block.lines > 0 {
                self.skipped_line = false;
                return Head::parse(input.split_to(block.length), block.lines - 1).map(Some);
            }
            if self.skipped_line {
                return Err(Violation::bad_request("there is more than one empty line before the request"));
            }
            self.skipped_line = true;
            input.advance(block.length);
        }
    }
}

impl Target {
    /// Takes the target apart (RFC 9112, 3.2). It is a path, a whole URL, or `*`.
    fn parse(block: &[u8], method: &str, target: &str) -> Result<Target, Violation> {
        if method == "CONNECT" {
            return Err(Violation::new(501, "the method CONNECT is not supported"));
        }
        if let Some(byte) = target.bytes().find(|byte| !matches!(byte, b'!'..=b'~') || *byte == b'#') {
            return Err(Violation::bad_request(format!("the target has the byte {byte:#04x}, which is not allowed")));
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Target { path: range_in(block, target.as_bytes()), query: None, host: None });
        }
        if target.starts_with('/') {
            return Ok(Target::of(block, target, None));
        }
        let scheme = ["http://", "https://"]
            .into_iter()
            .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        let Some(scheme) = scheme else {
            return Err(Violation::bad_request("the target is neither a path nor a URL of HTTP"));
        };
        let rest = &target[scheme.len()..];
        let (host, path_and_query) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if host.is_empty() || !is_host(host.as_bytes()) {
            return Err(Violation::bad_request("the host in the target is malformed"));
        }
        let mut parts = Target::of(block, path_and_query, Some(range_in(block, host.as_bytes())));
        if parts.path.is_empty() {
            // The path of `http://host` is `/`, and the last byte of the scheme is one.
            parts.path = range_in(block, &target.as_bytes()[scheme.len() - 1..scheme.len()]);
        }
        Ok(parts)
    }

    fn of(block: &[u8], path_and_query: &str, host: Option<Range<u32>>) -> Target {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(range_in(block, query.as_bytes()))),
            None => (path_and_query, None),
        };
        Target { path: range_in(block, path.as_bytes()), query, host }
    }
}

/// What the fields say of the host, the body and the connection.
struct Control {
    /// The value of `host`.
    host: Option<Range<u32>>,
    body: BodyLength,
    keep_alive: bool,
    expects_continue: bool,
}

impl Control {
    /// Reads the fields, and refuses those that two readers could understand differently (RFC 9112, 3.2 and 6.3).
    fn of(fields: &Fields, version: Version) -> Result<Control, Violation> {
        let (mut hosts, mut host) = (0, None);
        let mut content_length = None;
        let mut coding = TransferCoding::default();
        let (mut says_close, mut says_keep_alive, mut expects_continue) = (false, false, false);
        for (name, value) in fields.iter() {
            match name {
                b"host" => {
                    hosts += 1;
                    host = Some(fields.range_of(value));
                    if !is_host(value) {
                        return Err(Violation::bad_request("the value of host is malformed"));
                    }
                }
                b"content-length" => {
                    let length = decode_length(value)?;
                    if content_length.replace(length).is_some() {
                        return Err(Violation::bad_request("the request has several content-length fields"));
                    }
                }
                b"transfer-encoding" => coding.read(value)?,
                b"connection" => {
                    for option in elements(value) {
                        says_close |= option.eq_ignore_ascii_case(b"close");
                        says_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                b"expect" if version == Version::Http11 => {
                    if !value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(Violation::new(417, "the only expectation that is supported is 100-continue"));
                    }
                    expects_continue = true;
                }
                _ => {}
            }
        }
        if hosts > 1 || (hosts == 0 && version == Version::Http11) {
            return Err(Violation::bad_request(format!("the request has {hosts} host fields instead of one")));
        }
        let body = coding.body(content_length, version)?;
        Ok(Control {
            host,
            body,
            keep_alive: !says_close && (version == Version::Http11 || says_keep_alive),
            expects_continue: expects_continue && body != BodyLength::Length(0),
        })
    }
}

/// The transfer codings of a request. Only `chunked` alone is supported.
#[derive(Default)]
struct TransferCoding {
    has_chunked: bool,
    has_others: bool,
}

impl TransferCoding {
    fn read(&mut self, value: &[u8]) -> Result<(), Violation> {
        for coding in elements(value) {
            if coding.is_empty() {
                return Err(Violation::bad_request("transfer-encoding has an empty element"));
            }
            if self.has_chunked {
                return Err(Violation::bad_request("chunked is not the last transfer coding, or stands there twice"));
            }
            if coding.eq_ignore_ascii_case(b"chunked") { self.has_chunked = true } else { self.has_others = true }
        }
        Ok(())
    }

    /// How the end of the body is found.
    fn body(&self, content_length: Option<u64>, version: Version) -> Result<BodyLength, Violation> {
        if !self.has_chunked && !self.has_others {
            return Ok(BodyLength::Length(content_length.unwrap_or(0)));
        }
        if version == Version::Http10 {
            return Err(Violation::bad_request("the request has transfer-encoding, which HTTP/1.0 does not know"));
        }
        if content_length.is_some() {
            return Err(Violation::bad_request("the request has both content-length and transfer-encoding"));
        }
        if self.has_others {
            return Err(Violation::new(501, "the only transfer coding that is supported is chunked"));
        }
        Ok(BodyLength::Chunked)
    }
}

/// The elements of a list, without white space around them.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Decodes a content-length: digits alone.
fn decode_length(value: &[u8]) -> Result<u64, Violation> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Violation::bad_request("the value of content-length is not a number"));
    }
    let add = |number: u64, digit: &u8| number.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    value.iter().try_fold(0, add).ok_or_else(|| Violation::new(413, "the value of content-length is beyond 64 bits"))
}

/// Whether the bytes can be a host and a port. An empty host is allowed, as RFC 9112 says in 3.2. A comma is not: it would
/// join two fields.
fn is_host(value: &[u8]) -> bool {
    let in_a_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte);
    value.iter().all(in_a_host)
}

/// The violation of a request line whose version is not 1.0 or 1.1.
fn bad_version(block: &[u8]) -> Violation {
    let line = block.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').take(4).collect();
    match parts[..] {
        [_, _, version] if version.starts_with(b"HTTP/") => {
            Violation::new(505, "the versions of HTTP that are supported here are 1.0 and 1.1")
        }
        _ => malformed(httparse::Error::Version),
    }
}

/// With at most so many fields, parsing a head needs no memory but the list of its fields.
const FEW_FIELDS: usize = 32;

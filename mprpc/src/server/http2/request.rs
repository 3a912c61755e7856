//! The head of an HTTP/2 request: collects the fields, and checks the rules of HTTP/2 and of gRPC.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use crate::codec::{Codec, Compression};
use crate::metadata::Metadata;
use crate::protocol::http::grpc;
use crate::protocol::http::metadata::append_field;
use crate::protocol::http2::hpack::{Field, KnownName};
use crate::server::router::{Route, Router};
use crate::status::Status;

/// The head of a request. One is reused for all requests of a connection.
#[derive(Default)]
pub(super) struct RequestHead {
    pub(super) method: HttpMethod,
    /// The number of the path's route in [`Paths`], unless the call is refused.
    pub(super) path: u32,
    pub(super) content: Content,
    pub(super) content_length: Option<u64>,
    pub(super) timeout: Option<Duration>,
    pub(super) encoding: Encoding,
    pub(super) accepts: Accepts,
    pub(super) metadata: Metadata,
    has_authority: bool,
    has_path: bool,
    has_scheme: bool,
    has_regular_field: bool,
    /// How the head breaks the rules of HTTP/2. The stream is reset.
    pub(super) malformed: Option<&'static str>,
    /// Why the call is refused.
    pub(super) refusal: Option<Status>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HttpMethod {
    #[default]
    Missing,
    Post,
    Other,
}

/// What a request carries, from its `content-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Content {
    #[default]
    Unknown,
    Grpc(Codec),
}

/// The compression of the messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    Compressed(Compression),
    Unknown,
}

/// The compressions that the caller accepts, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepts(u8);

impl Accepts {
    pub(super) fn accepts(self, algorithm: Compression) -> bool {
        self.0 & 1 << algorithm as u8 != 0
    }

    fn of(names: &[u8]) -> Accepts {
        let known = names.split(|byte| *byte == b',').filter_map(|name| compression_of(name.trim_ascii()));
        Accepts(known.fold(0, |bits, algorithm| bits | 1 << algorithm as u8))
    }
}

fn compression_of(name: &[u8]) -> Option<Compression> {
    Compression::available().iter().copied().find(|algorithm| algorithm.name().as_bytes() == name)
}

impl RequestHead {
    /// Takes the collected head, and is ready for the next one.
    pub(super) fn take(&mut self) -> RequestHead {
        mem::take(self)
    }

    /// Takes a field.
    #[inline]
    pub(super) fn field(&mut self, field: Field<'_>, paths: &mut Paths, router: &Router) {
        if field.known as u8 <= KnownName::UnknownPseudo as u8 {
            return self.pseudo(field, paths, router);
        }
        self.has_regular_field = true;
        match field.known {
            KnownName::ContentType => {
                let content = match field.note {
                    Some(note) if *note != 0 => Content::from_note(*note),
                    note => {
                        let content = Content::of(field.value);
                        if let Some(note) = note {
                            *note = content.to_note();
                        }
                        content
                    }
                };
                self.content = content;
            }
            KnownName::Te if field.value != b"trailers" => self.malformed = Some("a field te that is not trailers"),
            KnownName::Te | KnownName::UserAgent | KnownName::AcceptEncoding | KnownName::Host => {}
            KnownName::GrpcTimeout => match grpc::decode_timeout(field.value) {
                Ok(timeout) => self.timeout = Some(timeout),
                Err(status) => self.refusal = Some(status),
            },
            KnownName::GrpcAcceptEncoding => self.accepts = Accepts::of(field.value),
            KnownName::GrpcEncoding => self.encoding = Encoding::of(field.value),
            KnownName::ContentLength => match (self.content_length, grpc::decimal(field.value, 20)) {
                (None, Some(length)) => self.content_length = Some(length),
                _ => self.malformed = Some("a field content-length that is no number, or a second one"),
            },
            KnownName::Connection
            | KnownName::TransferEncoding
            | KnownName::KeepAlive
            | KnownName::ProxyConnection
            | KnownName::Upgrade => self.malformed = Some("a field of HTTP/1.1 connections"),
            _ => self.other(field.name, field.value),
        }
    }

    #[inline(never)]
    fn other(&mut self, name: &[u8], value: &[u8]) {
        if let Some(what) = malformed_field(name, value) {
            self.malformed = Some(what);
        } else if let Err(status) = append_field(&mut self.metadata, name, value) {
            self.refusal = Some(status);
        }
    }

    #[inline]
    fn pseudo(&mut self, field: Field<'_>, paths: &mut Paths, router: &Router) {
        if self.has_regular_field {
            self.malformed = Some("a pseudo-header behind a regular field");
        }
        match field.known {
            KnownName::Method if self.method == HttpMethod::Missing => {
                self.method = if field.value == b"POST" { HttpMethod::Post } else { HttpMethod::Other };
            }
            KnownName::Scheme if !self.has_scheme => self.has_scheme = true,
            KnownName::Path if !self.has_path && !field.value.is_empty() => {
                self.has_path = true;
                match paths.number(field.value, field.note, router) {
                    Ok(number) => self.path = number,
                    Err(status) => self.refusal = Some(status),
                }
            }
            KnownName::Authority if !self.has_authority => self.has_authority = true,
            _ => self.malformed = Some("a pseudo-header that is unknown, empty, or there twice"),
        }
    }

    /// Whether the fields may be trailers: none is malformed, or a pseudo-header.
    pub(super) fn are_trailers(&self) -> bool {
        let has_pseudo = self.method != HttpMethod::Missing || self.has_scheme || self.has_path || self.has_authority;
        self.malformed.is_none() && !has_pseudo
    }

    /// Checks what only the whole head shows. Returns how it is malformed.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.malformed.is_some() {
            return self.malformed;
        }
        let is_whole = self.method != HttpMethod::Missing && self.has_scheme && self.has_path;
        (!is_whole).then_some("a request without :method, :scheme or :path")
    }
}

/// How a field breaks the rules of HTTP/2 (RFC 9113, 8.2.1).
pub(super) fn malformed_field(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let is_token = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
    if name.is_empty() || !name.iter().all(is_token) {
        return Some("a field name with upper-case letters or other forbidden characters");
    }
    let is_forbidden = |byte: &u8| matches!(byte, 0 | b'\r' | b'\n');
    value.iter().any(is_forbidden).then_some("a field value with NUL, CR or LF")
}

impl Content {
    fn of(content_type: &[u8]) -> Content {
        let Some(rest) = content_type.strip_prefix(b"application/grpc") else { return Content::Unknown };
        let subtype = rest.split(|byte| matches!(byte, b';' | b' ')).next().unwrap_or(rest);
        match subtype {
            b"" | b"+proto" => Content::Grpc(Codec::Protobuf),
            b"+json" => Content::Grpc(Codec::Json),
            _ => Content::Unknown,
        }
    }

    fn to_note(self) -> u32 {
        match self {
            Content::Unknown => 1,
            Content::Grpc(Codec::Protobuf) => 2,
            Content::Grpc(Codec::Json) => 3,
        }
    }

    fn from_note(note: u32) -> Content {
        match note {
            2 => Content::Grpc(Codec::Protobuf),
            3 => Content::Grpc(Codec::Json),
            _ => Content::Unknown,
        }
    }
}

impl Encoding {
    fn of(name: &[u8]) -> Encoding {
        if name == b"identity" {
            return Encoding::Identity;
        }
        compression_of(name).map_or(Encoding::Unknown, Encoding::Compressed)
    }
}

/// The methods that the requests of a connection have named, so that each path is looked up once.
pub(super) struct Paths {
    paths_max: usize,
    routes: Vec<Route>,
    numbers: HashMap<Box<[u8]>, u32>,
    /// The path that came last, and its number.
    last: Option<(Box<[u8]>, u32)>,
}

impl Paths {
    pub(super) fn new(paths_max: usize) -> Paths {
        Paths { paths_max, routes: Vec::new(), numbers: HashMap::new(), last: None }
    }

    /// Returns the number of a path. The error is UNIMPLEMENTED for an unknown method, and RESOURCE_EXHAUSTED beyond
    /// `methods_max`.
    #[inline]
    fn number(&mut self, path: &[u8], note: Option<&mut u32>, router: &Router) -> Result<u32, Status> {
        if let Some(note) = &note
            && **note != 0
        {
            return Ok(**note - 1);
        }
        let number = match &self.last {
            Some((last, number)) if **last == *path => *number,
            _ => self.find(path, router)?,
        };
        if let Some(note) = note {
            *note = number + 1;
        }
        Ok(number)
    }

    #[inline(never)]
    fn find(&mut self, path: &[u8], router: &Router) -> Result<u32, Status> {
        let number = match self.numbers.get(path) {
            Some(number) => *number,
            None => self.add(path, router)?,
        };
        self.last = Some((path.into(), number));
        Ok(number)
    }

    fn add(&mut self, path: &[u8], router: &Router) -> Result<u32, Status> {
        let Some(text) = std::str::from_utf8(path).ok().and_then(|path| path.strip_prefix('/')) else {
            return Err(Status::unimplemented("the path of the request is not /package.Service/Method"));
        };
        let route = router.route(text)?;
        if self.routes.len() >= self.paths_max {
            let max = self.paths_max;
            return Err(Status::resource_exhausted(format!("the connection has named methods_max {max} methods")));
        }
        let number = self.routes.len() as u32;
        self.routes.push(route);
        self.numbers.insert(path.into(), number);
        Ok(number)
    }

    /// The route of the path with this number.
    #[inline]
    pub(super) fn route(&self, number: u32) -> &Route {
        &self.routes[number as usize]
    }
}

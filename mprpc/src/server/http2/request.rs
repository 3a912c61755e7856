//! The head of an HTTP/2 request: collects the fields, and checks the rules of HTTP/2 and of gRPC. The fields of other
//! dialects are put aside for `server/web`.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::Codec;
use crate::metadata::Metadata;
use crate::protocol::http::content_type::{ContentType, Dialect};
use crate::protocol::http::grpc;
use crate::protocol::http::metadata::append_field;
use crate::protocol::http2::hpack::{self, Field, FieldSink, KnownName};
use crate::server::router::{Route, Router};
use crate::server::web::{Accepts, Encoding, FORWARDED_FOR, HttpMethod, WebFields, is_of_browser};
use crate::status::Status;

/// The head of a request. One is reused for all requests of a connection.
#[derive(Default)]
pub(super) struct RequestHead {
    pub(super) fields: HeadFields,
    pub(super) metadata: Metadata,
    /// Why the call is refused.
    pub(super) refusal: Option<Status>,
    /// The path, if it is not in [`Paths`].
    other_path: Option<Bytes>,
    /// The fields that only the dialects of the web read.
    web: Option<Box<WebFields>>,
}

/// What the fields of a head say that nearly every request has.
#[derive(Clone, Copy, Default)]
pub(super) struct HeadFields {
    pub(super) method: HttpMethod,
    /// The number of the path's route in [`Paths`], unless the path is not there or the call is refused.
    pub(super) path: u32,
    pub(super) content: Content,
    pub(super) content_length: Option<u64>,
    pub(super) timeout: Option<Duration>,
    pub(super) encoding: Encoding,
    pub(super) accepts: Accepts,
    /// The compressions in `accept-encoding`, which gRPC does not read.
    http_accepts: Accepts,
    has_authority: bool,
    has_path: bool,
    has_scheme: bool,
    has_regular_field: bool,
    /// How the head breaks the rules of HTTP/2. The stream is reset.
    malformed: Option<&'static str>,
}

/// Collects the fields of the heads of a connection.
pub(super) struct HeadSink<'a> {
    pub(super) head: &'a mut RequestHead,
    pub(super) saved: &'a mut [HeadFields; hpack::PLACES],
    pub(super) paths: &'a mut Paths,
    pub(super) router: &'a Router,
}

impl FieldSink for HeadSink<'_> {
    #[inline]
    fn field(&mut self, field: Field<'_>) {
        self.head.field(field, self.paths, self.router);
    }

    fn save(&mut self, place: usize) -> bool {
        let is_plain = self.head.is_plain();
        if is_plain {
            self.saved[place] = self.head.fields;
        }
        is_plain
    }

    #[inline]
    fn restore(&mut self, place: usize) {
        self.head.fields = self.saved[place];
    }
}

/// What a request carries, from its `content-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Content {
    /// The request has no content-type.
    #[default]
    Missing,
    /// The content-type is not known here.
    Unknown,
    Grpc(Codec),
    Web(ContentType),
}

impl RequestHead {
    /// Takes the collected head, and is ready for the next one.
    pub(super) fn take(&mut self) -> RequestHead {
        mem::take(self)
    }

    /// Is ready for the next head.
    #[inline]
    pub(super) fn clear(&mut self) {
        if !self.is_plain() {
            *self = RequestHead::default();
        }
        self.fields = HeadFields::default();
    }

    /// Looks the path of a gRPC call up, unless it is known. Returns the status with which the call is refused.
    #[inline]
    pub(super) fn take_refusal(&mut self, paths: &mut Paths, router: &Router) -> Option<Status> {
        if self.is_plain() {
            return None;
        }
        if self.refusal.is_some() {
            return self.refusal.take();
        }
        match paths.add(&self.other_path.take()?, router) {
            Ok(number) => {
                self.fields.path = number;
                None
            }
            Err(status) => Some(status),
        }
    }

    /// Whether the head is collected in its [`HeadFields`] alone.
    #[inline]
    fn is_plain(&self) -> bool {
        self.metadata.is_empty() && self.refusal.is_none() && self.other_path.is_none() && self.web.is_none()
    }

    /// Takes a field.
    #[inline]
    pub(super) fn field(&mut self, field: Field<'_>, paths: &mut Paths, router: &Router) {
        if field.known as u8 <= KnownName::UnknownPseudo as u8 {
            return self.pseudo(field, paths, router);
        }
        self.fields.has_regular_field = true;
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
                self.fields.content = content;
            }
            KnownName::Te if field.value != b"trailers" => {
                self.fields.malformed = Some("a field te that is not trailers")
            }
            KnownName::Te | KnownName::UserAgent | KnownName::Host => {}
            KnownName::AcceptEncoding => self.fields.http_accepts = Accepts::noted(field.value, field.note),
            KnownName::GrpcTimeout => match grpc::decode_timeout(field.value) {
                Ok(timeout) => self.fields.timeout = Some(timeout),
                Err(status) => self.refusal = Some(status),
            },
            KnownName::GrpcAcceptEncoding => self.fields.accepts = Accepts::noted(field.value, field.note),
            KnownName::GrpcEncoding => self.fields.encoding = Encoding::of(field.value),
            KnownName::ContentLength => match (self.fields.content_length, grpc::decimal(field.value, 20)) {
                (None, Some(length)) => self.fields.content_length = Some(length),
                _ => self.fields.malformed = Some("a field content-length that is no number, or a second one"),
            },
            KnownName::Connection
            | KnownName::TransferEncoding
            | KnownName::KeepAlive
            | KnownName::ProxyConnection
            | KnownName::Upgrade => self.fields.malformed = Some("a field of HTTP/1.1 connections"),
            KnownName::ContentEncoding
            | KnownName::ConnectProtocolVersion
            | KnownName::ConnectTimeoutMs
            | KnownName::ConnectContentEncoding
            | KnownName::ConnectAcceptEncoding => self.of_web(field.name, field.value),
            _ => self.other(field.name, field.value),
        }
    }

    #[inline(never)]
    fn other(&mut self, name: &[u8], value: &[u8]) {
        if let Some(what) = malformed_field(name, value) {
            self.fields.malformed = Some(what);
            return;
        }
        let is_of_web = matches!(name, b"accept" | b"if-none-match" | b"origin" | FORWARDED_FOR);
        if is_of_web || name.starts_with(b"access-control-request-") {
            self.of_web(name, value);
        }
        if let Err(status) = append_field(&mut self.metadata, name, value) {
            self.refusal = Some(status);
        }
    }

    #[inline(never)]
    fn of_web(&mut self, name: &[u8], value: &[u8]) {
        self.web.get_or_insert_default().take(name, value);
    }

    #[inline]
    fn pseudo(&mut self, field: Field<'_>, paths: &mut Paths, router: &Router) {
        if self.fields.has_regular_field {
            self.fields.malformed = Some("a pseudo-header behind a regular field");
        }
        match field.known {
            KnownName::Method if self.fields.method == HttpMethod::Missing => {
                self.fields.method = HttpMethod::of(field.value);
            }
            KnownName::Scheme if !self.fields.has_scheme => self.fields.has_scheme = true,
            KnownName::Path if !self.fields.has_path && !field.value.is_empty() => {
                self.fields.has_path = true;
                match paths.number(field.value, field.note, router) {
                    Some(number) => self.fields.path = number,
                    None => self.other_path = Some(Bytes::copy_from_slice(field.value)),
                }
            }
            KnownName::Authority if !self.fields.has_authority => self.fields.has_authority = true,
            _ => self.fields.malformed = Some("a pseudo-header that is unknown, empty, or there twice"),
        }
    }

    /// The path as it was sent, the fields that the dialects of the web read, and the metadata.
    pub(super) fn into_web(self, paths: &Paths) -> (Bytes, WebFields, Metadata) {
        let path = self.other_path.unwrap_or_else(|| paths.path(self.fields.path));
        let mut fields = self.web.map_or_else(WebFields::default, |fields| *fields);
        fields.has_content_type = self.fields.content != Content::Missing;
        if let Content::Web(content) = self.fields.content {
            fields.content = Some(content);
        }
        fields.of_http.accepts = self.fields.http_accepts;
        (fields.of_grpc.encoding, fields.of_grpc.accepts) = (self.fields.encoding, self.fields.accepts);
        fields.grpc_timeout = self.fields.timeout;
        fields.fault = fields.fault.or(self.refusal);
        let mut metadata = self.metadata;
        metadata.retain_keys(|key| !is_of_browser(key.as_bytes()));
        (path, fields, metadata)
    }

    /// The values of `x-forwarded-for`.
    pub(super) fn forwarded_for(&self) -> Option<&[u8]> {
        self.web.as_ref()?.forwarded_for.as_deref()
    }

    /// Whether the fields may be trailers: none is malformed, or a pseudo-header.
    pub(super) fn are_trailers(&self) -> bool {
        let has_pseudo = self.fields.method != HttpMethod::Missing
            || self.fields.has_scheme
            || self.fields.has_path
            || self.fields.has_authority;
        self.fields.malformed.is_none() && !has_pseudo
    }

    /// Checks what only the whole head shows. Returns how it is malformed.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.fields.malformed.is_some() {
            return self.fields.malformed;
        }
        let is_whole = self.fields.method != HttpMethod::Missing && self.fields.has_scheme && self.fields.has_path;
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
    /// The types, in the order of their notes.
    const ALL: [Content; 11] = {
        const fn web(dialect: Dialect, codec: Codec) -> Content {
            Content::Web(ContentType { dialect, codec })
        }
        [
            Content::Unknown,
            Content::Grpc(Codec::Protobuf),
            Content::Grpc(Codec::Json),
            web(Dialect::Json, Codec::Json),
            web(Dialect::ConnectUnary, Codec::Protobuf),
            web(Dialect::ConnectStream, Codec::Protobuf),
            web(Dialect::ConnectStream, Codec::Json),
            web(Dialect::GrpcWeb, Codec::Protobuf),
            web(Dialect::GrpcWeb, Codec::Json),
            web(Dialect::GrpcWebText, Codec::Protobuf),
            web(Dialect::GrpcWebText, Codec::Json),
        ]
    };

    fn of(content_type: &[u8]) -> Content {
        match ContentType::decode(content_type) {
            Some(ContentType { dialect: Dialect::Grpc, codec }) => Content::Grpc(codec),
            Some(content) => Content::Web(content),
            None => Content::Unknown,
        }
    }

    /// The note of a type is its place in the list, from 1.
    fn to_note(self) -> u32 {
        Content::ALL.iter().position(|content| *content == self).map_or(0, |index| index as u32 + 1)
    }

    fn from_note(note: u32) -> Content {
        Content::ALL.get(note.wrapping_sub(1) as usize).copied().unwrap_or(Content::Unknown)
    }
}

/// The methods that the requests of a connection have named, so that each path is looked up once. Paths that no service has
/// are here only if a gRPC call of the fallback has named them: a caller may send any number of paths with variables.
pub(super) struct Paths {
    paths_max: usize,
    routes: Vec<(Bytes, Route)>,
    numbers: HashMap<Bytes, u32>,
    /// The path that came last, and its number.
    last: Option<(Box<[u8]>, u32)>,
}

impl Paths {
    pub(super) fn new(paths_max: usize) -> Paths {
        Paths { paths_max, routes: Vec::new(), numbers: HashMap::new(), last: None }
    }

    /// Returns the number of a path. `None` if the path is neither known here nor that of a service's method, or beyond
    /// `methods_max`.
    #[inline]
    fn number(&mut self, path: &[u8], note: Option<&mut u32>, router: &Router) -> Option<u32> {
        if let Some(note) = &note
            && **note != 0
        {
            return Some(**note - 1);
        }
        let number = match &self.last {
            Some((last, number)) if **last == *path => *number,
            _ => self.find(path, router)?,
        };
        if let Some(note) = note {
            *note = number + 1;
        }
        Some(number)
    }

    #[inline(never)]
    fn find(&mut self, path: &[u8], router: &Router) -> Option<u32> {
        let number = match self.numbers.get(path) {
            Some(number) => *number,
            None => {
                let name = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
                if !router.has(name) {
                    return None;
                }
                self.add(path, router).ok()?
            }
        };
        self.last = Some((path.into(), number));
        Some(number)
    }

    #[inline(never)]
    fn add(&mut self, path: &[u8], router: &Router) -> Result<u32, Status> {
        let is_method = |name: &&str| name.contains('/') && !name.contains('?');
        let text = std::str::from_utf8(path).ok().and_then(|path| path.strip_prefix('/')).filter(is_method);
        let Some(text) = text else {
            return Err(Status::unimplemented("the path of the request is not /package.Service/Method"));
        };
        let route = router.route(text)?;
        if self.routes.len() >= self.paths_max {
            let max = self.paths_max;
            return Err(Status::resource_exhausted(format!("the connection has named methods_max {max} methods")));
        }
        let number = self.routes.len() as u32;
        let path = Bytes::copy_from_slice(path);
        self.routes.push((path.clone(), route));
        self.numbers.insert(path, number);
        Ok(number)
    }

    /// The route of the path with this number.
    #[inline]
    pub(super) fn route(&self, number: u32) -> &Route {
        &self.routes[number as usize].1
    }

    /// The path with this number.
    fn path(&self, number: u32) -> Bytes {
        self.routes.get(number as usize).map(|(path, _)| path.clone()).unwrap_or_default()
    }
}

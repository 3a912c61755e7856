//! The fields of a request that the dialects read. All other fields are metadata.

use std::time::Duration;

use super::json_stream::accepts_events;
use crate::codec::Compression;
use crate::metadata::Metadata;
use crate::protocol::http::content_type::{ContentType, Dialect};
use crate::protocol::http::{connect, grpc, metadata};
use crate::status::Status;

/// The method of an HTTP request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) enum HttpMethod {
    #[default]
    Missing,
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Other,
}

impl HttpMethod {
    pub(in crate::server) fn of(name: &[u8]) -> HttpMethod {
        match name {
            b"POST" => HttpMethod::Post,
            b"GET" => HttpMethod::Get,
            b"HEAD" => HttpMethod::Head,
            b"PUT" => HttpMethod::Put,
            b"PATCH" => HttpMethod::Patch,
            b"DELETE" => HttpMethod::Delete,
            b"OPTIONS" => HttpMethod::Options,
            _ => HttpMethod::Other,
        }
    }

    /// The name; empty for methods without a meaning here.
    pub(super) fn name(self) -> &'static str {
        match self {
            HttpMethod::Get => "GET",
            HttpMethod::Head => "HEAD",
            HttpMethod::Post => "POST",
            HttpMethod::Put => "PUT",
            HttpMethod::Patch => "PATCH",
            HttpMethod::Delete => "DELETE",
            HttpMethod::Options => "OPTIONS",
            HttpMethod::Missing | HttpMethod::Other => "",
        }
    }
}

/// The field in which a proxy appends the address of its caller. The list begins with what the first caller sent.
pub(in crate::server) const FORWARDED_FOR: &[u8] = b"x-forwarded-for";

/// The compression of the messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) enum Encoding {
    #[default]
    Identity,
    Compressed(Compression),
    Unknown,
}

impl Encoding {
    pub(in crate::server) fn of(name: &[u8]) -> Encoding {
        if name == b"identity" || name.is_empty() {
            return Encoding::Identity;
        }
        Compression::named(name).map_or(Encoding::Unknown, Encoding::Compressed)
    }
}

/// The compressions that the caller accepts, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Accepts(u8);

impl Accepts {
    pub(in crate::server) fn accepts(self, algorithm: Compression) -> bool {
        self.0 & 1 << algorithm as u8 != 0
    }

    /// Reads a list of names. A name with the weight 0 is not accepted.
    pub(in crate::server) fn of(names: &[u8]) -> Accepts {
        let known = names.split(|byte| *byte == b',').filter_map(|element| {
            let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let algorithm = Compression::named(parts.next()?)?;
            let is_refused = |part: &[u8]| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000");
            (!parts.any(is_refused)).then_some(algorithm)
        });
        Accepts(known.fold(0, |bits, algorithm| bits | 1 << algorithm as u8))
    }

    /// Like [`Accepts::of`], for a field whose reader may attach a number to it.
    pub(in crate::server) fn noted(names: &[u8], note: Option<&mut u32>) -> Accepts {
        const KNOWN: u32 = 1 << 8;
        match note {
            Some(note) if *note != 0 => Accepts(*note as u8),
            Some(note) => {
                let accepts = Accepts::of(names);
                *note = KNOWN | u32::from(accepts.0);
                accepts
            }
            None => Accepts::of(names),
        }
    }
}

/// The fields of a request that are no metadata.
#[derive(Default)]
pub(in crate::server) struct WebFields {
    /// `None` if the request has no content-type, or one that is not known here.
    pub(in crate::server) content: Option<ContentType>,
    pub(in crate::server) has_content_type: bool,
    pub(in crate::server) of_http: Compressions,
    pub(in crate::server) of_grpc: Compressions,
    pub(super) of_connect: Compressions,
    pub(in crate::server) grpc_timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    /// Whether the request names a version of Connect that is not known here.
    pub(super) is_other_version: bool,
    /// Whether the caller takes streams as Server-Sent Events.
    pub(super) accepts_events: bool,
    /// The version of a page that the caller has.
    pub(super) if_none_match: Option<Box<[u8]>>,
    pub(super) origin: Option<Box<str>>,
    /// The method and the fields that a browser asks for, before it sends a request of a page of another origin.
    pub(super) asks_for_method: bool,
    pub(super) asks_for_fields: Option<Box<[u8]>>,
    /// The values of `x-forwarded-for`, separated by commas.
    pub(in crate::server) forwarded_for: Option<Vec<u8>>,
    /// The first field that is malformed.
    pub(in crate::server) fault: Option<Status>,
}

/// How the messages of a request are compressed, and how those of the reply may be.
#[derive(Clone, Copy, Default)]
pub(in crate::server) struct Compressions {
    pub(in crate::server) encoding: Encoding,
    pub(in crate::server) accepts: Accepts,
}

impl WebFields {
    /// Takes a field that is no metadata. Returns whether it was one. `name` is in lower case.
    pub(in crate::server) fn take(&mut self, name: &[u8], value: &[u8]) -> bool {
        match name {
            b"content-type" => (self.content, self.has_content_type) = (ContentType::decode(value), true),
            b"content-encoding" => self.of_http.encoding = Encoding::of(value),
            b"accept-encoding" => self.of_http.accepts = Accepts::of(value),
            b"grpc-encoding" => self.of_grpc.encoding = Encoding::of(value),
            b"grpc-accept-encoding" => self.of_grpc.accepts = Accepts::of(value),
            b"connect-content-encoding" => self.of_connect.encoding = Encoding::of(value),
            b"connect-accept-encoding" => self.of_connect.accepts = Accepts::of(value),
            b"grpc-timeout" => self.grpc_timeout = self.checked(grpc::decode_timeout(value)),
            b"connect-timeout-ms" => self.connect_timeout = self.checked(connect::decode_timeout(value)),
            b"connect-protocol-version" => self.is_other_version = value != b"1",
            b"accept" => self.accepts_events |= accepts_events(value),
            // A handler may read it too.
            b"if-none-match" => {
                self.if_none_match = Some(value.into());
                return false;
            }
            b"origin" => self.origin = std::str::from_utf8(value).ok().map(Into::into),
            b"access-control-request-method" => self.asks_for_method = true,
            b"access-control-request-headers" => self.asks_for_fields = Some(value.into()),
            FORWARDED_FOR => {
                let list = self.forwarded_for.get_or_insert_default();
                list.push(b',');
                list.extend_from_slice(value);
                // The field is metadata too.
                return false;
            }
            name => return is_of_browser(name),
        }
        true
    }

    /// Takes a field, which may be metadata.
    pub(in crate::server) fn take_or_append(&mut self, metadata: &mut Metadata, name: &[u8], value: &[u8]) {
        if !self.take(name, value) {
            let appended = metadata::append_field(metadata, name, value);
            self.checked(appended);
        }
    }

    fn checked<T>(&mut self, decoded: Result<T, Status>) -> Option<T> {
        decoded.map_err(|status| self.fault.get_or_insert(status)).ok()
    }

    /// The compressions that count in this dialect.
    pub(super) fn compressions(&self, dialect: Dialect) -> Compressions {
        match dialect {
            Dialect::Grpc | Dialect::GrpcWeb | Dialect::GrpcWebText => self.of_grpc,
            Dialect::ConnectStream => self.of_connect,
            Dialect::ConnectUnary | Dialect::Json => self.of_http,
        }
    }

    /// How long the caller waits.
    pub(super) fn timeout(&self, dialect: Dialect) -> Option<Duration> {
        match dialect {
            Dialect::Grpc | Dialect::GrpcWeb | Dialect::GrpcWebText => self.grpc_timeout,
            Dialect::ConnectUnary | Dialect::ConnectStream | Dialect::Json => self.connect_timeout,
        }
    }
}

/// Whether browsers and HTTP libraries send this field with every request. It says nothing to a handler.
pub(in crate::server) fn is_of_browser(name: &[u8]) -> bool {
    match name {
        b"accept" | b"accept-language" | b"origin" | b"priority" | b"referer" | b"user-agent" => true,
        b"x-grpc-web" | b"x-user-agent" => true,
        _ => name.starts_with(b"sec-") || name.starts_with(b"access-control-"),
    }
}

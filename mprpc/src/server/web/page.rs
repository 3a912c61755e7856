//! Responses that answer no call: the health of the server, the list of its methods, errors for people, and the answers to
//! browsers that ask before they send a request.

use std::borrow::Cow;

use bytes::Bytes;

use super::fields::{HttpMethod, WebFields};
use super::index::index;
use super::writer::Field;
use crate::server::health::Health;
use crate::server::shared::Shared;

/// A whole response.
pub(super) struct Page {
    pub(super) status: u16,
    content_type: &'static str,
    pub(super) fields: Vec<Field<'static>>,
    body: Bytes,
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

impl Page {
    fn new(status: u16, content_type: &'static str, body: Bytes) -> Box<Page> {
        Box::new(Page { status, content_type, fields: Vec::new(), body })
    }

    /// A text for people.
    fn plain(status: u16, text: impl Into<Cow<'static, str>>) -> Box<Page> {
        let mut text = text.into().into_owned();
        text.push('\n');
        Page::new(status, TEXT, text.into())
    }

    fn with(mut self: Box<Page>, name: &'static str, value: impl Into<Cow<'static, str>>) -> Box<Page> {
        let value = match value.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        self.fields.push((name.into(), value));
        self
    }

    /// `None` for a response that never has a body.
    pub(super) fn content_type(&self) -> Option<&'static str> {
        (!matches!(self.status, 204 | 304)).then_some(self.content_type)
    }

    /// The body, if it is a text.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    pub(super) fn into_body(self) -> Bytes {
        self.body
    }
}

/// The page at this path, if there is one.
pub(super) fn at(shared: &Shared, method: HttpMethod, path: &str, fields: &WebFields) -> Option<Box<Page>> {
    if !matches!(path, "/" | "/healthz" | "/openapi.json") {
        return None;
    }
    if !matches!(method, HttpMethod::Get | HttpMethod::Head) {
        return Some(not_allowed("GET, HEAD", "This page is read by a GET."));
    }
    Some(match path {
        "/" => Page::new(200, HTML, index(shared)),
        "/openapi.json" => openapi(shared, fields),
        _ => {
            let is_serving = !shared.is_draining() && shared.health.as_ref().is_none_or(Health::is_serving);
            if is_serving { Page::plain(200, "serving") } else { Page::plain(503, "not serving") }
        }
    })
}

/// The OpenAPI document, or why there is none.
fn openapi(shared: &Shared, fields: &WebFields) -> Box<Page> {
    if !shared.shows_schema {
        return not_found("This server does not show its schema. The setting `reflection = true` shows it.");
    }
    if cfg!(not(feature = "json")) {
        return not_found("This server knows no JSON: the feature `json` of mprpc is off.");
    }
    let document = match shared.openapi.document(shared.router.announced(), shared.limits.message_bytes_max) {
        Ok(document) => document,
        Err(why) => return not_found(why),
    };
    let is_known = fields.if_none_match.as_deref().is_some_and(|tags| names_tag(tags, &document.etag));
    let page = match is_known {
        true => Page::new(304, JSON, Bytes::new()),
        false => Page::new(200, JSON, document.json.clone()),
    };
    page.with("etag", document.etag.clone()).with("cache-control", "no-cache")
}

/// Whether the field `if-none-match` names this entity tag (RFC 9110, 13.1.2).
fn names_tag(tags: &[u8], etag: &str) -> bool {
    let mut tags = tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

/// The answer to OPTIONS: what a browser may send from a page of another origin.
pub(super) fn preflight(shared: &Shared, fields: &WebFields) -> Box<Page> {
    let methods = if shared.rest.is_some() { "GET, POST, PUT, PATCH, DELETE" } else { "GET, POST" };
    if !fields.asks_for_method {
        return Page::plain(204, "").with("allow", "GET, HEAD, POST, OPTIONS");
    }
    let origin = fields.origin.as_deref().unwrap_or_default();
    if shared.cors.allows(origin).is_none() {
        return Page::plain(403, "The origin of the page is not in cors.allowed_origins of this server.");
    }
    let mut page = Page::plain(204, "")
        .with("access-control-allow-methods", methods)
        .with("access-control-max-age", shared.cors.max_age.as_secs().to_string())
        .with("vary", "access-control-request-method, access-control-request-headers");
    // Metadata may have any name, so the server allows what the browser asks for.
    let is_printable = |names: &&str| names.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let names = fields.asks_for_fields.as_deref().and_then(|names| std::str::from_utf8(names).ok());
    if let Some(names) = names.filter(is_printable) {
        page = page.with("access-control-allow-headers", names.to_owned());
    }
    page
}

pub(super) fn not_found(text: &str) -> Box<Page> {
    Page::plain(404, text.to_owned())
}

pub(super) fn not_allowed(allowed: impl Into<Cow<'static, str>>, text: &'static str) -> Box<Page> {
    Page::plain(405, text).with("allow", allowed)
}

/// The answer to a request of a type that the method does not take.
pub(super) fn unsupported_type(types: &'static str) -> Box<Page> {
    let text = format!("The content-type of the request is none that is taken here: {types}.");
    Page::plain(415, text).with("accept-post", types)
}

pub(super) fn head_is_too_long(max: usize) -> Box<Page> {
    Page::plain(431, format!("The head of the request is longer than http_head_bytes_max {max}."))
}

pub(super) fn grpc_needs_http2() -> Box<Page> {
    let text = "gRPC needs HTTP/2. Over HTTP/1.1 this server takes gRPC-Web, Connect and JSON.";
    Page::plain(505, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_compared_without_their_weakness() {
        for (tags, is_named) in
            [("*", true), ("\"a\"", true), ("\"b\", W/\"a\"", true), ("", false), ("a", false), ("\"ab\"", false)]
        {
            assert_eq!(names_tag(tags.as_bytes(), "\"a\""), is_named, "{tags}");
        }
    }
}

//! Responses that answer no call: the health of the server, the list of its methods, errors for people, and the answers to
//! browsers that ask before they send a request.

use std::borrow::Cow;

use super::fields::{HttpMethod, WebFields};
use super::writer::Field;
use crate::method::MethodKind;
use crate::server::health::Health;
use crate::server::shared::Shared;

/// A whole response.
pub(super) struct Page {
    pub(super) status: u16,
    content_type: &'static str,
    pub(super) fields: Vec<Field<'static>>,
    text: Cow<'static, str>,
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

impl Page {
    fn new(status: u16, content_type: &'static str, text: impl Into<Cow<'static, str>>) -> Box<Page> {
        Box::new(Page { status, content_type, fields: Vec::new(), text: text.into() })
    }

    /// A text for people.
    fn plain(status: u16, text: impl Into<Cow<'static, str>>) -> Box<Page> {
        let mut text = text.into();
        text.to_mut().push('\n');
        Page::new(status, TEXT, text)
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
        (self.status != 204).then_some(self.content_type)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_text(self) -> Cow<'static, str> {
        self.text
    }
}

/// The page at this path, if there is one.
pub(super) fn at(shared: &Shared, method: HttpMethod, path: &str) -> Option<Box<Page>> {
    let is_index = match path {
        "/" => true,
        "/healthz" => false,
        _ => return None,
    };
    if !matches!(method, HttpMethod::Get | HttpMethod::Head) {
        return Some(not_allowed("GET, HEAD", "This page is read by a GET."));
    }
    if is_index {
        return Some(Page::new(200, HTML, index(shared)));
    }
    let is_serving = !shared.is_draining() && shared.health.as_ref().is_none_or(Health::is_serving);
    Some(if is_serving { Page::plain(200, "serving") } else { Page::plain(503, "not serving") })
}

/// The list of services and methods.
fn index(shared: &Shared) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>mprpc</title></head>\n<body>\n\
         <h1>mprpc</h1>\n<p>This server answers gRPC, gRPC-Web, Connect and JSON: POST /package.Service/Method.</p>\n",
    );
    let mut services: Vec<_> = shared.router.descriptors().collect();
    services.sort_by_key(|service| service.name);
    for service in services {
        html.push_str("<h2>");
        push_escaped(&mut html, service.name);
        html.push_str("</h2>\n<ul>\n");
        for method in service.methods {
            html.push_str("<li><code>/");
            push_escaped(&mut html, &method.path);
            html.push_str("</code>");
            html.push_str(match method.kind {
                MethodKind::Unary => "",
                MethodKind::ClientStreaming => " takes a stream",
                MethodKind::ServerStreaming => " returns a stream",
                MethodKind::Bidirectional => " takes and returns a stream",
            });
            html.push_str("</li>\n");
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn push_escaped(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
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
    fn names_are_escaped() {
        let mut html = String::new();
        push_escaped(&mut html, "<a href='x'>&\"");
        assert_eq!(html, "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}

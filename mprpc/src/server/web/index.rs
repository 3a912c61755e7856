//! The page at `/`: the services of a server and their methods, for a person with a browser.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::codec::message_types::{MessageTypes, Remarks};
use crate::method::{Method, MethodDescriptor, MethodKind};
use crate::server::shared::Shared;

/// The page. The first request makes it, or each request if the server has a fallback, whose services come and go. It has
/// the comments of the `.proto` files only if the server shows its schema.
pub(super) fn index(shared: &Shared) -> Bytes {
    match shared.router.fallback() {
        Some(fallback) => html(shared, fallback.services()).into(),
        None => shared.index.get_or_init(|| html(shared, BTreeMap::new()).into()).clone(),
    }
}

/// The page, with `services` beside those of the server.
fn html(shared: &Shared, mut services: BTreeMap<String, Vec<Method>>) -> String {
    let mut html = String::from(HEAD);
    for service in shared.router.descriptors() {
        services.insert(service.name.to_owned(), service.methods.iter().map(Method::from).collect());
    }
    let sets = shared.router.descriptors().map(|service| service.files).filter(|_| shared.shows_schema);
    let types = MessageTypes::new(sets);
    if shared.shows_schema {
        html.push_str("<p>The messages are in <a href=\"/openapi.json\">openapi.json</a>.</p>\n");
    }
    for (service, methods) in services {
        html.push_str("<h2>");
        push_escaped(&mut html, &service);
        html.push_str("</h2>\n");
        push_remarks(&mut html, types.service(&service).unwrap_or_default());
        html.push_str("<ul>\n");
        for method in methods {
            push_method(&mut html, &method);
            push_remarks(&mut html, types.method(&method.path).map(|known| known.remarks).unwrap_or_default());
            html.push_str("</li>\n");
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</body>\n</html>\n");
    html
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>mprpc</title>\
                    <style>p { white-space: pre-line }</style></head>\n<body>\n<h1>mprpc</h1>\n\
                    <p>This server answers gRPC, gRPC-Web, Connect and JSON: POST /package.Service/Method.</p>\n";

fn push_method(html: &mut String, method: &MethodDescriptor) {
    html.push_str("<li><code>/");
    push_escaped(html, &method.path);
    html.push_str("</code>");
    html.push_str(match method.kind {
        MethodKind::Unary => "",
        MethodKind::ClientStreaming => " takes a stream",
        MethodKind::ServerStreaming => " returns a stream",
        MethodKind::Bidirectional => " takes and returns a stream",
    });
    for rule in method.http {
        html.push_str(", <code>");
        push_escaped(html, rule.method);
        html.push(' ');
        push_escaped(html, rule.template);
        html.push_str("</code>");
    }
}

fn push_remarks(html: &mut String, remarks: Remarks) {
    if remarks.is_deprecated {
        html.push_str("<p>Deprecated.</p>\n");
    }
    if let Some(comment) = remarks.description() {
        html.push_str("<p>");
        push_escaped(html, &comment);
        html.push_str("</p>\n");
    }
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

//! Decides what a request asks for, once its head is known: a call, a page, or nothing that this server has.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;

use super::body::{RequestBody, check_length};
use super::fields::{Encoding, HttpMethod, WebFields};
use super::json_stream::JsonStream;
use super::page::{self, Page};
use super::reply::Response;
use super::{Exchange, Stage, Start};
use crate::codec::{Codec, Compression};
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::method::{Idempotency, MethodKind};
use crate::protocol::http::connect::{self, GetCall};
use crate::protocol::http::content_type::{ContentType, Dialect};
use crate::protocol::http::template::Captures;
use crate::protocol::{Compressed, Message};
use crate::server::calls::check_metadata;
use crate::server::rest::{Found, RestRequest, RestRule};
use crate::server::router::Route;
use crate::server::shared::Shared;
use crate::status::{Phase, Ran, Status};

/// The head of a request.
pub(in crate::server) struct Head<'a> {
    pub(in crate::server) version: HttpVersion,
    pub(in crate::server) method: HttpMethod,
    /// As it was sent, without the query.
    pub(in crate::server) path: &'a str,
    pub(in crate::server) query: Option<&'a str>,
    pub(in crate::server) fields: WebFields,
    pub(in crate::server) metadata: Metadata,
    /// The length of the body, if the head states it.
    pub(in crate::server) content_length: Option<u64>,
    /// Whether fields are missing, because the head is longer than `http_head_bytes_max`.
    pub(in crate::server) is_too_long: bool,
    /// The most bytes of a message that this connection has room for.
    pub(in crate::server) message_bytes_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum HttpVersion {
    Http1,
    Http2,
}

impl Exchange {
    /// Creates the exchange of a request whose head arrived at `now`.
    pub(in crate::server) fn new(shared: &Shared, head: Head<'_>, now: Instant) -> Exchange {
        let origin = head.fields.origin.as_deref().and_then(|origin| shared.cors.allows(origin));
        let mut response = Response::new(head.method, origin);
        match decide(shared, head, now, &mut response) {
            Ok((stage, body)) => Exchange { stage, body, response, discarded: 0 },
            Err(page) => Exchange { stage: Stage::Page(page), body: RequestBody::ignored(), response, discarded: 0 },
        }
    }
}

/// Decides what the request asks for: a call and how its body is read, or else the page that answers.
fn decide(
    shared: &Shared,
    head: Head<'_>,
    now: Instant,
    response: &mut Response,
) -> Result<(Stage, RequestBody), Box<Page>> {
    if head.is_too_long {
        return Err(page::head_is_too_long(shared.limits.http_head_bytes_max));
    }
    if head.method == HttpMethod::Options {
        return Err(page::preflight(shared, &head.fields));
    }
    if let Some(page) = page::at(shared, head.method, head.path, &head.fields) {
        return Err(page);
    }
    if let Some(rules) = &shared.rest
        && !shared.router.has(head.path.strip_prefix('/').unwrap_or_default())
    {
        match rules.find(head.method.name(), head.path) {
            Some(Found::Rule(rule, captures)) => return rest(shared, head, rule, captures, now, response),
            Some(Found::OtherMethods(allowed)) => {
                return Err(page::not_allowed(allowed, "The path is one of other HTTP methods."));
            }
            None => {}
        }
    }
    let route = route(shared, head.path);
    match head.method {
        HttpMethod::Post => post(shared, head, route, now, response),
        HttpMethod::Get => get(shared, head, route?, now, response),
        _ => Err(page::not_allowed(methods_of(&route?), "A call is a POST.")),
    }
}

/// The route of the path, or the page that says there is none.
fn route(shared: &Shared, path: &str) -> Result<Route, Box<Page>> {
    let name = path.strip_prefix('/').unwrap_or_default();
    let is_method = name.split_once('/').is_some_and(|(service, method)| !service.is_empty() && !method.is_empty());
    if !is_method {
        return Err(page::not_found("There is nothing at this path. A method has the path /package.Service/Method."));
    }
    shared.router.route(name).map_err(|status| page::not_found(status.message()))
}

/// The methods of HTTP that a method of a service takes.
fn methods_of(route: &Route) -> &'static str {
    if takes_get(route) { "GET, POST" } else { "POST" }
}

fn takes_get(route: &Route) -> bool {
    route.method.kind == MethodKind::Unary && route.method.idempotency == Idempotency::NoSideEffects
}

/// A call by POST.
fn post(
    shared: &Shared,
    head: Head<'_>,
    route: Result<Route, Box<Page>>,
    now: Instant,
    response: &mut Response,
) -> Result<(Stage, RequestBody), Box<Page>> {
    let Some(content) = head.fields.content else {
        return Err(route.map_or_else(|page| page, |_| page::unsupported_type(TYPES)));
    };
    if content.dialect == Dialect::Grpc && head.version == HttpVersion::Http1 {
        return Err(page::grpc_needs_http2());
    }
    let content = effective(content);
    response.speaks(content);
    let route = match route {
        Ok(route) => route,
        Err(page) => {
            response.method_is_unknown();
            return Ok((Stage::Refused(unknown(&page)), RequestBody::ignored()));
        }
    };
    if let Some(types) = other_types(content.dialect, route.method.kind) {
        return Err(page::unsupported_type(types));
    }
    let call = call(shared, head, route, content, None, now, response);
    Ok(call.unwrap_or_else(|status| (Stage::Refused(status), RequestBody::ignored())))
}

/// The status of a call of an unknown method, from the page that says so to a person.
fn unknown(page: &Page) -> Status {
    Status::unimplemented(page.text().trim_end().to_owned()).with_phase(Phase::Queue).with_ran(Ran::No)
}

/// A JSON body is Connect's at the path of a method.
fn effective(content: ContentType) -> ContentType {
    match content.dialect {
        Dialect::Json => ContentType { dialect: Dialect::ConnectUnary, ..content },
        _ => content,
    }
}

const TYPES: &str = "application/json, application/proto, application/connect+json, application/connect+proto, \
                     application/grpc-web+proto, application/grpc-web-text+proto";

/// The types that a method takes, if it does not take this dialect: one body is one message, and a stream needs prefixes.
fn other_types(dialect: Dialect, kind: MethodKind) -> Option<&'static str> {
    match (dialect, kind) {
        (Dialect::ConnectUnary, MethodKind::ClientStreaming | MethodKind::ServerStreaming) => {
            Some("application/connect+json, application/connect+proto")
        }
        (Dialect::ConnectStream, MethodKind::Unary) => Some("application/json, application/proto"),
        // A method of the fallback counts as bidirectional, and may be a unary one.
        _ => None,
    }
}

/// A call by GET: Connect's, for methods without side effects.
fn get(
    shared: &Shared,
    head: Head<'_>,
    route: Route,
    now: Instant,
    response: &mut Response,
) -> Result<(Stage, RequestBody), Box<Page>> {
    if !takes_get(&route) {
        return Err(page::not_allowed("POST", "A call of this method is a POST: the method may have side effects."));
    }
    let query = head.query.unwrap_or_default();
    response.speaks(ContentType { dialect: Dialect::ConnectUnary, codec: Codec::Json });
    let decoded = match GetCall::decode(query) {
        Ok(decoded) => decoded,
        Err(status) => return Ok((Stage::Refused(not_run(status)), RequestBody::ignored())),
    };
    let Some(codec) = connect::codec_from_name(&decoded.encoding) else {
        return Err(page::unsupported_type("encoding=json, encoding=proto"));
    };
    let content = ContentType { dialect: Dialect::ConnectUnary, codec };
    response.speaks(content);
    let call = call(shared, head, route, content, Some(decoded), now, response);
    Ok(call.unwrap_or_else(|status| (Stage::Refused(status), RequestBody::ignored())))
}

/// A call by the HTTP path of a method, with JSON both ways. The replies may be a stream.
fn rest(
    shared: &Shared,
    mut head: Head<'_>,
    rule: &RestRule,
    captures: Captures<'_>,
    now: Instant,
    response: &mut Response,
) -> Result<(Stage, RequestBody), Box<Page>> {
    let takes_body = rule.mapping.as_ref().is_ok_and(|mapping| mapping.takes_body());
    if !fits_type(&head, takes_body) {
        return Err(page::unsupported_type("application/json"));
    }
    let content = ContentType { dialect: Dialect::ConnectUnary, codec: Codec::Json };
    response.speaks(content);
    // The body is the message of the call, or else nothing of it counts.
    let encoding = "json".to_owned();
    let bodiless = GetCall { message: Bytes::new(), encoding, compression: None, has_version: false };
    let get = (!takes_body).then_some(bodiless);
    let form = if head.fields.accepts_events { JsonStream::Events } else { JsonStream::Lines };
    head.fields.is_other_version = false;
    let begin = || {
        let mapping = rule.mapping.as_ref().map_err(|why| not_run(Status::unimplemented(*why)))?;
        let request = RestRequest::new(mapping, captures, head.query.unwrap_or_default()).map_err(not_run)?;
        let route = shared.router.route(rule.method)?;
        let streams_replies = route.method.kind.streams_replies();
        let (mut stage, body) = call(shared, head, route, content, get, now, response)?;
        if let Stage::Waiting(start) = &mut stage {
            start.rest = Some(Box::new(request));
            response.answers(mapping.clone());
            if streams_replies {
                response.streams(form);
            }
        }
        Ok((stage, body))
    };
    Ok(begin().unwrap_or_else(|status| (Stage::Refused(status), RequestBody::ignored())))
}

/// Whether the request has the type of JSON, or none. A web page of another origin can send a POST without a type, and a
/// form, without a question of the browser, so these are refused.
fn fits_type(head: &Head<'_>, takes_body: bool) -> bool {
    let is_read = matches!(head.method, HttpMethod::Get | HttpMethod::Head);
    if is_read && !takes_body {
        return true;
    }
    match head.fields.content {
        Some(content) => content.dialect == Dialect::Json,
        None => !head.fields.has_content_type && (is_read || head.fields.origin.is_none()),
    }
}

/// A call of a known method in a known dialect. The error is the status with which the call is refused.
fn call(
    shared: &Shared,
    mut head: Head<'_>,
    route: Route,
    content: ContentType,
    get: Option<GetCall>,
    now: Instant,
    response: &mut Response,
) -> Result<(Stage, RequestBody), Status> {
    let ContentType { dialect, codec } = content;
    let compressions = head.fields.compressions(dialect);
    response.may_compress(shared.compression.filter(|algorithm| compressions.accepts.accepts(*algorithm)));
    if let Some(fault) = head.fields.fault.take() {
        return Err(not_run(fault));
    }
    if head.fields.is_other_version {
        return Err(not_run(Status::invalid_argument("the connect-protocol-version of the request is not 1")));
    }
    route.check_codec(codec).map_err(not_run)?;
    let encoding = match &get {
        Some(get) => get.compression.as_deref().map_or(Encoding::Identity, |name| Encoding::of(name.as_bytes())),
        None => compressions.encoding,
    };
    if encoding == Encoding::Unknown {
        response.lists_compressions();
        return Err(not_run(unknown_encoding()));
    }
    check_metadata("metadata", &head.metadata, shared.limits.metadata_bytes_max).map_err(not_run)?;
    let deadline = head.fields.timeout(dialect).map_or(Deadline::NONE, |timeout| Deadline::after(now, timeout));
    let takes_stream = dialect != Dialect::ConnectUnary && route.method.kind.streams_requests();
    let (metadata, forwarded_for) = (head.metadata, head.fields.forwarded_for.map(Vec::into_boxed_slice));
    let mut start = Box::new(Start { route, codec, deadline, metadata, forwarded_for, message: None, rest: None });
    if let Some(get) = get {
        let compressed = match encoding {
            Encoding::Compressed(algorithm) => Compressed::By(algorithm),
            _ => Compressed::No,
        };
        start.message = Some(Message { bytes: get.message, compressed });
        return Ok((Stage::Waiting(start), RequestBody::ignored()));
    }
    if dialect == Dialect::ConnectUnary
        && let Some(length) = head.content_length
    {
        check_length(length, head.message_bytes_max).map_err(not_run)?;
    }
    let body = RequestBody::new(dialect, encoding, head.message_bytes_max);
    Ok((if takes_stream { Stage::Opening(start) } else { Stage::Waiting(start) }, body))
}

fn not_run(status: Status) -> Status {
    status.with_phase(Phase::Queue).with_ran(Ran::No)
}

fn unknown_encoding() -> Status {
    let names: Vec<&str> = Compression::available().iter().map(|algorithm| algorithm.name()).collect();
    let known: Cow<'static, str> = match names.is_empty() {
        true => "identity".into(),
        false => format!("identity, {}", names.join(", ")).into(),
    };
    Status::unimplemented(format!("the compression of the request is not known here; known are {known}"))
}

//! The HTTP paths of methods, from the option `(google.api.http)`: which rule a request matches. It knows no versions of HTTP;
//! `server/web` asks it.

mod request;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::request::RestRequest;
use crate::codec::BUILT_IN_FILES;
use crate::codec::json_tree::{self, put_string};
use crate::codec::message_types::{FieldType, Kind, MessageTypes};
use crate::method::{HttpBody, HttpRule, MethodDescriptor, ServiceDescriptor};
use crate::protocol::http::template::{Captures, Template};
use crate::status::{Phase, Status};

/// The rules of a server's services, in the order in which they are tried.
pub(crate) struct RestRules(Vec<RestRule>);

/// An HTTP method and a path of a method of a service.
pub(super) struct RestRule {
    http_method: &'static str,
    template: Template,
    /// The method, `package.Service/Method`.
    pub(super) method: &'static str,
    /// How the request is made, or why the rule cannot be served.
    pub(super) mapping: Result<Arc<Mapping>, &'static str>,
}

/// How a request is made of path, query and body, and what of the reply is answered.
pub(super) struct Mapping {
    types: Arc<MessageTypes>,
    /// The full name of the request.
    request: &'static str,
    /// The fields that the path sets, in the order of the template.
    variables: Vec<Vec<FieldType>>,
    body: MappedBody,
    response_body: Option<ResponseBody>,
}

/// What the body of a request holds.
enum MappedBody {
    Empty,
    Whole,
    Field(Vec<FieldType>),
}

/// The field of the reply that is the body of the response.
struct ResponseBody {
    field: FieldType,
    /// What the body is if the reply leaves the field out, because it has its default.
    default: Bytes,
}

/// What a request matches.
pub(super) enum Found<'a> {
    Rule(&'a RestRule, Captures<'a>),
    /// The path is that of rules for these HTTP methods alone, as a list for the field `allow`.
    OtherMethods(String),
}

impl RestRules {
    /// Compiles the rules of services. `None` if no method has a rule.
    pub(super) fn new(services: impl Iterator<Item = &'static ServiceDescriptor> + Clone) -> Option<Arc<RestRules>> {
        let methods = || services.clone().flat_map(|service| service.methods);
        if methods().all(|method| method.http.is_empty()) {
            return None;
        }
        let sets = services.clone().map(|service| service.files).chain([BUILT_IN_FILES]);
        let types = Arc::new(MessageTypes::new(sets));
        let compiled = methods().flat_map(|method| method.http.iter().filter_map(|rule| compile(method, rule, &types)));
        let mut rules: Vec<RestRule> = compiled.collect();
        // The sort is stable: of two rules for the same paths, the one of the service that was added first comes first.
        rules.sort_by(|first, second| first.template.precedence(&second.template));
        Some(Arc::new(RestRules(rules)))
    }

    /// Finds the rule for an HTTP method and a path without its query, as it was sent.
    pub(super) fn find<'a>(&'a self, http_method: &str, path: &'a str) -> Option<Found<'a>> {
        let mut others = Vec::new();
        for rule in &self.0 {
            let Some(captures) = rule.template.matches(path) else { continue };
            if rule.takes(http_method) {
                return Some(Found::Rule(rule, captures));
            }
            others.push(rule.http_method);
            others.extend((rule.http_method == "GET").then_some("HEAD"));
        }
        others.sort_unstable();
        others.dedup();
        (!others.is_empty()).then(|| Found::OtherMethods(others.join(", ")))
    }
}

impl RestRule {
    /// Whether the rule takes this HTTP method. What GET reads, HEAD reads too.
    fn takes(&self, http_method: &str) -> bool {
        matches!((self.http_method, http_method), ("*", _) | ("GET", "HEAD")) || self.http_method == http_method
    }
}

/// The HTTP methods of rules that can be served; `*` is every method.
const HTTP_METHODS: [&str; 7] = ["*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

fn compile(method: &'static MethodDescriptor, rule: &'static HttpRule, types: &Arc<MessageTypes>) -> Option<RestRule> {
    let template = match Template::parse(rule.template) {
        Ok(template) => template,
        Err(error) => {
            // mprpc-build has checked the templates of generated code.
            tracing::error!(method = &*method.path, template = rule.template, %error, "an HTTP path is not served");
            return None;
        }
    };
    if !HTTP_METHODS.contains(&rule.method) {
        let (method, http_method) = (&*method.path, rule.method);
        tracing::warn!(method, http_method, path = rule.template, "an HTTP path of a custom HTTP method is not served");
        return None;
    }
    let mapping = mapping(method, rule, &template, types);
    if let Err(why) = &mapping {
        tracing::warn!(method = &*method.path, path = rule.template, why, "an HTTP path is answered with 501");
    }
    let mapping = mapping.map(Arc::new);
    Some(RestRule { http_method: rule.method, template, method: &method.path, mapping })
}

/// Finds the types of the fields that a rule names. The error says why the rule cannot be served.
fn mapping(
    method: &MethodDescriptor,
    rule: &HttpRule,
    template: &Template,
    types: &Arc<MessageTypes>,
) -> Result<Mapping, &'static str> {
    if method.kind.streams_requests() || method.kind.streams_replies() {
        return Err("HTTP paths of methods with streams are not served yet; call the method by its own path");
    }
    let Some((request, reply)) = types.method(&method.path) else {
        return Err("the .proto file of the service is not in the program, so the types of its fields are unknown");
    };
    const UNKNOWN: &str = "the rule names a field that the message does not have";
    let field = |name: &str| resolve(types, request, name).ok_or(UNKNOWN);
    let body = match rule.body {
        HttpBody::Empty => MappedBody::Empty,
        HttpBody::Whole => MappedBody::Whole,
        HttpBody::Field(name) => MappedBody::Field(field(name)?),
    };
    let response_body = rule.response_body.map(|name| {
        let field = types.field(reply, name).ok_or(UNKNOWN)?.clone();
        let default = default_of(&field, types);
        Ok::<_, &'static str>(ResponseBody { field, default })
    });
    let variables = template.fields().map(field).collect::<Result<_, _>>()?;
    Ok(Mapping { types: types.clone(), request, variables, body, response_body: response_body.transpose()? })
}

/// Returns the fields of a path such as `book.name`. `None` if a field is unknown, or if it is in what is no single message.
fn resolve(types: &MessageTypes, message: &'static str, path: &str) -> Option<Vec<FieldType>> {
    let (mut message, mut fields) = (Some(message), Vec::new());
    for name in path.split('.') {
        let field = types.field(message?, name)?;
        message = match field.kind {
            Kind::Message(name) if !field.is_repeated => Some(name),
            _ => None,
        };
        fields.push(field.clone());
        if fields.len() > FIELDS_DEEP_MAX {
            return None;
        }
    }
    Some(fields)
}

/// Messages in messages, in the name of a parameter.
const FIELDS_DEEP_MAX: usize = 32;

/// The JSON of a field with its default value.
fn default_of(field: &FieldType, types: &MessageTypes) -> Bytes {
    let text = match field.kind {
        _ if field.is_repeated => "[]",
        _ if field.is_message => "null",
        Kind::Bool => "false",
        Kind::Int32 | Kind::Uint32 | Kind::Float | Kind::Double => "0",
        Kind::Int64 | Kind::Uint64 => "\"0\"",
        Kind::Enum(name) => {
            let mut json = Vec::new();
            put_string(&mut json, types.values(name).and_then(<[_]>::first).copied().unwrap_or_default());
            return json.into();
        }
        Kind::String | Kind::Bytes | Kind::Text(_) | Kind::Message(_) => "\"\"",
    };
    Bytes::from_static(text.as_bytes())
}

impl Mapping {
    /// Whether the body of a request counts.
    pub(super) fn takes_body(&self) -> bool {
        !matches!(self.body, MappedBody::Empty)
    }

    /// Returns what a reply in JSON answers: all of it, or one field.
    pub(super) fn response(&self, reply: Bytes) -> Result<Bytes, Status> {
        let Some(ResponseBody { field, default }) = &self.response_body else { return Ok(reply) };
        match json_tree::member(&reply, field) {
            Ok(Some(value)) => Ok(reply.slice_ref(value)),
            Ok(None) => Ok(default.clone()),
            Err(_) => Err(Status::internal("the reply is no object in JSON").with_phase(Phase::Reply)),
        }
    }
}

//! The HTTP paths of methods, from the option `(google.api.http)`: which rule a request matches. It knows no versions of HTTP;
//! `server/web` asks it.

mod request;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::request::RestRequest;
use crate::codec::BUILT_IN_FILES;
use crate::codec::json_tree::{self, put_string};
use crate::codec::message_types::{FieldType, Kind, MessageTypes, MethodType};
use crate::method::{HttpBody, HttpRule, MethodDescriptor, ServiceDescriptor};
use crate::protocol::http::path_tree::PathTree;
use crate::protocol::http::template::{Captures, Template};
use crate::status::{Phase, Status};

/// The rules of a server's services.
pub(crate) struct RestRules(PathTree<RestRule>);

/// An HTTP method of a method of a service, and what stands behind it.
pub(super) struct RestRule {
    /// The HTTP methods that the rule takes, a bit each, as in [`HTTP_METHODS`].
    http_methods: u8,
    /// Whether the rule also takes the methods that are not in [`HTTP_METHODS`].
    takes_all: bool,
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
        // Of two rules for the same paths, the one of the service that was added first comes first.
        let rules = PathTree::new(compiled.collect());
        (!rules.is_empty()).then(|| Arc::new(RestRules(rules)))
    }

    /// Finds the rule for an HTTP method and a path without its query, as it was sent.
    pub(super) fn find<'a>(&'a self, http_method: &str, path: &'a str) -> Option<Found<'a>> {
        let wanted = bit_of(http_method);
        let mut others = 0;
        let found = self.0.find(path, &mut |template: &'a Template, rule: &'a RestRule| {
            let takes = rule.http_methods & wanted != 0 || (wanted == 0 && rule.takes_all);
            if !takes && rule.http_methods & !others == 0 {
                return None;
            }
            let captures = template.matches(path)?;
            if takes {
                return Some(Found::Rule(rule, captures));
            }
            others |= rule.http_methods;
            None
        });
        found.or_else(|| (others != 0).then(|| Found::OtherMethods(names_of(others))))
    }
}

/// The HTTP methods of rules that can be served, beside `*` for every method.
const HTTP_METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];

/// The bit of an HTTP method; 0 for a method of which no rule is.
fn bit_of(http_method: &str) -> u8 {
    HTTP_METHODS.iter().position(|known| *known == http_method).map_or(0, |index| 1 << index)
}

fn names_of(http_methods: u8) -> String {
    let names = HTTP_METHODS.iter().filter(|name| http_methods & bit_of(name) != 0);
    names.copied().collect::<Vec<_>>().join(", ")
}

fn compile(
    method: &'static MethodDescriptor,
    rule: &'static HttpRule,
    types: &Arc<MessageTypes>,
) -> Option<(Template, RestRule)> {
    let template = match Template::parse(rule.template) {
        Ok(template) => template,
        Err(error) => {
            // mprpc-build has checked the templates of generated code.
            tracing::error!(method = &*method.path, template = rule.template, %error, "an HTTP path is not served");
            return None;
        }
    };
    let takes_all = rule.method == "*";
    // What GET reads, HEAD reads too. A stream has no answer without a body.
    let http_methods = match rule.method {
        "*" => (1 << HTTP_METHODS.len()) - 1,
        "GET" => bit_of("GET") | bit_of("HEAD"),
        other => bit_of(other),
    };
    let http_methods = if method.kind.streams_replies() { http_methods & !bit_of("HEAD") } else { http_methods };
    if http_methods == 0 {
        let (method, http_method) = (&*method.path, rule.method);
        tracing::warn!(method, http_method, path = rule.template, "an HTTP path of this HTTP method is not served");
        return None;
    }
    let mapping = mapping(method, rule, &template, types);
    if let Err(why) = &mapping {
        tracing::warn!(method = &*method.path, path = rule.template, why, "an HTTP path is answered with 501");
    }
    let mapping = mapping.map(Arc::new);
    Some((template, RestRule { http_methods, takes_all, method: &method.path, mapping }))
}

/// Finds the types of the fields that a rule names. The error says why the rule cannot be served.
fn mapping(
    method: &MethodDescriptor,
    rule: &HttpRule,
    template: &Template,
    types: &Arc<MessageTypes>,
) -> Result<Mapping, &'static str> {
    if method.kind.streams_requests() {
        return Err("a method that takes a stream has no HTTP paths; call the method by its own path");
    }
    let Some(MethodType { request, reply, .. }) = types.method(&method.path) else {
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
pub(super) fn resolve(types: &MessageTypes, message: &'static str, path: &str) -> Option<Vec<FieldType>> {
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
pub(super) const FIELDS_DEEP_MAX: usize = 32;

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
            put_string(
                &mut json,
                types.enumeration(name).and_then(|known| known.values.first()).map_or("", |value| value.0),
            );
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

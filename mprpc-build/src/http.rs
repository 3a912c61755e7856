//! Reads the option `(google.api.http)` of a method and checks it against the method's messages. It generates no code.

use buffa::{UnknownFieldData, UnknownFields};
use buffa_codegen::generated::descriptor::field_descriptor_proto::{Label, Type};
use buffa_codegen::generated::descriptor::{DescriptorProto, FieldDescriptorProto, MethodDescriptorProto};

use crate::options::HTTP;
use crate::source::Source;
use crate::template;

/// One HTTP method and path of a method, from the option `(google.api.http)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// The HTTP method, `GET`, or `*` for any.
    pub method: String,
    /// The template of the path, `/v1/{name=shelves/*}`.
    pub template: String,
    /// The field that the body holds, `*` for all, or nothing.
    pub body: String,
    /// The field of the reply that the body of the response holds; nothing for the whole reply.
    pub response_body: String,
}

/// Returns the rules of a method, whose fields are those of the method's messages. The error says what is wrong.
pub(crate) fn rules(source: &Source, method: &MethodDescriptorProto) -> Result<Vec<HttpRule>, String> {
    let rules = http_rules(&method.options.__buffa_unknown_fields)?;
    for rule in &rules {
        check(source, method, rule)?;
    }
    Ok(rules)
}

/// Returns the rules that the option `(google.api.http)` of a method sets, and then its additional bindings. `options` are the
/// fields of the method's options that protobuf itself does not know.
///
/// # Errors
/// The option is malformed; the text says how. Whether the rules fit the messages of the method is not checked.
pub fn http_rules(options: &UnknownFields) -> Result<Vec<HttpRule>, String> {
    let fields = options.iter().filter(|field| field.number == HTTP as u32);
    let mut rules = Vec::new();
    for field in fields {
        let UnknownFieldData::LengthDelimited(encoded) = &field.data else {
            return Err("option (google.api.http) is no message".into());
        };
        let (rule, bindings) = decode(encoded)?;
        rules.push(rule);
        for binding in bindings {
            let (rule, bindings) = decode(&binding)?;
            if !bindings.is_empty() {
                return Err("an additional binding has additional bindings of its own".into());
            }
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// Decodes a `google.api.HttpRule`, and returns its additional bindings too.
fn decode(encoded: &[u8]) -> Result<(HttpRule, Vec<Vec<u8>>), String> {
    let mut rule =
        HttpRule { method: String::new(), template: String::new(), body: String::new(), response_body: String::new() };
    let mut bindings = Vec::new();
    for (number, value) in parts(encoded)? {
        match number {
            BODY => rule.body = text(value)?,
            RESPONSE_BODY => rule.response_body = text(value)?,
            ADDITIONAL_BINDINGS => bindings.push(value),
            CUSTOM => {
                for (number, value) in parts(&value)? {
                    match number {
                        CUSTOM_KIND => rule.method = text(value)?,
                        CUSTOM_PATH => rule.template = text(value)?,
                        _ => {}
                    }
                }
            }
            _ => {
                if let Some((_, method)) = PATTERNS.iter().find(|(pattern, _)| *pattern == number) {
                    rule.method = (*method).to_owned();
                    rule.template = text(value)?;
                }
            }
        }
    }
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if rule.template.is_empty() {
        return Err("option (google.api.http) names no path".into());
    }
    if rule.method.is_empty() || !rule.method.chars().all(is_token) {
        return Err(format!("option (google.api.http): `{}` is no method of HTTP", rule.method));
    }
    Ok((rule, bindings))
}

/// The fields of an encoded message that are messages or texts.
fn parts(encoded: &[u8]) -> Result<Vec<(u32, Vec<u8>)>, String> {
    let fields = UnknownFields::decode_from_slice(encoded)
        .map_err(|error| format!("option (google.api.http) does not decode: {error}"))?;
    let part = |field: &buffa::UnknownField| match &field.data {
        UnknownFieldData::LengthDelimited(bytes) => Some((field.number, bytes.to_vec())),
        _ => None,
    };
    Ok(fields.iter().filter_map(part).collect())
}

fn text(value: Vec<u8>) -> Result<String, String> {
    String::from_utf8(value).map_err(|_| "option (google.api.http) is not UTF-8".into())
}

/// Checks a rule: its template, and that its fields are those of the method's messages.
fn check(source: &Source, method: &MethodDescriptorProto, rule: &HttpRule) -> Result<(), String> {
    let message = |name: &Option<String>| {
        let name = name.as_deref().unwrap_or_default();
        source.message(name).ok_or_else(|| format!("no such message: `{name}`"))
    };
    let (request, reply) = (message(&method.input_type)?, message(&method.output_type)?);
    for path in template::variables(&rule.template)? {
        check_variable(source, request, &path)?;
    }
    if !matches!(rule.body.as_str(), "" | "*") {
        field(request, &rule.body).map_err(|error| format!("body: {error}"))?;
    }
    if !rule.response_body.is_empty() {
        field(reply, &rule.response_body).map_err(|error| format!("response_body: {error}"))?;
    }
    Ok(())
}

/// Checks that a path holds one value: its last field is a scalar or an enum, and the fields before it are messages.
fn check_variable(source: &Source, request: &DescriptorProto, path: &str) -> Result<(), String> {
    let mut message = request;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let field = field(message, name)?;
        let is_message = matches!(field.r#type, Some(Type::TYPE_MESSAGE | Type::TYPE_GROUP));
        if field.label == Some(Label::LABEL_REPEATED) {
            return Err(format!("the path holds `{path}`, but `{name}` is repeated"));
        }
        if is_message != names.peek().is_some() {
            let what = if is_message { "a message" } else { "no message" };
            return Err(format!("the path holds `{path}`, but `{name}` is {what}"));
        }
        if is_message {
            let name = field.type_name.as_deref().unwrap_or_default();
            message = source.message(name).ok_or_else(|| format!("no such message: `{name}`"))?;
        }
    }
    Ok(())
}

fn field<'a>(message: &'a DescriptorProto, name: &str) -> Result<&'a FieldDescriptorProto, String> {
    let found = message.field.iter().find(|field| field.name.as_deref() == Some(name));
    found.ok_or_else(|| format!("message `{}` has no field `{name}`", message.name.as_deref().unwrap_or_default()))
}

/// Field numbers of `google.api.HttpRule` and `google.api.CustomHttpPattern`.
const PATTERNS: [(u32, &str); 5] = [(2, "GET"), (3, "PUT"), (4, "POST"), (5, "DELETE"), (6, "PATCH")];
const BODY: u32 = 7;
const CUSTOM: u32 = 8;
const ADDITIONAL_BINDINGS: u32 = 11;
const RESPONSE_BODY: u32 = 12;
const CUSTOM_KIND: u32 = 1;
const CUSTOM_PATH: u32 = 2;

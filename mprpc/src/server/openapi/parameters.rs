//! The parameters of an operation, in its path and in its query.

use std::collections::HashSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::json::Json;
use super::schemas::{Schemas, of_type};
use crate::codec::message_types::{FieldType, Kind, MessageTypes};
use crate::protocol::http::template::{Segment, Template};
use crate::server::rest::{FIELDS_DEEP_MAX, resolve};

/// A path of a rule, as OpenAPI writes it: `/v1/shelves/{name}:find`. A parameter is one segment, so a variable of several
/// segments becomes a parameter for each `*`.
pub(super) struct OperationPath {
    /// The path with `{}` for each parameter. Two paths of the same shape are the same path in OpenAPI.
    pub(super) shape: String,
    pub(super) parameters: Vec<PathParameter>,
}

/// A parameter of a path.
pub(super) struct PathParameter {
    pub(super) name: String,
    schema: Json,
    description: Option<String>,
}

/// Literals of paths need no percent-encoding for these characters.
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'@');

/// An operation lists at most so many parameters of its query.
const QUERY_PARAMETERS_MAX: usize = 100;
/// The fields of at most so many messages are looked at for them, as messages in messages multiply.
const QUERY_MESSAGES_MAX: usize = 1000;

impl OperationPath {
    /// The path of a template. `None` if a variable names no field of the request.
    pub(super) fn new(
        template: &Template,
        request: &'static str,
        types: &MessageTypes,
        schemas: &mut Schemas<'_>,
    ) -> Option<OperationPath> {
        let segments = template.segments();
        let is_wildcard = |index: &usize| !matches!(segments[*index], Segment::Literal(_));
        let mut path = OperationPath { shape: String::new(), parameters: Vec::new() };
        for (index, segment) in segments.iter().enumerate() {
            path.shape.push('/');
            if let Segment::Literal(text) = segment {
                path.shape.extend(utf8_percent_encode(text, LITERAL));
                continue;
            }
            path.shape.push_str("{}");
            let of_this = template.variables().find(|(_, places)| places.contains(&index));
            let rest = (*segment == Segment::Rest).then_some("Any number of segments.");
            let mut parameter =
                PathParameter { name: String::new(), schema: of_type("string"), description: rest.map(str::to_owned) };
            match of_this {
                None => parameter.name = format!("segment{index}"),
                Some((name, places)) => {
                    let wildcards = places.clone().filter(is_wildcard).count();
                    let number = places.clone().take_while(|place| *place < index).filter(is_wildcard).count();
                    let field = resolve(types, request, name)?;
                    let field = field.last()?;
                    parameter.name = if wildcards == 1 { name.to_owned() } else { format!("{name}.{}", number + 1) };
                    if places.start() == places.end() && *segment == Segment::One {
                        parameter.schema = schemas.parameter(field).with_remarks(field.remarks, None);
                    } else {
                        let pattern = segments[places].iter().map(pattern_of).collect::<Vec<_>>().join("/");
                        let part = format!("Wildcard {} of `{pattern}`, which is the field `{name}`.", number + 1);
                        parameter.description = Some(match parameter.description {
                            Some(rest) => format!("{part} {rest}"),
                            None => part,
                        });
                    }
                }
            }
            path.parameters.push(parameter);
        }
        if segments.is_empty() {
            path.shape.push('/');
        }
        if let Some(verb) = template.verb() {
            path.shape.push(':');
            path.shape.push_str(verb);
        }
        path.make_names_unique();
        Some(path)
    }

    fn make_names_unique(&mut self) {
        let mut taken = HashSet::new();
        for parameter in &mut self.parameters {
            while !taken.insert(parameter.name.clone()) {
                parameter.name.push('_');
            }
        }
    }

    /// The path with the names of parameters.
    pub(super) fn text(&self) -> String {
        let mut names = self.parameters.iter().map(|parameter| parameter.name.as_str());
        let mut parts = self.shape.split("{}");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text.push('{');
            text.push_str(names.next().unwrap_or_default());
            text.push('}');
            text.push_str(part);
        }
        text
    }
}

impl PathParameter {
    /// The parameter object. Operations of one path share its names, so the name may be that of another operation's field.
    pub(super) fn json(self, name: &str) -> Json {
        let other = (name != self.name).then(|| format!("The value of `{}`.", self.name));
        let description = [other, self.description].into_iter().flatten().collect::<Vec<_>>().join(" ");
        Json::object()
            .with("name", name.to_owned())
            .with("in", "path")
            .with("required", true)
            .with_some("description", (!description.is_empty()).then_some(description))
            .with("schema", self.schema)
    }
}

fn pattern_of(segment: &Segment) -> &str {
    match segment {
        Segment::Literal(text) => text,
        Segment::One => "*",
        Segment::Rest => "**",
    }
}

/// The parameters of the query: the fields of a request that are neither in `elsewhere`, as `book.name`, nor in a message that
/// is.
pub(super) fn query_parameters(
    request: &'static str,
    elsewhere: &[&str],
    types: &MessageTypes,
    schemas: &mut Schemas<'_>,
) -> Vec<Json> {
    let mut query = Query {
        elsewhere,
        types,
        schemas,
        parameters: Vec::new(),
        messages_left: QUERY_MESSAGES_MAX,
        within: Vec::new(),
    };
    query.add(request, "", "");
    query.parameters
}

struct Query<'a, 'b> {
    elsewhere: &'a [&'a str],
    types: &'a MessageTypes,
    schemas: &'a mut Schemas<'b>,
    parameters: Vec<Json>,
    /// How many messages may still be looked into.
    messages_left: usize,
    /// The messages around the fields that are added now. A message within itself is left out, and so is one
    /// that is too deep for the server.
    within: Vec<&'static str>,
}

impl Query<'_, '_> {
    /// Adds the fields of a message, whose path in the request is `path` by names of the file and `json_path` by those of JSON.
    fn add(&mut self, message: &'static str, path: &str, json_path: &str) {
        let types = self.types;
        let Some(left) = self.messages_left.checked_sub(1) else { return };
        self.messages_left = left;
        let is_left_out = self.within.contains(&message) || self.within.len() >= FIELDS_DEEP_MAX;
        let Some(known) = types.message(message).filter(|_| !is_left_out) else { return };
        self.within.push(message);
        for field in &known.fields {
            let path = format!("{path}{}", field.name);
            if self.elsewhere.contains(&path.as_str()) || self.parameters.len() >= QUERY_PARAMETERS_MAX {
                continue;
            }
            let json_path = format!("{json_path}{}", field.json_name);
            match field.kind {
                // Maps, lists of messages, well-known messages and null are no texts.
                Kind::Message(name) if field.is_repeated || name.starts_with("google.protobuf.") => {}
                Kind::Enum("google.protobuf.NullValue") => {}
                Kind::Message(name) => self.add(name, &format!("{path}."), &format!("{json_path}.")),
                _ => {
                    let parameter = self.parameter(field, json_path);
                    self.parameters.push(parameter);
                }
            }
        }
        self.within.pop();
    }

    fn parameter(&mut self, field: &FieldType, name: String) -> Json {
        let parameter = Json::object().with("name", name).with("in", "query");
        parameter.with_remarks(field.remarks, None).with("schema", self.schemas.parameter(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::BUILT_IN_FILES;

    /// The names of the query parameters of `google.api.HttpRule`, which holds itself and a message.
    fn names(elsewhere: &[&str]) -> Vec<String> {
        let types = MessageTypes::new([BUILT_IN_FILES]);
        let mut schemas = Schemas::new(&types);
        let parameters = query_parameters("google.api.HttpRule", elsewhere, &types, &mut schemas);
        let name = |parameter: &Json| {
            let mut text = Vec::new();
            parameter.write(&mut text);
            let text = String::from_utf8(text).unwrap();
            text.split('"').nth(3).unwrap().to_owned()
        };
        parameters.iter().map(name).collect()
    }

    #[test]
    fn query_has_the_fields_of_messages_in_messages() {
        let all =
            ["selector", "get", "put", "post", "delete", "patch", "custom.kind", "custom.path", "body", "responseBody"];
        assert_eq!(names(&[]), all);
        assert_eq!(names(&["custom", "selector", "response_body"]), ["get", "put", "post", "delete", "patch", "body"]);
        assert_eq!(names(&["custom.kind"]).len(), all.len() - 1);
    }

    #[test]
    fn path_has_a_parameter_for_each_wildcard() {
        let types = MessageTypes::new([BUILT_IN_FILES]);
        let path = |template: &str| {
            let template = Template::parse(template).unwrap();
            let path = OperationPath::new(&template, "google.api.HttpRule", &types, &mut Schemas::new(&types))?;
            Some((path.text(), path.shape))
        };
        for (template, text, shape) in [
            ("/", "/", "/"),
            ("/v1/{get}", "/v1/{get}", "/v1/{}"),
            ("/v1/{get=a/*}:go", "/v1/a/{get}:go", "/v1/a/{}:go"),
            ("/v1/{get=a/*/b/**}", "/v1/a/{get.1}/b/{get.2}", "/v1/a/{}/b/{}"),
            ("/a%20b/*/{custom.kind}/**", "/a%20b/{segment1}/{custom.kind}/{segment3}", "/a%20b/{}/{}/{}"),
        ] {
            assert_eq!(path(template), Some((text.to_owned(), shape.to_owned())));
        }
        assert_eq!(path("/v1/{nothing}"), None);
    }
}

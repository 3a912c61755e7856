//! The fields of messages and their types, from the descriptors that generated code contains. It decodes no messages.

use std::borrow::Cow;
use std::collections::HashMap;

use super::descriptors::{
    ENUM_VALUE, FILE_ENUM, FILE_MESSAGE, FILE_PACKAGE, FILE_SERVICE, MESSAGE_ENUM, MESSAGE_FIELD, MESSAGE_MESSAGE,
    NAME, SERVICE_METHOD, SET_FILE, messages, number, text,
};

/// The messages, enums and methods of descriptor sets.
#[derive(Debug, Default)]
pub(crate) struct MessageTypes {
    messages: HashMap<String, Vec<FieldType>>,
    enums: HashMap<String, Vec<&'static str>>,
    /// The names of request and reply, by `package.Service/Method`.
    methods: HashMap<String, (&'static str, &'static str)>,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldType {
    /// The name in the `.proto` file.
    pub(crate) name: &'static str,
    /// The name in JSON, lowerCamelCase.
    pub(crate) json_name: Cow<'static, str>,
    pub(crate) is_repeated: bool,
    /// Whether the value is a message in protobuf, whatever its form in JSON is.
    pub(crate) is_message: bool,
    pub(crate) kind: Kind,
}

/// The form of a value in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Uint32,
    Int64,
    Uint64,
    Float,
    Double,
    String,
    Bytes,
    /// The enum of this full name.
    Enum(&'static str),
    /// A well-known type whose JSON form is a string.
    Text(&'static str),
    /// The message of this full name.
    Message(&'static str),
}

impl FieldType {
    /// Whether this is a name of the field, in the `.proto` file or in JSON.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.name.as_bytes() == name || self.json_name.as_bytes() == name
    }
}

impl MessageTypes {
    /// Reads encoded `google.protobuf.FileDescriptorSet`s. Of two messages with the same name, the first one has the name.
    pub(crate) fn new(sets: impl IntoIterator<Item = &'static [u8]>) -> MessageTypes {
        let mut types = MessageTypes::default();
        for file in sets.into_iter().flat_map(|set| messages(set, SET_FILE)) {
            let package = text(file, FILE_PACKAGE).unwrap_or_default();
            types.add_nested(package, messages(file, FILE_MESSAGE), messages(file, FILE_ENUM));
            for service in messages(file, FILE_SERVICE) {
                types.add_service(&full_name(package, service), service);
            }
        }
        types
    }

    /// Returns the names of the request and the reply of `package.Service/Method`.
    pub(crate) fn method(&self, path: &str) -> Option<(&'static str, &'static str)> {
        self.methods.get(path).copied()
    }

    /// Returns the field of a message, by its name in the `.proto` file or in JSON.
    pub(crate) fn field(&self, message: &str, name: &str) -> Option<&FieldType> {
        self.messages.get(message)?.iter().find(|field| field.is_named(name.as_bytes()))
    }

    /// Returns the names of an enum's values; the name of the default is the first. `None` for an unknown enum.
    pub(crate) fn values(&self, name: &str) -> Option<&[&'static str]> {
        self.enums.get(name).map(Vec::as_slice)
    }

    fn add_nested(
        &mut self,
        scope: &str,
        nested: impl Iterator<Item = &'static [u8]>,
        enums: impl Iterator<Item = &'static [u8]>,
    ) {
        for item in enums {
            let values = messages(item, ENUM_VALUE).filter_map(|value| text(value, NAME)).collect();
            self.enums.entry(full_name(scope, item)).or_insert(values);
        }
        for message in nested {
            let name = full_name(scope, message);
            self.add_nested(&name, messages(message, MESSAGE_MESSAGE), messages(message, MESSAGE_ENUM));
            let fields = messages(message, MESSAGE_FIELD).filter_map(field_type).collect();
            self.messages.entry(name).or_insert(fields);
        }
    }

    fn add_service(&mut self, name: &str, service: &'static [u8]) {
        for method in messages(service, SERVICE_METHOD) {
            let names = (text(method, NAME), text(method, METHOD_INPUT), text(method, METHOD_OUTPUT));
            let (Some(method), Some(input), Some(output)) = names else { continue };
            self.methods.entry(format!("{name}/{method}")).or_insert((absolute(input), absolute(output)));
        }
    }
}

fn full_name(scope: &str, item: &'static [u8]) -> String {
    let name = text(item, NAME).unwrap_or_default();
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// The full name that a descriptor writes as `.package.Name`.
fn absolute(name: &'static str) -> &'static str {
    name.strip_prefix('.').unwrap_or(name)
}

fn field_type(field: &'static [u8]) -> Option<FieldType> {
    let name = text(field, NAME)?;
    let json_name = text(field, FIELD_JSON_NAME).map_or_else(|| lower_camel_case(name).into(), Cow::Borrowed);
    let is_repeated = number(field, FIELD_LABEL) == Some(LABEL_REPEATED);
    let type_name = absolute(text(field, FIELD_TYPE_NAME).unwrap_or_default());
    let code = number(field, FIELD_TYPE)?;
    let is_message = matches!(code, 10 | 11);
    let kind = match code {
        1 => Kind::Double,
        2 => Kind::Float,
        3 | 16 | 18 => Kind::Int64,
        4 | 6 => Kind::Uint64,
        5 | 15 | 17 => Kind::Int32,
        7 | 13 => Kind::Uint32,
        8 => Kind::Bool,
        9 => Kind::String,
        10 | 11 => kind_of_message(type_name),
        12 => Kind::Bytes,
        14 => Kind::Enum(type_name),
        _ => return None,
    };
    Some(FieldType { name, json_name, is_repeated, is_message, kind })
}

/// The form of a message in JSON. A wrapper has the form of its value.
fn kind_of_message(name: &'static str) -> Kind {
    match name.strip_prefix("google.protobuf.").unwrap_or_default() {
        "Timestamp" | "Duration" | "FieldMask" => Kind::Text(name),
        "DoubleValue" => Kind::Double,
        "FloatValue" => Kind::Float,
        "Int64Value" => Kind::Int64,
        "UInt64Value" => Kind::Uint64,
        "Int32Value" => Kind::Int32,
        "UInt32Value" => Kind::Uint32,
        "BoolValue" => Kind::Bool,
        "StringValue" => Kind::String,
        "BytesValue" => Kind::Bytes,
        _ => Kind::Message(name),
    }
}

/// The name in JSON of a field whose descriptor does not state it.
fn lower_camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_upper = false;
    for character in name.chars() {
        match character {
            '_' => is_upper = true,
            _ if std::mem::take(&mut is_upper) => camel.push(character.to_ascii_uppercase()),
            _ => camel.push(character),
        }
    }
    camel
}

/// More field numbers of `google/protobuf/descriptor.proto`, and one of its values.
const FIELD_LABEL: u32 = 4;
const FIELD_TYPE: u32 = 5;
const FIELD_TYPE_NAME: u32 = 6;
const FIELD_JSON_NAME: u32 = 10;
const METHOD_INPUT: u32 = 2;
const METHOD_OUTPUT: u32 = 3;
const LABEL_REPEATED: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::BUILT_IN_FILES;

    #[test]
    fn fields_have_both_names_and_a_type() {
        let types = MessageTypes::new([BUILT_IN_FILES]);
        let field = |message: &str, name: &str| types.field(message, name).cloned().unwrap();
        let service = field("grpc.health.v1.HealthCheckRequest", "service");
        assert_eq!((service.kind, service.is_repeated, service.is_message), (Kind::String, false, false));
        let body = field("google.api.HttpRule", "responseBody");
        assert_eq!((body.name, &*body.json_name), ("response_body", "responseBody"));
        assert_eq!(field("google.api.HttpRule", "response_body"), body);
        let bindings = field("google.api.HttpRule", "additional_bindings");
        let kind = Kind::Message("google.api.HttpRule");
        assert_eq!((bindings.kind, bindings.is_repeated, bindings.is_message), (kind, true, true));
        let status = field("grpc.health.v1.HealthCheckResponse", "status");
        let name = "grpc.health.v1.HealthCheckResponse.ServingStatus";
        assert_eq!(status.kind, Kind::Enum(name));
        assert_eq!(types.values(name).unwrap()[..2], ["UNKNOWN", "SERVING"]);
        assert_eq!(types.field("google.api.HttpRule", "nothing"), None);
    }

    #[test]
    fn methods_have_request_and_reply() {
        let types = MessageTypes::new([BUILT_IN_FILES]);
        let names = ("grpc.health.v1.HealthCheckRequest", "grpc.health.v1.HealthCheckResponse");
        assert_eq!(types.method("grpc.health.v1.Health/Check"), Some(names));
        assert_eq!(types.method("grpc.health.v1.Health/Nothing"), None);
    }

    #[test]
    fn names_in_json_are_those_of_protoc() {
        for (name, json) in [("a_b_c", "aBC"), ("book", "book"), ("_x", "X"), ("a1_2b", "a12b"), ("fooBar", "fooBar")] {
            assert_eq!(lower_camel_case(name), json);
        }
    }
}

//! The messages, enums and services of `.proto` files with their comments, from the descriptors that generated code contains.
//! It decodes no messages.

use std::borrow::Cow;
use std::collections::HashMap;

use super::comments::{Comments, ItemPath};
use super::descriptors::{
    ENUM_VALUE, FILE_ENUM, FILE_MESSAGE, FILE_PACKAGE, FILE_SERVICE, MESSAGE_ENUM, MESSAGE_FIELD, MESSAGE_MESSAGE,
    MESSAGE_ONEOF, NAME, SERVICE_METHOD, SET_FILE, messages, number, text,
};

/// The messages, enums, services and methods of descriptor sets.
#[derive(Debug, Default)]
pub(crate) struct MessageTypes {
    messages: HashMap<String, MessageType>,
    enums: HashMap<String, EnumType>,
    services: HashMap<String, Remarks>,
    /// By `package.Service/Method`.
    methods: HashMap<String, MethodType>,
}

/// What a `.proto` file says about an item, beside its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remarks {
    /// The comment before or behind the item.
    pub(crate) comment: Option<&'static str>,
    pub(crate) is_deprecated: bool,
}

impl Remarks {
    /// The comment without the space that begins each of its lines.
    pub(crate) fn description(&self) -> Option<String> {
        let lines = self.comment?.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
        Some(lines.collect::<Vec<_>>().join("\n"))
    }
}

/// A message.
#[derive(Debug)]
pub(crate) struct MessageType {
    pub(crate) remarks: Remarks,
    /// In the order of the file.
    pub(crate) fields: Vec<FieldType>,
    /// The names of the oneofs. Optional fields of proto3 are in a oneof of their own, which is here too.
    pub(crate) oneofs: Vec<&'static str>,
    /// Whether the message is an entry of a map field.
    pub(crate) is_map_entry: bool,
}

/// An enum.
#[derive(Debug)]
pub(crate) struct EnumType {
    pub(crate) remarks: Remarks,
    /// The name of the default is the first.
    pub(crate) values: Vec<(&'static str, Remarks)>,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodType {
    pub(crate) remarks: Remarks,
    /// The full name of the request.
    pub(crate) request: &'static str,
    /// The full name of the reply.
    pub(crate) reply: &'static str,
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
    /// Whether proto2 requires the field.
    pub(crate) is_required: bool,
    /// The index of the oneof that the field is in, unless the field is alone in it because it is optional.
    pub(crate) oneof: Option<usize>,
    pub(crate) remarks: Remarks,
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
            let comments = Comments::of(file);
            let root = ItemPath::new();
            types.add_nested(package, file, (FILE_MESSAGE, FILE_ENUM), &root, &comments);
            for (index, service) in messages(file, FILE_SERVICE).enumerate() {
                types.add_service(full_name(package, service), service, &root.item(FILE_SERVICE, index), &comments);
            }
        }
        types
    }

    /// Returns the message of this full name.
    pub(crate) fn message(&self, name: &str) -> Option<&MessageType> {
        self.messages.get(name)
    }

    /// Returns the enum of this full name.
    pub(crate) fn enumeration(&self, name: &str) -> Option<&EnumType> {
        self.enums.get(name)
    }

    /// Returns what the file says about the service of this full name. `None` if no file has the service.
    pub(crate) fn service(&self, name: &str) -> Option<Remarks> {
        self.services.get(name).copied()
    }

    /// Returns the method `package.Service/Method`.
    pub(crate) fn method(&self, path: &str) -> Option<MethodType> {
        self.methods.get(path).copied()
    }

    /// Returns the field of a message, by its name in the `.proto` file or in JSON.
    pub(crate) fn field(&self, message: &str, name: &str) -> Option<&FieldType> {
        self.messages.get(message)?.fields.iter().find(|field| field.is_named(name.as_bytes()))
    }

    /// Adds the messages and enums in the fields `nested` of a file or a message, which is at `path` in its file.
    fn add_nested(
        &mut self,
        scope: &str,
        parent: &'static [u8],
        nested: (u32, u32),
        path: &ItemPath,
        comments: &Comments,
    ) {
        for (index, item) in messages(parent, nested.1).enumerate() {
            let path = path.item(nested.1, index);
            let value = |(index, value): (usize, &'static [u8])| {
                let path = path.item(ENUM_VALUE, index);
                Some((text(value, NAME)?, remarks(value, ENUM_VALUE_OPTIONS, 1, &path, comments)))
            };
            let values = messages(item, ENUM_VALUE).enumerate().filter_map(value).collect();
            let remarks = remarks(item, ENUM_OPTIONS, 3, &path, comments);
            self.enums.entry(full_name(scope, item)).or_insert(EnumType { remarks, values });
        }
        for (index, message) in messages(parent, nested.0).enumerate() {
            let (name, path) = (full_name(scope, message), path.item(nested.0, index));
            self.add_nested(&name, message, (MESSAGE_MESSAGE, MESSAGE_ENUM), &path, comments);
            let field = |(index, field): (usize, &'static [u8])| {
                let path = path.item(MESSAGE_FIELD, index);
                field_type(field, remarks(field, FIELD_OPTIONS, 3, &path, comments))
            };
            let message_type = MessageType {
                remarks: remarks(message, MESSAGE_OPTIONS, 3, &path, comments),
                fields: messages(message, MESSAGE_FIELD).enumerate().filter_map(field).collect(),
                oneofs: messages(message, MESSAGE_ONEOF).map(|oneof| text(oneof, NAME).unwrap_or_default()).collect(),
                is_map_entry: has_option(message, MESSAGE_OPTIONS, MAP_ENTRY),
            };
            self.messages.entry(name).or_insert(message_type);
        }
    }

    fn add_service(&mut self, name: String, service: &'static [u8], path: &ItemPath, comments: &Comments) {
        for (index, method) in messages(service, SERVICE_METHOD).enumerate() {
            let names = (text(method, NAME), text(method, METHOD_INPUT), text(method, METHOD_OUTPUT));
            let (Some(method_name), Some(input), Some(output)) = names else { continue };
            let remarks = remarks(method, METHOD_OPTIONS, 33, &path.item(SERVICE_METHOD, index), comments);
            let method = MethodType { remarks, request: absolute(input), reply: absolute(output) };
            self.methods.entry(format!("{name}/{method_name}")).or_insert(method);
        }
        self.services.entry(name).or_insert(remarks(service, SERVICE_OPTIONS, 33, path, comments));
    }
}

/// What the file says about an item: its comment, and its option `deprecated` of this number.
fn remarks(item: &'static [u8], options: u32, deprecated: u32, path: &ItemPath, comments: &Comments) -> Remarks {
    Remarks { comment: comments.at(path), is_deprecated: has_option(item, options, deprecated) }
}

/// Whether a boolean option is set.
fn has_option(item: &'static [u8], options: u32, option: u32) -> bool {
    messages(item, options).any(|options| number(options, option) == Some(1))
}

fn full_name(scope: &str, item: &'static [u8]) -> String {
    let name = text(item, NAME).unwrap_or_default();
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// The full name that a descriptor writes as `.package.Name`.
fn absolute(name: &'static str) -> &'static str {
    name.strip_prefix('.').unwrap_or(name)
}

fn field_type(field: &'static [u8], remarks: Remarks) -> Option<FieldType> {
    let name = text(field, NAME)?;
    let json_name = text(field, FIELD_JSON_NAME).map_or_else(|| lower_camel_case(name).into(), Cow::Borrowed);
    let label = number(field, FIELD_LABEL);
    let (is_required, is_repeated) = (label == Some(LABEL_REQUIRED), label == Some(LABEL_REPEATED));
    let oneof = number(field, FIELD_ONEOF).and_then(|index| usize::try_from(index).ok());
    let oneof = oneof.filter(|_| number(field, FIELD_PROTO3_OPTIONAL) != Some(1));
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
    Some(FieldType { name, json_name, is_repeated, is_message, kind, is_required, oneof, remarks })
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

/// More field numbers of `google/protobuf/descriptor.proto`, and two of its values.
const FIELD_LABEL: u32 = 4;
const FIELD_TYPE: u32 = 5;
const FIELD_TYPE_NAME: u32 = 6;
const FIELD_JSON_NAME: u32 = 10;
const FIELD_OPTIONS: u32 = 8;
const FIELD_ONEOF: u32 = 9;
const FIELD_PROTO3_OPTIONAL: u32 = 17;
const MESSAGE_OPTIONS: u32 = 7;
const MAP_ENTRY: u32 = 7;
const ENUM_OPTIONS: u32 = 3;
const ENUM_VALUE_OPTIONS: u32 = 3;
const SERVICE_OPTIONS: u32 = 3;
const METHOD_OPTIONS: u32 = 4;
const METHOD_INPUT: u32 = 2;
const METHOD_OUTPUT: u32 = 3;
const LABEL_REQUIRED: u64 = 2;
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
        let values: Vec<&str> = types.enumeration(name).unwrap().values.iter().map(|value| value.0).collect();
        assert_eq!(values[..2], ["UNKNOWN", "SERVING"]);
        assert_eq!(types.field("google.api.HttpRule", "nothing"), None);
    }

    #[test]
    fn methods_have_request_and_reply() {
        let types = MessageTypes::new([BUILT_IN_FILES]);
        let method = types.method("grpc.health.v1.Health/Check").unwrap();
        let names = ("grpc.health.v1.HealthCheckRequest", "grpc.health.v1.HealthCheckResponse");
        assert_eq!((method.request, method.reply, method.remarks), (names.0, names.1, Remarks::default()));
        assert_eq!(types.service("grpc.health.v1.Health"), Some(Remarks::default()));
        assert_eq!(types.method("grpc.health.v1.Health/Nothing"), None);
    }

    #[test]
    fn names_in_json_are_those_of_protoc() {
        for (name, json) in [("a_b_c", "aBC"), ("book", "book"), ("_x", "X"), ("a1_2b", "a12b"), ("fooBar", "fooBar")] {
            assert_eq!(lower_camel_case(name), json);
        }
    }
}

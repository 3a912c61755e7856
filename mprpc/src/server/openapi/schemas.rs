//! The JSON Schemas of messages and enums, as protobuf's JSON has them. They say nothing about paths.
//!
//! Source: <https://protobuf.dev/programming-guides/json/>.

use std::collections::BTreeMap;

use super::json::Json;
use crate::codec::message_types::{FieldType, Kind, MessageType, MessageTypes, Remarks};
use crate::protocol::http::connect;
use crate::status::Code;

/// The schemas that a document refers to.
pub(super) struct Schemas<'a> {
    types: &'a MessageTypes,
    /// By full name. `None` until the schema is made.
    named: BTreeMap<&'static str, Option<Json>>,
    next: Vec<&'static str>,
}

/// The name of the schema of errors.
const ERROR: &str = "mprpc.Error";

impl<'a> Schemas<'a> {
    pub(super) fn new(types: &'a MessageTypes) -> Schemas<'a> {
        Schemas { types, named: BTreeMap::new(), next: Vec::new() }
    }

    /// The schema of a message, or a reference to it.
    pub(super) fn message(&mut self, name: &'static str) -> Json {
        well_known(name).unwrap_or_else(|| self.reference(name))
    }

    /// The schema of a field's value, with all its values if it is repeated.
    pub(super) fn field(&mut self, field: &FieldType) -> Json {
        if field.is_repeated
            && let Kind::Message(name) = field.kind
            && let Some(entry) = self.types.message(name).filter(|message| message.is_map_entry)
        {
            let value = entry.fields.last().map_or_else(Json::object, |value| self.single(value));
            return of_type("object").with("additionalProperties", value);
        }
        let single = self.single(field);
        if field.is_repeated { of_type("array").with("items", single) } else { single }
    }

    /// The schema of a field's value as a text in a path or a query, where nothing is null.
    pub(super) fn parameter(&mut self, field: &FieldType) -> Json {
        self.field(&FieldType { is_message: false, ..field.clone() })
    }

    /// The schema of one value of a field.
    fn single(&mut self, field: &FieldType) -> Json {
        if let Kind::Message(name) = field.kind {
            return self.message(name);
        }
        let (name, format) = match field.kind {
            Kind::Enum("google.protobuf.NullValue") => return of_type("null"),
            Kind::Enum(name) => return self.reference(name),
            Kind::Text("google.protobuf.Timestamp") => return of_type("string").with("format", "date-time"),
            Kind::Text("google.protobuf.Duration") => {
                return of_type("string").with("pattern", r"^-?[0-9]+(\.[0-9]{1,9})?s$");
            }
            Kind::Bool => ("boolean", None),
            Kind::Int32 => ("integer", Some("int32")),
            Kind::Uint32 => ("integer", Some("uint32")),
            Kind::Int64 => ("string", Some("int64")),
            Kind::Uint64 => ("string", Some("uint64")),
            Kind::Float => ("number", Some("float")),
            Kind::Double => ("number", Some("double")),
            Kind::Bytes => ("string", Some("byte")),
            Kind::String | Kind::Text(_) | Kind::Message(_) => ("string", None),
        };
        // A wrapper is the value or null.
        let is_wrapper = field.is_message && !matches!(field.kind, Kind::Text(_));
        let schema = if is_wrapper { Json::object().with("type", vec![name, "null"]) } else { of_type(name) };
        let schema = schema.with_some("format", format);
        let is_bytes = field.kind == Kind::Bytes;
        schema.with_some("contentEncoding", is_bytes.then_some("base64"))
    }

    fn reference(&mut self, name: &'static str) -> Json {
        if !self.named.contains_key(name) {
            self.named.insert(name, None);
            self.next.push(name);
        }
        Json::object().with("$ref", format!("#/components/schemas/{name}"))
    }

    /// Makes the schemas of all names that were referred to, in the order of their names.
    pub(super) fn finish(mut self) -> Json {
        while let Some(name) = self.next.pop() {
            let schema = self.definition(name);
            self.named.insert(name, Some(schema));
        }
        let named = self.named.into_iter().map(|(name, schema)| (name, schema.unwrap_or_else(Json::object)));
        let schemas = named.fold(Json::object(), |schemas, (name, schema)| schemas.with(name, schema));
        schemas.with(ERROR, error())
    }

    fn definition(&mut self, name: &'static str) -> Json {
        let types = self.types;
        if let Some(known) = types.enumeration(name) {
            let names: Vec<&str> = known.values.iter().map(|value| value.0).collect();
            let notes = known.values.iter().filter_map(|(name, remarks)| {
                let comment = remarks.description()?;
                Some(format!("- `{name}`: {}", comment.replace('\n', "\n  ")))
            });
            let notes = notes.collect::<Vec<_>>().join("\n");
            return of_type("string").with("enum", names).with_remarks(known.remarks, Some(notes));
        }
        let Some(message) = types.message(name) else {
            return of_type("object").with("description", "The .proto file of this type is not in the program.");
        };
        let mut properties = Json::object();
        for field in &message.fields {
            properties = properties.with(field.json_name.clone(), self.field(field).with_remarks(field.remarks, None));
        }
        let required = message.fields.iter().filter(|field| field.is_required);
        let required = required.map(|field| field.json_name.clone().into()).collect();
        let (notes, pairs) = oneofs(message);
        let schema = of_type("object").with("properties", properties).with_list("required", required);
        let schema = schema.with_some("not", (!pairs.is_empty()).then(|| Json::object().with("anyOf", pairs)));
        schema.with_remarks(message.remarks, Some(notes))
    }
}

impl Json {
    /// Appends the comment of an item, and whether it is deprecated. `notes` follow the comment.
    pub(super) fn with_remarks(self, remarks: Remarks, notes: Option<String>) -> Json {
        let parts = [remarks.description(), notes.filter(|notes| !notes.is_empty())];
        let description = parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n");
        let described = self.with_some("description", (!description.is_empty()).then_some(description));
        described.with_some("deprecated", remarks.is_deprecated.then_some(true))
    }
}

/// The oneofs of a message: a note for readers, and the pairs of fields that no message has.
fn oneofs(message: &MessageType) -> (String, Vec<Json>) {
    let (mut notes, mut pairs) = (Vec::new(), Vec::new());
    for index in 0..message.oneofs.len() {
        let members = message.fields.iter().filter(|field| field.oneof == Some(index));
        let members: Vec<_> = members.map(|field| field.json_name.clone()).collect();
        if members.len() < 2 {
            continue;
        }
        let names = members.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        notes.push(format!("At most one of {names} is set."));
        if members.len() > ONEOF_PAIRED_MAX {
            continue;
        }
        for (index, first) in members.iter().enumerate() {
            for second in &members[index + 1..] {
                pairs.push(Json::object().with("required", vec![first.clone(), second.clone()]));
            }
        }
    }
    (notes.join("\n"), pairs)
}

/// A oneof with more members is described in words alone, as the number of pairs is quadratic.
const ONEOF_PAIRED_MAX: usize = 16;

pub(super) fn of_type(name: &'static str) -> Json {
    Json::object().with("type", name)
}

/// A reference to the schema of errors.
pub(super) fn error_reference() -> Json {
    Json::object().with("$ref", format!("#/components/schemas/{ERROR}"))
}

/// The schema of a message whose JSON is not an object of its fields. Messages in [`Kind`]s of their own are not here.
fn well_known(name: &str) -> Option<Json> {
    let type_url = || Json::object().with("@type", of_type("string"));
    Some(match name.strip_prefix("google.protobuf.")? {
        "Any" => of_type("object").with("properties", type_url()).with("additionalProperties", true),
        "Empty" => of_type("object"),
        "Struct" => of_type("object").with("additionalProperties", true),
        "Value" => Json::object(),
        "ListValue" => of_type("array").with("items", Json::object()),
        "Timestamp" => of_type("string").with("format", "date-time"),
        "Duration" | "FieldMask" | "StringValue" | "BytesValue" | "Int64Value" | "UInt64Value" => of_type("string"),
        "BoolValue" => of_type("boolean"),
        "DoubleValue" | "FloatValue" => of_type("number"),
        "Int32Value" | "UInt32Value" => of_type("integer"),
        _ => return None,
    })
}

/// The schema of the body of a failed call.
fn error() -> Json {
    let codes: Vec<&str> = (1..=16).map(|number| connect::code_name(Code::from_number(number))).collect();
    let value = of_type("string").with("format", "byte").with("contentEncoding", "base64");
    let detail = Json::object()
        .with("type", of_type("string").with("description", "The full name of the message in `value`."))
        .with("value", value);
    let properties = Json::object()
        .with("code", of_type("string").with("enum", codes))
        .with("message", of_type("string"))
        .with("details", of_type("array").with("items", of_type("object").with("properties", detail)));
    of_type("object").with("properties", properties).with("required", vec!["code"])
}

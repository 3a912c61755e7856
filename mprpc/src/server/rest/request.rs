//! The request of a call by an HTTP path: values of path and query become JSON by the types of their fields, and are set into
//! the body.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::{MappedBody, Mapping, resolve};
use crate::codec::json_tree::{JsonTree, NoObject, is_one_value, put_string};
use crate::codec::message_types::{FieldType, Kind, MessageTypes};
use crate::protocol::http::binary;
use crate::protocol::http::query::query_pairs;
use crate::protocol::http::template::Captures;
use crate::status::Status;

/// A request whose head has arrived.
pub(in crate::server) struct RestRequest {
    mapping: Arc<Mapping>,
    values: Vec<Value>,
}

/// The value of a field, from path or query.
struct Value {
    path: Vec<FieldType>,
    /// JSON. A list lacks its end, because more values may follow.
    json: Vec<u8>,
}

impl RestRequest {
    /// Takes the values of path and query. INVALID_ARGUMENT if one does not fit its field, or has no field.
    pub(in crate::server) fn new(
        mapping: &Arc<Mapping>,
        captures: Captures<'_>,
        query: &str,
    ) -> Result<RestRequest, Status> {
        let mut request = RestRequest { mapping: mapping.clone(), values: Vec::new() };
        for ((_, text), path) in captures.iter().zip(&mapping.variables) {
            let json = encode(path, text, &mapping.types)?;
            request.values.push(Value { path: path.clone(), json });
        }
        for (name, text) in query_pairs(query) {
            let (Ok(name), Ok(text)) = (std::str::from_utf8(&name), std::str::from_utf8(&text)) else {
                return refused(&String::from_utf8_lossy(&name), "is not UTF-8");
            };
            request.parameter(name, text)?;
        }
        Ok(request)
    }

    fn parameter(&mut self, name: &str, text: &str) -> Result<(), Status> {
        let Mapping { types, request, variables, body, .. } = &*self.mapping;
        if let MappedBody::Whole = body {
            return refused(name, "is unknown: the fields of the request are in the path and in the body");
        }
        let Some(path) = resolve(types, request, name) else {
            return refused(name, &format!("is no field of {request}"));
        };
        let is_within = |outer: &[FieldType]| path.starts_with(outer);
        if variables.contains(&path) {
            return refused(name, "is in the path already");
        }
        if matches!(body, MappedBody::Field(field) if is_within(field)) {
            return refused(name, "is in the body already");
        }
        let json = encode(&path, text, types)?;
        let is_repeated = path.last().is_some_and(|field| field.is_repeated);
        let Some(known) = self.values.iter_mut().find(|value| value.path == path) else {
            let json = if is_repeated { [b"[", &json[..]].concat() } else { json };
            self.values.push(Value { path, json });
            return Ok(());
        };
        if !is_repeated {
            return refused(name, "is there twice, and the field holds one value");
        }
        known.json.push(b',');
        known.json.extend_from_slice(&json);
        Ok(())
    }

    /// Makes the request in JSON, with the body that has arrived. INVALID_ARGUMENT if the body is not what the rule asks for.
    pub(in crate::server) fn join(mut self, body: Bytes) -> Result<Bytes, Status> {
        for value in &mut self.values {
            if value.path.last().is_some_and(|field| field.is_repeated) {
                value.json.push(b']');
            }
        }
        let has_body = !body.trim_ascii().is_empty();
        let mut tree = match self.mapping.body {
            MappedBody::Whole if self.values.is_empty() => return Ok(body),
            MappedBody::Whole if has_body => JsonTree::Text(&body),
            _ => JsonTree::Object(Vec::new()),
        };
        if let MappedBody::Field(path) = &self.mapping.body
            && has_body
        {
            if !is_one_value(&body) {
                return Err(Status::invalid_argument("the body of the request is not one value in JSON"));
            }
            tree.set(path, &body).map_err(no_object)?;
        }
        for value in &self.values {
            tree.set(&value.path, &value.json).map_err(no_object)?;
        }
        let mut json = Vec::with_capacity(body.len() + 64);
        tree.write(&mut json);
        Ok(json.into())
    }
}

fn no_object(_: NoObject) -> Status {
    Status::invalid_argument(
        "the body of the request, or the part that holds a field of the path, is no object in JSON",
    )
}

/// The status for a query parameter that is not taken.
fn refused<T>(name: &str, why: &str) -> Result<T, Status> {
    Err(Status::invalid_argument(format!("the query parameter {:?} {why}", shortened(name))))
}

/// The JSON of a value that came as text. INVALID_ARGUMENT, with the field and the text, if the text does not fit.
fn encode(path: &[FieldType], text: &str, types: &MessageTypes) -> Result<Vec<u8>, Status> {
    let mut json = Vec::with_capacity(text.len() + 2);
    let Some(field) = path.last() else { return Ok(json) };
    let Err(expected) = put_value(&mut json, field.kind, text, types) else { return Ok(json) };
    let name = path.iter().map(|field| field.name).collect::<Vec<_>>().join(".");
    Err(Status::invalid_argument(format!("the field {name} takes {expected}, and got {:?}", shortened(text))))
}

/// Appends a value. The error says what the field takes.
fn put_value(json: &mut Vec<u8>, kind: Kind, text: &str, types: &MessageTypes) -> Result<(), Cow<'static, str>> {
    fn number<N: std::str::FromStr + ToString>(text: &str) -> Option<String> {
        text.parse::<N>().ok().map(|number| number.to_string())
    }
    let (number, expected) = match kind {
        Kind::Int32 => (number::<i32>(text), "a whole number of 32 bits"),
        Kind::Uint32 => (number::<u32>(text), "a whole number of 32 bits without a sign"),
        Kind::Int64 => (number::<i64>(text), "a whole number of 64 bits"),
        Kind::Uint64 => (number::<u64>(text), "a whole number of 64 bits without a sign"),
        Kind::Float | Kind::Double if matches!(text, "NaN" | "Infinity" | "-Infinity") => {
            (Some(format!("\"{text}\"")), "")
        }
        // `{:?}` writes a short number with an exponent, which JSON has too.
        Kind::Float => (text.parse().ok().filter(|n: &f32| n.is_finite()).map(|n| format!("{n:?}")), "a number"),
        Kind::Double => (text.parse().ok().filter(|n: &f64| n.is_finite()).map(|n| format!("{n:?}")), "a number"),
        Kind::Bool => (matches!(text, "true" | "false").then(|| text.to_owned()), "true or false"),
        Kind::Enum(name) => match (text.parse::<i32>(), types.enumeration(name)) {
            (Ok(number), _) => (Some(number.to_string()), ""),
            (_, Some(known)) if known.values.iter().all(|value| value.0 != text) => {
                return Err(format!("a value of {name}").into());
            }
            _ => {
                put_string(json, text);
                return Ok(());
            }
        },
        Kind::Bytes => {
            let Some(bytes) = binary::decode(text.as_bytes()).or_else(|| binary::decode_from_url(text.as_bytes()))
            else {
                return Err("base64".into());
            };
            put_string(json, &binary::encode(&bytes));
            return Ok(());
        }
        // Without the feature, the service answers that it knows no JSON.
        #[cfg(feature = "json")]
        Kind::Text(name) if !crate::codec::json::is_form_of(name, text) => {
            return Err(format!("the JSON form of {name}").into());
        }
        Kind::String | Kind::Text(_) => {
            put_string(json, text);
            return Ok(());
        }
        Kind::Message(name) => {
            return Err(format!("no text: it is a {name}, whose fields have parameters of their own").into());
        }
    };
    json.extend_from_slice(number.ok_or(expected)?.as_bytes());
    Ok(())
}

/// The begin of a text of the caller.
fn shortened(text: &str) -> Cow<'_, str> {
    const CHARACTERS_MAX: usize = 40;
    match text.char_indices().nth(CHARACTERS_MAX) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

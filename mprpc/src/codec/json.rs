//! Protobuf's JSON form: converts JSON requests to protobuf bytes, and replies to JSON. It knows nothing about HTTP.

use buffa::{Message, MessageName};
use buffa_types::google::protobuf::{Duration, FieldMask, Timestamp};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

use super::protobuf;
use crate::status::Status;

/// Converts a JSON request to protobuf bytes, so that a handler gets the same view for both codecs. An empty request is a
/// message with no field set. INVALID_ARGUMENT if the JSON is not an `M`.
pub(crate) fn to_protobuf<M: Message + MessageName + DeserializeOwned>(json: &[u8]) -> Result<Bytes, Status> {
    if json.is_empty() {
        return Ok(Bytes::new());
    }
    let message: M = serde_json::from_slice(json)
        .map_err(|error| Status::invalid_argument(format!("the request is no {} in JSON: {error}", M::FULL_NAME)))?;
    protobuf::encode(&message)
}

/// Encodes a reply as JSON. INTERNAL if the reply has no JSON form, such as an `Any` of an unknown type.
pub(crate) fn encode<M: MessageName + Serialize>(message: &M) -> Result<Bytes, Status> {
    serde_json::to_vec(message)
        .map(Bytes::from)
        .map_err(|error| Status::internal(format!("the reply {} has no JSON form: {error}", M::FULL_NAME)))
}

/// Whether a text is the JSON form of this well-known type, without the quotes. True for types that are not known here.
pub(crate) fn is_form_of(name: &str, text: &str) -> bool {
    let text = StrDeserializer::<Error>::new(text);
    match name {
        "google.protobuf.Timestamp" => Timestamp::deserialize(text).is_ok(),
        "google.protobuf.Duration" => Duration::deserialize(text).is_ok(),
        "google.protobuf.FieldMask" => FieldMask::deserialize(text).is_ok(),
        _ => true,
    }
}

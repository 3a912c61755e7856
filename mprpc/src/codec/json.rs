//! Protobuf's JSON form: requests become protobuf bytes, replies become JSON. Knows no HTTP.

use buffa::{Message, MessageName};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::protobuf;
use crate::status::Status;

/// A request in JSON as protobuf bytes, so that a handler gets the same view either way; INVALID_ARGUMENT where it is
/// no `M`. An empty request is the message with nothing set.
pub(crate) fn to_protobuf<M: Message + MessageName + DeserializeOwned>(json: &[u8]) -> Result<Bytes, Status> {
    if json.is_empty() {
        return Ok(Bytes::new());
    }
    let message: M = serde_json::from_slice(json)
        .map_err(|error| Status::invalid_argument(format!("the request is no {} in JSON: {error}", M::FULL_NAME)))?;
    protobuf::encode(&message)
}

/// A reply as JSON; INTERNAL where it has no JSON form, as an `Any` of an unknown type.
pub(crate) fn encode<M: MessageName + Serialize>(message: &M) -> Result<Bytes, Status> {
    serde_json::to_vec(message)
        .map(Bytes::from)
        .map_err(|error| Status::internal(format!("the reply {} has no JSON form: {error}", M::FULL_NAME)))
}

//! Messages from JSON to protobuf and back, by the types of a method. It knows no calls.

use std::sync::Arc;

use buffa_descriptor::DynamicMessage;
use mprpc::{Bytes, Status};

use super::schema::MethodTypes;

/// Converts a request from JSON to protobuf. No bytes are a message with no field set. Fields that the schema does not have
/// are left out, as the servers of mprpc do. INVALID_ARGUMENT if the JSON is not the type of the request.
pub(crate) fn request_to_protobuf(types: &MethodTypes, json: &[u8]) -> Result<Bytes, Status> {
    if json.is_empty() {
        return Ok(Bytes::new());
    }
    let name = types.pool.message(types.input).full_name();
    let wrong = |why: String| Status::invalid_argument(format!("the request is no {name} in JSON: {why}"));
    let text = std::str::from_utf8(json).map_err(|error| wrong(error.to_string()))?;
    let message = DynamicMessage::from_json_ignoring_unknown(Arc::clone(&types.pool), types.input, text);
    let encoded = message.map_err(|error| wrong(error.to_string()))?.try_encode_to_vec();
    Ok(encoded.map_err(|error| wrong(error.to_string()))?.into())
}

/// Converts a reply from protobuf to JSON. INTERNAL if the bytes are not the type of the reply, or have no JSON form, such as
/// an `Any` of a type that is not in the schema.
pub(crate) fn reply_to_json(types: &MethodTypes, reply: &[u8]) -> Result<Bytes, Status> {
    let name = types.pool.message(types.output).full_name();
    let message = DynamicMessage::decode(Arc::clone(&types.pool), types.output, reply)
        .map_err(|error| Status::internal(format!("the reply is no {name}: {error}")))?;
    let json = message.to_json();
    Ok(json.map_err(|error| Status::internal(format!("the reply {name} has no JSON form: {error}")))?.into())
}

//! Decodes requests and encodes replies of the built-in services, in protobuf or JSON. Generated services use `codegen`.

use bytes::Bytes;

use super::{Codec, Message, MessageName, protobuf};
use crate::status::Status;

/// A message that has both forms, if the feature `json` is on.
#[cfg(feature = "json")]
pub(crate) trait EitherForm: Message + MessageName + serde::Serialize + serde::de::DeserializeOwned {}
#[cfg(feature = "json")]
impl<M: Message + MessageName + serde::Serialize + serde::de::DeserializeOwned> EitherForm for M {}

/// A message that has protobuf's binary form alone.
#[cfg(not(feature = "json"))]
pub(crate) trait EitherForm: Message + MessageName {}
#[cfg(not(feature = "json"))]
impl<M: Message + MessageName> EitherForm for M {}

/// Decodes a request. INVALID_ARGUMENT if the bytes are not an `M`, UNIMPLEMENTED for JSON without the feature.
pub(crate) fn decode<M: EitherForm>(request: &Bytes, codec: Codec) -> Result<M, Status> {
    match codec {
        Codec::Protobuf => protobuf::decode_request(request),
        #[cfg(feature = "json")]
        Codec::Json => protobuf::decode_request(&super::json::to_protobuf::<M>(request)?),
        #[cfg(not(feature = "json"))]
        Codec::Json => Err(no_json()),
    }
}

/// Encodes a reply. UNIMPLEMENTED for JSON without the feature.
pub(crate) fn encode<M: EitherForm>(reply: &M, codec: Codec) -> Result<Bytes, Status> {
    match codec {
        Codec::Protobuf => protobuf::encode(reply),
        #[cfg(feature = "json")]
        Codec::Json => super::json::encode(reply),
        #[cfg(not(feature = "json"))]
        Codec::Json => Err(no_json()),
    }
}

#[cfg(not(feature = "json"))]
fn no_json() -> Status {
    Status::unimplemented("mprpc was built without JSON")
}

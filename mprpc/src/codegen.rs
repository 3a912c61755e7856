//! The interface for generated code. Not for use by hand; it changes with `mprpc-build`.
//!
//! Logic that is the same for every method is a function here, so that the generated code, which is compiled for every
//! service, stays small.

pub use buffa;
pub use buffa_types;
pub use bytes::Bytes;
#[cfg(feature = "json")]
pub use serde;
#[cfg(feature = "json")]
pub use serde_json;

use buffa::{Message, MessageName, MessageView};

pub use crate::client::{Call, Channel, Stub};
pub use crate::codec::Codec;
use crate::codec::protobuf;
pub use crate::context::Context;
pub use crate::method::{HttpBody, HttpRule, Idempotency, MethodDescriptor, MethodKind, Placement, ServiceDescriptor};
pub use crate::service::{Body, BoxFuture, Service};
pub use crate::status::Status;
pub use crate::streaming::Streaming;

/// Includes the code that `mprpc_build` generated from `.proto` files.
///
/// - `include_proto!("fixbug")` puts the items of one package into the current module. It fits a package that names no
///   message of another package, except the well-known types. Use one module per package.
/// - `include_proto!()` puts all packages into the current module, each as a module: `mod proto { mprpc::include_proto!();
///   }` gives `proto::fixbug::LoginRequest`. It fits packages that refer to each other. Items of files without a package
///   stand beside these modules.
#[macro_export]
macro_rules! include_proto {
    () => {
        include!(concat!(env!("OUT_DIR"), "/", $crate::__proto_files!(), ".rs"));
    };
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $crate::__proto_files!(), ".", $package, ".rs"));
    };
}

/// The prefix of the files that `mprpc_build` generates. `mprpc-build` writes each file with and without JSON.
#[cfg(feature = "json")]
#[doc(hidden)]
#[macro_export]
macro_rules! __proto_files {
    () => {
        "mprpc-json"
    };
}

/// The prefix of the generated files without JSON.
#[cfg(not(feature = "json"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __proto_files {
    () => {
        "mprpc"
    };
}

/// Takes the request of a unary call in protobuf, for messages generated without JSON.
#[inline]
pub fn request(body: Body, codec: Codec) -> Result<Bytes, Status> {
    match codec {
        Codec::Protobuf => body.into_message(),
        Codec::Json => Err(no_json()),
    }
}

/// Encodes the reply of a unary call, for messages generated without JSON.
#[inline]
pub fn reply<M: Message>(message: &M, codec: Codec) -> Result<Body, Status> {
    match codec {
        Codec::Protobuf => protobuf::encode(message).map(Body::Message),
        Codec::Json => Err(no_json()),
    }
}

/// Takes the request of a unary call, and converts JSON to protobuf.
#[cfg(feature = "json")]
#[inline]
pub fn request_json<M>(body: Body, codec: Codec) -> Result<Bytes, Status>
where
    M: Message + MessageName + serde::de::DeserializeOwned,
{
    match codec {
        Codec::Protobuf => body.into_message(),
        Codec::Json => crate::codec::json::to_protobuf::<M>(&body.into_message()?),
    }
}

/// Encodes the reply of a unary call in protobuf or JSON.
#[cfg(feature = "json")]
#[inline]
pub fn reply_json<M: Message + MessageName + serde::Serialize>(message: &M, codec: Codec) -> Result<Body, Status> {
    match codec {
        Codec::Protobuf => protobuf::encode(message).map(Body::Message),
        Codec::Json => crate::codec::json::encode(message).map(Body::Message),
    }
}

/// Decodes the view that a handler gets.
#[inline]
pub fn view<'a, V: MessageView<'a> + MessageName>(request: &'a [u8]) -> Result<V, Status> {
    protobuf::view(request)
}

/// Decodes the requests of a streaming call, for messages generated without JSON.
pub fn requests<M>(body: Body, codec: Codec) -> Result<Streaming<M>, Status>
where
    M: Message + MessageName + 'static,
{
    match codec {
        Codec::Protobuf => Ok(body.into_stream().map(|request| protobuf::decode_request(&request))),
        Codec::Json => Err(no_json()),
    }
}

/// Encodes the replies of a streaming call, for messages generated without JSON.
pub fn replies<M: Message + 'static>(replies: Streaming<M>, codec: Codec) -> Result<Body, Status> {
    match codec {
        Codec::Protobuf => Ok(Body::Stream(replies.map(|reply| protobuf::encode(&reply)))),
        Codec::Json => Err(no_json()),
    }
}

/// Decodes the requests of a streaming call from protobuf or JSON.
#[cfg(feature = "json")]
pub fn requests_json<M>(body: Body, codec: Codec) -> Result<Streaming<M>, Status>
where
    M: Message + MessageName + serde::de::DeserializeOwned + 'static,
{
    match codec {
        Codec::Protobuf => requests(body, codec),
        Codec::Json => Ok(body
            .into_stream()
            .map(|request| protobuf::decode_request(&crate::codec::json::to_protobuf::<M>(&request)?))),
    }
}

/// Encodes the replies of a streaming call in protobuf or JSON.
#[cfg(feature = "json")]
pub fn replies_json<M>(replies: Streaming<M>, codec: Codec) -> Result<Body, Status>
where
    M: Message + MessageName + serde::Serialize + 'static,
{
    match codec {
        Codec::Protobuf => self::replies(replies, codec),
        Codec::Json => Ok(Body::Stream(replies.map(|reply| crate::codec::json::encode(&reply)))),
    }
}

/// The answer to a method index that the service does not have.
pub fn unimplemented(service: &'static ServiceDescriptor, method: usize) -> BoxFuture<Result<Body, Status>> {
    let status = Status::unimplemented(format!("{} has no method of index {method}", service.name));
    Box::pin(std::future::ready(Err(status)))
}

fn no_json() -> Status {
    Status::unimplemented("this service was built without JSON")
}

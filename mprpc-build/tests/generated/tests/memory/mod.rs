//! Calls a service in memory. The tests share this module; it is not a test itself.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use futures_util::FutureExt;
use mprpc::codegen::Bytes;
use mprpc::{Address, Body, Codec, Context, Deadline, Message, Metadata, Peer, Service, Status};

/// Calls a method and decodes the reply.
pub fn call<Q: Message, R: Message>(service: &dyn Service, method: usize, request: &Q) -> Result<R, Status> {
    let reply = raw(service, method, &request.encode_to_vec())?;
    Ok(R::decode_from_slice(&reply).unwrap())
}

/// Calls a method with a request of these bytes.
pub fn raw(service: &dyn Service, method: usize, request: &[u8]) -> Result<Bytes, Status> {
    with_codec(service, method, request, Codec::Protobuf)
}

/// Calls a method with a request encoded with this codec.
pub fn with_codec(service: &dyn Service, method: usize, request: &[u8], codec: Codec) -> Result<Bytes, Status> {
    let body = Body::Message(Bytes::copy_from_slice(request));
    let reply = service.call(method, context(service, method), body, codec);
    reply.now_or_never().expect("these handlers are ready at once")?.into_message()
}

/// Creates the context of a call of this method.
pub fn context(service: &dyn Service, method: usize) -> Context {
    let methods = service.descriptor().methods;
    let address = Address::Memory("test".into());
    let peer = Arc::new(Peer { address: address.clone(), local: address, identity: None, proxy: None });
    Context::new(methods.get(method).unwrap_or(&methods[0]), peer, Deadline::NONE, Metadata::new())
}

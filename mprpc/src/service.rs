//! A service, type-erased: what the router holds and generated code implements.

use std::pin::Pin;

use bytes::Bytes;

use crate::codec::Codec;
use crate::context::Context;
use crate::method::ServiceDescriptor;
use crate::status::Status;
use crate::streaming::Streaming;

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service, type-erased. Generated code implements it; `UserServiceRpcServer::new(handler)` is one.
pub trait Service: Send + Sync + 'static {
    /// Its names.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// Serves one call of `descriptor().methods[method]`.
    ///
    /// The future is polled on the loop of the connection the call came over, and dropped when the call is cancelled.
    /// Every failure is a [`Status`], also a request that does not decode (INVALID_ARGUMENT).
    fn call(&self, method: usize, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>>;
}

/// What serves methods by name, with bytes: a gateway, a recorder, a proxy. See [`crate::Server::fallback`].
pub trait RawService: Send + Sync + 'static {
    /// Serves one call of the method `context.method().path`. The request is one message or a stream as the caller sent
    /// it, and the reply is what the caller expects; nothing here knows which.
    fn call(&self, context: Context, request: Body) -> BoxFuture<Result<Body, Status>>;
}

/// What a call carries in one direction, encoded: one message, or a stream of them.
#[derive(Debug)]
pub enum Body {
    /// One message.
    Message(Bytes),
    /// A stream of messages.
    Stream(Streaming<Bytes>),
}

impl Body {
    /// The one message; INTERNAL where it is a stream, as a router never hands one to a unary method.
    pub fn into_message(self) -> Result<Bytes, Status> {
        match self {
            Body::Message(bytes) => Ok(bytes),
            Body::Stream(_) => Err(Status::internal("a stream where one message was expected")),
        }
    }

    /// The stream; one message is a stream of one.
    pub fn into_stream(self) -> Streaming<Bytes> {
        match self {
            Body::Message(bytes) => Streaming::of([bytes]),
            Body::Stream(stream) => stream,
        }
    }
}

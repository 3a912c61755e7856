//! A service, type-erased: what the router holds and generated code implements.

use std::pin::Pin;

use bytes::Bytes;

use crate::codec::{Codec, Message, MessageName, protobuf};
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
    /// The future is polled on the loop of the connection the call came over, or on the task of its caller where that is in
    /// the same process, and dropped when the call is cancelled.
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
    #[inline]
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

    /// The one message as an `M`, for those who look at what passes: INVALID_ARGUMENT where it is none, and where it is a
    /// stream. See [`Body::map_messages`] for streams.
    pub fn decode<M: Message + MessageName>(&self) -> Result<M, Status> {
        match self {
            Body::Message(bytes) => protobuf::decode_passing(bytes),
            Body::Stream(_) => {
                Err(Status::invalid_argument(format!("a stream where one {} was expected", M::FULL_NAME)))
            }
        }
    }

    /// One message.
    pub fn encode<M: Message>(message: &M) -> Result<Body, Status> {
        protobuf::encode(message).map(Body::Message)
    }

    /// The same with each message, of a stream as it passes, made into another one. A failure, also that of a message
    /// that is no `M` (INVALID_ARGUMENT), is that of the body; of a stream it is its end.
    pub fn map_messages<M, N, F>(self, mut f: F) -> Result<Body, Status>
    where
        M: Message + MessageName,
        N: Message,
        F: FnMut(M) -> Result<N, Status> + Send + 'static,
    {
        let mut map = move |bytes: Bytes| protobuf::encode(&f(protobuf::decode_passing(&bytes)?)?);
        match self {
            Body::Message(bytes) => map(bytes).map(Body::Message),
            Body::Stream(stream) => Ok(Body::Stream(stream.map(map))),
        }
    }
}

//! Type-erased services: the router holds them, and generated code implements them.

use std::collections::BTreeMap;
use std::pin::Pin;

use bytes::Bytes;

use crate::codec::{Codec, Message, MessageName, protobuf};
use crate::context::Context;
use crate::method::{Method, ServiceDescriptor};
use crate::status::Status;
use crate::streaming::Streaming;

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A type-erased service. Generated code implements it, for example `UserServiceRpcServer::new(handler)`.
pub trait Service: Send + Sync + 'static {
    /// The names of the service and its methods.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// Serves one call of `descriptor().methods[method]`.
    ///
    /// The future is polled on the event loop of the call's connection, or on the caller's task if the caller is in the same
    /// process. It is dropped when the call is cancelled. Every failure is a [`Status`], also that of a request that does
    /// not decode (INVALID_ARGUMENT).
    fn call(&self, method: usize, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>>;
}

/// A service that handles methods by name, with bytes: a gateway, a recorder, a proxy. See [`crate::Server::fallback`].
pub trait RawService: Send + Sync + 'static {
    /// Serves one call of the method `context.method().path`. The request is one message or a stream, as the caller sent it.
    /// The reply must be what the caller expects, which this trait does not know, and in the codec of the request.
    fn call(&self, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>>;

    /// Whether the service takes calls in JSON. By default every call is in protobuf, and the server answers a call in JSON
    /// with UNIMPLEMENTED.
    fn takes_json(&self) -> bool {
        false
    }

    /// The services that the page `/` of the server lists, by full name, with their methods as far as these are known.
    fn services(&self) -> BTreeMap<String, Vec<Method>> {
        BTreeMap::new()
    }
}

/// The encoded content of a call in one direction: one message, or a stream of messages.
#[derive(Debug)]
pub enum Body {
    /// One message.
    Message(Bytes),
    /// A stream of messages.
    Stream(Streaming<Bytes>),
}

impl Body {
    /// Returns the one message, or INTERNAL for a stream, because a router never passes a stream to a unary method.
    #[inline]
    pub fn into_message(self) -> Result<Bytes, Status> {
        match self {
            Body::Message(bytes) => Ok(bytes),
            Body::Stream(_) => Err(Status::internal("a stream where one message was expected")),
        }
    }

    /// Returns the stream. A single message becomes a stream of one.
    pub fn into_stream(self) -> Streaming<Bytes> {
        match self {
            Body::Message(bytes) => Streaming::of([bytes]),
            Body::Stream(stream) => stream,
        }
    }

    /// Decodes the one message as an `M`, for code that inspects calls. INVALID_ARGUMENT if the message is no `M` or the
    /// body is a stream. See [`Body::map_messages`] for streams.
    pub fn decode<M: Message + MessageName>(&self) -> Result<M, Status> {
        match self {
            Body::Message(bytes) => protobuf::decode_passing(bytes),
            Body::Stream(_) => {
                Err(Status::invalid_argument(format!("a stream where one {} was expected", M::FULL_NAME)))
            }
        }
    }

    /// Encodes one message.
    pub fn encode<M: Message>(message: &M) -> Result<Body, Status> {
        protobuf::encode(message).map(Body::Message)
    }

    /// Maps each message with `f`, those of a stream as they pass. A failure of `f`, or a message that is no `M`
    /// (INVALID_ARGUMENT), fails the body; in a stream it ends the stream.
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

//! A service, type-erased: what the router holds and generated code implements.

use std::pin::Pin;
use std::task::{self, Poll};

use bytes::Bytes;
use futures_util::Stream;

use crate::codec::Codec;
use crate::context::Context;
use crate::method::ServiceDescriptor;
use crate::status::Status;

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

/// What a call carries in one direction, encoded: one message, or a stream of them.
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
}

/// A stream of messages, of which each may be the failure that ends it.
pub struct Streaming<T>(Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>);

impl<T> Streaming<T> {
    /// Wraps any stream of results.
    pub fn new(stream: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Streaming<T> {
        Streaming(Box::pin(stream))
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

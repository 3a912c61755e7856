//! A service with one method of every kind, which a test serves by a function.

use std::sync::Arc;

use bytes::Bytes;

use crate::client::{Channel, RawClient};
use crate::codec::Codec;
use crate::context::Context;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::service::{Body, BoxFuture, Service};
use crate::status::Status;
use crate::streaming::Streaming;

const fn method(name: &'static str, path: &'static str, kind: MethodKind) -> MethodDescriptor {
    MethodDescriptor::new(name, path, kind, Idempotency::Unknown)
}

pub(crate) static ALL: ServiceDescriptor = ServiceDescriptor {
    name: "test.All",
    methods: &[
        method("One", "test.All/One", MethodKind::Unary),
        method("Up", "test.All/Up", MethodKind::ClientStreaming),
        method("Down", "test.All/Down", MethodKind::ServerStreaming),
        method("Talk", "test.All/Talk", MethodKind::Bidirectional),
    ],
    files: &[],
};

type Handler = dyn Fn(Context, Body) -> BoxFuture<Result<Body, Status>> + Send + Sync;

/// Serves every method with the same function.
#[derive(Clone)]
pub(crate) struct All(Arc<Handler>);

impl All {
    pub(crate) fn new<F, Fut>(handler: F) -> All
    where
        F: Fn(Context, Body) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Body, Status>> + Send + 'static,
    {
        All(Arc::new(move |context, body| Box::pin(handler(context, body))))
    }

    /// Echoes a message, or a stream of messages; a method with a single reply gets the messages joined.
    pub(crate) fn echo() -> All {
        All::new(|context, body| async move { echo(&context, body).await })
    }
}

pub(crate) async fn echo(context: &Context, body: Body) -> Result<Body, Status> {
    match context.method().kind {
        MethodKind::Unary => Ok(body),
        MethodKind::ClientStreaming => Ok(Body::Message(joined(body).await?)),
        MethodKind::ServerStreaming | MethodKind::Bidirectional => Ok(Body::Stream(body.into_stream())),
    }
}

impl Service for All {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ALL
    }

    fn call(&self, _: usize, context: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        (self.0)(context, request)
    }
}

pub(crate) fn client(channel: Channel) -> RawClient {
    RawClient::new(channel, ALL.name)
}

/// A request of `abc` for a method of this kind: one message, or three.
pub(crate) fn abc(kind: MethodKind) -> Body {
    if kind.streams_requests() {
        Body::Stream(Streaming::of(["a", "b", "c"].map(Bytes::from)))
    } else {
        Body::Message(Bytes::from_static(b"abc"))
    }
}

/// Returns all bytes of a body.
pub(crate) async fn joined(body: Body) -> Result<Bytes, Status> {
    let (mut stream, mut bytes) = (body.into_stream(), Vec::new());
    while let Some(message) = stream.next().await {
        bytes.extend_from_slice(&message?);
    }
    Ok(bytes.into())
}

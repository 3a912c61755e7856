//! `RawClient`: calls methods by name, with bytes. For gateways, proxies and tools that have no generated messages.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::call::{Call, Reply};
use super::call_options::{BoundService, CallOptions};
use super::channel::Channel;
use crate::context::Context;
use crate::method::{Method, MethodKind};
use crate::scope;
use crate::service::{Body, BoxFuture};
use crate::status::Status;
use crate::streaming::Streaming;

/// One service over a channel, called by method name. It is cheap to clone, and any thread may use it.
///
/// Deadlines, retries, metadata and interceptors work as in generated clients. The client does not know which methods
/// are idempotent, so it retries a call that may have run only after [`Call::may_run_twice`].
#[derive(Clone)]
pub struct RawClient {
    name: Arc<str>,
    service: Arc<BoundService>,
}

impl RawClient {
    /// Binds a channel to a service, for example `fixbug.UserServiceRpc`.
    pub fn new(channel: Channel, service: &str) -> RawClient {
        RawClient { name: service.into(), service: channel.service(service) }
    }

    /// Prepares a unary call. The request is in protobuf, or in any format that the method takes.
    pub fn unary(&self, method: &str, request: impl Into<Bytes>) -> Call<Bytes> {
        let method = Method::named(&self.name, method, MethodKind::Unary);
        Call::prepared(self.call_options(), method, Body::Message(request.into()), Body::into_message)
    }

    /// Prepares a call of a method of any kind.
    pub fn call(&self, method: &str, kind: MethodKind, request: Body) -> Call<Body> {
        Call::prepared(self.call_options(), Method::named(&self.name, method, kind), request, Ok)
    }

    /// Forwards a call that a server received, for a proxy. The forwarded call carries all metadata of the original
    /// and the rest of its deadline.
    ///
    /// Metadata and trailer of the backend's reply go back to the original caller. Cancelling the original call
    /// cancels the forwarded call.
    pub fn forward(&self, context: &Context, request: Body) -> BoxFuture<Result<Body, Status>> {
        self.forward_as(context, context.method().kind, request)
    }

    /// Forwards a call as a method of this kind, for a proxy that knows the methods of the backend. The request must suit
    /// the kind. The rest is as in [`RawClient::forward`].
    pub fn forward_as(&self, context: &Context, kind: MethodKind, request: Body) -> BoxFuture<Result<Body, Status>> {
        let name = &context.method().name;
        let mut call = scope::under(Some(context.clone()), || self.call(name, kind, request));
        for (key, value) in context.metadata().iter() {
            call = call.metadata(key, value);
        }
        let front = context.clone();
        Box::pin(async move {
            let Reply { message, context: back } = call.with_metadata().await?;
            *front.reply_metadata() = back.reply_metadata().clone();
            Ok(match message {
                Body::Message(message) => {
                    *front.trailer() = back.trailer().clone();
                    Body::Message(message)
                }
                Body::Stream(replies) => {
                    let end = stream::poll_fn(move |_| {
                        *front.trailer() = back.trailer().clone();
                        Poll::Ready(None)
                    });
                    Body::Stream(Streaming::new(replies.chain(end)))
                }
            })
        })
    }

    fn call_options(&self) -> CallOptions {
        CallOptions::new(&self.service, |bytes| !bytes.is_empty())
    }
}

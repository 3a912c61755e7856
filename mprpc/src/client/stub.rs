//! `Stub`: one service over a channel, as generated clients hold it.

use std::sync::Arc;

use buffa::{Message, MessageName};
use bytes::Bytes;

use super::call::Call;
use super::call_options::{BoundService, CallOptions};
use super::channel::Channel;
use crate::codec::protobuf;
use crate::method::ServiceDescriptor;
use crate::service::Body;
use crate::status::{Phase, Ran, Status};
use crate::streaming::Streaming;

/// One service over a channel. A generated client wraps a `Stub`. It is cheap to clone, and any thread may use it.
#[derive(Clone)]
pub struct Stub {
    descriptor: &'static ServiceDescriptor,
    service: Arc<BoundService>,
}

impl Stub {
    /// Binds a channel to a service and starts to follow the resolver. Connections open when calls need them.
    pub fn new(channel: Channel, service: &'static ServiceDescriptor) -> Stub {
        Stub { descriptor: service, service: channel.service(service.name) }
    }

    /// Prepares a unary call of `service.methods[method]`. The call starts when it is awaited.
    pub fn unary<Q: Message, R: Message + MessageName + 'static>(&self, method: usize, request: &Q) -> Call<R> {
        match protobuf::encode(request) {
            Ok(message) => self.one_reply(method, Body::Message(message)),
            Err(status) => Call::ready(Err(status.with_ran(Ran::No))),
        }
    }

    /// Prepares a call of a method that takes a stream and returns one reply.
    pub fn client_streaming<Q, R>(&self, method: usize, requests: Streaming<Q>) -> Call<R>
    where
        Q: Message + 'static,
        R: Message + MessageName + 'static,
    {
        self.one_reply(method, encoded(requests))
    }

    /// Prepares a call of a method that takes one request and returns a stream.
    pub fn server_streaming<Q, R>(&self, method: usize, request: &Q) -> Call<Streaming<R>>
    where
        Q: Message,
        R: Message + MessageName + 'static,
    {
        match protobuf::encode(request) {
            Ok(message) => self.stream_of_replies(method, Body::Message(message)),
            Err(status) => Call::ready(Err(status.with_ran(Ran::No))),
        }
    }

    /// Prepares a call of a method that takes a stream and returns a stream.
    pub fn bidirectional<Q, R>(&self, method: usize, requests: Streaming<Q>) -> Call<Streaming<R>>
    where
        Q: Message + 'static,
        R: Message + MessageName + 'static,
    {
        self.stream_of_replies(method, encoded(requests))
    }

    fn one_reply<R: Message + MessageName + 'static>(&self, method: usize, body: Body) -> Call<R> {
        let decode = |reply: Body| decoded::<R>(&reply.into_message()?);
        Call::prepared(self.call_options::<R>(), (&self.descriptor.methods[method]).into(), body, decode)
    }

    fn stream_of_replies<R>(&self, method: usize, body: Body) -> Call<Streaming<R>>
    where
        R: Message + MessageName + 'static,
    {
        let decode = |replies: Body| Ok(replies.into_stream().map(|reply| decoded::<R>(&reply)));
        Call::prepared(self.call_options::<R>(), (&self.descriptor.methods[method]).into(), body, decode)
    }

    fn call_options<R: Message + MessageName>(&self) -> CallOptions {
        CallOptions::new(&self.service, |bytes| R::decode_from_slice(bytes).is_ok())
    }

    /// Whether the picker finds an endpoint for the method.
    #[cfg(feature = "bench")]
    pub(crate) fn picks(&self, method: usize) -> bool {
        use super::service::Picked;
        matches!(self.service.endpoints.pick(&self.descriptor.methods[method].name, None, &[]), Picked::Subchannel(_))
    }

    /// Whether the fast path of a unary call finds an endpoint, at a time that it has read already.
    #[cfg(feature = "bench")]
    pub(crate) fn picks_at(&self, method: usize, now: std::time::Instant) -> bool {
        self.service.endpoints.picks_at(&self.descriptor.methods[method].name, now)
    }

    /// Returns a receiver that is notified whenever the endpoints change.
    #[cfg(feature = "bench")]
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.service.endpoints.changes()
    }

    #[cfg(test)]
    pub(super) fn endpoints_for_test(&self) -> &super::service::ServiceEndpoints {
        &self.service.endpoints
    }
}

fn encoded<Q: Message + 'static>(requests: Streaming<Q>) -> Body {
    Body::Stream(requests.map(|request| protobuf::encode(&request)))
}

fn decoded<R: Message + MessageName>(reply: &Bytes) -> Result<R, Status> {
    protobuf::decode::<R>(reply).map_err(|status| {
        Status::internal(format!("the reply does not decode: {}", status.message())).with_phase(Phase::Reply)
    })
}

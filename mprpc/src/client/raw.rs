//! Calls of methods by name, with bytes: for gateways, proxies and tools that know no messages.

use std::sync::Arc;

use bytes::Bytes;

use super::call::{Call, Way};
use super::channel::Channel;
use super::service::ServiceEndpoints;
use crate::interceptor::Chain;
use crate::method::{Method, MethodKind};
use crate::service::Body;

/// One service over a channel, by name. Cheap to clone; any thread may use it.
///
/// What is said of generated clients holds here too: deadlines, attempts, metadata, interceptors. Nothing is known of
/// the methods, so none is made again that may have run.
#[derive(Clone)]
pub struct RawClient {
    service: Arc<str>,
    endpoints: Arc<ServiceEndpoints>,
    interceptors: Chain,
}

impl RawClient {
    /// Binds a channel to a service, `fixbug.UserServiceRpc`.
    pub fn new(channel: Channel, service: &str) -> RawClient {
        RawClient { service: service.into(), endpoints: channel.endpoints(service), interceptors: channel.interceptors }
    }

    /// Prepares a call with one message and one reply, in protobuf or whatever the method takes.
    pub fn unary(&self, method: &str, request: impl Into<Bytes>) -> Call<Bytes> {
        let decode = Box::new(|reply: Body, _| reply.into_message());
        let method = Method::named(&self.service, method, MethodKind::Unary);
        Call::prepared(self.way(), method, Body::Message(request.into()), decode)
    }

    /// Prepares a call of a method of any kind.
    pub fn call(&self, method: &str, kind: MethodKind, request: Body) -> Call<Body> {
        Call::prepared(self.way(), Method::named(&self.service, method, kind), request, Box::new(|reply, _| Ok(reply)))
    }

    fn way(&self) -> Way {
        Way {
            wait_for_ready: self.endpoints.options().wait_for_ready,
            compression: self.endpoints.options().compression,
            endpoints: self.endpoints.clone(),
            interceptors: self.interceptors.clone(),
            is_reply: |bytes| !bytes.is_empty(),
        }
    }
}

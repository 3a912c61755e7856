//! One service over a channel: what a generated client holds.

use std::sync::Arc;

use buffa::{Message, MessageName};

use super::call::Call;
use super::channel::Channel;
use super::service::ServiceEndpoints;
use crate::codec::protobuf;
use crate::method::ServiceDescriptor;
use crate::status::{Ran, Status};

/// One service over a channel: what a generated client holds. Cheap to clone; any thread may use it.
#[derive(Clone)]
pub struct Stub {
    descriptor: &'static ServiceDescriptor,
    endpoints: Arc<ServiceEndpoints>,
}

impl Stub {
    /// Binds a channel to a service. The registry is asked from now on; connections are opened by calls.
    pub fn new(channel: Channel, service: &'static ServiceDescriptor) -> Stub {
        Stub { descriptor: service, endpoints: channel.endpoints(service) }
    }

    /// Prepares a call of `service.methods[method]`; it starts when awaited.
    pub fn unary<Q: Message, R: Message + MessageName + 'static>(&self, method: usize, request: &Q) -> Call<R> {
        let method = &self.descriptor.methods[method];
        match protobuf::encode(request) {
            Ok(message) => Call::prepared(self.endpoints.clone(), method, message),
            Err(status) => Call::ready(Err(status.with_ran(Ran::No))),
        }
    }

    #[cfg(test)]
    pub(super) fn endpoints_for_test(&self) -> &ServiceEndpoints {
        &self.endpoints
    }

    /// Prepares a call of a streaming method, which this version answers with UNIMPLEMENTED.
    pub fn streaming<R>(&self, method: usize) -> Call<R> {
        let path = self.descriptor.methods[method].path;
        let message = format!("{path} is a streaming method, which this version does not call");
        Call::ready(Err(Status::unimplemented(message).with_ran(Ran::No)))
    }
}

//! The caller's side.
//!
//! What generated code sees: `Channel`, `Stub`, `Call`.

use std::marker::PhantomData;
use std::time::Duration;

use crate::error::Error;
use crate::method::{MethodDescriptor, ServiceDescriptor};
use crate::service::BoxFuture;
use crate::status::Status;

/// A way to services. (Under construction.)
#[derive(Clone)]
pub struct Channel;

impl Channel {
    /// A channel to what `target` names.
    pub fn new(_target: &str) -> Result<Channel, Error> {
        Ok(Channel)
    }
}

/// One service over a channel: what a generated client holds.
#[derive(Clone)]
pub struct Stub {
    service: &'static ServiceDescriptor,
}

impl Stub {
    /// Binds a channel to a service.
    pub fn new(_channel: Channel, service: &'static ServiceDescriptor) -> Stub {
        Stub { service }
    }

    /// Prepares a call of `service.methods[method]`; it starts when awaited.
    pub fn unary<Q: buffa::Message, R: buffa::Message + 'static>(&self, method: usize, _request: &Q) -> Call<R> {
        Call::ready(Err(Status::unimplemented(self.service.methods[method].path)))
    }

    /// Prepares a call of a streaming method.
    pub fn streaming<R>(&self, method: usize) -> Call<R> {
        let method: &'static MethodDescriptor = &self.service.methods[method];
        Call::ready(Err(Status::unimplemented(method.path)))
    }
}

/// A prepared call.
#[must_use = "a call starts when it is awaited"]
pub struct Call<R> {
    result: Result<R, Status>,
    _reply: PhantomData<fn() -> R>,
}

impl<R> Call<R> {
    /// A call that is answered already: for fakes of a client.
    pub fn ready(result: Result<R, Status>) -> Call<R> {
        Call { result, _reply: PhantomData }
    }

    /// The longest the call may take.
    pub fn timeout(self, _timeout: Duration) -> Call<R> {
        self
    }
}

impl<R: Send + 'static> IntoFuture for Call<R> {
    type Output = Result<R, Status>;
    type IntoFuture = BoxFuture<Result<R, Status>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(std::future::ready(self.result))
    }
}

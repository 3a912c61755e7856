//! One call at the server: its future, polled without letting a panic out.

use std::pin::Pin;
use std::task::{self, Poll};

use bytes::Bytes;

use super::panic::contain;
use super::router::Route;
use crate::codec::Codec;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::method::MethodKind;
use crate::scope;
use crate::service::{Body, BoxFuture};
use crate::status::{Ran, Status};

/// A call that has begun. Dropping it drops the handler's future, and keeps a panic in that from getting out too.
pub(super) struct RunningCall {
    /// `None` once it is dropped.
    future: Option<BoxFuture<Result<Body, Status>>>,
    path: &'static str,
    deadline: Deadline,
}

impl RunningCall {
    /// Begins a call. The handler has run no line of its own until the first poll.
    pub(super) fn begin(route: &Route, context: Context, request: Bytes) -> Result<RunningCall, Status> {
        let path = route.method.path;
        if route.method.kind != MethodKind::Unary {
            return Err(Status::unimplemented(format!(
                "{path} is a streaming method, which this version does not serve"
            ))
            .with_ran(Ran::No));
        }
        let deadline = context.deadline;
        let begin = || route.service.call(route.index, context, Body::Message(request), Codec::Protobuf);
        match contain(|| scope::under(deadline, begin)) {
            Ok(future) => Ok(RunningCall { future: Some(future), path, deadline }),
            Err(panic) => Err(panicked(path, panic)),
        }
    }

    /// When nobody waits for it any more.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Polls the handler; a panic in it is its answer: INTERNAL, and a line in the log with its backtrace.
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<Bytes, Status>> {
        let future = self.future.as_mut().expect("only dropping the call takes it");
        match contain(|| scope::under(self.deadline, || future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            // It ran, whatever the failed call says whose status it passes on: the caller must not make this one again.
            Ok(Poll::Ready(result)) => {
                Poll::Ready(result.and_then(Body::into_message).map_err(|status| status.with_ran(Ran::Yes)))
            }
            Err(panic) => Poll::Ready(Err(panicked(self.path, panic))),
        }
    }
}

impl Future for RunningCall {
    type Output = Result<Bytes, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        RunningCall::poll(&mut self, cx)
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        if let Err(panic) = contain(|| drop(self.future.take())) {
            panicked(self.path, panic);
        }
    }
}

/// Says so in the log, and makes the answer.
fn panicked(path: &'static str, panic: super::panic::Panic) -> Status {
    let backtrace = panic.backtrace.map(|trace| trace.to_string()).unwrap_or_default();
    tracing::error!(method = path, panic = panic.message, backtrace, "a handler panicked");
    Status::internal("the handler panicked")
}

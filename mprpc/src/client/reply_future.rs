//! `ReplyFuture`: one call from its options to its encoded reply. A call on an open connection is polled without a
//! box.

use std::pin::Pin;
use std::task::{self, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::attempts::{Attempts, NextAttempt};
use super::call_options::{CallOptions, CallStart};
use super::intercepted::intercepted;
use super::multiplexed::PendingCall;
use super::service::FirstAttempt;
use super::transport::{Outgoing, expired};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::method::{Method, MethodKind};
use crate::net::clock;
use crate::scope;
use crate::service::{Body, BoxFuture};
use crate::status::{Phase, Ran, Status};

/// A call that has not started, and its options.
pub(super) struct PreparedCall {
    pub(super) call_options: CallOptions,
    method: Method,
    body: Body,
    pub(super) metadata: Metadata,
    /// The error of the first invalid option. The call fails with this status.
    pub(super) refused: Option<Status>,
    pub(super) timeout: Option<Duration>,
    /// The call that the current handler serves. Its deadline bounds this call, unless `is_independent` is set.
    served: Option<Context>,
    pub(super) is_independent: bool,
    /// Whether the caller asked for reply metadata and trailer.
    pub(super) keeps_context: bool,
}

/// The result of a call: the reply, and the call's context if one was created.
type Outcome = Result<(Body, Option<Context>), Status>;

/// The future of a running call. Dropping it cancels the call.
pub(super) struct ReplyFuture {
    /// The prepared call. It stays here until the call is answered or moves into a box.
    prepared: Option<PreparedCall>,
    stage: Stage,
}

enum Stage {
    New,
    /// The request is sent or queued. The call waits only for the reply.
    Sent(PendingCall, CallStart, Option<Context>),
    /// Every other call: it may connect, retry, or run interceptors.
    Boxed(BoxFuture<Outcome>),
}

impl ReplyFuture {
    #[inline]
    pub(super) fn new(call: PreparedCall) -> ReplyFuture {
        ReplyFuture { prepared: Some(call), stage: Stage::New }
    }

    /// Starts the call on the current runtime, or on the background loop if there is no runtime.
    fn begin(&mut self, waker: &Waker) -> Result<(), Status> {
        let Ok(runtime) = Handle::try_current() else {
            let call = self.take()?;
            self.stage = Stage::Boxed(Box::pin(AbortOnDrop(crate::net::background().spawn(call.run()))));
            return Ok(());
        };
        let Some(call) = self.prepared.as_mut().filter(|call| call.is_plain()) else {
            self.stage = Stage::Boxed(Box::pin(self.take()?.run()));
            return Ok(());
        };
        let (begun, remaining) = call.begin()?;
        // A plain call has no interceptor, so only a caller that asked for metadata needs a context.
        let context = call.keeps_context.then(|| call.context(begun));
        let outgoing = Outgoing {
            method: &call.method,
            metadata: &call.metadata,
            deadline: begun.deadline,
            remaining,
            context: context.as_ref(),
            message: call.message(),
            compression: None,
            may_leave: call.may_leave(),
            now: begun.at,
        };
        let CallOptions { service, hash_key, .. } = &call.call_options;
        let next = match service.endpoints.try_begin(&outgoing, *hash_key, runtime.id(), waker) {
            FirstAttempt::Begun(pending) => {
                self.stage = Stage::Sent(pending, begun, context);
                return Ok(());
            }
            FirstAttempt::Failed(subchannel, status) => NextAttempt::Failed(Some(subchannel), status),
            FirstAttempt::NotReady(subchannel) => NextAttempt::At(subchannel),
            FirstAttempt::Nowhere => NextAttempt::Pick,
        };
        self.stage = Stage::Boxed(Box::pin(self.take()?.go_on(begun, next)));
        Ok(())
    }

    fn take(&mut self) -> Result<PreparedCall, Status> {
        self.prepared.take().ok_or_else(|| Status::internal("a call was polled after its end"))
    }
}

impl Future for ReplyFuture {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Outcome> {
        let running = self.get_mut();
        if let Stage::New = running.stage {
            running.begin(cx.waker())?;
            // The reply wakes this task.
            if let Stage::Sent(..) = running.stage {
                return Poll::Pending;
            }
        }
        if let Stage::Sent(pending, begun, context) = &mut running.stage {
            let status = match ready!(Pin::new(&mut *pending).poll(cx)) {
                Ok(reply) => return Poll::Ready(Ok((reply, context.take()))),
                Err(status) => status,
            };
            let begun = *begun;
            let failed_at = pending.address().clone();
            let call = running.take()?;
            let next = NextAttempt::Failed(call.call_options.service.endpoints.subchannel_at(&failed_at), status);
            running.stage = Stage::Boxed(Box::pin(call.go_on(begun, next)));
        }
        match &mut running.stage {
            Stage::Boxed(call) => call.as_mut().poll(cx),
            Stage::New | Stage::Sent(..) => Poll::Pending,
        }
    }
}

/// A call on the background loop. Dropping this future cancels the call.
struct AbortOnDrop(JoinHandle<Outcome>);

impl Future for AbortOnDrop {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Outcome> {
        let joined = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(joined.unwrap_or_else(|_| Err(Status::internal("the background loop ended"))))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl PreparedCall {
    /// Creates a call with the given options.
    #[inline]
    pub(super) fn new(call_options: CallOptions, method: Method, body: Body) -> PreparedCall {
        PreparedCall {
            call_options,
            method,
            body,
            metadata: Metadata::new(),
            refused: None,
            timeout: None,
            served: scope::current(),
            is_independent: false,
            keeps_context: false,
        }
    }

    /// Makes the call with all its interceptors and attempts.
    pub(super) async fn run(mut self) -> Outcome {
        if let Some(status) = self.call_options.hedge_fault(&self.method) {
            self.refused.get_or_insert(status);
        }
        let (begun, _) = self.begin()?;
        if self.call_options.service.interceptors.is_empty() {
            return self.go_on(begun, NextAttempt::Pick).await;
        }
        let context = self.context(begun);
        let (call_options, body) = (self.call_options, self.body);
        let interceptors = call_options.service.interceptors.clone();
        let transmit = move |context, body| -> BoxFuture<_> {
            Box::pin(async move { Attempts::new(call_options, context, body, begun, NextAttempt::Pick)?.run().await })
        };
        let reply = intercepted(interceptors, context.clone(), body, transmit).await?;
        Ok((reply, Some(context)))
    }

    /// Continues a started call with the step `next`.
    async fn go_on(self, begun: CallStart, next: NextAttempt) -> Outcome {
        let context = self.context(begun);
        let reply = Attempts::new(self.call_options, context.clone(), self.body, begun, next)?.run().await?;
        Ok((reply, Some(context)))
    }

    fn context(&self, begun: CallStart) -> Context {
        Context::new(self.method.clone(), None, begun.deadline, self.metadata.clone())
    }

    /// Starts the call now. Returns the start and the time that remains until the deadline.
    #[inline(always)]
    fn begin(&mut self) -> Result<(CallStart, Option<Duration>), Status> {
        if let Some(status) = self.refused.take() {
            return Err(status.with_phase(Phase::Send).with_ran(Ran::No));
        }
        self.call_options.service.endpoints.retries().count_call();
        let now = clock::now();
        let (deadline, remaining, by_default) = self.deadline(now);
        if remaining == Some(Duration::ZERO) {
            let message = "the deadline of the call that is being served has passed";
            return Err(expired(message.to_owned(), Phase::Send));
        }
        if let Some(served) = &self.served {
            inherit(&mut self.metadata, served.metadata());
        }
        Ok((CallStart { at: now, deadline, by_default }, remaining))
    }

    /// Whether the call is unary and needs only a connection: no interceptor, no compression, no hedge, no oversized
    /// message.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        let max = self.call_options.service.endpoints.options().limits.message_bytes_max;
        self.method.kind == MethodKind::Unary
            && self.call_options.service.interceptors.is_empty()
            && self.call_options.compression.is_none()
            && !self.call_options.wants_hedge(&self.method)
            && self.message().is_some_and(|message| message.len() <= max)
    }

    /// Whether the call may be ended and made elsewhere while its peer does not answer. A call that belongs to a repeated
    /// call is not repeated.
    #[inline(always)]
    fn may_leave(&self) -> bool {
        self.call_options.may_run_twice(&self.method) && self.metadata.value(Metadata::ATTEMPT).is_none()
    }

    fn message(&self) -> Option<&Bytes> {
        match &self.body {
            Body::Message(message) => Some(message),
            Body::Stream(_) => None,
        }
    }

    /// Returns the deadline, the time from `now` to the deadline, and whether `call_timeout` alone sets the deadline.
    /// A streaming call has no deadline by default.
    #[inline(always)]
    fn deadline(&self, now: Instant) -> (Deadline, Option<Duration>, bool) {
        let options = self.call_options.service.endpoints.options();
        let chosen = self.timeout.or_else(|| options.timeout_of(&self.method));
        let by_default = chosen.is_none() && self.method.kind == MethodKind::Unary;
        let timeout = chosen.or_else(|| by_default.then_some(options.limits.call_timeout));
        let own = timeout.map_or(Deadline::NONE, |timeout| Deadline::after(now, timeout));
        match &self.served {
            Some(served) if !self.is_independent => {
                let earlier = own.earlier(served.deadline());
                (earlier, earlier.remaining(now), by_default && earlier == own)
            }
            _ => (own, timeout.filter(|_| own != Deadline::NONE), by_default),
        }
    }
}

/// Copies the metadata that a chain of calls inherits, except for keys that the call sets itself.
fn inherit(own: &mut Metadata, served: &Metadata) {
    let passed_on = served.passed_on();
    for key in Metadata::PASSED_ON.iter().filter(|key| passed_on.value(key).is_some()) {
        if own.value(key).is_none() {
            passed_on.values(key).for_each(|value| drop(own.append(key, value)));
        }
    }
}

//! One call at the server: polls its handler and its reply stream, and contains their panics.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::Stream;

use super::concurrency_limit::{Admitted, ConcurrencyLimit};
use super::memory::Charge;
use super::panic::{Panic, contain};
use super::router::Route;
use super::shared::{DetachedCall, Shared};
use crate::context::Context;
use crate::interceptor::Next;
use crate::method::MethodKind;
use crate::net::clock;
use crate::scope::{self, Scoped};
use crate::service::{Body, BoxFuture};
use crate::status::{Phase, Ran, Status};
use crate::streaming::Streaming;

/// A call in flight. Dropping it drops the handler's future, and contains a panic of that drop.
pub(super) struct RunningCall {
    work: Work,
    /// `None` only while the handler runs, as the scope borrows the context.
    context: Option<Context>,
    /// Whether the reply is one message.
    is_unary: bool,
    /// Whether the handler goes on when nobody waits for the call any more.
    runs_to_completion: bool,
    /// Whether the handler has begun. `None` without interceptors, as every result then comes from the handler itself.
    handled: Option<Arc<AtomicBool>>,
    /// The call's charge on its connection's memory. Set if the call has not ended at its first poll.
    pub(super) memory: Charge,
    /// The place in the method's concurrency limit, held while the call waits in its handler.
    held: Option<HeldPlace>,
}

/// A place in the concurrency limit of a method. Dropping it reports the end of the call: in time, or given up.
struct HeldPlace {
    limit: Arc<ConcurrencyLimit>,
    place: Admitted,
    in_time: bool,
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        self.limit.ended(self.place, self.in_time, clock::now());
    }
}

enum Work {
    Handling(BoxFuture<Result<Body, Status>>),
    Replying(Streaming<Bytes>),
    Done,
}

/// A step in the progress of a call.
#[derive(Debug)]
pub(super) enum Step {
    /// The one reply. The call has ended.
    Reply(Bytes),
    /// A stream of replies has begun.
    Opened,
    /// A message of the stream.
    Message(Bytes),
    /// The stream ended without an error. The call has ended.
    End,
    /// The call has failed.
    Failed(Status),
}

impl Step {
    /// Whether the call has ended with this step.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Step::Reply(_) | Step::End | Step::Failed(_))
    }
}

/// The outcome of a call's first poll.
pub(super) enum FirstPoll {
    /// The call has ended with this step, which may be a failure. The handler has left nothing behind.
    Ended(Step),
    /// The call goes on, or its handler has panicked.
    Running(RunningCall, Poll<Step>),
}

impl RunningCall {
    /// Creates a call that has not begun.
    pub(super) fn new(shared: &Shared, route: &Route, context: Context) -> RunningCall {
        RunningCall {
            work: Work::Done,
            context: Some(context),
            is_unary: route.method.kind == MethodKind::Unary,
            runs_to_completion: route.runs_to_completion,
            handled: (!shared.interceptors.is_empty()).then(Arc::default),
            held: None,
            memory: Charge::default(),
        }
    }

    /// Counts the call, whose handler was pending at its first poll, in the concurrency limit of its method until the call
    /// ends. A stream does not count, as its duration says nothing about load.
    pub(super) fn waits(&mut self, route: &Route, caller: u64, now: Instant) {
        if self.is_unary {
            let limit = route.concurrency.clone();
            self.held = Some(HeldPlace { place: limit.begun(caller, now), limit, in_time: false });
        }
    }

    /// Creates the handler's future. No line of the handler runs before the first poll.
    pub(super) fn begin(&mut self, shared: &Shared, route: &Route, request: Body) -> Result<(), Status> {
        let RunningCall { work, context, handled, .. } = self;
        let (mut served, mut request) = (context.clone(), Some(request));
        let begun = contained(work, context, &mut |work| {
            if let (Some(context), Some(request)) = (served.take(), request.take()) {
                *work = Work::Handling(handling(shared, route, handled, context, request));
            }
        });
        begun.map_err(|panic| panicked(self.context(), panic))
    }

    /// Begins the call of `context` and polls it once. Most calls end with this poll and leave their context in place, for
    /// reuse.
    #[inline]
    pub(super) fn first_poll(
        shared: &Shared,
        route: &Route,
        context: &mut Option<Context>,
        request: Body,
        cx: &mut task::Context<'_>,
    ) -> FirstPoll {
        let handled = (!shared.interceptors.is_empty()).then(Arc::default);
        let mut work = Work::Done;
        let (polled, step) = begin_and_poll(shared, route, &mut work, context, &handled, request, cx);
        match (polled, work, step) {
            (Ok(()), Work::Done, Poll::Ready(step)) => FirstPoll::Ended(step),
            (polled, work, step) => {
                let context = context.take().expect("it is lent out only while the handler runs");
                let mut call = RunningCall::new(shared, route, context);
                (call.work, call.handled) = (work, handled);
                let step = call.after_poll(polled, step);
                FirstPoll::Running(call, step)
            }
        }
    }

    /// Begins this call and polls it once.
    pub(super) fn begin_and_poll(
        &mut self,
        shared: &Shared,
        route: &Route,
        request: Body,
        cx: &mut task::Context<'_>,
    ) -> Poll<Step> {
        let RunningCall { work, context, handled, .. } = self;
        let (polled, step) = begin_and_poll(shared, route, work, context, handled, request, cx);
        self.after_poll(polled, step)
    }

    /// The call, as its handler knows it.
    pub(super) fn context(&self) -> &Context {
        self.context.as_ref().expect("it is lent out only while the handler runs")
    }

    /// Whether the call has ended. An ended call must not be polled again.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.work, Work::Done)
    }

    /// Returns the status of a call whose deadline has passed.
    pub(super) fn expired(&self) -> Status {
        expired(self.handled.as_ref())
    }

    /// Whether the handler has begun. `None` without interceptors.
    pub(super) fn handled(&self) -> Option<&Arc<AtomicBool>> {
        self.handled.as_ref()
    }

    /// Polls the handler, then its reply stream. A panic fails the call with INTERNAL, and the log gets the panic with its
    /// backtrace. Must not be called after the end of the call.
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Step> {
        let RunningCall { work, context, is_unary, handled, .. } = self;
        let mut step = Poll::Pending;
        let poll = &mut |work: &mut Work| step = work.poll(cx, *is_unary, handled.is_some());
        let polled = contained(work, context, poll);
        self.after_poll(polled, step)
    }

    fn after_poll(&mut self, polled: Result<(), Panic>, step: Poll<Step>) -> Poll<Step> {
        if step.is_ready()
            && let Some(mut held) = self.held.take()
        {
            held.in_time = true;
        }
        let Err(panic) = polled else { return step };
        self.drop_contained();
        Poll::Ready(Step::Failed(panicked(self.context(), panic)))
    }

    fn drop_contained(&mut self) {
        if let Work::Done = self.work {
            return;
        }
        // The work is taken out first, so that a value which panics in its drop is not dropped again.
        let drop_it = &mut |work: &mut Work| drop(mem::replace(work, Work::Done));
        if let Err(panic) = contained(&mut self.work, &mut self.context, drop_it) {
            panicked(self.context(), panic);
        }
    }

    /// Cancels the call, as nobody waits for it any more. The handler is dropped, or goes on by itself if its method runs
    /// to completion. Must run on the loop of the connection.
    pub(super) fn cancel(mut self, shared: &Shared) {
        self.held = None;
        self.context().cancel();
        if !self.runs_to_completion || !matches!(self.work, Work::Handling(_)) {
            return;
        }
        let running = DetachedCall::new(shared);
        // Without a runtime the process is ending, and no handler can go on.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let _running = running;
            let step = std::future::poll_fn(|cx| self.poll(cx)).await;
            if let Step::Failed(status) = step {
                tracing::info!(method = %self.context().method().path, %status, "a method that nobody waited for any more failed");
            }
        });
    }
}

/// Creates the handler's future and polls it in one containment, as two containments would cost twice.
#[inline]
fn begin_and_poll(
    shared: &Shared,
    route: &Route,
    work: &mut Work,
    context: &mut Option<Context>,
    handled: &Option<Arc<AtomicBool>>,
    request: Body,
    cx: &mut task::Context<'_>,
) -> (Result<(), Panic>, Poll<Step>) {
    let is_unary = route.method.kind == MethodKind::Unary;
    let (mut served, mut request, mut step) = (context.clone(), Some(request), Poll::Pending);
    let polled = contained(work, context, &mut |work| {
        if let (Some(context), Some(request)) = (served.take(), request.take()) {
            *work = Work::Handling(handling(shared, route, handled, context, request));
        }
        step = work.poll(cx, is_unary, handled.is_some());
    });
    (polled, step)
}

/// Runs `run` within the scope of the call, and contains its panic. `run` and its values pass by reference: each value that
/// passes through here is copied three times.
fn contained(work: &mut Work, context: &mut Option<Context>, run: &mut dyn FnMut(&mut Work)) -> Result<(), Panic> {
    contain(|| scope::lending(context, || run(work)))
}

impl Work {
    /// Must run within a containment, as this drops what the handler leaves behind.
    fn poll(&mut self, cx: &mut task::Context<'_>, is_unary: bool, is_intercepted: bool) -> Poll<Step> {
        Poll::Ready(match self {
            Work::Handling(future) => {
                let returned = task::ready!(future.as_mut().poll(cx));
                *self = Work::Done;
                match returned {
                    Ok(Body::Message(reply)) => Step::Reply(reply),
                    Ok(Body::Stream(_)) if is_unary => {
                        Step::Failed(Status::internal("a stream where one message was expected"))
                    }
                    Ok(Body::Stream(stream)) => {
                        *self = Work::Replying(stream);
                        Step::Opened
                    }
                    // `into_answer` marks the call as run, even if the handler passes on the status of another call that
                    // did not run: the caller must not retry this call.
                    Err(status) if !is_intercepted => Step::Failed(status.into_answer()),
                    Err(status) => Step::Failed(status),
                }
            }
            Work::Replying(stream) => match task::ready!(Pin::new(stream).poll_next(cx)) {
                Some(Ok(message)) => Step::Message(message),
                Some(Err(status)) => {
                    *self = Work::Done;
                    Step::Failed(status.into_answer())
                }
                None => {
                    *self = Work::Done;
                    Step::End
                }
            },
            Work::Done => Step::End,
        })
    }
}

/// Creates the handler's future, behind the interceptors if there are any.
fn handling(
    shared: &Shared,
    route: &Route,
    handled: &Option<Arc<AtomicBool>>,
    context: Context,
    request: Body,
) -> BoxFuture<Result<Body, Status>> {
    let Some(handled) = handled.clone() else {
        return route.call(context, request);
    };
    let route = route.clone();
    let handle = move |context, request| handle(route, &handled, context, request);
    Next::new(shared.interceptors.clone(), handle).run(context, request)
}

/// Runs the handler after the interceptors.
fn handle(route: Route, handled: &AtomicBool, context: Context, request: Body) -> BoxFuture<Result<Body, Status>> {
    if context.deadline().has_passed(clock::now()) {
        return Box::pin(std::future::ready(Err(not_begun())));
    }
    handled.store(true, Ordering::Release);
    // Calls that the handler makes inherit what the interceptors have added to the context, also while its stream is read.
    let handler = Scoped::of(context.clone(), route.call(context.clone(), request));
    Box::pin(async move {
        match handler.await {
            Ok(Body::Stream(replies)) => Ok(Body::Stream(Streaming::new(Scoped::of(context, replies)))),
            Ok(reply) => Ok(reply),
            Err(status) => Err(status.into_answer()),
        }
    })
}

/// Returns the status of a call whose deadline passed after the call began. `handled` says whether the handler has begun;
/// it is `None` without interceptors.
pub(super) fn expired(handled: Option<&Arc<AtomicBool>>) -> Status {
    match handled {
        Some(handled) if !handled.load(Ordering::Acquire) => not_begun(),
        _ => {
            let message = "the handler did not finish within the deadline";
            Status::deadline_exceeded(message).with_phase(Phase::Handle)
        }
    }
}

/// Returns the status of a call whose deadline passed before its handler began.
pub(super) fn not_begun() -> Status {
    let status = Status::deadline_exceeded("the deadline passed before the handler began");
    status.with_phase(Phase::Queue).with_ran(Ran::No)
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.drop_contained();
    }
}

/// Logs the panic and returns the status of its call.
fn panicked(context: &Context, panic: Panic) -> Status {
    let backtrace = panic.backtrace.map(|trace| trace.to_string()).unwrap_or_default();
    tracing::error!(method = %context.method().path, panic = panic.message, backtrace, "a handler panicked");
    Status::internal("the handler panicked").with_phase(Phase::Handle)
}
